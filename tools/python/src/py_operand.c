/* py_operand.c - any array as einjit_tensor, without copying.
 *
 * Takes  an object: numpy.ndarray, a type with DLPack's exchange functions (torch), one with __dlpack__, the buffer
 * protocol, or (dtype, shape) where only shapes count. Gives  its tensor; or why it has none, so that Python may look
 * for another way. Keeps  what the tensor borrows until py_operand_release.
 */
#include <string.h>

#include "py_einjit.h"
#include "py_torch.h"

/* ---- numpy.ndarray ---- */

/* The beginning of PyArrayObject and of PyArray_Descr, the same in NumPy 1 and 2 (macros of its C API compile to reads
 * of these). py_numpy_setup compares what is read here with the buffer protocol before it is relied on. The buffer
 * protocol takes 150 ns an array, this 5. */
typedef struct numpy_array {
    PyObject_HEAD char *data;
    int rank;
    Py_ssize_t *shape, *strides;
    PyObject *base, *descr;
    int flags;
} numpy_array;
typedef struct numpy_descr {
    PyObject_HEAD PyTypeObject *type;
    char kind, letter, byte_order, unused;
    int number;
} numpy_descr;
enum { NUMPY_ROW_MAJOR = 0x1, NUMPY_WRITEABLE = 0x400 };

/* Strides in bytes to strides in elements; false: they are no multiples. */
static bool set_strides(py_operand *out, const Py_ssize_t *strides)
{
    int64_t item = (int64_t)einjit_dtype_bytes(out->tensor.dtype);
    for (int32_t a = 0; a < out->tensor.rank; a++) {
        if (strides[a] % item) return false;
        out->strides[a] = strides[a] / item;
    }
    out->tensor.strides = out->strides;
    return true;
}

static enum py_read read_numpy(py_operand *out, PyObject *object, const char **why)
{
    const numpy_array *array = (const numpy_array *)object;
    const numpy_descr *descr = (const numpy_descr *)array->descr;
    int dtype = py_numpy_dtype(descr->number);
    *why = "has a dtype that einjit does not compute with";
    if (dtype < 0 || descr->byte_order == '>') return PY_UNREADABLE;
    out->kind = PY_NUMPY;
    out->read_only = !(array->flags & NUMPY_WRITEABLE);
    out->tensor = (einjit_tensor){array->data, dtype, array->rank, (const int64_t *)array->shape, NULL};
    *why = "has strides that are no multiples of its elements' size";
    if (array->flags & NUMPY_ROW_MAJOR) return PY_READ;
    return array->rank <= PY_RANK_MAX && set_strides(out, array->strides) ? PY_READ : PY_UNREADABLE;
}

/* ---- DLPack ---- */

static int dlpack_dtype(const dl_tensor *t)
{
    static const struct {
        uint8_t code, bits;
        int8_t dtype;
    } known[] = {{DL_FLOAT, 32, EINJIT_F32}, {DL_FLOAT, 64, EINJIT_F64},   {DL_INT, 64, EINJIT_I64},
                 {DL_INT, 32, EINJIT_I32},   {DL_COMPLEX, 64, EINJIT_C64}, {DL_COMPLEX, 128, EINJIT_C128},
                 {DL_INT, 8, EINJIT_I8},     {DL_UINT, 8, EINJIT_U8},      {DL_INT, 16, EINJIT_I16},
                 {DL_BOOL, 8, EINJIT_BOOL},  {DL_FLOAT, 16, EINJIT_F16},   {DL_BFLOAT, 16, EINJIT_BF16}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == t->code && known[i].bits == t->bits && t->lanes == 1) return known[i].dtype;
    return -1;
}

static enum py_read take_dlpack(py_operand *out, const dl_tensor *t, const char **why)
{
    int dtype = dlpack_dtype(t);
    *why = "is on another device than the CPU";
    if (t->device_type != DL_CPU) return PY_UNREADABLE;
    *why = "has a dtype that einjit does not compute with";
    if (dtype < 0) return PY_UNREADABLE;
    char *data = t->data ? (char *)t->data + t->byte_offset : NULL;
    out->tensor = (einjit_tensor){data, dtype, t->rank, t->shape, t->strides};
    if (py_row_major(&out->tensor)) out->tensor.strides = NULL; /* found out once, here and not again in the library */
    return PY_READ;
}

