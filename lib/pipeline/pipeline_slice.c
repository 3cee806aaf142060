/* pipeline_slice.c - contractions that do not fit into a memory limit become a kernel for one slice, run for all.
 *
 * Takes  a request with a memory limit, and its bound graph.
 * Gives  where the graph is one einsum whose intermediates do not fit: labels to cut (path_slice.c), and requests for
 *        the kernels of a slice, of the sum of two, and of what is stored in the end. The slice's program is the einsum
 *        over views of the operands in which those labels have extent 1, on the path that was found with them.
 * Keeps  the limit by what the plan of a slice really takes, packed operands and sums that wait with it: where that is
 *        more, labels are chosen anew for less.
 * Not here: programs with other operations beside the einsum; they keep the limit or fail.
 */
#include "pipeline_slice.h"

#include <math.h>
#include <string.h>

#include "choose.h"

enum { TRIES = 8, ALIGN = 64 };

/* ---- what can be sliced ---- */

/* The value behind a cast, if there is one. */
static ej_value behind_cast(const ej_bound *bound, ej_value v)
{
    return bound->nodes[v].op == EJ_OP_CAST ? bound->nodes[v].in[0] : v;
}

/* The program's only result is an einsum over inputs, but for casts and numbers. -1: it is not. */
static ej_value only_einsum(const ej_bound *bound)
{
    if (bound->n_outputs != 1 || bound->n_held || bound->sizes.n_symbols) return -1;
    ej_value v = behind_cast(bound, bound->outputs[0]);
    const ej_bound_node *node = &bound->nodes[v];
    if (node->op != EJ_OP_EINSUM || node->n_in < 3 || !ej_einsum_distributes(node)) return -1;
    for (uint32_t t = 0; t < node->n_in; t++) {
        const ej_bound_node *x = &bound->nodes[behind_cast(bound, node->in[t])];
        if (x->op != EJ_OP_INPUT && !ej_is_scalar_operand(bound, node->in[t])) return -1;
    }
    return v;
}

static int32_t input_of(const ej_bound *bound, ej_value v)
{
    v = behind_cast(bound, v);
    for (size_t i = 0; i < bound->n_inputs; i++)
        if (bound->inputs[i] == v) return (int32_t)i;
    return -1;
}

/* ---- labels ---- */

static double log2_limit(const ej_slices *s)
{
    return log2((double)s->limit / (double)ej_dtypes[s->node->dtype].bytes);
}

static int path_text(const char **out, const ej_path *path, ej_job *job)
{
    ej_text text;
    ej_text_init(&text, job->arena);
    ej_print(&text, "ssa:[");
    for (int32_t i = 0; i < path->n_steps; i++) {
        if (path->steps[i].b < 0) ej_print(&text, "%s[%d]", i ? "," : "", (int)path->steps[i].a);
        else ej_print(&text, "%s[%d,%d]", i ? "," : "", (int)path->steps[i].a, (int)path->steps[i].b);
    }
    ej_print(&text, "]");
    *out = text.data;
    return text.failed ? ej_no_memory(job->err) : EINJIT_OK;
}

static bool is_kept(const ej_slices *s, int32_t label)
{
    return ej_term_has(&s->node->subscripts->out, label);
}

/* Labels of the result first. E_LIMIT: more slices than a number has room for. */
static int order_labels(ej_slices *s, ej_job *job)
{
    ej_slicing *x = &s->slicing;
    int32_t n = s->path.n_sliced, made = 0;
    s->labels = EJ_JOB_ARRAY(job, int32_t, (size_t)n);
    x->extents = EJ_JOB_ARRAY(job, int64_t, (size_t)n);
    if (!s->labels || !x->extents) return ej_no_memory(job->err);
    x->n_labels = n;
    x->n_kept = x->n_summed = 1;
    for (int summed = 0; summed < 2; summed++)
        for (int32_t i = 0; i < n; i++) {
            int32_t label = s->path.sliced[i];
            int64_t *count = summed ? &x->n_summed : &x->n_kept;
            if (is_kept(s, label) == summed) continue;
            s->labels[made] = label;
            x->extents[made] = s->node->label_sizes[label].n;
            if (!ej_mul_size(*count, x->extents[made++], count))
                return ej_fail(job->err, EINJIT_E_LIMIT, "the memory limit asks for more than 2^63 slices");
        }
    int64_t all;
    if (!ej_mul_size(x->n_kept, x->n_summed, &all))
        return ej_fail(job->err, EINJIT_E_LIMIT, "the memory limit asks for more than 2^63 slices");
    return EINJIT_OK;
}

