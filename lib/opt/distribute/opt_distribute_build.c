/* opt_distribute_build.c - a sum with its groups taken together.
 *
 * Takes  the terms of a sum, and groups of products that differ in one operand.
 * Gives  the new sum: a product over a sum of operands a group, then what is in no group, in the order as written.
 *        Where extents may differ, a choose of the group as it was and that product.
 * Keeps  numbers behind the first group: two numbers in front would be added in a dtype of their own.
 */
#include <string.h>

#include "opt_distribute.h"

/* ---- nodes, the same once ---- */

static uint64_t hash_map_node(int fn, uint32_t n, const ej_value *in)
{
    int32_t words[3] = {fn, in[0], n > 1 ? in[1] : -1};
    return ej_hash64(words, sizeof words, 0);
}

static bool is_same(const ej_node *node, int fn, uint32_t n, const ej_value *in)
{
    return node->fn == fn && node->n_in == n && !memcmp(node->in, in, n * sizeof *in);
}

static int grow_made(ej_distribute *d)
{
    size_t n = d->made_slots ? d->made_slots * 2 : 64;
    ej_value *slots = EJ_JOB_ARRAY(d->job, ej_value, n);
    if (!slots) return ej_no_memory(d->job->err);
    memset(slots, -1, n * sizeof *slots);
    for (size_t i = 0; i < d->made_slots; i++) {
        if (d->made[i] < 0) continue;
        const ej_node *node = &d->graph->nodes[d->made[i]];
        size_t slot = (size_t)hash_map_node(node->fn, node->n_in, node->in) & (n - 1);
        while (slots[slot] >= 0) slot = (slot + 1) & (n - 1);
        slots[slot] = d->made[i];
    }
    d->made = slots;
    d->made_slots = n;
    return EINJIT_OK;
}

static int map_once(ej_distribute *d, int fn, ej_value a, ej_value b, ej_value *out)
{
    ej_value in[2] = {a, b};
    uint32_t n = fn == EJ_FN_NEG ? 1 : 2;
    if (2 * d->n_made >= d->made_slots) EJ_TRY(grow_made(d));
    size_t slot = (size_t)hash_map_node(fn, n, in) & (d->made_slots - 1);
    for (; d->made[slot] >= 0; slot = (slot + 1) & (d->made_slots - 1)) {
        *out = d->made[slot];
        if (is_same(&d->graph->nodes[*out], fn, n, in)) return EINJIT_OK;
    }
    EJ_TRY(ej_edit_map(&d->edit, fn, n, in, out));
    d->made[slot] = *out;
    d->n_made++;
    return EINJIT_OK;
}

/* ---- sums ---- */

/* *sum (-1: nothing yet) + or - value. */
static int add_to(ej_distribute *d, ej_value *sum, ej_value value, bool minus)
{
    if (*sum >= 0) return map_once(d, minus ? EJ_FN_SUB : EJ_FN_ADD, *sum, value, sum);
    *sum = value;
    return minus ? map_once(d, EJ_FN_NEG, value, -1, sum) : EINJIT_OK;
}

/* The operand of one member with the factors of its term, innermost first. */
static int scaled_operand(ej_distribute *d, const ej_addend *member, ej_value *out)
{
    const ej_term_of_sum *term = &d->terms[member->term];
    *out = ej_distribute_left_out(d, member);
    for (size_t s = EJ_BROKEN(DISTRIBUTE_FACTOR) ? 0 : term->n_scales; s-- > 0;) {
        const ej_scale *scale = &d->scales[term->first_scale + s];
        if (scale->fn == EJ_FN_DIV) EJ_TRY(map_once(d, EJ_FN_DIV, *out, scale->literal, out));
        else EJ_TRY(map_once(d, EJ_FN_MUL, scale->literal, *out, out));
    }
    return EINJIT_OK;
}

/* What is added comes in front of what is subtracted: no negation where it can be helped. */
static int sum_operands(ej_distribute *d, const ej_group *group, ej_value *out)
{
    *out = -1;
    for (int minus = 0; minus < 2; minus++)
        for (size_t m = group->first; m < group->first + group->n; m++) {
            ej_value operand;
            if (d->terms[d->members[m].term].product_minus != (minus == 1)) continue;
            EJ_TRY(scaled_operand(d, &d->members[EJ_BROKEN(DISTRIBUTE_SUM) ? group->first : m], &operand));
            EJ_TRY(add_to(d, out, operand, minus));
        }
    return EINJIT_OK;
}

