/* choose_recompute.c - an einsum is written into the einsums that read it, where computing it in each of them is
 * cheaper than computing and storing it once.
 *
 * Takes  a bound graph.
 * Gives  one in which an einsum's operands stand in the place of its value in those that read it: an outer product that
 *        is multiplied by something smaller, a product of matrices that is multiplied by vectors.
 * Keeps  an einsum that is cheaper by itself or has other readers; einsums of different semirings or dtypes are never
 *        merged.
 *
 * One count decides (choose_candidate.c): of the einsum and those who read it, by their best paths. Operations may not
 * grow, and the weight of operations and bytes must fall (cost_weight.c). From the results to the inputs, so that
 * several levels are taken in; in the end the whole graph is counted both ways.
 *
 * Labels. The inner einsum's output labels are renamed to those of the operand that it replaces; its summed labels get
 * new names. In a bound graph an axis of extent 1 is read at index 0 under any label, so an output axis of extent 1 may
 * take a label of larger extent: the axes of the inner operands under that label all have extent 1, and broadcast as
 * the value did. If the replaced operand has a label twice (a diagonal), the inner operands get diagonals as well; an
 * inner operand that would get a label on axes of extent 1 and of a larger extent is refused, since no program can
 * express that.
 * Size   near-linear: a bounded number of users and operands is looked at, and long path searches have one budget.
 */
#include <math.h>
#include <string.h>

#include "choose_core.h"
#include "opt.h"

enum {
    MOST_USERS = 8,     /* of an einsum that is taken in */
    MOST_OPERANDS = 12, /* of a merged einsum: paths are optimal, or greedy and quick */
    MOST_READS = 3,     /* times that one einsum reads it */
    ALWAYS_OPERANDS = 6 /* of a merged einsum, when the work is used up */
};
static const double most_work = 3e6; /* splits that path searches may look at: some 100 ms */

typedef struct use {
    ej_value user;
    int32_t next;
} use;

typedef struct recomputer {
    ej_job *job;
    ej_bound now;      /* the graph as it is becoming: nodes are replaced in their place */
    uint32_t *results; /* per node: how often it is a result */
    int32_t *first;    /* per node: its users, in `uses`; -1: none */
    size_t n_uses, cap_uses;
    use *uses;
    bool *dead;
    const bool *zeros; /* per node: the signs of its zeros count */
    ej_candidate trial;
    double work;
    size_t n_changed;
} recomputer;

/* ---- users ---- */

static int add_use(recomputer *r, ej_value v, ej_value user)
{
    if (!EJ_PUSH_ROOM(r->job->arena, r->uses, r->cap_uses, r->n_uses)) return ej_no_memory(r->job->err);
    r->uses[r->n_uses] = (use){user, r->first[v]};
    r->first[v] = (int32_t)r->n_uses++;
    return EINJIT_OK;
}

static uint32_t reads(const ej_bound_node *node, ej_value v)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_in; i++) n += node->in[i] == v;
    return n;
}

/* The product of the numbers among the operands, each above 1: they come together in one place
 * (opt_scalar_factor.c). */
static double spread(const recomputer *r, const ej_bound_node *node)
{
    double product = 1;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (!ej_is_scalar_operand(&r->now, node->in[i])) continue;
        product *= ej_factor_distance(r->now.nodes[node->in[i]].re, r->now.nodes[node->in[i]].im);
    }
    return product;
}

static bool in_bounds(const recomputer *r, const ej_bound_node *inner, const ej_bound_node *outer)
{
    double own = spread(r, inner);
    if (own == 1 || ej_dtypes[inner->dtype].kind < EJ_KIND_FLOAT) return true;
    return own * spread(r, outer) <= ej_factor_room(inner->dtype, r->now.drift);
}

/* Both distribute over the same operations. A sum's zero is 0.0, which a factor behind it may turn into -0.0: no factor
 * of the sum where that counts. */
static bool fits(const recomputer *r, const ej_bound_node *inner, ej_value user)
{
    const ej_bound_node *outer = &r->now.nodes[user];
    if (outer->op == EJ_OP_EINSUM && r->zeros[user] && ej_bound_sums(inner) && !ej_bound_sums(outer)) return false;
    return outer->op == EJ_OP_EINSUM && outer->fn == inner->fn && outer->combine == inner->combine &&
           outer->dtype == inner->dtype && ej_einsum_distributes(outer) && in_bounds(r, inner, outer);
}

