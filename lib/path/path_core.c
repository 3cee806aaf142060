/* path_core.c - a network as bitsets.
 *
 * Takes  a network.
 * Gives  its operands as sets of the labels that decide something, labels with equal extents side by side.
 */
#include "path_core.h"

#include <stdlib.h>
#include <string.h>

typedef struct label {
    int32_t id; /* of the network; of a group the first one */
    int32_t uses;
    const int32_t *users;
    bool out;
    uint64_t hash; /* of its operands */
    double weight, extent;
} label;

typedef struct label_users {
    int32_t *uses; /* per label of the network: operands */
    size_t *begin;
    int32_t *users;
    bool *out;
} label_users;

static int make_index(label_users *x, const ej_network *net, ej_job *job)
{
    size_t n = (size_t)net->n_labels, total = 0;
    x->uses = EJ_JOB_ARRAY(job, int32_t, n + 1);
    x->begin = EJ_JOB_ARRAY(job, size_t, n + 1);
    x->out = EJ_JOB_ARRAY(job, bool, n + 1);
    if (!x->uses || !x->begin || !x->out) return ej_no_memory(job->err);
    for (int32_t t = 0; t < net->n_terms; t++)
        for (uint32_t i = 0; i < net->terms[t].n; i++) x->uses[net->terms[t].labels[i]]++;
    for (size_t l = 0; l < n; l++) {
        x->begin[l] = total;
        total += (size_t)x->uses[l];
        x->uses[l] = 0;
    }
    x->begin[n] = total;
    x->users = EJ_JOB_ARRAY(job, int32_t, total + 1);
    if (!x->users) return ej_no_memory(job->err);
    for (int32_t t = 0; t < net->n_terms; t++)
        for (uint32_t i = 0; i < net->terms[t].n; i++) {
            int32_t l = net->terms[t].labels[i];
            x->users[x->begin[l] + (size_t)x->uses[l]++] = t;
        }
    for (uint32_t i = 0; i < net->out.n; i++) x->out[net->out.labels[i]] = true;
    return EINJIT_OK;
}

