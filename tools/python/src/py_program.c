/* py_program.c - Program: an einjit_graph as Python's object.
 *
 * Takes  program text or an equation. Gives  what the library says about it: text, inputs, gradients, what passes make
 * of it.
 */
#include <stdlib.h>
#include <string.h>

#include "py_einjit.h"

PyTypeObject *py_program_type;

static PyObject *wrap_graph(einjit_graph *graph)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(py_program_type, Py_tp_alloc);
    py_program *made = (py_program *)allocate(py_program_type, 0);
    if (made) made->graph = graph;
    else einjit_graph_destroy(graph);
    return (PyObject *)made;
}

static void program_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    einjit_graph_destroy(((py_program *)self)->graph);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *words)
{
    static char *names[] = {"text", "equation", NULL};
    const char *text = NULL, *equation = NULL;
    Py_ssize_t length = 0;
    einjit_graph *graph = NULL;
    einjit_error err;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, words, "|z#z:Program", names, &text, &length, &equation)) return NULL;
    if (!text == !equation) return py_fail(EINJIT_E_INVALID, "a program is made from text or from an equation");
    einjit_context *context = py_context();
    if (!context) return NULL;
    int status = text ? einjit_graph_parse(&graph, context, text, (size_t)length, &err)
                      : einjit_graph_from_equation(&graph, context, equation, &err);
    return status ? py_raise(&err) : wrap_graph(graph);
}

static int print_graph(void *user, char *buffer, size_t capacity, size_t *needed, einjit_error *err)
{
    return einjit_graph_print(user, buffer, capacity, needed, err);
}

static PyObject *program_str(PyObject *self)
{
    return py_text(print_graph, ((py_program *)self)->graph);
}

/* (name, dtype or None, shape or None); an extent is a number, a name, or None. */
static PyObject *describe_input(const einjit_graph *graph, size_t i)
{
    int dtype, rank;
    int64_t shape[PY_RANK_MAX];
    const char *symbols[PY_RANK_MAX];
    einjit_error err;
    if (einjit_graph_input_type(graph, i, &dtype, &rank, shape, symbols, PY_RANK_MAX, &err)) return py_raise(&err);
    if (rank > PY_RANK_MAX) return py_fail(EINJIT_E_LIMIT, "an input of more than %d axes", PY_RANK_MAX);
    PyObject *extents = rank < 0 ? Py_NewRef(Py_None) : PyTuple_New(rank);
    for (int a = 0; a < rank && extents; a++) {
        PyObject *extent = shape[a] >= 0 ? PyLong_FromLongLong(shape[a])
                           : symbols[a]  ? PyUnicode_FromString(symbols[a])
                                         : Py_NewRef(Py_None);
        if (!extent || PyTuple_SetItem(extents, a, extent)) Py_CLEAR(extents);
    }
    return extents ? Py_BuildValue("(szN)", einjit_graph_input_name(graph, i),
                                   dtype < 0 ? NULL : einjit_dtype_name(dtype), extents)
                   : NULL;
}

static PyObject *program_inputs(PyObject *self, void *unused)
{
    const einjit_graph *graph = ((py_program *)self)->graph;
    size_t n = einjit_graph_input_count(graph);
    PyObject *all = PyTuple_New((Py_ssize_t)n);
    (void)unused;
    for (size_t i = 0; i < n && all; i++) {
        PyObject *one = describe_input(graph, i);
        if (!one || PyTuple_SetItem(all, (Py_ssize_t)i, one)) Py_CLEAR(all);
    }
    return all;
}

static PyObject *program_outputs(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(einjit_graph_output_count(((py_program *)self)->graph));
}

/* A graph of its own with the same text. */
static einjit_graph *copy_graph(PyObject *self)
{
    PyObject *text = program_str(self);
    Py_ssize_t length;
    const char *bytes = text ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    einjit_graph *graph = NULL;
    einjit_error err;
    if (bytes && einjit_graph_parse(&graph, py_context(), bytes, (size_t)length, &err)) py_raise(&err);
    Py_XDECREF(text);
    return graph;
}

static PyObject *program_optimized(PyObject *self, PyObject *args)
{
    const char *passes = NULL;
    einjit_error err;
    if (!PyArg_ParseTuple(args, "|z:optimized", &passes)) return NULL;
    einjit_graph *graph = copy_graph(self);
    if (!graph) return NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS status = einjit_optimize(graph, passes, &err);
    Py_END_ALLOW_THREADS if (!status) return wrap_graph(graph);
    einjit_graph_destroy(graph);
    return py_raise(&err);
}

/* ---- gradients ---- */

