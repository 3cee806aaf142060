/* schedule_settle.c - the nest of a schedule.
 *
 * Takes  a schedule, complete or not.
 * Gives  its tree: the loops as they stand, those that statements lack (the widest strides outermost; over reduced axes
 *        of ordered steps as these come), and for each statement that reduces, with R the loops over reduced axes
 *        around its accumulator:
 *            acc <- neutral
 *            acc <- reduce(acc, expr)                     inner loops around it
 *            acc <- reduce(acc, out)  when LATER(R)       each part of a long sum by itself: it keeps its digits
 *            out <- acc               when EARLIER(R)
 *            out <- epilogue(acc, tail)  when LAST(R)
 *        Where the tail may lie in `out`, and the epilogue is e(a * acc + b) with b made of the tail:
 *            out <- a * acc + b          when FIRST(R)
 *            out <- out + a * acc        when LATER(R)
 *            out <- e(out)               when LAST(R)
 *        Sums of a promised order start from what is there instead: acc <- neutral when FIRST(R), acc <- out when
 *        LATER(R). A statement that accumulates combines its part of the sum with what `out` holds instead, or runs
 *        through `out`. Where the sum is split along an axis, acc is
 *            result <- neutral; acc[lane] <- neutral
 *            acc[lane] <- reduce(acc[lane], expr)         for whole chunks of the axis
 *            acc[rest] <- reduce(acc[rest], expr)         for the rest (where loops are around the chunks: result)
 *            result <- reduce(result, acc[lane])
 *        Where it is folded (schedule_fold.c), with h one of the axis' bits, in as many steps as there are bits:
 *            rows <- expr                                 or the sum over the other reduced axes
 *            fold <- rows[h = 0]; fold <- reduce(fold, rows[h = 1])
 *            acc <- reduce(acc, fold)                     over the last bit
 */
#include "schedule.h"

#include <string.h>

typedef struct settler {
    const ej_schedule *s;
    ej_nest *nest;
    ej_arena *arena;
    int32_t *loops; /* by node of the schedule: the nest's */
    /* the statement that is written */
    const ej_statement *st;
    ej_access out, *src, acc;
    ej_when first, later, last, earlier; /* over R; ALWAYS where R is empty */
    int32_t n_around;                    /* loops of R */
} settler;

/* ---- accesses ---- */

static int write_accesses(settler *w)
{
    int32_t n = w->st->n_src + w->st->n_tail;
    w->src = EJ_NEW_ARRAY(w->arena, ej_access, (size_t)n);
    if (!w->src) return EINJIT_E_NOMEM;
    for (int32_t i = 0; i < n; i++) EJ_TRY(ej_layout_access(w->s, &w->st->src[i], &w->src[i], w->arena));
    return ej_layout_access(w->s, &w->st->out, &w->out, w->arena);
}

static int64_t reach(const settler *w, int32_t axis, bool reduced)
{
    return ej_rule_reach(&w->out, w->st->n_src, w->src, axis, reduced);
}

/* ---- loops that are lacking ---- */

/* The range inside of the first n loops in the accumulator. */
static int64_t inner_range(const settler *w, int32_t axis, int32_t n)
{
    int64_t range = ej_schedule_range(w->s, w->st->node, axis);
    for (int32_t i = 0; i < n; i++)
        if (w->st->inner[i].axis == axis && w->st->inner[i].step < range) range = w->st->inner[i].step;
    return range;
}

/* Some value of the axis is not covered by the tile: an axis that no access names is counted one by one, and one that
 * has no values keeps leaves that do not name it from running. */
static bool lacks_loop(const settler *w, int32_t axis, bool reduced)
{
    bool named = ej_statement_names(w->st, axis);
    if (w->st->has_split && axis == w->st->split) return false;
    if (ej_statement_reduces(w->st, axis) != reduced || (!named && (!reduced || w->st->copies))) return false;
    int64_t range = reduced ? inner_range(w, axis, w->st->n_inner) : ej_schedule_range(w->s, w->st->node, axis);
    return named ? range > ej_tile_count(&w->st->tile, axis) || !range : range != 1;
}

