/* nest_text_read.c - reads the text form of a nest; the grammar is in nest_text.c.
 *
 * Takes  text by lines: declarations first, then loops and leaves, four spaces a level.
 * Gives  a nest whose references are in range, or E_SYNTAX with line and column.
 * Not here: whether the tree makes sense (nest_check.c).
 */
#include "nest_text.h"

#include <string.h>

typedef struct reader {
    ej_nest_cursor c;
    ej_nest *out;
    ej_nest_names axes, buffers;
    int32_t *loops; /* the loops around the current line */
    size_t cap_loops;
    int32_t depth; /* how many of them */
    int32_t leaf;  /* whose lines may follow; -1: none */
    int32_t leaf_depth;
    size_t cap_src;
} reader;

static int read_axis_ref(reader *r, int32_t *out)
{
    return ej_nest_read_reference(&r->c, &r->axes, r->out->n_axes, "an axis", out);
}

static int read_buffer_ref(reader *r, int32_t *out)
{
    return ej_nest_read_reference(&r->c, &r->buffers, r->out->n_buffers, "a buffer", out);
}

/* ---- declarations ---- */

static int read_axis(reader *r)
{
    const char *name;
    ej_size extent = {0};
    int run = EJ_RUN_SEQUENTIAL;
    EJ_TRY(ej_nest_read_name(&r->c, &name));
    EJ_TRY(ej_nest_read_size(&r->c, &extent));
    if (!ej_nest_at_line_end(&r->c)) EJ_TRY(ej_nest_read_listed(&r->c, ej_nest_run_names, "parallel or reduced", &run));
    int32_t id = r->out->n_axes;
    if (ej_nest_names_add(&r->axes, r->c.arena, name, id) || ej_nest_axis(r->out, r->c.arena, name, extent, run, NULL))
        return ej_no_memory(r->c.err);
    return EINJIT_OK;
}

static int read_buffer(reader *r)
{
    ej_buffer buffer = {.slot = -1};
    int home = 0;
    EJ_TRY(ej_nest_read_name(&r->c, &buffer.name));
    EJ_TRY(ej_nest_read_dtype(&r->c, &buffer.dtype));
    EJ_TRY(ej_nest_read_listed(&r->c, ej_nest_home_names, "a home: arg, scratch, const, local, reg or count", &home));
    buffer.home = (uint8_t)home;
    if (home == EJ_HOME_ARG || home == EJ_HOME_CONST) EJ_TRY(ej_nest_read_int32(&r->c, &buffer.slot));
    if (ej_nest_take_keyword(&r->c, "elems")) EJ_TRY(ej_nest_read_size(&r->c, &buffer.elems));
    if (ej_nest_take_keyword(&r->c, "at")) EJ_TRY(ej_nest_read_size(&r->c, &buffer.offset_bytes));
    buffer.in_place = ej_nest_take_keyword(&r->c, "in_place");
    buffer.is_table = ej_nest_take_keyword(&r->c, "table");
    if (buffer.is_table) EJ_TRY(ej_nest_read_size(&r->c, &buffer.limit));
    int32_t id = r->out->n_buffers;
    if (ej_nest_names_add(&r->buffers, r->c.arena, buffer.name, id) ||
        ej_nest_buffer(r->out, r->c.arena, &buffer, NULL))
        return ej_no_memory(r->c.err);
    return EINJIT_OK;
}

static int read_cut(reader *r)
{
    ej_nest_cut cut;
    EJ_TRY(read_axis_ref(r, &cut.axis));
    EJ_TRY(ej_nest_read_integer(&r->c, &cut.step));
    if (cut.step < 1 || !ej_nest_take_keyword(&r->c, "grain")) return ej_nest_expected(&r->c, "a step, and a grain");
    EJ_TRY(ej_nest_read_integer(&r->c, &cut.grain));
    cut.again = ej_nest_take_keyword(&r->c, "again");
    EJ_TRY(ej_size_ceil_div(r->c.sizes, r->out->axes[cut.axis].extent, cut.step, &cut.pieces, r->c.err));
    r->out->cut = cut;
    return EINJIT_OK;
}

