/* einjit-bench.c - the command: times one case or a file of cases, as text or JSON, also against a baseline. */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_optimizer.h"
#include "bench_model.h"
#include "bench_sweep.h"

static const struct option longs[] = {
    {"sizes", required_argument, NULL, 's'},   {"dtype", required_argument, NULL, 'd'},
    {"threads", required_argument, NULL, 't'}, {"cases", required_argument, NULL, 'c'},
    {"only", required_argument, NULL, 'r'},    {"min-time", required_argument, NULL, 'm'},
    {"json", no_argument, NULL, 'j'},          {"vs", required_argument, NULL, 'V'},
    {"cache", no_argument, NULL, 'D'},         {"open", required_argument, NULL, 'O'},
    {"backend", required_argument, NULL, 'b'}, {"constants", required_argument, NULL, 'K'},
    {"target", required_argument, NULL, 'T'},  {"strategy", required_argument, NULL, 'S'},
    {"no-opt", no_argument, NULL, 'n'},        {"baseline", required_argument, NULL, 'B'},
    {"cold", no_argument, NULL, 'C'},          {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},       {"optimizer", no_argument, NULL, 'o'},
    {"passes", required_argument, NULL, 'p'},  {"largest", required_argument, NULL, 'l'},
    {"plan", no_argument, NULL, 'P'},          {"huge-pages", no_argument, NULL, 'H'},
    {"strict", no_argument, NULL, 'x'},        {"measure", no_argument, NULL, 'E'},
    {"isolate", no_argument, NULL, 'I'},       {"model", no_argument, NULL, 'M'},
    {"sweep", required_argument, NULL, 'w'},   {"alpha", required_argument, NULL, 'a'},
    {"beta", required_argument, NULL, 'e'},    {NULL, 0, NULL, 0},
};

typedef struct arguments {
    bench_options options;
    bench_case one;
    const char *cases, *only, *sweep;
    json_t *baseline, *report;
    bool wrong, slower, optimizer;
    int chosen, within_10, within_30; /* cases of --model, and where the choice is within 1.1 and 1.3 of the best */
    bench_growth growth;
} arguments;

static char watched[96]; /* the case that runs, for somebody who watches; empty: nobody does */

void bench_progress(const char *what)
{
    if (*watched) fprintf(stderr, "\r\033[K%s%s\r", *what ? watched : "", what);
}

static void help(void)
{
    puts("usage: einjit-bench EQUATION-or-FILE.ein -s z=1000,i=4 [options]\n"
         "       einjit-bench --cases FILE.json [--only REGEX] [options]\n"
         "       einjit-bench --optimizer [--only REGEX] [--passes P,Q] [--largest N] [--plan] [--json]\n\n"
         "Compiles, checks against a reference and times: medians of at least 21 samples of at least 0.5 ms.\n\n"
         "  -s, --sizes z=1000,i=4   extents by name; of an ellipsis ...=8x4\n"
         "      --dtype f32          of inputs that do not say\n"
         "      --threads N          threads that share large loops (EINJIT_THREADS, else 1)\n"
         "      --open z             extents that stay open; ... those of an ellipsis\n"
         "      --constants w,b      inputs that never change: what follows from them is computed in advance\n"
         "      --alpha X --beta X   outputs become alpha * result + beta * what they held\n"
         "      --vs self,openblas   timed in the same run, interleaved; a library's file as openblas=FILE\n"
         "      --cache              also what a kernel takes that is on disk, or in memory, there for two threads at "
         "once,\n"
         "                           and what its compile takes more where another process generates code\n"
         "      --sweep z=1:600      one call for each of these extents: what they take in all, how many compiled\n"
         "      --model              every way to run a case: what the cost model predicts, what it takes, how good "
         "the choice is\n"
         "      --min-time S         seconds of samples a case (0.3)\n"
         "      --strategy S         path search\n"
         "      --backend B          llvm or interp\n"
         "      --target T           a row of the target table\n"
         "      --no-opt             compile as written\n"
         "      --huge-pages         inputs and outputs on huge pages; else on small ones\n"
         "      --strict             rewrite nothing that can change a bit; einsums from left to right\n"
         "      --isolate            generate code in a process of its own\n"
         "      --measure            choose loops and tiles by their time on this machine\n"
         "      --baseline FILE      an earlier --json report: exit 3 where a case is over 1.15 times slower\n"
         "      --json               a list of results on stdout\n\n"
         "A file named - is standard input. Of options that are given again lists grow (-s, --open, --constants, --vs, "
         "--passes),\n"
         "and all others must say the same.\n\n"
         "With --optimizer: seconds of the passes over graphs of 100, 1000, ... einsums of several forms, and how they "
         "grow\n"
         "(exponent 1: in proportion).\n\n"
         "      --passes P,Q         only these passes\n"
         "      --largest N          einsums of the largest graph (100000)\n"
         "      --plan               also everything up to the plan\n\n"
         "exit codes: 0 ok, 1 wrong result or failed work, 2 usage, 3 regression\n\n"
         "peers of --vs, each for the cases that it computes:");
    for (int i = 0; i < bench_n_peers; i++) printf("  %-10s %s\n", bench_peers[i].name, bench_peers[i].about);
}

