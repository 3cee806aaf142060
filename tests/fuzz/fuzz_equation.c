/* fuzz_equation.c - equations: as graphs, as einsums in one call, and with integer labels. A first line `# 0123...`
 * holds the choices: operands' dtypes, ranks of ellipses, extents.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MOST_TERMS = 8 };

typedef struct operands {
    size_t n;
    int64_t shape[MOST_TERMS + 1][FUZZ_AXES];
    gen_tensor memory[MOST_TERMS + 1]; /* the last: the result */
    einjit_tensor views[MOST_TERMS + 1];
    int32_t labels[(MOST_TERMS + 1) * FUZZ_AXES]; /* of the operands, one after the other */
    size_t n_labels;
} operands;

/* Extent 1 now and then, where another operand may have more: what broadcasts. */
static int64_t extent_of(int32_t label, const int64_t *extents, fuzz_bytes *choices)
{
    return fuzz_below(choices, 8) == 1 ? 1 : extents[label % 16];
}

static bool make_operand(operands *o, const ej_term *term, const int64_t *extents, gen_random *r, fuzz_bytes *choices)
{
    static const int dtypes[] = {EINJIT_F64, EINJIT_F32,  EINJIT_I64, EINJIT_C128, EINJIT_BOOL,
                                 EINJIT_F16, EINJIT_BF16, EINJIT_I8,  EINJIT_U8,   EINJIT_I16};
    int rank = 0, dots = (int)fuzz_below(choices, 3);
    int64_t elements = 1, *shape = o->shape[o->n];
    for (uint32_t i = 0; i < term->n; i++)
        for (int k = term->labels[i] == EJ_ELLIPSIS ? dots : 1; k > 0; k--) {
            if (rank == FUZZ_AXES) return false;
            int32_t label = term->labels[i] == EJ_ELLIPSIS ? 1000 + k : term->labels[i];
            o->labels[o->n_labels++] = label;
            shape[rank++] = extent_of(label, extents, choices);
            elements *= shape[rank - 1];
        }
    if (elements > FUZZ_ELEMENTS) return false;
    int dtype = dtypes[fuzz_below(choices, sizeof dtypes / sizeof *dtypes)],
        kind = (int)fuzz_below(choices, GEN_STRIDE_KINDS);
    if (!gen_tensor_make(&o->memory[o->n], r, dtype, rank, shape, kind)) return false;
    gen_tensor_fill(&o->memory[o->n], r, false);
    o->views[o->n] = o->memory[o->n].view;
    o->n++;
    return true;
}

static bool make_operands(operands *o, const ej_equation *equation, fuzz_bytes *choices)
{
    static const int64_t picks[] = {2, 3, 1, 0, 4};
    int64_t extents[16];
    gen_random r = {fuzz_below(choices, 256)};
    for (int i = 0; i < 16; i++) extents[i] = picks[fuzz_below(choices, 5)];
    if (equation->n_terms > MOST_TERMS) return false;
    for (uint32_t t = 0; t < equation->n_terms; t++)
        if (!make_operand(o, &equation->terms[t], extents, &r, choices)) return false;
    return true;
}

/* The result that the graph of the equation says, as memory for it. False: refused, or too much. */
static bool make_result(operands *o, einjit_context *context, einjit_graph *graph, int *status)
{
    einjit_error err = {0};
    einjit_shapes *shapes = NULL;
    einjit_cost cost = {.struct_bytes = sizeof cost};
    int dtype, rank;
    const int64_t *shape;
    *status = einjit_shapes_infer(&shapes, graph, o->n, o->views, &err);
    bool ok = fuzz_ok(*status, &err, "shapes") && !einjit_shapes_output(shapes, 0, &dtype, &rank, &shape, &err) &&
              rank <= FUZZ_AXES;
    if (ok)
        ok = !einjit_plan_cost(&cost, context, graph, o->n, o->views, NULL, &err) && cost.naive_operations <= FUZZ_WORK;
    gen_random r = {1};
    if (ok) {
        memcpy(o->shape[o->n], shape, (size_t)rank * sizeof *shape);
        ok = gen_tensor_make(&o->memory[o->n], &r, dtype, rank, o->shape[o->n], GEN_ROW_MAJOR);
        o->views[o->n] = o->memory[o->n].view;
    }
    einjit_shapes_destroy(shapes);
    return ok;
}

static void run_einsum(einjit_context *context, const char *equation, operands *o)
{
    einjit_error err = {0};
    int status = einjit_einsum(context, equation, o->n, o->views, &o->views[o->n], &err);
    if (!fuzz_ok(status, &err, "einsum") && status != EINJIT_E_NOMEM)
        fuzz_finding("einsum: %s: %s, though its shapes are fine", einjit_status_name(status), err.text);
    if (!gen_tensor_intact(&o->memory[o->n])) fuzz_finding("einsum: wrote outside of its result");
}

/* Any labels: that it is refused, or runs, is all that is asked for. */
static void run_labels(einjit_context *context, operands *o, fuzz_bytes *choices)
{
    einjit_error err = {0};
    int32_t output[FUZZ_AXES];
    for (int a = 0; a < o->views[o->n].rank; a++)
        output[a] =
            o->n_labels ? o->labels[fuzz_below(choices, 256) % o->n_labels] : (int32_t)fuzz_below(choices, 3) - 1;
    if (fuzz_below(choices, 4) == 1 && o->n_labels) o->labels[0] = (int32_t)(fuzz_below(choices, 256) << 23);
    fuzz_ok(einjit_einsum_labels(context, o->n, o->views, o->labels, &o->views[o->n], output, &err), &err, "labels");
}

static void run(einjit_context *context, const char *text, einjit_graph *graph, const ej_equation *equation,
                fuzz_bytes *choices)
{
    static operands o; /* large for a stack under sanitizers */
    int status;
    memset(&o, 0, sizeof o);
    if (make_operands(&o, equation, choices) && make_result(&o, context, graph, &status)) {
        run_einsum(context, text, &o);
        run_labels(context, &o, choices);
    }
    for (size_t i = 0; i <= MOST_TERMS; i++) gen_tensor_free(&o.memory[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    einjit_error err = {0};
    einjit_graph *graph = NULL;
    ej_equation equation;
    ej_arena arena;
    fuzz_bytes choices = fuzz_choices(data, size);
    size_t start = size && data[0] == '#' ? (size_t)(choices.at ? choices.at + choices.left - data : 1) : 0;
    start += start && start < size;
    char *text = calloc(size - start + 1, 1);
    einjit_context *context = text ? fuzz_begin(fuzz_below(&choices, 64) == 1 ? "llvm" : "interp") : NULL;
    if (context) {
        memcpy(text, data + start, size - start);
        ej_arena_init(&arena, &context->allocator);
        bool parsed =
            fuzz_ok(ej_equation_parse(&equation, &arena, text, strlen(text), SIZE_MAX, &err), &err, "equation");
        int status = einjit_graph_from_equation(&graph, context, text, &err);
        if (fuzz_ok(status, &err, "graph") != parsed && status != EINJIT_E_NOMEM)
            fuzz_finding("the equation is %s, the graph of it says %s", parsed ? "fine" : "refused", err.text);
        if (graph) {
            if (!(fuzz_below(&choices, 4) == 1)) run(context, text, graph, &equation, &choices);
            else fuzz_graph(context, graph, &choices);
        }
        einjit_graph_destroy(graph);
        ej_arena_free(&arena);
        fuzz_end(context);
    }
    free(text);
    return 0;
}
