/* kernel_child.c - starts a process that generates code, talks to it, ends it.
 *
 * Takes  the program's file, messages.
 * Gives  messages; or that it has ended, was too slow, or that the caller wants no more.
 *
 * It closes all descriptors but the first three, and is in a process group of its own: what a terminal sends to the
 * host (Ctrl-C) is for the host. Where the host dies it is hung up on, at which it ends (jit/child/). Its number is
 * used for signals only while it is known to be a child of this process that nobody has waited for.
 */
#include "kernel_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base_time.h"

enum { FIRST_OTHER = 3, ASK_MS = 5, LOOK_MS = 1000 };

/* ---- starting ---- */

/* Not one of the three that the child will have: -1 and errno. */
static int move_up(int file)
{
    if (file < 0 || file >= FIRST_OTHER) return file;
    int moved = fcntl(file, F_DUPFD_CLOEXEC, FIRST_OTHER), reason = errno;
    (void)close(file);
    errno = reason;
    return moved;
}

static int open_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno;
    ends[0] = move_up(ends[0]);
    ends[1] = move_up(ends[1]);
    return ends[0] < 0 || ends[1] < 0 ? errno : 0;
}

static int open_words(void)
{
#ifdef __linux__
    return move_up(memfd_create("einjit-codegen", MFD_CLOEXEC));
#else
    return -1;
#endif
}

static int set_files(posix_spawn_file_actions_t *files, int socket, int words)
{
    int fault = posix_spawn_file_actions_adddup2(files, socket, 0);
    if (!fault) fault = posix_spawn_file_actions_addopen(files, 1, "/dev/null", O_WRONLY, 0);
    if (!fault) fault = posix_spawn_file_actions_adddup2(files, words >= 0 ? words : 1, 2);
    return fault;
}

