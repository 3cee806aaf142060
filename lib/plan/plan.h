/* plan.h - the steps of a whole bound graph: loops over accesses, in order, with buffers placed in one scratch block.
 *
 * Everything a program does is one kind of step: for all values of the axes,
 *     out[...] = expr(src_0[...], src_1[...], ...)                 reduce == EJ_REDUCE_NONE
 *     out[...] = reduce over the axes that out does not have, of expr(...), then epilogue(reduced, tail_1[...], ...)
 * with accesses that are affine in the axes plus table terms (gather, scatter). Layout operations are no steps: they
 * became strides of the accesses.
 */
#ifndef EJ_PLAN_H
#define EJ_PLAN_H

#include "path.h"

enum ej_run { EJ_RUN_SEQUENTIAL, EJ_RUN_PARALLEL, EJ_RUN_REDUCED };
typedef struct ej_axis {
    const char *name; /* for dumps: a letter of the equation, or d0, d1, ... */
    ej_size extent;
    uint8_t run; /* EJ_RUN_*: reduced: out does not have it; sequential: iterations may touch the same element */
} ej_axis;

enum ej_home {
    EJ_HOME_ARG,     /* data[slot] of the entry: inputs, then outputs. What an output held is an input with its slot */
    EJ_HOME_SCRATCH, /* at offset_bytes of the scratch block, lives across nests */
    EJ_HOME_CONST,   /* plan->constants[slot] */
    EJ_HOME_LOCAL,   /* nests: memory that is live in one iteration of a loop; offset_bytes in the thread's part of
                      * it */
    EJ_HOME_REG,     /* nests: registers, live in one iteration of a loop */
    EJ_HOME_COUNT    /* no memory: element i is the number i. Of dtype i64, never written, never a table */
};
typedef struct ej_buffer {
    const char *name;
    int16_t dtype;
    uint8_t home;
    int32_t slot;         /* of a nest's SCRATCH: the plan's buffer */
    ej_size elems;        /* SCRATCH, CONST, LOCAL, REG, COUNT: number of elements */
    ej_size offset_bytes; /* SCRATCH, LOCAL: a multiple of 64 */
    bool in_place;        /* ARG: what is read of it may be where the same iteration writes (plan_in_place.c) */
    bool is_table;        /* accesses read indices from it ... */
    ej_size limit;        /* ... all of them in 0 .. limit-1: checked before the run, or clamped by the plan */
} ej_buffer;

/* element = base + sum over terms of stride * (table < 0 ? axis value : buffers[table][tbase + tstride * axis value])
 * Tables are i32 or i64 buffers. An axis appears in at most one term per access; a term of stride 0 still names its
 * axis. A term with block > 0 (nests only: packed panels) has two strides: for the value v that stride would multiply,
 * it adds stride * (v mod block) + block_stride * (v div block). Such a term has no table. */
typedef struct ej_access_term {
    int32_t axis;
    int32_t table;
    ej_size stride;
    ej_size tbase, tstride;
    int64_t block; /* 0: none */
    ej_size block_stride;
} ej_access_term;
typedef struct ej_access {
    int32_t buffer;
    ej_size base;
    int32_t n_terms;
    ej_access_term *terms;
} ej_access;

/* NULL: the access does not name the axis. */
static inline const ej_access_term *ej_access_find(const ej_access *access, int32_t axis)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].axis == axis) return &access->terms[t];
    return NULL;
}

static inline bool ej_access_has_table(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0) return true;
    return false;
}

/* A scalar expression as a tape; the last op is the result. */
enum ej_expr_kind { EJ_EXPR_SOURCE, EJ_EXPR_CONST, EJ_EXPR_FN, EJ_EXPR_CAST };
typedef struct ej_expr_op {
    uint8_t kind;
    uint8_t fn;      /* FN: EJ_FN_* */
    int16_t dtype;   /* of the result; FN: COMPARE/EQUAL give bool, their operands share another dtype */
    int32_t a, b, c; /* SOURCE: a = index of the source; FN, CAST: earlier ops */
    double re, im;   /* CONST of a floating or complex dtype */
    int64_t integer; /* CONST of an integer or bool dtype */
} ej_expr_op;
typedef struct ej_expr {
    int32_t n;
    ej_expr_op *ops;
} ej_expr;

static inline int32_t ej_op_arity(const ej_expr_op *op)
{
    return op->kind == EJ_EXPR_FN ? ej_fns[op->fn].arity : op->kind == EJ_EXPR_CAST;
}

static inline int32_t ej_op_operand(const ej_expr_op *op, int32_t k)
{
    return k == 0 ? op->a : k == 1 ? op->b : op->c;
}

/* A product of two sources of bf16 in f32, or of i8, u8 or i16 in i32: the dtype in which an instruction takes pairs of
 * such factors, BF16 or I16; -1: it is neither. */
static inline int ej_expr_pairs_of(const ej_expr *expr)
{
    if (expr->n < 1) return -1;
    const ej_expr_op *last = &expr->ops[expr->n - 1];
    int pairs = last->dtype == EINJIT_F32 ? EINJIT_BF16 : last->dtype == EINJIT_I32 ? EINJIT_I16 : -1;
    if (last->kind != EJ_EXPR_FN || last->fn != EJ_FN_MUL) return -1;
    for (int k = 0; k < 2 && pairs >= 0; k++) {
        const ej_expr_op *cast = &expr->ops[k ? last->b : last->a], *source = &expr->ops[cast->a];
        bool suits =
            cast->kind == EJ_EXPR_CAST && source->kind == EJ_EXPR_SOURCE &&
            (pairs == EINJIT_BF16 ? source->dtype == EINJIT_BF16
                                  : ej_dtypes[source->dtype].kind == EJ_KIND_INT && ej_dtype_is_narrow(source->dtype));
        if (!suits) pairs = -1;
    }
    return pairs;
}

