/* opt_canon_map.c - pointwise operations and casts that change nothing, or are said shorter.
 *
 * Takes  a form over canonical operands.
 * Gives  the same elements, bit for bit but for the payload of NaN, and for x**1, which strict compiles keep.
 * Keeps  x + 0.0, which turns -0.0 into 0.0; complex numbers times 1, where Inf makes a NaN; whatever has another dtype
 *        than the operand that would be left.
 */
#include <math.h>

#include "opt_canon.h"

static bool is_fn(const ej_canon *c, ej_value v, int fn)
{
    const ej_node *node = ej_canon_node(c, v);
    return node->op == EJ_OP_MAP && node->fn == fn;
}

static int kind_of(ej_known_dtype known)
{
    return known.dtype >= 0 && !known.weak ? ej_dtypes[known.dtype].kind : -1;
}

static bool becomes(ej_canon_form *f, ej_value v)
{
    f->same = v;
    return true;
}

/* ---- one operand ---- */

static bool is_involution(int fn)
{
    return fn == EJ_FN_NEG || fn == EJ_FN_CONJ || fn == EJ_FN_LOGICAL_NOT ||
           (EJ_BROKEN(CANON_TWICE) && fn == EJ_FN_ABS);
}

static bool rounds(int fn)
{
    return fn == EJ_FN_FLOOR || fn == EJ_FN_CEIL || fn == EJ_FN_ROUND;
}

/* Applied to its own result it changes nothing. */
static bool is_idempotent(int fn)
{
    return fn == EJ_FN_ABS || fn == EJ_FN_RELU || fn == EJ_FN_SIGN || fn == EJ_FN_REAL || rounds(fn);
}

/* It is known not to be u8, in which -5 is 251. */
static bool has_sign(ej_known_dtype known)
{
    return ej_known_inexact(known) || (known.dtype >= 0 && known.dtype != EINJIT_U8);
}

static bool unary(ej_canon *c, ej_canon_form *f)
{
    const ej_node *inner = ej_canon_node(c, f->in[0]);
    int fn = f->node.fn, kind = kind_of(ej_canon_dtype(c, f->in[0]));
    bool whole = kind == EJ_KIND_BOOL || kind == EJ_KIND_INT;
    if (rounds(fn) && whole) return becomes(f, f->in[0]);
    if ((fn == EJ_FN_CONJ || fn == EJ_FN_REAL) && (whole || kind == EJ_KIND_FLOAT)) return becomes(f, f->in[0]);
    if (inner->op != EJ_OP_MAP) return false;
    if (is_involution(fn) && inner->fn == fn) return becomes(f, ej_canon_under(c, f->in[0], 0));
    if (is_idempotent(fn) && (inner->fn == fn || (rounds(fn) && rounds(inner->fn)))) return becomes(f, f->in[0]);
    if (fn == EJ_FN_ABS && inner->fn == EJ_FN_NEG && has_sign(ej_canon_dtype(c, f->in[0]))) {
        f->in[0] = ej_canon_under(c, f->in[0], 0);
        return true;
    }
    return false;
}

/* ---- two operands ---- */

static bool is_literal(const ej_canon *c, ej_value v, double number)
{
    const ej_node *node = ej_canon_node(c, v);
    if (node->op != EJ_OP_SCALAR || node->fn == EJ_KIND_COMPLEX) return false;
    double value = node->fn == EJ_KIND_FLOAT ? node->re : (double)node->integer;
    return value == number && (number != 0 || !signbit(value) == !signbit(number));
}

