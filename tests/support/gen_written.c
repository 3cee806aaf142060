/* gen_written.c - random programs of the forms that the passes distribute, gather and offer look for, written as text:
 * sums of products with a factor in common, contractions around gathers and scatters, einsums with several users.
 * Extents of 1 that broadcast, extents that are said as names, numbers or not at all.
 */
#include "gen_written.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    gen_random r;
    char params[1500], body[3000];
    int dtype;      /* most operands' */
    bool semiring;  /* most einsums take the largest term */
    bool names_all; /* extents have names where labels do */
    int extents[4]; /* of the labels i j k l */
    int n_inputs;
    int64_t shapes[GEN_MAX_INPUTS][8];
    int ranks[GEN_MAX_INPUTS], dtypes[GEN_MAX_INPUTS];
    int64_t below[GEN_MAX_INPUTS]; /* > 0: indices */
} writer;

static const char letters[] = "ijkl", others[] = "xyzw";

void gen_append(char *text, size_t room, const char *format, ...)
{
    va_list args;
    size_t n = strlen(text);
    va_start(args, format);
    vsnprintf(text + n, room - n, format, args);
    va_end(args);
}

#define SAY(w, ...) gen_append((w)->body, sizeof(w)->body, __VA_ARGS__)
#define PARAM(w, ...) gen_append((w)->params, sizeof(w)->params, __VA_ARGS__)

static int any_dtype(writer *w)
{
    static const int dtypes[] = {EINJIT_F32, EINJIT_F32,  EINJIT_F32, EINJIT_F64, EINJIT_I64, EINJIT_I32,
                                 EINJIT_C64, EINJIT_BF16, EINJIT_F16, EINJIT_I8,  EINJIT_U8,  EINJIT_I16};
    return dtypes[gen_below(&w->r, sizeof dtypes / sizeof *dtypes)];
}

static bool whole(const writer *w)
{
    return ej_dtypes[w->dtype].kind == EJ_KIND_INT;
}

/* A parameter that says its extents as names, numbers or not at all. labels NULL: names are not said. */
static int declare(writer *w, const char *prefix, int dtype, int rank, const int64_t *shape, const char *labels)
{
    int n = w->n_inputs++, style = w->names_all ? 0 : gen_below(&w->r, 4);
    w->ranks[n] = rank;
    w->dtypes[n] = dtype;
    PARAM(w, "%s%s%d: %s", n ? ", " : "", prefix, n, einjit_dtype_name(dtype));
    if (style < 3) PARAM(w, rank ? "[" : "[()");
    for (int a = 0; a < rank; a++) {
        w->shapes[n][a] = shape[a];
        const char *name = labels ? strchr(letters, labels[a]) : NULL;
        if (style == 3) continue;
        if (a) PARAM(w, ", ");
        if (style <= 1 && name && shape[a] == w->extents[name - letters]) PARAM(w, "n%c", labels[a]);
        else if (style == 2) PARAM(w, ":");
        else PARAM(w, "%lld", (long long)shape[a]);
    }
    if (style < 3) PARAM(w, "]");
    return n;
}

/* An operand with these labels, some axes 1 although the label is more. */
static int operand(writer *w, const char *prefix, const char *labels, int ones)
{
    int64_t shape[8];
    int rank = (int)strlen(labels);
    for (int a = 0; a < rank; a++)
        shape[a] = gen_chance(&w->r, ones) ? 1 : w->extents[strchr(letters, labels[a]) - letters];
    return declare(w, prefix, gen_chance(&w->r, 5) ? any_dtype(w) : w->dtype, rank, shape, labels);
}

/* n different letters in any order. */
static void any_labels(writer *w, char *out, int n)
{
    char all[5] = "ijkl";
    for (int k = 0; k < n; k++) {
        int at = k + gen_below(&w->r, 4 - k);
        char c = all[at];
        all[at] = all[k];
        all[k] = out[k] = c;
    }
    out[n] = 0;
}