typedef struct users {
    int32_t n;
    ej_value list[MOST_USERS]; /* ascending, einsums that could take it in */
    bool others;               /* it is needed anyway */
} users;

static void find_users(const recomputer *r, ej_value v, users *out)
{
    const ej_bound_node *inner = &r->now.nodes[v];
    int32_t looked = 0;
    *out = (users){.others = r->results[v] > 0};
    for (int32_t i = r->first[v]; i >= 0; i = r->uses[i].next) {
        ej_value user = r->uses[i].user;
        const ej_bound_node *outer = &r->now.nodes[user];
        if (looked++ > 4 * MOST_USERS) {
            out->others = true;
            return;
        }
        uint32_t n = r->dead[user] ? 0 : reads(outer, v);
        bool known = false;
        for (int32_t k = 0; k < out->n; k++) known |= out->list[k] == user;
        if (!n || known) continue;
        if (!fits(r, inner, user) || n > MOST_READS || outer->n_in + n * (inner->n_in - 1) > MOST_OPERANDS ||
            out->n == MOST_USERS) {
            out->others = true;
            continue;
        }
        int32_t at = out->n++;
        for (; at > 0 && out->list[at - 1] > user; at--) out->list[at] = out->list[at - 1];
        out->list[at] = user;
    }
}

/* ---- merged einsums ---- */

typedef struct merger {
    ej_job *job;
    const ej_bound_node *inner, *outer;
    ej_bound_node *made;
    ej_subscripts *s;
    uint32_t *symbols;
    uint32_t n_in;
    const int32_t *labels; /* of the inner einsum where it was written last; NULL: nowhere yet */
} merger;

static int start_merged(merger *m, uint32_t times)
{
    const ej_subscripts *inner = m->inner->subscripts, *outer = m->outer->subscripts;
    size_t n_in = m->outer->n_in + (size_t)times * m->inner->n_in,
           n_labels = outer->n_labels + (size_t)times * inner->n_labels;
    *m->made = *m->outer;
    m->made->note = NULL;
    m->s = EJ_JOB_NEW(m->job, ej_subscripts);
    m->made->in = EJ_JOB_ARRAY(m->job, ej_value, n_in);
    m->made->label_sizes = EJ_JOB_ARRAY(m->job, ej_size, n_labels);
    m->symbols = EJ_JOB_ARRAY(m->job, uint32_t, n_labels);
    if (!m->s || !m->made->in || !m->made->label_sizes || !m->symbols) return ej_no_memory(m->job->err);
    m->s->terms = EJ_JOB_ARRAY(m->job, ej_term, n_in);
    if (!m->s->terms) return ej_no_memory(m->job->err);
    m->s->out = outer->out;
    m->s->n_labels = outer->n_labels;
    m->s->symbols = m->symbols;
    m->made->subscripts = m->s;
    for (uint32_t l = 0; l < outer->n_labels; l++) {
        m->made->label_sizes[l] = m->outer->label_sizes[l];
        m->symbols[l] = outer->symbols ? outer->symbols[l] : 0;
    }
    return EINJIT_OK;
}

/* The inner einsum's operands in place of an operand whose labels are `place`. */
static int write_inner(merger *m, const ej_term *place)
{
    const ej_subscripts *inner = m->inner->subscripts;
    int32_t *labels = EJ_JOB_ARRAY(m->job, int32_t, inner->n_labels);
    if (!labels) return ej_no_memory(m->job->err);
    for (uint32_t l = 0; l < inner->n_labels; l++) labels[l] = -1;
    for (uint32_t i = 0; i < inner->out.n; i++) labels[inner->out.labels[i]] = place->labels[i];
    for (uint32_t l = 0; l < inner->n_labels; l++) {
        if (labels[l] >= 0) continue;
        if (m->labels && EJ_BROKEN(RECOMPUTE_SUMMED)) {
            labels[l] = m->labels[l];
            continue;
        }
        m->made->label_sizes[m->s->n_labels] = m->inner->label_sizes[l];
        m->symbols[m->s->n_labels] = inner->symbols ? inner->symbols[l] : 0;
        labels[l] = (int32_t)m->s->n_labels++;
    }
    for (uint32_t t = 0; t < m->inner->n_in; t++) {
        ej_term term = {inner->terms[t].n, EJ_JOB_ARRAY(m->job, int32_t, inner->terms[t].n)};
        if (!term.labels) return ej_no_memory(m->job->err);
        for (uint32_t i = 0; i < term.n; i++) term.labels[i] = labels[inner->terms[t].labels[i]];
        m->made->in[m->n_in] = m->inner->in[t];
        m->s->terms[m->n_in++] = term;
    }
    m->labels = labels;
    return EINJIT_OK;
}

