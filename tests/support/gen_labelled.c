/* gen_labelled.c - makers over labels: values whose axes mean something, and einsums in which these meanings meet.
 *
 * A program has a few labels with an extent each. The axes of inputs are labels (of extent 1 now and then, to
 * broadcast); an einsum names its operands' axes by them and so contracts what belongs together. Letters are drawn anew
 * for every equation, so that equal einsums rarely look equal.
 */
#include <string.h>

#include "gen_maker.h"

enum { MAX_TERMS = 5, MAX_LETTERS = 40 };

void gen_set_axes(gen_maker *m, ej_value v, int n, const int8_t *axes)
{
    for (int a = 0; v >= 0 && a < n && a < GEN_MAX_RANK; a++) m->axes[v][a] = axes[a];
}

/* ---- inputs and constants ---- */

static ej_extent extent_of(gen_maker *m, int label, int64_t n)
{
    int32_t *symbol = EJ_NEW(gen_arena_of(m), int32_t);
    if (n == 1 && gen_chance(&m->r, 60)) return (ej_extent){.n = 1};
    if (label < 0 || n != m->label_extent[label] || m->label_symbol[label] < 0 || !symbol)
        return (ej_extent){.n = gen_chance(&m->r, 88) ? n : EJ_EXTENT_UNKNOWN};
    *symbol = m->label_symbol[label];
    return (ej_extent){.n = 1, .n_symbols = 1, .symbols = symbol};
}

static ej_value input_of(gen_maker *m, int dtype, int n, const int8_t *axes, const int64_t *shape)
{
    ej_node node = {.op = EJ_OP_INPUT,
                    .dtype = (int16_t)dtype,
                    .rank = n,
                    .n_extents = (uint32_t)n,
                    .extents = gen_extents_of(m, n, shape)};
    for (int a = 0; a < n; a++) node.extents[a] = extent_of(m, axes[a], shape[a]);
    ej_value v = gen_keep_input(m, &node, dtype, n, shape, 0);
    gen_set_axes(m, v, n, axes);
    return v;
}

static void shape_of(gen_maker *m, int n, const int8_t *axes, int64_t *shape, int percent_of_ones)
{
    for (int a = 0; a < n; a++) shape[a] = gen_chance(&m->r, percent_of_ones) ? 1 : m->label_extent[axes[a]];
    for (int a = 0; a < n; a++)
        for (int b = 0; b < a; b++)
            if (axes[a] == axes[b]) shape[a] = shape[b]; /* a diagonal has equal extents */
}

ej_value gen_label_input(gen_maker *m, int n, const int8_t *axes)
{
    int64_t shape[GEN_MAX_RANK];
    shape_of(m, n, axes, shape, 5);
    return input_of(m, gen_pick_dtype(m), n, axes, shape);
}

static int any_axes(gen_maker *m, int8_t *axes)
{
    static const int ranks[] = {0, 1, 1, 1, 2, 2, 2, 2, 3, 3};
    int n = ranks[gen_below(&m->r, 10)];
    for (int a = 0; a < n; a++) {
        axes[a] = (int8_t)gen_below(&m->r, GEN_LABELS);
        for (int b = 0; b < a; b++)
            if (axes[b] == axes[a] && gen_chance(&m->r, 75)) axes[a] = (int8_t)((axes[a] + 1) % GEN_LABELS);
    }
    return n;
}

ej_value gen_label_any_input(gen_maker *m)
{
    int8_t axes[GEN_MAX_RANK];
    int n = any_axes(m, axes);
    return gen_label_input(m, n, axes);
}

static ej_value constant_of(gen_maker *m, int dtype)
{
    int8_t axes[GEN_MAX_RANK];
    int64_t shape[GEN_MAX_RANK];
    int n = any_axes(m, axes) % 3;
    shape_of(m, n, axes, shape, 5);
    ej_value v = gen_new_constant(m, dtype, n, shape);
    gen_set_axes(m, v, n, axes);
    return v;
}

ej_value gen_label_constant(gen_maker *m)
{
    return constant_of(m, gen_pick_dtype(m));
}

ej_value gen_label_like(gen_maker *m, ej_value v)
{
    const oracle_value *x = gen_value(m, v);
    int64_t shape[GEN_MAX_RANK];
    int8_t axes[GEN_MAX_RANK];
    if (gen_is_literal(m, v)) return gen_linear_literal(m);
    memcpy(axes, m->axes[v], sizeof axes);
    for (int a = 0; a < x->rank; a++) shape[a] = x->shape[a];
    if (x->rank && gen_chance(&m->r, 15)) shape[gen_below(&m->r, x->rank)] = 1;
    return input_of(m, gen_chance(&m->r, 90) ? x->dtype : gen_pick_dtype(m), x->rank, axes, shape);
}

