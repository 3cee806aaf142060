/* test_lower_math.c - the scalar functions of jit/lower/lower_*.c on vectors, compiled for every row of the target
 * table.
 *
 * For each row and number of lanes one module holds a loop for each (function, dtype) and each cast. The object may
 * have no undefined symbol; where this CPU has the row's features it is run: integers, comparisons and rounding against
 * nest_scalar.c, to the bit; elementary functions against long double, in units of the last place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <complex.h>
#include <elf.h>
#include <float.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"
#include "special_numbers.h"

enum { COUNT = 13600, PARTS = 8 }; /* elements of a test array; a.re a.im b.re b.im c.re c.im out.re out.im */

static const int dtypes[] = {EINJIT_BOOL, EINJIT_I32, EINJIT_I64, EINJIT_F32, EINJIT_F64, EINJIT_C64, EINJIT_C128};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

static const int reduces[] = {EINJIT_REDUCE_SUM, EINJIT_REDUCE_PROD, EINJIT_REDUCE_MAX,
                              EINJIT_REDUCE_MIN, EINJIT_REDUCE_OR,   EINJIT_REDUCE_LOGSUMEXP};
enum { N_REDUCES = sizeof reduces / sizeof *reduces };

typedef void loop_fn(void *const *parts, int64_t n);

/* ---- which functions a dtype has, and what they give ---- */

static bool has_fn(int fn, int dtype)
{
    int rule = ej_fns[fn].rule, kind = ej_dtypes[dtype].kind;
    if (rule == EJ_RULE_SELECT || rule == EJ_RULE_EQUAL || rule == EJ_RULE_FLOAT) return true;
    if (rule == EJ_RULE_LOGIC || rule == EJ_RULE_BITS)
        return kind <= (rule == EJ_RULE_BITS ? EJ_KIND_INT : EJ_KIND_BOOL);
    if (kind == EJ_KIND_COMPLEX) return rule == EJ_RULE_ARITH || rule == EJ_RULE_REALPART;
    return kind != EJ_KIND_BOOL || (fn != EJ_FN_NEG && fn != EJ_FN_SUB);
}

static int result_of(int fn, int dtype)
{
    int kind = ej_dtypes[dtype].kind;
    switch (ej_fns[fn].rule) {
    case EJ_RULE_FLOAT:
    case EJ_RULE_REALFLT: return kind <= EJ_KIND_INT ? EINJIT_F64 : dtype;
    case EJ_RULE_REALPART: return ej_dtypes[dtype].real;
    case EJ_RULE_COMPARE:
    case EJ_RULE_EQUAL:
    case EJ_RULE_LOGIC: return EINJIT_BOOL;
    default: return dtype;
    }
}

static bool has_reduce(int reduce, int dtype)
{
    if (reduce == EINJIT_REDUCE_LOGSUMEXP) return ej_dtype_is_float(dtype);
    return !ej_dtype_is_complex(dtype) || reduce == EINJIT_REDUCE_SUM || reduce == EINJIT_REDUCE_PROD;
}

/* ---- writing the loops ---- */

typedef struct loop {
    ej_emit *e;
    LLVMValueRef parts, index; /* array of pointers, first element of this round */
    int lanes;
} loop;

static LLVMValueRef part_at(loop *l, int part, int dtype)
{
    LLVMBuilderRef b = l->e->builder;
    LLVMTypeRef pointer = LLVMPointerTypeInContext(l->e->context, 0);
    LLVMValueRef i = LLVMConstInt(LLVMInt64TypeInContext(l->e->context), (unsigned)part, 0);
    LLVMValueRef base = LLVMBuildLoad2(b, pointer, LLVMBuildGEP2(b, pointer, l->parts, &i, 1, ""), "");
    return LLVMBuildGEP2(b, ej_type_memory(l->e, dtype), base, &l->index, 1, "");
}

static LLVMValueRef load_part(loop *l, int part, int dtype)
{
    LLVMTypeRef type = ej_type_of(ej_type_memory(l->e, dtype), l->lanes);
    LLVMValueRef v = LLVMBuildLoad2(l->e->builder, type, part_at(l, part, dtype), "");
    LLVMSetAlignment(v, 1);
    return dtype == EINJIT_BOOL ? LLVMBuildICmp(l->e->builder, LLVMIntNE, v, LLVMConstNull(type), "") : v;
}

