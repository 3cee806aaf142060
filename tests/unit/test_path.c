/* test_path.c - strategies, costs, results, against enumeration and against the published networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path_sets.h"
#include "path_support.h"

typedef struct fixture {
    ej_arena arena;
    einjit_error err;
    ej_job job;
    ej_network net;
    ej_path path;
} fixture;

static void fixture_open(fixture *f)
{
    memset(f, 0, sizeof *f);
    ej_arena_init(&f->arena, &ej_malloc_allocator);
    f->job = (ej_job){.arena = &f->arena, .err = &f->err, .allocator = &ej_malloc_allocator};
}

static void fixture_close(fixture *f)
{
    ej_arena_free(&f->arena);
}

static int compare_ints(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static ej_term letters_term(fixture *f, const char *at, size_t n)
{
    ej_term term = {.labels = EJ_NEW_ARRAY(&f->arena, int32_t, n)};
    for (size_t i = 0; i < n; i++) term.labels[term.n++] = at[i] - 'a';
    if (n) qsort(term.labels, n, sizeof *term.labels, compare_ints);
    return term;
}

/* "ij,jk->ik" with the extents of a, b, c, ... */
static void network(fixture *f, const char *equation, const int64_t *extents)
{
    ej_term *terms = EJ_NEW_ARRAY(&f->arena, ej_term, strlen(equation) + 1);
    int32_t n = 0;
    const char *at = equation;
    for (;;) {
        size_t length = strcspn(at, ",-");
        terms[n++] = letters_term(f, at, length);
        at += length;
        if (*at++ == '-') break;
    }
    f->net = (ej_network){.n_terms = n,
                          .terms = terms,
                          .out = letters_term(f, at + 1, strlen(at + 1)),
                          .n_labels = 26,
                          .extents = extents};
}

static int search(fixture *f, const char *strategy)
{
    f->job.path_strategy = strategy;
    return ej_path_search(&f->path, &f->net, &f->job);
}

static double operations(const fixture *f)
{
    return pow(10, f->path.log10_mults);
}

/* ---- enumeration ---- */

typedef struct tries {
    const int64_t *extents;
    uint32_t out;
    double best;
} tries;

static double size_of(const tries *t, uint32_t labels)
{
    double size = 1;
    for (int l = 0; l < 26; l++)
        if (labels >> l & 1) size *= (double)t->extents[l];
    return size;
}

static uint32_t others(const tries *t, const uint32_t *sets, int n, int a, int b)
{
    uint32_t keep = t->out;
    for (int i = 0; i < n; i++)
        if (i != a && i != b) keep |= sets[i];
    return keep;
}

static void try_pairs(tries *t, const uint32_t *sets, int n, double cost)
{
    if (n == 1) {
        if (cost < t->best) t->best = cost;
        return;
    }
    for (int a = 0; a < n; a++)
        for (int b = a + 1; b < n; b++) {
            uint32_t rest[8];
            memcpy(rest, sets, sizeof(uint32_t) * (size_t)n);
            rest[a] = (sets[a] | sets[b]) & others(t, sets, n, a, b);
            rest[b] = rest[n - 1];
            try_pairs(t, rest, n - 1, cost + size_of(t, sets[a] | sets[b]));
        }
}

