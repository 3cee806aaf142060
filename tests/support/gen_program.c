/* gen_program.c - random programs: each operation is tried on the oracle first and kept when it has a meaning.
 *
 * A maker fills a node from random earlier values; the oracle's value of it gives shape and dtype for what follows.
 */
#include <string.h>

#include "gen_maker.h"

enum { MOST_RESULTS = 8 };

const char *const gen_kind_names[GEN_KINDS] = {"any", "einsum", "chain", "differentiable", "update"};

int gen_kind_by_name(const char *name)
{
    for (int kind = 0; kind < GEN_KINDS; kind++)
        if (!strcmp(gen_kind_names[kind], name)) return kind;
    return -1;
}

ej_arena *gen_arena_of(gen_maker *m)
{
    return &m->p->graph.arena;
}

const oracle_value *gen_value(const gen_maker *m, ej_value v)
{
    return &m->s.values[v];
}

bool gen_is_literal(const gen_maker *m, ej_value v)
{
    return gen_value(m, v)->dtype < 0;
}

int64_t gen_pick_extent(gen_maker *m)
{
    return m->palette[gen_below(&m->r, 5)];
}

int gen_pick_dtype(gen_maker *m)
{
    if (m->differentiable) return gen_chance(&m->r, 25) ? EINJIT_C128 : EINJIT_F64;
    if (m->by_label && gen_chance(&m->r, 88)) return m->main_dtype;
    static const int common[] = {EINJIT_F32,  EINJIT_F32, EINJIT_F64,  EINJIT_C64, EINJIT_C128,
                                 EINJIT_I32,  EINJIT_I64, EINJIT_BOOL, EINJIT_F32, EINJIT_F64,
                                 EINJIT_BF16, EINJIT_F16, EINJIT_I8,   EINJIT_U8,  EINJIT_I16};
    return common[gen_below(&m->r, sizeof common / sizeof *common)];
}

ej_value gen_keep(gen_maker *m, ej_node *node, const einjit_tensor *tensor)
{
    einjit_error err;
    ej_value v;
    if (m->p->graph.n_nodes >= GEN_MAX_NODES) return -1;
    oracle_value result;
    if (!oracle_node(&m->s, &result, node, tensor)) return -1;
    gen_reach reach = {0, 0};
    if (m->by_label && !gen_magnitude(m, node, &result, &reach)) return -1;
    if (result.n > GEN_MAX_ELEMENTS || result.rank > GEN_MAX_RANK) return -1;
    if (node->op != EJ_OP_INPUT && node->op != EJ_OP_CONSTANT) node->rank = -1;
    if (ej_graph_append(&m->p->graph, node, &v, &err)) return -1;
    m->s.values[v] = result;
    m->reach[v] = reach;
    m->uses[v] = 0;
    for (uint32_t i = 0; i < node->n_in; i++) m->uses[node->in[i]]++;
    memset(m->axes[v], GEN_NO_LABEL, sizeof m->axes[v]);
    if (m->hits) {
        m->hits->ops[node->op]++;
        if (node->op == EJ_OP_MAP) m->hits->fns[node->fn]++;
        if (node->op == EJ_OP_REDUCE) m->hits->reduces[node->fn]++;
        if (node->op == EJ_OP_EINSUM) m->hits->einsum_reduces[node->fn]++;
        if (result.dtype >= 0) m->hits->dtypes[result.dtype]++;
    }
    return v;
}

ej_value gen_keep_of(gen_maker *m, ej_node node, int n, const ej_value *in)
{
    for (int i = 0; i < n; i++)
        if (in[i] < 0) return -1;
    node.dtype = -1;
    node.n_in = (uint32_t)n;
    node.in = gen_values_of(m, n, in);
    return gen_keep(m, &node, NULL);
}

ej_extent *gen_extents_of(gen_maker *m, int rank, const int64_t *shape)
{
    ej_extent *out = EJ_NEW_ARRAY(gen_arena_of(m), ej_extent, (size_t)rank + 1);
    for (int a = 0; out && a < rank; a++) out[a] = (ej_extent){.n = shape[a]};
    return out;
}

