/* graph_element.h - literals and the elements of constants: as memory and as text. */
#ifndef EJ_GRAPH_ELEMENT_H
#define EJ_GRAPH_ELEMENT_H

#include "graph.h"

/* A number of the program text, as Python has them. */
typedef struct ej_number {
    uint8_t kind; /* EJ_KIND_*: integer for BOOL and INT, re for FLOAT, re and im for COMPLEX */
    int64_t integer;
    double re, im;
} ej_number;

/* data[index] = number, converted as torch.tensor does: floats are cut to integers, rounded to narrower floats.
 * False when the number has no such value: outside of the integer's range, or complex for a real dtype. */
bool ej_element_store(int dtype, void *data, size_t index, const ej_number *number);
ej_number ej_element_load(int dtype, const void *data, size_t index);

/* Python expressions that parse back to the same number: 2.0, -1, True, (1.0+2.0j), float("inf"). */
void ej_number_print(ej_text *text, const ej_number *number);
/* A double with few digits that rounds to the same element of a real dtype: 0.1 for the f32 next to it. */
double ej_element_short(int dtype, double x);
/* ej_number_print for data[index], with as few digits as its dtype needs. */
void ej_element_print(ej_text *text, int dtype, const void *data, size_t index);

/* tensor([[1.0, 0.0], [0.0, 1.0]], dtype= wrapped when it is long; empty((0, 3), dtype= without elements. The dtype's
 * name, which a value may bear too, is the caller's. */
void ej_constant_print(ej_text *text, const ej_node *constant);

#endif
