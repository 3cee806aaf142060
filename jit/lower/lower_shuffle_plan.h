/* lower_shuffle_plan.h - stages of shuffles between two lane maps: numbers only, nothing of LLVM. */
#ifndef EJ_LOWER_SHUFFLE_PLAN_H
#define EJ_LOWER_SHUFFLE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum { EJ_SHUFFLE_LANE_BITS = 6, EJ_SHUFFLE_ROW_BITS = 4, EJ_SHUFFLE_BITS = EJ_SHUFFLE_LANE_BITS + EJ_SHUFFLE_ROW_BITS };
enum { EJ_SHUFFLE_POSITIONS = 8 }; /* room for the lanes' and one more */

/* Element bits: 0 .. lane_bits - 1 are the lane's in a register, the row_bits behind them the register's number. */
typedef struct ej_shuffle_ask {
    int32_t lane_bits, row_bits;
    int32_t block_bits;    /* of the lanes of 128 bits */
    int32_t n_wanted;      /* lane bits of the result, at most lane_bits */
    int8_t wanted[EJ_SHUFFLE_LANE_BITS]; /* the element bit that each of them is */
    bool any_shuffle;      /* any two-operand shuffle is one instruction */
} ej_shuffle_ask;

/* Registers r and r | 1 << row_bit become two others: what is at position p comes from position from[p], where lane_bits stands for
 * the register. */
typedef struct ej_shuffle_stage {
    int32_t row_bit;
    int8_t from[EJ_SHUFFLE_POSITIONS];
} ej_shuffle_stage;
typedef struct ej_shuffle_plan {
    int32_t n_stages;
    ej_shuffle_stage stages[EJ_SHUFFLE_ROW_BITS];
    bool reorders;                        /* then the lanes of each register: */
    int8_t order[EJ_SHUFFLE_POSITIONS];   /* position p comes from order[p] */
    int8_t at[EJ_SHUFFLE_BITS];           /* in the end, the element bit of each lane bit, then of the registers' */
} ej_shuffle_plan;

/* False: no register bit is wanted in the lanes, or stages cannot bring it there. */
bool ej_shuffle_plan_find(const ej_shuffle_ask *ask, ej_shuffle_plan *out);

#endif
