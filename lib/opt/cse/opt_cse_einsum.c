/* opt_cse_einsum.c - whether two einsums are one, whatever the order of their operands, their letters and their axes.
 *
 * Takes  two nodes with the same number of operands and labels, over the same semiring.
 * Gives  "ij,jk->ik" over a, b and "bc,ab->ac" over b, a are one; "bc,ab->ca" is its permutation. Every combination of
 *        two operands commutes, and how a reduction is ordered is nobody's promise but that of strict compiles: there
 *        operands must stand in the same order, and with them the labels, which are numbered as they come.
 * Keeps  apart what it is not sure of. Labels are told apart by where they occur: three rounds of refinement. Terms
 *        that still look alike are tried one after the other without taking anything back, so an einsum with many like
 *        terms may be missed; what is merged was checked label by label.
 * Size   linear in the labels of all terms; tries among like terms are bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "opt_cse.h"

enum { ROUNDS = 3 };

int ej_cse_einsum_create(ej_cse *c)
{
    size_t labels = 1, terms = 1;
    for (size_t v = 0; v < c->graph->n_nodes; v++) {
        const ej_equation *equation = c->graph->nodes[v].equation;
        if (!equation) continue;
        if (equation->n_labels > labels) labels = equation->n_labels;
        if (equation->n_terms > terms) terms = equation->n_terms;
    }
    c->colors = EJ_JOB_ARRAY(c->job, uint64_t, labels);
    c->next_colors = EJ_JOB_ARRAY(c->job, uint64_t, labels);
    c->image = EJ_JOB_ARRAY(c->job, int32_t, labels);
    c->origin = EJ_JOB_ARRAY(c->job, int32_t, labels);
    for (int i = 0; i < 2; i++) c->terms[i] = EJ_JOB_ARRAY(c->job, ej_cse_term, terms);
    bool room = c->colors && c->next_colors && c->image && c->origin && c->terms[0] && c->terms[1];
    return room ? EINJIT_OK : ej_no_memory(c->job->err);
}

/* ---- what terms look like ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    return ej_hash64(words, sizeof words, 0);
}

static uint64_t look_of_term(const ej_cse *c, const ej_node *node, uint32_t t)
{
    const ej_term *term = &node->equation->terms[t];
    uint64_t h = mix((uint64_t)ej_edit_value(&c->edit, node->in[t]), term->n);
    if (EJ_BROKEN(CSE_OPERANDS)) h = term->n;
    for (uint32_t i = 0; i < term->n; i++)
        h = mix(h, term->labels[i] == EJ_ELLIPSIS ? UINT64_MAX : c->colors[term->labels[i]]);
    return h;
}

/* Terms get their hashes, labels their colors: at first whether they are in the output, then where they occur. */
static void look_at(ej_cse *c, const ej_node *node, ej_cse_term *terms)
{
    const ej_equation *equation = node->equation;
    for (uint32_t l = 0; l < equation->n_labels; l++) c->colors[l] = 1;
    for (uint32_t i = 0; i < equation->out.n; i++)
        if (equation->out.labels[i] != EJ_ELLIPSIS) c->colors[equation->out.labels[i]] = 2;
    for (int round = 0;; round++) {
        for (uint32_t t = 0; t < equation->n_terms; t++)
            terms[t] = (ej_cse_term){.hash = look_of_term(c, node, t), .index = t};
        if (round == ROUNDS) return;
        for (uint32_t l = 0; l < equation->n_labels; l++) c->next_colors[l] = c->colors[l];
        for (uint32_t t = 0; t < equation->n_terms; t++)
            for (uint32_t i = 0; i < equation->terms[t].n; i++)
                if (equation->terms[t].labels[i] != EJ_ELLIPSIS)
                    c->next_colors[equation->terms[t].labels[i]] += mix(terms[t].hash, i);
        for (uint32_t l = 0; l < equation->n_labels; l++) c->colors[l] = mix(c->next_colors[l], 0);
    }
}

uint64_t ej_cse_einsum_hash(ej_cse *c, const ej_node *node, uint64_t seed)
{
    uint64_t sum = 0;
    look_at(c, node, c->terms[0]);
    for (uint32_t t = 0; t < node->equation->n_terms; t++) sum += c->terms[0][t].hash;
    return mix(mix(seed, sum), node->equation->out.n);
}

