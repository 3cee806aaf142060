/* plan_map.c - pointwise operations and reductions.
 *
 * Takes  MAP, CAST and REDUCE nodes, their operands planned.
 * Gives  one step per chain: a pointwise value with one user, or whose users meet in one pointwise node again, is kept
 *        as an expression until that takes it.
 * Not here: chains that become the end of an earlier step (plan_extend.c).
 */
#include <math.h>
#include <string.h>

#include "plan_core.h"

/* ---- what may wait ---- */

/* The same elements, so that an expression for one computes nothing twice where it becomes a part of the other's. */
static bool same_elements(const ej_bound_node *inner, const ej_bound_node *outer)
{
    if (inner->rank > outer->rank) return false;
    int32_t shift = outer->rank - inner->rank;
    for (int32_t i = 0; i < outer->rank; i++) {
        ej_size extent = i < shift ? ej_size_number(1) : inner->shape[i - shift];
        if (!ej_size_same(extent, outer->shape[i])) return false;
    }
    return true;
}

bool ej_plan_same_shape(const ej_bound_node *x, const ej_bound_node *y)
{
    return x->rank == y->rank && same_elements(x, y);
}

static bool is_map(const ej_bound_node *node)
{
    return node->op == EJ_OP_MAP || node->op == EJ_OP_CAST;
}

static bool sums_nothing(const ej_bound_node *node)
{
    for (uint32_t t = 0; t < node->n_in; t++)
        for (uint32_t i = 0; i < node->subscripts->terms[t].n; i++)
            if (!ej_term_has(&node->subscripts->out, node->subscripts->terms[t].labels[i])) return false;
    return true;
}

bool ej_plan_is_pointwise(const ej_bound_node *node)
{
    return is_map(node) || (node->op == EJ_OP_EINSUM && sums_nothing(node));
}

bool ej_plan_takes_in_order(const ej_planner *p, const ej_bound_node *user, uint32_t operand)
{
    if (!ej_plan_same_shape(&p->bound->nodes[user->in[operand]], user)) return false;
    if (user->op != EJ_OP_EINSUM) return true;
    const ej_term *out = &user->subscripts->out, *term = &user->subscripts->terms[operand];
    return term->n == out->n && (!out->n || !memcmp(term->labels, out->labels, out->n * sizeof *out->labels));
}

/* The first node through which all goes that is made of both; -1: there is none so near that one tape could hold it. */
static ej_value meet(const ej_planner *p, ej_value a, ej_value b)
{
    for (int i = 0; i < EJ_TAPE_OPS && a != b && a >= 0 && b >= 0; i++) {
        if (a < b) a = p->values[a].meets;
        else b = p->values[b].meets;
    }
    return a == b ? a : -1;
}

void ej_plan_find_meets(ej_planner *p)
{
    enum { UNUSED = -2 };
    for (size_t v = 0; v < p->bound->n_nodes; v++) p->values[v].meets = p->values[v].is_output ? -1 : UNUSED;
    for (size_t u = p->bound->n_nodes; u-- > 0;) { /* all users of u come behind it */
        const ej_bound_node *user = &p->bound->nodes[u];
        if (p->values[u].meets == UNUSED) p->values[u].meets = -1;
        bool pointwise = p->values[u].live && ej_plan_is_pointwise(user);
        for (uint32_t i = 0; p->values[u].live && i < user->n_in; i++) {
            ej_value v = user->in[i], *meets = &p->values[v].meets;
            if (!pointwise || !ej_plan_takes_in_order(p, user, i)) *meets = -1;
            else if (*meets != -1) *meets = *meets == UNUSED ? (ej_value)u : meet(p, *meets, (ej_value)u);
        }
    }
}

/* Casts and conjugations of a source: part of reading it. The sign of an imaginary part goes into the multiply-add. */
static bool is_as_read(const ej_plan_tape *tape)
{
    for (size_t i = 1; i < tape->n_ops; i++) {
        const ej_expr_op *op = &tape->ops[i];
        bool conj = op->kind == EJ_EXPR_FN && op->fn == EJ_FN_CONJ;
        if (op->kind != EJ_EXPR_CAST && !conj) return false;
    }
    return tape->ops[0].kind == EJ_EXPR_SOURCE;
}

