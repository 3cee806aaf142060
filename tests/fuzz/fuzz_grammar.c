/* fuzz_grammar.c - what program text is made of, as forms with holes. */
#include "fuzz_grammar.h"

#include <string.h>

void fuzz_put(fuzz_text *text, const char *bytes, size_t length)
{
    if (length > text->capacity - text->length) {
        text->full = true;
        return;
    }
    memmove(text->data + text->length, bytes, length);
    text->length += length;
}

static void put(fuzz_text *text, const char *word)
{
    fuzz_put(text, word, strlen(word));
}

/* ---- words ---- */

static const char *const functions[][3] = {
/* by arity */
#define EINJIT_FN(name, NAME, arity, rule) \
    [EJ_FN_##NAME] = {arity == 1 ? #name : NULL, arity == 2 ? #name : NULL, arity == 3 ? #name : NULL},
#include "einjit/ops.def"
#undef EINJIT_FN
};
static const char *const reductions[] = {"sum", "amax", "amin", "mean", "prod", "logsumexp", "any"};
static const char *const operators[] = {"+", "-",  "*", "/",  "//", "%",  "**", "@",
                                        "<", "<=", ">", ">=", "==", "!=", "&",  "|"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static const char *function(gen_random *r, int arity)
{
    for (;;) {
        const char *name = functions[gen_below(r, (int)COUNT(functions))][arity - 1];
        if (name) return name;
    }
}

static const char *dtype(gen_random *r)
{
    return einjit_dtype_name(gen_below(r, EINJIT_DTYPE_COUNT));
}

static const char *one_of(gen_random *r, const char *const *list, size_t n)
{
    return list[gen_below(r, (int)n)];
}

void fuzz_number(fuzz_text *out, gen_random *r)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "2",
                                          "3",
                                          "4",
                                          "7",
                                          "16",
                                          "64",
                                          "255",
                                          "1000000",
                                          "2147483647",
                                          "4294967296",
                                          "9223372036854775807",
                                          "0.0",
                                          "0.5",
                                          "2.0",
                                          "1e-3",
                                          "1e30",
                                          "1e-38",
                                          "1e308",
                                          "1e-320",
                                          "float(\"inf\")",
                                          "float(\"nan\")",
                                          "1j",
                                          "2.5j",
                                          "True",
                                          "None"};
    if (gen_chance(r, 20)) put(out, "-");
    put(out, numbers[gen_chance(r, 70) ? gen_below(r, 5) : gen_below(r, (int)COUNT(numbers))]);
}

bool fuzz_sibling(fuzz_text *out, gen_random *r, const char *word, size_t length)
{
    char copy[24];
    if (length >= sizeof copy) return false;
    memcpy(copy, word, length);
    copy[length] = 0;
    int fn = ej_fn_by_name(copy, length);
    if (fn >= 0) {
        put(out, function(r, ej_fns[fn].arity));
        return true;
    }
    if (einjit_dtype_from_name(copy) >= 0) {
        put(out, dtype(r));
        return true;
    }
    for (size_t i = 0; i < COUNT(reductions); i++)
        if (!strcmp(reductions[i], copy)) {
            put(out, one_of(r, reductions, COUNT(reductions)));
            return true;
        }
    return false;
}

/* ---- equations ---- */

static void letters(fuzz_text *out, gen_random *r, int most)
{
    static const char *const odd[] = {"...", "A", "\xC3\xA9", " "};
    for (int n = gen_below(r, most + 1); n > 0; n--) {
        char letter = (char)('i' + gen_below(r, 5));
        if (gen_chance(r, 4)) put(out, odd[gen_below(r, 4)]);
        else fuzz_put(out, &letter, 1);
    }
}

static void equation(fuzz_text *out, gen_random *r, int terms)
{
    for (int t = 0; t < terms; t++) {
        if (t) put(out, ",");
        letters(out, r, 3);
    }
    if (gen_chance(r, 15)) return;
    put(out, "->");
    letters(out, r, 3);
}

/* ---- expressions ---- */

/* Holes: %e an expression, %n a name, %i a small integer, %x an extent, %1 %2 %3 a function of that arity, %r a
 * reduction, %t a dtype, %o an operator, %# a number, %A %B %C an equation of one, two, three terms, %l a list of
 * expressions. */
