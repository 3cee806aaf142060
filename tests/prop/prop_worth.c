/* prop_worth.c - what each pass, decision and option is worth: what programs cost when it is left out.
 *
 * usage: prop_worth [--count N] [--gradients N] [--table] [--lines] [--only NAME] [--program NAME]
 * Programs: written ones (sized_programs.h), opt_einsum_fx's graphs (where the shared folder is), gradients of both and
 * of N random programs, and N random programs. Cost is what einjit_plan_cost counts: operations, and bytes moved. A
 * pass or an option that makes no program dearer when it is left out fails the test: it has to go. --table prints all
 * numbers as Markdown, for lib/README.md; --lines prints every program's operations and bytes with everything in, to
 * compare two commits by diff;
 * --lines --only NAME adds what they are without that one; --program prints one program's text.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bind_support.h"
#include "built_module.h"
#include "choose.h"
#include "conformance.h"
#include "fx_import.h"
#include "gen.h"
#include "grad.h"
#include "pipeline.h"
#include "opt.h"
#include "sized_programs.h"

int ej_broken_rule = -1;

enum { MAX_SUBJECTS = 64, RANDOM_SIZE = 12 };
enum corpus { WRITTEN, OEFX, GRADIENTS, RANDOM, N_CORPORA };
static const char *const corpus_names[N_CORPORA] = {"written", "oefx", "gradients", "random"};

typedef struct arguments {
    long count, gradients;
    bool table, lines;
    const char *only, *program; /* the one that is looked at; NULL: all */
} arguments;

typedef struct tally {                       /* of one subject in one corpus */
    long programs, changed, dearer, cheaper; /* cheaper: without it, by operations and then bytes */
    double log_operations, log_bytes;        /* sums of the logarithms of without : with */
} tally;

typedef struct subject {
    const char *name, *kind, *what;
    tally of[N_CORPORA];
} subject;

typedef struct state {
    arguments a;
    einjit_context *context;
    size_t n;
    subject subjects[MAX_SUBJECTS];
    long refused;
} state;

/* ---- programs ---- */

static double weight(const einjit_cost *cost)
{
    return cost->planned_operations + (double)cost->bytes_moved / 8;
}

static bool cost_of(state *s, const ej_graph *graph, size_t n_in, const einjit_tensor *in, einjit_cost *out)
{
    einjit_graph *handle = NULL;
    einjit_error err = {0};
    if (einjit_graph_create(&handle, s->context, &err)) return false;
    ej_graph_free(&handle->graph);
    bool ok = !ej_graph_copy(&handle->graph, graph, &ej_malloc_allocator, &err) &&
              !einjit_plan_cost(out, s->context, handle, n_in, in, NULL, &err);
    einjit_graph_destroy(handle);
    return ok;
}

static void compare(tally *t, const einjit_cost *with, const einjit_cost *without)
{
    double more = without->planned_operations - with->planned_operations;
    if (more == 0) more = (double)without->bytes_moved - (double)with->bytes_moved;
    t->programs++;
    t->changed += without->planned_operations != with->planned_operations || without->bytes_moved != with->bytes_moved;
    t->dearer += more > 0;
    t->cheaper += more < 0;
    t->log_operations += log((without->planned_operations + 1) / (with->planned_operations + 1));
    t->log_bytes += log(((double)without->bytes_moved + 1) / ((double)with->bytes_moved + 1));
}

static void print_chosen(state *s, const ej_graph *graph, size_t n_in, const einjit_tensor *in)
{
    static char text[100000];
    einjit_graph *handle = NULL;
    einjit_error err = {0};
    if (einjit_graph_create(&handle, s->context, &err)) return;
    ej_graph_free(&handle->graph);
    if (!ej_graph_copy(&handle->graph, graph, &ej_malloc_allocator, &err) &&
        !einjit_explain(s->context, handle, n_in, in, NULL, "path", text, sizeof text, NULL, &err))
        printf("%s", text);
    einjit_graph_destroy(handle);
}

static void print_program(const ej_graph *graph, size_t n_in, const einjit_tensor *in)
{
    ej_arena arena;
    ej_text text;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    for (size_t i = 0; i < n_in; i++) {
        ej_print(&text, "%s%s[", i ? " " : "# ", ej_dtypes[in[i].dtype].name);
        for (int32_t a = 0; a < in[i].rank; a++) ej_print(&text, "%s%d", a ? "," : "", (int)in[i].shape[a]);
        ej_print(&text, "]");
    }
    ej_print(&text, "\n");
    ej_graph_print(&text, graph);
    printf("%s", text.failed ? "" : text.data);
    ej_arena_free(&arena);
}

