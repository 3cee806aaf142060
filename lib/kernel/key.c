/* key.c - signatures as words.
 *
 * Takes  a graph's content, compile options and tensors (data is not read).
 * Gives  words that are equal exactly where the same kernel serves. Strides are normalized: a row-major tensor has
 *        none, an axis of extent 1 has stride 0. Outputs that are all row-major are left out: their shapes follow, and
 *        whether the caller's agree is checked after the look-up.
 * Keeps  small keys on the caller's stack.
 * Not here: backend and target (a cache belongs to one context, which has one of each), levels of keys for open extents
 *        (pipeline_find.c).
 */
#include <string.h>

#include "base_tensor.h"
#include "key.h"

enum { KIND_GRAPH = 1 };
#define ROW_MAJOR (UINT64_C(1) << 63)
#define OPEN_AXIS (UINT64_C(1) << 63)

/* Of the bytes' ends and the extents of two operands: what it is hashed to only decides where it is looked for. */
ej_recent ej_recent_call(uint32_t kind, const void *bytes, size_t n, size_t n_in, const einjit_tensor *in)
{
    enum { RANK = 8 };
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t head = 0, tail = 0;
    ej_recent none = {NULL, 0, 0, 0};
    if (n > EJ_RECENT_BYTES || (n_in && !in)) return none;
    if (n >= sizeof head) {
        memcpy(&head, bytes, sizeof head);
        memcpy(&tail, (const char *)bytes + n - sizeof tail, sizeof tail);
    } else if (n) {
        memcpy(&head, bytes, n);
    }
    uint64_t hash = head ^ (tail << 29 | tail >> 35) ^ n;
    for (size_t i = 0; i < n_in; i += n_in - 1 ? n_in - 1 : 1) {
        if (in[i].rank < 0 || in[i].rank > RANK || (in[i].rank && !in[i].shape)) return none;
        for (int32_t axis = 0; axis < in[i].rank; axis++) hash = (hash << 7 | hash >> 57) ^ (uint64_t)in[i].shape[axis];
    }
    return (ej_recent){bytes, (uint32_t)n, kind, (uint32_t)(hash * odd >> 58)};
}

void ej_key_init(ej_key_words *key, const einjit_allocator *allocator)
{
    key->allocator = allocator;
    key->words = key->small;
    key->n = 0;
    key->capacity = EJ_KEY_SMALL;
    key->failed = false;
}

void ej_key_free(ej_key_words *key)
{
    if (key->words != key->small) ej_release(key->allocator, key->words, key->capacity * sizeof *key->words);
}

static bool grow(ej_key_words *key, size_t more)
{
    if (key->failed || more > SIZE_MAX / 32 - key->n) {
        key->failed = true;
        return false;
    }
    size_t capacity = key->capacity * 2;
    while (capacity < key->n + more) capacity *= 2;
    uint64_t *words = ej_alloc(key->allocator, capacity * sizeof *words);
    if (!words) {
        key->failed = true;
        return false;
    }
    memcpy(words, key->words, key->n * sizeof *words);
    ej_key_free(key);
    key->words = words;
    key->capacity = capacity;
    return true;
}

void ej_key_word(ej_key_words *key, uint64_t word)
{
    if (key->n == key->capacity && !grow(key, 1)) return;
    key->words[key->n++] = word;
}

/* The length, then the bytes, the last word filled up with zeros. */
void ej_key_bytes(ej_key_words *key, const void *bytes, size_t n)
{
    size_t words = n / sizeof(uint64_t) + 1;
    if (key->n + words + 1 > key->capacity && !grow(key, words + 1)) return;
    key->words[key->n++] = n;
    key->words[key->n + words - 1] = 0;
    if (n) memcpy(&key->words[key->n], bytes, n);
    key->n += words;
}

void ej_key_tensor(ej_key_words *key, const einjit_tensor *t, const int32_t *symbols)
{
    size_t rank = (size_t)t->rank;
    bool row_major = ej_tensor_row_major(t);
    if (key->n + 1 + 2 * rank > key->capacity && !grow(key, 1 + 2 * rank)) return;
    uint64_t *word = &key->words[key->n];
    *word++ = (uint64_t)(uint32_t)t->dtype | (uint64_t)rank << 32 | (row_major ? ROW_MAJOR : 0);
    for (size_t axis = 0; axis < rank; axis++) {
        uint64_t extent = (uint64_t)t->shape[axis];
        bool open = symbols && symbols[axis];
        *word++ = open ? OPEN_AXIS | (uint64_t)symbols[axis] : extent;
    }
    for (size_t axis = 0; axis < rank && !row_major; axis++)
        *word++ = t->shape[axis] == 1 ? 0 : (uint64_t)t->strides[axis];
    key->n = (size_t)(word - key->words);
}

