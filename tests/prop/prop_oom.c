/* prop_oom.c - memory runs out: each allocation of lib/ fails in turn, alone or with all that follow it, in everything
 * that a program does. The call says E_NOMEM with a text, changes nothing it was given, and leaks nothing; the same
 * call on the same context then succeeds.
 *
 * usage: prop_oom [--every [TEST]]
 * In builds where arenas are made of single allocations (EINJIT_ARENA_MALLOC) there are thousands of them: then,
 * without --every, all of the first ones fail and a sample of the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "built_module.h"
#include "gen.h"
#include "pipeline.h"
#include "oom_scenarios.h"

/* ---- an allocator that counts, and fails when told to ---- */

typedef struct hooks {
    long seen, fail_at; /* fail_at < 0: never */
    bool all_after, failed;
    long outstanding;
    size_t bytes;
} hooks;

typedef union block {
    size_t bytes;
    max_align_t align;
} block;

static void *hook_alloc(void *user, size_t bytes)
{
    hooks *h = user;
    long n = h->seen++;
    if (h->fail_at >= 0 && (n == h->fail_at || (h->all_after && n > h->fail_at))) {
        h->failed = true;
        return NULL;
    }
    block *b = malloc(sizeof *b + bytes);
    if (!b) return NULL;
    memset(b, 0xA5, sizeof *b + bytes);
    b->bytes = bytes;
    h->outstanding++;
    h->bytes += bytes;
    return b + 1;
}

static void hook_release(void *user, void *memory, size_t bytes)
{
    hooks *h = user;
    block *b = (block *)memory - 1;
    if (b->bytes != bytes) fail_msg("%zu bytes given back as %zu", b->bytes, bytes);
    h->outstanding--;
    h->bytes -= bytes;
    free(b);
}

static void arm(hooks *h, long fail_at, bool all_after)
{
    h->seen = 0;
    h->fail_at = fail_at;
    h->all_after = all_after;
    h->failed = false;
}

static void run_in_turn(void *user, size_t n, void (*body)(void *task, size_t i), void *task)
{
    (void)user;
    for (size_t i = 0; i < n; i++) body(task, i);
}

/* ---- the sweep ---- */

static bool every;

#if defined(__SANITIZE_ADDRESS__)
enum { SHORT = 60, STRIDE = 97, SHORT_LLVM = 5, STRIDE_LLVM = 401 };
#else
enum { SHORT = 400, STRIDE = 17, SHORT_LLVM = 50, STRIDE_LLVM = 41 };
#endif

static einjit_context *new_context(hooks *h, const scenario *s, const char *backend, einjit_error *err)
{
    einjit_allocator allocator = {hook_alloc, hook_release, h};
    const einjit_parallel parallel = {sizeof parallel, run_in_turn, NULL};
    einjit_options options = {.struct_bytes = sizeof options,
                              .allocator = &allocator,
                              .backend = backend,
                              .cache_bytes = s->cache_bytes,
                              .threads = s->threads,
                              .parallel = s->threads ? &parallel : NULL};
    einjit_context *context = UNTOUCHED(einjit_context);
    int status = einjit_context_create(&context, &options, err);
    if (status == EINJIT_OK) return context;
    assert_int_equal(status, EINJIT_E_NOMEM);
    assert_ptr_equal(context, UNTOUCHED(einjit_context));
    return NULL;
}

static void assert_nomem(const scenario *s, long n, int status, const einjit_error *err)
{
    if (status != EINJIT_E_NOMEM || err->code != EINJIT_E_NOMEM || !err->text[0])
        fail_msg("%s, allocation %ld: %s, %s: %s", s->name, n, einjit_status_name(status),
                 einjit_status_name(err->code), err->text);
}

/* One run of a scenario with allocation n failing; false: there is no such allocation. */
static bool run_once(const scenario *s, const char *backend, long n, bool all_after)
{
    hooks h = {.fail_at = -1};
    einjit_error err = {0};
    scene at = {.context = new_context(&h, s, backend, &err), .err = &err, .path = s->path, .flags = s->flags};
    assert_non_null(at.context);
    if (s->program) at.graph = api_graph(at.context, s->program);
    arm(&h, n, all_after);
    int status = s->run(&at);
    bool failed = h.failed;
    arm(&h, -1, false);
    if (failed && (status || !s->may_do_without)) {
        assert_nomem(s, n, status, &err);
        memset(&err, 0, sizeof err);
        status = s->run(&at);
    }
    if (status) fail_msg("%s, allocation %ld: then %s: %s", s->name, n, einjit_status_name(status), err.text);
    einjit_graph_destroy(at.graph);
    einjit_context_release(at.context);
    if (h.outstanding || h.bytes)
        fail_msg("%s, allocation %ld: %ld allocations of %zu bytes are left", s->name, n, h.outstanding, h.bytes);
    return failed;
}

/* The next one to fail: all of the first few hundred, then a sample, unless every one was asked for. */
static long step_after(long n, bool llvm)
{
    if (every) return 1;
    return n < (llvm ? SHORT_LLVM : SHORT) ? 1 : llvm ? STRIDE_LLVM : STRIDE;
}

static void sweep(const char *backend)
{
    bool llvm = !strcmp(backend, "llvm");
    for (size_t i = 0; i < n_scenarios; i++) {
        const scenario *s = &scenarios[i];
        if (llvm ? s->no_llvm || s->quick : s->no_interp) continue;
        long n = 0, runs = 0;
        while (run_once(s, backend, n, runs % 2)) {
            n += step_after(n, llvm);
            runs++;
        }
        assert_true(runs > 0);
        for (n = 0; n < (llvm ? 5 : 40) && run_once(s, backend, n, n % 2 == 0); n++) continue; /* the other way */
    }
}

