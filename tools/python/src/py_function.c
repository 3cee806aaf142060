/* py_function.c - Function: a program that is called with arrays.
 *
 * Takes  a Program, options, constant operands; then arrays.
 * Gives  results in new arrays of the first operand's kind, or in `out`.
 * Keeps  the last kernels with the signatures they are for, so that a call with a known one reads the arrays, compares
 * words, and runs: no look-up, no allocation but the result's. Everything else (new signatures, their order, errors) is
 *        libeinjit's.
 */
#include <stdlib.h>
#include <string.h>

#include "py_call.h"
#include "py_torch.h"

PyTypeObject *py_function_type;

/* The GIL is given up for kernels that touch more than this many bytes: giving it up and getting it back takes 60 ns
 * when nobody waits for it, and up to 5 ms when someone does, which for a kernel of 1 us is the wrong trade. */
enum { GIL_BYTES = 16384 };

einjit_compile_options py_function_options(const py_function *f)
{
    return (einjit_compile_options){sizeof(einjit_compile_options),
                                    f->open,
                                    f->path,
                                    f->flags,
                                    f->constant_names,
                                    f->alpha,
                                    f->beta,
                                    f->memory_limit};
}

/* ---- a call's operands ---- */

int py_call_begin(call *c, py_function *f)
{
    size_t n = f->n_in + f->n_out;
    c->f = f, c->n_in = f->n_in, c->n_out = f->n_out;
    c->n_read = c->n_out_read = c->n_words = 0;
    c->given = false, c->like = NULL;
    c->words = c->small_words;
    if (n <= SMALL_OPERANDS) {
        c->in = c->small, c->tensors = c->small_tensors, c->kept = c->small_kept;
    } else {
        c->in = calloc(n, sizeof *c->in);
        c->tensors = calloc(n, sizeof *c->tensors);
        c->kept = calloc(n, sizeof *c->kept);
    }
    c->out = c->in ? c->in + c->n_in : NULL;
    if (c->in && c->tensors && c->kept) return 0;
    PyErr_NoMemory();
    return -1;
}

static void release_inputs(call *c)
{
    for (size_t i = 0; i < c->n_read; i++) {
        py_operand_release(&c->in[i]);
        Py_XDECREF(c->kept[i]);
    }
    c->n_read = 0;
}

void py_call_end(call *c)
{
    release_inputs(c);
    for (size_t i = 0; i < c->n_out_read; i++) py_operand_release(&c->out[i]);
    if (c->words != c->small_words) free(c->words);
    if (c->in == c->small) return;
    free(c->in);
    free(c->tensors);
    free(c->kept);
}

/* f16 beside an integer is f16 to torch, and f64 to the library, whose rules are NumPy's: Python converts. */
static bool mixes_narrow(const call *c)
{
    bool mixed = false, narrow = false;
    for (size_t i = 0; i < c->n_in; i++) {
        int dtype = c->tensors[i].dtype;
        mixed |= dtype != c->tensors[0].dtype;
        narrow |= c->in[i].kind == PY_EXCHANGE && (dtype == EINJIT_F16 || dtype == EINJIT_BF16);
    }
    return mixed && narrow;
}

int py_call_inputs(call *c, PyObject *const *args, bool specs, bool *unreadable)
{
    const char *why = NULL;
    for (size_t i = 0, next = 0; i < c->n_in; i++) {
        PyObject *constant = c->f->constants ? PyTuple_GetItem(c->f->constants, (Py_ssize_t)i) : Py_None;
        PyObject *object = constant != Py_None ? constant : args[next++];
        c->kept[i] = NULL;
        if (unreadable) {
            enum py_read status = py_operand_read(&c->in[i], object, &why);
            *unreadable = status == PY_UNREADABLE;
            if (status != PY_READ) return -1;
        } else if (py_operand_coerce(&c->in[i], object, specs, &c->kept[i])) {
            return -1;
        }
        c->tensors[i] = c->in[i].tensor;
        c->n_read = i + 1;
        if (constant == Py_None && (!c->like || c->like->kind == PY_BUFFER)) c->like = &c->in[i];
    }
    if (!c->like && c->n_in) c->like = &c->in[0];
    if (!unreadable || !mixes_narrow(c)) return 0;
    *unreadable = true;
    return -1;
}

