/* opt_scalar_role.c - which operands of a node are scalar factors of it: numbers, and values of rank 0.
 *
 * Takes  multiplications, divisions, negations, and einsums of products.
 * Gives  per operand its role, per node the product of those that are scalars: 2.0 * x, x / s, einsum(",ij->i", s, x).
 * Keeps  dtypes: a scalar is taken only where the rest of the operation, without it, has the same floating dtype. So an
 *        integer times 0.5 stays, an f32 times an f64 of rank 0 stays, and a real times 1j. Where a dtype is not known
 *        the scalar stays, too. Products of values of rank 0 alone stay: they are the 0-d work that others are moved
 *        into.
 */
#include "opt_scalar.h"

#include "graph_element.h"

static bool floating(ej_known_dtype known)
{
    return !known.weak && ej_known_inexact(known);
}

bool ej_scalar_is_delicate(const ej_scaling *s, ej_value v)
{
    int dtype = s->dtypes[v].dtype;
    return s->zeros[v] && (dtype < 0 || ej_dtype_is_complex(dtype));
}

int ej_scalar_cost(const ej_scaling *s, ej_value v)
{
    return s->shapes->of[v].rank != 0;
}

/* ---- numbers ---- */

static bool element(const ej_node *node, ej_factor *out)
{
    if (node->dtype == EINJIT_BOOL || ej_dtype_is_half(node->dtype)) return false;
    ej_number number = ej_element_load(node->dtype, node->data, 0);
    *out = number.kind == EJ_KIND_INT ? ej_factor_number((double)number.integer, 0)
                                      : ej_factor_number(number.re, number.im);
    return true;
}

bool ej_scalar_number(const ej_node *node, ej_factor *out)
{
    if (node->op == EJ_OP_CONSTANT) return node->rank == 0 && !node->n_extents && node->data && element(node, out);
    if (node->op != EJ_OP_SCALAR || node->fn == EJ_KIND_BOOL) return false;
    if (node->fn == EJ_KIND_INT) *out = ej_factor_number((double)node->integer, 0);
    else *out = ej_factor_number(node->re, node->fn == EJ_KIND_COMPLEX ? node->im : 0);
    return true;
}

/* ---- roles ---- */

/* `rest` stays what it is without that operand. */
static bool rest_keeps_its_dtype(const ej_scaling *s, ej_value operand, ej_known_dtype rest)
{
    ej_known_dtype own = s->dtypes[operand];
    if (!floating(rest)) return false;
    if (!own.weak)
        return own.dtype >= 0 && rest.dtype >= 0 && einjit_dtype_promote(own.dtype, rest.dtype) == rest.dtype;
    if (s->graph->nodes[operand].op != EJ_OP_SCALAR) return false; /* what is computed from literals has a dtype */
    return own.kind <= EJ_KIND_FLOAT || (rest.dtype >= 0 && ej_dtype_is_complex(rest.dtype));
}

static uint8_t role_of(const ej_scaling *s, ej_value operand, ej_known_dtype rest, ej_factor *out)
{
    const ej_node *node = &s->graph->nodes[operand];
    if (!rest_keeps_its_dtype(s, operand, rest)) return EJ_ROLE_ARRAY;
    if (node->op == EJ_OP_SCALAR || node->op == EJ_OP_CONSTANT)
        return ej_scalar_number(node, out) && ej_factor_in_bounds(out, rest, s->graph->drift) ? EJ_ROLE_NUMBER
                                                                                              : EJ_ROLE_ARRAY;
    return s->shapes->of[operand].rank == 0 && floating(s->dtypes[operand]) ? EJ_ROLE_RUNTIME : EJ_ROLE_ARRAY;
}

