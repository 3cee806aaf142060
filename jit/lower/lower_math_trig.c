/* lower_math_trig.c - sin, cos, tan for every finite argument.
 *
 * |x| = n pi/2 + r, |r| <= pi/4, in f64 also for f32.
 *   near, |x| <= 2^20: n pi/2 is taken away in parts whose products with n are exact; what the subtraction of the
 *     second part rounds off is kept, so that r is right to its last bit even beside a multiple of pi/2.
 *   far: a loop over the lanes, entered when one of them is that large (Payne and Hanek): the 53 bits of x times the
 *     192 bits of 1/(2 pi) that matter for its exponent, in integers. For f32, 24 bits times 96: words of 64 bits do,
 *     which compile in a third of the time.
 * Then sin r or cos r by the parity of n, and the sign.
 */
#include "lower_math.h"

#include <math.h>

static const double sin_f32[] = {-0.16666666663832777, 0.008333331865963797, -0.00019840082015127998,
                                 2.72493143604168e-06};
static const double cos_f32[] = {0.04166666666430242, -0.0013888887664717277, 2.4800596437593728e-05,
                                 -2.73004488746506e-07};
static const double sin_f64[] = {-0.16666666666666666,  0.008333333333330925,   -0.00019841269836722437,
                                 2.755731608382574e-06, -2.505112794596564e-08, 1.591784866512194e-10};
static const double cos_f64[] = {0.041666666666666664,   -0.0013888888888887382, 2.480158729874308e-05,
                                 -2.755731726001471e-07, 2.0876143829213935e-09, -1.1382456865840483e-11};

/* 64 zero bits, then the bits of 1 / (2 pi) after the point. */
static const uint64_t turns[] = {0,
                                 UINT64_C(0x28be60db9391054a),
                                 UINT64_C(0x7f09d5f47d4d3770),
                                 UINT64_C(0x36d8a5664f10e410),
                                 UINT64_C(0x7f9458eaf7aef158),
                                 UINT64_C(0x6dc91b8e909374b8),
                                 UINT64_C(0x01924bba82746487),
                                 UINT64_C(0x3f877ac72c4a69cf),
                                 UINT64_C(0xba208d7d4baed121),
                                 UINT64_C(0x3a671c09ad17df90),
                                 UINT64_C(0x4e64758e60d4ce7d),
                                 UINT64_C(0x272117e2ef7e4a0e),
                                 UINT64_C(0xc7fe25fff7816603),
                                 UINT64_C(0xfbcbc462d6829b47),
                                 UINT64_C(0xdb4d9fb3c9f2c26d),
                                 UINT64_C(0xd3d18fd9a797fa8b),
                                 UINT64_C(0x5d49eeb1faf97c5e),
                                 UINT64_C(0xcf41ce7de294a4ba),
                                 UINT64_C(0x9afed7ec47e35742),
                                 UINT64_C(0x1580cc11bf1edaea)};
enum { TURN_WORDS = sizeof turns / sizeof *turns };

static const double near_limit = 0x1p20;

/* Where the builder stands while the far reduction is written: i64 and i128 words for one instruction each. */
typedef struct far_emit {
    ej_emit *e;
    LLVMBuilderRef b;
    LLVMTypeRef i64, i128;
} far_emit;

static LLVMValueRef word(far_emit *f, uint64_t value)
{
    return LLVMConstInt(f->i64, value, 0);
}

static LLVMValueRef wide(far_emit *f, LLVMValueRef value)
{
    return LLVMBuildZExt(f->b, value, f->i128, "");
}

static LLVMValueRef wide_const(far_emit *f, uint64_t value)
{
    return LLVMConstInt(f->i128, value, 0);
}

