/* plan_core.h - what the files of the plan stage share: views, tapes, values of the bound graph, how steps are made.
 *
 * The planner walks the bound graph once, in order. A value is, at any time, one of
 *   a view     of a buffer: what layout operations make of one costs nothing
 *   a scalar   a constant of the program, the same for every element
 *   pending    a pointwise expression that its only user will take into its own step
 * and ej_plan_view makes a view of any of them, writing a step where it must.
 */
#ifndef EJ_PLAN_CORE_H
#define EJ_PLAN_CORE_H

#include "choose.h"
#include "path_number.h"
#include "plan.h"

/* element of axis value i: stride * (table < 0 ? i : buffers[table][tbase + tstride * i]) */
typedef struct ej_view_axis {
    ej_size stride;
    int32_t table;
    ej_size tbase, tstride;
} ej_view_axis;
typedef struct ej_view {
    int32_t buffer;
    int32_t rank;
    ej_size base;
    ej_view_axis *axes;
} ej_view;

/* What a tape's source reads. */
typedef struct ej_tape_view {
    ej_view view;
    ej_value whole; /* the value that the view is, element for element, if a step wrote that; -1: none */
} ej_tape_view;
/* An expression while it grows, with the views its sources read. */
typedef struct ej_plan_tape {
    size_t n_src, cap_src;
    ej_tape_view *src;
    size_t n_ops, cap_ops;
    ej_expr_op *ops;
} ej_plan_tape;
enum { EJ_TAPE_SOURCES = 16, EJ_TAPE_OPS = 64 }; /* more are not put into one step */

enum ej_value_kind { EJ_VALUE_NONE, EJ_VALUE_VIEW, EJ_VALUE_SCALAR, EJ_VALUE_PENDING };
typedef struct ej_plan_value {
    uint8_t kind;
    bool live, is_output;
    uint32_t uses;  /* as an operand of live nodes */
    ej_value user;  /* the only live node that uses it (and it is no output); -1: none or several */
    ej_value meets; /* its users are pointwise nodes of its shape: the nearest one through which everything goes
                          * that they make of it; -1: there is none, or it has other users, too */
    bool has_place; /* the value should be written to `place`: an output, or a part of a cat */
    ej_view place;
    ej_view view;              /* VIEW */
    ej_expr_op scalar;         /* SCALAR: the CONST op */
    ej_plan_tape *tape;        /* PENDING: sources have the value's shape */
    bool taken;                /* ... some user has it, and goes on reading its sources */
    int32_t step;              /* VIEW: the step that wrote all of it and may still be extended; -1: none */
    int32_t *step_axes;        /* ... per axis of the value the step's axis, -1 where the extent is 1 */
    ej_value added;            /* a sum: the einsum that is added into the memory of its other operand; -1: none */
    bool owned;                /* VIEW: of memory that nobody else writes or reads yet, written for this value alone */
    bool waits;                /* EINSUM: it is planned with its sum */
    bool accumulates, negated; /* EINSUM: it is combined with what its place holds; with its sign turned */
} ej_plan_value;

typedef struct ej_planner {
    ej_plan *plan;
    const ej_bound *bound;
    const bool *zeros; /* per node: the signs of its zeros count */
    ej_sizes *sizes;   /* the bound graph's: offsets may need new atoms */
    ej_job *job;
    ej_plan_value *values;
    ej_big mults, largest;
    bool *copied; /* per output: what it held is copied before anything is written */
} ej_planner;

/* ---- plan_buffer.c: buffers, and their places in the scratch block ---- */
int ej_plan_scratch(ej_planner *p, const char *name, int dtype, ej_size elems, int32_t *out);
/* A view of a fresh row-major scratch buffer. */
int ej_plan_scratch_view(ej_planner *p, const char *name, int dtype, int32_t rank, const ej_size *shape, ej_view *out);
int ej_plan_arguments(ej_planner *p);
int ej_plan_constant(ej_planner *p, ej_value v, ej_view *out);
/* The numbers 0 .. n-1, which are nowhere. */
int ej_plan_numbers(ej_planner *p, const char *name, ej_size n, ej_view *out);
/* After the last step: forget what no step uses, then give every scratch buffer its offset. */
int ej_plan_drop_unused(ej_planner *p);
int ej_plan_place_buffers(ej_planner *p);
int ej_plan_split_sums(ej_planner *p);    /* plan_split.c: after all steps are made */
int ej_plan_find_in_place(ej_planner *p); /* plan_in_place.c: after all steps are made */
/* Marks what outputs held and is read when that was overwritten: true where there is more than before. */
bool ej_plan_find_late(ej_planner *p, bool *copied);
/* plan_names.c: the last thing that is done to a plan. */
int ej_plan_settle_names(ej_planner *p);
const char *ej_plan_name(ej_planner *p, const char *format, ...) EJ_PRINTF(2, 3); /* NULL: out of memory */

