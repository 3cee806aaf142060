/* Hints of leaves: code with them gives what the interpreter gives at every alignment, and holds the instructions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower_support.h"

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) n++;
    return n;
}

/* Operands end at the end of a page: by their number of elements they start at multiples of 64 bytes, of 16, or of
 * neither. */
static void every_alignment_is_stored_right(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"f32", "f64", "c64", "i32", "bool"};
    static const int lanes[] = {4, 2, 2, 4, 4};
    for (size_t d = 0; d < 5; d++)
        for (int n = 64; n < 81; n++)
            lower_agree_format(
                0, NULL, 0,
                "nest copy\naxis i 3\naxis j %d\nbuffer A %s arg 0 elems %d\nbuffer B %s arg 1 elems %d\n"
                "loop i step 1\n    loop j step 16\n        move B[i: %d, j: 1]\n"
                "            src A[i: %d, j: 1]\n            expr $0 = %s src 0\n"
                "            tile j unroll %d, j lane %d\n            prefetch 0 256\n            stream\n",
                n, dtypes[d], 3 * n, dtypes[d], 3 * n, n, n, dtypes[d], 16 / lanes[d], lanes[d]);
}

static void rows_of_other_alignments_are_stored_right(void **state)
{
    (void)state;
    for (int pitch = 16; pitch < 34; pitch++)
        lower_agree_format(
            0, NULL, 0,
            "nest rows\naxis i 8\naxis j 16\nbuffer A f32 arg 0\nbuffer B f32 arg 1 elems %d\n"
            "loop i step 4\n    loop j step 4\n        move B[i: %d, j: 1]\n            src A[i: 1, j: 8]\n"
            "            expr $0 = f32 src 0\n            tile i unroll 4, j lane 4\n            stream\n",
            8 * pitch, pitch);
}

/* Nothing past the caches where an element may be stored twice, is read by the same leaf, or runs backwards. */
static void moves_in_an_order_that_counts_keep_it(void **state)
{
    (void)state;
    lower_agree("nest over\naxis i 4\naxis j 4\nbuffer A f32 arg 0\nbuffer B f32 arg 1 elems 16\n"
                "move B[j: 1, i: 0]\n    src A[i: 4, j: 1]\n    expr $0 = f32 src 0\n    tile i unroll 4, j lane 4\n"
                "    stream\n",
                0, NULL, 0);
    lower_agree("nest shift\naxis i 4\naxis j 4\nbuffer B f32 arg 0 elems 32\n"
                "move B[4; i: 4, j: 1]\n    src B[i: 4, j: 1]\n    expr $0 = f32 src 0\n    tile i unroll 4, j lane 4\n"
                "    stream\n",
                0, NULL, 0);
    lower_agree("nest back\naxis j 16\nbuffer A f32 arg 0\nbuffer B f32 arg 1 elems 16\n"
                "loop j step 4\n    move B[15; j: -1]\n        src A[j: 1]\n        expr $0 = f32 src 0\n"
                "        tile j lane 4\n        stream\n",
                0, NULL, 0);
}

static void open_sizes_and_blocks_are_stored_right(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 15, 16, 17, 48, 100, 256};
    lower_agree(
        "nest open\nsymbol z = 100\naxis i 3\naxis j z\nbuffer A f32 arg 0 elems 3*z\nbuffer B f32 arg 1 elems 3*z\n"
        "loop i step 1\n    loop j step 8\n        move B[i: z, j: 1]\n            src A[i: z, j: 1]\n"
        "            expr $0 = f32 src 0\n            tile j unroll 2, j lane 4\n            prefetch 0 64\n"
        "            stream\n",
        sizeof sizes / sizeof *sizes, sizes, 0);
    lower_agree(
        "nest blocks\naxis i 32\naxis j 4\nbuffer A f32 arg 0\nbuffer B f32 arg 1 elems 128\n"
        "loop i step 8\n    loop j step 1\n        move B[i: 1 block 8: 32, j: 8]\n            src A[i: 4, j: 1]\n"
        "            expr $0 = f32 src 0\n            tile i unroll 2, i lane 4\n            stream\n",
        0, NULL, 0);
}

/* First chunks of every length, before full ones and inside of longer ones; nothing streams, and boundaries mean
 * nothing. */
