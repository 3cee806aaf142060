/* opt_scalar.c - collects scalar factors through linear operations and multiplies them in once, numbers combined.
 *
 * Takes  any graph.
 * Gives  the same function of the reals. Each value is split into a factor and a bare value. Linear operations compute
 *        on the bare values and pass the factor on; it is multiplied in where the full value is needed: by an operation
 *        that is not linear, as a result, or for a user that cannot take the factor. Factors are numbers of the program
 *        and values of rank 0: 2.0 * x, x / s, -x. So a chain keeps one multiplication by a number, E(2x, 2x) gets the
 *        factor 4, and 2x * 0.5 none. Values of rank 0 are not combined: sum(s * x) * t becomes sum(x) * s * t.
 * Keeps  - dtypes: opt_scalar_role.c, opt_scalar_push.c;
 *        - the size of things: bounds and order in opt_scalar_factor.c;
 *        - signs of zeros, where they count (facts_zero.h): there only positive factors pass sums;
 *        - the number of multiplications over arrays, which never grows. Multiplying by a factor takes one
 *          multiplication for its number and one for each value of rank 0 (a number is first multiplied by one of
 *          these). Passing a value's factor to a user costs the multiplications that the user then has in addition:
 *          none where the user has rank 0 or two numbers combine, else a share, divided among the operands that bring
 *          it a factor. Where the sum over all users exceeds the cost of multiplying the value itself, it is multiplied
 *          there, once for all users.
 *        - names: what replaces a value takes over its name.
 * Size   rounds over all operands until no further value has to be multiplied: two or three, at most MOST_ROUNDS.
 * Not here: where along a linear chain the multiplication is cheapest (that needs extents: the planner).
 */
#include <math.h>

#include "opt_scalar.h"

enum { MOST_ROUNDS = 16, MOST_RUNS = 3 };

typedef struct decision {
    ej_scaling *s;
    bool *demanded; /* the full value is needed */
    double *price;  /* of leaving the value's factor to its users */
} decision;

/* Operations over v's array that a factor comes to. */
static double steps(const ej_scaling *s, ej_value v, const ej_factor *f)
{
    return ej_scalar_cost(s, v) * (double)ej_factor_steps(f, s->dtypes[v]);
}

/* What operands with factors bring to v together, in operations; one that stands in several places brings it once
 * each. */
static double brought(const decision *d, ej_value v, const ej_linear *linear)
{
    const ej_node *node = &d->s->graph->nodes[v];
    double n = 0;
    for (uint32_t k = 0; k < node->n_in; k++)
        if (!ej_linear_is_like(linear, k)) n += ej_factor_steps(ej_scalar_pending(d->s, node->in[k]), d->s->dtypes[v]);
    return n;
}

/* What v asks of its operands. */
static void look_at(decision *d, ej_value v)
{
    ej_scaling *s = d->s;
    const ej_node *node = &s->graph->nodes[v];
    const ej_push *push = &s->push[v];
    const ej_linear linear = ej_facts_linear(s->graph, node);
    double sum = brought(d, v, &linear), more = steps(s, v, &push->factor) - steps(s, v, &s->own[v]);
    for (uint32_t k = 0; k < node->n_in; k++) {
        ej_value x = node->in[k];
        if (ej_linear_is_like(&linear, k)) continue;
        if (!push->through || s->roles[s->edges[v] + k] != EJ_ROLE_ARRAY) d->demanded[x] = true;
        else if (sum > 0 && more > 0)
            d->price[x] += more * ej_factor_steps(ej_scalar_pending(s, x), s->dtypes[v]) / sum;
    }
}

/* v's operand leaves v a factor that costs v as much as it would cost the operand: that may as well multiply, as it is
 * written. */
static bool multiplies_apart(const ej_scaling *s, ej_value v, ej_value *operand)
{
    const ej_node *node = &s->graph->nodes[v];
    if (!s->stay[v] || node->op != EJ_OP_MAP || !s->n_own[v] || !s->push[v].through) return false;
    ej_value x = *operand = node->in[s->roles[s->edges[v]] != EJ_ROLE_ARRAY];
    const ej_factor *left = ej_scalar_pending(s, x);
    int together = ej_factor_steps(&s->push[v].factor, s->dtypes[v]);
    return !ej_factor_is_one(left) &&
           together >= ej_factor_steps(left, s->dtypes[x]) + ej_factor_steps(&s->own[v], s->dtypes[v]);
}

static int one_round(decision *d, bool *settled)
{
    const double slack = 1e-9; /* thirds do not add up to one */
    ej_scaling *s = d->s;
    for (size_t v = 0; v < s->n; v++) {
        d->demanded[v] = false;
        d->price[v] = 0;
    }
    for (size_t v = 0; v < s->n; v++) {
        EJ_TRY(ej_scalar_push(s, (ej_value)v));
        look_at(d, (ej_value)v);
    }
    for (size_t i = 0; i < s->graph->n_outputs; i++) d->demanded[s->graph->outputs[i]] = true;
    *settled = true;
    for (size_t v = 0; v < s->n; v++) {
        if (s->stay[v] || ej_factor_is_one(&s->push[v].factor)) continue;
        if (!d->demanded[v] && d->price[v] <= steps(s, (ej_value)v, &s->push[v].factor) + slack) continue;
        s->stay[v] = true;
        *settled = false;
    }
    for (size_t v = s->n; v-- > 0;) {
        ej_value x;
        if (!multiplies_apart(s, (ej_value)v, &x)) continue;
        s->stay[x] = true;
        *settled = false;
    }
    return EINJIT_OK;
}

