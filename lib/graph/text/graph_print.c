/* graph_print.c - a graph as program text.
 *
 * Takes  a graph that ej_graph_verify accepts.
 * Gives  one operation a line under the nodes' names, unused ones too; literals stand where they are used. What is
 *        printed parses back to the same graph, and Python's ast.parse accepts it.
 * Keeps  the parser from computing: 2.0 * 3.0 would be read as 6.0, so an operation on literals only is printed as a
 *        call, mul(2.0, 3.0).
 * Not here: numbers and constants (graph_element.c).
 */
#include <string.h>

#include "graph_element.h"

enum { LONGEST_SHAPE = INT16_MAX };

typedef struct printer {
    ej_text *text;
    const ej_graph *graph;
    const uint32_t *uses;
    const ej_node *node; /* being printed */
} printer;

/* ---- parts ---- */

static bool is_literal(const printer *p, ej_value value)
{
    return p->graph->nodes[value].op == EJ_OP_SCALAR;
}

static void print_literal(ej_text *text, const ej_node *scalar)
{
    ej_number number = {.kind = scalar->fn, .integer = scalar->integer, .re = scalar->re, .im = scalar->im};
    ej_number_print(text, &number);
}

static void print_value(const printer *p, ej_value value)
{
    const ej_node *node = &p->graph->nodes[value];
    if (node->op == EJ_OP_SCALAR) print_literal(p->text, node);
    else ej_print_bytes(p->text, node->name, strlen(node->name));
}

static void print_operands(const printer *p, uint32_t first)
{
    for (uint32_t i = first; i < p->node->n_in; i++) {
        if (i > first) ej_print(p->text, ", ");
        print_value(p, p->node->in[i]);
    }
}

/* Literals that stand where they are used have no line of their own. */
static bool has_line(const printer *p, ej_value v)
{
    return p->graph->nodes[v].op != EJ_OP_INPUT && !(p->graph->nodes[v].op == EJ_OP_SCALAR && p->uses[v]);
}

static bool is_taken(const printer *p, const char *name)
{
    ej_value v = ej_graph_find_value(p->graph, name, strlen(name));
    return v >= 0 && (has_line(p, v) || p->graph->nodes[v].op == EJ_OP_INPUT);
}

/* Behind `sum = ...` Python takes every sum for that value: the function is torch.sum then. */
static void print_function(const printer *p, const char *name)
{
    if (is_taken(p, name) && !is_taken(p, "torch")) ej_print(p->text, "torch.");
    ej_print(p->text, "%s(", name);
}

static void print_dtype(const printer *p, int dtype)
{
    bool taken = is_taken(p, ej_dtypes[dtype].name) && !is_taken(p, "torch");
    ej_print(p->text, "%s%s", taken ? "torch." : "", taken ? ej_dtypes[dtype].long_name : ej_dtypes[dtype].name);
}

static void print_constant(const printer *p)
{
    if ((is_taken(p, "tensor") || is_taken(p, "empty")) && !is_taken(p, "torch")) ej_print(p->text, "torch.");
    ej_constant_print(p->text, p->node);
    print_dtype(p, p->node->dtype);
    ej_print(p->text, ")");
}

static void print_dims(ej_text *text, uint32_t n, const int64_t *dims, const char *brackets)
{
    ej_print(text, "%c", brackets[0]);
    for (uint32_t i = 0; i < n; i++) ej_print(text, "%s%lld", i ? ", " : "", (long long)dims[i]);
    ej_print(text, "%s%c", n == 1 && brackets[0] == '(' ? "," : "", brackets[1]);
}

static void print_extent(const printer *p, const ej_extent *extent)
{
    bool number = !extent->n_symbols || extent->n != 1;
    if (number) ej_print(p->text, "%lld", (long long)extent->n);
    for (int32_t i = 0; i < extent->n_symbols; i++) {
        const char *name = p->graph->symbols[extent->symbols[i]];
        if (number || i) ej_print(p->text, "*");
        ej_print_bytes(p->text, name, strlen(name));
    }
}

static void print_shape(const printer *p)
{
    ej_print(p->text, "(");
    for (uint32_t i = 0; i < p->node->n_extents; i++) {
        if (i) ej_print(p->text, ", ");
        print_extent(p, &p->node->extents[i]);
    }
    ej_print(p->text, p->node->n_extents == 1 ? ",)" : ")");
}