int64_t *gen_dims_of(gen_maker *m, int n, const int64_t *dims)
{
    int64_t *out = EJ_NEW_ARRAY(gen_arena_of(m), int64_t, (size_t)n + 1);
    if (out && n) memcpy(out, dims, (size_t)n * sizeof *dims);
    return out;
}

ej_value *gen_values_of(gen_maker *m, int n, const ej_value *in)
{
    ej_value *out = EJ_NEW_ARRAY(gen_arena_of(m), ej_value, (size_t)n + 1);
    if (out && n) memcpy(out, in, (size_t)n * sizeof *in);
    return out;
}

ej_value gen_keep_input(gen_maker *m, ej_node *node, int dtype, int rank, const int64_t *shape, int64_t index_below)
{
    gen_program *p = m->p;
    if (p->n_in == GEN_MAX_INPUTS) return -1;
    gen_tensor *t = &p->in[p->n_in];
    int kind = gen_chance(&m->r, 40) ? GEN_ROW_MAJOR : gen_below(&m->r, GEN_STRIDE_KINDS);
    if (!gen_tensor_make(t, &m->r, dtype, rank, shape, kind)) return -1;
    if (index_below > 0) gen_tensor_set_index(t, &m->r, index_below);
    else if (m->by_label && (dtype == EINJIT_I32 || dtype == EINJIT_I64) && gen_chance(&m->r, 35))
        gen_tensor_fill_wide(t, &m->r);
    else gen_tensor_fill(t, &m->r, p->reals);
    if (gen_chance(&m->r, 15)) node->dtype = -1; /* left to the observed tensor */
    if (!m->differentiable && gen_chance(&m->r, 10)) {
        node->rank = -1;
        node->n_extents = 0;
        node->extents = NULL;
    }
    ej_value v = gen_keep(m, node, &t->view);
    if (v < 0) {
        gen_tensor_free(t);
        return -1;
    }
    p->index_below[p->n_in++] = index_below;
    if (m->hits) m->hits->strides[kind]++;
    return v;
}

ej_value gen_new_input(gen_maker *m, int dtype, int rank, const int64_t *shape, int64_t index_below)
{
    ej_node node = {.op = EJ_OP_INPUT,
                    .dtype = (int16_t)dtype,
                    .rank = rank,
                    .n_extents = (uint32_t)rank,
                    .extents = gen_extents_of(m, rank, shape)};
    return gen_keep_input(m, &node, dtype, rank, shape, index_below);
}

ej_value gen_fresh_value(gen_maker *m)
{
    int64_t shape[5];
    int rank = gen_below(&m->r, 5);
    for (int a = 0; a < rank; a++) shape[a] = gen_pick_extent(m);
    return gen_new_input(m, gen_pick_dtype(m), rank, shape, 0);
}

ej_value gen_new_constant(gen_maker *m, int dtype, int rank, const int64_t *shape)
{
    gen_tensor t;
    if (!gen_tensor_make(&t, &m->r, dtype, rank, shape, GEN_ROW_MAJOR)) return -1;
    gen_tensor_fill(&t, &m->r, m->p->reals);
    int64_t n = 1;
    for (int a = 0; a < rank; a++) n *= shape[a];
    size_t bytes = (size_t)n * einjit_dtype_bytes(dtype);
    void *data = ej_arena_new(gen_arena_of(m), bytes + 1, 1);
    if (data && bytes) memcpy(data, t.view.data, bytes);
    gen_tensor_free(&t);
    ej_node node = {.op = EJ_OP_CONSTANT,
                    .dtype = (int16_t)dtype,
                    .rank = rank,
                    .n_extents = (uint32_t)rank,
                    .extents = gen_extents_of(m, rank, shape),
                    .data = data};
    return data ? gen_keep(m, &node, NULL) : -1;
}

ej_value gen_make_constant(gen_maker *m)
{
    int64_t shape[3];
    int rank = gen_below(&m->r, 3), dtype = gen_pick_dtype(m);
    for (int a = 0; a < rank; a++) shape[a] = gen_pick_extent(m);
    ej_value v = gen_new_constant(m, dtype, rank, shape);
    if (v < 0 || gen_chance(&m->r, 50)) return v;
    ej_node promise = {.op = EJ_OP_STRUCTURAL, .dtype = -1, .n_in = 1, .in = gen_values_of(m, 1, &v)};
    return gen_keep(m, &promise, NULL);
}

