/* npz.h - NumPy's .npz files: zip archives of .npy files. */
#ifndef TOOL_NPZ_H
#define TOOL_NPZ_H

#include "tool.h"

/* FILE.npz, or FILE.npz:NAME for one of its arrays. */
bool npz_is(const char *argument);
/* Appends the arrays to a list, which tool_tensors_free() frees. Those of a whole file come in the order of `names`
 * where it has all of these, else in its own. TOOL_OK, or TOOL_FAILED after a message. */
int npz_load(tool_tensor **list, size_t *n, const char *argument, const char *const *names, size_t n_names);

#endif
