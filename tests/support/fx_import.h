/* fx_import.h - lists of torch.fx nodes, as shared/data/oefx_graphs.json has them, as program text. */
#ifndef TEST_FX_IMPORT_H
#define TEST_FX_IMPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "base_print.h"

/* `nodes` in order; shapes[i] is the shape of placeholder i, a list of numbers; all are f64. False: `why` names the
 * node that has no counterpart. */
bool fx_import(ej_text *out, const json_t *nodes, const json_t *shapes, char *why, size_t n_why);

/* The file of such graphs. Python writes Infinity and NaN as bare words, which JSON does not have: they become strings.
 * NULL: it is not there, or no JSON. The caller's, json_decref. */
json_t *fx_load(const char *path, json_error_t *error);

#endif
