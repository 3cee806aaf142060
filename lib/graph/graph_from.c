/* graph_from.c - the graph of one equation.
 *
 * Takes  an equation. Gives inputs a, b, c, ... (x0, x1, ... when there are more than letters), one einsum, one result.
 * Keeps  extents named by their labels, so that a caller can give sizes and leave extents open by name; unknown all the
 *        same, for axes of one label may broadcast. Ranks and dtypes that the equation does not fix are left to the call.
 */
#include <stdio.h>
#include <string.h>

#include "graph.h"

/* The label's character as UTF-8; length 0 when it cannot be the name of an extent. */
static int label_name(ej_text *out, const ej_equation *equation, int32_t label, einjit_error *err)
{
    out->length = 0;
    if (equation->integer_labels) return EINJIT_OK;
    ej_print_code_point(out, equation->symbols[label]);
    if (out->failed) return ej_no_memory(err);
    if (!ej_is_identifier(out->data, out->length)) out->length = 0;
    return EINJIT_OK;
}

/* Every label's symbol in the graph, or -1. */
static int name_labels(ej_graph *graph, const ej_equation *equation, int32_t *symbols, ej_arena *scratch,
                       einjit_error *err)
{
    ej_text name;
    ej_text_init(&name, scratch);
    for (uint32_t l = 0; l < equation->n_labels; l++) {
        EJ_TRY(label_name(&name, equation, (int32_t)l, err));
        symbols[l] = -1;
        if (name.length) EJ_TRY(ej_graph_symbol(graph, name.data, name.length, &symbols[l], err));
    }
    return EINJIT_OK;
}

static int set_extent(ej_graph *graph, ej_extent *extent, int32_t symbol, einjit_error *err)
{
    *extent = (ej_extent){.n = EJ_EXTENT_UNKNOWN};
    if (symbol < 0) return EINJIT_OK;
    int32_t *symbols = EJ_NEW(&graph->arena, int32_t);
    if (!symbols) return ej_no_memory(err);
    *symbols = symbol;
    extent->n_symbols = 1;
    extent->symbols = symbols;
    return EINJIT_OK;
}

static int add_input(ej_graph *graph, const ej_term *term, uint32_t t, bool letters, const int32_t *symbols,
                     ej_value *out, einjit_error *err)
{
    char name[16];
    if (letters) snprintf(name, sizeof name, "%c", 'a' + (char)t);
    else snprintf(name, sizeof name, "x%u", (unsigned)t);
    ej_node node = {.op = EJ_OP_INPUT, .dtype = -1, .rank = (int32_t)term->n, .name = name, .n_extents = term->n};
    node.extents = EJ_NEW_ARRAY(&graph->arena, ej_extent, term->n);
    if (!node.extents) return ej_no_memory(err);
    for (uint32_t i = 0; i < term->n && node.rank >= 0; i++) {
        if (term->labels[i] == EJ_ELLIPSIS) node.rank = -1;
        else EJ_TRY(set_extent(graph, &node.extents[i], symbols[term->labels[i]], err));
    }
    if (node.rank < 0) node.n_extents = 0;
    return ej_graph_append(graph, &node, out, err);
}

/* The equation lies in another arena: what is read back from its own text is the same equation. */
static int copy_equation(ej_graph *graph, const ej_equation *equation, ej_arena *scratch, ej_equation **out,
                         einjit_error *err)
{
    ej_text text;
    ej_text_init(&text, scratch);
    ej_equation_print(&text, equation);
    *out = EJ_NEW(&graph->arena, ej_equation);
    if (!*out || text.failed) return ej_no_memory(err);
    EJ_TRY(ej_equation_parse(*out, &graph->arena, text.data, text.length, equation->n_terms, err));
    (*out)->integer_labels = equation->integer_labels;
    if (equation->n_labels) memcpy((*out)->symbols, equation->symbols, equation->n_labels * sizeof *equation->symbols);
    return EINJIT_OK;
}

static int fill(ej_graph *graph, const ej_equation *equation, ej_arena *scratch, einjit_error *err)
{
    int32_t *symbols = EJ_NEW_ARRAY(scratch, int32_t, equation->n_labels);
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL, .dtype = -1,
                    .n_in = equation->n_terms};
    node.in = EJ_NEW_ARRAY(&graph->arena, ej_value, equation->n_terms);
    if (!symbols || !node.in) return ej_no_memory(err);
    EJ_TRY(name_labels(graph, equation, symbols, scratch, err));
    for (uint32_t t = 0; t < equation->n_terms; t++)
        EJ_TRY(add_input(graph, &equation->terms[t], t, equation->n_terms <= 26, symbols, &node.in[t], err));
    EJ_TRY(copy_equation(graph, equation, scratch, &node.equation, err));
    ej_value result;
    EJ_TRY(ej_graph_append(graph, &node, &result, err));
    return ej_graph_output(graph, result, err);
}

int ej_graph_from_equation(ej_graph *out, const einjit_allocator *allocator, const ej_equation *equation,
                           einjit_error *err)
{
    EJ_TRY(ej_graph_init(out, allocator, err));
    ej_arena scratch;
    ej_arena_init(&scratch, allocator);
    int status = fill(out, equation, &scratch, err);
    ej_arena_free(&scratch);
    if (status) ej_graph_free(out);
    return status;
}