static int read_output(call *c, size_t i, PyObject *object, bool *unreadable)
{
    const char *why = NULL;
    enum py_read status = py_operand_read(&c->out[i], object, &why);
    if (status == PY_FAILED) return -1;
    if (status == PY_UNREADABLE) {
        if (unreadable) *unreadable = true;
        else py_fail(EINJIT_E_INVALID, "output %zu %s", i, why);
        return -1;
    }
    c->n_out_read = i + 1;
    c->tensors[c->n_in + i] = c->out[i].tensor;
    if (!c->out[i].read_only) return 0;
    py_fail(EINJIT_E_INVALID, "output %zu is read-only", i);
    return -1;
}

/* An array for one result, a tuple or list for several. */
static int read_outputs(call *c, PyObject *out, bool *unreadable)
{
    if (!out || out == Py_None) {
        if (c->f->beta == 0) return 0;
        py_fail(EINJIT_E_INVALID, "beta says what is to become of what out= holds, and there is no out=");
        return -1;
    }
    c->given = true;
    if (c->n_out == 1 && !PyTuple_Check(out) && !PyList_Check(out)) return read_output(c, 0, out, unreadable);
    if (!PyTuple_Check(out) && !PyList_Check(out)) {
        PyErr_SetString(PyExc_TypeError, "outputs are a tuple of arrays");
        return -1;
    }
    PyObject *tuple = PySequence_Tuple(out);
    if (!tuple) return -1;
    int status = PyTuple_Size(tuple) == (Py_ssize_t)c->n_out ? 0 : -1;
    if (status)
        py_fail(EINJIT_E_OPERAND_COUNT, "%zd outputs given, the program has %zu", PyTuple_Size(tuple), c->n_out);
    for (size_t i = 0; i < c->n_out && !status; i++)
        status = read_output(c, i, PyTuple_GetItem(tuple, (Py_ssize_t)i), unreadable);
    Py_DECREF(tuple); /* `out` holds its items */
    return status;
}

/* ---- signatures ---- */

static void put_tensor(call *c, const einjit_tensor *t)
{
    bool dense = py_row_major(t);
    c->words[c->n_words++] = t->dtype | (int64_t)t->rank << 8 | (int64_t)dense << 40;
    for (int32_t a = 0; a < t->rank; a++) c->words[c->n_words++] = t->shape[a];
    for (int32_t a = 0; a < t->rank && !dense; a++) c->words[c->n_words++] = t->shape[a] == 1 ? 0 : t->strides[a];
}

/* Inputs; outputs only where one of them is not row-major. */
static int make_signature(call *c)
{
    size_t room = 0;
    bool outputs = false;
    for (size_t i = 0; i < c->n_in + c->n_out_read; i++) room += 1 + 2 * (size_t)c->tensors[i].rank;
    for (size_t i = 0; i < c->n_out_read; i++) outputs |= !py_row_major(&c->out[i].tensor);
    if (room > SMALL_WORDS && !(c->words = malloc(room * sizeof *c->words))) {
        c->words = c->small_words;
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < c->n_in + (outputs ? c->n_out_read : 0); i++) put_tensor(c, &c->tensors[i]);
    return outputs;
}

static void forget(known_kernel *k)
{
    if (--k->refs) return;
    einjit_kernel_release(k->kernel);
    for (size_t i = 0; i < k->n_out && k->out; i++) {
        Py_XDECREF(k->out[i].numpy_args);
        free(k->out[i].shape);
    }
    free(k->out);
    free(k->words);
    free(k);
}

/* With a reference for the call: what it does may run other code of Python's, which may call the same function. */
static known_kernel *to_front(py_function *f, known_kernel *k, size_t n_before)
{
    memmove(&f->kernels[1], &f->kernels[0], n_before * sizeof *f->kernels);
    f->kernels[0] = k;
    k->refs++;
    return k;
}

/* Kernels that are too small to be shared do not ask how many threads there are now. */
static known_kernel *find_known(py_function *f, const call *c)
{
    for (size_t i = 0; i < f->n_kernels; i++) {
        known_kernel *k = f->kernels[i];
        if (k->n_words == c->n_words && !memcmp(k->words, c->words, c->n_words * sizeof *c->words) &&
            (!k->release_gil || k->context == py_context()))
            return to_front(f, k, i);
    }
    return NULL;
}

