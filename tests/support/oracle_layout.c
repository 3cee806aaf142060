/* oracle_layout.c - maps with broadcasting, layout operations, gather and scatter, element by element. */
#include <math.h>
#include <string.h>

#include "oracle_op.h"

static int fn_dtype(int fn, int promoted)
{
    int kind = ej_dtypes[promoted].kind;
    switch (ej_fns[fn].rule) {
    case EJ_RULE_FLOAT:
    case EJ_RULE_REALFLT: return kind < EJ_KIND_FLOAT ? EINJIT_F64 : promoted;
    default: return promoted;
    }
}

static int fn_result(int fn, int dtype)
{
    switch (ej_fns[fn].rule) {
    case EJ_RULE_REALPART: return ej_dtypes[dtype].real;
    case EJ_RULE_COMPARE:
    case EJ_RULE_EQUAL:
    case EJ_RULE_LOGIC: return EINJIT_BOOL;
    default: return dtype;
    }
}

static bool broadcast_shape(oracle_state *s, const oracle_value *in, size_t n, int *rank, int64_t *shape)
{
    *rank = 0;
    for (size_t i = 0; i < n; i++)
        if (in[i].rank > *rank) *rank = in[i].rank;
    for (int a = 0; a < *rank; a++) shape[a] = 1;
    for (size_t i = 0; i < n; i++)
        for (int a = 0; a < in[i].rank; a++) {
            int64_t extent = in[i].shape[a], *have = &shape[*rank - in[i].rank + a];
            if (extent == 1) continue;
            if (*have != 1 && *have != extent) return oracle_refuse(s, "shapes do not broadcast");
            *have = extent;
        }
    return true;
}

static oracle_element broadcast_read(const oracle_value *v, int rank, const int64_t *position)
{
    int64_t at = 0;
    for (int a = 0; a < v->rank; a++) {
        int64_t p = position[rank - v->rank + a];
        at = at * v->shape[a] + (v->shape[a] == 1 ? 0 : p);
    }
    return v->e[at];
}

bool oracle_map(oracle_state *s, oracle_value *out, int fn, const oracle_value *const *in, size_t n)
{
    oracle_value cast[3];
    int64_t shape[ORACLE_RANK];
    int rank;
    bool select = fn == EJ_FN_WHERE;
    int dtype = fn_dtype(fn, select ? oracle_promote(in + 1, 2) : oracle_promote(in, n));
    for (size_t i = 0; i < n; i++)
        if (!oracle_as(s, &cast[i], in[i], select && !i ? EINJIT_BOOL : dtype)) return false;
    if (!broadcast_shape(s, cast, n, &rank, shape)) return false;
    int result = fn_result(fn, dtype);
    if (!oracle_make(s, out, result, rank, shape)) return false;
    for (int64_t i = 0; i < out->n; i++) {
        int64_t position[ORACLE_RANK];
        oracle_element e[3] = {{.i = 0}, {.i = 0}, {.i = 0}};
        oracle_unravel(out, i, position);
        for (size_t k = 0; k < n; k++) e[k] = broadcast_read(&cast[k], rank, position);
        out->e[i] = oracle_fn(fn, dtype, result, e[0], e[1], e[2]);
    }
    return true;
}

/* Result element by element from operand positions: map[a] is the operand axis of result axis a (-1: none), start and
 * step move along it. */
static bool view(oracle_state *s, oracle_value *out, const oracle_value *x, int rank, const int64_t *shape,
                 const int *map, const int64_t *start, const int64_t *step)
{
    if (!oracle_make(s, out, x->dtype, rank, shape)) return false;
    out->weak = x->weak;
    for (int64_t i = 0; i < out->n; i++) {
        int64_t position[ORACLE_RANK], from[ORACLE_RANK];
        oracle_unravel(out, i, position);
        for (int a = 0; a < x->rank; a++) from[a] = start ? start[a] : 0;
        for (int a = 0; a < rank; a++)
            if (map[a] >= 0) from[map[a]] += position[a] * (step ? step[map[a]] : 1);
        out->e[i] = x->e[oracle_ravel(x, from)];
    }
    return true;
}

/* Of counts that a program may give any size; what ends there is more than the oracle's work. */
static int64_t times(int64_t a, int64_t b)
{
    const int64_t most = INT64_C(1) << 40;
    return b && a > most / b ? most : a * b;
}

