/* cmd_path.c - einjit path: path search on a network file, alone. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"

/* A network in the library's form. Labels are integers that index `sizes`, or strings that are keys of size_dict. */
typedef struct network {
    size_t n, n_labels, n_flat, cap_flat, cap_labels;
    int32_t *term_ranks, *flat, *output;
    int output_rank;
    int64_t *sizes;
    json_t *ids; /* label's text -> id */
    json_t *doc;
} network;

static int32_t add_label(network *net, const char *key, int64_t size)
{
    if (net->n_labels == net->cap_labels) {
        net->cap_labels = net->cap_labels ? net->cap_labels * 2 : 64;
        int64_t *grown = realloc(net->sizes, net->cap_labels * sizeof *grown);
        if (!grown) return -1;
        net->sizes = grown;
    }
    net->sizes[net->n_labels] = size;
    json_object_set_new(net->ids, key, json_integer((json_int_t)net->n_labels));
    return (int32_t)net->n_labels++;
}

static int32_t label_id(network *net, const json_t *label)
{
    char digits[32];
    const char *key = json_string_value(label);
    const json_t *size = NULL;
    if (json_is_integer(label)) {
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(label));
        key = digits;
        size = json_array_get(json_object_get(net->doc, "sizes"), (size_t)json_integer_value(label));
    }
    if (!key) return -1;
    const json_t *known = json_object_get(net->ids, key);
    if (known) return (int32_t)json_integer_value(known);
    if (!size) size = json_object_get(json_object_get(net->doc, "size_dict"), key);
    if (!json_is_integer(size) || json_integer_value(size) < 0) {
        tool_fail("E_VALUE", "label '%s' has no size", key);
        return -1;
    }
    return add_label(net, key, json_integer_value(size));
}

static int add_term(network *net, const json_t *term, int32_t **labels, size_t at)
{
    for (size_t i = 0; i < json_array_size(term); i++) {
        int32_t id = label_id(net, json_array_get(term, i));
        if (id < 0) return tool_fail("E_VALUE", "a term has a label that is no integer, no string, or without size");
        (*labels)[at + i] = id;
    }
    return TOOL_OK;
}

static int read_network(network *net, const char *path)
{
    json_error_t error;
    net->doc = json_load_file(path, 0, &error);
    if (!net->doc) return tool_fail("E_IO", "%s: line %d: %s", path, error.line, error.text);
    const json_t *inputs = json_object_get(net->doc, "inputs"), *output = json_object_get(net->doc, "output");
    if (!json_is_array(inputs) || !json_is_array(output))
        return tool_fail("E_IO", "%s has no \"inputs\" and \"output\" lists", path);
    net->ids = json_object();
    net->n = json_array_size(inputs);
    net->term_ranks = tool_alloc(net->n * sizeof *net->term_ranks);
    for (size_t t = 0; t < net->n; t++) net->n_flat += json_array_size(json_array_get(inputs, t));
    net->flat = tool_alloc(net->n_flat * sizeof *net->flat);
    net->output_rank = (int)json_array_size(output);
    net->output = tool_alloc((size_t)net->output_rank * sizeof *net->output);
    size_t at = 0;
    for (size_t t = 0; t < net->n; t++) {
        const json_t *term = json_array_get(inputs, t);
        int status = add_term(net, term, &net->flat, at);
        if (status) return status;
        net->term_ranks[t] = (int32_t)json_array_size(term);
        at += json_array_size(term);
    }
    return add_term(net, output, &net->output, 0);
}

static void free_network(network *net)
{
    free(net->term_ranks);
    free(net->flat);
    free(net->output);
    free(net->sizes);
    json_decref(net->ids);
    json_decref(net->doc);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The file's name without folder and ending. */
static char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = tool_copy(slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot) *dot = 0;
    return name;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static int report(const char *path, const char *strategy, const int32_t *pairs, size_t n, double mults, double largest,
                  double seconds, bool as_json)
{
    char *name = name_of(path);
    if (!as_json) {
        printf("network       %s\nstrategy      %s\nsteps         %zu\nlog10 mults   %.3f\nlog2 largest  %.2f\n"
               "seconds       %.3f\n", name, strategy, n, mults, largest, seconds);
        free(name);
        return TOOL_OK;
    }
    json_t *doc = json_object(), *list = json_array(), *slices = json_object();
    for (size_t s = 0; s < n; s++) {
        json_t *pair = json_array();
        json_array_append_new(pair, json_integer(pairs[2 * s]));
        if (pairs[2 * s + 1] >= 0) json_array_append_new(pair, json_integer(pairs[2 * s + 1]));
        json_array_append_new(list, pair);
    }
    json_object_set_new(slices, "labels", json_array());
    json_object_set_new(slices, "count", json_integer(1));
    json_object_set_new(doc, "name", json_string(name));
    json_object_set_new(doc, "strategy", json_string(strategy));
    json_object_set_new(doc, "ssa_path", list);
    json_object_set_new(doc, "log10_mults", number(mults));
    json_object_set_new(doc, "log2_largest", number(largest));
    json_object_set_new(doc, "seconds", json_real(seconds));
    json_object_set_new(doc, "slices", slices);
    json_dumpf(doc, stdout, JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
    free(name);
    return TOOL_OK;
}

int cmd_path(int argc, char **argv, const command *self)
{
    cmd_options options;
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    einjit_context *context = NULL;
    einjit_error err = {0};
    network net = {0};
    status = cmd_context(&context, &options);
    if (!status) status = read_network(&net, options.rest[0]);
    if (!status) {
        size_t capacity = 2 * net.n + 2, n = 0;
        int32_t *pairs = tool_alloc(capacity * 2 * sizeof *pairs);
        double mults, largest, start = now();
        if (einjit_path(context, net.n, net.term_ranks, net.flat, net.output_rank, net.output, net.n_labels, net.sizes,
                        options.path, pairs, capacity, &n, &mults, &largest, &err))
            status = tool_error(&err);
        else
            status = report(options.rest[0], options.path ? options.path : "auto", pairs, n, mults, largest,
                            now() - start, options.json);
        free(pairs);
    }
    free_network(&net);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
