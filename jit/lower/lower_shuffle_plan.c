/* lower_shuffle_plan.c - which two-operand shuffles bring 2^k registers from one lane map to another.
 *
 * Elements are numbered by register and lane: the lower `lane_bits` bits of the number are the lane, the `row_bits`
 * above them the register. A lane map permutes these bits (lower_permute.c).
 *
 * Takes  for each lane bit of the result, which bit of the element's number it is to be.
 * Gives  one stage for each register bit that becomes a lane bit. A stage takes registers in pairs whose numbers differ
 *        in that bit, and makes two others of each pair: as many shuffles as registers, in place, so that no more
 *        registers are live than before. Its shuffles are single instructions of x86: unpacks and even/odd picks inside
 *        of 128 bits, and picks of whole blocks of 128 bits. A search looks for a sequence of stages that leaves the
 *        lane bits in the wanted order; where there is none, the first sequence with the right lane bits is taken, and
 *        the lanes are put in order at its end.
 */
#include "lower_shuffle_plan.h"

#include <string.h>

typedef struct search {
    const ej_shuffle_ask *ask;
    ej_shuffle_plan *best;
    ej_shuffle_plan now;
} search;

/* How a stage moves bits between positions: 0 .. lane_bits - 1 are the lanes', lane_bits is the register bit of the
 * stage. The bit at position p comes from position from[p]. */
typedef int8_t positions[EJ_SHUFFLE_POSITIONS];

static void stay(positions from)
{
    for (int32_t p = 0; p < EJ_SHUFFLE_POSITIONS; p++) from[p] = (int8_t)p;
}

/* The register's bit goes to lane position `to`, the bits from there on move up by one, and the one at top - 1 becomes
 * the register's. */
static void interleave(positions from, int32_t row, int32_t to, int32_t top)
{
    stay(from);
    for (int32_t p = to + 1; p < top; p++) from[p] = (int8_t)(p - 1);
    from[to] = (int8_t)row;
    from[row] = (int8_t)(top - 1);
}

/* The inverse: the bit at `low` becomes the register's, those above it move down by one, and the register's bit goes to
 * top - 1. */
static void part(positions from, int32_t row, int32_t low, int32_t top)
{
    stay(from);
    for (int32_t p = low; p + 1 < top; p++) from[p] = (int8_t)(p + 1);
    from[top - 1] = (int8_t)row;
    from[row] = (int8_t)low;
}

/* The k-th kind of stage whose shuffles are one instruction each; false: there are no more. */
static bool stage_of(const ej_shuffle_ask *ask, int32_t k, positions from)
{
    int32_t row = ask->lane_bits, block = ask->block_bits < row ? ask->block_bits : row, above = row - block;
    if (k < block) {
        interleave(from, row, k, block); /* unpack: of single elements, pairs, ... */
        return true;
    }
    k -= block;
    if (above && k-- == 0) {
        part(from, row, row - 1, row); /* the lower halves, the upper halves */
        return true;
    }
    if (above > 1 && k-- == 0) {
        part(from, row, block, row); /* the even blocks, the odd ones */
        return true;
    }
    if (block == 2 && k-- == 0) {
        part(from, row, 0, block); /* the even elements of each block, the odd ones */
        return true;
    }
    return false;
}

static bool is_wanted(const ej_shuffle_ask *ask, int32_t bit)
{
    for (int32_t l = 0; l < ask->n_wanted; l++)
        if (ask->wanted[l] == bit) return true;
    return false;
}

static bool in_order(const search *s)
{
    return !memcmp(s->now.at, s->ask->wanted, (size_t)s->ask->n_wanted * sizeof *s->now.at);
}

/* Adds a stage to the plan, and says where the bits are after it. */
static void apply(ej_shuffle_plan *plan, int32_t row_bit, const positions from, int32_t row)
{
    int8_t before[EJ_SHUFFLE_POSITIONS];
    ej_shuffle_stage *stage = &plan->stages[plan->n_stages++];
    for (int32_t p = 0; p < row; p++) before[p] = plan->at[p];
    before[row] = plan->at[row + row_bit];
    for (int32_t p = 0; p < row; p++) plan->at[p] = before[from[p]];
    plan->at[row + row_bit] = before[from[row]];
    stage->row_bit = row_bit;
    memcpy(stage->from, from, sizeof stage->from);
}

/* Tries all stages from here on; true: a sequence was found that leaves the lanes in order. */
static bool look(search *s)
{
    const ej_shuffle_ask *ask = s->ask;
    int32_t row = ask->lane_bits;
    bool more = false;
    for (int32_t i = 0; i < ask->row_bits; i++) {
        positions from;
        if (!is_wanted(ask, s->now.at[row + i])) continue;
        more = true;
        for (int32_t k = 0; stage_of(ask, k, from); k++) {
            ej_shuffle_plan saved = s->now;
            if (is_wanted(ask, s->now.at[from[row]])) continue; /* it would have to come back */
            apply(&s->now, i, from, row);
            if (look(s)) return true;
            s->now = saved;
        }
    }
    if (more || (s->best->n_stages && !in_order(s))) return false;
    *s->best = s->now;
    return in_order(s);
}

/* Puts the lane bits in the wanted order, others above them: in the last stage, where its shuffles may be any, else
 * after it. */
static void put_in_order(const ej_shuffle_ask *ask, ej_shuffle_plan *plan)
{
    positions from;
    int32_t n = 0, row = ask->lane_bits;
    for (; n < ask->n_wanted; n++)
        for (int32_t p = 0; p < row; p++)
            if (plan->at[p] == ask->wanted[n]) from[n] = (int8_t)p;
    for (int32_t p = 0; p < row; p++)
        if (!is_wanted(ask, plan->at[p])) from[n++] = (int8_t)p;
    int8_t before[EJ_SHUFFLE_POSITIONS];
    memcpy(before, plan->at, sizeof before);
    for (int32_t p = 0; p < row; p++) plan->at[p] = before[from[p]];
    if (!ask->any_shuffle) {
        plan->reorders = true;
        memcpy(plan->order, from, sizeof plan->order);
        return;
    }
    ej_shuffle_stage *last = &plan->stages[plan->n_stages - 1];
    int8_t stage[EJ_SHUFFLE_POSITIONS];
    memcpy(stage, last->from, sizeof stage);
    for (int32_t p = 0; p < row; p++) last->from[p] = stage[from[p]];
}

bool ej_shuffle_plan_find(const ej_shuffle_ask *ask, ej_shuffle_plan *out)
{
    search s = {.ask = ask, .best = out};
    *out = (ej_shuffle_plan){0};
    for (int32_t p = 0; p < ask->lane_bits + ask->row_bits; p++) s.now.at[p] = (int8_t)p;
    if (look(&s)) return true;
    if (!out->n_stages) return false;
    put_in_order(ask, out);
    return true;
}
