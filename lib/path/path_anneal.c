/* path_anneal.c - simulated annealing on trees.
 *
 * A move takes a result x = (a, b) that meets c, and makes it (a, c) that meets b. What x keeps then is what a or c
 * have and b or the result of both steps needs; only the costs of these two steps change. It is taken if that makes
 * them cheaper, and else with a probability that falls with the logarithm of how much dearer they become, and with the
 * temperature. Steps are looked at by themselves, not as a share of the whole: so cheap parts are put in order, too,
 * and can be joined elsewhere later.
 */
#include "path_search.h"

enum {
    SUM_STEPS = 32,
    SUM_RANGE = 24, /* log2(1 + 2^-d) for d up to SUM_RANGE, so many values a unit */
    CHANCES = 4096  /* quantiles of the exponential distribution */
};

typedef struct tables {
    float sum[SUM_STEPS * SUM_RANGE + 1], chance[CHANCES];
} tables;

static void make_tables(tables *t)
{
    for (int i = 0; i <= SUM_STEPS * SUM_RANGE; i++) t->sum[i] = (float)log2(1 + exp2(-(double)i / SUM_STEPS));
    for (int i = 0; i < CHANCES; i++) t->chance[i] = (float)-log((i + 0.5) / CHANCES);
}

static inline double log_sum(const tables *t, double a, double b)
{
    double high = a > b ? a : b, apart = fabs(a - b);
    return apart < SUM_RANGE ? high + t->sum[(int)(apart * SUM_STEPS + 0.5)] : high;
}

#if defined __GNUC__
#define ALWAYS_INLINE __attribute__((always_inline)) inline
#else
#define ALWAYS_INLINE inline
#endif

/* n moves at one temperature; steps of less than 2^floor count as that. */
static ALWAYS_INLINE void moves(ej_tree *t, const tables *table, int64_t n, double temperature, double floor,
                                uint64_t *random)
{
    const ej_core *core = t->core;
    const int32_t words = t->words;
    uint32_t n_inner = (uint32_t)t->n - 2;
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = ej_random_next(random);
        int32_t x = t->n + (int32_t)((r >> 32) * n_inner >> 32), p = t->parent[x];
        bool c_left = t->left[p] != x, swap = r & 1;
        int32_t c = c_left ? t->left[p] : t->right[p];
        int32_t a = swap ? t->right[x] : t->left[x], b = swap ? t->left[x] : t->right[x];
        uint64_t *bx = ej_tree_bits(t, x);
        const uint64_t *ba = ej_tree_bits(t, a), *bb = ej_tree_bits(t, b);
        const uint64_t *bc = ej_tree_bits(t, c), *bp = ej_tree_bits(t, p);
        double cost_x = 0, cost_p = 0;
        for (int32_t w = 0; w < words; w++) {
            uint64_t both = ba[w] | bc[w], kept = both & (bb[w] | bp[w]);
            cost_x += ej_weigh_word(core, w, both);
            cost_p += ej_weigh_word(core, w, kept | bb[w]);
        }
        double worse = log_sum(table, log_sum(table, cost_x, cost_p), floor) -
                       log_sum(table, log_sum(table, t->cost[x], t->cost[p]), floor);
        if (worse > 0 && worse > temperature * table->chance[(r >> 1) % CHANCES]) continue;
        for (int32_t w = 0; w < words; w++) bx[w] = (ba[w] | bc[w]) & (bb[w] | bp[w]);
        t->cost[x] = cost_x;
        t->cost[p] = cost_p;
        t->left[x] = a;
        t->right[x] = c;
        t->parent[c] = x;
        *(c_left ? &t->left[p] : &t->right[p]) = b;
        t->parent[b] = p;
    }
}

typedef void (*move_function)(ej_tree *t, const tables *table, int64_t n, double temperature, double floor,
                              uint64_t *random);

static void moves_anywhere(ej_tree *t, const tables *table, int64_t n, double temperature, double floor,
                           uint64_t *random)
{
    moves(t, table, n, temperature, floor, random);
}

/* Counting bits is most of the work, and one instruction where the CPU has it. */
#if defined __GNUC__ && defined __x86_64__
__attribute__((target("popcnt"))) static void moves_popcnt(ej_tree *t, const tables *table, int64_t n,
                                                           double temperature, double floor, uint64_t *random)
{
    moves(t, table, n, temperature, floor, random);
}

static move_function choose_moves(void)
{
    return __builtin_cpu_supports("popcnt") ? moves_popcnt : moves_anywhere;
}
#else
static move_function choose_moves(void)
{
    return moves_anywhere;
}
#endif

double ej_anneal_run(ej_tree *best, ej_tree *now, const ej_anneal *how, uint64_t *random, const ej_effort *effort)
{
    tables table;
    double least = ej_tree_total(best);
    if (best->n < 3) return least;
    make_tables(&table);
    ej_tree_copy(now, best);
    double total = least;
    move_function move = choose_moves();
    for (int64_t round = 0; round < how->rounds && !ej_effort_is_over(effort); round++) {
        double at = (double)round / (double)(how->rounds > 1 ? how->rounds - 1 : 1);
        move(now, &table, now->n, how->hot * pow(how->cold / how->hot, at), total - log2(now->n) - how->blind, random);
        if (round % 4 && round + 1 < how->rounds) continue;
        total = ej_tree_total(now);
        if (total >= least) continue;
        least = total;
        ej_tree_copy(best, now);
    }
    return least;
}
