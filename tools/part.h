/* part.h - partial results: sums of some of a contraction's slices, and the files that hold them. */
#ifndef TOOL_PART_H
#define TOOL_PART_H

#include "tool.h"

/* The sum of slices first .. end-1: 2^k of them from a multiple of 2^k behind the first one of their part of the
 * result, or all that belong to it. */
typedef struct part_sum {
    int64_t first, end;
    int64_t *begin; /* where that part begins along each axis of the result */
    tool_tensor sum;
} part_sum;

typedef struct part {
    char computation[33];       /* a hash of the program, the inputs' elements, and all that decides on bits */
    int64_t n_slices, n_summed; /* all; those that are added up to one part of the result */
    int reduce;                 /* EINJIT_REDUCE_* */
    int dtype, rank;            /* of the result */
    int64_t *shape;
    part_sum *sums; /* by `first`; none holds slices of another */
    size_t n;
} part;

/* TOOL_OK, or the exit code after a message; `path`: a .npz file, written anew as a whole or not at all. */
int part_load(part *out, const char *path);
int part_save(const part *p, const char *path);
/* The same to and from memory, as a message of *n bytes (freed with free()); `what` is its name in messages. */
int part_pack(char **bytes, size_t *n, const part *p);
int part_unpack(part *out, const char *bytes, size_t n, const char *what);
void part_free(part *p);
/* Sums of a part with the same name of its computation go over to the other; the rest of it is freed. TOOL_OK, or
 * TOOL_FAILED after a message with `what`, its file or process, where they do not fit together. */
int part_merge(part *into, part *from, const char *what);
/* The part has its slices, too; what the sum owns is taken over, also where it brings nothing new. */
void part_add(part *p, part_sum *sum);
/* Sums that whole runs make of two of these take their place. */
int part_settle(part *p, einjit_context *context);
/* The first range of slices within first .. end-1 that no sum has; false: there is none. */
bool part_missing(const part *p, int64_t *first, int64_t *end);
/* The result, of settled sums of all slices. E_VALUE: which are missing. */
int part_result(tool_tensor *out, const part *p, einjit_context *context);

#endif
