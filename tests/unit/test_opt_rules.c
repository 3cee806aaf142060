/* test_opt_rules.c - every row of job_rules.def: whole, `from` becomes `to` by that rule alone and what is refused
 * stays; broken, one of the two comes out otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline.h"
#include "opt.h"
#include "pass_support.h"

int ej_broken_rule = -1;

typedef struct row {
    const char *name, *pass, *inputs, *from, *to, *refused;
} row;

static const row rows[] = {
#define EJ_RULE(NAME, pass, inputs, from, to, refused, breaks) {#NAME, #pass, inputs, from, to, refused},
#include "job_rules.def"
#undef EJ_RULE
};

/* Rows say '...' where the printer says "...". */
static const char *quoted_singly(const char *text, ej_arena *arena)
{
    char *out = ej_arena_copy_text(arena, text, strlen(text));
    assert_non_null(out);
    for (char *c = out; *c; c++)
        if (*c == '"') *c = '\'';
    return out;
}

/* What the pass makes of the program, nested; "stays"; or its error. `hits`: EJ_RULE_COUNT of them. */
static const char *outcome(const row *r, const char *program, uint32_t *hits, ej_arena *arena)
{
    ej_graph graph;
    einjit_error err = {0};
    ej_job job = {.arena = arena,
                  .err = &err,
                  .allocator = &ej_malloc_allocator,
                  .target = ej_target_host(),
                  .evaluator = &ej_interpreting_evaluator,
                  .rule_hits = hits,
                  .verify = ej_broken_rule < 0};
    memset(hits, 0, EJ_RULE_COUNT * sizeof *hits);
    pass_parse(&graph, &ej_malloc_allocator, r->inputs, program);
    const char *before = pass_printed(&graph, arena), *out = "stays";
    if (ej_opt_run(&graph, r->pass, &job)) out = ej_arena_copy_text(arena, err.text, strlen(err.text));
    else if (strcmp(before, pass_printed(&graph, arena))) out = quoted_singly(pass_nested(&graph, arena), arena);
    ej_graph_free(&graph);
    return out;
}

/* Where a factor moves through an operation, it has left another one; where a reshape was in the way, einsums merge. */
static bool may_count(int hit, int rule)
{
    return hit == rule || (hit == EJ_RULE_SCALAR_START && !strcmp(rows[rule].pass, "scalar")) ||
           (hit == EJ_RULE_FUSE_SUMMED && (rule == EJ_RULE_FUSE_SPLIT || rule == EJ_RULE_FUSE_MERGE));
}

static int n_wrong;

static void expect(const row *r, bool right, const char *what, const char *program, const char *got)
{
    if (right) return;
    n_wrong++;
    print_error("%s: %s\n  %s\n  gives %s\n", r->name, what, program, got);
}

static void check_whole(int rule, ej_arena *arena)
{
    const row *r = &rows[rule];
    uint32_t hits[EJ_RULE_COUNT];
    const char *got;
    if (r->from) {
        got = outcome(r, r->from, hits, arena);
        expect(r, !strcmp(got, strcmp(r->from, r->to) ? r->to : "stays"), "not what the row says", r->from, got);
        expect(r, hits[rule] > 0, "not counted", r->from, got);
        for (int h = 0; h < EJ_RULE_COUNT; h++)
            if (hits[h] && !may_count(h, rule)) expect(r, false, "counts another rule, too", r->from, rows[h].name);
    }
    got = outcome(r, r->refused, hits, arena);
    expect(r, !strcmp(got, "stays"), "not refused", r->refused, got);
    for (int h = 0; h < EJ_RULE_COUNT; h++)
        if (hits[h]) expect(r, false, "refused, and counts", r->refused, rows[h].name);
}

static void check_broken(int rule, ej_arena *arena)
{
    const row *r = &rows[rule];
    uint32_t hits[EJ_RULE_COUNT];
    ej_broken_rule = rule;
    const char *made = r->from ? outcome(r, r->from, hits, arena) : "", *left = outcome(r, r->refused, hits, arena);
    ej_broken_rule = -1;
    bool same = !r->from || !strcmp(made, strcmp(r->from, r->to) ? r->to : "stays");
    expect(r, !same || strcmp(left, "stays"), "broken, and nothing changes", r->from ? r->from : r->refused, made);
}

static void each_rule_does_what_its_row_says(void **state)
{
    (void)state;
    for (int rule = 0; rule < EJ_RULE_COUNT; rule++) {
        ej_arena arena;
        if (!rows[rule].inputs) continue; /* of a decision */
        ej_arena_init(&arena, &ej_malloc_allocator);
        check_whole(rule, &arena);
        check_broken(rule, &arena);
        ej_arena_free(&arena);
    }
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_does_what_its_row_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