/* Which operand is left of x*1, x/1, x+0, x-0: 0 or 1; -1: both. `kind`: of the result. */
static int without_neutral(const ej_canon *c, const ej_canon_form *f, int kind)
{
    const ej_value *in = f->in;
    bool whole = kind == EJ_KIND_BOOL || kind == EJ_KIND_INT, real = kind == EJ_KIND_FLOAT;
    double zero = whole ? 0.0 : -0.0;
    switch (f->node.fn) {
    case EJ_FN_MUL: return is_literal(c, in[1], 1) ? 0 : is_literal(c, in[0], 1) ? 1 : -1;
    case EJ_FN_ADD: return is_literal(c, in[1], zero) ? 0 : is_literal(c, in[0], zero) ? 1 : -1;
    case EJ_FN_SUB:
        if (EJ_BROKEN(CANON_NEUTRAL) && is_literal(c, in[0], 0)) return 1;
        return is_literal(c, in[1], 0) ? 0 : -1;
    case EJ_FN_DIV:
        if (EJ_BROKEN(CANON_NEUTRAL) && real && is_literal(c, in[0], 1)) return 1;
        return real && is_literal(c, in[1], 1) ? 0 : -1;
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE: return kind == EJ_KIND_INT && is_literal(c, in[1], 1) ? 0 : -1;
    default: return -1;
    }
}

/* The operand, where it has the dtype of the result. */
static bool becomes_operand(const ej_canon *c, ej_canon_form *f, int left)
{
    ej_known_dtype known = ej_canon_dtype(c, f->in[left]);
    return !known.weak && known.dtype == c->dtypes[f->origin].dtype && becomes(f, f->in[left]);
}

static bool drop_neutral(ej_canon *c, ej_canon_form *f)
{
    int kind = kind_of(c->dtypes[f->origin]);
    if (kind < 0 || kind == EJ_KIND_COMPLEX) return false;
    int left = without_neutral(c, f, kind);
    return left >= 0 && becomes_operand(c, f, left);
}

/* x ** 1 */
static bool drop_power(ej_canon *c, ej_canon_form *f)
{
    int kind = kind_of(c->dtypes[f->origin]);
    if (f->node.fn != EJ_FN_POW || (kind != EJ_KIND_INT && kind != EJ_KIND_FLOAT)) return false;
    if (EJ_BROKEN(CANON_POWER) && ej_canon_node(c, f->in[1])->op == EJ_OP_SCALAR) return becomes_operand(c, f, 0);
    return is_literal(c, f->in[1], 1) && becomes_operand(c, f, 0);
}

/* What v is the negative of; -1: nothing. The negative of a literal is no literal, so that one stays. */
static ej_value negated(const ej_canon *c, ej_value v)
{
    if (!is_fn(c, v, EJ_FN_NEG)) return -1;
    ej_value x = ej_canon_under(c, v, 0);
    return ej_canon_node(c, x)->op == EJ_OP_SCALAR ? -1 : x;
}

/* Floats round alike; integers wrap alike where the sum has their own dtype: -y of the least i32 is y again, and as i64
 * it would not be. */
static bool sign_is_exact(const ej_canon *c, const ej_canon_form *f, ej_value y)
{
    ej_known_dtype part = ej_canon_dtype(c, y), sum = c->dtypes[f->origin];
    return ej_known_inexact(part) || (part.dtype >= 0 && part.dtype == sum.dtype);
}

/* x + (-y) is x - y, x - (-y) is x + y, (-x) + y is y - x. */
static bool sign_to_operation(ej_canon *c, ej_canon_form *f)
{
    if (f->node.fn != EJ_FN_ADD && f->node.fn != EJ_FN_SUB) return false;
    ej_value y = negated(c, f->in[1]), x = negated(c, f->in[0]);
    if (y >= 0 && sign_is_exact(c, f, y)) {
        if (!EJ_BROKEN(CANON_SIGN)) f->node.fn = f->node.fn == EJ_FN_ADD ? EJ_FN_SUB : EJ_FN_ADD;
        f->in[1] = y;
        return true;
    }
    if (x < 0 || f->node.fn != EJ_FN_ADD || !sign_is_exact(c, f, x)) return false;
    f->node.fn = EJ_FN_SUB;
    f->in[0] = f->in[1];
    f->in[1] = x;
    return true;
}

