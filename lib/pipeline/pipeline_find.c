/* pipeline_find.c - a request's kernel, from the memory cache, the one on disk, or compiled.
 *
 * Takes  a graph, tensors and compile options.
 * Gives  a kernel that fits them, with one bare reference.
 *
 * Without open extents the key is exact, and what it finds fits. With open extents there are three keys:
 *   1. Axes that are open symbols are in the key by number only (in order of first appearance in the inputs), strides
 *      of row-major tensors not at all. What it finds usually fits every size. But bind may have closed a symbol that
 *      met another extent; then the kernel is good for the value that was observed, so it is held against the tensors.
 *   2. Where it does not fit: the same key and the values of the symbols that the first kernel has closed.
 *   3. Where even that does not fit (two symbols that were equal by chance): the exact key, nothing open.
 * A failure may come from extents that are not in the key, so failures of keys 1 and 2 are not remembered.
 */
#include <string.h>

#include "cache.h"
#include "pipeline.h"

/* ---- what a request must be before anything reads it ---- */

static int check_count(size_t n, size_t wanted, const char *what, einjit_error *err)
{
    if (n == wanted) return EINJIT_OK;
    return ej_fail(err, n ? EINJIT_E_OPERAND_COUNT : EINJIT_E_NO_OPERANDS, "%zu %s%s given, the graph has %zu", n, what,
                   n == 1 ? "" : "s", wanted);
}

int ej_request_check(einjit_context *context, ej_request *r, einjit_error *err)
{
    if (!context || !r->graph) return ej_fail(err, EINJIT_E_INVALID, "no %s given", context ? "graph" : "context");
    if (!atomic_load_explicit(&r->graph->frozen, memory_order_acquire)) EJ_TRY(ej_program_freeze(r->graph, err));
    const ej_graph *graph = &r->graph->graph;
    if (!graph->n_outputs) return ej_fail(err, EINJIT_E_VALUE, "the graph has no results");
    EJ_TRY(check_count(r->n_in, graph->n_inputs, "input", err));
    if (r->n_out) EJ_TRY(check_count(r->n_out, graph->n_outputs, "output", err));
    if ((r->n_in && !r->in) || (r->n_out && !r->out))
        return ej_fail(err, EINJIT_E_INVALID, "no %s given", r->n_in && !r->in ? "inputs" : "outputs");
    for (size_t i = 0; i < r->n_in; i++) EJ_TRY(ej_tensor_check(&r->in[i], "input", i, err));
    for (size_t i = 0; i < r->n_out; i++) EJ_TRY(ej_tensor_check(&r->out[i], "output", i, err));
    return ej_request_constants(r, &context->allocator, err);
}

/* ---- exact ---- */

typedef struct finding {
    einjit_context *context;
    const ej_request *request;
    ej_key key;
} finding;

static int compile(einjit_kernel **out, void *user, einjit_error *err)
{
    const finding *f = user;
    return ej_compile(out, f->context, f->request, err);
}

/* Otherwise nothing would tell: the kernel works, and every other size is compiled anew. */
static void log_closed(const finding *f, einjit_kernel *kernel)
{
    if (!kernel->n_closed) return;
    atomic_fetch_add_explicit(&kernel->refs, 1, memory_order_relaxed);
    if (ej_kernel_rename(&kernel, f->request->graph, NULL)) return; /* no memory for the line */
    const char *function = f->request->graph->graph.name;
    for (size_t i = 0; i < kernel->n_closed; i++) {
        const ej_closed_extent *closed = &kernel->closed[i];
        const char *by = *closed->by ? closed->by : "inputs that differ in it", *quote = *closed->by ? "'" : "";
        ej_context_log(f->context,
                       "einjit: extent '%s' of %s does not stay open: it is %lld from now on, because of %s%s%s",
                       closed->symbol, function ? function : "the graph", (long long)closed->n, quote, by, quote);
    }
    ej_kernel_drop(kernel);
}

static int make_kernel(einjit_kernel **out, void *user, einjit_error *err)
{
    const finding *f = user;
    if (ej_disk_takes(f->context, f->request))
        EJ_TRY(ej_disk_get(out, f->context, f->key, f->request->graph, compile, user, err));
    else EJ_TRY(compile(out, user, err));
    log_closed(f, *out);
    return EINJIT_OK;
}

static uint64_t names_of(const void *request)
{
    return ((const ej_request *)request)->graph->names;
}

