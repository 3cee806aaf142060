/* oracle_fn.c - the pointwise functions with running error bounds. */
#include <math.h>

#include "oracle.h"

long double oracle_unit(int dtype)
{
    int real = ej_dtypes[dtype].real;
    return real == EINJIT_F16    ? 0x1p-11L
           : real == EINJIT_BF16 ? 0x1p-8L
           : real == EINJIT_F32  ? 0x1p-24L
           : real == EINJIT_F64  ? 0x1p-53L
                                 : 0;
}

bool oracle_is_narrow(int dtype)
{
    return dtype == EINJIT_F16 || dtype == EINJIT_BF16;
}

bool oracle_is_short(int dtype)
{
    return dtype == EINJIT_I8 || dtype == EINJIT_U8 || dtype == EINJIT_I16;
}

int oracle_wide(int dtype)
{
    return oracle_is_narrow(dtype) ? EINJIT_F32 : oracle_is_short(dtype) ? EINJIT_I32 : dtype;
}

/* The largest finite number and the smallest normal one of a dtype's real part. */
static long double dtype_max(int dtype)
{
    int real = ej_dtypes[dtype].real;
    return real == EINJIT_F16    ? 65504
           : real == EINJIT_BF16 ? 0x1.fep127L
           : real == EINJIT_F32  ? 0x1.fffffep127L
                                 : 0x1.fffffffffffffp1023L;
}
static long double dtype_tiny(int dtype)
{
    int real = ej_dtypes[dtype].real;
    return real == EINJIT_F16 ? 0x1p-14L : real == EINJIT_F32 || real == EINJIT_BF16 ? 0x1p-126L : 0x1p-1022L;
}
/* What a number below that may be off by. The narrow dtypes have all subnormal numbers. */
static long double dtype_lost(int dtype)
{
    return oracle_is_narrow(dtype) ? 4 * dtype_tiny(dtype) * oracle_unit(dtype) : dtype_tiny(dtype);
}

static long double overflowed(long double x, int dtype)
{
    return fabsl(x) > dtype_max(dtype) ? copysignl(INFINITY, x) : x;
}

oracle_element oracle_rounded(int dtype, oracle_element a)
{
    int kind = ej_dtypes[dtype].kind;
    if (kind == EJ_KIND_BOOL) a.i = a.i != 0;
    if (dtype == EINJIT_I32) a.i = (int32_t)(uint32_t)(uint64_t)a.i;
    if (dtype == EINJIT_I16) a.i = (int16_t)(uint16_t)(uint64_t)a.i;
    if (dtype == EINJIT_I8) a.i = (int8_t)(uint8_t)(uint64_t)a.i;
    if (dtype == EINJIT_U8) a.i = (uint8_t)(uint64_t)a.i;
    if (kind < EJ_KIND_FLOAT) return a;
    long double size = hypotl(a.re, a.im);
    /* near the overflow threshold rounding may go either way */
    long double reach = dtype == EINJIT_F16 && a.mass > size ? a.mass : size; /* in another order */
    if (isfinite(size) && reach + a.err > 0.999L * dtype_max(dtype)) a.err = INFINITY;
    a.re = overflowed(a.re, dtype);
    a.im = overflowed(a.im, dtype);
    if (isfinite(size)) a.err += size * oracle_unit(dtype) + (size < dtype_tiny(dtype) ? dtype_lost(dtype) : 0);
    return a;
}

static oracle_element real_result(long double x, long double err)
{
    return (oracle_element){.re = x, .err = isnan(err) ? INFINITY : err};
}

static long double f_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}
static long double f_softplus(long double x)
{
    return fmaxl(x, 0) + log1pl(expl(-fabsl(x)));
}
static long double f_gelu(long double x)
{
    return x * 0.5L * erfcl(-x * sqrtl(0.5L));
}
static long double f_silu(long double x)
{
    return x / (1 + expl(-x));
}
static long double f_rsqrt(long double x)
{
    return 1 / sqrtl(x);
}
static long double f_reciprocal(long double x)
{
    return 1 / x;
}
static long double f_square(long double x)
{
    return x * x;
}
static long double f_sign(long double x)
{
    return isnan(x) ? x : (long double)((x > 0) - (x < 0));
}
static long double f_relu(long double x)
{
    return isnan(x) ? x : x > 0 ? x : 0;
}
static long double f_negate(long double x)
{
    return -x;
}
static long double f_same(long double x)
{
    return x;
}

