/* test_bind_einsum.c - extents of labels, broadcasting, semirings, matmul and tensordot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bind_support.h"

#define TWO "a, b"

static void labels_give_the_shape(void **state)
{
    (void)state;
    expect_result(TWO, "einsum('ij,jk->ik', a, b)", "f32[2,3] f32[3,4]", "f32[2, 4]");
    expect_result(TWO, "einsum('ij,jk', a, b)", "f32[2,3] f32[3,4]", "f32[2, 4]");
    expect_result("a", "einsum('ii->i', a)", "f32[3,3]", "f32[3]");
    expect_result("a", "einsum('ii->', a)", "f64[3,3]", "f64[]");
    expect_result(TWO, "einsum(',->', a, b)", "f32[] f32[]", "f32[]");
    expect_result(TWO, "einsum('ij,jk->ik', a, b)", "f32[2,0] f32[0,4]", "f32[2, 4]");
}

static void an_extent_of_one_stretches(void **state)
{
    (void)state;
    expect_result(TWO, "einsum('ij,ij->ij', a, b)", "f32[3,4] f32[3,1]", "f32[3, 4]");
    expect_result(TWO, "einsum('ij,jk->ik', a, b)", "f32[3,1] f32[4,5]", "f32[3, 5]");
    expect_result(TWO, "einsum('ii,i->i', a, b)", "f32[1,1] f32[3]", "f32[3]");
    expect_result(TWO, "einsum('i,i->i', a, b)", "f32[1] f32[0]", "f32[0]");
}

static void ellipses_broadcast_from_the_right(void **state)
{
    (void)state;
    expect_result(TWO, "einsum('...a,...a->...', a, b)", "f32[5,2,3] f32[2,3]", "f32[5, 2]");
    expect_result(TWO, "einsum('...ij,...jk->...ik', a, b)", "f32[7,1,2,3] f32[4,3,5]", "f32[7, 4, 2, 5]");
    expect_result("a", "einsum('...i->i', a)", "f32[2,4,3]", "f32[3]");
    expect_refused(TWO, "einsum('...ij,...jk->...ik', a, b)", "f32[5,2,3] f32[7,3,4]", EINJIT_E_BROADCAST,
                   "axis 0 of operand 0 is 5 and axis 0 of operand 1 is 7");
}

static void different_extents_are_refused_with_their_places(void **state)
{
    (void)state;
    expect_refused(TWO, "einsum('ij,jk->ik', a, b)", "f32[2,3] f32[4,4]", EINJIT_E_DIM,
                   "axis 'j' is 3 in operand 0 and 4 in operand 1");
    expect_refused("a, b, c", "einsum('j,j,j->', a, b, c)", "f32[1] f32[4] f32[5]", EINJIT_E_DIM,
                   "axis 'j' is 4 in operand 1 and 5 in operand 2");
    expect_refused("a", "einsum('ii->i', a)", "f32[2,3]", EINJIT_E_DIM_DIAG,
                   "label 'i' is 2 on axis 0 and 3 on axis 1 of operand 0");
    expect_refused("a", "einsum('ii->i', a)", "f32[1,3]", EINJIT_E_DIM_DIAG, "label 'i'");
    expect_refused(TWO, "einsum('ij,jk->ik', a, b)", "f32[2,3,1] f32[3,4]", EINJIT_E_RANK, "operand 0");
    expect_refused(TWO, "einsum('\xC3\xA4,\xC3\xA4->', a, b)", "f32[2] f32[3]", EINJIT_E_DIM, "axis '\xC3\xA4' is 2");
}

static void the_first_reason_counts(void **state)
{
    (void)state;
    expect_refused(TWO, "einsum('ii,ijk->i', a, b)", "f32[2,3] f32[2,2]", EINJIT_E_RANK, "operand 1");
    expect_refused(TWO, "einsum('ij,jj->i', a, b)", "f32[2,3] f32[4,5]", EINJIT_E_DIM_DIAG, "operand 1");
    expect_refused(TWO, "einsum('...i,...i->', a, b)", "f32[2,3] f32[3,4]", EINJIT_E_DIM, "'i'");
}

static void the_operation_is_named_in_longer_programs(void **state)
{
    (void)state;
    expect_refused(TWO, "einsum('ij,jk->ik', a * 2.0, b)", "f32[2,3] f32[4,4]", EINJIT_E_DIM, "(einsum, 'einsum_1')");
    expect_refused(TWO, "(a + b) * 2", "f32[2,3] f32[4]", EINJIT_E_BROADCAST, "(add, 'add_1')");
}

static void operands_promote_and_keep_small_integers(void **state)
{
    (void)state;
    expect_result(TWO, "einsum('i,i->', a, b)", "f32[3] f64[3]", "f64[]");
    expect_result(TWO, "einsum('i,i->', a, b)", "i32[3] f32[3]", "f64[]");
    expect_result(TWO, "einsum('i,i->', a, b)", "i32[3] i32[3]", "i32[]");
    expect_result(TWO, "einsum('i,i->', a, b)", "c64[3] f64[3]", "c128[]");
    expect_result("a", "einsum('i,->i', a, 2.0)", "f32[3]", "f32[3]");
    expect_result("a", "einsum('i,->i', a, 2.0)", "i32[3]", "f64[3]");
    expect_dump(TWO, "einsum('i,i->', a, b)", "f32[3] f64[3]", NULL, "to %0 f64[3]", true);
}

static void bool_einsums_are_or_of_and(void **state)
{
    (void)state;
    expect_result(TWO, "einsum('ij,jk->ik', a, b)", "bool[2,3] bool[3,4]", "bool[2, 4]");
    expect_dump(TWO, "einsum('ij,jk->ik', a, b)", "bool[2,3] bool[3,4]", NULL, "einsum or mul ij,jk->ik", true);
    expect_dump(TWO, "einsum('ij,jk->ik', a, b, reduce='max')", "bool[2,3] bool[3,4]", NULL, "einsum or mul", true);
    expect_dump(TWO, "einsum('ij,jk->ik', a, b, reduce='or')", "bool[2,3] bool[3,4]", NULL, "einsum or mul", true);
    expect_dump(TWO, "einsum('ij,jk->ik', a, b, reduce='min')", "bool[2,3] bool[3,4]", NULL, "einsum min mul", true);
    expect_dump(TWO, "einsum('ij,jk->ik', a, b, reduce='or', combine='add')", "bool[2,3] bool[3,4]", NULL,
                "einsum sum add", true);
    expect_refused(TWO, "einsum('i,i->', a, b, reduce='or')", "f32[3] f32[3]", EINJIT_E_DTYPE, "bool");
}

static void semirings_keep_their_reduction(void **state)
{
    (void)state;
    expect_dump(TWO, "einsum('ij,jk->ik', a, b, reduce='max', combine='add')", "f32[2,3] f32[3,4]", NULL,
                "einsum max add ij,jk->ik", true);
    expect_result(TWO, "einsum('i,i->', a, b, reduce='min')", "i32[3] i32[3]", "i32[]");
    expect_refused(TWO, "einsum('i,i->', a, b, reduce='max')", "c64[3] c64[3]", EINJIT_E_DTYPE, "complex");
    expect_refused(TWO, "einsum('i,i->', a, b, reduce='max')", "f32[0] f32[0]", EINJIT_E_SHAPE, "without elements");
    expect_result(TWO, "einsum('i,i->i', a, b, reduce='max')", "f32[0] f32[0]", "f32[0]");
}

static void logsumexp_einsums_are_written_out(void **state)
{
    (void)state;
    const char *body = "einsum('ij,jk->ik', a, b, reduce='logsumexp', combine='add')";
    expect_result(TWO, body, "f32[2,3] f32[3,4]", "f32[2, 4]");
    expect_result(TWO, body, "i32[2,3] i32[3,4]", "f64[2, 4]");
    expect_result(TWO, body, "f32[2,0] f32[0,4]", "f32[2, 4]");
    expect_dump(TWO, body, "f32[2,3] f32[3,4]", NULL, "einsum sum add ij,jk->ikj", true);
    expect_dump(TWO, body, "f32[2,3] f32[3,4]", NULL, "reduce max dim 2", true);
    expect_refused(TWO, body, "c64[2,3] c64[3,4]", EINJIT_E_DTYPE, "logsumexp");
}

static void matmul_follows_torch(void **state)
{
    (void)state;
    expect_result(TWO, "a @ b", "f32[3] f32[3]", "f32[]");
    expect_result(TWO, "a @ b", "f32[2,3] f32[3]", "f32[2]");
    expect_result(TWO, "a @ b", "f32[3] f32[3,4]", "f32[4]");
    expect_result(TWO, "a @ b", "f32[2,3] f32[3,4]", "f32[2, 4]");
    expect_result(TWO, "a @ b", "f32[7,1,2,3] f32[5,3,4]", "f32[7, 5, 2, 4]");
    expect_result(TWO, "a @ b", "f32[7,2,3] f32[3]", "f32[7, 2]");
    expect_result(TWO, "a @ b", "f32[3] f32[6,5,3,4]", "f32[6, 5, 4]");
    expect_result(TWO, "a @ b", "bool[2,3] bool[3,4]", "bool[2, 4]");
    expect_refused(TWO, "a @ b", "f32[2,3] f32[4,5]", EINJIT_E_DIM,
                   "axis 1 of operand 0 is 3 and axis 0 of operand 1 is 4");
    expect_refused(TWO, "a @ b", "f32[2,1] f32[4,5]", EINJIT_E_DIM, "is 1");
    expect_refused(TWO, "a @ b", "f32[2,3,3] f32[5,3,3]", EINJIT_E_BROADCAST, "axis 0");
    expect_refused(TWO, "a @ b", "f32[] f32[3]", EINJIT_E_RANK, "operand 0");
}

static void tensordot_contracts_pairs_of_axes(void **state)
{
    (void)state;
    expect_result(TWO, "tensordot(a, b, dims=([1, 2], [0, 1]))", "f32[2,3,4] f32[3,4,5]", "f32[2, 5]");
    expect_result(TWO, "tensordot(a, b, dims=([-1], [0]))", "f32[2,3] f32[3,5]", "f32[2, 5]");
    expect_result(TWO, "tensordot(a, b, dims=2)", "f32[2,3,4] f32[3,4,5]", "f32[2, 5]");
    expect_result(TWO, "tensordot(a, b, dims=0)", "f32[2] f32[3]", "f32[2, 3]");
    expect_refused(TWO, "tensordot(a, b, dims=([1], [0]))", "f32[2,3] f32[4,5]", EINJIT_E_DIM,
                   "axis 1 of operand 0 is 3");
    expect_refused(TWO, "tensordot(a, b, dims=([1, 1], [0, 1]))", "f32[2,3] f32[3,3]", EINJIT_E_VALUE, "twice");
    expect_refused(TWO, "tensordot(a, b, dims=([5], [0]))", "f32[2,3] f32[3,3]", EINJIT_E_VALUE, "axis 5");
}

static void a_hundred_and_more_axes_work(void **state)
{
    (void)state;
    char shape[1024] = "f32[", body[4096] = "einsum('";
    for (int i = 0; i < 150; i++) strcat(shape, i ? ",1" : "1");
    strcat(shape, "]");
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 150; i++) {
            int c = 0x4E00 + (side ? 149 - i : i);
            char letter[4] = {(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63)), 0};
            strcat(body, letter);
        }
        strcat(body, side ? "', a)" : "->");
    }
    bind_case c;
    char program[8192];
    snprintf(program, sizeof program, "def f(a):\n    return %s\n", body);
    bind_open(&c, program, shape, NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.bound.nodes[c.bound.outputs[0]].rank, 150);
    bind_close(&c);
}

/* ---- the shared cases: shapes of valid equations, reasons of invalid ones ---- */

