/* choose_share.c - equal intermediates of several nodes are computed once.
 *
 * Takes  a bound graph, its einsums in pairs.
 * Gives  one in which equal nodes are one; intermediate results of different einsums among them. Einsums are equal up
 *        to the names of labels, the order of operands, and the order of the result's axes: then one is a permutation
 *        of the other, which costs nothing.
 * Keeps  inputs apart, constants by their address.
 * Size   linear: one look-up a node.
 */
#include <string.h>

#include "choose_core.h"

typedef struct key {
    size_t n, capacity;
    int64_t *words;
    uint64_t hash;
    int32_t *order; /* EINSUM: axis i of the result in the key's order is axis order[i] of the node */
    ej_value value; /* of the new graph */
} key;

typedef struct sharer {
    ej_rebuild *r;
    key *keys; /* those in the table */
    size_t n_keys, cap_keys;
    int32_t *slots; /* -1: free */
    size_t mask;
    int32_t *ids; /* per label: new id + 1, 0 between calls */
} sharer;

/* ---- a node as words, to compare and hash ---- */

static bool put(sharer *s, key *k, int64_t word)
{
    if (!EJ_PUSH_ROOM(s->r->job->arena, k->words, k->capacity, k->n)) return false;
    k->words[k->n++] = word;
    return true;
}

static bool put_size(sharer *s, key *k, ej_size size)
{
    return put(s, k, size.n) && put(s, k, size.e);
}

static bool put_double(sharer *s, key *k, double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return put(s, k, bits);
}

static bool put_facts(sharer *s, key *k, const ej_bound_node *node)
{
    bool done = put(s, k, node->op) && put(s, k, node->fn) && put(s, k, node->combine) && put(s, k, node->dtype) &&
                put(s, k, node->structural) && put(s, k, node->rank) && put(s, k, node->integer) &&
                put_double(s, k, node->re) && put_double(s, k, node->im) && put(s, k, (int64_t)(uintptr_t)node->data) &&
                put(s, k, node->n_dims);
    for (uint32_t i = 0; done && i < node->n_dims; i++) done = put(s, k, node->dims[i]);
    return done;
}

static bool put_node(sharer *s, key *k, const ej_bound_node *node)
{
    bool done = put_facts(s, k, node);
    for (uint32_t i = 0; done && i < node->n_in; i++) done = put(s, k, node->in[i]);
    for (int32_t i = 0; done && i < node->rank; i++) done = put_size(s, k, node->shape[i]);
    for (int32_t i = 0; done && i < node->rank && node->starts; i++)
        done = put_size(s, k, node->starts[i]) && put(s, k, node->steps[i]);
    return done;
}

/* ---- einsums ---- */

static bool put_term(sharer *s, key *k, const ej_term *term, int32_t *n)
{
    bool done = put(s, k, term->n);
    for (uint32_t i = 0; done && i < term->n; i++) {
        int32_t *id = &s->ids[term->labels[i]];
        if (!*id) *id = ++*n;
        done = put(s, k, *id);
    }
    return done;
}

static void forget_ids(sharer *s, const ej_subscripts *sub)
{
    for (uint32_t l = 0; l < sub->n_labels; l++) s->ids[l] = 0;
}

/* The result's axes by the ids that their labels got from the operands. */
static bool put_result(sharer *s, key *k, const ej_bound_node *node)
{
    const ej_term *out = &node->subscripts->out;
    k->order = EJ_JOB_ARRAY(s->r->job, int32_t, out->n);
    if (!k->order) return false;
    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t at = i;
        for (; at > 0 && s->ids[out->labels[k->order[at - 1]]] > s->ids[out->labels[i]]; at--)
            k->order[at] = k->order[at - 1];
        k->order[at] = (int32_t)i;
    }
    bool done = put(s, k, out->n);
    for (uint32_t i = 0; done && i < out->n; i++)
        done = put(s, k, s->ids[out->labels[k->order[i]]]) && put_size(s, k, node->shape[k->order[i]]);
    return done;
}

/* Terms of sums come in the order of the labels' numbers: where bits count, einsums are only equal that count alike. */
static bool put_sums(sharer *s, key *k, const ej_subscripts *sub)
{
    bool done = true;
    for (uint32_t l = 0; done && l < sub->n_labels; l++)
        if (!ej_term_has(&sub->out, (int32_t)l)) done = put(s, k, s->ids[l]);
    return done;
}

