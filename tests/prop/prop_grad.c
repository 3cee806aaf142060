/* prop_grad.c - gradients of random programs against central differences in double, and gradients of gradients.
 *
 * usage: prop_grad [--count N] [--second N] [--seed S] [--size K] [--verbose]
 * A program's last floating value y is made a number f = re(sum(y w)); along a random direction d of one input, f' must
 * be re(sum(conj(gradient) d)). Where differences of several steps do not agree there is a kink, a pole or too much
 * noise: such inputs are counted and left out. Second gradients: f is re(sum(gradient w)). Shapes are said in numbers,
 * in names, or not at all.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen.h"
#include "grad.h"
#include "judge.h"
#include "pipeline.h"
#include "target.h"

typedef struct arguments {
    long count, second;
    uint64_t seed;
    int size;
    bool verbose;
} arguments;

typedef struct counts {
    long programs, refused, undefined, inputs, rough, failures;
} counts;

enum { MAX_INPUTS = GEN_MAX_INPUTS + 3 };
#define STEP 1e-4

/* A program over dense copies of its inputs. */
typedef struct trial {
    gen_program p;
    gen_random r;
    ej_graph graph;
    size_t n_in;
    einjit_tensor in[MAX_INPUTS];
    int64_t shapes[MAX_INPUTS][ORACLE_RANK];
    ej_value wrt[MAX_INPUTS];            /* graph inputs that are differentiated by ... */
    size_t wrt_input[MAX_INPUTS], n_wrt; /* ... and which inputs they are */
    einjit_context *context;
    einjit_graph *handle;
    einjit_kernel *kernel;
    double f;
    einjit_tensor gradients[MAX_INPUTS];
    bool differentiable; /* there is a gradient: then there is one of it */
    einjit_error err;
} trial;

/* ---- inputs ---- */

static int64_t elements(const einjit_tensor *t)
{
    int64_t n = 1;
    for (int a = 0; a < t->rank; a++) n *= t->shape[a];
    return n;
}

static size_t bytes_of(const einjit_tensor *t)
{
    return (size_t)elements(t) * einjit_dtype_bytes(t->dtype);
}

/* f64 and c128 as doubles. */
static int64_t doubles(const einjit_tensor *t)
{
    return elements(t) * (t->dtype == EINJIT_C128 ? 2 : 1);
}

static bool is_number(const einjit_tensor *t)
{
    return t->dtype == EINJIT_F64 || t->dtype == EINJIT_C128;
}

static void store(einjit_tensor *t, int64_t i, oracle_element e)
{
    double *d = (double *)t->data;
    switch (t->dtype) {
    case EINJIT_F64: d[i] = (double)e.re; break;
    case EINJIT_C128: d[2 * i] = (double)e.re, d[2 * i + 1] = (double)e.im; break;
    case EINJIT_I32: ((int32_t *)t->data)[i] = (int32_t)e.i; break;
    case EINJIT_I64: ((int64_t *)t->data)[i] = e.i; break;
    default: ((uint8_t *)t->data)[i] = e.i != 0; break;
    }
}

static void add_tensor(trial *t, int dtype, int rank, const int64_t *shape)
{
    einjit_tensor *x = &t->in[t->n_in];
    memcpy(t->shapes[t->n_in], shape, (size_t)rank * sizeof *shape);
    *x = (einjit_tensor){NULL, dtype, rank, t->shapes[t->n_in], NULL};
    x->data = calloc(bytes_of(x) + 1, 1);
    t->n_in++;
}

static void copy_inputs(trial *t)
{
    for (size_t i = 0; i < t->p.n_in; i++) {
        const einjit_tensor *from = &t->p.in[i].view;
        add_tensor(t, from->dtype, from->rank, from->shape);
        for (int64_t e = 0; e < elements(from); e++) store(&t->in[i], e, oracle_read(from, e));
    }
}

/* What the program says of its inputs' shapes: numbers, a name for each number, or nothing. */
static bool say_shapes(trial *t, int how)
{
    for (size_t i = 0; i < t->graph.n_inputs; i++) {
        ej_node *node = &t->graph.nodes[t->graph.inputs[i]];
        for (uint32_t a = 0; a < node->n_extents && how; a++) {
            char name[32];
            int32_t *symbol = EJ_NEW(&t->graph.arena, int32_t);
            int n = snprintf(name, sizeof name, "n%lld", (long long)node->extents[a].n);
            if (how == 2) node->extents[a] = (ej_extent){.n = EJ_EXTENT_UNKNOWN};
            if (how == 2) continue;
            if (!symbol || ej_graph_symbol(&t->graph, name, (size_t)n, symbol, &t->err)) return false;
            node->extents[a] = (ej_extent){.n = 1, .n_symbols = 1, .symbols = symbol};
        }
    }
    return true;
}

