/* opt_const.c - constants at compile time: what follows from constants and literals alone is a constant.
 *
 * Takes  any graph; a job with an evaluator (without one nothing changes).
 * Gives  the same function. Of every part of the graph that depends on nothing but constants only its results are left,
 *        as constants of the dtype that bind would give them. Constant operands of einsums that have others too are
 *        contracted in advance where that is sure to pay (opt_const_einsum.c).
 * Keeps  what would take more than EJ_CONST_WORK, or more than EJ_CONST_GROWTH bytes over the constants that are there;
 *        expands, which cost nothing where they are read; what depends on an extent that has a name; and everything
 *        where the program is wrong, so that bind can say what is.
 * Size   one look at every node; what is computed is computed together, once.
 */
#include <string.h>

#include "opt_const.h"

typedef struct folding {
    ej_graph *graph;
    ej_job *job;
    ej_const_budget *budget;
    ej_edit edit;
    ej_const_subgraph mini;
    bool *known;       /* per value: follows from constants, and is none itself */
    bool *wanted;      /* per value: somebody needs it who is not computed here */
    bool *structural;  /* per value: its zeros are zeros of structural constants */
    ej_measure *sizes; /* per value of mini */
    size_t n_results;
    ej_value *results; /* values of the graph, in the order of mini's results */
} folding;

/* ---- what could be computed ---- */

static bool has_names(const ej_node *node)
{
    for (uint32_t i = 0; i < node->n_extents; i++)
        if (node->extents[i].n_symbols > 0) return true;
    return false;
}

static bool follows(const folding *f, const ej_node *node)
{
    if (!node->n_in || ej_const_is_leaf(node) || has_names(node)) return false;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!f->known[node->in[i]] && !ej_const_is_leaf(&f->graph->nodes[node->in[i]])) return false;
    return true;
}

/* What only moves elements, or changes their sign, keeps the promise about zeros. */
static bool keeps_zeros(const folding *f, const ej_node *node)
{
    switch (node->op) {
    case EJ_OP_STRUCTURAL: return true;
    case EJ_OP_PERMUTE:
    case EJ_OP_TRANSPOSE:
    case EJ_OP_RESHAPE:
    case EJ_OP_UNSQUEEZE:
    case EJ_OP_SQUEEZE:
    case EJ_OP_SLICE: return f->structural[node->in[0]];
    case EJ_OP_MAP: return node->fn == EJ_FN_NEG && f->structural[node->in[0]];
    default: return false;
    }
}

/* False: nothing follows from constants. */
static bool find_known(folding *f)
{
    bool any = false;
    for (size_t v = 0; v < f->graph->n_nodes; v++) {
        const ej_node *node = &f->graph->nodes[v];
        any |= f->known[v] = follows(f, node);
        f->structural[v] = keeps_zeros(f, node);
    }
    return any;
}

/* Results of `mini`: known values that somebody else needs. */
static int add_results(folding *f)
{
    f->n_results = 0;
    f->mini.graph.n_outputs = 0;
    for (size_t v = 0; v < f->graph->n_nodes; v++) {
        if (!f->known[v] || !f->wanted[v]) continue;
        EJ_TRY(ej_graph_output(&f->mini.graph, f->mini.image[v], f->job->err));
        f->results[f->n_results++] = (ej_value)v;
    }
    return EINJIT_OK;
}

static void find_wanted(folding *f)
{
    for (size_t i = 0; i < f->graph->n_outputs; i++) f->wanted[f->graph->outputs[i]] = true;
    for (size_t v = 0; v < f->graph->n_nodes; v++)
        for (uint32_t i = 0; !f->known[v] && i < f->graph->nodes[v].n_in; i++)
            f->wanted[f->graph->nodes[v].in[i]] = true;
}

/* ---- what is worth it ---- */

/* From the constants on, as far as the work allows. */
static void spend_work(folding *f)
{
    for (size_t v = 0; v < f->graph->n_nodes; v++) {
        const ej_node *node = &f->graph->nodes[v];
        if (!f->known[v]) continue;
        const ej_measure *size = &f->sizes[f->mini.image[v]];
        for (uint32_t i = 0; i < node->n_in; i++)
            if (!f->known[node->in[i]] && !ej_const_is_leaf(&f->graph->nodes[node->in[i]])) f->known[v] = false;
        if (size->bytes < 0 || size->work > f->budget->work) f->known[v] = false;
        if (f->known[v]) f->budget->work -= size->work;
    }
}

