/* One value computed in several ways: guards, what is bound for them, what is planned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"

static const char factored[] = "def f(a: f32[x, k], b: f32[y, k], c: f32[k, n]):\n"
                               "    p = einsum('ik,kj->ij', a, c)\n"
                               "    q = einsum('ik,kj->ij', b, c)\n"
                               "    sum = p + q\n"
                               "    ab = a + b\n"
                               "    both = einsum('ik,kj->ij', ab, c)\n"
                               "    return choose(sum, both, equal=[(1, a, 0, b, 0)])\n";

static size_t count(const ej_bound *bound, int op)
{
    size_t n = 0;
    for (size_t v = 0; v < bound->n_nodes; v++) n += bound->nodes[v].op == op;
    return n;
}

static void expect_alternatives(const char *program, const char *inputs, const char *open, size_t n)
{
    bind_case c;
    bind_open(&c, program, inputs, NULL, open);
    if (c.status) fail_msg("%s", c.err.text);
    const ej_bound_node *result = &c.bound.nodes[c.bound.outputs[0]];
    if (n == 1) assert_int_not_equal(result->op, EJ_OP_CHOOSE);
    if (n > 1) assert_int_equal(result->op, EJ_OP_CHOOSE);
    if (n > 1) assert_int_equal(result->n_in, n);
    bind_close(&c);
}

static void alternatives_count_where_their_guards_hold(void **state)
{
    (void)state;
    expect_alternatives(factored, "f32[3,4] f32[3,4] f32[4,5]", NULL, 2);
    expect_alternatives(factored, "f32[1,4] f32[3,4] f32[4,5]", NULL, 1);
    expect_alternatives("def f(a, b):\n    return choose(a, b)\n", "f32[3] f32[3]", NULL, 2);
    expect_alternatives("def f(a, b):\n    return choose(a, a, b, a, b)\n", "f32[3] f32[3]", NULL, 2);
    expect_alternatives("def f(a, b):\n    return choose(a, b, equal=[(1, a, 0, b, -1)])\n", "f32[3] f32[3]", NULL, 2);
    expect_alternatives("def f(a, b):\n    return choose(a, b, equal=[(1, a, 1, b, 0)])\n", "f32[3] f32[3]", NULL, 1);
    expect_alternatives("def f(a, b, c):\n    return choose(a, b, a + 0, equal=[(1, a, 0, c, 0)])\n",
                        "f32[3] f32[3] f32[4]", NULL, 2);
    expect_alternatives("def f(a):\n    return choose(a)\n", "f32[3]", NULL, 1);
}

static void what_failed_guards_rule_out_is_not_bound(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, factored, "f32[1,4] f32[3,4] f32[4,5]", NULL, NULL);
    if (c.status) fail_msg("%s", c.err.text);
    assert_int_equal(count(&c.bound, EJ_OP_EINSUM), 2);
    assert_int_equal(c.bound.of_value[ej_graph_find_value(&c.graph, "ab", 2)], -1);
    bind_close(&c);
    /* it may be nonsense, also at the bottom of another alternative */
    expect_alternatives("def f(a, b):\n    bad = a + b\n    inner = choose(a, bad, equal=[(1, a, 0, b, 0)])\n"
                        "    return choose(a, inner * 1, bad, equal=[(2, b, 0, a, 0)])\n",
                        "f32[3] f32[4]", NULL, 2);
}

static void a_guard_closes_nothing(void **state)
{
    (void)state;
    bind_case c;
    bind_open(&c, "def f(a: f32[z], b: f32[w]):\n    return choose(a, a[:] * 1, a - b, equal=[(2, a, 0, b, 0)])\n",
              "f32[3] f32[3]", NULL, "z,w");
    if (c.status) fail_msg("%s", c.err.text);
    assert_int_equal(c.bound.sizes.n_symbols, 2);
    assert_int_equal(c.bound.nodes[c.bound.outputs[0]].n_in, 2);
    bind_close(&c);
    expect_alternatives(factored, "f32[3,4] f32[3,4] f32[4,5]", "k,n", 2);
    bind_open(&c, "def f(a: f32[z], b: f32[w]):\n    return choose(a, b)\n", "f32[3] f32[3]", NULL, "z,w");
    assert_int_equal(c.status, EINJIT_OK); /* only as observed the same shape: not for every z and w */
    assert_int_equal(c.bound.sizes.n_symbols, 2);
    assert_int_equal(c.bound.outputs[0], c.bound.inputs[0]);
    bind_close(&c);
}

static void alternatives_of_another_kind_are_refused(void **state)
{
    (void)state;
    expect_refused("a, b", "choose(a, b)", "f32[3] f64[3]", EINJIT_E_DTYPE,
                   "alternative 1 is f64 and the first is f32");
    expect_refused("a, b", "choose(a, b)", "f32[3] f32[4]", EINJIT_E_SHAPE,
                   "axis 0 is 4 in alternative 1 and 3 in the first");
    expect_refused("a, b", "choose(a, a, b)", "f32[3] f32[3,1]", EINJIT_E_RANK,
                   "alternative 2 has 2 axes and the first has 1");
    expect_refused("a, b", "choose(a, a + b)", "f32[3] f32[4]", EINJIT_E_BROADCAST, "");
}