static ej_vec load_vec(loop *l, int operand, int dtype)
{
    int real = ej_dtypes[dtype].real;
    ej_vec v = {load_part(l, 2 * operand, real), NULL};
    if (ej_dtype_is_complex(dtype)) v.im = load_part(l, 2 * operand + 1, real);
    return v;
}

static void store_part(loop *l, int part, int dtype, LLVMValueRef v)
{
    LLVMTypeRef type = ej_type_of(ej_type_memory(l->e, dtype), l->lanes);
    if (dtype == EINJIT_BOOL) v = LLVMBuildZExt(l->e->builder, v, type, "");
    LLVMSetAlignment(LLVMBuildStore(l->e->builder, v, part_at(l, part, dtype)), 1);
}

/* fn >= 0: a function of ops.def; fn == -1: a cast from dtype to `to`; fn < -1: the combination -2 - fn. */
static void write_body(loop *l, int fn, int dtype, int to)
{
    ej_vec none = {NULL, NULL}, b = none, c = none, r;
    ej_vec a = load_vec(l, 0, fn == EJ_FN_WHERE ? EINJIT_BOOL : dtype);
    if (fn < -1 || (fn >= 0 && ej_fns[fn].arity > 1)) b = load_vec(l, 1, dtype);
    if (fn >= 0 && ej_fns[fn].arity > 2) c = load_vec(l, 2, dtype);
    if (fn >= 0) r = ej_lower_fn(l->e, fn, dtype, to, l->lanes, a, b, c);
    else if (fn == -1) r = ej_lower_cast(l->e, dtype, to, l->lanes, a);
    else r = ej_lower_combine(l->e, -2 - fn, dtype, l->lanes, a, b);
    store_part(l, 6, ej_dtypes[to].real, r.re);
    if (ej_dtype_is_complex(to)) store_part(l, 7, ej_dtypes[to].real, r.im);
}

static void write_loop(ej_emit *e, const char *name, int fn, int dtype, int to, int lanes)
{
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->context);
    LLVMTypeRef operands[2] = {LLVMPointerTypeInContext(e->context, 0), i64};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), operands, 2, 0);
    LLVMValueRef function = LLVMAddFunction(e->module, name, type);
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(e->context, function, "entry");
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(e->context, function, "body");
    LLVMBasicBlockRef end = LLVMAppendBasicBlockInContext(e->context, function, "end");
    LLVMPositionBuilderAtEnd(e->builder, entry);
    LLVMBuildBr(e->builder, body);
    LLVMPositionBuilderAtEnd(e->builder, body);
    loop l = {.e = e, .parts = LLVMGetParam(function, 0), .index = LLVMBuildPhi(e->builder, i64, "i"), .lanes = lanes};
    write_body(&l, fn, dtype, to);
    LLVMValueRef next = LLVMBuildAdd(e->builder, l.index, LLVMConstInt(i64, (unsigned)lanes, 0), "");
    LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSLT, next, LLVMGetParam(function, 1), "");
    LLVMBuildCondBr(e->builder, more, body, end);
    LLVMBasicBlockRef sources[2] = {entry, LLVMGetInsertBlock(e->builder)};
    LLVMAddIncoming(l.index, (LLVMValueRef[2]){LLVMConstNull(i64), next}, sources, 1);
    LLVMAddIncoming(l.index, &next, &sources[1], 1);
    LLVMPositionBuilderAtEnd(e->builder, end);
    LLVMBuildRetVoid(e->builder);
}

static void name_of(char *out, size_t size, int fn, int dtype, int to)
{
    snprintf(out, size, "t_%d_%d_%d", fn + 100, dtype, to);
}

static void write_all(ej_emit *e, int lanes)
{
    char name[64];
    for (int d = 0; d < N_DTYPES; d++) {
        for (int fn = 0; fn < EJ_FN_COUNT; fn++) {
            if (!has_fn(fn, dtypes[d])) continue;
            name_of(name, sizeof name, fn, dtypes[d], result_of(fn, dtypes[d]));
            write_loop(e, name, fn, dtypes[d], result_of(fn, dtypes[d]), lanes);
        }
        for (int t = 0; t < N_DTYPES; t++) {
            name_of(name, sizeof name, -1, dtypes[d], dtypes[t]);
            write_loop(e, name, -1, dtypes[d], dtypes[t], lanes);
        }
        for (int r = 0; r < N_REDUCES; r++) {
            if (!has_reduce(reduces[r], dtypes[d])) continue;
            name_of(name, sizeof name, -2 - reduces[r], dtypes[d], dtypes[d]);
            write_loop(e, name, -2 - reduces[r], dtypes[d], dtypes[d], lanes);
        }
    }
}