/* Some of the letters of the terms, in any order. */
static void any_output(writer *w, char *out, const char *terms)
{
    char all[5];
    int n = 0;
    any_labels(w, all, 4);
    for (int k = 0; k < 4; k++)
        if (strchr(terms, all[k]) && gen_chance(&w->r, 60)) out[n++] = all[k];
    out[n] = 0;
}

static void say_labels(writer *w, const char *labels, const char *alphabet)
{
    for (; *labels; labels++) SAY(w, "%c", alphabet[strchr(letters, *labels) - letters]);
}

/* The end of an einsum. */
static void say_reduce(writer *w)
{
    bool largest = !strstr(w->params, "c64") && gen_chance(&w->r, w->semiring ? 80 : 2);
    SAY(w, largest ? ", reduce=\"max\")" : ")");
}

/* ---- sums of products ---- */

typedef struct family {
    char left[5], right[5], third[5], out[5];
    int n_left, n_right, lefts[3], rights[2], other, reversed;
    int kind; /* 0 .. 5 einsum, 6 matmul, 7 pointwise */
} family;

static void make_family(writer *w, family *f)
{
    char both[16];
    f->kind = gen_below(&w->r, 8);
    any_labels(w, f->left, 1 + gen_below(&w->r, 3));
    any_labels(w, f->right, 1 + gen_below(&w->r, 2));
    f->third[0] = 0;
    if (f->kind == 5) any_labels(w, f->third, 1);
    if (f->kind == 6) strcpy(f->left, "ik"), strcpy(f->right, "kj");
    if (f->kind == 7) strcpy(f->right, f->left);
    snprintf(both, sizeof both, "%s%s%s", f->left, f->right, f->third);
    any_output(w, f->out, both);
    f->n_left = 2 + gen_below(&w->r, 2);
    f->n_right = 1 + gen_below(&w->r, 2);
    int ones = gen_chance(&w->r, 50) ? 0 : 20;
    for (int k = 0; k < f->n_left; k++) f->lefts[k] = operand(w, "a", f->left, f->kind == 6 ? 0 : ones);
    for (int k = 0; k < f->n_right; k++) f->rights[k] = operand(w, "c", f->right, f->kind == 6 ? 0 : ones);
    if (*f->third) f->other = operand(w, "d", f->third, 0);
}

static void say_einsum(writer *w, const family *f)
{
    int a = f->lefts[gen_below(&w->r, f->n_left)], c = f->rights[gen_below(&w->r, f->n_right)];
    const char *alphabet = gen_chance(&w->r, 50) ? letters : others;
    bool swapped = gen_chance(&w->r, 30);
    char left[5];
    strcpy(left, f->left);
    if (gen_chance(&w->r, 20) && strlen(left) > 1 && w->shapes[a][0] == w->shapes[a][1]) /* the other way round */
        left[0] = f->left[1], left[1] = f->left[0];
    SAY(w, "einsum(\"");
    say_labels(w, swapped ? f->right : left, alphabet);
    SAY(w, ",");
    say_labels(w, swapped ? left : f->right, alphabet);
    if (*f->third) SAY(w, ","), say_labels(w, f->third, alphabet);
    SAY(w, "->");
    say_labels(w, f->out, alphabet);
    SAY(w, swapped ? "\", c%d, a%d" : "\", a%d, c%d", swapped ? c : a, swapped ? a : c);
    if (*f->third) SAY(w, ", d%d", f->other);
    say_reduce(w);
}

static void say_product(writer *w, const family *f)
{
    int a = f->lefts[gen_below(&w->r, f->n_left)], c = f->rights[gen_below(&w->r, f->n_right)];
    if (f->kind < 6) say_einsum(w, f);
    else SAY(w, f->kind == 6 ? "a%d @ c%d" : gen_chance(&w->r, 50) ? "a%d * c%d" : "(a%d * c%d)", a, c);
}