ej_value gen_make_literal(gen_maker *m)
{
    int kind = gen_chance(&m->r, 50) ? EJ_KIND_FLOAT : gen_below(&m->r, 4);
    static const double nice[] = {2.0, 0.5, -1.5, 3.0, 0.25, 1.0, -1.0, 4.0};
    ej_node node = {.op = EJ_OP_SCALAR, .fn = (uint8_t)kind, .dtype = -1, .re = nice[gen_below(&m->r, 8)]};
    if (kind == EJ_KIND_COMPLEX) node.im = nice[gen_below(&m->r, 8)];
    if (kind == EJ_KIND_INT) node.integer = gen_below(&m->r, 9) - 4;
    if (kind == EJ_KIND_BOOL) node.integer = gen_below(&m->r, 2);
    if (kind < EJ_KIND_FLOAT) node.re = 0;
    return gen_keep(m, &node, NULL);
}

/* What nothing uses yet: programs hang together. The latest such value; -1: none. */
static ej_value unused(const gen_maker *m)
{
    for (ej_value v = (ej_value)m->p->graph.n_nodes - 1; v >= 0; v--)
        if (!m->uses[v] && !gen_is_literal(m, v)) return v;
    return -1;
}

/* An earlier value that is no literal: more often a recent one. */
ej_value gen_pick(gen_maker *m)
{
    ej_value n = (ej_value)m->p->graph.n_nodes, pinned = m->pinned;
    m->pinned = -1;
    if (pinned >= 0) return pinned;
    if (m->by_label && gen_chance(&m->r, 60)) {
        ej_value v = unused(m);
        if (v >= 0) return v;
    }
    for (int tries = 0; tries < 8; tries++) {
        ej_value v = gen_chance(&m->r, 50) ? n - 1 - gen_below(&m->r, n < 4 ? n : 4) : gen_below(&m->r, n);
        if (!gen_is_literal(m, v)) return v;
    }
    return gen_fresh_value(m);
}

ej_value gen_make_unary(gen_maker *m, ej_node *node)
{
    ej_value x = gen_pick(m);
    if (x < 0) return -1;
    node->n_in = 1;
    node->in = gen_values_of(m, 1, &x);
    if (node->op != EJ_OP_CAST) node->dtype = -1;
    return x;
}

int64_t gen_any_dim(gen_maker *m, int rank)
{
    int dim = gen_below(&m->r, rank);
    return gen_chance(&m->r, 30) ? dim - rank : dim;
}

static const struct {
    ej_value (*make)(gen_maker *m);
    int weight;
} makers[] = {
    {gen_make_einsum, 30}, {gen_make_map, 44},  {gen_make_cast, 4},    {gen_make_reduce, 8},   {gen_make_norm, 4},
    {gen_make_product, 7}, {gen_make_end, 20},  {gen_make_permute, 6}, {gen_make_reshape, 7},  {gen_make_squeeze, 4},
    {gen_make_slice, 7},   {gen_make_join, 5},  {gen_make_indexed, 8}, {gen_make_constant, 3}, {gen_make_like, 6},
    {gen_make_places, 12}, {gen_make_edges, 6},
};

static ej_value make_any(gen_maker *m)
{
    int total = 0, at;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) total += makers[i].weight;
    at = gen_below(&m->r, total);
    for (size_t i = 0;; i++) {
        at -= makers[i].weight;
        if (at < 0) return makers[i].make(m);
    }
}

/* Results are what nothing uses, so that little is dead. */
static bool add_unused(gen_maker *m)
{
    gen_program *p = m->p;
    einjit_error err;
    p->oracle.values = EJ_NEW_ARRAY(&p->oracle.arena, oracle_value, MOST_RESULTS);
    for (ej_value v = (ej_value)p->graph.n_nodes - 1; p->oracle.values && v >= 0 && p->oracle.n < MOST_RESULTS; v--) {
        bool leaf =
            p->graph.nodes[v].op == EJ_OP_INPUT || p->graph.nodes[v].op == EJ_OP_CONSTANT || gen_is_literal(m, v);
        if (leaf || (m->uses[v] && !gen_chance(&m->r, 4))) continue;
        if (ej_graph_output(&p->graph, v, &err)) return false;
        p->oracle.values[p->oracle.n++] = *gen_value(m, v);
    }
    p->graph.tuple_result = p->oracle.n > 1;
    return p->oracle.n > 0;
}

