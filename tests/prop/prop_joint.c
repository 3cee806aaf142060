/* prop_joint.c - random families of einsums over shared operands: what is chosen for all of them together is right, and
 * never more than what is best for each alone.
 *
 * usage: prop_joint [--count N] [--seed S] [--bench]
 * Operands have axes with labels from a small set, now and then of extent 1, or with other labels in one of the
 * einsums. Einsums take some operands, also twice, and results of earlier ones. Every plan is run on small whole
 * numbers and compared with the oracle. --bench prints how costs and times grow instead: gradients of a chain, and
 * graphs of 10,000 einsums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "choose_core.h"
#include "gen.h"
#include "plan_support.h"

enum { LABELS = 6, VALUES = 12, RANK = 4, OPERANDS = 14 };

typedef struct value {
    char name[16];
    int rank, labels[RANK];
    int64_t shape[RANK];
} value;

typedef struct family {
    gen_random r;
    int64_t extents[LABELS];
    int n_values, n_inputs, n_einsums;
    bool large;
    value values[VALUES];
    char program[8192], inputs[1024];
    size_t n_program;
} family;

static struct {
    long count, shared, recomputed;
    uint64_t seed, at;
    bool bench, running;
    family family;
} run = {.count = 400, .seed = 1};

/* ---- random families ---- */

static void say(family *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    f->n_program += (size_t)vsnprintf(f->program + f->n_program, sizeof f->program - f->n_program, format, args);
    va_end(args);
    assert_true(f->n_program < sizeof f->program);
}

static void make_inputs(family *f, const char *dtype)
{
    size_t n = 0;
    f->n_inputs = f->n_values = 2 + gen_below(&f->r, 5);
    if (f->large) f->n_inputs = f->n_values = 8;
    for (int v = 0; v < f->n_values; v++) {
        value *x = &f->values[v];
        snprintf(x->name, sizeof x->name, "x%d", v);
        x->rank = 1 + gen_below(&f->r, 3);
        for (int i = 0; i < x->rank; i++) {
            x->labels[i] = gen_below(&f->r, LABELS);
            for (int k = 0; k < i; k++)
                if (x->labels[k] == x->labels[i] && gen_chance(&f->r, 80))
                    x->labels[i] = (x->labels[i] + 1) % LABELS, k = -1;
            x->shape[i] = gen_chance(&f->r, 12) ? 1 : f->extents[x->labels[i]];
            for (int k = 0; k < i; k++)
                if (x->labels[k] == x->labels[i]) x->shape[i] = x->shape[k]; /* a diagonal asks for that */
        }
        n += (size_t)snprintf(f->inputs + n, sizeof f->inputs - n, "%s%s[", v ? " " : "", dtype);
        for (int i = 0; i < x->rank; i++)
            n += (size_t)snprintf(f->inputs + n, sizeof f->inputs - n, "%s%d", i ? "," : "", (int)x->shape[i]);
        n += (size_t)snprintf(f->inputs + n, sizeof f->inputs - n, "]");
        say(f, "%s%s", v ? ", " : "def f(", x->name);
    }
    say(f, "):\n");
}

/* The labels of an operand in one einsum: its own, or its axes get others that are as long. */
static void choose_labels(family *f, const value *x, int *labels)
{
    for (int i = 0; i < x->rank; i++) {
        labels[i] = x->labels[i];
        int other = gen_below(&f->r, LABELS);
        bool free = gen_chance(&f->r, 8) && f->extents[other] == x->shape[i];
        for (int k = 0; k < x->rank; k++) free &= x->labels[k] != other;
        if (free) labels[i] = other;
    }
}

static int choose_operands(family *f, int *operands)
{
    int n = 1 + gen_below(&f->r, gen_chance(&f->r, 70) ? 4 : 6);
    if (f->large) n = OPERANDS - gen_below(&f->r, 5); /* most of them beyond tables */
    for (int i = 0; i < n; i++) {
        bool early = gen_chance(&f->r, 60);
        operands[i] = gen_below(&f->r, early ? f->n_inputs : f->n_values);
    }
    return n;
}

