/* graph.h - programs as graphs: nodes in SSA order, one value a node, the value's id is the node's index.
 *
 * A graph is shape-free: extents are numbers, names or unknown; ranks and dtypes may be unknown. bind.h makes a
 * bound graph from it and the observed tensors.
 */
#ifndef EJ_GRAPH_H
#define EJ_GRAPH_H

#include "base_diag.h"
#include "base_dtype.h"
#include "base_hash.h"
#include "base_memory.h"
#include "base_print.h"

/* ---- equations (graph_equation.c) ---- */

enum { EJ_ELLIPSIS = -1 };

typedef struct ej_term {
    uint32_t n;
    int32_t *labels; /* dense ids in order of first appearance in the terms, EJ_ELLIPSIS at most once */
} ej_term;

typedef struct ej_equation {
    uint32_t n_terms;
    ej_term *terms;
    ej_term out; /* explicit in the graph, also when the text left it out */
    uint32_t n_labels;
    uint32_t *symbols;   /* label id -> code point, or the caller's integer label */
    bool integer_labels; /* symbols are integers, not code points: labels print as ej_label_code_point(id) */
} ej_equation;

/* Parse "ij,jk->ik". Checks in the order of status.def as far as no ranks are needed; n_operands SIZE_MAX: not known
 * (no operand count check). err gets the column. `equation` is copied as far as it is needed. */
int ej_equation_parse(ej_equation *out, ej_arena *arena, const char *text, size_t length, size_t n_operands,
                      einjit_error *err);
int ej_equation_from_labels(ej_equation *out, ej_arena *arena, size_t n, const int32_t *term_ranks,
                            const int32_t *labels, int output_rank, const int32_t *output, einjit_error *err);
/* "ij,jk->ik"; integer labels print as letters, then as code points from U+4E00 on, so that it can be read back. */
void ej_equation_print(ej_text *text, const ej_equation *equation);
bool ej_equation_copy(ej_arena *arena, ej_equation **out, const ej_equation *from); /* false: out of memory */
void ej_label_print(ej_text *text, const ej_equation *equation, int32_t label);     /* for messages: j, or 17, or ... */

/* Code points and integers -> dense ids, in order of arrival (graph_label.c). */
typedef struct ej_label_map {
    ej_arena *arena;
    size_t n, capacity; /* capacity: a power of two, or 0 */
    uint32_t *keys;
    int32_t *ids; /* -1 = free slot */
} ej_label_map;
enum { EJ_MAX_LABELS = 1000000 }; /* of one equation: each must have a code point to print as */
void ej_label_map_init(ej_label_map *map, ej_arena *arena);
bool ej_label_map_add(ej_label_map *map, uint32_t key, int32_t *id); /* a new key gets id n; false: out of memory */
int32_t ej_label_map_find(const ej_label_map *map, uint32_t key);    /* -1 = not there */
uint32_t ej_label_code_point(int32_t id); /* a .. z, A .. Z, U+4E00 ...; id < EJ_MAX_LABELS */
/* Makes letters[0 .. n) different: the first that asks for one keeps it, later ones and those that are `none` get the
 * first that nobody has, in the order of ej_label_code_point (integers: 0, 1, 2, ...). False: out of memory. */
bool ej_letters_settle(ej_arena *arena, uint32_t *letters, uint32_t n, uint32_t none, bool integers);
int ej_compare_labels(const void *a, const void *b); /* for qsort and bsearch over int32_t: labels, values, ids */
/* Characters of equations: bytes of the code point at text (0: not UTF-8), and what it is. */
size_t ej_utf8_decode(const char *text, size_t length, uint32_t *code_point);
bool ej_code_point_is_space(uint32_t code_point);
bool ej_code_point_is_letter(uint32_t code_point); /* can be a label */

/* An equation for given ranks: ellipses became labels (ids from equation->n_labels on, right-aligned):
 * graph_resolve.c. */
typedef struct ej_subscripts {
    uint32_t n_terms;
    ej_term *terms; /* no EJ_ELLIPSIS */
    ej_term out;
    uint32_t n_labels;
    const uint32_t *symbols; /* per label its code point, 0: none; NULL: none has any. For dumps only */
} ej_subscripts;
/* The letter of each label in dumps, all different; NULL: out of memory. */
const uint32_t *ej_subscripts_letters(ej_arena *arena, const ej_subscripts *subscripts);
int32_t ej_term_axis(const ej_term *term, int32_t label); /* the first place of it; -1: it has none */
bool ej_term_has(const ej_term *term, int32_t label);     /* or EJ_ELLIPSIS */
bool ej_term_has_once(const ej_term *term, int32_t label);
/* The term can stand for an operand of that rank. */
bool ej_term_fits(const ej_term *term, int32_t rank);
/* E_RANK names the operand. */
int ej_equation_resolve(ej_subscripts *out, ej_arena *arena, const ej_equation *equation, const int32_t *ranks,
                        einjit_error *err);