/* ---- accesses ---- */

/* Behind "[": a term begins with an axis and a colon, a base does not. */
static bool at_term(reader *r)
{
    size_t before = r->c.at;
    ej_nest_word word;
    bool term = ej_nest_take_char(&r->c, '%') || (ej_nest_take_word(&r->c, &word) && ej_nest_take_char(&r->c, ':'));
    r->c.at = before;
    return term;
}

static int read_base(reader *r, ej_size *base, bool *terms_follow)
{
    *terms_follow = at_term(r);
    if (*terms_follow) return EINJIT_OK;
    EJ_TRY(ej_nest_read_size(&r->c, base));
    *terms_follow = ej_nest_take_char(&r->c, ';');
    return EINJIT_OK;
}

static int read_table(reader *r, ej_access_term *term)
{
    bool terms;
    int32_t axis = -1;
    EJ_TRY(read_buffer_ref(r, &term->table));
    EJ_TRY(ej_nest_read_char(&r->c, '['));
    EJ_TRY(read_base(r, &term->tbase, &terms));
    if (!terms) return ej_nest_expected(&r->c, "the axis");
    size_t at = r->c.at;
    EJ_TRY(read_axis_ref(r, &axis));
    if (axis != term->axis) {
        r->c.at = at;
        return ej_nest_expected(&r->c, "the same axis as outside");
    }
    EJ_TRY(ej_nest_read_char(&r->c, ':'));
    EJ_TRY(ej_nest_read_size(&r->c, &term->tstride));
    return ej_nest_read_char(&r->c, ']');
}

static int read_term(reader *r, ej_access_term *term)
{
    *term = (ej_access_term){.table = -1};
    EJ_TRY(read_axis_ref(r, &term->axis));
    EJ_TRY(ej_nest_read_char(&r->c, ':'));
    EJ_TRY(ej_nest_read_size(&r->c, &term->stride));
    if (ej_nest_take_keyword(&r->c, "block")) {
        EJ_TRY(ej_nest_read_integer(&r->c, &term->block));
        if (term->block < 1) return ej_nest_expected(&r->c, "a block of at least 1");
        EJ_TRY(ej_nest_read_char(&r->c, ':'));
        EJ_TRY(ej_nest_read_size(&r->c, &term->block_stride));
    }
    if (ej_nest_take_keyword(&r->c, "by")) EJ_TRY(read_table(r, term));
    return EINJIT_OK;
}

static int read_access(reader *r, ej_access *out)
{
    bool more;
    size_t capacity = 0;
    *out = (ej_access){0};
    EJ_TRY(read_buffer_ref(r, &out->buffer));
    EJ_TRY(ej_nest_read_char(&r->c, '['));
    if (ej_nest_take_char(&r->c, ']')) return EINJIT_OK;
    EJ_TRY(read_base(r, &out->base, &more));
    while (more) {
        if (!EJ_PUSH_ROOM(r->c.arena, out->terms, capacity, out->n_terms)) return ej_no_memory(r->c.err);
        EJ_TRY(read_term(r, &out->terms[out->n_terms]));
        out->n_terms++;
        more = ej_nest_take_char(&r->c, ',');
    }
    return ej_nest_read_char(&r->c, ']');
}

/* ---- expressions and tiles ---- */

static int read_operand(reader *r, int32_t n_before, int32_t *out)
{
    EJ_TRY(ej_nest_read_char(&r->c, '$'));
    size_t at = r->c.at;
    EJ_TRY(ej_nest_read_int32(&r->c, out));
    if (*out >= 0 && *out < n_before) return EINJIT_OK;
    r->c.at = at;
    return ej_nest_expected(&r->c, "an operation that came before");
}

