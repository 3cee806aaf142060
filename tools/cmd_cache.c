/* cmd_cache.c - the kernels on disk: list, show, verify, clear, warm, path, stats. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "cmd.h"

typedef struct cache_request {
    einjit_context *context;
    const cmd_options *options;
    einjit_cache_list *list; /* of commands that need it */
    einjit_cache_entry *entries;
    size_t n;
    char **arguments; /* behind the word */
    int n_arguments;
} cache_request;

static const char *date(char text[32], int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm parts;
    if (!localtime_r(&when, &parts) || !strftime(text, 32, "%Y-%m-%d %H:%M", &parts)) strcpy(text, "?");
    return text;
}

/* ---- list, show, verify ---- */

static json_t *entry_json(const einjit_cache_entry *e)
{
    json_t *doc = json_object();
    json_object_set_new(doc, "name", json_string(e->name));
    json_object_set_new(doc, "folder", json_string(e->folder));
    json_object_set_new(doc, "problem", e->problem ? json_string(e->problem) : json_null());
    json_object_set_new(doc, "generator", e->generator ? json_string(e->generator) : json_null());
    json_object_set_new(doc, "bytes", json_integer((json_int_t)e->bytes));
    json_object_set_new(doc, "code_bytes", json_integer((json_int_t)e->code_bytes));
    json_object_set_new(doc, "compile_ms", tool_json_number((double)e->compile_ns * 1e-6));
    json_object_set_new(doc, "used", json_integer((json_int_t)e->used));
    json_object_set_new(doc, "ok", json_boolean(!e->fault));
    json_object_set_new(doc, "bad", json_boolean(e->bad));
    json_object_set_new(doc, "error", e->fault ? json_string(e->fault) : json_null());
    return doc;
}

static void print_json(json_t *doc)
{
    json_dumpf(doc, stdout, JSON_INDENT(1));
    puts("");
    json_decref(doc);
}

static void entry_line(const einjit_cache_entry *e)
{
    char when[32];
    printf("%.12s %9llu bytes  %8.2f ms  %s  %s%s%s\n", e->name, (unsigned long long)e->bytes,
           (double)e->compile_ns * 1e-6, date(when, e->used), e->fault ? "(" : "", e->fault ? e->fault : e->problem,
           e->fault ? ")" : "");
}

static int list(const cache_request *r)
{
    if (r->options->json) {
        json_t *all = json_array();
        for (size_t i = 0; i < r->n; i++) json_array_append_new(all, entry_json(&r->entries[i]));
        print_json(all);
        return TOOL_OK;
    }
    for (size_t i = 0; i < r->n; i++) entry_line(&r->entries[i]);
    return TOOL_OK;
}

static void show_entry(const einjit_cache_entry *e)
{
    char when[32], took[TOOL_WORDS];
    printf("file: %s/%s.kernel\nbytes: %llu, %llu of them code\nused: %s\n", e->folder, e->name,
           (unsigned long long)e->bytes, (unsigned long long)e->code_bytes, date(when, e->used));
    if (e->fault) printf("not used here: %s\n", e->fault);
    if (e->bad) return;
    printf("compiled in: %s\nby: %srun again: %s\n\n%s\n", tool_duration(took, (double)e->compile_ns * 1e-9),
           e->generator, e->problem, e->key);
}

static int show(const cache_request *r)
{
    const char *name = r->arguments[0];
    size_t found = 0, at = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (strncmp(r->entries[i].name, name, strlen(name)) != 0) continue;
        at = i;
        found++;
    }
    if (!found) return tool_fail("E_VALUE", "there is no entry '%s' (einjit cache list)", name);
    if (found > 1) return tool_usage("'%s' is the beginning of %zu entries' names", name, found);
    if (!r->options->json) show_entry(&r->entries[at]);
    else print_json(entry_json(&r->entries[at]));
    return TOOL_OK;
}

static int verify(const cache_request *r)
{
    size_t bad = 0;
    for (size_t i = 0; i < r->n; i++) {
        bad += r->entries[i].bad != 0;
        if (r->entries[i].bad)
            tool_fail("E_IO", "%s/%s.kernel: %s", r->entries[i].folder, r->entries[i].name, r->entries[i].fault);
    }
    printf("%zu of %zu entries are whole\n", r->n - bad, r->n);
    return bad ? TOOL_FAILED : TOOL_OK;
}

