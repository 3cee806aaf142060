/* api_explain.c - what compiling makes of a graph: any stage's text, and the plan's cost. Nothing is cached or run. */
#include <string.h>

#include "api.h"

static int check_request(ej_request *request, einjit_context *context, const einjit_compile_options *options,
                         einjit_error *err)
{
    EJ_TRY(ej_request_options(request, options, err));
    return ej_request_check(context, request, err);
}

int einjit_explain(einjit_context *context, einjit_graph *graph, size_t n_in, const einjit_tensor *in,
                   const einjit_compile_options *options, const char *stage, char *buffer, size_t capacity,
                   size_t *needed, einjit_error *err)
{
    ej_request request = {.graph = graph, .n_in = n_in, .in = in};
    int which = stage ? ej_stage_by_name(stage, strlen(stage)) : -1;
    if (which < 0 || which == EJ_STAGE_TIME)
        return ej_fail(err, EINJIT_E_VALUE,
                       "'%.80s' is not a stage: there are graph, opt+, opt, stats, bind, path, plan, "
                       "nest, steps, dot, ir, asm and key",
                       stage ? stage : "");
    EJ_TRY(check_request(&request, context, options, err));
    ej_arena arena;
    ej_text text;
    ej_arena_init(&arena, &context->allocator);
    ej_text_init(&text, &arena);
    int status = ej_compile_explain(&text, context, &request, which, err);
    if (status == EINJIT_OK) status = ej_text_hand_over(&text, buffer, capacity, needed, err);
    ej_arena_free(&arena);
    return status;
}

int einjit_plan_cost(einjit_cost *out, einjit_context *context, einjit_graph *graph, size_t n_in,
                     const einjit_tensor *in, const einjit_compile_options *options, einjit_error *err)
{
    ej_request request = {.graph = graph, .n_in = n_in, .in = in};
    einjit_cost cost = {0};
    if (!out) return ej_fail(err, EINJIT_E_INVALID, "no place for the cost given");
    EJ_TRY(check_request(&request, context, options, err));
    EJ_TRY(ej_compile_cost(&cost, context, &request, err));
    return ej_write_struct(out, &cost, sizeof cost, "cost", err);
}
