/* opt_scalar_factor.c - arithmetic of factors: numbers in double (complex in complex double), and values of rank 0.
 *
 * Takes  factors: a number or one over it, times values of rank 0.
 * Gives  their products, inverses and negatives; whether one is within the bounds below; how they compare.
 * Keeps  a divisor a divisor: x / 3 stays one rounding. Values of rank 0 are not cancelled against each other: s / s is
 *        NaN for 0, and says so.
 *
 * Bounds: a number is taken out, moved or combined only while the sizes that it has on the way lie within 2^20 of each
 * other, 1 among them, where values are f32 or c64 (or of a floating dtype that is not known); within 2^160 where they
 * are f64 or c128. So wherever along the way it is multiplied in the end, whatever lies there is within that factor of
 * what the program has there: only values within 2^20 (2^160) of the largest finite number or the smallest normal one
 * could overflow or underflow that did not before, that is f32 above 2^108 or below 2^-106. Out of bounds numbers stay
 * where the program has them: 1e30 * (1e-30 * x) is two multiplications. So do 0, Inf and NaN, which no bound admits.
 *
 * What cancels is not seen by who looks next: behind E(F(1024 * x)) / 1024 nobody knows that F may have been larger by
 * 1024. So a graph remembers how far that went (ej_graph.drift), and the bounds are so much narrower.
 *
 * Of values of rank 0 nothing is known. They move along what is linear, and are multiplied in one after the other, in
 * the order in which the program does: their product may leave the range where x times one, and that times the other,
 * does not. They do not move past zeros that an operation brings in itself (index_add, 0.0), which Inf would turn into
 * NaN.
 */
#include <math.h>
#include <string.h>

#include "opt_scalar.h"

const ej_factor ej_factor_one = {.re = 1, .least = 1, .most = 1};

ej_factor ej_factor_only_number(ej_factor a)
{
    a.n = 0;
    a.uses = NULL;
    return a;
}

bool ej_factor_is_one(const ej_factor *a)
{
    return ej_factor_is_number(a, 1);
}

bool ej_factor_is_number(const ej_factor *a, double re)
{
    return a->re == re && a->im == 0 && !a->inverse && !a->n;
}

bool ej_factor_same(const ej_factor *a, const ej_factor *b)
{
    if (a->re != b->re || a->im != b->im || a->inverse != b->inverse || a->n != b->n) return false;
    for (uint8_t i = 0; i < a->n; i++)
        if (a->uses[i].value != b->uses[i].value || a->uses[i].below != b->uses[i].below) return false;
    return true;
}

static bool is_power_of_two(double re, double im)
{
    int exponent;
    return im == 0 && fabs(frexp(re, &exponent)) == 0.5;
}

/* One over a power of two is exact: such numbers are always written as factors, so that equal ones look equal. */
static ej_factor settled(ej_factor a)
{
    if (!a.inverse || !is_power_of_two(a.re, a.im)) return a;
    a.re = 1 / a.re;
    a.im = 0;
    a.inverse = false;
    return a;
}

ej_factor ej_factor_number(double re, double im)
{
    return (ej_factor){.re = re, .im = im, .least = 1, .most = 1};
}

ej_factor ej_factor_inverse(ej_factor a)
{
    double least = a.least;
    a.least = 1 / a.most;
    a.most = 1 / least;
    a.inverse = !a.inverse;
    return settled(a);
}

bool ej_factor_is_positive(const ej_factor *a)
{
    return a->re > 0 && a->im == 0 && !a->n;
}

ej_factor ej_factor_negated(ej_factor a)
{
    a.re = -a.re;
    a.im = a.im == 0 ? 0 : -a.im;
    return a;
}

static void divide(double *re, double *im, double c, double d)
{
    double a = *re, b = *im;
    if (d == 0) {
        *re = a / c;
        *im = b / c;
    } else { /* magnitudes are bounded: the plain formula does not overflow */
        double size = c * c + d * d;
        *re = (a * c + b * d) / size;
        *im = (b * c - a * d) / size;
    }
}

static void multiply(double *re, double *im, double c, double d)
{
    double a = *re, b = *im;
    *re = a * c - b * d;
    *im = a * d + b * c;
}

void ej_factor_value(const ej_factor *a, double *re, double *im)
{
    *re = a->inverse ? 1 : a->re;
    *im = a->inverse ? 0 : a->im;
    if (a->inverse) divide(re, im, a->re, a->im);
}

