/* recipe_product.h - a reduction over several operands read as a product of matrices: its classes of axes, and what the
 * scripts for such steps (batched, thin, tensor, gemm) share.
 *
 * Takes  statement 0 of a schedule, and the axis that is to have the lanes.
 * Gives  which operand is left and which is right, the axes by class, the register tile, packing.
 */
#ifndef EJ_RECIPE_PRODUCT_H
#define EJ_RECIPE_PRODUCT_H

#include "recipe.h"

enum { EJ_PRODUCT_AXES = 16 };

/* Axes by where they are: M in the left operand and the result, N in the right one and the result, K summed and in the
 * right one, Z (the batch) everywhere. The right operand is the one that has the lanes; the left one is the largest of
 * the others. */
typedef struct ej_product {
    int32_t left, right;
    bool sums;         /* a sum of products of two operands, both of which have K, without tables */
    bool plain;        /* that, and not added to what the result holds: it may be summed in blocks of K */
    int32_t lane, row; /* the axis of the lanes (of N), and the one that is repeated in registers (of M) */
    int32_t n_m, n_n, n_k, n_z;
    int32_t m[EJ_PRODUCT_AXES], n[EJ_PRODUCT_AXES], k[EJ_PRODUCT_AXES], z[EJ_PRODUCT_AXES];
    double size_m, size_n, size_k; /* products of the extents of a class */
} ej_product;

/* Statement 0 as a product with lanes along an axis of the result: false where it is none, where the right operand or
 * the lanes have tables, or an axis is empty, or open and summed. */
bool ej_product_find(const ej_schedule *s, int32_t lane, ej_product *out);
/* of one source of statement 0, by nominal extents */
double ej_product_source_bytes(const ej_schedule *s, int32_t source);
/* of both operands and the result, for one of the batch */
double ej_product_bytes(const ej_schedule *s, const ej_product *p);
/* Operands and result are twice the L2 or more: smaller ones are often read as fast where they lie. */
bool ej_product_is_large(const ej_schedule *s, const ej_product *p);
/* It has so many multiplications, rows, and (`least_k`) terms that packing and blocks are made up for. */
bool ej_product_repays_blocks(const ej_product *p, double least_k);
/* recipe_gemm.c: the product is large, and that script takes it in blocks with the lanes along the result's unit
 * axis. */
bool ej_gemm_goes_in_blocks(const ej_schedule *s);
/* Neighbours along K lie a page or more apart in the right operand. */
bool ej_product_terms_apart(const ej_schedule *s, const ej_product *p);
int64_t ej_product_stride(const ej_access *access, int32_t axis); /* without its sign; 0: the access does not name it */
void ej_product_sort(int32_t *axes, int32_t n, const ej_access *access); /* the largest strides first */
bool ej_product_is_little(const ej_schedule *s, const ej_product *p);    /* over in microseconds */
/* A register tile to be judged. */
typedef struct ej_product_tile {
    int64_t rows, vectors;
    int32_t lanes, parts, bytes; /* parts: registers that a vector of elements takes; bytes of an element */
    bool packed;                 /* the left operand is read from panels */
    bool little;                 /* ej_product_is_little() */
    double cut;                  /* how good it is to cut rows of the result into pieces of more than two vectors */
    double panel_far, left_far;  /* how much of the lane operand, and of the other one, comes from the L2: 0 to 1 */
} ej_product_tile;
/* Sets cut, panel_far and left_far, by the sizes of the product. */
void ej_product_tile_reach(const ej_schedule *s, const ej_product *p, ej_product_tile *tile);
/* How good it is for m rows of n columns: 1 is all units busy all the time. */
double ej_product_tile_quality(const ej_target *t, const ej_product_tile *tile, double m, double n);
/* How many rows and vectors the register tile has; `packed`: the left operand is read from panels. */
void ej_product_choose_tile(const ej_schedule *s, const ej_product *p, int32_t lanes, bool packed, int64_t *rows,
                            int64_t *vectors);
/* The terms of K's innermost axis that a tile has: pairs (schedule.h), where there are two. */
int64_t ej_product_terms(const ej_schedule *s, const ej_product *p);
/* The tile rewrite: terms x rows x vectors x lanes. */
void ej_do_product_tile(ej_schedule *s, const ej_product *p, int64_t rows, int64_t vectors, int32_t lanes);
/* Hints of statement 0 with a register tile of `rows` x `width`. Of the operands that are read in place and come from
 * memory, the larger is prefetched a tile ahead; rows or width is 0 where the left or right one is packed. Results that
 * are stored at once (`at_once`) go past the caches where the L3 has no room for them. 72^3 x 72 times 72 x 72 f64 on
 * Zen 4: with neither 113 ms, past the caches 103, with both 77. */
void ej_do_product_hints(ej_schedule *s, const ej_product *p, int64_t rows, int64_t width, bool at_once);
/* A block of an extent: a multiple of `multiple`, at most `most` or little more. One that divides the extent leaves no
 * rest, which would be a second copy of the code inside; where there is none, all blocks are about the same size. */
int64_t ej_block_of(int64_t extent, double most, int64_t multiple);
/* Blocks of the axes of K, by their place in p->k: together about `most` terms, with whole lines of the operands that
 * lie along one of them. */
void ej_product_block_terms(const ej_schedule *s, const ej_product *p, double most, int64_t block[EJ_PRODUCT_AXES]);
/* Loops around the blocks of K; gives the innermost. */
int32_t ej_do_product_terms(ej_schedule *s, const ej_product *p, const int64_t *block, int32_t at);
/* Values along the result's unit axis that are transposed together on the way out: whole lines of rows that go past the
 * caches; 0: they do not. */
int64_t ej_product_row_out(const ej_schedule *s, int32_t unit);
bool ej_product_is_open(const ej_schedule *s); /* some axis is */
/* Loops over the open axes of M around all else: where one is empty, nothing is packed. */
void ej_do_product_guard(ej_schedule *s, const ej_product *p, int64_t rows);
/* Packs the left or right operand in panels, placed at a loop. */
void ej_do_product_pack(ej_schedule *s, const ej_product *p, bool right, int32_t at, int64_t width);

#endif