static void say_term(writer *w, const family *f, int t)
{
    int kind = gen_below(&w->r, 10);
    SAY(w, "    t%d = ", t);
    if (kind == 0) SAY(w, "-(");
    if (kind == 1) SAY(w, "2 * (");
    if (kind == 2) SAY(w, whole(w) ? w->dtype == EINJIT_U8 ? "3 * (" : "-3 * (" : "0.5 * (");
    if (kind == 3 && !whole(w)) SAY(w, "(");
    say_product(w, f);
    SAY(w, kind == 3 && !whole(w) ? ") / 4.0\n" : kind < 3 ? ")\n" : "\n");
}

/* The terms t<from> to t<to - 1> as one expression. */
static void say_sum(writer *w, int from, int to)
{
    if (to - from == 1) {
        SAY(w, "t%d", from);
        return;
    }
    int middle = from + 1 + gen_below(&w->r, to - from - 1);
    SAY(w, gen_chance(&w->r, 10) ? "-(" : "(");
    say_sum(w, from, middle);
    SAY(w, gen_chance(&w->r, 60) ? " + " : " - ");
    say_sum(w, middle, to);
    SAY(w, ")");
}

static void write_sum(writer *w)
{
    family f;
    int n = 2 + gen_below(&w->r, 4), t;
    make_family(w, &f);
    for (t = 0; t < n; t++) say_term(w, &f, t);
    if (gen_chance(&w->r, 20)) SAY(w, "    t%d = %s\n", t, gen_chance(&w->r, 50) ? "3" : "t0 * t0"), t++;
    SAY(w, "    s = ");
    say_sum(w, 0, t);
    SAY(w, gen_chance(&w->r, 20) ? "\n    return s, t1\n" : "\n    return s\n");
}

/* ---- gathers and scatters ---- */

/* An index vector of n entries, all below `below`. */
static int index_vector(writer *w, int64_t n, int64_t below, const char *label)
{
    int i = declare(w, "s", gen_chance(&w->r, 70) ? EINJIT_I64 : EINJIT_I32, 1, &n, label);
    w->below[i] = below;
    return i;
}

/* The operand with another extent on the axis of `label`. */
static int operand_but(writer *w, const char *prefix, const char *labels, char label, int64_t extent)
{
    int64_t shape[8];
    int rank = (int)strlen(labels);
    for (int a = 0; a < rank; a++)
        shape[a] = labels[a] == label ? extent : w->extents[strchr(letters, labels[a]) - letters];
    return declare(w, prefix, gen_chance(&w->r, 5) ? any_dtype(w) : w->dtype, rank, shape, labels);
}

static void say_equation(writer *w, const char *left, const char *right, const char *out)
{
    bool dots = left[1] && out[0] == left[0] && !strchr(right, left[0]) && gen_chance(&w->r, 30); /* "...k,kj->...j" */
    SAY(w, "\"%s%s,%s->%s%s\"", dots ? "..." : "", left + dots, right, dots ? "..." : "", out + dots);
}

static int axis_of(writer *w, const char *labels, char label)
{
    int axis = (int)(strchr(labels, label) - labels);
    return gen_chance(&w->r, 30) ? axis - (int)strlen(labels) : axis;
}

