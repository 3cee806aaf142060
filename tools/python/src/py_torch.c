/* py_torch.c - what of torch's state a call has to know.
 *
 * Takes  torch's functions and variables of Python, once it is loaded.
 * Gives  whether forward derivatives, gradients or modes are on, and the number of threads.
 * Keeps  the C functions behind torch's builtins, which take a tenth of a call by name; and the dicts of variables,
 *        which take a fifth of such a function.
 */
#include "py_torch.h"

/* A builtin without arguments. */
typedef struct builtin {
    PyCFunction call;
    PyObject *self;
} builtin;

/* A module's variable, and what it holds while nothing is on. */
typedef struct variable {
    PyObject *names, *name, *idle;
} variable;

static builtin threads, grad;
static variable level, dispatch;
static bool found;

static builtin find_builtin(PyObject *module, const char *name)
{
    builtin made = {NULL, NULL};
    PyObject *function = module ? PyObject_GetAttrString(module, name) : NULL;
    if (function && PyCFunction_Check(function) && PyCFunction_GetFlags(function) == METH_NOARGS)
        made = (builtin){PyCFunction_GetFunction(function), PyCFunction_GetSelf(function)};
    PyErr_Clear();
    if (!made.call) Py_XDECREF(function); /* else it lives on */
    return made;
}

/* Takes over `idle`, a constant of Python's. */
static variable find_variable(PyObject *module, const char *name, PyObject *idle)
{
    PyObject *names = module ? PyModule_GetDict(module) : NULL;
    PyErr_Clear();
    return (variable){Py_XNewRef(names), PyUnicode_InternFromString(name), idle};
}

static PyObject *loaded(const char *name)
{
    PyObject *text = PyUnicode_FromString(name), *module = text ? PyImport_GetModule(text) : NULL;
    PyErr_Clear();
    Py_XDECREF(text);
    return module;
}

/* False: torch is not there, or not to its end. */
static bool find(void)
{
    PyObject *torch = loaded("torch");
    PyObject *forward = torch ? loaded("torch.autograd.forward_ad") : NULL;
    PyObject *modes = forward ? loaded("torch.utils._python_dispatch") : NULL;
    if (modes) {
        threads = find_builtin(torch, "get_num_threads");
        grad = find_builtin(torch, "is_grad_enabled");
        level = find_variable(forward, "_current_level", PyLong_FromLong(-1));
        dispatch = find_variable(modes, "_is_in_torch_dispatch_mode", Py_NewRef(Py_False));
        PyErr_Clear();
        found = threads.call != NULL;
    }
    Py_XDECREF(torch);
    Py_XDECREF(forward);
    Py_XDECREF(modes);
    return found;
}

static long ask(builtin b)
{
    PyObject *answer = b.call ? b.call(b.self, NULL) : NULL;
    long n = answer ? PyLong_AsLong(answer) : 0;
    Py_XDECREF(answer);
    if (n < 0 || !answer) PyErr_Clear();
    return n;
}

static bool is_on(const variable *v)
{
    PyObject *now = v->names && v->name ? PyDict_GetItemWithError(v->names, v->name) : NULL;
    return now && now != v->idle;
}

bool py_torch_goes_forward(void)
{
    return (found || find()) && is_on(&level);
}

bool py_torch_has_grad(void)
{
    return (!found && !find()) || !grad.call || ask(grad) > 0;
}

bool py_torch_has_modes(void)
{
    return (found || find()) && is_on(&dispatch);
}

int32_t py_torch_threads(void)
{
    if (!found && !find()) return 0;
    long n = ask(threads);
    return n > 0 && n <= 1024 ? (int32_t)n : 0;
}