/* Functions of one real number. `ulps`: how far a good implementation may be off, in units of u. */
static const struct {
    int fn;
    long double (*f)(long double);
    int ulps;
    bool jumps; /* piecewise constant: unsure where the bound reaches a jump */
} reals[] = {
    {EJ_FN_NEG, f_negate, 0, false},
    {EJ_FN_ABS, fabsl, 0, false},
    {EJ_FN_EXP, expl, 8, false},
    {EJ_FN_LOG, logl, 8, false},
    {EJ_FN_LOG1P, log1pl, 8, false},
    {EJ_FN_EXPM1, expm1l, 8, false},
    {EJ_FN_SQRT, sqrtl, 2, false},
    {EJ_FN_RSQRT, f_rsqrt, 8, false},
    {EJ_FN_SIN, sinl, 8, false},
    {EJ_FN_COS, cosl, 8, false},
    {EJ_FN_TAN, tanl, 10, false},
    {EJ_FN_TANH, tanhl, 10, false},
    {EJ_FN_SIGMOID, f_sigmoid, 12, false},
    {EJ_FN_RELU, f_relu, 0, false},
    {EJ_FN_GELU, f_gelu, 24, false},
    {EJ_FN_SILU, f_silu, 12, false},
    {EJ_FN_SOFTPLUS, f_softplus, 12, false},
    {EJ_FN_ERF, erfl, 10, false},
    {EJ_FN_RECIPROCAL, f_reciprocal, 2, false},
    {EJ_FN_SQUARE, f_square, 2, false},
    {EJ_FN_SIGN, f_sign, 0, true},
    {EJ_FN_FLOOR, floorl, 0, true},
    {EJ_FN_CEIL, ceill, 0, true},
    {EJ_FN_ROUND, rintl, 0, true},
    {EJ_FN_CONJ, f_same, 0, false},
    {EJ_FN_REAL, f_same, 0, false},
};

/* The image of [x - err, x + err] as far from f(x) as its ends are; both ends must be as defined as the middle. */
static oracle_element apply_real(size_t row, int dtype, oracle_element a)
{
    long double (*f)(long double) = reals[row].f;
    long double y = f(a.re), ulps = reals[row].ulps;
    /* erfc's tail: its argument is rounded */
    if (reals[row].fn == EJ_FN_GELU && isfinite(a.re)) ulps += 2 * a.re * a.re;
    if (a.err == 0 || !isfinite(a.re)) {
        oracle_element out = real_result(y, isinf(a.err) ? INFINITY : 0);
        if (a.re == 0 && isinf(y)) out.err = INFINITY; /* which zero it was depends on the order of a sum */
        if (isfinite(y)) out.err += ulps * oracle_unit(dtype) * fabsl(y);
        return out;
    }
    long double low = f(a.re - a.err), high = f(a.re + a.err);
    if (reals[row].jumps) return real_result(y, low == high ? 0 : INFINITY);
    if (isnan(y) != isnan(low) || isnan(y) != isnan(high)) return real_result(y, INFINITY);
    if (isnan(y)) return real_result(y, 0);
    long double spread = fmaxl(fabsl(low - y), fabsl(high - y));
    int fn = reals[row].fn;
    if (fn == EJ_FN_SIN || fn == EJ_FN_COS || fn == EJ_FN_ABS || fn == EJ_FN_SQUARE)
        spread = fmaxl(spread, a.err * a.err);
    if (fn == EJ_FN_SIN || fn == EJ_FN_COS) spread = fmaxl(spread, fminl(a.err, 2));
    if (fn == EJ_FN_GELU || fn == EJ_FN_SILU) spread = fmaxl(spread, 1.2L * a.err);
    if (fn == EJ_FN_TAN && a.err > 0.5L) spread = INFINITY; /* a pole or two may lie in between */
    if ((fn == EJ_FN_RECIPROCAL || fn == EJ_FN_TAN) && (low > y) == (high > y)) spread = INFINITY;
    return real_result(y, 2 * spread + ulps * oracle_unit(dtype) * fabsl(y));
}