/* What was asked. */
static json_t *case_json(const bench_case *one)
{
    json_t *doc = json_object(), *sizes = json_object();
    for (size_t i = 0; i < one->sizes.n; i++)
        json_object_set_new(sizes, one->sizes.items[i].name, json_integer(one->sizes.items[i].value));
    json_object_set_new(doc, "name", json_string(one->name));
    if (one->group) json_object_set_new(doc, "group", json_string(one->group));
    json_object_set_new(doc, "equation", one->program ? json_string(one->program) : json_null());
    json_object_set_new(doc, "sizes", sizes);
    json_object_set_new(doc, "dtype", one->dtype < 0 ? json_null() : json_string(einjit_dtype_name(one->dtype)));
    json_object_set_new(doc, "threads", json_null());
    return doc;
}

static void add_model(json_t *doc, const bench_result *r)
{
    json_t *candidates = json_array();
    for (int i = 0; r && i < r->n_candidates; i++) {
        const bench_candidate *c = &r->candidates[i];
        json_t *one = json_object();
        json_object_set_new(one, "recipe", json_string(c->name));
        json_object_set_new(one, "cycles", tool_json_number(c->cycles));
        json_object_set_new(one, "median_us", tool_json_number(c->time.median_us));
        json_array_append_new(candidates, one);
    }
    json_object_set_new(doc, "recipe", r ? json_string(r->recipe) : json_null());
    json_object_set_new(doc, "cycles", r ? tool_json_number(r->cycles) : json_null());
    json_object_set_new(doc, "loss", r ? tool_json_number(bench_model_loss(r)) : json_null());
    json_object_set_new(doc, "candidates", candidates);
}

