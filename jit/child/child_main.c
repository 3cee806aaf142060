/* child_main.c - einjit-codegen: generates code for a process that does not want LLVM in itself.
 *
 *     einjit-codegen --serve MODULE      descriptor 0 is a socket to that process
 *
 * Takes  requests (kernel_wire.h), one after the other.
 * Gives  code, or errors. Whatever LLVM does to the process is seen by the other one as its end; stderr is a file
 *        there. It ends when the other one hangs up, at any moment of a compile; when nobody has asked for a while; and
 *        when a compile shows no sign of life for a while after the other process should have ended it.
 * Keeps  nothing from one request to the next but what LLVM keeps.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base_time.h"
#include "cache.h"
#include "kernel_wire.h"

enum { SOCKET, IDLE_MS = 30000, LIMIT_MORE_S = 2 };

/* ---- signals ---- */

/* The other side has hung up, or a message has come, or there is room for one again. */
static void on_socket(int signal_number)
{
    int reason = errno;
    struct pollfd file = {.fd = SOCKET};
    (void)signal_number;
    if (poll(&file, 1, 0) > 0 && file.revents & (POLLHUP | POLLERR | POLLNVAL)) _exit(0);
    errno = reason;
}

static bool watch(void)
{
    struct sigaction action = {.sa_handler = on_socket, .sa_flags = SA_RESTART};
    if (sigaction(SIGIO, &action, NULL) != 0 || fcntl(SOCKET, F_SETOWN, getpid()) != 0 ||
        fcntl(SOCKET, F_SETFL, O_ASYNC) != 0)
        return false;
    on_socket(SIGIO); /* it may have hung up before */
    return true;
}

/* ---- messages ---- */

static void put(const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = send(SOCKET, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) _exit(0);
        if (sent > 0) bytes += sent, n -= (size_t)sent;
    }
}

static void get(char *bytes, size_t n)
{
    while (n) {
        ssize_t got = recv(SOCKET, bytes, n, 0);
        if (!got || (got < 0 && errno != EINTR)) _exit(0);
        if (got > 0) bytes += got, n -= (size_t)got;
    }
}

static void put_message(ej_text *message, int status)
{
    static const char words[] = "no memory for a message\n";
    if (ej_wire_end(message, status, NULL)) {
        (void)!write(2, words, sizeof words - 1);
        _exit(1);
    }
    put(message->data, message->length);
}

static void put_error(ej_text *message, enum ej_wire_kind kind, const einjit_error *err)
{
    ej_wire_begin(message, kind);
    ej_wire_put(message, err->text, strlen(err->text));
    put_message(message, err->code);
}

/* ---- the code generator ---- */

#ifdef EINJIT_STATIC_CODEGEN
static int find_codegen(ej_codegen_fn *out, const char *module, einjit_error *err)
{
    (void)module;
    (void)err;
    *out = einjit_codegen;
    return EINJIT_OK;
}
#else
static int find_codegen(ej_codegen_fn *out, const char *module, einjit_error *err)
{
    void *handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return ej_fail(err, EINJIT_E_BACKEND, "the code generator cannot be loaded: %s", dlerror());
    void *symbol = dlsym(handle, "einjit_codegen");
    if (!symbol) return ej_fail(err, EINJIT_E_BACKEND, "%s is not a code generator of einjit", module);
    memcpy(out, &symbol, sizeof symbol); /* ISO C has no cast from an object's to a function's address */
    return EINJIT_OK;
}
#endif

static int load(const ej_backend **out, const char *module, einjit_error *err)
{
    static const ej_host host = {.abi = EJ_BACKEND_ABI};
    ej_codegen_fn codegen = NULL;
    EJ_TRY(find_codegen(&codegen, module, err));
    *out = codegen(&host);
    if (*out) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_BACKEND, "the code generator %s is of another version than this library", module);
}

static void greet(ej_text *message, const ej_backend *backend)
{
    ej_wire_hello hello = {0};
    ej_text generator;
    ej_text_init(&generator, message->arena);
    if (ej_id_print_generator(&generator, backend)) {
        hello.generator = generator.data;
        hello.n_generator = generator.length;
    }
    ej_wire_begin(message, EJ_WIRE_HELLO);
    ej_wire_write_hello(message, &hello);
    put_message(message, EINJIT_OK);
}

/* ---- requests ---- */

static uint64_t limit_s;

