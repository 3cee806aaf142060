/* bind_print.c - a bound graph as text: one value a line, everything that changes code (constants by their bytes'
 * hash).
 *
 *   open z = 1000
 *   %0 = input 0 f32[z, 4] strides row-major                # x
 *   %2 = einsum sum mul ab,bc->ac %0 %1 f32[z, 5]           # y
 *   return %2 strides [1, 1000]
 */
#include <inttypes.h>

#include "bind.h"

static const char *const reduce_words[EINJIT_REDUCE_COUNT] = {"sum", "max", "min", "logsumexp", "or", "prod", "mean"};

static void print_list(ej_text *text, const ej_sizes *sizes, const ej_size *list, int32_t n)
{
    ej_print(text, "[");
    for (int32_t i = 0; i < n; i++) {
        if (i) ej_print(text, ", ");
        ej_size_print(text, sizes, list[i]);
    }
    ej_print(text, "]");
}

static void print_labels(ej_text *text, const ej_term *term, const uint32_t *letters)
{
    for (uint32_t i = 0; i < term->n; i++) ej_print_code_point(text, letters[term->labels[i]]);
}

static void print_einsum(ej_text *text, const ej_bound_node *node)
{
    const uint32_t *letters = ej_subscripts_letters(text->arena, node->subscripts);
    if (!letters) {
        text->failed = true;
        return;
    }
    ej_print(text, " %s %s ", reduce_words[node->fn], node->combine == EINJIT_COMBINE_ADD ? "add" : "mul");
    for (uint32_t t = 0; t < node->subscripts->n_terms; t++) {
        if (t) ej_print(text, ",");
        print_labels(text, &node->subscripts->terms[t], letters);
    }
    ej_print(text, "->");
    print_labels(text, &node->subscripts->out, letters);
}

static void print_scalar(ej_text *text, const ej_bound_node *node)
{
    ej_print(text, " ");
    if (ej_dtypes[node->dtype].kind <= EJ_KIND_INT) {
        ej_print(text, "%" PRId64, node->integer);
        return;
    }
    ej_print_double(text, node->re);
    if (!ej_dtype_is_complex(node->dtype)) return;
    ej_print(text, " ");
    ej_print_double(text, node->im);
}

static void print_constant(ej_text *text, const ej_bound_node *node)
{
    int64_t bytes = ej_dtypes[node->dtype].bytes;
    for (int32_t i = 0; i < node->rank; i++)
        if (!ej_mul_size(bytes, node->shape[i].n, &bytes)) bytes = 0;
    ej_hash hash = ej_hash_bytes(bytes ? node->data : "", (size_t)bytes);
    ej_print(text, "%s %016" PRIx64 "%016" PRIx64, node->structural ? " structural" : "", hash.hi, hash.lo);
}

static void print_slice(ej_text *text, const ej_sizes *sizes, const ej_bound_node *node)
{
    ej_print(text, " from ");
    print_list(text, sizes, node->starts, node->rank);
    ej_print(text, " step [");
    for (int32_t i = 0; i < node->rank; i++) ej_print(text, "%s%" PRId64, i ? ", " : "", node->steps[i]);
    ej_print(text, "]");
}

static void print_strides(ej_text *text, const ej_sizes *sizes, const ej_bound_tensor *tensor)
{
    ej_print(text, " strides ");
    if (tensor->row_major) ej_print(text, "row-major");
    else print_list(text, sizes, tensor->strides, tensor->rank);
}

static void print_node(ej_text *text, const ej_bound *bound, size_t v, const ej_bound_tensor *input, size_t number)
{
    const ej_bound_node *node = &bound->nodes[v];
    ej_print(text, "%%%zu = %s", v, node->op == EJ_OP_MAP ? ej_fns[node->fn].name : ej_op_name(node->op));
    switch (node->op) {
    case EJ_OP_INPUT: ej_print(text, " %zu", number); break;
    case EJ_OP_EINSUM: print_einsum(text, node); break;
    case EJ_OP_REDUCE: ej_print(text, " %s", reduce_words[node->fn]); break;
    case EJ_OP_SCALAR: print_scalar(text, node); break;
    case EJ_OP_CONSTANT: print_constant(text, node); break;
    case EJ_OP_SLICE: print_slice(text, &bound->sizes, node); break;
    default: break;
    }
    for (uint32_t i = 0; i < node->n_dims; i++) ej_print(text, "%s%" PRId64, i ? "," : " dim ", node->dims[i]);
    for (uint32_t i = 0; i < node->n_in; i++) ej_print(text, " %%%d", (int)node->in[i]);
    ej_print(text, " %s", einjit_dtype_name(node->dtype));
    print_list(text, &bound->sizes, node->shape, node->rank);
    if (input) print_strides(text, &bound->sizes, input);
    ej_print(text, " # %s\n", node->name ? node->name : "");
}

/* Symbols, then derived sizes that print as @<index> where they are nested. */
static void print_atoms(ej_text *text, const ej_sizes *sizes)
{
    for (size_t i = 0; i < sizes->n_symbols; i++)
        ej_print(text, "open %s = %" PRId64 "\n", sizes->atoms[i].name, sizes->atoms[i].n);
    static const char *const words[] = {"", "min", "max", "ceil_div", "align"};
    for (size_t i = sizes->n_symbols; i < sizes->n_atoms; i++) {
        ej_print(text, "@%zu = %s(", i, words[sizes->atoms[i].kind]);
        ej_size_print(text, sizes, sizes->atoms[i].a);
        ej_print(text, ", ");
        ej_size_print(text, sizes, sizes->atoms[i].b);
        ej_print(text, ")\n");
    }
}

void ej_bound_print(ej_text *text, const ej_bound *bound)
{
    size_t input = 0; /* inputs are bound first, in order */
    print_atoms(text, &bound->sizes);
    for (size_t v = 0; v < bound->n_nodes; v++) {
        bool is_input = bound->nodes[v].op == EJ_OP_INPUT && input < bound->n_inputs;
        print_node(text, bound, v, is_input ? &bound->input_tensors[input] : NULL, input);
        input += is_input;
    }
    for (size_t i = 0; i < bound->n_outputs; i++) {
        ej_print(text, "return %%%d", (int)bound->outputs[i]);
        print_strides(text, &bound->sizes, &bound->output_tensors[i]);
        ej_print(text, "\n");
    }
}
