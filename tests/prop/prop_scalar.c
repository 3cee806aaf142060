/* prop_scalar.c - random programs full of scalar factors: the oracle and the interpreter must agree after the pass, a
 * second run must change nothing, and no multiplication over an array may be added.
 *
 * usage: prop_scalar [--count N] [--seed S] [--size K]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_module.h"
#include "gen_maker.h"
#include "judge.h"
#include "opt.h"

typedef struct arguments {
    long count;
    uint64_t seed;
    int size;
} arguments;

/* ---- programs ---- */

/* bind refuses complex numbers where they have no order, and minus a truth; the oracle has no opinion. */
static bool has_meaning(const gen_maker *m, const ej_node *node, int n, const ej_value *in)
{
    bool complex = false, orders = false;
    for (int i = 0; i < n; i++) {
        if (in[i] < 0) return false;
        const oracle_value *x = gen_value(m, in[i]);
        if (x->dtype == EINJIT_BOOL && !(node->op == EJ_OP_MAP && node->fn == EJ_FN_WHERE && !i)) return false;
        complex |= x->dtype < 0 ? x->weak == EJ_KIND_COMPLEX : ej_dtype_is_complex(x->dtype);
    }
    if (node->op == EJ_OP_MAP) {
        int rule = ej_fns[node->fn].rule;
        orders = rule == EJ_RULE_ORDER || rule == EJ_RULE_REALFLT || rule == EJ_RULE_COMPARE || rule == EJ_RULE_ROUND;
    }
    if (node->op == EJ_OP_REDUCE || node->op == EJ_OP_EINSUM)
        orders = node->fn == EINJIT_REDUCE_MAX || node->fn == EINJIT_REDUCE_MIN;
    return !(complex && orders);
}

static ej_value node_over(gen_maker *m, ej_node node, int n, const ej_value *in)
{
    if (!has_meaning(m, &node, n, in)) return -1;
    node.n_in = (uint32_t)n;
    node.in = gen_values_of(m, n, in);
    if (node.op != EJ_OP_CAST) node.dtype = -1;
    return gen_keep(m, &node, NULL);
}

static ej_value map_over(gen_maker *m, int fn, ej_value a, ej_value b)
{
    return node_over(m, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, b < 0 ? 1 : 2, (ej_value[]){a, b});
}

static ej_value number(gen_maker *m)
{
    static const double values[] = {2, 2, 2, -2, 0.5, 3, -1, 1, 0.1, 1e3, 0, 1e-7};
    ej_node node = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .dtype = -1, .re = values[gen_below(&m->r, 12)]};
    if (gen_chance(&m->r, 20))
        node = (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .dtype = -1, .integer = 2 + gen_below(&m->r, 2)};
    if (gen_chance(&m->r, 8))
        node = (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_COMPLEX, .dtype = -1, .re = gen_below(&m->r, 2), .im = 2};
    return gen_keep(m, &node, NULL);
}

static ej_value of_rank_0(gen_maker *m)
{
    for (int tries = 0; tries < 20; tries++) {
        ej_value v = gen_below(&m->r, (int)m->p->graph.n_nodes);
        if (!gen_is_literal(m, v) && !gen_value(m, v)->rank) return v;
    }
    return number(m);
}

static ej_value einsum_over(gen_maker *m, const char *equation, int n, const ej_value *in)
{
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL};
    if (gen_chance(&m->r, 15)) node.fn = gen_chance(&m->r, 50) ? EINJIT_REDUCE_MAX : EINJIT_REDUCE_MIN;
    if (gen_chance(&m->r, 10)) node.combine = EINJIT_COMBINE_ADD;
    node.equation = EJ_NEW(gen_arena_of(m), ej_equation);
    if (!node.equation ||
        ej_equation_parse(node.equation, gen_arena_of(m), equation, strlen(equation), (size_t)n, NULL))
        return -1;
    return node_over(m, node, n, in);
}

