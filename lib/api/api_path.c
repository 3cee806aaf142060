/* api_path.c - einjit_path: path search alone, over integer labels.
 *
 * Takes  the caller's arrays, every number in them checked.
 * Gives  the path and its costs; nothing is stored when anything is wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "api.h"

typedef struct request {
    size_t n;
    const int32_t *term_ranks, *labels;
    int output_rank;
    const int32_t *output;
    size_t n_labels;
    const int64_t *sizes;
} request;

static int check_arguments(const request *r, einjit_error *err)
{
    if (!r->n) return ej_fail(err, EINJIT_E_NO_OPERANDS, "a contraction without operands");
    if (r->n > INT32_MAX / 4) return ej_fail(err, EINJIT_E_LIMIT, "%zu operands", r->n);
    if (r->n_labels > INT32_MAX / 4) return ej_fail(err, EINJIT_E_LIMIT, "%zu labels", r->n_labels);
    if (!r->term_ranks || (r->n_labels && !r->sizes))
        return ej_fail(err, EINJIT_E_INVALID, "term_ranks or sizes is NULL");
    if (r->output_rank < 0 || (r->output_rank && !r->output))
        return ej_fail(err, EINJIT_E_VALUE, "output_rank is %d", r->output_rank);
    for (size_t l = 0; l < r->n_labels; l++)
        if (r->sizes[l] < 0)
            return ej_fail(err, EINJIT_E_VALUE, "the extent of label %zu is %lld", l, (long long)r->sizes[l]);
    return EINJIT_OK;
}

/* A sorted copy without repeats. `what` and `which` name it in messages. */
static int copy_term(ej_term *out, const request *r, const int32_t *labels, size_t n, const char *what, size_t which,
                     ej_job *job)
{
    if (n && !labels) return ej_fail(job->err, EINJIT_E_INVALID, "labels is NULL");
    for (size_t i = 0; i < n; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= r->n_labels)
            return ej_fail(job->err, EINJIT_E_VALUE, "label %d of %s %zu is not below %zu, the number of labels",
                           (int)labels[i], what, which, r->n_labels);
    out->labels = EJ_JOB_ARRAY(job, int32_t, n);
    if (!out->labels) return ej_no_memory(job->err);
    if (n) memcpy(out->labels, labels, n * sizeof *labels);
    if (n) qsort(out->labels, n, sizeof *out->labels, ej_compare_labels);
    for (size_t i = 0; i < n; i++)
        if (!out->n || out->labels[out->n - 1] != out->labels[i]) out->labels[out->n++] = out->labels[i];
    return EINJIT_OK;
}

static int check_output(const ej_network *net, size_t rank, ej_job *job)
{
    bool *known = EJ_JOB_ARRAY(job, bool, (size_t)net->n_labels);
    if (!known) return ej_no_memory(job->err);
    if (net->out.n != rank) return ej_fail(job->err, EINJIT_E_OUT_REPEAT, "a label is twice in the output");
    for (int32_t t = 0; t < net->n_terms; t++)
        for (uint32_t i = 0; i < net->terms[t].n; i++) known[net->terms[t].labels[i]] = true;
    for (uint32_t i = 0; i < net->out.n; i++)
        if (!known[net->out.labels[i]])
            return ej_fail(job->err, EINJIT_E_OUT_UNKNOWN, "label %d of the output is in no operand",
                           (int)net->out.labels[i]);
    return EINJIT_OK;
}

static int build_network(ej_network *net, const request *r, ej_job *job)
{
    ej_term *terms = EJ_JOB_ARRAY(job, ej_term, r->n);
    size_t at = 0;
    if (!terms) return ej_no_memory(job->err);
    for (size_t t = 0; t < r->n; t++) {
        if (r->term_ranks[t] < 0)
            return ej_fail(job->err, EINJIT_E_VALUE, "the rank of operand %zu is %d", t, (int)r->term_ranks[t]);
        size_t rank = (size_t)r->term_ranks[t];
        EJ_TRY(copy_term(&terms[t], r, r->labels ? r->labels + at : NULL, rank, "operand", t, job));
        at += rank;
    }
    *net =
        (ej_network){.n_terms = (int32_t)r->n, .terms = terms, .n_labels = (int32_t)r->n_labels, .extents = r->sizes};
    EJ_TRY(copy_term(&net->out, r, r->output, (size_t)r->output_rank, "result", 0, job));
    return check_output(net, (size_t)r->output_rank, job);
}

static int search(ej_path *path, const request *r, const einjit_path_options *options, ej_job *job)
{
    ej_network net;
    job->path_strategy = options->strategy;
    EJ_TRY(check_arguments(r, job->err));
    EJ_TRY(build_network(&net, r, job));
    if (!options->memory_limit) return ej_path_search(path, &net, job);
    if (!ej_dtype_valid(options->dtype))
        return ej_fail(job->err, EINJIT_E_DTYPE, "there is no dtype %d", options->dtype);
    double elements = (double)options->memory_limit / ej_dtypes[options->dtype].bytes;
    return ej_path_search_within(path, &net, log2(elements), job);
}

