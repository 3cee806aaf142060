/* test_bind_symbols.c - names of extents: what they are, which stay open, and which are closed by what they meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"

static void a_name_is_one_extent_everywhere(void **state)
{
    (void)state;
    expect_result("a: f32[z, 3], b: f32[z]", "einsum('zi,z->i', a, b)", "f32[5,3] f32[5]", "f32[3]");
    expect_refused("a: f32[z, 3], b: f32[z]", "einsum('zi,z->i', a, b)", "f32[5,3] f32[4]", EINJIT_E_DIM,
                   "extent 'z' is 5 on axis 0 of input 'a' and 4 on axis 0 of input 'b'");
    expect_refused("a: f32[z, z]", "a", "f32[5,3]", EINJIT_E_DIM, "3 on axis 1 of input 'a'");
}

static void numbers_and_dtypes_of_inputs_are_checked(void **state)
{
    (void)state;
    expect_refused("a: f32[2, 3]", "a", "f32[2,4]", EINJIT_E_SHAPE, "axis 1 of input 'a' is 4, the program says 3");
    expect_refused("a: f32[2, 3]", "a", "f64[2,3]", EINJIT_E_DTYPE, "input 'a' is f64, the program says f32");
    expect_refused("a: f32[2, 3]", "a", "f32[2,3,1]", EINJIT_E_RANK, "input 'a' has 3 axes, the program says 2");
    expect_refused("a: f32[()]", "a", "f32[1]", EINJIT_E_RANK, "the program says 0");
    expect_refused("a, b", "a + b", "f32[2]", EINJIT_E_OPERAND_COUNT, "1 inputs were given, the program has 2");
    expect_refused("a", "a", "f32[2,-1]", EINJIT_E_SHAPE, "axis 1 of input 'a' is -1");
}

/* a: f32[2*z] cannot be written as text: a graph that was read gets it by hand. */
static int bind_product(bind_case *c, const char *inputs, const char *open, ej_bound *bound)
{
    size_t n;
    ej_extent *extent = &c->graph.nodes[c->graph.inputs[0]].extents[0];
    extent->n = 2;
    extent->symbols[0] = ej_graph_find_symbol(&c->graph, "z", 1);
    einjit_tensor *in = bind_tensors(&c->arena, inputs, &n);
    return ej_bind(bound, &c->graph, n, in, 0, NULL, open, &c->job);
}

static void products_of_names_are_solved(void **state)
{
    (void)state;
    bind_case c;
    ej_bound bound;
    bind_open(&c, "def f(a: f32[y], b: f32[z]):\n    return reshape(a, (2, z)) + b\n", "f32[10] f32[5]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(bind_product(&c, "f32[10] f32[5]", "z", &bound), EINJIT_OK);
    assert_int_equal(bound.sizes.n_symbols, 1);
    assert_int_equal(bind_product(&c, "f32[10] f32[4]", NULL, &bound), EINJIT_E_DIM);
    assert_non_null(strstr(c.err.text, "axis 0 of input 'a' is 10, which is not the product"));
    c.graph.nodes[c.graph.inputs[1]].extents[0].n = EJ_EXTENT_UNKNOWN; /* now only the product says what z is */
    c.graph.nodes[c.graph.inputs[1]].extents[0].n_symbols = 0;
    assert_int_equal(bind_product(&c, "f32[10] f32[5]", NULL, &bound), EINJIT_OK);
    assert_int_equal(bind_product(&c, "f32[9] f32[5]", NULL, &bound), EINJIT_E_DIM);
    bind_close(&c);
}

static void open_names_stay_open(void **state)
{
    (void)state;
    expect_open("a: f32[z, i, j], b: f32[z, j, k]", "einsum('zij,zjk->zik', a, b)", "f32[1000,4,5] f32[1000,5,8]", "z",
                "f32[z, 4, 8]");
    expect_open("a: f32[z, i]", "(a * 2 + 1).sum(dim=1)", "f32[9,4]", " z , i ", "f32[z]");
    expect_open("a: f32[z, i]", "transpose(a, 0, 1)", "f32[0,4]", "z", "f32[4, z]");
    expect_dump("a: f32[w, z], b: f32[z]", "a + b", "f32[3,4] f32[4]", "z,w", "open w = 3\nopen z = 4\n", true);
}

static void names_that_cannot_be_open_are_refused(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, "def f(a: f32[z]):\n    return a\n", "f32[3]", NULL, "q");
    assert_int_equal(c.status, EINJIT_E_NAME);
    assert_non_null(strstr(c.err.text, "'q'"));
    bind_close(&c);
}

