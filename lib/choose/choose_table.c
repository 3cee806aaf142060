/* choose_table.c - the paths of several small einsums together: tables over all subsets of their operands, in which
 * what another einsum computes is free.
 *
 * Takes  einsums of up to EJ_TABLE_OPERANDS operands.
 * Gives  a path for each that makes the sum of operations small, equal steps counted once. From several starts, one
 *        einsum after the other gets the path that is best given the paths of the others, until the sum no longer
 *        falls.
 *
 * The intermediate of a subset of operands is identified by a signature: the operands' values, the labels of their axes
 * up to renaming, and the labels that the intermediate keeps. Subsets with equal signatures, of any einsums, are the
 * same intermediate, and so are the corresponding parts of them. A subset that another path computes therefore costs
 * nothing: it takes over the steps of that path, and choose_share.c later computes these once. Signatures are hashes: a
 * collision cannot make a path wrong, and what it costs is counted afterwards (choose_candidate.c).
 * Size   3^n / 2 splits an einsum and round, bounded by the caller's budget.
 */
#include <float.h>
#include <string.h>

#include "choose_joint.h"

enum { SUBSETS = 1 << EJ_TABLE_OPERANDS, MOST_ROUNDS = 6 };

typedef struct entry { /* an intermediate that some einsum could have */
    uint64_t signature;
    uint32_t occurrences; /* subsets of all members that have it */
    uint32_t users;       /* in the present paths */
    uint32_t split;       /* one side of its last step: operands by their place in the signature */
    uint32_t first;       /* while a network is added: the least of its subsets that have it; 0: none */
    double cost;          /* of its last step */
} entry;

typedef struct part {
    uint32_t set, side;
} part;

typedef struct network { /* a member */
    const ej_member *member;
    size_t index; /* of the member */
    int32_t n;
    int32_t order[EJ_TABLE_OPERANDS]; /* operands by value */
    uint64_t real[EJ_TABLE_OPERANDS]; /* labels with values */
    uint64_t any[EJ_TABLE_OPERANDS];  /* and those that broadcast */
    uint64_t out;
    double extent[EJ_TABLE_LABELS];
    uint64_t *kept;    /* per subset: labels with values that its result has */
    double *size;      /* per subset: of its result */
    int32_t *entry_of; /* per subset */
    uint8_t *repeats;  /* per subset: subsets here with the same signature, none of
                            * which overlap; NULL: no operand repeats */
    int32_t n_parts;   /* the present path */
    part parts[EJ_TABLE_OPERANDS], best[EJ_TABLE_OPERANDS];
} network;

struct ej_joint_table {
    size_t n;
    network *networks;
    size_t n_entries, cap_entries;
    entry *entries;
    int32_t *slots;
    size_t mask;
    double sum, best_sum; /* operations of the present paths, of the best ones */
    bool has_best;
    double cost[SUBSETS], write[SUBSETS]; /* scratch of one network */
    uint32_t split[SUBSETS];
};

static bool is_single(uint32_t set)
{
    return !(set & (set - 1));
}

static int32_t first_operand(uint32_t set)
{
    int32_t t = 0;
    while (!(set >> t & 1)) t++;
    return t;
}

/* ---- signatures ---- */

static uint64_t labels_of(const network *w, const uint64_t *of, uint32_t set)
{
    uint64_t labels = 0;
    for (int32_t t = 0; t < w->n; t++)
        if (set >> t & 1) labels |= of[t];
    return labels;
}

static double space_of(const network *w, uint64_t labels)
{
    double space = 1;
    for (int32_t l = 0; labels; l++, labels >>= 1)
        if (labels & 1) space *= w->extent[l];
    return space;
}

static void count_subset(network *w, uint32_t set)
{
    uint32_t rest = ((1u << w->n) - 1) & ~set;
    w->kept[set] = labels_of(w, w->real, set) & (w->out | labels_of(w, w->real, rest));
    w->size[set] = space_of(w, w->kept[set]);
}

