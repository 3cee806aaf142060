/* fuzz_run.c - a graph on tensors: shapes, costs, kernels, results against the oracle's.
 *
 * What is too large to be run is still compiled. Results are compared where values stay within a range in which no
 * order of evaluation over- or underflows; beyond it the contract on floating point leaves several answers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "judge.h"

enum { MOST_NODES = 300, MOST_SYMBOLS = 64 };

typedef struct tensors {
    bool fit; /* with data, to be run */
    int64_t shape[GEN_MAX_INPUTS][FUZZ_AXES];
    einjit_tensor views[GEN_MAX_INPUTS];
} tensors;

/* ---- inputs ---- */

static int64_t pick_extent(fuzz_bytes *choices)
{
    static const int64_t extents[FUZZ_EXTENT] = {2, 1, 3, 0, 5, 17};
    return extents[fuzz_below(choices, FUZZ_EXTENT)];
}

static bool describe_input(tensors *t, size_t i, const ej_node *node, const int64_t *symbols, fuzz_bytes *choices)
{
    static const int dtypes[] = {EINJIT_F32,  EINJIT_F64, EINJIT_I64,  EINJIT_C64, EINJIT_BOOL, EINJIT_I32,
                                 EINJIT_C128, EINJIT_F16, EINJIT_BF16, EINJIT_I8,  EINJIT_U8,   EINJIT_I16};
    int rank = node->rank < 0 ? (int)fuzz_below(choices, 4) : node->rank;
    if (rank > FUZZ_AXES) return false;
    int64_t n = 1;
    for (int a = 0; a < rank; a++) {
        const ej_extent *extent = node->n_extents ? &node->extents[a] : NULL;
        if (!extent || (!extent->n_symbols && extent->n < 0)) t->shape[i][a] = pick_extent(choices);
        else t->shape[i][a] = extent->n_symbols ? symbols[extent->symbols[0]] : extent->n;
        n = n > FUZZ_ELEMENTS || t->shape[i][a] > FUZZ_ELEMENTS ? FUZZ_ELEMENTS + 1 : n * t->shape[i][a];
    }
    t->fit &= n <= FUZZ_ELEMENTS;
    int dtype = node->dtype < 0 ? dtypes[fuzz_below(choices, sizeof dtypes / sizeof *dtypes)] : node->dtype;
    t->views[i] = (einjit_tensor){.dtype = dtype, .rank = rank, .shape = t->shape[i]};
    return true;
}

static bool describe_inputs(tensors *t, const ej_graph *graph, fuzz_bytes *choices)
{
    int64_t symbols[MOST_SYMBOLS];
    if (graph->n_inputs > GEN_MAX_INPUTS || graph->n_symbols > MOST_SYMBOLS) return false;
    t->fit = true;
    for (size_t s = 0; s < graph->n_symbols; s++) symbols[s] = pick_extent(choices);
    for (size_t i = 0; i < graph->n_inputs; i++)
        if (!describe_input(t, i, &graph->nodes[graph->inputs[i]], symbols, choices)) return false;
    return true;
}

/* Memory and values; index inputs stay below what the kernel says. */
static bool fill_inputs(gen_program *p, const tensors *t, const einjit_kernel *kernel, fuzz_bytes *choices)
{
    gen_random r = {fuzz_below(choices, 256)};
    for (; p->n_in < p->graph.n_inputs; p->n_in++) {
        size_t i = p->n_in;
        const einjit_tensor *view = &t->views[i];
        int64_t limit = einjit_kernel_index_limit(kernel, i, NULL);
        int kind = (int)fuzz_below(choices, GEN_STRIDE_KINDS);
        if (view->rank > ORACLE_RANK || !gen_tensor_make(&p->in[i], &r, view->dtype, view->rank, view->shape, kind))
            return false;
        if (limit > 0) gen_tensor_set_index(&p->in[i], &r, limit);
        else gen_tensor_fill(&p->in[i], &r, fuzz_below(choices, 4) == 1);
    }
    return true;
}

/* ---- what it should come to ---- */

