/* nest_tiling.h - which axis becomes the lanes of a step, which one is repeated in registers, and what that costs. */
#ifndef EJ_NEST_TILING_H
#define EJ_NEST_TILING_H

#include "nest.h"

typedef struct ej_tiling {
    int32_t lane_axis;   /* -1: scalar code */
    int32_t lanes;       /* of one vector; 1 for scalar code */
    int32_t vectors;     /* vectors side by side along the lane axis */
    int32_t row_axis;    /* -1: none; an axis of the result repeated in registers */
    int32_t rows;
    bool lane_reduced;   /* the lane axis is summed over: the result is one number per vector */
    double cost;         /* estimated cycles of the whole step: only for comparing */
} ej_tiling;

/* A step in normal form: axes of extent 1 dropped, axes that are adjacent in every access merged. Allocates from the
 * arena; `sizes` grows. */
int ej_step_normalize(ej_step *out, const ej_step *step, ej_sizes *sizes, ej_arena *arena, einjit_error *err);

int ej_step_copy(ej_step *out, const ej_step *step, ej_arena *arena); /* accesses and axes of its own; E_NOMEM only */
/* Lanes of a register for everything this step computes with. */
int32_t ej_step_lanes(const ej_step *step, const ej_plan *plan, const ej_target *target);
/* The cheapest tiling over all choices of lane and row axis. */
ej_tiling ej_tiling_choose(const ej_step *step, const ej_plan *plan, const ej_target *target);
/* The cheapest one whose lanes lie along an axis; cost < 0: there is none. */
ej_tiling ej_tiling_along(const ej_step *step, const ej_plan *plan, const ej_target *target, int32_t lane_axis);
/* An extent for estimates: what was observed, or a long one where it stays open. */
int64_t ej_nominal_extent(const ej_step *step, int32_t axis);
bool ej_axis_has_table(const ej_step *step, int32_t axis); /* in some access */
/* The widest stride of an axis in any source; -1 where no source moves along it. */
int64_t ej_source_reach(const ej_step *step, int32_t axis);

/* Tree-building blocks of the recipes. */
/* A fresh nest with the step's axes and the buffers that it uses; the step's accesses then name the nest's buffers. */
int ej_nest_begin(ej_nest *out, ej_step *step, const ej_plan *plan, ej_arena *arena);
/* Loops of step 1 over the result's axes that the tiling does not take: tables and large strides outermost. `which` NULL:
 * all of them; else those that `which` has (or, with `lacks`, does not have). */
int ej_nest_outer_loops(ej_nest *nest, const ej_step *step, const ej_tiling *tiling, const ej_access *which, bool lacks,
                        ej_arena *arena, int32_t *parent);
/* Loops of step 1 over the reduced axes but `except` (-1: none), the largest strides outermost; of an ordered step in its
 * order. */
int ej_nest_reduced_loops(ej_nest *nest, const ej_step *step, int32_t except, ej_arena *arena, int32_t *parent);
/* Under `parent`, whose ranges of `from` and `to` are covered: dst = expr(src) where src has unit stride along `from` and
 * dst along `to`, through square register tiles. */
int ej_nest_transpose(ej_nest *nest, ej_arena *arena, int32_t parent, int32_t from, int32_t to, int32_t tile,
                      const ej_access *dst, const ej_access *src, const ej_expr *expr);
/* Digits of the tiling on a leaf. */
ej_tile ej_tiling_tile(const ej_tiling *tiling);
ej_expr ej_expr_source(ej_arena *arena, int dtype);               /* the tape "source 0"; n 0 when out of memory */
ej_expr ej_expr_constant(ej_arena *arena, ej_expr_op op);         /* the tape of one constant */

/* The recipes' rows (recipe.c). */
extern const ej_recipe ej_recipe_move, ej_recipe_contract, ej_recipe_panel, ej_recipe_sweep;

#endif
