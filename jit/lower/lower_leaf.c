/* lower_leaf.c - leaves: moves and contractions over one tile.
 *
 * Takes  a leaf in the current ranges.
 * Gives  for every unroll number a vector of results. A move stores it. A contraction keeps one accumulator per result
 *        vector, combines into it, and stores it when its last term is in; lanes that belong to one result are brought
 *        together then. Results that may meet each other (through a table, or by their strides) go one after another.
 * Not here: expressions (lower_expr.c), loads and stores, REG rows.
 */
#include "lower_nest.h"

#include <stdlib.h>
#include <string.h>

/* Results of the lanes: group[l] is the result that lane l belongs to. */
typedef struct ej_results {
    ej_lanes lanes;
    int32_t group[EJ_LANES_MAX];
    int32_t n;
    bool single; /* a result per lane, in their order */
} ej_results;

static void results_of(const ej_leaf *leaf, const ej_lanes *lanes, ej_results *out)
{
    int32_t exist = 0;
    out->n = 0;
    ej_leaf_group(lanes, leaf->dst.set, &out->lanes, out->group);
    for (int32_t l = 0; l < lanes->n; l++) {
        exist += lanes->exist >> l & 1;
        if (out->group[l] >= out->n) out->n = out->group[l] + 1;
    }
    out->single = out->n == exist;
    if (out->single) out->lanes = *lanes;
}

/* ---- the destination ---- */

static ej_vec read_dst(ej_leaf *leaf, const ej_lanes *lanes)
{
    ej_lower *w = leaf->w;
    int32_t elems[EJ_LANES_MAX];
    if (leaf->dst.buffer->home != EJ_HOME_REG)
        return ej_operand_spread(w, ej_lower_load(leaf, &leaf->dst, lanes), lanes->n);
    if (!ej_leaf_elems(leaf, &leaf->dst, lanes, elems))
        return ej_lower_neutral(w, EINJIT_REDUCE_SUM, leaf->dst.buffer->dtype, lanes->n);
    return ej_reg_read(w, &w->regs, leaf->node->dst.buffer, lanes->n, elems);
}

static void write_dst(ej_leaf *leaf, const ej_lanes *lanes, ej_vec value)
{
    int32_t elems[EJ_LANES_MAX];
    if (leaf->dst.buffer->home != EJ_HOME_REG) ej_lower_store(leaf, &leaf->dst, lanes, value);
    else if (ej_leaf_elems(leaf, &leaf->dst, lanes, elems))
        ej_reg_write(leaf->w, leaf->node->dst.buffer, lanes->n, elems, value);
}

/* ---- moves ---- */

/* Of several lanes that store the same element the last one counts. */
static ej_vec last_of_groups(ej_lower *w, const ej_results *r, uint64_t valid, int32_t lanes, ej_vec value)
{
    int32_t mask[EJ_LANES_MAX];
    memset(mask, -1, sizeof mask);
    for (int32_t l = 0; l < lanes; l++)
        if (valid >> l & 1) mask[r->group[l]] = l;
    value.re = ej_shuffle(w, value.re, NULL, mask, r->lanes.n, "");
    if (value.im) value.im = ej_shuffle(w, value.im, NULL, mask, r->lanes.n, "");
    return value;
}

/* The tape's last value, in the destination's dtype. */
static ej_operand tape_result(ej_leaf *leaf, ej_tape *tape, int32_t unroll, const ej_lanes *lanes)
{
    const ej_expr *expr = &leaf->node->expr;
    int from = expr->ops[expr->n - 1].dtype, to = leaf->dst.buffer->dtype;
    ej_tape_run(leaf, tape, expr->n, unroll, lanes);
    ej_operand x = tape[expr->n - 1].now;
    if (from != to) x.v = ej_lower_cast(leaf->w->e, from, to, x.lanes, x.v);
    return x;
}

ej_vec ej_leaf_result(ej_leaf *leaf, ej_tape *tape, int32_t unroll, const ej_lanes *lanes)
{
    return ej_operand_spread(leaf->w, tape_result(leaf, tape, unroll, lanes), lanes->n);
}

