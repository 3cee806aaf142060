/* opt_fuse_equation.c - the merged einsum as a node: dense ids in order of appearance, and letters.
 *
 * Takes  the operands and the output of the merged einsum.
 * Gives  an einsum, as a new value. Labels keep their letters; where two have the same one, the later gets the
 *        first letter that is free. Output labels that no operand has become axes of extent 1 behind it.
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

static bool is_new_axis(const ej_fuse *f, int32_t label)
{
    return label != EJ_ELLIPSIS && !f->seen[label];
}

/* order[id]: the merger's label that got the id. new_axes: which of f->out's labels no operand has. */
static int build_terms(ej_fuse *f, ej_equation *equation, int32_t *order, bool *new_axes)
{
    ej_arena *arena = &f->graph->arena;
    size_t n = f->out.n;
    for (size_t i = 0; i < f->n_done; i++) n += f->done[i].n;
    int32_t *labels = EJ_NEW_ARRAY(arena, int32_t, n);
    equation->n_terms = (uint32_t)f->n_done;
    equation->terms = EJ_NEW_ARRAY(arena, ej_term, f->n_done);
    if (!labels || !equation->terms) return ej_no_memory(f->job->err);
    for (size_t i = 0; i < f->n_done; i++) {
        ej_term *term = &equation->terms[i];
        *term = (ej_term){f->done[i].n, labels};
        for (uint32_t k = 0; k < term->n; k++)
            term->labels[k] = renumbered(f, f->done[i].labels[k], order, &equation->n_labels);
        labels += term->n;
    }
    equation->out.labels = labels;
    for (uint32_t i = 0; i < f->out.n; i++) {
        new_axes[i] = is_new_axis(f, f->out.labels[i]);
        if (!new_axes[i])
            equation->out.labels[equation->out.n++] = renumbered(f, f->out.labels[i], order, &equation->n_labels);
    }
    if (f->n_labels) memset(f->seen, 0, f->n_labels * sizeof *f->seen);
    return EINJIT_OK;
}

static int name_labels(ej_fuse *f, ej_equation *equation, const int32_t *order)
{
    equation->symbols = EJ_NEW_ARRAY(&f->graph->arena, uint32_t, equation->n_labels);
    if (!equation->symbols) return ej_no_memory(f->job->err);
    equation->integer_labels = f->integers;
    bool mixed = f->integers && f->text; /* letters and numbers do not mix */
    for (uint32_t l = 0; l < equation->n_labels; l++)
        equation->symbols[l] = mixed ? EJ_FUSE_NO_SYMBOL : f->labels[order[l]].symbol;
    return ej_letters_settle(f->job->arena, equation->symbols, equation->n_labels, EJ_FUSE_NO_SYMBOL, f->integers)
               ? EINJIT_OK
               : ej_no_memory(f->job->err);
}

/* ---- axes of extent 1 ---- */

static int add_axis(ej_fuse *f, int64_t dim, ej_value *v)
{
    ej_node node = {.op = EJ_OP_UNSQUEEZE, .dtype = -1, .rank = -1, .n_dims = 1};
    node.dims = EJ_NEW_ARRAY(&f->graph->arena, int64_t, 1);
    if (!node.dims) return ej_no_memory(f->job->err);
    node.dims[0] = dim;
    return ej_edit_node(&f->edit, node, 1, v, v);
}

/* In front of an ellipsis axes count from the start, behind it from the end: then all that they count over is there. */
static int add_axes(ej_fuse *f, const bool *new_axes, ej_value *v)
{
    uint32_t n = f->out.n, dots = 0;
    while (dots < n && f->out.labels[dots] != EJ_ELLIPSIS) dots++;
    for (uint32_t i = 0; i < dots; i++)
        if (new_axes[i]) EJ_TRY(add_axis(f, i, v));
    for (uint32_t i = n; i-- > dots;)
        if (new_axes[i]) EJ_TRY(add_axis(f, (int64_t)i - (int64_t)n, v));
    return EINJIT_OK;
}

int ej_fuse_build(ej_fuse *f, ej_value *out)
{
    ej_arena *arena = &f->graph->arena;
    ej_equation *equation = EJ_NEW(arena, ej_equation);
    ej_value *in = EJ_JOB_ARRAY(f->job, ej_value, f->n_done);
    int32_t *order = EJ_JOB_ARRAY(f->job, int32_t, f->n_labels);
    bool *new_axes = EJ_JOB_ARRAY(f->job, bool, f->out.n);
    if (!equation || !in || !order || !new_axes) return ej_no_memory(f->job->err);
    EJ_TRY(build_terms(f, equation, order, new_axes));
    EJ_TRY(name_labels(f, equation, order));
    for (size_t i = 0; i < f->n_done; i++) in[i] = f->done[i].value;
    ej_node node = {.op = EJ_OP_EINSUM,
                    .fn = EINJIT_REDUCE_SUM,
                    .combine = EINJIT_COMBINE_MUL,
                    .dtype = -1,
                    .rank = -1,
                    .equation = equation};
    EJ_TRY(ej_edit_node(&f->edit, node, (uint32_t)f->n_done, in, out));
    return add_axes(f, new_axes, out);
}