static void make_einsum(family *f, const char *rest)
{
    int operands[OPERANDS], labels[OPERANDS][RANK], n = choose_operands(f, operands);
    int64_t extents[LABELS] = {0};
    value *made = &f->values[f->n_values];
    snprintf(made->name, sizeof made->name, "y%d", f->n_einsums++);
    say(f, "    %s = einsum(\"", made->name);
    for (int t = 0; t < n; t++) {
        const value *x = &f->values[operands[t]];
        choose_labels(f, x, labels[t]);
        if (t) say(f, ",");
        for (int i = 0; i < x->rank; i++) {
            if (x->shape[i] > extents[labels[t][i]]) extents[labels[t][i]] = x->shape[i];
            say(f, "%c", 'a' + labels[t][i]);
        }
    }
    say(f, "->");
    made->rank = 0;
    for (int i = 0, first = gen_below(&f->r, LABELS); i < LABELS && made->rank < 3; i++) {
        int l = (first + i) % LABELS;
        if (!extents[l] || gen_chance(&f->r, 45)) continue;
        say(f, "%c", 'a' + l);
        made->labels[made->rank] = l;
        made->shape[made->rank++] = extents[l];
    }
    say(f, "\"");
    for (int t = 0; t < n; t++) say(f, ", %s", f->values[operands[t]].name);
    say(f, "%s)\n", rest);
    f->n_values++;
}

static void make_family(family *f, uint64_t seed)
{
    static const char *const dtypes[] = {"f64", "f64", "i64", "c128"};
    *f = (family){.r = {seed}};
    for (int l = 0; l < LABELS; l++) f->extents[l] = 1 + gen_below(&f->r, 4);
    int kind = gen_below(&f->r, 10);
    f->large = gen_chance(&f->r, 6);
    make_inputs(f, kind == 0 ? "f64" : dtypes[gen_below(&f->r, 4)]);
    int n = 2 + gen_below(&f->r, 4);
    for (int e = 0; e < n && f->n_values < VALUES; e++)
        make_einsum(f, kind == 0 && gen_chance(&f->r, 80) ? ", reduce=\"max\", combine=\"add\"" : "");
    say(f, "    return ");
    bool any = false;
    for (int v = f->n_inputs; v < f->n_values; v++) {
        if (v + 1 < f->n_values && gen_chance(&f->r, 40)) continue; /* read by others only, or dead */
        say(f, "%s%s", any ? ", " : "", f->values[v].name);
        any = true;
    }
    say(f, "\n");
}

/* ---- the property ---- */

static void check_family(const family *f)
{
    plan_case c;
    ej_count separate, together;
    ej_bound recomputed;
    plan_open(&c, f->program, f->inputs, NULL, NULL);
    if (c.status) fail_msg("%s", c.bind.err.text);
    assert_int_equal(ej_bound_verify(&c.chosen, &c.bind.job), EINJIT_OK);
    assert_int_equal(ej_candidate_count(&separate, &c.bind.bound, NULL, &c.bind.job), EINJIT_OK);
    assert_int_equal(ej_cost_graph(&together, &c.chosen, &c.bind.job), EINJIT_OK);
    if (ej_cost_less(separate, together))
        fail_msg("%g operations and %g bytes apart, %g and %g together", separate.operations, separate.bytes,
                 together.operations, together.bytes);
    assert_int_equal(ej_choose_recompute(&recomputed, &c.bind.bound, false, &c.bind.job), EINJIT_OK);
    run.recomputed += recomputed.nodes != c.bind.bound.nodes;
    run.shared += together.operations < separate.operations;
    plan_check(&c, f->inputs, NULL, NULL, 0);
    plan_close(&c);
}

static void families_cost_no_more_together(void **state)
{
    (void)state;
    run.running = true;
    for (long i = 0; i < run.count; i++) {
        run.at = run.seed + (uint64_t)i;
        make_family(&run.family, run.at);
        check_family(&run.family);
    }
    run.running = false;
    print_message("%ld families, %ld cheaper together, in %ld values are recomputed\n", run.count, run.shared,
                  run.recomputed);
    if (run.count >= 200) assert_true(run.shared > run.count / 50 && run.recomputed > run.count / 50);
}

static int say_what_failed(void **state)
{
    (void)state;
    if (run.running)
        print_error("repeat with: prop_joint --count 1 --seed %llu\n%s# %s\n", (unsigned long long)run.at,
                    run.family.program, run.family.inputs);
    return 0;
}

/* ---- growth ---- */

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void bench(const char *what, int n, const char *program, const char *inputs)
{
    bind_case c;
    ej_bound chosen;
    ej_count apart, together;
    bind_open(&c, program, inputs, NULL, NULL);
    if (c.status) fail_msg("%s", c.err.text);
    double start = seconds();
    assert_int_equal(ej_choose(&chosen, &c.bound, false, &c.job), EINJIT_OK);
    double time = seconds() - start;
    assert_int_equal(ej_cost_graph(&together, &chosen, &c.job), EINJIT_OK);
    assert_int_equal(ej_candidate_count(&apart, &c.bound, NULL, &c.job), EINJIT_OK);
    size_t steps = 0;
    for (size_t v = 0; v < chosen.n_nodes; v++) steps += chosen.nodes[v].op == EJ_OP_EINSUM;
    print_message("%-24s n %6d  steps %6zu  operations %12.0f  apart %12.0f  %8.1f ms\n", what, n, steps,
                  together.operations, apart.operations, 1e3 * time);
    bind_close(&c);
}

