/* bench_forms.c - graphs of n einsums for einjit-bench --optimizer, built call by call as a program would be.
 *
 * chain   a vector through n matrices, a scalar behind each: everything merges into one product, and one factor
 * tree    products of pairs of matrices, of pairs of those, ...: one product of n + 1 operands
 * dag     each einsum over two of the last 50 values, with permutations, scalars and sums between: many users, many
 *         results
 * pairs   n / 2 sums of two einsums that share an operand: independent of each other
 */
#include "bench_forms.h"

typedef struct forms_random {
    uint64_t state;
} forms_random;

/* xorshift64*: the same graphs on every machine */
static uint64_t below(forms_random *r, uint64_t n)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (r->state * UINT64_C(2685821657736338717) >> 33) % n;
}

static einjit_value input(einjit_graph *g, int rank, einjit_error *err)
{
    static const char *const symbols[] = {"i", "i"};
    einjit_value v = -1;
    einjit_graph_input(&v, g, NULL, EINJIT_F32, rank, NULL, symbols, err);
    return v;
}

static einjit_value einsum(einjit_graph *g, const char *equation, einjit_value a, einjit_value b, einjit_error *err)
{
    einjit_value in[2] = {a, b}, v = -1;
    einjit_graph_einsum(&v, g, equation, 2, in, err);
    return v;
}

static einjit_value scaled(einjit_graph *g, einjit_value x, double by, einjit_error *err)
{
    einjit_value c = -1, v = -1;
    einjit_graph_float(&c, g, by, err);
    einjit_graph_mul(&v, g, x, c, err);
    return v;
}

static int chain(einjit_graph *g, int64_t n, einjit_error *err)
{
    einjit_value v = input(g, 1, err), matrices[4];
    for (int i = 0; i < 4; i++) matrices[i] = input(g, 2, err);
    for (int64_t i = 0; i < n; i++)
        v = scaled(g, einsum(g, "ij,j->i", matrices[i % 4], v, err), i % 2 ? 0.5 : 2.0, err);
    return einjit_graph_output(g, v, err);
}

static int tree(einjit_graph *g, int64_t n, einjit_error *err)
{
    einjit_value *level = tool_alloc(((size_t)n + 1) * sizeof *level);
    for (int64_t i = 0; i <= n; i++) level[i] = input(g, 2, err);
    for (int64_t wide = n + 1; wide > 1; wide = (wide + 1) / 2)
        for (int64_t i = 0; i < wide; i += 2)
            level[i / 2] = i + 1 < wide ? einsum(g, "ij,jk->ik", level[i], level[i + 1], err) : level[i];
    int status = einjit_graph_output(g, level[0], err);
    free(level);
    return status;
}

static int dag(einjit_graph *g, int64_t n, einjit_error *err)
{
    static const char *const equations[] = {"ij,jk->ik", "ij,kj->ki", "ij,ij->ij", "ij,jk->ki", "ji,jk->ik"};
    enum { WINDOW = 50 };
    einjit_value last[WINDOW];
    forms_random r = {88172645463325252u};
    for (int i = 0; i < WINDOW; i++) last[i] = input(g, 2, err);
    for (int64_t i = 0; i < n; i++) {
        einjit_value a = last[below(&r, WINDOW)], b = last[below(&r, WINDOW)];
        einjit_value v = einsum(g, equations[below(&r, 5)], a, b, err);
        uint64_t also = below(&r, 10);
        if (also < 3) v = scaled(g, v, 0.5 + (double)below(&r, 4), err);
        if (also == 3) einjit_graph_permute(&v, g, v, 2, (int64_t[]){1, 0}, err);
        if (also == 4) einjit_graph_add(&v, g, v, last[below(&r, WINDOW)], err);
        last[i % WINDOW] = v;
    }
    int status = EINJIT_OK;
    for (int i = 0; i < WINDOW && !status; i++) status = einjit_graph_output(g, last[i], err);
    return status;
}

static int pairs(einjit_graph *g, int64_t n, einjit_error *err)
{
    einjit_value shared[16];
    int status = EINJIT_OK;
    for (int i = 0; i < 16; i++) shared[i] = input(g, 2, err);
    for (int64_t i = 0; i < n / 2 && !status; i++) {
        einjit_value a = input(g, 2, err), b = input(g, 2, err), c = shared[i % 16], sum = -1;
        einjit_graph_add(&sum, g, einsum(g, "ij,jk->ik", a, c, err), einsum(g, "ij,jk->ik", b, c, err), err);
        status = einjit_graph_output(g, sum, err);
    }
    return status;
}

const bench_form bench_forms[] = {{"chain", chain}, {"tree", tree}, {"dag", dag}, {"pairs", pairs}};
const int bench_n_forms = sizeof bench_forms / sizeof *bench_forms;
