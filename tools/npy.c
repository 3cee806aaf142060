/* npy.c - reads and writes .npy files.
 *
 * Takes  paths. Gives tensors with memory of their own; Fortran order becomes strides, the other byte order is swapped.
 * Refuses dtypes that the library does not have, by the name that the file gives.
 */
#include "npy.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char kind;
    int bytes, dtype;
} descriptors[] = {
    {'b', 1, EINJIT_BOOL}, {'i', 4, EINJIT_I32}, {'i', 8, EINJIT_I64},  {'f', 2, EINJIT_F16},
    {'f', 4, EINJIT_F32},  {'f', 8, EINJIT_F64}, {'c', 8, EINJIT_C64}, {'c', 16, EINJIT_C128},
};

enum { NPY_MAX_RANK = 64 };
typedef struct header {
    int dtype, rank;
    bool fortran, swapped;
    int64_t shape[NPY_MAX_RANK];
} header;

/* The text behind 'key': in the header's Python dictionary. */
static const char *value_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (!at) return NULL;
    at += strlen(key);
    while (*at == ' ') at++;
    if (*at++ != ':') return NULL;
    while (*at == ' ') at++;
    return at;
}

static int parse_descriptor(header *out, const char *text, const char *path)
{
    char quote = text ? *text : 0;
    const char *end = quote == '\'' || quote == '"' ? strchr(text + 1, quote) : NULL;
    if (!end) return tool_fail("E_IO", "%s: the header has no plain dtype", path);
    char order = text[1], kind = text[2];
    int bytes = atoi(text + 3);
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (descriptors[i].kind != kind || descriptors[i].bytes != bytes) continue;
        out->dtype = descriptors[i].dtype;
        out->swapped = order == '>' && bytes > 1;
        return TOOL_OK;
    }
    return tool_fail("E_DTYPE", "%s: dtype %.*s is not one of bool i32 i64 f16 f32 f64 c64 c128", path,
                     (int)(end - text - 1), text + 1);
}

static int parse_shape(header *out, const char *text, const char *path)
{
    if (!text || *text++ != '(') return tool_fail("E_IO", "%s: the header has no shape", path);
    for (;;) {
        while (*text == ' ' || *text == ',') text++;
        if (*text == ')') return TOOL_OK;
        char *end;
        errno = 0;
        long long extent = strtoll(text, &end, 10);
        if (end == text || errno || extent < 0) return tool_fail("E_IO", "%s: the header's shape cannot be read", path);
        if (out->rank == NPY_MAX_RANK) return tool_fail("E_LIMIT", "%s has more than %d axes", path, NPY_MAX_RANK);
        out->shape[out->rank++] = extent;
        text = *end == 'L' ? end + 1 : end;
    }
}

static int parse_header(header *out, const char *text, const char *path)
{
    *out = (header){0};
    int status = parse_descriptor(out, value_of(text, "'descr'"), path);
    if (!status) status = parse_shape(out, value_of(text, "'shape'"), path);
    const char *order = value_of(text, "'fortran_order'");
    if (!status && !order) return tool_fail("E_IO", "%s: the header does not say its order", path);
    out->fortran = order && !strncmp(order, "True", 4);
    return status;
}

static void swap_bytes(uint8_t *at, size_t n, size_t unit)
{
    for (size_t i = 0; i + unit <= n; i += unit)
        for (size_t a = 0, b = unit - 1; a < b; a++, b--) {
            uint8_t t = at[i + a];
            at[i + a] = at[i + b];
            at[i + b] = t;
        }
}

static int fill(tool_tensor *out, const header *h, const char *bytes, size_t n, const char *path)
{
    int status = tool_tensor_make(out, h->dtype, h->rank, h->shape, path);
    if (status) return status;
    if (n < out->bytes) {
        tool_tensor_free(out);
        return tool_fail("E_IO", "%s: %zu bytes of data where the header says more", path, n);
    }
    memcpy(out->block, bytes, out->bytes);
    size_t element = einjit_dtype_bytes(h->dtype);
    bool is_complex = h->dtype == EINJIT_C64 || h->dtype == EINJIT_C128;
    if (h->swapped) swap_bytes(out->block, out->bytes, is_complex ? element / 2 : element);
    if (h->dtype == EINJIT_BOOL)
        for (size_t i = 0; i < out->bytes; i++) ((uint8_t *)out->block)[i] = ((uint8_t *)out->block)[i] != 0;
    if (!h->fortran || h->rank < 2) return TOOL_OK;
    out->strides = tool_alloc((size_t)h->rank * sizeof *out->strides);
    int64_t stride = 1;
    for (int a = 0; a < h->rank; a++) {
        out->strides[a] = stride;
        stride *= h->shape[a];
    }
    out->tensor.strides = out->strides;
    return TOOL_OK;
}

int npy_load(tool_tensor *out, const char *path)
{
    size_t n;
    *out = (tool_tensor){0};
    char *file = tool_read_file(path, &n);
    if (!file) return TOOL_FAILED;
    const uint8_t *b = (const uint8_t *)file;
    size_t start = n >= 10 && b[6] == 1 ? 10 : 12;
    int status;
    if (n < 12 || memcmp(file, "\x93NUMPY", 6) || b[6] < 1 || b[6] > 3) {
        status = tool_fail("E_IO", "%s is not an .npy file", path);
    } else {
        size_t length = start == 10 ? b[8] | (size_t)b[9] << 8
                                    : b[8] | (size_t)b[9] << 8 | (size_t)b[10] << 16 | (size_t)b[11] << 24;
        if (length > n - start) {
            status = tool_fail("E_IO", "%s: the header is cut off", path);
        } else {
            char *text = tool_alloc(length + 1);
            memcpy(text, file + start, length);
            header h;
            status = parse_header(&h, text, path);
            if (!status) status = fill(out, &h, file + start + length, n - start - length, path);
            free(text);
        }
    }
    free(file);
    return status;
}

int npy_save(const tool_tensor *tensor, const char *path)
{
    const einjit_tensor *t = &tensor->tensor;
    char shape[NPY_MAX_RANK * 21 + 8] = "(", text[sizeof shape + 128];
    size_t used = 1;
    for (int a = 0; a < t->rank && used + 24 < sizeof shape; a++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%lld,%s", (long long)t->shape[a],
                                 a + 1 < t->rank ? " " : "");
    snprintf(shape + used, sizeof shape - used, ")");
    const char *kind = NULL;
    static char name[8];
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i].dtype == t->dtype) {
            snprintf(name, sizeof name, "%c%c%d", descriptors[i].bytes == 1 ? '|' : '<', descriptors[i].kind,
                     descriptors[i].bytes);
            kind = name;
        }
    if (!kind) return tool_fail("E_DTYPE", "%s has no .npy form", einjit_dtype_name(t->dtype));
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", kind, shape);
    size_t total = ((size_t)n + 1 + 10 + 63) / 64 * 64, length = total - 10;
    FILE *file = fopen(path, "wb");
    if (!file) return tool_fail("E_IO", "%s: %s", path, strerror(errno));
    uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(length & 255), (uint8_t)(length >> 8)};
    fwrite(head, 1, sizeof head, file);
    fwrite(text, 1, (size_t)n, file);
    for (size_t i = (size_t)n; i + 1 < length; i++) fputc(' ', file);
    fputc('\n', file);
    if (tensor->bytes) fwrite(tensor->block, 1, tensor->bytes, file);
    bool failed = ferror(file);
    if (fclose(file) || failed) return tool_fail("E_IO", "%s cannot be written", path);
    return TOOL_OK;
}
