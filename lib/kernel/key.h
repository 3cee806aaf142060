/* key.h - requests, and their signatures as words. */
#ifndef EJ_KEY_H
#define EJ_KEY_H

#include "context.h"

/* A request: what is compiled, and how. */
typedef struct ej_request {
    einjit_graph *graph;
    size_t n_in, n_out;
    const einjit_tensor *in, *out;
    const char *open, *path;
    int32_t flags;
    const char *constants;  /* names of inputs that hold what they will hold in every run; NULL: none */
    ej_hash constants_hash; /* of what they hold, once ej_request_check has read it */
    double alpha, beta;     /* alpha 0: results as they are */
    uint64_t memory_limit;  /* bytes of scratch; 0: none */
} ej_request;
/* Outputs do not simply become the results. */
static inline bool ej_request_scales(const ej_request *r)
{
    return r->alpha != 0 || r->beta != 0;
}

/* A call by what it says itself, to find again what it found last (kernel_cache.h): an equation as it is written, or a
 * program's content, and tensors without strides, which are held against the kernel's. */
enum { EJ_RECENT_EQUATION = 1, EJ_RECENT_PROGRAM = 2, EJ_RECENT_BYTES = 64, EJ_RECENT_SLOTS = 64 };
typedef struct ej_recent {
    const void *bytes;
    uint32_t n, kind; /* kind 0: a call of another kind */
    uint32_t slot;
} ej_recent;
/* `kind` 0 where it is not such a call. Tensors need not have been checked. (key.c) */
ej_recent ej_recent_call(uint32_t kind, const void *bytes, size_t n, size_t n_in, const einjit_tensor *in);
static inline ej_recent ej_request_recent(const ej_request *r)
{
    bool plain = !r->flags && !r->open && !r->path && !r->constants && !ej_request_scales(r) && !r->memory_limit;
    return ej_recent_call(plain ? EJ_RECENT_PROGRAM : 0, &r->graph->content, sizeof r->graph->content, r->n_in, r->in);
}

typedef struct ej_key { /* its owner is the caller, who keeps it for the call */
    const uint64_t *words;
    size_t n;
    bool forget_failures; /* open extents are not in the key, but a failure may come from them */
    /* not in the key: whose names the text of a failure has. Asked of who makes an entry, or is given a failure, not
     * for what is found; NULL: 0 */
    uint64_t (*names)(const void *user);
    const void *user;
    bool *others; /* true: the failure that is given has another's names. NULL: nobody asks */
    ej_recent recent;
} ej_key;
static inline uint64_t ej_key_names(const ej_key *key)
{
    return key->names ? key->names(key->user) : 0;
}
enum { EJ_KEY_SMALL = 128 };
typedef struct ej_key_words { /* grows on the heap only when it outgrows `small` */
    const einjit_allocator *allocator;
    uint64_t *words;
    size_t n, capacity;
    bool failed; /* out of memory */
    uint64_t small[EJ_KEY_SMALL];
} ej_key_words;
void ej_key_init(ej_key_words *key, const einjit_allocator *allocator);
void ej_key_free(ej_key_words *key);
void ej_key_word(ej_key_words *key, uint64_t word);
void ej_key_bytes(ej_key_words *key, const void *bytes, size_t n);
/* Tensors must have passed ej_tensor_check. symbols NULL: exact; else per axis 0 or 1 + the open symbol's number. */
void ej_key_tensor(ej_key_words *key, const einjit_tensor *tensor, const int32_t *symbols);
/* Which inputs are constant and what they hold, what results are multiplied by, the memory limit: one word where there
 * is none of these. */
void ej_key_values(ej_key_words *key, const ej_request *request);
/* The exact signature of a request (without open extents), and the same for people. */
void ej_key_request(ej_key_words *key, const ej_request *request);
void ej_key_print(ej_text *text, const einjit_context *context, const ej_request *request);

/* The equation without names and spaces, the output explicit, so that equations that mean the same are the same words.
 * False, and nothing added: it is not plain enough (errors, more than some 200 labels). (key_equation.c) */
bool ej_key_equation(ej_key_words *key, const char *text, size_t length);
bool ej_key_labels(ej_key_words *key, size_t n_in, const einjit_tensor *in, const int32_t *labels, int32_t output_rank,
                   const int32_t *output);

/* ---- key_program.c ---- */
/* The program changes no more; its content and names are known from here on. */
int ej_program_freeze(einjit_graph *graph, einjit_error *err);

#endif
