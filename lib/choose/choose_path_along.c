/* choose_path_along.c - the path of one einsum along the path of another one.
 *
 * Takes  two einsums that share operands, and a path of one of them: a tree whose leaves are operands, with the result
 *        at its root.
 * Gives  the path of the other one in the same tree, re-rooted at the leaf whose operand it lacks: the subtrees
 *        along the way from there to the old root are joined in reverse order.
 *
 * This is how all gradients of an einsum of n operands need O(n) steps in all: each gradient lacks one operand, so it
 * is the tree seen from that operand's leaf. Every edge of the tree is at most two intermediates, one per direction,
 * whoever computes them. An operand that the tree lacks is joined at the old root, in the place of the operand that
 * only the other einsum has.
 *
 * Where several are not in the tree, and a table over subsets would be too large, the parts of it that make the same
 * results here are contracted first, and the rest has a search of its own.
 * Size   n log n, and the search.
 */
#include <stdlib.h>

#include "choose_joint.h"
#include "path_sets.h"

/* operands of the member that the tree does not have: more, and only parts of the tree are taken */
enum { FEW_EXTRA = 1 };

typedef struct tree {
    int32_t n, n_nodes; /* leaves first, children before parents */
    int32_t *left, *right, *parent;
} tree;

typedef struct operand {
    ej_value value;
    int32_t at;
} operand;

typedef struct walker {
    const ej_member *member;
    tree tree;
    int32_t *made; /* per node of the tree: the id of what the member has of it, -1: nothing */
    bool *on_way;  /* from the root to the missing leaf */
    int32_t *extra, n_extra;
    ej_path *path;
} walker;

static int make_tree(tree *t, const ej_member *m, ej_job *job)
{
    const ej_path *path = &m->own;
    size_t room = (size_t)m->n + (size_t)path->n_steps;
    int32_t *node_of = EJ_JOB_ARRAY(job, int32_t, room);
    *t = (tree){.n = m->n, .n_nodes = m->n};
    t->left = EJ_JOB_ARRAY(job, int32_t, room);
    t->right = EJ_JOB_ARRAY(job, int32_t, room);
    t->parent = EJ_JOB_ARRAY(job, int32_t, room);
    if (!node_of || !t->left || !t->right || !t->parent) return ej_no_memory(job->err);
    for (int32_t i = 0; i < m->n; i++) node_of[i] = i;
    for (int32_t s = 0; s < path->n_steps; s++) {
        int32_t a = node_of[path->steps[s].a];
        node_of[m->n + s] = a;
        if (path->steps[s].b < 0) continue; /* a sum of one operand: put where it pays in every path */
        int32_t x = t->n_nodes++, b = node_of[path->steps[s].b];
        t->left[x] = a;
        t->right[x] = b;
        t->parent[a] = t->parent[b] = x;
        node_of[m->n + s] = x;
    }
    t->parent[t->n_nodes - 1] = -1;
    return EINJIT_OK;
}

