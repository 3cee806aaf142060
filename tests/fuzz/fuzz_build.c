/* fuzz_build.c - the builders of the C API: three bytes say which call with which arguments, right ones and wrong ones;
 * then the graph goes through all that a program does. */
#include <string.h>

#include "fuzz.h"

enum { MOST_CALLS = 40, MOST_OPERANDS = 4 };

typedef struct builder {
    einjit_graph *graph;
    fuzz_bytes choices;
    einjit_value last; /* newest value */
    einjit_error err;
} builder;

/* ---- arguments ---- */

/* A recent value; sometimes one that there is not. */
static einjit_value value(builder *b)
{
    unsigned back = fuzz_below(&b->choices, 64);
    if (back >= 60) return (einjit_value)back - 62;
    return b->last < 0 ? 0 : b->last - (einjit_value)back % (b->last + 1);
}

static int64_t dim(builder *b)
{
    static const int64_t far[] = {INT64_MAX, INT64_MIN, 1 << 20, -7};
    unsigned pick = fuzz_below(&b->choices, 64);
    return pick >= 60 ? far[pick - 60] : (int64_t)(pick % 6) - 2;
}

static int64_t extent(builder *b)
{
    static const int64_t far[] = {INT64_MAX, -1, -2, (int64_t)1 << 32};
    unsigned pick = fuzz_below(&b->choices, 64);
    return pick >= 60 ? far[pick - 60] : 1 + (int64_t)(pick % 4);
}

static size_t fill_dims(builder *b, int64_t *out, size_t most)
{
    size_t n = fuzz_below(&b->choices, (unsigned)most + 1);
    for (size_t i = 0; i < n; i++) out[i] = dim(b);
    return n;
}

static size_t fill_extents(builder *b, int64_t *out, size_t most)
{
    size_t n = fuzz_below(&b->choices, (unsigned)most + 1);
    for (size_t i = 0; i < n; i++) out[i] = extent(b);
    return n;
}

static size_t fill_values(builder *b, einjit_value *out)
{
    size_t n = fuzz_below(&b->choices, MOST_OPERANDS + 1);
    for (size_t i = 0; i < n; i++) out[i] = value(b);
    return n;
}

static int dtype(builder *b)
{
    static const int dtypes[] = {EINJIT_F32, EINJIT_F64,  EINJIT_I64, EINJIT_C64, EINJIT_I32, EINJIT_BOOL, EINJIT_C128,
                                 EINJIT_F16, EINJIT_BF16, EINJIT_I8,  EINJIT_U8,  EINJIT_I16, -1,          99};
    return dtypes[fuzz_below(&b->choices, sizeof dtypes / sizeof *dtypes)];
}

/* ---- calls ---- */

typedef int build(builder *b, einjit_value *out);

static int input(builder *b, einjit_value *out)
{
    static const char *const symbols[] = {"z", "i", "j", "k", "n", "z", "not a name", ""};
    static const char *const names[] = {"a", "b", "c", "x", "y", "z", "a", "if"};
    const char *of[4];
    int64_t shape[4];
    int rank = (int)fuzz_below(&b->choices, 5);
    for (int a = 0; a < 4; a++) of[a] = symbols[fuzz_below(&b->choices, 64) % (a ? 6 : 8)];
    for (int a = 0; a < 4; a++) shape[a] = fuzz_below(&b->choices, 2) ? extent(b) : -1;
    const char *name = names[fuzz_below(&b->choices, 8)];
    int known = dtype(b);
    if (fuzz_below(&b->choices, 8) == 1) rank = -1;
    return einjit_graph_input(out, b->graph, name, known, rank, shape, fuzz_below(&b->choices, 8) == 1 ? NULL : of,
                              &b->err);
}