/* A case without a result (`error` says why) has the same keys, with nothing measured. */
static json_t *result_json(const bench_case *one, const bench_options *o, const bench_result *r, const char *error)
{
    static const char *const measured[] = {
        "median_us", "min_us",    "samples",   "gflops",  "gbytes_per_s", "compile_ms", "disk_us",
        "memory_ns", "lookup_ns", "call_ns",   "pair_ns", "here_us",      "isolate_us", "max_err",
        "checked",   "reference", "spread_us", "move_us", "fma_gflops",   "bound_us",   "share"};
    json_t *doc = case_json(one), *peers = json_object();
    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++) json_object_set_new(doc, measured[i], json_null());
    if (r) {
        json_object_set_new(doc, "threads", json_integer(r->threads));
        json_object_set_new(doc, "median_us", tool_json_number(r->time.median_us));
        json_object_set_new(doc, "min_us", tool_json_number(r->time.min_us));
        json_object_set_new(doc, "samples", json_integer(r->time.samples));
        json_object_set_new(doc, "gflops", tool_json_number(r->gflops));
        json_object_set_new(doc, "gbytes_per_s", tool_json_number(r->gbytes_per_s));
        json_object_set_new(doc, "compile_ms", tool_json_number(r->compile_ms));
        json_object_set_new(doc, "disk_us", r->disk_us > 0 ? tool_json_number(r->disk_us) : json_null());
        json_object_set_new(doc, "memory_ns", tool_json_number(r->memory_ns));
        json_object_set_new(doc, "lookup_ns", tool_json_number(r->lookup_ns));
        json_object_set_new(doc, "call_ns", tool_json_number(r->call_ns));
        json_object_set_new(doc, "pair_ns", r->pair_ns > 0 ? tool_json_number(r->pair_ns) : json_null());
        json_object_set_new(doc, "here_us", r->here_us > 0 ? tool_json_number(r->here_us) : json_null());
        json_object_set_new(doc, "isolate_us", r->here_us > 0 ? tool_json_number(r->isolate_us) : json_null());
        json_object_set_new(doc, "max_err", tool_json_number(r->max_err));
        json_object_set_new(doc, "checked", json_integer(r->checked));
        json_object_set_new(doc, "reference", json_string(r->reference));
        json_object_set_new(doc, "spread_us", tool_json_number(r->time.high_us - r->time.low_us));
        json_object_set_new(doc, "move_us", tool_json_number(r->move_us));
        json_object_set_new(doc, "fma_gflops", tool_json_number(r->fma_gflops));
        json_object_set_new(doc, "bound_us", tool_json_number(r->bound_us));
        json_object_set_new(doc, "share", tool_json_number(r->share));
        for (int i = 0; i < r->n_peers; i++)
            json_object_set_new(peers, r->peers[i].name, tool_json_number(r->peers[i].time.median_us));
    }
    json_object_set_new(doc, "plan", tool_json_lines(r ? r->plan : NULL));
    json_object_set_new(doc, "outputs", json_string(o->cold ? "cold" : "warm"));
    json_object_set_new(doc, "pages", json_string(tool_huge_pages ? "huge" : "4k"));
    json_object_set_new(doc, "vs_us", peers);
    if (o->model) add_model(doc, r);
    json_object_set_new(doc, "ok", json_boolean(!error));
    json_object_set_new(doc, "error", error ? json_string(error) : json_null());
    return doc;
}

static void result_text(const bench_case *one, const bench_result *r)
{
    char median[TOOL_WORDS], least[TOOL_WORDS], spread[TOOL_WORDS], compile[TOOL_WORDS], call[TOOL_WORDS];
    printf(
        "%-24s %s %12s (min %s, quartiles %s, %d samples)  %.2f of the bound  %8.2f GFLOP/s  %7.2f GB/s  compile %s  "
        "cached call +%s  err %.1e %s\n",
        one->name, einjit_dtype_name(one->dtype), tool_duration(median, r->time.median_us * 1e-6),
        tool_duration(least, r->time.min_us * 1e-6), tool_duration(spread, (r->time.high_us - r->time.low_us) * 1e-6),
        r->time.samples, r->share, r->gflops, r->gbytes_per_s, tool_duration(compile, r->compile_ms * 1e-3),
        tool_duration(call, r->memory_ns * 1e-9), r->max_err, r->ok ? "ok" : "WRONG");
    for (int i = 0; i < r->n_peers; i++) {
        const bench_time *time = &r->peers[i].time;
        printf("%-24s     %12s (min %s, quartiles %s)  %.2f times as long  %.2f of the bound  differs by %.1e\n",
               r->peers[i].name, tool_duration(median, time->median_us * 1e-6),
               tool_duration(least, time->min_us * 1e-6), tool_duration(spread, (time->high_us - time->low_us) * 1e-6),
               time->median_us / r->time.median_us, r->bound_us / time->median_us, r->peers[i].error);
    }
}

