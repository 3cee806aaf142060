/* test_lower_steps.c - several nests in one kernel: equal ones are one function, calls and tables of calls give the
 * same as the interpreter does step by step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower_support.h"

enum { STEPS = 300, ITEMS = 8, INPUT = 512, CONSTANTS = 3, SCRATCH = 64 * (STEPS + 2) };

typedef struct steps_case {
    nest_case c;
    ej_plan plan;
    ej_nests nests;
    ej_nest items[STEPS];
    ej_constant constants[CONSTANTS];
    float values[CONSTANTS][ITEMS], input[INPUT], outputs[2][2][ITEMS * STEPS];
    char *scratch[2];
} steps_case;

/* Step i multiplies the input from element i on by a constant, adds what the last step left in the scratch block, and
 * leaves that there; every third step writes one of two results instead. open: its buffer lies at an open offset. */
static void read_step(steps_case *s, int i, bool open)
{
    char text[1024], place[32];
    snprintf(place, sizeof place, open ? "8*z + %d" : "%d", open ? 64 * i : 64 * (i + 1));
    bool result = i % 3 == 2;
    int n = snprintf(
        text, sizeof text,
        "nest s%d\n%saxis i %d\nbuffer x f32 arg 0\nbuffer w f32 const %d elems 8\n"
        "buffer last f32 scratch elems 8 at %d\nbuffer y f32 arg %d\nbuffer t f32 scratch elems 8 at %s\n"
        "loop i step 8\n    move %s[%d; i: %d]\n        src x[%d; i: 1]\n        src w[i: 1]\n        src last[i: 1]\n"
        "        expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1; $3 = f32 src 2; $4 = f32 add $2 $3\n"
        "        tile i lane 8\n",
        i, open ? "symbol z = 8\n" : "", ITEMS, i % CONSTANTS, i ? 64 * (i - !(i % 3)) : 0, 1 + i % 2, place,
        result ? "y" : "t", result ? ITEMS * i + ITEMS - 1 : 0, result ? -1 : 1, i);
    assert_true(n > 0 && (size_t)n < sizeof text);
    if (nest_parse(&s->c, text)) fail_msg("%s\n%s", s->c.err.text, text);
    s->items[i] = s->c.nest;
}

static steps_case *start(int n, int open_every)
{
    steps_case *s = calloc(1, sizeof *s);
    assert_non_null(s);
    nest_open(&s->c);
    for (int i = 0; i < n; i++) read_step(s, i, open_every && i % open_every == 0 && i % 3 != 2);
    for (size_t i = 0; i < CONSTANTS; i++) {
        for (size_t k = 0; k < ITEMS; k++) s->values[i][k] = nest_value((uint32_t)i + 1, k);
        s->constants[i] = (ej_constant){EINJIT_F32, ITEMS, s->values[i]};
    }
    for (size_t k = 0; k < INPUT; k++) s->input[k] = nest_value(9, k);
    for (int b = 0; b < 2; b++) {
        s->scratch[b] = aligned_alloc(64, SCRATCH);
        assert_non_null(s->scratch[b]);
        memset(s->scratch[b], 0, SCRATCH);
    }
    s->plan = (ej_plan){.n_constants = CONSTANTS, .constants = s->constants};
    s->nests = (ej_nests){.plan = &s->plan, .sizes = &s->c.sizes, .n = n, .nests = s->items};
    return s;
}

static void finish(steps_case *s)
{
    for (int b = 0; b < 2; b++) free(s->scratch[b]);
    nest_close(&s->c);
    free(s);
}

static void interpret(steps_case *s)
{
    void *data[3] = {s->input, s->outputs[0][0], s->outputs[0][1]};
    for (int32_t i = 0; i < s->nests.n; i++) {
        s->c.nest = s->items[i];
        if (nest_run(&s->c, data, s->constants, NULL, s->scratch[0])) fail_msg("%s", s->c.err.text);
    }
}

