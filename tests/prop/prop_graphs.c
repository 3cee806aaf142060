/* prop_graphs.c - random programs: oracle, interpreter after every pass, and machine code must agree.
 *
 * usage: prop_graphs [--count N] [--seed S] [--size K] [--hits] [--backend interp|llvm|both] [--generator any|einsum]
 * Without arguments a quick run for every commit. Failures print the seed and the smallest failing prefix.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_module.h"
#include "judge.h"
#include "target_support.h"

typedef struct arguments {
    long count;
    uint64_t seed;
    int size, kind; /* kind -1: both kinds of programs, in turn */
    bool hits, interp, llvm;
} arguments;

typedef struct run_state {
    einjit_context *interp, *llvm, *others[8];
    einjit_context *shared_interp, *shared_llvm, *shared_others[8]; /* whose runs several threads share */
    judge_host host;
    int n_others;
    gen_hits hits;
    judge_leaves leaves;
    long programs, failures;
} run_state;

static const char *random_path(uint64_t seed)
{
    static char path[64];
    snprintf(path, sizeof path, "random:%llu", (unsigned long long)seed);
    return path;
}

/* The interpreter on the graph as written, then after each pass of the table in turn. */
static bool interpreter_agrees(run_state *s, const gen_program *p, uint64_t seed)
{
    judge_way way = {
        .name = "interpreter, as written", .context = s->interp, .passes = "", .through_text = seed % 4 == 1};
    if (!judge_program(p, &way, seed, &s->hits)) return false;
    way =
        (judge_way){.name = "interpreter, all passes as a compile runs them", .context = s->interp, .in_compile = true};
    if (!judge_program(p, &way, seed, NULL)) return false;
    way = (judge_way){
        .name = "interpreter, random path, recipes and schedules", .path = random_path(seed), .context = s->interp};
    way.same = seed / 4 % 2 ? NULL : s->shared_interp;
    if (!judge_program(p, &way, seed, &s->hits)) return false;
    char passes[256] = "", name[300];
    for (size_t i = 0; i < ej_n_passes; i++) {
        size_t n = strlen(passes);
        snprintf(passes + n, sizeof passes - n, "%s%s", n ? "," : "", ej_passes[i].name);
        snprintf(name, sizeof name, "interpreter after %s", passes);
        way = (judge_way){.name = name, .context = s->interp, .passes = passes};
        if (!judge_program(p, &way, seed, NULL)) return false;
    }
    return true;
}

static bool machine_code_agrees(run_state *s, const gen_program *p, uint64_t seed)
{
    judge_way way = {.name = "machine code, all passes", .context = s->llvm, .in_compile = seed % 2 == 0};
    if (!judge_program(p, &way, seed, &s->hits)) return false;
    if (seed % 3 == 0) {
        way = (judge_way){
            .name = "machine code, as written, greedy path", .context = s->llvm, .passes = "", .path = "greedy"};
        if (!judge_program(p, &way, seed + 1, NULL)) return false;
    }
    if (seed % 2 == 1) {
        bool shared = seed / 4 % 2;
        way = (judge_way){.name = "machine code, random path, recipes and schedules",
                          .context = s->llvm,
                          .same = shared ? s->shared_llvm : NULL,
                          .path = random_path(seed)};
        if (!judge_program(p, &way, seed + 3, &s->hits)) return false;
        way.same = NULL;
        einjit_context *const *others = shared ? s->shared_others : s->others;
        if (s->n_others) way.context = others[seed / 2 % (uint64_t)s->n_others];
        way.name = "machine code of a lesser target, random path, recipes and schedules";
        if (s->n_others && !judge_program(p, &way, seed + 4, NULL)) return false;
    }
    if (s->n_others && seed % 2 == 0) {
        int which = (int)(seed / 2 % (uint64_t)s->n_others);
        way = (judge_way){.name =
                              which ? "machine code of a lesser target (last row)" : "machine code of a lesser target",
                          .context = s->others[which]};
        if (!judge_program(p, &way, seed + 2, NULL)) return false;
    }
    return true;
}

static void one_program(run_state *s, const arguments *a, uint64_t seed)
{
    gen_program p;
    int size = 1 + (int)((seed * 2654435761u >> 7) % (uint64_t)a->size);
    int kind = a->kind >= 0     ? a->kind
               : seed % 5 < 3   ? GEN_ANY
               : seed % 10 == 9 ? GEN_CHAIN
               : seed % 10 == 4 ? GEN_UPDATE
                                : GEN_EINSUM;
    if (!gen_program_of(&p, kind, seed, size, &s->hits)) return;
    s->programs++;
    bool ok = true;
    if (a->interp) ok = interpreter_agrees(s, &p, seed);
    if (ok && a->llvm) ok = machine_code_agrees(s, &p, seed);
    if (ok && !judge_count_leaves(&p, ej_target_host(), NULL, &s->leaves)) ok = false;
    if (ok && !judge_count_leaves(&p, ej_target_host(), random_path(seed), &s->leaves)) ok = false;
    if (!ok) {
        s->failures++;
        fprintf(stderr, "repeat with: prop_graphs --count 1 --seed %llu --size %d --generator %s\n\n",
                (unsigned long long)seed, a->size, gen_kind_names[kind]);
    }
    gen_program_free(&p);
}