/* Less by chance is less. */
static const char *more(char text[TOOL_WORDS], double seconds)
{
    char amount[TOOL_WORDS];
    snprintf(text, TOOL_WORDS, "%c%s", seconds < 0 ? '-' : '+', tool_duration(amount, fabs(seconds)));
    return text;
}

static void cache_text(const bench_result *r)
{
    char load[TOOL_WORDS], call[TOOL_WORDS], pair[TOOL_WORDS], here[TOOL_WORDS], isolate[TOOL_WORDS];
    printf("%-24s     from disk %s, a call %s, of two threads at once %s\n", "cache",
           r->disk_us > 0 ? tool_duration(load, r->disk_us * 1e-6) : "-", tool_duration(call, r->call_ns * 1e-9),
           tool_duration(pair, r->pair_ns * 1e-9));
    if (r->here_us > 0)
        printf("%-24s     a compile %s, by an isolated process %s\n", "", tool_duration(here, r->here_us * 1e-6),
               more(isolate, r->isolate_us * 1e-6));
}

static void model_text(const bench_result *r)
{
    char median[TOOL_WORDS];
    printf("%-24s taken: %.2f times as long as the best\n", r->recipe, bench_model_loss(r));
    for (int i = 0; i < r->n_candidates; i++) {
        const bench_candidate *c = &r->candidates[i];
        printf("%-24s     %12s  %.2f times as long, %.2f predicted  differs by %.1e\n", c->name,
               tool_duration(median, c->time.median_us * 1e-6), c->time.median_us / r->time.median_us,
               c->cycles / r->cycles, c->error);
    }
}

/* How often the rules' choice is about as good as the best candidate. */
static void note_choice(arguments *a, const bench_result *r)
{
    double loss = bench_model_loss(r);
    a->chosen++;
    a->within_10 += loss <= 1.1;
    a->within_30 += loss <= 1.3;
}

/* The baseline's entry of the same name, dtype and threads. */
static void compare_baseline(arguments *a, const json_t *result)
{
    size_t i;
    const json_t *old;
    json_array_foreach (a->baseline, i, old) {
        if (!json_equal(json_object_get(old, "name"), json_object_get(result, "name")) ||
            !json_equal(json_object_get(old, "dtype"), json_object_get(result, "dtype")) ||
            !json_equal(json_object_get(old, "threads"), json_object_get(result, "threads")))
            continue;
        double before = json_number_value(json_object_get(old, "min_us"));
        double after = json_number_value(json_object_get(result, "min_us"));
        if (before <= 0 || after <= 1.15 * before) continue;
        a->slower = true;
        char now[TOOL_WORDS], then[TOOL_WORDS];
        fprintf(stderr, "einjit-bench: '%s' took %s where the baseline has %s\n",
                json_string_value(json_object_get(result, "name")), tool_duration(now, after * 1e-6),
                tool_duration(then, before * 1e-6));
    }
}

static void report_case(arguments *a, const bench_case *one, const bench_result *r, const char *error)
{
    json_t *doc = result_json(one, &a->options, r, error);
    if (a->baseline) compare_baseline(a, doc);
    if (a->options.json) json_array_append(a->report, doc);
    else if (r) result_text(one, r);
    else if (a->cases) printf("%-24s FAILED %s\n", one->name, error);
    if (r && a->options.cache && !a->options.json) cache_text(r);
    if (r && a->options.model) {
        if (!a->options.json) model_text(r);
        note_choice(a, r);
    }
    json_decref(doc);
    fflush(stdout);
}

static int run_case(arguments *a, const bench_case *one, size_t number, size_t of)
{
    bench_result r;
    if (isatty(2)) snprintf(watched, sizeof watched, "[%zu/%zu] %.60s: ", number, of, one->name);
    int status = bench_run(&r, one, &a->options);
    bench_progress("");
    if (!status && !r.ok) {
        a->wrong = true;
        tool_fail("E_INTERNAL", "'%s': error %.2e is more than rounding explains (%.2e)", one->name, r.max_err,
                  r.tolerance);
    }
    if (!status) report_case(a, one, &r, r.ok ? NULL : tool_said);
    else if (!tool_interrupted) report_case(a, one, NULL, tool_said);
    if (tool_interrupted)
        status = tool_fail("E_INTERRUPTED", "stopped at case %zu of %zu, '%s'", number, of, one->name);
    bench_model_free(&r);
    free(r.plan);
    return status;
}

