/* The text form of nests: what it holds, how it fails, and that nothing crashes on malformed text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nest_support.h"
#include "scarce_memory.h"

/* The canonical form of everything there is. */
static const char everything[] =
    "nest every\n"
    "symbol z = 1000\n"
    "symbol n = 7\n"
    "axis i z parallel\n"
    "axis k 4*z + 3 reduced\n"
    "axis q min(8, z)\n"
    "buffer A f32 arg 0\n"
    "buffer T i64 const 2 elems 9 table 4*z\n"
    "buffer S c64 scratch elems z*n at align(8*z, 64)\n"
    "buffer L f64 local elems 12 at 128\n"
    "buffer R f32 reg elems 8\n"
    "place L\n"
    "loop i step 4\n"
    "    place R\n"
    "    loop k step 2 aligned\n"
    "        move R[]\n"
    "            expr $0 = f32 const -0.0\n"
    "        max R[3; i: 1, q: 0]\n"
    "            src A[-z + 5; i: -4*z, k: 1 block 16: 4096]\n"
    "            src A[i: 2, q: 4 by T[n; q: -1]]\n"
    "            expr $0 = f32 src 0; $1 = f32 src 1; $2 = bool lt $0 $1; $3 = f32 where $2 $0 $1; $4 = f32 cast $3\n"
    "            tile i unroll 4, k lane 2, q lane 8\n"
    "            prefetch 1 512 far\n"
    "            rows 8\n"
    "            pairs\n"
    "move S[8]\n"
    "    expr $0 = c64 const 1.5 -inf\n"
    "    prefetch all 64\n"
    "    stream\n"
    "loop q step 9223372036854775807\n";

static void round_trip(const char *text, const char *want)
{
    nest_case c;
    nest_open(&c);
    if (nest_parse(&c, text)) fail_msg("line %d: %s", (int)c.err.line, c.err.text);
    assert_string_equal(nest_print(&c), want);
    nest_close(&c);
}

static void everything_prints_as_it_was_read(void **state)
{
    (void)state;
    round_trip(everything, everything);
}

static void times_of_nodes_print_as_they_were_read(void **state)
{
    (void)state;
    static const char text[] =
        "nest -\naxis i 8\naxis k 9 reduced\nbuffer A f32 arg 0\nbuffer R f32 reg elems 1\n"
        "loop k step 4\n    when later i\n    place R\n    loop i step 1\n        when earlier i, k\n"
        "        move A[i: 1]\n            when first k, i\n            expr $0 = f32 const 0.0\n"
        "        move A[i: 1]\n            when last k\n            expr $0 = f32 const 0.0\n";
    round_trip(text, text);
}

static void what_was_read_is_in_the_nest(void **state)
{
    (void)state;
    nest_case c;
    nest_open(&c);
    assert_int_equal(nest_parse(&c, everything), EINJIT_OK);
    const ej_nest *nest = &c.nest;
    assert_int_equal(nest->n_axes, 3);
    assert_int_equal(nest->axes[0].extent.n, 1000);
    assert_int_equal(nest->axes[1].extent.n, 4003);
    assert_int_equal(nest->axes[2].extent.n, 8);
    assert_int_equal(nest->axes[1].run, EJ_RUN_REDUCED);
    assert_int_equal(nest->n_buffers, 5);
    assert_true(nest->buffers[1].is_table && !nest->buffers[2].is_table);
    assert_int_equal(nest->buffers[1].limit.n, 4000);
    assert_int_equal(nest->buffers[2].elems.n, 7000);
    assert_int_equal(nest->buffers[2].offset_bytes.n, 8000);
    assert_int_equal(nest->placed[0], 3);
    const ej_nest_node *loop = &nest->nodes[nest->root];
    assert_int_equal(loop->placed[0], 4);
    const ej_nest_node *leaf = &nest->nodes[nest->nodes[nest->nodes[loop->child].child].next];
    assert_int_equal(leaf->kind, EJ_NEST_LEAF);
    assert_int_equal(leaf->reduce, EINJIT_REDUCE_MAX);
    assert_int_equal(leaf->n_src, 2);
    assert_int_equal(leaf->src[0].base.n, -995);
    assert_int_equal(leaf->src[0].terms[1].block, 16);
    assert_int_equal(leaf->src[0].terms[1].block_stride.n, 4096);
    assert_int_equal(leaf->src[1].terms[1].table, 1);
    assert_int_equal(leaf->src[1].terms[1].tbase.n, 7);
    assert_int_equal(leaf->src[1].terms[1].tstride.n, -1);
    assert_int_equal(leaf->tile.n, 3);
    assert_int_equal(leaf->tile.digits[1].place, EJ_LANE);
    assert_int_equal(leaf->expr.n, 5);
    assert_int_equal(leaf->expr.ops[3].c, 1);
    nest_close(&c);
}

