/* pass_support.h - what passes make of a program text, as text: for tests that need more than a case in tests/passes/
 * says. (Graphs that are built call by call: graph_support.h.) */
#ifndef PASS_SUPPORT_H
#define PASS_SUPPORT_H

#include "graph.h"

/* The graph as text, in the arena. */
const char *pass_printed(const ej_graph *graph, ej_arena *arena);

/* The body of the program after the passes, a line an operation: "mul_1 = x * 2.0; return mul_1". A second run of them
 * must change nothing, and the graph must verify: else the test ends. Free it. */
char *pass_body(const char *program, const char *passes);

/* The body of the graph's text in one line, values of one use inside of their user: "(x * 2.0) + y"; "a = exp(x);
 * return a, a". */
const char *pass_nested(const ej_graph *graph, ej_arena *arena);
/* The function f(params) of an expression, or of statements with semicolons: "a = 2.0 * x; return a, exp(a)". */
void pass_parse(ej_graph *out, const einjit_allocator *allocator, const char *params, const char *body);
/* Every allocation of the pass fails once: the graph is whole, and nothing is lost. */
void pass_survives_oom(const char *pass, const char *params, const char *body);

#endif
