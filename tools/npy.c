/* npy.c - reads and writes .npy files.
 *
 * Takes  paths. Gives tensors with memory of their own; Fortran order becomes strides, the other byte order is swapped.
 * Refuses dtypes that the library does not have, by the name that the file gives. A header is believed only as far as
 * the file is long: memory is taken for what is there.
 */
#include "npy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    char kind;
    int bytes, dtype;
} descriptors[] = {
    {'b', 1, EINJIT_BOOL},
    {'i', 4, EINJIT_I32},
    {'i', 8, EINJIT_I64},
    {'f', 2, EINJIT_F16},
    {'f', 4, EINJIT_F32},
    {'f', 8, EINJIT_F64},
    {'c', 8, EINJIT_C64},
    {'c', 16, EINJIT_C128},
    /* NumPy has no name for it: as ml_dtypes' arrays are saved */
    {'i', 1, EINJIT_I8},
    {'u', 1, EINJIT_U8},
    {'i', 2, EINJIT_I16},
    {'V', 2, EINJIT_BF16},
};

enum { NPY_MAX_RANK = 64, NPY_MAX_HEADER = 1 << 20 };
typedef struct header {
    int dtype, rank;
    bool fortran, swapped;
    int64_t shape[NPY_MAX_RANK];
} header;

/* ---- the header's Python dictionary ---- */

/* The text behind 'key': ... */
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
    if (text && *text == '[') return tool_fail("E_DTYPE", "%s: records have no dtype here", path);
    if (!end) return tool_fail("E_IO", "%s: the header has no dtype", path);
    size_t n = (size_t)(end - text - 1);
    char order = n ? text[1] : 0, *after = NULL;
    long bytes = n >= 3 ? strtol(text + 3, &after, 10) : 0;
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (after != end || !strchr("<>=|", order) || descriptors[i].kind != text[2] || descriptors[i].bytes != bytes)
            continue;
        out->dtype = descriptors[i].dtype;
        out->swapped = order == '>' && bytes > 1;
        return TOOL_OK;
    }
    return tool_fail("E_DTYPE",
                     "%s: dtype %.*s is not one of bool i8 u8 i16 i32 i64 f16 f32 f64 c64 c128, or V2 (bf16)", path,
                     (int)(n < 40 ? n : 40), text + 1);
}

/* "(3, 4)", "(3,)", "()" */
static int parse_shape(header *out, const char *text, const char *path)
{
    if (!text || *text++ != '(') return tool_fail("E_IO", "%s: the header has no shape", path);
    for (;;) {
        char *end;
        text += strspn(text, " ");
        if (*text == ')') return TOOL_OK;
        errno = 0;
        long long extent = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
        if (extent < 0 || errno) return tool_fail("E_IO", "%s: the header's shape cannot be read", path);
        if (out->rank == NPY_MAX_RANK) return tool_fail("E_LIMIT", "%s has more than %d axes", path, NPY_MAX_RANK);
        out->shape[out->rank++] = extent;
        text = *end == 'L' ? end + 1 : end;
        text += strspn(text, " ");
        if (*text == ',') text++;
        else if (*text != ')') return tool_fail("E_IO", "%s: the header's shape cannot be read", path);
    }
}

static int parse_header(header *out, const char *text, const char *path)
{
    *out = (header){0};
    int status = parse_descriptor(out, value_of(text, "'descr'"), path);
    if (!status) status = parse_shape(out, value_of(text, "'shape'"), path);
    if (status) return status;
    const char *order = value_of(text, "'fortran_order'");
    out->fortran = order && !strncmp(order, "True", 4);
    if (!order || (!out->fortran && strncmp(order, "False", 5)))
        return tool_fail("E_IO", "%s: the header does not say its order", path);
    return TOOL_OK;
}

/* ---- the file ---- */

static int read_header(header *out, FILE *file, const char *path)
{
    uint8_t b[12];
    if (fread(b, 1, 10, file) != 10 || memcmp(b, "\x93NUMPY", 6) || b[6] < 1 || b[6] > 3)
        return tool_fail("E_IO", "%s is not an .npy file", path);
    bool is_short = b[6] == 1;
    if (!is_short && fread(b + 10, 1, 2, file) != 2) return tool_fail("E_IO", "%s: the header is cut off", path);
    size_t length = b[8] | (size_t)b[9] << 8;
    if (!is_short) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > NPY_MAX_HEADER) return tool_fail("E_IO", "%s: a header of %zu bytes", path, length);
    char *text = tool_alloc(length + 1);
    int status = fread(text, 1, length, file) == length ? parse_header(out, text, path)
                                                        : tool_fail("E_IO", "%s: the header is cut off", path);
    free(text);
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

/* Bytes behind the header, where the file is one that has a length: on disk, or in memory. */
static bool is_too_short(FILE *file, size_t bytes, size_t *rest)
{
    struct stat info;
    long at = ftell(file);
    if (at < 0 || (!fstat(fileno(file), &info) && !S_ISREG(info.st_mode)) || fseek(file, 0, SEEK_END)) return false;
    long end = ftell(file);
    fseek(file, at, SEEK_SET);
    *rest = end > at ? (size_t)(end - at) : 0;
    return *rest < bytes;
}

