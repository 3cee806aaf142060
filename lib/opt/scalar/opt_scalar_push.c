/* opt_scalar_push.c - what becomes of the factors of a node's operands in the node.
 *
 * Takes  a node whose operands are done: the factors that they leave to their users, and its own scalars.
 * Gives  whether it works on the bare operands, and the factor of its result. All or nothing: where one of the factors
 *        does not get through, all operands are multiplied first; its own scalars come out all the same.
 * Keeps  dtypes: the node's value is floating, a factor's values of rank 0 do not widen it, and a complex factor is
 *        only on a complex value. Bounds: opt_scalar_factor.c.
 * Not here: the structure (facts_linear.c), whether it pays (opt_scalar.c).
 */
#include <math.h>

#include "opt_scalar.h"

static const ej_node *node_of(const ej_scaling *s, ej_value v)
{
    return &s->graph->nodes[v];
}

static uint8_t role(const ej_scaling *s, ej_value v, uint32_t k)
{
    return s->roles[s->edges[v] + k];
}

/* ---- which factors ---- */

/* The imaginary part of a real number is 0, also of Inf: no factor may come near it. */
static bool is_complex(const ej_scaling *s, ej_value v)
{
    return s->dtypes[v].dtype >= 0 && ej_dtype_is_complex(s->dtypes[v].dtype);
}

static bool is_real(const ej_scaling *s, const ej_factor *f)
{
    if (f->im != 0) return false;
    for (uint8_t i = 0; i < f->n; i++)
        if (is_complex(s, f->uses[i].value)) return false;
    return true;
}

/* May a value of v's dtype carry the factor? */
static bool fits_value(const ej_scaling *s, const ej_factor *f, ej_value v)
{
    ej_known_dtype known = s->dtypes[v];
    if (known.weak || !ej_known_inexact(known) || !ej_factor_in_bounds(f, known, s->graph->drift)) return false;
    if (f->im != 0 && !is_complex(s, v)) return false;
    if (f->n && known.dtype == EINJIT_F16) return false; /* scores / scale, which keeps products in range */
    for (uint8_t i = 0; i < f->n; i++)
        if (known.dtype < 0 || einjit_dtype_promote(s->dtypes[f->uses[i].value].dtype, known.dtype) != known.dtype)
            return false;
    return true;
}

/* Would the signs of v's zeros change, though they count? The factor is that of the operands. */
static bool changes_zeros(const ej_scaling *s, ej_value v, const ej_linear *linear, const ej_factor *f)
{
    if (!s->zeros[v] || EJ_BROKEN(SCALAR_ZEROS)) return false;
    if (ej_scalar_is_delicate(s, v)) return linear->signs != EJ_ZEROS_MOVE || node_of(s, v)->op == EJ_OP_CAST;
    return linear->signs == EJ_ZEROS_CHANGE && !ej_factor_is_positive(f);
}

/* Casts that lose neither range nor digits. */
static bool cast_widens(const ej_scaling *s, const ej_node *node)
{
    int from = s->dtypes[node->in[0]].dtype;
    return from >= 0 && einjit_dtype_promote(from, node->dtype) == node->dtype;
}

/* The factor as it is behind the node; false: it does not get through. */
static bool pass(const ej_scaling *s, const ej_linear *linear, ej_push *push)
{
    ej_factor *f = &push->factor;
    bool signs_only = linear->takes == EJ_TAKES_POSITIVE;
    if (linear->takes == EJ_TAKES_REAL && !is_real(s, f)) return false;
    if (signs_only && linear->flips && f->re < 0 && f->im == 0 && !f->n) push->flip = true;
    else if (signs_only && !ej_factor_is_positive(f)) return false;
    if (linear->gives == EJ_GIVES_ABS) {
        if (f->n) return false;
        f->re = hypot(f->re, f->im);
        f->im = 0;
    }
    if (linear->gives == EJ_GIVES_CONJ) {
        for (uint8_t i = 0; i < f->n; i++)
            if (is_complex(s, f->uses[i].value)) return false;
        f->im = f->im == 0 ? 0 : -f->im;
    }
    if (linear->gives == EJ_GIVES_NOTHING) *f = ej_factor_one;
    return true;
}

/* ---- each operand by itself ---- */

