/* test_path_slice.c - the memory of paths: the order of steps, labels that are cut for a limit, and paths that are
 * given as text. Everything is counted once more, by sets of labels. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path_search.h"
#include "path_support.h"

enum { MOST_TERMS = 40, MOST_LABELS = 100 };

static uint32_t below(path_case *f, uint32_t n)
{
    return ej_random_below(&f->random, n);
}

/* Labels between two or three operands, some in the result. */
static void random_network(path_case *f, int32_t n, int32_t n_labels)
{
    ej_term *terms = EJ_NEW_ARRAY(&f->arena, ej_term, (size_t)n);
    int64_t *extents = EJ_NEW_ARRAY(&f->arena, int64_t, (size_t)n_labels);
    ej_term out = {.labels = EJ_NEW_ARRAY(&f->arena, int32_t, (size_t)n_labels)};
    assert_true(terms && extents && out.labels);
    for (int32_t t = 0; t < n; t++) terms[t].labels = EJ_NEW_ARRAY(&f->arena, int32_t, (size_t)n_labels);
    for (int32_t l = 0; l < n_labels; l++) {
        int32_t users = below(f, 8) ? 2 : 3;
        extents[l] = 1 + below(f, 4);
        for (int32_t u = 0; u < users; u++) {
            ej_term *term = &terms[below(f, (uint32_t)n)];
            if (!term->n || term->labels[term->n - 1] != l) term->labels[term->n++] = l;
        }
        if (!below(f, 12)) out.labels[out.n++] = l;
    }
    f->net = (ej_network){.n_terms = n, .terms = terms, .out = out, .n_labels = n_labels, .extents = extents};
}

/* What the steps of a path come to, with some labels cut, counted by hand. */
typedef struct counted {
    double mults, peak;
} counted;

static counted count(const ej_network *net, const ej_path *path)
{
    static bool has[3 * MOST_TERMS][MOST_LABELS];
    bool cut[MOST_LABELS] = {0}, live[3 * MOST_TERMS] = {0}, in_out[MOST_LABELS] = {0};
    double size[3 * MOST_TERMS] = {0}, alive = 0;
    counted c = {0, 0};
    memset(has, 0, sizeof has);
    for (int32_t i = 0; i < path->n_sliced; i++) cut[path->sliced[i]] = true;
    for (uint32_t i = 0; i < net->out.n; i++) in_out[net->out.labels[i]] = true;
    for (int32_t t = 0; t < net->n_terms; t++) {
        live[t] = true;
        for (uint32_t i = 0; i < net->terms[t].n; i++) has[t][net->terms[t].labels[i]] = true;
    }
    for (int32_t s = 0; s < path->n_steps; s++) {
        int32_t id = net->n_terms + s, a = path->steps[s].a, b = path->steps[s].b;
        double work = 1;
        live[a] = false;
        if (b >= 0) live[b] = false;
        size[id] = 1;
        for (int32_t l = 0; l < net->n_labels; l++) {
            bool here = has[a][l] || (b >= 0 && has[b][l]), elsewhere = in_out[l];
            double extent = cut[l] ? 1 : (double)net->extents[l];
            for (int32_t i = 0; i < id; i++) elsewhere = elsewhere || (live[i] && has[i][l]);
            has[id][l] = here && elsewhere;
            if (here) work *= extent;
            if (has[id][l]) size[id] *= extent;
        }
        if (s + 1 == path->n_steps) size[id] = 0; /* the caller's */
        live[id] = true;
        c.mults += work;
        alive += size[id];
        if (alive > c.peak) c.peak = alive;
        alive -= size[a] + (b >= 0 ? size[b] : 0);
    }
    return c;
}

static void slices_keep_the_limit_and_cost_what_is_said(void **state)
{
    (void)state;
    int sliced = 0;
    for (int round = 0; round < 60; round++) {
        path_case f;
        ej_path whole, path;
        path_open(&f, (uint64_t)round + 1);
        int32_t n = 4 + (int32_t)below(&f, MOST_TERMS - 4);
        random_network(&f, n, 2 * n < MOST_LABELS ? 2 * n : MOST_LABELS);
        assert_int_equal(ej_path_search(&whole, &f.net, &f.job), EINJIT_OK);
        for (double most = whole.log2_peak - 0.5; most > 0; most -= 2) {
            int status = ej_path_search_within(&path, &f.net, most, &f.job);
            if (status == EINJIT_E_LIMIT) break;
            assert_int_equal(status, EINJIT_OK);
            path_check(&f.net, &path);
            counted c = count(&f.net, &path);
            double slices = 1, sums = 0, out = 1, summed = 1;
            for (int32_t i = 0; i < path.n_sliced; i++) {
                slices *= (double)f.net.extents[path.sliced[i]];
                if (!ej_term_has(&f.net.out, path.sliced[i])) summed *= (double)f.net.extents[path.sliced[i]];
                assert_true(f.net.extents[path.sliced[i]] > 1);
            }
            for (uint32_t i = 0; i < f.net.out.n; i++) {
                bool cut = false;
                for (int32_t k = 0; k < path.n_sliced; k++) cut = cut || path.sliced[k] == f.net.out.labels[i];
                if (!cut) out *= (double)f.net.extents[f.net.out.labels[i]];
            }
            if (path.n_sliced) sums = out * ej_slice_sums(log2(summed));
            assert_true(path.n_sliced > 0);
            assert_true(c.peak + sums <= exp2(most) * (1 + 1e-6));
            assert_true(fabs(log10(c.mults * slices) - path.log10_mults) < 1e-6);
            assert_true(fabs(log2(slices) - path.log2_slices) < 1e-6);
            assert_true(path.log10_overhead > -0.5);
            assert_true(fabs(path.log10_overhead - (path.log10_mults - whole.log10_mults)) < 1e-9);
            sliced++;
        }
        path_close(&f);
    }
    assert_true(sliced > 60);
}