static const char *const forms[] = {
    "%n",
    "%n",
    "%n",
    "%e %o %e",
    "(%e %o %e)",
    "-%e",
    "%1(%e)",
    "%1(%e)",
    "%2(%e, %e)",
    "%3(%e, %e, %e)",
    "%e.%1()",
    "%#",
    "%e * %#",
    "einsum(\"%A\", %e)",
    "einsum(\"%B\", %e, %e)",
    "einsum(\"%B\", %e, %e)",
    "einsum(\"%C\", %e, %e, %e)",
    "einsum(\"%B\", %e, %e, reduce=\"max\", combine=\"add\")",
    "einsum(\"%B\", %e, %e, reduce=\"logsumexp\")",
    "%e.%r()",
    "%e.%r(dim=%i)",
    "%r(%e, dim=(%i, %i), keepdim=True)",
    "softmax(%e, dim=%i)",
    "layer_norm(%e, [%x])",
    "%e.permute(%i, %i)",
    "%e.permute(%i, %i, %i)",
    "%e.transpose(%i, %i)",
    "%e.reshape(%x, %x)",
    "%e.reshape(-1)",
    "%e.expand(%x, %x)",
    "%e.expand(%x, -1)",
    "%e.unsqueeze(%i)",
    "%e.squeeze(%i)",
    "%e.squeeze()",
    "cat([%l], dim=%i)",
    "stack([%l], dim=%i)",
    "%e[%i]",
    "%e[:, %i:%i]",
    "%e[..., %i]",
    "%e[None]",
    "%e[%i::2]",
    "%e[%n]",
    "index_select(%e, %i, %n)",
    "index_add(%x, %i, %n, %e)",
    "%e.index_add(%i, %n, %e)",
    "%e.to(%t)",
    "where(%e %o %e, %e, %e)",
    "%e @ %e",
    "matmul(%e, %e)",
    "tensordot(%e, %e, dims=%i)",
    "tensordot(%e, %e, dims=([%i], [%i]))",
    "div(%e, %e, rounding_mode=\"floor\")",
    "tensor([[%#, %#], [%#, %#]])",
    "tensor([%#, %#], dtype=%t)",
    "structural(tensor([[1.0, 0.0], [0.0, 1.0]]))",
    "choose(%e, %e)",
    "choose(%e, %e, equal=[(1, %n, %i, %n, %i)])",
    "%e.sum_to_size(%n.shape)",
    "%e.expand_as(%n)",
    "%e.reshape_as(%n)",
    "%e.type_as(%n)",
    "zeros_like(%e)",
    "diag_embed(%e)",
    "slice_scatter(%e, %e, dim=%i, start=%i, end=%i)",
    "split_as(%e, [%l], dim=%i, part=%i)",
    "complex(%#, %#)",
    "empty(0, %x, dtype=%t)",
};

static void extent(fuzz_text *out, gen_random *r)
{
    static const char *const extents[] = {"z", "i", "j", "k", "n", "2", "1", "3", "0", "4", "z * 2", "i * j", "-1"};
    put(out, one_of(r, extents, COUNT(extents)));
}

static void small_integer(fuzz_text *out, gen_random *r)
{
    static const char *const integers[] = {"0", "1", "2", "-1", "-2", "3"};
    if (gen_chance(r, 4)) fuzz_number(out, r);
    else put(out, one_of(r, integers, COUNT(integers)));
}

static void name(fuzz_text *out, gen_random *r, const fuzz_names *names)
{
    if (!names->n) {
        put(out, "1.0");
        return;
    }
    const struct fuzz_name *word = &names->list[gen_below(r, names->n)];
    fuzz_put(out, word->at, word->length);
}

static void fill(fuzz_text *out, gen_random *r, const fuzz_names *names, int depth, char hole)
{
    switch (hole) {
    case 'e': fuzz_expression(out, r, names, depth - 1); break;
    case 'n': name(out, r, names); break;
    case 'i': small_integer(out, r); break;
    case 'x': extent(out, r); break;
    case '1':
    case '2':
    case '3': put(out, function(r, hole - '0')); break;
    case 'r': put(out, one_of(r, reductions, COUNT(reductions))); break;
    case 't': put(out, dtype(r)); break;
    case 'o': put(out, one_of(r, operators, COUNT(operators))); break;
    case 'A':
    case 'B':
    case 'C': equation(out, r, hole - 'A' + 1); break;
    case 'l':
        for (int n = gen_below(r, 3); n >= 0; n--) {
            fuzz_expression(out, r, names, depth - 1);
            if (n) put(out, ", ");
        }
        break;
    default: fuzz_number(out, r); break;
    }
}

void fuzz_expression(fuzz_text *out, gen_random *r, const fuzz_names *names, int depth)
{
    const char *form = depth > 0 ? one_of(r, forms, COUNT(forms)) : "%n";
    for (; *form && !out->full; form++) {
        if (*form == '%' && form[1]) fill(out, r, names, depth, *++form);
        else fuzz_put(out, form, 1);
    }
}
