/* kernel_names.c - one kernel, many programs that differ in names alone.
 *
 * Takes  a kernel that was compiled for one of them.
 * Gives  the same kernel under the names of another, for messages and for whoever asks what an extent is called.
 * Keeps  the rule that such programs are the same node by node: a value is found again by its number, an extent by its
 *        number in order of first appearance (graph_plain.c). Names that the passes made are what they are.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* Calls `each` with every name in the kernel, false: it ended that. */
typedef bool (*name_visitor)(const char **name, bool symbol, void *user);

static bool visit_names(einjit_kernel *k, name_visitor each, void *user)
{
    bool on = true;
    for (size_t s = 0; s < k->sizes.n_symbols && on; s++) on = each(&k->sizes.atoms[s].name, true, user);
    for (size_t i = 0; i < k->n_in && on; i++) on = !k->in_names[i] || each(&k->in_names[i], false, user);
    for (size_t i = 0; i < k->n_not_empty && on; i++) on = each(&k->not_empty[i].name, false, user);
    for (size_t i = 0; i < k->n_closed && on; i++)
        on = each(&k->closed[i].symbol, true, user) && each(&k->closed[i].by, false, user);
    for (size_t i = 0; i < k->n_index_checks && on; i++) on = each(&k->index_checks[i].name, false, user);
    for (size_t i = 0; i < k->n_status_checks && on; i++) on = each(&k->status_checks[i].name, false, user);
    return on;
}

static int compare_known(const void *a, const void *b)
{
    const ej_known_name *x = a, *y = b;
    return x->symbol != y->symbol ? x->symbol - y->symbol : strcmp(x->text, y->text);
}

static const ej_known_name *find_known(const einjit_kernel *kernel, const char *text, bool symbol)
{
    const ej_known_name key = {.text = text, .symbol = symbol};
    size_t n = kernel->n_known_names;
    return n ? bsearch(&key, kernel->known_names, n, sizeof key, compare_known) : NULL;
}

/* ---- of the program that is compiled ---- */

typedef struct noting {
    einjit_kernel *kernel;
    const einjit_graph *graph;
    size_t capacity;
    bool *seen[2]; /* per value, per symbol */
} noting;

static bool note(const char **name, bool symbol, void *user)
{
    noting *n = user;
    einjit_kernel *kernel = n->kernel;
    const ej_graph *graph = &n->graph->graph;
    size_t length = strlen(*name);
    int32_t id = symbol ? ej_graph_find_symbol(graph, *name, length) : ej_graph_find_value(graph, *name, length);
    if (id < 0 || n->seen[symbol][id]) return true;
    n->seen[symbol][id] = true;
    if (!EJ_PUSH_ROOM(&kernel->arena, kernel->known_names, n->capacity, kernel->n_known_names)) return false;
    kernel->known_names[kernel->n_known_names++] = (ej_known_name){
        .text = *name, .number = symbol ? n->graph->symbol_numbers[id] : id, .symbol = symbol, .value = -1};
    return true;
}

/* Every extent that has a name and, in the observed inputs, a number. */
static bool note_extents(noting *n, size_t n_in, const einjit_tensor *in, int64_t *values)
{
    const ej_graph *graph = &n->graph->graph;
    einjit_kernel *kernel = n->kernel;
    for (size_t s = 0; s < graph->n_symbols; s++) values[s] = -1;
    for (size_t i = 0; i < n_in && i < graph->n_inputs; i++) { /* behind them: results that beta reads */
        const ej_node *input = &graph->nodes[graph->inputs[i]];
        for (uint32_t axis = 0; axis < input->n_extents && (int32_t)axis < in[i].rank; axis++)
            if (ej_extent_is_symbol(&input->extents[axis])) values[input->extents[axis].symbols[0]] = in[i].shape[axis];
    }
    for (size_t s = 0; s < graph->n_symbols; s++) {
        if (values[s] < 0 || n->seen[1][s]) continue;
        const char *name = ej_arena_copy_text(&kernel->arena, graph->symbols[s], strlen(graph->symbols[s]));
        if (!name || !note(&name, true, n)) return false;
    }
    for (size_t k = 0; k < kernel->n_known_names; k++) {
        ej_known_name *known = &kernel->known_names[k];
        if (known->symbol) known->value = values[n->graph->symbol_ids[known->number]];
    }
    return true;
}

