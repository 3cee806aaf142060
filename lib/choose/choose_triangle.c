/* choose_triangle.c - softmax of a masked triangle before a product (causal attention): rows in blocks, each as far as
 * its mask goes.
 *
 * Takes  a bound graph with einsum(e, v) / sum(e) as choose_quotient.c leaves it, where e = exp(x - max(x)) along t and
 *            x[.., s, t] = where(arange[s] >= arange[t], scores, -inf)
 * Gives  one in which rows s of a .. b are computed over t < b alone: with n blocks (n + 1) / 2n of the products and of
 *        the exponentials (2048 rows of 64 on Zen 4: 165 ms whole, 107 in four blocks).
 *
 * Exact  What is left out is exp(-inf - max) = 0, unless the row's max is -inf or NaN: then all of e is NaN, the part
 *        that is left in, too. 0 * v adds 0 to the product, or NaN where v is infinite or NaN: of each block the sum of
 *        0 * v over its t >= b is added to every row.
 * Keeps  extents that are open, and what is so small that more steps to compile are not made up for.
 * Size   the steps of softmax and product once for each block; at most MOST_BLOCKS.
 */
#include <string.h>

#include "choose_core.h"

enum {
    LEAST_ROWS = 128, /* of a block: enough for products to keep registers and caches busy */
    MOST_BLOCKS = 4   /* 5/8 of the operations; 8 are 9/16 for twice the code (101 ms instead of 107) */
};
static const double least_work = 1 << 28; /* multiplications of the product: some milliseconds */

typedef struct triangle {
    ej_rebuild *r;
    ej_value root, product, power, masked; /* the quotient, the einsum, e, and x */
    ej_value factor;                       /* v: the einsum's other operand */
    uint32_t power_at, factor_at;          /* as operands of the einsum */
    int32_t row, column, factor_column;    /* axes s and t of e; t of v */
    int32_t out_row;                       /* s of the result */
    int64_t n_rows, n_columns, block;
    int64_t start, end, width; /* of the block that is written: rows, and its columns 0 .. width */
    ej_value rest;             /* what its rows get of v behind its columns; -1: there is nothing behind */
    ej_value *part;            /* per node of `from`: its value in this block; -1: none yet */
} triangle;

static const ej_bound_node *node_of(const triangle *t, ej_value v)
{
    return &t->r->from->nodes[v];
}

/* ---- axes ---- */

/* An axis of a value as an axis of its operand i that is broadcast to it. */
static int32_t broadcast_axis(const triangle *t, const ej_bound_node *node, uint32_t i, int32_t axis)
{
    const ej_bound_node *operand = node_of(t, node->in[i]);
    int32_t at = axis < 0 ? -1 : axis - (node->rank - operand->rank);
    return at >= 0 && !ej_size_is(operand->shape[at], 1) ? at : -1;
}

/* The axis before a reshape that only adds and drops axes of extent 1. */
static int32_t reshaped_axis(const ej_bound_node *node, const ej_bound_node *operand, int32_t axis)
{
    int32_t k = 0;
    for (int32_t i = 0; i < node->rank; i++) {
        if (ej_size_is(node->shape[i], 1)) continue;
        while (k < operand->rank && ej_size_is(operand->shape[k], 1)) k++;
        if (k == operand->rank || !ej_size_same(node->shape[i], operand->shape[k])) return -1;
        if (i == axis) return k;
        k++;
    }
    return -1;
}

static int32_t reduced_axis(const ej_bound_node *node, int32_t axis)
{
    for (uint32_t i = 0; i < node->n_dims && axis >= 0; i++) axis += node->dims[i] <= axis;
    return axis;
}

/* ---- what is matched ---- */

/* The axis of a value of rank `rank` along which v, which is broadcast to it, counts up from 0; -1: it does not. */
static int32_t counts_along(const triangle *t, ej_value v, int32_t rank)
{
    const ej_bound_node *node = node_of(t, v);
    int32_t found = -1;
    for (int32_t i = 0; i < node->rank; i++) {
        if (ej_size_is(node->shape[i], 1)) continue;
        if (found >= 0) return -1;
        found = i;
    }
    while (node->op == EJ_OP_RESHAPE) node = node_of(t, node->in[0]);
    return node->op == EJ_OP_ARANGE && found >= 0 ? found + rank - node_of(t, v)->rank : -1;
}

