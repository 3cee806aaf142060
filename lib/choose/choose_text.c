/* choose_text.c - a bound graph as a program again: what users see of the decisions.
 *
 * Takes  a bound graph and the program that it came from.
 * Gives  a graph that means the same for the sizes it was bound to, with the names that all later stages use: the
 *        program's where values are still there, those of their parts.
 * Keeps  open extents as their names, where they are products of names; others as they were observed.
 */
#include <string.h>

#include "choose_core.h"
#include "graph_element.h"

typedef struct writer {
    ej_graph *out;
    const ej_bound *bound;
    const ej_graph *program;
    ej_job *job;
    ej_value *values;  /* per bound node; -1: a number that is no literal yet */
    ej_value *numbers; /* per bound SCALAR: written as a tensor, -1: nowhere yet */
} writer;

/* ---- names ---- */

/* The name that later stages know v by: the program's, or that of a part of one of its values; NULL: none. */
static const char *own_name(const writer *w, ej_value v)
{
    const ej_bound_node *node = &w->bound->nodes[v];
    if (!node->name || !ej_is_identifier(node->name, strlen(node->name))) return NULL;
    if (!node->is_part) {
        ej_value value = ej_graph_find_value(w->program, node->name, strlen(node->name));
        if (value < 0 || (size_t)value >= w->bound->n_values || w->bound->of_value[value] != v) return NULL;
    }
    return node->name;
}

/* A node under its name where that is free, else under a new one that is none of the program's. */
static int append(writer *w, ej_node *node, ej_value *out)
{
    if (node->name && ej_graph_find_value(w->out, node->name, strlen(node->name)) >= 0) node->name = NULL;
    bool given = node->name;
    while (!given) {
        node->name = ej_names_next(w->out, node);
        if (!node->name) return ej_no_memory(w->job->err);
        given = ej_graph_find_value(w->program, node->name, strlen(node->name)) < 0;
    }
    return ej_graph_append(w->out, node, out, w->job->err);
}

/* ---- extents ---- */

static int copy_symbols(writer *w, ej_extent *out, const ej_monomial *term)
{
    const ej_sizes *sizes = &w->bound->sizes;
    out->symbols = EJ_NEW_ARRAY(&w->out->arena, int32_t, (size_t)term->n_atoms);
    if (!out->symbols) return ej_no_memory(w->job->err);
    out->n = term->coefficient;
    out->n_symbols = term->n_atoms;
    for (int32_t i = 0; i < term->n_atoms; i++) {
        const char *name = sizes->atoms[term->atoms[i]].name;
        EJ_TRY(ej_graph_symbol(w->out, name, strlen(name), &out->symbols[i], w->job->err));
    }
    return EINJIT_OK;
}

static int write_extent(writer *w, ej_size size, ej_extent *out)
{
    const ej_sizes *sizes = &w->bound->sizes;
    *out = (ej_extent){.n = size.n};
    if (!size.e || sizes->exprs[size.e - 1].n_terms != 1) return EINJIT_OK;
    const ej_monomial *term = &sizes->exprs[size.e - 1].terms[0];
    if (term->coefficient < 1) return EINJIT_OK;
    for (int32_t i = 0; i < term->n_atoms; i++)
        if (sizes->atoms[term->atoms[i]].kind != EJ_ATOM_SYMBOL) return EINJIT_OK;
    return copy_symbols(w, out, term);
}

static int write_extents(writer *w, ej_node *node, int32_t rank, const ej_size *shape)
{
    node->n_extents = (uint32_t)rank;
    node->extents = EJ_NEW_ARRAY(&w->out->arena, ej_extent, (size_t)rank);
    if (!node->extents) return ej_no_memory(w->job->err);
    for (int32_t i = 0; i < rank; i++) EJ_TRY(write_extent(w, shape[i], &node->extents[i]));
    return EINJIT_OK;
}

/* ---- einsums ---- */

/* Numbers among the operands of a sum of products are written as a multiplication behind it, if anything else is
 * left. */
static bool is_factor(const writer *w, const ej_bound_node *from, uint32_t operand)
{
    bool product = from->op == EJ_OP_EINSUM && from->fn == EINJIT_REDUCE_SUM && from->combine == EINJIT_COMBINE_MUL;
    if (!product || !ej_is_scalar_operand(w->bound, from->in[operand])) return false;
    for (uint32_t i = 0; i < from->n_in; i++)
        if (!ej_is_scalar_operand(w->bound, from->in[i])) return true;
    return false;
}

