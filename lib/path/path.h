/* path.h - the order in which an einsum's operands are contracted. */
#ifndef EJ_PATH_H
#define EJ_PATH_H

#include <math.h>

#include "bind.h"

/* A contraction as strategies see it: sets of labels with extents. Labels of extent 1 may be there; an operand that
 * broadcasts (extent 1 under a larger label) does not list that label. A label appears at most once per term (diagonals
 * were taken). */
typedef struct ej_network {
    int32_t n_terms;
    const ej_term *terms; /* sorted by label */
    ej_term out;          /* sorted by label */
    int32_t n_labels;
    const int64_t *extents; /* >= 0; observed values of open ones */
} ej_network;

/* Steps in single-assignment ids: inputs are 0 .. n_terms-1, step s makes n_terms + s. b == -1: one operand. */
typedef struct ej_path_step {
    int32_t a, b;
} ej_path_step;
typedef struct ej_path {
    int32_t n_steps;
    ej_path_step *steps;
    double log10_mults;  /* log10 of the sum over steps of the product of all extents in the step (-inf: none) */
    double log2_largest; /* largest result of a step, elements */
    double log2_peak;    /* intermediates that live at once, at most, elements (-inf: none; path_peak.c) */
    /* Where it is sliced: steps, largest and peak are those of one slice, in which these labels have extent 1, and
     * log10_mults is that of all slices together. */
    int32_t n_sliced;
    int32_t *sliced;
    double log2_slices;    /* how many there are */
    double log10_overhead; /* multiplications of all slices over those of the path that was found without slices */
} ej_path;

/* Told of the best path so far after every trial of a search; what is not 0 ends the search with that. */
typedef struct ej_path_watch {
    int (*tell)(void *user, double log10_mults, int64_t trials, double seconds);
    void *user;
} ej_path_watch;

/* One strategy a row of the table in path.c. Costs never overflow (doubles in log space or saturating).
 * Deterministic. */
typedef struct ej_strategy {
    const char *name;
    int (*search)(ej_path *out, const ej_network *network, ej_job *job);
    const char *help;
    bool in_trials; /* takes ":seconds=T,trials=N,seed=N" behind its name */
} ej_strategy;
enum { EJ_PATH_EXACT = 10 }; /* strategy auto: up to so many operands all orders are looked at */
extern const ej_strategy ej_strategies[];
extern const size_t ej_n_strategies;
/* The path in a file: JSON with "ssa_path", a list of lists of one or two ids. E_IO, E_SYNTAX, E_VALUE.
 * (path_file.c) */
int ej_path_read_file(ej_path *out, const char *file, const ej_network *network, ej_job *job);
/* That list itself: ids, or as opt_einsum has it: places among the operands that are left, results at the end. */
int ej_path_read_text(ej_path *out, const char *text, bool places, const ej_network *network, ej_job *job);

/* The strategy's name is a path, or a file's that has one: nothing is searched, and it is for one contraction. */
bool ej_path_is_given(const char *strategy);

/* By job->path_strategy (E_VALUE names those that exist; "file:NAME" is the path in a file, "ssa:[[0, 1], ...]" and
 * "linear:[[0, 1], ...]" are paths themselves); fills in the costs.
 * n_terms 1: one step {0, -1}. */
int ej_path_search(ej_path *out, const ej_network *network, ej_job *job);
/* Paths by network, for as long as the arena lives: a job that has such a list searches each network once. */
typedef struct ej_path_memo {
    ej_arena *arena;
    struct ej_known_path *first;
} ej_path_memo;
/* Nothing where the job has no list. (path_memo.c) */
int ej_path_recall(ej_path *out, bool *found, const ej_network *network, ej_job *job);
int ej_path_remember(const ej_path *path, const ej_network *network, ej_job *job);

/* Sums that wait at a time, where 2^log2_n slices are added up: one for each power of two, and one that is made. */
static inline int32_t ej_slice_sums(double log2_n)
{
    return (int32_t)ceil(log2_n - 1e-9) + 1;
}

/* The same, sliced where more than 2^log2_most elements of intermediates would live at once, sums of
 * slices that wait among them: E_LIMIT where no labels
 * are left that would help. */
int ej_path_search_within(ej_path *out, const ej_network *network, double log2_most, ej_job *job);

/* Puts sums of single operands before pairs where that pays, and fills in the costs: for paths from elsewhere. */
int ej_path_complete(ej_path *path, const ej_network *network, ej_job *job);
/* Labels of each step's result, for plans and reports: results[s], sorted. */
int ej_path_results(ej_term **results, const ej_network *network, const ej_path *path, ej_arena *arena);

#endif
