/* test_facts_as_einsum.c - which einsum a node is, and which nodes are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "job.h"
#include "facts_as_einsum.h"

enum { MAX_TEXT = 200 };

static void print_term(char *text, const ej_term *term)
{
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        char letter[4] = {(char)('a' + label)};
        strcat(text, label == EJ_ELLIPSIS ? "..." : letter);
    }
}

/* The form of the value that the program returns, labels in order of appearance; "" when there is none. */
static void form_of(const char *params, const char *body, char *text, ej_einsum_form *form)
{
    ej_graph graph;
    ej_arena arena;
    einjit_error err;
    char program[MAX_TEXT * 2];
    snprintf(program, sizeof program, "def f(%s):\n    return %s\n", params, body);
    ej_arena_init(&arena, &ej_malloc_allocator);
    if (ej_graph_parse(&graph, &ej_malloc_allocator, program, strlen(program), &err))
        fail_msg("%s: %s", body, err.text);
    ej_einsum_facts facts = {&graph, ej_facts_dtypes(&graph, &arena), ej_facts_shapes(&graph, &arena), &arena};
    assert_int_equal(ej_as_einsum(&facts, graph.outputs[0], form, &err), EINJIT_OK);
    *text = 0;
    if (form->equation) {
        int32_t order[64];
        int32_t next = 0;
        for (int i = 0; i < 64; i++) order[i] = -1;
        for (uint32_t t = 0; t <= form->equation->n_terms; t++) {
            const ej_term *term = t < form->equation->n_terms ? &form->equation->terms[t] : &form->equation->out;
            for (uint32_t i = 0; i < term->n; i++) {
                int32_t *label = &term->labels[i];
                if (*label == EJ_ELLIPSIS) continue;
                if (order[*label] < 0) order[*label] = next++;
            }
        }
        for (uint32_t t = 0; t <= form->equation->n_terms; t++) {
            ej_term term = t < form->equation->n_terms ? form->equation->terms[t] : form->equation->out;
            int32_t labels[64];
            for (uint32_t i = 0; i < term.n; i++)
                labels[i] = term.labels[i] == EJ_ELLIPSIS ? EJ_ELLIPSIS : order[term.labels[i]];
            term.labels = labels;
            if (t) strcat(text, t < form->equation->n_terms ? "," : "->");
            print_term(text, &term);
        }
    }
    form->equation = NULL; /* goes with the arena */
    ej_graph_free(&graph);
    ej_arena_free(&arena);
}

static void expect_form(const char *params, const char *body, const char *wanted)
{
    char text[MAX_TEXT];
    ej_einsum_form form;
    form_of(params, body, text, &form);
    if (strcmp(text, wanted)) fail_msg("%s with %s: '%s' for '%s'", body, params, text, wanted);
}

static void einsums_lose_their_ellipsis_where_ranks_are_known(void **state)
{
    (void)state;
    expect_form("a: f32[2, 3], b: f32[3, 4]", "einsum('ij,jk->ik', a, b)", "ab,bc->ac");
    expect_form("a: f32[5, 2, 3], b: f32[3, 4]", "einsum('...ij,...jk->...ik', a, b)", "abc,cd->abd");
    expect_form("a: f32[5, 2, 3], b: f32[9, 5, 3, 4]", "einsum('...ij,...jk->...ik', a, b)", "abc,dace->dabe");
    expect_form("a: f32, b: f32[3, 4]", "einsum('...ij,...jk->...ik', a, b)", "...ab,...bc->...ac");
    expect_form("a: f32, b: f32[3, 4]", "einsum('ij,...jk->...ik', a, b)", "ab,bc->ac");
    expect_form("a: f32[2]", "einsum('ij->i', a)", "ab->a"); /* bind says that it does not fit */
    expect_form("a: f32[2]", "einsum('...ij->i', a)", "...ab->a");
    expect_form("a: f32[2, 3]", "einsum('ij->i', a, reduce='max')", "");
    expect_form("a: f32[2, 3], b: f32[3]", "einsum('ij,j->i', a, b, reduce='max', combine='add')", "");
}