/* ---- pointwise ---- */

static const char *const signs[EJ_FN_COUNT] = {[EJ_FN_ADD] = "+",
                                               [EJ_FN_SUB] = "-",
                                               [EJ_FN_MUL] = "*",
                                               [EJ_FN_DIV] = "/",
                                               [EJ_FN_FLOOR_DIVIDE] = "//",
                                               [EJ_FN_POW] = "**",
                                               [EJ_FN_EQ] = "==",
                                               [EJ_FN_NE] = "!=",
                                               [EJ_FN_LT] = "<",
                                               [EJ_FN_LE] = "<=",
                                               [EJ_FN_GT] = ">",
                                               [EJ_FN_GE] = ">=",
                                               [EJ_FN_BITWISE_AND] = "&",
                                               [EJ_FN_BITWISE_OR] = "|",
                                               [EJ_FN_BITWISE_XOR] = "^",
                                               [EJ_FN_REMAINDER] = "%"};

/* -2.0 ** x would be -(2.0 ** x). */
static bool needs_brackets(const printer *p, const char *sign, ej_value left)
{
    return is_literal(p, left) && !strcmp(sign, "**");
}

static void print_infix(const printer *p, const char *sign)
{
    bool brackets = needs_brackets(p, sign, p->node->in[0]);
    if (brackets) ej_print(p->text, "(");
    print_value(p, p->node->in[0]);
    ej_print(p->text, "%s %s ", brackets ? ")" : "", sign);
    print_value(p, p->node->in[1]);
}

static void print_call(const printer *p, const char *name)
{
    print_function(p, name);
    print_operands(p, 0);
}

static void print_binary(const printer *p, const char *sign, const char *name)
{
    if (sign && !(is_literal(p, p->node->in[0]) && is_literal(p, p->node->in[1]))) {
        print_infix(p, sign);
    } else {
        print_call(p, name);
        ej_print(p->text, ")");
    }
}

static void print_map(const printer *p)
{
    int fn = p->node->fn;
    if ((fn == EJ_FN_NEG || fn == EJ_FN_BITWISE_NOT) && !is_literal(p, p->node->in[0])) {
        ej_print(p->text, fn == EJ_FN_NEG ? "-" : "~");
        print_value(p, p->node->in[0]);
    } else if (fn == EJ_FN_TRUNC_DIVIDE) {
        print_call(p, "div");
        ej_print(p->text, ", rounding_mode=\"trunc\")");
    } else if (ej_fns[fn].arity == 2) {
        print_binary(p, signs[fn], ej_fns[fn].name);
    } else {
        print_call(p, ej_fns[fn].name);
        ej_print(p->text, ")");
    }
}

/* ---- contractions, reductions, norms ---- */

static void print_einsum(const printer *p)
{
    static const char *const reduces[] = {"sum", "max", "min", "logsumexp", "or"};
    print_function(p, "einsum");
    ej_print(p->text, "\"");
    ej_equation_print(p->text, p->node->equation);
    ej_print(p->text, "\", ");
    print_operands(p, 0);
    if (p->node->fn != EINJIT_REDUCE_SUM) ej_print(p->text, ", reduce=\"%s\"", reduces[p->node->fn]);
    if (p->node->combine == EINJIT_COMBINE_ADD) ej_print(p->text, ", combine=\"add\"");
    ej_print(p->text, ")");
}

static void print_tensordot(const printer *p)
{
    const ej_node *node = p->node;
    uint32_t n = node->n_dims / 2;
    print_call(p, "tensordot");
    if (!n && node->integer >= 0) {
        ej_print(p->text, ", dims=%lld)", (long long)node->integer);
        return;
    }
    ej_print(p->text, ", dims=(");
    print_dims(p->text, n, node->dims, "[]");
    ej_print(p->text, ", ");
    print_dims(p->text, n, n ? node->dims + n : NULL, "[]");
    ej_print(p->text, "))");
}

