/* fx_import.c - torch.fx to program text: a line a node.
 *
 * Python's own values (shapes and their elements) are resolved while reading, from the placeholders' shapes. An
 * operation in place makes a value that from there on stands for what it changed. Values are called v_<name>, since fx
 * calls a value einsum.
 */
#include "fx_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

enum { MAX_NODES = 256 };

typedef struct fx_value {
    const char *name, *stands; /* the fx node, and whose text value it is */
    const json_t *shape;       /* of a placeholder, or what x.shape gave; NULL otherwise */
    bool is_shape, is_number;
    json_int_t number;
} fx_value;

typedef struct importer {
    ej_text *out;
    const json_t *shapes;
    fx_value values[MAX_NODES];
    size_t n, n_placeholders;
    char *why;
    size_t n_why;
} importer;

static bool refuse(importer *f, const json_t *node, const char *what)
{
    snprintf(f->why, f->n_why, "%s: %s '%s'", json_string_value(json_object_get(node, "name")), what,
             json_string_value(json_object_get(node, "target")));
    return false;
}

static fx_value *find(importer *f, const json_t *reference)
{
    const char *name = json_string_value(json_object_get(reference, "node"));
    for (size_t i = 0; name && i < f->n; i++)
        if (!strcmp(f->values[i].name, name)) return &f->values[i];
    return NULL;
}

/* A number, as Python writes it, or a value. */
static bool operand(importer *f, const json_t *x)
{
    fx_value *v = find(f, x);
    if (v && v->is_shape) return false;
    if (v && v->is_number) ej_print(f->out, "%lld", (long long)v->number);
    else if (v) ej_print(f->out, "v_%s", v->stands);
    else if (json_is_integer(x)) ej_print(f->out, "%lld", (long long)json_integer_value(x));
    else if (json_is_real(x)) ej_print_double(f->out, json_real_value(x));
    else return false;
    return true;
}

static const json_t *argument(const json_t *node, size_t i)
{
    return json_array_get(json_object_get(node, "args"), i);
}

static bool infix(importer *f, const json_t *node, const char *sign)
{
    bool ok = operand(f, argument(node, 0));
    ej_print(f->out, " %s ", sign);
    return ok && operand(f, argument(node, 1));
}

static bool call(importer *f, const json_t *node, const char *function)
{
    ej_print(f->out, "%s(", function);
    bool ok = operand(f, argument(node, 0));
    ej_print(f->out, ")");
    return ok;
}

static bool einsum(importer *f, const json_t *node)
{
    bool ok = json_is_string(argument(node, 0));
    ej_print(f->out, "einsum(\"%s\"", ok ? json_string_value(argument(node, 0)) : "");
    for (size_t i = 1; i < json_array_size(json_object_get(node, "args")); i++) {
        ej_print(f->out, ", ");
        ok = operand(f, argument(node, i)) && ok;
    }
    ej_print(f->out, ")");
    return ok;
}

static void numbers(importer *f, const json_t *list, size_t from, const char *open, const char *close)
{
    ej_print(f->out, "%s", open);
    for (size_t i = from; i < json_array_size(list); i++)
        ej_print(f->out, "%s%lld", i > from ? ", " : "", (long long)json_integer_value(json_array_get(list, i)));
    ej_print(f->out, "%s", close);
}

static bool tensordot(importer *f, const json_t *node)
{
    const json_t *dims = json_object_get(json_object_get(node, "kwargs"), "dims");
    ej_print(f->out, "tensordot(");
    bool ok = operand(f, argument(node, 0));
    ej_print(f->out, ", ");
    ok = operand(f, argument(node, 1)) && ok && json_array_size(dims) == 2;
    ej_print(f->out, ", dims=(");
    numbers(f, json_array_get(dims, 0), 0, "[", "], ");
    numbers(f, json_array_get(dims, 1), 0, "[", "]))");
    return ok;
}

static bool permute(importer *f, const json_t *node)
{
    ej_print(f->out, "permute(");
    bool ok = operand(f, argument(node, 0));
    numbers(f, json_object_get(node, "args"), 1, ", (",
            json_array_size(json_object_get(node, "args")) == 2 ? ",))" : "))");
    return ok;
}

static bool divide(importer *f, const json_t *node)
{
    const char *mode = json_string_value(json_object_get(json_object_get(node, "kwargs"), "rounding_mode"));
    if (!mode) return infix(f, node, "/");
    ej_print(f->out, "div(");
    bool ok = operand(f, argument(node, 0));
    ej_print(f->out, ", ");
    ok = operand(f, argument(node, 1)) && ok;
    ej_print(f->out, ", rounding_mode=\"%s\")", mode);
    return ok;
}

/* One item of x[...]: a number, or a slice with its bounds. */
static bool index_item(importer *f, const json_t *item)
{
    const json_t *bounds = json_object_get(item, "slice");
    bool ok = true;
    if (!bounds) return operand(f, item);
    for (size_t b = 0; b < 3; b++) {
        const json_t *bound = json_array_get(bounds, b);
        if (b == 1 || (b == 2 && !json_is_null(bound))) ej_print(f->out, ":");
        if (!json_is_null(bound)) ok = operand(f, bound) && ok;
    }
    return ok;
}

