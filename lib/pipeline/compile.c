/* compile.c - THE pipeline: graph, opt, bind, path and plan, nest, code. Read build() first.
 *
 * Takes  a frozen graph, tensors whose shapes and strides count, compile options.
 * Gives  a kernel, not cached; or, stopping earlier, the text of a stage or the plan's cost.
 * Keeps  for llvm nothing of the job: the kernel is code and a description. For the interpreter the job's memory is
 *        the kernel's.
 * Not here: what stages do. Verification, dumps and times happen between the lines, in ej_stage_done().
 */
#include <stdio.h>
#include <string.h>

#include "base_time.h"
#include "cache.h"
#include "choose.h"
#include "pipeline_slice.h"

/* ---- the pipeline ---- */

/* The interpreter needs no code. */
static int generate(ej_pipeline *p)
{
    ej_text assembly;
    if (p->interpret) return EINJIT_OK;
    ej_text_init(&assembly, p->job.arena);
    p->job.asm_text = &assembly;
    EJ_TRY(ej_backend_generate(p->context, &p->code, &p->nests, &p->job));
    EJ_TRY(ej_stage_dump(p, EJ_STAGE_IR));
    p->text = assembly;
    return ej_stage_done(p, EJ_STAGE_ASM);
}

static bool optimizes(const ej_pipeline *p)
{
    return !(p->request.flags & EINJIT_OPTION_NO_OPTIMIZE);
}

/* An input of which the program leaves the rank open has the observed one; its extents stay open. */
static int note_rank(ej_pipeline *p, ej_graph *graph, ej_node *input, int32_t rank)
{
    if (input->rank >= 0) return EINJIT_OK;
    ej_extent *extents = EJ_NEW_ARRAY(&graph->arena, ej_extent, (size_t)rank);
    if (!extents) return ej_no_memory(p->job.err);
    for (int32_t i = 0; i < rank; i++) extents[i].n = EJ_EXTENT_UNKNOWN;
    input->rank = rank;
    input->n_extents = (uint32_t)rank;
    input->extents = extents;
    return EINJIT_OK;
}

static int note_inputs(ej_pipeline *p, ej_graph *graph)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        ej_node *input = &graph->nodes[graph->inputs[i]];
        input->dtype = (int16_t)p->request.in[i].dtype;
        EJ_TRY(note_rank(p, graph, input, p->request.in[i].rank));
    }
    return ej_bind_settle(graph, p->request.in, &p->job);
}

static int count_written(ej_pipeline *p, const ej_bound *bound)
{
    EJ_TRY(ej_cost_graph(&p->written, bound, &p->job));
    return ej_cost_touched(&p->touched_bytes, bound, &p->job);
}

/* The graph as written is bound first, so that errors speak of the operands that the user wrote; passes then know the
 * observed dtypes and ranks, and which extents of one name are one extent. */
static int observe(ej_pipeline *p)
{
    const ej_request *r = &p->request;
    ej_bound as_written;
    if (!optimizes(p)) return EINJIT_OK;
    EJ_TRY(ej_bind(&as_written, &p->graph, r->n_in, r->in, r->n_out, r->out, r->open, &p->job));
    EJ_TRY(count_written(p, &as_written));
    return note_inputs(p, &p->graph);
}

static int run_passes(ej_pipeline *p, ej_graph *graph, const char *names)
{
    const void **constants;
    EJ_TRY(ej_constants_insert(&constants, graph, &p->request, &p->job));
    EJ_TRY(ej_opt_run(graph, names, &p->job));
    return ej_constants_withdraw(graph, &p->request, constants, &p->job);
}

