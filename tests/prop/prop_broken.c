/* prop_broken.c - the test of the tests: every rewrite rule is broken on purpose, and the random programs must see it.
 *
 * usage: prop_broken [--count N] [--seed S] [--size K] [--only RULE] [--print]
 * For every rule of lib/base/job_rules.def: how many random programs it takes until the oracle reports a wrong result
 * with the rule broken (right with it whole). A rule that none of N (6,000) programs catches fails the test. Refusals,
 * broken graphs, crashes and endless loops are no wrong results: they are counted apart. --print shows the program that
 * caught a rule.
 *
 * The search runs in a child, which tells of its progress in shared memory: when a broken rule brings it down, a new
 * child goes on without that rule.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gen_contract.h"
#include "gen_written.h"
#include "judge.h"
#include "opt.h"
#include "opt_states.h"

int ej_broken_rule = -1;

static const struct {
    const char *name, *pass, *breaks;
} rules[] = {
#define EJ_RULE(NAME, pass, inputs, from, to, refused, breaks) {#NAME, #pass, breaks},
#include "job_rules.def"
#undef EJ_RULE
    {NULL, NULL, NULL},
};

enum { WHY = 600, N_RULES = EJ_RULE_COUNT, SECONDS_A_PROGRAM = 60 };

typedef struct arguments {
    long count;
    uint64_t seed;
    int size;
    const char *only;
    bool print;
} arguments;

enum rule_fate { SEARCHED, CAUGHT, BROUGHT_DOWN, LEFT_OUT };
typedef struct progress {
    long program, n_programs; /* tries; programs made of them */
    int rule;                 /* being tried; -1: none */
    bool unsound;             /* a program fails with every rule whole */
    struct {
        int fate, signal;
        /* programs until it was caught; in which it changed something; status instead of numbers */
        long after, met, refused;
        char refusal[160]; /* the first one's reason */
    } of[N_RULES + 1];
} progress;

/* One program, and what passes make of it with all rules whole. */
typedef struct subject {
    const gen_program *p;
    uint64_t seed;
    einjit_context *context;
    ej_hash whole[OPT_MAX_PASSES + 2];
    bool known[OPT_MAX_PASSES + 2];
} subject;

static bool is_written(uint64_t seed)
{
    return seed % 4 == 1;
}

static judge_verdict run_graph(const subject *s, const ej_graph *graph, bool in_compile, char *why)
{
    char path[40];
    snprintf(path, sizeof path, "random:%llu", (unsigned long long)s->seed);
    judge_way way = {.name = "", .context = s->context, .passes = "", .in_compile = in_compile};
    if (is_written(s->seed) || s->seed % 16 == 14) way.path = path; /* any of the alternatives */
    einjit_context_clear_cache(s->context);                         /* the broken rule is not part of the key */
    return judge_verdict_of(s->p, graph, s->p->oracle.values, &way, s->seed, NULL, why, WHY);
}

static void note_refusal(progress *shared, int rule, judge_verdict verdict, const char *why)
{
    if (verdict != JUDGE_REFUSED) return;
    if (!shared->of[rule].refused++) snprintf(shared->of[rule].refusal, sizeof shared->of[rule].refusal, "%.150s", why);
}

/* Passes with the rule whole: the graph must be made and be right. */
static bool whole_is_right(const subject *s, const char *passes)
{
    ej_graph graph;
    einjit_error err;
    if (!opt_state_after(&graph, &s->p->graph, passes, &err)) return false;
    char why[WHY];
    bool right = run_graph(s, &graph, false, why) == JUDGE_AGREES;
    ej_graph_free(&graph);
    return right;
}

static bool whole_hash(subject *s, int way, const char *passes)
{
    ej_graph graph;
    einjit_error err;
    if (s->known[way]) return true;
    if (!opt_state_after(&graph, &s->p->graph, passes, &err)) return false;
    s->known[way] = opt_state_hash(&graph, &s->whole[way]);
    ej_graph_free(&graph);
    return s->known[way];
}

