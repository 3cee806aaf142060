/* api_graph.c - public calls on whole graphs: make, parse, print, check, freeze, optimize, give back.
 *
 * Takes  handles and borrowed pointers; checks them.
 * Gives  what the stages give. A graph holds its context.
 * Not here: building node by node (api_build.c, api_layout.c), compiling (compile.c).
 */
#include <string.h>

#include "api.h"

/* ---- make and give back ---- */

/* A handle without a graph in it. */
static int create_handle(einjit_graph **out, einjit_context *context, einjit_error *err)
{
    einjit_graph *graph = ej_alloc(&context->allocator, sizeof *graph);
    if (!graph) return ej_no_memory(err);
    atomic_init(&graph->frozen, false);
    ej_context_retain(context);
    graph->context = context;
    *out = graph;
    return EINJIT_OK;
}

static void destroy_handle(einjit_graph *graph)
{
    einjit_context *context = graph->context;
    ej_release(&context->allocator, graph, sizeof *graph);
    einjit_context_release(context);
}

static int check_handles(einjit_graph **out, const einjit_context *context, einjit_error *err)
{
    if (!out) return ej_fail(err, EINJIT_E_INVALID, "out is NULL");
    if (!context) return ej_fail(err, EINJIT_E_INVALID, "context is NULL");
    return EINJIT_OK;
}

int einjit_graph_create(einjit_graph **out, einjit_context *context, einjit_error *err)
{
    einjit_graph *graph = NULL;
    EJ_TRY(check_handles(out, context, err));
    EJ_TRY(create_handle(&graph, context, err));
    int status = ej_graph_init(&graph->graph, &context->allocator, err);
    if (status) destroy_handle(graph);
    else *out = graph;
    return status;
}

int einjit_graph_parse(einjit_graph **out, einjit_context *context, const char *text, size_t length, einjit_error *err)
{
    einjit_graph *graph = NULL;
    EJ_TRY(check_handles(out, context, err));
    if (!text) return ej_fail(err, EINJIT_E_INVALID, "text is NULL");
    if (length == SIZE_MAX) length = strlen(text);
    EJ_TRY(create_handle(&graph, context, err));
    int status = ej_graph_parse(&graph->graph, &context->allocator, text, length, err);
    if (status) destroy_handle(graph);
    else *out = graph;
    return status;
}

static int check_ranks(size_t n, const int32_t *ranks, einjit_error *err)
{
    if (n && !ranks) return ej_fail(err, EINJIT_E_INVALID, "ranks is NULL");
    for (size_t i = 0; i < n; i++)
        if (ranks[i] < 0 || ranks[i] > EJ_MAX_LABELS)
            return ej_fail(err, EINJIT_E_RANK, "operand %zu has rank %d", i, (int)ranks[i]);
    return EINJIT_OK;
}

/* n SIZE_MAX: nobody knows the ranks. */
static int from_equation(einjit_graph **out, einjit_context *context, const char *equation, size_t n,
                         const int32_t *ranks, einjit_error *err)
{
    einjit_graph *graph = NULL;
    EJ_TRY(check_handles(out, context, err));
    if (!equation) return ej_fail(err, EINJIT_E_INVALID, "equation is NULL");
    if (n != SIZE_MAX) EJ_TRY(check_ranks(n, ranks, err));
    EJ_TRY(create_handle(&graph, context, err));
    ej_arena scratch;
    ej_equation parsed;
    ej_arena_init(&scratch, &context->allocator);
    int status = ej_equation_parse(&parsed, &scratch, equation, strlen(equation), n, err);
    if (!status)
        status = ej_graph_from_equation(&graph->graph, &context->allocator, &parsed, n == SIZE_MAX ? NULL : ranks, err);
    ej_arena_free(&scratch);
    if (status) destroy_handle(graph);
    else *out = graph;
    return status;
}

int einjit_graph_from_equation(einjit_graph **out, einjit_context *context, const char *equation, einjit_error *err)
{
    return from_equation(out, context, equation, SIZE_MAX, NULL, err);
}

