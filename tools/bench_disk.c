/* bench_disk.c - what loading a case's kernel from the disk cache takes, in a folder of its own that is removed
 * again. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { ROUNDS = 101 };

static void remove_folder(const char *folder)
{
    DIR *stream = opendir(folder);
    for (struct dirent *d; stream && (d = readdir(stream));)
        if (*d->d_name != '.') (void)unlinkat(dirfd(stream), d->d_name, 0);
    if (stream) closedir(stream);
    (void)rmdir(folder);
}

/* The first compile writes the entry; the median of the others counts, if all of them found it. */
static int time_loads(bench *b, bench_result *r, einjit_context *context)
{
    double samples[ROUNDS], first;
    einjit_statistics s = {.struct_bytes = sizeof s};
    int status = bench_compile_anew(b, context, &first);
    for (int i = 0; i < ROUNDS && !status; i++) status = bench_compile_anew(b, context, &samples[i]);
    if (status) return status;
    einjit_context_statistics(context, &s, NULL);
    if (s.disk_hits != ROUNDS) return TOOL_OK; /* not kept there: a path from a file, the interpreter */
    qsort(samples, ROUNDS, sizeof *samples, tool_compare);
    r->disk_us = samples[ROUNDS / 2];
    return TOOL_OK;
}

int bench_time_disk(bench *b, bench_result *r)
{
    const char *base = getenv("TMPDIR");
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/einjit-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder)) return TOOL_OK; /* nothing to measure with */
    bench_options options = *b->options;
    options.folder = folder;
    einjit_context *context = NULL;
    int status = bench_context(&context, &options, options.backend, options.target);
    if (!status) status = time_loads(b, r, context);
    einjit_context_release(context);
    remove_folder(folder);
    return status;
}
