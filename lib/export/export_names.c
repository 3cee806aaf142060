/* export_names.c - what can be exported, and what it is called in C.
 *
 * Takes  variants: kernels of one program, with the extents that they were compiled for.
 * Gives  a name for every parameter of the header's function that is an identifier in C and C++, each once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "export.h"

/* Keywords of C and C++, macros of standard headers, main, and what the header itself uses. Sorted. */
static const char *const taken[] = {
    "I",
    "NULL",
    "SIZE_MAX",
    "UINT64_C",
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "atom",
    "auto",
    "bad",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "complex",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "data",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "int32_t",
    "int64_t",
    "linux",
    "long",
    "main",
    "mutable",
    "namespace",
    "need",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "scratch",
    "short",
    "signed",
    "size_t",
    "sizeof",
    "sizes",
    "static",
    "static_assert",
    "static_cast",
    "status",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "uint16_t",
    "uint8_t",
    "uintptr_t",
    "union",
    "unix",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

static int compare_words(const void *a, const void *b)
{
    return strcmp(a, *(const char *const *)b);
}

static bool is_taken(const char *text)
{
    return bsearch(text, taken, sizeof taken / sizeof *taken, sizeof *taken, compare_words) != NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ej_c_identifier(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (!is_letter(text[i]) && text[i] != '_' && (!i || text[i] < '0' || text[i] > '9')) return false;
    return n && *text != '_' && !is_taken(text); /* names with '_' in front belong to the implementation */
}

/* ---- parameters ---- */

typedef struct naming {
    ej_arena *arena;
    const char **used;
    size_t n_used;
    bool failed;
} naming;

/* It starts as the names of the header's own functions do, or of its constants: these in capitals. */
static bool is_ours(const naming *n, const char *text)
{
    size_t prefix = strlen(n->used[0]);
    return !strncasecmp(text, n->used[0], prefix) && text[prefix] == '_';
}

static bool is_used(const naming *n, const char *text)
{
    for (size_t i = 0; i < n->n_used; i++)
        if (!strcmp(n->used[i], text)) return true;
    return false;
}

/* Like `wanted`, of letters, digits and '_', not used by others. */
static const char *new_name(naming *n, const char *wanted)
{
    ej_text text;
    ej_text_init(&text, n->arena);
    ej_print(&text, "x%s", wanted); /* the x is left out where it is not needed */
    for (size_t i = 0; i < text.length; i++)
        if (!is_letter(text.data[i]) && !(text.data[i] >= '0' && text.data[i] <= '9')) text.data[i] = '_';
    if (text.failed) {
        n->failed = true;
        return "";
    }
    size_t skip = is_letter(text.data[1]) && !is_ours(n, text.data + 1);
    while (!text.failed && (!ej_c_identifier(text.data + skip) || is_used(n, text.data + skip))) ej_print(&text, "_");
    n->failed |= text.failed;
    return n->failed ? "" : (n->used[n->n_used++] = text.data + skip);
}

static const char *numbered_name(naming *n, const char *kind, size_t i)
{
    char name[32];
    snprintf(name, sizeof name, "%s%zu", kind, i);
    return new_name(n, name);
}

bool ej_variant_size(const einjit_variant *v, const char *symbol, int64_t *out)
{
    for (size_t i = 0; i < v->n_sizes; i++) {
        if (strcmp(v->names[i], symbol) != 0) continue;
        *out = v->values[i];
        return true;
    }
    return false;
}

static bool is_open(const einjit_kernel *kernel, const char *symbol)
{
    for (size_t i = 0; i < kernel->sizes.n_symbols; i++)
        if (!strcmp(kernel->sizes.atoms[i].name, symbol)) return true;
    return false;
}

/* Callers choose by it, or have to say it. */
static bool is_parameter(const ej_export *e, const char *symbol)
{
    int64_t first = 0, other = 0;
    bool said = ej_variant_size(&e->variants[0], symbol, &first);
    for (size_t v = 0; v < e->n; v++) {
        if (is_open(e->variants[v].kernel, symbol)) return true;
        if (ej_variant_size(&e->variants[v], symbol, &other) != said || (said && other != first)) return true;
    }
    return false;
}

static void add_parameter(ej_export_names *out, naming *n, const ej_export *e, const char *symbol)
{
    for (size_t i = 0; i < out->n_sizes; i++)
        if (!strcmp(out->symbols[i], symbol)) return;
    if (!is_parameter(e, symbol)) return;
    out->symbols[out->n_sizes] = symbol;
    out->sizes[out->n_sizes++] = new_name(n, symbol);
}

bool ej_export_names_make(ej_export_names *out, const ej_export *e, ej_arena *arena)
{
    const einjit_kernel *kernel = e->variants[0].kernel;
    size_t symbols = 0;
    for (size_t v = 0; v < e->n; v++) symbols += e->variants[v].n_sizes + e->variants[v].kernel->sizes.n_symbols;
    naming n = {.arena = arena, .used = EJ_NEW_ARRAY(arena, const char *, kernel->n_in + kernel->n_out + symbols + 1)};
    *out = (ej_export_names){.inputs = EJ_NEW_ARRAY(arena, const char *, kernel->n_in + 1),
                             .outputs = EJ_NEW_ARRAY(arena, const char *, kernel->n_out + 1),
                             .sizes = EJ_NEW_ARRAY(arena, const char *, symbols + 1),
                             .symbols = EJ_NEW_ARRAY(arena, const char *, symbols + 1)};
    if (!n.used || !out->inputs || !out->outputs || !out->sizes || !out->symbols) return false;
    n.used[n.n_used++] = e->name;
    for (size_t i = 0; i < kernel->n_in; i++)
        out->inputs[i] = kernel->in_names[i] ? new_name(&n, kernel->in_names[i]) : numbered_name(&n, "x", i);
    for (size_t i = 0; i < kernel->n_out; i++)
        out->outputs[i] = kernel->n_out == 1 ? new_name(&n, "out") : numbered_name(&n, "out", i);
    for (size_t v = 0; v < e->n; v++) {
        const einjit_variant *variant = &e->variants[v];
        for (size_t i = 0; i < variant->kernel->sizes.n_symbols; i++)
            add_parameter(out, &n, e, variant->kernel->sizes.atoms[i].name);
        for (size_t i = 0; i < variant->n_sizes; i++) add_parameter(out, &n, e, variant->names[i]);
    }
    return !n.failed;
}

/* ---- checks ---- */

static int check_tensors(const ej_bound_tensor *a, const ej_bound_tensor *b, size_t n, const char *what,
                         einjit_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].dtype != b[i].dtype || a[i].rank != b[i].rank)
            return ej_fail(err, EINJIT_E_VALUE,
                           "variants of one program: %s %zu is %s of rank %d in one, %s of rank "
                           "%d in another",
                           what, i, ej_dtypes[a[i].dtype].name, (int)a[i].rank, ej_dtypes[b[i].dtype].name,
                           (int)b[i].rank);
    return EINJIT_OK;
}

