/* graph_parse_table.c - the operators of the program text: a row each.
 *
 * Takes  a name, as a function or a method.
 * Gives  its row: arguments in order, and who builds the node.
 * To add one: a row here, a builder in graph_parse_op.c or graph_parse_layout.c, its line in graph_print.c; one that is
 *        a few others: a row and a builder in graph_parse_composed.c or graph_parse_places.c.
 */
#include <string.h>

#include "graph_parse.h"

#define INPUT {.name = "input", .kind = EJ_PARAM_VALUE}
#define OTHER {.name = "other", .kind = EJ_PARAM_VALUE}
#define DIM {.name = "dim", .kind = EJ_PARAM_INT}
#define DTYPE {.name = "dtype", .kind = EJ_PARAM_DTYPE, .optional = true}
#define KEEPDIM {.name = "keepdim", .kind = EJ_PARAM_ANY, .optional = true}
#define OPTIONAL(word, what) {.name = word, .kind = what, .optional = true}

#define REDUCTION(word, NAME) \
    { \
        word, 0, EINJIT_REDUCE_##NAME, ej_op_reduce, \
        { \
            INPUT, OPTIONAL("dim", EJ_PARAM_INTS), KEEPDIM \
        } \
    }
#define EXTREME(word, NAME) \
    { \
        word, 0, EINJIT_REDUCE_##NAME, ej_op_extreme, \
        { \
            INPUT, {.name = "dim", .other = "other", .kind = EJ_PARAM_ANY, .optional = true}, KEEPDIM \
        } \
    }
#define ARG_EXTREME(word, NAME) \
    { \
        word, 0, EINJIT_REDUCE_##NAME, ej_op_arg_extreme, \
        { \
            INPUT, OPTIONAL("dim", EJ_PARAM_INT), KEEPDIM \
        } \
    }
#define TRIANGLE(word, fn) \
    { \
        word, 0, fn, ej_op_triangle, \
        { \
            INPUT, \
            { \
                .name = "diagonal", .other = "k", .kind = EJ_PARAM_INT, .optional = true \
            } \
        } \
    }
#define VARIANCE(word, fn) \
    { \
        word, 0, fn, ej_op_variance, \
        { \
            INPUT, OPTIONAL("dim", EJ_PARAM_INTS), \
                {.name = "correction", .other = "unbiased", .kind = EJ_PARAM_ANY, .optional = true}, KEEPDIM \
        } \
    }
#define ADDED_PRODUCT(word) \
    { \
        word, 0, 0, ej_op_addmm, \
        { \
            INPUT, {.name = "mat1", .other = "batch1", .kind = EJ_PARAM_VALUE}, \
                {.name = "mat2", .other = "batch2", .kind = EJ_PARAM_VALUE}, OPTIONAL("beta", EJ_PARAM_VALUE), \
                OPTIONAL("alpha", EJ_PARAM_VALUE) \
        } \
    }
#define SHAPED(word, op) \
    { \
        word, 0, op, ej_op_shape, \
        { \
            INPUT, \
            { \
                .name = "shape", .other = "size", .kind = EJ_PARAM_EXTENTS, .rest = true \
            } \
        } \
    }
#define JOINED(word, op) \
    { \
        word, -1, op, ej_op_join, \
        { \
            {.name = "tensors", .kind = EJ_PARAM_VALUES}, OPTIONAL("dim", EJ_PARAM_INT) \
        } \
    }