/* ---- nodes (graph_build.c) ---- */

typedef int32_t ej_value; /* index of the node */

/* EJ_OP(NAME, "word") : what kind of node. Pointwise functions share EJ_OP_MAP, `fn` says which. */
#define EJ_OP_LIST(EJ_OP) \
    EJ_OP(INPUT, "input") \
    EJ_OP(CONSTANT, "tensor") \
    EJ_OP(SCALAR, "scalar") \
    EJ_OP(EINSUM, "einsum") \
    EJ_OP(MAP, "map") \
    EJ_OP(CAST, "to") \
    EJ_OP(REDUCE, "reduce") \
    EJ_OP(SOFTMAX, "softmax") \
    EJ_OP(LAYER_NORM, "layer_norm") \
    EJ_OP(MATMUL, "matmul") \
    EJ_OP(TENSORDOT, "tensordot") \
    EJ_OP(PERMUTE, "permute") \
    EJ_OP(TRANSPOSE, "transpose") \
    EJ_OP(RESHAPE, "reshape") \
    EJ_OP(EXPAND, "expand") \
    EJ_OP(UNSQUEEZE, "unsqueeze") \
    EJ_OP(SQUEEZE, "squeeze") \
    EJ_OP(SLICE, "slice") \
    EJ_OP(CAT, "cat") \
    EJ_OP(STACK, "stack") \
    EJ_OP(INDEX_SELECT, "index_select") \
    EJ_OP(INDEX_ADD, "index_add") \
    EJ_OP(STRUCTURAL, "structural") \
    EJ_OP(CHOOSE, "choose") \
    EJ_OP(SUM_TO_SIZE, "sum_to_size") \
    EJ_OP(EXPAND_AS, "expand_as") \
    EJ_OP(RESHAPE_AS, "reshape_as") \
    EJ_OP(TYPE_AS, "type_as") \
    EJ_OP(ZEROS_LIKE, "zeros_like") \
    EJ_OP(DIAG_EMBED, "diag_embed") \
    EJ_OP(SLICE_SCATTER, "slice_scatter") \
    EJ_OP(SPLIT_AS, "split_as") \
    EJ_OP(INDEX_ADD_TO, "index_add_to") \
    EJ_OP(DETACH, "detach") \
    EJ_OP(ARANGE, "arange") \
    EJ_OP(GATHER_PLACES, "gather_places") \
    EJ_OP(FLATTEN, "flatten")

enum ej_op {
#define EJ_OP(NAME, word) EJ_OP_##NAME,
    EJ_OP_LIST(EJ_OP)
#undef EJ_OP
        EJ_OP_COUNT
};
const char *ej_op_name(int op);

/* Scalar functions: rows of ops.def, then what only plans use. */
enum ej_fn {
#define EINJIT_FN(name, NAME, arity, rule) EJ_FN_##NAME,
#include "einjit/ops.def"
#undef EINJIT_FN
    EJ_FN_COUNT
};
enum ej_fn_rule {
    EJ_RULE_ARITH,
    EJ_RULE_FLOAT,
    EJ_RULE_REALFLT,
    EJ_RULE_ORDER,
    EJ_RULE_ROUND,
    EJ_RULE_REALPART,
    EJ_RULE_COMPARE,
    EJ_RULE_EQUAL,
    EJ_RULE_LOGIC,
    EJ_RULE_SELECT,
    EJ_RULE_BITS
};
typedef struct ej_fn_info {
    const char *name;
    uint8_t arity, rule;
} ej_fn_info;
extern const ej_fn_info ej_fns[EJ_FN_COUNT];
int ej_fn_by_name(const char *name, size_t length); /* -1 = none */
bool ej_fn_is_called(int fn); /* in kernels it is code of its own, which is called for each vector */

