/* py_module.c - the module einjit._einjit: errors, the context, and functions that need no object.
 *
 * Takes  Python's hooks, once (setup). Gives  einsum for equations that were met before, path search, lists and
 * figures.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "py_einjit.h"
#include "py_torch.h"

py_hooks py_hook;

/* ---- errors ---- */

static PyObject *error_class(int status)
{
    if (py_hook.errors && status > 0 && status < PyTuple_Size(py_hook.errors))
        return PyTuple_GetItem(py_hook.errors, status);
    return PyExc_RuntimeError;
}

PyObject *py_raise(const einjit_error *err)
{
    if (err->code == EINJIT_E_INTERRUPTED && PyErr_Occurred()) return NULL; /* by Python itself */
    PyObject *text = PyUnicode_DecodeUTF8(err->text, (Py_ssize_t)strlen(err->text), "replace");
    PyObject *source = PyUnicode_DecodeUTF8(err->source, err->line ? (Py_ssize_t)strlen(err->source) : 0, "replace");
    PyObject *before =
        PyUnicode_DecodeUTF8(err->source, err->line ? err->caret : 0, "replace"); /* bytes to characters */
    PyObject *class = error_class(err->code), *made = NULL;
    if (text && source && before)
        made = PyObject_CallFunction(class, "OiiOn", text, (int)err->line, (int)err->column, source,
                                     PyUnicode_GetLength(before));
    if (made) PyErr_SetObject(class, made);
    Py_XDECREF(made);
    Py_XDECREF(text);
    Py_XDECREF(source);
    Py_XDECREF(before);
    return NULL;
}

PyObject *py_fail(int status, const char *format, ...)
{
    einjit_error err = {.code = status};
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    return py_raise(&err);
}

/* ---- the context ---- */

/* One for each number of threads that torch was met with: a program sets few. The last one is used where Python cannot
 * be asked. */
static einjit_context *the_context;
static struct {
    int32_t threads; /* as wanted: 0 is one, or what EINJIT_THREADS says */
    einjit_context *context;
} contexts[16];
static size_t n_contexts;

/* As many as torch uses, where that is loaded: its own do not run while a kernel does. */
static int32_t wanted_threads(void)
{
    static int said = -1;
    if (said < 0) said = getenv("EINJIT_THREADS") != NULL;
    return said ? 0 : py_torch_threads();
}

static unsigned long main_thread; /* the one that Python handles signals on; 0: not known, nothing is asked */
_Thread_local bool py_in_xla;

/* threading's, which knows it whatever thread imported us. */
static unsigned long find_main_thread(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread = threading ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    PyObject *ident = thread ? PyObject_GetAttrString(thread, "ident") : NULL;
    unsigned long found = ident ? PyLong_AsUnsignedLong(ident) : 0;
    Py_XDECREF(ident);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    if (PyErr_Occurred()) found = 0;
    PyErr_Clear();
    return found;
}

/* The library asks every 5 ms; the GIL, for which other threads may let us wait as long again, is asked for every 20.
 * What Python raises here (KeyboardInterrupt above all) stays set and is raised once the library has come to its
 * end. XLA's calls cannot raise it, and its threads must not ask for the GIL: a process that ends waits for them and
 * never gives it to them. */
static int asked(void *user, const char *stage, double done)
{
    static _Thread_local int64_t last;
    struct timespec now;
    (void)user;
    (void)stage;
    (void)done;
    if (py_in_xla || PyThread_get_thread_ident() != main_thread) return 0;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (ms - last < 20) return 0;
    last = ms;
    PyGILState_STATE gil = PyGILState_Ensure();
    int stop = PyErr_CheckSignals();
    PyGILState_Release(gil);
    return stop;
}

/* What LLVM does is not to end Python's process, unless the user wants it there. */
static bool isolates(void)
{
    const char *variable = getenv("EINJIT_ISOLATE");
    return !variable || strcmp(variable, "0") != 0;
}

static einjit_context *make_context(int32_t threads)
{
    einjit_error err;
    einjit_options options = {.struct_bytes = sizeof options,
                              .flags = isolates() ? EINJIT_OPTION_ISOLATE : 0,
                              .progress = asked,
                              .threads = threads};
    einjit_context *made;
    if (!n_contexts) main_thread = find_main_thread();
#ifdef EINJIT_PY_NO_CODEGEN
    if (!getenv("EINJIT_BACKEND") && !getenv("EINJIT_MODULE")) options.backend = "interp";
#endif
    if (!einjit_context_create(&made, &options, &err)) return made;
    py_raise(&err);
    return NULL;
}

