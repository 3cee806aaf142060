/* lower_support.c - nests as machine code beside the interpreter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lower_support.h"

#include "target_support.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- the module ---- */

const ej_backend *lower_backend(void)
{
    static const ej_host host = {EJ_BACKEND_ABI};
    ej_codegen_fn codegen;
#ifdef EINJIT_STATIC_CODEGEN
    codegen = einjit_codegen;
#else
    const char *path = getenv("EINJIT_MODULE");
    void *module = dlopen(path ? path : EINJIT_TEST_BUILD "/lib/libeinjit-llvm.so", RTLD_NOW | RTLD_LOCAL);
    if (!module) fail_msg("%s", dlerror());
    *(void **)(void *)&codegen = dlsym(module, "einjit_codegen");
    if (!codegen) fail_msg("the module has no einjit_codegen");
#endif
    const ej_backend *backend = codegen(&host);
    if (!backend) fail_msg("the module is of another ABI");
    return backend;
}

/* Sizes that nests of a plan take from it. */
static void describe(nest_case *c, ej_plan *plan, ej_nests *nests, const ej_constant *constants, size_t n_constants)
{
    memset(plan, 0, sizeof *plan);
    memset(nests, 0, sizeof *nests);
    plan->n_constants = n_constants;
    plan->constants = (ej_constant *)(uintptr_t)constants;
    nests->plan = plan;
    nests->sizes = &c->sizes;
    nests->n = 1;
    nests->nests = &c->nest;
}

static void compile_with(lower_code *out, nest_case *c, const ej_target *target, const ej_constant *constants,
                         size_t n_constants, uint32_t dump, ej_text *text)
{
    ej_plan plan;
    ej_nests nests;
    ej_job job = {.arena = &c->arena,
                  .err = &c->err,
                  .allocator = &ej_malloc_allocator,
                  .target = target,
                  .verify = true,
                  .dump = dump,
                  .dump_text = text};
    describe(c, &plan, &nests, constants, n_constants);
    memset(out, 0, sizeof *out);
    /* Without a limit of lanes: LLVM splits vectors that are too wide for a row. */
    if (ej_nest_check(&c->nest, NULL, &c->err)) fail_msg("%s", c->err.text);
    if (lower_backend()->compile(&out->code, &nests, &job)) fail_msg("%s: %s", target->name, c->err.text);
    if (ej_image_map(&out->image, &out->code, &c->err)) fail_msg("%s", c->err.text);
    void *at = (char *)out->image.base + out->code.entry;
    memcpy(&out->entry, &at, sizeof at);
}

void lower_compile(lower_code *out, nest_case *c, const ej_target *target, uint32_t dump, ej_text *text)
{
    compile_with(out, c, target, NULL, 0, dump, text);
}

void lower_free(lower_code *code)
{
    ej_image_unmap(&code->image);
    ej_code_release(&code->code, &ej_malloc_allocator);
}

/* ---- memory that ends where its elements end ---- */

typedef struct block {
    char *map;
    size_t map_bytes;
    char *data;
    size_t bytes;
} block;

enum { PAGE = 4096 };

