/* oracle.c - evaluates a graph node by node, in the order and the form in which it was written. */
#include "oracle.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "oracle_op.h"

bool oracle_refuse(oracle_state *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->result->reason, sizeof s->result->reason, format, args);
    va_end(args);
    return false;
}

bool oracle_spend(oracle_state *s, double work)
{
    s->work += work;
    return s->work <= s->max_work || oracle_refuse(s, "too much work for the oracle");
}

bool oracle_make(oracle_state *s, oracle_value *out, int dtype, int rank, const int64_t *shape)
{
    if (rank > ORACLE_RANK) return oracle_refuse(s, "rank %d is beyond the oracle", rank);
    *out = (oracle_value){.dtype = dtype, .weak = -1, .rank = rank, .n = 1};
    double n = 1;
    for (int a = 0; a < rank; a++) n *= (double)(out->shape[a] = shape[a]);
    if (!oracle_spend(s, n)) return false;
    out->n = (int64_t)n;
    out->e = EJ_NEW_ARRAY(&s->result->arena, oracle_element, (size_t)out->n);
    return out->e || oracle_refuse(s, "no memory");
}

void oracle_unravel(const oracle_value *v, int64_t index, int64_t *position)
{
    for (int a = v->rank - 1; a >= 0; a--) {
        position[a] = v->shape[a] ? index % v->shape[a] : 0;
        if (v->shape[a]) index /= v->shape[a];
    }
}

int64_t oracle_ravel(const oracle_value *v, const int64_t *position)
{
    int64_t index = 0;
    for (int a = 0; a < v->rank; a++) index = index * v->shape[a] + position[a];
    return index;
}

static long double narrow_number(unsigned bits, int fraction, int bias)
{
    int exponent = (int)(bits >> fraction & (2 * (unsigned)bias + 1)), rest = (int)(bits & ((1u << fraction) - 1));
    long double x =
        exponent ? ldexpl((1 << fraction) + rest, exponent - bias - fraction) : ldexpl(rest, 1 - bias - fraction);
    if (exponent == 2 * bias + 1) x = rest ? (long double)NAN : (long double)INFINITY;
    return bits >> 15 ? -x : x;
}

oracle_element oracle_read(const einjit_tensor *tensor, int64_t index)
{
    int64_t at = 0, run = 1;
    for (int a = tensor->rank - 1; a >= 0; a--) {
        int64_t stride = tensor->strides ? tensor->strides[a] : run, extent = tensor->shape[a];
        run *= extent;
        at += extent ? index % extent * stride : 0;
        if (extent) index /= extent;
    }
    const char *p = (const char *)tensor->data + at * (int64_t)einjit_dtype_bytes(tensor->dtype);
    float f[2];
    double d[2];
    int32_t i32;
    int64_t i64;
    uint16_t u16;
    switch (tensor->dtype) {
    case EINJIT_BOOL: return (oracle_element){.i = *p != 0};
    case EINJIT_I16: memcpy(&u16, p, 2); return (oracle_element){.i = (int16_t)u16};
    case EINJIT_I8: return (oracle_element){.i = *(const signed char *)p};
    case EINJIT_U8: return (oracle_element){.i = *(const unsigned char *)p};
    case EINJIT_I32: memcpy(&i32, p, 4); return (oracle_element){.i = i32};
    case EINJIT_I64: memcpy(&i64, p, 8); return (oracle_element){.i = i64};
    case EINJIT_F16: memcpy(&u16, p, 2); return (oracle_element){.re = narrow_number(u16, 10, 15)};
    case EINJIT_BF16: memcpy(&u16, p, 2); return (oracle_element){.re = narrow_number(u16, 7, 127)};
    case EINJIT_F32: memcpy(f, p, 4); return (oracle_element){.re = f[0]};
    case EINJIT_F64: memcpy(d, p, 8); return (oracle_element){.re = d[0]};
    case EINJIT_C64: memcpy(f, p, 8); return (oracle_element){.re = f[0], .im = f[1]};
    case EINJIT_C128: memcpy(d, p, 16); return (oracle_element){.re = d[0], .im = d[1]};
    default: return (oracle_element){.re = NAN};
    }
}

static bool load(oracle_state *s, oracle_value *out, const einjit_tensor *tensor)
{
    if (!oracle_make(s, out, tensor->dtype, tensor->rank, tensor->shape)) return false;
    for (int64_t i = 0; i < out->n; i++) out->e[i] = oracle_read(tensor, i);
    return true;
}

