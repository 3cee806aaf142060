/* schedule.h - how a group of steps runs: a tree of loops and statements under checked rewrites.
 *
 * A *statement* is a whole step: neutral element, reduced loops, contraction, store and epilogue stay one object until
 * `settle` writes the nest. Copies that rewrites add are statements, too. Every state is a program: settle adds the loops
 * that a statement lacks. So a script states its loops outermost first, and a step that is not below the current range
 * changes nothing: blocks larger than an extent vanish.
 *
 * Rewrites check everything, then change the tree. A refusal is a fact and a statement; it leaves the tree as it was.
 * What was done is a list of plain records, which prints, is read back, and does the same again.
 *
 *     before                     after loop(0, j, 64)     after stage(at, 0, 1, local, {j 0, k 0, j 16})
 *     statement 0                loop j 64   <- at        loop j 64              places buffer p
 *                                    statement 0              statement 1        p[j, k] <- source 1
 *                                                             statement 0        reads p
 */
#ifndef EJ_SCHEDULE_H
#define EJ_SCHEDULE_H

#include "nest.h"

enum { EJ_AT_ROOT = -1, EJ_NOT_PLACED = -2 };
enum { EJ_SCHEDULE_INNER = 8 };

/* The layout of a placed buffer: digits, slowest first, of which `place` means nothing; a count of 0 is what is left. */
typedef ej_tile ej_layout;

typedef struct ej_schedule_buffer {
    ej_buffer plan;    /* home LOCAL or REG: placed */
    int32_t at;        /* EJ_NOT_PLACED, EJ_AT_ROOT or a loop */
    ej_layout layout;
} ej_schedule_buffer;

typedef struct ej_inner_loop {
    int32_t axis;
    int64_t step;
} ej_inner_loop;

/* Accesses to placed buffers have no strides of their own: a term's stride is 1 where the layout has the axis, else 0. */
typedef struct ej_statement {
    int32_t node;
    ej_access out;
    int32_t n_src, n_tail;
    ej_access *src;        /* n_src of the expression, then n_tail that only the epilogue reads */
    ej_expr expr, epilogue;
    int8_t reduce;
    bool accumulate;
    bool copies;           /* added by a rewrite: names only axes that it moves along */
    ej_tile tile;
    bool has_store, has_split;
    bool in_memory;        /* accumulates term by term: no registers in between */
    int32_t split;         /* the reduced axis whose digits have accumulators of their own */
    ej_tile store;         /* lanes on the way out, where they differ */
    int32_t n_inner;
    ej_inner_loop inner[EJ_SCHEDULE_INNER]; /* loops over reduced axes inside of the accumulator */
    ej_leaf_hints hints;   /* stream: where the result is written for good; they go where the access goes that is staged */
} ej_statement;

enum ej_schedule_node_kind { EJ_SCHEDULE_LOOP, EJ_SCHEDULE_STATEMENT };
typedef struct ej_schedule_node {
    uint8_t kind;
    int32_t parent, child, next; /* -1: none */
    int32_t axis;
    int64_t step;
    bool aligned;                /* as of a nest's loop */
    int32_t statement;
} ej_schedule_node;

/* One line each: the word in the text form, what it is. */
#define EJ_REWRITES(X)                                                                                                  \
    X(LOOP, "loop")     /* a new innermost loop around a statement */                                                   \
    X(INNER, "inner")   /* a loop over a reduced axis inside of the accumulator */                                      \
    X(TILE, "tile")     /* the lane map */                                                                              \
    X(STORE, "store")   /* other lanes on the way out, the same counts */                                               \
    X(STAGE, "stage")   /* a copy of a source, or of its map, placed at a loop */                                       \
    X(STAGE_OUT, "stage_out") /* the result in a buffer placed at a loop, a copy from there behind it */               \
    X(SPLIT, "split")   /* the digits of a reduced axis have accumulators of their own */                               \
    X(FILL, "fill")     /* the sum runs through the result in memory, which is filled at a loop */                      \
    X(HINT, "hint")     /* how the statement's accesses treat the caches */
enum ej_rewrite_kind {
#define X(name, word) EJ_REWRITE_##name,
    EJ_REWRITES(X)
#undef X
        EJ_REWRITE_COUNT
};
typedef struct ej_rewrite {
    uint8_t kind, home;            /* EJ_REWRITE_*; STAGE, STAGE_OUT: EJ_HOME_LOCAL or EJ_HOME_REG */
    int32_t statement, at, source; /* STAGE, STAGE_OUT, FILL: the loop (or EJ_AT_ROOT); STAGE: the source */
    int32_t axis;                  /* LOOP, INNER, SPLIT */
    int64_t step;
    bool aligned;                  /* LOOP */
    ej_tile digits;                /* TILE, STORE; STAGE, STAGE_OUT: the layout */
    ej_leaf_hints hints;           /* HINT */
} ej_rewrite;

