/* tool_tensor.c - tensors of the commands: memory, values, inputs and results of a program. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tool.h"

bool tool_huge_pages;

/* Zeros, to be given back with free(). Arrays of some pages say which pages they want: some systems give huge ones
 * unasked. */
static void *make_block(size_t room)
{
    static const size_t page = 4096, huge = (size_t)2 << 20;
    size_t boundary = room < huge ? 64 : tool_huge_pages ? huge : page;
    void *block = aligned_alloc(boundary, (room + boundary - 1) / boundary * boundary);
#if defined(MADV_HUGEPAGE) && defined(MADV_NOHUGEPAGE)
    if (block && room >= huge) madvise(block, room, tool_huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
    if (block) memset(block, 0, room);
    return block;
}

int tool_tensor_describe(tool_tensor *out, int dtype, int rank, const int64_t *shape, const char *what)
{
    size_t bytes = einjit_dtype_bytes(dtype);
    bool empty = false;
    *out = (tool_tensor){0};
    for (int a = 0; a < rank; a++) empty |= !shape[a];
    for (int a = 0; a < rank && !empty; a++) {
        if (bytes > (size_t)INT64_MAX / (size_t)shape[a])
            return tool_fail("E_SIZE", "%s has more than 2^63 bytes", what);
        bytes *= (size_t)shape[a];
    }
    out->shape = tool_alloc((size_t)(rank ? rank : 1) * sizeof *out->shape);
    if (rank) memcpy(out->shape, shape, (size_t)rank * sizeof *shape);
    out->bytes = empty ? 0 : bytes;
    out->tensor = (einjit_tensor){.dtype = dtype, .rank = rank, .shape = out->shape};
    return TOOL_OK;
}

int tool_tensor_make(tool_tensor *out, int dtype, int rank, const int64_t *shape, const char *what)
{
    int status = tool_tensor_describe(out, dtype, rank, shape, what);
    if (status) return status;
    size_t room = (out->bytes + 127) & ~(size_t)63;
    out->block = out->bytes < SIZE_MAX / 4 ? make_block(room) : NULL;
    if (!out->block) return tool_fail("E_NOMEM", "no memory for the %zu bytes of %s", out->bytes, what);
    out->tensor.data = out->block;
    return TOOL_OK;
}

void tool_tensor_free(tool_tensor *tensor)
{
    free(tensor->shape);
    free(tensor->strides);
    free(tensor->block);
    *tensor = (tool_tensor){0};
}

int64_t tool_tensor_elements(const tool_tensor *tensor)
{
    size_t bytes = einjit_dtype_bytes(tensor->tensor.dtype);
    return bytes ? (int64_t)(tensor->bytes / bytes) : 0;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

int64_t tool_load_integer(int dtype, const void *block, int64_t at)
{
    switch (dtype) {
    case EINJIT_I8: return ((const int8_t *)block)[at];
    case EINJIT_I16: return ((const int16_t *)block)[at];
    case EINJIT_I32: return ((const int32_t *)block)[at];
    case EINJIT_I64: return ((const int64_t *)block)[at];
    default: return ((const uint8_t *)block)[at];
    }
}

static double next_real(uint64_t *state)
{
    return ((double)(next_random(state) >> 11) + 0.5) * 0x1p-52 - 1.0;
}

void tool_tensor_fill(tool_tensor *tensor, uint64_t seed)
{
    int64_t n = tool_tensor_elements(tensor);
    uint64_t state = seed * 0x2545F4914F6CDD1Du + 1;
    int dtype = tensor->tensor.dtype;
    bool is_complex = dtype == EINJIT_C64 || dtype == EINJIT_C128;
    if (is_complex) n *= 2;
    for (int64_t i = 0; i < n; i++) switch (dtype) {
        case EINJIT_F32:
        case EINJIT_C64: ((float *)tensor->block)[i] = (float)next_real(&state); break;
        case EINJIT_F64:
        case EINJIT_C128: ((double *)tensor->block)[i] = next_real(&state); break;
        case EINJIT_I32: ((int32_t *)tensor->block)[i] = (int32_t)(next_random(&state) % 17) - 8; break;
        case EINJIT_I16: ((int16_t *)tensor->block)[i] = (int16_t)((int)(next_random(&state) % 17) - 8); break;
        case EINJIT_I8: ((int8_t *)tensor->block)[i] = (int8_t)((int)(next_random(&state) % 17) - 8); break;
        case EINJIT_U8: ((uint8_t *)tensor->block)[i] = (uint8_t)(next_random(&state) % 17); break;
        case EINJIT_I64: ((int64_t *)tensor->block)[i] = (int64_t)(next_random(&state) % 17) - 8; break;
        case EINJIT_BOOL: ((uint8_t *)tensor->block)[i] = next_random(&state) & 1; break;
        case EINJIT_F16:
        case EINJIT_BF16: tool_store_real(dtype, tensor->block, i, next_real(&state)); break;
        default: break;
        }
}

static int input_make(tool_tensor *out, const tool_program *program, size_t i, const tool_sizes *sizes, int dtype,
                      bool with_data)
{
    int64_t shape[TOOL_MAX_RANK];
    const char *symbols[TOOL_MAX_RANK], *name = einjit_graph_input_name(program->graph, i);
    int declared, rank;
    einjit_error err = {0};
    if (einjit_graph_input_type(program->graph, i, &declared, &rank, shape, symbols, TOOL_MAX_RANK, &err))
        return tool_error(&err);
    if (rank < 0 && program->equation)
        return tool_usage("the size of '...' is missing: -s ...=8x4, an extent for each axis that it stands for");
    if (rank < 0) return tool_fail("E_RANK", "input '%s' does not say its extents", name);
    if (rank > TOOL_MAX_RANK)
        return tool_fail("E_LIMIT", "input '%s' has %d axes; at most %d here", name, rank, TOOL_MAX_RANK);
    for (int a = 0; a < rank; a++) {
        if (shape[a] >= 0) continue;
        if (!symbols[a]) return tool_fail("E_VALUE", "input '%s': axis %d has no name that -s could give", name, a);
        if (!tool_sizes_find(sizes, symbols[a], &shape[a]))
            return tool_usage("the size of '%s' is missing: -s %s=N", symbols[a], symbols[a]);
    }
    if (declared < 0) declared = dtype;
    return with_data ? tool_tensor_make(out, declared, rank, shape, name)
                     : tool_tensor_describe(out, declared, rank, shape, name);
}

int tool_inputs_make(tool_tensor **out, size_t *n, const tool_program *program, const tool_sizes *sizes, int dtype,
                     bool with_data)
{
    *n = einjit_graph_input_count(program->graph);
    *out = tool_alloc(*n * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        int status = input_make(&(*out)[i], program, i, sizes, dtype, with_data);
        if (status) return status;
        if (with_data) tool_tensor_fill(&(*out)[i], i + 1);
    }
    return TOOL_OK;
}

int tool_outputs_make(tool_tensor **out, size_t *n, const tool_program *program, const tool_tensor *in, size_t n_in)
{
    einjit_error err = {0};
    einjit_shapes *shapes = NULL;
    einjit_tensor *views = tool_views(in, n_in);
    int status = einjit_shapes_infer(&shapes, program->graph, n_in, views, &err);
    free(views);
    if (status) return tool_error(&err);
    *n = einjit_shapes_output_count(shapes);
    *out = tool_alloc(*n * sizeof **out);
    int result = TOOL_OK;
    for (size_t i = 0; i < *n && !result; i++) {
        int dtype, rank;
        const int64_t *shape;
        if (einjit_shapes_output(shapes, i, &dtype, &rank, &shape, &err)) result = tool_error(&err);
        else result = tool_tensor_make(&(*out)[i], dtype, rank, shape, "a result");
    }
    einjit_shapes_destroy(shapes);
    return result;
}

void tool_tensors_free(tool_tensor *tensors, size_t n)
{
    for (size_t i = 0; tensors && i < n; i++) tool_tensor_free(&tensors[i]);
    free(tensors);
}

einjit_tensor *tool_views(const tool_tensor *tensors, size_t n)
{
    einjit_tensor *views = tool_alloc((n ? n : 1) * sizeof *views);
    for (size_t i = 0; i < n; i++) views[i] = tensors[i].tensor;
    return views;
}
