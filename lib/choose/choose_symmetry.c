/* choose_symmetry.c - products of a value with itself, like x x^T: about half of the result is the mirror image of the
 * rest.
 *
 * Takes  a bound graph, its einsums in pairs.
 * Gives  one in which such a product is taken in blocks of rows, each only up to the diagonal; what lies behind it is
 *        the transposed block on the other side. With b blocks that is (b + 1) / 2b of the operations, and one copy of
 *        the result.
 *
 * The operand is used twice, and its labels are the same in both places but for some that come in pairs i, j, both in
 * the result: exchanging all pairs exchanges the two factors, so the result is symmetric under it. Rows are blocks of
 * one such i. Complex numbers too: nothing is conjugated. (Not in strict compiles: the two products of an imaginary
 * part are added one after the other to the sum, and the mirror image has them the other way round.)
 * Keeps  products whose extents are open, and those that are so small or shallow that the copy and the steps would cost
 *        more than they save.
 * Size   a few nodes for every block; at most MOST_BLOCKS blocks.
 */
#include <string.h>

#include "choose_core.h"

enum {
    LEAST_BLOCK = 64, /* rows of a block: enough to keep registers and caches busy */
    MOST_BLOCKS = 4,  /* 5/8 of the operations; 8 would be 9/16, and twice the code to compile */
    LEAST_DEPTH = 48  /* operations saved for every element copied */
};

typedef struct symmetry {
    ej_rebuild *r;
    const ej_bound_node *node;
    const ej_term *terms;
    int32_t axis;          /* of the operand: the pair i, j that is taken in blocks */
    int32_t rows, columns; /* axes of the result with i and with j */
    int64_t *swap;         /* the permutation of the result's axes that exchanges all pairs */
    int64_t n, block, n_blocks;
} symmetry;

/* ---- what is symmetric ---- */

/* Axes of the operand whose labels are a pair: neither is anywhere else but in the result. */
static bool is_pair(const symmetry *s, uint32_t axis)
{
    int32_t i = s->terms[0].labels[axis], j = s->terms[1].labels[axis];
    return ej_term_has_once(&s->terms[0], i) && ej_term_has_once(&s->terms[1], j) &&
           ej_term_axis(&s->terms[0], j) < 0 && ej_term_axis(&s->terms[1], i) < 0 &&
           ej_term_axis(&s->node->subscripts->out, i) >= 0 && ej_term_axis(&s->node->subscripts->out, j) >= 0;
}

static bool is_self_product(const ej_bound *bound, const ej_bound_node *node)
{
    if (node->op != EJ_OP_EINSUM || node->n_in < 2 || node->in[0] != node->in[1] || !ej_einsum_distributes(node))
        return false;
    for (uint32_t i = 2; i < node->n_in; i++)
        if (!ej_is_scalar_operand(bound, node->in[i])) return false;
    return true;
}

/* Finds the pairs; the longest becomes the rows. */
static bool find_pairs(symmetry *s)
{
    const ej_term *out = &s->node->subscripts->out;
    s->axis = -1;
    for (uint32_t i = 0; i < out->n; i++) s->swap[i] = i;
    for (uint32_t axis = 0; axis < s->terms[0].n; axis++) {
        if (s->terms[0].labels[axis] == s->terms[1].labels[axis]) continue;
        if (!is_pair(s, axis)) return false;
        int32_t i = ej_term_axis(out, s->terms[0].labels[axis]), j = ej_term_axis(out, s->terms[1].labels[axis]);
        s->swap[i] = j;
        s->swap[j] = i;
        ej_size extent = s->node->shape[i];
        if (extent.e || (s->axis >= 0 && extent.n <= s->n)) continue;
        s->axis = (int32_t)axis;
        s->rows = i;
        s->columns = j;
        s->n = extent.n;
    }
    return s->axis >= 0;
}

static bool pays(symmetry *s)
{
    double depth = 1;
    const ej_subscripts *sub = s->node->subscripts;
    for (uint32_t l = 0; l < sub->n_labels; l++)
        if (ej_term_axis(&sub->out, (int32_t)l) < 0) depth *= (double)s->node->label_sizes[l].n;
    s->n_blocks = s->n / LEAST_BLOCK;
    if (s->n_blocks > MOST_BLOCKS) s->n_blocks = MOST_BLOCKS;
    if (ej_job_random(s->r->job)) s->n_blocks = s->n < 3 ? s->n : 3; /* taste: random plans do without */
    else if (depth < LEAST_DEPTH) return false;
    if (s->n_blocks < 2) return false;
    s->block = (s->n + s->n_blocks - 1) / s->n_blocks;
    return true;
}

/* ---- blocks ---- */

static ej_bound_node like(const symmetry *s, int op, const ej_bound_node *from)
{
    return (ej_bound_node){
        .op = (uint8_t)op, .dtype = from->dtype, .rank = from->rank, .name = s->node->name, .is_part = true};
}

static int set_shape(const symmetry *s, ej_bound_node *node, const ej_size *shape, int32_t axis, int64_t extent)
{
    node->shape = EJ_JOB_ARRAY(s->r->job, ej_size, (size_t)node->rank);
    if (!node->shape) return ej_no_memory(s->r->job->err);
    memcpy(node->shape, shape, (size_t)node->rank * sizeof *shape);
    node->shape[axis] = ej_size_number(extent);
    return EINJIT_OK;
}

