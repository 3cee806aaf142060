/* bind_support.h - binds program text to tensors that are written as text: "f32[2,3] i64[4]:-1" (strides behind a
 * colon). */
#ifndef BIND_SUPPORT_H
#define BIND_SUPPORT_H

#include "bind.h"

typedef struct bind_case {
    ej_arena arena;
    ej_graph graph;
    bool has_graph;
    ej_bound bound;
    ej_job job;
    einjit_error err;
    int status; /* of the parse, else of the bind; a bound graph was also verified */
} bind_case;

/* Tensors of the text, data NULL, in the arena. */
einjit_tensor *bind_tensors(ej_arena *arena, const char *text, size_t *n);
/* outputs NULL: row-major ones; open NULL: nothing open. */
void bind_open(bind_case *c, const char *program, const char *inputs, const char *outputs, const char *open);
void bind_close(bind_case *c);
/* "f32[2, z]" of result i; the whole bound graph. */
const char *bind_result(bind_case *c, size_t i);
const char *bind_dump(bind_case *c);

/* `body` is the program behind "def f(<params>):\n    return ". */
void expect_result(const char *params, const char *body, const char *inputs, const char *result);
void expect_open(const char *params, const char *body, const char *inputs, const char *open, const char *result);
/* `message` is a part of the error's text. */
void expect_refused(const char *params, const char *body, const char *inputs, int code, const char *message);
/* The dump has (or has not) this text. */
void expect_dump(const char *params, const char *body, const char *inputs, const char *open, const char *part,
                 bool has);

#endif