/* ---- clear, path, stats ---- */

static int clear(const cache_request *r)
{
    uint64_t removed = 0;
    einjit_error err = {0};
    if (einjit_cache_trim(r->context, 0, &removed, &err)) return tool_error(&err);
    printf("%llu entries removed\n", (unsigned long long)removed);
    return TOOL_OK;
}

static int path_text(const cache_request *r, char path[4096])
{
    einjit_error err = {0};
    if (einjit_cache_path(r->context, path, 4096, NULL, &err)) return tool_error(&err);
    if (*path) return TOOL_OK;
    return tool_fail("E_IO", "nothing is kept on disk: EINJIT_CACHE_DIR is none, EINJIT_RULE_LIMIT is set, or "
                             "neither XDG_CACHE_HOME nor HOME says where");
}

static int path(const cache_request *r)
{
    char text[4096];
    int status = path_text(r, text);
    if (!status) puts(text);
    return status;
}

static int stats(const cache_request *r)
{
    char folder[4096];
    einjit_statistics s = {.struct_bytes = sizeof s};
    uint64_t bytes = 0, code = 0, ns = 0;
    size_t usable = 0, bad = 0;
    int status = path_text(r, folder);
    if (status) return status;
    einjit_context_statistics(r->context, &s, NULL);
    for (size_t i = 0; i < r->n; i++) {
        const einjit_cache_entry *e = &r->entries[i];
        bytes += e->bytes;
        code += e->code_bytes;
        ns += e->compile_ns;
        usable += !e->fault;
        bad += e->bad != 0;
    }
    if (r->options->json) {
        print_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "folder", folder, "entries", (json_int_t)r->n,
                             "usable", (json_int_t)usable, "bad", (json_int_t)bad, "bytes", (json_int_t)bytes,
                             "code_bytes", (json_int_t)code, "limit_bytes", (json_int_t)s.disk_limit_bytes,
                             "compile_ms", (double)ns * 1e-6));
        return TOOL_OK;
    }
    printf("folder: %s\nentries: %zu, %zu usable here, %zu bad\nbytes: %llu of %llu, %llu of them code\ncompiling "
           "took: %.3f s\n",
           folder, r->n, usable, bad, (unsigned long long)bytes, (unsigned long long)s.disk_limit_bytes,
           (unsigned long long)code, (double)ns * 1e-9);
    return TOOL_OK;
}

/* ---- warm ---- */

typedef struct warmed {
    size_t made, there;
} warmed;

/* einjit_einsum has keys of its own, which only running it asks for. */
static int warm_call(einjit_context *context, const tool_program *program, const tool_sizes *sizes, int dtype,
                     einjit_error *err)
{
    tool_tensor *in = NULL, *out = NULL;
    size_t n_in = 0, n_out = 0;
    int status = tool_inputs_make(&in, &n_in, program, sizes, dtype, true);
    if (!status) status = tool_outputs_make(&out, &n_out, program, in, n_in);
    if (!status) {
        einjit_tensor *views = tool_views(in, n_in);
        if (einjit_einsum(context, program->equation, n_in, views, &out[0].tensor, err)) status = tool_error(err);
        free(views);
    }
    tool_tensors_free(in, n_in);
    tool_tensors_free(out, n_out);
    return status;
}

static int warm_one(const cache_request *r, const char *what, const tool_sizes *sizes, int dtype, warmed *w)
{
    einjit_error err = {0};
    einjit_statistics before = {.struct_bytes = sizeof before}, after = before;
    tool_program program = {0};
    einjit_kernel *kernel = NULL;
    einjit_compile_options options = cmd_compile_options(r->options);
    einjit_context_statistics(r->context, &before, NULL);
    int status = tool_program_load(&program, r->context, what, sizes);
    if (!status) status = tool_names_check(&program, sizes, r->options->open);
    if (!status) status = cmd_compile_kernel(&kernel, r->context, &program, sizes, dtype, &options);
    if (!status && program.equation) status = warm_call(r->context, &program, sizes, dtype, &err);
    einjit_kernel_release(kernel);
    tool_program_free(&program);
    einjit_context_statistics(r->context, &after, NULL);
    w->made += after.disk_writes - before.disk_writes;
    w->there += after.disk_hits - before.disk_hits;
    if (!status && after.disk_write_failures > before.disk_write_failures)
        status = tool_fail("E_IO", "'%s' could not be kept", what);
    return status;
}

