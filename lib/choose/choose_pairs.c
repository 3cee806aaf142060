/* choose_pairs.c - einsums of many operands become einsums of two, by the best path.
 *
 * Takes  a bound graph.
 * Gives  one in which an einsum that may be taken pair by pair (choose_einsum.c) has at most two operands beside
 *        scalars; the paths are those that are best for all einsums together (choose_joint.c). Results of steps have
 *        the axes of the einsum's result first, in their order, so that the last step finds them where it needs them;
 *        but the last one last where an operand has it there. Scalars join the last step. Values of rank 0 are
 *        multiplied in one after the other, never with each other, at the place that the path has for their product:
 *        that product could leave the range that the others' products with each of them stay in.
 * Keeps  others whole: they are one step over all operands. The sign of a sum's zero where it counts (facts_zero.h):
 *        with a factor behind the sum it would be the factor's.
 * Size   linear in the steps and their labels, beside the path search.
 */
#include <stdlib.h>
#include <string.h>

#include "choose_core.h"

/* Values of an axis, at least, that vectors should lie along: half a vector of the widest row in f32, a whole one in
 * f64. Not the row's own number, so that every target gets the same steps. */
enum { LANES = 8 };

/* An operand, or the result of a step: a value and its labels, as they are written: with repeats, and axes of extent
 * 1. */
typedef struct part {
    ej_value value;
    ej_term term;
    int32_t next; /* another operand of rank 0 that goes with this one; -1: none */
    bool number;  /* an operand of rank 0 */
} part;

typedef struct splitter {
    ej_rebuild *r;
    const ej_bound_node *node; /* the einsum, of the graph before */
    const ej_subscripts *s;
    int32_t n_parts, n_operands, n_scalars;
    part *parts; /* operands, then results of steps */
    ej_value *scalars;
    int32_t *rank_of; /* per label: place in a result: the output's labels come first */
    bool *in_out;
    int32_t *carriers;  /* per label: parts that have it, and among them ... */
    int32_t *stretched; /* ... those where its extent is not 1 */
    int32_t *seen;      /* per label: 0 between calls */
    bool has_arrays;    /* among the operands */
    bool zeros;         /* the signs of the result's zeros count */
} splitter;

static bool is_unit(const splitter *s, const part *x, uint32_t axis)
{
    return ej_size_is(s->r->out->nodes[x->value].shape[axis], 1);
}

/* ---- operands ---- */

static void count_labels(splitter *s, const part *x, int32_t by)
{
    for (uint32_t i = 0; i < x->term.n; i++) {
        int32_t label = x->term.labels[i];
        bool real = !is_unit(s, x, i);
        if (!(s->seen[label] & 1)) s->carriers[label] += by;
        if (real && !(s->seen[label] & 2)) s->stretched[label] += by;
        s->seen[label] |= real ? 3 : 1;
    }
    for (uint32_t i = 0; i < x->term.n; i++) s->seen[x->term.labels[i]] = 0;
}

static int take_operands(splitter *s)
{
    ej_job *job = s->r->job;
    size_t n = s->node->n_in, n_labels = s->s->n_labels;
    s->parts = EJ_JOB_ARRAY(job, part, 5 * n + 1); /* and results: of pairs, and of what is summed alone */
    s->scalars = EJ_JOB_ARRAY(job, ej_value, n);
    s->rank_of = EJ_JOB_ARRAY(job, int32_t, n_labels);
    s->in_out = EJ_JOB_ARRAY(job, bool, n_labels);
    s->carriers = EJ_JOB_ARRAY(job, int32_t, n_labels);
    s->stretched = EJ_JOB_ARRAY(job, int32_t, n_labels);
    s->seen = EJ_JOB_ARRAY(job, int32_t, n_labels);
    if (!s->parts || !s->scalars || !s->rank_of || !s->in_out || !s->carriers || !s->stretched || !s->seen)
        return ej_no_memory(job->err);
    for (uint32_t l = 0; l < n_labels; l++) s->rank_of[l] = (int32_t)(s->s->out.n + l);
    for (uint32_t i = 0; i < s->s->out.n; i++) {
        s->rank_of[s->s->out.labels[i]] = (int32_t)i;
        s->in_out[s->s->out.labels[i]] = true;
    }
    for (uint32_t t = 0; t < s->node->n_in; t++) {
        ej_value value = s->r->map[s->node->in[t]];
        if (ej_is_scalar_operand(s->r->out, value)) {
            s->scalars[s->n_scalars++] = value;
            continue;
        }
        s->parts[s->n_parts] = (part){value, s->s->terms[t], -1, !s->s->terms[t].n};
        s->has_arrays |= s->s->terms[t].n > 0;
        count_labels(s, &s->parts[s->n_parts++], 1);
    }
    s->n_operands = s->n_parts;
    return EINJIT_OK;
}

