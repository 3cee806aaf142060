/* cmd_list.c - einjit list: what there is, by name. */
#include <jansson.h>
#include <string.h>

#include "cmd.h"

static const struct {
    const char *name;
    int list;
} lists[] = {{"operators", EINJIT_LIST_OPERATORS},
             {"strategies", EINJIT_LIST_STRATEGIES},
             {"targets", EINJIT_LIST_TARGETS},
             {"passes", EINJIT_LIST_PASSES},
             {"stages", EINJIT_LIST_STAGES}};
enum { N_LISTS = sizeof lists / sizeof *lists };

static void print_list(int list)
{
    const char *name, *text;
    for (size_t i = 0; (name = einjit_list_name(list, i, &text)); i++) puts(name);
}

static void print_json(const char *only)
{
    json_t *doc = json_object();
    for (int l = 0; l < N_LISTS; l++) {
        const char *name, *text;
        if (only && strcmp(only, lists[l].name)) continue;
        json_t *one = json_object();
        for (size_t i = 0; (name = einjit_list_name(lists[l].list, i, &text)); i++)
            json_object_set_new(one, name, json_string(text));
        json_object_set_new(doc, lists[l].name, one);
    }
    json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
}

int cmd_list(int argc, char **argv, const command *self)
{
    cmd_options options;
    int status = cmd_parse(&options, argc, argv, self), which = 0;
    if (status >= 0) return status;
    const char *only = options.n_rest ? options.rest[0] : NULL;
    while (only && which < N_LISTS && strcmp(only, lists[which].name)) which++;
    status = TOOL_OK;
    if (which == N_LISTS) status = tool_usage("there is no list '%s'", only);
    else if (options.json) print_json(only);
    else if (only) print_list(lists[which].list);
    else
        for (int l = 0; l < N_LISTS; l++) puts(lists[l].name);
    cmd_options_free(&options);
    return status;
}
