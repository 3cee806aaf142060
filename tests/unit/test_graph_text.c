/* Graphs there and back: parse(print(g)) is g for random graphs of every operator, print(parse(print(g))) is
 * print(g). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_element.h"

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* ---- graphs that are the same ---- */

static bool is_inline(const ej_graph *g, const uint32_t *uses, size_t v)
{
    return g->nodes[v].op == EJ_OP_SCALAR && uses[v];
}

static bool same_real(double a, double b)
{
    return (isnan(a) && isnan(b)) || !memcmp(&a, &b, sizeof a);
}

static bool same_literal(const ej_node *a, const ej_node *b)
{
    if (a->op != EJ_OP_SCALAR || b->op != EJ_OP_SCALAR || a->fn != b->fn) return false;
    if (a->fn <= EJ_KIND_INT) return a->integer == b->integer;
    return same_real(a->re, b->re) && (a->fn == EJ_KIND_FLOAT || same_real(a->im, b->im));
}

static bool same_extents(const ej_graph *g, const ej_node *a, const ej_graph *h, const ej_node *b)
{
    if (a->n_extents != b->n_extents) return false;
    for (uint32_t i = 0; i < a->n_extents; i++) {
        const ej_extent *x = &a->extents[i], *y = &b->extents[i];
        if (x->n != y->n || x->n_symbols != y->n_symbols) return false;
        for (int32_t k = 0; k < x->n_symbols; k++)
            if (strcmp(g->symbols[x->symbols[k]], h->symbols[y->symbols[k]])) return false;
    }
    return true;
}

static bool same_items(const ej_node *a, const ej_node *b)
{
    if (a->n_items != b->n_items) return false;
    for (uint32_t i = 0; i < a->n_items; i++) {
        const ej_index_item *x = &a->items[i], *y = &b->items[i];
        if (x->kind != y->kind) return false;
        if (x->kind <= EJ_INDEX_AT && x->start != y->start) return false;
        if (x->kind == EJ_INDEX_RANGE && (x->stop != y->stop || x->step != y->step)) return false;
    }
    return true;
}

static bool same_term(const ej_term *a, const ej_term *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->labels, b->labels, a->n * sizeof *a->labels));
}

static bool same_equation(const ej_equation *a, const ej_equation *b)
{
    bool same = a->n_terms == b->n_terms && a->n_labels == b->n_labels && same_term(&a->out, &b->out);
    for (uint32_t t = 0; same && t < a->n_terms; t++) same = same_term(&a->terms[t], &b->terms[t]);
    if (!same || a->integer_labels || !a->n_labels) return same;
    return !memcmp(a->symbols, b->symbols, a->n_labels * sizeof *a->symbols);
}

static bool same_data(const ej_node *a, const ej_node *b)
{
    size_t n = ej_dtypes[a->dtype].bytes;
    for (uint32_t i = 0; i < a->n_extents; i++) n *= (size_t)a->extents[i].n;
    return !n || !memcmp(a->data, b->data, n);
}

static bool same_details(const ej_graph *g, const ej_node *a, const ej_graph *h, const ej_node *b)
{
    if (a->op != b->op || a->fn != b->fn || a->combine != b->combine || strcmp(a->name, b->name)) return false;
    if (a->op == EJ_OP_SCALAR) return same_literal(a, b);
    if (a->op == EJ_OP_INPUT || a->op == EJ_OP_CONSTANT || a->op == EJ_OP_CAST)
        if (a->dtype != b->dtype || a->rank != b->rank) return false;
    if (a->op == EJ_OP_REDUCE && (a->keepdim != b->keepdim || a->all_dims != b->all_dims)) return false;
    if (a->op == EJ_OP_LAYER_NORM && (!same_real(a->re, b->re) || a->integer != b->integer)) return false;
    if (a->op == EJ_OP_TENSORDOT && a->integer != b->integer) return false;
    if (a->n_dims != b->n_dims || (a->n_dims && memcmp(a->dims, b->dims, a->n_dims * sizeof *a->dims))) return false;
    if (a->op == EJ_OP_EINSUM && !same_equation(a->equation, b->equation)) return false;
    if (a->op == EJ_OP_CONSTANT && !same_data(a, b)) return false;
    return same_extents(g, a, h, b) && same_items(a, b);
}

