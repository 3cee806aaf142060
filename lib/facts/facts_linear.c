/* facts_linear.c - the linear structure of every operation, in one place.
 *
 * Takes  a node.
 * Gives  in which operands it is linear, with which powers, for which factors, and what becomes of a factor in the
 *        result.
 * Keeps  "not linear" for everything that is not listed, so that a new operation is correct before it has a row.
 * Not here: dtypes, magnitudes, profitability (opt_scalar*.c). Only floating values have factors at all.
 */
#include <math.h>

#include "facts_linear.h"

static ej_linear not_linear(void)
{
    return (ej_linear){.kind = EJ_LINEAR_NOT};
}

static ej_linear each(uint32_t first, uint32_t n, int power, int behind)
{
    return (ej_linear){.kind = EJ_LINEAR_EACH, .first = first, .n = n, .power = {power, behind}};
}

/* Linear in the first n operands; the others contribute their shape and dtype only. */
static ej_linear beside_likes(ej_linear linear)
{
    linear.likes = true;
    return linear;
}

static ej_linear with_zeros(ej_linear linear)
{
    linear.zeros = true;
    return linear;
}

static ej_linear joint(uint32_t first, uint32_t n)
{
    return (ej_linear){.kind = EJ_LINEAR_JOINT, .first = first, .n = n};
}

static ej_linear for_factors(ej_linear linear, uint8_t takes)
{
    linear.takes = takes;
    return linear;
}

static ej_linear behind_it(ej_linear linear, uint8_t gives)
{
    linear.gives = gives;
    return linear;
}

/* A product or a quotient of numbers, nothing added up. */
static ej_linear of_signs(ej_linear linear)
{
    linear.signs = EJ_ZEROS_PRODUCT;
    return linear;
}

static ej_linear moving(ej_linear linear)
{
    linear.signs = EJ_ZEROS_MOVE;
    return linear;
}

/* Positive factors only; negative ones through the counterpart. */
static ej_linear flipping(ej_linear linear, uint8_t flipped)
{
    linear = for_factors(linear, EJ_TAKES_POSITIVE);
    linear.flips = true;
    linear.flipped = flipped;
    return linear;
}

static ej_linear sum_or_difference(uint8_t flipped)
{
    ej_linear linear = joint(0, 2);
    linear.subtracts = true;
    linear.flipped = flipped;
    return linear;
}

/* x**n for a small whole number n of the program. */
static ej_linear of_pow(const ej_graph *graph, const ej_node *node)
{
    enum { MOST = 8 };
    const ej_node *exponent = &graph->nodes[node->in[1]];
    if (exponent->op != EJ_OP_SCALAR || exponent->fn == EJ_KIND_BOOL || exponent->fn == EJ_KIND_COMPLEX)
        return not_linear();
    double n = exponent->fn == EJ_KIND_INT ? (double)exponent->integer : exponent->re;
    if (!(fabs(n) >= 1 && fabs(n) <= MOST) || floor(n) != n) return not_linear();
    return of_signs(each(0, 1, (int)n, 0));
}

static ej_linear of_map(const ej_graph *graph, const ej_node *node)
{
    switch (node->fn) {
    case EJ_FN_NEG: return of_signs(each(0, 1, 1, 0));
    case EJ_FN_MUL: return of_signs(each(0, 2, 1, 1));
    case EJ_FN_DIV: return of_signs(each(0, 2, 1, EJ_BROKEN(LINEAR_DENOMINATOR) ? 1 : -1));
    case EJ_FN_RECIPROCAL: return of_signs(each(0, 1, -1, 0));
    case EJ_FN_SQUARE: return of_signs(each(0, 1, EJ_BROKEN(LINEAR_SQUARE) ? 1 : 2, 0));
    case EJ_FN_POW: return of_pow(graph, node);
    case EJ_FN_ABS: return behind_it(of_signs(each(0, 1, 1, 0)), EJ_BROKEN(LINEAR_ABS) ? EJ_GIVES_SAME : EJ_GIVES_ABS);
    case EJ_FN_CONJ: return behind_it(each(0, 1, 1, 0), EJ_BROKEN(LINEAR_CONJ) ? EJ_GIVES_SAME : EJ_GIVES_CONJ);
    case EJ_FN_REAL:
    case EJ_FN_IMAG: return for_factors(each(0, 1, 1, 0), EJ_TAKES_REAL);
    case EJ_FN_RELU: return for_factors(each(0, 1, 1, 0), EJ_BROKEN(LINEAR_RELU) ? EJ_TAKES_REAL : EJ_TAKES_POSITIVE);
    case EJ_FN_SIGN: return behind_it(for_factors(each(0, 1, 1, 0), EJ_TAKES_POSITIVE), EJ_GIVES_NOTHING);
    case EJ_FN_ADD: return sum_or_difference(EJ_FN_SUB);
    case EJ_FN_SUB: return sum_or_difference(EJ_FN_ADD);
    case EJ_FN_MAXIMUM: return flipping(joint(0, 2), EJ_BROKEN(LINEAR_FLIP) ? EJ_FN_MAXIMUM : EJ_FN_MINIMUM);
    case EJ_FN_MINIMUM: return flipping(joint(0, 2), EJ_BROKEN(LINEAR_FLIP) ? EJ_FN_MINIMUM : EJ_FN_MAXIMUM);
    case EJ_FN_WHERE: return moving(joint(1, 2));
    default: return not_linear();
    }
}