static LLVMValueRef turn_table(far_emit *f)
{
    LLVMValueRef table = LLVMGetNamedGlobal(f->e->module, "ej_turns");
    if (table) return table;
    LLVMValueRef words[TURN_WORDS];
    for (int i = 0; i < TURN_WORDS; i++) words[i] = word(f, turns[i]);
    table = LLVMAddGlobal(f->e->module, LLVMArrayType(f->i64, TURN_WORDS), "ej_turns");
    LLVMSetInitializer(table, LLVMConstArray(f->i64, words, TURN_WORDS));
    LLVMSetGlobalConstant(table, 1);
    LLVMSetLinkage(table, LLVMInternalLinkage);
    return table;
}

/* The n words (3 at most) of 1/(2 pi) that begin at `bit` of the table, most significant word first. */
static void turn_window(far_emit *f, LLVMValueRef bit, int n, LLVMValueRef *out)
{
    LLVMValueRef table = turn_table(f), words[4];
    LLVMValueRef first = LLVMBuildLShr(f->b, bit, word(f, 6), "");
    LLVMValueRef shift = LLVMBuildAnd(f->b, bit, word(f, 63), "");
    for (int i = 0; i <= n; i++) {
        LLVMValueRef index = LLVMBuildAdd(f->b, first, word(f, (uint64_t)i), "");
        words[i] = LLVMBuildLoad2(f->b, f->i64, LLVMBuildGEP2(f->b, f->i64, table, &index, 1, ""), "");
    }
    for (int i = 0; i < n; i++) {
        LLVMValueRef args[3] = {words[i], words[i + 1], shift};
        out[i] = ej_intrinsic(f->e, "llvm.fshl", args, 3, "");
    }
}

/* |x| / (2 pi) without its whole turns, as a fraction of 128 bits. x = mantissa * 2^(exponent - 1075): bits of 1/(2 pi)
 * before the window give whole turns only, bits behind it less than 2^-138. */
static LLVMValueRef turn_fraction(far_emit *f, LLVMValueRef x)
{
    LLVMValueRef bits = LLVMBuildBitCast(f->b, x, f->i64, ""), w[3];
    LLVMValueRef exponent = LLVMBuildLShr(f->b, bits, word(f, 52), "");
    LLVMValueRef mantissa = LLVMBuildAnd(f->b, bits, word(f, (UINT64_C(1) << 52) - 1), "");
    mantissa = LLVMBuildOr(f->b, mantissa, word(f, UINT64_C(1) << 52), "mantissa");
    turn_window(f, LLVMBuildSub(f->b, exponent, word(f, 1011), ""), 3, w);
    LLVMValueRef top = wide(f, LLVMBuildMul(f->b, mantissa, w[0], ""));
    LLVMValueRef sum = LLVMBuildShl(f->b, top, wide_const(f, 64), "");
    sum = LLVMBuildAdd(f->b, sum, LLVMBuildMul(f->b, wide(f, mantissa), wide(f, w[1]), ""), "");
    LLVMValueRef last = LLVMBuildMul(f->b, wide(f, mantissa), wide(f, w[2]), "");
    return LLVMBuildAdd(f->b, sum, LLVMBuildLShr(f->b, last, wide_const(f, 64), ""), "fraction");
}

static LLVMValueRef half_word_real(far_emit *f, LLVMValueRef value, double factor)
{
    LLVMTypeRef real = LLVMDoubleTypeInContext(f->e->context);
    if (LLVMTypeOf(value) != f->i64) value = LLVMBuildTrunc(f->b, value, f->i64, "");
    LLVMValueRef r = LLVMBuildSIToFP(f->b, value, real, "");
    return LLVMBuildFMul(f->b, r, LLVMConstReal(real, factor), "");
}

/* rest * 2^-126 quarter turns in radians; rest is signed. Its size is converted in two words below 2^63, whose sum
 * has no cancellation: small rests keep their bits. */
