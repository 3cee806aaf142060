/* pass_support.h - what passes make of a program text, as text: for tests of rewrite rules. (Graphs that are built call by
 * call: graph_support.h; what fuse makes, and that it computes the same: fuse_support.h.) */
#ifndef PASS_SUPPORT_H
#define PASS_SUPPORT_H

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

/* `def f(<params>): return <body>` after one pass has this text in it (NULL: it is as it was), and a second run of the pass
 * changes nothing. */
void pass_expect(const char *pass, const char *params, const char *body, const char *part);
/* Every allocation of the pass fails once: the graph is whole, and nothing is lost. */
void pass_survives_oom(const char *pass, const char *params, const char *body);

#endif
