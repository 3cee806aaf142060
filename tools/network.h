/* network.h - tensor networks from files, and what a path through one costs. */
#ifndef TOOL_NETWORK_H
#define TOOL_NETWORK_H

#include <jansson.h>

#include "tool.h"

/* In the library's form. Labels are integers that index `sizes`, or strings that are keys of size_dict. */
typedef struct network {
    size_t n, n_labels, n_flat, cap_labels;
    int32_t *term_ranks, *flat, *output;
    int output_rank;
    int64_t *sizes;
    json_t *ids; /* label's text -> id */
    json_t *doc;
} network;

typedef struct network_costs {
    double log2_peak;        /* elements of all tensors that live at once, inputs and the step's result included */
    double log10_flops;      /* of the next, which may be infinite */
    double opt_einsum_flops; /* as opt_einsum counts: twice the product of extents where a step sums */
} network_costs;

int network_read(network *net, const char *path); /* TOOL_OK, or TOOL_FAILED after a message */
/* The extents that arrays give an equation's letters, and its ellipsis; what does not fit is said as by einjit run. */
int network_sizes_of_arrays(tool_sizes *sizes, const tool_program *program, const tool_tensor *in, size_t n_in);
/* The network of an equation: labels are its letters. TOOL_USAGE where `sizes` lacks one. */
int network_of_equation(network *net, const tool_program *program, const tool_sizes *sizes);
/* The program that contracts it. */
int network_program(tool_program *out, const network *net, einjit_context *context);
/* From here on these labels have extent 1. */
void network_slice(network *net, const int32_t *labels, size_t n);
/* As the file has it: a number, or text. A new reference. */
json_t *network_label(const network *net, int32_t id);
void network_free(network *net);
/* Sliced: of one slice. */
network_costs network_count(const network *net, const int32_t *pairs, size_t n_steps);

#endif
