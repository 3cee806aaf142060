/* cache_disk.c - the cache on disk of one context: which kernels are looked for there, and when what is kept.
 *
 * Takes  the key of a kernel that is not in memory, and how to compile it.
 * Gives  the kernel of an entry whose whole key is the same, else a compiled one, which becomes an entry.
 * Keeps  nothing open. Failures of files are counted, and logged once: the answer is then a compiled kernel.
 *
 * The key is text: the library's build, the target's features, options, the signature's words, the program. An entry is
 * found by a hash of it, and taken where all of it is equal. The code generator is not part of the key, because a
 * process whose kernels are all here may run without one: the entry names its build, which counts where a code
 * generator is found.
 *
 * An entry is looked at in this order: owner and mode of its descriptor, size, checksum, key, code generator,
 * description. Only then is its code mapped. A bad one is not removed: what is compiled instead is renamed onto it,
 * while removing it could meet a good one that another process has just put there.
 *
 * The folder's size is looked at by whoever writes, once for about a 32nd of the limit that is written by all processes
 * together: each write draws by its size. Look-ups never do.
 * Not here: bytes of an entry (cache_entry.c), files (cache_file.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base_time.h"
#include "cache.h"
#include "kernel_isolate.h"

#define DEFAULT_LIMIT ((size_t)512 << 20)
#ifdef EINJIT_BREAK_RULES
enum { BREAKABLE = true }; /* what is broken on purpose is in no key */
#else
enum { BREAKABLE = false };
#endif
enum { SCANS_PER_LIMIT = 32, KEEP_EIGHTHS = 7, TOUCH_S = 3600, SHARED_MAX = 16 };

struct ej_disk {
    einjit_context *context; /* not held: the disk is the context's */
    const char *folder;      /* NULL: none */
    const char *home;        /* that it is in; NULL: it is where the options or another variable say */
    size_t n_shared;
    const char *shared[SHARED_MAX];
    size_t limit_bytes;
    char library[EJ_ID_TEXT];   /* "": it has no build-id, and so no cache */
    char generator[EJ_ID_TEXT]; /* of the one that would be loaded; under the context's load_lock */
    int generator_state;        /* 0: not looked for yet; else enum generator_state; under the context's load_lock */
    atomic_bool warned;
    atomic_uint_fast64_t hits, misses, rejected, writes, write_failures, evictions, ns;
};

enum generator_state { UNKNOWN = 1, ABSENT, FOUND }; /* UNKNOWN: it is there, but has no build id */

/* ---- set-up ---- */

static const char *join(einjit_context *context, const char *folder, const char *name)
{
    ej_text text;
    ej_text_init(&text, &context->arena);
    ej_print(&text, "%s/%s", folder, name);
    return text.failed ? NULL : text.data;
}

/* The specification of XDG_CACHE_HOME says that a relative one does not count. */
static bool choose_usual_folder(struct ej_disk *disk)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/') return (disk->folder = join(disk->context, cache, "einjit"));
    if (!home || *home != '/') return true;
    disk->home = ej_arena_copy_text(&disk->context->arena, home, strlen(home));
    return disk->home && (disk->folder = join(disk->context, home, ".cache/einjit"));
}

static bool choose_folder(struct ej_disk *disk, const char *given)
{
    if (!given) return choose_usual_folder(disk);
    return (disk->folder = ej_arena_copy_text(&disk->context->arena, given, strlen(given)));
}

static bool choose_shared(struct ej_disk *disk, const char *list)
{
    while (list && *list && disk->n_shared < SHARED_MAX) {
        size_t length = strcspn(list, ":");
        const char *copy = ej_arena_copy_text(&disk->context->arena, list, length);
        if (!copy) return false;
        if (length) disk->shared[disk->n_shared++] = copy;
        list += length + (list[length] == ':');
    }
    return true;
}

int ej_disk_create(struct ej_disk **out, einjit_context *context, const char *folder, const char *shared,
                   size_t limit_bytes, einjit_error *err)
{
    static const char here = 0;
    struct ej_disk *disk = EJ_NEW(&context->arena, struct ej_disk);
    if (!disk) return ej_no_memory(err);
    disk->context = context;
    disk->limit_bytes = limit_bytes ? limit_bytes : DEFAULT_LIMIT;
    atomic_init(&disk->warned, false);
    *out = disk;
    if (BREAKABLE || ej_is_privileged() || (folder && !strcmp(folder, "none"))) return EINJIT_OK;
    if (!choose_folder(disk, folder) || !choose_shared(disk, shared)) return ej_no_memory(err);
    if ((disk->folder || disk->n_shared) && !ej_id_of_mapped(disk->library, &here, NULL)) {
        ej_context_log(context, "einjit: this build of the library has no build-id: nothing is cached on disk");
        disk->folder = NULL;
        disk->n_shared = 0;
    }
    return EINJIT_OK;
}

