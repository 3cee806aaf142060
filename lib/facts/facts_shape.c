/* facts_shape.c - what is known of ranks and extents before any input is seen.
 *
 * Takes  a graph whose inputs may leave ranks and extents open.
 * Gives  per value a rank, or -1, and per axis the id of an extent. Equal ids are equal extents, whatever the inputs
 *        are; different ids may be equal all the same. Some ids are numbers or products of the program's names.
 * Keeps  to what bind would find; where that depends on extents that are not known, the answer is "not known".
 * Size   one look at every node; extents are interned.
 * Not here: refusals (bind).
 */
#include <stdlib.h>
#include <string.h>

#include "facts.h"

typedef struct ej_extent_entry {
    int64_t n; /* coefficient, or the number when n_symbols is 0; -1: known by its id alone */
    int32_t n_symbols;
    int32_t *symbols; /* ascending */
} ej_extent_entry;

struct ej_extent_table {
    ej_arena *arena;
    size_t n, capacity, n_slots;
    ej_extent_entry *entries;
    int32_t *slots; /* -1: free */
    bool failed;
};

/* ---- extents ---- */

static uint64_t hash_entry(const ej_extent_entry *x)
{
    uint64_t h = ej_hash64(&x->n, sizeof x->n, 0);
    return ej_hash64(x->symbols, (size_t)x->n_symbols * sizeof *x->symbols, h);
}

static bool same_entry(const ej_extent_entry *a, const ej_extent_entry *b)
{
    return a->n == b->n && a->n_symbols == b->n_symbols &&
           (!a->n_symbols || !memcmp(a->symbols, b->symbols, (size_t)a->n_symbols * sizeof *a->symbols));
}

static bool grow_slots(ej_extent_table *t)
{
    size_t n = t->n_slots ? t->n_slots * 2 : 64;
    int32_t *slots = EJ_NEW_ARRAY(t->arena, int32_t, n);
    if (!slots) return false;
    memset(slots, -1, n * sizeof *slots);
    for (size_t i = 0; i < t->n; i++) {
        if (t->entries[i].n < 0) continue;
        size_t slot = (size_t)hash_entry(&t->entries[i]) & (n - 1);
        while (slots[slot] >= 0) slot = (slot + 1) & (n - 1);
        slots[slot] = (int32_t)i;
    }
    t->slots = slots;
    t->n_slots = n;
    return true;
}

static int32_t add_entry(ej_extent_table *t, const ej_extent_entry *x)
{
    if (t->failed || !EJ_PUSH_ROOM(t->arena, t->entries, t->capacity, t->n)) {
        t->failed = true;
        return 0;
    }
    t->entries[t->n] = *x;
    return (int32_t)t->n++;
}

static int32_t intern(ej_extent_table *t, ej_extent_entry x)
{
    if (t->n >= t->n_slots / 2 && !grow_slots(t)) t->failed = true;
    if (t->failed) return 0;
    size_t slot = (size_t)hash_entry(&x) & (t->n_slots - 1);
    for (; t->slots[slot] >= 0; slot = (slot + 1) & (t->n_slots - 1))
        if (same_entry(&t->entries[t->slots[slot]], &x)) return t->slots[slot];
    int32_t id = add_entry(t, &x);
    t->slots[slot] = t->failed ? -1 : id;
    return id;
}

static int32_t number(ej_extent_table *t, int64_t n)
{
    return n < 0 ? add_entry(t, &(ej_extent_entry){.n = -1}) : intern(t, (ej_extent_entry){.n = n});
}

static int32_t some_extent(ej_extent_table *t)
{
    return number(t, -1);
}

/* coefficient * symbols; the array is taken over. */
static int32_t product(ej_extent_table *t, int64_t n, int32_t n_symbols, int32_t *symbols)
{
    if (n_symbols) qsort(symbols, (size_t)n_symbols, sizeof *symbols, ej_compare_labels);
    return intern(t, (ej_extent_entry){n, n_symbols, symbols});
}

