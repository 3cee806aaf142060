/* base_wait.h - a word that threads sleep on until another one changes it. */
#ifndef EJ_BASE_WAIT_H
#define EJ_BASE_WAIT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ej_wait {
    _Atomic uint32_t word;
#ifndef __linux__
    pthread_mutex_t lock;
    pthread_cond_t changed;
#endif
} ej_wait;

bool ej_wait_init(ej_wait *w);
void ej_wait_free(ej_wait *w);
/* Sleeps while the word is `seen`; may return early. */
void ej_wait_while(ej_wait *w, uint32_t seen);
void ej_wait_wake(ej_wait *w, int n); /* at most n sleepers; after the word has changed */

/* For loops that wait a moment: lets the other thread of the core, and memory, breathe. */
static inline void ej_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
