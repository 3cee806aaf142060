/* bind_dtype.c - dtypes: promotion, weak numbers, casts.
 *
 * Takes  operands: bound values, or literals of the program.
 * Gives  their common dtype by NumPy's rules, and the operands in it.
 * Keeps  f16, bf16, i8, u8 and i16 in memory: what computes takes its operands in f32 or i32, and its result is rounded
 *        once to the dtype, or wrapped; what only moves elements takes them as they are.
 *        Python's numbers weak: a literal takes the dtype of the other operand. Python's own arithmetic on literals was
 *        folded by the reader; what is left over literals alone are calls of functions, whose results have a dtype.
 */
#include "base_narrow.h"
#include "bind_core.h"

static const int default_dtypes[] = {[EJ_KIND_BOOL] = EINJIT_BOOL,
                                     [EJ_KIND_INT] = EINJIT_I64,
                                     [EJ_KIND_FLOAT] = EINJIT_F64,
                                     [EJ_KIND_COMPLEX] = EINJIT_C128};

int ej_bind_dtype(const ej_binder *b, const ej_bind_operand *operand)
{
    if (operand->id >= 0) return ej_bind_at(b, operand->id)->dtype;
    return operand->literal ? default_dtypes[operand->literal->fn & 3] : EINJIT_F64;
}

int32_t ej_bind_rank(const ej_binder *b, const ej_bind_operand *operand)
{
    return operand->id >= 0 ? ej_bind_at(b, operand->id)->rank : 0;
}

int ej_bind_promote(ej_binder *b, size_t n, const ej_bind_operand *in, int *dtype)
{
    int strong = -1, kind = -1;
    for (size_t i = 0; i < n; i++) {
        int own = ej_bind_dtype(b, &in[i]);
        if (in[i].id >= 0) strong = strong < 0 ? own : einjit_dtype_promote(strong, own);
        else if (ej_dtypes[own].kind > kind) kind = ej_dtypes[own].kind;
    }
    if (strong < 0) *dtype = default_dtypes[kind < 0 ? EJ_KIND_FLOAT : kind];
    else *dtype = kind < 0 ? strong : ej_dtype_promote_weak(strong, kind);
    if (!ej_dtype_valid(*dtype)) return ej_fail(b->err, EINJIT_E_DTYPE, "%d is not a dtype", *dtype);
    return EINJIT_OK;
}

int ej_bind_floating(ej_binder *b, int dtype, bool real_only, const char *what, int *out)
{
    if (real_only && ej_dtype_is_complex(dtype))
        return ej_fail(b->err, EINJIT_E_DTYPE, "%s is not defined for %s", what, einjit_dtype_name(dtype));
    *out = ej_dtypes[dtype].kind <= EJ_KIND_INT ? EINJIT_F64 : dtype;
    return EINJIT_OK;
}

/* ---- literals ---- */

/* As the dtype holds it, so that all backends start from the same bits; a node of the dtype `as`, which holds all
 * numbers of the other one. */
static int literal_as(ej_binder *b, const ej_node *literal, int dtype, int as, ej_value *out)
{
    ej_bound_node made = {.op = EJ_OP_SCALAR, .dtype = (int16_t)as};
    bool whole = literal->fn == EJ_KIND_INT || literal->fn == EJ_KIND_BOOL;
    if (ej_dtypes[dtype].kind <= EJ_KIND_INT) { /* promotion gives those to whole literals only */
        if (!whole) return ej_fail(b->err, EINJIT_E_DTYPE, "a number with a fraction as %s", einjit_dtype_name(dtype));
        if (dtype != EINJIT_BOOL &&
            (literal->integer > ej_dtype_highest(dtype) || literal->integer < ej_dtype_lowest(dtype)))
            return ej_fail(b->err, EINJIT_E_VALUE, "the number %lld does not fit into %s", (long long)literal->integer,
                           einjit_dtype_name(dtype));
        made.integer = dtype == EINJIT_BOOL ? literal->integer != 0 : literal->integer;
        return ej_bind_node(b, &made, out);
    }
    made.re = ej_dtype_round(dtype, whole ? (double)literal->integer : literal->re);
    made.im = whole || !ej_dtype_is_complex(dtype) ? 0 : ej_dtype_round(dtype, literal->im);
    return ej_bind_node(b, &made, out);
}

int ej_bind_take(ej_binder *b, const ej_bind_operand *operand, int dtype, ej_value *out)
{
    if (operand->id >= 0) return ej_bind_cast(b, operand->id, dtype, out);
    if (operand->literal) return literal_as(b, operand->literal, dtype, dtype, out);
    return ej_fail(b->err, EINJIT_E_INTERNAL, "an operand that was not bound");
}

int ej_bind_take_wide(ej_binder *b, const ej_bind_operand *operand, int dtype, ej_value *out)
{
    int wide = ej_dtypes[dtype].computes;
    if (operand->id < 0 && operand->literal) return literal_as(b, operand->literal, dtype, wide, out);
    EJ_TRY(ej_bind_take(b, operand, dtype, out));
    return ej_bind_cast(b, *out, wide, out);
}

int ej_bind_take_own(ej_binder *b, const ej_bind_operand *operand, ej_value *out)
{
    int dtype = ej_bind_dtype(b, operand);
    return ej_bind_take(b, operand, dtype, out);
}

int ej_bind_number(ej_binder *b, int dtype, double value, ej_value *out)
{
    ej_bound_node made = {.op = EJ_OP_SCALAR, .dtype = (int16_t)dtype};
    if (ej_dtypes[dtype].kind <= EJ_KIND_INT) made.integer = (int64_t)value;
    else made.re = ej_dtype_round(dtype, value);
    return ej_bind_node(b, &made, out);
}
