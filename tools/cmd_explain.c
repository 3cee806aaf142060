/* cmd_explain.c - einjit explain: operations as written and as planned, the steps and their kernels, as text, JSON, a
 * graph for Graphviz or a drawing. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "svg.h"

typedef struct report {
    const char *what;
    einjit_cost cost;
    char *plan, *path, *dot;
    json_t *steps;
    double estimated_ns;
} report;

static double intensity(const einjit_cost *cost)
{
    if (cost->bytes_moved == UINT64_MAX) return NAN; /* more than can be counted */
    return cost->bytes_moved ? cost->planned_operations / (double)cost->bytes_moved : 0;
}

/* JSON has no infinity: that is null. */
static double field(const json_t *step, const char *key)
{
    const json_t *value = json_object_get(step, key);
    return json_is_null(value) ? HUGE_VAL : json_number_value(value);
}

static void print_steps(const json_t *steps)
{
    size_t i;
    const json_t *step;
    int width = 4;
    json_array_foreach (steps, i, step) {
        int n = (int)json_string_length(json_object_get(step, "name"));
        if (n > width) width = n < 40 ? n : 40;
    }
    printf("%4s  %-*s  %-10s %-5s %12s %12s %8s %12s\n", "step", width, "name", "kernel", "dtype", "operations",
           "bytes", "op/byte", "estimate");
    json_array_foreach (steps, i, step) {
        char operations[TOOL_WORDS], bytes[TOOL_WORDS], intensity[TOOL_WORDS], estimate[TOOL_WORDS];
        snprintf(intensity, sizeof intensity, isfinite(field(step, "intensity")) ? "%.3g" : "-",
                 field(step, "intensity"));
        printf("%4zu  %-*s  %-10s %-5s %12s %12s %8s %12s\n", i, width,
               json_string_value(json_object_get(step, "name")), json_string_value(json_object_get(step, "kernel")),
               json_string_value(json_object_get(step, "dtype")),
               tool_count(operations, field(step, "operations"), NAN), tool_count(bytes, field(step, "bytes"), NAN),
               intensity, tool_duration(estimate, field(step, "estimated_ns") * 1e-9));
    }
}

static void print_bytes(const char *what, uint64_t bytes)
{
    if (bytes == UINT64_MAX) printf("%sover 1.8e19\n", what);
    else printf("%s%llu\n", what, (unsigned long long)bytes);
}

/* Only where the two differ. */
static void print_gain(double naive, double planned)
{
    double ratio = naive / planned;
    if (!(planned > 0) || !isfinite(ratio) || !(ratio > 0)) return;
    if (ratio >= 1.005) printf("   (%.3g times fewer)", ratio);
    if (1 / ratio >= 1.005) printf("   (%.3g times as many)", 1 / ratio);
}

static void print_text(const report *r)
{
    const einjit_cost *c = &r->cost;
    bool is_short = strlen(r->what) < 200 && !strchr(r->what, '\n');
    if (is_short) printf("program              %s\n", r->what);
    char words[TOOL_WORDS];
    printf("naive operations     %s\n", tool_count(words, c->naive_operations, NAN));
    printf("planned operations   %s", tool_count(words, c->planned_operations, NAN));
    print_gain(c->naive_operations, c->planned_operations);
    if (isfinite(c->log10_mults)) printf("\nlog10 of mults       %.3f", c->log10_mults);
    if (isfinite(c->log2_largest)) printf("\nlargest intermediate 2^%.2f elements", c->log2_largest);
    print_bytes("\nnaive bytes          ", c->naive_bytes);
    print_bytes("bytes moved          ", c->bytes_moved);
    if (isfinite(intensity(c))) printf("intensity            %.3g operations a byte\n", intensity(c));
    if (c->slices > 1)
        printf("slices               %.15g, %.3g times the multiplications\n", c->slices, c->slice_overhead);
    printf("estimated time       %s (counted, not measured)\n", tool_duration(words, r->estimated_ns * 1e-9));
    printf("scratch              %llu bytes\n\n", (unsigned long long)c->scratch_bytes);
    print_steps(r->steps);
    if (*r->path) printf("\npaths\n%s", r->path);
}

static json_t *bytes_json(uint64_t bytes)
{
    if (bytes <= INT64_MAX) return json_integer((json_int_t)bytes);
    return bytes == UINT64_MAX ? json_null() : json_real((double)bytes);
}