static int add_loops(settler *w, bool reduced, int32_t *parent)
{
    bool *done = EJ_NEW_ARRAY(w->arena, bool, (size_t)w->s->n_axes),
         in_order = reduced && EJ_HELD(w->s->ordered, SUM_LOOPS);
    if (!done) return EINJIT_E_NOMEM;
    for (;;) {
        int32_t pick = -1;
        for (int32_t a = 0; a < w->s->n_axes; a++) {
            if (done[a] || !lacks_loop(w, a, reduced)) continue;
            if (pick < 0 || (!in_order && reach(w, a, reduced) > reach(w, pick, reduced))) pick = a;
        }
        if (pick < 0) return EINJIT_OK;
        done[pick] = true;
        EJ_TRY(ej_nest_loop(w->nest, w->arena, *parent, pick, ej_tile_count(&w->st->tile, pick), parent));
    }
}

static int add_inner(settler *w, int32_t *parent)
{
    for (int32_t i = 0; i < w->st->n_inner; i++) {
        const ej_inner_loop *loop = &w->st->inner[i];
        if (loop->step >= inner_range(w, loop->axis, i)) continue; /* a loop around the statement came later */
        EJ_TRY(ej_nest_loop(w->nest, w->arena, *parent, loop->axis, loop->step, parent));
    }
    return add_loops(w, true, parent);
}

/* ---- leaves ---- */

static const ej_leaf_hints none = {0};

static int add_leaf(settler *w, int32_t parent, const ej_access *dst, int32_t n_src, ej_access *src,
                    const ej_expr *expr, int reduce, const ej_tile *tile, const ej_when *when, ej_leaf_hints hints)
{
    ej_nest_node leaf = {.kind = EJ_NEST_LEAF,
                         .dst = *dst,
                         .n_src = n_src,
                         .src = src,
                         .expr = *expr,
                         .reduce = (int8_t)reduce,
                         .tile = *tile,
                         .hints = hints,
                         .pairs = expr == &w->st->expr && reduce != EJ_REDUCE_NONE && ej_statement_pairs(w->s, w->st)};
    int32_t id;
    if (when) leaf.when = *when;
    return ej_nest_leaf(w->nest, w->arena, parent, &leaf, &id);
}

static int one_op(settler *w, ej_expr_op op, ej_expr *out)
{
    *out = (ej_expr){1, EJ_NEW(w->arena, ej_expr_op)};
    if (!out->ops) return EINJIT_E_NOMEM;
    out->ops[0] = op;
    return EINJIT_OK;
}

static int source_of(settler *w, int dtype, ej_expr *out)
{
    return one_op(w, (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = (int16_t)dtype, .a = 0}, out);
}

/* dst <- src, or combined with it */
static int add_pass(settler *w, int32_t parent, const ej_access *dst, const ej_access *src, const ej_expr *expr,
                    int reduce, const ej_tile *tile, const ej_when *when, ej_leaf_hints hints)
{
    ej_access *copy = EJ_NEW(w->arena, ej_access);
    if (!copy) return EINJIT_E_NOMEM;
    *copy = *src;
    return add_leaf(w, parent, dst, 1, copy, expr, reduce, tile, when, hints);
}

/* The digits of axes that the result has. */
static ej_tile result_tile(const settler *w)
{
    ej_tile tile = {0}, all = w->st->tile;
    if (w->st->has_fold) all = ej_fold_tile(w->st, NULL, ej_fold_bits(w->st));
    for (int32_t d = 0; d < all.n; d++)
        if (ej_access_find(&w->out, all.digits[d].axis)) tile.digits[tile.n++] = all.digits[d];
    return tile;
}