/* b[] = the value of h for each of g, in step; literals may be elsewhere. */
static bool same_value(const ej_graph *g, ej_value v, const ej_graph *h, ej_value w, const ej_value *to)
{
    return to[v] == w || (to[v] < 0 && same_literal(&g->nodes[v], &h->nodes[w]));
}

static void check_same(const ej_graph *g, const ej_graph *h, const char *text)
{
    ej_arena arena;
    ej_arena_init(&arena, &ej_malloc_allocator);
    const uint32_t *uses_g = ej_graph_uses(g, &arena), *uses_h = ej_graph_uses(h, &arena);
    ej_value *to = EJ_NEW_ARRAY(&arena, ej_value, g->n_nodes + 1);
    size_t w = 0;
    for (size_t v = 0; v < g->n_nodes; v++) {
        to[v] = -1;
        if (is_inline(g, uses_g, v)) continue;
        while (w < h->n_nodes && is_inline(h, uses_h, w)) w++;
        if (w >= h->n_nodes) fail_msg("a node is missing: %s\n%s", g->nodes[v].name, text);
        const ej_node *a = &g->nodes[v], *b = &h->nodes[w];
        if (!same_details(g, a, h, b) || a->n_in != b->n_in) fail_msg("%s became %s in\n%s", a->name, b->name, text);
        for (uint32_t i = 0; i < a->n_in; i++)
            if (!same_value(g, a->in[i], h, b->in[i], to))
                fail_msg("operand %u of %s in\n%s", (unsigned)i, a->name, text);
        to[v] = (ej_value)w++;
    }
    while (w < h->n_nodes && is_inline(h, uses_h, w)) w++;
    assert_int_equal(w, h->n_nodes);
    assert_int_equal(g->n_inputs, h->n_inputs);
    assert_int_equal(g->n_outputs, h->n_outputs);
    for (size_t i = 0; i < g->n_inputs; i++) assert_int_equal(to[g->inputs[i]], h->inputs[i]);
    for (size_t i = 0; i < g->n_outputs; i++) assert_true(same_value(g, g->outputs[i], h, h->outputs[i], to));
    assert_string_equal(g->name, h->name);
    assert_int_equal(g->tuple_result, h->tuple_result);
    ej_arena_free(&arena);
}

/* print, parse, compare, print again. */
static void check_round_trip(const ej_graph *g)
{
    ej_arena arena;
    ej_text first, second;
    ej_graph h;
    einjit_error err;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&first, &arena);
    ej_text_init(&second, &arena);
    ej_graph_print(&first, g);
    assert_false(first.failed);
    if (ej_graph_parse(&h, &ej_malloc_allocator, first.data, first.length, &err))
        fail_msg("%d:%d %s\n%s", (int)err.line, (int)err.column, err.text, first.data);
    if (ej_graph_verify(&h, &err)) fail_msg("%s", err.text);
    check_same(g, &h, first.data);
    ej_graph_print(&second, &h);
    assert_string_equal(first.data, second.data);
    ej_graph_free(&h);
    ej_arena_free(&arena);
}

/* ---- random graphs ---- */

typedef struct generator {
    ej_graph g;
    uint64_t state;
    uint64_t *ops, *fns; /* how often each was made */
} generator;

static int below(generator *r, int n)
{
    return (int)(next_random(&r->state) % (uint64_t)n);
}

static void *room(generator *r, size_t n, size_t size)
{
    void *memory = ej_arena_new(&r->g.arena, n, size);
    assert_non_null(memory);
    return memory;
}

static int64_t any_int(generator *r)
{
    static const int64_t rare[] = {INT64_MAX, INT64_MIN, INT64_MIN + 1, 1000000};
    return below(r, 8) ? below(r, 9) - 4 : rare[below(r, 4)];
}

static double any_real(generator *r)
{
    static const double rare[] = {0.0, -0.0, 0.1, 1e300, -1e-310, 5e-324, 1e16, 123456789.125, 0.0001, 1e-5};
    double values[] = {(double)INFINITY, -(double)INFINITY, (double)NAN, below(r, 100) / 4.0 - 10};
    uint64_t bits = next_random(&r->state);
    double random;
    memcpy(&random, &bits, sizeof random);
    int kind = below(r, 4);
    return kind == 0 && !isnan(random) ? random
           : kind == 1                 ? rare[below(r, 10)]
                                       : values[below(r, 10) ? 3 : below(r, 3)];
}