static int constant(builder *b, einjit_value *out)
{
    static const double elements[64] = {1, 2, -1, 0.5, 3, 0, 4, -2};
    int64_t shape[3], n = 1;
    int rank = (int)fill_extents(b, shape, 3), type = dtype(b);
    for (int a = 0; a < rank; a++) n = n > 16 || shape[a] < 0 || shape[a] > 16 ? 1000 : n * shape[a];
    einjit_tensor tensor = {(void *)(uintptr_t)(n <= 16 ? elements : NULL), type, rank, shape, NULL};
    return einjit_graph_constant(out, b->graph, &tensor, &b->err);
}

static int literal(builder *b, einjit_value *out)
{
    switch (fuzz_below(&b->choices, 4)) {
    case 0: return einjit_graph_float(out, b->graph, (double)dim(b) * 0.5, &b->err);
    case 1: return einjit_graph_int(out, b->graph, dim(b), &b->err);
    case 2: return einjit_graph_complex(out, b->graph, (double)dim(b), 1.0, &b->err);
    default: return einjit_graph_bool(out, b->graph, (int)fuzz_below(&b->choices, 3), &b->err);
    }
}

static int einsum(builder *b, einjit_value *out)
{
    static const char *const equations[] = {"ij,jk->ik", "i,i->", "ij->ji", "ii->i", "...i,...i->...", "zi,zj,z->ij",
                                            "ij,ij",     "i,j,k", "->",     ",->",   "i->ii",          "ij,kl,->"};
    einjit_value in[MOST_OPERANDS];
    size_t n = fill_values(b, in);
    const char *equation = equations[fuzz_below(&b->choices, 12)];
    if (fuzz_below(&b->choices, 3) != 1) return einjit_graph_einsum(out, b->graph, equation, n, in, &b->err);
    int reduce = (int)fuzz_below(&b->choices, 9) - 1;
    return einjit_graph_einsum_semiring(out, b->graph, equation, n, in, reduce, (int)fuzz_below(&b->choices, 4) - 1,
                                        &b->err);
}

static int einsum_labels(builder *b, einjit_value *out)
{
    einjit_value in[MOST_OPERANDS];
    int32_t ranks[MOST_OPERANDS], labels[4 * MOST_OPERANDS], output[4];
    size_t n = fill_values(b, in), n_labels = 0;
    for (size_t t = 0; t < n; t++) {
        ranks[t] = (int32_t)fuzz_below(&b->choices, 5);
        for (int32_t a = 0; a < ranks[t]; a++) labels[n_labels++] = (int32_t)dim(b);
        if (fuzz_below(&b->choices, 32) == 31) ranks[t] = -1;
    }
    int rank = (int)fuzz_below(&b->choices, 5);
    for (int a = 0; a < rank; a++) output[a] = (int32_t)dim(b);
    return einjit_graph_einsum_labels(out, b->graph, n, in, ranks, labels, rank, output, &b->err);
}

static int pointwise(builder *b, einjit_value *out)
{
    einjit_value in[MOST_OPERANDS];
    int fn = (int)fuzz_below(&b->choices, EJ_FN_COUNT);
    size_t n = ej_fns[fn].arity;
    for (size_t i = 0; i < n; i++) in[i] = value(b);
    if (fuzz_below(&b->choices, 32) == 31) n = fill_values(b, in);
    return einjit_graph_pointwise(out, b->graph, ej_fns[fn].name, n, in, &b->err);
}

static int arithmetic(builder *b, einjit_value *out)
{
    einjit_value x = value(b), y = value(b);
    switch (fuzz_below(&b->choices, 5)) {
    case 0: return einjit_graph_mul(out, b->graph, x, y, &b->err);
    case 1: return einjit_graph_add(out, b->graph, x, y, &b->err);
    case 2: return einjit_graph_sub(out, b->graph, x, y, &b->err);
    case 3: return einjit_graph_where(out, b->graph, value(b), x, y, &b->err);
    default: return einjit_graph_div(out, b->graph, x, y, fuzz_below(&b->choices, 2) ? "floor" : NULL, &b->err);
    }
}

