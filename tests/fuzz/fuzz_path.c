/* fuzz_path.c - path files, as a strategy for a network and for an einsum that then runs. A first line `# 0123...`
 * holds the choices (the reader looks for "ssa_path" and passes over it): what is contracted.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

enum { TERMS = 6, LABELS = 5 };

typedef struct chain {
    size_t n;
    int32_t ranks[TERMS], labels[TERMS * 3], output[LABELS];
    int output_rank;
    int64_t sizes[LABELS];
    size_t n_labels; /* in `labels` */
} chain;

static void make_chain(chain *c, fuzz_bytes *choices)
{
    memset(c, 0, sizeof *c);
    c->n = (3 + fuzz_below(choices, TERMS)) % TERMS + 1;
    for (size_t t = 0; t < c->n; t++) {
        c->ranks[t] = (int32_t)(2 + fuzz_below(choices, 4)) % 4;
        for (int32_t a = 0; a < c->ranks[t]; a++)
            c->labels[c->n_labels++] = (int32_t)((t + (size_t)a + fuzz_below(choices, 3)) % LABELS);
    }
    bool seen[LABELS] = {false};
    for (size_t i = 0; i < c->n_labels; i++) {
        bool is_new = !seen[c->labels[i]];
        seen[c->labels[i]] = true;
        if (is_new && fuzz_below(choices, 2)) c->output[c->output_rank++] = c->labels[i];
    }
    for (int i = 0; i < LABELS; i++) c->sizes[i] = 2 + fuzz_below(choices, 2);
}

/* A path that is taken is whole: each id is made before it is used, used once, and one is left. */
static void check_pairs(const chain *c, const int32_t *pairs, size_t n_steps)
{
    bool used[3 * TERMS] = {false};
    size_t made = c->n, left = c->n;
    for (size_t s = 0; s < n_steps; s++) {
        for (int i = 0; i < 2; i++) {
            int32_t id = pairs[2 * s + (size_t)i];
            if (i && id == -1) continue;
            if (id < 0 || (size_t)id >= made || used[id]) fuzz_finding("step %zu of the path uses %d", s, (int)id);
            used[id] = true;
            left--;
        }
        made++;
        left++;
    }
    if (left != 1) fuzz_finding("%zu operands are left", left);
}

static void search(einjit_context *context, const chain *c, const char *strategy)
{
    einjit_error err = {0};
    int32_t pairs[4 * TERMS];
    size_t n_steps;
    double mults, largest;
    if (fuzz_ok(einjit_path(context, c->n, c->ranks, c->labels, c->output_rank, c->output, LABELS, c->sizes, strategy,
                            pairs, 2 * TERMS, &n_steps, &mults, &largest, &err),
                &err, "path"))
        check_pairs(c, pairs, n_steps);
}

static bool make_operands(gen_tensor *tensors, einjit_tensor *views, const chain *c, einjit_tensor *out,
                          gen_tensor *result)
{
    gen_random r = {1};
    int64_t shape[LABELS];
    const int32_t *at = c->labels;
    for (size_t t = 0; t < c->n; t++) {
        for (int32_t a = 0; a < c->ranks[t]; a++) shape[a] = c->sizes[*at++];
        if (!gen_tensor_make(&tensors[t], &r, EINJIT_I64, c->ranks[t], shape, GEN_ROW_MAJOR)) return false;
        gen_tensor_fill(&tensors[t], &r, false);
        views[t] = tensors[t].view;
    }
    for (int a = 0; a < c->output_rank; a++) shape[a] = c->sizes[c->output[a]];
    if (!gen_tensor_make(result, &r, EINJIT_I64, c->output_rank, shape, GEN_ROW_MAJOR)) return false;
    *out = result->view;
    return true;
}

/* The same result by the path of the file as without one: numbers are whole. */
static void run(einjit_context *context, const chain *c, const char *strategy)
{
    gen_tensor tensors[TERMS] = {0}, results[2] = {0};
    einjit_tensor views[TERMS], out[2];
    einjit_error err = {0};
    einjit_graph *graph = NULL;
    einjit_value in[TERMS], y;
    bool ok = make_operands(tensors, views, c, &out[0], &results[0]) &&
              gen_tensor_make(&results[1], &(gen_random){1}, EINJIT_I64, c->output_rank, out[0].shape, GEN_ROW_MAJOR);
    out[1] = results[1].view;
    ok = ok && !einjit_graph_create(&graph, context, &err);
    for (size_t t = 0; ok && t < c->n; t++) {
        char name[3] = {'x', (char)('0' + t), 0};
        ok = !einjit_graph_input(&in[t], graph, name, EINJIT_I64, c->ranks[t], views[t].shape, NULL, &err);
    }
    ok = ok &&
         fuzz_ok(einjit_graph_einsum_labels(&y, graph, c->n, in, c->ranks, c->labels, c->output_rank, c->output, &err),
                 &err, "einsum") &&
         !einjit_graph_output(graph, y, &err);
    for (int i = 0; ok && i < 2; i++) {
        einjit_compile_options options = {.struct_bytes = sizeof options, .path = i ? strategy : NULL};
        einjit_kernel *kernel = NULL;
        ok = fuzz_ok(einjit_compile(&kernel, context, graph, c->n, views, 1, &out[i], &options, &err), &err,
                     "compile") &&
             fuzz_ok(einjit_run(kernel, c->n, views, 1, &out[i], &err), &err, "run");
        einjit_kernel_release(kernel);
    }
    if (ok && memcmp(results[0].block, results[1].block, results[0].block_bytes))
        fuzz_finding("another result by the path of the file");
    einjit_graph_destroy(graph);
    for (size_t t = 0; t < c->n; t++) gen_tensor_free(&tensors[t]);
    for (int i = 0; i < 2; i++) gen_tensor_free(&results[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chain c;
    fuzz_file file;
    char strategy[80];
    fuzz_bytes choices = fuzz_choices(data, size);
    einjit_context *context = fuzz_begin("interp");
    if (!context) return 0;
    make_chain(&c, &choices);
    if (fuzz_file_open(&file, data, size)) {
        snprintf(strategy, sizeof strategy, "file:%s", file.path);
        search(context, &c, strategy);
        run(context, &c, strategy);
        fuzz_file_close(&file);
    }
    if (size < sizeof strategy &&
        (!size || memcmp(data, "file", 4 < size ? 4 : size))) { /* the bytes as a strategy's name */
        memcpy(strategy, data, size);
        strategy[size] = 0;
        search(context, &c, strategy);
    }
    fuzz_end(context);
    return 0;
}
