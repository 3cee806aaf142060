/* network.c - reads NETWORK.json, also as a program, and equations as networks; counts what a path costs besides what
 * the library says. */
#include "network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t add_label(network *net, const char *key, int64_t size)
{
    if (net->n_labels == net->cap_labels) {
        net->cap_labels = net->cap_labels ? net->cap_labels * 2 : 64;
        int64_t *grown = realloc(net->sizes, net->cap_labels * sizeof *grown);
        if (!grown) {
            tool_fail("E_NOMEM", "out of memory");
            return -1;
        }
        net->sizes = grown;
    }
    net->sizes[net->n_labels] = size;
    json_object_set_new(net->ids, key, json_integer((json_int_t)net->n_labels));
    return (int32_t)net->n_labels++;
}

/* -1 after a message. */
static int32_t label_id(network *net, const json_t *label, const char *path)
{
    char digits[32];
    const char *key = json_string_value(label);
    const json_t *size = NULL;
    if (json_is_integer(label)) {
        json_int_t id = json_integer_value(label);
        snprintf(digits, sizeof digits, "%lld", (long long)id);
        key = digits;
        if (id >= 0) size = json_array_get(json_object_get(net->doc, "sizes"), (size_t)id);
    }
    if (!key) {
        tool_fail("E_VALUE", "%s: a label is neither an integer nor a string", path);
        return -1;
    }
    const json_t *seen = json_object_get(net->ids, key);
    if (seen) return (int32_t)json_integer_value(seen);
    if (!size) size = json_object_get(json_object_get(net->doc, "size_dict"), key);
    if (!json_is_integer(size) || json_integer_value(size) < 0) {
        tool_fail("E_VALUE", "%s: label '%s' has no size", path, key);
        return -1;
    }
    return add_label(net, key, json_integer_value(size));
}

static int add_term(network *net, const json_t *term, int32_t *labels, const char *path)
{
    if (!json_is_array(term)) return tool_fail("E_VALUE", "%s: an input is no list of labels", path);
    for (size_t i = 0; i < json_array_size(term); i++)
        if ((labels[i] = label_id(net, json_array_get(term, i), path)) < 0) return TOOL_FAILED;
    return TOOL_OK;
}

/* What the document says; `path` is its name in messages. */
static int read_document(network *net, const char *path)
{
    int status = TOOL_OK;
    const json_t *inputs = json_object_get(net->doc, "inputs"), *output = json_object_get(net->doc, "output");
    if (!json_is_array(inputs) || !json_is_array(output))
        return tool_fail("E_VALUE", "%s has no \"inputs\" and \"output\" lists", path);
    net->ids = json_object();
    net->n = json_array_size(inputs);
    net->term_ranks = tool_alloc(net->n * sizeof *net->term_ranks);
    for (size_t t = 0; t < net->n; t++) net->n_flat += json_array_size(json_array_get(inputs, t));
    net->flat = tool_alloc(net->n_flat * sizeof *net->flat);
    net->output_rank = (int)json_array_size(output);
    net->output = tool_alloc((size_t)net->output_rank * sizeof *net->output);
    size_t at = 0;
    for (size_t t = 0; t < net->n && !status; t++) {
        const json_t *term = json_array_get(inputs, t);
        status = add_term(net, term, net->flat + at, path);
        net->term_ranks[t] = (int32_t)json_array_size(term);
        at += json_array_size(term);
    }
    return status ? status : add_term(net, output, net->output, path);
}

int network_read(network *net, const char *path)
{
    *net = (network){0};
    int status = tool_read_json(&net->doc, path);
    return status ? status : read_document(net, path);
}

/* ---- equations and programs ---- */

/* The bytes of the character at `at`. */
static size_t letter_bytes(const char *at)
{
    size_t n = 1;
    while (((unsigned char)at[n] & 0xC0) == 0x80) n++;
    return n;
}

/* A list of lists of letters, one a term; of "->" the output, with NULL where there is none. */
static json_t *read_terms(const char *equation, json_t **output)
{
    json_t *terms = json_array(), *term = json_array();
    *output = NULL;
    for (const char *at = equation; *at; at += letter_bytes(at)) {
        bool arrow = !strncmp(at, "->", 2);
        if (*at == ',' || arrow) {
            json_array_append_new(terms, term);
            term = json_array();
            if (arrow) *output = term;
            at += arrow;
        } else if (*at != ' ') {
            json_array_append_new(term, json_stringn(at, letter_bytes(at)));
        }
    }
    if (!*output) json_array_append_new(terms, term);
    return terms;
}

