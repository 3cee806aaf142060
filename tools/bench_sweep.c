/* bench_sweep.c - einjit-bench --sweep: one program called with an extent that changes from call to call, as a loop
 * over batches does; what all of the calls take together, and how many of them compiled. */
#include "bench_sweep.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct sweep {
    const char *name; /* of the extent */
    int64_t from, to, calls;
    double *seconds; /* per call */
    einjit_statistics statistics;
} sweep;

/* "z=1:600" */
static int read_range(sweep *s, char *text)
{
    char *equals = strchr(text, '='), *colon = equals ? strchr(equals, ':') : NULL;
    if (!colon || equals == text) return tool_usage("--sweep takes an extent and its values, z=1:600, not '%s'", text);
    *equals = *colon = 0;
    s->name = text;
    int status = tool_number(&s->from, equals + 1, 0, INT32_MAX, "--sweep");
    if (!status) status = tool_number(&s->to, colon + 1, s->from, s->from + 1000000, "--sweep");
    s->calls = s->to - s->from + 1;
    return status;
}

/* Tensors are made outside of the time. */
static int one_call(bench *b, sweep *s, const tool_sizes *sizes, int64_t i)
{
    einjit_error err = {0};
    einjit_compile_options options = bench_compile_options(b);
    int status = tool_inputs_make(&b->in, &b->n_in, &b->program, sizes, b->one->dtype, true);
    if (!status) status = tool_outputs_make(&b->out, &b->n_out, &b->program, b->in, b->n_in);
    einjit_tensor *in = status ? NULL : tool_views(b->in, b->n_in), *out = status ? NULL : tool_views(b->out, b->n_out);
    double start = tool_seconds();
    if (!status && einjit_call_with(b->context, b->program.graph, b->n_in, in, b->n_out, out, &options, &err))
        status = tool_error(&err);
    s->seconds[i] = tool_seconds() - start;
    free(in);
    free(out);
    tool_tensors_free(b->in, b->n_in);
    tool_tensors_free(b->out, b->n_out);
    b->in = b->out = NULL;
    b->n_in = b->n_out = 0;
    return status;
}

static void report(sweep *s, bool as_json)
{
    double all = 0, first = s->seconds[0];
    char words[3][TOOL_WORDS];
    for (int64_t i = 0; i < s->calls; i++) all += s->seconds[i];
    qsort(s->seconds, (size_t)s->calls, sizeof *s->seconds, tool_compare);
    double median = s->seconds[s->calls / 2];
    if (!as_json) {
        printf("%lld calls with %s = %lld .. %lld: %llu compiled, %s in all, the first %s, the median %s\n",
               (long long)s->calls, s->name, (long long)s->from, (long long)s->to,
               (unsigned long long)s->statistics.misses, tool_duration(words[0], all), tool_duration(words[1], first),
               tool_duration(words[2], median));
        return;
    }
    json_t *doc = json_object();
    json_object_set_new(doc, "sweep", json_string(s->name));
    json_object_set_new(doc, "calls", json_integer(s->calls));
    json_object_set_new(doc, "compiles", json_integer((json_int_t)s->statistics.misses));
    json_object_set_new(doc, "seconds", tool_json_number(all));
    json_object_set_new(doc, "first_ms", tool_json_number(first * 1e3));
    json_object_set_new(doc, "median_us", tool_json_number(median * 1e6));
    json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
}

static int run_all(bench *b, sweep *s)
{
    tool_sizes sizes = {0};
    char text[300];
    int status = TOOL_OK;
    for (int64_t i = 0; i < s->calls && !status && !tool_interrupted; i++) {
        for (size_t k = 0; k < b->one->sizes.n && !status; k++) {
            snprintf(text, sizeof text, "%.250s=%lld", b->one->sizes.items[k].name,
                     (long long)b->one->sizes.items[k].value);
            status = tool_sizes_add(&sizes, text);
        }
        snprintf(text, sizeof text, "%.250s=%lld", s->name, (long long)(s->from + i));
        if (!status) status = tool_sizes_add(&sizes, text);
        if (!status && !i) status = tool_names_check(&b->program, &sizes, b->options->open);
        if (!status) status = one_call(b, s, &sizes, i);
        tool_sizes_free(&sizes);
    }
    return status || !tool_interrupted ? status : tool_fail("E_INTERRUPTED", "stopped");
}

int bench_sweep(const bench_case *one, const bench_options *options, const char *range)
{
    sweep s = {.statistics.struct_bytes = sizeof s.statistics};
    bench b = {.one = one, .options = options};
    char *text = tool_copy(range);
    int status = read_range(&s, text);
    if (!status) status = bench_context(&b.context, options, options->backend, options->target);
    if (!status) status = tool_strategy(&b.strategy, b.context, options->strategy);
    if (!status) status = tool_program_load(&b.program, b.context, one->program, &one->sizes);
    if (!status) {
        s.seconds = tool_alloc((size_t)s.calls * sizeof *s.seconds);
        status = run_all(&b, &s);
        einjit_context_statistics(b.context, &s.statistics, NULL);
        if (!status) report(&s, options->json);
    }
    free(s.seconds);
    free(b.strategy);
    tool_program_free(&b.program);
    einjit_context_release(b.context);
    free(text);
    return status;
}