/* The operands in the order of their values; of equal ones as they come (`swap`: the other way round). Where bits count
 * they stay in their own order: complex products, and products of more than two, round otherwise in another one. */
static bool put_einsum(sharer *s, key *k, const ej_bound_node *node, bool swap)
{
    const ej_subscripts *sub = node->subscripts;
    uint32_t *order = EJ_JOB_ARRAY(s->r->job, uint32_t, node->n_in);
    bool in_order = EJ_HELD(s->r->job->strict, SHARE_ORDER);
    int32_t n = 0;
    if (!order) return false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        ej_value value = node->in[i];
        uint32_t at = i;
        for (; at > 0 && !in_order; at--) {
            ej_value before = node->in[order[at - 1]];
            if (swap ? before < value : before <= value) break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    bool done = put(s, k, node->op) && put(s, k, node->fn) && put(s, k, node->combine) && put(s, k, node->dtype) &&
                put(s, k, node->n_in);
    for (uint32_t i = 0; done && i < node->n_in; i++)
        done = put(s, k, node->in[order[i]]) && put_term(s, k, &sub->terms[order[i]], &n);
    done = done && put_result(s, k, node) && (!in_order || put_sums(s, k, sub));
    forget_ids(s, sub);
    return done;
}

enum { MOST_OPERANDS = 64 }; /* of an einsum that is compared: the others are large and whole, and rarely twice there */

static int compare_words(const key *a, const key *b)
{
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    return memcmp(a->words, b->words, a->n * sizeof *a->words);
}

static int make_key(sharer *s, key *k, const ej_bound_node *node)
{
    bool einsum = node->op == EJ_OP_EINSUM;
    key other = {0};
    *k = (key){0};
    if (!(einsum ? put_einsum(s, k, node, false) : put_node(s, k, node))) return ej_no_memory(s->r->job->err);
    bool in_order = EJ_HELD(s->r->job->strict, SHARE_ORDER);
    if (einsum && !in_order && node->n_in == 2 && node->in[0] == node->in[1]) { /* x with x: the smaller way */
        if (!put_einsum(s, &other, node, true)) return ej_no_memory(s->r->job->err);
        if (compare_words(&other, k) < 0) *k = other;
    }
    k->hash = ej_hash64(k->words, k->n * sizeof *k->words, 0);
    return EINJIT_OK;
}

/* ---- the table ---- */

static key *find(sharer *s, const key *k, size_t *slot)
{
    for (*slot = (size_t)k->hash & s->mask; s->slots[*slot] >= 0; *slot = (*slot + 1) & s->mask) {
        key *other = &s->keys[s->slots[*slot]];
        if (other->hash == k->hash && !compare_words(other, k)) return other;
    }
    return NULL;
}

static int add(sharer *s, const key *k, size_t slot)
{
    if (!EJ_PUSH_ROOM(s->r->job->arena, s->keys, s->cap_keys, s->n_keys)) return ej_no_memory(s->r->job->err);
    s->slots[slot] = (int32_t)s->n_keys;
    s->keys[s->n_keys++] = *k;
    return EINJIT_OK;
}

/* The same axes in another order. */
static int permuted(sharer *s, const key *have, const key *want, const ej_bound_node *node, ej_value *out)
{
    ej_job *job = s->r->job;
    bool moves = false;
    ej_bound_node made = {.op = EJ_OP_PERMUTE,
                          .dtype = node->dtype,
                          .rank = node->rank,
                          .shape = node->shape,
                          .n_in = 1,
                          .n_dims = (uint32_t)node->rank,
                          .name = node->name};
    made.dims = EJ_JOB_ARRAY(job, int64_t, made.n_dims);
    made.in = EJ_JOB_NEW(job, ej_value);
    if (!made.dims || !made.in) return ej_no_memory(job->err);
    for (int32_t i = 0; i < node->rank; i++) {
        made.dims[want->order[i]] = have->order[i];
        moves |= want->order[i] != have->order[i];
    }
    made.in[0] = have->value;
    *out = have->value;
    return moves ? ej_rebuild_add(s->r, &made, out) : EINJIT_OK;
}

/* ---- nodes ---- */

static bool looks_the_same(const ej_bound *bound, const ej_bound_node *permute)
{
    const ej_bound_node *x = &bound->nodes[permute->in[0]];
    for (int32_t i = 0; i < x->rank; i++)
        if (!ej_size_same(x->shape[i], permute->shape[i])) return false;
    return true;
}

/* An einsum reads a permuted operand as it was before, with its labels in that order: so what was found to be equal up
 * to the order of axes is the same operand to all that follows. */
static int read_through(sharer *s, ej_bound_node *node)
{
    ej_job *job = s->r->job;
    ej_subscripts *sub = NULL;
    for (uint32_t t = 0; t < node->n_in; t++) {
        const ej_bound_node *x = &s->r->out->nodes[node->in[t]];
        if (x->op != EJ_OP_PERMUTE) continue;
        if (!sub) {
            sub = EJ_JOB_NEW(job, ej_subscripts);
            ej_term *terms = EJ_JOB_ARRAY(job, ej_term, node->n_in);
            if (!sub || !terms) return ej_no_memory(job->err);
            *sub = *node->subscripts;
            memcpy(terms, sub->terms, node->n_in * sizeof *terms);
            sub->terms = terms;
        }
        ej_term term = {sub->terms[t].n, EJ_JOB_ARRAY(job, int32_t, sub->terms[t].n)};
        if (!term.labels) return ej_no_memory(job->err);
        bool forgets = EJ_BROKEN(SHARE_PERMUTED) && looks_the_same(s->r->out, x);
        for (uint32_t i = 0; i < term.n; i++) {
            if (forgets) term.labels[i] = sub->terms[t].labels[i];
            else term.labels[x->dims[i]] = sub->terms[t].labels[i];
        }
        sub->terms[t] = term;
        node->in[t] = x->in[0];
        t--; /* and what that reads */
    }
    if (sub) node->subscripts = sub;
    return EINJIT_OK;
}

/* The node over values of the new graph. */
static int translate(sharer *s, ej_bound_node *node, ej_value v)
{
    ej_rebuild *r = s->r;
    *node = r->from->nodes[v];
    node->in = EJ_JOB_ARRAY(r->job, ej_value, node->n_in);
    if (!node->in) return ej_no_memory(r->job->err);
    for (uint32_t i = 0; i < node->n_in; i++) node->in[i] = r->map[r->from->nodes[v].in[i]];
    return node->op == EJ_OP_EINSUM ? read_through(s, node) : EINJIT_OK;
}

static int share_node(sharer *s, ej_value v)
{
    ej_rebuild *r = s->r;
    ej_bound_node node;
    key k;
    size_t slot;
    EJ_TRY(translate(s, &node, v));
    if (node.n_in > MOST_OPERANDS || node.op == EJ_OP_CAST) /* casts are read along the way */
        return ej_rebuild_add(r, &node, &r->map[v]);
    EJ_TRY(make_key(s, &k, &node));
    const key *have = find(s, &k, &slot);
    if (have && node.op == EJ_OP_EINSUM) return permuted(s, have, &k, &node, &r->map[v]);
    if (have) {
        r->map[v] = have->value;
        return EINJIT_OK;
    }
    EJ_TRY(ej_rebuild_add(r, &node, &r->map[v]));
    k.value = r->map[v];
    return add(s, &k, slot);
}

int ej_choose_share(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    ej_rebuild r;
    sharer s = {.r = &r};
    size_t capacity = 16, most = 0;
    (void)as_written;
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    while (capacity / 2 < bound->n_nodes) capacity *= 2;
    for (size_t v = 0; v < bound->n_nodes; v++) {
        const ej_subscripts *sub = bound->nodes[v].subscripts;
        if (sub && sub->n_labels > most) most = sub->n_labels;
    }
    s.mask = capacity - 1;
    s.slots = EJ_JOB_ARRAY(job, int32_t, capacity);
    s.ids = EJ_JOB_ARRAY(job, int32_t, most);
    if (!s.slots || !s.ids) return ej_no_memory(job->err);
    memset(s.slots, -1, capacity * sizeof *s.slots);
    for (size_t v = 0; v < bound->n_nodes; v++)
        if (ej_rebuild_live(&r, (ej_value)v) && r.map[v] < 0) EJ_TRY(share_node(&s, (ej_value)v));
    return ej_rebuild_end(&r);
}