/* No operand has one label on axes of different extents. */
static bool can_be_said(const recomputer *r, const ej_bound_node *node)
{
    for (uint32_t t = 0; t < node->n_in; t++) {
        const ej_term *term = &node->subscripts->terms[t];
        const ej_size *shape = r->now.nodes[node->in[t]].shape;
        for (uint32_t i = 0; i < term->n; i++)
            for (uint32_t k = 0; k < i; k++)
                if (term->labels[k] == term->labels[i] && !ej_size_same(shape[k], shape[i])) return false;
    }
    return true;
}

static int merge(recomputer *r, ej_bound_node *made, ej_value v, ej_value user, ej_job *job)
{
    merger m = {.job = job, .inner = &r->now.nodes[v], .outer = &r->now.nodes[user], .made = made};
    EJ_TRY(start_merged(&m, reads(m.outer, v)));
    for (uint32_t t = 0; t < m.outer->n_in; t++) {
        const ej_term *place = &m.outer->subscripts->terms[t];
        if (m.outer->in[t] == v) {
            EJ_TRY(write_inner(&m, place));
            continue;
        }
        made->in[m.n_in] = m.outer->in[t];
        m.s->terms[m.n_in++] = *place;
    }
    made->n_in = m.s->n_terms = m.n_in;
    return EINJIT_OK;
}

/* ---- the decision ---- */

static bool is_better(ej_count with, ej_count without)
{
    return with.operations <= without.operations && ej_cost_weight(with) < ej_cost_weight(without);
}

static double elements_of_operands(const ej_bound *bound, const ej_bound_node *node)
{
    double n = 0;
    for (uint32_t i = 0; i < node->n_in; i++) n += ej_cost_elements(&bound->nodes[node->in[i]]);
    return n;
}

/* Whether there may be something to gain: the inner einsum is larger than what it is made of, or users read it with
 * something that makes it smaller. */
static bool may_pay(const recomputer *r, ej_value v, const users *u)
{
    const ej_bound_node *inner = &r->now.nodes[v];
    double size = ej_cost_elements(inner), least = 0, most = 0;
    for (int32_t i = 0; i < u->n; i++) {
        const ej_bound_node *outer = &r->now.nodes[u->list[i]];
        most += 2 * ej_cost_points((int32_t)outer->subscripts->n_labels, outer->label_sizes) * outer->n_in;
        least += elements_of_operands(&r->now, inner) + ej_cost_elements(outer);
    }
    if (!u->others) most += 2 * ej_cost_points((int32_t)inner->subscripts->n_labels, inner->label_sizes) * inner->n_in;
    return least < most + 2 * size;
}

static int try_users(recomputer *r, ej_value v, size_t n, const ej_value *list, bool drop, bool *done)
{
    ej_candidate_node items[MOST_USERS + 1];
    ej_bound_node made[MOST_USERS];
    ej_count with, without;
    size_t skip = drop ? 0 : 1; /* the inner einsum is no part of either */
    *done = false;
    for (size_t i = 0; i < n; i++) {
        EJ_TRY(merge(r, &made[i], v, list[i], r->job));
        if (!can_be_said(r, &made[i]) || (r->work <= 0 && made[i].n_in > ALWAYS_OPERANDS)) return EINJIT_OK;
        r->work -= pow(3, made[i].n_in) / 2;
    }
    items[0] = (ej_candidate_node){v, &r->now.nodes[v], NULL, false};
    for (size_t i = 0; i < n; i++) items[i + 1] = (ej_candidate_node){list[i], &r->now.nodes[list[i]], NULL, true};
    EJ_TRY(ej_candidate_run(&r->trial, n + 1 - skip, items + skip, &without));
    for (size_t i = 0; i < n; i++) items[i + 1].node = &made[i];
    EJ_TRY(ej_candidate_run(&r->trial, n, items + 1, &with));
    *done = is_better(with, without);
    for (size_t i = 0; i < n && *done; i++) {
        r->now.nodes[list[i]] = made[i];
        for (uint32_t t = 0; t < r->now.nodes[v].n_in; t++) EJ_TRY(add_use(r, r->now.nodes[v].in[t], list[i]));
    }
    r->n_changed += *done;
    return EINJIT_OK;
}