/* words: room for all operands' axes, and two for each operand and label. */
static uint64_t signature(const network *w, uint32_t set, int64_t *words)
{
    const ej_bound_node *node = w->member->node;
    int32_t id[EJ_TABLE_LABELS], old[EJ_TABLE_LABELS], n_ids = 0;
    size_t n = 0;
    uint64_t seen = 0, real = labels_of(w, w->real, set), rest = labels_of(w, w->any, ((1u << w->n) - 1) & ~set);
    words[n++] = node->fn | node->combine << 8 | node->dtype << 16;
    for (int32_t i = 0; i < w->n; i++) {
        int32_t t = w->order[i];
        if (!(set >> t & 1)) continue;
        const ej_term *term = &w->member->terms[t];
        words[n++] = w->member->values[t];
        for (uint32_t k = 0; k < term->n; k++) {
            int32_t l = term->labels[k];
            if (!(seen >> l & 1)) old[n_ids] = l, id[l] = n_ids++;
            seen |= (uint64_t)1 << l;
            words[n++] = id[l];
        }
    }
    for (int32_t i = 0; i < n_ids; i++) {
        uint64_t label = (uint64_t)1 << old[i];
        words[n++] = real & label ? (w->kept[set] & label) != 0 : (w->out & label) && !(rest & label);
    }
    return ej_hash64(words, n * sizeof *words, 0);
}

static int add_entry(ej_joint_table *t, uint64_t sign, int32_t *out, ej_job *job)
{
    size_t slot = (size_t)sign & t->mask;
    while (t->slots[slot] >= 0 && t->entries[t->slots[slot]].signature != sign) slot = (slot + 1) & t->mask;
    if (t->slots[slot] < 0) {
        if (!EJ_PUSH_ROOM(job->arena, t->entries, t->cap_entries, t->n_entries)) return ej_no_memory(job->err);
        t->slots[slot] = (int32_t)t->n_entries;
        t->entries[t->n_entries++] = (entry){.signature = sign};
    }
    *out = t->slots[slot];
    t->entries[*out].occurrences++;
    return EINJIT_OK;
}

/* ---- the networks ---- */

static void read_labels(network *w)
{
    const ej_member *m = w->member;
    for (uint32_t l = 0; l < m->node->subscripts->n_labels; l++)
        w->extent[l] = m->net.extents[l] ? (double)m->net.extents[l] : 1;
    for (int32_t t = 0; t < m->n; t++) {
        const ej_term *term = &m->terms[t];
        for (uint32_t i = 0; i < term->n; i++) w->any[t] |= (uint64_t)1 << term->labels[i];
        for (uint32_t i = 0; i < m->net.terms[t].n; i++) w->real[t] |= (uint64_t)1 << m->net.terms[t].labels[i];
    }
    const ej_term *out = &m->node->subscripts->out;
    for (uint32_t i = 0; i < out->n; i++) w->out |= (uint64_t)1 << out->labels[i];
}

static bool sort_operands(network *w)
{
    bool repeated = false;
    for (int32_t i = 0; i < w->n; i++) {
        int32_t at = i;
        for (; at > 0 && w->member->values[w->order[at - 1]] > w->member->values[i]; at--)
            w->order[at] = w->order[at - 1];
        w->order[at] = i;
        repeated |= at > 0 && w->member->values[w->order[at - 1]] == w->member->values[i];
    }
    return repeated;
}

