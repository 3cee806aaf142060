/* cmd_run.c - einjit run: a program over .npy and .npz files. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "network.h"
#include "npy.h"
#include "npz.h"

/* Before anything is computed. */
static int check_outputs(const cmd_options *options, const tool_program *program)
{
    size_t n = einjit_graph_output_count(program->graph);
    if (options->n_outputs && options->n_outputs != n)
        return tool_usage("the program has %zu result%s and there are %zu -o", n, n == 1 ? "" : "s",
                          options->n_outputs);
    for (size_t i = 0; i < options->n_outputs; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(options->outputs[i], options->outputs[k]))
                return tool_usage("-o %s is given for two results", options->outputs[i]);
    return TOOL_OK;
}

/* Element by element: a file may be in Fortran's order. */
static void copy_elements(tool_tensor *to, const tool_tensor *from)
{
    size_t bytes = einjit_dtype_bytes(to->tensor.dtype);
    int64_t n = tool_tensor_elements(to);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = from->strides ? 0 : i, left = i;
        for (int a = to->tensor.rank - 1; from->strides && a >= 0; a--) {
            at += left % to->shape[a] * from->strides[a];
            left /= to->shape[a];
        }
        memcpy((char *)to->block + (size_t)i * bytes, (const char *)from->tensor.data + at * (int64_t)bytes, bytes);
    }
}

/* What the results are added to: their files hold it. */
static int load_outputs(tool_tensor *out, size_t n_out, const cmd_options *options)
{
    int status = TOOL_OK;
    if (options->beta == 0) return TOOL_OK;
    if (!options->n_outputs) return tool_usage("--beta adds what the files of the results hold: name them with -o");
    for (size_t o = 0; o < n_out && !status; o++) {
        tool_tensor held;
        status = npy_load(&held, options->outputs[o]);
        if (status) break;
        bool alike = held.tensor.dtype == out[o].tensor.dtype && held.tensor.rank == out[o].tensor.rank;
        for (int a = 0; alike && a < out[o].tensor.rank; a++) alike = held.shape[a] == out[o].shape[a];
        if (alike) copy_elements(&out[o], &held);
        else status = tool_fail("E_SHAPE", "%s: its dtype or shape is not that of result %zu", options->outputs[o], o);
        tool_tensor_free(&held);
    }
    return status;
}

static int compute(einjit_context *context, const tool_program *program, const cmd_options *options,
                   const tool_tensor *in, size_t n_in)
{
    tool_tensor *out = NULL;
    size_t n_out = 0;
    einjit_error err = {0};
    einjit_kernel *kernel = NULL;
    int status = tool_outputs_make(&out, &n_out, program, in, n_in);
    if (!status) status = load_outputs(out, n_out, options);
    einjit_tensor *in_views = tool_views(in, n_in), *out_views = tool_views(out, n_out);
    einjit_compile_options compile = cmd_compile_options(options);
    if (!status && einjit_compile(&kernel, context, program->graph, n_in, in_views, n_out, out_views, &compile, &err))
        status = tool_error(&err);
    if (!status && (options->slices || options->mpi)) {
        status = cmd_slices_run(options, context, program, kernel, in, n_in);
    } else {
        if (!status && einjit_run(kernel, n_in, in_views, n_out, out_views, &err)) status = tool_error(&err);
        if (!status) status = cmd_results_save(options, out, n_out);
    }
    einjit_kernel_release(kernel);
    tool_tensors_free(out, n_out);
    free(in_views);
    free(out_views);
    return status;
}

static int load_program(tool_program *out, einjit_context *context, const cmd_options *options)
{
    network net = {0};
    if (!tool_ends_with(options->rest[0], ".json"))
        return tool_program_load(out, context, options->rest[0], &options->sizes);
    int status = network_read(&net, options->rest[0]);
    if (!status) status = network_program(out, &net, context);
    network_free(&net);
    return status;
}

/* One file of arrays alone is read by the names of the program's inputs. */
int cmd_load_inputs(tool_tensor **in, size_t *n_in, const tool_program *program, const cmd_options *options)
{
    size_t n_names = options->n_rest == 2 ? einjit_graph_input_count(program->graph) : 0;
    const char **names = tool_alloc((n_names + 1) * sizeof *names);
    int status = TOOL_OK;
    for (size_t i = 0; i < n_names; i++) names[i] = einjit_graph_input_name(program->graph, i);
    for (int i = 1; i < options->n_rest && !status; i++) {
        if (npz_is(options->rest[i])) {
            status = npz_load(in, n_in, options->rest[i], names, n_names);
            continue;
        }
        tool_tensor *grown = realloc(*in, (*n_in + 1) * sizeof *grown);
        if (grown) *in = grown;
        status = grown ? npy_load(&grown[*n_in], options->rest[i]) : tool_fail("E_NOMEM", "out of memory");
        if (!status) ++*n_in;
    }
    free(names);
    return status;
}

int cmd_run(int argc, char **argv, const command *self)
{
    cmd_options options;
    einjit_context *context = NULL;
    tool_program program = {0};
    tool_tensor *in = NULL;
    size_t n_in = 0;
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    status = TOOL_OK;
    for (size_t i = 0; i < options.n_outputs && !status; i++)
        if (options.json && tool_is_stdio(options.outputs[i]))
            status = tool_usage("--json and -o - each want standard output for themselves");
    if (!status && (options.slices || options.mpi)) status = cmd_slices_check(&options);
    if (!status) status = cmd_context(&context, &options);
    if (!status) status = load_program(&program, context, &options);
    if (!status) status = cmd_add_gradients(&program, options.gradient);
    if (!status) status = check_outputs(&options, &program);
    if (!status) status = tool_names_check(&program, &options.sizes, options.open);
    if (!status) status = cmd_load_inputs(&in, &n_in, &program, &options);
    if (!status) status = compute(context, &program, &options, in, n_in);
    tool_tensors_free(in, n_in);
    tool_program_free(&program);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
