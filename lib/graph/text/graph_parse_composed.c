/* graph_parse_composed.c - operators that are a few others: what passes, gradients and code know of those holds for
 * them.
 *
 * Takes  the arguments of one call.
 * Gives  the nodes that it stands for; so programs print as these.
 */
#include "graph_parse.h"

typedef struct writer {
    ej_parser *p;
    const ej_call *call;
} writer;

static int write(const writer *w, ej_node node, uint32_t n, ej_parsed *const *operands, ej_parsed *out)
{
    if (node.op != EJ_OP_CAST) node.dtype = -1;
    EJ_TRY(ej_parse_values(w->p, &node, n, operands));
    return ej_parse_node(w->p, &node, w->call->offset, out);
}

static int map(const writer *w, int fn, ej_parsed *a, ej_parsed *b, ej_parsed *out)
{
    ej_parsed *operands[] = {a, b};
    return write(w, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, ej_fns[fn].arity, operands, out);
}

static ej_parsed number(const writer *w, double value)
{
    return ej_parse_number_operand(&(ej_number){.kind = EJ_KIND_FLOAT, .re = value}, w->call->offset);
}

/* Over the axes of the argument, all where it is not given. */
static int reduce(const writer *w, int fn, ej_parsed *x, int dims, bool keepdim, ej_parsed *out)
{
    ej_node node = {
        .op = EJ_OP_REDUCE, .fn = (uint8_t)fn, .keepdim = keepdim, .all_dims = !ej_call_given(w->call, dims)};
    if (!node.all_dims) EJ_TRY(ej_call_ints(w->p, w->call, dims, &node.n_dims, &node.dims));
    return write(w, node, 1, &x, out);
}

/* x - logsumexp(x): what underflows in softmax(x) has a logarithm here. */
int ej_op_log_softmax(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    ej_parsed *x = &call->args[0].operand, sum;
    int64_t dim;
    EJ_TRY(ej_call_int(p, call, 1, &dim));
    EJ_TRY(reduce(&w, EINJIT_REDUCE_LOGSUMEXP, x, 1, true, &sum));
    return map(&w, EJ_FN_SUB, x, &sum, out);
}

int ej_op_clamp(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    ej_parsed x = call->args[0].operand;
    bool low = ej_call_given(call, 1), high = ej_call_given(call, 2);
    if (!low && !high) return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_VALUE, "clamp needs min, max, or both");
    if (low) EJ_TRY(map(&w, EJ_FN_MAXIMUM, &x, &call->args[1].operand, out));
    if (low) x = *out;
    return high ? map(&w, EJ_FN_MINIMUM, &x, &call->args[2].operand, out) : EINJIT_OK;
}

int ej_op_masked_fill(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    ej_parsed *operands[] = {&call->args[1].operand, &call->args[2].operand, &call->args[0].operand};
    return write(&w, (ej_node){.op = EJ_OP_MAP, .fn = EJ_FN_WHERE}, 3, operands, out);
}

/* max and min: over axes, of all elements, or of two tensors, as the second argument has it. Of a pair (values,
 * indices), which torch gives, the values. */
int ej_op_extreme(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    bool most = call->row->detail == EINJIT_REDUCE_MAX, keepdim = false;
    if (ej_call_given(call, 1) && call->args[1].operand.kind == EJ_OPERAND_VALUE) {
        if (call->args[2].given) return ej_call_refuse(p, call, 2, "left out beside two tensors");
        return map(&w, most ? EJ_FN_MAXIMUM : EJ_FN_MINIMUM, &call->args[0].operand, &call->args[1].operand, out);
    }
    EJ_TRY(ej_call_bool(p, call, 2, &keepdim));
    return reduce(&w, call->row->detail, &call->args[0].operand, 1, keepdim, out);
}

/* detail: the function of the variance that is the result, or -1. Each divides by the number of values less
 * `correction`. */
