/* test_graph_copy.c - deep copies and rewrites. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"

static const double numbers[2] = {1.5, -2.0};

/* One node of each kind that has arrays of its own. */
static void fill(graph_fixture *f)
{
    ej_arena *arena = &f->graph.arena;
    int32_t z;
    ej_value v;
    ej_extent *shape = EJ_NEW_ARRAY(arena, ej_extent, 2), *two = EJ_NEW(arena, ej_extent);
    assert_int_equal(ej_graph_symbol(&f->graph, "z", 1, &z, NULL), EINJIT_OK);
    shape[0] = (ej_extent){.n = 4, .n_symbols = 1, .symbols = EJ_NEW(arena, int32_t)};
    shape[0].symbols[0] = z;
    shape[1].n = 3;
    ej_node input = {.op = EJ_OP_INPUT, .dtype = EINJIT_F64, .rank = 2, .n_extents = 2, .extents = shape, .name = "x"};
    assert_int_equal(ej_graph_append(&f->graph, &input, &v, NULL), EINJIT_OK);
    two->n = 2;
    ej_node constant = {.op = EJ_OP_CONSTANT, .dtype = EINJIT_F64, .rank = 1, .n_extents = 1, .extents = two};
    constant.data = memcpy(ej_arena_new(arena, sizeof numbers, 1), numbers, sizeof numbers);
    assert_int_equal(ej_graph_append(&f->graph, &constant, &v, NULL), EINJIT_OK);
    ej_value e = graph_einsum(f, "ij->j", 0, -1);
    ej_value *in = EJ_NEW(arena, ej_value);
    *in = e;
    ej_node slice = {.op = EJ_OP_SLICE, .n_in = 1, .in = in, .n_items = 1, .items = EJ_NEW(arena, ej_index_item)};
    slice.items[0] = (ej_index_item){EJ_INDEX_RANGE, 0, 2, 1};
    assert_int_equal(ej_graph_append(&f->graph, &slice, &v, NULL), EINJIT_OK);
    in = EJ_NEW(arena, ej_value);
    *in = v;
    ej_node softmax = {.op = EJ_OP_SOFTMAX, .n_in = 1, .in = in, .n_dims = 1, .dims = EJ_NEW(arena, int64_t)};
    assert_int_equal(ej_graph_append(&f->graph, &softmax, &v, NULL), EINJIT_OK);
    graph_output(f, graph_map(f, EJ_FN_ADD, v, 1));
    f->graph.tuple_result = true;
}

static void a_copy_is_the_same_and_lives_alone(void **state)
{
    (void)state;
    graph_fixture f;
    ej_graph copy;
    graph_open(&f);
    fill(&f);
    assert_int_equal(ej_graph_verify(&f.graph, &f.err), EINJIT_OK);
    assert_int_equal(ej_graph_copy(&copy, &f.graph, &ej_malloc_allocator, NULL), EINJIT_OK);
    size_t n = f.graph.n_nodes;
    graph_close(&f); /* whatever the copy shared is gone now */
    assert_int_equal(ej_graph_verify(&copy, &f.err), EINJIT_OK);
    assert_int_equal(copy.n_nodes, n);
    assert_int_equal(copy.n_inputs, 1);
    assert_int_equal(copy.n_outputs, 1);
    assert_true(copy.tuple_result);
    assert_string_equal(copy.name, "forward");
    assert_string_equal(copy.symbols[copy.nodes[0].extents[0].symbols[0]], "z");
    assert_int_equal(copy.nodes[0].extents[0].n, 4);
    assert_memory_equal(copy.nodes[1].data, numbers, sizeof numbers);
    assert_int_equal(copy.nodes[2].equation->terms[0].n, 2);
    assert_int_equal(copy.nodes[2].equation->out.labels[0], 1);
    assert_int_equal(copy.nodes[3].items[0].stop, 2);
    ej_value in[] = {0}, v;
    ej_node cast = {.op = EJ_OP_EINSUM, .n_in = 1, .in = in, .equation = copy.nodes[2].equation};
    assert_int_equal(ej_graph_append(&copy, &cast, &v, NULL), EINJIT_OK); /* names go on where they were */
    assert_string_equal(copy.nodes[v].name, "einsum_2");
    ej_graph_free(&copy);
}