/* The real number over the last operand. */
static bool number_above(const ej_scaling *s, const ej_node *node, double *out)
{
    const ej_node *top = node_of(s, node->in[0]);
    *out = 1;
    if (node->op != EJ_OP_MAP) return false;
    if (node->fn == EJ_FN_RECIPROCAL) return true;
    if (node->fn != EJ_FN_DIV || top->op != EJ_OP_SCALAR || top->fn == EJ_KIND_BOOL || top->fn == EJ_KIND_COMPLEX)
        return false;
    *out = top->fn == EJ_KIND_INT ? (double)top->integer : top->re;
    return true;
}

/* 5 / (2 x) is 2.5 / x: the number takes in what would have to be multiplied. */
static bool absorb(const ej_scaling *s, const ej_node *node, ej_push *push)
{
    ej_value below = node->in[node->n_in - 1];
    const ej_factor *f = ej_scalar_pending(s, below);
    double top, re, im;
    if (!number_above(s, node, &top) || ej_factor_is_one(f) || f->n || f->im != 0) return false;
    ej_factor_value(f, &re, &im);
    ej_factor made = ej_factor_number(EJ_BROKEN(SCALAR_ABSORB) ? top * re : top / re, 0);
    if (!ej_factor_in_bounds(&made, s->dtypes[below], s->graph->drift)) return false;
    push->absorbs = true;
    push->number = made;
    push->factor = ej_factor_one;
    return true;
}

/* Multiplies into what is there; false: out of bounds, or too many factors. */
static int multiply_in(ej_scaling *s, ej_value v, ej_factor *product, const ej_factor *f, int power, bool *fits)
{
    EJ_TRY(ej_factor_multiply(product, f, power, fits, s->job));
    if (!*fits || ej_factor_in_bounds(product, s->dtypes[v], s->graph->drift)) return EINJIT_OK;
    s->blocked[ej_is_wide(s->dtypes[v].dtype)] = true;
    *fits = false;
    return EINJIT_OK;
}

/* The product of what comes in, and behind it the node's own. */
static int product_of_each(ej_scaling *s, ej_value v, const ej_linear *linear, ej_push *push, bool *fits)
{
    const ej_node *node = node_of(s, v);
    ej_factor own = s->own[v], product = ej_factor_one;
    own.least = own.most = 1; /* it is not multiplied in before the others */
    *fits = true;
    for (uint32_t k = 0; k < linear->n && *fits; k++) {
        const ej_factor *f = ej_scalar_pending(s, node->in[linear->first + k]);
        bool again = EJ_BROKEN(SCALAR_REPEATED) && k && node->in[linear->first + k] == node->in[linear->first + k - 1];
        again |= EJ_BROKEN(LINEAR_EACH) && !ej_factor_is_one(&product);
        if (role(s, v, linear->first + k) != EJ_ROLE_ARRAY || ej_factor_is_one(f) || again) continue;
        EJ_TRY(multiply_in(s, v, &product, f, linear->power[k > 0], fits));
    }
    *fits = *fits && !changes_zeros(s, v, linear, &product);
    if (*fits && !ej_factor_is_one(&own)) EJ_TRY(multiply_in(s, v, &product, &own, 1, fits));
    push->factor = product;
    return EINJIT_OK;
}

/* A number out of bounds stays where it is, and nothing that has a size passes it: x * 1e-3 * 3e38 is finite where
 * x * 3e38 * 1e-3 is not. */
static bool meets_extreme_number(const ej_scaling *s, ej_value v, const ej_factor *passing)
{
    const ej_node *node = node_of(s, v);
    ej_factor f;
    if (!passing->n && hypot(passing->re, passing->im) == 1) return false; /* a sign */
    for (uint32_t k = 0; k < node->n_in; k++)
        if (ej_scalar_number(node_of(s, node->in[k]), &f) && !ej_factor_in_bounds(&f, s->dtypes[v], s->graph->drift))
            return true;
    return false;
}

