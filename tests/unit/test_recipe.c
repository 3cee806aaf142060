/* Scripts: their trees are legal and compute what the step says, for machine code and interpreter alike, whatever their
 * numbers are; and which steps they are taken for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lower_support.h"
#include "plan_support.h"
#include "recipe.h"
#include "schedule_support.h"
#include "target_support.h"

/* LOCAL buffers one behind the other, as a plan places them. */
static void place_locals(ej_nest *nest)
{
    int64_t end = 0;
    for (int32_t b = 0; b < nest->n_buffers; b++) {
        ej_buffer *buffer = &nest->buffers[b];
        if (buffer->home != EJ_HOME_LOCAL) continue;
        buffer->offset_bytes = ej_size_number(end);
        end += (buffer->elems.n * ej_dtypes[buffer->dtype].bytes + 63) / 64 * 64;
    }
}

/* Extents that stay open, and n sets of values for them. */
typedef struct open_extents {
    const char *names;
    size_t n;
    const int64_t *values;
} open_extents;
static const open_extents none;

/* The last step, by the script with these numbers (NULL: its own), on every row that it matches. How many these are. */
static int agrees_on_rows(const ej_script *script, const char *program, const char *inputs, const int64_t *numbers,
                          const open_extents *open)
{
    int matched = 0;
    for (int row = 0; row < ej_n_targets; row++) {
        plan_case c;
        ej_sizes sizes;
        ej_schedule s;
        ej_nest nest;
        ej_text text;
        int64_t own[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
        plan_open(&c, program, inputs, NULL, open->names);
        c.bind.job.target = target_row(row);
        c.bind.job.path_strategy = "random:1"; /* no taste: also for small sizes */
        sizes = c.plan.bound->sizes;
        assert_false(ej_schedule_begin(&s, &c.plan.steps[c.plan.n_steps - 1], &c.plan, &sizes, &c.bind.job));
        if (!script->matches(&s)) {
            plan_close(&c);
            continue;
        }
        matched++;
        assert_true(script->params(&s, own) > 0);
        script->run(&s, numbers ? numbers : own[0]);
        if (s.failed) fail_msg("statement %d: %s", (int)s.why_statement, ej_refusal_text(s.why));
        assert_int_equal(ej_schedule_settle(&nest, &s), EINJIT_OK);
        place_locals(&nest);
        ej_text_init(&text, &c.bind.arena);
        ej_nest_print(&text, &nest, &sizes);
        assert_false(text.failed);
        lower_agree_on(target_row(row), text.data, open->n, open->values, 0);
        plan_close(&c);
    }
    return matched;
}

static void agrees(const ej_script *script, const char *program, const char *inputs, const int64_t *numbers)
{
    assert_int_equal(agrees_on_rows(script, program, inputs, numbers, &none), ej_n_targets);
}

/* Shapes that fill the registers of one row may not fill another one's. */
static void agrees_where_it_matches(const ej_script *script, const char *program, const char *inputs)
{
    assert_true(agrees_on_rows(script, program, inputs, NULL, &none) > 0);
}

#define PRODUCT(equation) "def f(a, b):\n    return einsum('" equation "', a, b)\n"

/* rows, vectors, KC, MC, NC, pack left, pack right, in the result's order */
static const int64_t numbers[][EJ_RECIPE_NUMBERS] = {
    {4, 1, 8, 8, 32, 0, 1, 0},   {4, 1, 8, 8, 64, 1, 1, 0},   {3, 1, 16, 6, 128, 1, 1, 0},
    {2, 1, 64, 64, 64, 0, 1, 0}, {4, 1, 64, 64, 64, 1, 1, 1}, {3, 1, 64, 64, 64, 0, 1, 1},
};

static void products_of_every_transposition(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        agrees(&ej_script_gemm, PRODUCT("ik,kj->ij"), "f32[21,40] f32[40,50]", numbers[i]);
        agrees(&ej_script_gemm, PRODUCT("ki,kj->ij"), "f32[40,21] f32[40,50]", numbers[i]);
        agrees(&ej_script_gemm, PRODUCT("ik,jk->ij"), "f64[21,40] f64[50,40]", numbers[i]);
        agrees(&ej_script_gemm, PRODUCT("ki,jk->ij"), "f32[40,21] f32[50,40]", numbers[i]);
    }
}

static void tensors_of_several_axes_a_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        agrees(&ej_script_gemm, PRODUCT("cgm,nfg->fmcn"), "f32[3,9,10] f32[17,4,9]", numbers[i]);
        agrees(&ej_script_gemm, PRODUCT("zxiy,zyxj->zij"), "f32[2,5,13,6] f32[2,6,5,18]", numbers[i]);
        agrees(&ej_script_gemm, PRODUCT("acd,db->cba"), "f32[19,6,11] f32[11,7]", numbers[i]);
    }
}

