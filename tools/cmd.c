/* cmd.c - the options of the subcommands: one table, from which each takes the ones it names. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char letter;
    const char *name, *value, *help; /* value NULL: it takes none; help NULL: known, but nothing here does it */
} known[] = {
    {'s', "sizes", "z=1000,i=4", "extents by name"},
    {'o', "output", "OUT.npy", "where results go, one a result (- standard output); without it they are printed"},
    {'F', "output", "KERNEL.o", "the object (- standard output)"},
    {'H', "header", "KERNEL.h", "the C header that declares it"},
    {'N', "name", "NAME", "of the function in it; without it that of the object's file"},
    {'L', "also", "z=2000", "and one for these extents instead of those of -s"},
    {'R', "shared", NULL, "a shared library, linked by cc (or CC)"},
    {'e', "emit", "STAGE", CMD_STAGES},
    {'d', "dtype", "f32", "of inputs that do not say: f32 f64 c64 c128 i32 i64 i8 u8 i16 bool f16 bf16"},
    {'O', "open", "z,edges", "extents that stay open: one kernel for all their values"},
    {'C', "constants", "w,b", "inputs that never change: what follows from them is computed in advance"},
    {'A', "alpha", "X", "results are multiplied by X"},
    {'B', "beta", "X", "and what they hold before (of run: in their files, -o), times X, is added"},
    {'S', "strategy", "S", "path search: auto, auto-hq, portfolio, optimal, greedy, ..., or a file"},
    {'m', "minimize", "flops", "what the path search makes small"},
    {'D', "dot", "FILE", "the plan's steps as a graph for Graphviz"},
    {'G', "svg", "FILE", "a drawing of the plan's steps, by Graphviz where that is installed"},
    {'t', "threads", "N", "threads that share large loops (EINJIT_THREADS, else 1)"},
    {'b', "backend", "B", "llvm, interp or auto: llvm, but interp where it cannot be"},
    {'I', "isolate", NULL, "generate code in a process of its own (EINJIT_ISOLATE=1)"},
    {'T', "target", "T", "a row of the target table: avx512_2m, avx512_bf16, avx512, avx2, sse2"},
    {'g', "gradient", "a,b", "add the gradients of the first result by these inputs to the results"},
    {'a', "passes", "dce,fuse", "only these passes, in this order"},
    {'p', "stats", NULL, "what each pass did: changes, rules, nodes; with sizes operations and bytes"},
    {'u', "times", NULL, "with --stats: the time of each pass"},
    {'n', "no-opt", NULL, "take the program as written"},
    {'x', "strict", NULL, "rewrite nothing that can change a bit; einsums from left to right"},
    {'M', "measure", NULL, "choose loops and tiles by their time on this machine: compiles take longer"},
    {'j', "json", NULL, "one JSON document on stdout"},
    {'1', "seconds", "T",
     "search for so long, and show how it goes on a terminal; Ctrl-C ends it with the best so far"},
    {'2', "trials", "N", "try so often: the same result every time"},
    {'3', "seed", "N", "begin other trials"},
    {'4', "memory-limit", "BYTES", "of scratch, also as 64M or 2G (powers of 1024): einsums that need more, in slices"},
    {'5', "slices", "A:B", "slices A .. B-1 alone (also A: and :B); their sums go to -o PART.npz, for einjit reduce"},
    {'6', "mpi", NULL, "under mpirun: ranks share the slices; run anew after a failure, they go on"},
    {'h', "help", NULL, "this text"},
    {'v', "version", NULL, "the version"},
};
enum { N_KNOWN = sizeof known / sizeof *known };

static bool takes(const command *self, char letter)
{
    return letter == 'h' || letter == 'v' || strchr(self->options, letter);
}

static void help(const command *self)
{
    printf("usage: einjit %s %s\n\n%s.\n\n", self->name, self->usage, self->help);
    for (int i = 0; i < N_KNOWN; i++) {
        char text[64];
        if (!takes(self, known[i].letter) || !known[i].help) continue;
        bool is_short = strchr("soFh", known[i].letter);
        snprintf(text, sizeof text, "%c%c%s --%s %s", is_short ? '-' : ' ', is_short ? *known[i].name : ' ',
                 is_short ? "," : " ", known[i].name, known[i].value ? known[i].value : "");
        printf("  %-26s %s\n", text, known[i].help);
    }
    puts("\nA file named - is standard input, or standard output where it is written. Of options that are given again "
         "lists grow\n"
         "(-s, -o, --also, --open, --constants, --gradient, --passes), and all others must say the same.");
}

