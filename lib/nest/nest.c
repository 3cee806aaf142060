/* nest.c - building a loop tree, node by node.
 *
 * Takes  axes, buffers, loops and leaves in the order in which they run.
 * Gives  a nest whose arrays lie in the caller's arena. Appending is O(1), however long a list of children is.
 * Not here: which tree is a good one (recipe.c), whether a tree is a legal one (nest_check.c).
 */
#include "nest.h"

#include <string.h>

void ej_nest_init(ej_nest *nest, const char *name)
{
    memset(nest, 0, sizeof *nest);
    nest->name = name;
    nest->root = nest->root_last = nest->cut.axis = -1;
}

/* Room for one more element behind the `n` that *array has. An array that came from elsewhere has capacity 0: it is
 * copied before the first append. */
static bool room_for_one(ej_arena *arena, void **array, int32_t *capacity, int32_t n, size_t size)
{
    if (n < *capacity) return true;
    if (n > INT32_MAX / 2) return false;
    int32_t grown = n < 4 ? 8 : 2 * n;
    void *block = ej_arena_new(arena, (size_t)grown, size);
    if (!block) return false;
    if (n) memcpy(block, *array, (size_t)n * size);
    *array = block;
    *capacity = grown;
    return true;
}

#define ROOM(arena, a, cap, n) room_for_one((arena), (void **)(void *)&(a), &(cap), (n), sizeof *(a))

int ej_nest_axis(ej_nest *nest, ej_arena *arena, const char *name, ej_size extent, int run, int32_t *out)
{
    if (!ROOM(arena, nest->axes, nest->cap_axes, nest->n_axes)) return EINJIT_E_NOMEM;
    nest->axes[nest->n_axes] = (ej_axis){.name = name, .extent = extent, .run = (uint8_t)run};
    if (out) *out = nest->n_axes;
    nest->n_axes++;
    return EINJIT_OK;
}

int ej_nest_buffer(ej_nest *nest, ej_arena *arena, const ej_buffer *buffer, int32_t *out)
{
    if (!ROOM(arena, nest->buffers, nest->cap_buffers, nest->n_buffers)) return EINJIT_E_NOMEM;
    nest->buffers[nest->n_buffers] = *buffer;
    if (out) *out = nest->n_buffers;
    nest->n_buffers++;
    return EINJIT_OK;
}

static int append_node(ej_nest *nest, ej_arena *arena, int32_t parent, const ej_nest_node *node, int32_t *out)
{
    if (!ROOM(arena, nest->nodes, nest->cap_nodes, nest->n_nodes)) return EINJIT_E_NOMEM;
    int32_t id = nest->n_nodes++;
    nest->nodes[id] = *node;
    nest->nodes[id].next = -1;
    int32_t *first = parent < 0 ? &nest->root : &nest->nodes[parent].child;
    int32_t *last = parent < 0 ? &nest->root_last : &nest->nodes[parent].last;
    if (*first < 0) *first = id;
    else nest->nodes[*last].next = id;
    *last = id;
    if (out) *out = id;
    return EINJIT_OK;
}

int ej_nest_loop(ej_nest *nest, ej_arena *arena, int32_t parent, int32_t axis, int64_t step, int32_t *out)
{
    ej_nest_node loop = {
        .kind = EJ_NEST_LOOP, .child = -1, .last = -1, .axis = axis, .step = step, .reduce = EJ_REDUCE_NONE};
    return append_node(nest, arena, parent, &loop, out);
}

int ej_nest_leaf(ej_nest *nest, ej_arena *arena, int32_t parent, const ej_nest_node *leaf, int32_t *out)
{
    ej_nest_node copy = *leaf;
    copy.kind = EJ_NEST_LEAF;
    copy.child = copy.last = copy.axis = -1;
    copy.step = 0;
    copy.n_placed = copy.cap_placed = 0;
    copy.placed = NULL;
    return append_node(nest, arena, parent, &copy, out);
}

int32_t ej_access_unit_axis(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table < 0 && !access->terms[t].block && ej_size_is(access->terms[t].stride, 1))
            return access->terms[t].axis;
    return -1;
}

bool ej_access_moves(const ej_access *access, int32_t axis)
{
    const ej_access_term *term = ej_access_find(access, axis);
    return term && (term->table >= 0 || !ej_size_is(term->stride, 0) || term->block);
}

int ej_nest_place(ej_nest *nest, ej_arena *arena, int32_t node, int32_t buffer)
{
    int32_t **placed = node < 0 ? &nest->placed : &nest->nodes[node].placed;
    int32_t *n = node < 0 ? &nest->n_placed : &nest->nodes[node].n_placed;
    int32_t *capacity = node < 0 ? &nest->cap_placed : &nest->nodes[node].cap_placed;
    if (!ROOM(arena, *placed, *capacity, *n)) return EINJIT_E_NOMEM;
    (*placed)[(*n)++] = buffer;
    return EINJIT_OK;
}