static int know_result(py_type_of *out, const einjit_shapes *shapes, size_t i, size_t *bytes, einjit_error *err)
{
    const int64_t *shape;
    int status = einjit_shapes_output(shapes, i, &out->dtype, &out->rank, &shape, err);
    if (status) return status;
    out->shape = malloc(((size_t)out->rank + 1) * sizeof *out->shape);
    if (!out->shape) return EINJIT_E_NOMEM;
    size_t n = einjit_dtype_bytes(out->dtype);
    for (int a = 0; a < out->rank; a++) n *= (size_t)(out->shape[a] = shape[a]);
    *bytes += n;
    return EINJIT_OK;
}

/* Without the GIL. */
static int compile(known_kernel *k, const call *c, bool outputs, einjit_error *err)
{
    py_function *f = c->f;
    einjit_shapes *shapes = NULL;
    size_t bytes = 0;
    einjit_compile_options options = py_function_options(f);
    int status = einjit_shapes_infer(&shapes, f->program->graph, c->n_in, c->tensors, err);
    if (status) return status;
    for (size_t i = 0; i < c->n_out && !status; i++) status = know_result(&k->out[i], shapes, i, &bytes, err);
    einjit_shapes_destroy(shapes);
    if (!status)
        status = einjit_compile(&k->kernel, k->context, f->program->graph, c->n_in, c->tensors, outputs ? c->n_out : 0,
                                c->tensors + c->n_in, &options, err);
    if (status) return status;
    for (size_t i = 0; i < c->n_in; i++) {
        size_t n = einjit_dtype_bytes(c->tensors[i].dtype);
        for (int32_t a = 0; a < c->tensors[i].rank; a++) n *= (size_t)c->tensors[i].shape[a];
        bytes += n;
    }
    /* With open extents the sizes are not asked for: such kernels are for many. */
    size_t scratch = einjit_kernel_open_count(k->kernel) ? GIL_BYTES : einjit_kernel_scratch_bytes(k->kernel, NULL);
    k->release_gil = bytes + scratch >= GIL_BYTES || !einjit_kernel_entry(k->kernel);
    return EINJIT_OK;
}

static known_kernel *learn(call *c, bool outputs)
{
    py_function *f = c->f;
    known_kernel *k = calloc(1, sizeof *k);
    einjit_error err = {.code = EINJIT_E_NOMEM};
    int status = EINJIT_E_NOMEM;
    if (k) {
        *k = (known_kernel){.refs = 1, .context = py_context(), .n_words = c->n_words, .n_out = c->n_out};
        if (!k->context) {
            forget(k);
            return NULL;
        }
        k->words = malloc((c->n_words + 1) * sizeof *k->words);
        k->out = calloc(c->n_out + 1, sizeof *k->out);
    }
    if (k && k->words && k->out) {
        memcpy(k->words, c->words, c->n_words * sizeof *k->words);
        PyThreadState *state = PyEval_SaveThread();
        status = compile(k, c, outputs, &err);
        PyEval_RestoreThread(state);
    }
    if (status) {
        if (k) forget(k);
        return status == EINJIT_E_NOMEM ? (void *)PyErr_NoMemory() : (void *)py_raise(&err);
    }
    if (f->n_kernels == KERNELS) forget(f->kernels[--f->n_kernels]);
    return to_front(f, k, f->n_kernels++);
}

/* ---- running ---- */

static int run(const call *c, const known_kernel *k)
{
    einjit_kernel *kernel = k->kernel;
    einjit_error err;
    int status;
    if (k->release_gil) {
        PyThreadState *state = PyEval_SaveThread();
        status = einjit_run(kernel, c->n_in, c->tensors, c->n_out, c->tensors + c->n_in, &err);
        PyEval_RestoreThread(state);
    } else {
        status = einjit_run(kernel, c->n_in, c->tensors, c->n_out, c->tensors + c->n_in, &err);
    }
    if (!status) return 0;
    py_raise(&err);
    return -1;
}

static PyObject *run_into_new(call *c, known_kernel *k)
{
    PyObject *one = NULL, *all = c->n_out == 1 ? NULL : PyTuple_New((Py_ssize_t)c->n_out);
    if (c->n_out != 1 && !all) return NULL;
    for (size_t i = 0; i < c->n_out; i++) {
        one = py_result_new(&k->out[i], c->like, &c->tensors[c->n_in + i]);
        if (!one) goto failed;
        if (all) PyTuple_SetItem(all, (Py_ssize_t)i, one);
    }
    if (run(c, k)) goto failed;
    if (!all) return py_result_finish(one, c->like);
    PyObject *finished = PyTuple_New((Py_ssize_t)c->n_out);
    for (size_t i = 0; i < c->n_out && finished; i++) {
        one = py_result_finish(Py_NewRef(PyTuple_GetItem(all, (Py_ssize_t)i)), c->like);
        if (!one || PyTuple_SetItem(finished, (Py_ssize_t)i, one)) Py_CLEAR(finished);
    }
    Py_DECREF(all);
    return finished;
failed:
    if (!all) Py_XDECREF(one);
    Py_XDECREF(all);
    return NULL;
}

