/* opt_canon.c - one spelling per meaning, so that equal things look equal to the passes behind.
 *
 * Takes  any graph.
 * Gives  the same function: permutations that follow each other are one, transpositions are permutations where ranks
 *        are known, reshapes that follow each other are the last one; permutes, expands, reshapes, slices, casts,
 *        einsums of one operand and pointwise operations that change nothing are gone (pointwise ones and casts:
 *        opt_canon_map.c).
 * Keeps  the order of operands, and every operation whose effect depends on what is not known here.
 * Size   one sweep; operands are canonical before their users are looked at, so one look at each node is enough.
 */
#include <string.h>

#include "opt_canon.h"

static bool becomes(ej_canon_form *f, ej_value v)
{
    f->same = v;
    return true;
}

/* ---- permutations ---- */

/* The axes as numbers from 0 on, each once; NULL: they are not, or (*no_memory) there is no room. */
static int64_t *permutation(ej_canon *c, uint32_t n, const int64_t *dims, bool *no_memory)
{
    int64_t *axes = EJ_NEW_ARRAY(&c->graph->arena, int64_t, n);
    bool *seen = EJ_NEW_ARRAY(c->job->arena, bool, n);
    *no_memory = !axes || !seen;
    if (*no_memory) return NULL;
    for (uint32_t i = 0; i < n; i++) {
        int64_t axis = dims[i] < 0 ? dims[i] + n : dims[i];
        if (axis < 0 || axis >= (int64_t)n || seen[axis]) return NULL;
        seen[axis] = true;
        axes[i] = axis;
    }
    return axes;
}

static bool is_identity(const ej_node *node)
{
    for (uint32_t i = 0; i < node->n_dims; i++) {
        int64_t dim = node->dims[i]; /* not checked yet: any number */
        if (dim != i && (dim >= 0 || dim + node->n_dims != i)) return false;
    }
    return true;
}

static int canon_permute(ej_canon *c, ej_canon_form *f, bool *fired)
{
    const ej_node *inner = ej_canon_node(c, f->in[0]);
    bool no_memory;
    if (is_identity(&f->node)) {
        ej_canon_by(f, EJ_RULE_CANON_PERMUTES);
        *fired = becomes(f, f->in[0]);
        return EINJIT_OK;
    }
    if (inner->op != EJ_OP_PERMUTE || inner->n_dims != f->node.n_dims) return EINJIT_OK;
    int64_t *outer = permutation(c, f->node.n_dims, f->node.dims, &no_memory), *under = NULL;
    if (outer) under = permutation(c, inner->n_dims, inner->dims, &no_memory);
    if (no_memory) return ej_no_memory(c->job->err);
    if (!under) return EINJIT_OK;
    int64_t *merged = EJ_NEW_ARRAY(&c->graph->arena, int64_t, f->node.n_dims);
    if (!merged) return ej_no_memory(c->job->err);
    for (uint32_t i = 0; i < f->node.n_dims; i++) merged[i] = EJ_BROKEN(CANON_PERMUTES) ? outer[i] : under[outer[i]];
    f->node.dims = merged;
    ej_canon_by(f, EJ_RULE_CANON_PERMUTES);
    f->in[0] = ej_canon_under(c, f->in[0], 0);
    *fired = true;
    return EINJIT_OK;
}

static bool same_pair(const int64_t *a, const int64_t *b)
{
    return (a[0] == b[0] && a[1] == b[1]) || (a[0] == b[1] && a[1] == b[0]);
}

