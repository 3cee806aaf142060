/* tool.h - what the commands share: messages, sizes, programs, tensors with memory. */
#ifndef TOOL_H
#define TOOL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "einjit/einjit.h"

/* Exit codes of INTERFACES: ok, wrong result or failed work, usage, regression. */
enum { TOOL_MAX_RANK = 128 };
enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_REGRESSION = 3 };

extern const char *tool_name; /* "einjit", "einjit-bench": set first thing in main */

/* What the last of the three calls below said, "E_DIM: axis ..."; "" before the first. */
extern char tool_said[640];
/* One line on stderr that starts with the reason's code, then the place with a caret. Returns TOOL_FAILED. */
int tool_error(const einjit_error *err);
int tool_fail(const char *code, const char *format, ...); /* TOOL_FAILED */
int tool_usage(const char *format, ...);                  /* TOOL_USAGE, points at --help */
void *tool_alloc(size_t bytes);                           /* zeroed; ends the command when there is no memory */
char *tool_copy(const char *text);
bool tool_ends_with(const char *text, const char *end);
const char *tool_file_name(const char *path); /* without its folder: points into path */

/* First thing in main: an equation that starts with its arrow ("->") is no option. */
void tool_arguments(int argc, char **argv);
/* Last thing in main: output that could not be written is a failure. */
int tool_finish(int status);

/* -s z=1000,i=4,...=8x4; the axes of an ellipsis are called as the library calls them, ellipsis_1, ellipsis_2, ... */
#define TOOL_ELLIPSIS "ellipsis_"
typedef struct tool_sizes {
    size_t n;
    struct tool_size {
        char *name;
        int64_t value;
    } *items;
} tool_sizes;
int tool_sizes_add(tool_sizes *sizes, const char *text); /* TOOL_OK or TOOL_USAGE */
bool tool_sizes_find(const tool_sizes *sizes, const char *name, int64_t *value);
void tool_sizes_free(tool_sizes *sizes);
/* Options that may be given again: lists grow, all others must say the same. `letter`: below 128. */
typedef struct tool_seen {
    const char *value[128];
} tool_seen;
int tool_once(tool_seen *seen, int letter, const char *value, const char *name);
void tool_append(char **list, const char *value); /* "a" and "b,c" are "a,b,c"; freed with free() */
/* For people: "2.213 us", "11.61 h"; counts with six digits, those beyond a double as a power of ten where its
 * exponent is known (else NAN). Return `text`. */
enum { TOOL_WORDS = 48 };
const char *tool_duration(char text[TOOL_WORDS], double seconds);
const char *tool_count(char text[TOOL_WORDS], double x, double log10_of_x);
void tool_log(void *unused, const char *line); /* einjit_options.log: to stderr, warnings once each */
/* Ctrl-C: from tool_watch on it ends what the library does next (einjit_options.progress = tool_progress), a second one
 * the command at once. */
extern volatile sig_atomic_t tool_interrupted;
void tool_watch(void);
int tool_progress(void *unused, const char *stage, double done);
/* How many threads the context's runs use; says once on stderr where these are fewer than were asked for (0: nobody
 * did). */
int64_t tool_threads(const einjit_context *context, int64_t asked);
double tool_seconds(void);                      /* of a clock that only goes forward */
int tool_compare(const void *a, const void *b); /* of doubles, for qsort */
/* Numbers of options: TOOL_OK or TOOL_USAGE. */
int tool_real(double *out, const char *text, const char *option); /* finite */
int tool_number(int64_t *out, const char *text, int64_t least, int64_t most, const char *option);

/* ---- files (tool_file.c): TOOL_OK, or the exit code after a message. "-" is standard input (once), or output. */
bool tool_is_stdio(const char *path); /* "-"; NULL is not */
int tool_take_stdin(void);            /* for readers that open it themselves */
int tool_open(FILE **out, const char *path, bool to_write);
void tool_close_input(FILE *file);
int tool_close_output(FILE *file, const char *path);    /* what was written is there */
char *tool_read_file(const char *path, size_t *length); /* NUL-terminated; NULL after a message */

/* ---- JSON (tool_json.c) ---- */
struct json_t;
int tool_read_json(struct json_t **out, const char *path); /* TOOL_OK, or the exit code after a message */
struct json_t *tool_json_number(double x);                 /* null for Inf and NaN, which JSON does not have */
struct json_t *tool_json_lines(const char *text);          /* the array of its lines; NULL: none */

/* FILE.ein, program text (starts with "def"), or an equation; of one with an ellipsis `sizes` say how many axes that
 * is. */
typedef struct tool_program {
    einjit_graph *graph;
    char *equation; /* NULL for programs */
    /* the same, with letters for the axes of an ellipsis; NULL for programs, and when letters run out */
    char *letters;
} tool_program;
int tool_program_load(tool_program *out, einjit_context *context, const char *what, const tool_sizes *sizes);
void tool_program_free(tool_program *program);
/* Names that no input of the program has are a mistake: in -s, and in a list separated by commas (may be NULL). */
int tool_names_check(const tool_program *program, const tool_sizes *sizes, const char *open);
/* A path strategy by name, or a path's file as "file:NAME" (freed with free()); TOOL_USAGE names those there are. */
int tool_strategy(char **out, einjit_context *context, const char *name);

/* Whether tensors lie on huge pages, as far as the system gives them; else on small ones. Set before they are made. */
extern bool tool_huge_pages;
/* A tensor with memory of its own, 64-byte aligned; block NULL: only its shape counts. */
typedef struct tool_tensor {
    einjit_tensor tensor;
    int64_t *shape, *strides; /* strides NULL: row-major */
    void *block;
    size_t bytes;
} tool_tensor;
int tool_tensor_make(tool_tensor *out, int dtype, int rank, const int64_t *shape, const char *what);
int tool_tensor_describe(tool_tensor *out, int dtype, int rank, const int64_t *shape, const char *what); /* no memory */
void tool_tensor_free(tool_tensor *tensor);
int64_t tool_tensor_elements(const tool_tensor *tensor);
/* Reproducible values: floats in (-1, 1), small integers; index inputs are filled by the caller. */
void tool_tensor_fill(tool_tensor *tensor, uint64_t seed);
/* Elements of bool and the integers. */
int64_t tool_load_integer(int dtype, const void *block, int64_t at);
/* Elements of f16, bf16, f32 and f64. (tool_narrow.c) */
double tool_load_real(int dtype, const void *block, int64_t at);
void tool_store_real(int dtype, void *block, int64_t at, double x); /* of f16 and bf16 a normal number, or 0 */

/* Inputs of a program from sizes; `dtype` for those that do not say. With memory and values, or shapes alone. */
int tool_inputs_make(tool_tensor **out, size_t *n, const tool_program *program, const tool_sizes *sizes, int dtype,
                     bool with_data);
int tool_outputs_make(tool_tensor **out, size_t *n, const tool_program *program, const tool_tensor *in, size_t n_in);
void tool_tensors_free(tool_tensor *tensors, size_t n);
/* The plain structs of an array, for the library's calls. Freed with free(). */
einjit_tensor *tool_views(const tool_tensor *tensors, size_t n);

/* Text of a buffer-filling library call: calls `fill` twice. NULL after a message. */
char *tool_explain(einjit_context *context, const tool_program *program, const einjit_tensor *in, size_t n_in,
                   const einjit_compile_options *options, const char *stage);

#endif