/* Watched where a dump asks for it. */
static int optimize(ej_pipeline *p)
{
    const ej_request *r = &p->request;
    bool stats = ej_stage_is_dumped(p, EJ_STAGE_STATS), programs = ej_stage_is_dumped(p, EJ_STAGE_PASSES);
    EJ_TRY(observe(p));
    if (!stats && !programs) return optimizes(p) ? run_passes(p, &p->graph, NULL) : EINJIT_OK;
    EJ_TRY(ej_report_begin(&p->report, &p->graph, r->n_in, stats ? r->in : NULL, programs, p->job.arena, &p->job));
    if (optimizes(p)) EJ_TRY(run_passes(p, &p->graph, NULL));
    EJ_TRY(ej_report_end(&p->report, &p->graph, !optimizes(p), &p->job));
    EJ_TRY(ej_stage_dump_passes(p));
    p->started_ns = ej_now_ns() - p->report.total.shown.ns; /* counting and printing are not the stage's time */
    return EINJIT_OK;
}

/* ---- long einsums ---- */

/* Paths of so many operands are not searched exhaustively: the order of the program may be better than what is
 * found. */
static bool has_long_einsum(const ej_bound *bound)
{
    for (size_t v = 0; v < bound->n_nodes; v++)
        if (bound->nodes[v].op == EJ_OP_EINSUM && bound->nodes[v].n_in > EJ_PATH_EXACT) return true;
    return false;
}

static int copy_program(ej_pipeline *p, ej_graph *out)
{
    const ej_graph *program = p->program.nodes ? &p->program : &p->request.graph->graph;
    EJ_TRY(ej_graph_copy(out, program, p->job.allocator, p->job.err));
    /* nobody takes a gradient of what is compiled */
    int status = optimizes(p) ? ej_graph_drop_detached(out, p->job.arena, p->job.err) : EINJIT_OK;
    if (status != EINJIT_OK && out != &p->graph) ej_graph_free(out); /* that one is freed with the ej_pipeline */
    return status;
}

/* The program after the passes in front of "fuse", which einsums are still written in the order of the program. */
static int decide_unfused(ej_pipeline *p, ej_graph *graph, ej_bound *chosen)
{
    const ej_request *r = &p->request;
    ej_text names;
    ej_bound bound;
    ej_text_init(&names, p->job.arena);
    for (size_t i = 0; i < ej_n_passes && strcmp(ej_passes[i].name, "fuse"); i++)
        ej_print(&names, "%s,", ej_passes[i].name);
    if (names.failed) return ej_no_memory(p->job.err);
    EJ_TRY(note_inputs(p, graph));
    EJ_TRY(run_passes(p, graph, names.data));
    EJ_TRY(ej_bind(&bound, graph, r->n_in, r->in, r->n_out, r->out, r->open, &p->job));
    return ej_choose(chosen, &bound, false, &p->job);
}

/* No more operations than the program's own order has. */
static int keep_written_order(ej_pipeline *p)
{
    ej_graph graph;
    ej_bound chosen;
    ej_count fused, unfused;
    if (!optimizes(p) || !ej_paths_are_free(&p->job) || !has_long_einsum(&p->bound) || EJ_LEFT_OUT(WRITTEN_ORDER))
        return EINJIT_OK;
    EJ_TRY(copy_program(p, &graph));
    int status = decide_unfused(p, &graph, &chosen);
    if (status == EINJIT_OK) status = ej_cost_graph(&fused, &p->chosen, &p->job);
    if (status == EINJIT_OK) status = ej_cost_graph(&unfused, &chosen, &p->job);
    if (status == EINJIT_OK && unfused.operations < fused.operations) {
        ej_graph other = p->graph;
        p->graph = graph;
        graph = other;
        p->chosen = chosen;
    }
    ej_graph_free(&graph);
    return status;
}

/* What outputs hold is then the last inputs: the tensors are in the request from here on. */
static int scale_results(ej_pipeline *p)
{
    ej_request *r = &p->request;
    if (!ej_request_scales(r)) return EINJIT_OK;
    EJ_TRY(ej_graph_copy(&p->program, &r->graph->graph, p->job.allocator, p->job.err));
    EJ_TRY(ej_scale_results(&p->program, r, &r->in, &p->job));
    r->n_in = p->program.n_inputs;
    return EINJIT_OK;
}