static block block_new(size_t bytes, bool at_end)
{
    block b = {.bytes = bytes};
    size_t inner = (bytes + PAGE - 1) / PAGE * PAGE;
    if (!inner) inner = PAGE;
    b.map_bytes = inner + 2 * PAGE;
    b.map = mmap(NULL, b.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(b.map != MAP_FAILED);
    assert_int_equal(mprotect(b.map + PAGE, inner, PROT_READ | PROT_WRITE), 0);
    b.data = b.map + PAGE + (at_end ? inner - bytes : 0);
    return b;
}

static void block_free(block *b)
{
    if (b->map) munmap(b->map, b->map_bytes);
}

/* ---- one run ---- */

typedef struct bounds {
    int64_t low, high; /* elements; low > high: none */
} bounds;

typedef struct trial {
    nest_case *c;
    int64_t *atoms;
    bounds *bounds;         /* per buffer */
    ej_constant *constants; /* by slot */
    size_t n_constants;
} trial;

static int64_t value_of(const trial *t, ej_size size)
{
    int64_t n = 0;
    assert_true(ej_size_evaluate(&t->c->sizes, size, t->atoms, &n));
    return n;
}

static int64_t term_at(const trial *t, const ej_access_term *term, int64_t v)
{
    int64_t stride = value_of(t, term->stride);
    if (term->block <= 0) return stride * v;
    return stride * (v % term->block) + value_of(t, term->block_stride) * (v / term->block);
}

static void widen(const trial *t, const ej_access *access);

/* An entry may be read wherever its axis has a value, also where another axis has none. */
static void widen_tables(const trial *t, const ej_access *access)
{
    for (int32_t i = 0; i < access->n_terms; i++) {
        const ej_access_term *term = &access->terms[i];
        if (term->table < 0) continue;
        ej_access_term plain = {.axis = term->axis, .table = -1, .stride = term->tstride};
        widen(t, &(ej_access){term->table, term->tbase, 1, &plain});
    }
}

static void widen(const trial *t, const ej_access *access)
{
    int64_t low = value_of(t, access->base), high = low;
    widen_tables(t, access);
    for (int32_t i = 0; i < access->n_terms; i++) {
        const ej_access_term *term = &access->terms[i];
        int64_t extent = value_of(t, t->c->nest.axes[term->axis].extent), least = INT64_MAX, most = INT64_MIN;
        if (extent <= 0) return;
        if (term->table >= 0) extent = value_of(t, t->c->nest.buffers[term->table].limit);
        for (int64_t v = 0; v < extent; v += term->block > 0 || extent < 2 ? 1 : extent - 1) {
            int64_t at = term_at(t, term, v);
            if (at < least) least = at;
            if (at > most) most = at;
        }
        low += least;
        high += most;
    }
    bounds *b = &t->bounds[access->buffer];
    if (low < b->low) b->low = low;
    if (high > b->high) b->high = high;
}

static void find_bounds(trial *t)
{
    const ej_nest *nest = &t->c->nest;
    for (int32_t b = 0; b < nest->n_buffers; b++) t->bounds[b] = (bounds){INT64_MAX, INT64_MIN};
    for (int32_t i = 0; i < nest->n_nodes; i++) {
        if (nest->nodes[i].kind != EJ_NEST_LEAF) continue;
        widen(t, &nest->nodes[i].dst);
        for (int32_t s = 0; s < nest->nodes[i].n_src; s++) widen(t, &nest->nodes[i].src[s]);
    }
}

static void fill(const ej_buffer *buffer, int64_t limit, uint32_t seed, char *data, int64_t n)
{
    size_t bytes = einjit_dtype_bytes(buffer->dtype);
    for (int64_t i = 0; i < n; i++) {
        ej_scalar x = {0};
        x.re = nest_value(seed, (size_t)i);
        x.im = nest_value(seed + 77, (size_t)i);
        x.integer = buffer->dtype == EINJIT_BOOL ? x.re > 1 : (int64_t)x.re;
        if (buffer->is_table) x.integer = limit > 0 ? ((int64_t)x.re + 4 + 9 * ((int64_t)x.im + 4)) % limit : 0;
        ej_scalar_store(buffer->dtype, data + (size_t)i * bytes, x);
    }
}

static bool close_enough(double a, double b, double tolerance)
{
    if ((isnan(a) && isnan(b)) || a == b) return true;
    return fabs(a - b) <= tolerance * fmax(1.0, fabs(b));
}

static void compare(const trial *t, const char *target, int32_t id, const char *want, const char *got, int64_t n,
                    double tolerance)
{
    const ej_buffer *buffer = &t->c->nest.buffers[id];
    size_t bytes = einjit_dtype_bytes(buffer->dtype);
    for (int64_t i = 0; i < n; i++) {
        size_t at = (size_t)i * bytes;
        if (!memcmp(want + at, got + at, bytes)) continue;
        ej_scalar x = ej_scalar_load(buffer->dtype, want + at), y = ej_scalar_load(buffer->dtype, got + at);
        if (x.integer == y.integer && close_enough(y.re, x.re, tolerance) && close_enough(y.im, x.im, tolerance) &&
            ej_dtypes[buffer->dtype].kind >= EJ_KIND_FLOAT)
            continue;
        fail_msg("%s: buffer %s[%lld]: %.9g %.9g %lld, the interpreter says %.9g %.9g %lld, in\n%s", target,
                 buffer->name, (long long)(i + t->bounds[id].low), y.re, y.im, (long long)y.integer, x.re, x.im,
                 (long long)x.integer, nest_print(t->c));
    }
}

static size_t scratch_bytes(const trial *t)
{
    int64_t most = 0;
    for (int32_t b = 0; b < t->c->nest.n_buffers; b++) {
        const ej_buffer *buffer = &t->c->nest.buffers[b];
        if (buffer->home != EJ_HOME_SCRATCH && buffer->home != EJ_HOME_LOCAL) continue;
        int64_t end = value_of(t, buffer->offset_bytes) + value_of(t, buffer->elems) * ej_dtypes[buffer->dtype].bytes;
        if (end > most) most = end;
    }
    return (size_t)most;
}

/* A nest's arguments and, behind them, its scratch; the arguments by slot, each where its element 0 would be. */
typedef struct memory {
    block *blocks;
    void **args;
} memory;

static void memory_new(memory *m, const trial *t, bool at_end)
{
    const ej_nest *nest = &t->c->nest;
    size_t n_buffers = (size_t)nest->n_buffers;
    m->blocks = calloc(n_buffers + 1, sizeof *m->blocks);
    m->args = calloc(n_buffers + 1, sizeof *m->args);
    assert_true(m->blocks && m->args);
    for (int32_t b = 0; b < nest->n_buffers; b++) {
        const ej_buffer *buffer = &nest->buffers[b];
        if (buffer->home != EJ_HOME_ARG) continue;
        int64_t n = t->bounds[b].high < t->bounds[b].low ? 0 : t->bounds[b].high - t->bounds[b].low + 1;
        int64_t bytes = ej_dtypes[buffer->dtype].bytes;
        m->blocks[b] = block_new((size_t)(n * bytes), at_end);
        fill(buffer, value_of(t, buffer->limit), (uint32_t)b, m->blocks[b].data, n);
        m->args[buffer->slot] = m->blocks[b].data - (n ? t->bounds[b].low * bytes : 0);
    }
    /* Scratch is aligned to 64 bytes, so its end may lie before the page's. */
    m->blocks[n_buffers] = block_new((scratch_bytes(t) + 63) / 64 * 64, true);
}

static void memory_free(memory *m, const trial *t)
{
    for (int32_t b = 0; b <= t->c->nest.n_buffers; b++) block_free(&m->blocks[b]);
    free(m->blocks), free(m->args);
}

/* The interpreter takes most of the time and looks at every index itself: one run is what both placements, at the end
 * and at the beginning of pages, are compared with. */
static void agree_with_interpreter(trial *t, const ej_target *target, const lower_code *code, const int64_t *symbols,
                                   double tolerance)
{
    const ej_nest *nest = &t->c->nest;
    memory want;
    find_bounds(t);
    memory_new(&want, t, true);
    if (nest_run(t->c, want.args, t->constants, symbols, want.blocks[nest->n_buffers].data))
        fail_msg("%s", t->c->err.text);
    for (int at_end = 1; at_end >= 0; at_end--) {
        memory got;
        memory_new(&got, t, at_end);
        code->entry(got.args, symbols, got.blocks[nest->n_buffers].data);
        for (int32_t b = 0; b < nest->n_buffers; b++)
            if (nest->buffers[b].home == EJ_HOME_ARG)
                compare(t, target->name, b, want.blocks[b].data, got.blocks[b].data,
                        (int64_t)want.blocks[b].bytes / ej_dtypes[nest->buffers[b].dtype].bytes, tolerance);
        memory_free(&got, t);
    }
    memory_free(&want, t);
}

static void make_constants(trial *t)
{
    const ej_nest *nest = &t->c->nest;
    t->constants = EJ_NEW_ARRAY(&t->c->arena, ej_constant, nest->n_buffers + 1);
    assert_non_null(t->constants);
    for (int32_t b = 0; b < nest->n_buffers; b++) {
        const ej_buffer *buffer = &nest->buffers[b];
        if (buffer->home != EJ_HOME_CONST) continue;
        char *data = EJ_NEW_ARRAY(&t->c->arena, char, (size_t)buffer->elems.n *ej_dtypes[buffer->dtype].bytes);
        assert_non_null(data);
        fill(buffer, buffer->limit.n, (uint32_t)b, data, buffer->elems.n);
        t->constants[buffer->slot] = (ej_constant){buffer->dtype, buffer->elems.n, data};
        if ((size_t)buffer->slot >= t->n_constants) t->n_constants = (size_t)buffer->slot + 1;
    }
}

void lower_agree_on(const ej_target *target, const char *text, size_t n, const int64_t *symbols, double tolerance)
{
    nest_case c;
    lower_code code;
    trial t = {.c = &c};
    int64_t observed[16];
    nest_open(&c);
    if (nest_parse(&c, text)) fail_msg("line %d: %s: %s\n%s", (int)c.err.line, c.err.text, c.err.source, text);
    t.atoms = EJ_NEW_ARRAY(&c.arena, int64_t, c.sizes.n_atoms);
    t.bounds = EJ_NEW_ARRAY(&c.arena, bounds, c.nest.n_buffers);
    assert_true(t.atoms && t.bounds && c.sizes.n_symbols <= 16);
    make_constants(&t);
    compile_with(&code, &c, target, t.constants, t.n_constants, 0, NULL);
    for (size_t s = 0; s < c.sizes.n_symbols; s++) observed[s] = c.sizes.atoms[s].n;
    for (size_t i = 0; i < (n ? n : 1); i++) {
        const int64_t *values = n ? symbols + i * c.sizes.n_symbols : observed;
        assert_true(ej_sizes_evaluate(&c.sizes, values, t.atoms));
        agree_with_interpreter(&t, target, &code, values, tolerance);
    }
    lower_free(&code);
    nest_close(&c);
}

void lower_agree(const char *text, size_t n, const int64_t *symbols, double tolerance)
{
    for (int i = 0; i < ej_n_targets; i++) lower_agree_on(target_row(i), text, n, symbols, tolerance);
}

void lower_agree_format(size_t n, const int64_t *symbols, double tolerance, const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_true(length > 0 && (size_t)length < sizeof text);
    lower_agree(text, n, symbols, tolerance);
}