#define EJ_REFUSALS(X)                                                                                                  \
    X(NO_SUCH, "there is no such statement, loop, source or axis")                                                      \
    X(NOT_AROUND, "the loop is not around the statement")                                                               \
    X(NOT_REDUCED, "the axis is not reduced")                                                                           \
    X(EMPTY, "an axis may be empty: nobody would write, or too much be read")                                                         \
    X(PARTIAL, "partial sums have nowhere to wait")                                                                     \
    X(CUTS, "a step or block is no multiple of the tile")                                                               \
    X(UNCOVERED, "registers do not cover the range")                                                                    \
    X(TABLE, "the axis walks a table")                                                                                  \
    X(DIGITS, "the digits are not of this statement")                                                                   \
    X(LANES, "more lanes than a register has")                                                                          \
    X(LARGE, "too large")                                                                                               \
    X(OPEN, "a range is not a number")                                                                                  \
    X(WRITTEN, "the source is written below, or the result read")                                                       \
    X(LAYOUT, "the layout is not one of this access")                                                                   \
    X(OTHER_COUNTS, "the store's counts differ from the tile's")                                                        \
    X(REGISTERS, "registers lie in no cache")                                                                           \
    X(SPLIT, "a split sum takes its axis whole, and ends in registers")
enum ej_refusal {
    EJ_REFUSE_NONE,
#define X(name, text) EJ_REFUSE_##name,
    EJ_REFUSALS(X)
#undef X
        EJ_REFUSAL_COUNT
};

typedef struct ej_schedule {
    const char *name;
    ej_job *job;
    ej_sizes *sizes;
    int32_t n_axes;
    ej_axis *axes;
    size_t n_buffers, cap_buffers;
    ej_schedule_buffer *buffers;
    size_t n_statements, cap_statements;
    ej_statement *statements;
    size_t n_nodes, cap_nodes;
    ej_schedule_node *nodes;
    int32_t root;          /* first node */
    size_t n_log, cap_log;
    ej_rewrite *log;
    bool ordered;          /* each result takes its terms one by one, as nested loops over the axes give them (job_gates.def) */
    bool failed;           /* of a script: a rewrite was refused, those behind it do nothing */
    uint8_t why;           /* EJ_REFUSE_*, of the last refusal .. */
    int32_t why_statement; /* .. and its statement */
    bool no_memory;        /* sticks */
    uint32_t done[EJ_REWRITE_COUNT], refused[EJ_REFUSAL_COUNT];
} ej_schedule;

/* ---- schedule_group.c ---- */
/* A schedule of one step, statement 0, whose axes are in normal form: `sizes` grows. E_NOMEM only. */
int ej_schedule_begin(ej_schedule *out, const ej_step *step, const ej_plan *plan, ej_sizes *sizes, ej_job *job);
/* A fresh copy of a schedule that was begun and not rewritten. E_NOMEM only. */
int ej_schedule_again(ej_schedule *out, const ej_schedule *begun);
int ej_schedule_normalize(ej_schedule *s); /* schedule_normal.c */
bool ej_statement_reduces(const ej_statement *st, int32_t axis);
bool ej_statement_sums(const ej_schedule *s, const ej_statement *st); /* it reduces some axis */
bool ej_statement_names(const ej_statement *st, int32_t axis); /* some access does */
int64_t ej_tile_count(const ej_tile *tile, int32_t axis);
bool ej_buffer_is_placed(const ej_schedule_buffer *buffer);
/* Longest range of an axis in the body of a loop; INT64_MAX: not known. */
int64_t ej_schedule_range(const ej_schedule *s, int32_t node, int32_t axis);
/* Dtype in which a statement reduces. */
int ej_statement_dtype(const ej_statement *st);

/* ---- schedule_tree.c ---- */
bool ej_schedule_is_place(const ej_schedule *s, int32_t at); /* a node, or the root */
/* The child of `at` that contains the node; -1: `at` is not around it. */
int32_t ej_schedule_child(const ej_schedule *s, int32_t at, int32_t node);
/* Some statement below a node (or it) does; `except`: another one than that (-1: any). */
bool ej_schedule_writes(const ej_schedule *s, int32_t node, int32_t buffer, int32_t except);
bool ej_schedule_reads(const ej_schedule *s, int32_t node, int32_t buffer);
/* Room for statements and their nodes: false when out of memory. Then: a statement under `at`, before or behind its child. */
bool ej_schedule_room(ej_schedule *s, size_t n);
int32_t ej_schedule_put(ej_schedule *s, int32_t at, int32_t child, const ej_statement *st, bool behind);

/* ---- schedule_rules.c ---- */
int32_t ej_rule_vector(const ej_schedule *s, const ej_statement *st); /* lanes of a register for all it computes with */
int32_t ej_rule_lanes(const ej_schedule *s, const ej_statement *st, int64_t range); /* the same, for a short range */
int64_t ej_nominal_extent(const ej_schedule *s, int32_t axis); /* for estimates: what is known, or a long one where it is open */
double ej_rule_bytes(const ej_schedule *s, const ej_statement *st); /* that it reads and writes, each once */
/* The last cache has no room for the result, which is written without tables; the result's rows are whole lines. Where both
 * hold, stores pay past the caches. */
