/* graph_parse.h - what the files of the program reader share.
 *
 * The reader is one walk over the text: expressions become nodes as they are read, there is no syntax tree. What an
 * expression is worth is an ej_parsed: a value of the graph, or one of Python's own objects (a number, a tuple, a
 * string, ...) that only argument lists and literals need.
 */
#ifndef EJ_GRAPH_PARSE_H
#define EJ_GRAPH_PARSE_H

#include "graph_element.h"
#include "graph_lex.h"

enum { EJ_PARSE_DEPTH = 200 }; /* nesting of brackets, signs and powers: 1 to 2 KB of stack a level */

enum ej_operand_kind {
    EJ_OPERAND_NONE,
    EJ_OPERAND_VALUE,
    EJ_OPERAND_NUMBER,
    EJ_OPERAND_TEXT,
    EJ_OPERAND_DTYPE,
    EJ_OPERAND_LIST,
    EJ_OPERAND_EXTENT,
    EJ_OPERAND_SHAPE, /* x.shape, of the value */
    EJ_OPERAND_SIZE   /* x.shape[axis] */
};

typedef struct ej_parsed {
    uint8_t kind;
    bool tuple;     /* LIST: in parentheses or none, not in [] */
    uint32_t n;     /* LIST: items */
    ej_value value; /* VALUE; NUMBER: the node that holds it, or -1 */
    size_t offset;  /* in the text, for messages */
    union {
        ej_number number;
        struct ej_parsed *items;
        struct {
            size_t inner, inner_length; /* TEXT: bytes of the program */
            bool escaped;
        } text;
        int dtype;
        ej_extent extent;
        int64_t axis;
    } as;
} ej_parsed;

/* What a bare name stands for: the same word may be a value, an extent and a dtype. */
enum ej_names_mean { EJ_NAMES_VALUES, EJ_NAMES_EXTENTS, EJ_NAMES_DTYPES };

typedef struct ej_word {
    const char *text; /* not terminated */
    size_t length;
    uint32_t suffix;  /* the last number tried behind this name */
    bool in_text;     /* stands in the program: not to be made up for another node */
    ej_parsed *bound; /* what an assignment or parameter gave it; NULL: nothing */
} ej_word;

typedef struct ej_words {
    ej_word **slots; /* open addressing, a power of two */
    size_t n, capacity;
} ej_words;

typedef struct ej_parser {
    ej_lexer lexer;
    ej_token token; /* the current one */
    ej_graph *graph;
    ej_arena *scratch; /* for what does not outlive the parse */
    einjit_error *err;
    ej_words words;
    int names_mean; /* EJ_NAMES_* */
    int depth;
    struct ej_call *calls[EJ_PARSE_DEPTH + 1]; /* by depth, used again: argument lists would fill small stacks */
    bool waiting;                              /* `last` is not in the graph yet: an assignment may name it */
    ej_node last;
    size_t last_offset;
} ej_parser;

#define EJ_PARSE_FAIL(p, offset, code, ...) \
    ej_fail_at((p)->err, (code), (p)->lexer.text, (p)->lexer.length, (offset), __VA_ARGS__)
/* Names in messages: as many bytes of the text as are still readable. */
#define EJ_PARSE_SHOWN(length) (int)((length) < 80 ? (length) : 80)

/* ---- graph_parse.c ---- */
int ej_parse_advance(ej_parser *p);
int ej_parse_peek(const ej_parser *p, ej_token *out); /* the token behind the current one */
bool ej_parse_at(const ej_parser *p, uint32_t sign);
int ej_parse_expect(ej_parser *p, uint32_t sign, const char *where); /* takes it, or E_SYNTAX */
int ej_parse_unexpected(ej_parser *p, const char *wanted);           /* E_SYNTAX for the current token */
int ej_parse_enter(ej_parser *p); /* one level deeper: E_LIMIT; the caller takes it back with p->depth-- */