static int print_json(const report *r)
{
    const einjit_cost *c = &r->cost;
    json_t *doc = json_object();
    json_object_set_new(doc, "program", json_string(r->what));
    json_object_set_new(doc, "naive_operations", tool_json_number(c->naive_operations));
    json_object_set_new(doc, "planned_operations", tool_json_number(c->planned_operations));
    json_object_set_new(doc, "log10_mults", tool_json_number(c->log10_mults));
    json_object_set_new(doc, "log2_largest", tool_json_number(c->log2_largest));
    json_object_set_new(doc, "naive_bytes", bytes_json(c->naive_bytes));
    json_object_set_new(doc, "bytes_moved", bytes_json(c->bytes_moved));
    json_object_set_new(doc, "arithmetic_intensity", tool_json_number(intensity(c)));
    json_object_set_new(doc, "slices", tool_json_number(c->slices));
    json_object_set_new(doc, "slice_overhead", tool_json_number(c->slice_overhead));
    json_object_set_new(doc, "estimated_ns", tool_json_number(r->estimated_ns));
    json_object_set_new(doc, "scratch_bytes", bytes_json(c->scratch_bytes));
    json_object_set(doc, "steps", r->steps);
    json_object_set_new(doc, "paths", tool_json_lines(r->path));
    json_object_set_new(doc, "plan", tool_json_lines(r->plan));
    int failed = json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
    return failed ? tool_fail("E_IO", "the report cannot be written") : TOOL_OK;
}

static int read_steps(report *r, const char *lines)
{
    json_error_t error;
    r->steps = json_array();
    for (const char *at = lines; *at;) {
        size_t n = strcspn(at, "\n");
        json_t *step = json_loadb(at, n, 0, &error);
        if (!step)
            return tool_fail("E_INTERNAL", "the step %.*s cannot be read: %s", (int)(n < 200 ? n : 200), at,
                             error.text);
        r->estimated_ns += field(step, "estimated_ns");
        json_array_append_new(r->steps, step);
        at += n + (at[n] == '\n');
    }
    return TOOL_OK;
}

static int fill_report(report *r, einjit_context *context, const tool_program *program, const cmd_options *options,
                       const einjit_tensor *in, size_t n_in)
{
    einjit_error err = {0};
    einjit_compile_options compile = cmd_compile_options(options);
    r->cost.struct_bytes = sizeof r->cost;
    if (einjit_plan_cost(&r->cost, context, program->graph, n_in, in, &compile, &err)) return tool_error(&err);
    r->path = tool_explain(context, program, in, n_in, &compile, "path");
    r->plan = r->path ? tool_explain(context, program, in, n_in, &compile, "plan") : NULL;
    r->dot = r->plan ? tool_explain(context, program, in, n_in, &compile, "dot") : NULL;
    char *lines = r->dot ? tool_explain(context, program, in, n_in, &compile, "steps") : NULL;
    int status = lines ? read_steps(r, lines) : TOOL_FAILED;
    r->estimated_ns *= r->cost.slices; /* the steps are those of one */
    free(lines);
    return status;
}

static int write_file(const char *text, const char *path)
{
    FILE *file;
    int status = tool_open(&file, path, true);
    if (status) return status;
    fputs(text, file);
    return tool_close_output(file, path);
}

static int explain(einjit_context *context, const tool_program *program, const cmd_options *options)
{
    tool_tensor *in = NULL;
    size_t n_in = 0;
    report r = {.what = options->rest[0]};
    int status = tool_inputs_make(&in, &n_in, program, &options->sizes, options->dtype, options->constants != NULL);
    einjit_tensor *views = status ? NULL : tool_views(in, n_in);
    if (!status) status = fill_report(&r, context, program, options, views, n_in);
    if (!status && options->dot) status = write_file(r.dot, options->dot);
    if (!status && options->svg) status = svg_write(r.steps, r.what, options->svg);
    bool reported = !tool_is_stdio(options->dot) && !tool_is_stdio(options->svg); /* else they are what was asked for */
    if (!status && options->json) status = print_json(&r);
    else if (!status && reported) print_text(&r);
    free(r.path);
    free(r.plan);
    free(r.dot);
    json_decref(r.steps);
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
    if (options.json + tool_is_stdio(options.dot) + tool_is_stdio(options.svg) > 1)
        status = tool_usage("--json, --dot - and --svg - each want standard output for themselves");
    else status = cmd_context(&context, &options);
    if (!status) status = tool_program_load(&program, context, options.rest[0], &options.sizes);
    if (!status) status = tool_names_check(&program, &options.sizes, options.open);
    if (!status) status = explain(context, &program, &options);
    tool_program_free(&program);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