static int build(ej_pipeline *p)
{
    const ej_request *r = &p->request;
    ej_job *job = &p->job;

    EJ_TRY(scale_results(p));
    EJ_TRY(copy_program(p, &p->graph));
    EJ_TRY(ej_stage_done(p, EJ_STAGE_GRAPH));
    if (p->last == EJ_STAGE_GRAPH) return EINJIT_OK;

    EJ_TRY(optimize(p));
    if (p->last == EJ_STAGE_PASSES) return EINJIT_OK;
    EJ_TRY(ej_stage_done(p, EJ_STAGE_OPT));
    EJ_TRY(ej_stage_dump(p, EJ_STAGE_STATS));
    if (p->last <= EJ_STAGE_STATS) return EINJIT_OK;

    EJ_TRY(ej_bind(&p->bound, &p->graph, r->n_in, r->in, r->n_out, r->out, r->open, job));
    EJ_TRY(ej_stage_done(p, EJ_STAGE_BIND));
    if (p->last == EJ_STAGE_BIND) return EINJIT_OK;

    if (!optimizes(p)) EJ_TRY(count_written(p, &p->bound));
    if (r->memory_limit) EJ_TRY(ej_slices_begin(p));
    if (ej_is_sliced(p)) return EINJIT_OK; /* it is made of other programs */
    EJ_TRY(ej_choose(&p->chosen, &p->bound, r->flags & EINJIT_OPTION_NO_OPTIMIZE, job)); /* searches paths */
    EJ_TRY(keep_written_order(p));
    EJ_TRY(ej_stage_done(p, EJ_STAGE_PATH));
    if (p->last == EJ_STAGE_PATH) return EINJIT_OK;

    p->chosen.n_held = r->n_in - r->graph->graph.n_inputs;
    EJ_TRY(ej_plan_build(&p->plan, &p->chosen, job));
    p->plan.naive_operations = p->written.operations; /* not of what the passes made of it */
    EJ_TRY(ej_stage_done(p, EJ_STAGE_PLAN));
    if (p->last == EJ_STAGE_PLAN) return EINJIT_OK;

    EJ_TRY(ej_nests_build(&p->nests, &p->plan, job));
    if (r->memory_limit) EJ_TRY(ej_slices_check(p));
    if (ej_is_sliced(p)) return EINJIT_OK;
    EJ_TRY(ej_stage_done(p, EJ_STAGE_SCHEDULE));
    if (p->last == EJ_STAGE_SCHEDULE) return EINJIT_OK;
    EJ_TRY(ej_stage_done(p, EJ_STAGE_NEST));
    EJ_TRY(ej_stage_done(p, EJ_STAGE_COST));
    EJ_TRY(ej_stage_done(p, EJ_STAGE_STEPS));
    EJ_TRY(ej_stage_done(p, EJ_STAGE_DOT));
    if (p->last <= EJ_STAGE_DOT) return EINJIT_OK;

    return generate(p);
}

/* ---- before and after ---- */

static int copy_tensors(ej_arena *arena, const einjit_tensor **tensors, size_t n, einjit_error *err)
{
    einjit_tensor *copy = EJ_NEW_ARRAY(arena, einjit_tensor, n);
    if (!copy) return ej_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        copy[i] = (*tensors)[i];
        if (ej_tensor_row_major(&copy[i])) copy[i].strides = NULL;
    }
    *tensors = copy;
    return EINJIT_OK;
}

/* As the key has it: row-major tensors have no strides, outputs that are all row-major are left to the shapes. */
static int normalize(ej_pipeline *p)
{
    ej_request *r = &p->request;
    bool plain = true;
    EJ_TRY(copy_tensors(p->job.arena, &r->in, r->n_in, p->job.err));
    EJ_TRY(copy_tensors(p->job.arena, &r->out, r->n_out, p->job.err));
    for (size_t i = 0; i < r->n_out; i++) plain &= !r->out[i].strides;
    if (plain) r->n_out = 0;
    return EINJIT_OK;
}

