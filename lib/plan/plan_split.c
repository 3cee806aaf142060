/* plan_split.c - long sums into few results, in chunks that threads share.
 *
 * Takes  the plan's steps.
 * Gives  for a large step that keeps next to nothing, two (three where chunks do not divide its axis):
 *
 *            out = epilogue(sum over r of expr)      part[c] = sum over r in chunk c of expr
 *                                                    part[last] = sum over what the chunks leave
 *                                                    out = epilogue(sum over c of part[c])
 *
 *        c is an axis like any other that is kept, along which the work can be cut (nest_cut.c).
 * Keeps  one order of terms: how many chunks there are follows from the extents, whatever the number of threads.
 * Not here: sums whose order of terms is promised; those along tables.
 */
#include "base_hash.h"
#include "plan_core.h"

enum { SPLIT_CHUNKS = 16 };     /* no fewer threads than these can share it */
enum { SPLIT_RESULTS = 64 };    /* at most: more of them are work to share by themselves */
enum { SPLIT_TERMS = 1 << 17 }; /* of all results together at least: less is not worth two steps */

/* All elements that the step reads of its largest source, and results; false: not in numbers, or too many. */
static bool count_elements(const ej_step *step, int64_t *terms, int64_t *results)
{
    *terms = *results = 1;
    for (int32_t a = 0; a < step->n_axes; a++) {
        if (step->axes[a].extent.e || !ej_mul_size(*terms, step->axes[a].extent.n, terms)) return false;
        if (step->axes[a].run != EJ_RUN_REDUCED && !ej_mul_size(*results, step->axes[a].extent.n, results))
            return false;
    }
    return true;
}

static bool has_table(const ej_access *access, int32_t axis)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0 && access->terms[t].axis == axis) return true;
    return false;
}

/* The stride of the step's sources along an axis, the longest of them; 0: the axis cannot be split. */
static int64_t stride_along(const ej_step *step, int32_t axis)
{
    int64_t longest = 0;
    for (int32_t s = 0; s < step->n_src; s++) {
        if (has_table(&step->src[s], axis)) return 0;
        for (int32_t t = 0; t < step->src[s].n_terms; t++) {
            const ej_access_term *term = &step->src[s].terms[t];
            int64_t stride = term->stride.n < 0 ? -term->stride.n : term->stride.n, whole;
            if (term->axis != axis) continue;
            if (!ej_mul_size(stride, step->axes[axis].extent.n, &whole)) return 0;
            if (term->stride.e) return 0;
            if (stride > longest) longest = stride;
        }
    }
    return longest;
}

/* The reduced axis along which chunks lie farthest apart, so that each is one piece of memory; -1: there is none. */
static int32_t axis_to_split(const ej_step *step, uint64_t random)
{
    int32_t best = -1;
    int64_t longest = 0;
    for (int32_t a = 0; a < step->n_axes; a++) {
        int64_t extent = step->axes[a].extent.n, stride = stride_along(step, a);
        if (step->axes[a].run != EJ_RUN_REDUCED || extent < (random ? 2 : SPLIT_CHUNKS) || stride <= longest) continue;
        best = a;
        longest = stride;
    }
    return best;
}

static bool is_to_split(const ej_step *step, uint64_t random)
{
    int64_t terms, results;
    if (step->reduce == EJ_REDUCE_NONE || step->ordered || ej_access_has_table(&step->out)) return false;
    if (!count_elements(step, &terms, &results) || !terms) return false;
    return random ? random % 3 == 0
                  : results <= SPLIT_RESULTS && terms / results >= SPLIT_TERMS / 2 && terms >= SPLIT_TERMS;
}

typedef struct split {
    ej_planner *p;
    const ej_step *step;
    int32_t axis;
    int64_t chunk, chunks, rest; /* values of a chunk; how many there are; what they leave */
    ej_access part;              /* by the kept axes, and behind all axes the chunk's number */
} split;

