/* grad_map.c - derivatives of the pointwise functions: one row a function, one line an operand.
 *
 * Takes  a MAP and its adjoint.
 * Gives  per operand the adjoint times the conjugate of the derivative (PyTorch's convention), summed over the axes
 *        that broadcasting had stretched.
 * Keeps  PyTorch's choices where there is no derivative: at a kink the mean of both sides (maximum, minimum) or 0 (abs,
 *        relu); where an exponent or base is 0 no NaN comes in.
 * To add one: a function here and its row.
 */
#include <math.h>

#include "grad_core.h"

#define INVERSE_SQRT_2 0.70710678118654752440
#define TWO_BY_SQRT_PI 1.12837916709551257390
#define INVERSE_SQRT_2PI 0.39894228040143267794

#define A at->node.in[0]
#define B at->node.in[1]
#define Y at->v
#define G at->g
#define RULE(name) static ej_value name(ej_grad *g, const ej_grad_at *at)

static ej_value add(ej_grad *g, ej_value a, ej_value b)
{
    return ej_grad_map2(g, EJ_FN_ADD, a, b);
}
static ej_value sub(ej_grad *g, ej_value a, ej_value b)
{
    return ej_grad_map2(g, EJ_FN_SUB, a, b);
}
static ej_value mul(ej_grad *g, ej_value a, ej_value b)
{
    return ej_grad_map2(g, EJ_FN_MUL, a, b);
}
static ej_value divide(ej_grad *g, ej_value a, ej_value b)
{
    return ej_grad_map2(g, EJ_FN_DIV, a, b);
}
static ej_value neg(ej_grad *g, ej_value a)
{
    return ej_grad_map1(g, EJ_FN_NEG, a);
}
static ej_value call(ej_grad *g, int fn, ej_value a)
{
    return ej_grad_map1(g, fn, a);
}
static ej_value num(ej_grad *g, double value)
{
    return ej_grad_number(g, value);
}
static ej_value conj_of(ej_grad *g, ej_value a)
{
    return ej_grad_conj(g, a);
}
static ej_value zero_unless(ej_grad *g, int fn, ej_value a, double bound, ej_value value)
{
    return ej_grad_where(g, ej_grad_map2(g, fn, a, num(g, bound)), value, num(g, 0));
}

/* ---- one operand ---- */

RULE(d_neg)
{
    return neg(g, G);
}
RULE(d_exp)
{
    return mul(g, G, conj_of(g, Y));
}
RULE(d_log)
{
    return divide(g, G, A);
}
RULE(d_log1p)
{
    return divide(g, G, add(g, A, num(g, 1)));
}
RULE(d_expm1)
{
    return mul(g, G, add(g, Y, num(g, 1)));
}
RULE(d_sqrt)
{
    return divide(g, G, mul(g, num(g, 2), Y));
}
RULE(d_rsqrt)
{
    return mul(g, mul(g, num(g, -0.5), G), mul(g, Y, call(g, EJ_FN_SQUARE, Y)));
}
RULE(d_sin)
{
    return mul(g, G, call(g, EJ_FN_COS, A));
}
RULE(d_cos)
{
    return neg(g, mul(g, G, call(g, EJ_FN_SIN, A)));
}
RULE(d_tan)
{
    return mul(g, G, add(g, call(g, EJ_FN_SQUARE, Y), num(g, 1)));
}
RULE(d_tanh)
{
    return mul(g, G, sub(g, num(g, 1), call(g, EJ_FN_SQUARE, Y)));
}
RULE(d_sigmoid)
{
    return mul(g, G, mul(g, Y, sub(g, num(g, 1), Y)));
}
RULE(d_relu)
{
    return zero_unless(g, EJ_FN_GT, A, 0, G);
}
RULE(d_softplus)
{
    return mul(g, G, call(g, EJ_FN_SIGMOID, A));
}
RULE(d_conj)
{
    return conj_of(g, G);
}
RULE(d_same)
{
    return g->status ? -1 : G;
}
RULE(d_square)
{
    return mul(g, G, mul(g, num(g, 2), conj_of(g, A)));
}
RULE(d_reciprocal)
{
    return neg(g, mul(g, G, conj_of(g, call(g, EJ_FN_SQUARE, Y))));
}

RULE(d_erf)
{
    ej_value bell = call(g, EJ_FN_EXP, neg(g, call(g, EJ_FN_SQUARE, A)));
    return mul(g, G, mul(g, num(g, TWO_BY_SQRT_PI), bell));
}

