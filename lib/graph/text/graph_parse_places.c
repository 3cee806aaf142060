/* graph_parse_places.c - operators that know where an element is: arange, argmax, tril, gather, flip, flatten.
 *
 * Takes  the arguments of one call.
 * Gives  nodes, most of them over arange(x.shape[dim]), the numbers along an axis. They broadcast from the right, so
 *        that the axis is brought to the end where it is another one.
 */
#include "graph_parse.h"

static ej_parsed integer(const ej_writer *w, int64_t value)
{
    return ej_parse_number_operand(&(ej_number){.kind = EJ_KIND_INT, .integer = value}, w->call->offset);
}

static int arange_of(const ej_writer *w, ej_parsed *x, int64_t axis, ej_parsed *out)
{
    return ej_write_axes(w, EJ_OP_ARANGE, x, 1, &axis, out);
}

static int arange_to(const ej_writer *w, const ej_extent *n, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_ARANGE, .n_extents = 1, .extents = EJ_NEW(&w->p->graph->arena, ej_extent)};
    if (!node.extents) return ej_no_memory(w->p->err);
    *node.extents = *n;
    return ej_write(w, node, 0, NULL, out);
}

/* ---- arange, one_hot ---- */

#define LARGEST_NUMBER (INT64_C(1) << 60) /* their differences fit */

/* arange(start, end), arange(start, end, step): whole numbers that the text says. */
static int arange_between(const ej_writer *w, ej_parsed *out)
{
    const ej_call *call = w->call;
    int64_t bounds[3] = {0, 0, 1};
    int first = call->args[1].given ? 0 : 1; /* one number is the end */
    for (int arg = 0; arg < 3; arg++) {
        int64_t *bound = &bounds[arg == 2 ? 2 : first + arg];
        if (call->args[arg].given) EJ_TRY(ej_call_int(w->p, call, arg, bound));
        if (*bound > LARGEST_NUMBER || *bound < -LARGEST_NUMBER) return ej_call_refuse(w->p, call, arg, "within 2^60");
    }
    if (!bounds[2]) return ej_call_refuse(w->p, call, 2, "another number than 0");
    int64_t span = bounds[1] - bounds[0], n = span / bounds[2] + (span % bounds[2] != 0);
    if (span && (span < 0) != (bounds[2] < 0))
        return ej_call_refuse(w->p, call, call->args[1].given,
                              bounds[2] < 0 ? "at most the start" : "at least the start");
    ej_parsed step = integer(w, bounds[2]), start = integer(w, bounds[0]);
    EJ_TRY(arange_to(w, &(ej_extent){.n = n}, out));
    if (bounds[2] != 1) EJ_TRY(ej_write_map(w, EJ_FN_MUL, out, &step, out));
    return bounds[0] ? ej_write_map(w, EJ_FN_ADD, out, &start, out) : EINJIT_OK;
}

/* arange(n), where n may also be the name of an extent, or x.shape[axis]. */
int ej_op_arange(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed *n = &call->args[0].operand;
    ej_extent *extent;
    uint32_t one;
    bool open = n->kind == EJ_OPERAND_EXTENT || n->kind == EJ_OPERAND_SIZE;
    bool alone = !call->args[1].given && !call->args[2].given;
    bool count = alone && n->kind == EJ_OPERAND_NUMBER && n->as.number.kind == EJ_KIND_INT && n->as.number.integer >= 0;
    if (!open && !count) return arange_between(&w, out);
    if (!alone)
        return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_UNSUPPORTED, "arange of an extent starts at 0 and has step 1");
    if (n->kind == EJ_OPERAND_SIZE) {
        ej_parsed x = *n;
        x.kind = EJ_OPERAND_VALUE;
        return arange_of(&w, &x, n->as.axis, out);
    }
    EJ_TRY(ej_call_extents(p, call, 0, &one, &extent));
    return arange_to(&w, extent, out);
}

