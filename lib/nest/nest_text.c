/* nest_text.c - prints a nest as text that nest_text_read.c reads back: everything is in it but the constants' data.
 *
 *     nest gemm
 *     symbol z = 1000                     open extents and the values observed
 *     derived @3 = max(z, 8)              only where sizes nest so deeply that they print as numbers of others
 *     axis i z
 *     axis k 20 reduced                   or parallel; neither: sequential
 *     buffer A f32 arg 0                  arg and const: the slot
 *     buffer T f32 scratch elems 4*z at 64
 *     buffer to i64 arg 1 table 8         accesses read indices from it, all below 8
 *     buffer B f32 local elems 512 at 0
 *     buffer acc f32 reg elems 8
 *     cut i 32 grain 4 again              threads share the axis in pieces of 32, 4 or more of them; "again": runs of
 *                                         pieces have work in common, which each does
 *     place T                             at the root: before the first node
 *     loop i step 4                       or: step 16 aligned
 *         when first k                    of the loop or leaf above it: first, later, last, earlier; k, l: of these
 *                                         axes
 *         place acc                       of the loop above it: first lines of its children
 *         move acc[i: 1]                  no sources: a constant
 *             expr $0 = f32 const 0.0
 *         sum acc[i: 1]                   sum, max, min, or, prod: a contraction
 *             src A[8; i: 20, k: 1]       base; axis: stride
 *             src B[k: 1 block 4: 64]     block: stride 1 inside of blocks of 4, 64 from block to block
 *                                         or B[q: 4 by T[3; q: 1]]: stride by table[base; axis: stride]
 *             expr $0 = f32 src 0; $1 = f32 src 1; $2 = f32 mul $0 $1
 *             tile i unroll 4, k lane 16
 *             prefetch 0 512              lines of source 0, 512 bytes ahead; all: of all; "far" behind it: to the L2
 *             rows 8                      what tables lead to, 8 entries ahead
 *             stream                      of a move: stores go past the caches
 *             pairs                       of a sum of products of bf16 or short integers: two terms at a time, where
 *                                         the target can
 *
 * Four spaces a level. Names that are not one word, or not unique, are declared in quotes and referred to as %0, %1,
 * ... A name that is missing is -. `#` starts a comment. The slot of scratch, local and reg buffers means nothing and
 * is not printed.
 */
#include "nest_text.h"

#include <stdlib.h>
#include <string.h>

const char *const ej_nest_run_names[] = {"sequential", "parallel", "reduced", NULL};
const char *const ej_nest_home_names[] = {"arg", "scratch", "const", "local", "reg", "count", NULL};
const char *const ej_nest_reduce_names[] = {"sum", "max", "min", "logsumexp", "or", "prod", "mean", NULL};

const char *const ej_nest_when_names[] = {"always", "first", "later", "last", "earlier", NULL};

typedef struct printer {
    ej_text *text;
    const ej_nest *nest;
    const ej_sizes *sizes;
    bool *axis_by_name, *buffer_by_name; /* whether a reference is the name; NULL: never */
} printer;

static bool is_word(const char *name)
{
    if (!name || !*name) return false;
    for (const char *p = name; *p; p++)
        if (!ej_nest_word_byte(*p, p == name)) return false;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Which of n names are words and unique: by sorting. NULL without memory, which the text then remembers. */
static bool *names_that_refer(ej_text *text, const char **names, int32_t n)
{
    bool *out = EJ_NEW_ARRAY(text->arena, bool, (size_t)n + 1);
    const char **sorted = EJ_NEW_ARRAY(text->arena, const char *, (size_t)n + 1);
    if (!out || !sorted) {
        text->failed = true;
        return NULL;
    }
    int32_t words = 0;
    for (int32_t i = 0; i < n; i++)
        if (is_word(names[i])) sorted[words++] = names[i];
    qsort(sorted, (size_t)words, sizeof *sorted, compare_names);
    for (int32_t i = 0; i < n; i++) {
        if (!is_word(names[i])) continue;
        const char **at = bsearch(&names[i], sorted, (size_t)words, sizeof *sorted, compare_names);
        bool before = at > sorted && !strcmp(at[-1], *at), after = at + 1 < sorted + words && !strcmp(at[1], *at);
        out[i] = !before && !after;
    }
    return out;
}

static bool prepare(printer *p)
{
    const ej_nest *nest = p->nest;
    int32_t n = nest->n_axes > nest->n_buffers ? nest->n_axes : nest->n_buffers;
    const char **names = EJ_NEW_ARRAY(p->text->arena, const char *, (size_t)n + 1);
    if (!names) {
        p->text->failed = true;
        return false;
    }
    for (int32_t a = 0; a < nest->n_axes; a++) names[a] = nest->axes[a].name;
    p->axis_by_name = names_that_refer(p->text, names, nest->n_axes);
    for (int32_t b = 0; b < nest->n_buffers; b++) names[b] = nest->buffers[b].name;
    p->buffer_by_name = names_that_refer(p->text, names, nest->n_buffers);
    return !p->text->failed;
}

static void print_name(ej_text *text, const char *name)
{
    if (!name) {
        ej_print(text, "-");
    } else if (is_word(name)) {
        ej_print(text, "%s", name);
    } else {
        ej_print(text, "\"");
        for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
            if (*c == '"' || *c == '\\' || *c < 0x20 || *c == 0x7F) ej_print(text, "\\x%02x", *c);
            else ej_print_bytes(text, (const char *)c, 1);
        }
        ej_print(text, "\"");
    }
}

