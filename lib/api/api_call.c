/* api_call.c - compile and run in one: a graph, an equation, or labels.
 *
 * Takes  tensors. Gives  results; the second call with a signature costs a look-up, the checks and the run.
 * Keeps  equations without names and spaces in the key, so that those which mean the same share a kernel: a hit neither
 *        parses nor builds anything, and allocates nothing while the key has at most EJ_KEY_SMALL words. Failures have
 *        the letters of who asked first; others ask again under the equation as they wrote it.
 */
#include <string.h>

#include "api.h"
#include "cache.h"

enum { KIND_EQUATION = 4, KIND_LABELS = 5, KIND_PLAIN = 6 };

/* After a look-up by an exact key the inputs are those of the kernel. */
static int run_exact(const einjit_kernel *kernel, const einjit_tensor *in, size_t n_out, const einjit_tensor *out,
                     einjit_error *err)
{
    EJ_TRY(ej_check_outputs(kernel, n_out, out, NULL, err));
    EJ_TRY(ej_check_memory(kernel, in, out, NULL, err));
    return ej_kernel_run(kernel, in, out, NULL, err);
}

/* With open extents what is found may be for other ones: their values come from the inputs. */
static int run_open(const einjit_kernel *kernel, const ej_request *r, einjit_error *err)
{
    int64_t symbols[EJ_OPEN_MAX];
    EJ_TRY(ej_check_inputs(kernel, r->n_in, r->in, symbols, err));
    EJ_TRY(ej_check_outputs(kernel, r->n_out, r->out, symbols, err));
    EJ_TRY(ej_check_memory(kernel, r->in, r->out, symbols, err));
    return ej_kernel_run(kernel, r->in, r->out, symbols, err);
}

/* A call that was made before, with tensors of the same kind. False: it goes the long way. */
static bool run_recent(einjit_context *context, const ej_recent *recent, size_t n_in, const einjit_tensor *in,
                       size_t n_out, const einjit_tensor *out, int *status, einjit_error *err)
{
    ej_recent_use use;
    const einjit_kernel *kernel = ej_recent_begin(&use, context, recent);
    if (!kernel) return false;
    bool fits = ej_fits_at_once(kernel, n_in, in, n_out, out);
    if (fits) *status = ej_kernel_run(kernel, in, out, NULL, err);
    ej_recent_end(&use, fits);
    return fits;
}

static int run_request(const einjit_kernel *kernel, const ej_request *r, einjit_error *err)
{
    return r->open ? run_open(kernel, r, err) : run_exact(kernel, r->in, r->n_out, r->out, err);
}

/* A kernel may have the names of another program: what fails is tried again under this one's, for the message. */
static int call(einjit_context *context, ej_request *request, einjit_error *err)
{
    einjit_kernel *kernel = NULL;
    EJ_TRY(ej_request_check(context, request, err));
    EJ_TRY(ej_kernel_find(&kernel, context, request, err));
    int status = run_request(kernel, request, err);
    if (status != EINJIT_OK && err && kernel->names != request->graph->names) {
        EJ_TRY(ej_kernel_rename(&kernel, request->graph, err));
        status = run_request(kernel, request, err);
    }
    ej_kernel_drop(kernel);
    return status;
}

int einjit_call(einjit_context *context, einjit_graph *graph, size_t n_in, const einjit_tensor *in, size_t n_out,
                const einjit_tensor *out, einjit_error *err)
{
    ej_request request = {.graph = graph, .n_in = n_in, .n_out = n_out, .in = in, .out = out};
    int status;
    if (context && graph && atomic_load_explicit(&graph->frozen, memory_order_acquire)) {
        const ej_recent recent = ej_request_recent(&request);
        if (run_recent(context, &recent, n_in, in, n_out, out, &status, err)) return status;
    }
    return call(context, &request, err);
}

int einjit_call_with(einjit_context *context, einjit_graph *graph, size_t n_in, const einjit_tensor *in, size_t n_out,
                     const einjit_tensor *out, const einjit_compile_options *options, einjit_error *err)
{
    ej_request request = {.graph = graph, .n_in = n_in, .n_out = n_out, .in = in, .out = out};
    EJ_TRY(ej_request_options(&request, options, err));
    return call(context, &request, err);
}

/* ---- one einsum ---- */

typedef struct einsum_call {
    einjit_context *context;
    const char *equation; /* NULL: labels */
    size_t length;        /* of the equation */
    const int32_t *labels, *output;
    size_t n_in, n_labels;
    const einjit_tensor *in, *out;
    ej_key key;
    ej_recent recent;
} einsum_call;

