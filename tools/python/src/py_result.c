/* py_result.c - new arrays of the caller's kind, and einjit.Array for callers that have none.
 *
 * Takes  dtype, shape, and an operand whose kind the result is to have.
 * Gives  numpy.empty's array, what the type's exchange functions allocate, or an Array, which Python's `wrap` hook
 * turns into the caller's kind (jax) once it is filled.
 */
#include <stdlib.h>
#include <string.h>

#include "py_einjit.h"

PyTypeObject *py_numpy_type, *py_array_type;

/* ---- numpy ---- */

static PyObject *numpy_empty, *numpy_dtypes[EINJIT_DTYPE_COUNT], *no_index;
static int8_t numpy_numbers[32];
static int bf16_number = -1; /* NumPy numbers types of others as it meets them */

/* NumPy itself has no bf16: it is ml_dtypes'. */
static bool know_bf16(PyObject *module)
{
    PyObject *type = module ? PyObject_GetAttrString(module, "bfloat16") : NULL;
    PyObject *numpy = type ? PyImport_ImportModule("numpy") : NULL;
    PyObject *dtype = numpy ? PyObject_CallMethod(numpy, "dtype", "O", type) : NULL;
    PyObject *number = dtype ? PyObject_GetAttrString(dtype, "num") : NULL;
    long n = number ? PyLong_AsLong(number) : -1;
    if (n >= 0 && !PyErr_Occurred()) {
        bf16_number = (int)n;
        numpy_dtypes[EINJIT_BF16] = Py_NewRef(dtype);
    }
    Py_XDECREF(number);
    Py_XDECREF(dtype);
    Py_XDECREF(numpy);
    Py_XDECREF(type);
    Py_XDECREF(module);
    return bf16_number >= 0;
}

static bool find_bf16(bool import)
{
    if (bf16_number >= 0) return true;
    PyObject *name = PyUnicode_FromString("ml_dtypes");
    bool found = know_bf16(!name ? NULL : import ? PyImport_Import(name) : PyImport_GetModule(name));
    Py_XDECREF(name);
    PyErr_Clear();
    return found;
}

int py_numpy_dtype(int type_number)
{
    if ((unsigned)type_number < sizeof numpy_numbers) return numpy_numbers[type_number];
    return find_bf16(false) && type_number == bf16_number ? EINJIT_BF16 : -1;
}

static int know_dtype(PyObject *numpy, int dtype)
{
    static const char *const names[EINJIT_DTYPE_COUNT] = {
        [EINJIT_BOOL] = "bool",   [EINJIT_I8] = "int8",       [EINJIT_U8] = "uint8",       [EINJIT_I16] = "int16",
        [EINJIT_I32] = "int32",   [EINJIT_I64] = "int64",     [EINJIT_F16] = "float16",    [EINJIT_F32] = "float32",
        [EINJIT_F64] = "float64", [EINJIT_C64] = "complex64", [EINJIT_C128] = "complex128"};
    if (!names[dtype]) return 0;
    numpy_dtypes[dtype] = PyObject_CallMethod(numpy, "dtype", "s", names[dtype]);
    PyObject *number = numpy_dtypes[dtype] ? PyObject_GetAttrString(numpy_dtypes[dtype], "num") : NULL;
    long n = number ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    if (n < 0 || n >= (long)sizeof numpy_numbers) return -1;
    numpy_numbers[n] = (int8_t)dtype;
    return 0;
}

int py_numpy_setup(PyObject *type)
{
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) return -1;
    memset(numpy_numbers, -1, sizeof numpy_numbers);
    int status = 0;
    for (int dtype = 0; dtype < EINJIT_DTYPE_COUNT && !status; dtype++) status = know_dtype(numpy, dtype);
    if (!status) {
        const int same_size = sizeof(long long) == sizeof(long) ? 9 : 7; /* NPY_LONGLONG, NPY_LONG beside NPY_INT */
        numpy_numbers[same_size] = sizeof(long long) == sizeof(long) ? EINJIT_I64 : EINJIT_I32;
        numpy_empty = PyObject_GetAttrString(numpy, "empty");
        no_index = PyTuple_New(0);
        status = numpy_empty && no_index ? 0 : -1;
    }
    if (!status && py_numpy_layout_holds(numpy)) {
        Py_INCREF(type);
        py_numpy_type = (PyTypeObject *)type;
    }
    Py_DECREF(numpy);
    return status;
}

