/* opt_cse.c - common subexpressions.
 *
 * Takes  any graph.
 * Gives  the same graph in which of all nodes that say the same about the same operands only the first is left; also
 *        constants with the same bits, and literals. Labels count by their order, not by their letters: "ij,jk->ik" and
 *        "ab,bc->ac" are one. a + b and b + a are one, where the operation is commutative bit for bit.
 * Keeps  -0.0 apart from 0.0, literals of different kinds (2 and 2.0) apart, inputs apart.
 * Size   one hash table, one look at every node.
 */
#include <string.h>

#include "opt.h"

typedef struct cse {
    const ej_graph *graph;
    ej_value *replace; /* final for all earlier nodes */
    uint64_t *hashes;  /* per node */
    ej_value *slots;   /* open addressing; -1 = free */
    size_t mask;
} cse;

/* ---- what makes two nodes the same ---- */

/* The plain fields, packed so that hashing and comparing see no padding. */
typedef struct node_facts {
    uint32_t op, fn, combine, keepdim, all_dims, n_in, n_extents, n_dims, n_items, n_labels;
    int32_t dtype, rank;
    uint64_t re, im;
    int64_t integer;
} node_facts;

static node_facts facts_of(const ej_node *node)
{
    node_facts facts;
    memset(&facts, 0, sizeof facts);
    facts.op = node->op;
    facts.fn = node->fn;
    facts.combine = node->combine;
    facts.keepdim = node->keepdim;
    facts.all_dims = node->all_dims;
    facts.n_in = node->n_in;
    facts.n_extents = node->n_extents;
    facts.n_dims = node->n_dims;
    facts.n_items = node->n_items;
    facts.n_labels = node->equation ? node->equation->n_labels : 0;
    if (node->op == EJ_OP_CONSTANT || node->op == EJ_OP_CAST) facts.dtype = node->dtype; /* means nothing elsewhere */
    if (node->op == EJ_OP_CONSTANT) facts.rank = node->rank;
    memcpy(&facts.re, &node->re, sizeof facts.re);
    memcpy(&facts.im, &node->im, sizeof facts.im);
    facts.integer = node->integer;
    return facts;
}

static bool commutes(const ej_node *node)
{
    if (node->op != EJ_OP_MAP) return false;
    switch (node->fn) {
    case EJ_FN_ADD:
    case EJ_FN_MUL:
    case EJ_FN_EQ:
    case EJ_FN_NE:
    case EJ_FN_LOGICAL_AND:
    case EJ_FN_LOGICAL_OR: return true;
    default: return false;
    }
}

/* Operand i as it is after replacement; the operands of commutative operations in order of their ids. */
static ej_value operand(const cse *c, const ej_node *node, uint32_t i)
{
    if (commutes(node)) {
        ej_value a = c->replace[node->in[0]], b = c->replace[node->in[1]];
        return (a < b) == (i == 0) ? a : b;
    }
    return c->replace[node->in[i]];
}

static size_t data_bytes(const ej_node *node)
{
    if (node->op != EJ_OP_CONSTANT || !node->data) return 0;
    int64_t n = ej_dtypes[node->dtype].bytes;
    for (uint32_t i = 0; i < node->n_extents; i++)
        if (!ej_mul_size(n, node->extents[i].n, &n)) return 0;
    return (size_t)n;
}

/* ---- hashing ---- */

static uint64_t hash_term(const ej_term *term, uint64_t seed)
{
    uint64_t h = ej_hash64(&term->n, sizeof term->n, seed);
    return ej_hash64(term->labels, term->n * sizeof *term->labels, h);
}

static uint64_t hash_extents(const ej_node *node, uint64_t h)
{
    for (uint32_t i = 0; i < node->n_extents; i++) {
        const ej_extent *extent = &node->extents[i];
        h = ej_hash64(&extent->n, sizeof extent->n, h);
        h = ej_hash64(extent->symbols, (size_t)extent->n_symbols * sizeof *extent->symbols, h);
    }
    return h;
}

static uint64_t hash_items(const ej_node *node, uint64_t h)
{
    for (uint32_t i = 0; i < node->n_items; i++) {
        const ej_index_item *item = &node->items[i];
        int64_t words[4] = {item->kind, item->start, item->stop, item->step};
        h = ej_hash64(words, sizeof words, h);
    }
    return h;
}