/* A scalar has the axes 0 and -1. */
static int canon_transpose(ej_canon *c, ej_canon_form *f, bool *fired)
{
    const ej_node *inner = ej_canon_node(c, f->in[0]);
    int64_t one = f->node.dims[0], other = f->node.dims[1];
    int32_t rank = ej_canon_shape(c, f->in[0])->rank;
    if (one == other) {
        ej_canon_by(f, EJ_RULE_CANON_TRANSPOSE);
        *fired = becomes(f, f->in[0]);
    } else if (rank > 0) {
        if (one < 0) one = EJ_BROKEN(CANON_TRANSPOSE) ? -1 - one : one + rank;
        if (other < 0) other += rank;
        if (one < 0 || other < 0 || one >= rank || other >= rank) return EINJIT_OK;
        int64_t *dims = EJ_NEW_ARRAY(&c->graph->arena, int64_t, (size_t)rank);
        if (!dims) return ej_no_memory(c->job->err);
        for (int32_t i = 0; i < rank; i++) dims[i] = i == one ? other : i == other ? one : i;
        f->node =
            (ej_node){.op = EJ_OP_PERMUTE, .dtype = -1, .rank = -1, .n_in = 1, .n_dims = (uint32_t)rank, .dims = dims};
        ej_canon_by(f, EJ_RULE_CANON_TRANSPOSE);
        *fired = true;
    } else if (inner->op == EJ_OP_TRANSPOSE && same_pair(inner->dims, f->node.dims)) {
        ej_canon_by(f, EJ_RULE_CANON_TRANSPOSE);
        *fired = becomes(f, ej_canon_under(c, f->in[0], 0));
    }
    return EINJIT_OK;
}

/* ---- einsums of one operand ---- */

/* Position of each output label in the term; false: not every label of the term is there, or one is twice, or the
 * output has an ellipsis (also where the term has none: it stands for no axis then, and the term has a label more). */
static bool label_places(const ej_equation *equation, int64_t *places)
{
    const ej_term *term = &equation->terms[0], *out = &equation->out;
    if (term->n != out->n || equation->n_labels != term->n) return false; /* so the term has no ellipsis, none twice */
    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t k = 0;
        while (k < term->n && term->labels[k] != out->labels[i]) k++;
        if (k == term->n) return false;
        places[i] = k;
    }
    return true;
}

static bool same_terms(const ej_term *a, const ej_term *b, uint32_t n_labels)
{
    uint32_t dots = 0;
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->labels[i] != b->labels[i]) return false;
        dots += a->labels[i] == EJ_ELLIPSIS;
    }
    return n_labels + dots == a->n; /* none twice */
}

/* Einsums of einsums stay einsums: merging them makes more of them than a permutation in between would. */
static int canon_einsum(ej_canon *c, ej_canon_form *f, bool *fired)
{
    const ej_equation *equation = f->node.equation;
    if (f->node.fn != EINJIT_REDUCE_SUM && f->node.fn != EINJIT_REDUCE_MAX && f->node.fn != EINJIT_REDUCE_MIN)
        return EINJIT_OK;
    if (same_terms(&equation->terms[0], &equation->out, equation->n_labels)) {
        ej_canon_by(f, EJ_RULE_CANON_EINSUM);
        *fired = becomes(f, f->in[0]);
        return EINJIT_OK;
    }
    if (ej_canon_node(c, f->in[0])->op == EJ_OP_EINSUM || equation->terms[0].n > 1000) return EINJIT_OK;
    int64_t *dims = EJ_NEW_ARRAY(&c->graph->arena, int64_t, equation->out.n);
    if (!dims) return ej_no_memory(c->job->err);
    if (!label_places(equation, dims)) return EINJIT_OK;
    for (uint32_t i = 0; i < equation->out.n && EJ_BROKEN(CANON_EINSUM); i++) dims[i] = i;
    f->node =
        (ej_node){.op = EJ_OP_PERMUTE, .dtype = -1, .rank = -1, .n_in = 1, .n_dims = equation->out.n, .dims = dims};
    ej_canon_by(f, EJ_RULE_CANON_EINSUM);
    *fired = true;
    return EINJIT_OK;
}

/* ---- shapes ---- */

static bool keeps_shape(const ej_canon *c, const ej_canon_form *f)
{
    return ej_known_same_shape(ej_canon_shape(c, f->in[0]), &c->shapes->of[f->origin]);
}

static bool is_reshape(int op)
{
    return op == EJ_OP_RESHAPE || op == EJ_OP_UNSQUEEZE || op == EJ_OP_SQUEEZE;
}

static void canon_reshape(ej_canon *c, ej_canon_form *f, bool *fired)
{
    if (keeps_shape(c, f)) {
        *fired = becomes(f, f->in[0]);
    } else if (is_reshape(ej_canon_node(c, f->in[0])->op) ||
               (EJ_BROKEN(CANON_RESHAPES) && ej_canon_node(c, f->in[0])->op == EJ_OP_PERMUTE)) {
        f->in[0] = ej_canon_under(c, f->in[0], 0);
        *fired = true;
    }
    if (*fired) ej_canon_by(f, EJ_RULE_CANON_RESHAPES);
}

