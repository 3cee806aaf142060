/* built_module.h - tests use the code generator that was built with them, and no cache of whoever starts them, also by
 * hand. */
#ifndef TEST_BUILT_MODULE_H
#define TEST_BUILT_MODULE_H

#include <stdbool.h>
#include <stdlib.h>

static inline void use_built_module(void)
{
    setenv("EINJIT_MODULE", EINJIT_TEST_BUILD "/lib/libeinjit-llvm.so", 0);
    setenv("EINJIT_CACHE_DIR", "none", 0);
}

/* There is a code generator: as a module, or linked in. */
static inline bool has_code_generator(void)
{
    return EINJIT_TEST_CODEGEN;
}

#endif
