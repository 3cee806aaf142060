/* choose_scale.c - a constant factor sits where it multiplies the fewest elements.
 *
 * Takes  a bound graph, its einsums in pairs.
 * Gives  one in which the constant factors of a linear region are one factor, multiplied into the smallest value of the
 *        region: into the store of a step that is made anyway (an einsum takes it as an operand without axes) or, only
 *        if that is smaller still, into one of the values that the region starts from.
 *
 * A region is a value and what lies below it, as far as values have one user and are linear in their operands:
 * products, sums, layout, gathers and scatters, numerators, negation. Every multiplication in it brings its factor;
 * divisions by a constant are multiplications by its inverse. Of places with as many elements the one nearest to the
 * result is taken.
 *
 * Bounds. The factors of a region are so few or so near 1 that any of them together stay within ej_factor_bound, so
 * that no value is further from the program's than that: opt_scalar_factor.c says why. Others stay where they are, 0,
 * Inf and NaN among them. Integers stay: their products wrap. Where the signs of zeros count (facts_zero.h) only
 * positive numbers move.
 * Size   every value is in one region at most.
 */
#include "base_narrow.h"
#include "choose_core.h"
#include "opt.h"

typedef struct factor {
    double re, im;
} factor;

typedef struct region {
    ej_value root;  /* the value at the top */
    ej_value place; /* the value that is multiplied now */
    bool below;     /* `place` has other users or is no step: a copy of it is multiplied, for `user` */
    ej_value user;
    uint32_t operand; /* ... as this operand */
    double elements;
    factor product;
    double spread;      /* the product of all factors' distances from 1 */
    uint32_t n_factors; /* values that brought one ... */
    ej_value last;      /* ... and the last of them */
} region;

typedef struct scaler {
    const ej_bound *bound;
    ej_job *job;
    const uint32_t *uses;
    const bool *zeros;  /* per value: the signs of its zeros count */
    bool *taken;        /* per value: in a region */
    bool *dropped;      /* per value: its constants went into the region's factor */
    int32_t *region_of; /* per value: 1 + the region that multiplies it here; 0: none */
    size_t n_regions, cap_regions;
    region *regions;
    ej_value *stack; /* values of the region to look at */
    size_t n_stack, cap_stack;
} scaler;

/* ---- factors ---- */

static double distance(factor f)
{
    return ej_factor_distance(f.re, f.im);
}

static bool in_bounds(factor f, int dtype)
{
    return distance(f) <= ej_factor_bound(dtype); /* also not NaN */
}

static double room(const scaler *s, const ej_bound_node *node)
{
    return ej_factor_room(node->dtype, s->bound->drift);
}

static factor times(factor a, factor b)
{
    if (a.im == 0 && b.im == 0) return (factor){a.re * b.re, 0};
    return (factor){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; /* sizes are bounded */
}

static factor inverse(factor a)
{
    if (a.im == 0) return (factor){1 / a.re, 0};
    double size = a.re * a.re + a.im * a.im;
    return (factor){a.re / size, -a.im / size};
}

static bool is_constant(const scaler *s, ej_value v)
{
    return ej_is_scalar_operand(s->bound, v);
}

static factor constant(const scaler *s, ej_value v)
{
    return (factor){s->bound->nodes[v].re, s->bound->nodes[v].im};
}

static bool is_product(const ej_bound_node *node)
{
    return node->op == EJ_OP_EINSUM && node->fn == EINJIT_REDUCE_SUM && node->combine == EINJIT_COMBINE_MUL;
}

static bool is_inexact(const ej_bound_node *node)
{
    return ej_dtypes[node->dtype].kind >= EJ_KIND_FLOAT;
}

/* The constant factors of v itself; false: it has none, or they are out of bounds. */
static bool own_factor(const scaler *s, ej_value v, factor *out)
{
    const ej_bound_node *node = &s->bound->nodes[v];
    bool any = false, rest = false, divides = ej_is_map(node, EJ_FN_DIV);
    bool delicate = s->zeros[v] && !EJ_BROKEN(SCALE_ZEROS);
    *out = (factor){-1, 0};
    if (!is_inexact(node) || (delicate && ej_dtype_is_complex(node->dtype))) return false;
    if (ej_is_map(node, EJ_FN_NEG)) return !is_constant(s, node->in[0]) && !delicate;
    if (!is_product(node) && !ej_is_map(node, EJ_FN_MUL) && !divides) return false;
    *out = (factor){1, 0};
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (!is_constant(s, node->in[i])) rest = rest || !divides || i == 0;
        if (!is_constant(s, node->in[i]) || (divides && i == 0)) continue;
        factor f = constant(s, node->in[i]);
        if (!in_bounds(f, node->dtype)) return false;
        *out = times(*out, divides ? inverse(f) : f);
        any = true;
    }
    return any && rest && in_bounds(*out, node->dtype) && (out->re > 0 || !delicate);
}