static void aligned_loops_cover_their_ranges(void **state)
{
    (void)state;
    for (int n = 1; n < 70; n++) {
        lower_agree_format(0, NULL, 0,
                           "nest first\naxis i 3\naxis j %d\nbuffer A f32 arg 0 elems %d\nbuffer B f32 arg 1 elems %d\n"
                           "loop i step 1\n    loop j step 16 aligned\n        move B[i: %d, j: 1]\n"
                           "            src A[i: %d, j: 1]\n            expr $0 = f32 src 0\n"
                           "            tile j unroll 4, j lane 4\n            stream\n",
                           n, 3 * n, 3 * n, n, n);
        lower_agree_format(
            0, NULL, 0,
            "nest inside\naxis i 3\naxis j %d\nbuffer A f64 arg 0 elems %d\nbuffer B f64 arg 1 elems %d\n"
            "buffer P f64 local elems 16\nloop i step 1\n    loop j step 16 aligned\n        place P\n"
            "        loop j step 4\n            move P[j: 1]\n                src A[i: %d, j: 1]\n"
            "                expr $0 = f64 src 0\n                tile j lane 4\n"
            "        loop j step 2 aligned\n            move B[i: %d, j: 1]\n                src P[j: 1]\n"
            "                expr $0 = f64 src 0\n                tile j lane 2\n                stream\n",
            n, 3 * n, 3 * n, n, n);
    }
    lower_agree("nest plain\naxis j 21\nbuffer A f32 arg 0 elems 21\nbuffer B f32 arg 1 elems 21\n"
                "loop j step 8 aligned\n    move B[j: 1]\n        src A[j: 1]\n        expr $0 = f32 src 0\n"
                "        tile j unroll 2, j lane 4\n",
                0, NULL, 0);
}

/* A row of `n` f32 and some rows of it go through a block; rows in the result and in the block are so many elements
 * apart. */
static const char through_block[] =
    "nest run\naxis i 3\naxis k 4\naxis j %d\nbuffer A f32 arg 0 elems %d\nbuffer B f32 arg 1 elems %d\n"
    "buffer P f32 local elems %d\nloop i step 1\n    place P\n    loop k step 1\n        loop j step 4\n"
    "            move P[k: %d, j: 1]\n                src A[i: %d, k: %d, j: 1]\n                expr $0 = f32 src 0\n"
    "                tile j lane 4\n    loop k step 1\n        loop j step 4\n            move B[i: %d, k: %d, j: 1]\n"
    "                src P[k: %d, j: 1]\n                expr $0 = f32 src 0\n                tile j lane 4\n"
    "                stream\n";

/* Pieces of every length, that begin anywhere in a line: of single rows, and of rows that follow each other. */
static void pieces_are_copied_whole(void **state)
{
    (void)state;
    lower_agree("nest nothing\naxis i 2\naxis j 0\nbuffer A f32 arg 0\nbuffer B f32 arg 1\n"
                "loop j step 1\n    move B[i: 0, j: 1]\n        src A[j: 1]\n        expr $0 = f32 src 0\n"
                "        tile i unroll 2\n        stream\n",
                0, NULL, 0);
    for (int n = 8; n < 52; n++)
        for (int apart = n; apart < n + 4; apart += 3)
            lower_agree_format(0, NULL, 0, through_block, n, 12 * n, 12 * apart, 4 * apart, apart, 4 * n, n, 4 * apart,
                               apart, apart);
}

/* Rows of whole lines go through a block, or past it: the result begins `shift` elements into an operand of `more`
 * elements more. */
static const char past_block[] =
    "nest turn\naxis i 3\naxis k 5\naxis j 48\nbuffer A f32 arg 0 elems 720\nbuffer B f32 arg 1 elems %d\n"
    "buffer P f32 local elems 240\nbuffer Q f32 reg elems 64\nloop i step 1\n    place P\n    loop j step 16\n"
    "        loop k step 4\n            place Q\n            move Q[k: 16, j: 1]\n                src A[i: 240, k: 1, "
    "j: 5]\n"
    "                expr $0 = f32 src 0\n                tile k unroll 4, j unroll 4, j lane 4\n"
    "                prefetch 0 80 far\n            move P[k: 48, j: 1]\n                src Q[k: 16, j: 1]\n"
    "                expr $0 = f32 src 0; $1 = f32 add $0 $0\n                tile k unroll 4, j unroll 4, j lane 4\n"
    "    loop k step 1\n        loop j step 4\n            move B[%d; i: 240, k: 48, j: 1]\n                src P[k: "
    "48, j: 1]\n"
    "                expr $0 = f32 src 0\n                tile j lane 4\n                stream\n";

static void whole_lines_need_not_wait(void **state)
{
    (void)state;
    for (int more = 0; more < 20; more++)
        for (int shift = 0; shift <= more; shift += 4) lower_agree_format(0, NULL, 0, past_block, 720 + more, shift);
}

