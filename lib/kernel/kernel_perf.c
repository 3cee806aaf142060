/* kernel_perf.c - tells profilers what the code of kernels is called (EINJIT_PERF).
 *
 * Takes  a kernel whose code is mapped.
 * Gives  with "map" a line of /tmp/perf-PID.map, where perf and others look for names; with a folder a record of
 *        FOLDER/jit-PID.dump (jitdump), which has the code, too: `perf record -k 1`, `perf inject --jit`.
 * Keeps  no file open: each record is one write at the end of a file, so that threads do not mix and a forked child has
 *        files of its own. perf knows a jitdump file by its being mapped executable: one page stays mapped until the
 *        context goes. What cannot be written is said once.
 *
 * Formats: tools/perf/Documentation/jit-interface.txt and jitdump-specification.txt of Linux.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base_print.h"
#include "base_time.h"
#include "kernel.h"

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#else
enum { MACHINE = EM_AARCH64 };
#endif

typedef struct dump_header {
    uint32_t magic, version, bytes, machine, pad, process;
    uint64_t time_ns, flags;
} dump_header;

typedef struct dump_record { /* of code; its name and the code follow */
    uint32_t id, bytes;
    uint64_t time_ns;
    uint32_t process, thread;
    uint64_t address, code_address, n_code, index;
} dump_record;

enum { PAGE_MARK = 4096 };

/* A regular file of this user's and nobody else's, at its end: in /tmp others could have put something there. */
static int open_end(const char *path)
{
    struct stat info;
    int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0) return -1;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() && info.st_nlink == 1) return file;
    (void)close(file);
    errno = EPERM;
    return -1;
}

static bool put(int file, const ej_text *text)
{
    return !text->failed && write(file, text->data, text->length) == (ssize_t)text->length;
}

static void print_map(ej_text *out, const einjit_kernel *kernel, const char *name)
{
    ej_print(out, "%llx %llx %s\n", (unsigned long long)(uintptr_t)kernel->image.base,
             (unsigned long long)kernel->image.n_code, name);
}

static void print_header(ej_text *out)
{
    const dump_header header = {.magic = 0x4A695444,
                                .version = 1,
                                .bytes = sizeof header,
                                .machine = MACHINE,
                                .process = (uint32_t)getpid(),
                                .time_ns = ej_now_ns()};
    ej_print_bytes(out, (const char *)&header, sizeof header);
}

static void print_record(ej_text *out, const einjit_kernel *kernel, const char *name)
{
    static atomic_uint_fast64_t n_records;
    const size_t n_name = strlen(name) + 1, n_code = kernel->image.n_code;
    const uint64_t address = (uintptr_t)kernel->image.base;
    const dump_record record = {.id = 0,
                                .bytes = (uint32_t)(sizeof record + n_name + n_code),
                                .time_ns = ej_now_ns(),
                                .process = (uint32_t)getpid(),
                                .thread = (uint32_t)syscall(SYS_gettid),
                                .address = address,
                                .code_address = address,
                                .n_code = n_code,
                                .index = atomic_fetch_add(&n_records, 1)};
    ej_print_bytes(out, (const char *)&record, sizeof record);
    ej_print_bytes(out, name, n_name);
    ej_print_bytes(out, kernel->image.base, n_code);
}

/* The first record of a file comes behind a header; the lock keeps two from writing one. */
static bool note(einjit_context *context, int file, const einjit_kernel *kernel, const char *name, bool map)
{
    ej_arena arena;
    ej_text text;
    struct stat info;
    ej_arena_init(&arena, &context->allocator);
    ej_text_init(&text, &arena);
    bool fresh = fstat(file, &info) == 0 && info.st_size == 0;
    if (!map && fresh) print_header(&text);
    if (map) print_map(&text, kernel, name);
    else print_record(&text, kernel, name);
    bool done = put(file, &text);
    if (!map && (fresh || !context->perf_mark)) {
        void *mark = mmap(NULL, PAGE_MARK, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
        if (mark != MAP_FAILED && context->perf_mark) (void)munmap(context->perf_mark, PAGE_MARK);
        if (mark != MAP_FAILED) context->perf_mark = mark;
    }
    ej_arena_free(&arena);
    return done;
}

void ej_perf_note(einjit_kernel *kernel)
{
    einjit_context *context = kernel->context;
    char path[EJ_PATH_ROOM];
    if (!context->perf || !kernel->entry || kernel->image.n_code > UINT32_MAX / 2) return;
    bool map = !strcmp(context->perf, "map");
    const char *name = kernel->problem && *kernel->problem ? kernel->problem : "einjit";
    int n = map ? snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid())
                : snprintf(path, sizeof path, "%s/jit-%d.dump", context->perf, (int)getpid());
    errno = ENAMETOOLONG;
    bool done = false;
    ej_context_enter(context);
    pthread_mutex_lock(&context->load_lock);
    int file = n > 0 && (size_t)n < sizeof path ? open_end(path) : -1;
    if (file >= 0) done = note(context, file, kernel, name, map);
    int reason = errno;
    if (file >= 0) (void)close(file);
    pthread_mutex_unlock(&context->load_lock);
    if (!done && !atomic_exchange(&context->perf_warned, true))
        ej_context_log(context, "einjit: EINJIT_PERF: %s cannot be written: %s", path, strerror(reason));
}

void ej_perf_end(einjit_context *context)
{
    if (context->perf_mark) (void)munmap(context->perf_mark, PAGE_MARK);
}