static void print_axis_ref(const printer *p, int32_t axis)
{
    bool known = axis >= 0 && axis < p->nest->n_axes;
    if (known && p->axis_by_name[axis]) ej_print(p->text, "%s", p->nest->axes[axis].name);
    else ej_print(p->text, "%%%d", (int)axis);
}

static void print_buffer_ref(const printer *p, int32_t buffer)
{
    bool known = buffer >= 0 && buffer < p->nest->n_buffers;
    if (known && p->buffer_by_name[buffer]) ej_print(p->text, "%s", p->nest->buffers[buffer].name);
    else ej_print(p->text, "%%%d", (int)buffer);
}

static void print_size(const printer *p, ej_size size)
{
    if (!size.e || !p->sizes) ej_print(p->text, "%lld", (long long)size.n);
    else ej_size_print(p->text, p->sizes, size);
}

static void indent(ej_text *text, int32_t depth)
{
    for (int32_t d = 0; d < depth; d++) ej_print_bytes(text, "    ", 4);
}

static void print_base(const printer *p, ej_size base, bool with_terms)
{
    if (ej_size_is(base, 0)) return;
    print_size(p, base);
    if (with_terms) ej_print(p->text, "; ");
}

static void print_term(const printer *p, const ej_access_term *term)
{
    print_axis_ref(p, term->axis);
    ej_print(p->text, ": ");
    print_size(p, term->stride);
    if (term->block > 0) {
        ej_print(p->text, " block %lld: ", (long long)term->block);
        print_size(p, term->block_stride);
    }
    if (term->table < 0) return;
    ej_print(p->text, " by ");
    print_buffer_ref(p, term->table);
    ej_print(p->text, "[");
    print_base(p, term->tbase, true);
    print_axis_ref(p, term->axis);
    ej_print(p->text, ": ");
    print_size(p, term->tstride);
    ej_print(p->text, "]");
}

static void print_access(const printer *p, const ej_access *access)
{
    print_buffer_ref(p, access->buffer);
    ej_print(p->text, "[");
    print_base(p, access->base, access->n_terms > 0);
    for (int32_t t = 0; t < access->n_terms; t++) {
        if (t) ej_print(p->text, ", ");
        print_term(p, &access->terms[t]);
    }
    ej_print(p->text, "]\n");
}

static void print_constant(ej_text *text, const ej_expr_op *op)
{
    int kind = ej_dtypes[op->dtype].kind;
    ej_print(text, "const ");
    if (kind == EJ_KIND_BOOL || kind == EJ_KIND_INT) {
        ej_print(text, "%lld", (long long)op->integer);
        return;
    }
    ej_print_double(text, op->re);
    if (kind != EJ_KIND_COMPLEX) return;
    ej_print(text, " ");
    ej_print_double(text, op->im);
}

static void print_op(ej_text *text, const ej_expr_op *op)
{
    ej_print(text, "%s ", einjit_dtype_name(op->dtype));
    switch (op->kind) {
    case EJ_EXPR_SOURCE: ej_print(text, "src %d", (int)op->a); break;
    case EJ_EXPR_CAST: ej_print(text, "cast $%d", (int)op->a); break;
    case EJ_EXPR_CONST: print_constant(text, op); break;
    default:
        ej_print(text, "%s", ej_fns[op->fn].name);
        for (int32_t k = 0; k < ej_op_arity(op); k++) ej_print(text, " $%d", (int)ej_op_operand(op, k));
    }
}

