/* py_inspect.c - what compiling makes of a function: its stages as text, what its plan costs, the shapes of its
 * results.
 *
 * Takes  a function, and arrays or (dtype, shape) in their place. Gives  text, figures, shapes. Runs nothing.
 */
#include <stdlib.h>

#include "py_call.h"

typedef struct explaining {
    const call *c;
    const char *stage;
} explaining;

static int print_stage(void *user, char *buffer, size_t capacity, size_t *needed, einjit_error *err)
{
    const explaining *e = user;
    einjit_compile_options options = py_function_options(e->c->f);
    return einjit_explain(py_known_context(), e->c->f->program->graph, e->c->n_in, e->c->tensors, &options, e->stage,
                          buffer, capacity, needed, err);
}

static PyObject *describe_cost(const call *c)
{
    einjit_compile_options options = py_function_options(c->f);
    einjit_cost cost = {.struct_bytes = sizeof cost};
    einjit_error err;
    int status;
    Py_BEGIN_ALLOW_THREADS status =
        einjit_plan_cost(&cost, py_known_context(), c->f->program->graph, c->n_in, c->tensors, &options, &err);
    Py_END_ALLOW_THREADS if (status) return py_raise(&err);
    return Py_BuildValue("{sd sd sd sd sK sK sK sK sK}", "naive_operations", cost.naive_operations,
                         "planned_operations", cost.planned_operations, "log10_mults", cost.log10_mults, "log2_largest",
                         cost.log2_largest, "scratch_bytes", (unsigned long long)cost.scratch_bytes, "steps",
                         (unsigned long long)cost.steps, "bytes_moved", (unsigned long long)cost.bytes_moved,
                         "naive_bytes", (unsigned long long)cost.naive_bytes, "touched_bytes",
                         (unsigned long long)cost.touched_bytes);
}

static PyObject *describe_shapes(const call *c)
{
    einjit_shapes *shapes;
    einjit_error err;
    if (einjit_shapes_infer(&shapes, c->f->program->graph, c->n_in, c->tensors, &err)) return py_raise(&err);
    size_t n = einjit_shapes_output_count(shapes);
    PyObject *all = PyTuple_New((Py_ssize_t)n);
    for (size_t i = 0; i < n && all; i++) {
        int dtype, rank;
        const int64_t *shape;
        PyObject *one = einjit_shapes_output(shapes, i, &dtype, &rank, &shape, &err)
                            ? py_raise(&err)
                            : Py_BuildValue("(sN)", einjit_dtype_name(dtype), py_shape(rank, shape));
        if (!one || PyTuple_SetItem(all, (Py_ssize_t)i, one)) Py_CLEAR(all);
    }
    einjit_shapes_destroy(shapes);
    return all;
}

/* What is asked of operands or of their (dtype, shape); stage NULL: the cost, "": the shapes. */
static PyObject *inspect(PyObject *self, PyObject *operands, const char *stage)
{
    py_function *f = (py_function *)self;
    size_t n = (size_t)PyTuple_Size(operands);
    PyObject **args = calloc(n + 1, sizeof *args), *result = NULL;
    call c;
    if (!args) return PyErr_NoMemory();
    for (size_t i = 0; i < n; i++) args[i] = PyTuple_GetItem(operands, (Py_ssize_t)i);
    if (n != f->n_call) py_fail(EINJIT_E_OPERAND_COUNT, "%zu operands given, the program has %zu", n, f->n_call);
    else if (py_context()) {
        if (!py_call_begin(&c, f) && !py_call_inputs(&c, args, true, NULL))
            result = !stage    ? describe_cost(&c)
                     : !*stage ? describe_shapes(&c)
                               : py_text(print_stage, &(explaining){&c, stage});
        py_call_end(&c);
    }
    free(args);
    return result;
}

PyObject *py_function_text(PyObject *self, PyObject *args)
{
    PyObject *stage = PyTuple_Size(args) ? PyTuple_GetItem(args, 0) : NULL;
    const char *name = stage && PyUnicode_Check(stage) ? PyUnicode_AsUTF8AndSize(stage, NULL) : NULL;
    if (!name || !*name)
        return py_fail(EINJIT_E_VALUE, "the first argument is a stage: \"opt\", \"plan\", \"asm\", ...");
    PyObject *operands = PyTuple_GetSlice(args, 1, PyTuple_Size(args)),
             *result = operands ? inspect(self, operands, name) : NULL;
    Py_XDECREF(operands);
    return result;
}

PyObject *py_function_cost(PyObject *self, PyObject *args)
{
    return inspect(self, args, NULL);
}

PyObject *py_function_shapes(PyObject *self, PyObject *args)
{
    return inspect(self, args, "");
}