/* A sum over it makes one fused multiply-add of the product and the addition. */
static bool ends_in_product(const ej_plan_tape *tape)
{
    const ej_expr_op *last = &tape->ops[tape->n_ops - 1];
    return last->kind == EJ_EXPR_FN && last->fn == EJ_FN_MUL && ej_dtypes[last->dtype].kind >= EJ_KIND_FLOAT;
}

/* May a pointwise value be computed where it is added up? Where bits count, not if it matters whether it is stored
 * first. */
static bool may_be_summed(const ej_planner *p, const ej_plan_value *value)
{
    return !EJ_HELD(p->job->ordered, SUMMED_PRODUCT) || !ends_in_product(value->tape);
}

/* ---- operands of products ---- */

enum { OPERAND_SOURCES = 4, OPERAND_OPS = 24 }; /* of an expression that a product computes itself, at most */
enum { CHEAP_OPS = 4, CHEAP_TIMES = 8 };        /* .. of one that it computes several times, at most so many */

/* How often a product takes each element of an operand: the product of the extents that the operand does not have;
 * infinity where one is open. */
static double times_taken(const ej_planner *p, const ej_bound_node *product, uint32_t operand)
{
    const ej_term *term = &product->subscripts->terms[operand];
    const ej_bound_node *from = &p->bound->nodes[product->in[operand]];
    double times = 1;
    for (size_t l = 0; l < product->subscripts->n_labels; l++) {
        bool has = false;
        for (uint32_t i = 0; i < term->n; i++)
            has = has || (term->labels[i] == (int32_t)l && ej_size_same(from->shape[i], product->label_sizes[l]));
        if (!has) times *= product->label_sizes[l].e ? INFINITY : (double)product->label_sizes[l].n;
    }
    return times;
}

/* An instruction or two. */
static bool is_cheap(const ej_expr_op *op)
{
    if (op->kind != EJ_EXPR_FN) return true;
    switch (op->fn) {
    case EJ_FN_ADD:
    case EJ_FN_SUB:
    case EJ_FN_MUL:
    case EJ_FN_NEG:
    case EJ_FN_ABS:
    case EJ_FN_RELU:
    case EJ_FN_SQUARE:
    case EJ_FN_MAXIMUM:
    case EJ_FN_MINIMUM: return !ej_dtype_is_complex(op->dtype);
    default: return false;
    }
}

/* The product reads it by vectors, which serve all rows: it has the axis along which results lie. */
static bool is_in_lanes(const ej_bound_node *product, uint32_t operand)
{
    const ej_term *out = &product->subscripts->out, *term = &product->subscripts->terms[operand];
    bool has = false;
    for (uint32_t i = 0; out->n && i < term->n; i++) has = has || term->labels[i] == out->labels[out->n - 1];
    return has;
}

/* Matrices whose rows fill registers: both operands are loaded whole, and mapped there (recipe_small.c). */
static bool is_in_registers(const ej_bound_node *product, double times)
{
    bool fits = product->n_in == 2 && (times == 2 || times == 4 || times == 8);
    for (size_t l = 0; l < product->subscripts->n_labels && fits; l++) {
        uint32_t in = 0;
        for (uint32_t t = 0; t < 2; t++)
            for (uint32_t i = 0; i < product->subscripts->terms[t].n; i++)
                in += product->subscripts->terms[t].labels[i] == (int32_t)l;
        bool batch = in == 2 && ej_term_has(&product->subscripts->out, (int32_t)l);
        fits = batch || product->label_sizes[l].n <= CHEAP_TIMES;
    }
    return fits;
}

/* The product takes each element once; or so few times that computing it again is cheaper than storing and reading
 * it. */
