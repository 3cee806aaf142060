/* Facts about the code that is made: what a microkernel consists of, several nests, threads, dumps, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm/Config/llvm-config.h>

#include "lower_support.h"

static const char matmul[] = "nest matmul\naxis i 24\naxis j 64\naxis k 50 reduced\n"
                             "buffer A f32 arg 0\nbuffer B f32 arg 1\nbuffer C f32 arg 2\n"
                             "buffer acc f32 reg elems 384\n"
                             "loop j step 32\n    loop i step 12\n        place acc\n"
                             "        move acc[i: 32, j: 1]\n            expr $0 = f32 const 0.0\n"
                             "            tile i unroll 12, j unroll 2, j lane 16\n"
                             "        loop k step 1\n            sum acc[i: 32, j: 1]\n"
                             "                src A[i: 50, k: 1]\n                src B[k: 64, j: 1]\n"
                             "                expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1\n"
                             "                tile i unroll 12, j unroll 2, j lane 16\n"
                             "        move C[i: 64, j: 1]\n            src acc[i: 32, j: 1]\n"
                             "            expr $0 = f32 src 0\n"
                             "            tile i unroll 12, j unroll 2, j lane 16\n";

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) n++;
    return n;
}

/* The dump of a nest's stages for a row by name; NULL when the table has no such row. */
static const char *dump_of(nest_case *c, const char *text, const char *row, uint32_t stages)
{
    const ej_target *target = ej_target_by_name(row);
    ej_text dump;
    lower_code code;
    nest_open(c);
    if (!target) return NULL;
    if (nest_parse(c, text)) fail_msg("%s", c->err.text);
    ej_text_init(&dump, &c->arena);
    lower_compile(&code, c, target, stages, &dump);
    lower_free(&code);
    assert_false(dump.failed);
    return dump.data;
}

static void a_register_tile_has_no_spills_and_no_calls(void **state)
{
    (void)state;
    nest_case c;
    const char *text = dump_of(&c, matmul, "avx512", 1u << EJ_STAGE_ASM);
    if (text) {
        assert_int_equal(count(text, "vfmadd"), 24);
        assert_int_equal(count(text, "(%rsp)"), 0);
        assert_int_equal(count(text, "call"), 0);
        /* 12 rows of A and 2 vectors of B a step; everything else is stored once. */
        assert_int_equal(count(text, "vbroadcastss") + count(text, "{1to16}"), 12);
    }
    nest_close(&c);
}

static void the_matmul_of_the_dump_is_right(void **state)
{
    (void)state;
    lower_agree(matmul, 0, NULL, 0);
}

/* A panel of complex numbers between a pack and a product; `n` columns, of which the last vector may have a few only;
 * the lanes of the pack are given. */
static void complex_panel(char *out, size_t size, const char *dtype, int n, int lanes)
{
    snprintf(
        out, size,
        "nest panels\naxis j %d\naxis k 7 reduced\nbuffer B %s arg 0\nbuffer x %s arg 1\nbuffer C %s arg 2\n"
        "buffer panel %s local elems %d\nbuffer acc %s reg elems 8\nplace panel\n"
        "loop k step 1\n    loop j step %d\n        move panel[j: 1 block 8: 56, k: 8]\n            src B[j: 1, k: "
        "%d]\n"
        "            expr $0 = %s src 0\n            tile j lane %d\n"
        "loop j step 8\n    place acc\n    move acc[j: 1]\n        expr $0 = %s const 0.0 0.0\n        tile j lane 8\n"
        "    loop k step 1\n        sum acc[j: 1]\n            src panel[j: 1 block 8: 56, k: 8]\n            src x[k: "
        "1]\n"
        "            expr $0 = %s src 0; $1 = %s src 1; $2 = %s mul $0 $1\n            tile j lane 8\n"
        "    move C[j: 1]\n        src acc[j: 1]\n        expr $0 = %s src 0\n        tile j lane 8\n",
        n, dtype, dtype, dtype, dtype, (n + 7) / 8 * 56, dtype, lanes, n, dtype, lanes, dtype, dtype, dtype, dtype,
        dtype);
}