/* A case that fails is reported like the others, and the next one is run. */
static int run_item(arguments *a, bench_case *one, const json_t *item, size_t number, size_t of)
{
    int status = bench_case_read(one, item);
    if (status) {
        report_case(a, one, NULL, tool_said);
    } else {
        char *program = bench_case_program(one, a->cases);
        one->program = program;
        status = run_case(a, one, number, of);
        free(program);
    }
    tool_sizes_free(&one->sizes);
    return status ? TOOL_FAILED : TOOL_OK; /* the command was called rightly */
}

static int run_file(arguments *a)
{
    regex_t only;
    json_t *cases, *item;
    int read = tool_read_json(&cases, a->cases);
    if (read) return read;
    if (!json_is_array(cases)) {
        json_decref(cases);
        return tool_fail("E_VALUE", "%s is not a list of cases", a->cases);
    }
    if (regcomp(&only, a->only ? a->only : "", REG_EXTENDED | REG_NOSUB)) {
        json_decref(cases);
        return tool_usage("--only '%s' is not a regular expression", a->only);
    }
    size_t i, n = json_array_size(cases);
    int failed = TOOL_OK;
    bool ran = false;
    json_array_foreach (cases, i, item) {
        bench_case one = bench_case_name(item);
        if (regexec(&only, one.name, 0, NULL, 0)) continue;
        if (run_item(a, &one, item, i + 1, n)) failed = TOOL_FAILED;
        ran = true;
        if (tool_interrupted) break;
    }
    if (!ran) failed = tool_usage("no case has a name that --only '%s' matches", a->only ? a->only : "");
    regfree(&only);
    json_decref(cases);
    return failed;
}

static const char *name_of(int option)
{
    const struct option *at = longs;
    while (at[1].name && at->val != option) at++;
    return at->name;
}

static int take(arguments *a, int option)
{
    char *end;
    bench_options *o = &a->options;
    switch (option) {
    case 's': return tool_sizes_add(&a->one.sizes, optarg);
    case 'd':
        a->one.dtype = einjit_dtype_from_name(optarg);
        return a->one.dtype < 0 ? tool_usage("there is no dtype '%s'", optarg) : TOOL_OK;
    case 't': return tool_number(&o->threads, optarg, 1, 1024, "--threads");
    case 'm':
        o->min_time = strtod(optarg, &end);
        return end == optarg || *end || !(o->min_time >= 0) ? tool_usage("--min-time takes seconds, not '%s'", optarg)
                                                            : TOOL_OK;
    case 'c': a->cases = optarg; return TOOL_OK;
    case 'r': a->only = optarg; return TOOL_OK;
    case 'H': tool_huge_pages = true; return TOOL_OK;
    case 'j': o->json = true; return TOOL_OK;
    case 'V': tool_append(&o->vs, optarg); return TOOL_OK;
    case 'O': tool_append(&o->open, optarg); return TOOL_OK;
    case 'K': tool_append(&o->constants, optarg); return TOOL_OK;
    case 'b': o->backend = optarg; return TOOL_OK;
    case 'T': o->target = optarg; return TOOL_OK;
    case 'S': o->strategy = optarg; return TOOL_OK;
    case 'C': o->cold = true; return TOOL_OK;
    case 'a':
        if (tool_real(&o->alpha, optarg, "--alpha")) return TOOL_USAGE;
        return o->alpha == 0 ? tool_usage("--alpha is another number than 0") : TOOL_OK;
    case 'e': return tool_real(&o->beta, optarg, "--beta");
    case 'n': o->no_opt = true; return TOOL_OK;
    case 'x': o->strict = true; return TOOL_OK;
    case 'E': o->measure = true; return TOOL_OK;
    case 'I': o->isolate = true; return TOOL_OK;
    case 'M': o->model = true; return TOOL_OK;
    case 'D': o->cache = true; return TOOL_OK;
    case 'w': a->sweep = optarg; return TOOL_OK;
    case 'o': a->optimizer = true; return TOOL_OK;
    case 'p': tool_append(&a->growth.passes, optarg); return TOOL_OK;
    case 'l': return tool_number(&a->growth.largest, optarg, 100, 10000000, "--largest");
    case 'P': a->growth.plan = true; return TOOL_OK;
    case 'B': return a->baseline ? TOOL_OK : tool_read_json(&a->baseline, optarg); /* given again: the same file */
    default: return tool_usage("an option that is not known or has no value");
    }
}

