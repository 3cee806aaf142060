/* pipeline_report.c - what each pass of one run did.
 *
 * Takes  a run of passes, watched; example tensors, or none.
 * Gives  per pass: changes, rules, nodes, time; and what the plan of the program costs before and after it, as if
 *        optimization stopped there: contraction paths are searched, nothing else is decided by sizes (choose.h), which
 *        would hide what a pass gains. What those decisions gain comes last, in the total.
 * Keeps  the effort bounded: a pass that changed nothing costs nothing, every other one a bind and a plan; programs of
 *        many nodes get greedy paths, because searching better ones takes up to a millisecond an einsum.
 * Not here: what counts as an operation (cost_node.c, plan_cost.c).
 */
#include "pipeline_report.h"

#include <stdio.h>
#include <string.h>

#include "base_time.h"
#include "choose.h"

enum { MANY_NODES = 1000 };

/* ---- counting ---- */

/* A path in a file fits the program after all passes only. */
static const char *path_strategy(const ej_graph *graph, const ej_job *job)
{
    if (graph->n_nodes > MANY_NODES) return "greedy";
    return job->path_strategy && !ej_path_is_given(job->path_strategy) ? job->path_strategy : NULL;
}

static int plan_cost(ej_count *out, const ej_report *report, const ej_graph *graph, bool as_written, ej_job *job)
{
    ej_bound bound, chosen;
    ej_plan plan;
    EJ_TRY(ej_bind(&bound, graph, report->n_in, report->in, 0, NULL, NULL, job));
    EJ_TRY(ej_choose(&chosen, &bound, as_written, job));
    EJ_TRY(ej_plan_build(&plan, &chosen, job));
    *out = (ej_count){plan.planned_operations, plan.bytes_moved};
    return EINJIT_OK;
}

static int measure(ej_count *out, const ej_report *report, const ej_graph *graph, bool as_written, const ej_job *job)
{
    ej_arena arena;
    *out = (ej_count){-1, -1};
    if (!report->counted) return EINJIT_OK;
    ej_arena_init(&arena, job->allocator);
    ej_job own = {.arena = &arena,
                  .err = job->err,
                  .allocator = job->allocator,
                  .target = job->target,
                  .path_strategy = path_strategy(graph, job),
                  .strict = job->strict,
                  .ordered = job->ordered};
    int status = plan_cost(out, report, graph, as_written, &own);
    ej_arena_free(&arena);
    return status;
}

static int keep_program(const char **out, const ej_report *report, const ej_graph *graph, ej_job *job)
{
    ej_text text;
    if (!report->programs) return EINJIT_OK;
    ej_text_init(&text, report->arena);
    ej_graph_print(&text, graph);
    if (text.failed) return ej_no_memory(job->err);
    *out = text.data;
    return EINJIT_OK;
}

/* ---- rules ---- */

static int name_rules(ej_report *report, ej_job *job)
{
    report->rules = EJ_NEW_ARRAY(report->arena, const char *, EJ_RULE_COUNT);
    report->hits = EJ_NEW_ARRAY(report->arena, uint32_t, EJ_RULE_COUNT);
    report->all_hits = EJ_NEW_ARRAY(report->arena, uint64_t, EJ_RULE_COUNT);
    if (!report->rules || !report->hits || !report->all_hits) return ej_no_memory(job->err);
    for (int r = 0; r < EJ_RULE_COUNT; r++) {
        char *name = ej_arena_copy_text(report->arena, ej_rules[r].name, strlen(ej_rules[r].name));
        if (!name) return ej_no_memory(job->err);
        for (char *c = name; *c; c++)
            if (*c >= 'A' && *c <= 'Z') *c |= 0x20; /* in every locale */
        report->rules[r] = name;
    }
    return EINJIT_OK;
}