static int read_constant(reader *r, ej_expr_op *op)
{
    int kind = ej_dtypes[op->dtype].kind;
    op->kind = EJ_EXPR_CONST;
    if (kind == EJ_KIND_BOOL || kind == EJ_KIND_INT) return ej_nest_read_integer(&r->c, &op->integer);
    EJ_TRY(ej_nest_read_double(&r->c, &op->re));
    return kind == EJ_KIND_COMPLEX ? ej_nest_read_double(&r->c, &op->im) : EINJIT_OK;
}

static int read_fn(reader *r, int32_t n_before, ej_expr_op *op)
{
    ej_nest_word word;
    ej_nest_skip_blanks(&r->c);
    size_t at = r->c.at;
    int fn = ej_nest_take_word(&r->c, &word) ? ej_fn_by_name(word.text, word.length) : -1;
    if (fn < 0) {
        r->c.at = at;
        return ej_nest_expected(&r->c, "src, const, cast or a function");
    }
    op->kind = EJ_EXPR_FN;
    op->fn = (uint8_t)fn;
    int32_t *operands[] = {&op->a, &op->b, &op->c};
    for (int i = 0; i < ej_fns[fn].arity; i++) EJ_TRY(read_operand(r, n_before, operands[i]));
    return EINJIT_OK;
}

static int read_op(reader *r, int32_t n_before, ej_expr_op *op)
{
    int32_t number = -1;
    *op = (ej_expr_op){0};
    EJ_TRY(ej_nest_read_char(&r->c, '$'));
    size_t at = r->c.at;
    EJ_TRY(ej_nest_read_int32(&r->c, &number));
    if (number != n_before) {
        r->c.at = at;
        return ej_nest_expected(&r->c, "the next number");
    }
    EJ_TRY(ej_nest_read_char(&r->c, '='));
    EJ_TRY(ej_nest_read_dtype(&r->c, &op->dtype));
    if (ej_nest_take_keyword(&r->c, "const")) return read_constant(r, op);
    if (ej_nest_take_keyword(&r->c, "src")) {
        op->kind = EJ_EXPR_SOURCE;
        return ej_nest_read_int32(&r->c, &op->a);
    }
    if (ej_nest_take_keyword(&r->c, "cast")) {
        op->kind = EJ_EXPR_CAST;
        return read_operand(r, n_before, &op->a);
    }
    return read_fn(r, n_before, op);
}

static int read_expr(reader *r, ej_expr *out)
{
    size_t capacity = 0;
    *out = (ej_expr){0};
    do {
        if (!EJ_PUSH_ROOM(r->c.arena, out->ops, capacity, out->n)) return ej_no_memory(r->c.err);
        EJ_TRY(read_op(r, out->n, &out->ops[out->n]));
        out->n++;
    } while (ej_nest_take_char(&r->c, ';'));
    return EINJIT_OK;
}

static int read_tile(reader *r, ej_tile *tile)
{
    static const char *const places[] = {"lane", "unroll", NULL};
    tile->n = 0;
    do {
        if (tile->n == EJ_TILE_DIGITS) return ej_nest_expected(&r->c, "at most 8 digits");
        ej_digit *digit = &tile->digits[tile->n];
        int place = 0;
        EJ_TRY(read_axis_ref(r, &digit->axis));
        EJ_TRY(ej_nest_read_listed(&r->c, places, "lane or unroll", &place));
        EJ_TRY(ej_nest_read_int32(&r->c, &digit->count));
        digit->place = place ? EJ_UNROLL : EJ_LANE;
        tile->n++;
    } while (ej_nest_take_char(&r->c, ','));
    return EINJIT_OK;
}

/* ---- nodes ---- */

static int32_t parent_of(const reader *r, int32_t depth)
{
    return depth ? r->loops[depth - 1] : -1;
}

