/* path_sets.c - label sets that merge: what a contraction keeps and costs.
 *
 * Takes  a network; then pairs of sets, in the order of a path.
 * Gives  each result's labels and size, each step's product of extents.
 * Keeps  one pool of labels, twice as large as the operands' labels in all: results are appended, and the pool is
 *        packed when it is full. That is enough because a result never has more labels than its two operands.
 */
#include <string.h>

#include "path_sets.h"

static int count_labels(ej_label_sets *sets, bool zeros, ej_job *job)
{
    const ej_network *net = sets->network;
    size_t n_labels = (size_t)net->n_labels;
    sets->extent = EJ_JOB_ARRAY(job, double, n_labels);
    sets->left = EJ_JOB_ARRAY(job, int32_t, n_labels);
    if (!sets->extent || !sets->left) return ej_no_memory(job->err);
    for (size_t l = 0; l < n_labels; l++) sets->extent[l] = net->extents[l] || zeros ? (double)net->extents[l] : 1.0;
    for (uint32_t i = 0; i < net->out.n; i++) sets->left[net->out.labels[i]]++;
    for (int32_t t = 0; t < net->n_terms; t++)
        for (uint32_t i = 0; i < net->terms[t].n; i++) sets->left[net->terms[t].labels[i]]++;
    return EINJIT_OK;
}

/* The size of a set without the labels that nobody else has. */
static ej_big kept_size(const ej_label_sets *sets, int32_t set)
{
    const int32_t *labels = ej_label_sets_of(sets, set);
    ej_big size = ej_big_of(1);
    for (int32_t i = 0; i < sets->len[set]; i++)
        if (sets->left[labels[i]] > 1) size = ej_big_scale(size, sets->extent[labels[i]]);
    return size;
}

ej_big ej_label_sets_private(const ej_label_sets *sets, int32_t set)
{
    const int32_t *labels = ej_label_sets_of(sets, set);
    ej_big size = ej_big_of(1);
    for (int32_t i = 0; i < sets->len[set]; i++)
        if (sets->left[labels[i]] == 1) size = ej_big_scale(size, sets->extent[labels[i]]);
    return size;
}

int ej_label_sets_init(ej_label_sets *sets, const ej_network *network, bool zeros, size_t cap_steps, ej_job *job)
{
    memset(sets, 0, sizeof *sets);
    sets->network = network;
    size_t cap = (size_t)network->n_terms + cap_steps, total = 0;
    if (cap > INT32_MAX) return ej_fail(job->err, EINJIT_E_LIMIT, "a contraction of %zu steps", cap_steps);
    for (int32_t t = 0; t < network->n_terms; t++) total += network->terms[t].n;
    sets->cap = (int32_t)cap;
    sets->room = 2 * total;
    sets->at = EJ_JOB_ARRAY(job, size_t, cap);
    sets->len = EJ_JOB_ARRAY(job, int32_t, cap);
    sets->size = EJ_JOB_ARRAY(job, ej_big, cap);
    sets->pool = EJ_JOB_ARRAY(job, int32_t, sets->room);
    if (!sets->at || !sets->len || !sets->size || !sets->pool) return ej_no_memory(job->err);
    EJ_TRY(count_labels(sets, zeros, job));
    for (int32_t t = 0; t < network->n_terms; t++) {
        const ej_term *term = &network->terms[t];
        sets->at[t] = sets->used;
        sets->len[t] = (int32_t)term->n;
        if (term->n) memcpy(sets->pool + sets->used, term->labels, term->n * sizeof(int32_t));
        sets->used += term->n;
        sets->size[t] = kept_size(sets, t);
    }
    sets->n = network->n_terms;
    return EINJIT_OK;
}

/* Live sets lie in the pool in the order in which they were made, so they can be moved down one after the other. */
static void pack(ej_label_sets *sets)
{
    size_t used = 0;
    for (int32_t s = 0; s < sets->n; s++) {
        if (sets->len[s] <= 0) continue;
        size_t n = (size_t)sets->len[s];
        memmove(sets->pool + used, sets->pool + sets->at[s], n * sizeof(int32_t));
        sets->at[s] = used;
        used += n;
    }
    sets->used = used;
}

int32_t ej_label_sets_merge(ej_label_sets *sets, int32_t a, int32_t b, ej_big *cost)
{
    int32_t na = sets->len[a], nb = b < 0 ? 0 : sets->len[b], i = 0, j = 0, n = 0, c = sets->n++;
    if (sets->used + (size_t)na + (size_t)nb > sets->room) pack(sets);
    const int32_t *la = ej_label_sets_of(sets, a), *lb = b < 0 ? NULL : ej_label_sets_of(sets, b);
    int32_t *out = sets->pool + sets->used;
    ej_big work = ej_big_of(1), size = ej_big_of(1);
    while (i < na || j < nb) {
        int32_t label = j == nb || (i < na && la[i] <= lb[j]) ? la[i] : lb[j];
        int32_t has = 0;
        if (i < na && la[i] == label) i++, has++;
        if (j < nb && lb[j] == label) j++, has++;
        work = ej_big_scale(work, sets->extent[label]);
        sets->left[label] -= has;
        if (!sets->left[label]) continue;
        sets->left[label]++;
        size = ej_big_scale(size, sets->extent[label]);
        out[n++] = label;
    }
    sets->at[c] = sets->used;
    sets->len[c] = n;
    sets->size[c] = size;
    sets->used += (size_t)n;
    sets->len[a] = -1;
    if (b >= 0) sets->len[b] = -1;
    if (cost) *cost = work;
    return c;
}
