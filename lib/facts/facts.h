/* facts.h - what is known of a graph's values before the inputs are seen: dtypes, ranks, extents. */
#ifndef EJ_FACTS_H
#define EJ_FACTS_H

#include "graph.h"
#include "job.h"

/* What is known of a value's dtype before the inputs are seen (facts_dtype.c). */
enum { EJ_DTYPE_UNKNOWN = -1, EJ_DTYPE_INEXACT = -2 }; /* INEXACT: floating or complex, but not which */
typedef struct ej_known_dtype {
    int16_t dtype; /* EINJIT_*, or one of the above; of a weak value: its default */
    bool weak;     /* a literal: takes the dtype of the other operands */
    uint8_t kind;  /* weak: EJ_KIND_* */
} ej_known_dtype;
/* One per node; NULL: out of memory. */
ej_known_dtype *ej_facts_dtypes(const ej_graph *graph, ej_arena *arena);
/* Of a node over values that have theirs. */
ej_known_dtype ej_facts_dtype(const ej_known_dtype *values, const ej_node *node);
/* Floating or complex for sure. */
bool ej_known_inexact(ej_known_dtype known);
/* What n operands promote to; *strong (may be NULL): the same of those that are not weak, weak when there are none. */
ej_known_dtype ej_known_promote(const ej_known_dtype *values, uint32_t n, const ej_value *in, ej_known_dtype *strong);

/* What is known of ranks and extents before the inputs are seen (facts_shape.c). Extents are ids: equal ids are equal
 * extents for all inputs. */
typedef struct ej_known_shape {
    int32_t rank;     /* -1: not known */
    int32_t *extents; /* ids */
} ej_known_shape;
typedef struct ej_extent_table ej_extent_table;
typedef struct ej_known_shapes {
    ej_known_shape *of; /* one per node */
    ej_extent_table *table;
} ej_known_shapes;
/* NULL: out of memory. */
ej_known_shapes *ej_facts_shapes(const ej_graph *graph, ej_arena *arena);
int64_t ej_extent_number(const ej_known_shapes *shapes, int32_t extent); /* -1: no number, or not known */
/* The extent as a number or product of symbols, which are borrowed; false: it is neither. */
bool ej_extent_is_product(const ej_known_shapes *shapes, int32_t extent, ej_extent *out);
/* The same, with the symbols copied to the arena, and for all extents of a value (facts_extent.c). Where an extent is
 * neither a number nor a product of symbols, *said is false, or *out NULL. Returns false when memory runs out. */
bool ej_facts_name_extent(const ej_known_shapes *shapes, int32_t extent, ej_arena *arena, ej_extent *out, bool *said);
bool ej_facts_name_shape(const ej_known_shapes *shapes, ej_value v, ej_arena *arena, ej_extent **out);
bool ej_known_same_shape(const ej_known_shape *a, const ej_known_shape *b); /* for all inputs */

/* Axis `dim` (from the end if negative) of so many; false: there is none. */
static inline bool ej_axis_of(int64_t dim, int32_t rank, int32_t *out)
{
    if (dim < -(int64_t)rank || dim >= rank) return false;
    *out = (int32_t)(dim < 0 ? dim + rank : dim);
    return true;
}
/* x[:] along its axis. */
static inline bool ej_takes_all(const ej_index_item *item)
{
    return item->kind == EJ_INDEX_RANGE && (item->start == INT64_MIN || !item->start) && item->stop == INT64_MAX &&
           item->step == 1;
}

#endif