static int32_t said(ej_extent_table *t, const ej_extent *extent)
{
    if (extent->n < 0) return some_extent(t);
    int32_t *symbols = EJ_NEW_ARRAY(t->arena, int32_t, (size_t)extent->n_symbols);
    if (!symbols) t->failed = true;
    if (t->failed) return 0;
    if (extent->n_symbols) memcpy(symbols, extent->symbols, (size_t)extent->n_symbols * sizeof *symbols);
    return product(t, extent->n, extent->n_symbols, symbols);
}

int64_t ej_extent_number(const ej_known_shapes *shapes, int32_t extent)
{
    if ((size_t)extent >= shapes->table->n) return -1; /* memory ran out before there was any */
    const ej_extent_entry *x = &shapes->table->entries[extent];
    return x->n_symbols ? -1 : x->n;
}

bool ej_extent_is_product(const ej_known_shapes *shapes, int32_t extent, ej_extent *out)
{
    const ej_extent_entry *x = &shapes->table->entries[extent];
    *out = (ej_extent){.n = x->n, .n_symbols = x->n_symbols, .symbols = x->symbols};
    return x->n >= 0;
}

static bool is_number(const ej_known_shapes *s, int32_t extent, int64_t n)
{
    return ej_extent_number(s, extent) == n;
}

/* Two extents under one label or broadcast axis. */
static int32_t meet(ej_known_shapes *s, int32_t a, int32_t b)
{
    if (a == b || is_number(s, b, 1)) return a;
    if (is_number(s, a, 1)) return b;
    if (ej_extent_number(s, a) >= 0) return a; /* a number that is not 1: the other is the same, or 1 */
    if (ej_extent_number(s, b) >= 0) return b;
    return some_extent(s->table); /* either may be 1 */
}

/* ---- shapes ---- */

static bool new_shape(ej_known_shapes *s, ej_known_shape *out, int32_t rank)
{
    *out = (ej_known_shape){.rank = -1};
    if (rank < 0) return false;
    out->extents = EJ_NEW_ARRAY(s->table->arena, int32_t, (size_t)rank);
    if (!out->extents) s->table->failed = true;
    if (s->table->failed) return false;
    out->rank = rank;
    return true;
}

static void unknown_rank(ej_known_shape *out)
{
    out->rank = -1;
}

static void copy_shape(ej_known_shapes *s, ej_known_shape *out, const ej_known_shape *from)
{
    if (new_shape(s, out, from->rank) && from->rank)
        memcpy(out->extents, from->extents, (size_t)from->rank * sizeof(int32_t));
}

static void of_said(ej_known_shapes *s, ej_known_shape *out, const ej_node *node, int32_t rank)
{
    if (!new_shape(s, out, rank)) return;
    for (int32_t i = 0; i < rank; i++)
        out->extents[i] = (uint32_t)i < node->n_extents ? said(s->table, &node->extents[i]) : some_extent(s->table);
}

static void of_broadcast(ej_known_shapes *s, ej_known_shape *out, uint32_t n, const ej_value *in)
{
    int32_t rank = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (s->of[in[i]].rank < 0) return;
        if (s->of[in[i]].rank > rank) rank = s->of[in[i]].rank;
    }
    if (!new_shape(s, out, rank)) return;
    for (int32_t a = 0; a < rank; a++) {
        int32_t extent = number(s->table, 1);
        for (uint32_t i = 0; i < n; i++) {
            const ej_known_shape *x = &s->of[in[i]];
            if (a < x->rank) extent = meet(s, extent, x->extents[x->rank - 1 - a]);
        }
        out->extents[rank - 1 - a] = extent;
    }
}

/* With the ranks that are known: those of the letters where there is no ellipsis. False: one is missing, or does not
 * fit. */
