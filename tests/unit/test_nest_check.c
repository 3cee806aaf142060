/* Each rule of the checker fires, and lets what is legal pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "nest_support.h"

static const ej_target avx2 = {.name = "avx2", .vector_bytes = 32, .vector_registers = 16};

#define HEAD \
    "nest x\nsymbol z = 9\naxis i 4\naxis j 20\naxis e z\naxis m 5\nbuffer A f32 arg 0\nbuffer B f64 arg 1\n" \
    "buffer T i32 const 0 elems 20\nbuffer F f32 const 1 elems 20\nbuffer L f32 local elems 80\n" \
    "buffer R f32 reg elems 64\nbuffer M i64 reg elems 4\nbuffer P c64 arg 2\nbuffer Q bool arg 3\n"
#define ZERO "expr $0 = f32 const 0.0\n"
#define COPY "expr $0 = f32 src 0\n"

static int check(nest_case *c, const char *text)
{
    nest_open(c);
    if (nest_parse(c, text)) fail_msg("line %d: %s", (int)c->err.line, c->err.text);
    return ej_nest_check(&c->nest, &avx2, &c->err);
}

static void passes(const char *text)
{
    nest_case c;
    if (check(&c, text)) fail_msg("%s", c.err.text);
    nest_close(&c);
}

static void refuses(const char *text, const char *what)
{
    nest_case c;
    int status = check(&c, text);
    if (status != EINJIT_E_INTERNAL || !strstr(c.err.text, what))
        fail_msg("status %d '%s', not '%s', for: %s", status, c.err.text, what, text);
    nest_close(&c);
}

static void legal_trees_pass(void **state)
{
    (void)state;
    passes(HEAD);
    passes(HEAD "move A[]\n    " ZERO);
    passes(HEAD "loop i step 1\n    loop j step 16\n        move A[i: 1, j: 4]\n            " ZERO
                "            tile j unroll 2, j lane 8\n");
    passes(HEAD "loop e step 8\n    move A[e: 1]\n        " ZERO "        tile e lane 8\n");
}

static void placed_buffers_stay_where_they_are_placed(void **state)
{
    (void)state;
    passes(HEAD "loop i step 1\n    place L\n    move L[]\n        " ZERO);
    refuses(HEAD "move L[]\n    " ZERO, "outside of where it is placed");
    refuses(HEAD "loop i step 1\n    place L\nmove L[]\n    " ZERO, "outside of where it is placed");
    refuses(HEAD "move A[]\n    src L[]\n    " COPY, "outside of where it is placed");
    refuses(HEAD "place L\nplace L\n", "placed twice");
    refuses(HEAD "place A\n", "is not placed");
}

static void accesses_stay_inside_of_placed_buffers(void **state)
{
    (void)state;
    passes(HEAD "place L\nloop j step 8\n    loop i step 1\n        move L[i: 20, j: 1]\n            " ZERO
                "            tile j lane 8\n");
    refuses(HEAD "place L\nloop j step 8\n    loop i step 1\n        move L[i: 21, j: 1]\n            " ZERO
                 "            tile j lane 8\n",
            "which has 80");
    refuses(HEAD "place L\nmove L[80]\n    " ZERO, "elements 80 to 80");
    refuses(HEAD "place L\nloop i step 1\n    move L[i: -1]\n        " ZERO, "elements -3 to 0");
    passes(HEAD "place L\nloop j step 8\n    move L[j: 1 block 8: 32]\n        " ZERO "        tile j lane 8\n");
    refuses(HEAD "place L\nloop j step 8\n    move L[j: 1 block 8: 40]\n        " ZERO "        tile j lane 8\n",
            "elements 0 to 87");
    refuses(HEAD
            "place R\nloop j step 1\n    loop i step 1\n        move A[]\n            src R[j: 4]\n            " COPY,
            "which has 64");
}

static void terms_are_well_formed(void **state)
{
    (void)state;
    passes(HEAD "loop j step 1\n    move A[j: 4 by T[j: 1]]\n        " ZERO);
    refuses(HEAD "loop j step 1\n    move A[j: 4, j: 1]\n        " ZERO, "two terms of one access");
    refuses(HEAD "loop j step 1\n    move A[j: 4 by F[j: 1]]\n        " ZERO, "a table of f32");
    refuses(HEAD "place M\nloop i step 1\n    move A[i: 4 by M[i: 1]]\n        " ZERO, "lies in registers");
    refuses(HEAD "loop j step 1\n    move A[j: 4 block 2: 3 by T[j: 1]]\n        " ZERO, "a block and a table");
    refuses(HEAD "move T[]\n    expr $0 = i32 const 0\n", "writes a constant");
}

static void expressions_fit(void **state)
{
    (void)state;
    refuses(HEAD "move A[]\n", "no expression");
    refuses(HEAD "move A[]\n    " COPY, "no source 0");
    refuses(HEAD "move A[]\n    src B[]\n    " COPY, "source 0 is f64, read as f32");
    refuses(HEAD "move A[]\n    expr $0 = f64 const 1.0\n", "gives f64 for a buffer of f32");
    passes(HEAD "move A[]\n    src B[]\n    expr $0 = f64 src 0; $1 = f32 cast $0\n");
    refuses(HEAD "move A[]\n    expr $0 = f32 const 1.0; $1 = f64 const 1.0; $2 = f32 add $0 $1\n", "operand 1 of add");
    refuses(HEAD "move A[]\n    expr $0 = f32 const 1.0; $1 = f32 lt $0 $0\n", "lt of f32 does not give f32");
    refuses(HEAD "move P[]\n    expr $0 = c64 const 1.0 0.0; $1 = c64 log $0\n", "log of c64");
    refuses(HEAD "move P[]\n    expr $0 = c64 const 1.0 0.0; $1 = c64 abs $0\n", "abs of c64 does not give c64");
    refuses(HEAD "move A[]\n    expr $0 = f32 const 1.0; $1 = f32 where $0 $0 $0\n", "where of f32");
    passes(HEAD "move A[]\n    expr $0 = bool const 1; $1 = f32 const 2.0; $2 = f32 where $0 $1 $1\n");
    refuses(HEAD "move Q[]\n    expr $0 = f32 const 1.0; $1 = bool logical_not $0\n", "logical_not of f32");
    refuses(HEAD "mean A[]\n    " ZERO, "no such reduction");
    refuses(HEAD "buffer H f16 arg 4\nmove H[]\n    src H[]\n    expr $0 = f16 src 0; $1 = f16 add $0 $0\n",
            "no dtype to compute with");
    refuses(HEAD "buffer H bf16 arg 4\nsum H[]\n    src H[]\n    expr $0 = bf16 src 0\n", "no dtype to compute with");
    passes(HEAD
           "buffer H f16 arg 4\nmove H[]\n    src H[]\n    expr $0 = f16 src 0; $1 = f32 cast $0; $2 = f16 cast $1\n");
}

static void tiles_cover_their_ranges(void **state)
{
    (void)state;
    refuses(HEAD "move A[i: 1]\n    " ZERO, "1 values of axis 'i', whose range is up to 4");
    refuses(HEAD "loop j step 8\n    move A[j: 1]\n        " ZERO "        tile j lane 4\n", "range is up to 8");
    refuses(HEAD "move A[e: 1]\n    " ZERO "    tile e lane 8\n", "no loop limits the range of axis 'e'");
    refuses(HEAD "loop i step 1\n    move A[i: 1]\n        " ZERO "        tile j lane 8\n", "does not have");
    refuses(HEAD "move A[i: 1]\n    " ZERO "    tile i unroll 4, i lane 1\n", "digit 1 counts to 1");
    passes(HEAD "move A[i: 1]\n    " ZERO "    tile i unroll 2, i lane 4\n");
    passes(HEAD "move A[]\n    src B[i: 0]\n    expr $0 = f64 src 0; $1 = f32 cast $0\n    tile i unroll 4\n");
}

static void lanes_fit_a_register(void **state)
{
    (void)state;
    passes(HEAD "loop j step 8\n    move A[j: 1]\n        " ZERO "        tile j lane 8\n");
    refuses(HEAD "loop j step 16\n    move A[j: 1]\n        " ZERO "        tile j lane 16\n", "16 lanes");
    refuses(HEAD "loop j step 8\n    move B[j: 1]\n        expr $0 = f64 const 0.0\n        tile j lane 8\n",
            "8 lanes, where a register holds 4");
    refuses(HEAD "loop j step 8\n    move A[i: 1, j: 1]\n        " ZERO "        tile i lane 4, j lane 8\n",
            "32 lanes");
    passes(HEAD "loop j step 8\n    move P[j: 1]\n        expr $0 = c64 const 0.0 0.0\n        tile j lane 8\n");
}

static void hints_are_about_memory(void **state)
{
    (void)state;
#define LEAF "loop i step 1\n    place R\n    "
    passes(HEAD LEAF
           "move A[i: 1]\n        src B[i: 1]\n        expr $0 = f64 src 0; $1 = f32 cast $0\n        prefetch 0 64\n"
           "        stream\n");
    passes(HEAD LEAF "sum R[]\n        src A[i: 1]\n        " COPY "        prefetch 0 64\n");
    passes(HEAD LEAF "move A[i: 1]\n        src R[]\n        " COPY "        prefetch all 64\n");
    refuses(HEAD LEAF "move R[]\n        src A[i: 1]\n        " COPY "        stream\n", "only moves to memory");
    refuses(HEAD LEAF "sum A[]\n        src A[i: 1]\n        " COPY "        stream\n", "only moves to memory");
    refuses(HEAD LEAF "move A[i: 1]\n        src R[]\n        " COPY "        prefetch 0 64\n", "prefetches registers");
    refuses(HEAD LEAF "move R[]\n        src A[i: 1]\n        " COPY "        prefetch 1 64\n",
            "no source 1 to prefetch");
    refuses(HEAD LEAF "move R[]\n        src A[i: 1]\n        " COPY "        prefetch 0 0 far\n", "nothing to the L2");
    refuses(HEAD LEAF "move R[]\n        src A[i: 1]\n        " COPY "        prefetch 0 -64\n", "-64 bytes ahead");
    passes(HEAD LEAF "move R[]\n        src A[i: 1]\n        " COPY "        rows 16\n");
    refuses(HEAD LEAF "move R[]\n        src A[i: 1]\n        " COPY "        rows 1025\n", "1025 entries ahead");
#undef LEAF
}

/* Two products of bf16 an instruction, which adds them up. */
static void pairs_are_products_of_bf16(void **state)
{
    (void)state;
#define WIDENED "$0 = bf16 src 0; $1 = f32 cast $0; $2 = bf16 src 1; $3 = f32 cast $2"
#define LEAF(reduce, expr) \
    HEAD "buffer H bf16 arg 4\nloop i step 1\n    " reduce " A[]\n        src H[i: 1]\n        src H[i: 2]\n" \
         "        expr " expr "\n        pairs\n"
    passes(LEAF("sum", WIDENED "; $4 = f32 mul $1 $3"));
    refuses(LEAF("max", WIDENED "; $4 = f32 mul $1 $3"), "no products of bf16 or short integers");
    refuses(LEAF("move", WIDENED "; $4 = f32 mul $1 $3"), "no products of bf16 or short integers");
    refuses(LEAF("sum", WIDENED "; $4 = f32 add $1 $3"), "no products of bf16 or short integers");
    refuses(LEAF("sum", WIDENED "; $4 = f32 mul $1 $3; $5 = f32 neg $4"), "no products of bf16 or short integers");
    refuses(LEAF("sum", "$0 = bf16 src 0; $1 = f32 cast $0; $2 = f32 mul $1 $1; $3 = f32 mul $1 $2"),
            "no products of bf16 or short integers");
#undef LEAF
#undef WIDENED
}