/* Sums are added up in the buffer: its registers stay vectors. */
static bool has_sums(const ej_nest *nest, int32_t buffer)
{
    for (int32_t i = 0; i < nest->n_nodes; i++) {
        const ej_nest_node *node = &nest->nodes[i];
        if (node->kind == EJ_NEST_LEAF && node->reduce != EJ_REDUCE_NONE && node->dst.buffer == buffer) return true;
    }
    return false;
}

/* One lane of a rest, the value of which is in no vector: it need not go through one. */
static bool store_scalar(ej_leaf *leaf, const ej_lanes *lanes, uint64_t valid, ej_operand x)
{
    ej_offsets o;
    int32_t lane = 0, elems[EJ_LANES_MAX], buffer = leaf->node->dst.buffer;
    bool one = x.lanes == 1 && lanes->n > 1 && !(valid & (valid - 1));
    if (!one || leaf->dynamic & leaf->dst.set) return false;
    while (!(valid >> lane & 1)) lane++;
    if (leaf->dst.buffer->home == EJ_HOME_REG) {
        if (has_sums(leaf->w->nest, buffer) || !ej_leaf_elems(leaf, &leaf->dst, lanes, elems)) return false;
        ej_reg_write(leaf->w, buffer, 1, &elems[lane], x.v);
        return true;
    }
    ej_offsets_of(leaf, &leaf->dst, lanes, 0, &o);
    ej_lower_store_lane(leaf, &leaf->dst, lanes, &o, lane, 0, x.v);
    return true;
}

static void emit_move(ej_leaf *leaf, ej_tape *tape)
{
    ej_lanes lanes;
    ej_results r;
    for (int32_t u = 0; u < leaf->unrolls && leaf->w->status == EINJIT_OK; u++) {
        ej_leaf_lanes(leaf, u, &lanes);
        uint64_t valid = ej_leaf_static(leaf, &lanes, UINT32_MAX);
        if (!valid) continue;
        ej_operand x = tape_result(leaf, tape, u, &lanes);
        if (store_scalar(leaf, &lanes, valid, x)) continue;
        results_of(leaf, &lanes, &r);
        ej_vec value = ej_operand_spread(leaf->w, x, lanes.n);
        if (!r.single) value = last_of_groups(leaf->w, &r, valid, lanes.n, value);
        write_dst(leaf, &r.lanes, value);
    }
}

/* ---- contractions ---- */

/* Lanes whose terms count: not cut off along an axis that is reduced. NULL: all. */
static LLVMValueRef term_mask(ej_leaf *leaf, const ej_lanes *lanes)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    uint32_t reduced = ~leaf->dst.set;
    LLVMValueRef scalar, mask;
    uint64_t valid = ej_leaf_static(leaf, lanes, reduced);
    ej_leaf_dynamic(leaf, lanes, reduced, &scalar, &mask);
    if (valid != lanes->exist) {
        LLVMValueRef bits = ej_leaf_bits(w, valid, lanes->n);
        mask = mask ? LLVMBuildAnd(b, mask, bits, "") : bits;
    }
    if (!scalar) return mask;
    scalar = ej_splat(w->e, scalar, lanes->n, "");
    return mask ? LLVMBuildAnd(b, mask, scalar, "") : scalar;
}

/* The last op is a product in the dtype of a sum: one fused multiply-add. */
static bool is_product_sum(const ej_leaf *leaf)
{
    const ej_expr *expr = &leaf->node->expr;
    const ej_expr_op *last = &expr->ops[expr->n - 1];
    int kind = ej_dtypes[last->dtype].kind;
    return leaf->node->reduce == EINJIT_REDUCE_SUM && last->kind == EJ_EXPR_FN && last->fn == EJ_FN_MUL &&
           last->dtype == leaf->dst.buffer->dtype && (kind == EJ_KIND_FLOAT || kind == EJ_KIND_COMPLEX);
}

/* mask ? a : b of bool. Lanes of a that are masked off may be poison. LLVM 19 makes a select by a known mask a
 * shuffle, and forgot on AVX2 that these lanes are b's: an `or` of all lanes was true without a look at any. */