/* One more input for each result that has axes (or always, where `seeded`), called grad0, grad1, ... */
static int add_seeds(einjit_graph *graph, size_t n, const einjit_value *y, einjit_value *seeds, bool seeded,
                     einjit_error *err)
{
    int64_t shape[PY_RANK_MAX];
    for (int a = 0; a < PY_RANK_MAX; a++) shape[a] = -1;
    for (size_t k = 0; k < n; k++) {
        char name[48];
        int rank = einjit_graph_rank(graph, y[k]);
        seeds[k] = -1;
        if (!rank && !seeded) continue;
        snprintf(name, sizeof name, "grad%zu", k);
        for (unsigned taken = 2; einjit_graph_value(graph, name) >= 0; taken++) /* a gradient's gradient */
            snprintf(name, sizeof name, "grad%zu_%u", k, taken);
        int status = einjit_graph_input(&seeds[k], graph, name, -1, rank < PY_RANK_MAX ? rank : -1,
                                        rank > 0 ? shape : NULL, NULL, err);
        if (status) return status;
    }
    return EINJIT_OK;
}

static int find_inputs(const einjit_graph *graph, PyObject *names, einjit_value *wrt)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(names); i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
        wrt[i] = text ? einjit_graph_value(graph, text) : -1;
        if (wrt[i] >= 0) continue;
        if (!PyErr_Occurred()) py_fail(EINJIT_E_NAME, "the program has no value '%s'", text ? text : "?");
        return -1;
    }
    return 0;
}

static int add_gradients(einjit_graph *graph, PyObject *names, bool seeded)
{
    size_t n_y = einjit_graph_output_count(graph), n = (size_t)PyTuple_Size(names);
    einjit_value *y = calloc(2 * n_y + 2 * n + 1, sizeof *y), *seeds = y + n_y, *wrt = seeds + n_y, *out = wrt + n;
    einjit_error err;
    if (!y) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t k = 0; k < n_y; k++) y[k] = einjit_graph_output_value(graph, k);
    int failed = EINJIT_OK, status = find_inputs(graph, names, wrt);
    if (!status) failed = add_seeds(graph, n_y, y, seeds, seeded, &err);
    if (!status && !failed) failed = einjit_graph_gradient(out, graph, n_y, y, seeds, n, wrt, &err);
    for (size_t i = 0; i < n && !status && !failed; i++) failed = einjit_graph_output(graph, out[i], &err);
    if (failed) {
        py_raise(&err);
        status = -1;
    }
    free(y);
    return status;
}

static PyObject *program_gradient(PyObject *self, PyObject *args, PyObject *words)
{
    static char *names[] = {"wrt", "seeded", NULL};
    PyObject *wrt, *tuple;
    int seeded = 0;
    if (!PyArg_ParseTupleAndKeywords(args, words, "O|p:gradient", names, &wrt, &seeded)) return NULL;
    tuple = PySequence_Tuple(wrt);
    einjit_graph *graph = tuple ? copy_graph(self) : NULL;
    int status = graph ? add_gradients(graph, tuple, seeded) : -1;
    Py_XDECREF(tuple);
    if (!status) return wrap_graph(graph);
    einjit_graph_destroy(graph);
    return NULL;
}

static PyObject *program_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_BuildValue("O(N)", Py_TYPE(self), program_str(self));
}

static PyMethodDef program_methods[] = {
    {"__reduce__", program_reduce, METH_NOARGS, "Pickled as its text."},
    {"optimized", program_optimized, METH_VARARGS,
     "optimized(passes=None)\n--\n\nA new program: after these passes (names with commas), or all."},
    {"gradient", (PyCFunction)(void (*)(void))program_gradient, METH_VARARGS | METH_KEYWORDS,
     "gradient(wrt, seeded=False)\n--\n\nA new program that also gives the gradient of the sum of its results by the "
     "named values. Results with "
     "axes (all of them where seeded) take one more input each, grad0, grad1, ... where these names are free, of their "
     "shape."},
    {NULL, NULL, 0, NULL}};
static PyGetSetDef program_fields[] = {
    {"inputs", program_inputs, NULL,
     "(name, dtype or None, shape or None) of each input; extents are numbers, names or None.", NULL},
    {"n_outputs", program_outputs, NULL, "How many results the program has.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

int py_program_setup(PyObject *module)
{
    PyType_Slot slots[] = {{Py_tp_new, program_new},
                           {Py_tp_dealloc, program_dealloc},
                           {Py_tp_str, program_str},
                           {Py_tp_repr, program_str},
                           {Py_tp_methods, program_methods},
                           {Py_tp_getset, program_fields},
                           {Py_tp_doc, "Program(text=None, equation=None)\n--\n\nA program of einsums: text as in the "
                                       "README's \"The program text\", or "
                                       "one equation. Prints as its text. Raises an EinjitError with line and column."},
                           {0, NULL}};
    PyType_Spec spec = {"einjit.Program", sizeof(py_program), 0, Py_TPFLAGS_DEFAULT, slots};
    py_program_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return py_program_type ? PyModule_AddObjectRef(module, "Program", (PyObject *)py_program_type) : -1;
}
