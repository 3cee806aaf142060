/* cmd_slices.c - einjit run --slices: some of a contraction's slices, whose sums go to a file that `einjit reduce` adds
 * up with others; and einjit run --mpi: all of them, each rank a range.
 *
 * Takes  a kernel that runs in slices, and its inputs.
 * Gives  the file of sums, written anew every half minute and when the run is interrupted. One that is there already is
 *        gone on with, if it is of the same computation: what was computed is not computed again. Ranks of MPI have
 *        such a file each, named after the result's; rank 0 gets all sums, writes the result and removes these files.
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cmd.h"
#include "npz.h"
#include "part.h"
#include "tool_mpi.h"

enum { TOOL_INTERRUPTED = -1 };                                /* Ctrl-C, between two slices */
static const double save_seconds = 30, question_seconds = 0.2; /* between two files; between two looks for Ctrl-C */

typedef struct job {
    const cmd_options *options;
    einjit_context *context;
    const einjit_kernel *kernel;
    size_t n_in;
    const einjit_tensor *in;
    part part;
    const char *path; /* of the file of sums */
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
    return hash_computation(j, program, arrays);
}

/* What an earlier run left in the file. */
static int resume(job *j, const char *path)
{
    part old;
    int status = part_load(&old, path);
    if (status) return status;
    if (strcmp(old.computation, j->part.computation) != 0)
        status = tool_fail("E_VALUE",
                           "%s is of another computation (program, inputs, limit or CPU): it is left as it is", path);
    else status = part_merge(&j->part, &old, path);
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
    /* then it would end as a compile that is not to go on; the next run adds what is in the file */
    return tool_interrupted ? TOOL_OK : part_settle(&j->part, j->context);
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
    int status = part_save(&j->part, j->path);
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
        if (!status && tool_interrupted) status = TOOL_INTERRUPTED;
    }
    if (status) return status;
    j->done = j->end - j->first;
    show(j, tool_seconds(), computed);
    return TOOL_OK;
}

/* What was computed is in the file, whether or not the run comes to its end. */
static int compute_range(job *j)
{
    int status = compute_missing(j);
    if (status && status != TOOL_INTERRUPTED) return status;
    int saved = save(j);
    if (saved || !status) return saved;
    return tool_fail("E_INTERRUPTED", "%s has the slices up to here; the same command goes on with it", j->path);
}

static int run_range(job *j)
{
    j->path = j->options->outputs[0];
    int status = take_range(j);
    if (!status && !access(j->path, F_OK)) status = resume(j, j->path);
    return status ? status : compute_range(j);
}

/* ---- ranks of MPI ---- */

/* Files of all ranks, also of an earlier run with more of them. */
static int each_file(job *j, int (*visit)(job *j, const char *path))
{
    glob_t files;
    int status = TOOL_OK;
    char *pattern = tool_alloc(2 * strlen(j->options->outputs[0]) + 32), *at = pattern;
    for (const char *c = j->options->outputs[0]; *c; c++) {
        if (strchr("*?[]\\", *c)) *at++ = '\\';
        *at++ = *c;
    }
    strcpy(at, ".rank-*.npz");
    if (!glob(pattern, 0, NULL, &files)) {
        for (size_t i = 0; i < files.gl_pathc && !status; i++) status = visit(j, files.gl_pathv[i]);
        globfree(&files);
    }
    free(pattern);
    return status;
}

static int remove_file(job *j, const char *path)
{
    (void)j;
    return remove(path) ? tool_fail("E_IO", "%s: %s", path, strerror(errno)) : TOOL_OK;
}

static int send_sums(const job *j, const tool_mpi *mpi)
{
    char *bytes = NULL;
    size_t n = 0;
    int status = part_pack(&bytes, &n, &j->part);
    const uint64_t length = n;
    if (!status && (mpi->send(&length, sizeof length) || mpi->send(bytes, n)))
        status = tool_fail("E_IO", "MPI does not send the sums");
    free(bytes);
    return status;
}

