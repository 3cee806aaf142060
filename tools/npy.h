/* npy.h - NumPy's .npy files: C or Fortran order, versions 1 to 3, either byte order in, little-endian C order out. */
#ifndef TOOL_NPY_H
#define TOOL_NPY_H

#include "tool.h"

int npy_load(tool_tensor *out, const char *path); /* TOOL_OK, or TOOL_FAILED after a message */
/* the same from a stream; `path` is its name in messages */
int npy_read(tool_tensor *out, FILE *file, const char *path);
int npy_save(const tool_tensor *tensor, const char *path); /* row-major tensors */
int npy_write(const tool_tensor *tensor, FILE *file, const char *path);

#endif
