/* nest_leaf.c - finds the nests of a plan that are the same code.
 *
 * Takes  nests that are settled: nothing changes them any more.
 * Gives  a number per nest, equal for equal nests, and what each of them hands to its code.
 * Keeps  what code is made from: axes, trees, tiles, expressions, strides, types; a symbol counts by its identity. Left
 *        out is what a pointer carries (names, slots, offsets in the scratch block, the first base of a buffer) and
 *        what only people read. Places of LOCAL buffers count: they lie at fixed offsets of a thread's part of scratch.
 *
 * A nest is written down as words, one for each fact that code depends on, which are hashed and compared. A struct that
 * grows stops the build below: say here whether the new field is such a fact.
 */
#include "nest_leaf.h"

#include <string.h>

#include "base_hash.h"

#if UINTPTR_MAX > UINT32_MAX
_Static_assert(sizeof(ej_nest) == 160 && sizeof(ej_nest_node) == 272 && sizeof(ej_axis) == 32 &&
                   sizeof(ej_buffer) == 72 && sizeof(ej_access) == 40 && sizeof(ej_access_term) == 80 &&
                   sizeof(ej_expr_op) == 40 && sizeof(ej_tile) == 100 && sizeof(ej_digit) == 12,
               "nests have a new field: write it down in nest_words()");
#endif

typedef struct leaf_reader {
    const ej_nest *nest;
    ej_fact_words *out;
    int32_t *number; /* per buffer: 1 + its place in the order of first use, 0: not met yet */
    int32_t n_numbers;
    ej_leaf_use *use;
    int32_t *pointer; /* per buffer: its pointer, -1: none */
} leaf_reader;

/* What was observed of an open size says nothing about the code. */
static void size(ej_fact_words *w, ej_size value)
{
    ej_word_number(w, value.e);
    if (!value.e) ej_word_number(w, value.n);
}

/* ---- buffers ---- */

static bool has_pointer(const ej_buffer *buffer)
{
    return buffer->home == EJ_HOME_ARG || buffer->home == EJ_HOME_SCRATCH || buffer->home == EJ_HOME_CONST;
}

static void meet_buffer(leaf_reader *r, int32_t index, ej_size base)
{
    const ej_buffer *buffer = &r->nest->buffers[index];
    bool pointer = has_pointer(buffer);
    r->number[index] = ++r->n_numbers;
    r->pointer[index] = -1;
    if (pointer) {
        r->pointer[index] = r->use->n_pointers++;
        r->use->pointers[r->pointer[index]] = (ej_leaf_pointer){index, base.e ? 0 : base.n};
    }
    ej_word(r->out, pointer ? EJ_HOME_ARG : buffer->home);
    ej_word_number(r->out, buffer->dtype);
    ej_word(r->out, buffer->in_place);
    ej_word(r->out, buffer->is_table);
    size(r->out, buffer->limit);
    if (pointer) return;
    size(r->out, buffer->elems);
    size(r->out, buffer->offset_bytes);
}

/* A buffer and an element of it, counted from where the pointer is. */
static void place(leaf_reader *r, int32_t index, ej_size base)
{
    if (!r->number[index]) meet_buffer(r, index, base);
    ej_word_number(r->out, r->number[index]);
    int32_t pointer = r->pointer[index];
    if (pointer >= 0 && !base.e) base.n = (int64_t)((uint64_t)base.n - (uint64_t)r->use->pointers[pointer].origin);
    size(r->out, base);
    if (pointer >= 0 && base.e) ej_word_number(r->out, r->use->pointers[pointer].origin);
}

/* ---- nodes ---- */

static void access_words(leaf_reader *r, const ej_access *access)
{
    place(r, access->buffer, access->base);
    ej_word_number(r->out, access->n_terms);
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        ej_word_number(r->out, term->axis);
        size(r->out, term->stride);
        ej_word_number(r->out, term->block);
        size(r->out, term->block_stride);
        ej_word(r->out, term->table >= 0);
        if (term->table < 0) continue;
        place(r, term->table, term->tbase);
        size(r->out, term->tstride);
    }
}

void ej_fact_words_of_expr(ej_fact_words *w, const ej_expr *expr)
{
    ej_word_number(w, expr->n);
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        ej_word(w, op->kind);
        ej_word(w, op->fn);
        ej_word_number(w, op->dtype);
        ej_word_number(w, op->a);
        ej_word_number(w, op->b);
        ej_word_number(w, op->c);
        ej_word_real(w, op->re);
        ej_word_real(w, op->im);
        ej_word_number(w, op->integer);
    }
}

static void tile_words(ej_fact_words *w, const ej_tile *tile)
{
    ej_word_number(w, tile->n);
    for (int32_t d = 0; d < tile->n; d++) {
        ej_word_number(w, tile->digits[d].axis);
        ej_word_number(w, tile->digits[d].count);
        ej_word(w, tile->digits[d].place);
    }
}

/* A LOCAL or REG buffer that is placed before an access names it is met here. */
static void placed_words(leaf_reader *r, const int32_t *placed, int32_t n)
{
    ej_word_number(r->out, n);
    for (int32_t p = 0; p < n; p++) place(r, placed[p], ej_size_number(0));
}

