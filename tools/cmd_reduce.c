/* cmd_reduce.c - einjit reduce: files of sums (einjit run --slices) become the result of the whole. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "part.h"

static int add_file(part *all, const char *path)
{
    part one;
    int status = part_load(&one, path);
    if (status) return status;
    if (!*all->computation) {
        *all = one;
        return TOOL_OK;
    }
    if (strcmp(all->computation, one.computation) != 0)
        status = tool_fail("E_VALUE", "%s is of another computation than the files before it", path);
    if (!status) status = part_merge(all, &one, path);
    part_free(&one);
    return status;
}

int cmd_reduce(int argc, char **argv, const command *self)
{
    cmd_options options;
    einjit_context *context = NULL;
    part all = {0};
    tool_tensor result = {0};
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    status = options.n_outputs > 1 ? tool_usage("there is one result, and there are %zu -o", options.n_outputs)
                                   : cmd_context(&context, &options);
    for (int i = 0; i < options.n_rest && !status; i++) status = add_file(&all, options.rest[i]);
    if (!status) status = part_settle(&all, context);
    if (!status) status = part_result(&result, &all, context);
    if (!status) status = cmd_results_save(&options, &result, 1);
    tool_tensor_free(&result);
    part_free(&all);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