const char *ej_disk_folder(const struct ej_disk *disk)
{
    return disk->folder;
}

size_t ej_disk_shared(const struct ej_disk *disk, const char *const **folders)
{
    *folders = disk->shared;
    return disk->n_shared;
}

void ej_disk_statistics(const struct ej_disk *disk, einjit_statistics *out)
{
    out->disk_hits = atomic_load(&disk->hits);
    out->disk_misses = atomic_load(&disk->misses);
    out->disk_rejected = atomic_load(&disk->rejected);
    out->disk_writes = atomic_load(&disk->writes);
    out->disk_write_failures = atomic_load(&disk->write_failures);
    out->disk_evictions = atomic_load(&disk->evictions);
    out->disk_ns = atomic_load(&disk->ns);
    out->disk_limit_bytes = disk->limit_bytes;
}

/* Dumps are of stages, which a kernel from the disk does not go through. What a path file holds is not in the key. */
bool ej_disk_takes(const einjit_context *context, const ej_request *request)
{
    const struct ej_disk *disk = context->disk;
    bool somewhere = disk->folder || disk->n_shared;
    bool file = request && request->path && !strncmp(request->path, "file:", 5);
    return somewhere && !file && !context->use_interp && !context->dump && ej_target_runs_here(context->target);
}

/* ---- messages ---- */

/* Once a context. Expected faults (a folder that is missing or read-only) are logged with EINJIT_VERBOSE only. */
static void warn(struct ej_disk *disk, bool expected, const char *folder, const char *name, const char *what)
{
    const einjit_context *context = disk->context;
    if (expected ? !context->verbose : atomic_exchange(&disk->warned, true) && !context->verbose) return;
    ej_context_log(context, "einjit: the cache on disk: %s%s%s: %s", folder, *name ? "/" : "", name, what);
}

static bool is_expected(int fault)
{
    return fault == ENOENT || fault == EACCES || fault == EPERM || fault == EROFS || fault == ENOTDIR ||
           fault == ENOMEM;
}

/* ---- keys ---- */

static void print_words(ej_text *out, const uint64_t *words, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) { /* without leading zeros, a space in front */
        char text[17];
        int at = 17;
        uint64_t word = words[i];
        do text[--at] = digits[word & 15];
        while (word >>= 4);
        text[--at] = ' ';
        ej_print_bytes(out, text + at, (size_t)(17 - at));
    }
}

/* Drift in bits: how far passes have gone that ran on the graph before it was compiled, which its text does not say. */
static void print_graph(ej_text *out, const ej_graph *graph)
{
    uint64_t drift[2];
    memcpy(drift, graph->drift, sizeof drift);
    ej_print(out, "moved %d", graph->moved);
    print_words(out, drift, 2);
    ej_print(out, "\nprogram\n");
    ej_graph_print_plain(out, graph);
}

static void print_key(ej_text *out, const struct ej_disk *disk, ej_key key, const einjit_graph *graph)
{
    const einjit_context *context = disk->context;
    ej_print(out, "einjit %s %s\ntarget %s %s\n", einjit_version(), disk->library, context->target->name,
             context->target->features);
    ej_print(out, "options%s%s%s%s recipe=%s\nsignature", context->no_optimize ? " no-opt" : "",
             context->strict ? " strict" : "", context->measure ? " measure" : "",
             context->threads > 1 ? " shared" : "", context->recipe ? context->recipe : "");
    print_words(out, key.words, key.n);
    ej_print(out, "\n");
    if (graph) print_graph(out, &graph->graph);
}

static void name_entry(char name[EJ_NAME_ROOM], const ej_text *key)
{
    ej_hash hash = ej_hash_bytes(key->data, key->length);
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < EJ_NAME_DIGITS; i++) name[i] = digits[(i < 16 ? hash.hi : hash.lo) >> (60 - 4 * (i % 16)) & 15];
    memcpy(name + EJ_NAME_DIGITS, EJ_NAME_END, sizeof EJ_NAME_END);
}