static void run_code(steps_case *s, ej_text *assembly)
{
    ej_job job = {.arena = &s->c.arena,
                  .err = &s->c.err,
                  .allocator = &ej_malloc_allocator,
                  .target = ej_target_host(),
                  .verify = true,
                  .dump = assembly ? 1u << EJ_STAGE_ASM : 0,
                  .dump_text = assembly};
    ej_code code;
    ej_image image;
    einjit_entry entry;
    if (lower_backend()->compile(&code, &s->nests, &job)) fail_msg("%s", s->c.err.text);
    assert_int_equal(ej_image_map(&image, &code, NULL), EINJIT_OK);
    void *at = (char *)image.base + code.entry;
    memcpy(&entry, &at, sizeof at);
    entry((void *[]){s->input, s->outputs[1][0], s->outputs[1][1]}, (int64_t[]){8}, s->scratch[1]);
    ej_image_unmap(&image);
    ej_code_release(&code, &ej_malloc_allocator);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) n++;
    return n;
}

/* Functions and calls in the code of n steps, which computes what the interpreter does. */
static void expect_code(int n, int open_every, size_t functions, size_t calls)
{
    ej_text assembly;
    steps_case *s = start(n, open_every);
    ej_text_init(&assembly, &s->c.arena);
    interpret(s);
    run_code(s, &assembly);
    if (memcmp(s->outputs[0], s->outputs[1], sizeof s->outputs[0])) fail_msg("%d steps: wrong results", n);
    if (memcmp(s->scratch[0], s->scratch[1], SCRATCH)) fail_msg("%d steps: wrong scratch", n);
    if (n >= 3) assert_true(s->outputs[1][0][ITEMS * 2] != 0);
    assert_false(assembly.failed);
    assert_int_equal(count(assembly.data, "@function"), functions);
    assert_int_equal(count(assembly.data, "\tcall"), calls);
    finish(s);
}

static void one_step_is_the_entry_itself(void **state)
{
    (void)state;
    expect_code(1, 0, 1, 0);
}

/* Two kinds of steps: into scratch, and into a result backwards. */
static void equal_steps_are_one_function(void **state)
{
    (void)state;
    expect_code(2, 0, 1 + 1, 2);
    expect_code(3, 0, 1 + 2, 3);
    expect_code(64, 0, 1 + 2, 64);
}

static void many_steps_are_called_through_a_table(void **state)
{
    (void)state;
    expect_code(65, 0, 1 + 2, 1);
    expect_code(STEPS, 0, 1 + 2, 1);
}

/* Steps whose buffers lie at open offsets are called by code, and what is between them as it comes. */
static void open_offsets_are_computed_by_the_entry(void **state)
{
    (void)state;
    expect_code(6, 1, 1 + 2, 6);
    expect_code(STEPS, 100, 1 + 2, 2 + 2);
}

/* A step that has nothing to do hands on where nothing is. */
static void empty_constants_have_a_place(void **state)
{
    (void)state;
    steps_case *s = start(3, 0);
    static const char nothing[] = "nest nothing\naxis i 0\nbuffer w f32 const 0 elems 0\nbuffer y f32 arg 1\n"
                                  "loop i step 8\n    move y[i: 1]\n        src w[i: 1]\n        expr $0 = f32 src 0\n"
                                  "        tile i lane 8\n";
    if (nest_parse(&s->c, nothing)) fail_msg("%s", s->c.err.text);
    s->items[1] = s->c.nest;
    s->constants[0].elems = 0;
    s->nests.n = 2;
    s->items[0] = s->c.nest;
    run_code(s, NULL);
    for (size_t i = 0; i < ITEMS * STEPS; i++) assert_true(s->outputs[1][0][i] == 0);
    finish(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step_is_the_entry_itself),
        cmocka_unit_test(equal_steps_are_one_function),
        cmocka_unit_test(many_steps_are_called_through_a_table),
        cmocka_unit_test(open_offsets_are_computed_by_the_entry),
        cmocka_unit_test(empty_constants_have_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