/* The terms of a group as they were: nodes of their own, for the old sum goes. */
static int sum_terms(ej_distribute *d, const ej_group *group, ej_value *out)
{
    *out = -1;
    for (int minus = 0; minus < 2; minus++)
        for (size_t m = group->first; m < group->first + group->n; m++) {
            const ej_term_of_sum *term = &d->terms[d->members[m].term];
            if (term->minus == (minus == 1)) EJ_TRY(add_to(d, out, term->value, minus));
        }
    return EINJIT_OK;
}

/* ---- products ---- */

/* The first member's product over the sum in the place of its operand. */
static int factored(ej_distribute *d, const ej_group *group, ej_value *out)
{
    const ej_addend *base = &d->members[group->first];
    ej_node node = d->graph->nodes[d->terms[base->term].product];
    ej_value *in = EJ_JOB_ARRAY(d->job, ej_value, node.n_in), sum;
    if (!in) return ej_no_memory(d->job->err);
    EJ_TRY(sum_operands(d, group, &sum));
    memcpy(in, node.in, node.n_in * sizeof *in);
    in[base->left_out] = sum;
    if (node.equation && !ej_equation_copy(&d->edit.graph->arena, &node.equation, node.equation))
        return ej_no_memory(d->job->err);
    return ej_edit_node(&d->edit, node, node.n_in, in, out);
}

/* ---- guards ---- */

static bool same_extent(const ej_distribute *d, ej_value x, ej_value y, int32_t axis)
{
    const ej_known_shape *a = &d->shapes->of[x], *b = &d->shapes->of[y];
    return a->rank >= 0 && b->rank >= 0 && a->extents[axis] == b->extents[axis];
}

/* How many axes the operand has: known, or the labels say it. */
static int32_t rank_of(const ej_distribute *d, const ej_addend *member)
{
    int32_t rank = d->shapes->of[ej_distribute_left_out(d, member)].rank;
    const ej_node *node = &d->graph->nodes[d->terms[member->term].product];
    return rank < 0 && node->equation ? (int32_t)node->equation->terms[member->left_out].n : rank;
}

static int find_guards(ej_distribute *d, const ej_group *group, ej_choice_guard **out, size_t *n)
{
    const ej_addend *base = &d->members[group->first];
    int32_t rank = rank_of(d, base);
    ej_choice_guard *guards = EJ_JOB_ARRAY(d->job, ej_choice_guard, (size_t)rank * group->n);
    if (!guards) return ej_no_memory(d->job->err);
    *out = guards;
    if (EJ_BROKEN(DISTRIBUTE_GUARD)) return EINJIT_OK;
    for (size_t m = group->first + 1; m < group->first + group->n; m++) {
        ej_value x = ej_distribute_left_out(d, base), y = ej_distribute_left_out(d, &d->members[m]);
        for (int32_t axis = 0; axis < rank; axis++)
            if (!same_extent(d, x, y, axis)) guards[(*n)++] = (ej_choice_guard){x, y, axis, axis};
    }
    return EINJIT_OK;
}

static int offer(ej_distribute *d, const ej_group *group, ej_value *out)
{
    ej_value first, second;
    ej_choice_guard *guards = NULL;
    size_t n = 0;
    EJ_TRY(find_guards(d, group, &guards, &n));
    EJ_TRY(sum_terms(d, group, &first));
    EJ_TRY(factored(d, group, &second));
    return ej_edit_alternative(&d->edit, first, second, n, guards, out);
}

int ej_distribute_build(ej_distribute *d, ej_value *out)
{
    *out = -1;
    for (size_t g = 0; g < d->n_groups; g++) {
        ej_value value;
        EJ_TRY(d->offers ? offer(d, &d->groups[g], &value) : factored(d, &d->groups[g], &value));
        EJ_TRY(add_to(d, out, value, false));
    }
    for (size_t t = 0; t < d->n_terms; t++)
        if (!d->terms[t].taken) EJ_TRY(add_to(d, out, d->terms[t].value, d->terms[t].minus));
    return EINJIT_OK;
}