/* Strict compiles contract from left to right, and in no other way. */
static int choose_path(ej_pipeline *p)
{
    const char *asked = p->request.path;
    if (!p->job.strict) return EINJIT_OK;
    if (asked && strcmp(asked, "written"))
        return ej_fail(p->job.err, EINJIT_E_VALUE,
                       "strict mode contracts from left to right: not by path strategy '%.60s'", asked);
    if (!ej_is_let_through("pairs")) p->job.path_strategy = "written";
    return EINJIT_OK;
}

/* "forward_1a2b...": the function's name and a hash of the signature. */
static int name_kernel(ej_pipeline *p)
{
    ej_key_words key;
    const char *function = p->request.graph->graph.name;
    ej_key_init(&key, p->job.allocator);
    ej_key_request(&key, &p->request);
    if (p->request.open) ej_key_bytes(&key, p->request.open, strlen(p->request.open));
    ej_key_bytes(&key, p->job.target->name, strlen(p->job.target->name));
    uint64_t hash = ej_hash64(key.words, key.n * sizeof *key.words, 0);
    bool failed = key.failed;
    ej_key_free(&key);
    if (failed) return ej_no_memory(p->job.err);
    snprintf(p->name, sizeof p->name, "%.60s_%016llx", function ? function : "graph", (unsigned long long)hash);
    return EINJIT_OK;
}

ej_progress *ej_progress_new(const einjit_context *context, ej_arena *arena)
{
    ej_progress *progress = context->progress ? EJ_NEW(arena, ej_progress) : NULL;
    if (progress) *progress = (ej_progress){.hook = context->progress, .user = context->progress_user};
    return progress;
}

static ej_pipeline *new_pipeline(einjit_context *context, const ej_request *request, ej_trial *trial, ej_arena *arena,
                                 einjit_error *err)
{
    ej_pipeline *p = EJ_NEW(arena, ej_pipeline);
    if (!p) return NULL;
    p->context = context;
    p->request = *request;
    if (context->no_optimize) p->request.flags |= EINJIT_OPTION_NO_OPTIMIZE;
    if (context->strict) p->request.flags |= EINJIT_OPTION_STRICT;
    p->job = (ej_job){.arena = arena,
                      .err = err,
                      .allocator = &context->allocator,
                      .target = context->target,
                      .path_strategy = request->path,
                      .recipe = context->recipe,
                      .evaluator = &ej_interpreting_evaluator,
                      .dump_text = &p->text,
                      .dump = context->dump,
                      .progress = ej_progress_new(context, arena),
                      .rule_limit = ej_rule_limit_of(context)};
    p->job.strict = p->request.flags & EINJIT_OPTION_STRICT;
    p->job.shares = context->threads > 1;
    p->job.ordered = p->job.strict || (!optimizes(p) && !ej_job_random(&p->job));
    p->job.trial = trial;
    p->job.paths = trial ? trial->paths : NULL;
    p->job.verify = context->verify || (request->flags & EINJIT_OPTION_VERIFY);
    p->interpret = context->use_interp;
    p->last = EJ_STAGE_COUNT;
    ej_text_init(&p->text, arena);
    return p;
}

static int run_pipeline(ej_pipeline *p)
{
    uint64_t start = p->started_ns = ej_now_ns();
    EJ_TRY(choose_path(p));
    EJ_TRY(normalize(p));
    if (p->job.dump || p->context->verbose) EJ_TRY(name_kernel(p));
    EJ_TRY(ej_stage_done(p, EJ_STAGE_KEY));
    if (p->last == EJ_STAGE_KEY) return EINJIT_OK;
    int status = build(p);
    if (p->program.nodes) ej_graph_free(&p->program);
    EJ_TRY(status);
    p->compile_ns = ej_now_ns() - start;
    return ej_stage_done(p, EJ_STAGE_TIME);
}

/* What the kernel does not take over. */
static void end_pipeline(ej_pipeline *p)
{
    ej_slices_end(p->slices);
    ej_code_release(&p->code, p->job.allocator);
    ej_graph_free(&p->graph);
}

