/* schedule.h - how a group of steps runs: a tree of loops and statements under checked rewrites, between a plan's steps
 * and their nest.
 *
 * Takes  steps of a plan that follow each other (plan.h), most often one: ej_schedule_begin makes them statements 0, 1,
 *        ..., one after the other. Recipes (recipe.h) and random tests rewrite the tree.
 * Gives  a nest (nest.h): ej_schedule_settle.
 *
 * A *statement* is a whole step: neutral element, reduced loops, contraction, store and epilogue stay one object until
 * `settle` writes the nest. Copies that rewrites add are statements, too. Every state is a program: settle adds the
 * loops that a statement lacks. So a script states its loops outermost first, and a loop whose step is not below the
 * current range changes nothing: blocks larger than an extent vanish.
 *
 * Rewrites (EJ_REWRITES) check everything, then change the tree. A refusal (EJ_REFUSALS) is a fact and a statement; it
 * leaves the tree as it was. What was done is a list of plain records, which prints, is read back, and does the same
 * again (schedule_text.c). The trees before and after a rewrite are drawn in the file that has it; loop and stage:
 *
 *     before                     after loop(0, j, 64)     after stage(at, 0, 1, local, {j 0, k 0, j 16})
 *     statement 0                loop j 64   <- at        loop j 64              places buffer p
 *                                    statement 0              statement 1        p[j, k] <- source 1
 *                                                             statement 0        reads p
 *
 * An axis of a group is one that several statements may have: what one writes along it another reads
 * (schedule_unify.c). It may be summed in one of them and kept in another.
 */
#ifndef EJ_SCHEDULE_H
#define EJ_SCHEDULE_H

#include "nest.h"

enum { EJ_AT_ROOT = -1, EJ_NOT_PLACED = -2 };
enum { EJ_SCHEDULE_INNER = 8 };

/* The layout of a placed buffer: digits, slowest first; a count of 0 is what the axis' other digits leave of its range.
 * `place` of the digits means nothing. */
typedef ej_tile ej_layout;

typedef struct ej_schedule_buffer {
    ej_buffer plan; /* one of the plan's; or one that a rewrite placed, of home LOCAL or REG */
    int32_t at;     /* where it is placed: EJ_AT_ROOT or a loop; EJ_NOT_PLACED: it is the plan's */
    bool inside;    /* the plan's: one statement writes it, and nobody reads it but others of the group */
    ej_layout layout;
} ej_schedule_buffer;

typedef struct ej_inner_loop {
    int32_t axis;
    int64_t step;
} ej_inner_loop;

/* Accesses to placed buffers have no strides of their own: a term's stride is 1 where the layout has the axis, else
 * 0. */
typedef struct ej_statement {
    int32_t node; /* in the schedule's tree */
    bool *axes;   /* by axis: it is one of the step's; NULL for copies, which have those that they name */
    ej_access out;
    int32_t n_src, n_tail;
    ej_access *src; /* n_src of the expression, then n_tail that only the epilogue reads */
    ej_expr expr, epilogue;
    int8_t reduce;
    bool accumulate;
    bool tail_first, tail_scales; /* as the step's; they count where `out` is the plan's */
    bool copies;                  /* added by a rewrite: names only axes that it moves along */
    ej_tile tile;
    bool has_store, has_split, has_fold;
    bool apart;              /* has_split: vectors of the tile are as far apart on the axis as they can be */
    bool in_memory;          /* after `fill`: the sum is in `out`, not in registers */
    int32_t split;           /* has_split: the reduced axis whose digits have accumulators of their own */
    int32_t fold, fold_lane; /* has_fold: the reduced axis, and the one that takes its lanes */
    ej_tile store;           /* has_store: the lane map with which results are written, where it is not the tile's */
    int32_t n_inner;
    ej_inner_loop inner[EJ_SCHEDULE_INNER]; /* loops over reduced axes inside of the accumulator */
    ej_leaf_hints hints;                    /* staging hands a hint on to the copy that takes over the access */
} ej_statement;

enum ej_schedule_node_kind { EJ_SCHEDULE_LOOP, EJ_SCHEDULE_STATEMENT };
typedef struct ej_schedule_node {
    uint8_t kind;
    int32_t parent, child, next; /* -1: none */
    int32_t axis;
    int64_t step;
    bool aligned; /* as in a nest's loop */
    int32_t statement;
} ej_schedule_node;

