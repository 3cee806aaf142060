/* strict_trial.c - programs over real numbers, run some way, compared by their bits. */
#include "strict_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen_written.h"
#include "pipeline.h"

/* ---- elements ---- */

static int64_t count_of(const einjit_tensor *t)
{
    int64_t n = 1;
    for (int a = 0; a < t->rank; a++) n *= t->shape[a];
    return n;
}

static unsigned char *element(const einjit_tensor *t, int64_t index)
{
    int64_t at = 0;
    for (int a = t->rank - 1; a >= 0; a--) {
        at += index % t->shape[a] * t->strides[a];
        index /= t->shape[a];
    }
    return (unsigned char *)t->data + at * (int64_t)einjit_dtype_bytes(t->dtype);
}

/* Numbers with all bits of a significand, over a few powers of two; one in thirty is a zero of either sign. */
static double any_real(gen_random *r)
{
    double x = ((double)(gen_next(r) >> 11) * 0x1p-53 - 0.5) * 4;
    if (gen_chance(r, 3)) return gen_chance(r, 50) ? 0.0 : -0.0;
    return ldexp(x, gen_below(r, 9) - 4);
}

static void put_real(int dtype, unsigned char *at, gen_random *r)
{
    double d[2] = {any_real(r), any_real(r)};
    float f[2] = {(float)d[0], (float)d[1]};
    switch (dtype) {
    case EINJIT_F32: memcpy(at, f, 4); break;
    case EINJIT_F64: memcpy(at, d, 8); break;
    case EINJIT_C64: memcpy(at, f, 8); break;
    case EINJIT_C128: memcpy(at, d, 16); break;
    default: break;
    }
}

/* ---- programs ---- */

static void fill_constant(ej_node *node, gen_random *r)
{
    int64_t n = 1;
    if (node->op != EJ_OP_CONSTANT || !node->data) return;
    for (uint32_t a = 0; a < node->n_extents; a++) n *= node->extents[a].n;
    unsigned char *data = (unsigned char *)(uintptr_t)node->data; /* the graph's own copy */
    for (int64_t i = 0; i < n; i++) put_real(node->dtype, data + i * (int64_t)einjit_dtype_bytes(node->dtype), r);
}

static void fill(gen_program *p, uint64_t seed)
{
    gen_random r = {seed ^ 0x2545F4914F6CDD1Du};
    for (size_t i = 0; i < p->n_in; i++)
        for (int64_t k = count_of(&p->in[i].view); k-- > 0 && !p->index_below[i];)
            put_real(p->in[i].view.dtype, element(&p->in[i].view, k), &r);
    for (size_t v = 0; v < p->graph.n_nodes; v++) fill_constant(&p->graph.nodes[v], &r);
}

bool strict_program_make(gen_program *out, uint64_t seed, int size)
{
    static const int kinds[] = {GEN_ANY, GEN_EINSUM, GEN_EINSUM, GEN_CHAIN};
    char text[5000];
    int own_size = 1 + (int)((seed * 2654435761u >> 7) % (uint64_t)size);
    bool made = seed % 5 == 4 ? gen_written_make(out, (int)(seed / 5 % GEN_WRITTEN_FAMILIES), seed, text, sizeof text)
                              : gen_program_of(out, kinds[seed % 5], seed, own_size, NULL);
    if (made) fill(out, seed);
    return made;
}

