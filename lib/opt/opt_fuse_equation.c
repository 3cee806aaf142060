/* opt_fuse_equation.c - the merged einsum as a node: dense ids in order of appearance, and letters.
 *
 * Takes  the operands and the output of the merged einsum.
 * Gives  the root's new operands and equation. Labels keep their letters; where two have the same one, the later gets the
 *        first letter that is free.
 */
#include <string.h>

#include "opt_fuse.h"

static int32_t renumbered(ej_fuse *f, int32_t label, int32_t *order, uint32_t *n)
{
    if (label == EJ_ELLIPSIS) return label;
    if (!f->seen[label]) {
        order[*n] = label;
        f->seen[label] = (int32_t)++*n;
    }
    return f->seen[label] - 1;
}

static void fill_term(ej_fuse *f, ej_term *term, const int32_t *labels, uint32_t n, int32_t *order, uint32_t *n_labels)
{
    for (uint32_t i = 0; i < n; i++) term->labels[i] = renumbered(f, labels[i], order, n_labels);
    term->n = n;
}

/* order[id]: the merger's label that got the id. */
static int build_terms(ej_fuse *f, ej_equation *equation, int32_t *order)
{
    ej_arena *arena = &f->graph->arena;
    size_t n = f->out.n;
    for (size_t i = 0; i < f->n_done; i++) n += f->done[i].n;
    int32_t *labels = EJ_NEW_ARRAY(arena, int32_t, n);
    equation->n_terms = (uint32_t)f->n_done;
    equation->terms = EJ_NEW_ARRAY(arena, ej_term, f->n_done);
    if (!labels || !equation->terms) return ej_no_memory(f->job->err);
    for (size_t i = 0; i < f->n_done; i++) {
        equation->terms[i].labels = labels;
        fill_term(f, &equation->terms[i], f->done[i].labels, f->done[i].n, order, &equation->n_labels);
        labels += f->done[i].n;
    }
    equation->out.labels = labels;
    fill_term(f, &equation->out, f->out.labels, f->out.n, order, &equation->n_labels);
    if (f->n_labels) memset(f->seen, 0, f->n_labels * sizeof *f->seen);
    return EINJIT_OK;
}

static uint32_t own_symbol(const ej_fuse *f, int32_t label)
{
    ej_fuse_origin origin = f->origins[label];
    return f->graph->nodes[origin.node].equation->symbols[origin.label];
}

static int choose_symbols(ej_fuse *f, ej_equation *equation, const int32_t *order)
{
    ej_label_map used;
    ej_label_map_init(&used, f->job->arena);
    bool *waits = EJ_JOB_ARRAY(f->job, bool, equation->n_labels);
    if (!waits) return ej_no_memory(f->job->err);
    for (uint32_t l = 0; l < equation->n_labels; l++) {
        size_t before = used.n;
        int32_t id;
        equation->symbols[l] = own_symbol(f, order[l]);
        if (!ej_label_map_add(&used, equation->symbols[l], &id)) return ej_no_memory(f->job->err);
        waits[l] = used.n == before;
    }
    int32_t next = 0;
    for (uint32_t l = 0; l < equation->n_labels; l++) {
        if (!waits[l]) continue;
        uint32_t symbol;
        do {
            symbol = equation->integer_labels ? (uint32_t)next : ej_label_code_point(next);
            next++;
        } while (ej_label_map_find(&used, symbol) >= 0);
        equation->symbols[l] = symbol;
    }
    return EINJIT_OK;
}

static int name_labels(ej_fuse *f, ej_equation *equation, const int32_t *order)
{
    equation->symbols = EJ_NEW_ARRAY(&f->graph->arena, uint32_t, equation->n_labels);
    if (!equation->symbols) return ej_no_memory(f->job->err);
    equation->integer_labels = f->integers;
    if (!f->integers || !f->text) return choose_symbols(f, equation, order);
    for (uint32_t l = 0; l < equation->n_labels; l++) equation->symbols[l] = l; /* letters and numbers do not mix */
    return EINJIT_OK;
}

int ej_fuse_finish(ej_fuse *f)
{
    ej_arena *arena = &f->graph->arena;
    ej_equation *equation = EJ_NEW(arena, ej_equation);
    ej_value *in = EJ_NEW_ARRAY(arena, ej_value, f->n_done);
    int32_t *order = EJ_JOB_ARRAY(f->job, int32_t, f->n_labels);
    if (!equation || !in || !order) return ej_no_memory(f->job->err);
    EJ_TRY(build_terms(f, equation, order));
    EJ_TRY(name_labels(f, equation, order));
    for (size_t i = 0; i < f->n_done; i++) in[i] = f->done[i].value;
    ej_node *root = &f->graph->nodes[f->root];
    root->equation = equation;
    root->in = in;
    root->n_in = (uint32_t)f->n_done;
    return EINJIT_OK;
}
