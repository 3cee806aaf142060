/* lower_shuffle_plan.h - stages of shuffles from one lane map of 2^k registers to another: numbers only, nothing of
 * LLVM. */
#ifndef EJ_LOWER_SHUFFLE_PLAN_H
#define EJ_LOWER_SHUFFLE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    EJ_SHUFFLE_LANE_BITS = 6,
    EJ_SHUFFLE_ROW_BITS = 4,
    EJ_SHUFFLE_BITS = EJ_SHUFFLE_LANE_BITS + EJ_SHUFFLE_ROW_BITS
};
enum { EJ_SHUFFLE_POSITIONS = 8 }; /* room for EJ_SHUFFLE_LANE_BITS and the register bit of a stage */

/* Bits of an element's number: 0 .. lane_bits - 1 are its lane in a register, the row_bits above them the register. */
typedef struct ej_shuffle_ask {
    int32_t lane_bits, row_bits;
    int32_t block_bits;                  /* lane bits of 128 bits of a register */
    int32_t n_wanted;                    /* lane bits of the result, at most lane_bits */
    int8_t wanted[EJ_SHUFFLE_LANE_BITS]; /* for each of them the bit of the element's number */
    bool any_shuffle;                    /* any two-operand shuffle is one instruction */
} ej_shuffle_ask;

/* Registers r and r | 1 << row_bit become two others: the bit at position p comes from position from[p]. Position
 * lane_bits is the register's bit. */
typedef struct ej_shuffle_stage {
    int32_t row_bit;
    int8_t from[EJ_SHUFFLE_POSITIONS];
} ej_shuffle_stage;
typedef struct ej_shuffle_plan {
    int32_t n_stages;
    ej_shuffle_stage stages[EJ_SHUFFLE_ROW_BITS];
    bool reorders;                      /* after the stages the lanes of each register are put in order: */
    int8_t order[EJ_SHUFFLE_POSITIONS]; /* the bit at position p comes from order[p] */
    /* in the end: which bit of the element's number each lane and register bit is */
    int8_t at[EJ_SHUFFLE_BITS];
} ej_shuffle_plan;

/* False: no register bit is wanted in the lanes, or stages cannot bring it there. */
bool ej_shuffle_plan_find(const ej_shuffle_ask *ask, ej_shuffle_plan *out);

#endif
