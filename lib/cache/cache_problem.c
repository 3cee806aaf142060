/* cache_problem.c - a request in the syntax of einjit-bench, so that what was compiled can be run again at a shell.
 *
 * Takes  a request whose graph is frozen and whose tensors were checked.
 * Gives  one line: a program of one einsum as its equation, others as text in a shell's quotes; sizes by name, dtype,
 *        options. What the command cannot say (strides, extents of 1 that broadcast, dtypes that differ, alpha and
 *        beta) is left out: the entry's key has it.
 */
#include <string.h>

#include "cache.h"

/* The einsum, where the program is nothing else. */
static const ej_node *only_einsum(const ej_graph *graph)
{
    if (graph->n_outputs != 1 || graph->n_nodes != graph->n_inputs + 1) return NULL;
    const ej_node *node = &graph->nodes[graph->outputs[0]];
    if (node->op != EJ_OP_EINSUM || node->fn != EINJIT_REDUCE_SUM || node->combine != EINJIT_COMBINE_MUL) return NULL;
    for (uint32_t t = 0; t < node->n_in; t++)
        if (node->n_in != graph->n_inputs || node->in[t] != graph->inputs[t]) return NULL;
    return node;
}

static void print_size(ej_text *out, bool *first, int64_t value)
{
    ej_print(out, "=%lld", (long long)value);
    *first = false;
}

/* ---- an equation ---- */

/* Axes of an operand, in pairs with its labels; those of an ellipsis together. */
static int64_t extent_of(const ej_term *term, const einjit_tensor *t, int32_t label)
{
    int64_t extent = -1;
    int32_t axis = 0, more = t->rank - (int32_t)term->n + 1;
    for (uint32_t l = 0; l < term->n && axis < t->rank; l++) {
        if (term->labels[l] == label && t->shape[axis] > extent) extent = t->shape[axis];
        axis += term->labels[l] == EJ_ELLIPSIS ? more : 1;
    }
    return extent;
}

static void print_label(ej_text *out, const ej_equation *equation, uint32_t label)
{
    ej_print_code_point(out, equation->integer_labels ? ej_label_code_point((int32_t)label) : equation->symbols[label]);
}

/* The longest one says what the others broadcast to. */
static void print_ellipsis(ej_text *out, bool *first, const ej_equation *equation, const einjit_tensor *in)
{
    int32_t most = 0, from = 0;
    const einjit_tensor *longest = NULL;
    for (uint32_t t = 0; t < equation->n_terms; t++) {
        const ej_term *term = &equation->terms[t];
        for (uint32_t l = 0; l < term->n; l++) {
            int32_t n = in[t].rank - (int32_t)term->n + 1;
            if (term->labels[l] != EJ_ELLIPSIS || n <= most) continue;
            most = n;
            from = (int32_t)l;
            longest = &in[t];
        }
    }
    if (!longest) return;
    ej_print(out, "%s...=", *first ? " -s " : ",");
    for (int32_t axis = 0; axis < most; axis++)
        ej_print(out, "%s%lld", axis ? "x" : "", (long long)longest->shape[from + axis]);
    *first = false;
}

static void print_equation(ej_text *out, const ej_equation *equation, const einjit_tensor *in)
{
    bool first = true;
    ej_print(out, "'");
    ej_equation_print(out, equation);
    ej_print(out, "'");
    for (uint32_t label = 0; label < equation->n_labels; label++) {
        int64_t extent = -1;
        for (uint32_t t = 0; t < equation->n_terms; t++) {
            int64_t n = extent_of(&equation->terms[t], &in[t], (int32_t)label);
            if (n > extent) extent = n;
        }
        if (extent < 0) continue;
        ej_print(out, "%s", first ? " -s " : ",");
        print_label(out, equation, label);
        print_size(out, &first, extent);
    }
    print_ellipsis(out, &first, equation, in);
}

/* ---- a program ---- */

static void print_quoted(ej_text *out, const char *text, size_t length)
{
    ej_print(out, "$'");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') ej_print(out, "\\n");
        else if (text[i] == '\'' || text[i] == '\\') ej_print(out, "\\%c", text[i]);
        else ej_print_bytes(out, &text[i], 1);
    }
    ej_print(out, "'");
}

static void print_program(ej_text *out, const ej_graph *graph, const ej_request *r)
{
    ej_text text;
    bool first = true;
    ej_text_init(&text, out->arena);
    ej_graph_print(&text, graph);
    out->failed |= text.failed;
    print_quoted(out, text.data, text.length);
    for (size_t s = 0; s < graph->n_symbols; s++) {
        int64_t value = -1;
        for (size_t i = 0; i < r->n_in && value < 0; i++) {
            const ej_node *input = &graph->nodes[graph->inputs[i]];
            for (uint32_t axis = 0; axis < input->n_extents && (int32_t)axis < r->in[i].rank && value < 0; axis++) {
                const ej_extent *extent = &input->extents[axis];
                bool named = ej_extent_is_symbol(extent) || ej_extent_is_named(extent);
                if (named && extent->symbols[0] == (int32_t)s) value = r->in[i].shape[axis];
            }
        }
        if (value < 0) continue;
        ej_print(out, "%s%s", first ? " -s " : ",", graph->symbols[s]);
        print_size(out, &first, value);
    }
}

void ej_problem_print(ej_text *out, const einjit_context *context, const ej_request *r)
{
    const ej_graph *graph = &r->graph->graph;
    const ej_node *einsum = only_einsum(graph);
    int32_t flags = r->flags | (context->no_optimize ? EINJIT_OPTION_NO_OPTIMIZE : 0) |
                    (context->strict ? EINJIT_OPTION_STRICT : 0) | (context->measure ? EINJIT_OPTION_MEASURE : 0);
    ej_print(out, "einjit-bench ");
    if (einsum) print_equation(out, einsum->equation, r->in);
    else print_program(out, graph, r);
    if (r->n_in) ej_print(out, " --dtype %s", einjit_dtype_name(r->in[0].dtype));
    if (r->open) ej_print(out, " --open %s", r->open);
    if (r->constants) ej_print(out, " --constants %s", r->constants);
    if (r->path) ej_print(out, " --strategy %s", r->path);
    if (flags & EINJIT_OPTION_STRICT) ej_print(out, " --strict");
    if (flags & EINJIT_OPTION_NO_OPTIMIZE) ej_print(out, " --no-opt");
    if (flags & EINJIT_OPTION_MEASURE) ej_print(out, " --measure");
    if (context->target != ej_target_host()) ej_print(out, " --target %s", context->target->name);
}