static void count_repeats(ej_joint_table *t, network *w)
{
    uint32_t *next = t->split; /* the next larger subset with the same signature */
    for (uint32_t a = 1u << w->n; a-- > 1;) {
        if (is_single(a)) continue;
        next[a] = t->entries[w->entry_of[a]].first;
        t->entries[w->entry_of[a]].first = a;
    }
    for (uint32_t a = 1; a < 1u << w->n; a++) {
        uint32_t taken = a;
        if (is_single(a)) continue;
        w->repeats[a] = 1;
        for (uint32_t b = t->entries[w->entry_of[a]].first; b; b = next[b]) {
            if (b & taken) continue;
            taken |= b;
            w->repeats[a]++;
        }
    }
    for (uint32_t a = 1; a < 1u << w->n; a++)
        if (!is_single(a)) t->entries[w->entry_of[a]].first = 0;
}

static int add_network(ej_joint_table *t, const ej_member *m, size_t index, ej_job *job)
{
    network *w = &t->networks[t->n++];
    size_t subsets = (size_t)1 << m->n, room = 1 + 2 * (size_t)m->n + EJ_TABLE_LABELS;
    *w = (network){.member = m, .index = index, .n = m->n};
    for (int32_t i = 0; i < m->n; i++) room += m->terms[i].n;
    int64_t *words = EJ_JOB_ARRAY(job, int64_t, room);
    w->kept = EJ_JOB_ARRAY(job, uint64_t, subsets);
    w->size = EJ_JOB_ARRAY(job, double, subsets);
    w->entry_of = EJ_JOB_ARRAY(job, int32_t, subsets);
    if (!words || !w->kept || !w->size || !w->entry_of) return ej_no_memory(job->err);
    read_labels(w);
    bool repeated = sort_operands(w);
    for (uint32_t set = 1; set < subsets; set++) {
        count_subset(w, set);
        w->entry_of[set] = -1;
        if (!is_single(set)) EJ_TRY(add_entry(t, signature(w, set, words), &w->entry_of[set], job));
    }
    if (!repeated) return EINJIT_OK;
    w->repeats = EJ_JOB_ARRAY(job, uint8_t, subsets);
    if (!w->repeats) return ej_no_memory(job->err);
    count_repeats(t, w);
    return EINJIT_OK;
}

int ej_table_begin(ej_joint_table **out, const ej_member *members, size_t n, ej_job *job)
{
    ej_joint_table *t = EJ_JOB_NEW(job, ej_joint_table);
    size_t subsets = 0, capacity = 16;
    if (!t) return ej_no_memory(job->err);
    t->networks = EJ_JOB_ARRAY(job, network, n);
    for (size_t i = 0; i < n; i++)
        if (ej_fits_table(&members[i])) subsets += (size_t)1 << members[i].n;
    while (capacity / 2 < subsets) capacity *= 2;
    t->mask = capacity - 1;
    t->slots = EJ_JOB_ARRAY(job, int32_t, capacity);
    if (!t->networks || !t->slots) return ej_no_memory(job->err);
    memset(t->slots, -1, capacity * sizeof *t->slots);
    for (size_t i = 0; i < n; i++)
        if (ej_fits_table(&members[i])) EJ_TRY(add_network(t, &members[i], i, job));
    *out = t;
    return EINJIT_OK;
}

/* ---- steps ---- */

/* Operations of the step that joins two subsets: a product and, where something is summed, a sum an element of its
 * space. Labels of one operand alone are summed before the step where that is fewer products, as ej_path_complete
 * does. */
static double step_cost(const network *w, uint32_t a, uint32_t b)
{
    uint64_t in_a = w->kept[a], in_b = w->kept[b], result = w->kept[a | b];
    uint64_t own_a = is_single(a) ? w->real[first_operand(a)] & ~in_a : 0;
    uint64_t own_b = is_single(b) ? w->real[first_operand(b)] & ~in_b : 0;
    double both = space_of(w, in_a | in_b);
    double private_a = own_a ? space_of(w, own_a) : 1, private_b = own_b ? space_of(w, own_b) : 1;
    double least = DBL_MAX, operations = DBL_MAX;
    for (int choice = 0; choice < 4; choice++) {
        if ((choice & 1 && !own_a) || (choice & 2 && !own_b)) continue;
        double pair = both * (choice & 1 ? 1 : private_a) * (choice & 2 ? 1 : private_b);
        double sums = (choice & 1 ? w->size[a] * private_a : 0) + (choice & 2 ? w->size[b] * private_b : 0);
        if (pair + sums >= least) continue;
        bool reduces = (in_a | in_b) != result || (own_a && !(choice & 1)) || (own_b && !(choice & 2));
        least = pair + sums;
        operations = pair * ej_cost_each(2, reduces) + sums;
    }
    return operations;
}