static void a_copy_that_lacks_memory_leaves_nothing(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    fill(&f);
    int status = EINJIT_E_NOMEM;
    for (long fail_at = 0; status; fail_at++) {
        graph_memory memory;
        ej_graph copy;
        graph_memory_init(&memory, fail_at);
        status = ej_graph_copy(&copy, &f.graph, &memory.hooks, NULL);
        if (!status) ej_graph_free(&copy);
        else assert_int_equal(status, EINJIT_E_NOMEM);
        assert_int_equal(memory.live_bytes, 0);
    }
    graph_close(&f);
}

static void a_rewrite_follows_chains_of_replacements(void **state)
{
    (void)state;
    graph_fixture f;
    graph_open(&f);
    ej_value x = graph_input(&f, -1, -1);
    ej_value a = graph_map(&f, EJ_FN_EXP, x, -1), b = graph_map(&f, EJ_FN_EXP, x, -1),
             c = graph_map(&f, EJ_FN_EXP, b, -1);
    ej_value d = graph_map(&f, EJ_FN_ADD, c, b);
    graph_output(&f, d);
    graph_output(&f, c);
    ej_value replace[] = {x, a, a, b, d}; /* c is b is a */
    assert_int_equal(ej_graph_rewrite(&f.graph, replace, false, NULL), EINJIT_OK);
    assert_int_equal(ej_graph_verify(&f.graph, &f.err), EINJIT_OK);
    assert_int_equal(f.graph.n_nodes, 3);
    assert_string_equal(f.graph.nodes[2].name, "add_1");
    assert_int_equal(f.graph.nodes[2].in[0], 1);
    assert_int_equal(f.graph.nodes[2].in[1], 1);
    assert_int_equal(f.graph.outputs[0], 2);
    assert_int_equal(f.graph.outputs[1], 1);
    assert_int_equal(ej_graph_find_value(&f.graph, "exp_2", 5), -1);
    graph_close(&f);
}

static void a_rewrite_keeps_inputs_and_drops_or_keeps_what_is_dead(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        graph_fixture f;
        graph_open(&f);
        ej_value x = graph_input(&f, -1, -1);
        graph_map(&f, EJ_FN_EXP, x, -1);
        graph_input(&f, -1, -1);
        graph_output(&f, graph_map(&f, EJ_FN_SIN, x, -1));
        assert_int_equal(ej_graph_rewrite(&f.graph, NULL, keep, NULL), EINJIT_OK);
        assert_int_equal(ej_graph_verify(&f.graph, &f.err), EINJIT_OK);
        assert_int_equal(f.graph.n_nodes, 3 + keep);
        assert_int_equal(f.graph.n_inputs, 2);
        assert_int_equal(f.graph.inputs[1], 1 + keep);
        graph_close(&f);
    }
}

static void a_rewrite_without_memory_changes_nothing(void **state)
{
    (void)state;
    int status = EINJIT_E_NOMEM;
    for (long fail_at = 0; status; fail_at++) {
        graph_memory memory;
        graph_fixture f;
        graph_open(&f);
        ej_value x = graph_input(&f, -1, -1);
        graph_map(&f, EJ_FN_EXP, x, -1);
        graph_output(&f, x);
        graph_memory_init(&memory, fail_at);
        const einjit_allocator *own = f.graph.arena.allocator;
        f.graph.arena.allocator = &memory.hooks;
        status = ej_graph_rewrite(&f.graph, NULL, false, NULL);
        f.graph.arena.allocator = own;
        assert_int_equal(f.graph.n_nodes, status ? 2 : 1);
        assert_int_equal(ej_graph_verify(&f.graph, NULL), EINJIT_OK);
        assert_int_equal(memory.live_bytes, 0);
        graph_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_the_same_and_lives_alone),
        cmocka_unit_test(a_copy_that_lacks_memory_leaves_nothing),
        cmocka_unit_test(a_rewrite_follows_chains_of_replacements),
        cmocka_unit_test(a_rewrite_keeps_inputs_and_drops_or_keeps_what_is_dead),
        cmocka_unit_test(a_rewrite_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