/* Types with exchange functions, and whether their arrays have memory of their own (hook `accept`). */
typedef struct known_type {
    PyTypeObject *type;
    const dl_exchange *exchange; /* NULL: it has none, or is not accepted */
    bool refused;
    bool torch;
    PyObject *needs;  /* the descriptor behind requires_grad */
    descrgetfunc ask; /* its getter; NULL: it has none, or the type is not kept */
} known_type;
enum { KNOWN_TYPES = 16 };
static known_type known_types[KNOWN_TYPES];
static size_t n_known;

static const dl_exchange *find_exchange(PyTypeObject *type)
{
    PyObject *capsule = PyObject_GetAttrString((PyObject *)type, "__dlpack_c_exchange_api__");
    const dl_exchange *exchange = NULL;
    if (capsule) exchange = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    PyErr_Clear();
    Py_XDECREF(capsule); /* the table is static for as long as the type lives */
    while (exchange && exchange->version.major != DL_MAJOR) exchange = exchange->previous;
    return exchange && exchange->view_object ? exchange : NULL;
}

/* By its getter a tensor is asked in half the time that a look-up by name takes. */
static void find_getter(known_type *known)
{
    known->needs = PyObject_GetAttr((PyObject *)known->type, py_hook.requires_grad);
    if (!known->needs) PyErr_Clear();
    else known->ask = (descrgetfunc)PyType_GetSlot(Py_TYPE(known->needs), Py_tp_descr_get);
}

/* NULL: raised. */
static const known_type *know_type(PyTypeObject *type)
{
    static known_type other; /* once the table is full */
    for (size_t i = 0; i < n_known; i++)
        if (known_types[i].type == type) return &known_types[i];
    known_type made = {.type = type, .exchange = find_exchange(type)};
    PyObject *accepted = PyObject_CallFunctionObjArgs(py_hook.accept, (PyObject *)type, NULL);
    if (!accepted) return NULL;
    made.refused = accepted == Py_False;
    Py_DECREF(accepted);
    find_getter(&made);
    made.torch = py_torch_is_tensor(type);
    if (n_known == KNOWN_TYPES) { /* not before: meanwhile other threads may have run, and been here */
        Py_CLEAR(made.needs);
        made.ask = NULL;
        other = made;
        return &other;
    }
    Py_INCREF((PyObject *)type);
    known_types[n_known] = made;
    return &known_types[n_known++];
}

static bool flag_set(PyObject *object, PyObject *method)
{
    PyObject *answer = PyObject_CallMethodObjArgs(object, method, NULL);
    bool set = answer == Py_True;
    if (!answer) PyErr_Clear();
    Py_XDECREF(answer);
    return set;
}

/* torch keeps conjugation and negation as flags of a view, which DLPack's tensor does not show. Negation comes from
 * x.conj().imag, whose strides are even: an axis along which the stride is odd rules it out without asking. */
static bool is_lazy(PyObject *object, const einjit_tensor *t)
{
    if (t->dtype == EINJIT_C64 || t->dtype == EINJIT_C128)
        return flag_set(object, py_hook.is_conj) || flag_set(object, py_hook.is_neg);
    if (t->dtype != EINJIT_F16 && t->dtype != EINJIT_F32 && t->dtype != EINJIT_F64) return false;
    for (int32_t a = t->rank; a-- > 0;)
        if (t->shape[a] > 1 && (!t->strides || t->strides[a] & 1)) return false;
    return flag_set(object, py_hook.is_neg);
}