static int32_t place_of(const ej_slices *s, int32_t label)
{
    for (int32_t i = 0; i < s->slicing.n_labels; i++)
        if (s->labels[i] == label) return i;
    return -1;
}

/* ---- the program of a slice ---- */

/* What the operand or result is in a slice; its moves are noted. */
static int cut_tensor(ej_slices *s, einjit_tensor *out, const ej_bound_tensor *t, const ej_term *term, int32_t argument,
                      ej_job *job)
{
    ej_slicing *x = &s->slicing;
    int64_t *shape = EJ_JOB_ARRAY(job, int64_t, (size_t)t->rank),
            *strides = EJ_JOB_ARRAY(job, int64_t, (size_t)t->rank);
    if (!shape || !strides) return ej_no_memory(job->err);
    for (int32_t a = 0; a < t->rank; a++) {
        int32_t place = place_of(s, term->labels[a]);
        shape[a] = t->shape[a].n;
        strides[a] = t->strides[a].n;
        if (shape[a] == 1) place = -1;
        if ((size_t)argument == x->n_in) x->result_labels[a] = place; /* inputs are counted before */
        if (place < 0) continue;
        shape[a] = 1;
        x->moves[x->n_moves++] = (ej_slice_move){argument, place, strides[a] * ej_dtypes[t->dtype].bytes};
    }
    *out = (einjit_tensor){NULL, t->dtype, t->rank, shape, strides};
    return EINJIT_OK;
}

static int append_input(ej_graph *g, int dtype, int32_t rank, ej_value *out, ej_job *job)
{
    ej_node node = {.op = EJ_OP_INPUT,
                    .dtype = (int16_t)dtype,
                    .rank = rank,
                    .n_extents = (uint32_t)rank,
                    .extents = EJ_NEW_ARRAY(&g->arena, ej_extent, (size_t)rank)};
    if (!node.extents) return ej_no_memory(job->err);
    for (int32_t a = 0; a < rank; a++) node.extents[a].n = EJ_EXTENT_UNKNOWN;
    return ej_graph_append(g, &node, out, job->err);
}

static int append_cast(ej_graph *g, int from, int to, ej_value *v, ej_job *job)
{
    ej_node node = {.op = EJ_OP_CAST, .dtype = (int16_t)to, .rank = -1};
    if (from == to) return EINJIT_OK;
    if (!ej_node_takes(&g->arena, &node, 1, v)) return ej_no_memory(job->err);
    return ej_graph_append(g, &node, v, job->err);
}

/* A number takes the dtype of the operands. */
static int append_number(ej_graph *g, const ej_bound_node *number, ej_value *out, ej_job *job)
{
    ej_node node = {.op = EJ_OP_SCALAR,
                    .fn = ej_dtypes[number->dtype].kind,
                    .dtype = -1,
                    .rank = -1,
                    .re = number->re,
                    .im = number->im,
                    .integer = number->integer};
    return ej_graph_append(g, &node, out, job->err);
}

static int append_einsum(const ej_slices *s, ej_graph *g, const ej_value *in, ej_value *out, ej_job *job)
{
    const ej_subscripts *sub = s->node->subscripts;
    size_t room = 0;
    for (uint32_t t = 0; t < sub->n_terms; t++) room += sub->terms[t].n;
    int32_t *ranks = EJ_JOB_ARRAY(job, int32_t, sub->n_terms), *labels = EJ_JOB_ARRAY(job, int32_t, room);
    ej_node node = {.op = EJ_OP_EINSUM,
                    .fn = s->node->fn,
                    .combine = s->node->combine,
                    .dtype = -1,
                    .rank = -1,
                    .equation = EJ_NEW(&g->arena, ej_equation)};
    if (!ranks || !labels || !node.equation) return ej_no_memory(job->err);
    room = 0;
    for (uint32_t t = 0; t < sub->n_terms; t++) {
        ranks[t] = (int32_t)sub->terms[t].n;
        for (uint32_t i = 0; i < sub->terms[t].n; i++) labels[room++] = sub->terms[t].labels[i];
    }
    EJ_TRY(ej_equation_from_labels(node.equation, &g->arena, sub->n_terms, ranks, labels, (int)sub->out.n,
                                   sub->out.labels, job->err));
    if (!ej_node_takes(&g->arena, &node, sub->n_terms, in)) return ej_no_memory(job->err);
    return ej_graph_append(g, &node, out, job->err);
}