static int copy_term(writer *w, ej_term *out, const ej_term *term, const int32_t *ids)
{
    out->n = term->n;
    out->labels = EJ_NEW_ARRAY(&w->out->arena, int32_t, term->n);
    if (!out->labels) return ej_no_memory(w->job->err);
    for (uint32_t i = 0; i < term->n; i++) out->labels[i] = ids[term->labels[i]];
    return EINJIT_OK;
}

/* Equations number their labels as they appear. */
static int number_labels(writer *w, const ej_subscripts *s, int32_t **out, int32_t **old, uint32_t *n)
{
    int32_t *ids = EJ_JOB_ARRAY(w->job, int32_t, s->n_labels);
    *old = EJ_JOB_ARRAY(w->job, int32_t, s->n_labels);
    if (!ids || !*old) return ej_no_memory(w->job->err);
    for (uint32_t l = 0; l < s->n_labels; l++) ids[l] = -1;
    *n = 0;
    for (uint32_t t = 0; t < s->n_terms; t++)
        for (uint32_t i = 0; i < s->terms[t].n; i++) {
            int32_t label = s->terms[t].labels[i];
            if (ids[label] < 0) (*old)[*n] = label, ids[label] = (int32_t)(*n)++;
        }
    *out = ids;
    return EINJIT_OK;
}

/* The program's letters; what has none gets the first that is free. */
static int choose_letters(writer *w, ej_equation *equation, const ej_subscripts *s, const int32_t *old)
{
    const uint32_t *letters = ej_subscripts_letters(w->job->arena, s);
    equation->symbols = EJ_NEW_ARRAY(&w->out->arena, uint32_t, equation->n_labels);
    if (!letters || !equation->symbols) return ej_no_memory(w->job->err);
    for (uint32_t l = 0; l < equation->n_labels; l++) equation->symbols[l] = letters[old[l]];
    return EINJIT_OK;
}

static int write_einsum(writer *w, const ej_bound_node *from, ej_node *node)
{
    const ej_subscripts *s = from->subscripts;
    int32_t *ids = NULL, *old = NULL;
    ej_equation *equation = EJ_NEW(&w->out->arena, ej_equation);
    if (!equation) return ej_no_memory(w->job->err);
    EJ_TRY(number_labels(w, s, &ids, &old, &equation->n_labels));
    equation->terms = EJ_NEW_ARRAY(&w->out->arena, ej_term, s->n_terms);
    if (!equation->terms) return ej_no_memory(w->job->err);
    for (uint32_t t = 0; t < s->n_terms; t++) {
        if (is_factor(w, from, t)) continue;
        node->in[equation->n_terms] = node->in[t];
        EJ_TRY(copy_term(w, &equation->terms[equation->n_terms++], &s->terms[t], ids));
    }
    node->n_in = equation->n_terms;
    EJ_TRY(copy_term(w, &equation->out, &s->out, ids));
    node->equation = equation;
    node->fn = from->fn;
    node->combine = from->combine;
    return choose_letters(w, equation, s, old);
}

/* ---- the other nodes ---- */

static int write_input(writer *w, ej_value v, ej_node *node)
{
    const ej_bound_node *from = &w->bound->nodes[v];
    node->rank = from->rank;
    return write_extents(w, node, from->rank, from->shape);
}

static int write_constant(writer *w, const ej_bound_node *from, ej_node *node)
{
    node->rank = from->rank;
    node->data = from->data; /* belongs to the program, which outlives the dump */
    return write_extents(w, node, from->rank, from->shape);
}

static void write_scalar(const ej_bound_node *from, ej_node *node)
{
    int real = ej_dtypes[from->dtype].real;
    node->fn = ej_dtypes[from->dtype].kind;
    node->dtype = -1;
    node->integer = node->fn <= EJ_KIND_INT ? from->integer : 0;
    node->re = node->fn <= EJ_KIND_INT ? 0 : ej_element_short(real, from->re);
    node->im = node->fn <= EJ_KIND_INT ? 0 : ej_element_short(real, from->im);
}

/* Whether a literal would take the dtype that the number has: beside another operand of that dtype. */
static bool is_weak(const writer *w, const ej_bound_node *from, uint32_t operand)
{
    if (from->op == EJ_OP_EINSUM) return is_factor(w, from, operand);
    if (from->op != EJ_OP_MAP || ej_fns[from->fn].rule == EJ_RULE_LOGIC) return false;
    uint32_t first = ej_fns[from->fn].rule == EJ_RULE_SELECT;
    for (uint32_t i = first; i < from->n_in && operand >= first; i++)
        if (w->bound->nodes[from->in[i]].op != EJ_OP_SCALAR &&
            w->bound->nodes[from->in[i]].dtype == w->bound->nodes[from->in[operand]].dtype)
            return true;
    return false;
}