/* An extent as the program gives it: a number, a symbol of the graph, or open to be found (-1 in reshape, expand;
 * unknown in inputs). A program extent may also be a product, as `z*4`: coefficient * all symbols. An unknown extent of
 * an input may have a name all the same (one symbol): where all axes of that name are observed to be equal they are
 * that symbol, else each has its own extent, and the operations decide whether these fit. So are the labels of one
 * einsum. */
typedef struct ej_extent {
    int64_t n; /* >= 0: the number, or the coefficient when n_symbols > 0; EJ_EXTENT_UNKNOWN */
    int32_t n_symbols;
    int32_t *symbols; /* indices into graph->symbols */
} ej_extent;
enum { EJ_EXTENT_UNKNOWN = -1 };

static inline bool ej_extent_is_symbol(const ej_extent *extent)
{
    return extent->n_symbols == 1 && extent->n == 1;
}

static inline bool ej_extent_is_named(const ej_extent *extent) /* unknown, but with a name */
{
    return extent->n_symbols == 1 && extent->n == EJ_EXTENT_UNKNOWN;
}

/* One item of an indexing expression x[...]. */
enum ej_index_kind { EJ_INDEX_RANGE, EJ_INDEX_AT, EJ_INDEX_NEW_AXIS, EJ_INDEX_ELLIPSIS };
typedef struct ej_index_item {
    uint8_t kind;
    int64_t start, stop, step; /* RANGE: INT64_MIN/INT64_MAX where left out; AT: start */
} ej_index_item;

/* A node's fields, by operator. Axes in `dims` are as written, may be negative, and count from the end then. "like y":
 * y gives its shape or dtype only.
 *
 *   INPUT          dtype (-1: any); rank (-1: any); extents: rank of them, or none
 *   CONSTANT       dtype, rank; extents: numbers; data
 *   SCALAR         fn: EJ_KIND_* of the literal; re, im (float, complex) or integer (int, bool)
 *   EINSUM         in: operands; equation; fn: EINJIT_REDUCE_*; combine: EINJIT_COMBINE_*
 *   MAP            in: arguments; fn: EJ_FN_*
 *   CAST           in: x; dtype
 *   REDUCE         in: x; fn: EINJIT_REDUCE_*; dims, or all_dims and no dims; keepdim
 *   SOFTMAX        in: x; dims: the axis
 *   LAYER_NORM     in: x, weight, bias, as far as given (integer: bit 0 weight, bit 1 bias); dims: how many last axes;
 *                  extents: these, or none; re: eps
 *   MATMUL         in: a, b
 *   TENSORDOT      in: a, b; integer -1: dims are the axes of a, then those of b; else the last `integer` axes of a
 *                  with the first ones of b
 *   PERMUTE        in: x; dims: the axes in their new order
 *   TRANSPOSE      in: x; dims: two axes
 *   RESHAPE        in: x; extents
 *   EXPAND         in: x; extents
 *   SQUEEZE        in: x; dims: axes, or none for all of extent 1
 *   UNSQUEEZE, CAT, STACK   in: operands; dims: the axis
 *   SLICE          in: x; items
 *   SLICE_SCATTER  in: x, what replaces the slice; dims: the axis; items: one range
 *   INDEX_SELECT   in: x, index; dims: the axis
 *   INDEX_ADD      in: index, value; dims: the axis; extents: one, of the result's axis
 *   INDEX_ADD_TO   in: x, index, value; dims: the axis
 *   ARANGE         extents: one, the count; or in: like y, and dims: the axis of y whose extent is the count
 *   GATHER_PLACES  in: like x, like the index; dims: the axis
 *   FLATTEN        in: x; dims: the first axis and the last
 *   SUM_TO_SIZE, EXPAND_AS, RESHAPE_AS, TYPE_AS   in: x, like y
 *   ZEROS_LIKE     in: like y
 *   STRUCTURAL     in: a CONSTANT
 *   DIAG_EMBED, DETACH   in: x
 *   SPLIT_AS       in: x, like the operands of a CAT; dims: its axis, and which of its parts this is
 *   CHOOSE         in: `integer` alternatives, then x and y of each guard; dims: three numbers a guard: the alternative
 *                  (not the first, 0) that is right only if axis p of x has the extent of axis q of y; p; q */