/* ---- regions ---- */

/* A constant out of bounds: no factor passes it either, or x * 1e-3 * 3e38 could overflow as x * 3e38 * 1e-3. */
static bool has_extreme_constant(const scaler *s, const ej_bound_node *node)
{
    for (uint32_t i = 0; i < node->n_in; i++)
        if (is_constant(s, node->in[i]) && !in_bounds(constant(s, node->in[i]), node->dtype)) return true;
    return false;
}

/* Operand i may be multiplied instead of v. */
static bool is_linear_in(const scaler *s, const ej_bound_node *node, uint32_t i)
{
    if (is_constant(s, node->in[i])) return false;
    switch (node->op) {
    case EJ_OP_EINSUM: return is_product(node) && is_inexact(node) && !has_extreme_constant(s, node);
    case EJ_OP_MAP:
        return is_inexact(node) && !has_extreme_constant(s, node) &&
               (node->fn == EJ_FN_MUL || node->fn == EJ_FN_NEG || (node->fn == EJ_FN_DIV && i == 0));
    case EJ_OP_REDUCE: return node->fn == EINJIT_REDUCE_SUM && is_inexact(node);
    case EJ_OP_PERMUTE:
    case EJ_OP_RESHAPE:
    case EJ_OP_EXPAND:
    case EJ_OP_SLICE: return is_inexact(node);
    case EJ_OP_INDEX_SELECT: return i == 0 && is_inexact(node);
    case EJ_OP_INDEX_ADD: return i == 1 && is_inexact(node);
    default: return false;
    }
}

/* A value that a step computes: the factor goes into its store. */
static bool is_step(const ej_bound_node *node)
{
    switch (node->op) {
    case EJ_OP_EINSUM:
    case EJ_OP_REDUCE:
    case EJ_OP_MAP: return true;
    default: return false;
    }
}

static bool same_operand_twice(const ej_bound_node *node, uint32_t i)
{
    for (uint32_t k = 0; k < node->n_in; k++)
        if (k != i && node->in[k] == node->in[i]) return true;
    return false;
}

static void consider(region *r, ej_value place, bool below, ej_value user, uint32_t operand, double elements)
{
    if (elements >= r->elements) return;
    r->place = place;
    r->below = below;
    r->user = user;
    r->operand = operand;
    r->elements = elements;
}

