/* einjit.c - the command: run, reduce, print, explain, compile, cache, path, list. A subcommand is a row of the table
 * and a cmd_<name>.c. */
#include <string.h>

#include "cmd.h"

static const command commands[] = {
    {"run", "EQUATION-or-FILE.ein-or-NETWORK.json A.npy B.npz ... [-o OUT.npy ...] [--json]",
     "Compute with arrays from files: FILE.npy, all of FILE.npz (by the inputs' names, where it has these), "
     "FILE.npz:NAME",
     "oOCABS456tbITnxMgj", 1, 0, cmd_run},
    {"reduce", "PART.npz ... [-o OUT.npy] [--json]",
     "The whole result from files of einjit run --slices, with the same bits however the slices were divided", "ojbt",
     1, 0, cmd_reduce},
    {"print", "EQUATION-or-FILE.ein [-s z=1000,...] [--emit STAGE] [--passes P,Q] [--stats [--json]]",
     "The program after a stage; default: opt", "sedOCSbITapunxjg", 1, 1, cmd_print},
    {"explain", "EQUATION-or-FILE.ein -s i=4,... [--json] [--dot F] [--svg F]",
     "What a program costs as written and as planned, and by which steps it is run", "sdOCS4DGbTnxj", 1, 1,
     cmd_explain},
    {"compile",
     "EQUATION-or-FILE.ein -s z=1000,... -o KERNEL.o --header KERNEL.h [--also z=2000] [--target T,U] [--shared]",
     "An object and a C header that need no einjit at run time: for one or more CPUs and extents, of which the "
     "header's "
     "function takes what fits",
     "sFHNLRdOSITgABnxM", 1, 1, cmd_compile},
    {"cache", "[list | show NAME | verify | clear | warm FILE-or-EQUATION ... [-s i=4,...] | path | stats]",
     "Kernels on disk: what is there, and what is wrong with it", "sdOCSITnxMj", 0, 0, cmd_cache},
    {"path",
     "NETWORK.json-or-EQUATION [A.npy ... | -s i=4,...] [--strategy S] [--seconds T] [--trials N] [--seed N] "
     "[--memory-limit BYTES] "
     "[--json]",
     "Contraction path of a network", "sdSm1234j", 1, 0, cmd_path},
    {"list", "[operators | strategies | targets | passes | stages] [--json]", "What there is, by name", "j", 0, 1,
     cmd_list},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void help(void)
{
    puts("usage: einjit COMMAND ...\n\nPrograms made of einsums, compiled for the shapes they meet.\n\ncommands:");
    for (int i = 0; i < N_COMMANDS; i++)
        printf("  einjit %s %s\n      %s\n", commands[i].name, commands[i].usage, commands[i].help);
    puts("\n  einjit COMMAND --help   its options\n  einjit --version\n\n"
         "exit codes: 0 ok, 1 wrong result or failed work, 2 usage");
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        help();
        return TOOL_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        help();
        return TOOL_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("einjit %s\n", einjit_version());
        return TOOL_OK;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name)) return commands[i].run(argc - 1, argv + 1, &commands[i]);
    return tool_usage("there is no command '%s'", argv[1]);
}

int main(int argc, char **argv)
{
    tool_name = "einjit";
    tool_arguments(argc, argv);
    int status = dispatch(argc, argv);
    return tool_finish(status);
}
