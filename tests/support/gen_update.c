/* gen_update.c - programs whose result may lie where an input does: alpha * sum + beta * x, and more of that kind.
 *
 * The sum is a product, an einsum or a reduction of a few values, x an input of its shape. Most of these can be
 * computed in place (plan_in_place.c), some cannot: x is looked at in another way, too, or is no summand.
 */
#include "gen_maker.h"

static ej_value map_of(gen_maker *m, int fn, ej_value a, ej_value b)
{
    ej_value in[2] = {a, b};
    if (a < 0 || b < 0 || !gen_fn_allowed(m, fn, in)) return -1;
    return gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = (uint8_t)fn}, 2, in);
}

/* v; or v times a number of the program, or one that is given; v where that cannot be. */
static ej_value scaled(gen_maker *m, ej_value v)
{
    if (gen_chance(&m->r, 40)) return v;
    ej_value by =
        gen_chance(&m->r, 60) ? gen_make_literal(m) : gen_new_input(m, gen_value(m, v)->dtype, 0, (int64_t[]){0}, 0);
    int dtype = gen_value(m, v)->dtype;
    ej_value times = gen_chance(&m->r, 50) ? map_of(m, EJ_FN_MUL, v, by) : map_of(m, EJ_FN_MUL, by, v);
    return times >= 0 && gen_value(m, times)->dtype == dtype ? times : v;
}

static ej_value like(gen_maker *m, ej_value v)
{
    const oracle_value *value = gen_value(m, v);
    return gen_new_input(m, value->dtype, value->rank, value->shape, 0);
}

static ej_value sum_of(gen_maker *m)
{
    int kind = gen_below(&m->r, 10);
    return kind < 5 ? gen_make_product(m) : kind < 9 ? gen_make_einsum(m) : gen_make_reduce(m);
}

bool gen_update_end(gen_maker *m)
{
    static const int others[] = {EJ_FN_MUL, EJ_FN_MAXIMUM, EJ_FN_DIV};
    ej_value sum = -1;
    for (int tries = 0; tries < 20 && sum < 0; tries++) sum = sum_of(m);
    if (sum < 0) return false;
    ej_value x = like(m, sum), v = scaled(m, sum);
    if (x < 0) return false;
    ej_value term = scaled(m, x);
    int fn = gen_chance(&m->r, 65) ? EJ_FN_ADD : gen_chance(&m->r, 70) ? EJ_FN_SUB : others[gen_below(&m->r, 3)];
    v = gen_chance(&m->r, 60) ? map_of(m, fn, v, term) : map_of(m, fn, term, v);
    for (int n = gen_below(&m->r, 3); n > 0 && v >= 0; n--) {
        int kind = gen_below(&m->r, 6);
        ej_value next =
            kind < 2    ? map_of(m, kind ? EJ_FN_ADD : EJ_FN_SUB, v, like(m, v))
            : kind == 2 ? map_of(m, EJ_FN_MUL, v, gen_chance(&m->r, 50) ? x : like(m, v))
            : kind == 3 ? scaled(m, v)
                        : gen_keep_of(m, (ej_node){.op = EJ_OP_MAP, .fn = kind == 4 ? EJ_FN_NEG : EJ_FN_ABS}, 1, &v);
        if (next >= 0) v = next;
    }
    return v >= 0;
}