/* Operand i of v, a value of the region: part of the region itself, or a place below it. */
static int look_below(scaler *s, region *r, ej_value v, uint32_t i)
{
    ej_value x = s->bound->nodes[v].in[i];
    const ej_bound_node *node = &s->bound->nodes[x];
    factor own;
    double elements = ej_cost_elements(node);
    if (node->dtype != s->bound->nodes[r->root].dtype) return EINJIT_OK;
    if (same_operand_twice(&s->bound->nodes[v], i)) return EINJIT_OK; /* it would be multiplied twice */
    if (s->uses[x] != 1) {
        consider(r, x, true, v, i, elements);
        return EINJIT_OK;
    }
    if (own_factor(s, x, &own)) {
        double spread = r->spread * distance(own);
        if (spread > room(s, node)) { /* stays as it is: the region ends here */
            consider(r, x, true, v, i, elements);
            return EINJIT_OK;
        }
        r->product = times(r->product, own);
        r->spread = spread;
        r->n_factors++;
        r->last = x;
        s->dropped[x] = true;
    }
    s->taken[x] = true;
    consider(r, x, !is_step(node), v, i, elements);
    if (!EJ_PUSH_ROOM(s->job->arena, s->stack, s->cap_stack, s->n_stack)) return ej_no_memory(s->job->err);
    s->stack[s->n_stack++] = x;
    return EINJIT_OK;
}

static bool is_linear(const scaler *s, ej_value v)
{
    const ej_bound_node *node = &s->bound->nodes[v];
    for (uint32_t i = 0; i < node->n_in; i++)
        if (is_linear_in(s, node, i)) return true;
    return false;
}

static int find_region(scaler *s, ej_value root)
{
    const ej_bound_node *top = &s->bound->nodes[root];
    region r = {.root = root, .place = root, .elements = ej_cost_elements(top), .product = {1, 0}, .spread = 1};
    factor own;
    s->taken[root] = true;
    if (own_factor(s, root, &own) && distance(own) <= room(s, top)) {
        s->dropped[root] = true;
        r.product = own;
        r.spread = distance(own);
        r.n_factors = 1;
        r.last = root;
    }
    s->n_stack = 0;
    if (!EJ_PUSH_ROOM(s->job->arena, s->stack, s->cap_stack, 0)) return ej_no_memory(s->job->err);
    s->stack[s->n_stack++] = root;
    while (s->n_stack) {
        ej_value v = s->stack[--s->n_stack];
        const ej_bound_node *node = &s->bound->nodes[v];
        for (uint32_t i = 0; i < node->n_in; i++)
            if (is_linear_in(s, node, i)) EJ_TRY(look_below(s, &r, v, i));
    }
    if (!r.n_factors) return EINJIT_OK;
    if (r.n_factors == 1 && r.place == r.last && !r.below) { /* where it is already */
        s->dropped[r.last] = false;
        return EINJIT_OK;
    }
    if (!EJ_PUSH_ROOM(s->job->arena, s->regions, s->cap_regions, s->n_regions)) return ej_no_memory(s->job->err);
    s->regions[s->n_regions++] = r;
    s->region_of[r.below ? r.user : r.place] = (int32_t)s->n_regions;
    return EINJIT_OK;
}

/* ---- writing ---- */

static int add_constant(ej_rebuild *r, const ej_bound_node *like, factor f, ej_value *out)
{
    const ej_bound_node node = {.op = EJ_OP_SCALAR,
                                .dtype = like->dtype,
                                .re = ej_dtype_round(like->dtype, f.re),
                                .im = ej_dtype_round(like->dtype, f.im),
                                .name = like->name};
    return ej_rebuild_add(r, &node, out);
}

/* value * product, as a pointwise node. */
static int multiply(ej_rebuild *r, ej_value value, factor f, ej_value *out)
{
    const ej_bound_node *like = &r->out->nodes[value];
    ej_bound_node node = {.op = EJ_OP_MAP,
                          .fn = EJ_FN_MUL,
                          .dtype = like->dtype,
                          .rank = like->rank,
                          .shape = like->shape,
                          .name = like->name,
                          .is_part = true,
                          .n_in = 2};
    if (f.im == 0 && f.re == 1) {
        *out = value;
        return EINJIT_OK;
    }
    node.in = EJ_JOB_ARRAY(r->job, ej_value, 2);
    if (!node.in) return ej_no_memory(r->job->err);
    node.in[0] = value;
    EJ_TRY(add_constant(r, like, f, &node.in[1]));
    return ej_rebuild_add(r, &node, out);
}

