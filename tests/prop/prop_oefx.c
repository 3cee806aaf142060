/* prop_oefx.c - the graphs of opt_einsum_fx's tests and of its bugs: right results, and no more operations than its own
 * optimizer's graphs have.
 *
 * usage: prop_oefx [--lines] [--programs] [--backend llvm|interp|both]
 * Each graph of shared/data/oefx_graphs.json becomes a program, is compiled with all passes and run. Operations are
 * what einjit_plan_cost counts: of ours optimized, and of the peer's optimized graph as it is written. Where the peer
 * has none, or its is wrong, the graph as it was before counts. --lines: a line a graph; --programs: the programs'
 * text.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_module.h"
#include "conformance.h"
#include "einjit/einjit.h"
#include "fx_import.h"

enum { MAX_INPUTS = 8, MAX_RANK = 8 };

typedef struct checker {
    einjit_context *contexts[2];
    int n_contexts;
    bool lines, programs;
    long passed, failed, more;
} checker;

typedef struct fx_case {
    const char *name;
    const json_t *shapes, *data, *result;
    size_t n_in;
    einjit_tensor in[MAX_INPUTS], out;
    int64_t shape[MAX_INPUTS + 1][MAX_RANK];
    double *blocks[MAX_INPUTS + 1];
    size_t n_result;
    ej_arena arena; /* of the texts */
    char why[700];
} fx_case;

/* ---- tensors ---- */

static double number(const json_t *x)
{
    const char *text = json_string_value(x);
    return text ? strtod(text, NULL) : json_number_value(x);
}

static bool tensor_of(fx_case *c, size_t i, einjit_tensor *out, const json_t *shape, const json_t *data, size_t *n)
{
    size_t rank = json_array_size(shape);
    *n = 1;
    if (rank > MAX_RANK) return false;
    for (size_t a = 0; a < rank; a++) {
        c->shape[i][a] = json_integer_value(json_array_get(shape, a));
        *n *= (size_t)c->shape[i][a];
    }
    c->blocks[i] = calloc(*n + 1, sizeof(double));
    for (size_t e = 0; c->blocks[i] && e < *n && data; e++) c->blocks[i][e] = number(json_array_get(data, e));
    *out = (einjit_tensor){c->blocks[i], EINJIT_F64, (int32_t)rank, c->shape[i], NULL};
    return c->blocks[i] && (!data || json_array_size(data) == *n);
}

static bool open_case(fx_case *c, const json_t *item)
{
    *c = (fx_case){.name = json_string_value(json_object_get(item, "name")),
                   .shapes = json_object_get(item, "inputs"),
                   .data = json_object_get(item, "input_data"),
                   .result = json_object_get(item, "result")};
    ej_arena_init(&c->arena, &ej_malloc_allocator);
    c->n_in = json_array_size(c->shapes);
    size_t n;
    bool ok = c->name && c->n_in <= MAX_INPUTS;
    for (size_t i = 0; ok && i < c->n_in; i++)
        ok = tensor_of(c, i, &c->in[i], json_array_get(c->shapes, i), json_array_get(c->data, i), &n);
    ok = ok && tensor_of(c, MAX_INPUTS, &c->out, json_object_get(item, "result_shape"), NULL, &c->n_result);
    if (!ok) snprintf(c->why, sizeof c->why, "the case cannot be read");
    return ok && json_array_size(c->result) == c->n_result;
}

static void close_case(fx_case *c)
{
    for (size_t i = 0; i <= MAX_INPUTS; i++) free(c->blocks[i]);
    ej_arena_free(&c->arena);
}

/* ---- programs ---- */

static bool program_of(fx_case *c, const json_t *nodes, einjit_context *context, bool print, einjit_graph **out)
{
    einjit_error err;
    ej_text text;
    ej_text_init(&text, &c->arena);
    if (!fx_import(&text, nodes, c->shapes, c->why, sizeof c->why)) return false;
    if (print) printf("# %s\n%s\n", c->name, text.data);
    if (!einjit_graph_parse(out, context, text.data, text.length, &err)) return true;
    snprintf(c->why, sizeof c->why, "%s: %s", einjit_status_name(err.code), err.text);
    return false;
}

static bool close_enough(fx_case *c)
{
    double largest = 0;
    for (size_t e = 0; e < c->n_result; e++) {
        double want = number(json_array_get(c->result, e));
        if (isfinite(want)) largest = fmax(largest, fabs(want));
    }
    for (size_t e = 0; e < c->n_result; e++) {
        double want = number(json_array_get(c->result, e)), got = c->blocks[MAX_INPUTS][e];
        if (want == got || fabs(want - got) <= 1e-12 * largest) continue;
        snprintf(c->why, sizeof c->why, "element %zu is %.17g, not %.17g", e, got, want);
        return false;
    }
    return true;
}