/* A register for each result of the tile, axes in the order of their first digits. */
static int place_registers(settler *w, const char *name, const ej_tile *tile, int32_t parent, ej_access *out)
{
    int64_t elems = 1;
    ej_buffer buffer = {.name = name, .dtype = (int16_t)ej_statement_dtype(w->st), .home = EJ_HOME_REG, .slot = -1};
    *out = (ej_access){.terms = EJ_NEW_ARRAY(w->arena, ej_access_term, EJ_TILE_DIGITS)};
    if (!out->terms) return EINJIT_E_NOMEM;
    for (int32_t d = tile->n; d-- > 0;) {
        int32_t axis = tile->digits[d].axis;
        if (ej_access_find(out, axis)) continue;
        out->terms[out->n_terms++] = (ej_access_term){.axis = axis, .table = -1, .stride = ej_size_number(elems)};
        elems *= ej_tile_count(tile, axis);
    }
    buffer.elems = ej_size_number(elems);
    EJ_TRY(ej_nest_buffer(w->nest, w->arena, &buffer, &out->buffer));
    return ej_nest_place(w->nest, w->arena, parent, out->buffer);
}

/* ---- statements ---- */

static int find_around(settler *w)
{
    int32_t n = 0, *axes = EJ_NEW_ARRAY(w->arena, int32_t, (size_t)w->s->n_axes);
    if (!axes) return EINJIT_E_NOMEM;
    for (int32_t node = w->s->nodes[w->st->node].parent; node >= 0; node = w->s->nodes[node].parent) {
        int32_t axis = w->s->nodes[node].axis, i = 0;
        if (!ej_statement_reduces(w->st, axis)) continue;
        while (i < n && axes[i] != axis) i++;
        if (i == n) axes[n++] = axis;
    }
    w->n_around = n;
    w->first = w->later = w->last = w->earlier = (ej_when){0};
    if (!n) return EINJIT_OK;
    w->first = (ej_when){EJ_WHEN_FIRST, n, axes};
    w->later = (ej_when){EJ_WHEN_LATER, n, axes};
    w->last = (ej_when){EJ_WHEN_LAST, n, axes};
    w->earlier = (ej_when){EJ_WHEN_EARLIER, n, axes};
    return EINJIT_OK;
}

/* Asks for what the next turn of the innermost loop reads back: it comes from the L3 or farther, and nothing else is to
 * do while a tile waits for it (3 % of 1024^3 f64 on Sapphire Rapids). */
static ej_leaf_hints next_results(const settler *w)
{
    int64_t bytes = ej_dtypes[w->s->buffers[w->st->out.buffer].plan.dtype].bytes, ahead;
    int32_t node = w->s->nodes[w->st->node].parent;
    if (ej_buffer_is_placed(&w->s->buffers[w->st->out.buffer])) return none; /* scratch, which is near */
    while (node >= 0 && !ej_access_find(&w->out, w->s->nodes[node].axis)) node = w->s->nodes[node].parent;
    const ej_access_term *term = node < 0 ? NULL : ej_access_find(&w->out, w->s->nodes[node].axis);
    if (!term || term->table >= 0 || term->stride.e || term->stride.n <= 0) return none;
    if (!ej_mul_size(term->stride.n, bytes * w->s->nodes[node].step, &ahead) || ahead > EJ_HINT_AHEAD) return none;
    return (ej_leaf_hints){.ahead = ahead};
}

/* acc <- out, or combined with it */
static int write_resumed(settler *w, int32_t parent, const ej_tile *tile, const ej_tile *store, const ej_expr *same,
                         int reduce)
{
    ej_access part;
    if (!w->st->has_store) return add_pass(w, parent, &w->acc, &w->out, same, reduce, tile, &w->later, next_results(w));
    EJ_TRY(place_registers(w, "part", store, parent, &part)); /* read as it is stored, then shuffled */
    EJ_TRY(add_pass(w, parent, &part, &w->out, same, EJ_REDUCE_NONE, store, &w->later, next_results(w)));
    return add_pass(w, parent, &w->acc, &part, same, reduce, tile, &w->later, none);
}