static void add_program(state *s, int corpus, const char *name, const ej_graph *graph, size_t n_in,
                        const einjit_tensor *in)
{
    einjit_cost with = {.struct_bytes = sizeof with}, without = with;
    if (s->a.program && strcmp(s->a.program, name)) return;
    if (s->a.program) print_program(graph, n_in, in), print_chosen(s, graph, n_in, in);
    if (!cost_of(s, graph, n_in, in, &with)) {
        s->refused++;
        return;
    }
    if (s->a.lines)
        printf("%s %s %.17g %llu\n", corpus_names[corpus], name, with.planned_operations,
               (unsigned long long)with.bytes_moved);
    for (size_t i = 0; i < s->n; i++) {
        ej_left_out = s->subjects[i].name;
        if (s->a.program) print_chosen(s, graph, n_in, in);
        bool ok = cost_of(s, graph, n_in, in, &without);
        ej_left_out = NULL;
        if (ok) compare(&s->subjects[i].of[corpus], &with, &without);
        if (ok && s->a.only && s->a.lines && weight(&with) != weight(&without))
            printf("    without %s: %.17g %llu\n", s->subjects[i].name, without.planned_operations,
                   (unsigned long long)without.bytes_moved);
    }
}

/* The gradient of half the square of every floating result, by all floating inputs. */
static void add_gradient(state *s, const char *name, const ej_graph *from, size_t n_in, const einjit_tensor *in)
{
    ej_graph graph;
    ej_arena arena;
    einjit_error err;
    ej_value wrt[GEN_MAX_INPUTS], out[GEN_MAX_INPUTS];
    size_t n_wrt = 0;
    if (ej_graph_copy(&graph, from, &ej_malloc_allocator, &err)) return;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_job job = {.arena = &arena, .err = &err, .allocator = &ej_malloc_allocator, .target = ej_target_host()};
    for (size_t i = 0; i < n_in; i++)
        if (ej_dtypes[in[i].dtype].kind >= EJ_KIND_FLOAT) wrt[n_wrt++] = graph.inputs[i];
    int status = ej_graph_gradient(&graph, &job, 1, graph.outputs, graph.outputs, n_wrt, wrt, out);
    for (size_t i = 0; !status && i < n_wrt; i++) status = ej_graph_output(&graph, out[i], &err);
    ej_arena_free(&arena);
    if (!status && n_wrt) {
        graph.tuple_result = true;
        add_program(s, GRADIENTS, name, &graph, n_in, in);
    }
    ej_graph_free(&graph);
}

static void add_text(state *s, int corpus, const char *name, const char *text, size_t n_in, const einjit_tensor *in)
{
    ej_graph graph;
    einjit_error err;
    if (ej_graph_parse(&graph, &ej_malloc_allocator, text, strlen(text), &err)) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        s->refused++;
        return;
    }
    add_program(s, corpus, name, &graph, n_in, in);
    add_gradient(s, name, &graph, n_in, in);
    ej_graph_free(&graph);
}

/* ---- corpora ---- */

static void add_written(state *s)
{
    for (size_t i = 0; i < n_sized_programs; i++) {
        ej_arena arena;
        size_t n_in;
        ej_arena_init(&arena, &ej_malloc_allocator);
        const einjit_tensor *in = bind_tensors(&arena, sized_programs[i].inputs, &n_in);
        char *text = sized_program_text(&sized_programs[i]);
        assert_non_null(text);
        add_text(s, WRITTEN, sized_programs[i].name, text, n_in, in);
        free(text);
        ej_arena_free(&arena);
    }
}

static void add_fx_case(state *s, json_t *item)
{
    ej_arena arena;
    ej_text text, inputs;
    char why[300];
    json_t *shapes = json_object_get(item, "inputs"), *shape, *extent;
    size_t i, a, n_in;
    ej_arena_init(&arena, &ej_malloc_allocator);
    ej_text_init(&text, &arena);
    ej_text_init(&inputs, &arena);
    json_array_foreach (shapes, i, shape) {
        ej_print(&inputs, "%sf64[", i ? " " : "");
        json_array_foreach (shape, a, extent) ej_print(&inputs, "%s%d", a ? "," : "", (int)json_integer_value(extent));
        ej_print(&inputs, "]");
    }
    if (fx_import(&text, json_object_get(item, "graph"), shapes, why, sizeof why)) {
        const einjit_tensor *in = bind_tensors(&arena, i ? inputs.data : "", &n_in);
        add_text(s, OEFX, json_string_value(json_object_get(item, "name")), text.data, n_in, in);
    }
    ej_arena_free(&arena);
}

static void add_oefx(state *s)
{
    char path[1024];
    json_error_t error;
    json_t *file = shared_file("data/oefx_graphs.json", path, sizeof path) ? fx_load(path, &error) : NULL, *item;
    size_t i;
    json_array_foreach (json_object_get(file, "cases"), i, item) add_fx_case(s, item);
    json_decref(file);
}

