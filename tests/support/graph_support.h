/* graph_support.h - graphs built call by call, for the tests of graph_*.c and opt_*.c. */
#ifndef GRAPH_SUPPORT_H
#define GRAPH_SUPPORT_H

#include "graph.h"
#include "job.h"

/* An allocator that refuses call number `fail_at` (from 0; -1: never) and counts what is not given back. */
typedef struct graph_memory {
    einjit_allocator hooks;
    long calls, fail_at;
    size_t live_bytes;
} graph_memory;
void graph_memory_init(graph_memory *memory, long fail_at);

typedef struct graph_fixture {
    ej_graph graph;
    ej_arena arena; /* of the job */
    ej_job job;     /* verifies */
    einjit_error err;
} graph_fixture;
void graph_open(graph_fixture *f);
void graph_close(graph_fixture *f);
/* New values; a failure ends the test. rank -1 and dtype -1: not known. */
ej_value graph_input(graph_fixture *f, int dtype, int rank);
ej_value graph_literal(graph_fixture *f, double value);
ej_value graph_einsum(graph_fixture *f, const char *equation, ej_value a, ej_value b); /* b -1: one operand */
ej_value graph_einsum3(graph_fixture *f, const char *equation, ej_value a, ej_value b, ej_value c);
ej_value graph_einsum_n(graph_fixture *f, const char *equation, size_t n, const ej_value *in);
ej_value graph_map(graph_fixture *f, int fn, ej_value a, ej_value b); /* b -1: one operand */
void graph_output(graph_fixture *f, ej_value v);
/* Run passes by name; a failure ends the test. */
void graph_optimize(graph_fixture *f, const char *passes);
size_t graph_count(const graph_fixture *f, int op);
/* The equation of output i's node, in the job's arena. */
const char *graph_equation(graph_fixture *f, size_t output);

/* The program after the passes is the one that is expected, and they find nothing more to do. */
void graph_expect(const char *passes, const char *program, const char *expected);

#endif