/* out <- epilogue(acc, tail), or combined with it */
static int write_finish(settler *w, int32_t parent, const ej_expr *expr, int reduce, const ej_tile *store,
                        const ej_when *when, ej_leaf_hints hints)
{
    int32_t n = w->st->n_tail;
    ej_access *src = EJ_NEW_ARRAY(w->arena, ej_access, (size_t)n + 1);
    if (!src) return EINJIT_E_NOMEM;
    src[0] = w->acc;
    if (n) memcpy(src + 1, w->src + w->st->n_src, (size_t)n * sizeof *src);
    return add_leaf(w, parent, &w->out, n + 1, src, expr, reduce, store, when, hints);
}

/* out <- expr(value, tail), or combined with it */
static int write_part(settler *w, int32_t parent, const ej_access *value, ej_expr *expr, int reduce,
                      const ej_tile *store, const ej_when *when)
{
    int32_t n = w->st->n_tail;
    ej_access *all = EJ_NEW_ARRAY(w->arena, ej_access, (size_t)n + 1),
              *src = EJ_NEW_ARRAY(w->arena, ej_access, (size_t)n + 1);
    if (!all || !src) return EINJIT_E_NOMEM;
    all[0] = *value;
    if (n) memcpy(all + 1, w->src + w->st->n_src, (size_t)n * sizeof *all);
    int32_t n_src = ej_expr_sources(expr, n + 1, all, src);
    return add_leaf(w, parent, &w->out, n_src, src, expr, reduce, store, when, none);
}

static int write_parts(settler *w, int32_t parent, const ej_tile *store)
{
    ej_expr_parts parts;
    if (!ej_expr_in_parts(w->arena, &w->st->epilogue, w->st->reduce, &parts)) return EINJIT_E_NOMEM;
    EJ_TRY(write_part(w, parent, &w->acc, &parts.first, EJ_REDUCE_NONE, store, &w->first));
    EJ_TRY(write_part(w, parent, &w->acc, &parts.later, w->st->reduce, store, &w->later));
    return parts.rest.n ? write_part(w, parent, &w->out, &parts.rest, EJ_REDUCE_NONE, store, &w->last) : EINJIT_OK;
}

static int write_end(settler *w, int32_t parent, const ej_tile *store, const ej_expr *same)
{
    const ej_expr *finish = w->st->epilogue.n ? &w->st->epilogue : same;
    int reduce = w->st->accumulate ? w->st->reduce : EJ_REDUCE_NONE;
    ej_leaf_hints last = {.stream = w->st->hints.stream && reduce == EJ_REDUCE_NONE, .rows = w->st->hints.rows};
    bool comes_again = w->n_around && !w->st->accumulate && !w->st->epilogue.n; /* one pass for all parts of a sum */
    if (comes_again) last.stream = false;
    if (!w->n_around || w->st->accumulate || !w->st->epilogue.n)
        return write_finish(w, parent, finish, reduce, store, NULL, last);
    EJ_TRY(add_pass(w, parent, &w->out, &w->acc, same, reduce, store, &w->earlier, none));
    return write_finish(w, parent, finish, reduce, store, &w->last, last);
}

/* ---- split sums ---- */

/* The axes that a split axis becomes: its value is offset + lane + step * chunk + far * part; an axis of -1 is not
 * there. */
typedef struct split_axes {
    int32_t lane, part, chunk;
    int64_t step, far, offset;
} split_axes;

/* The tile's digits of the split axis as those of its parts: all of them, or (`vector`) a vector's; `kept`: beside them
 * only digits of the result. */
static ej_tile split_tile(const settler *w, const split_axes *axes, bool vector, bool kept)
{
    ej_tile tile = {0};
    for (int32_t d = 0; d < w->st->tile.n; d++) {
        ej_digit digit = w->st->tile.digits[d];
        bool is_split = digit.axis == w->st->split;
        if (is_split ? vector && digit.place != EJ_LANE : kept && !ej_access_find(&w->out, digit.axis)) continue;
        if (is_split) digit.axis = axes->part >= 0 && digit.place != EJ_LANE ? axes->part : axes->lane;
        tile.digits[tile.n++] = digit;
    }
    return tile;
}

