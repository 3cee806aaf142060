/* test_kernel_wire.c - messages to and from the process that generates code: whole, or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_wire.h"

static ej_arena arena;
static einjit_error err;

static int begin(void **state)
{
    (void)state;
    ej_arena_init(&arena, &ej_malloc_allocator);
    memset(&err, 0, sizeof err);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ej_arena_free(&arena);
    return 0;
}

/* y[i] = 2.5 * x[i] + c[0] over an open extent, with a buffer behind 64 * n bytes of the plan's scratch. */
typedef struct sample {
    ej_plan plan;
    ej_sizes sizes;
    ej_nest nest;
    ej_nests nests;
    ej_constant constant;
} sample;
static const double constant_data[2] = {-0.0, 3.5};
static const char text[] = "nest \"a name\"\n"
                           "symbol n = 12\n"
                           "axis i n parallel\n"
                           "buffer x f64 arg 0 elems n\n"
                           "buffer c f64 const 0 elems 2\n"
                           "buffer y f64 arg 1 elems n\n"
                           "cut i 4 grain 1\n"
                           "loop i step 8\n"
                           "    move y[i: 1]\n"
                           "        src x[i: 1]\n"
                           "        src c[1]\n"
                           "        expr $0 = f64 src 0; $1 = f64 src 1; $2 = f64 const 2.5; $3 = f64 mul $0 $2; "
                           "$4 = f64 add $3 $1\n"
                           "        tile i lane 8\n";

static void make_sample(sample *s)
{
    ej_size n, sixty_four = ej_size_number(64);
    memset(s, 0, sizeof *s);
    ej_sizes_init(&s->sizes, &arena);
    assert_int_equal(ej_nest_parse(&s->nest, &s->sizes, &arena, text, SIZE_MAX, &err), EINJIT_OK);
    n = s->nest.axes[0].extent;
    assert_int_equal(ej_size_mul(&s->sizes, n, sixty_four, &s->plan.scratch_bytes, &err), EINJIT_OK);
    s->constant = (ej_constant){EINJIT_F64, 2, constant_data};
    s->plan.constants = &s->constant;
    s->plan.n_constants = 1;
    s->nests = (ej_nests){.plan = &s->plan, .sizes = &s->sizes, .n = 1, .nests = &s->nest};
}

static ej_text request_of(const sample *s)
{
    ej_text message, dump;
    const ej_job job = {.target = ej_target_by_name("avx2"), .dump_text = &dump, .dump = UINT32_MAX, .verify = true};
    ej_text_init(&message, &arena);
    ej_wire_begin(&message, EJ_WIRE_REQUEST);
    ej_wire_write_request(&message, &s->nests, &job, 1234);
    assert_int_equal(ej_wire_end(&message, EINJIT_OK, &err), EINJIT_OK);
    return message;
}

static ej_wire_cursor body_of(const ej_text *message, size_t n)
{
    return (ej_wire_cursor){message->data + sizeof(ej_wire_head), n};
}

static void a_request_says_all_that_code_depends_on(void **state)
{
    (void)state;
    sample s;
    ej_nests nests;
    uint64_t limit_ms = 0;
    ej_job job = {.arena = &arena, .err = &err};
    make_sample(&s);
    ej_text message = request_of(&s), before, after;
    ej_wire_head head;
    memcpy(&head, message.data, sizeof head);
    assert_true(ej_wire_knows(&head) && ej_wire_is_whole(&head, message.data + sizeof head));
    assert_int_equal(head.kind, EJ_WIRE_REQUEST);
    assert_int_equal(head.n_bytes, message.length - sizeof head);
    ej_wire_cursor body = body_of(&message, (size_t)head.n_bytes);
    assert_int_equal(ej_wire_read_request(&nests, &job, &limit_ms, body), EINJIT_OK);
    assert_int_equal(limit_ms, 1234);
    assert_string_equal(job.target->name, "avx2");
    assert_true(job.verify);
    assert_int_equal(job.dump, 1u << EJ_STAGE_IR | 1u << EJ_STAGE_ASM); /* the others have been printed */
    assert_int_equal(nests.n, 1);
    assert_int_equal(nests.plan->scratch_bytes.n, 12 * 64);
    assert_true(nests.plan->scratch_bytes.e); /* open */
    assert_int_equal(nests.nests[0].cut.pieces.n, 3);
    assert_true(nests.nests[0].cut.pieces.e);
    assert_int_equal(nests.plan->n_constants, 1);
    assert_memory_equal(nests.plan->constants[0].data, constant_data, sizeof constant_data);
    ej_text_init(&before, &arena);
    ej_text_init(&after, &arena);
    ej_nest_print(&before, &s.nest, &s.sizes);
    ej_nest_print(&after, &nests.nests[0], nests.sizes);
    assert_string_equal(before.data, after.data);
}