/* ---- code generators ---- */

static bool print_generator(ej_text *out, const einjit_context *context)
{
    if (context->isolate) return ej_isolate_generator(context->isolate, out);
    const ej_backend *backend = atomic_load_explicit(&context->backend, memory_order_acquire);
    return backend && ej_id_print_generator(out, backend);
}

/* The line of an entry that begins with `word`, behind it; its length. */
static size_t line_of(ej_cache_piece text, const char *word, const char **out)
{
    size_t length = strlen(word);
    for (const char *at = text.bytes, *end = at + text.n; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) return 0;
        if ((size_t)(stop - at) > length && !memcmp(at, word, length)) {
            *out = at + length;
            return (size_t)(stop - at) - length;
        }
        at = stop + 1;
    }
    return 0;
}

static int generator_here(struct ej_disk *disk, char id[EJ_ID_TEXT])
{
    einjit_context *context = disk->context;
    char path[EJ_PATH_ROOM];
    ej_context_enter(context);
    pthread_mutex_lock(&context->load_lock);
    if (!disk->generator_state) {
        disk->generator_state = ABSENT;
        if (ej_backend_locate(context, path))
            disk->generator_state = ej_id_of_file(disk->generator, path) ? FOUND : UNKNOWN;
    }
    int state = disk->generator_state;
    memcpy(id, disk->generator, EJ_ID_TEXT);
    pthread_mutex_unlock(&context->load_lock);
    return state;
}

static bool same_llvm(ej_cache_piece generator)
{
    char path[EJ_PATH_ROOM], id[EJ_ID_TEXT];
    const char *line = "", *space;
    size_t length = line_of(generator, "llvm ", &line);
    if (!length) return true; /* it is part of the module */
    if (!(space = memchr(line, ' ', length))) return false;
    size_t n_id = (size_t)(space - line), n_path = length - n_id - 1;
    if (n_path >= sizeof path) return false;
    memcpy(path, space + 1, n_path);
    path[n_path] = 0;
    return ej_id_of_file(id, path) && strlen(id) == n_id && !memcmp(id, line, n_id);
}

/* Would the code generator that is found make this entry? */
static bool same_generator(struct ej_disk *disk, ej_cache_piece generator)
{
    char id[EJ_ID_TEXT];
    const char *line = "";
    int state = generator_here(disk, id);
    if (state == ABSENT) return true;
    if (state == UNKNOWN) return false;
    size_t length = line_of(generator, "module ", &line);
    return length == strlen(id) && !memcmp(line, id, length) && same_llvm(generator);
}

const char *ej_disk_foreign(einjit_context *context, const ej_cache_entry *entry)
{
    struct ej_disk *disk = context->disk;
    const char *line = "";
    size_t length = line_of(entry->pieces[EJ_PIECE_KEY], "einjit ", &line), n_id = strlen(disk->library);
    if (length < n_id || memcmp(line + length - n_id, disk->library, n_id) != 0)
        return "made by another build of the library";
    length = line_of(entry->pieces[EJ_PIECE_KEY], "target ", &line);
    for (int row = 0; row < ej_n_targets; row++) {
        const char *name = ej_targets[row].name;
        if (length <= strlen(name) || memcmp(line, name, strlen(name)) != 0 || line[strlen(name)] != ' ') continue;
        if (!ej_target_runs_here(&ej_targets[row])) return "for another CPU";
        return same_generator(disk, entry->pieces[EJ_PIECE_GENERATOR]) ? NULL : "made by another code generator";
    }
    return "for another CPU";
}

/* ---- loading ---- */

typedef struct search {
    struct ej_disk *disk;
    ej_text key;
    char name[EJ_NAME_ROOM];
} search;

static int fill_kernel(einjit_kernel *kernel, const ej_cache_entry *entry, einjit_error *err)
{
    const ej_cache_piece *description = &entry->pieces[EJ_PIECE_KERNEL], *code = &entry->pieces[EJ_PIECE_CODE];
    const ej_cache_piece *problem = &entry->pieces[EJ_PIECE_PROBLEM];
    EJ_TRY(ej_kernel_read(kernel, description->bytes, description->n, err));
    kernel->compile_ns = entry->compile_ns;
    if (kernel->context->verbose || kernel->context->perf)
        kernel->problem = ej_arena_copy_text(&kernel->arena, problem->bytes, problem->n);
    const ej_code mapped = {
        .bytes = (void *)(uintptr_t)code->bytes, .n_bytes = code->n, .entry = (size_t)entry->code_entry};
    return ej_kernel_map(kernel, &mapped, err);
}

