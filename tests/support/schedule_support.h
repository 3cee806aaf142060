/* schedule_support.h - a program's steps as a schedule, for tests that rewrite it by hand. */
#ifndef SCHEDULE_SUPPORT_H
#define SCHEDULE_SUPPORT_H

#include "plan_support.h"
#include "schedule.h"

typedef struct schedule_case {
    plan_case plan;
    ej_sizes sizes;
    ej_schedule s;
    ej_target row;
} schedule_case;

/* By name: normalizing numbers them. */
int32_t schedule_axis(const ej_schedule *s, const char *name);
/* The first step of a program, for the row avx2; `open`: extents that stay open. */
void schedule_open(schedule_case *f, const char *program, const char *inputs);
void schedule_open_sizes(schedule_case *f, const char *program, const char *inputs, const char *open);
/* The same step once more. */
void schedule_begin(schedule_case *f);
/* All steps, as one group. */
void schedule_begin_group(schedule_case *f);
void schedule_open_group(schedule_case *f, const char *program, const char *inputs);
/* The log of its rewrites. */
const char *schedule_printed(schedule_case *f);
/* The text of its nest, which has to be a legal one. */
const char *schedule_settled(schedule_case *f);
/* Refused for this reason, and the tree stays as it was. */
void schedule_refuses(schedule_case *f, ej_rewrite r, int why);
/* The rewrites that a row (skipped where this architecture has none of that name) takes for the first step have these
 * words in them, and not those that begin with "!". */
void schedule_expect_rewrites(const char *program, const char *inputs, const char *row, const char *const *words,
                              size_t n);
#define EXPECT_REWRITES(program, inputs, row, ...) \
    schedule_expect_rewrites(program, inputs, row, (const char *const[]){__VA_ARGS__}, \
                             sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#endif
