/* npz.h - NumPy's .npz files: zip archives of .npy files, and of others that NumPy leaves alone. */
#ifndef TOOL_NPZ_H
#define TOOL_NPZ_H

#include "tool.h"

/* FILE.npz, or FILE.npz:NAME for one of its arrays. */
bool npz_is(const char *argument);
/* Appends the arrays to a list, which tool_tensors_free() frees. Those of a whole file come in the order of `names`
 * where it has all of these, else in its own. TOOL_OK, or TOOL_FAILED after a message. */
int npz_load(tool_tensor **list, size_t *n, const char *argument, const char *const *names, size_t n_names);

/* A file in an archive. */
typedef struct npz_entry {
    char name[72];
    char *bytes; /* freed with free() */
    size_t n_bytes;
} npz_entry;
/* The bytes of the file with this name. TOOL_OK, or TOOL_FAILED after a message. */
int npz_read(npz_entry *entry, const char *path);
/* A new archive in the place of the old one, once it is whole. */
int npz_save(const char *path, const npz_entry *entries, size_t n);

#endif
