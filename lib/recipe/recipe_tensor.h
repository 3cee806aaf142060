/* recipe_tensor.h - a contraction of two operands taken apart: where its lanes run, its register tile, its blocks. */
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
    int32_t out, left, right;          /* the unit axes of the result and of the operands; -1: none */
    bool waits;                        /* the result, before it is turned */
    bool streams;                      /* the right operand: a few rows use it once or twice */
    bool pack_left, pack_right;
    ej_tensor_tile tile;
    int64_t block[EJ_PRODUCT_AXES];    /* by axis: how much of it is inside of the blocks */
    int64_t wait_lane;                 /* of the lane axis, in the block that waits */
    double cost;                       /* cycles, about: to compare one choice of lanes with another */
} ej_tensor;

/* Statement 0 with lanes along an axis: false where it is no such contraction. */
bool ej_tensor_find(const ej_schedule *s, int32_t lane, ej_tensor *out);
/* The lanes with which it is cheapest. */
bool ej_tensor_choose(const ej_schedule *s, ej_tensor *out);

#endif