static void add_term(ej_access *access, int32_t axis, int64_t stride)
{
    if (axis >= 0)
        access->terms[access->n_terms++] =
            (ej_access_term){.axis = axis, .table = -1, .stride = ej_size_number(stride)};
}

static int split_sources(settler *w, const split_axes *axes, ej_access **out)
{
    *out = EJ_NEW_ARRAY(w->arena, ej_access, (size_t)w->st->n_src);
    if (!*out) return EINJIT_E_NOMEM;
    for (int32_t i = 0; i < w->st->n_src; i++) {
        ej_access *access = &(*out)[i];
        *access = w->src[i];
        access->n_terms = 0;
        access->terms = EJ_NEW_ARRAY(w->arena, ej_access_term, (size_t)w->src[i].n_terms + 2);
        if (!access->terms) return EINJIT_E_NOMEM;
        for (int32_t t = 0; t < w->src[i].n_terms; t++) {
            ej_access_term term = w->src[i].terms[t];
            bool is_split = term.axis == w->st->split;
            if (is_split) term.axis = axes->lane;
            access->terms[access->n_terms++] = term;
            if (!is_split) continue;
            access->base.n += term.stride.n * axes->offset;
            add_term(access, axes->part, term.stride.n * axes->far);
            add_term(access, axes->chunk, term.stride.n * axes->step);
        }
    }
    return EINJIT_OK;
}

/* The elements of acc that the rest's values go to, as those of one more chunk would. */
static int rest_of_acc(settler *w, const ej_access *acc, int32_t lane, int32_t rest, ej_access *out)
{
    *out = *acc;
    out->terms = EJ_NEW_ARRAY(w->arena, ej_access_term, (size_t)acc->n_terms);
    if (!out->terms) return EINJIT_E_NOMEM;
    for (int32_t t = 0; t < acc->n_terms; t++) {
        out->terms[t] = acc->terms[t];
        if (acc->terms[t].axis == lane) out->terms[t].axis = rest;
    }
    return EINJIT_OK;
}

/* Into acc, so that lanes are added up once; but where loops go over the chunks again, into the result: sums that are
 * added to in two places are not taken in blocks (nest_sums.c). */
static int write_rest(settler *w, int32_t parent, int64_t rest, int64_t from, const ej_access *acc, int32_t lane)
{
    split_axes axes = {.part = -1, .chunk = -1, .offset = from};
    ej_access *src, dst;
    EJ_TRY(ej_nest_axis(w->nest, w->arena, "rest", ej_size_number(rest), EJ_RUN_REDUCED, &axes.lane));
    EJ_TRY(split_sources(w, &axes, &src));
    if (acc) {
        ej_tile all = split_tile(w, &axes, false, false);
        EJ_TRY(rest_of_acc(w, acc, lane, axes.lane, &dst));
        return add_leaf(w, parent, &dst, w->st->n_src, src, &w->st->expr, w->st->reduce, &all, NULL, none);
    }
    ej_tile tile = split_tile(w, &axes, true, false);
    EJ_TRY(ej_nest_loop(w->nest, w->arena, parent, axes.lane, ej_tile_count(&tile, axes.lane), &parent));
    return add_leaf(w, parent, &w->acc, w->st->n_src, src, &w->st->expr, w->st->reduce, &tile, NULL, none);
}

static int add_split_axes(settler *w, int64_t chunks, int64_t width, split_axes *out)
{
    const split_axes whole = {.lane = w->st->split, .part = -1, .chunk = -1};
    ej_tile lanes = split_tile(w, &whole, true, false);
    int64_t vector = w->st->apart ? ej_tile_count(&lanes, w->st->split) : width;
    *out = (split_axes){.part = -1, .step = vector, .far = chunks * vector};
    EJ_TRY(ej_nest_axis(w->nest, w->arena, "chunk", ej_size_number(chunks), EJ_RUN_REDUCED, &out->chunk));
    EJ_TRY(ej_nest_axis(w->nest, w->arena, "lane", ej_size_number(vector), EJ_RUN_REDUCED, &out->lane));
    if (vector == width) return EINJIT_OK;
    return ej_nest_axis(w->nest, w->arena, "part", ej_size_number(width / vector), EJ_RUN_REDUCED, &out->part);
}

