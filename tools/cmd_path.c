/* cmd_path.c - einjit path: path search alone, on a network from a file or an equation. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "network.h"

typedef struct found {
    int32_t *pairs;
    size_t n;
    int32_t *sliced;
    einjit_path_report report;
    double seconds;
    network_costs costs;
} found;

/* An equation; of a file its name without folder and ending. */
static char *name_of(const char *path)
{
    if (!tool_ends_with(path, ".json")) return tool_copy(path);
    char *name = tool_copy(tool_file_name(path));
    char *dot = strrchr(name, '.');
    if (dot) *dot = 0;
    return name;
}

static json_t *path_json(const found *f)
{
    json_t *list = json_array();
    for (size_t s = 0; s < f->n; s++) {
        json_t *pair = json_array();
        json_array_append_new(pair, json_integer(f->pairs[2 * s]));
        if (f->pairs[2 * s + 1] >= 0) json_array_append_new(pair, json_integer(f->pairs[2 * s + 1]));
        json_array_append_new(list, pair);
    }
    return list;
}

static json_t *slices_json(const found *f, const network *net)
{
    json_t *slices = json_object(), *labels = json_array();
    for (size_t i = 0; i < f->report.n_sliced; i++) json_array_append_new(labels, network_label(net, f->sliced[i]));
    json_object_set_new(slices, "labels", labels);
    bool whole = f->report.slices < 0x1p53;
    json_object_set_new(slices, "count",
                        whole ? json_integer((json_int_t)f->report.slices) : tool_json_number(f->report.slices));
    json_object_set_new(slices, "overhead", tool_json_number(f->report.overhead));
    return slices;
}

