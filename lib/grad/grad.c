/* grad.c - the reverse sweep: adjoints from the results back to what is differentiated by.
 *
 * Takes  a graph, values y with their seeds, and values wrt.
 * Gives  per wrt the sum of what reaches it, as nodes behind the old ones; zeros where nothing does. The optimizer then
 *        sees forward and backward in one graph.
 * Keeps  to the part between wrt and y: an operation without a derivative is only refused where the way leads through
 *        it.
 * Size   one look at every node; a rule writes a bounded number of nodes per operand.
 * Not here: the rules (grad_map.c, grad_einsum.c, ...).
 * To add one: a function in one of these files, a line in grad_core.h, a row in the table below.
 */
#include <string.h>

#include "grad_core.h"

const ej_grad_rule ej_grad_rules[EJ_OP_COUNT] = {
    [EJ_OP_EINSUM] = ej_grad_of_einsum,
    [EJ_OP_MAP] = ej_grad_of_map,
    [EJ_OP_CAST] = ej_grad_of_same,
    [EJ_OP_REDUCE] = ej_grad_of_reduce,
    [EJ_OP_SOFTMAX] = ej_grad_of_softmax,
    [EJ_OP_LAYER_NORM] = ej_grad_of_layer_norm,
    [EJ_OP_MATMUL] = ej_grad_of_matmul,
    [EJ_OP_TENSORDOT] = ej_grad_of_tensordot,
    [EJ_OP_PERMUTE] = ej_grad_of_permute,
    [EJ_OP_TRANSPOSE] = ej_grad_of_transpose,
    [EJ_OP_RESHAPE] = ej_grad_of_reshape,
    [EJ_OP_EXPAND] = ej_grad_of_expand,
    [EJ_OP_UNSQUEEZE] = ej_grad_of_unsqueeze,
    [EJ_OP_SQUEEZE] = ej_grad_of_reshape,
    [EJ_OP_FLATTEN] = ej_grad_of_reshape,
    [EJ_OP_SLICE] = ej_grad_of_slice,
    [EJ_OP_CAT] = ej_grad_of_cat,
    [EJ_OP_STACK] = ej_grad_of_stack,
    [EJ_OP_INDEX_SELECT] = ej_grad_of_index_select,
    [EJ_OP_INDEX_ADD] = ej_grad_of_index_add,
    [EJ_OP_STRUCTURAL] = ej_grad_of_same,
    [EJ_OP_SUM_TO_SIZE] = ej_grad_of_sum_to_size,
    [EJ_OP_EXPAND_AS] = ej_grad_of_expand,
    [EJ_OP_RESHAPE_AS] = ej_grad_of_reshape,
    [EJ_OP_TYPE_AS] = ej_grad_of_same,
    [EJ_OP_DIAG_EMBED] = ej_grad_of_diag_embed,
    [EJ_OP_SLICE_SCATTER] = ej_grad_of_slice_scatter,
    [EJ_OP_SPLIT_AS] = ej_grad_of_split,
    [EJ_OP_INDEX_ADD_TO] = ej_grad_of_index_add_to,
    [EJ_OP_CHOOSE] = ej_grad_of_same, /* all ways to compute a value are one value: the first stands for them */
};

/* Whether a change of the operand changes the value: indices, conditions and what counts by its shape do not. */
static bool carries(const ej_node *node, uint32_t operand)
{
    switch (node->op) {
    case EJ_OP_MAP: return !(node->fn == EJ_FN_WHERE && !operand) && !ej_grad_map_is_flat(node->fn, operand);
    case EJ_OP_CHOOSE:
    case EJ_OP_INDEX_SELECT:
    case EJ_OP_SUM_TO_SIZE:
    case EJ_OP_EXPAND_AS:
    case EJ_OP_RESHAPE_AS:
    case EJ_OP_TYPE_AS:
    case EJ_OP_SPLIT_AS: return operand == 0;
    case EJ_OP_INDEX_ADD:
    case EJ_OP_INDEX_ADD_TO: return operand != (node->op == EJ_OP_INDEX_ADD_TO);
    case EJ_OP_ZEROS_LIKE:
    case EJ_OP_ARANGE:
    case EJ_OP_GATHER_PLACES:
    case EJ_OP_DETACH: return false;
    default: return true;
    }
}

bool ej_grad_wants(const ej_grad *g, const ej_grad_at *at, uint32_t operand)
{
    return carries(&at->node, operand) && g->wanted[at->node.in[operand]];
}

void ej_grad_fail(ej_grad *g, int status)
{
    if (!g->status) g->status = status;
}

void ej_grad_no_memory(ej_grad *g)
{
    if (!g->status) g->status = ej_no_memory(g->job->err); /* a failure before keeps its text */
}

