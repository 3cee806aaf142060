/* test_plan_buffer.c - scratch by lifetimes, verification, and large graphs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan_support.h"
#include "scarce_memory.h"

#define CHAIN \
    "def f(a: f64[z, 8], b: f64[8, 8]):\n" \
    "    x = relu(a @ b)\n    y = relu(x @ b)\n    z1 = relu(y @ b)\n    w = relu(z1 @ b)\n    return w @ b\n"

static void dead_buffers_are_reused(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, CHAIN, "f64[10,8] f64[8,8]", NULL, NULL);
    assert_int_equal(c.plan.n_steps, 5);
    assert_int_equal(c.plan.scratch_bytes.n, 2 * 10 * 8 * 8); /* two of four intermediates are alive at a time */
    plan_check(&c, "f64[10,8] f64[8,8]", NULL, NULL, 0);
    plan_close(&c);
}

static void dead_buffers_of_open_size_are_reused(void **state)
{
    plan_case c;
    const int64_t more[] = {100};
    (void)state;
    plan_open(&c, CHAIN, "f64[10,8] f64[8,8]", NULL, "z");
    assert_int_equal(c.plan.scratch_bytes.n, 2 * 10 * 8 * 8);
    plan_check(&c, "f64[100,8] f64[8,8]", NULL, more, 0);
    plan_close(&c);
}

static void offsets_are_aligned(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, "def f(a):\n    x = a + 1\n    y = x.sum()\n    return x * y + x.prod()", "f64[3]", NULL, NULL);
    for (size_t b = 0; b < c.plan.n_buffers; b++)
        if (c.plan.buffers[b].home == EJ_HOME_SCRATCH) assert_int_equal(c.plan.buffers[b].offset_bytes.n % 64, 0);
    assert_int_equal(c.plan.scratch_bytes.n % 64, 0);
    plan_close(&c);
}

static void overflowing_scratch_is_refused(void **state)
{
    plan_case c;
    (void)state;
    /* 2^62 bytes each, all alive at the same time */
    const char *text = "def f(a, b):\n    x = einsum(\"i,j->ij\", a, b)\n    y = x + 1.0\n    z = x - y\n"
                       "    return (x * y).sum() + (y * z).sum() + (x * z).sum()";
    plan_open(&c, text, "f64[536870912]:0 f64[1073741824]:0", NULL, NULL);
    assert_int_equal(c.status, EINJIT_E_SIZE);
    plan_close(&c);
}

static void verify_finds_what_is_broken(void **state)
{
    plan_case c;
    (void)state;
    plan_open(&c, CHAIN, "f64[10,8] f64[8,8]", NULL, NULL);
    ej_plan *p = &c.plan;
    assert_int_equal(ej_plan_verify(p, &c.bind.job), EINJIT_OK);

    p->steps[1].src[0].base = ej_size_number(1);
    assert_int_equal(ej_plan_verify(p, &c.bind.job), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.bind.err.text, "outside"));
    p->steps[1].src[0].base = ej_size_number(0);

    ej_step first = p->steps[0];
    p->steps[0] = p->steps[1], p->steps[1] = first;
    assert_int_equal(ej_plan_verify(p, &c.bind.job), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.bind.err.text, "before it is written"));
    p->steps[1] = p->steps[0], p->steps[0] = first;

    ej_size at = p->buffers[4].offset_bytes;
    p->buffers[4].offset_bytes = p->buffers[3].offset_bytes;
    assert_int_equal(ej_plan_verify(p, &c.bind.job), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.bind.err.text, "share scratch"));
    p->buffers[4].offset_bytes = at;

    p->steps[2].out.n_terms--;
    assert_int_equal(ej_plan_verify(p, &c.bind.job), EINJIT_E_INTERNAL);
    p->steps[2].out.n_terms++;
    assert_int_equal(ej_plan_verify(p, &c.bind.job), EINJIT_OK);
    plan_close(&c);
}