static ej_value scaled(gen_maker *m, ej_value x)
{
    switch (gen_below(&m->r, 9)) {
    case 0: return map_over(m, EJ_FN_NEG, x, -1);
    case 1: return map_over(m, EJ_FN_DIV, x, number(m));
    case 2: return map_over(m, EJ_FN_MUL, of_rank_0(m), x);
    case 3: return map_over(m, EJ_FN_DIV, x, of_rank_0(m));
    case 4: return einsum_over(m, ",ij->ji", 2, (ej_value[]){gen_chance(&m->r, 50) ? number(m) : of_rank_0(m), x});
    case 5: return map_over(m, EJ_FN_MUL, number(m), x);
    default: return map_over(m, EJ_FN_MUL, x, number(m));
    }
}

static ej_value exponent(gen_maker *m)
{
    return gen_keep(
        m, &(ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_INT, .dtype = -1, .integer = gen_below(&m->r, 6) - 2}, NULL);
}

static ej_value unary(gen_maker *m, ej_value x)
{
    static const int functions[] = {EJ_FN_ABS,  EJ_FN_RELU, EJ_FN_SQUARE,     EJ_FN_CONJ, EJ_FN_REAL,
                                    EJ_FN_IMAG, EJ_FN_SIGN, EJ_FN_RECIPROCAL, EJ_FN_TANH};
    static const int casts[] = {EINJIT_F32, EINJIT_F64, EINJIT_C128};
    int64_t swapped[2] = {1, 0}, dim = gen_below(&m->r, 2);
    switch (gen_below(&m->r, 8)) {
    case 0: return node_over(m, (ej_node){.op = EJ_OP_CAST, .dtype = (int16_t)casts[gen_below(&m->r, 3)]}, 1, &x);
    case 1: return node_over(m, (ej_node){.op = EJ_OP_PERMUTE, .n_dims = 2, .dims = gen_dims_of(m, 2, swapped)}, 1, &x);
    case 2:
        return node_over(
            m, (ej_node){.op = EJ_OP_RESHAPE, .n_extents = 2, .extents = gen_extents_of(m, 2, (int64_t[]){3, 3})}, 1,
            &x);
    case 3: {
        static const int reduces[] = {EINJIT_REDUCE_SUM, EINJIT_REDUCE_MEAN, EINJIT_REDUCE_MAX, EINJIT_REDUCE_MIN,
                                      EINJIT_REDUCE_PROD};
        bool all = gen_chance(&m->r, 30);
        ej_node node = {.op = EJ_OP_REDUCE,
                        .fn = (uint8_t)reduces[gen_below(&m->r, 5)],
                        .all_dims = all,
                        .keepdim = !all,
                        .n_dims = !all,
                        .dims = gen_dims_of(m, !all, &dim)};
        return node_over(m, node, 1, &x);
    }
    case 4: return node_over(m, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_POW}, 2, (ej_value[]){x, exponent(m)});
    default: return map_over(m, functions[gen_below(&m->r, 9)], x, -1);
    }
}

/* Products of matrices do not broadcast. */
static bool square(const gen_maker *m, ej_value x)
{
    return gen_value(m, x)->rank == 2 && gen_value(m, x)->n == 9;
}