static void print_expr(ej_text *text, const ej_expr *expr, int32_t depth)
{
    if (!expr->n) return;
    indent(text, depth);
    ej_print(text, "expr ");
    for (int32_t i = 0; i < expr->n; i++) {
        ej_print(text, "%s$%d = ", i ? "; " : "", (int)i);
        print_op(text, &expr->ops[i]);
    }
    ej_print(text, "\n");
}

static void print_tile(const printer *p, const ej_tile *tile, int32_t depth)
{
    if (!tile->n) return;
    indent(p->text, depth);
    ej_print(p->text, "tile ");
    for (int32_t d = 0; d < tile->n; d++) {
        if (d) ej_print(p->text, ", ");
        print_axis_ref(p, tile->digits[d].axis);
        ej_print(p->text, " %s %d", tile->digits[d].place == EJ_LANE ? "lane" : "unroll", (int)tile->digits[d].count);
    }
    ej_print(p->text, "\n");
}

void ej_nest_print_prefetch(ej_text *text, const ej_leaf_hints *hints)
{
    ej_print(text, "prefetch ");
    if (hints->source == EJ_HINT_ALL) ej_print(text, "all");
    else ej_print(text, "%d", (int)hints->source);
    ej_print(text, " %lld%s", (long long)hints->ahead, hints->far ? " far" : "");
}

static void print_hints(ej_text *text, const ej_leaf_hints *hints, int32_t depth)
{
    if (hints->ahead) {
        indent(text, depth);
        ej_nest_print_prefetch(text, hints);
        ej_print(text, "\n");
    }
    if (hints->rows) {
        indent(text, depth);
        ej_print(text, "rows %d\n", (int)hints->rows);
    }
    if (!hints->stream) return;
    indent(text, depth);
    ej_print(text, "stream\n");
}

static void print_when(const printer *p, const ej_when *when, int32_t depth)
{
    if (when->kind == EJ_WHEN_ALWAYS) return;
    indent(p->text, depth);
    ej_print(p->text, "when %s", ej_nest_when_names[when->kind]);
    for (int32_t i = 0; i < when->n; i++) {
        ej_print(p->text, i ? ", " : " ");
        print_axis_ref(p, when->axes[i]);
    }
    ej_print(p->text, "\n");
}

static void print_leaf(const printer *p, const ej_nest_node *leaf, int32_t depth)
{
    indent(p->text, depth);
    ej_print(p->text, "%s ", leaf->reduce == EJ_REDUCE_NONE ? "move" : ej_nest_reduce_names[leaf->reduce]);
    print_access(p, &leaf->dst);
    print_when(p, &leaf->when, depth + 1);
    for (int32_t s = 0; s < leaf->n_src; s++) {
        indent(p->text, depth + 1);
        ej_print(p->text, "src ");
        print_access(p, &leaf->src[s]);
    }
    print_expr(p->text, &leaf->expr, depth + 1);
    print_tile(p, &leaf->tile, depth + 1);
    print_hints(p->text, &leaf->hints, depth + 1);
    if (!leaf->pairs) return;
    indent(p->text, depth + 1);
    ej_print(p->text, "pairs\n");
}

static void print_placed(const printer *p, const int32_t *placed, int32_t n, int32_t depth)
{
    for (int32_t i = 0; i < n; i++) {
        indent(p->text, depth);
        ej_print(p->text, "place ");
        print_buffer_ref(p, placed[i]);
        ej_print(p->text, "\n");
    }
}

static int32_t size_depth(const ej_sizes *sizes, const int32_t *depth, ej_size size)
{
    int32_t most = 0;
    const ej_polynomial *p = size.e ? &sizes->exprs[size.e - 1] : NULL;
    for (int32_t t = 0; p && t < p->n_terms; t++)
        for (int32_t i = 0; i < p->terms[t].n_atoms; i++)
            if (depth[p->terms[t].atoms[i]] > most) most = depth[p->terms[t].atoms[i]];
    return most;
}

