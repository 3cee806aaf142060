/* graph_support.c - graphs built call by call, and memory that runs out when told. */
#include "graph_support.h"

#include "pipeline.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *counted_alloc(void *user, size_t bytes)
{
    graph_memory *memory = user;
    if (memory->calls++ == memory->fail_at) return NULL;
    void *block = malloc(bytes);
    if (block) memory->live_bytes += bytes;
    return block;
}

static void counted_release(void *user, void *block, size_t bytes)
{
    graph_memory *memory = user;
    memory->live_bytes -= bytes;
    free(block);
}

void graph_memory_init(graph_memory *memory, long fail_at)
{
    memset(memory, 0, sizeof *memory);
    memory->fail_at = fail_at;
    memory->hooks = (einjit_allocator){counted_alloc, counted_release, memory};
}

void graph_open(graph_fixture *f)
{
    memset(f, 0, sizeof *f);
    ej_arena_init(&f->arena, &ej_malloc_allocator);
    f->job = (ej_job){.arena = &f->arena,
                      .err = &f->err,
                      .allocator = &ej_malloc_allocator,
                      .target = ej_target_host(),
                      .evaluator = &ej_interpreting_evaluator,
                      .verify = true};
    assert_int_equal(ej_graph_init(&f->graph, &ej_malloc_allocator, &f->err), EINJIT_OK);
}

void graph_close(graph_fixture *f)
{
    ej_graph_free(&f->graph);
    ej_arena_free(&f->arena);
}

static void optimize_and_print(ej_graph *graph, const char *passes, ej_text *text, size_t *n_changed)
{
    einjit_error err;
    ej_job job = {.arena = text->arena,
                  .err = &err,
                  .allocator = &ej_malloc_allocator,
                  .target = ej_target_host(),
                  .evaluator = &ej_interpreting_evaluator,
                  .verify = true};
    size_t before = graph->n_nodes;
    if (ej_opt_run(graph, passes, &job)) fail_msg("%s: %s", passes, err.text);
    ej_graph_print(text, graph);
    *n_changed = before - graph->n_nodes;
}

void graph_expect(const char *passes, const char *program, const char *expected)
{
    ej_graph graph;
    ej_arena arena;
    ej_text once, twice;
    einjit_error err;
    size_t n;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&once, &arena);
    ej_text_init(&twice, &arena);
    if (ej_graph_parse(&graph, &ej_malloc_allocator, program, strlen(program), &err))
        fail_msg("%s: %s", program, err.text);
    optimize_and_print(&graph, passes, &once, &n);
    assert_string_equal(once.data, expected);
    optimize_and_print(&graph, passes, &twice, &n);
    assert_string_equal(twice.data, expected);
    assert_int_equal(n, 0);
    ej_graph_free(&graph);
    ej_arena_free(&arena);
}

static ej_value append(graph_fixture *f, ej_node node, size_t n, const ej_value *in)
{
    ej_value out = -1;
    node.n_in = (uint32_t)n;
    node.in = EJ_NEW_ARRAY(&f->graph.arena, ej_value, n);
    assert_non_null(node.in);
    if (n) memcpy(node.in, in, n * sizeof *in);
    if (ej_graph_append(&f->graph, &node, &out, &f->err)) fail_msg("%s", f->err.text);
    return out;
}

ej_value graph_input(graph_fixture *f, int dtype, int rank)
{
    return append(f, (ej_node){.op = EJ_OP_INPUT, .dtype = (int16_t)dtype, .rank = rank}, 0, NULL);
}

ej_value graph_literal(graph_fixture *f, double value)
{
    return append(f, (ej_node){.op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .re = value}, 0, NULL);
}

ej_value graph_einsum_n(graph_fixture *f, const char *equation, size_t n, const ej_value *in)
{
    ej_node node = {.op = EJ_OP_EINSUM, .fn = EINJIT_REDUCE_SUM, .combine = EINJIT_COMBINE_MUL};
    node.equation = EJ_NEW(&f->graph.arena, ej_equation);
    assert_non_null(node.equation);
    if (ej_equation_parse(node.equation, &f->graph.arena, equation, strlen(equation), n, &f->err))
        fail_msg("%s: %s", equation, f->err.text);
    return append(f, node, n, in);
}

ej_value graph_einsum(graph_fixture *f, const char *equation, ej_value a, ej_value b)
{
    return graph_einsum_n(f, equation, b < 0 ? 1 : 2, (ej_value[]){a, b});
}

ej_value graph_einsum3(graph_fixture *f, const char *equation, ej_value a, ej_value b, ej_value c)
{
    return graph_einsum_n(f, equation, 3, (ej_value[]){a, b, c});
}

ej_value graph_map(graph_fixture *f, int fn, ej_value a, ej_value b)
{
    return append(f, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, b < 0 ? 1 : 2, (ej_value[]){a, b});
}

void graph_output(graph_fixture *f, ej_value v)
{
    assert_int_equal(ej_graph_output(&f->graph, v, &f->err), EINJIT_OK);
}

void graph_optimize(graph_fixture *f, const char *passes)
{
    if (ej_opt_run(&f->graph, passes, &f->job)) fail_msg("%s", f->err.text);
}

size_t graph_count(const graph_fixture *f, int op)
{
    size_t n = 0;
    for (size_t v = 0; v < f->graph.n_nodes; v++) n += f->graph.nodes[v].op == op;
    return n;
}

const char *graph_equation(graph_fixture *f, size_t output)
{
    const ej_node *node = &f->graph.nodes[f->graph.outputs[output]];
    ej_text text;
    assert_int_equal(node->op, EJ_OP_EINSUM);
    ej_text_init(&text, &f->arena);
    ej_equation_print(&text, node->equation);
    assert_false(text.failed);
    return text.data;
}