static int by_code_point(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b); /* UTF-8 sorts as its code points do */
}

/* Of an equation without an arrow: letters that are there once, sorted. */
static json_t *implicit_output(const json_t *terms)
{
    json_t *output = json_array(), *label, *counts = json_object(), *term, *count;
    size_t t, i, n = 0;
    const char *name;
    json_array_foreach (terms, t, term)
        json_array_foreach (term, i, label) {
            name = json_string_value(label);
            json_object_set_new(counts, name, json_integer(1 + json_integer_value(json_object_get(counts, name))));
        }
    const char **once = tool_alloc((json_object_size(counts) + 1) * sizeof *once);
    json_object_foreach (counts, name, count)
        if (json_integer_value(count) == 1) once[n++] = name;
    qsort(once, n, sizeof *once, by_code_point);
    for (i = 0; i < n; i++) json_array_append_new(output, json_string(once[i]));
    free(once);
    json_decref(counts);
    return output;
}

/* The letters that stand for the ellipsis are those that the equation does not have, in order. */
static bool find_extent(const tool_program *program, const tool_sizes *sizes, const char *label, int64_t *extent)
{
    char name[32];
    int k = 0;
    if (strstr(program->equation, label)) return tool_sizes_find(sizes, label, extent);
    for (char c = 'A'; c <= *label; c++) k += strchr(program->letters, c) && !strchr(program->equation, c);
    snprintf(name, sizeof name, TOOL_ELLIPSIS "%d", k);
    return tool_sizes_find(sizes, name, extent);
}

static int add_extents(json_t *dict, const json_t *terms, const tool_program *program, const tool_sizes *sizes)
{
    size_t t, i;
    const json_t *term, *label;
    json_array_foreach (terms, t, term)
        json_array_foreach (term, i, label) {
            const char *name = json_string_value(label);
            int64_t extent;
            if (json_object_get(dict, name)) continue;
            if (!find_extent(program, sizes, name, &extent))
                return tool_usage("the size of '%s' is missing: -s %s=N", name, name);
            json_object_set_new(dict, name, json_integer((json_int_t)extent));
        }
    return TOOL_OK;
}

/* ---- extents of arrays ---- */

/* Of an extent 1 that another operand stretches the other one counts. */
static int add_size(tool_sizes *sizes, const char *letter, size_t bytes, int64_t extent)
{
    char text[64];
    int64_t before;
    snprintf(text, sizeof text, "%.*s", (int)bytes, letter);
    if (tool_sizes_find(sizes, text, &before) && before != 1) return TOOL_OK;
    snprintf(text, sizeof text, "%.*s=%lld", (int)bytes, letter, (long long)extent);
    return tool_sizes_add(sizes, text);
}

/* "...=8x4": of the first operand that has one; the others' are as long. */
static int add_ellipsis(tool_sizes *sizes, const int64_t *shape, int n)
{
    char text[32 * TOOL_MAX_RANK] = "...=", *to = text + 4;
    int64_t extent;
    if (n <= 0 || tool_sizes_find(sizes, TOOL_ELLIPSIS "1", &extent)) return TOOL_OK;
    for (int a = 0; a < n; a++) to += sprintf(to, "%s%lld", a ? "x" : "", (long long)shape[a]);
    return tool_sizes_add(sizes, text);
}

static int add_sizes_of_term(tool_sizes *sizes, const char *term, size_t length, const tool_tensor *t)
{
    int axis = 0, dots = t->tensor.rank, status = TOOL_OK;
    size_t bytes;
    for (size_t i = 0; i < length; i += letter_bytes(term + i)) dots -= term[i] != '.' && term[i] != ' ';
    for (size_t i = 0; i < length && !status; i += bytes) {
        bytes = term[i] == '.' ? 3 : letter_bytes(term + i);
        if (term[i] == ' ') continue;
        if (term[i] == '.') status = add_ellipsis(sizes, t->shape + axis, dots);
        else status = add_size(sizes, term + i, bytes, t->shape[axis]);
        axis += term[i] == '.' ? dots : 1;
    }
    return status;
}