static const char *name_of(int letter)
{
    int i = 0;
    while (i < N_KNOWN - 1 && known[i].letter != letter) i++;
    return known[i].name;
}

static int take_bytes(uint64_t *out, const char *text)
{
    static const char units[] = "KMGT";
    char *end, *unit;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    bool number = *text >= '0' && *text <= '9' && !errno && n;
    for (unit = *end ? strchr(units, *end) : NULL; unit && unit >= units && number; unit--) {
        number = n <= UINT64_MAX >> 10;
        n <<= 10;
    }
    if (!number || (*end && (!strchr(units, *end) || end[1])))
        return tool_usage("--memory-limit takes a number of bytes above 0, as 1000000, 64M or 2G, not '%s'", text);
    *out = n;
    return TOOL_OK;
}

static int take(cmd_options *o, int letter)
{
    switch (letter) {
    case 's': return tool_sizes_add(&o->sizes, optarg);
    case 'F':
    case 'o': o->outputs[o->n_outputs++] = optarg; return TOOL_OK;
    case 'H': o->header = optarg; return TOOL_OK;
    case 'N': o->name = optarg; return TOOL_OK;
    case 'L': o->also[o->n_also++] = optarg; return TOOL_OK;
    case 'R': o->shared = true; return TOOL_OK;
    case 'd':
        o->dtype = einjit_dtype_from_name(optarg);
        return o->dtype < 0 ? tool_usage("there is no dtype '%s'", optarg) : TOOL_OK;
    case 'O': tool_append(&o->open, optarg); return TOOL_OK;
    case 'C': tool_append(&o->constants, optarg); return TOOL_OK;
    case 'A':
        if (tool_real(&o->alpha, optarg, "--alpha")) return TOOL_USAGE;
        return o->alpha == 0 ? tool_usage("--alpha is another number than 0") : TOOL_OK;
    case 'B': return tool_real(&o->beta, optarg, "--beta");
    case 'b': o->backend = optarg; return TOOL_OK;
    case 'T': o->target = optarg; return TOOL_OK;
    case 'S': o->strategy = optarg; return TOOL_OK;
    case 'e': o->emit = optarg; return TOOL_OK;
    case 'D': o->dot = optarg; return TOOL_OK;
    case 'G': o->svg = optarg; return TOOL_OK;
    case 'g': tool_append(&o->gradient, optarg); return TOOL_OK;
    case 'm': o->minimize = optarg; return TOOL_OK;
    case '1': o->seconds = optarg; return TOOL_OK;
    case '2': o->trials = optarg; return TOOL_OK;
    case '3': o->seed = optarg; return TOOL_OK;
    case '4': return take_bytes(&o->memory_limit, optarg);
    case '6': o->mpi = true; return TOOL_OK;
    case '5': o->slices = optarg; return TOOL_OK;
    case 'n': o->no_opt = true; return TOOL_OK;
    case 'x': o->strict = true; return TOOL_OK;
    case 'M': o->measure = true; return TOOL_OK;
    case 'I': o->isolate = true; return TOOL_OK;
    case 'a': tool_append(&o->passes, optarg); return TOOL_OK;
    case 'p': o->stats = true; return TOOL_OK;
    case 'u': o->times = true; return TOOL_OK;
    case 'j': o->json = true; return TOOL_OK;
    case 't': return tool_number(&o->threads, optarg, 1, 1024, "--threads");
    default: return tool_usage("--%s: no strategy that there is has a use for it", name_of(letter));
    }
}

/* getopt's table of what the command takes. */
static void fill_table(struct option *out, const command *self)
{
    int n = 0;
    for (int i = 0; i < N_KNOWN; i++)
        if (takes(self, known[i].letter))
            out[n++] =
                (struct option){known[i].name, known[i].value ? required_argument : no_argument, NULL, known[i].letter};
    out[n] = (struct option){0};
}