static int set_operands(const symmetry *s, ej_bound_node *node, uint32_t n, const ej_value *in)
{
    node->n_in = n;
    node->in = EJ_JOB_ARRAY(s->r->job, ej_value, n);
    if (!node->in) return ej_no_memory(s->r->job->err);
    memcpy(node->in, in, n * sizeof *in);
    return EINJIT_OK;
}

static int cat(const symmetry *s, ej_value a, ej_value b, int32_t axis, ej_value *out)
{
    const ej_bound_node from = s->r->out->nodes[a];
    const ej_value in[2] = {a, b};
    ej_bound_node node = like(s, EJ_OP_CAT, &from);
    EJ_TRY(set_operands(s, &node, 2, in));
    EJ_TRY(set_shape(s, &node, from.shape, axis, from.shape[axis].n + s->r->out->nodes[b].shape[axis].n));
    node.n_dims = 1;
    node.dims = EJ_JOB_NEW(s->r->job, int64_t);
    if (!node.dims) return ej_no_memory(s->r->job->err);
    node.dims[0] = axis;
    return ej_rebuild_add(s->r, &node, out);
}

static int mirror(const symmetry *s, ej_value x, ej_value *out)
{
    const ej_bound_node from = s->r->out->nodes[x];
    ej_bound_node node = like(s, EJ_OP_PERMUTE, &from);
    EJ_TRY(set_operands(s, &node, 1, &x));
    node.n_dims = (uint32_t)from.rank;
    node.dims = s->swap;
    node.shape = EJ_JOB_ARRAY(s->r->job, ej_size, (size_t)from.rank);
    if (!node.shape) return ej_no_memory(s->r->job->err);
    for (int32_t i = 0; i < from.rank; i++) node.shape[i] = from.shape[s->swap[i]];
    return ej_rebuild_add(s->r, &node, out);
}

/* Rows start .. end of the result, up to the diagonal. */
static int lower_rows(const symmetry *s, int64_t start, int64_t end, ej_value *out)
{
    ej_job *job = s->r->job;
    ej_value x = s->r->map[s->node->in[0]];
    ej_bound_node node = *s->node;
    const ej_subscripts *sub = s->node->subscripts;
    node.in = EJ_JOB_ARRAY(job, ej_value, node.n_in);
    node.label_sizes = EJ_JOB_ARRAY(job, ej_size, sub->n_labels);
    if (!node.in || !node.label_sizes) return ej_no_memory(job->err);
    for (uint32_t i = 2; i < node.n_in; i++) node.in[i] = s->r->map[s->node->in[i]];
    EJ_TRY(ej_rebuild_slice(s->r, x, s->axis, start, end, s->node->name, &node.in[0]));
    EJ_TRY(ej_rebuild_slice(s->r, x, s->axis, 0, end, s->node->name, &node.in[1]));
    if (sub->n_labels) memcpy(node.label_sizes, s->node->label_sizes, sub->n_labels * sizeof *node.label_sizes);
    node.label_sizes[sub->out.labels[s->rows]] = ej_size_number(end - start);
    node.label_sizes[sub->out.labels[s->columns]] = ej_size_number(end);
    EJ_TRY(set_shape(s, &node, s->node->shape, s->rows, end - start));
    node.shape[s->columns] = ej_size_number(end);
    node.is_part = true;
    if (start) node.note = NULL; /* the path is the whole product's: the first block says it */
    return ej_rebuild_add(s->r, &node, out);
}

/* The leading square grows by a block of rows and, as its mirror image, a block of columns. */
static int grow(const symmetry *s, int64_t start, int64_t end, ej_value *square)
{
    ej_value rows, beside, above, upper;
    EJ_TRY(lower_rows(s, start, end, &rows));
    if (!start) {
        *square = rows;
        return EINJIT_OK;
    }
    EJ_TRY(ej_rebuild_slice(s->r, rows, s->columns, 0, start, s->node->name, &beside));
    if (EJ_BROKEN(SYMMETRY_MIRROR))
        EJ_TRY(ej_rebuild_slice(s->r, rows, s->columns, end - start, end, s->node->name, &beside));
    EJ_TRY(mirror(s, beside, &above));
    EJ_TRY(cat(s, *square, above, s->columns, &upper));
    return cat(s, upper, rows, s->rows, square);
}

static int decide_einsum(ej_rebuild *r, ej_value v)
{
    symmetry s = {.r = r, .node = &r->from->nodes[v], .terms = r->from->nodes[v].subscripts->terms};
    s.swap = EJ_JOB_ARRAY(r->job, int64_t, (size_t)s.node->rank);
    if (!s.swap) return ej_no_memory(r->job->err);
    if (ej_dtype_is_complex(s.node->dtype) && EJ_HELD(r->job->strict, COMPLEX_MIRROR)) return ej_rebuild_keep(r, v);
    if (!find_pairs(&s) || !pays(&s)) return ej_rebuild_keep(r, v);
    ej_value square = -1;
    for (int64_t start = 0; start < s.n; start += s.block)
        EJ_TRY(grow(&s, start, start + s.block < s.n ? start + s.block : s.n, &square));
    r->out->nodes[square].is_part = false;
    r->map[v] = square;
    return EINJIT_OK;
}

int ej_choose_symmetry(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    ej_rebuild r;
    (void)as_written;
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    for (size_t v = 0; v < bound->n_nodes; v++) {
        if (!ej_rebuild_live(&r, (ej_value)v) || r.map[v] >= 0) continue;
        if (is_self_product(bound, &bound->nodes[v])) EJ_TRY(decide_einsum(&r, (ej_value)v));
        else EJ_TRY(ej_rebuild_keep(&r, (ej_value)v));
    }
    return ej_rebuild_end(&r);
}
