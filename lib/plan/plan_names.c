/* plan_names.c - names for dumps: buffers have one each, and no axis has a buffer's.
 *
 * Takes  a plan whose steps, buffers and axes are called by values and letters of the program.
 * Gives  x, x_2, x_3 for buffers of one name, i' for an axis i where there is a buffer i; a step that alone writes a
 *        buffer is called as that.
 */
#include <stdlib.h>
#include <string.h>

#include "plan_core.h"

typedef struct named {
    const char *name;
    size_t buffer;
} named;

static int compare_names(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

static int compare_to_name(const void *name, const void *entry)
{
    return strcmp(name, ((const named *)entry)->name);
}

static bool is_taken(const named *sorted, size_t n, const char *name)
{
    return n && bsearch(name, sorted, n, sizeof *sorted, compare_to_name);
}

static bool name_buffers(ej_planner *p, named *sorted)
{
    ej_plan *plan = p->plan;
    size_t n = plan->n_buffers;
    for (size_t b = 0; b < n; b++) {
        const char *name = plan->buffers[b].name;
        sorted[b] = (named){name && *name ? name : ej_plan_name(p, "buffer%zu", b), b};
        if (!sorted[b].name) return false;
    }
    if (n) qsort(sorted, n, sizeof *sorted, compare_names);
    for (size_t i = 0, copy = 1; i < n; i++) {
        const char *name = sorted[i].name;
        bool again = i && !strcmp(name, sorted[i - 1].name);
        if (!again) copy = 1;
        while (again && is_taken(sorted, n, name))
            if (!(name = ej_plan_name(p, "%s_%zu", sorted[i].name, ++copy))) return false;
        plan->buffers[sorted[i].buffer].name = name;
    }
    for (size_t i = 0; i < n; i++) sorted[i].name = plan->buffers[sorted[i].buffer].name;
    if (n) qsort(sorted, n, sizeof *sorted, compare_names);
    return true;
}

static bool name_steps(ej_planner *p)
{
    ej_plan *plan = p->plan;
    int32_t *writers = EJ_JOB_ARRAY(p->job, int32_t, plan->n_buffers);
    if (!writers) return false;
    for (size_t s = 0; s < plan->n_steps; s++) writers[plan->steps[s].out.buffer]++;
    for (size_t s = 0; s < plan->n_steps; s++) {
        int32_t buffer = plan->steps[s].out.buffer;
        if (writers[buffer] == 1) plan->steps[s].name = plan->buffers[buffer].name;
    }
    return true;
}

int ej_plan_settle_names(ej_planner *p)
{
    ej_plan *plan = p->plan;
    named *sorted = EJ_JOB_ARRAY(p->job, named, plan->n_buffers);
    if (!sorted || !name_buffers(p, sorted) || !name_steps(p)) return ej_no_memory(p->job->err);
    for (size_t s = 0; s < plan->n_steps; s++) {
        EJ_TRY(ej_job_poll(p->job, EJ_STAGE_PLAN, -1));
        for (int32_t a = 0; a < plan->steps[s].n_axes; a++) {
            ej_axis *axis = &plan->steps[s].axes[a];
            while (is_taken(sorted, plan->n_buffers, axis->name))
                if (!(axis->name = ej_plan_name(p, "%s'", axis->name))) return ej_no_memory(p->job->err);
        }
    }
    return EINJIT_OK;
}
