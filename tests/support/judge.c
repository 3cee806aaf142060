/* judge.c - one program, one way of running it, one verdict. */
#include "judge.h"

#include "choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum { NO_INPUT = -1 };

typedef struct trial {
    einjit_graph *graph;
    einjit_kernel *kernel;
    gen_tensor *out;
    int *like; /* per output: an input of its dtype, shape and strides, NO_INPUT: none was looked for or there is
                    * none */
    size_t n_out;
    einjit_tensor *in_views, *out_views;
    einjit_error err;
} trial;

static bool prepare_graph(trial *t, const ej_graph *graph, const judge_way *way)
{
    if (way->through_text) {
        ej_arena arena;
        ej_text text;
        ej_arena_init(&arena, &ej_malloc_allocator);
        ej_text_init(&text, &arena);
        ej_graph_print(&text, graph);
        int status = einjit_graph_parse(&t->graph, way->context, text.data, text.length, &t->err);
        ej_arena_free(&arena);
        if (status) return false;
    } else {
        if (einjit_graph_create(&t->graph, way->context, &t->err)) return false;
        ej_graph_free(&t->graph->graph);
        if (ej_graph_copy(&t->graph->graph, graph, &ej_malloc_allocator, &t->err)) return false;
    }
    if (way->in_compile || (way->passes && !*way->passes)) return true;
    return !einjit_optimize(t->graph, way->passes, &t->err);
}

/* An input that could be the output, which is then made like it. */
static int input_like(const gen_program *p, const oracle_value *value, gen_random *r)
{
    int n = (int)p->n_in, first = n ? gen_below(r, n) : 0;
    for (int k = 0; k < n; k++) {
        int i = (first + k) % n;
        const gen_tensor *in = &p->in[i];
        bool alike = in->view.dtype == value->dtype && in->view.rank == value->rank && in->kind != GEN_ZERO;
        for (int a = 0; alike && a < value->rank; a++) alike = in->shape[a] == value->shape[a];
        if (alike) return i;
    }
    return NO_INPUT;
}

static bool prepare_outputs(trial *t, const gen_program *p, const oracle_value *values, size_t n, uint64_t seed,
                            gen_hits *hits)
{
    gen_random r = {seed ^ 0x5DEECE66Du};
    t->out = calloc(n ? n : 1, sizeof *t->out);
    t->like = calloc(n ? n : 1, sizeof *t->like);
    t->out_views = calloc(n ? n : 1, sizeof *t->out_views);
    if (!t->out || !t->out_views || !t->like) return false;
    for (size_t o = 0; o < n; o++) {
        int kind = gen_chance(&r, 50) ? GEN_ROW_MAJOR : gen_below(&r, GEN_STRIDE_KINDS);
        if (kind == GEN_ZERO) kind = GEN_ROW_MAJOR; /* outputs may not overlap themselves */
        t->like[o] = gen_chance(&r, 50) ? input_like(p, &values[o], &r) : NO_INPUT;
        if (t->like[o] >= 0) kind = p->in[t->like[o]].kind;
        if (t->like[o] >= 0 ? !gen_tensor_like(&t->out[o], &p->in[t->like[o]])
                            : !gen_tensor_make(&t->out[o], &r, values[o].dtype, values[o].rank, values[o].shape, kind))
            return false;
        t->out_views[o] = t->out[o].view;
        t->n_out = o + 1;
        if (hits) hits->output_strides[kind]++;
    }
    return true;
}

static bool run(trial *t, const gen_program *p, const judge_way *way)
{
    einjit_compile_options options = {
        .struct_bytes = sizeof options, .path = way->path, .flags = way->in_compile ? 0 : EINJIT_OPTION_NO_OPTIMIZE};
    t->in_views = calloc(p->n_in + 1, sizeof *t->in_views);
    if (!t->in_views) return false;
    gen_program_views(p, t->in_views);
    return !einjit_compile(&t->kernel, way->context, t->graph, p->n_in, t->in_views, t->n_out, t->out_views, &options,
                           &t->err) &&
           !einjit_run(t->kernel, p->n_in, t->in_views, t->n_out, t->out_views, &t->err);
}