static int look_up(einjit_kernel **out, finding *f, const ej_key_words *key, bool *others, einjit_error *err)
{
    if (key->failed) return ej_no_memory(err);
    f->key = (ej_key){.words = key->words,
                      .n = key->n,
                      .forget_failures = !others,
                      .names = names_of,
                      .user = f->request,
                      .others = others,
                      .recent = ej_request_recent(f->request)};
    return ej_cache_get(ej_context_cache(f->context), f->key, make_kernel, f, out, err);
}

static int find_exact(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err)
{
    ej_key_words key;
    finding f = {.context = context, .request = request};
    ej_key_init(&key, &context->allocator);
    ej_key_request(&key, request);
    bool others = false;
    int status = look_up(out, &f, &key, &others, err);
    if (others) { /* it fails: this program has failures of its own, in its names */
        ej_key_word(&key, request->graph->names);
        status = look_up(out, &f, &key, &others, err);
    }
    ej_key_free(&key);
    return status;
}

static int find_closed(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err)
{
    ej_request closed = *request;
    closed.open = NULL;
    return find_exact(out, context, &closed, err);
}

/* ---- open extents ---- */

typedef struct open_symbols {
    bool *asked; /* per symbol of the graph */
    size_t n;    /* those that inputs show, in order of first appearance */
    int32_t ids[EJ_OPEN_MAX];
    int64_t values[EJ_OPEN_MAX];
    bool declared[EJ_OPEN_MAX]; /* not only a name of unknown extents */
    bool differs[EJ_OPEN_MAX];
    bool consistent; /* each that is declared has one value everywhere */
    int32_t **axes;  /* per input and axis: 0, or 1 + number; NULL where the input has none */
    ej_arena arena;
} open_symbols;

static int read_list(open_symbols *open, const ej_graph *graph, const char *list, einjit_error *err)
{
    size_t n = 0;
    open->asked = EJ_NEW_ARRAY(&open->arena, bool, graph->n_symbols);
    if (!open->asked) return ej_no_memory(err);
    EJ_TRY(ej_graph_mark_symbols(open->asked, graph, list, err));
    for (size_t s = 0; s < graph->n_symbols; s++) n += open->asked[s];
    return n <= EJ_OPEN_MAX ? EINJIT_OK : ej_fail(err, EINJIT_E_LIMIT, "more than %d open extents", EJ_OPEN_MAX);
}

/* 0: not asked for; else 1 + its number, which it gets here when it is seen for the first time. */
static int32_t number_of(open_symbols *open, const ej_extent *extent, int64_t value)
{
    int32_t id = extent->symbols[0];
    size_t k = 0;
    if (!open->asked[id]) return 0;
    while (k < open->n && open->ids[k] != id) k++;
    if (k == open->n) {
        open->ids[k] = id;
        open->values[k] = value;
        open->n++;
    }
    open->declared[k] |= ej_extent_is_symbol(extent);
    open->differs[k] |= open->values[k] != value;
    return (int32_t)k + 1;
}

/* Unknown extents of one name that differ are in the key as numbers: bind closes them, and them alone. */
static void leave_different(open_symbols *open, const ej_request *r)
{
    for (size_t k = 0; k < open->n; k++) {
        if (!open->differs[k]) continue;
        open->consistent &= !open->declared[k];
        for (size_t i = 0; i < r->n_in; i++)
            for (int32_t axis = 0; open->axes[i] && axis < r->in[i].rank; axis++)
                if (open->axes[i][axis] == (int32_t)k + 1) open->axes[i][axis] = 0;
    }
}

static int number_axes(open_symbols *open, const ej_request *r, einjit_error *err)
{
    const ej_graph *graph = &r->graph->graph;
    open->axes = EJ_NEW_ARRAY(&open->arena, int32_t *, r->n_in);
    if (!open->axes) return ej_no_memory(err);
    for (size_t i = 0; i < r->n_in; i++) {
        const ej_node *node = &graph->nodes[graph->inputs[i]];
        size_t rank = (size_t)r->in[i].rank;
        if (!node->n_extents || node->n_extents != rank) continue;
        open->axes[i] = EJ_NEW_ARRAY(&open->arena, int32_t, rank);
        if (!open->axes[i]) return ej_no_memory(err);
        for (size_t axis = 0; axis < rank; axis++) {
            const ej_extent *e = &node->extents[axis];
            if (ej_extent_is_symbol(e) || ej_extent_is_named(e))
                open->axes[i][axis] = number_of(open, e, r->in[i].shape[axis]);
        }
    }
    leave_different(open, r);
    return EINJIT_OK;
}