static bool constant(oracle_state *s, oracle_value *out, const ej_node *node)
{
    int64_t shape[ORACLE_RANK] = {0};
    if (node->rank > ORACLE_RANK) return oracle_refuse(s, "rank");
    for (int a = 0; a < node->rank; a++) shape[a] = node->extents[a].n;
    einjit_tensor view = {(void *)(uintptr_t)node->data, node->dtype, node->rank, shape, NULL};
    return load(s, out, &view);
}

static bool literal(oracle_state *s, oracle_value *out, const ej_node *node)
{
    if (!oracle_make(s, out, EINJIT_F64, 0, NULL)) return false;
    out->dtype = -1;
    out->weak = node->fn;
    bool whole = node->fn == EJ_KIND_BOOL || node->fn == EJ_KIND_INT;
    out->e[0] =
        (oracle_element){.re = whole ? (long double)node->integer : node->re, .im = node->im, .i = node->integer};
    return true;
}

int oracle_promote(const oracle_value *const *values, size_t n)
{
    int dtype = -1, weak = -1;
    for (size_t i = 0; i < n; i++) {
        if (values[i]->dtype < 0) weak = values[i]->weak > weak ? values[i]->weak : weak;
        else dtype = dtype < 0 ? values[i]->dtype : einjit_dtype_promote(dtype, values[i]->dtype);
    }
    static const int strong[] = {EINJIT_BOOL, EINJIT_I64, EINJIT_F64, EINJIT_C128};
    if (dtype < 0) return strong[weak];
    return weak < 0 ? dtype : ej_dtype_promote_weak(dtype, weak);
}

/* Literals round by themselves, or several of them as one factor. */
static oracle_element single_literal(oracle_element e, int dtype)
{
    oracle_element out = {.re = (float)e.re, .im = dtype == EINJIT_C64 ? (float)e.im : 0};
    out.err = isfinite(e.re) && isfinite(e.im) ? hypotl(out.re - e.re, dtype == EINJIT_C64 ? out.im - e.im : 0) : 0;
    if (!isfinite(out.err)) out.err = INFINITY;
    return out;
}

bool oracle_as(oracle_state *s, oracle_value *out, const oracle_value *in, int dtype)
{
    if (in->dtype == dtype) {
        *out = *in;
        return true;
    }
    const int64_t low = dtype == EINJIT_U8 ? 0 : dtype == EINJIT_I8 ? INT8_MIN : INT16_MIN;
    const int64_t high = dtype == EINJIT_U8 ? UINT8_MAX : dtype == EINJIT_I8 ? INT8_MAX : INT16_MAX;
    for (int64_t i = 0; i < in->n && in->dtype < 0 && oracle_is_short(dtype); i++)
        if (in->e[i].i < low || in->e[i].i > high) return oracle_refuse(s, "number");
    if (!oracle_make(s, out, dtype, in->rank, in->shape)) return false;
    static const int strong[] = {EINJIT_BOOL, EINJIT_I64, EINJIT_F64, EINJIT_C128};
    int from = in->dtype < 0 ? strong[in->weak] : in->dtype;
    for (int64_t i = 0; i < in->n; i++) {
        out->e[i] = oracle_cast(from, dtype, in->e[i]);
        if (in->dtype < 0 && oracle_is_narrow(dtype)) out->e[i] = oracle_cast(EINJIT_F64, dtype, in->e[i]);
        if (in->dtype < 0 && (dtype == EINJIT_F32 || dtype == EINJIT_C64)) out->e[i] = single_literal(in->e[i], dtype);
    }
    return true;
}

/* Extents of the program's symbols, from the inputs that declare them. */
static bool read_symbols(oracle_state *s, const einjit_tensor *in, int64_t *symbols)
{
    for (size_t i = 0; i < s->graph->n_symbols; i++) symbols[i] = -1;
    for (size_t i = 0; i < s->graph->n_inputs; i++) {
        const ej_node *node = &s->graph->nodes[s->graph->inputs[i]];
        for (uint32_t a = 0; a < node->n_extents; a++)
            if (node->extents[a].n_symbols == 1) symbols[node->extents[a].symbols[0]] = in[i].shape[a];
    }
    s->symbols = symbols;
    return true;
}