static void blocks_are_not_crossed_by_tiles(void **state)
{
    (void)state;
    passes(HEAD "loop j step 16\n    loop j step 8\n        move A[j: 1 block 16: 64]\n            " ZERO
                "            tile j lane 8\n");
    refuses(HEAD "loop j step 8\n    move A[j: 1 block 12: 64]\n        " ZERO "        tile j lane 8\n",
            "may cross blocks");
    refuses(HEAD "loop j step 12\n    loop j step 8\n        move A[j: 1 block 16: 64]\n            " ZERO
                 "            tile j lane 8\n",
            "may cross blocks");
    passes(HEAD "loop j step 12\n    place L\n    loop j step 8\n        move L[j: 1 block 16: 64]\n            " ZERO
                "            tile j lane 8\n");
}

#define REG_HEAD HEAD "loop j step 8\n    place R\n"

static void registers_have_one_lane_map(void **state)
{
    (void)state;
#define FILL "    move R[i: 8, j: 1]\n        " ZERO "        tile i unroll 4, j lane 8\n"
    passes(REG_HEAD FILL "    move A[i: 20, j: 1]\n        src R[i: 8, j: 1]\n        " COPY
                         "        tile i unroll 4, j lane 8\n");
    /* the shuffle: any leaf may read under other lanes, but what it writes itself */
    passes(REG_HEAD FILL "    move A[i: 20, j: 1]\n        src R[i: 8, j: 1]\n        " COPY
                         "        tile j unroll 8, i lane 4\n");
    passes(REG_HEAD FILL
           "    move A[i: 20, j: 1]\n        src R[i: 8, j: 1]\n        expr $0 = f32 src 0; $1 = f32 neg $0\n"
           "        tile j unroll 8, i lane 4\n");
    passes(REG_HEAD FILL "    sum A[j: 1]\n        src R[i: 8, j: 1]\n        src B[i: 1]\n"
                         "        expr $0 = f32 src 0; $1 = f64 src 1; $2 = f32 cast $1; $3 = f32 mul $0 $2\n"
                         "        tile j unroll 8, i lane 4\n");
    refuses("nest x\naxis i 4\naxis j 4\nbuffer R f32 reg elems 16\nplace R\n"
            "move R[i: 4, j: 1]\n    " ZERO "    tile i unroll 4, j lane 4\n"
            "move R[i: 4, j: 1]\n    src R[i: 1, j: 4]\n    " COPY "    tile i unroll 4, j lane 4\n",
            "different lane maps");
    refuses(REG_HEAD FILL "    move R[i: 8, j: 1]\n        " ZERO "        tile j unroll 8, i lane 4\n",
            "different lane maps");
    refuses(REG_HEAD FILL "    sum R[4; i: 8, j: 1]\n        " ZERO "        tile i unroll 4, j lane 8\n",
            "different lane maps");
    /* lanes behind the end of a range are masked: rows of 5 may lie close together */
    passes(REG_HEAD "    move R[i: 5, m: 1]\n        " ZERO "        tile i unroll 4, m lane 8\n");
    /* reading what lanes sum into one register is no other map */
    passes(REG_HEAD "    move R[i: 1]\n        " ZERO "        tile i unroll 4\n"
                    "    sum R[i: 1]\n        src A[i: 20, j: 1]\n        " COPY "        tile i unroll 4, j lane 8\n");
#undef FILL
}