/* x Phi(x): Phi(x) + x phi(x). */
RULE(d_gelu)
{
    ej_value half = add(g, mul(g, num(g, 0.5), call(g, EJ_FN_ERF, mul(g, A, num(g, INVERSE_SQRT_2)))), num(g, 0.5));
    ej_value bell = call(g, EJ_FN_EXP, mul(g, num(g, -0.5), call(g, EJ_FN_SQUARE, A)));
    return mul(g, G, add(g, half, mul(g, A, mul(g, num(g, INVERSE_SQRT_2PI), bell))));
}

/* x s(x): s + x s (1 - s). */
RULE(d_silu)
{
    ej_value s = call(g, EJ_FN_SIGMOID, A);
    return mul(g, G, mul(g, s, add(g, num(g, 1), mul(g, A, sub(g, num(g, 1), s)))));
}

/* The sign; of a complex number x / |x|, and 0 at 0. */
RULE(d_abs)
{
    if (ej_grad_is_real(g, A)) return mul(g, G, call(g, EJ_FN_SIGN, A));
    ej_value zero = ej_grad_map2(g, EJ_FN_EQ, A, num(g, 0)), safe = ej_grad_where(g, zero, num(g, 1), A);
    return mul(g, G, ej_grad_where(g, zero, num(g, 0), divide(g, A, call(g, EJ_FN_ABS, safe))));
}

/* i times the adjoint; a real operand has no imaginary part, and the cast to its dtype leaves 0. */
RULE(d_imag)
{
    ej_value i = ej_grad_node(g, (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_COMPLEX, .im = 1}, 0, NULL);
    return ej_grad_is_real(g, A) ? ej_grad_unary(g, EJ_OP_ZEROS_LIKE, A) : mul(g, G, i);
}

/* ---- two operands ---- */

RULE(d_sub_b)
{
    return neg(g, G);
}
RULE(d_mul_a)
{
    return mul(g, G, conj_of(g, B));
}
RULE(d_mul_b)
{
    return mul(g, G, conj_of(g, A));
}
RULE(d_div_a)
{
    return divide(g, G, conj_of(g, B));
}
RULE(d_div_b)
{
    return neg(g, mul(g, G, conj_of(g, divide(g, Y, B))));
}

static bool is_literal(const ej_grad *g, ej_value v, double *value)
{
    const ej_node *node = &g->graph->nodes[v];
    if (node->op != EJ_OP_SCALAR || node->fn == EJ_KIND_COMPLEX) return false;
    *value = node->fn == EJ_KIND_FLOAT ? node->re : (double)node->integer;
    return true;
}

/* b a^(b - 1), and 0 where b is 0, also for a = 0. */
RULE(d_pow_a)
{
    double b;
    if (!is_literal(g, B, &b)) {
        ej_value less = sub(g, ej_grad_cast_like(g, B, Y), num(g, 1)); /* not in a narrower dtype than the power's */
        ej_value slope = mul(g, B, ej_grad_map2(g, EJ_FN_POW, A, less));
        return ej_grad_where(g, ej_grad_map2(g, EJ_FN_EQ, B, num(g, 0)), num(g, 0), mul(g, G, slope));
    }
    if (b == 0) return ej_grad_unary(g, EJ_OP_ZEROS_LIKE, A);
    if (b == 1) return G;
    ej_value power = b == 2 ? A : ej_grad_map2(g, EJ_FN_POW, A, num(g, b - 1));
    return mul(g, G, mul(g, num(g, b), power));
}

/* a^b log(a), and 0 where a is 0 and the power does not grow without bound. The logarithm in the precision of the
 * power. */
RULE(d_pow_b)
{
    double a;
    if (is_literal(g, A, &a) && a > 0) return mul(g, G, mul(g, Y, num(g, log(a))));
    ej_value flat = ej_grad_map2(g, EJ_FN_LOGICAL_AND, ej_grad_map2(g, EJ_FN_EQ, A, num(g, 0)),
                                 ej_grad_map2(g, EJ_FN_GE, B, num(g, 0)));
    ej_value base = ej_grad_cast_like(g, ej_grad_where(g, flat, num(g, 1), A), Y);
    return ej_grad_where(g, flat, num(g, 0), mul(g, G, mul(g, Y, call(g, EJ_FN_LOG, base))));
}