static char letter(int i)
{
    return (char)(i < 26 ? 'a' + i : 'A' + i - 26);
}

typedef struct text {
    char *at, *end, *start;
} text;

static text new_text(size_t room)
{
    char *start = malloc(room);
    assert_non_null(start);
    return (text){start, start + room, start};
}

static void put(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->at += vsnprintf(t->at, (size_t)(t->end - t->at), format, args);
    va_end(args);
    assert_true(t->at < t->end);
}

static void bench_gradients(int n)
{
    text p = new_text(1 << 20), in = new_text(1 << 16);
    put(&p, "def f(g");
    put(&in, "f64[8,8]");
    for (int k = 0; k < n; k++) put(&p, ", a%d", k), put(&in, " f64[8,8]");
    put(&p, "):\n    return ");
    for (int k = 0; k < n; k++) {
        put(&p, "%seinsum(\"%c%c", k ? ", " : "", letter(0), letter(n));
        for (int i = 0; i < n; i++)
            if (i != k) put(&p, ",%c%c", letter(i), letter(i + 1));
        put(&p, "->%c%c\", g", letter(k), letter(k + 1));
        for (int i = 0; i < n; i++)
            if (i != k) put(&p, ", a%d", i);
        put(&p, ")");
    }
    put(&p, "\n");
    bench("gradients of a chain", n, p.start, in.start);
    free(p.start);
    free(in.start);
}

/* Layers; `kind` 0: one einsum each, 1: of the last two values, 2: three einsums that share their operands, 3: a
 * product that two vectors read. */
static void bench_layers(const char *what, int kind, int n)
{
    text p = new_text((size_t)n * 200 + 1000);
    put(&p, "def f(a, b, c, v):\n    x0 = exp(a)\n    x1 = exp(b)\n");
    for (int k = 2; k < n; k++) {
        const char *relu = k % 16 ? "" : "relu";
        switch (kind) {
        case 0: put(&p, "    x%d = %s(einsum(\"ij,jk->ik\", x%d, a))\n", k, relu, k - 1); break;
        case 1: put(&p, "    x%d = %s(einsum(\"ij,jk,kl->il\", x%d, a, x%d))\n", k, relu, k - 1, k - 2); break;
        case 2:
            put(&p,
                "    x%d = %s(einsum(\"ij,jk,kl->il\", x%d, a, b) + einsum(\"jk,kl,lm->jm\", a, x%d, c) + "
                "einsum(\"ij,jk,kl->il\", b, c, x%d))\n",
                k, relu, k - 1, k - 1, k - 1);
            break;
        default:
            put(&p,
                "    p%d = einsum(\"ij,jk->ik\", x%d, a)\n    x%d = exp(einsum(\"ij,j,k->ik\", p%d, v, v)) * "
                "einsum(\"ij,i->j\", p%d, v)\n",
                k, k - 1, k, k, k);
        }
    }
    put(&p, "    return x%d\n", n - 1);
    bench(what, n, p.start, "f64[8,8] f64[8,8] f64[8,8] f64[8]");
    free(p.start);
}

static void costs_grow_linearly(void **state)
{
    (void)state;
    for (int n = 4; n <= 48; n = n * 3 / 2) bench_gradients(n);
    for (int n = 1250; n <= 10000; n *= 2) bench_layers("layers", 0, n);
    for (int n = 1250; n <= 10000; n *= 2) bench_layers("layers of two", 1, n);
    for (int n = 1250; n <= 10000; n *= 2) bench_layers("layers of three einsums", 2, n);
    for (int n = 1250; n <= 10000; n *= 2) bench_layers("products and vectors", 3, n);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--bench")) run.bench = true;
        else if (!strcmp(argv[i], "--count") && i + 1 < argc) run.count = strtol(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc) run.seed = strtoull(argv[++i], NULL, 10);
        else return fprintf(stderr, "usage: prop_joint [--count N] [--seed S] [--bench]\n"), 2;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(families_cost_no_more_together, say_what_failed)};
    const struct CMUnitTest benches[] = {cmocka_unit_test(costs_grow_linearly)};
    return run.bench ? cmocka_run_group_tests(benches, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