static void finish(trial *t)
{
    einjit_kernel_release(t->kernel);
    einjit_graph_destroy(t->graph);
    for (size_t o = 0; o < t->n_out; o++) gen_tensor_free(&t->out[o]);
    free(t->out);
    free(t->like);
    free(t->out_views);
    free(t->in_views);
}

static judge_verdict compare(const trial *t, const oracle_value *values, const char *how, char *why, size_t n_why)
{
    for (size_t o = 0; o < t->n_out; o++) {
        char text[300];
        int64_t wrong = oracle_compare(&values[o], &t->out[o].view, NULL);
        if (wrong >= 0) {
            oracle_describe(&values[o], &t->out[o].view, wrong, text, sizeof text);
            snprintf(why, n_why, "result %zu%s, %s", o, how, text);
            return JUDGE_WRONG;
        }
        if (gen_tensor_intact(&t->out[o])) continue;
        snprintf(why, n_why, "result %zu%s: wrote outside of its elements", o, how);
        return JUDGE_WRONG;
    }
    return JUDGE_AGREES;
}

/* Once more in way->same: every byte of the results is what it was. */
static judge_verdict run_the_same(trial *t, const gen_program *p, const ej_graph *graph, const oracle_value *values,
                                  const judge_way *way, uint64_t seed, gen_hits *hits, char *why, size_t n_why)
{
    judge_way other = *way;
    trial again = {0};
    judge_verdict verdict = JUDGE_AGREES;
    other.context = way->same;
    if (!prepare_graph(&again, graph, &other) || !prepare_outputs(&again, p, values, t->n_out, seed, NULL) ||
        !run(&again, p, &other)) {
        snprintf(why, n_why, "other threads: %s: %s", einjit_status_name(again.err.code), again.err.text);
        verdict = JUDGE_REFUSED;
    }
    for (size_t o = 0; verdict == JUDGE_AGREES && o < t->n_out; o++) {
        int64_t differs = gen_tensor_differs(&t->out[o], &again.out[o]);
        if (differs < 0) continue;
        snprintf(why, n_why, "result %zu: other threads give other bits at element %lld", o, (long long)differs);
        verdict = JUDGE_WRONG;
    }
    if (hits) hits->same_bits++;
    finish(&again);
    return verdict;
}

/* Once more with an output that is one of the inputs: right, or refused. */
static judge_verdict run_in_place(trial *t, const gen_program *p, size_t o, const oracle_value *values, gen_hits *hits,
                                  char *why, size_t n_why)
{
    int i = t->like[o];
    char how[64];
    const void *data = t->in_views[i].data;
    gen_tensor_copy(&t->out[o], &p->in[i]);
    t->in_views[i].data = t->out_views[o].data;
    int status = einjit_run(t->kernel, p->n_in, t->in_views, t->n_out, t->out_views, &t->err);
    t->in_views[i].data = data;
    if (hits) *(status ? &hits->not_in_place : &hits->in_place) += 1;
    if (status == EINJIT_E_OVERLAP) return JUDGE_AGREES;
    snprintf(how, sizeof how, " (output %zu is input %d)", o, i);
    if (status == EINJIT_OK) return compare(t, values, how, why, n_why);
    snprintf(why, n_why, "%s: %s", einjit_status_name(status), t->err.text);
    return JUDGE_WRONG;
}

