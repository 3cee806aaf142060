/* test_bind.c - layouts of the caller's tensors, sizes near the limit, dead values, long programs, failing
 * allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"
#include "scarce_memory.h"

#define PLUS "def f(a):\n    return a + 1\n"

static void row_major_is_seen_where_it_matters(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        bool row_major;
    } cases[] = {{"f32[2,3]", true},       {"f32[2,3]:3,1", true},      {"f32[2,3]:1,2", false},
                 {"f32[2,3]:0,1", false},  {"f32[2,1,3]:3,77,1", true}, {"f32[0,3]:-5,9", true},
                 {"f32[2,3]:-3,1", false}, {"f32[1,1]:8,8", true},      {"f32[2,3]:4,1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bind_case c;
        bind_open(&c, PLUS, cases[i].input, NULL, NULL);
        assert_int_equal(c.status, EINJIT_OK);
        if (c.bound.input_tensors[0].row_major != cases[i].row_major) fail_msg("%s", cases[i].input);
        assert_true(c.bound.output_tensors[0].row_major);
        bind_close(&c);
    }
}

static void strides_of_open_row_major_tensors_are_open(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, "def f(a: f32[3, z, 4]):\n    return a + 1\n", "f32[3,10,4]", NULL, "z");
    assert_int_equal(c.status, EINJIT_OK);
    const ej_size *strides = c.bound.input_tensors[0].strides;
    assert_int_equal(strides[0].n, 40);
    assert_int_not_equal(strides[0].e, 0);
    assert_true(ej_size_is(strides[1], 4));
    assert_true(ej_size_same(c.bound.output_tensors[0].strides[0], strides[0]));
    bind_close(&c);
    bind_open(&c, "def f(a: f32[3, z, 4]):\n    return a + 1\n", "f32[3,10,4]:50,4,1", NULL, "z");
    assert_true(ej_size_is(c.bound.input_tensors[0].strides[0], 50));
    bind_close(&c);
}

static void expect_outputs(const char *outputs, int status, const char *message)
{
    bind_case c;
    bind_open(&c, PLUS, "f32[2,3]", outputs, NULL);
    if (c.status != status || (message && !strstr(c.err.text, message)))
        fail_msg("%s: %s: %s", outputs, einjit_status_name(c.status), c.err.text);
    bind_close(&c);
}

static void outputs_must_fit_the_results(void **state)
{
    (void)state;
    expect_outputs("f32[2,3]", EINJIT_OK, NULL);
    expect_outputs("f32[2,3]:1,2", EINJIT_OK, NULL);
    expect_outputs("f32[2,3]:-3,1", EINJIT_OK, NULL);
    expect_outputs("f32[2,4]", EINJIT_E_SHAPE, "axis 1 of output 0 ('add_1') is 4, that of the result is 3");
    expect_outputs("f32[6]", EINJIT_E_SHAPE, "has 1 axes, the result has 2");
    expect_outputs("f64[2,3]", EINJIT_E_DTYPE, "output 0 ('add_1') is f64, the result is f32");
    expect_outputs("f32[2,3] f32[2,3]", EINJIT_E_OPERAND_COUNT, "2 outputs were given, the program has 1 results");
}

static void outputs_must_not_overlap_themselves(void **state)
{
    (void)state;
    expect_outputs("f32[2,3]:0,1", EINJIT_E_OVERLAP, "output 0");
    expect_outputs("f32[2,3]:2,1", EINJIT_E_OVERLAP, "twice");
    expect_outputs("f32[2,3]:1,1", EINJIT_E_OVERLAP, "twice");
    expect_outputs("f32[2,3]:7,-2", EINJIT_OK, NULL);
}

static void sizes_near_two_to_the_62_are_errors(void **state)
{
    (void)state;
    expect_refused("a", "a", "f32[4611686018427387904]", EINJIT_E_SIZE, "input 'a' has more than 2^62 bytes");
    expect_refused("a", "a", "f32[2147483648,2147483648,2147483648]", EINJIT_E_SIZE, "2^62");
    expect_refused("a", "a", "f32[0,2147483648,2147483648,16]", EINJIT_E_SIZE, "2^62");
    expect_refused("a", "a", "f32[3]:4611686018427387904", EINJIT_E_SIZE, "strides of input 'a'");
    expect_refused("a", "a", "f32[3]:-9223372036854775808", EINJIT_E_SIZE, "strides");
    expect_refused("a, b", "einsum('i,j->ij', a, b)", "f32[2147483648] f32[2147483648]", EINJIT_E_SIZE, "2^62 bytes");
    expect_refused("a, b", "unsqueeze(a, 1) + b", "f32[2147483648] f32[2147483648]", EINJIT_E_SIZE, "2^62");
    expect_refused("a", "cat((a, a, a), dim=0)", "i64[300000000000000000]", EINJIT_E_SIZE, "2^62");
    expect_result("a, b", "einsum('i,j->', a, b)", "f32[2147483648] f32[2147483648]", "f32[]");
}

static void dead_values_are_not_bound(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, "def f(a, b):\n    bad = einsum('ij,jk->ik', a, b)\n    more = bad * 2\n    return a + 1\n",
              "f32[2,3] f32[4,4]", NULL, NULL);
    if (c.status) fail_msg("%s", c.err.text);
    size_t n = c.bound.n_values;
    assert_int_equal(n, c.graph.n_nodes);
    assert_true(c.bound.of_value[0] >= 0 && c.bound.of_value[1] >= 0);
    assert_int_equal(c.bound.of_value[ej_graph_find_value(&c.graph, "bad", 3)], -1);
    assert_int_equal(c.bound.of_value[ej_graph_find_value(&c.graph, "more", 4)], -1);
    assert_int_equal(c.bound.of_value[c.graph.outputs[0]], c.bound.outputs[0]);
    bind_close(&c);
}

static void several_results_and_inputs_as_results_are_fine(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, "def f(a, b):\n    c = a + b\n    return c, a, c, 3.0\n", "f32[2,3] f32[3]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_string_equal(bind_result(&c, 0), "f32[2, 3]");
    assert_int_equal(c.bound.outputs[1], c.bound.inputs[0]);
    assert_int_equal(c.bound.outputs[2], c.bound.outputs[0]);
    assert_string_equal(bind_result(&c, 3), "f64[]");
    bind_close(&c);
}

static void a_chain_of_100000_values_binds(void **state)
{
    (void)state;
    size_t n = 100000, room = n * 40 + 100, used;
    char *program = malloc(room);
    assert_non_null(program);
    used = (size_t)snprintf(program, room, "def f(x0: f32[z]):\n");
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(program + used, room - used,
                                 i % 4 ? "    x%zu = x%zu + x%zu\n" : "    x%zu = x%zu[1:]\n", i + 1, i, i);
    snprintf(program + used, room - used, "    return x%zu\n", n);
    bind_case c;
    bind_open(&c, program, "f32[30000]", NULL, "z");
    free(program);
    if (c.status) fail_msg("%s", c.err.text);
    assert_int_equal(c.bound.nodes[c.bound.outputs[0]].shape[0].n, 5000);
    bind_close(&c);
}

static void dumps_print_the_same_twice(void **state)
{
    (void)state;
    bind_case one, other;
    const char *program = "def f(a: f32[z, 3], b: f32[3]):\n    return softmax(a * b, dim=1)[1:], a @ b\n";
    bind_open(&one, program, "f32[9,3] f32[3]:2", NULL, "z");
    bind_open(&other, program, "f32[9,3] f32[3]:2", NULL, "z");
    assert_string_equal(bind_dump(&one), bind_dump(&other));
    assert_non_null(strstr(bind_dump(&one), "%1 = input 1 f32[3] strides [2] # b\n"));
    bind_close(&one);
    bind_close(&other);
}

/* ---- what the checker finds ---- */

