/* schedule_text.c - the list of rewrites as text that does the same again when it is read.
 *
 *     # schedule of einsum_1              comments explain the numbers: axes, statement 0
 *     # axis %0 i 1024
 *     tile 0 %0 unroll 12, %1 lane 16     a statement; axes by number: names need not be unique
 *     loop 0 %1 64                        or: 64 aligned
 *     inner 0 %2 8
 *     store 0 %1 unroll 16, %0 lane 12
 *     stage 0 1 at 3 local %1 0, %2 0, %1 16    source 1 of statement 0, at node 3 (or root), layout
 *     stage_out 0 at 3 local %1 0, %0 0
 *     compute_at 0 at 3 local %1 0, %0 0        statement 0 runs at node 3, where its readers are
 *     split 0 %2 apart
 *     fold 0 %2 %0              the sum over %2, whose lanes %0 takes
 *     join 1 %0 %2              of copy 1: %2 lies inside of %0; the joined axis is the next number
 *     fill 0 at root
 *     hint 0 stream prefetch 1 512 far rows 8    as in a nest's text, any of them
 */
#include "schedule.h"

#include <string.h>

#include "nest_text.h"

static const char *const words[] = {
#define X(name, word) word,
    EJ_REWRITES(X)
#undef X
        NULL};

static const char *const texts[] = {"nothing",
#define X(name, text) text,
                                    EJ_REFUSALS(X)
#undef X
};

const char *ej_refusal_text(int why)
{
    return why >= 0 && why < EJ_REFUSAL_COUNT ? texts[why] : "?";
}

const char *ej_rewrite_word(int kind)
{
    return kind >= 0 && kind < EJ_REWRITE_COUNT ? words[kind] : "?";
}

/* ---- printing ---- */

static void print_digits(ej_text *text, const ej_tile *tile, bool layout)
{
    for (int32_t d = 0; d < tile->n; d++) {
        const ej_digit *digit = &tile->digits[d];
        ej_print(text, "%s%%%d", d ? ", " : " ", (int)digit->axis);
        if (!layout) ej_print(text, digit->place == EJ_LANE ? " lane" : " unroll");
        ej_print(text, " %d", (int)digit->count);
    }
}

static bool is_staging(int kind)
{
    return kind == EJ_REWRITE_STAGE || kind == EJ_REWRITE_STAGE_OUT || kind == EJ_REWRITE_COMPUTE_AT;
}

static void print_place(ej_text *text, const ej_rewrite *r)
{
    ej_print(text, " at ");
    if (r->at == EJ_AT_ROOT) ej_print(text, "root");
    else ej_print(text, "%d", (int)r->at);
}

static void print_rewrite(ej_text *text, const ej_rewrite *r)
{
    ej_print(text, "%s %d", words[r->kind], (int)r->statement);
    if (r->kind == EJ_REWRITE_LOOP || r->kind == EJ_REWRITE_INNER)
        ej_print(text, " %%%d %lld", (int)r->axis, (long long)r->step);
    if (r->aligned) ej_print(text, " aligned");
    if (r->kind == EJ_REWRITE_STAGE) ej_print(text, " %d", (int)r->source);
    if (r->kind == EJ_REWRITE_SPLIT) ej_print(text, r->apart ? " %%%d apart" : " %%%d", (int)r->axis);
    if (ej_rewrite_names_two(r->kind)) ej_print(text, " %%%d %%%d", (int)r->axis, (int)r->lane);
    if (is_staging(r->kind) || r->kind == EJ_REWRITE_FILL) print_place(text, r);
    if (is_staging(r->kind)) ej_print(text, " %s", ej_nest_home_names[r->home]);
    print_digits(text, &r->digits, is_staging(r->kind));
    if (r->hints.stream) ej_print(text, " stream");
    if (r->hints.ahead) {
        ej_print(text, " ");
        ej_nest_print_prefetch(text, &r->hints);
    }
    if (r->hints.rows) ej_print(text, " rows %d", (int)r->hints.rows);
    ej_print(text, "\n");
}

void ej_schedule_print(ej_text *text, const ej_schedule *s)
{
    ej_print(text, "# schedule of %s\n", s->name ? s->name : "-");
    for (int32_t a = 0; a < s->n_axes; a++) {
        ej_print(text, "# axis %%%d %s ", (int)a, s->axes[a].name ? s->axes[a].name : "-");
        ej_size_print(text, s->sizes, s->axes[a].extent);
        ej_print(text, "\n");
    }
    for (size_t i = 0; i < s->n_log; i++) print_rewrite(text, &s->log[i]);
}

