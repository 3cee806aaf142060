/* api_cache.c - what is on disk, for those who look after it.
 *
 * Takes  a context, whose folders count. Gives  their entries, checked as a look-up would check them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "cache.h"

struct einjit_cache_list {
    einjit_context *context; /* held */
    ej_arena arena;
    size_t n, capacity;
    einjit_cache_entry *entries;
};

static int check_context(const void *out, const einjit_context *context, einjit_error *err)
{
    if (out && context) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_INVALID, "no %s given", out ? "context" : "place for the result");
}

int einjit_cache_path(const einjit_context *context, char *buffer, size_t capacity, size_t *needed, einjit_error *err)
{
    if (!context) return ej_fail(err, EINJIT_E_INVALID, "no context given");
    if (!buffer && capacity) return ej_fail(err, EINJIT_E_INVALID, "buffer is NULL");
    ej_arena arena;
    ej_text text;
    ej_arena_init(&arena, &context->allocator);
    ej_text_init(&text, &arena);
    const char *folder = ej_disk_folder(context->disk);
    ej_print(&text, "%s", folder ? folder : "");
    int status = ej_text_hand_over(&text, buffer, capacity, needed, err);
    ej_arena_free(&arena);
    return status;
}

/* ---- the list ---- */

static const char *copy(einjit_cache_list *list, ej_cache_piece piece, bool *failed)
{
    const char *text = ej_arena_copy_text(&list->arena, piece.bytes, piece.n);
    *failed |= !text;
    return text;
}

static bool describe(einjit_cache_list *list, einjit_cache_entry *out, const void *bytes, size_t n_bytes)
{
    ej_cache_entry entry;
    bool failed = false;
    out->fault = ej_entry_read(&entry, bytes, n_bytes);
    out->bad = out->fault != NULL;
    if (out->fault) return true;
    out->fault = ej_disk_foreign(list->context, &entry);
    out->problem = copy(list, entry.pieces[EJ_PIECE_PROBLEM], &failed);
    out->key = copy(list, entry.pieces[EJ_PIECE_KEY], &failed);
    out->generator = copy(list, entry.pieces[EJ_PIECE_GENERATOR], &failed);
    out->code_bytes = entry.pieces[EJ_PIECE_CODE].n;
    out->compile_ns = entry.compile_ns;
    return !failed;
}

static int add(einjit_cache_list *list, int folder, const char *path, enum ej_folder_kind kind,
               const ej_file_info *file, einjit_error *err)
{
    const einjit_allocator *allocator = &list->context->allocator;
    void *bytes = NULL;
    size_t n_bytes = 0;
    int64_t age;
    int fault = ej_file_read(folder, file->name, kind, allocator, &bytes, &n_bytes, &age);
    if (fault == ENOENT) return EINJIT_OK; /* it has gone meanwhile */
    if (fault == ENOMEM) return ej_no_memory(err);
    einjit_cache_entry entry = {.folder = path, .used = file->used_s, .bytes = file->bytes};
    bool kept = true;
    entry.bad = fault != 0;
    if (fault) entry.fault = ej_arena_copy_text(&list->arena, ej_file_reason(fault), strlen(ej_file_reason(fault)));
    else kept = describe(list, &entry, bytes, n_bytes);
    if (!fault) ej_release(allocator, bytes, n_bytes);
    entry.name = ej_arena_copy_text(&list->arena, file->name, EJ_NAME_DIGITS);
    if (!kept || !entry.name || (fault && !entry.fault) ||
        !EJ_PUSH_ROOM(&list->arena, list->entries, list->capacity, list->n))
        return ej_no_memory(err);
    list->entries[list->n++] = entry;
    return EINJIT_OK;
}

static int add_folder(einjit_cache_list *list, const char *path, enum ej_folder_kind kind, einjit_error *err)
{
    ej_arena arena;
    ej_scan scan;
    int folder, status = EINJIT_OK;
    int fault = ej_folder_open(&folder, path, kind, false);
    if (fault == ENOENT) return EINJIT_OK;
    if (fault) return ej_fail(err, EINJIT_E_IO, "the folder %s: %s", path, ej_file_reason(fault));
    ej_arena_init(&arena, &list->context->allocator);
    fault = ej_folder_scan(&scan, folder, false, &arena);
    if (fault) status = ej_fail(err, EINJIT_E_IO, "the folder %s: %s", path, ej_file_reason(fault));
    for (size_t i = 0; i < scan.n && status == EINJIT_OK; i++)
        status = add(list, folder, path, kind, &scan.files[i], err);
    ej_arena_free(&arena);
    ej_folder_close(folder);
    return status;
}

static int last_used_first(const void *a, const void *b)
{
    const einjit_cache_entry *x = a, *y = b;
    if (x->used != y->used) return x->used > y->used ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int fill(einjit_cache_list *list, einjit_error *err)
{
    const char *const *shared, *folder = ej_disk_folder(list->context->disk);
    size_t n_shared = ej_disk_shared(list->context->disk, &shared);
    if (folder) EJ_TRY(add_folder(list, folder, EJ_FOLDER_OWN, err));
    for (size_t i = 0; i < n_shared; i++) EJ_TRY(add_folder(list, shared[i], EJ_FOLDER_SHARED, err));
    if (list->n) qsort(list->entries, list->n, sizeof *list->entries, last_used_first);
    return EINJIT_OK;
}

int einjit_cache_list_create(einjit_cache_list **out, einjit_context *context, einjit_error *err)
{
    EJ_TRY(check_context(out, context, err));
    einjit_cache_list *list = ej_alloc(&context->allocator, sizeof *list);
    if (!list) return ej_no_memory(err);
    ej_context_retain(context);
    list->context = context;
    ej_arena_init(&list->arena, &context->allocator);
    int status = fill(list, err);
    if (status) einjit_cache_list_destroy(list);
    else *out = list;
    return status;
}

void einjit_cache_list_destroy(einjit_cache_list *list)
{
    if (!list) return;
    einjit_context *context = list->context;
    ej_arena_free(&list->arena);
    ej_release(&context->allocator, list, sizeof *list);
    einjit_context_release(context);
}

size_t einjit_cache_list_count(const einjit_cache_list *list)
{
    return list ? list->n : 0;
}

int einjit_cache_list_entry(const einjit_cache_list *list, size_t i, einjit_cache_entry *out, einjit_error *err)
{
    if (!list) return ej_fail(err, EINJIT_E_INVALID, "no list given");
    if (i >= list->n) return ej_fail(err, EINJIT_E_VALUE, "entry %zu of %zu", i, list->n);
    return ej_write_struct(out, &list->entries[i], sizeof *list->entries, "entry", err);
}

int einjit_cache_trim(einjit_context *context, uint64_t keep_bytes, uint64_t *n_removed, einjit_error *err)
{
    uint64_t removed = 0;
    int folder;
    EJ_TRY(check_context(context, context, err));
    const char *path = ej_disk_folder(context->disk);
    int fault = path ? ej_folder_open(&folder, path, EJ_FOLDER_OWN, false) : ENOENT;
    if (!fault) {
        fault = ej_folder_trim(folder, keep_bytes, keep_bytes, &removed, &context->allocator);
        ej_folder_close(folder);
    }
    if (fault == ENOMEM) return ej_no_memory(err);
    if (fault && fault != ENOENT) return ej_fail(err, EINJIT_E_IO, "the folder %s: %s", path, ej_file_reason(fault));
    if (n_removed) *n_removed = removed;
    return EINJIT_OK;
}
