/* api_support.c - see the header. */
#include "api_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "built_module.h"

bool api_has_llvm(void)
{
    use_built_module();
    return has_code_generator();
}

einjit_context *api_context(const char *backend)
{
    einjit_options options = {.struct_bytes = sizeof options, .backend = backend, .flags = EINJIT_OPTION_VERIFY};
    einjit_context *context = NULL;
    einjit_error err = {0};
    if (einjit_context_create(&context, &options, &err) != EINJIT_OK) fail_msg("%s", err.text);
    return context;
}

void api_fill(float *x, size_t n, int step)
{
    for (size_t i = 0; i < n; i++) x[i] = (float)((int)(i * (size_t)step) % 7 - 3);
}

einjit_graph *api_graph(einjit_context *context, const char *program)
{
    einjit_graph *graph = NULL;
    einjit_error err = {0};
    if (einjit_graph_parse(&graph, context, program, SIZE_MAX, &err) != EINJIT_OK) fail_msg("%s", err.text);
    return graph;
}

int api_set_up_interp(void **state)
{
    *state = api_context("interp");
    return 0;
}

int api_set_up_llvm(void **state)
{
    *state = api_has_llvm() ? api_context("llvm") : NULL;
    return 0;
}

int api_tear_down(void **state)
{
    einjit_context_release(*state);
    return 0;
}