static void agrees_open(const ej_script *script, const char *program, const char *inputs, const int64_t *own,
                        const open_extents *open)
{
    assert_int_equal(agrees_on_rows(script, program, inputs, own, open), ej_n_targets);
}

/* One tree for no rows, some, and more than a block of them. */
static void open_products_serve_every_size(void **state)
{
    (void)state;
    static const char product[] = "def f(a: f32[i, k], b: f32[k, j]):\n    return einsum('ik,kj->ij', a, b)\n";
    static const char turned[] = "def f(a: f64[k, i], b: f64[j, k]):\n    return einsum('ki,jk->ij', a, b)\n";
    static const char batches[] = "def f(a: f32[z, i, k], b: f32[z, k, j]):\n    return einsum('zik,zkj->zij', a, b)\n";
    static const char streamed[] = "def f(a: f32[i, k, j], b: f32[c, k]):\n    return einsum('ikj,ck->jci', a, b)\n";
    static const int64_t one[] = {0, 1, 7, 8, 40, 131}, two[] = {0, 5, 5, 0, 1, 1, 9, 70, 67, 33};
    const open_extents i = {"i", 6, one}, j = {"j", 6, one}, both = {"i,j", 5, two}, z = {"z", 3, one};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        if (numbers[n][7]) continue; /* operands in whole have numbers */
        agrees_open(&ej_script_gemm, product, "f32[21,40] f32[40,50]", numbers[n], &i);
        agrees_open(&ej_script_gemm, product, "f32[21,40] f32[40,50]", numbers[n], &j);
        agrees_open(&ej_script_gemm, turned, "f64[40,21] f64[50,40]", numbers[n], &both);
        agrees_open(&ej_script_gemm, batches, "f32[2,9,11] f32[2,11,34]", numbers[n], &z);
    }
    static const int64_t own[EJ_RECIPE_NUMBERS] = {4, 1, 4, 16, 4, 16};
    agrees_open(&ej_script_thin, streamed, "f32[18,9,37] f32[7,9]", own, &i);
    agrees_open(&ej_script_thin, streamed, "f32[18,9,37] f32[7,9]", own, &both);
    agrees_open(&ej_script_sweep, "def f(a: f32[i, j]):\n    return sum(a, dim=0)\n", "f32[21,50]", NULL, &i);
    agrees_open(&ej_script_plain, "def f(a: f32[i, j]):\n    return sum(a, dim=1)\n", "f32[21,50]", NULL, &both);
}

/* Each axis of the result in its turn as the lanes: short and long unit axes, in either operand, in none, in both; two
 * axes of rows and of vectors. */
static void tensors_with_lanes_along_any_axis(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {PRODUCT("adb,cd->cba"), "f32[18,9,21] f32[5,9]"},
        {PRODUCT("dab,cd->bac"), "f64[9,19,20] f64[3,9]"},
        {PRODUCT("deca,dbce->abe"), "f32[3,5,9,33] f32[3,13,9,5]"},
        {PRODUCT("acd,bcd->abd"), "f64[35,9,18] f64[21,9,18]"},
        {PRODUCT("hacgb,fhged->daefcb"), "f64[3,7,2,2,35] f64[2,3,2,4,11]"},
        {PRODUCT("afe,cbfde->fcdab"), "f32[19,5,7] f32[12,13,5,4,7]"},
        {PRODUCT("ebdaf,dfce->acb"), "f32[9,2,5,40,2] f32[5,2,34,9]"},
        {PRODUCT("aebd,ce->dcba"), "f32[3,20,32,33] f32[3,20]"}, /* terms lie pages apart */
        {PRODUCT("gfahbic,egfidh->eabicd"), "f64[3,2,2,5,11,7,2] f64[18,3,2,7,3,5]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t matched = 0;
        for (int32_t axis = -1; axis < 8; axis++) {
            int64_t lanes[EJ_RECIPE_NUMBERS] = {axis};
            matched += agrees_on_rows(&ej_script_tensor, cases[i][0], cases[i][1], axis < 0 ? NULL : lanes, &none);
        }
        assert_true(matched > 0);
    }
}

