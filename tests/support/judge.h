/* judge.h - runs a generated program some way and compares every result with the oracle. */
#ifndef TEST_JUDGE_H
#define TEST_JUDGE_H

#include <stdio.h>

#include "gen.h"
#include "recipe.h"
#include "target.h"

typedef struct judge_way {
    const char *name;        /* for messages */
    einjit_context *context; /* says backend and target */
    einjit_context *same;    /* not NULL: other threads, which must give the same bits */
    const char *passes;      /* run on the graph first: comma list, "" = none, NULL = all */
    const char *path;        /* strategy, NULL = auto */
    bool through_text;       /* print and parse the graph first */
    bool in_compile;         /* all passes, run by einjit_compile for the observed tensors (passes is not looked at) */
} judge_way;

/* What running a graph came to: right, wrong numbers (or bytes written elsewhere), or refused with a status. */
typedef enum judge_verdict { JUDGE_AGREES, JUDGE_WRONG, JUDGE_REFUSED } judge_verdict;
judge_verdict judge_verdict_of(const gen_program *p, const ej_graph *graph, const oracle_value *values,
                               const judge_way *way, uint64_t seed, gen_hits *hits, char *why, size_t n_why);
/* True when the results of `values` (the graph's outputs in order) agree; else `why` says what happened. `seed` picks
 * the outputs' strides. `hits` (may be NULL) counts these. */
bool judge_graph(const gen_program *p, const ej_graph *graph, const oracle_value *values, const judge_way *way,
                 uint64_t seed, gen_hits *hits, char *why, size_t n_why);
/* The same for the whole program; on failure the smallest prefix of it that fails is printed with the seed. */
bool judge_program(const gen_program *p, const judge_way *way, uint64_t seed, gen_hits *hits);

void judge_print(FILE *to, const ej_graph *graph); /* its text */
/* The program with only value v as its result, without what v does not need. */
bool judge_prefix(ej_graph *out, const gen_program *p, ej_value v);

/* A context that verifies every stage; target (a row, which outlives it) NULL: this machine's. Ends the program where
 * there is none. */
einjit_context *judge_context(const char *backend, const ej_target *target);
/* The same, with JUDGE_THREADS threads of a host that runs one share after the other, in an order that
 * changes from run to run: shares that depend on each other show. */
enum { JUDGE_THREADS = 5 };
typedef struct judge_host {
    uint64_t order;  /* of the shares of the next run */
    uint64_t phases; /* that were shared */
} judge_host;
einjit_context *judge_shared_context(const char *backend, const ej_target *target, judge_host *host);

/* Leaves and recipes that the plan of a program comes to: counted for the hit table. */
typedef struct judge_leaves {
    uint64_t moves, contracts, lanes_across, lanes_along, scalar, tables, masked;
    uint64_t tails_first;                                   /* ... and of that what may lie where the result does */
    uint64_t tails;                                         /* steps whose end reads more than what was reduced */
    uint64_t gathers, scatters;                             /* steps that sum what they gather; what they scatter */
    uint32_t rewrites[EJ_REWRITE_COUNT + EJ_REFUSAL_COUNT]; /* done, then refused by fact */
} judge_leaves;
bool judge_count_leaves(const gen_program *p, const ej_target *target, const char *path, judge_leaves *leaves);

#endif