static bool resolve(ej_known_shapes *s, ej_subscripts *out, const ej_node *node)
{
    ej_arena *arena = s->table->arena;
    int32_t *ranks = EJ_NEW_ARRAY(arena, int32_t, node->n_in);
    if (!ranks) s->table->failed = true;
    if (s->table->failed) return false;
    for (uint32_t t = 0; t < node->n_in; t++) {
        const ej_term *term = &node->equation->terms[t];
        ranks[t] = s->of[node->in[t]].rank;
        if (ranks[t] < 0 && !ej_term_has(term, EJ_ELLIPSIS)) ranks[t] = (int32_t)term->n;
        if (!ej_term_fits(term, ranks[t])) return false;
    }
    if (ej_equation_resolve(out, arena, node->equation, ranks, NULL) == EINJIT_E_NOMEM) s->table->failed = true;
    return !s->table->failed;
}

static void of_einsum(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    ej_arena *arena = s->table->arena;
    ej_subscripts sub;
    if (!resolve(s, &sub, node)) {
        if (!ej_term_has(&node->equation->out, EJ_ELLIPSIS))
            of_said(s, out, &(ej_node){0}, (int32_t)node->equation->out.n);
        return;
    }
    int32_t *extents = EJ_NEW_ARRAY(arena, int32_t, sub.n_labels);
    if (!extents) s->table->failed = true;
    if (!extents) return;
    int32_t one = number(s->table, 1);
    for (uint32_t l = 0; l < sub.n_labels; l++) extents[l] = one;
    for (uint32_t t = 0; t < node->n_in; t++) {
        const ej_known_shape *x = &s->of[node->in[t]];
        for (uint32_t i = 0; i < sub.terms[t].n; i++) {
            int32_t extent = x->rank < 0 ? some_extent(s->table) : x->extents[i];
            extents[sub.terms[t].labels[i]] = meet(s, extents[sub.terms[t].labels[i]], extent);
        }
    }
    if (!new_shape(s, out, (int32_t)sub.out.n)) return;
    for (uint32_t i = 0; i < sub.out.n; i++) out->extents[i] = extents[sub.out.labels[i]];
}

static void of_reduce(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    if (node->all_dims && !node->keepdim) {
        new_shape(s, out, 0);
        return;
    }
    if (x->rank < 0) return;
    bool *over = EJ_NEW_ARRAY(s->table->arena, bool, (size_t)x->rank);
    if (!over) s->table->failed = true;
    if (!over) return;
    int32_t axis, n = 0;
    for (uint32_t i = 0; i < node->n_dims; i++) {
        if (!x->rank) continue; /* a scalar has axes 0 and -1 */
        if (!ej_axis_of(node->dims[i], x->rank, &axis)) return;
        over[axis] = true;
    }
    for (int32_t i = 0; i < x->rank; i++) n += (over[i] |= node->all_dims);
    if (!new_shape(s, out, node->keepdim ? x->rank : x->rank - n)) return;
    for (int32_t i = 0, k = 0; i < x->rank; i++) {
        if (!over[i]) out->extents[k++] = x->extents[i];
        else if (node->keepdim) out->extents[k++] = number(s->table, 1);
    }
}

static void of_matmul(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *a = &s->of[node->in[0]], *b = &s->of[node->in[1]];
    if (a->rank < 1 || b->rank < 1) return;
    int32_t batch_a = a->rank > 2 ? a->rank - 2 : 0, batch_b = b->rank > 2 ? b->rank - 2 : 0;
    int32_t batch = batch_a > batch_b ? batch_a : batch_b;
    if (!new_shape(s, out, batch + (a->rank > 1) + (b->rank > 1))) return;
    for (int32_t i = 0; i < batch; i++) {
        int32_t extent = number(s->table, 1);
        if (i < batch_a) extent = meet(s, extent, a->extents[batch_a - 1 - i]);
        if (i < batch_b) extent = meet(s, extent, b->extents[batch_b - 1 - i]);
        out->extents[batch - 1 - i] = extent;
    }
    int32_t k = batch;
    if (a->rank > 1) out->extents[k++] = a->extents[a->rank - 2];
    if (b->rank > 1) out->extents[k] = b->extents[b->rank - 1];
}