static ej_value binary(gen_maker *m, ej_value x, ej_value y)
{
    static const int functions[] = {EJ_FN_ADD, EJ_FN_ADD, EJ_FN_SUB,     EJ_FN_SUB,
                                    EJ_FN_MUL, EJ_FN_DIV, EJ_FN_MAXIMUM, EJ_FN_MINIMUM};
    static const char *const equations[] = {"ij,jk->ik", "ij,ij->ij", "ij,kj->ik", "ij,jk->k"};
    int64_t dim = gen_below(&m->r, 2);
    ej_value in[3] = {of_rank_0(m), x, y};
    switch (gen_below(&m->r, 12)) {
    case 0: return square(m, x) && square(m, y) ? node_over(m, (ej_node){.op = EJ_OP_MATMUL}, 2, in + 1) : -1;
    case 1:
        if (gen_value(m, x)->rank != gen_value(m, y)->rank) return -1;
        return node_over(m, (ej_node){.op = EJ_OP_CAT, .n_dims = 1, .dims = gen_dims_of(m, 1, &dim)}, 2, in + 1);
    case 2: return einsum_over(m, ",ij,jk->ki", 3, in);
    case 3: return map_over(m, EJ_FN_DIV, number(m), x);
    case 4:
        in[0] = map_over(m, EJ_FN_LT, x, y);
        return node_over(m, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_WHERE}, 3, in);
    case 5: return map_over(m, functions[gen_below(&m->r, 8)], x, number(m));
    case 6:
    case 7:
    case 8: return einsum_over(m, equations[gen_below(&m->r, 4)], 2, in + 1);
    default: return map_over(m, functions[gen_below(&m->r, 8)], x, y);
    }
}

static bool make_inputs(gen_maker *m)
{
    static const int dtypes[] = {EINJIT_F32, EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_I32};
    static const int64_t shape[2] = {3, 3};
    int real = gen_chance(&m->r, 60); /* most of one dtype: mixed ones keep factors apart */
    for (int i = 0; i < 2; i++)
        if (gen_new_input(m, dtypes[real ? 0 : gen_below(&m->r, 5)], 2, shape, 0) < 0) return false;
    for (int i = 0; i < 2; i++)
        if (gen_new_input(m, dtypes[gen_below(&m->r, real ? 2 : 5)], 0, shape, 0) < 0) return false;
    return true;
}

static void grow(gen_maker *m)
{
    ej_value x = gen_pick(m), y = gen_chance(&m->r, 25) ? x : gen_pick(m);
    int what = gen_below(&m->r, 10);
    if (x < 0 || y < 0) return;
    if (what < 4) scaled(m, x);
    else if (what < 6) unary(m, x);
    else binary(m, x, y);
}

static bool make_outputs(gen_maker *m)
{
    gen_program *p = m->p;
    einjit_error err;
    p->oracle.values = EJ_NEW_ARRAY(&p->oracle.arena, oracle_value, 3);
    for (int i = 0; p->oracle.values && i < 1 + (int)(p->oracle.n < 3 && gen_chance(&m->r, 40)) + i % 2 && i < 3; i++) {
        ej_value v = i ? gen_below(&m->r, (int)p->graph.n_nodes) : (ej_value)p->graph.n_nodes - 1;
        while (v >= 0 && gen_is_literal(m, v)) v--;
        if (v < 0 || ej_graph_output(&p->graph, v, &err)) return false;
        p->oracle.values[p->oracle.n++] = *gen_value(m, v);
    }
    p->graph.tuple_result = p->oracle.n > 1;
    return p->oracle.n > 0;
}

static bool make(gen_program *out, uint64_t seed, int size)
{
    memset(out, 0, sizeof *out);
    gen_maker m = {.p = out, .r = {seed}, .palette = {3, 3, 3, 3, 3}};
    einjit_error err;
    if (ej_graph_init(&out->graph, &ej_malloc_allocator, &err)) return false;
    if (!oracle_begin(&m.s, &out->oracle, &out->graph, 200, 3e5)) return false;
    out->all = m.s.values;
    out->reals = gen_chance(&m.r, 50);
    bool ok = make_inputs(&m);
    for (int i = 0; ok && i < 2 * size && out->graph.n_nodes < 90; i++) grow(&m);
    ok = ok && make_outputs(&m);
    if (!ok) gen_program_free(out);
    return ok;
}

/* ---- what the pass did ---- */

static bool is_number(const ej_graph *g, const ej_known_shapes *shapes, ej_value v)
{
    return g->nodes[v].op == EJ_OP_SCALAR || shapes->of[v].rank == 0;
}

