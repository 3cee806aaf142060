/* facts_reshape.h - which axes of a reshape belong together. */
#ifndef EJ_FACTS_RESHAPE_H
#define EJ_FACTS_RESHAPE_H

#include "facts.h"

/* Axes from `from` on of the operand become axes from `to` on of the result. Axes of extent 1 lie between them, in no
 * group, and are not counted. */
typedef struct ej_reshape_group {
    uint32_t from, n_from, to, n_to;
} ej_reshape_group;

typedef struct ej_reshape_groups {
    bool known;                 /* false: the extents do not determine it */
    bool plain;                 /* no axis of extent 1 is added or dropped */
    bool splits, merges, mixes; /* some group is one axis to many, many to one, many to many */
    uint32_t n;
    ej_reshape_group *groups;
    int32_t *of_from, *of_to; /* per axis: its group, or -1 for an axis of extent 1 */
} ej_reshape_groups;

/* Of a RESHAPE node. False: out of memory. */
bool ej_reshape_group_axes(ej_reshape_groups *out, const ej_graph *graph, const ej_known_shapes *shapes, ej_value v,
                           ej_arena *arena);

#endif
