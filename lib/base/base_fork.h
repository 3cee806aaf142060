/* base_fork.h - has this process been forked since? Asked before every lock: one load where the system can tell. */
#ifndef EJ_BASE_FORK_H
#define EJ_BASE_FORK_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct ej_fork_mark {
    atomic_int *word; /* the process it belongs to, 0: none yet; a child finds 0 in a page that fork wipes */
    atomic_int own;   /* the word where there are no such pages: a child finds its parent's number */
    bool wiped;
} ej_fork_mark;

void ej_fork_mark_init(ej_fork_mark *mark);
void ej_fork_mark_free(ej_fork_mark *mark);
/* True, for one thread, in a process that is new to the mark: it does what is to be done, then calls ej_fork_mark_done.
 * Others wait for that. False: nothing is to be done. */
bool ej_fork_mark_is_new(ej_fork_mark *mark);
void ej_fork_mark_done(ej_fork_mark *mark);

#endif
