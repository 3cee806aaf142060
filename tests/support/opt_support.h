/* opt_support.h - what one pass makes of a program text. */
#ifndef OPT_SUPPORT_H
#define OPT_SUPPORT_H

/* `def f(<params>): return <body>` after the pass has this text in it (NULL: it is as it was), and a second run of the pass
 * changes nothing. */
void expect_pass(const char *pass, const char *params, const char *body, const char *part);
/* Every allocation of the pass fails once: the graph is whole, and nothing is lost. */
void expect_survives_oom(const char *pass, const char *params, const char *body);

#endif