/* Numbers that are no class have a row of zeros. */
int ej_op_one_hot(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const int64_t last = -1;
    const ej_writer w = {p, call};
    ej_parsed x = call->args[0].operand, *one[] = {&x}, numbers;
    ej_extent classes = {0};
    EJ_TRY(ej_call_int(p, call, 1, &classes.n));
    if (classes.n < 0) return ej_call_refuse(p, call, 1, "how many classes there are");
    EJ_TRY(arange_to(&w, &classes, &numbers));
    EJ_TRY(ej_write_axes(&w, EJ_OP_UNSQUEEZE, &x, 1, &last, &x));
    EJ_TRY(ej_write_map(&w, EJ_FN_EQ, &x, &numbers, &x));
    return ej_write(&w, (ej_node){.op = EJ_OP_CAST, .dtype = EINJIT_I64}, 1, one, out);
}

/* ---- argmax, argmin ---- */

static int reduce_last(const ej_writer *w, int fn, ej_parsed *x, bool all, bool keepdim, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_REDUCE,
                    .fn = (uint8_t)fn,
                    .keepdim = keepdim,
                    .all_dims = all,
                    .n_dims = !all,
                    .dims = EJ_NEW_ARRAY(&w->p->graph->arena, int64_t, 1)};
    if (!node.dims) return ej_no_memory(w->p->err);
    node.dims[0] = -1;
    return ej_write(w, node, 1, &x, out);
}

/* The least of the places where x is NaN, or is the largest. That is taken of maximum(x, x), which is x: a sum or
 * product whose largest element is asked for may be computed in another order, and then no element would be equal to
 * it. */
static int first_place(const ej_writer *w, ej_parsed *x, ej_parsed *places, bool all, bool keepdim, ej_parsed *out)
{
    ej_parsed top, found, nan, none = integer(w, INT64_MAX);
    EJ_TRY(ej_write_map(w, EJ_FN_MAXIMUM, x, x, &top));
    EJ_TRY(reduce_last(w, w->call->row->detail, &top, all, true, &top));
    EJ_TRY(ej_write_map(w, EJ_FN_EQ, x, &top, &found));
    EJ_TRY(ej_write_map(w, EJ_FN_NE, x, x, &nan));
    EJ_TRY(ej_write_map(w, EJ_FN_LOGICAL_OR, &found, &nan, &found));
    EJ_TRY(ej_write_where(w, &found, places, &none, &found));
    return reduce_last(w, EINJIT_REDUCE_MIN, &found, all, keepdim, out);
}

int ej_op_arg_extreme(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed x = call->args[0].operand, places;
    bool keepdim = false;
    EJ_TRY(ej_call_bool(p, call, 2, &keepdim));
    if (!ej_call_given(call, 1)) {
        EJ_TRY(ej_write_flat(&w, &x, &places));
        EJ_TRY(arange_of(&w, &places, 0, &places));
        EJ_TRY(ej_write_like(&w, EJ_OP_RESHAPE_AS, &places, &x, &places));
        return first_place(&w, &x, &places, true, keepdim, out);
    }
    int64_t ends[2] = {0, -1};
    EJ_TRY(ej_call_int(p, call, 1, &ends[0]));
    bool last = ends[0] == -1;
    if (!last) EJ_TRY(ej_write_axes(&w, EJ_OP_TRANSPOSE, &x, 2, ends, &x));
    EJ_TRY(arange_of(&w, &x, -1, &places));
    EJ_TRY(first_place(&w, &x, &places, false, !last || keepdim, out));
    if (!last) EJ_TRY(ej_write_axes(&w, EJ_OP_TRANSPOSE, out, 2, ends, out));
    return last || keepdim ? EINJIT_OK : ej_write_axes(&w, EJ_OP_SQUEEZE, out, 1, ends, out);
}

/* ---- triangles ---- */