/* Multiplications of arrays by scalars. */
static long multiplications(const ej_graph *g, ej_arena *arena)
{
    const ej_known_shapes *shapes = ej_facts_shapes(g, arena);
    long n = 0;
    for (size_t v = 0; shapes && v < g->n_nodes; v++) {
        const ej_node *node = &g->nodes[v];
        bool product = node->op == EJ_OP_EINSUM || (node->op == EJ_OP_MAP && node->fn == EJ_FN_MUL);
        bool quotient = node->op == EJ_OP_MAP && node->fn == EJ_FN_DIV && is_number(g, shapes, node->in[1]);
        if (shapes->of[v].rank == 0) continue;
        n += node->op == EJ_OP_MAP && node->fn == EJ_FN_NEG;
        n += quotient;
        for (uint32_t k = 0; product && k < node->n_in; k++) n += is_number(g, shapes, node->in[k]);
    }
    return n;
}

static bool pass_is_sound(const gen_program *p, uint64_t seed)
{
    ej_graph g;
    ej_arena arena;
    ej_text first, second;
    einjit_error err = {0};
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena, .err = &err, .allocator = &ej_malloc_allocator, .verify = true};
    if (ej_graph_copy(&g, &p->graph, &ej_malloc_allocator, &err)) return false;
    ej_text_init(&first, &arena);
    ej_text_init(&second, &arena);
    bool ok = !ej_opt_run(&g, "dce", &job);
    long before = multiplications(&g, &arena);
    ok = ok && !ej_opt_run(&g, "scalar", &job);
    long after = multiplications(&g, &arena);
    size_t again = 0;
    ej_graph_print(&first, &g);
    ok = ok && !ej_opt_scalar(&g, &job, &again);
    ej_graph_print(&second, &g);
    if (!ok) fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, err.text);
    if (after > before)
        fprintf(stderr, "seed %llu: %ld multiplications, %ld before\n%s", (unsigned long long)seed, after, before,
                first.data);
    if (again || strcmp(first.data, second.data))
        fprintf(stderr, "seed %llu: the second run changes %zu values\n%s%s", (unsigned long long)seed, again,
                first.data, second.data);
    ok = ok && after <= before && !again && !strcmp(first.data, second.data);
    ej_graph_free(&g);
    ej_arena_free(&arena);
    return ok;
}

static bool one_program(einjit_context *interp, uint64_t seed, int size, bool *made)
{
    static const char *const passes[] = {"scalar", "fuse,scalar", "scalar,cse,fuse,scalar"};
    gen_program p;
    *made = make(&p, seed, 1 + (int)(seed % (uint64_t)size));
    if (!*made) return true;
    bool ok = pass_is_sound(&p, seed);
    for (int i = 0; ok && i < 3; i++) {
        judge_way way = {.name = passes[i], .context = interp, .passes = passes[i], .through_text = seed % 5 == 0};
        ok = judge_program(&p, &way, seed, NULL);
    }
    gen_program_free(&p);
    return ok;
}

int main(int argc, char **argv)
{
    arguments a = {.count = 3000, .seed = 1, .size = 12};
    einjit_options o = {
        .struct_bytes = sizeof o, .backend = "interp", .flags = EINJIT_OPTION_VERIFY, .cache_bytes = 16 << 20};
    einjit_context *interp = NULL;
    einjit_error err;
    long passed = 0, failed = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--count")) a.count = strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seed")) a.seed = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--size")) a.size = (int)strtol(argv[i + 1], NULL, 10);
    }
    use_built_module();
    if (einjit_context_create(&interp, &o, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (long i = 0; i < a.count && failed < 5; i++) {
        bool made, ok = one_program(interp, a.seed + (uint64_t)i, a.size, &made);
        passed += made && ok;
        failed += !ok;
        if (!ok)
            fprintf(stderr, "repeat with: prop_scalar --count 1 --seed %llu --size %d\n\n",
                    (unsigned long long)(a.seed + (uint64_t)i), a.size);
    }
    einjit_context_release(interp);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed || !passed;
}