static int add_inputs(const einsum_call *call, einjit_graph *graph, einjit_value *values, einjit_error *err)
{
    char name[EJ_OPERAND_NAME];
    for (size_t i = 0; i < call->n_in; i++)
        EJ_TRY(einjit_graph_input(&values[i], graph, ej_operand_name(name, i, call->n_in), -1, -1, NULL, NULL, err));
    return EINJIT_OK;
}

/* The graph has inputs of unknown rank, so that everything that does not fit is found by the einsum, which names
 * operand and axis. */
static int build_graph(const einsum_call *call, einjit_graph *graph, ej_arena *arena, einjit_error *err)
{
    einjit_value *values = EJ_NEW_ARRAY(arena, einjit_value, call->n_in), result;
    int32_t *ranks = EJ_NEW_ARRAY(arena, int32_t, call->n_in);
    if (!values || !ranks) return ej_no_memory(err);
    for (size_t i = 0; i < call->n_in; i++) ranks[i] = call->in[i].rank;
    EJ_TRY(add_inputs(call, graph, values, err));
    if (call->equation) EJ_TRY(einjit_graph_einsum(&result, graph, call->equation, call->n_in, values, err));
    else
        EJ_TRY(einjit_graph_einsum_labels(&result, graph, call->n_in, values, ranks, call->labels, call->out->rank,
                                          call->output, err));
    EJ_TRY(einjit_graph_output(graph, result, err));
    return einjit_graph_freeze(graph, err);
}

static int compile_einsum(einjit_kernel **out, void *user, einjit_error *err)
{
    const einsum_call *call = user;
    einjit_graph *graph = NULL;
    ej_arena arena;
    ej_arena_init(&arena, &call->context->allocator);
    int status = einjit_graph_create(&graph, call->context, err);
    if (status == EINJIT_OK) status = build_graph(call, graph, &arena, err);
    if (status == EINJIT_OK) {
        ej_request request = {.graph = graph, .n_in = call->n_in, .n_out = 1, .in = call->in, .out = call->out};
        status = ej_compile(out, call->context, &request, err);
    }
    einjit_graph_destroy(graph);
    ej_arena_free(&arena);
    return status;
}

static int make_einsum(einjit_kernel **out, void *user, einjit_error *err)
{
    const einsum_call *call = user;
    if (!ej_disk_takes(call->context, NULL)) return compile_einsum(out, user, err);
    return ej_disk_get(out, call->context, call->key, NULL, compile_einsum, user, err);
}

/* As the caller wrote it. */
static void add_own_text(ej_key_words *key, const einsum_call *call)
{
    ej_key_word(key, (call->equation ? KIND_EQUATION : KIND_LABELS) | (uint64_t)call->n_in << 8);
    if (call->equation) {
        ej_key_bytes(key, call->equation, call->length);
    } else {
        ej_key_bytes(key, call->labels, call->n_labels * sizeof *call->labels);
        ej_key_bytes(key, call->output, (size_t)call->out->rank * sizeof *call->output);
    }
}

static bool add_plain(ej_key_words *key, const einsum_call *call)
{
    size_t before = key->n;
    ej_key_word(key, KIND_PLAIN | (uint64_t)call->n_in << 8);
    if (call->equation ? ej_key_equation(key, call->equation, call->length)
                       : ej_key_labels(key, call->n_in, call->in, call->labels, call->out->rank, call->output))
        return true;
    key->n = before;
    return false;
}

/* Failures are rare, and a hit does without this: the names count when a failure is given, and for what may become
 * one. */
static uint64_t hash_own_text(const void *user)
{
    const einsum_call *call = user;
    if (call->equation) return ej_hash64(call->equation, call->length, 0);
    uint64_t hash = ej_hash64(call->output, (size_t)call->out->rank * sizeof *call->output, 1);
    return call->n_labels ? ej_hash64(call->labels, call->n_labels * sizeof *call->labels, hash) : hash;
}

