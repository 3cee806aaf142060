/* choose_core.h - how decisions write the next bound graph: node by node, operands first. */
#ifndef EJ_CHOOSE_CORE_H
#define EJ_CHOOSE_CORE_H

#include "choose.h"
#include "cost.h"

static inline bool ej_is_map(const ej_bound_node *node, int fn)
{
    return node->op == EJ_OP_MAP && node->fn == fn;
}

/* ---- choose_rebuild.c ---- */
typedef struct ej_rebuild {
    ej_bound *out;
    const ej_bound *from;
    ej_job *job;
    ej_value *map;  /* per node of `from`: its value in `out`, -1: not there (yet) */
    uint32_t *uses; /* per node of `from`: operands of live nodes and results */
} ej_rebuild;
/* Starts an empty graph with the inputs in it; finds uses. */
int ej_rebuild_begin(ej_rebuild *r, ej_bound *out, const ej_bound *from, ej_job *job);
/* A new node (arrays are taken over; operands are values of `out`). */
int ej_rebuild_add(ej_rebuild *r, const ej_bound_node *node, ej_value *out);
/* Elements start .. end-1 of x, a value of `out`, along an axis. */
int ej_rebuild_slice(ej_rebuild *r, ej_value x, int32_t axis, int64_t start, int64_t end, const char *name,
                     ej_value *out);
/* Node v as it was, over what its operands became; sets map[v]. */
int ej_rebuild_keep(ej_rebuild *r, ej_value v);
/* Results and values of the program follow the map; what lost its use is left out. */
int ej_rebuild_end(ej_rebuild *r);
static inline bool ej_rebuild_live(const ej_rebuild *r, ej_value v)
{
    return r->uses[v] > 0;
}

/* ---- choose_einsum.c: parts of einsums ---- */

/* The einsum over operands `in` (values of `bound`) with labels of `like`: dense ids again. ids: one per label of
 * `like`, all 0, and 0 again afterwards. */
int ej_einsum_over(ej_bound_node *made, const ej_bound *bound, const ej_bound_node *like, uint32_t n,
                   const ej_value *in, const ej_term *terms, const ej_term *out, int32_t *ids, ej_job *job);
/* ---- choose_pairs.c ---- */

/* The einsum's own best path; n_steps 0: it is not taken in pairs. */
int ej_pairs_search(ej_path *out, const ej_bound *bound, ej_value v, ej_job *job);
/* Every einsum in pairs: by paths[v], or by its own search where that has no steps. paths may be NULL. */
int ej_pairs_by(ej_bound *out, const ej_bound *bound, const ej_path *paths, ej_job *job);

/* ---- choose_candidate.c ---- */
/* What the graph comes to when its einsums take these paths (as ej_pairs_by). */
int ej_candidate_count(ej_count *out, const ej_bound *bound, const ej_path *paths, ej_job *job);

typedef struct ej_candidate {
    const ej_bound *bound;
    ej_job *job;
    ej_arena memory; /* of one trial */
    ej_value *place; /* per node of the graph: its value in the trial; -1 between trials */
} ej_candidate;
typedef struct ej_candidate_node {
    ej_value v;
    const ej_bound_node *node; /* replaces v; its operands are values of the graph */
    const ej_path *path;       /* NULL, or without steps: searched */
    bool is_result;            /* used elsewhere */
} ej_candidate_node;
int ej_candidate_init(ej_candidate *t, const ej_bound *bound, ej_job *job);
void ej_candidate_free(ej_candidate *t); /* also after a failed, or no, init of a zeroed trial */
/* Nodes with ascending v, as if they were all there is. */
int ej_candidate_run(ej_candidate *t, size_t n, const ej_candidate_node *items, ej_count *out);

/* ---- choose_cost.c ---- */
int ej_choose_cost(double *out, ej_candidate *trial, ej_value v); /* of a node of the trial's graph */

/* ---- choose_joint.c ---- */

/* A path for every einsum that is taken in pairs: together they cost no more than the best path of each. */
int ej_joint_paths(ej_path **out, const ej_bound *bound, ej_job *job);

/* ---- the decisions: rows of choose.c. as_written: only what has to be decided ---- */
int ej_choose_alternatives(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
int ej_choose_recompute(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
int ej_choose_pairs(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
int ej_choose_share(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
int ej_choose_symmetry(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
int ej_choose_quotient(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
int ej_choose_triangle(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);
int ej_choose_scale(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job);

#endif
