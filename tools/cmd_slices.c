/* cmd_slices.c - einjit run --slices: some of a contraction's slices, whose sums go to a file that `einjit reduce` adds
 * up with others.
 *
 * Takes  a kernel that runs in slices, and its inputs.
 * Gives  the file of sums, written anew every half minute and when the run is interrupted. One that is there already is
 *        gone on with, if it is of the same computation: what was computed is not computed again.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cmd.h"
#include "npz.h"
#include "part.h"

static const double save_seconds = 30, question_seconds = 0.2; /* between two files; between two looks for Ctrl-C */

typedef struct job {
    const cmd_options *options;
    einjit_context *context;
    const einjit_kernel *kernel;
    size_t n_in;
    const einjit_tensor *in;
    part part;
    int64_t first, end, done;
    double began, saved, shown;
} job;

/* A:B, either may be missing: from the first, to the last. */
static int take_range(job *j)
{
    const char *text = j->options->slices, *colon = strchr(text, ':');
    int64_t n = j->part.n_slices;
    char *stop = NULL;
    errno = 0;
    j->first = colon && colon > text ? strtoll(text, &stop, 10) : 0;
    bool good = colon && (colon == text || stop == colon);
    j->end = good && colon[1] ? strtoll(colon + 1, &stop, 10) : n;
    good = good && (!colon[1] || !*stop) && !errno;
    if (!good) return tool_usage("--slices takes A:B, from slice A up to, but without, B, not '%s'", text);
    if (j->first < 0 || j->first >= j->end || j->end > n)
        return tool_usage("--slices %s: there are slices 0:%lld", text, (long long)n);
    return TOOL_OK;
}

/* A hash of everything that decides on the bits of sums: what is compiled and for which CPU, how it is sliced, and the
 * elements of the inputs. */
static int hash_computation(job *j, const tool_program *program, const tool_tensor *arrays)
{
    einjit_compile_options compile = cmd_compile_options(j->options);
    char *key = tool_explain(j->context, program, j->in, j->n_in, &compile, "key");
    if (!key) return TOOL_FAILED;
    XXH3_state_t *state = XXH3_createState();
    if (!state) {
        free(key);
        return tool_fail("E_NOMEM", "out of memory");
    }
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, key, strlen(key) + 1);
    XXH3_128bits_update(state, &compile.memory_limit, sizeof compile.memory_limit);
    XXH3_128bits_update(state, &j->part.n_slices, sizeof j->part.n_slices);
    for (size_t i = 0; i < j->n_in; i++) XXH3_128bits_update(state, arrays[i].block, arrays[i].bytes);
    XXH128_hash_t h = XXH3_128bits_digest(state);
    snprintf(j->part.computation, sizeof j->part.computation, "%016llx%016llx", (unsigned long long)h.high64,
             (unsigned long long)h.low64);
    XXH3_freeState(state);
    free(key);
    return TOOL_OK;
}

static int describe(job *j, const tool_program *program, const tool_tensor *arrays)
{
    einjit_error err = {0};
    einjit_slice_part slice = {.struct_bytes = sizeof slice};
    part *p = &j->part;
    if (einjit_kernel_slice_part(j->kernel, 0, &slice, NULL, NULL, &err))
        return err.code == EINJIT_E_UNSUPPORTED
                   ? tool_fail("E_VALUE", "it fits into the memory limit as a whole: there are no slices")
                   : tool_error(&err);
    p->n_slices = einjit_kernel_slice_count(j->kernel);
    p->n_summed = slice.end;
    p->reduce = slice.reduce;
    if (einjit_kernel_output_shape(j->kernel, 0, NULL, &p->dtype, &p->rank, NULL, 0, &err)) return tool_error(&err);
    p->shape = tool_alloc((size_t)(p->rank + 1) * sizeof *p->shape);
    if (einjit_kernel_output_shape(j->kernel, 0, NULL, NULL, NULL, p->shape, (size_t)p->rank, &err))
        return tool_error(&err);
    int status = take_range(j);
    return status ? status : hash_computation(j, program, arrays);
}

/* What an earlier run left in the file. */
static int resume(job *j)
{
    const char *path = j->options->outputs[0];
    part old;
    if (access(path, F_OK)) return TOOL_OK;
    int status = part_load(&old, path);
    if (status) return status;
    if (strcmp(old.computation, j->part.computation) != 0)
        status = tool_fail("E_VALUE",
                           "%s is of another computation (program, inputs, limit or CPU): it is left as it is", path);
    for (size_t i = 0; i < old.n && !status; i++) {
        part_add(&j->part, &old.sums[i]);
        old.sums[i] = (part_sum){0};
    }
    part_free(&old);
    return status;
}