int einjit_graph_from_equation_ranks(einjit_graph **out, einjit_context *context, const char *equation, size_t n,
                                     const int32_t *ranks, einjit_error *err)
{
    return from_equation(out, context, equation, n == SIZE_MAX ? n - 1 : n, ranks, err);
}

void einjit_graph_destroy(einjit_graph *graph)
{
    if (!graph) return;
    ej_graph_free(&graph->graph);
    destroy_handle(graph);
}

int einjit_graph_freeze(einjit_graph *graph, einjit_error *err)
{
    if (!graph) return ej_fail(err, EINJIT_E_INVALID, "graph is NULL");
    return ej_program_freeze(graph, err);
}

/* ---- look ---- */

int einjit_graph_print(const einjit_graph *graph, char *buffer, size_t capacity, size_t *needed, einjit_error *err)
{
    if (!graph) return ej_fail(err, EINJIT_E_INVALID, "graph is NULL");
    if (!buffer && capacity) return ej_fail(err, EINJIT_E_INVALID, "buffer is NULL");
    ej_arena scratch;
    ej_text text;
    ej_arena_init(&scratch, &graph->context->allocator);
    ej_text_init(&text, &scratch);
    ej_graph_print(&text, &graph->graph);
    int status = ej_text_hand_over(&text, buffer, capacity, needed, err);
    ej_arena_free(&scratch);
    return status;
}

int einjit_graph_verify(const einjit_graph *graph, einjit_error *err)
{
    if (!graph) return ej_fail(err, EINJIT_E_INVALID, "graph is NULL");
    return ej_graph_verify(&graph->graph, err);
}

size_t einjit_graph_input_count(const einjit_graph *graph)
{
    return graph ? graph->graph.n_inputs : 0;
}

size_t einjit_graph_output_count(const einjit_graph *graph)
{
    return graph ? graph->graph.n_outputs : 0;
}

size_t einjit_graph_node_count(const einjit_graph *graph)
{
    return graph ? graph->graph.n_nodes : 0;
}

const char *einjit_graph_input_name(const einjit_graph *graph, size_t i)
{
    if (!graph || i >= graph->graph.n_inputs) return NULL;
    return graph->graph.nodes[graph->graph.inputs[i]].name;
}

/* ---- passes ---- */

int ej_optimize_check(const einjit_graph *graph, einjit_error *err)
{
    if (!graph) return ej_fail(err, EINJIT_E_INVALID, "graph is NULL");
    if (atomic_load_explicit(&graph->frozen, memory_order_acquire))
        return ej_fail(err, EINJIT_E_FROZEN, "the graph is frozen: it was compiled, or frozen by the caller");
    if (graph->graph.failed)
        return ej_fail(err, graph->graph.failed, "an earlier call on this graph failed with %s",
                       einjit_status_name(graph->graph.failed));
    return EINJIT_OK;
}

ej_job ej_optimize_job(const einjit_graph *graph, ej_arena *arena, einjit_error *err)
{
    einjit_context *context = graph->context;
    return (ej_job){.arena = arena,
                    .err = err,
                    .allocator = &context->allocator,
                    .target = context->target,
                    .progress = ej_progress_new(context, arena),
                    .rule_limit = ej_rule_limit_of(context),
                    .evaluator = &ej_interpreting_evaluator,
                    .verify = context->verify,
                    .path_strategy = context->strict ? "written" : NULL,
                    .strict = context->strict,
                    .ordered = context->strict};
}

int einjit_optimize(einjit_graph *graph, const char *passes, einjit_error *err)
{
    EJ_TRY(ej_optimize_check(graph, err));
    ej_arena scratch;
    ej_arena_init(&scratch, &graph->context->allocator);
    ej_job job = ej_optimize_job(graph, &scratch, err);
    int status = ej_opt_run(&graph->graph, passes, &job);
    ej_arena_free(&scratch);
    return status;
}
