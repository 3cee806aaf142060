/* nest_block.c - the pieces of a tree that every recipe is made of: a nest's axes and buffers, outer loops, short tapes.
 */
#include <stdlib.h>
#include <string.h>

#include "nest_tiling.h"

/* The plan's buffers that a nest uses, in order of first use: a plan of thousands of steps has thousands of others. */
typedef struct buffer_map {
    ej_nest *nest;
    const ej_plan *plan;
    ej_arena *arena;
    int32_t *plan_ids; /* of the nest's buffers */
    size_t capacity;
} buffer_map;

static int map_buffer(buffer_map *map, int32_t *buffer)
{
    for (int32_t b = 0; b < map->nest->n_buffers; b++)
        if (map->plan_ids[b] == *buffer) {
            *buffer = b;
            return EINJIT_OK;
        }
    if (!EJ_PUSH_ROOM(map->arena, map->plan_ids, map->capacity, map->nest->n_buffers)) return EINJIT_E_NOMEM;
    map->plan_ids[map->nest->n_buffers] = *buffer;
    return ej_nest_buffer(map->nest, map->arena, &map->plan->buffers[*buffer], buffer);
}

static int map_access(buffer_map *map, ej_access *access)
{
    EJ_TRY(map_buffer(map, &access->buffer));
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0) EJ_TRY(map_buffer(map, &access->terms[t].table));
    return EINJIT_OK;
}

int ej_nest_begin(ej_nest *out, ej_step *step, const ej_plan *plan, ej_arena *arena)
{
    ej_nest_init(out, step->name);
    int32_t id;
    for (int32_t a = 0; a < step->n_axes; a++) {
        const ej_axis *axis = &step->axes[a];
        EJ_TRY(ej_nest_axis(out, arena, axis->name, axis->extent, axis->run, &id));
    }
    buffer_map map = {.nest = out, .plan = plan, .arena = arena};
    for (int32_t s = 0; s < step->n_src + step->n_tail; s++) EJ_TRY(map_access(&map, &step->src[s]));
    return map_access(&map, &step->out);
}

/* How far apart an axis' neighbours lie in the result; axes that walk a table come first of all. */
static int64_t reach(const ej_step *step, int32_t axis)
{
    const ej_access_term *term = ej_access_find(&step->out, axis);
    int64_t far = term ? (term->table >= 0 ? INT64_MAX : term->stride.n) : 0;
    for (int32_t s = 0; s < step->n_src; s++) {
        term = ej_access_find(&step->src[s], axis);
        if (term && term->table >= 0) far = INT64_MAX;
    }
    return far == INT64_MIN ? INT64_MAX : llabs(far);
}

int ej_nest_outer_loops(ej_nest *nest, const ej_step *step, const ej_tiling *tiling, const ej_access *which, bool lacks,
                        ej_arena *arena, int32_t *parent)
{
    bool *done = EJ_NEW_ARRAY(arena, bool, (size_t)step->n_axes);
    if (!done) return EINJIT_E_NOMEM;
    for (int32_t round = 0; round < step->n_axes; round++) {
        int32_t pick = -1;
        for (int32_t a = 0; a < step->n_axes; a++) {
            if (done[a] || a == tiling->lane_axis || a == tiling->row_axis || !ej_access_find(&step->out, a)) continue;
            if (which && !ej_access_find(which, a) != lacks) continue;
            if (pick < 0 || reach(step, a) > reach(step, pick)) pick = a;
        }
        if (pick < 0) break;
        done[pick] = true;
        EJ_TRY(ej_nest_loop(nest, arena, *parent, pick, 1, parent));
    }
    return EINJIT_OK;
}

int64_t ej_source_reach(const ej_step *step, int32_t axis)
{
    int64_t widest = -1;
    for (int32_t s = 0; s < step->n_src; s++) {
        const ej_access_term *term = ej_access_find(&step->src[s], axis);
        int64_t n = term ? (term->stride.n < 0 ? -(term->stride.n + 1) : term->stride.n) : -1;
        if (n > widest) widest = n;
    }
    return widest;
}

int ej_nest_reduced_loops(ej_nest *nest, const ej_step *step, int32_t except, ej_arena *arena, int32_t *parent)
{
    bool *done = EJ_NEW_ARRAY(arena, bool, (size_t)step->n_axes);
    bool in_order = EJ_HELD(step->ordered, SUM_LOOPS);
    if (!done) return EINJIT_E_NOMEM;
    for (;;) {
        int32_t pick = -1;
        for (int32_t a = 0; a < step->n_axes; a++) {
            if (done[a] || a == except || ej_access_find(&step->out, a)) continue;
            if (pick < 0 || (!in_order && ej_source_reach(step, a) > ej_source_reach(step, pick))) pick = a;
        }
        if (pick < 0) return EINJIT_OK;
        done[pick] = true;
        EJ_TRY(ej_nest_loop(nest, arena, *parent, pick, 1, parent));
    }
}

ej_expr ej_expr_source(ej_arena *arena, int dtype)
{
    return ej_expr_constant(arena, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype, .a = 0});
}

ej_expr ej_expr_constant(ej_arena *arena, ej_expr_op op)
{
    ej_expr expr = {1, EJ_NEW(arena, ej_expr_op)};
    if (expr.ops) expr.ops[0] = op;
    else expr.n = 0;
    return expr;
}