int network_sizes_of_arrays(tool_sizes *sizes, const tool_program *program, const tool_tensor *in, size_t n_in)
{
    einjit_shapes *shapes = NULL;
    einjit_error err = {0};
    einjit_tensor *views = tool_views(in, n_in);
    const char *at = program->equation;
    int status = einjit_shapes_infer(&shapes, program->graph, n_in, views, &err) ? tool_error(&err) : TOOL_OK;
    for (size_t operand = 0; operand < n_in && !status; operand++) {
        const char *arrow = strstr(at, "->");
        size_t n = strcspn(at, ",");
        if (arrow && (size_t)(arrow - at) < n) n = (size_t)(arrow - at);
        status = add_sizes_of_term(sizes, at, n, &in[operand]);
        at += n + (at[n] == ',');
    }
    einjit_shapes_destroy(shapes);
    free(views);
    return status;
}

int network_of_equation(network *net, const tool_program *program, const tool_sizes *sizes)
{
    *net = (network){0};
    if (!program->letters || strchr(program->letters, '.'))
        return tool_usage("the size of '...' is missing: -s ...=8x4, an extent for each axis that it stands for");
    json_t *output, *terms = read_terms(program->letters, &output), *dict = json_object();
    if (!output) output = implicit_output(terms);
    int status = add_extents(dict, terms, program, sizes);
    net->doc = json_pack("{s:o, s:o, s:o}", "inputs", terms, "output", output, "size_dict", dict);
    return status ? status : read_document(net, program->equation);
}

int network_program(tool_program *out, const network *net, einjit_context *context)
{
    einjit_error err = {0};
    einjit_value *values = tool_alloc((net->n + 1) * sizeof *values), result;
    int64_t shape[TOOL_MAX_RANK];
    size_t at = 0;
    int status = einjit_graph_create(&out->graph, context, &err);
    for (size_t t = 0; t < net->n && !status; t++) {
        char name[32];
        int rank = net->term_ranks[t];
        if (rank > TOOL_MAX_RANK) {
            free(values);
            return tool_fail("E_LIMIT", "tensor %zu has %d axes; at most %d here", t, rank, TOOL_MAX_RANK);
        }
        for (int a = 0; a < rank; a++) shape[a] = net->sizes[net->flat[at++]];
        snprintf(name, sizeof name, "t%zu", t);
        status = einjit_graph_input(&values[t], out->graph, name, -1, rank, shape, NULL, &err);
    }
    if (!status)
        status = einjit_graph_einsum_labels(&result, out->graph, net->n, values, net->term_ranks, net->flat,
                                            net->output_rank, net->output, &err);
    if (!status) status = einjit_graph_output(out->graph, result, &err);
    free(values);
    return status ? tool_error(&err) : TOOL_OK;
}

void network_slice(network *net, const int32_t *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) net->sizes[labels[i]] = 1;
}

json_t *network_label(const network *net, int32_t id)
{
    const char *text;
    json_t *value;
    json_object_foreach (net->ids, text, value)
        if (json_integer_value(value) == id)
            return json_is_array(json_object_get(net->doc, "sizes")) ? json_integer(atoll(text)) : json_string(text);
    return json_integer(id);
}

void network_free(network *net)
{
    free(net->term_ranks);
    free(net->flat);
    free(net->output);
    free(net->sizes);
    json_decref(net->ids);
    json_decref(net->doc);
}

/* ---- costs ---- */

/* x * 2^e: networks have more elements than a double holds. */
typedef struct big {
    double x;
    int64_t e;
} big;

static big big_times(big a, double b)
{
    int e;
    double x = frexp(a.x * b, &e);
    return (big){x, x != 0 ? a.e + e : 0};
}

static big big_plus(big a, big b, double sign)
{
    if (a.x == 0) return big_times(b, sign);
    if (b.x == 0) return a;
    int64_t apart = b.e - a.e;
    if (apart > 200) return big_times(b, sign);
    return big_times((big){a.x + sign * ldexp(b.x, apart < -200 ? -200 : (int)apart), a.e}, 1);
}

static double big_log2(big a)
{
    return log2(a.x) + (double)a.e;
}