/* ej_size_print stops behind three levels: where a size is deeper, every derived atom gets a line. */
static void print_derived(const printer *p)
{
    static const char *const words[] = {"", "min", "max", "ceil_div", "align"};
    const ej_sizes *sizes = p->sizes;
    int32_t most = 0, *depth = EJ_NEW_ARRAY(p->text->arena, int32_t, sizes->n_atoms + 1);
    if (!depth) {
        p->text->failed = true;
        return;
    }
    for (size_t i = sizes->n_symbols; i < sizes->n_atoms; i++) {
        int32_t a = size_depth(sizes, depth, sizes->atoms[i].a), b = size_depth(sizes, depth, sizes->atoms[i].b);
        depth[i] = 1 + (a > b ? a : b);
        if (depth[i] > most) most = depth[i];
    }
    for (size_t i = sizes->n_symbols; most > 3 && i < sizes->n_atoms; i++) {
        ej_print(p->text, "derived @%d = %s(", (int)i, words[sizes->atoms[i].kind]);
        print_size(p, sizes->atoms[i].a);
        ej_print(p->text, ", ");
        print_size(p, sizes->atoms[i].b);
        ej_print(p->text, ")\n");
    }
}

static void print_declarations(const printer *p)
{
    ej_text *text = p->text;
    ej_print(text, "nest ");
    print_name(text, p->nest->name);
    ej_print(text, "\n");
    for (size_t s = 0; p->sizes && s < p->sizes->n_symbols; s++)
        ej_print(text, "symbol %s = %lld\n", p->sizes->atoms[s].name, (long long)p->sizes->atoms[s].n);
    if (p->sizes) print_derived(p);
    for (int32_t a = 0; a < p->nest->n_axes; a++) {
        const ej_axis *axis = &p->nest->axes[a];
        ej_print(text, "axis ");
        print_name(text, axis->name);
        ej_print(text, " ");
        print_size(p, axis->extent);
        ej_print(text, "%s%s\n", axis->run ? " " : "", axis->run ? ej_nest_run_names[axis->run] : "");
    }
    for (int32_t b = 0; b < p->nest->n_buffers; b++) {
        const ej_buffer *buffer = &p->nest->buffers[b];
        ej_print(text, "buffer ");
        print_name(text, buffer->name);
        ej_print(text, " %s %s", einjit_dtype_name(buffer->dtype), ej_nest_home_names[buffer->home]);
        if (buffer->home == EJ_HOME_ARG || buffer->home == EJ_HOME_CONST) ej_print(text, " %d", (int)buffer->slot);
        if (!ej_size_is(buffer->elems, 0)) {
            ej_print(text, " elems ");
            print_size(p, buffer->elems);
        }
        if (!ej_size_is(buffer->offset_bytes, 0)) {
            ej_print(text, " at ");
            print_size(p, buffer->offset_bytes);
        }
        if (buffer->in_place) ej_print(text, " in_place");
        if (buffer->is_table) {
            ej_print(text, " table ");
            print_size(p, buffer->limit);
        }
        ej_print(text, "\n");
    }
}

static void print_cut(const printer *p)
{
    const ej_nest_cut *cut = &p->nest->cut;
    if (cut->axis < 0) return;
    ej_print(p->text, "cut ");
    print_axis_ref(p, cut->axis);
    ej_print(p->text, " %lld grain %lld%s\n", (long long)cut->step, (long long)cut->grain, cut->again ? " again" : "");
}

void ej_nest_print(ej_text *text, const ej_nest *nest, const ej_sizes *sizes)
{
    printer p = {.text = text, .nest = nest, .sizes = sizes};
    int32_t *up = EJ_NEW_ARRAY(text->arena, int32_t, (size_t)nest->n_nodes + 1); /* loops we are in */
    if (!up || !prepare(&p)) {
        text->failed = true;
        return;
    }
    print_declarations(&p);
    print_cut(&p);
    print_placed(&p, nest->placed, nest->n_placed, 0);
    int32_t depth = 0, id = nest->root;
    while (id >= 0) {
        const ej_nest_node *node = &nest->nodes[id];
        if (node->kind == EJ_NEST_LOOP) {
            indent(text, depth);
            ej_print(text, "loop ");
            print_axis_ref(&p, node->axis);
            ej_print(text, " step %lld%s\n", (long long)node->step, node->aligned ? " aligned" : "");
            print_when(&p, &node->when, depth + 1);
            print_placed(&p, node->placed, node->n_placed, depth + 1);
            if (node->child >= 0) {
                up[depth++] = id;
                id = node->child;
                continue;
            }
        } else {
            print_leaf(&p, node, depth);
        }
        id = node->next;
        while (id < 0 && depth > 0) id = nest->nodes[up[--depth]].next;
    }
}