/* alpha * value + beta * what the output holds now, which is numbers of its own. */
static oracle_value *scaled_values(trial *t, const oracle_value *values, double alpha, double beta, gen_random *r)
{
    oracle_value *wanted = calloc(t->n_out, sizeof *wanted);
    for (size_t o = 0; wanted && o < t->n_out; o++) {
        int dtype = values[o].dtype;
        gen_tensor_fill(&t->out[o], r, false);
        wanted[o] = values[o];
        wanted[o].e = calloc((size_t)values[o].n + 1, sizeof *wanted[o].e);
        for (int64_t e = 0; wanted[o].e && e < values[o].n; e++) {
            const oracle_element was = oracle_read(&t->out_views[o], e);
            const oracle_element a = {.re = alpha, .i = (int64_t)alpha}, b = {.re = beta, .i = (int64_t)beta};
            oracle_element term = oracle_fn(EJ_FN_MUL, dtype, dtype, values[o].e[e], a, a);
            wanted[o].e[e] = oracle_fn(EJ_FN_ADD, dtype, dtype, term, oracle_fn(EJ_FN_MUL, dtype, dtype, was, b, b), b);
        }
    }
    return wanted;
}

/* The program once more, with results that are added to what the outputs hold. */
static judge_verdict run_scaled(trial *t, const gen_program *p, const judge_way *way, const oracle_value *values,
                                uint64_t seed, gen_hits *hits, char *why, size_t n_why)
{
    static const double factors[] = {1, 2, 3, -1, 0.5, -0.25}; /* first those of u8, then of integers */
    gen_random r = {seed ^ 0x2545F491u};
    int n = 6;
    for (size_t o = 0; o < t->n_out; o++) {
        if (values[o].dtype == EINJIT_BOOL) return JUDGE_AGREES; /* refused */
        if (ej_dtypes[values[o].dtype].kind == EJ_KIND_INT && n > 4) n = 4;
        if (values[o].dtype == EINJIT_U8) n = 3;
    }
    einjit_compile_options options = {.struct_bytes = sizeof options,
                                      .path = way->path,
                                      .alpha = factors[gen_below(&r, n)],
                                      .beta = factors[gen_below(&r, n)],
                                      .flags = way->in_compile ? 0 : EINJIT_OPTION_NO_OPTIMIZE};
    einjit_kernel_release(t->kernel);
    t->kernel = NULL;
    oracle_value *wanted = scaled_values(t, values, options.alpha, options.beta, &r);
    int status = einjit_compile(&t->kernel, way->context, t->graph, p->n_in, t->in_views, t->n_out, t->out_views,
                                &options, &t->err);
    if (!status) status = einjit_run(t->kernel, p->n_in, t->in_views, t->n_out, t->out_views, &t->err);
    judge_verdict verdict = JUDGE_WRONG;
    char how[64];
    snprintf(how, sizeof how, " (%g times it, and %g times what was there)", options.alpha, options.beta);
    if (status) snprintf(why, n_why, "%s:%s %s", einjit_status_name(status), how, t->err.text);
    else verdict = compare(t, wanted, how, why, n_why);
    for (size_t o = 0; wanted && o < t->n_out; o++) free(wanted[o].e);
    free(wanted);
    if (hits) hits->scaled++;
    return verdict;
}

judge_verdict judge_verdict_of(const gen_program *p, const ej_graph *graph, const oracle_value *values,
                               const judge_way *way, uint64_t seed, gen_hits *hits, char *why, size_t n_why)
{
    trial t = {0};
    bool ok = prepare_graph(&t, graph, way) && prepare_outputs(&t, p, values, graph->n_outputs, seed, hits) &&
              run(&t, p, way);
    judge_verdict verdict = ok ? compare(&t, values, "", why, n_why) : JUDGE_REFUSED;
    if (!ok) snprintf(why, n_why, "%s: %s", einjit_status_name(t.err.code), t.err.text);
    if (verdict == JUDGE_AGREES && way->same) verdict = run_the_same(&t, p, graph, values, way, seed, hits, why, n_why);
    for (size_t o = 0; verdict == JUDGE_AGREES && o < t.n_out; o++)
        if (t.like[o] >= 0) verdict = run_in_place(&t, p, o, values, hits, why, n_why);
    if (verdict == JUDGE_AGREES && seed % 3 == 0) verdict = run_scaled(&t, p, way, values, seed, hits, why, n_why);
    finish(&t);
    return verdict;
}