static bool index_tensor(importer *f, const json_t *node)
{
    const json_t *index = argument(node, 1);
    bool ok = operand(f, argument(node, 0)) && json_is_array(index);
    ej_print(f->out, "[");
    for (size_t i = 0; i < json_array_size(index); i++) {
        if (i) ej_print(f->out, ", ");
        ok = index_item(f, json_array_get(index, i)) && ok;
    }
    ej_print(f->out, "]");
    return ok;
}

/* x.shape and x.shape[i]: known here, no line of the program. */
static bool resolve_shape(importer *f, const json_t *node, fx_value *v)
{
    const char *target = json_string_value(json_object_get(node, "target"));
    fx_value *of = find(f, argument(node, 0));
    if (!strcmp(target, "getattr") && of && of->shape && !of->is_shape) {
        v->shape = of->shape;
        v->is_shape = true;
        return true;
    }
    if (strcmp(target, "getitem") || !of || !of->is_shape) return false;
    v->is_number = true;
    v->number = json_integer_value(json_array_get(of->shape, (size_t)json_integer_value(argument(node, 1))));
    return true;
}

static bool expression(importer *f, const json_t *node)
{
    static const struct {
        const char *target, *sign;
    } signs[] = {{"mul", "*"}, {"mul_", "*"}, {"add", "+"}, {"sub", "-"}, {"truediv", "/"}};
    const char *target = json_string_value(json_object_get(node, "target"));
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (!strcmp(target, signs[i].target)) return infix(f, node, signs[i].sign);
    if (!strcmp(target, "einsum")) return einsum(f, node);
    if (!strcmp(target, "tensordot")) return tensordot(f, node);
    if (!strcmp(target, "permute")) return permute(f, node);
    if (!strcmp(target, "div")) return divide(f, node);
    if (!strcmp(target, "getitem")) return index_tensor(f, node);
    bool plain = json_array_size(json_object_get(node, "args")) == 1;
    if (plain && (!strcmp(target, "sum") || !strcmp(target, "relu") || !strcmp(target, "tanh")))
        return call(f, node, target);
    return false;
}

static void placeholder(importer *f, fx_value *v)
{
    v->shape = json_array_get(f->shapes, f->n_placeholders);
    ej_print(f->out, "%sv_%s: f64", f->n_placeholders++ ? ", " : "", v->name);
    numbers(f, v->shape, 0, "[", "]");
}

static bool one_node(importer *f, const json_t *node)
{
    const char *op = json_string_value(json_object_get(node, "op")),
               *target = json_string_value(json_object_get(node, "target"));
    const char *name = json_string_value(json_object_get(node, "name"));
    fx_value v = {.name = name, .stands = name};
    if (!op || !target || !name || f->n == MAX_NODES) return refuse(f, node, "not a node");
    if (!strcmp(op, "placeholder")) {
        placeholder(f, &v);
    } else if (!strcmp(op, "output")) {
        ej_print(f->out, "    return ");
        if (!operand(f, argument(node, 0))) return refuse(f, node, "a result that is no value");
        ej_print(f->out, "\n");
    } else if (!strcmp(target, "clone")) {
        fx_value *of = find(f, argument(node, 0));
        if (!of) return refuse(f, node, "a copy of no value");
        v.stands = of->stands;
    } else if (!resolve_shape(f, node, &v)) {
        ej_print(f->out, "    v_%s = ", name);
        if (!expression(f, node)) return refuse(f, node, "no counterpart of");
        ej_print(f->out, "\n");
        fx_value *changed = find(f, argument(node, 0));
        if (changed && target[strlen(target) - 1] == '_') changed->stands = name;
    }
    f->values[f->n++] = v;
    return true;
}

bool fx_import(ej_text *out, const json_t *nodes, const json_t *shapes, char *why, size_t n_why)
{
    importer f = {.out = out, .shapes = shapes, .why = why, .n_why = n_why};
    size_t i;
    const json_t *node;
    bool in_body = false;
    ej_print(out, "def forward(");
    json_array_foreach (nodes, i, node) {
        const char *op = json_string_value(json_object_get(node, "op"));
        if (!in_body && op && strcmp(op, "placeholder")) {
            ej_print(out, "):\n");
            in_body = true;
        }
        if (!one_node(&f, node)) return false;
    }
    return true;
}

json_t *fx_load(const char *path, json_error_t *error)
{
    size_t n, at = 0;
    char *text = read_whole_file(path, &n), *out = text ? malloc(3 * n + 1) : NULL;
    bool quoted = false, word = false;
    for (size_t i = 0; out && i <= n; i++) {
        if (text[i] == '"' && (!i || text[i - 1] != '\\')) quoted = !quoted;
        bool in_word = !quoted && text[i] && strchr("INafinty", text[i]) && (word || text[i] == 'I' || text[i] == 'N');
        if (in_word != word) out[at++] = '"';
        word = in_word;
        out[at++] = text[i];
    }
    json_t *file = out ? json_loads(out, 0, error) : NULL;
    free(text);
    free(out);
    return file;
}