static enum py_read read_exchange(py_operand *out, PyObject *object, const known_type *known, const char **why)
{
    dl_tensor view;
    *why = "has no memory that can be read";
    if (known->exchange->view_object(object, &view)) {
        PyErr_Clear();
        return PY_UNREADABLE;
    }
    out->kind = PY_EXCHANGE;
    out->exchange = known->exchange;
    out->known = known->ask ? known : NULL;
    enum py_read status = take_dlpack(out, &view, why);
    *why = status == PY_READ ? "is a lazy conjugate or negative" : *why;
    return status == PY_READ && is_lazy(object, &out->tensor) ? PY_UNREADABLE : status;
}

static PyObject *ask_capsule(PyObject *object)
{
    PyObject *method = PyObject_GetAttrString(object, "__dlpack__"), *capsule = NULL;
    PyObject *none = PyTuple_New(0), *words = Py_BuildValue("{s(ii)}", "max_version", DL_MAJOR, 0);
    if (method && none && words) {
        capsule = PyObject_Call(method, none, words);
        if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) { /* from before 1.0 */
            PyErr_Clear();
            capsule = PyObject_Call(method, none, NULL);
        }
    }
    Py_XDECREF(method);
    Py_XDECREF(none);
    Py_XDECREF(words);
    return capsule;
}

static enum py_read read_capsule(py_operand *out, PyObject *object, const char **why)
{
    PyObject *capsule = ask_capsule(object);
    if (!capsule) return PY_FAILED;
    const dl_tensor *tensor = NULL;
    bool read_only = false, copied = false;
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        out->versioned = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        PyCapsule_SetName(capsule, "used_dltensor_versioned");
        tensor = &out->versioned->tensor;
        read_only = out->versioned->flags & DL_READ_ONLY;
        copied = out->versioned->flags & 2;
    } else if (PyCapsule_IsValid(capsule, "dltensor")) {
        out->managed = PyCapsule_GetPointer(capsule, "dltensor");
        PyCapsule_SetName(capsule, "used_dltensor");
        tensor = &out->managed->tensor;
        read_only = true; /* it cannot say that it is not: jax's arrays never change */
    }
    Py_DECREF(capsule);
    *why = "gave something else than a DLPack capsule";
    if (!tensor) return PY_UNREADABLE;
    out->kind = PY_CAPSULE;
    out->read_only = read_only || copied;
    return take_dlpack(out, tensor, why);
}

/* ---- the buffer protocol ---- */

static int buffer_dtype(const Py_buffer *b)
{
    const char *format = b->format ? b->format : "B";
    if (*format && strchr("@=<", *format)) format++;
    bool complex_pair = format[0] == 'Z' && strlen(format) == 2;
    if (complex_pair) return format[1] == 'f' ? EINJIT_C64 : format[1] == 'd' ? EINJIT_C128 : -1;
    if (strlen(format) != 1) return -1;
    switch (*format) {
    case '?': return EINJIT_BOOL;
    case 'b': return EINJIT_I8;
    case 'B': return EINJIT_U8;
    case 'h': return EINJIT_I16;
    case 'e': return EINJIT_F16;
    case 'f': return EINJIT_F32;
    case 'd': return EINJIT_F64;
    case 'i':
    case 'l':
    case 'q': return b->itemsize == 8 ? EINJIT_I64 : b->itemsize == 4 ? EINJIT_I32 : -1;
    default: return -1;
    }
}

static enum py_read read_buffer(py_operand *out, PyObject *object, const char **why)
{
    if (PyObject_GetBuffer(object, &out->buffer, PyBUF_STRIDES | PyBUF_FORMAT)) {
        out->buffer.obj = NULL;
        return PY_FAILED;
    }
    const Py_buffer *b = &out->buffer;
    int dtype = buffer_dtype(b);
    *why = "has a dtype that einjit does not compute with";
    if (dtype < 0) return PY_UNREADABLE;
    out->kind = PY_BUFFER;
    out->read_only = b->readonly;
    out->tensor = (einjit_tensor){b->buf, dtype, b->ndim, (const int64_t *)b->shape, NULL};
    *why = "has strides that are no multiples of its elements' size";
    return b->ndim <= PY_RANK_MAX && set_strides(out, b->strides) ? PY_READ : PY_UNREADABLE;
}

/* ---- any of them ---- */