static uint64_t hash_node(const cse *c, const ej_node *node)
{
    node_facts facts = facts_of(node);
    uint64_t h = ej_hash64(&facts, sizeof facts, 0);
    for (uint32_t i = 0; i < node->n_in; i++) {
        ej_value in = operand(c, node, i);
        h = ej_hash64(&in, sizeof in, h);
    }
    if (node->equation) {
        for (uint32_t t = 0; t < node->equation->n_terms; t++) h = hash_term(&node->equation->terms[t], h);
        h = hash_term(&node->equation->out, h);
    }
    h = hash_items(node, hash_extents(node, h));
    h = ej_hash64(node->dims, node->n_dims * sizeof *node->dims, h);
    return ej_hash64(node->data, data_bytes(node), h);
}

/* ---- comparing ---- */

static bool same_bytes(const void *a, const void *b, size_t n)
{
    return !n || !memcmp(a, b, n);
}

static bool same_term(const ej_term *a, const ej_term *b)
{
    return a->n == b->n && same_bytes(a->labels, b->labels, a->n * sizeof *a->labels);
}

static bool same_equation(const ej_equation *a, const ej_equation *b)
{
    if (!a || !b) return a == b;
    if (a->n_terms != b->n_terms || !same_term(&a->out, &b->out)) return false;
    for (uint32_t t = 0; t < a->n_terms; t++)
        if (!same_term(&a->terms[t], &b->terms[t])) return false;
    return true;
}

static bool same_extents(const ej_node *a, const ej_node *b)
{
    for (uint32_t i = 0; i < a->n_extents; i++) {
        const ej_extent *x = &a->extents[i], *y = &b->extents[i];
        if (x->n != y->n || x->n_symbols != y->n_symbols ||
            !same_bytes(x->symbols, y->symbols, (size_t)x->n_symbols * sizeof *x->symbols))
            return false;
    }
    return true;
}

static bool same_items(const ej_node *a, const ej_node *b)
{
    for (uint32_t i = 0; i < a->n_items; i++) {
        const ej_index_item *x = &a->items[i], *y = &b->items[i];
        if (x->kind != y->kind || x->start != y->start || x->stop != y->stop || x->step != y->step) return false;
    }
    return true;
}

static bool same_node(const cse *c, const ej_node *a, const ej_node *b)
{
    node_facts x = facts_of(a), y = facts_of(b);
    if (memcmp(&x, &y, sizeof x)) return false;
    for (uint32_t i = 0; i < a->n_in; i++)
        if (operand(c, a, i) != operand(c, b, i)) return false;
    return same_equation(a->equation, b->equation) && same_extents(a, b) && same_items(a, b) &&
           same_bytes(a->dims, b->dims, a->n_dims * sizeof *a->dims) && data_bytes(a) == data_bytes(b) &&
           same_bytes(a->data, b->data, data_bytes(a));
}

/* ---- the pass ---- */

/* The earlier node that says the same, or v itself, now in the table. */
static ej_value find_or_add(cse *c, ej_value v)
{
    const ej_node *nodes = c->graph->nodes;
    uint64_t hash = c->hashes[v] = hash_node(c, &nodes[v]);
    size_t slot = (size_t)hash & c->mask;
    for (; c->slots[slot] >= 0; slot = (slot + 1) & c->mask) {
        ej_value other = c->slots[slot];
        if (c->hashes[other] == hash && same_node(c, &nodes[other], &nodes[v])) return other;
    }
    c->slots[slot] = v;
    return v;
}

static int create(cse *c, const ej_graph *graph, ej_job *job)
{
    size_t capacity = 16;
    while (capacity / 2 < graph->n_nodes) capacity *= 2;
    *c = (cse){.graph = graph, .mask = capacity - 1};
    c->replace = EJ_JOB_ARRAY(job, ej_value, graph->n_nodes);
    c->hashes = EJ_JOB_ARRAY(job, uint64_t, graph->n_nodes);
    c->slots = EJ_JOB_ARRAY(job, ej_value, capacity);
    if (!c->replace || !c->hashes || !c->slots) return ej_no_memory(job->err);
    memset(c->slots, -1, capacity * sizeof *c->slots);
    return EINJIT_OK;
}

int ej_opt_cse(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    cse c;
    EJ_TRY(create(&c, graph, job));
    for (size_t v = 0; v < graph->n_nodes; v++) {
        bool input = graph->nodes[v].op == EJ_OP_INPUT;
        c.replace[v] = (ej_value)v;
        if (!input) c.replace[v] = find_or_add(&c, (ej_value)v);
        if (c.replace[v] == (ej_value)v) continue;
        ++*n_changed;
        if (graph->nodes[v].op == EJ_OP_SCALAR) EJ_FIRED(job, CSE_LITERAL_KIND);
        else EJ_FIRED(job, CSE_OPERANDS);
    }
    return *n_changed ? ej_graph_rewrite(graph, c.replace, true, job->err) : EINJIT_OK;
}
