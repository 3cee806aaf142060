/* facts_zero.c - which values have zeros whose signs count: from the divisions backwards.
 *
 * Takes  a graph with its dtypes.
 * Gives  per value, whether a division, a reciprocal, an inverse root or a negative power can tell its 0.0 from -0.0.
 * Keeps  to the safe side: an operation that is not listed hands the sign on. Integers have one zero.
 * Size   one look at every operand, users first.
 */
#include <math.h>

#include "facts_linear.h"
#include "facts_zero.h"

static int use_of_pow(uint32_t k, double power)
{
    if (k) return EJ_ZERO_NOT_SEEN; /* x**0.0 is x**-0.0 */
    if (!(power > 0)) return EJ_ZERO_SEEN;
    return fmod(power, 2) == 0 ? EJ_ZERO_NOT_SEEN : EJ_ZERO_HANDED_ON;
}

static int use_of_map(int fn, uint32_t k, bool real, double power)
{
    switch (fn) {
    case EJ_FN_RECIPROCAL:
    case EJ_FN_RSQRT: return EJ_ZERO_SEEN;
    case EJ_FN_DIV:
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE: return k ? EJ_ZERO_SEEN : EJ_ZERO_HANDED_ON;
    case EJ_FN_POW: return use_of_pow(k, power);
    case EJ_FN_EXP:
    case EJ_FN_SQUARE: return real ? EJ_ZERO_NOT_SEEN : EJ_ZERO_HANDED_ON;
    case EJ_FN_ABS:
    case EJ_FN_LOG:
    case EJ_FN_COS:
    case EJ_FN_SIGMOID:
    case EJ_FN_SOFTPLUS:
    case EJ_FN_EQ:
    case EJ_FN_NE:
    case EJ_FN_LT:
    case EJ_FN_LE:
    case EJ_FN_GT:
    case EJ_FN_GE:
    case EJ_FN_LOGICAL_AND:
    case EJ_FN_LOGICAL_OR:
    case EJ_FN_LOGICAL_NOT: return EJ_ZERO_NOT_SEEN;
    case EJ_FN_WHERE: return k ? EJ_ZERO_HANDED_ON : EJ_ZERO_NOT_SEEN;
    default: return EJ_ZERO_HANDED_ON;
    }
}

int ej_zero_use(int op, int fn, uint32_t k, bool real, double power)
{
    if (op == EJ_OP_MAP) return use_of_map(fn, k, real, power);
    return op == EJ_OP_SOFTMAX ? EJ_ZERO_NOT_SEEN : EJ_ZERO_HANDED_ON;
}

static double literal(const ej_node *node)
{
    if (node->op != EJ_OP_SCALAR || node->fn == EJ_KIND_COMPLEX) return 0;
    return node->fn <= EJ_KIND_INT ? (double)node->integer : node->re;
}

static void look_at(const ej_graph *graph, const ej_known_dtype *dtypes, size_t v, bool *counts)
{
    const ej_node *node = &graph->nodes[v];
    const ej_linear linear = ej_facts_linear(graph, node);
    double power = node->op == EJ_OP_MAP && node->fn == EJ_FN_POW ? literal(&graph->nodes[node->in[1]]) : 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        ej_known_dtype dtype = dtypes[node->in[k]];
        int kind = dtype.dtype >= 0 && !dtype.weak ? ej_dtypes[dtype.dtype].kind : -1;
        if (ej_linear_is_like(&linear, k) || kind == EJ_KIND_BOOL || kind == EJ_KIND_INT) continue;
        int use = ej_zero_use(node->op, node->fn, k, kind == EJ_KIND_FLOAT, power);
        if (use == EJ_ZERO_SEEN || (use == EJ_ZERO_HANDED_ON && counts[v])) counts[node->in[k]] = true;
    }
}

bool *ej_facts_zeros(const ej_graph *graph, const ej_known_dtype *dtypes, ej_arena *arena)
{
    bool *counts = EJ_NEW_ARRAY(arena, bool, graph->n_nodes);
    for (size_t v = graph->n_nodes; counts && v-- > 0;) look_at(graph, dtypes, v, counts);
    return counts;
}
