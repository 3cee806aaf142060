/* graph_resolve.c - equations back to text, and equations for given ranks.
 *
 * Takes  an equation; the ranks of its operands.
 * Gives  its text; subscripts in which every axis has a label: the axes of ellipses became labels behind the equation's
 *        own, aligned at the right, as broadcasting aligns them.
 * Not here: extents, and whether they fit (bind).
 */
#include <string.h>

#include "graph.h"

/* ---- text ---- */

static void print_term(ej_text *text, const ej_equation *equation, const ej_term *term)
{
    for (uint32_t i = 0; i < term->n; i++) {
        int32_t label = term->labels[i];
        if (label == EJ_ELLIPSIS) ej_print_bytes(text, "...", 3);
        else
            ej_print_code_point(text, equation->integer_labels ? ej_label_code_point(label) : equation->symbols[label]);
    }
}

void ej_equation_print(ej_text *text, const ej_equation *equation)
{
    for (uint32_t t = 0; t < equation->n_terms; t++) {
        if (t) ej_print_bytes(text, ",", 1);
        print_term(text, equation, &equation->terms[t]);
    }
    ej_print_bytes(text, "->", 2);
    print_term(text, equation, &equation->out);
}

void ej_label_print(ej_text *text, const ej_equation *equation, int32_t label)
{
    if (label < 0 || (uint32_t)label >= equation->n_labels) ej_print_bytes(text, "...", 3);
    else if (equation->integer_labels) ej_print(text, "%u", (unsigned)equation->symbols[label]);
    else ej_print_code_point(text, equation->symbols[label]);
}

/* ---- ranks ---- */

int32_t ej_term_axis(const ej_term *term, int32_t label)
{
    for (uint32_t i = 0; i < term->n; i++)
        if (term->labels[i] == label) return (int32_t)i;
    return -1;
}

bool ej_term_has(const ej_term *term, int32_t label)
{
    return ej_term_axis(term, label) >= 0;
}

bool ej_term_has_once(const ej_term *term, int32_t label)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < term->n; i++) n += term->labels[i] == label;
    return n == 1;
}

bool ej_term_fits(const ej_term *term, int32_t rank)
{
    bool ellipsis = ej_term_has(term, EJ_ELLIPSIS);
    uint32_t named = term->n - ellipsis;
    return rank >= 0 && (ellipsis ? (uint32_t)rank >= named : (uint32_t)rank == named);
}

static int fail_rank(const ej_equation *equation, uint32_t t, int32_t rank, bool ellipsis, ej_arena *arena,
                     einjit_error *err)
{
    if (!err) return EINJIT_E_RANK;
    ej_text text;
    ej_arena scratch;
    ej_arena_init(&scratch, arena->allocator);
    ej_text_init(&text, &scratch);
    print_term(&text, equation, &equation->terms[t]);
    const char *term = text.data ? text.data : "";
    uint32_t named = equation->terms[t].n - ellipsis;
    int status = text.failed ? ej_no_memory(err)
                             : ej_fail(err, EINJIT_E_RANK, "operand %u has %d ax%s but its term '%.200s' names %s%u",
                                       (unsigned)t, (int)rank, rank == 1 ? "is" : "es", term,
                                       ellipsis ? "at least " : "", (unsigned)named);
    ej_arena_free(&scratch);
    return status;
}

/* The axes that each term's ellipsis stands for are at most these many. */
static int ellipsis_rank(uint32_t *out, const ej_equation *equation, const int32_t *ranks, ej_arena *arena,
                         einjit_error *err)
{
    *out = 0;
    for (uint32_t t = 0; t < equation->n_terms; t++) {
        const ej_term *term = &equation->terms[t];
        bool ellipsis = ej_term_has(term, EJ_ELLIPSIS);
        uint32_t named = term->n - ellipsis, rank = (uint32_t)ranks[t];
        if (!ej_term_fits(term, ranks[t])) return fail_rank(equation, t, ranks[t], ellipsis, arena, err);
        if (rank - named > *out) *out = rank - named;
    }
    return EINJIT_OK;
}

static bool resolve_term(ej_term *out, ej_arena *arena, const ej_term *term, uint32_t rank, int32_t behind)
{
    out->n = 0;
    out->labels = EJ_NEW_ARRAY(arena, int32_t, rank);
    if (!out->labels) return false;
    for (uint32_t i = 0; i < term->n; i++) {
        if (term->labels[i] != EJ_ELLIPSIS) {
            out->labels[out->n++] = term->labels[i];
            continue;
        }
        int32_t n = (int32_t)(rank - (term->n - 1));
        for (int32_t d = 0; d < n; d++) out->labels[out->n++] = behind - n + d;
    }
    return true;
}

int ej_equation_resolve(ej_subscripts *out, ej_arena *arena, const ej_equation *equation, const int32_t *ranks,
                        einjit_error *err)
{
    uint32_t extra;
    EJ_TRY(ellipsis_rank(&extra, equation, ranks, arena, err));
    if (extra > INT32_MAX - equation->n_labels)
        return ej_fail(err, EINJIT_E_LIMIT, "an equation of more than %d labels", INT32_MAX);
    ej_subscripts subscripts = {.n_terms = equation->n_terms, .n_labels = equation->n_labels + extra};
    int32_t behind = (int32_t)subscripts.n_labels;
    subscripts.terms = EJ_NEW_ARRAY(arena, ej_term, equation->n_terms);
    if (!subscripts.terms) return ej_no_memory(err);
    for (uint32_t t = 0; t < equation->n_terms; t++)
        if (!resolve_term(&subscripts.terms[t], arena, &equation->terms[t], (uint32_t)ranks[t], behind))
            return ej_no_memory(err);
    uint32_t out_rank = equation->out.n;
    if (ej_term_has(&equation->out, EJ_ELLIPSIS)) out_rank += extra - 1;
    if (!resolve_term(&subscripts.out, arena, &equation->out, out_rank, behind)) return ej_no_memory(err);
    if (!equation->integer_labels) {
        uint32_t *symbols = EJ_NEW_ARRAY(arena, uint32_t, subscripts.n_labels);
        if (!symbols) return ej_no_memory(err);
        if (equation->n_labels) memcpy(symbols, equation->symbols, equation->n_labels * sizeof *symbols);
        subscripts.symbols = symbols;
    }
    *out = subscripts;
    return EINJIT_OK;
}
