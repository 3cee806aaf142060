/* opt_scalar.c - scalar factors, collected along what is linear and multiplied in once, at the end.
 *
 * Takes  any graph.
 * Gives  the same function of the reals. Every value is thought of as a factor times a bare value; operations that are
 *        linear work on bare values and hand the factor on; it is multiplied in where somebody needs the full value: an
 *        operation that is not linear, a result, a user that other factors keep it from. Numbers of the program and values of
 *        rank 0 both: 2.0 * x, x / s, -x. So a chain has one multiplication, E(2x, 2x) the factor 4, and 2x * 0.5 none.
 * Keeps  - dtypes: opt_scalar_role.c, opt_scalar_push.c;
 *        - the size of things: bounds in opt_scalar_factor.c;
 *        - the number of multiplications over arrays. Each factor that starts pays for one. A value with a factor pays, for
 *          each user that takes it, that user's multiplication: nothing where the user multiplies by itself or has rank 0, else
 *          an equal share with the others that bring it a factor. Where that comes to more than the one multiplication of the
 *          value, it is multiplied there, once for all users. So every multiplication is paid by one that was written.
 *        - names: a value that is left out gives its name to what stands in its place.
 * Size   rounds of one look at every operand, till no value more has to stay: two or three, at most MOST_ROUNDS.
 * Not here: where along a linear chain the multiplication is cheapest (that needs extents: the planner).
 */
#include "opt_scalar.h"

enum { MOST_ROUNDS = 16, MOST_RUNS = 3 };

typedef struct decision {
    ej_scalar *s;
    bool *demanded;     /* the full value is needed */
    double *price;      /* of leaving the value's factor to its users */
    ej_value *seen_by;  /* the last user that looked at the value */
} decision;

/* How many operands with factors meet in v; the same one twice is one. */
static uint32_t meeting(decision *d, ej_value v, const ej_linear *linear)
{
    const ej_node *node = &d->s->graph->nodes[v];
    uint32_t n = 0;
    for (uint32_t k = 0; k < node->n_in; k++) {
        ej_value x = node->in[k];
        if (ej_linear_is_like(linear, k) || ej_factor_is_one(ej_scalar_pending(d->s, x)) || d->seen_by[x] == v) continue;
        d->seen_by[x] = v;
        n++;
    }
    return n;
}

/* What v asks of its operands. */
static void look_at(decision *d, ej_value v)
{
    ej_scalar *s = d->s;
    const ej_node *node = &s->graph->nodes[v];
    const ej_push *push = &s->push[v];
    const ej_linear linear = ej_opt_linear(s->graph, node);
    uint32_t n = meeting(d, v, &linear);
    bool free = ej_factor_is_one(&push->factor) || s->n_own[v] || !n; /* it multiplies by itself, or not at all */
    double price = free ? 0 : ej_scalar_cost(s, v) / (double)n;
    for (uint32_t k = 0; k < node->n_in; k++) {
        ej_value x = node->in[k];
        if (ej_linear_is_like(&linear, k)) continue;
        bool takes = push->through && s->roles[s->edges[v] + k] == EJ_ROLE_ARRAY;
        if (!takes) d->demanded[x] = true;
        else if (d->seen_by[x] == v) d->price[x] += price;
        if (takes) d->seen_by[x] = -1; /* counted */
    }
}

static int one_round(decision *d, bool *settled)
{
    const double slack = 1e-9; /* thirds do not add up to one */
    ej_scalar *s = d->s;
    for (size_t v = 0; v < s->n; v++) {
        d->demanded[v] = false;
        d->price[v] = 0;
        d->seen_by[v] = -1;
    }
    for (size_t v = 0; v < s->n; v++) {
        EJ_TRY(ej_scalar_push(s, (ej_value)v));
        look_at(d, (ej_value)v);
    }
    for (size_t i = 0; i < s->graph->n_outputs; i++) d->demanded[s->graph->outputs[i]] = true;
    *settled = true;
    for (size_t v = 0; v < s->n; v++) {
        if (s->stay[v] || ej_factor_is_one(&s->push[v].factor)) continue;
        if (!d->demanded[v] && d->price[v] <= ej_scalar_cost(s, (ej_value)v) + slack) continue;
        s->stay[v] = true;
        *settled = false;
    }
    return EINJIT_OK;
}

/* Multiplications over arrays that were written, and that are left. */
static bool pays(const decision *d)
{
    const ej_scalar *s = d->s;
    int64_t written = 0, left = 0;
    for (size_t v = 0; v < s->n; v++) {
        bool multiplies = !ej_factor_is_one(&s->push[v].factor) && (s->stay[v] || d->demanded[v]);
        if (!ej_scalar_cost(s, (ej_value)v)) continue;
        written += s->n_own[v];
        left += multiplies;
    }
    return left <= written;
}

static int decide(ej_scalar *s, bool *goes)
{
    decision d = {.s = s};
    bool settled = false;
    d.demanded = EJ_JOB_ARRAY(s->job, bool, s->n);
    d.price = EJ_JOB_ARRAY(s->job, double, s->n);
    d.seen_by = EJ_JOB_ARRAY(s->job, ej_value, s->n);
    if (!d.demanded || !d.price || !d.seen_by) return ej_no_memory(s->job->err);
    for (int round = 0; round < MOST_ROUNDS && !settled; round++) EJ_TRY(one_round(&d, &settled));
    *goes = pays(&d);
    return EINJIT_OK;
}

static int create(ej_scalar *s, ej_graph *graph, ej_job *job)
{
    size_t n = graph->n_nodes, n_edges = 0;
    *s = (ej_scalar){.graph = graph, .job = job, .n = n};
    s->edges = EJ_JOB_ARRAY(job, uint32_t, n);
    if (!s->edges) return ej_no_memory(job->err);
    for (size_t v = 0; v < n; v++) {
        s->edges[v] = (uint32_t)n_edges;
        n_edges += graph->nodes[v].n_in;
    }
    s->dtypes = ej_opt_dtypes(graph, job->arena);
    s->shapes = ej_opt_shapes(graph, job->arena);
    s->roles = EJ_JOB_ARRAY(job, uint8_t, n_edges);
    s->own = EJ_JOB_ARRAY(job, ej_factor, n);
    s->n_own = EJ_JOB_ARRAY(job, uint32_t, n);
    s->push = EJ_JOB_ARRAY(job, ej_push, n);
    s->stay = EJ_JOB_ARRAY(job, bool, n);
    return s->dtypes && s->shapes && s->roles && s->own && s->n_own && s->push && s->stay ? EINJIT_OK : ej_no_memory(job->err);
}

static bool has_scalars(const ej_scalar *s)
{
    for (size_t v = 0; v < s->n; v++)
        if (s->n_own[v]) return true;
    return false;
}

/* What was decided for one graph may make room for more in the next: till nothing changes. */
int ej_opt_scalar(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    for (int run = 0; run < MOST_RUNS; run++) {
        ej_scalar s;
        size_t changed = 0;
        bool goes = false;
        EJ_TRY(create(&s, graph, job));
        EJ_TRY(ej_scalar_roles(&s));
        if (has_scalars(&s)) EJ_TRY(decide(&s, &goes));
        if (goes) EJ_TRY(ej_scalar_write(&s, &changed));
        *n_changed += changed;
        if (!changed) break;
    }
    return EINJIT_OK;
}