static void matmul_is_an_einsum_for_each_rank(void **state)
{
    (void)state;
    expect_form("a: f32[2, 3], b: f32[3, 4]", "a @ b", "ab,bc->ac");
    expect_form("a: f32[3], b: f32[3]", "a @ b", "a,a->");
    expect_form("a: f32[3], b: f32[3, 4]", "a @ b", "a,ab->b");
    expect_form("a: f32[2, 3], b: f32[3]", "a @ b", "ab,b->a");
    expect_form("a: f32[7, 2, 3], b: f32[3, 4]", "a @ b", "abc,cd->abd");
    expect_form("a: f32[2, 3], b: f32[7, 3, 4]", "a @ b", "ab,cbd->cad");
    expect_form("a: f32[7, 2, 3], b: f32[8, 7, 3, 4]", "a @ b", "abc,dace->dabe");
    expect_form("a: f32[3], b: f32[8, 7, 3, 4]", "a @ b", "a,bcad->bcd");
    expect_form("a: f32, b: f32[3, 4]", "a @ b", "");
    expect_form("a: f32[2, 3], b: f32", "a @ b", "");
    expect_form("a: f32[()], b: f32[3]", "a @ b", "");
}

static void tensordot_is_an_einsum_where_ranks_are_known(void **state)
{
    (void)state;
    expect_form("a: f32[2, 3, 4], b: f32[3, 4, 5]", "tensordot(a, b, 2)", "abc,bcd->ad");
    expect_form("a: f32[2, 3, 4], b: f32[4, 5]", "tensordot(a, b, dims=([2], [0]))", "abc,cd->abd");
    expect_form("a: f32[2, 3, 4], b: f32[4, 2]", "tensordot(a, b, dims=([-1, 0], [0, 1]))", "abc,ca->b");
    expect_form("a: f32[2], b: f32[3]", "tensordot(a, b, 0)", "a,b->ab");
    expect_form("a: f32[2], b: f32[3]", "tensordot(a, b, 2)", "");
    expect_form("a: f32[2, 2], b: f32[2, 2]", "tensordot(a, b, dims=([0, 0], [0, 1]))", "");
    expect_form("a: f32[2, 2], b: f32[2, 2]", "tensordot(a, b, dims=([2], [0]))", "");
    expect_form("a: f32, b: f32[3]", "tensordot(a, b, 1)", "");
}

static void products_of_arrays_align_at_the_right(void **state)
{
    (void)state;
    expect_form("a: f32[2, 3], b: f32[3]", "a * b", "ab,b->ab");
    expect_form("a: f32[3], b: f32[2, 3]", "a * b", "a,ba->ba");
    expect_form("a: f32[()], b: f32[2, 3]", "a * b", ",ab->ab");
    expect_form("a: f32, b: f32[2, 3]", "a * b", "...,...->...");
    expect_form("a: f32[2]", "a * a", "a,a->a");
    expect_form("a: f32[2]", "square(a)", "a,a->a");
    expect_form("a: f32[2]", "2.0 * a", "");
    expect_form("a: f32[2]", "exp(2.0) * a", ",a->a"); /* f64 for good */
    expect_form("a: f32[2], b: f32[2]", "a / b", "");
    expect_form("a: f32[2], b: f32[2]", "a + b", "");
    char text[MAX_TEXT];
    ej_einsum_form form;
    form_of("a: f32[2]", "square(a)", text, &form);
    assert_true(form.twice && form.computes && !form.contracts);
    assert_int_equal(form.n_in, 2);
    form_of("a: f32[2], b: f32[2]", "a * b", text, &form);
    assert_false(form.twice);
}

static void sums_keep_their_dtype_or_are_none(void **state)
{
    (void)state;
    expect_form("a: f32[2, 3]", "sum(a, dim=0)", "ab->b");
    expect_form("a: f32[2, 3]", "sum(a, dim=-1, keepdim=True)", "ab->ac");
    expect_form("a: f32[2, 3]", "sum(a)", "ab->");
    expect_form("a: f32", "sum(a)", "...->");
    expect_form("a: f32", "sum(a, dim=0)", "");
    expect_form("a: f32[2, 3]", "sum(a, dim=2)", "");
    expect_form("a: i64[2, 3]", "sum(a, dim=0)", "ab->b");
    expect_form("a: i32[2, 3]", "sum(a, dim=0)", "");
    expect_form("a: bool[2, 3]", "sum(a, dim=0)", "");
    expect_form("a: any[2, 3]", "sum(a, dim=0)", "");
    expect_form("a: f32[2, 3]", "mean(a, dim=0)", "");
    expect_form("a: f32[2, 3]", "amax(a, dim=0)", "");
    expect_form("a: f32[2, 3]", "prod(a, dim=0)", "");
}