bool judge_graph(const gen_program *p, const ej_graph *graph, const oracle_value *values, const judge_way *way,
                 uint64_t seed, gen_hits *hits, char *why, size_t n_why)
{
    return judge_verdict_of(p, graph, values, way, seed, hits, why, n_why) == JUDGE_AGREES;
}

bool judge_prefix(ej_graph *out, const gen_program *p, ej_value v)
{
    einjit_error err;
    if (ej_graph_copy(out, &p->graph, &ej_malloc_allocator, &err)) return false;
    out->n_outputs = 1;
    out->outputs[0] = v;
    out->tuple_result = false;
    ej_value *same = calloc(out->n_nodes, sizeof *same);
    for (size_t i = 0; same && i < out->n_nodes; i++) same[i] = (ej_value)i;
    bool ok = same && !ej_graph_rewrite(out, same, false, &err);
    free(same);
    return ok;
}

static void print_inputs(const gen_program *p)
{
    for (size_t i = 0; i < p->n_in; i++) {
        const gen_tensor *t = &p->in[i];
        fprintf(stderr, "# input %zu: %s %s shape (", i, einjit_dtype_name(t->view.dtype), gen_stride_names[t->kind]);
        for (int a = 0; a < t->view.rank; a++) fprintf(stderr, "%lld, ", (long long)t->shape[a]);
        fprintf(stderr, ") strides (");
        for (int a = 0; a < t->view.rank; a++) fprintf(stderr, "%lld, ", (long long)t->strides[a]);
        fprintf(stderr, ")\n");
    }
}

void judge_print(FILE *to, const ej_graph *graph)
{
    ej_arena arena;
    ej_text text;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    ej_graph_print(&text, graph);
    fputs(text.data ? text.data : "", to);
    ej_arena_free(&arena);
}

static void print_failure(const gen_program *p, const ej_graph *graph, const judge_way *way, uint64_t seed,
                          const char *why)
{
    fprintf(stderr, "seed %llu, %s: %s\n", (unsigned long long)seed, way->name, why);
    judge_print(stderr, graph);
    print_inputs(p);
}

bool judge_program(const gen_program *p, const judge_way *way, uint64_t seed, gen_hits *hits)
{
    char why[600];
    if (judge_graph(p, &p->graph, p->oracle.values, way, seed, hits, why, sizeof why)) return true;
    for (ej_value v = 0; v < (ej_value)p->graph.n_nodes; v++) {
        char smaller_why[600];
        ej_graph smaller;
        if (p->all[v].dtype < 0 || p->graph.nodes[v].op == EJ_OP_INPUT || !judge_prefix(&smaller, p, v)) continue;
        bool fails = !judge_graph(p, &smaller, &p->all[v], way, seed, NULL, smaller_why, sizeof smaller_why);
        if (fails) print_failure(p, &smaller, way, seed, smaller_why);
        ej_graph_free(&smaller);
        if (fails) return false;
    }
    print_failure(p, &p->graph, way, seed, why);
    return false;
}

static void count_leaf(const ej_nest *nest, const ej_nest_node *node, judge_leaves *leaves)
{
    bool lane = false, along = false;
    for (int32_t d = 0; d < node->tile.n; d++) {
        if (node->tile.digits[d].place != EJ_LANE) continue;
        lane = true;
        bool stored = false;
        for (int32_t t = 0; t < node->dst.n_terms; t++) stored |= node->dst.terms[t].axis == node->tile.digits[d].axis;
        along |= !stored;
        leaves->masked += nest->axes[node->tile.digits[d].axis].extent.n % node->tile.digits[d].count != 0;
    }
    leaves->moves += node->reduce == EJ_REDUCE_NONE;
    leaves->contracts += node->reduce != EJ_REDUCE_NONE;
    leaves->lanes_across += lane && !along;
    leaves->lanes_along += along;
    leaves->scalar += !lane;
    for (int32_t s = -1; s < node->n_src; s++) {
        const ej_access *access = s < 0 ? &node->dst : &node->src[s];
        for (int32_t t = 0; t < access->n_terms; t++) leaves->tables += access->terms[t].table >= 0;
    }
}