/* squeeze(unsqueeze(x, d), d) */
static void canon_squeeze(ej_canon *c, ej_canon_form *f, bool *fired)
{
    const ej_node *inner = ej_canon_node(c, f->in[0]);
    if (keeps_shape(c, f)) *fired = becomes(f, f->in[0]);
    else if (f->node.n_dims == 1 && inner->op == EJ_OP_UNSQUEEZE && inner->dims[0] == f->node.dims[0])
        *fired = becomes(f, ej_canon_under(c, f->in[0], 0));
    if (*fired) ej_canon_by(f, EJ_RULE_CANON_RESHAPES);
}

static bool all_open(const ej_node *node)
{
    for (uint32_t i = 0; i < node->n_extents; i++)
        if (node->extents[i].n != EJ_EXTENT_UNKNOWN) return false;
    return true;
}

/* An expand of an expand says all of it; its -1 is what the first one made. */
static int canon_expand(ej_canon *c, ej_canon_form *f, bool *fired)
{
    const ej_node *inner = ej_canon_node(c, f->in[0]);
    if (all_open(&f->node) || keeps_shape(c, f) || EJ_BROKEN(CANON_EXPANDS)) {
        ej_canon_by(f, EJ_RULE_CANON_EXPANDS);
        *fired = becomes(f, f->in[0]);
        return EINJIT_OK;
    }
    if (inner->op != EJ_OP_EXPAND || inner->n_extents > f->node.n_extents) return EINJIT_OK;
    uint32_t n = f->node.n_extents, added = n - inner->n_extents;
    ej_extent *extents = EJ_NEW_ARRAY(&c->graph->arena, ej_extent, n);
    if (!extents) return ej_no_memory(c->job->err);
    for (uint32_t i = 0; i < n; i++) {
        bool open = f->node.extents[i].n == EJ_EXTENT_UNKNOWN && i >= added;
        extents[i] = open ? inner->extents[i - added] : f->node.extents[i];
    }
    f->node.extents = extents;
    f->in[0] = ej_canon_under(c, f->in[0], 0);
    ej_canon_by(f, EJ_RULE_CANON_EXPANDS);
    *fired = true;
    return EINJIT_OK;
}

static void canon_slice(ej_canon_form *f, bool *fired)
{
    for (uint32_t i = 0; i < f->node.n_items; i++) {
        const ej_index_item *item = &f->node.items[i];
        if (item->kind == EJ_INDEX_ELLIPSIS) continue;
        if (item->kind != EJ_INDEX_RANGE || item->stop != INT64_MAX || (item->step != 1 && !EJ_BROKEN(CANON_SLICE)))
            return;
        if (item->start != INT64_MIN && item->start != 0) return;
    }
    ej_canon_by(f, EJ_RULE_CANON_SLICE);
    *fired = becomes(f, f->in[0]);
}

/* Several operands come here only when the rule is broken. */
static void canon_cat(ej_canon_form *f, bool *fired)
{
    ej_canon_by(f, EJ_RULE_CANON_CAT);
    *fired = becomes(f, f->in[0]);
}

/* ---- the pass ---- */

static int rewrite_once(ej_canon *c, ej_canon_form *f, bool *fired)
{
    switch (f->node.op) {
    case EJ_OP_MAP: *fired = ej_canon_map(c, f); return EINJIT_OK;
    case EJ_OP_CAST: *fired = ej_canon_cast(c, f); return EINJIT_OK;
    case EJ_OP_EINSUM: return f->node.n_in == 1 ? canon_einsum(c, f, fired) : EINJIT_OK;
    case EJ_OP_PERMUTE: return canon_permute(c, f, fired);
    case EJ_OP_TRANSPOSE: return canon_transpose(c, f, fired);
    case EJ_OP_RESHAPE: canon_reshape(c, f, fired); return EINJIT_OK;
    case EJ_OP_SQUEEZE: canon_squeeze(c, f, fired); return EINJIT_OK;
    case EJ_OP_EXPAND: return canon_expand(c, f, fired);
    case EJ_OP_SLICE: canon_slice(f, fired); return EINJIT_OK;
    case EJ_OP_CAT: canon_cat(f, fired); return EINJIT_OK;
    default: return EINJIT_OK;
    }
}