/* ---- compiling and loading ---- */

static LLVMTargetMachineRef machine_for(const ej_target *row)
{
    char *triple = LLVMGetDefaultTargetTriple(), *message = NULL;
    LLVMTargetRef target;
    assert_false(LLVMGetTargetFromTriple(triple, &target, &message));
    LLVMTargetMachineRef machine = LLVMCreateTargetMachine(target, triple, row->cpu, row->features,
                                                           LLVMCodeGenLevelLess, LLVMRelocPIC, LLVMCodeModelSmall);
    LLVMDisposeMessage(triple);
    return machine;
}

static LLVMMemoryBufferRef compile_row(const ej_target *row, int lanes)
{
    LLVMContextRef context = LLVMContextCreate();
    LLVMTargetMachineRef machine = machine_for(row);
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("lower_math", context);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    char *triple = LLVMGetTargetMachineTriple(machine), *message = NULL;
    LLVMSetModuleDataLayout(module, layout);
    LLVMSetTarget(module, triple);
    ej_emit e = {.context = context, .module = module, .builder = LLVMCreateBuilderInContext(context), .target = row};
    write_all(&e, lanes);
    LLVMMemoryBufferRef object = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message)) fail_msg("%s", message);
    LLVMDisposeMessage(message);
    assert_false(LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMObjectFile, &message, &object));
    LLVMDisposeMessage(triple);
    LLVMDisposeTargetData(layout);
    LLVMDisposeBuilder(e.builder);
    LLVMDisposeModule(module);
    LLVMDisposeTargetMachine(machine);
    LLVMContextDispose(context);
    return object;
}

static void check_no_undefined(LLVMMemoryBufferRef object, const char *row, int lanes)
{
    const char *bytes = LLVMGetBufferStart(object);
    const Elf64_Ehdr *header = (const void *)bytes;
    const Elf64_Shdr *sections = (const void *)(bytes + header->e_shoff);
    for (int s = 0; s < header->e_shnum; s++) {
        if (sections[s].sh_type != SHT_SYMTAB) continue;
        const Elf64_Sym *symbols = (const void *)(bytes + sections[s].sh_offset);
        const char *names = bytes + sections[sections[s].sh_link].sh_offset;
        for (size_t i = 1; i < sections[s].sh_size / sizeof *symbols; i++)
            if (symbols[i].st_shndx == SHN_UNDEF)
                fail_msg("%s, %d lanes: calls %s", row, lanes, names + symbols[i].st_name);
    }
}

typedef struct loaded {
    LLVMOrcLLJITRef jit;
    const char *row;
    int lanes;
} loaded;

static loaded load_object(LLVMMemoryBufferRef object, const char *row, int lanes)
{
    loaded l = {.row = row, .lanes = lanes};
    assert_null(LLVMOrcCreateLLJIT(&l.jit, NULL));
    assert_null(LLVMOrcLLJITAddObjectFile(l.jit, LLVMOrcLLJITGetMainJITDylib(l.jit), object));
    return l;
}

static void run_loop(const loaded *l, int fn, int dtype, int to, void *const *parts, int64_t n)
{
    char name[64];
    LLVMOrcExecutorAddress address = 0;
    name_of(name, sizeof name, fn, dtype, to);
    assert_null(LLVMOrcLLJITLookup(l->jit, &address, name));
    loop_fn *function;
    memcpy(&function, &address, sizeof function);
    function(parts, n);
}

/* ---- numbers to try ---- */

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

enum { SIGNED = 2 * sizeof special / sizeof *special };

static double random_real(int dtype, uint64_t *state, int i)
{
    double sign = next_random(state) & 1 ? -1 : 1;
    if (i < SIGNED * SIGNED) return (i & 1 ? -1 : 1) * special[i % SIGNED / 2];
    switch (i % 5) {
    case 0: { /* any bits */
        uint64_t bits = next_random(state);
        uint32_t low = (uint32_t)bits;
        float f;
        double d;
        memcpy(&f, &low, sizeof f);
        memcpy(&d, &bits, sizeof d);
        return dtype == EINJIT_F32 ? (double)f : d;
    }
    case 1: return sign * unit(state) * 2;
    case 2: return sign * unit(state) * 100;
    case 3: return sign * exp2(unit(state) * 60 - 50);
    default: { /* integers, and what lies beside multiples of pi/4 */
        double whole = floor(unit(state) * (next_random(state) & 1 ? 40 : 1300000));
        return sign * whole * (next_random(state) & 1 ? 1 : 0.78539816339744830962);
    }
    }
}

