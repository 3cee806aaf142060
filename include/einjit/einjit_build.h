/* einjit_build.h - graphs built by calls, a node each; and gradients. Part of einjit.h, which includes it. */
#ifndef EINJIT_BUILD_H
#define EINJIT_BUILD_H

#include "einjit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The new value is stored in *out; it is a number, owned by the graph. The first error on a graph sticks: later
 * builder calls return it. What depends on shapes or dtypes is checked when these are known, by einjit_shapes_infer and
 * einjit_compile (E_RANK, E_SHAPE, E_BROADCAST, E_DTYPE; the text names the value). Cost: that of copying the
 * arguments. */

/** An input. dtype -1 and rank -1 leave it to the observed tensor. shape[i] >= 0 is an extent; shape[i] < 0 takes the
 * symbol symbols[i] (a Python identifier; the same name is the same extent everywhere). shape NULL with symbols not
 * NULL: all extents are symbols. */
EINJIT_API int einjit_graph_input(einjit_value *out, einjit_graph *graph, const char *name, int dtype, int rank,
                                  const int64_t *shape, const char *const *symbols, einjit_error *err);
/** A constant; the tensor's elements are copied. */
EINJIT_API int einjit_graph_constant(einjit_value *out, einjit_graph *graph, const einjit_tensor *tensor,
                                     einjit_error *err);
/** Weak scalars: they take the dtype of what they meet, as Python's numbers do in NumPy 2. */
EINJIT_API int einjit_graph_float(einjit_value *out, einjit_graph *graph, double value, einjit_error *err);
EINJIT_API int einjit_graph_int(einjit_value *out, einjit_graph *graph, int64_t value, einjit_error *err);
EINJIT_API int einjit_graph_complex(einjit_value *out, einjit_graph *graph, double re, double im, einjit_error *err);
EINJIT_API int einjit_graph_bool(einjit_value *out, einjit_graph *graph, int value, einjit_error *err);

enum einjit_reduce_code {
    EINJIT_REDUCE_SUM,
    EINJIT_REDUCE_MAX,
    EINJIT_REDUCE_MIN,
    EINJIT_REDUCE_LOGSUMEXP,
    EINJIT_REDUCE_OR,
    EINJIT_REDUCE_PROD, /* einjit_graph_prod; not for einsums */
    EINJIT_REDUCE_MEAN, /* einjit_graph_mean; not for einsums */
    EINJIT_REDUCE_COUNT
};
enum einjit_combine_code { EINJIT_COMBINE_MUL, EINJIT_COMBINE_ADD, EINJIT_COMBINE_COUNT };

/** einsum over n values; see the README for the equations. */
EINJIT_API int einjit_graph_einsum(einjit_value *out, einjit_graph *graph, const char *equation, size_t n,
                                   const einjit_value *in, einjit_error *err);
/** The same over a semiring: `reduce` EINJIT_REDUCE_SUM .. _OR, `combine` EINJIT_COMBINE_*. Max and min of integer sums
 * are taken pair by pair, too, which is right as long as no sum of some of the operands wraps; where one does, strict
 * compiles alone give what the program's order does. */
EINJIT_API int einjit_graph_einsum_semiring(einjit_value *out, einjit_graph *graph, const char *equation, size_t n,
                                            const einjit_value *in, int reduce, int combine, einjit_error *err);
/** The same with integer labels: term_ranks[t] labels of term t, one after the other in `labels` (any ids >= 0);
 * the output's labels in output[0 .. output_rank). Any number of different labels. */
EINJIT_API int einjit_graph_einsum_labels(einjit_value *out, einjit_graph *graph, size_t n, const einjit_value *in,
                                          const int32_t *term_ranks, const int32_t *labels, int output_rank,
                                          const int32_t *output, einjit_error *err);
/** A pointwise operation by its name in ops.def ("exp", "add", "where", ...), operands broadcast as NumPy does. */
EINJIT_API int einjit_graph_pointwise(einjit_value *out, einjit_graph *graph, const char *name, size_t n,
                                      const einjit_value *in, einjit_error *err);
EINJIT_API int einjit_graph_add(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b,
                                einjit_error *err);
EINJIT_API int einjit_graph_sub(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b,
                                einjit_error *err);
EINJIT_API int einjit_graph_mul(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b,
                                einjit_error *err);
/** rounding: NULL (true division), "floor" or "trunc". */
EINJIT_API int einjit_graph_div(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b,
                                const char *rounding, einjit_error *err);
EINJIT_API int einjit_graph_where(einjit_value *out, einjit_graph *graph, einjit_value condition, einjit_value a,
                                  einjit_value b, einjit_error *err);