/* From the results on: one that is too large is left to its user, and its operands become results. */
static void spend_bytes(folding *f)
{
    for (size_t v = f->graph->n_nodes; v-- > 0;) {
        const ej_node *node = &f->graph->nodes[v];
        if (f->known[v] && f->wanted[v]) {
            int64_t bytes = f->sizes[f->mini.image[v]].bytes;
            if (node->op == EJ_OP_EXPAND || bytes > f->budget->bytes) f->known[v] = false;
            else f->budget->bytes -= bytes;
        }
        for (uint32_t i = 0; !f->known[v] && i < node->n_in; i++) f->wanted[node->in[i]] = true;
    }
}

/* ---- the pass ---- */

/* Whatever was found wrong is bind's to say. */
static int unless_no_memory(int status)
{
    return status == EINJIT_E_NOMEM ? status : EINJIT_OK;
}

static int replace_results(folding *f, const ej_evaluated *results)
{
    for (size_t i = 0; i < f->n_results; i++) {
        ej_value v = f->results[i], made;
        size_t k = EJ_BROKEN(CONST_RESULTS) ? f->n_results - 1 - i : i;
        EJ_TRY(ej_const_put(&f->edit, &results[k], f->structural[v], &made));
        ej_edit_replace(&f->edit, v, made, EJ_RULE_CONST_RESULTS);
    }
    return EINJIT_OK;
}

static int fold(folding *f)
{
    for (size_t v = 0; v < f->graph->n_nodes; v++)
        if (f->known[v]) EJ_TRY(ej_const_subgraph_copy(&f->mini, (ej_value)v));
    find_wanted(f);
    EJ_TRY(add_results(f));
    f->sizes = EJ_JOB_ARRAY(f->job, ej_measure, f->mini.graph.n_nodes);
    if (!f->sizes) return ej_no_memory(f->job->err);
    int status = f->job->evaluator->measure(f->sizes, &f->mini.graph, f->job);
    if (status) return unless_no_memory(status);
    spend_work(f);
    spend_bytes(f);
    EJ_TRY(add_results(f));
    if (!f->n_results) return EINJIT_OK;
    ej_evaluated *results = EJ_JOB_ARRAY(f->job, ej_evaluated, f->n_results);
    if (!results) return ej_no_memory(f->job->err);
    status = f->job->evaluator->evaluate(results, &f->mini.graph, f->job);
    return status ? unless_no_memory(status) : replace_results(f, results);
}

static int fold_graph(ej_graph *graph, ej_job *job, ej_const_budget *budget, size_t *n_changed)
{
    folding f = {.graph = graph, .job = job, .budget = budget};
    f.known = EJ_JOB_ARRAY(job, bool, graph->n_nodes);
    f.wanted = EJ_JOB_ARRAY(job, bool, graph->n_nodes);
    f.structural = EJ_JOB_ARRAY(job, bool, graph->n_nodes);
    f.results = EJ_JOB_ARRAY(job, ej_value, graph->n_nodes);
    if (!f.known || !f.wanted || !f.structural || !f.results) return ej_no_memory(job->err);
    if (!find_known(&f)) return EINJIT_OK;
    EJ_TRY(ej_edit_begin(&f.edit, graph, job));
    EJ_TRY(ej_const_subgraph_open(&f.mini, graph, job));
    int status = fold(&f);
    ej_const_subgraph_close(&f.mini);
    return status ? status : ej_edit_commit(&f.edit, false, n_changed);
}

static ej_const_budget full_budget(const ej_graph *graph)
{
    ej_const_budget budget = {.work = EJ_CONST_WORK, .bytes = EJ_CONST_GROWTH};
    for (size_t v = 0; v < graph->n_nodes; v++) {
        const ej_node *node = &graph->nodes[v];
        if (node->op != EJ_OP_CONSTANT) continue;
        int64_t bytes = ej_const_elements(node) * ej_dtypes[node->dtype].bytes;
        if (!ej_add_size(budget.bytes, bytes, &budget.bytes)) budget.bytes = INT64_MAX;
    }
    return budget;
}

int ej_opt_const(ej_graph *graph, ej_job *job, size_t *n_changed)
{
    if (!job->evaluator) return EINJIT_OK;
    ej_const_budget budget = full_budget(graph);
    EJ_TRY(fold_graph(graph, job, &budget, n_changed));
    for (size_t now = 1; now;) { /* what was contracted may pay beside the next one */
        now = 0;
        EJ_TRY(ej_const_contract(graph, job, &budget, &now));
        *n_changed += now;
    }
    return EINJIT_OK;
}