/* The key of level 1. Outputs that are not row-major are there without extents: those follow, as far as they are
 * open. */
static void open_key(ej_key_words *key, const open_symbols *open, const ej_request *r)
{
    bool outputs = false;
    ej_key_word(key, 2 | (uint64_t)(uint32_t)r->flags << 32);
    ej_key_word(key, r->graph->content.lo);
    ej_key_word(key, r->graph->content.hi);
    ej_key_bytes(key, r->path, r->path ? strlen(r->path) : 0);
    ej_key_values(key, r);
    for (size_t i = 0; i < r->n_out; i++) outputs |= !ej_tensor_row_major(&r->out[i]);
    ej_key_word(key, (uint64_t)r->n_in << 32 | (outputs ? r->n_out : 0));
    for (size_t i = 0; i < r->n_in; i++) ej_key_tensor(key, &r->in[i], open->axes[i]);
    for (size_t i = 0; i < r->n_out && outputs; i++) {
        ej_key_word(key, (uint64_t)(uint32_t)r->out[i].dtype | (uint64_t)(uint32_t)r->out[i].rank << 32);
        bool row_major = ej_tensor_row_major(&r->out[i]);
        ej_key_word(key, row_major);
        for (int32_t axis = 0; axis < r->out[i].rank && !row_major; axis++)
            ej_key_word(key, r->out[i].shape[axis] == 1 ? UINT64_MAX >> 1 : (uint64_t)r->out[i].strides[axis]);
    }
}

/* By number: the kernel may have the names of another program. */
static bool is_open_in(const einjit_kernel *kernel, int32_t number)
{
    for (size_t s = 0; s < kernel->sizes.n_symbols; s++)
        if (ej_kernel_symbol(kernel, s) == number) return true;
    return false;
}

static void add_closed_values(ej_key_words *key, const open_symbols *open, const einjit_graph *graph,
                              const einjit_kernel *kernel)
{
    ej_key_word(key, 3);
    for (size_t k = 0; k < open->n; k++) {
        if (is_open_in(kernel, graph->symbol_numbers[open->ids[k]])) continue;
        ej_key_word(key, k);
        ej_key_word(key, (uint64_t)open->values[k]);
    }
}

/* Inputs always; those outputs that the key has only in part. E_NOMEM: not known. */
static int check_fit(const einjit_kernel *kernel, const ej_request *r)
{
    int64_t symbols[EJ_OPEN_MAX];
    EJ_TRY(ej_check_inputs(kernel, r->n_in, r->in, symbols, NULL));
    for (size_t i = 0; i < r->n_out; i++)
        if (!ej_tensor_row_major(&r->out[i])) return ej_check_outputs(kernel, r->n_out, r->out, symbols, NULL);
    return EINJIT_OK;
}

static int find_open(einjit_kernel **out, finding *f, const open_symbols *open, ej_key_words *key, einjit_error *err)
{
    einjit_kernel *kernel = NULL;
    open_key(key, open, f->request);
    EJ_TRY(look_up(&kernel, f, key, NULL, err));
    int unfit;
    for (int level = 1; (unfit = check_fit(kernel, f->request)) && unfit != EINJIT_E_NOMEM; level++) {
        if (level == 1) add_closed_values(key, open, f->request->graph, kernel);
        ej_kernel_drop(kernel);
        if (level == 2) return find_closed(out, f->context, f->request, err);
        EJ_TRY(look_up(&kernel, f, key, NULL, err));
    }
    if (unfit) {
        ej_kernel_drop(kernel);
        return ej_no_memory(err);
    }
    *out = kernel;
    return EINJIT_OK;
}

int ej_kernel_find(einjit_kernel **out, einjit_context *context, const ej_request *request, einjit_error *err)
{
    if (!request->open || !*request->open) return find_exact(out, context, request, err);
    finding f = {.context = context, .request = request};
    open_symbols open = {.consistent = true};
    ej_arena_init(&open.arena, &context->allocator);
    int status = read_list(&open, &request->graph->graph, request->open, err);
    if (status == EINJIT_OK) status = number_axes(&open, request, err);
    if (status == EINJIT_OK && !open.consistent) {
        status = find_closed(out, context, request, err); /* bind says what is wrong */
    } else if (status == EINJIT_OK) {
        ej_key_words key;
        ej_key_init(&key, &context->allocator);
        status = find_open(out, &f, &open, &key, err);
        ej_key_free(&key);
    }
    ej_arena_free(&open.arena);
    return status;
}