/* The sources from value `from` of the axis on; with the chunk's number as one more axis, where there is one. */
static int shift_sources(const split *s, int64_t from, bool in_chunks, ej_access **out)
{
    *out = EJ_JOB_ARRAY(s->p->job, ej_access, (size_t)s->step->n_src);
    if (!*out) return ej_no_memory(s->p->job->err);
    for (int32_t i = 0; i < s->step->n_src; i++) {
        const ej_access *was = &s->step->src[i];
        ej_access *now = &(*out)[i];
        *now = *was;
        now->terms = EJ_JOB_ARRAY(s->p->job, ej_access_term, (size_t)was->n_terms + 1);
        if (!now->terms) return ej_no_memory(s->p->job->err);
        for (int32_t t = 0; t < was->n_terms; t++) {
            now->terms[t] = was->terms[t];
            if (was->terms[t].axis != s->axis) continue;
            int64_t stride = was->terms[t].stride.n;
            EJ_TRY(ej_size_add(s->p->sizes, now->base, ej_size_number(stride * from), &now->base, s->p->job->err));
            if (in_chunks)
                now->terms[now->n_terms++] =
                    (ej_access_term){.axis = s->step->n_axes, .table = -1, .stride = ej_size_number(stride * s->chunk)};
        }
    }
    return EINJIT_OK;
}

static int copy_axes(const split *s, ej_step *step, int64_t extent, int64_t chunks, int chunks_run)
{
    step->axes = EJ_JOB_ARRAY(s->p->job, ej_axis, (size_t)s->step->n_axes + 1);
    if (!step->axes) return ej_no_memory(s->p->job->err);
    for (int32_t a = 0; a < s->step->n_axes; a++) step->axes[a] = s->step->axes[a];
    step->axes[s->axis].extent = ej_size_number(extent);
    step->n_axes = s->step->n_axes;
    if (chunks)
        step->axes[step->n_axes++] =
            (ej_axis){.name = "chunk", .extent = ej_size_number(chunks), .run = (uint8_t)chunks_run};
    return EINJIT_OK;
}

/* part[.., c]: the kept axes as they come, all chunks of a result apart from each other. */
static int make_part(split *s)
{
    int dtype = s->step->expr.ops[s->step->expr.n - 1].dtype;
    int64_t elems = 1;
    s->part.terms = EJ_JOB_ARRAY(s->p->job, ej_access_term, (size_t)s->step->n_axes + 1);
    if (!s->part.terms) return ej_no_memory(s->p->job->err);
    for (int32_t a = s->step->n_axes; a-- > 0;) {
        if (s->step->axes[a].run == EJ_RUN_REDUCED) continue;
        s->part.terms[s->part.n_terms++] = (ej_access_term){.axis = a, .table = -1, .stride = ej_size_number(elems)};
        elems *= s->step->axes[a].extent.n;
    }
    s->part.terms[s->part.n_terms++] =
        (ej_access_term){.axis = s->step->n_axes, .table = -1, .stride = ej_size_number(elems)};
    elems *= s->chunks + (s->rest > 0);
    const char *name = ej_plan_name(s->p, "%s_part", s->step->name ? s->step->name : "sum");
    if (!name) return ej_no_memory(s->p->job->err);
    return ej_plan_scratch(s->p, name, dtype, ej_size_number(elems), &s->part.buffer);
}

static ej_step part_step(const split *s)
{
    ej_step step = *s->step;
    step.name = s->p->plan->buffers[s->part.buffer].name;
    step.out = s->part;
    step.n_tail = 0;
    step.epilogue = (ej_expr){0};
    step.accumulate = false;
    return step;
}

static int add_chunks(const split *s, ej_step *out)
{
    *out = part_step(s);
    EJ_TRY(copy_axes(s, out, s->chunk, s->chunks, EJ_RUN_PARALLEL));
    return shift_sources(s, 0, true, &out->src);
}

