/* kernel_wire.c - messages as bytes, and back.
 *
 * Takes  nests, jobs, code, errors.
 * Gives  the same in the other process. Nests go as their text (nest_text.c), so that there is one form of them that is
 *        written down; sizes keep their meaning, not the numbers of their atoms.
 * Not here: sockets (kernel_child.c).
 */
#include "kernel_wire.h"

#include <string.h>

static const uint64_t most_bytes = UINT64_C(1) << 40; /* more is no length */

/* ---- messages ---- */

void ej_wire_begin(ej_text *out, enum ej_wire_kind kind)
{
    const ej_wire_head head = {.version = EJ_WIRE_VERSION, .kind = (uint16_t)kind};
    out->length = 0;
    ej_print_bytes(out, (const char *)&head, sizeof head);
}

void ej_wire_put(ej_text *out, const void *bytes, size_t n)
{
    const uint64_t length = n;
    ej_print_bytes(out, (const char *)&length, sizeof length);
    if (n) ej_print_bytes(out, bytes, n);
}

int ej_wire_end(ej_text *out, int status, einjit_error *err)
{
    ej_wire_head head;
    if (out->failed) return ej_no_memory(err);
    memcpy(&head, out->data, sizeof head);
    head.status = status;
    head.n_bytes = out->length - sizeof head;
    head.sum = ej_hash_bytes(out->data + sizeof head, out->length - sizeof head);
    memcpy(out->data, &head, sizeof head);
    return EINJIT_OK;
}

bool ej_wire_knows(const ej_wire_head *head)
{
    return head->version == EJ_WIRE_VERSION && head->kind <= EJ_WIRE_BYE && head->n_bytes <= most_bytes &&
           head->status >= EINJIT_OK && head->status < EINJIT_STATUS_COUNT;
}

bool ej_wire_is_whole(const ej_wire_head *head, const void *body)
{
    return ej_hash_same(head->sum, ej_hash_bytes(body, (size_t)head->n_bytes));
}

bool ej_wire_take(ej_wire_cursor *body, const char **bytes, size_t *n)
{
    uint64_t length;
    if (body->left < sizeof length) return false;
    memcpy(&length, body->at, sizeof length);
    if (length > body->left - sizeof length) return false;
    *bytes = body->at + sizeof length;
    *n = (size_t)length;
    body->at += sizeof length + *n;
    body->left -= sizeof length + *n;
    return true;
}

bool ej_wire_take_as(ej_wire_cursor *body, void *out, size_t n)
{
    const char *bytes;
    size_t length;
    if (!ej_wire_take(body, &bytes, &length) || length != n) return false;
    memcpy(out, bytes, n);
    return true;
}

static int fail_message(einjit_error *err, const char *which)
{
    return ej_fail(err, EINJIT_E_INTERNAL, "the %s between the processes does not add up", which);
}

/* ---- hello ---- */

void ej_wire_write_hello(ej_text *out, const ej_wire_hello *hello)
{
    ej_wire_put(out, hello->generator, hello->n_generator);
}

int ej_wire_read_hello(ej_wire_hello *out, ej_wire_cursor body, einjit_error *err)
{
    bool whole = ej_wire_take(&body, &out->generator, &out->n_generator);
    return whole ? EINJIT_OK : fail_message(err, "first message");
}

/* ---- requests ---- */

typedef struct request_head {
    char target[32];
    uint64_t limit_ms, n_constants, n_nests;
    uint32_t dump, verify;
} request_head;
typedef struct constant_head {
    int64_t elems;
    int32_t dtype, unused;
} constant_head;

/* Of the plan the code generator needs where its scratch ends: a nest of one axis that is so long. */
static int scratch_nest(ej_nest *out, const ej_nests *nests, ej_arena *arena)
{
    ej_size bytes = nests->plan ? nests->plan->scratch_bytes : ej_size_number(0);
    ej_nest_init(out, "scratch");
    return ej_nest_axis(out, arena, "bytes", bytes, EJ_RUN_SEQUENTIAL, NULL);
}

static void put_constant(ej_text *out, const ej_constant *constant)
{
    const constant_head head = {.elems = constant->elems, .dtype = constant->dtype};
    ej_wire_put(out, &head, sizeof head);
    ej_wire_put(out, constant->data, (size_t)constant->elems * ej_dtypes[constant->dtype].bytes);
}

void ej_wire_write_request(ej_text *out, const ej_nests *nests, const ej_job *job, uint64_t limit_ms)
{
    request_head head = {.limit_ms = limit_ms,
                         .n_constants = nests->plan ? nests->plan->n_constants : 0,
                         .n_nests = (uint64_t)nests->n,
                         .dump = job->dump_text ? job->dump & (1u << EJ_STAGE_IR | 1u << EJ_STAGE_ASM) : 0,
                         .verify = job->verify};
    ej_nest scratch;
    ej_text text;
    strncpy(head.target, job->target->name, sizeof head.target - 1);
    ej_wire_put(out, &head, sizeof head);
    for (uint64_t i = 0; i < head.n_constants; i++) put_constant(out, &nests->plan->constants[i]);
    ej_text_init(&text, out->arena);
    if (scratch_nest(&scratch, nests, out->arena)) out->failed = true;
    for (int32_t i = -1; i < nests->n && !out->failed; i++) {
        text.length = 0;
        ej_nest_print(&text, i < 0 ? &scratch : &nests->nests[i], nests->sizes);
        ej_wire_put(out, text.data, text.length);
        out->failed |= text.failed;
    }
}