static bool has(PyObject *object, const char *name)
{
    PyObject *found = PyObject_GetAttrString(object, name);
    PyErr_Clear();
    Py_XDECREF(found);
    return found != NULL;
}

static bool is_numpy(PyTypeObject *type)
{
    if (py_numpy_type) return false;
    PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__"),
             *name = PyObject_GetAttrString((PyObject *)type, "__name__");
    bool same = module && name && PyUnicode_Check(module) && PyUnicode_Check(name) &&
                !PyUnicode_CompareWithASCIIString(module, "numpy") &&
                !PyUnicode_CompareWithASCIIString(name, "ndarray");
    PyErr_Clear();
    Py_XDECREF(module);
    Py_XDECREF(name);
    return same;
}

static enum py_read read_other(py_operand *out, PyObject *object, const char **why)
{
    PyTypeObject *type = Py_TYPE(object);
    if (PyList_Check(object) || PyTuple_Check(object) || PyFloat_Check(object) || PyLong_Check(object) ||
        PyComplex_Check(object)) {
        *why = "is no array";
        return PY_UNREADABLE;
    }
    const known_type *known = know_type(type);
    if (!known) return PY_FAILED;
    *why = "has no memory of its own";
    if (known->refused) return PY_UNREADABLE;
    if (known->exchange) return read_exchange(out, object, known, why);
    if (is_numpy(type)) {
        if (py_numpy_setup((PyObject *)type)) return PY_FAILED;
        if (type == py_numpy_type) return read_numpy(out, object, why);
    }
    bool dlpack = has(object, "__dlpack__");
    if (PyObject_CheckBuffer(object)) {
        enum py_read status = read_buffer(out, object, why);
        if (status != PY_FAILED || !dlpack || !PyErr_ExceptionMatches(PyExc_BufferError)) return status;
        PyErr_Clear(); /* jax has bf16 for DLPack alone */
    }
    if (dlpack) return read_capsule(out, object, why);
    *why = "is no array: it has neither __dlpack__ nor the buffer protocol";
    return PY_UNREADABLE;
}

enum py_read py_operand_read(py_operand *out, PyObject *object, const char **why)
{
    PyTypeObject *type = Py_TYPE(object);
    out->object = object;
    out->read_only = false;
    out->exchange = NULL;
    out->known = NULL;
    out->buffer.obj = NULL;
    out->managed = NULL;
    out->versioned = NULL;
    if (type == py_numpy_type) return read_numpy(out, object, why);
    for (size_t i = 0; i < n_known; i++)
        if (known_types[i].type == type && known_types[i].exchange && !known_types[i].refused)
            return read_exchange(out, object, &known_types[i], why);
    enum py_read status = read_other(out, object, why);
    if (status != PY_READ) py_operand_release(out);
    return status;
}

void py_operand_release(py_operand *operand)
{
    if (operand->buffer.obj) PyBuffer_Release(&operand->buffer);
    operand->buffer.obj = NULL;
    if (operand->managed && operand->managed->deleter) operand->managed->deleter(operand->managed);
    if (operand->versioned && operand->versioned->deleter) operand->versioned->deleter(operand->versioned);
    operand->managed = NULL;
    operand->versioned = NULL;
}

/* ("f32", (3, 4)). 0: it is no such pair; -1: raised. */
static int read_spec(py_operand *out, PyObject *object)
{
    if (!PyTuple_Check(object) || PyTuple_Size(object) != 2 || !PyUnicode_Check(PyTuple_GetItem(object, 0))) return 0;
    const char *name = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(object, 0), NULL);
    PyObject *shape = PySequence_Tuple(PyTuple_GetItem(object, 1));
    if (!name || !shape) return -1;
    int dtype = einjit_dtype_from_name(name);
    Py_ssize_t rank = PyTuple_Size(shape);
    if (dtype < 0 || rank > PY_RANK_MAX) {
        Py_DECREF(shape);
        py_fail(dtype < 0 ? EINJIT_E_DTYPE : EINJIT_E_LIMIT,
                dtype < 0 ? "there is no dtype '%s'" : "'%s': more than 64 axes", name);
        return -1;
    }
    for (Py_ssize_t a = 0; a < rank; a++) out->shape[a] = PyLong_AsLongLong(PyTuple_GetItem(shape, a));
    Py_DECREF(shape);
    if (PyErr_Occurred()) return -1;
    out->kind = PY_SPEC;
    out->tensor = (einjit_tensor){NULL, dtype, (int32_t)rank, out->shape, NULL};
    return 1;
}