double ej_factor_bound(int dtype)
{
    if (dtype == EINJIT_F16) return 1;
    return ej_is_wide(dtype) ? 0x1p160 : 0x1p20;
}

double ej_factor_room(int dtype, const double *drift)
{
    return dtype == EINJIT_F16 ? 1 : ej_factor_bound(dtype) / drift[ej_is_wide(dtype)];
}

double ej_factor_distance(double re, double im)
{
    double size = hypot(re, im);
    return size >= 1 ? size : 1 / size;
}

static double size_of(const ej_factor *a)
{
    double size = hypot(a->re, a->im);
    return a->inverse ? 1 / size : size;
}

bool ej_factor_in_bounds(const ej_factor *a, ej_known_dtype dtype, const double *drift)
{
    double room = ej_factor_room(dtype.dtype, drift), size = size_of(a);
    return size >= 1 / room && size <= room && a->most / a->least <= room;
}

double ej_factor_hidden(const ej_factor *a)
{
    double size = size_of(a);
    return a->most / a->least / (size > 1 ? size : 1 / size);
}

/* A number over a value of rank 0 at the end of the range would be less than normal: (bound / s) >= bound^2 /
 * largest. */
static bool may_be_over(const ej_factor *number, ej_known_dtype dtype)
{
    return size_of(number) >= 4 / ej_factor_bound(dtype.dtype);
}

uint8_t ej_factor_carrier(const ej_factor *a, ej_known_dtype dtype)
{
    ej_factor number = ej_factor_only_number(*a);
    if (ej_factor_is_one(&number)) return a->n;
    for (uint8_t i = 0; i < a->n; i++)
        if (!a->uses[i].below || number.inverse || may_be_over(&number, dtype)) return i;
    return a->n;
}

uint8_t ej_factor_steps(const ej_factor *a, ej_known_dtype dtype)
{
    ej_factor number = ej_factor_only_number(*a);
    bool apart = !ej_factor_is_one(&number) && ej_factor_carrier(a, dtype) == a->n;
    return (uint8_t)(a->n + apart);
}

/* (re + im i) over d, a divisor: again a divisor where that loses nothing. */
static ej_factor quotient(double re, double im, const ej_factor *d)
{
    ej_factor out = *d;
    out.inverse = is_power_of_two(re, im);
    if (out.inverse) {
        divide(&out.re, &out.im, re, im);
        return out;
    }
    out.re = re;
    out.im = im;
    divide(&out.re, &out.im, d->re, d->im);
    return out;
}

/* a times b, numbers only. */
static void multiply_numbers(ej_factor *a, const ej_factor *b)
{
    ej_factor product = *a;
    if (a->inverse == b->inverse) multiply(&product.re, &product.im, b->re, b->im);
    else product = a->inverse ? quotient(b->re, b->im, a) : quotient(a->re, a->im, b);
    product = settled(product);
    a->re = product.re;
    a->im = product.im;
    a->inverse = product.inverse;
}

static int append_uses(ej_factor *a, const ej_factor *b, bool turned, ej_job *job)
{
    ej_factor_use *uses = EJ_JOB_ARRAY(job, ej_factor_use, (size_t)a->n + b->n);
    if (!uses) return ej_no_memory(job->err);
    if (a->n) memcpy(uses, a->uses, a->n * sizeof *uses);
    for (uint8_t i = 0; i < b->n; i++) uses[a->n++] = (ej_factor_use){b->uses[i].value, b->uses[i].below != turned};
    a->uses = uses;
    return EINJIT_OK;
}

/* What *a has been on the way, and b, and now their product. */
static void note_sizes(ej_factor *a, const ej_factor *b)
{
    double size = size_of(a);
    a->least = fmin(fmin(a->least, b->least), size);
    a->most = fmax(fmax(a->most, b->most), size);
}

int ej_factor_multiply(ej_factor *a, const ej_factor *b, int power, bool *fits, ej_job *job)
{
    ej_factor number = *b;
    if (power < 0) number = ej_factor_inverse(number);
    for (int i = power < 0 ? -power : power; i > 0; i--) {
        *fits = a->n + b->n <= EJ_FACTOR_USES;
        if (!*fits) return EINJIT_OK;
        multiply_numbers(a, &number);
        note_sizes(a, &number);
        if (b->n) EJ_TRY(append_uses(a, b, power < 0, job));
    }
    return EINJIT_OK;
}