/* Every set of operands whose own labels are summed first, every order of pairs. */
static double enumerate(const fixture *f)
{
    tries t = {.extents = f->net.extents, .best = INFINITY};
    uint32_t sets[8] = {0};
    int n = f->net.n_terms;
    for (uint32_t i = 0; i < f->net.out.n; i++) t.out |= 1u << f->net.out.labels[i];
    for (int k = 0; k < n; k++)
        for (uint32_t i = 0; i < f->net.terms[k].n; i++) sets[k] |= 1u << f->net.terms[k].labels[i];
    uint32_t private = 0; /* operands that have labels of their own: summing others first only costs */
    for (int k = 0; k < n; k++) private |= (uint32_t)((sets[k] & ~others(&t, sets, n, k, k)) != 0) << k;
    for (uint32_t first = 0; first < 1u << n; first++) {
        uint32_t summed[8];
        if (first & ~private) continue;
        double cost = 0;
        memcpy(summed, sets, sizeof summed);
        for (int k = 0; k < n; k++) {
            if (!(first >> k & 1)) continue;
            cost += size_of(&t, sets[k]);
            summed[k] &= others(&t, sets, n, k, k);
        }
        try_pairs(&t, summed, n, cost);
    }
    return t.best;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void random_equation(uint32_t *state, char *equation, int n)
{
    char *at = equation;
    bool used[8] = {false};
    for (int t = 0; t < n; t++) {
        if (t) *at++ = ',';
        for (int l = 0; l < 8; l++)
            if (next_random(state) % 3 == 0) *at++ = (char)('a' + l), used[l] = true;
    }
    *at++ = '-';
    *at++ = '>';
    for (int l = 0; l < 8; l++)
        if (used[l] && next_random(state) % 4 == 0) *at++ = (char)('a' + l);
    *at = 0;
}

static void optimal_is_the_best_of_all_orders(void **state)
{
    uint32_t random = 1;
    (void)state;
    for (int round = 0; round < 5000; round++) {
        fixture f;
        char equation[64];
        int64_t extents[26] = {0};
        fixture_open(&f);
        for (int l = 0; l < 26; l++) extents[l] = 1 + next_random(&random) % 9;
        random_equation(&random, equation, 2 + round % 5);
        network(&f, equation, extents);
        assert_int_equal(search(&f, "optimal"), EINJIT_OK);
        path_check(&f.net, &f.path);
        double best = enumerate(&f), got = operations(&f);
        if (fabs(got - best) > 1e-9 * best) {
            print_error("%s: %.17g, not %.17g\n", equation, got, best);
            fail();
        }
        assert_int_equal(search(&f, "greedy"), EINJIT_OK);
        path_check(&f.net, &f.path);
        assert_true(operations(&f) >= best * (1 - 1e-9));
        fixture_close(&f);
    }
}

/* A chain of matrices with the extents d, and its cheapest order. */
static double cheapest_chain(const int64_t *d, int n)
{
    double cost[26][26] = {{0}};
    for (int length = 2; length <= n; length++)
        for (int i = 0; i + length <= n; i++) {
            double best = INFINITY;
            for (int k = i + 1; k < i + length; k++) {
                double c = cost[i][k] + cost[k][i + length] + (double)(d[i] * d[k] * d[i + length]);
                if (c < best) best = c;
            }
            cost[i][i + length] = best;
        }
    return cost[0][n];
}

static void parts_of_long_paths_are_solved_exactly(void **state)
{
    uint32_t random = 7;
    double greedy = 0, refined = 0, best = 0;
    (void)state;
    for (int round = 0; round < 40; round++) {
        fixture f;
        char equation[128], *at = equation;
        int64_t extents[26];
        int n = 11 + (int)(next_random(&random) % 14);
        fixture_open(&f);
        for (int l = 0; l < 26; l++) extents[l] = 2 + next_random(&random) % 50;
        for (int t = 0; t < n; t++) at += sprintf(at, "%s%c%c", t ? "," : "", 'a' + t, 'a' + t + 1);
        sprintf(at, "->a%c", 'a' + n);
        network(&f, equation, extents);
        assert_int_equal(search(&f, "greedy"), EINJIT_OK);
        double before = operations(&f);
        assert_int_equal(search(&f, "auto"), EINJIT_OK);
        path_check(&f.net, &f.path);
        double after = operations(&f), least = cheapest_chain(extents, n);
        assert_true(after <= before * (1 + 1e-9) && after >= least * (1 - 1e-9));
        greedy += before / least;
        refined += after / least;
        best += 1;
        fixture_close(&f);
    }
    assert_true(refined < 1.05 * best && refined < greedy); /* of 40 chains */
}

static void outer_products_may_be_optimal(void **state)
{
    fixture f;
    const int64_t extents[26] = {2, 100, 2, 100, 1};
    (void)state;
    fixture_open(&f);
    network(&f, "a,abcd,c->bd", extents); /* a and c first: 4 + 40000 */
    assert_int_equal(search(&f, NULL), EINJIT_OK);
    assert_true(fabs(operations(&f) - 40004) < 1e-6);
    fixture_close(&f);
}

static void results_keep_what_is_needed_later(void **state)
{
    fixture f;
    const int64_t extents[26] = {2, 3, 4, 5};
    ej_term *results;
    (void)state;
    fixture_open(&f);
    network(&f, "ab,bc,bd->acd", extents);
    const ej_path_step steps[2] = {{0, 1}, {3, 2}};
    const ej_path path = {.n_steps = 2, .steps = (ej_path_step *)steps};
    assert_int_equal(ej_path_results(&results, &f.net, &path, &f.arena), EINJIT_OK);
    const int32_t abc[] = {0, 1, 2}, acd[] = {0, 2, 3}; /* b is in the third operand, too */
    assert_int_equal(results[0].n, 3);
    assert_memory_equal(results[0].labels, abc, sizeof abc);
    assert_int_equal(results[1].n, 3);
    assert_memory_equal(results[1].labels, acd, sizeof acd);
    fixture_close(&f);
}

static void one_operand_is_one_step(void **state)
{
    fixture f;
    const int64_t extents[26] = {10, 10};
    (void)state;
    fixture_open(&f);
    network(&f, "ab->b", extents);
    assert_int_equal(search(&f, NULL), EINJIT_OK);
    assert_int_equal(f.path.n_steps, 1);
    assert_int_equal(f.path.steps[0].b, -1);
    assert_true(fabs(f.path.log10_mults - 2) < 1e-12);
    assert_true(fabs(f.path.log2_largest - log2(10)) < 1e-12);
    fixture_close(&f);
}

static void zero_extents_cost_nothing(void **state)
{
    fixture f;
    const int64_t extents[26] = {3, 0, 5};
    (void)state;
    fixture_open(&f);
    network(&f, "ab,bc->ac", extents);
    assert_int_equal(search(&f, NULL), EINJIT_OK);
    assert_true(isinf(f.path.log10_mults) && f.path.log10_mults < 0);
    fixture_close(&f);
}

/* 2000 vectors, all kept: 10^1204 in the last step. */
static void costs_pass_the_largest_double(void **state)
{
    enum { N = 2000 };
    fixture f;
    (void)state;
    fixture_open(&f);
    ej_term *terms = EJ_NEW_ARRAY(&f.arena, ej_term, N);
    int32_t *labels = EJ_NEW_ARRAY(&f.arena, int32_t, N);
    int64_t *extents = EJ_NEW_ARRAY(&f.arena, int64_t, N);
    for (int32_t i = 0; i < N; i++) labels[i] = i, extents[i] = 4, terms[i] = (ej_term){1, &labels[i]};
    f.net = (ej_network){.n_terms = N, .terms = terms, .out = {N, labels}, .n_labels = N, .extents = extents};
    assert_int_equal(search(&f, "greedy"), EINJIT_OK);
    path_check(&f.net, &f.path);
    assert_true(fabs(f.path.log10_mults - N * log10(4)) < 0.01);
    assert_true(fabs(f.path.log2_largest - 2 * N) < 1e-9);
    fixture_close(&f);
}

static void strategies_are_refused_by_name_and_size(void **state)
{
    fixture f;
    const int64_t extents[26] = {2, 2};
    (void)state;
    fixture_open(&f);
    network(&f, "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a->a", extents);
    assert_int_equal(search(&f, "best"), EINJIT_E_VALUE);
    assert_string_equal(
        f.err.text,
        "path strategy 'best' is not one of auto, auto-hq, portfolio, optimal, dp, "
        "branch-all, branch-2, branch-1, greedy, random-greedy, partition, eliminate, anneal, written, random");
    assert_int_equal(search(&f, "optimal:seed=1"), EINJIT_E_VALUE);
    static const char *const wrong[] = {
        "portfolio:seconds=0", "portfolio:seconds=x", "anneal:trials=0", "auto:seed=-1",
        "auto:sed=1",          "auto:seed=1,,",       "auto-hq:seed",    "auto:trials=99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_int_equal(search(&f, wrong[i]), EINJIT_E_VALUE);
    assert_int_equal(search(&f, "optimal"), EINJIT_E_LIMIT);
    assert_int_equal(search(&f, "auto"), EINJIT_OK);
    fixture_close(&f);
}

/* A ring with chords and labels that many operands share. */
static void large_network(fixture *f, int32_t n)
{
    uint32_t random = 7;
    ej_term *terms = EJ_NEW_ARRAY(&f->arena, ej_term, (size_t)n);
    int64_t *extents = EJ_NEW_ARRAY(&f->arena, int64_t, (size_t)n);
    for (int32_t t = 0; t < n; t++) {
        int32_t *labels = EJ_NEW_ARRAY(&f->arena, int32_t, 3);
        labels[0] = t, labels[1] = (t + 1) % n, labels[2] = (int32_t)(next_random(&random) % 50) * (n / 50);
        qsort(labels, 3, sizeof *labels, compare_ints);
        terms[t] = (ej_term){labels[2] == labels[1] || labels[1] == labels[0] ? 0 : 3, labels};
        extents[t] = 2;
    }
    f->net = (ej_network){.n_terms = n, .terms = terms, .n_labels = n, .extents = extents};
}

static void greedy_takes_25000_operands(void **state)
{
    fixture f;
    (void)state;
    fixture_open(&f);
    large_network(&f, 25000);
    assert_int_equal(search(&f, "auto"), EINJIT_OK);
    path_check(&f.net, &f.path);
    fixture_close(&f);
}

static void paths_are_the_same_every_time(void **state)
{
    fixture f;
    (void)state;
    fixture_open(&f);
    large_network(&f, 500);
    assert_int_equal(search(&f, "greedy"), EINJIT_OK);
    ej_path first = f.path;
    assert_int_equal(search(&f, "greedy"), EINJIT_OK);
    assert_int_equal(first.n_steps, f.path.n_steps);
    assert_memory_equal(first.steps, f.path.steps, sizeof(ej_path_step) * (size_t)first.n_steps);
    fixture_close(&f);
}

static void wide_numbers_compare_and_add(void **state)
{
    (void)state;
    ej_big x = ej_big_of(1), one = ej_big_of(1);
    for (int i = 0; i < 400; i++) x = ej_big_scale(x, 1e6);
    assert_true(fabs(ej_big_log2(x) - 2400 * log2(10)) < 1e-6);
    assert_true(ej_big_less(one, x) && !ej_big_less(x, one));
    assert_int_equal(ej_big_compare(ej_big_sub(x, x), ej_big_of(0)), 0);
    assert_true(ej_big_less(ej_big_sub(one, x), one));
    assert_int_equal(ej_big_compare(ej_big_add(ej_big_of(0x1p52), one), ej_big_of(0x1p52 + 1)), 0);
    ej_big y = ej_big_mul(x, x);
    for (int i = 0; i < 800; i++) y = ej_big_divide(y, 1e6);
    assert_true(fabs(ej_big_log2(y)) < 1e-9);
    assert_true(isinf(ej_big_log2(ej_big_of(0))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimal_is_the_best_of_all_orders), cmocka_unit_test(parts_of_long_paths_are_solved_exactly),
        cmocka_unit_test(outer_products_may_be_optimal),     cmocka_unit_test(results_keep_what_is_needed_later),
        cmocka_unit_test(one_operand_is_one_step),           cmocka_unit_test(zero_extents_cost_nothing),
        cmocka_unit_test(costs_pass_the_largest_double),     cmocka_unit_test(strategies_are_refused_by_name_and_size),
        cmocka_unit_test(greedy_takes_25000_operands),       cmocka_unit_test(paths_are_the_same_every_time),
        cmocka_unit_test(wide_numbers_compare_and_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
