/* recipe_tiling.h - the lanes and register rows of any statement, and the loops around it: what the scripts share that
 * take few conditions (plain, sweep), and what a special script has to beat. */
#ifndef EJ_RECIPE_TILING_H
#define EJ_RECIPE_TILING_H

#include "recipe.h"

typedef struct ej_tiling {
    int32_t lane_axis; /* -1: scalar code */
    int32_t lanes;     /* of one vector; 1 for scalar code */
    int32_t vectors;   /* vectors side by side along the lane axis */
    int32_t row_axis;  /* -1: none; an axis of the result repeated in registers */
    int32_t rows;
    bool lane_reduced; /* the lane axis is summed over: the result is one number per vector */
    double cost;       /* instructions of the whole statement, to compare tilings; < 0: there is none */
} ej_tiling;

/* The cheapest tiling over all choices of lane and row axis. */
ej_tiling ej_tiling_choose(const ej_schedule *s, const ej_statement *st);
/* The cheapest one whose lanes, and (-1: any) rows lie along an axis; cost < 0: there is none. */
ej_tiling ej_tiling_along(const ej_schedule *s, const ej_statement *st, int32_t lane_axis, int32_t row_axis);
/* A map whose rows have others between them, in the result and in each source. */
bool ej_tiling_rows_are_far(const ej_schedule *s, const ej_statement *st, const ej_tiling *t);
ej_tile ej_tiling_tile(const ej_tiling *tiling);
/* Instructions to load or store one vector of `lanes` along the axis. */
double ej_tiling_vector_cost(const ej_access *access, int32_t axis, int32_t lanes);

/* Where the result's rows lie side by side in memory and its lanes do not, a tile of `rows` (a power of 2) x `width` is
 * transposed in registers and stored by rows, instead of an element at a time. Elements of 16 bytes are vectors by
 * themselves. */
void ej_do_store_rows(ej_schedule *s, int32_t row_axis, int64_t rows, int32_t lane_axis, int64_t width);
/* Loops of step 1 around statement 0, over the axes of its result or (`reduced`) its summed ones that are not in its
 * tile: those with tables or large strides outermost; over the summed axes of an ordered sum in their order. */
void ej_do_outer_loops(ej_schedule *s, bool reduced);
/* Stages the result of statement 0 (ej_rule_calls_behind): a pass behind calls the functions of its epilogue. */
void ej_do_call_behind(ej_schedule *s);
/* Of such a statement whose results lie in another order where they wait: they are turned before, by the statement that
 * this gives, into rows, which the copy goes through. */
int32_t ej_do_turn_first(ej_schedule *s, int32_t at, int32_t copy);
/* ---- recipe_stream.c ---- */
/* The source is larger than the L2, and the statement reads each of its elements once. */
bool ej_stream_is(const ej_schedule *s, const ej_access *access);
/* Rows to read side by side, at most, of a sum along the lanes: as many streams as sources have rows of a page or more;
 * 1 where rows share pages, which hardware does not follow; 0: that does not count. */
int32_t ej_stream_rows(const ej_schedule *s, const ej_statement *st, int32_t lane_axis, int32_t row_axis);
/* The vectors of a sum along the axis are better read each in a part of its own. */
bool ej_stream_apart(const ej_schedule *s, const ej_statement *st, int32_t axis, int32_t vectors);
/* No cache holds what statement 0 reads, as far as extents are known. */
bool ej_stream_from_memory(const ej_schedule *s);
/* Asks statement 0, which has its tile, to prefetch sources that come from memory. */
void ej_do_stream_ahead(ej_schedule *s);

/* recipe_sweep.c: instructions of that script, as `cost`; < 0: it does not match */
double ej_sweep_count(const ej_schedule *s);

#endif
