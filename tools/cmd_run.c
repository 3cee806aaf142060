/* cmd_run.c - einjit run: a program over .npy and .npz files. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "network.h"
#include "npy.h"
#include "npz.h"

/* A small result in words, where no file was asked for. */
static void print_result(const tool_tensor *t, size_t index)
{
    int64_t n = tool_tensor_elements(t), shown = n < 16 ? n : 16;
    printf("result %zu: %s[", index, einjit_dtype_name(t->tensor.dtype));
    for (int a = 0; a < t->tensor.rank; a++) printf("%s%lld", a ? ", " : "", (long long)t->shape[a]);
    printf("%s]:", t->tensor.rank ? "" : "()");
    for (int64_t i = 0; i < shown; i++) switch (t->tensor.dtype) {
        case EINJIT_F16:
        case EINJIT_BF16: printf(" %.5g", tool_load_real(t->tensor.dtype, t->block, i)); break;
        case EINJIT_F32: printf(" %.7g", (double)((float *)t->block)[i]); break;
        case EINJIT_F64: printf(" %.15g", ((double *)t->block)[i]); break;
        case EINJIT_I8:
        case EINJIT_U8:
        case EINJIT_I16:
        case EINJIT_I32:
        case EINJIT_I64: printf(" %lld", (long long)tool_load_integer(t->tensor.dtype, t->block, i)); break;
        case EINJIT_BOOL: printf(" %s", ((uint8_t *)t->block)[i] ? "True" : "False"); break;
        case EINJIT_C64:
            printf(" %.7g%+.7gj", (double)((float *)t->block)[2 * i], (double)((float *)t->block)[2 * i + 1]);
            break;
        case EINJIT_C128: printf(" %.15g%+.15gj", ((double *)t->block)[2 * i], ((double *)t->block)[2 * i + 1]); break;
        default: break;
        }
    puts(shown < n ? " ..." : "");
}

/* ---- JSON ---- */

static json_t *element_json(const tool_tensor *t, int64_t i)
{
    const void *block = t->block;
    switch (t->tensor.dtype) {
    case EINJIT_F16:
    case EINJIT_BF16:
    case EINJIT_F32:
    case EINJIT_F64: return tool_json_number(tool_load_real(t->tensor.dtype, block, i));
    case EINJIT_I8:
    case EINJIT_U8:
    case EINJIT_I16:
    case EINJIT_I32:
    case EINJIT_I64: return json_integer(tool_load_integer(t->tensor.dtype, block, i));
    case EINJIT_BOOL: return json_boolean(((const uint8_t *)block)[i]);
    case EINJIT_C64:
        return json_pack("[o, o]", tool_json_number((double)((const float *)block)[2 * i]),
                         tool_json_number((double)((const float *)block)[2 * i + 1]));
    case EINJIT_C128:
        return json_pack("[o, o]", tool_json_number(((const double *)block)[2 * i]),
                         tool_json_number(((const double *)block)[2 * i + 1]));
    default: return json_null();
    }
}

/* Where it was written to, or its elements in row-major order: null for Inf and NaN, pairs for complex numbers. */
static json_t *result_json(const tool_tensor *t, const char *file)
{
    json_t *one = json_object(), *shape = json_array(), *values = file ? NULL : json_array();
    for (int a = 0; a < t->tensor.rank; a++) json_array_append_new(shape, json_integer((json_int_t)t->shape[a]));
    json_object_set_new(one, "dtype", json_string(einjit_dtype_name(t->tensor.dtype)));
    json_object_set_new(one, "shape", shape);
    if (file) json_object_set_new(one, "file", json_string(file));
    for (int64_t i = 0; !file && i < tool_tensor_elements(t); i++) json_array_append_new(values, element_json(t, i));
    if (!file) json_object_set_new(one, "values", values);
    return one;
}

static void print_json(const cmd_options *options, const tool_tensor *out, size_t n_out)
{
    json_t *doc = json_object(), *results = json_array();
    for (size_t i = 0; i < n_out; i++)
        json_array_append_new(results, result_json(&out[i], options->n_outputs ? options->outputs[i] : NULL));
    json_object_set_new(doc, "program", json_string(options->rest[0]));
    json_object_set_new(doc, "results", results);
    json_dumpf(doc, stdout, JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
}

/* ---- the run ---- */

static int save_results(const cmd_options *options, const tool_tensor *out, size_t n_out)
{
    int status = TOOL_OK;
    for (size_t i = 0; i < n_out && !status; i++) {
        if (options->n_outputs) status = npy_save(&out[i], options->outputs[i]);
        else if (!options->json) print_result(&out[i], i);
    }
    if (!status && options->json) print_json(options, out, n_out);
    return status;
}

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
    if (!status &&
        (einjit_compile(&kernel, context, program->graph, n_in, in_views, n_out, out_views, &compile, &err) ||
         einjit_run(kernel, n_in, in_views, n_out, out_views, &err)))
        status = tool_error(&err);
    if (!status) status = save_results(options, out, n_out);
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