static oracle_element complex_of(long double re, long double im, long double err)
{
    return (oracle_element){.re = re, .im = im, .err = isnan(err) ? INFINITY : err};
}

static oracle_element multiply(oracle_element a, oracle_element b, bool is_complex, int dtype)
{
    long double size_a = hypotl(a.re, a.im), size_b = hypotl(b.re, b.im);
    long double err = size_a * b.err + size_b * a.err + a.err * b.err;
    if (a.err == 0 && b.err == 0) err = 0; /* also where a factor is infinite */
    if (!is_complex) return real_result(a.re * b.re, err);
    long double bound = size_a * size_b * oracle_unit(dtype) * 4;
    if (!isfinite(bound)) /* Inf and NaN parts of complex products depend on the order of operations */
        bound = INFINITY;
    return complex_of(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re, err + bound);
}

static oracle_element divide(oracle_element a, oracle_element b, bool is_complex, int dtype)
{
    long double size_b = hypotl(b.re, b.im), size_a = hypotl(a.re, a.im);
    long double err = 0;
    if (a.err != 0 || b.err != 0)
        err = size_b > b.err ? (a.err + size_a / size_b * b.err) / (size_b - b.err) : INFINITY;
    /* dividing by zero: which zero it was depends on the order of sums */
    if (!is_complex) return real_result(a.re / b.re, b.re == 0 ? INFINITY : err);
    if (!isfinite(size_a) || !isfinite(size_b) || size_b == 0) return complex_of(NAN, NAN, INFINITY);
    long double d = size_b * size_b;
    return complex_of((a.re * b.re + a.im * b.im) / d, (a.im * b.re - a.re * b.im) / d,
                      err + 8 * oracle_unit(dtype) * size_a / size_b);
}

static oracle_element complex_fn(int fn, int dtype, oracle_element a, oracle_element b)
{
    long double u = oracle_unit(dtype), size = hypotl(a.re, a.im), grow;
    switch (fn) {
    case EJ_FN_NEG: return complex_of(-a.re, -a.im, a.err);
    case EJ_FN_CONJ: return complex_of(a.re, -a.im, a.err);
    case EJ_FN_ABS: return real_result(size, a.err + 4 * u * size);
    case EJ_FN_REAL: return real_result(a.re, a.err);
    case EJ_FN_IMAG: return real_result(a.im, a.err);
    case EJ_FN_EXP:
        grow = expl(a.re);
        if (!isfinite(grow) || !isfinite(a.im)) return complex_of(NAN, NAN, INFINITY);
        return complex_of(grow * cosl(a.im), grow * sinl(a.im), grow * (expm1l(2 * a.err) + 16 * u));
    case EJ_FN_SQUARE: return multiply(a, a, true, dtype);
    case EJ_FN_RECIPROCAL: return divide((oracle_element){.re = 1}, a, true, dtype);
    case EJ_FN_ADD: return complex_of(a.re + b.re, a.im + b.im, a.err + b.err);
    case EJ_FN_SUB: return complex_of(a.re - b.re, a.im - b.im, a.err + b.err);
    case EJ_FN_MUL: return multiply(a, b, true, dtype);
    case EJ_FN_DIV: return divide(a, b, true, dtype);
    default: return complex_of(NAN, NAN, INFINITY);
    }
}

static oracle_element truth(bool value, bool sure)
{
    return (oracle_element){.i = value, .err = sure ? 0 : INFINITY};
}

static oracle_element compare_reals(int fn, oracle_element a, oracle_element b)
{
    long double margin = a.err + b.err;
    bool exact = margin == 0 || isnan(a.re) || isnan(b.re);
    bool sure = !isinf(margin) && (exact || (isinf(a.re) && a.err == 0) || fabsl(a.re - b.re) > margin);
    switch (fn) {
    case EJ_FN_EQ: return truth(a.re == b.re, sure);
    case EJ_FN_NE: return truth(a.re != b.re, sure);
    case EJ_FN_LT: return truth(a.re < b.re, sure);
    case EJ_FN_LE: return truth(a.re <= b.re, sure);
    case EJ_FN_GT: return truth(a.re > b.re, sure);
    default: return truth(a.re >= b.re, sure);
    }
}