/* An input that shares axes with v. */
static ej_value partner_of(gen_maker *m, ej_value v)
{
    int8_t axes[GEN_MAX_RANK];
    int n = 0, rank = gen_value(m, v)->rank;
    for (int a = 0; a < rank && n < 2; a++)
        if (m->axes[v][a] >= 0 && gen_chance(&m->r, 60)) axes[n++] = m->axes[v][a];
    if (gen_chance(&m->r, 40)) axes[n++] = (int8_t)gen_below(&m->r, GEN_LABELS);
    if (n > 1 && gen_chance(&m->r, 50)) {
        int8_t swap = axes[0];
        axes[0] = axes[n - 1];
        axes[n - 1] = swap;
    }
    return gen_label_input(m, n, axes);
}

/* ---- einsums ---- */

typedef struct sketch {
    int n, rank[MAX_TERMS], n_out, n_letters;
    ej_value in[MAX_TERMS];
    int8_t term[MAX_TERMS][GEN_MAX_RANK], out[MAX_LETTERS]; /* letters: labels first, then axes without one */
    int dots[MAX_TERMS], n_dots;                            /* how many axes in front are written as an ellipsis */
    int reduce, combine;
} sketch;

static void letters_of(gen_maker *m, sketch *s)
{
    bool used[MAX_LETTERS] = {false};
    s->n_letters = GEN_LABELS;
    for (int t = 0; t < s->n; t++) {
        s->rank[t] = gen_value(m, s->in[t])->rank;
        for (int a = 0; a < s->rank[t]; a++) {
            int label = m->axes[s->in[t]][a];
            if (label < 0 && s->n_letters < MAX_LETTERS) label = s->n_letters++;
            /* meets another label, where extents allow */
            if (gen_chance(&m->r, 4)) label = gen_below(&m->r, GEN_LABELS);
            s->term[t][a] = (int8_t)label;
            used[label] = true;
        }
    }
    for (int l = 0; l < s->n_letters; l++)
        if (used[l]) s->out[s->n_out++] = (int8_t)l;
}

/* The same axes in front of all terms, or only of the first one, become an ellipsis. */
static void choose_dots(gen_maker *m, sketch *s)
{
    s->n_dots = s->rank[0] ? 1 + gen_below(&m->r, s->rank[0]) : 0;
    for (int t = 0; t < s->n; t++) {
        bool same = s->rank[t] >= s->n_dots;
        for (int a = 0; same && a < s->n_dots; a++) same = s->term[t][a] == s->term[0][a];
        s->dots[t] = same ? s->n_dots : 0;
    }
}

static bool below_dots(const sketch *s, int letter)
{
    for (int a = 0; a < s->n_dots; a++)
        if (s->term[0][a] == letter) return true;
    return false;
}

/* Some letters, shuffled: results of low rank, so that programs stay small. */
static void choose_output(gen_maker *m, sketch *s)
{
    int n = 0, most = gen_chance(&m->r, 85) ? 3 : 4;
    for (int i = s->n_out - 1; i > 0; i--) {
        int j = gen_below(&m->r, i + 1);
        int8_t swap = s->out[i];
        s->out[i] = s->out[j];
        s->out[j] = swap;
    }
    for (int i = 0; i < s->n_out && n < most; i++)
        if (!below_dots(s, s->out[i]) && gen_chance(&m->r, 62)) s->out[n++] = s->out[i];
    s->n_out = n;
}

static void shuffle_letters(gen_maker *m, char *letters)
{
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    memcpy(letters, all, sizeof all);
    for (int i = 51; i > 0; i--) {
        int j = gen_below(&m->r, i + 1);
        char swap = letters[i];
        letters[i] = letters[j];
        letters[j] = swap;
    }
}

static ej_value keep_einsum(gen_maker *m, const char *text, size_t length, int n, const ej_value *in, int reduce,
                            int combine)
{
    ej_equation *equation = EJ_NEW(gen_arena_of(m), ej_equation);
    if (!equation || ej_equation_parse(equation, gen_arena_of(m), text, length, (size_t)n, NULL)) return -1;
    ej_node node = {.op = EJ_OP_EINSUM,
                    .fn = (uint8_t)reduce,
                    .combine = (uint8_t)combine,
                    .dtype = -1,
                    .n_in = (uint32_t)n,
                    .in = gen_values_of(m, n, in),
                    .equation = equation};
    return gen_keep(m, &node, NULL);
}