typedef struct ej_node {
    uint8_t op; /* EJ_OP_* */
    uint8_t fn;
    uint8_t combine;
    bool keepdim;
    bool all_dims;
    int16_t dtype;
    int32_t rank;
    uint32_t n_in;
    ej_value *in;        /* ids less than this node's */
    const char *name;    /* unique in the graph, a Python identifier */
    const char *written; /* the operator of the text that this is a step of, for messages; NULL: itself. Static */
    ej_equation *equation;
    uint32_t n_extents;
    ej_extent *extents;
    uint32_t n_dims;
    int64_t *dims;
    uint32_t n_items;
    ej_index_item *items;
    double re, im;
    int64_t integer;
    const void *data; /* row-major elements, owned by the graph's arena */
} ej_node;

typedef struct ej_graph {
    ej_arena arena;
    size_t n_nodes, cap_nodes;
    ej_node *nodes;
    size_t n_inputs, cap_inputs;
    ej_value *inputs; /* in the order of the program's parameters */
    size_t n_outputs, cap_outputs;
    ej_value *outputs;
    size_t n_symbols, cap_symbols;
    const char **symbols; /* names of extents */
    const char *name;     /* of the function: "forward" */
    bool tuple_result;    /* `return x,` : one result, but a tuple */
    int failed;           /* the first error of a builder call; sticks */
    bool moved;           /* a pass has moved numbers */
    /* How far, as a factor, values may have gone from the program's because passes moved numbers that then cancelled:
     * of f32 and c64, of f64 and c128 (opt_scalar_factor.c). At least 1 each. */
    double drift[2];
    struct ej_name_table *names; /* of nodes, and apart from them of symbols (graph_name.c) */
} ej_graph;

int ej_graph_init(ej_graph *graph, const einjit_allocator *allocator, einjit_error *err);
void ej_graph_free(ej_graph *graph);
/* Append a copy of *node (arrays are taken over: they must lie in graph->arena and belong to no other node; the name is
 * copied). name NULL: op_1, op_2, ...; a name that is no identifier, or is taken: E_NAME. */
int ej_graph_append(ej_graph *graph, const ej_node *node, ej_value *out, einjit_error *err);
int ej_graph_symbol(ej_graph *graph, const char *name, size_t length, int32_t *out, einjit_error *err); /* interned */
int ej_graph_output(ej_graph *graph, ej_value value, einjit_error *err);
/* A deep copy into a fresh graph. */
int ej_graph_copy(ej_graph *out, const ej_graph *graph, const einjit_allocator *allocator, einjit_error *err);
/* A node with arrays of its own in the arena; false: out of memory. */
bool ej_node_copy(ej_arena *arena, ej_node *out, const ej_node *from);
/* The node's operands, copied into the arena; false: out of memory. */
bool ej_node_takes(ej_arena *arena, ej_node *node, uint32_t n, const ej_value *in);
/* Makes it a slice along one axis, which counts from the side that it is nearer to: x[:, :, start:stop:step] for 2,
 * x[..., start:stop:step, :] for -2. False: no memory. */
bool ej_node_slices(ej_arena *arena, ej_node *node, int32_t axis, int64_t start, int64_t stop, int64_t step);
/* How many times each value is used, results included: array of n_nodes counts from `arena`. */
uint32_t *ej_graph_uses(const ej_graph *graph, ej_arena *arena);
struct ej_job;
/* Drop nodes that replace[] (NULL: none) maps elsewhere and nodes without use: replace[v] is v, or the value (earlier
 * or later, itself replaced or not; no cycles) that takes its place; `keep_unused` keeps dead nodes. Sorts and
 * renumbers. Inputs are never dropped. All or nothing. (graph_rewrite.c) */
int ej_graph_rewrite(ej_graph *graph, const ej_value *replace, bool keep_unused, einjit_error *err);
/* The same; values from n_old on are new and take over the name of the first value whose place they take. The job's
 * hook may end it. */
int ej_graph_rewrite_new(ej_graph *graph, const ej_value *replace, size_t n_old, bool keep_unused,
                         const struct ej_job *job);
/* Replaces each DETACH by its operand: only gradients tell them apart. scratch: for a table while the call lasts. */
int ej_graph_drop_detached(ej_graph *graph, ej_arena *scratch, einjit_error *err);
/* Drop the nodes from n on, which were appended after all that is used. (graph_rewrite.c) */
void ej_graph_forget(ej_graph *graph, size_t n);
/* Is a legal Python identifier and not a keyword. */
bool ej_is_identifier(const char *text, size_t length);
/* The value or the symbol (two name spaces) of that name; -1 = none. */
ej_value ej_graph_find_value(const ej_graph *graph, const char *name, size_t length);
int32_t ej_graph_find_symbol(const ej_graph *graph, const char *name, size_t length);
/* For graph_build.c and graph_copy.c: the table of a graph, an entry for the newest node or symbol, the name op_1,
 * op_2, ... that is free, and the table again after values were renumbered. */
