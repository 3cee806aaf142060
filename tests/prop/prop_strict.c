/* prop_strict.c - strict compiles give the bits of the program as written, and every gate that they close is needed.
 *
 * usage: prop_strict [--count N] [--seed S] [--size K] [--backend interp|llvm] [--gates] [--only GATE]
 * First: N random programs (of every generator, over real numbers), compiled with EINJIT_OPTION_STRICT for inputs and
 * results of other strides, against EINJIT_OPTION_NO_OPTIMIZE with the path "written": the same bits, in the
 * interpreter and in machine code of each target row that runs here. Then: each pass and decision that is not exact,
 * each inexact rule of a pass that is, and each gate of lib/base/job_gates.def is let through, one at a time, until a
 * program shows other bits. One that changes none of N (2,000) programs fails the test. --gates: only that. Failures
 * print the seed, and the smallest prefix of the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_module.h"
#include "choose.h"
#include "judge.h"
#include "opt.h"
#include "strict_trial.h"
#include "target_support.h"

int ej_broken_rule = -1;

enum { MAX_CONTEXTS = 10, MAX_GATES = 64, WHY = 400 };

typedef struct arguments {
    long count;
    uint64_t seed;
    int size;
    bool interp, llvm, only_gates;
    const char *only;
} arguments;

typedef struct setting {
    const char *name;
    einjit_context *context;
} setting;

typedef struct gate {
    const char *name, *what;
    long after; /* programs until other bits were seen; 0: not yet */
    const char *where;
} gate;

typedef struct state {
    setting settings[MAX_CONTEXTS]; /* the interpreter first, then machine code for this machine, then other rows */
    int n_settings, n_gates;
    gate gates[MAX_GATES];
    long programs, refused, failures;
} state;

/* ---- one program ---- */

static bool agrees(const gen_program *p, const ej_graph *graph, const setting *s, uint64_t seed, bool *refused,
                   char *why)
{
    strict_way written = {s->context, EINJIT_OPTION_NO_OPTIMIZE, "written", 0};
    strict_way strict = {s->context, EINJIT_OPTION_STRICT, NULL, seed % 3 ? seed : 0};
    strict_result a, b;
    const char *let_through = ej_let_through;
    einjit_context_clear_cache(s->context); /* gates are not part of the key */
    ej_let_through = NULL;
    strict_run(&a, p, graph, &written);
    ej_let_through = let_through;
    strict_run(&b, p, graph, &strict);
    bool same = strict_same(&a, &b, why, WHY);
    *refused = a.status != EINJIT_OK;
    strict_result_free(&a);
    strict_result_free(&b);
    return same;
}

static void report(const gen_program *p, const setting *s, uint64_t seed, const char *why)
{
    bool refused;
    char smaller_why[WHY];
    fprintf(stderr, "seed %llu, %s: %s\n", (unsigned long long)seed, s->name, why);
    for (ej_value v = 0; p->all && v < (ej_value)p->graph.n_nodes; v++) {
        ej_graph smaller;
        if (p->all[v].dtype < 0 || p->graph.nodes[v].op == EJ_OP_INPUT || !judge_prefix(&smaller, p, v)) continue;
        bool fails = !agrees(p, &smaller, s, seed, &refused, smaller_why);
        if (fails) {
            fprintf(stderr, "smaller: %s\n", smaller_why);
            judge_print(stderr, &smaller);
        }
        ej_graph_free(&smaller);
        if (fails) return;
    }
    judge_print(stderr, &p->graph);
}

/* The interpreter and machine code; of the lesser targets one, in turn. */
static bool is_due(const state *s, int which, uint64_t seed)
{
    return which < 2 || which == 2 + (int)(seed % (uint64_t)(s->n_settings - 2));
}

static void one_program(state *s, const gen_program *p, uint64_t seed)
{
    char why[WHY];
    s->programs++;
    for (int i = 0; i < s->n_settings; i++) {
        bool refused;
        if (!is_due(s, i, seed)) continue;
        if (agrees(p, &p->graph, &s->settings[i], seed, &refused, why)) {
            s->refused += refused && !i;
            continue;
        }
        s->failures++;
        report(p, &s->settings[i], seed, why);
        return;
    }
}

/* One in `every` is of the rare ones, until each came twice. */
static bool make(gen_program *p, const arguments *a, long i, int every)
{
    uint64_t seed = a->seed + (uint64_t)i;
    int n = strict_rare_count();
    if (i % every || i / every >= 2 * n) return strict_program_make(p, seed, a->size);
    return strict_program_rare(p, (int)(i / every % n), seed);
}

static void all_programs(state *s, const arguments *a)
{
    gen_program p;
    ej_let_through = "triangle"; /* an exact decision, which else leaves small programs alone */
    for (long i = 0; i < a->count && s->failures < 10; i++) {
        if (!make(&p, a, i, 12)) continue;
        one_program(s, &p, a->seed + (uint64_t)i);
        gen_program_free(&p);
    }
    ej_let_through = NULL;
    printf("%ld programs have the bits of the program as written, %ld have not; %ld were refused\n",
           s->programs - s->failures, s->failures, s->refused);
}

/* ---- gates ---- */

