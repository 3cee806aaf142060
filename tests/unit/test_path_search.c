/* test_path_search.c - the searches of long paths: trees against costs counted by lists, every strategy, clocks and
 * seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path_search.h"
#include "path_sets.h"
#include "path_subsets.h"
#include "path_support.h"

static int search(path_case *f, const char *strategy)
{
    f->job.path_strategy = strategy;
    return ej_path_search(&f->path, &f->net, &f->job);
}

static bool has(const ej_term *term, int32_t label)
{
    for (uint32_t i = 0; i < term->n; i++)
        if (term->labels[i] == label) return true;
    return false;
}

static void add(ej_term *term, int32_t label)
{
    uint32_t at = term->n;
    if (has(term, label)) return;
    for (; at && term->labels[at - 1] > label; at--) term->labels[at] = term->labels[at - 1];
    term->labels[at] = label;
    term->n++;
}

/* Labels between random operands: two of them, now and then many; some in the result, some of extent 1 or twice between
 * the same operands, some operands without a label, several components. */
static void random_network(path_case *f, int32_t n, int32_t n_labels, int64_t most)
{
    ej_term *terms = EJ_NEW_ARRAY(&f->arena, ej_term, (size_t)n);
    int64_t *extents = EJ_NEW_ARRAY(&f->arena, int64_t, (size_t)n_labels);
    ej_term out = {.labels = EJ_NEW_ARRAY(&f->arena, int32_t, (size_t)n_labels)};
    assert_true(terms && extents && out.labels);
    for (int32_t t = 0; t < n; t++) terms[t].labels = EJ_NEW_ARRAY(&f->arena, int32_t, (size_t)n_labels);
    for (int32_t l = 0; l < n_labels; l++) {
        int32_t users = ej_random_below(&f->random, 8) ? 2 : (int32_t)ej_random_below(&f->random, 6);
        extents[l] = 1 + (int64_t)ej_random_below(&f->random, (uint32_t)most);
        for (int32_t u = 0; u < users; u++) add(&terms[ej_random_below(&f->random, (uint32_t)n)], l);
        if (users && !ej_random_below(&f->random, 12)) add(&out, l);
    }
    f->net = (ej_network){.n_terms = n, .terms = terms, .out = out, .n_labels = n_labels, .extents = extents};
}

static const char *const searches[] = {"auto",
                                       "auto-hq:trials=6",
                                       "portfolio:trials=8",
                                       "anneal:trials=3",
                                       "partition:trials=2",
                                       "eliminate:trials=3",
                                       "random-greedy:trials=5"};
enum { N_SEARCHES = sizeof searches / sizeof *searches };

static void every_search_gives_paths_no_dearer_than_greedy(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        path_case f;
        path_open(&f, (uint64_t)round);
        int32_t n = 2 + (int32_t)ej_random_below(&f.random, round % 6 ? 40 : 160);
        random_network(&f, n, (int32_t)ej_random_below(&f.random, 2 * (uint32_t)n + 1), round % 3 ? 6 : 2);
        assert_int_equal(search(&f, "greedy"), EINJIT_OK);
        double greedy = f.path.log10_mults;
        for (int i = 0; i < N_SEARCHES; i++) {
            assert_int_equal(search(&f, searches[i]), EINJIT_OK);
            path_check(&f.net, &f.path);
            /* labels of one operand alone are summed when a path is settled: trees do not count them */
            if (i < 4 && f.path.log10_mults > greedy + 0.05)
                fail_msg("%s: %.3f, greedy %.3f (round %d)", searches[i], f.path.log10_mults, greedy, round);
        }
        path_close(&f);
    }
}

/* log2 of what the path costs over the labels that a core has. */
static double counted(path_case *f, const ej_path_step *steps)
{
    ej_label_sets sets;
    ej_big total = ej_big_of(0);
    assert_int_equal(ej_label_sets_init(&sets, &f->net, false, (size_t)f->net.n_terms, &f->job), EINJIT_OK);
    for (int32_t s = 0; s + 1 < f->net.n_terms; s++) {
        ej_big cost;
        ej_label_sets_merge(&sets, steps[s].a, steps[s].b, &cost);
        total = ej_big_add(total, cost);
    }
    return ej_big_log2(total);
}

