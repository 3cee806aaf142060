/* prop_ranks.c - programs whose terms, axes and operands disagree: nothing may be read that is not there.
 *
 * usage: prop_ranks [--count N] [--seed S] [--print]
 * Random programs in which a term is longer or shorter than its operand's rank, an ellipsis stands for less than
 * nothing, axes are out of range. Every pass alone, all of them, the gradient by every input, the passes over that,
 * shape inference and a run by the interpreter may each refuse it, with a reason that is not E_INTERNAL; what runs as
 * written runs after passes. What is read out of bounds the address sanitizer says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "einjit/einjit.h"
#include "gen.h"
#include "opt.h"

enum { MOST_TEXT = 4000, MOST_RANK = 5, MOST_VALUES = 16 };

typedef struct program {
    char text[MOST_TEXT];
    size_t length;
    int n_in, n_values;
    int rank[MOST_VALUES];   /* about the rank of the value; exact for inputs */
    bool index[MOST_VALUES]; /* an input of i64: indices */
} program;

typedef struct counts {
    long programs, refused, ran, lenient, gradients, no_gradients, failures;
} counts;

/* ---- text ---- */

static void say(program *p, const char *text)
{
    size_t n = strlen(text);
    if (p->length + n >= MOST_TEXT) abort();
    memcpy(p->text + p->length, text, n + 1);
    p->length += n;
}

static void say_number(program *p, long long n)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", n);
    say(p, text);
}

static void say_value(program *p, int v)
{
    say(p, v < p->n_in ? "x" : "v");
    say_number(p, v);
}

/* Any value but indices, so that more programs come through; the newest ones first. */
static int some_value(const program *p, gen_random *r)
{
    for (;;) {
        int v = gen_chance(r, 50) ? p->n_values - 1 - gen_below(r, p->n_values < 3 ? p->n_values : 3)
                                  : gen_below(r, p->n_values);
        if (!p->index[v] || gen_chance(r, 5)) return v;
    }
}

static int some_index(const program *p, gen_random *r)
{
    int v = gen_below(r, p->n_in);
    for (int i = 0; i < p->n_in && !p->index[v]; i++) v = (v + 1) % p->n_in;
    return v;
}

/* Mostly the rank that is expected. */
static int about(gen_random *r, int rank)
{
    int n = rank + (gen_chance(r, 20) ? gen_below(r, 7) - 3 : 0);
    return n < 0 ? 0 : n > MOST_RANK ? MOST_RANK : n;
}

static void say_dim(program *p, gen_random *r, int rank)
{
    int n = gen_chance(r, 90) && rank > 0 ? rank : 6;
    say_number(p, gen_below(r, 2 * n) - n);
}

static void say_dims(program *p, gen_random *r, int n, int rank)
{
    say(p, "(");
    for (int i = 0; i < n; i++) {
        say_dim(p, r, rank);
        say(p, ", ");
    }
    say(p, ")");
}

static void say_term(program *p, gen_random *r, int rank, bool dotted, bool *used)
{
    int n = about(r, rank), at = dotted ? gen_below(r, n + 1) : -1;
    int named = dotted && gen_chance(r, 50) ? n - gen_below(r, n + 1) : n;
    for (int i = 0; i <= n; i++) {
        if (i == at) say(p, "...");
        if (i == n || named-- <= 0) continue;
        int letter = gen_below(r, 6);
        used[letter] = true;
        say(p, (char[]){(char)('a' + letter), 0});
    }
}

/* ---- operations: each writes one expression ---- */

static int say_einsum(program *p, gen_random *r)
{
    int n = 1 + gen_below(r, 3), in[3], rank = 0;
    bool used[6] = {false}, dotted = gen_chance(r, 25);
    say(p, "einsum('");
    for (int t = 0; t < n; t++) {
        in[t] = some_value(p, r);
        if (t) say(p, ",");
        say_term(p, r, p->rank[in[t]], dotted && gen_chance(r, 70), used);
    }
    if (gen_chance(r, 80)) {
        say(p, "->");
        if (dotted && gen_chance(r, 70)) say(p, "...");
        for (int l = 0; l < 6; l++) {
            if (!used[l] || gen_chance(r, 40)) continue;
            say(p, (char[]){(char)('a' + l), 0});
            rank++;
        }
    }
    say(p, "'");
    for (int t = 0; t < n; t++) {
        say(p, ", ");
        say_value(p, in[t]);
    }
    if (gen_chance(r, 10)) say(p, gen_chance(r, 50) ? ", reduce='max'" : ", reduce='logsumexp'");
    say(p, ")");
    return rank;
}