static bool reduce_node(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *x = &s->values[node->in[0]];
    bool over[ORACLE_RANK] = {false};
    for (int a = 0; a < x->rank; a++) over[a] = node->all_dims;
    for (uint32_t d = 0; d < node->n_dims; d++) {
        int64_t dim = node->dims[d] < 0 ? node->dims[d] + x->rank : node->dims[d];
        if (dim < 0 || dim >= x->rank) return oracle_refuse(s, "dim");
        over[dim] = true;
    }
    oracle_value strong;
    if (x->dtype < 0 && !oracle_as(s, &strong, x, oracle_promote(&x, 1))) return false;
    return oracle_reduce(s, out, x->dtype < 0 ? &strong : x, node->fn, over, node->keepdim);
}

static bool map1(oracle_state *s, oracle_value *out, int fn, const oracle_value *a)
{
    return oracle_map(s, out, fn, &a, 1);
}

static bool map2(oracle_state *s, oracle_value *out, int fn, const oracle_value *a, const oracle_value *b)
{
    const oracle_value *in[2] = {a, b};
    return oracle_map(s, out, fn, in, 2);
}

void oracle_any_order(oracle_value *value)
{
    for (int64_t e = 0; e < value->n; e++) {
        value->e[e].err *= 4;
        if (oracle_wide(value->dtype) != value->dtype) value->e[e] = oracle_narrow_sum(value->dtype, value->e[e], 4);
    }
}

/* A composed operation of the narrow dtypes is one: in f32, then rounded. */
static bool narrowed(oracle_state *s, oracle_value *out, int dtype)
{
    oracle_value wide = *out;
    return oracle_as(s, out, &wide, dtype);
}

static bool softmax_node(oracle_state *s, oracle_value *out, const ej_node *node)
{
    oracle_value x = s->values[node->in[0]], top, shifted, grown, sum;
    int64_t dim = node->dims[0] < 0 ? node->dims[0] + x.rank : node->dims[0];
    bool over[ORACLE_RANK] = {false};
    if (dim < 0 || dim >= x.rank) return oracle_refuse(s, "dim");
    over[dim] = true;
    int dtype = ej_dtypes[x.dtype].kind < EJ_KIND_FLOAT ? EINJIT_F64 : x.dtype;
    if (!oracle_as(s, &x, &s->values[node->in[0]], oracle_wide(dtype))) return false;
    return oracle_reduce(s, &top, &x, EINJIT_REDUCE_MAX, over, true) && map2(s, &shifted, EJ_FN_SUB, &x, &top) &&
           map1(s, &grown, EJ_FN_EXP, &shifted) && oracle_reduce(s, &sum, &grown, EINJIT_REDUCE_SUM, over, true) &&
           map2(s, out, EJ_FN_DIV, &grown, &sum) && narrowed(s, out, dtype);
}

static bool layer_norm_node(oracle_state *s, oracle_value *out, const ej_node *node)
{
    oracle_value x = s->values[node->in[0]], mean, centred, squares, variance, shifted, scale, eps;
    bool over[ORACLE_RANK] = {false};
    int64_t n_dims = node->dims[0];
    if (n_dims < 1 || n_dims > x.rank) return oracle_refuse(s, "dims");
    for (int a = x.rank - (int)n_dims; a < x.rank; a++) over[a] = true;
    const oracle_value *operands[3];
    for (uint32_t i = 0; i < node->n_in; i++) operands[i] = &s->values[node->in[i]];
    int dtype = oracle_promote(operands, node->n_in);
    if (ej_dtypes[dtype].kind < EJ_KIND_FLOAT) dtype = EINJIT_F64;
    if (!oracle_as(s, &x, &s->values[node->in[0]], oracle_wide(dtype))) return false;
    ej_node number = {.op = EJ_OP_SCALAR, .fn = EJ_KIND_FLOAT, .re = node->re};
    if (!literal(s, &eps, &number)) return false;
    bool ok = oracle_reduce(s, &mean, &x, EINJIT_REDUCE_MEAN, over, true) && map2(s, &centred, EJ_FN_SUB, &x, &mean) &&
              map1(s, &squares, EJ_FN_SQUARE, &centred) &&
              oracle_reduce(s, &variance, &squares, EINJIT_REDUCE_MEAN, over, true) &&
              map2(s, &shifted, EJ_FN_ADD, &variance, &eps) && map1(s, &scale, EJ_FN_RSQRT, &shifted) &&
              map2(s, out, EJ_FN_MUL, &centred, &scale);
    uint32_t next = 1;
    if (ok && (node->integer & 1)) {
        oracle_value plain = *out;
        ok = map2(s, out, EJ_FN_MUL, &plain, &s->values[node->in[next++]]);
    }
    if (ok && (node->integer & 2)) {
        oracle_value plain = *out;
        ok = map2(s, out, EJ_FN_ADD, &plain, &s->values[node->in[next]]);
    }
    return ok && narrowed(s, out, dtype);
}