/* Without labels of one operand alone, so that both ways of counting agree. */
static void drop_private_labels(path_case *f)
{
    for (int32_t l = 0; l < f->net.n_labels; l++) {
        int32_t users = has(&f->net.out, l);
        for (int32_t t = 0; t < f->net.n_terms; t++) users += has(&f->net.terms[t], l);
        if (users == 1) ((int64_t *)f->net.extents)[l] = 1;
    }
}

static void check_tree(path_case *f, const ej_tree *tree, ej_path_step *steps)
{
    assert_int_equal(ej_tree_steps(tree, steps, &f->job), EINJIT_OK);
    double lists = counted(f, steps), bits = ej_tree_total(tree);
    if (fabs(lists - bits) > 1e-6) fail_msg("%.9f by lists, %.9f by the tree", lists, bits);
}

static void trees_cost_what_lists_count_after_every_move(void **state)
{
    (void)state;
    for (int round = 0; round < 120; round++) {
        path_case f;
        ej_core core;
        ej_tree tree, other;
        ej_pieces *pieces;
        ej_greedy *greedy;
        const ej_effort effort = {.seed = 1};
        const ej_anneal heat = {.hot = 2, .cold = 0.5, .blind = round % 2 ? INFINITY : 3, .rounds = 8};
        path_open(&f, (uint64_t)round + 1000);
        int32_t n = 3 + (int32_t)ej_random_below(&f.random, 60);
        random_network(&f, n, 2 * n, round % 2 ? 5 : 2);
        drop_private_labels(&f);
        ej_path_step *steps = EJ_NEW_ARRAY(&f.arena, ej_path_step, (size_t)n);
        assert_int_equal(ej_core_make(&core, &f.net, &f.job), EINJIT_OK);
        assert_int_equal(ej_tree_new(&tree, &core, &f.job), EINJIT_OK);
        assert_int_equal(ej_tree_new(&other, &core, &f.job), EINJIT_OK);
        assert_int_equal(ej_pieces_new(&pieces, &core, &f.job), EINJIT_OK);
        assert_int_equal(ej_greedy_new(&greedy, &core, &f.job), EINJIT_OK);
        for (int how = 0; how < 4; how++) {
            if (how == 0) assert_int_equal(ej_greedy_steps(greedy, steps, 1, 0.5, &f.random), EINJIT_OK);
            if (how == 1) assert_int_equal(ej_bisect_steps(&core, steps, 0.3, &f.random, &f.job), EINJIT_OK);
            if (how == 2) assert_int_equal(ej_eliminate_steps(&core, steps, 1, 0.5, &f.random, &f.job), EINJIT_OK);
            if (how == 3) assert_int_equal(ej_sweep_steps(&core, steps, 0.5, &f.random, &f.job), EINJIT_OK);
            assert_int_equal(ej_tree_plant(&tree, steps, &f.job), EINJIT_OK);
            check_tree(&f, &tree, steps);
            double before = ej_tree_total(&tree), after = ej_anneal_run(&tree, &other, &heat, &f.random, &effort);
            assert_true(after <= before + 1e-9);
            check_tree(&f, &tree, steps);
            check_tree(&f, &other, steps);
            before = ej_tree_total(&other);
            ej_pieces_improve(pieces, &other, 3 + how * 3, INT64_MAX, &effort);
            assert_true(ej_tree_total(&other) <= before + 1e-9);
            check_tree(&f, &other, steps);
        }
        path_close(&f);
    }
}