/* Nothing is left of columns behind the row. */
static bool is_triangle(triangle *t, ej_value mask)
{
    const ej_bound_node *node = node_of(t, mask);
    int32_t rank = node_of(t, t->masked)->rank;
    bool rows_first = ej_is_map(node, EJ_FN_GE) || ej_is_map(node, EJ_FN_GT);
    if (!rows_first && !ej_is_map(node, EJ_FN_LE) && !ej_is_map(node, EJ_FN_LT)) return false;
    t->row = counts_along(t, node->in[!rows_first], rank);
    int32_t column = counts_along(t, node->in[rows_first], rank);
    const ej_size *shape = node_of(t, t->masked)->shape;
    if (t->row < 0 || column != t->column || t->row == t->column || shape[t->row].e || shape[t->column].e) return false;
    t->n_rows = shape[t->row].n;
    t->n_columns = shape[t->column].n;
    return t->n_rows > 1 && t->n_columns > 1;
}

static bool is_minus_infinity(const ej_bound_node *node)
{
    return node->op == EJ_OP_SCALAR && node->re < 0 && node->re * 2 == node->re && node->im == 0;
}

/* The node's second operand is the reduction of `of` along the columns alone, laid out so that its rows are the node's
 * axis `row`. */
static bool reduces_columns(const triangle *t, const ej_bound_node *node, int32_t row, int fn, ej_value of)
{
    ej_value v = node->in[1];
    int32_t axis = broadcast_axis(t, node, 1, row);
    for (node = node_of(t, v); node->op == EJ_OP_RESHAPE || node->op == EJ_OP_PERMUTE; node = node_of(t, v)) {
        if (t->r->uses[v] != 1 || axis < 0) return false;
        axis =
            node->op == EJ_OP_RESHAPE ? reshaped_axis(node, node_of(t, node->in[0]), axis) : (int32_t)node->dims[axis];
        v = node->in[0];
    }
    return node->op == EJ_OP_REDUCE && node->fn == fn && t->r->uses[v] == 1 && node->in[0] == of && node->n_dims == 1 &&
           node->dims[0] == t->column && axis >= 0 && reduced_axis(node, axis) == t->row;
}

/* e = exp(x - max(x)) of a masked triangle x, which nobody else reads. */
static bool is_masked_power(triangle *t, ej_value v)
{
    t->power = v;
    const ej_bound_node *node = node_of(t, v);
    if (!ej_is_map(node, EJ_FN_EXP) || t->r->uses[v] != 2) return false;
    const ej_bound_node *difference = node_of(t, node->in[0]);
    if (!ej_is_map(difference, EJ_FN_SUB) || t->r->uses[node->in[0]] != 1) return false;
    t->masked = difference->in[0];
    const ej_bound_node *masked = node_of(t, t->masked);
    if (!ej_is_map(masked, EJ_FN_WHERE) || t->r->uses[t->masked] != 2 || masked->rank != node->rank) return false;
    const ej_bound_node *most = node_of(t, difference->in[1]);
    if (most->op != EJ_OP_RESHAPE || most->rank != node->rank) return false;
    const ej_bound_node *reduction = node_of(t, most->in[0]);
    if (reduction->op != EJ_OP_REDUCE || reduction->n_dims != 1) return false;
    t->column = (int32_t)reduction->dims[0];
    return is_minus_infinity(node_of(t, masked->in[2])) && is_triangle(t, masked->in[0]) &&
           ej_size_is(most->shape[t->column], 1) &&
           reduces_columns(t, difference, t->row, EINJIT_REDUCE_MAX, t->masked);
}