static void add_random(state *s, int corpus, long count)
{
    for (long i = 0; i < count; i++) {
        gen_program p;
        char name[32];
        einjit_tensor in[GEN_MAX_INPUTS];
        int kind = corpus == GRADIENTS ? GEN_DIFFERENTIABLE
                   : i % 5 == 0        ? GEN_ANY
                   : i % 5 == 1        ? GEN_CHAIN
                                       : GEN_EINSUM;
        if (!gen_program_of(&p, kind, 1000 + (uint64_t)i, RANDOM_SIZE, NULL)) continue;
        gen_program_views(&p, in);
        snprintf(name, sizeof name, "%s-%ld", gen_kind_names[kind], i);
        if (corpus == GRADIENTS) add_gradient(s, name, &p.graph, p.n_in, in);
        else add_program(s, corpus, name, &p.graph, p.n_in, in);
        gen_program_free(&p);
    }
}

/* ---- the table ---- */

static void add_subject(state *s, const char *name, const char *kind, const char *what)
{
    if (s->a.only ? strcmp(s->a.only, name) != 0 : s->a.lines) return;
    assert_true(s->n < MAX_SUBJECTS);
    s->subjects[s->n++] = (subject){.name = name, .kind = kind, .what = what};
}

static void list_subjects(state *s)
{
    for (size_t p = 0; p < ej_n_passes; p++) add_subject(s, ej_passes[p].name, "pass", ej_passes[p].help);
    for (size_t d = 0; d < ej_n_decisions; d++) add_subject(s, ej_decisions[d].name, "decision", ej_decisions[d].help);
#define EJ_OPTION(NAME, what) add_subject(s, #NAME, "option", what);
#include "job_options.def"
#undef EJ_OPTION
}

static void print_table(const state *s)
{
    printf("| left out | kind |");
    for (int c = 0; c < N_CORPORA; c++)
        printf(" %s (%ld) |", corpus_names[c], s->n ? s->subjects[0].of[c].programs : 0);
    printf("\n|---|---|");
    for (int c = 0; c < N_CORPORA; c++) printf("---|");
    printf("\n");
    for (size_t i = 0; i < s->n; i++) {
        printf("| %s | %s |", s->subjects[i].name, s->subjects[i].kind);
        for (int c = 0; c < N_CORPORA; c++) {
            const tally *t = &s->subjects[i].of[c];
            if (!t->changed) printf(" - |");
            else
                printf(" +%ld -%ld %.3f %.3f |", t->dearer, t->cheaper, exp(t->log_operations / (double)t->programs),
                       exp(t->log_bytes / (double)t->programs));
        }
        printf("\n");
    }
}

/* Dead values are in no plan, but passes and printed programs have less to do without them: dce is not judged. */
static bool is_judged(const subject *s)
{
    return strcmp(s->name, "dce") != 0;
}

static int without_worth(const state *s)
{
    int n = 0;
    for (size_t i = 0; i < s->n; i++) {
        long dearer = 0, cheaper = 0;
        for (int c = 0; c < N_CORPORA; c++)
            dearer += s->subjects[i].of[c].dearer, cheaper += s->subjects[i].of[c].cheaper;
        if (dearer || !is_judged(&s->subjects[i])) continue;
        printf("%s: no program is dearer without it, %ld are cheaper\n", s->subjects[i].name, cheaper);
        n++;
    }
    printf("%zu passes, decisions and options; %d are worth nothing\n", s->n, n);
    return n;
}

static bool read_arguments(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--table")) a->table = true;
        else if (!strcmp(argv[i], "--lines")) a->lines = true;
        else if (!strcmp(argv[i], "--count")) a->count = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--gradients")) a->gradients = strtol(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--program")) a->program = value, i++;
        else if (!strcmp(argv[i], "--only")) a->only = value, i++;
        else return false;
    }
    return a->count >= 0 && a->gradients >= 0;
}

int main(int argc, char **argv)
{
    static state s = {.a = {.count = 1500, .gradients = 100}};
    einjit_options options = {.struct_bytes = sizeof options, .backend = "interp"};
    use_built_module();
    if (!read_arguments(&s.a, argc, argv)) {
        fprintf(stderr,
                "usage: prop_worth [--count N] [--gradients N] [--table] [--lines] [--only NAME] [--program NAME]\n");
        return 2;
    }
    if (einjit_context_create(&s.context, &options, NULL)) return 1;
    list_subjects(&s);
    add_written(&s);
    add_oefx(&s);
    add_random(&s, GRADIENTS, s.a.gradients);
    add_random(&s, RANDOM, s.a.count);
    einjit_context_release(s.context);
    if (s.a.table) print_table(&s);
    if (s.refused) printf("%ld programs were refused\n", s.refused);
    return s.a.lines ? 0 : without_worth(&s);
}