static bool all_row_major(const ej_request *r)
{
    for (size_t i = 0; i < r->n_out; i++)
        if (!ej_tensor_row_major(&r->out[i])) return false;
    return true;
}

void ej_key_values(ej_key_words *key, const ej_request *r)
{
    enum { CONSTANTS = 1, SCALES = 2, LIMITED = 4 };
    const double factors[] = {r->alpha, r->beta};
    bool scales = ej_request_scales(r);
    ej_key_word(key, (r->constants ? CONSTANTS : 0) | (scales ? SCALES : 0) | (r->memory_limit ? LIMITED : 0));
    if (r->memory_limit) ej_key_word(key, r->memory_limit);
    if (scales) ej_key_bytes(key, factors, sizeof factors);
    if (!r->constants) return;
    ej_key_word(key, r->constants_hash.lo);
    ej_key_word(key, r->constants_hash.hi);
}

void ej_key_request(ej_key_words *key, const ej_request *r)
{
    size_t n_out = all_row_major(r) ? 0 : r->n_out;
    ej_key_word(key, KIND_GRAPH | (uint64_t)(uint32_t)r->flags << 32);
    ej_key_word(key, r->graph->content.lo);
    ej_key_word(key, r->graph->content.hi);
    ej_key_bytes(key, r->path, r->path ? strlen(r->path) : 0);
    ej_key_values(key, r);
    ej_key_word(key, (uint64_t)r->n_in << 32 | n_out);
    for (size_t i = 0; i < r->n_in; i++) ej_key_tensor(key, &r->in[i], NULL);
    for (size_t i = 0; i < n_out; i++) ej_key_tensor(key, &r->out[i], NULL);
}

static void print_tensor(ej_text *text, const char *what, size_t i, const einjit_tensor *t)
{
    ej_print(text, "%s %zu: %s[", what, i, einjit_dtype_name(t->dtype));
    for (int32_t axis = 0; axis < t->rank; axis++)
        ej_print(text, "%s%lld", axis ? ", " : "", (long long)t->shape[axis]);
    ej_print(text, "]");
    bool row_major = ej_tensor_row_major(t);
    for (int32_t axis = 0; axis < t->rank && !row_major; axis++)
        ej_print(text, "%s%lld", axis ? ", " : " strides ", (long long)(t->shape[axis] == 1 ? 0 : t->strides[axis]));
    ej_print(text, "\n");
}

void ej_key_print(ej_text *text, const einjit_context *context, const ej_request *r)
{
    ej_print(text, "graph: %016llx%016llx\n", (unsigned long long)r->graph->content.hi,
             (unsigned long long)r->graph->content.lo);
    ej_print(text, "backend: %s\ntarget: %s\n", context->use_interp ? "interp" : "llvm", context->target->name);
    ej_print(text, "path: %s\nopen: %s\nflags: %d\n", r->path ? r->path : "auto", r->open ? r->open : "",
             (int)r->flags);
    if (r->constants)
        ej_print(text, "constants: %s %016llx%016llx\n", r->constants, (unsigned long long)r->constants_hash.hi,
                 (unsigned long long)r->constants_hash.lo);
    if (ej_request_scales(r))
        ej_print(text, "alpha: %s\nbeta: %s\n", ej_real_text((char[EJ_REAL_TEXT]){0}, 'g', 17, r->alpha ? r->alpha : 1),
                 ej_real_text((char[EJ_REAL_TEXT]){0}, 'g', 17, r->beta));
    if (r->memory_limit) ej_print(text, "memory limit: %llu\n", (unsigned long long)r->memory_limit);
    for (size_t i = 0; i < r->n_in; i++) print_tensor(text, "input", i, &r->in[i]);
    for (size_t i = 0; i < r->n_out; i++) print_tensor(text, "output", i, &r->out[i]);
}
