/* prop_distribute.c - random programs of the forms that distribute, gather and offer look for, which random programs
 * rarely have: sums of products with a common factor, contractions around gathers and scatters, einsums with several
 * users; with extents of 1 that broadcast, and with every alternative taken.
 *
 * usage: prop_distribute [--count N] [--seed S]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_module.h"
#include "gen_written.h"
#include "judge.h"
#include "job.h"

/* ---- running ---- */

static const char *const passes_of[GEN_WRITTEN_FAMILIES] = {"distribute", "gather", "offer"};

typedef struct run_state {
    einjit_context *interp, *llvm;
    int family;
    long programs[GEN_WRITTEN_FAMILIES], changed[GEN_WRITTEN_FAMILIES], offered[GEN_WRITTEN_FAMILIES], failures;
} run_state;

static const char *printed(const ej_graph *graph, ej_arena *arena)
{
    ej_text text;
    ej_text_init(&text, arena);
    ej_graph_print(&text, graph);
    return text.failed ? NULL : text.data;
}

/* The pass by itself: the oracle computes all that it offers, the text says all of it, and a second run finds
 * nothing. */
static bool pass_is_sound(run_state *s, const gen_program *p, const char *passes, char *why, size_t room)
{
    ej_arena arena;
    ej_graph graph, again;
    oracle_result result = {0};
    einjit_error err = {0};
    einjit_tensor views[GEN_MAX_INPUTS];
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena, .err = &err, .allocator = &ej_malloc_allocator, .verify = true};
    if (ej_graph_copy(&graph, &p->graph, &ej_malloc_allocator, &err)) exit(1);
    const char *before = printed(&graph, &arena);
    bool ok = !ej_opt_run(&graph, passes, &job);
    const char *once = printed(&graph, &arena), *twice = once;
    snprintf(why, room, "%s", err.text);
    if (ok && !ej_graph_parse(&again, &ej_malloc_allocator, once, strlen(once), &err)) {
        ok = !strcmp(printed(&again, &arena), once);
        if (!ok) snprintf(why, room, "reads back as\n%s", printed(&again, &arena));
        ej_graph_free(&again);
    }
    gen_program_views(p, views);
    if (ok && !(ok = oracle_run(&result, &graph, views, 1e8))) snprintf(why, room, "%s\n%s", result.reason, once);
    if (ok) ok = !ej_opt_run(&graph, passes, &job);
    if (ok) twice = printed(&graph, &arena);
    if (ok && !(ok = !strcmp(once, twice))) snprintf(why, room, "a second run changed it\n%s\n%s", once, twice);
    s->changed[s->family] += strcmp(before, once) != 0;
    s->offered[s->family] += strstr(once, " = choose(") != NULL;
    if (result.arena.allocator) oracle_free(&result);
    ej_graph_free(&graph);
    ej_arena_free(&arena);
    return ok;
}

static bool agrees(run_state *s, const gen_program *p, const char *passes, uint64_t seed, char *why, size_t room)
{
    char path[64];
    judge_way way = {.name = "as written", .context = s->interp, .passes = ""};
    if (!judge_graph(p, &p->graph, p->oracle.values, &way, seed, NULL, why, room)) return false;
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "random:%llu", (unsigned long long)(seed * 8 + (uint64_t)k));
        way = (judge_way){.name = "pass", .context = s->interp, .passes = passes, .path = k ? path : NULL};
        if (!judge_graph(p, &p->graph, p->oracle.values, &way, seed + (uint64_t)k, NULL, why, room)) return false;
    }
    way = (judge_way){.name = "all", .context = s->interp, .path = path, .through_text = seed % 3 == 0};
    if (!judge_graph(p, &p->graph, p->oracle.values, &way, seed, NULL, why, room)) return false;
    way = (judge_way){.name = "machine code", .context = s->llvm, .path = seed % 2 ? NULL : path};
    return !s->llvm || seed % 16 || judge_graph(p, &p->graph, p->oracle.values, &way, seed, NULL, why, room);
}

static void one_program(run_state *s, uint64_t seed)
{
    static char text[5000], why[12000];
    gen_program p;
    s->family = (int)(seed % GEN_WRITTEN_FAMILIES);
    if (!gen_written_make(&p, s->family, seed, text, sizeof text)) return;
    s->programs[s->family]++;
    const char *passes = passes_of[s->family];
    if (!pass_is_sound(s, &p, passes, why, sizeof why) || !agrees(s, &p, passes, seed, why, sizeof why)) {
        s->failures++;
        fprintf(stderr, "seed %llu:\n%s%s\n\n", (unsigned long long)seed, text, why);
    }
    gen_program_free(&p);
}

int main(int argc, char **argv)
{
    long count = 1500;
    uint64_t seed = 1;
    static run_state s;
    use_built_module();
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--count")) count = strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--seed")) seed = strtoull(argv[i + 1], NULL, 10);
        else return 2;
    }
    s.interp = judge_context("interp", NULL);
    if (has_code_generator()) s.llvm = judge_context("llvm", NULL);
    for (long i = 0; i < count && s.failures < 10; i++) one_program(&s, seed + (uint64_t)i);
    einjit_context_release(s.interp);
    einjit_context_release(s.llvm);
    bool met = true;
    for (int f = 0; f < GEN_WRITTEN_FAMILIES; f++) {
        printf("%s: %ld programs, %ld changed, %ld with alternatives\n", passes_of[f], s.programs[f], s.changed[f],
               s.offered[f]);
        met &= count < 100 ||
               (s.changed[f] > count / GEN_WRITTEN_FAMILIES / 8 && s.offered[f] > count / GEN_WRITTEN_FAMILIES / 30);
    }
    printf("%ld failed\n", s.failures);
    if (!met) fprintf(stderr, "too few of the programs were of the forms that are looked for\n");
    return s.failures || !met;
}
