/* schedule_support.c - opens a plan and makes schedules of its steps.
 *
 * Takes  program text and inputs.
 * Gives  a schedule; the text of its nest, checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "recipe.h"
#include "schedule_support.h"

int32_t schedule_axis(const ej_schedule *s, const char *name)
{
    for (int32_t a = 0; a < s->n_axes; a++)
        if (!strcmp(s->axes[a].name, name)) return a;
    fail_msg("no axis %s", name);
    return -1;
}

void schedule_begin(schedule_case *f)
{
    assert_int_equal(ej_schedule_begin(&f->s, &f->plan.plan.steps[0], &f->plan.plan, &f->sizes, &f->plan.bind.job),
                     EINJIT_OK);
}

void schedule_open_sizes(schedule_case *f, const char *program, const char *inputs, const char *open)
{
    plan_open(&f->plan, program, inputs, NULL, open);
    assert_int_equal(f->plan.status, EINJIT_OK);
    f->row = *ej_target_by_name("avx2");
    f->plan.bind.job.target = &f->row;
    f->sizes = f->plan.plan.bound->sizes;
    schedule_begin(f);
}

void schedule_open(schedule_case *f, const char *program, const char *inputs)
{
    schedule_open_sizes(f, program, inputs, NULL);
}

const char *schedule_printed(schedule_case *f)
{
    ej_text text;
    ej_text_init(&text, &f->plan.bind.arena);
    ej_schedule_print(&text, &f->s);
    assert_false(text.failed);
    return text.data;
}

const char *schedule_settled(schedule_case *f)
{
    ej_nest nest;
    ej_text text;
    einjit_error err = {0};
    assert_int_equal(ej_schedule_settle(&nest, &f->s), EINJIT_OK);
    if (ej_nest_check(&nest, &f->row, &err)) fail_msg("%s", err.text);
    ej_text_init(&text, &f->plan.bind.arena);
    ej_nest_print(&text, &nest, &f->sizes);
    assert_false(text.failed);
    return text.data;
}

void schedule_begin_group(schedule_case *f)
{
    const ej_plan *plan = &f->plan.plan;
    const ej_plan_life *lives = ej_plan_measure(plan, &f->plan.bind.job);
    assert_non_null(lives);
    assert_int_equal(
        ej_schedule_begin_group(&f->s, plan->steps, (int32_t)plan->n_steps, plan, lives, &f->sizes, &f->plan.bind.job),
        EINJIT_OK);
}

void schedule_open_group(schedule_case *f, const char *program, const char *inputs)
{
    schedule_open(f, program, inputs);
    f->s = (ej_schedule){0};
    schedule_begin_group(f);
}

void schedule_refuses(schedule_case *f, ej_rewrite r, int why)
{
    const char *before = schedule_settled(f);
    size_t n_log = f->s.n_log;
    uint32_t refused = f->s.refused[why];
    assert_false(ej_schedule_apply(&f->s, &r, NULL));
    if (f->s.why != why) fail_msg("refused because %s, not %s", ej_refusal_text(f->s.why), ej_refusal_text(why));
    assert_int_equal(f->s.n_log, n_log);
    assert_int_equal(f->s.refused[why], refused + 1);
    assert_string_equal(schedule_settled(f), before);
}

void schedule_expect_rewrites(const char *program, const char *inputs, const char *row, const char *const *words,
                              size_t n)
{
    plan_case c;
    ej_nests nests;
    if (!ej_target_by_name(row)) skip();
    plan_open(&c, program, inputs, NULL, NULL);
    c.bind.job.target = ej_target_by_name(row);
    c.bind.job.dump |= 1u << EJ_STAGE_SCHEDULE;
    assert_int_equal(ej_nests_build(&nests, &c.plan, &c.bind.job), EINJIT_OK);
    for (size_t i = 0; i < n; i++) {
        bool unwanted = words[i][0] == '!';
        if (!strstr(nests.nests[0].schedule, words[i] + unwanted) != unwanted)
            fail_msg("%s '%s' in\n%s", unwanted ? "there is" : "no", words[i] + unwanted, nests.nests[0].schedule);
    }
    plan_close(&c);
}
