/* nest_scalar.c - every scalar function in every dtype, one value at a time: what the functions of ops.def mean.
 *
 * Takes  values in their dtype. Gives the value the interpreter and constant folding use; machine code is held to it.
 * Floats: f32 is computed in double and rounded once, which is the correctly rounded result for + - * / and sqrt; of
 * the formulas of complex products and quotients each operation is, as machine code does it. f16 and bf16 are read,
 * written and converted, by way of f32, i8, u8 and i16 as integers; no function is of them. Integers wrap. Bool: add
 * and maximum are or, mul and minimum are and. Not here: reductions and casts of whole arrays (nest_interp.c), which
 * dtype a result has (bind_*).
 */
#include "base_narrow.h"
#include "nest.h"

#include <complex.h>
#include <math.h>
#include <string.h>

/* ---- memory ---- */

ej_scalar ej_scalar_load(int dtype, const void *at)
{
    ej_scalar v = {0};
    float f[2];
    double d[2];
    int32_t i;
    uint16_t bits;
    switch (dtype) {
    case EINJIT_BOOL: v.integer = *(const unsigned char *)at != 0; break;
    case EINJIT_I32:
        memcpy(&i, at, sizeof i);
        v.integer = i;
        break;
    case EINJIT_I64: memcpy(&v.integer, at, sizeof v.integer); break;
    case EINJIT_I16:
        memcpy(&bits, at, sizeof bits);
        v.integer = (int16_t)bits;
        break;
    case EINJIT_I8: v.integer = *(const int8_t *)at; break;
    case EINJIT_U8: v.integer = *(const uint8_t *)at; break;
    case EINJIT_F16:
    case EINJIT_BF16:
        memcpy(&bits, at, sizeof bits);
        v.re = ej_widen(dtype, bits);
        break;
    case EINJIT_F32:
        memcpy(f, at, sizeof *f);
        v.re = f[0];
        break;
    case EINJIT_F64:
        memcpy(d, at, sizeof *d);
        v.re = d[0];
        break;
    case EINJIT_C64:
        memcpy(f, at, sizeof f);
        v.re = f[0];
        v.im = f[1];
        break;
    case EINJIT_C128:
        memcpy(d, at, sizeof d);
        v.re = d[0];
        v.im = d[1];
        break;
    default: break;
    }
    return v;
}

void ej_scalar_store(int dtype, void *at, ej_scalar v)
{
    float f[2] = {(float)v.re, (float)v.im};
    double d[2] = {v.re, v.im};
    int32_t i = (int32_t)(uint32_t)(uint64_t)v.integer;
    uint16_t bits = ej_dtype_is_half(dtype) ? ej_narrow(dtype, v.re) : (uint16_t)(uint64_t)v.integer;
    switch (dtype) {
    case EINJIT_BOOL: *(unsigned char *)at = v.integer != 0; break;
    case EINJIT_I32: memcpy(at, &i, sizeof i); break;
    case EINJIT_I64: memcpy(at, &v.integer, sizeof v.integer); break;
    case EINJIT_I8:
    case EINJIT_U8: *(uint8_t *)at = (uint8_t)(uint64_t)v.integer; break;
    case EINJIT_I16:
    case EINJIT_F16:
    case EINJIT_BF16: memcpy(at, &bits, sizeof bits); break;
    case EINJIT_F32: memcpy(at, f, sizeof *f); break;
    case EINJIT_F64: memcpy(at, d, sizeof *d); break;
    case EINJIT_C64: memcpy(at, f, sizeof f); break;
    case EINJIT_C128: memcpy(at, d, sizeof d); break;
    default: break;
    }
}

/* ---- values in their dtype ---- */

static ej_scalar real_value(int dtype, double x)
{
    return (ej_scalar){.re = ej_dtype_round(dtype, x)};
}

static ej_scalar complex_value(int dtype, double re, double im)
{
    return (ej_scalar){.re = ej_dtype_round(dtype, re), .im = ej_dtype_round(dtype, im)};
}

static ej_scalar int_value(int dtype, uint64_t x)
{
    return (ej_scalar){.integer = ej_dtype_wrap(dtype, x)};
}