static int check_room(const ej_path *path, const int32_t *pairs, size_t capacity, const int32_t *sliced,
                      size_t sliced_capacity, einjit_error *err)
{
    if (pairs && capacity < (size_t)path->n_steps)
        return ej_fail(err, EINJIT_E_VALUE, "the path has %d steps, the buffer has room for %zu", (int)path->n_steps,
                       capacity);
    if (sliced && sliced_capacity < (size_t)path->n_sliced)
        return ej_fail(err, EINJIT_E_VALUE, "%d labels are sliced, the buffer has room for %zu", (int)path->n_sliced,
                       sliced_capacity);
    return EINJIT_OK;
}

static einjit_path_report report_of(const ej_path *path)
{
    return (einjit_path_report){.n_steps = (size_t)path->n_steps,
                                .n_sliced = (size_t)path->n_sliced,
                                .log10_mults = path->log10_mults,
                                .log2_largest = path->log2_largest,
                                .log2_peak = path->log2_peak,
                                .slices = round(exp2(path->log2_slices)),
                                .overhead = pow(10, path->log10_overhead)};
}

static void store(const ej_path *path, int32_t *pairs, int32_t *sliced)
{
    for (int32_t s = 0; pairs && s < path->n_steps; s++) {
        pairs[2 * s] = path->steps[s].a;
        pairs[2 * s + 1] = path->steps[s].b;
    }
    for (int32_t l = 0; sliced && l < path->n_sliced; l++) sliced[l] = path->sliced[l];
}

int einjit_path_find(einjit_context *context, size_t n, const int32_t *term_ranks, const int32_t *labels,
                     int output_rank, const int32_t *output, size_t n_labels, const int64_t *sizes,
                     const einjit_path_options *options, int32_t *pairs, size_t capacity, int32_t *sliced,
                     size_t sliced_capacity, einjit_path_report *out, einjit_error *err)
{
    if (!context) return ej_fail(err, EINJIT_E_INVALID, "the context is NULL");
    const request r = {n, term_ranks, labels, output_rank, output, n_labels, sizes};
    einjit_path_options all = {0};
    einjit_path_report report;
    ej_arena arena;
    ej_path path;
    if (options) EJ_TRY(ej_read_struct(&all, sizeof all, options, "path options", err));
    ej_arena_init(&arena, &context->allocator);
    const ej_path_watch watch = {all.progress, all.user};
    ej_job job = {.arena = &arena,
                  .err = err,
                  .allocator = &context->allocator,
                  .target = context->target,
                  .path_watch = all.progress ? &watch : NULL,
                  .progress = ej_progress_new(context, &arena)};
    int status = search(&path, &r, &all, &job);
    if (!status) status = check_room(&path, pairs, capacity, sliced, sliced_capacity, err);
    if (!status) report = report_of(&path);
    if (!status && out) status = ej_write_struct(out, &report, sizeof report, "path report", err);
    if (!status) store(&path, pairs, sliced);
    ej_arena_free(&arena);
    return status;
}

int einjit_path_watched(einjit_context *context, size_t n, const int32_t *term_ranks, const int32_t *labels,
                        int output_rank, const int32_t *output, size_t n_labels, const int64_t *sizes,
                        const char *strategy, int32_t *pairs, size_t capacity, size_t *n_steps, double *log10_mults,
                        double *log2_largest, einjit_path_progress progress, void *user, einjit_error *err)
{
    const einjit_path_options options = {
        .struct_bytes = sizeof options, .strategy = strategy, .progress = progress, .user = user};
    einjit_path_report report = {.struct_bytes = sizeof report};
    EJ_TRY(einjit_path_find(context, n, term_ranks, labels, output_rank, output, n_labels, sizes, &options, pairs,
                            capacity, NULL, 0, &report, err));
    if (n_steps) *n_steps = report.n_steps;
    if (log10_mults) *log10_mults = report.log10_mults;
    if (log2_largest) *log2_largest = report.log2_largest;
    return EINJIT_OK;
}

int einjit_path(einjit_context *context, size_t n, const int32_t *term_ranks, const int32_t *labels, int output_rank,
                const int32_t *output, size_t n_labels, const int64_t *sizes, const char *strategy, int32_t *pairs,
                size_t capacity, size_t *n_steps, double *log10_mults, double *log2_largest, einjit_error *err)
{
    return einjit_path_watched(context, n, term_ranks, labels, output_rank, output, n_labels, sizes, strategy, pairs,
                               capacity, n_steps, log10_mults, log2_largest, NULL, NULL, err);
}
