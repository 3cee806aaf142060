/* image.c - code as it is mapped.
 *
 * Takes  position-independent bytes (ej_code), relocations resolved.
 * Gives  pages that can be read and executed. They are written first and made executable afterwards: no page is ever
 *        writable and executable at the same time.
 * Not here: making the bytes (jit/code_image.c), owning them (kernel.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"

static size_t page_bytes(void)
{
    long bytes = sysconf(_SC_PAGESIZE);
    return bytes > 0 ? (size_t)bytes : 4096;
}

int ej_image_map(ej_image *out, const ej_code *code, einjit_error *err)
{
    size_t page = page_bytes();
    if (!code->n_bytes || code->entry >= code->n_bytes || code->n_bytes > SIZE_MAX - page)
        return ej_fail(err, EINJIT_E_INTERNAL, "code of %zu bytes has its entry at byte %zu", code->n_bytes, code->entry);
    size_t bytes = (code->n_bytes + page - 1) / page * page;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return ej_no_memory(err);
    memcpy(base, code->bytes, code->n_bytes);
    if (mprotect(base, bytes, PROT_READ | PROT_EXEC) != 0) {
        int reason = errno;
        munmap(base, bytes);
        return ej_fail(err, EINJIT_E_BACKEND, "the system refuses executable memory (%s); the backend 'interp' needs none",
                       strerror(reason));
    }
#if defined(__GNUC__) || defined(__clang__)
    __builtin___clear_cache((char *)base, (char *)base + bytes); /* nothing on x86, needed on AArch64 */
#endif
    out->base = base;
    out->bytes = bytes;
    return EINJIT_OK;
}

void ej_image_unmap(ej_image *image)
{
    if (image->base) munmap(image->base, image->bytes);
    image->base = NULL;
    image->bytes = 0;
}