/* ---- what cannot be done ---- */

static const char *word_of(const ej_node *node)
{
    static const char *const reductions[EINJIT_REDUCE_COUNT] = {"sum", "amax", "amin", "logsumexp",
                                                                "any", "prod", "mean"};
    if (node->op == EJ_OP_MAP) return ej_fns[node->fn].name;
    return node->op == EJ_OP_REDUCE ? reductions[node->fn] : ej_op_name(node->op);
}

/* Only what is floating or complex has a gradient; what is not known counts as that. */
static int check_dtype(ej_grad *g, ej_value v)
{
    const ej_node *node = &g->graph->nodes[v];
    int dtype = g->dtypes[v].dtype;
    if (node->op == EJ_OP_SCALAR)
        return ej_fail(g->job->err, EINJIT_E_VALUE, "'%.100s' is a literal: there is no gradient by it", node->name);
    if (!ej_dtype_valid(dtype) || ej_dtypes[dtype].kind >= EJ_KIND_FLOAT) return EINJIT_OK;
    if (node->op == EJ_OP_INPUT || node->op == EJ_OP_CONSTANT)
        return ej_fail(g->job->err, EINJIT_E_DTYPE, "there is no gradient by '%.100s': its dtype is %s", node->name,
                       einjit_dtype_name(dtype));
    return ej_fail(g->job->err, EINJIT_E_UNSUPPORTED, "'%s' (value '%.100s') has no gradient: its result is %s",
                   word_of(node), node->name, einjit_dtype_name(dtype));
}

/* The input of unknown rank that v's rank depends on; -1: none. */
static ej_value find_culprit(ej_grad *g, ej_value v)
{
    bool *seen = EJ_JOB_ARRAY(g->job, bool, g->n_old);
    if (!seen) {
        ej_grad_no_memory(g);
        return -1;
    }
    seen[v] = true;
    for (ej_value u = v; u >= 0; u--) {
        const ej_node *node = &g->graph->nodes[u];
        if (!seen[u] || g->shapes->of[u].rank >= 0) continue;
        if (node->op == EJ_OP_INPUT) return u;
        for (uint32_t i = 0; i < node->n_in; i++) seen[node->in[i]] = true;
    }
    return -1;
}

int32_t ej_grad_rank(ej_grad *g, ej_value v)
{
    if (g->status) return -1;
    if (g->shapes->of[v].rank >= 0) return g->shapes->of[v].rank;
    ej_value input = find_culprit(g, v);
    if (input >= 0)
        ej_grad_fail(g, ej_fail(g->job->err, EINJIT_E_RANK, "the gradient needs the rank of '%.100s'",
                                g->graph->nodes[input].name));
    else
        ej_grad_fail(g, ej_fail(g->job->err, EINJIT_E_RANK,
                                "the gradient needs the rank of '%.100s', which depends on extents",
                                g->graph->nodes[v].name));
    return -1;
}

/* ---- adjoints ---- */

static void add_to_adjoint(ej_grad *g, ej_value v, ej_value share)
{
    share = ej_grad_cast_like(g, share, v);
    if (g->adjoint[v] >= 0) share = ej_grad_map2(g, EJ_FN_ADD, g->adjoint[v], share);
    if (!g->status) g->adjoint[v] = share;
}

void ej_grad_give_value(ej_grad *g, ej_value v, ej_value share)
{
    if (!g->status) ej_grad_fail(g, check_dtype(g, v));
    if (!g->status) add_to_adjoint(g, v, share);
}

void ej_grad_give(ej_grad *g, const ej_grad_at *at, uint32_t operand, ej_value share)
{
    ej_grad_give_value(g, at->node.in[operand], share);
}

static bool has_no_axes(ej_grad *g, ej_value y)
{
    int32_t rank = ej_grad_rank(g, y);
    if (rank > 0)
        ej_grad_fail(g, ej_fail(g->job->err, EINJIT_E_RANK, "'%.100s' has %d axes: its gradient needs a seed",
                                g->graph->nodes[y].name, (int)rank));
    return rank == 0;
}

static void seed(ej_grad *g, ej_value y, ej_value given)
{
    if (!g->status) ej_grad_fail(g, check_dtype(g, y));
    if (given >= 0) {
        int32_t have = g->shapes->of[given].rank, want = g->shapes->of[y].rank;
        if (have > want && want >= 0 && !g->status)
            ej_grad_fail(g, ej_fail(g->job->err, EINJIT_E_RANK, "the seed '%.100s' has %d axes, '%.100s' has %d",
                                    g->graph->nodes[given].name, (int)have, g->graph->nodes[y].name, (int)want));
        if (!ej_known_same_shape(&g->shapes->of[given], &g->shapes->of[y])) given = ej_grad_expand_to(g, given, y);
        add_to_adjoint(g, y, given);
    } else if (!g->status && has_no_axes(g, y)) {
        add_to_adjoint(g, y, ej_grad_number(g, 1));
    }
}

