/* cmd.c - the options that the subcommands share. */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>

static const struct option longs[] = {
    {"sizes", required_argument, NULL, 's'},    {"output", required_argument, NULL, 'o'},
    {"dtype", required_argument, NULL, 'd'},    {"open", required_argument, NULL, 'O'},
    {"backend", required_argument, NULL, 'b'},  {"target", required_argument, NULL, 'T'},
    {"strategy", required_argument, NULL, 'S'}, {"emit", required_argument, NULL, 'e'},
    {"dot", required_argument, NULL, 'D'},      {"threads", required_argument, NULL, 't'},
    {"no-opt", no_argument, NULL, 'n'},         {"json", no_argument, NULL, 'j'},
    {"minimize", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},        {NULL, 0, NULL, 0},
};

static void help(const command *self)
{
    printf("usage: einjit %s %s\n\n%s.\n\n"
           "  -s, --sizes z=1000,i=4   extents by name\n"
           "      --dtype f32          of inputs that do not say (f32 f64 c64 c128 i32 i64 bool)\n"
           "      --open z,edges       extents that stay open: one kernel for all their values\n"
           "      --strategy S         path search: auto, optimal, greedy\n"
           "      --threads N          threads to use\n"
           "      --backend B          llvm or interp\n"
           "      --target T           a row of the target table: avx512, avx2, sse2\n"
           "      --no-opt             compile the program as written\n"
           "      --emit STAGE         print: graph, opt, bind, path, plan, nest, ir, asm, key\n"
           "  -o, --output OUT.npy     run: where results go, one a result\n"
           "      --dot FILE           explain: the steps as a graph for Graphviz\n"
           "      --json               one JSON document on stdout\n",
           self->name, self->usage, self->help);
}

static int take(cmd_options *o, int option)
{
    char *end;
    switch (option) {
    case 's': return tool_sizes_add(&o->sizes, optarg);
    case 'o': o->outputs[o->n_outputs++] = optarg; return TOOL_OK;
    case 'd':
        o->dtype = einjit_dtype_from_name(optarg);
        return o->dtype < 0 ? tool_usage("there is no dtype '%s'", optarg) : TOOL_OK;
    case 'O': o->open = optarg; return TOOL_OK;
    case 'b': o->backend = optarg; return TOOL_OK;
    case 'T': o->target = optarg; return TOOL_OK;
    case 'S': o->path = optarg; return TOOL_OK;
    case 'e': o->emit = optarg; return TOOL_OK;
    case 'D': o->dot = optarg; return TOOL_OK;
    case 'm': o->minimize = optarg; return TOOL_OK;
    case 'n': o->no_opt = true; return TOOL_OK;
    case 'j': o->json = true; return TOOL_OK;
    case 't':
        o->threads = (int)strtol(optarg, &end, 10);
        return *end || o->threads < 1 ? tool_usage("--threads takes a number from 1 on, not '%s'", optarg) : TOOL_OK;
    default: return tool_usage("an option that is not known or has no value");
    }
}

int cmd_parse(cmd_options *o, int argc, char **argv, const command *self)
{
    *o = (cmd_options){.dtype = EINJIT_F32};
    o->outputs = tool_alloc((size_t)argc * sizeof *o->outputs);
    optind = 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, "s:o:h", longs, NULL)) >= 0) {
        if (option == 'h') {
            help(self);
            return TOOL_OK;
        }
        if (option == 'v') {
            printf("einjit %s\n", einjit_version());
            return TOOL_OK;
        }
        int status = option == '?' ? tool_usage("'%s' is not an option of einjit %s, or has no value", argv[optind - 1],
                                                self->name)
                                   : take(o, option);
        if (status) return status;
    }
    o->rest = argv + optind;
    o->n_rest = argc - optind;
    if (!o->n_rest) return tool_usage("einjit %s %s", self->name, self->usage);
    return -1;
}

void cmd_options_free(cmd_options *options)
{
    tool_sizes_free(&options->sizes);
    free(options->outputs);
}

int cmd_context(einjit_context **out, const cmd_options *options)
{
    einjit_error err = {0};
    einjit_options o = {.struct_bytes = sizeof o, .backend = options->backend, .target = options->target,
                        .threads = options->threads, .flags = options->no_opt ? EINJIT_OPTION_NO_OPTIMIZE : 0};
    return einjit_context_create(out, &o, &err) ? tool_error(&err) : TOOL_OK;
}

einjit_compile_options cmd_compile_options(const cmd_options *options)
{
    return (einjit_compile_options){.struct_bytes = sizeof(einjit_compile_options), .open = options->open,
                                    .path = options->path, .flags = options->no_opt ? EINJIT_OPTION_NO_OPTIMIZE : 0};
}
