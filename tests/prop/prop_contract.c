/* prop_contract.c - the floating-point contract: random programs with numbers from one end of the range to the other,
 * and with zeros that divide. What the contract promises must come out of the program as written, after each pass and
 * all of them, of the interpreter and of machine code.
 *
 * usage: prop_contract [--count N] [--seed S] [--only sizes|zeros] [--print]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_module.h"
#include "gen_contract.h"
#include "judge.h"
#include "opt.h"

static const char *const kind_names[GEN_CONTRACT_KINDS] = {"sizes", "zeros"};

typedef struct run_state {
    einjit_context *interp, *llvm;
    bool print;
    long programs[GEN_CONTRACT_KINDS], promised[GEN_CONTRACT_KINDS], failures;
} run_state;

static bool agrees(run_state *s, const gen_program *p, uint64_t seed, judge_way *way, char *why, size_t room)
{
    char path[40], two[60];
    const oracle_value *want = p->oracle.values;
    snprintf(path, sizeof path, "random:%llu", (unsigned long long)(seed + 1));
    snprintf(two, sizeof two, "%s,%s", ej_passes[seed % ej_n_passes].name,
             ej_passes[seed / ej_n_passes % ej_n_passes].name);
    const judge_way ways[] = {
        {.name = "as written", .context = s->interp, .passes = ""},
        {.name = "as a compile runs the passes", .context = s->interp, .in_compile = true},
        {.name = "all passes", .context = s->interp},
        {.name = "the pass scalar", .context = s->interp, .passes = "scalar"},
        {.name = "two passes", .context = s->interp, .passes = two},
        {.name = "scalars and fused", .context = s->interp, .passes = "scalar,fuse,scalar,distribute"},
        {.name = "any path", .context = s->interp, .path = path, .in_compile = true},
        {.name = "machine code", .context = s->llvm, .in_compile = true},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        *way = ways[i];
        if (!way->context || (way->context == s->llvm && seed % 8 > 1)) continue; /* which takes most of the time */
        if (!judge_graph(p, &p->graph, want, way, seed, NULL, why, room)) {
            if (way->passes == two) fprintf(stderr, "passes %s: ", two);
            return false;
        }
    }
    return true;
}

static void one_program(run_state *s, int kind, uint64_t seed)
{
    static char text[6000], why[2000];
    gen_program p;
    judge_way way;
    int promised;
    if (!gen_contract_make(&p, kind, seed, text, sizeof text, &promised)) return;
    if (promised) {
        s->programs[kind]++;
        s->promised[kind] += promised;
        if (s->print) printf("# seed %llu\n%s", (unsigned long long)seed, text);
        if (!agrees(s, &p, seed, &way, why, sizeof why)) {
            s->failures++;
            fprintf(stderr, "%s: %s\n%srepeat with: prop_contract --only %s --count 1 --seed %llu\n\n", way.name, why,
                    text, kind_names[kind], (unsigned long long)seed);
        }
    }
    gen_program_free(&p);
}

int main(int argc, char **argv)
{
    long count = 2000;
    uint64_t seed = 1;
    int only = -1;
    static run_state s;
    use_built_module();
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--print")) s.print = true;
        else if (!strcmp(argv[i], "--count")) count = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--seed")) seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--only")) only = !strcmp(value, kind_names[GEN_ZEROS]), i++;
        else return 2;
    }
    s.interp = judge_context("interp", NULL);
    if (has_code_generator()) s.llvm = judge_context("llvm", NULL);
    for (long i = 0; s.programs[0] + s.programs[1] < count && i < 100 * count && s.failures < 10; i++) {
        uint64_t at = seed + (uint64_t)i;
        int kind = only >= 0 ? only : (int)(at % GEN_CONTRACT_KINDS);
        one_program(&s, kind, at);
    }
    einjit_context_release(s.interp);
    einjit_context_release(s.llvm);
    for (int k = 0; k < GEN_CONTRACT_KINDS; k++)
        printf("%s: %ld programs of which something is promised, %ld numbers\n", kind_names[k], s.programs[k],
               s.promised[k]);
    printf("%ld failed\n", s.failures);
    return s.failures || s.programs[0] + s.programs[1] < count;
}