static void print_reduce(const printer *p)
{
    static const char *const names[EINJIT_REDUCE_COUNT] = {
        [EINJIT_REDUCE_SUM] = "sum",  [EINJIT_REDUCE_MAX] = "amax",  [EINJIT_REDUCE_MIN] = "amin",
        [EINJIT_REDUCE_OR] = "any",   [EINJIT_REDUCE_PROD] = "prod", [EINJIT_REDUCE_LOGSUMEXP] = "logsumexp",
        [EINJIT_REDUCE_MEAN] = "mean"};
    const ej_node *node = p->node;
    print_call(p, names[node->fn]);
    if (node->n_dims == 1) {
        ej_print(p->text, ", dim=%lld", (long long)node->dims[0]);
    } else if (!node->all_dims) {
        ej_print(p->text, ", dim=");
        print_dims(p->text, node->n_dims, node->dims, "()");
    }
    ej_print(p->text, node->keepdim ? ", keepdim=True)" : ")");
}

/* The node knows how many axes it normalizes, not their extents: -1 each. */
static void print_layer_norm(const printer *p)
{
    const ej_node *node = p->node;
    uint32_t next = 1;
    print_function(p, "layer_norm");
    print_value(p, node->in[0]);
    ej_print(p->text, ", ");
    if (node->n_extents) {
        print_shape(p);
    } else {
        ej_print(p->text, "(");
        for (int64_t i = 0; i < node->dims[0] && i < LONGEST_SHAPE; i++) ej_print(p->text, i ? ", -1" : "-1");
        ej_print(p->text, node->dims[0] == 1 ? ",)" : ")");
    }
    for (int which = 1; which <= 2; which++) {
        if (!(node->integer & which)) continue;
        ej_print(p->text, which == 1 ? ", weight=" : ", bias=");
        print_value(p, node->in[next++]);
    }
    ej_number eps = {.kind = EJ_KIND_FLOAT, .re = node->re};
    ej_print(p->text, ", eps=");
    ej_number_print(p->text, &eps);
    ej_print(p->text, ")");
}

/* ---- layout and indexing ---- */

static void print_item(ej_text *text, const ej_index_item *item)
{
    switch (item->kind) {
    case EJ_INDEX_AT: ej_print(text, "%lld", (long long)item->start); return;
    case EJ_INDEX_NEW_AXIS: ej_print(text, "None"); return;
    case EJ_INDEX_ELLIPSIS: ej_print(text, "..."); return;
    default: break;
    }
    if (item->start != INT64_MIN) ej_print(text, "%lld", (long long)item->start);
    ej_print(text, ":");
    if (item->stop != INT64_MAX) ej_print(text, "%lld", (long long)item->stop);
    if (item->step != 1) ej_print(text, ":%lld", (long long)item->step);
}

static void print_slice(const printer *p)
{
    bool literal = is_literal(p, p->node->in[0]);
    if (literal) ej_print(p->text, "(");
    print_value(p, p->node->in[0]);
    ej_print(p->text, literal ? ")[" : "[");
    for (uint32_t i = 0; i < p->node->n_items; i++) {
        if (i) ej_print(p->text, ", ");
        print_item(p->text, &p->node->items[i]);
    }
    ej_print(p->text, p->node->n_items ? "]" : "()]");
}

/* What torch has as a method only is printed as one; a literal has no methods. */
static void print_method(const printer *p, const char *name)
{
    bool literal = is_literal(p, p->node->in[0]);
    if (literal) print_function(p, name);
    print_value(p, p->node->in[0]);
    if (literal) ej_print(p->text, ", ");
    else ej_print(p->text, ".%s(", name);
}

static void print_shaped(const printer *p)
{
    if (p->node->op == EJ_OP_EXPAND) {
        print_method(p, "expand");
    } else {
        print_call(p, "reshape");
        ej_print(p->text, ", ");
    }
    print_shape(p);
    ej_print(p->text, ")");
}

static void print_dim_call(const printer *p, const char *name)
{
    print_call(p, name);
    for (uint32_t i = 0; i < p->node->n_dims; i++) ej_print(p->text, ", %lld", (long long)p->node->dims[i]);
    ej_print(p->text, ")");
}

static void print_squeeze(const printer *p)
{
    print_call(p, "squeeze");
    if (p->node->n_dims == 1) ej_print(p->text, ", %lld", (long long)p->node->dims[0]);
    if (p->node->n_dims > 1) {
        ej_print(p->text, ", ");
        print_dims(p->text, p->node->n_dims, p->node->dims, "()");
    }
    ej_print(p->text, ")");
}

static void print_join(const printer *p)
{
    print_function(p, ej_op_name(p->node->op));
    ej_print(p->text, "[");
    print_operands(p, 0);
    ej_print(p->text, "], dim=%lld)", (long long)p->node->dims[0]);
}