static void bodies_that_are_cut_short_are_refused(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    ej_text message = request_of(&s);
    for (size_t n = 0; n < message.length - sizeof(ej_wire_head); n++) {
        ej_nests nests;
        uint64_t limit_ms;
        ej_job job = {.arena = &arena, .err = &err};
        assert_int_not_equal(ej_wire_read_request(&nests, &job, &limit_ms, body_of(&message, n)), EINJIT_OK);
    }
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    ej_text message = request_of(&s);
    for (size_t i = 0; i < message.length * 8; i++) {
        ej_wire_head head;
        message.data[i / 8] ^= (char)(1 << i % 8);
        memcpy(&head, message.data, sizeof head);
        bool kind = i / 8 == offsetof(ej_wire_head, kind),
             status = i / 8 >= offsetof(ej_wire_head, status) && i / 8 < offsetof(ej_wire_head, n_bytes);
        bool same_size = head.n_bytes == message.length - sizeof head;
        if (!kind && !status)
            assert_false(ej_wire_knows(&head) && same_size && ej_wire_is_whole(&head, message.data + sizeof head));
        message.data[i / 8] ^= (char)(1 << i % 8);
    }
}

static void a_constant_that_is_not_there_is_refused(void **state)
{
    (void)state;
    sample s;
    ej_nests nests;
    uint64_t limit_ms;
    ej_job job = {.arena = &arena, .err = &err};
    make_sample(&s);
    s.plan.n_constants = 0;
    ej_text message = request_of(&s);
    ej_wire_cursor body = body_of(&message, message.length - sizeof(ej_wire_head));
    assert_int_equal(ej_wire_read_request(&nests, &job, &limit_ms, body), EINJIT_E_INTERNAL);
}

static void code_and_texts_come_back(void **state)
{
    (void)state;
    char bytes[100];
    size_t phases[2] = {16, 48};
    const ej_code code = {.bytes = bytes, .n_bytes = sizeof bytes, .entry = 32, .n_phases = 2, .phases = phases};
    ej_text message, dump, assembly, got_dump, got_assembly;
    ej_text *const texts[] = {&message, &dump, &assembly, &got_dump, &got_assembly};
    for (size_t i = 0; i < 5; i++) ej_text_init(texts[i], &arena);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
    ej_print(&dump, "define");
    ej_wire_begin(&message, EJ_WIRE_ANSWER);
    ej_wire_write_answer(&message, &code, &dump, &assembly);
    assert_int_equal(ej_wire_end(&message, EINJIT_OK, &err), EINJIT_OK);
    ej_job job = {.arena = &arena,
                  .err = &err,
                  .allocator = &ej_malloc_allocator,
                  .dump_text = &got_dump,
                  .asm_text = &got_assembly};
    ej_code got;
    size_t n = message.length - sizeof(ej_wire_head);
    assert_int_equal(ej_wire_read_answer(&got, &job, body_of(&message, n)), EINJIT_OK);
    assert_int_equal(got.n_bytes, sizeof bytes);
    assert_memory_equal(got.bytes, bytes, sizeof bytes);
    assert_int_equal(got.entry, 32);
    assert_int_equal(got.n_phases, 2);
    assert_memory_equal(got.phases, phases, sizeof phases);
    assert_string_equal(got_dump.data, "define");
    assert_int_equal(got_assembly.length, 0);
    ej_code_release(&got, &ej_malloc_allocator);
    for (size_t less = 0; less < n; less++)
        assert_int_equal(ej_wire_read_answer(&got, &job, body_of(&message, less)), EINJIT_E_INTERNAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_says_all_that_code_depends_on),
        TEST(bodies_that_are_cut_short_are_refused),
        TEST(every_flipped_bit_is_seen),
        TEST(a_constant_that_is_not_there_is_refused),
        TEST(code_and_texts_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