static void when_words(ej_fact_words *w, const ej_when *when)
{
    ej_word(w, when->kind);
    ej_word_number(w, when->n);
    for (int32_t i = 0; i < when->n; i++) ej_word_number(w, when->axes[i]);
}

static void node_words(leaf_reader *r, const ej_nest_node *node)
{
    ej_word(r->out, node->kind);
    ej_word_number(r->out, node->next);
    when_words(r->out, &node->when);
    if (node->kind == EJ_NEST_LOOP) {
        ej_word_number(r->out, node->child);
        ej_word_number(r->out, node->axis);
        ej_word_number(r->out, node->step);
        ej_word(r->out, node->aligned);
        placed_words(r, node->placed, node->n_placed);
        return;
    }
    ej_word_number(r->out, node->reduce);
    access_words(r, &node->dst);
    ej_word_number(r->out, node->n_src);
    for (int32_t s = 0; s < node->n_src; s++) access_words(r, &node->src[s]);
    ej_fact_words_of_expr(r->out, &node->expr);
    tile_words(r->out, &node->tile);
    ej_word(r->out, node->hints.stream);
    ej_word_number(r->out, node->hints.source);
    ej_word_number(r->out, node->hints.ahead);
    ej_word(r->out, node->hints.far);
    ej_word_number(r->out, node->hints.rows);
    ej_word(r->out, node->pairs);
}

static void nest_words(leaf_reader *r)
{
    const ej_nest *nest = r->nest;
    ej_word_number(r->out, nest->n_axes);
    for (int32_t a = 0; a < nest->n_axes; a++) {
        size(r->out, nest->axes[a].extent);
        ej_word(r->out, nest->axes[a].run);
    }
    ej_word_number(r->out, nest->cut.axis);
    if (nest->cut.axis >= 0) ej_word_number(r->out, nest->cut.step);
    ej_word_number(r->out, nest->root);
    placed_words(r, nest->placed, nest->n_placed);
    ej_word_number(r->out, nest->n_nodes);
    for (int32_t i = 0; i < nest->n_nodes; i++) node_words(r, &nest->nodes[i]);
}

static int read_nest(ej_fact_words *out, ej_leaf_use *use, const ej_nest *nest, ej_job *job)
{
    leaf_reader r = {.nest = nest, .out = out, .use = use};
    out->n = 0;
    r.number = EJ_JOB_ARRAY(job, int32_t, (size_t)nest->n_buffers);
    r.pointer = EJ_JOB_ARRAY(job, int32_t, (size_t)nest->n_buffers);
    use->pointers = EJ_JOB_ARRAY(job, ej_leaf_pointer, (size_t)nest->n_buffers);
    if (!r.number || !r.pointer || !use->pointers) return ej_no_memory(job->err);
    nest_words(&r);
    return out->failed ? ej_no_memory(job->err) : EINJIT_OK;
}

/* ---- the table ---- */

typedef struct leaf_table {
    size_t n_slots;       /* a power of 2 */
    int32_t *slots;       /* 1 + leaf */
    ej_fact_words *words; /* per leaf */
} leaf_table;

/* The leaf with these words, or a new one. */
static int look_up(leaf_table *table, ej_leaves *leaves, const ej_fact_words *words, int32_t nest, ej_job *job)
{
    size_t bytes = words->n * sizeof *words->words;
    size_t at = (size_t)ej_hash64(words->words, bytes, 0) & (table->n_slots - 1);
    for (; table->slots[at]; at = (at + 1) & (table->n_slots - 1)) {
        int32_t leaf = table->slots[at] - 1;
        const ej_fact_words *known = &table->words[leaf];
        if (known->n != words->n || memcmp(known->words, words->words, bytes)) continue;
        leaves->uses[nest].leaf = leaf;
        return EINJIT_OK;
    }
    int32_t leaf = leaves->n++;
    table->slots[at] = leaf + 1;
    table->words[leaf] = (ej_fact_words){.n = words->n, .words = EJ_JOB_ARRAY(job, uint64_t, words->n)};
    if (!table->words[leaf].words) return ej_no_memory(job->err);
    memcpy(table->words[leaf].words, words->words, bytes);
    leaves->first[leaf] = nest;
    leaves->uses[nest].leaf = leaf;
    return EINJIT_OK;
}

int ej_leaves_find(ej_leaves *out, const ej_nests *nests, ej_job *job)
{
    size_t n = (size_t)nests->n;
    leaf_table table = {.n_slots = 4};
    ej_fact_words words = {.arena = job->arena};
    while (table.n_slots < 2 * n) table.n_slots *= 2;
    table.slots = EJ_JOB_ARRAY(job, int32_t, table.n_slots);
    table.words = EJ_JOB_ARRAY(job, ej_fact_words, n);
    *out = (ej_leaves){.first = EJ_JOB_ARRAY(job, int32_t, n), .uses = EJ_JOB_ARRAY(job, ej_leaf_use, n)};
    if (!table.slots || !table.words || !out->first || !out->uses) return ej_no_memory(job->err);
    for (int32_t i = 0; i < nests->n; i++) {
        EJ_TRY(read_nest(&words, &out->uses[i], &nests->nests[i], job));
        EJ_TRY(look_up(&table, out, &words, i, job));
        if (out->uses[i].n_pointers > out->most_pointers) out->most_pointers = out->uses[i].n_pointers;
    }
    return EINJIT_OK;
}