static int make_of_entry(einjit_kernel **out, struct ej_disk *disk, const ej_cache_entry *entry, einjit_error *err)
{
    einjit_kernel *kernel = ej_kernel_new(disk->context);
    int status = kernel ? fill_kernel(kernel, entry, err) : ej_no_memory(err);
    if (status == EINJIT_OK) ej_perf_note(*out = kernel);
    else ej_kernel_drop(kernel);
    return status;
}

/* EINJIT_OK with *out NULL: not this one. Otherwise the system refuses executable memory, or there is no memory: what a
 * compiled kernel would meet, too. */
static int take(einjit_kernel **out, search *s, const char *folder, const void *bytes, size_t n_bytes,
                einjit_error *err)
{
    ej_cache_entry entry;
    const char *wrong = ej_entry_read(&entry, bytes, n_bytes);
    const ej_cache_piece *key = &entry.pieces[EJ_PIECE_KEY];
    if (!wrong && (key->n != s->key.length || memcmp(key->bytes, s->key.data, key->n) != 0))
        wrong = "it is of another kernel";
    /* no fault: an update */
    if (!wrong && !same_generator(s->disk, entry.pieces[EJ_PIECE_GENERATOR])) return EINJIT_OK;
    int status = wrong ? EINJIT_E_IO : make_of_entry(out, s->disk, &entry, err);
    if (status != EINJIT_E_IO) return status;
    atomic_fetch_add(&s->disk->rejected, 1);
    warn(s->disk, false, folder, s->name, wrong ? wrong : "its description does not add up");
    return EINJIT_OK;
}

static int look_in(einjit_kernel **out, search *s, const char *path, enum ej_folder_kind kind, einjit_error *err)
{
    const einjit_allocator *allocator = &s->disk->context->allocator;
    void *bytes = NULL;
    size_t n_bytes = 0;
    int64_t age_s = 0;
    int folder, status = EINJIT_OK;
    int fault = ej_folder_open(&folder, path, kind, false);
    if (fault) {
        warn(s->disk, is_expected(fault), path, "", ej_file_reason(fault));
        return EINJIT_OK;
    }
    fault = ej_file_read(folder, s->name, kind, allocator, &bytes, &n_bytes, &age_s);
    if (fault && fault != ENOENT) {
        atomic_fetch_add(&s->disk->rejected, 1);
        warn(s->disk, false, path, s->name, ej_file_reason(fault));
    }
    if (!fault) {
        status = take(out, s, path, bytes, n_bytes, err);
        ej_release(allocator, bytes, n_bytes);
    }
    if (*out && kind == EJ_FOLDER_OWN && age_s > TOUCH_S) ej_file_touch(folder, s->name);
    ej_folder_close(folder);
    return status;
}

static int load(einjit_kernel **out, search *s, einjit_error *err)
{
    struct ej_disk *disk = s->disk;
    uint64_t start = ej_now_ns();
    const char *where = disk->folder;
    int status = where ? look_in(out, s, where, EJ_FOLDER_OWN, err) : EINJIT_OK;
    for (size_t i = 0; i < disk->n_shared && status == EINJIT_OK && !*out; i++) {
        where = disk->shared[i];
        status = look_in(out, s, where, EJ_FOLDER_SHARED, err);
    }
    uint64_t spent = ej_now_ns() - start;
    atomic_fetch_add(*out ? &disk->hits : &disk->misses, 1);
    if (!*out) return status;
    atomic_fetch_add(&disk->ns, spent);
    if (disk->context->verbose)
        ej_context_log(disk->context, "einjit: loaded in %s us from %s/%s: %s",
                       ej_real_text((char[EJ_REAL_TEXT]){0}, 'f', 1, (double)spent * 1e-3), where, s->name,
                       (*out)->problem ? (*out)->problem : "");
    return status;
}

/* ---- keeping ---- */

/* Once for each 32nd of the limit, on average. A draw needs no memory of earlier ones, which other processes made. */
static bool draws_scan(const struct ej_disk *disk, const search *s, size_t n_bytes)
{
    const uint64_t words[] = {ej_now_ns(), (uintptr_t)s};
    uint64_t drawn = ej_hash64(words, sizeof words, 0) >> 32;
    uint64_t part = disk->limit_bytes / SCANS_PER_LIMIT + 1;
    return n_bytes >= part || drawn % part < n_bytes;
}

