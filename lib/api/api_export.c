/* api_export.c - kernels as an object and a header. */
#include <stdlib.h>

#include "api.h"
#include "export.h"

/* The caller's structs, of whichever version of the header. */
static int read_variants(einjit_variant **out, size_t n, const einjit_variant *given, ej_arena *arena,
                         einjit_error *err)
{
    if (n > EJ_EXPORT_VARIANTS)
        return ej_fail(err, EINJIT_E_LIMIT, "%zu variants, more than %d", n, (int)EJ_EXPORT_VARIANTS);
    einjit_variant *variants = EJ_NEW_ARRAY(arena, einjit_variant, n);
    if (!variants) return ej_no_memory(err);
    const char *at = (const char *)given;
    for (size_t i = 0; i < n; i++) {
        EJ_TRY(ej_read_struct(&variants[i], sizeof *variants, at, "variant", err));
        at += ((const einjit_variant *)(const void *)at)->struct_bytes;
    }
    *out = variants;
    return EINJIT_OK;
}

typedef void (*exporter)(ej_text *out, const ej_export *e);

static int export_text(exporter print, const char *name, size_t n, const einjit_variant *given, char *buffer,
                       size_t capacity, size_t *needed, einjit_error *err)
{
    if (!buffer && capacity) return ej_fail(err, EINJIT_E_INVALID, "buffer is NULL");
    einjit_variant *variants = NULL;
    ej_arena scratch;
    ej_text text;
    const einjit_kernel *first = n && given ? given->kernel : NULL;
    if (!first) return ej_fail(err, EINJIT_E_INVALID, "no kernel to export");
    ej_arena_init(&scratch, &first->context->allocator);
    ej_text_init(&text, &scratch);
    int status = read_variants(&variants, n, given, &scratch, err);
    const ej_export e = {name, n, variants};
    if (!status) status = ej_export_check(&e, err);
    if (!status) print(&text, &e);
    if (!status) status = ej_text_hand_over(&text, buffer, capacity, needed, err);
    ej_arena_free(&scratch);
    return status;
}

int einjit_export_object(const char *name, size_t n, const einjit_variant *variants, char *buffer, size_t capacity,
                         size_t *needed, einjit_error *err)
{
    return export_text(ej_export_object, name, n, variants, buffer, capacity, needed, err);
}

int einjit_export_header(const char *name, size_t n, const einjit_variant *variants, char *buffer, size_t capacity,
                         size_t *needed, einjit_error *err)
{
    return export_text(ej_export_header, name, n, variants, buffer, capacity, needed, err);
}