static int read_loop(reader *r, int32_t depth)
{
    int32_t axis = 0, id;
    int64_t step = 0;
    EJ_TRY(read_axis_ref(r, &axis));
    if (!ej_nest_take_keyword(&r->c, "step")) return ej_nest_expected(&r->c, "step");
    EJ_TRY(ej_nest_read_integer(&r->c, &step));
    if (step < 1) return ej_nest_expected(&r->c, "a step of at least 1");
    if (ej_nest_loop(r->out, r->c.arena, parent_of(r, depth), axis, step, &id) ||
        !EJ_PUSH_ROOM(r->c.arena, r->loops, r->cap_loops, depth))
        return ej_no_memory(r->c.err);
    r->out->nodes[id].aligned = ej_nest_take_keyword(&r->c, "aligned");
    r->loops[depth] = id;
    r->depth = depth + 1;
    r->leaf = -1;
    return EINJIT_OK;
}

/* Of the leaf above, or of the loop above that has no children yet. */
static int read_when(reader *r, int32_t depth)
{
    bool leaf = r->leaf >= 0 && depth == r->leaf_depth + 1;
    if (!leaf && (!depth || depth != r->depth || r->out->nodes[r->loops[depth - 1]].child >= 0))
        return ej_nest_expected(&r->c, "a loop or leaf above this line");
    ej_when *when = &r->out->nodes[leaf ? r->leaf : r->loops[depth - 1]].when;
    int kind = 0;
    size_t capacity = 0;
    EJ_TRY(ej_nest_read_listed(&r->c, ej_nest_when_names, "first, later, last or earlier", &kind));
    *when = (ej_when){.kind = (uint8_t)kind};
    do {
        if (!EJ_PUSH_ROOM(r->c.arena, when->axes, capacity, when->n)) return ej_no_memory(r->c.err);
        EJ_TRY(read_axis_ref(r, &when->axes[when->n]));
        when->n++;
    } while (ej_nest_take_char(&r->c, ','));
    return EINJIT_OK;
}

static int read_place(reader *r, int32_t depth)
{
    int32_t buffer = 0;
    EJ_TRY(read_buffer_ref(r, &buffer));
    r->leaf = -1;
    r->depth = depth;
    if (ej_nest_place(r->out, r->c.arena, parent_of(r, depth), buffer)) return ej_no_memory(r->c.err);
    return EINJIT_OK;
}

static int read_leaf(reader *r, int32_t depth, int reduce)
{
    ej_nest_node leaf = {.kind = EJ_NEST_LEAF, .reduce = (int8_t)reduce};
    EJ_TRY(read_access(r, &leaf.dst));
    if (ej_nest_leaf(r->out, r->c.arena, parent_of(r, depth), &leaf, &r->leaf)) return ej_no_memory(r->c.err);
    r->depth = r->leaf_depth = depth;
    r->cap_src = 0;
    return EINJIT_OK;
}

int ej_nest_read_prefetch(ej_nest_cursor *c, ej_leaf_hints *hints)
{
    hints->source = EJ_HINT_ALL;
    if (!ej_nest_take_keyword(c, "all")) EJ_TRY(ej_nest_read_int32(c, &hints->source));
    EJ_TRY(ej_nest_read_integer(c, &hints->ahead));
    hints->far = ej_nest_take_keyword(c, "far");
    return EINJIT_OK;
}