/* A product of three, two of which have the indexed label: messages. */
static void write_message(writer *w)
{
    char left[5], right[5], third[5], out[5], all[16];
    bool selects = gen_chance(&w->r, 60), summed = selects && gen_chance(&w->r, 50); /* over the gather */
    any_labels(w, left, 1 + gen_below(&w->r, 3));
    char g = left[gen_below(&w->r, (int)strlen(left))];
    do {
        any_labels(w, right, 1 + gen_below(&w->r, 2));
        any_labels(w, third, 1 + gen_below(&w->r, 2));
        if (!strchr(third, g)) third[0] = g;
        if (summed && !strchr(right, g)) right[0] = g;
        snprintf(all, sizeof all, "%s%s%s", left, right, third);
        any_output(w, out, all);
    } while (!selects && !strchr(out, g));
    char *kept = strchr(out, g);
    if (summed && kept) memmove(kept, kept + 1, strlen(kept));
    w->names_all = summed; /* it is added up at the source only where extents are known to be the same */
    int64_t e = w->extents[strchr(letters, g) - letters], n = gen_chance(&w->r, 70) ? e : 1 + gen_below(&w->r, 4);
    int c = operand(w, "c", right, 10), d = operand(w, "d", third, 10);
    int a = selects ? operand_but(w, "a", left, g, n) : operand(w, "a", left, 0);
    int s = index_vector(w, e, n, selects ? (char[]){g, 0} : NULL);
    if (selects) SAY(w, "    t = index_select(a%d, %d, s%d)\n", a, axis_of(w, left, g), s);
    else SAY(w, "    t = a%d\n", a);
    SAY(w, "    p = einsum(\"%s,%s,%s->%s\", t, c%d, d%d", left, right, third, out, c, d);
    say_reduce(w);
    if (!selects) SAY(w, "\n    p = index_add(%lld, %d, s%d, p)", (long long)n, axis_of(w, out, g), s);
    SAY(w, "\n    return p\n");
}

static void write_gather(writer *w)
{
    if (!w->semiring && gen_chance(&w->r, 45)) {
        write_message(w);
        return;
    }
    char left[5], right[5], out[5], both[12];
    do {
        any_labels(w, left, 1 + gen_below(&w->r, 3));
        any_labels(w, right, 1 + gen_below(&w->r, 2));
        snprintf(both, sizeof both, "%s%s", left, right);
        any_output(w, out, both);
    } while (!out[0]);
    bool inside = gen_chance(&w->r, 50); /* the index operation: on an operand or the result */
    bool selects = gen_chance(&w->r, w->semiring ? 20 : 50);
    char g = inside ? left[gen_below(&w->r, (int)strlen(left))] : out[gen_below(&w->r, (int)strlen(out))];
    int64_t e = w->extents[strchr(letters, g) - letters], n = gen_chance(&w->r, 70) ? e : 1 + gen_below(&w->r, 4);
    int c = operand(w, "c", right, inside ? 10 : 0), a, s;
    if (inside) {
        a = operand_but(w, "a", left, g, n);
        s = selects ? index_vector(w, e, n, NULL) : index_vector(w, n, e, NULL);
        if (selects) SAY(w, "    t = index_select(a%d, %d, s%d)\n", a, axis_of(w, left, g), s);
        else SAY(w, "    t = index_add(%lld, %d, s%d, a%d)\n", (long long)e, axis_of(w, left, g), s, a);
        SAY(w, "    p = einsum(");
        say_equation(w, left, right, out);
        SAY(w, ", t, c%d", c);
        say_reduce(w);
        SAY(w, "\n    return %s\n", gen_chance(&w->r, 20) ? "p, t" : gen_chance(&w->r, 20) ? "p, p * 2" : "p");
    } else {
        a = operand(w, "a", left, 0);
        SAY(w, "    p = einsum(");
        say_equation(w, left, right, out);
        SAY(w, ", a%d, c%d", a, c);
        say_reduce(w);
        s = selects ? index_vector(w, n, e, NULL) : index_vector(w, e, n, NULL);
        if (selects) SAY(w, "\n    t = index_select(p, %d, s%d)\n", axis_of(w, out, g), s);
        else SAY(w, "\n    t = index_add(%lld, %d, s%d, p)\n", (long long)n, axis_of(w, out, g), s);
        SAY(w, "    return %s\n", gen_chance(&w->r, 20) ? "t, p" : "t + 1");
    }
}

/* ---- einsums with several users ---- */