/* The parts of a vector in scratch lie apart, so that the loop over the terms has nothing but loads and
 * multiply-adds. */
static void complex_panels_are_read_without_shuffles(void **state)
{
    (void)state;
    char text[2048];
    nest_case c;
    complex_panel(text, sizeof text, "c64", 24, 8);
    const char *code = dump_of(&c, text, "avx2", 1u << EJ_STAGE_ASM), *loop = NULL;
    if (code) {
        const char *sum = strstr(code, "vfmadd");
        assert_non_null(sum);
        for (const char *at = code; (at = strstr(at, "\n.LBB")) && at < sum; at++) loop = at;
        assert_non_null(loop);
        const char *end = strstr(sum, "\tj");
        assert_non_null(end);
        for (; loop < end; loop++) {
            assert_int_not_equal(strncmp(loop, "vshuf", 5), 0);
            assert_int_not_equal(strncmp(loop, "vperm", 5), 0);
        }
    }
    nest_close(&c);
}

static void complex_panels_are_right(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"c64", "c128"};
    char text[2048];
    for (int d = 0; d < 2; d++) /* lanes of the pack: 4 are another width, so that parts lie side by side */
        for (int n = 1; n <= 25; n++)
            for (int lanes = 4; lanes <= 8; lanes *= 2) {
                complex_panel(text, sizeof text, dtypes[d], n, lanes);
                lower_agree(text, 0, NULL, 0);
            }
}

/* The parts of x stay as they come: the shuffles are y's, and those that bring the lanes of the sums together. */
static void complex_dots_take_no_parts_apart(void **state)
{
    (void)state;
    nest_case c;
    const char *text = dump_of(&c,
                               "nest dots\naxis i 4\naxis j 16 reduced\nbuffer x c64 arg 0\nbuffer y c64 arg 1\n"
                               "buffer z c64 arg 2\nbuffer r c64 reg elems 4\nplace r\n"
                               "move r[i: 1]\n    expr $0 = c64 const 0.0 0.0\n    tile i unroll 4\n"
                               "sum r[i: 1]\n    src x[i: 16, j: 1]\n    src y[j: 1]\n"
                               "    expr $0 = c64 src 0; $1 = c64 src 1; $2 = c64 mul $0 $1\n"
                               "    tile i unroll 4, j lane 16\n"
                               "move z[i: 1]\n    src r[i: 1]\n    expr $0 = c64 src 0\n    tile i lane 4\n",
                               "avx512", 1u << EJ_STAGE_ASM);
    if (text) {
        assert_int_equal(count(text, "vpermt2ps") + count(text, "vpermi2ps"), 0);
        assert_int_equal(count(text, "vmulps") + count(text, "vfmadd"), 16);
    }
    nest_close(&c);
}

static void dumps_are_the_same_every_time_and_name_axes(void **state)
{
    (void)state;
    nest_case a, b;
    uint32_t stages = 1u << EJ_STAGE_IR | 1u << EJ_STAGE_ASM;
    const char *first = dump_of(&a, matmul, "avx512", stages), *second = dump_of(&b, matmul, "avx512", stages);
    if (first) {
        assert_string_equal(first, second);
        assert_true(count(first, "%acc") >= 24);
        assert_int_equal(count(first, "%k = phi"), 1);
        assert_int_equal(count(first, "alloca"), 0);
    }
    nest_close(&a);
    nest_close(&b);
}

/* Whichever rows code was made for before. */
static void a_row_gets_its_own_code_again(void **state)
{
    (void)state;
    static const char *const rows[] = {"avx512", "avx2", "avx512", "avx2"};
    nest_case cases[4];
    const char *text[4];
    for (int i = 0; i < 4; i++) text[i] = dump_of(&cases[i], matmul, rows[i], 1u << EJ_STAGE_ASM);
    if (text[0] && text[1]) {
        assert_string_equal(text[0], text[2]);
        assert_string_equal(text[1], text[3]);
        assert_true(count(text[0], "%zmm") > 0);
        assert_int_equal(count(text[1], "%zmm"), 0);
    }
    for (int i = 0; i < 4; i++) nest_close(&cases[i]);
}