/* How far the value reaches from 1, in powers of two; INFINITY where a number is none, or a bound is open. */
static double reach_of(const oracle_value *v)
{
    double reach = 0;
    for (int64_t i = 0; i < v->n; i++) {
        const oracle_element *e = &v->e[i];
        double size = (double)hypotl(e->re, e->im);
        if (!isfinite(size) || !isfinite((double)e->mass)) return INFINITY;
        if (size > 0) reach = fmax(reach, fabs(log2(size)));
        if (e->mass > 1) reach = fmax(reach, log2((double)e->mass));
    }
    return reach;
}

/* False: no meaning, or too much work. *tame: any order of evaluation stays in the range of f32. */
static bool evaluate(gen_program *p, bool *tame)
{
    double reach = 0;
    einjit_tensor views[GEN_MAX_INPUTS];
    gen_program_views(p, views);
    if (!oracle_run(&p->oracle, &p->graph, views, FUZZ_WORK)) return false;
    for (size_t v = 0; v < p->graph.n_nodes; v++) reach += reach_of(&p->oracle.all[v]);
    *tame = reach < 100;
    return true;
}

/* ---- what it comes to ---- */

static void run_ways(einjit_context *context, const gen_program *p, bool tame, unsigned seed)
{
    char path[24], why[600];
    snprintf(path, sizeof path, "random:%u", seed + 1);
    const judge_way ways[] = {
        {.name = "as written", .context = context, .passes = ""},
        {.name = "optimized", .context = context, .in_compile = true},
        {.name = "optimized, any path", .context = context, .in_compile = true, .path = path},
    };
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        judge_verdict verdict = judge_verdict_of(p, &p->graph, p->oracle.values, &ways[w], seed, NULL, why, sizeof why);
        if (verdict == JUDGE_AGREES || (verdict == JUDGE_REFUSED && !strncmp(why, "E_NOMEM", 7))) continue;
        if (verdict == JUDGE_WRONG && !tame && !strstr(why, "outside")) continue;
        fuzz_finding("%s: %s", ways[w].name, why);
    }
}

static void run_filled(einjit_context *context, const einjit_graph *graph, const tensors *t,
                       const einjit_kernel *kernel, fuzz_bytes *choices)
{
    gen_program p;
    einjit_error err = {0};
    bool tame;
    memset(&p, 0, sizeof p);
    if (!fuzz_ok(ej_graph_copy(&p.graph, &graph->graph, &ej_malloc_allocator, &err), &err, "a copy")) return;
    ej_arena_init(&p.oracle.arena, &ej_malloc_allocator);
    if (fill_inputs(&p, t, kernel, choices) && evaluate(&p, &tame))
        run_ways(context, &p, tame, fuzz_below(choices, 256));
    gen_program_free(&p);
}

void fuzz_run(einjit_context *context, const einjit_graph *graph, fuzz_bytes *choices)
{
    tensors t;
    einjit_error err = {0};
    einjit_shapes *shapes = NULL;
    einjit_kernel *kernel = NULL;
    einjit_compile_options plain = {.struct_bytes = sizeof plain, .flags = EINJIT_OPTION_NO_OPTIMIZE};
    if (graph->graph.n_nodes > MOST_NODES || !describe_inputs(&t, &graph->graph, choices)) return;
    einjit_graph *copy = fuzz_copy(context, graph);
    size_t n_in = graph->graph.n_inputs;
    if (!copy || !fuzz_ok(einjit_shapes_infer(&shapes, copy, n_in, t.views, &err), &err, "shapes")) goto done;
    if (fuzz_ok(einjit_compile(&kernel, context, copy, n_in, t.views, 0, NULL, &plain, &err), &err,
                "compile as written") &&
        t.fit)
        run_filled(context, graph, &t, kernel, choices);
    else if (!t.fit) {
        einjit_cost cost = {.struct_bytes = sizeof cost};
        fuzz_ok(einjit_plan_cost(&cost, context, copy, n_in, t.views, NULL, &err), &err, "plan");
    }
done:
    einjit_kernel_release(kernel);
    einjit_shapes_destroy(shapes);
    einjit_graph_destroy(copy);
}
