/* cost_node.c - operations and bytes of bound nodes, of a whole graph, and of loops: the one counter.
 *
 * Takes  bound nodes: notation is written out, sizes are known. Or loops: how much a point, how many points.
 * Gives  the count that einjit.h defines at einjit_cost.
 * Keeps  doubles: products of extents may be infinite, but never NaN.
 * Not here: what operations and bytes are worth beside each other (cost_weight.c); which loops the steps of a plan are
 *        (plan_cost.c).
 */
#include "cost.h"

double ej_cost_points(int32_t n, const ej_size *sizes)
{
    double x = 1;
    for (int32_t i = 0; i < n; i++)
        if (!sizes[i].n) return 0;
    for (int32_t i = 0; i < n; i++) x *= (double)sizes[i].n;
    return x;
}

double ej_cost_loop(double each, double points)
{
    return each > 0 ? each * points : 0;
}

double ej_cost_elements(const ej_bound_node *node)
{
    return ej_cost_points(node->rank, node->shape);
}

double ej_cost_bytes(const ej_bound_node *node)
{
    return ej_cost_elements(node) * ej_dtypes[node->dtype].bytes;
}

/* Of the observed extents; along one value nothing is added. (ej_bound_sums asks for every extent open ones may
 * have.) */
static bool sums(const ej_bound_node *node)
{
    const ej_subscripts *s = node->subscripts;
    uint32_t wide = 0, kept = 0; /* output labels are all different */
    for (uint32_t l = 0; l < s->n_labels; l++) wide += node->label_sizes[l].n != 1;
    for (uint32_t i = 0; i < s->out.n; i++) kept += node->label_sizes[s->out.labels[i]].n != 1;
    return wide > kept;
}

static double einsum_operations(const ej_bound_node *node)
{
    return ej_cost_each(node->subscripts->n_terms, sums(node)) *
           ej_cost_points((int32_t)node->subscripts->n_labels, node->label_sizes);
}

static double reduce_operations(const ej_bound_node *node, const ej_bound_node *operand)
{
    bool any = false;
    for (uint32_t i = 0; i < node->n_dims; i++) any |= operand->shape[node->dims[i]].n != 1;
    return any ? ej_cost_elements(operand) : 0;
}

static double node_operations(const ej_bound *bound, const ej_bound_node *node)
{
    const ej_bound_node *last = node->n_in ? &bound->nodes[node->in[node->n_in - 1]] : NULL;
    switch (node->op) {
    case EJ_OP_EINSUM: return einsum_operations(node);
    case EJ_OP_MAP: return ej_cost_elements(node);
    case EJ_OP_REDUCE: return reduce_operations(node, last);
    case EJ_OP_INDEX_ADD: return ej_cost_elements(last);
    default: return 0;
    }
}

/* Elements of an einsum's operand that are read: a diagonal is one axis. At most 62 extents are not 1 where none is
 * 0. */
static double term_elements(const ej_bound_node *operand, const ej_term *term)
{
    double x = ej_cost_elements(operand);
    for (uint32_t i = 0; x > 0 && i < term->n; i++) {
        if (operand->shape[i].n == 1) continue;
        for (uint32_t k = 0; k < i; k++)
            if (term->labels[k] == term->labels[i]) {
                x /= (double)operand->shape[i].n;
                break;
            }
    }
    return x;
}

/* Literals are part of the code, and so are numbers in order. */
static double operand_elements(const ej_bound *bound, const ej_bound_node *node, uint32_t i)
{
    const ej_bound_node *operand = &bound->nodes[node->in[i]];
    if (operand->op == EJ_OP_SCALAR || operand->op == EJ_OP_ARANGE) return 0;
    return node->op == EJ_OP_EINSUM ? term_elements(operand, &node->subscripts->terms[i]) : ej_cost_elements(operand);
}

static double operand_bytes(const ej_bound *bound, const ej_bound_node *node, uint32_t i)
{
    const ej_bound_node *operand = &bound->nodes[node->in[i]];
    double elements = operand_elements(bound, node, i);
    if (operand->op == EJ_OP_EXPAND) { /* what is repeated is there once */
        const ej_bound_node *from = &bound->nodes[operand->in[0]];
        double narrow = ej_cost_elements(from);
        if (narrow < elements) elements = narrow;
    }
    return elements * ej_dtypes[operand->dtype].bytes;
}

static bool computes(const ej_bound_node *node)
{
    switch (node->op) {
    case EJ_OP_EINSUM:
    case EJ_OP_MAP:
    case EJ_OP_CAST:
    case EJ_OP_REDUCE:
    case EJ_OP_INDEX_ADD: return true;
    default: return false;
    }
}

static double node_bytes(const ej_bound *bound, const ej_bound_node *node)
{
    double bytes = ej_cost_bytes(node);
    if (!computes(node)) return 0;
    for (uint32_t i = 0; i < node->n_in; i++) bytes += operand_bytes(bound, node, i);
    return bytes;
}

ej_count ej_cost_node(const ej_bound *bound, const ej_bound_node *node)
{
    return (ej_count){node_operations(bound, node), node_bytes(bound, node)};
}

int ej_cost_graph(ej_count *out, const ej_bound *bound, ej_job *job)
{
    bool *live = EJ_JOB_ARRAY(job, bool, bound->n_nodes);
    if (!live) return ej_no_memory(job->err);
    *out = (ej_count){0};
    for (size_t o = 0; o < bound->n_outputs; o++) live[bound->outputs[o]] = true;
    for (size_t v = bound->n_nodes; v-- > 0;) {
        if (!live[v]) continue;
        /* the first way is the one as written */
        uint32_t n = bound->nodes[v].op == EJ_OP_CHOOSE ? 1 : bound->nodes[v].n_in;
        for (uint32_t i = 0; i < n; i++) live[bound->nodes[v].in[i]] = true;
        ej_count one = ej_cost_node(bound, &bound->nodes[v]);
        out->operations += one.operations;
        out->bytes += one.bytes;
    }
    return EINJIT_OK;
}

/* Through layout, cat and gathers its users read: no more than they need of it, nor than there is. */
static double read_of(const ej_bound *bound, const ej_bound_node *node, uint32_t i, double needed)
{
    double elements = operand_elements(bound, node, i);
    return computes(node) || elements < needed ? elements : needed;
}

int ej_cost_touched(double *out, const ej_bound *bound, ej_job *job)
{
    /* elements of each value that somebody reads */
    double *needed = EJ_JOB_ARRAY(job, double, bound->n_nodes), bytes = 0;
    if (!needed) return ej_no_memory(job->err);
    for (size_t o = 0; o < bound->n_outputs; o++) {
        const ej_bound_node *node = &bound->nodes[bound->outputs[o]];
        needed[bound->outputs[o]] = ej_cost_elements(node);
        bytes += ej_cost_bytes(node);
    }
    for (size_t v = bound->n_nodes; v-- > 0;) {
        const ej_bound_node *node = &bound->nodes[v];
        if (!(needed[v] > 0)) continue;
        if (node->op == EJ_OP_INPUT) bytes += needed[v] * ej_dtypes[node->dtype].bytes;
        uint32_t n = node->op == EJ_OP_CHOOSE ? 1 : node->n_in;
        for (uint32_t i = 0; i < n; i++) {
            double read = read_of(bound, node, i, needed[v]);
            if (read > needed[node->in[i]]) needed[node->in[i]] = read;
        }
    }
    *out = bytes;
    return EINJIT_OK;
}