static int64_t random_int(int dtype, uint64_t *state)
{
    static const int64_t whole[] = {0, 1, -1, 2, -2, 3, 7, -7, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 46341, 62};
    uint64_t kind = next_random(state) % 4;
    if (kind == 0) return whole[next_random(state) % (sizeof whole / sizeof *whole)];
    if (kind == 1) return (int64_t)next_random(state) >> (dtype == EINJIT_I32 ? 32 : 0);
    return (int64_t)(next_random(state) % 41) - 20;
}

enum { FAST, SLOW, RANDOM }; /* how an array goes through the special values: each slow one meets each fast one */

static void fill(void *out, int dtype, uint64_t seed, int order)
{
    uint64_t state = seed * 1000003;
    unsigned bytes = ej_dtypes[dtype].bytes;
    for (int i = 0; i < COUNT; i++) {
        ej_scalar v = {0};
        int at = order == RANDOM                        ? (int)(next_random(&state) % COUNT)
                 : order == SLOW && i < SIGNED * SIGNED ? i / SIGNED
                                                        : i;
        if (ej_dtype_is_float(dtype)) v.re = random_real(dtype, &state, at);
        else v.integer = dtype == EINJIT_BOOL ? (int64_t)(next_random(&state) & 1) : random_int(dtype, &state);
        ej_scalar_store(dtype, (char *)out + (size_t)i * bytes, v);
    }
}

typedef struct arrays {
    void *parts[PARTS];
} arrays;

static arrays arrays_new(int dtype, bool where, uint64_t seed)
{
    arrays a;
    bool is_complex = ej_dtype_is_complex(dtype);
    for (int p = 0; p < PARTS; p++) {
        int order = p == 0 || (p == 4 && !is_complex) ? FAST : p == (is_complex ? 1 : 2) ? SLOW : RANDOM;
        a.parts[p] = calloc(COUNT, 8);
        assert_non_null(a.parts[p]);
        if (p < 6) fill(a.parts[p], p == 0 && where ? EINJIT_BOOL : ej_dtypes[dtype].real, seed + (unsigned)p, order);
    }
    return a;
}

static void arrays_free(arrays *a)
{
    for (int p = 0; p < PARTS; p++) free(a->parts[p]);
}

static ej_scalar get(const arrays *a, int operand, int dtype, int i)
{
    int real = ej_dtypes[dtype].real;
    size_t at = (size_t)i * ej_dtypes[real].bytes;
    ej_scalar v = ej_scalar_load(real, (char *)a->parts[2 * operand] + at);
    if (ej_dtype_is_complex(dtype)) v.im = ej_scalar_load(real, (char *)a->parts[2 * operand + 1] + at).re;
    return v;
}

/* ---- comparing ---- */

static bool same_bits(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && !signbit(a) == !signbit(b));
}

static void differ(const loaded *l, const char *what, int dtype, ej_scalar a, ej_scalar b, ej_scalar got,
                   ej_scalar want)
{
    fail_msg("%s, %d lanes: %s of %s: (%.17g%+.17gi, %lld) (%.17g%+.17gi, %lld) gave %.17g%+.17gi %lld, not "
             "%.17g%+.17gi %lld",
             l->row, l->lanes, what, ej_dtypes[dtype].name, a.re, a.im, (long long)a.integer, b.re, b.im,
             (long long)b.integer, got.re, got.im, (long long)got.integer, want.re, want.im, (long long)want.integer);
}

/* Distance in units of the last place of `dtype` at `want`; overflow counts as the number after the largest. */
static double ulps(int dtype, double got, long double want)
{
    bool single = dtype == EINJIT_F32;
    int top = single ? 128 : 1024, low = single ? -126 : -1022, digits = single ? 24 : 53;
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : INFINITY;
    long double limit = ldexpl(1, top), g = got;
    if (g > limit) g = limit;
    if (g < -limit) g = -limit;
    if (want > limit) want = limit;
    if (want < -limit) want = -limit;
    if (want == g) return 0;
    int exponent = want == 0 ? low : ilogbl(want);
    if (exponent < low) exponent = low;
    if (exponent >= top) exponent = top - 1;
    return (double)(fabsl(g - want) / ldexpl(1, exponent - digits + 1));
}