static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int fault = posix_spawnattr_setsigmask(attributes, &none);
    if (!fault) fault = posix_spawnattr_setsigdefault(attributes, &all);
    if (!fault) fault = posix_spawnattr_setpgroup(attributes, 0);
    const short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
    return fault ? fault : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(pid_t *out, int socket, int words, char *const *arguments, char *const *environment)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int fault = posix_spawn_file_actions_init(&files);
    if (fault) return fault;
    fault = posix_spawnattr_init(&attributes);
    if (!fault) {
        fault = set_files(&files, socket, words);
        if (!fault) fault = set_signals(&attributes);
        if (!fault) fault = posix_spawn(out, arguments[0], &files, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return fault;
}

int ej_child_start(ej_child *out, const char *program, const char *module, char *const *environment, einjit_error *err)
{
    char *const arguments[] = {(char *)(uintptr_t)program, "--serve", (char *)(uintptr_t)module, NULL};
    ej_child child = EJ_NO_CHILD;
    int ends[2] = {-1, -1};
    int fault = open_pair(ends);
    child.socket = ends[0];
    if (!fault) child.words = open_words();
    if (!fault) fault = spawn(&child.process, ends[1], child.words, arguments, environment);
    if (ends[1] >= 0) (void)close(ends[1]);
    if (fault) {
        child.process = 0;
        ej_child_forget(&child);
        return ej_fail(err, EINJIT_E_BACKEND,
                       "the program %s cannot be started to generate code: %s (without EINJIT_ISOLATE this process "
                       "generates it)",
                       program, strerror(fault));
    }
    *out = child;
    return EINJIT_OK;
}

/* ---- ending ---- */

void ej_child_forget(ej_child *child)
{
    if (child->socket >= 0) (void)close(child->socket);
    if (child->words >= 0) (void)close(child->words);
    *child = EJ_NO_CHILD;
}

/* -1: the host has waited for it, or wants no zombies (SIGCHLD is ignored). */
static int wait_status(ej_child *child)
{
    int status = -1;
    pid_t got;
    do got = waitpid(child->process, &status, 0);
    while (got < 0 && errno == EINTR);
    child->process = 0;
    return got > 0 ? status : -1;
}

void ej_child_end(ej_child *child)
{
    /* 0: it is our child and lives, so that the number is its own */
    if (child->process && waitpid(child->process, NULL, WNOHANG) == 0) {
        (void)kill(child->process, SIGKILL);
        (void)wait_status(child);
    }
    ej_child_forget(child);
}

bool ej_child_has_ended(const ej_child *child)
{
    char byte;
    ssize_t got = recv(child->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0) return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    return !got || child->greeted; /* its hello may lie there; behind that only that it goes */
}

void ej_child_drop_words(const ej_child *child)
{
    if (child->words < 0) return;
    (void)!ftruncate(child->words, 0);
    (void)lseek(child->words, 0, SEEK_SET); /* its own place, too: it has the same open file */
}

/* The last line that it wrote to stderr, "" where it wrote none. */
static void read_words(const ej_child *child, char *out, size_t room)
{
    char text[1024];
    off_t end = child->words >= 0 ? lseek(child->words, 0, SEEK_END) : 0;
    off_t from = end > (off_t)sizeof text ? end - (off_t)sizeof text : 0;
    ssize_t n = end > 0 ? pread(child->words, text, sizeof text, from) : 0;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ' || !text[n - 1])) n--;
    ssize_t start = n;
    while (start > 0 && text[start - 1] != '\n' && text[start - 1]) start--;
    snprintf(out, room, "%.*s", n > start ? (int)(n - start) : 0, text + start);
}

void ej_child_print_end(ej_child *child, char *out, size_t room)
{
    char words[300];
    int n, status = wait_status(child);
    read_words(child, words, sizeof words);
    if (status < 0) n = snprintf(out, room, "ended");
    else if (WIFSIGNALED(status)) n = snprintf(out, room, "was ended by signal %d", WTERMSIG(status));
    else n = snprintf(out, room, "ended with status %d", WEXITSTATUS(status));
    if (*words && n > 0 && (size_t)n < room) snprintf(out + n, room - (size_t)n, ": %s", words);
}

/* ---- messages ---- */

static int fail_limit(const ej_child_wait *wait)
{
    return ej_fail(wait->job->err, EINJIT_E_BACKEND,
                   "the process that generates code was ended: it gave no sign of life for %llu ms "
                   "(einjit_options.isolate_ms, EINJIT_ISOLATE_LIMIT)",
                   (unsigned long long)(wait->limit_ns / 1000000));
}

/* Until the socket is ready, or a moment has passed. */
static int wait_for(const ej_child *child, short event, uint64_t since_ns, ej_child_wait *wait)
{
    struct pollfd file = {.fd = child->socket, .events = event};
    uint64_t spent = ej_now_ns() - since_ns;
    if (spent >= wait->limit_ns) return fail_limit(wait);
    uint64_t left_ms = (wait->limit_ns - spent) / 1000000 + 1, most_ms = wait->job->progress ? ASK_MS : LOOK_MS;
    int ready = poll(&file, 1, (int)(left_ms < most_ms ? left_ms : most_ms));
    if (ready < 0 && errno != EINTR) return EJ_CHILD_GONE;
    EJ_TRY(ej_job_poll(wait->job, wait->stage, wait->done));
    return getpid() == wait->owner ? EINJIT_OK : EJ_CHILD_FORKED;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int ej_child_send(const ej_child *child, const ej_text *message, ej_child_wait *wait)
{
    uint64_t since = ej_now_ns();
    for (size_t done = 0; done < message->length;) {
        ssize_t put = send(child->socket, message->data + done, message->length - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && !would_block()) return EJ_CHILD_GONE;
        if (put > 0) done += (size_t)put, since = ej_now_ns();
        else EJ_TRY(wait_for(child, POLLOUT, since, wait));
    }
    return EINJIT_OK;
}

static int receive_bytes(const ej_child *child, char *to, size_t n, ej_child_wait *wait)
{
    uint64_t since = ej_now_ns();
    for (size_t done = 0; done < n;) {
        ssize_t got = recv(child->socket, to + done, n - done, MSG_DONTWAIT);
        if (!got || (got < 0 && !would_block())) return EJ_CHILD_GONE;
        if (got > 0) done += (size_t)got, since = ej_now_ns();
        else EJ_TRY(wait_for(child, POLLIN, since, wait));
    }
    return EINJIT_OK;
}

int ej_child_receive(const ej_child *child, ej_wire_head *head, void **body, ej_child_wait *wait)
{
    const einjit_allocator *allocator = wait->job->allocator;
    EJ_TRY(receive_bytes(child, (char *)head, sizeof *head, wait));
    if (!ej_wire_knows(head))
        return ej_fail(wait->job->err, EINJIT_E_BACKEND,
                       "the program that generates code is of another version than this library");
    void *bytes = ej_alloc(allocator, (size_t)head->n_bytes);
    if (!bytes) return ej_no_memory(wait->job->err);
    int status = receive_bytes(child, bytes, (size_t)head->n_bytes, wait);
    if (status == EINJIT_OK && !ej_wire_is_whole(head, bytes))
        status = ej_fail(wait->job->err, EINJIT_E_BACKEND, "what the process that generates code sent is damaged");
    if (status == EINJIT_OK) *body = bytes;
    else ej_release(allocator, bytes, (size_t)head->n_bytes);
    return status;
}