/* Of the einsum's operands e has rows and columns, v columns alone, and the result all that v has but those. */
static bool labels_suit(triangle *t)
{
    const ej_bound_node *node = node_of(t, t->product);
    const ej_subscripts *sub = node->subscripts;
    const ej_term *power = &sub->terms[t->power_at], *factor = &sub->terms[t->factor_at];
    int32_t row = power->labels[t->row], column = power->labels[t->column];
    t->out_row = ej_term_axis(&sub->out, row);
    t->factor_column = ej_term_axis(factor, column);
    if (!ej_term_has_once(power, row) || !ej_term_has_once(power, column) || !ej_term_has_once(factor, column) ||
        !ej_term_has_once(&sub->out, row))
        return false;
    if (ej_term_axis(factor, row) >= 0 || ej_term_axis(&sub->out, column) >= 0) return false;
    if (!ej_size_is(node->label_sizes[row], t->n_rows) || !ej_size_is(node->label_sizes[column], t->n_columns))
        return false;
    for (uint32_t i = 0; i < factor->n; i++) {
        int32_t label = factor->labels[i];
        if (!ej_term_has_once(factor, label) || (label != column && ej_term_axis(&sub->out, label) < 0)) return false;
        if (!ej_size_same(node_of(t, t->factor)->shape[i], node->label_sizes[label])) return false;
    }
    return true;
}

static bool pays(triangle *t)
{
    int64_t n = t->n_rows / LEAST_ROWS;
    if (n > MOST_BLOCKS) n = MOST_BLOCKS;
    if (ej_job_random(t->r->job) || ej_is_let_through("triangle")) n = t->n_rows < 3 ? t->n_rows : 3;
    else if (ej_cost_elements(node_of(t, t->product)) * (double)t->n_columns < least_work) return false;
    if (n < 2) return false;
    t->block = (t->n_rows + n - 1) / n;
    return true;
}

static bool finds_triangle(triangle *t, ej_value v)
{
    const ej_bound_node *node = node_of(t, v);
    t->root = v;
    if (!ej_is_map(node, EJ_FN_DIV)) return false;
    t->product = node->in[0];
    const ej_bound_node *product = node_of(t, t->product);
    if (product->op != EJ_OP_EINSUM || product->fn != EINJIT_REDUCE_SUM || product->combine != EINJIT_COMBINE_MUL)
        return false;
    if (product->n_in != 2 || t->r->uses[t->product] != 1 || product->rank != node->rank) return false;
    for (uint32_t i = 0; i < 2; i++) {
        if (!is_masked_power(t, product->in[i])) continue;
        t->power_at = i;
        t->factor_at = !i;
        t->factor = product->in[!i];
        return labels_suit(t) && reduces_columns(t, node, t->out_row, EINJIT_REDUCE_SUM, t->power) && pays(t);
    }
    return false;
}

/* ---- nodes ---- */

static ej_bound_node part_of(const ej_bound_node *from)
{
    ej_bound_node node = *from;
    node.is_part = true;
    node.note = NULL;
    return node;
}

static int take_operands(triangle *t, ej_bound_node *node, uint32_t n)
{
    node->n_in = n;
    node->in = EJ_JOB_ARRAY(t->r->job, ej_value, n);
    return node->in ? EINJIT_OK : ej_no_memory(t->r->job->err);
}

static int take_shape(triangle *t, ej_bound_node *node, const ej_size *shape)
{
    node->shape = EJ_JOB_ARRAY(t->r->job, ej_size, (size_t)node->rank);
    if (!node->shape) return ej_no_memory(t->r->job->err);
    if (node->rank) memcpy(node->shape, shape, (size_t)node->rank * sizeof *shape);
    return EINJIT_OK;
}

/* Values start .. end along an axis; -1: all. */
static int add_slice(triangle *t, ej_value x, int32_t axis, int64_t start, int64_t end, ej_value *out)
{
    const ej_bound_node from = t->r->out->nodes[x];
    *out = x;
    if (axis < 0 || (start == 0 && ej_size_is(from.shape[axis], end))) return EINJIT_OK;
    return ej_rebuild_slice(t->r, x, axis, start, end, from.name, out);
}

/* ---- values in a block ---- */