static einjit_tensor *json_tensors(ej_arena *arena, const json_t *shapes)
{
    size_t n = json_array_size(shapes);
    einjit_tensor *tensors = EJ_NEW_ARRAY(arena, einjit_tensor, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *shape = json_array_get(shapes, i);
        int64_t *extents = EJ_NEW_ARRAY(arena, int64_t, json_array_size(shape));
        for (size_t k = 0; k < json_array_size(shape); k++) extents[k] = json_integer_value(json_array_get(shape, k));
        tensors[i] = (einjit_tensor){.dtype = EINJIT_F64, .rank = (int32_t)json_array_size(shape), .shape = extents};
    }
    return tensors;
}

static int bind_equation(ej_bound *bound, ej_arena *arena, const char *text, size_t n, const einjit_tensor *in,
                         einjit_error *err)
{
    ej_equation equation;
    ej_graph graph;
    ej_job job = {.arena = arena, .err = err, .allocator = &ej_malloc_allocator};
    EJ_TRY(ej_equation_parse(&equation, arena, text, strlen(text), n, err));
    EJ_TRY(ej_graph_from_equation(&graph, &ej_malloc_allocator, &equation, NULL, err));
    int status = ej_bind(bound, &graph, n, in, 0, NULL, NULL, &job);
    if (status == EINJIT_OK) status = ej_bound_verify(bound, &job);
    ej_graph_free(&graph);
    return status;
}

