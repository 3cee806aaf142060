/* py_call.h - a function object, and the operands of one call of it: what py_function.c and py_inspect.c share. */
#ifndef EJ_PY_CALL_H
#define EJ_PY_CALL_H

#include "py_einjit.h"

enum { KERNELS = 16, SMALL_OPERANDS = 8, SMALL_WORDS = 192 };
typedef struct known_kernel {
    size_t refs; /* the function's, and one for each call that runs it */
    einjit_kernel *kernel;
    einjit_context *context; /* its threads share the kernel's loops */
    int64_t *words;          /* the signature */
    size_t n_words, n_out;
    py_type_of *out;
    bool release_gil;
} known_kernel;

struct py_function {
    PyObject_HEAD py_vectorcall call;
    py_program *program;
    PyObject *constants; /* tuple, per input the constant operand or None */
    PyObject *plans;     /* dict: what autograd.py knows of its gradients */
    char *open, *path, *constant_names;
    double alpha, beta; /* as einjit_compile_options has them, and the limit, too */
    unsigned long long memory_limit;
    int32_t flags;
    size_t n_in, n_call, n_out;
    size_t n_kernels;
    known_kernel *kernels[KERNELS]; /* the last one that was used first */
};

typedef struct call {
    py_function *f;
    size_t n_in, n_out;
    py_operand *in, *out;   /* out: what the caller gave */
    PyObject **kept;        /* what operands had to be made of, n_in + n_out */
    einjit_tensor *tensors; /* inputs, then outputs */
    size_t n_read, n_out_read;
    bool given;             /* out= */
    const py_operand *like; /* of which kind results are */
    py_operand small[SMALL_OPERANDS];
    einjit_tensor small_tensors[SMALL_OPERANDS];
    PyObject *small_kept[SMALL_OPERANDS];
    size_t n_words;
    int64_t *words, small_words[SMALL_WORDS];
} call;

int py_call_begin(call *c, py_function *f);
void py_call_end(call *c);
/* -1: raised, or *unreadable. specs: (dtype, shape) may stand for an array. */
int py_call_inputs(call *c, PyObject *const *args, bool specs, bool *unreadable);

/* ---- py_inspect.c: methods of functions ---- */
PyObject *py_function_text(PyObject *self, PyObject *args);
PyObject *py_function_cost(PyObject *self, PyObject *args);
PyObject *py_function_shapes(PyObject *self, PyObject *args);

#endif
