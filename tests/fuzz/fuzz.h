/* fuzz.h - what the fuzz targets share: choices made by the input, memory that ends, what counts as a finding.
 *
 * A target is one file fuzz_<name>.c with LLVMFuzzerTestOneInput. libFuzzer drives it (tests/fuzz/run); without clang
 * fuzz_replay.c runs it over files, which is how inputs that once failed are tested for ever (regress/<name>/).
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "gen.h"
#include "pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a run may take. Beyond: E_NOMEM by the allocator, or the program is compiled, but not run. */
enum { FUZZ_MEMORY = 256 << 20, FUZZ_ELEMENTS = 4096, FUZZ_WORK = 100000, FUZZ_AXES = 12, FUZZ_EXTENT = 6 };

/* Choices: digits, so that inputs stay readable ('0' is 0); behind the last one everything is 0. */
typedef struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
} fuzz_bytes;
unsigned fuzz_below(fuzz_bytes *bytes, unsigned n); /* 0 .. n-1, n <= 256 */
/* The rest of a first line that starts with '#', which is a comment in program text. */
fuzz_bytes fuzz_choices(const uint8_t *data, size_t size);

/* One context a run, that verifies every stage; its memory is bounded, and all of it must come back. */
einjit_context *fuzz_begin(const char *backend); /* NULL: out of memory */
void fuzz_end(einjit_context *context);

/* A finding ends the process, as a sanitizer's does. */
_Noreturn void fuzz_finding(const char *format, ...) EJ_PRINTF(1, 2);
/* True: it went well. A refusal must have a reason and a text; E_INTERNAL is a finding. */
bool fuzz_ok(int status, const einjit_error *err, const char *what);

/* A file that holds these bytes, until fuzz_file_close; path is of the form that open() takes. */
typedef struct fuzz_file {
    int fd;
    char path[64];
} fuzz_file;
bool fuzz_file_open(fuzz_file *out, const void *bytes, size_t size);
void fuzz_file_close(fuzz_file *file);

/* fuzz_graph.c: everything that can be done to a graph: text and back, gradients, passes, shapes, runs. */
void fuzz_graph(einjit_context *context, const einjit_graph *graph, fuzz_bytes *choices);
/* fuzz_run.c: the graph on tensors that the choices make, as written and optimized, against the oracle. */
void fuzz_run(einjit_context *context, const einjit_graph *graph, fuzz_bytes *choices);
/* Another graph with the same nodes; NULL: out of memory. */
einjit_graph *fuzz_copy(einjit_context *context, const einjit_graph *graph);

#endif