static LLVMValueRef rest_radians(far_emit *f, LLVMValueRef rest)
{
    LLVMValueRef negative = LLVMBuildICmp(f->b, LLVMIntSLT, rest, LLVMConstNull(f->i128), "");
    LLVMValueRef size = LLVMBuildSelect(f->b, negative, LLVMBuildNeg(f->b, rest, ""), rest, "");
    LLVMValueRef high = LLVMBuildLShr(f->b, size, wide_const(f, 63), "");
    LLVMValueRef low = LLVMBuildAnd(f->b, size, wide_const(f, (UINT64_C(1) << 63) - 1), "");
    LLVMValueRef value = LLVMBuildFAdd(f->b, half_word_real(f, high, 0x1.921fb54442d18p+0 * 0x1p-63),
                                       half_word_real(f, low, 0x1.921fb54442d18p+0 * 0x1p-126), "");
    return LLVMBuildSelect(f->b, negative, LLVMBuildFNeg(f->b, value, ""), value, "");
}

/* {r, n mod 4} of an f32 (in an f64): the fraction of a turn to 2^-62, where no f32 is nearer to a multiple of pi/2
 * than 2^-32. */
static LLVMValueRef far_of_f32(far_emit *f, LLVMValueRef x, LLVMValueRef *quarter)
{
    enum { SHORT_BITS = 24, BEHIND = 53 - SHORT_BITS };
    LLVMValueRef bits = LLVMBuildBitCast(f->b, x, f->i64, ""), w[2];
    LLVMValueRef exponent = LLVMBuildLShr(f->b, bits, word(f, 52), "");
    LLVMValueRef mantissa = LLVMBuildLShr(f->b, bits, word(f, BEHIND), "");
    mantissa = LLVMBuildAnd(f->b, mantissa, word(f, (UINT64_C(1) << (SHORT_BITS - 1)) - 1), "");
    mantissa = LLVMBuildOr(f->b, mantissa, word(f, UINT64_C(1) << (SHORT_BITS - 1)), "mantissa");
    turn_window(f, LLVMBuildSub(f->b, exponent, word(f, 1011 - BEHIND), ""), 2, w);
    LLVMValueRef low = LLVMBuildMul(f->b, mantissa, LLVMBuildLShr(f->b, w[1], word(f, 32), ""), "");
    LLVMValueRef fraction = LLVMBuildMul(f->b, mantissa, w[0], "");
    fraction = LLVMBuildAdd(f->b, fraction, LLVMBuildLShr(f->b, low, word(f, 32), ""), "fraction");
    *quarter = LLVMBuildAdd(f->b, fraction, word(f, UINT64_C(1) << 61), "");
    *quarter = LLVMBuildLShr(f->b, *quarter, word(f, 62), "quarter");
    LLVMValueRef rest = LLVMBuildSub(f->b, fraction, LLVMBuildShl(f->b, *quarter, word(f, 62), ""), "rest");
    return half_word_real(f, rest, 0x1.921fb54442d18p+0 * 0x1p-62);
}

static LLVMValueRef far_of_f64(far_emit *f, LLVMValueRef x, LLVMValueRef *quarter)
{
    LLVMValueRef fraction = turn_fraction(f, x);
    LLVMValueRef half = LLVMBuildShl(f->b, wide_const(f, 1), wide_const(f, 125), "");
    LLVMValueRef wide_quarter = LLVMBuildAdd(f->b, fraction, half, "");
    wide_quarter = LLVMBuildLShr(f->b, wide_quarter, wide_const(f, 126), "quarter");
    LLVMValueRef rest = LLVMBuildSub(f->b, fraction, LLVMBuildShl(f->b, wide_quarter, wide_const(f, 126), ""), "rest");
    *quarter = LLVMBuildTrunc(f->b, wide_quarter, f->i64, "");
    return rest_radians(f, rest);
}

