/* opt_like.c - replaces operands that only give a shape or dtype by that shape or dtype, where it is known.
 *
 * Takes  any graph; gradients are full of these operations, since they hold for every extent and dtype.
 * Gives  x for x.type_as(y), x.sum_to_size(y.shape), x.expand_as(y) and x.reshape_as(y) where x has that shape or dtype
 *        already; a cast, sums, an expand or a reshape where dtype or extents are known. Other passes understand these,
 *        and y is no longer kept for its shape.
 * Keeps  the operation where they are not known: two extents with different names may still be the same, or one of them
 *        1.
 */
#include <string.h>

#include "opt.h"

typedef struct like_pass {
    ej_edit edit;
    const ej_known_dtype *dtypes;
    const ej_known_shapes *shapes;
} like_pass;

/* A literal is weak, and no longer so behind any operation. */
static bool is_literal(const like_pass *p, ej_value v)
{
    return p->dtypes[v].weak || p->edit.graph->nodes[v].op == EJ_OP_SCALAR;
}

static int drop_cast(like_pass *p, ej_value v, const ej_node *node)
{
    ej_known_dtype have = p->dtypes[node->in[0]], want = p->dtypes[node->in[1]];
    ej_value by = node->in[0];
    if (want.dtype < 0 || want.weak || is_literal(p, node->in[0])) return EINJIT_OK;
    /* what may be refused stays, to be refused */
    if (have.dtype != want.dtype && !ej_known_inexact(want)) return EINJIT_OK;
    const ej_node cast = {.op = EJ_OP_CAST, .dtype = want.dtype, .rank = -1};
    if (EJ_BROKEN(LIKE_CAST)) EJ_TRY(ej_edit_map(&p->edit, EJ_FN_SIGN, 1, &by, &by));
    if (have.dtype != want.dtype) EJ_TRY(ej_edit_node(&p->edit, cast, 1, &by, &by));
    ej_edit_replace(&p->edit, v, by, EJ_RULE_LIKE_CAST);
    return EINJIT_OK;
}

static int say_shape(like_pass *p, ej_value v, const ej_node *node)
{
    ej_node said = {.op = node->op == EJ_OP_EXPAND_AS ? EJ_OP_EXPAND : EJ_OP_RESHAPE, .dtype = -1, .rank = -1};
    ej_value by = node->in[0];
    if (is_literal(p, by)) return EINJIT_OK;
    if (!ej_known_same_shape(&p->shapes->of[by], &p->shapes->of[node->in[1]]) && !EJ_BROKEN(LIKE_SHAPE)) {
        if (!ej_facts_name_shape(p->shapes, node->in[1], &p->edit.graph->arena, &said.extents))
            return ej_no_memory(p->edit.job->err);
        if (!said.extents) return EINJIT_OK;
        said.n_extents = (uint32_t)p->shapes->of[node->in[1]].rank;
        EJ_TRY(ej_edit_node(&p->edit, said, 1, node->in, &by));
    }
    ej_edit_replace(&p->edit, v, by, EJ_RULE_LIKE_SHAPE);
    return EINJIT_OK;
}

/* The product of extents, which a reshape has to state: -1 stands for no number where another extent is 0. *known: each
 * of them is a number or a product of symbols, and theirs fits. E_NOMEM only. */
static int multiply(ej_extent *out, bool *known, const ej_extent *extents, int32_t n, ej_job *job, ej_arena *arena)
{
    int32_t n_symbols = 0;
    *out = (ej_extent){.n = 1};
    *known = true;
    for (int32_t i = 0; i < n; i++) {
        *known = *known && extents[i].n >= 0 && ej_mul_size(out->n, extents[i].n, &out->n);
        n_symbols += extents[i].n_symbols;
    }
    out->symbols = EJ_NEW_ARRAY(arena, int32_t, n_symbols);
    if (!out->symbols) return ej_no_memory(job->err);
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < extents[i].n_symbols; k++) out->symbols[out->n_symbols++] = extents[i].symbols[k];
    return EINJIT_OK;
}

/* A reshape, where the extents of x are known. */
static int say_flat(like_pass *p, ej_value v, const ej_node *node)
{
    ej_arena *arena = &p->edit.graph->arena;
    ej_node said = {.op = EJ_OP_RESHAPE, .dtype = -1, .rank = -1};
    int32_t rank = p->shapes->of[node->in[0]].rank, first, last;
    ej_extent *extents = NULL;
    ej_value by;
    if (rank < 1 || is_literal(p, node->in[0])) return EINJIT_OK;
    if (!ej_axis_of(node->dims[0], rank, &first) || !ej_axis_of(node->dims[1], rank, &last) || first > last)
        return EINJIT_OK;
    if (!ej_facts_name_shape(p->shapes, node->in[0], arena, &extents)) return ej_no_memory(p->edit.job->err);
    if (!extents) return EINJIT_OK;
    said.n_extents = (uint32_t)(rank - (last - first));
    said.extents = EJ_NEW_ARRAY(arena, ej_extent, said.n_extents);
    if (!said.extents) return ej_no_memory(p->edit.job->err);
    for (int32_t i = 0; i < (int32_t)said.n_extents; i++)
        said.extents[i] = extents[i <= first ? i : i + (last - first)];
    if (first < last) {
        bool known;
        EJ_TRY(multiply(&said.extents[first], &known, &extents[first], last - first + 1, p->edit.job, arena));
        if (!known) return EINJIT_OK;
    }
    EJ_TRY(ej_edit_node(&p->edit, said, 1, node->in, &by));
    ej_edit_replace(&p->edit, v, by, EJ_RULE_LIKE_SHAPE);
    return EINJIT_OK;
}

