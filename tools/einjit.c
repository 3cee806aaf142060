/* einjit.c - the command: run, print, explain, path. A subcommand is a row of the table and a cmd_<name>.c. */
#include <signal.h>
#include <string.h>

#include "cmd.h"

static const command commands[] = {
    {"run", "EQUATION-or-FILE.ein A.npy B.npy ... [-o OUT.npy ...]", "compute with arrays from files", cmd_run},
    {"print", "FILE.ein [-s z=1000,...] [--emit graph|opt|bind|path|plan|nest|ir|asm]", "the program after a stage",
     cmd_print},
    {"explain", "EQUATION-or-FILE.ein -s i=4,... [--json] [--dot FILE]", "what it costs and how it is run", cmd_explain},
    {"path", "NETWORK.json [--strategy S] [--json]", "contraction path of a network", cmd_path},
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

int main(int argc, char **argv)
{
    tool_name = "einjit";
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
