/* recipe_known.c - groups that are equal to one that was tried before: layers of a network, terms of a long sum.
 *
 * Takes  a group whose loops are found.
 * Gives  a key of what trees and their costs follow from: axes, statements, buffers by the order of first use, observed
 *        sizes, too; the axes' names, since nests are handed on with them. Left out are slots and offsets.
 */
#include <string.h>

#include "nest_leaf.h"
#include "recipe_group.h"

static void size(ej_fact_words *w, ej_size value)
{
    ej_word_number(w, value.e);
    ej_word_number(w, value.n);
}

static void access_words(ej_fact_words *w, const ej_access *access)
{
    ej_word_number(w, access->buffer);
    size(w, access->base);
    ej_word_number(w, access->n_terms);
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        ej_word_number(w, term->axis);
        ej_word_number(w, term->table);
        size(w, term->stride);
        size(w, term->tbase);
        size(w, term->tstride);
    }
}

static void statement_words(ej_fact_words *w, const ej_schedule *s, const ej_statement *st)
{
    for (int32_t a = 0; a < s->n_axes; a++) ej_word(w, st->axes[a]);
    ej_word_number(w, st->n_src);
    ej_word_number(w, st->n_tail);
    access_words(w, &st->out);
    for (int32_t i = 0; i < st->n_src + st->n_tail; i++) access_words(w, &st->src[i]);
    ej_fact_words_of_expr(w, &st->expr);
    ej_fact_words_of_expr(w, &st->epilogue);
    ej_word_number(w, st->reduce);
    ej_word(w, st->accumulate);
    ej_word(w, st->tail_first);
    ej_word(w, st->tail_scales);
}

static void axis_words(ej_fact_words *w, const ej_axis *axis)
{
    const char *name = axis->name ? axis->name : "";
    size(w, axis->extent);
    ej_word(w, axis->run);
    ej_word(w, ej_hash64(name, strlen(name), 0));
}

static void buffer_words(ej_fact_words *w, const ej_schedule_buffer *buffer)
{
    ej_word_number(w, buffer->plan.dtype);
    ej_word(w, buffer->plan.home);
    size(w, buffer->plan.elems);
    ej_word(w, buffer->plan.is_table);
    size(w, buffer->plan.limit);
    ej_word(w, buffer->plan.in_place);
    ej_word(w, buffer->inside);
}

int ej_group_key(ej_hash *out, const ej_step_group *h, const ej_job *job)
{
    const ej_schedule *s = &h->fresh;
    ej_fact_words w = {.arena = job->arena};
    ej_word_number(&w, s->n_axes);
    for (int32_t a = 0; a < s->n_axes; a++) axis_words(&w, &s->axes[a]);
    ej_word_number(&w, (int64_t)s->n_buffers);
    for (size_t b = 0; b < s->n_buffers; b++) buffer_words(&w, &s->buffers[b]);
    ej_word_number(&w, h->n);
    for (int32_t k = 0; k < h->n; k++) statement_words(&w, s, &s->statements[k]);
    ej_word_number(&w, h->n_loops);
    for (int32_t a = 0; a < s->n_axes; a++) ej_word(&w, h->chunks[a]);
    if (w.failed) return EINJIT_E_NOMEM;
    *out = ej_hash_bytes(w.words, w.n * sizeof *w.words);
    return EINJIT_OK;
}
