/* test_opt_fuse_match.c - random trees of einsums merge (form by form: tests/passes/fuse.cases). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"
#include "oracle.h"

/* ---- random trees: the same results, exactly ---- */

static uint64_t random_state;

static int below(int n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int)((random_state >> 33) % (uint64_t)n);
}

enum { MAX_RANK = 5, MAX_IN = 6, MAX_ELEMS = 243 };
typedef struct tensor_memory {
    einjit_tensor view;
    int64_t shape[MAX_RANK];
    double data[MAX_ELEMS];
} tensor_memory;
typedef struct shape_note {
    int rank;
    int64_t extent[MAX_RANK];
} shape_note;

static const int dtypes[] = {EINJIT_F64, EINJIT_F64, EINJIT_F64, EINJIT_I32, EINJIT_I64, EINJIT_BOOL, EINJIT_F32};

/* Elements that wrap in i32 products, and small ones for floats, whose sums are then exact. */
static void random_input(tensor_memory *t, bool one_dtype)
{
    int64_t n = 1;
    t->view = (einjit_tensor){t->data, one_dtype ? EINJIT_F64 : dtypes[below(7)], below(4), t->shape, NULL};
    for (int i = 0; i < t->view.rank; i++) n *= t->shape[i] = below(4) ? 2 + (below(6) == 0) : 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t small = below(7) - 3, large = (int64_t)below(2) * 1500000007 + small;
        switch (t->view.dtype) {
        case EINJIT_F64: t->data[k] = (double)small; break;
        case EINJIT_F32: ((float *)(void *)t->data)[k] = (float)small; break;
        case EINJIT_I32: ((int32_t *)(void *)t->data)[k] = (int32_t)large; break;
        case EINJIT_I64: ((int64_t *)(void *)t->data)[k] = large; break;
        default: ((unsigned char *)t->data)[k] = (unsigned char)(small > 0); break;
        }
    }
}

static void append(char *text, char letter)
{
    size_t n = strlen(text);
    text[n] = letter;
    text[n + 1] = 0;
}

/* A term for a value of that rank: letters a .. c, now and then an ellipsis for some of its axes. */
static void random_term(char *text, const shape_note *shape)
{
    int from = shape->rank, to = shape->rank;
    if (below(3) == 0) {
        from = below(shape->rank + 1);
        to = from + below(shape->rank - from + 1);
    }
    bool ellipsis = from < shape->rank || below(6) == 0;
    for (int i = 0; i <= shape->rank; i++) {
        if (i == from && ellipsis) {
            strcat(text, "...");
            i = to;
        }
        if (i < shape->rank) append(text, "abcd"[below(4)]);
    }
}

static void random_output(char *text, const char *terms)
{
    if (strstr(terms, "...") && below(3)) strcat(text, "...");
    for (const char *c = "dcab"; *c; c++)
        if (strchr(terms, *c) && below(2)) append(text, *c);
}

/* The shape of the result; false where the einsum is not valid. */
static bool infer(shape_note *out, const char *equation, int n, const shape_note *in, ej_arena *arena)
{
    ej_equation e;
    ej_subscripts s;
    int32_t ranks[3];
    for (int t = 0; t < n; t++) ranks[t] = in[t].rank;
    if (ej_equation_parse(&e, arena, equation, strlen(equation), (size_t)n, NULL)) return false;
    if (ej_equation_resolve(&s, arena, &e, ranks, NULL)) return false;
    int64_t *extent = EJ_NEW_ARRAY(arena, int64_t, s.n_labels), *own = EJ_NEW_ARRAY(arena, int64_t, s.n_labels);
    for (uint32_t l = 0; l < s.n_labels; l++) extent[l] = 1;
    for (int t = 0; t < n; t++) {
        for (uint32_t l = 0; l < s.n_labels; l++) own[l] = 0;
        for (int i = 0; i < in[t].rank; i++) {
            int32_t l = s.terms[t].labels[i];
            int64_t m = in[t].extent[i];
            if ((own[l] && own[l] != m) || (m != 1 && extent[l] != 1 && extent[l] != m)) return false;
            own[l] = m;
            if (m != 1) extent[l] = m;
        }
    }
    if (s.out.n > MAX_RANK) return false;
    out->rank = (int)s.out.n;
    for (uint32_t i = 0; i < s.out.n; i++) out->extent[i] = extent[s.out.labels[i]];
    return true;
}

typedef struct random_program {
    graph_fixture f;
    tensor_memory in[MAX_IN];
    einjit_tensor views[MAX_IN];
} random_program;