/* All of the adjoint where `operand` is the result, half of it where both are. */
static ej_value chosen(ej_grad *g, const ej_grad_at *at, int loses)
{
    ej_value rest = ej_grad_where(g, ej_grad_map2(g, loses, A, B), num(g, 0), G);
    return ej_grad_where(g, ej_grad_map2(g, EJ_FN_EQ, A, B), mul(g, num(g, 0.5), G), rest);
}

RULE(d_less_loses)
{
    return chosen(g, at, EJ_FN_LT);
}
RULE(d_greater_loses)
{
    return chosen(g, at, EJ_FN_GT);
}

RULE(d_remainder_b)
{
    return neg(g, mul(g, G, ej_grad_map2(g, EJ_FN_FLOOR_DIVIDE, A, B)));
}

RULE(d_where_a)
{
    return ej_grad_where(g, A, G, num(g, 0));
}
RULE(d_where_b)
{
    return ej_grad_where(g, A, num(g, 0), G);
}

/* ---- the table ---- */

typedef ej_value (*derivative)(ej_grad *g, const ej_grad_at *at);

/* What is not here has results that are no numbers, or is flat. */
static const derivative derivatives[EJ_FN_COUNT][3] = {
    [EJ_FN_NEG] = {d_neg},
    [EJ_FN_ABS] = {d_abs},
    [EJ_FN_EXP] = {d_exp},
    [EJ_FN_LOG] = {d_log},
    [EJ_FN_LOG1P] = {d_log1p},
    [EJ_FN_EXPM1] = {d_expm1},
    [EJ_FN_SQRT] = {d_sqrt},
    [EJ_FN_RSQRT] = {d_rsqrt},
    [EJ_FN_SIN] = {d_sin},
    [EJ_FN_COS] = {d_cos},
    [EJ_FN_TAN] = {d_tan},
    [EJ_FN_TANH] = {d_tanh},
    [EJ_FN_SIGMOID] = {d_sigmoid},
    [EJ_FN_RELU] = {d_relu},
    [EJ_FN_GELU] = {d_gelu},
    [EJ_FN_SILU] = {d_silu},
    [EJ_FN_SOFTPLUS] = {d_softplus},
    [EJ_FN_ERF] = {d_erf},
    [EJ_FN_RECIPROCAL] = {d_reciprocal},
    [EJ_FN_SQUARE] = {d_square},
    [EJ_FN_CONJ] = {d_conj},
    [EJ_FN_REAL] = {d_same},
    [EJ_FN_IMAG] = {d_imag},
    [EJ_FN_ADD] = {d_same, d_same},
    [EJ_FN_SUB] = {d_same, d_sub_b},
    [EJ_FN_MUL] = {d_mul_a, d_mul_b},
    [EJ_FN_DIV] = {d_div_a, d_div_b},
    [EJ_FN_POW] = {d_pow_a, d_pow_b},
    [EJ_FN_REMAINDER] = {d_same, d_remainder_b},
    [EJ_FN_MAXIMUM] = {d_less_loses, d_greater_loses},
    [EJ_FN_MINIMUM] = {d_greater_loses, d_less_loses},
    [EJ_FN_WHERE] = {NULL, d_where_a, d_where_b},
};

bool ej_grad_map_is_flat(int fn, uint32_t operand)
{
    (void)operand;
    switch (fn) {
    case EJ_FN_SIGN:
    case EJ_FN_FLOOR:
    case EJ_FN_CEIL:
    case EJ_FN_ROUND:
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE: return true;
    default: break;
    }
    int rule = ej_fns[fn].rule; /* of masks: constant but where they jump, as in PyTorch */
    return rule == EJ_RULE_COMPARE || rule == EJ_RULE_EQUAL || rule == EJ_RULE_LOGIC || rule == EJ_RULE_BITS;
}

void ej_grad_of_map(ej_grad *g, const ej_grad_at *at)
{
    for (uint32_t i = 0; i < at->node.n_in && !g->status; i++) {
        derivative rule = derivatives[at->node.fn][i];
        if (!ej_grad_wants(g, at, i)) continue;
        if (!rule) {
            ej_grad_fail(g, ej_fail(g->job->err, EINJIT_E_UNSUPPORTED, "'%s' (value '%.100s') has no gradient",
                                    ej_fns[at->node.fn].name, at->node.name));
            return;
        }
        ej_grad_give(g, at, i, ej_grad_sum_to(g, rule(g, at), at->v, at->node.in[i]));
    }
}