einjit_context *py_context(void)
{
    static int32_t last;
    int32_t threads = wanted_threads();
    if (the_context && threads == last) return the_context;
    size_t i = 0, most = sizeof contexts / sizeof *contexts;
    while (i < n_contexts && contexts[i].threads != threads) i++;
    if (i == most) return the_context; /* who changes it so often does without */
    if (i == n_contexts) {
        contexts[i].context = make_context(threads);
        if (!contexts[i].context) return NULL;
        contexts[n_contexts++].threads = threads;
    }
    last = threads;
    return the_context = contexts[i].context;
}

einjit_context *py_known_context(void)
{
    return the_context;
}

/* ---- small helpers ---- */

PyObject *py_text(py_printer print, void *user)
{
    size_t needed = 0;
    einjit_error err;
    int status;
    char *buffer = NULL;
    Py_BEGIN_ALLOW_THREADS status = print(user, NULL, 0, &needed, &err);
    buffer = status ? NULL : malloc(needed + 1);
    if (buffer) status = print(user, buffer, needed + 1, NULL, &err);
    Py_END_ALLOW_THREADS PyObject *text = status   ? py_raise(&err)
                                          : buffer ? PyUnicode_DecodeUTF8(buffer, (Py_ssize_t)needed, "replace")
                                                   : PyErr_NoMemory();
    free(buffer);
    return text;
}

PyObject *py_shape(int rank, const int64_t *shape)
{
    PyObject *tuple = PyTuple_New(rank);
    for (int a = 0; a < rank && tuple; a++) {
        PyObject *extent = PyLong_FromLongLong(shape[a]);
        if (!extent || PyTuple_SetItem(tuple, a, extent)) Py_CLEAR(tuple);
    }
    return tuple;
}

/* ---- functions ---- */

/* An equation that was met before, with operands that are read as they are; all else is Python's. */
static PyObject *module_einsum(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    (void)self;
    PyObject *function =
        n > 1 && PyUnicode_CheckExact(args[0]) ? PyDict_GetItemWithError(py_hook.cache, args[0]) : NULL;
    Py_ssize_t n_names = names ? PyTuple_Size(names) : 0;
    bool plain = !n_names || (n_names == 1 && !PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "out"));
    if (function && plain) {
        bool unreadable = false;
        Py_INCREF(function); /* the cache may be cleared meanwhile */
        PyObject *result = py_function_call(function, args + 1, (size_t)n - 1, names, &unreadable);
        Py_DECREF(function);
        if (result || (!unreadable && !n_names)) return result;
        PyErr_Clear(); /* an output of another dtype, or one that overlaps: NumPy has rules for both */
    }
    if (PyErr_Occurred()) return NULL;
    PyObject *tuple = PyTuple_New(n), *words = PyDict_New(), *result = NULL;
    for (Py_ssize_t i = 0; i < n && tuple; i++) PyTuple_SetItem(tuple, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; i < n_names && words; i++) PyDict_SetItem(words, PyTuple_GetItem(names, i), args[n + i]);
    if (tuple && words) result = PyObject_Call(py_hook.einsum, tuple, words);
    Py_XDECREF(tuple);
    Py_XDECREF(words);
    return result;
}

typedef struct network {
    size_t n, n_labels, n_all;
    int32_t *ranks, *labels, *output;
    int64_t *sizes;
    int32_t *pairs;
    int n_output;
} network;

