/* kernel_isolate.c - code generated in other processes, so that LLVM takes down one of those and not the host.
 *
 * Takes  nests and a job.
 * Gives  the code, or the error with what the process said last.
 * Keeps  the processes, each for many compiles and for one at a time. A thread that finds all of them at work waits as
 *        long as a new one would take to start, then starts it: hooks that compile inside of a compile wait for nobody
 *        for good. They end by themselves when nobody has asked them for anything for a while (jit/child/).
 * Not here: one process (kernel_child.c), messages (kernel_wire.c).
 */
#include "kernel_isolate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base_time.h"
#include "kernel_child.h"

#ifndef EINJIT_PROGRAM_DIR
#define EINJIT_PROGRAM_DIR "/usr/local/libexec"
#endif
#ifndef EINJIT_PROGRAM_FROM_MODULE
#define EINJIT_PROGRAM_FROM_MODULE "../../libexec"
#endif
#define PROGRAM "einjit-codegen"

enum { SLOTS = 64, START_MS = 10 };
enum slot_state { EMPTY, IDLE, BUSY };
typedef struct slot {
    enum slot_state state;
    ej_child child; /* while BUSY its thread's, else under the lock */
} slot;

struct ej_isolate {
    einjit_context *context;
    uint64_t limit_ms;
    char **environment;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a slot is not BUSY any more */
    slot slots[SLOTS];
    char *generator; /* under the lock */
    size_t n_generator;
};

/* ---- life ---- */

extern char **environ;

static bool is_wanted(const char *variable)
{
    static const char *const beginnings[] = {"LD_",           "GLIBC_TUNABLES=", "MALLOC_",       "EINJIT_",
                                             "ASAN_OPTIONS=", "UBSAN_OPTIONS=",  "TSAN_OPTIONS=", NULL};
    for (const char *const *b = beginnings; *b; b++)
        if (!strncmp(variable, *b, strlen(*b))) return true;
    return false;
}

/* What the dynamic loader and the allocator look at; of who has more rights than its user, nothing. */
static int copy_environment(struct ej_isolate *isolate, einjit_error *err)
{
    ej_arena *arena = &isolate->context->arena;
    size_t n = 0, capacity = 0;
    for (char **v = environ; v && *v && !ej_is_privileged(); v++) {
        if (!is_wanted(*v)) continue;
        if (!EJ_PUSH_ROOM(arena, isolate->environment, capacity, n)) return ej_no_memory(err);
        isolate->environment[n] = ej_arena_copy_text(arena, *v, strlen(*v));
        if (!isolate->environment[n++]) return ej_no_memory(err);
    }
    if (!EJ_PUSH_ROOM(arena, isolate->environment, capacity, n)) return ej_no_memory(err);
    isolate->environment[n] = NULL;
    return EINJIT_OK;
}

static bool init_locks(struct ej_isolate *isolate)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) return false;
    bool made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&isolate->changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (made && pthread_mutex_init(&isolate->lock, NULL) == 0) return true;
    if (made) pthread_cond_destroy(&isolate->changed);
    return false;
}

int ej_isolate_create(struct ej_isolate **out, einjit_context *context, uint64_t limit_ms, einjit_error *err)
{
    struct ej_isolate *isolate = EJ_NEW(&context->arena, struct ej_isolate);
    if (!isolate) return ej_no_memory(err);
    isolate->context = context;
    isolate->limit_ms = limit_ms ? limit_ms : EJ_ISOLATE_LIMIT_MS;
    for (int i = 0; i < SLOTS; i++) isolate->slots[i].child = EJ_NO_CHILD;
    EJ_TRY(copy_environment(isolate, err));
    if (!init_locks(isolate)) return ej_no_memory(err);
    *out = isolate;
    return EINJIT_OK;
}

void ej_isolate_destroy(struct ej_isolate *isolate)
{
    if (!isolate) return;
    for (int i = 0; i < SLOTS; i++) ej_child_end(&isolate->slots[i].child);
    ej_release(&isolate->context->allocator, isolate->generator, isolate->n_generator);
    pthread_cond_destroy(&isolate->changed);
    pthread_mutex_destroy(&isolate->lock);
}

void ej_isolate_recover(struct ej_isolate *isolate)
{
    if (!isolate) return;
    for (int i = 0; i < SLOTS; i++) {
        ej_child_forget(&isolate->slots[i].child);
        isolate->slots[i].state = EMPTY;
    }
    isolate->generator = NULL; /* another thread may have been changing it */
    isolate->n_generator = 0;
    (void)init_locks(isolate);
}

/* ---- starting ---- */

/* By the module's folder: in a package of Python's, where it was built, where it was installed; or where it was meant
 * to be. */
