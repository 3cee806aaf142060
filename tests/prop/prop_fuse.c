/* prop_fuse.c - random chains of products, sums and layout, each value used once: the oracle against the interpreter
 * after the fuse pass and after all passes.
 *
 * usage: prop_fuse [--count N] [--seed S]
 * Without arguments a quick run for every commit. Failures print the seed and the smallest failing prefix.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "opt.h"

/* Nodes that the pass saved, and whether it is through with the graph at once. */
static bool run_pass(const gen_program *p, long *saved)
{
    ej_graph copy;
    ej_arena arena;
    einjit_error err;
    size_t first = 0, second = 0;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena, .err = &err, .allocator = &ej_malloc_allocator, .verify = true};
    int status = ej_graph_copy(&copy, &p->graph, &ej_malloc_allocator, &err);
    if (!status) status = ej_opt_run(&copy, "dce", &job);
    size_t before = copy.n_nodes;
    if (!status) status = ej_opt_fuse(&copy, &job, &first);
    *saved += (long)before - (long)copy.n_nodes;
    if (!status) status = ej_opt_fuse(&copy, &job, &second);
    if (status) fprintf(stderr, "%s\n", err.text);
    if (second) {
        fprintf(stderr, "the second run changes %zu more of\n", second);
        judge_print(stderr, &p->graph);
        judge_print(stderr, &copy);
    }
    ej_graph_free(&copy);
    ej_arena_free(&arena);
    return !status && !second;
}

static bool one_program(einjit_context *interp, uint64_t seed, long *programs, long *saved)
{
    static const char *const ways[] = {"", "fuse", NULL};
    gen_program p;
    if (!gen_program_of(&p, GEN_CHAIN, seed, 7, NULL)) return true;
    bool ok = run_pass(&p, saved);
    for (int w = 0; ok && w < 3; w++) {
        judge_way way = {.name = ways[w] ? *ways[w] ? "after fuse" : "as written" : "after all passes",
                         .context = interp,
                         .passes = ways[w]};
        ok = judge_program(&p, &way, seed, NULL);
    }
    if (!ok) fprintf(stderr, "repeat with: prop_fuse --count 1 --seed %llu\n\n", (unsigned long long)seed);
    ++*programs;
    gen_program_free(&p);
    return ok;
}

int main(int argc, char **argv)
{
    long count = 1500, programs = 0, saved = 0, failures = 0;
    uint64_t seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--count")) count = strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seed")) seed = strtoull(argv[i + 1], NULL, 10);
    }
    einjit_context *interp = NULL;
    einjit_error err;
    einjit_options o = {
        .struct_bytes = sizeof o, .backend = "interp", .flags = EINJIT_OPTION_VERIFY, .cache_bytes = 16 << 20};
    if (einjit_context_create(&interp, &o, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (long i = 0; i < count && failures < 10; i++)
        failures += !one_program(interp, seed + (uint64_t)i, &programs, &saved);
    printf("%ld programs, %ld failed, %ld nodes saved\n", programs, failures, saved);
    einjit_context_release(interp);
    return failures || (count > 100 && (programs < count / 2 || saved < programs));
}