/* An axis of extent `to` where x has `from`: 1 is summed; what is another number, or the same, is not. */
static bool is_clear(const like_pass *p, int32_t from, int32_t to, bool *summed)
{
    int64_t n = ej_extent_number(p->shapes, to);
    *summed = from != to && n == 1;
    return from == to || n >= 0;
}

static int sum_over(like_pass *p, uint32_t n, const int64_t *dims, bool keepdim, ej_value *x)
{
    ej_node node = {
        .op = EJ_OP_REDUCE, .fn = EINJIT_REDUCE_SUM, .dtype = -1, .rank = -1, .keepdim = keepdim, .n_dims = n};
    if (!n) return EINJIT_OK;
    if (keepdim && EJ_BROKEN(LIKE_SUMS)) node.fn = EINJIT_REDUCE_MEAN;
    node.dims = EJ_NEW_ARRAY(&p->edit.graph->arena, int64_t, n);
    if (!node.dims) return ej_no_memory(p->edit.job->err);
    memcpy(node.dims, dims, n * sizeof *dims);
    return ej_edit_node(&p->edit, node, 1, x, x);
}

/* Integers stay away: their sums are i64. */
static int say_sums(like_pass *p, ej_value v, const ej_node *node)
{
    const ej_known_shape *from = &p->shapes->of[node->in[0]], *to = &p->shapes->of[node->in[1]];
    int32_t lead = from->rank - to->rank;
    ej_value by = node->in[0];
    bool summed;
    uint32_t n = 0, ones = 0;
    if (from->rank < 0 || to->rank < 0 || lead < 0 || is_literal(p, by) || !ej_known_inexact(p->dtypes[by]))
        return EINJIT_OK;
    ej_job *job = p->edit.job;
    int64_t *dims = EJ_JOB_ARRAY(job, int64_t, (size_t)from->rank),
            *kept = EJ_JOB_ARRAY(job, int64_t, (size_t)from->rank);
    if (!dims || !kept) return ej_no_memory(job->err);
    for (int32_t i = 0; i < from->rank; i++) {
        if (i < lead) {
            dims[n++] = i;
            continue;
        }
        if (!is_clear(p, from->extents[i], to->extents[i - lead], &summed)) return EINJIT_OK;
        if (summed) kept[ones++] = i - lead;
    }
    if (n && ones && EJ_HELD(job->strict, LIKE_TWO_SUMS)) return EINJIT_OK;
    EJ_TRY(sum_over(p, n, dims, false, &by));
    EJ_TRY(sum_over(p, ones, kept, true, &by));
    ej_edit_replace(&p->edit, v, by, EJ_RULE_LIKE_SUMS);
    return EINJIT_OK;
}

int ej_opt_like(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    like_pass p = {0};
    bool any = false;
    for (size_t v = 0; v < graph->n_nodes; v++)
        any |= (graph->nodes[v].op >= EJ_OP_SUM_TO_SIZE && graph->nodes[v].op <= EJ_OP_TYPE_AS) ||
               graph->nodes[v].op == EJ_OP_FLATTEN;
    if (!any) return EINJIT_OK;
    EJ_TRY(ej_edit_begin(&p.edit, graph, job));
    p.dtypes = ej_facts_dtypes(graph, job->arena);
    p.shapes = ej_facts_shapes(graph, job->arena);
    if (!p.dtypes || !p.shapes) return ej_no_memory(job->err);
    for (size_t v = 0; v < p.edit.n_old; v++) {
        EJ_TRY(ej_edit_ask(&p.edit));
        ej_node node = graph->nodes[v]; /* a copy: nodes move when others are appended */
        if (node.op == EJ_OP_TYPE_AS) EJ_TRY(drop_cast(&p, (ej_value)v, &node));
        if (node.op == EJ_OP_EXPAND_AS || node.op == EJ_OP_RESHAPE_AS) EJ_TRY(say_shape(&p, (ej_value)v, &node));
        if (node.op == EJ_OP_FLATTEN) EJ_TRY(say_flat(&p, (ej_value)v, &node));
        if (node.op == EJ_OP_SUM_TO_SIZE) EJ_TRY(say_sums(&p, (ej_value)v, &node));
    }
    return ej_edit_commit(&p.edit, true, n_changed);
}
