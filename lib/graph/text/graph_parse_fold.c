/* graph_parse_fold.c - Python's arithmetic on the numbers of a program: 2*3 is 6 before it is combined with a tensor.
 *
 * Takes  two numbers and an operator; bool, int, float and complex as in Python, ints of 64 bits.
 * Gives  a number, or E_SIZE where Python's int would need more bits, E_VALUE where Python raises.
 * Not here: comparisons and @ (they make nodes), function calls (mul(2, 3) makes a node, so that such graphs can be
 *        printed).
 */
#include <math.h>

#include "graph_parse.h"

static ej_number integer(int64_t value)
{
    return (ej_number){.kind = EJ_KIND_INT, .integer = value};
}

static ej_number real(double value)
{
    return (ej_number){.kind = EJ_KIND_FLOAT, .re = value};
}

static double as_real(const ej_number *x)
{
    return x->kind <= EJ_KIND_INT ? (double)x->integer : x->re;
}

static int overflow(ej_parser *p, size_t offset)
{
    return EJ_PARSE_FAIL(p, offset, EINJIT_E_SIZE, "an integer that does not fit into 64 bits");
}

static int zero_division(ej_parser *p, size_t offset)
{
    return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "division of a number by zero");
}

int ej_parse_negate(ej_parser *p, ej_parsed *operand, size_t offset)
{
    ej_number *x = &operand->as.number;
    if (x->kind <= EJ_KIND_INT) {
        if (x->integer == INT64_MIN) return overflow(p, offset);
        *x = integer(-x->integer);
    } else {
        x->re = -x->re;
        x->im = x->kind == EJ_KIND_COMPLEX ? -x->im : 0;
    }
    operand->value = -1; /* no longer the number of the node it may have come from */
    operand->offset = offset;
    return EINJIT_OK;
}

/* ---- integers ---- */

static bool add_ints(int64_t a, int64_t b, int64_t *out)
{
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return false;
    *out = a + b;
    return true;
}

static bool sub_ints(int64_t a, int64_t b, int64_t *out)
{
    if (b != INT64_MIN) return add_ints(a, -b, out);
    return a < 0 && add_ints(a + 1, INT64_MAX, out);
}

static bool mul_ints(int64_t a, int64_t b, int64_t *out)
{
    if (a && b) {
        bool bad =
            a > 0 ? (b > 0 ? a > INT64_MAX / b : b < INT64_MIN / a) : (b > 0 ? a < INT64_MIN / b : b < INT64_MAX / a);
        if (bad) return false;
    }
    *out = a * b;
    return true;
}

static bool pow_ints(int64_t base, int64_t exponent, int64_t *out)
{
    int64_t result = 1;
    if (base == 0 || base == 1) exponent = exponent > 0;
    if (base == -1) exponent &= 1;
    for (; exponent > 0; exponent--) /* at most 63 times where |base| > 1 */
        if (!mul_ints(result, base, &result)) return false;
    *out = result;
    return true;
}

static int64_t floor_ints(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

static int fold_ints(ej_parser *p, uint32_t sign, size_t offset, int64_t a, int64_t b, ej_number *out)
{
    bool fits = true;
    int64_t value = 0;
    switch (sign) {
    case EJ_SIGN1('+'): fits = add_ints(a, b, &value); break;
    case EJ_SIGN1('-'): fits = sub_ints(a, b, &value); break;
    case EJ_SIGN1('*'): fits = mul_ints(a, b, &value); break;
    case EJ_SIGN2('/', '/'):
        if (!b) return zero_division(p, offset);
        fits = !(a == INT64_MIN && b == -1);
        if (fits) value = floor_ints(a, b);
        break;
    default: fits = pow_ints(a, b, &value);
    }
    if (!fits) return overflow(p, offset);
    *out = integer(value);
    return EINJIT_OK;
}

/* ---- floats ---- */

static double floor_reals(double a, double b)
{
    double rest = fmod(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return copysign(0.0, a / b);
    double result = floor(quotient);
    return quotient - result > 0.5 ? result + 1 : result;
}

static int fold_reals(ej_parser *p, uint32_t sign, size_t offset, double a, double b, ej_number *out)
{
    double value = 0;
    bool divides = sign == EJ_SIGN1('/') || sign == EJ_SIGN2('/', '/');
    if (b == 0 && divides) return zero_division(p, offset);
    switch (sign) {
    case EJ_SIGN1('+'): value = a + b; break;
    case EJ_SIGN1('-'): value = a - b; break;
    case EJ_SIGN1('*'): value = a * b; break;
    case EJ_SIGN1('/'): value = a / b; break;
    case EJ_SIGN2('/', '/'): value = floor_reals(a, b); break;
    default:
        if (a == 0 && b < 0) return zero_division(p, offset);
        if (a < 0 && isfinite(a) && isfinite(b) && floor(b) != b)
            return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "a root of a negative number: write the complex number");
        value = pow(a, b);
        if (isinf(value) && isfinite(a) && isfinite(b))
            return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "a power too large for a float");
    }
    *out = real(value);
    return EINJIT_OK;
}