static int look_up(einjit_kernel **out, einsum_call *call, bool plain, bool *others, einjit_error *err)
{
    ej_key_words key;
    ej_key_init(&key, &call->context->allocator);
    plain = plain && add_plain(&key, call);
    if (!plain) add_own_text(&key, call);
    for (size_t i = 0; i < call->n_in; i++) ej_key_tensor(&key, &call->in[i], NULL);
    if (!ej_tensor_row_major(call->out)) ej_key_tensor(&key, call->out, NULL);
    call->key = (ej_key){.words = key.words,
                         .n = key.n,
                         .names = plain ? hash_own_text : NULL,
                         .user = call,
                         .others = others,
                         .recent = call->recent};
    int status = key.failed ? ej_no_memory(err)
                            : ej_cache_get(ej_context_cache(call->context), call->key, make_einsum, call, out, err);
    ej_key_free(&key);
    return status;
}

static int find_einsum(einjit_kernel **out, einsum_call *call, einjit_error *err)
{
    bool others = false;
    int status = look_up(out, call, true, &others, err);
    return others ? look_up(out, call, false, NULL, err) : status;
}

static int check_call(const einsum_call *call, einjit_error *err)
{
    if (!call->context) return ej_fail(err, EINJIT_E_INVALID, "no context given");
    if (!call->out || (call->n_in && !call->in))
        return ej_fail(err, EINJIT_E_INVALID, "no %s given", call->out ? "operands" : "output");
    for (size_t i = 0; i < call->n_in; i++) EJ_TRY(ej_tensor_check(&call->in[i], "operand", i, err));
    return ej_tensor_check(call->out, "output", 0, err);
}

static int run_einsum(einsum_call *call, einjit_error *err)
{
    einjit_kernel *kernel = NULL;
    EJ_TRY(find_einsum(&kernel, call, err));
    int status = run_exact(kernel, call->in, 1, call->out, err);
    ej_kernel_drop(kernel);
    return status;
}

int einjit_einsum(einjit_context *context, const char *equation, size_t n_in, const einjit_tensor *in,
                  const einjit_tensor *out, einjit_error *err)
{
    einsum_call call = {.context = context, .equation = equation, .n_in = n_in, .in = in, .out = out};
    if (context && equation) {
        int status;
        call.length = strlen(equation);
        call.recent = ej_recent_call(EJ_RECENT_EQUATION, equation, call.length, n_in, in);
        if (run_recent(context, &call.recent, n_in, in, 1, out, &status, err)) return status;
    }
    EJ_TRY(check_call(&call, err));
    if (!equation) return ej_fail(err, EINJIT_E_INVALID, "no equation given");
    return run_einsum(&call, err);
}

/* The graph is made anew in each call: its names are what options speak of. */
static int make_graph(einjit_graph **out, const einsum_call *call, einjit_error *err)
{
    ej_arena arena;
    ej_arena_init(&arena, &call->context->allocator);
    int32_t *ranks = EJ_NEW_ARRAY(&arena, int32_t, call->n_in);
    for (size_t i = 0; ranks && i < call->n_in; i++) ranks[i] = call->in[i].rank;
    int status = ranks ? einjit_graph_from_equation_ranks(out, call->context, call->equation, call->n_in, ranks, err)
                       : ej_no_memory(err);
    ej_arena_free(&arena);
    return status;
}

int einjit_einsum_with(einjit_context *context, const char *equation, size_t n_in, const einjit_tensor *in,
                       const einjit_tensor *out, const einjit_compile_options *options, einjit_error *err)
{
    einsum_call one = {.context = context, .equation = equation, .n_in = n_in, .in = in, .out = out};
    ej_request request = {.n_in = n_in, .n_out = 1, .in = in, .out = out};
    if (!options) return einjit_einsum(context, equation, n_in, in, out, err);
    EJ_TRY(check_call(&one, err));
    if (!equation) return ej_fail(err, EINJIT_E_INVALID, "no equation given");
    EJ_TRY(ej_request_options(&request, options, err));
    EJ_TRY(make_graph(&request.graph, &one, err));
    int status = call(context, &request, err);
    einjit_graph_destroy(request.graph);
    return status;
}

int einjit_einsum_labels(einjit_context *context, size_t n_in, const einjit_tensor *in, const int32_t *labels,
                         const einjit_tensor *out, const int32_t *output, einjit_error *err)
{
    einsum_call call = {.context = context, .labels = labels, .output = output, .n_in = n_in, .in = in, .out = out};
    EJ_TRY(check_call(&call, err));
    for (size_t i = 0; i < n_in; i++) call.n_labels += (size_t)in[i].rank;
    if ((call.n_labels && !labels) || (out->rank && !output))
        return ej_fail(err, EINJIT_E_INVALID, "no labels given for the %s",
                       call.n_labels && !labels ? "operands" : "output");
    return run_einsum(&call, err);
}