static int product(builder *b, einjit_value *out)
{
    int64_t a_dims[3], b_dims[3];
    einjit_value x = value(b), y = value(b);
    if (fuzz_below(&b->choices, 2)) return einjit_graph_matmul(out, b->graph, x, y, &b->err);
    size_t n = fill_dims(b, a_dims, 3);
    for (size_t i = 0; i < n; i++) b_dims[i] = dim(b);
    return einjit_graph_tensordot(out, b->graph, x, y, n, a_dims, b_dims, &b->err);
}

static int reduce(builder *b, einjit_value *out)
{
    int64_t dims[3];
    einjit_value x = value(b);
    size_t n = fill_dims(b, dims, 3);
    bool all = fuzz_below(&b->choices, 4) == 1;
    int how = (int)fuzz_below(&b->choices, EINJIT_REDUCE_COUNT + 1);
    return einjit_graph_reduce(out, b->graph, how, x, n, all ? NULL : dims, (int)fuzz_below(&b->choices, 2), &b->err);
}

static int norm(builder *b, einjit_value *out)
{
    einjit_value x = value(b);
    if (fuzz_below(&b->choices, 2)) return einjit_graph_softmax(out, b->graph, x, dim(b), &b->err);
    einjit_value weight = fuzz_below(&b->choices, 2) ? value(b) : -1, bias = fuzz_below(&b->choices, 2) ? value(b) : -1;
    return einjit_graph_layer_norm(out, b->graph, x, fuzz_below(&b->choices, 4), weight, bias, 1e-5, &b->err);
}

static int layout(builder *b, einjit_value *out)
{
    int64_t list[4];
    einjit_value x = value(b);
    size_t n;
    switch (fuzz_below(&b->choices, 8)) {
    case 0: n = fill_dims(b, list, 4); return einjit_graph_permute(out, b->graph, x, n, list, &b->err);
    case 1: list[0] = dim(b); return einjit_graph_transpose(out, b->graph, x, list[0], dim(b), &b->err);
    case 2: n = fill_extents(b, list, 4); return einjit_graph_reshape(out, b->graph, x, n, list, &b->err);
    case 3: n = fill_extents(b, list, 4); return einjit_graph_expand(out, b->graph, x, n, list, &b->err);
    case 4: return einjit_graph_unsqueeze(out, b->graph, x, dim(b), &b->err);
    case 5: return einjit_graph_squeeze(out, b->graph, x, dim(b), &b->err);
    case 6: return einjit_graph_structural(out, b->graph, x, &b->err);
    default: return einjit_graph_to(out, b->graph, x, dtype(b), &b->err);
    }
}

static int slices(builder *b, einjit_value *out)
{
    einjit_value in[MOST_OPERANDS], x = value(b), other = value(b);
    int64_t at = dim(b), start, stop;
    unsigned what = fuzz_below(&b->choices, 4);
    size_t n = what > 1 ? fill_values(b, in) : 0;
    start = dim(b);
    stop = dim(b);
    switch (what) {
    case 0: return einjit_graph_slice(out, b->graph, x, at, start, stop, dim(b), &b->err);
    case 1: return einjit_graph_slice_scatter(out, b->graph, x, other, at, start, stop, dim(b), &b->err);
    case 2: return einjit_graph_cat(out, b->graph, n, in, at, &b->err);
    default: return einjit_graph_stack(out, b->graph, n, in, at, &b->err);
    }
}

static int indexed(builder *b, einjit_value *out)
{
    einjit_value x = value(b), index = value(b), other = value(b);
    int64_t at = dim(b);
    switch (fuzz_below(&b->choices, 4)) {
    case 0: return einjit_graph_index_select(out, b->graph, x, at, index, &b->err);
    case 1: return einjit_graph_index_add(out, b->graph, extent(b), NULL, at, index, x, &b->err);
    case 2:
        return einjit_graph_index_add(out, b->graph, -1, fuzz_below(&b->choices, 4) ? "z" : "new", at, index, x,
                                      &b->err);
    default: return einjit_graph_index_add_to(out, b->graph, x, at, index, other, &b->err);
    }
}