/* One line each: the word in the text form, what it is. */
#define EJ_REWRITES(X) \
    X(LOOP, "loop")   /* a new innermost loop around a statement */ \
    X(INNER, "inner") /* a loop over a reduced axis inside of the accumulator */ \
    X(TILE, "tile")   /* the lane map */ \
    X(STORE, "store") /* another lane map for writing results, with the same counts */ \
    X(STAGE, "stage") /* a source, or what the expression makes of it alone, is copied to a buffer placed at a loop */ \
    X(STAGE_OUT, "stage_out")   /* the result is written to a buffer placed at a loop, and copied from there */ \
    X(COMPUTE_AT, "compute_at") /* a step runs where others read its result, in a buffer placed at a loop */ \
    X(SPLIT, "split")           /* the digits of a reduced axis have accumulators of their own */ \
    X(FOLD, "fold")             /* a sum in the lanes is added up while another axis takes its lanes */ \
    X(JOIN, "join")             /* two axes of a copy become one, which is the copy's own */ \
    X(FILL, "fill")             /* the sum is in memory, in the result, which is filled at a loop first */ \
    X(HINT, "hint")             /* stores past the caches, prefetches (ej_leaf_hints) */
enum ej_rewrite_kind {
#define X(name, word) EJ_REWRITE_##name,
    EJ_REWRITES(X)
#undef X
        EJ_REWRITE_COUNT
};
typedef struct ej_rewrite {
    uint8_t kind, home; /* EJ_REWRITE_*; STAGE, STAGE_OUT, COMPUTE_AT: EJ_HOME_LOCAL or EJ_HOME_REG */
    /* STAGE, STAGE_OUT, COMPUTE_AT, FILL: the loop (or EJ_AT_ROOT); STAGE: the source */
    int32_t statement, at, source;
    int32_t axis; /* LOOP, INNER, SPLIT, FOLD; JOIN: the outer one */
    int32_t lane; /* FOLD: the axis that takes the lanes; JOIN: the inner one */
    int64_t step;
    bool aligned;        /* LOOP */
    bool apart;          /* SPLIT */
    ej_tile digits;      /* TILE, STORE; STAGE, STAGE_OUT, COMPUTE_AT: the layout */
    ej_leaf_hints hints; /* HINT */
} ej_rewrite;
/* It has two axes, `axis` and `lane`. */
static inline bool ej_rewrite_names_two(int kind)
{
    return kind == EJ_REWRITE_FOLD || kind == EJ_REWRITE_JOIN;
}

#define EJ_REFUSALS(X) \
    X(NO_SUCH, "there is no such statement, loop, source or axis") \
    X(NOT_AROUND, "the loop is not around the statement") \
    X(NOT_REDUCED, "the axis is not reduced") \
    X(EMPTY, "an axis may be empty: nobody would write, or too much be read") \
    X(PARTIAL, "partial sums have nowhere to wait") \
    X(SCALED, "parts of the sum would have to be scaled one by one") \
    X(CUTS, "a step or block is no multiple of the tile") \
    X(UNCOVERED, "registers do not cover the range") \
    X(TABLE, "the axis walks a table") \
    X(DIGITS, "the digits are not of this statement") \
    X(LANES, "more lanes than a register has") \
    X(LARGE, "too large") \
    X(OPEN, "a range is not a number") \
    X(WRITTEN, "the source is written below, or the result read") \
    X(LAYOUT, "the layout is not one of this access") \
    X(OTHER_COUNTS, "the store's counts differ from the tile's") \
    X(REGISTERS, "registers lie in no cache") \
    X(SPLIT, "a split or folded sum takes its axis whole, and ends in registers") \
    X(FOLD, "a fold takes all values of an axis of real numbers, one after the other")
enum ej_refusal {
    EJ_REFUSE_NONE,
#define X(name, text) EJ_REFUSE_##name,
    EJ_REFUSALS(X)
#undef X
        EJ_REFUSAL_COUNT
};

/* What an axis of a copy was made of. */
typedef struct ej_joined_axes {
    int32_t outer, inner;
} ej_joined_axes;

typedef struct ej_schedule {
    const char *name;
    ej_job *job;
    ej_sizes *sizes;
    int32_t n_axes;
    ej_axis *axes;
    int32_t n_joined; /* the last axes */
    ej_joined_axes *joined;
    int32_t n_steps; /* the first statements */
    size_t n_buffers, cap_buffers;
    ej_schedule_buffer *buffers;
    size_t n_statements, cap_statements;
    ej_statement *statements;
    size_t n_nodes, cap_nodes;
    ej_schedule_node *nodes;
    int32_t root; /* first node */
    size_t n_log, cap_log;
    ej_rewrite *log;
    bool ordered;          /* each result takes its terms one by one, as nested loops over the axes give them
                            * (job_gates.def) */
    bool failed;           /* of a script: a rewrite was refused, those behind it do nothing */
    uint8_t why;           /* EJ_REFUSE_*, of the last refusal, */
    int32_t why_statement; /* and its statement */
    bool no_memory;        /* sticks */
    uint32_t done[EJ_REWRITE_COUNT], refused[EJ_REFUSAL_COUNT];
} ej_schedule;

