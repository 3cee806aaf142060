/* graph_element.c - numbers in constants: stored, loaded, printed.
 *
 * Takes  numbers of the program text, or row-major data of any dtype.
 * Gives  elements, and text that reads back to the same bits. (A NaN is a NaN: its sign and payload are not kept.)
 * Not here: reading nested lists (graph_parse_constant.c).
 */
#include "graph_element.h"

#include <math.h>
#include <string.h>

#include "base_narrow.h"

static void store_real(int dtype, void *data, size_t index, double x)
{
    switch (dtype) {
    case EINJIT_F16:
    case EINJIT_BF16: ((uint16_t *)data)[index] = ej_narrow(dtype, x); break;
    case EINJIT_F32: ((float *)data)[index] = (float)x; break;
    default: ((double *)data)[index] = x;
    }
}

static double load_real(int dtype, const void *data, size_t index)
{
    switch (dtype) {
    case EINJIT_F16:
    case EINJIT_BF16: return ej_widen(dtype, ((const uint16_t *)data)[index]);
    case EINJIT_F32: return (double)((const float *)data)[index];
    default: return ((const double *)data)[index];
    }
}

static int64_t load_integer(int dtype, const void *data, size_t index)
{
    switch (dtype) {
    case EINJIT_I64: return ((const int64_t *)data)[index];
    case EINJIT_I32: return ((const int32_t *)data)[index];
    case EINJIT_I16: return ((const int16_t *)data)[index];
    case EINJIT_I8: return ((const int8_t *)data)[index];
    default: return ((const uint8_t *)data)[index];
    }
}

static bool store_integer(int dtype, void *data, size_t index, const ej_number *number)
{
    int64_t value = number->integer;
    if (number->kind >= EJ_KIND_FLOAT) {
        if (!(number->re >= -9223372036854775808.0 && number->re < 9223372036854775808.0)) return false;
        value = (int64_t)number->re;
    }
    if (value < ej_dtype_lowest(dtype) || value > ej_dtype_highest(dtype)) return false;
    if (dtype == EINJIT_I64) ((int64_t *)data)[index] = value;
    else if (dtype == EINJIT_I32) ((int32_t *)data)[index] = (int32_t)value;
    else if (dtype == EINJIT_I16) ((int16_t *)data)[index] = (int16_t)value;
    else ((uint8_t *)data)[index] = (uint8_t)value;
    return true;
}

bool ej_element_store(int dtype, void *data, size_t index, const ej_number *number)
{
    bool complex_number = number->kind == EJ_KIND_COMPLEX;
    double re = number->kind >= EJ_KIND_FLOAT ? number->re : (double)number->integer;
    if (ej_dtype_is_complex(dtype)) {
        store_real(ej_dtypes[dtype].real, data, 2 * index, re);
        store_real(ej_dtypes[dtype].real, data, 2 * index + 1, complex_number ? number->im : 0.0);
        return true;
    }
    if (dtype == EINJIT_BOOL) {
        ((unsigned char *)data)[index] = re != 0 || (complex_number && number->im != 0);
        return true;
    }
    if (complex_number && number->im != 0) return false;
    if (!ej_dtype_is_float(dtype)) return store_integer(dtype, data, index, number);
    store_real(dtype, data, index, re);
    return true;
}

ej_number ej_element_load(int dtype, const void *data, size_t index)
{
    ej_number number = {.kind = ej_dtypes[dtype].kind};
    int real = ej_dtypes[dtype].real;
    switch (number.kind) {
    case EJ_KIND_BOOL: number.integer = ((const unsigned char *)data)[index] != 0; break;
    case EJ_KIND_INT: number.integer = load_integer(dtype, data, index); break;
    case EJ_KIND_FLOAT: number.re = load_real(dtype, data, index); break;
    default: number.re = load_real(real, data, 2 * index); number.im = load_real(real, data, 2 * index + 1);
    }
    return number;
}

/* ---- as text ---- */

static void print_real(ej_text *text, double x)
{
    if (isnan(x)) ej_print(text, "float(\"nan\")");
    else if (isinf(x)) ej_print(text, "float(\"%sinf\")", x < 0 ? "-" : "");
    else ej_print_double(text, x);
}