static void every_dtype_multiplies(void **state)
{
    (void)state;
    static const char *const inputs[] = {"f32[30,37] f32[37,45]",   "f64[30,37] f64[37,45]", "c64[30,37] c64[37,45]",
                                         "c128[30,37] c128[37,45]", "i32[30,37] i32[37,45]", "i64[30,37] i64[37,45]"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        agrees(&ej_script_gemm, PRODUCT("ik,kj->ij"), inputs[i], NULL);
}

static void a_map_is_applied_to_whole_sums(void **state)
{
    (void)state;
    agrees(&ej_script_gemm, "def f(a, b):\n    return relu(einsum('ik,kj->ij', a, b))\n", "f32[21,40] f32[40,50]",
           numbers[1]);
}

/* rows, vectors, KC, block of x, block of rows, block of the result's unit axis: of more than a vector, whole rows go
 * out */
static void streamed_operands_are_turned_on_the_way_out(void **state)
{
    (void)state;
    static const int64_t own[][EJ_RECIPE_NUMBERS] = {
        {4, 1, 4, 16, 4, 16}, {3, 1, 64, 64, 6, 32}, {2, 2, 5, 32, 64, 48}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        agrees(&ej_script_thin, PRODUCT("adb,cd->cba"), "f32[18,9,37] f32[7,9]", own[i]);
        agrees(&ej_script_thin, PRODUCT("aebd,ce->dcba"), "f64[9,5,3,20] f64[6,5]", own[i]);
        agrees(&ej_script_thin, PRODUCT("zaged,zcbfg->zfedcba"), "f32[2,17,3,2,19] f32[2,2,3,5,3]", own[i]);
    }
    agrees(&ej_script_thin, PRODUCT("adb,cd->cba"), "i32[18,9,37] i32[7,9]", NULL);
    agrees(&ej_script_thin, "def f(a, b):\n    return relu(einsum('adb,cd->cba', a, b))\n", "f32[18,9,37] f32[7,9]",
           own[0]);
}

static void small_products_share_a_register(void **state)
{
    (void)state;
    static const char *const inputs[] = {"f32[7,4,4] f32[7,4,4]", "f32[5,8,8] f32[5,8,8]", "f32[5,4,3] f32[5,3,2]",
                                         "i32[3,8,5] i32[3,5,4]"};
    for (size_t i = 0; i < 4; i++) agrees_where_it_matches(&ej_script_small, PRODUCT("bij,bjk->bik"), inputs[i]);
    agrees_where_it_matches(&ej_script_small, PRODUCT("bij,bjk->bik"), "f64[6,4,4] f64[6,4,4]");
    agrees_where_it_matches(&ej_script_small, PRODUCT("bji,bkj->bik"), "f32[7,4,4] f32[7,4,4]");
    agrees_where_it_matches(&ej_script_small, PRODUCT("bcij,cbjk->bcik"), "f32[2,3,4,6] f32[3,2,6,4]");
    agrees_where_it_matches(&ej_script_small, PRODUCT("bij,bjk->bik"), "f32[7,16,4] f32[7,4,4]");
    agrees_where_it_matches(&ej_script_small,
                            "def f(x, w, s: i64[e], d: i32[e]):\n"
                            "    return index_add(5, 0, d, einsum('ecj,eij->eci', x[s], w))\n",
                            "f32[7,16,4] f32[9,4,4] i64[9] i32[9]");
    agrees_where_it_matches(&ej_script_small, "def f(a, b):\n    return relu(einsum('bij,bjk->bik', a, b))\n",
                            "f32[7,4,4] f32[7,4,4]");
}

static void batches_take_whole_rows(void **state)
{
    (void)state;
    static const int64_t own[][EJ_RECIPE_NUMBERS] = {{4, 4}, {8, 1}, {3, 2}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        agrees(&ej_script_batched, PRODUCT("bij,bjk->bik"), "f64[3,32,9] f64[3,9,32]", own[i]);
        agrees(&ej_script_batched, PRODUCT("bij,bkj->bik"), "f32[3,13,16] f32[3,24,16]", own[i]);
        agrees(&ej_script_batched, PRODUCT("bcji,cbjk->bcik"), "f32[2,3,7,5] f32[3,2,7,20]", own[i]);
        agrees(&ej_script_batched, PRODUCT("bij,bjk->bik"), "c64[2,5,3] c64[2,3,6]", own[i]);
    }
    agrees(&ej_script_batched, "def f(a, b):\n    return relu(einsum('bij,bjk->bik', a, b))\n",
           "f32[3,16,16] f32[3,16,16]", own[1]);
}

static void permutations_turn_register_tiles(void **state)
{
    (void)state;
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (1, 0))\n", "f32[37,53]", NULL);
    agrees(&ej_script_permute, "def f(a):\n    return -permute(a, (1, 0))\n", "f64[16,24]", NULL);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (4, 3, 2, 1, 0)) * 2\n", "f32[9,5,6,7,18]", NULL);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (2, 0, 1))\n", "i32[5,19,23]", NULL);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (1, 0))\n", "c64[37,19]", NULL); /* goes as f64 */
}