static bool reshaped(oracle_state *s, oracle_value *out, const oracle_value *x, int rank, const int64_t *shape)
{
    int64_t n = 1;
    for (int a = 0; a < rank; a++) n = times(n, shape[a]);
    if (n != x->n) return oracle_refuse(s, "reshape");
    if (!oracle_make(s, out, x->dtype, rank, shape)) return false;
    if (n) memcpy(out->e, x->e, (size_t)n * sizeof *out->e);
    return true;
}

static int64_t extent_value(const oracle_state *s, const ej_extent *extent)
{
    int64_t n = extent->n;
    for (int32_t i = 0; i < extent->n_symbols; i++) n = times(n, s->symbols[extent->symbols[i]]);
    return n;
}

static bool reshape_node(oracle_state *s, oracle_value *out, const ej_node *node, const oracle_value *x)
{
    int64_t shape[ORACLE_RANK], known = 1;
    int open = -1;
    if (node->n_extents > ORACLE_RANK) return oracle_refuse(s, "rank");
    for (uint32_t a = 0; a < node->n_extents; a++) {
        shape[a] = extent_value(s, &node->extents[a]);
        if (shape[a] < 0) open = (int)a;
        else known = times(known, shape[a]);
    }
    if (open >= 0) {
        if (!known) return oracle_refuse(s, "reshape of nothing");
        shape[open] = x->n / known;
    }
    return reshaped(s, out, x, (int)node->n_extents, shape);
}

static bool expand_node(oracle_state *s, oracle_value *out, const ej_node *node, const oracle_value *x)
{
    int64_t shape[ORACLE_RANK];
    int map[ORACLE_RANK], rank = (int)node->n_extents;
    if (rank < x->rank || rank > ORACLE_RANK) return oracle_refuse(s, "expand");
    for (int a = 0; a < rank; a++) {
        int from = a - (rank - x->rank);
        int64_t want = extent_value(s, &node->extents[a]);
        if (want < 0 && from < 0) return oracle_refuse(s, "expand");
        shape[a] = want < 0 ? x->shape[from] : want;
        map[a] = from < 0 || x->shape[from] != shape[a] ? -1 : from;
        if (from >= 0 && x->shape[from] != shape[a] && x->shape[from] != 1) return oracle_refuse(s, "expand");
    }
    return view(s, out, x, rank, shape, map, NULL, NULL);
}

/* Python's slice.indices: bounds are cut to what a walk in that direction may reach, or be behind. */
int64_t oracle_range(const ej_index_item *item, int64_t extent, int64_t *count)
{
    bool down = item->step < 0;
    int64_t low = down ? -1 : 0, high = down ? extent - 1 : extent;
    int64_t ends[2] = {item->start, item->stop};
    for (int i = 0; i < 2; i++) {
        if (ends[i] < 0 && ends[i] >= -extent) ends[i] += extent;
        ends[i] = ends[i] < low ? low : ends[i] > high ? high : ends[i];
    }
    if (item->start == INT64_MIN) ends[0] = down ? high : low;
    if (item->stop == INT64_MAX) ends[1] = down ? low : high;
    *count = 0;
    int64_t step = item->step > extent ? extent + 1 : item->step < -extent ? -extent - 1 : item->step;
    for (int64_t at = ends[0]; down ? at > ends[1] : at < ends[1]; at += step) ++*count;
    return ends[0];
}

/* The items with the ellipsis (there is one at the end where none is written) as full ranges. */
static bool full_items(oracle_state *s, const ej_node *node, int rank, ej_index_item *out, uint32_t *n_out)
{
    int taken = 0;
    bool dots = false;
    *n_out = 0;
    for (uint32_t i = 0; i < node->n_items; i++) {
        taken += node->items[i].kind == EJ_INDEX_RANGE || node->items[i].kind == EJ_INDEX_AT;
        dots |= node->items[i].kind == EJ_INDEX_ELLIPSIS;
    }
    if (taken > rank || node->n_items + (uint32_t)rank > 2 * ORACLE_RANK) return oracle_refuse(s, "indices");
    for (uint32_t i = 0; i < node->n_items + !dots; i++) {
        if (i < node->n_items && node->items[i].kind != EJ_INDEX_ELLIPSIS) {
            out[(*n_out)++] = node->items[i];
            continue;
        }
        for (int a = taken; a < rank; a++) out[(*n_out)++] = (ej_index_item){EJ_INDEX_RANGE, INT64_MIN, INT64_MAX, 1};
    }
    return true;
}

