/* bind_symbols.c - what the program's names for extents are: numbers as observed, or open.
 *
 * Takes  the inputs' declared extents and the observed tensors.
 * Gives  a size per symbol; which of the caller's open symbols stay open.
 * Keeps  an extent open that is 1 as observed, as long as it meets only itself (or a 1 that is a number): where it was
 *        stretched to another extent it is closed, as a kernel cannot know later whether it should be.
 */
#include <string.h>

#include "bind_core.h"

static const char *input_name(const ej_binder *b, size_t i)
{
    return b->graph->nodes[b->graph->inputs[i]].name;
}

/* ---- the caller's list ---- */

int ej_bind_open_list(ej_binder *b, const char *open)
{
    bool *marked = EJ_NEW_ARRAY(b->arena, bool, b->graph->n_symbols);
    if (!marked) return ej_no_memory(b->err);
    if (open) EJ_TRY(ej_graph_mark_symbols(marked, b->graph, open, b->err));
    for (size_t s = 0; s < b->graph->n_symbols; s++) b->symbols[s].open |= marked[s];
    return EINJIT_OK;
}

/* ---- observed values ---- */

static int disagree(ej_binder *b, int32_t s, size_t input, int32_t axis, int64_t n)
{
    const ej_bind_symbol *symbol = &b->symbols[s];
    return ej_fail(b->err, EINJIT_E_DIM,
                   "extent '%s' is %lld on axis %d of input '%s' and %lld on axis %d of input '%s'",
                   b->graph->symbols[s], (long long)symbol->n, (int)symbol->axis, input_name(b, (size_t)symbol->input),
                   (long long)n, (int)axis, input_name(b, input));
}

static int observe(ej_binder *b, int32_t s, size_t input, int32_t axis, int64_t n)
{
    ej_bind_symbol *symbol = &b->symbols[s];
    if (symbol->known) return symbol->n == n ? EINJIT_OK : disagree(b, s, input, axis, n);
    symbol->known = true;
    symbol->n = n;
    symbol->input = (int32_t)input;
    symbol->axis = axis;
    return EINJIT_OK;
}

static int not_the_product(ej_binder *b, size_t input, int32_t axis, int64_t n)
{
    return ej_fail(b->err, EINJIT_E_DIM,
                   "axis %d of input '%s' is %lld, which is not the product that the program says", (int)axis,
                   input_name(b, input), (long long)n);
}

/* An extent such as 4*z: what is known must divide what was observed, one unknown symbol takes the rest. */
static int observe_product(ej_binder *b, const ej_extent *extent, size_t input, int32_t axis, int64_t n)
{
    int64_t known = extent->n, rest;
    int32_t unknown = -1, n_unknown = 0;
    for (int32_t k = 0; k < extent->n_symbols; k++) {
        const ej_bind_symbol *symbol = &b->symbols[extent->symbols[k]];
        if (symbol->known && !ej_mul_size(known, symbol->n, &known)) return not_the_product(b, input, axis, n);
        if (!symbol->known) {
            unknown = extent->symbols[k];
            n_unknown++;
        }
    }
    if (!n_unknown) return known == n ? EINJIT_OK : not_the_product(b, input, axis, n);
    if (n_unknown > 1 || !known)
        return ej_fail(b->err, EINJIT_E_DIM, "axis %d of input '%s' does not say what '%s' is", (int)axis,
                       input_name(b, input), b->graph->symbols[unknown]);
    rest = n / known;
    return rest * known == n ? observe(b, unknown, input, axis, rest) : not_the_product(b, input, axis, n);
}

static int observe_inputs(ej_binder *b, const einjit_tensor *in, bool products)
{
    for (size_t i = 0; i < b->graph->n_inputs; i++) {
        const ej_node *node = &b->graph->nodes[b->graph->inputs[i]];
        for (uint32_t axis = 0; axis < node->n_extents && (int64_t)axis < in[i].rank; axis++) {
            const ej_extent *extent = &node->extents[axis];
            int64_t n = in[i].shape[axis];
            if (extent->n < 0 || !extent->n_symbols || ej_extent_is_symbol(extent) == products) continue;
            if (products) EJ_TRY(observe_product(b, extent, i, (int32_t)axis, n));
            else EJ_TRY(observe(b, extent->symbols[0], i, (int32_t)axis, n));
        }
    }
    return EINJIT_OK;
}

