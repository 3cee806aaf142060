/* cmd_gradient.c - --gradient a,b: a program that also gives its gradients. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

static int find_inputs(const einjit_graph *graph, char *names, einjit_value *out, size_t *n)
{
    *n = 0;
    for (char *name = strtok(names, ", "); name; name = strtok(NULL, ", ")) {
        size_t i = 0, n_in = einjit_graph_input_count(graph);
        while (i < n_in && strcmp(einjit_graph_input_name(graph, i), name)) i++;
        if (i == n_in) return tool_usage("--gradient: the program has no input '%s'", name);
        out[(*n)++] = einjit_graph_value(graph, name);
    }
    return *n ? TOOL_OK : tool_usage("--gradient needs the name of an input");
}

/* The result's axes, whatever their extents. */
static int add_seed(einjit_graph *graph, einjit_value y, einjit_value *seed, einjit_error *err)
{
    int rank = einjit_graph_rank(graph, y);
    *seed = -1;
    if (!rank) return TOOL_OK;
    int64_t *shape = tool_alloc((size_t)(rank > 0 ? rank : 1) * sizeof *shape);
    for (int a = 0; a < rank; a++) shape[a] = -1;
    int status = einjit_graph_input(seed, graph, "grad", -1, rank, shape, NULL, err);
    free(shape);
    return status ? tool_error(err) : TOOL_OK;
}

int cmd_add_gradients(const tool_program *program, const char *names)
{
    einjit_graph *graph = program->graph;
    einjit_error err = {0};
    if (!names) return TOOL_OK;
    char *list = tool_copy(names);
    einjit_value *wrt = tool_alloc((strlen(names) + 1) * sizeof *wrt),
                 *out = tool_alloc((strlen(names) + 1) * sizeof *out);
    einjit_value y = einjit_graph_output_value(graph, 0), seed;
    size_t n;
    int status = find_inputs(graph, list, wrt, &n);
    if (!status) status = add_seed(graph, y, &seed, &err);
    if (!status && einjit_graph_gradient(out, graph, 1, &y, &seed, n, wrt, &err)) status = tool_error(&err);
    for (size_t i = 0; i < n && !status; i++)
        if (einjit_graph_output(graph, out[i], &err)) status = tool_error(&err);
    free(list);
    free(wrt);
    free(out);
    return status;
}
