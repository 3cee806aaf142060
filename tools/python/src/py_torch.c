/* py_torch.c - what of torch's state a call has to know.
 *
 * Takes  torch's functions and variables of Python, once it is loaded.
 * Gives  whether forward derivatives, gradients or modes are on, and the number of threads; whether autograd knows a
 *        tensor.
 * Keeps  the C functions behind torch's builtins, which take a tenth of a call by name; the dicts of variables, which
 *        take a fifth of such a function; and where a tensor points to what autograd keeps of it.
 */
#include <string.h>

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

/* ---- what autograd keeps of a tensor ---- */

/* requires_grad takes torch 30 ns a tensor, as long as all of a kernel. Of most tensors autograd keeps nothing: a
 * pointer of the C++ object is NULL, then. Where it lies is torch's own affair, so that it is looked for: the one word
 * among the object's first that is NULL in tensors that autograd does not know and nowhere else. */
enum { FIRST_WORD = 2, LAST_WORD = 8, MOST_TRIES = 8 };
static size_t implementation_at, kept_at; /* bytes from the object's beginning, and from its C++ object's; 0: not
                                           * known */

static void *pointer_at(const void *base, size_t bytes)
{
    void *found;
    memcpy(&found, (const char *)base + bytes, sizeof found);
    return found;
}

/* Where in the Python object its C++ object's address stands, which Python knows as _cdata. */
static size_t find_implementation(PyObject *tensor)
{
    PyObject *address = PyObject_GetAttrString(tensor, "_cdata"),
             *size = PyObject_GetAttrString((PyObject *)Py_TYPE(tensor), "__basicsize__");
    void *wanted = address ? PyLong_AsVoidPtr(address) : NULL;
    size_t room = size ? PyLong_AsSize_t(size) : 0, at = sizeof(PyObject);
    if (PyErr_Occurred()) room = 0;
    Py_XDECREF(address);
    Py_XDECREF(size);
    while (at + sizeof wanted <= room && pointer_at(tensor, at) != wanted) at += sizeof wanted;
    return at + sizeof wanted <= room ? at : 0;
}

/* Keeps of `words`, a bit for each, those that are NULL in a tensor (or are not). */
static unsigned keep_words(unsigned words, PyObject *tensor, bool null)
{
    size_t at = tensor ? find_implementation(tensor) : 0;
    if (!at || (implementation_at && at != implementation_at)) return 0;
    implementation_at = at;
    const void *implementation = pointer_at(tensor, at);
    for (unsigned k = FIRST_WORD; k <= LAST_WORD; k++)
        if (!pointer_at(implementation, k * sizeof(void *)) != null) words &= ~(1u << k);
    return words;
}

static bool is_zero(PyObject *module, const char *name)
{
    PyObject *answer = module ? PyObject_CallMethod(module, name, NULL) : NULL;
    bool zero = answer && PyLong_Check(answer) && PyLong_AsLong(answer) == 0;
    Py_XDECREF(answer);
    return zero;
}

static PyObject *make_tensor(PyObject *torch, bool requires_grad)
{
    PyObject *empty = PyObject_GetAttrString(torch, "empty"), *args = Py_BuildValue("((ii))", 2, 3);
    PyObject *words = Py_BuildValue("{sssO}", "device", "cpu", "requires_grad", requires_grad ? Py_True : Py_False);
    PyObject *made = empty && args && words ? PyObject_Call(empty, args, words) : NULL;
    Py_XDECREF(empty);
    Py_XDECREF(args);
    Py_XDECREF(words);
    return made;
}

/* From one tensor that requires a gradient and one that does not, and a sum of each. */
static void find_kept(PyObject *torch)
{
    PyObject *plain = make_tensor(torch, false), *leaf = make_tensor(torch, true);
    PyObject *sum = plain ? PyNumber_Add(plain, plain) : NULL, *known = leaf ? PyNumber_Add(leaf, leaf) : NULL;
    unsigned words = (2u << LAST_WORD) - (1u << FIRST_WORD);
    words = keep_words(words, plain, true);
    words = keep_words(words, sum, true);
    words = keep_words(words, leaf, false);
    if (py_torch_has_grad()) words = keep_words(words, known, false);
    size_t at = 0;
    if (words && !(words & (words - 1))) /* one */
        while (words >>= 1) at += sizeof(void *);
    if (at) kept_at = at; /* at once: torch lets other threads run meanwhile, which may be here, too */
    Py_XDECREF(plain);
    Py_XDECREF(leaf);
    Py_XDECREF(sum);
    Py_XDECREF(known);
}

/* Tensors are made for it, of which nobody is told: function modes are off meanwhile, and it waits for dispatch modes
 * to end. */
static void try_to_find_kept(void)
{
    PyObject *torch = loaded("torch"), *inside = torch ? PyObject_GetAttrString(torch, "_C") : NULL;
    PyObject *off =
        is_zero(inside, "_len_torch_dispatch_stack") ? PyObject_CallMethod(inside, "DisableTorchFunction", NULL) : NULL;
    PyObject *entered = off ? PyObject_CallMethod(off, "__enter__", NULL) : NULL;
    if (entered) {
        find_kept(torch);
        PyErr_Clear();
        Py_XDECREF(PyObject_CallMethod(off, "__exit__", "OOO", Py_None, Py_None, Py_None));
    }
    PyErr_Clear();
    Py_XDECREF(entered);
    Py_XDECREF(off);
    Py_XDECREF(inside);
    Py_XDECREF(torch);
}

bool py_torch_may_know(PyObject *tensor)
{
    static int tries;
    if (!kept_at && tries < MOST_TRIES && (found || find())) {
        tries++;
        try_to_find_kept();
    }
    return !kept_at || pointer_at(pointer_at(tensor, implementation_at), kept_at);
}

/* ---- what is on ---- */

bool py_torch_is_tensor(PyTypeObject *type)
{
    PyObject *torch = loaded("torch"), *tensor = torch ? PyObject_GetAttrString(torch, "Tensor") : NULL;
    bool is = tensor && PyType_Check(tensor) && PyType_IsSubtype(type, (PyTypeObject *)tensor);
    PyErr_Clear();
    Py_XDECREF(tensor);
    Py_XDECREF(torch);
    return is;
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