static int take_constants(ej_plan *plan, size_t n, ej_job *job, ej_wire_cursor *body)
{
    plan->n_constants = n;
    if (n > body->left) return fail_message(job->err, "request");
    plan->constants = EJ_JOB_ARRAY(job, ej_constant, n);
    if (!plan->constants) return ej_no_memory(job->err);
    for (size_t i = 0; i < n; i++) {
        constant_head head;
        const char *data;
        size_t bytes;
        if (!ej_wire_take_as(body, &head, sizeof head) || !ej_wire_take(body, &data, &bytes) || head.dtype < 0 ||
            head.dtype >= EINJIT_DTYPE_COUNT || head.elems < 0 ||
            bytes / ej_dtypes[head.dtype].bytes != (size_t)head.elems)
            return fail_message(job->err, "request");
        plan->constants[i] = (ej_constant){.dtype = (int16_t)head.dtype, .elems = head.elems, .data = data};
    }
    return EINJIT_OK;
}

static int take_nest(ej_nest *out, ej_sizes *sizes, ej_job *job, ej_wire_cursor *body)
{
    const char *text;
    size_t length;
    if (!ej_wire_take(body, &text, &length)) return fail_message(job->err, "request");
    return ej_nest_parse(out, sizes, job->arena, text, length, job->err);
}

static int take_nests(ej_nests *out, ej_plan *plan, ej_sizes *sizes, ej_job *job, ej_wire_cursor *body)
{
    ej_nest scratch;
    EJ_TRY(take_nest(&scratch, sizes, job, body));
    if (scratch.n_axes != 1) return fail_message(job->err, "request");
    plan->scratch_bytes = scratch.axes[0].extent;
    for (int32_t i = 0; i < out->n; i++) {
        EJ_TRY(take_nest(&out->nests[i], sizes, job, body));
        for (int32_t b = 0; b < out->nests[i].n_buffers; b++) {
            const ej_buffer *buffer = &out->nests[i].buffers[b];
            bool constant = buffer->home == EJ_HOME_CONST;
            if (constant && (buffer->slot < 0 || (size_t)buffer->slot >= plan->n_constants))
                return fail_message(job->err, "request");
        }
    }
    return EINJIT_OK;
}

int ej_wire_read_request(ej_nests *out, ej_job *job, uint64_t *limit_ms, ej_wire_cursor body)
{
    request_head head;
    if (!ej_wire_take_as(&body, &head, sizeof head) || head.n_nests > body.left || head.n_nests > INT32_MAX ||
        head.target[sizeof head.target - 1])
        return fail_message(job->err, "request");
    ej_plan *plan = EJ_JOB_NEW(job, ej_plan);
    ej_sizes *sizes = EJ_JOB_NEW(job, ej_sizes);
    ej_nest *nests = EJ_JOB_ARRAY(job, ej_nest, (size_t)head.n_nests);
    if (!plan || !sizes || !nests) return ej_no_memory(job->err);
    ej_sizes_init(sizes, job->arena);
    *out = (ej_nests){.plan = plan, .sizes = sizes, .n = (int32_t)head.n_nests, .nests = nests};
    *limit_ms = head.limit_ms;
    job->target = ej_target_by_name(head.target);
    job->verify = head.verify;
    job->dump = head.dump;
    if (!job->target) return fail_message(job->err, "request");
    EJ_TRY(take_constants(plan, (size_t)head.n_constants, job, &body));
    return take_nests(out, plan, sizes, job, &body);
}

/* ---- answers ---- */

void ej_wire_write_answer(ej_text *out, const ej_code *code, const ej_text *dump, const ej_text *assembly)
{
    const uint64_t entry = code->entry;
    ej_wire_put(out, &entry, sizeof entry);
    ej_wire_put(out, code->bytes, code->n_bytes);
    ej_wire_put(out, code->phases, code->n_phases * sizeof *code->phases);
    ej_wire_put(out, dump->data, dump->length);
    ej_wire_put(out, assembly->data, assembly->length);
    out->failed |= dump->failed || assembly->failed;
}

static void *copy(const char *bytes, size_t n, const einjit_allocator *allocator)
{
    void *out = ej_alloc(allocator, n);
    if (out && n) memcpy(out, bytes, n);
    return out;
}

int ej_wire_read_answer(ej_code *out, ej_job *job, ej_wire_cursor body)
{
    uint64_t entry;
    const char *bytes, *phases, *dump, *assembly;
    size_t n_bytes, n_phases, n_dump, n_assembly;
    if (!ej_wire_take_as(&body, &entry, sizeof entry) || !ej_wire_take(&body, &bytes, &n_bytes) ||
        !ej_wire_take(&body, &phases, &n_phases) || !ej_wire_take(&body, &dump, &n_dump) ||
        !ej_wire_take(&body, &assembly, &n_assembly) || entry >= n_bytes || n_phases % sizeof *out->phases)
        return fail_message(job->err, "answer");
    ej_code code = {.bytes = copy(bytes, n_bytes, job->allocator),
                    .n_bytes = n_bytes,
                    .entry = (size_t)entry,
                    .n_phases = n_phases / sizeof *code.phases};
    if (n_phases) code.phases = copy(phases, n_phases, job->allocator);
    if (!code.bytes || (n_phases && !code.phases)) {
        ej_code_release(&code, job->allocator);
        return ej_no_memory(job->err);
    }
    if (n_dump) ej_print_bytes(job->dump_text, dump, n_dump);
    if (n_assembly) ej_print_bytes(job->asm_text ? job->asm_text : job->dump_text, assembly, n_assembly);
    *out = code;
    return EINJIT_OK;
}
