/* opt.h - the passes: graph to graph, shape-free. A pass is one row in opt.c and one file opt_<name>.c.
 *
 * A pass allocates what it needs for itself in job->arena and what stays in the graph's arena, says how much it
 * changed, and never looks at extents. Every rewrite is exact on the reals.
 */
#ifndef EJ_OPT_H
#define EJ_OPT_H

#include "facts.h"

int ej_opt_dce(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_like(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_canon(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_const(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_cse(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_scalar(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_fuse(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_distribute(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_gather(ej_graph *graph, ej_job *job, size_t *n_changed);
int ej_opt_offer(ej_graph *graph, ej_job *job, size_t *n_changed);

/* Who wants to see a run of passes (job->watch): called in front of each pass, and behind it with what it changed. The
 * graph is whole at both times; a failure ends the run. */
typedef struct ej_opt_watch ej_opt_watch;
struct ej_opt_watch {
    int (*before)(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, ej_job *job);
    int (*after)(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, size_t n_changed, ej_job *job);
};

/* One pass, checked and watched as ej_opt_run does. */
int ej_opt_run_pass(ej_graph *graph, const ej_pass *pass, ej_job *job);

/* Factors of magnitude 1 / m .. m, with this m, may move along values of the dtype (-1: not known) without taking them
 * out of its range (opt_scalar_factor.c says which). */
double ej_factor_bound(int dtype);
/* What is left of that bound where numbers have moved already; `drift`: of the graph. */
double ej_factor_room(int dtype, const double *drift);
/* from 1 in magnitude, as a factor: at least 1; Inf for 0, NaN for NaN */
double ej_factor_distance(double re, double im);
static inline bool ej_is_wide(int dtype) /* the dtype's place in ej_graph.drift */
{
    return dtype >= 0 && ej_dtypes[dtype].real == EINJIT_F64;
}

/* How passes change a graph (opt_edit.c): read the nodes that are there, add nodes, say what takes which value's place,
 * commit. Old nodes stay as they are until then. */
typedef struct ej_edit {
    ej_graph *graph;
    ej_job *job;
    size_t n_old; /* values from here on are new */
    size_t capacity;
    ej_value *replace; /* per value: what takes its place, or itself */
    size_t n_changed;
} ej_edit;
int ej_edit_begin(ej_edit *e, ej_graph *graph, ej_job *job);
int ej_edit_ask(const ej_edit *e); /* whether to go on: in each turn of a loop over nodes */
/* Arrays of *node lie in the graph's arena and belong to no other node; operands may be old or new values. */
int ej_edit_add(ej_edit *e, const ej_node *node, ej_value *out);
/* The same over a copy of `in`; node's other arrays are taken over. */
int ej_edit_node(ej_edit *e, ej_node node, uint32_t n, const ej_value *in, ej_value *out);
int ej_edit_map(ej_edit *e, int fn, uint32_t n, const ej_value *in, ej_value *out);
int ej_edit_float(ej_edit *e, double value, ej_value *out); /* a literal */
ej_value ej_edit_value(const ej_edit *e, ej_value v);       /* what stands for v now */
/* `by`, which must not depend on v, takes v's place by a rule: counts as a change, and for the rule. False:
 * EINJIT_RULE_LIMIT is reached, and v stays. */
bool ej_edit_replace(ej_edit *e, ej_value v, ej_value by, enum ej_rule rule);
void ej_edit_also(ej_edit *e, enum ej_rule rule); /* one more rule that the last replacement took */
/* the same operation, over what took its operands' places */
void ej_edit_renew(ej_edit *e, ej_value v, ej_value by);
bool ej_edit_ended(const ej_edit *e); /* EINJIT_RULE_LIMIT is reached */
/* Adds the changes to *n_changed. keep_unused: dead old nodes stay. Without a change new nodes were for nothing, and
 * go. */
int ej_edit_commit(ej_edit *e, bool keep_unused, size_t *n_changed);

#endif
