/* opt_states.h - the graphs that orders of passes lead to: each one once, however many orders lead there. */
#ifndef TEST_OPT_STATES_H
#define TEST_OPT_STATES_H

#include "base_hash.h"
#include "graph.h"

/* Everything of a graph but names: equal hashes, same program, also for passes. */
bool opt_state_hash(const ej_graph *graph, ej_hash *out);
/* A copy of `from` in *out on which passes ran (comma list; NULL: all), verified behind each. False: err says why, and
 * there is no graph. */
bool opt_state_after(ej_graph *out, const ej_graph *from, const char *passes, einjit_error *err);

enum { OPT_DEPTH = 3, OPT_MAX_STATES = 400, OPT_MAX_PASSES = 32 };

typedef struct opt_state {
    ej_graph graph;
    ej_hash hash;
    int depth;
    int from, pass;           /* the first way here: state and pass; -1 for the program itself */
    int next[OPT_MAX_PASSES]; /* where each pass leads; -1: not followed */
} opt_state;

/* The states within OPT_DEPTH passes of a program. */
typedef struct opt_states {
    int n;
    opt_state *states; /* states[0]: as written */
    bool cut;          /* there were more than OPT_MAX_STATES */
    /* Where a pass failed: */
    einjit_error err;
    int failed_from, failed_pass;
} opt_states;

/* False: a pass failed or left a broken graph. To be freed in either case. */
bool opt_states_explore(opt_states *out, const ej_graph *program);
void opt_states_free(opt_states *s);
/* The names of the passes that lead to a state, in order and separated by commas; "" for the program itself. */
void opt_states_way(const opt_states *s, int state, char *text, size_t n);

#endif