/* Accumulators, loop variables and the pointer to the row of B go round with the loops; LLVM is not to look for
 * more. */
static void values_that_a_loop_does_not_change_have_no_phi(void **state)
{
    (void)state;
    nest_case c;
    const char *text = dump_of(&c, matmul, "avx512", 1u << EJ_STAGE_IR);
    if (text) {
        assert_int_equal(count(text, "= phi <"), 24);
        assert_int_equal(count(text, "= phi i64"), 3);
        assert_int_equal(count(text, "= phi ptr"), 1);
        assert_int_equal(count(text, "call i64 @llvm.expect"), 4);
    }
    nest_close(&c);
}

/* The loop over k, and no other one. */
static void innermost_loops_begin_on_lines(void **state)
{
    (void)state;
    nest_case c;
    const char *text = dump_of(&c, matmul, "avx2", 1u << EJ_STAGE_IR | 1u << EJ_STAGE_ASM);
    if (text) {
        assert_int_equal(count(text, "br i1") - count(text, "!llvm.loop"), 2);
        if (LLVM_VERSION_MAJOR >= 18) assert_int_equal(count(text, ".p2align\t6"), 1);
    }
    nest_close(&c);
}

/* matmul of other rows; `last`: how C gets what was summed. */
static const char *matmul_of(char *room, size_t size, int rows, const char *last)
{
    snprintf(room, size,
             "nest matmul\naxis i %d\naxis j 64\naxis k 50 reduced\n"
             "buffer A f32 arg 0\nbuffer B f32 arg 1\nbuffer C f32 arg 2\nbuffer acc f32 reg elems 384\n"
             "loop j step 32\n    loop i step 12\n        place acc\n"
             "        move acc[i: 32, j: 1]\n            expr $0 = f32 const 0.0\n"
             "            tile i unroll 12, j unroll 2, j lane 16\n"
             "        loop k step 1\n            sum acc[i: 32, j: 1]\n"
             "                src A[i: 50, k: 1]\n                src B[k: 64, j: 1]\n"
             "                expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1\n"
             "                tile i unroll 12, j unroll 2, j lane 16\n"
             "        %s C[i: 64, j: 1]\n            src acc[i: 32, j: 1]\n            expr $0 = f32 src 0\n"
             "            tile i unroll 12, j unroll 2, j lane 16\n",
             rows, last);
    return room;
}

/* Accumulators of one body, or of one more for `rest` rows. */
static void bodies_are(int rows, const char *last, int accumulators)
{
    char room[2048];
    nest_case c;
    const char *nest = matmul_of(room, sizeof room, rows, last), *text = dump_of(&c, nest, "avx512", 1u << EJ_STAGE_IR);
    if (text) assert_int_equal(count(text, "= phi <"), accumulators);
    nest_close(&c);
    lower_agree(nest, 0, NULL, 0);
}

/* Two rows are computed twice, and no copy of the body is made for the last 10. */
static void last_chunks_overlap_where_that_is_little(void **state)
{
    (void)state;
    bodies_are(46, "move", 24);
    bodies_are(45, "move", 24 + 18);
}

/* n x n transposed in tiles of 8 x 8, four of them in a row in blocks. */
static void tiles_are(int n, int bodies)
{
    char nest[1024];
    nest_case c;
    snprintf(
        nest, sizeof nest,
        "nest turn\naxis i %d\naxis j %d\nbuffer A f32 arg 0\nbuffer C f32 arg 1\n"
        "buffer tile f32 reg elems 64\n"
        "loop i step 32\n    loop j step 8\n        loop i step 8\n            place tile\n"
        "            move tile[i: 1, j: 8]\n                src A[i: 1, j: %d]\n                expr $0 = f32 src 0\n"
        "                tile j unroll 8, i lane 8\n"
        "            move C[i: %d, j: 1]\n                src tile[i: 1, j: 8]\n                expr $0 = f32 src 0\n"
        "                tile i unroll 8, j lane 8\n",
        n, n, n, n);
    const char *text = dump_of(&c, nest, "avx512", 1u << EJ_STAGE_IR);
    if (text && bodies) assert_int_equal(count(text, "store <8 x float>"), bodies * 8);
    nest_close(&c);
    lower_agree(nest, 0, NULL, 0);
}