static void of_tensordot(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *a = &s->of[node->in[0]], *b = &s->of[node->in[1]];
    if (a->rank < 0 || b->rank < 0) return;
    bool *gone = EJ_NEW_ARRAY(s->table->arena, bool, (size_t)a->rank + (size_t)b->rank);
    if (!gone) s->table->failed = true;
    if (!gone) return;
    int64_t n = node->n_dims ? node->n_dims / 2 : node->integer > 0 ? node->integer : 0;
    if (n > a->rank || n > b->rank) return;
    for (int64_t i = 0; i < n; i++) {
        int32_t at = (int32_t)(a->rank - n + i), bt = (int32_t)i;
        if (node->n_dims && (!ej_axis_of(node->dims[i], a->rank, &at) || !ej_axis_of(node->dims[n + i], b->rank, &bt)))
            return;
        gone[at] = gone[a->rank + bt] = true;
    }
    if (!new_shape(s, out, a->rank + b->rank - 2 * (int32_t)n)) return;
    int32_t k = 0;
    for (int32_t i = 0; i < a->rank + b->rank && k < out->rank; i++)
        if (!gone[i]) out->extents[k++] = i < a->rank ? a->extents[i] : b->extents[i - a->rank];
    if (k < out->rank) unknown_rank(out);
}

static void of_permute(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    int32_t axis;
    if (x->rank < 0 || (int32_t)node->n_dims != x->rank || !new_shape(s, out, x->rank)) return;
    for (int32_t i = 0; i < x->rank; i++) {
        if (!ej_axis_of(node->dims[i], x->rank, &axis)) {
            unknown_rank(out);
            return;
        }
        out->extents[i] = x->extents[axis];
    }
}

static void of_transpose(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    int32_t a, b;
    copy_shape(s, out, x);
    if (out->rank < 1) return;
    if (!ej_axis_of(node->dims[0], x->rank, &a) || !ej_axis_of(node->dims[1], x->rank, &b)) {
        unknown_rank(out);
        return;
    }
    out->extents[a] = x->extents[b];
    out->extents[b] = x->extents[a];
}

/* total / the product of the others, as far as the names cancel. */
static int32_t remaining(ej_known_shapes *s, const ej_known_shape *x, const ej_node *node)
{
    ej_arena *arena = s->table->arena;
    int64_t above = 1, below = 1;
    size_t n = 0, m = 0, room = 0;
    for (int32_t i = 0; i < x->rank; i++) room += (size_t)s->table->entries[x->extents[i]].n_symbols;
    int32_t *symbols = EJ_NEW_ARRAY(arena, int32_t, room);
    if (!symbols) s->table->failed = true;
    if (!symbols) return 0;
    for (int32_t i = 0; i < x->rank; i++) {
        const ej_extent_entry *e = &s->table->entries[x->extents[i]];
        if (e->n <= 0 || !ej_mul_size(above, e->n, &above)) return some_extent(s->table);
        for (int32_t k = 0; k < e->n_symbols; k++) symbols[n++] = e->symbols[k];
    }
    for (uint32_t i = 0; i < node->n_extents; i++) {
        const ej_extent *e = &node->extents[i];
        if (e->n == EJ_EXTENT_UNKNOWN) continue;
        if (!e->n || !ej_mul_size(below, e->n, &below)) return some_extent(s->table);
        for (int32_t k = 0; k < e->n_symbols; k++) {
            for (m = 0; m < n && symbols[m] != e->symbols[k]; m++) {}
            if (m == n) return some_extent(s->table);
            symbols[m] = symbols[--n];
        }
    }
    if (above % below) return some_extent(s->table);
    return product(s->table, above / below, (int32_t)n, symbols);
}

