/* base_fork.h - is this process a forked child of the one that made the mark? Asked before every lock: one load on
 * Linux. */
#ifndef EJ_BASE_FORK_H
#define EJ_BASE_FORK_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct ej_fork_mark {
    atomic_int *word; /* the number of the process that it was settled for; 0 in a page that fork has wiped */
    atomic_int own;   /* *word where the system has no such pages: there a child finds its parent's number */
    bool wiped;       /* *word lies in such a page */
} ej_fork_mark;

void ej_fork_mark_init(ej_fork_mark *mark);
void ej_fork_mark_free(ej_fork_mark *mark);
/* True, for one thread, in a process that is new to the mark: that thread repairs what the fork left, then calls
 * ej_fork_mark_done. Threads that ask meanwhile wait. False: there is nothing to repair. */
bool ej_fork_mark_is_new(ej_fork_mark *mark);
void ej_fork_mark_done(ej_fork_mark *mark);

#endif
