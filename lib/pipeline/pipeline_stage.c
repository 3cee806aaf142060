/* pipeline_stage.c - between the stages of a compile: verification, dumps, times.
 */
#include "pipeline_stage.h"

#include "base_time.h"
#include "choose.h"
#include "nest_cost.h"
#include "plan_links.h"

bool ej_stage_is_dumped(const ej_pipeline *p, int stage)
{
    return p->job.dump >> stage & 1;
}

static int verify_stage(ej_pipeline *p, int stage)
{
    einjit_error *err = p->job.err;
    switch (stage) {
    case EJ_STAGE_GRAPH:
    case EJ_STAGE_OPT: return ej_graph_verify(&p->graph, err);
    case EJ_STAGE_BIND: return ej_bound_verify(&p->bound, &p->job);
    case EJ_STAGE_PATH: return ej_bound_verify(&p->chosen, &p->job);
    case EJ_STAGE_PLAN: return ej_plan_verify(&p->plan, &p->job);
    case EJ_STAGE_NEST:
        for (int32_t i = 0; i < p->nests.n; i++) EJ_TRY(ej_nest_check(&p->nests.nests[i], p->job.target, err));
        return EINJIT_OK;
    default: return EINJIT_OK;
    }
}

static void print_times(ej_pipeline *p)
{
    char us[EJ_REAL_TEXT];
    for (int stage = 0; stage < EJ_STAGE_COUNT; stage++)
        if (p->stage_ns[stage])
            ej_print(&p->text, "%s: %s us\n", ej_stage_name(stage),
                     ej_real_text(us, 'f', 1, (double)p->stage_ns[stage] * 1e-3));
    ej_print(&p->text, "all: %s us\n", ej_real_text(us, 'f', 1, (double)p->compile_ns * 1e-3));
}

static void print_schedule(ej_text *text, const ej_nest *nest)
{
    ej_print(text, "# recipe %s of %s\n", nest->recipe ? nest->recipe : "-", nest->name ? nest->name : "-");
    if (nest->schedule) ej_print(text, "%s", nest->schedule);
}

static int print_costs(ej_pipeline *p)
{
    for (int32_t i = 0; i < p->nests.n; i++) {
        ej_nest_cost cost;
        if (ej_nest_cost_of(&cost, &p->nests.nests[i], p->job.target, p->job.arena)) return ej_no_memory(p->job.err);
        ej_nest_cost_print(&p->text, &p->nests.nests[i], &cost);
    }
    return EINJIT_OK;
}

static int print_stage(ej_pipeline *p, int stage)
{
    switch (stage) {
    case EJ_STAGE_GRAPH:
    case EJ_STAGE_OPT: ej_graph_print(&p->text, &p->graph); break;
    case EJ_STAGE_PASSES: ej_report_print_programs(&p->text, &p->report); break;
    case EJ_STAGE_STATS: ej_report_print(&p->text, &p->report, false); break;
    case EJ_STAGE_BIND: ej_bound_print(&p->text, &p->bound); break;
    case EJ_STAGE_PATH: return ej_choose_print(&p->text, &p->chosen, &p->graph, &p->job);
    case EJ_STAGE_PLAN: ej_plan_print(&p->text, &p->plan); break;
    case EJ_STAGE_SCHEDULE:
        for (int32_t i = 0; i < p->nests.n; i++) print_schedule(&p->text, &p->nests.nests[i]);
        break;
    case EJ_STAGE_NEST:
        for (int32_t i = 0; i < p->nests.n; i++) ej_nest_print(&p->text, &p->nests.nests[i], p->nests.sizes);
        break;
    case EJ_STAGE_COST: return print_costs(p);
    case EJ_STAGE_STEPS: ej_nests_print_steps(&p->text, &p->nests, p->job.target); break;
    case EJ_STAGE_DOT: ej_plan_print_dot(&p->text, &p->plan); break;
    case EJ_STAGE_KEY: ej_key_print(&p->text, p->context, &p->request); break;
    case EJ_STAGE_TIME: print_times(p); break;
    default: break; /* ir, asm: the backend has printed them */
    }
    return EINJIT_OK;
}

/* Hand over what the stage printed and start anew. */
static void write_dump(ej_pipeline *p, int stage)
{
    if (!p->explained) {
        ej_dump_write(p->context, p->name, stage, &p->text);
    } else if (stage == p->last) {
        ej_print_bytes(p->explained, p->text.data, p->text.length);
        p->explained->failed |= p->text.failed;
    }
    p->text.length = 0;
}

int ej_stage_dump(ej_pipeline *p, int stage)
{
    if (!ej_stage_is_dumped(p, stage)) return EINJIT_OK;
    EJ_TRY(print_stage(p, stage));
    write_dump(p, stage);
    return EINJIT_OK;
}

/* In a folder each program is a file. */
int ej_stage_dump_passes(ej_pipeline *p)
{
    if (p->explained || !p->context->dump_dir) return ej_stage_dump(p, EJ_STAGE_PASSES);
    for (size_t part = 0; ej_stage_is_dumped(p, EJ_STAGE_PASSES) && part <= p->report.n_passes; part++) {
        ej_report_print_part(&p->text, &p->report, part);
        if (p->text.length)
            ej_dump_pass(p->context, p->name, part, part ? p->report.passes[part - 1].shown.pass : "before", &p->text);
        p->text.length = 0;
    }
    return EINJIT_OK;
}

int ej_stage_done(ej_pipeline *p, int stage)
{
    EJ_TRY(ej_job_poll(&p->job, stage, 1));
    uint64_t now = ej_now_ns();
    p->stage_ns[stage] += now - p->started_ns;
    if (p->job.verify) EJ_TRY(verify_stage(p, stage));
    EJ_TRY(ej_stage_dump(p, stage));
    p->started_ns = ej_now_ns();
    return EINJIT_OK;
}
