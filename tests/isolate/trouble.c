/* trouble.c - loaded in front of everything else in einjit-codegen (LD_PRELOAD), it makes trouble there.
 *
 * EINJIT_TEST_TROUBLE   fail:N    allocation number N finds no memory
 *                       abort:N   ends the process, as LLVM does
 *                       hang:N    never returns
 *                       idle:MS   a second of waiting for requests is so many milliseconds
 *                       words:N   writes some to stderr at allocation N, and ends without any in the next compile
 * EINJIT_TEST_COUNT     a file that gets the number of allocations, at each wait for a request
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OUTSIDE __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

OUTSIDE void *malloc(size_t n);
OUTSIDE void *calloc(size_t n, size_t size);
OUTSIDE void *realloc(void *old, size_t n);
OUTSIDE void *aligned_alloc(size_t alignment, size_t n);
OUTSIDE int posix_memalign(void **out, size_t alignment, size_t n);
OUTSIDE int poll(struct pollfd *files, nfds_t n, int timeout);

static atomic_long count;
static char what[8];
static long when = -1;

static void read_trouble(void)
{
    const char *text = getenv("EINJIT_TEST_TROUBLE"), *colon = text ? strchr(text, ':') : NULL;
    when = 0;
    if (!colon || (size_t)(colon - text) >= sizeof what) return;
    memcpy(what, text, (size_t)(colon - text));
    when = strtol(colon + 1, NULL, 10);
}

static int waits; /* for requests */

static void say_words(long number)
{
    static const char words[] = "words of an earlier compile\n";
    if (number == when) (void)!write(2, words, sizeof words - 1);
    if (number > when && waits > 1) _exit(7);
}

static int is_refused(void)
{
    if (when < 0) read_trouble();
    if (!strcmp(what, "words")) {
        say_words(atomic_fetch_add(&count, 1) + 1);
        return 0;
    }
    if (atomic_fetch_add(&count, 1) + 1 != when || !strcmp(what, "idle")) return 0;
    if (!strcmp(what, "abort")) abort();
    while (!strcmp(what, "hang")) (void)pause();
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return is_refused() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return is_refused() ? NULL : __libc_realloc(old, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return is_refused() ? NULL : __libc_memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    void *memory = is_refused() ? NULL : __libc_memalign(alignment, n);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}

static void tell_count(void)
{
    char text[32];
    const char *path = getenv("EINJIT_TEST_COUNT");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (file < 0) return;
    int n = snprintf(text, sizeof text, "%ld\n", atomic_load(&count));
    (void)!write(file, text, (size_t)n);
    (void)close(file);
}

int poll(struct pollfd *files, nfds_t n, int timeout)
{
    if (timeout >= 1000) tell_count(), waits++;
    if (timeout >= 1000 && !strcmp(what, "idle")) timeout = timeout / 1000 * (int)when;
    const struct timespec t = {timeout / 1000, timeout % 1000 * 1000000L};
    return (int)syscall(SYS_ppoll, files, n, timeout < 0 ? NULL : &t, NULL, 0);
}
