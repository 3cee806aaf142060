/* opt_distribute_group.c - which products of a sum differ in one operand only.
 *
 * Takes  the terms of a sum.
 * Gives  groups: of the cofactors (a product without one operand) that many terms share, the most frequent first.
 * Size   a cofactor is a list of words, found by its hash; every list of equal ones is gone through once.
 */
#include <string.h>

#include "opt_distribute.h"

/* ---- the words of a cofactor ---- */

static int word(ej_distribute *d, int32_t value)
{
    if (!EJ_PUSH_ROOM(d->job->arena, d->words, d->cap_words, d->n_words)) return ej_no_memory(d->job->err);
    d->words[d->n_words++] = value;
    return EINJIT_OK;
}

/* Labels as numbers in the order in which they come. */
static int label_words(ej_distribute *d, const ej_term *term, int32_t *n_labels)
{
    EJ_TRY(word(d, (int32_t)term->n));
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        if (label >= 0 && d->image[label] < 0) d->image[label] = (*n_labels)++;
        EJ_TRY(word(d, label < 0 ? EJ_ELLIPSIS : d->image[label]));
    }
    return EINJIT_OK;
}

static void forget_labels(ej_distribute *d, const ej_equation *equation)
{
    for (uint32_t l = 0; l < equation->n_labels; l++) d->image[l] = -1;
}

/* The other operands by their values, then the labels of all: so neither the order of the operands nor the letters
 * count. (An operand that is there twice keeps its order: some equal products are then not seen as such.) */