static long double sigmoid_l(long double x)
{
    long double z = expl(-fabsl(x));
    return x < 0 ? z / (1 + z) : 1 / (1 + z);
}

/* An elementary function and how many units it may be off; 0: not one. */
static double bound_of(int fn, long double x, long double y, long double *want)
{
    switch (fn) {
    case EJ_FN_EXP: *want = expl(x); return 1.5;
    case EJ_FN_LOG: *want = logl(x); return 1.5;
    case EJ_FN_LOG1P: *want = log1pl(x); return 1.5;
    case EJ_FN_EXPM1: *want = expm1l(x); return 2.5;
    case EJ_FN_RSQRT: *want = 1 / sqrtl(x); return 2;
    case EJ_FN_SIN: *want = sinl(x); return 2.5;
    case EJ_FN_COS: *want = cosl(x); return 2.5;
    case EJ_FN_TAN: *want = tanl(x); return 4;
    case EJ_FN_TANH: *want = tanhl(x); return 4;
    case EJ_FN_SIGMOID: *want = sigmoid_l(x); return 3;
    case EJ_FN_SILU: *want = x * sigmoid_l(x); return 3.5;
    case EJ_FN_SOFTPLUS: *want = (x > 0 ? x : 0) + log1pl(expl(-fabsl(x))); return 3;
    case EJ_FN_ERF: *want = erfl(x); return 2.5;
    case EJ_FN_GELU: *want = x / 2 * erfcl(-x * 0.707106781186547524400844362104849039L); return 5;
    case EJ_FN_POW: /* powl(-Inf, -2^63) is Inf in glibc 2.36 */
        *want = isinf(x) ? (long double)pow((double)x, (double)y) : powl(x, y);
        return 1.5;
    default: return 0;
    }
}

static double worst[EJ_FN_COUNT][2];

/* The sign of a zero of silu and gelu, where a subnormal rounds away, is left open. */
static void check_elementary(const loaded *l, int fn, int dtype, const arrays *a)
{
    for (int i = 0; i < COUNT; i++) {
        ej_scalar x = get(a, 0, dtype, i), y = get(a, 1, dtype, i), got = get(a, 3, dtype, i);
        long double want = 0;
        double bound = bound_of(fn, x.re, y.re, &want);
        double off = ulps(dtype, got.re, want), least = dtype == EINJIT_F32 ? 0x1p-120 : 0x1p-1015;
        if ((fn == EJ_FN_GELU || fn == EJ_FN_SILU) && fabsl(want) < least) bound = 512; /* x times a subnormal */
        else if (off > worst[fn][dtype == EINJIT_F64]) worst[fn][dtype == EINJIT_F64] = off;
        bool signs = want != 0 || fn == EJ_FN_SILU || fn == EJ_FN_GELU || !signbit(want) == !signbit(got.re);
        if (off > bound || !signs)
            differ(l, ej_fns[fn].name, dtype, x, y, got, (ej_scalar){.re = (double)want, .im = off});
    }
}

/* The definition in ops.def. */
static double floor_divide(int dtype, double a, double b)
{
    if (b == 0 || isnan(a) || isnan(b)) return a / b;
    if (isinf(a)) return NAN;
    double q = floor(dtype == EINJIT_F32 ? (double)((float)a / (float)b) : a / b);
    double rest = q == 0 ? a : fma(-q, b, a);
    if ((rest < 0 && b > 0) || (rest > 0 && b < 0)) q = dtype == EINJIT_F32 ? (double)((float)q - 1) : q - 1;
    return q;
}

static void check_exact(const loaded *l, int fn, int dtype, int to, const arrays *a)
{
    ej_scalar none = {0};
    for (int i = 0; i < COUNT; i++) {
        ej_scalar x = get(a, 0, fn == EJ_FN_WHERE ? EINJIT_BOOL : dtype, i), y = get(a, 1, dtype, i), want;
        ej_scalar z = fn == EJ_FN_WHERE ? get(a, 2, dtype, i) : none, got = get(a, 3, to, i);
        if (fn >= 0) want = ej_scalar_fn(fn, dtype, to, x, y, z);
        else if (fn == -1) want = ej_scalar_cast(dtype, to, x);
        else want = ej_scalar_reduce(-2 - fn, dtype, x, y);
        if (fn == EJ_FN_FLOOR_DIVIDE && ej_dtype_is_float(dtype)) want.re = floor_divide(dtype, x.re, y.re);
        bool same = same_bits(got.re, want.re) && same_bits(got.im, want.im) && got.integer == want.integer;
        if (!same) differ(l, fn >= 0 ? ej_fns[fn].name : fn == -1 ? "cast" : "reduce", dtype, x, y, got, want);
    }
}

