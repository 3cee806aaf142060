/* body_support.h - what a pass makes of a program, as text: for tests of rewrite rules. */
#ifndef BODY_SUPPORT_H
#define BODY_SUPPORT_H

/* The body of the program after the passes, a line an operation: "mul_1 = x * 2.0; return mul_1". A second run of them must
 * change nothing, and the graph must verify: else the test ends. Free it. */
char *pass_body(const char *program, const char *passes);

/* Expressions over these parameters are programs in short. */
#define PASS_PARAMETERS                                                                                                 \
    "x: f32[3, 3], y: f32[3, 3], v: f32[3], d: f64[3, 3], z: c64[3, 3], n: i32[3, 3], b: bool[3, 3], at: i64[3], "      \
    "s: f32[()], t: f32[()], w: f64[()], u: any[3, 3], r: f32"

typedef struct pass_case {
    const char *expression, *body; /* body NULL: the pass leaves it as it is */
} pass_case;
/* Each of the expressions, as the result of a program; the test ends at the first that comes out otherwise. */
#define PASS_CASES(passes, ...) pass_cases((passes), (const pass_case[]){__VA_ARGS__, {NULL, NULL}})
void pass_cases(const char *passes, const pass_case *cases);

#endif
