/* fuzz_graph.c - a graph through everything that needs no sizes: text and back, gradients, every pass alone and all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

einjit_graph *fuzz_copy(einjit_context *context, const einjit_graph *graph)
{
    einjit_graph *copy;
    einjit_error err = {0};
    if (!fuzz_ok(einjit_graph_create(&copy, context, &err), &err, "an empty graph")) return NULL;
    ej_graph_free(&copy->graph);
    if (fuzz_ok(ej_graph_copy(&copy->graph, &graph->graph, &context->allocator, &err), &err, "a copy")) return copy;
    if (ej_graph_init(&copy->graph, &context->allocator, &err)) memset(&copy->graph, 0, sizeof copy->graph);
    einjit_graph_destroy(copy);
    return NULL;
}

/* ---- text ---- */

/* NULL: out of memory. */
static char *print(const einjit_graph *graph)
{
    einjit_error err = {0};
    size_t needed = 0;
    if (!fuzz_ok(einjit_graph_print(graph, NULL, 0, &needed, &err), &err, "print")) return NULL;
    char *text = malloc(needed + 1);
    if (text && fuzz_ok(einjit_graph_print(graph, text, needed + 1, NULL, &err), &err, "print")) return text;
    free(text);
    return NULL;
}

/* Builders take a name of an extent before there is an input that has it; text does not. */
static bool has_stray_extent(const ej_graph *graph)
{
    for (int32_t s = 0; s < (int32_t)graph->n_symbols; s++) {
        bool used = false, declared = false;
        for (size_t v = 0; v < graph->n_nodes; v++)
            for (uint32_t e = 0; e < graph->nodes[v].n_extents; e++)
                for (int32_t k = 0; k < graph->nodes[v].extents[e].n_symbols; k++) {
                    if (graph->nodes[v].extents[e].symbols[k] != s) continue;
                    used = true;
                    declared |= graph->nodes[v].op == EJ_OP_INPUT;
                }
        if (used && !declared) return true;
    }
    return false;
}

/* For who reads a finding. */
static void show(const einjit_graph *graph)
{
    char *text = print(graph);
    fprintf(stderr, "%s\n", text ? text : "");
    free(text);
}

/* print(parse(print(g))) is print(g), byte for byte. */
static void through_text(einjit_context *context, const einjit_graph *graph, const char *when)
{
    if (has_stray_extent(&graph->graph)) return;
    einjit_error err = {0};
    einjit_graph *again = NULL;
    char *text = print(graph), *second = NULL;
    int status = text ? einjit_graph_parse(&again, context, text, SIZE_MAX, &err) : EINJIT_E_NOMEM;
    if (status && status != EINJIT_E_NOMEM)
        fuzz_finding("%s: what was printed cannot be read: %s: %s\n%s", when, einjit_status_name(status), err.text,
                     text);
    if (!status) second = print(again);
    if (second && strcmp(text, second)) fuzz_finding("%s: printed again it differs:\n%s\n%s", when, text, second);
    einjit_graph_destroy(again);
    free(text);
    free(second);
}

/* ---- passes ---- */

/* Passes refuse nothing: memory is all that they may run out of. */
static void optimize(einjit_context *context, const einjit_graph *graph, const char *passes)
{
    einjit_error err = {0};
    einjit_graph *copy = fuzz_copy(context, graph);
    if (!copy) return;
    int status = einjit_optimize(copy, passes, &err);
    if (!fuzz_ok(status, &err, passes ? passes : "all passes") && status != EINJIT_E_NOMEM)
        fuzz_finding("%s: %s: %s", passes ? passes : "all passes", einjit_status_name(status), err.text);
    if (!fuzz_ok(einjit_graph_verify(copy, &err), &err, "verify")) fuzz_finding("%s", err.text);
    through_text(context, copy, passes ? passes : "all passes");
    einjit_graph_destroy(copy);
}

/* ---- gradients ---- */

static einjit_value seed_of(einjit_graph *graph, einjit_value y, const char *name)
{
    int64_t shape[FUZZ_AXES];
    einjit_error err = {0};
    einjit_value seed = -1;
    int rank = einjit_graph_rank(graph, y);
    for (int a = 0; a < FUZZ_AXES; a++) shape[a] = -1;
    if (rank && rank <= FUZZ_AXES) /* -1: as many axes as it is given */
        fuzz_ok(einjit_graph_input(&seed, graph, name, -1, rank, shape, NULL, &err), &err, "a seed");
    return seed;
}

/* Of one result by some inputs, as further results. False: there is none, and the graph is of no more use. */
static bool add_gradient(einjit_graph *graph, einjit_value y, const char *seed_name, fuzz_bytes *choices)
{
    enum { MOST = 4 };
    einjit_value wrt[MOST], out[MOST], seed = -1;
    einjit_error err = {0};
    size_t n = 0, n_in = einjit_graph_input_count(graph);
    for (size_t i = 0; i < n_in && n < MOST; i++)
        if (!fuzz_below(choices, 2)) wrt[n++] = einjit_graph_value(graph, einjit_graph_input_name(graph, i));
    if (!n) return false;
    seed = seed_of(graph, y, seed_name);
    if (!fuzz_ok(einjit_graph_gradient(out, graph, 1, &y, &seed, n, wrt, &err), &err, "gradient")) return false;
    for (size_t i = 0; i < n; i++)
        if (!fuzz_ok(einjit_graph_output(graph, out[i], &err), &err, "a gradient as result")) return false;
    return true;
}

/* NULL: none was asked for, or there is none. */
static einjit_graph *with_gradients(einjit_context *context, const einjit_graph *graph, fuzz_bytes *choices)
{
    unsigned times = fuzz_below(choices, 3);
    size_t n_out = einjit_graph_output_count(graph);
    einjit_graph *copy = times ? fuzz_copy(context, graph) : NULL;
    if (!copy) return NULL;
    einjit_value y = einjit_graph_output_value(copy, fuzz_below(choices, 8) % n_out);
    bool ok = add_gradient(copy, y, "grad", choices);
    if (ok && times == 2) ok = add_gradient(copy, einjit_graph_output_value(copy, n_out), "grad_2", choices);
    if (ok) return copy;
    einjit_graph_destroy(copy);
    return NULL;
}

/* ---- all of it ---- */

void fuzz_graph(einjit_context *context, const einjit_graph *graph, fuzz_bytes *choices)
{
    einjit_error err = {0};
    if (!einjit_graph_output_count(graph)) return;
    if (!fuzz_ok(einjit_graph_verify(graph, &err), &err, "verify")) fuzz_finding("%s", err.text);
    if (getenv("FUZZ_SHOW")) show(graph);
    through_text(context, graph, "as written");
    einjit_graph *more = with_gradients(context, graph, choices);
    const einjit_graph *whole = more ? more : graph;
    if (more) through_text(context, whole, "with gradients");
    for (size_t p = 0; p < ej_n_passes; p++) optimize(context, whole, ej_passes[p].name);
    optimize(context, whole, NULL);
    fuzz_run(context, whole, choices);
    einjit_graph_destroy(more);
}