static int compute(job *j, int64_t first, int64_t end)
{
    einjit_error err = {0};
    int64_t shape[TOOL_MAX_RANK];
    einjit_slice_part slice = {.struct_bytes = sizeof slice};
    part_sum s = {.first = first, .end = end, .begin = tool_alloc((size_t)(j->part.rank + 1) * sizeof(int64_t))};
    int status = einjit_kernel_slice_part(j->kernel, first, &slice, s.begin, shape, &err) ? tool_error(&err) : TOOL_OK;
    if (!status) status = tool_tensor_make(&s.sum, slice.dtype, j->part.rank, shape, "a sum of slices");
    if (!status && einjit_run_slice_sum(j->kernel, j->n_in, j->in, first, end, s.sum.block, &err))
        status = tool_error(&err);
    if (status) {
        free(s.begin);
        tool_tensor_free(&s.sum);
        return status;
    }
    part_add(&j->part, &s);
    return part_settle(&j->part, j->context);
}

static void show(job *j, double now, int64_t computed)
{
    char words[TOOL_WORDS];
    int64_t n = j->end - j->first;
    if (!isatty(STDERR_FILENO) || (now - j->shown < question_seconds && j->done < n)) return;
    j->shown = now;
    fprintf(stderr, "\r\033[Kslices: %lld of %lld", (long long)j->done, (long long)n);
    if (computed && j->done < n)
        fprintf(stderr, ", %s left", tool_duration(words, (now - j->began) / (double)computed * (double)(n - j->done)));
    if (j->done == n) fputc('\n', stderr);
}

static int save(job *j)
{
    int status = part_save(&j->part, j->options->outputs[0]);
    j->saved = tool_seconds();
    return status;
}

/* As many slices at a time as take long enough to be worth the question, and make a sum that a whole run makes. */
static int compute_missing(job *j)
{
    int64_t first = j->first, end = j->end, most = 1, computed = 0;
    int status = TOOL_OK;
    j->began = j->saved = tool_seconds();
    while (first = j->first, end = j->end, !status && part_missing(&j->part, &first, &end)) {
        int64_t behind = first % j->part.n_summed, until = first - behind + j->part.n_summed, n = 1;
        while (2 * n <= most && behind % (2 * n) == 0 && first + 2 * n <= end && first + 2 * n <= until) n *= 2;
        double before = tool_seconds();
        j->done = first - j->first;
        show(j, before, computed);
        status = compute(j, first, first + n);
        double now = tool_seconds();
        computed += n;
        if (now - before < question_seconds && most <= n && n < INT64_MAX / 4) most = 2 * n;
        if (!status && now - j->saved > save_seconds) status = save(j);
        if (!status && tool_interrupted) {
            status = save(j);
            return status ? status
                          : tool_fail("E_INTERRUPTED", "%s has the slices up to here; the same command goes on with it",
                                      j->options->outputs[0]);
        }
    }
    if (status) return status;
    j->done = j->end - j->first;
    show(j, tool_seconds(), computed);
    return save(j);
}

int cmd_slices_check(const cmd_options *options)
{
    if (!options->memory_limit) return tool_usage("--slices goes with --memory-limit, by which they are cut");
    if (options->strategy && strstr(options->strategy, "seconds="))
        return tool_usage("--slices with a search by the clock: each run would cut others; take trials=N");
    if (options->measure) return tool_usage("--slices with --measure: runs could differ in their bits");
    if (options->json) return tool_usage("--slices writes a file of sums, and no --json");
    if (options->n_outputs != 1 || !tool_ends_with(options->outputs[0], ".npz"))
        return tool_usage("--slices needs one -o PART.npz for the sums");
    return TOOL_OK;
}

int cmd_slices_run(const cmd_options *options, einjit_context *context, const tool_program *program,
                   const einjit_kernel *kernel, const tool_tensor *in, size_t n_in)
{
    einjit_tensor *views = tool_views(in, n_in);
    job j = {.options = options, .context = context, .kernel = kernel, .n_in = n_in, .in = views};
    int status = describe(&j, program, in);
    if (!status) status = resume(&j);
    if (!status) status = compute_missing(&j);
    part_free(&j.part);
    free(views);
    return status;
}
