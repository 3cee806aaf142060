/* bind.c - from a graph and observed tensors to a bound graph.
 *
 * Takes  a graph, the inputs, perhaps the outputs, and which symbols stay open.
 * Gives  core nodes only, for what the results need; each program value's bound node.
 * Keeps  one attempt simple: symbols that cannot stay open are closed as they are found, and the next attempt has them
 *        as numbers.
 * Size   linear in the program; at most one attempt more than there are open symbols.
 */
#include "bind_core.h"

#include <string.h>

enum { MAX_CLOSINGS = 64 }; /* then the attempt is given up: the next one will find what is left */

typedef struct bind_request {
    size_t n_in, n_out;
    const einjit_tensor *in, *outputs;
    bool all_values; /* shape inference: also what no result needs */
} bind_request;

/* ---- what is bound ---- */

/* What every binding needs: of alternatives the first, and what the guards of the others speak of. */
static bool *live_nodes(const ej_binder *b)
{
    const ej_graph *graph = b->graph;
    bool *live = EJ_NEW_ARRAY(b->arena, bool, graph->n_nodes);
    if (!live) return NULL;
    for (size_t i = 0; i < graph->n_outputs; i++) live[graph->outputs[i]] = true;
    for (size_t v = graph->n_nodes; v-- > 0;) {
        const ej_node *node = &graph->nodes[v];
        for (uint32_t i = 0; live[v] && i < node->n_in; i++)
            if (node->op != EJ_OP_CHOOSE || !i || i >= node->integer) live[node->in[i]] = true;
    }
    return live;
}

/* Name the operation, unless the program has only one. */
static void name_place(const ej_binder *b, const ej_node *node)
{
    if (!b->err || b->graph->n_nodes <= b->graph->n_inputs + 1 || b->err->code == EINJIT_E_NOMEM) return;
    if (node->written) {
        ej_fail_more(b->err, " (in %s)", node->written);
        return;
    }
    ej_fail_more(b->err, " (%s, '%.100s')", node->op == EJ_OP_MAP ? ej_fns[node->fn].name : ej_op_name(node->op),
                 node->name);
}

static int bind_node(ej_binder *b, ej_value v)
{
    const ej_node *node = &b->graph->nodes[v];
    ej_bind_operand made = {.id = -1};
    b->name = node->name;
    int status = ej_bind_operations[node->op](b, node, &made);
    if (status == EINJIT_OK) b->values[v] = made;
    else name_place(b, node);
    b->done[v] = status == EINJIT_OK;
    return status;
}

/* The first operand that v needs and that is not bound yet; -1: none. */
static int missing_operand(ej_binder *b, ej_value v, ej_value *operand)
{
    bool skip;
    for (;; b->seen[v]++) {
        EJ_TRY(ej_bind_needed(b, v, b->seen[v], operand, &skip));
        if (!skip && (*operand < 0 || !b->done[*operand])) return EINJIT_OK;
    }
}

/* What is computed in another way may have values that are too large although those of the program are not: then the
 * choose that asked for it does without. False: none on the stack did. */
static bool drop_alternative(ej_binder *b, const ej_value *stack, size_t *n)
{
    for (; *n; --*n) {
        ej_value v = stack[*n - 1];
        const ej_node *node = &b->graph->nodes[v];
        if (node->op != EJ_OP_CHOOSE || !b->seen[v] || b->seen[v] <= node->n_in - node->integer) continue;
        b->holds[v][b->seen[v] - (node->n_in - node->integer)] = false;
        return true;
    }
    return false;
}

/* v, and in front of it what it needs: alternatives of a choice wait until their guards were seen to hold. */
static int bind_needed(ej_binder *b, ej_value v)
{
    int status = EINJIT_OK;
    size_t n = 0, capacity = 0;
    ej_value *stack = NULL, operand;
    if (b->done[v]) return EINJIT_OK;
    for (operand = v; b->n_closings < MAX_CLOSINGS;) {
        if (!EJ_PUSH_ROOM(b->arena, stack, capacity, n)) return ej_no_memory(b->err);
        stack[n++] = operand;
        do {
            EJ_TRY(missing_operand(b, stack[n - 1], &operand));
            if (operand < 0) status = bind_node(b, stack[--n]);
            if (status && !(status == EINJIT_E_SIZE && drop_alternative(b, stack, &n))) return status;
            status = EINJIT_OK;
        } while (n && operand < 0 && b->n_closings < MAX_CLOSINGS);
        if (!n) return EINJIT_OK;
    }
    return EINJIT_OK;
}