static int by_users(const void *a, const void *b)
{
    const label *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->uses != y->uses) return x->uses < y->uses ? -1 : 1;
    if (x->out != y->out) return x->out ? 1 : -1;
    int order = memcmp(x->users, y->users, (size_t)x->uses * sizeof *x->users);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static int by_weight(const void *a, const void *b)
{
    const label *x = a, *y = b;
    if (x->weight != y->weight) return x->weight < y->weight ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool same_users(const label *a, const label *b)
{
    return a->uses == b->uses && a->out == b->out && !memcmp(a->users, b->users, (size_t)a->uses * sizeof *a->users);
}

/* Labels that the same operands have as one, by extent. */
static int32_t group(label *all, int32_t n)
{
    int32_t groups = 0;
    for (int32_t i = 0; i < n; i++) {
        all[i].hash = all[i].out;
        for (int32_t k = 0; k < all[i].uses; k++) {
            uint64_t state = (uint64_t)all[i].users[k];
            all[i].hash += ej_random_next(&state);
        }
    }
    if (n) qsort(all, (size_t)n, sizeof *all, by_users);
    for (int32_t i = 0; i < n; i++) {
        if (groups && same_users(&all[groups - 1], &all[i])) {
            all[groups - 1].weight += all[i].weight;
            all[groups - 1].extent *= all[i].extent;
        } else {
            all[groups++] = all[i];
        }
    }
    if (groups) qsort(all, (size_t)groups, sizeof *all, by_weight);
    return groups;
}

static int fill(ej_core *core, label *all, int32_t n, ej_job *job)
{
    core->n_labels = group(all, n);
    core->words = core->n_labels ? (core->n_labels + 63) / 64 : 1;
    size_t words = (size_t)core->words, total = 0, room = 64 * words;
    for (int32_t l = 0; l < core->n_labels; l++) total += (size_t)all[l].uses;
    core->terms = EJ_JOB_ARRAY(job, uint64_t, words *(size_t)core->n);
    core->out = EJ_JOB_ARRAY(job, uint64_t, words);
    core->extent = EJ_JOB_ARRAY(job, double, room);
    core->weight = EJ_JOB_ARRAY(job, double, room);
    core->of_word = EJ_JOB_ARRAY(job, double, words);
    core->uses = EJ_JOB_ARRAY(job, int32_t, room);
    core->begin = EJ_JOB_ARRAY(job, size_t, room + 1);
    core->users = EJ_JOB_ARRAY(job, int32_t, total + 1);
    if (!core->terms || !core->out || !core->extent || !core->weight || !core->of_word || !core->uses || !core->begin ||
        !core->users)
        return ej_no_memory(job->err);
    total = 0;
    for (int32_t l = 0; l < core->n_labels; l++) {
        uint64_t bit = UINT64_C(1) << (l % 64);
        double *of_word = &core->of_word[l / 64];
        core->extent[l] = all[l].extent;
        core->weight[l] = all[l].weight;
        if (l % 64 == 0) *of_word = all[l].weight;
        else if (*of_word != all[l].weight) *of_word = -1;
        core->uses[l] = all[l].uses + all[l].out;
        core->begin[l] = total;
        memcpy(core->users + total, all[l].users, (size_t)all[l].uses * sizeof *core->users);
        total += (size_t)all[l].uses;
        for (int32_t i = 0; i < all[l].uses; i++) core->terms[(size_t)all[l].users[i] * words + (size_t)l / 64] |= bit;
        if (all[l].out) core->out[l / 64] |= bit;
    }
    for (size_t l = (size_t)core->n_labels; l <= room; l++) core->begin[l] = total;
    return EINJIT_OK;
}

int ej_core_make(ej_core *out, const ej_network *network, ej_job *job)
{
    label_users x;
    int32_t n = 0;
    label *all = EJ_JOB_ARRAY(job, label, (size_t)network->n_labels);
    *out = (ej_core){.n = network->n_terms};
    if (!all) return ej_no_memory(job->err);
    EJ_TRY(make_index(&x, network, job));
    for (int32_t l = 0; l < network->n_labels; l++) {
        double extent = (double)network->extents[l];
        if (extent < 2 || !x.uses[l] || x.uses[l] + x.out[l] < 2) continue;
        all[n++] = (label){.id = l,
                           .uses = x.uses[l],
                           .users = x.users + x.begin[l],
                           .out = x.out[l],
                           .extent = extent,
                           .weight = log2(extent)};
    }
    return fill(out, all, n, job);
}

static bool is_in(const uint64_t *set, int32_t l)
{
    return set[l / 64] >> (l % 64) & 1;
}

int ej_core_reduce(ej_core *out, const ej_core *core, const uint64_t *terms, const int32_t *kept, int32_t n_kept,
                   ej_job *job)
{
    size_t words = (size_t)core->words, used = 0;
    int32_t n = 0;
    label *all = EJ_JOB_ARRAY(job, label, (size_t)core->n_labels);
    int32_t *users = EJ_JOB_ARRAY(job, int32_t, core->begin[core->n_labels]);
    if (!all || !users) return ej_no_memory(job->err);
    for (int32_t l = 0; l < core->n_labels; l++) {
        label one = {.id = l,
                     .users = users + used,
                     .out = is_in(core->out, l),
                     .weight = core->weight[l],
                     .extent = core->extent[l]};
        for (int32_t t = 0; t < n_kept; t++)
            if (is_in(terms + (size_t)kept[t] * words, l)) users[used++] = t, one.uses++;
        if (one.uses && one.uses + one.out > 1) all[n++] = one;
    }
    *out = (ej_core){.n = n_kept};
    return fill(out, all, n, job);
}

size_t ej_core_tree_words(const ej_network *network)
{
    size_t words = ((size_t)network->n_labels + 63) / 64;
    return 2 * (size_t)network->n_terms * (words ? words : 1);
}