/* Axes that only have the name: one extent if nothing differs. */
static void observe_named(ej_binder *b, const einjit_tensor *in)
{
    for (size_t i = 0; i < b->graph->n_inputs; i++) {
        const ej_node *node = &b->graph->nodes[b->graph->inputs[i]];
        for (uint32_t axis = 0; axis < node->n_extents && (int64_t)axis < in[i].rank; axis++) {
            if (!ej_extent_is_named(&node->extents[axis])) continue;
            ej_bind_symbol *symbol = &b->symbols[node->extents[axis].symbols[0]];
            if (!symbol->known)
                *symbol = (ej_bind_symbol){.known = true,
                                           .open = symbol->open,
                                           .closed = symbol->closed,
                                           .named = true,
                                           .n = in[i].shape[axis]};
            else symbol->torn |= symbol->n != in[i].shape[axis];
        }
    }
    for (size_t s = 0; s < b->graph->n_symbols; s++)
        if (b->symbols[s].named && b->symbols[s].torn) b->symbols[s].closed = true;
}

static int observe_all(ej_binder *b, const einjit_tensor *in)
{
    for (size_t s = 0; s < b->graph->n_symbols; s++)
        b->symbols[s].known = b->symbols[s].named = b->symbols[s].torn = false;
    EJ_TRY(observe_inputs(b, in, false));
    EJ_TRY(observe_inputs(b, in, true));
    observe_named(b, in);
    return EINJIT_OK;
}

int ej_bind_settle(ej_graph *graph, const einjit_tensor *in, ej_job *job)
{
    ej_binder b = {.graph = graph, .arena = job->arena, .err = job->err};
    b.symbols = EJ_NEW_ARRAY(b.arena, ej_bind_symbol, graph->n_symbols);
    if (!b.symbols) return ej_no_memory(b.err);
    EJ_TRY(observe_all(&b, in));
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const ej_node *node = &graph->nodes[graph->inputs[i]];
        for (uint32_t axis = 0; axis < node->n_extents; axis++) {
            ej_extent *extent = &node->extents[axis];
            if (ej_extent_is_named(extent) && !b.symbols[extent->symbols[0]].torn) extent->n = 1;
        }
    }
    return EINJIT_OK;
}

/* Open ones enter the table in order of first appearance: that is the order of a kernel's sizes. */
static int size_symbols(ej_binder *b)
{
    for (size_t i = 0; i < b->graph->n_inputs; i++) {
        const ej_node *node = &b->graph->nodes[b->graph->inputs[i]];
        for (uint32_t axis = 0; axis < node->n_extents; axis++)
            for (int32_t k = 0; k < node->extents[axis].n_symbols; k++) {
                int32_t s = node->extents[axis].symbols[k];
                ej_bind_symbol *symbol = &b->symbols[s];
                if (!symbol->open || symbol->closed || symbol->size.e) continue;
                EJ_TRY(ej_sizes_symbol(&b->out->sizes, b->graph->symbols[s], symbol->n, &symbol->size, b->err));
            }
    }
    return EINJIT_OK;
}

int ej_bind_symbols(ej_binder *b, const einjit_tensor *in)
{
    EJ_TRY(observe_all(b, in));
    for (size_t s = 0; s < b->graph->n_symbols; s++) {
        ej_bind_symbol *symbol = &b->symbols[s];
        symbol->size = ej_size_number(symbol->n);
        if (symbol->open && !symbol->known)
            return ej_fail(b->err, EINJIT_E_NAME, "'%s' cannot stay open: it is not the extent of an input",
                           b->graph->symbols[s]);
    }
    return size_symbols(b);
}