static int add_part(triangle *t, ej_value v, int32_t row, int32_t column, ej_value *out);

static int add_einsum(triangle *t, const ej_bound_node *node, ej_bound_node *made, int32_t row, int32_t column)
{
    const ej_subscripts *sub = node->subscripts;
    bool is_product = node == node_of(t, t->product);
    int32_t rows = row < 0 ? -1 : sub->out.labels[row], columns = column < 0 ? -1 : sub->out.labels[column];
    if (is_product) columns = sub->terms[t->power_at].labels[t->column];
    made->label_sizes = EJ_JOB_ARRAY(t->r->job, ej_size, sub->n_labels);
    if (!made->label_sizes) return ej_no_memory(t->r->job->err);
    memcpy(made->label_sizes, node->label_sizes, sub->n_labels * sizeof *node->label_sizes);
    if (rows >= 0) made->label_sizes[rows] = ej_size_number(t->end - t->start);
    if (columns >= 0) made->label_sizes[columns] = ej_size_number(t->width);
    for (uint32_t i = 0; i < node->n_in; i++) {
        const ej_bound_node *operand = node_of(t, node->in[i]);
        int32_t r = rows < 0 ? -1 : ej_term_axis(&sub->terms[i], rows),
                c = columns < 0 ? -1 : ej_term_axis(&sub->terms[i], columns);
        if (r >= 0 && ej_size_is(operand->shape[r], 1)) r = -1; /* stretched */
        if (c >= 0 && ej_size_is(operand->shape[c], 1)) c = -1;
        EJ_TRY(add_part(t, node->in[i], r, c, &made->in[i]));
    }
    return EINJIT_OK;
}

/* Rows and columns that are cut are labels of their own in each operand. */
static bool cuts_einsum(const ej_bound_node *node, int32_t row, int32_t column)
{
    const ej_subscripts *sub = node->subscripts;
    if (sub->out.labels[row] == sub->out.labels[column]) return false;
    for (uint32_t i = 0; i < node->n_in; i++)
        for (int32_t k = 0; k < 2; k++) {
            int32_t label = sub->out.labels[k ? row : column];
            if (ej_term_axis(&sub->terms[i], label) >= 0 && !ej_term_has_once(&sub->terms[i], label)) return false;
        }
    return true;
}

/* Computed block by block: what has rows and columns, and what follows from it. Other values are there as a whole. */
static bool is_computed(const triangle *t, ej_value v, int32_t row, int32_t column)
{
    const ej_bound_node *node = node_of(t, v);
    if (v == t->root || v == t->product || v == t->power || v == t->masked) return true;
    if (t->r->uses[v] != 1 || row < 0) return false;
    switch (node->op) {
    case EJ_OP_REDUCE: return column < 0;
    case EJ_OP_PERMUTE: return true;
    case EJ_OP_RESHAPE: return column < 0 && reshaped_axis(node, node_of(t, node->in[0]), row) >= 0;
    case EJ_OP_MAP: return column >= 0;
    case EJ_OP_EINSUM: return column >= 0 && cuts_einsum(node, row, column);
    default: return false;
    }
}

static int compute_part(triangle *t, ej_value v, int32_t row, int32_t column, ej_value *out)
{
    const ej_bound_node *node = node_of(t, v);
    ej_bound_node made = part_of(node);
    EJ_TRY(take_operands(t, &made, node->n_in));
    EJ_TRY(take_shape(t, &made, node->shape));
    if (row >= 0) made.shape[row] = ej_size_number(t->end - t->start);
    if (column >= 0) made.shape[column] = ej_size_number(t->width);
    if (node->op == EJ_OP_EINSUM) EJ_TRY(add_einsum(t, node, &made, row, column));
    for (uint32_t i = 0; i < node->n_in && node->op != EJ_OP_EINSUM; i++) {
        int32_t r = row, c = column;
        if (node->op == EJ_OP_MAP) {
            r = broadcast_axis(t, node, i, row);
            c = broadcast_axis(t, node, i, column);
        } else if (node->op == EJ_OP_REDUCE) { /* along the columns, or of what has none */
            r = reduced_axis(node, row);
            c = node->in[0] == t->power || node->in[0] == t->masked ? t->column : -1;
        } else if (node->op == EJ_OP_RESHAPE) {
            r = reshaped_axis(node, node_of(t, node->in[0]), row);
        } else {
            r = row < 0 ? -1 : (int32_t)node->dims[row];
            c = column < 0 ? -1 : (int32_t)node->dims[column];
        }
        EJ_TRY(add_part(t, node->in[i], r, c, &made.in[i]));
    }
    return ej_rebuild_add(t->r, &made, out);
}

