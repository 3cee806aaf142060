/* cache_id.c - which build of a program or library this is: its GNU build-id, a hash that the linker made of its
 * contents.
 *
 * Takes  an address in this process, or a file.
 * Gives  the id in hexadecimal digits. Files are neither mapped nor run: what a code generator is can be told without
 *        it.
 * Keeps  nothing. Every offset of a file is checked before it is used.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"

enum { NOTES_MAX = 4096, HEADERS_MAX = 64 };

static bool print_id(char out[EJ_ID_TEXT], const unsigned char *id, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    if (!n || n > (EJ_ID_TEXT - 1) / 2) return false;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[id[i] >> 4];
        out[2 * i + 1] = digits[id[i] & 15];
    }
    out[2 * n] = 0;
    return true;
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* Among the notes of one segment. */
static bool find_note(char out[EJ_ID_TEXT], const unsigned char *notes, size_t n)
{
    static const char gnu[4] = "GNU";
    ElfW(Nhdr) note;
    while (n >= sizeof note) {
        memcpy(&note, notes, sizeof note);
        size_t name = padded(note.n_namesz), body = padded(note.n_descsz);
        notes += sizeof note;
        n -= sizeof note;
        if (note.n_namesz > n || name > n || note.n_descsz > n - name) return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof gnu && !memcmp(notes, gnu, sizeof gnu))
            return print_id(out, notes + name, note.n_descsz);
        if (body > n - name) return false;
        notes += name + body;
        n -= name + body;
    }
    return false;
}

/* ---- what is mapped ---- */

typedef struct wanted {
    uintptr_t address;
    char *out;
    const char *file;
    bool found;
} wanted;

static int look(struct dl_phdr_info *info, size_t bytes, void *user)
{
    wanted *w = user;
    bool within = false;
    (void)bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        within |= p->p_type == PT_LOAD && w->address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz;
    }
    if (!within) return 0;
    w->file = info->dlpi_name;
    for (int i = 0; i < info->dlpi_phnum && !w->found; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_NOTE) continue;
        uintptr_t notes = (uintptr_t)info->dlpi_addr + p->p_vaddr;
        w->found = find_note(w->out, (const unsigned char *)notes, p->p_memsz);
    }
    return 1;
}

bool ej_id_of_mapped(char out[EJ_ID_TEXT], const void *address, const char **file)
{
    wanted w = {(uintptr_t)address, out, NULL, false};
    out[0] = 0;
    dl_iterate_phdr(look, &w);
    if (file) *file = w.file;
    return w.found;
}

/* ---- files ---- */

static bool read_at(int file, void *to, size_t n, uint64_t offset)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(file, (char *)to + done, n - done, (off_t)(offset + done));
        if (got == 0 || (got < 0 && errno != EINTR)) return false;
        if (got > 0) done += (size_t)got;
    }
    return true;
}

static bool read_id(char out[EJ_ID_TEXT], int file)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[HEADERS_MAX];
    unsigned char notes[NOTES_MAX];
    if (!read_at(file, &header, sizeof header, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_phentsize != sizeof *segments || header.e_phnum > HEADERS_MAX || header.e_phoff > INT32_MAX)
        return false;
    if (!read_at(file, segments, header.e_phnum * sizeof *segments, header.e_phoff)) return false;
    for (int i = 0; i < header.e_phnum; i++) {
        const ElfW(Phdr) *p = &segments[i];
        if (p->p_type != PT_NOTE || p->p_filesz > NOTES_MAX || p->p_offset > INT64_MAX / 2) continue;
        if (read_at(file, notes, p->p_filesz, p->p_offset) && find_note(out, notes, p->p_filesz)) return true;
    }
    return false;
}

bool ej_id_of_file(char out[EJ_ID_TEXT], const char *path)
{
    out[0] = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return false;
    bool found = read_id(out, file);
    (void)close(file);
    return found;
}

/* ---- code generators ---- */

bool ej_id_print_generator(ej_text *out, const ej_backend *backend)
{
    char id[EJ_ID_TEXT], llvm[EJ_ID_TEXT];
    const char *file, *llvm_file;
    void (*llvm_function)(void) = backend->llvm;
    int (*compile)(ej_code *, const ej_nests *, ej_job *) = backend->compile;
    const void *address, *llvm_address;
    if (!llvm_function) return false;
    memcpy(&address, &compile, sizeof address); /* ISO C has no cast from a function's to an object's address */
    memcpy(&llvm_address, &llvm_function, sizeof llvm_address);
    if (!ej_id_of_mapped(id, address, &file) || !ej_id_of_mapped(llvm, llvm_address, &llvm_file)) return false;
    ej_print(out, "%s\nmodule %s\n", backend->version, id);
    if (strcmp(id, llvm)) ej_print(out, "llvm %s %s\n", llvm, llvm_file);
    return !out->failed;
}