EINJIT_API int einjit_graph_to(einjit_value *out, einjit_graph *graph, einjit_value x, int dtype, einjit_error *err);
EINJIT_API int einjit_graph_matmul(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b,
                                   einjit_error *err);
/** Contract axes a_dims[i] of a with b_dims[i] of b. */
EINJIT_API int einjit_graph_tensordot(einjit_value *out, einjit_graph *graph, einjit_value a, einjit_value b, size_t n,
                                      const int64_t *a_dims, const int64_t *b_dims, einjit_error *err);
/** Reduce over the axes dims[0 .. n); dims NULL: over all. */
EINJIT_API int einjit_graph_reduce(einjit_value *out, einjit_graph *graph, int reduce, einjit_value x, size_t n,
                                   const int64_t *dims, int keepdim, einjit_error *err);
EINJIT_API int einjit_graph_sum(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n, const int64_t *dims,
                                int keepdim, einjit_error *err);
EINJIT_API int einjit_graph_softmax(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim,
                                    einjit_error *err);
/** Over the last n_dims axes; weight and bias may be -1 (none). */
EINJIT_API int einjit_graph_layer_norm(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n_dims,
                                       einjit_value weight, einjit_value bias, double eps, einjit_error *err);
EINJIT_API int einjit_graph_permute(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n,
                                    const int64_t *dims, einjit_error *err);
EINJIT_API int einjit_graph_transpose(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim0,
                                      int64_t dim1, einjit_error *err);
/** shape[i] may be -1 once: what remains. */
EINJIT_API int einjit_graph_reshape(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n,
                                    const int64_t *shape, einjit_error *err);
/** shape[i] may be -1: as it is. */
EINJIT_API int einjit_graph_expand(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n,
                                   const int64_t *shape, einjit_error *err);
EINJIT_API int einjit_graph_unsqueeze(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim,
                                      einjit_error *err);
EINJIT_API int einjit_graph_squeeze(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim,
                                    einjit_error *err);
/** x[start:stop:step] along one axis; step is not 0, and goes backwards where it is negative; INT64_MIN as start and
 * INT64_MAX as stop: left out; other negative numbers count from the end. */
EINJIT_API int einjit_graph_slice(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim, int64_t start,
                                  int64_t stop, int64_t step, einjit_error *err);
EINJIT_API int einjit_graph_cat(einjit_value *out, einjit_graph *graph, size_t n, const einjit_value *in, int64_t dim,
                                einjit_error *err);
EINJIT_API int einjit_graph_stack(einjit_value *out, einjit_graph *graph, size_t n, const einjit_value *in, int64_t dim,
                                  einjit_error *err);
/** Axes start_dim to end_dim, both counted in, as one; negative numbers count from the end. */
EINJIT_API int einjit_graph_flatten(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t start_dim,
                                    int64_t end_dim, einjit_error *err);
/** Rows of x along `dim`, picked by a vector of i32 or i64 indices, each from 0 to the extent - 1. */
EINJIT_API int einjit_graph_index_select(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim,
                                         einjit_value index, einjit_error *err);
/** out[i, j, ..] = x[.., index[i, j, ..] in the place of axis `dim`, ..], as torch.gather has it: x and the index have
 * as many axes, the index is nowhere longer than x but along `dim`, and holds i32 or i64 from 0 to x's extent there -
 * 1. */
EINJIT_API int einjit_graph_gather(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim,
                                   einjit_value index, einjit_error *err);
/** Zeros of extent `count` along `dim`, to which row e of `value` is added at index[e]. count < 0: the symbol. */
EINJIT_API int einjit_graph_index_add(einjit_value *out, einjit_graph *graph, int64_t count, const char *symbol,
                                      int64_t dim, einjit_value index, einjit_value value, einjit_error *err);
/** 0, 1, ... count - 1 as i64. count < 0: the symbol. Needs no memory where it is used: it is an axis' own number. */
EINJIT_API int einjit_graph_arange(einjit_value *out, einjit_graph *graph, int64_t count, const char *symbol,
                                   einjit_error *err);
/** The same, as many as x has along `dim`; its elements do not matter. With comparisons and einjit_graph_where, masks
 * such as triangles, and places such as argmax. */
EINJIT_API int einjit_graph_arange_like(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim,
                                        einjit_error *err);
/** The same constant, with a promise that its zeros may be dropped even where they meet Inf or NaN. */
EINJIT_API int einjit_graph_structural(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_error *err);

/* Operations some of whose operands count by their shape or dtype alone: no element of `like` is read. They are what
 * gradients are made of, for every extent that the graph takes; where shapes are known the passes say them instead. */

/** x summed over the axes that `like` does not have, or has with extent 1, so that it gets the shape of `like`: the
 * reverse of broadcasting. */
