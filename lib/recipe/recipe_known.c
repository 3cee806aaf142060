/* recipe_known.c - groups that are equal to one that was tried before: layers of a network, terms of a long sum.
 *
 * Takes  a group whose loops are found.
 * Gives  a key of what trees and their costs follow from: axes, statements, buffers by the order of first use, observed
 *        sizes, too; the axes' names, since nests are handed on with them. Left out are slots and offsets.
 */
#include <string.h>

#include "recipe_group.h"

typedef struct key_words {
    ej_arena *arena;
    uint64_t *words;
    size_t n, cap;
    bool failed;
} key_words;

static void word(key_words *w, uint64_t value)
{
    if (w->failed || !EJ_PUSH_ROOM(w->arena, w->words, w->cap, w->n)) {
        w->failed = true;
        return;
    }
    w->words[w->n++] = value;
}

static void number(key_words *w, int64_t value)
{
    word(w, (uint64_t)value);
}

static void real(key_words *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    word(w, bits);
}

static void size(key_words *w, ej_size value)
{
    number(w, value.e);
    number(w, value.n);
}

static void access_words(key_words *w, const ej_access *access)
{
    number(w, access->buffer);
    size(w, access->base);
    number(w, access->n_terms);
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        number(w, term->axis);
        number(w, term->table);
        size(w, term->stride);
        size(w, term->tbase);
        size(w, term->tstride);
    }
}

static void expr_words(key_words *w, const ej_expr *expr)
{
    number(w, expr->n);
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        word(w, op->kind);
        word(w, op->fn);
        number(w, op->dtype);
        number(w, op->a);
        number(w, op->b);
        number(w, op->c);
        real(w, op->re);
        real(w, op->im);
        number(w, op->integer);
    }
}

static void statement_words(key_words *w, const ej_schedule *s, const ej_statement *st)
{
    for (int32_t a = 0; a < s->n_axes; a++) word(w, st->axes[a]);
    number(w, st->n_src);
    number(w, st->n_tail);
    access_words(w, &st->out);
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++) access_words(w, &st->src[i]);
    expr_words(w, &st->expr);
    expr_words(w, &st->epilogue);
    number(w, st->reduce);
    word(w, st->accumulate);
}

static void axis_words(key_words *w, const ej_axis *axis)
{
    const char *name = axis->name ? axis->name : "";
    size(w, axis->extent);
    word(w, axis->run);
    word(w, ej_hash64(name, strlen(name), 0));
}

static void buffer_words(key_words *w, const ej_schedule_buffer *buffer)
{
    number(w, buffer->plan.dtype);
    word(w, buffer->plan.home);
    size(w, buffer->plan.elems);
    word(w, buffer->plan.is_table);
    size(w, buffer->plan.limit);
    word(w, buffer->plan.in_place);
    word(w, buffer->inside);
}

int ej_group_key(ej_hash *out, const ej_step_group *h, const ej_job *job)
{
    const ej_schedule *s = &h->fresh;
    key_words w = {.arena = job->arena};
    number(&w, s->n_axes);
    for (int32_t a = 0; a < s->n_axes; a++) axis_words(&w, &s->axes[a]);
    number(&w, (int64_t)s->n_buffers);
    for (size_t b = 0; b < s->n_buffers; b++) buffer_words(&w, &s->buffers[b]);
    number(&w, h->n);
    for (int32_t k = 0; k < h->n; k++) statement_words(&w, s, &s->statements[k]);
    number(&w, h->n_loops);
    for (int32_t a = 0; a < s->n_axes; a++) word(&w, h->chunks[a]);
    if (w.failed) return EINJIT_E_NOMEM;
    *out = ej_hash_bytes(w.words, w.n * sizeof *w.words);
    return EINJIT_OK;
}
