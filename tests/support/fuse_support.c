/* fuse_support.c - programs through the fuse pass. */
#include "fuse_support.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"
#include "judge.h"
#include "opt.h"
#include "oracle.h"

/* "a = b; return a" as lines of a function. */
static const char *as_program(ej_arena *arena, const char *params, const char *body)
{
    ej_text text;
    ej_text_init(&text, arena);
    ej_print(&text, "def f(%s):\n    ", params);
    for (const char *at = body; *at; at++) {
        if (*at == ';') ej_print(&text, "\n   ");
        else ej_print(&text, "%c", *at);
    }
    ej_print(&text, "\n");
    assert_false(text.failed);
    return text.data;
}

/* The other way, without the parameters. */
static const char *as_body(ej_arena *arena, const ej_graph *graph)
{
    ej_text text, out;
    ej_text_init(&text, arena);
    ej_text_init(&out, arena);
    ej_graph_print(&text, graph);
    assert_false(text.failed);
    const char *at = strstr(text.data, "\n    ");
    assert_non_null(at);
    for (at += 5; *at; at++) {
        if (strncmp(at, "\n    ", 5)) {
            if (*at != '\n') ej_print(&out, "%c", *at);
            continue;
        }
        ej_print(&out, "; ");
        at += 4;
    }
    assert_false(out.failed);
    return out.data;
}

void fuse_open(fuse_case *c, const char *params, const char *body)
{
    memset(c, 0, sizeof *c);
    ej_arena_init(&c->arena, &ej_malloc_allocator);
    c->job = (ej_job){.arena = &c->arena, .err = &c->err, .allocator = &ej_malloc_allocator, .verify = true};
    const char *program = as_program(&c->arena, params, body);
    if (ej_graph_parse(&c->before, &ej_malloc_allocator, program, strlen(program), &c->err)) fail_msg("%s", c->err.text);
    assert_int_equal(ej_graph_copy(&c->after, &c->before, &ej_malloc_allocator, &c->err), EINJIT_OK);
    assert_int_equal(ej_opt_fuse(&c->after, &c->job, &c->n_changed), EINJIT_OK);
    if (ej_graph_verify(&c->after, &c->err)) fail_msg("%s", c->err.text);
    c->text = as_body(&c->arena, &c->after);
    size_t again = 0;
    assert_int_equal(ej_opt_fuse(&c->after, &c->job, &again), EINJIT_OK);
    assert_int_equal(again, 0);
    assert_string_equal(as_body(&c->arena, &c->after), c->text);
}

void fuse_close(fuse_case *c)
{
    ej_graph_free(&c->before);
    ej_graph_free(&c->after);
    ej_arena_free(&c->arena);
}

/* ---- numbers ---- */

static void fill(gen_program *p, ej_arena *arena, const char *inputs)
{
    gen_random r = {7};
    size_t n;
    einjit_tensor *tensors = bind_tensors(arena, inputs, &n);
    assert_true(n <= GEN_MAX_INPUTS);
    for (size_t i = 0; i < n; i++) {
        const einjit_tensor *t = &tensors[i];
        assert_true(gen_tensor_make(&p->in[i], &r, t->dtype, t->rank, t->shape, i % 2 ? GEN_PERMUTED : GEN_ROW_MAJOR));
        gen_tensor_fill(&p->in[i], &r, false);
        p->n_in = i + 1;
    }
}

static void same_values(const oracle_value *a, const oracle_value *b)
{
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->rank, b->rank);
    for (int i = 0; i < a->rank; i++) assert_int_equal(a->shape[i], b->shape[i]);
    for (int64_t i = 0; i < a->n; i++) {
        assert_true(a->e[i].re == b->e[i].re && a->e[i].im == b->e[i].im);
        assert_int_equal(a->e[i].i, b->e[i].i);
    }
}

void fuse_check(fuse_case *c, const char *inputs)
{
    static gen_program p;
    memset(&p, 0, sizeof p);
    fill(&p, &c->arena, inputs);
    einjit_tensor views[GEN_MAX_INPUTS];
    gen_program_views(&p, views);
    oracle_result before, after;
    if (!oracle_run(&before, &c->before, views, 1e7)) fail_msg("%s", before.reason);
    if (!oracle_run(&after, &c->after, views, 1e9)) fail_msg("%s: %s", c->text, after.reason);
    assert_int_equal(before.n, after.n);
    for (size_t i = 0; i < before.n; i++) same_values(&before.values[i], &after.values[i]);
    einjit_context *context = NULL;
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_VERIFY};
    assert_int_equal(einjit_context_create(&context, &options, &c->err), EINJIT_OK);
    char why[400];
    judge_way way = {.name = "fused", .context = context, .passes = ""};
    if (!judge_graph(&p, &c->after, before.values, &way, 1, NULL, why, sizeof why)) fail_msg("%s: %s", c->text, why);
    einjit_context_release(context);
    for (size_t i = 0; i < p.n_in; i++) gen_tensor_free(&p.in[i]);
    oracle_free(&before);
    oracle_free(&after);
}

void expect_fused(const char *params, const char *body, const char *fused, const char *inputs)
{
    fuse_case c;
    fuse_open(&c, params, body);
    if (!fused && c.n_changed) fail_msg("%s: changed to %s", body, c.text);
    if (fused && strcmp(c.text, fused)) fail_msg("%s: %s for %s", body, c.text, fused);
    fuse_check(&c, inputs);
    fuse_close(&c);
}
