/* opt_cse.c - common subexpressions.
 *
 * Takes  any graph.
 * Gives  the same graph in which of all nodes that say the same about the same operands only the first is left; also
 *        constants with the same bits, and literals. a + b and b + a are one, where the operation is commutative bit
 *        for bit. Einsums are one up to letters and the order of operands, and where only the axes of the result stand
 *        in another order the later one becomes a permutation of the first (opt_cse_einsum.c).
 * Keeps  -0.0 apart from 0.0, literals of different kinds (2 and 2.0) apart, inputs apart; what is not used.
 * Size   one hash table, one look at every node.
 */
#include <string.h>

#include "opt_cse.h"

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
    if (EJ_BROKEN(CSE_LITERAL_KIND) && node->op == EJ_OP_SCALAR && node->fn == EJ_KIND_FLOAT) {
        facts.fn = EJ_KIND_INT;
        facts.integer = (int64_t)node->re;
        facts.re = 0;
    }
    return facts;
}

/* Which of two zeros is larger depends on the order in maximum and minimum: integers have one. */
static bool commutes(const ej_cse *c, ej_value v)
{
    const ej_node *node = &c->graph->nodes[v];
    if (node->op != EJ_OP_MAP) return false;
    switch (node->fn) {
    case EJ_FN_ADD:
    case EJ_FN_MUL:
    case EJ_FN_EQ:
    case EJ_FN_NE:
    case EJ_FN_LOGICAL_AND:
    case EJ_FN_LOGICAL_OR:
    case EJ_FN_BITWISE_AND:
    case EJ_FN_BITWISE_OR:
    case EJ_FN_BITWISE_XOR: return true;
    case EJ_FN_MAXIMUM:
    case EJ_FN_MINIMUM: return c->dtypes[v].dtype >= 0 && ej_dtypes[c->dtypes[v].dtype].kind <= EJ_KIND_INT;
    default: return false;
    }
}