/* double -> {r, n mod 4} for finite x >= 2^20; once in a module. */
static LLVMValueRef far_function(ej_emit *e, bool short_result, LLVMTypeRef *type)
{
    const char *name = short_result ? "ej_trig_far_f32" : "ej_trig_far";
    far_emit f = {.e = e, .i64 = LLVMInt64TypeInContext(e->context), .i128 = LLVMIntTypeInContext(e->context, 128)};
    LLVMTypeRef real = LLVMDoubleTypeInContext(e->context), parts[2] = {real, f.i64};
    LLVMTypeRef both = LLVMStructTypeInContext(e->context, parts, 2, 0);
    *type = LLVMFunctionType(both, &real, 1, 0);
    LLVMValueRef function = LLVMGetNamedFunction(e->module, name);
    if (function) return function;
    ej_emit inner;
    function = ej_lower_begin_internal(&inner, e, name, *type);
    f.e = &inner;
    f.b = inner.builder;
    LLVMValueRef x = LLVMGetParam(function, 0), quarter;
    LLVMValueRef r = short_result ? far_of_f32(&f, x, &quarter) : far_of_f64(&f, x, &quarter);
    LLVMValueRef result = LLVMBuildInsertValue(f.b, LLVMGetPoison(both), r, 0, "");
    result = LLVMBuildInsertValue(f.b, result, quarter, 1, "");
    LLVMBuildRet(f.b, result);
    LLVMDisposeBuilder(inner.builder);
    return function;
}

/* r and n of near arguments; n in the low bits of *n. */
static LLVMValueRef reduce_near(ej_math *m, LLVMValueRef a, bool short_result, LLVMValueRef *n)
{
    LLVMValueRef magic = m_real(m, 0x1.8p52);
    LLVMValueRef shifted = ej_math_fma(m, a, m_real(m, 0x1.45f306dc9c883p-1), magic);
    LLVMValueRef k = m_sub(m, shifted, magic);
    *n = m_to_bits(m, shifted);
    LLVMValueRef t = m_sub(m, a, m_mul(m, k, m_real(m, 0x1.921fb544p+0)));
    if (short_result) return m_sub(m, t, m_mul(m, k, m_real(m, 0x1.0b4611a626331p-34)));
    LLVMValueRef w = m_mul(m, k, m_real(m, 0x1.0b4611a6p-34));
    LLVMValueRef r = m_sub(m, t, w);
    LLVMValueRef back = m_sub(m, t, r); /* r + (t - r) - w, both exactly: two-sum */
    LLVMValueRef lost = m_sub(m, m_sub(m, t, m_add(m, r, back)), m_sub(m, w, back));
    r = m_sub(m, r, m_mul(m, k, m_real(m, 0x1.3198a2ep-69)));
    return m_add(m, r, m_sub(m, lost, m_mul(m, k, m_real(m, 0x1.b839a252049c1p-104))));
}

/* The far results of all lanes of x, by way of memory: a loop over elements of registers costs twice the code. Leaves
 * the builder behind the loop. */