static int push_each(ej_scaling *s, ej_value v, const ej_linear *linear, ej_push *push)
{
    const ej_node *node = node_of(s, v);
    bool fits;
    if (node->op == EJ_OP_CAST && !cast_widens(s, node)) return EINJIT_OK;
    if (node->op == EJ_OP_MAP && node->fn == EJ_FN_IMAG && !is_complex(s, node->in[0])) return EINJIT_OK;
    push->through = !ej_scalar_is_delicate(s, v) && absorb(s, node, push);
    if (push->through) return EINJIT_OK;
    EJ_TRY(product_of_each(s, v, linear, push, &fits));
    if (linear->zeros && push->factor.n) return EINJIT_OK; /* rows that get nothing are 0, not 0 times Inf */
    push->through =
        fits && !meets_extreme_number(s, v, &push->factor) && pass(s, linear, push) && fits_value(s, &push->factor, v);
    return EINJIT_OK;
}

/* ---- operands in step ---- */

static bool is_zero(const ej_node *node)
{
    if (node->op == EJ_OP_ZEROS_LIKE) return true;
    if (node->op != EJ_OP_SCALAR) return false;
    return node->fn <= EJ_KIND_INT ? node->integer == 0 : node->re == 0 && (node->fn == EJ_KIND_FLOAT || node->im == 0);
}

/* a + -b, -a + b, a - -b: the signs go into the operation. */
static bool push_signs(const ej_scaling *s, const ej_node *node, const ej_linear *linear, ej_push *push)
{
    const ej_factor *a = ej_scalar_pending(s, node->in[0]), *b = ej_scalar_pending(s, node->in[1]);
    ej_factor turned = ej_factor_negated(*b);
    if (!linear->subtracts || !ej_factor_same(a, &turned)) return false;
    push->flip = !EJ_BROKEN(SCALAR_SIGNS);
    push->swap = node->fn == EJ_FN_ADD && ej_factor_is_one(b); /* -a + b is b - a */
    push->factor = push->swap ? *b : *a;
    push->factor.least = fmin(a->least, b->least);
    push->factor.most = fmax(a->most, b->most);
    return true;
}

/* A zero of the program is in step with every number; values of rank 0 may be Inf, and negative numbers give it a
 * sign. */
static bool in_step(const ej_scaling *s, ej_value v, const ej_linear *linear, ej_push *push)
{
    const ej_node *node = node_of(s, v);
    const ej_factor *first = NULL;
    double least = 1, most = 1;
    bool zeros = false;
    for (uint32_t k = linear->first; k < linear->first + linear->n; k++) {
        const ej_factor *f = ej_scalar_pending(s, node->in[k]);
        if (is_zero(node_of(s, node->in[k]))) zeros = true;
        else if (!first) first = f;
        else if (!ej_factor_same(first, f) && !EJ_BROKEN(SCALAR_IN_STEP)) return false;
        least = fmin(least, f->least);
        most = fmax(most, f->most);
    }
    if (!first) return true;
    push->factor = *first;
    push->factor.least = least;
    push->factor.most = most;
    return !(zeros && (first->n || (s->zeros[v] && !ej_factor_is_positive(first))));
}

static void push_joint(const ej_scaling *s, ej_value v, const ej_linear *linear, ej_push *push)
{
    const ej_node *node = node_of(s, v);
    bool stands = in_step(s, v, linear, push) || push_signs(s, node, linear, push);
    push->through = stands && !changes_zeros(s, v, linear, &push->factor) && pass(s, linear, push) &&
                    fits_value(s, &push->factor, v);
}

/* ---- the node ---- */

static bool nothing_comes_in(const ej_scaling *s, ej_value v, const ej_linear *linear)
{
    const ej_node *node = node_of(s, v);
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (role(s, v, k) != EJ_ROLE_ARRAY || ej_linear_is_like(linear, k)) continue;
        if (!ej_factor_is_one(ej_scalar_pending(s, node->in[k]))) return false;
    }
    return true;
}

int ej_scalar_push(ej_scaling *s, ej_value v)
{
    ej_push *push = &s->push[v], own = {.factor = s->own[v]};
    *push = own;
    push->through = true;
    ej_linear linear = ej_facts_linear(s->graph, node_of(s, v));
    if (nothing_comes_in(s, v, &linear)) return EINJIT_OK;
    push->through = false;
    if (linear.kind == EJ_LINEAR_EACH) EJ_TRY(push_each(s, v, &linear, push));
    if (linear.kind == EJ_LINEAR_JOINT) push_joint(s, v, &linear, push);
    if (!push->through) *push = own;
    return EINJIT_OK;
}
