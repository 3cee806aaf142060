/* path_pieces.c - small parts of a tree, put in their best order.
 *
 * A step and those that lead to it, cut where they reach `size` values, are a contraction of these by themselves: it
 * needs the labels that the step's result has, and nothing else of the network. Where path_subsets.c finds a cheaper
 * order, it takes the place of the old one. Steps are looked at from the root down, the dearest operands are opened
 * first, and a piece in which nothing changed since the last look is passed over.
 */
#include "path_search.h"

#include <string.h>

#include "path_subsets.h"

struct ej_pieces {
    ej_subsets subsets;
    uint64_t *seen, *version; /* per id: what its piece was when it was looked at; when its operands changed */
    uint64_t *outside;        /* words: while a piece is written back */
    uint64_t clock;
};

typedef struct piece {
    int32_t n_leaves, n_steps;
    int32_t leaves[EJ_MOST_PIECE], steps[EJ_MOST_PIECE]; /* ids; steps[0] is the piece's result */
    uint64_t version;
} piece;

int ej_pieces_new(ej_pieces **out, const ej_core *core, ej_job *job)
{
    size_t ids = 2 * (size_t)core->n;
    ej_pieces *p = EJ_JOB_NEW(job, ej_pieces);
    if (!p) return ej_no_memory(job->err);
    p->seen = EJ_JOB_ARRAY(job, uint64_t, ids);
    p->version = EJ_JOB_ARRAY(job, uint64_t, ids);
    p->outside = EJ_JOB_ARRAY(job, uint64_t, (size_t)core->words);
    if (!p->seen || !p->version || !p->outside) return ej_no_memory(job->err);
    *out = p;
    return ej_subsets_new(&p->subsets, EJ_MOST_PIECE, (size_t)core->n_labels, job);
}

static void add_version(ej_pieces *p, piece *x, int32_t id)
{
    uint64_t state = p->version[id] * 2 + (uint64_t)id;
    x->version += ej_random_next(&state);
}

/* The step's operands, and theirs in place of the dearest, until there are `size`. */
static void cut(ej_pieces *p, const ej_tree *t, int32_t step, int32_t size, piece *x)
{
    *x = (piece){.n_leaves = 2,
                 .n_steps = 1,
                 .leaves = {t->left[step], t->right[step]},
                 .steps = {step},
                 .version = (uint64_t)size};
    add_version(p, x, step);
    while (x->n_leaves < size) {
        int32_t dearest = -1;
        for (int32_t i = 0; i < x->n_leaves; i++)
            if (x->leaves[i] >= t->n && (dearest < 0 || t->cost[x->leaves[i]] > t->cost[x->leaves[dearest]]))
                dearest = i;
        if (dearest < 0) return;
        int32_t id = x->leaves[dearest];
        x->steps[x->n_steps++] = id;
        x->leaves[dearest] = t->left[id];
        x->leaves[x->n_leaves++] = t->right[id];
        add_version(p, x, id);
    }
}

static void add_labels(ej_pieces *p, const ej_tree *t, const piece *x)
{
    const ej_core *core = t->core;
    const uint64_t *out = ej_tree_bits(t, x->steps[0]);
    ej_subsets_begin(&p->subsets, x->n_leaves);
    for (int32_t w = 0; w < t->words; w++) {
        uint64_t leaves[EJ_MOST_PIECE], all = 0;
        for (int32_t i = 0; i < x->n_leaves; i++) all |= leaves[i] = ej_tree_bits(t, x->leaves[i])[w];
        for (; all; all &= all - 1) {
            int bit = ej_lowest_bit(all);
            uint32_t members = (uint32_t)(out[w] >> bit & 1) << EJ_OPTIMAL_LIMIT;
            for (int32_t i = 0; i < x->n_leaves; i++) members |= (uint32_t)(leaves[i] >> bit & 1) << i;
            ej_subsets_label(&p->subsets, members, core->extent[64 * w + bit], core->weight[64 * w + bit]);
        }
    }
}

/* What a result of the operands in `set` keeps, and its step's cost. */
static void describe(ej_pieces *p, ej_tree *t, const piece *x, uint32_t set, int32_t id)
{
    uint64_t *bits = ej_tree_bits(t, id);
    const uint64_t *a = ej_tree_bits(t, t->left[id]), *b = ej_tree_bits(t, t->right[id]);
    memcpy(p->outside, ej_tree_bits(t, x->steps[0]), (size_t)t->words * sizeof *bits);
    for (int32_t i = 0; i < x->n_leaves; i++) {
        const uint64_t *leaf = ej_tree_bits(t, x->leaves[i]);
        for (int32_t w = 0; w < t->words && !(set >> i & 1); w++) p->outside[w] |= leaf[w];
    }
    t->cost[id] = 0;
    for (int32_t w = 0; w < t->words; w++) {
        uint64_t all = a[w] | b[w];
        t->cost[id] += ej_weigh_word(t->core, w, all);
        bits[w] = all & p->outside[w];
    }
}

/* The best tree of `set` in place; results take the piece's ids, the last one stays. Returns the id. */
static int32_t write_back(ej_pieces *p, ej_tree *t, const piece *x, uint32_t set, int32_t *taken)
{
    if (!(set & (set - 1))) return x->leaves[ej_lowest_bit(set)];
    int32_t id = x->steps[(*taken)++];
    uint32_t first = p->subsets.split[set];
    int32_t a = write_back(p, t, x, first, taken), b = write_back(p, t, x, set ^ first, taken);
    t->left[id] = a;
    t->right[id] = b;
    t->parent[a] = t->parent[b] = id;
    p->version[id] = ++p->clock;
    describe(p, t, x, set, id);
    return id;
}

static double cost_of(const ej_tree *t, const piece *x, bool wide)
{
    double sum = wide ? -INFINITY : 0;
    for (int32_t i = 0; i < x->n_steps; i++)
        sum = wide ? ej_log2_add(sum, t->cost[x->steps[i]]) : sum + exp2(t->cost[x->steps[i]]);
    return sum;
}

static bool look_at(ej_pieces *p, ej_tree *t, int32_t step, int32_t size, bool *changed)
{
    piece x;
    int32_t taken = 0;
    cut(p, t, step, size, &x);
    if (x.n_leaves < 3 || p->seen[step] == x.version) return false;
    add_labels(p, t, &x);
    (void)ej_subsets_solve(&p->subsets, NULL); /* some microseconds */
    uint32_t all = (1u << x.n_leaves) - 1;
    double before = cost_of(t, &x, p->subsets.wide), after = p->subsets.cost[all];
    bool better = p->subsets.wide ? after < before - 1e-9 : after < before * (1 - 1e-9);
    p->seen[step] = x.version;
    if (!better) return true;
    write_back(p, t, &x, all, &taken);
    *changed = true;
    return true;
}

void ej_pieces_improve(ej_pieces *pieces, ej_tree *tree, int32_t size, int64_t looks, const ej_effort *effort)
{
    bool changed = true;
    memset(pieces->seen, 0, 2 * (size_t)tree->n * sizeof *pieces->seen);
    while (changed && looks > 0 && !ej_effort_is_over(effort)) {
        changed = false;
        for (int32_t step = tree->root; step >= tree->n && looks > 0; step--) {
            if (look_at(pieces, tree, step, size, &changed) && --looks % 64 == 0 && ej_effort_is_over(effort)) return;
        }
    }
}