static void an_extent_of_one_is_open_until_it_is_stretched(void **state)
{
    (void)state;
    expect_open("a: f32[z, 3]", "a", "f32[1,3]", "z", "f32[z, 3]");
    expect_open("a: f32[z, 3], b: f32[z, 1]", "a + b", "f32[1,3] f32[1,1]", "z", "f32[z, 3]");
    expect_open("a: f32[z], b: f32[w]", "a + b", "f32[1] f32[1]", "z,w", "f32[1]");
    expect_open("a: f32[z], b: f32[w]", "a + b", "f32[1] f32[4]", "z,w", "f32[w]");
    expect_open("a: f32[z, 1], b: f32[w]", "a + b", "f32[3,1] f32[4]", "z,w", "f32[z, w]");
}

static void names_that_meet_other_extents_are_closed(void **state)
{
    (void)state;
    expect_open("a: f32[z, 3], b: f32[5]", "a.sum(dim=1) + b", "f32[5,3] f32[5]", "z", "f32[5]");
    expect_open("a: f32[z], b: f32[w]", "a + b", "f32[5] f32[5]", "z,w", "f32[5]");
    expect_open("a: f32[z, v], b: f32[w, v]", "a + b", "f32[5,7] f32[5,7]", "z,w,v", "f32[5, v]");
    expect_open("a: f32[z], b: f32[w]", "einsum('i,i->', a, b)", "f32[5] f32[5]", "z,w", "f32[]");
    expect_dump("a: f32[z], b: f32[w]", "einsum('i,i->', a, b)", "f32[5] f32[5]", "z,w", "open", false);
    expect_open("a: f32[z, w]", "einsum('ii->i', a)", "f32[5,5]", "z,w", "f32[5]");
    expect_open("a: f32[z, 2], b: f32[w, 4]", "reshape(a, (-1,)) + reshape(b, (-1,))", "f32[6,2] f32[3,4]", "z,w",
                "f32[12]");
}

static void a_derived_extent_that_happens_to_be_one_is_closed(void **state)
{
    (void)state;
    expect_open("a: f32[z], b: f32[4]", "a[:1] + b", "f32[9] f32[4]", "z", "f32[4]");
    expect_open("a: f32[z], b: f32[z]", "a[:1] + b[:1]", "f32[9] f32[9]", "z", "f32[min(1, z)]");
    expect_open("a: f32[z]", "a[:1] + tensor([1.0]).to(f32)", "f32[9]", "z", "f32[min(1, z)]");
}

static void products_beyond_the_limit_close_what_is_in_them(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, "def f(a: f32[b,c,d,e,f,g,h,i,j]):\n    return a\n", "f32[2,2,2,2,2,2,2,2,2]", NULL,
              "b,c,d,e,f,g,h,i,j");
    assert_int_equal(c.status, EINJIT_OK);
    assert_int_equal(c.bound.nodes[c.bound.outputs[0]].rank, 9);
    bind_close(&c);
    expect_open("a: f32[b,c,d,e,f,g,h,i]", "a", "f32[2,2,2,2,2,2,2,2]", "b,c,d,e,f,g,h,i",
                "f32[b, c, d, e, f, g, h, i]");
}

static void many_closings_end(void **state)
{
    (void)state;
    char program[16384] = "def f(", inputs[4096] = "", open[2048] = "";
    for (int i = 0; i < 150; i++) {
        char part[64];
        snprintf(part, sizeof part, "%sa%d: f32[s%d]", i ? ", " : "", i, i);
        strcat(program, part);
        snprintf(part, sizeof part, "%ss%d", i ? "," : "", i);
        strcat(open, part);
        strcat(inputs, i ? " f32[5]" : "f32[5]");
    }
    strcat(program, "):\n    return ");
    for (int i = 0; i < 150; i += 2) {
        char part[64];
        snprintf(part, sizeof part, "%sa%d + a%d", i ? ", " : "", i, i + 1);
        strcat(program, part);
    }
    strcat(program, "\n");
    bind_case c;
    bind_open(&c, program, inputs, NULL, open);
    if (c.status) fail_msg("%s", c.err.text);
    assert_int_equal(c.bound.sizes.n_symbols, 0);
    bind_close(&c);
}

