/* test_facts_shape.c - ranks and extents that follow from the program, and how they are said (facts_extent.c). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_support.h"
#include "opt.h"

typedef struct shape_case {
    ej_graph graph;
    ej_arena arena;
    const ej_known_shapes *shapes;
} shape_case;

static void open_case(shape_case *c, const char *parameters, const char *results)
{
    char program[400];
    einjit_error err;
    snprintf(program, sizeof program, "def f(%s):\n    return %s\n", parameters, results);
    ej_arena_init(&c->arena, &ej_malloc_allocator);
    if (ej_graph_parse(&c->graph, &ej_malloc_allocator, program, strlen(program), &err))
        fail_msg("%s: %s", program, err.text);
    c->shapes = ej_facts_shapes(&c->graph, &c->arena);
    assert_non_null(c->shapes);
}

static void close_case(shape_case *c)
{
    ej_graph_free(&c->graph);
    ej_arena_free(&c->arena);
}

/* "3, 2*n, ?": the extents of the one result; "none": its rank is not known. */
static void shape_is(const char *parameters, const char *expression, const char *expected)
{
    shape_case c;
    char text[200] = "";
    size_t n = 0;
    open_case(&c, parameters, expression);
    const ej_known_shape *shape = &c.shapes->of[c.graph.outputs[0]];
    if (shape->rank < 0) n += (size_t)snprintf(text, sizeof text, "none");
    for (int32_t i = 0; i < shape->rank; i++) {
        ej_extent extent;
        bool said;
        assert_true(ej_facts_name_extent(c.shapes, shape->extents[i], &c.arena, &extent, &said));
        if (i) n += (size_t)snprintf(text + n, sizeof text - n, ", ");
        if (!said) n += (size_t)snprintf(text + n, sizeof text - n, "?");
        else if (extent.n != 1 || !extent.n_symbols)
            n += (size_t)snprintf(text + n, sizeof text - n, "%d", (int)extent.n);
        for (int32_t k = 0; said && k < extent.n_symbols; k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", k || extent.n != 1 ? "*" : "",
                                  c.graph.symbols[extent.symbols[k]]);
    }
    if (strcmp(text, expected)) fail_msg("%s of %s: %s, not %s", expression, parameters, text, expected);
    close_case(&c);
}

static void layout(void **state)
{
    (void)state;
    shape_is("x: f32[n, 3, :]", "x", "n, 3, ?");
    shape_is("x", "x", "none");
    shape_is("x: f32[n, 3]", "permute(x, (1, 0))", "3, n");
    shape_is("x: f32[n, 3]", "transpose(x, 0, -1)", "3, n");
    shape_is("x: f32[n, 3]", "reshape(x, (-1,))", "3*n");
    shape_is("x: f32[n, 6]", "reshape(x, (2, n, -1))", "2, n, 3");
    shape_is("x: f32[n, :]", "reshape(x, (n, 2, -1))", "n, 2, ?");
    shape_is("x: f32[n, 1]", "expand(x, (-1, 5))", "n, 5");
    shape_is("x: f32[n, 1]", "squeeze(x, 1)", "n");
    shape_is("x: f32[n, m]", "squeeze(x, 1)", "none"); /* m may be 1 */
    shape_is("x: f32[n]", "unsqueeze(x, -1)", "n, 1");
    shape_is("x: f32[n, 7]", "x[:, 1:6:2]", "n, 3");
    shape_is("x: f32[n, 7]", "x[1:, None, -1]", "?, 1");
    shape_is("x: f32[n, 3], w: f32[n, 4]", "cat([x, w], 1)", "n, 7");
    shape_is("x: f32[n, 3], w: f32[n, m]", "cat([x, w], 1)", "n, ?");
    shape_is("x: f32[n, 3], w: f32[n, 3]", "stack([x, w], 1)", "n, 2, 3");
    shape_is("x: f32[n, 3], i: i64[e]", "index_select(x, 0, i)", "e, 3");
}

static void arithmetic(void **state)
{
    (void)state;
    shape_is("x: f32[n, 1], w: f32[1, 3]", "x + w", "n, 3");
    shape_is("x: f32[n], w: f32[n]", "x * w", "n");
    shape_is("x: f32[n], w: f32[m]", "x * w", "?"); /* either may be 1 */
    shape_is("x: f32[n], w: f32[3]", "x * w", "3"); /* n is 3 or 1 */
    shape_is("x, w: f32[3]", "x * w", "none");
    shape_is("x: f32[n, 3]", "sum(x, dim=-1)", "n");
    shape_is("x: f32[n, 3]", "sum(x, dim=0, keepdim=True)", "1, 3");
    shape_is("x", "sum(x)", "");
    shape_is("a: f32[z, i, j], b: f32[j, k]", "a @ b", "z, i, k");
    shape_is("a: f32[i, j], b: f32[j, k]", "tensordot(a, b, 1)", "i, k");
    shape_is("a: f32[i, j], b: f32[j, k]", "einsum(\"ab,bc->ca\", a, b)", "k, i");
    shape_is("a: f32[z, i, j]", "einsum(\"...ab->...b\", a)", "z, j");
    shape_is("a", "einsum(\"ab->b\", a)", "?");
}

static void shapes_are_said_whole_or_not_at_all(void **state)
{
    shape_case c;
    ej_extent *said;
    (void)state;
    open_case(&c, "x: f32[n, 3], w: f32[n, :], u, s: f32[()]", "x, w, u, s, x + 1.0");
    const ej_known_shape *of = c.shapes->of;
    const ej_value *out = c.graph.outputs;
    assert_true(ej_facts_name_shape(c.shapes, out[0], &c.arena, &said));
    assert_non_null(said);
    assert_true(said[0].n == 1 && said[0].n_symbols == 1 && said[1].n == 3 && !said[1].n_symbols);
    assert_true(ej_facts_name_shape(c.shapes, out[1], &c.arena, &said) && !said);
    assert_true(ej_facts_name_shape(c.shapes, out[2], &c.arena, &said) && !said);
    assert_true(ej_facts_name_shape(c.shapes, out[3], &c.arena, &said) && said); /* no axis that has no name */
    assert_true(ej_known_same_shape(&of[out[0]], &of[out[4]]));
    assert_false(ej_known_same_shape(&of[out[0]], &of[out[1]]));
    /* not even of itself: what is not known is not equal */
    assert_false(ej_known_same_shape(&of[out[2]], &of[out[2]]));
    close_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(shapes_are_said_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