/* ---- complex numbers ---- */

/* Smith's way: scaled by the larger part of b, as Python does it. */
static ej_number divide_complex(double ar, double ai, double br, double bi)
{
    ej_number q = {.kind = EJ_KIND_COMPLEX};
    if (fabs(br) >= fabs(bi)) {
        double ratio = bi / br, scale = br + bi * ratio;
        q.re = (ar + ai * ratio) / scale;
        q.im = (ai - ar * ratio) / scale;
    } else {
        double ratio = br / bi, scale = br * ratio + bi;
        q.re = (ar * ratio + ai) / scale;
        q.im = (ai * ratio - ar) / scale;
    }
    return q;
}

static int fold_complex(ej_parser *p, uint32_t sign, size_t offset, const ej_number *a, const ej_number *b,
                        ej_number *out)
{
    double ar = as_real(a), ai = a->kind == EJ_KIND_COMPLEX ? a->im : 0;
    double br = as_real(b), bi = b->kind == EJ_KIND_COMPLEX ? b->im : 0;
    *out = (ej_number){.kind = EJ_KIND_COMPLEX};
    switch (sign) {
    case EJ_SIGN1('+'):
    case EJ_SIGN1('-'):
        out->re = sign == EJ_SIGN1('+') ? ar + br : ar - br;
        out->im = sign == EJ_SIGN1('+') ? ai + bi : ai - bi;
        return EINJIT_OK;
    case EJ_SIGN1('*'):
        out->re = ar * br - ai * bi;
        out->im = ar * bi + ai * br;
        return EINJIT_OK;
    case EJ_SIGN1('/'):
        if (br == 0 && bi == 0) return zero_division(p, offset);
        *out = divide_complex(ar, ai, br, bi);
        return EINJIT_OK;
    default: return EJ_PARSE_FAIL(p, offset, EINJIT_E_VALUE, "// and ** of complex numbers: write the result");
    }
}

bool ej_parse_folds(uint32_t sign)
{
    switch (sign) {
    case EJ_SIGN1('+'):
    case EJ_SIGN1('-'):
    case EJ_SIGN1('*'):
    case EJ_SIGN1('/'):
    case EJ_SIGN2('/', '/'):
    case EJ_SIGN2('*', '*'): return true;
    default: return false;
    }
}

int ej_parse_fold(ej_parser *p, uint32_t sign, size_t offset, const ej_parsed *a, const ej_parsed *b, ej_parsed *out)
{
    const ej_number *x = &a->as.number, *y = &b->as.number;
    ej_number result;
    bool ints = x->kind <= EJ_KIND_INT && y->kind <= EJ_KIND_INT;
    bool to_float = sign == EJ_SIGN1('/') || (ints && sign == EJ_SIGN2('*', '*') && y->integer < 0);
    if (x->kind == EJ_KIND_COMPLEX || y->kind == EJ_KIND_COMPLEX) EJ_TRY(fold_complex(p, sign, offset, x, y, &result));
    else if (ints && !to_float) EJ_TRY(fold_ints(p, sign, offset, x->integer, y->integer, &result));
    else EJ_TRY(fold_reals(p, sign, offset, as_real(x), as_real(y), &result));
    *out = ej_parse_number_operand(&result, a->offset);
    return EINJIT_OK;
}
