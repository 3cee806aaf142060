/* pipeline_dump.c - where the text of a stage goes: the log, a line each, or a file.
 *
 * Takes  a stage's text and the name of its kernel.
 * Gives  EINJIT_DUMP_DIR/<kernel>/NN-stage.*, or lines to the log hook. Dumps never make a compile fail. Files sort as
 *        the pipeline runs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline.h"

static const char *const files[EJ_STAGE_COUNT] = {
    [EJ_STAGE_GRAPH] = "10-graph.ein",   [EJ_STAGE_PASSES] = "15-opt.ein",
    [EJ_STAGE_OPT] = "20-opt.ein",       [EJ_STAGE_STATS] = "25-stats.txt",
    [EJ_STAGE_BIND] = "30-bind.txt",     [EJ_STAGE_PATH] = "40-path.txt",
    [EJ_STAGE_PLAN] = "50-plan.txt",     [EJ_STAGE_SCHEDULE] = "55-schedule.txt",
    [EJ_STAGE_NEST] = "60-nest.txt",     [EJ_STAGE_COST] = "61-cost.jsonl",
    [EJ_STAGE_STEPS] = "62-steps.jsonl", [EJ_STAGE_DOT] = "64-plan.dot",
    [EJ_STAGE_IR] = "70-ir.ll",          [EJ_STAGE_ASM] = "80-asm.s",
    [EJ_STAGE_KEY] = "05-key.txt",       [EJ_STAGE_TIME] = "90-time.txt",
};

static bool make_folder(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}

static bool write_file(const char *path, const ej_text *text)
{
    FILE *file = fopen(path, "w");
    if (!file) return false;
    bool written = !text->length || fwrite(text->data, 1, text->length, file) == text->length;
    return fclose(file) == 0 && written;
}

/* Said once: what is wrong with one file is so with the others. */
static void dump_to_file(einjit_context *context, const char *kernel, const char *file, const ej_text *text)
{
    char path[4096];
    errno = ENAMETOOLONG;
    int n = snprintf(path, sizeof path, "%s/%s", context->dump_dir, kernel);
    bool done =
        n > 0 && (size_t)n + strlen(file) + 2 < sizeof path && make_folder(context->dump_dir) && make_folder(path);
    if (done) {
        snprintf(path + n, sizeof path - (size_t)n, "/%s", file);
        done = write_file(path, text);
    }
    int reason = errno;
    if (!done && !atomic_exchange(&context->dump_warned, true))
        ej_context_log(context, "einjit: the dump %s cannot be written: %s", path, strerror(reason));
}

static void dump_to_log(const einjit_context *context, const char *kernel, int stage, ej_text *text)
{
    if (!context->log) return;
    ej_context_log(context, "---- %s: %s", kernel, ej_stage_name(stage));
    for (char *line = text->data, *end; line && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end) *end++ = 0;
        context->log(context->log_user, line);
    }
}

void ej_dump_write(einjit_context *context, const char *kernel, int stage, ej_text *text)
{
    if (text->failed) ej_context_log(context, "einjit: no memory for the dump of %s", ej_stage_name(stage));
    else if (context->dump_dir) dump_to_file(context, kernel, files[stage], text);
    else dump_to_log(context, kernel, stage, text);
}

void ej_dump_pass(einjit_context *context, const char *kernel, size_t n, const char *pass, ej_text *text)
{
    char file[80];
    snprintf(file, sizeof file, "15-opt-%03zu-%.40s.ein", n, pass);
    if (text->failed) ej_context_log(context, "einjit: no memory for the dump of pass %s", pass);
    else dump_to_file(context, kernel, file, text);
}