/* Every operand is an input of its own: one that the einsum has twice moves in two ways. */
static int slice_program(ej_slices *s, const ej_bound *bound, ej_job *job)
{
    const ej_bound_node *node = s->node;
    ej_slicing *x = &s->slicing;
    ej_graph *g = &s->slice.handle.graph;
    ej_value *in = EJ_JOB_ARRAY(job, ej_value, node->n_in), result;
    size_t n_moves = node->subscripts->out.n;
    for (uint32_t t = 0; t < node->n_in; t++) n_moves += node->subscripts->terms[t].n;
    s->slice.in = EJ_JOB_ARRAY(job, einjit_tensor, node->n_in);
    x->inputs = EJ_JOB_ARRAY(job, int32_t, node->n_in);
    x->moves = EJ_JOB_ARRAY(job, ej_slice_move, n_moves);
    x->result_labels = EJ_JOB_ARRAY(job, int32_t, node->subscripts->out.n);
    x->dtype = node->dtype;
    x->reduce = node->fn;
    if (!in || !s->slice.in || !x->inputs || !x->moves || !x->result_labels) return ej_no_memory(job->err);
    x->n_in = x->n_moves = 0;
    for (uint32_t t = 0; t < node->n_in; t++) {
        const ej_bound_node *operand = &bound->nodes[node->in[t]];
        if (ej_is_scalar_operand(bound, node->in[t])) {
            EJ_TRY(append_number(g, operand, &in[t], job));
            continue;
        }
        int32_t input = input_of(bound, node->in[t]), argument = (int32_t)x->n_in++;
        const ej_bound_tensor *tensor = &bound->input_tensors[input];
        x->inputs[argument] = input;
        EJ_TRY(cut_tensor(s, &s->slice.in[argument], tensor, &node->subscripts->terms[t], argument, job));
        EJ_TRY(append_input(g, tensor->dtype, tensor->rank, &in[t], job));
        EJ_TRY(append_cast(g, tensor->dtype, operand->dtype, &in[t], job));
    }
    EJ_TRY(append_einsum(s, g, in, &result, job));
    EJ_TRY(cut_tensor(s, &s->part, &bound->output_tensors[0], &node->subscripts->out, (int32_t)x->n_in, job));
    s->slice.n_in = x->n_in;
    s->slice.out = s->part;
    s->slice.out.dtype = node->dtype;
    s->slice.out.strides = NULL;
    return ej_graph_output(g, result, job->err);
}

/* ---- sums of slices ---- */

static int reducing_function(int reduce, int dtype)
{
    if (reduce == EINJIT_REDUCE_MAX) return EJ_FN_MAXIMUM;
    if (reduce == EINJIT_REDUCE_MIN) return EJ_FN_MINIMUM;
    return dtype == EINJIT_BOOL ? EJ_FN_LOGICAL_OR : EJ_FN_ADD;
}

static int sum_programs(ej_slices *s, ej_job *job)
{
    ej_value in[2], v;
    int dtype = s->node->dtype;
    ej_graph *g = &s->add.handle.graph;
    int64_t *elements = EJ_JOB_ARRAY(job, int64_t, 1);
    s->add.in = EJ_JOB_ARRAY(job, einjit_tensor, 2);
    s->store.in = EJ_JOB_ARRAY(job, einjit_tensor, 1);
    if (!elements || !s->add.in || !s->store.in) return ej_no_memory(job->err);
    *elements = 1;
    for (int a = 0; a < s->part.rank; a++) *elements *= s->part.shape[a]; /* fits, as the caller's does */
    ej_node node = {.op = EJ_OP_MAP, .fn = (uint8_t)reducing_function(s->node->fn, dtype), .dtype = -1, .rank = -1};
    for (int i = 0; i < 2; i++) EJ_TRY(append_input(g, dtype, 1, &in[i], job));
    if (!ej_node_takes(&g->arena, &node, 2, in)) return ej_no_memory(job->err);
    EJ_TRY(ej_graph_append(g, &node, &v, job->err));
    EJ_TRY(ej_graph_output(g, v, job->err));
    s->add.n_in = 2;
    s->add.out = s->add.in[0] = s->add.in[1] = (einjit_tensor){NULL, dtype, 1, elements, NULL};
    g = &s->store.handle.graph;
    EJ_TRY(append_input(g, dtype, s->part.rank, &v, job));
    EJ_TRY(append_cast(g, dtype, s->part.dtype, &v, job));
    EJ_TRY(ej_graph_output(g, v, job->err));
    s->store.n_in = 1;
    s->store.in[0] = s->slice.out;
    s->store.out = s->part;
    return EINJIT_OK;
}

