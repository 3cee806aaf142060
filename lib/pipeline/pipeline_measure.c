/* pipeline_measure.c - EINJIT_OPTION_MEASURE: recipes that are chosen by their time.
 *
 * Takes  a request. The kernel that the cost model would give is compiled first, with a list of the recipes that suit
 *        each step of its plan.
 * Gives  the kernel with those recipes that ran fastest: first groups of steps against steps apart, then, from the step
 *        that is predicted to take longest to the one that takes least, up to six recipes of each against the best
 *        so far. Steps that have the same candidates with the same predictions, as the layers of a network have, are
 *        given the same recipe and count as one.
 * How    Kernels run in turns on memory of this file's own, as large as the request's tensors and laid out like them; a
 *        candidate wins where the least of its times is clearly below the least of the other's. Each candidate is a
 *        compile of the whole request: after some seconds no more are tried. One that fails, for want of scratch
 *        memory for example, has lost.
 * Not here: what is remembered. The caches do that, as of any kernel: the flag is part of the signature.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base_time.h"
#include "nest.h"
#include "path.h"
#include "pipeline.h"
#include "recipe.h"

enum {
    RECIPES_OF_A_STEP = 6,
    TRIALS = 96,    /* compiles of a request at most */
    SAMPLES = 9,    /* of each of two kernels */
    ALIGNMENT = 64, /* of tensors */
};
static const uint64_t sample_ns = 200000;             /* at least: short runs are repeated */
static const uint64_t pair_ns = 400000000;            /* no further samples of two kernels after so long */
static const uint64_t all_ns = UINT64_C(10000000000); /* no further candidates after so long */
static const double clear_win = 0.97;                 /* less of a difference counts as none */
static const double hopeless = 1.5;                   /* after two samples */
static const double worth_a_trial = 8;         /* predicted to take so many times as long as the best: not tried */
static const double least_share_of_all = 0.01; /* steps predicted to take less of the whole are left alone */

/* A tensor's memory. */
typedef struct block {
    void *memory;
    size_t bytes;
} block;

typedef struct measuring {
    einjit_context *context;
    const ej_request *request;
    ej_trial trial;
    ej_path_memo paths;
    uint64_t until_ns;        /* when to try no more */
    size_t n_in, n_out, room; /* room: bytes that tensors may still take */
    einjit_tensor *in, *out;
    block *blocks; /* inputs', then outputs' */
    int64_t symbols[EJ_OPEN_MAX];
    einjit_kernel *best;
    double model_ns, best_ns; /* of a run: the model's kernel and the best one, as they were last timed */
    size_t n_seen, n_trials;
    ej_hash seen[TRIALS + 2]; /* code that was timed */
    ej_arena arena;
    ej_job job; /* who is asked whether to go on */
    einjit_error *err;
} measuring;

/* ---- tensors ---- */

/* Numbers of either sign, none of them small; integers that are indices of any axis. */
static void fill(const block *b, int dtype, int64_t most)
{
    const ej_dtype_info *info = &ej_dtypes[dtype];
    char *end = (char *)b->memory + b->bytes - info->bytes;
    uint64_t random = 1;
    for (char *at = b->memory; at <= end; at += info->bytes) {
        random = random * UINT64_C(6364136223846793005) + 1;
        double part = (double)(random >> 40) * 0x1p-24;
        ej_scalar value = {.re = random >> 39 & 1 ? 0.25 + part : -0.25 - part, .im = part};
        if (info->kind == EJ_KIND_BOOL) value.integer = random >> 40 & 1;
        if (info->kind == EJ_KIND_INT) value.integer = (int64_t)(random >> 32) % most;
        ej_scalar_store(dtype, at, value);
    }
}