static void print_json(const found *f, const network *net, const char *name, const char *strategy)
{
    json_t *doc = json_object();
    json_object_set_new(doc, "name", json_string(name));
    json_object_set_new(doc, "strategy", json_string(strategy));
    json_object_set_new(doc, "ssa_path", path_json(f));
    json_object_set_new(doc, "log10_mults", tool_json_number(f->report.log10_mults));
    json_object_set_new(doc, "log2_largest", tool_json_number(f->report.log2_largest));
    json_object_set_new(doc, "log2_peak", tool_json_number(f->costs.log2_peak));
    json_object_set_new(doc, "opt_einsum_flops", tool_json_number(f->costs.opt_einsum_flops));
    json_object_set_new(doc, "log10_opt_einsum_flops", tool_json_number(f->costs.log10_flops));
    json_object_set_new(doc, "seconds", json_real(f->seconds));
    json_object_set_new(doc, "slices", slices_json(f, net));
    json_dumpf(doc, stdout, JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(doc);
}

static void print_slices(const found *f, const network *net)
{
    printf("slices            %.15g, over", f->report.slices);
    for (size_t i = 0; i < f->report.n_sliced; i++) {
        json_t *label = network_label(net, f->sliced[i]);
        if (json_is_string(label)) printf(" %s", json_string_value(label));
        else printf(" %lld", (long long)json_integer_value(label));
        json_decref(label);
    }
    printf("\noverhead          %.3f\n", f->report.overhead);
}

static void print_text(const found *f, const network *net, const char *name, const char *strategy)
{
    char flops[TOOL_WORDS];
    tool_count(flops, f->costs.opt_einsum_flops, f->costs.log10_flops);
    printf("network           %s\nstrategy          %s\nsteps             %zu\nlog10 mults       %.3f\n"
           "log2 largest      %.2f\nlog2 peak         %.2f\nopt_einsum flops  %s\nseconds           %.3f\n",
           name, strategy, f->n, f->report.log10_mults, f->report.log2_largest, f->costs.log2_peak, flops, f->seconds);
    if (f->report.n_sliced) print_slices(f, net);
}

/* ---- while it goes on ---- */

static volatile sig_atomic_t told, interrupted;

/* Ends the search with the best path so far; where there is none yet, and with strategies that have only one, without
 * any. */
static void interrupt(int number)
{
    (void)number;
    if (told) interrupted = 1;
    else tool_interrupted = 1;
}

static int show(void *user, double log10_mults, int64_t trials, double seconds)
{
    double *shown = user; /* seconds: when a line was last written; -1: no terminal */
    told = 1;
    if (*shown < 0) return interrupted;
    if (seconds - *shown > 0.1) {
        fprintf(stderr, "\rlog10 mults %.3f, %lld trials, %.1f s ", log10_mults, (long long)trials, seconds);
        *shown = seconds;
    }
    return interrupted;
}

static int search(network *net, einjit_context *context, const cmd_options *options)
{
    einjit_error err = {0};
    size_t capacity = 2 * net->n + 2;
    found f = {.pairs = tool_alloc(capacity * 2 * sizeof *f.pairs),
               .sliced = tool_alloc((net->n_labels + 1) * sizeof *f.sliced),
               .report = {.struct_bytes = sizeof f.report}};
    double start = tool_seconds(), shown = isatty(STDERR_FILENO) ? 0 : -1;
    int status = TOOL_OK;
    /* a second one kills */
    const struct sigaction once = {.sa_handler = interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    struct sigaction before;
    sigaction(SIGINT, &once, &before);
    const einjit_path_options asked = {.struct_bytes = sizeof asked,
                                       .strategy = options->path,
                                       .memory_limit = options->memory_limit,
                                       .dtype = options->dtype,
                                       .progress = show,
                                       .user = &shown};
    if (einjit_path_find(context, net->n, net->term_ranks, net->flat, net->output_rank, net->output, net->n_labels,
                         net->sizes, &asked, f.pairs, capacity, f.sliced, net->n_labels, &f.report, &err))
        status = tool_error(&err);
    sigaction(SIGINT, &before, NULL);
    if (shown > 0) fputs("\r\033[K", stderr);
    if (!status) {
        char *name = name_of(options->rest[0]);
        f.seconds = tool_seconds() - start;
        f.n = f.report.n_steps;
        network_slice(net, f.sliced, f.report.n_sliced);
        f.costs = network_count(net, f.pairs, f.n);
        (options->json ? print_json : print_text)(&f, net, name,
                                                  options->strategy ? options->strategy
                                                  : options->path   ? "portfolio"
                                                                    : "auto");
        free(name);
    }
    free(f.pairs);
    free(f.sliced);
    return status;
}

/* Sizes of the arrays that follow the equation, as einjit run takes them. An ellipsis is spelled out with theirs. */
static int take_sizes(tool_program *program, einjit_context *context, cmd_options *options)
{
    tool_tensor *in = NULL;
    size_t n_in = 0;
    int status = options->sizes.n ? tool_usage("sizes come from -s or from arrays, not from both") : TOOL_OK;
    if (!status) status = cmd_load_inputs(&in, &n_in, program, options);
    if (!status) status = network_sizes_of_arrays(&options->sizes, program, in, n_in);
    tool_tensors_free(in, n_in);
    if (status) return status;
    tool_program_free(program);
    return tool_program_load(program, context, options->rest[0], &options->sizes);
}

/* The network of a file, or of an equation, which no file has the name of. */
static int load(network *net, einjit_context *context, cmd_options *options)
{
    const char *what = options->rest[0];
    tool_program program = {0};
    if (tool_is_stdio(what) || tool_ends_with(what, ".json")) {
        if (options->sizes.n || options->n_rest > 1)
            return tool_usage("-s and arrays are for equations: %s has its sizes", what);
        return network_read(net, what);
    }
    int status = tool_program_load(&program, context, what, &options->sizes);
    if (!status && !program.equation)
        status = tool_usage("'%.40s' is a program: einjit explain shows the paths of its einsums", what);
    if (!status && options->n_rest > 1) status = take_sizes(&program, context, options);
    if (!status) status = tool_names_check(&program, &options->sizes, NULL);
    if (!status) status = network_of_equation(net, &program, &options->sizes);
    tool_program_free(&program);
    return status;
}

int cmd_path(int argc, char **argv, const command *self)
{
    cmd_options options;
    int status = cmd_parse(&options, argc, argv, self);
    if (status >= 0) return status;
    einjit_context *context = NULL;
    network net = {0};
    if (options.minimize && strcmp(options.minimize, "flops"))
        status =
            tool_usage("--minimize %s: the strategies there are make multiplications few: flops", options.minimize);
    else status = cmd_context(&context, &options);
    if (!status) status = load(&net, context, &options);
    if (!status) status = search(&net, context, &options);
    network_free(&net);
    einjit_context_release(context);
    cmd_options_free(&options);
    return status;
}