static void add_gate(state *s, const arguments *a, const char *name, const char *what)
{
    if (a->only && strcmp(a->only, name)) return;
    s->gates[s->n_gates++] = (gate){.name = name, .what = what};
}

static bool is_exact_pass(const char *name)
{
    for (size_t p = 0; p < ej_n_passes; p++)
        if (!strcmp(ej_passes[p].name, name)) return ej_passes[p].exact;
    return false;
}

/* Passes that offer another way show where it is chosen: in programs that do not come with a choice of their own. */
static const char *opened(const char *name, const gen_program *p)
{
    bool gather = !strcmp(name, "gather"), offer = !strcmp(name, "offer");
    for (size_t v = 0; (gather || offer) && v < p->graph.n_nodes; v++)
        if (p->graph.nodes[v].op == EJ_OP_CHOOSE) return NULL;
    return gather ? "gather,alternatives" : offer ? "offer,alternatives" : name;
}

static void list_gates(state *s, const arguments *a)
{
    for (size_t p = 0; p < ej_n_passes; p++)
        if (!ej_passes[p].exact) add_gate(s, a, ej_passes[p].name, ej_passes[p].help);
    for (size_t d = 0; d < ej_n_decisions; d++)
        if (ej_decisions[d].when != EJ_EXACTLY) add_gate(s, a, ej_decisions[d].name, ej_decisions[d].help);
#define EJ_RULE(NAME, pass, inputs, from, to, refused, breaks) \
    if (is_exact_pass(#pass)) add_gate(s, a, #NAME, "a rule that rounds");
#define EJ_EXACT_RULE(NAME, pass, inputs, from, to, refused, breaks)
#include "job_rules.def"
#undef EJ_RULE
#define EJ_GATE(NAME, what) add_gate(s, a, #NAME, what);
#include "job_gates.def"
#undef EJ_GATE
}

static bool shows(state *s, gate *g, const gen_program *p, uint64_t seed)
{
    char why[WHY];
    for (int i = 0; i < s->n_settings && i < 2; i++) {
        bool refused;
        ej_let_through = opened(g->name, p);
        bool same = agrees(p, &p->graph, &s->settings[i], seed, &refused, why);
        ej_let_through = NULL;
        if (same || refused || !strstr(why, "result ")) continue;
        g->where = s->settings[i].name;
        return true;
    }
    return false;
}

static int all_gates(state *s, const arguments *a)
{
    gen_program p;
    int left = s->n_gates;
    long most = a->count < 2000 ? 2000 : a->count;
    for (long i = 0; i < most && left; i++) {
        if (!make(&p, a, i, 3)) continue;
        for (int g = 0; g < s->n_gates; g++) {
            if (s->gates[g].after || !shows(s, &s->gates[g], &p, a->seed + (uint64_t)i)) continue;
            s->gates[g].after = i + 1;
            left--;
        }
        gen_program_free(&p);
    }
    printf("%-16s %8s  %-14s what it lets through\n", "gate", "program", "in");
    for (int g = 0; g < s->n_gates; g++) {
        char after[24] = "NONE";
        if (s->gates[g].after) snprintf(after, sizeof after, "%ld", s->gates[g].after);
        printf("%-16s %8s  %-14s %s\n", s->gates[g].name, after, s->gates[g].where ? s->gates[g].where : "",
               s->gates[g].what);
    }
    printf("%d of %d gates change no bit\n", left, s->n_gates);
    return left;
}

/* ---- the command ---- */

static bool read_arguments(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--gates")) a->only_gates = true;
        else if (!strcmp(argv[i], "--count")) a->count = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--seed")) a->seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--size")) a->size = (int)strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--only")) a->only = value, i++;
        else if (!strcmp(argv[i], "--backend")) {
            a->interp = strcmp(value, "llvm") != 0;
            a->llvm = strcmp(value, "interp") != 0;
            i++;
        } else return false;
    }
    return a->count > 0 && a->size > 0;
}

static void add_setting(state *s, const char *name, const char *backend, const ej_target *target)
{
    s->settings[s->n_settings++] = (setting){name, judge_context(backend, target)};
}

int main(int argc, char **argv)
{
    arguments a = {.count = 400, .seed = 1, .size = 12, .interp = true, .llvm = has_code_generator()};
    static state s;
    use_built_module();
    if (!read_arguments(&a, argc, argv)) {
        fprintf(
            stderr,
            "usage: prop_strict [--count N] [--seed S] [--size K] [--backend interp|llvm] [--gates] [--only GATE]\n");
        return 2;
    }
    if (a.interp) add_setting(&s, "interpreter", "interp", NULL);
    if (a.llvm) add_setting(&s, "machine code", "llvm", NULL);
    for (int row = 0; a.llvm && row < ej_n_targets && s.n_settings < MAX_CONTEXTS; row++)
        if (&ej_targets[row] != ej_target_host()) add_setting(&s, ej_targets[row].name, "llvm", target_row(row));
    list_gates(&s, &a);
    if (!a.only_gates) all_programs(&s, &a);
    int unseen = s.failures || !a.llvm || !a.interp ? 0 : all_gates(&s, &a);
    for (int i = 0; i < s.n_settings; i++) einjit_context_release(s.settings[i].context);
    return s.failures || unseen;
}
