/* api_context.c - contexts: options and variables read once, caches, the log.
 *
 * Takes  einjit_options, which may be of an older or newer header (struct_bytes says), and the EINJIT_* variables.
 * Gives  a context. Options count before variables, variables before defaults.
 * Keeps  copies of all texts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "base_cpus.h"
#include "cache.h"
#include "kernel_cache.h"
#include "kernel_isolate.h"
#include "kernel_pool.h"
#include "kernel_workers.h"
#include "recipe.h"

#define DEFAULT_CACHE_BYTES ((size_t)256 << 20)
#define DEFAULT_SCRATCH_BYTES ((size_t)256 << 20)

#ifdef NDEBUG
enum { DEBUG_BUILD = false };
#else
enum { DEBUG_BUILD = true }; /* every stage is checked */
#endif

/* ---- options ---- */

enum { STRUCT_BYTES_MAX = 4096 }; /* of a later header; beyond it the number is not a size, and not to be read along */

static int struct_size(size_t *out, const void *given, const char *what, einjit_error *err)
{
    memcpy(out, given, sizeof *out);
    if (*out >= sizeof *out && *out <= STRUCT_BYTES_MAX && *out % sizeof(void *) == 0) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_INVALID, "struct_bytes of the %s is %zu, which is no size of that struct", what, *out);
}

int ej_read_struct(void *out, size_t known, const void *given, const char *what, einjit_error *err)
{
    size_t bytes;
    memset(out, 0, known);
    EJ_TRY(struct_size(&bytes, given, what, err));
    for (size_t i = known; i < bytes; i++)
        if (((const unsigned char *)given)[i])
            return ej_fail(err, EINJIT_E_INVALID, "one of the %s is set that this version (%s) does not know", what,
                           einjit_version());
    memcpy(out, given, bytes < known ? bytes : known);
    return EINJIT_OK;
}

int ej_write_struct(void *out, const void *made, size_t known, const char *what, einjit_error *err)
{
    size_t bytes;
    if (!out) return ej_fail(err, EINJIT_E_INVALID, "no place for the %s given", what);
    EJ_TRY(struct_size(&bytes, out, what, err));
    if (bytes > known) memset((unsigned char *)out + known, 0, bytes - known);
    memcpy(out, made, bytes < known ? bytes : known);
    memcpy(out, &bytes, sizeof bytes);
    return EINJIT_OK;
}

int ej_check_flags(int32_t flags, int32_t known, const char *what, einjit_error *err)
{
    uint32_t unknown = (uint32_t)flags & ~(uint32_t)known;
    if (!unknown) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_INVALID, "the flags of the %s have bits that this version (%s) does not know: 0x%x",
                   what, einjit_version(), (unsigned)unknown);
}

static int read_options(einjit_options *out, const einjit_options *given, einjit_error *err)
{
    memset(out, 0, sizeof *out);
    if (!given) return EINJIT_OK;
    EJ_TRY(ej_read_struct(out, sizeof *out, given, "options", err));
    return ej_check_flags(out->flags, EINJIT_OPTION_ALL, "options", err);
}

/* Who says it: " (EINJIT_...)" behind a value that comes from a variable. */
static const char *said_by(const char *given, const char *variable)
{
    return given ? "" : variable;
}

static int choose_backend(einjit_context *context, const char *given, const char *variable, einjit_error *err)
{
    const char *name = given ? given : variable;
    if (!name || !strcmp(name, "llvm")) return EINJIT_OK;
    context->use_interp = !strcmp(name, "interp");
    context->may_interpret = !strcmp(name, "auto");
    if (!context->use_interp && !context->may_interpret)
        return ej_fail(err, EINJIT_E_VALUE, "the backend '%.80s'%s does not exist: there are llvm, interp and auto",
                       name, said_by(given, " (EINJIT_BACKEND)"));
    return EINJIT_OK;
}

static int choose_target(einjit_context *context, const char *given, const char *variable, einjit_error *err)
{
    const char *name = given ? given : variable;
    char known[200] = "";
    context->target = name ? ej_target_by_name(name) : ej_target_host();
    if (context->target) return EINJIT_OK;
    for (int row = 0; row < ej_n_targets; row++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", row ? ", " : "", ej_targets[row].name);
    }
    return ej_fail(err, EINJIT_E_VALUE, "the target '%.80s'%s does not exist: there are %s", name,
                   said_by(given, " (EINJIT_TARGET)"), known);
}

static int choose_threads(einjit_context *context, int32_t given, const char *variable, einjit_error *err)
{
    char *end = NULL;
    if (given < 0) return ej_fail(err, EINJIT_E_VALUE, "%d threads", (int)given);
    context->threads = given ? given : 1;
    if (given || !variable) return EINJIT_OK;
    errno = 0;
    long n = strtol(variable, &end, 10);
    if (errno || *end || n < 1 || n > 65536)
        return ej_fail(err, EINJIT_E_VALUE, "EINJIT_THREADS is '%.80s', not a number of threads", variable);
    context->threads = (int32_t)n;
    return EINJIT_OK;
}

