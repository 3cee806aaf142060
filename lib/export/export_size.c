/* export_size.c - sizes of open extents as C expressions.
 *
 * Takes  sizes of a kernel (base_size.h).
 * Gives  text that computes them, with the checks of ej_size_evaluate: what overflows sets a flag.
 */
#include "export.h"

/* Helpers are called prefix_mul, prefix_add. */
static void print_monomial(ej_text *out, const ej_monomial *m, const char *prefix)
{
    for (int32_t i = 0; i < m->n_atoms; i++) ej_print(out, "%s_mul(", prefix);
    ej_print(out, "INT64_C(%lld)", (long long)m->coefficient);
    for (int32_t i = 0; i < m->n_atoms; i++) ej_print(out, ", atom%d, &bad)", (int)m->atoms[i]);
}

void ej_export_size(ej_text *out, const ej_sizes *table, ej_size size, const char *prefix)
{
    if (!size.e) {
        ej_print(out, "INT64_C(%lld)", (long long)size.n);
        return;
    }
    const ej_polynomial *p = &table->exprs[size.e - 1];
    for (int32_t t = 1; t < p->n_terms; t++) ej_print(out, "%s_add(", prefix);
    for (int32_t t = 0; t < p->n_terms; t++) {
        if (t) ej_print(out, ", ");
        print_monomial(out, &p->terms[t], prefix);
        if (t) ej_print(out, ", &bad)");
    }
}

/* ---- atoms ---- */

static void mark_size(bool *used, const ej_sizes *table, ej_size size)
{
    if (!size.e) return;
    const ej_polynomial *p = &table->exprs[size.e - 1];
    for (int32_t t = 0; t < p->n_terms; t++)
        for (int32_t i = 0; i < p->terms[t].n_atoms; i++) used[p->terms[t].atoms[i]] = true;
}

static void print_atom(ej_text *out, const ej_sizes *table, size_t index, const char *prefix)
{
    static const char *const functions[] = {
        [EJ_ATOM_MIN] = "min", [EJ_ATOM_MAX] = "max", [EJ_ATOM_CEIL_DIV] = "ceil_div", [EJ_ATOM_ALIGN] = "align"};
    const ej_atom *atom = &table->atoms[index];
    ej_print(out, "    const int64_t atom%zu = ", index);
    if (atom->kind == EJ_ATOM_SYMBOL) {
        ej_print(out, "sizes[%zu];\n", index);
        return;
    }
    ej_print(out, "%s_%s(", prefix, functions[atom->kind]);
    ej_export_size(out, table, atom->a, prefix);
    ej_print(out, ", ");
    ej_export_size(out, table, atom->b, prefix);
    ej_print(out, "%s);\n", atom->kind == EJ_ATOM_ALIGN ? ", &bad" : "");
}

void ej_export_atoms(ej_text *out, const ej_sizes *table, const ej_size *sizes, size_t n, const char *prefix)
{
    bool *used = EJ_NEW_ARRAY(out->arena, bool, table->n_atoms + 1);
    if (!used) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) mark_size(used, table, sizes[i]);
    for (size_t i = table->n_atoms; i-- > table->n_symbols;) {
        if (!used[i]) continue;
        mark_size(used, table, table->atoms[i].a);
        mark_size(used, table, table->atoms[i].b);
    }
    for (size_t i = 0; i < table->n_atoms; i++)
        if (used[i]) print_atom(out, table, i, prefix);
}

/* As ej_tensor_span: empty tensors have no addresses. */
static const char too_large[] =
    "_too_large(const int64_t *shape, const int64_t *strides, int rank, int64_t bytes)\n{\n"
    "    int64_t reach[2] = {1, 0}, step; /* from the first element on, and before it */\n    int bad = 0;\n"
    "    for (int a = 0; a < rank; a++)\n        if (shape[a] == 0) return 0;\n"
    "    for (int a = 0; a < rank; a++) {\n        if (!strides) {\n"
    "            bad |= __builtin_mul_overflow(reach[0], shape[a], &reach[0]);\n            continue;\n        }\n"
    "        int64_t *side = &reach[strides[a] < 0];\n"
    "        bad |= __builtin_mul_overflow(shape[a] - 1, strides[a], &step);\n"
    "        bad |= __builtin_add_overflow(*side, step, side);\n    }\n"
    "    return bad | __builtin_mul_overflow(reach[0], bytes, &step) |\n"
    "           __builtin_mul_overflow(reach[1], bytes, &step);\n}\n\n";

void ej_export_size_helpers(ej_text *out, const char *prefix)
{
    static const struct {
        const char *name, *last, *body;
    } helpers[] = {
        {"add", ", int *bad", "int64_t r;\n    *bad |= __builtin_add_overflow(a, b, &r);\n    return r;"},
        {"mul", ", int *bad", "int64_t r;\n    *bad |= __builtin_mul_overflow(a, b, &r);\n    return r;"},
        {"min", "", "return a < b ? a : b;"},
        {"max", "", "return a > b ? a : b;"},
        {"ceil_div", "", "return a / b + (a % b != 0);"},
        {"align", ", int *bad",
         "int64_t r;\n    *bad |= __builtin_mul_overflow(a / b + (a % b != 0), b, &r);\n    return r;"},
    };
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++)
        ej_print(out, "static inline int64_t %s_%s(int64_t a, int64_t b%s)\n{\n    %s\n}\n", prefix, helpers[i].name,
                 helpers[i].last, helpers[i].body);
    ej_print(out, "%s%s%s", "static inline int ", prefix, too_large);
}
