/* opt_states.c - from a program along every pass, up to three passes far.
 *
 * Most passes leave most graphs alone and many orders come to the same, so that the states are few where the orders are
 * hundreds: each pass runs once on each state, and what is to be checked of all orders is checked once a state.
 */
#include "opt_states.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

/* ---- hashing ---- */

typedef struct content {
    ej_text text;
} content;

static void put(content *c, const void *bytes, size_t n)
{
    if (n) ej_print_bytes(&c->text, bytes, n);
}

static void put_int(content *c, int64_t x)
{
    put(c, &x, sizeof x);
}

static void put_term(content *c, const ej_term *term)
{
    put_int(c, term->n);
    put(c, term->labels, term->n * sizeof *term->labels);
}

static void put_equation(content *c, const ej_equation *equation)
{
    put_int(c, equation->n_terms);
    for (uint32_t t = 0; t < equation->n_terms; t++) put_term(c, &equation->terms[t]);
    put_term(c, &equation->out);
}

static void put_data(content *c, const ej_node *node)
{
    int64_t n = ej_dtypes[node->dtype].bytes;
    for (uint32_t i = 0; i < node->n_extents; i++) n *= node->extents[i].n;
    put(c, node->data, (size_t)n);
}

static void put_node(content *c, const ej_node *node)
{
    const int64_t facts[] = {node->op,   node->fn,   node->combine,   node->keepdim, node->all_dims, node->dtype,
                             node->rank, node->n_in, node->n_extents, node->n_dims,  node->n_items,  node->integer};
    put(c, facts, sizeof facts);
    put(c, &node->re, sizeof node->re);
    put(c, &node->im, sizeof node->im);
    put(c, node->in, node->n_in * sizeof *node->in);
    put(c, node->dims, node->n_dims * sizeof *node->dims);
    for (uint32_t i = 0; i < node->n_extents; i++) {
        put_int(c, node->extents[i].n);
        put_int(c, node->extents[i].n_symbols);
        put(c, node->extents[i].symbols, (size_t)node->extents[i].n_symbols * sizeof *node->extents[i].symbols);
    }
    for (uint32_t i = 0; i < node->n_items; i++) {
        const int64_t item[] = {node->items[i].kind, node->items[i].start, node->items[i].stop, node->items[i].step};
        put(c, item, sizeof item);
    }
    if (node->equation) put_equation(c, node->equation);
    if (node->op == EJ_OP_CONSTANT && node->data) put_data(c, node);
}

bool opt_state_hash(const ej_graph *graph, ej_hash *out)
{
    ej_arena arena;
    content c;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&c.text, &arena);
    put_int(&c, (int64_t)graph->n_nodes);
    for (size_t v = 0; v < graph->n_nodes; v++) put_node(&c, &graph->nodes[v]);
    put(&c, graph->inputs, graph->n_inputs * sizeof *graph->inputs);
    put(&c, graph->outputs, graph->n_outputs * sizeof *graph->outputs);
    bool ok = !c.text.failed;
    if (ok) *out = ej_hash_bytes(c.text.data, c.text.length);
    ej_arena_free(&arena);
    return ok;
}

/* ---- states ---- */

bool opt_state_after(ej_graph *out, const ej_graph *from, const char *passes, einjit_error *err)
{
    ej_arena arena;
    *err = (einjit_error){0};
    if (ej_graph_copy(out, from, &ej_malloc_allocator, err)) return false;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena,
                  .err = err,
                  .allocator = &ej_malloc_allocator,
                  .target = ej_target_host(),
                  .evaluator = &ej_interpreting_evaluator,
                  .verify = true};
    int status = ej_opt_run(out, passes, &job);
    ej_arena_free(&arena);
    if (status) ej_graph_free(out);
    return !status;
}

static int find(const opt_states *s, ej_hash hash)
{
    for (int i = 0; i < s->n; i++)
        if (ej_hash_same(s->states[i].hash, hash)) return i;
    return -1;
}

/* Takes the graph over. -1: no room. */
static int add(opt_states *s, ej_graph *graph, int from, int pass)
{
    ej_hash hash;
    int at = opt_state_hash(graph, &hash) ? find(s, hash) : -1;
    if (at >= 0 || s->n == OPT_MAX_STATES) {
        s->cut |= at < 0;
        ej_graph_free(graph);
        return at;
    }
    opt_state *state = &s->states[s->n];
    *state = (opt_state){
        .graph = *graph, .hash = hash, .depth = from < 0 ? 0 : s->states[from].depth + 1, .from = from, .pass = pass};
    memset(state->next, -1, sizeof state->next);
    return s->n++;
}

bool opt_states_explore(opt_states *s, const ej_graph *program)
{
    ej_graph copy;
    *s = (opt_states){.failed_from = -1, .failed_pass = -1};
    s->states = calloc(OPT_MAX_STATES, sizeof *s->states);
    if (!s->states || ej_n_passes > OPT_MAX_PASSES) return false;
    if (ej_graph_copy(&copy, program, &ej_malloc_allocator, &s->err) || add(s, &copy, -1, -1) < 0) return false;
    for (int at = 0; at < s->n; at++) { /* nearest first: states are added behind */
        for (int pass = 0; pass < (int)ej_n_passes && s->states[at].depth < OPT_DEPTH; pass++) {
            ej_graph after;
            if (!opt_state_after(&after, &s->states[at].graph, ej_passes[pass].name, &s->err)) {
                s->failed_from = at;
                s->failed_pass = pass;
                return false;
            }
            s->states[at].next[pass] = add(s, &after, at, pass);
        }
    }
    return true;
}

void opt_states_free(opt_states *s)
{
    for (int i = 0; i < s->n; i++) ej_graph_free(&s->states[i].graph);
    free(s->states);
    s->states = NULL;
    s->n = 0;
}

void opt_states_way(const opt_states *s, int state, char *text, size_t n)
{
    int way[OPT_DEPTH + 1], length = 0;
    size_t at = 0;
    for (int i = state; i > 0 && length <= OPT_DEPTH; i = s->states[i].from) way[length++] = s->states[i].pass;
    *text = 0;
    while (length-- && at < n)
        at += (size_t)snprintf(text + at, n - at, "%s%s", at ? "," : "", ej_passes[way[length]].name);
}