/* Names of extents stand in a comment as they are; equations have letters of any kind. */
static bool fits_comment(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name <= ' ' || *name == '*' || *name == '/' || *name == 127) return false;
    return true;
}

static int check_sizes(const einjit_variant *variant, size_t v, einjit_error *err)
{
    if (variant->n_sizes && (!variant->names || !variant->values))
        return ej_fail(err, EINJIT_E_INVALID, "variant %zu has extents without names or values", v);
    for (size_t i = 0; i < variant->n_sizes; i++) {
        const char *name = variant->names[i];
        if (!name) return ej_fail(err, EINJIT_E_INVALID, "extent %zu of variant %zu has no name", i, v);
        if (!*name || !fits_comment(name))
            return ej_fail(err, EINJIT_E_VALUE, "'%.60s' is no name of an extent (variant %zu)", name, v);
        int64_t own = is_open(variant->kernel, name) ? -1 : ej_kernel_extent(variant->kernel, name);
        if (own >= 0 && own != variant->values[i])
            return ej_fail(err, EINJIT_E_VALUE, "variant %zu is said to be for %.60s = %lld, its kernel is for %lld", v,
                           name, (long long)variant->values[i], (long long)own);
    }
    return EINJIT_OK;
}

static int check_variant(const ej_export *e, size_t v, einjit_error *err)
{
    const einjit_kernel *kernel = e->variants[v].kernel, *first = e->variants[0].kernel;
    if (!kernel) return ej_fail(err, EINJIT_E_INVALID, "variant %zu has no kernel", v);
    if (kernel->slicing)
        return ej_fail(err, EINJIT_E_INVALID, "variant %zu runs in slices, which have no code of their own", v);
    if (!kernel->entry)
        return ej_fail(err, EINJIT_E_INVALID, "variant %zu is a kernel of the interpreter, which has no code", v);
    EJ_TRY(check_sizes(&e->variants[v], v, err));
    if (kernel->n_in != first->n_in || kernel->n_out != first->n_out)
        return ej_fail(err, EINJIT_E_VALUE,
                       "variants of one program: %zu operands and %zu results in one, %zu and %zu "
                       "in another",
                       first->n_in, first->n_out, kernel->n_in, kernel->n_out);
    EJ_TRY(check_tensors(first->in, kernel->in, kernel->n_in, "input", err));
    return check_tensors(first->out, kernel->out, kernel->n_out, "output", err);
}

int ej_export_check(const ej_export *e, einjit_error *err)
{
    if (!e->name || !ej_c_identifier(e->name))
        return ej_fail(err, EINJIT_E_VALUE, "'%.60s' is no name for a C function", e->name ? e->name : "");
    if (strlen(e->name) > EJ_EXPORT_NAME)
        return ej_fail(err, EINJIT_E_LIMIT, "a name of %zu letters, more than %d", strlen(e->name),
                       (int)EJ_EXPORT_NAME);
    for (size_t v = 0; v < e->n; v++) EJ_TRY(check_variant(e, v, err));
    return EINJIT_OK;
}