int ej_kernel_note_names(einjit_kernel *kernel, const einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                         einjit_error *err)
{
    noting n = {.kernel = kernel, .graph = graph};
    ej_arena scratch;
    ej_arena_init(&scratch, &kernel->context->allocator);
    n.seen[0] = EJ_NEW_ARRAY(&scratch, bool, graph->graph.n_nodes);
    n.seen[1] = EJ_NEW_ARRAY(&scratch, bool, graph->graph.n_symbols);
    kernel->names = graph->names;
    int64_t *values = EJ_NEW_ARRAY(&scratch, int64_t, graph->graph.n_symbols);
    bool ok = n.seen[0] && n.seen[1] && values && visit_names(kernel, note, &n) && note_extents(&n, n_in, in, values);
    ej_arena_free(&scratch);
    if (!ok) return ej_no_memory(err);
    if (kernel->n_known_names)
        qsort(kernel->known_names, kernel->n_known_names, sizeof *kernel->known_names, compare_known);
    return EINJIT_OK;
}

int64_t ej_kernel_extent(const einjit_kernel *kernel, const char *name)
{
    const ej_known_name *known = kernel->base ? NULL : find_known(kernel, name, true);
    return known ? known->value : -1;
}

int32_t ej_kernel_symbol(const einjit_kernel *kernel, size_t s)
{
    const ej_known_name *known = find_known(kernel, kernel->sizes.atoms[s].name, true);
    return known ? known->number : -1;
}

/* ---- of another one ---- */

typedef struct renaming {
    const einjit_kernel *base;
    const einjit_graph *graph;
    ej_arena *arena;
} renaming;

/* Copied: the kernel may outlive the graph. */
static bool rename_one(const char **name, bool symbol, void *user)
{
    const renaming *r = user;
    const ej_graph *graph = &r->graph->graph;
    const ej_known_name *known = find_known(r->base, *name, symbol);
    size_t n = symbol ? graph->n_symbols : graph->n_nodes;
    if (!known || (size_t)known->number >= n) return true;
    const char *own = symbol ? graph->symbols[r->graph->symbol_ids[known->number]] : graph->nodes[known->number].name;
    return (*name = ej_arena_copy_text(r->arena, own, strlen(own))) != NULL;
}

static bool own(ej_arena *arena, void *field, const void *from, size_t n, size_t size)
{
    void *copy = ej_arena_new(arena, n, size);
    if (copy && n) memcpy(copy, from, n * size);
    memcpy(field, &copy, sizeof copy);
    return copy != NULL;
}

#define OWN(kernel, field, n) own(&(kernel)->arena, &(kernel)->field, (kernel)->field, (n), sizeof *(kernel)->field)

/* The arrays with names; everything else is the base's. */
static bool own_names(einjit_kernel *k)
{
    return OWN(k, sizes.atoms, k->sizes.n_atoms) && OWN(k, in_names, k->n_in) && OWN(k, not_empty, k->n_not_empty) &&
           OWN(k, closed, k->n_closed) && OWN(k, index_checks, k->n_index_checks) &&
           OWN(k, status_checks, k->n_status_checks);
}

int ej_kernel_rename(einjit_kernel **kernel, const einjit_graph *graph, einjit_error *err)
{
    einjit_kernel *base = *kernel;
    if (base->names == graph->names) return EINJIT_OK;
    einjit_kernel *named = ej_kernel_new(base->context);
    if (!named) {
        ej_kernel_drop(base);
        return ej_no_memory(err);
    }
    ej_arena arena = named->arena;
    /* not the references, which other threads count meanwhile */
    const size_t shared = offsetof(einjit_kernel, context);
    memcpy((char *)named + shared, (const char *)base + shared, sizeof *named - shared);
    named->arena = arena;
    named->base = base; /* dropped with it */
    named->names = graph->names;
    renaming r = {base, graph, &named->arena};
    if (!own_names(named) || !visit_names(named, rename_one, &r)) {
        ej_kernel_drop(named);
        return ej_no_memory(err);
    }
    *kernel = named;
    return EINJIT_OK;
}