/* ---- graphs ---- */

static ej_value add_node(trial *t, ej_node node, uint32_t n, const ej_value *in)
{
    ej_value out = -1;
    node.n_in = n;
    node.in = EJ_NEW_ARRAY(&t->graph.arena, ej_value, n);
    if (!node.in) return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (in[i] < 0) return -1;
        node.in[i] = in[i];
    }
    return ej_graph_append(&t->graph, &node, &out, &t->err) ? -1 : out;
}

static ej_value map2(trial *t, int fn, ej_value a, ej_value b)
{
    const ej_value in[2] = {a, b};
    return add_node(t, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn, .dtype = -1, .rank = -1}, 2, in);
}

static ej_value map1(trial *t, int fn, ej_value a)
{
    return add_node(t, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn, .dtype = -1, .rank = -1}, 1, &a);
}

static ej_value sum_all(trial *t, ej_value x)
{
    const ej_node node = {.op = EJ_OP_REDUCE, .fn = EINJIT_REDUCE_SUM, .all_dims = true, .dtype = -1, .rank = -1};
    return map1(t, EJ_FN_REAL, add_node(t, node, 1, &x));
}

/* A new input of random weights in the shape of a value. */
static ej_value add_weights(trial *t, int dtype, int rank, const int64_t *shape)
{
    ej_value v;
    if (t->n_in == MAX_INPUTS) return -1;
    add_tensor(t, dtype, rank, shape);
    einjit_tensor *w = &t->in[t->n_in - 1];
    for (int64_t i = 0; i < doubles(w); i++) ((double *)w->data)[i] = gen_below(&t->r, 2001) / 1000.0 - 1;
    ej_node node = {.op = EJ_OP_INPUT, .dtype = (int16_t)dtype, .rank = rank, .n_extents = (uint32_t)rank};
    node.extents = EJ_NEW_ARRAY(&t->graph.arena, ej_extent, (size_t)rank + 1);
    for (int a = 0; node.extents && a < rank; a++) node.extents[a] = (ej_extent){.n = shape[a]};
    return !node.extents || ej_graph_append(&t->graph, &node, &v, &t->err) ? -1 : v;
}

static bool differentiate(trial *t, ej_value f, ej_value seed, ej_value *out)
{
    ej_arena arena;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {
        .arena = &arena, .err = &t->err, .allocator = &ej_malloc_allocator, .target = ej_target_host(), .verify = true};
    int status = ej_graph_gradient(&t->graph, &job, 1, &f, &seed, t->n_wrt, t->wrt, out);
    if (!status) status = ej_graph_verify(&t->graph, &t->err);
    ej_arena_free(&arena);
    return !status;
}

/* The last value that is floating and not a literal. */
static ej_value last_number(const trial *t)
{
    ej_value y = (ej_value)t->p.graph.n_nodes - 1;
    while (y >= 0 && (t->p.all[y].dtype != EINJIT_F64 && t->p.all[y].dtype != EINJIT_C128)) y--;
    return y;
}

/* Results: f, then its gradients. */
static bool make_graph(trial *t, uint64_t seed, bool second)
{
    ej_value out[MAX_INPUTS], y = last_number(t), f, w;
    if (y < 0 || ej_graph_copy(&t->graph, &t->p.graph, &ej_malloc_allocator, &t->err)) return false;
    t->graph.n_outputs = 0;
    t->graph.tuple_result = true;
    if (!say_shapes(t, (int)(seed % 3))) return false;
    for (size_t i = 0; i < t->graph.n_inputs; i++)
        if (is_number(&t->in[i])) {
            t->wrt_input[t->n_wrt] = i;
            t->wrt[t->n_wrt++] = t->graph.inputs[i];
        }
    const oracle_value *value = &t->p.all[y];
    w = add_weights(t, value->dtype, value->rank, value->shape);
    f = sum_all(t, map2(t, EJ_FN_MUL, y, w));
    bool seeded = seed % 2;
    if (f < 0 || !differentiate(t, seeded ? y : f, seeded ? map1(t, EJ_FN_CONJ, w) : -1, out)) return false;
    t->differentiable = true;
    if (second) {
        size_t i = (size_t)gen_below(&t->r, (int)t->n_wrt);
        const einjit_tensor *x = &t->in[t->wrt_input[i]];
        w = add_weights(t, x->dtype, x->rank, x->shape);
        f = sum_all(t, map2(t, EJ_FN_MUL, out[i], w));
        if (f < 0 || !differentiate(t, f, -1, out)) return false;
    }
    bool ok = !ej_graph_output(&t->graph, f, &t->err);
    for (size_t i = 0; i < t->n_wrt && ok; i++) ok = !ej_graph_output(&t->graph, out[i], &t->err);
    return ok;
}

