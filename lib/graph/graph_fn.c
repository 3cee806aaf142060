/* graph_fn.c - the table of pointwise functions, from ops.def. Shared with the code generator. */
#include <string.h>

#include "graph.h"

const ej_fn_info ej_fns[EJ_FN_COUNT] = {
#define EINJIT_FN(name, NAME, arity, rule) {#name, arity, EJ_RULE_##rule},
#include "einjit/ops.def"
#undef EINJIT_FN
};

int ej_fn_by_name(const char *name, size_t length)
{
    for (int fn = 0; fn < EJ_FN_COUNT; fn++)
        if (strlen(ej_fns[fn].name) == length && !memcmp(ej_fns[fn].name, name, length)) return fn;
    return -1;
}

bool ej_fn_is_called(int fn)
{
    switch (fn) {
    case EJ_FN_EXP:
    case EJ_FN_LOG:
    case EJ_FN_LOG1P:
    case EJ_FN_EXPM1:
    case EJ_FN_SIN:
    case EJ_FN_COS:
    case EJ_FN_TAN:
    case EJ_FN_TANH:
    case EJ_FN_SIGMOID:
    case EJ_FN_GELU:
    case EJ_FN_SILU:
    case EJ_FN_SOFTPLUS:
    case EJ_FN_ERF:
    case EJ_FN_POW:
    case EJ_FN_REMAINDER: return true;
    default: return false;
    }
}