static void of_reshape(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    if (!new_shape(s, out, (int32_t)node->n_extents)) return;
    for (uint32_t i = 0; i < node->n_extents; i++) {
        bool open = node->extents[i].n == EJ_EXTENT_UNKNOWN;
        if (!open) out->extents[i] = said(s->table, &node->extents[i]);
        else out->extents[i] = x->rank < 0 ? some_extent(s->table) : remaining(s, x, node);
    }
}

static void of_expand(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    if (!new_shape(s, out, (int32_t)node->n_extents)) return;
    for (int32_t i = 0; i < out->rank; i++) {
        int32_t axis = i - (out->rank - x->rank);
        if (node->extents[i].n != EJ_EXTENT_UNKNOWN) out->extents[i] = said(s->table, &node->extents[i]);
        else out->extents[i] = x->rank < 0 || axis < 0 || axis >= x->rank ? some_extent(s->table) : x->extents[axis];
    }
}

static void of_unsqueeze(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    int32_t axis;
    if (x->rank < 0 || !ej_axis_of(node->dims[0], x->rank + 1, &axis) || !new_shape(s, out, x->rank + 1)) return;
    for (int32_t i = 0; i < out->rank; i++)
        out->extents[i] = i == axis ? number(s->table, 1) : x->extents[i - (i > axis)];
}

/* Whether an axis is dropped depends on its extent. */
static void of_squeeze(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    if (x->rank < 0) return;
    bool *gone = EJ_NEW_ARRAY(s->table->arena, bool, (size_t)x->rank);
    if (!gone) s->table->failed = true;
    if (!gone) return;
    int32_t axis, n = 0;
    for (int32_t i = 0; i < x->rank; i++) gone[i] = !node->n_dims;
    for (uint32_t i = 0; i < node->n_dims; i++) {
        if (!x->rank) continue;
        if (!ej_axis_of(node->dims[i], x->rank, &axis)) return;
        gone[axis] = true;
    }
    for (int32_t i = 0; i < x->rank; i++) {
        if (!gone[i]) continue;
        if (ej_extent_number(s, x->extents[i]) < 0) return;
        gone[i] = is_number(s, x->extents[i], 1);
        n += gone[i];
    }
    if (!new_shape(s, out, x->rank - n)) return;
    for (int32_t i = 0, k = 0; i < x->rank; i++)
        if (!gone[i]) out->extents[k++] = x->extents[i];
}

static int64_t clamp_index(int64_t at, int64_t n)
{
    if (at < 0) at += n;
    return at < 0 ? 0 : at > n ? n : at;
}

static int64_t clamp_down(int64_t at, int64_t n)
{
    if (at < 0) at += n;
    return at < 0 ? -1 : at >= n ? n - 1 : at;
}

static int32_t range_extent(ej_known_shapes *s, const ej_index_item *item, int32_t extent)
{
    bool from_start = item->start == INT64_MIN || item->start == 0, to_end = item->stop == INT64_MAX;
    int64_t n = ej_extent_number(s, extent), step = item->step;
    if (to_end && ((from_start && step == 1) || (item->start == INT64_MIN && step == -1))) return extent;
    if (n < 0) return some_extent(s->table);
    if (step < 0) {
        int64_t from = item->start == INT64_MIN ? n - 1 : clamp_down(item->start, n);
        int64_t to = to_end ? -1 : clamp_down(item->stop, n);
        return number(s->table, from > to ? (from - to - 1) / -(step < -INT64_MAX ? -INT64_MAX : step) + 1 : 0);
    }
    int64_t start = item->start == INT64_MIN ? 0 : clamp_index(item->start, n);
    int64_t stop = to_end ? n : clamp_index(item->stop, n);
    return number(s->table, stop > start ? (stop - start - 1) / step + 1 : 0);
}