/* The arrays of the form that are the graph's own belong to the old node: a new one gets copies. */
static int copy_arrays(ej_canon *c, ej_node *node, const ej_node *old)
{
    ej_arena *arena = &c->graph->arena;
    if (node->dims && node->dims == old->dims) {
        int64_t *dims = EJ_NEW_ARRAY(arena, int64_t, node->n_dims);
        if (!dims) return ej_no_memory(c->job->err);
        node->dims = memcpy(dims, old->dims, node->n_dims * sizeof *dims);
    }
    if (node->extents && node->extents == old->extents) {
        ej_extent *extents = EJ_NEW_ARRAY(arena, ej_extent, node->n_extents);
        if (!extents) return ej_no_memory(c->job->err);
        node->extents = memcpy(extents, old->extents, node->n_extents * sizeof *extents);
    }
    for (uint32_t i = 0; i < node->n_extents; i++) { /* of products: also the names' list */
        ej_extent *extent = &node->extents[i];
        if (extent->n_symbols <= 0) continue;
        int32_t *symbols = EJ_NEW_ARRAY(arena, int32_t, (size_t)extent->n_symbols);
        if (!symbols) return ej_no_memory(c->job->err);
        extent->symbols = memcpy(symbols, extent->symbols, (size_t)extent->n_symbols * sizeof *symbols);
    }
    return EINJIT_OK;
}

static void replace(ej_canon *c, const ej_canon_form *f, ej_value by)
{
    if (!ej_edit_replace(&c->edit, f->origin, by, f->rules[0])) return;
    for (uint32_t i = 1; i < f->n_rules; i++) ej_edit_also(&c->edit, f->rules[i]);
}

static int put(ej_canon *c, ej_canon_form *f)
{
    if (f->same >= 0) {
        if (ej_canon_node(c, f->same)->op != EJ_OP_SCALAR) replace(c, f, f->same);
        return EINJIT_OK;
    }
    ej_value made;
    EJ_TRY(copy_arrays(c, &f->node, ej_canon_node(c, f->origin)));
    EJ_TRY(ej_edit_node(&c->edit, f->node, f->node.n_in, f->in, &made));
    size_t number = (size_t)made - c->edit.n_old;
    if (!EJ_PUSH_ROOM(c->job->arena, c->origins, c->cap_origins, number)) return ej_no_memory(c->job->err);
    c->origins[number] = f->origin;
    replace(c, f, made);
    return EINJIT_OK;
}

static int visit(ej_canon *c, ej_value v)
{
    ej_canon_form f = {.node = c->graph->nodes[v], .same = -1, .origin = v};
    bool any = false, fired = true;
    bool one = f.node.op == EJ_OP_EINSUM || (f.node.op == EJ_OP_CAT && !EJ_BROKEN(CANON_CAT));
    EJ_TRY(ej_edit_ask(&c->edit));
    if (!f.node.n_in || f.node.n_in > (one ? 1 : 3)) return EINJIT_OK;
    for (uint32_t i = 0; i < f.node.n_in; i++) f.in[i] = ej_edit_value(&c->edit, f.node.in[i]);
    while (fired && f.same < 0) {
        fired = false;
        EJ_TRY(rewrite_once(c, &f, &fired));
        any |= fired;
    }
    return any ? put(c, &f) : EINJIT_OK;
}

int ej_opt_canon(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    ej_canon c = {.graph = graph, .job = job};
    c.dtypes = ej_facts_dtypes(graph, job->arena);
    c.shapes = ej_facts_shapes(graph, job->arena);
    if (!c.dtypes || !c.shapes) return ej_no_memory(job->err);
    EJ_TRY(ej_edit_begin(&c.edit, graph, job));
    for (size_t v = 0; v < c.edit.n_old; v++) EJ_TRY(visit(&c, (ej_value)v));
    return ej_edit_commit(&c.edit, false, n_changed);
}