/* Where a chunk is divided again, the last one begins earlier by what the loop inside needs, not by all that it is
 * short of: the last block of 100 values has 8, of which 4 were done before; that of 120 has 24. */
static void last_chunks_begin_as_early_as_loops_inside_need(void **state)
{
    (void)state;
    tiles_are(100, 1);
    tiles_are(120, 1);
    for (int n = 33; n <= 47; n++) tiles_are(n, 0); /* 0: however many, the results count */
}

/* What is added to C must not be added twice. */
static void chunks_that_add_to_what_is_there_do_not_overlap(void **state)
{
    (void)state;
    bodies_are(47, "sum", 24 + 22);
}

/* Parts of complex vectors that lie apart are found at multiples of the vector's width only. */
static void chunks_of_complex_scratch_do_not_overlap(void **state)
{
    (void)state;
    for (int n = 241; n <= 248; n++)
        lower_agree_format(
            0, NULL, 0,
            "nest copies\naxis i 3\naxis j %d\nbuffer B c64 arg 0\nbuffer C c64 arg 1\n"
            "buffer panel c64 local elems 768 at 0\nplace panel\n"
            "loop j step 8\n    loop i step 1\n        move panel[i: 256, j: 1]\n            src B[i: 300, j: 1]\n"
            "            expr $0 = c64 src 0\n            tile j lane 8\n"
            "loop i step 1\n    loop j step 8\n        move C[i: 300, j: 1]\n            src panel[i: 256, j: 1]\n"
            "            expr $0 = c64 src 0\n            tile j lane 8\n",
            n);
}

/* A panel in blocks of 24 columns, of which the last one holds columns of the one before, too. */
static void blocks_nest(char *out, size_t size, const char *dtype, int n)
{
    snprintf(out, size,
             "nest blocks\naxis i 3\naxis j %d\nbuffer B %s arg 0\nbuffer C %s arg 1\n"
             "buffer panel %s local elems 936 at 0\nplace panel\n"
             "loop j step 24\n    loop i step 1\n        move panel[j: 1 block 24: 72, i: 24]\n"
             "            src B[i: 300, j: 1]\n            expr $0 = %s src 0\n            tile j unroll 3, j lane 8\n"
             "loop j step 24\n    loop i step 1\n        move C[i: 300, j: 1]\n"
             "            src panel[j: 1 block 24: 72, i: 24]\n            expr $0 = %s src 0\n"
             "            tile j unroll 3, j lane 8\n",
             n, dtype, dtype, dtype, dtype, dtype);
}

static void last_blocks_begin_earlier_with_their_chunks(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"f32", "f64", "c64", "c128"};
    nest_case c;
    char text[1024];
    for (int d = 0; d < 4; d++)
        for (int n = 239; n <= 265; n++) {
            blocks_nest(text, sizeof text, dtypes[d], n);
            lower_agree(text, 0, NULL, 0);
        }
    blocks_nest(text, sizeof text, "f64", 250);
    const char *ir = dump_of(&c, text, "avx512", 1u << EJ_STAGE_IR);
    if (ir) assert_int_equal(count(ir, "masked."), 0);
    nest_close(&c);
}