static void of_slice(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    int32_t taken = 0, fresh = 0, at = 0, k = 0;
    bool dots = false;
    if (x->rank < 0) return;
    for (uint32_t i = 0; i < node->n_items; i++) {
        taken += node->items[i].kind == EJ_INDEX_RANGE || node->items[i].kind == EJ_INDEX_AT;
        fresh += node->items[i].kind == EJ_INDEX_NEW_AXIS;
        fresh -= node->items[i].kind == EJ_INDEX_AT;
    }
    if (taken > x->rank || !new_shape(s, out, x->rank + fresh)) return;
    for (uint32_t i = 0; i < node->n_items; i++) {
        const ej_index_item *item = &node->items[i];
        switch (item->kind) {
        case EJ_INDEX_NEW_AXIS: out->extents[k++] = number(s->table, 1); break;
        case EJ_INDEX_AT: at++; break;
        case EJ_INDEX_RANGE: out->extents[k++] = range_extent(s, item, x->extents[at]), at++; break;
        default:
            for (int32_t e = dots ? 0 : x->rank - taken; e > 0; e--) out->extents[k++] = x->extents[at++];
            dots = true;
        }
    }
    while (k < out->rank && at < x->rank) out->extents[k++] = x->extents[at++];
    if (k < out->rank) unknown_rank(out);
}

static void of_join(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    bool stacks = node->op == EJ_OP_STACK;
    int32_t axis;
    int64_t n = 0;
    if (x->rank < 0 || !ej_axis_of(node->dims[0], x->rank + stacks, &axis) || !new_shape(s, out, x->rank + stacks))
        return;
    for (uint32_t i = 0; i < node->n_in && !stacks && n >= 0; i++) {
        const ej_known_shape *y = &s->of[node->in[i]];
        int64_t more = y->rank > axis ? ej_extent_number(s, y->extents[axis]) : -1;
        if (more < 0 || !ej_add_size(n, more, &n)) n = -1;
    }
    for (int32_t i = 0; i < out->rank; i++) {
        if (i == axis) out->extents[i] = number(s->table, stacks ? (int64_t)node->n_in : n);
        else out->extents[i] = x->extents[i - (stacks && i > axis)];
    }
}

static void of_index(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    bool selects = node->op == EJ_OP_INDEX_SELECT;
    const ej_known_shape *x = &s->of[node->in[selects ? 0 : 1]], *index = &s->of[node->in[selects ? 1 : 0]];
    int32_t axis;
    copy_shape(s, out, x);
    if (out->rank < 0) return;
    if (!ej_axis_of(node->dims[0], x->rank, &axis)) unknown_rank(out);
    else if (!selects) out->extents[axis] = said(s->table, &node->extents[0]);
    else out->extents[axis] = index->rank == 1 ? index->extents[0] : some_extent(s->table);
}

static void of_diagonal(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    if (x->rank < 1 || !new_shape(s, out, x->rank + 1)) return;
    memcpy(out->extents, x->extents, (size_t)x->rank * sizeof *x->extents);
    out->extents[x->rank] = x->extents[x->rank - 1];
}

static void of_split(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]], *part = &s->of[node->in[1 + node->dims[1]]];
    int32_t axis;
    copy_shape(s, out, x);
    if (out->rank < 0) return;
    if (!ej_axis_of(node->dims[0], x->rank, &axis)) unknown_rank(out);
    else out->extents[axis] = part->rank == x->rank ? part->extents[axis] : some_extent(s->table);
}

static void of_arange(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    int32_t axis;
    of_said(s, out, node, 1);
    if (!node->n_in || out->rank < 0) return;
    const ej_known_shape *x = &s->of[node->in[0]];
    if (x->rank >= 0 && ej_axis_of(node->dims[0], x->rank, &axis)) out->extents[0] = x->extents[axis];
}

static void of_flatten(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    const ej_known_shape *x = &s->of[node->in[0]];
    int32_t first, last, k = 0;
    int64_t n = 1;
    if (x->rank < 1 || !ej_axis_of(node->dims[0], x->rank, &first) || !ej_axis_of(node->dims[1], x->rank, &last))
        return;
    if (first > last || !new_shape(s, out, x->rank - (last - first))) return;
    for (int32_t i = first; i <= last && n >= 0; i++) {
        int64_t more = ej_extent_number(s, x->extents[i]);
        if (more < 0 || !ej_mul_size(n, more, &n)) n = -1;
    }
    for (int32_t i = 0; i < first; i++) out->extents[k++] = x->extents[i];
    out->extents[k++] = first == last ? x->extents[first] : number(s->table, n);
    for (int32_t i = last + 1; i < x->rank; i++) out->extents[k++] = x->extents[i];
}