/* Inputs, then einsums over whatever is there, mostly over the newest. */
static void make_program(random_program *p, bool one_dtype)
{
    shape_note shapes[MAX_IN + 8];
    int n_values = 2 + below(MAX_IN - 2), n_inputs = n_values;
    graph_open(&p->f);
    for (int i = 0; i < n_inputs; i++) {
        random_input(&p->in[i], one_dtype);
        p->views[i] = p->in[i].view;
        graph_input(&p->f, p->in[i].view.dtype, p->in[i].view.rank);
        shapes[i].rank = p->in[i].view.rank;
        memcpy(shapes[i].extent, p->in[i].shape, sizeof shapes[i].extent);
    }
    for (int tries = 0; tries < 60 && n_values < n_inputs + 2 + below(5); tries++) {
        char terms[64] = "", equation[80];
        int n = 1 + below(3);
        ej_value in[3];
        shape_note operands[3];
        for (int t = 0; t < n; t++) {
            in[t] = t == 0 && n_values > n_inputs ? n_values - 1 : below(n_values);
            operands[t] = shapes[in[t]];
            if (t) strcat(terms, ",");
            random_term(terms, &operands[t]);
        }
        strcat(strcpy(equation, terms), "->");
        random_output(equation, terms);
        if (!infer(&shapes[n_values], equation, n, operands, &p->f.arena)) continue;
        n_values = graph_einsum_n(&p->f, equation, (size_t)n, in) + 1;
    }
    graph_output(&p->f, n_values - 1);
}

static bool same_result(const oracle_result *a, const oracle_result *b)
{
    const oracle_value *x = &a->values[0], *y = &b->values[0];
    if (x->dtype != y->dtype || x->rank != y->rank || x->n != y->n) return false;
    if (memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape)) return false;
    bool whole = x->dtype >= 0 && ej_dtypes[x->dtype].kind <= EJ_KIND_INT;
    for (int64_t k = 0; k < x->n; k++) {
        long double gap = x->e[k].re - y->e[k].re;
        if (whole ? x->e[k].i != y->e[k].i : !(gap <= x->e[k].err + y->e[k].err && -gap <= x->e[k].err + y->e[k].err))
            return false;
    }
    return true;
}

static void print_program(random_program *p)
{
    for (size_t v = 0; v < p->f.graph.n_nodes; v++) {
        const ej_node *node = &p->f.graph.nodes[v];
        ej_text text;
        ej_text_init(&text, &p->f.arena);
        if (node->equation) ej_equation_print(&text, node->equation);
        for (uint32_t i = 0; i < node->n_in; i++) ej_print(&text, " %d", (int)node->in[i]);
        if (!node->equation) ej_print(&text, "input %s", einjit_dtype_name(node->dtype));
        for (int i = 0; !node->equation && i < p->views[v].rank; i++) ej_print(&text, " %d", (int)p->views[v].shape[i]);
        print_message("%zu: %s\n", v, text.data);
    }
}

/* Gives how many einsums were merged. */
static size_t check_program(uint64_t seed, bool one_dtype)
{
    static random_program p;
    oracle_result before, after;
    random_state = seed;
    make_program(&p, one_dtype);
    bool meaning = oracle_run(&before, &p.f.graph, p.views, 1e6);
    graph_optimize(&p.f, "dce");
    size_t n = graph_count(&p.f, EJ_OP_EINSUM);
    if (meaning) {
        graph_optimize(&p.f, "fuse");
        bool still = oracle_run(&after, &p.f.graph, p.views, 1e9);
        if (!still || !same_result(&before, &after)) {
            print_program(&p);
            fail_msg("seed %llu%s: %s", (unsigned long long)seed, one_dtype ? " f64" : "",
                     still ? "another result" : after.reason);
        }
        oracle_free(&after);
    }
    oracle_free(&before);
    n -= graph_count(&p.f, EJ_OP_EINSUM);
    graph_close(&p.f);
    return n;
}

static void random_trees_compute_the_same_when_merged(void **state)
{
    (void)state;
    size_t merged = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) merged += check_program(seed, true);
    assert_true(merged > 1500);
}

static void random_trees_of_all_dtypes_compute_the_same_when_merged(void **state)
{
    (void)state;
    size_t merged = 0;
    for (uint64_t seed = 100001; seed <= 103000; seed++) merged += check_program(seed, false);
    assert_true(merged > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_trees_compute_the_same_when_merged),
        cmocka_unit_test(random_trees_of_all_dtypes_compute_the_same_when_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
