/* opt.h - the passes: graph to graph, shape-free. A pass is one row in opt.c and one file opt_<name>.c.
 *
 * A pass allocates what it needs for itself in job->arena and what stays in the graph's arena, says how much it changed,
 * and never looks at extents. Every rewrite is exact on the reals.
 */
#ifndef EJ_OPT_H
#define EJ_OPT_H

#include "graph.h"
#include "job.h"

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

/* What is known of a value's dtype before the inputs are seen (opt_dtype.c). */
enum { EJ_DTYPE_UNKNOWN = -1, EJ_DTYPE_INEXACT = -2 }; /* INEXACT: floating or complex, but not which */
typedef struct ej_known_dtype {
    int16_t dtype;  /* EINJIT_*, or one of the above; of a weak value: its default */
    bool weak;      /* a literal: takes the dtype of what it meets */
    uint8_t kind;   /* weak: EJ_KIND_* */
} ej_known_dtype;
/* One per node; NULL: out of memory. */
ej_known_dtype *ej_opt_dtypes(const ej_graph *graph, ej_arena *arena);
/* Of a node over values that have theirs. */
ej_known_dtype ej_opt_dtype_of(const ej_known_dtype *values, const ej_node *node);
/* Floating or complex for sure. */
bool ej_known_inexact(ej_known_dtype known);
/* What n operands promote to; *strong (may be NULL): the same of those that are not weak, weak when there are none. */
ej_known_dtype ej_known_promote(const ej_known_dtype *values, uint32_t n, const ej_value *in, ej_known_dtype *strong);

/* What is known of ranks and extents before the inputs are seen (opt_shape.c). Extents are ids: equal ids are equal
 * extents for all inputs. */
typedef struct ej_known_shape {
    int32_t rank;      /* -1: not known */
    int32_t *extents;  /* ids */
} ej_known_shape;
typedef struct ej_extent_table ej_extent_table;
typedef struct ej_known_shapes {
    ej_known_shape *of; /* one per node */
    ej_extent_table *table;
} ej_known_shapes;
/* NULL: out of memory. */
ej_known_shapes *ej_opt_shapes(const ej_graph *graph, ej_arena *arena);
int64_t ej_extent_number(const ej_known_shapes *shapes, int32_t extent); /* -1: no number, or not known */
/* The extent as the program could say it (symbols are borrowed); false: it has no name. */
bool ej_extent_is_product(const ej_known_shapes *shapes, int32_t extent, ej_extent *out);
/* The same with symbols of its own in the arena, and all extents of a value (opt_say.c). *said false, *out NULL: not all
 * have a name. False: out of memory. */
bool ej_extent_say(const ej_known_shapes *shapes, int32_t extent, ej_arena *arena, ej_extent *out, bool *said);
bool ej_shape_say(const ej_known_shapes *shapes, ej_value v, ej_arena *arena, ej_extent **out);
bool ej_known_same_shape(const ej_known_shape *a, const ej_known_shape *b); /* for all inputs */

/* Axis `dim` (from the end if negative) of so many; false: there is none. */
static inline bool ej_axis_of(int64_t dim, int32_t rank, int32_t *out)
{
    if (dim < -(int64_t)rank || dim >= rank) return false;
    *out = (int32_t)(dim < 0 ? dim + rank : dim);
    return true;
}
/* x[:] along its axis. */
static inline bool ej_takes_all(const ej_index_item *item)
{
    return item->kind == EJ_INDEX_RANGE && (item->start == INT64_MIN || !item->start) && item->stop == INT64_MAX &&
           item->step == 1;
}

/* Factors of magnitude 1 / m .. m, with this m, may move along values of the dtype (-1: not known) without taking them out
 * of its range (opt_scalar_factor.c says which). */
double ej_factor_bound(int dtype);
/* What is left of that bound where numbers have moved already; `drift`: of the graph. */
double ej_factor_room(int dtype, const double *drift);
double ej_factor_distance(double re, double im); /* from 1 in magnitude, as a factor: at least 1; Inf for 0, NaN for NaN */
static inline bool ej_is_wide(int dtype) /* the dtype's place in ej_graph.drift */
{
    return dtype >= 0 && ej_dtypes[dtype].real == EINJIT_F64;
}

/* Rules (opt_rules.def): one line a rewrite rule. In the test build (EINJIT_BREAK_RULES) one of them can be broken on
 * purpose; the property tests must then see a wrong result. */
enum ej_rule {
#define EJ_RULE(NAME, pass, inputs, from, to, refused, breaks) EJ_RULE_##NAME,
#include "opt_rules.def"
#undef EJ_RULE
    EJ_RULE_COUNT
};
typedef struct ej_rule_row {
    const char *name, *pass; /* or decision */
    bool exact;
} ej_rule_row;
extern const ej_rule_row ej_rules[];
/* In a strict compile only exact rules rewrite. Passes whose rules are not all exact ask. */
#define EJ_ALLOWED(job, NAME) (!(job)->strict || ej_rules[EJ_RULE_##NAME].exact || ej_is_let_through(#NAME))
#ifdef EINJIT_BREAK_RULES
extern int ej_broken_rule; /* -1: none */
#define EJ_BROKEN(NAME) (ej_broken_rule == EJ_RULE_##NAME)
#else
#define EJ_BROKEN(NAME) false
#endif

/* How passes change a graph (opt_edit.c): read the nodes that are there, add nodes, say what takes which value's place,
 * commit. Old nodes stay as they are until then. */
typedef struct ej_edit {
    ej_graph *graph;
    ej_job *job;
    size_t n_old;       /* values from here on are new */
    size_t capacity;
    ej_value *replace;  /* per value: what takes its place, or itself */
    size_t n_changed;
} ej_edit;
int ej_edit_begin(ej_edit *e, ej_graph *graph, ej_job *job);
/* Arrays of *node lie in the graph's arena and belong to no other node; operands may be old or new values. */
int ej_edit_add(ej_edit *e, const ej_node *node, ej_value *out);
/* The same over a copy of `in`; node's other arrays are taken over. */
int ej_edit_node(ej_edit *e, ej_node node, uint32_t n, const ej_value *in, ej_value *out);
int ej_edit_map(ej_edit *e, int fn, uint32_t n, const ej_value *in, ej_value *out);
int ej_edit_float(ej_edit *e, double value, ej_value *out); /* a literal */
ej_value ej_edit_value(const ej_edit *e, ej_value v);       /* what stands for v now */
/* `by`, which must not depend on v, takes v's place by a rule: counts as a change, and for the rule. False: EINJIT_RULE_LIMIT
 * is reached, and v stays. */
bool ej_edit_replace(ej_edit *e, ej_value v, ej_value by, enum ej_rule rule);
void ej_edit_also(ej_edit *e, enum ej_rule rule);           /* one more rule that the last replacement took */
void ej_edit_renew(ej_edit *e, ej_value v, ej_value by);    /* the same operation, over what took its operands' places */
bool ej_edit_ended(const ej_edit *e);                       /* EINJIT_RULE_LIMIT is reached */
/* Adds the changes to *n_changed. keep_unused: dead old nodes stay. Without a change new nodes were for nothing, and go. */
int ej_edit_commit(ej_edit *e, bool keep_unused, size_t *n_changed);

#endif