int ej_bind_extent(ej_binder *b, const ej_extent *extent, ej_size *out)
{
    ej_size product = ej_size_number(extent->n);
    for (int32_t k = 0; k < extent->n_symbols; k++) {
        const ej_bind_symbol *symbol = &b->symbols[extent->symbols[k]];
        if (!symbol->known || (symbol->named && symbol->torn))
            return ej_fail(b->err, EINJIT_E_NAME, "extent '%s' is not %s", b->graph->symbols[extent->symbols[k]],
                           symbol->known ? "one extent: axes of inputs that have the name differ"
                                         : "the extent of an input");
        EJ_TRY(ej_bind_mul(b, product, symbol->size, &product));
    }
    *out = product;
    return EINJIT_OK;
}

/* ---- closing ---- */

static void close_named(ej_binder *b, const char *name)
{
    for (size_t s = 0; s < b->graph->n_symbols; s++)
        if (b->graph->symbols[s] == name && !b->symbols[s].closed) {
            b->symbols[s].closed = true;
            b->symbols[s].closed_by = b->name;
        }
    b->restart = true;
}

static void mark_atoms(const ej_sizes *sizes, ej_size size, bool *marked)
{
    if (!size.e) return;
    const ej_polynomial *p = &sizes->exprs[size.e - 1];
    for (int32_t t = 0; t < p->n_terms; t++)
        for (int32_t i = 0; i < p->terms[t].n_atoms; i++) marked[p->terms[t].atoms[i]] = true;
}

void ej_bind_close(ej_binder *b, ej_size size)
{
    const ej_sizes *sizes = &b->out->sizes;
    if (!size.e) return;
    b->n_closings++;
    bool *marked = EJ_NEW_ARRAY(b->arena, bool, sizes->n_atoms);
    if (!marked) {
        b->out->sizes.no_memory = true; /* ends the attempt */
        return;
    }
    mark_atoms(sizes, size, marked);
    for (size_t i = sizes->n_atoms; i-- > 0;) { /* derived atoms use earlier ones */
        if (!marked[i]) continue;
        if (sizes->atoms[i].kind == EJ_ATOM_SYMBOL) {
            close_named(b, sizes->atoms[i].name);
        } else {
            mark_atoms(sizes, sizes->atoms[i].a, marked);
            mark_atoms(sizes, sizes->atoms[i].b, marked);
        }
    }
}

ej_size ej_bind_fixed(ej_binder *b, ej_size size)
{
    ej_bind_close(b, size);
    return ej_size_number(size.n);
}

ej_size ej_bind_meet(ej_binder *b, ej_size one, ej_size other)
{
    ej_size difference;
    if (ej_size_same(one, other)) return one;
    if (ej_size_sub(&b->out->sizes, one, other, &difference, NULL) == EINJIT_OK) {
        ej_bind_close(b, difference);
    } else {
        ej_bind_close(b, one);
        ej_bind_close(b, other);
    }
    return ej_size_number(one.n);
}

int ej_bind_not_empty(ej_binder *b, ej_size size)
{
    ej_bound *out = b->out;
    if (!size.e) return EINJIT_OK;
    if (!EJ_PUSH_ROOM(b->arena, out->not_empty, out->cap_not_empty, out->n_not_empty)) return ej_no_memory(b->err);
    out->not_empty[out->n_not_empty++] = (ej_bound_extent){size, b->name};
    return EINJIT_OK;
}

/* ---- arithmetic: products of too many open extents close them ---- */

int ej_bind_add(ej_binder *b, ej_size x, ej_size y, ej_size *out)
{
    int status = ej_size_add(&b->out->sizes, x, y, out, b->err);
    if (status != EINJIT_E_LIMIT) return status;
    return ej_size_add(&b->out->sizes, ej_bind_fixed(b, x), ej_bind_fixed(b, y), out, b->err);
}

int ej_bind_mul(ej_binder *b, ej_size x, ej_size y, ej_size *out)
{
    int status = ej_size_mul(&b->out->sizes, x, y, out, b->err);
    if (status != EINJIT_E_LIMIT) return status;
    return ej_size_mul(&b->out->sizes, ej_bind_fixed(b, x), ej_bind_fixed(b, y), out, b->err);
}