static int compare_operands(const void *a, const void *b)
{
    const operand *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static operand *sorted_operands(const ej_member *m, ej_job *job)
{
    operand *list = EJ_JOB_ARRAY(job, operand, (size_t)m->n);
    for (int32_t i = 0; list && i < m->n; i++) list[i] = (operand){m->values[i], i};
    if (list && m->n) qsort(list, (size_t)m->n, sizeof *list, compare_operands);
    return list;
}

/* Leaves get the member's operand of the same value. */
static int match_leaves(walker *w, const ej_member *other, ej_job *job)
{
    operand *mine = sorted_operands(w->member, job), *its = sorted_operands(other, job);
    if (!mine || !its) return ej_no_memory(job->err);
    for (int32_t i = 0; i < w->tree.n_nodes; i++) w->made[i] = -1;
    int32_t i = 0, k = 0;
    while (i < w->member->n) {
        while (k < other->n && its[k].value < mine[i].value) k++;
        if (k < other->n && its[k].value == mine[i].value) w->made[its[k++].at] = mine[i].at;
        else w->extra[w->n_extra++] = mine[i].at;
        i++;
    }
    return EINJIT_OK;
}

static int32_t join(walker *w, int32_t a, int32_t b)
{
    if (a < 0) return b;
    if (b < 0) return a;
    w->path->steps[w->path->n_steps] = (ej_path_step){a, b};
    return w->member->n + w->path->n_steps++;
}

static void walk(walker *w)
{
    const tree *t = &w->tree;
    int32_t leaf = 0, all = -1, x = t->n_nodes - 1;
    while (leaf < t->n && w->made[leaf] >= 0) leaf++;
    for (int32_t i = leaf < t->n ? leaf : -1; i >= 0; i = t->parent[i]) w->on_way[i] = true;
    for (int32_t i = t->n; i < t->n_nodes; i++)
        if (!w->on_way[i]) w->made[i] = join(w, w->made[t->left[i]], w->made[t->right[i]]);
    for (int32_t i = 0; i < w->n_extra; i++) all = join(w, all, w->extra[i]);
    if (leaf == t->n) {
        join(w, all, w->made[x]);
        return;
    }
    while (x >= t->n) {
        bool left = w->on_way[t->left[x]];
        all = join(w, all, w->made[left ? t->right[x] : t->left[x]]);
        x = left ? t->left[x] : t->right[x];
    }
}

/* ---- parts of the tree ---- */

/* How many labels the contraction of two sets would have, and its size. */
static ej_big size_of_pair(const ej_label_sets *sets, int32_t a, int32_t b, int32_t *len)
{
    const int32_t *la = ej_label_sets_of(sets, a), *lb = ej_label_sets_of(sets, b);
    int32_t i = 0, k = 0;
    ej_big size = ej_big_of(1);
    *len = 0;
    while (i < sets->len[a] || k < sets->len[b]) {
        int32_t label = k == sets->len[b] || (i < sets->len[a] && la[i] <= lb[k]) ? la[i] : lb[k], has = 0;
        if (i < sets->len[a] && la[i] == label) i++, has++;
        if (k < sets->len[b] && lb[k] == label) k++, has++;
        if (sets->left[label] == has) continue;
        size = ej_big_scale(size, sets->extent[label]);
        ++*len;
    }
    return size;
}

/* Contracts what has the same results in both einsums: as many labels, of the same size in all. */
static int contract_common(walker *w, const ej_member *other, ej_label_sets *sets, ej_job *job)
{
    const tree *t = &w->tree;
    ej_label_sets its;
    int32_t *id = EJ_JOB_ARRAY(job, int32_t, (size_t)t->n_nodes), len;
    if (!id) return ej_no_memory(job->err);
    EJ_TRY(ej_label_sets_init(&its, &other->net, false, (size_t)t->n_nodes, job));
    for (int32_t i = 0; i < t->n; i++) id[i] = i;
    for (int32_t i = t->n; i < t->n_nodes; i++) {
        int32_t a = w->made[t->left[i]], b = w->made[t->right[i]];
        id[i] = ej_label_sets_merge(&its, id[t->left[i]], id[t->right[i]], NULL);
        if (a < 0 || b < 0) continue;
        ej_big size = size_of_pair(sets, a, b, &len);
        if (len != its.len[id[i]] || ej_big_compare(size, its.size[id[i]])) continue;
        w->made[i] = join(w, a, b);
        ej_label_sets_merge(sets, a, b, NULL);
    }
    return EINJIT_OK;
}

/* What is left, by a search; sums of single operands are put in when the path is complete. */
static int search_rest(walker *w, const ej_label_sets *sets, ej_job *job)
{
    ej_network net = w->member->net;
    ej_path rest;
    int32_t *ids = EJ_JOB_ARRAY(job, int32_t, 3 * (size_t)sets->n);
    ej_term *terms = EJ_JOB_ARRAY(job, ej_term, (size_t)sets->n);
    if (!ids || !terms) return ej_no_memory(job->err);
    net.n_terms = 0;
    net.terms = terms;
    for (int32_t i = 0; i < sets->n; i++) {
        if (sets->len[i] < 0) continue;
        terms[net.n_terms] = (ej_term){(uint32_t)sets->len[i], sets->pool + sets->at[i]};
        ids[net.n_terms++] = i;
    }
    if (net.n_terms < 2) return EINJIT_OK;
    EJ_TRY(ej_path_search(&rest, &net, job));
    for (int32_t s = 0; s < rest.n_steps; s++) {
        int32_t a = ids[rest.steps[s].a];
        ids[net.n_terms + s] = rest.steps[s].b < 0 ? a : join(w, a, ids[rest.steps[s].b]);
    }
    return EINJIT_OK;
}

static int take_parts(walker *w, const ej_member *other, ej_job *job)
{
    ej_label_sets sets;
    EJ_TRY(ej_label_sets_init(&sets, &w->member->net, false, (size_t)w->member->n, job));
    EJ_TRY(contract_common(w, other, &sets, job));
    return search_rest(w, &sets, job);
}

int ej_path_along(ej_path *out, const ej_member *member, const ej_member *other, ej_job *job)
{
    walker w = {.member = member, .path = out};
    *out = (ej_path){.steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)member->n)};
    EJ_TRY(make_tree(&w.tree, other, job));
    w.made = EJ_JOB_ARRAY(job, int32_t, (size_t)w.tree.n_nodes);
    w.on_way = EJ_JOB_ARRAY(job, bool, (size_t)w.tree.n_nodes);
    w.extra = EJ_JOB_ARRAY(job, int32_t, (size_t)member->n);
    if (!out->steps || !w.made || !w.on_way || !w.extra) return ej_no_memory(job->err);
    EJ_TRY(match_leaves(&w, other, job));
    if (w.n_extra > FEW_EXTRA && !ej_fits_table(member)) EJ_TRY(take_parts(&w, other, job));
    else walk(&w);
    return ej_path_complete(out, &member->net, job);
}