/* Results: the last value and a few others, now and then one twice. */
static bool add_outputs(gen_maker *m)
{
    gen_program *p = m->p;
    ej_graph *g = &p->graph;
    einjit_error err;
    int n = gen_chance(&m->r, m->by_label ? 55 : 75) ? 1 : 1 + gen_below(&m->r, 3);
    p->oracle.values = EJ_NEW_ARRAY(&p->oracle.arena, oracle_value, (size_t)n);
    if (!p->oracle.values) return false;
    for (int i = 0; i < n; i++) {
        ej_value v = (ej_value)g->n_nodes - 1;
        if (i && !gen_chance(&m->r, 15)) v = gen_below(&m->r, (int)g->n_nodes);
        while (v >= 0 && gen_is_literal(m, v)) v--;
        if (v < 0 || ej_graph_output(g, v, &err)) return false;
        p->oracle.values[p->oracle.n++] = *gen_value(m, v);
    }
    g->tuple_result = n > 1;
    return true;
}

static bool fill_any(gen_maker *m, int size)
{
    static const int64_t extents[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33};
    for (int i = 0; i < 5; i++) m->palette[i] = extents[gen_below(&m->r, i < 4 ? 7 : 11)];
    if (gen_chance(&m->r, 4)) m->palette[0] = 0;
    m->p->reals = gen_chance(&m->r, 30) || m->differentiable;
    bool ok = gen_fresh_value(m) >= 0;
    for (int made = 0, tries = 0; ok && made < size && tries < 6 * size; tries++) made += make_any(m) >= 0;
    return ok;
}

static bool fill_einsums(gen_maker *m, int size)
{
    if (!gen_einsum_begin(m)) return false;
    for (int made = 0, tries = 0; made < size && tries < 6 * size; tries++) made += gen_einsum_step(m) >= 0;
    return true;
}

bool gen_program_of(gen_program *out, int kind, uint64_t seed, int size, gen_hits *hits)
{
    memset(out, 0, sizeof *out);
    gen_maker m = {.p = out, .r = {seed}, .hits = hits, .pinned = -1, .differentiable = kind == GEN_DIFFERENTIABLE};
    einjit_error err;
    if (ej_graph_init(&out->graph, &ej_malloc_allocator, &err)) return false;
    if (!oracle_begin(&m.s, &out->oracle, &out->graph, GEN_MAX_NODES + 1, kind == GEN_EINSUM ? 1e6 : 3e5)) return false;
    out->all = m.s.values;
    bool ok = kind == GEN_CHAIN    ? gen_chain_fill(&m, size)
              : kind == GEN_EINSUM ? fill_einsums(&m, size)
                                   : fill_any(&m, kind == GEN_UPDATE ? size / 3 : size);
    if (ok && kind == GEN_UPDATE) ok = gen_update_end(&m);
    ok = ok && out->graph.n_nodes > out->n_in;
    if (ok && kind != GEN_CHAIN) ok = m.by_label && gen_chance(&m.r, 85) ? add_unused(&m) : add_outputs(&m);
    if (!ok) gen_program_free(out);
    return ok;
}

bool gen_program_make(gen_program *out, uint64_t seed, int size, gen_hits *hits)
{
    return gen_program_of(out, GEN_ANY, seed, size, hits);
}

void gen_program_free(gen_program *p)
{
    for (size_t i = 0; i < p->n_in; i++) gen_tensor_free(&p->in[i]);
    ej_graph_free(&p->graph);
    oracle_free(&p->oracle);
    p->n_in = 0;
}

void gen_program_views(const gen_program *p, einjit_tensor *views)
{
    for (size_t i = 0; i < p->n_in; i++) views[i] = p->in[i].view;
}
