/* pipeline_stage.h - what one compile makes, and what happens after each of its stages. */
#ifndef EJ_PIPELINE_STAGE_H
#define EJ_PIPELINE_STAGE_H

#include "pipeline.h"
#include "pipeline_report.h"
#include "recipe.h"

/* Everything one compile makes, stage by stage; lies in the job's arena. */
typedef struct ej_pipeline {
    einjit_context *context;
    ej_request request; /* tensors normalized */
    ej_job job;
    ej_graph program; /* what is compiled, where results are scaled; else empty: the request's is */
    ej_graph graph;
    ej_bound bound, chosen; /* as the program says it; and as it will be planned */
    ej_plan plan;
    ej_nests nests;
    ej_code code;
    struct ej_slices *slices; /* NULL: no memory limit (pipeline_slice.h) */
    ej_count written;         /* what the program costs as written */
    double touched_bytes;
    ej_report report;   /* of the passes, where a dump asks for it */
    bool interpret;     /* nests are what runs: no code */
    int last;           /* stop after this stage */
    ej_text *explained; /* instead of dumps: the text of the stage `last` goes here */
    ej_text text;       /* of the stage that runs */
    char name[96];      /* of the kernel, for dumps */
    uint64_t started_ns, stage_ns[EJ_STAGE_COUNT], compile_ns;
} ej_pipeline;

bool ej_stage_is_dumped(const ej_pipeline *p, int stage);
int ej_stage_dump(ej_pipeline *p, int stage);
int ej_stage_dump_passes(ej_pipeline *p); /* the program after each pass */
/* Counts the stage's time, and checks and prints what it made where that is asked for. */
int ej_stage_done(ej_pipeline *p, int stage);

#endif
