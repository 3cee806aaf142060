/* test_written_order.c - long products: a program that is written in the best order never gets more operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"

enum { MOST = 24 };

typedef struct chain {
    int n;
    int64_t extent[MOST + 1];
    double cost[MOST + 1][MOST + 1]; /* of the product i .. j-1 */
    int split[MOST + 1][MOST + 1];
    char text[4000];
} chain;

static void find_order(chain *c)
{
    for (int length = 2; length <= c->n; length++)
        for (int i = 0; i + length <= c->n; i++) {
            int j = i + length;
            c->cost[i][j] = -1;
            for (int k = i + 1; k < j; k++) {
                double work = c->cost[i][k] + c->cost[k][j] + (double)(c->extent[i] * c->extent[k] * c->extent[j]);
                if (c->cost[i][j] >= 0 && work >= c->cost[i][j]) continue;
                c->cost[i][j] = work;
                c->split[i][j] = k;
            }
        }
}

/* "((m0 @ m1) @ m2)" */
static void write_product(chain *c, int i, int j)
{
    char *end = c->text + strlen(c->text);
    if (j - i == 1) {
        sprintf(end, "m%d", i);
        return;
    }
    strcat(c->text, "(");
    write_product(c, i, c->split[i][j]);
    strcat(c->text, " @ ");
    write_product(c, c->split[i][j], j);
    strcat(c->text, ")");
}

static double operations(chain *c, int32_t flags, const char *path)
{
    einjit_context *context = api_context("interp");
    einjit_graph *graph = api_graph(context, c->text);
    int64_t shapes[MOST][2];
    einjit_tensor in[MOST];
    einjit_error err = {0};
    einjit_cost cost = {.struct_bytes = sizeof cost};
    einjit_compile_options options = {.struct_bytes = sizeof options, .flags = flags, .path = path};
    for (int i = 0; i < c->n; i++) {
        shapes[i][0] = c->extent[i];
        shapes[i][1] = c->extent[i + 1];
        in[i] = (einjit_tensor){NULL, EINJIT_F32, 2, shapes[i], NULL};
    }
    int status = einjit_plan_cost(&cost, context, graph, (size_t)c->n, in, &options, &err);
    if (status) print_error("%s\n", err.text);
    assert_int_equal(status, EINJIT_OK);
    einjit_graph_destroy(graph);
    einjit_context_release(context);
    return cost.planned_operations;
}

static void the_best_order_is_kept(void **state)
{
    /* chains for which the search alone finds something dearer */
    static const struct {
        int n;
        int64_t extent[MOST + 1];
    } chains[] = {
        {22, {55, 13, 8, 3, 21, 2, 2, 2, 2, 34, 8, 34, 2, 8, 55, 55, 8, 21, 8, 8, 55, 13, 2}},
        {17, {3, 5, 13, 3, 21, 34, 8, 13, 13, 55, 34, 2, 55, 8, 34, 34, 5, 21}},
        {17, {21, 34, 8, 13, 3, 13, 8, 34, 2, 8, 2, 34, 5, 2, 5, 55, 34, 8}},
        {21, {55, 8, 2, 34, 21, 34, 2, 13, 5, 8, 2, 13, 3, 3, 13, 13, 5, 34, 13, 5, 2, 2}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        static chain c;
        memset(&c, 0, sizeof c);
        c.n = chains[i].n;
        memcpy(c.extent, chains[i].extent, sizeof c.extent);
        find_order(&c);
        strcpy(c.text, "def f(");
        for (int m = 0; m < c.n; m++) sprintf(c.text + strlen(c.text), "%sm%d", m ? ", " : "", m);
        strcat(c.text, "):\n    return ");
        write_product(&c, 0, c.n);
        strcat(c.text, "\n");
        double written = operations(&c, EINJIT_OPTION_NO_OPTIMIZE, NULL);
        assert_true(written == 2 * c.cost[0][c.n]);
        assert_true(operations(&c, 0, NULL) <= written);
        assert_true(operations(&c, 0, "auto") <= written);
        assert_true(operations(&c, 0, "greedy") > written); /* a strategy that was asked for is obeyed */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_order_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