/* Sums that wait in memory of the nest's own while the panel is read: no column of them is added to twice. */
static void blocks_do_not_overlap_where_sums_wait(void **state)
{
    (void)state;
    char text[1024];
    for (int n = 239; n <= 265; n++) {
        snprintf(
            text, sizeof text,
            "nest adds\naxis i 3 reduced\naxis j %d\nbuffer B f32 arg 0\nbuffer C f32 arg 1\n"
            "buffer panel f32 local elems 936 at 0\nbuffer total f32 local elems 300 at 4096\n"
            "place panel\nplace total\n"
            "loop j step 24\n    move total[j: 1]\n        expr $0 = f32 const 0.0\n"
            "        tile j unroll 3, j lane 8\n"
            "loop j step 24\n    loop i step 1\n        move panel[j: 1 block 24: 72, i: 24]\n"
            "            src B[i: 300, j: 1]\n            expr $0 = f32 src 0\n            tile j unroll 3, j lane 8\n"
            "loop j step 24\n    loop i step 1\n        sum total[j: 1]\n"
            "            src panel[j: 1 block 24: 72, i: 24]\n            expr $0 = f32 src 0\n"
            "            tile j unroll 3, j lane 8\n"
            "loop j step 24\n    move C[j: 1]\n        src total[j: 1]\n        expr $0 = f32 src 0\n"
            "        tile j unroll 3, j lane 8\n",
            n);
        lower_agree(text, 0, NULL, 0);
    }
}

/* Every value gets what one leaf makes of all values in its chunk: the largest, or the last. */
static void chunks_with_one_value_for_all_do_not_overlap(void **state)
{
    (void)state;
    static const char *const leaves[] = {"max", "move"};
    for (int l = 0; l < 2; l++)
        for (int n = 241; n <= 248; n++)
            lower_agree_format(
                0, NULL, 0,
                "nest chunks\naxis j %d\nbuffer B f32 arg 0\nbuffer C f32 arg 1\n"
                "buffer one f32 local elems 1 at 0\n"
                "loop j step 8\n    place one\n    move one[]\n        expr $0 = f32 const -9.0\n"
                "    %s one[]\n        src B[j: 1]\n        expr $0 = f32 src 0\n        tile j unroll 8\n"
                "    move C[j: 1]\n        src one[]\n        expr $0 = f32 src 0\n        tile j lane 8\n",
                n, leaves[l]);
}

static void several_nests_run_in_order(void **state)
{
    (void)state;
    static const char buffers[] =
        "axis i 21\nbuffer x f64 arg 0\nbuffer y f64 arg 1\nbuffer t f64 scratch elems 21 at 64\n";
    nest_case c[2];
    char text[1024];
    static const char *const leaves[] = {
        "loop i step 8\n    move t[i: 1]\n        src x[i: 1]\n"
        "        expr $0 = f64 src 0; $1 = f64 const 3.0; $2 = f64 mul $0 $1\n        tile i lane 8\n",
        "loop i step 4\n    move y[i: -1]\n        src t[i: 1]\n        expr $0 = f64 src 0\n        tile i lane 4\n"};
    ej_nest nests[2];
    for (int i = 0; i < 2; i++) {
        nest_open(&c[i]);
        strcpy(text, "nest \"two steps\"\n");
        strcat(strcat(text, buffers), leaves[i]);
        if (nest_parse(&c[i], text)) fail_msg("%s", c[i].err.text);
        nests[i] = c[i].nest;
    }
    ej_plan plan;
    memset(&plan, 0, sizeof plan);
    ej_nests both = {.plan = &plan, .sizes = &c[0].sizes, .n = 2, .nests = nests};
    ej_job job = {.arena = &c[0].arena,
                  .err = &c[0].err,
                  .allocator = &ej_malloc_allocator,
                  .target = ej_target_host(),
                  .verify = true};
    ej_code code;
    ej_image image;
    einjit_entry entry;
    if (lower_backend()->compile(&code, &both, &job)) fail_msg("%s", c[0].err.text);
    assert_int_equal(ej_image_map(&image, &code, NULL), EINJIT_OK);
    void *at = (char *)image.base + code.entry;
    memcpy(&entry, &at, sizeof at);
    double x[21], y[21];
    char *scratch = aligned_alloc(64, 256);
    assert_non_null(scratch);
    for (int i = 0; i < 21; i++) x[i] = i;
    entry((void *[]){x, y + 20}, NULL, scratch);
    for (int i = 0; i < 21; i++) assert_true(y[20 - i] == 3.0 * i);
    free(scratch);
    ej_image_unmap(&image);
    ej_code_release(&code, &ej_malloc_allocator);
    for (int i = 0; i < 2; i++) nest_close(&c[i]);
}