static double big_double(big a)
{
    return a.e > 2000 ? HUGE_VAL : ldexp(a.x, (int)a.e);
}

typedef struct tensor {
    int32_t n, *labels; /* each once */
    big elements;
} tensor;
typedef struct counter {
    const network *net;
    tensor *tensors; /* per id */
    int32_t *left;   /* per label: live tensors that have it, and the output */
    int32_t *stamp;  /* per label: the last tensor that took it */
    int32_t made;
} counter;

static void take_labels(counter *c, tensor *out, const int32_t *labels, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        if (c->stamp[labels[i]] == c->made) continue;
        c->stamp[labels[i]] = c->made;
        out->labels[out->n++] = labels[i];
        out->elements = big_times(out->elements, (double)c->net->sizes[labels[i]]);
    }
}

static tensor *new_tensor(counter *c, int32_t room)
{
    tensor *out = &c->tensors[++c->made];
    out->labels = tool_alloc((size_t)room * sizeof *out->labels);
    out->elements = (big){1, 0};
    return out;
}

static void count_inputs(counter *c)
{
    const int32_t *at = c->net->flat;
    for (size_t t = 0; t < c->net->n; t++) {
        tensor *x = new_tensor(c, c->net->term_ranks[t]);
        take_labels(c, x, at, c->net->term_ranks[t]);
        at += c->net->term_ranks[t];
        for (int32_t i = 0; i < x->n; i++) c->left[x->labels[i]]++;
    }
    for (int i = 0; i < c->net->output_rank; i++) c->left[c->net->output[i]]++;
}

/* What the step multiplies; its result drops the labels that nobody needs. */
static big count_step(counter *c, const int32_t *pair, bool *sums)
{
    tensor *a = &c->tensors[pair[0] + 1], *b = pair[1] < 0 ? NULL : &c->tensors[pair[1] + 1];
    tensor *out = new_tensor(c, a->n + (b ? b->n : 0));
    take_labels(c, out, a->labels, a->n);
    if (b) take_labels(c, out, b->labels, b->n);
    big work = out->elements;
    int32_t kept = 0;
    for (int32_t i = 0; i < a->n; i++) c->left[a->labels[i]]--;
    for (int32_t i = 0; b && i < b->n; i++) c->left[b->labels[i]]--;
    out->elements = (big){1, 0};
    for (int32_t i = 0; i < out->n; i++) {
        int32_t label = out->labels[i];
        if (!c->left[label]) continue;
        c->left[label]++;
        out->labels[kept++] = label;
        out->elements = big_times(out->elements, (double)c->net->sizes[label]);
    }
    *sums = kept < out->n;
    out->n = kept;
    return work;
}

network_costs network_count(const network *net, const int32_t *pairs, size_t n_steps)
{
    counter c = {.net = net,
                 .tensors = tool_alloc((net->n + n_steps + 1) * sizeof(tensor)),
                 .left = tool_alloc((net->n_labels + 1) * sizeof(int32_t)),
                 .stamp = tool_alloc((net->n_labels + 1) * sizeof(int32_t))};
    big live = {0, 0}, peak, flops = {0, 0};
    count_inputs(&c); /* ids are one less than places in `tensors`, so that no tensor's stamp is 0 */
    for (size_t t = 0; t < net->n; t++) live = big_plus(live, c.tensors[t + 1].elements, 1);
    peak = live;
    for (size_t s = 0; s < n_steps; s++) {
        bool sums;
        big work = count_step(&c, pairs + 2 * s, &sums);
        flops = big_plus(flops, work, sums ? 2 : 1);
        live = big_plus(live, c.tensors[c.made].elements, 1);
        if (big_plus(live, peak, -1).x > 0) peak = live;
        live = big_plus(live, c.tensors[pairs[2 * s] + 1].elements, -1);
        if (pairs[2 * s + 1] >= 0) live = big_plus(live, c.tensors[pairs[2 * s + 1] + 1].elements, -1);
    }
    for (int32_t i = 1; i <= c.made; i++) free(c.tensors[i].labels);
    free(c.tensors);
    free(c.left);
    free(c.stamp);
    return (network_costs){big_log2(peak), big_log2(flops) * 0.30102999566398119521, big_double(flops)};
}
