/* path_core.h - a network and trees over it as bitsets: what the searches of long paths work on.
 *
 * A core has the labels that decide anything: those of extent 1 and those that one operand alone has are left out, and
 * labels that the same operands have are one. A tree has the operands as leaves 0 .. n-1 and results n .. 2n-2, the
 * last one the root; each knows the labels that it keeps. What a step keeps and costs then follows from its neighbours
 * alone. Costs are base-2 logarithms: real networks reach 10^1069 operations.
 */
#ifndef EJ_PATH_CORE_H
#define EJ_PATH_CORE_H

#include <math.h>

#include "path.h"

/* Trees beyond this many words of label sets are not made: the searches then keep to lists (8 MB; path_portfolio.c). */
enum { EJ_MOST_TREE_WORDS = 1 << 20 };

typedef struct ej_core {
    int32_t n, n_labels, words;
    uint64_t *terms; /* per operand: `words` words, a bit a label */
    uint64_t *out;
    double *extent;  /* per label: as a number (infinite beyond doubles) */
    double *weight;  /* per label: log2 of its extent; 64 * words, 0 behind the last one */
    double *of_word; /* per word: what each of its labels weighs, -1: not all the same */
    int32_t *uses;   /* per label: operands that have it, one more when the output does */
    size_t *begin;   /* per label, one more: its operands in `users` */
    int32_t *users;
} ej_core;

typedef struct ej_tree {
    const ej_core *core;
    int32_t n, root, words;
    int32_t *left, *right; /* per id; leaves: unused */
    int32_t *parent;       /* per id; the root: -1 */
    uint64_t *bits;        /* per id: what it keeps */
    double *cost;          /* per id: log2 of the product of extents in its step; leaves: unused */
} ej_tree;

/* splitmix64 (Steele, Lea, Flood 2014): every search's numbers, from its seed. */
static inline uint64_t ej_random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline double ej_random_unit(uint64_t *state) /* between 0 and 1, both excluded */
{
    return ((double)(ej_random_next(state) >> 11) + 0.5) * 0x1p-53;
}

static inline uint32_t ej_random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)((ej_random_next(state) >> 32) * n >> 32);
}

static inline int ej_count_bits(uint64_t x)
{
#if defined __GNUC__
    return __builtin_popcountll(x);
#else
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (int)(x * UINT64_C(0x0101010101010101) >> 56);
#endif
}

static inline int ej_lowest_bit(uint64_t x) /* x is not 0 */
{
#if defined __GNUC__
    return __builtin_ctzll(x);
#else
    return ej_count_bits((x & (~x + 1)) - 1);
#endif
}

/* Log2 of the product of the extents of the labels of word w that are in `bits`. */
static inline double ej_weigh_word(const ej_core *core, int32_t w, uint64_t bits)
{
    if (core->of_word[w] >= 0) return core->of_word[w] * ej_count_bits(bits);
    double sum = 0;
    for (; bits; bits &= bits - 1) sum += core->weight[64 * w + ej_lowest_bit(bits)];
    return sum;
}

/* What of word w a step of operands with `a` and `b` keeps: labels that nothing else has are summed. `left`: per
 * label, how many have it, live operands and the output. */
static inline uint64_t ej_kept_word(const int32_t *left, int32_t w, uint64_t a, uint64_t b)
{
    uint64_t kept = a | b;
    for (uint64_t both = a & b; both; both &= both - 1)
        if (left[64 * w + ej_lowest_bit(both)] == 2) kept &= ~(both & (~both + 1));
    return kept;
}

/* The same, when the step is made: of two operands with a label one is left. */
static inline uint64_t ej_join_word(int32_t *left, int32_t w, uint64_t a, uint64_t b)
{
    uint64_t kept = ej_kept_word(left, w, a, b);
    for (uint64_t both = a & b; both; both &= both - 1) left[64 * w + ej_lowest_bit(both)]--;
    return kept;
}

/* For scores that are differences of sizes: beyond doubles all are the same. */
static inline double ej_size_from_log2(double log2_size)
{
    return exp2(log2_size < 1000 ? log2_size : 1000);
}

static inline double ej_log2_add(double a, double b)
{
    double high = a > b ? a : b, low = a > b ? b : a;
    return low == -INFINITY ? high : high + log2(1 + exp2(low - high));
}

/* Words that a tree over the network takes at most. */
size_t ej_core_tree_words(const ej_network *network);
int ej_core_make(ej_core *out, const ej_network *network, ej_job *job);
/* The core of what is left when some operands were contracted: those that are `kept`, with their label sets in
 * `terms`. */
int ej_core_reduce(ej_core *out, const ej_core *core, const uint64_t *terms, const int32_t *kept, int32_t n_kept,
                   ej_job *job);

/* ---- trees (path_tree.c) ---- */

int ej_tree_new(ej_tree *out, const ej_core *core, ej_job *job);
/* Of pairs only, one for each result. */
int ej_tree_plant(ej_tree *tree, const ej_path_step *steps, ej_job *job);
void ej_tree_copy(ej_tree *to, const ej_tree *from);
double ej_tree_total(const ej_tree *tree); /* log2 of the sum of the steps' costs */
/* The n - 1 steps, each behind those that make its operands, in single-assignment ids; `steps` has room for them. */
int ej_tree_steps(const ej_tree *tree, ej_path_step *steps, ej_job *job);
static inline uint64_t *ej_tree_bits(const ej_tree *tree, int32_t id)
{
    return tree->bits + (size_t)id * (size_t)tree->words;
}

#endif
