/* bench_matrix.c - which equations are products of matrices in place.
 *
 * Labels fall into classes by the terms that have them: batch (both operands and the output), m, n and k. The labels of
 * a class must walk each tensor as one axis: every label's stride is the next one's stride times its extent, in all
 * tensors.
 */
#include "bench_matrix.h"

#include "bench_equation.h"

enum { A, B, C, OPERANDS };

typedef struct axis {
    int64_t extent, stride[OPERANDS];
    bool met;
} axis;

static bool walks_on(const axis *outer, const int64_t *stride, int64_t extent)
{
    for (int t = 0; t < OPERANDS; t++)
        if (outer->stride[t] != stride[t] * extent) return false;
    return true;
}

/* The labels of one class as one axis; false where they are not one. Labels come by falling stride in the operand
 * `by`. */
static bool merge(axis *out, const bench_equation *p, int64_t stride[][EQUATION_LABELS], unsigned owners, int by)
{
    bool done[EQUATION_LABELS] = {false};
    *out = (axis){.extent = 1};
    for (;;) {
        int next = -1;
        for (int l = 0; l < p->n_labels; l++) {
            unsigned has = (stride[A][l] ? 1u : 0) | (stride[B][l] ? 2u : 0) | (stride[C][l] ? 4u : 0);
            if (done[l] || p->extent[l] == 1 || has != owners) continue;
            if (next < 0 || stride[by][l] > stride[by][next]) next = l;
        }
        if (next < 0) return true;
        int64_t strides[OPERANDS] = {stride[A][next], stride[B][next], stride[C][next]};
        if (out->met && !walks_on(out, strides, p->extent[next])) return false;
        for (int t = 0; t < OPERANDS; t++) out->stride[t] = strides[t];
        out->extent *= p->extent[next];
        out->met = done[next] = true;
    }
}

static bool is_diagonal(const bench_equation *p)
{
    for (int t = 0; t < p->n_terms; t++)
        for (int a = 0; a < p->rank[t]; a++)
            if (bench_find(p->label[t], a, p->label[t][a]) >= 0) return true;
    return false;
}

/* A label that only one tensor has, or an operand and no other. */
static bool is_lonely(const bench_equation *p, int64_t stride[][EQUATION_LABELS])
{
    for (int l = 0; l < p->n_labels; l++) {
        int owners = !!stride[A][l] + !!stride[B][l] + !!stride[C][l];
        if (p->extent[l] != 1 && owners < 2) return true;
    }
    return false;
}

/* One stride is 1 (of an axis of extent 1 any), the other long enough to be a leading dimension. */
static bool is_matrix(int64_t *row, int64_t rows, int64_t *column, int64_t columns)
{
    if (columns == 1) {
        *column = 1;
        if (rows == 1) *row = 1;
        return true;
    }
    if (rows == 1) *row = *column == 1 ? columns : 1;
    return *column == 1 ? *row >= columns : *row == 1 && *column >= rows;
}

static void swap_operands(bench_matrix *x)
{
    bench_matrix old = *x;
    x->m = old.n;
    x->n = old.m;
    x->a.batch = old.b.batch, x->a.row = old.b.column, x->a.column = old.b.row;
    x->b.batch = old.a.batch, x->b.row = old.a.column, x->b.column = old.a.row;
    x->c.row = old.c.column, x->c.column = old.c.row;
    x->swapped = true;
}

bool bench_matrix_read(bench_matrix *out, const char *equation, const tool_tensor *in, size_t n_in,
                       const tool_tensor *result)
{
    bench_equation p;
    int64_t stride[EQUATION_TERMS + 1][EQUATION_LABELS];
    axis batch, m, n, k;
    if (!equation || n_in != 2 || bench_equation_read(&p, equation, in, n_in) || is_diagonal(&p)) return false;
    int dtype = result->tensor.dtype;
    if (in[0].tensor.dtype != dtype || in[1].tensor.dtype != dtype || !result->bytes) return false;
    bench_equation_strides(&p, in, stride);
    if (is_lonely(&p, stride)) return false;
    if (!merge(&batch, &p, stride, 7, C) || !merge(&m, &p, stride, 5, C) || !merge(&n, &p, stride, 6, C) ||
        !merge(&k, &p, stride, 3, A))
        return false;
    *out = (bench_matrix){dtype,
                          batch.extent,
                          m.extent,
                          n.extent,
                          k.extent,
                          {batch.stride[A], m.stride[A], k.stride[A]},
                          {batch.stride[B], k.stride[B], n.stride[B]},
                          {batch.stride[C], m.stride[C], n.stride[C]},
                          false};
    if (out->c.column != 1 && out->n > 1) swap_operands(out);
    return is_matrix(&out->c.row, out->m, &out->c.column, out->n) && out->c.column == 1 &&
           is_matrix(&out->a.row, out->m, &out->a.column, out->k) &&
           is_matrix(&out->b.row, out->k, &out->b.column, out->n);
}
