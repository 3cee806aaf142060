/* backend.h - what the code generator module gives to libeinjit, and nothing else crosses.
 *
 * The module is loaded with dlopen on the first miss (kernel_backend.c) and exports one function, einjit_codegen. It
 * carries its own copies of the base_* code, so libeinjit exports nothing for it.
 */
#ifndef EJ_BACKEND_H
#define EJ_BACKEND_H

#include "nest.h"

enum { EJ_BACKEND_ABI = 4 };

/* Code of a phase: pieces from .. to-1 of it (0 and 1 where it is not cut). `local`: the LOCAL buffers of the thread
 * that runs it, aligned to 64; the entry has them in the scratch block, behind the plan's. */
typedef void (*ej_phase_code)(void *const *data, const int64_t *sizes, void *scratch, void *local, int64_t from,
                              int64_t to);

enum { EJ_CODE_ALIGN = 64 }; /* of the address where a block of code lies at least */

/* Position-independent code: one block, rodata and text with their relocations resolved. From `allocator`. */
typedef struct ej_code {
    void *bytes;
    size_t n_bytes;
    size_t entry;             /* offset of the entry function in bytes, which runs all phases */
    size_t n_phases, *phases; /* offsets of their functions; none where no nest is cut */
} ej_code;
static inline void ej_code_release(ej_code *code, const einjit_allocator *allocator)
{
    ej_release(allocator, code->bytes, code->n_bytes);
    ej_release(allocator, code->phases, code->n_phases * sizeof *code->phases);
    *code = (ej_code){0};
}

typedef struct ej_backend {
    uint32_t abi;
    const char *name;    /* "llvm" */
    const char *version; /* "LLVM 19.1.7" */
    /* Code for nests run in order, with the entry of einjit.h. Constants are part of it. With job->dump bits IR or ASM
     * appends those texts to job->dump_text, assembly to job->asm_text where there is one. E_BACKEND with the words of
     * the generator when it fails. Thread-safe. */
    int (*compile)(ej_code *out, const ej_nests *nests, ej_job *job);
    void (*llvm)(void); /* some function of the LLVM it uses, never called: which file is that in? */
} ej_backend;

typedef struct ej_host {
    uint32_t abi;
} ej_host;

typedef const ej_backend *(*ej_codegen_fn)(const ej_host *host); /* the symbol einjit_codegen; NULL: not this ABI */
/* What einjit-llvm.map exports, and nothing else. */
EINJIT_API const ej_backend *einjit_codegen(const ej_host *host);

/* Code as it is mapped: readable and executable, never writable at the same time (image.c). */
typedef struct ej_image {
    void *base;
    size_t bytes;  /* of its pages */
    size_t n_code; /* of the code in them */
} ej_image;
int ej_image_map(ej_image *out, const ej_code *code, einjit_error *err);
void ej_image_unmap(ej_image *image);

#endif