static oracle_element power(int dtype, oracle_element a, oracle_element b)
{
    long double y = powl(a.re, b.re), u = oracle_unit(dtype);
    if (a.re == 0 && isinf(y)) return real_result(y, INFINITY); /* which zero? */
    if (a.err == 0 && b.err == 0) return real_result(y, isfinite(y) ? 8 * u * fabsl(y) : 0);
    long double spread = 0;
    for (int corner = 0; corner < 4; corner++) {
        long double z = powl(a.re + (corner & 1 ? a.err : -a.err), b.re + (corner & 2 ? b.err : -b.err));
        if (!isfinite(z) || !isfinite(y)) return real_result(y, INFINITY);
        spread = fmaxl(spread, fabsl(z - y));
    }
    if (a.re - a.err <= 0) return real_result(y, INFINITY);
    return real_result(y, 2 * spread + 8 * u * fabsl(y));
}

/* Exact where both are: then only the addition of b rounds, which is the caller's. Else unsure where the quotient may
 * jump. */
static oracle_element remainder_of(int dtype, oracle_element a, oracle_element b)
{
    if (a.err == 0 && b.err == 0) {
        long double mod = fmodl(a.re, b.re);
        return real_result(mod != 0 && (b.re < 0) != (mod < 0) ? mod + b.re : mod, 0);
    }
    oracle_element q = divide(a, b, false, dtype);
    if (!isfinite(q.re) || !isfinite(b.re)) return real_result(q.re, INFINITY);
    q.err += 2 * oracle_unit(dtype) * fabsl(q.re);
    if (floorl(q.re - q.err) != floorl(q.re + q.err)) return real_result(0, INFINITY);
    return real_result(a.re - floorl(q.re) * b.re, a.err + fabsl(floorl(q.re)) * b.err);
}

static oracle_element real_binary(int fn, int dtype, oracle_element a, oracle_element b)
{
    oracle_element q;
    switch (fn) {
    case EJ_FN_ADD: return real_result(a.re + b.re, a.err + b.err);
    case EJ_FN_SUB: return real_result(a.re - b.re, a.err + b.err);
    case EJ_FN_MUL: return multiply(a, b, false, dtype);
    case EJ_FN_DIV: return divide(a, b, false, dtype);
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE:
        q = divide(a, b, false, dtype);
        if (!isfinite(q.re) || !isfinite(b.re)) return real_result(q.re, INFINITY);
        q.err += 2 * oracle_unit(dtype) * fabsl(q.re);
        if (floorl(q.re - q.err) != floorl(q.re + q.err) || (q.re < 0 && ceill(q.re - q.err) != ceill(q.re + q.err)))
            return real_result(floorl(q.re), INFINITY);
        return real_result(fn == EJ_FN_FLOOR_DIVIDE ? floorl(q.re) : truncl(q.re), 0);
    case EJ_FN_POW: return power(dtype, a, b);
    case EJ_FN_REMAINDER: return remainder_of(dtype, a, b);
    case EJ_FN_MAXIMUM:
    case EJ_FN_MINIMUM:
        if (isnan(a.re) || isnan(b.re))
            return real_result(NAN, fmaxl(isinf(a.err) ? INFINITY : 0, isinf(b.err) ? INFINITY : 0));
        return real_result(fn == EJ_FN_MAXIMUM ? fmaxl(a.re, b.re) : fminl(a.re, b.re), fmaxl(a.err, b.err));
    default: return compare_reals(fn, a, b);
    }
}

static int64_t integer_power(int64_t base, int64_t exponent)
{
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    uint64_t result = 1, b = (uint64_t)base;
    for (; exponent; exponent >>= 1, b *= b)
        if (exponent & 1) result *= b;
    return (int64_t)result;
}

