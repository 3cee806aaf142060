/* tool.c - what the commands share. */
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *tool_name = "einjit";

int tool_error(const einjit_error *err)
{
    fprintf(stderr, "%s: %s: %s", tool_name, einjit_status_name(err->code), err->text);
    if (err->line) fprintf(stderr, " (line %d, column %d)", (int)err->line, (int)err->column);
    fputc('\n', stderr);
    if (err->line && err->source[0]) {
        fprintf(stderr, "  %s\n  ", err->source);
        for (int i = 0; i < err->caret && err->source[i]; i++)
            if (((unsigned char)err->source[i] & 0xC0) != 0x80) fputc(err->source[i] == '\t' ? '\t' : ' ', stderr);
        fputs("^\n", stderr);
    }
    return TOOL_FAILED;
}

int tool_fail(const char *code, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: %s: ", tool_name, code);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return TOOL_FAILED;
}

int tool_usage(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: E_VALUE: ", tool_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see %s --help\n", tool_name);
    return TOOL_USAGE;
}

void *tool_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory) {
        tool_fail("E_NOMEM", "no memory for %zu bytes", bytes);
        exit(TOOL_FAILED);
    }
    return memory;
}

char *tool_copy(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(tool_alloc(n), text, n);
}

static int add_size(tool_sizes *sizes, const char *name, size_t n, int64_t value)
{
    struct tool_size *grown = realloc(sizes->items, (sizes->n + 1) * sizeof *grown);
    if (!grown) return tool_fail("E_NOMEM", "out of memory");
    sizes->items = grown;
    char *copy = tool_alloc(n + 1);
    memcpy(copy, name, n);
    grown[sizes->n++] = (struct tool_size){copy, value};
    return TOOL_OK;
}

int tool_sizes_add(tool_sizes *sizes, const char *text)
{
    const char *at = text;
    while (*at) {
        const char *equals = strchr(at, '=');
        size_t n = equals ? (size_t)(equals - at) : 0;
        if (!n) return tool_usage("sizes are written z=1000,i=4, not '%s'", text);
        char *end;
        errno = 0;
        long long value = strtoll(equals + 1, &end, 10);
        if (end == equals + 1 || (*end && *end != ',') || errno || value < 0)
            return tool_usage("size '%.*s' is not a number from 0 to 2^63-1", (int)strcspn(at, ","), at);
        int status = add_size(sizes, at, n, value);
        if (status) return status;
        at = *end ? end + 1 : end;
    }
    return TOOL_OK;
}

bool tool_sizes_find(const tool_sizes *sizes, const char *name, int64_t *value)
{
    for (size_t i = sizes->n; i-- > 0;)
        if (!strcmp(sizes->items[i].name, name)) {
            *value = sizes->items[i].value;
            return true;
        }
    return false;
}

void tool_sizes_free(tool_sizes *sizes)
{
    for (size_t i = 0; i < sizes->n; i++) free(sizes->items[i].name);
    free(sizes->items);
    *sizes = (tool_sizes){0};
}

char *tool_read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        tool_fail("E_IO", "%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t used = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    while (text) {
        size_t got = fread(text + used, 1, capacity - used - 1, file);
        used += got;
        if (!got) break;
        if (used + 1 < capacity) continue;
        char *grown = realloc(text, capacity *= 2);
        if (!grown) free(text);
        text = grown;
    }
    bool failed = ferror(file);
    fclose(file);
    if (!text || failed) {
        tool_fail(text ? "E_IO" : "E_NOMEM", "%s cannot be read", path);
        free(text);
        return NULL;
    }
    text[used] = 0;
    if (length) *length = used;
    return text;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

int tool_program_load(tool_program *out, einjit_context *context, const char *what)
{
    einjit_error err = {0};
    *out = (tool_program){0};
    int status;
    if (ends_with(what, ".ein")) {
        size_t length;
        char *text = tool_read_file(what, &length);
        if (!text) return TOOL_FAILED;
        status = einjit_graph_parse(&out->graph, context, text, length, &err);
        free(text);
    } else if (strstr(what, "def ")) {
        status = einjit_graph_parse(&out->graph, context, what, SIZE_MAX, &err);
    } else {
        status = einjit_graph_from_equation(&out->graph, context, what, &err);
        if (!status) out->equation = tool_copy(what);
    }
    return status ? tool_error(&err) : TOOL_OK;
}