static LLVMValueRef reduce_far(ej_math *m, LLVMValueRef function, LLVMValueRef x, bool short_result, LLVMValueRef *n)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(m->e->context), type;
    LLVMValueRef far = far_function(m->e, short_result, &type);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(m->b);
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(m->e->context, function, "far_lane");
    LLVMBasicBlockRef end = LLVMAppendBasicBlockInContext(m->e->context, function, "far_end");
    LLVMPositionBuilderBefore(m->b, LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(function)));
    LLVMValueRef reals = LLVMBuildAlloca(m->b, m->real, "reals"), quarters = LLVMBuildAlloca(m->b, m->bits, "quarters");
    LLVMPositionBuilderAtEnd(m->b, from);
    LLVMBuildStore(m->b, x, reals);
    LLVMBuildBr(m->b, loop);
    LLVMPositionBuilderAtEnd(m->b, loop);
    LLVMValueRef i = LLVMBuildPhi(m->b, i32, "lane");
    LLVMValueRef real = LLVMBuildGEP2(m->b, m->real_one, reals, &i, 1, "");
    LLVMValueRef quarter = LLVMBuildGEP2(m->b, m->bits_one, quarters, &i, 1, "");
    LLVMValueRef lane = LLVMBuildLoad2(m->b, m->real_one, real, "");
    LLVMValueRef both = LLVMBuildCall2(m->b, type, far, &lane, 1, "far");
    LLVMBuildStore(m->b, LLVMBuildExtractValue(m->b, both, 0, ""), real);
    LLVMBuildStore(m->b, LLVMBuildExtractValue(m->b, both, 1, ""), quarter);
    LLVMValueRef next = LLVMBuildAdd(m->b, i, LLVMConstInt(i32, 1, 0), "");
    LLVMValueRef more = LLVMBuildICmp(m->b, LLVMIntULT, next, LLVMConstInt(i32, (unsigned)m->lanes, 0), "");
    LLVMBuildCondBr(m->b, more, loop, end);
    LLVMAddIncoming(i, (LLVMValueRef[2]){LLVMConstNull(i32), next}, (LLVMBasicBlockRef[2]){from, loop}, 2);
    LLVMPositionBuilderAtEnd(m->b, end);
    *n = LLVMBuildLoad2(m->b, m->bits, quarters, "");
    return LLVMBuildLoad2(m->b, m->real, reals, "");
}

/* a = n pi/2 + r for a >= 0, f64. NaN and Inf give NaN. */
static LLVMValueRef reduce(ej_math *m, LLVMValueRef a, bool short_result, LLVMValueRef *n)
{
    LLVMValueRef function = LLVMGetBasicBlockParent(LLVMGetInsertBlock(m->b));
    LLVMValueRef near_n, near_r = reduce_near(m, a, short_result, &near_n);
    LLVMValueRef limit = m_real(m, near_limit);
    LLVMValueRef is_far = m_and(m, m_less(m, limit, a), m_less(m, a, m_real(m, INFINITY)));
    LLVMBasicBlockRef from = LLVMGetInsertBlock(m->b);
    LLVMBasicBlockRef far = LLVMAppendBasicBlockInContext(m->e->context, function, "far");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(m->e->context, function, "reduced");
    LLVMBuildCondBr(m->b, ej_math_any(m, is_far), far, done);
    LLVMPositionBuilderAtEnd(m->b, far);
    /* The table of turns ends with the largest finite number. */
    LLVMValueRef far_n, far_r = reduce_far(m, function, m_pick(m, is_far, a, limit), short_result, &far_n);
    far_r = m_pick(m, is_far, far_r, near_r);
    far_n = m_pick(m, is_far, far_n, near_n);
    LLVMBuildBr(m->b, done);
    LLVMBasicBlockRef sources[2] = {from, LLVMGetInsertBlock(m->b)};
    LLVMPositionBuilderAtEnd(m->b, done);
    *n = LLVMBuildPhi(m->b, m->bits, "n");
    LLVMValueRef r = LLVMBuildPhi(m->b, m->real, "r");
    LLVMAddIncoming(*n, (LLVMValueRef[2]){near_n, far_n}, sources, 2);
    LLVMAddIncoming(r, (LLVMValueRef[2]){near_r, far_r}, sources, 2);
    return r;
}

static LLVMValueRef sin_small(ej_math *m, LLVMValueRef r, LLVMValueRef z, bool short_result)
{
    LLVMValueRef s = short_result ? EJ_POLY(m, z, sin_f32) : EJ_POLY(m, z, sin_f64);
    return ej_math_fma(m, m_mul(m, r, z), s, r);
}

