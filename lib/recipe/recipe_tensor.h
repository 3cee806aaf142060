/* recipe_tensor.h - a contraction of two operands with its lanes, register tile and blocks: recipe_tensor_plan.c
 * decides on them, recipe_tensor.c writes the loops. */
#ifndef EJ_RECIPE_TENSOR_H
#define EJ_RECIPE_TENSOR_H

#include "recipe_product.h"

/* Register tile: rows of up to two axes of M, vectors of up to two axes of N. An axis -1: there is no second one. */
typedef struct ej_tensor_tile {
    int32_t lanes;
    int32_t row2, vector2;
    int64_t rows, rows2, vectors, vectors2;
} ej_tensor_tile;

typedef struct ej_tensor {
    ej_product p;
    int32_t out, left, right; /* the unit axes of the result and of the operands; -1: none */
    /* lanes are not along `out`: results wait in a block, and are transposed from there */
    bool waits;
    bool cuts;    /* waits, and panels hold one block of the sum at a time: M is one block */
    bool streams; /* there are so few rows that the right operand is used once or twice */
    /* waits: whole rows of the result go out past the caches, so many values of each; or 0 */
    int64_t rows_out;
    bool pack_left, pack_right;
    ej_tensor_tile tile;
    int64_t block[EJ_PRODUCT_AXES]; /* by axis, but those of K: how many of its values are in a block */
    int64_t terms[EJ_PRODUCT_AXES]; /* the same for the axes of K, in p.k's order */
    int64_t wait_lane;              /* how many values of the lane axis are in a block that waits */
    double cost;                    /* cycles, about: to compare one choice of lanes with another */
} ej_tensor;

/* Statement 0 with lanes along an axis: false where it is no sum of products of two real operands with numbers for
 * extents. */
bool ej_tensor_find(const ej_schedule *s, int32_t lane, ej_tensor *out);
/* The lanes with which it is cheapest. */
bool ej_tensor_choose(const ej_schedule *s, ej_tensor *out);

#endif
