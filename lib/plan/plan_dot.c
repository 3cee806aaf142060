/* plan_dot.c - a plan's steps as a graph in Graphviz's language: steps are boxes, inputs and outputs ellipses. */
#include "plan_links.h"

void ej_print_quoted(ej_text *text, const char *string)
{
    ej_print_bytes(text, "\"", 1);
    for (const char *at = string ? string : ""; *at; at++) {
        if (*at == '"' || *at == '\\') ej_print_bytes(text, "\\", 1);
        if ((unsigned char)*at >= ' ') ej_print_bytes(text, at, 1);
    }
    ej_print_bytes(text, "\"", 1);
}

static void print_node(ej_text *text, char kind, size_t number, const char *shape, const char *name)
{
    ej_print(text, "  %c%zu [shape=%s, label=", kind, number, shape);
    ej_print_quoted(text, name);
    ej_print(text, "];\n");
}

static void print_step(ej_text *text, const ej_plan *plan, size_t s)
{
    const ej_step *step = &plan->steps[s];
    ej_print(text, "  s%zu [shape=box, label=", s);
    ej_print_quoted(text, step->name);
    char operations[EJ_REAL_TEXT], bytes[EJ_REAL_TEXT];
    ej_print(text, ", tooltip=\"%s operations, %s bytes\"];\n",
             ej_count_text(operations, ej_plan_step_operations(step)),
             ej_count_text(bytes, ej_plan_step_bytes(plan, step)));
}

static void print_link(ej_text *text, const ej_plan *plan, const ej_plan_link *link)
{
    const ej_buffer *buffer = &plan->buffers[link->buffer];
    if (link->from_step < 0) ej_print(text, "  b%d", (int)link->buffer);
    else ej_print(text, "  s%d", (int)link->from_step);
    if (link->to_step < 0) ej_print(text, " -> b%d", (int)link->buffer);
    else ej_print(text, " -> s%d", (int)link->to_step);
    ej_print(text, " [label=\"%s ", einjit_dtype_name(buffer->dtype));
    ej_size_print(text, &plan->bound->sizes, buffer->elems);
    ej_print(text, "\"];\n");
}

void ej_plan_print_dot(ej_text *text, const ej_plan *plan)
{
    ej_plan_links links;
    if (!ej_plan_links_find(&links, plan, text->arena)) {
        text->failed = true;
        return;
    }
    ej_print(text, "digraph plan {\n");
    for (int32_t b = 0; b < plan->n_args; b++) print_node(text, 'b', (size_t)b, "ellipse", plan->buffers[b].name);
    for (size_t s = 0; s < plan->n_steps; s++) print_step(text, plan, s);
    for (size_t i = 0; i < links.n; i++) print_link(text, plan, &links.items[i]);
    ej_print(text, "}\n");
}