/* ---- matching ---- */

static int compare_terms(const void *x, const void *y)
{
    const ej_cse_term *a = x, *b = y;
    if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* One label of a under the same letter of b, both ways; *fresh: they had not met. */
static bool pair_labels(ej_cse *c, int32_t a, int32_t b, bool *fresh)
{
    *fresh = false;
    if (a == EJ_ELLIPSIS || b == EJ_ELLIPSIS) return a == b;
    *fresh = c->image[a] < 0 && c->origin[b] < 0;
    if (*fresh) {
        c->image[a] = b;
        c->origin[b] = a;
    }
    return c->image[a] == b;
}

/* The labels of two terms pair up; what was paired for a term that does not fit is taken apart again. */
static bool pair_terms(ej_cse *c, const ej_term *a, const ej_term *b)
{
    bool fits = a->n == b->n, fresh;
    uint32_t n = 0;
    uint64_t made = 0; /* bits; of terms with more axes the pairs stay, and a miss follows at worst */
    for (; fits && n < a->n; n++) {
        fits = pair_labels(c, a->labels[n], b->labels[n], &fresh);
        if (fresh && n < 64) made |= UINT64_C(1) << n;
    }
    for (uint32_t i = 0; !fits && i < n && i < 64; i++) {
        if (!(made >> i & 1)) continue;
        c->image[a->labels[i]] = -1;
        c->origin[b->labels[i]] = -1;
    }
    return fits;
}

static bool match_terms(ej_cse *c, const ej_node *a, const ej_node *b)
{
    uint32_t n = a->equation->n_terms;
    size_t tries = 4 * (size_t)n + 64;
    bool in_order = EJ_HELD(c->job->strict, CSE_ORDER);
    for (uint32_t t = 0, first = 0; t < n; t++) {
        const ej_cse_term *own = &c->terms[0][t];
        bool found = false;
        while (first < n && c->terms[1][first].used) first++;
        for (uint32_t k = first; k < n && !found && tries; k++) {
            ej_cse_term *other = &c->terms[1][k];
            if (other->used) continue;
            if (other->hash != own->hash) break;
            tries--;
            ej_value x = ej_edit_value(&c->edit, a->in[own->index]), y = ej_edit_value(&c->edit, b->in[other->index]);
            if (x != y && !EJ_BROKEN(CSE_OPERANDS)) continue;
            if (in_order && own->index != other->index) continue;
            found = other->used = pair_terms(c, &a->equation->terms[own->index], &b->equation->terms[other->index]);
        }
        if (!found) return false;
    }
    return true;
}

/* dims from where b's output labels stand in a's output. */
static bool match_outputs(ej_cse *c, const ej_term *a, const ej_term *b, int64_t *dims, bool *moved)
{
    bool dots = false;
    *moved = false;
    for (uint32_t i = 0; i < a->n; i++) {
        int32_t label = a->labels[i];
        dots |= label == EJ_ELLIPSIS || b->labels[i] == EJ_ELLIPSIS;
        *moved |= (label == EJ_ELLIPSIS ? EJ_ELLIPSIS : c->image[label]) != b->labels[i];
    }
    if (!*moved || EJ_BROKEN(CSE_OUTPUT)) return !(*moved = false);
    if (dots) return false;                                                  /* how many axes move is not known */
    for (uint32_t i = 0; i < a->n; i++) c->image[a->labels[i]] = (int32_t)i; /* from here on: the place in a's output */
    for (uint32_t i = 0; i < b->n; i++) dims[i] = c->image[c->origin[b->labels[i]]];
    return true;
}

bool ej_cse_einsum_match(ej_cse *c, const ej_node *a, const ej_node *b, int64_t *dims, bool *moved)
{
    uint32_t n = a->equation->n_terms, n_labels = a->equation->n_labels;
    if (a->equation->out.n != b->equation->out.n) return false;
    look_at(c, a, c->terms[0]);
    look_at(c, b, c->terms[1]);
    for (int i = 0; i < 2; i++) qsort(c->terms[i], n, sizeof *c->terms[i], compare_terms);
    for (uint32_t l = 0; l < n_labels; l++) c->image[l] = c->origin[l] = -1;
    return match_terms(c, a, b) && match_outputs(c, &a->equation->out, &b->equation->out, dims, moved);
}
