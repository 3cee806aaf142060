/* api_support.h - contexts, graphs and tensors in few words, for tests of the public calls. */
#ifndef TEST_API_SUPPORT_H
#define TEST_API_SUPPORT_H

#include <stdbool.h>

#include "einjit/einjit.h"

/* False where this build has no code generator: tests of the backend "llvm" are skipped there. */
bool api_has_llvm(void);
/* A context, checked. */
einjit_context *api_context(const char *backend);
/* A parsed program, checked. */
einjit_graph *api_graph(einjit_context *context, const char *program);

/* Small whole numbers: every order of their sums gives the same. */
void api_fill(float *x, size_t n, int step);

/* F32(memory, 2, 3): a row-major tensor of shape [2, 3]; strides may be set afterwards. */
#define TENSOR(memory, type, ...) \
    ((einjit_tensor){(memory), (type), (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), \
                     (int64_t[]){__VA_ARGS__}, NULL})
#define F32(memory, ...) TENSOR(memory, EINJIT_F32, __VA_ARGS__)
#define STRIDED(memory, type, shape, strides) ((einjit_tensor){(memory), (type), 2, (shape), (strides)})
#define SCALAR(memory, type) ((einjit_tensor){(memory), (type), 0, NULL, NULL})

/* Rows of a cmocka table that run a test once per backend. */
#define ON_BOTH(test) \
    {#test " (interp)", test, api_set_up_interp, api_tear_down, NULL}, \
    { \
        #test " (llvm)", test, api_set_up_llvm, api_tear_down, NULL \
    }
int api_set_up_interp(void **state); /* *state: a context; NULL: skip */
int api_set_up_llvm(void **state);
int api_tear_down(void **state);
/* The context of the running test; skips it where there is none. */
#define CONTEXT_OR_SKIP(name) \
    einjit_context *name = *state; \
    if (!name) skip()

#endif
