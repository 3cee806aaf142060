/* cmd_compile.c - einjit compile: a program as an object for the linker and a C header. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

/* One kernel: extents and a target. */
typedef struct compiled {
    einjit_context *context;
    tool_program program;
    tool_sizes sizes; /* the first n_also are those of --also */
    size_t n_also;
    einjit_kernel *kernel;
    const char **names; /* of the extents that it was made for .. */
    int64_t *values;    /* .. and their numbers */
} compiled;

typedef struct compiling {
    cmd_options *options;
    char *name;       /* of the function */
    char **targets;   /* NULL: this machine's; else best first */
    int n_targets, n; /* n: variants */
    compiled *variants;
} compiling;

/* ---- names ---- */

/* The file's name without folder and endings. */
static char *base_name(const char *path)
{
    char *name = tool_copy(tool_file_name(path)), *dot = strchr(name, '.');
    if (dot) *dot = 0;
    return name;
}

/* Where the library has the row: best first. */
static int place_of(const char *target)
{
    int i = 0;
    for (const char *name; (name = einjit_list_name(EINJIT_LIST_TARGETS, (size_t)i, NULL)); i++)
        if (!strcmp(name, target)) return i;
    return i;
}

static int compare_targets(const void *a, const void *b)
{
    return place_of(*(char *const *)a) - place_of(*(char *const *)b);
}

static void split_targets(compiling *c, const char *list)
{
    char *rest = tool_copy(list), *start = rest;
    c->targets = tool_alloc((strlen(list) + 1) * sizeof *c->targets);
    for (char *word; (word = strsep(&rest, ","));) c->targets[c->n_targets++] = tool_copy(word);
    free(start);
    qsort(c->targets, (size_t)c->n_targets, sizeof *c->targets, compare_targets);
}

/* ---- kernels ---- */

static tool_sizes also_of(const compiled *v)
{
    return (tool_sizes){v->n_also, v->sizes.items};
}

/* The extents of an --also (NULL: none), and those of -s that it does not have. */
static int sizes_of(compiled *v, const cmd_options *options, const char *also)
{
    int64_t value;
    int status = also ? tool_sizes_add(&v->sizes, also) : TOOL_OK;
    v->n_also = v->sizes.n;
    for (size_t i = 0; i < options->sizes.n && !status; i++) {
        const struct tool_size *size = &options->sizes.items[i];
        const tool_sizes said = also_of(v);
        if (tool_sizes_find(&said, size->name, &value)) continue;
        size_t room = strlen(size->name) + 32;
        char *text = tool_alloc(room);
        snprintf(text, room, "%s=%lld", size->name, (long long)size->value);
        status = tool_sizes_add(&v->sizes, text);
        free(text);
    }
    return status;
}

/* --open without the extents of an --also, which are numbers. */
static char *open_of(const compiled *v, const cmd_options *options)
{
    char *left = NULL, *list = options->open ? tool_copy(options->open) : NULL, *rest = list;
    const tool_sizes said = also_of(v);
    int64_t value;
    for (char *word; rest && (word = strsep(&rest, ","));)
        if (!tool_sizes_find(&said, word, &value)) tool_append(&left, word);
    free(list);
    return left;
}

static bool is_open(const einjit_kernel *kernel, const char *name)
{
    for (size_t i = 0; i < einjit_kernel_open_count(kernel); i++)
        if (!strcmp(einjit_kernel_open_name(kernel, i), name)) return true;
    return false;
}

/* What it was compiled for. */
static size_t fixed_sizes(compiled *v)
{
    size_t n = 0;
    v->names = tool_alloc((v->sizes.n + 1) * sizeof *v->names);
    v->values = tool_alloc((v->sizes.n + 1) * sizeof *v->values);
    for (size_t i = 0; i < v->sizes.n; i++) {
        if (is_open(v->kernel, v->sizes.items[i].name)) continue;
        v->names[n] = v->sizes.items[i].name;
        v->values[n++] = v->sizes.items[i].value;
    }
    return n;
}

static int compile_variant(compiling *c, compiled *v, const char *target, const char *also)
{
    c->options->target = target;
    free(c->options->path); /* the last context's */
    c->options->path = NULL;
    int status = sizes_of(v, c->options, also);
    if (!status) status = cmd_context(&v->context, c->options);
    if (!status) status = tool_program_load(&v->program, v->context, c->options->rest[0], &v->sizes);
    if (!status) status = cmd_add_gradients(&v->program, c->options->gradient);
    if (!status) status = tool_names_check(&v->program, &v->sizes, c->options->open);
    einjit_compile_options compile = cmd_compile_options(c->options);
    char *open = open_of(v, c->options);
    compile.open = open;
    if (!status)
        status = cmd_compile_kernel(&v->kernel, v->context, &v->program, &v->sizes, c->options->dtype, &compile);
    free(open);
    return status;
}

