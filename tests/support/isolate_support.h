/* isolate_support.h - contexts whose code other processes generate, and what those processes do and leave behind. */
#ifndef TEST_ISOLATE_SUPPORT_H
#define TEST_ISOLATE_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "einjit/einjit.h"

/* The next contexts' processes get into this trouble (tests/isolate/trouble.c): "abort:1000"; NULL: into none. */
void isolate_trouble(const char *trouble);
/* Allocations of a process that makes one kernel: until it has said hello, and until it has answered. */
void isolate_count(long *hello, long *answer);
/* The same, once isolate_set_up has run; 0: no trouble can be made in this build. */
extern long isolate_at_hello, isolate_at_answer;
/* A context, checked; options may be NULL. */
einjit_context *isolate_context(const einjit_options *options);
/* An einsum of n rows, compiled if it is the first of that n, with its result checked: its status, or -1. */
int isolate_use(einjit_context *context, int64_t n, einjit_error *err);
/* Children of this process that there are, zombies among them: how many, the first of them in out. */
size_t isolate_children(pid_t *out, size_t room);
bool isolate_is_running(pid_t process); /* it is there, and no zombie */
size_t isolate_descriptors(void);       /* of this process that are open */
double isolate_ms(void);                /* a clock */

/* Around each test: no child and no descriptor stays. */
int isolate_set_up(void **state);
int isolate_tear_down(void **state);
uint64_t isolate_processes(einjit_context *context); /* as its statistics count them */
pid_t isolate_only_child(void);
/* A context whose processes get into trouble at allocation `when`; 0: in the middle of a compile. Skips the test where
 * no trouble can be made. */
einjit_context *isolate_in_trouble(const char *what, long when, const einjit_options *options);
void isolate_expect(const einjit_error *err, const char *part); /* of its text */

#endif
