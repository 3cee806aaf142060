/* cmd.h - subcommands of einjit and the options they share. */
#ifndef TOOL_CMD_H
#define TOOL_CMD_H

#include <getopt.h>

#include "tool.h"

typedef struct command command;
struct command {
    const char *name, *usage, *help;
    int (*run)(int argc, char **argv, const command *self); /* argv[0] is the subcommand's name */
};

int cmd_run(int argc, char **argv, const command *self);
int cmd_print(int argc, char **argv, const command *self);
int cmd_explain(int argc, char **argv, const command *self);
int cmd_path(int argc, char **argv, const command *self);

/* Options that every subcommand takes. */
typedef struct cmd_options {
    tool_sizes sizes;
    int dtype;              /* --dtype, f32 */
    const char *open;       /* --open z,edges */
    const char *backend;    /* --backend */
    const char *target;     /* --target */
    const char *path;       /* --strategy */
    const char *emit, *dot, *minimize;
    int threads;
    bool no_opt, json;
    char **outputs;         /* -o */
    size_t n_outputs;
    char **rest;            /* what is not an option */
    int n_rest;
} cmd_options;
/* Parses; prints help or a usage message. Returns -1 to go on, else the exit code. */
int cmd_parse(cmd_options *out, int argc, char **argv, const command *self);
void cmd_options_free(cmd_options *options);
/* A context of these options. */
int cmd_context(einjit_context **out, const cmd_options *options);
einjit_compile_options cmd_compile_options(const cmd_options *options);

#endif