static int einsum_words(ej_distribute *d, const ej_node *node, uint32_t left_out)
{
    const ej_equation *equation = node->equation;
    uint32_t order[EJ_DISTRIBUTE_OPERANDS], n = 0;
    int32_t n_labels = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (i == left_out) continue;
        uint32_t at = n++;
        for (; at && node->in[order[at - 1]] > node->in[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    EJ_TRY(word(d, (int32_t)node->fn));
    for (uint32_t i = 0; i < n; i++) EJ_TRY(word(d, node->in[order[i]]));
    for (uint32_t i = 0; i < n; i++) EJ_TRY(label_words(d, &equation->terms[order[i]], &n_labels));
    if (!EJ_BROKEN(DISTRIBUTE_LABELS)) EJ_TRY(label_words(d, &equation->terms[left_out], &n_labels));
    EJ_TRY(label_words(d, &equation->out, &n_labels));
    forget_labels(d, equation);
    return EINJIT_OK;
}

/* -1: not known. */
static int32_t rank_of(const ej_distribute *d, const ej_node *node, uint32_t operand)
{
    int32_t rank = d->shapes->of[node->in[operand]].rank;
    if (node->op != EJ_OP_EINSUM) return rank;
    const ej_term *term = &node->equation->terms[operand];
    if (ej_term_has(term, EJ_ELLIPSIS)) return rank;
    return rank < 0 || rank == (int32_t)term->n ? (int32_t)term->n : -1;
}

/* Extents that are known to be the same are part of what cofactors must agree in; where that is left to bind, not. */
static int cofactor_words(ej_distribute *d, const ej_node *node, uint32_t left_out, bool *usable)
{
    const ej_known_shape *shape = &d->shapes->of[node->in[left_out]];
    int32_t rank = rank_of(d, node, left_out);
    *usable = rank >= 0 && (d->offers || shape->rank >= 0);
    if (!*usable) return EINJIT_OK;
    EJ_TRY(word(d, (int32_t)node->op));
    EJ_TRY(word(d, rank));
    for (int32_t i = 0; !d->offers && !EJ_BROKEN(DISTRIBUTE_EXTENTS) && i < rank; i++)
        EJ_TRY(word(d, shape->extents[i]));
    if (node->op == EJ_OP_EINSUM) return einsum_words(d, node, left_out);
    if (node->op == EJ_OP_MATMUL) EJ_TRY(word(d, (int32_t)left_out));
    return word(d, node->in[1 - left_out]);
}

static int add_cofactor(ej_distribute *d, size_t t, uint32_t left_out)
{
    const ej_node *node = &d->graph->nodes[d->terms[t].product];
    size_t first = d->n_words;
    bool usable;
    EJ_TRY(cofactor_words(d, node, left_out, &usable));
    if (!usable) return EINJIT_OK;
    if (!EJ_PUSH_ROOM(d->job->arena, d->cofactors, d->cap_cofactors, d->n_cofactors)) return ej_no_memory(d->job->err);
    size_t n = d->n_words - first;
    d->cofactors[d->n_cofactors++] = (ej_cofactor){.term = t,
                                                   .left_out = left_out,
                                                   .first_word = first,
                                                   .n_words = n,
                                                   .next = -1,
                                                   .hash = ej_hash64(d->words + first, n * sizeof *d->words, 0)};
    return EINJIT_OK;
}

/* In x*c + y*c the sum x + y may be larger than both products, where x and y broadcast: it pays where they are the
 * same. */
static int cofactors_of_term(ej_distribute *d, size_t t)
{
    const ej_node *node = &d->graph->nodes[d->terms[t].product];
    d->terms[t].first_cofactor = d->n_cofactors;
    if (node->op == EJ_OP_MAP && d->offers) return EINJIT_OK;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (ej_distribute_alike(d->dtypes[node->in[i]], d->dtypes[d->root])) EJ_TRY(add_cofactor(d, t, i));
    d->terms[t].n_cofactors = d->n_cofactors - d->terms[t].first_cofactor;
    return EINJIT_OK;
}

/* ---- lists of equal ones ---- */

static bool same_cofactor(const ej_distribute *d, const ej_cofactor *a, const ej_cofactor *b)
{
    return a->hash == b->hash && a->n_words == b->n_words &&
           !memcmp(d->words + a->first_word, d->words + b->first_word, a->n_words * sizeof *d->words);
}

/* A head is the first of its list; the others follow in the order of the terms. */
static int link_equal(ej_distribute *d)
{
    size_t n_slots = 16;
    while (n_slots < 2 * d->n_cofactors) n_slots *= 2;
    int32_t *slots = EJ_JOB_ARRAY(d->job, int32_t, n_slots), *slot_of = EJ_JOB_ARRAY(d->job, int32_t, d->n_cofactors);
    if (!slots || !slot_of) return ej_no_memory(d->job->err);
    memset(slots, -1, n_slots * sizeof *slots);
    for (size_t c = d->n_cofactors; c-- > 0;) {
        size_t slot = (size_t)d->cofactors[c].hash & (n_slots - 1);
        while (slots[slot] >= 0 && !same_cofactor(d, &d->cofactors[slots[slot]], &d->cofactors[c]))
            slot = (slot + 1) & (n_slots - 1);
        d->cofactors[c].next = slots[slot];
        slots[slot] = (int32_t)c;
        slot_of[c] = (int32_t)slot;
    }
    for (size_t c = 0; c < d->n_cofactors; c++) {
        d->cofactors[c].head = slots[slot_of[c]];
        d->cofactors[d->cofactors[c].head].waiting++;
    }
    return EINJIT_OK;
}

/* ---- groups ---- */

/* Two extents that are numbers, and not the same. */
static bool never_equal(const ej_distribute *d, int32_t a, int32_t b)
{
    int64_t x = ej_extent_number(d->shapes, a), y = ej_extent_number(d->shapes, b);
    return x >= 0 && y >= 0 && x != y;
}

static bool may_be_equal(const ej_distribute *d, ej_value x, ej_value y)
{
    const ej_known_shape *a = &d->shapes->of[x], *b = &d->shapes->of[y];
    if (a->rank < 0 || b->rank < 0) return true;
    for (int32_t i = 0; i < a->rank; i++)
        if (never_equal(d, a->extents[i], b->extents[i])) return false;
    return true;
}

/* The term leaves the lists of all its cofactors. */
static void take(ej_distribute *d, size_t t)
{
    ej_term_of_sum *term = &d->terms[t];
    term->taken = true;
    for (size_t c = term->first_cofactor; c < term->first_cofactor + term->n_cofactors; c++)
        d->cofactors[d->cofactors[c].head].waiting--;
}

/* All in the list that can be added to the first one. A term is once in it, also where it could be twice (x * x). */
static int take_list(ej_distribute *d, int32_t head)
{
    ej_group group = {.first = d->n_members};
    size_t last = d->n_terms;
    for (int32_t at = head; at >= 0; at = d->cofactors[at].next) {
        const ej_cofactor *c = &d->cofactors[at];
        ej_addend member = {c->term, c->left_out};
        if (d->terms[c->term].taken || c->term == last) continue;
        last = c->term;
        if (d->offers && d->n_members > group.first &&
            !may_be_equal(d, ej_distribute_left_out(d, &d->members[group.first]), ej_distribute_left_out(d, &member)))
            continue;
        if (!EJ_PUSH_ROOM(d->job->arena, d->members, d->cap_members, d->n_members)) return ej_no_memory(d->job->err);
        d->members[d->n_members++] = member;
    }
    group.n = d->n_members - group.first;
    if (group.n < 2) {
        d->n_members = group.first;
        return EINJIT_OK;
    }
    for (size_t m = group.first; m < d->n_members; m++) take(d, d->members[m].term);
    if (!EJ_PUSH_ROOM(d->job->arena, d->groups, d->cap_groups, d->n_groups)) return ej_no_memory(d->job->err);
    d->groups[d->n_groups++] = group;
    return EINJIT_OK;
}

/* Of the lists of its cofactors the longest. Every list is gone through once: who is left in it found nobody. */
static int group_term(ej_distribute *d, const ej_term_of_sum *term)
{
    int32_t best = -1;
    for (size_t c = term->first_cofactor; c < term->first_cofactor + term->n_cofactors; c++) {
        int32_t head = d->cofactors[c].head;
        if (d->cofactors[head].seen) continue;
        if (best < 0 || d->cofactors[head].waiting > d->cofactors[best].waiting) best = head;
    }
    if (best < 0 || d->cofactors[best].waiting < 2) return EINJIT_OK;
    d->cofactors[best].seen = true;
    return take_list(d, best);
}

int ej_distribute_group(ej_distribute *d)
{
    size_t n_products = 0;
    d->n_words = d->n_cofactors = d->n_members = d->n_groups = 0;
    for (size_t t = 0; t < d->n_terms; t++) n_products += d->terms[t].product >= 0;
    if (n_products < 2) return EINJIT_OK;
    for (size_t t = 0; t < d->n_terms; t++)
        if (d->terms[t].product >= 0) EJ_TRY(cofactors_of_term(d, t));
    if (!d->n_cofactors) return EINJIT_OK;
    EJ_TRY(link_equal(d));
    for (size_t t = 0; t < d->n_terms; t++)
        if (!d->terms[t].taken) EJ_TRY(group_term(d, &d->terms[t]));
    return EINJIT_OK;
}