/* A sign of life for the other side, and for the clock that ends a process that nobody else does. */
static int tell_progress(void *user, const char *stage, double done)
{
    const ej_wire_progress progress = {.stage = ej_stage_by_name(stage, strlen(stage)), .done = done};
    ej_text *message = user;
    ej_wire_begin(message, EJ_WIRE_PROGRESS);
    ej_wire_put(message, &progress, sizeof progress);
    put_message(message, EINJIT_OK);
    (void)alarm((unsigned)limit_s);
    return 0;
}

static int generate(ej_code *code, ej_job *job, const ej_backend *backend, ej_wire_cursor body)
{
    ej_nests nests;
    uint64_t limit_ms = 0;
    EJ_TRY(ej_wire_read_request(&nests, job, &limit_ms, body));
    limit_s = limit_ms / 1000 + LIMIT_MORE_S;
    (void)alarm((unsigned)limit_s);
    return backend->compile(code, &nests, job);
}

static void answer(ej_arena *arena, const ej_backend *backend, ej_wire_cursor body)
{
    ej_text message, progress, dump, assembly;
    ej_text *const texts[] = {&message, &progress, &dump, &assembly};
    einjit_error err = {0};
    ej_code code = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) ej_text_init(texts[i], arena);
    /* the first after as long as between two: a short compile shows none */
    ej_progress who = {.hook = tell_progress, .user = &progress, .next_ns = ej_now_ns() + EJ_ASK_EVERY_NS};
    ej_job job = {.arena = arena,
                  .err = &err,
                  .allocator = &ej_malloc_allocator,
                  .dump_text = &dump,
                  .asm_text = &assembly,
                  .progress = &who};
    int status = generate(&code, &job, backend, body);
    (void)alarm(0);
    if (status != EINJIT_OK) {
        put_error(&message, EJ_WIRE_ANSWER, &err);
        return;
    }
    ej_wire_begin(&message, EJ_WIRE_ANSWER);
    ej_wire_write_answer(&message, &code, &dump, &assembly);
    put_message(&message, EINJIT_OK);
    ej_code_release(&code, &ej_malloc_allocator);
}

static void wait_for_request(ej_arena *arena)
{
    struct pollfd file = {.fd = SOCKET, .events = POLLIN};
    ej_text message;
    int ready;
    do ready = poll(&file, 1, IDLE_MS);
    while (ready < 0 && errno == EINTR);
    if (ready > 0) return;
    ej_text_init(&message, arena);
    ej_wire_begin(&message, EJ_WIRE_BYE);
    put_message(&message, EINJIT_OK);
    _exit(0);
}

static void serve_one(ej_arena *arena, const ej_backend *backend)
{
    ej_wire_head head;
    wait_for_request(arena);
    get((char *)&head, sizeof head);
    if (!ej_wire_knows(&head) || head.kind != EJ_WIRE_REQUEST) _exit(1);
    char *body = ej_arena_new(arena, 1, (size_t)head.n_bytes);
    if (!body) abort();
    get(body, (size_t)head.n_bytes);
    if (!ej_wire_is_whole(&head, body)) _exit(1);
    answer(arena, backend, (ej_wire_cursor){body, (size_t)head.n_bytes});
    ej_arena_clear(arena);
}

static void serve(const char *module)
{
    const ej_backend *backend = NULL;
    einjit_error err = {0};
    ej_arena arena;
    ej_text message;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&message, &arena);
    if (!watch()) _exit(1);
    if (load(&backend, module, &err)) {
        put_error(&message, EJ_WIRE_HELLO, &err);
        _exit(1);
    }
    greet(&message, backend);
    (void)!chdir("/"); /* whoever started it may want to remove the folder */
    for (;;) serve_one(&arena, backend);
}

/* ---- the program ---- */

/* What the other process has without FD_CLOEXEC: an end of a pipe that stays open here would keep its reader
 * waiting. */
static void close_others(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    closefrom(3);
#else
    long most = sysconf(_SC_OPEN_MAX);
    for (int file = 3; file < (most > 0 && most < 65536 ? most : 65536); file++) (void)close(file);
#endif
}

static int tell(int argc, char **argv)
{
    bool version = argc == 2 && !strcmp(argv[1], "--version"), help = argc == 2 && !strcmp(argv[1], "--help");
    if (version) printf("einjit-codegen %d.%d.%d\n", EINJIT_VERSION_MAJOR, EINJIT_VERSION_MINOR, EINJIT_VERSION_PATCH);
    else
        fprintf(help ? stdout : stderr, "usage: einjit-codegen --serve MODULE\n\nGenerates code for libeinjit, which "
                                        "starts it (EINJIT_ISOLATE=1); not to be called by hand.\n");
    return version || help ? 0 : 2;
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--serve") != 0) return tell(argc, argv);
    close_others();
    serve(argv[2]);
}