static int decide(recomputer *r, ej_value v)
{
    const ej_bound_node *inner = &r->now.nodes[v];
    users u;
    bool done = false;
    if (inner->op != EJ_OP_EINSUM || !ej_einsum_distributes(inner) || inner->n_in > MOST_OPERANDS) return EINJIT_OK;
    find_users(r, v, &u);
    if (!u.n || !may_pay(r, v, &u)) return EINJIT_OK;
    if (!u.others) {
        EJ_TRY(try_users(r, v, (size_t)u.n, u.list, true, &done));
        r->dead[v] = done;
        if (done || u.n == 1) return EINJIT_OK;
    }
    double read = elements_of_operands(&r->now, inner);
    if (read >= ej_cost_elements(inner)) return EINJIT_OK; /* the value is there, and smaller */
    for (int32_t i = 0; i < u.n; i++) EJ_TRY(try_users(r, v, 1, &u.list[i], false, &done));
    return EINJIT_OK;
}

/* ---- the graph ---- */

static int start(recomputer *r, const ej_bound *bound, ej_job *job)
{
    size_t n = bound->n_nodes;
    *r = (recomputer){.job = job, .now = *bound, .work = most_work};
    r->now.nodes = EJ_JOB_ARRAY(job, ej_bound_node, n);
    r->results = EJ_JOB_ARRAY(job, uint32_t, n);
    r->first = EJ_JOB_ARRAY(job, int32_t, n);
    r->dead = EJ_JOB_ARRAY(job, bool, n);
    r->zeros = ej_bound_zeros(bound, job);
    if (!r->zeros || !r->now.nodes || !r->results || !r->first || !r->dead) return ej_no_memory(job->err);
    if (n) memcpy(r->now.nodes, bound->nodes, n * sizeof *bound->nodes);
    for (size_t i = 0; i < bound->n_outputs; i++) r->results[bound->outputs[i]]++;
    for (size_t v = 0; v < n; v++) r->first[v] = -1;
    for (size_t v = n; v-- > 0;) {
        r->dead[v] = r->first[v] < 0 && !r->results[v];
        for (uint32_t i = 0; !r->dead[v] && i < bound->nodes[v].n_in; i++)
            EJ_TRY(add_use(r, bound->nodes[v].in[i], (ej_value)v));
    }
    return ej_candidate_init(&r->trial, &r->now, job);
}

/* With paths chosen together; memory is given back. */
static int count_chosen(ej_count *out, const ej_bound *bound, ej_job *job)
{
    ej_arena memory;
    ej_job inner = *job;
    ej_path *paths;
    ej_arena_init(&memory, job->arena->allocator);
    inner.arena = &memory;
    int status = ej_joint_paths(&paths, bound, &inner);
    if (status == EINJIT_OK) status = ej_candidate_count(out, bound, paths, &inner);
    ej_arena_free(&memory);
    return status;
}

static int without_dead(ej_bound *out, const ej_bound *bound, ej_job *job)
{
    ej_rebuild r;
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    for (size_t v = 0; v < bound->n_nodes; v++)
        if (ej_rebuild_live(&r, (ej_value)v) && r.map[v] < 0) EJ_TRY(ej_rebuild_keep(&r, (ej_value)v));
    return ej_rebuild_end(&r);
}

int ej_choose_recompute(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    recomputer r;
    ej_count before, after;
    *out = *bound;
    (void)as_written;
    if (!ej_paths_are_free(job) && !ej_is_let_through("recompute")) return EINJIT_OK;
    int status = start(&r, bound, job);
    for (size_t v = bound->n_nodes; v-- > 0 && status == EINJIT_OK;)
        if (!r.dead[v]) status = decide(&r, (ej_value)v);
    ej_candidate_free(&r.trial);
    if (status != EINJIT_OK || !r.n_changed) return status;
    EJ_TRY(count_chosen(&before, bound, job));
    EJ_TRY(count_chosen(&after, &r.now, job));
    return ej_cost_less(after, before) ? without_dead(out, &r.now, job) : EINJIT_OK;
}
