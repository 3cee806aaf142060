/* base_fork.c - a word of memory by which a forked child knows that it is one.
 *
 * Takes  nothing: no handler is registered with the process (pthread_atfork cannot be taken back, and is global).
 * Gives  true, once, to the first thread that asks in the child.
 * Keeps  the word in a page of its own, which Linux (since 4.14) gives to children zeroed. Elsewhere the word is
 *        compared with the process's number, which costs a system call each time.
 */
#include "base_fork.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUSY = -1 }; /* in place of a process's number: some thread is repairing */

void ej_fork_mark_init(ej_fork_mark *mark)
{
    mark->word = &mark->own;
    mark->wiped = false;
#ifdef MADV_WIPEONFORK
    void *page = mmap(NULL, sizeof *mark->word, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, sizeof *mark->word, MADV_WIPEONFORK) == 0) {
        mark->word = page;
        mark->wiped = true;
    } else if (page != MAP_FAILED) {
        (void)munmap(page, sizeof *mark->word);
    }
#endif
    atomic_init(mark->word, (int)getpid());
}

void ej_fork_mark_free(ej_fork_mark *mark)
{
    if (mark->wiped) (void)munmap(mark->word, sizeof *mark->word);
}

bool ej_fork_mark_is_new(ej_fork_mark *mark)
{
    int seen = atomic_load_explicit(mark->word, memory_order_acquire);
    if (seen > 0 && (mark->wiped || seen == (int)getpid())) return false;
    for (;; seen = atomic_load_explicit(mark->word, memory_order_acquire)) {
        if (seen == (int)getpid()) return false;
        if (seen == BUSY) sched_yield();
        else if (atomic_compare_exchange_strong(mark->word, &seen, BUSY)) return true;
    }
}

void ej_fork_mark_done(ej_fork_mark *mark)
{
    atomic_store_explicit(mark->word, (int)getpid(), memory_order_release);
}
