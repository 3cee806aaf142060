/* bench_optimizer.c - seconds of the optimizer's passes over graphs of 100 to 100,000 einsums, and the growth exponent:
 * 1 is linear, measured between a size and the one before it.
 *
 * The graphs are built anew for every sample, outside of the measured time; the least of at least three samples counts.
 */
#include "bench_optimizer.h"

#include <jansson.h>
#include <math.h>
#include <regex.h>

#include "bench_forms.h"

enum { EXTENT = 4, MIN_SAMPLES = 3, MAX_SAMPLES = 25 };

typedef struct sample {
    double optimize_s, plan_s;
    size_t nodes_before, nodes_after;
} sample;

/* Everything from the graph as written to its plan: copy, passes, bind, decisions, paths, plan. */
static int measure_plan(einjit_context *context, const bench_form *form, int64_t n, double *seconds)
{
    static const int64_t shape[] = {EXTENT, EXTENT};
    einjit_error err;
    einjit_graph *graph;
    einjit_cost cost = {.struct_bytes = sizeof cost};
    if (einjit_graph_create(&graph, context, &err)) return tool_error(&err);
    int status = form->build(graph, n, &err);
    size_t n_in = einjit_graph_input_count(graph);
    einjit_tensor *in = tool_alloc((n_in + 1) * sizeof *in);
    for (size_t i = 0; i < n_in && !status; i++) {
        int dtype, rank;
        status = einjit_graph_input_type(graph, i, &dtype, &rank, NULL, NULL, 0, &err);
        in[i] = (einjit_tensor){NULL, dtype, rank, shape, NULL};
    }
    double begin = tool_seconds();
    if (!status) status = einjit_plan_cost(&cost, context, graph, n_in, in, NULL, &err);
    *seconds = tool_seconds() - begin;
    free(in);
    einjit_graph_destroy(graph);
    return status ? tool_error(&err) : TOOL_OK;
}

static int measure_once(einjit_context *context, const bench_form *form, int64_t n, const bench_growth *what,
                        sample *out)
{
    einjit_error err;
    einjit_graph *graph;
    if (einjit_graph_create(&graph, context, &err)) return tool_error(&err);
    int status = form->build(graph, n, &err);
    out->nodes_before = einjit_graph_node_count(graph);
    double begin = tool_seconds();
    if (!status) status = einjit_optimize(graph, what->passes, &err);
    out->optimize_s = tool_seconds() - begin;
    out->nodes_after = einjit_graph_node_count(graph);
    einjit_graph_destroy(graph);
    if (status) return tool_error(&err);
    return what->plan ? measure_plan(context, form, n, &out->plan_s) : TOOL_OK;
}

static int measure(einjit_context *context, const bench_form *form, int64_t n, const bench_growth *what, sample *least)
{
    double spent = 0;
    for (int i = 0; i < MAX_SAMPLES && (i < MIN_SAMPLES || spent < 0.2) && !tool_interrupted; i++) {
        sample s = {0};
        int status = measure_once(context, form, n, what, &s);
        if (status) return status;
        spent += s.optimize_s + s.plan_s;
        if (!i) *least = s;
        least->optimize_s = fmin(least->optimize_s, s.optimize_s);
        least->plan_s = fmin(least->plan_s, s.plan_s);
        if (spent > 5) break; /* one sample of this says enough */
    }
    return TOOL_OK;
}

static double exponent(double before, double now)
{
    return before > 0 && now > 0 ? log10(now / before) : NAN; /* sizes grow by factors of ten */
}

static void report(const bench_growth *what, json_t *list, const bench_form *form, int64_t n, const sample *s,
                   const sample *before)
{
    double growth = exponent(before->optimize_s, s->optimize_s), plan_growth = exponent(before->plan_s, s->plan_s);
    if (what->json) {
        json_t *row = json_object();
        json_object_set_new(row, "form", json_string(form->name));
        json_object_set_new(row, "einsums", json_integer(n));
        json_object_set_new(row, "nodes_before", json_integer((json_int_t)s->nodes_before));
        json_object_set_new(row, "nodes_after", json_integer((json_int_t)s->nodes_after));
        json_object_set_new(row, "optimize_s", json_real(s->optimize_s));
        json_object_set_new(row, "exponent", isnan(growth) ? json_null() : json_real(growth));
        json_object_set_new(row, "plan_s", what->plan ? json_real(s->plan_s) : json_null());
        json_object_set_new(row, "plan_exponent", isnan(plan_growth) ? json_null() : json_real(plan_growth));
        json_array_append_new(list, row);
        return;
    }
    printf("%-6s %8lld einsums %8zu -> %8zu nodes  %10.6f s", form->name, (long long)n, s->nodes_before, s->nodes_after,
           s->optimize_s);
    if (!isnan(growth)) printf("  exponent %5.2f", growth);
    if (what->plan) printf("  to the plan %10.6f s", s->plan_s);
    if (!isnan(plan_growth)) printf("  exponent %5.2f", plan_growth);
    putchar('\n');
    fflush(stdout);
}

static int run_form(einjit_context *context, const bench_form *form, const bench_growth *what, json_t *list)
{
    sample before = {0};
    for (int64_t n = 100; n <= what->largest; n *= 10) {
        sample s = {0};
        int status = measure(context, form, n, what, &s);
        if (status) return status;
        if (tool_interrupted)
            return tool_fail("E_INTERRUPTED", "stopped at '%s' of %lld einsums", form->name, (long long)n);
        report(what, list, form, n, &s, &before);
        before = s;
    }
    return TOOL_OK;
}

int bench_optimizer(const bench_growth *what)
{
    einjit_context *context;
    einjit_error err;
    regex_t only;
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .progress = tool_progress};
    if (regcomp(&only, what->only ? what->only : "", REG_EXTENDED | REG_NOSUB))
        return tool_usage("--only '%s' is not a regular expression", what->only);
    int status = einjit_context_create(&context, &options, &err) ? tool_error(&err) : TOOL_OK;
    json_t *list = json_array();
    bool ran = false;
    for (int f = 0; f < bench_n_forms && !status; f++) {
        if (regexec(&only, bench_forms[f].name, 0, NULL, 0)) continue;
        status = run_form(context, &bench_forms[f], what, list);
        ran = true;
    }
    if (!ran && !status) status = tool_usage("no form has a name that --only '%s' matches", what->only);
    if (what->json && status != TOOL_USAGE) {
        json_dumpf(list, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(list);
    regfree(&only);
    einjit_context_release(context);
    return status;
}
