/* opt_alternative.h - alternatives between which lib/choose decides when sizes are known: EJ_OP_CHOOSE nodes. */
#ifndef EJ_OPT_ALTERNATIVE_H
#define EJ_OPT_ALTERNATIVE_H

#include "opt.h"

/* Axis p of x has the extent of axis q of y. */
typedef struct ej_choice_guard {
    ej_value x, y;
    int32_t p, q;
} ej_choice_guard;

/* choose(first, second), the second with guards. */
int ej_edit_alternative(ej_edit *e, ej_value first, ej_value second, size_t n_guards, const ej_choice_guard *guards,
                        ej_value *out);
/* A node like v with arrays of its own, over the operands `in` (NULL: those of v) and with dims[0] set to `dim` unless
 * it is EJ_KEEP_DIM. */
#define EJ_KEEP_DIM INT64_MIN
int ej_edit_like(ej_edit *e, ej_value v, const ej_value *in, int64_t dim, ej_value *out);
/* Per value: it is an alternative, or only alternatives need it: no pass offers anything for it again, so what a graph
 * offers does not grow with every run. NULL: out of memory. */
bool *ej_opt_alternatives(const ej_graph *graph, const uint32_t *uses, ej_arena *arena);

#endif
