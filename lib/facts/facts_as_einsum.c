/* facts_as_einsum.c - which nodes are einsums under another name, and which einsum.
 *
 * Takes  a node, what is known of dtypes, ranks and extents.
 * Gives  operands and labels: of einsums themselves, matmul, tensordot, products of two arrays, squares, sums over
 *        axes, permutations, axes of extent 1 that come or go, and expand.
 * Keeps  away from what is not sure: ranks that are not known (unless an ellipsis can cover them), axes that do not
 *        fit (bind reports it), sums of bool and of small integers (they are i64, an einsum is not), literals (they
 *        take the dtype of the other operands), other semirings.
 * Not here: whether merging gains anything (opt_fuse_gain.c); reshapes that split or merge axes (opt_fuse_reshape.c).
 */
#include <string.h>

#include "facts_as_einsum.h"
#include "facts_reshape.h"

/* A form in the making. Labels are numbered here as it suits. */
typedef struct maker {
    const ej_einsum_facts *facts;
    const ej_node *node;
    ej_value value;
    ej_einsum_form *out;
    ej_equation *equation;
} maker;

static const ej_known_shape *shape_of(const maker *m, ej_value v)
{
    return &m->facts->shapes->of[v];
}

static bool is_one(const maker *m, int32_t extent)
{
    return ej_extent_number(m->facts->shapes, extent) == 1;
}

/* ---- building ---- */

/* Terms of these lengths over the node's operands, and an output. */
static bool start(maker *m, uint32_t n_terms, const int32_t *lengths, int32_t n_out)
{
    ej_arena *arena = m->facts->arena;
    m->equation = EJ_NEW(arena, ej_equation);
    if (!m->equation) return false;
    m->equation->n_terms = n_terms;
    m->equation->terms = EJ_NEW_ARRAY(arena, ej_term, n_terms);
    m->equation->out = (ej_term){(uint32_t)n_out, EJ_NEW_ARRAY(arena, int32_t, (size_t)n_out)};
    if (!m->equation->terms || !m->equation->out.labels) return false;
    for (uint32_t t = 0; t < n_terms; t++) {
        m->equation->terms[t] = (ej_term){(uint32_t)lengths[t], EJ_NEW_ARRAY(arena, int32_t, (size_t)lengths[t])};
        if (!m->equation->terms[t].labels) return false;
    }
    return true;
}

static int finish(maker *m, int32_t n_labels, bool computes, bool contracts)
{
    m->equation->n_labels = (uint32_t)n_labels;
    m->out->equation = m->equation;
    m->out->n_in = m->node->n_in;
    m->out->in = m->node->in;
    m->out->computes = computes;
    m->out->contracts = contracts;
    return EINJIT_OK;
}

static void count_up(ej_term *term)
{
    for (uint32_t i = 0; i < term->n; i++) term->labels[i] = (int32_t)i;
}

/* The same labels aligned at the right. */
static void align_right(ej_term *term, int32_t rank)
{
    for (uint32_t i = 0; i < term->n; i++) term->labels[i] = rank - (int32_t)term->n + (int32_t)i;
}

/* ---- einsums ---- */

static int of_einsum(maker *m, einjit_error *err)
{
    const ej_node *node = m->node;
    ej_arena *arena = m->facts->arena;
    if (node->fn != EINJIT_REDUCE_SUM || node->combine != EINJIT_COMBINE_MUL) return EINJIT_OK;
    const ej_equation *written = node->equation;
    *m->out = (ej_einsum_form){.equation = written,
                               .n_symbols = written->n_labels,
                               .n_in = node->n_in,
                               .in = node->in,
                               .computes = true,
                               .contracts = true};
    int32_t *ranks = EJ_NEW_ARRAY(arena, int32_t, node->n_in);
    if (!ranks) return ej_no_memory(err);
    bool dots = false;
    for (uint32_t t = 0; t < node->n_in; t++) {
        bool own = ej_term_has(&written->terms[t], EJ_ELLIPSIS);
        ranks[t] = own ? shape_of(m, node->in[t])->rank : (int32_t)written->terms[t].n;
        if (ranks[t] < 0) return EINJIT_OK;
        dots |= own;
    }
    if (!dots) return EINJIT_OK;
    ej_subscripts resolved;
    int status = ej_equation_resolve(&resolved, arena, written, ranks, NULL);
    if (status == EINJIT_E_NOMEM) return ej_no_memory(err);
    if (status) return EINJIT_OK;
    ej_equation *equation = EJ_NEW(arena, ej_equation);
    if (!equation) return ej_no_memory(err);
    *equation = *written;
    equation->terms = resolved.terms;
    equation->out = resolved.out;
    equation->n_labels = resolved.n_labels;
    m->out->equation = equation;
    return EINJIT_OK;
}