/* ---- steps ---- */

/* What the rest still needs: a label with values that the result or another part has, and an axis of extent 1 of the
 * result that nobody else could give it. The counts are those of the parts that are left. */
static bool is_needed(const splitter *s, int32_t label, bool real)
{
    if (real) return s->in_out[label] || s->stretched[label] > 0;
    return s->in_out[label] && !s->carriers[label];
}

typedef struct ranked {
    int32_t rank, label;
} ranked;

static int compare_ranks(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static bool fills_lanes(const splitter *s, int32_t label)
{
    ej_size extent = s->node->label_sizes[label];
    return extent.e || extent.n >= LANES;
}

/* The part's last label is this one, with values of its own. */
static bool ends_in(const splitter *s, const part *x, int32_t label)
{
    return x->term.n && x->term.labels[x->term.n - 1] == label && !is_unit(s, x, x->term.n - 1);
}

/* The result's label before it comes and goes with it: the two are one axis. */
static bool is_merged(const splitter *s, const ej_term *out, int32_t lane)
{
    int32_t before = s->s->out.n > 1 ? s->s->out.labels[s->s->out.n - 2] : -1;
    return before >= 0 && ej_term_has(out, before) && s->carriers[before] == s->carriers[lane];
}

/* Elements that lie side by side in an operand and in the einsum's result do so in between: neither this step nor
 * those behind it have to turn anything. (ijk,jr,kr->ir of 128, 128, 128, 16 in f32 on Zen 4: 785 us where the first
 * step writes irj, 580 where it writes ijr.) Of two labels that are one axis a short one takes the other with it, as
 * together they fill the lanes: zvi,zwj,ijk->zvwk of 1,000, 32, 32, 3, 5, 7 takes 1.26 ms where the first step writes
 * zwki, 1.12 where it writes ziwk. A long one stays where it is (tt_recon: 51 us, 53 with both moved). */
static void keep_lanes(const splitter *s, const int32_t *ids, int32_t n, ej_term *out)
{
    if (!s->s->out.n) return;
    int32_t lane = s->s->out.labels[s->s->out.n - 1], before = -1;
    bool ends = false;
    uint32_t kept = 0;
    if (is_merged(s, out, lane)) before = s->s->out.labels[s->s->out.n - 2];
    if (fills_lanes(s, lane) != (before < 0) || !ej_term_has(out, lane)) return;
    for (int32_t i = 0; i < n; i++) ends = ends || ends_in(s, &s->parts[ids[i]], lane);
    if (!ends) return;
    for (uint32_t i = 0; i < out->n; i++)
        if (out->labels[i] != lane && out->labels[i] != before) out->labels[kept++] = out->labels[i];
    if (before >= 0) out->labels[kept++] = before;
    out->labels[kept] = lane;
}

static int result_labels(splitter *s, const int32_t *ids, int32_t n, ej_term *out)
{
    ej_job *job = s->r->job;
    size_t room = 0;
    uint32_t count = 0;
    for (int32_t i = 0; i < n; i++) room += s->parts[ids[i]].term.n;
    ranked *list = EJ_JOB_ARRAY(job, ranked, room);
    out->labels = EJ_JOB_ARRAY(job, int32_t, room);
    if (!list || !out->labels) return ej_no_memory(job->err);
    for (int32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < s->parts[ids[i]].term.n; k++)
            s->seen[s->parts[ids[i]].term.labels[k]] |= is_unit(s, &s->parts[ids[i]], k) ? 1 : 3;
    for (int32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < s->parts[ids[i]].term.n; k++) {
            int32_t label = s->parts[ids[i]].term.labels[k], how = s->seen[label];
            s->seen[label] = 0;
            if (how && is_needed(s, label, how == 3)) list[count++] = (ranked){s->rank_of[label], label};
        }
    if (count) qsort(list, count, sizeof *list, compare_ranks);
    for (uint32_t i = 0; i < count; i++) out->labels[i] = list[i].label;
    out->n = count;
    keep_lanes(s, ids, n, out);
    return EINJIT_OK;
}

/* "messages_0", "messages_1": intermediates of the value `messages`. */
static int name_part(const splitter *s, const char **out)
{
    ej_text text;
    ej_text_init(&text, s->r->job->arena);
    ej_print(&text, "%s_%d", s->node->name ? s->node->name : "", (int)(s->n_parts - s->n_operands));
    *out = text.data;
    return text.failed ? ej_no_memory(s->r->job->err) : EINJIT_OK;
}

/* Two operands, and behind the last step the scalars. */
static int make_step(splitter *s, const int32_t *ids, int32_t n, const ej_term *out, bool last, ej_value *made)
{
    ej_job *job = s->r->job;
    uint32_t count = (uint32_t)n + (last ? (uint32_t)s->n_scalars : 0);
    ej_value *in = EJ_JOB_ARRAY(job, ej_value, count);
    ej_term *terms = EJ_JOB_ARRAY(job, ej_term, count);
    ej_bound_node node;
    if (!in || !terms) return ej_no_memory(job->err);
    for (int32_t i = 0; i < n; i++) {
        in[i] = s->parts[ids[i]].value;
        terms[i] = s->parts[ids[i]].term;
    }
    for (uint32_t i = (uint32_t)n; i < count; i++) in[i] = s->scalars[i - (uint32_t)n];
    EJ_TRY(ej_einsum_over(&node, s->r->out, s->node, count, in, terms, out, s->seen, job));
    node.is_part = !last;
    if (!last) EJ_TRY(name_part(s, &node.name));
    return ej_rebuild_add(s->r, &node, made);
}

static bool has_values(const splitter *s, const part *x)
{
    for (uint32_t i = 0; i < x->term.n; i++)
        if (!is_unit(s, x, i)) return true;
    return false;
}

/* Both are summed to a number each: nothing in common, nothing that the rest needs. */
static bool gives_numbers(splitter *s, const int32_t *ids)
{
    const part *a = &s->parts[ids[0]], *b = &s->parts[ids[1]];
    bool numbers = true;
    for (uint32_t i = 0; i < a->term.n; i++) s->seen[a->term.labels[i]] = 1;
    for (uint32_t i = 0; i < b->term.n; i++) numbers = numbers && !s->seen[b->term.labels[i]];
    for (uint32_t i = 0; i < a->term.n; i++) s->seen[a->term.labels[i]] = 0;
    for (int32_t k = 0; k < 2; k++)
        for (uint32_t i = 0; i < s->parts[ids[k]].term.n; i++) {
            int32_t label = s->parts[ids[k]].term.labels[i];
            numbers = numbers && !s->in_out[label] && s->carriers[label] <= 1;
        }
    return numbers;
}

/* The step of a path over parts ids[0 .. n-1]; the new part is the last one. `last`: of the whole einsum. */
static int make_part(splitter *s, int32_t n, const int32_t *ids, bool last)
{
    part *made = &s->parts[s->n_parts];
    for (int32_t k = 0; k < n; k++) count_labels(s, &s->parts[ids[k]], -1);
    *made = (part){.term = s->s->out, .next = -1};
    if (!last) EJ_TRY(result_labels(s, ids, n, &made->term));
    EJ_TRY(make_step(s, ids, n, &made->term, last, &made->value));
    if (!last) count_labels(s, made, 1);
    s->n_parts++;
    return EINJIT_OK;
}

/* One part summed to what the rest needs of it. */
static int sum_alone(splitter *s, int32_t *id)
{
    if (!has_values(s, &s->parts[*id])) return EINJIT_OK;
    EJ_TRY(make_part(s, 1, id, false));
    *id = s->n_parts - 1;
    return EINJIT_OK;
}

/* Two lists of operands of rank 0 as one, in the order of the operands. */
static int32_t join(splitter *s, int32_t a, int32_t b)
{
    int32_t first = -1, *end = &first;
    while (a >= 0 || b >= 0) {
        bool from_a = b < 0 || (a >= 0 && a < b);
        int32_t at = from_a ? a : b;
        *end = at;
        end = &s->parts[at].next;
        if (from_a) a = *end;
        else b = *end;
    }
    return first;
}

/* The path multiplies operands of rank 0 with each other, though there are others. */
static bool are_numbers(const splitter *s, const int32_t *ids)
{
    return s->has_arrays && s->parts[ids[0]].number && s->parts[ids[1]].number && !EJ_BROKEN(PAIRS_SCALARS);
}

/* Where two numbers are multiplied in the end, each is summed by itself: not every element of one times the other. */
static int contract(splitter *s, int32_t *ids, bool last)
{
    if (gives_numbers(s, ids)) {
        EJ_TRY(sum_alone(s, &ids[0]));
        EJ_TRY(sum_alone(s, &ids[1]));
    }
    int32_t numbers = s->parts[ids[0]].next >= 0 ? 0 : 1; /* which of the two may be several */
    for (int32_t at = ids[numbers], x = ids[1 - numbers]; at >= 0; at = s->parts[at].next) {
        int32_t pair[2] = {numbers ? x : at, numbers ? at : x};
        EJ_TRY(make_part(s, 2, pair, last && s->parts[at].next < 0));
        x = s->n_parts - 1;
    }
    return EINJIT_OK;
}

static int split(splitter *s, const ej_path *path)
{
    /* parts of the path's ids */
    int32_t *id_of = EJ_JOB_ARRAY(s->r->job, int32_t, (size_t)s->n_parts + (size_t)path->n_steps);
    if (!id_of) return ej_no_memory(s->r->job->err);
    int32_t n_ids = s->n_parts;
    for (int32_t i = 0; i < n_ids; i++) id_of[i] = i;
    for (int32_t i = 0; i < path->n_steps; i++) {
        int32_t n = path->steps[i].b < 0 ? 1 : 2;
        int32_t ids[2] = {id_of[path->steps[i].a], n == 2 ? id_of[path->steps[i].b] : -1};
        bool last = i + 1 == path->n_steps;
        if (n == 2 && are_numbers(s, ids)) {
            id_of[n_ids++] = join(s, ids[0], ids[1]);
            continue;
        }
        if (n == 1) EJ_TRY(make_part(s, 1, ids, last));
        else EJ_TRY(contract(s, ids, last));
        id_of[n_ids++] = s->n_parts - 1;
    }
    return EINJIT_OK;
}

/* 0.0 for both zeros. */
static int settle_zeros(splitter *s, ej_value *v)
{
    ej_job *job = s->r->job;
    const ej_bound_node *like = &s->r->out->nodes[*v];
    ej_bound_node zero = {.op = EJ_OP_SCALAR, .dtype = like->dtype, .name = like->name, .is_part = true};
    ej_bound_node sum = {.op = EJ_OP_MAP,
                         .fn = EJ_FN_ADD,
                         .dtype = like->dtype,
                         .rank = like->rank,
                         .shape = like->shape,
                         .name = like->name,
                         .n_in = 2};
    sum.in = EJ_JOB_ARRAY(job, ej_value, 2);
    if (!sum.in) return ej_no_memory(job->err);
    sum.in[0] = *v;
    s->r->out->nodes[*v].is_part = true;
    EJ_TRY(ej_rebuild_add(s->r, &zero, &sum.in[1]));
    return ej_rebuild_add(s->r, &sum, v);
}

/* "messages: (0, 2) (1, 3)  log10_mults 4.380 log2_largest 12.000", for dumps. */
static int note_path(const splitter *s, const ej_path *path, const char **out)
{
    ej_text text;
    char mults[EJ_REAL_TEXT], largest[EJ_REAL_TEXT];
    ej_text_init(&text, s->r->job->arena);
    ej_print(&text, "%s:", s->node->name ? s->node->name : "");
    for (int32_t i = 0; i < path->n_steps; i++) {
        if (path->steps[i].b < 0) ej_print(&text, " (%d)", (int)path->steps[i].a);
        else ej_print(&text, " (%d, %d)", (int)path->steps[i].a, (int)path->steps[i].b);
    }
    ej_print(&text, "  log10_mults %s log2_largest %s", ej_real_text(mults, 'f', 3, path->log10_mults),
             ej_real_text(largest, 'f', 3, path->log2_largest));
    *out = text.data;
    return text.failed ? ej_no_memory(s->r->job->err) : EINJIT_OK;
}

bool ej_paths_are_free(const ej_job *job)
{
    return !job->path_strategy || !strcmp(job->path_strategy, "auto");
}

int ej_pairs_search(ej_path *out, const ej_bound *bound, ej_value v, ej_job *job)
{
    const ej_bound_node *node = &bound->nodes[v];
    ej_network net;
    *out = (ej_path){0};
    if (node->op != EJ_OP_EINSUM || node->n_in < 2 || !ej_einsum_distributes(node)) return EINJIT_OK;
    EJ_TRY(ej_einsum_network(&net, bound, node, job));
    return net.n_terms < 2 ? EINJIT_OK : ej_path_search(out, &net, job);
}

static int decide_einsum(ej_rebuild *r, ej_value v, bool zeros, const ej_path *given)
{
    splitter s = {.r = r, .node = &r->from->nodes[v], .s = r->from->nodes[v].subscripts, .zeros = zeros};
    ej_path path;
    if (given && given->n_steps) path = *given;
    else EJ_TRY(ej_pairs_search(&path, r->from, v, r->job));
    if (!path.n_steps) return ej_rebuild_keep(r, v);
    EJ_TRY(take_operands(&s));
    const int32_t both[2] = {0, 1};
    if (path.n_steps > 1 || (s.n_parts == 2 && gives_numbers(&s, both))) {
        EJ_TRY(split(&s, &path));
        r->map[v] = s.parts[s.n_parts - 1].value;
        bool summed = ej_bound_sums(&r->out->nodes[r->map[v]]) || !ej_bound_sums(s.node);
        if (s.zeros && !summed && !EJ_BROKEN(PAIRS_ZEROS)) EJ_TRY(settle_zeros(&s, &r->map[v]));
    } else {
        EJ_TRY(ej_rebuild_keep(r, v));
    }
    return note_path(&s, &path, &r->out->nodes[r->map[v]].note);
}

int ej_pairs_by(ej_bound *out, const ej_bound *bound, const ej_path *paths, ej_job *job)
{
    ej_rebuild r;
    const bool *zeros = ej_bound_zeros(bound, job);
    if (!zeros) return ej_no_memory(job->err);
    EJ_TRY(ej_rebuild_begin(&r, out, bound, job));
    for (size_t v = 0; v < bound->n_nodes; v++) {
        if (!ej_rebuild_live(&r, (ej_value)v) || r.map[v] >= 0) continue;
        if (bound->nodes[v].op == EJ_OP_EINSUM)
            EJ_TRY(decide_einsum(&r, (ej_value)v, zeros[v], paths ? &paths[v] : NULL));
        else EJ_TRY(ej_rebuild_keep(&r, (ej_value)v));
    }
    return ej_rebuild_end(&r);
}

int ej_choose_pairs(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    ej_path *paths = NULL;
    if (!as_written && ej_paths_are_free(job) && !EJ_LEFT_OUT(JOINT)) EJ_TRY(ej_joint_paths(&paths, bound, job));
    return ej_pairs_by(out, bound, paths, job);
}
