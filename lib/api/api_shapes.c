/* api_shapes.c - einjit_shapes_*: the shapes and dtypes of a graph's values, without running any.
 *
 * Takes  a graph, frozen or not, and tensors whose data is not looked at.
 * Gives  an object of its own memory: it outlives the graph.
 * Keeps  values that no result needs: they have shapes too, unless their operands do not fit.
 */
#include "bind_core.h"
#include "kernel.h"

typedef struct value_shape {
    int32_t dtype; /* -1: none was found */
    int32_t rank;
    int64_t *shape;
} value_shape;

struct einjit_shapes {
    einjit_context *context; /* held: the memory is its allocator's */
    ej_arena arena;
    size_t n_values, n_outputs;
    value_shape *values;
    ej_value *outputs; /* of the program */
};

static int copy_value(einjit_shapes *shapes, value_shape *to, const ej_bound_node *node, einjit_error *err)
{
    to->dtype = node->dtype;
    to->rank = node->rank;
    to->shape = EJ_NEW_ARRAY(&shapes->arena, int64_t, (size_t)node->rank);
    if (!to->shape) return ej_no_memory(err);
    for (int32_t i = 0; i < node->rank; i++) to->shape[i] = node->shape[i].n;
    return EINJIT_OK;
}

static int copy_shapes(einjit_shapes *shapes, const ej_graph *graph, const ej_bound *bound, einjit_error *err)
{
    shapes->n_values = graph->n_nodes;
    shapes->n_outputs = graph->n_outputs;
    shapes->values = EJ_NEW_ARRAY(&shapes->arena, value_shape, graph->n_nodes);
    shapes->outputs = EJ_NEW_ARRAY(&shapes->arena, ej_value, graph->n_outputs);
    if (!shapes->values || !shapes->outputs) return ej_no_memory(err);
    for (size_t v = 0; v < graph->n_nodes; v++) {
        shapes->values[v].dtype = -1;
        if (bound->of_value[v] >= 0)
            EJ_TRY(copy_value(shapes, &shapes->values[v], &bound->nodes[bound->of_value[v]], err));
    }
    for (size_t i = 0; i < graph->n_outputs; i++) shapes->outputs[i] = graph->outputs[i];
    return EINJIT_OK;
}

static int infer(einjit_shapes *shapes, const ej_graph *graph, size_t n_in, const einjit_tensor *in, einjit_error *err)
{
    ej_arena arena;
    ej_bound bound;
    ej_arena_init(&arena, &shapes->context->allocator);
    ej_job job = {
        .arena = &arena, .err = err, .allocator = &shapes->context->allocator, .target = shapes->context->target};
    int status = ej_bind_values(&bound, graph, n_in, in, &job);
    if (status == EINJIT_OK) status = copy_shapes(shapes, graph, &bound, err);
    ej_arena_free(&arena);
    return status;
}

int einjit_shapes_infer(einjit_shapes **out, einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                        einjit_error *err)
{
    if (!out || !graph || (n_in && !in))
        return ej_fail(err, EINJIT_E_INVALID, "no %s given",
                       !out     ? "place for the shapes"
                       : !graph ? "graph"
                                : "inputs");
    if (graph->graph.failed) return ej_fail(err, graph->graph.failed, "an earlier call on this graph failed");
    einjit_context *context = graph->context;
    einjit_shapes *shapes = ej_alloc(&context->allocator, sizeof *shapes);
    if (!shapes) return ej_no_memory(err);
    ej_context_retain(context);
    shapes->context = context;
    ej_arena_init(&shapes->arena, &context->allocator);
    int status = infer(shapes, &graph->graph, n_in, in, err);
    if (status == EINJIT_OK) *out = shapes;
    else einjit_shapes_destroy(shapes);
    return status;
}

void einjit_shapes_destroy(einjit_shapes *shapes)
{
    if (!shapes) return;
    einjit_context *context = shapes->context;
    ej_arena_free(&shapes->arena);
    ej_release(&context->allocator, shapes, sizeof *shapes);
    einjit_context_release(context);
}

size_t einjit_shapes_output_count(const einjit_shapes *shapes)
{
    return shapes ? shapes->n_outputs : 0;
}

int einjit_shapes_value(const einjit_shapes *shapes, einjit_value value, int *dtype, int *rank, const int64_t **shape,
                        einjit_error *err)
{
    if (!shapes) return ej_fail(err, EINJIT_E_INVALID, "no shapes given");
    if (value < 0 || (size_t)value >= shapes->n_values)
        return ej_fail(err, EINJIT_E_VALUE, "value %d of a graph that had %zu", (int)value, shapes->n_values);
    const value_shape *found = &shapes->values[value];
    if (found->dtype < 0)
        return ej_fail(err, EINJIT_E_SHAPE, "value %d has no shape: no result needs it and its operands do not fit",
                       (int)value);
    if (dtype) *dtype = found->dtype;
    if (rank) *rank = found->rank;
    if (shape) *shape = found->shape;
    return EINJIT_OK;
}

int einjit_shapes_output(const einjit_shapes *shapes, size_t i, int *dtype, int *rank, const int64_t **shape,
                         einjit_error *err)
{
    if (!shapes) return ej_fail(err, EINJIT_E_INVALID, "no shapes given");
    if (i >= shapes->n_outputs)
        return ej_fail(err, EINJIT_E_VALUE, "output %zu of a graph that has %zu", i, shapes->n_outputs);
    return einjit_shapes_value(shapes, shapes->outputs[i], dtype, rank, shape, err);
}