/* ---- three ways through it ---- */

static int fill_kernel(einjit_kernel *kernel, ej_pipeline *p, einjit_error *err)
{
    if (ej_is_sliced(p)) EJ_TRY(ej_slices_kernels(kernel, p));
    else EJ_TRY(ej_kernel_describe(kernel, &p->nests, err));
    EJ_TRY(ej_kernel_note_names(kernel, p->request.graph, p->request.n_in, p->request.in, err));
    kernel->compile_ns = p->compile_ns;
    if (ej_is_sliced(p)) return EINJIT_OK;
    if (p->interpret) {
        ej_kernel_keep_nests(kernel, &p->nests, &p->graph);
        return EINJIT_OK;
    }
    return ej_kernel_map(kernel, &p->code, err);
}

/* What the log and the cache on disk call it; it stays with the kernel. */
static const char *describe_problem(einjit_kernel *kernel, const ej_pipeline *p)
{
    ej_text text;
    ej_text_init(&text, &kernel->arena);
    ej_problem_print(&text, p->context, &p->request);
    return text.failed ? "" : text.data;
}

static void log_compile(const ej_pipeline *p, const einjit_kernel *kernel, int status)
{
    ej_context_log(p->context, "einjit: %s %s in %s ms: %s: %s", p->interpret ? "planned" : "compiled", p->name,
                   ej_real_text((char[EJ_REAL_TEXT]){0}, 'f', 3, (double)p->compile_ns * 1e-6),
                   einjit_status_name(status), kernel->problem);
}

/* How a kernel is made of a request. */
typedef struct way {
    bool interpret, quiet; /* quiet: without dumps and log */
    ej_trial *trial;       /* NULL: the rules choose the recipes */
} way;

static int compile_for(einjit_kernel **out, einjit_context *context, const ej_request *request, way how,
                       einjit_error *err)
{
    ej_arena arena;
    ej_arena_init(&arena, &context->allocator);
    einjit_kernel *kernel = ej_kernel_new(context);
    ej_arena *jobs = kernel && how.interpret ? &kernel->arena : &arena;
    ej_pipeline *p = kernel ? new_pipeline(context, request, how.trial, jobs, err) : NULL;
    bool logs = context->verbose && !how.quiet;
    if (p) p->interpret = how.interpret;
    if (p && how.quiet) p->job.dump = 0;
    if (p && (logs || context->perf || ej_disk_takes(context, request))) kernel->problem = describe_problem(kernel, p);
    int status = p ? run_pipeline(p) : ej_no_memory(err);
    if (status == EINJIT_OK) status = fill_kernel(kernel, p, err);
    if (status == EINJIT_OK) status = ej_constants_keep(kernel, request, err);
    if (status == EINJIT_OK && !how.quiet) ej_perf_note(kernel);
    if (p && logs) log_compile(p, kernel, status);
    bool kept = status == EINJIT_OK && kernel->graph;
    if (p && !kept) end_pipeline(p);
    if (status == EINJIT_OK) *out = kernel;
    else ej_kernel_drop(kernel);
    ej_arena_free(&arena);
    return status;
}

int ej_compile_trial(einjit_kernel **out, einjit_context *context, const ej_request *request, ej_trial *trial,
                     bool quiet, einjit_error *err)
{
    return compile_for(out, context, request, (way){.quiet = quiet, .trial = trial}, err);
}

/* Tries take a twentieth of the time at most: a process that was killed or a moment without memory do not leave a
 * program interpreted for good, and what fails each time costs little. */
static uint64_t next_try(uint64_t failed_ns)
{
    enum { LEAST_NS = 1000000000, PART = 20 };
    return ej_now_ns() + (failed_ns > LEAST_NS / PART ? failed_ns * PART : LEAST_NS);
}

