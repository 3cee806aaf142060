/* nest.h - a step as a loop tree over register tiles: the one form of all machine code.
 *
 * Four nouns: axis, buffer, access (plan.h) and tile. Two leaves, which are one struct: *move* (no reduction: load,
 * pack, transpose, convert, map, store) and *contract* (dst = reduce(dst, expr(srcs))).
 *
 * Ranges, not index arithmetic. Everywhere in the tree each axis has a current range [lo, hi). At the root it is
 * [0, extent). A LOOP over an axis with step s runs its children once for every chunk of at most s of the current
 * range, with the range set to that chunk; the last chunk may be shorter, and the first one of an aligned loop, too. A
 * leaf does its work for all values in the current ranges of the axes that its accesses name. So splitting an axis is
 * two loops over it, and the meaning of a tree does not depend on tiles: they only say how a leaf covers its ranges.
 *
 * LOCAL and REG buffers are *placed* at a node: they are fresh (contents undefined) in every execution of the node's
 * list of children, and their accesses count axis values from the range's lo at that place: element = base + sum of
 * stride * (value - lo_at_placement). Accesses to ARG, SCRATCH and CONST buffers use the value itself. A table term
 * looks its table up by the same rule (a table in a LOCAL buffer is counted from where that buffer is placed); what it
 * finds there is used as it is.
 *
 * The element of a REG access is known when code is made: numbers only, no tables, and no loop between the placement
 * and the leaf runs over an axis that the access names. What a loop's iteration leaves in registers the next one finds
 * only where they had been written before the loop. A register tile has one lane map: all leaves that write it have the
 * same lane digits. A leaf may read it under any others, which shuffles: that is how a register tile is transposed.
 * Only what a leaf also writes it reads as it is written.
 *
 * Tile: how a leaf covers its ranges: digits, slowest first. LANE digits make up the lanes of a vector (their product
 * is the number of lanes, a power of 2 or less than it), UNROLL digits are repeated instructions. Digits of one axis
 * count together in mixed radix: value = lo + sum of digit * (product of the later counts of the same axis). An axis of
 * the leaf without digits must have a range of 1 there. A range shorter than the tile is masked (lanes) or left out
 * (unroll).
 *
 * A node may run only sometimes: `when` names axes and asks where their current ranges lie. FIRST: all of them begin
 * where their axes begin; LAST: all of them end where their axes end; LATER and EARLIER are the opposites. So a sum in
 * blocks starts from nothing the first time, from what it stored the later times, and is finished the last time.
 */
#ifndef EJ_NEST_H
#define EJ_NEST_H

#include "plan.h"

enum ej_digit_place { EJ_LANE, EJ_UNROLL };
typedef struct ej_digit {
    int32_t axis;
    int32_t count; /* >= 2 */
    uint8_t place; /* EJ_LANE or EJ_UNROLL */
} ej_digit;
enum { EJ_TILE_DIGITS = 8 };
typedef struct ej_tile {
    int32_t n;
    ej_digit digits[EJ_TILE_DIGITS];
} ej_tile;

enum ej_when_kind { EJ_WHEN_ALWAYS, EJ_WHEN_FIRST, EJ_WHEN_LATER, EJ_WHEN_LAST, EJ_WHEN_EARLIER };
typedef struct ej_when {
    uint8_t kind; /* EJ_WHEN_*; ALWAYS names no axes, the others at least one */
    int32_t n;
    int32_t *axes;
} ej_when;

/* How a leaf treats the caches: hints change how fast it is, never what it computes. */
typedef struct ej_leaf_hints {
    /* of a move: vectors are stored past the caches, where the address at run time is aligned for that */
    bool stream;
    int32_t source; /* the source that `ahead` is about; EJ_HINT_ALL: all that lie in memory */
    int64_t ahead;  /* > 0: lines of that source are prefetched so many bytes ahead */
    bool far;       /* these lines go to the L2: they are more than the L1 has room for */
    int32_t rows;   /* > 0: what accesses reach through a table is prefetched so many of its entries ahead */
} ej_leaf_hints;
enum { EJ_HINT_AHEAD = 1 << 24, EJ_HINT_ROWS = 1 << 10 }; /* most bytes and entries ahead */
enum { EJ_HINT_ALL = -1 };

