/* isolate_stress.c - the process that generates code under kill -9, and short of memory; prints what it counted.
 *
 *   isolate_stress kill N      it is killed N times at any moment from its start on, while programs are compiled
 *   isolate_stress memory N    N times one of its allocations fails, any one of a compile
 *
 * Each time the compile gives the right result, or an error; the next one, left alone, the right result. No child and
 * no descriptor of this process is left.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "gen.h"
#include "isolate_support.h"

typedef struct counts {
    long results, errors, wrong, killed;
} counts;

static void count(counts *c, int status, const einjit_error *err)
{
    if (status == EINJIT_OK) c->results++;
    else if (status == EINJIT_E_BACKEND || status == EINJIT_E_NOMEM) c->errors++;
    else {
        c->wrong++;
        printf("status %d: %s\n", status, status > 0 ? err->text : "another result");
    }
}

/* ---- kill ---- */

typedef struct killer {
    _Atomic int after_us; /* -1: nothing to do; -2: the end */
    atomic_long killed;
} killer;

static void *kill_children(void *user)
{
    killer *k = user;
    for (int us; (us = atomic_load(&k->after_us)) != -2;) {
        pid_t child = 0;
        if (us < 0) {
            usleep(50);
            continue;
        }
        usleep((useconds_t)us);
        if (isolate_children(&child, 1) && !kill(child, SIGKILL)) atomic_fetch_add(&k->killed, 1);
        while (child && isolate_is_running(child)) usleep(50);
        atomic_store(&k->after_us, -1);
    }
    return NULL;
}

static void kill_often(counts *c, long n)
{
    gen_random random = {1};
    killer k = {-1, 0};
    pthread_t thread;
    einjit_context *context = isolate_context(NULL);
    if (pthread_create(&thread, NULL, kill_children, &k)) exit(1);
    for (long i = 0; i < n; i++) {
        einjit_error err = {0};
        atomic_store(&k.after_us, gen_below(&random, i % 2 ? 20000 : 4000)); /* a start takes 10 ms, a compile 2 */
        do {
            einjit_context_clear_cache(context);
            count(c, isolate_use(context, 1 + i % 500, &err), &err);
        } while (atomic_load(&k.after_us) >= 0);
        einjit_context_clear_cache(context);
        int status = isolate_use(context, 1 + i % 500, &err);
        if (status) count(c, -1, &err), printf("left alone: %s\n", err.text);
        if (i % 2) { /* from the start of a new one */
            einjit_context_release(context);
            context = isolate_context(NULL);
        }
    }
    atomic_store(&k.after_us, -2);
    pthread_join(thread, NULL);
    einjit_context_release(context);
    c->killed = atomic_load(&k.killed);
}

/* ---- memory ---- */

static void fail_often(counts *c, long n)
{
    gen_random random = {1};
    long hello, answer;
    isolate_count(&hello, &answer);
    printf("%ld allocations until it says hello, %ld until it answers\n", hello, answer);
    for (long i = 0; i < n; i++) {
        einjit_error err = {0};
        char trouble[64];
        long from = i % 4 ? hello : 0, to = i % 4 ? answer : hello;
        snprintf(trouble, sizeof trouble, "fail:%ld", from + 1 + gen_below(&random, (int)(to - from)));
        isolate_trouble(trouble);
        einjit_context *context = isolate_context(NULL);
        isolate_trouble(NULL);
        count(c, isolate_use(context, 1 + i % 500, &err), &err);
        einjit_context_release(context);
    }
    c->killed = n;
}

int main(int argc, char **argv)
{
    counts c = {0};
    long n = argc == 3 ? atol(argv[2]) : 0;
    use_built_module();
    if (n < 1 || (strcmp(argv[1], "kill") != 0 && strcmp(argv[1], "memory") != 0)) {
        fputs("usage: isolate_stress kill N | memory N\n", stderr);
        return 2;
    }
    if (!api_has_llvm()) return 77;
    size_t descriptors = isolate_descriptors();
    if (*argv[1] == 'k') kill_often(&c, n);
    else fail_often(&c, n);
    size_t children = isolate_children(NULL, 0), more = isolate_descriptors() - descriptors;
    printf("%ld times: %ld right results, %ld errors, %ld wrong; %zu children and %zu descriptors left\n", c.killed,
           c.results, c.errors, c.wrong, children, more);
    return c.wrong || children || more || !c.errors;
}