static void names_that_cannot_refer_become_numbers(void **state)
{
    (void)state;
    static const char text[] = "nest \"two words\"\n"
                               "axis i 2\n"
                               "axis i 3\n"
                               "axis \"a \\x22\\x0a\" 4\n"
                               "axis \xC3\xA9 5\n"
                               "buffer - f32 arg 0\n"
                               "loop %0 step 1\n"
                               "    loop %1 step 1\n"
                               "        loop %2 step 1\n"
                               "            move %0[%0: 1, %1: 2, %2: 3, \xC3\xA9: 4]\n"
                               "                expr $0 = f32 const nan\n";
    round_trip(text, text);
}

static void comments_and_spacing_do_not_matter(void **state)
{
    (void)state;
    round_trip("# a\n\nnest  x # b\r\naxis i 1 + 2*3\n   # c\nbuffer A f32 arg 0 at 8 \nmove  A [ 1 ;i:(2) ]\n\n    "
               "expr $0=f32 const 1\n",
               "nest x\naxis i 7\nbuffer A f32 arg 0 at 8\nmove A[1; i: 2]\n    expr $0 = f32 const 1.0\n");
}

static void sizes_nested_deeply_are_named(void **state)
{
    (void)state;
    static const char text[] = "nest deep\nsymbol z = 100\n"
                               "axis i max(min(max(min(z, 90), 7), z), ceil_div(z + align(z, 16), 3))\n";
    nest_case c, again;
    nest_open(&c);
    assert_int_equal(nest_parse(&c, text), EINJIT_OK);
    const char *first = nest_print(&c);
    nest_open(&again);
    if (nest_parse(&again, first)) fail_msg("%s in %s", again.err.text, first);
    assert_string_equal(nest_print(&again), first);
    assert_int_equal(again.nest.axes[0].extent.n, c.nest.axes[0].extent.n);
    nest_close(&again);
    nest_close(&c);
}

static void a_chain_of_deep_sizes_round_trips(void **state)
{
    (void)state;
    nest_case c, again;
    nest_open(&c);
    ej_size z, x;
    assert_int_equal(ej_sizes_symbol(&c.sizes, "z", 50, &z, NULL), EINJIT_OK);
    x = z;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(ej_size_align(&c.sizes, x, 64, &x, NULL), EINJIT_OK);
        assert_int_equal(ej_size_add(&c.sizes, x, z, &x, NULL), EINJIT_OK);
    }
    ej_nest_init(&c.nest, "chain");
    assert_int_equal(ej_nest_axis(&c.nest, &c.arena, "i", x, EJ_RUN_PARALLEL, NULL), EINJIT_OK);
    const char *first = nest_print(&c);
    assert_non_null(strstr(first, "derived @"));
    nest_open(&again);
    if (nest_parse(&again, first)) fail_msg("%s in %s", again.err.text, first);
    assert_string_equal(nest_print(&again), first);
    assert_int_equal(again.nest.axes[0].extent.n, x.n);
    nest_close(&again);
    nest_close(&c);
}

static void constants_keep_their_bits(void **state)
{
    (void)state;
    static const double values[] = {0.1, 1e300, 5e-324, -0.0, 3.402823466385288598e38, 1.0 / 3};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        nest_case c, again;
        nest_open(&c);
        nest_open(&again);
        ej_nest_init(&c.nest, "x");
        ej_buffer a = {.name = "A", .dtype = EINJIT_F64};
        ej_expr_op op = {.kind = EJ_EXPR_CONST, .dtype = EINJIT_F64, .re = values[i]};
        ej_nest_node leaf = {.expr = {1, &op}, .reduce = EJ_REDUCE_NONE};
        assert_int_equal(ej_nest_buffer(&c.nest, &c.arena, &a, NULL), EINJIT_OK);
        assert_int_equal(ej_nest_leaf(&c.nest, &c.arena, -1, &leaf, NULL), EINJIT_OK);
        assert_int_equal(nest_parse(&again, nest_print(&c)), EINJIT_OK);
        assert_memory_equal(&again.nest.nodes[0].expr.ops[0].re, &values[i], sizeof values[i]);
        nest_close(&again);
        nest_close(&c);
    }
}

