/* cmd_print.c - einjit print: the program after a stage. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

static int print_graph(const tool_program *program)
{
    einjit_error err = {0};
    size_t needed;
    if (einjit_graph_print(program->graph, NULL, 0, &needed, &err)) return tool_error(&err);
    char *text = tool_alloc(needed + 1);
    int status = einjit_graph_print(program->graph, text, needed + 1, NULL, &err) ? tool_error(&err) : TOOL_OK;
    if (!status) fputs(text, stdout);
    free(text);
    return status;
}

static int print_stage(einjit_context *context, const tool_program *program, const cmd_options *options)
{
    tool_tensor *in = NULL;
    size_t n_in = 0;
    int status = tool_inputs_make(&in, &n_in, program, &options->sizes, options->dtype, false);
    if (!status) {
        einjit_tensor *views = tool_views(in, n_in);
        einjit_compile_options compile = cmd_compile_options(options);
        char *text = tool_explain(context, program, views, n_in, &compile, options->emit);
        if (text) fputs(text, stdout);
        else status = TOOL_FAILED;
        free(text);
        free(views);
    }
    tool_tensors_free(in, n_in);
    return status;
}

static int check_stage(const char *emit)
{
    static const char *const stages[] = {"graph", "opt", "bind", "path", "plan", "nest", "steps", "dot", "ir", "asm", "key"};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (!strcmp(stages[i], emit)) return TOOL_OK;
    return tool_usage("'%s' is no stage: there are graph, opt, bind, path, plan, nest, steps, dot, ir, asm and key", emit);
}

int cmd_print(int argc, char **argv, const command *self)
{
    cmd_options options;
    einjit_context *context = NULL;
    tool_program program = {0};
    einjit_error err = {0};
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    const char *emit = options.emit ? options.emit : "opt";
    status = check_stage(emit);
    if (!status) status = cmd_context(&context, &options);
    if (!status) status = tool_program_load(&program, context, options.rest[0]);
    if (!status) status = tool_names_check(&program, &options.sizes, options.open);
    if (!status && !strcmp(emit, "graph")) {
        status = print_graph(&program);
    } else if (!status && !strcmp(emit, "opt")) {
        if (!options.no_opt && einjit_optimize(program.graph, NULL, &err)) status = tool_error(&err);
        if (!status) status = print_graph(&program);
    } else if (!status) {
        options.emit = emit;
        status = print_stage(context, &program, &options);
    }
    tool_program_free(&program);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