/* One order of passes with the rule broken. `way` numbers the order. True: wrong results. */
static bool try_passes(subject *s, progress *shared, int rule, int way, const char *passes)
{
    ej_graph graph;
    ej_hash hash;
    einjit_error err;
    char why[WHY];
    if (!whole_hash(s, way, passes)) {
        shared->unsound = true;
        return false;
    }
    ej_broken_rule = rule;
    bool made = opt_state_after(&graph, &s->p->graph, passes, &err);
    judge_verdict verdict = made ? JUDGE_AGREES : JUDGE_REFUSED;
    if (made && opt_state_hash(&graph, &hash) && !ej_hash_same(hash, s->whole[way])) {
        shared->of[rule].met++;
        verdict = run_graph(s, &graph, false, why);
    }
    if (made) ej_graph_free(&graph);
    ej_broken_rule = -1;
    note_refusal(shared, rule, verdict, made ? why : err.text);
    if (verdict == JUDGE_WRONG && !whole_is_right(s, passes)) {
        shared->unsound = true;
        return false;
    }
    return verdict == JUDGE_WRONG;
}

/* A rule that no pass of the table has: it belongs to what a compile does after the passes. */
static bool try_compile(const subject *s, progress *shared, int rule)
{
    char why[WHY];
    ej_broken_rule = rule;
    judge_verdict verdict = run_graph(s, &s->p->graph, true, why);
    ej_broken_rule = -1;
    note_refusal(shared, rule, verdict, why);
    if (verdict != JUDGE_WRONG) return false;
    bool right = run_graph(s, &s->p->graph, true, why) == JUDGE_AGREES;
    shared->unsound |= !right;
    return right;
}

static int pass_by_name(const char *name)
{
    for (int p = 0; p < (int)ej_n_passes; p++)
        if (!strcmp(ej_passes[p].name, name)) return p;
    return -1;
}

/* The rule's pass by itself, behind another one, and all passes in the order of the table. */
static bool try_rule(subject *s, progress *shared, int rule, uint64_t seed)
{
    int pass = pass_by_name(rules[rule].pass), before = (int)(seed % ej_n_passes);
    char two[80];
    if (pass < 0) return try_compile(s, shared, rule);
    if (try_passes(s, shared, rule, pass, ej_passes[pass].name)) return true;
    if (try_passes(s, shared, rule, (int)ej_n_passes, NULL)) return true;
    snprintf(two, sizeof two, "%s,%s", ej_passes[before].name, ej_passes[pass].name);
    s->known[ej_n_passes + 1] = false; /* one slot for all pairs */
    return before != pass && try_passes(s, shared, rule, (int)ej_n_passes + 1, two);
}

static void print_catch(const gen_program *p, int rule, uint64_t seed)
{
    printf("# %s is caught by seed %llu\n", rules[rule].name, (unsigned long long)seed);
    judge_print(stdout, &p->graph);
    printf("\n");
    fflush(stdout);
}

/* From a quarter of the size asked for to all of it: large programs meet more rules. */
static int program_size(const arguments *a, uint64_t seed)
{
    return 1 + a->size / 4 + (int)((seed * 2654435761u >> 7) % (uint64_t)(a->size - a->size / 4));
}

static bool make_contract(gen_program *p, uint64_t seed, char *text, size_t room)
{
    int promised;
    if (!gen_contract_make(p, (int)(seed / 4 % GEN_CONTRACT_KINDS), seed, text, room, &promised)) return false;
    if (!promised) gen_program_free(p);
    return promised > 0;
}

/* One in four is of the forms that offer alternatives, one of those that the contract is about. */
static bool make_program(gen_program *p, const arguments *a, uint64_t seed)
{
    char text[6000];
    if (seed % 401 == 7) return gen_written_make(p, GEN_SQUARES, seed, text, sizeof text);
    if (seed % 4 == 2) return make_contract(p, seed, text, sizeof text);
    if (is_written(seed)) return gen_written_make(p, (int)(seed / 4 % GEN_WRITTEN_FAMILIES), seed, text, sizeof text);
    int kind = seed % 5 == 0 ? GEN_ANY : seed % 5 == 1 ? GEN_CHAIN : GEN_EINSUM;
    return gen_program_of(p, kind, seed, program_size(a, seed), NULL);
}

static bool any_searched(const progress *shared)
{
    for (int r = 0; r < N_RULES; r++)
        if (shared->of[r].fate == SEARCHED) return true;
    return false;
}