static ej_number any_number(generator *r)
{
    ej_number n = {.kind = (uint8_t)below(r, 4)};
    if (n.kind == EJ_KIND_BOOL) n.integer = below(r, 2);
    if (n.kind == EJ_KIND_INT) n.integer = any_int(r);
    if (n.kind >= EJ_KIND_FLOAT) n.re = any_real(r);
    if (n.kind == EJ_KIND_COMPLEX) n.im = any_real(r);
    return n;
}

/* Also names that mean something elsewhere, and names that the reader would make up. */
static const char *any_name(generator *r)
{
    static const char *const words[] = {"exp",    "torch",    "f32",   "z",   "scalar_1", "mul_1",    "x_1",  "x",
                                        "nan",    "inf",      "float", "sum", "any",      "tensor_2", "def_", "_",
                                        "einsum", "scalar_3", "self",  "dim", "i",        "\xce\xb1"};
    const char *word = words[below(r, 22)];
    return below(r, 3) || ej_graph_find_value(&r->g, word, strlen(word)) >= 0 ? NULL : word;
}

static ej_value append(generator *r, ej_node *node)
{
    einjit_error err;
    ej_value v;
    node->name = any_name(r);
    r->ops[node->op]++;
    if (node->op == EJ_OP_MAP) r->fns[node->fn]++;
    if (ej_graph_append(&r->g, node, &v, &err)) fail_msg("%s", err.text);
    return v;
}

static void any_operands(generator *r, ej_node *node, uint32_t n)
{
    node->n_in = n;
    node->in = room(r, n, sizeof *node->in);
    for (uint32_t i = 0; i < n; i++) node->in[i] = below(r, (int)r->g.n_nodes);
}

static void any_dims(generator *r, ej_node *node, uint32_t n)
{
    node->n_dims = n;
    node->dims = room(r, n, sizeof *node->dims);
    for (uint32_t i = 0; i < n; i++) node->dims[i] = below(r, 20) ? below(r, 9) - 4 : any_int(r);
}

static ej_extent any_extent(generator *r, bool product, int unknown)
{
    ej_extent extent = {.n = below(r, 20) ? below(r, 9) : INT64_MAX};
    int kind = below(r, 10);
    if (kind < unknown) return (ej_extent){.n = EJ_EXTENT_UNKNOWN};
    if (kind < 5) return extent;
    if (!product) extent.n = 1;
    extent.n_symbols = product ? 1 + below(r, 3) : 1;
    extent.symbols = room(r, (size_t)extent.n_symbols, sizeof *extent.symbols);
    for (int32_t i = 0; i < extent.n_symbols; i++) extent.symbols[i] = below(r, (int)r->g.n_symbols);
    return extent;
}

static void any_shape(generator *r, ej_node *node)
{
    bool open = false;
    node->n_extents = (uint32_t)below(r, 4);
    node->extents = room(r, node->n_extents, sizeof *node->extents);
    for (uint32_t i = 0; i < node->n_extents; i++) {
        node->extents[i] = any_extent(r, true, node->op == EJ_OP_EXPAND || !open ? 2 : 0);
        open |= node->extents[i].n == EJ_EXTENT_UNKNOWN;
    }
}

static void add_input(generator *r, bool all_symbols)
{
    ej_node node = {.op = EJ_OP_INPUT, .dtype = (int16_t)(below(r, EINJIT_DTYPE_COUNT + 1) - 1)};
    node.rank = all_symbols ? (int32_t)r->g.n_symbols : below(r, 5) - 1;
    node.n_extents = node.rank < 0 ? 0 : (uint32_t)node.rank;
    node.extents = room(r, node.n_extents, sizeof *node.extents);
    for (uint32_t i = 0; i < node.n_extents; i++) node.extents[i] = any_extent(r, false, 2);
    for (uint32_t i = 0; all_symbols && i < node.n_extents; i++) {
        node.extents[i] = (ej_extent){.n = 1, .n_symbols = 1, .symbols = room(r, 1, sizeof(int32_t))};
        node.extents[i].symbols[0] = (int32_t)i;
    }
    append(r, &node);
}