static bool finite_sizes(ej_scalar v, int dtype)
{
    double size = hypot(v.re, v.im); /* not of Inf or NaN */
    return dtype == EINJIT_C64 ? size > 1e-10 && size < 1e15 : size > 1e-140 && size < 1e140;
}

static bool near(int dtype, double got, long double want, double bound)
{
    return ulps(dtype, got, want) <= bound && (want != 0 || !signbit(want) == !signbit(got));
}

/* abs and exp against C's, part by part; where nothing over- or underflows also to rounding of the whole. */
static void check_complex(const loaded *l, int fn, int dtype, int to, const arrays *a)
{
    int real = ej_dtypes[dtype].real;
    double epsilon = dtype == EINJIT_C64 ? 0x1p-23 : 0x1p-52, bound = fn == EJ_FN_ABS ? 2 : 8;
    for (int i = 0; i < COUNT; i++) {
        ej_scalar x = get(a, 0, dtype, i), got = get(a, 3, to, i);
        long double complex z = __builtin_complex(x.re, x.im), want = fn == EJ_FN_ABS ? cabsl(z) : cexpl(z);
        bool good = near(real, got.re, creall(want), bound) && near(real, got.im, cimagl(want), bound);
        bool inside = finite_sizes(x, dtype) && (fn != EJ_FN_EXP || fabs(x.re) <= 80);
        if (inside) good = good && hypotl(got.re - creall(want), got.im - cimagl(want)) <= 6 * epsilon * cabsl(want);
        ej_scalar shown = {.re = (double)creall(want), .im = (double)cimagl(want)};
        if (!good) differ(l, ej_fns[fn].name, dtype, x, (ej_scalar){0}, got, shown);
    }
}

static void check_log_sum_exp(const loaded *l, int dtype, const arrays *a)
{
    for (int i = 0; i < COUNT; i++) {
        ej_scalar x = get(a, 0, dtype, i), y = get(a, 1, dtype, i), got = get(a, 3, dtype, i);
        ej_scalar want = ej_scalar_reduce(EINJIT_REDUCE_LOGSUMEXP, dtype, x, y);
        long double scale = 2 + fabs(x.re); /* absolute: high and log1p may cancel */
        if (fabs(x.re) < 1e6 && fabs(y.re) < 1e6 && dtype == EINJIT_F32) scale *= 0x1p-22;
        else if (fabs(x.re) < 1e6 && fabs(y.re) < 1e6) scale *= 0x1p-51;
        else scale = 0;
        bool near = scale > 0 ? fabsl((long double)got.re - want.re) < scale : ulps(dtype, got.re, want.re) <= 2;
        if (!near) differ(l, "log_sum_exp", dtype, x, y, got, want);
    }
}

static void check_one(const loaded *l, int fn, int dtype, int to)
{
    arrays a = arrays_new(dtype, fn == EJ_FN_WHERE, (unsigned)(fn + 100));
    long double unused;
    run_loop(l, fn, dtype, to, a.parts, COUNT);
    if (ej_dtype_is_float(dtype) && fn >= 0 && bound_of(fn, 1, 1, &unused) > 0) check_elementary(l, fn, dtype, &a);
    else if (fn == -2 - EINJIT_REDUCE_LOGSUMEXP) check_log_sum_exp(l, dtype, &a);
    else if (ej_dtype_is_complex(dtype) && (fn == EJ_FN_EXP || fn == EJ_FN_ABS)) check_complex(l, fn, dtype, to, &a);
    else if (fn < 0 || ej_dtypes[dtype].kind > EJ_KIND_INT || ej_dtypes[to].kind <= EJ_KIND_INT)
        check_exact(l, fn, dtype, to, &a);
    arrays_free(&a);
}

