/* facts_dtype.c - what is known of dtypes before any input is seen.
 *
 * Takes  a graph whose inputs may leave their dtypes open.
 * Gives  per value a dtype, or that it is floating or complex, or nothing. Never more than bind would find: a rewrite
 *        that is only right for some dtypes asks here and stays away when the answer is not clear.
 * Not here: refusals (bind).
 */
#include "facts.h"

static const ej_known_dtype unknown = {.dtype = EJ_DTYPE_UNKNOWN};

bool ej_known_inexact(ej_known_dtype known)
{
    return known.dtype == EJ_DTYPE_INEXACT ||
           (ej_dtype_valid(known.dtype) && ej_dtypes[known.dtype].kind >= EJ_KIND_FLOAT);
}

static ej_known_dtype exactly(int dtype)
{
    return (ej_known_dtype){.dtype = (int16_t)dtype};
}

static ej_known_dtype literal(uint8_t kind)
{
    static const int16_t defaults[] = {EINJIT_BOOL, EINJIT_I64, EINJIT_F64, EINJIT_C128};
    return (ej_known_dtype){.dtype = defaults[kind], .weak = true, .kind = kind};
}

static ej_known_dtype promote_strong(ej_known_dtype a, ej_known_dtype b)
{
    if (a.dtype >= 0 && b.dtype >= 0) return exactly(einjit_dtype_promote(a.dtype, b.dtype));
    if (ej_known_inexact(a) || ej_known_inexact(b)) return exactly(EJ_DTYPE_INEXACT);
    return unknown;
}

ej_known_dtype ej_known_promote(const ej_known_dtype *values, uint32_t n, const ej_value *in, ej_known_dtype *strong)
{
    int kind = -1;
    ej_known_dtype sum = {.weak = true};
    for (uint32_t i = 0; i < n; i++) {
        ej_known_dtype value = values[in[i]];
        if (!value.weak) sum = sum.weak ? value : promote_strong(sum, value);
        else if (value.kind > kind) kind = value.kind;
    }
    if (strong) *strong = sum;
    if (sum.weak) return literal(kind < 0 ? EJ_KIND_FLOAT : (uint8_t)kind);
    if (kind < 0) return sum;
    if (sum.dtype >= 0) return exactly(ej_dtype_promote_weak(sum.dtype, kind));
    return kind >= EJ_KIND_FLOAT ? exactly(EJ_DTYPE_INEXACT) : sum;
}

/* Integers and bool become f64, what is floating stays. */
static ej_known_dtype floating(ej_known_dtype known)
{
    if (known.weak) return literal(known.kind > EJ_KIND_FLOAT ? known.kind : EJ_KIND_FLOAT);
    if (ej_known_inexact(known)) return known;
    return exactly(known.dtype >= 0 ? EINJIT_F64 : EJ_DTYPE_INEXACT);
}

static ej_known_dtype real_part(ej_known_dtype known)
{
    if (known.weak && known.kind == EJ_KIND_COMPLEX) return literal(EJ_KIND_FLOAT);
    return known.dtype >= 0 && !known.weak ? exactly(ej_dtypes[known.dtype].real) : known;
}

static ej_known_dtype of_map(const ej_known_dtype *values, const ej_node *node)
{
    ej_known_dtype promoted = ej_known_promote(values, node->n_in, node->in, NULL);
    switch (ej_fns[node->fn].rule) {
    case EJ_RULE_FLOAT:
    case EJ_RULE_REALFLT: return floating(promoted);
    case EJ_RULE_REALPART: return real_part(promoted);
    case EJ_RULE_COMPARE:
    case EJ_RULE_EQUAL:
    case EJ_RULE_LOGIC: return exactly(EINJIT_BOOL);
    case EJ_RULE_SELECT: return ej_known_promote(values, 2, node->in + 1, NULL);
    default: return promoted;
    }
}

/* Sums and products of bool and integers are i64. */
static bool is_whole_sum(ej_known_dtype operand, uint8_t reduce)
{
    bool whole = !operand.weak && operand.dtype >= 0 && ej_dtypes[operand.dtype].kind <= EJ_KIND_INT;
    return whole && (reduce == EINJIT_REDUCE_SUM || reduce == EINJIT_REDUCE_PROD);
}

/* Other reductions of bool and integers have rules of their own: only what is floating is passed on. */
static ej_known_dtype of_reduction(ej_known_dtype operand, uint8_t reduce)
{
    if (reduce == EINJIT_REDUCE_OR) return exactly(EINJIT_BOOL);
    if (ej_known_inexact(operand) && !operand.weak) return operand;
    return reduce == EINJIT_REDUCE_MEAN || reduce == EINJIT_REDUCE_LOGSUMEXP ? exactly(EJ_DTYPE_INEXACT) : unknown;
}

static ej_known_dtype of_node(const ej_known_dtype *values, const ej_node *node)
{
    switch (node->op) {
    case EJ_OP_INPUT:
    case EJ_OP_CONSTANT:
    case EJ_OP_CAST: return exactly(node->dtype >= 0 ? node->dtype : EJ_DTYPE_UNKNOWN);
    case EJ_OP_SCALAR: return literal(node->fn);
    case EJ_OP_ARANGE:
    case EJ_OP_GATHER_PLACES: return exactly(EINJIT_I64);
    case EJ_OP_MAP: return of_map(values, node);
    case EJ_OP_EINSUM:
        if (node->fn == EINJIT_REDUCE_SUM) return ej_known_promote(values, node->n_in, node->in, NULL);
        return of_reduction(ej_known_promote(values, node->n_in, node->in, NULL), node->fn);
    case EJ_OP_MATMUL:
    case EJ_OP_TENSORDOT:
    case EJ_OP_CAT:
    case EJ_OP_STACK: return ej_known_promote(values, node->n_in, node->in, NULL);
    case EJ_OP_REDUCE:
        if (is_whole_sum(values[node->in[0]], node->fn)) return exactly(EINJIT_I64);
        return of_reduction(values[node->in[0]], node->fn);
    case EJ_OP_SOFTMAX:
    case EJ_OP_LAYER_NORM: return ej_known_inexact(values[node->in[0]]) ? values[node->in[0]] : unknown;
    case EJ_OP_INDEX_ADD: return values[node->in[1]];
    case EJ_OP_TYPE_AS: return exactly(values[node->in[1]].dtype);
    case EJ_OP_ZEROS_LIKE: return exactly(values[node->in[0]].dtype);
    case EJ_OP_SLICE_SCATTER: return ej_known_promote(values, 2, node->in, NULL);
    case EJ_OP_INDEX_ADD_TO: return ej_known_promote(values, 2, (const ej_value[]){node->in[0], node->in[2]}, NULL);
    default: return values[node->in[0]]; /* layout keeps the dtype; of alternatives, the first */
    }
}

/* What is computed from literals has their default dtype for good. */
ej_known_dtype ej_facts_dtype(const ej_known_dtype *values, const ej_node *node)
{
    ej_known_dtype known = of_node(values, node);
    known.weak &= node->op == EJ_OP_SCALAR;
    return known;
}

ej_known_dtype *ej_facts_dtypes(const ej_graph *graph, ej_arena *arena)
{
    ej_known_dtype *values = EJ_NEW_ARRAY(arena, ej_known_dtype, graph->n_nodes);
    if (!values) return NULL;
    for (size_t v = 0; v < graph->n_nodes; v++) values[v] = ej_facts_dtype(values, &graph->nodes[v]);
    return values;
}
