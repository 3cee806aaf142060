/* path_support.h - contraction paths that tests look at. */
#ifndef PATH_SUPPORT_H
#define PATH_SUPPORT_H

#include "path.h"

/* A network, what a search for it takes, and what it gives. */
typedef struct path_case {
    ej_arena arena;
    einjit_error err;
    ej_job job;
    ej_network net;
    ej_path path;
    uint64_t random;
} path_case;
void path_open(path_case *f, uint64_t seed);
void path_close(path_case *f);

/* Every id is used once, by a step behind the one that makes it, and one is left: else the test ends. */
void path_check(const ej_network *network, const ej_path *path);

#endif
