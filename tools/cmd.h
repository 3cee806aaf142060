/* cmd.h - subcommands of einjit and the options they share. */
#ifndef TOOL_CMD_H
#define TOOL_CMD_H

#include "tool.h"

typedef struct command command;
struct command {
    const char *name, *usage, *help;
    const char *options; /* letters of the options it takes, as in the table of cmd.c */
    int least, most;     /* arguments that are no options; most 0: any number */
    int (*run)(int argc, char **argv, const command *self); /* argv[0] is the subcommand's name */
};

int cmd_run(int argc, char **argv, const command *self);
int cmd_print(int argc, char **argv, const command *self);
int cmd_explain(int argc, char **argv, const command *self);
int cmd_path(int argc, char **argv, const command *self);
int cmd_compile(int argc, char **argv, const command *self);
int cmd_cache(int argc, char **argv, const command *self);
int cmd_list(int argc, char **argv, const command *self);
int cmd_reduce(int argc, char **argv, const command *self);

/* What --emit takes. */
#define CMD_STAGES "graph, opt+, opt, stats, bind, path, plan, schedule, nest, cost, steps, dot, ir, asm, key"

typedef struct cmd_options {
    tool_sizes sizes;
    int dtype;                           /* --dtype, f32 */
    char *open;                          /* --open z,edges */
    char *constants;                     /* --constants w,b */
    const char *backend;                 /* --backend */
    const char *target;                  /* --target */
    const char *strategy;                /* --strategy, as given */
    const char *seconds, *trials, *seed; /* of a path search, as given */
    char *path;                          /* ... as the library takes it, once there is a context */
    const char *slices;                  /* --slices A:B, as given */
    const char *emit, *dot, *svg, *minimize;
    char *gradient;        /* --gradient a,b */
    char *passes;          /* --passes dce,fuse */
    double alpha, beta;    /* --alpha, --beta; 0: not given */
    uint64_t memory_limit; /* --memory-limit, bytes; 0: not given */
    int64_t threads;
    bool no_opt, strict, measure, isolate, json, stats, times, shared, mpi;
    const char *header, *name; /* --header, --name */
    char **outputs;            /* -o */
    char **also;               /* --also */
    size_t n_outputs, n_also;
    char **rest; /* what is not an option */
    int n_rest;
} cmd_options;
/* Parses; prints help or a usage message. Returns -1 to go on, else the exit code with nothing to free. */
int cmd_parse(cmd_options *out, int argc, char **argv, const command *self);
void cmd_options_free(cmd_options *options);
/* A context of these options; what they name is checked. */
int cmd_context(einjit_context **out, cmd_options *options);
/* Adds the gradients of the program's first result by the named inputs (NULL: none) to its results. The seed of a
 * result with axes is a new last input, `grad`. */
int cmd_add_gradients(const tool_program *program, const char *names);
/* The arrays of the files behind the program: cmd_run.c. */
int cmd_load_inputs(tool_tensor **in, size_t *n_in, const tool_program *program, const cmd_options *options);
einjit_compile_options cmd_compile_options(const cmd_options *options);
/* The program's kernel for inputs of these sizes; with `constants` in the options they have values. */
int cmd_compile_kernel(einjit_kernel **out, einjit_context *context, const tool_program *program,
                       const tool_sizes *sizes, int dtype, const einjit_compile_options *options);

/* cmd_result.c: to the files of -o, or on standard output; TOOL_*. */
int cmd_results_save(const cmd_options *options, const tool_tensor *out, size_t n_out);
/* cmd_slices.c: run --slices and run --mpi; TOOL_*. */
int cmd_slices_check(const cmd_options *options);
int cmd_slices_run(const cmd_options *options, einjit_context *context, const tool_program *program,
                   const einjit_kernel *kernel, const tool_tensor *in, size_t n_in);

/* cmd_stats.c: the passes of a program, run and reported; TOOL_*. */
int cmd_print_stats(const tool_program *program, const cmd_options *options);
/* the program after each that changed it */
int cmd_print_passes(const tool_program *program, const cmd_options *options);

#endif