static ej_scalar bool_value(bool x)
{
    return (ej_scalar){.integer = x};
}

static int64_t int_from_double(int dtype, double x)
{
    int64_t lowest = ej_dtype_lowest(dtype), highest = ej_dtype_highest(dtype);
    if (isnan(x)) return 0;
    if (x >= (double)highest) return highest; /* 2^63 for i64 */
    return x <= (double)lowest ? lowest : (int64_t)x;
}

ej_scalar ej_scalar_cast(int from, int to, ej_scalar a)
{
    int kind = ej_dtypes[from].kind, want = ej_dtypes[to].kind;
    bool whole = kind == EJ_KIND_BOOL || kind == EJ_KIND_INT;
    if (want == EJ_KIND_BOOL) return bool_value(whole ? a.integer != 0 : a.re != 0 || a.im != 0);
    if (want == EJ_KIND_INT)
        return whole ? int_value(to, (uint64_t)a.integer) : (ej_scalar){.integer = int_from_double(to, a.re)};
    int real = ej_dtypes[ej_dtypes[to].computes].real;
    if (whole) /* one rounding, also for an i64 to f32 */
        a = (ej_scalar){.re = real == EINJIT_F32 ? (double)(float)a.integer : (double)a.integer};
    if (ej_dtype_is_half(to)) a.re = ej_dtype_round(EINJIT_F32, a.re);
    return want == EJ_KIND_COMPLEX ? complex_value(to, a.re, a.im) : real_value(to, a.re);
}

/* ---- integers: i32 and i64 as i64, wrapped at the end ---- */