/* ---- graph_parse_word.c: words, and the names of nodes ---- */
int ej_parse_collect_words(ej_parser *p);                              /* every name of the text, once */
ej_word *ej_parse_word(ej_parser *p, const char *text, size_t length); /* added when new; NULL: out of memory */
/* A new node; it waits for its name until the next one comes. */
int ej_parse_node(ej_parser *p, const ej_node *node, size_t offset, ej_parsed *out);
int ej_parse_flush(ej_parser *p, const ej_word *name); /* append the waiting node; NULL: a made-up name */
ej_parsed ej_parse_number_operand(const ej_number *number, size_t offset);
/* The value of an operand; numbers become SCALAR nodes. E_VALUE for anything else. */
int ej_parse_value(ej_parser *p, ej_parsed *operand, ej_value *out);
int ej_parse_values(ej_parser *p, ej_node *node, uint32_t n, ej_parsed *const *operands); /* fills in, n_in */
const char *ej_operand_kind_name(const ej_parsed *operand);                               /* "a tuple" */

/* ---- graph_parse_fold.c: Python's arithmetic on numbers ---- */
int ej_parse_negate(ej_parser *p, ej_parsed *number, size_t offset);
bool ej_parse_folds(uint32_t sign); /* is this an operator that Python's numbers have and we compute */
int ej_parse_fold(ej_parser *p, uint32_t sign, size_t offset, const ej_parsed *a, const ej_parsed *b, ej_parsed *out);

/* ---- graph_parse_atom.c ---- */
int ej_parse_atom(ej_parser *p, ej_parsed *out);
/* Behind a minus: -9223372036854775808 is a number although 9223372036854775808 is none. */
int ej_parse_smallest_int(ej_parser *p, bool *found, ej_parsed *out);
int ej_parse_dtype(ej_parser *p, int *out); /* f32, torch.float32 */

/* ---- graph_parse_expr.c ---- */
int ej_parse_expression(ej_parser *p, ej_parsed *out);
int ej_parse_expressions(ej_parser *p, ej_parsed *out); /* a, b: a tuple; also one alone, as it is */

/* ---- graph_parse_index.c ---- */
int ej_parse_index(ej_parser *p, ej_parsed *x); /* behind `[`; *x becomes x[...] */

/* ---- graph_parse_call.c: argument lists ---- */
enum ej_param_kind {
    EJ_PARAM_VALUE,
    EJ_PARAM_VALUES, /* a list, or what remains */
    EJ_PARAM_INT,
    EJ_PARAM_INTS,    /* one, a tuple, or what remains */
    EJ_PARAM_EXTENTS, /* the same with names and products of names */
    EJ_PARAM_DTYPE,
    EJ_PARAM_ANY,   /* numbers, words, True and False, None: the operator looks itself */
    EJ_PARAM_NESTED /* nested lists of numbers */
};
enum { EJ_CALL_PARAMS = 6 };

typedef struct ej_param {
    const char *name, *other; /* as a keyword; `other` is a second spelling or NULL */
    uint8_t kind;
    bool optional;
    bool rest; /* takes all positional arguments that follow */
} ej_param;

typedef struct ej_argument {
    bool given;
    ej_parsed operand;
} ej_argument;

struct ej_call;
typedef struct ej_call_row {
    const char *name;
    int8_t self; /* the parameter in front of the dot; -1: not a method */
    int16_t detail;
    int (*build)(ej_parser *p, struct ej_call *call, ej_parsed *out);
    ej_param params[EJ_CALL_PARAMS];
} ej_call_row;

typedef struct ej_call {
    const ej_call_row *row;
    size_t offset; /* of the name */
    ej_argument args[EJ_CALL_PARAMS];
    struct ej_nested *nested; /* what an EJ_PARAM_NESTED held */
} ej_call;

/* name(...) at `(`; self NULL: not a method. */
int ej_parse_call(ej_parser *p, const ej_token *name, const ej_parsed *self, ej_parsed *out);
/* "argument 'dim' of sum: " in front of every message about an argument's value */
int ej_call_refuse(ej_parser *p, const ej_call *call, int arg, const char *wanted);
int ej_call_int(ej_parser *p, const ej_call *call, int arg, int64_t *out);
/* One integer or a tuple of them, in the graph's arena. */
int ej_call_ints(ej_parser *p, const ej_call *call, int arg, uint32_t *n, int64_t **out);
int ej_call_extents(ej_parser *p, const ej_call *call, int arg, uint32_t *n, ej_extent **out);
int ej_call_bool(ej_parser *p, const ej_call *call, int arg, bool *out); /* unchanged when not given */
int ej_call_real(ej_parser *p, const ej_call *call, int arg, double *out);
bool ej_call_given(const ej_call *call, int arg); /* and not None */
/* Which of the words is the string argument; E_VALUE lists them. */
int ej_call_word(ej_parser *p, const ej_call *call, int arg, const char *const *words, int n, int *out);