static bool matmul_node(oracle_state *s, oracle_value *out, const ej_node *node)
{
    oracle_value a = s->values[node->in[0]], b = s->values[node->in[1]], x, y;
    const oracle_value *both[2] = {&a, &b};
    int dtype = oracle_promote(both, 2);
    if (!a.rank || !b.rank) return oracle_refuse(s, "matmul of a scalar");
    /* labels: batch axes count from the right: 10 + distance; rows 0, columns 1, summed 2 */
    int32_t la[ORACLE_RANK], lb[ORACLE_RANK], lo[ORACLE_RANK];
    uint32_t n = 0;
    int batch_a = a.rank > 2 ? a.rank - 2 : 0, batch_b = b.rank > 2 ? b.rank - 2 : 0;
    int batch = batch_a > batch_b ? batch_a : batch_b;
    for (int i = 0; i < batch_a; i++) la[i] = 2 + batch_a - i;
    for (int i = 0; i < batch_b; i++) lb[i] = 2 + batch_b - i;
    for (int i = 0; i < batch; i++) lo[n++] = 2 + batch - i;
    if (a.rank > 1) la[batch_a] = lo[n++] = 0;
    la[a.rank - 1] = 2;
    lb[b.rank > 1 ? batch_b : 0] = 2;
    if (b.rank > 1) lb[b.rank - 1] = lo[n++] = 1;
    ej_term terms[2] = {{(uint32_t)a.rank, la}, {(uint32_t)b.rank, lb}};
    ej_subscripts sub = {.n_terms = 2, .terms = terms, .out = {n, lo}, .n_labels = (uint32_t)batch + 3};
    if (!oracle_as(s, &x, &a, dtype) || !oracle_as(s, &y, &b, dtype)) return false;
    oracle_value in[2] = {x, y};
    return oracle_contract(s, out, &sub, in, EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, dtype);
}

static bool tensordot_node(oracle_state *s, oracle_value *out, const ej_node *node)
{
    oracle_value a = s->values[node->in[0]], b = s->values[node->in[1]], in[2];
    const oracle_value *both[2] = {&a, &b};
    int dtype = oracle_promote(both, 2);
    int64_t count = node->n_dims ? node->n_dims / 2 : node->integer;
    int32_t la[ORACLE_RANK], lb[ORACLE_RANK], lo[2 * ORACLE_RANK];
    uint32_t n = 0;
    if (count < 0 || count > a.rank || count > b.rank) return oracle_refuse(s, "dims");
    for (int i = 0; i < a.rank; i++) la[i] = i;
    for (int i = 0; i < b.rank; i++) lb[i] = a.rank + i;
    for (int64_t i = 0; i < count; i++) {
        int64_t da = node->n_dims ? node->dims[i] : a.rank - count + i, db = node->n_dims ? node->dims[count + i] : i;
        da += da < 0 ? a.rank : 0;
        db += db < 0 ? b.rank : 0;
        if (da < 0 || da >= a.rank || db < 0 || db >= b.rank) return oracle_refuse(s, "dims");
        lb[db] = la[da];
    }
    for (int i = 0; i < a.rank; i++) {
        bool summed = false;
        for (int j = 0; j < b.rank; j++) summed |= lb[j] == la[i];
        if (!summed) lo[n++] = la[i];
    }
    for (int j = 0; j < b.rank; j++)
        if (lb[j] >= a.rank) lo[n++] = lb[j];
    ej_term terms[2] = {{(uint32_t)a.rank, la}, {(uint32_t)b.rank, lb}};
    ej_subscripts sub = {.n_terms = 2, .terms = terms, .out = {n, lo}, .n_labels = (uint32_t)(a.rank + b.rank)};
    if (!oracle_as(s, &in[0], &a, dtype) || !oracle_as(s, &in[1], &b, dtype)) return false;
    return oracle_contract(s, out, &sub, in, EINJIT_REDUCE_SUM, EINJIT_COMBINE_MUL, dtype);
}

