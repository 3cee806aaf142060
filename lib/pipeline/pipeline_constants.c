/* pipeline_constants.c - inputs that the caller declares constant.
 *
 * Takes  a request with a list of inputs by name.
 * Gives  a hash of what they hold, for the key; and in a graph that is compiled a constant in the place of each, so
 *        that the passes compute what follows from them. What is left of them when the passes are done is the parameter
 *        again, where it is too large to be part of the code.
 * Keeps  the parameters: a run passes a tensor for each.
 */
#include <string.h>

#include "base_list.h"
#include "pipeline.h"

enum { IN_CODE_BYTES = 4096 }; /* constants of at most so many bytes become part of the kernel */

/* ---- the list ---- */

/* The input of the next name, or n_in at the end. */
static int next_input(const ej_request *r, const char **at, size_t *input, einjit_error *err)
{
    size_t length;
    const char *name = ej_list_next(at, &length);
    *input = r->n_in;
    if (!name) return EINJIT_OK;
    const ej_graph *graph = &r->graph->graph;
    ej_value v = ej_graph_find_value(graph, name, length);
    for (size_t i = 0; i < graph->n_inputs && v >= 0; i++)
        if (graph->inputs[i] == v) *input = i;
    if (*input == r->n_in)
        return ej_fail(err, EINJIT_E_NAME, "no input of the graph is called '%.*s'", length > 99 ? 99 : (int)length,
                       name);
    return EINJIT_OK;
}

/* ---- contents ---- */

static bool content_bytes(const einjit_tensor *t, size_t *out)
{
    int64_t n = (int64_t)einjit_dtype_bytes(t->dtype);
    for (int32_t axis = 0; axis < t->rank; axis++)
        if (!ej_mul_size(n, t->shape[axis], &n)) return false;
    *out = (size_t)n;
    return true;
}

/* Row-major, element by element; `at` has room for an index and starts as zeros. */
static void gather(const einjit_tensor *t, int64_t *at, unsigned char *to)
{
    size_t bytes = einjit_dtype_bytes(t->dtype);
    const unsigned char *from = t->data;
    for (int32_t axis = 0; axis >= 0; to += bytes) {
        memcpy(to, from, bytes);
        for (axis = t->rank - 1; axis >= 0; axis--) {
            from += t->strides[axis] * (int64_t)bytes;
            if (++at[axis] < t->shape[axis]) break;
            from -= t->strides[axis] * t->shape[axis] * (int64_t)bytes;
            at[axis] = 0;
        }
    }
}

/* The elements in row-major order: the caller's own memory, or a copy in the arena. */
static int contents(const void **out, size_t *n_bytes, const einjit_tensor *t, ej_arena *arena, einjit_error *err)
{
    if (!content_bytes(t, n_bytes))
        return ej_fail(err, EINJIT_E_SIZE, "a constant input whose size does not fit into 63 bits");
    *out = t->data;
    if (!*n_bytes || ej_tensor_row_major(t)) return EINJIT_OK;
    unsigned char *copy = ej_arena_new(arena, *n_bytes, 1);
    int64_t *at = EJ_NEW_ARRAY(arena, int64_t, (size_t)t->rank);
    if (!copy || !at) return ej_no_memory(err);
    gather(t, at, copy);
    *out = copy;
    return EINJIT_OK;
}

static int add_to_hash(ej_request *r, size_t input, ej_arena *arena, einjit_error *err)
{
    const einjit_tensor *t = &r->in[input];
    const void *data;
    size_t n_bytes;
    if (!t->data && !ej_tensor_empty(t))
        return ej_fail(err, EINJIT_E_INVALID,
                       "input '%s' is declared constant, but has no data: what it holds is read by the compile",
                       r->graph->graph.nodes[r->graph->graph.inputs[input]].name);
    EJ_TRY(contents(&data, &n_bytes, t, arena, err));
    ej_hash own = ej_hash_bytes(data, n_bytes);
    const uint64_t words[] = {r->constants_hash.lo, r->constants_hash.hi, own.lo, own.hi, input, n_bytes};
    r->constants_hash = ej_hash_bytes(words, sizeof words);
    return EINJIT_OK;
}