/* 0 * v over columns start .. end: 0, or NaN where v is infinite or NaN; it has the result's axes. */
static int add_rest(triangle *t, int64_t start, int64_t end, ej_value *out)
{
    const ej_bound_node *product = node_of(t, t->product), *factor = node_of(t, t->factor);
    const ej_term *term = &product->subscripts->terms[t->factor_at], *to = &product->subscripts->out;
    ej_bound_node zero = {.op = EJ_OP_SCALAR, .dtype = factor->dtype, .name = factor->name};
    ej_bound_node times = {.op = EJ_OP_MAP, .fn = EJ_FN_MUL, .dtype = factor->dtype, .rank = factor->rank};
    ej_bound_node sum = {
        .op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL, .dtype = factor->dtype};
    ej_bound_node shaped = {.op = EJ_OP_RESHAPE, .dtype = factor->dtype, .rank = product->rank};
    times.name = sum.name = shaped.name = product->name;
    times.is_part = sum.is_part = shaped.is_part = zero.is_part = true;
    EJ_TRY(take_operands(t, &times, 2));
    EJ_TRY(add_slice(t, t->r->map[t->factor], t->factor_column, start, end, &times.in[0]));
    EJ_TRY(take_shape(t, &times, t->r->out->nodes[times.in[0]].shape));
    EJ_TRY(ej_rebuild_add(t->r, &zero, &times.in[1]));
    EJ_TRY(take_operands(t, &sum, 1));
    EJ_TRY(ej_rebuild_add(t->r, &times, &sum.in[0]));
    sum.rank = factor->rank - 1;
    EJ_TRY(take_shape(t, &shaped, product->shape));
    EJ_TRY(take_shape(t, &sum, shaped.shape)); /* no more axes than the result */
    ej_subscripts *sub = EJ_JOB_NEW(t->r->job, ej_subscripts);
    ej_term *terms = EJ_JOB_ARRAY(t->r->job, ej_term, 2);
    int32_t *labels = EJ_JOB_ARRAY(t->r->job, int32_t, 2 * (size_t)term->n);
    sum.label_sizes = EJ_JOB_ARRAY(t->r->job, ej_size, term->n);
    if (!sub || !terms || !labels || !sum.label_sizes) return ej_no_memory(t->r->job->err);
    terms[0] = (ej_term){term->n, labels};
    terms[1] = (ej_term){0, labels + term->n};
    for (uint32_t i = 0; i < term->n; i++) {
        labels[i] = (int32_t)i;
        sum.label_sizes[i] = times.shape[i];
    }
    for (int32_t i = 0; i < product->rank; i++) {
        int32_t axis = ej_term_axis(term, to->labels[i]);
        if (axis < 0) {
            shaped.shape[i] = ej_size_number(1);
        } else {
            sum.shape[terms[1].n] = product->shape[i];
            terms[1].labels[terms[1].n++] = axis;
        }
    }
    *sub = (ej_subscripts){.n_terms = 1, .terms = terms, .out = terms[1], .n_labels = term->n};
    sum.subscripts = sub;
    EJ_TRY(take_operands(t, &shaped, 1));
    EJ_TRY(ej_rebuild_add(t->r, &sum, &shaped.in[0]));
    return ej_rebuild_add(t->r, &shaped, out);
}