static ej_vec choose_bits(ej_lower *w, LLVMValueRef mask, ej_vec a, ej_vec b)
{
    LLVMBuilderRef builder = w->e->builder;
    LLVMValueRef taken = LLVMBuildAnd(builder, LLVMBuildFreeze(builder, a.re, ""), mask, "");
    LLVMValueRef kept = LLVMBuildAnd(builder, b.re, LLVMBuildNot(builder, mask, ""), "");
    return (ej_vec){LLVMBuildOr(builder, taken, kept, ""), NULL};
}

/* acc (re NULL: nothing yet) with the term of this unroll number. */
static ej_vec accumulate(ej_leaf *leaf, ej_tape *tape, int32_t unroll, const ej_lanes *lanes, ej_vec acc)
{
    ej_lower *w = leaf->w;
    const ej_expr *expr = &leaf->node->expr;
    int dtype = leaf->dst.buffer->dtype, reduce = leaf->node->reduce;
    LLVMValueRef mask = term_mask(leaf, lanes);
    ej_vec next;
    if (acc.re && is_product_sum(leaf)) {
        const ej_expr_op *last = &expr->ops[expr->n - 1];
        ej_tape_run(leaf, tape, expr->n - 1, unroll, lanes);
        ej_vec a = ej_operand_spread(w, tape[last->a].now, lanes->n);
        ej_vec b = ej_operand_spread(w, tape[last->b].now, lanes->n);
        next = ej_lower_fma(w->e, dtype, lanes->n, a, b, acc);
    } else {
        next = ej_leaf_result(leaf, tape, unroll, lanes);
        if (acc.re) next = ej_lower_combine(w->e, reduce, dtype, lanes->n, acc, next);
    }
    if (!mask) return next;
    if (!acc.re) acc = ej_lower_neutral(w, reduce, dtype, lanes->n);
    return dtype == EINJIT_BOOL ? choose_bits(w, mask, next, acc) : ej_lower_select(w->e, mask, next, acc);
}

/* One accumulator per result vector, live from its first to its last term. */
typedef struct ej_sum {
    int32_t left; /* terms to come */
    ej_vec acc;
} ej_sum;

static void finish_sum(ej_leaf *leaf, const ej_lanes *lanes, const ej_results *r, ej_vec acc)
{
    ej_lower *w = leaf->w;
    int dtype = leaf->dst.buffer->dtype, reduce = leaf->node->reduce;
    if (!r->single) {
        acc = ej_lower_horizontal(w, reduce, dtype, lanes->n, acc, r->group, r->n, r->lanes.n);
        acc = ej_lower_combine(w->e, reduce, dtype, r->lanes.n, read_dst(leaf, &r->lanes), acc);
    }
    write_dst(leaf, &r->lanes, acc);
}

/* Sums of whole vectors that go to one register element each: brought together a few at a time. */
typedef struct ej_finished {
    int32_t n, lanes;
    int32_t elems[EJ_LANES_MAX];
    ej_vec acc[EJ_LANES_MAX];
} ej_finished;

static void finish_together(ej_leaf *leaf, ej_finished *f)
{
    ej_lower *w = leaf->w;
    int dtype = leaf->dst.buffer->dtype, reduce = leaf->node->reduce;
    int32_t buffer = leaf->node->dst.buffer;
    for (int32_t done = 0, n; done < f->n; done += n) {
        int32_t left = f->n - done, elems[EJ_LANES_MAX];
        n = f->lanes;
        while (n / 2 >= left) n /= 2;
        for (int32_t l = 0; l < n; l++) elems[l] = l < left ? f->elems[done + l] : -1;
        if (left > n) left = n;
        ej_vec acc = ej_lower_horizontal_each(w, reduce, dtype, f->lanes, f->acc + done, left, n);
        ej_vec old = ej_reg_read(w, &w->regs, buffer, n, elems);
        ej_reg_write(w, buffer, n, elems, ej_lower_combine(w->e, reduce, dtype, n, old, acc));
    }
    f->n = 0;
}