static void write_shared(writer *w)
{
    char left[5], right[5], third[5], inner[5], both[12], out[5];
    any_labels(w, left, 1 + gen_below(&w->r, 3));
    any_labels(w, right, 1 + gen_below(&w->r, 2));
    snprintf(both, sizeof both, "%s%s", left, right);
    any_output(w, inner, both);
    int a = operand(w, "a", left, 15), b = operand(w, "b", right, 15), n = 1 + gen_below(&w->r, 3), k;
    SAY(w, "    p = einsum(");
    say_equation(w, left, right, inner);
    SAY(w, ", a%d, b%d)\n", a, b);
    for (k = 0; k < n; k++) {
        any_labels(w, third, 1 + gen_below(&w->r, 2));
        snprintf(both, sizeof both, "%s%s", inner, third);
        any_output(w, out, both);
        int c = operand(w, "c", third, 15);
        SAY(w, "    r%d = einsum(\"", k);
        say_labels(w, inner, others);
        SAY(w, ",");
        say_labels(w, third, others);
        SAY(w, "->");
        say_labels(w, out, others);
        SAY(w, "\", p, c%d", c);
        say_reduce(w);
        SAY(w, "\n");
    }
    SAY(w, "    return ");
    for (k = 0; k < n; k++) SAY(w, "r%d, ", k);
    SAY(w, n < 2 || gen_chance(&w->r, 30) ? "p\n" : "r0\n");
}

static void write_square(writer *w)
{
    static const char *const equations[] = {"ik,jk->ij", "ik,jk->ji", "ki,kj->ij"};
    int64_t rows = 128 + gen_below(&w->r, 5), depth = 48 + gen_below(&w->r, 4);
    const char *equation = equations[gen_below(&w->r, 3)];
    int64_t shape[2] = {*equation == 'k' ? depth : rows, *equation == 'k' ? rows : depth};
    w->dtype = gen_chance(&w->r, 50) ? EINJIT_F32 : EINJIT_F64;
    int x = declare(w, "x", w->dtype, 2, shape, NULL);
    SAY(w, "    return einsum(\"%s\", x%d, x%d)\n", equation, x, x);
}

/* ---- the program with its inputs ---- */

static bool make_inputs(gen_program *p, writer *w)
{
    for (int i = 0; i < w->n_inputs; i++, p->n_in++) {
        int strides = gen_chance(&w->r, 60) ? GEN_ROW_MAJOR : gen_below(&w->r, GEN_STRIDE_KINDS);
        if (!gen_tensor_make(&p->in[i], &w->r, w->dtypes[i], w->ranks[i], w->shapes[i], strides)) return false;
        p->index_below[i] = w->below[i];
        if (w->below[i]) gen_tensor_set_index(&p->in[i], &w->r, w->below[i]);
        else gen_tensor_fill(&p->in[i], &w->r, gen_chance(&w->r, 20));
    }
    return true;
}

bool gen_written_make(gen_program *out, int kind, uint64_t seed, char *text, size_t room)
{
    static void (*const write[])(writer *w) = {write_sum, write_gather, write_shared, write_square};
    einjit_error err;
    einjit_tensor views[GEN_MAX_INPUTS];
    writer w = {.r = {seed * 0x9E3779B97F4A7C15u}};
    memset(out, 0, sizeof *out);
    w.dtype = any_dtype(&w);
    w.semiring = gen_chance(&w.r, 40);
    bool equal = gen_chance(&w.r, 70); /* what mixes axes up is wrong then, and not refused */
    for (int l = 0; l < 4; l++) w.extents[l] = gen_chance(&w.r, 20) ? 1 : 2 + gen_below(&w.r, 3);
    for (int l = 1; equal && l < 4; l++) w.extents[l] = w.extents[0];
    write[kind](&w);
    snprintf(text, room, "def f(%s):\n%s", w.params, w.body);
    if (ej_graph_parse(&out->graph, &ej_malloc_allocator, text, strlen(text), &err)) {
        fprintf(stderr, "%s%s\n", text, err.text);
        exit(1); /* of the generator */
    }
    bool ok = make_inputs(out, &w);
    gen_program_views(out, views);
    ok = oracle_run(&out->oracle, &out->graph, views, 3e6) && ok;
    if (!ok) gen_program_free(out);
    return ok;
}
