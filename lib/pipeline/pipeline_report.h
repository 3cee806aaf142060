/* pipeline_report.h - what each pass of one run did: a watch of ej_opt_run, its numbers, and how they print. */
#ifndef EJ_PIPELINE_REPORT_H
#define EJ_PIPELINE_REPORT_H

#include "cost.h"
#include "opt.h"
#include "plan.h"

typedef struct ej_report_pass {
    einjit_pass_report shown;
    const struct ej_rule_fired {
        const char *name;
        uint64_t fired;
    } *rules; /* shown.n_rules */
} ej_report_pass;
typedef struct ej_report {
    ej_opt_watch watch; /* first: job->watch points at it */
    ej_arena *arena;    /* entries and texts */
    size_t n_in;
    const einjit_tensor *in; /* read during the run only */
    bool counted;            /* there are sizes; else operations and bytes are -1 */
    bool programs;           /* keep the text of the program after every pass that changed it */
    size_t n_passes, cap_passes;
    ej_report_pass *passes;
    ej_report_pass total; /* `program` is the one before the first pass */
    ej_count passed;      /* after the passes, before anything is decided by sizes */
    const char **rules;   /* names, in lower case */
    uint32_t *hits;       /* per rule: of the pass that runs */
    uint64_t *all_hits;   /* per rule */
    uint64_t started_ns;
} ej_report;

/* Counts the graph as it is and asks to be called by ej_opt_run(graph, ..., job). `in` NULL: no sizes. */
int ej_report_begin(ej_report *report, const ej_graph *graph, size_t n_in, const einjit_tensor *in, bool programs,
                    ej_arena *arena, ej_job *job);
/* After the run: the total, which includes what is decided by sizes (unless as_written). */
int ej_report_end(ej_report *report, const ej_graph *graph, bool as_written, ej_job *job);
/* A line for each pass that changed something, one for what sizes decide where that saves something, one for all of
 * it. */
void ej_report_print(ej_text *text, const ej_report *report, bool times);
/* The program before the first pass that changed it, and after each, under headings that are comments. part 0 is the
 * first, part 1 .. n_passes the pass's (nothing where it changed nothing). */
void ej_report_print_part(ej_text *text, const ej_report *report, size_t part);
void ej_report_print_programs(ej_text *text, const ej_report *report);

#endif
