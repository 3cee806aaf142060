/* code_image.h - from an object file to bytes that can be mapped. */
#ifndef EJ_CODE_IMAGE_H
#define EJ_CODE_IMAGE_H

#include "backend.h"

/* One block from an ELF object: text and read-only data with the relocations among them resolved. E_BACKEND for
 * everything that would need a loader: other symbols (named), writable data, other relocations. */
int ej_code_image(ej_code *out, const void *object, size_t n_bytes, const char *entry, const einjit_allocator *allocator,
                  einjit_error *err);

#endif