static void no_nests_are_a_kernel_that_does_nothing(void **state)
{
    (void)state;
    nest_case c;
    nest_open(&c);
    ej_plan plan;
    memset(&plan, 0, sizeof plan);
    ej_nests none = {.plan = &plan, .sizes = &c.sizes};
    ej_job job = {.arena = &c.arena, .err = &c.err, .allocator = &ej_malloc_allocator, .target = ej_target_host()};
    ej_code code;
    assert_int_equal(lower_backend()->compile(&code, &none, &job), EINJIT_OK);
    ej_code_release(&code, &ej_malloc_allocator);
    nest_close(&c);
}

static void tiles_that_do_not_cover_their_range_are_refused(void **state)
{
    (void)state;
    nest_case c;
    nest_open(&c);
    assert_int_equal(nest_parse(&c, "nest wrong\naxis i 9\nbuffer y f32 arg 0\nmove y[i: 1]\n"
                                    "    expr $0 = f32 const 1.0\n    tile i lane 8\n"),
                     EINJIT_OK);
    ej_plan plan;
    memset(&plan, 0, sizeof plan);
    ej_nests nests = {.plan = &plan, .sizes = &c.sizes, .n = 1, .nests = &c.nest};
    ej_job job = {.arena = &c.arena, .err = &c.err, .allocator = &ej_malloc_allocator, .target = ej_target_host()};
    ej_code code;
    assert_int_equal(lower_backend()->compile(&code, &nests, &job), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.err.text, "axis 'i'"));
    nest_close(&c);
}

static void *compile_many(void *user)
{
    for (int i = 0; i < 5; i++) {
        nest_case c;
        lower_code code;
        nest_open(&c);
        if (nest_parse(&c, matmul)) return NULL;
        lower_compile(&code, &c, ej_target_host(), 0, NULL);
        lower_free(&code);
        nest_close(&c);
    }
    return user;
}

static void threads_compile_at_the_same_time(void **state)
{
    (void)state;
    pthread_t threads[4];
    int marks[4];
    void *done;
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, compile_many, &marks[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_ptr_equal(done, &marks[i]);
    }
}

static void the_backend_says_what_it_is(void **state)
{
    (void)state;
    const ej_backend *backend = lower_backend();
    assert_int_equal(backend->abi, EJ_BACKEND_ABI);
    assert_string_equal(backend->name, "llvm");
    assert_non_null(strstr(backend->version, "LLVM "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_register_tile_has_no_spills_and_no_calls),
        cmocka_unit_test(the_matmul_of_the_dump_is_right),
        cmocka_unit_test(complex_panels_are_read_without_shuffles),
        cmocka_unit_test(complex_panels_are_right),
        cmocka_unit_test(complex_dots_take_no_parts_apart),
        cmocka_unit_test(dumps_are_the_same_every_time_and_name_axes),
        cmocka_unit_test(a_row_gets_its_own_code_again),
        cmocka_unit_test(values_that_a_loop_does_not_change_have_no_phi),
        cmocka_unit_test(innermost_loops_begin_on_lines),
        cmocka_unit_test(last_chunks_overlap_where_that_is_little),
        cmocka_unit_test(last_chunks_begin_as_early_as_loops_inside_need),
        cmocka_unit_test(chunks_that_add_to_what_is_there_do_not_overlap),
        cmocka_unit_test(chunks_of_complex_scratch_do_not_overlap),
        cmocka_unit_test(last_blocks_begin_earlier_with_their_chunks),
        cmocka_unit_test(blocks_do_not_overlap_where_sums_wait),
        cmocka_unit_test(chunks_with_one_value_for_all_do_not_overlap),
        cmocka_unit_test(several_nests_run_in_order),
        cmocka_unit_test(no_nests_are_a_kernel_that_does_nothing),
        cmocka_unit_test(tiles_that_do_not_cover_their_range_are_refused),
        cmocka_unit_test(threads_compile_at_the_same_time),
        cmocka_unit_test(the_backend_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