/* Whose affair a call is. */
enum concern {
    NOBODYS,
    BACKWARD, /* autograd's: an operand requires a gradient, and that is all there is to it */
    ANYBODYS  /* forward derivatives, who records calls, operands without memory: Python finds out */
};

static PyObject *differentiate(const call *c, PyObject *const *args, PyObject *out, enum concern concern)
{
    size_t n = c->f->n_call;
    PyObject *operands = PyTuple_New((Py_ssize_t)n), *result = NULL;
    for (size_t i = 0; i < n && operands; i++) PyTuple_SetItem(operands, (Py_ssize_t)i, Py_NewRef(args[i]));
    if (operands)
        result = PyObject_CallFunctionObjArgs(py_hook.gradient, (PyObject *)c->f, operands, out ? out : Py_None,
                                              concern == BACKWARD ? Py_True : Py_False, NULL);
    Py_XDECREF(operands);
    return result;
}

/* Reads the operands. *result: what torch's autograd makes of them, where they are more than their memory: of tensors
 * that functorch wraps there is none to read. False: raised, or *result, or *unreadable. */
static bool read_operands(call *c, PyObject *const *args, PyObject *out, bool *unreadable, PyObject **result)
{
    bool strange = false;
    *result = NULL;
    if (!py_call_inputs(c, args, false, &strange)) return true;
    if (!strange) return false;
    if (unreadable) {
        *unreadable = true;
        return false;
    }
    *result = differentiate(c, args, out, ANYBODYS);
    if (*result != Py_NotImplemented) return false;
    Py_CLEAR(*result);
    release_inputs(c);
    c->like = NULL;
    return !py_call_inputs(c, args, false, NULL);
}

static bool of_torch(const call *c)
{
    for (size_t i = 0; i < c->n_in; i++)
        if (c->in[i].kind == PY_EXCHANGE) return true;
    return false;
}

static enum concern concern_of(const call *c)
{
    size_t n = c->n_in + c->n_out_read, i = 0; /* `out` lies behind `in` */
    if (!of_torch(c)) return NOBODYS;
    if (py_torch_has_modes()) return ANYBODYS;
    while (i < n && !py_autograd_may_know(&c->in[i])) i++;
    if (i < n && py_torch_goes_forward()) return ANYBODYS;
    while (i < n && !py_needs_gradient(&c->in[i])) i++;
    if (i == n || !py_torch_has_grad()) return NOBODYS;
    for (i = 0; i < c->n_in; i++) /* autograd takes nothing else than tensors */
        if (!py_is_torchs(&c->in[i])) return ANYBODYS;
    return BACKWARD;
}

/* After a failure: where functorch transforms a function, what torch makes for results may have no memory. */
static PyObject *transform(const call *c, PyObject *const *args, PyObject *out)
{
    PyObject *type, *value, *trace, *result;
    PyErr_Fetch(&type, &value, &trace);
    result = differentiate(c, args, out, ANYBODYS);
    if (result == Py_NotImplemented) { /* nothing is transformed */
        Py_CLEAR(result);
        PyErr_Restore(type, value, trace);
        return NULL;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return result;
}

static PyObject *call_run(call *c, PyObject *const *args, PyObject *out, bool *unreadable)
{
    PyObject *result;
    if (!read_operands(c, args, out, unreadable, &result)) return result;
    if (read_outputs(c, out, unreadable)) return NULL;
    int outputs = make_signature(c);
    if (outputs < 0) return NULL;
    enum concern concern = concern_of(c);
    if (concern) {
        result = differentiate(c, args, out, concern);
        if (result != Py_NotImplemented) return result;
        Py_DECREF(result); /* autograd is off */
    }
    known_kernel *k = find_known(c->f, c);
    if (!k && !(k = learn(c, outputs))) return NULL;
    result = !c->given ? run_into_new(c, k) : run(c, k) ? NULL : Py_NewRef(out);
    forget(k);
    return result || !of_torch(c) ? result : transform(c, args, out);
}

static PyObject *find_out(PyObject *const *args, size_t n, PyObject *names, bool *known)
{
    *known = true;
    if (!names || !PyTuple_Size(names)) return NULL;
    *known = PyTuple_Size(names) == 1 && !PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "out");
    return *known ? args[n] : NULL;
}