static int add_rest(const split *s, ej_step *out)
{
    const ej_access_term *number = &s->part.terms[s->part.n_terms - 1];
    *out = part_step(s);
    out->out.n_terms--;
    out->out.base = ej_size_number(number->stride.n * s->chunks);
    EJ_TRY(copy_axes(s, out, s->rest, 0, 0));
    return shift_sources(s, s->chunk * s->chunks, false, &out->src);
}

/* Kept axes alone, and the chunks. */
static int keep_axes(const split *s, ej_access *access, const int32_t *map)
{
    ej_access_term *terms = EJ_JOB_ARRAY(s->p->job, ej_access_term, (size_t)access->n_terms);
    if (!terms) return ej_no_memory(s->p->job->err);
    for (int32_t t = 0; t < access->n_terms; t++) {
        terms[t] = access->terms[t];
        terms[t].axis = map[terms[t].axis];
    }
    access->terms = terms;
    return EINJIT_OK;
}

static int add_end(const split *s, ej_step *out)
{
    ej_step step = *s->step;
    int32_t *map = EJ_JOB_ARRAY(s->p->job, int32_t, (size_t)step.n_axes + 1);
    ej_access *src = EJ_JOB_ARRAY(s->p->job, ej_access, (size_t)step.n_tail + 1);
    ej_expr_op *op = EJ_JOB_NEW(s->p->job, ej_expr_op);
    if (!map || !src || !op) return ej_no_memory(s->p->job->err);
    EJ_TRY(copy_axes(s, &step, 1, s->chunks + (s->rest > 0), EJ_RUN_REDUCED));
    int32_t n = 0;
    for (int32_t a = 0; a < step.n_axes; a++) {
        bool kept = a == s->step->n_axes || step.axes[a].run != EJ_RUN_REDUCED;
        map[a] = n;
        if (kept) step.axes[n++] = step.axes[a];
    }
    step.n_axes = n;
    src[0] = s->part;
    for (int32_t t = 0; t < step.n_tail; t++) src[1 + t] = step.src[step.n_src + t];
    for (int32_t i = 0; i <= step.n_tail; i++) EJ_TRY(keep_axes(s, &src[i], map));
    EJ_TRY(keep_axes(s, &step.out, map));
    *op = (ej_expr_op){.kind = EJ_EXPR_SOURCE, .dtype = s->p->plan->buffers[s->part.buffer].dtype};
    step.n_src = 1;
    step.src = src;
    step.expr = (ej_expr){1, op};
    *out = step;
    return EINJIT_OK;
}

static int add_split(ej_planner *p, const ej_step *step, int32_t axis, uint64_t random, ej_step *steps, size_t *n)
{
    int64_t extent = step->axes[axis].extent.n, chunks = random ? 2 + (int64_t)(random / 3 % 2) : SPLIT_CHUNKS;
    if (chunks > extent) chunks = extent;
    split s = {.p = p, .step = step, .axis = axis, .chunk = extent / chunks, .chunks = chunks};
    s.rest = extent - s.chunk * chunks;
    EJ_TRY(make_part(&s));
    EJ_TRY(add_chunks(&s, &steps[(*n)++]));
    if (s.rest) EJ_TRY(add_rest(&s, &steps[(*n)++]));
    return add_end(&s, &steps[(*n)++]);
}

int ej_plan_split_sums(ej_planner *p)
{
    ej_plan *plan = p->plan;
    ej_step *steps = EJ_JOB_ARRAY(p->job, ej_step, 3 * plan->n_steps);
    size_t n = 0;
    if (!steps) return ej_no_memory(p->job->err);
    for (size_t i = 0; i < plan->n_steps; i++) {
        const ej_step *step = &plan->steps[i];
        uint64_t random = ej_job_random(p->job);
        if (random) random = ej_hash64(&i, sizeof i, random) | 1;
        int32_t axis = is_to_split(step, random) ? axis_to_split(step, random) : -1;
        if (axis < 0) steps[n++] = *step;
        else EJ_TRY(add_split(p, step, axis, random, steps, &n));
    }
    plan->steps = steps;
    plan->n_steps = n;
    plan->cap_steps = n;
    return EINJIT_OK;
}