static void print_indexed(const printer *p)
{
    const ej_node *node = p->node;
    bool select = node->op == EJ_OP_INDEX_SELECT;
    print_function(p, ej_op_name(node->op));
    if (select) print_value(p, node->in[0]);
    else print_extent(p, &node->extents[0]);
    ej_print(p->text, ", %lld, ", (long long)node->dims[0]);
    print_operands(p, select);
    ej_print(p->text, ")");
}

/* ---- alternatives ---- */

static void print_choose(const printer *p)
{
    const ej_node *node = p->node;
    uint32_t n = (uint32_t)node->integer;
    print_function(p, "choose");
    for (uint32_t i = 0; i < n; i++) {
        if (i) ej_print(p->text, ", ");
        print_value(p, node->in[i]);
    }
    for (uint32_t g = 0; g < node->n_dims / 3; g++) {
        const int64_t *dims = node->dims + (size_t)3 * g;
        ej_print(p->text, "%s(%lld, ", g ? ", " : ", equal=[", (long long)dims[0]);
        print_value(p, node->in[n + 2 * g]);
        ej_print(p->text, ", %lld, ", (long long)dims[1]);
        print_value(p, node->in[n + 2 * g + 1]);
        ej_print(p->text, ", %lld)", (long long)dims[2]);
    }
    ej_print(p->text, node->n_dims ? "])" : ")");
}

/* ---- operands that count by their shape ---- */

static void print_like(const printer *p)
{
    int op = p->node->op;
    bool brackets = op == EJ_OP_SUM_TO_SIZE && is_literal(p, p->node->in[1]);
    print_method(p, ej_op_name(op));
    if (brackets) ej_print(p->text, "(");
    print_value(p, p->node->in[1]);
    ej_print(p->text, brackets ? ").shape)" : op == EJ_OP_SUM_TO_SIZE ? ".shape)" : ")");
}

static void print_slice_scatter(const printer *p)
{
    const ej_index_item *item = p->node->items;
    print_call(p, "slice_scatter");
    ej_print(p->text, ", dim=%lld", (long long)p->node->dims[0]);
    if (item->start != INT64_MIN) ej_print(p->text, ", start=%lld", (long long)item->start);
    if (item->stop != INT64_MAX) ej_print(p->text, ", end=%lld", (long long)item->stop);
    if (item->step != 1) ej_print(p->text, ", step=%lld", (long long)item->step);
    ej_print(p->text, ")");
}

static void print_split(const printer *p)
{
    print_function(p, "split_as");
    print_value(p, p->node->in[0]);
    ej_print(p->text, ", [");
    print_operands(p, 1);
    ej_print(p->text, "], dim=%lld, part=%lld)", (long long)p->node->dims[0], (long long)p->node->dims[1]);
}

/* arange(n), or of as many as there are along an axis. */
static void print_arange(const printer *p)
{
    print_function(p, "arange");
    if (!p->node->n_in) {
        print_extent(p, &p->node->extents[0]);
        ej_print(p->text, ")");
        return;
    }
    bool brackets = is_literal(p, p->node->in[0]);
    if (brackets) ej_print(p->text, "(");
    print_value(p, p->node->in[0]);
    ej_print(p->text, "%s.shape[%lld])", brackets ? ")" : "", (long long)p->node->dims[0]);
}

static void print_gather_places(const printer *p)
{
    print_function(p, "gather_places");
    print_value(p, p->node->in[0]);
    ej_print(p->text, ", %lld, ", (long long)p->node->dims[0]);
    print_operands(p, 1);
    ej_print(p->text, ")");
}

/* As a method it has torch's name; the function of that name makes its zeros itself. */
static void print_index_add_to(const printer *p)
{
    print_method(p, is_literal(p, p->node->in[0]) ? "index_add_to" : "index_add");
    ej_print(p->text, "%lld, ", (long long)p->node->dims[0]);
    print_operands(p, 1);
    ej_print(p->text, ")");
}

/* ---- a line each ---- */