static int find_program(char out[EJ_PATH_ROOM], const char *module, einjit_error *err)
{
    static const char *const folders[] = {"libexec", "../libexec", EINJIT_PROGRAM_FROM_MODULE};
    const char *slash = strrchr(module, '/');
    int n = slash ? (int)(slash - module) + 1 : 0;
    for (size_t i = 0; n && i < sizeof folders / sizeof *folders; i++) {
        int length = snprintf(out, EJ_PATH_ROOM, "%.*s%s/%s", n, module, folders[i], PROGRAM);
        if (length > 0 && length < EJ_PATH_ROOM && access(out, X_OK) == 0) return EINJIT_OK;
    }
    snprintf(out, EJ_PATH_ROOM, "%s/%s", EINJIT_PROGRAM_DIR, PROGRAM);
    if (access(out, X_OK) == 0) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_BACKEND,
                   "the program " PROGRAM ", which generates code in a process of its own, was not found; looked in "
                   "libexec, ../libexec and %s of %.*s, and for %s (without EINJIT_ISOLATE this process generates it)",
                   EINJIT_PROGRAM_FROM_MODULE, n, module, out);
}

static int check_file(einjit_context *context, const char **path, char room[EJ_PATH_ROOM], einjit_error *err)
{
    pthread_mutex_lock(&context->load_lock);
    int status = ej_module_check(context, path, room, err);
    pthread_mutex_unlock(&context->load_lock);
    return status;
}

static int start(struct ej_isolate *isolate, ej_child *out, einjit_error *err)
{
    einjit_context *context = isolate->context;
    char module[EJ_PATH_ROOM], program[EJ_PATH_ROOM], rooms[2][EJ_PATH_ROOM];
    const char *module_path = module, *program_path = program;
    EJ_TRY(ej_backend_find(context, module, err));
    EJ_TRY(find_program(program, module, err));
    EJ_TRY(check_file(context, &module_path, rooms[0], err));
    EJ_TRY(check_file(context, &program_path, rooms[1], err));
    return ej_child_start(out, program_path, module_path, isolate->environment, err);
}

/* ---- who has which ---- */

static struct timespec after_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ms * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static slot *find_slot(struct ej_isolate *isolate, enum slot_state state)
{
    for (int i = 0; i < SLOTS; i++)
        if (isolate->slots[i].state == state) return &isolate->slots[i];
    return NULL;
}

/* Those that have ended meanwhile leave their slots, and no zombies. */
static slot *find_idle(struct ej_isolate *isolate)
{
    for (slot *s = isolate->slots; s < isolate->slots + SLOTS; s++) {
        if (s->state != IDLE || !ej_child_has_ended(&s->child)) continue;
        ej_child_end(&s->child);
        s->state = EMPTY;
    }
    return find_slot(isolate, IDLE);
}

/* A slot whose process is this thread's, or an empty one to start it in; NULL: all have been at work for a while. */
static slot *take_slot(struct ej_isolate *isolate)
{
    pthread_mutex_lock(&isolate->lock);
    const struct timespec until = after_ms(START_MS);
    slot *s = find_idle(isolate);
    bool timed_out = !find_slot(isolate, BUSY);
    while (!s && !timed_out) {
        timed_out = pthread_cond_timedwait(&isolate->changed, &isolate->lock, &until) != 0;
        s = find_idle(isolate);
    }
    if (!s) s = find_slot(isolate, EMPTY);
    if (s) s->state = BUSY;
    pthread_mutex_unlock(&isolate->lock);
    return s;
}

static void give_slot(struct ej_isolate *isolate, slot *s, bool usable)
{
    if (!usable) ej_child_end(&s->child);
    pthread_mutex_lock(&isolate->lock);
    s->state = usable ? IDLE : EMPTY;
    pthread_cond_signal(&isolate->changed);
    pthread_mutex_unlock(&isolate->lock);
}

size_t ej_isolate_count(struct ej_isolate *isolate)
{
    size_t n = 0;
    if (!isolate) return 0;
    ej_context_enter(isolate->context);
    pthread_mutex_lock(&isolate->lock);
    (void)find_idle(isolate);
    for (int i = 0; i < SLOTS; i++) n += isolate->slots[i].state != EMPTY;
    pthread_mutex_unlock(&isolate->lock);
    return n;
}

/* ---- one compile ---- */

typedef struct exchange {
    struct ej_isolate *isolate;
    slot *slot;
    ej_child_wait wait;
    void *body; /* of the message that was read last */
    ej_wire_head head;
} exchange;

static int receive(exchange *x)
{
    const einjit_allocator *allocator = x->wait.job->allocator;
    ej_release(allocator, x->body, (size_t)x->head.n_bytes);
    x->body = NULL;
    return ej_child_receive(&x->slot->child, &x->head, &x->body, &x->wait);
}

static ej_wire_cursor body_of(const exchange *x)
{
    return (ej_wire_cursor){x->body, (size_t)x->head.n_bytes};
}

/* HELLO and ANSWER may be the other side's error. */
static int status_of(const exchange *x)
{
    const char *text = "", *end;
    size_t n = 0;
    ej_wire_cursor body = body_of(x);
    if (!x->head.status) return EINJIT_OK;
    if (ej_wire_take(&body, &text, &n) && (end = memchr(text, 0, n))) n = (size_t)(end - text);
    return ej_fail(x->wait.job->err, x->head.status, "%.*s", (int)n, text);
}