int ej_names_create(ej_graph *graph, einjit_error *err);
int ej_names_add_value(ej_graph *graph, ej_value value, einjit_error *err);
int ej_names_add_symbol(ej_graph *graph, int32_t symbol, einjit_error *err);
const char *ej_names_next(ej_graph *graph, const ej_node *node); /* NULL: out of memory */
void ej_names_renumber(ej_graph *graph);
void ej_names_copy_counters(ej_graph *graph, const ej_graph *from);

/* ---- text (graph_lex.c, graph_parse*.c, graph_element.c, graph_print*.c) ----
 *
 * Parameters: `a: f32[z, 4, :]` (`:` an unknown extent, `i:` one with a name), `a: f32[()]` a scalar, `a: f32` of
 * unknown rank, `a: any[z, 4]` of unknown dtype, `a` of neither. Printing writes literals where they are used; so
 * parse(print(g)) is g up to the names and places of SCALAR nodes, and print(parse(print(g))) is print(g), byte for
 * byte. */
int ej_graph_parse(ej_graph *out, const einjit_allocator *allocator, const char *text, size_t length,
                   einjit_error *err); /* inits *out; freed by the callee on failure */
void ej_graph_print(ej_text *text, const ej_graph *graph);
/* Without its names, which become numbers: programs that differ in names of values, extents, labels and the function
 * alone print the same, node by node. numbers: n_symbols, what each symbol is called there. (graph_plain.c) */
void ej_graph_print_plain(ej_text *text, const ej_graph *graph);
void ej_graph_number_symbols(int32_t *numbers, const ej_graph *graph);
/* The graph of one equation: inputs with rank, unknown extents named by their labels where a label is an identifier.
 * `ranks` (may be NULL): of the operands; the axes that an ellipsis stands for are then named, too, aligned at the
 * right. Without them a term with an ellipsis is an input of unknown rank. */
int ej_graph_from_equation(ej_graph *out, const einjit_allocator *allocator, const ej_equation *equation,
                           const int32_t *ranks, einjit_error *err);
#define EJ_ELLIPSIS_NAME "ellipsis_" /* and a number from 1 */
/* What operand i of n is called where the caller gives no names: a, b, c, ...; x0, x1, ... when there are more than
 * letters. */
enum { EJ_OPERAND_NAME = 24 };
const char *ej_operand_name(char room[EJ_OPERAND_NAME], size_t i, size_t n);
/* Marks the symbols that a list names ("z,edges"; "...": those that an ellipsis stands for). marked: n_symbols, false
 * before. E_NAME: there is no such extent. */
int ej_graph_mark_symbols(bool *marked, const ej_graph *graph, const char *list, einjit_error *err);

/* ---- invariants (graph_verify.c) ---- */
int ej_graph_verify(const ej_graph *graph, einjit_error *err); /* E_INTERNAL, names the node */
/* What a graph is, node by node: equal for the same nodes under the same names in the same order. (graph_hash.c) */
uint64_t ej_graph_hash(const ej_graph *graph);
/* What its callers see: the function's name, the inputs in order as they are declared, how many results. */
uint64_t ej_graph_signature(const ej_graph *graph);

/* ---- passes (opt.c: the table and the runner) ---- */
enum ej_exactness {
    EJ_ROUNDS, /* the same on the reals, not in floating point: not for strict compiles */
    EJ_EXACT   /* no bit of any result changes; a pass whose rules are not all exact asks job_rules.def in strict
                * compiles */
};
typedef struct ej_pass {
    const char *name; /* word in dumps, einjit_optimize and opt_<name>.c */
    int (*run)(ej_graph *graph, struct ej_job *job, size_t *n_changed);
    uint8_t exact; /* EJ_EXACT, EJ_ROUNDS */
    const char *help;
} ej_pass;
extern const ej_pass ej_passes[];
extern const size_t ej_n_passes;
/* names: comma list, NULL = all in table order; with job->strict the exact ones, and others are refused (E_VALUE). With
 * job->verify the graph is checked before the first pass and after each (E_INTERNAL names it): its invariants, its
 * signature, and that a pass which says it changed nothing did not. Calls job->watch around each. */
int ej_opt_run(ej_graph *graph, const char *names, struct ej_job *job);

#endif