static void layout_moves_labels(void **state)
{
    (void)state;
    expect_form("a: f32[2, 3, 4]", "permute(a, (2, 0, 1))", "abc->cab");
    expect_form("a: f32[2, 3, 4]", "permute(a, (-1, 0, -2))", "abc->cab");
    expect_form("a: f32", "permute(a, (1, 0))", "ab->ba");
    expect_form("a: f32[2, 3]", "permute(a, (2, 0, 1))", "");
    expect_form("a: f32[2, 3]", "permute(a, (0, 0))", "");
    expect_form("a: f32[2, 3, 4]", "transpose(a, 0, -1)", "abc->cba");
    expect_form("a: f32", "transpose(a, -1, -2)", "...ab->...ba");
    expect_form("a: f32", "transpose(a, -1, -3)", "...abc->...cba");
    expect_form("a: f32", "transpose(a, 1, 0)", "ab...->ba...");
    expect_form("a: f32", "transpose(a, 0, -1)", "");
    expect_form("a: f32[2, 3]", "transpose(a, 0, 2)", "");
}

static void axes_of_extent_1_come_and_go(void **state)
{
    (void)state;
    expect_form("a: f32[2, 3]", "unsqueeze(a, 1)", "ab->acb");
    expect_form("a: f32[2, 3]", "unsqueeze(a, -1)", "ab->abc");
    expect_form("a: f32", "unsqueeze(a, 0)", "");
    expect_form("a: f32[2, 1, 3]", "squeeze(a, 1)", "abc->ac");
    expect_form("a: f32[1, 1, 3]", "squeeze(a)", "abc->c");
    expect_form("a: f32[2, 1, 3]", "squeeze(a, 0)", "abc->abc");
    expect_form("a: f32[n, 1, 3]", "squeeze(a, 0)", "");
    expect_form("a: f32[n, 1, 3]", "squeeze(a, 1)", "abc->ac");
    expect_form("a: f32[2, 3]", "a[:, None]", "ab->acb");
    expect_form("a: f32[2, 3]", "a[..., None]", "ab->abc");
    expect_form("a: f32[2, 3]", "a[None, ..., None, :]", "ab->cadb");
    expect_form("a: f32[2, 3]", "a[1:, None]", "");
    expect_form("a: f32[2, 3]", "a[::2, None]", "");
    expect_form("a: f32[2, 3]", "a[0, None]", "");
    expect_form("a: f32[2, 1, 3]", "reshape(a, (2, 3, 1))", "abc->acd");
    expect_form("a: f32[z, 1, 3]", "reshape(a, (-1, 3))", "abc->ac");
    expect_form("a: f32[2, 3]", "reshape(a, (3, 2))", "");
    expect_form("a: f32[2, 3]", "reshape(a, (6,))", "");
    expect_form("a: f32", "reshape(a, (6,))", "");
}

static void expand_says_which_extents_it_needs(void **state)
{
    (void)state;
    char text[MAX_TEXT];
    ej_einsum_form form;
    expect_form("a: f32[1, 3]", "expand(a, (2, 3))", "ab->ab");
    expect_form("a: f32[3]", "expand(a, (2, 3))", "a->ba");
    expect_form("a: f32", "expand(a, (2, 3))", "");
    form_of("a: f32[1, 3]", "expand(a, (2, 3))", text, &form);
    assert_non_null(form.needs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(einsums_lose_their_ellipsis_where_ranks_are_known),
        cmocka_unit_test(matmul_is_an_einsum_for_each_rank),
        cmocka_unit_test(tensordot_is_an_einsum_where_ranks_are_known),
        cmocka_unit_test(products_of_arrays_align_at_the_right),
        cmocka_unit_test(sums_keep_their_dtype_or_are_none),
        cmocka_unit_test(layout_moves_labels),
        cmocka_unit_test(axes_of_extent_1_come_and_go),
        cmocka_unit_test(expand_says_which_extents_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
