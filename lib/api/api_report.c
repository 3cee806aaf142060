/* api_report.c - einjit_report_*: the passes, run and reported.
 *
 * Takes  a graph that may be optimized, example tensors or none.
 * Gives  an object of its own memory: it outlives the graph.
 */
#include "api.h"
#include "pipeline_report.h"

struct einjit_report {
    einjit_context *context; /* held: the memory is its allocator's */
    ej_arena arena;
    ej_report report;
};

static int run(einjit_report *report, einjit_graph *graph, const char *passes, size_t n_in, const einjit_tensor *in,
               int32_t flags, ej_job *job)
{
    ej_report *r = &report->report;
    EJ_TRY(ej_report_begin(r, &graph->graph, n_in, in, flags & EINJIT_REPORT_PROGRAMS, &report->arena, job));
    EJ_TRY(ej_opt_run(&graph->graph, passes, job));
    return ej_report_end(r, &graph->graph, false, job);
}

static int create(einjit_report **out, einjit_context *context, einjit_error *err)
{
    einjit_report *report = ej_alloc(&context->allocator, sizeof *report);
    if (!report) return ej_no_memory(err);
    ej_context_retain(context);
    report->context = context;
    ej_arena_init(&report->arena, &context->allocator);
    *out = report;
    return EINJIT_OK;
}

int einjit_optimize_report(einjit_report **out, einjit_graph *graph, const char *passes, size_t n_in,
                           const einjit_tensor *in, int32_t flags, einjit_error *err)
{
    einjit_report *report = NULL;
    if (!out || (n_in && !in))
        return ej_fail(err, EINJIT_E_INVALID, "no %s given", out ? "inputs" : "place for the report");
    EJ_TRY(ej_check_flags(flags, EINJIT_REPORT_PROGRAMS | EINJIT_REPORT_TIMES, "report", err));
    EJ_TRY(ej_optimize_check(graph, err));
    for (size_t i = 0; i < n_in; i++) EJ_TRY(ej_tensor_check(&in[i], "input", i, err));
    einjit_context *context = graph->context;
    EJ_TRY(create(&report, context, err));
    ej_arena scratch;
    ej_arena_init(&scratch, &context->allocator);
    ej_job job = ej_optimize_job(graph, &scratch, err);
    int status = run(report, graph, passes, n_in, in, flags, &job);
    ej_arena_free(&scratch);
    if (status == EINJIT_OK) *out = report;
    else einjit_report_destroy(report);
    return status;
}

size_t einjit_report_count(const einjit_report *report)
{
    return report ? report->report.n_passes : 0;
}

/* Behind the passes comes the total; NULL: there is no i. */
static const ej_report_pass *pass_at(const einjit_report *report, size_t i)
{
    size_t n = einjit_report_count(report);
    if (!report || i > n) return NULL;
    return i < n ? &report->report.passes[i] : &report->report.total;
}

int einjit_report_pass(const einjit_report *report, size_t i, einjit_pass_report *out, einjit_error *err)
{
    if (!report) return ej_fail(err, EINJIT_E_INVALID, "no report given");
    const ej_report_pass *pass = pass_at(report, i);
    if (!pass) return ej_fail(err, EINJIT_E_VALUE, "pass %zu of %zu", i, einjit_report_count(report));
    return ej_write_struct(out, &pass->shown, sizeof pass->shown, "report of a pass", err);
}

const char *einjit_report_rule(const einjit_report *report, size_t i, size_t rule, uint64_t *fired)
{
    const ej_report_pass *pass = pass_at(report, i);
    if (!pass || rule >= pass->shown.n_rules) return NULL;
    if (fired) *fired = pass->rules[rule].fired;
    return pass->rules[rule].name;
}

int einjit_report_print(const einjit_report *report, int32_t flags, char *buffer, size_t capacity, size_t *needed,
                        einjit_error *err)
{
    if (!report) return ej_fail(err, EINJIT_E_INVALID, "no report given");
    if (!buffer && capacity) return ej_fail(err, EINJIT_E_INVALID, "buffer is NULL");
    EJ_TRY(ej_check_flags(flags, EINJIT_REPORT_PROGRAMS | EINJIT_REPORT_TIMES, "report", err));
    ej_arena scratch;
    ej_text text;
    ej_arena_init(&scratch, &report->context->allocator);
    ej_text_init(&text, &scratch);
    ej_report_print(&text, &report->report, flags & EINJIT_REPORT_TIMES);
    int status = ej_text_hand_over(&text, buffer, capacity, needed, err);
    ej_arena_free(&scratch);
    return status;
}

void einjit_report_destroy(einjit_report *report)
{
    if (!report) return;
    einjit_context *context = report->context;
    ej_arena_free(&report->arena);
    ej_release(&context->allocator, report, sizeof *report);
    einjit_context_release(context);
}