/* Blocks that have to be written: they are read twice or as something else, or an element stands for several. */
static void what_is_read_again_waits(void **state)
{
    (void)state;
    static const char *const copies[] = {"    loop k step 1\n        move B[i: 64, k: 16, j: 1]\n            src P[k: "
                                         "16, j: 1]\n            expr $0 = f32 src 0\n"
                                         "            tile j unroll 4, j lane 4\n            stream\n    move C[]\n    "
                                         "    src P[5]\n        expr $0 = f32 src 0\n",
                                         "    loop k step 1\n        move B[48; i: 64, k: -16, j: 1]\n            src "
                                         "P[k: 16, j: 1]\n            expr $0 = f32 src 0\n"
                                         "            tile j unroll 4, j lane 4\n            stream\n    move C[]\n    "
                                         "    src A[5]\n        expr $0 = f32 src 0\n",
                                         "    loop k step 1\n        move B[i: 64, k: 16, j: 1]\n            src P[j: "
                                         "1]\n            expr $0 = f32 src 0\n"
                                         "            tile j unroll 4, j lane 4\n            stream\n    move C[]\n    "
                                         "    src A[5]\n        expr $0 = f32 src 0\n",
                                         "    loop k step 1\n        move B[i: 64, k: 16, j: 1]\n            src P[k: "
                                         "4, j: 1]\n            expr $0 = f32 src 0\n"
                                         "            tile j unroll 4, j lane 4\n            stream\n    move C[]\n    "
                                         "    src B[5]\n        expr $0 = f32 src 0\n"};
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
        lower_agree_format(0, NULL, 0,
                           "nest again\naxis i 3\naxis k 4\naxis j 16\nbuffer A f32 arg 0 elems 192\n"
                           "buffer B f32 arg 1 elems 192\nbuffer C f32 arg 2 elems 1\nbuffer P f32 local elems 64\n"
                           "loop i step 1\n    place P\n    loop k step 1\n        move P[k: 16, j: 1]\n"
                           "            src A[i: 64, k: 16, j: 1]\n            expr $0 = f32 src 0\n"
                           "            tile j unroll 4, j lane 4\n%s",
                           copies[i]);
}

/* Lengths that are known at run time; what lies apart on one side only; axes that one side alone walks. */
static void pieces_end_where_either_side_does(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 15, 16, 17, 48, 100, 256};
    lower_agree(
        "nest open\nsymbol z = 100\naxis i 3\naxis j z\nbuffer A f32 arg 0 elems 3*z\nbuffer B f32 arg 1 elems 3*z\n"
        "loop i step 1\n    loop j step 4\n        move B[i: z, j: 1]\n            src A[i: z, j: 1]\n"
        "            expr $0 = f32 src 0\n            tile j lane 4\n            stream\n",
        sizeof sizes / sizeof *sizes, sizes, 0);
    lower_agree(
        "nest rows\nsymbol z = 100\naxis i z\naxis j 33\nbuffer A f64 arg 0 elems 33*z\nbuffer B f64 arg 1 elems 33*z\n"
        "loop i step 1\n    loop j step 2\n        move B[i: 33, j: 1]\n            src A[i: 33, j: 1]\n"
        "            expr $0 = f64 src 0\n            tile j lane 2\n            stream\n",
        sizeof sizes / sizeof *sizes, sizes, 0);
    lower_agree("nest apart\naxis i 3\naxis j 40\nbuffer A f32 arg 0 elems 200\nbuffer B f32 arg 1 elems 120\n"
                "loop i step 1\n    loop j step 4\n        move B[i: 40, j: 1]\n            src A[i: 50, j: 1]\n"
                "            expr $0 = f32 src 0\n            tile j lane 4\n            stream\n",
                0, NULL, 0);
    lower_agree("nest spread\naxis i 3\naxis j 40\nbuffer A f32 arg 0 elems 40\nbuffer B f32 arg 1 elems 120\n"
                "loop i step 1\n    loop j step 4\n        move B[i: 40, j: 1]\n            src A[i: 0, j: 1]\n"
                "            expr $0 = f32 src 0\n            tile j lane 4\n            stream\n",
                0, NULL, 0);
}

/* Entries past the end of a table are not looked up: it ends at the end of a page. */
static void rows_ahead_stay_inside_of_tables(void **state)
{
    (void)state;
    for (int rows = 1; rows < 12; rows += 5)
        lower_agree_format(0, NULL, 0,
                           "nest gather\naxis e 7\naxis c 9\nbuffer A f32 arg 0 elems 45\n"
                           "buffer T i64 arg 1 elems 7 table 5\nbuffer B f32 arg 2 elems 63\n"
                           "loop e step 1\n    move B[e: 9, c: 1]\n        src A[e: 9 by T[e: 1], c: 1]\n"
                           "        expr $0 = f32 src 0\n        tile c unroll 3, c lane 4\n        rows %d\n",
                           rows);
}

static const char copy[] = "nest copy\naxis j 4096\nbuffer A f32 arg 0 elems 4096\nbuffer B f32 arg 1 elems 4096\n"
                           "loop j step %d\n    move B[j: 1]\n        src A[j: 1]\n        expr $0 = f32 src 0\n"
                           "        tile j unroll %d, j lane %d\n%s";