static int make_workers(einjit_context *context, const einjit_parallel *given, einjit_error *err)
{
    einjit_parallel parallel;
    if (given) {
        EJ_TRY(ej_read_struct(&parallel, sizeof parallel, given, "parallel loop", err));
        if (!parallel.run) return ej_fail(err, EINJIT_E_INVALID, "a parallel loop needs a function");
    }
    int32_t cpus = context->threads > 1 && !given ? ej_cpus_allowed() : context->threads;
    if (cpus < context->threads) context->threads = cpus; /* kernels for one thread have less code */
    return ej_workers_create(&context->workers, &context->allocator, context->threads, given ? &parallel : NULL, err);
}

static int keep_text(einjit_context *context, const char **out, const char *text, einjit_error *err)
{
    if (!text) return EINJIT_OK;
    *out = ej_arena_copy_text(&context->arena, text, strlen(text));
    return *out ? EINJIT_OK : ej_no_memory(err);
}

static int choose_recipe(einjit_context *context, const char *variable, einjit_error *err)
{
    ej_text names;
    if (!variable) return EINJIT_OK;
    ej_text_init(&names, &context->arena);
    if (!ej_recipe_exists(variable, &names))
        return ej_fail(err, EINJIT_E_VALUE, "the recipe '%.80s' (EINJIT_RECIPE) does not exist: there are %s", variable,
                       names.failed ? "others" : names.data);
    return keep_text(context, &context->recipe, variable, err);
}

/* "100000", "512M", "2G". */
static int read_bytes(size_t *out, const char *variable, einjit_error *err)
{
    static const char units[] = "KMG";
    char *end = NULL;
    if (!variable) return EINJIT_OK;
    errno = 0;
    unsigned long long n = strtoull(variable, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (errno || !n || *variable == '-' || end[unit != NULL] || n > SIZE_MAX >> shift)
        return ej_fail(err, EINJIT_E_VALUE, "EINJIT_CACHE_LIMIT is '%.80s', not a number of bytes", variable);
    *out = (size_t)n << shift;
    return EINJIT_OK;
}

/* After the backend, the log and the module are known. */
static int choose_process(einjit_context *context, const einjit_options *options, const ej_env *env, einjit_error *err)
{
    char *end = NULL;
    uint64_t limit_ms = options->isolate_ms;
    if (context->use_interp || !(env->isolate || options->flags & EINJIT_OPTION_ISOLATE)) return EINJIT_OK;
    if (!limit_ms && env->isolate_limit) {
        errno = 0;
        unsigned long long seconds = strtoull(env->isolate_limit, &end, 10);
        if (errno || *end || *env->isolate_limit == '-' || seconds < 1 || seconds > INT32_MAX)
            return ej_fail(err, EINJIT_E_VALUE, "EINJIT_ISOLATE_LIMIT is '%.80s', not a number of seconds",
                           env->isolate_limit);
        limit_ms = seconds * 1000;
    }
    if (limit_ms > (uint64_t)INT32_MAX * 1000) limit_ms = (uint64_t)INT32_MAX * 1000;
    return ej_isolate_create(&context->isolate, context, limit_ms, err);
}

static void tell_last_rule(ej_rule_limit *limit, const char *rule, const char *pass, const char *value)
{
    const einjit_context *context =
        (const einjit_context *)((const char *)limit - offsetof(einjit_context, rule_limit));
    ej_context_log(context, "einjit: rewrite %lld, the last one of EINJIT_RULE_LIMIT, is by rule %s of pass %s, at %s",
                   (long long)limit->most, rule, pass, value ? value : "a value without a name");
}

static int read_rule_limit(einjit_context *context, const char *variable, einjit_error *err)
{
    char *end = NULL;
    context->rule_limit.most = -1;
    context->rule_limit.tell = tell_last_rule;
    atomic_init(&context->rule_limit.done, 0);
    if (!variable) return EINJIT_OK;
    errno = 0;
    long long n = strtoll(variable, &end, 10);
    if (errno || *end || n < 0)
        return ej_fail(err, EINJIT_E_VALUE, "EINJIT_RULE_LIMIT is '%.80s', not a number of rewrites", variable);
    context->rule_limit.most = n;
    return EINJIT_OK;
}

/* What stops in the middle is for nobody else: with EINJIT_RULE_LIMIT nothing is kept on disk. */
static int create_disk(einjit_context *context, const einjit_options *options, const ej_env *env, einjit_error *err)
{
    size_t limit = options->disk_bytes;
    if (!limit) EJ_TRY(read_bytes(&limit, env->cache_limit, err));
    if (context->rule_limit.most >= 0) return ej_disk_create(&context->disk, context, "none", NULL, limit, err);
    return ej_disk_create(&context->disk, context, options->cache_dir ? options->cache_dir : env->cache_dir,
                          options->cache_shared ? options->cache_shared : env->cache_shared, limit, err);
}

static void warn_of_dump_words(const einjit_context *context, const char *list)
{
    size_t length;
    for (const char *word = list; (word = ej_stage_unknown(word, &length)); word += length)
        ej_context_log(context, "einjit: EINJIT_DUMP has the word '%.*s', which is no stage",
                       length > 80 ? 80 : (int)length, word);
}

static void log_to_stderr(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "%s\n", line);
}

