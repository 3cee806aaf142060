/* facts_reshape.c - which axes of a reshape belong together.
 *
 * Takes  a reshape, the extents of its operand and result as far as they are known.
 * Gives  groups of axes with equal products, from the left: most often one axis to one, one to several, several to one.
 * Keeps  to products that are the same for all inputs: numbers and names. Axes that are 1 for sure are set aside first.
 */
#include <string.h>

#include "facts_reshape.h"

/* coefficient * symbols, ascending. */
typedef struct product {
    int64_t n;
    int32_t n_symbols;
    int32_t *symbols;
} product;

typedef struct grouper {
    const ej_known_shapes *shapes;
    const ej_known_shape *from, *to;
    ej_arena *arena;
    ej_reshape_groups *out;
    bool failed;
} grouper;

static bool times(grouper *g, product *p, int32_t extent)
{
    ej_extent e;
    if (!ej_extent_is_product(g->shapes, extent, &e) || !e.n || !ej_mul_size(p->n, e.n, &p->n)) return false;
    int32_t *symbols = EJ_NEW_ARRAY(g->arena, int32_t, (size_t)p->n_symbols + (size_t)e.n_symbols);
    if (!symbols) g->failed = true;
    if (!symbols) return false;
    int32_t i = 0, k = 0, n = 0;
    while (i < p->n_symbols || k < e.n_symbols) {
        bool own = k == e.n_symbols || (i < p->n_symbols && p->symbols[i] <= e.symbols[k]);
        symbols[n++] = own ? p->symbols[i++] : e.symbols[k++];
    }
    p->symbols = symbols;
    p->n_symbols = n;
    return true;
}

static bool divides(const product *a, const product *b)
{
    int32_t i = 0;
    if (b->n % a->n) return false;
    for (int32_t k = 0; k < b->n_symbols && i < a->n_symbols; k++) i += a->symbols[i] == b->symbols[k];
    return i == a->n_symbols;
}

static bool is_one(const grouper *g, int32_t extent)
{
    return ej_extent_number(g->shapes, extent) == 1;
}

static uint32_t skip_ones(const grouper *g, const ej_known_shape *shape, uint32_t at)
{
    while (at < (uint32_t)shape->rank && is_one(g, shape->extents[at])) at++;
    return at;
}

/* One group from these axes on; ones inside it are set aside, too. */
static bool one_group(grouper *g, uint32_t *from, uint32_t *to)
{
    uint32_t n_from = (uint32_t)g->from->rank, n_to = (uint32_t)g->to->rank;
    if (*from == n_from || *to == n_to) return false;
    int32_t index = (int32_t)g->out->n;
    ej_reshape_group *group = &g->out->groups[g->out->n++];
    *group = (ej_reshape_group){*from, 1, *to, 1};
    int32_t x = g->from->extents[*from], y = g->to->extents[*to];
    g->out->of_from[*from] = g->out->of_to[*to] = index;
    *from = skip_ones(g, g->from, *from + 1);
    *to = skip_ones(g, g->to, *to + 1);
    if (x == y) return true;
    product a = {.n = 1}, b = {.n = 1};
    if (!times(g, &a, x) || !times(g, &b, y)) return false;
    while (!divides(&a, &b) || !divides(&b, &a)) {
        if (divides(&a, &b) && *from < n_from) {
            if (!times(g, &a, g->from->extents[*from])) return false;
            g->out->of_from[*from] = index;
            group->n_from++;
            *from = skip_ones(g, g->from, *from + 1);
        } else if (divides(&b, &a) && *to < n_to) {
            if (!times(g, &b, g->to->extents[*to])) return false;
            g->out->of_to[*to] = index;
            group->n_to++;
            *to = skip_ones(g, g->to, *to + 1);
        } else {
            return false;
        }
    }
    return true;
}

static bool all_groups(grouper *g)
{
    uint32_t from = skip_ones(g, g->from, 0), to = skip_ones(g, g->to, 0);
    while (from < (uint32_t)g->from->rank || to < (uint32_t)g->to->rank)
        if (!one_group(g, &from, &to)) return false;
    return true;
}

static void classify(ej_reshape_groups *out, uint32_t n_from, uint32_t n_to)
{
    for (uint32_t i = 0; i < out->n; i++) {
        const ej_reshape_group *group = &out->groups[i];
        n_from -= group->n_from;
        n_to -= group->n_to;
        out->splits |= group->n_from == 1 && group->n_to > 1;
        out->merges |= group->n_from > 1 && group->n_to == 1;
        out->mixes |= group->n_from > 1 && group->n_to > 1;
    }
    out->plain = !n_from && !n_to;
}

bool ej_reshape_group_axes(ej_reshape_groups *out, const ej_graph *graph, const ej_known_shapes *shapes, ej_value v,
                           ej_arena *arena)
{
    const ej_known_shape *from = &shapes->of[graph->nodes[v].in[0]];
    grouper g = {.shapes = shapes, .from = from, .to = &shapes->of[v], .arena = arena, .out = out};
    *out = (ej_reshape_groups){0};
    if (g.from->rank < 0 || g.to->rank < 0) return true;
    size_t n_from = (size_t)g.from->rank, n_to = (size_t)g.to->rank;
    out->groups = EJ_NEW_ARRAY(arena, ej_reshape_group, n_from + n_to);
    out->of_from = EJ_NEW_ARRAY(arena, int32_t, n_from);
    out->of_to = EJ_NEW_ARRAY(arena, int32_t, n_to);
    if (!out->groups || !out->of_from || !out->of_to) return false;
    for (size_t i = 0; i < n_from; i++) out->of_from[i] = -1;
    for (size_t i = 0; i < n_to; i++) out->of_to[i] = -1;
    out->known = all_groups(&g);
    if (out->known) classify(out, (uint32_t)n_from, (uint32_t)n_to);
    return !g.failed;
}
