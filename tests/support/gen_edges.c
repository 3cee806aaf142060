/* gen_edges.c - a maker of messages along the edges of a graph: rows that are gathered, contracted with something an
 * edge, and added up where another index says.
 */
#include "gen_maker.h"

#include <string.h>

static ej_value index_below(gen_maker *m, int64_t edges, int64_t below)
{
    return gen_new_input(m, gen_chance(&m->r, 70) ? EINJIT_I64 : EINJIT_I32, 1, &edges, below);
}

static ej_value gathered(gen_maker *m, ej_value x, ej_value index)
{
    static const int64_t first = 0;
    return gen_keep_of(m, (ej_node){.op = EJ_OP_INDEX_SELECT, .n_dims = 1, .dims = gen_dims_of(m, 1, &first)}, 2,
                       (const ej_value[]){x, index});
}

static ej_value einsum(gen_maker *m, const char *text, int n, const ej_value *in)
{
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL};
    node.equation = EJ_NEW(gen_arena_of(m), ej_equation);
    if (!node.equation || ej_equation_parse(node.equation, gen_arena_of(m), text, strlen(text), (size_t)n, NULL))
        return -1;
    return gen_keep_of(m, node, n, in);
}

/* What becomes of messages before they are added up: nothing, or a function of them and of something an edge. */
static ej_value finished(gen_maker *m, ej_value messages, ej_value nodes, ej_value index, int64_t edges)
{
    ej_value pair[2] = {messages, -1};
    if (gen_chance(&m->r, 50)) return messages;
    if (gen_chance(&m->r, 40)) return gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_NEG}, 1, &messages);
    if (gen_chance(&m->r, 50)) {
        pair[1] = gathered(m, nodes, index);
    } else {
        int64_t shape[3] = {edges, 1, 1};
        pair[1] = gen_new_input(m, gen_value(m, messages)->dtype, gen_value(m, messages)->rank, shape, 0);
    }
    return gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_MUL}, 2, pair);
}

/* Nodes have rows [c, j], edges what the equation says: of their own or shared ones. */
ej_value gen_make_edges(gen_maker *m)
{
    static const struct {
        const char *equation, *weights;
    } forms[] = {{"ecj,eij->eci", "eij"}, {"ejc,eij->eic", "eij"}, {"ecj,ecj->ec", "ecj"}, {"ecj,ej->ec", "ej"},
                 {"ecj,ji->eci", "ji"},   {"ecj,ej->ecj", "ej"},   {"ecj,e->cej", "e"},    {"ecj,ejk->eck", "ejk"}};
    const int form = gen_below(&m->r, (int)(sizeof forms / sizeof *forms));
    const char *equation = forms[form].equation, *weights = forms[form].weights;
    int dtype = gen_pick_dtype(m);
    int64_t nodes = 1 + gen_below(&m->r, 5),
            edges = gen_chance(&m->r, 10) ? gen_below(&m->r, 2) : 2 + gen_below(&m->r, 8);
    int64_t extents[128] = {0}, shape[3], below = 1 + gen_below(&m->r, 5);
    if (dtype == EINJIT_BOOL) return -1;
    for (int c = 'c'; c <= 'k'; c++) extents[c] = gen_chance(&m->r, 40) ? 4 : 1 + gen_below(&m->r, 7);
    if (gen_chance(&m->r, 30)) extents['c'] = 16;
    if (gen_chance(&m->r, 6)) extents['j'] = extents['k'] = 0; /* as slices of nothing have it */
    extents['e'] = edges;
    for (int a = 1; a < 3; a++) shape[a] = extents[(int)equation[a]];
    shape[0] = nodes;
    ej_value x = gen_new_input(m, dtype, 3, shape, 0), src = index_below(m, edges, nodes);
    for (size_t a = 0; weights[a]; a++) shape[a] = extents[(int)weights[a]];
    ej_value w = gen_new_input(m, dtype, (int)strlen(weights), shape, 0);
    if (x < 0 || src < 0 || w < 0) return -1;
    ej_value messages = einsum(m, equation, 2, (const ej_value[]){gathered(m, x, src), w});
    if (messages < 0) return -1;
    const oracle_value *v = gen_value(m, messages);
    int64_t dim = strchr(strchr(equation, '>'), 'e') - strchr(equation, '>') - 1;
    for (int a = 0; a < v->rank; a++) shape[a] = a ? v->shape[a] : below;
    ej_value out = dim ? -1 : gen_new_input(m, dtype, v->rank, shape, 0), dst = index_below(m, edges, below);
    if (!dim && out >= 0) messages = finished(m, messages, out, dst, edges);
    return gen_keep_of(m,
                       (ej_node){.op = EJ_OP_INDEX_ADD,
                                 .n_dims = 1,
                                 .dims = gen_dims_of(m, 1, &dim),
                                 .n_extents = 1,
                                 .extents = gen_extents_of(m, 1, &below)},
                       2, (const ej_value[]){dst, messages});
}
