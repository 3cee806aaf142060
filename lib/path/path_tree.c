/* path_tree.c - binary trees over a core.
 *
 * Takes  a path of pairs. Gives the tree, and the path of a tree again.
 */
#include "path_core.h"

#include <string.h>

int ej_tree_new(ej_tree *out, const ej_core *core, ej_job *job)
{
    size_t n = (size_t)core->n, ids = 2 * n - 1, words = (size_t)core->words;
    *out = (ej_tree){.core = core, .n = core->n, .root = (int32_t)ids - 1, .words = core->words};
    out->left = EJ_JOB_ARRAY(job, int32_t, ids);
    out->right = EJ_JOB_ARRAY(job, int32_t, ids);
    out->parent = EJ_JOB_ARRAY(job, int32_t, ids);
    out->bits = EJ_JOB_ARRAY(job, uint64_t, ids *words);
    out->cost = EJ_JOB_ARRAY(job, double, ids);
    if (!out->left || !out->right || !out->parent || !out->bits || !out->cost) return ej_no_memory(job->err);
    memcpy(out->bits, core->terms, n * words * sizeof(uint64_t));
    return EINJIT_OK;
}

void ej_tree_copy(ej_tree *to, const ej_tree *from)
{
    size_t n = (size_t)to->n, ids = 2 * n - 1, words = (size_t)to->words;
    memcpy(to->left + n, from->left + n, (n - 1) * sizeof *to->left);
    memcpy(to->right + n, from->right + n, (n - 1) * sizeof *to->right);
    memcpy(to->parent, from->parent, ids * sizeof *to->parent);
    memcpy(to->bits + n * words, from->bits + n * words, (n - 1) * words * sizeof *to->bits);
    memcpy(to->cost, from->cost, ids * sizeof *to->cost);
}

/* `left`: per label, what still has it: live operands, and the output. */
static void make_step(ej_tree *t, int32_t id, int32_t *left)
{
    const uint64_t *a = ej_tree_bits(t, t->left[id]), *b = ej_tree_bits(t, t->right[id]);
    uint64_t *out = ej_tree_bits(t, id);
    double cost = 0;
    for (int32_t w = 0; w < t->words; w++) {
        cost += ej_weigh_word(t->core, w, a[w] | b[w]);
        out[w] = ej_join_word(left, w, a[w], b[w]);
    }
    t->cost[id] = cost;
}

int ej_tree_plant(ej_tree *tree, const ej_path_step *steps, ej_job *job)
{
    ej_arena memory;
    ej_arena_init(&memory, job->arena->allocator);
    int32_t *left = EJ_NEW_ARRAY(&memory, int32_t, 64 * (size_t)tree->words);
    if (!left) {
        ej_arena_free(&memory);
        return ej_no_memory(job->err);
    }
    memcpy(left, tree->core->uses, (size_t)tree->core->n_labels * sizeof *left);
    for (int32_t s = 0; s + 1 < tree->n; s++) {
        int32_t id = tree->n + s;
        tree->left[id] = steps[s].a;
        tree->right[id] = steps[s].b;
        tree->parent[steps[s].a] = tree->parent[steps[s].b] = id;
        make_step(tree, id, left);
    }
    tree->parent[tree->root] = -1;
    ej_arena_free(&memory);
    return EINJIT_OK;
}

double ej_tree_total(const ej_tree *tree)
{
    double most = -INFINITY, sum = 0;
    for (int32_t id = tree->n; id <= tree->root; id++)
        if (tree->cost[id] > most) most = tree->cost[id];
    for (int32_t id = tree->n; id <= tree->root; id++)
        if (tree->cost[id] > most - 60) sum += exp2(tree->cost[id] - most);
    return most + log2(sum);
}

int ej_tree_steps(const ej_tree *tree, ej_path_step *steps, ej_job *job)
{
    ej_arena memory;
    int32_t n = tree->n, made = 0, depth = 0;
    ej_arena_init(&memory, job->arena->allocator);
    int32_t *name = EJ_NEW_ARRAY(&memory, int32_t, 2 * (size_t)n);
    int32_t *stack = EJ_NEW_ARRAY(&memory, int32_t, 2 * (size_t)n);
    if (!name || !stack) {
        ej_arena_free(&memory);
        return ej_no_memory(job->err);
    }
    for (int32_t id = 0; id <= tree->root; id++) name[id] = id < n ? id : -1;
    stack[depth++] = tree->root;
    while (depth) {
        int32_t id = stack[depth - 1], a = tree->left[id], b = tree->right[id];
        if (name[b] < 0) stack[depth++] = b;
        if (name[a] < 0) stack[depth++] = a;
        if (name[a] < 0 || name[b] < 0) continue;
        depth--;
        steps[made] = (ej_path_step){name[a], name[b]};
        name[id] = n + made++;
    }
    ej_arena_free(&memory);
    return EINJIT_OK;
}
