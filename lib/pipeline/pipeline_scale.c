/* pipeline_scale.c - outputs that become alpha * result + beta * what they held.
 *
 * Takes  a copy of the program, and a request with alpha and beta.
 * Gives  the program with these operations at its end. What an output held is an input more, whose memory is the
 *        output's: the planner knows (ej_bound.n_held), the caller passes nothing for it.
 * Keeps  numbers: of integers whole ones, of bool none.
 */
#include <string.h>

#include "pipeline.h"

typedef struct scaler {
    ej_graph *graph;
    const ej_bound *bound; /* the program as it was written */
    const ej_request *request;
    ej_job *job;
} scaler;

static int map(const scaler *s, int fn, ej_value a, ej_value b, ej_value *out)
{
    ej_node node = {.op = EJ_OP_MAP, .fn = (uint8_t)fn, .dtype = -1, .rank = -1};
    if (!ej_node_takes(&s->graph->arena, &node, 2, (const ej_value[]){a, b})) return ej_no_memory(s->job->err);
    return ej_graph_append(s->graph, &node, out, s->job->err);
}

static int times(const scaler *s, size_t o, const char *what, double factor, ej_value *value)
{
    int dtype = s->bound->output_tensors[o].dtype, kind = ej_dtypes[dtype].kind;
    ej_node node = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .dtype = -1, .rank = -1, .re = factor};
    ej_value number;
    bool whole = factor > -0x1p53 && factor < 0x1p53 && (double)(int64_t)factor == factor;
    if (kind == EJ_KIND_BOOL || (kind == EJ_KIND_INT && !whole))
        return ej_fail(s->job->err, EINJIT_E_DTYPE, "%s is %s, and output %zu is %s", what,
                       ej_real_text((char[EJ_REAL_TEXT]){0}, 'g', 9, factor), o, einjit_dtype_name(dtype));
    if (factor == 1) return EINJIT_OK;
    if (kind == EJ_KIND_INT) {
        node.fn = EJ_KIND_INT;
        node.integer = (int64_t)factor;
        node.re = 0;
    }
    EJ_TRY(ej_graph_append(s->graph, &node, &number, s->job->err));
    return map(s, EJ_FN_MUL, *value, number, value);
}

/* The symbol that the extent is, so that it stays open; else unknown, and what is observed. */
static int32_t symbol_of(const scaler *s, ej_size size)
{
    const ej_sizes *sizes = &s->bound->sizes;
    if (!size.e) return -1;
    const ej_polynomial *p = &sizes->exprs[size.e - 1];
    if (p->n_terms != 1 || p->terms[0].n_atoms != 1 || p->terms[0].coefficient != 1) return -1;
    int32_t atom = p->terms[0].atoms[0];
    if (atom >= (int32_t)sizes->n_symbols) return -1;
    const char *name = sizes->atoms[atom].name;
    return ej_graph_find_symbol(s->graph, name, strlen(name));
}

static int append_held(const scaler *s, size_t o, ej_value *out, einjit_tensor *tensor)
{
    const ej_bound_tensor *t = &s->bound->output_tensors[o];
    ej_node node = {.op = EJ_OP_INPUT,
                    .dtype = t->dtype,
                    .rank = t->rank,
                    .n_extents = (uint32_t)t->rank,
                    .extents = EJ_NEW_ARRAY(&s->graph->arena, ej_extent, (size_t)t->rank)};
    int64_t *shape = EJ_JOB_ARRAY(s->job, int64_t, (size_t)t->rank);
    if (!node.extents || !shape) return ej_no_memory(s->job->err);
    for (int32_t i = 0; i < t->rank; i++) {
        int32_t symbol = symbol_of(s, t->shape[i]);
        shape[i] = t->shape[i].n;
        node.extents[i].n = t->shape[i].e ? EJ_EXTENT_UNKNOWN : shape[i];
        if (symbol < 0) continue;
        node.extents[i] = (ej_extent){.n = 1, .n_symbols = 1, .symbols = EJ_NEW(&s->graph->arena, int32_t)};
        if (!node.extents[i].symbols) return ej_no_memory(s->job->err);
        *node.extents[i].symbols = symbol;
    }
    *tensor = (einjit_tensor){NULL, t->dtype, t->rank, shape, s->request->n_out ? s->request->out[o].strides : NULL};
    return ej_graph_append(s->graph, &node, out, s->job->err);
}

static int scale(const scaler *s, size_t o, einjit_tensor *tensor)
{
    const ej_request *r = s->request;
    ej_value value = s->graph->outputs[o], held;
    if (r->alpha != 0) EJ_TRY(times(s, o, "alpha", r->alpha, &value));
    if (r->beta != 0) {
        EJ_TRY(append_held(s, o, &held, tensor));
        EJ_TRY(times(s, o, "beta", r->beta, &held));
        EJ_TRY(map(s, EJ_FN_ADD, value, held, &value));
    }
    s->graph->outputs[o] = value;
    return EINJIT_OK;
}

int ej_scale_results(ej_graph *graph, const ej_request *r, const einjit_tensor **in, ej_job *job)
{
    ej_bound bound;
    scaler s = {graph, &bound, r, job};
    size_t n_out = graph->n_outputs;
    EJ_TRY(ej_bind(&bound, graph, r->n_in, r->in, r->n_out, r->out, r->open, job));
    einjit_tensor *all = EJ_JOB_ARRAY(job, einjit_tensor, r->n_in + n_out);
    if (!all) return ej_no_memory(job->err);
    if (r->n_in) memcpy(all, r->in, r->n_in * sizeof *all);
    for (size_t o = 0; o < n_out; o++) EJ_TRY(scale(&s, o, &all[r->n_in + o]));
    *in = all;
    return EINJIT_OK;
}