static bool plain(double x) /* a finite number that a sum with zeros does not change */
{
    return isfinite(x) && !(x == 0 && signbit(x));
}

static void print_complex(ej_text *text, double re, double im)
{
    if (!plain(re) || !plain(im)) {
        ej_print(text, "complex(");
        print_real(text, re);
        ej_print(text, ", ");
        print_real(text, im);
        ej_print(text, ")");
    } else if (re == 0 && im >= 0) {
        print_real(text, im);
        ej_print(text, "j");
    } else {
        ej_print(text, "(");
        print_real(text, re);
        ej_print(text, im < 0 ? "-" : "+");
        print_real(text, fabs(im));
        ej_print(text, "j)");
    }
}

void ej_number_print(ej_text *text, const ej_number *number)
{
    switch (number->kind) {
    case EJ_KIND_BOOL: ej_print(text, number->integer ? "True" : "False"); break;
    case EJ_KIND_INT: ej_print(text, "%lld", (long long)number->integer); break;
    case EJ_KIND_FLOAT: print_real(text, number->re); break;
    default: print_complex(text, number->re, number->im);
    }
}

double ej_element_short(int dtype, double x)
{
    if (dtype == EINJIT_F64 || !isfinite(x)) return x;
    for (int precision = 1; precision <= 9; precision++) {
        char digits[EJ_REAL_TEXT + EJ_POINT_ROOM];
        double candidate, stored[1]; /* aligned for every dtype */
        ej_real_text(digits, 'g', precision, x);
        if (!ej_real_read(digits, &candidate)) continue;
        store_real(dtype, stored, 0, candidate);
        if (load_real(dtype, stored, 0) == x) return candidate;
    }
    return x;
}

void ej_element_print(ej_text *text, int dtype, const void *data, size_t index)
{
    ej_number number = ej_element_load(dtype, data, index);
    if (number.kind >= EJ_KIND_FLOAT) {
        number.re = ej_element_short(ej_dtypes[dtype].real, number.re);
        number.im = ej_element_short(ej_dtypes[dtype].real, number.im);
    }
    ej_number_print(text, &number);
}

/* ---- constants, nested ---- */

enum { WRAP_ELEMENTS = 64, WRAP_COLUMN = 110 };

/* Brackets that open in front of element i, or close behind element i - 1: one for every trailing block it starts. */
static uint32_t blocks_at(const ej_node *node, size_t i)
{
    uint32_t n = 0;
    size_t block = 1;
    while (n < node->n_extents) {
        block *= (size_t)node->extents[node->n_extents - 1 - n].n;
        if (i % block) break;
        n++;
    }
    return n;
}

static void print_elements(ej_text *text, const ej_node *node, size_t n)
{
    size_t line = text->length;
    for (size_t i = 0; i < n; i++) {
        uint32_t blocks = blocks_at(node, i);
        if (i) {
            for (uint32_t k = 0; k < blocks; k++) ej_print(text, "]");
            bool wrap = n > WRAP_ELEMENTS && text->length - line > WRAP_COLUMN;
            if (wrap) line = text->length;
            ej_print(text, wrap ? ",\n        " : ", ");
        }
        for (uint32_t k = 0; k < blocks; k++) ej_print(text, "[");
        ej_element_print(text, node->dtype, node->data, i);
    }
    for (uint32_t k = 0; k < node->n_extents; k++) ej_print(text, "]");
}

static void print_no_elements(ej_text *text, const ej_node *node)
{
    ej_print(text, "(");
    for (uint32_t i = 0; i < node->n_extents; i++)
        ej_print(text, "%s%lld", i ? ", " : "", (long long)node->extents[i].n);
    ej_print(text, node->n_extents == 1 ? ",)" : ")");
}

void ej_constant_print(ej_text *text, const ej_node *node)
{
    int64_t n = 1;
    for (uint32_t i = 0; i < node->n_extents; i++)
        if (!ej_mul_size(n, node->extents[i].n, &n)) n = 0;
    ej_print(text, n ? "tensor(" : "empty(");
    if (n) print_elements(text, node, (size_t)n);
    else print_no_elements(text, node);
    ej_print(text, ", dtype=");
}