/* Inputs are small, and of rank 2 and dtype f32 unless the text says so with numbers. */
static const char *const rare[] = {
    /* long sums, in every layout */
    "def f(a: f32[3, 200], b: f32[200, 5], c: f32[200]):\n"
    "    return einsum(\"ij,jk,j->ik\", a, b, c), einsum(\"ij,j->i\", a, c), sum(a, 1), einsum(\"j,j->\", c, c)\n",
    "def f(a: f64[17, 40], b: f64[40, 17], c: f64[17, 9]):\n"
    "    return einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"ij,ji->\", a, b), sum(a), amax(a * 0.0, 1), prod(b, 0)\n",
    "def f(a: c64[33, 20], b: c64[20, 33]):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"ij,ji->\", a, b), sum(a, "
    "0)\n",
    /* a sum over what was broadcast and what was not there */
    "def f(a: f32[7, 6, 5], b: f32[6, 1]):\n    return a.sum_to_size(b.shape)\n",
    /* equal einsums whose operands are exchanged */
    "def f(a: c128[6, 20], b: c128[20, 7]):\n    return einsum(\"ij,jk->ik\", a, b), einsum(\"jk,ij->ik\", b, a)\n",
    "def f(a: f32[6, 9, 5], b: f32[5, 9, 7]):\n    return einsum(\"ijk,kjl->il\", a, b), einsum(\"kjl,ijk->li\", b, "
    "a)\n",
    "def f(a: c64[6, 20], b: c64[20, 7], c: c64[7, 4]):\n"
    "    return einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"jk,ij,kl->il\", b, a, c)\n",
    /* symmetric products */
    "def f(x: c64[128, 48]):\n    return einsum(\"ik,jk->ij\", x, x)\n",
    "def f(x: f32[129, 49]):\n    return einsum(\"ik,jk->ij\", x, x)\n",
    /* causal softmax before a product */
    "def f(x: f32[40, 40], v: f32[40, 5]):\n"
    "    y = where(arange(40)[:, None] >= arange(40)[None, :], x, float(\"-inf\"))\n    e = exp(y - amax(y, -1, "
    "True))\n"
    "    return (e @ v) / sum(e, -1, True)\n",
    /* what shares its memory with a sum; products that are added up */
    "def f(a: f32[6, 9], b: f32[9, 7], c: f32[6, 7], u: f32[6], v: f32[7]):\n"
    "    return exp(c) + 0.3 * einsum(\"ij,jk->ik\", a, b), c * c - einsum(\"i,k->ik\", u, v), sum(c * c, 0), sum(a * "
    "a)\n",
    "def f(a: f32[6, 9], b: f32[9, 7], d: f32[6, 9]):\n"
    "    return einsum(\"ij,jk->ik\", a, b) + einsum(\",ij,jk->ik\", 0.3, d, b)\n",
    "def f(a: f32[6, 9], b: f32[6, 9]):\n    t = a * b\n    return sum(t, 0), sum(a * b, 1), sum(b * a)\n",
    /* a way that is dearer, another that is cheaper */
    "def f(a: f32[9, 8], b: f32[8, 9], c: f32[9, 1]):\n"
    "    return choose(einsum(\"ij,jk,kl->il\", a, b, c), einsum(\"ij,jl->il\", a, einsum(\"jk,kl->jl\", b, c)))\n",
    "def f(a: f32[6, 9], b: f32[9, 6], c: f32[6, 9], d: f32[9, 2]):\n"
    "    t = einsum(\"ij,jk->ik\", a, b)\n    return einsum(\"ik,kj,jl->il\", t, c, d), einsum(\"ik,jk->ij\", t, b)\n",
    /* of large numbers one power of 1 in 250 is off by a bit */
    "def f(a: f64[4000], b: f64[4000]):\n    return (a * 3e150) ** 1.0, a / 3.0 * b / 7.0, (a - b) * (a - b) + 0.1\n",
    "def f(a: f32[5, 3], b: f32[3, 9], v: f32[9]):\n    t = einsum(\"ij,jk->ik\", a, b)\n    return "
    "einsum(\"ik,k->i\", t, v)\n",
};

int strict_rare_count(void)
{
    return (int)(sizeof rare / sizeof *rare);
}

bool strict_program_rare(gen_program *out, int which, uint64_t seed)
{
    gen_random r = {seed};
    einjit_error err;
    memset(out, 0, sizeof *out);
    if (ej_graph_parse(&out->graph, &ej_malloc_allocator, rare[which], strlen(rare[which]), &err)) {
        fprintf(stderr, "%s%s\n", rare[which], err.text);
        exit(1);
    }
    for (size_t i = 0; i < out->graph.n_inputs; i++) {
        const ej_node *input = &out->graph.nodes[out->graph.inputs[i]];
        int64_t shape[ORACLE_RANK];
        for (int a = 0; a < input->rank; a++) shape[a] = input->extents[a].n;
        if (!gen_tensor_make(&out->in[i], &r, input->dtype, input->rank, shape, GEN_ROW_MAJOR)) exit(1);
        out->n_in++;
    }
    fill(out, seed);
    return true;
}

/* ---- running ---- */

static int any_layout(gen_random *r)
{
    int kind = gen_below(r, GEN_STRIDE_KINDS);
    return kind == GEN_ZERO ? GEN_PERMUTED : kind; /* elements must be apart */
}

/* The same elements under other strides. */
static void lay_out(gen_tensor *out, const einjit_tensor *from, gen_random *r)
{
    if (!gen_tensor_make(out, r, from->dtype, from->rank, from->shape, any_layout(r))) exit(1);
    size_t bytes = einjit_dtype_bytes(from->dtype);
    for (int64_t i = count_of(from); i-- > 0;) memcpy(element(&out->view, i), element(from, i), bytes);
}