/* A line of the leaf above. */
static int read_leaf_line(reader *r, int32_t depth)
{
    if (r->leaf < 0 || depth != r->leaf_depth + 1) return ej_nest_expected(&r->c, "a leaf above this line");
    ej_nest_node *leaf = &r->out->nodes[r->leaf];
    if (ej_nest_take_keyword(&r->c, "expr")) return read_expr(r, &leaf->expr);
    if (ej_nest_take_keyword(&r->c, "tile")) return read_tile(r, &leaf->tile);
    if (ej_nest_take_keyword(&r->c, "prefetch")) return ej_nest_read_prefetch(&r->c, &leaf->hints);
    if (ej_nest_take_keyword(&r->c, "rows")) return ej_nest_read_int32(&r->c, &leaf->hints.rows);
    if (ej_nest_take_keyword(&r->c, "stream")) {
        leaf->hints.stream = true;
        return EINJIT_OK;
    }
    if (ej_nest_take_keyword(&r->c, "pairs")) {
        leaf->pairs = true;
        return EINJIT_OK;
    }
    ej_nest_take_keyword(&r->c, "src");
    if (!EJ_PUSH_ROOM(r->c.arena, leaf->src, r->cap_src, leaf->n_src)) return ej_no_memory(r->c.err);
    EJ_TRY(read_access(r, &leaf->src[leaf->n_src]));
    leaf->n_src++;
    return EINJIT_OK;
}

static int read_node(reader *r, int32_t depth)
{
    int reduce = EJ_REDUCE_NONE;
    if (depth > r->depth) return ej_nest_expected(&r->c, "less indentation");
    if (ej_nest_take_keyword(&r->c, "loop")) return read_loop(r, depth);
    if (ej_nest_take_keyword(&r->c, "place")) return read_place(r, depth);
    if (!ej_nest_take_keyword(&r->c, "move"))
        EJ_TRY(ej_nest_read_listed(&r->c, ej_nest_reduce_names, "a line of a nest", &reduce));
    return read_leaf(r, depth, reduce);
}

static bool next_is(reader *r, const char *const *words)
{
    size_t before = r->c.at;
    bool found = false;
    for (; *words && !found; words++) found = ej_nest_take_keyword(&r->c, *words);
    r->c.at = before;
    return found;
}

static int read_line_at(reader *r, int32_t depth)
{
    static const char *const leaf_words[] = {"src", "expr", "tile", "prefetch", "rows", "stream", "pairs", NULL};
    if (next_is(r, leaf_words)) return read_leaf_line(r, depth);
    if (ej_nest_take_keyword(&r->c, "when")) return read_when(r, depth);
    if (!depth && ej_nest_take_keyword(&r->c, "nest")) return ej_nest_read_name(&r->c, &r->out->name);
    if (!depth && ej_nest_take_keyword(&r->c, "symbol")) return ej_nest_read_symbol(&r->c);
    if (!depth && ej_nest_take_keyword(&r->c, "derived")) return ej_nest_read_derived(&r->c);
    if (!depth && ej_nest_take_keyword(&r->c, "axis")) return read_axis(r);
    if (!depth && ej_nest_take_keyword(&r->c, "buffer")) return read_buffer(r);
    if (!depth && ej_nest_take_keyword(&r->c, "cut")) return read_cut(r);
    return read_node(r, depth);
}

static int read_line(reader *r)
{
    size_t begin = r->c.at;
    if (ej_nest_at_line_end(&r->c)) return EINJIT_OK;
    size_t blanks = r->c.at - begin;
    if (blanks % 4 || blanks / 4 > INT32_MAX / 2) return ej_nest_expected(&r->c, "four spaces a level");
    EJ_TRY(read_line_at(r, (int32_t)(blanks / 4)));
    if (!ej_nest_at_line_end(&r->c)) return ej_nest_expected(&r->c, "the end of the line");
    return EINJIT_OK;
}

int ej_nest_parse(ej_nest *out, ej_sizes *sizes, ej_arena *arena, const char *text, size_t length, einjit_error *err)
{
    ej_nest nest;
    ej_nest_init(&nest, NULL);
    if (length == SIZE_MAX) length = strlen(text);
    reader r = {
        .c = {.text = text, .length = length, .arena = arena, .sizes = sizes, .err = err}, .out = &nest, .leaf = -1};
    while (r.c.at < length) {
        EJ_TRY(read_line(&r));
        r.c.at++;
    }
    *out = nest;
    return EINJIT_OK;
}