EINJIT_API int einjit_graph_sum_to_size(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like,
                                        einjit_error *err);
/** x broadcast to the shape of `like`. */
EINJIT_API int einjit_graph_expand_as(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like,
                                      einjit_error *err);
/** The elements of x in the shape of `like`. */
EINJIT_API int einjit_graph_reshape_as(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like,
                                       einjit_error *err);
/** x in the dtype of `like`; of complex numbers a real dtype keeps the real part. A floating x and an integer `like`
 * are refused with E_DTYPE when dtypes are known. */
EINJIT_API int einjit_graph_type_as(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value like,
                                    einjit_error *err);
/** Zeros of the shape and dtype of `like`. */
EINJIT_API int einjit_graph_zeros_like(einjit_value *out, einjit_graph *graph, einjit_value like, einjit_error *err);
/** x itself, of which no gradient is taken: for those it counts as a constant. */
EINJIT_API int einjit_graph_detach(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_error *err);
/** One axis more: the last axis of x on the diagonal of the last two, zeros beside it. */
EINJIT_API int einjit_graph_diag_embed(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_error *err);
/** x, but with `src` in the place of x[start:stop:step] along `dim`; bounds as in einjit_graph_slice. */
EINJIT_API int einjit_graph_slice_scatter(einjit_value *out, einjit_graph *graph, einjit_value x, einjit_value src,
                                          int64_t dim, int64_t start, int64_t stop, int64_t step, einjit_error *err);
/** The part of x that belongs to like[part], were x the cat of like[0 .. n) along `dim`. */
EINJIT_API int einjit_graph_split_as(einjit_value *out, einjit_graph *graph, einjit_value x, size_t n,
                                     const einjit_value *like, int64_t dim, size_t part, einjit_error *err);
/** x, with row e of `value` added at index[e] of `dim`; indices as in einjit_graph_index_select. */
EINJIT_API int einjit_graph_index_add_to(einjit_value *out, einjit_graph *graph, einjit_value x, int64_t dim,
                                         einjit_value index, einjit_value value, einjit_error *err);

/** The gradient of y[0 .. n_y) by wrt[0 .. n_wrt), as nodes of the same graph, so that the passes see both together:
 * out[i] is the sum over k of the Jacobian of y[k] by wrt[i], transposed, times seeds[k]; for complex numbers
 * conjugated too, which is PyTorch's convention (and by a real value the real part of that). seeds NULL, or seeds[k] <
 * 0: y[k] must have no axes, and its seed is 1; another seed has the shape of y[k] or expands to it. y and wrt may be
 * any values, also the same twice. out[i] has the shape and dtype of wrt[i]; where wrt[i] does not reach any y it is
 * zeros. Results are added with einjit_graph_output. A gradient is differentiated like any other value.
 *
 * Ties and kinks as in PyTorch: equal largest elements share evenly, abs, relu and sign have 0 at 0, rounding and
 * comparisons have 0. Of the gradient of a product over axes, the derivative at elements that are 0 leaves out products
 * without two of them.
 * Errors: E_UNSUPPORTED names an operation between wrt and y that has no gradient; E_DTYPE a wrt of integers (of
 * unknown dtype: when it is observed to be of integers); E_RANK an input whose rank the gradient needs, a y that needs
 * a seed, or an operand of an einsum on the way that has not as many axes as its term says; E_VALUE a literal. The
 * graph is then as it was, and can be gone on with: unlike other builders' errors these do not stick. Cost: linear in
 * the graph; a bounded number of nodes per operand of each node between wrt and y. */
EINJIT_API int einjit_graph_gradient(einjit_value *out, einjit_graph *graph, size_t n_y, const einjit_value *y,
                                     const einjit_value *seeds, size_t n_wrt, const einjit_value *wrt,
                                     einjit_error *err);

/** The value of that name (inputs, or what einjit_graph_print shows left of an '='); -1: there is none. Cost: a
 * look-up. */
EINJIT_API einjit_value einjit_graph_value(const einjit_graph *graph, const char *name);
/** Result i; -1 when i is out of range. */
EINJIT_API einjit_value einjit_graph_output_value(const einjit_graph *graph, size_t i);
/** How many axes a value has, where that follows from the program alone; -1: it depends on the inputs, or no memory.
 * Cost: linear in the graph. */
EINJIT_API int einjit_graph_rank(const einjit_graph *graph, einjit_value value);

/** Add a result. A graph needs at least one before it can be compiled. */
EINJIT_API int einjit_graph_output(einjit_graph *graph, einjit_value x, einjit_error *err);

#ifdef __cplusplus
}
#endif

#endif
