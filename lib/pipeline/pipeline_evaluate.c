/* pipeline_evaluate.c - what constants come to, at compile time: a graph without inputs, bound, planned and
 * interpreted.
 *
 * Takes  a graph whose values follow from constants and literals alone.
 * Gives  sizes and work of its values; its results.
 * Keeps  the job as it is: all in between lies in an arena of its own, and reasons why a graph has no value are for
 *        whoever compiles it.
 * Not here: which values are worth it (opt_const.c).
 */
#include <string.h>

#include "choose.h"
#include "cost.h"
#include "pipeline.h"
#include "recipe.h"

/* A job of its own for the stages: no dumps, no errors, memory that goes afterwards. */
static ej_job inner_job(const ej_job *job, ej_arena *arena, einjit_error *err)
{
    ej_arena_init(arena, job->allocator);
    return (ej_job){
        .arena = arena, .err = err, .allocator = job->allocator, .target = job->target, .progress = job->progress};
}

static int pass_on(int status, const ej_job *job)
{
    return status == EINJIT_E_NOMEM ? ej_no_memory(job->err) : status;
}

/* ---- measuring ---- */

/* The interpreter's: its operations, and for einsums a store an element. Layout counts no operations, but may be
 * copied. */
static double work_of(const ej_bound *bound, const ej_bound_node *node)
{
    double operations = ej_cost_node(bound, node).operations, elements = ej_cost_elements(node);
    if (node->op == EJ_OP_EINSUM) return operations + elements;
    return operations > elements ? operations : elements;
}

/* The core nodes of a program's value are those that were bound since the value before. */
static void measure_values(ej_measure *out, const ej_graph *graph, const ej_bound *bound)
{
    ej_value done = 0;
    for (size_t v = 0; v < graph->n_nodes; v++) {
        ej_value id = bound->of_value[v];
        out[v] = (ej_measure){.bytes = -1};
        if (id < 0) continue;
        const ej_bound_node *node = &bound->nodes[id];
        double elements = ej_cost_elements(node), bytes = ej_cost_bytes(node);
        out[v].elements = elements < 9e18 ? (int64_t)elements : INT64_MAX;
        out[v].bytes = bytes < 9e18 ? (int64_t)bytes : INT64_MAX;
        for (; done <= id; done++) out[v].work += work_of(bound, &bound->nodes[done]);
    }
}

static int measure(ej_measure *out, const ej_graph *graph, ej_job *job)
{
    ej_arena arena;
    ej_bound bound;
    einjit_error err;
    ej_job inner = inner_job(job, &arena, &err);
    int status = ej_bind(&bound, graph, 0, NULL, 0, NULL, NULL, &inner);
    if (!status) measure_values(out, graph, &bound);
    ej_arena_free(&arena);
    return pass_on(status, job);
}

/* ---- evaluating ---- */

static int make_room(ej_evaluated *out, const ej_bound_tensor *tensor, ej_arena *arena)
{
    size_t n = 1;
    *out = (ej_evaluated){.dtype = tensor->dtype, .rank = tensor->rank};
    out->shape = EJ_NEW_ARRAY(arena, int64_t, (size_t)tensor->rank);
    if (!out->shape) return EINJIT_E_NOMEM;
    for (int32_t i = 0; i < tensor->rank; i++) {
        out->shape[i] = tensor->shape[i].n;
        n *= (size_t)tensor->shape[i].n;
    }
    out->data = ej_arena_new(arena, n ? n : 1, ej_dtypes[tensor->dtype].bytes);
    return out->data ? EINJIT_OK : EINJIT_E_NOMEM;
}

static int run_nests(const ej_nests *nests, void **data, unsigned char *scratch, ej_job *inner)
{
    int64_t *atoms = EJ_JOB_ARRAY(inner, int64_t, nests->sizes->n_atoms);
    if (!atoms) return EINJIT_E_NOMEM;
    if (!ej_sizes_evaluate(nests->sizes, NULL, atoms)) return EINJIT_E_SIZE;
    ej_interp_memory memory = {data, nests->plan->constants, scratch, atoms, nests->sizes, NULL};
    for (int32_t i = 0; i < nests->n; i++)
        EJ_TRY(ej_nest_interpret(&nests->nests[i], &memory, inner->arena, inner->err));
    return EINJIT_OK;
}

/* Indices that the graph computed were clamped: those out of range are an error of the program. */
static int check_indices(const ej_plan *plan, const unsigned char *scratch)
{
    for (size_t i = 0; i < plan->n_status_checks; i++) {
        const ej_status_check *check = &plan->status_checks[i];
        int64_t range[2];
        memcpy(range, scratch + plan->buffers[check->buffer].offset_bytes.n, sizeof range);
        if (range[0] <= range[1] && (range[0] < 0 || range[1] >= check->extent.n)) return EINJIT_E_INDEX;
    }
    return EINJIT_OK;
}

static int compute(ej_evaluated *out, const ej_graph *graph, ej_job *inner, ej_arena *results)
{
    ej_bound bound, chosen;
    ej_plan plan;
    ej_nests nests;
    EJ_TRY(ej_bind(&bound, graph, 0, NULL, 0, NULL, NULL, inner));
    EJ_TRY(ej_choose(&chosen, &bound, false, inner));
    EJ_TRY(ej_plan_build(&plan, &chosen, inner));
    EJ_TRY(ej_nests_build(&nests, &plan, inner));
    void **data = EJ_JOB_ARRAY(inner, void *, chosen.n_outputs);
    unsigned char *scratch = EJ_JOB_ARRAY(inner, unsigned char, (size_t)nests.scratch_bytes.n);
    if (!data || !scratch) return EINJIT_E_NOMEM;
    for (size_t i = 0; i < chosen.n_outputs; i++) {
        EJ_TRY(make_room(&out[i], &chosen.output_tensors[i], results));
        data[i] = out[i].data;
    }
    EJ_TRY(run_nests(&nests, data, scratch, inner));
    return check_indices(&plan, scratch);
}

static int evaluate(ej_evaluated *out, const ej_graph *graph, ej_job *job)
{
    ej_arena arena;
    einjit_error err;
    ej_job inner = inner_job(job, &arena, &err);
    int status = compute(out, graph, &inner, job->arena);
    ej_arena_free(&arena);
    return pass_on(status, job);
}

const ej_evaluator ej_interpreting_evaluator = {measure, evaluate};