static int say_pair(program *p, gen_random *r)
{
    static const char *const words[] = {"+", "*", "@", "-", "/"};
    int a = some_value(p, r), b = some_value(p, r);
    say_value(p, a);
    say(p, words[gen_below(r, 5)]);
    say_value(p, b);
    return p->rank[a] > p->rank[b] ? p->rank[a] : p->rank[b];
}

static int say_tensordot(program *p, gen_random *r)
{
    int a = some_value(p, r), b = some_value(p, r), n = gen_below(r, 3);
    say(p, "tensordot(");
    say_value(p, a);
    say(p, ", ");
    say_value(p, b);
    say(p, ", ");
    if (gen_chance(r, 50)) {
        say_number(p, n);
    } else {
        say(p, "(");
        say_dims(p, r, n, p->rank[a]);
        say(p, ", ");
        say_dims(p, r, n, p->rank[b]);
        say(p, ")");
    }
    say(p, ")");
    int rank = p->rank[a] + p->rank[b] - 2 * n;
    return rank < 0 ? 0 : rank;
}

static int say_sum(program *p, gen_random *r)
{
    static const char *const words[] = {"sum", "sum", "mean", "amax", "prod", "logsumexp"};
    int x = some_value(p, r), n = 1 + gen_below(r, 2);
    bool keep = gen_chance(r, 30);
    say(p, words[gen_below(r, 6)]);
    say(p, "(");
    say_value(p, x);
    say(p, ", dim=");
    say_dims(p, r, n, p->rank[x]);
    say(p, keep ? ", keepdim=True)" : ")");
    return keep || p->rank[x] < n ? p->rank[x] : p->rank[x] - n;
}

static int say_layout(program *p, gen_random *r)
{
    static const char *const words[] = {"transpose", "unsqueeze", "squeeze", "softmax", "permute", "reshape", "expand"};
    static const int n_dims[] = {2, 1, 1, 1};
    int x = some_value(p, r), rank = p->rank[x], which = gen_below(r, 7),
        n = which < 4 ? n_dims[which] : about(r, rank);
    say(p, words[which]);
    say(p, "(");
    say_value(p, x);
    if (which >= 4) {
        say(p, ", (");
        for (int i = 0; i < n; i++) {
            int dim = -1;
            if (which == 4) dim = gen_chance(r, 90) ? n - 1 - i : gen_below(r, 6);
            else if (which == 5 && i) dim = 1 + gen_below(r, 3);
            say_number(p, dim);
            say(p, ", ");
        }
        say(p, ")");
        rank = n;
    }
    for (int i = 0; i < n && which < 4; i++) {
        say(p, ", ");
        say_dim(p, r, rank);
    }
    say(p, ")");
    return which == 1 ? rank + 1 : which == 2 && rank ? rank - 1 : rank;
}

static int say_gather(program *p, gen_random *r)
{
    int x = some_value(p, r), index = some_index(p, r);
    bool adds = gen_chance(r, 40);
    if (adds) say(p, "index_add(4, ");
    else say(p, "index_select(");
    if (!adds) say_value(p, x);
    if (!adds) say(p, ", ");
    say_dim(p, r, p->rank[x]);
    say(p, ", ");
    say_value(p, index);
    if (adds) say(p, ", ");
    if (adds) say_value(p, x);
    say(p, ")");
    return p->rank[x];
}

static int say_slice(program *p, gen_random *r)
{
    static const char *const items[] = {":", ":", "None", "...", "0", "1:", "::-1"};
    int x = some_value(p, r), n = 1 + gen_below(r, 3);
    say_value(p, x);
    say(p, "[");
    for (int i = 0; i < n; i++) {
        say(p, items[gen_below(r, 7)]);
        say(p, ", ");
    }
    say(p, "]");
    return p->rank[x];
}

static int say_other(program *p, gen_random *r)
{
    static const char *const words[] = {"expand_as", "reshape_as", "sum_to_size", "cat", "stack", "diag_embed", "relu"};
    int which = gen_below(r, 7), a = some_value(p, r), b = some_value(p, r);
    say(p, words[which]);
    say(p, which == 3 || which == 4 ? "((" : "(");
    say_value(p, a);
    if (which < 5) say(p, ", ");
    if (which < 5) say_value(p, b);
    if (which == 2) say(p, ".shape");
    if (which == 3 || which == 4) {
        say(p, "), ");
        say_dim(p, r, p->rank[a]);
    }
    say(p, ")");
    return which < 3 ? p->rank[b] : which == 4 || which == 5 ? p->rank[a] + 1 : p->rank[a];
}

static int say_constant(program *p, gen_random *r)
{
    static const char *const constants[] = {"2.0", "tensor([1.0, 2.0])", "tensor([[1.0, 2.0], [3.0, 4.0]])"};
    int rank = gen_below(r, 3);
    say(p, constants[rank]);
    return rank;
}