static PyObject *new_numpy(py_type_of *type, einjit_tensor *out)
{
    if (!type->numpy_args) {
        if (type->dtype == EINJIT_BF16 && !find_bf16(true))
            return py_fail(EINJIT_E_DTYPE, "a result in bf16, which NumPy has with the package ml_dtypes alone");
        PyObject *shape = py_shape(type->rank, type->shape);
        if (!shape) return NULL;
        type->numpy_args = PyTuple_Pack(2, shape, numpy_dtypes[type->dtype]);
        Py_DECREF(shape);
        if (!type->numpy_args) return NULL;
    }
    PyObject *array = PyObject_Call(numpy_empty, type->numpy_args, NULL);
    py_operand made;
    const char *why;
    if (array && py_operand_read(&made, array, &why) == PY_READ) *out = made.tensor;
    else Py_CLEAR(array);
    return array;
}

/* ---- exchange functions ---- */

static void allocation_failed(void *user, const char *kind, const char *message)
{
    (void)user;
    (void)kind;
    PyErr_SetString(PyExc_MemoryError, message);
}

static PyObject *new_exchange(const py_type_of *type, const dl_exchange *exchange, einjit_tensor *out)
{
    static const struct {
        uint8_t code, bits;
    } dtypes[EINJIT_DTYPE_COUNT] = {
        [EINJIT_BOOL] = {DL_BOOL, 8},  [EINJIT_I8] = {DL_INT, 8},       [EINJIT_U8] = {DL_UINT, 8},
        [EINJIT_I16] = {DL_INT, 16},   [EINJIT_I32] = {DL_INT, 32},     [EINJIT_I64] = {DL_INT, 64},
        [EINJIT_F16] = {DL_FLOAT, 16}, [EINJIT_BF16] = {DL_BFLOAT, 16}, [EINJIT_F32] = {DL_FLOAT, 32},
        [EINJIT_F64] = {DL_FLOAT, 64}, [EINJIT_C64] = {DL_COMPLEX, 64}, [EINJIT_C128] = {DL_COMPLEX, 128}};
    dl_tensor wanted = {.device_type = DL_CPU,
                        .rank = type->rank,
                        .code = dtypes[type->dtype].code,
                        .bits = dtypes[type->dtype].bits,
                        .lanes = 1,
                        .shape = type->shape};
    dl_versioned *made = NULL;
    void *object = NULL;
    if (exchange->allocate(&wanted, &made, NULL, allocation_failed)) return NULL;
    *out = (einjit_tensor){(char *)made->tensor.data + made->tensor.byte_offset, type->dtype, type->rank, type->shape,
                           NULL};
    return exchange->to_object(made, &object) ? NULL : object;
}

/* ---- Array ---- */

typedef struct array_object {
    PyObject_HEAD void *data;
    int dtype, rank;
    int64_t *shape, *strides; /* one block, bytes for the buffer protocol */
    char format[3];
} array_object;

