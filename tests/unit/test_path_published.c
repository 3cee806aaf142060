/* test_path_published.c - the costs that opt_einsum's suite has for its strategies, matched or beaten by "dp". */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "path.h"

#define FOLDER EINJIT_TEST_SOURCE "/../shared/data/"

enum { MOST_TERMS = 32, N_LETTERS = 128 };

typedef struct problem {
    int32_t labels[MOST_TERMS + 1][N_LETTERS];
    ej_term terms[MOST_TERMS + 1]; /* the last one: the result */
    int64_t extents[N_LETTERS];
    ej_network net;
} problem;

static bool add(problem *p, int32_t t, unsigned char letter)
{
    ej_term *term = &p->terms[t];
    uint32_t at = term->n;
    for (uint32_t i = 0; i < term->n; i++)
        if (term->labels[i] == letter) return true;
    for (; at && term->labels[at - 1] > letter; at--) term->labels[at] = term->labels[at - 1];
    term->labels[at] = letter;
    term->n++;
    return letter < N_LETTERS;
}

/* False: an ellipsis, another script, or one operand: nothing to look at. */
static bool read_problem(problem *p, const char *equation, const json_t *shapes)
{
    int used[N_LETTERS] = {0};
    int32_t n = 0;
    size_t axis = 0;
    memset(p, 0, sizeof *p);
    for (int32_t t = 0; t <= MOST_TERMS; t++) p->terms[t].labels = p->labels[t];
    const char *at = equation, *arrow = strstr(equation, "->");
    for (; *at && at != arrow; at++) {
        if (*at == ' ') continue;
        if (*at == ',') {
            if (++n == MOST_TERMS) return false;
            axis = 0;
            continue;
        }
        unsigned char letter = (unsigned char)*at;
        if (*at == '.' || letter >= N_LETTERS) return false;
        int64_t extent = json_integer_value(json_array_get(json_array_get(shapes, (size_t)n), axis++));
        if (extent > p->extents[letter]) p->extents[letter] = extent;
        add(p, n, letter);
        used[letter]++;
    }
    for (int letter = 0; letter < N_LETTERS && !arrow; letter++)
        if (used[letter] == 1) add(p, MOST_TERMS, (unsigned char)letter);
    for (at = arrow ? arrow + 2 : ""; *at; at++)
        if (*at != ' ') add(p, MOST_TERMS, (unsigned char)*at);
    p->net = (ej_network){
        .n_terms = n + 1, .terms = p->terms, .out = p->terms[MOST_TERMS], .n_labels = N_LETTERS, .extents = p->extents};
    return n > 0;
}

/* opt_einsum's count: the product of a step's extents, for each operand but one, and once more where it sums. */
static double count(const problem *p, const ej_path *path)
{
    bool has[2 * MOST_TERMS + MOST_TERMS][N_LETTERS] = {{0}}, live[3 * MOST_TERMS] = {0};
    int32_t n = p->net.n_terms;
    double total = 0;
    for (int32_t t = 0; t < n; t++) {
        live[t] = true;
        for (uint32_t i = 0; i < p->terms[t].n; i++) has[t][p->terms[t].labels[i]] = true;
    }
    for (int32_t s = 0; s < path->n_steps; s++) {
        int32_t a = path->steps[s].a, b = path->steps[s].b, c = n + s;
        double product = 1;
        bool sums = false;
        live[a] = false;
        if (b >= 0) live[b] = false;
        for (int letter = 0; letter < N_LETTERS; letter++) {
            bool needed = false;
            if (!has[a][letter] && (b < 0 || !has[b][letter])) continue;
            product *= (double)p->extents[letter];
            for (int32_t t = 0; t < c; t++) needed |= live[t] && has[t][letter];
            for (uint32_t i = 0; i < p->net.out.n; i++) needed |= p->net.out.labels[i] == letter;
            has[c][letter] = needed;
            sums |= !needed;
        }
        live[c] = true;
        total += product * (sums ? 2 : 1);
    }
    return total;
}

static double least_cost(const json_t *one)
{
    double least = INFINITY;
    const char *name;
    json_t *entry;
    json_t *result = json_object_get(json_object_get(one, "result"), "opt_cost");
    if (json_is_number(result)) least = json_number_value(result);
    json_object_foreach (json_object_get(one, "algs"), name, entry) {
        json_t *cost = json_object_get(entry, "opt_cost");
        if (json_is_number(cost) && json_number_value(cost) < least) least = json_number_value(cost);
    }
    return least;
}

static void compare(const char *file, size_t at_least)
{
    json_t *all = json_load_file(file, 0, NULL), *one;
    static problem p;
    size_t i, compared = 0;
    if (!all) {
        print_message("no %s: skipped\n", file);
        skip();
    }
    json_t *cases = json_is_array(all) ? all : json_object_get(all, "cases");
    json_array_foreach (cases, i, one) {
        const char *equation = json_string_value(json_object_get(one, "eq"));
        double want = least_cost(one);
        if (!equation || want == INFINITY || !read_problem(&p, equation, json_object_get(one, "shapes"))) continue;
        ej_arena arena;
        einjit_error err = {0};
        ej_path path;
        ej_arena_init(&arena, &ej_malloc_allocator);
        ej_job job = {.arena = &arena, .err = &err, .allocator = &ej_malloc_allocator, .path_strategy = "dp"};
        assert_int_equal(ej_path_search(&path, &p.net, &job), EINJIT_OK);
        double got = count(&p, &path);
        if (got > want * (1 + 1e-9)) fail_msg("%s: %.0f operations, opt_einsum found %.0f", equation, got, want);
        compared++;
        ej_arena_free(&arena);
    }
    json_decref(all);
    print_message("%zu compared\n", compared);
    assert_true(compared >= at_least);
}

static void random_equations(void **state)
{
    (void)state;
    compare(FOLDER "oe_rand_equations.json", 150);
}

static void path_options(void **state)
{
    (void)state;
    compare(FOLDER "oe_path_options.json", 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_equations),
        cmocka_unit_test(path_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