static int of_matmul(maker *m, einjit_error *err)
{
    int32_t ranks[2] = {shape_of(m, m->node->in[0])->rank, shape_of(m, m->node->in[1])->rank};
    if (ranks[0] < 1 || ranks[1] < 1) return EINJIT_OK;
    int32_t batch_a = ranks[0] > 2 ? ranks[0] - 2 : 0, batch_b = ranks[1] > 2 ? ranks[1] - 2 : 0;
    int32_t batch = batch_a > batch_b ? batch_a : batch_b, row = batch, inner = batch + 1, column = batch + 2;
    if (!start(m, 2, ranks, batch + (ranks[0] > 1) + (ranks[1] > 1))) return ej_no_memory(err);
    int32_t *a = m->equation->terms[0].labels, *b = m->equation->terms[1].labels, *out = m->equation->out.labels;
    for (int32_t i = 0; i < batch_a; i++) *a++ = batch - batch_a + i;
    for (int32_t i = 0; i < batch_b; i++) *b++ = batch - batch_b + i;
    for (int32_t i = 0; i < batch; i++) *out++ = i;
    if (ranks[0] > 1) *a++ = *out++ = row;
    *a = *b = inner;
    if (ranks[1] > 1) b[1] = *out = column;
    if (EJ_BROKEN(FUSE_MATMUL) && ranks[1] > 1) {
        b[0] = column;
        b[1] = inner;
    }
    return finish(m, batch + 3, true, true);
}

static int of_tensordot(maker *m, einjit_error *err)
{
    const ej_node *node = m->node;
    int32_t ranks[2] = {shape_of(m, node->in[0])->rank, shape_of(m, node->in[1])->rank}, next = 0;
    if (ranks[0] < 0 || ranks[1] < 0) return EINJIT_OK;
    int64_t n = node->n_dims ? node->n_dims / 2 : node->integer > 0 ? node->integer : 0;
    if (n > ranks[0] || n > ranks[1]) return EINJIT_OK;
    if (!start(m, 2, ranks, ranks[0] + ranks[1] - 2 * (int32_t)n)) return ej_no_memory(err);
    int32_t *a = m->equation->terms[0].labels, *b = m->equation->terms[1].labels, *out = m->equation->out.labels;
    for (int32_t i = 0; i < ranks[0]; i++) a[i] = -1;
    for (int32_t i = 0; i < ranks[1]; i++) b[i] = -1;
    for (int64_t i = 0; i < n; i++) {
        int32_t at = (int32_t)(ranks[0] - n + i), bt = (int32_t)i;
        if (node->n_dims &&
            (!ej_axis_of(node->dims[i], ranks[0], &at) || !ej_axis_of(node->dims[n + i], ranks[1], &bt)))
            return EINJIT_OK;
        if (a[at] >= 0 || b[bt] >= 0) return EINJIT_OK; /* one is named twice */
        a[at] = b[bt] = next++;
    }
    for (int32_t i = 0; i < ranks[0]; i++)
        if (a[i] < 0) a[i] = *out++ = next++;
    for (int32_t i = 0; i < ranks[1]; i++)
        if (b[i] < 0) b[i] = *out++ = next++;
    if (EJ_BROKEN(FUSE_TENSORDOT) && m->equation->out.n > 1) {
        out -= m->equation->out.n;
        int32_t first = out[0];
        out[0] = out[1];
        out[1] = first;
    }
    return finish(m, next, true, true);
}

/* ---- products of arrays ---- */

static bool is_array(const maker *m, ej_value v)
{
    return m->facts->graph->nodes[v].op != EJ_OP_SCALAR && !m->facts->dtypes[v].weak;
}

/* Over values of unknown rank: broadcasting is what ellipses do. */
static int of_any_product(maker *m, einjit_error *err)
{
    if (!start(m, 2, (const int32_t[]){1, 1}, 1)) return ej_no_memory(err);
    m->equation->terms[0].labels[0] = m->equation->terms[1].labels[0] = m->equation->out.labels[0] = EJ_ELLIPSIS;
    return finish(m, 0, true, false);
}