static int write_split(settler *w, int32_t parent, const ej_expr *same, const ej_expr *neutral, ej_leaf_hints hints)
{
    int64_t extent = w->s->axes[w->st->split].extent.n, width = ej_tile_count(&w->st->tile, w->st->split);
    int32_t inner = parent, chunks;
    split_axes axes;
    ej_access acc, *src;
    EJ_TRY(add_split_axes(w, extent / width, width, &axes));
    ej_tile tile = split_tile(w, &axes, false, false), part = split_tile(w, &axes, false, true);
    EJ_TRY(place_registers(w, "acc", &part, parent, &acc));
    EJ_TRY(add_leaf(w, parent, &acc, 0, NULL, neutral, EJ_REDUCE_NONE, &part, NULL, none));
    EJ_TRY(add_inner(w, &inner));
    EJ_TRY(ej_nest_loop(w->nest, w->arena, inner, axes.chunk, 1, &chunks));
    EJ_TRY(split_sources(w, &axes, &src));
    EJ_TRY(add_leaf(w, chunks, &acc, w->st->n_src, src, &w->st->expr, w->st->reduce, &tile, NULL, hints));
    bool once = inner == parent && axes.part < 0;
    int64_t rest = extent % width;
    if (rest) EJ_TRY(write_rest(w, inner, rest, extent - rest, once ? &acc : NULL, axes.lane));
    return add_pass(w, parent, &w->acc, &acc, same, w->st->reduce, &part, NULL, none);
}

/* ---- folded sums ---- */

enum { FOLD_BITS = 6 };

static int fold_sources(settler *w, const int32_t *bits, ej_access **out)
{
    *out = EJ_NEW_ARRAY(w->arena, ej_access, (size_t)w->st->n_src);
    if (!*out) return EINJIT_E_NOMEM;
    for (int32_t i = 0; i < w->st->n_src; i++) {
        ej_access *access = &(*out)[i];
        *access = w->src[i];
        access->n_terms = 0;
        access->terms = EJ_NEW_ARRAY(w->arena, ej_access_term, (size_t)w->src[i].n_terms + FOLD_BITS);
        if (!access->terms) return EINJIT_E_NOMEM;
        for (int32_t t = 0; t < w->src[i].n_terms; t++) {
            const ej_access_term *term = &w->src[i].terms[t];
            if (term->axis != w->st->fold) access->terms[access->n_terms++] = *term;
            for (int32_t b = 0; b < ej_fold_bits(w->st) && term->axis == w->st->fold; b++)
                add_term(access, bits[b], term->stride.n * ((int64_t)1 << b));
        }
    }
    return EINJIT_OK;
}

/* What of rows has a bit's value 0 or 1. */
static int half_of(settler *w, const ej_access *rows, int32_t bit, int value, ej_access *out)
{
    *out = *rows;
    out->n_terms = 0;
    out->terms = EJ_NEW_ARRAY(w->arena, ej_access_term, (size_t)rows->n_terms);
    if (!out->terms) return EINJIT_E_NOMEM;
    for (int32_t t = 0; t < rows->n_terms; t++) {
        if (rows->terms[t].axis != bit) out->terms[out->n_terms++] = rows->terms[t];
        else if (value) out->base.n += rows->terms[t].stride.n;
    }
    return EINJIT_OK;
}

/* The digits after so many steps, but for those of other sums. */
static ej_tile folded_tile(const settler *w, const int32_t *bits, int32_t steps)
{
    ej_tile all = ej_fold_tile(w->st, bits, steps), tile = {0};
    for (int32_t d = 0; d < all.n; d++)
        if (all.digits[d].axis >= w->s->n_axes || !ej_statement_reduces(w->st, all.digits[d].axis))
            tile.digits[tile.n++] = all.digits[d];
    return tile;
}