static bool slice_node(oracle_state *s, oracle_value *out, const ej_node *node, const oracle_value *x)
{
    ej_index_item items[2 * ORACLE_RANK];
    int64_t shape[2 * ORACLE_RANK], start[ORACLE_RANK] = {0}, step[ORACLE_RANK];
    int map[2 * ORACLE_RANK], rank = 0, axis = 0;
    uint32_t n;
    if (!full_items(s, node, x->rank, items, &n)) return false;
    for (uint32_t i = 0; i < n; i++) {
        const ej_index_item *item = &items[i];
        if (item->kind == EJ_INDEX_NEW_AXIS) {
            map[rank] = -1;
            shape[rank++] = 1;
            continue;
        }
        int64_t extent = x->shape[axis];
        step[axis] = 1;
        if (item->kind == EJ_INDEX_AT) {
            start[axis] = item->start < 0 ? item->start + extent : item->start;
            if (start[axis] < 0 || start[axis] >= extent) return oracle_refuse(s, "index");
            axis++;
            continue;
        }
        if (!item->step) return oracle_refuse(s, "step");
        start[axis] = oracle_range(item, extent, &shape[rank]);
        step[axis] = item->step;
        map[rank++] = axis++;
    }
    return view(s, out, x, rank, shape, map, start, step);
}

static bool permuted(oracle_state *s, oracle_value *out, const oracle_value *x, const int *map)
{
    int64_t shape[ORACLE_RANK];
    for (int a = 0; a < x->rank; a++) shape[a] = x->shape[map[a]];
    return view(s, out, x, x->rank, shape, map, NULL, NULL);
}

static int wrap(int64_t dim, int rank)
{
    return (int)(dim < 0 ? dim + rank : dim);
}

static bool squeeze_like(oracle_state *s, oracle_value *out, const ej_node *node, const oracle_value *x)
{
    int64_t shape[ORACLE_RANK];
    int rank = 0;
    if (node->op == EJ_OP_UNSQUEEZE) {
        int at = wrap(node->dims[0], x->rank + 1);
        if (at < 0 || at > x->rank || x->rank + 1 > ORACLE_RANK) return oracle_refuse(s, "dim");
        for (int a = 0; a <= x->rank; a++) shape[rank++] = a == at ? 1 : x->shape[a - (a > at)];
        return reshaped(s, out, x, rank, shape);
    }
    bool gone[ORACLE_RANK] = {false};
    for (uint32_t d = 0; d < node->n_dims; d++) {
        int at = wrap(node->dims[d], x->rank);
        if (at < 0 || at >= x->rank) return oracle_refuse(s, "dim");
        gone[at] = x->shape[at] == 1;
    }
    for (int a = 0; a < x->rank; a++) {
        if (gone[a] || (!node->n_dims && x->shape[a] == 1)) continue;
        shape[rank++] = x->shape[a];
    }
    return reshaped(s, out, x, rank, shape);
}

/* The library refuses other orders where the result is used; the oracle also meets those that nobody reads. */
static bool permutation(const ej_node *node, int rank, int *map)
{
    bool taken[ORACLE_RANK] = {false};
    if ((int)node->n_dims != rank) return false;
    for (int a = 0; a < rank; a++) {
        map[a] = wrap(node->dims[a], rank);
        if (map[a] < 0 || map[a] >= rank || taken[map[a]]) return false;
        taken[map[a]] = true;
    }
    return true;
}

static bool flatten(oracle_state *s, oracle_value *out, const ej_node *node, const oracle_value *x)
{
    int64_t shape[ORACLE_RANK + 1], n = 1;
    int axes = x->rank ? x->rank : 1, first = wrap(node->dims[0], axes), last = wrap(node->dims[1], axes), rank = 0;
    if (first < 0 || last >= axes || first > last) return oracle_refuse(s, "dim");
    for (int a = 0; a < x->rank; a++) {
        if (a < first || a > last) shape[rank++] = x->shape[a];
        else n *= x->shape[a];
        if (a == last) shape[rank++] = n;
    }
    if (!x->rank) shape[rank++] = 1;
    return reshaped(s, out, x, rank, shape);
}