static bool map_node(oracle_state *s, oracle_value *out, const ej_node *node)
{
    const oracle_value *in[3];
    for (uint32_t i = 0; i < node->n_in; i++) in[i] = &s->values[node->in[i]];
    return oracle_map(s, out, node->fn, in, node->n_in);
}

static bool evaluate_node(oracle_state *s, oracle_value *out, const ej_node *node, const einjit_tensor *in)
{
    switch (node->op) {
    case EJ_OP_INPUT: return load(s, out, in);
    case EJ_OP_CONSTANT: return constant(s, out, node);
    case EJ_OP_SCALAR: return literal(s, out, node);
    case EJ_OP_STRUCTURAL:
    case EJ_OP_DETACH: *out = s->values[node->in[0]]; return true;
    case EJ_OP_EINSUM: return oracle_einsum(s, out, node);
    case EJ_OP_MAP: return map_node(s, out, node);
    case EJ_OP_CAST: return oracle_as(s, out, &s->values[node->in[0]], node->dtype);
    case EJ_OP_REDUCE: return reduce_node(s, out, node);
    case EJ_OP_SOFTMAX: return softmax_node(s, out, node);
    case EJ_OP_LAYER_NORM: return layer_norm_node(s, out, node);
    case EJ_OP_MATMUL: return matmul_node(s, out, node);
    case EJ_OP_TENSORDOT: return tensordot_node(s, out, node);
    case EJ_OP_CHOOSE: return oracle_choose(s, out, node);
    case EJ_OP_CAT:
    case EJ_OP_STACK:
    case EJ_OP_INDEX_SELECT:
    case EJ_OP_INDEX_ADD:
    case EJ_OP_GATHER_PLACES: return oracle_index(s, out, node);
    case EJ_OP_ARANGE: return oracle_arange(s, out, node);
    case EJ_OP_SUM_TO_SIZE:
    case EJ_OP_EXPAND_AS:
    case EJ_OP_RESHAPE_AS:
    case EJ_OP_TYPE_AS:
    case EJ_OP_ZEROS_LIKE:
    case EJ_OP_DIAG_EMBED:
    case EJ_OP_SLICE_SCATTER:
    case EJ_OP_SPLIT_AS:
    case EJ_OP_INDEX_ADD_TO: return oracle_like(s, out, node);
    default: return oracle_layout(s, out, node);
    }
}

/* Only a literal itself is weak: what is made of it has a dtype. */
bool oracle_node(oracle_state *s, oracle_value *out, const ej_node *node, const einjit_tensor *in)
{
    if (!evaluate_node(s, out, node, in)) return false;
    if (out->dtype >= 0 || node->op == EJ_OP_SCALAR) return true;
    uint32_t i = 0;
    while (s->values[node->in[i]].dtype >= 0) i++;
    oracle_value made = *out;
    const oracle_value *literal_operand = &s->values[node->in[i]];
    made.weak = literal_operand->weak;
    return oracle_as(s, out, &made, oracle_promote(&literal_operand, 1));
}

bool oracle_begin(oracle_state *s, oracle_result *result, const ej_graph *graph, size_t capacity, double max_work)
{
    memset(result, 0, sizeof *result);
    ej_arena_init(&result->arena, &ej_malloc_allocator);
    *s = (oracle_state){.result = result, .graph = graph, .max_work = max_work};
    s->values = EJ_NEW_ARRAY(&result->arena, oracle_value, capacity);
    return s->values || oracle_refuse(s, "no memory");
}

/* What results need whichever alternatives are right. */
static void mark_needed(const ej_graph *graph, bool *needed)
{
    for (size_t o = 0; o < graph->n_outputs; o++) needed[graph->outputs[o]] = true;
    for (size_t v = graph->n_nodes; v-- > 0;) {
        const ej_node *node = &graph->nodes[v];
        for (uint32_t i = 0; needed[v] && i < node->n_in; i++)
            needed[node->in[i]] |= node->op != EJ_OP_CHOOSE || !i || i >= node->integer;
    }
}