/* Operand i as it is after replacement; the operands of commutative operations in order of their ids. */
static ej_value operand(const ej_cse *c, ej_value v, uint32_t i)
{
    const ej_node *node = &c->graph->nodes[v];
    if (commutes(c, v)) {
        ej_value a = ej_edit_value(&c->edit, node->in[0]), b = ej_edit_value(&c->edit, node->in[1]);
        return (a < b) == (i == 0) ? a : b;
    }
    return ej_edit_value(&c->edit, node->in[i]);
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

static uint64_t hash_node(ej_cse *c, ej_value v)
{
    const ej_node *node = &c->graph->nodes[v];
    node_facts facts = facts_of(node);
    uint64_t h = ej_hash64(&facts, sizeof facts, 0);
    if (node->op == EJ_OP_EINSUM) return ej_cse_einsum_hash(c, node, h);
    for (uint32_t i = 0; i < node->n_in; i++) {
        ej_value in = operand(c, v, i);
        h = ej_hash64(&in, sizeof in, h);
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

static bool same_node(const ej_cse *c, ej_value one, ej_value other)
{
    const ej_node *a = &c->graph->nodes[one], *b = &c->graph->nodes[other];
    for (uint32_t i = 0; i < a->n_in; i++)
        if (operand(c, one, i) != operand(c, other, i)) return false;
    return same_extents(a, b) && same_items(a, b) && same_bytes(a->dims, b->dims, a->n_dims * sizeof *a->dims) &&
           data_bytes(a) == data_bytes(b) && same_bytes(a->data, b->data, data_bytes(a));
}

/* ---- the pass ---- */

typedef struct found {
    ej_value value; /* an earlier one that says the same, or the one that was looked for, now in the table */
    bool moved;     /* ... with its axes in another order: dims */
    int64_t *dims;
} found;

static bool is_same(ej_cse *c, ej_value earlier, ej_value v, found *out)
{
    const ej_node *a = &c->graph->nodes[earlier], *b = &c->graph->nodes[v];
    node_facts x = facts_of(a), y = facts_of(b);
    if (memcmp(&x, &y, sizeof x)) return false;
    return a->op == EJ_OP_EINSUM ? ej_cse_einsum_match(c, a, b, out->dims, &out->moved) : same_node(c, earlier, v);
}

static int find_or_add(ej_cse *c, ej_value v, found *out)
{
    uint64_t hash = c->hashes[v] = hash_node(c, v);
    size_t slot = (size_t)hash & c->mask;
    const ej_equation *equation = c->graph->nodes[v].equation;
    *out = (found){.value = v};
    found now = {.value = -1};
    for (; c->slots[slot] >= 0; slot = (slot + 1) & c->mask) {
        ej_value earlier = c->slots[slot];
        if (c->hashes[earlier] != hash) continue;
        if (equation && !now.dims && !(now.dims = EJ_NEW_ARRAY(&c->graph->arena, int64_t, equation->out.n)))
            return ej_no_memory(c->job->err);
        now.value = earlier;
        now.moved = false;
        if (!is_same(c, earlier, v, &now)) continue;
        *out = now;
        return EINJIT_OK;
    }
    c->slots[slot] = v;
    return EINJIT_OK;
}

/* v is a permutation of an earlier einsum: of the one that stands in the table, or one more. */
static int permute(ej_cse *c, ej_value v, const found *from)
{
    ej_node node = {.op = EJ_OP_PERMUTE, .dtype = -1, .rank = -1, .dims = from->dims};
    ej_value made;
    found same;
    node.n_dims = c->graph->nodes[v].equation->out.n;
    EJ_TRY(ej_edit_node(&c->edit, node, 1, &from->value, &made));
    if (!EJ_PUSH_ROOM(c->job->arena, c->hashes, c->cap_hashes, made)) return ej_no_memory(c->job->err);
    EJ_TRY(find_or_add(c, made, &same));
    if (same.value != made) c->edit.replace[made] = same.value; /* so that it goes */
    ej_edit_replace(&c->edit, v, same.value, EJ_RULE_CSE_OUTPUT);
    return EINJIT_OK;
}

static int visit(ej_cse *c, ej_value v)
{
    found earlier;
    if (c->graph->nodes[v].op == EJ_OP_INPUT) return EINJIT_OK;
    EJ_TRY(find_or_add(c, v, &earlier));
    if (earlier.value == v) return EINJIT_OK;
    if (earlier.moved) return permute(c, v, &earlier);
    bool literal = c->graph->nodes[v].op == EJ_OP_SCALAR;
    ej_edit_replace(&c->edit, v, earlier.value, literal ? EJ_RULE_CSE_LITERAL_KIND : EJ_RULE_CSE_OPERANDS);
    return EINJIT_OK;
}

static int create(ej_cse *c, ej_graph *graph, ej_job *job)
{
    size_t n = graph->n_nodes, capacity = 16;
    while (capacity / 4 < n) capacity *= 2; /* an einsum may add its permutation */
    *c = (ej_cse){.graph = graph, .job = job, .mask = capacity - 1, .cap_hashes = n};
    c->dtypes = ej_facts_dtypes(graph, job->arena);
    c->hashes = EJ_JOB_ARRAY(job, uint64_t, n);
    c->slots = EJ_JOB_ARRAY(job, ej_value, capacity);
    if (!c->dtypes || !c->hashes || !c->slots) return ej_no_memory(job->err);
    memset(c->slots, -1, capacity * sizeof *c->slots);
    EJ_TRY(ej_cse_einsum_create(c));
    return ej_edit_begin(&c->edit, graph, job);
}

int ej_opt_cse(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    ej_cse c;
    EJ_TRY(create(&c, graph, job));
    for (size_t v = 0; v < c.edit.n_old; v++) {
        EJ_TRY(ej_edit_ask(&c.edit));
        EJ_TRY(visit(&c, (ej_value)v));
    }
    return ej_edit_commit(&c.edit, true, n_changed);
}