/* ---- the search in one network ---- */

enum discount { NO_DISCOUNT, BY_REPEATS, BY_ALL };

/* What one user of the subset has to pay when all who could use it do. */
static double share_of(const ej_joint_table *t, const network *w, uint32_t set, int discount)
{
    if (discount == BY_REPEATS) return w->repeats[set];
    return discount == BY_ALL ? t->entries[w->entry_of[set]].occurrences : 1;
}

static void solve_set(ej_joint_table *t, const network *w, uint32_t set)
{
    uint32_t low = set & (~set + 1), rest = set ^ low;
    bool found = false;
    for (uint32_t sub = (rest - 1) & rest;; sub = (sub - 1) & rest) {
        uint32_t a = low | sub, b = set ^ a;
        double cost = t->cost[a] + t->cost[b];
        if (!found || cost <= t->cost[set]) {
            double write = t->write[a] + t->write[b] + w->size[set];
            cost += step_cost(w, a, b);
            if (!found || cost < t->cost[set] || (cost == t->cost[set] && write < t->write[set])) {
                t->cost[set] = cost;
                t->write[set] = write;
                t->split[set] = a;
                found = true;
            }
        }
        if (!sub) break;
    }
}

static void solve(ej_joint_table *t, const network *w, int discount)
{
    for (uint32_t set = 1; set < 1u << w->n; set++) {
        t->cost[set] = t->write[set] = 0;
        if (is_single(set) || t->entries[w->entry_of[set]].users) continue;
        solve_set(t, w, set);
        if (discount) t->cost[set] /= share_of(t, w, set, discount);
    }
}

/* ---- the present paths ---- */

/* A part of a subset by places in its signature, and back. */
static uint32_t to_places(const network *w, uint32_t set, uint32_t side)
{
    uint32_t places = 0, at = 0;
    for (int32_t i = 0; i < w->n; i++)
        if (set >> w->order[i] & 1) places |= (side >> w->order[i] & 1) << at++;
    return places;
}

static uint32_t from_places(const network *w, uint32_t set, uint32_t places)
{
    uint32_t side = 0, at = 0;
    for (int32_t i = 0; i < w->n; i++)
        if (set >> w->order[i] & 1) side |= (places >> at++ & 1) << w->order[i];
    return side;
}

/* The path of t->split, or of those who compute a part of it already, becomes present; returns what that adds. */
static double insert(ej_joint_table *t, network *w)
{
    uint32_t stack[2 * EJ_TABLE_OPERANDS];
    int32_t n = 0;
    double added = 0;
    w->n_parts = 0;
    stack[n++] = (1u << w->n) - 1;
    while (n) {
        uint32_t set = stack[--n];
        if (is_single(set)) continue;
        entry *e = &t->entries[w->entry_of[set]];
        uint32_t side = e->users ? from_places(w, set, e->split) : t->split[set];
        if (!side || side == set || side & ~set) side = set & (~set + 1);
        if (!e->users++) {
            e->split = to_places(w, set, side);
            e->cost = step_cost(w, side, set ^ side);
            added += e->cost;
        }
        w->parts[w->n_parts++] = (part){set, side};
        stack[n++] = side;
        stack[n++] = set ^ side;
    }
    t->sum += added;
    return added;
}

