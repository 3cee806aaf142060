/* graph_parse_composed.c - operators that are a few others: what passes, gradients and code know of those holds for
 * them.
 *
 * Takes  the arguments of one call.
 * Gives  the nodes that it stands for; so programs print as these.
 * Not here: operators that know where an element is (graph_parse_places.c).
 */
#include "graph_parse.h"

int ej_write(const ej_writer *w, ej_node node, uint32_t n, ej_parsed *const *operands, ej_parsed *out)
{
    if (node.op != EJ_OP_CAST) node.dtype = -1;
    node.written = w->call->row->name;
    EJ_TRY(ej_parse_values(w->p, &node, n, operands));
    return ej_parse_node(w->p, &node, w->call->offset, out);
}

int ej_write_map(const ej_writer *w, int fn, ej_parsed *a, ej_parsed *b, ej_parsed *out)
{
    ej_parsed *operands[] = {a, b};
    return ej_write(w, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, ej_fns[fn].arity, operands, out);
}

int ej_write_where(const ej_writer *w, ej_parsed *mask, ej_parsed *a, ej_parsed *b, ej_parsed *out)
{
    ej_parsed *operands[] = {mask, a, b};
    return ej_write(w, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_WHERE}, 3, operands, out);
}

int ej_write_axes(const ej_writer *w, int op, ej_parsed *x, uint32_t n, const int64_t *dims, ej_parsed *out)
{
    ej_node node = {.op = (uint8_t)op, .n_dims = n, .dims = EJ_NEW_ARRAY(&w->p->graph->arena, int64_t, n)};
    if (!node.dims) return ej_no_memory(w->p->err);
    for (uint32_t i = 0; i < n; i++) node.dims[i] = dims[i];
    return ej_write(w, node, 1, &x, out);
}

int ej_write_like(const ej_writer *w, int op, ej_parsed *x, ej_parsed *like, ej_parsed *out)
{
    ej_parsed *operands[] = {x, like};
    return ej_write(w, (ej_node){.op = (uint8_t)op}, like ? 2 : 1, operands, out);
}

int ej_write_flat(const ej_writer *w, ej_parsed *x, ej_parsed *out)
{
    ej_node node = {.op = EJ_OP_RESHAPE, .n_extents = 1, .extents = EJ_NEW(&w->p->graph->arena, ej_extent)};
    if (!node.extents) return ej_no_memory(w->p->err);
    node.extents[0].n = EJ_EXTENT_UNKNOWN;
    return ej_write(w, node, 1, &x, out);
}

static ej_parsed number(const ej_writer *w, double value)
{
    return ej_parse_number_operand(&(ej_number){.kind = EJ_KIND_FLOAT, .re = value}, w->call->offset);
}

/* Over the axes of the argument, all where it is not given. */
static int reduce(const ej_writer *w, int fn, ej_parsed *x, int dims, bool keepdim, ej_parsed *out)
{
    ej_node node = {
        .op = EJ_OP_REDUCE, .fn = (uint8_t)fn, .keepdim = keepdim, .all_dims = !ej_call_given(w->call, dims)};
    if (!node.all_dims) EJ_TRY(ej_call_ints(w->p, w->call, dims, &node.n_dims, &node.dims));
    return ej_write(w, node, 1, &x, out);
}

/* x - logsumexp(x): what underflows in softmax(x) has a logarithm here. */
int ej_op_log_softmax(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed *x = &call->args[0].operand, sum;
    int64_t dim;
    EJ_TRY(ej_call_int(p, call, 1, &dim));
    EJ_TRY(reduce(&w, EINJIT_REDUCE_LOGSUMEXP, x, 1, true, &sum));
    return ej_write_map(&w, EJ_FN_SUB, x, &sum, out);
}

int ej_op_clamp(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed x = call->args[0].operand;
    bool low = ej_call_given(call, 1), high = ej_call_given(call, 2);
    if (!low && !high) return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_VALUE, "clamp needs min, max, or both");
    if (low) EJ_TRY(ej_write_map(&w, EJ_FN_MAXIMUM, &x, &call->args[1].operand, out));
    if (low) x = *out;
    return high ? ej_write_map(&w, EJ_FN_MINIMUM, &x, &call->args[2].operand, out) : EINJIT_OK;
}

int ej_op_masked_fill(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed *x = &call->args[0].operand, value;
    EJ_TRY(ej_write_like(&w, EJ_OP_TYPE_AS, &call->args[2].operand, x, &value)); /* the result has the dtype of x */
    return ej_write_where(&w, &call->args[1].operand, &value, x, out);
}

/* max and min: over axes, of all elements, or of two tensors, as the second argument has it. Of a pair (values,
 * indices), which torch gives, the values. */
int ej_op_extreme(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    bool most = call->row->detail == EINJIT_REDUCE_MAX, keepdim = false;
    if (ej_call_given(call, 1) && call->args[1].operand.kind == EJ_OPERAND_VALUE) {
        if (call->args[2].given) return ej_call_refuse(p, call, 2, "left out beside two tensors");
        return ej_write_map(&w, most ? EJ_FN_MAXIMUM : EJ_FN_MINIMUM, &call->args[0].operand, &call->args[1].operand,
                            out);
    }
    EJ_TRY(ej_call_bool(p, call, 2, &keepdim));
    return reduce(&w, call->row->detail, &call->args[0].operand, 1, keepdim, out);
}

