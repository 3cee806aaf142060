/* api_build.h - what the public builder calls share. */
#ifndef EJ_API_BUILD_H
#define EJ_API_BUILD_H

#include "context.h"

/* First in every builder: handles are there, the graph is not frozen and no earlier call failed. */
int ej_build_begin(const einjit_graph *graph, const einjit_value *out, einjit_error *err);
/* Last: the graph remembers its first failure. Gives `status` back. */
int ej_build_end(einjit_graph *graph, int status);
/* Append *node over the operands in[0 .. n), which are checked and copied, and remember a failure. */
int ej_build_append(einjit_value *out, einjit_graph *graph, ej_node *node, size_t n, const einjit_value *in,
                    einjit_error *err);
/* The same with dims[0 .. n_dims), copied. */
int ej_build_append_dims(einjit_value *out, einjit_graph *graph, ej_node *node, size_t n, const einjit_value *in,
                         size_t n_dims, const int64_t *dims, einjit_error *err);
/* An extent that is the symbol of that name. */
int ej_build_symbol(ej_extent *out, einjit_graph *graph, const char *name, einjit_error *err);

#endif