/* Something else is summed, too. */
static bool sums_rows(const settler *w)
{
    bool found = w->st->n_inner > 0;
    for (int32_t a = 0; a < w->s->n_axes && !found; a++)
        found = a != w->st->fold &&
                (lacks_loop(w, a, true) || (ej_statement_reduces(w->st, a) && ej_tile_count(&w->st->tile, a) > 1));
    return found;
}

static int write_rows(settler *w, int32_t parent, const int32_t *bits, const ej_access *rows, const ej_expr *neutral,
                      ej_leaf_hints hints)
{
    ej_tile tile = ej_fold_tile(w->st, bits, 0), kept = folded_tile(w, bits, 0);
    int reduce = sums_rows(w) ? w->st->reduce : EJ_REDUCE_NONE;
    ej_access *src;
    EJ_TRY(fold_sources(w, bits, &src));
    if (reduce != EJ_REDUCE_NONE) {
        EJ_TRY(add_leaf(w, parent, rows, 0, NULL, neutral, EJ_REDUCE_NONE, &kept, NULL, none));
        EJ_TRY(add_inner(w, &parent));
    }
    return add_leaf(w, parent, rows, w->st->n_src, src, &w->st->expr, reduce, &tile, NULL, hints);
}

static int write_fold(settler *w, int32_t parent, const ej_expr *same, const ej_expr *neutral, ej_leaf_hints hints)
{
    int32_t bits[FOLD_BITS], n = ej_fold_bits(w->st);
    ej_access rows;
    for (int32_t b = 0; b < n; b++)
        EJ_TRY(ej_nest_axis(w->nest, w->arena, "bit", ej_size_number(2), EJ_RUN_REDUCED, &bits[b]));
    ej_tile tile = folded_tile(w, bits, 0);
    EJ_TRY(place_registers(w, "rows", &tile, parent, &rows));
    EJ_TRY(write_rows(w, parent, bits, &rows, neutral, hints));
    for (int32_t step = 1; step < n; step++) {
        int32_t bit = bits[ej_fold_bit(w->st, step - 1)];
        ej_access fold, half;
        tile = folded_tile(w, bits, step);
        EJ_TRY(place_registers(w, "fold", &tile, parent, &fold));
        for (int value = 0; value < 2; value++) {
            EJ_TRY(half_of(w, &rows, bit, value, &half));
            EJ_TRY(add_pass(w, parent, &fold, &half, same, value ? w->st->reduce : EJ_REDUCE_NONE, &tile, NULL, none));
        }
        rows = fold;
    }
    tile = folded_tile(w, bits, n);
    ej_tile_add(&tile, bits[ej_fold_bit(w->st, n - 1)], 2, EJ_UNROLL);
    return add_pass(w, parent, &w->acc, &rows, same, w->st->reduce, &tile, NULL, none);
}

/* acc <- reduce(acc, expr) over what is reduced here */
static int write_sum(settler *w, int32_t parent, const ej_expr *same, const ej_expr *neutral)
{
    ej_leaf_hints hints = w->st->hints;
    hints.stream = false;
    if (w->st->has_split) return write_split(w, parent, same, neutral, hints);
    if (w->st->has_fold) return write_fold(w, parent, same, neutral, hints);
    EJ_TRY(add_inner(w, &parent));
    return add_leaf(w, parent, &w->acc, w->st->n_src, w->src, &w->st->expr, w->st->reduce, &w->st->tile, NULL, hints);
}

static int write_reduction(settler *w, int32_t parent)
{
    bool goes_on = EJ_HELD(w->s->ordered, SUM_LOOPS), resumes = w->n_around && !w->st->accumulate,
         in_parts = resumes && ej_statement_takes_tail_first(w->s, w->st);
    ej_expr same, neutral;
    ej_tile tile = result_tile(w), store = w->st->has_store ? w->st->store : tile;
    EJ_TRY(source_of(w, ej_statement_dtype(w->st), &same));
    EJ_TRY(place_registers(w, w->st->has_split ? "result" : "acc", &tile, parent, &w->acc));
    EJ_TRY(one_op(w, ej_reduce_neutral(w->st->reduce, ej_statement_dtype(w->st)), &neutral));
    EJ_TRY(add_leaf(w, parent, &w->acc, 0, NULL, &neutral, EJ_REDUCE_NONE, &tile, resumes && goes_on ? &w->first : NULL,
                    none));
    if (resumes && goes_on) EJ_TRY(write_resumed(w, parent, &tile, &store, &same, EJ_REDUCE_NONE));
    EJ_TRY(write_sum(w, parent, &same, &neutral));
    if (in_parts) return write_parts(w, parent, &store);
    if (resumes && !goes_on) EJ_TRY(write_resumed(w, parent, &tile, &store, &same, w->st->reduce));
    return write_end(w, parent, &store, &same);
}