/* ---- plan_view.c: views of views ---- */
int ej_view_new(ej_planner *p, int32_t rank, ej_view *out); /* all axes stride 0 */
int ej_view_row_major(ej_planner *p, int32_t buffer, int32_t rank, const ej_size *shape, ej_view *out);
int ej_view_permute(ej_planner *p, const ej_view *view, const int64_t *dims, bool inverse, ej_view *out);
int ej_view_slice(ej_planner *p, const ej_view *view, const ej_size *starts, const int64_t *steps, ej_view *out);
int ej_view_expand(ej_planner *p, const ej_view *view, const ej_size *from, int32_t rank, const ej_size *to,
                   ej_view *out);
/* *done false: the strides do not allow it. */
int ej_view_reshape(ej_planner *p, const ej_view *view, const ej_size *from, int32_t rank, const ej_size *to,
                    ej_view *out, bool *done);
/* They name the same elements: of a shape, or (shape NULL) whatever the shape is. */
bool ej_view_same(const ej_view *a, const ej_view *b, const ej_size *shape);
bool ej_view_has_table(const ej_view *view);
int ej_plan_layout(ej_planner *p, ej_value v); /* PERMUTE RESHAPE EXPAND SLICE */

/* ---- plan_tape.c: expressions ---- */
int ej_tape_op(ej_planner *p, ej_plan_tape *tape, ej_expr_op op, int32_t *out);
/* The same view once. */
int ej_tape_source(ej_planner *p, ej_plan_tape *tape, const ej_view *view, int dtype, int32_t *out);
/* Sets `whole` of the source that `op` is, unless -1. */
void ej_tape_whole(ej_plan_tape *tape, int32_t op, ej_value whole);
int ej_tape_fn(ej_planner *p, ej_plan_tape *tape, int fn, int dtype, int32_t a, int32_t b, int32_t *out);
/* None where it is that dtype. */
int ej_tape_cast(ej_planner *p, ej_plan_tape *tape, int dtype, int32_t a, int32_t *out);
/* Adds the ops of `inner`; *out is its result. `only`: nobody else uses `inner`, so that its memory may be taken
 * over. */
int ej_tape_append(ej_planner *p, ej_plan_tape *tape, const ej_plan_tape *inner, bool only, int32_t *out);
int ej_tape_integer(ej_planner *p, ej_plan_tape *tape, int dtype, int64_t value, int32_t *out);

/* ---- plan_step.c: steps ---- */
typedef struct ej_emission {
    const char *name;
    int32_t n_axes;
    const ej_axis *axes;
    const ej_view *out;       /* rank n_axes; what it says of reduced axes is not read */
    const ej_plan_tape *tape; /* sources of rank n_axes */
    int reduce;
    bool accumulate;
    ej_expr epilogue;
    int32_t *step_axes; /* out, may be NULL: per axis the step's axis or -1; n_axes of them */
} ej_emission;
int ej_plan_emit(ej_planner *p, const ej_emission *e);
/* A view as an access; `map`: per axis of the view the step's axis, -1: none. `named`: also axes along which it
 * stays. */
int ej_plan_access(ej_planner *p, const ej_view *view, const int32_t *map, bool named, ej_access *out);
/* The axes of a shape; v: the value that has it, whose einsum's letters they are called by, -1 or without letters d0,
 * d1, ... */
int ej_plan_shape_axes(ej_planner *p, ej_value v, int32_t rank, const ej_size *shape, ej_axis **out);
const char *ej_plan_letter(ej_planner *p, uint32_t letter); /* NULL: out of memory */
/* Write a tape over a whole shape to a view; v: as for ej_plan_shape_axes. step_axes may be NULL. */
int ej_plan_emit_map(ej_planner *p, const char *name, ej_value v, int32_t rank, const ej_size *shape,
                     const ej_plan_tape *tape, const ej_view *out, int32_t *step_axes);