static void permutations_wait_in_blocks(void **state)
{
    (void)state;
    static const int64_t staged[EJ_RECIPE_NUMBERS] = {4, 1}, pairs[EJ_RECIPE_NUMBERS] = {2, 1};
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (1, 0))\n", "f32[300,212]", staged);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (1, 0))\n", "f32[130,1024]",
           staged); /* rows pages apart */
    agrees(&ej_script_permute, "def f(a):\n    return -permute(a, (1, 0))\n", "f64[70,33]", pairs);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (4, 3, 2, 1, 0)) * 2\n", "f32[9,5,6,7,18]", staged);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (0, 4, 3, 2, 1))\n", "f32[2,24,5,4,28]", staged);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (3, 2, 1, 0))\n", "f32[5,3,41,5]",
           staged); /* short rows */
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (2, 3, 0, 1))\n", "f32[7,100,6,100]", staged);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (0, 2, 1))\n", "f32[3,600,20]",
           staged);                                                                                  /* rows adjoin */
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (1, 0))\n", "f32[144,70]", staged); /* whole lines */
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (3, 2, 1, 0)) * 2\n", "f32[32,5,6,70]", staged);
    agrees(&ej_script_permute, "def f(a):\n    return permute(a, (1, 0))\n", "f64[48,12]", pairs);
    agrees(&ej_script_permute, "def f(a):\n    return to(permute(a, (2, 0, 1)), f64)\n", "f32[5,19,23]", pairs);
}

static void rows_change_places_in_blocks(void **state)
{
    (void)state;
    agrees(&ej_script_pieces, "def f(a):\n    return permute(a, (1, 0, 2))\n", "f32[6,5,64]", NULL); /* whole lines */
    agrees(&ej_script_pieces, "def f(a):\n    return permute(a, (1, 0, 2)) * 3\n", "f32[37,19,68]", NULL);
    agrees(&ej_script_pieces, "def f(a):\n    return permute(a, (2, 0, 1, 3))\n", "f64[5,3,40,23]", NULL);
    agrees(&ej_script_pieces, "def f(a):\n    return permute(a, (1, 0, 2))\n", "c64[4,9,11]", NULL);
    agrees(&ej_script_pieces, "def f(a):\n    return permute(a, (4, 1, 0, 3, 2, 5))\n", "f32[3,2,4,5,3,16]", NULL);
    agrees(&ej_script_pieces, "def f(a):\n    return to(permute(a, (1, 0, 2)), f64)\n", "f32[7,20,200]", NULL);
    agrees(&ej_script_pieces, "def f(a):\n    return permute(a, (1, 0, 2))\n", "f32[3,2,3000]", NULL);
}

static void large_maps_are_one_pass(void **state)
{
    (void)state;
    agrees(&ej_script_map, PRODUCT("i,j->ij"), "f32[5] f32[200]", NULL);
    agrees(&ej_script_map, PRODUCT("ij,ij->ij"), "f64[7,33] f64[7,33]", NULL);
    agrees(&ej_script_map, PRODUCT("ij,j->ij"), "c64[7,40] c64[40]", NULL);
    agrees(&ej_script_map, "def f(a):\n    return permute(a, (1, 0, 2)) * 3\n", "f32[6,5,68]", NULL);
    agrees(&ej_script_map, "def f(a):\n    return to(a, f64)\n", "f32[321]", NULL);
}

static void small_results_are_swept(void **state)
{
    (void)state;
    static const char *const inputs[] = {"f32[37,50] f32[37]", "f64[3,21] f64[3]", "i32[8,16] i32[8]",
                                         "c64[9,11] c64[9]"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        agrees(&ej_script_sweep, PRODUCT("ij,i->j"), inputs[i], NULL);
    agrees(&ej_script_sweep, "def f(a):\n    return relu(sum(a, dim=(0, 1)))\n", "f32[5,7,33]", NULL);
    agrees(&ej_script_sweep, "def f(a):\n    return amax(a, dim=0)\n", "f64[70,18]", NULL);
    /* within one value after the other of the axis that lies outside of all sums */
    agrees(&ej_script_sweep, PRODUCT("ijk,j->ik"), "f32[5,9,50] f32[9]", NULL);
    agrees(&ej_script_sweep, "def f(a):\n    return relu(sum(a, dim=(1, 3)))\n", "f64[3,5,4,7,33]", NULL);
}

static void reductions_of_every_kind_are_packed(void **state)
{
    (void)state;
    agrees_where_it_matches(&ej_script_gemm, PRODUCT("zik,zkj->zij"), "c64[2,5,9] c64[2,9,12]");
    agrees(&ej_script_gemm, "def f(a, b):\n    return einsum('ik,kj->ij', a, b, reduce=\"max\", combine=\"add\")\n",
           "f32[9,17] f32[17,40]", NULL);
    agrees(&ej_script_gemm, "def f(a, n, b):\n    return einsum('ik,kj->ij', index_select(a, 1, n), b)\n",
           "f32[9,30] i64[17] f32[17,40]", NULL);
}

static void rows_go_through_tables(void **state)
{
    (void)state;
    static const int64_t own[][EJ_RECIPE_NUMBERS] = {{1, 0, 1}, {3, 5, 1}, {2, 32, 1}}, beside[] = {1, 4, 3};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        agrees(&ej_script_rows, "def f(a, s: i64[e]):\n    return a[s]\n", "f32[7,37] i64[9]", own[i]);
        agrees(&ej_script_rows, "def f(a, w, s: i64[e], d: i64[e]):\n    return index_add(5, 0, d, a[s] * w)\n",
               "f64[6,20] f64[11,20] i64[11] i64[11]", own[i]);
    }
    for (int i = 0; i < 2; i++) {
        agrees(&ej_script_rows, "def f(a, s: i64[e]):\n    return a[s]\n", "f32[7,6,5] i64[9]", i ? beside : NULL);
        agrees(&ej_script_rows,
               "def f(a, w, s: i64[e], d: i64[e]):\n"
               "    return index_add(5, 0, d, einsum('ei,ej->eij', a[s], w))\n",
               "f32[7,6] f32[9,8] i64[9] i64[9]", i ? beside : NULL);
    }
    agrees(&ej_script_rows, "def f(a, s: i32[e]):\n    return a[:, s]\n", "f32[7,37] i32[9]", NULL);
    agrees(&ej_script_rows, "def f(m, d: i64[e]):\n    return index_add(4, 0, d, m)\n", "c64[9,5] i64[9]", NULL);
}