static int measure_sums(ej_slices *s, ej_job *job)
{
    ej_slicing *x = &s->slicing;
    int64_t bytes = ej_dtypes[s->node->dtype].bytes, all;
    x->sum_bytes = 0;
    x->most_sums = ej_slice_sums(log2((double)x->n_summed));
    bool fits = true;
    for (int a = 0; a < s->part.rank; a++) fits = fits && ej_mul_size(bytes, s->part.shape[a], &bytes);
    fits = fits && ej_add_size(bytes, ALIGN - 1, &bytes);
    x->sum_bytes = bytes / ALIGN * ALIGN;
    if (!fits || !ej_mul_size(x->sum_bytes, x->most_sums, &all))
        return ej_fail(job->err, EINJIT_E_SIZE, "sums of slices do not fit into 63 bits");
    return EINJIT_OK;
}

/* ---- requests ---- */

static int open_part(ej_slice_part *part, ej_job *job, einjit_context *context)
{
    *part = (ej_slice_part){.handle = {.context = context}, .is_open = true};
    atomic_init(&part->handle.frozen, false);
    return ej_graph_init(&part->handle.graph, job->allocator, job->err);
}

static ej_request request_of(const ej_slices *s, ej_slice_part *part)
{
    ej_request r = {.graph = &part->handle, .n_in = part->n_in, .in = part->in, .n_out = 1, .out = &part->out};
    r.flags = s->flags;
    r.path = part == &s->slice ? s->path_text : NULL;
    return r;
}

static void close_parts(ej_slices *s)
{
    ej_slice_part *parts[] = {&s->slice, &s->add, &s->store};
    for (int i = 0; i < 3; i++) {
        if (parts[i]->is_open) ej_graph_free(&parts[i]->handle.graph);
        *parts[i] = (ej_slice_part){0};
    }
}

static int open_parts(ej_slices *s, ej_pipeline *p)
{
    close_parts(s);
    EJ_TRY(open_part(&s->slice, &p->job, p->context));
    EJ_TRY(open_part(&s->add, &p->job, p->context));
    return open_part(&s->store, &p->job, p->context);
}

static int cost_of(einjit_cost *out, ej_slices *s, ej_slice_part *part, ej_pipeline *p)
{
    ej_request r = request_of(s, part);
    EJ_TRY(ej_request_check(p->context, &r, p->job.err));
    return ej_compile_cost(out, p->context, &r, p->job.err);
}

/* The programs for the labels of the path, and what they cost. */
static int try_path(ej_slices *s, ej_pipeline *p)
{
    EJ_TRY(open_parts(s, p));
    EJ_TRY(order_labels(s, &p->job));
    EJ_TRY(path_text(&s->path_text, &s->path, &p->job));
    EJ_TRY(slice_program(s, &p->bound, &p->job));
    EJ_TRY(measure_sums(s, &p->job));
    EJ_TRY(cost_of(&s->slice_cost, s, &s->slice, p));
    EJ_TRY(sum_programs(s, &p->job));
    EJ_TRY(cost_of(&s->sums_cost, s, &s->add, p));
    EJ_TRY(cost_of(&s->store_cost, s, &s->store, p));
    uint64_t most = s->slice_cost.scratch_bytes;
    if (s->sums_cost.scratch_bytes > most) most = s->sums_cost.scratch_bytes;
    if (s->store_cost.scratch_bytes > most) most = s->store_cost.scratch_bytes;
    s->scratch_bytes = most + (uint64_t)(s->slicing.sum_bytes * s->slicing.most_sums);
    return EINJIT_OK;
}

static int search(ej_slices *s, ej_pipeline *p, double log2_most)
{
    EJ_TRY(ej_path_search_within(&s->path, &s->network, log2_most, &p->job));
    s->is_sliced = s->path.n_sliced > 0;
    return EINJIT_OK;
}

static int too_large(const ej_slices *s, uint64_t bytes, const char *why, ej_job *job)
{
    return ej_fail(job->err, EINJIT_E_LIMIT, "%llu bytes of scratch are needed, the memory limit is %llu: %s",
                   (unsigned long long)bytes, (unsigned long long)s->limit, why);
}