PyObject *py_function_call(PyObject *self, PyObject *const *args, size_t n, PyObject *names, bool *unreadable)
{
    py_function *f = (py_function *)self;
    call c;
    bool known;
    PyObject *out = find_out(args, n, names, &known), *result = NULL;
    if (!known) {
        PyErr_SetString(PyExc_TypeError, "a function of einjit takes arrays and out=");
        return NULL;
    }
    if (n != f->n_call && unreadable) { /* a list of operands, perhaps */
        *unreadable = true;
        return NULL;
    }
    if (n != f->n_call)
        return py_fail(n ? EINJIT_E_OPERAND_COUNT : EINJIT_E_NO_OPERANDS, "%zu operands given, the program has %zu", n,
                       f->n_call);
    if (!py_call_begin(&c, f)) result = call_run(&c, args, out, unreadable);
    py_call_end(&c);
    return result;
}

static PyObject *function_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    return py_function_call(self, args, nargsf & ~PY_VECTORCALL_ARGUMENTS_OFFSET, names, NULL);
}

static PyObject *function_repr(PyObject *self)
{
    return PyObject_Str((PyObject *)((py_function *)self)->program);
}

/* ---- the object ---- */

/* dict of names -> operands by input; and their names for the library. */
static int set_constants(py_function *f, PyObject *constants)
{
    if (!constants || constants == Py_None || !PyDict_Size(constants)) return 0;
    f->constants = PyTuple_New((Py_ssize_t)f->n_in);
    char *names = calloc(1, 1);
    Py_ssize_t found = 0;
    for (size_t i = 0; i < f->n_in && f->constants && names; i++) {
        const char *name = einjit_graph_input_name(f->program->graph, i);
        PyObject *operand = PyDict_GetItemString(constants, name);
        PyTuple_SetItem(f->constants, (Py_ssize_t)i, Py_NewRef(operand ? operand : Py_None));
        if (!operand) continue;
        found++;
        f->n_call--;
        char *longer = realloc(names, strlen(names) + strlen(name) + 2);
        if (!longer) break;
        names = longer;
        if (*names) strcat(names, ",");
        strcat(names, name);
    }
    f->constant_names = names;
    if (!f->constants || !names) return -1;
    if (found == PyDict_Size(constants)) return 0;
    py_fail(EINJIT_E_NAME, "a constant has the name of no input");
    return -1;
}

static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *words)
{
    static char *names[] = {"program", "open", "path", "flags", "constants", "alpha", "beta", "memory_limit", NULL};
    PyObject *program, *constants = NULL, *limit = NULL;
    const char *open = NULL, *path = NULL;
    double alpha = 1, beta = 0;
    int flags = 0;
    if (!PyArg_ParseTupleAndKeywords(args, words, "O!|zziOddO:Function", names, py_program_type, &program, &open, &path,
                                     &flags, &constants, &alpha, &beta, &limit))
        return NULL;
    unsigned long long bytes = limit && limit != Py_None ? PyLong_AsUnsignedLongLong(limit) : 0;
    if (PyErr_Occurred()) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    py_function *f = (py_function *)allocate(type, 0);
    if (!f) return NULL;
    f->call = function_vectorcall;
    f->plans = PyDict_New();
    f->program = (py_program *)Py_NewRef(program);
    f->n_in = f->n_call = einjit_graph_input_count(f->program->graph);
    f->n_out = einjit_graph_output_count(f->program->graph);
    f->open = open && *open ? strdup(open) : NULL;
    f->path = path && *path ? strdup(path) : NULL;
    f->flags = flags;
    f->alpha = alpha, f->beta = beta, f->memory_limit = bytes;
    if (!f->plans) PyErr_NoMemory();
    else if (alpha == 0) py_fail(EINJIT_E_VALUE, "alpha is another number than 0");
    else if (!set_constants(f, constants)) return (PyObject *)f;
    if (!PyErr_Occurred()) PyErr_NoMemory();
    Py_DECREF(f);
    return NULL;
}