static void plans_print_the_same_twice(void **state)
{
    plan_case c, d;
    (void)state;
    const char *simple = "def f(x: f64[n, 4], i: i64[e]):\n    return index_add(n, 0, i, exp(x[i]))";
    plan_open(&c, simple, "f64[5,4] i64[3]", NULL, "n,e");
    plan_open(&d, simple, "f64[5,4] i64[3]", NULL, "n,e");
    assert_string_equal(c.text, d.text);
    assert_non_null(strstr(c.text, "index_add_1[4*i[d0] + d1] += sum of t0 = s0; t1 = exp(t0)"));
    assert_non_null(strstr(c.text, "check input 1"));
    plan_close(&c);
    plan_close(&d);
}

/* Buffers of one value get names of their own, however long it is: cut names would be the same for all. */
static void long_names_stay_different(void **state)
{
    plan_case c;
    char name[200], program[800];
    (void)state;
    for (int n = 150; n < 170; n++) {
        memset(name, 'y', (size_t)n);
        name[n] = '\0';
        snprintf(program, sizeof program, "def f(x: f64[3, 4]):\n    %s = softmax(x, 1)\n    return %s * 2, %s\n", name,
                 name, name);
        plan_open(&c, program, "f64[3,4]", NULL, NULL);
        assert_int_equal(c.status, EINJIT_OK);
        for (size_t b = 0; b < c.plan.n_buffers; b++)
            for (size_t d = 0; d < b; d++) assert_string_not_equal(c.plan.buffers[b].name, c.plan.buffers[d].name);
        plan_close(&c);
    }
}

static void failing_allocations_are_reported(void **state)
{
    plan_case c;
    (void)state;
    const char *text = "def f(x: f64[n, 4], i: i64[e], w: f64[4, 4, 4]):\n"
                       "    m = relu(einsum(\"ec,cdf,ef,ed->ed\", x[i], w, x[i + 0], x[i])) * 2.0\n"
                       "    y = cat([m, m.permute(1, 0).reshape(e, 4) + 1.0], dim=1)\n"
                       "    return index_add(n, 0, i, y), y.sum()";
    plan_open(&c, text, "f64[5,4] i64[4] f64[4,4,4]", NULL, "n,e");
    assert_int_equal(c.status, EINJIT_OK);
    int status = EINJIT_E_NOMEM;
    for (long n = 0; status != EINJIT_OK; n++) {
        scarce_memory memory;
        ej_arena arena;
        ej_plan plan;
        ej_bound chosen;
        scarce_memory_init(&memory, n);
        ej_arena_init(&arena, &memory.hooks);
        ej_job job = c.bind.job;
        job.arena = &arena;
        status = ej_choose(&chosen, &c.bind.bound, false, &job);
        if (status == EINJIT_OK) status = ej_plan_build(&plan, &chosen, &job);
        if (status != EINJIT_OK) assert_int_equal(status, EINJIT_E_NOMEM);
        ej_arena_free(&arena);
        assert_int_equal(memory.live, 0);
        assert_true(n < 100000);
    }
    plan_close(&c);
}

/* A chain of nodes that are never fused away, far longer than any stack. */
static void chain_of_100000_nodes(void **state)
{
    enum { N = 100000 };
    (void)state;
    size_t room = N * 40 + 256, used = 0;
    char *program = malloc(room);
    assert_non_null(program);
    used += (size_t)snprintf(program, room, "def f(a):\n    x0 = a + 1\n");
    for (int i = 1; i < N; i++)
        used += (size_t)snprintf(program + used, room - used, "    x%d = x%d %s\n", i, i - 1,
                                 i % 7 ? "- 1" : ".sum(0, True)");
    snprintf(program + used, room - used, "    return x%d\n", N - 1);
    plan_case c;
    plan_open(&c, program, "i64[2]", NULL, NULL);
    assert_int_equal(c.status, EINJIT_OK);
    assert_true(c.plan.n_steps > 0);
    assert_true(c.plan.scratch_bytes.n <= 4 * 64);
    plan_close(&c);
    free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_buffers_are_reused),     cmocka_unit_test(dead_buffers_of_open_size_are_reused),
        cmocka_unit_test(offsets_are_aligned),         cmocka_unit_test(overflowing_scratch_is_refused),
        cmocka_unit_test(verify_finds_what_is_broken), cmocka_unit_test(plans_print_the_same_twice),
        cmocka_unit_test(long_names_stay_different),   cmocka_unit_test(failing_allocations_are_reported),
        cmocka_unit_test(chain_of_100000_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