static int write_literal(writer *w, ej_value v)
{
    ej_node node = {.op = EJ_OP_SCALAR};
    write_scalar(&w->bound->nodes[v], &node);
    return append(w, &node, &w->values[v]);
}

/* The number as a tensor, which says its dtype. */
static int write_tensor(writer *w, ej_value v)
{
    const ej_bound_node *from = &w->bound->nodes[v];
    ej_number number = {.kind = ej_dtypes[from->dtype].kind, .integer = from->integer, .re = from->re, .im = from->im};
    ej_node node = {.op = EJ_OP_CONSTANT, .dtype = from->dtype, .rank = 0};
    double *data = EJ_NEW_ARRAY(&w->out->arena, double, 2);
    if (!data) return ej_no_memory(w->job->err);
    node.data = data;
    if (!ej_element_store(from->dtype, data, 0, &number))
        return ej_fail(w->job->err, EINJIT_E_INTERNAL, "a number that is no %s", ej_dtypes[from->dtype].name);
    return append(w, &node, &w->numbers[v]);
}

/* v in the new graph; numbers where they are first used, as a literal where that is enough. */
static int find_value(writer *w, ej_value v, bool weak, ej_value *out)
{
    if (w->bound->nodes[v].op == EJ_OP_SCALAR) {
        if (weak && w->values[v] < 0) EJ_TRY(write_literal(w, v));
        if (!weak && w->numbers[v] < 0) EJ_TRY(write_tensor(w, v));
    }
    *out = weak || w->bound->nodes[v].op != EJ_OP_SCALAR ? w->values[v] : w->numbers[v];
    return EINJIT_OK;
}

static int write_operands(writer *w, const ej_bound_node *from, ej_node *node)
{
    node->in = EJ_NEW_ARRAY(&w->out->arena, ej_value, from->n_in);
    if (!node->in) return ej_no_memory(w->job->err);
    for (uint32_t i = 0; i < from->n_in; i++) EJ_TRY(find_value(w, from->in[i], is_weak(w, from, i), &node->in[i]));
    return EINJIT_OK;
}

/* A number that is a result has the dtype that Python's would have, or says it. */
static int write_output(writer *w, ej_value v)
{
    static const int defaults[] = {EINJIT_BOOL, EINJIT_I64, EINJIT_F64, EINJIT_C128};
    int dtype = w->bound->nodes[v].dtype;
    ej_value value;
    EJ_TRY(find_value(w, v, dtype == defaults[ej_dtypes[dtype].kind], &value));
    return ej_graph_output(w->out, value, w->job->err);
}

static int write_dims(writer *w, const ej_bound_node *from, ej_node *node)
{
    node->n_dims = from->n_dims;
    node->dims = EJ_NEW_ARRAY(&w->out->arena, int64_t, from->n_dims);
    if (!node->dims) return ej_no_memory(w->job->err);
    if (from->n_dims) memcpy(node->dims, from->dims, from->n_dims * sizeof *node->dims);
    return EINJIT_OK;
}

static int write_slice(writer *w, const ej_bound_node *from, ej_node *node)
{
    const ej_bound_node *x = &w->bound->nodes[from->in[0]];
    node->n_items = (uint32_t)from->rank;
    node->items = EJ_NEW_ARRAY(&w->out->arena, ej_index_item, node->n_items);
    if (!node->items) return ej_no_memory(w->job->err);
    for (int32_t i = 0; i < from->rank; i++) {
        int64_t n = from->shape[i].n, start = from->starts[i].n, step = from->steps[i];
        ej_index_item item = {.kind = EJ_INDEX_RANGE, .start = start, .stop = start, .step = step};
        if (step < 0) {
            if (n) item.stop = start + (n - 1) * step - 1;
            if (item.stop < 0 || ej_size_same(from->shape[i], x->shape[i])) item.stop = INT64_MAX;
            if (start + 1 == x->shape[i].n) item.start = INT64_MIN;
            node->items[i] = item;
            continue;
        }
        if (n) item.stop = start + (n - 1) * step + 1;
        if (!start) item.start = INT64_MIN;
        if (item.stop >= x->shape[i].n || ej_size_same(from->shape[i], x->shape[i])) item.stop = INT64_MAX;
        node->items[i] = item;
    }
    return EINJIT_OK;
}

