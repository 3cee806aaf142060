/* plan_support.h - plans made from program text and held against the oracle. */
#ifndef PLAN_SUPPORT_H
#define PLAN_SUPPORT_H

#include "bind_support.h"
#include "choose.h"
#include "plan.h"
#include "step_run.h"

typedef struct plan_case {
    bind_case bind;
    ej_bound chosen;
    ej_plan plan;
    int status;
    const char *text; /* of the plan */
} plan_case;

/* Tensors as text (bind_support.h). outputs NULL: row-major; open NULL: nothing open. A plan that was built is
 * verified. */
void plan_open(plan_case *c, const char *program, const char *inputs, const char *outputs, const char *open);
/* The same by a path strategy of path.h; "random" decides otherwise than extents and costs would. */
void plan_open_by(plan_case *c, const char *program, const char *inputs, const char *strategy);
void plan_close(plan_case *c);
/* Run the plan on small whole numbers and compare with the oracle; integer vectors get values below `indices` (0: any).
 * inputs, outputs, symbols: other sizes than the plan was made with, NULL where they are the same. */
void plan_check(plan_case *c, const char *inputs, const char *outputs, const int64_t *symbols, int64_t indices);
/* Open, require success and so many steps (-1: any), check, close. */
void expect_plan(const char *program, const char *inputs, int steps);

#endif
