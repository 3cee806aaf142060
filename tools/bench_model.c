/* bench_model.c - every way to run a case, each asked for by its name: what the cost model predicts, and what it takes.
 *
 * Takes  the stage `cost` of the case's program, which lists the candidates of its steps.
 * Gives  a kernel a candidate, in a context of its own (EINJIT_RECIPE), and the cycles that the model predicts for it.
 *        A candidate of one step leaves the others as the rules have them.
 */
#include "bench_model.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct forced {
    bench *b;
    einjit_context *context;
    einjit_kernel *kernel;
    einjit_entry entry;
    void *scratch;
} forced;

static void call_forced(void *user)
{
    forced *f = user;
    bench *b = f->b;
    if (f->entry) f->entry(b->data, b->sizes, f->scratch);
    else einjit_run(f->kernel, b->n_in, b->in_views, b->n_out, b->out_views, NULL);
}

static void release_forced(void *user)
{
    forced *f = user;
    einjit_kernel_release(f->kernel);
    einjit_context_release(f->context);
    free(f->scratch);
    free(f);
}

/* The stage `cost` as a list of objects, one a step; NULL after a message. */
static json_t *costs_of(bench *b, einjit_context *context)
{
    einjit_compile_options options = bench_compile_options(b);
    char *text = tool_explain(context, &b->program, b->in_views, b->n_in, &options, "cost");
    json_t *steps = text ? json_array() : NULL;
    for (char *line = text, *end; line && *line; line = end + 1) {
        json_t *step = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        if (!step || !(end = strchr(line, '\n'))) {
            json_decref(step);
            json_decref(steps);
            steps = NULL;
            tool_fail("E_INTERNAL", "the stage cost is not a JSON object a line");
            break;
        }
        json_array_append_new(steps, step);
    }
    free(text);
    return steps;
}

static double cycles_of(const json_t *steps)
{
    double cycles = 0;
    size_t i;
    const json_t *step;
    json_array_foreach (steps, i, step) cycles += json_number_value(json_object_get(step, "cycles"));
    return cycles;
}

/* What the steps take: one name where they agree. */
static char *recipe_of(const json_t *steps)
{
    const char *name = json_string_value(json_object_get(json_array_get(steps, 0), "recipe"));
    size_t i;
    const json_t *step;
    json_array_foreach (steps, i, step)
        if (name && strcmp(name, json_string_value(json_object_get(step, "recipe")))) name = "several";
    return tool_copy(name ? name : "none");
}

static bool is_known(const bench_result *r, const char *name)
{
    for (int i = 0; i < r->n_candidates; i++)
        if (!strcmp(r->candidates[i].name, name)) return true;
    return false;
}

static int compile_forced(bench_candidate *out, bench_call *call, bench *b)
{
    einjit_compile_options options = bench_compile_options(b);
    forced *f = tool_alloc(sizeof *f);
    *f = (forced){.b = b};
    *call = (bench_call){call_forced, release_forced, f};
    setenv("EINJIT_RECIPE", out->name, 1);
    int status = bench_context(&f->context, b->options, b->options->backend, b->options->target);
    unsetenv("EINJIT_RECIPE");
    json_t *steps = status ? NULL : costs_of(b, f->context);
    if (!steps) return TOOL_FAILED;
    out->cycles = cycles_of(steps);
    json_decref(steps);
    if (bench_compile(b, f->context, &options, &f->kernel)) return TOOL_FAILED;
    f->entry = einjit_kernel_entry(f->kernel);
    return bench_scratch(&f->scratch, b, f->kernel);
}

int bench_model_candidates(bench *b, bench_result *r, bench_call calls[BENCH_MAX_CANDIDATES])
{
    json_t *steps = costs_of(b, b->context), *step, *candidate;
    size_t i, k;
    int status = steps ? TOOL_OK : TOOL_FAILED;
    if (status) return status;
    r->recipe = recipe_of(steps);
    r->cycles = cycles_of(steps);
    json_array_foreach (steps, i, step) {
        json_array_foreach (json_object_get(step, "candidates"), k, candidate) {
            const char *name = json_string_value(json_object_get(candidate, "recipe"));
            if (status || !name || is_known(r, name) || r->n_candidates == BENCH_MAX_CANDIDATES) continue;
            bench_candidate *new = &r->candidates[r->n_candidates];
            new->name = tool_copy(name);
            status = compile_forced(new, &calls[r->n_candidates++], b);
        }
    }
    json_decref(steps);
    return status;
}

void bench_model_free(bench_result *r)
{
    for (int i = 0; i < r->n_candidates; i++) free(r->candidates[i].name);
    free(r->recipe);
}

double bench_model_loss(const bench_result *r)
{
    double best = r->time.median_us;
    for (int i = 0; i < r->n_candidates; i++)
        if (r->candidates[i].time.median_us < best) best = r->candidates[i].time.median_us;
    return best > 0 ? r->time.median_us / best : 1;
}
