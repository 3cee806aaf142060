/* pipeline.h - from a request to a kernel: found or compiled; and what a compile prints. */
#ifndef EJ_PIPELINE_H
#define EJ_PIPELINE_H

#include "kernel.h"
#include "key.h"

/* ---- pipeline_find.c: a request's kernel, from the cache or compiled; one bare reference ---- */
int ej_kernel_find(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err);
/* Counts, handles and tensors of a request; freezes the graph; reads constant inputs. */
int ej_request_check(einjit_context *context, ej_request *request, einjit_error *err);

/* ---- pipeline_constants.c: inputs declared constant ---- */
/* E_NAME: there is no such input; E_INVALID: it has no data. */
int ej_request_constants(ej_request *request, const einjit_allocator *allocator, einjit_error *err);
/* Constants in the place of those inputs, in a copy of the request's graph; *data: per input its constant's
 * elements. */
int ej_constants_insert(const void ***data, ej_graph *graph, const ej_request *request, ej_job *job);
/* After the passes: large ones that are still there are inputs again. */
int ej_constants_withdraw(ej_graph *graph, const ej_request *request, const void **data, ej_job *job);
/* No output of the kernel may be one of these inputs: the next run would find other numbers there. */
int ej_constants_keep(einjit_kernel *kernel, const ej_request *request, einjit_error *err);

/* ---- compile.c: THE pipeline. Not cached; *out has one bare reference. ---- */
/* For a job: the context's hook. NULL: it has none, or no memory, which the job meets next. (compile.c) */
ej_progress *ej_progress_new(const einjit_context *context, ej_arena *arena);
int ej_compile(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err);
/* With the recipes of a trial (recipe.h). `quiet`: without dumps and log. */
struct ej_trial;
int ej_compile_trial(einjit_kernel **out, einjit_context *context, const ej_request *request, struct ej_trial *trial,
                     bool quiet, einjit_error *err);
/* The text of one stage, appended to *out; stops after that stage. */
int ej_compile_explain(ej_text *out, einjit_context *context, const ej_request *request, int stage, einjit_error *err);
/* Stops after the nests. */
int ej_compile_cost(einjit_cost *out, einjit_context *context, const ej_request *request, einjit_error *err);

/* ---- pipeline_measure.c: several kernels for one request, of which the fastest is kept ---- */
int ej_compile_measured(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err);

/* ---- pipeline_scale.c: alpha * result + beta * what the output held ---- */
/* Writes that into a copy of the program. With beta 0 that is all; else what the outputs hold become the last inputs of
 * the graph, and *in, of the job's arena, the tensors of all inputs. */
int ej_scale_results(ej_graph *graph, const ej_request *request, const einjit_tensor **in, ej_job *job);

/* ---- pipeline_evaluate.c: constants at compile time ---- */
extern const ej_evaluator ej_interpreting_evaluator;

/* ---- pipeline_dump.c: where dumps go ---- */
/* One stage's text to the log, a line each, or to EINJIT_DUMP_DIR/<kernel>/NN-stage.*; trouble with a file is logged.
 * `text` is used up. */
void ej_dump_write(einjit_context *context, const char *kernel, int stage, ej_text *text);
/* The program after pass number `n` of the run, to its own file between those of the graph and of opt. */
void ej_dump_pass(einjit_context *context, const char *kernel, size_t n, const char *pass, ej_text *text);

#endif