/* Until what the plan takes is within the limit. */
static int fit(ej_slices *s, ej_pipeline *p, double log2_most)
{
    uint64_t bytes = 0;
    for (int i = 0; i < TRIES; i++) {
        int status = search(s, p, log2_most);
        if (status == EINJIT_E_LIMIT && bytes) break;
        EJ_TRY(status);
        if (s->is_sliced) {
            EJ_TRY(try_path(s, p));
            if (s->scratch_bytes <= s->limit) return EINJIT_OK;
            bytes = s->scratch_bytes;
        }
        double over = s->is_sliced ? log2((double)s->scratch_bytes / (double)s->limit) : 1;
        log2_most -= over > 0.5 ? over : 0.5;
    }
    return too_large(s, bytes, "no slices were found that fit", &p->job);
}

static int may_slice(const ej_slices *s, uint64_t bytes, const ej_pipeline *p, ej_job *job)
{
    if (p->job.strict) return too_large(s, bytes, "strict compiles contract from left to right, unsliced", job);
    if (s->value < 0)
        return too_large(s, bytes, "only a program that is one einsum of three operands or more is computed in slices",
                         job);
    return EINJIT_OK;
}

int ej_slices_begin(ej_pipeline *p)
{
    ej_slices *s = p->slices = EJ_JOB_NEW(&p->job, ej_slices);
    if (!s) return ej_no_memory(p->job.err);
    *s = (ej_slices){.limit = p->request.memory_limit, .value = only_einsum(&p->bound), .flags = p->request.flags};
    if (s->value < 0 || p->job.strict) return EINJIT_OK;
    s->node = &p->bound.nodes[s->value];
    EJ_TRY(ej_einsum_network(&s->network, &p->bound, s->node, &p->job));
    if (s->network.n_terms < 3) {
        s->value = -1;
        return EINJIT_OK;
    }
    double most = log2_limit(s);
    EJ_TRY(search(s, p, most));
    if (s->is_sliced) return fit(s, p, most);
    EJ_TRY(path_text(&s->path_text, &s->path, &p->job));
    p->job.path_strategy = s->path_text; /* what was found is what is planned */
    return EINJIT_OK;
}

int ej_slices_check(ej_pipeline *p)
{
    ej_slices *s = p->slices;
    uint64_t bytes = (uint64_t)p->nests.scratch_bytes.n;
    if (p->nests.scratch_bytes.e)
        return ej_fail(p->job.err, EINJIT_E_UNSUPPORTED,
                       "a memory limit is kept for extents that are numbers: none can stay open");
    if (bytes <= s->limit) return EINJIT_OK;
    EJ_TRY(may_slice(s, bytes, p, &p->job));
    p->job.path_strategy = p->request.path;
    double over = log2((double)bytes / (double)s->limit);
    double most = s->path.log2_peak < log2_limit(s) ? s->path.log2_peak : log2_limit(s);
    return fit(s, p, most - (over < 0.5 ? 0.5 : over));
}

void ej_slices_cost(einjit_cost *out, const ej_slices *s)
{
    const ej_slicing *x = &s->slicing;
    const einjit_cost *c = &s->slice_cost;
    double n = (double)x->n_kept * (double)x->n_summed, stores = (double)x->n_kept, sums = n - stores;
    double bytes = n * (double)c->bytes_moved + sums * (double)s->sums_cost.bytes_moved +
                   stores * (double)s->store_cost.bytes_moved;
    out->planned_operations =
        n * c->planned_operations + sums * s->sums_cost.planned_operations + stores * s->store_cost.planned_operations;
    out->log10_mults = c->log10_mults + log10(n);
    out->log2_largest = c->log2_largest;
    out->scratch_bytes = s->scratch_bytes;
    out->steps = c->steps;
    out->bytes_moved = bytes < 1.8e19 ? (uint64_t)bytes : UINT64_MAX;
    out->slices = n;
    out->slice_overhead = pow(10, s->path.log10_overhead);
}

/* ---- kernels ---- */

/* Ways that are measured may take more scratch than the plan: where that is beyond the limit they are not measured, as
 * in every compile with a limit. */