static char *assembly_of(const char *row, const char *text)
{
    const ej_target *target = ej_target_by_name(row);
    char *out = NULL;
    nest_case c;
    ej_text dump;
    lower_code code;
    if (!target) return NULL;
    nest_open(&c);
    if (nest_parse(&c, text)) fail_msg("%s", c.err.text);
    ej_text_init(&dump, &c.arena);
    lower_compile(&code, &c, target, 1u << EJ_STAGE_ASM, &dump);
    lower_free(&code);
    out = malloc(strlen(dump.data) + 1);
    assert_non_null(out);
    strcpy(out, dump.data);
    nest_close(&c);
    return out;
}

static char *assembly(const char *row, int lanes, const char *hints)
{
    char text[512];
    snprintf(text, sizeof text, copy, 64, 64 / lanes, lanes, hints);
    return assembly_of(row, text);
}

/* Four lines: whole vectors, the same in pieces of 16 bytes, one fence. */
static void hints_are_instructions(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        int lanes, stores;
    } rows[] = {{"avx512", 16, 4 + 16}, {"avx2", 8, 8 + 16}, {"sse2", 4, 16}};
    for (size_t r = 0; r < 3; r++) {
        char *with = assembly(rows[r].row, rows[r].lanes, "        prefetch 0 512\n        stream\n");
        char *without = assembly(rows[r].row, rows[r].lanes, "");
        if (!with) continue; /* another architecture */
        assert_int_equal(count(with, "movnt"), rows[r].stores);
        assert_int_equal(count(with, "sfence"), 1);
        assert_int_equal(count(with, "prefetch"), 4);
        assert_int_equal(count(without, "movnt") + count(without, "sfence") + count(without, "prefetch"), 0);
        free(with);
        free(without);
    }
}

/* Of one source, or of all that lie in memory. */
static void every_source_is_asked_for(void **state)
{
    (void)state;
    static const char product[] =
        "nest product\naxis j 1024\nbuffer A f32 arg 0 elems 1024\nbuffer B f32 arg 1 elems 1024\n"
        "buffer R f32 reg elems 64\nbuffer C f32 arg 2 elems 1024\nloop j step 64\n    place R\n"
        "    move R[j: 1]\n        src A[j: 1]\n        expr $0 = f32 src 0\n        tile j unroll 4, j lane 16\n"
        "    move C[j: 1]\n        src A[j: 1]\n        src R[j: 1]\n        src B[j: 1]\n"
        "        expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1; $3 = f32 src 2; $4 = f32 mul $2 $3\n"
        "        tile j unroll 4, j lane 16\n        prefetch %s 512 far\n";
    static const char *const sources[] = {"2", "all"};
    for (int i = 0; i < 2; i++) {
        char text[1024], *found;
        snprintf(text, sizeof text, product, sources[i]);
        if (!(found = assembly_of("avx512", text))) return; /* another architecture */
        assert_int_equal(count(found, "prefetcht1"), i ? 8 : 4);
        free(found);
    }
}

/* A line of the copy of runs has 4 stores; blocks of 4 by 16 elements, and of 1 by 16, which need not wait, 16 and 4.
 * Prefetches go to the L2. */
static void blocks_are_passed_by(void **state)
{
    (void)state;
    char text[2048], *passed, *waits;
    snprintf(text, sizeof text, past_block, 720, 0);
    if (!(passed = assembly_of("sse2", text))) return; /* another architecture */
    char *rows = strstr(text, "k: 48, j: 1]\n                src P");
    assert_non_null(rows);
    memcpy(rows, "k: 47", 5); /* rows that are no whole lines */
    waits = assembly_of("sse2", text);
    assert_int_equal(count(passed, "movnt"), 4 + 16 + 4);
    assert_int_equal(count(waits, "movnt"), 4);
    assert_int_equal(count(passed, "prefetcht1"), count(passed, "prefetch"));
    assert_true(count(passed, "prefetcht1") > 0);
    free(passed);
    free(waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_alignment_is_stored_right),
        cmocka_unit_test(rows_of_other_alignments_are_stored_right),
        cmocka_unit_test(moves_in_an_order_that_counts_keep_it),
        cmocka_unit_test(aligned_loops_cover_their_ranges),
        cmocka_unit_test(pieces_are_copied_whole),
        cmocka_unit_test(pieces_end_where_either_side_does),
        cmocka_unit_test(whole_lines_need_not_wait),
        cmocka_unit_test(what_is_read_again_waits),
        cmocka_unit_test(rows_ahead_stay_inside_of_tables),
        cmocka_unit_test(open_sizes_and_blocks_are_stored_right),
        cmocka_unit_test(hints_are_instructions),
        cmocka_unit_test(every_source_is_asked_for),
        cmocka_unit_test(blocks_are_passed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