static void simplified_paths_are_whole(void **state)
{
    (void)state;
    int32_t simplified = 0;
    for (int round = 0; round < 60; round++) {
        path_case f;
        ej_core core;
        ej_simple simple;
        ej_greedy *greedy;
        path_open(&f, (uint64_t)round + 2000);
        int32_t n = 2 + (int32_t)ej_random_below(&f.random, 80);
        random_network(&f, n, 2 * n, 3);
        assert_int_equal(ej_core_make(&core, &f.net, &f.job), EINJIT_OK);
        assert_int_equal(ej_simplify(&simple, &core, 30, &f.job), EINJIT_OK);
        assert_int_equal(simple.core.n + simple.first.n_steps, n);
        simplified += simple.first.n_steps;
        ej_path_step *steps = EJ_NEW_ARRAY(&f.arena, ej_path_step, (size_t)n);
        assert_int_equal(ej_greedy_new(&greedy, &simple.core, &f.job), EINJIT_OK);
        assert_int_equal(ej_greedy_steps(greedy, steps, 1, 0, &f.random), EINJIT_OK);
        assert_int_equal(ej_simple_path(&f.path, &simple, steps, n, &f.job), EINJIT_OK);
        path_check(&f.net, &f.path);
        /* what is left costs the same by itself and as part of the whole */
        ej_tree inner, whole;
        assert_int_equal(ej_tree_new(&whole, &core, &f.job), EINJIT_OK);
        assert_int_equal(ej_tree_plant(&whole, f.path.steps, &f.job), EINJIT_OK);
        if (simple.core.n > 1) {
            assert_int_equal(ej_tree_new(&inner, &simple.core, &f.job), EINJIT_OK);
            assert_int_equal(ej_tree_plant(&inner, steps, &f.job), EINJIT_OK);
            double sum = -INFINITY;
            for (int32_t id = n + simple.first.n_steps; id <= whole.root; id++) sum = ej_log2_add(sum, whole.cost[id]);
            assert_true(fabs(sum - ej_tree_total(&inner)) < 1e-6);
        }
        path_close(&f);
    }
    assert_true(simplified > 100);
}

/* The same problem in numbers, and in logarithms with a huge label that every step has. */
static void logarithms_find_the_order_that_numbers_find(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        uint64_t random = (uint64_t)round;
        path_case f;
        ej_subsets s;
        double cost[2];
        path_open(&f, 0);
        assert_int_equal(ej_subsets_new(&s, 8, 40, &f.job), EINJIT_OK);
        for (int wide = 0; wide < 2; wide++) {
            uint64_t again = random;
            int32_t n = 2 + (int32_t)ej_random_below(&again, 7);
            ej_subsets_begin(&s, n);
            for (int l = 0; l < 20; l++) {
                uint32_t members = ej_random_below(&again, 1u << n);
                if (!ej_random_below(&again, 4)) members |= 1u << EJ_OPTIMAL_LIMIT;
                double extent = 2 + ej_random_below(&again, 5);
                ej_subsets_label(&s, members, extent, log2(extent));
            }
            if (wide) ej_subsets_label(&s, (1u << n) - 1, INFINITY, 5000); /* all have it, so every step does */
            assert_int_equal(ej_subsets_solve(&s, NULL), EINJIT_OK);
            assert_int_equal(s.wide, wide);
            cost[wide] = s.cost[(1u << n) - 1];
        }
        assert_true(fabs(log2(cost[0]) + 5000 - cost[1]) < 1e-6);
        path_close(&f);
    }
}

/* Each result of an outer product has the labels of both: they must not pile up where labels list their operands. */
static void outer_products_of_many_operands(void **state)
{
    (void)state;
    enum { N = 64 };
    for (int i = 0; i < N_SEARCHES; i++) {
        path_case f;
        path_open(&f, 0);
        random_network(&f, N, N, 1);
        f.net.out.n = 0;
        for (int32_t t = 0; t < N; t++) {
            ((ej_term *)f.net.terms)[t].n = 0;
            ((int64_t *)f.net.extents)[t] = 2;
            add((ej_term *)&f.net.terms[t], t);
            add(&f.net.out, t);
        }
        assert_int_equal(search(&f, searches[i]), EINJIT_OK);
        path_check(&f.net, &f.path);
        assert_true(fabs(f.path.log2_largest - N) < 1e-9);
        path_close(&f);
    }
}