/* 1 - z/2 + z^2 C(z); what the first subtraction rounds off is added again. */
static LLVMValueRef cos_small(ej_math *m, LLVMValueRef z, bool short_result)
{
    LLVMValueRef c = short_result ? EJ_POLY(m, z, cos_f32) : EJ_POLY(m, z, cos_f64);
    LLVMValueRef one = m_real(m, 1), half = m_mul(m, z, m_real(m, 0.5));
    LLVMValueRef w = m_sub(m, one, half);
    if (short_result) return ej_math_fma(m, m_mul(m, z, z), c, w);
    LLVMValueRef lost = m_sub(m, m_sub(m, one, w), half);
    return m_add(m, w, ej_math_fma(m, m_mul(m, z, z), c, lost));
}

enum trig { TRIG_SIN, TRIG_COS, TRIG_TAN };

/* Where an argument >= 0 lies: its quarter turn n, and sin and cos of what is left of it. */
typedef struct quarter {
    LLVMValueRef n, odd, s, c;
} quarter;

static quarter quarter_of(ej_math *m, LLVMValueRef a, bool short_result)
{
    quarter q;
    LLVMValueRef r = reduce(m, a, short_result, &q.n), z = m_mul(m, r, r);
    q.s = sin_small(m, r, z, short_result);
    q.c = cos_small(m, z, short_result);
    q.odd = LLVMBuildICmp(m->b, LLVMIntNE, m_and(m, q.n, m_int(m, 1)), m_int(m, 0), "odd");
    return q;
}

static LLVMValueRef of_quarter(ej_math *m, const quarter *q, enum trig kind)
{
    LLVMValueRef one = m_int(m, 1), bit = q->n, r = m_pick(m, q->odd, q->c, q->s), other = NULL;
    if (kind != TRIG_SIN) other = m_pick(m, q->odd, q->s, q->c);
    if (kind == TRIG_COS) bit = LLVMBuildAdd(m->b, q->n, one, "");
    if (kind == TRIG_TAN) bit = LLVMBuildShl(m->b, q->n, one, ""); /* odd quarters change the sign */
    bit = m_and(m, bit, m_int(m, 2));
    if (kind == TRIG_COS) r = other;
    if (kind == TRIG_TAN) r = m_div(m, r, other);
    return m_flip(m, r, LLVMBuildShl(m->b, bit, m_int(m, 62), ""));
}

ej_pair ej_math_sin_cos(ej_math *m, LLVMValueRef x)
{
    ej_math d = ej_math_of(m->e, true, m->lanes);
    LLVMValueRef big = m->wide ? x : LLVMBuildFPExt(m->b, x, d.real, "");
    quarter q = quarter_of(&d, m_abs(&d, big), !m->wide);
    ej_pair out = {of_quarter(&d, &q, TRIG_SIN), of_quarter(&d, &q, TRIG_COS)};
    if (!m->wide)
        out = (ej_pair){LLVMBuildFPTrunc(m->b, out.hi, m->real, ""), LLVMBuildFPTrunc(m->b, out.lo, m->real, "")};
    out.hi = m_flip(m, out.hi, m_sign_bit(m, x));
    return out;
}

static LLVMValueRef trig(ej_math *m, LLVMValueRef x, enum trig kind)
{
    ej_math d = ej_math_of(m->e, true, m->lanes);
    LLVMValueRef big = m->wide ? x : LLVMBuildFPExt(m->b, x, d.real, "");
    quarter q = quarter_of(&d, m_abs(&d, big), !m->wide);
    LLVMValueRef r = of_quarter(&d, &q, kind);
    if (!m->wide) r = LLVMBuildFPTrunc(m->b, r, m->real, "");
    return kind == TRIG_COS ? r : m_flip(m, r, m_sign_bit(m, x));
}

LLVMValueRef ej_math_sin(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    return trig(m, x, TRIG_SIN);
}

LLVMValueRef ej_math_cos(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    return trig(m, x, TRIG_COS);
}

LLVMValueRef ej_math_tan(ej_math *m, LLVMValueRef x, LLVMValueRef unused)
{
    (void)unused;
    return trig(m, x, TRIG_TAN);
}