int ej_request_constants(ej_request *r, const einjit_allocator *allocator, einjit_error *err)
{
    ej_arena arena;
    const char *at = r->constants;
    int status = EINJIT_OK;
    if (!at) return EINJIT_OK;
    for (size_t input = 0; !status;) {
        status = next_input(r, &at, &input, err);
        if (status || input == r->n_in) break;
        ej_arena_init(&arena, allocator);
        status = add_to_hash(r, input, &arena, err);
        ej_arena_free(&arena);
    }
    return status;
}

/* ---- in a graph that is compiled ---- */

static int append_constant(ej_graph *graph, const einjit_tensor *t, ej_job *job, ej_value *out)
{
    ej_node node = {.op = EJ_OP_CONSTANT, .dtype = (int16_t)t->dtype, .rank = t->rank, .n_extents = (uint32_t)t->rank};
    const void *data;
    size_t n_bytes;
    EJ_TRY(contents(&data, &n_bytes, t, job->arena, job->err));
    node.extents = EJ_NEW_ARRAY(&graph->arena, ej_extent, node.n_extents);
    void *copy = ej_arena_new(&graph->arena, n_bytes ? n_bytes : 1, 1);
    if (!node.extents || !copy) return ej_no_memory(job->err);
    for (uint32_t i = 0; i < node.n_extents; i++) node.extents[i].n = t->shape[i];
    if (n_bytes) memcpy(copy, data, n_bytes);
    node.data = copy;
    return ej_graph_append(graph, &node, out, job->err);
}

/* Every value is itself, before some are replaced. */
static ej_value *identity(const ej_graph *graph, size_t n, ej_job *job)
{
    ej_value *map = EJ_JOB_ARRAY(job, ej_value, n);
    for (size_t v = 0; map && v < graph->n_nodes; v++) map[v] = (ej_value)v;
    return map;
}

int ej_constants_insert(const void ***out, ej_graph *graph, const ej_request *r, ej_job *job)
{
    const char *at = r->constants;
    size_t input;
    *out = NULL;
    if (!at) return EINJIT_OK;
    const void **data = EJ_JOB_ARRAY(job, const void *, r->n_in);
    ej_value *replace = identity(graph, graph->n_nodes + r->n_in, job), made;
    if (!data || !replace) return ej_no_memory(job->err);
    while (next_input(r, &at, &input, job->err) == EINJIT_OK && input < r->n_in) {
        if (data[input]) continue; /* named twice */
        EJ_TRY(append_constant(graph, &r->in[input], job, &made));
        replace[made] = made;
        replace[graph->inputs[input]] = made;
        data[input] = graph->nodes[made].data;
    }
    *out = data;
    return ej_graph_rewrite(graph, replace, true, job->err);
}

int ej_constants_withdraw(ej_graph *graph, const ej_request *r, const void **data, ej_job *job)
{
    bool any = false;
    if (!data) return EINJIT_OK;
    ej_value *replace = identity(graph, graph->n_nodes, job);
    if (!replace) return ej_no_memory(job->err);
    for (size_t v = 0; v < graph->n_nodes; v++) {
        const ej_node *node = &graph->nodes[v];
        if (node->op != EJ_OP_CONSTANT) continue;
        for (size_t i = 0; i < r->n_in; i++) {
            size_t n_bytes;
            if (data[i] != node->data || !content_bytes(&r->in[i], &n_bytes) || n_bytes <= IN_CODE_BYTES) continue;
            replace[v] = graph->inputs[i];
            any = true;
        }
    }
    return any ? ej_graph_rewrite(graph, replace, false, job->err) : EINJIT_OK;
}

int ej_constants_keep(einjit_kernel *kernel, const ej_request *r, einjit_error *err)
{
    const char *at = r->constants;
    size_t input = 0;
    while (at && input < r->n_in) {
        EJ_TRY(next_input(r, &at, &input, err));
        if (input < r->n_in) kernel->last_read[input] = EJ_READ_FOR_EVER;
    }
    return EINJIT_OK;
}