enum { EJ_REDUCE_NONE = -1 };

typedef struct ej_step {
    const char *name;
    int32_t n_axes;
    ej_axis *axes;
    ej_access out;
    int32_t n_src, n_tail;
    /* n_src sources of the expression, then n_tail more that the epilogue reads: they name only kept axes */
    ej_access *src;
    ej_expr expr;  /* over the sources */
    int8_t reduce; /* EJ_REDUCE_NONE, EINJIT_REDUCE_SUM, _PROD, _MAX, _MIN, _OR */
    /* reduced axes run as nested loops in the order of `axes`; each result takes its terms one by one */
    bool ordered;
    bool accumulate; /* the result is combined (by reduce) with what out holds: scatter, accumulation */
    /* n == 0: none; else over the reduced value (before it is accumulated), source 0, and the tail: 1 .. */
    ej_expr epilogue;
    /* some of the tail may lie where out does: of a sum in parts, the first one takes it (plan_affine.c) */
    bool tail_first, tail_scales; /* ... and all of them are scaled, each by itself */
} ej_step;

typedef struct ej_constant {
    int16_t dtype;
    int64_t elems;
    const void *data;
} ej_constant;

/* Index inputs: einjit_run checks their range before it runs; values computed in the program are clamped by the
 * plan. */
typedef struct ej_index_check {
    int32_t input;    /* of the graph */
    ej_size extent;   /* each element must be in 0 .. extent-1 */
    const char *name; /* of the operation, for the message */
} ej_index_check;
/* Computed indices: the plan writes min and max of the unclamped values (two i64) into a scratch buffer, which nothing
 * else uses. min > max: there were no indices. */
typedef struct ej_status_check {
    int32_t buffer; /* i64[2]: min, max */
    ej_size extent;
    const char *name;
} ej_status_check;

typedef struct ej_plan {
    const ej_bound *bound;
    int32_t n_args; /* inputs + outputs */
    size_t n_buffers, cap_buffers;
    ej_buffer *buffers; /* [0 .. n_args) are the arguments */
    size_t n_steps, cap_steps;
    ej_step *steps;
    size_t n_constants, cap_constants;
    ej_constant *constants;
    size_t n_index_checks, cap_index_checks;
    ej_index_check *index_checks;
    size_t n_status_checks, cap_status_checks;
    ej_status_check *status_checks;
    ej_size scratch_bytes;            /* a multiple of 64 */
    int32_t *last_read, *first_write; /* per argument: an output may have the memory of an input that is not read later
                                       * than the output is first written (plan_in_place.c) */
    double log10_mults, log2_largest, naive_operations, planned_operations, bytes_moved;
} ej_plan;

/* Steps, buffers by liveness. Zero-extent results get steps that do nothing or write the neutral element. */
int ej_plan_build(ej_plan *out, const ej_bound *bound, ej_job *job);
int ej_plan_verify(const ej_plan *plan, ej_job *job);
void ej_plan_print(ej_text *text, const ej_plan *plan);
void ej_expr_print(ej_text *text, const ej_expr *expr);
/* When a buffer is in use: from the step that touches it first to the last one, or plan->n_steps where the run's caller
 * reads it; and how many steps write it. */
typedef struct ej_plan_life {
    int32_t first, last, writers; /* first -1: never touched */
} ej_plan_life;
/* A caller may give one tensor for both, argument numbers: it is read in time. */
bool ej_plan_may_be_one(const ej_plan *plan, int32_t input, int32_t output);
/* One for each buffer of the plan. NULL: out of memory. */
ej_plan_life *ej_plan_measure(const ej_plan *plan, ej_job *job);
/* Places the buffers again, where steps run in groups. group: by step, its number, ascending from 0; `gone`: by buffer,
 * groups that keep it elsewhere. */
int ej_plan_place_groups(ej_plan *plan, const int32_t *group, const bool *gone, ej_sizes *sizes, ej_job *job);
/* The neutral element of a reduction as a constant op of the dtype. */
ej_expr_op ej_reduce_neutral(int reduce, int dtype);

/* ---- plan_affine.c ---- */
/* Of an epilogue: the op `top` is a * value + b, where value is the sum, a and b are made of constants and the tail. */
typedef struct ej_affine {
    int32_t top;  /* -1: nothing is */
    bool *linear; /* by op: of the value, and what is made of it up to top */
    bool scales;  /* a is not 1 */
} ej_affine;
int ej_affine_find(ej_affine *out, const ej_expr *epilogue, int reduce, ej_arena *arena); /* E_NOMEM only */
/* What op i adds to the value, or is subtracted from, or subtracts; -1: it does not. */
int32_t ej_affine_summand(const ej_affine *affine, const ej_expr *epilogue, int32_t i);
/* *out: the tail's source number `tail` is read for b alone. E_NOMEM only. */
int ej_affine_comes_first(bool *out, const ej_expr *epilogue, int reduce, int32_t tail, ej_arena *arena);

#endif