static bool may_be_multiplied(const ej_planner *p, ej_value v)
{
    const ej_plan_value *value = &p->values[v];
    const ej_bound_node *product = &p->bound->nodes[value->user];
    const ej_plan_tape *tape = value->tape;
    uint32_t operand = 0;
    while (product->in[operand] != v) operand++;
    double times = times_taken(p, product, operand);
    bool cheap = tape->n_src == 1 && tape->n_ops <= CHEAP_OPS + 1 && !ej_plan_is_pointwise(product);
    for (size_t i = 0; i < tape->n_ops; i++) cheap = cheap && is_cheap(&tape->ops[i]);
    if (!may_be_summed(p, value) || !tape->n_src || tape->n_src > OPERAND_SOURCES || tape->n_ops > OPERAND_OPS)
        return false;
    cheap = cheap && times <= CHEAP_TIMES && (is_in_lanes(product, operand) || is_in_registers(product, times));
    if (times > 1 && !cheap) return false;
    for (size_t s = 0; s < tape->n_src; s++)
        if (ej_view_has_table(&tape->src[s].view)) return false;
    return true;
}

static bool fusable(const ej_planner *p, ej_value v)
{
    const ej_plan_value *value = &p->values[v];
    if (value->user < 0 || value->has_place) return false;
    const ej_bound_node *node = &p->bound->nodes[v], *user = &p->bound->nodes[value->user];
    switch (user->op) {
    case EJ_OP_MAP:
    case EJ_OP_CAST: return same_elements(node, user);
    case EJ_OP_REDUCE: return may_be_summed(p, value);
    case EJ_OP_EINSUM: return is_as_read(value->tape) || (value->uses == 1 && may_be_multiplied(p, v));
    case EJ_OP_INDEX_ADD: return value->uses == 1 && user->in[1] == v && may_be_summed(p, value);
    default: return false;
    }
}

/* ---- pointwise nodes ---- */

static int apply_node(ej_planner *p, ej_plan_tape *tape, const ej_bound_node *node, const int32_t *operands)
{
    ej_expr_op op = {.kind = node->op == EJ_OP_CAST ? EJ_EXPR_CAST : EJ_EXPR_FN, .fn = node->fn, .dtype = node->dtype};
    int32_t at;
    op.a = operands[0];
    if (node->n_in > 1) op.b = operands[1];
    if (node->n_in > 2) op.c = operands[2];
    if (node->op == EJ_OP_CAST) op.fn = 0;
    return ej_tape_op(p, tape, op, &at);
}

/* One operand as an op of the tape, broadcast to the node's shape. */
static int take_operand(ej_planner *p, ej_plan_tape *tape, ej_value operand, const ej_bound_node *node, int32_t *out)
{
    ej_plan_value *value = &p->values[operand];
    const ej_bound_node *from = &p->bound->nodes[operand];
    if (value->kind == EJ_VALUE_SCALAR) return ej_tape_op(p, tape, value->scalar, out);
    if (value->kind == EJ_VALUE_PENDING && ej_plan_same_shape(from, node) &&
        tape->n_src + value->tape->n_src <= EJ_TAPE_SOURCES && tape->n_ops + value->tape->n_ops < EJ_TAPE_OPS) {
        value->taken = true;
        return ej_tape_append(p, tape, value->tape, value->user >= 0, out);
    }
    ej_view view, wide;
    EJ_TRY(ej_plan_view(p, operand, &view));
    EJ_TRY(ej_view_expand(p, &view, from->shape, node->rank, node->shape, &wide));
    EJ_TRY(ej_tape_source(p, tape, &wide, from->dtype, out));
    ej_tape_whole(tape, *out, value->step >= 0 && ej_plan_same_shape(from, node) ? operand : -1);
    return EINJIT_OK;
}

static int build_tape(ej_planner *p, ej_value v, ej_plan_tape *tape)
{
    const ej_bound_node *node = &p->bound->nodes[v];
    int32_t operands[3] = {0};
    for (uint32_t i = 0; i < node->n_in; i++) {
        bool known = false;
        for (uint32_t j = 0; j < i && !known; j++)
            if (node->in[j] == node->in[i]) operands[i] = operands[j], known = true;
        if (!known) EJ_TRY(take_operand(p, tape, node->in[i], node, &operands[i]));
    }
    return apply_node(p, tape, node, operands);
}

/* f16 or bf16 in memory, widened: each user does that itself, and reads half as much. */
static bool only_widens(const ej_planner *p, ej_value v)
{
    const ej_plan_value *value = &p->values[v];
    const ej_bound_node *node = &p->bound->nodes[v];
    int from = node->op == EJ_OP_CAST ? p->bound->nodes[node->in[0]].dtype : node->dtype;
    return from != node->dtype && ej_dtypes[from].computes == node->dtype && value->tape->n_ops == 2 &&
           is_as_read(value->tape) && !value->is_output && !value->has_place;
}