static void no_memory_is_said_and_survived_with_the_interpreter(void **state)
{
    (void)state;
    sweep("interp");
}

static void no_memory_is_said_and_survived_with_machine_code(void **state)
{
    (void)state;
    if (!api_has_llvm()) skip();
    einjit_context *holder = api_context("llvm"); /* keeps the module loaded */
    float a[2] = {1, 2}, b;
    einjit_tensor in = F32(a, 2), out = SCALAR(&b, EINJIT_F32);
    assert_int_equal(einjit_einsum(holder, "i->", 1, &in, &out, NULL), EINJIT_OK);
    sweep("llvm");
    einjit_context_release(holder);
}

/* ---- random programs: what the scenarios forget ---- */

typedef struct trial {
    const gen_program *program;
    einjit_tensor in[GEN_MAX_INPUTS];
    gen_tensor *out;
    einjit_tensor *out_views;
    size_t n_out;
} trial;

static bool prepare(trial *t, const gen_program *p, gen_random *r)
{
    *t = (trial){.program = p, .n_out = p->oracle.n};
    gen_program_views(p, t->in);
    t->out = calloc(t->n_out, sizeof *t->out);
    t->out_views = calloc(t->n_out, sizeof *t->out_views);
    for (size_t o = 0; o < t->n_out; o++) {
        const oracle_value *value = &p->oracle.values[o];
        int kind = o % 2 ? GEN_PADDED : GEN_ROW_MAJOR;
        if (!gen_tensor_make(&t->out[o], r, value->dtype, value->rank, value->shape, kind)) return false;
        t->out_views[o] = t->out[o].view;
    }
    return true;
}

static void end(trial *t)
{
    for (size_t o = 0; o < t->n_out; o++) gen_tensor_free(&t->out[o]);
    free(t->out);
    free(t->out_views);
}

static int parse_and_call(scene *s, trial *t, const char *text)
{
    einjit_graph *graph = NULL;
    TRY(einjit_graph_parse(&graph, s->context, text, SIZE_MAX, s->err));
    int status = einjit_call(s->context, graph, t->program->n_in, t->in, t->n_out, t->out_views, s->err);
    einjit_graph_destroy(graph);
    for (size_t o = 0; !status && o < t->n_out; o++)
        assert_int_equal(oracle_compare(&t->program->oracle.values[o], &t->out_views[o], NULL), -1);
    return status;
}

static bool call_once(trial *t, const char *text, uint64_t seed, long n, bool all_after)
{
    scenario none = {.name = "random program"};
    hooks h = {.fail_at = -1};
    einjit_error err = {0};
    scene at = {.context = new_context(&h, &none, "interp", &err), .err = &err};
    arm(&h, n, all_after);
    int status = parse_and_call(&at, t, text);
    bool failed = h.failed;
    arm(&h, -1, false);
    if (failed) {
        if (status != EINJIT_E_NOMEM) fprintf(stderr, "seed %llu:\n%s", (unsigned long long)seed, text);
        assert_nomem(&none, n, status, &err);
        status = parse_and_call(&at, t, text);
    }
    if (status)
        fail_msg("seed %llu, allocation %ld: %s: %s", (unsigned long long)seed, n, einjit_status_name(status),
                 err.text);
    einjit_context_release(at.context);
    if (h.outstanding) fail_msg("seed %llu, allocation %ld: %ld are left", (unsigned long long)seed, n, h.outstanding);
    return failed;
}

static void random_programs_survive_without_memory(void **state)
{
    (void)state;
    gen_hits hits = {0};
    for (uint64_t seed = 1; seed <= (every ? 200 : 40); seed++) {
        gen_program p;
        trial t;
        gen_random r = {seed};
        if (!gen_program_make(&p, seed, 5, &hits)) continue;
        ej_arena arena;
        ej_text text;
        ej_arena_init(&arena, &ej_malloc_allocator);
        ej_text_init(&text, &arena);
        ej_graph_print(&text, &p.graph);
        assert_true(prepare(&t, &p, &r) && !text.failed);
        long n = (long)(seed % STRIDE);
        while (call_once(&t, text.data, seed, n, n % 2)) n += every ? 1 : STRIDE;
        ej_arena_free(&arena);
        end(&t);
        gen_program_free(&p);
    }
}

static void no_memory_for_a_context_is_said(void **state)
{
    (void)state;
    const scenario none = {.name = "context"};
    for (int all_after = 0; all_after < 2; all_after++) {
        einjit_context *context = NULL;
        long n = 0;
        for (; !context; n++) {
            hooks h = {.fail_at = -1};
            einjit_error err = {0};
            arm(&h, n, all_after);
            context = new_context(&h, &none, "interp", &err);
            if (context) {
                assert_false(h.failed);
                einjit_context_release(context);
            } else {
                assert_nomem(&none, n, err.code, &err);
            }
            assert_int_equal(h.outstanding, 0);
        }
        assert_true(n > 3);
    }
}

int main(int argc, char **argv)
{
    use_built_module();
    scenarios_prepare();
#ifdef EINJIT_ARENA_MALLOC
    every = argc > 1 && !strcmp(argv[1], "--every");
#else
    every = true; /* arenas take memory in chunks: every allocation can be failed in seconds */
#endif
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_for_a_context_is_said),
        cmocka_unit_test(no_memory_is_said_and_survived_with_the_interpreter),
        cmocka_unit_test(random_programs_survive_without_memory),
        cmocka_unit_test(no_memory_is_said_and_survived_with_machine_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