/* ---- graph_parse_table.c, graph_parse_op.c, graph_parse_layout.c: the operators ---- */
const ej_call_row *ej_parse_find_row(const char *name, size_t length, bool method); /* NULL: none */
/* Name i of the operators, each once; NULL behind the last one. */
const char *ej_parse_operator_name(size_t i);
int ej_op_pointwise(ej_parser *p, ej_call *call, ej_parsed *out); /* detail: EJ_FN_* */
int ej_op_div(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_einsum(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_matmul(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_tensordot(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_reduce(ej_parser *p, ej_call *call, ej_parsed *out); /* detail: EINJIT_REDUCE_* */
int ej_op_softmax(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_layer_norm(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_to(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_structural(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_permute(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_unsqueeze(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_squeeze(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_transpose(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_shape(ej_parser *p, ej_call *call, ej_parsed *out); /* detail: EJ_OP_RESHAPE or _EXPAND */
int ej_op_join(ej_parser *p, ej_call *call, ej_parsed *out);  /* detail: EJ_OP_CAT or _STACK */
int ej_op_index_select(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_index_add(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_choose(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_float(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_complex(ej_parser *p, ej_call *call, ej_parsed *out);

/* ---- graph_parse_like.c: operands that count by their shape ---- */
int ej_op_sum_to_size(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_like(ej_parser *p, ej_call *call, ej_parsed *out);  /* detail: EJ_OP_EXPAND_AS, _RESHAPE_AS, _TYPE_AS */
int ej_op_unary(ej_parser *p, ej_call *call, ej_parsed *out); /* detail: EJ_OP_ZEROS_LIKE, _DIAG_EMBED, _DETACH */
int ej_op_slice_scatter(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_split_as(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_index_add_to(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_gather_places(ej_parser *p, ej_call *call, ej_parsed *out);

/* ---- graph_parse_composed.c, graph_parse_places.c: operators that are a few others ---- */
typedef struct ej_writer {
    ej_parser *p;
    const ej_call *call; /* where errors point */
} ej_writer;
int ej_write(const ej_writer *w, ej_node node, uint32_t n, ej_parsed *const *operands, ej_parsed *out);
int ej_write_map(const ej_writer *w, int fn, ej_parsed *a, ej_parsed *b, ej_parsed *out); /* b: NULL for one operand */
int ej_write_where(const ej_writer *w, ej_parsed *mask, ej_parsed *a, ej_parsed *b, ej_parsed *out);
int ej_write_axes(const ej_writer *w, int op, ej_parsed *x, uint32_t n, const int64_t *dims, ej_parsed *out);
int ej_write_like(const ej_writer *w, int op, ej_parsed *x, ej_parsed *like, ej_parsed *out); /* like NULL: x alone */
int ej_write_flat(const ej_writer *w, ej_parsed *x, ej_parsed *out);                          /* of one axis */
int ej_op_log_softmax(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_clamp(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_masked_fill(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_extreme(ej_parser *p, ej_call *call, ej_parsed *out);  /* detail: EINJIT_REDUCE_MAX, _MIN */
int ej_op_variance(ej_parser *p, ej_call *call, ej_parsed *out); /* detail: -1, EJ_FN_SQRT */
int ej_op_addmm(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_bmm(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_flatten(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_arange(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_one_hot(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_arg_extreme(ej_parser *p, ej_call *call, ej_parsed *out); /* detail: EINJIT_REDUCE_MAX, _MIN */
int ej_op_triangle(ej_parser *p, ej_call *call, ej_parsed *out);    /* detail: EJ_FN_LE, _GE */
int ej_op_gather(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_flip(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_parse_transposed(ej_parser *p, bool matrices, size_t offset, ej_parsed *x); /* *x becomes x.mT, or x.T */

/* ---- graph_parse_constant.c ---- */
int ej_parse_nested(ej_parser *p, struct ej_nested **out); /* [[1.0, 2.0], [3.0, 4.0]] or one number */
int ej_op_tensor(ej_parser *p, ej_call *call, ej_parsed *out);
int ej_op_empty(ej_parser *p, ej_call *call, ej_parsed *out);

#endif