/* Multiplications over arrays that were written, and that are left. */
static bool pays(const decision *d)
{
    const ej_scaling *s = d->s;
    double written = 0, left = 0;
    for (size_t v = 0; v < s->n; v++) {
        bool multiplies = !ej_factor_is_one(&s->push[v].factor) && (s->stay[v] || d->demanded[v]);
        if (!ej_scalar_cost(s, (ej_value)v)) continue;
        written += s->n_own[v];
        if (multiplies) left += steps(s, (ej_value)v, &s->push[v].factor);
    }
    return left <= written;
}

static int decide(ej_scaling *s, bool *goes)
{
    decision d = {.s = s};
    bool settled = false;
    d.demanded = EJ_JOB_ARRAY(s->job, bool, s->n);
    d.price = EJ_JOB_ARRAY(s->job, double, s->n);
    if (!d.demanded || !d.price) return ej_no_memory(s->job->err);
    for (int round = 0; round < MOST_ROUNDS && !settled; round++) {
        EJ_TRY(ej_job_poll(s->job, EJ_STAGE_OPT, -1));
        EJ_TRY(one_round(&d, &settled));
    }
    *goes = pays(&d);
    return EINJIT_OK;
}

static int create(ej_scaling *s, ej_graph *graph, ej_job *job)
{
    size_t n = graph->n_nodes, n_edges = 0;
    *s = (ej_scaling){.graph = graph, .job = job, .n = n};
    s->edges = EJ_JOB_ARRAY(job, uint32_t, n);
    if (!s->edges) return ej_no_memory(job->err);
    for (size_t v = 0; v < n; v++) {
        s->edges[v] = (uint32_t)n_edges;
        n_edges += graph->nodes[v].n_in;
    }
    s->dtypes = ej_facts_dtypes(graph, job->arena);
    s->shapes = ej_facts_shapes(graph, job->arena);
    s->zeros = s->dtypes ? ej_facts_zeros(graph, s->dtypes, job->arena) : NULL;
    s->roles = EJ_JOB_ARRAY(job, uint8_t, n_edges);
    s->own = EJ_JOB_ARRAY(job, ej_factor, n);
    s->n_own = EJ_JOB_ARRAY(job, uint32_t, n);
    s->push = EJ_JOB_ARRAY(job, ej_push, n);
    s->stay = EJ_JOB_ARRAY(job, bool, n);
    return s->zeros && s->shapes && s->roles && s->own && s->n_own && s->push && s->stay ? EINJIT_OK
                                                                                         : ej_no_memory(job->err);
}

/* What the next who moves numbers cannot see any more. Where numbers were too far from each other to meet, one may have
 * gone on and made room for the other: twice over the same values would be too far. */
static void note_drift(const ej_scaling *s)
{
    double *drift = s->graph->drift, most[2] = {1, 1};
    for (size_t v = 0; v < s->n; v++) {
        bool wide = ej_is_wide(s->dtypes[v].dtype);
        most[wide] = fmax(most[wide], ej_factor_hidden(&s->push[v].factor));
    }
    for (int wide = 0; wide < 2; wide++) {
        double bound = ej_factor_bound(wide ? EINJIT_F64 : EINJIT_F32);
        drift[wide] = s->blocked[wide] ? bound : fmin(bound, drift[wide] * most[wide]);
    }
    s->graph->moved = true;
}

static bool is_too_far(const ej_scaling *s)
{
    return s->graph->moved && (s->blocked[0] || s->blocked[1]);
}

static bool has_scalars(const ej_scaling *s)
{
    for (size_t v = 0; v < s->n; v++)
        if (s->n_own[v]) return true;
    return false;
}

/* What was decided for one graph may make room for more in the next: till nothing changes. */
int ej_opt_scalar(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    for (int run = 0; run < MOST_RUNS; run++) {
        ej_scaling s;
        size_t changed = 0;
        bool goes = false;
        EJ_TRY(create(&s, graph, job));
        EJ_TRY(ej_job_poll(job, EJ_STAGE_OPT, -1));
        EJ_TRY(ej_scalar_roles(&s));
        EJ_TRY(ej_job_poll(job, EJ_STAGE_OPT, -1));
        if (has_scalars(&s)) EJ_TRY(decide(&s, &goes));
        if (goes && !is_too_far(&s)) EJ_TRY(ej_scalar_write(&s, &changed));
        *n_changed += changed;
        if (!changed) break;
        note_drift(&s);
    }
    return EINJIT_OK;
}