/* Those that fired, by their place in job_rules.def. */
static int keep_rules(ej_report_pass *pass, const ej_report *report, const uint64_t *hits, ej_job *job)
{
    size_t n = 0;
    for (int r = 0; r < EJ_RULE_COUNT; r++) n += hits[r] != 0;
    struct ej_rule_fired *rules = EJ_NEW_ARRAY(report->arena, struct ej_rule_fired, n);
    if (!rules) return ej_no_memory(job->err);
    pass->rules = rules;
    for (int r = 0; r < EJ_RULE_COUNT; r++)
        if (hits[r]) rules[pass->shown.n_rules++] = (struct ej_rule_fired){report->rules[r], hits[r]};
    return EINJIT_OK;
}

/* ---- the watch ---- */

static int before_pass(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, ej_job *job)
{
    ej_report *report = (ej_report *)watch;
    (void)graph, (void)pass, (void)job;
    memset(report->hits, 0, EJ_RULE_COUNT * sizeof *report->hits);
    report->started_ns = ej_now_ns();
    return EINJIT_OK;
}

/* The total's numbers after the passes so far are those of now. */
static int note_change(ej_report *report, einjit_pass_report *entry, const ej_graph *graph, ej_job *job)
{
    ej_count cost;
    EJ_TRY(measure(&cost, report, graph, true, job));
    EJ_TRY(keep_program(&entry->program, report, graph, job));
    report->total.shown.nodes_after = entry->nodes_after = graph->n_nodes;
    report->total.shown.operations_after = entry->operations_after = cost.operations;
    report->total.shown.bytes_after = entry->bytes_after = cost.bytes;
    return EINJIT_OK;
}

static int after_pass(ej_opt_watch *watch, const ej_graph *graph, const ej_pass *pass, size_t n_changed, ej_job *job)
{
    ej_report *report = (ej_report *)watch;
    const einjit_pass_report *now = &report->total.shown;
    uint64_t hits[EJ_RULE_COUNT];
    ej_report_pass entry = {{.pass = pass->name,
                             .changed = n_changed,
                             .ns = ej_now_ns() - report->started_ns,
                             .nodes_before = now->nodes_after,
                             .nodes_after = now->nodes_after,
                             .operations_before = now->operations_after,
                             .operations_after = now->operations_after,
                             .bytes_before = now->bytes_after,
                             .bytes_after = now->bytes_after},
                            NULL};
    for (int r = 0; r < EJ_RULE_COUNT; r++) report->all_hits[r] += hits[r] = report->hits[r];
    EJ_TRY(keep_rules(&entry, report, hits, job));
    report->total.shown.changed += n_changed;
    report->total.shown.ns += entry.shown.ns;
    if (n_changed) EJ_TRY(note_change(report, &entry.shown, graph, job));
    if (!EJ_PUSH_ROOM(report->arena, report->passes, report->cap_passes, report->n_passes))
        return ej_no_memory(job->err);
    report->passes[report->n_passes++] = entry;
    return EINJIT_OK;
}

int ej_report_begin(ej_report *report, const ej_graph *graph, size_t n_in, const einjit_tensor *in, bool programs,
                    ej_arena *arena, ej_job *job)
{
    ej_count cost;
    *report = (ej_report){.watch = {before_pass, after_pass},
                          .arena = arena,
                          .n_in = n_in,
                          .in = in,
                          .counted = in,
                          .programs = programs};
    EJ_TRY(measure(&cost, report, graph, true, job));
    report->total.shown = (einjit_pass_report){.pass = "all",
                                               .nodes_before = graph->n_nodes,
                                               .nodes_after = graph->n_nodes,
                                               .operations_before = cost.operations,
                                               .operations_after = cost.operations,
                                               .bytes_before = cost.bytes,
                                               .bytes_after = cost.bytes};
    EJ_TRY(keep_program(&report->total.shown.program, report, graph, job));
    EJ_TRY(name_rules(report, job));
    job->watch = &report->watch;
    job->rule_hits = report->hits;
    return EINJIT_OK;
}