/* ---- reading ---- */

static int read_axis(ej_nest_cursor *c, int32_t *out)
{
    EJ_TRY(ej_nest_read_char(c, '%'));
    return ej_nest_read_int32(c, out);
}

static int read_digits(ej_nest_cursor *c, bool layout, ej_tile *out)
{
    static const char *const places[] = {"lane", "unroll", NULL};
    while (!ej_nest_at_line_end(c)) {
        int place = 1;
        if (out->n) EJ_TRY(ej_nest_read_char(c, ','));
        if (out->n == EJ_TILE_DIGITS) return ej_nest_expected(c, "at most 8 digits");
        ej_digit *digit = &out->digits[out->n++];
        EJ_TRY(read_axis(c, &digit->axis));
        if (!layout) EJ_TRY(ej_nest_read_listed(c, places, "lane or unroll", &place));
        EJ_TRY(ej_nest_read_int32(c, &digit->count));
        digit->place = place ? EJ_UNROLL : EJ_LANE;
    }
    return EINJIT_OK;
}

static int read_place(ej_nest_cursor *c, ej_rewrite *r)
{
    if (!ej_nest_take_keyword(c, "at")) return ej_nest_expected(c, "at");
    r->at = EJ_AT_ROOT;
    return ej_nest_take_keyword(c, "root") ? EINJIT_OK : ej_nest_read_int32(c, &r->at);
}

static int read_stage(ej_nest_cursor *c, ej_rewrite *r)
{
    int home = 0;
    if (r->kind == EJ_REWRITE_STAGE) EJ_TRY(ej_nest_read_int32(c, &r->source));
    EJ_TRY(read_place(c, r));
    EJ_TRY(ej_nest_read_listed(c, ej_nest_home_names, "local or reg", &home));
    r->home = (uint8_t)home;
    return EINJIT_OK;
}

static int read_hints(ej_nest_cursor *c, ej_leaf_hints *hints)
{
    hints->stream = ej_nest_take_keyword(c, "stream");
    if (ej_nest_take_keyword(c, "prefetch")) EJ_TRY(ej_nest_read_prefetch(c, hints));
    return ej_nest_take_keyword(c, "rows") ? ej_nest_read_int32(c, &hints->rows) : EINJIT_OK;
}

static int read_rewrite(ej_nest_cursor *c, ej_rewrite *r)
{
    int kind = 0;
    memset(r, 0, sizeof *r);
    EJ_TRY(ej_nest_read_listed(c, words, "a rewrite", &kind));
    r->kind = (uint8_t)kind;
    EJ_TRY(ej_nest_read_int32(c, &r->statement));
    if (is_staging(kind)) EJ_TRY(read_stage(c, r));
    if (kind == EJ_REWRITE_LOOP || kind == EJ_REWRITE_INNER) {
        EJ_TRY(read_axis(c, &r->axis));
        EJ_TRY(ej_nest_read_integer(c, &r->step));
        r->aligned = kind == EJ_REWRITE_LOOP && ej_nest_take_keyword(c, "aligned");
        return EINJIT_OK;
    }
    if (kind == EJ_REWRITE_SPLIT) {
        EJ_TRY(read_axis(c, &r->axis));
        r->apart = ej_nest_take_keyword(c, "apart");
        return EINJIT_OK;
    }
    if (ej_rewrite_names_two(kind)) {
        EJ_TRY(read_axis(c, &r->axis));
        return read_axis(c, &r->lane);
    }
    if (kind == EJ_REWRITE_FILL) return read_place(c, r);
    if (kind == EJ_REWRITE_HINT) return read_hints(c, &r->hints);
    return read_digits(c, is_staging(kind), &r->digits);
}

int ej_schedule_replay(ej_schedule *s, const char *text, einjit_error *err)
{
    ej_nest_cursor c = {.text = text, .length = strlen(text), .arena = s->job->arena, .err = err};
    for (; c.at < c.length; c.at++) {
        ej_rewrite r;
        if (ej_nest_at_line_end(&c)) continue;
        EJ_TRY(read_rewrite(&c, &r));
        if (!ej_nest_at_line_end(&c)) return ej_nest_expected(&c, "the end of the line");
        if (ej_schedule_apply(s, &r, NULL)) continue;
        if (s->no_memory) return ej_no_memory(err);
        return ej_fail(err, EINJIT_E_INTERNAL, "rewrite %d is refused: %s", (int)s->n_log, ej_refusal_text(s->why));
    }
    return EINJIT_OK;
}
