/* prop_passes.c - random programs: whatever order any three passes run in, the results stay those of the oracle.
 *
 * usage: prop_passes [--count N] [--seed S] [--size K] [--generator any|einsum|chain] [--hits] [--print]
 * Every program goes through every order of three passes, repetitions included (opt_states.h says how that is
 * affordable), and every graph on the way is run by the interpreter. Without arguments a quick run for every commit;
 * --hits says how often each order was met, and how often each of its passes changed the program; --print shows the
 * programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_module.h"
#include "judge.h"
#include "opt_states.h"

typedef struct arguments {
    long count;
    uint64_t seed;
    int size, kind; /* kind -1: in turn */
    bool hits, print;
} arguments;

typedef struct order_hits {
    uint64_t met, acted;
} order_hits;

typedef struct run_state {
    einjit_context *interp;
    gen_hits hits;
    order_hits *orders; /* of passes a, b, c: at (a * n + b) * n + c */
    uint64_t changed[OPT_MAX_PASSES];
    long programs, states, cut, failures;
} run_state;

/* Inside a compile passes know what the tensors say of dtypes: every other program. */
static void tell_dtypes(gen_program *p)
{
    for (size_t i = 0; i < p->graph.n_inputs; i++)
        p->graph.nodes[p->graph.inputs[i]].dtype = (int16_t)p->in[i].view.dtype;
}

static void count_orders(run_state *s, const opt_states *states)
{
    int n = (int)ej_n_passes;
    for (int a = 0; a < n; a++) {
        int first = states->states[0].next[a];
        s->changed[a] += first > 0;
        for (int b = 0; first >= 0 && b < n; b++) {
            int second = states->states[first].next[b];
            for (int c = 0; second >= 0 && c < n; c++) {
                int third = states->states[second].next[c];
                order_hits *order = &s->orders[(a * n + b) * n + c];
                order->met += third >= 0;
                order->acted += third >= 0 && first != 0 && second != first && third != second;
            }
        }
    }
}

/* The program as written, then the passes that lead to the state: fails, and is printed as small as it gets. */
static void report(run_state *s, const gen_program *p, const opt_states *states, int state, uint64_t seed)
{
    char passes[300], name[340];
    opt_states_way(states, state, passes, sizeof passes);
    if (states->failed_pass >= 0) {
        size_t n = strlen(passes);
        snprintf(passes + n, sizeof passes - n, "%s%s", n ? "," : "", ej_passes[states->failed_pass].name);
    }
    snprintf(name, sizeof name, "interpreter after %s", *passes ? passes : "nothing");
    judge_way way = {.name = name, .context = s->interp, .passes = passes};
    if (judge_program(p, &way, seed, NULL))
        fprintf(stderr, "seed %llu, after %s: wrong only with what passes ran before\n", (unsigned long long)seed,
                passes);
}

static bool all_orders_agree(run_state *s, const gen_program *p, uint64_t seed)
{
    opt_states states;
    int failed = -1;
    char why[600];
    if (!opt_states_explore(&states, &p->graph)) failed = states.failed_from < 0 ? 0 : states.failed_from;
    for (int i = 0; failed < 0 && i < states.n; i++) {
        judge_way way = {.name = "", .context = s->interp, .passes = ""};
        if (!judge_graph(p, &states.states[i].graph, p->oracle.values, &way, seed, NULL, why, sizeof why)) failed = i;
    }
    if (failed < 0) {
        count_orders(s, &states);
        s->states += states.n;
        s->cut += states.cut;
    } else {
        report(s, p, &states, failed, seed);
    }
    opt_states_free(&states);
    return failed < 0;
}

static void print_program(const gen_program *p, uint64_t seed)
{
    printf("# seed %llu\n", (unsigned long long)seed);
    judge_print(stdout, &p->graph);
    printf("\n");
}

static void one_program(run_state *s, const arguments *a, uint64_t seed)
{
    gen_program p;
    int size = 1 + (int)((seed * 2654435761u >> 7) % (uint64_t)a->size), kind = a->kind;
    if (kind < 0) kind = seed % 4 == 0 ? GEN_ANY : seed % 8 == 1 ? GEN_CHAIN : GEN_EINSUM;
    if (!gen_program_of(&p, kind, seed, size, &s->hits)) return;
    if (seed % 2) tell_dtypes(&p);
    if (a->print) print_program(&p, seed);
    s->programs++;
    if (!all_orders_agree(s, &p, seed)) {
        s->failures++;
        fprintf(stderr, "repeat with: prop_passes --count 1 --seed %llu --size %d --generator %s\n\n",
                (unsigned long long)seed, a->size, gen_kind_names[kind]);
    }
    gen_program_free(&p);
}

static void print_hits(const run_state *s)
{
    int n = (int)ej_n_passes;
    for (int i = 0; i < n * n * n; i++)
        printf("  order %-12s %-12s %-12s met %8llu   all three changed it %8llu\n", ej_passes[i / (n * n)].name,
               ej_passes[i / n % n].name, ej_passes[i % n].name, (unsigned long long)s->orders[i].met,
               (unsigned long long)s->orders[i].acted);
    for (int a = 0; a < n; a++)
        printf("  pass  %-12s changed %llu of %ld programs as written\n", ej_passes[a].name,
               (unsigned long long)s->changed[a], s->programs);
}

static bool read_arguments(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--hits")) a->hits = true;
        else if (!strcmp(argv[i], "--print")) a->print = true;
        else if (!strcmp(argv[i], "--count")) a->count = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--seed")) a->seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--size")) a->size = (int)strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--generator") && (a->kind = gen_kind_by_name(value)) >= 0) i++;
        else return false;
    }
    return a->count > 0 && a->size > 0;
}

int main(int argc, char **argv)
{
    arguments a = {.count = 6000, .seed = 1, .size = 16, .kind = -1};
    static run_state s;
    einjit_options options = {
        .struct_bytes = sizeof options, .backend = "interp", .flags = EINJIT_OPTION_VERIFY, .cache_bytes = 1 << 20};
    einjit_error err;
    use_built_module();
    if (!read_arguments(&a, argc, argv)) {
        fprintf(
            stderr,
            "usage: prop_passes [--count N] [--seed S] [--size K] [--generator any|einsum|chain] [--hits] [--print]\n");
        return 2;
    }
    s.orders = calloc(ej_n_passes * ej_n_passes * ej_n_passes, sizeof *s.orders);
    if (!s.orders || einjit_context_create(&s.interp, &options, &err)) return 1;
    for (long i = 0; i < a.count && s.failures < 10; i++) one_program(&s, &a, a.seed + (uint64_t)i);
    if (a.hits) print_hits(&s);
    printf("%ld passed, %ld failed: %ld graphs on the ways of %zu orders, %ld programs had more than %d\n",
           s.programs - s.failures, s.failures, s.states, ej_n_passes * ej_n_passes * ej_n_passes, s.cut,
           OPT_MAX_STATES);
    einjit_context_release(s.interp);
    free(s.orders);
    return s.failures || !s.programs;
}