/* An alternative may be nonsense where its guards do not hold. */
static bool has_operands(const ej_node *node, const bool *defined)
{
    for (uint32_t i = 0; i < node->n_in; i++) {
        bool alternative = node->op == EJ_OP_CHOOSE && i && i < node->integer;
        if (!alternative && !defined[node->in[i]]) return false;
    }
    return true;
}

bool oracle_run(oracle_result *out, const ej_graph *graph, const einjit_tensor *in, double max_work)
{
    oracle_state s;
    if (!oracle_begin(&s, out, graph, graph->n_nodes, max_work)) return false;
    int64_t *symbols = EJ_NEW_ARRAY(&out->arena, int64_t, graph->n_symbols);
    out->values = EJ_NEW_ARRAY(&out->arena, oracle_value, graph->n_outputs);
    bool *needed = EJ_NEW_ARRAY(&out->arena, bool, graph->n_nodes),
         *defined = EJ_NEW_ARRAY(&out->arena, bool, graph->n_nodes);
    if (!symbols || !out->values || !needed || !defined) return oracle_refuse(&s, "no memory");
    mark_needed(graph, needed);
    s.defined = defined;
    read_symbols(&s, in, symbols);
    for (size_t v = 0; v < graph->n_nodes; v++) {
        const einjit_tensor *tensor = NULL;
        for (size_t i = 0; i < graph->n_inputs; i++)
            if (graph->inputs[i] == (ej_value)v) tensor = &in[i];
        defined[v] = has_operands(&graph->nodes[v], defined) && oracle_node(&s, &s.values[v], &graph->nodes[v], tensor);
        if (needed[v] && !defined[v]) return false;
        if (!defined[v]) s.values[v] = (oracle_value){0};
    }
    for (size_t o = 0; o < graph->n_outputs; o++) {
        const oracle_value *v = &s.values[graph->outputs[o]];
        if (!oracle_as(&s, &out->values[o], v, oracle_promote(&v, 1))) return false;
    }
    out->n = graph->n_outputs;
    out->all = s.values;
    return true;
}

void oracle_free(oracle_result *result)
{
    ej_arena_free(&result->arena);
}

/* How wrong one element is, in units of its bound; 0 when equal. */
static double wrongness(int dtype, const oracle_element *want, const oracle_element *got)
{
    if (isinf(want->err)) return 0;
    if (ej_dtypes[dtype].kind < EJ_KIND_FLOAT) return want->i == got->i ? 0 : INFINITY;
    /* a complex number with a part that is none is none: the other part says nothing */
    if (isnan(want->re) || isnan(want->im)) return isnan(got->re) || isnan(got->im) ? 0 : INFINITY;
    for (int part = 0; part < 2; part++) {
        long double w = part ? want->im : want->re, g = part ? got->im : got->re;
        if (isnan(w) != isnan(g)) return INFINITY;
        if (isnan(w)) continue;
        if (isinf(w) || isinf(g)) {
            if (w != g) return INFINITY;
        }
    }
    if (isnan(want->re) || isnan(want->im) || isinf(want->re) || isinf(want->im)) return 0;
    long double off = fmaxl(fabsl(want->re - got->re), fabsl(want->im - got->im));
    if (off == 0) return 0;
    return want->err > 0 ? (double)(off / want->err) : INFINITY;
}

int64_t oracle_compare(const oracle_value *value, const einjit_tensor *got, double *worst)
{
    int64_t first = -1;
    double most = 0;
    for (int64_t i = 0; i < value->n; i++) {
        oracle_element g = oracle_read(got, i);
        double wrong = wrongness(value->dtype, &value->e[i], &g);
        if (wrong > most) most = wrong;
        if (first < 0 && !(wrong <= 1)) first = i;
    }
    if (worst) *worst = most;
    return first;
}

void oracle_describe(const oracle_value *value, const einjit_tensor *got, int64_t index, char *text, size_t n)
{
    oracle_element w = value->e[index], g = oracle_read(got, index);
    if (ej_dtypes[value->dtype].kind < EJ_KIND_FLOAT)
        snprintf(text, n, "element %lld: %lld, not %lld", (long long)index, (long long)g.i, (long long)w.i);
    else
        snprintf(text, n, "element %lld: (%.17Lg, %.17Lg), not (%.17Lg, %.17Lg) within %.3Lg", (long long)index, g.re,
                 g.im, w.re, w.im, w.err);
}