static void refuses(const char *text, int line, const char *what)
{
    nest_case c;
    nest_open(&c);
    int status = nest_parse(&c, text);
    if (status != EINJIT_E_SYNTAX || c.err.line != line || !strstr(c.err.text, what))
        fail_msg("status %d, line %d, '%s' for: %s", status, (int)c.err.line, c.err.text, text);
    nest_close(&c);
}

static void malformed_text_is_refused_at_its_line(void **state)
{
    (void)state;
#define HEAD "nest x\naxis i 4\naxis j 4\nbuffer A f32 arg 0\n"
    refuses("nest x\nwhat\n", 2, "a line of a nest");
    refuses("axis i\n", 1, "a number");
    refuses("axis i z\n", 1, "a symbol");
    refuses("axis i 4 sideways\n", 1, "parallel or reduced");
    refuses("axis i 99999999999999999999\n", 1, "64 bits");
    refuses("axis i 4 parallel 5\n", 1, "the end of the line");
    refuses("symbol z = -1\n", 1, "a name and an extent");
    refuses("symbol z = 1\naxis i ceil_div(z, 2)\nsymbol y = 3\n", 3, "symbols before");
    refuses("symbol z = 1\naxis i ceil_div(z, 0)\n", 2, "a positive number");
    refuses("axis i @4\n", 1, "a derived size");
    refuses("buffer A f31 arg 0\n", 1, "a dtype");
    refuses("buffer A f32 attic 0\n", 1, "a home");
    refuses("buffer A f32 arg\n", 1, "a number");
    refuses("buffer \"A f32 arg 0\n", 1, "a quote");
    refuses("buffer \"\\x0\" f32 arg 0\n", 1, "two hexadecimal digits");
    refuses(HEAD "loop k step 1\n", 5, "an axis");
    refuses(HEAD "loop i step 0\n", 5, "a step of at least 1");
    refuses(HEAD "loop i\n", 5, "step");
    refuses(HEAD "  loop i step 1\n", 5, "four spaces");
    refuses(HEAD "    loop i step 1\n", 5, "less indentation");
    refuses(HEAD "loop i step 1\n        loop j step 1\n", 6, "less indentation");
    refuses(HEAD "place B\n", 5, "a buffer");
    refuses(HEAD "move B[]\n", 5, "a buffer");
    refuses(HEAD "move A[i 4]\n", 5, "a symbol");
    refuses(HEAD "move A[1; i: 4\n", 5, "']'");
    refuses(HEAD "move A[1; %7: 4]\n", 5, "an axis");
    refuses(HEAD "move A[i: 4 block 0: 3]\n", 5, "a block");
    refuses(HEAD "move A[i: 4 by A[j: 1]]\n", 5, "the same axis");
    refuses(HEAD "move A[i: 4 by A[3]]\n", 5, "the axis");
    refuses(HEAD "src A[]\n", 5, "a leaf");
    refuses(HEAD "move A[]\nsrc A[]\n", 6, "a leaf");
    refuses(HEAD "move A[]\n    expr $1 = f32 const 1\n", 6, "the next number");
    refuses(HEAD "move A[]\n    expr $0 = f32 neg $0\n", 6, "came before");
    refuses(HEAD "move A[]\n    expr $0 = f32 sneeze $0\n", 6, "a function");
    refuses(HEAD "move A[]\n    expr $0 = f32 const x\n", 6, "a number");
    refuses(HEAD "move A[]\n    expr $0 = i32 const 1.5\n", 6, "the end of the line");
    refuses(HEAD "move A[]\n    tile i sideways 4\n", 6, "lane or unroll");
    refuses(HEAD "move A[]\n    tile i lane 4000000000\n", 6, "32 bits");
    refuses(
        HEAD
        "move A[]\n    tile i lane 2, i lane 2, i lane 2, i lane 2, i lane 2, i lane 2, i lane 2, i lane 2, i lane 2\n",
        6, "8 digits");
    refuses("axis i ((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))\n", 1,
            "parentheses");
#undef HEAD
}

