/* py_torch.c - what of torch's state a call has to know.
 *
 * Takes  torch's functions and variables of Python, once it is loaded. Gives  whether forward derivatives or modes are
 * on, and the number of threads.
 * Keeps  the C functions behind torch's builtins, which take a tenth of a call by name.
 */
#include "py_torch.h"

/* A builtin without arguments. */
typedef struct builtin {
    PyCFunction call;
    PyObject *self;
} builtin;

static builtin modes, threads, grad;
static PyObject *forward_ad, *level, *none; /* dict of torch.autograd.forward_ad, a name in it, and -1 */
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
    PyObject *torch = loaded("torch"), *c = torch ? loaded("torch._C") : NULL;
    PyObject *forward = c ? loaded("torch.autograd.forward_ad") : NULL;
    if (forward) {
        threads = find_builtin(torch, "get_num_threads");
        grad = find_builtin(torch, "is_grad_enabled");
        modes = find_builtin(c, "_len_torch_dispatch_stack");
        level = PyUnicode_InternFromString("_current_level");
        none = PyLong_FromLong(-1);
        forward_ad = level ? Py_XNewRef(PyModule_GetDict(forward)) : NULL;
        PyErr_Clear();
        found = threads.call != NULL;
    }
    Py_XDECREF(torch);
    Py_XDECREF(c);
    Py_XDECREF(forward);
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

bool py_torch_goes_forward(void)
{
    if (!found && !find()) return false;
    PyObject *now = forward_ad ? PyDict_GetItemWithError(forward_ad, level) : NULL;
    return now && now != none;
}

bool py_torch_has_grad(void)
{
    return (!found && !find()) || !grad.call || ask(grad) > 0;
}

bool py_torch_has_modes(void)
{
    return (found || find()) && ask(modes) > 0;
}

int32_t py_torch_threads(void)
{
    if (!found && !find()) return 0;
    long n = ask(threads);
    return n > 0 && n <= 1024 ? (int32_t)n : 0;
}
