/* lower_math_erf.c - erf and gelu.
 *
 * With a = |x|: below 1 erf(a) = a P(a^2); above 1 - exp(-a^2) Q(u), u = (a - c) / (a + c), which has no cancellation
 * as erfc(1) = 0.157. Both are computed and one is taken. Beyond 4 (f32) or 6 (f64) erf rounds to 1.
 */
#include "lower_math.h"

static const double small_f32[] = {1.1283791658483509,    -0.37612626666720334, 0.11283594715160218,
                                   -0.026854212010626412, 0.005189087423433974, -0.000801686428716587,
                                   7.875875062685488e-05};
static const double small_f64[] = {1.1283791670955126,      -0.3761263890318375,     0.11283791670954879,
                                   -0.026866170645076792,   0.0052239776248180145,   -0.000854832698083379,
                                   0.0001205533111164271,   -1.4925595266831182e-05, 1.6461000484121368e-06,
                                   -1.6350312701054695e-07, 1.4659775274047436e-08,  -1.1372848856791674e-09,
                                   5.957176147748911e-11};
static const double large_f32[] = {0.25539567625241627,    -0.4271858475506956,   0.24165821098769094,
                                   -0.0789785276819556,    0.0037321442908470654, 0.006994931801509023,
                                   -0.0008366103368918864, -0.0009445376989040142};
static const double large_f64[] = {0.17900115118138996,    -0.3262335600430372,   0.24560380171233193,
                                   -0.1501159365007832,    0.07166583719774912,   -0.02439249931851318,
                                   0.004269136347500596,   0.0007077464503100413, -0.000597062350142508,
                                   4.525465364626433e-05,  6.406177754203172e-05, -1.2848453970975886e-05,
                                   -8.007606751362244e-06, 2.022548566774174e-06, 1.2788558712579627e-06};

/* gelu's: (Phi(x) - 1/2) / x in x^2 up to (3/4)^2, and Phi(-t) exp(t^2/2) (t + c) in u = (t - c) / (t + c). */
static const double middle_f32[] = {0.3989422803920933,     -0.06649037887207164,   0.009973532190364903,
                                    -0.0011871391551384846, 0.00011478062270572995, -8.389905876017186e-06};
static const double middle_f64[] = {0.3989422804014327,     -0.06649038006690544,   0.009973557010035237,
                                    -0.0011873282154672734, 0.00011543468746372174, -9.444655246085153e-06,
                                    6.65965244444436e-07,   -4.121634804701531e-08, 2.257769117087073e-09,
                                    -9.954183658101952e-11};
static const double tail_f32[] = {0.7444160747269118,     -0.565561869807169,      0.3154250988513661,
                                  -0.11604918164809262,   0.017404819732793127,    0.006460656932098555,
                                  -0.0031662882768786196, -0.00039206124642169655, 0.0004078979142940813};
static const double tail_f64[] = {0.7632305289702032,      -0.6402577602526172,     0.4464525170556787,
                                  -0.2531417999509654,     0.11138259657019632,     -0.033871326177199367,
                                  0.0042236133806464295,   0.001748830567613823,    -0.0009177465071423177,
                                  6.381161616953628e-06,   0.00011204272148324466,  -1.5933178742634383e-05,
                                  -1.4235866425553465e-05, 3.1906445247720105e-06,  2.142280820965115e-06,
                                  -5.014460628405658e-07,  -3.7723946509161633e-07, 6.379430892444066e-08,
                                  6.701246685757225e-08,   -4.959069314701857e-09,  -8.193453659065859e-09};

LLVMValueRef ej_math_erf(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    LLVMValueRef one = m_real(m, 1), limit = m_real(m, m->wide ? 6 : 4), centre = m_real(m, m->wide ? 3 : 2);
    LLVMValueRef a = m_abs(m, x);
    a = m_pick(m, m_less(m, limit, a), limit, a);
    LLVMValueRef z = m_mul(m, a, a);
    LLVMValueRef small = m_mul(m, a, m->wide ? EJ_POLY(m, z, small_f64) : EJ_POLY(m, z, small_f32));
    LLVMValueRef u = m_div(m, m_sub(m, a, centre), m_add(m, a, centre));
    LLVMValueRef q = m->wide ? EJ_POLY(m, u, large_f64) : EJ_POLY(m, u, large_f32);
    LLVMValueRef large = m_sub(m, one, m_mul(m, ej_math_exp(m, m_neg(m, z), unused), q));
    LLVMValueRef r = m_pick(m, m_less(m, one, a), large, small); /* NaN: the polynomial's */
    return m_flip(m, r, m_sign_bit(m, x));
}

/* x Phi(x), Phi(x) = erfc(-x / sqrt 2) / 2: for negative x the tail itself, right to its own last bits. With t = |x|:
 * below 3/4 Phi = 1/2 + x P(x^2), above Phi(-t) = exp(-t^2/2) Q(u) / (t + c). t^2 is taken exactly. */
LLVMValueRef ej_math_gelu(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    LLVMValueRef one = m_real(m, 1), half = m_real(m, 0.5), centre = m_real(m, m->wide ? 4.5 : 3.5);
    LLVMValueRef inside = m_clamp(m, x, -40, 40), t = m_abs(m, inside);
    ej_pair square = ej_math_two_product(m, inside, inside);
    LLVMValueRef p = m->wide ? EJ_POLY(m, square.hi, middle_f64) : EJ_POLY(m, square.hi, middle_f32);
    LLVMValueRef middle = ej_math_fma(m, inside, p, half);
    LLVMValueRef inverse = m_div(m, one, m_add(m, t, centre));
    LLVMValueRef u = m_mul(m, m_sub(m, t, centre), inverse);
    LLVMValueRef q = m_mul(m, m->wide ? EJ_POLY(m, u, tail_f64) : EJ_POLY(m, u, tail_f32), inverse);
    LLVMValueRef bell = ej_math_exp(m, m_mul(m, square.hi, m_real(m, -0.5)), unused);
    bell = ej_math_fma(m, m_mul(m, bell, m_real(m, -0.5)), square.lo, bell);
    LLVMValueRef tail = m_mul(m, bell, q);
    LLVMValueRef phi = m_pick(m, m_less(m, x, m_real(m, 0)), tail, m_sub(m, one, tail));
    phi = m_pick(m, m_less(m, m_real(m, 0.75), t), phi, middle);
    return m_mul(m, x, phi);
}