static void register_accesses_are_constant(void **state)
{
    (void)state;
    refuses(HEAD "loop j step 8\n    place R\n    loop i step 1\n        move R[i: 8]\n            " ZERO,
            "a loop over axis 'i' runs between");
    refuses(HEAD "loop j step 8\n    place R\n    loop j step 1\n        move R[j: 1]\n            " ZERO,
            "a loop over axis 'j' runs between");
    refuses(HEAD "loop e step 1\n    place R\n    move R[e: z]\n        " ZERO, "are not known here");
    refuses(HEAD "place R\nloop j step 1\n    move R[j: 1 by T[j: 1]]\n        " ZERO, "a loop over axis 'j'");
    refuses(HEAD "loop j step 1\n    place R\n    move R[j: 1 by T[j: 1]]\n        " ZERO, "are not known here");
    refuses("symbol z = 9\nbuffer R f32 reg elems z\n", "from 1 to 65536");
}

static void when_a_node_runs_is_well_formed(void **state)
{
    (void)state;
    nest_case c;
    passes(HEAD "loop i step 1\n    move A[i: 1]\n        when first i\n        " ZERO);
    nest_open(&c);
    assert_int_equal(nest_parse(&c, HEAD "loop i step 1\n    move A[i: 1]\n        when first i\n        " ZERO),
                     EINJIT_OK);
    c.nest.nodes[1].when.axes[0] = 9;
    assert_int_equal(ej_nest_check(&c.nest, &avx2, &c.err), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.err.text, "no axis 9 to ask"));
    c.nest.nodes[1].when.n = 0;
    assert_int_equal(ej_nest_check(&c.nest, &avx2, &c.err), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.err.text, "names 0 axes"));
    c.nest.nodes[1].when.kind = 7;
    assert_int_equal(ej_nest_check(&c.nest, &avx2, &c.err), EINJIT_E_INTERNAL);
    assert_non_null(strstr(c.err.text, "no known times"));
    nest_close(&c);
}