bool ej_rule_is_large(const ej_schedule *s, const ej_statement *st);
bool ej_rule_has_whole_lines(const ej_schedule *s, const ej_statement *st);
bool ej_rule_streams(const ej_schedule *s, const ej_statement *st);
bool ej_statement_has_table(const ej_statement *st, int32_t axis);
/* How far apart an axis' neighbours lie, at most: reduced ones in the sources (-1: none moves along it), others in the
 * result. Axes that walk a table come first of all. */
int64_t ej_rule_reach(const ej_access *out, int32_t n_src, const ej_access *src, int32_t axis, bool reduced);

/* ---- schedule.c ---- */
/* False: refused (why), or out of memory. *out: LOOP: the innermost loop around the statement; STAGE, STAGE_OUT: the copy;
 * FILL: the statement that fills. */
bool ej_schedule_apply(ej_schedule *s, const ej_rewrite *rewrite, int32_t *out);
bool ej_schedule_refuse(ej_schedule *s, int32_t statement, int why); /* false */
/* For scripts: after a refusal the schedule has failed, and the rest of the script does nothing. */
int32_t ej_do_loop(ej_schedule *s, int32_t statement, int32_t axis, int64_t step);
int32_t ej_do_aligned_loop(ej_schedule *s, int32_t statement, int32_t axis, int64_t step);
void ej_do_inner(ej_schedule *s, int32_t statement, int32_t axis, int64_t step);
void ej_do_tile(ej_schedule *s, int32_t statement, ej_tile tile);
void ej_do_store(ej_schedule *s, int32_t statement, ej_tile tile);
int32_t ej_do_stage(ej_schedule *s, int32_t at, int32_t statement, int32_t source, int home, ej_layout layout);
int32_t ej_do_stage_out(ej_schedule *s, int32_t at, int32_t statement, int home, ej_layout layout);
void ej_do_split(ej_schedule *s, int32_t statement, int32_t axis);
int32_t ej_do_fill(ej_schedule *s, int32_t at, int32_t statement);
void ej_do_hint(ej_schedule *s, int32_t statement, ej_leaf_hints hints);
void ej_tile_add(ej_tile *tile, int32_t axis, int64_t count, int place); /* counts below 2 are left out, but 0 */

/* ---- the rewrites: schedule_loop.c, schedule_stage.c, schedule_split.c ---- */
bool ej_rewrite_loop(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_rewrite_inner(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_tile(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_store(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_hint(ej_schedule *s, const ej_rewrite *r);
int ej_access_fits(const ej_schedule *s, const ej_access *access, const ej_tile *tile); /* EJ_REFUSE_* */
bool ej_rewrite_stage(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_rewrite_stage_out(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_rewrite_split(ej_schedule *s, const ej_rewrite *r);
bool ej_rewrite_fill(ej_schedule *s, const ej_rewrite *r, int32_t *out);
bool ej_statement_may_wait(const ej_schedule *s, const ej_statement *st); /* partial results, in the result */
int ej_split_fits(const ej_schedule *s, const ej_statement *st, const ej_access *source); /* EJ_REFUSE_* */

/* ---- schedule_map.c ---- */
/* What an expression makes of one source alone (of this dtype), of source 0; the rest takes that for the source. False: out of
 * memory. */
bool ej_expr_split(ej_arena *arena, const ej_expr *expr, int32_t source, int dtype, ej_expr *map, ej_expr *rest);

/* ---- schedule_layout.c ---- */
int64_t ej_layout_size(const ej_schedule *s, int32_t buffer, int32_t digit);
int64_t ej_layout_elems(const ej_schedule *s, int32_t buffer); /* INT64_MAX: too many */
void ej_layout_term(const ej_schedule *s, int32_t buffer, int32_t axis, ej_access_term *out);

/* ---- schedule_settle.c ---- */
/* The nest of a schedule: what it still lacks is added. E_NOMEM only. */
int ej_schedule_settle(ej_nest *out, const ej_schedule *s);

/* ---- schedule_text.c ---- */
/* A line a rewrite, under comments that say what the axes and statement 0 are. */
void ej_schedule_print(ej_text *text, const ej_schedule *s);
/* Does what the text says to a fresh schedule: E_SYNTAX with line, or E_INTERNAL for a rewrite that is refused. */
int ej_schedule_replay(ej_schedule *s, const char *text, einjit_error *err);
const char *ej_refusal_text(int why);
const char *ej_rewrite_word(int kind);

/* ---- schedule_random.c ---- */
/* Random rewrites; refusals are passed over. */
void ej_schedule_random(ej_schedule *s, uint64_t seed);

#endif