bool ej_facts_sums(const ej_equation *equation)
{
    for (uint32_t t = 0; t < equation->n_terms; t++)
        for (uint32_t i = 0; i < equation->terms[t].n; i++)
            if (!ej_term_has(&equation->out, equation->terms[t].labels[i])) return true;
    return false;
}

/* Products are linear in each operand, sums in all operands together; max and min commute with positive factors. */
static ej_linear of_einsum(const ej_node *node)
{
    ej_linear linear = node->combine == EINJIT_COMBINE_MUL ? each(0, node->n_in, 1, 1) : joint(0, node->n_in);
    switch (node->fn) {
    case EINJIT_REDUCE_SUM:
        return linear.kind == EJ_LINEAR_EACH && !ej_facts_sums(node->equation) ? of_signs(linear) : linear;
    case EINJIT_REDUCE_MAX: return flipping(linear, EINJIT_REDUCE_MIN);
    case EINJIT_REDUCE_MIN: return flipping(linear, EINJIT_REDUCE_MAX);
    default: return not_linear();
    }
}

static ej_linear of_reduce(const ej_node *node)
{
    switch (node->fn) {
    case EINJIT_REDUCE_SUM:
    case EINJIT_REDUCE_MEAN: return each(0, 1, 1, 0);
    case EINJIT_REDUCE_MAX:
        return flipping(each(0, 1, 1, 0), EJ_BROKEN(LINEAR_FLIP) ? EINJIT_REDUCE_MAX : EINJIT_REDUCE_MIN);
    case EINJIT_REDUCE_MIN:
        return flipping(each(0, 1, 1, 0), EJ_BROKEN(LINEAR_FLIP) ? EINJIT_REDUCE_MIN : EINJIT_REDUCE_MAX);
    default: return not_linear();
    }
}

ej_linear ej_facts_linear(const ej_graph *graph, const ej_node *node)
{
    switch (node->op) {
    case EJ_OP_MAP: return of_map(graph, node);
    case EJ_OP_EINSUM: return of_einsum(node);
    case EJ_OP_REDUCE: return of_reduce(node);
    case EJ_OP_MATMUL:
    case EJ_OP_TENSORDOT: return each(0, 2, 1, 1);
    case EJ_OP_CAST: /* to wider ones: opt_scalar_push.c */
    case EJ_OP_PERMUTE:
    case EJ_OP_TRANSPOSE:
    case EJ_OP_RESHAPE:
    case EJ_OP_EXPAND:
    case EJ_OP_UNSQUEEZE:
    case EJ_OP_SQUEEZE:
    case EJ_OP_FLATTEN:
    case EJ_OP_SLICE:
    case EJ_OP_INDEX_SELECT: return moving(each(0, 1, 1, 0));
    case EJ_OP_INDEX_ADD: return with_zeros(each(1, 1, 1, 0));
    case EJ_OP_DIAG_EMBED: return with_zeros(each(0, 1, 1, 0));
    case EJ_OP_SUM_TO_SIZE: return beside_likes(each(0, 1, 1, 0));
    case EJ_OP_EXPAND_AS:
    case EJ_OP_RESHAPE_AS:
    case EJ_OP_SPLIT_AS: return beside_likes(moving(each(0, 1, 1, 0)));
    case EJ_OP_ZEROS_LIKE: return beside_likes(each(0, 0, 1, 0));
    case EJ_OP_SLICE_SCATTER: return moving(joint(0, 2));
    case EJ_OP_CAT:
    case EJ_OP_STACK: return moving(joint(0, node->n_in));
    default: return not_linear();
    }
}