static bool hand_over(trial *t, bool through_text)
{
    if (through_text) {
        ej_arena arena;
        ej_text text;
        ej_arena_init(&arena, &ej_malloc_allocator);
        ej_text_init(&text, &arena);
        ej_graph_print(&text, &t->graph);
        int status = einjit_graph_parse(&t->handle, t->context, text.data, text.length, &t->err);
        ej_arena_free(&arena);
        return !status;
    }
    if (einjit_graph_create(&t->handle, t->context, &t->err)) return false;
    ej_graph_free(&t->handle->graph);
    return !ej_graph_copy(&t->handle->graph, &t->graph, &ej_malloc_allocator, &t->err);
}

/* ---- running ---- */

static bool compile(trial *t, bool optimize)
{
    einjit_compile_options options = {.struct_bytes = sizeof options,
                                      .flags = optimize ? 0 : EINJIT_OPTION_NO_OPTIMIZE};
    einjit_tensor out[1 + MAX_INPUTS] = {{NULL, EINJIT_F64, 0, NULL, NULL}};
    for (size_t i = 0; i < t->n_wrt; i++) {
        t->gradients[i] = t->in[t->wrt_input[i]];
        t->gradients[i].data = calloc(bytes_of(&t->gradients[i]) + 1, 1);
        out[1 + i] = t->gradients[i];
    }
    return !einjit_compile(&t->kernel, t->context, t->handle, t->n_in, t->in, 1 + t->n_wrt, out, &options, &t->err);
}

static double run(trial *t, bool keep)
{
    double f = NAN;
    einjit_tensor out[1 + MAX_INPUTS] = {{&f, EINJIT_F64, 0, NULL, NULL}};
    void *spare[MAX_INPUTS] = {0};
    for (size_t i = 0; i < t->n_wrt; i++) {
        out[1 + i] = t->gradients[i];
        if (!keep) out[1 + i].data = spare[i] = malloc(bytes_of(&out[1 + i]) + 1);
    }
    if (einjit_run(t->kernel, t->n_in, t->in, 1 + t->n_wrt, out, &t->err)) f = NAN;
    for (size_t i = 0; i < t->n_wrt; i++) free(spare[i]);
    return f;
}

/* f along the direction, `step` away. */
static double f_at(trial *t, size_t input, const double *at, const double *direction, double step)
{
    double *x = (double *)t->in[input].data;
    int64_t n = doubles(&t->in[input]);
    for (int64_t i = 0; i < n; i++) x[i] = at[i] + step * direction[i];
    double f = run(t, false);
    for (int64_t i = 0; i < n; i++) x[i] = at[i];
    return f;
}

enum { AGREES, ROUGH, DIFFERS };

/* Differences over h, h/2 and h/4 in both directions: smooth where halving the step halves what the sides differ by. */
static int judge(trial *t, size_t k, const double *at, const double *direction, double want, double scale)
{
    double side[3], slope[3], noise = 0, size = 0;
    for (int i = 0; i < 3; i++) {
        double h = STEP / (1 << i), up = f_at(t, t->wrt_input[k], at, direction, h),
               down = f_at(t, t->wrt_input[k], at, direction, -h);
        slope[i] = (up - down) / (2 * h);
        side[i] = (up - 2 * t->f + down) / h;
        size = fmax(size, fabs(up) + fabs(down) + fabs(t->f));
        noise = fmax(noise, 4e-16 * size / h);
    }
    double best = (4 * slope[2] - slope[1]) / 3, before = (4 * slope[1] - slope[0]) / 3;
    double tolerance = 1e-6 * (scale + fabs(best)) + 200 * noise + 1e-9;
    if (!isfinite(best) || !isfinite(want) || !isfinite(before)) return ROUGH;
    if (fabs(best - before) > tolerance || tolerance > 1e-2 * (scale + fabs(best)) + 1e-7) return ROUGH;
    if (scale * STEP > 100 * size + 1) return ROUGH;                                  /* one step is many waves */
    if (fabs(side[2] - side[1] / 2) > tolerance + 0.05 * fabs(side[1])) return ROUGH; /* a kink */
    if (fabs(want - best) <= 20 * tolerance) return AGREES;
    fprintf(stderr, "the gradient by input %zu says %.12g, differences say %.12g (before: %.12g)\n", t->wrt_input[k],
            want, best, before);
    return DIFFERS;
}

static int check_input(trial *t, size_t k)
{
    const einjit_tensor *x = &t->in[t->wrt_input[k]];
    int64_t n = doubles(x);
    double *at = malloc((size_t)n * sizeof *at + 1), *direction = malloc((size_t)n * sizeof *at + 1);
    const double *gradient = t->gradients[k].data;
    double want = 0, scale = 0;
    if (!at || !direction) return ROUGH;
    for (int64_t i = 0; i < n; i++) {
        at[i] = ((double *)x->data)[i];
        direction[i] = gen_below(&t->r, 2001) / 1000.0 - 1;
        want += gradient[i] * direction[i];
        scale += fabs(gradient[i] * direction[i]);
    }
    int verdict = judge(t, k, at, direction, want, scale);
    free(at);
    free(direction);
    return verdict;
}