static void print_row(const char *kind, const char *name, uint64_t n)
{
    printf("  %-10s %-16s %llu\n", kind, name, (unsigned long long)n);
}

static void print_hits(const run_state *s)
{
    static const char *const reduces[] = {"sum", "max", "min", "logsumexp", "or", "prod", "mean"};
    for (int i = 0; i < EJ_OP_COUNT; i++) print_row("operator", ej_op_name(i), s->hits.ops[i]);
    for (int i = 0; i < EJ_FN_COUNT; i++) print_row("function", ej_fns[i].name, s->hits.fns[i]);
    for (int i = 0; i < EINJIT_REDUCE_COUNT; i++) print_row("reduce", reduces[i], s->hits.reduces[i]);
    for (int i = 0; i <= EINJIT_REDUCE_OR; i++) print_row("semiring", reduces[i], s->hits.einsum_reduces[i]);
    for (int i = 0; i < EINJIT_DTYPE_COUNT; i++) print_row("dtype", ej_dtypes[i].name, s->hits.dtypes[i]);
    for (int i = 0; i < GEN_STRIDE_KINDS; i++) print_row("input", gen_stride_names[i], s->hits.strides[i]);
    for (int i = 0; i < GEN_STRIDE_KINDS; i++)
        if (i != GEN_ZERO) print_row("output", gen_stride_names[i], s->hits.output_strides[i]);
    for (int i = 0; i < EJ_REWRITE_COUNT; i++) print_row("rewrite", ej_rewrite_word(i), s->leaves.rewrites[i]);
    for (int i = 1; i < EJ_REFUSAL_COUNT; i++)
        printf("  refused    %s: %llu\n", ej_refusal_text(i),
               (unsigned long long)s->leaves.rewrites[EJ_REWRITE_COUNT + i]);
    print_row("leaf", "move", s->leaves.moves);
    print_row("leaf", "contract", s->leaves.contracts);
    print_row("leaf", "lanes across", s->leaves.lanes_across);
    print_row("leaf", "lanes along", s->leaves.lanes_along);
    print_row("leaf", "scalar", s->leaves.scalar);
    print_row("leaf", "table term", s->leaves.tables);
    print_row("leaf", "ragged lanes", s->leaves.masked);
    print_row("step", "tail", s->leaves.tails);
    print_row("step", "tail first", s->leaves.tails_first);
    print_row("step", "sum of gathered", s->leaves.gathers);
    print_row("step", "scattered sum", s->leaves.scatters);
    for (int i = 0; i < GEN_PLACES; i++) print_row("places", gen_places_names[i], s->hits.places[i]);
    print_row("run", "alpha and beta", s->hits.scaled);
    print_row("run", "same bits", s->hits.same_bits);
    print_row("run", "in place", s->hits.in_place);
    print_row("run", "not in place", s->hits.not_in_place);
    print_row("run", "shared phases", s->host.phases);
}

static bool read_arguments(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--hits")) a->hits = true;
        else if (!strcmp(argv[i], "--count")) a->count = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--seed")) a->seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--size")) a->size = (int)strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--generator") && (a->kind = gen_kind_by_name(value)) >= 0) i++;
        else if (!strcmp(argv[i], "--backend")) {
            a->interp = strcmp(value, "llvm") != 0;
            a->llvm = strcmp(value, "interp") != 0;
            i++;
        } else return false;
    }
    return a->count > 0 && a->size > 0;
}

int main(int argc, char **argv)
{
    arguments a = {.count = 1000, .seed = 1, .size = 9, .kind = -1, .interp = true, .llvm = has_code_generator()};
    static run_state s;
    use_built_module();
    if (!read_arguments(&a, argc, argv)) {
        fprintf(stderr, "usage: prop_graphs [--count N] [--seed S] [--size K] [--hits] [--backend interp|llvm|both] "
                        "[--generator any|einsum]\n");
        return 2;
    }
    s.interp = judge_context("interp", NULL);
    s.shared_interp = judge_shared_context("interp", NULL, &s.host);
    if (a.llvm) s.llvm = judge_context("llvm", NULL);
    if (a.llvm) s.shared_llvm = judge_shared_context("llvm", NULL, &s.host);
    for (int row = 0; a.llvm && row < ej_n_targets && s.n_others < 8; row++) {
        if (&ej_targets[row] == ej_target_host()) continue;
        s.shared_others[s.n_others] = judge_shared_context("llvm", target_row(row), &s.host);
        s.others[s.n_others++] = judge_context("llvm", target_row(row));
    }
    for (long i = 0; i < a.count && s.failures < 10; i++) one_program(&s, &a, a.seed + (uint64_t)i);
    if (a.hits) print_hits(&s);
    printf("%ld passed, %ld failed\n", s.programs - s.failures, s.failures);
    einjit_context_release(s.interp);
    einjit_context_release(s.llvm);
    einjit_context_release(s.shared_interp);
    einjit_context_release(s.shared_llvm);
    for (int i = 0; i < s.n_others; i++) {
        einjit_context_release(s.others[i]);
        einjit_context_release(s.shared_others[i]);
    }
    return s.failures || !s.programs;
}