/* False: it is none of these. */
static bool finish_later(ej_leaf *leaf, ej_finished *f, const ej_lanes *lanes, const ej_results *r, ej_vec acc,
                         const ej_dot *dot)
{
    int32_t acc_lanes = dot ? ej_dot_lanes(dot) : lanes->n;
    bool whole = r->n == 1 && lanes->n > 1 && ej_leaf_static(leaf, lanes, 0) == UINT64_MAX >> (64 - lanes->n);
    if (leaf->dst.buffer->home != EJ_HOME_REG || r->single || !whole) return false;
    for (int32_t s = 0; s < leaf->node->n_src; s++)
        if (leaf->node->src[s].buffer == leaf->node->dst.buffer) return false;
    if (f->n == EJ_LANES_MAX || (f->n && f->lanes != acc_lanes)) finish_together(leaf, f);
    if (!ej_leaf_elems(leaf, &leaf->dst, &r->lanes, &f->elems[f->n])) return true;
    f->lanes = acc_lanes;
    f->acc[f->n++] = acc;
    return true;
}

static void emit_contract(ej_leaf *leaf, ej_tape *tape)
{
    ej_lower *w = leaf->w;
    ej_lanes lanes;
    ej_results r;
    ej_sum *sums = EJ_LOWER_NEW(w, ej_sum, ej_leaf_count(leaf, leaf->dst.set));
    ej_finished *finished = EJ_LOWER_NEW(w, ej_finished, 1);
    ej_dot *dot = is_product_sum(leaf) ? ej_dot_new(leaf) : NULL;
    ej_pairs *pairs = ej_pairs_new(leaf);
    if (!sums || !finished) return;
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        ej_leaf_lanes(leaf, u, &lanes);
        if (ej_leaf_static(leaf, &lanes, UINT32_MAX)) sums[ej_leaf_index(leaf, u, leaf->dst.set)].left++;
    }
    for (int32_t u = 0; u < leaf->unrolls && w->status == EINJIT_OK; u++) {
        ej_leaf_lanes(leaf, u, &lanes);
        if (!ej_leaf_static(leaf, &lanes, UINT32_MAX)) continue;
        int32_t other = pairs ? ej_pairs_other(pairs, u) : -1;
        if (other >= 0 && other < u) continue; /* the two were added together */
        results_of(leaf, &lanes, &r);
        ej_sum *sum = &sums[ej_leaf_index(leaf, u, leaf->dst.set)];
        if (!sum->acc.re && r.single) sum->acc = read_dst(leaf, &lanes);
        if (other >= 0) sum->acc = ej_pairs_add(pairs, u, other, sum->acc);
        else if (dot) sum->acc = ej_dot_add(dot, u, &lanes, sum->acc);
        else sum->acc = accumulate(leaf, tape, u, &lanes, sum->acc);
        sum->left -= other >= 0 ? 2 : 1;
        if (sum->left == 0 && !finish_later(leaf, finished, &lanes, &r, sum->acc, dot))
            finish_sum(leaf, &lanes, &r, sum->acc);
    }
    finish_together(leaf, finished);
}

/* ---- results that may meet each other ---- */

static int compare_elements(const void *a, const void *b)
{
    const ej_entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->c > y->c) - (x->c < y->c);
}

/* Two places of the tile have one element by their strides (i + j), or may have one through a table. */
static bool results_meet(ej_leaf *leaf)
{
    const ej_leaf_access *dst = &leaf->dst;
    ej_lanes lanes;
    ej_offsets o;
    ej_results r;
    size_t n = 0, most = (size_t)leaf->unrolls * (size_t)leaf->width;
    if (dst->buffer->home == EJ_HOME_REG) return false;
    for (int32_t i = 0; i < leaf->n_axes; i++)
        if ((dst->opaque >> i & 1) && dst->term[i]->table >= 0) return true;
    if (!(dst->set & (dst->set - 1))) return false; /* one axis, its stride is not 0 */
    ej_entry *all = EJ_LOWER_NEW(leaf->w, ej_entry, most);
    if (!all) return false;
    for (int32_t u = 0; u < leaf->unrolls; u++) {
        if (u != 0 && ej_leaf_index(leaf, u, ~dst->set) != 0) continue; /* the same results again */
        ej_leaf_lanes(leaf, u, &lanes);
        results_of(leaf, &lanes, &r);
        ej_offsets_of(leaf, dst, &r.lanes, 0, &o);
        for (int32_t l = 0; l < o.n; l++)
            if (o.valid >> l & 1) all[n++] = (ej_entry){.key = o.key[l], .c = o.c[l]};
    }
    qsort(all, n, sizeof *all, compare_elements);
    for (size_t i = 1; i < n; i++)
        if (!compare_elements(&all[i - 1], &all[i])) return true;
    return false;
}