static int write_statement(settler *w, const ej_statement *st, int32_t parent)
{
    w->st = st;
    EJ_TRY(write_accesses(w));
    EJ_TRY(find_around(w));
    EJ_TRY(add_loops(w, false, &parent));
    /* term by term */
    bool straight = st->in_memory || (st->accumulate && !st->epilogue.n && !ej_statement_sums(w->s, st));
    ej_leaf_hints hints = st->hints;
    hints.stream = hints.stream && !straight;
    if (straight) EJ_TRY(add_inner(w, &parent));
    if (st->reduce == EJ_REDUCE_NONE || straight)
        return add_leaf(w, parent, &w->out, st->n_src, w->src, &st->expr, straight ? st->reduce : EJ_REDUCE_NONE,
                        &st->tile, NULL, hints);
    return write_reduction(w, parent);
}

/* ---- the tree ---- */

static int write_buffers(settler *w)
{
    int32_t id;
    for (size_t b = 0; b < w->s->n_buffers; b++) {
        ej_buffer buffer = w->s->buffers[b].plan;
        if (ej_buffer_is_placed(&w->s->buffers[b])) buffer.elems = ej_size_number(ej_layout_elems(w->s, (int32_t)b));
        EJ_TRY(ej_nest_buffer(w->nest, w->arena, &buffer, &id));
    }
    return EINJIT_OK;
}

static int write_placed(settler *w, int32_t node)
{
    for (size_t b = 0; b < w->s->n_buffers; b++)
        if (w->s->buffers[b].at == node)
            EJ_TRY(ej_nest_place(w->nest, w->arena, node < 0 ? -1 : w->loops[node], (int32_t)b));
    return EINJIT_OK;
}

static int write_tree(settler *w)
{
    const ej_schedule *s = w->s;
    int32_t node = s->root;
    EJ_TRY(write_placed(w, EJ_AT_ROOT));
    while (node >= 0) {
        int32_t parent = s->nodes[node].parent, above = parent < 0 ? -1 : w->loops[parent];
        if (s->nodes[node].kind == EJ_SCHEDULE_LOOP) {
            EJ_TRY(ej_nest_loop(w->nest, w->arena, above, s->nodes[node].axis, s->nodes[node].step, &w->loops[node]));
            w->nest->nodes[w->loops[node]].aligned = s->nodes[node].aligned;
            EJ_TRY(write_placed(w, node));
            node = s->nodes[node].child;
            continue;
        }
        EJ_TRY(write_statement(w, &s->statements[s->nodes[node].statement], above));
        while (node >= 0 && s->nodes[node].next < 0) node = s->nodes[node].parent;
        if (node >= 0) node = s->nodes[node].next;
    }
    return EINJIT_OK;
}

int ej_schedule_settle(ej_nest *out, const ej_schedule *s)
{
    settler w = {.s = s, .nest = out, .arena = s->job->arena};
    ej_nest_init(out, s->name);
    w.loops = EJ_NEW_ARRAY(w.arena, int32_t, s->n_nodes);
    if (!w.loops || s->no_memory) return EINJIT_E_NOMEM;
    for (int32_t a = 0; a < s->n_axes; a++)
        EJ_TRY(ej_nest_axis(out, w.arena, s->axes[a].name, s->axes[a].extent, s->axes[a].run, NULL));
    EJ_TRY(write_buffers(&w));
    return write_tree(&w);
}
