/* facts_extent.c - known extents written as numbers and products of symbols.
 *
 * Takes  shapes by the ids of their extents (facts_shape.c).
 * Gives  whether two are the same for all inputs; extents as numbers and products of symbols, for
 *        nodes that carry a shape.
 * Not here: what is known (facts_shape.c).
 */
#include <string.h>

#include "facts.h"

bool ej_known_same_shape(const ej_known_shape *a, const ej_known_shape *b)
{
    if (a->rank < 0 || a->rank != b->rank) return false;
    return !a->rank || !memcmp(a->extents, b->extents, (size_t)a->rank * sizeof *a->extents);
}

bool ej_facts_name_extent(const ej_known_shapes *shapes, int32_t extent, ej_arena *arena, ej_extent *out, bool *said)
{
    *said = ej_extent_is_product(shapes, extent, out);
    if (!*said) return true;
    int32_t *symbols = EJ_NEW_ARRAY(arena, int32_t, (size_t)out->n_symbols);
    if (!symbols) return false;
    if (out->n_symbols) memcpy(symbols, out->symbols, (size_t)out->n_symbols * sizeof *symbols);
    out->symbols = symbols;
    return true;
}

bool ej_facts_name_shape(const ej_known_shapes *shapes, ej_value v, ej_arena *arena, ej_extent **out)
{
    const ej_known_shape *shape = &shapes->of[v];
    ej_extent extent;
    bool said;
    *out = NULL;
    for (int32_t i = 0; i < shape->rank; i++)
        if (!ej_extent_is_product(shapes, shape->extents[i], &extent)) return true;
    if (shape->rank < 0) return true;
    ej_extent *made = EJ_NEW_ARRAY(arena, ej_extent, (size_t)shape->rank);
    if (!made) return false;
    for (int32_t i = 0; i < shape->rank; i++)
        if (!ej_facts_name_extent(shapes, shape->extents[i], arena, &made[i], &said)) return false;
    *out = made;
    return true;
}