static ej_value add_constant(generator *r)
{
    ej_node node = {.op = EJ_OP_CONSTANT, .dtype = (int16_t)below(r, EINJIT_DTYPE_COUNT), .rank = below(r, 4)};
    size_t n = 1;
    node.n_extents = (uint32_t)node.rank;
    node.extents = room(r, node.n_extents, sizeof *node.extents);
    for (uint32_t i = 0; i < node.n_extents; i++) {
        node.extents[i].n = below(r, 10) ? 1 + below(r, 6) : 0;
        n *= (size_t)node.extents[i].n;
    }
    node.data = room(r, n, 16);
    for (size_t i = 0; i < n;) {
        ej_number number = any_number(r);
        i += ej_element_store(node.dtype, (void *)(uintptr_t)node.data, i, &number);
    }
    return append(r, &node);
}

static void add_scalar(generator *r)
{
    ej_number number = any_number(r);
    ej_node node = {.op = EJ_OP_SCALAR, .fn = number.kind, .integer = number.integer, .re = number.re, .im = number.im};
    append(r, &node);
}

static void any_equation(generator *r, ej_node *node)
{
    char text[200];
    size_t n = 0;
    uint32_t terms = 1 + (uint32_t)below(r, 4);
    einjit_error err;
    bool dots = !below(r, 4);
    for (uint32_t t = 0; t < terms; t++) {
        if (t) text[n++] = ',';
        if (dots && below(r, 2)) n += (size_t)sprintf(text + n, "...");
        for (int k = below(r, 5); k > 0; k--)
            n += (size_t)sprintf(text + n, "%s", below(r, 9) ? "" : "\xce\xb2"),
                text[n++] = (char)((below(r, 2) ? 'a' : 'A') + below(r, 5));
    }
    node->equation = room(r, 1, sizeof *node->equation);
    if (below(r, 2)) n += (size_t)sprintf(text + n, "->");
    if (ej_equation_parse(node->equation, &r->g.arena, text, n, terms, &err)) fail_msg("%s", err.text);
    any_operands(r, node, terms);
    node->fn = (uint8_t)below(r, EINJIT_REDUCE_OR + 1);
    node->combine = (uint8_t)below(r, EINJIT_COMBINE_COUNT);
}

static void any_integer_equation(generator *r, ej_node *node)
{
    int32_t ranks[2] = {2, 3}, labels[5], out[1];
    einjit_error err;
    for (int i = 0; i < 5; i++) labels[i] = 7 * below(r, 100);
    out[0] = labels[0];
    node->equation = room(r, 1, sizeof *node->equation);
    if (ej_equation_from_labels(node->equation, &r->g.arena, 2, ranks, labels, 1, out, &err)) fail_msg("%s", err.text);
    any_operands(r, node, 2);
}

static void any_items(generator *r, ej_node *node)
{
    bool dots = false;
    node->n_items = (uint32_t)below(r, 4);
    node->items = room(r, node->n_items, sizeof *node->items);
    for (uint32_t i = 0; i < node->n_items; i++) {
        ej_index_item *item = &node->items[i];
        item->kind = (uint8_t)below(r, dots ? 3 : 4);
        dots |= item->kind == EJ_INDEX_ELLIPSIS;
        if (item->kind <= EJ_INDEX_AT) item->start = below(r, 2) || item->kind == EJ_INDEX_AT ? any_int(r) : INT64_MIN;
        if (item->kind == EJ_INDEX_RANGE) {
            item->stop = below(r, 2) ? any_int(r) : INT64_MAX;
            item->step = below(r, 2) ? 1 : 1 + below(r, 4);
        }
    }
}

static void any_range(generator *r, ej_node *node)
{
    node->n_items = 1;
    node->items = room(r, 1, sizeof *node->items);
    node->items[0] = (ej_index_item){EJ_INDEX_RANGE, below(r, 2) ? any_int(r) : INT64_MIN,
                                     below(r, 2) ? any_int(r) : INT64_MAX, below(r, 2) ? 1 : 1 + below(r, 4)};
}

static void any_layer_norm(generator *r, ej_node *node)
{
    node->integer = below(r, 4);
    any_operands(r, node, 1 + (uint32_t)(node->integer & 1) + (uint32_t)(node->integer >> 1));
    node->n_dims = 1;
    node->dims = room(r, 1, sizeof *node->dims);
    node->dims[0] = 1 + below(r, 3);
    node->re = fabs(any_real(r));
    if (isnan(node->re)) node->re = 0;
}

