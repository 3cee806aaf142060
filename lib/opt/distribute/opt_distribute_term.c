/* opt_distribute_term.c - the terms of one sum, and the products among them.
 *
 * Takes  a value that is added or subtracted.
 * Gives  its terms in the order in which they are written, each with its sign; what is behind literal factors of a
 *        term, where it is a product that nothing else uses.
 * Keeps  one dtype: an inner sum that has another one is a term by itself.
 */
#include <math.h>

#include "opt_distribute.h"

static const ej_node *node_of(const ej_distribute *d, ej_value v)
{
    return &d->graph->nodes[v];
}

static bool is_map(const ej_node *node, int fn)
{
    return node->op == EJ_OP_MAP && node->fn == fn;
}

/* ---- the sum ---- */

typedef struct waiting_term {
    ej_value value;
    bool minus;
} waiting_term;

static bool is_inside(const ej_distribute *d, ej_value v)
{
    const ej_node *node = node_of(d, v);
    if (!is_map(node, EJ_FN_ADD) && !is_map(node, EJ_FN_SUB) && !is_map(node, EJ_FN_NEG)) return false;
    return v == d->root || (d->uses[v] == 1 && ej_distribute_alike(d->dtypes[v], d->dtypes[d->root]));
}

static int add_term(ej_distribute *d, const waiting_term *term)
{
    if (!EJ_PUSH_ROOM(d->job->arena, d->terms, d->cap_terms, d->n_terms)) return ej_no_memory(d->job->err);
    d->terms[d->n_terms++] = (ej_term_of_sum){.value = term->value, .minus = term->minus, .product = -1};
    return EINJIT_OK;
}

static int walk_sum(ej_distribute *d)
{
    size_t n = 0, capacity = 0;
    waiting_term *stack = NULL;
    if (!EJ_PUSH_ROOM(d->job->arena, stack, capacity, n)) return ej_no_memory(d->job->err);
    stack[n++] = (waiting_term){d->root, false};
    while (n) {
        waiting_term top = stack[--n];
        const ej_node *node = node_of(d, top.value);
        if (!is_inside(d, top.value)) {
            EJ_TRY(add_term(d, &top));
            continue;
        }
        d->inside[top.value] = true;
        for (uint32_t i = node->n_in; i-- > 0;) { /* the first operand on top */
            bool flips = node->fn == EJ_FN_NEG || (node->fn == EJ_FN_SUB && i == 1 && !EJ_BROKEN(DISTRIBUTE_SIGN));
            if (!EJ_PUSH_ROOM(d->job->arena, stack, capacity, n)) return ej_no_memory(d->job->err);
            stack[n++] = (waiting_term){node->in[i], top.minus != flips};
        }
    }
    return EINJIT_OK;
}

/* ---- products ---- */

/* Factors move from the product to the operand that is added up; there they must not make anything overflow or vanish
 * that did not before. With all of a term's literals, and their products in whatever order, in 2^-16 .. 2^16, an
 * element of the operand would have to lie within that factor of the end of its dtype's range: see
 * opt_scalar_factor.c. */
typedef struct sizes {
    double product, least, most; /* of the literals so far */
} sizes;

static bool scales_safely(const ej_distribute *d, const ej_node *literal, sizes *so_far, bool divides)
{
    double size = literal->fn <= EJ_KIND_INT ? fabs((double)literal->integer) : hypot(literal->re, literal->im);
    double room = ej_factor_room(d->dtypes[d->root].dtype, d->graph->drift);
    so_far->product = divides ? so_far->product / size : so_far->product * size;
    so_far->least = fmin(so_far->least, so_far->product);
    so_far->most = fmax(so_far->most, so_far->product);
    if (!(so_far->product > 0) || !isfinite(so_far->product)) return false; /* also not NaN */
    return so_far->most / so_far->least <= fmin(room, 65536);
}

/* v is x times or over a literal, and nothing else uses it. */
static bool is_scaled(const ej_distribute *d, ej_value v, sizes *so_far, ej_scale *scale, ej_value *x)
{
    const ej_node *node = node_of(d, v);
    if (!is_map(node, EJ_FN_MUL) && !is_map(node, EJ_FN_DIV)) return false;
    uint32_t literal = node->fn == EJ_FN_MUL && node_of(d, node->in[0])->op == EJ_OP_SCALAR ? 0 : 1;
    if (node_of(d, node->in[literal])->op != EJ_OP_SCALAR) return false;
    if (node->fn == EJ_FN_DIV && !ej_known_inexact(d->dtypes[v])) return false;
    if (!scales_safely(d, node_of(d, node->in[literal]), so_far, node->fn == EJ_FN_DIV)) return false;
    *scale = (ej_scale){node->fn, node->in[literal]};
    *x = node->in[1 - literal];
    return true;
}

static bool is_product(const ej_node *node)
{
    if (node->op == EJ_OP_MATMUL) return true;
    if (node->op != EJ_OP_EINSUM) return is_map(node, EJ_FN_MUL);
    if (node->n_in < 2 || node->n_in > EJ_DISTRIBUTE_OPERANDS) return false;
    return (node->fn == EINJIT_REDUCE_SUM || EJ_BROKEN(DISTRIBUTE_SEMIRING)) && node->combine == EINJIT_COMBINE_MUL;
}

static int find_product(ej_distribute *d, ej_term_of_sum *term)
{
    ej_value v = term->value;
    sizes so_far = {1, 1, 1};
    ej_scale scale;
    term->product_minus = term->minus;
    term->first_scale = d->n_scales;
    for (;;) {
        if (d->uses[v] != 1 || !ej_distribute_alike(d->dtypes[v], d->dtypes[d->root])) return EINJIT_OK;
        if (is_map(node_of(d, v), EJ_FN_NEG)) {
            term->product_minus = !term->product_minus;
            v = node_of(d, v)->in[0];
        } else if (is_scaled(d, v, &so_far, &scale, &v)) {
            if (!EJ_PUSH_ROOM(d->job->arena, d->scales, d->cap_scales, d->n_scales)) return ej_no_memory(d->job->err);
            d->scales[d->n_scales++] = scale;
        } else {
            break;
        }
    }
    term->n_scales = d->n_scales - term->first_scale;
    if (is_product(node_of(d, v))) term->product = v;
    return EINJIT_OK;
}

int ej_distribute_collect(ej_distribute *d)
{
    d->n_terms = d->n_scales = 0;
    EJ_TRY(walk_sum(d));
    for (size_t t = 0; t < d->n_terms; t++) EJ_TRY(find_product(d, &d->terms[t]));
    return EINJIT_OK;
}
