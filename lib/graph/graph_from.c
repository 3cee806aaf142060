/* graph_from.c - the graph of one equation.
 *
 * Takes  an equation, and where they are known the ranks of its operands.
 * Gives  inputs a, b, c, ... (x0, x1, ... when there are more than letters), one einsum, one result.
 * Keeps  extents named by their labels, those that an ellipsis stands for ellipsis_1, ellipsis_2, ..., so that a caller
 *        can give sizes and leave extents open by name; unknown all the same, for axes of one label may broadcast.
 *        Ranks and dtypes that the equation does not fix are left to the call.
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

const char *ej_operand_name(char room[EJ_OPERAND_NAME], size_t i, size_t n)
{
    if (n <= 26) snprintf(room, EJ_OPERAND_NAME, "%c", 'a' + (char)i);
    else snprintf(room, EJ_OPERAND_NAME, "x%zu", i);
    return room;
}

/* The extents of one operand, whose rank is known: with an ellipsis from `subscripts`, where those axes are labels,
 * too. */
static int set_extents(ej_graph *graph, ej_node *node, const ej_term *term, const int32_t *symbols, einjit_error *err)
{
    node->rank = (int32_t)term->n;
    node->n_extents = term->n;
    node->extents = EJ_NEW_ARRAY(&graph->arena, ej_extent, term->n);
    if (!node->extents) return ej_no_memory(err);
    for (uint32_t i = 0; i < term->n; i++) EJ_TRY(set_extent(graph, &node->extents[i], symbols[term->labels[i]], err));
    return EINJIT_OK;
}

static int add_input(ej_graph *graph, const ej_term *term, uint32_t t, uint32_t n, const int32_t *symbols,
                     ej_value *out, einjit_error *err)
{
    char name[EJ_OPERAND_NAME];
    ej_node node = {.op = EJ_OP_INPUT, .dtype = -1, .rank = -1, .name = ej_operand_name(name, t, n)};
    if (!ej_term_has(term, EJ_ELLIPSIS)) EJ_TRY(set_extents(graph, &node, term, symbols, err));
    return ej_graph_append(graph, &node, out, err);
}

/* Symbols of the labels that stand for an ellipsis, which come behind the equation's own. */
static int name_ellipsis(ej_graph *graph, const ej_equation *equation, uint32_t n, int32_t *symbols, einjit_error *err)
{
    char name[sizeof EJ_ELLIPSIS_NAME + 12];
    for (uint32_t l = equation->n_labels; l < n; l++) {
        int length = snprintf(name, sizeof name, EJ_ELLIPSIS_NAME "%u", (unsigned)(l - equation->n_labels + 1));
        EJ_TRY(ej_graph_symbol(graph, name, (size_t)length, &symbols[l], err));
    }
    return EINJIT_OK;
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

static int fill(ej_graph *graph, const ej_equation *equation, const int32_t *ranks, ej_arena *scratch,
                einjit_error *err)
{
    ej_subscripts subscripts = {.terms = equation->terms, .n_labels = equation->n_labels};
    if (ranks) EJ_TRY(ej_equation_resolve(&subscripts, scratch, equation, ranks, err));
    int32_t *symbols = EJ_NEW_ARRAY(scratch, int32_t, subscripts.n_labels);
    ej_node node = {.op = EJ_OP_EINSUM,
                    .fn = EINJIT_REDUCE_SUM,
                    .combine = EINJIT_COMBINE_MUL,
                    .dtype = -1,
                    .n_in = equation->n_terms};
    node.in = EJ_NEW_ARRAY(&graph->arena, ej_value, equation->n_terms);
    if (!symbols || !node.in) return ej_no_memory(err);
    EJ_TRY(name_labels(graph, equation, symbols, scratch, err));
    EJ_TRY(name_ellipsis(graph, equation, subscripts.n_labels, symbols, err));
    for (uint32_t t = 0; t < equation->n_terms; t++)
        EJ_TRY(add_input(graph, &subscripts.terms[t], t, equation->n_terms, symbols, &node.in[t], err));
    EJ_TRY(copy_equation(graph, equation, scratch, &node.equation, err));
    ej_value result;
    EJ_TRY(ej_graph_append(graph, &node, &result, err));
    return ej_graph_output(graph, result, err);
}

int ej_graph_from_equation(ej_graph *out, const einjit_allocator *allocator, const ej_equation *equation,
                           const int32_t *ranks, einjit_error *err)
{
    EJ_TRY(ej_graph_init(out, allocator, err));
    ej_arena scratch;
    ej_arena_init(&scratch, allocator);
    int status = fill(out, equation, ranks, &scratch, err);
    ej_arena_free(&scratch);
    if (status) ej_graph_free(out);
    return status;
}