static void any_tensordot(generator *r, ej_node *node)
{
    any_operands(r, node, 2);
    node->integer = below(r, 2) ? below(r, 4) : -1;
    if (node->integer < 0) any_dims(r, node, 2 * (uint32_t)below(r, 4));
}

static void any_reduce(generator *r, ej_node *node)
{
    any_operands(r, node, 1);
    node->fn = (uint8_t)below(r, EINJIT_REDUCE_COUNT);
    node->keepdim = below(r, 2);
    node->all_dims = below(r, 2);
    if (!node->all_dims) any_dims(r, node, (uint32_t)below(r, 4));
}

static void any_choose(generator *r, ej_node *node)
{
    uint32_t guards = (uint32_t)below(r, 3);
    node->integer = 1 + below(r, 3);
    if (node->integer == 1) guards = 0;
    any_operands(r, node, (uint32_t)node->integer + 2 * guards);
    any_dims(r, node, 3 * guards);
    for (uint32_t g = 0; g < guards; g++) node->dims[3 * g] = 1 + below(r, (int)node->integer - 1);
}

/* Any other node; verify accepts it, whatever bind would say. */
static void add_node(generator *r)
{
    ej_node node = {.op = (uint8_t)(EJ_OP_EINSUM + below(r, EJ_OP_COUNT - EJ_OP_EINSUM)), .dtype = -1};
    switch (node.op) {
    case EJ_OP_EINSUM: below(r, 8) ? any_equation(r, &node) : any_integer_equation(r, &node); break;
    case EJ_OP_MAP:
        node.fn = (uint8_t)below(r, EJ_FN_COUNT);
        any_operands(r, &node, ej_fns[node.fn].arity);
        break;
    case EJ_OP_REDUCE: any_reduce(r, &node); break;
    case EJ_OP_LAYER_NORM: any_layer_norm(r, &node); break;
    case EJ_OP_TENSORDOT: any_tensordot(r, &node); break;
    case EJ_OP_STRUCTURAL:
        any_operands(r, &node, 1);
        node.in[0] = add_constant(r);
        break;
    case EJ_OP_CHOOSE: any_choose(r, &node); break;
    case EJ_OP_CAT:
    case EJ_OP_STACK: any_operands(r, &node, 1 + (uint32_t)below(r, 4)); break;
    case EJ_OP_INDEX_ADD_TO: any_operands(r, &node, 3); break;
    case EJ_OP_SPLIT_AS: any_operands(r, &node, 2 + (uint32_t)below(r, 3)); break;
    case EJ_OP_ARANGE: any_operands(r, &node, (uint32_t)below(r, 2)); break;
    case EJ_OP_GATHER_PLACES:
    case EJ_OP_SUM_TO_SIZE:
    case EJ_OP_EXPAND_AS:
    case EJ_OP_RESHAPE_AS:
    case EJ_OP_TYPE_AS:
    case EJ_OP_SLICE_SCATTER:
    case EJ_OP_MATMUL:
    case EJ_OP_INDEX_SELECT:
    case EJ_OP_INDEX_ADD: any_operands(r, &node, 2); break;
    default: any_operands(r, &node, 1);
    }
    if (node.op == EJ_OP_CAST) node.dtype = (int16_t)below(r, EINJIT_DTYPE_COUNT);
    if (node.op == EJ_OP_PERMUTE || node.op == EJ_OP_SQUEEZE) any_dims(r, &node, (uint32_t)below(r, 4));
    if (node.op == EJ_OP_TRANSPOSE || node.op == EJ_OP_FLATTEN) any_dims(r, &node, 2);
    if (node.op == EJ_OP_ARANGE) any_dims(r, &node, node.n_in);
    if (node.op == EJ_OP_GATHER_PLACES) any_dims(r, &node, 1);
    if (node.op == EJ_OP_SOFTMAX || node.op == EJ_OP_UNSQUEEZE || (node.op >= EJ_OP_CAT && node.op <= EJ_OP_INDEX_ADD))
        any_dims(r, &node, 1);
    if (node.op == EJ_OP_RESHAPE || node.op == EJ_OP_EXPAND) any_shape(r, &node);
    if (node.op == EJ_OP_SLICE) any_items(r, &node);
    if (node.op == EJ_OP_SLICE_SCATTER || node.op == EJ_OP_INDEX_ADD_TO) any_dims(r, &node, 1);
    if (node.op == EJ_OP_SLICE_SCATTER) any_range(r, &node);
    if (node.op == EJ_OP_SPLIT_AS) {
        any_dims(r, &node, 2);
        node.dims[1] = below(r, (int)node.n_in - 1);
    }
    if (node.op == EJ_OP_INDEX_ADD || (node.op == EJ_OP_ARANGE && !node.n_in)) {
        node.n_extents = 1;
        node.extents = room(r, 1, sizeof *node.extents);
        node.extents[0] = any_extent(r, true, 0);
    }
    append(r, &node);
}