static void a_nest_of_numbers_needs_no_table_of_sizes(void **state)
{
    (void)state;
    nest_case c;
    nest_open(&c);
    static const char numbers[] = "nest x\naxis i 4\n", symbols[] = "symbol z = 4\n", sum[] = "axis i 4 + 4\n";
    assert_int_equal(ej_nest_parse(&c.nest, NULL, &c.arena, numbers, sizeof numbers - 1, NULL), EINJIT_OK);
    assert_int_equal(ej_nest_parse(&c.nest, NULL, &c.arena, symbols, sizeof symbols - 1, NULL), EINJIT_E_SYNTAX);
    assert_int_equal(ej_nest_parse(&c.nest, NULL, &c.arena, sum, sizeof sum - 1, NULL), EINJIT_E_SYNTAX);
    nest_close(&c);
}

/* Every prefix, and texts with bytes and words exchanged: an error or a nest, which is then printed and checked. */
static void try_text(const char *text, size_t length)
{
    nest_case c;
    nest_open(&c);
    char *exact = malloc(length ? length : 1); /* no NUL behind it */
    assert_non_null(exact);
    memcpy(exact, text, length);
    int status = ej_nest_parse(&c.nest, &c.sizes, &c.arena, exact, length, &c.err);
    if (status == EINJIT_OK) {
        assert_non_null(nest_print(&c));
        status = ej_nest_check(&c.nest, NULL, &c.err);
        assert_true(status == EINJIT_OK || status == EINJIT_E_INTERNAL);
    } else {
        assert_true(c.err.text[0] != 0);
    }
    free(exact);
    nest_close(&c);
}

static void no_malformed_text_crashes(void **state)
{
    (void)state;
    static const char junk[] = "\n \t#$%@:;,=[]()-+*09azAZ_\"\\\x80\xff\0";
    size_t n = sizeof everything - 1;
    for (size_t length = 0; length <= n; length++) try_text(everything, length);
    uint32_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        char text[sizeof everything];
        memcpy(text, everything, sizeof text);
        for (int change = 0; change < 1 + round % 4; change++) {
            seed = seed * 1664525u + 1013904223u;
            size_t at = (seed >> 8) % n, from = (seed >> 4) % n, length = (seed >> 16) % 12;
            if (round % 2) text[at] = junk[(seed >> 20) % sizeof junk];
            else if (at + length < n && from + length < n) memmove(text + at, text + from, length);
        }
        try_text(text, n);
    }
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    int status = EINJIT_E_NOMEM;
    for (long allowed = 0; status != EINJIT_OK && allowed < 10000; allowed++) {
        scarce_memory memory;
        scarce_memory_init(&memory, allowed);
        nest_case c;
        memset(&c, 0, sizeof c);
        ej_arena_init(&c.arena, &memory.hooks);
        ej_sizes_init(&c.sizes, &c.arena);
        status = nest_parse(&c, everything);
        if (status == EINJIT_OK) {
            ej_text text;
            ej_text_init(&text, &c.arena);
            ej_nest_print(&text, &c.nest, &c.sizes);
            if (text.failed) status = EINJIT_E_NOMEM;
        }
        assert_true(status == EINJIT_OK || status == EINJIT_E_NOMEM);
        nest_close(&c);
        assert_int_equal(memory.live, 0);
    }
    assert_int_equal(status, EINJIT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_prints_as_it_was_read),
        cmocka_unit_test(times_of_nodes_print_as_they_were_read),
        cmocka_unit_test(what_was_read_is_in_the_nest),
        cmocka_unit_test(names_that_cannot_refer_become_numbers),
        cmocka_unit_test(comments_and_spacing_do_not_matter),
        cmocka_unit_test(sizes_nested_deeply_are_named),
        cmocka_unit_test(a_chain_of_deep_sizes_round_trips),
        cmocka_unit_test(constants_keep_their_bits),
        cmocka_unit_test(malformed_text_is_refused_at_its_line),
        cmocka_unit_test(a_nest_of_numbers_needs_no_table_of_sizes),
        cmocka_unit_test(no_malformed_text_crashes),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