/* False: there is not so much memory, or it has no size. */
static bool keep(measuring *m, einjit_tensor *t, block *b, bool read, int64_t most)
{
    ej_span span;
    if (!ej_tensor_span(t, &span)) return false;
    size_t bytes = (size_t)(span.hi - span.lo);
    if (bytes > m->room) return false;
    m->room -= bytes;
    b->bytes = bytes + ALIGNMENT;
    b->memory = ej_alloc(&m->context->allocator, b->bytes);
    if (!b->memory) return false;
    uintptr_t first = ((uintptr_t)b->memory + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    t->data = (char *)first - span.lo;
    if (read && bytes) fill(&(block){(void *)first, bytes}, t->dtype, most);
    return true;
}

/* Below the least extent of the inputs. */
static int64_t any_index(const ej_request *r)
{
    int64_t most = 1024;
    for (size_t i = 0; i < r->n_in; i++)
        for (int32_t axis = 0; axis < r->in[i].rank; axis++)
            if (r->in[i].shape[axis] < most) most = r->in[i].shape[axis];
    return most > 0 ? most : 1;
}

static bool shape_output(measuring *m, einjit_tensor *t, const ej_bound_tensor *want)
{
    *t = (einjit_tensor){.dtype = want->dtype, .rank = want->rank};
    int64_t *shape = EJ_NEW_ARRAY(&m->arena, int64_t, (size_t)want->rank);
    for (int32_t axis = 0; shape && axis < want->rank; axis++)
        if (ej_kernel_size(m->best, want->shape[axis], m->symbols, &shape[axis])) return false;
    t->shape = shape;
    return shape;
}

/* A quarter of the machine's memory: an allocation beyond that may succeed and end the process when it is written. */
static size_t room_for_tensors(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && bytes > 0 ? (size_t)pages / 4 * (size_t)bytes : SIZE_MAX / 4;
}

/* False: the request cannot be timed, and keeps what the model chose. */
static bool make_tensors(measuring *m)
{
    const ej_request *r = m->request;
    const einjit_kernel *kernel = m->best;
    m->room = room_for_tensors();
    m->n_in = r->n_in;
    m->n_out = kernel->n_out;
    m->in = EJ_NEW_ARRAY(&m->arena, einjit_tensor, m->n_in);
    m->out = EJ_NEW_ARRAY(&m->arena, einjit_tensor, m->n_out);
    m->blocks = EJ_NEW_ARRAY(&m->arena, block, m->n_in + m->n_out);
    if (!m->in || !m->out || !m->blocks) return false;
    if (ej_check_inputs(kernel, r->n_in, r->in, m->symbols, NULL)) return false;
    for (size_t i = 0; i < m->n_in; i++) {
        m->in[i] = r->in[i];
        bool constant = kernel->last_read[i] == EJ_READ_FOR_EVER; /* holds what it will hold */
        if (!constant && !keep(m, &m->in[i], &m->blocks[i], true, any_index(r))) return false;
    }
    for (size_t i = 0; i < m->n_out; i++) {
        if (r->n_out) m->out[i] = r->out[i];
        else if (!shape_output(m, &m->out[i], &kernel->out[i])) return false;
        if (!keep(m, &m->out[i], &m->blocks[m->n_in + i], true, 1)) return false;
    }
    return true;
}

static void free_tensors(measuring *m)
{
    for (size_t i = 0; m->blocks && i < m->n_in + m->n_out; i++)
        ej_release(&m->context->allocator, m->blocks[i].memory, m->blocks[i].bytes);
}

static bool runs(measuring *m)
{
    return ej_check_outputs(m->best, m->n_out, m->out, m->symbols, NULL) == EINJIT_OK &&
           ej_check_memory(m->best, m->in, m->out, m->symbols, NULL) == EINJIT_OK &&
           ej_kernel_run(m->best, m->in, m->out, m->symbols, NULL) == EINJIT_OK;
}

/* ---- times ---- */

static int time_runs(uint64_t *ns, measuring *m, const einjit_kernel *kernel, uint64_t n)
{
    EJ_TRY(ej_job_poll(&m->job, EJ_STAGE_TIME, -1));
    uint64_t start = ej_now_ns();
    for (uint64_t i = 0; i < n; i++) EJ_TRY(ej_kernel_run(kernel, m->in, m->out, m->symbols, m->err));
    *ns = ej_now_ns() - start;
    return EINJIT_OK;
}

/* How many runs make a sample; the first one does not count. */
static int runs_of_a_sample(uint64_t *n, measuring *m, const einjit_kernel *kernel)
{
    uint64_t ns;
    EJ_TRY(time_runs(&ns, m, kernel, 1));
    *n = 1;
    EJ_TRY(time_runs(&ns, m, kernel, 1));
    while (ns < sample_ns) {
        *n = ns * 2 < sample_ns ? *n * 2 : *n + (*n + 1) / 2;
        EJ_TRY(time_runs(&ns, m, kernel, *n));
    }
    return EINJIT_OK;
}

static int is_faster(bool *out, measuring *m, const einjit_kernel *candidate)
{
    uint64_t n[2], ns, start = ej_now_ns();
    const einjit_kernel *kernels[2] = {m->best, candidate};
    double least[2] = {INFINITY, INFINITY};
    for (int k = 0; k < 2; k++) EJ_TRY(runs_of_a_sample(&n[k], m, kernels[k]));
    for (int sample = 0; sample < SAMPLES; sample++) {
        for (int k = 0; k < 2; k++) {
            EJ_TRY(time_runs(&ns, m, kernels[k], n[k]));
            least[k] = fmin(least[k], (double)ns / (double)n[k]);
        }
        if (sample >= 1 && (least[1] > least[0] * hopeless || ej_now_ns() - start > pair_ns)) break;
    }
    *out = least[1] < least[0] * clear_win;
    if (m->n_seen == 2) m->model_ns = least[0];
    m->best_ns = least[*out];
    return EINJIT_OK;
}

/* ---- candidates ---- */

/* Two sets of recipes may come to the same code. */
static bool is_new(measuring *m, const einjit_kernel *kernel)
{
    ej_hash hash = ej_hash_bytes(kernel->image.base, kernel->image.n_code);
    for (size_t i = 0; i < m->n_seen; i++)
        if (m->seen[i].lo == hash.lo && m->seen[i].hi == hash.hi) return false;
    m->seen[m->n_seen++] = hash;
    return true;
}

/* The trial as it stands, compiled. It becomes the best where it is faster. */
static int try_it(bool *won, measuring *m)
{
    einjit_kernel *kernel;
    *won = false;
    if (m->n_trials++ >= TRIALS || ej_now_ns() >= m->until_ns) return EINJIT_OK;
    int status = ej_compile_trial(&kernel, m->context, m->request, &m->trial, true, m->err);
    if (status == EINJIT_OK) {
        if (is_new(m, kernel)) status = is_faster(won, m, kernel);
        einjit_kernel *other = *won ? m->best : kernel;
        if (*won) m->best = kernel;
        ej_kernel_drop(other);
    }
    return status == EINJIT_E_INTERRUPTED ? status : EINJIT_OK;
}

static int by_cycles(const void *a, const void *b)
{
    double x = ((const ej_nest_candidate *)a)->cycles, y = ((const ej_nest_candidate *)b)->cycles;
    return (x > y) - (x < y);
}

static bool alike(const struct ej_trial_step *x, const struct ej_trial_step *y)
{
    bool same = x->n == y->n;
    for (int32_t c = 0; c < x->n && same; c++)
        same = x->items[c].cycles == y->items[c].cycles && !strcmp(x->items[c].recipe, y->items[c].recipe);
    return same;
}

/* Steps that are tried together. */
typedef struct ranked_step {
    size_t index;  /* of the first one */
    double cycles; /* of all */
} ranked_step;

static void give_recipe(measuring *m, size_t index, const char *recipe)
{
    for (size_t s = index; s < m->trial.n_steps; s++)
        if (alike(&m->trial.steps[s], &m->trial.steps[index])) m->trial.recipes[s] = recipe;
}

static int try_step(measuring *m, size_t index)
{
    struct ej_trial_step *step = &m->trial.steps[index];
    for (int32_t c = 0; c < step->n && c < RECIPES_OF_A_STEP; c++) {
        const char *before = m->trial.recipes[index];
        bool won;
        if (step->items[c].cycles > worth_a_trial * step->items[0].cycles) break;
        give_recipe(m, index, step->items[c].recipe);
        EJ_TRY(try_it(&won, m));
        if (!won) give_recipe(m, index, before);
    }
    return EINJIT_OK;
}

static int longest_first(const void *a, const void *b)
{
    const ranked_step *x = a, *y = b;
    if (x->cycles != y->cycles) return x->cycles < y->cycles ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

static size_t rank_steps(const measuring *m, ranked_step *order, double *all)
{
    size_t n = 0;
    *all = 0;
    for (size_t s = 0; s < m->trial.n_steps; s++) {
        struct ej_trial_step *step = &m->trial.steps[s];
        size_t k = 0;
        qsort(step->items, (size_t)step->n, sizeof *step->items, by_cycles);
        while (k < n && !alike(&m->trial.steps[order[k].index], step)) k++;
        if (k == n) order[n++] = (ranked_step){s, 0};
        double cycles = step->n ? step->items[0].cycles : 0;
        order[k].cycles += cycles;
        *all += cycles;
    }
    qsort(order, n, sizeof *order, longest_first);
    return n;
}

static int try_all(measuring *m)
{
    bool won;
    double all;
    ranked_step *order = EJ_NEW_ARRAY(&m->arena, ranked_step, m->trial.n_steps);
    m->trial.recipes = EJ_NEW_ARRAY(&m->arena, const char *, m->trial.n_steps);
    if (!order || !m->trial.recipes) return ej_no_memory(m->err);
    size_t n = rank_steps(m, order, &all);
    if (m->trial.n_steps > 1) {
        m->trial.apart = true;
        EJ_TRY(try_it(&won, m));
        m->trial.apart = won;
    }
    for (size_t k = 0; k < n && order[k].cycles >= least_share_of_all * all; k++) EJ_TRY(try_step(m, order[k].index));
    return EINJIT_OK;
}

static void log_times(const measuring *m)
{
    if (!m->context->verbose || m->n_seen < 2) return;
    ej_context_log(m->context, "einjit: measured %zu kernels: %s us, and %s us as the model has it", m->n_seen,
                   ej_real_text((char[EJ_REAL_TEXT]){0}, 'f', 3, m->best_ns * 1e-3),
                   ej_real_text((char[EJ_REAL_TEXT]){0}, 'f', 3, m->model_ns * 1e-3));
}

int ej_compile_measured(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err)
{
    measuring m = {.context = context, .request = request, .err = err};
    ej_arena_init(&m.arena, &context->allocator);
    m.job = (ej_job){.err = err, .progress = ej_progress_new(context, &m.arena)};
    m.paths.arena = m.trial.lists = &m.arena;
    m.trial.paths = &m.paths;
    int status = ej_compile_trial(&m.best, context, request, &m.trial, true, err);
    m.trial.lists = NULL;
    if (status == EINJIT_OK && make_tensors(&m) && runs(&m)) {
        is_new(&m, m.best);
        m.until_ns = ej_now_ns() + all_ns;
        status = try_all(&m);
    }
    free_tensors(&m);
    if (m.best) ej_kernel_drop(m.best);
    if (status == EINJIT_OK) log_times(&m);
    if (status == EINJIT_OK) status = ej_compile_trial(out, context, request, &m.trial, false, err);
    ej_arena_free(&m.arena);
    return status;
}