static void make_graph(generator *r)
{
    static const char *const symbols[] = {"z", "edges", "x", "torch", "f32", "\xce\xbb"};
    einjit_error err;
    int32_t symbol;
    assert_int_equal(ej_graph_init(&r->g, &ej_malloc_allocator, &err), EINJIT_OK);
    for (int i = 0; i < 6; i++)
        assert_int_equal(ej_graph_symbol(&r->g, symbols[i], strlen(symbols[i]), &symbol, &err), EINJIT_OK);
    add_input(r, true);
    for (int i = below(r, 4); i > 0; i--) add_input(r, false);
    for (int i = below(r, 30); i > 0; i--) {
        int kind = below(r, 10);
        if (kind < 3) add_scalar(r);
        if (kind == 3) add_constant(r);
        if (kind > 3) add_node(r);
    }
    for (int i = below(r, 4); i > 0; i--)
        assert_int_equal(ej_graph_output(&r->g, below(r, (int)r->g.n_nodes), &err), EINJIT_OK);
    r->g.tuple_result = r->g.n_outputs == 1 && below(r, 2);
}

static void random_graphs_read_back_as_they_were(void **state)
{
    (void)state;
    uint64_t ops[EJ_OP_COUNT] = {0}, fns[EJ_FN_COUNT] = {0};
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        generator r = {.state = seed, .ops = ops, .fns = fns};
        einjit_error err;
        make_graph(&r);
        if (ej_graph_verify(&r.g, &err)) fail_msg("seed %d: %s", (int)seed, err.text);
        check_round_trip(&r.g);
        ej_graph_free(&r.g);
    }
    for (int i = 0; i < EJ_OP_COUNT; i++)
        if (!ops[i]) fail_msg("no %s was made", ej_op_name(i));
    for (int i = 0; i < EJ_FN_COUNT; i++)
        if (!fns[i]) fail_msg("no %s was made", ej_fns[i].name);
}

static void large_constants_keep_every_bit(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint64_t ops[EJ_OP_COUNT] = {0}, fns[EJ_FN_COUNT] = {0};
    generator r = {.state = 5, .ops = ops, .fns = fns};
    einjit_error err;
    assert_int_equal(ej_graph_init(&r.g, &ej_malloc_allocator, &err), EINJIT_OK);
    for (int dtype = 0; dtype < EINJIT_DTYPE_COUNT; dtype++) {
        ej_node node = {.op = EJ_OP_CONSTANT, .dtype = (int16_t)dtype, .rank = 3, .n_extents = 3};
        node.extents = room(&r, 3, sizeof *node.extents);
        node.extents[0].n = 5;
        node.extents[1].n = N / 15;
        node.extents[2].n = 3;
        unsigned char *data = room(&r, N, 16);
        for (size_t i = 0; i < N; i++) {
            uint64_t bits[2] = {next_random(&r.state), next_random(&r.state)};
            if (dtype == EINJIT_BOOL) bits[0] &= 1;
            memcpy(data + i * ej_dtypes[dtype].bytes, bits, ej_dtypes[dtype].bytes);
            ej_number number = ej_element_load(dtype, data, i); /* NaNs of one kind */
            if (isnan(number.re) || isnan(number.im)) number.re = number.im = 1;
            assert_true(ej_element_store(dtype, data, i, &number));
        }
        node.data = data;
        append(&r, &node);
    }
    check_round_trip(&r.g);
    ej_graph_free(&r.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_read_back_as_they_were),
        cmocka_unit_test(large_constants_keep_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
