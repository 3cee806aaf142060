/* kernel_child.h - one process that generates code (jit/child/), as the process that compiles sees it. */
#ifndef EJ_KERNEL_CHILD_H
#define EJ_KERNEL_CHILD_H

#include <sys/types.h>

#include "kernel_wire.h"

typedef struct ej_child {
    int socket;    /* -1: there is no process */
    int words;     /* a file in memory, which is its stderr; -1: /dev/null is */
    pid_t process; /* its number, until it has been waited for; then 0 */
    bool greeted;  /* it has said hello */
} ej_child;
#define EJ_NO_CHILD ((ej_child){.socket = -1, .words = -1})

/* Whoever waits for it: asks the job now and then, and not for longer than the child shows a sign of life. */
typedef struct ej_child_wait {
    ej_job *job;
    uint64_t limit_ns;
    pid_t owner; /* the process that began to wait: a hook may fork */
    int stage;   /* what the child said last */
    double done;
} ej_child_wait;

/* Beside the statuses of the library: */
enum ej_child_fault {
    EJ_CHILD_GONE = -1,  /* it has ended */
    EJ_CHILD_FORKED = -2 /* this is a child of the process that waited: the connection is that one's */
};

/* Starts it; it says hello later. E_BACKEND. `environment`: NULL at its end. */
int ej_child_start(ej_child *out, const char *program, const char *module, char *const *environment, einjit_error *err);
/* A status, or a fault; E_INTERRUPTED where the job's hook says so, E_BACKEND at the end of the limit. */
int ej_child_send(const ej_child *child, const ej_text *message, ej_child_wait *wait);
/* The next message; *body of head->n_bytes bytes from the job's allocator, whole. */
int ej_child_receive(const ej_child *child, ej_wire_head *head, void **body, ej_child_wait *wait);
/* What it wrote to stderr until now is not of the next compile. */
void ej_child_drop_words(const ej_child *child);
bool ej_child_has_ended(const ej_child *child);
/* Of one that is GONE: by which signal, else its exit status, and the last line that it wrote to stderr since its words
 * were dropped. */
void ej_child_print_end(ej_child *child, char *out, size_t room);
void ej_child_end(ej_child *child);    /* whatever it is doing; leaves no zombie. NO_CHILD is fine. */
void ej_child_forget(ej_child *child); /* in a forked process: it is the parent's */

#endif