static int receive_sums(job *j, const tool_mpi *mpi, int rank)
{
    char what[32];
    uint64_t n = 0;
    part sums = {0};
    snprintf(what, sizeof what, "the sums of rank %d", rank);
    if (mpi->receive(rank, &n, sizeof n)) return tool_fail("E_IO", "MPI does not deliver %s", what);
    char *bytes = n < SIZE_MAX / 2 ? malloc((size_t)n + 1) : NULL;
    int status = !bytes                                 ? tool_fail("E_NOMEM", "out of memory for %s", what)
                 : mpi->receive(rank, bytes, (size_t)n) ? tool_fail("E_IO", "MPI does not deliver %s", what)
                                                        : part_unpack(&sums, bytes, (size_t)n, what);
    if (!status && strcmp(sums.computation, j->part.computation) != 0)
        status =
            tool_fail("E_VALUE", "rank %d computes something else: ranks need the same program, inputs and CPU", rank);
    if (!status) status = part_merge(&j->part, &sums, what);
    part_free(&sums);
    free(bytes);
    return status;
}

static int finish(job *j, const tool_mpi *mpi, int n_ranks)
{
    tool_tensor result = {0};
    int status = TOOL_OK;
    for (int rank = 1; rank < n_ranks && !status; rank++) status = receive_sums(j, mpi, rank);
    if (!status) status = part_settle(&j->part, j->context);
    if (!status) status = part_result(&result, &j->part, j->context);
    if (!status) status = cmd_results_save(j->options, &result, 1);
    if (!status) status = each_file(j, remove_file);
    tool_tensor_free(&result);
    return status;
}

static int run_rank(job *j, const tool_mpi *mpi, int rank, int n_ranks)
{
    char *path = tool_alloc(strlen(j->options->outputs[0]) + 32);
    int64_t n = j->part.n_slices, each = n / n_ranks, more = n % n_ranks;
    sprintf(path, "%s.rank-%d.npz", j->options->outputs[0], rank);
    j->path = path;
    j->first = each * rank + (rank < more ? rank : more);
    j->end = j->first + each + (rank < more);
    int status = each_file(j, resume);
    if (!status && mpi->wait())
        status = tool_fail("E_IO", "MPI does not wait"); /* a file that is read is not written */
    if (!status && j->first < j->end) status = compute_range(j);
    if (!status) status = rank ? send_sums(j, mpi) : finish(j, mpi, n_ranks);
    free(path);
    return status;
}

/* One rank that fails ends all: what they have is in their files. */
static int run_ranks(job *j, const tool_program *program, const tool_tensor *arrays)
{
    static char name[64];
    const tool_mpi *mpi;
    int rank, n_ranks, status = tool_mpi_load(&mpi);
    if (status) return status;
    if (mpi->begin(&rank, &n_ranks)) return tool_fail("E_IO", "MPI does not start");
    snprintf(name, sizeof name, "einjit, rank %d of %d", rank, n_ranks);
    tool_name = name;
    status = describe(j, program, arrays);
    if (!status) status = run_rank(j, mpi, rank, n_ranks);
    if (status) mpi->give_up();
    else mpi->end();
    return status;
}

int cmd_slices_check(const cmd_options *options)
{
    const char *name = options->mpi ? "--mpi" : "--slices";
    if (options->mpi && options->slices) return tool_usage("--mpi computes all slices: it goes without --slices");
    if (!options->memory_limit) return tool_usage("%s goes with --memory-limit, by which slices are cut", name);
    if (options->strategy && strstr(options->strategy, "seconds="))
        return tool_usage("%s with a search by the clock: each run would cut others; take trials=N", name);
    if (options->measure) return tool_usage("%s with --measure: runs could differ in their bits", name);
    if (options->mpi) {
        if (options->n_outputs != 1 || tool_is_stdio(options->outputs[0]))
            return tool_usage("--mpi needs one -o OUT.npy, after which files of sums are named, too");
        return TOOL_OK;
    }
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
    int status = TOOL_OK;
    if (options->mpi) {
        status = run_ranks(&j, program, in);
    } else {
        status = describe(&j, program, in);
        if (!status) status = run_range(&j);
    }
    part_free(&j.part);
    free(views);
    return status;
}
