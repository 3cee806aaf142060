/* built_module.h - tests use the code generator that was built with them, and no cache of whoever starts them, also by
 * hand. */
#ifndef TEST_BUILT_MODULE_H
#define TEST_BUILT_MODULE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline void use_built_module(void)
{
    setenv("EINJIT_MODULE", EINJIT_TEST_BUILD "/lib/libeinjit-llvm.so", 0);
    setenv("EINJIT_CACHE_DIR", "none", 0);
}

/* Around a test of what the process that compiles does itself, where EINJIT_ISOLATE=1 is for the whole suite. */
static inline int generate_here(void **state)
{
    const char *isolate = getenv("EINJIT_ISOLATE");
    *state = isolate ? strdup(isolate) : NULL;
    return isolate ? !*state || unsetenv("EINJIT_ISOLATE") : 0;
}

static inline int generate_as_asked(void **state)
{
    int status = *state ? setenv("EINJIT_ISOLATE", *state, 1) : 0;
    free(*state);
    return status;
}

/* There is a code generator: as a module, or linked in. */
static inline bool has_code_generator(void)
{
    return EINJIT_TEST_CODEGEN;
}

#endif