static ej_value write_sketch(gen_maker *m, const sketch *s)
{
    char letters[53], text[256];
    int8_t axes[GEN_MAX_RANK];
    size_t at = 0;
    int n_axes = 0, dots_at = s->n_dots && gen_chance(&m->r, 88) ? gen_below(&m->r, s->n_out + 1) : -1;
    shuffle_letters(m, letters);
    for (int t = 0; t < s->n; t++) {
        if (t) text[at++] = ',';
        if (s->n_dots) at += (size_t)(stpcpy(text + at, "...") - (text + at));
        for (int a = s->dots[t]; a < s->rank[t]; a++) text[at++] = letters[s->term[t][a]];
    }
    at += (size_t)(stpcpy(text + at, "->") - (text + at));
    for (int i = 0; i <= s->n_out; i++) {
        if (i == dots_at) {
            at += (size_t)(stpcpy(text + at, "...") - (text + at));
            for (int a = 0; a < s->n_dots && n_axes < GEN_MAX_RANK; a++) axes[n_axes++] = s->term[0][a];
        }
        if (i == s->n_out) break;
        text[at++] = letters[s->out[i]];
        if (n_axes < GEN_MAX_RANK) axes[n_axes++] = s->out[i];
    }
    ej_value v = keep_einsum(m, text, at, s->n, s->in, s->reduce, s->combine);
    for (int a = 0; a < n_axes; a++)
        if (axes[a] >= GEN_LABELS) axes[a] = GEN_NO_LABEL;
    gen_set_axes(m, v, n_axes, axes);
    return v;
}

static void choose_semiring(gen_maker *m, sketch *s)
{
    static const int reduces[] = {EINJIT_REDUCE_MAX, EINJIT_REDUCE_MIN, EINJIT_REDUCE_LOGSUMEXP};
    bool ordered = true, all_bool = true;
    s->reduce = EINJIT_REDUCE_SUM;
    s->combine = EINJIT_COMBINE_MUL;
    for (int t = 0; t < s->n; t++) {
        const oracle_value *x = gen_value(m, s->in[t]);
        if (x->dtype < 0) return;
        ordered &= !ej_dtype_is_complex(x->dtype) && x->dtype != EINJIT_BOOL;
        all_bool &= x->dtype == EINJIT_BOOL;
        /* wrapped, + keeps no order */
        for (int64_t i = 0; i < x->n; i++) ordered &= x->e[i].i < 1 << 20 && x->e[i].i > -(1 << 20);
    }
    if (all_bool) s->reduce = EINJIT_REDUCE_OR;
    bool on_semiring = false; /* chains of one semiring */
    for (int t = 0; t < s->n; t++) {
        const ej_node *node = &m->p->graph.nodes[s->in[t]];
        on_semiring |= node->op == EJ_OP_EINSUM && node->fn != EINJIT_REDUCE_SUM;
    }
    if (!ordered || !gen_chance(&m->r, on_semiring ? 50 : 6)) return;
    s->reduce = reduces[gen_below(&m->r, 3)];
    s->combine = gen_chance(&m->r, 65) ? EINJIT_COMBINE_ADD : EINJIT_COMBINE_MUL;
}

static ej_value einsum_of(gen_maker *m, sketch *s)
{
    letters_of(m, s);
    if (gen_chance(&m->r, 13)) choose_dots(m, s);
    choose_output(m, s);
    choose_semiring(m, s);
    return write_sketch(m, s);
}

ej_value gen_label_einsum(gen_maker *m)
{
    static const int operands[] = {1, 1, 2, 2, 2, 2, 2, 3, 3, 4};
    sketch s = {.n = operands[gen_below(&m->r, 10)]};
    bool literals = gen_chance(&m->r, 4); /* behind the first operand */
    for (int t = 0; t < s.n; t++) {
        if (t && literals) s.in[t] = gen_linear_literal(m);
        else if (t && gen_chance(&m->r, 12)) s.in[t] = s.in[gen_below(&m->r, t)];
        else if (t && gen_chance(&m->r, 25)) s.in[t] = partner_of(m, s.in[0]);
        else s.in[t] = gen_chance(&m->r, t ? 25 : 8) ? gen_label_any_input(m) : gen_pick(m);
        if (s.in[t] < 0 && (s.in[t] = gen_pick(m)) < 0) return -1;
    }
    return einsum_of(m, &s);
}

ej_value gen_label_constants(gen_maker *m)
{
    sketch s = {.n = 2 + gen_below(&m->r, 3)};
    int n_constants = gen_chance(&m->r, 35) ? s.n : s.n - 1;
    bool masks = gen_chance(&m->r, 20); /* bool among numbers */
    for (int t = 0; t < s.n; t++) {
        s.in[t] = t >= n_constants ? gen_pick(m) : masks ? constant_of(m, EINJIT_BOOL) : gen_label_constant(m);
        if (s.in[t] < 0) return -1;
    }
    for (int t = s.n - 1; t > 0; t--) {
        int j = gen_below(&m->r, t + 1);
        ej_value swap = s.in[t];
        s.in[t] = s.in[j];
        s.in[j] = swap;
    }
    return einsum_of(m, &s);
}