static int find_kernel(einjit_kernel **out, ej_slices *s, ej_slice_part *part, ej_pipeline *p)
{
    ej_request r = request_of(s, part);
    uint64_t sums = (uint64_t)(s->slicing.sum_bytes * s->slicing.most_sums), scratch;
    EJ_TRY(ej_request_check(p->context, &r, p->job.err));
    EJ_TRY(ej_kernel_find(out, p->context, &r, p->job.err));
    if ((uint64_t)(*out)->scratch_bytes.n + sums > s->limit) {
        ej_kernel_drop(*out);
        *out = NULL;
        r.memory_limit = s->limit > sums ? s->limit - sums : 1; /* 0 is none */
        EJ_TRY(ej_kernel_find(out, p->context, &r, p->job.err));
    }
    scratch = (uint64_t)(*out)->scratch_bytes.n + sums;
    if (scratch > s->scratch_bytes) s->scratch_bytes = scratch;
    return EINJIT_OK;
}

/* Where a part is interpreted for a while, so is the whole. */
static uint64_t first_retry(const ej_slicing *x)
{
    const einjit_kernel *parts[] = {x->slice, x->store, x->add};
    uint64_t first = 0;
    for (int i = 0; i < 3; i++)
        if (parts[i] && parts[i]->retry_ns && (!first || parts[i]->retry_ns < first)) first = parts[i]->retry_ns;
    return first;
}

static bool copy_slicing(ej_slicing *out, const ej_slicing *from, size_t rank, ej_arena *arena)
{
    *out = *from;
    out->extents = EJ_NEW_ARRAY(arena, int64_t, (size_t)from->n_labels);
    out->inputs = EJ_NEW_ARRAY(arena, int32_t, from->n_in);
    out->moves = EJ_NEW_ARRAY(arena, ej_slice_move, from->n_moves);
    out->result_labels = EJ_NEW_ARRAY(arena, int32_t, rank);
    if (!out->extents || !out->inputs || !out->moves || !out->result_labels) return false;
    memcpy(out->extents, from->extents, (size_t)from->n_labels * sizeof *out->extents);
    memcpy(out->inputs, from->inputs, from->n_in * sizeof *out->inputs);
    memcpy(out->moves, from->moves, from->n_moves * sizeof *out->moves);
    if (rank) memcpy(out->result_labels, from->result_labels, rank * sizeof *out->result_labels);
    return true;
}

int ej_slices_kernels(einjit_kernel *kernel, ej_pipeline *p)
{
    ej_slices *s = p->slices;
    ej_slicing *x = EJ_NEW(&kernel->arena, ej_slicing);
    if (!x || !copy_slicing(x, &s->slicing, (size_t)s->part.rank, &kernel->arena)) return ej_no_memory(p->job.err);
    kernel->slicing = x;
    EJ_TRY(find_kernel(&x->slice, s, &s->slice, p));
    EJ_TRY(find_kernel(&x->store, s, &s->store, p));
    if (x->n_summed > 1) EJ_TRY(find_kernel(&x->add, s, &s->add, p));
    EJ_TRY(ej_kernel_describe_slices(kernel, &p->bound, (int64_t)s->scratch_bytes, p->job.err));
    kernel->retry_ns = first_retry(x);
    kernel->bytes = sizeof *kernel + kernel->arena.total_bytes;
    return EINJIT_OK;
}

int ej_slices_explain(ej_text *out, ej_pipeline *p, int stage)
{
    ej_slices *s = p->slices;
    ej_request r = request_of(s, &s->slice);
    const ej_slicing *x = &s->slicing;
    out->length = 0; /* that of the plan which does not fit */
    if (stage == EJ_STAGE_PATH || stage == EJ_STAGE_PLAN) {
        const uint32_t *letters = ej_subscripts_letters(p->job.arena, s->node->subscripts);
        if (!letters) return ej_no_memory(p->job.err);
        ej_print(out, "# %lld slices, over", (long long)(x->n_kept * x->n_summed));
        for (int32_t i = 0; i < x->n_labels; i++) {
            ej_print(out, "%s ", i ? "," : "");
            ej_print_code_point(out, letters[s->labels[i]]);
            ej_print(out, " = %lld%s", (long long)x->extents[i], is_kept(s, s->labels[i]) ? " (kept)" : "");
        }
        ej_print(out, "; log10_mults of all %s; one of them:\n",
                 ej_real_text((char[EJ_REAL_TEXT]){0}, 'f', 3, s->path.log10_mults));
    }
    EJ_TRY(ej_request_check(p->context, &r, p->job.err));
    return ej_compile_explain(out, p->context, &r, stage, p->job.err);
}

void ej_slices_end(ej_slices *s)
{
    if (s) close_parts(s);
}