int ej_compile(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err)
{
    bool measures =
        !context->recipe && !request->memory_limit && (context->measure || (request->flags & EINJIT_OPTION_MEASURE));
    if (context->use_interp) return compile_for(out, context, request, (way){.interpret = true}, err);
    if (!ej_target_runs_here(context->target))
        return ej_fail(err, EINJIT_E_UNSUPPORTED, "this CPU cannot run code for the target '%s'",
                       context->target->name);
    einjit_error reason = {0};
    uint64_t start = ej_now_ns();
    int status = measures ? ej_compile_measured(out, context, request, &reason)
                          : compile_for(out, context, request, (way){.interpret = false}, &reason);
    if (status == EINJIT_E_BACKEND && context->may_interpret) {
        if (!atomic_exchange(&context->interpret_warned, true))
            ej_context_log(context, "einjit: interpreted, which is slow: %s", reason.text);
        uint64_t spent = ej_now_ns() - start;
        EJ_TRY(compile_for(out, context, request, (way){.interpret = true}, err));
        (*out)->retry_ns = next_try(spent);
        return EINJIT_OK;
    }
    if (status && err) *err = reason;
    return status;
}

int ej_compile_explain(ej_text *out, einjit_context *context, const ej_request *request, int stage, einjit_error *err)
{
    if (context->use_interp && (stage == EJ_STAGE_IR || stage == EJ_STAGE_ASM))
        return ej_fail(err, EINJIT_E_UNSUPPORTED, "the interpreter makes no %s: use the backend 'llvm'",
                       ej_stage_name(stage));
    ej_arena arena;
    ej_arena_init(&arena, &context->allocator);
    ej_pipeline *p = new_pipeline(context, request, NULL, &arena, err);
    int status = EINJIT_E_NOMEM;
    if (p) {
        p->last = stage;
        /* what scratch the plan takes, which the nests decide, may call for slices */
        if (request->memory_limit && (stage == EJ_STAGE_PATH || stage == EJ_STAGE_PLAN)) p->last = EJ_STAGE_SCHEDULE;
        p->explained = out;
        p->job.dump = UINT32_C(1) << stage;
        status = run_pipeline(p);
        if (status == EINJIT_OK && ej_is_sliced(p) && stage != EJ_STAGE_TIME) status = ej_slices_explain(out, p, stage);
        end_pipeline(p);
    } else {
        ej_no_memory(err);
    }
    ej_arena_free(&arena);
    return status;
}

static uint64_t whole_bytes(double bytes)
{
    return bytes < 1.8e19 ? (uint64_t)bytes : UINT64_MAX;
}

static void read_cost(einjit_cost *out, const ej_pipeline *p)
{
    *out = (einjit_cost){.slices = 1,
                         .slice_overhead = 1,
                         .naive_operations = p->plan.naive_operations,
                         .planned_operations = p->plan.planned_operations,
                         .log10_mults = p->plan.log10_mults,
                         .log2_largest = p->plan.log2_largest,
                         .scratch_bytes = (uint64_t)p->nests.scratch_bytes.n,
                         .steps = p->plan.n_steps,
                         .bytes_moved = whole_bytes(p->plan.bytes_moved),
                         .naive_bytes = whole_bytes(p->written.bytes),
                         .touched_bytes = whole_bytes(p->touched_bytes)};
    if (!ej_is_sliced(p)) return;
    out->naive_operations = p->written.operations;
    ej_slices_cost(out, p->slices);
}

int ej_compile_cost(einjit_cost *out, einjit_context *context, const ej_request *request, einjit_error *err)
{
    ej_arena arena;
    ej_arena_init(&arena, &context->allocator);
    ej_pipeline *p = new_pipeline(context, request, NULL, &arena, err);
    int status = p ? EINJIT_OK : ej_no_memory(err);
    if (p) {
        p->last = EJ_STAGE_NEST;
        p->job.dump = 0;
        status = run_pipeline(p);
        if (status == EINJIT_OK) read_cost(out, p);
        end_pipeline(p);
    }
    ej_arena_free(&arena);
    return status;
}