static int configure(einjit_context *context, const einjit_options *options, einjit_error *err)
{
    ej_env env;
    ej_env_read(&env);
    EJ_TRY(choose_backend(context, options->backend, env.backend, err));
    EJ_TRY(choose_target(context, options->target, env.target, err));
    EJ_TRY(choose_threads(context, options->threads, env.threads, err));
    EJ_TRY(keep_text(context, &context->module_path, options->module_path ? options->module_path : env.module, err));
    EJ_TRY(keep_text(context, &context->dump_dir, env.dump_dir, err));
    EJ_TRY(keep_text(context, &context->perf, env.perf, err));
    EJ_TRY(choose_recipe(context, env.recipe, err));
    EJ_TRY(read_rule_limit(context, env.rule_limit, err));
    context->dump = ej_stage_mask(env.dump);
    if (context->dump_dir && !env.dump) context->dump = ej_stage_mask("all");
    context->verbose = env.verbose;
    context->verify = DEBUG_BUILD || env.verify || (options->flags & EINJIT_OPTION_VERIFY);
    context->no_optimize = options->flags & EINJIT_OPTION_NO_OPTIMIZE;
    context->strict = options->flags & EINJIT_OPTION_STRICT;
    context->measure = env.measure || (options->flags & EINJIT_OPTION_MEASURE);
    bool talks = env.dump || env.dump_dir || env.verbose || env.rule_limit || env.perf;
    context->log = options->log ? options->log : talks ? log_to_stderr : NULL;
    context->log_user = options->log_user;
    context->progress = options->progress;
    context->progress_user = options->progress_user;
    warn_of_dump_words(context, env.dump);
    if (env.refused)
        ej_context_log(context, "einjit: %s does not count in a program that has more rights than its user",
                       env.refused);
    EJ_TRY(choose_process(context, options, &env, err));
    EJ_TRY(create_disk(context, options, &env, err));
    EJ_TRY(make_workers(context, options->parallel, err));
    EJ_TRY(ej_pool_create(&context->pool, &context->allocator,
                          options->scratch_bytes ? options->scratch_bytes : DEFAULT_SCRATCH_BYTES, err));
    return ej_cache_create(&context->cache, &context->allocator,
                           options->cache_bytes ? options->cache_bytes : DEFAULT_CACHE_BYTES, err);
}

/* ---- life ---- */

static bool init_locks(einjit_context *context)
{
    if (pthread_mutex_init(&context->load_lock, NULL) != 0) return false;
    if (pthread_mutex_init(&context->freeze_lock, NULL) == 0) return true;
    pthread_mutex_destroy(&context->load_lock);
    return false;
}

int einjit_context_create(einjit_context **out, const einjit_options *options, einjit_error *err)
{
    einjit_options all;
    if (!out) return ej_fail(err, EINJIT_E_INVALID, "no place for the context given");
    EJ_TRY(read_options(&all, options, err));
    if (all.allocator && (!all.allocator->alloc || !all.allocator->release))
        return ej_fail(err, EINJIT_E_INVALID, "an allocator needs both of its functions");
    const einjit_allocator *allocator = all.allocator ? all.allocator : &ej_malloc_allocator;
    einjit_context *context = ej_alloc(allocator, sizeof *context);
    if (!context) return ej_no_memory(err);
    if (!init_locks(context)) {
        ej_release(allocator, context, sizeof *context);
        return ej_no_memory(err);
    }
    context->allocator = *allocator;
    ej_fork_mark_init(&context->fork_mark);
    atomic_init(&context->refs, 1);
    atomic_init(&context->backend, NULL);
    atomic_init(&context->dump_warned, false);
    atomic_init(&context->interpret_warned, false);
    ej_arena_init(&context->arena, &context->allocator);
    int status = configure(context, &all, err);
    if (status != EINJIT_OK) {
        ej_context_drop(context);
        return status;
    }
    *out = context;
    return EINJIT_OK;
}

void einjit_context_release(einjit_context *context)
{
    if (context) ej_context_drop(context);
}

/* ---- small calls ---- */

int einjit_context_statistics(const einjit_context *context, einjit_statistics *out, einjit_error *err)
{
    einjit_statistics now = {0};
    if (!context) return ej_fail(err, EINJIT_E_INVALID, "no context given");
    /* its locks change, nothing that callers see */
    ej_cache_statistics(ej_context_cache((einjit_context *)context), &now);
    ej_disk_statistics(context->disk, &now);
    ej_pool_statistics(context->pool, &now);
    now.threads = (uint64_t)ej_workers_count(context->workers);
    now.processes = ej_isolate_count(context->isolate);
    return ej_write_struct(out, &now, sizeof now, "statistics", err);
}

void einjit_context_clear_cache(einjit_context *context)
{
    if (!context) return;
    ej_cache_clear(ej_context_cache(context));
    ej_pool_trim(ej_context_pool(context));
}