/* ---- schedule_group.c ---- */
/* A schedule of one step, statement 0, whose axes are in normal form: `sizes` grows. E_NOMEM only. */
int ej_schedule_begin(ej_schedule *out, const ej_step *step, const ej_plan *plan, ej_sizes *sizes, ej_job *job);
/* The same of n steps of the plan that follow each other, of which none promises an order of its sums. `lives`: of the
 * plan's buffers (ej_plan_measure). */
int ej_schedule_begin_group(ej_schedule *out, const ej_step *first, int32_t n, const ej_plan *plan,
                            const ej_plan_life *lives, ej_sizes *sizes, ej_job *job);
/* A fresh copy of a schedule that was begun and not rewritten. E_NOMEM only. */
int ej_schedule_again(ej_schedule *out, const ej_schedule *begun);
void ej_schedule_unify(ej_schedule *s, int32_t cap_axes); /* schedule_unify.c: before any axis is dropped */
/* ---- schedule_normal.c ---- */
int ej_schedule_normalize(ej_schedule *s);
/* Axis b runs inside axis a as one axis in this access; or it has neither. */
bool ej_access_walks_as_one(const ej_access *access, int32_t a, int32_t b, ej_size extent_b, ej_sizes *sizes);
/* "ab"; NULL where one has no name, or out of memory (s->no_memory). */
const char *ej_axes_name(ej_schedule *s, int32_t outer, int32_t inner);
/* Access 0 of a statement is the result, 1 .. ej_statement_sources are the sources and the tail. */
static inline int32_t ej_statement_sources(const ej_statement *st)
{
    return st->n_src + st->n_tail;
}
static inline ej_access *ej_statement_access(ej_statement *st, int32_t i)
{
    return i ? &st->src[i - 1] : &st->out;
}
bool ej_statement_reduces(const ej_statement *st, int32_t axis);
bool ej_statement_sums(const ej_schedule *s, const ej_statement *st); /* it reduces some axis */
bool ej_statement_names(const ej_statement *st, int32_t axis); /* the result or a source has a term of the axis */
int64_t ej_tile_count(const ej_tile *tile, int32_t axis);
bool ej_buffer_is_placed(const ej_schedule_buffer *buffer);
/* Longest range of an axis in the body of a loop; INT64_MAX: not known. */
int64_t ej_schedule_range(const ej_schedule *s, int32_t node, int32_t axis);
/* Dtype in which a statement reduces. */
int ej_statement_dtype(const ej_statement *st);
/* A sum of products of bf16, or of short integers, whose terms are to be taken two at a time (nest.h: pairs), so that
 * operands are bf16 or i16 where they are staged. */
bool ej_statement_pairs(const ej_schedule *s, const ej_statement *st);

/* ---- schedule_tree.c ---- */
bool ej_schedule_is_place(const ej_schedule *s, int32_t at); /* a node, or the root */
/* The child of `at` that contains the node; -1: `at` is not around it. */
int32_t ej_schedule_child(const ej_schedule *s, int32_t at, int32_t node);
/* Whether a statement below a node, or the node itself, writes or reads a buffer; `except` (-1: none): it does not
 * count. */
bool ej_schedule_writes(const ej_schedule *s, int32_t node, int32_t buffer, int32_t except);
bool ej_schedule_reads(const ej_schedule *s, int32_t node, int32_t buffer);
/* Room for n more statements and their nodes: false when out of memory. Then ej_schedule_put adds one under `at`,
 * before or behind the child of `at`, and gives its number. */
bool ej_schedule_room(ej_schedule *s, size_t n);
int32_t ej_schedule_put(ej_schedule *s, int32_t at, int32_t child, const ej_statement *st, bool behind);
/* A statement of the root's list goes under `at`, before that child. */
void ej_schedule_move(ej_schedule *s, int32_t statement, int32_t at, int32_t child);