int py_operand_coerce(py_operand *out, PyObject *object, bool specs, PyObject **kept)
{
    const char *why = "";
    *kept = NULL;
    enum py_read status = py_operand_read(out, object, &why);
    if (status == PY_UNREADABLE && specs) {
        int spec = read_spec(out, object);
        if (spec) return spec < 0 ? -1 : 0;
    }
    if (status == PY_UNREADABLE) {
        *kept = PyObject_CallFunction(py_hook.coerce, "Os", object, why);
        if (!*kept) return -1;
        status = py_operand_read(out, *kept, &why);
        if (status == PY_UNREADABLE) py_fail(EINJIT_E_DTYPE, "an operand %s", why);
    }
    if (status == PY_READ) return 0;
    Py_CLEAR(*kept);
    return -1;
}

bool py_is_torchs(const py_operand *operand)
{
    return operand->kind == PY_EXCHANGE && operand->known && operand->known->torch;
}

bool py_autograd_may_know(const py_operand *operand)
{
    if (operand->kind != PY_EXCHANGE) return false;
    return !py_is_torchs(operand) || py_torch_may_know(operand->object);
}

int py_needs_gradient(const py_operand *operand)
{
    if (operand->kind != PY_EXCHANGE) return 0;
    const known_type *known = operand->known;
    PyObject *answer = known ? known->ask(known->needs, operand->object, (PyObject *)known->type)
                             : PyObject_GetAttr(operand->object, py_hook.requires_grad);
    if (!answer) PyErr_Clear();
    Py_XDECREF(answer); /* a bool lives on */
    return answer == Py_True;
}

bool py_row_major(const einjit_tensor *t)
{
    int64_t expected = 1;
    if (!t->strides) return true;
    for (int32_t a = t->rank; a-- > 0;) {
        if (t->shape[a] == 0) return true;
        if (t->shape[a] != 1 && t->strides[a] != expected) {
            for (int32_t b = 0; b < a; b++)
                if (t->shape[b] == 0) return true;
            return false;
        }
        expected *= t->shape[a];
    }
    return true;
}

/* ---- numpy, once ---- */

static bool same_as_buffer(PyObject *array, int number)
{
    Py_buffer b;
    if (PyObject_GetBuffer(array, &b, PyBUF_STRIDES | PyBUF_FORMAT)) return false;
    const numpy_array *a = (const numpy_array *)array;
    const numpy_descr *d = (const numpy_descr *)a->descr;
    bool same = a->data == b.buf && a->rank == b.ndim && !memcmp(a->shape, b.shape, (size_t)b.ndim * sizeof *b.shape) &&
                !memcmp(a->strides, b.strides, (size_t)b.ndim * sizeof *b.strides) && d->number == number &&
                !(a->flags & NUMPY_WRITEABLE) == !!b.readonly && !(a->flags & NUMPY_ROW_MAJOR) && d->byte_order == '=';
    PyBuffer_Release(&b);
    return same;
}

/* Whether NumPy lays its arrays out as above: tried on a transposed one of doubles. */
bool py_numpy_layout_holds(PyObject *numpy)
{
    enum { NUMPY_DOUBLE = 12 };
    PyObject *made = PyObject_CallMethod(numpy, "empty", "((ii)s)", 2, 3, "f8");
    PyObject *turned = made ? PyObject_GetAttrString(made, "T") : NULL;
    bool holds = turned && same_as_buffer(turned, NUMPY_DOUBLE);
    PyErr_Clear();
    Py_XDECREF(made);
    Py_XDECREF(turned);
    return holds;
}