static void count_step(const ej_step *step, judge_leaves *leaves)
{
    bool sums = false, gathers = false;
    for (int32_t a = 0; a < step->n_axes; a++) sums |= step->axes[a].run == EJ_RUN_REDUCED;
    for (int32_t s = 0; s < step->n_src; s++) gathers |= ej_access_has_table(&step->src[s]);
    leaves->tails += step->n_tail > 0;
    leaves->tails_first += step->tail_first;
    leaves->gathers += sums && gathers;
    leaves->scatters += sums && ej_access_has_table(&step->out);
}

/* A nest that is none: how it was made, what came of it. */
static void show_nest(const ej_nests *nests, const ej_nest *nest, ej_arena *arena)
{
    ej_text text;
    ej_text_init(&text, arena);
    ej_nest_print(&text, nest, nests->sizes);
    fprintf(stderr, "%s%s", nest->schedule ? nest->schedule : "", text.failed ? "" : text.data);
}

bool judge_count_leaves(const gen_program *p, const ej_target *target, const char *path, judge_leaves *leaves)
{
    ej_arena arena;
    einjit_error err = {0};
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena,
                  .err = &err,
                  .allocator = &ej_malloc_allocator,
                  .target = target,
                  .path_strategy = path,
                  .rewrite_hits = leaves->rewrites,
                  .dump = 1u << EJ_STAGE_SCHEDULE};
    einjit_tensor views[GEN_MAX_INPUTS];
    ej_bound bound, chosen;
    ej_plan plan;
    ej_nests nests;
    gen_program_views(p, views);
    bool ok = !ej_bind(&bound, &p->graph, p->n_in, views, 0, NULL, NULL, &job) && !ej_bound_verify(&bound, &job) &&
              !ej_choose(&chosen, &bound, false, &job) && !ej_plan_build(&plan, &chosen, &job) &&
              !ej_plan_verify(&plan, &job) && !ej_nests_build(&nests, &plan, &job);
    for (size_t n = 0; ok && n < plan.n_steps; n++) count_step(&plan.steps[n], leaves);
    for (int32_t n = 0; ok && n < nests.n; n++) {
        ok = !ej_nest_check(&nests.nests[n], target, &err);
        if (!ok) show_nest(&nests, &nests.nests[n], &arena);
        for (int32_t i = 0; i < nests.nests[n].n_nodes; i++)
            if (nests.nests[n].nodes[i].kind == EJ_NEST_LEAF)
                count_leaf(&nests.nests[n], &nests.nests[n].nodes[i], leaves);
    }
    if (!ok) fprintf(stderr, "%s: %s\n", einjit_status_name(err.code), err.text);
    ej_arena_free(&arena);
    return ok;
}

static void run_in_some_order(void *user, size_t n, void (*body)(void *task, size_t i), void *task)
{
    judge_host *host = user;
    size_t first = (size_t)(host->order % n), step = host->order / n % 2 ? 1 : n - 1;
    for (size_t i = 0; i < n; i++) body(task, (first + i * step) % n);
    host->order = host->order * 6364136223846793005u + 1442695040888963407u;
    host->phases++;
}

einjit_context *judge_shared_context(const char *backend, const ej_target *target, judge_host *host)
{
    einjit_parallel parallel = {sizeof parallel, run_in_some_order, host};
    einjit_options o = {.struct_bytes = sizeof o,
                        .backend = backend,
                        .flags = EINJIT_OPTION_VERIFY,
                        .cache_bytes = 16 << 20,
                        .threads = host ? JUDGE_THREADS : 1,
                        .parallel = host ? &parallel : NULL};
    einjit_context *context = NULL;
    einjit_error err;
    if (einjit_context_create(&context, &o, &err)) {
        fprintf(stderr, "%s: %s\n", einjit_status_name(err.code), err.text);
        exit(1);
    }
    if (target) context->target = target;
    return context;
}

einjit_context *judge_context(const char *backend, const ej_target *target)
{
    return judge_shared_context(backend, target, NULL);
}