static void search(progress *shared, const arguments *a)
{
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_VERIFY};
    einjit_error err;
    subject s = {0};
    if (einjit_context_create(&s.context, &options, &err)) _exit(1);
    for (; shared->program < a->count && any_searched(shared); shared->program++) {
        uint64_t seed = a->seed + (uint64_t)shared->program;
        gen_program p;
        alarm(SECONDS_A_PROGRAM);
        if (!make_program(&p, a, seed)) continue;
        s.p = &p;
        s.seed = seed;
        memset(s.known, 0, sizeof s.known);
        for (int r = 0; r < N_RULES; r++) {
            if (shared->of[r].fate != SEARCHED) continue;
            shared->rule = r;
            if (!try_rule(&s, shared, r, seed)) continue;
            shared->of[r].fate = CAUGHT;
            shared->of[r].after = shared->program + 1;
            if (a->print) print_catch(&p, r, seed);
        }
        shared->rule = -1;
        shared->n_programs++;
        gen_program_free(&p);
    }
    einjit_context_release(s.context);
}

/* Children until one comes to the end; each that is brought down costs the rule it was trying. */
static bool run_children(progress *shared, const arguments *a)
{
    for (;;) {
        int status;
        fflush(stdout);
        pid_t child = fork();
        if (child < 0) return false;
        if (!child) {
            search(shared, a);
            _exit(0);
        }
        if (waitpid(child, &status, 0) < 0) return false;
        if (WIFEXITED(status) && !WEXITSTATUS(status)) return true;
        if (shared->rule < 0) return false; /* nothing was broken */
        shared->of[shared->rule].fate = BROUGHT_DOWN;
        shared->of[shared->rule].signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        shared->of[shared->rule].after = shared->program + 1;
        shared->rule = -1;
    }
}

static int print_table(const progress *shared)
{
    int missed = 0;
    printf("%-28s %-11s %9s %8s %8s   the broken variant ...\n", "rule", "pass", "caught at", "changed", "refused");
    for (int r = 0; r < N_RULES; r++) {
        char after[24] = "NOT";
        if (shared->of[r].fate == LEFT_OUT) continue;
        if (shared->of[r].fate == CAUGHT) snprintf(after, sizeof after, "%ld", shared->of[r].after);
        if (shared->of[r].fate == BROUGHT_DOWN)
            snprintf(after, sizeof after, "%s", shared->of[r].signal == SIGALRM ? "HANGS" : "CRASHES");
        missed += shared->of[r].fate != CAUGHT;
        printf("%-28s %-11s %9s %8ld %8ld   %s\n", rules[r].name, rules[r].pass, after, shared->of[r].met,
               shared->of[r].refused, rules[r].breaks);
        if (shared->of[r].fate != CAUGHT && shared->of[r].refused) printf("    refused: %s\n", shared->of[r].refusal);
    }
    return missed;
}

static bool read_arguments(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--print")) a->print = true;
        else if (!strcmp(argv[i], "--count")) a->count = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--seed")) a->seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--size")) a->size = (int)strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--only")) a->only = value, i++;
        else return false;
    }
    return a->count > 0 && a->size > 0;
}

int main(int argc, char **argv)
{
    arguments a = {.count = 6000, .seed = 1, .size = 64};
    if (!read_arguments(&a, argc, argv)) {
        fprintf(stderr, "usage: prop_broken [--count N] [--seed S] [--size K] [--only RULE] [--print]\n");
        return 2;
    }
    progress *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    memset(shared, 0, sizeof *shared);
    shared->rule = -1;
    for (int r = 0; r < N_RULES; r++)
        if (a.only && strcmp(a.only, rules[r].name)) shared->of[r].fate = LEFT_OUT;
    bool ended = run_children(shared, &a);
    int missed = print_table(shared);
    printf("%ld programs; %d of %d rules are not caught\n", shared->n_programs, missed, N_RULES);
    if (!ended) fprintf(stderr, "the search came to no end at program %ld, with every rule whole\n", shared->program);
    if (shared->unsound) fprintf(stderr, "a program was wrong with every rule whole: see prop_passes\n");
    return missed || !ended || shared->unsound;
}
