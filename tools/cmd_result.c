/* cmd_result.c - results of the commands: written to .npy files, as JSON, or shown in words. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "cmd.h"
#include "npy.h"

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

int cmd_results_save(const cmd_options *options, const tool_tensor *out, size_t n_out)
{
    int status = TOOL_OK;
    for (size_t i = 0; i < n_out && !status; i++) {
        if (options->n_outputs) status = npy_save(&out[i], options->outputs[i]);
        else if (!options->json) print_result(&out[i], i);
    }
    if (!status && options->json) print_json(options, out, n_out);
    return status;
}
