/* py_einjit.h - what the files of the extension share. It computes nothing and knows no equation: arrays in, libeinjit,
 * arrays out.
 *
 * State is the process's (one context, one table of array types), so that a call looks nothing up: the module is of a
 * single phase, which interpreters with a GIL of their own refuse to import. All of it is guarded by the GIL.
 */
#ifndef EJ_PY_EINJIT_H
#define EJ_PY_EINJIT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <stdbool.h>
#include <stdio.h>

#include <einjit/einjit.h>

#include "py_dlpack.h"

/* In the stable ABI since 3.12, with these values in every version before. */
#ifndef PY_VECTORCALL_ARGUMENTS_OFFSET
#define PY_VECTORCALL_ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1))
#endif
#ifndef Py_TPFLAGS_HAVE_VECTORCALL
#define Py_TPFLAGS_HAVE_VECTORCALL (1UL << 11)
#endif
PyAPI_FUNC(PyObject *) PyVectorcall_Call(PyObject *callable, PyObject *tuple, PyObject *words);
typedef PyObject *(*py_vectorcall)(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);

/* ---- py_operand.c: any array as einjit_tensor ---- */

enum py_kind {
    PY_NUMPY,    /* numpy.ndarray itself, read in place */
    PY_EXCHANGE, /* a type with __dlpack_c_exchange_api__: torch */
    PY_CAPSULE,  /* __dlpack__() */
    PY_BUFFER,   /* the buffer protocol */
    PY_SPEC      /* (dtype, shape): no data */
};
enum { PY_RANK_MAX = 64 }; /* NumPy's; torch has the same limit for what it prints, DLPack none */

typedef struct py_operand {
    einjit_tensor tensor;
    PyObject *object; /* borrowed; the caller keeps it */
    enum py_kind kind;
    bool read_only;
    const dl_exchange *exchange;
    const struct known_type *known; /* PY_EXCHANGE: what is kept of its type, or NULL */
    Py_buffer buffer;               /* PY_BUFFER; .obj NULL: nothing to give back */
    dl_managed *managed;            /* PY_CAPSULE, one of these */
    dl_versioned *versioned;
    int64_t shape[PY_RANK_MAX], strides[PY_RANK_MAX]; /* where the array has none in einjit's form */
} py_operand;

enum py_read { PY_READ, PY_FAILED, PY_UNREADABLE }; /* PY_UNREADABLE: no exception is set, *why says what is wrong */
enum py_read py_operand_read(py_operand *out, PyObject *object, const char **why);
/* The same, once more after Python's `coerce` hook; also (dtype, shape) where `specs`. *kept: a new reference or NULL.
 * -1: raised. */
int py_operand_coerce(py_operand *out, PyObject *object, bool specs, PyObject **kept);
void py_operand_release(py_operand *operand);
bool py_row_major(const einjit_tensor *tensor);
/* A tensor of torch that autograd would have to know about. -1: raised. */
int py_needs_gradient(const py_operand *operand);
bool py_is_torchs(const py_operand *operand);         /* a tensor of torch, for certain */
bool py_autograd_may_know(const py_operand *operand); /* false: it neither requires a gradient nor carries one
                                                       * forward */

/* ---- py_result.c: new arrays of the caller's kind ---- */

typedef struct py_type_of { /* of one result */
    int dtype, rank;
    int64_t *shape;
    PyObject *numpy_args; /* (shape, dtype) for numpy.empty, made on first use */
} py_type_of;

/* A new array like `like`, and its tensor (valid while the array lives). */
PyObject *py_result_new(py_type_of *type, const py_operand *like, einjit_tensor *out);
/* What the caller gets: for kinds that can only be made from another array that one. Takes the reference. */
PyObject *py_result_finish(PyObject *result, const py_operand *like);
int py_numpy_setup(PyObject *type);          /* numpy.ndarray. -1: raised */
bool py_numpy_layout_holds(PyObject *numpy); /* py_operand.c reads arrays of this NumPy in place */
int py_numpy_dtype(int type_number);         /* -1: none of ours */
extern PyTypeObject *py_numpy_type, *py_array_type;

/* ---- py_program.c, py_function.c ---- */

typedef struct py_program {
    PyObject_HEAD einjit_graph *graph;
} py_program;
extern PyTypeObject *py_program_type, *py_function_type;
int py_program_setup(PyObject *module);
int py_function_setup(PyObject *module);
int py_array_setup(PyObject *module);
/* Calls a function object. *unreadable (may be NULL: raise): an operand could not be read, no exception is set. */
PyObject *py_function_call(PyObject *self, PyObject *const *args, size_t n, PyObject *names, bool *unreadable);
/* einjit's options of a function. */
typedef struct py_function py_function;
einjit_compile_options py_function_options(const py_function *function);

/* ---- py_xla.c ---- */

PyObject *py_xla_handler(PyObject *self, PyObject *unused);

/* ---- py_module.c ---- */

typedef struct py_hooks { /* Python's part, given once by __init__.py */
    PyObject *errors;     /* tuple of classes by status */
    PyObject *coerce;     /* coerce(object, why) -> an array that can be read, or raises */
    PyObject *accept;     /* accept(type) -> whether arrays of this type have memory of their own */
    PyObject *wrap;       /* wrap(array, like) -> array as the kind of `like` */
    PyObject *gradient;   /* gradient(function, operands, out, plain) -> result */
    PyObject *einsum;     /* einsum(*args, **keywords) in every form */
    PyObject *cache;      /* dict: equation -> Function */
    PyObject *requires_grad, *is_conj, *is_neg; /* interned names */
} py_hooks;
extern py_hooks py_hook;

einjit_context *py_context(void);            /* made on first use; NULL: raised */
extern _Thread_local bool py_in_xla;         /* a call of XLA's: Python is not asked whether to go on */
einjit_context *py_known_context(void);      /* without the GIL: NULL if it was never made */
PyObject *py_raise(const einjit_error *err); /* NULL */
/* The named class of a reason, with a text of ours. NULL */
PyObject *py_fail(int status, const char *format, ...);
/* Text that a library function prints with (buffer, capacity, needed). */
typedef int (*py_printer)(void *user, char *buffer, size_t capacity, size_t *needed, einjit_error *err);
PyObject *py_text(py_printer print, void *user);
PyObject *py_shape(int rank, const int64_t *shape);

#endif