int ej_op_variance(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    ej_parsed *x = &call->args[0].operand, mean, off, conj, square, sum, ones, zeros, n, one = number(&w, 1);
    double correction = 1;
    bool keepdim = false;
    EJ_TRY(ej_call_real(p, call, 2, &correction));
    EJ_TRY(ej_call_bool(p, call, 3, &keepdim));
    ej_parsed less = number(&w, correction), none = number(&w, 0);
    EJ_TRY(reduce(&w, EINJIT_REDUCE_MEAN, x, 1, true, &mean));
    EJ_TRY(map(&w, EJ_FN_SUB, x, &mean, &off));
    EJ_TRY(map(&w, EJ_FN_CONJ, &off, NULL, &conj)); /* of complex numbers the square of what they are off by */
    EJ_TRY(map(&w, EJ_FN_MUL, &off, &conj, &square));
    EJ_TRY(map(&w, EJ_FN_REAL, &square, NULL, &square));
    if (correction == 0) {
        EJ_TRY(reduce(&w, EINJIT_REDUCE_MEAN, &square, 1, keepdim, out));
    } else {
        ej_parsed *like[] = {&square};
        EJ_TRY(reduce(&w, EINJIT_REDUCE_SUM, &square, 1, keepdim, &sum));
        EJ_TRY(write(&w, (ej_node){.op = EJ_OP_ZEROS_LIKE}, 1, like, &zeros));
        EJ_TRY(map(&w, EJ_FN_ADD, &zeros, &one, &ones));
        EJ_TRY(reduce(&w, EINJIT_REDUCE_SUM, &ones, 1, keepdim, &n)); /* how many, whatever the extents are */
        EJ_TRY(map(&w, EJ_FN_SUB, &n, &less, &n));
        EJ_TRY(map(&w, EJ_FN_MAXIMUM, &n, &none, &n)); /* of too few infinite, or no number */
        EJ_TRY(map(&w, EJ_FN_DIV, &sum, &n, out));
    }
    sum = *out;
    return call->row->detail < 0 ? EINJIT_OK : map(&w, call->row->detail, &sum, NULL, out);
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
    const writer w = {p, call};
    ej_parsed *operands[] = {&call->args[1].operand, &call->args[2].operand}, input = call->args[0].operand, product;
    EJ_TRY(write(&w, (ej_node){.op = EJ_OP_MATMUL}, 2, operands, &product));
    if (call->args[4].given) EJ_TRY(map(&w, EJ_FN_MUL, &product, &call->args[4].operand, &product));
    *out = product;
    if (call->args[3].given && is_zero(&call->args[3].operand)) return EINJIT_OK;
    if (call->args[3].given) EJ_TRY(map(&w, EJ_FN_MUL, &input, &call->args[3].operand, &input));
    return map(&w, EJ_FN_ADD, &input, &product, out);
}

/* Matrices in stacks, and nothing else: an einsum holds to that. */
int ej_op_bmm(ej_parser *p, ej_call *call, ej_parsed *out)
{
    static const char products[] = "zij,zjk->zik";
    const writer w = {p, call};
    ej_parsed *operands[] = {&call->args[0].operand, &call->args[1].operand};
    ej_node node = {.op = EJ_OP_EINSUM,
                    .fn = EINJIT_REDUCE_SUM,
                    .combine = EINJIT_COMBINE_MUL,
                    .equation = EJ_NEW(&p->graph->arena, ej_equation)};
    if (!node.equation) return ej_no_memory(p->err);
    EJ_TRY(ej_equation_parse(node.equation, &p->graph->arena, products, sizeof products - 1, 2, p->err));
    return write(&w, node, 2, operands, out);
}

int ej_op_flatten(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    ej_parsed *x = &call->args[0].operand;
    int64_t first = 0, last = -1;
    if (call->args[1].given) EJ_TRY(ej_call_int(p, call, 1, &first));
    if (call->args[2].given) EJ_TRY(ej_call_int(p, call, 2, &last));
    if (first != 0 || last != -1)
        return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_UNSUPPORTED, "flatten of some axes only: write reshape");
    ej_node node = {.op = EJ_OP_RESHAPE, .n_extents = 1, .extents = EJ_NEW(&p->graph->arena, ej_extent)};
    if (!node.extents) return ej_no_memory(p->err);
    node.extents[0].n = EJ_EXTENT_UNKNOWN;
    return write(&w, node, 1, &x, out);
}