/* It stays an expression, which its user computes, or the node in which its users meet. Users that sum may compute it
 * more than once: where it can be the end of an earlier step, it is that. */
static bool waits(const ej_planner *p, ej_value v)
{
    const ej_plan_value *value = &p->values[v];
    if (value->user < 0) return value->meets >= 0 || only_widens(p, v);
    return fusable(p, v) && (is_map(&p->bound->nodes[value->user]) || ej_plan_extensible(p, v) < 0);
}

int ej_plan_pending(ej_planner *p, ej_value v)
{
    ej_view view;
    p->values[v].kind = EJ_VALUE_PENDING;
    return waits(p, v) ? EINJIT_OK : ej_plan_view(p, v, &view);
}

int ej_plan_map(ej_planner *p, ej_value v)
{
    bool done = false;
    if (p->values[v].added >= 0) EJ_TRY(ej_plan_sum(p, v, &done));
    if (done) return EINJIT_OK;
    ej_plan_value *value = &p->values[v];
    value->tape = EJ_JOB_NEW(p->job, ej_plan_tape);
    if (!value->tape) return ej_no_memory(p->job->err);
    EJ_TRY(build_tape(p, v, value->tape));
    return ej_plan_pending(p, v);
}

/* ---- reductions ---- */

static int bool_reduction(int reduce, int dtype)
{
    if (dtype != EINJIT_BOOL) return reduce;
    return reduce == EINJIT_REDUCE_MIN || reduce == EINJIT_REDUCE_PROD ? EINJIT_REDUCE_MIN : EINJIT_REDUCE_OR;
}

/* Per axis of the operand, whether it is kept. */
static int kept_axes(ej_planner *p, const ej_bound_node *node, int32_t rank, bool **out)
{
    bool *kept = EJ_JOB_ARRAY(p->job, bool, (size_t)rank);
    if (!kept) return ej_no_memory(p->job->err);
    for (int32_t i = 0; i < rank; i++) kept[i] = true;
    for (uint32_t i = 0; i < node->n_dims; i++) kept[node->dims[i]] = false;
    *out = kept;
    return EINJIT_OK;
}

int ej_plan_reduce(ej_planner *p, ej_value v)
{
    const ej_bound_node *node = &p->bound->nodes[v], *from = &p->bound->nodes[node->in[0]];
    ej_plan_tape tape = {0};
    ej_axis *axes;
    ej_view out, wide;
    bool *kept = NULL;
    int32_t at;
    int32_t *map = EJ_JOB_ARRAY(p->job, int32_t, (size_t)from->rank);
    int32_t *step_axes = EJ_JOB_ARRAY(p->job, int32_t, (size_t)node->rank);
    if (!map || !step_axes) return ej_no_memory(p->job->err);
    EJ_TRY(take_operand(p, &tape, node->in[0], from, &at));
    EJ_TRY(ej_tape_cast(p, &tape, node->dtype, at, &at));
    EJ_TRY(ej_plan_shape_axes(p, node->in[0], from->rank, from->shape, &axes));
    EJ_TRY(kept_axes(p, node, from->rank, &kept));
    EJ_TRY(ej_plan_destination(p, v, &out));
    EJ_TRY(ej_view_new(p, from->rank, &wide));
    wide.buffer = out.buffer;
    wide.base = out.base;
    for (int32_t i = 0, k = 0; i < from->rank; i++) {
        if (kept[i]) wide.axes[i] = out.axes[k++];
        else axes[i].run = EJ_RUN_REDUCED;
    }
    const ej_emission e = {.name = node->name,
                           .n_axes = from->rank,
                           .axes = axes,
                           .out = &wide,
                           .tape = &tape,
                           .reduce = bool_reduction(node->fn, node->dtype),
                           .step_axes = map};
    EJ_TRY(ej_plan_emit(p, &e));
    for (int32_t i = 0, k = 0; i < from->rank; i++)
        if (kept[i]) step_axes[k++] = map[i];
    ej_plan_written(p, v, &out, (int32_t)p->plan->n_steps - 1, step_axes);
    return EINJIT_OK;
}