static int warm_cases(const cache_request *r, const char *file, warmed *w)
{
    json_t *cases, *item;
    size_t i;
    int status = tool_read_json(&cases, file), failed = TOOL_OK;
    if (status) return status;
    if (!json_is_array(cases)) failed = tool_fail("E_VALUE", "%s is not a list of cases", file);
    json_array_foreach (cases, i, item) {
        bench_case one = bench_case_name(item);
        status = bench_case_read(&one, item);
        if (!status) {
            char *program = bench_case_program(&one, file);
            status = warm_one(r, program, &one.sizes, one.dtype, w);
            free(program);
        }
        tool_sizes_free(&one.sizes);
        if (status) failed = TOOL_FAILED;
    }
    json_decref(cases);
    return failed;
}

/* Entries are not synced one by one: here all of them are, once. */
static void sync_folder(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    (void)syncfs(folder);
    (void)close(folder);
}

static int warm(const cache_request *r)
{
    char folder[4096];
    warmed w = {0};
    int status = path_text(r, folder);
    for (int i = 0; i < r->n_arguments && !status; i++) {
        const char *what = r->arguments[i];
        size_t n = strlen(what);
        if (n > 5 && !strcmp(what + n - 5, ".json")) status = warm_cases(r, what, &w);
        else status = warm_one(r, what, &r->options->sizes, r->options->dtype, &w);
    }
    if (w.made) sync_folder(folder);
    if (!status) printf("%zu kernels compiled, %zu were there\n", w.made, w.there);
    return status;
}

/* ---- the command ---- */

static const struct word {
    const char *name;
    bool reads;      /* all entries */
    int least, most; /* arguments; most -1: any number */
    int (*run)(const cache_request *r);
} words[] = {
    {"list", true, 0, 0, list},    {"show", true, 1, 1, show},   {"verify", true, 0, 0, verify},
    {"clear", false, 0, 0, clear}, {"warm", false, 1, -1, warm}, {"path", false, 0, 0, path},
    {"stats", true, 0, 0, stats},
};

static const struct word *word_of(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].name, name)) return &words[i];
    return NULL;
}

static int run_word(cache_request *r, const struct word *word)
{
    einjit_error err = {0};
    if (r->n_arguments < word->least)
        return tool_usage("einjit cache %s needs %s", word->name, word->most < 0 ? "a program" : "a name");
    if (word->most >= 0 && r->n_arguments > word->most)
        return tool_usage("'%s' is one argument too many for einjit cache %s", r->arguments[word->most], word->name);
    if (word->reads && einjit_cache_list_create(&r->list, r->context, &err)) return tool_error(&err);
    r->n = einjit_cache_list_count(r->list);
    r->entries = tool_alloc(r->n * sizeof *r->entries);
    int status = TOOL_OK;
    for (size_t i = 0; i < r->n && !status; i++) {
        r->entries[i].struct_bytes = sizeof *r->entries;
        if (einjit_cache_list_entry(r->list, i, &r->entries[i], &err)) status = tool_error(&err);
    }
    if (!status) status = word->run(r);
    free(r->entries);
    einjit_cache_list_destroy(r->list);
    return status;
}

int cmd_cache(int argc, char **argv, const command *self)
{
    cmd_options options;
    cache_request r = {.options = &options};
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    const char *name = options.n_rest ? options.rest[0] : "list";
    const struct word *word = word_of(name);
    if (options.n_rest) {
        r.arguments = options.rest + 1;
        r.n_arguments = options.n_rest - 1;
    }
    status = word ? cmd_context(&r.context, &options)
                  : tool_usage("there is no 'einjit cache %s': it has list, show, verify, "
                               "clear, warm, path and stats",
                               name);
    if (!status) status = run_word(&r, word);
    einjit_context_release(r.context);
    cmd_options_free(&options);
    return status;
}
