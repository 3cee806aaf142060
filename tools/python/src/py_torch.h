/* py_torch.h - what of torch's state a call has to know, asked in some nanoseconds. Nothing where it is not loaded. */
#ifndef EJ_PY_TORCH_H
#define EJ_PY_TORCH_H

#include "py_einjit.h"

bool py_torch_is_tensor(PyTypeObject *type); /* torch.Tensor, or derived from it */
/* Whether autograd keeps anything of a tensor, or it is not known: a gradient, a derivative, who computed it. */
bool py_torch_may_know(PyObject *tensor);
bool py_torch_goes_forward(void); /* tensors may carry derivatives forward */
bool py_torch_has_grad(void);     /* autograd is on, or cannot be asked */
bool py_torch_has_modes(void);    /* who is told of each operator that torch runs: make_fx, fake tensors */
/* As many threads as torch would use now; 0: it cannot say. */
int32_t py_torch_threads(void);

#endif