static void broken_links_are_found(void **state)
{
    (void)state;
    nest_case c;
    assert_int_equal(check(&c, HEAD "loop i step 1\n    move A[]\n        " ZERO), EINJIT_OK);
    ej_nest_node *nodes = c.nest.nodes;
    nodes[1].next = 0;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[1].next = 7;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[1].next = -1;
    nodes[0].child = -1;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[0].child = 1;
    nodes[0].step = 0;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[0].step = 1;
    nodes[0].axis = 9;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[0].axis = 0;
    nodes[1].expr.ops[0].kind = 9;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[1].expr.ops[0] = (ej_expr_op){.kind = EJ_EXPR_CAST, .dtype = EINJIT_F32, .a = 0};
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[1].expr.ops[0] = (ej_expr_op){.kind = EJ_EXPR_FN, .fn = 255, .dtype = EINJIT_F32};
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[1].expr.ops[0] = (ej_expr_op){.kind = EJ_EXPR_CONST, .dtype = EINJIT_F32};
    nodes[1].dst.buffer = 77;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_E_INTERNAL);
    nodes[1].dst.buffer = 0;
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_OK);
    nest_close(&c);
}

static void thousands_of_nested_loops_are_checked_without_recursion(void **state)
{
    (void)state;
    nest_case c;
    nest_open(&c);
    ej_nest_init(&c.nest, "deep");
    int32_t parent = -1, axis;
    for (int i = 0; i < 20000; i++) {
        if (i % 20 == 0) assert_int_equal(ej_nest_axis(&c.nest, &c.arena, "i", ej_size_number(2), 0, &axis), EINJIT_OK);
        assert_int_equal(ej_nest_loop(&c.nest, &c.arena, parent, axis, 1, &parent), EINJIT_OK);
    }
    assert_int_equal(ej_nest_check(&c.nest, NULL, &c.err), EINJIT_OK);
    nest_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_trees_pass),
        cmocka_unit_test(placed_buffers_stay_where_they_are_placed),
        cmocka_unit_test(accesses_stay_inside_of_placed_buffers),
        cmocka_unit_test(terms_are_well_formed),
        cmocka_unit_test(expressions_fit),
        cmocka_unit_test(tiles_cover_their_ranges),
        cmocka_unit_test(lanes_fit_a_register),
        cmocka_unit_test(hints_are_about_memory),
        cmocka_unit_test(pairs_are_products_of_bf16),
        cmocka_unit_test(blocks_are_not_crossed_by_tiles),
        cmocka_unit_test(registers_have_one_lane_map),
        cmocka_unit_test(register_accesses_are_constant),
        cmocka_unit_test(when_a_node_runs_is_well_formed),
        cmocka_unit_test(broken_links_are_found),
        cmocka_unit_test(thousands_of_nested_loops_are_checked_without_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