static int of_product(maker *m, ej_value x, ej_value y, einjit_error *err)
{
    if (!is_array(m, x) || !is_array(m, y)) return EINJIT_OK;
    m->out->twice = x == y;
    int32_t ranks[2] = {shape_of(m, x)->rank, shape_of(m, y)->rank}, rank = ranks[0] > ranks[1] ? ranks[0] : ranks[1];
    if (ranks[0] < 0 || ranks[1] < 0) return of_any_product(m, err);
    if (!start(m, 2, ranks, rank)) return ej_no_memory(err);
    count_up(&m->equation->out);
    align_right(&m->equation->terms[0], rank);
    align_right(&m->equation->terms[1], rank);
    if (EJ_BROKEN(FUSE_PRODUCT)) count_up(&m->equation->terms[1]);
    return finish(m, rank, true, false);
}

static int of_map(maker *m, einjit_error *err)
{
    const ej_node *node = m->node;
    if (node->fn == EJ_FN_MUL && node->n_in == 2) return of_product(m, node->in[0], node->in[1], err);
    if (node->fn != EJ_FN_SQUARE) return EINJIT_OK;
    EJ_TRY(of_product(m, node->in[0], node->in[0], err));
    if (!m->out->equation) return EINJIT_OK;
    ej_value *in = EJ_NEW_ARRAY(m->facts->arena, ej_value, 2);
    if (!in) return ej_no_memory(err);
    in[0] = in[1] = node->in[0];
    m->out->n_in = 2;
    m->out->in = in;
    return EINJIT_OK;
}

/* ---- sums over axes ---- */

/* A sum of bool or i32 is i64: an einsum would wrap, or saturate. */
static bool sums_in_place(const maker *m)
{
    ej_known_dtype x = m->facts->dtypes[m->node->in[0]];
    return !x.weak && (ej_known_inexact(x) || x.dtype == EINJIT_I64);
}

static int of_sum(maker *m, einjit_error *err)
{
    const ej_node *node = m->node;
    int32_t rank = shape_of(m, node->in[0])->rank, n_over = 0, axis;
    bool sums = node->fn == EINJIT_REDUCE_SUM || (EJ_BROKEN(FUSE_SUM) && node->fn == EINJIT_REDUCE_MEAN);
    if (!sums || !sums_in_place(m)) return EINJIT_OK;
    if (rank < 0 && node->all_dims && !node->keepdim) {
        if (!start(m, 1, (const int32_t[]){1}, 0)) return ej_no_memory(err);
        m->equation->terms[0].labels[0] = EJ_ELLIPSIS;
        return finish(m, 0, true, true);
    }
    if (rank < 1) return EINJIT_OK;
    bool *over = EJ_NEW_ARRAY(m->facts->arena, bool, (size_t)rank);
    if (!over) return ej_no_memory(err);
    for (uint32_t i = 0; i < node->n_dims; i++) {
        if (!ej_axis_of(node->dims[i], rank, &axis) || over[axis]) return EINJIT_OK;
        over[axis] = true;
    }
    for (int32_t i = 0; i < rank; i++) n_over += (over[i] |= node->all_dims);
    if (!start(m, 1, &rank, node->keepdim ? rank : rank - n_over)) return ej_no_memory(err);
    count_up(&m->equation->terms[0]);
    int32_t *out = m->equation->out.labels, next = rank;
    for (int32_t i = 0; i < rank; i++) {
        if (!over[i]) *out++ = i;
        else if (node->keepdim) *out++ = next++; /* in no term: 1 */
    }
    return finish(m, next, true, true);
}

/* ---- layout ---- */

static int of_permute(maker *m, einjit_error *err)
{
    const ej_node *node = m->node;
    int32_t rank = (int32_t)node->n_dims, axis, known = shape_of(m, node->in[0])->rank;
    if (known >= 0 && known != rank) return EINJIT_OK;
    if (!start(m, 1, &rank, rank)) return ej_no_memory(err);
    for (int32_t i = 0; i < rank; i++) m->equation->terms[0].labels[i] = -1;
    for (int32_t i = 0; i < rank; i++) {
        if (!ej_axis_of(node->dims[i], rank, &axis) || m->equation->terms[0].labels[axis] >= 0) return EINJIT_OK;
        m->equation->terms[0].labels[axis] = i;
        m->equation->out.labels[i] = i;
    }
    if (EJ_BROKEN(FUSE_PERMUTE))
        for (int32_t i = 0; i < rank; i++)
            if (ej_axis_of(node->dims[i], rank, &axis)) m->equation->terms[0].labels[i] = axis;
    return finish(m, rank, false, false);
}

static void swap(int32_t *a, int32_t *b)
{
    int32_t c = *a;
    *a = *b;
    *b = c;
}