static void check_case(const json_t *item)
{
    ej_arena arena;
    ej_bound bound;
    einjit_error err = {0};
    ej_arena_init(&arena, &ej_malloc_allocator);
    const json_t *shapes = json_object_get(item, "shapes"), *wanted = json_object_get(item, "out_shape");
    const char *equation = json_string_value(json_object_get(item, "equation"));
    const char *reason = json_string_value(json_object_get(item, "reason"));
    int status = bind_equation(&bound, &arena, equation, json_array_size(shapes), json_tensors(&arena, shapes), &err);
    if (strcmp(einjit_status_name(status), reason ? reason : "OK"))
        fail_msg("%s: %s (%s), not %s", equation, einjit_status_name(status), err.text, reason ? reason : "OK");
    if (!reason) {
        const ej_bound_node *out = &bound.nodes[bound.outputs[0]];
        assert_int_equal(out->rank, json_array_size(wanted));
        for (int32_t i = 0; i < out->rank; i++)
            if (out->shape[i].n != json_integer_value(json_array_get(wanted, (size_t)i)))
                fail_msg("%s: axis %d is %lld", equation, (int)i, (long long)out->shape[i].n);
    }
    ej_arena_free(&arena);
}

static void shared_cases_have_their_shapes_and_reasons(void **state)
{
    (void)state;
    const char *shared = getenv("EINJIT_SHARED");
    char path[1024];
    snprintf(path, sizeof path, "%s/data/conformance.jsonl", shared ? shared : EINJIT_TEST_SOURCE "/../shared");
    FILE *file = fopen(path, "r");
    if (!file) {
        print_message("no %s: skipped\n", path);
        skip();
    }
    size_t n = 0;
    static char line[1 << 20];
    while (fgets(line, sizeof line, file)) {
        json_error_t error;
        json_t *item = json_loads(line, 0, &error);
        assert_non_null(item);
        check_case(item);
        json_decref(item);
        n++;
    }
    fclose(file);
    assert_true(n > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_give_the_shape),
        cmocka_unit_test(an_extent_of_one_stretches),
        cmocka_unit_test(ellipses_broadcast_from_the_right),
        cmocka_unit_test(different_extents_are_refused_with_their_places),
        cmocka_unit_test(the_first_reason_counts),
        cmocka_unit_test(the_operation_is_named_in_longer_programs),
        cmocka_unit_test(operands_promote_and_keep_small_integers),
        cmocka_unit_test(bool_einsums_are_or_of_and),
        cmocka_unit_test(semirings_keep_their_reduction),
        cmocka_unit_test(logsumexp_einsums_are_written_out),
        cmocka_unit_test(matmul_follows_torch),
        cmocka_unit_test(tensordot_contracts_pairs_of_axes),
        cmocka_unit_test(a_hundred_and_more_axes_work),
        cmocka_unit_test(shared_cases_have_their_shapes_and_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
