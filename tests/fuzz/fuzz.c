/* fuzz.c - choices, bounded memory, findings. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- findings ---- */

static int report_fd = 2;

/* libFuzzer closes stderr, so that what commands print does not fill the log; findings go where it was. */
__attribute__((constructor)) static void keep_stderr(void)
{
    int copy = dup(2);
    if (copy >= 0) report_fd = copy;
}

void fuzz_finding(const char *format, ...)
{
    va_list args;
    dprintf(report_fd, "finding: ");
    va_start(args, format);
    vdprintf(report_fd, format, args);
    va_end(args);
    dprintf(report_fd, "\n");
    abort();
}

bool fuzz_ok(int status, const einjit_error *err, const char *what)
{
    if (status == EINJIT_OK) return true;
    if (status == EINJIT_E_INTERNAL) fuzz_finding("%s: E_INTERNAL: %s", what, err->text);
    if (status < 0 || status >= EINJIT_STATUS_COUNT) fuzz_finding("%s: status %d", what, status);
    if (err->code != status || !err->text[0] || strchr(err->text, '\n'))
        fuzz_finding("%s: %s with the text '%s' of %s", what, einjit_status_name(status), err->text,
                     einjit_status_name(err->code));
    return false;
}

/* ---- choices ---- */

unsigned fuzz_below(fuzz_bytes *bytes, unsigned n)
{
    if (!bytes->left) return 0;
    bytes->left--;
    return (uint8_t)(*bytes->at++ - '0') % n;
}

fuzz_bytes fuzz_choices(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    size_t start = size > 1 && data[1] == ' ' ? 2 : 1;
    if (!size || data[0] != '#') return (fuzz_bytes){0};
    if (!end) end = data + size;
    return data + start < end ? (fuzz_bytes){data + start, (size_t)(end - data) - start} : (fuzz_bytes){0};
}

/* ---- memory ---- */

static size_t live_bytes;

static void *bounded_alloc(void *user, size_t bytes)
{
    (void)user;
    if (bytes > FUZZ_MEMORY - live_bytes) return NULL;
    void *memory = malloc(bytes);
    if (memory) live_bytes += bytes;
    return memory;
}

static void bounded_release(void *user, void *memory, size_t bytes)
{
    (void)user;
    if (bytes > live_bytes) fuzz_finding("%zu bytes given back where %zu are taken", bytes, live_bytes);
    live_bytes -= bytes;
    free(memory);
}

einjit_context *fuzz_begin(const char *backend)
{
    static const einjit_allocator allocator = {bounded_alloc, bounded_release, NULL};
    einjit_options options = {.struct_bytes = sizeof options,
                              .allocator = &allocator,
                              .backend = backend,
                              .flags = EINJIT_OPTION_VERIFY,
                              .cache_bytes = 1 << 20,
                              .cache_dir = "none"};
    einjit_context *context = NULL;
    einjit_error err = {0};
    live_bytes = 0;
    return fuzz_ok(einjit_context_create(&context, &options, &err), &err, "a context") ? context : NULL;
}

void fuzz_end(einjit_context *context)
{
    einjit_context_release(context);
    if (live_bytes) fuzz_finding("%zu bytes were not given back", live_bytes);
}

/* ---- files ---- */

bool fuzz_file_open(fuzz_file *out, const void *bytes, size_t size)
{
    out->fd = memfd_create("fuzz", 0);
    if (out->fd < 0) return false;
    snprintf(out->path, sizeof out->path, "/proc/self/fd/%d", out->fd);
    if (write(out->fd, bytes, size) == (ssize_t)size) return true;
    fuzz_file_close(out);
    return false;
}

void fuzz_file_close(fuzz_file *file)
{
    close(file->fd);
}
