/* nest_transpose.c - a copy between accesses whose unit strides lie along different axes, for panels that are packed.
 *
 * Takes  covered ranges of `from` and `to`: unit stride along `from` in the source, along `to` in the result.
 * Gives  square register tiles: vectors along `from` are loaded, shuffled, and stored as vectors along `to`.
 */
#include "nest_tiling.h"

static ej_tile tile_along(int32_t lanes, int32_t rows, int32_t n)
{
    return (ej_tile){.n = 2, .digits = {{rows, n, EJ_UNROLL}, {lanes, n, EJ_LANE}}};
}

int ej_nest_transpose(ej_nest *nest, ej_arena *arena, int32_t parent, int32_t from, int32_t to, int32_t tile,
                      const ej_access *dst, const ej_access *src, const ej_expr *expr)
{
    int32_t id;
    int dtype = expr->ops[expr->n - 1].dtype;
    EJ_TRY(ej_nest_loop(nest, arena, parent, to, tile, &parent));
    EJ_TRY(ej_nest_loop(nest, arena, parent, from, tile, &parent));
    ej_buffer buffer = {.name = "tile", .dtype = (int16_t)dtype, .home = EJ_HOME_REG, .slot = -1,
                        .elems = ej_size_number((int64_t)tile * tile)};
    ej_access *registers = EJ_NEW(arena, ej_access), *source = EJ_NEW(arena, ej_access);
    ej_access_term *terms = EJ_NEW_ARRAY(arena, ej_access_term, 2);
    if (!registers || !source || !terms) return EINJIT_E_NOMEM;
    EJ_TRY(ej_nest_buffer(nest, arena, &buffer, &registers->buffer));
    EJ_TRY(ej_nest_place(nest, arena, parent, registers->buffer));
    terms[0] = (ej_access_term){.axis = to, .table = -1, .stride = ej_size_number(tile)};
    terms[1] = (ej_access_term){.axis = from, .table = -1, .stride = ej_size_number(1)};
    registers->terms = terms;
    registers->n_terms = 2;
    *source = *src;
    ej_nest_node load = {.kind = EJ_NEST_LEAF, .dst = *registers, .n_src = 1, .src = source, .expr = *expr,
                         .reduce = EJ_REDUCE_NONE, .tile = tile_along(from, to, tile)};
    ej_nest_node store = {.kind = EJ_NEST_LEAF, .dst = *dst, .n_src = 1, .src = registers,
                          .expr = ej_expr_source(arena, dtype), .reduce = EJ_REDUCE_NONE,
                          .tile = tile_along(to, from, tile)};
    if (!store.expr.n) return EINJIT_E_NOMEM;
    EJ_TRY(ej_nest_leaf(nest, arena, parent, &load, &id));
    return ej_nest_leaf(nest, arena, parent, &store, &id);
}