void tool_program_free(tool_program *program)
{
    einjit_graph_destroy(program->graph);
    free(program->equation);
    *program = (tool_program){0};
}

int tool_tensor_make(tool_tensor *out, int dtype, int rank, const int64_t *shape, const char *what)
{
    *out = (tool_tensor){0};
    size_t bytes = einjit_dtype_bytes(dtype);
    for (int a = 0; a < rank; a++) {
        if (shape[a] && bytes > (size_t)INT64_MAX / (size_t)shape[a])
            return tool_fail("E_SIZE", "%s has more than 2^63 bytes", what);
        bytes *= (size_t)shape[a];
    }
    out->shape = tool_alloc((size_t)(rank ? rank : 1) * sizeof *out->shape);
    if (rank) memcpy(out->shape, shape, (size_t)rank * sizeof *shape);
    size_t room = (bytes + 127) & ~(size_t)63;
    out->block = aligned_alloc(64, room);
    if (!out->block) return tool_fail("E_NOMEM", "no memory for the %zu bytes of %s", bytes, what);
    memset(out->block, 0, room);
    out->bytes = bytes;
    out->tensor = (einjit_tensor){.data = out->block, .dtype = dtype, .rank = rank, .shape = out->shape};
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
        case EINJIT_I64: ((int64_t *)tensor->block)[i] = (int64_t)(next_random(&state) % 17) - 8; break;
        case EINJIT_BOOL: ((uint8_t *)tensor->block)[i] = next_random(&state) & 1; break;
        default: break;
        }
}

static int input_make(tool_tensor *out, const tool_program *program, size_t i, const tool_sizes *sizes, int dtype)
{
    enum { MAX_RANK = 128 };
    int64_t shape[MAX_RANK];
    const char *symbols[MAX_RANK], *name = einjit_graph_input_name(program->graph, i);
    int declared, rank;
    einjit_error err = {0};
    if (einjit_graph_input_type(program->graph, i, &declared, &rank, shape, symbols, MAX_RANK, &err))
        return tool_error(&err);
    if (rank < 0) return tool_fail("E_RANK", "input '%s' does not say its extents", name);
    if (rank > MAX_RANK) return tool_fail("E_LIMIT", "input '%s' has %d axes; at most %d here", name, rank, MAX_RANK);
    for (int a = 0; a < rank; a++) {
        if (shape[a] >= 0) continue;
        if (!symbols[a]) return tool_fail("E_VALUE", "input '%s': axis %d has no name that -s could give", name, a);
        if (!tool_sizes_find(sizes, symbols[a], &shape[a]))
            return tool_usage("the size of '%s' is missing: -s %s=N", symbols[a], symbols[a]);
    }
    return tool_tensor_make(out, declared >= 0 ? declared : dtype, rank, shape, name);
}

int tool_inputs_make(tool_tensor **out, size_t *n, const tool_program *program, const tool_sizes *sizes, int dtype)
{
    *n = einjit_graph_input_count(program->graph);
    *out = tool_alloc(*n * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        int status = input_make(&(*out)[i], program, i, sizes, dtype);
        if (status) return status;
        tool_tensor_fill(&(*out)[i], i + 1);
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

char *tool_explain(einjit_context *context, const tool_program *program, const einjit_tensor *in, size_t n_in,
                   const einjit_compile_options *options, const char *stage)
{
    einjit_error err = {0};
    size_t needed = 0;
    int status = einjit_explain(context, program->graph, n_in, in, options, stage, NULL, 0, &needed, &err);
    char *text = status ? NULL : tool_alloc(needed + 1);
    if (text)
        status = einjit_explain(context, program->graph, n_in, in, options, stage, text, needed + 1, NULL, &err);
    if (!status) return text;
    free(text);
    tool_error(&err);
    return NULL;
}