/* The operands of v without its constants, `extra` of them new ones. */
static int einsum_without_constants(scaler *s, ej_rebuild *r, ej_value v, const factor *extra, ej_value *out)
{
    const ej_bound_node *node = &s->bound->nodes[v];
    uint32_t n = 0;
    ej_bound_node made = *node;
    ej_subscripts *sub = EJ_JOB_NEW(s->job, ej_subscripts);
    made.in = EJ_JOB_ARRAY(s->job, ej_value, (size_t)node->n_in + 1);
    if (!sub || !made.in) return ej_no_memory(s->job->err);
    *sub = *node->subscripts;
    sub->terms = EJ_JOB_ARRAY(s->job, ej_term, (size_t)node->n_in + 1);
    if (!sub->terms) return ej_no_memory(s->job->err);
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (s->dropped[v] && is_constant(s, node->in[i])) continue;
        made.in[n] = r->map[node->in[i]];
        sub->terms[n++] = node->subscripts->terms[i];
    }
    if (extra && !(extra->re == 1 && extra->im == 0)) EJ_TRY(add_constant(r, node, *extra, &made.in[n++]));
    made.n_in = sub->n_terms = n;
    made.subscripts = sub;
    return ej_rebuild_add(r, &made, out);
}

/* A pointwise product or quotient without its constant is its other operand. */
static void leave_constant_out(const scaler *s, ej_rebuild *r, ej_value v)
{
    const ej_bound_node *node = &s->bound->nodes[v];
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!is_constant(s, node->in[i])) r->map[v] = r->map[node->in[i]];
}

static int write_value(scaler *s, ej_rebuild *r, ej_value v)
{
    const ej_bound_node *node = &s->bound->nodes[v];
    const region *here = s->region_of[v] ? &s->regions[s->region_of[v] - 1] : NULL;
    ej_value operand = -1, before = -1;
    if (here && here->below) { /* one operand of v is multiplied, for v alone */
        operand = node->in[here->operand];
        before = r->map[operand];
        EJ_TRY(multiply(r, before, here->product, &r->map[operand]));
    }
    const factor *store = here && !here->below ? &here->product : NULL;
    if (is_product(node) && is_inexact(node) && (s->dropped[v] || store)) {
        EJ_TRY(einsum_without_constants(s, r, v, store, &r->map[v]));
    } else {
        if (s->dropped[v]) leave_constant_out(s, r, v);
        else EJ_TRY(ej_rebuild_keep(r, v));
        if (store) EJ_TRY(multiply(r, r->map[v], *store, &r->map[v]));
    }
    if (operand >= 0) r->map[operand] = before;
    return EINJIT_OK;
}

static int start(scaler *s, const ej_rebuild *r, const ej_bound *bound, ej_job *job)
{
    *s = (scaler){.bound = bound, .job = job, .uses = r->uses};
    s->taken = EJ_JOB_ARRAY(job, bool, bound->n_nodes);
    s->dropped = EJ_JOB_ARRAY(job, bool, bound->n_nodes);
    s->region_of = EJ_JOB_ARRAY(job, int32_t, bound->n_nodes);
    s->zeros = ej_bound_zeros(bound, job);
    return s->zeros && s->taken && s->dropped && s->region_of ? EINJIT_OK : ej_no_memory(job->err);
}

int ej_choose_scale(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    ej_rebuild r;
    scaler s;
    *out = *bound;
    if (as_written) return EINJIT_OK;
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    EJ_TRY(start(&s, &r, bound, job));
    for (size_t v = bound->n_nodes; v-- > 0;) {
        EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, -1));
        if (ej_rebuild_live(&r, (ej_value)v) && !s.taken[v] && is_linear(&s, (ej_value)v))
            EJ_TRY(find_region(&s, (ej_value)v));
    }
    for (size_t v = 0; v < bound->n_nodes; v++)
        if (ej_rebuild_live(&r, (ej_value)v) && r.map[v] < 0) EJ_TRY(write_value(&s, &r, (ej_value)v));
    return ej_rebuild_end(&r);
}
