/* base_wait.c - sleeping until a word changes: a futex on Linux, else a mutex and a condition. */
#include "base_wait.h"

#ifdef __linux__

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

bool ej_wait_init(ej_wait *w)
{
    atomic_init(&w->word, 0);
    return true;
}

void ej_wait_free(ej_wait *w)
{
    (void)w;
}

void ej_wait_while(ej_wait *w, uint32_t seen)
{
    (void)syscall(SYS_futex, &w->word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

void ej_wait_wake(ej_wait *w, int n)
{
    (void)syscall(SYS_futex, &w->word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

#else

bool ej_wait_init(ej_wait *w)
{
    atomic_init(&w->word, 0);
    if (pthread_mutex_init(&w->lock, NULL) != 0) return false;
    if (pthread_cond_init(&w->changed, NULL) == 0) return true;
    pthread_mutex_destroy(&w->lock);
    return false;
}

void ej_wait_free(ej_wait *w)
{
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}

void ej_wait_while(ej_wait *w, uint32_t seen)
{
    pthread_mutex_lock(&w->lock);
    if (atomic_load(&w->word) == seen) pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void ej_wait_wake(ej_wait *w, int n)
{
    (void)n;
    pthread_mutex_lock(&w->lock); /* a sleeper has looked at the word, or waits already */
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

#endif