static void a_seed_and_a_number_of_trials_decide_the_path(void **state)
{
    (void)state;
    path_case f;
    int differ = 0;
    path_open(&f, 77);
    random_network(&f, 150, 320, 3);
    for (int i = 0; i < N_SEARCHES; i++) {
        assert_int_equal(search(&f, searches[i]), EINJIT_OK);
        ej_path first = f.path;
        assert_int_equal(search(&f, searches[i]), EINJIT_OK);
        assert_int_equal(first.n_steps, f.path.n_steps);
        assert_memory_equal(first.steps, f.path.steps, sizeof(ej_path_step) * (size_t)first.n_steps);
    }
    for (int seed = 1; seed < 4; seed++) {
        char name[40];
        ej_path_step *first;
        assert_int_equal(search(&f, "anneal:trials=1"), EINJIT_OK);
        first = f.path.steps;
        snprintf(name, sizeof name, "anneal:trials=1,seed=%d", seed);
        assert_int_equal(search(&f, name), EINJIT_OK);
        differ += memcmp(first, f.path.steps, 100 * sizeof *first) != 0;
    }
    assert_true(differ > 0);
    path_close(&f);
}

typedef struct watcher {
    int calls, stop_at;
    int64_t trials;
    double cost;
} watcher;

static int watch(void *user, double log10_mults, int64_t trials, double seconds)
{
    watcher *w = user;
    assert_true(seconds >= 0 && trials == w->trials + 1 && (!w->calls || log10_mults <= w->cost));
    w->trials = trials;
    w->cost = log10_mults;
    return ++w->calls == w->stop_at;
}

static void searches_tell_and_can_be_stopped(void **state)
{
    (void)state;
    path_case f;
    watcher w = {.stop_at = 3};
    const ej_path_watch how = {watch, &w};
    path_open(&f, 5);
    random_network(&f, 60, 120, 3);
    f.job.path_watch = &how;
    assert_int_equal(search(&f, "portfolio:seconds=60"), EINJIT_OK);
    assert_int_equal(w.calls, 3);
    path_check(&f.net, &f.path);
    path_close(&f);
}

static void a_clock_ends_a_search(void **state)
{
    (void)state;
    path_case f;
    watcher w = {.stop_at = -1};
    const ej_path_watch how = {watch, &w};
    path_open(&f, 6);
    random_network(&f, 60, 120, 3);
    f.job.path_watch = &how;
    assert_int_equal(search(&f, "portfolio:seconds=0.2"), EINJIT_OK); /* or it would not end */
    assert_true(w.calls >= 1);
    path_check(&f.net, &f.path);
    path_close(&f);
}

/* ... of which another one by the same clock might find another path. */
static void a_network_is_searched_once(void **state)
{
    (void)state;
    path_case f;
    watcher w = {.stop_at = -1};
    const ej_path_watch how = {watch, &w};
    path_open(&f, 7);
    ej_path_memo memo = {.arena = &f.arena};
    random_network(&f, 60, 120, 3);
    f.job.path_watch = &how;
    f.job.paths = &memo;
    assert_int_equal(search(&f, "portfolio:trials=3"), EINJIT_OK);
    const ej_path first = f.path;
    assert_int_equal(w.calls, 3);
    assert_int_equal(search(&f, "portfolio:trials=3"), EINJIT_OK);
    assert_int_equal(w.calls, 3);
    assert_ptr_not_equal(first.steps, f.path.steps);
    assert_int_equal(first.n_steps, f.path.n_steps);
    assert_memory_equal(first.steps, f.path.steps, sizeof *first.steps * (size_t)first.n_steps);
    assert_true(first.log10_mults == f.path.log10_mults && first.log2_largest == f.path.log2_largest);
    int64_t *other = EJ_NEW_ARRAY(&f.arena, int64_t, (size_t)f.net.n_labels); /* one extent differs */
    memcpy(other, f.net.extents, (size_t)f.net.n_labels * sizeof *other);
    other[f.net.terms[0].labels[0]]++;
    f.net.extents = other;
    w.calls = 0, w.trials = 0;
    assert_int_equal(search(&f, "portfolio:trials=3"), EINJIT_OK);
    assert_int_equal(w.calls, 3);
    path_check(&f.net, &f.path);
    path_close(&f);
}

