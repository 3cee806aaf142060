/* gen_magnitude.c - keeps programs of einsums from over- and underflowing in some order of evaluation but not in
 * another.
 *
 * Where factors may be taken in any order, a product overflows if that of its large factors alone does. So a value has
 * two bounds, in powers of two: how far up the large factors of its history may reach together, and how far down the
 * small ones. A program may scale by 1e30 and take it back by 1e-30, but not by 1e30 twice.
 */
#include <math.h>

#include "gen_maker.h"

static gen_reach of_elements(const oracle_value *v)
{
    gen_reach reach = {0, 0};
    for (int64_t i = 0; i < v->n; i++) {
        long double size = hypotl(v->e[i].re, v->e[i].im);
        if (size == 0 || !isfinite(size)) continue;
        reach.up = fmaxf(reach.up, (float)log2l(size));
        reach.down = fmaxf(reach.down, -(float)log2l(size));
    }
    return reach;
}

static bool finite_elements(const oracle_value *v)
{
    for (int64_t i = 0; i < v->n; i++)
        if (!isfinite(v->e[i].re) || !isfinite(v->e[i].im)) return false;
    return true;
}

/* Infinities out of finite operands: rounding decides of these, unless they come by division. */
static bool overflows(const gen_maker *m, const ej_node *node, const oracle_value *result)
{
    if (finite_elements(result) || (node->op == EJ_OP_MAP && (node->fn == EJ_FN_DIV || ej_fns[node->fn].arity == 1)))
        return false;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!finite_elements(gen_value(m, node->in[i]))) return false;
    return true;
}

static bool multiplies(const ej_node *node)
{
    if (node->op == EJ_OP_MAP) return node->fn == EJ_FN_MUL;
    return node->op == EJ_OP_EINSUM || node->op == EJ_OP_MATMUL || node->op == EJ_OP_TENSORDOT;
}

/* A factor known at run time alone that is no finite number: what multiplies by it, and where, is not for rounding to
 * say. */
static bool endless_factor(const gen_maker *m, const ej_node *node, const oracle_value *result)
{
    if (node->op == EJ_OP_MAP && node->fn == EJ_FN_DIV && !gen_is_literal(m, node->in[1])) {
        const oracle_value *by = gen_value(m, node->in[1]);
        if (by->n == 1 && by->e[0].re == 0 && by->e[0].im == 0 && by->e[0].i == 0) return true;
    }
    return result->n == 1 && !finite_elements(result);
}

bool gen_magnitude(const gen_maker *m, const ej_node *node, const oracle_value *result, gen_reach *out)
{
    bool leaf = node->op == EJ_OP_INPUT || node->op == EJ_OP_CONSTANT || node->op == EJ_OP_SCALAR;
    *out = of_elements(result);
    if (leaf) return true;
    gen_reach sum = {0, 0};
    for (uint32_t i = 0; i < node->n_in; i++) {
        gen_reach in = m->reach[node->in[i]];
        if (node->op == EJ_OP_MAP && node->fn == EJ_FN_DIV && i) in = (gen_reach){in.down, in.up};
        if (multiplies(node) || (node->op == EJ_OP_MAP && node->fn == EJ_FN_DIV)) {
            sum.up += in.up;
            sum.down += in.down;
        } else {
            sum.up = fmaxf(sum.up, in.up);
            sum.down = fmaxf(sum.down, in.down);
        }
    }
    if (node->op == EJ_OP_MAP && node->fn == EJ_FN_SQUARE) sum = (gen_reach){2 * sum.up, 2 * sum.down};
    bool adds = node->op != EJ_OP_MAP || node->fn == EJ_FN_ADD || node->fn == EJ_FN_SUB;
    out->up = fmaxf(out->up, sum.up + (adds ? 1 : 0));
    out->down = fmaxf(out->down, sum.down);
    int real = ej_dtypes[result->dtype].real;
    float limit = real == EINJIT_F16 ? 14 : real == EINJIT_F32 || real == EINJIT_BF16 ? 120 : 1000;
    if (ej_dtypes[result->dtype].kind < EJ_KIND_FLOAT) return true;
    if (endless_factor(m, node, result)) return false;
    return out->up < limit && out->down < limit && !overflows(m, node, result);
}