static int cut_off(const tool_tensor *t, size_t rest, const char *path)
{
    return tool_fail("E_IO", "%s: %zu bytes of data where the header says %zu", path, rest, t->bytes);
}

static int read_data(tool_tensor *out, const header *h, FILE *file, const char *path)
{
    size_t rest = 0;
    int status = tool_tensor_describe(out, h->dtype, h->rank, h->shape, path);
    if (status) return status;
    if (is_too_short(file, out->bytes, &rest)) return cut_off(out, rest, path);
    tool_tensor_free(out);
    status = tool_tensor_make(out, h->dtype, h->rank, h->shape, path);
    if (status) return status;
    rest = out->bytes ? fread(out->block, 1, out->bytes, file) : 0;
    return rest == out->bytes ? TOOL_OK : cut_off(out, rest, path);
}

static void normalize(tool_tensor *out, const header *h)
{
    size_t element = einjit_dtype_bytes(h->dtype);
    bool is_complex = h->dtype == EINJIT_C64 || h->dtype == EINJIT_C128;
    uint8_t *bytes = out->block;
    if (h->swapped) swap_bytes(bytes, out->bytes, is_complex ? element / 2 : element);
    for (size_t i = 0; h->dtype == EINJIT_BOOL && i < out->bytes; i++) bytes[i] = bytes[i] != 0;
    if (!h->fortran || h->rank < 2 || !out->bytes) return;
    out->strides = tool_alloc((size_t)h->rank * sizeof *out->strides);
    int64_t stride = 1;
    for (int a = 0; a < h->rank; a++) {
        out->strides[a] = stride;
        stride *= h->shape[a];
    }
    out->tensor.strides = out->strides;
}

int npy_read(tool_tensor *out, FILE *file, const char *path)
{
    header h;
    *out = (tool_tensor){0};
    int status = read_header(&h, file, path);
    if (!status) status = read_data(out, &h, file, path);
    if (!status) normalize(out, &h);
    else tool_tensor_free(out);
    return status;
}

int npy_load(tool_tensor *out, const char *path)
{
    FILE *file;
    *out = (tool_tensor){0};
    int status = tool_open(&file, path, false);
    if (status) return status;
    status = npy_read(out, file, path);
    tool_close_input(file);
    return status;
}

/* ---- writing ---- */

/* As NumPy writes it; 0 where the dtype has no form. */
static size_t format_header(char *text, size_t room, const einjit_tensor *t)
{
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        if (descriptors[i].dtype != t->dtype) continue;
        int used = snprintf(text, room, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                            descriptors[i].bytes == 1 ? '|' : '<', descriptors[i].kind, descriptors[i].bytes);
        for (int a = 0; a < t->rank; a++)
            used += snprintf(text + used, room - (size_t)used, "%s%lld", a ? ", " : "", (long long)t->shape[a]);
        used += snprintf(text + used, room - (size_t)used, "%s), }", t->rank == 1 ? "," : "");
        return (size_t)used;
    }
    return 0;
}

/* What comes before the elements. */
typedef struct preamble {
    uint8_t bytes[10 + NPY_MAX_RANK * 22 + 200];
    size_t n;
} preamble;

static int make_preamble(preamble *out, const tool_tensor *tensor, const char *path)
{
    char *text = (char *)out->bytes + 10;
    if (tensor->tensor.rank > NPY_MAX_RANK)
        return tool_fail("E_LIMIT", "%s: a result of %d axes, .npy files have at most %d", path,
                         (int)tensor->tensor.rank, NPY_MAX_RANK);
    size_t n = format_header(text, sizeof out->bytes - 74, &tensor->tensor);
    if (!n) return tool_fail("E_DTYPE", "%s: %s has no .npy form", path, einjit_dtype_name(tensor->tensor.dtype));
    size_t length = (n + 1 + 10 + 63) / 64 * 64 - 10; /* data starts at a multiple of 64 */
    memset(text + n, ' ', length - n);
    text[length - 1] = '\n';
    memcpy(out->bytes, (const uint8_t[]){0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}, 8);
    out->bytes[8] = (uint8_t)(length & 255);
    out->bytes[9] = (uint8_t)(length >> 8);
    out->n = length + 10;
    return TOOL_OK;
}

static void write_all(const preamble *head, const tool_tensor *tensor, FILE *file)
{
    fwrite(head->bytes, 1, head->n, file);
    if (tensor->bytes) fwrite(tensor->block, 1, tensor->bytes, file);
}

int npy_write(const tool_tensor *tensor, FILE *file, const char *path)
{
    preamble head;
    int status = make_preamble(&head, tensor, path);
    if (!status) write_all(&head, tensor, file);
    return status;
}

int npy_save(const tool_tensor *tensor, const char *path)
{
    preamble head;
    FILE *file;
    int status = make_preamble(&head, tensor, path);
    if (!status) status = tool_open(&file, path, true);
    if (status) return status;
    write_all(&head, tensor, file);
    return tool_close_output(file, path);
}