/* n / (n - correction) in the dtype of x, the squares of n values. n is counted as i64, whatever the extents are: f16
 * ends at 65504. */
static int corrected(const ej_writer *w, ej_parsed *x, double correction, bool keepdim, ej_parsed *out)
{
    ej_number whole = {.kind = EJ_KIND_INT, .integer = 1};
    ej_parsed one = ej_parse_number_operand(&whole, w->call->offset), less = number(w, correction), none = number(w, 0);
    ej_parsed ones, n, rest;
    EJ_TRY(ej_write_like(w, EJ_OP_EXPAND_AS, &one, x, &ones));
    EJ_TRY(reduce(w, EINJIT_REDUCE_SUM, &ones, 1, keepdim, &n));
    EJ_TRY(ej_write_map(w, EJ_FN_SUB, &n, &less, &rest));
    EJ_TRY(ej_write_map(w, EJ_FN_MAXIMUM, &rest, &none, &rest)); /* of too few infinite, or no number */
    EJ_TRY(ej_write_map(w, EJ_FN_DIV, &n, &rest, &rest));
    return ej_write_like(w, EJ_OP_TYPE_AS, &rest, x, out);
}

/* detail: the function of the variance that is the result, or -1. `correction`: what the number of values is less by,
 * or as torch has it, too, whether it is `unbiased`: False and True are 0 and 1. The mean of squares, not their sum,
 * which f16 soon cannot hold. */
int ej_op_variance(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed *x = &call->args[0].operand, mean, off, conj, square, factor;
    double correction = 1;
    bool keepdim = false;
    EJ_TRY(ej_call_real(p, call, 2, &correction));
    EJ_TRY(ej_call_bool(p, call, 3, &keepdim));
    EJ_TRY(reduce(&w, EINJIT_REDUCE_MEAN, x, 1, true, &mean));
    EJ_TRY(ej_write_map(&w, EJ_FN_SUB, x, &mean, &off));
    EJ_TRY(ej_write_map(&w, EJ_FN_CONJ, &off, NULL, &conj)); /* of complex numbers the square of what they are off by */
    EJ_TRY(ej_write_map(&w, EJ_FN_MUL, &off, &conj, &square));
    EJ_TRY(ej_write_map(&w, EJ_FN_REAL, &square, NULL, &square));
    EJ_TRY(reduce(&w, EINJIT_REDUCE_MEAN, &square, 1, keepdim, &mean));
    *out = mean;
    if (correction != 0) {
        EJ_TRY(corrected(&w, &square, correction, keepdim, &factor));
        EJ_TRY(ej_write_map(&w, EJ_FN_MUL, &mean, &factor, out));
    }
    mean = *out;
    return call->row->detail < 0 ? EINJIT_OK : ej_write_map(&w, call->row->detail, &mean, NULL, out);
}

static bool is_zero(const ej_parsed *a)
{
    const ej_number *n = &a->as.number;
    return a->kind == EJ_OPERAND_NUMBER &&
           (n->kind <= EJ_KIND_INT ? !n->integer : n->kind == EJ_KIND_FLOAT && n->re == 0);
}

/* beta * input + alpha * (a @ b), without the input where the text says that beta is 0: no NaN comes of it. With the
 * output's memory for `input`: einjit_compile_options.beta. */
int ej_op_addmm(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const ej_writer w = {p, call};
    ej_parsed *operands[] = {&call->args[1].operand, &call->args[2].operand}, input = call->args[0].operand, product;
    EJ_TRY(ej_write(&w, (ej_node){.op = EJ_OP_MATMUL}, 2, operands, &product));
    if (call->args[4].given) EJ_TRY(ej_write_map(&w, EJ_FN_MUL, &product, &call->args[4].operand, &product));
    *out = product;
    if (call->args[3].given && is_zero(&call->args[3].operand)) return EINJIT_OK;
    if (call->args[3].given) EJ_TRY(ej_write_map(&w, EJ_FN_MUL, &input, &call->args[3].operand, &input));
    return ej_write_map(&w, EJ_FN_ADD, &input, &product, out);
}

/* Matrices in stacks, and nothing else: an einsum holds to that. */
int ej_op_bmm(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const char products[] = "zij,zjk->zik";
    const ej_writer w = {p, call};
    ej_parsed *operands[] = {&call->args[0].operand, &call->args[1].operand};
    ej_node node = {.op = EJ_OP_EINSUM,
                    .fn = EINJIT_REDUCE_SUM,
                    .combine = EINJIT_COMBINE_MUL,
                    .equation = EJ_NEW(&p->graph->arena, ej_equation)};
    if (!node.equation) return ej_no_memory(p->err);
    EJ_TRY(ej_equation_parse(node.equation, &p->graph->arena, products, sizeof products - 1, 2, p->err));
    return ej_write(&w, node, 2, operands, out);
}

/* ---- signs and attributes ---- */

int ej_parse_transposed(ej_parser *p, bool matrices, size_t offset, ej_parsed *x)
{
    static const ej_call_row rows[] = {{.name = ".T"}, {.name = ".mT"}};
    const ej_call call = {.row = &rows[matrices], .offset = offset};
    const ej_writer w = {p, &call};
    if (matrices) return ej_write_axes(&w, EJ_OP_TRANSPOSE, x, 2, (const int64_t[]){-2, -1}, x);
    return ej_write_axes(&w, EJ_OP_PERMUTE, x, 2, (const int64_t[]){1, 0}, x); /* only matrices have two axes */
}