static int make_outputs(strict_result *out, einjit_graph *graph, size_t n_in, const einjit_tensor *in, uint64_t layout)
{
    gen_random r = {layout + 1};
    einjit_shapes *shapes;
    int status = einjit_shapes_infer(&shapes, graph, n_in, in, &out->err);
    if (status) return status;
    out->n_out = einjit_shapes_output_count(shapes);
    out->out = calloc(out->n_out + 1, sizeof *out->out);
    for (size_t o = 0; o < out->n_out; o++) {
        int dtype, rank;
        const int64_t *shape;
        if (!out->out || einjit_shapes_output(shapes, o, &dtype, &rank, &shape, &out->err) ||
            !gen_tensor_make(&out->out[o], &r, dtype, rank, shape, layout ? any_layout(&r) : GEN_ROW_MAJOR))
            exit(1);
    }
    einjit_shapes_destroy(shapes);
    return EINJIT_OK;
}

static int compute(strict_result *out, einjit_graph *graph, size_t n_in, const einjit_tensor *in, const strict_way *way)
{
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = way->flags, .path = way->path};
    einjit_kernel *kernel = NULL;
    int status = make_outputs(out, graph, n_in, in, way->layout);
    einjit_tensor *results = calloc(out->n_out + 1, sizeof *results);
    if (!results) exit(1);
    for (size_t o = 0; o < out->n_out; o++) results[o] = out->out[o].view;
    if (!status)
        status = einjit_compile(&kernel, way->context, graph, n_in, in, out->n_out, results, &options, &out->err);
    if (!status) status = einjit_run(kernel, n_in, in, out->n_out, results, &out->err);
    einjit_kernel_release(kernel);
    free(results);
    return status;
}

void strict_run(strict_result *out, const gen_program *p, const ej_graph *graph, const strict_way *way)
{
    gen_tensor moved[GEN_MAX_INPUTS] = {0};
    einjit_tensor in[GEN_MAX_INPUTS];
    einjit_graph *own;
    gen_random r = {way->layout};
    memset(out, 0, sizeof *out);
    if (einjit_graph_create(&own, way->context, &out->err)) exit(1);
    ej_graph_free(&own->graph);
    if (ej_graph_copy(&own->graph, graph, &ej_malloc_allocator, &out->err)) exit(1);
    for (size_t i = 0; i < p->n_in; i++) {
        if (way->layout) lay_out(&moved[i], &p->in[i].view, &r);
        in[i] = way->layout ? moved[i].view : p->in[i].view;
    }
    out->status = compute(out, own, p->n_in, in, way);
    for (size_t i = 0; i < p->n_in && way->layout; i++) gen_tensor_free(&moved[i]);
    einjit_graph_destroy(own);
}

void strict_result_free(strict_result *r)
{
    for (size_t o = 0; o < r->n_out; o++) gen_tensor_free(&r->out[o]);
    free(r->out);
    *r = (strict_result){0};
}

/* ---- comparing ---- */

static bool is_nan(const unsigned char *at, size_t bytes)
{
    double d = 0;
    float f = 0;
    if (bytes == 4) memcpy(&f, at, 4);
    else memcpy(&d, at, 8);
    return isnan(f) || isnan(d);
}

static bool same_part(const unsigned char *a, const unsigned char *b, size_t bytes)
{
    return !memcmp(a, b, bytes) || (is_nan(a, bytes) && is_nan(b, bytes));
}

static bool same_element(int dtype, const unsigned char *a, const unsigned char *b)
{
    size_t bytes = einjit_dtype_bytes(dtype);
    switch (dtype) {
    case EINJIT_F32:
    case EINJIT_F64: return same_part(a, b, bytes);
    case EINJIT_C64:
    case EINJIT_C128: return same_part(a, b, bytes / 2) && same_part(a + bytes / 2, b + bytes / 2, bytes / 2);
    default: return !memcmp(a, b, bytes);
    }
}

static void print_bytes(char *out, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) snprintf(out + 2 * i, 3, "%02x", bytes[n - 1 - i]);
}

bool strict_same(const strict_result *a, const strict_result *b, char *why, size_t n_why)
{
    if (a->status != b->status) {
        snprintf(why, n_why, "%s, and %s: %.200s", einjit_status_name(a->status), einjit_status_name(b->status),
                 a->status ? a->err.text : b->err.text);
        return false;
    }
    for (size_t o = 0; !a->status && o < a->n_out; o++) {
        const einjit_tensor *x = &a->out[o].view, *y = &b->out[o].view;
        for (int64_t i = 0; i < count_of(x); i++) {
            char left[40], right[40];
            if (same_element(x->dtype, element(x, i), element(y, i))) continue;
            print_bytes(left, element(x, i), einjit_dtype_bytes(x->dtype));
            print_bytes(right, element(y, i), einjit_dtype_bytes(x->dtype));
            snprintf(why, n_why, "result %zu, element %lld: %s and %s (%s)", o, (long long)i, left, right,
                     einjit_dtype_name(x->dtype));
            return false;
        }
    }
    return true;
}