/* Asked at every poll, not every few milliseconds; ends the search at one of them. */
typedef struct asker {
    ej_progress progress;
    int calls, stop_at;
} asker;

static int ask(void *user, const char *stage, double done)
{
    asker *a = user;
    assert_string_equal(stage, "path");
    assert_true(done <= 1);
    a->progress.next_ns = 0;
    return ++a->calls == a->stop_at;
}

static void ask_from_now_on(path_case *f, asker *a, int stop_at)
{
    *a = (asker){.progress = {.hook = ask, .user = a}, .stop_at = stop_at};
    f->job.progress = &a->progress;
}

/* Between two polls nothing looks at more than an operand or a label: a search of n operands asks at least n times. */
static void all_searches_ask_often_and_can_be_interrupted(void **state)
{
    (void)state;
    enum { N = 60, PARTS = 6 };
    static const char *const all[] = {"branch-all",
                                      "branch-1",
                                      "greedy",
                                      "auto",
                                      "partition:trials=1",
                                      "eliminate:trials=1",
                                      "random-greedy:trials=1"};
    path_case f;
    asker a;
    ej_core core;
    ej_simple simple;
    ej_greedy *greedy;
    path_open(&f, 11);
    random_network(&f, N, 3 * N, 3);
    ej_path_step *steps = EJ_NEW_ARRAY(&f.arena, ej_path_step, N);
    assert_int_equal(ej_core_make(&core, &f.net, &f.job), EINJIT_OK);
    assert_int_equal(ej_greedy_new(&greedy, &core, &f.job), EINJIT_OK);
    for (int part = 0; part < PARTS; part++)
        for (int stop = 0; stop < 2; stop++) {
            int status = EINJIT_OK;
            ask_from_now_on(&f, &a, stop ? N / 2 : -1);
            if (part == 0) status = ej_greedy_steps(greedy, steps, 1, 0.5, &f.random);
            if (part == 1) status = ej_bisect_steps(&core, steps, 0.3, &f.random, &f.job);
            if (part == 2) status = ej_eliminate_steps(&core, steps, 1, 0.5, &f.random, &f.job);
            if (part == 3) status = ej_sweep_steps(&core, steps, 0.5, &f.random, &f.job);
            if (part == 4) status = ej_simplify(&simple, &core, 1000, &f.job);
            if (part == 5) status = search(&f, "branch-2");
            assert_int_equal(status, stop ? EINJIT_E_INTERRUPTED : EINJIT_OK);
            if (!stop && a.calls < N - 1) fail_msg("part %d asks %d times", part, a.calls);
        }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ask_from_now_on(&f, &a, 40);
        assert_int_equal(search(&f, all[i]), EINJIT_E_INTERRUPTED);
        assert_int_equal(a.calls, 40);
    }
    path_close(&f);
}

/* Operands without a label take room in trees, too: a search of very many of them keeps to lists. */
static void operands_without_labels_count_as_a_word_each(void **state)
{
    (void)state;
    const ej_network none = {.n_terms = 1000}, one = {.n_terms = 1000, .n_labels = 1};
    assert_int_equal(ej_core_tree_words(&none), 2000);
    assert_int_equal(ej_core_tree_words(&one), 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_search_gives_paths_no_dearer_than_greedy),
        cmocka_unit_test(trees_cost_what_lists_count_after_every_move),
        cmocka_unit_test(simplified_paths_are_whole),
        cmocka_unit_test(logarithms_find_the_order_that_numbers_find),
        cmocka_unit_test(outer_products_of_many_operands),
        cmocka_unit_test(a_seed_and_a_number_of_trials_decide_the_path),
        cmocka_unit_test(searches_tell_and_can_be_stopped),
        cmocka_unit_test(a_clock_ends_a_search),
        cmocka_unit_test(a_network_is_searched_once),
        cmocka_unit_test(all_searches_ask_often_and_can_be_interrupted),
        cmocka_unit_test(operands_without_labels_count_as_a_word_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
