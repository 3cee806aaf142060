/* nest_steps.c - the steps of a plan with the kernels that run them, a JSON object a line.
 *
 * Takes  nests and their plan. Gives text: counts, and a time that is an estimate for comparing steps, nothing
 *        measured. Steps that run in one nest have its number, and its time is with the last of them.
 */
#include <math.h>

#include "nest_cost.h"
#include "plan_links.h"

static const double cycles_per_ns = 4; /* of a core at about 4 GHz */

static double estimated_ns(ej_text *text, const ej_nest *nest, const ej_target *target)
{
    ej_nest_cost cost;
    if (ej_nest_cost_of(&cost, nest, target, text->arena)) text->failed = true;
    return cost.cycles / cycles_per_ns;
}

/* JSON has no infinity. */
static void print_number(ej_text *text, const char *key, double value)
{
    char digits[EJ_REAL_TEXT];
    ej_print(text, ", \"%s\": %s", key, isfinite(value) ? ej_real_text(digits, 'g', 10, value) : "null");
}

static void print_axes(ej_text *text, const ej_step *step)
{
    ej_print(text, ", \"axes\": [");
    for (int32_t a = 0; a < step->n_axes; a++) {
        ej_print(text, a ? ", [" : "[");
        ej_print_quoted(text, step->axes[a].name);
        ej_print(text, ", %lld, %s]", (long long)step->axes[a].extent.n,
                 step->axes[a].run == EJ_RUN_REDUCED ? "\"reduced\"" : "\"kept\"");
    }
    ej_print(text, "]");
}

/* The steps it waits for and the inputs it reads, each once; `links` are this step's. */
static void print_sources(ej_text *text, const ej_plan *plan, const ej_plan_link *links, size_t n)
{
    int printed = 0;
    ej_print(text, ", \"after\": [");
    for (size_t i = 0; i < n; i++)
        if (links[i].from_step >= 0) ej_print(text, "%s%d", printed++ ? ", " : "", (int)links[i].from_step);
    printed = 0;
    ej_print(text, "], \"inputs\": [");
    for (size_t i = 0; i < n; i++) {
        if (links[i].from_step >= 0) continue;
        if (printed++) ej_print(text, ", ");
        ej_print_quoted(text, plan->buffers[links[i].buffer].name);
    }
    ej_print(text, "]");
}

static void print_step(ej_text *text, const ej_nests *nests, const ej_target *target, int32_t s,
                       const ej_plan_link *links, size_t n)
{
    const ej_plan *plan = nests->plan;
    const ej_step *step = &plan->steps[s];
    const ej_nest *nest = &nests->nests[nests->nest_of[s]];
    bool last = s + 1 == (int32_t)plan->n_steps || nests->nest_of[s + 1] != nests->nest_of[s];
    double operations = ej_plan_step_operations(step), bytes = ej_plan_step_bytes(plan, step);
    ej_print(text, "{\"step\": %d, \"name\": ", (int)s);
    ej_print_quoted(text, step->name);
    ej_print(text, ", \"kernel\": ");
    ej_print_quoted(text, nest->recipe);
    ej_print(text, ", \"nest\": %d", (int)nests->nest_of[s]);
    ej_print(text, ", \"dtype\": \"%s\"", einjit_dtype_name(plan->buffers[step->out.buffer].dtype));
    print_number(text, "operations", operations);
    print_number(text, "bytes", bytes);
    print_number(text, "intensity", bytes > 0 ? operations / bytes : 0);
    print_number(text, "estimated_ns", last ? estimated_ns(text, nest, target) : 0);
    print_axes(text, step);
    print_sources(text, plan, links, n);
    ej_print(text, ", \"writes\": ");
    ej_print_quoted(text, plan->buffers[step->out.buffer].name);
    ej_print(text, ", \"is_result\": %s}\n", plan->buffers[step->out.buffer].home == EJ_HOME_ARG ? "true" : "false");
}

void ej_nests_print_steps(ej_text *text, const ej_nests *nests, const ej_target *target)
{
    ej_plan_links links;
    if (!ej_plan_links_find(&links, nests->plan, text->arena)) {
        text->failed = true;
        return;
    }
    size_t from = 0;
    for (int32_t s = 0; s < (int32_t)nests->plan->n_steps; s++) {
        size_t to = from;
        while (to < links.n && links.items[to].to_step == s) to++;
        print_step(text, nests, target, s, links.items + from, to - from);
        from = to;
    }
}