/* All orders of subtrees, by a bit a step: which of its two comes first. */
static double least_peak(const ej_network *net, const ej_path *path)
{
    double least = INFINITY;
    ej_path_step steps[MOST_TERMS];
    for (uint32_t order = 0; order < 1u << path->n_steps; order++) {
        int32_t name[2 * MOST_TERMS], stack[2 * MOST_TERMS], depth = 0, made = 0;
        for (int32_t id = 0; id < net->n_terms + path->n_steps; id++) name[id] = id < net->n_terms ? id : -1;
        stack[depth++] = net->n_terms + path->n_steps - 1;
        while (depth) {
            int32_t s = stack[depth - 1] - net->n_terms, a = path->steps[s].a, b = path->steps[s].b;
            int32_t first = b >= 0 && order >> s & 1 ? b : a, then = first == a ? b : a;
            if (name[first] < 0) {
                stack[depth++] = first;
            } else if (then >= 0 && name[then] < 0) {
                stack[depth++] = then;
            } else {
                depth--;
                steps[made] = (ej_path_step){name[a], b < 0 ? -1 : name[b]};
                name[s + net->n_terms] = net->n_terms + made++;
            }
        }
        ej_path other = {.n_steps = made, .steps = steps};
        double peak = count(net, &other).peak;
        if (peak < least) least = peak;
    }
    return least;
}

static void steps_are_in_the_order_of_the_least_memory(void **state)
{
    (void)state;
    for (int round = 0; round < 150; round++) {
        path_case f;
        ej_path greedy;
        path_open(&f, (uint64_t)round + 99);
        int32_t n = 3 + (int32_t)below(&f, 5);
        random_network(&f, n, 3 * n);
        f.job.path_strategy = round % 2 ? "greedy" : "auto";
        assert_int_equal(ej_path_search(&greedy, &f.net, &f.job), EINJIT_OK);
        double peak = count(&f.net, &greedy).peak, least = least_peak(&f.net, &greedy);
        assert_true(fabs(peak - least) < 1e-9 * least + 1e-9);
        assert_true(fabs((peak > 0 ? log2(peak) : -INFINITY) - greedy.log2_peak) < 1e-9 ||
                    (!peak && greedy.log2_peak < 0));
        path_close(&f);
    }
}

static void paths_are_given_as_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words; /* words NULL: it is the path 0 1, 4 2, 5 3 */
        int status;
    } rows[] = {
        {"ssa:[[0,1],[4,2],[5,3]]", NULL, EINJIT_OK},
        {" ssa:[[0,1],[4,2],[5,3]]", "is not one of", EINJIT_E_VALUE},
        {"ssa: [ [0, 1], [4, 2], [5, 3] ]", NULL, EINJIT_OK},
        {"linear:[[0, 1], [2, 0], [1, 0]]", NULL, EINJIT_OK},
        {"linear:[[0, 1], [2, 0], [0, 2]]", "there are ids 0 to 1 then", EINJIT_E_VALUE},
        {"linear:[[0, 0], [2, 0], [0, 1]]", "was used before", EINJIT_E_VALUE},
        {"ssa:[[0,1],[4,2],[4,3]]", "was used before", EINJIT_E_VALUE},
        {"ssa:[[0,1],[4,2]]", "is for 3 operands", EINJIT_E_VALUE},
        {"ssa:[[0,1],[4,2],[5,3]] and more", "is not a list", EINJIT_E_SYNTAX},
        {"ssa:[[0,1],[4,2],[5,3]", "is not a list", EINJIT_E_SYNTAX},
        {"ssa:", "is not a list", EINJIT_E_SYNTAX},
        {"ssa:[[0,1,2],[4,3]]", "is not a list", EINJIT_E_SYNTAX},
        {"linear:[[0,99999999999999999999]]", "there are ids", EINJIT_E_VALUE},
    };
    static int32_t labels[4][2] = {{0, 1}, {1, 2}, {2, 3}, {3, 4}}, ends[2] = {0, 4};
    static const ej_term terms[4] = {{2, labels[0]}, {2, labels[1]}, {2, labels[2]}, {2, labels[3]}};
    static const int64_t extents[5] = {2, 3, 4, 5, 6};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const ej_path_step steps[3] = {{0, 1}, {4, 2}, {5, 3}};
        path_case f;
        ej_path path;
        path_open(&f, 1);
        f.net = (ej_network){.n_terms = 4, .terms = terms, .out = {2, ends}, .n_labels = 5, .extents = extents};
        f.job.path_strategy = rows[i].text;
        int status = ej_path_search(&path, &f.net, &f.job);
        if (status != rows[i].status) fail_msg("%s: %s", rows[i].text, status ? f.err.text : "taken");
        if (status && !strstr(f.err.text, rows[i].words)) fail_msg("%s: %s", rows[i].text, f.err.text);
        assert_true(status || path.n_steps == 3);
        for (int s = 0; s < 3 && !status; s++) {
            bool same = path.steps[s].a == steps[s].a && path.steps[s].b == steps[s].b;
            assert_true(same || (path.steps[s].a == steps[s].b && path.steps[s].b == steps[s].a));
        }
        path_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_keep_the_limit_and_cost_what_is_said),
        cmocka_unit_test(steps_are_in_the_order_of_the_least_memory),
        cmocka_unit_test(paths_are_given_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
