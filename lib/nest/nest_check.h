/* nest_check.h - what the files of the checker share. */
#ifndef EJ_NEST_CHECK_H
#define EJ_NEST_CHECK_H

#include "nest.h"

typedef struct ej_check_buffer {
    int32_t times_placed;
    int32_t depth;        /* loops around the placement, while we are inside of it; -1: outside */
    int64_t *bounds;      /* by axis: the longest range at the placement */
    int32_t *lead, *lane; /* REG, by element: first element of its register, its lane; lead -1: not touched yet */
} ej_check_buffer;

typedef struct ej_check_frame {
    int32_t node;
    int64_t bound;      /* of the axis, around the loop */
    int32_t loop_depth; /* of the axis, around the loop */
} ej_check_frame;

typedef struct ej_check {
    const ej_nest *nest;
    const ej_target *target; /* NULL: no limit of lanes */
    einjit_error *err;
    ej_arena *arena;
    ej_check_buffer *buffers;
    int64_t *bounds;     /* by axis: the longest range here; INT64_MAX: not known */
    int32_t *loop_depth; /* by axis: depth of the innermost loop over it, from 1; 0: none */
    int32_t *mark;       /* by axis: scratch of one access or leaf */
    int32_t stamp;
    ej_check_frame *frames; /* loops around us */
    int32_t depth;
} ej_check;

int ej_check_fail(const ej_check *c, int32_t node, const char *format, ...) EJ_PRINTF(3, 4); /* E_INTERNAL */
/* Which loops, buffers and axes exist (nest_check.c); the next two assume so. */
int ej_check_expr(const ej_check *c, int32_t node);                    /* nest_check_expr.c */
int ej_check_tile(ej_check *c, int32_t node);                          /* nest_check_tile.c */
int ej_check_registers(ej_check *c, int32_t node);                     /* nest_check_tile.c */
const ej_access *ej_check_access(const ej_nest_node *leaf, int32_t i); /* -1: dst, else source i */

#endif
