/* code_image.h - from an object file to bytes that can be mapped. */
#ifndef EJ_CODE_IMAGE_H
#define EJ_CODE_IMAGE_H

#include "backend.h"

typedef struct ej_code_part { /* an ELF object */
    const void *bytes;
    size_t n_bytes;
} ej_code_part;

/* What others find in the block by name: `entry`, and n_phases functions named `phase` and their number. */
typedef struct ej_code_names {
    const char *entry, *phase;
    size_t n_phases;
} ej_code_names;

/* One block from ELF objects, which may refer to each other by name: text and read-only data with the relocations among
 * them resolved. E_BACKEND for everything that would need a loader: other symbols (named), writable data, other
 * relocations. */
int ej_code_image(ej_code *out, const ej_code_part *parts, size_t n, const ej_code_names *names,
                  const einjit_allocator *allocator, einjit_error *err);

#endif