/* A value that no result needs may be wrong without harm. */
static int bind_unused(ej_binder *b, ej_value v)
{
    einjit_error *err = b->err;
    ej_value operand;
    if (b->done[v]) return EINJIT_OK;
    EJ_TRY(missing_operand(b, v, &operand));
    if (operand >= 0) return EINJIT_OK;
    b->err = NULL;
    int status = bind_node(b, v);
    b->err = err;
    return status == EINJIT_E_NOMEM ? ej_no_memory(err) : EINJIT_OK;
}

/* ---- one attempt ---- */

static int bind_inputs(ej_binder *b, const bind_request *request)
{
    ej_bound *out = b->out;
    out->n_inputs = b->graph->n_inputs;
    out->inputs = EJ_NEW_ARRAY(b->arena, ej_value, out->n_inputs);
    out->input_tensors = EJ_NEW_ARRAY(b->arena, ej_bound_tensor, out->n_inputs);
    if (!out->inputs || !out->input_tensors) return ej_no_memory(b->err);
    for (size_t i = 0; i < out->n_inputs; i++) {
        ej_value v = b->graph->inputs[i];
        b->name = b->graph->nodes[v].name;
        EJ_TRY(ej_bind_input(b, i, &request->in[i], &out->inputs[i]));
        b->values[v].id = out->inputs[i];
        b->done[v] = true;
    }
    return EINJIT_OK;
}

static int bind_nodes(ej_binder *b, const bind_request *request)
{
    const ej_graph *graph = b->graph;
    bool *live = live_nodes(b);
    if (!live) return ej_no_memory(b->err);
    for (size_t v = 0; v < graph->n_nodes && b->n_closings < MAX_CLOSINGS; v++) {
        EJ_TRY(ej_job_poll(b->job, EJ_STAGE_BIND, (double)v / (double)graph->n_nodes));
        if (graph->nodes[v].op == EJ_OP_INPUT) continue;
        if (live[v]) EJ_TRY(bind_needed(b, (ej_value)v));
        else if (request->all_values) EJ_TRY(bind_unused(b, (ej_value)v));
    }
    return EINJIT_OK;
}

/* Literals were bound wherever they were used: shape inference wants one node for each. */
static int bind_literals(ej_binder *b)
{
    for (size_t v = 0; v < b->graph->n_nodes; v++) {
        ej_bind_operand *value = &b->values[v];
        if (value->id >= 0 || !value->literal) continue;
        b->name = b->graph->nodes[v].name;
        EJ_TRY(ej_bind_take_own(b, value, &value->id));
    }
    return EINJIT_OK;
}

static int attempt(ej_binder *b, const bind_request *request)
{
    size_t n = b->graph->n_nodes;
    memset(b->out, 0, sizeof *b->out);
    memcpy(b->out->drift, b->graph->drift, sizeof b->out->drift);
    ej_sizes_init(&b->out->sizes, b->arena);
    b->restart = false;
    b->n_closings = 0;
    b->values = EJ_NEW_ARRAY(b->arena, ej_bind_operand, n);
    b->seen = EJ_NEW_ARRAY(b->arena, uint32_t, n);
    b->done = EJ_NEW_ARRAY(b->arena, bool, n);
    b->holds = EJ_NEW_ARRAY(b->arena, bool *, n);
    b->out->of_value = EJ_NEW_ARRAY(b->arena, ej_value, n);
    if (!b->values || !b->seen || !b->done || !b->holds || !b->out->of_value) return ej_no_memory(b->err);
    for (size_t v = 0; v < n; v++) b->values[v].id = -1;
    EJ_TRY(ej_bind_symbols(b, request->in));
    EJ_TRY(bind_inputs(b, request));
    EJ_TRY(bind_nodes(b, request));
    if (b->restart) return EINJIT_OK;
    if (request->all_values) EJ_TRY(bind_literals(b));
    EJ_TRY(ej_bind_outputs(b, request->n_out, request->outputs));
    b->out->n_values = n;
    for (size_t v = 0; v < n; v++) b->out->of_value[v] = b->values[v].id;
    return EINJIT_OK;
}

