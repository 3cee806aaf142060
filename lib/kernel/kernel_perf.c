/* kernel_perf.c - tells profilers and gdb what the code of kernels is called (EINJIT_PERF).
 *
 * Takes  a kernel whose code is mapped.
 * Gives  with "map" a line of /tmp/perf-PID.map, where perf and others look for names; with a folder a record of
 *        FOLDER/jit-PID.dump (jitdump), which has the code, too: `perf record -k 1`, `perf inject --jit`; with
 *        "gdb:FOLDER" an object FOLDER/jit-PID-ADDRESS.o, and a command in FOLDER/jit-PID.gdb that has gdb read it, of
 *        a process or its core. (gdb's own interface for such code is two symbols that libeinjit would have to export:
 *        an LLVM in the same process has them, too.)
 * Keeps  no file open: each record is one write at the end of a file, so that threads do not mix and a forked child has
 *        files of its own. perf knows a jitdump file by its being mapped executable: one page stays mapped until the
 *        context goes. What cannot be written is said once.
 *
 * Formats: tools/perf/Documentation/jit-interface.txt and jitdump-specification.txt of Linux.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
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

enum { NO_SECTION, TEXT, SYMBOLS, STRINGS, SECTIONS };
typedef struct object_head { /* the strings and the code follow */
    Elf64_Ehdr head;
    Elf64_Shdr sections[SECTIONS];
    Elf64_Sym symbols[2];
} object_head;

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

/* NULL: they are not for gdb. */
static const char *folder_of_gdb(const einjit_context *context)
{
    static const char mark[] = "gdb:";
    return strncmp(context->perf, mark, sizeof mark - 1) != 0 ? NULL : context->perf + sizeof mark - 1;
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

/* ---- gdb ---- */

/* A relocatable object: gdb is told where its code lies. */
static void print_object(ej_text *out, const einjit_kernel *kernel, const char *name)
{
    static const char strings[] = "\0.text\0.symtab\0.strtab"; /* the name follows */
    enum { AT_TEXT = 1, AT_SYMBOLS = 7, AT_STRINGS = 15, AT_NAME = sizeof strings };
    const size_t n_code = kernel->image.n_code, n_strings = AT_NAME + strlen(name) + 1;
    object_head o = {.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                              .e_type = ET_REL,
                              .e_machine = MACHINE,
                              .e_version = EV_CURRENT,
                              .e_shoff = offsetof(object_head, sections),
                              .e_ehsize = sizeof o.head,
                              .e_shentsize = sizeof *o.sections,
                              .e_shnum = SECTIONS,
                              .e_shstrndx = STRINGS}};
    o.sections[TEXT] = (Elf64_Shdr){.sh_name = AT_TEXT,
                                    .sh_type = SHT_PROGBITS,
                                    .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                                    .sh_offset = sizeof o + n_strings,
                                    .sh_size = n_code,
                                    .sh_addralign = 1};
    o.sections[SYMBOLS] = (Elf64_Shdr){.sh_name = AT_SYMBOLS,
                                       .sh_type = SHT_SYMTAB,
                                       .sh_offset = offsetof(object_head, symbols),
                                       .sh_size = sizeof o.symbols,
                                       .sh_link = STRINGS,
                                       .sh_info = 1, /* the first that is global */
                                       .sh_addralign = 8,
                                       .sh_entsize = sizeof *o.symbols};
    o.sections[STRINGS] = (Elf64_Shdr){
        .sh_name = AT_STRINGS, .sh_type = SHT_STRTAB, .sh_offset = sizeof o, .sh_size = n_strings, .sh_addralign = 1};
    o.symbols[1] = (Elf64_Sym){
        .st_name = AT_NAME, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = TEXT, .st_size = n_code};
    ej_print_bytes(out, (const char *)&o, sizeof o);
    ej_print_bytes(out, strings, sizeof strings);
    ej_print_bytes(out, name, strlen(name) + 1);
    ej_print_bytes(out, kernel->image.base, n_code);
}

/* As gdb reads words: in quotes. */
static void print_command(ej_text *out, const char *path, const einjit_kernel *kernel)
{
    ej_print(out, "add-symbol-file \"");
    for (const char *c = path; *c; c++) ej_print(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    ej_print(out, "\" 0x%llx\n", (unsigned long long)(uintptr_t)kernel->image.base);
}

/* What lay at the address before is gone. */
static bool write_object(const char *path, const ej_text *object)
{
    if (unlink(path) != 0 && errno != ENOENT) return false;
    int file = open_end(path);
    bool done = file >= 0 && put(file, object);
    if (file >= 0) (void)close(file);
    return done;
}

static bool note_gdb(const einjit_context *context, int commands, const einjit_kernel *kernel, const char *name)
{
    char path[EJ_PATH_ROOM];
    ej_arena arena;
    ej_text object, command;
    const char *folder = folder_of_gdb(context);
    int n = snprintf(path, sizeof path, "%s/jit-%d-%llx.o", folder, (int)getpid(),
                     (unsigned long long)(uintptr_t)kernel->image.base);
    if (n < 0 || (size_t)n >= sizeof path) return false;
    ej_arena_init(&arena, &context->allocator);
    ej_text_init(&object, &arena);
    ej_text_init(&command, &arena);
    print_object(&object, kernel, name);
    print_command(&command, path, kernel);
    bool done = !object.failed && write_object(path, &object) && put(commands, &command);
    ej_arena_free(&arena);
    return done;
}

/* ---- profilers ---- */

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
    bool map = !strcmp(context->perf, "map"), gdb = folder_of_gdb(context);
    const char *name = kernel->problem && *kernel->problem ? kernel->problem : "einjit";
    int n = map   ? snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid())
            : gdb ? snprintf(path, sizeof path, "%s/jit-%d.gdb", folder_of_gdb(context), (int)getpid())
                  : snprintf(path, sizeof path, "%s/jit-%d.dump", context->perf, (int)getpid());
    errno = ENAMETOOLONG;
    bool done = false;
    ej_context_enter(context);
    pthread_mutex_lock(&context->load_lock);
    int file = n > 0 && (size_t)n < sizeof path ? open_end(path) : -1;
    if (file >= 0) done = gdb ? note_gdb(context, file, kernel, name) : note(context, file, kernel, name, map);
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