static void order_of(gen_maker *m, int *order, int n, bool shuffled)
{
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; shuffled && i > 0; i--) {
        int j = gen_below(&m->r, i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

ej_value gen_einsum_again(gen_maker *m, ej_value v, int replaced, ej_value instead, bool shuffle)
{
    const ej_node *node = &m->p->graph.nodes[v];
    const ej_equation *equation = node->equation;
    int n = (int)node->n_in, order[MAX_TERMS], reduce = node->fn, combine = node->combine, n_out = (int)equation->out.n;
    int out_order[GEN_MAX_RANK + 1];
    ej_value in[MAX_TERMS];
    char letters[53], text[256];
    size_t at = 0;
    if (node->op != EJ_OP_EINSUM || n > MAX_TERMS || equation->n_labels > 50 || n_out > GEN_MAX_RANK + 1) return -1;
    shuffle_letters(m, letters);
    order_of(m, order, n, shuffle);
    bool turned = replaced < 0 && shuffle && gen_chance(&m->r, 50); /* the axes of the result too */
    order_of(m, out_order, n_out, turned);
    for (int t = 0; t <= n; t++) {
        const ej_term *term = t < n ? &equation->terms[order[t]] : &equation->out;
        if (t < n) in[t] = order[t] == replaced ? instead : node->in[order[t]];
        if (t) at += (size_t)(stpcpy(text + at, t < n ? "," : "->") - (text + at));
        for (uint32_t i = 0; i < term->n; i++) {
            int32_t label = term->labels[t < n ? i : (uint32_t)out_order[i]];
            if (label == EJ_ELLIPSIS) at += (size_t)(stpcpy(text + at, "...") - (text + at));
            else text[at++] = letters[label];
        }
    }
    for (int t = 0; t < n && reduce != EINJIT_REDUCE_SUM; t++) {
        int dtype = gen_value(m, in[t])->dtype;
        if (replaced >= 0 && ej_dtypes[dtype].kind == EJ_KIND_INT) return -1; /* might wrap: + would keep no order */
        if ((reduce == EINJIT_REDUCE_OR) != (dtype == EINJIT_BOOL) || ej_dtype_is_complex(dtype)) return -1;
    }
    int8_t axes[GEN_MAX_RANK];
    memcpy(axes, m->axes[v], sizeof axes);
    for (int a = 0; turned && a < n_out && n_out == gen_value(m, v)->rank; a++) axes[a] = m->axes[v][out_order[a]];
    ej_value again = keep_einsum(m, text, at, n, in, reduce, combine);
    gen_set_axes(m, again, again < 0 ? 0 : gen_value(m, again)->rank, axes);
    return again;
}

/* ---- products that are einsums by another name ---- */

ej_value gen_label_product(gen_maker *m)
{
    ej_value in[2] = {gen_pick(m), -1};
    if (in[0] < 0 || !gen_value(m, in[0])->rank || m->axes[in[0]][gen_value(m, in[0])->rank - 1] < 0) return -1;
    int rank = gen_value(m, in[0])->rank, n = 0;
    int8_t inner = m->axes[in[0]][rank - 1], axes[GEN_MAX_RANK],
           other[3] = {inner, (int8_t)gen_below(&m->r, GEN_LABELS)};
    bool dot = gen_chance(&m->r, 45), swap = gen_chance(&m->r, 25);
    in[1] = gen_label_input(m, gen_chance(&m->r, 80) ? 2 : 1, other);
    if (in[1] < 0) return -1;
    /* matmul broadcasts no summed axis */
    if (gen_value(m, in[1])->shape[0] != gen_value(m, in[0])->shape[rank - 1]) return -1;
    int more = gen_value(m, in[1])->rank - 1;
    ej_node node = {.op = dot ? EJ_OP_TENSORDOT : EJ_OP_MATMUL, .dtype = -1, .n_in = 2, .integer = dot ? -1 : 0};
    int64_t dims[2] = {rank - 1, 0};
    if (dot && swap) { /* the input first */
        ej_value first = in[1];
        in[1] = in[0];
        in[0] = first;
        dims[0] = 0;
        dims[1] = -1;
        for (int a = 0; a < more; a++) axes[n++] = other[1];
    }
    for (int a = 0; a + 1 < rank && n < GEN_MAX_RANK; a++) axes[n++] = m->axes[in[dot && swap]][a];
    for (int a = 0; !(dot && swap) && a < more && n < GEN_MAX_RANK; a++) axes[n++] = other[1];
    if (dot) {
        node.n_dims = 2;
        node.dims = gen_dims_of(m, 2, dims);
    }
    node.in = gen_values_of(m, 2, in);
    ej_value v = gen_keep(m, &node, NULL);
    gen_set_axes(m, v, n, axes);
    return v;
}
