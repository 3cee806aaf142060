/* cmd_explain.c - einjit explain: operations as written and as planned, steps, intensity, scratch. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

typedef struct report {
    einjit_cost cost;
    char *plan, *path;
} report;

static double intensity(const einjit_cost *cost)
{
    return cost->bytes_moved ? cost->planned_operations / (double)cost->bytes_moved : 0;
}

static void print_text(const report *r, const char *what)
{
    const einjit_cost *c = &r->cost;
    printf("program              %s\n", what);
    printf("naive operations     %.6g\n", c->naive_operations);
    printf("planned operations   %.6g", c->planned_operations);
    if (c->planned_operations > 0) printf("   (%.3g times fewer)", c->naive_operations / c->planned_operations);
    printf("\nlog10 of mults       %.3f\n", c->log10_mults);
    printf("largest intermediate 2^%.2f elements\n", c->log2_largest);
    printf("bytes moved          %llu\n", (unsigned long long)c->bytes_moved);
    printf("intensity            %.3g operations a byte\n", intensity(c));
    printf("scratch              %llu bytes\n", (unsigned long long)c->scratch_bytes);
    printf("steps                %llu\n\n%s\n%s", (unsigned long long)c->steps, r->path, r->plan);
}

/* JSON has no infinity: an empty sum's logarithm is null. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *lines_of(const char *text)
{
    json_t *list = json_array();
    while (*text) {
        size_t n = strcspn(text, "\n");
        json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == '\n');
    }
    return list;
}

static int print_json(const report *r, const char *what)
{
    const einjit_cost *c = &r->cost;
    json_t *doc = json_object();
    json_object_set_new(doc, "program", json_string(what));
    json_object_set_new(doc, "naive_operations", number(c->naive_operations));
    json_object_set_new(doc, "planned_operations", number(c->planned_operations));
    json_object_set_new(doc, "log10_mults", number(c->log10_mults));
    json_object_set_new(doc, "log2_largest", number(c->log2_largest));
    json_object_set_new(doc, "bytes_moved", json_integer((json_int_t)c->bytes_moved));
    json_object_set_new(doc, "arithmetic_intensity", number(intensity(c)));
    json_object_set_new(doc, "scratch_bytes", json_integer((json_int_t)c->scratch_bytes));
    json_object_set_new(doc, "steps", json_integer((json_int_t)c->steps));
    json_object_set_new(doc, "path", lines_of(r->path));
    json_object_set_new(doc, "plan", lines_of(r->plan));
    int failed = json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
    return failed ? tool_fail("E_NOMEM", "the report could not be written") : TOOL_OK;
}

static int explain(einjit_context *context, const tool_program *program, const cmd_options *options)
{
    tool_tensor *in = NULL;
    size_t n_in = 0;
    einjit_error err = {0};
    report r = {0};
    int status = tool_inputs_make(&in, &n_in, program, &options->sizes, options->dtype);
    einjit_tensor *views = status ? NULL : tool_views(in, n_in);
    einjit_compile_options compile = cmd_compile_options(options);
    if (!status && einjit_plan_cost(&r.cost, context, program->graph, n_in, views, &compile, &err))
        status = tool_error(&err);
    if (!status) {
        r.path = tool_explain(context, program, views, n_in, &compile, "path");
        r.plan = r.path ? tool_explain(context, program, views, n_in, &compile, "plan") : NULL;
        if (!r.plan) status = TOOL_FAILED;
    }
    if (!status) {
        if (options->json) status = print_json(&r, options->rest[0]);
        else print_text(&r, options->rest[0]);
    }
    free(r.path);
    free(r.plan);
    free(views);
    tool_tensors_free(in, n_in);
    return status;
}

int cmd_explain(int argc, char **argv, const command *self)
{
    cmd_options options;
    einjit_context *context = NULL;
    tool_program program = {0};
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    status = cmd_context(&context, &options);
    if (!status) status = tool_program_load(&program, context, options.rest[0]);
    if (!status) status = explain(context, &program, &options);
    tool_program_free(&program);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