static bool runs_right(fx_case *c, const json_t *nodes, einjit_context *context)
{
    einjit_error err;
    einjit_graph *graph = NULL;
    if (!program_of(c, nodes, context, false, &graph)) return false;
    for (size_t e = 0; e < c->n_result; e++) c->blocks[MAX_INPUTS][e] = NAN;
    bool ran = !einjit_call(context, graph, c->n_in, c->in, 1, &c->out, &err);
    einjit_graph_destroy(graph);
    if (!ran) snprintf(c->why, sizeof c->why, "%s: %s", einjit_status_name(err.code), err.text);
    return ran && close_enough(c);
}

static bool count(fx_case *c, const json_t *nodes, einjit_context *context, bool print, int flags, double *operations)
{
    einjit_error err;
    einjit_graph *graph = NULL;
    einjit_cost cost = {.struct_bytes = sizeof cost};
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = flags};
    if (!program_of(c, nodes, context, print, &graph)) return false;
    bool ok = !einjit_plan_cost(&cost, context, graph, c->n_in, c->in, &options, &err);
    einjit_graph_destroy(graph);
    if (ok) *operations = cost.planned_operations;
    else snprintf(c->why, sizeof c->why, "%s: %s", einjit_status_name(err.code), err.text);
    return ok;
}

/* ---- cases ---- */

static void check_case(checker *k, const json_t *item)
{
    fx_case c;
    const json_t *graph = json_object_get(item, "graph"), *peers = json_object_get(item, "after_full");
    bool peer = json_is_array(peers) && json_is_true(json_object_get(item, "full_correct"));
    double ours = 0, theirs = 0;
    bool ok = open_case(&c, item);
    for (int i = 0; ok && i < k->n_contexts; i++) ok = runs_right(&c, graph, k->contexts[i]);
    ok = ok && count(&c, graph, k->contexts[0], k->programs, 0, &ours) &&
         count(&c, peer ? peers : graph, k->contexts[0], k->programs, EINJIT_OPTION_NO_OPTIMIZE, &theirs);
    bool more = ok && ours > theirs;
    k->passed += ok;
    k->failed += !ok;
    k->more += more;
    if (k->lines || !ok || more)
        printf("%-20s %-5s ours %6.0f  %s %6.0f %s %s\n", c.name ? c.name : "?", ok ? "right" : "FAIL", ours,
               peer ? "peer's    " : "as written", theirs, more ? "MORE" : "", c.why);
    close_case(&c);
}

static bool open_contexts(checker *k, const char *backend)
{
    static const char *const names[] = {"interp", "llvm"};
    for (int i = 0; i < 2; i++) {
        einjit_options options = {.struct_bytes = sizeof options, .backend = names[i], .flags = EINJIT_OPTION_VERIFY};
        if ((i && !has_code_generator()) || (strcmp(backend, "both") && strcmp(backend, names[i]))) continue;
        if (einjit_context_create(&k->contexts[k->n_contexts], &options, NULL)) return false;
        k->n_contexts++;
    }
    return k->n_contexts > 0;
}

int main(int argc, char **argv)
{
    checker k = {0};
    char path[1024];
    const char *backend = "both";
    json_error_t error;
    use_built_module();
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--lines")) k.lines = true;
        else if (!strcmp(argv[i], "--programs")) k.programs = true;
        else if (!strcmp(argv[i], "--backend") && i + 1 < argc) backend = argv[++i];
        else return 2;
    }
    if (!shared_file("data/oefx_graphs.json", path, sizeof path)) {
        puts("the shared graphs are not here: nothing to check\n0 passed, 0 failed, 1 skipped");
        return 77; /* skipped */
    }
    json_t *file = fx_load(path, &error), *item;
    if (!file || !open_contexts(&k, backend)) {
        fprintf(stderr, "%s: %s (line %d)\n", path, file ? "no context" : error.text, error.line);
        return 1;
    }
    size_t i;
    json_array_foreach (json_object_get(file, "cases"), i, item) check_case(&k, item);
    json_decref(file);
    for (int c = 0; c < k.n_contexts; c++) einjit_context_release(k.contexts[c]);
    printf("%ld passed, %ld failed; %ld have more operations than the peer's\n", k.passed, k.failed, k.more);
    return k.failed || !k.passed || k.more;
}
