/* path_search.h - searches over trees: what one of them is given, and the moves that all of them share. */
#ifndef EJ_PATH_SEARCH_H
#define EJ_PATH_SEARCH_H

#include "path_core.h"

/* How long a search may take: trials, or the clock, whatever ends first. With trials alone the result depends on the
 * seed and the network only. */
typedef struct ej_effort {
    uint64_t seed;
    int64_t trials; /* at most so many; 0: as the strategy has it, by the clock as many as there is time for */
    uint64_t started_ns, deadline_ns; /* of ej_now_ns; 0: no clock */
    const ej_job *job;                /* whose caller may interrupt it; NULL: nobody may */
    bool stopped;                     /* by the one who watches */
} ej_effort;

/* The options after the strategy's name: "portfolio:seconds=1.5,trials=100,seed=7". E_VALUE names what cannot be. */
int ej_effort_read(ej_effort *out, const ej_job *job);
bool ej_effort_is_over(const ej_effort *effort); /* looks at the clock where there is one, asks the caller */

/* A core after contractions that hardly any good path leaves out (path_simplify.c). */
typedef struct ej_simple {
    ej_core core;
    ej_path first;  /* steps that lead there */
    int32_t *names; /* per operand that is left: its single-assignment number */
} ej_simple;
/* No step of these costs more than 2^most_step. */
int ej_simplify(ej_simple *out, const ej_core *core, double most_step, ej_job *job);
/* A path over all n_all operands: the first steps, then `steps` over what they left. */
int ej_simple_path(ej_path *out, const ej_simple *simple, const ej_path_step *steps, int32_t n_all, ej_job *job);

/* Pieces of up to `size` operands (3 to 12) put in their best order until nothing changes, or `looks` are spent.
 * Source: subtree reconfiguration (Gray, Kourtis: Hyper-optimized tensor network contraction, Quantum 5, 2021).
 * Cost   3^size / 2 splits a look. (path_pieces.c) */
typedef struct ej_pieces ej_pieces;
enum { EJ_MOST_PIECE = 12 };
int ej_pieces_new(ej_pieces **out, const ej_core *core, ej_job *job);
void ej_pieces_improve(ej_pieces *pieces, ej_tree *tree, int32_t size, int64_t looks, const ej_effort *effort);

/* Simulated annealing: operands of neighbouring steps are exchanged, `rounds` times as many as there are steps, the
 * temperature falling from `hot` to `cold` (base-2 logarithms of operations of the two steps). Steps that together cost
 * less than 2^-blind of a share of the whole count as free.
 * Source: Kalachev, Panteleev, Yung: Multi-tensor contraction for XEB verification (2021). (path_anneal.c) */
typedef struct ej_anneal {
    double hot, cold, blind;
    int64_t rounds;
} ej_anneal;
/* `best` is the tree to begin with and takes the best one found; `now` is scratch. Returns log2 of best's cost. */
double ej_anneal_run(ej_tree *best, ej_tree *now, const ej_anneal *how, uint64_t *random, const ej_effort *effort);

/* ---- trees to begin with ---- */

/* One greedy tree; noise 0: always the same. (path_random_greedy.c) */
typedef struct ej_greedy ej_greedy;
int ej_greedy_new(ej_greedy **out, const ej_core *core, ej_job *job);
int ej_greedy_steps(ej_greedy *g, ej_path_step *steps, double weight, double noise, uint64_t *random);
/* By recursive bisection; unbalance 0 to 1: how much larger one side may be. (path_bisect.c) */
int ej_bisect_steps(const ej_core *core, ej_path_step *steps, double unbalance, uint64_t *random, ej_job *job);
/* By an order of labels; `fill` 0: the smallest step first, 1: the one that adds least to its largest operand.
 * (path_eliminate.c) */
int ej_eliminate_steps(const ej_core *core, ej_path_step *steps, double fill, double noise, uint64_t *random,
                       ej_job *job);
/* A front that moves through the network from one end. (path_sweep.c) */
int ej_sweep_steps(const ej_core *core, ej_path_step *steps, double noise, uint64_t *random, ej_job *job);

#endif
