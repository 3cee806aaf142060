/* recipe_product.h - reductions over several operands, taken apart like products of matrices: what their scripts share. */
#ifndef EJ_RECIPE_PRODUCT_H
#define EJ_RECIPE_PRODUCT_H

#include "recipe.h"

enum { EJ_PRODUCT_AXES = 16 };

/* Axes by where they are: M in the left operand and the result, N in the right one and the result, K summed and in the right
 * one, Z everywhere. The right operand has the lanes; the left one is the largest of the others. */
typedef struct ej_product {
    int32_t left, right;
    bool plain; /* a sum of two operands that share K, without tables: its terms may come in blocks */
    int32_t lane, row;
    int32_t n_m, n_n, n_k, n_z;
    int32_t m[EJ_PRODUCT_AXES], n[EJ_PRODUCT_AXES], k[EJ_PRODUCT_AXES], z[EJ_PRODUCT_AXES];
    double size_m, size_n, size_k;
} ej_product;

/* Statement 0 as a product with lanes along an axis of the result: false where it is none, where the right operand or the
 * lanes have tables, or an axis is empty, or open and summed. */
bool ej_product_find(const ej_schedule *s, int32_t lane, ej_product *out);
/* Operands and result do not fit into the L2 by far: smaller ones are often as well off where they lie. */
bool ej_product_is_large(const ej_schedule *s, const ej_product *p);
/* Operands that no cache holds, in blocks of the result's unit axis (recipe_gemm.c). */
bool ej_gemm_goes_in_blocks(const ej_schedule *s);
/* Terms of the right operand lie so far apart that each is of another page. */
bool ej_product_terms_apart(const ej_schedule *s, const ej_product *p);
int64_t ej_product_stride(const ej_access *access, int32_t axis);
void ej_product_sort(int32_t *axes, int32_t n, const ej_access *access); /* the largest strides first */
/* Rows and vectors of the register tile; `packed`: the left operand is. */
void ej_product_tile(const ej_schedule *s, const ej_product *p, int32_t lanes, bool packed, int64_t *rows, int64_t *vectors);
int64_t ej_block_of(int64_t extent, double most, int64_t multiple);
bool ej_product_is_open(const ej_schedule *s); /* some axis is */
void ej_product_guard(ej_schedule *s, const ej_product *p, int64_t rows); /* loops, before the right operand is packed */
/* The left or right operand in panels that live at a loop. */
void ej_product_pack(ej_schedule *s, const ej_product *p, bool right, int32_t at, int64_t width);

#endif