/* ---- the sweep ---- */

static int begin(ej_grad *g, ej_graph *graph, ej_job *job, size_t n_wrt, const ej_value *wrt)
{
    *g = (ej_grad){.graph = graph, .job = job, .n_old = graph->n_nodes, .cap_dtypes = graph->n_nodes};
    g->shapes = ej_facts_shapes(graph, job->arena);
    g->dtypes = ej_facts_dtypes(graph, job->arena);
    g->adjoint = EJ_JOB_ARRAY(job, ej_value, graph->n_nodes);
    g->pieces = EJ_JOB_ARRAY(job, ej_grad_piece *, graph->n_nodes);
    g->wanted = EJ_JOB_ARRAY(job, bool, graph->n_nodes);
    if (!g->shapes || !g->dtypes || !g->adjoint || !g->pieces || !g->wanted) return ej_no_memory(job->err);
    for (size_t i = 0; i < n_wrt; i++) {
        g->wanted[wrt[i]] = true;
        EJ_TRY(check_dtype(g, wrt[i]));
    }
    for (size_t v = 0; v < g->n_old; v++) {
        const ej_node *node = &graph->nodes[v];
        g->adjoint[v] = -1;
        for (uint32_t i = 0; i < node->n_in && !g->wanted[v]; i++)
            g->wanted[v] = carries(node, i) && g->wanted[node->in[i]];
    }
    return EINJIT_OK;
}

static void sweep(ej_grad *g)
{
    for (size_t v = g->n_old; v-- > 0 && !g->status;) {
        if (g->pieces[v]) ej_grad_join_pieces(g, (ej_value)v);
        ej_grad_at at = {.node = g->graph->nodes[v], .v = (ej_value)v, .g = g->adjoint[v]};
        bool any = false;
        if (g->status || at.g < 0 || !g->wanted[v]) continue; /* joining may have failed */
        for (uint32_t i = 0; i < at.node.n_in; i++) any |= ej_grad_wants(g, &at, i);
        g->status = ej_job_poll(g->job, EJ_STAGE_GRAPH, 1 - (double)v / (double)g->n_old);
        if (any && !g->status) ej_grad_rules[at.node.op](g, &at);
    }
}

static int check_values(const ej_graph *graph, const char *what, size_t n, const ej_value *values, ej_value least,
                        einjit_error *err)
{
    if (n && !values) return ej_fail(err, EINJIT_E_INVALID, "%s is NULL", what);
    for (size_t i = 0; i < n; i++)
        if (values[i] < least || (values[i] >= 0 && (size_t)values[i] >= graph->n_nodes))
            return ej_fail(err, EINJIT_E_INVALID, "%s[%zu] is value %d, but the graph has %zu values", what, i,
                           (int)values[i], graph->n_nodes);
    return EINJIT_OK;
}

/* Before the first node, so that the gradient of a value by itself is its seed. */
static int write(ej_grad *g, size_t n_y, const ej_value *y, const ej_value *seeds, size_t n_wrt, const ej_value *wrt,
                 ej_value *out)
{
    for (size_t k = 0; k < n_y; k++) seed(g, y[k], seeds ? seeds[k] : -1);
    sweep(g);
    for (size_t i = 0; i < n_wrt && !g->status; i++) {
        out[i] = g->adjoint[wrt[i]];
        if (out[i] < 0) out[i] = g->adjoint[wrt[i]] = ej_grad_unary(g, EJ_OP_ZEROS_LIKE, wrt[i]);
    }
    return g->status;
}

int ej_graph_gradient(ej_graph *graph, ej_job *job, size_t n_y, const ej_value *y, const ej_value *seeds, size_t n_wrt,
                      const ej_value *wrt, ej_value *out)
{
    ej_grad g;
    EJ_TRY(check_values(graph, "y", n_y, y, 0, job->err));
    if (seeds) EJ_TRY(check_values(graph, "seeds", n_y, seeds, INT32_MIN, job->err));
    EJ_TRY(check_values(graph, "wrt", n_wrt, wrt, 0, job->err));
    ej_value *found = EJ_JOB_ARRAY(job, ej_value, n_wrt);
    if (!found) return ej_no_memory(job->err);
    int status = begin(&g, graph, job, n_wrt, wrt);
    if (!status) status = write(&g, n_y, y, seeds, n_wrt, wrt, found);
    if (status) {
        graph->n_nodes = g.n_old;
        ej_names_renumber(graph);
        return status;
    }
    if (n_wrt) memcpy(out, found, n_wrt * sizeof *out);
    return EINJIT_OK;
}