/* ---- schedule_rules.c ---- */
/* lanes that a register has of its widest dtype */
int32_t ej_rule_vector(const ej_schedule *s, const ej_statement *st);
/* the same; fewer for a short range */
int32_t ej_rule_lanes(const ej_schedule *s, const ej_statement *st, int64_t range);
int64_t ej_nominal_extent(const ej_schedule *s, int32_t axis); /* for estimates: where it is open, a constant */
double ej_rule_elements(const ej_schedule *s, const ej_access *access); /* that an access names, by nominal extents */
double ej_rule_iterations(const ej_schedule *s);                        /* of the loops over all axes, the same way */
/* The result has a unit axis and no tables, and the L3 has no room for it beside what is read; its rows are whole
 * lines. Where both hold (streams), stores past the caches pay. */
bool ej_rule_is_large(const ej_schedule *s, const ej_statement *st);
bool ej_rule_has_whole_lines(const ej_schedule *s, const ej_statement *st);
bool ej_rule_streams(const ej_schedule *s, const ej_statement *st);
/* A sum, with its tile, whose epilogue calls functions, and the L1 holds the results: these wait there, and a pass
 * behind has one call in its code (stage_out). A call may change all registers, so that in a tile the sums go to memory
 * around each. */
bool ej_rule_calls_behind(const ej_schedule *s, const ej_statement *st);
bool ej_statement_has_table(const ej_statement *st, int32_t axis);
/* By which loops are put in order: how far apart, at most, neighbours along the axis lie: of reduced axes in the
 * sources (-1: none names it), of others in the result. INT64_MAX where it walks a table. */
int64_t ej_rule_reach(const ej_access *out, int32_t n_src, const ej_access *src, int32_t axis, bool reduced);

/* ---- schedule.c ---- */
/* False: refused (why), or out of memory. *out: LOOP: the innermost loop around the statement; STAGE, STAGE_OUT: the
 * copy; COMPUTE_AT: the statement; FILL: the one that fills; JOIN: the axis. */
bool ej_schedule_apply(ej_schedule *s, const ej_rewrite *rewrite, int32_t *out);
bool ej_schedule_refuse(ej_schedule *s, int32_t statement, int why); /* false */
/* For scripts, a function a rewrite: after a refusal the schedule has failed, and the rest of the script does nothing.
 * Where a script can do without a rewrite it calls ej_schedule_apply. */
int32_t ej_do_loop(ej_schedule *s, int32_t statement, int32_t axis, int64_t step);
int32_t ej_do_aligned_loop(ej_schedule *s, int32_t statement, int32_t axis, int64_t step);
void ej_do_inner(ej_schedule *s, int32_t statement, int32_t axis, int64_t step);
void ej_do_tile(ej_schedule *s, int32_t statement, ej_tile tile);
int32_t ej_do_stage(ej_schedule *s, int32_t at, int32_t statement, int32_t source, int home, ej_layout layout);
int32_t ej_do_stage_out(ej_schedule *s, int32_t at, int32_t statement, int home, ej_layout layout);
void ej_do_compute_at(ej_schedule *s, int32_t at, int32_t statement, int home, ej_layout layout);
void ej_do_split(ej_schedule *s, int32_t statement, int32_t axis);
void ej_do_fold(ej_schedule *s, int32_t statement, int32_t axis, int32_t lane);
int32_t ej_do_join(ej_schedule *s, int32_t statement, int32_t outer, int32_t inner);
int32_t ej_do_fill(ej_schedule *s, int32_t at, int32_t statement);
void ej_do_hint(ej_schedule *s, int32_t statement, ej_leaf_hints hints);
void ej_tile_add(ej_tile *tile, int32_t axis, int64_t count, int place); /* appends a digit; none of count 1 */

/* ---- the rewrites: schedule_loop.c, schedule_stage.c, schedule_split.c, schedule_fold.c, schedule_join.c,
 * schedule_fuse.c ---- */