enum ej_nest_kind { EJ_NEST_LOOP, EJ_NEST_LEAF };
typedef struct ej_nest_node {
    uint8_t kind;
    int32_t next; /* sibling, -1 = last */
    ej_when when;
    /* LOOP */
    int32_t child; /* first child, -1 = none */
    int32_t axis;
    int64_t step; /* >= 1 */
    bool aligned; /* the first chunk may be shorter, so that streaming leaves below begin the others on whole
                         * lines */
    int32_t last; /* last child, where the builder appends */
    int32_t n_placed, cap_placed; /* LOCAL and REG buffers that live in one iteration */
    int32_t *placed;
    /* LEAF */
    ej_access dst;
    int32_t n_src;
    ej_access *src;
    ej_expr expr;
    int8_t reduce; /* EJ_REDUCE_NONE: move. Else contract: dst = reduce(dst, ...) */
    ej_tile tile;
    ej_leaf_hints hints;
    /* a sum of products of bf16, or of short integers in i32, may take its terms two at a time, where the target can.
     * Of bf16 products are added without a rounding of their own or with one, and what is subnormal, an operand or a
     * sum, may count as 0 */
    bool pairs;
} ej_nest_node;

/* A recipe that was tried for a step, to compare the costs (stage `cost`). */
typedef struct ej_nest_candidate {
    const char *recipe; /* with several sets of parameters also which of them: "gemm:1" */
    double cycles;
} ej_nest_candidate;

/* Threads share the work along one axis: any runs of neighbouring pieces, in any order or at the same time, do what the
 * whole nest does. A run is the nest with the pieces' values as the axis' range at the root; what is placed is each
 * run's own (nest_cut.c). */
typedef struct ej_nest_cut {
    int32_t axis;   /* -1: the work is not shared */
    int64_t step;   /* values of a piece; the last one may have fewer */
    ej_size pieces; /* ceil(extent / step) */
    int64_t grain;  /* fewer pieces are no share for a thread */
    bool again;     /* each run does some work again: no more of them than threads */
    bool is_worth_it;
} ej_nest_cut;

typedef struct ej_nest {
    const char *name;
    const char *recipe;   /* that made it; NULL for nests made otherwise */
    int32_t n_candidates; /* 0 unless the stage `cost` or a trial asks for them */
    ej_nest_candidate *candidates;
    const char *schedule; /* the rewrites that made it, as text; NULL unless the stage `schedule` asks for it */
    int32_t n_axes, cap_axes;
    ej_axis *axes;
    int32_t n_buffers, cap_buffers;
    ej_buffer *buffers; /* those of the plan that it uses, then LOCAL and REG */
    int32_t n_nodes, cap_nodes;
    ej_nest_node *nodes;
    int32_t root;                 /* first top-level node, -1 = nothing to do */
    int32_t root_last;            /* last one, where the builder appends */
    int32_t n_placed, cap_placed; /* buffers placed at the root */
    int32_t *placed;
    ej_nest_cut cut;
} ej_nest;

typedef struct ej_nests {
    const ej_plan *plan;
    const ej_sizes *sizes;
    int32_t n;
    ej_nest *nests;   /* run in order */
    int32_t *nest_of; /* by step of the plan: the nest that runs it, maybe together with others */
    /* scratch: the plan's, which nests hand on to each other, and behind it the LOCAL buffers', of each thread its
     * own */
    ej_size scratch_bytes, local_bytes; /* all of it for one thread; the latter part of it */
} ej_nests;

/* A phase: nests [first, end), one after the other, or one that is cut into pieces. Phases run one after the other. */
static inline int32_t ej_phase_end(const ej_nests *nests, int32_t first)
{
    int32_t end = first + 1;
    if (nests->nests[first].cut.axis >= 0) return end;
    while (end < nests->n && nests->nests[end].cut.axis < 0) end++;
    return end;
}
/* 0: no nest is cut, all of them are one phase. */
static inline int32_t ej_phase_count(const ej_nests *nests)
{
    int32_t n = 0, n_cut = 0;
    for (int32_t i = 0; i < nests->n; i = ej_phase_end(nests, i), n++) n_cut += nests->nests[i].cut.axis >= 0;
    return n_cut ? n : 0;
}