/* A list of lists of numbers, one after the other. */
static int read_terms(network *w, PyObject *terms)
{
    for (size_t t = 0, at = 0; t < w->n; t++) {
        PyObject *term = PyTuple_GetItem(terms, (Py_ssize_t)t);
        w->ranks[t] = (int32_t)PyTuple_Size(term);
        for (Py_ssize_t a = 0; a < w->ranks[t]; a++) w->labels[at++] = (int32_t)PyLong_AsLong(PyTuple_GetItem(term, a));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* watch(log10_mults, trials, seconds): what is true ends the search with the best path so far. */
static int watched(void *watch, double log10_mults, int64_t trials, double seconds)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *answer = PyObject_CallFunction(watch, "dLd", log10_mults, (long long)trials, seconds);
    int stop = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    PyGILState_Release(gil);
    return stop;
}

static PyObject *path_of(const network *w, const char *strategy, PyObject *watch)
{
    size_t n_steps = 0;
    double mults, largest;
    einjit_error err;
    int status;
    Py_BEGIN_ALLOW_THREADS status = einjit_path_watched(
        the_context, w->n, w->ranks, w->labels, w->n_output, w->output, w->n_labels, w->sizes, strategy, w->pairs,
        2 * w->n, &n_steps, &mults, &largest, watch == Py_None ? NULL : watched, watch, &err);
    Py_END_ALLOW_THREADS if (PyErr_Occurred()) return NULL; /* of `watch` */
    if (status) return py_raise(&err);
    PyObject *steps = PyList_New((Py_ssize_t)n_steps);
    for (size_t i = 0; i < n_steps && steps; i++) {
        PyObject *step = w->pairs[2 * i + 1] < 0
                             ? Py_BuildValue("(i)", (int)w->pairs[2 * i])
                             : Py_BuildValue("(ii)", (int)w->pairs[2 * i], (int)w->pairs[2 * i + 1]);
        if (!step || PyList_SetItem(steps, (Py_ssize_t)i, step)) Py_CLEAR(steps);
    }
    return steps ? Py_BuildValue("(Ndd)", steps, mults, largest) : NULL;
}

static PyObject *module_path(PyObject *self, PyObject *args)
{
    PyObject *terms, *output, *sizes, *watch = Py_None, *result = NULL;
    const char *strategy = NULL;
    network w = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!O!|zO:path", &PyTuple_Type, &terms, &PyTuple_Type, &output, &PyTuple_Type, &sizes,
                          &strategy, &watch))
        return NULL;
    if (!py_context()) return NULL;
    w.n = (size_t)PyTuple_Size(terms);
    w.n_labels = (size_t)PyTuple_Size(sizes);
    w.n_output = (int)PyTuple_Size(output);
    for (size_t t = 0; t < w.n; t++) {
        PyObject *term = PyTuple_GetItem(terms, (Py_ssize_t)t);
        if (!PyTuple_Check(term)) return py_fail(EINJIT_E_INVALID, "a term is a tuple of labels");
        w.n_all += (size_t)PyTuple_Size(term);
    }
    w.ranks = malloc((w.n + 1) * sizeof *w.ranks);
    w.labels = malloc((w.n_all + 1) * sizeof *w.labels);
    w.output = malloc(((size_t)w.n_output + 1) * sizeof *w.output);
    w.sizes = malloc((w.n_labels + 1) * sizeof *w.sizes);
    w.pairs = malloc((4 * w.n + 4) * sizeof *w.pairs);
    if (!w.ranks || !w.labels || !w.output || !w.sizes || !w.pairs) {
        PyErr_NoMemory();
    } else if (!read_terms(&w, terms)) {
        for (int a = 0; a < w.n_output; a++) w.output[a] = (int32_t)PyLong_AsLong(PyTuple_GetItem(output, a));
        for (size_t l = 0; l < w.n_labels; l++) w.sizes[l] = PyLong_AsLongLong(PyTuple_GetItem(sizes, (Py_ssize_t)l));
        if (!PyErr_Occurred()) result = path_of(&w, strategy, watch);
    }
    free(w.ranks);
    free(w.labels);
    free(w.output);
    free(w.sizes);
    free(w.pairs);
    return result;
}

static PyObject *module_statistics(PyObject *self, PyObject *unused)
{
    einjit_statistics s = {.struct_bytes = sizeof s};
    (void)self;
    (void)unused;
    einjit_context *context = py_context();
    if (!context) return NULL;
    einjit_context_statistics(context, &s, NULL);
#define FIGURE(name) #name, (unsigned long long)s.name
    return Py_BuildValue(
        "{sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK}", FIGURE(hits), FIGURE(misses),
        FIGURE(waits), FIGURE(failures), FIGURE(evictions), FIGURE(entries), FIGURE(bytes), FIGURE(limit_bytes),
        FIGURE(compile_ns), FIGURE(failure_bytes), FIGURE(scratch_bytes), FIGURE(scratch_limit_bytes),
        FIGURE(disk_hits), FIGURE(disk_misses), FIGURE(disk_rejected), FIGURE(disk_writes), FIGURE(disk_write_failures),
        FIGURE(disk_evictions), FIGURE(disk_ns), FIGURE(disk_limit_bytes), FIGURE(threads), FIGURE(processes));
#undef FIGURE
}

static PyObject *module_clear_cache(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    for (size_t i = 0; i < n_contexts; i++) einjit_context_clear_cache(contexts[i].context);
    Py_RETURN_NONE;
}