static int say_operation(program *p, gen_random *r)
{
    switch (gen_below(r, 16)) {
    case 0:
    case 1: return say_pair(p, r);
    case 2: return say_tensordot(p, r);
    case 3: return say_sum(p, r);
    case 4:
    case 5: return say_layout(p, r);
    case 6:
    case 7: return say_gather(p, r);
    case 8: return say_slice(p, r);
    case 9: return say_other(p, r);
    case 10:
    case 11: return say_constant(p, r);
    default: return say_einsum(p, r);
    }
}

/* ---- a program ---- */

static void say_input(program *p, gen_random *r, int v)
{
    static const char *const names[] = {"2", "1", "3", "n", "m", "2"};
    p->index[v] = v == 0;
    p->rank[v] = v == 0 ? 1 : gen_below(r, 4);
    say(p, v ? ", " : "");
    say_value(p, v);
    say(p, p->index[v] ? ": i64" : ": f64");
    if (gen_chance(r, 15)) return; /* of any rank */
    say(p, p->rank[v] ? "[" : "[()");
    for (int i = 0; i < p->rank[v]; i++) {
        say(p, i ? ", " : "");
        say(p, p->index[v] ? "2" : names[gen_below(r, 6)]);
    }
    say(p, "]");
}

static void make(program *p, gen_random *r)
{
    int n = 1 + gen_below(r, 6);
    *p = (program){.n_in = 2 + gen_below(r, 3)};
    say(p, "def f(");
    for (int v = 0; v < p->n_in; v++) say_input(p, r, v);
    say(p, "):\n");
    p->n_values = p->n_in;
    for (int i = 0; i < n; i++) {
        say(p, "    ");
        say_value(p, p->n_values);
        say(p, " = ");
        int rank = say_operation(p, r);
        p->rank[p->n_values] = rank > MOST_RANK ? MOST_RANK : rank;
        say(p, "\n");
        p->n_values++;
    }
    say(p, "    return ");
    say_value(p, p->n_values - 1);
    if (gen_chance(r, 70)) say(p, ".sum()");
    say(p, "\n");
}

/* ---- what is done with it ---- */

typedef struct trial {
    const program *p;
    einjit_context *context;
    counts *counts;
    einjit_tensor in[MOST_VALUES];
    int64_t shapes[MOST_VALUES][MOST_RANK];
    int64_t indices[64];
    double numbers[64];
} trial;

static bool wrong(const trial *t, const char *what, const einjit_error *err)
{
    fprintf(stderr, "%s: %s: %s\n%s\n", what, einjit_status_name(err->code), err->text, t->p->text);
    t->counts->failures++;
    return false;
}

/* A refusal is fine, a fault of ours is not. */
static bool is_refusal(const trial *t, const char *what, int status, const einjit_error *err)
{
    return status != EINJIT_E_INTERNAL || wrong(t, what, err);
}

/* Without what no result needs, for passes drop that, and it may be wrong. NULL: not a program. */
static einjit_graph *parse(const trial *t)
{
    einjit_graph *graph = NULL;
    einjit_error err;
    if (einjit_graph_parse(&graph, t->context, t->p->text, t->p->length, &err)) return NULL;
    if (einjit_optimize(graph, "dce", &err)) wrong(t, "dce", &err);
    return graph;
}

/* Names have two elements or three, so that most shapes fit. */
static void give_inputs(trial *t, const einjit_graph *graph)
{
    for (int v = 0; v < t->p->n_in; v++) {
        int dtype, rank;
        einjit_error err;
        einjit_graph_input_type(graph, (size_t)v, &dtype, &rank, t->shapes[v], NULL, MOST_RANK, &err);
        if (rank < 0)
            for (int i = 0; i < t->p->rank[v]; i++) t->shapes[v][i] = 2;
        for (int i = 0; i < t->p->rank[v]; i++)
            if (t->shapes[v][i] < 0) t->shapes[v][i] = 2;
        void *data = t->p->index[v] ? (void *)t->indices : (void *)t->numbers;
        t->in[v] = (einjit_tensor){data, dtype, t->p->rank[v], t->shapes[v], NULL};
    }
}

/* Runs it by the interpreter, with results of the shapes that are inferred; 0, or why not. */
static int run(const trial *t, einjit_graph *graph, einjit_error *err)
{
    einjit_shapes *shapes;
    einjit_tensor out[MOST_VALUES];
    size_t n = einjit_graph_output_count(graph);
    int status = einjit_shapes_infer(&shapes, graph, (size_t)t->p->n_in, t->in, err);
    if (status) return status;
    for (size_t i = 0; i < n && !status; i++) {
        int dtype, rank;
        const int64_t *shape;
        status = einjit_shapes_output(shapes, i, &dtype, &rank, &shape, err);
        size_t elements = 1;
        for (int a = 0; a < rank && !status; a++) elements *= (size_t)shape[a];
        out[i] = (einjit_tensor){calloc(elements + 1, 16), dtype, rank, shape, NULL};
    }
    if (!status) status = einjit_call(t->context, graph, (size_t)t->p->n_in, t->in, n, out, err);
    for (size_t i = 0; i < n; i++) free((void *)out[i].data);
    einjit_shapes_destroy(shapes);
    return status;
}