bool ej_rewrite_loop(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_rewrite_inner(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_tile(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_store(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_hint(ej_schedule *s, const ej_rewrite *r);
int ej_access_fits(const ej_schedule *s, const ej_access *access, const ej_tile *tile); /* EJ_REFUSE_* */
bool ej_rewrite_stage(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_rewrite_stage_out(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_rewrite_compute_at(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_rewrite_split(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_fold(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_join(ej_schedule *s, const ej_rewrite *r, int32_t *out);
const ej_joined_axes *ej_joined_of(const ej_schedule *s, int32_t axis); /* NULL: it was not joined */
bool ej_rewrite_fill(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_statement_may_wait(const ej_schedule *s, const ej_statement *st); /* the result can hold partial sums */
/* ... which then begin with the tail */
bool ej_statement_takes_tail_first(const ej_schedule *s, const ej_statement *st);
/* Steps of a fold, the axis' bit that each of them takes, and the digits after so many; `bits`: an axis of two values
 * for each bit. */
int32_t ej_fold_bits(const ej_statement *st);
int32_t ej_fold_bit(const ej_statement *st, int32_t step);
ej_tile ej_fold_tile(const ej_statement *st, const int32_t *bits, int32_t steps);
/* EJ_REFUSE_*: the axis' terms of a source can be written bit by bit */
int ej_fold_source_fits(const ej_schedule *s, const ej_statement *st, const ej_access *source, int32_t axis);
/* EJ_REFUSE_*: of a split or folded statement */
int ej_split_fits(const ej_schedule *s, const ej_statement *st, const ej_access *source);
/* EJ_REFUSE_*: a layout for what this access names, placed at a loop; then whether such a buffer is small enough, of
 * which no axis is empty if it is in registers */
int ej_layout_fits(const ej_schedule *s, int32_t at, const ej_access *access, const ej_layout *layout);
int ej_placed_fits(const ej_schedule *s, const ej_access *access);
/* An access as it stands in a placed buffer; `all`: also the axes that it only names. False: out of memory. */
bool ej_placed_access(ej_schedule *s, const ej_access *access, int32_t buffer, bool all, ej_access *out);

/* ---- schedule_map.c ---- */
/* Takes an expression apart: `map` is what it makes of one source (of this dtype) alone, which is source 0 of the map;
 * `rest` has the map's result for that source. False: out of memory. */
bool ej_expr_split(ej_arena *arena, const ej_expr *expr, int32_t source, int dtype, ej_expr *map, ej_expr *rest);
/* An epilogue that is affine in the sum, for a sum in parts. Sources are numbered as in the epilogue. */
typedef struct ej_expr_parts {
    ej_expr first; /* of the first part: the result so far */
    ej_expr later; /* of each later one: what is added to that */
    ej_expr rest;  /* of the result so far, source 0, in the end; n == 0: it is the result */
} ej_expr_parts;
bool ej_expr_in_parts(ej_arena *arena, const ej_expr *epilogue, int reduce, ej_expr_parts *out); /* false: no memory */
/* Numbers the sources that an expression reads from 0 on; out: those of `all` that these are. Gives how many. */
int32_t ej_expr_sources(ej_expr *expr, int32_t n_all, const ej_access *all, ej_access *out);

/* ---- schedule_layout.c ---- */
int64_t ej_layout_elems(const ej_schedule *s, int32_t buffer); /* of a placed buffer; INT64_MAX: too many */
/* An axis' term in accesses to a placed buffer, by its layout and the ranges at its place. */
void ej_layout_term(const ej_schedule *s, int32_t buffer, int32_t axis, ej_access_term *out);
/* An access whose terms are those, where its buffer is placed. E_NOMEM only. */
int ej_layout_access(const ej_schedule *s, const ej_access *access, ej_access *out, ej_arena *arena);

/* ---- schedule_settle.c ---- */
/* The nest of a schedule, with the loops that statements still lack. E_NOMEM only. */
int ej_schedule_settle(ej_nest *out, const ej_schedule *s);

/* ---- schedule_text.c ---- */
/* A line a rewrite, under comments that describe the axes and statement 0. */
void ej_schedule_print(ej_text *text, const ej_schedule *s);
/* Applies the text's rewrites to a fresh schedule: E_SYNTAX with line, or E_INTERNAL for a rewrite that is refused. */
int ej_schedule_replay(ej_schedule *s, const char *text, einjit_error *err);
const char *ej_refusal_text(int why);
const char *ej_rewrite_word(int kind);

/* ---- schedule_part.c ---- */
/* One statement of a group as a schedule of its own: with the ranges that its axes have where it stands, and buffers as
 * they are laid out there, so that recipes for a step suit it. */
typedef struct ej_schedule_part {
    ej_schedule s;
    int32_t *axes; /* by its axis: the group's */
} ej_schedule_part;
int ej_schedule_part_begin(ej_schedule_part *out, const ej_schedule *group, int32_t statement); /* E_NOMEM only */
/* Does in the group what was done to the part. False: refused there, or out of memory. */
bool ej_schedule_part_end(ej_schedule *group, int32_t statement, const ej_schedule_part *part, const ej_schedule *done);

/* ---- schedule_random.c ---- */
/* Random rewrites; refusals are passed over. */
void ej_schedule_random(ej_schedule *s, uint64_t seed);

#endif