static int parse_arguments(arguments *a, int argc, char **argv)
{
    tool_seen seen = {0};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":s:h", longs, NULL)) >= 0) {
        if (option == 'h') {
            help();
            return TOOL_OK;
        }
        if (option == 'v') {
            printf("einjit-bench %s\n", einjit_version());
            return TOOL_OK;
        }
        if (option == ':') return tool_usage("%s needs a value", argv[optind - 1]);
        if (option == '?') return tool_usage("'%s' is no option, or takes no value", argv[optind - 1]);
        int status = optarg && !strchr("sVOKp", option) ? tool_once(&seen, option, optarg, name_of(option)) : TOOL_OK;
        if (!status) status = take(a, option);
        if (status) return status;
    }
    if (!a->optimizer && (a->growth.passes || a->growth.plan))
        return tool_usage("--passes and --plan go with --optimizer");
    if (a->optimizer && (a->cases || optind != argc)) return tool_usage("--optimizer makes its own graphs");
    if (a->optimizer) return -1;
    if (a->cases && a->sweep) return tool_usage("--sweep is for one program");
    if (a->cases && optind != argc) return tool_usage("with --cases there is no other program");
    if (a->cases && a->one.sizes.n) return tool_usage("with --cases the sizes are the cases'");
    if (!a->cases && a->only) return tool_usage("--only picks from the cases of --cases");
    if (!a->cases && optind + 1 != argc) return tool_usage("one program or equation is needed");
    if (!a->cases) a->one.name = a->one.program = argv[optind];
    return -1;
}

static int run(arguments *a)
{
    tool_watch();
    if (a->optimizer) {
        a->growth.only = a->only;
        a->growth.json = a->options.json;
        return bench_optimizer(&a->growth);
    }
    if (bench_scales(&a->options) && (a->options.vs || a->options.model || a->sweep))
        return tool_usage("--vs, --model and --sweep are without --alpha and --beta");
    if (a->sweep) return bench_sweep(&a->one, &a->options, a->sweep);
    a->report = json_array();
    int status = a->cases ? run_file(a) : run_case(a, &a->one, 1, 1);
    if (a->options.json && status != TOOL_USAGE) {
        json_dumpf(a->report, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(a->report);
    if (a->chosen)
        fprintf(stderr, "einjit-bench: of %d choices %d are within 1.1 of the best candidate, %d within 1.3\n",
                a->chosen, a->within_10, a->within_30);
    if (status) return status;
    return a->wrong ? TOOL_FAILED : a->slower ? TOOL_REGRESSION : TOOL_OK;
}

int main(int argc, char **argv)
{
    tool_name = "einjit-bench";
    arguments a = {.options = {.min_time = 0.3}, .one = {.dtype = EINJIT_F32}, .growth = {.largest = 100000}};
    tool_arguments(argc, argv);
    int status = parse_arguments(&a, argc, argv);
    if (status < 0) status = run(&a);
    tool_sizes_free(&a.one.sizes);
    json_decref(a.baseline);
    free(a.options.open);
    free(a.options.constants);
    free(a.options.vs);
    free(a.growth.passes);
    return tool_finish(status);
}