/* ---- programs ---- */

static void print_program(const trial *t)
{
    judge_print(stderr, &t->graph);
    for (size_t i = 0; i < t->n_in; i++) {
        fprintf(stderr, "# input %zu: %s (", i, einjit_dtype_name(t->in[i].dtype));
        for (int a = 0; a < t->in[i].rank; a++) fprintf(stderr, "%lld, ", (long long)t->in[i].shape[a]);
        fprintf(stderr, ")\n");
    }
}

static void finish(trial *t)
{
    einjit_kernel_release(t->kernel);
    einjit_graph_destroy(t->handle);
    for (size_t i = 0; i < t->n_in; i++) free((void *)t->in[i].data);
    for (size_t i = 0; i < t->n_wrt; i++) free((void *)t->gradients[i].data);
    if (t->graph.nodes) ej_graph_free(&t->graph);
    gen_program_free(&t->p);
}

/* What a gradient may refuse: bool and integers in between, ranks that depend on extents. */
static bool may_refuse(const einjit_error *err)
{
    return err->code == EINJIT_E_UNSUPPORTED || err->code == EINJIT_E_RANK || err->code == EINJIT_E_DTYPE;
}

static bool check_program(trial *t, uint64_t seed, bool second, counts *tally)
{
    copy_inputs(t);
    if (!make_graph(t, seed, second)) {
        tally->refused++;
        return last_number(t) < 0 || (!t->differentiable && may_refuse(&t->err));
    }
    if (!hand_over(t, seed % 4 == 1) || !compile(t, seed % 5 < 3)) return false;
    t->f = run(t, true);
    tally->undefined += !isfinite(t->f);
    for (size_t k = 0; k < t->n_wrt && isfinite(t->f); k++) {
        int verdict = check_input(t, k);
        tally->inputs++;
        tally->rough += verdict == ROUGH;
        if (verdict == DIFFERS) return false;
    }
    return true;
}

static void one_program(einjit_context *context, const arguments *a, uint64_t seed, bool second, counts *tally)
{
    trial *t = calloc(1, sizeof *t);
    if (!t) return;
    t->r.state = seed ^ 0x9E3779B9u;
    t->context = context;
    int size = 1 + (int)(seed * 2654435761u >> 7) % a->size;
    if (gen_program_of(&t->p, GEN_DIFFERENTIABLE, seed, size < 1 ? 1 : size, NULL)) {
        tally->programs++;
        bool ok = check_program(t, seed, second, tally);
        if (!ok) {
            tally->failures++;
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, t->err.text);
            print_program(t);
            fprintf(stderr, "repeat with: prop_grad --count %d --second %d --seed %llu --size %d\n\n", !second, second,
                    (unsigned long long)seed, a->size);
        }
        finish(t);
    }
    free(t);
}

static void report(const char *what, const counts *t)
{
    printf("%s: %ld programs, %ld refused, %ld not finite; %ld inputs, %ld of them rough; %ld failed\n", what,
           t->programs, t->refused, t->undefined, t->inputs, t->rough, t->failures);
}

static bool read_arguments(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--verbose")) a->verbose = true;
        else if (!strcmp(argv[i], "--count")) a->count = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--second")) a->second = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--seed")) a->seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--size")) a->size = (int)strtol(value, NULL, 10), i++;
        else return false;
    }
    return a->size > 0;
}

int main(int argc, char **argv)
{
    arguments a = {.count = 2000, .second = 400, .seed = 1, .size = 6};
    einjit_options options = {
        .struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_VERIFY, .cache_bytes = 4 << 20};
    einjit_context *context = NULL;
    counts first = {0}, second = {0};
    if (!read_arguments(&a, argc, argv)) {
        fprintf(stderr, "usage: prop_grad [--count N] [--second N] [--seed S] [--size K] [--verbose]\n");
        return 2;
    }
    if (einjit_context_create(&context, &options, NULL)) return 1;
    for (long i = 0; i < a.count; i++) one_program(context, &a, a.seed + (uint64_t)i, false, &first);
    for (long i = 0; i < a.second; i++) one_program(context, &a, a.seed + (uint64_t)i, true, &second);
    einjit_context_release(context);
    report("gradients", &first);
    report("gradients of gradients", &second);
    bool enough = first.inputs - first.rough >= a.count / 3 && second.inputs - second.rough >= a.second / 3;
    if (a.count >= 100 && !enough) printf("too few inputs were judged\n");
    return first.failures || second.failures || (a.count >= 100 && !enough);
}
