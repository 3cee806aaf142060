/* path_support.h - contraction paths that tests look at. */
#ifndef PATH_SUPPORT_H
#define PATH_SUPPORT_H

#include "path.h"

/* Every id is used once, by a step behind the one that makes it, and one is left: else the test ends. */
void path_check(const ej_network *network, const ej_path *path);

#endif