bool oracle_layout(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *x = &s->values[node->in[0]];
    int map[ORACLE_RANK];
    for (int a = 0; a < x->rank; a++) map[a] = a;
    switch (node->op) {
    case EJ_OP_PERMUTE:
        if (!permutation(node, x->rank, map)) return oracle_refuse(s, "permute");
        return permuted(s, out, x, map);
    case EJ_OP_TRANSPOSE:
        for (int d = 0; d < 2; d++)
            if (node->dims[d] < -x->rank || node->dims[d] >= x->rank) return oracle_refuse(s, "transpose");
        map[wrap(node->dims[0], x->rank)] = wrap(node->dims[1], x->rank);
        map[wrap(node->dims[1], x->rank)] = wrap(node->dims[0], x->rank);
        return permuted(s, out, x, map);
    case EJ_OP_RESHAPE: return reshape_node(s, out, node, x);
    case EJ_OP_EXPAND: return expand_node(s, out, node, x);
    case EJ_OP_SLICE: return slice_node(s, out, node, x);
    case EJ_OP_FLATTEN: return flatten(s, out, node, x);
    case EJ_OP_UNSQUEEZE:
    case EJ_OP_SQUEEZE: return squeeze_like(s, out, node, x);
    default: return oracle_refuse(s, "operator %s", ej_op_name(node->op));
    }
}

static bool join(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *refs[64];
    oracle_value part, grown;
    int64_t shape[ORACLE_RANK], along = 0;
    bool stack = node->op == EJ_OP_STACK;
    if (!node->n_in || node->n_in > 64) return oracle_refuse(s, "cat");
    for (uint32_t i = 0; i < node->n_in; i++) refs[i] = &s->values[node->in[i]];
    int dtype = oracle_promote(refs, node->n_in), rank = refs[0]->rank + stack, dim = wrap(node->dims[0], rank);
    if (dim < 0 || dim >= rank || rank > ORACLE_RANK) return oracle_refuse(s, "dim");
    for (uint32_t i = 0; i < node->n_in; i++) along += stack ? 1 : refs[i]->shape[dim];
    for (int a = 0; a < rank; a++) shape[a] = a == dim ? along : refs[0]->shape[a - (stack && a > dim)];
    if (!oracle_make(s, out, dtype, rank, shape)) return false;
    int64_t begin = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (!oracle_as(s, &part, refs[i], dtype)) return false;
        int64_t mine[ORACLE_RANK];
        for (int a = 0; a < rank; a++) mine[a] = a == dim ? (stack ? 1 : part.shape[dim]) : shape[a];
        if (!reshaped(s, &grown, &part, rank, mine)) return false;
        for (int64_t e = 0; e < grown.n; e++) {
            int64_t position[ORACLE_RANK];
            oracle_unravel(&grown, e, position);
            position[dim] += begin;
            out->e[oracle_ravel(out, position)] = grown.e[e];
        }
        begin += mine[dim];
    }
    return true;
}

static bool gather(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *x = &s->values[node->in[0]], *index = &s->values[node->in[1]];
    int64_t shape[ORACLE_RANK];
    int dim = wrap(node->dims[0], x->rank);
    if (dim < 0 || dim >= x->rank || index->rank != 1) return oracle_refuse(s, "dim");
    for (int a = 0; a < x->rank; a++) shape[a] = a == dim ? index->n : x->shape[a];
    if (!oracle_make(s, out, x->dtype, x->rank, shape)) return false;
    for (int64_t e = 0; e < out->n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(out, e, position);
        int64_t row = index->e[position[dim]].i;
        if (row < 0 || row >= x->shape[dim]) return oracle_refuse(s, "index %lld", (long long)row);
        position[dim] = row;
        out->e[e] = x->e[oracle_ravel(x, position)];
    }
    return true;
}

/* Rows that nothing is added to are zeros, which may have met the Inf and NaN of other rows as factors (einjit.h): next
 * to one of these they can be anything. */
