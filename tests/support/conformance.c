/* conformance.c - reads the shared einsum cases. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *shared_file(const char *name, char *buffer, size_t n)
{
    const char *folder = getenv("EINJIT_SHARED");
    if (folder) snprintf(buffer, n, "%s/%s", folder, name);
    else snprintf(buffer, n, "%s/../shared/%s", EINJIT_TEST_SOURCE, name);
    return access(buffer, R_OK) ? NULL : buffer;
}

static int read_shape(int64_t *out, const json_t *list)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < CASE_RANK; i++) out[i] = json_integer_value(json_array_get(list, i));
    return (int)n;
}

bool conformance_read(conformance_case *out, json_t *line)
{
    memset(out, 0, sizeof *out);
    const json_t *shapes = json_object_get(line, "shapes");
    out->id = (int)json_integer_value(json_object_get(line, "id"));
    out->equation = json_string_value(json_object_get(line, "equation"));
    out->reason = json_string_value(json_object_get(line, "reason"));
    out->n = json_array_size(shapes);
    if (!out->equation || out->n > CASE_OPERANDS) return false;
    for (size_t i = 0; i < out->n; i++)
        if ((out->rank[i] = read_shape(out->shape[i], json_array_get(shapes, i))) > CASE_RANK) return false;
    if (out->reason) return true;
    out->out_rank = read_shape(out->out_shape, json_object_get(line, "out_shape"));
    out->terms = json_number_value(json_object_get(line, "K"));
    out->s_max = json_number_value(json_object_get(line, "S_max"));
    out->exact_f64 = json_is_true(json_object_get(line, "exact_f64"));
    out->exact_f32 = json_is_true(json_object_get(line, "exact_f32"));
    const char *fnv = json_string_value(json_object_get(line, "fnv"));
    out->fnv = fnv ? strtoull(fnv, NULL, 16) : 0;
    return fnv != NULL;
}

double conformance_value(uint32_t j, uint32_t k)
{
    uint32_t h = k * 2654435761u + j * 40503u + 12345u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    int v = (int)(h & 15) - 8;
    return (v >= 0 ? v + 1 : v) / 8.0;
}

uint64_t conformance_fnv(const double *data, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) {
        double x = data[i] == 0 ? 0.0 : data[i];
        unsigned char bytes[8];
        memcpy(bytes, &x, 8); /* little-endian machines, as every target row is */
        for (int b = 0; b < 8; b++) {
            h ^= bytes[b];
            h *= 1099511628211u;
        }
    }
    return h;
}

char *read_whole_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    long length = -1;
    if (file && !fseek(file, 0, SEEK_END) && (length = ftell(file)) >= 0) text = calloc((size_t)length + 1, 1);
    if (text) rewind(file);
    *n = text ? fread(text, 1, (size_t)length, file) : 0;
    if (file) fclose(file);
    return text;
}