static void the_checker_finds_broken_graphs(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, "def f(a, b):\n    return einsum('ij,jk->ik', a, b).sum(dim=0)\n", "f32[2,3] f32[3,4]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    ej_bound_node *einsum = &c.bound.nodes[2], *sum = &c.bound.nodes[3];
    ej_bound_node kept = *sum;
    sum->in[0] = 3;
    assert_int_equal(ej_bound_verify(&c.bound, &c.job), EINJIT_E_INTERNAL);
    sum->in[0] = 2;
    sum->dtype = EINJIT_F64;
    assert_int_equal(ej_bound_verify(&c.bound, &c.job), EINJIT_E_INTERNAL);
    *sum = kept;
    einsum->shape[0].n = 7;
    assert_int_equal(ej_bound_verify(&c.bound, &c.job), EINJIT_E_INTERNAL);
    einsum->shape[0].n = 2;
    sum->op = EJ_OP_SOFTMAX;
    assert_int_equal(ej_bound_verify(&c.bound, &c.job), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.err.text, "softmax"));
    *sum = kept;
    assert_int_equal(ej_bound_verify(&c.bound, &c.job), EINJIT_OK);
    bind_close(&c);
}

/* ---- memory ---- */

static void every_failing_allocation_is_a_clean_error(void **state)
{
    (void)state;
    const char *program = "def f(a: f32[z, 3], b: f32[3], i: i64[e]):\n"
                          "    c = layer_norm(a * 2, (3,), b)\n"
                          "    d = einsum('zi,i->z', c, b, reduce='logsumexp')[1:]\n"
                          "    return cat((d, d), dim=0), index_add(z, 0, i, a[i]) @ b, mean(a), a.reshape(-1, 1)\n";
    bind_case c;
    bind_open(&c, program, "f32[9,3] f32[3] i64[4]", NULL, "z,e");
    if (c.status) fail_msg("%s", c.err.text);
    size_t n;
    einjit_tensor *in = bind_tensors(&c.arena, "f32[9,3] f32[3] i64[4]", &n);
    long failures = 0;
    for (long limit = 0;; limit++) {
        scarce_memory memory;
        ej_arena arena;
        ej_bound bound;
        einjit_error err = {0};
        scarce_memory_init(&memory, limit);
        ej_arena_init(&arena, &memory.hooks);
        ej_job job = {.arena = &arena, .err = &err, .allocator = &memory.hooks};
        int status = ej_bind(&bound, &c.graph, n, in, 0, NULL, "z,e", &job);
        if (status == EINJIT_OK) status = ej_bound_verify(&bound, &job);
        ej_arena_free(&arena);
        assert_int_equal(memory.live, 0);
        if (status == EINJIT_OK) break;
        assert_int_equal(status, EINJIT_E_NOMEM);
        assert_int_equal(err.code, EINJIT_E_NOMEM);
        failures++;
    }
    assert_true(failures > 1);
    bind_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_major_is_seen_where_it_matters),
        cmocka_unit_test(strides_of_open_row_major_tensors_are_open),
        cmocka_unit_test(outputs_must_fit_the_results),
        cmocka_unit_test(outputs_must_not_overlap_themselves),
        cmocka_unit_test(sizes_near_two_to_the_62_are_errors),
        cmocka_unit_test(dead_values_are_not_bound),
        cmocka_unit_test(several_results_and_inputs_as_results_are_fine),
        cmocka_unit_test(a_chain_of_100000_values_binds),
        cmocka_unit_test(dumps_print_the_same_twice),
        cmocka_unit_test(the_checker_finds_broken_graphs),
        cmocka_unit_test(every_failing_allocation_is_a_clean_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