static int like(builder *b, einjit_value *out)
{
    einjit_value in[MOST_OPERANDS], x = value(b), other = value(b);
    size_t n;
    switch (fuzz_below(&b->choices, 7)) {
    case 0: return einjit_graph_sum_to_size(out, b->graph, x, other, &b->err);
    case 1: return einjit_graph_expand_as(out, b->graph, x, other, &b->err);
    case 2: return einjit_graph_reshape_as(out, b->graph, x, other, &b->err);
    case 3: return einjit_graph_type_as(out, b->graph, x, other, &b->err);
    case 4: return einjit_graph_zeros_like(out, b->graph, x, &b->err);
    case 5: return einjit_graph_diag_embed(out, b->graph, x, &b->err);
    default: break;
    }
    n = fill_values(b, in);
    int64_t at = dim(b);
    return einjit_graph_split_as(out, b->graph, x, n, in, at, fuzz_below(&b->choices, 5), &b->err);
}

static int gradient(builder *b, einjit_value *out)
{
    einjit_value wrt[2], of[2], y = value(b), seed = fuzz_below(&b->choices, 2) ? value(b) : -1;
    wrt[0] = value(b);
    wrt[1] = value(b);
    int status = einjit_graph_gradient(of, b->graph, 1, &y, &seed, 1 + fuzz_below(&b->choices, 2), wrt, &b->err);
    if (!status) *out = of[0];
    return status;
}

static build *const builds[] = {input,     input,     constant,   literal,    einsum,  einsum,  einsum_labels,
                                pointwise, pointwise, arithmetic, arithmetic, product, reduce,  norm,
                                layout,    layout,    slices,     indexed,    like,    gradient};

/* ---- a graph ---- */

/* A failure sticks, so each call is tried on a copy: the sequence goes on without it. False: out of memory. */
static bool one_call(builder *b, einjit_context *context)
{
    einjit_value out = -1;
    build *call = builds[fuzz_below(&b->choices, sizeof builds / sizeof *builds)];
    einjit_graph *kept = fuzz_copy(context, b->graph);
    if (!kept) return false;
    kept->graph.failed = 0;
    if (fuzz_ok(call(b, &out), &b->err, "builder")) {
        if (out < 0 || (size_t)out >= einjit_graph_node_count(b->graph))
            fuzz_finding("a builder gave value %d", (int)out);
        b->last = (einjit_value)einjit_graph_node_count(b->graph) - 1;
        einjit_graph_destroy(kept);
    } else {
        einjit_graph_destroy(b->graph);
        b->graph = kept;
    }
    return true;
}

static void add_outputs(builder *b, fuzz_bytes *choices)
{
    for (unsigned n = 1 + fuzz_below(choices, 3); n > 0; n--)
        fuzz_ok(einjit_graph_output(b->graph, b->last - (einjit_value)fuzz_below(choices, 3) % (b->last + 1), &b->err),
                &b->err, "result");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t head = size < 32 ? size : 32;
    fuzz_bytes choices = {data, head};
    builder b = {.choices = {data + head, size - head}, .last = -1};
    einjit_context *context = fuzz_begin(fuzz_below(&choices, 64) == 1 ? "llvm" : "interp");
    if (!context) return 0;
    if (fuzz_ok(einjit_graph_create(&b.graph, context, &b.err), &b.err, "an empty graph")) {
        for (int n = 0; n < MOST_CALLS && b.choices.left && one_call(&b, context); n++);
        if (b.last >= 0) {
            add_outputs(&b, &choices);
            if (!b.graph->graph.failed) fuzz_graph(context, b.graph, &choices);
        }
    }
    einjit_graph_destroy(b.graph);
    fuzz_end(context);
    return 0;
}