static bool script_takes(const ej_script *script, const char *program, const char *inputs, const char *open)
{
    plan_case c;
    ej_schedule s;
    plan_open(&c, program, inputs, NULL, open);
    ej_sizes sizes = c.plan.bound->sizes;
    c.bind.job.target = &ej_targets[0];
    assert_int_equal(ej_schedule_begin(&s, &c.plan.steps[c.plan.n_steps - 1], &c.plan, &sizes, &c.bind.job), EINJIT_OK);
    bool matches = script->matches(&s) && (!script->pays || script->pays(&s) == EJ_PAYS_SURELY);
    int64_t own[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
    matches = matches && script->params(&s, own) > 0;
    matches = matches && (script->run(&s, own[0]), !s.failed);
    if (script == &ej_script_permute) matches = matches && own[0][1]; /* in blocks, past the caches */
    plan_close(&c);
    return matches;
}

static void plain_takes_anything(void **state)
{
    (void)state;
    agrees(&ej_script_plain, PRODUCT("ij,j->i"), "f32[19,101] f32[101]", NULL); /* lanes along the sum, and a rest */
    agrees(&ej_script_plain, PRODUCT("ij,j->i"), "f32[13,29] f32[29]", NULL);   /* one chunk, and a rest */
    agrees(&ej_script_plain, PRODUCT("ij,j->i"), "c64[11,13] c64[13]", NULL); /* rows that fill no vector of results */
    agrees(&ej_script_plain, PRODUCT("ji,kj->ik"), "c64[13,9] c64[31,13]", NULL); /* tiles are turned on the way out */
    agrees(&ej_script_plain, PRODUCT("ji,kj->ik"), "f64[16,8] f64[8,16]", NULL);
    agrees(&ej_script_plain, PRODUCT("i,i->"), "c128[75] c128[75]", NULL);
    agrees(&ej_script_plain, "def f(a):\n    return amax(a, dim=1)\n", "f64[3,67]", NULL);
    agrees(&ej_script_plain, "def f(a):\n    return prod(a)\n", "i32[130]", NULL);
    agrees(&ej_script_plain, PRODUCT("ik,kj->ij"), "f32[5,7] f32[7,11]", NULL);
    agrees(&ej_script_plain, "def f(a):\n    return abs(permute(a, (1, 0)))\n", "f32[6,7]", NULL);
    agrees(&ej_script_plain, "def f(a):\n    return sum(a)\n", "f64[31]", NULL);
    agrees(&ej_script_plain, "def f(a):\n    return sum(a, dim=1)\n", "f32[67,8]", NULL); /* folded, and a rest */
    agrees(&ej_script_plain, PRODUCT("ij,ij->i"), "f64[40,8] f64[40,8]", NULL);
    agrees(&ej_script_plain, "def f(a):\n    return abs(amax(a, dim=1))\n", "f32[81,16]", NULL);
    static const char open[] =
        "def f(a, b: f32[p, q, z], i):\n    return sum(a.unsqueeze(2) * b[:, :, i], dim=(1, 2))\n";
    assert_true(script_takes(&ej_script_plain, open, "f32[67,8] f32[67,8,5] i64[1]", "z")); /* not folded */
}

static bool takes(const char *program, const char *inputs, const char *open)
{
    return script_takes(&ej_script_gemm, program, inputs, open);
}

/* Past the caches: only what they do not hold; maps in long rows, permutations in any. */
static void small_results_stay_in_the_caches(void **state)
{
    (void)state;
    static const char turn[] = "def f(a: f32[i, j]):\n    return permute(a, (1, 0))\n";
    static const char rows[] = "def f(a: f32[i, j, k]):\n    return permute(a, (1, 0, 2))\n";
    assert_true(script_takes(&ej_script_permute, turn, "f32[4096,4096]", NULL));
    assert_true(script_takes(&ej_script_permute, turn, "f32[4096,4096]", "i,j"));
    assert_false(script_takes(&ej_script_permute, turn, "f32[1000,1000]", NULL));
    assert_true(script_takes(&ej_script_permute, turn, "f32[4097,4096]", NULL));
    assert_true(script_takes(&ej_script_pieces, rows, "f32[800,800,64]", NULL));
    assert_true(script_takes(&ej_script_pieces, rows, "f32[800,800,64]", "i"));
    assert_false(script_takes(&ej_script_pieces, rows, "f32[80,80,64]", NULL));
    assert_false(script_takes(&ej_script_pieces, rows, "f32[800,8000,8]", NULL));
    assert_true(script_takes(&ej_script_map, PRODUCT("i,j->ij"), "f32[4096] f32[4096]", NULL));
    assert_false(script_takes(&ej_script_map, PRODUCT("i,j->ij"), "f32[1000] f32[1000]", NULL));
    assert_false(script_takes(&ej_script_map, rows, "f32[800,800,64]", NULL));
    assert_false(script_takes(&ej_script_map, PRODUCT("ij,ji->ij"), "f32[4096,4096] f32[4096,4096]", NULL));
}

static void products_are_taken_where_they_pay(void **state)
{
    (void)state;
    assert_true(takes(PRODUCT("ki,kj->ij"), "f32[1024,1024] f32[1024,1024]", NULL));
    assert_true(takes(PRODUCT("cgm,nfg->fmcn"), "f32[20,24,480] f32[480,20,24]", NULL));
    assert_false(takes(PRODUCT("ik,kj->ij"), "f32[64,64] f32[64,64]", NULL));
    assert_true(takes("def f(a: f32[i, k], b: f32[k, j]):\n    return einsum('ik,kj->ij', a, b)\n",
                      "f32[1024,1024] f32[1024,1024]", "i"));
    assert_false(takes("def f(a: f32[i, k], b: f32[k, j]):\n    return einsum('ik,kj->ij', a, b)\n",
                       "f32[1024,1024] f32[1024,1024]", "k"));
    assert_true(
        takes(PRODUCT("abc,dae->dcbe"), "f32[32,32,32] f32[1000,32,3]", NULL)); /* lanes along b: 6.3 -> 2.7 ms */
    assert_false(takes(PRODUCT("ik,k->i"), "f32[4096,4096] f32[4096]", NULL));
    assert_false(takes(PRODUCT("adb,cd->cba"), "f32[384,384,384] f32[24,384]", NULL));
}

static void batches_are_taken_where_the_l1_holds_a_product(void **state)
{
    (void)state;
    assert_true(script_takes(&ej_script_batched, PRODUCT("bij,bjk->bik"), "f64[1000,32,32] f64[1000,32,32]", NULL));
    assert_true(script_takes(&ej_script_batched,
                             "def f(a: f32[b, i, j], b: f32[b, j, k]):\n    return einsum('bij,bjk->bik', a, b)\n",
                             "f32[1000,16,16] f32[1000,16,16]", "b"));
    assert_true(script_takes(&ej_script_batched, PRODUCT("bij,bkj->bik"), "f32[1000,16,16] f32[1000,16,16]", NULL));
    assert_false(script_takes(&ej_script_batched, PRODUCT("bij,bkj->bik"), "f32[1000,5,5] f32[1000,5,5]", NULL));
    assert_false(script_takes(&ej_script_batched, PRODUCT("bij,bjk->bik"), "f64[10,64,64] f64[10,64,64]", NULL));
    assert_false(script_takes(&ej_script_batched, PRODUCT("ij,jk->ik"), "f32[16,16] f32[16,16]", NULL));
}

/* Of a register tile the rows or the vectors are held, whichever are fewer, and the others come one at a time: 3 rows
 * of 4 vectors of sums leave 16 registers room for that. */
static void a_tile_holds_the_fewer_vectors(void **state)
{
    (void)state;
    const ej_target *row = ej_target_by_name("avx2");
    int64_t own[EJ_RECIPE_PARAMS][EJ_RECIPE_NUMBERS] = {{0}};
    plan_case c;
    ej_schedule s;
    if (!row) skip();
    plan_open(&c, PRODUCT("bij,bjk->bik"), "f64[100,32,32] f64[100,32,32]", NULL, NULL);
    ej_sizes sizes = c.plan.bound->sizes;
    c.bind.job.target = row;
    assert_int_equal(ej_schedule_begin(&s, &c.plan.steps[0], &c.plan, &sizes, &c.bind.job), EINJIT_OK);
    assert_int_equal(ej_script_batched.params(&s, own), 1);
    ej_script_batched.run(&s, own[0]);
    assert_false(s.failed);
    const ej_tile *tile = &s.statements[0].tile;
    assert_int_equal(tile->n, 3);
    assert_int_equal(tile->digits[0].count, 4); /* vectors first: each meets all rows before the next is loaded */
    assert_int_equal(tile->digits[0].axis, tile->digits[2].axis);
    assert_int_equal(tile->digits[1].count, 3);
    assert_int_equal(tile->digits[2].place, EJ_LANE);
    plan_close(&c);
}

static void expect_recipe(const char *program, const char *inputs, const char *recipe, bool same)
{
    plan_case c;
    ej_nests nests;
    plan_open(&c, program, inputs, NULL, NULL);
    c.bind.job.target = &ej_targets[0];
    assert_int_equal(ej_nests_build(&nests, &c.plan, &c.bind.job), EINJIT_OK);
    if (!strcmp(nests.nests[0].recipe, recipe) != same) fail_msg("%s for %s", nests.nests[0].recipe, program);
    plan_close(&c);
}

/* Labels of extent 0, two in one einsum among them: sums of nothing, and results without elements. */
static void products_of_nothing_get_a_tree(void **state)
{
    (void)state;
    static const char *const products[] = {"a[:,:,0:0], b[:,0:0,0:0]", "a[:,:,0:0], b[:,0:0]", "a, b[:,:,0:0]"};
    static const char beside[] = "def f(a, b, c, d):\n    return cat([einsum('bij,bjk->bik', %s), c], 2)\n",
                      added[] = "def f(a, b, c, d):\n    return index_add(5, 0, d, einsum('bij,bjk->bik', %s))\n";
    for (size_t i = 0; i < 2 * sizeof products / sizeof *products; i++)
        for (int row = 0; row < ej_n_targets; row++) {
            plan_case c;
            ej_nests nests;
            char program[200];
            snprintf(program, sizeof program, i % 2 ? added : beside, products[i / 2]);
            plan_open(&c, program, "f32[6,4,4] f32[6,4,4] f32[6,4,4] i64[6]", NULL, NULL);
            assert_int_equal(c.status, EINJIT_OK);
            c.bind.job.target = &ej_targets[row];
            assert_int_equal(ej_nests_build(&nests, &c.plan, &c.bind.job), EINJIT_OK);
            plan_close(&c);
        }
}

/* Few loads for each multiplication: tiles of 2 x 5 vectors leave no lanes empty here, but wait for the L2. Where the
 * left operand is packed, too, panels of three vectors are better than of two. */
static void register_tiles_are_nearly_square(void **state)
{
    (void)state;
    EXPECT_REWRITES(PRODUCT("cda,db->cba"), "f32[272,272,280] f32[272,280]", "avx2",
                    "tile 0 %1 unroll 5, %2 unroll 2, %2 lane 8\n");
    EXPECT_REWRITES(PRODUCT("ij,jk->ik"), "f32[1024,1024] f32[1024,1024]", "avx2",
                    "tile 0 %0 unroll 4, %1 unroll 3, %1 lane 8\n");
    EXPECT_REWRITES(PRODUCT("ji,jk->ik"), "f64[1000,1000] f64[1000,1000]", "avx512_2m",
                    "tile 0 %0 unroll 8, %1 unroll 3, %1 lane 8\n", "loop 0 %2 200\n");
    EXPECT_REWRITES(PRODUCT("ij,jk->ik"), "f64[1024,1024] f64[1024,1024]", "avx512",
                    "tile 0 %0 unroll 8, %1 unroll 2, %1 lane 8\n");
}

/* Both operands lie along the sum, along another axis of it each: blocks have lines of both. */
static void sums_of_several_axes_are_cut_along_all(void **state)
{
    (void)state;
    EXPECT_REWRITES(PRODUCT("dac,bcd->ba"), "f32[280,280,280] f32[272,280,280]", "avx2", "loop 0 %3 16\n",
                    "loop 0 %2 16\n");
}

/* Short runs of a result are written one behind the other (a outside of c). */
static void results_are_written_in_order(void **state)
{
    (void)state;
    EXPECT_REWRITES(PRODUCT("eab,dec->bacd"), "f32[115,935,3] f32[11,115,263]", "avx512_2m",
                    "loop 4 %1 8\nloop 4 %2 1\n");
    /* maps: in the L2 as the result lies, past it in several places at a time; unless a source lies the other way */
    EXPECT_REWRITES(PRODUCT("ir,jr->ijr"), "f32[64,64] f32[64,64]", "avx512", "loop 0 %0 1\nloop 0 %1 4\n");
    EXPECT_REWRITES(PRODUCT("ir,jr->ijr"), "f32[128,128] f32[128,128]", "avx512", "loop 0 %0 4\nloop 0 %1 1\n");
    EXPECT_REWRITES(PRODUCT("jir,jr->ijr"), "f32[60,50,40] f32[60,40]", "avx512", "loop 0 %1 1\nloop 0 %0 4\n");
}

/* Short runs far apart are asked for ahead; large results go out in whole rows. */
static void short_runs_are_asked_for(void **state)
{
    (void)state;
    EXPECT_REWRITES(PRODUCT("afbce,df->edcba"), "f32[48,48,36,36,48] f32[24,48]", "avx2", "hint 5 stream\n");
    EXPECT_REWRITES(PRODUCT("dabfe,fc->edcba"), "f32[36,48,36,36,48] f32[36,24]", "avx2", "hint 0 prefetch 0 248832\n",
                    "hint 2 stream\n");
    /* batches of small products, too, of an operand whose rows lie as they are read, or do not */
    EXPECT_REWRITES(PRODUCT("zvi,ziq->zvq"), "f32[1000,32,3] f32[1000,3,224]", "avx512", "hint 0 stream\n");
    EXPECT_REWRITES(PRODUCT("zvi,zqi->zvq"), "f32[1000,32,3] f32[1000,224,3]", "avx512", "hint 0 stream\n");
    EXPECT_REWRITES(PRODUCT("zvi,zqi->zvq"), "f32[100,32,3] f32[100,224,3]", "avx512", "!stream");
}

/* Where size alone does not say, the costs of the trees do (sizes and row: 512 bits). */
static void smaller_products_are_taken_where_the_tree_costs_less(void **state)
{
    (void)state;
    if (ej_targets[0].vector_bytes != 64) skip();
    expect_recipe(PRODUCT("bfa,cedf->dbace"), "f32[15,17,41] f32[3,15,11,17]", "tensor", true);
    expect_recipe(PRODUCT("ebdaf,dfce->acb"), "f32[300,2,5,713,2] f32[5,2,42,300]", "tensor",
                  true); /* a short unit axis */
    expect_recipe(PRODUCT("fbea,cedf->dcba"), "f32[48,40,40,48] f32[40,40,40,48]", "tensor",
                  true); /* few columns a block */
    expect_recipe(PRODUCT("aged,cbfg->fedcba"), "f32[24,24,20,24] f32[20,20,20,24]", "tensor", true);
    expect_recipe(PRODUCT("adb,cd->cba"), "f32[384,384,384] f32[24,384]", "thin", true);
    expect_recipe(PRODUCT("aebd,ce->dcba"), "f32[96,96,84,96] f32[24,96]", "tensor", true);
    expect_recipe(PRODUCT("egfbca,gedf->bdca"), "f64[680,2,2,621,2,2] f64[2,680,5,2]", "tensor",
                  true); /* short runs of a large operand */
    expect_recipe(PRODUCT("bdafeg,fcegd->agbc"), "f32[12,54,248,2,7,6] f32[2,347,7,6,54]", "tensor",
                  true); /* lines along a batch axis */
    expect_recipe(PRODUCT("aebc,ed->dabc"), "f32[11,684,8,3] f32[684,10]", "gemm", false);
    expect_recipe(PRODUCT("ij,jk->ik"), "f32[512,512] f32[512,512]", "gemm", true);
    expect_recipe(PRODUCT("ij,jk->ik"), "f32[64,64] f32[64,64]", "gemm", false);
    expect_recipe(PRODUCT("ij,jk->ik"), "f32[2048,2048] f32[2048,2048]", "gemm", true);
    expect_recipe("def f(a):\n    return permute(a, (1, 0))\n", "f32[300,300]", "permute", true);
    expect_recipe(PRODUCT("ij,i->j"), "f32[4096,4096] f32[4096]", "sweep", true);
    expect_recipe(PRODUCT("ij,j->i"), "f32[4096,4096] f32[4096]", "plain", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_every_transposition),
        cmocka_unit_test(tensors_of_several_axes_a_class),
        cmocka_unit_test(open_products_serve_every_size),
        cmocka_unit_test(tensors_with_lanes_along_any_axis),
        cmocka_unit_test(every_dtype_multiplies),
        cmocka_unit_test(a_map_is_applied_to_whole_sums),
        cmocka_unit_test(streamed_operands_are_turned_on_the_way_out),
        cmocka_unit_test(small_products_share_a_register),
        cmocka_unit_test(products_of_nothing_get_a_tree),
        cmocka_unit_test(batches_take_whole_rows),
        cmocka_unit_test(permutations_turn_register_tiles),
        cmocka_unit_test(permutations_wait_in_blocks),
        cmocka_unit_test(rows_change_places_in_blocks),
        cmocka_unit_test(large_maps_are_one_pass),
        cmocka_unit_test(small_results_are_swept),
        cmocka_unit_test(reductions_of_every_kind_are_packed),
        cmocka_unit_test(rows_go_through_tables),
        cmocka_unit_test(plain_takes_anything),
        cmocka_unit_test(small_results_stay_in_the_caches),
        cmocka_unit_test(products_are_taken_where_they_pay),
        cmocka_unit_test(batches_are_taken_where_the_l1_holds_a_product),
        cmocka_unit_test(a_tile_holds_the_fewer_vectors),
        cmocka_unit_test(register_tiles_are_nearly_square),
        cmocka_unit_test(sums_of_several_axes_are_cut_along_all),
        cmocka_unit_test(results_are_written_in_order),
        cmocka_unit_test(short_runs_are_asked_for),
        cmocka_unit_test(smaller_products_are_taken_where_the_tree_costs_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