/* For each target all extents, those of -s last: they may be open. */
static int compile_all(compiling *c)
{
    const cmd_options *o = c->options;
    int targets = c->n_targets ? c->n_targets : 1, status = TOOL_OK;
    c->variants = tool_alloc((size_t)targets * (o->n_also + 1) * sizeof *c->variants);
    for (int t = 0; t < targets && !status; t++)
        for (size_t s = 0; s <= o->n_also && !status; s++)
            status = compile_variant(c, &c->variants[c->n++], c->n_targets ? c->targets[t] : o->target,
                                     s < o->n_also ? o->also[s] : NULL);
    return status;
}

/* ---- files ---- */

typedef int (*exporter)(const char *name, size_t n, const einjit_variant *variants, char *buffer, size_t capacity,
                        size_t *needed, einjit_error *err);

static int write_export(exporter make, const char *name, const einjit_variant *variants, size_t n, const char *path)
{
    einjit_error err = {0};
    size_t needed = 0;
    FILE *file;
    if (make(name, n, variants, NULL, 0, &needed, &err)) return tool_error(&err);
    char *bytes = tool_alloc(needed + 1);
    int status = make(name, n, variants, bytes, needed + 1, NULL, &err) ? tool_error(&err) : TOOL_OK;
    if (!status) status = tool_open(&file, path, true);
    if (!status) {
        fwrite(bytes, 1, needed, file);
        status = tool_close_output(file, path);
    }
    free(bytes);
    return status;
}

/* cc -shared -o library object; CC names another one. */
static int link_shared(const char *library, const char *object)
{
    const char *compiler = getenv("CC");
    char *const arguments[] = {tool_copy(compiler && *compiler ? compiler : "cc"),
                               tool_copy("-shared"),
                               tool_copy("-o"),
                               tool_copy(library),
                               tool_copy(object),
                               NULL};
    pid_t child;
    int ended = 0, failed = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ);
    while (!failed && waitpid(child, &ended, 0) != child)
        if (errno != EINTR) failed = errno;
    int status = TOOL_OK;
    if (failed) status = tool_fail("E_IO", "'%s' cannot be run: %s", arguments[0], strerror(failed));
    else if (!WIFEXITED(ended) || WEXITSTATUS(ended))
        status = tool_fail("E_IO", "'%s -shared' could not make %s", arguments[0], library);
    for (int i = 0; arguments[i]; i++) free(arguments[i]);
    return status;
}

static int write_library(const char *name, const einjit_variant *variants, size_t n, const char *path)
{
    char object[] = "/tmp/einjit-XXXXXX.o";
    int file = mkstemps(object, 2);
    if (file < 0) return tool_fail("E_IO", "no file can be made in /tmp: %s", strerror(errno));
    close(file);
    int status = write_export(einjit_export_object, name, variants, n, object);
    if (!status) status = link_shared(path, object);
    unlink(object);
    return status;
}

static int write_files(compiling *c)
{
    const cmd_options *o = c->options;
    einjit_variant *variants = tool_alloc((size_t)c->n * sizeof *variants);
    for (int v = 0; v < c->n; v++)
        variants[v] = (einjit_variant){.struct_bytes = sizeof *variants,
                                       .kernel = c->variants[v].kernel,
                                       .n_sizes = fixed_sizes(&c->variants[v]),
                                       .names = c->variants[v].names,
                                       .values = c->variants[v].values};
    size_t n = (size_t)c->n;
    int status = o->header ? write_export(einjit_export_header, c->name, variants, n, o->header) : TOOL_OK;
    if (!status)
        status = o->shared ? write_library(c->name, variants, n, o->outputs[0])
                           : write_export(einjit_export_object, c->name, variants, n, o->outputs[0]);
    free(variants);
    return status;
}

/* ---- the command ---- */

static int check_options(const cmd_options *o)
{
    if (o->n_outputs != 1) return tool_usage("einjit compile needs one -o FILE.o");
    if (o->header && !strcmp(o->header, o->outputs[0]))
        return tool_usage("the object and the header go to the same file, %s", o->header);
    if (o->shared && tool_is_stdio(o->outputs[0])) return tool_usage("--shared writes a file: not to -");
    return TOOL_OK;
}

static void free_all(compiling *c)
{
    for (int v = 0; v < c->n; v++) {
        einjit_kernel_release(c->variants[v].kernel);
        tool_program_free(&c->variants[v].program);
        einjit_context_release(c->variants[v].context);
        tool_sizes_free(&c->variants[v].sizes);
        free(c->variants[v].names);
        free(c->variants[v].values);
    }
    for (int t = 0; t < c->n_targets; t++) free(c->targets[t]);
    free(c->targets);
    free(c->variants);
    free(c->name);
}

int cmd_compile(int argc, char **argv, const command *self)
{
    cmd_options options;
    compiling c = {.options = &options};
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "-shared")) argv[i] = "--shared"; /* as compilers have it */
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    options.backend = "llvm";
    options.threads = 1;
    status = check_options(&options);
    if (!status) {
        c.name = options.name ? tool_copy(options.name) : base_name(options.outputs[0]);
        if (options.target) split_targets(&c, options.target);
        status = compile_all(&c);
    }
    if (!status) status = write_files(&c);
    free_all(&c);
    cmd_options_free(&options);
    return status;
}