/* a + b, of a's shape. */
static int add_sum(triangle *t, ej_value a, ej_value b, ej_value *out)
{
    const ej_bound_node from = t->r->out->nodes[a];
    ej_bound_node sum = {.op = EJ_OP_MAP, .fn = EJ_FN_ADD, .dtype = from.dtype, .rank = from.rank, .shape = from.shape};
    sum.name = from.name;
    sum.is_part = true;
    EJ_TRY(take_operands(t, &sum, 2));
    sum.in[0] = a;
    sum.in[1] = b;
    return ej_rebuild_add(t->r, &sum, out);
}

static int add_part(triangle *t, ej_value v, int32_t row, int32_t column, ej_value *out)
{
    *out = t->part[v];
    if (*out >= 0) return EINJIT_OK;
    if (!is_computed(t, v, row, column)) {
        EJ_TRY(add_slice(t, t->r->map[v], row, t->start, t->end, out));
        return add_slice(t, *out, column, 0, t->width, out);
    }
    EJ_TRY(compute_part(t, v, row, column, out));
    if (v == t->product && t->rest >= 0) EJ_TRY(add_sum(t, *out, t->rest, out));
    t->part[v] = *out;
    return EINJIT_OK;
}

static int64_t width_of(const triangle *t, uint32_t block)
{
    int64_t end = t->block * (block + 1);
    if (end > t->n_rows) end = t->n_rows;
    return end < t->n_columns ? end : t->n_columns;
}

/* From the last block on, each from the next one's: so all are there before the first block is through, and no such
 * step is among the others', which may run in one nest. */
static int add_rests(triangle *t, uint32_t n, ej_value *rests)
{
    for (uint32_t i = n; i-- > 0;) {
        int64_t start = width_of(t, i), end = i + 1 < n ? width_of(t, i + 1) : t->n_columns;
        rests[i] = i + 1 < n ? rests[i + 1] : -1;
        if (start == end) continue;
        EJ_TRY(add_rest(t, start, end, &rests[i]));
        if (i + 1 < n && rests[i + 1] >= 0) EJ_TRY(add_sum(t, rests[i], rests[i + 1], &rests[i]));
    }
    return EINJIT_OK;
}

static int write_blocks(triangle *t)
{
    const ej_bound_node *root = node_of(t, t->root);
    ej_bound_node all = {.op = EJ_OP_CAT, .dtype = root->dtype, .rank = root->rank, .shape = root->shape};
    all.name = root->name;
    all.is_part = root->is_part;
    EJ_TRY(take_operands(t, &all, (uint32_t)((t->n_rows + t->block - 1) / t->block)));
    all.n_dims = 1;
    all.dims = EJ_JOB_NEW(t->r->job, int64_t);
    t->part = EJ_JOB_ARRAY(t->r->job, ej_value, t->r->from->n_nodes);
    ej_value *rests = EJ_JOB_ARRAY(t->r->job, ej_value, all.n_in);
    if (!all.dims || !t->part || !rests) return ej_no_memory(t->r->job->err);
    EJ_TRY(add_rests(t, all.n_in, rests));
    all.dims[0] = t->out_row;
    for (uint32_t i = 0; i < all.n_in; i++) {
        for (size_t v = 0; v < t->r->from->n_nodes; v++) t->part[v] = -1;
        t->start = t->block * i;
        t->end = t->start + t->block < t->n_rows ? t->start + t->block : t->n_rows;
        t->width = width_of(t, i);
        t->rest = rests[i];
        EJ_TRY(add_part(t, t->root, t->out_row, -1, &all.in[i]));
    }
    return ej_rebuild_add(t->r, &all, &t->r->map[t->root]);
}

int ej_choose_triangle(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    ej_rebuild r;
    *out = *bound;
    if (as_written) return EINJIT_OK;
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    for (size_t v = 0; v < bound->n_nodes; v++) {
        triangle t = {.r = &r};
        if (!ej_rebuild_live(&r, (ej_value)v) || r.map[v] >= 0) continue;
        if (finds_triangle(&t, (ej_value)v)) EJ_TRY(write_blocks(&t));
        else EJ_TRY(ej_rebuild_keep(&r, (ej_value)v));
    }
    return ej_rebuild_end(&r);
}