static int open_to_write(int *out, const struct ej_disk *disk)
{
    int fault = ej_folder_open(out, disk->folder, EJ_FOLDER_OWN, false);
    if (fault != ENOENT) return fault;
    if (disk->home && (fault = ej_folder_check_home(disk->home))) return fault;
    return ej_folder_open(out, disk->folder, EJ_FOLDER_OWN, true);
}

static void write_entry(search *s, const ej_text *bytes)
{
    struct ej_disk *disk = s->disk;
    uint64_t evicted = 0;
    int folder;
    int fault = open_to_write(&folder, disk);
    if (fault) {
        atomic_fetch_add(&disk->write_failures, 1);
        warn(disk, is_expected(fault), disk->folder, "", ej_file_reason(fault));
        return;
    }
    fault = ej_file_write(folder, s->name, bytes->data, bytes->length);
    atomic_fetch_add(fault ? &disk->write_failures : &disk->writes, 1);
    if (fault) warn(disk, is_expected(fault), disk->folder, s->name, ej_file_reason(fault));
    if (draws_scan(disk, s, bytes->length))
        (void)ej_folder_trim(folder, disk->limit_bytes, disk->limit_bytes / 8 * KEEP_EIGHTHS, &evicted,
                             &disk->context->allocator);
    atomic_fetch_add(&disk->evictions, evicted);
    ej_folder_close(folder);
}

static void keep(search *s, const einjit_kernel *kernel)
{
    struct ej_disk *disk = s->disk;
    ej_text generator, description, bytes;
    if (!disk->folder || !kernel->entry) return; /* the interpreter's are no code */
    ej_text_init(&generator, s->key.arena);
    ej_text_init(&description, s->key.arena);
    ej_text_init(&bytes, s->key.arena);
    if (!print_generator(&generator, disk->context)) return;
    ej_kernel_write(&description, kernel);
    const char *problem = kernel->problem ? kernel->problem : "";
    ej_cache_entry entry = {.compile_ns = kernel->compile_ns,
                            .code_entry = (uintptr_t)kernel->entry - (uintptr_t)kernel->image.base};
    entry.pieces[EJ_PIECE_KEY] = (ej_cache_piece){s->key.data, s->key.length};
    entry.pieces[EJ_PIECE_PROBLEM] = (ej_cache_piece){problem, strlen(problem)};
    entry.pieces[EJ_PIECE_GENERATOR] = (ej_cache_piece){generator.data, generator.length};
    entry.pieces[EJ_PIECE_KERNEL] = (ej_cache_piece){description.data, description.length};
    entry.pieces[EJ_PIECE_CODE] = (ej_cache_piece){kernel->image.base, kernel->image.n_code};
    ej_entry_write(&bytes, &entry);
    if (!description.failed && !bytes.failed) write_entry(s, &bytes);
}

/* ---- the whole ---- */

static int get(einjit_kernel **out, search *s, ej_make_kernel make, void *user, einjit_error *err)
{
    einjit_error reason = {0};
    int status = load(out, s, &reason);
    bool interpretable = status == EINJIT_E_BACKEND && s->disk->context->may_interpret; /* by `make` */
    if (status && !interpretable) {
        if (err) *err = reason;
        return status;
    }
    if (*out) return EINJIT_OK;
    EJ_TRY(make(out, user, err));
    keep(s, *out);
    return EINJIT_OK;
}

int ej_disk_get(einjit_kernel **out, einjit_context *context, ej_key key, const einjit_graph *graph,
                ej_make_kernel make, void *user, einjit_error *err)
{
    ej_arena arena;
    einjit_kernel *kernel = NULL;
    search s = {.disk = context->disk};
    ej_arena_init(&arena, &context->allocator);
    ej_text_init(&s.key, &arena);
    print_key(&s.key, s.disk, key, graph);
    int status = s.key.failed ? ej_no_memory(err) : EINJIT_OK;
    if (status == EINJIT_OK) {
        name_entry(s.name, &s.key);
        status = get(&kernel, &s, make, user, err);
    }
    ej_arena_free(&arena);
    if (status == EINJIT_OK) *out = kernel;
    return status;
}