bool ej_canon_map(ej_canon *c, ej_canon_form *f)
{
    bool two = f->node.n_in == 2;
    bool twice = f->node.n_in == 1 && EJ_ALLOWED(c->job, CANON_TWICE) && unary(c, f);
    bool neutral = two && EJ_ALLOWED(c->job, CANON_NEUTRAL) && drop_neutral(c, f);
    bool power = two && EJ_ALLOWED(c->job, CANON_POWER) && drop_power(c, f);
    bool sign = two && !neutral && EJ_ALLOWED(c->job, CANON_SIGN) && sign_to_operation(c, f);
    if (twice) ej_canon_by(f, EJ_RULE_CANON_TWICE);
    if (neutral) ej_canon_by(f, EJ_RULE_CANON_NEUTRAL);
    if (power) ej_canon_by(f, EJ_RULE_CANON_POWER);
    if (sign) ej_canon_by(f, EJ_RULE_CANON_SIGN);
    return twice || neutral || power || sign;
}

/* ---- casts ---- */

/* Every value of `from` is one of `to`. */
static bool holds(int from, int to)
{
    static const uint8_t bits[EINJIT_DTYPE_COUNT] = {
        [EINJIT_BOOL] = 1,  [EINJIT_I32] = 31, [EINJIT_I64] = 63, [EINJIT_F16] = 11,
        [EINJIT_BF16] = 8,  [EINJIT_F32] = 24, [EINJIT_F64] = 53, [EINJIT_C64] = 24,
        [EINJIT_C128] = 53, [EINJIT_I8] = 7,   [EINJIT_U8] = 8,   [EINJIT_I16] = 15};
    static const uint8_t exponent[EINJIT_DTYPE_COUNT] = {
        [EINJIT_F16] = 5, [EINJIT_BF16] = 8, [EINJIT_F32] = 8, [EINJIT_F64] = 11, [EINJIT_C64] = 8, [EINJIT_C128] = 11};
    return ej_dtypes[from].kind <= ej_dtypes[to].kind && bits[from] <= bits[to] && exponent[from] <= exponent[to] &&
           !(to == EINJIT_BOOL && from != EINJIT_BOOL) && !(to == EINJIT_U8 && from == EINJIT_I8);
}

/* Of a value of `from` that became `by`, which holds it, and then `to`: what it is as `to` at once. Integers wrap, what
 * comes from a float saturates. */
static bool ends_alike(int from, int by, int to)
{
    bool wraps = ej_dtypes[from].kind == EJ_KIND_INT && ej_dtypes[to].kind == EJ_KIND_INT;
    return !wraps || ej_dtypes[by].kind == EJ_KIND_INT || holds(from, to);
}

static bool cast(ej_canon *c, ej_canon_form *f)
{
    ej_known_dtype known = ej_canon_dtype(c, f->in[0]);
    if (!known.weak && known.dtype == f->node.dtype) return becomes(f, f->in[0]);
    if (ej_canon_node(c, f->in[0])->op != EJ_OP_CAST) return false;
    ej_value under = ej_canon_under(c, f->in[0], 0);
    ej_known_dtype first = ej_canon_dtype(c, under);
    int by = ej_canon_node(c, f->in[0])->dtype;
    bool exact =
        first.dtype >= 0 && !first.weak && holds(first.dtype, by) && ends_alike(first.dtype, by, f->node.dtype);
    if (EJ_BROKEN(CANON_CASTS) && first.dtype >= 0 && !first.weak) exact = true;
    if (!exact) return false;
    f->in[0] = under;
    return true;
}

bool ej_canon_cast(ej_canon *c, ej_canon_form *f)
{
    bool fired = EJ_ALLOWED(c->job, CANON_CASTS) && cast(c, f);
    if (fired) ej_canon_by(f, EJ_RULE_CANON_CASTS);
    return fired;
}
