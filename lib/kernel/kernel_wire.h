/* kernel_wire.h - the messages between a process that compiles and the one that generates code for it (jit/child/).
 *
 * A message is a head and a body of pieces, each its length and its bytes. Both ends run on one machine: numbers are
 * its own. The body is checked by its hash: what a dying process has written in part is no answer.
 */
#ifndef EJ_KERNEL_WIRE_H
#define EJ_KERNEL_WIRE_H

#include "backend.h"
#include "base_hash.h"

enum { EJ_WIRE_VERSION = EJ_BACKEND_ABI << 8 | 1 };
enum ej_wire_kind {
    EJ_WIRE_HELLO,    /* from the child, once: which code generator it has, or why it has none */
    EJ_WIRE_REQUEST,  /* to the child: nests, and what the job says of them */
    EJ_WIRE_PROGRESS, /* from the child while it generates: how far it is */
    EJ_WIRE_ANSWER,   /* from the child: code, and the texts of dumps; or the error */
    EJ_WIRE_BYE       /* from the child: it has been idle for long, and ends without having read any more */
};
typedef struct ej_wire_head {
    uint16_t version, kind;
    int32_t status; /* of HELLO and ANSWER; else 0 */
    uint64_t n_bytes;
    ej_hash sum;
} ej_wire_head;

/* ---- writing: a message grows in a text, its head first ---- */
void ej_wire_begin(ej_text *out, enum ej_wire_kind kind);
void ej_wire_put(ej_text *out, const void *bytes, size_t n);
/* Fills the head in. E_NOMEM: the text has no room for the message. */
int ej_wire_end(ej_text *out, int status, einjit_error *err);

/* ---- reading ---- */
typedef struct ej_wire_cursor {
    const char *at;
    size_t left;
} ej_wire_cursor;
bool ej_wire_knows(const ej_wire_head *head); /* a head that can be: of this version, and of no absurd size */
bool ej_wire_is_whole(const ej_wire_head *head, const void *body);
/* The next piece; borrowed from the body. False: there is none. */
bool ej_wire_take(ej_wire_cursor *body, const char **bytes, size_t *n);
/* The next piece, which has to have this size. */
bool ej_wire_take_as(ej_wire_cursor *body, void *out, size_t n);

/* ---- what they say; *_read: E_INTERNAL where a body does not add up ---- */
typedef struct ej_wire_hello {
    const char *generator; /* text: version and build (cache_id.c); borrowed from the body */
    size_t n_generator;
} ej_wire_hello;
void ej_wire_write_hello(ej_text *out, const ej_wire_hello *hello);
int ej_wire_read_hello(ej_wire_hello *out, ej_wire_cursor body, einjit_error *err);

typedef struct ej_wire_progress {
    int32_t stage;
    double done;
} ej_wire_progress;

/* `limit_ms`: how long the child may go on without a sign of life. */
void ej_wire_write_request(ej_text *out, const ej_nests *nests, const ej_job *job, uint64_t limit_ms);
/* Nests in job->arena, with as much of a plan as the code generator looks at; sets target, verify and dump of the job.
 * Constants stay in the body. */
int ej_wire_read_request(ej_nests *out, ej_job *job, uint64_t *limit_ms, ej_wire_cursor body);

void ej_wire_write_answer(ej_text *out, const ej_code *code, const ej_text *dump, const ej_text *assembly);
/* Appends to the texts of the job; *out from its allocator. */
int ej_wire_read_answer(ej_code *out, ej_job *job, ej_wire_cursor body);

#endif