static void combine_lane(ej_leaf *leaf, const ej_lanes *lanes, const ej_offsets *o, int32_t lane, ej_vec value)
{
    ej_lower *w = leaf->w;
    ej_vec old = ej_lower_load_lane(leaf, &leaf->dst, lanes, o, lane, 0);
    ej_vec term = ej_extract_lane(w, value, lane);
    ej_vec next = ej_lower_combine(w->e, leaf->node->reduce, leaf->dst.buffer->dtype, 1, old, term);
    ej_lower_store_lane(leaf, &leaf->dst, lanes, o, lane, 0, next);
}

/* dst = reduce(dst, value), one lane after the other; lanes that are cut off at run time by branches. */
static void combine_lanes(ej_leaf *leaf, const ej_lanes *lanes, ej_vec value)
{
    ej_lower *w = leaf->w;
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef scalar, mask;
    ej_offsets o;
    ej_offsets_of(leaf, &leaf->dst, lanes, 0, &o);
    ej_leaf_dynamic(leaf, lanes, leaf->dst.set, &scalar, &mask);
    for (int32_t l = 0; l < lanes->n; l++) {
        if (!(o.valid >> l & 1)) continue;
        LLVMValueRef in = mask ? ej_extract(w, mask, l) : NULL;
        if (scalar) in = in ? LLVMBuildAnd(b, in, scalar, "") : scalar;
        LLVMBasicBlockRef after = NULL;
        if (in) {
            LLVMBasicBlockRef lane = ej_lower_block(w, "lane");
            after = ej_lower_block(w, "");
            LLVMBuildCondBr(b, in, lane, after);
            LLVMPositionBuilderAtEnd(b, lane);
        }
        combine_lane(leaf, lanes, &o, l, value);
        if (!in) continue;
        ej_leaf_forget(&leaf->dst);
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, after);
    }
}

static void emit_sequential(ej_leaf *leaf, ej_tape *tape)
{
    static const ej_vec nothing = {NULL, NULL};
    ej_lower *w = leaf->w;
    ej_lanes lanes;
    ej_results r;
    for (int32_t u = 0; u < leaf->unrolls && w->status == EINJIT_OK; u++) {
        ej_leaf_lanes(leaf, u, &lanes);
        if (!ej_leaf_static(leaf, &lanes, UINT32_MAX)) continue;
        results_of(leaf, &lanes, &r);
        ej_vec value = accumulate(leaf, tape, u, &lanes, nothing);
        if (!r.single)
            value = ej_lower_horizontal(w, leaf->node->reduce, leaf->dst.buffer->dtype, lanes.n, value, r.group, r.n,
                                        r.lanes.n);
        combine_lanes(leaf, &r.lanes, value);
    }
}

void ej_lower_leaf(ej_lower *w, int32_t node)
{
    ej_leaf *leaf = EJ_LOWER_NEW(w, ej_leaf, 1);
    if (!leaf) return;
    ej_at_tables(w, w->first_at[node], w->end_at[node], true);
    if (!ej_leaf_init(leaf, w, node) || leaf->empty) return;
    ej_tape *tape = ej_tape_new(leaf);
    if (!tape) return;
    ej_lower_prefetch(leaf);
    if (ej_lower_direct(leaf, tape)) return;
    if (leaf->node->hints.stream && ej_lower_streamed(leaf, tape)) return;
    if (leaf->node->reduce == EJ_REDUCE_NONE && ej_store_interleaved(leaf, tape)) return;
    if (leaf->node->reduce == EJ_REDUCE_NONE) emit_move(leaf, tape);
    else if (results_meet(leaf)) emit_sequential(leaf, tape);
    else emit_contract(leaf, tape);
}