static void print_right_side(const printer *p)
{
    switch (p->node->op) {
    case EJ_OP_SCALAR: print_literal(p->text, p->node); break;
    case EJ_OP_CONSTANT: print_constant(p); break;
    case EJ_OP_MAP: print_map(p); break;
    case EJ_OP_EINSUM: print_einsum(p); break;
    case EJ_OP_REDUCE: print_reduce(p); break;
    case EJ_OP_LAYER_NORM: print_layer_norm(p); break;
    case EJ_OP_MATMUL: print_binary(p, "@", "matmul"); break;
    case EJ_OP_TENSORDOT: print_tensordot(p); break;
    case EJ_OP_PERMUTE:
        print_call(p, "permute");
        ej_print(p->text, ", ");
        print_dims(p->text, p->node->n_dims, p->node->dims, "()");
        ej_print(p->text, ")");
        break;
    case EJ_OP_CAST:
        print_method(p, "to");
        print_dtype(p, p->node->dtype);
        ej_print(p->text, ")");
        break;
    case EJ_OP_RESHAPE:
    case EJ_OP_EXPAND: print_shaped(p); break;
    case EJ_OP_SLICE: print_slice(p); break;
    case EJ_OP_CAT:
    case EJ_OP_STACK: print_join(p); break;
    case EJ_OP_INDEX_SELECT:
    case EJ_OP_INDEX_ADD: print_indexed(p); break;
    case EJ_OP_SQUEEZE: print_squeeze(p); break;
    case EJ_OP_CHOOSE: print_choose(p); break;
    case EJ_OP_SUM_TO_SIZE:
    case EJ_OP_EXPAND_AS:
    case EJ_OP_RESHAPE_AS:
    case EJ_OP_TYPE_AS: print_like(p); break;
    case EJ_OP_SLICE_SCATTER: print_slice_scatter(p); break;
    case EJ_OP_SPLIT_AS: print_split(p); break;
    case EJ_OP_INDEX_ADD_TO: print_index_add_to(p); break;
    case EJ_OP_ARANGE: print_arange(p); break;
    case EJ_OP_GATHER_PLACES: print_gather_places(p); break;
    case EJ_OP_SOFTMAX:
        print_call(p, "softmax");
        ej_print(p->text, ", dim=%lld)", (long long)p->node->dims[0]);
        break;
    default: print_dim_call(p, ej_op_name(p->node->op)); /* transpose, unsqueeze, structural, zeros_like, ... */
    }
}

static void print_parameter(const printer *p)
{
    const ej_node *node = p->node;
    ej_print_bytes(p->text, node->name, strlen(node->name));
    if (node->dtype < 0 && node->rank < 0) return;
    ej_print(p->text, ": %s", node->dtype < 0 ? "any" : ej_dtypes[node->dtype].name);
    if (node->rank < 0) return;
    ej_print(p->text, node->rank ? "[" : "[()");
    for (uint32_t i = 0; i < node->n_extents; i++) {
        if (i) ej_print(p->text, ", ");
        if (node->extents[i].n != EJ_EXTENT_UNKNOWN) print_extent(p, &node->extents[i]);
        else ej_print(p->text, "%s:", node->extents[i].n_symbols ? p->graph->symbols[node->extents[i].symbols[0]] : "");
    }
    ej_print(p->text, "]");
}

static void print_return(const printer *p)
{
    const ej_graph *graph = p->graph;
    ej_print(p->text, "    return ");
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (i) ej_print(p->text, ", ");
        print_value(p, graph->outputs[i]);
    }
    if (!graph->n_outputs) ej_print(p->text, "()");
    ej_print(p->text, graph->n_outputs == 1 && graph->tuple_result ? ",\n" : "\n");
}

static void print_graph(ej_text *text, const ej_graph *graph, const uint32_t *uses)
{
    printer p = {.text = text, .graph = graph, .uses = uses};
    ej_print(text, "def %s(", graph->name);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (i) ej_print(text, ", ");
        p.node = &graph->nodes[graph->inputs[i]];
        print_parameter(&p);
    }
    ej_print(text, "):\n");
    for (size_t v = 0; v < graph->n_nodes; v++) {
        p.node = &graph->nodes[v];
        if (!has_line(&p, (ej_value)v)) continue;
        ej_print(text, "    ");
        ej_print_bytes(text, p.node->name, strlen(p.node->name));
        ej_print(text, " = ");
        print_right_side(&p);
        ej_print(text, "\n");
    }
    print_return(&p);
}

void ej_graph_print(ej_text *text, const ej_graph *graph)
{
    const uint32_t *uses = ej_graph_uses(graph, text->arena);
    if (uses) print_graph(text, graph, uses);
    else text->failed = true;
}