int ej_plan_copy(ej_planner *p, const char *name, int dtype, int32_t rank, const ej_size *shape, const ej_view *from,
                 const ej_view *to);
int ej_plan_fill(ej_planner *p, const char *name, ej_expr_op constant, int32_t rank, const ej_size *shape,
                 const ej_view *to);
/* The value as a view, by a step where it is none yet. */
int ej_plan_view(ej_planner *p, ej_value v, ej_view *out);
/* Where a value is to be written: its place, or fresh scratch. */
int ej_plan_destination(ej_planner *p, ej_value v, ej_view *out);
/* The value lies in `view` now; step -1: it cannot be extended. */
void ej_plan_written(ej_planner *p, ej_value v, const ej_view *view, int32_t step, int32_t *step_axes);
bool ej_plan_unit(ej_size size); /* the number 1 */

/* ---- one file per kind of node ---- */
int ej_plan_map(ej_planner *p, ej_value v);          /* plan_map.c: MAP, CAST */
int ej_plan_reduce(ej_planner *p, ej_value v);       /* plan_map.c */
int ej_plan_einsum(ej_planner *p, ej_value v);       /* plan_einsum.c */
int ej_plan_cat(ej_planner *p, ej_value v);          /* plan_index.c */
int ej_plan_index_select(ej_planner *p, ej_value v); /* plan_index.c */
int ej_plan_index_add(ej_planner *p, ej_value v);    /* plan_index.c */
/* plan_table.c: the index vector of node `user` as a table of values below `extent`. *guarded: an extent of 0 could
 * not be noticed before the run, so loops that use the table must run 0 times then. */
int ej_plan_table(ej_planner *p, ej_value index, ej_value user, ej_size extent, ej_view *out, bool *guarded);
int ej_plan_places(ej_planner *p); /* plan_place.c: outputs, cats and sums hand their places on */
/* The output that held v before the run: -1: none did. */
ptrdiff_t ej_plan_held_by(const ej_planner *p, ej_value v);
/* plan_accumulate.c: finds sums that are written in one place; the operand that is written first (-1: v is no such
 * sum); plans one. *done false: the sum is an ordinary map, both operands are planned. */
void ej_plan_find_sums(ej_planner *p);
ej_value ej_plan_first_of_sum(const ej_planner *p, ej_value v);
int ej_plan_sum(ej_planner *p, ej_value v, bool *done);
/* plan_map.c */
bool ej_plan_same_shape(const ej_bound_node *x, const ej_bound_node *y);
void ej_plan_find_meets(ej_planner *p);               /* `meets` of all values */
bool ej_plan_is_pointwise(const ej_bound_node *node); /* MAP, CAST, an einsum that sums nothing */
/* A pointwise node has its operand's shape, and takes it element for element. */
bool ej_plan_takes_in_order(const ej_planner *p, const ej_bound_node *user, uint32_t operand);
int ej_plan_pending(ej_planner *p, ej_value v); /* v has got its tape: it waits for its user, or is written */
/* plan_extend.c: the value whose step may end with the tape of the pending value v (-1: none); extend makes that step
 * write v. */
ej_value ej_plan_extensible(const ej_planner *p, ej_value v);
int ej_plan_extend(ej_planner *p, ej_value v, ej_value x, ej_view *out);
/* The step that wrote x may go on with the tape, all that is made of x going through v; it does (behind all steps so
 * far, where it must), and its result is still to be said. *index: the step. */
bool ej_plan_may_end(const ej_planner *p, ej_value v, const ej_plan_tape *tape, ej_value x);
int ej_plan_go_on(ej_planner *p, ej_value x, const ej_plan_tape *tape, bool behind, int32_t *index);
void ej_plan_drop_moved(ej_planner *p); /* after the last step: removes what is left where steps were moved away */
/* plan_scatter.c: INDEX_ADD node v, the expression of its values, and its result along the index's table: the value
 * whose step may add its results up there (-1: none), and its step does so, for `count` rows along axis dim. */
ej_value ej_plan_scatters(const ej_planner *p, ej_value v, const ej_plan_tape *tape, const ej_view *scattered);
int ej_plan_scatter(ej_planner *p, ej_value x, const ej_plan_tape *tape, const ej_view *scattered, int64_t dim,
                    ej_size count);
/* plan_cost.c: counts of the plan and the program */
void ej_plan_count(ej_planner *p);

#endif