static void function_dealloc(PyObject *self)
{
    py_function *f = (py_function *)self;
    PyTypeObject *type = Py_TYPE(self);
    for (size_t i = 0; i < f->n_kernels; i++) forget(f->kernels[i]);
    Py_XDECREF((PyObject *)f->program);
    Py_XDECREF(f->constants);
    Py_XDECREF(f->plans);
    free(f->open);
    free(f->path);
    free(f->constant_names);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Constant operands by name, as function_new takes them; NULL: raised. */
static PyObject *named_constants(const py_function *f)
{
    PyObject *named = PyDict_New();
    for (size_t i = 0; i < f->n_in && f->constants && named; i++) {
        PyObject *operand = PyTuple_GetItem(f->constants, (Py_ssize_t)i);
        const char *name = einjit_graph_input_name(f->program->graph, i);
        if (operand != Py_None && PyDict_SetItemString(named, name, operand)) Py_CLEAR(named);
    }
    return named;
}

static PyObject *function_reduce(PyObject *self, PyObject *unused)
{
    const py_function *f = (py_function *)self;
    (void)unused;
    return Py_BuildValue("O(OzziNddK)", Py_TYPE(self), f->program, f->open, f->path, (int)f->flags, named_constants(f),
                         f->alpha, f->beta, f->memory_limit);
}

static PyMethodDef function_methods[] = {
    {"__reduce__", function_reduce, METH_NOARGS, "Pickled as its program, options and constants."},
    {"text", py_function_text, METH_VARARGS,
     "text(stage, *operands)\n--\n\nWhat compiling makes of the program for these operands, or for (dtype, shape) in "
     "their place: stage is graph, opt, opt+, stats, bind, path, plan, schedule, nest, cost, steps, dot, ir, asm."},
    {"cost", py_function_cost, METH_VARARGS,
     "cost(*operands)\n--\n\nCounted, not measured, for operands or (dtype, shape): naive_operations, "
     "planned_operations, log10_mults, log2_largest, scratch_bytes, steps, bytes_moved, naive_bytes, touched_bytes."},
    {"shapes", py_function_shapes, METH_VARARGS, "shapes(*operands)\n--\n\n(dtype, shape) of each result."},
    {NULL, NULL, 0, NULL}};
static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(py_function, call), READONLY, NULL},
    {"program", T_OBJECT, offsetof(py_function, program), READONLY, "The Program that is run."},
    {"constants", T_OBJECT, offsetof(py_function, constants), READONLY, "Per input its constant operand, or None."},
    {"plans", T_OBJECT, offsetof(py_function, plans), READONLY, "What autograd keeps of the function's gradients."},
    {"flags", T_INT, offsetof(py_function, flags), READONLY, "Options: 1 as written, 4 strict, 8 measured."},
    {"alpha", T_DOUBLE, offsetof(py_function, alpha), READONLY, "What results are multiplied by."},
    {"beta", T_DOUBLE, offsetof(py_function, beta), READONLY, "What outputs held, times this, is added to results."},
    {"memory_limit", T_ULONGLONG, offsetof(py_function, memory_limit), READONLY, "Bytes of scratch, or 0."},
    {"path", T_STRING, offsetof(py_function, path), READONLY, "The path strategy, or None."},
    {"open", T_STRING, offsetof(py_function, open), READONLY, "Extents that stay open."},
    {NULL, 0, 0, 0, NULL}};

int py_function_setup(PyObject *module)
{
    PyType_Slot slots[] = {
        {Py_tp_new, function_new},
        {Py_tp_dealloc, function_dealloc},
        {Py_tp_call, PyVectorcall_Call},
        {Py_tp_methods, function_methods},
        {Py_tp_members, function_members},
        {Py_tp_repr, function_repr},
        {Py_tp_doc,
         "Function(program, open=None, path=None, flags=0, constants=None, alpha=1.0, beta=0.0, "
         "memory_limit=None)\n--\n\nA program, called as f(*operands, out=None): compiled for each dtypes, extents and "
         "strides that it meets; the last 16 are at hand. Kernels that touch 16 KiB or more run without the GIL."},
        {0, NULL}};
    PyType_Spec spec = {"einjit.Function", sizeof(py_function), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
                        slots};
    py_function_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return py_function_type ? PyModule_AddObjectRef(module, "Function", (PyObject *)py_function_type) : -1;
}