static void array_dealloc(PyObject *self)
{
    array_object *a = (array_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    free(a->data);
    free(a->shape);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Row-major and aligned to 64, so that jax takes it without a copy. */
static PyObject *new_array(const py_type_of *type, einjit_tensor *out)
{
    static const char *const formats[EINJIT_DTYPE_COUNT] = {
        [EINJIT_BOOL] = "?", [EINJIT_I8] = "b",   [EINJIT_U8] = "B",   [EINJIT_I16] = "h",
        [EINJIT_I32] = "i",  [EINJIT_I64] = "q",  [EINJIT_F16] = "e",  [EINJIT_F32] = "f",
        [EINJIT_F64] = "d",  [EINJIT_C64] = "Zf", [EINJIT_C128] = "Zd"};
    allocfunc allocate = (allocfunc)PyType_GetSlot(py_array_type, Py_tp_alloc);
    array_object *a = (array_object *)allocate(py_array_type, 0);
    if (!a) return NULL;
    size_t rank = (size_t)type->rank, bytes = einjit_dtype_bytes(type->dtype);
    a->dtype = type->dtype;
    a->rank = type->rank;
    strcpy(a->format, formats[type->dtype] ? formats[type->dtype] : "");
    a->shape = malloc((2 * rank + 1) * sizeof *a->shape);
    bool fits = a->shape;
    for (size_t k = rank; k-- > 0 && fits;) {
        a->shape[k] = type->shape[k];
        a->shape[rank + k] = (int64_t)bytes;
        fits = !__builtin_mul_overflow(bytes, (size_t)type->shape[k], &bytes) && bytes < SIZE_MAX / 4;
    }
    a->strides = fits ? a->shape + rank : NULL;
    a->data = fits ? aligned_alloc(64, bytes / 64 * 64 + 64) : NULL;
    if (!a->data) {
        Py_DECREF(a);
        return PyErr_NoMemory();
    }
    *out = (einjit_tensor){a->data, a->dtype, a->rank, a->shape, NULL};
    return (PyObject *)a;
}

static int array_buffer(PyObject *self, Py_buffer *view, int flags)
{
    array_object *a = (array_object *)self;
    if (!*a->format) {
        PyErr_Format(PyExc_BufferError, "the buffer protocol has no %s: DLPack does", einjit_dtype_name(a->dtype));
        return -1;
    }
    *view = (Py_buffer){.buf = a->data,
                        .itemsize = (Py_ssize_t)einjit_dtype_bytes(a->dtype),
                        .ndim = a->rank,
                        .format = flags & PyBUF_FORMAT ? a->format : NULL,
                        .shape = (Py_ssize_t *)a->shape,
                        .strides = (Py_ssize_t *)a->strides,
                        .obj = self};
    view->len = view->itemsize;
    for (int k = 0; k < a->rank; k++) view->len *= a->shape[k];
    Py_INCREF(self);
    return 0;
}

static void give_back(dl_versioned *t)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject *)t->manager);
    PyGILState_Release(gil);
    free(t);
}

static void give_back_legacy(dl_managed *t)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject *)t->manager);
    PyGILState_Release(gil);
    free(t);
}

static void drop_capsule(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        dl_versioned *t = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        t->deleter(t);
    } else if (PyCapsule_IsValid(capsule, "dltensor")) {
        dl_managed *t = PyCapsule_GetPointer(capsule, "dltensor");
        t->deleter(t);
    }
}

static dl_tensor dlpack_of(const array_object *a, int64_t *strides)
{
    static const uint8_t codes[EINJIT_DTYPE_COUNT] = {DL_BOOL,  DL_INT,     DL_INT,     DL_FLOAT, DL_BFLOAT, DL_FLOAT,
                                                      DL_FLOAT, DL_COMPLEX, DL_COMPLEX, DL_INT,   DL_UINT,   DL_INT};
    int64_t item = (int64_t)einjit_dtype_bytes(a->dtype);
    for (int k = 0; k < a->rank; k++) strides[k] = a->strides[k] / item;
    return (dl_tensor){.data = a->data,
                       .device_type = DL_CPU,
                       .rank = a->rank,
                       .code = codes[a->dtype],
                       .bits = (uint8_t)(8 * item),
                       .lanes = 1,
                       .shape = a->shape,
                       .strides = strides};
}