/* The einsum, then its numbers; the last one bears the name. */
static int write_factors(writer *w, ej_value v, const char *name)
{
    const ej_bound_node *from = &w->bound->nodes[v];
    uint32_t left = 0;
    for (uint32_t t = 0; t < from->n_in; t++) left += is_factor(w, from, t);
    for (uint32_t t = 0; t < from->n_in; t++) {
        if (!is_factor(w, from, t)) continue;
        ej_node node = {
            .op = EJ_OP_MAP, .fn = EJ_FN_MUL, .dtype = -1, .rank = -1, .n_in = 2, .name = --left ? NULL : name};
        node.in = EJ_NEW_ARRAY(&w->out->arena, ej_value, 2);
        if (!node.in) return ej_no_memory(w->job->err);
        node.in[0] = w->values[v];
        EJ_TRY(find_value(w, from->in[t], true, &node.in[1]));
        EJ_TRY(append(w, &node, &w->values[v]));
    }
    return EINJIT_OK;
}

/* A program's sums and products of i32 are i64; those of a sum_to_size are not. */
static bool is_widened(const ej_bound_node *from)
{
    return from->op == EJ_OP_REDUCE && from->dtype == EINJIT_I32 &&
           (from->fn == EINJIT_REDUCE_SUM || from->fn == EINJIT_REDUCE_PROD);
}

static int write_narrowed(writer *w, ej_value v, const char *name)
{
    ej_node node = {.op = EJ_OP_CAST, .dtype = w->bound->nodes[v].dtype, .rank = -1, .n_in = 1, .name = name};
    node.in = EJ_NEW(&w->out->arena, ej_value);
    if (!node.in) return ej_no_memory(w->job->err);
    *node.in = w->values[v];
    return append(w, &node, &w->values[v]);
}

static int write_node(writer *w, ej_value v)
{
    const ej_bound_node *from = &w->bound->nodes[v];
    ej_node node = {
        .op = from->op, .fn = from->fn, .dtype = from->dtype, .rank = -1, .name = own_name(w, v), .n_in = from->n_in};
    EJ_TRY(write_operands(w, from, &node));
    switch (from->op) {
    case EJ_OP_INPUT: EJ_TRY(write_input(w, v, &node)); break;
    case EJ_OP_CONSTANT: EJ_TRY(write_constant(w, from, &node)); break;
    case EJ_OP_EINSUM: EJ_TRY(write_einsum(w, from, &node)); break;
    case EJ_OP_RESHAPE:
    case EJ_OP_EXPAND: EJ_TRY(write_extents(w, &node, from->rank, from->shape)); break;
    case EJ_OP_SLICE: EJ_TRY(write_slice(w, from, &node)); break;
    case EJ_OP_ARANGE: EJ_TRY(write_extents(w, &node, 1, from->shape)); break;
    case EJ_OP_INDEX_ADD: EJ_TRY(write_extents(w, &node, 1, &from->shape[from->dims[0]])); /* fall through */
    default: EJ_TRY(write_dims(w, from, &node)); break;
    }
    bool scaled = from->op == EJ_OP_EINSUM && node.n_in < from->n_in, widened = is_widened(from);
    const char *name = node.name;
    if (scaled || widened) node.name = NULL;
    EJ_TRY(append(w, &node, &w->values[v]));
    if (widened) return write_narrowed(w, v, name);
    return scaled ? write_factors(w, v, name) : EINJIT_OK;
}

static int write_nodes(writer *w)
{
    const ej_bound *bound = w->bound;
    w->values = EJ_JOB_ARRAY(w->job, ej_value, bound->n_nodes);
    w->numbers = EJ_JOB_ARRAY(w->job, ej_value, bound->n_nodes);
    const char *name = ej_arena_copy_text(&w->out->arena, w->program->name, strlen(w->program->name));
    if (!w->values || !w->numbers || !name) return ej_no_memory(w->job->err);
    for (size_t v = 0; v < bound->n_nodes; v++) w->values[v] = w->numbers[v] = -1;
    w->out->name = name;
    w->out->tuple_result = w->program->tuple_result;
    for (size_t v = 0; v < bound->n_nodes; v++)
        if (bound->nodes[v].op != EJ_OP_SCALAR) EJ_TRY(write_node(w, (ej_value)v));
    for (size_t i = 0; i < bound->n_outputs; i++) EJ_TRY(write_output(w, bound->outputs[i]));
    return EINJIT_OK;
}

int ej_choose_print(ej_text *text, const ej_bound *bound, const ej_graph *program, ej_job *job)
{
    ej_graph graph;
    writer w = {.out = &graph, .bound = bound, .program = program, .job = job};
    EJ_TRY(ej_graph_init(&graph, job->allocator, job->err));
    int status = write_nodes(&w);
    if (status == EINJIT_OK) {
        for (size_t v = 0; v < bound->n_nodes; v++)
            if (bound->nodes[v].note) ej_print(text, "# %s\n", bound->nodes[v].note);
        ej_graph_print(text, &graph);
    }
    ej_graph_free(&graph);
    return status;
}