static int parse_options(cmd_options *o, int argc, char **argv, const command *self)
{
    struct option table[N_KNOWN + 1];
    char shorts[16] = ":h";
    tool_seen seen = {0};
    int letter;
    fill_table(table, self);
    if (takes(self, 's')) strcat(shorts, "s:");
    if (takes(self, 'o') || takes(self, 'F')) strcat(shorts, "o:");
    optind = 1;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, shorts, table, NULL)) >= 0) {
        if (letter == 'h') {
            help(self);
            return TOOL_OK;
        }
        if (letter == 'v') {
            printf("einjit %s\n", einjit_version());
            return TOOL_OK;
        }
        if (letter == ':') return tool_usage("%s needs a value", argv[optind - 1]);
        if (letter == '?' && optopt && optopt < 128 && argv[optind - 1][1] == '-')
            return tool_usage("%s takes no value", argv[optind - 1]);
        if (letter == '?') return tool_usage("'%s' is no option of einjit %s", argv[optind - 1], self->name);
        int status =
            optarg && !strchr("soFOCgaL", letter) ? tool_once(&seen, letter, optarg, name_of(letter)) : TOOL_OK;
        if (!status) status = take(o, letter);
        if (status) return status;
    }
    o->rest = argv + optind;
    o->n_rest = argc - optind;
    if (o->n_rest < self->least) return tool_usage("something is missing: einjit %s %s", self->name, self->usage);
    if (self->most && o->n_rest > self->most)
        return tool_usage("'%s' is one argument too many: einjit %s %s", o->rest[self->most], self->name, self->usage);
    return -1;
}

int cmd_parse(cmd_options *o, int argc, char **argv, const command *self)
{
    *o = (cmd_options){.dtype = EINJIT_F32};
    o->outputs = tool_alloc((size_t)argc * sizeof *o->outputs);
    o->also = tool_alloc((size_t)argc * sizeof *o->also);
    int status = parse_options(o, argc, argv, self);
    if (status >= 0) cmd_options_free(o);
    return status;
}

void cmd_options_free(cmd_options *options)
{
    tool_sizes_free(&options->sizes);
    free(options->outputs);
    free(options->also);
    free(options->path);
    free(options->open);
    free(options->constants);
    free(options->gradient);
    free(options->passes);
}

static int32_t flags_of(const cmd_options *options)
{
    return (options->no_opt ? EINJIT_OPTION_NO_OPTIMIZE : 0) | (options->strict ? EINJIT_OPTION_STRICT : 0) |
           (options->measure ? EINJIT_OPTION_MEASURE : 0);
}

/* The strategy and how long it may take, in one name; NULL: nothing was said. */
static char *strategy_of(const cmd_options *o)
{
    const char *keys[] = {"seconds", "trials", "seed"}, *values[] = {o->seconds, o->trials, o->seed};
    bool any = o->seconds || o->trials || o->seed;
    const char *base = o->strategy ? o->strategy : any ? "portfolio" : NULL;
    if (!base) return NULL;
    size_t room = strlen(base) + 32;
    for (int i = 0; i < 3; i++) room += values[i] ? strlen(values[i]) : 0;
    char *name = tool_alloc(room), mark = ':', *at = name + sprintf(name, "%s", base);
    for (int i = 0; i < 3; i++) {
        if (!values[i]) continue;
        at += sprintf(at, "%c%s=%s", mark, keys[i], values[i]);
        mark = ',';
    }
    return name;
}

int cmd_context(einjit_context **out, cmd_options *options)
{
    einjit_error err = {0};
    einjit_options o = {.struct_bytes = sizeof o,
                        .log = tool_log,
                        .backend = options->backend,
                        .target = options->target,
                        .threads = (int32_t)options->threads,
                        .flags = flags_of(options) | (options->isolate ? EINJIT_OPTION_ISOLATE : 0),
                        .progress = tool_progress};
    tool_watch();
    if (einjit_context_create(out, &o, &err))
        return err.code == EINJIT_E_VALUE ? tool_usage("%s", err.text) : tool_error(&err);
    tool_threads(*out, options->threads);
    char *name = strategy_of(options);
    int status = tool_strategy(&options->path, *out, name);
    free(name);
    return status;
}

einjit_compile_options cmd_compile_options(const cmd_options *options)
{
    return (einjit_compile_options){.struct_bytes = sizeof(einjit_compile_options),
                                    .open = options->open,
                                    .path = options->path,
                                    .constants = options->constants,
                                    .alpha = options->alpha,
                                    .beta = options->beta,
                                    .memory_limit = options->memory_limit,
                                    .flags = flags_of(options)};
}

int cmd_compile_kernel(einjit_kernel **out, einjit_context *context, const tool_program *program,
                       const tool_sizes *sizes, int dtype, const einjit_compile_options *options)
{
    einjit_error err = {0};
    tool_tensor *in = NULL;
    size_t n_in = 0;
    int status = tool_inputs_make(&in, &n_in, program, sizes, dtype, options->constants != NULL);
    if (!status) {
        einjit_tensor *views = tool_views(in, n_in);
        if (einjit_compile(out, context, program->graph, n_in, views, 0, NULL, options, &err))
            status = tool_error(&err);
        free(views);
    }
    tool_tensors_free(in, n_in);
    return status;
}