int ej_report_end(ej_report *report, const ej_graph *graph, bool as_written, ej_job *job)
{
    ej_count cost;
    job->watch = NULL;
    job->rule_hits = NULL;
    EJ_TRY(measure(&cost, report, graph, as_written, job));
    report->passed = (ej_count){report->total.shown.operations_after, report->total.shown.bytes_after};
    report->total.shown.operations_after = cost.operations;
    report->total.shown.bytes_after = cost.bytes;
    return keep_rules(&report->total, report, report->all_hits, job);
}

/* ---- text ---- */

/* "12 -> 9", or "12" where it stays. */
static void print_change(ej_text *text, int width, double before, double after)
{
    char was[EJ_REAL_TEXT], is[EJ_REAL_TEXT], change[2 * EJ_REAL_TEXT + 5];
    ej_count_text(was, before);
    ej_count_text(is, after);
    if (before == after) snprintf(change, sizeof change, "%s", is);
    else snprintf(change, sizeof change, "%s -> %s", was, is);
    ej_print(text, "  %*s", width, change);
}

static void print_pass(ej_text *text, const ej_report *report, const ej_report_pass *entry, bool times)
{
    const einjit_pass_report *pass = &entry->shown;
    ej_print(text, "%-12s %7zu", pass->pass, pass->changed);
    print_change(text, 14, (double)pass->nodes_before, (double)pass->nodes_after);
    if (report->counted) {
        print_change(text, 26, pass->operations_before, pass->operations_after);
        print_change(text, 26, pass->bytes_before, pass->bytes_after);
    }
    if (times) ej_print(text, "  %10s", ej_real_text((char[EJ_REAL_TEXT]){0}, 'f', 1, (double)pass->ns * 1e-3));
    for (size_t r = 0; r < pass->n_rules; r++)
        ej_print(text, "%s%s %llu", r ? ", " : "  ", entry->rules[r].name, (unsigned long long)entry->rules[r].fired);
    ej_print(text, "\n");
}

static void print_choices(ej_text *text, const ej_report *report)
{
    const einjit_pass_report *all = &report->total.shown;
    if (report->passed.operations == all->operations_after && report->passed.bytes == all->bytes_after) return;
    ej_print(text, "%-12s %7s  %14s", "choose", "", "");
    print_change(text, 26, report->passed.operations, all->operations_after);
    print_change(text, 26, report->passed.bytes, all->bytes_after);
    ej_print(text, "\n");
}

void ej_report_print(ej_text *text, const ej_report *report, bool times)
{
    ej_print(text, "%-12s %7s  %14s", "pass", "changes", "nodes");
    if (report->counted) ej_print(text, "  %26s  %26s", "operations", "bytes");
    if (times) ej_print(text, "  %10s", "us");
    ej_print(text, "  rules\n");
    for (size_t i = 0; i < report->n_passes; i++)
        if (report->passes[i].shown.changed) print_pass(text, report, &report->passes[i], times);
    print_choices(text, report);
    print_pass(text, report, &report->total, times);
}

void ej_report_print_part(ej_text *text, const ej_report *report, size_t part)
{
    const einjit_pass_report *pass = part ? &report->passes[part - 1].shown : &report->total.shown;
    if (part && !pass->changed) return;
    size_t first = 0;
    while (first < report->n_passes && !report->passes[first].shown.changed) first++;
    if (part)
        ej_print(text, "# after pass %s: %zu change%s\n", pass->pass, pass->changed, pass->changed == 1 ? "" : "s");
    else if (first < report->n_passes) ej_print(text, "# before pass %s\n", report->passes[first].shown.pass);
    else ej_print(text, "# no pass changes this program\n");
    ej_print_bytes(text, pass->program, strlen(pass->program));
}

void ej_report_print_programs(ej_text *text, const ej_report *report)
{
    for (size_t part = 0; part <= report->n_passes; part++) {
        if (part && report->passes[part - 1].shown.changed) ej_print(text, "\n");
        ej_report_print_part(text, report, part);
    }
}