/* Two axes that both count from the same end: an ellipsis stands for the axes at the other. */
static int of_any_transpose(maker *m, einjit_error *err)
{
    int64_t a = m->node->dims[0], b = m->node->dims[1];
    bool from_end = a < 0;
    if (from_end != (b < 0)) return EINJIT_OK;
    if (from_end) {
        a = -1 - a;
        b = -1 - b;
    }
    int64_t most = a > b ? a : b;
    if (most > INT16_MAX) return EINJIT_OK;
    int32_t n = (int32_t)most + 2, named = n - 1;
    if (!start(m, 1, &n, n)) return ej_no_memory(err);
    int32_t *in = m->equation->terms[0].labels, *out = m->equation->out.labels;
    in[from_end ? 0 : named] = out[from_end ? 0 : named] = EJ_ELLIPSIS;
    for (int32_t i = 0; i < named; i++) {
        int32_t at = from_end ? named - i : i;
        in[at] = out[at] = i;
    }
    swap(&out[from_end ? named - a : a], &out[from_end ? named - b : b]);
    return finish(m, named, false, false);
}

static int of_transpose(maker *m, einjit_error *err)
{
    int32_t rank = shape_of(m, m->node->in[0])->rank, a, b;
    if (rank < 0) return of_any_transpose(m, err);
    if (!ej_axis_of(m->node->dims[0], rank, &a) || !ej_axis_of(m->node->dims[1], rank, &b)) return EINJIT_OK;
    if (!start(m, 1, &rank, rank)) return ej_no_memory(err);
    count_up(&m->equation->terms[0]);
    count_up(&m->equation->out);
    swap(&m->equation->out.labels[a], &m->equation->out.labels[b]);
    return finish(m, rank, false, false);
}

static int of_unsqueeze(maker *m, einjit_error *err)
{
    int32_t rank = shape_of(m, m->node->in[0])->rank, at;
    if (rank < 0 || !ej_axis_of(m->node->dims[0], rank + 1, &at)) return EINJIT_OK;
    if (EJ_BROKEN(FUSE_ONES)) at = rank - at;
    if (!start(m, 1, &rank, rank + 1)) return ej_no_memory(err);
    count_up(&m->equation->terms[0]);
    for (int32_t i = 0; i <= rank; i++) m->equation->out.labels[i] = i == at ? rank : i < at ? i : i - 1;
    return finish(m, rank + 1, false, false);
}

/* Axes of extent 1 that are dropped are summed over one term. Which ones are is known where the result's rank is. */
static int of_squeeze(maker *m, einjit_error *err)
{
    const ej_node *node = m->node;
    const ej_known_shape *x = shape_of(m, node->in[0]);
    int32_t rank = x->rank, kept = shape_of(m, m->value)->rank, axis;
    if (rank < 1 || kept < 0) return EINJIT_OK;
    bool *asked = EJ_NEW_ARRAY(m->facts->arena, bool, (size_t)rank);
    if (!asked || !start(m, 1, &rank, kept)) return ej_no_memory(err);
    for (uint32_t i = 0; i < node->n_dims; i++)
        if (ej_axis_of(node->dims[i], rank, &axis)) asked[axis] = true;
    count_up(&m->equation->terms[0]);
    int32_t n = 0;
    for (int32_t i = 0; i < rank; i++) {
        if ((!node->n_dims || asked[i]) && is_one(m, x->extents[i])) continue;
        if (n == kept) return EINJIT_OK;
        m->equation->out.labels[n++] = i;
    }
    return n == kept ? finish(m, rank, false, false) : EINJIT_OK;
}

/* x[:, None, ...]: whole axes and new ones. */
static int of_slice(maker *m, einjit_error *err)
{
    const ej_node *node = m->node;
    int32_t rank = shape_of(m, node->in[0])->rank, fresh = 0, taken = 0;
    bool dots = false;
    if (rank < 0) return EINJIT_OK;
    for (uint32_t i = 0; i < node->n_items; i++) {
        const ej_index_item *item = &node->items[i];
        if (item->kind == EJ_INDEX_AT || (item->kind == EJ_INDEX_RANGE && !ej_takes_all(item))) return EINJIT_OK;
        if (item->kind == EJ_INDEX_ELLIPSIS && dots) return EINJIT_OK;
        dots |= item->kind == EJ_INDEX_ELLIPSIS;
        fresh += item->kind == EJ_INDEX_NEW_AXIS;
        taken += item->kind == EJ_INDEX_RANGE;
    }
    if (taken > rank) return EINJIT_OK;
    if (!start(m, 1, &rank, rank + fresh)) return ej_no_memory(err);
    count_up(&m->equation->terms[0]);
    int32_t *out = m->equation->out.labels, at = 0, next = rank;
    for (uint32_t i = 0; i < node->n_items; i++) {
        if (node->items[i].kind == EJ_INDEX_NEW_AXIS) *out++ = next++;
        else if (node->items[i].kind == EJ_INDEX_RANGE) *out++ = at++;
        else
            for (int32_t k = rank - taken; k > 0; k--) *out++ = at++;
    }
    while (at < rank) *out++ = at++;
    return finish(m, next, false, false);
}