/* Where the column less the row is at most, or at least, the number of the diagonal. */
int ej_op_triangle(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const int64_t last = -1;
    const ej_writer w = {p, call};
    ej_parsed *x = &call->args[0].operand, columns, rows, zeros;
    int64_t which = 0;
    if (call->args[1].given) EJ_TRY(ej_call_int(p, call, 1, &which));
    ej_parsed diagonal = integer(&w, which);
    EJ_TRY(arange_of(&w, x, -1, &columns));
    EJ_TRY(arange_of(&w, x, -2, &rows));
    EJ_TRY(ej_write_axes(&w, EJ_OP_UNSQUEEZE, &rows, 1, &last, &rows));
    EJ_TRY(ej_write_map(&w, EJ_FN_SUB, &columns, &rows, &columns));
    EJ_TRY(ej_write_map(&w, call->row->detail, &columns, &diagonal, &columns));
    EJ_TRY(ej_write_like(&w, EJ_OP_ZEROS_LIKE, x, NULL, &zeros));
    return ej_write_where(&w, &columns, x, &zeros, out);
}

/* ---- gather, flip, flatten ---- */

int ej_op_gather(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed *x = &call->args[0].operand, places, taken, flat;
    ej_parsed *operands[] = {x, &call->args[2].operand}, *pair[] = {&taken, &flat};
    ej_node node = {.op = EJ_OP_GATHER_PLACES, .n_dims = 1, .dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1)};
    ej_node select = {.op = EJ_OP_INDEX_SELECT, .n_dims = 1, .dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1)};
    if (!node.dims || !select.dims) return ej_no_memory(p->err);
    EJ_TRY(ej_call_int(p, call, 1, &node.dims[0]));
    EJ_TRY(ej_write(&w, node, 2, operands, &places));
    EJ_TRY(ej_write_flat(&w, x, &taken));
    EJ_TRY(ej_write_flat(&w, &places, &flat));
    EJ_TRY(ej_write(&w, select, 2, pair, &taken));
    return ej_write_like(&w, EJ_OP_RESHAPE_AS, &taken, &places, out);
}

/* Two axes of a list that are surely the same: equal, or one counted from the end of a value whose rank is known. */
static bool names_twice(const ej_parser *p, const ej_parsed *x, uint32_t n, const int64_t *dims)
{
    const ej_node *node = x->value >= 0 && (size_t)x->value < p->graph->n_nodes ? &p->graph->nodes[x->value] : NULL;
    int32_t rank = node && node->op == EJ_OP_INPUT ? node->rank : -1;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (dims[i] == dims[k] || (rank > 0 && (dims[i] - dims[k] == rank || dims[k] - dims[i] == rank)))
                return true;
    return false;
}

static int flip_axis(const ej_writer *w, int32_t axis, ej_parsed *x)
{
    ej_node node = {0};
    if (!ej_node_slices(&w->p->graph->arena, &node, axis, INT64_MIN, INT64_MAX, -1)) return ej_no_memory(w->p->err);
    return ej_write(w, node, 1, &x, x);
}

int ej_op_flip(ej_parser *p, ej_call *call, ej_parsed *out)
{
    enum { MOST = 64 };
    const ej_writer w = {p, call};
    uint32_t n;
    int64_t *dims;
    *out = call->args[0].operand;
    EJ_TRY(ej_call_ints(p, call, 1, &n, &dims));
    if (names_twice(p, out, n, dims)) return ej_call_refuse(p, call, 1, "each axis once");
    for (uint32_t i = 0; i < n; i++) {
        if (dims[i] < -MOST || dims[i] >= MOST) return ej_call_refuse(p, call, 1, "numbers of axes");
        EJ_TRY(flip_axis(&w, (int32_t)dims[i], out));
    }
    return EINJIT_OK;
}

int ej_op_flatten(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed *x = &call->args[0].operand;
    int64_t ends[2] = {0, -1};
    if (!call->args[1].given && !call->args[2].given) return ej_write_flat(&w, x, out);
    if (call->args[1].given) EJ_TRY(ej_call_int(p, call, 1, &ends[0]));
    if (call->args[2].given) EJ_TRY(ej_call_int(p, call, 2, &ends[1]));
    return ej_write_axes(&w, EJ_OP_FLATTEN, x, 2, ends, out);
}
