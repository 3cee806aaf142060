/* code_image.h - from an object file to bytes that can be mapped. */
#ifndef EJ_CODE_IMAGE_H
#define EJ_CODE_IMAGE_H

#include "backend.h"

typedef struct ej_code_part { /* an ELF object */
    const void *bytes;
    size_t n_bytes;
} ej_code_part;

/* One block from ELF objects, which may refer to each other by name: text and read-only data with the relocations among
 * them resolved. E_BACKEND for everything that would need a loader: other symbols (named), writable data, other
 * relocations. */
int ej_code_image(ej_code *out, const ej_code_part *parts, size_t n, const char *entry,
                  const einjit_allocator *allocator, einjit_error *err);

#endif
