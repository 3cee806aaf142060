/* choose.h - what is decided when sizes are known, before steps are made: a bound graph becomes another one that means
 * the same and costs less.
 *
 * Afterwards every einsum that can be taken pair by pair has at most two operands that are no scalars; what is computed
 * twice is computed once; constant factors sit where they multiply the fewest elements.
 */
#ifndef EJ_CHOOSE_H
#define EJ_CHOOSE_H

#include "path.h"

/* When it is made: */
enum ej_decision_when {
    EJ_FREELY,  /* in optimized compiles that are not strict: the same on the reals, not in floating point */
    EJ_EXACTLY, /* in optimized compiles: no bit of any result changes */
    EJ_ALWAYS   /* steps cannot be made without it; as_written, as strict compiles call it, too: by the program's own
                 * way */
};
/* One decision a row of the table in choose.c; each takes a bound graph and gives another one. */
typedef struct ej_decision {
    const char *name;
    int (*decide)(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
    uint8_t when; /* EJ_FREELY, EJ_EXACTLY, EJ_ALWAYS */
    const char *help;
} ej_decision;
extern const ej_decision ej_decisions[];
extern const size_t ej_n_decisions;

/* Path strategy auto: einsums may look at each other. Others are obeyed as they are. (choose_pairs.c) */
bool ej_paths_are_free(const ej_job *job);

/* All decisions in the table's order (as_written: only what has to be decided before steps can be made; with
 * job->strict also what is exact). `out` shares memory with `bound`, which is not to be used any more: both lie in the
 * job's arena. With job->verify the graph is checked after each. */
int ej_choose(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);

/* Whether the einsum may be taken pair by pair: combining distributes over reducing, and there is something to reduce.
 * (choose_einsum.c) */
bool ej_einsum_distributes(const ej_bound_node *node);
/* A constant of the program without axes: no operand of a path. */
bool ej_is_scalar_operand(const ej_bound *bound, ej_value v);
/* Label sets and extents of an einsum. (choose_network.c) */
int ej_einsum_network(ej_network *net, const ej_bound *bound, const ej_bound_node *node, ej_job *job);

/* Where the sign of a zero counts in a bound graph, as facts_zero.h says it (choose_zero.c). Per node; NULL: out of
 * memory. */
bool *ej_bound_zeros(const ej_bound *bound, ej_job *job);
/* An einsum that adds up more than one term: its zeros are 0.0, whatever its operands are. Of open extents: yes. */
bool ej_bound_sums(const ej_bound_node *einsum);

/* The chosen graph as a program (choose_text.c): every einsum of two operands, letters as in the program `program`,
 * whose copy was bound. Open extents keep their names. The paths of its einsums stand in front, as comments. */
int ej_choose_print(ej_text *text, const ej_bound *bound, const ej_graph *program, ej_job *job);

#endif