/* Puts operand k among the scalars of v if the product stays in bounds. */
static int take(ej_scaling *s, ej_value v, uint32_t k, ej_known_dtype rest, int power)
{
    ej_value operand = s->graph->nodes[v].in[k];
    ej_factor factor = ej_factor_one, product = s->own[v];
    ej_factor_use *use;
    bool fits = false;
    uint8_t role = role_of(s, operand, rest, &factor);
    const ej_node *node = &s->graph->nodes[v];
    bool sums = node->op == EJ_OP_EINSUM && ej_facts_sums(node->equation);
    bool positive = role == EJ_ROLE_NUMBER && ej_factor_is_positive(&factor);
    if (s->zeros[v] && sums && !positive && !EJ_BROKEN(SCALAR_ZEROS)) return EINJIT_OK; /* it would sign a sum's 0.0 */
    if (role == EJ_ROLE_ARRAY || (role == EJ_ROLE_RUNTIME && s->dtypes[v].dtype < 0)) return EINJIT_OK;
    if (role == EJ_ROLE_RUNTIME) {
        if (!(use = EJ_JOB_NEW(s->job, ej_factor_use))) return ej_no_memory(s->job->err);
        *use = (ej_factor_use){.value = operand};
        factor.n = 1;
        factor.uses = use;
    }
    if (EJ_BROKEN(SCALAR_START)) product = ej_factor_one;
    EJ_TRY(ej_factor_multiply(&product, &factor, power, &fits, s->job));
    if (!fits || !ej_factor_in_bounds(&product, rest, s->graph->drift)) return EINJIT_OK;
    s->own[v] = product;
    s->n_own[v]++;
    s->roles[s->edges[v] + k] = role;
    return EINJIT_OK;
}

/* By rank 0 the operand is a scalar, whatever its dtype. */
static bool looks_scalar(const ej_scaling *s, ej_value operand)
{
    return s->shapes->of[operand].rank == 0;
}

static int roles_of_map(ej_scaling *s, ej_value v)
{
    const ej_node *node = &s->graph->nodes[v];
    if (node->fn == EJ_FN_NEG && floating(s->dtypes[v])) {
        s->own[v] = ej_factor_number(-1, 0);
        s->n_own[v] = 1;
    }
    if (node->fn != EJ_FN_MUL && node->fn != EJ_FN_DIV) return EINJIT_OK;
    for (uint32_t k = node->fn == EJ_FN_DIV; k < 2; k++) {
        ej_value other = node->in[1 - k];
        int op = s->graph->nodes[node->in[k]].op;
        bool is_number = op == EJ_OP_SCALAR || op == EJ_OP_CONSTANT;
        if (s->n_own[v] || !looks_scalar(s, node->in[k]) || (!is_number && looks_scalar(s, other))) continue;
        EJ_TRY(take(s, v, k, s->dtypes[other], node->fn == EJ_FN_DIV ? -1 : 1));
    }
    return EINJIT_OK;
}

/* Terms without labels over a value of rank 0; one operand must be left. */
static int roles_of_einsum(ej_scaling *s, ej_value v)
{
    const ej_node *node = &s->graph->nodes[v];
    uint32_t n_rest = 0;
    if (node->fn != EINJIT_REDUCE_SUM || node->combine != EINJIT_COMBINE_MUL) return EINJIT_OK;
    ej_value *rest = EJ_JOB_ARRAY(s->job, ej_value, node->n_in);
    if (!rest) return ej_no_memory(s->job->err);
    for (uint32_t k = 0; k < node->n_in; k++)
        if (node->equation->terms[k].n || !looks_scalar(s, node->in[k])) rest[n_rest++] = node->in[k];
    if (!n_rest || n_rest == node->n_in) return EINJIT_OK;
    ej_known_dtype dtype = ej_known_promote(s->dtypes, n_rest, rest, NULL);
    for (uint32_t k = 0; k < node->n_in; k++)
        if (!node->equation->terms[k].n && looks_scalar(s, node->in[k])) EJ_TRY(take(s, v, k, dtype, 1));
    return EINJIT_OK;
}

int ej_scalar_roles(ej_scaling *s)
{
    for (size_t v = 0; v < s->n; v++) {
        s->own[v] = ej_factor_one;
        if (ej_scalar_is_delicate(s, (ej_value)v)) continue;
        if (s->graph->nodes[v].op == EJ_OP_MAP) EJ_TRY(roles_of_map(s, (ej_value)v));
        if (s->graph->nodes[v].op == EJ_OP_EINSUM) EJ_TRY(roles_of_einsum(s, (ej_value)v));
    }
    return EINJIT_OK;
}