static void take_out(ej_joint_table *t, network *w)
{
    for (int32_t i = 0; i < w->n_parts; i++) {
        entry *e = &t->entries[w->entry_of[w->parts[i].set]];
        if (!--e->users) t->sum -= e->cost;
    }
}

static void split_as(ej_joint_table *t, const part *parts, int32_t n)
{
    for (int32_t i = 0; i < n; i++) t->split[parts[i].set] = parts[i].side;
}

static void split_as_path(ej_joint_table *t, const network *w, const ej_path *path)
{
    uint32_t sets[4 * EJ_TABLE_OPERANDS];
    memset(t->split, 0, sizeof t->split);
    for (int32_t i = 0; i < w->n; i++) sets[i] = 1u << i;
    for (int32_t s = 0; s < path->n_steps; s++) {
        uint32_t a = sets[path->steps[s].a], b = path->steps[s].b < 0 ? 0 : sets[path->steps[s].b];
        sets[w->n + s] = a | b;
        if (b) t->split[a | b] = a;
    }
}

/* ---- rounds ---- */

static double splits_of(const network *w)
{
    double splits = 0.5;
    for (int32_t i = 0; i < w->n; i++) splits *= 3;
    return splits;
}

/* The best path of w beside the others; true: the sum fell. */
static bool improve(ej_joint_table *t, network *w, int discount)
{
    part before[EJ_TABLE_OPERANDS];
    int32_t n = w->n_parts;
    double sum = t->sum;
    memcpy(before, w->parts, sizeof before);
    take_out(t, w);
    solve(t, w, discount);
    insert(t, w);
    if (t->sum < sum) return true;
    take_out(t, w);
    split_as(t, before, n);
    insert(t, w);
    return false;
}

static void keep_best(ej_joint_table *t)
{
    if (t->has_best && t->sum >= t->best_sum) return;
    t->has_best = true;
    t->best_sum = t->sum;
    for (size_t i = 0; i < t->n; i++) memcpy(t->networks[i].best, t->networks[i].parts, sizeof t->networks[i].best);
}

void ej_table_improve(ej_joint_table *t, const ej_path *const *paths, double *work)
{
    bool falls = true;
    t->sum = 0;
    for (size_t i = 0; i < t->n_entries; i++) t->entries[i].users = 0;
    for (size_t i = 0; i < t->n; i++) {
        network *w = &t->networks[i];
        if (paths) split_as_path(t, w, paths[w->index]);
        else solve(t, w, BY_ALL), *work -= splits_of(w);
        insert(t, w);
    }
    for (int round = 0; falls && round < MOST_ROUNDS; round++) {
        falls = false;
        for (size_t i = 0; i < t->n && *work > 0; i++) {
            network *w = &t->networks[i];
            falls |= improve(t, w, NO_DISCOUNT);
            if (w->repeats) falls |= improve(t, w, BY_REPEATS);
            *work -= splits_of(w) * (w->repeats ? 2 : 1);
        }
    }
    keep_best(t);
}

/* ---- results ---- */

/* From the last entry to the first: the parts of a subset come after it. */
static int write_path(ej_path *out, const network *w, ej_job *job)
{
    int32_t id[SUBSETS];
    *out = (ej_path){.steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)w->n)};
    if (!out->steps) return ej_no_memory(job->err);
    for (int32_t i = 0; i < w->n; i++) id[1u << i] = i;
    for (int32_t i = w->n - 1; i-- > 0;) {
        uint32_t set = w->best[i].set, side = w->best[i].side;
        id[set] = w->n + out->n_steps;
        out->steps[out->n_steps++] = (ej_path_step){id[side], id[set ^ side]};
    }
    return ej_path_complete(out, &w->member->net, job);
}

int ej_table_paths(ej_path *out, const ej_joint_table *t, ej_job *job)
{
    for (size_t i = 0; i < t->n; i++) EJ_TRY(write_path(&out[t->networks[i].index], &t->networks[i], job));
    return EINJIT_OK;
}