static void names_need_an_input(void **state)
{
    (void)state;
    expect_open("x: f32[n, 3], i: i64[e]", "index_add(n, 0, i, x[i])", "f32[4,3] i64[9]", "e", "f32[4, 3]");
    /* a builder can name an extent that no input has */
    bind_case c;
    bind_open(&c, "def f(i: i64[e], v: f32[e]):\n    return index_add(e, 0, i, v)\n", "i64[3] f32[3]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    int32_t symbol;
    assert_int_equal(ej_graph_symbol(&c.graph, "nowhere", 7, &symbol, NULL), EINJIT_OK);
    c.graph.nodes[c.graph.outputs[0]].extents[0].symbols[0] = symbol;
    size_t n;
    einjit_tensor *in = bind_tensors(&c.arena, "i64[3] f32[3]", &n);
    ej_bound bound;
    assert_int_equal(ej_bind(&bound, &c.graph, n, in, 0, NULL, NULL, &c.job), EINJIT_E_NAME);
    assert_non_null(strstr(c.err.text, "extent 'nowhere' is not the extent of an input"));
    assert_int_equal(ej_bind(&bound, &c.graph, n, in, 0, NULL, "nowhere", &c.job), EINJIT_E_NAME);
    bind_close(&c);
}

static void one_einsum_without_dtypes_leaves_names_to_its_labels(void **state)
{
    (void)state;
    ej_arena arena;
    ej_equation equation;
    ej_graph graph;
    ej_bound bound;
    einjit_error err;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena, .err = &err, .allocator = &ej_malloc_allocator};
    assert_int_equal(ej_equation_parse(&equation, &arena, "zij,zjk->zik", 12, 2, &err), EINJIT_OK);
    assert_int_equal(ej_graph_from_equation(&graph, &ej_malloc_allocator, &equation, NULL, &err), EINJIT_OK);
    size_t n;
    einjit_tensor *in = bind_tensors(&arena, "f32[9,4,1] f32[9,5,8]", &n);
    assert_int_equal(ej_bind(&bound, &graph, n, in, 0, NULL, "z,j", &job), EINJIT_OK);
    assert_int_equal(bound.sizes.n_symbols, 1);
    assert_string_equal(bound.sizes.atoms[0].name, "z");
    in = bind_tensors(&arena, "f32[9,4,3] f32[9,5,8]", &n);
    assert_int_equal(ej_bind(&bound, &graph, n, in, 0, NULL, NULL, &job), EINJIT_E_DIM);
    assert_string_equal(err.text, "axis 'j' is 3 in operand 0 and 5 in operand 1");
    ej_graph_free(&graph);
    ej_arena_free(&arena);
}

static void unknown_extents_may_have_a_name(void **state)
{
    (void)state;
    expect_open("a: f32[z:, 3], b: f32[z:]", "einsum('zi,z->i', a, b)", "f32[5,3] f32[5]", "z", "f32[3]");
    expect_open("a: f32[z:, 3], b: f32[z:]", "einsum('zi,z->zi', a, b)", "f32[5,3] f32[5]", "z", "f32[z, 3]");
    expect_open("a: f32[z:, 3], b: f32[z:]", "einsum('zi,z->zi', a, b)", "f32[5,3] f32[1]", "z", "f32[5, 3]");
    expect_result("a: f32[z:, 3], b: f32[z:]", "einsum('zi,z->zi', a, b)", "f32[1,3] f32[5]", "f32[5, 3]");
    expect_refused("a: f32[z:, 3], b: f32[z:]", "einsum('zi,z->zi', a, b)", "f32[4,3] f32[5]", EINJIT_E_DIM,
                   "axis 'z' is 4 in operand 0 and 5 in operand 1");
    /* one that is known counts, whatever the others are */
    expect_open("a: f32[z, 3], b: f32[z:]", "(a * b[0]).reshape((3, z))", "f32[5,3] f32[1]", "z", "f32[3, z]");
    expect_result("a: f32[z:, 3], b: f32[z:]", "a.reshape((3, z))", "f32[5,3] f32[5]", "f32[3, 5]");
    expect_refused("a: f32[z:, 3], b: f32[z:]", "a.reshape((3, z))", "f32[5,3] f32[1]", EINJIT_E_NAME,
                   "extent 'z' is not one extent");
}

static void one_einsum_declares_its_inputs_like_any_program(void **state)
{
    (void)state;
    expect_refused("a: any[3]", "einsum('i->', a)", "f32[5]", EINJIT_E_SHAPE,
                   "axis 0 of input 'a' is 5, the program says 3");
    expect_refused("a: any[i], b: any[i]", "einsum('i,i->i', a, b)", "f32[1] f32[5]", EINJIT_E_DIM, "extent 'i' is 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_one_extent_everywhere),
        cmocka_unit_test(numbers_and_dtypes_of_inputs_are_checked),
        cmocka_unit_test(products_of_names_are_solved),
        cmocka_unit_test(open_names_stay_open),
        cmocka_unit_test(names_that_cannot_be_open_are_refused),
        cmocka_unit_test(an_extent_of_one_is_open_until_it_is_stretched),
        cmocka_unit_test(names_that_meet_other_extents_are_closed),
        cmocka_unit_test(a_derived_extent_that_happens_to_be_one_is_closed),
        cmocka_unit_test(products_beyond_the_limit_close_what_is_in_them),
        cmocka_unit_test(many_closings_end),
        cmocka_unit_test(names_need_an_input),
        cmocka_unit_test(one_einsum_without_dtypes_leaves_names_to_its_labels),
        cmocka_unit_test(unknown_extents_may_have_a_name),
        cmocka_unit_test(one_einsum_declares_its_inputs_like_any_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
