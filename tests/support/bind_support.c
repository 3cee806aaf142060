/* bind_support.c - bound graphs from text. */
#include "bind_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *read_numbers(ej_arena *arena, const char *at, int64_t **out, int32_t *n)
{
    *n = 0;
    *out = EJ_NEW_ARRAY(arena, int64_t, strlen(at) + 1);
    assert_non_null(*out);
    while (*at == '-' || (*at >= '0' && *at <= '9')) {
        char *end;
        (*out)[(*n)++] = strtoll(at, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
    return at;
}

einjit_tensor *bind_tensors(ej_arena *arena, const char *text, size_t *n)
{
    einjit_tensor *tensors = EJ_NEW_ARRAY(arena, einjit_tensor, strlen(text) + 1);
    assert_non_null(tensors);
    *n = 0;
    for (const char *at = text; *at;) {
        einjit_tensor *t = &tensors[*n];
        char name[16] = {0};
        size_t length = strcspn(at, "[");
        assert_true(length < sizeof name);
        memcpy(name, at, length);
        t->dtype = einjit_dtype_from_name(name);
        assert_true(t->dtype >= 0);
        int64_t *shape, *strides;
        int32_t n_strides;
        at = read_numbers(arena, at + length + 1, &shape, &t->rank);
        t->shape = shape;
        assert_int_equal(*at++, ']');
        if (*at == ':') {
            at = read_numbers(arena, at + 1, &strides, &n_strides);
            assert_int_equal(n_strides, t->rank);
            t->strides = strides;
        }
        at += strspn(at, " ");
        ++*n;
    }
    return tensors;
}

void bind_open(bind_case *c, const char *program, const char *inputs, const char *outputs, const char *open)
{
    memset(c, 0, sizeof *c);
    ej_arena_init(&c->arena, &ej_malloc_allocator);
    c->job = (ej_job){.arena = &c->arena, .err = &c->err, .allocator = &ej_malloc_allocator};
    c->status = ej_graph_parse(&c->graph, &ej_malloc_allocator, program, strlen(program), &c->err);
    if (c->status) return;
    c->has_graph = true;
    size_t n_in, n_out = 0;
    einjit_tensor *in = bind_tensors(&c->arena, inputs, &n_in);
    einjit_tensor *out = outputs ? bind_tensors(&c->arena, outputs, &n_out) : NULL;
    c->status = ej_bind(&c->bound, &c->graph, n_in, in, n_out, out, open, &c->job);
    if (c->status == EINJIT_OK && ej_bound_verify(&c->bound, &c->job)) fail_msg("%s\n%s", c->err.text, bind_dump(c));
}

void bind_close(bind_case *c)
{
    if (c->has_graph) ej_graph_free(&c->graph);
    ej_arena_free(&c->arena);
}

const char *bind_result(bind_case *c, size_t i)
{
    ej_text text;
    ej_text_init(&text, &c->arena);
    const ej_bound_node *node = &c->bound.nodes[c->bound.outputs[i]];
    ej_print(&text, "%s[", einjit_dtype_name(node->dtype));
    for (int32_t k = 0; k < node->rank; k++) {
        if (k) ej_print(&text, ", ");
        ej_size_print(&text, &c->bound.sizes, node->shape[k]);
    }
    ej_print(&text, "]");
    assert_false(text.failed);
    return text.data;
}

const char *bind_dump(bind_case *c)
{
    ej_text text;
    ej_text_init(&text, &c->arena);
    ej_bound_print(&text, &c->bound);
    assert_false(text.failed);
    return text.data;
}

static void open_body(bind_case *c, const char *params, const char *body, const char *inputs, const char *open)
{
    char program[4096];
    int n = snprintf(program, sizeof program, "def f(%s):\n    return %s\n", params, body);
    assert_true(n > 0 && (size_t)n < sizeof program);
    bind_open(c, program, inputs, NULL, open);
}

void expect_open(const char *params, const char *body, const char *inputs, const char *open, const char *result)
{
    bind_case c;
    open_body(&c, params, body, inputs, open);
    if (c.status) fail_msg("%s over %s: %s: %s", body, inputs, einjit_status_name(c.status), c.err.text);
    if (strcmp(bind_result(&c, 0), result))
        fail_msg("%s over %s: %s, not %s", body, inputs, bind_result(&c, 0), result);
    bind_close(&c);
}

void expect_result(const char *params, const char *body, const char *inputs, const char *result)
{
    expect_open(params, body, inputs, NULL, result);
}

void expect_refused(const char *params, const char *body, const char *inputs, int code, const char *message)
{
    bind_case c;
    open_body(&c, params, body, inputs, NULL);
    if (!c.status) fail_msg("%s over %s: %s, not refused", body, inputs, bind_result(&c, 0));
    if (c.status != code || c.err.code != code || !strstr(c.err.text, message))
        fail_msg("%s over %s: %s: %s", body, inputs, einjit_status_name(c.status), c.err.text);
    bind_close(&c);
}

void expect_dump(const char *params, const char *body, const char *inputs, const char *open, const char *part, bool has)
{
    bind_case c;
    open_body(&c, params, body, inputs, open);
    if (c.status) fail_msg("%s over %s: %s: %s", body, inputs, einjit_status_name(c.status), c.err.text);
    if ((strstr(bind_dump(&c), part) != NULL) != has)
        fail_msg("%s over %s: '%s' %s in\n%s", body, inputs, part, has ? "is not" : "is", bind_dump(&c));
    bind_close(&c);
}