/* stream, dl_device and copy are accepted and, on a CPU, mean nothing; a copy is not made. */
static PyObject *array_dlpack(PyObject *self, PyObject *args, PyObject *words)
{
    array_object *a = (array_object *)self;
    PyObject *version = words ? PyDict_GetItemString(words, "max_version") : NULL;
    bool versioned = version && PyTuple_Check(version);
    size_t head = versioned ? sizeof(dl_versioned) : sizeof(dl_managed);
    char *block = PyTuple_Size(args) > 1 ? NULL : malloc(head + (size_t)a->rank * sizeof(int64_t));
    if (!block) return PyErr_NoMemory();
    dl_tensor tensor = dlpack_of(a, (int64_t *)(block + head));
    PyObject *capsule;
    if (versioned) {
        dl_versioned *t = (dl_versioned *)block;
        *t = (dl_versioned){{DL_MAJOR, 0}, self, give_back, 0, tensor};
        capsule = PyCapsule_New(t, "dltensor_versioned", drop_capsule);
    } else {
        dl_managed *t = (dl_managed *)block;
        *t = (dl_managed){tensor, self, give_back_legacy};
        capsule = PyCapsule_New(t, "dltensor", drop_capsule);
    }
    if (capsule) Py_INCREF(self);
    else free(block);
    return capsule;
}

static PyObject *array_dlpack_device(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return Py_BuildValue("(ii)", DL_CPU, 0);
}

static PyObject *array_shape(PyObject *self, void *unused)
{
    (void)unused;
    return py_shape(((array_object *)self)->rank, ((array_object *)self)->shape);
}

static PyObject *array_dtype(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(einjit_dtype_name(((array_object *)self)->dtype));
}

static PyMethodDef array_methods[] = {{"__dlpack__", (PyCFunction)(void (*)(void))array_dlpack,
                                       METH_VARARGS | METH_KEYWORDS, "A DLPack capsule that shares this memory."},
                                      {"__dlpack_device__", array_dlpack_device, METH_NOARGS, "(1, 0): the CPU."},
                                      {NULL, NULL, 0, NULL}};
static PyGetSetDef array_fields[] = {{"shape", array_shape, NULL, "Extents, in elements.", NULL},
                                     {"dtype", array_dtype, NULL, "\"f32\", \"c128\", ...", NULL},
                                     {NULL, NULL, NULL, NULL, NULL}};

int py_array_setup(PyObject *module)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, array_dealloc},
        {Py_tp_methods, array_methods},
        {Py_tp_getset, array_fields},
        {Py_bf_getbuffer, array_buffer},
        {Py_tp_doc,
         "Memory of a result where the operands were neither NumPy's nor of a library with DLPack: row-major, "
         "aligned to 64 bytes, with the buffer protocol and DLPack."},
        {0, NULL}};
    PyType_Spec spec = {"einjit.Array", sizeof(array_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        slots};
    py_array_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return py_array_type ? PyModule_AddObjectRef(module, "Array", (PyObject *)py_array_type) : -1;
}

/* ---- by kind ---- */

PyObject *py_result_new(py_type_of *type, const py_operand *like, einjit_tensor *out)
{
    switch (like ? like->kind : PY_BUFFER) {
    case PY_NUMPY: return new_numpy(type, out);
    case PY_EXCHANGE: return new_exchange(type, like->exchange, out);
    default: return new_array(type, out);
    }
}

PyObject *py_result_finish(PyObject *result, const py_operand *like)
{
    PyObject *made = NULL;
    if (!result || !like || like->kind == PY_EXCHANGE) return result;
    if (like->kind != PY_NUMPY) {
        made = PyObject_CallFunctionObjArgs(py_hook.wrap, result, like->object, NULL);
    } else { /* NumPy's functions give numbers, not arrays without axes */
        py_operand read;
        const char *why;
        if (py_operand_read(&read, result, &why) != PY_READ || read.tensor.rank) return result;
        made = PyObject_GetItem(result, no_index);
    }
    Py_DECREF(result);
    return made;
}