static PyObject *module_pointwise(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    PyObject *all = PyDict_New();
    if (!all) return NULL;
#define EINJIT_FN(name, NAME, arity, rule) \
    { \
        PyObject *n = PyLong_FromLong(arity); \
        if (n) PyDict_SetItemString(all, #name, n); \
        Py_XDECREF(n); \
    }
#include <einjit/ops.def>
#undef EINJIT_FN
    return all;
}

static PyObject *module_reasons(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    PyObject *all = PyTuple_New(EINJIT_STATUS_COUNT);
    for (int s = 0; s < EINJIT_STATUS_COUNT && all; s++) {
        PyObject *one = Py_BuildValue("(ss)", einjit_status_name(s), einjit_status_text(s));
        if (!one || PyTuple_SetItem(all, s, one)) Py_CLEAR(all);
    }
    return all;
}

static PyObject *module_setup(PyObject *self, PyObject *args)
{
    py_hooks h = {0};
    (void)self;
    if (PyInterpreterState_GetID(PyInterpreterState_Get())) { /* of their own GIL none comes here, from 3.12 on */
        PyErr_SetString(PyExc_ImportError, "einjit is for one interpreter of a process, not for subinterpreters");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!OOOOOO!:setup", &PyTuple_Type, &h.errors, &h.coerce, &h.accept, &h.wrap, &h.gradient,
                          &h.einsum, &PyDict_Type, &h.cache))
        return NULL;
    h.requires_grad = PyUnicode_InternFromString("requires_grad");
    h.is_conj = PyUnicode_InternFromString("is_conj");
    h.is_neg = PyUnicode_InternFromString("is_neg");
    if (!h.requires_grad || !h.is_conj || !h.is_neg) return NULL;
    PyObject *held[] = {h.errors, h.coerce, h.accept, h.wrap, h.gradient, h.einsum, h.cache};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) Py_INCREF(held[i]);
    py_hook = h;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"einsum", (PyCFunction)(void (*)(void))module_einsum, METH_FASTCALL | METH_KEYWORDS,
     "einsum(*operands, out=None, optimize=None, dtype=None, order='K', casting='safe', memory_limit=None, "
     "use_blas=True, "
     "backend='auto', alpha=1.0, beta=0.0)\n--\n\n"
     "An einsum, in every form of NumPy's, torch's and opt_einsum's: einsum(\"ij,jk->ik\", a, b), einsum(a, [0, 1], b, "
     "[1, 2], [0, 2]), "
     "einsum(\"ij,jk\", [a, b]); with ellipsis, diagonals, extents of 1 that broadcast, labels of any script.\n\n"
     "Operands are arrays of NumPy, torch or jax on the CPU, or anything with DLPack or the buffer protocol, of any "
     "strides; they are not "
     "copied. The result is new and row-major, of the first operand's kind and the operands' promoted dtype, or in "
     "`out`, which must not "
     "be read-only. Of operands that require a gradient, the result does, too.\n\n"
     "alpha, beta: `out` becomes alpha * result + beta * what it held; products are added where it lies, without a "
     "temporary.\n\n"
     "optimize: None, True or \"auto\": the library's path; \"optimal\", \"greedy\"; or a path. dtype, casting: "
     "NumPy's. The others are "
     "accepted and mean nothing here.\n\n"
     "Raises classes of einjit.errors: RankError, DimError, BadCharError, ... (ValueErrors), DtypeError (a TypeError). "
     "The first call with "
     "a signature of dtypes, extents and strides compiles, in milliseconds; then a call takes about a microsecond "
     "above the kernel."},
    {"path", module_path, METH_VARARGS,
     "path(terms, output, sizes, strategy=None, watch=None)\n--\n\n(steps in single-assignment ids, log10_mults, "
     "log2_largest). watch(log10_mults, trials, seconds) is called after every trial; true ends the search."},
    {"statistics", module_statistics, METH_NOARGS,
     "statistics()\n--\n\nCounters of the kernel cache, in memory and on disk, since the process began."},
    {"clear_cache", module_clear_cache, METH_NOARGS,
     "clear_cache()\n--\n\nDrop every kernel in memory but those that functions hold; those on disk stay."},
    {"pointwise", module_pointwise, METH_NOARGS,
     "pointwise()\n--\n\nNames of the pointwise functions and how many operands each takes."},
    {"xla_handler", py_xla_handler, METH_NOARGS,
     "xla_handler()\n--\n\nA capsule with the function that jax.ffi.register_ffi_target takes."},
    {"reasons", module_reasons, METH_NOARGS, "reasons()\n--\n\n(name, text) of each status."},
    {"setup", module_setup, METH_VARARGS, "setup(...)\n--\n\nPython's part; called once by the package."},
    {NULL, NULL, 0, NULL}};

PyMODINIT_FUNC PyInit__einjit(void);
PyMODINIT_FUNC PyInit__einjit(void)
{
    static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                            "_einjit",
                                            "Arrays in, libeinjit, arrays out.",
                                            -1,
                                            module_methods,
                                            NULL,
                                            NULL,
                                            NULL,
                                            NULL};
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
#ifdef EINJIT_PY_NO_CODEGEN
    bool codegen = false;
#else
    bool codegen = true;
#endif
    if (py_array_setup(module) || py_program_setup(module) || py_function_setup(module) ||
        PyModule_AddStringConstant(module, "version", einjit_version()) ||
        PyModule_AddIntConstant(module, "codegen", codegen))
        Py_CLEAR(module);
    return module;
}