static void an_alternative_that_would_be_too_large_is_left_out(void **state)
{
    (void)state;
    static const char program[] = "def f(a: f32[n], i: i64[e], b: f32[m]):\n"
                                  "    rows = einsum('e,m->em', a[i], b)\n"
                                  "    all = einsum('n,m->nm', a, b)\n"
                                  "    return choose(rows, choose(all * 1, all + 0)[i])\n";
    expect_alternatives(program, "f32[4] i64[2] f32[5]", NULL, 2);
    expect_alternatives(program, "f32[1099511627776] i64[2] f32[1099511627776]", NULL, 1);
    /* what the program itself needs is refused */
    expect_refused("a, b", "choose(einsum('n,m->nm', a, b), a)", "f32[1099511627776] f32[1099511627776]", EINJIT_E_SIZE,
                   "2^62");
}

static void a_number_stays_one(void **state)
{
    (void)state;
    expect_result("a", "choose(2.0, 2) * a", "f32[3]", "f32[3]");
    expect_result("a", "choose(2.0)", "f32[3]", "f64[]");
}

static void one_alternative_is_planned(void **state)
{
    (void)state;
    expect_plan(factored, "f32[3,4] f32[3,4] f32[4,5]", 2); /* one product instead of two */
    expect_plan(factored, "f32[1,4] f32[3,4] f32[4,5]", -1);
    expect_plan("def f(a, b, c):\n    s = choose(a @ c + b @ c, (a + b) @ c)\n    return s, relu(s)\n",
                "f32[3,4] f32[3,4] f32[4,5]", -1);
    /* with random choices any: some seed takes each */
    bool seen[2] = {false};
    for (int seed = 1; seed < 40; seed++) {
        plan_case c;
        char strategy[32];
        bind_open(&c.bind, "def f(a, b):\n    return choose(a + b, exp(a * b))\n", "f32[3] f32[3]", NULL, NULL);
        assert_int_equal(c.bind.status, EINJIT_OK);
        snprintf(strategy, sizeof strategy, "random:%d", seed);
        c.bind.job.path_strategy = strategy;
        assert_int_equal(ej_choose(&c.chosen, &c.bind.bound, false, &c.bind.job), EINJIT_OK);
        assert_int_equal(ej_plan_build(&c.plan, &c.chosen, &c.bind.job), EINJIT_OK);
        assert_int_equal(ej_plan_verify(&c.plan, &c.bind.job), EINJIT_OK);
        assert_int_equal(c.plan.n_steps, 1);
        seen[c.plan.steps[0].expr.n > 3] = true;
        plan_close(&c);
    }
    assert_true(seen[0] && seen[1]);
}

static void check_text(const char *body, const char *expected)
{
    char program[256];
    ej_arena arena;
    ej_graph graph;
    ej_text text;
    einjit_error err;
    snprintf(program, sizeof program, "def f(a, b):\n    return %s\n", body);
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    if (ej_graph_parse(&graph, &ej_malloc_allocator, program, strlen(program), &err)) fail_msg("%s", err.text);
    ej_graph_print(&text, &graph);
    assert_non_null(strstr(text.data, expected));
    ej_graph_free(&graph);
    ej_arena_free(&arena);
}

static void the_text_says_guards(void **state)
{
    (void)state;
    check_text("choose(a, b, 1, equal=[(1, a, 0, b, -1), (2, a, 1, 3, 0)])",
               "choose_1 = choose(a, b, 1, equal=[(1, a, 0, b, -1), (2, a, 1, 3, 0)])\n");
    check_text("choose(a, equal=())", "choose_1 = choose(a)\n");
    expect_refused("a", "choose(a, a, equal=[(0, a, 0, a, 0)])", "f32[3]", EINJIT_E_VALUE,
                   "argument 'equal' of choose");
    expect_refused("a", "choose(a, a, equal=[(2, a, 0, a, 0)])", "f32[3]", EINJIT_E_VALUE,
                   "argument 'equal' of choose");
    expect_refused("a", "choose(a, a, equal=[(1, a, 0, a)])", "f32[3]", EINJIT_E_VALUE, "argument 'equal' of choose");
    expect_refused("a", "choose(a, a, equal=3)", "f32[3]", EINJIT_E_VALUE, "argument 'equal' of choose");
    expect_refused("a", "choose()", "f32[3]", EINJIT_E_VALUE, "choose needs its argument 'first'");
}

static void a_deep_alternative_needs_no_stack(void **state)
{
    (void)state;
    size_t n = 50000, room = n * 40 + 200, used;
    char *program = malloc(room);
    assert_non_null(program);
    used = (size_t)snprintf(program, room, "def f(x0):\n");
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(program + used, room - used, "    x%zu = -x%zu\n", i + 1, i);
    snprintf(program + used, room - used, "    return choose(x0, x%zu)\n", n);
    expect_alternatives(program, "f32[3]", NULL, 2);
    free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alternatives_count_where_their_guards_hold),
        cmocka_unit_test(what_failed_guards_rule_out_is_not_bound),
        cmocka_unit_test(a_guard_closes_nothing),
        cmocka_unit_test(alternatives_of_another_kind_are_refused),
        cmocka_unit_test(an_alternative_that_would_be_too_large_is_left_out),
        cmocka_unit_test(a_number_stays_one),
        cmocka_unit_test(one_alternative_is_planned),
        cmocka_unit_test(the_text_says_guards),
        cmocka_unit_test(a_deep_alternative_needs_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