/* ---- building (nest.c): E_NOMEM only ---- */
/* Structs are copied, what they point to is taken over: names, terms, sources, ops must live as long as the nest. */
void ej_nest_init(ej_nest *nest, const char *name);
int ej_nest_axis(ej_nest *nest, ej_arena *arena, const char *name, ej_size extent, int run, int32_t *out);
int ej_nest_buffer(ej_nest *nest, ej_arena *arena, const ej_buffer *buffer, int32_t *out);
/* Append a node to the children of `parent` (-1: the root's list). */
int ej_nest_loop(ej_nest *nest, ej_arena *arena, int32_t parent, int32_t axis, int64_t step, int32_t *out);
int ej_nest_leaf(ej_nest *nest, ej_arena *arena, int32_t parent, const ej_nest_node *leaf, int32_t *out);
int ej_nest_place(ej_nest *nest, ej_arena *arena, int32_t node, int32_t buffer); /* node -1: the root */

int32_t ej_access_unit_axis(const ej_access *access);        /* of stride 1; -1: none */
bool ej_access_moves(const ej_access *access, int32_t axis); /* the element depends on it */
/* Lanes that lie so many elements apart are moved as whole vectors where a tile has all that is between them
 * (jit/lower/lower_interleave.c); 2, 4 and 8 have shuffles of their own. */
static inline bool ej_lanes_interleave(int64_t apart)
{
    return apart == 3 || apart == 5 || apart == 6 || apart == 7;
}

/* ---- printing; nests are made from a plan by ej_nests_build (recipe.h) ---- */
/* A JSON object a line for each step: what it computes with, what it costs, what it waits for. (nest_steps.c) */
void ej_nests_print_steps(ej_text *text, const ej_nests *nests, const ej_target *target);

/* ---- text (nest_text.c, nest_text_read.c): printed and read back, for tests by hand and dumps ---- */
/* `sizes` is an initialized table, to which the text's symbols are added where it has none of their names; it may be
 * NULL for a nest that has only numbers. E_SYNTAX with line and column. The grammar is in nest_text.c. */
void ej_nest_print(ej_text *text, const ej_nest *nest, const ej_sizes *sizes);
int ej_nest_parse(ej_nest *out, ej_sizes *sizes, ej_arena *arena, const char *text, size_t length, einjit_error *err);

/* ---- invariants (nest_check.c) ---- */
/* E_INTERNAL names the node: buffers used outside of where they are placed, axes missing from tiles, lanes more than a
 * register holds, REG buffers written under different lane maps, REG accesses that are not constant. */
int ej_nest_check(const ej_nest *nest, const ej_target *target, einjit_error *err);

/* ---- the reference (nest_interp.c) ---- */
typedef struct ej_interp_memory {
    void *const *data; /* as the entry's */
    const ej_constant *constants;
    void *scratch;
    const int64_t *atoms; /* values of the sizes' atoms */
    const ej_sizes *sizes;
    const int64_t *pieces; /* [2], of a nest that is cut: the first one to run, and the one behind the last; NULL:
                            * all */
} ej_interp_memory;
/* Runs a nest element by element, in the order of the loops; inside of a leaf its axes run in ascending order, the last
 * one fastest. `arena` is for LOCAL and REG buffers, which hold bytes 0xff (NaN, -1) when they are fresh. E_NOMEM; and
 * E_INTERNAL where an access leaves a buffer whose number of elements the nest says. */
int ej_nest_interpret(const ej_nest *nest, const ej_interp_memory *memory, ej_arena *arena, einjit_error *err);

/* One scalar function in its dtype, as the interpreter and constant folding compute it (nest_scalar.c). */
typedef struct ej_scalar {
    double re, im;   /* f32 and c64 values are rounded to f32 */
    int64_t integer; /* i32 wrapped to 32 bits; bool 0 or 1 */
} ej_scalar;
ej_scalar ej_scalar_load(int dtype, const void *at);
void ej_scalar_store(int dtype, void *at, ej_scalar value);
ej_scalar ej_scalar_fn(int fn, int dtype_in, int dtype_out, ej_scalar a, ej_scalar b, ej_scalar c);
/* Floating to integer truncates, saturates at the ends of the range, NaN gives 0; integer to integer wraps; anything to
 * bool is != 0; complex to real drops the imaginary part. */
ej_scalar ej_scalar_cast(int from, int to, ej_scalar a);
ej_scalar ej_scalar_reduce(int reduce, int dtype, ej_scalar a, ej_scalar b);

#endif
