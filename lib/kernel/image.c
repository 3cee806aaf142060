/* image.c - code as it is mapped.
 *
 * Takes  position-independent bytes (ej_code), relocations resolved.
 * Gives  pages that can be read and executed, never writable and executable at the same time. They are written first
 *        and made executable afterwards; where the system refuses that (MDWE, SELinux's execmem) the code goes into a
 *        file in memory that can be written no more, and is mapped from there. E_BACKEND where neither is allowed.
 * Not here: making the bytes (jit/code/code_image.c), owning them (kernel.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3: to be asked for where the system makes such files without rights to execute */
#endif

static size_t page_bytes(void)
{
    long bytes = sysconf(_SC_PAGESIZE);
    return bytes > 0 ? (size_t)bytes : 4096;
}

/* NULL: errno says why. */
static void *map_private(const ej_code *code, size_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    memcpy(base, code->bytes, code->n_bytes);
    if (mprotect(base, bytes, PROT_READ | PROT_EXEC) == 0) return base;
    int reason = errno;
    munmap(base, bytes);
    errno = reason;
    return NULL;
}

#ifdef __linux__
static bool write_whole(int file, const char *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = write(file, from + done, n - done);
        if (put == 0 || (put < 0 && errno != EINTR)) return false;
        if (put > 0) done += (size_t)put;
    }
    return true;
}

static void *map_memory_file(const ej_code *code, size_t bytes)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    int file = memfd_create("einjit", flags | MFD_EXEC);
    if (file < 0 && errno == EINVAL) file = memfd_create("einjit", flags);
    if (file < 0) return NULL;
    void *base = MAP_FAILED;
    if (write_whole(file, code->bytes, code->n_bytes) && ftruncate(file, (off_t)bytes) == 0 &&
        fcntl(file, F_ADD_SEALS, seals) == 0)
        base = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    int reason = errno;
    (void)close(file);
    errno = reason;
    return base == MAP_FAILED ? NULL : base;
}
#else
static void *map_memory_file(const ej_code *code, size_t bytes)
{
    (void)code;
    (void)bytes;
    return NULL;
}
#endif

int ej_image_map(ej_image *out, const ej_code *code, einjit_error *err)
{
    size_t page = page_bytes();
    if (!code->n_bytes || code->entry >= code->n_bytes || code->n_bytes > SIZE_MAX - page)
        return ej_fail(err, EINJIT_E_INTERNAL, "code of %zu bytes has its entry at byte %zu", code->n_bytes,
                       code->entry);
    size_t bytes = (code->n_bytes + page - 1) / page * page;
    void *base = map_private(code, bytes);
    int reason = base ? 0 : errno;
    if (!base && reason == ENOMEM) return ej_no_memory(err);
    if (!base) base = map_memory_file(code, bytes);
    if (!base)
        return ej_fail(err, EINJIT_E_BACKEND,
                       "the system refuses executable memory (%s); the backend 'interp' needs none", strerror(reason));
#if defined(__GNUC__) || defined(__clang__)
    __builtin___clear_cache((char *)base, (char *)base + bytes); /* nothing on x86, needed on AArch64 */
#endif
    *out = (ej_image){base, bytes, code->n_bytes};
    return EINJIT_OK;
}

void ej_image_unmap(ej_image *image)
{
    if (image->base) munmap(image->base, image->bytes);
    *image = (ej_image){0};
}