static void doubt_empty_rows(oracle_value *out, const oracle_value *x, const oracle_value *index, int dim)
{
    for (int64_t e = 0; e < out->n; e++) {
        int64_t position[ORACLE_RANK], row;
        bool empty = true, finite = true;
        oracle_unravel(out, e, position);
        row = position[dim];
        for (int64_t i = 0; i < index->n; i++) {
            const oracle_element *one;
            position[dim] = i;
            one = &x->e[oracle_ravel(x, position)];
            empty = empty && index->e[i].i != row;
            finite = finite && isfinite(one->re) && isfinite(one->im);
        }
        if (empty && !finite) out->e[e].err = INFINITY;
    }
}

static bool scatter(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *index = &s->values[node->in[0]], *x = &s->values[node->in[1]];
    int64_t shape[ORACLE_RANK];
    int dim = wrap(node->dims[0], x->rank);
    if (dim < 0 || dim >= x->rank || index->rank != 1 || index->n != x->shape[dim]) return oracle_refuse(s, "dim");
    for (int a = 0; a < x->rank; a++) shape[a] = a == dim ? extent_value(s, &node->extents[0]) : x->shape[a];
    if (shape[dim] < 0) return oracle_refuse(s, "count");
    if (!oracle_make(s, out, x->dtype, x->rank, shape)) return false;
    for (int64_t e = 0; e < x->n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(x, e, position);
        int64_t row = index->e[position[dim]].i;
        if (row < 0 || row >= shape[dim]) return oracle_refuse(s, "index %lld", (long long)row);
        position[dim] = row;
        oracle_element *at = &out->e[oracle_ravel(out, position)];
        int add = x->dtype == EINJIT_BOOL ? EJ_FN_LOGICAL_OR : EJ_FN_ADD;
        *at = oracle_fn(add, oracle_wide(x->dtype), oracle_wide(x->dtype), *at, x->e[e], x->e[e]);
    }
    oracle_any_order(out);
    if (ej_dtypes[x->dtype].kind >= EJ_KIND_FLOAT) doubt_empty_rows(out, x, index, dim);
    return true;
}

bool oracle_arange(oracle_state *s, oracle_value *out, const ej_node *node)
{
    int64_t n = node->n_in ? 0 : extent_value(s, &node->extents[0]);
    if (node->n_in) {
        const oracle_value *x = &s->values[node->in[0]];
        int dim = wrap(node->dims[0], x->rank);
        if (dim < 0 || dim >= x->rank) return oracle_refuse(s, "dim");
        n = x->shape[dim];
    }
    if (n < 0 || !oracle_make(s, out, EINJIT_I64, 1, &n)) return n < 0 ? oracle_refuse(s, "count") : false;
    for (int64_t e = 0; e < n; e++) out->e[e].i = e;
    return true;
}

static bool gather_places(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *x = &s->values[node->in[0]], *index = &s->values[node->in[1]];
    int dim = wrap(node->dims[0], x->rank);
    if (dim < 0 || dim >= x->rank || index->rank != x->rank || index->dtype < 0 ||
        ej_dtypes[index->dtype].kind != EJ_KIND_INT)
        return oracle_refuse(s, "gather");
    for (int a = 0; a < x->rank; a++)
        if (a != dim && index->shape[a] > x->shape[a]) return oracle_refuse(s, "gather");
    if (!oracle_make(s, out, EINJIT_I64, index->rank, index->shape)) return false;
    for (int64_t e = 0; e < out->n; e++) {
        int64_t position[ORACLE_RANK];
        oracle_unravel(out, e, position);
        position[dim] = index->e[e].i;
        if (position[dim] < 0 || position[dim] >= x->shape[dim])
            return oracle_refuse(s, "index %lld", (long long)position[dim]);
        out->e[e] = (oracle_element){.i = oracle_ravel(x, position), .err = index->e[e].err};
    }
    return true;
}

bool oracle_index(oracle_state *s, oracle_value *out, const ej_node *node)
{
    if (node->op == EJ_OP_GATHER_PLACES) return gather_places(s, out, node);
    if (node->op == EJ_OP_INDEX_SELECT) return gather(s, out, node);
    if (node->op == EJ_OP_INDEX_ADD) return scatter(s, out, node);
    return join(s, out, node);
}