static void of_node(ej_known_shapes *s, ej_known_shape *out, const ej_node *node)
{
    switch (node->op) {
    case EJ_OP_INPUT: of_said(s, out, node, node->rank); break;
    case EJ_OP_CONSTANT: of_said(s, out, node, node->rank); break;
    case EJ_OP_SCALAR: new_shape(s, out, 0); break;
    case EJ_OP_MAP: of_broadcast(s, out, node->n_in, node->in); break;
    case EJ_OP_EINSUM: of_einsum(s, out, node); break;
    case EJ_OP_REDUCE: of_reduce(s, out, node); break;
    case EJ_OP_MATMUL: of_matmul(s, out, node); break;
    case EJ_OP_TENSORDOT: of_tensordot(s, out, node); break;
    case EJ_OP_PERMUTE: of_permute(s, out, node); break;
    case EJ_OP_TRANSPOSE: of_transpose(s, out, node); break;
    case EJ_OP_RESHAPE: of_reshape(s, out, node); break;
    case EJ_OP_EXPAND: of_expand(s, out, node); break;
    case EJ_OP_UNSQUEEZE: of_unsqueeze(s, out, node); break;
    case EJ_OP_SQUEEZE: of_squeeze(s, out, node); break;
    case EJ_OP_SLICE: of_slice(s, out, node); break;
    case EJ_OP_CAT:
    case EJ_OP_STACK: of_join(s, out, node); break;
    case EJ_OP_INDEX_SELECT:
    case EJ_OP_INDEX_ADD: of_index(s, out, node); break;
    case EJ_OP_CAST:
    case EJ_OP_SOFTMAX:
    case EJ_OP_LAYER_NORM:
    case EJ_OP_TYPE_AS:
    case EJ_OP_ZEROS_LIKE:
    case EJ_OP_SLICE_SCATTER:
    case EJ_OP_INDEX_ADD_TO:
    case EJ_OP_STRUCTURAL:
    case EJ_OP_DETACH:
    case EJ_OP_CHOOSE: copy_shape(s, out, &s->of[node->in[0]]); break; /* of alternatives, the first */
    case EJ_OP_SUM_TO_SIZE:
    case EJ_OP_EXPAND_AS:
    case EJ_OP_RESHAPE_AS: copy_shape(s, out, &s->of[node->in[1]]); break;
    case EJ_OP_DIAG_EMBED: of_diagonal(s, out, node); break;
    case EJ_OP_SPLIT_AS: of_split(s, out, node); break;
    case EJ_OP_ARANGE: of_arange(s, out, node); break;
    case EJ_OP_GATHER_PLACES: copy_shape(s, out, &s->of[node->in[1]]); break;
    case EJ_OP_FLATTEN: of_flatten(s, out, node); break;
    default: break; /* not known */
    }
}

ej_known_shapes *ej_facts_shapes(const ej_graph *graph, ej_arena *arena)
{
    ej_known_shapes *s = EJ_NEW(arena, ej_known_shapes);
    if (!s) return NULL;
    s->table = EJ_NEW(arena, ej_extent_table);
    s->of = EJ_NEW_ARRAY(arena, ej_known_shape, graph->n_nodes);
    if (!s->table || !s->of) return NULL;
    s->table->arena = arena;
    some_extent(s->table); /* id 0 is there, for what runs on without memory */
    for (size_t v = 0; v < graph->n_nodes && !s->table->failed; v++) {
        s->of[v].rank = -1;
        of_node(s, &s->of[v], &graph->nodes[v]);
    }
    return s->table->failed ? NULL : s;
}
