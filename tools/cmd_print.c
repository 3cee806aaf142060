/* cmd_print.c - einjit print: the program after a stage. Constant inputs hold what einjit-bench fills inputs with. */
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
    int status = tool_inputs_make(&in, &n_in, program, &options->sizes, options->dtype, options->constants != NULL);
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
    size_t length = strlen(emit), word;
    for (const char *at = CMD_STAGES; *at; at += word + strspn(at + word, ", ")) {
        word = strcspn(at, ",");
        if (word == length && !memcmp(at, emit, word)) return TOOL_OK;
    }
    return tool_usage("'%s' is no stage: there are " CMD_STAGES, emit);
}

static int check_options(const cmd_options *options)
{
    if (options->stats && options->emit) return tool_usage("--stats prints the program after opt: not with --emit");
    if (options->stats && options->constants) return tool_usage("--stats reports on the program: not with --constants");
    if (options->stats && options->no_opt) return tool_usage("--stats reports on the passes: not with --no-opt");
    if (options->json && !options->stats) return tool_usage("--json prints what --stats reports: it needs --stats");
    if (options->times && !options->stats)
        return tool_usage("--times belongs to what --stats reports: it needs --stats");
    if (options->passes && options->constants)
        return tool_usage("--passes changes the program alone: not with --constants");
    if (options->passes && options->no_opt) return tool_usage("--passes names what --no-opt leaves out");
    if (options->passes && options->emit && strcmp(options->emit, "opt") && strcmp(options->emit, "opt+"))
        return tool_usage("--passes goes with --emit opt, --emit opt+ and --stats");
    return check_stage(options->emit ? options->emit : "opt");
}

static int print_optimized(const tool_program *program, const cmd_options *options)
{
    einjit_error err = {0};
    if (!options->no_opt && einjit_optimize(program->graph, options->passes, &err)) return tool_error(&err);
    return print_graph(program);
}

static int print(einjit_context *context, const tool_program *program, cmd_options *options)
{
    const char *emit = options->emit ? options->emit : "opt";
    options->emit = emit;
    if (options->stats) return cmd_print_stats(program, options);
    if (!strcmp(emit, "graph")) return print_graph(program);
    if (!strcmp(emit, "opt+") && !options->no_opt && !options->constants) return cmd_print_passes(program, options);
    if (options->constants && !options->no_opt) return print_stage(context, program, options);
    if (!strcmp(emit, "opt") || !strcmp(emit, "opt+")) return print_optimized(program, options);
    return print_stage(context, program, options);
}

int cmd_print(int argc, char **argv, const command *self)
{
    cmd_options options;
    einjit_context *context = NULL;
    tool_program program = {0};
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    status = check_options(&options);
    if (!status) status = cmd_context(&context, &options);
    if (!status) status = tool_program_load(&program, context, options.rest[0], &options.sizes);
    if (!status) status = cmd_add_gradients(&program, options.gradient);
    if (!status) status = tool_names_check(&program, &options.sizes, options.open);
    if (!status) status = print(context, &program, &options);
    tool_program_free(&program);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