static const ej_call_row rows[] = {
    {"einsum",
     -1,
     0,
     ej_op_einsum,
     {{.name = "equation", .kind = EJ_PARAM_ANY},
      {.name = "operands", .kind = EJ_PARAM_VALUES, .rest = true},
      OPTIONAL("reduce", EJ_PARAM_ANY),
      OPTIONAL("combine", EJ_PARAM_ANY)}},
    {"matmul", 0, 0, ej_op_matmul, {INPUT, OTHER}},
    {"tensordot",
     -1,
     0,
     ej_op_tensordot,
     {{.name = "a", .kind = EJ_PARAM_VALUE}, {.name = "b", .kind = EJ_PARAM_VALUE}, OPTIONAL("dims", EJ_PARAM_ANY)}},
    {"div", 0, 0, ej_op_div, {INPUT, OTHER, OPTIONAL("rounding_mode", EJ_PARAM_ANY)}},
    {"where", 1, EJ_FN_WHERE, ej_op_pointwise, {{.name = "condition", .kind = EJ_PARAM_VALUE}, INPUT, OTHER}},
    {"pow", 0, EJ_FN_POW, ej_op_pointwise, {INPUT, {.name = "exponent", .other = "other", .kind = EJ_PARAM_VALUE}}},
    REDUCTION("sum", SUM),
    REDUCTION("amax", MAX),
    REDUCTION("amin", MIN),
    REDUCTION("mean", MEAN),
    REDUCTION("prod", PROD),
    REDUCTION("logsumexp", LOGSUMEXP),
    REDUCTION("any", OR),
    {"softmax", 0, 0, ej_op_softmax, {INPUT, DIM}},
    {"log_softmax", 0, 0, ej_op_log_softmax, {INPUT, DIM}},
    EXTREME("max", MAX),
    EXTREME("min", MIN),
    ARG_EXTREME("argmax", MAX),
    ARG_EXTREME("argmin", MIN),
    VARIANCE("var", -1),
    VARIANCE("std", EJ_FN_SQRT),
    {"clamp", 0, 0, ej_op_clamp, {INPUT, OPTIONAL("min", EJ_PARAM_VALUE), OPTIONAL("max", EJ_PARAM_VALUE)}},
    {"masked_fill",
     0,
     0,
     ej_op_masked_fill,
     {INPUT, {.name = "mask", .kind = EJ_PARAM_VALUE}, {.name = "value", .kind = EJ_PARAM_VALUE}}},
    ADDED_PRODUCT("addmm"),
    ADDED_PRODUCT("baddbmm"),
    {"bmm", 0, 0, ej_op_bmm, {INPUT, {.name = "mat2", .kind = EJ_PARAM_VALUE}}},
    {"flatten", 0, 0, ej_op_flatten, {INPUT, OPTIONAL("start_dim", EJ_PARAM_INT), OPTIONAL("end_dim", EJ_PARAM_INT)}},
    {"arange",
     -1,
     0,
     ej_op_arange,
     {{.name = "start", .kind = EJ_PARAM_EXTENTS}, OPTIONAL("end", EJ_PARAM_INT), OPTIONAL("step", EJ_PARAM_INT)}},
    TRIANGLE("tril", EJ_FN_LE),
    TRIANGLE("triu", EJ_FN_GE),
    {"gather", 0, 0, ej_op_gather, {INPUT, DIM, {.name = "index", .kind = EJ_PARAM_VALUE}}},
    {"gather_places", -1, 0, ej_op_gather_places, {INPUT, DIM, {.name = "index", .kind = EJ_PARAM_VALUE}}},
    {"flip", 0, 0, ej_op_flip, {INPUT, {.name = "dims", .other = "dim", .kind = EJ_PARAM_INTS, .rest = true}}},
    {"one_hot", -1, 0, ej_op_one_hot, {INPUT, {.name = "num_classes", .kind = EJ_PARAM_INT}}},
    {"layer_norm",
     -1,
     0,
     ej_op_layer_norm,
     {INPUT,
      {.name = "normalized_shape", .kind = EJ_PARAM_EXTENTS},
      OPTIONAL("weight", EJ_PARAM_VALUE),
      OPTIONAL("bias", EJ_PARAM_VALUE),
      OPTIONAL("eps", EJ_PARAM_ANY)}},
    {"permute", 0, 0, ej_op_permute, {INPUT, {.name = "dims", .kind = EJ_PARAM_INTS, .rest = true}}},
    {"transpose",
     0,
     0,
     ej_op_transpose,
     {INPUT, {.name = "dim0", .kind = EJ_PARAM_INT}, {.name = "dim1", .kind = EJ_PARAM_INT}}},
    SHAPED("reshape", EJ_OP_RESHAPE),
    SHAPED("view", EJ_OP_RESHAPE),
    SHAPED("expand", EJ_OP_EXPAND),
    {"unsqueeze", 0, 0, ej_op_unsqueeze, {INPUT, DIM}},
    {"squeeze", 0, 0, ej_op_squeeze, {INPUT, OPTIONAL("dim", EJ_PARAM_INTS)}},
    JOINED("cat", EJ_OP_CAT),
    JOINED("stack", EJ_OP_STACK),
    {"index_select", 0, 0, ej_op_index_select, {INPUT, DIM, {.name = "index", .kind = EJ_PARAM_VALUE}}},
    {"index_add",
     -1,
     0,
     ej_op_index_add,
     {{.name = "n", .kind = EJ_PARAM_EXTENTS},
      DIM,
      {.name = "dst", .other = "index", .kind = EJ_PARAM_VALUE},
      {.name = "value", .other = "source", .kind = EJ_PARAM_VALUE}}},
    {"to", 0, 0, ej_op_to, {INPUT, {.name = "dtype", .kind = EJ_PARAM_DTYPE}}},
    {"structural", -1, 0, ej_op_structural, {INPUT}},
    {"choose",
     -1,
     0,
     ej_op_choose,
     {{.name = "first", .kind = EJ_PARAM_VALUE},
      {.name = "others", .kind = EJ_PARAM_VALUES, .optional = true, .rest = true},
      OPTIONAL("equal", EJ_PARAM_ANY)}},
    {"sum_to_size", 0, 0, ej_op_sum_to_size, {INPUT, {.name = "size", .kind = EJ_PARAM_ANY}}},
    {"expand_as", 0, EJ_OP_EXPAND_AS, ej_op_like, {INPUT, OTHER}},
    {"reshape_as", 0, EJ_OP_RESHAPE_AS, ej_op_like, {INPUT, OTHER}},
    {"view_as", 0, EJ_OP_RESHAPE_AS, ej_op_like, {INPUT, OTHER}},
    {"type_as", 0, EJ_OP_TYPE_AS, ej_op_like, {INPUT, OTHER}},
    {"zeros_like", -1, EJ_OP_ZEROS_LIKE, ej_op_unary, {INPUT}},
    {"detach", 0, EJ_OP_DETACH, ej_op_unary, {INPUT}},
    {"diag_embed", 0, EJ_OP_DIAG_EMBED, ej_op_unary, {INPUT}},
    {"slice_scatter",
     0,
     0,
     ej_op_slice_scatter,
     {INPUT,
      {.name = "src", .kind = EJ_PARAM_VALUE},
      OPTIONAL("dim", EJ_PARAM_INT),
      OPTIONAL("start", EJ_PARAM_ANY),
      OPTIONAL("end", EJ_PARAM_ANY),
      OPTIONAL("step", EJ_PARAM_INT)}},
    {"split_as",
     -1,
     0,
     ej_op_split_as,
     {INPUT, {.name = "tensors", .kind = EJ_PARAM_VALUES}, DIM, {.name = "part", .kind = EJ_PARAM_INT}}},
    {"index_add_to",
     0,
     0,
     ej_op_index_add_to,
     {INPUT, DIM, {.name = "index", .kind = EJ_PARAM_VALUE}, {.name = "source", .kind = EJ_PARAM_VALUE}}},
    {"tensor", -1, 0, ej_op_tensor, {{.name = "data", .kind = EJ_PARAM_NESTED}, DTYPE}},
    {"empty", -1, 0, ej_op_empty, {{.name = "size", .kind = EJ_PARAM_EXTENTS, .rest = true}, DTYPE}},
    {"float", -1, 0, ej_op_float, {{.name = "x", .kind = EJ_PARAM_ANY}}},
    {"complex", -1, 0, ej_op_complex, {{.name = "real", .kind = EJ_PARAM_ANY}, OPTIONAL("imag", EJ_PARAM_ANY)}},
/* The pointwise functions; of those that have a row above, that row counts. */
#define ARITY_1 {INPUT}
#define ARITY_2 {INPUT, OTHER}
#define ARITY_3 {INPUT, OTHER, OTHER}
#define EINJIT_FN(name, NAME, arity, rule) {#name, 0, EJ_FN_##NAME, ej_op_pointwise, ARITY_##arity},
#include "einjit/ops.def"
#undef EINJIT_FN
};

/* x.index_add(...) adds to x, as in torch; index_add(n, ...) to zeros of its own. */
const ej_call_row *ej_parse_find_row(const char *name, size_t length, bool method)
{
    if (method && length == strlen("index_add") && !memcmp(name, "index_add", length)) {
        name = "index_add_to";
        length = strlen(name);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strncmp(rows[i].name, name, length) && !rows[i].name[length]) return &rows[i];
    return NULL;
}

const char *ej_parse_operator_name(size_t i)
{
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        if (ej_parse_find_row(rows[row].name, strlen(rows[row].name), false) == &rows[row] && !i--)
            return rows[row].name;
    return NULL;
}