/* ---- numbers in order ---- */

enum { MOST_NUMBERS = 1 << 20 };          /* they are part of the program */
#define LARGEST_NUMBER (INT64_C(1) << 60) /* their differences fit */

static int count_up(const writer *w, int64_t start, int64_t n, int64_t step, ej_parsed *out)
{
    ej_graph *graph = w->p->graph;
    ej_node node = {.op = EJ_OP_CONSTANT,
                    .dtype = EINJIT_I64,
                    .rank = 1,
                    .n_extents = 1,
                    .extents = EJ_NEW(&graph->arena, ej_extent)};
    int64_t *data = EJ_NEW_ARRAY(&graph->arena, int64_t, (size_t)n + 1);
    if (!node.extents || !data) return ej_no_memory(w->p->err);
    node.extents->n = n;
    node.data = data;
    for (int64_t i = 0; i < n; i++) data[i] = start + i * step;
    return ej_parse_node(w->p, &node, w->call->offset, out);
}

/* arange(end), arange(start, end), arange(start, end, step): whole numbers that the text says. */
int ej_op_arange(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    int64_t bounds[3] = {0, 0, 1};
    int first = call->args[1].given ? 0 : 1; /* one number is the end */
    for (int arg = 0; arg < 3; arg++) {
        int64_t *bound = &bounds[arg == 2 ? 2 : first + arg];
        if (call->args[arg].given) EJ_TRY(ej_call_int(p, call, arg, bound));
        if (*bound > LARGEST_NUMBER || *bound < -LARGEST_NUMBER) return ej_call_refuse(p, call, arg, "within 2^60");
    }
    if (!bounds[2]) return ej_call_refuse(p, call, 2, "another number than 0");
    int64_t span = bounds[1] - bounds[0], n = span / bounds[2] + (span % bounds[2] != 0);
    if ((span < 0) != (bounds[2] < 0)) n = 0;
    if (n > MOST_NUMBERS)
        return EJ_PARSE_FAIL(p, call->offset, EINJIT_E_LIMIT, "arange of more than %d numbers", MOST_NUMBERS);
    return count_up(&w, bounds[0], n, bounds[2], out);
}

int ej_op_one_hot(ej_parser *p, ej_call *call, ej_parsed *out)
{
    const writer w = {p, call};
    ej_parsed x = call->args[0].operand, *one[] = {&x}, numbers;
    ej_node axis = {.op = EJ_OP_UNSQUEEZE, .n_dims = 1, .dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 1)};
    int64_t n;
    if (!axis.dims) return ej_no_memory(p->err);
    axis.dims[0] = -1;
    EJ_TRY(ej_call_int(p, call, 1, &n));
    if (n < 0 || n > MOST_NUMBERS) return ej_call_refuse(p, call, 1, "how many classes there are");
    EJ_TRY(count_up(&w, 0, n, 1, &numbers));
    EJ_TRY(write(&w, axis, 1, one, &x));
    EJ_TRY(map(&w, EJ_FN_EQ, &x, &numbers, &x));
    return write(&w, (ej_node){.op = EJ_OP_CAST, .dtype = EINJIT_I64}, 1, one, out);
}

/* ---- signs and attributes ---- */

int ej_parse_transposed(ej_parser *p, bool matrices, size_t offset, ej_parsed *x)
{
    const ej_call call = {.offset = offset};
    const writer w = {p, &call};
    ej_node node = {.op = matrices ? EJ_OP_TRANSPOSE : EJ_OP_PERMUTE,
                    .n_dims = 2,
                    .dims = EJ_NEW_ARRAY(&p->graph->arena, int64_t, 2)};
    if (!node.dims) return ej_no_memory(p->err);
    node.dims[0] = matrices ? -2 : 1; /* a permutation of two axes has no meaning for more */
    node.dims[1] = matrices ? -1 : 0;
    return write(&w, node, 1, &x, x);
}