static int keep_generator(struct ej_isolate *isolate, const ej_wire_hello *hello, einjit_error *err)
{
    const einjit_allocator *allocator = &isolate->context->allocator;
    char *text = ej_alloc(allocator, hello->n_generator);
    if (!text) return ej_no_memory(err);
    memcpy(text, hello->generator, hello->n_generator);
    pthread_mutex_lock(&isolate->lock);
    ej_release(allocator, isolate->generator, isolate->n_generator);
    isolate->generator = text;
    isolate->n_generator = hello->n_generator;
    pthread_mutex_unlock(&isolate->lock);
    return EINJIT_OK;
}

bool ej_isolate_generator(struct ej_isolate *isolate, ej_text *out)
{
    ej_context_enter(isolate->context);
    pthread_mutex_lock(&isolate->lock);
    bool known = isolate->generator;
    if (known) ej_print_bytes(out, isolate->generator, isolate->n_generator);
    pthread_mutex_unlock(&isolate->lock);
    return known && !out->failed;
}

static int greet(exchange *x)
{
    ej_wire_hello hello;
    ej_child *child = &x->slot->child;
    if (child->greeted) return EINJIT_OK;
    EJ_TRY(receive(x));
    EJ_TRY(status_of(x));
    EJ_TRY(ej_wire_read_hello(&hello, body_of(x), x->wait.job->err));
    EJ_TRY(keep_generator(x->isolate, &hello, x->wait.job->err));
    child->greeted = true;
    if (x->isolate->context->verbose)
        ej_context_log(x->isolate->context, "einjit: process %d generates code", (int)child->process);
    return EINJIT_OK;
}

static int await_answer(exchange *x, ej_code *out)
{
    do {
        EJ_TRY(receive(x));
        if (x->head.kind == EJ_WIRE_BYE) return EJ_CHILD_GONE;
        ej_wire_cursor body = body_of(x);
        ej_wire_progress progress;
        if (x->head.kind != EJ_WIRE_PROGRESS || !ej_wire_take_as(&body, &progress, sizeof progress)) continue;
        x->wait.stage = progress.stage;
        x->wait.done = progress.done;
        EJ_TRY(ej_job_poll(x->wait.job, progress.stage, progress.done));
    } while (x->head.kind == EJ_WIRE_PROGRESS);
    EJ_TRY(status_of(x));
    return ej_wire_read_answer(out, x->wait.job, body_of(x));
}

/* The process ended at work. */
static int fail_gone(exchange *x)
{
    char end[400];
    int process = (int)x->slot->child.process;
    ej_child_print_end(&x->slot->child, end, sizeof end);
    return ej_fail(x->wait.job->err, EINJIT_E_BACKEND, "the process that generates code (%d) %s", process, end);
}

static int talk(exchange *x, ej_code *out, const ej_nests *nests)
{
    ej_job *job = x->wait.job;
    ej_text message;
    if (x->slot->child.socket < 0) EJ_TRY(start(x->isolate, &x->slot->child, job->err));
    ej_text_init(&message, job->arena);
    ej_wire_begin(&message, EJ_WIRE_REQUEST);
    ej_wire_write_request(&message, nests, job, x->isolate->limit_ms);
    EJ_TRY(ej_wire_end(&message, EINJIT_OK, job->err));
    if (x->slot->child.greeted) ej_child_drop_words(&x->slot->child);
    EJ_TRY(greet(x));
    int status = ej_child_send(&x->slot->child, &message, &x->wait);
    /* where it has ended it may have left a word */
    return status == EINJIT_OK || status == EJ_CHILD_GONE ? await_answer(x, out) : status;
}

/* An error of the code generator's is the answer of a process that is all right; so is one of no memory here, between
 * two messages. */
static bool is_usable(const exchange *x, int status)
{
    return status == EINJIT_OK || (x->body && x->head.kind == EJ_WIRE_ANSWER && x->head.status == status);
}

int ej_isolate_compile(struct ej_isolate *isolate, ej_code *out, const ej_nests *nests, ej_job *job)
{
    for (;;) {
        ej_context_enter(isolate->context);
        exchange x = {.isolate = isolate, .wait = {.job = job, .limit_ns = isolate->limit_ms * 1000000}};
        x.wait.owner = getpid();
        x.wait.stage = EJ_STAGE_IR;
        EJ_TRY(ej_job_poll(job, EJ_STAGE_IR, 0));
        if (!(x.slot = take_slot(isolate))) continue;
        int status = talk(&x, out, nests);
        bool again = status == EJ_CHILD_FORKED || (status == EJ_CHILD_GONE && x.body && x.head.kind == EJ_WIRE_BYE);
        if (status == EJ_CHILD_GONE && !again) status = fail_gone(&x);
        if (status != EJ_CHILD_FORKED && getpid() == x.wait.owner) give_slot(isolate, x.slot, is_usable(&x, status));
        ej_release(job->allocator, x.body, (size_t)x.head.n_bytes);
        if (!again) return status;
    }
}