/* A pass (NULL: all) over the program: what ran before still does. (What was refused may have gone.) */
static bool pass_is_safe(const trial *t, const char *pass, int as_written)
{
    einjit_error err;
    einjit_graph *graph = parse(t);
    int status = einjit_optimize(graph, pass, &err);
    bool good = !status || wrong(t, pass ? pass : "all passes", &err);
    if (good) {
        status = run(t, graph, &err);
        good = is_refusal(t, pass ? pass : "all passes", status, &err);
        t->counts->lenient += as_written && !status;
        if (good && !as_written && status) good = wrong(t, "refused after passes, but runs as written", &err);
    }
    einjit_graph_destroy(graph);
    return good;
}

/* The gradient by input v as one more result; NULL: refused. */
static einjit_graph *gradient_by(const trial *t, int v, bool *good)
{
    einjit_error err;
    einjit_graph *graph = parse(t);
    einjit_value y = einjit_graph_output_value(graph, 0), by = -1;
    einjit_value x = einjit_graph_value(graph, einjit_graph_input_name(graph, (size_t)v));
    int status = einjit_graph_gradient(&by, graph, 1, &y, NULL, 1, &x, &err);
    *good = is_refusal(t, "gradient", status, &err);
    if (!status && einjit_graph_output(graph, by, &err)) *good = wrong(t, "the gradient as a result", &err);
    if (!status && *good) return graph;
    einjit_graph_destroy(graph);
    return NULL;
}

static bool gradient_is_safe(const trial *t, int v)
{
    einjit_error err;
    bool good = true;
    for (int optimized = 0; optimized < 2 && good; optimized++) {
        einjit_graph *graph = gradient_by(t, v, &good);
        if (graph) t->counts->gradients++;
        else t->counts->no_gradients++;
        if (!graph) return good;
        if (optimized && einjit_optimize(graph, NULL, &err)) good = wrong(t, "passes over the gradient", &err);
        if (good) good = is_refusal(t, optimized ? "optimized gradient" : "gradient", run(t, graph, &err), &err);
        einjit_graph_destroy(graph);
    }
    return good;
}

static void try_program(trial *t)
{
    einjit_error err;
    einjit_graph *graph = parse(t);
    if (!graph) return;
    t->counts->programs++;
    give_inputs(t, graph);
    int as_written = run(t, graph, &err);
    bool good = is_refusal(t, "as written", as_written, &err);
    einjit_graph_destroy(graph);
    if (as_written) t->counts->refused++;
    else t->counts->ran++;
    for (size_t i = 0; i < ej_n_passes && good; i++) good = pass_is_safe(t, ej_passes[i].name, as_written);
    if (good) good = pass_is_safe(t, NULL, as_written);
    for (int v = 1; v < t->p->n_in && good; v++) good = gradient_is_safe(t, v);
}

int main(int argc, char **argv)
{
    long count = 3000;
    uint64_t seed = 1;
    bool prints = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--count") && i + 1 < argc) count = strtol(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc) seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--print")) prints = true;
        else return fprintf(stderr, "usage: prop_ranks [--count N] [--seed S] [--print]\n"), 2;
    }
    counts c = {0};
    static program p;
    einjit_error err;
    einjit_options options = {
        .struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_VERIFY, .cache_bytes = 1 << 20};
    trial t = {.p = &p, .counts = &c};
    if (einjit_context_create(&t.context, &options, &err)) return fprintf(stderr, "%s\n", err.text), 1;
    for (int i = 0; i < 64; i++) t.numbers[i] = i % 7 - 3, t.indices[i] = i % 2;
    for (uint64_t own = seed; own < seed + (uint64_t)count && c.failures < 10; own++) {
        gen_random r = {own};
        make(&p, &r);
        if (prints) printf("# seed %llu\n%s\n", (unsigned long long)own, p.text);
        long before = c.failures;
        try_program(&t);
        if (c.failures > before)
            fprintf(stderr, "repeat with: prop_ranks --count 1 --seed %llu\n\n", (unsigned long long)own);
    }
    printf("%ld programs: %ld ran, %ld refused (and %ld times not after a pass); %ld gradients, %ld refused; %ld "
           "failures\n",
           c.programs, c.ran, c.refused, c.lenient, c.gradients, c.no_gradients, c.failures);
    einjit_context_release(t.context);
    return c.failures || !c.ran || !c.refused || !c.gradients;
}