/* ---- all attempts ---- */

static int check_counts(ej_binder *b, const bind_request *request)
{
    if (request->n_in != b->graph->n_inputs)
        return ej_fail(b->err, request->n_in ? EINJIT_E_OPERAND_COUNT : EINJIT_E_NO_OPERANDS,
                       "%zu inputs were given, the program has %zu", request->n_in, b->graph->n_inputs);
    if (request->n_out && request->n_out != b->graph->n_outputs)
        return ej_fail(b->err, EINJIT_E_OPERAND_COUNT, "%zu outputs were given, the program has %zu results",
                       request->n_out, b->graph->n_outputs);
    for (size_t i = 0; i < request->n_in; i++) EJ_TRY(ej_bind_check_input(b, i, &request->in[i]));
    return EINJIT_OK;
}

/* Sizes that no polynomial holds: with nothing open they are numbers. */
static bool close_all(ej_binder *b)
{
    bool any = false;
    for (size_t s = 0; s < b->graph->n_symbols; s++) {
        any |= b->symbols[s].open && !b->symbols[s].closed;
        b->symbols[s].closed = true;
    }
    return any;
}

static int list_closed(ej_binder *b)
{
    ej_bound *out = b->out;
    out->closed = EJ_NEW_ARRAY(b->arena, ej_closed_extent, b->graph->n_symbols);
    if (!out->closed) return ej_no_memory(b->job->err);
    for (size_t s = 0; s < b->graph->n_symbols; s++) {
        const ej_bind_symbol *symbol = &b->symbols[s];
        if (!symbol->open || !symbol->closed) continue;
        out->closed[out->n_closed++] =
            (ej_closed_extent){b->graph->symbols[s], symbol->closed_by ? symbol->closed_by : "", symbol->n};
    }
    return EINJIT_OK;
}

static int bind(ej_bound *out, const ej_graph *graph, const bind_request *request, const char *open, ej_job *job)
{
    einjit_error found = {0}; /* an attempt that closes symbols may fail for a reason that the next one does not have */
    ej_bound bound;
    ej_binder b = {.out = &bound, .graph = graph, .job = job, .arena = job->arena, .err = job->err};
    b.symbols = EJ_NEW_ARRAY(b.arena, ej_bind_symbol, graph->n_symbols);
    if (!b.symbols) return ej_no_memory(b.err);
    EJ_TRY(check_counts(&b, request));
    EJ_TRY(ej_bind_open_list(&b, open));
    int status = EINJIT_OK;
    ej_job trying = *job;
    trying.err = b.err = job->err ? &found : NULL;
    b.job = &trying;
    do {
        status = attempt(&b, request);
        if (b.out->sizes.no_memory) status = ej_no_memory(b.err);
        if (status == EINJIT_E_LIMIT && !b.restart) b.restart = close_all(&b);
    } while (b.restart && status != EINJIT_E_NOMEM); /* each closed at least one symbol */
    if (status != EINJIT_OK) {
        if (job->err) *job->err = found;
        return status;
    }
    b.job = job;
    EJ_TRY(list_closed(&b));
    *out = bound;
    return EINJIT_OK;
}

int ej_bind(ej_bound *out, const ej_graph *graph, size_t n_in, const einjit_tensor *in, size_t n_out,
            const einjit_tensor *outputs, const char *open, ej_job *job)
{
    bind_request request = {.n_in = n_in, .n_out = n_out, .in = in, .outputs = outputs};
    return bind(out, graph, &request, open, job);
}

int ej_bind_values(ej_bound *out, const ej_graph *graph, size_t n_in, const einjit_tensor *in, ej_job *job)
{
    bind_request request = {.n_in = n_in, .in = in, .all_values = true};
    return bind(out, graph, &request, NULL, job);
}