static void check_all(const loaded *l)
{
    for (int d = 0; d < N_DTYPES; d++) {
        for (int fn = 0; fn < EJ_FN_COUNT; fn++)
            if (has_fn(fn, dtypes[d])) check_one(l, fn, dtypes[d], result_of(fn, dtypes[d]));
        for (int t = 0; t < N_DTYPES; t++) check_one(l, -1, dtypes[d], dtypes[t]);
        for (int r = 0; r < N_REDUCES; r++)
            if (has_reduce(reduces[r], dtypes[d])) check_one(l, -2 - reduces[r], dtypes[d], dtypes[d]);
    }
}

static ej_scalar complex_of(const loaded *l, int fn, int to, ej_scalar a, ej_scalar b)
{
    double v[PARTS][16] = {{0}};
    void *parts[PARTS];
    for (int p = 0; p < PARTS; p++) {
        parts[p] = v[p];
        for (int i = 0; i < 16; i++) v[p][i] = p == 0 ? a.re : p == 1 ? a.im : p == 2 ? b.re : b.im;
    }
    run_loop(l, fn, EINJIT_C128, to, parts, 16);
    return (ej_scalar){.re = v[6][15], .im = ej_dtype_is_complex(to) ? v[7][15] : 0};
}

/* What rounding bounds do not cover: zeros, infinities and sizes whose squares overflow. */
static void check_complex_edges(const loaded *l)
{
    static const struct {
        int fn;
        ej_scalar a, b, want;
    } cases[] = {
        {EJ_FN_DIV, {1, -2, 0}, {0, 0, 0}, {INFINITY, -INFINITY, 0}},
        {EJ_FN_DIV, {0, 2, 0}, {-0.0, 0, 0}, {NAN, INFINITY, 0}},
        {EJ_FN_DIV, {1e300, 1e300, 0}, {1e300, 1e300, 0}, {1, 0, 0}},
        {EJ_FN_RECIPROCAL, {0, 0x1p-1020, 0}, {0, 0, 0}, {0, -0x1p1020, 0}},
        {EJ_FN_EXP, {INFINITY, 0, 0}, {0, 0, 0}, {INFINITY, 0, 0}},
        {EJ_FN_EXP, {-INFINITY, NAN, 0}, {0, 0, 0}, {0, 0, 0}},
        {EJ_FN_ABS, {NAN, -INFINITY, 0}, {0, 0, 0}, {INFINITY, 0, 0}},
        {EJ_FN_ABS, {3e300, -4e300, 0}, {0, 0, 0}, {5e300, 0, 0}},
        {EJ_FN_ABS, {0, -0.0, 0}, {0, 0, 0}, {0, 0, 0}},
        {EJ_FN_ABS, {3, NAN, 0}, {0, 0, 0}, {NAN, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int to = result_of(cases[i].fn, EINJIT_C128);
        ej_scalar got = complex_of(l, cases[i].fn, to, cases[i].a, cases[i].b), want = cases[i].want;
        if (ulps(EINJIT_F64, got.re, want.re) > 1 || ulps(EINJIT_F64, got.im, want.im) > 1)
            differ(l, ej_fns[cases[i].fn].name, EINJIT_C128, cases[i].a, cases[i].b, got, want);
    }
}

/* ---- tests ---- */

static void row_computes_what_the_scalars_say(int row)
{
    static const int lanes[] = {1, 8, 16};
    for (int i = 0; i < 3; i++) {
        LLVMMemoryBufferRef object = compile_row(&ej_targets[row], lanes[i]);
        check_no_undefined(object, ej_targets[row].name, lanes[i]);
        if (!ej_target_runs_here(&ej_targets[row])) {
            LLVMDisposeMemoryBuffer(object);
            continue;
        }
        loaded l = load_object(object, ej_targets[row].name, lanes[i]);
        check_all(&l);
        check_complex_edges(&l);
        assert_null(LLVMOrcDisposeLLJIT(l.jit));
    }
}

static void every_row_computes_what_the_scalars_say(void **state)
{
    (void)state;
    for (int row = 0; row < ej_n_targets; row++) row_computes_what_the_scalars_say(row);
    if (!getenv("EINJIT_TEST_ULPS")) return;
    for (int fn = 0; fn < EJ_FN_COUNT; fn++)
        if (worst[fn][0] > 0 || worst[fn][1] > 0)
            print_message("%-10s f32 %.2f  f64 %.2f\n", ej_fns[fn].name, worst[fn][0], worst[fn][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_computes_what_the_scalars_say)};
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
