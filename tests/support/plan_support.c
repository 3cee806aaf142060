/* plan_support.c - plans from program text, run step by step against the oracle. */
#include "plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cost.h"
#include "nest.h"
#include "oracle.h"

static void bind_program(plan_case *c, const char *program, const char *inputs, const char *outputs, const char *open)
{
    memset(&c->plan, 0, sizeof c->plan);
    bind_open(&c->bind, program, inputs, outputs, open);
    if (c->bind.status != EINJIT_OK) print_error("%s\n", c->bind.err.text);
    assert_int_equal(c->bind.status, EINJIT_OK);
}

static void make_plan(plan_case *c)
{
    c->status = ej_choose(&c->chosen, &c->bind.bound, false, &c->bind.job);
    if (c->status != EINJIT_OK) return;
    c->status = ej_plan_build(&c->plan, &c->chosen, &c->bind.job);
    c->text = "";
    if (c->status != EINJIT_OK) return;
    ej_count naive;
    assert_int_equal(ej_cost_graph(&naive, &c->bind.bound, &c->bind.job), EINJIT_OK);
    c->plan.naive_operations = naive.operations;
    c->status = ej_plan_verify(&c->plan, &c->bind.job);
    ej_text text;
    ej_text_init(&text, &c->bind.arena);
    ej_plan_print(&text, &c->plan);
    assert_false(text.failed);
    c->text = text.data;
}

void plan_open(plan_case *c, const char *program, const char *inputs, const char *outputs, const char *open)
{
    bind_program(c, program, inputs, outputs, open);
    make_plan(c);
}

void plan_open_by(plan_case *c, const char *program, const char *inputs, const char *strategy)
{
    bind_program(c, program, inputs, NULL, NULL);
    c->bind.job.path_strategy = strategy;
    make_plan(c);
}

void plan_close(plan_case *c)
{
    bind_close(&c->bind);
}

static int64_t stride_of(const einjit_tensor *t, int axis)
{
    int64_t stride = 1;
    if (t->strides) return t->strides[axis];
    for (int i = t->rank; i-- > axis + 1;) stride *= t->shape[i];
    return stride;
}

/* Memory for a tensor of any strides; every element gets a small whole number. */
static void give_memory(ej_arena *arena, einjit_tensor *t, uint32_t seed, int64_t indices)
{
    size_t width = einjit_dtype_bytes(t->dtype);
    int64_t lo = 0, hi = 0;
    for (int i = 0; i < t->rank; i++) {
        int64_t reach = t->shape[i] ? stride_of(t, i) * (t->shape[i] - 1) : 0;
        if (reach < 0) lo += reach;
        else hi += reach;
    }
    size_t n = (size_t)(hi - lo + 1);
    unsigned char *block = ej_arena_new(arena, n, width);
    assert_non_null(block);
    for (size_t i = 0; i < n; i++) {
        uint32_t h = ((uint32_t)i + seed * 977u) * 2654435761u;
        int64_t small = (int64_t)((h >> 13) % 9) - 4;
        if (indices && (t->dtype == EINJIT_I64 || t->dtype == EINJIT_I32))
            small = (int64_t)((h >> 13) % (uint32_t)indices);
        bool whole = ej_dtypes[t->dtype].kind == EJ_KIND_INT;
        ej_scalar x = {.re = (double)small, .im = (double)(small % 3), .integer = whole ? small : small & 1};
        ej_scalar_store(t->dtype, block + i * width, x);
    }
    t->data = block - lo * (int64_t)width;
}

static void row_major_like(ej_arena *arena, einjit_tensor *out, const oracle_value *value)
{
    int64_t *shape = EJ_NEW_ARRAY(arena, int64_t, (size_t)value->rank);
    assert_non_null(shape);
    for (int i = 0; i < value->rank; i++) shape[i] = value->shape[i];
    *out = (einjit_tensor){.dtype = value->dtype, .rank = value->rank, .shape = shape};
}

static void compare(const oracle_result *expected, const einjit_tensor *out, const char *plan)
{
    for (size_t o = 0; o < expected->n; o++) {
        double worst;
        char message[256];
        int64_t at = oracle_compare(&expected->values[o], &out[o], &worst);
        if (at < 0) continue;
        oracle_describe(&expected->values[o], &out[o], at, message, sizeof message);
        print_error("output %zu: %s\n%s", o, message, plan);
        fail();
    }
}

void plan_check(plan_case *c, const char *inputs, const char *outputs, const int64_t *symbols, int64_t indices)
{
    const ej_bound *bound = &c->bind.bound;
    ej_arena *arena = &c->bind.arena;
    size_t n_in, n_out = 0;
    step_run run;
    oracle_result expected;
    einjit_tensor *in = bind_tensors(arena, inputs, &n_in), *out = NULL;
    if (outputs) out = bind_tensors(arena, outputs, &n_out);
    assert_int_equal(n_in, bound->n_inputs);
    for (size_t i = 0; i < n_in; i++) give_memory(arena, &in[i], (uint32_t)i + 1, indices);
    bool defined = oracle_run(&expected, &c->bind.graph, in, 1e8);
    if (!defined) print_error("%s\n", expected.reason);
    assert_true(defined);
    if (!out) {
        out = EJ_NEW_ARRAY(arena, einjit_tensor, expected.n);
        assert_non_null(out);
        for (size_t o = 0; o < expected.n; o++) row_major_like(arena, &out[o], &expected.values[o]);
    }
    void **data = EJ_NEW_ARRAY(arena, void *, n_in + expected.n);
    assert_non_null(data);
    for (size_t i = 0; i < n_in; i++) data[i] = (void *)in[i].data;
    for (size_t o = 0; o < expected.n; o++) {
        give_memory(arena, &out[o], 99, 0);
        data[n_in + o] = (void *)out[o].data;
    }
    bool ran = step_run_plan(&run, &c->plan, data, symbols);
    if (ran) compare(&expected, out, c->text);
    for (size_t k = 0; ran && k < c->plan.n_status_checks; k++) {
        int64_t range[2];
        assert_true(step_run_status(&run, &c->plan, k, range));
    }
    step_run_free(&run);
    oracle_free(&expected);
    assert_true(ran);
}

void expect_plan(const char *program, const char *inputs, int steps)
{
    plan_case c;
    plan_open(&c, program, inputs, NULL, NULL);
    if (c.status != EINJIT_OK) print_error("%s\n", c.bind.err.text);
    assert_int_equal(c.status, EINJIT_OK);
    if (steps >= 0 && c.plan.n_steps != (size_t)steps) print_error("%s", c.text);
    if (steps >= 0) assert_int_equal(c.plan.n_steps, steps);
    plan_check(&c, inputs, NULL, NULL, 0);
    plan_close(&c);
}