static int64_t int_floor_divide(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t int_trunc_divide(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

/* Negative exponents: 1 / x truncated, and 0 for 0. */
static uint64_t int_pow(int64_t base, int64_t exponent)
{
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? UINT64_MAX : 1) : 0;
    uint64_t result = 1, power = (uint64_t)base;
    for (uint64_t e = (uint64_t)exponent; e; e >>= 1, power *= power)
        if (e & 1) result *= power;
    return result;
}

static ej_scalar int_fn(int fn, int dtype, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    switch (fn) {
    case EJ_FN_NEG: return int_value(dtype, 0 - x);
    case EJ_FN_ABS: return int_value(dtype, a < 0 ? 0 - x : x);
    case EJ_FN_SQUARE: return int_value(dtype, x * x);
    case EJ_FN_SIGN: return int_value(dtype, (uint64_t)((a > 0) - (a < 0)));
    case EJ_FN_RELU: return int_value(dtype, a > 0 ? x : 0);
    case EJ_FN_IMAG: return int_value(dtype, 0);
    case EJ_FN_ADD: return int_value(dtype, x + y);
    case EJ_FN_SUB: return int_value(dtype, x - y);
    case EJ_FN_MUL: return int_value(dtype, x * y);
    case EJ_FN_FLOOR_DIVIDE: return int_value(dtype, (uint64_t)int_floor_divide(a, b));
    case EJ_FN_TRUNC_DIVIDE: return int_value(dtype, (uint64_t)int_trunc_divide(a, b));
    case EJ_FN_POW: return int_value(dtype, int_pow(a, b));
    case EJ_FN_REMAINDER: return int_value(dtype, b ? x - (uint64_t)int_floor_divide(a, b) * y : 0);
    case EJ_FN_BITWISE_NOT: return int_value(dtype, ~x);
    case EJ_FN_BITWISE_AND: return int_value(dtype, x & y);
    case EJ_FN_BITWISE_OR: return int_value(dtype, x | y);
    case EJ_FN_BITWISE_XOR: return int_value(dtype, x ^ y);
    case EJ_FN_MAXIMUM: return int_value(dtype, a > b ? x : y);
    case EJ_FN_MINIMUM: return int_value(dtype, a < b ? x : y);
    default: return int_value(dtype, x); /* floor, ceil, round, conj, real */
    }
}

static ej_scalar bool_fn(int fn, bool a, bool b)
{
    switch (fn) {
    case EJ_FN_ADD:
    case EJ_FN_MAXIMUM:
    case EJ_FN_LOGICAL_OR:
    case EJ_FN_BITWISE_OR: return bool_value(a || b);
    case EJ_FN_MUL:
    case EJ_FN_MINIMUM:
    case EJ_FN_LOGICAL_AND:
    case EJ_FN_BITWISE_AND: return bool_value(a && b);
    case EJ_FN_FLOOR_DIVIDE:
    case EJ_FN_TRUNC_DIVIDE: return bool_value(a && b);
    case EJ_FN_REMAINDER: return bool_value(false);
    case EJ_FN_SUB:
    case EJ_FN_BITWISE_XOR: return bool_value(a != b);
    case EJ_FN_POW: return bool_value(a || !b);
    case EJ_FN_LOGICAL_NOT:
    case EJ_FN_BITWISE_NOT: return bool_value(!a);
    case EJ_FN_IMAG: return bool_value(false);
    default: return bool_value(a);
    }
}

/* ---- reals ---- */

static double sigmoid(double x)
{
    double e = exp(-fabs(x)); /* never overflows */
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : isnan(x) ? x : 0;
}

/* NumPy's definition, by way of the remainder, each operation rounded to the dtype. */
static double real_floor_divide(int dtype, double a, double b)
{
    if (b == 0) return ej_dtype_round(dtype, a / b);
    double mod = fmod(a, b);
    double div = ej_dtype_round(dtype, ej_dtype_round(dtype, a - mod) / b);
    if (mod != 0 && (b < 0) != (mod < 0)) div = ej_dtype_round(dtype, div - 1);
    if (div == 0) return copysign(0.0, a / b);
    double down = floor(div);
    return div - down > 0.5 ? ej_dtype_round(dtype, down + 1) : down;
}

/* Of two numbers of the dtype fmod is exact, and one of them. */
static double real_remainder(int dtype, double a, double b)
{
    double mod = fmod(a, b);
    return mod != 0 && (b < 0) != (mod < 0) ? ej_dtype_round(dtype, mod + b) : mod;
}

static double maximum(double a, double b)
{
    return isnan(a) || a > b ? a : b; /* a NaN in b is taken too: no comparison with it holds */
}

static double minimum(double a, double b)
{
    return isnan(a) || a < b ? a : b;
}

static double real_unary(int fn, double x)
{
    switch (fn) {
    case EJ_FN_NEG: return -x;
    case EJ_FN_ABS: return fabs(x);
    case EJ_FN_EXP: return exp(x);
    case EJ_FN_LOG: return log(x);
    case EJ_FN_LOG1P: return log1p(x);
    case EJ_FN_EXPM1: return expm1(x);
    case EJ_FN_SQRT: return sqrt(x);
    case EJ_FN_RSQRT: return 1 / sqrt(x);
    case EJ_FN_SIN: return sin(x);
    case EJ_FN_COS: return cos(x);
    case EJ_FN_TAN: return tan(x);
    case EJ_FN_TANH: return tanh(x);
    case EJ_FN_SIGMOID: return sigmoid(x);
    case EJ_FN_RELU: return x > 0 || isnan(x) ? x : 0;
    case EJ_FN_GELU: return 0.5 * x * erfc(-x * 0.70710678118654752440); /* 1 + erf without its cancellation */
    case EJ_FN_SILU: return x * sigmoid(x);
    case EJ_FN_SOFTPLUS: return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
    case EJ_FN_ERF: return erf(x);
    case EJ_FN_RECIPROCAL: return 1 / x;
    case EJ_FN_SQUARE: return x * x;
    case EJ_FN_SIGN: return sign(x);
    case EJ_FN_FLOOR: return floor(x);
    case EJ_FN_CEIL: return ceil(x);
    case EJ_FN_ROUND: return nearbyint(x); /* half to even */
    case EJ_FN_IMAG: return 0;
    default: return x; /* conj, real */
    }
}

static ej_scalar real_fn(int fn, int dtype, double a, double b)
{
    switch (fn) {
    case EJ_FN_ADD: return real_value(dtype, a + b);
    case EJ_FN_SUB: return real_value(dtype, a - b);
    case EJ_FN_MUL: return real_value(dtype, a * b);
    case EJ_FN_DIV: return real_value(dtype, a / b);
    case EJ_FN_FLOOR_DIVIDE: return real_value(dtype, real_floor_divide(dtype, a, b));
    case EJ_FN_TRUNC_DIVIDE: return real_value(dtype, trunc(ej_dtype_round(dtype, a / b)));
    case EJ_FN_POW: return real_value(dtype, pow(a, b));
    case EJ_FN_REMAINDER: return real_value(dtype, real_remainder(dtype, a, b));
    case EJ_FN_MAXIMUM: return real_value(dtype, maximum(a, b));
    case EJ_FN_MINIMUM: return real_value(dtype, minimum(a, b));
    default: return real_value(dtype, real_unary(fn, a));
    }
}

/* ---- complex numbers ---- */

/* One operation of the parts, rounded: what overflows in f32 overflows here, too. */
static double times(int dtype, double a, double b)
{
    return ej_dtype_round(dtype, a * b);
}

static double over(int dtype, double a, double b)
{
    return ej_dtype_round(dtype, a / b);
}

static double plus(int dtype, double a, double b)
{
    return ej_dtype_round(dtype, a + b);
}

static ej_scalar complex_mul(int dtype, ej_scalar a, ej_scalar b)
{
    return (ej_scalar){.re = plus(dtype, times(dtype, a.re, b.re), -times(dtype, a.im, b.im)),
                       .im = plus(dtype, times(dtype, a.re, b.im), times(dtype, a.im, b.re))};
}

/* Smith's: scaled by the larger part of b, so that nothing overflows on the way. */
static ej_scalar complex_div(int dtype, ej_scalar a, ej_scalar b)
{
    bool swap = fabs(b.re) < fabs(b.im);
    double large = swap ? b.im : b.re, small = swap ? b.re : b.im;
    if (large == 0 && small == 0) return complex_value(dtype, a.re / fabs(large), a.im / fabs(large)); /* by zero */
    double p = swap ? a.im : a.re, q = swap ? a.re : a.im, s = over(dtype, small, large);
    double d = plus(dtype, large, times(dtype, small, s)), qs = times(dtype, q, s), ps = times(dtype, p, s);
    return complex_value(dtype, plus(dtype, p, qs) / d, (swap ? plus(dtype, ps, -q) : plus(dtype, q, -ps)) / d);
}

/* The same for a = 1, without its imaginary 0, which would be NaN times Inf and give a zero its sign. */
static ej_scalar complex_reciprocal(int dtype, ej_scalar a)
{
    bool swap = fabs(a.re) < fabs(a.im);
    double large = swap ? a.im : a.re, small = swap ? a.re : a.im, s = over(dtype, small, large);
    double d = plus(dtype, large, times(dtype, small, s));
    return complex_value(dtype, (swap ? s : 1) / d, (swap ? -1 : -s) / d);
}

/* C's cexp, with its special values. */
static ej_scalar complex_exp(int dtype, ej_scalar a)
{
    double parts[2] = {a.re, a.im}; /* CMPLX is not in every compiler, and re + I * im makes NaN of Inf */
    double complex z;
    memcpy(&z, parts, sizeof z);
    double complex r = cexp(z);
    return complex_value(dtype, creal(r), cimag(r));
}

static ej_scalar complex_fn(int fn, int dtype, ej_scalar a, ej_scalar b)
{
    switch (fn) {
    case EJ_FN_NEG: return complex_value(dtype, -a.re, -a.im);
    case EJ_FN_ABS: return real_value(dtype, hypot(a.re, a.im));
    case EJ_FN_EXP: return complex_exp(dtype, a);
    case EJ_FN_RECIPROCAL: return complex_reciprocal(dtype, a);
    case EJ_FN_SQUARE: return complex_mul(dtype, a, a);
    case EJ_FN_CONJ: return complex_value(dtype, a.re, -a.im);
    case EJ_FN_REAL: return real_value(dtype, a.re);
    case EJ_FN_IMAG: return real_value(dtype, a.im);
    case EJ_FN_ADD: return complex_value(dtype, a.re + b.re, a.im + b.im);
    case EJ_FN_SUB: return complex_value(dtype, a.re - b.re, a.im - b.im);
    case EJ_FN_MUL: return complex_mul(dtype, a, b);
    case EJ_FN_DIV: return complex_div(dtype, a, b);
    default: return a; /* the others are refused for complex numbers */
    }
}

/* ---- comparisons ---- */

static bool is_comparison(int fn)
{
    return fn == EJ_FN_EQ || fn == EJ_FN_NE || fn == EJ_FN_LT || fn == EJ_FN_LE || fn == EJ_FN_GT || fn == EJ_FN_GE;
}

static bool compare(int fn, int kind, ej_scalar a, ej_scalar b)
{
    bool whole = kind == EJ_KIND_BOOL || kind == EJ_KIND_INT;
    bool less = whole ? a.integer < b.integer : a.re < b.re;
    bool more = whole ? a.integer > b.integer : a.re > b.re;
    bool same = whole ? a.integer == b.integer : a.re == b.re && a.im == b.im;
    switch (fn) {
    case EJ_FN_EQ: return same;
    case EJ_FN_NE: return !same;
    case EJ_FN_LT: return less;
    case EJ_FN_LE: return less || same;
    case EJ_FN_GT: return more;
    default: return more || same;
    }
}

static bool needs_floating(int fn)
{
    return ej_fns[fn].rule == EJ_RULE_FLOAT || ej_fns[fn].rule == EJ_RULE_REALFLT;
}

ej_scalar ej_scalar_fn(int fn, int dtype_in, int dtype_out, ej_scalar a, ej_scalar b, ej_scalar c)
{
    int kind = ej_dtypes[dtype_in].kind;
    if (fn == EJ_FN_WHERE) return a.integer ? b : c;
    if (is_comparison(fn)) return bool_value(compare(fn, kind, a, b));
    if (needs_floating(fn) && (kind == EJ_KIND_BOOL || kind == EJ_KIND_INT)) {
        a = ej_scalar_cast(dtype_in, dtype_out, a);
        b = ej_scalar_cast(dtype_in, dtype_out, b);
        dtype_in = dtype_out;
        kind = ej_dtypes[dtype_in].kind;
    }
    switch (kind) {
    case EJ_KIND_BOOL: return bool_fn(fn, a.integer, b.integer);
    case EJ_KIND_INT: return int_fn(fn, dtype_in, a.integer, b.integer);
    case EJ_KIND_FLOAT: return real_fn(fn, dtype_in, a.re, b.re);
    default: return complex_fn(fn, dtype_in, a, b);
    }
}

/* ---- reductions ---- */

static double log_add_exp(double a, double b)
{
    double high = maximum(a, b), low = minimum(a, b);
    if (isnan(high) || isinf(high)) return high;
    return high + log1p(exp(low - high));
}

ej_scalar ej_scalar_reduce(int reduce, int dtype, ej_scalar a, ej_scalar b)
{
    static const ej_scalar none = {0};
    switch (reduce) {
    case EINJIT_REDUCE_SUM:
    case EINJIT_REDUCE_MEAN: return ej_scalar_fn(EJ_FN_ADD, dtype, dtype, a, b, none);
    case EINJIT_REDUCE_PROD: return ej_scalar_fn(EJ_FN_MUL, dtype, dtype, a, b, none);
    case EINJIT_REDUCE_MAX: return ej_scalar_fn(EJ_FN_MAXIMUM, dtype, dtype, a, b, none);
    case EINJIT_REDUCE_MIN: return ej_scalar_fn(EJ_FN_MINIMUM, dtype, dtype, a, b, none);
    case EINJIT_REDUCE_LOGSUMEXP: return real_value(dtype, log_add_exp(a.re, b.re));
    default:
        a = ej_scalar_cast(dtype, EINJIT_BOOL, a);
        b = ej_scalar_cast(dtype, EINJIT_BOOL, b);
        return ej_scalar_cast(EINJIT_BOOL, dtype, bool_value(a.integer || b.integer));
    }
}
