/* cmd_stats.c - what the passes make of a program: a table, JSON, or the program after each of them. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* ---- the run ---- */

/* Every extent is a number, and every rank said: no sizes are needed. */
static bool is_sized(const tool_program *program)
{
    for (size_t i = 0; i < einjit_graph_input_count(program->graph); i++) {
        int64_t shape[TOOL_MAX_RANK] = {0};
        int rank = -1;
        if (einjit_graph_input_type(program->graph, i, NULL, &rank, shape, NULL, TOOL_MAX_RANK, NULL)) return false;
        for (int a = 0; a < rank && a < TOOL_MAX_RANK; a++)
            if (shape[a] < 0) return false;
        if (rank < 0 || rank > TOOL_MAX_RANK) return false;
    }
    return true;
}

/* Without sizes in a program that needs them there are no tensors, and the report has no operations and bytes. */
static int optimize(einjit_report **out, const tool_program *program, const cmd_options *options, int32_t flags)
{
    einjit_error err = {0};
    tool_tensor *in = NULL;
    einjit_tensor *views = NULL;
    size_t n_in = 0;
    int status = TOOL_OK;
    if (options->sizes.n || is_sized(program)) {
        status = tool_inputs_make(&in, &n_in, program, &options->sizes, options->dtype, false);
        if (!status) views = tool_views(in, n_in);
    }
    if (!status && einjit_optimize_report(out, program->graph, options->passes, views ? n_in : 0, views, flags, &err))
        status = tool_error(&err);
    free(views);
    tool_tensors_free(in, n_in);
    return status;
}

static char *program_text(const tool_program *program)
{
    einjit_error err = {0};
    size_t needed;
    if (einjit_graph_print(program->graph, NULL, 0, &needed, &err)) {
        tool_error(&err);
        return NULL;
    }
    char *text = tool_alloc(needed + 1);
    einjit_graph_print(program->graph, text, needed + 1, NULL, NULL);
    return text;
}

/* ---- the table ---- */

static int print_table(const einjit_report *report, const char *program, bool times)
{
    einjit_error err = {0};
    size_t needed = 0;
    int32_t flags = times ? EINJIT_REPORT_TIMES : 0;
    if (einjit_report_print(report, flags, NULL, 0, &needed, &err)) return tool_error(&err);
    char *text = tool_alloc(needed + 1);
    int status = einjit_report_print(report, flags, text, needed + 1, NULL, &err) ? tool_error(&err) : TOOL_OK;
    if (!status) printf("%s\n%s", program, text);
    free(text);
    return status;
}

/* ---- JSON ---- */

/* -1: there were no sizes. */
static json_t *count(double x)
{
    return x >= 0 ? tool_json_number(x) : json_null();
}

/* Pass i; behind the last one all of them. */
static einjit_pass_report pass_of(const einjit_report *report, size_t i)
{
    einjit_pass_report pass = {.struct_bytes = sizeof pass};
    einjit_report_pass(report, i, &pass, NULL);
    return pass;
}

static json_t *pass_json(const einjit_report *report, size_t i, bool times)
{
    json_t *one = json_object(), *rules = json_object();
    einjit_pass_report pass = pass_of(report, i);
    const char *rule;
    uint64_t fired;
    for (size_t r = 0; (rule = einjit_report_rule(report, i, r, &fired)); r++)
        json_object_set_new(rules, rule, json_integer((json_int_t)fired));
    json_object_set_new(one, "pass", json_string(pass.pass));
    json_object_set_new(one, "changed", json_integer((json_int_t)pass.changed));
    json_object_set_new(one, "nodes_before", json_integer((json_int_t)pass.nodes_before));
    json_object_set_new(one, "nodes_after", json_integer((json_int_t)pass.nodes_after));
    json_object_set_new(one, "operations_before", count(pass.operations_before));
    json_object_set_new(one, "operations_after", count(pass.operations_after));
    json_object_set_new(one, "bytes_before", count(pass.bytes_before));
    json_object_set_new(one, "bytes_after", count(pass.bytes_after));
    json_object_set_new(one, "rules", rules);
    if (times) json_object_set_new(one, "ns", json_integer((json_int_t)pass.ns));
    return one;
}

static int print_json(const einjit_report *report, const char *what, const char *program, bool times)
{
    size_t n = einjit_report_count(report);
    json_t *doc = json_object(), *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, pass_json(report, i, times));
    json_object_set_new(doc, "program", json_string(what));
    json_object_set_new(doc, "optimized", json_string(program));
    json_object_set_new(doc, "passes", list);
    json_object_set_new(doc, "all", pass_json(report, n, times));
    int failed = json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
    return failed ? tool_fail("E_IO", "the report cannot be written") : TOOL_OK;
}

int cmd_print_stats(const tool_program *program, const cmd_options *options)
{
    einjit_report *report = NULL;
    int status = optimize(&report, program, options, 0);
    char *text = status ? NULL : program_text(program);
    if (!status && !text) status = TOOL_FAILED;
    if (!status && options->json) status = print_json(report, options->rest[0], text, options->times);
    else if (!status) status = print_table(report, text, options->times);
    free(text);
    einjit_report_destroy(report);
    return status;
}

/* ---- the program after each pass ---- */

static const char *first_change(const einjit_report *report)
{
    for (size_t i = 0; i < einjit_report_count(report); i++)
        if (pass_of(report, i).changed) return pass_of(report, i).pass;
    return NULL;
}

int cmd_print_passes(const tool_program *program, const cmd_options *options)
{
    cmd_options no_sizes = *options;
    einjit_report *report = NULL;
    no_sizes.sizes.n = 0; /* nothing is counted */
    int status = optimize(&report, program, &no_sizes, EINJIT_REPORT_PROGRAMS);
    if (status) return status;
    size_t n = einjit_report_count(report);
    const char *first = first_change(report);
    if (first) printf("# before pass %s\n", first);
    else puts("# no pass changes this program");
    fputs(pass_of(report, n).program, stdout);
    for (size_t i = 0; i < n; i++) {
        einjit_pass_report pass = pass_of(report, i);
        if (pass.changed)
            printf("\n# after pass %s: %zu change%s\n%s", pass.pass, pass.changed, pass.changed == 1 ? "" : "s",
                   pass.program);
    }
    einjit_report_destroy(report);
    return TOOL_OK;
}