static int64_t integer_divide(int64_t a, int64_t b, bool floor)
{
    if (!b) return 0;
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b;
    return floor && a % b && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t integer_fn(int fn, int64_t a, int64_t b)
{
    switch (fn) {
    case EJ_FN_NEG: return (int64_t)(0 - (uint64_t)a);
    case EJ_FN_ABS: return a < 0 ? (int64_t)(0 - (uint64_t)a) : a;
    case EJ_FN_RELU: return a > 0 ? a : 0;
    case EJ_FN_SQUARE: return (int64_t)((uint64_t)a * (uint64_t)a);
    case EJ_FN_SIGN: return (a > 0) - (a < 0);
    case EJ_FN_IMAG: return 0;
    case EJ_FN_LOGICAL_NOT: return !a;
    case EJ_FN_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case EJ_FN_SUB: return (int64_t)((uint64_t)a - (uint64_t)b);
    case EJ_FN_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
    case EJ_FN_FLOOR_DIVIDE: return integer_divide(a, b, true);
    case EJ_FN_TRUNC_DIVIDE: return integer_divide(a, b, false);
    case EJ_FN_POW: return integer_power(a, b);
    case EJ_FN_REMAINDER: return b ? (int64_t)((uint64_t)a - (uint64_t)integer_divide(a, b, true) * (uint64_t)b) : 0;
    case EJ_FN_BITWISE_NOT: return ~a;
    case EJ_FN_BITWISE_AND: return a & b;
    case EJ_FN_BITWISE_OR: return a | b;
    case EJ_FN_BITWISE_XOR: return a ^ b;
    case EJ_FN_MAXIMUM: return a > b ? a : b;
    case EJ_FN_MINIMUM: return a < b ? a : b;
    case EJ_FN_EQ: return a == b;
    case EJ_FN_NE: return a != b;
    case EJ_FN_LT: return a < b;
    case EJ_FN_LE: return a <= b;
    case EJ_FN_GT: return a > b;
    case EJ_FN_GE: return a >= b;
    case EJ_FN_LOGICAL_AND: return a && b;
    case EJ_FN_LOGICAL_OR: return a || b;
    default: return a; /* floor, ceil, round, conj, real */
    }
}

static oracle_element raw_fn(int fn, int dtype, oracle_element a, oracle_element b, oracle_element c)
{
    int kind = ej_dtypes[dtype].kind;
    if (fn == EJ_FN_WHERE) {
        oracle_element out = a.i ? b : c;
        if (isinf(a.err)) out.err = INFINITY;
        return out;
    }
    if (kind < EJ_KIND_FLOAT) {
        bool sure = !isinf(a.err) && !isinf(b.err);
        if (kind == EJ_KIND_BOOL && fn == EJ_FN_BITWISE_NOT) fn = EJ_FN_LOGICAL_NOT;
        return (oracle_element){.i = integer_fn(fn, a.i, b.i), .err = sure ? 0 : INFINITY};
    }
    if (kind == EJ_KIND_COMPLEX && (fn == EJ_FN_EQ || fn == EJ_FN_NE)) {
        bool sure = a.err + b.err == 0 || hypotl(a.re - b.re, a.im - b.im) > a.err + b.err;
        return truth((a.re == b.re && a.im == b.im) == (fn == EJ_FN_EQ), sure && !isinf(a.err + b.err));
    }
    if (kind == EJ_KIND_COMPLEX) return complex_fn(fn, dtype, a, b);
    if (fn == EJ_FN_IMAG) return real_result(0, 0);
    for (size_t row = 0; row < sizeof reals / sizeof *reals; row++)
        if (reals[row].fn == fn) return apply_real(row, dtype, a);
    return real_binary(fn, dtype, a, b);
}

/* Operations whose exact result is exactly representable round nothing. */
static bool is_exact(int fn)
{
    switch (fn) {
    case EJ_FN_NEG:
    case EJ_FN_ABS:
    case EJ_FN_RELU:
    case EJ_FN_SIGN:
    case EJ_FN_FLOOR:
    case EJ_FN_CEIL:
    case EJ_FN_ROUND:
    case EJ_FN_CONJ:
    case EJ_FN_REAL:
    case EJ_FN_IMAG:
    case EJ_FN_MAXIMUM:
    case EJ_FN_MINIMUM:
    case EJ_FN_WHERE:
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE: return true;
    default: return false;
    }
}

static bool on_grid(oracle_element a)
{
    return a.re * 64 == truncl(a.re * 64) && a.im * 64 == truncl(a.im * 64);
}

/* Small integers add and multiply exactly: no rounding where all are multiples of 1/64 well inside the mantissa, and so
 * are the terms that cancelled in a sum: a factor may be multiplied into each of them. */
static bool lands_exactly(int fn, int dtype, oracle_element a, oracle_element b, oracle_element out)
{
    bool product = fn == EJ_FN_MUL || fn == EJ_FN_SQUARE;
    if (out.err != 0 || (fn != EJ_FN_ADD && fn != EJ_FN_SUB && !product)) return false;
    if (product && out.mass > 0 && (!on_grid(a) || (fn == EJ_FN_MUL && !on_grid(b)))) return false;
    long double most = dtype == EINJIT_F32 || dtype == EINJIT_C64 ? 0x1p14L : 0x1p40L;
    return on_grid(out) && fabsl(out.re) < most && fabsl(out.im) < most && (!product || !(out.mass >= most));
}

long double oracle_mass(oracle_element a)
{
    long double size = hypotl(a.re, a.im);
    return a.mass > size ? a.mass : size;
}

static long double mass_of(int fn, oracle_element a, oracle_element b)
{
    switch (fn) {
    case EJ_FN_ADD:
    case EJ_FN_SUB: return oracle_mass(a) + oracle_mass(b);
    case EJ_FN_MUL: return oracle_mass(a) * oracle_mass(b);
    case EJ_FN_SQUARE: return oracle_mass(a) * oracle_mass(a);
    case EJ_FN_DIV: return oracle_mass(a) / hypotl(b.re, b.im);
    case EJ_FN_MAXIMUM:
    case EJ_FN_MINIMUM: return fmaxl(oracle_mass(a), oracle_mass(b));
    case EJ_FN_NEG:
    case EJ_FN_ABS:
    case EJ_FN_RELU:
    case EJ_FN_CONJ:
    case EJ_FN_REAL:
    case EJ_FN_IMAG: return oracle_mass(a);
    default: return 0;
    }
}

/* Of what may be taken into a sum, or out of it. */
static long double terms_of(int fn, oracle_element a, oracle_element b)
{
    switch (fn) {
    case EJ_FN_ADD:
    case EJ_FN_SUB:
    case EJ_FN_MUL:
    case EJ_FN_DIV: return a.terms + b.terms;
    case EJ_FN_NEG:
    case EJ_FN_CONJ:
    case EJ_FN_REAL:
    case EJ_FN_IMAG: return a.terms;
    default: return 0;
    }
}

/* Factors may be multiplied in elsewhere, collected or not: a rounding more, and of every term of a sum. */
static oracle_element rounded_product(int dtype, oracle_element out)
{
    if (isfinite(out.mass)) out.err += 2 * oracle_unit(dtype) * out.mass;
    return oracle_rounded(dtype, out);
}

/* A sum of products with a common factor may be computed as that factor times a sum: a rounding more. What is added to
 * a reduction may be the first of its terms, and is in the roundings of all others. */
static oracle_element rounded_sum(int dtype, oracle_element a, oracle_element b, oracle_element out)
{
    long double size = hypotl(out.re, out.im), first = a.terms * oracle_mass(b) + b.terms * oracle_mass(a);
    if (isfinite(size)) out.err += size * oracle_unit(dtype);
    if (isfinite(first)) out.err += first * oracle_unit(dtype);
    return oracle_rounded(dtype, out);
}

static bool is_whole(oracle_element a)
{
    return a.re == truncl(a.re);
}

/* A number that is exact, and that sums of so much in any order are, too. */
static bool narrows_exactly(int dtype, oracle_element out, bool whole)
{
    return out.err == 0 && whole && is_whole(out) && oracle_mass(out) * oracle_unit(dtype) <= 1;
}

/* What f32 gave, rounded once more; and factors and sums, which may be taken in elsewhere, one by one. */
static oracle_element narrowed(int fn, int dtype, oracle_element a, oracle_element b, oracle_element out)
{
    if (is_exact(fn) || narrows_exactly(dtype, out, is_whole(a) && is_whole(b))) return out;
    switch (fn) {
    case EJ_FN_MUL:
    case EJ_FN_DIV: return rounded_product(dtype, out);
    case EJ_FN_ADD:
    case EJ_FN_SUB: return rounded_sum(dtype, a, b, out);
    default: return oracle_rounded(dtype, out);
    }
}

oracle_element oracle_narrow_sum(int dtype, oracle_element out, double steps)
{
    if (ej_dtypes[dtype].kind < EJ_KIND_FLOAT) return oracle_rounded(dtype, out);
    if (narrows_exactly(dtype, out, true)) return out;
    if (isfinite(out.mass)) out.err += oracle_unit(dtype) * (long double)steps * oracle_mass(out);
    return oracle_rounded(dtype, out);
}

oracle_element oracle_fn(int fn, int dtype_in, int dtype_out, oracle_element a, oracle_element b, oracle_element c)
{
    if (oracle_is_narrow(dtype_in)) {
        oracle_element wide = oracle_fn(fn, EINJIT_F32, oracle_wide(dtype_out), a, b, c);
        return oracle_is_narrow(dtype_out) ? narrowed(fn, dtype_out, a, b, wide) : wide;
    }
    oracle_element out = raw_fn(fn, dtype_in, a, b, c);
    if (ej_dtypes[dtype_out].kind < EJ_KIND_FLOAT) return oracle_rounded(dtype_out, out);
    if (fn != EJ_FN_WHERE) out.mass = mass_of(fn, a, b);
    out.terms = terms_of(fn, a, b);
    if (is_exact(fn) && !(fn == EJ_FN_ABS && ej_dtype_is_complex(dtype_in))) return out;
    if (isinf(a.err) || isinf(b.err) || isinf(c.err)) out.err = INFINITY;
    if (ej_dtype_is_complex(dtype_in) && a.err == 0 && b.err == 0 && (fn == EJ_FN_MUL || fn == EJ_FN_SQUARE)) {
        oracle_element exact = out;
        exact.err = 0;
        if (lands_exactly(fn, dtype_out, a, b, exact)) return exact;
    }
    if (lands_exactly(fn, dtype_out, a, b, out)) return out;
    switch (fn) {
    case EJ_FN_MUL:
    case EJ_FN_DIV: return rounded_product(dtype_out, out);
    case EJ_FN_ADD:
    case EJ_FN_SUB: return rounded_sum(dtype_out, a, b, out);
    default: return oracle_rounded(dtype_out, out);
    }
}

oracle_element oracle_cast(int from, int to, oracle_element a)
{
    int kind_from = ej_dtypes[from].kind, kind_to = ej_dtypes[to].kind;
    oracle_element out = a;
    if (from == to) return a;
    if (kind_to >= EJ_KIND_FLOAT) {
        if (kind_from < EJ_KIND_FLOAT) out.re = (long double)a.i;
        if (kind_to == EJ_KIND_FLOAT) out.im = 0;
        if (isinf(a.err)) return out;
        long double size = fabsl(out.re) + fabsl(out.im);
        bool widens = kind_from >= EJ_KIND_FLOAT && oracle_unit(to) <= oracle_unit(from) && to != EINJIT_F16;
        long double whole = oracle_is_narrow(to) ? 1 / oracle_unit(to) : 0x1p24L;
        if (widens || (out.err == 0 && size < whole && size == truncl(size))) return out;
        return oracle_rounded(to, out);
    }
    if (kind_from >= EJ_KIND_FLOAT) {
        if (kind_to == EJ_KIND_BOOL) {
            bool sure = a.err == 0 || hypotl(a.re, kind_from == EJ_KIND_COMPLEX ? a.im : 0) > a.err;
            return truth(a.re != 0 || (kind_from == EJ_KIND_COMPLEX && a.im != 0), sure && !isinf(a.err));
        }
        int bits = 8 * ej_dtypes[to].bytes - (to != EINJIT_U8); /* without the sign */
        long double low = to == EINJIT_U8 ? 0 : -ldexpl(1, bits), high = ldexpl(1, bits) - 1, x = truncl(a.re);
        out = truth(false, a.err == 0 || (truncl(a.re - a.err) == x && truncl(a.re + a.err) == x));
        out.i = isnan(a.re) ? 0
                : x <= low  ? (int64_t)low
                : x >= high ? (int64_t)(UINT64_MAX >> (64 - bits))
                            : (int64_t)x;
        if (isinf(a.err)) out.err = INFINITY;
        return out;
    }
    return oracle_rounded(to, out);
}