/* Axes keep their labels. An axis that the node gives another extent needs an operand that has that extent. */
static int of_expand(maker *m, einjit_error *err)
{
    const ej_known_shape *x = shape_of(m, m->node->in[0]), *to = shape_of(m, m->value);
    if (x->rank < 0 || to->rank < x->rank) return EINJIT_OK;
    int32_t *needs = EJ_NEW_ARRAY(m->facts->arena, int32_t, (size_t)to->rank);
    if (!needs || !start(m, 1, &x->rank, to->rank)) return ej_no_memory(err);
    count_up(&m->equation->out);
    align_right(&m->equation->terms[0], to->rank);
    for (int32_t i = 0; i < to->rank; i++) {
        int32_t from = i - (to->rank - x->rank);
        bool same = from >= 0 && x->extents[from] == to->extents[i];
        needs[i] = same || is_one(m, to->extents[i]) ? -1 : to->extents[i];
    }
    m->out->needs = needs;
    return finish(m, to->rank, false, false);
}

/* Only axes of extent 1 are added and dropped: those that are dropped are summed. */
static int of_reshape(maker *m, einjit_error *err)
{
    ej_reshape_groups groups;
    const ej_einsum_facts *facts = m->facts;
    if (!ej_reshape_group_axes(&groups, facts->graph, facts->shapes, m->value, facts->arena)) return ej_no_memory(err);
    if (!groups.known || groups.splits || groups.merges || groups.mixes) return EINJIT_OK;
    int32_t rank = shape_of(m, m->node->in[0])->rank, kept = shape_of(m, m->value)->rank, next = (int32_t)groups.n;
    if (!start(m, 1, &rank, kept)) return ej_no_memory(err);
    for (int32_t i = 0; i < rank; i++)
        m->equation->terms[0].labels[i] = groups.of_from[i] < 0 ? next++ : groups.of_from[i];
    for (int32_t i = 0; i < kept; i++) m->equation->out.labels[i] = groups.of_to[i] < 0 ? next++ : groups.of_to[i];
    return finish(m, next, false, false);
}

static enum ej_rule rule_of(int op)
{
    switch (op) {
    case EJ_OP_MATMUL: return EJ_RULE_FUSE_MATMUL;
    case EJ_OP_TENSORDOT: return EJ_RULE_FUSE_TENSORDOT;
    case EJ_OP_MAP: return EJ_RULE_FUSE_PRODUCT;
    case EJ_OP_REDUCE: return EJ_RULE_FUSE_SUM;
    case EJ_OP_PERMUTE:
    case EJ_OP_TRANSPOSE: return EJ_RULE_FUSE_PERMUTE;
    case EJ_OP_EXPAND: return EJ_RULE_FUSE_EXPAND;
    case EJ_OP_EINSUM: return EJ_RULE_FUSE_SUMMED;
    default: return EJ_RULE_FUSE_ONES;
    }
}

static int form_of(maker *m, einjit_error *err)
{
    switch (m->node->op) {
    case EJ_OP_EINSUM: return of_einsum(m, err);
    case EJ_OP_MATMUL: return of_matmul(m, err);
    case EJ_OP_TENSORDOT: return of_tensordot(m, err);
    case EJ_OP_MAP: return of_map(m, err);
    case EJ_OP_REDUCE: return of_sum(m, err);
    case EJ_OP_PERMUTE: return of_permute(m, err);
    case EJ_OP_TRANSPOSE: return of_transpose(m, err);
    case EJ_OP_UNSQUEEZE: return of_unsqueeze(m, err);
    case EJ_OP_SQUEEZE: return of_squeeze(m, err);
    case EJ_OP_SLICE: return of_slice(m, err);
    case EJ_OP_RESHAPE: return of_reshape(m, err);
    case EJ_OP_EXPAND: return of_expand(m, err);
    default: return EINJIT_OK;
    }
}

int ej_as_einsum(const ej_einsum_facts *facts, ej_value v, ej_einsum_form *out, einjit_error *err)
{
    maker m = {.facts = facts, .node = &facts->graph->nodes[v], .value = v, .out = out};
    *out = (ej_einsum_form){0};
    EJ_TRY(form_of(&m, err));
    out->rule = rule_of(m.node->op);
    return EINJIT_OK;
}
