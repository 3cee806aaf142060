/* lower_loop.c - the tree of a nest: loops, chunks of ranges, and what is placed in them.
 *
 * Takes  the nodes of a nest, the builder in the function's first block.
 * Gives  blocks. A loop with step s over a range is one counted loop over its full chunks and one copy of the body for
 *        the shorter rest; chunk counts are compared with numbers where the extents are numbers. Bodies that run once
 *        get no loop. Where loops inside divide the chunks again, the rest needs no copy: the last chunk is shorter at
 *        run time, and what it leaves to the loops inside is a number if the extent is one. Nor does it where the last
 *        chunk may be a full one that begins inside the one before (lower_overlap.c).
 * Not here: pointers (lower_access.c), registers at joins (lower_join.c), leaves (lower_leaf.c).
 */
#include "lower_nest.h"

#include <llvm-c/DebugInfo.h>
#include <stdio.h>
#include <string.h>

static void emit_list(ej_lower *w, int32_t node);

LLVMBasicBlockRef ej_lower_block(ej_lower *w, const char *name)
{
    return LLVMAppendBasicBlockInContext(w->e->context, w->function, name ? name : "");
}

static const ej_buffer *buffer_of(const ej_lower *w, const ej_at *at)
{
    return &w->nest->buffers[at->access->buffer];
}

static const char *axis_name(const ej_lower *w, int32_t axis)
{
    return w->nest->axes[axis].name ? w->nest->axes[axis].name : "axis";
}

static LLVMBasicBlockRef loop_block(ej_lower *w, int32_t axis)
{
    char name[64];
    snprintf(name, sizeof name, "loop_%s", axis_name(w, axis));
    return ej_lower_block(w, name);
}

/* ---- one chunk of a loop's range ---- */

/* What is known of a length that is no number: modulo and residue as in ej_range. */
typedef struct chunk_length {
    int64_t modulo, residue;
} chunk_length;
static const chunk_length any_length = {0, 0};

/* The body with the axis' range `by` further and of the given length (most, n: as in ej_range when count is -1). */
static void emit_chunk(ej_lower *w, int32_t id, LLVMValueRef by, int64_t count, int64_t most, LLVMValueRef n,
                       chunk_length length)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    int32_t first = w->first_at[id], end = w->end_at[id];
    ej_range outer = w->ranges[node->axis];
    int64_t fixed;
    size_t n_at = (size_t)(end - first);
    ej_at *saved = EJ_LOWER_NEW(w, ej_at, n_at);
    if (!saved) return;
    if (n_at) memcpy(saved, w->at + first, n_at * sizeof *saved);

    if (count < 0 && most == 1) count = 1; /* at least one value is there */
    ej_range *range = &w->ranges[node->axis];
    range->lo = ej_lower_add(w, outer.lo, by, axis_name(w, node->axis));
    range->count = count;
    range->most = count >= 0 ? count : most;
    range->n = n;
    range->maybe_empty = false;
    range->modulo = length.modulo;
    range->residue = length.residue;
    if (ej_lower_constant(by, &fixed) && fixed > 0) range->past_start = true;
    ej_at_advance(w, first, end, node->axis, by, &outer, node->aligned ? 1 : node->step);
    for (int32_t p = 0; p < node->n_placed; p++) ej_at_place(w, first, end, node->placed[p]);
    for (int32_t p = 0; p < node->n_placed; p++) ej_direct_begin(w, id, node->placed[p]);
    ej_at_tables(w, first, end, false);
    emit_list(w, node->child);
    for (int32_t p = 0; p < node->n_placed; p++) {
        w->direct[node->placed[p]].out = NULL;
        ej_regs_drop(w, node->placed[p]);
        w->placed_lo[node->placed[p]] = NULL;
    }
    w->ranges[node->axis] = outer;
    if (n_at) memcpy(w->at + first, saved, n_at * sizeof *saved);
}

/* ---- what loops count ---- */

/* LLVM's loop strength reduction looks at all that grows by a known amount each round, and takes longer than all the
 * rest of code generation where a body holds many addresses. These are what they have to be when they are emitted:
 * running pointers and constants beside them. So the amount is hidden from it in a call, which instruction selection
 * drops. */
static LLVMValueRef hidden(ej_lower *w, int64_t amount)
{
    LLVMValueRef value = ej_lower_i64(w, amount);
    return ej_intrinsic(w->e, "llvm.expect", (LLVMValueRef[]){value, value}, 2, "");
}

bool ej_has_loops(const ej_lower *w, int32_t id)
{
    for (; id >= 0; id = w->nest->nodes[id].next)
        if (w->nest->nodes[id].kind == EJ_NEST_LOOP) return true;
    return false;
}

LLVMValueRef ej_loop_pointer(ej_lower *w, LLVMValueRef pointer, LLVMValueRef by, int64_t block, ej_size stride,
                             int64_t bytes)
{
    ej_running *loop = w->running;
    int64_t round;
    /* of a second term */
    bool inside = LLVMIsAInstruction(pointer) && loop && LLVMGetInstructionParent(pointer) == loop->body;
    if (!loop || inside || by != loop->variable || loop->n == EJ_RUNNING_MAX || stride.e || loop->step % block ||
        __builtin_mul_overflow(loop->step / block, stride.n, &round) || __builtin_mul_overflow(round, bytes, &round))
        return NULL;
    for (int64_t scale = 1; scale <= 8; scale *= 2)
        if (round == loop->step * scale) return NULL;
    LLVMBuilderRef b = w->e->builder;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMPositionBuilderBefore(b, LLVMGetFirstInstruction(loop->body));
    LLVMValueRef running = LLVMBuildPhi(b, w->m->pointer, "");
    LLVMPositionBuilderAtEnd(b, here);
    LLVMAddIncoming(running, &pointer, &loop->before, 1);
    loop->pointer[loop->n] = running;
    loop->bytes[loop->n++] = round;
    return running;
}

/* Builder at the end of the loop's last block. */
static void move_on(ej_lower *w, const ej_running *loop)
{
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(w->e->builder);
    for (int32_t i = 0; i < loop->n; i++) {
        LLVMValueRef by = hidden(w, loop->bytes[i]);
        LLVMValueRef next = LLVMBuildGEP2(w->e->builder, w->m->i8, loop->pointer[i], &by, 1, "");
        LLVMAddIncoming(loop->pointer[i], &next, &latch, 1);
    }
}

/* Innermost loops that go round a while begin on a line of the cache of decoded instructions: where they lie by chance,
 * the same loop over multiply-adds differs by a sixth. LLVM knows the word from 18 on; before, nothing comes of it. */
enum { EJ_LOOP_LINE = 64, EJ_LOOP_ROUNDS = 8 };

static void align_loop(ej_lower *w, LLVMValueRef branch)
{
    ej_lower_module *m = w->m;
    LLVMContextRef context = w->e->context;
    if (!m->aligned_loop) {
        static const char word[] = "llvm.loop.align";
        LLVMMetadataRef parts[2] = {LLVMMDStringInContext2(context, word, sizeof word - 1),
                                    LLVMValueAsMetadata(LLVMConstInt(m->i32, EJ_LOOP_LINE, 0))};
        LLVMMetadataRef itself = LLVMTemporaryMDNode(context, NULL, 0); /* the first word of what describes a loop */
        LLVMMetadataRef loop[2] = {itself, LLVMMDNodeInContext2(context, parts, 2)};
        LLVMMetadataRef node = LLVMMDNodeInContext2(context, loop, 2);
        LLVMMetadataReplaceAllUsesWith(itself, node);
        m->aligned_loop = LLVMMetadataAsValue(context, node);
    }
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(context, "llvm.loop", 9), m->aligned_loop);
}

/* ---- counted loops over full chunks ---- */

/* do { chunk at d } while ((d += step) <= last): the builder comes from `before` and leaves at the end of the loop's
 * last block, before its branch to *body or onwards. Gives the next d and whether to go round again. `total` (NULL: all
 * chunks are full): the last chunk ends there, and this is known of `length`s; `latest` > 0: that chunk has so many
 * values, and may begin inside the one before. `late` (NULL: none may): stores that are left for behind the loop. */
static LLVMValueRef emit_round(ej_lower *w, int32_t id, LLVMBasicBlockRef before, LLVMBasicBlockRef body,
                               LLVMValueRef last, LLVMValueRef total, chunk_length length, int64_t latest,
                               LLVMValueRef *again, ej_late *late)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    LLVMBuilderRef b = w->e->builder;
    const char *name = axis_name(w, node->axis);
    ej_loop_regs regs;
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef d = LLVMBuildPhi(b, w->m->i64, name), zero = ej_lower_i64(w, 0);
    LLVMAddIncoming(d, &zero, &before, 1);
    ej_regs_loop_begin(w, &regs, before);
    ej_running running = {.variable = d, .step = node->step, .before = before, .body = body};
    if (late) running.late = *late;
    w->running = ej_has_loops(w, node->child) ? NULL : &running;
    LLVMValueRef by = d;
    if (latest) {
        LLVMValueRef most = LLVMBuildSub(b, total, ej_lower_i64(w, latest), "");
        by = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, d, most, ""), d, most, "");
        if (w->in_step[id]) w->blocks_by = d;
    }
    if (total && latest != node->step) {
        LLVMValueRef step = ej_lower_i64(w, node->step), left = LLVMBuildSub(b, total, by, "");
        LLVMValueRef n = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, left, step, ""), left, step, "");
        emit_chunk(w, id, by, -1, node->step, n, latest ? (chunk_length){node->step, latest} : length);
    } else {
        emit_chunk(w, id, by, node->step, node->step, NULL, any_length);
    }
    w->running = NULL;
    ej_regs_loop_end(w, &regs);
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
    LLVMValueRef next = LLVMBuildNUWAdd(b, d, hidden(w, node->step), "");
    LLVMAddIncoming(d, &next, &latch, 1);
    move_on(w, &running);
    ej_late_keep(&running.late, latch);
    if (late) *late = running.late;
    *again = LLVMBuildICmp(b, LLVMIntSLE, next, last, "");
    return next;
}

enum { LATE_ROUNDS = 4 }; /* fewer do not repay a branch and another copy of the stores */

/* So many chunks; total, latest: as in emit_round. */
static void emit_counted(ej_lower *w, int32_t id, int64_t chunks, int64_t total, int64_t latest)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef again;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), body = loop_block(w, node->axis);
    ej_late late = {.may = chunks >= LATE_ROUNDS};
    LLVMBuildBr(b, body);
    w->times *= (double)chunks;
    emit_round(w, id, before, body, ej_lower_i64(w, (chunks - 1) * node->step),
               total > 0 ? ej_lower_i64(w, total) : NULL, (chunk_length){total > 0 ? node->step : 0, total}, latest,
               &again, &late);
    w->times /= (double)chunks;
    LLVMBasicBlockRef after = ej_lower_block(w, "");
    LLVMValueRef branch = LLVMBuildCondBr(b, again, body, after);
    if (chunks >= EJ_LOOP_ROUNDS && !ej_has_loops(w, node->child)) align_loop(w, branch);
    LLVMPositionBuilderAtEnd(b, after);
    ej_late_store(w, &late);
}

/* Everything below that moves along the axis is in loops that divide a chunk of `step`. */
static bool divides_again(const ej_lower *w, int32_t id, int32_t axis, int64_t step)
{
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->kind == EJ_NEST_LOOP && node->axis == axis) {
            if (step % node->step || step == node->step) return false;
        } else if (node->kind == EJ_NEST_LOOP) {
            if (!divides_again(w, node->child, axis, step)) return false;
        } else {
            for (int32_t a = w->first_at[id]; a < w->end_at[id]; a++)
                if (ej_access_find(w->at[a].access, axis)) return false;
        }
    }
    return true;
}

/* A chunk of so many values has copies of bodies inside of which none may overlap the chunk before: it is too short. */
static bool is_too_short(const ej_lower *w, int32_t id, int32_t axis, int64_t rest)
{
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->kind != EJ_NEST_LOOP) continue;
        if (node->axis == axis && rest < node->step) return true;
        if (is_too_short(w, node->child, axis, rest)) return true;
    }
    return false;
}

static void emit_static(ej_lower *w, int32_t id, int64_t count)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    int64_t full = count / node->step, rest = count % node->step;
    bool divided = full && rest && divides_again(w, node->child, node->axis, node->step);
    bool copied = full && rest && (!divided || is_too_short(w, node->child, node->axis, rest));
    int64_t latest = copied || w->in_step[id] ? ej_loop_last_chunk(w, id, rest, divided) : 0;
    if (divided || latest) {
        emit_counted(w, id, full + 1, count, latest);
        return;
    }
    ej_range *range = &w->ranges[node->axis], outer = *range;
    range->short_of_end = range->short_of_end || rest; /* of the full chunks */
    if (full == 1) emit_chunk(w, id, ej_lower_i64(w, 0), node->step, node->step, NULL, any_length);
    else if (full > 1) emit_counted(w, id, full, 0, 0);
    *range = outer;
    if (rest) emit_chunk(w, id, ej_lower_i64(w, full * node->step), rest, rest, NULL, any_length);
}

/* ---- run-time counts ---- */

static void emit_guarded(ej_lower *w, int32_t id, LLVMValueRef condition, LLVMValueRef by, int64_t count, int64_t most,
                         LLVMValueRef n, chunk_length length)
{
    ej_guard guard;
    if (!ej_guard_begin(w, &guard, condition, "rest")) return;
    emit_chunk(w, id, by, count, most, n, length);
    ej_guard_end(w, &guard);
}

/* How emit_chunks takes a range. */
typedef struct chunks {
    bool certain;  /* there is a full one; `all`: any */
    bool all;      /* all of it, the last one maybe shorter; else only the full ones */
    bool overlaps; /* the last one is full, and may begin inside the one before */
    chunk_length length;
} chunks;

/* Gives how many of the n values they cover. */
static LLVMValueRef emit_chunks(ej_lower *w, int32_t id, LLVMValueRef n, const chunks *how)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    LLVMBuilderRef b = w->e->builder;
    ej_regs before_regs;
    LLVMValueRef again, zero = ej_lower_i64(w, 0), least = ej_lower_i64(w, how->all ? 1 : node->step);
    LLVMValueRef last = LLVMBuildSub(b, n, least, "");
    if (!ej_regs_copy(w, &before_regs, &w->regs)) return zero;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), body = loop_block(w, node->axis);
    LLVMBasicBlockRef after = ej_lower_block(w, "");
    if (how->certain) LLVMBuildBr(b, body);
    else LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSGE, n, least, ""), body, after);
    double times = w->times;
    int64_t most = w->ranges[node->axis].most;
    w->times *= most < INT64_MAX ? (double)((most + node->step - 1) / node->step) : 1;
    LLVMValueRef next = emit_round(w, id, before, body, last, how->all ? n : NULL, how->length,
                                   how->overlaps ? node->step : 0, &again, NULL);
    w->times = times;
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
    LLVMValueRef branch = LLVMBuildCondBr(b, again, body, after);
    if (!ej_has_loops(w, node->child)) align_loop(w, branch);
    LLVMMoveBasicBlockAfter(after, latch);
    LLVMPositionBuilderAtEnd(b, after);
    if (how->certain) return next;
    LLVMValueRef done = LLVMBuildPhi(b, w->m->i64, "");
    LLVMAddIncoming(done, &zero, &before, 1);
    LLVMAddIncoming(done, &next, &latch, 1);
    ej_regs_join(w, &before_regs, before, latch);
    return done;
}

/* A number for the rest is known. */
static void emit_known(ej_lower *w, int32_t id, const ej_range *range)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    int64_t more = range->residue % range->modulo, number = more % node->step;
    chunks how = {.certain = !more || more >= node->step};
    if (how.certain && number && ej_loop_overlaps(w, id, number, node->step)) {
        how.all = how.overlaps = true;
        emit_chunks(w, id, range->n, &how);
        return;
    }
    LLVMValueRef done = emit_chunks(w, id, range->n, &how);
    if (!number) return;
    LLVMValueRef some = LLVMBuildICmp(w->e->builder, LLVMIntSGT, LLVMBuildSub(w->e->builder, range->n, done, ""),
                                      ej_lower_i64(w, 0), "");
    emit_guarded(w, id, some, done, number, number, NULL, any_length);
}

static void emit_open(ej_lower *w, int32_t id, ej_range range)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef zero = ej_lower_i64(w, 0);
    chunk_length length = {range.modulo, range.residue}; /* of chunks that are whole multiples, too */
    if (range.modulo && node->step % range.modulo) length = any_length;
    if (range.most < node->step) { /* one chunk holds all of it */
        if (!range.maybe_empty) emit_chunk(w, id, zero, -1, range.most, range.n, length);
        else
            emit_guarded(w, id, LLVMBuildICmp(b, LLVMIntSGT, range.n, zero, ""), zero, -1, range.most, range.n, length);
        return;
    }
    if (range.modulo && range.modulo % node->step == 0) {
        emit_known(w, id, &range);
        return;
    }
    chunks how = {.certain = !range.maybe_empty, .all = true, .length = length};
    if (node->step > 1 && divides_again(w, node->child, node->axis, node->step)) {
        emit_chunks(w, id, range.n, &how);
        return;
    }
    how = (chunks){.certain = node->step == 1 && !range.maybe_empty};
    LLVMValueRef done = emit_chunks(w, id, range.n, &how);
    if (node->step == 1) return;
    LLVMValueRef rest = LLVMBuildSub(b, range.n, done, "");
    emit_guarded(w, id, LLVMBuildICmp(b, LLVMIntSGT, rest, zero, ""), done, -1, node->step - 1, rest, length);
}

/* ---- chunks that begin on whole lines ---- */

enum { ALIGNED_LINE = 64, ALIGNED_LEAST = 16 }; /* bytes */

static bool lies_along(const ej_access *access, int32_t axis)
{
    for (int32_t t = 0; t < access->n_terms; t++) {
        const ej_access_term *term = &access->terms[t];
        if (term->axis == axis) return term->table < 0 && !term->block && ej_size_is(term->stride, 1);
    }
    return false;
}

/* The first leaf below that streams, into memory along the axis; NULL: there is none. */
static const ej_at *streamed_below(const ej_lower *w, int32_t id, int32_t axis)
{
    const ej_at *found = NULL;
    for (; id >= 0 && !found; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        if (node->kind == EJ_NEST_LOOP) {
            found = streamed_below(w, node->child, axis);
            continue;
        }
        const ej_at *at = &w->at[w->first_at[id]];
        bool outside = at->pointer && buffer_of(w, at)->home != EJ_HOME_LOCAL;
        if (node->hints.stream && outside && lies_along(&node->dst, axis)) found = at;
    }
    return found;
}

/* How many values the range begins behind the last boundary (of a line, or of 16 bytes), less than a step; NULL:
 * nothing is to be aligned. */
static LLVMValueRef past_boundary(ej_lower *w, int32_t id)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    const ej_at *at = node->aligned ? streamed_below(w, node->child, node->axis) : NULL;
    int64_t bytes = at ? ej_dtypes[buffer_of(w, at)->dtype].bytes : 1, line = ALIGNED_LINE;
    if (!at || w->ranges[node->axis].maybe_empty || node->step > INT64_MAX / bytes) return NULL;
    while (line > ALIGNED_LEAST && node->step * bytes % line) line /= 2;
    if (node->step * bytes % line) return NULL;
    LLVMValueRef address = LLVMBuildPtrToInt(w->e->builder, at->pointer, w->m->i64, "");
    LLVMValueRef past = LLVMBuildAnd(w->e->builder, address, ej_lower_i64(w, line - 1), "");
    return LLVMBuildUDiv(w->e->builder, past, ej_lower_i64(w, bytes), "past_line");
}

/* One loop over all chunks, the lengths of which are computed at run time: the first one ends on a boundary. */
static void emit_shifted(ej_lower *w, int32_t id, LLVMValueRef total, int64_t most, LLVMValueRef past)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    LLVMBuilderRef b = w->e->builder;
    LLVMValueRef zero = ej_lower_i64(w, 0), step = ej_lower_i64(w, node->step);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), body = loop_block(w, node->axis);
    ej_loop_regs regs;
    LLVMBuildBr(b, body);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef d = LLVMBuildPhi(b, w->m->i64, axis_name(w, node->axis)), left = LLVMBuildSub(b, total, d, "");
    LLVMAddIncoming(d, &zero, &before, 1);
    ej_regs_loop_begin(w, &regs, before);
    LLVMValueRef first = LLVMBuildICmp(b, LLVMIntEQ, d, zero, "");
    LLVMValueRef n = LLVMBuildSub(b, step, LLVMBuildSelect(b, first, past, zero, ""), "");
    n = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, left, n, ""), left, n, "");
    emit_chunk(w, id, d, -1, most < node->step ? most : node->step, n, any_length);
    ej_regs_loop_end(w, &regs);
    LLVMValueRef next = LLVMBuildNUWAdd(b, d, n, "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(b), after = ej_lower_block(w, "");
    LLVMAddIncoming(d, &next, &latch, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, total, ""), body, after);
    LLVMPositionBuilderAtEnd(b, after);
}

/* A first chunk up to the next boundary, unless the range begins on one; then full chunks and the rest. */
static void emit_first(ej_lower *w, int32_t id, LLVMValueRef total, LLVMValueRef past)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    LLVMBuilderRef b = w->e->builder;
    ej_range outer = w->ranges[node->axis], *range = &w->ranges[node->axis];
    int32_t first = w->first_at[id], end = w->end_at[id];
    size_t n_at = (size_t)(end - first);
    LLVMValueRef zero = ej_lower_i64(w, 0), some = LLVMBuildICmp(b, LLVMIntNE, past, zero, "");
    LLVMValueRef n = LLVMBuildSub(b, ej_lower_i64(w, node->step), past, "");
    ej_at *saved = EJ_LOWER_NEW(w, ej_at, n_at);
    if (!saved) return;
    n = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, total, n, ""), total, n, "");
    LLVMValueRef done = LLVMBuildSelect(b, some, n, zero, "");
    if (node->step > 1)
        emit_guarded(w, id, some, zero, -1, outer.most < node->step ? outer.most : node->step - 1, n, any_length);
    memcpy(saved, w->at + first, n_at * sizeof *saved);
    *range = (ej_range){.lo = ej_lower_add(w, outer.lo, done, ""),
                        .count = -1,
                        .n = LLVMBuildSub(b, total, done, ""),
                        .most = outer.most,
                        .maybe_empty = true,
                        .past_start = outer.past_start,
                        .short_of_end = outer.short_of_end};
    ej_at_advance(w, first, end, node->axis, done, &outer, 1);
    emit_open(w, id, *range);
    *range = outer;
    memcpy(w->at + first, saved, n_at * sizeof *saved);
}

static void emit_aligned(ej_lower *w, int32_t id, const ej_range *range, LLVMValueRef past)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    LLVMValueRef total = range->count >= 0 ? ej_lower_i64(w, range->count) : range->n;
    if (divides_again(w, node->child, node->axis, node->step)) emit_shifted(w, id, total, range->most, past);
    else emit_first(w, id, total, past);
}

static void emit_node(ej_lower *w, int32_t id)
{
    const ej_nest_node *node = &w->nest->nodes[id];
    if (ej_lower_run(w, id)) return;
    if (node->kind == EJ_NEST_LEAF) {
        ej_lower_leaf(w, id);
        return;
    }
    ej_range range = w->ranges[node->axis];
    LLVMValueRef past = range.count ? past_boundary(w, id) : NULL;
    if (past) emit_aligned(w, id, &range, past);
    else if (range.count >= 0) emit_static(w, id, range.count);
    else emit_open(w, id, range);
}

static void emit_list(ej_lower *w, int32_t id)
{
    for (; id >= 0 && w->status == EINJIT_OK; id = w->nest->nodes[id].next) {
        LLVMValueRef condition;
        ej_guard guard;
        if (!ej_lower_when(w, &w->nest->nodes[id].when, &condition)) continue;
        if (!condition) condition = ej_direct_condition(w, id);
        if (condition && !ej_guard_begin(w, &guard, condition, "when")) return;
        emit_node(w, id);
        if (condition) ej_guard_end(w, &guard);
    }
}

/* ---- the root ---- */

/* Accesses in tree order: those of a subtree lie together. */
static int32_t number_accesses(ej_lower *w, int32_t id, int32_t n)
{
    for (; id >= 0; id = w->nest->nodes[id].next) {
        const ej_nest_node *node = &w->nest->nodes[id];
        w->first_at[id] = n;
        if (node->kind == EJ_NEST_LOOP) {
            n = number_accesses(w, node->child, n);
        } else {
            w->at[n++].access = &node->dst;
            for (int32_t s = 0; s < node->n_src; s++) w->at[n++].access = &node->src[s];
            w->written[node->dst.buffer] = true;
        }
        w->end_at[id] = n;
    }
    return n;
}

static void start_ranges(ej_lower *w)
{
    for (int32_t a = 0; a < w->nest->n_axes; a++) {
        ej_size extent = w->nest->axes[a].extent;
        ej_range *range = &w->ranges[a];
        range->lo = ej_lower_i64(w, 0);
        range->count = extent.e ? -1 : extent.n;
        range->most = extent.e ? INT64_MAX : extent.n;
        range->n = ej_lower_size(w, extent);
        range->maybe_empty = extent.e != 0;
    }
}

/* The range of the axis that is cut is that of the pieces that the function is given, at least one. */
static void start_pieces(ej_lower *w, int32_t n_at)
{
    const ej_nest_cut *cut = &w->nest->cut;
    LLVMBuilderRef b = w->e->builder;
    if (cut->axis < 0 || !w->from) return;
    ej_size extent = w->nest->axes[cut->axis].extent;
    LLVMValueRef step = ej_lower_i64(w, cut->step), all = ej_lower_size(w, extent);
    LLVMValueRef lo = ej_lower_mul(w, w->from, step, ""), end = ej_lower_mul(w, w->to, step, "");
    end = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, end, all, ""), end, all, "");
    ej_range *range = &w->ranges[cut->axis], whole = *range;
    range->lo = lo;
    range->n = LLVMBuildSub(b, end, lo, "");
    range->count = -1;
    range->modulo = extent.e ? 0 : cut->step;
    range->residue = extent.e ? 0 : extent.n;
    ej_at_advance(w, 0, n_at, cut->axis, lo, &whole, cut->step);
}

void ej_lower_tree(ej_lower *w)
{
    const ej_nest *nest = w->nest;
    int32_t n_at = 0;
    for (int32_t i = 0; i < nest->n_nodes; i++)
        if (nest->nodes[i].kind == EJ_NEST_LEAF) n_at += 1 + nest->nodes[i].n_src;
    w->ranges = EJ_LOWER_NEW(w, ej_range, nest->n_axes);
    w->first_at = EJ_LOWER_NEW(w, int32_t, nest->n_nodes);
    w->end_at = EJ_LOWER_NEW(w, int32_t, nest->n_nodes);
    w->at = EJ_LOWER_NEW(w, ej_at, n_at);
    w->in_step = EJ_LOWER_NEW(w, bool, nest->n_nodes);
    w->block_axis = EJ_LOWER_NEW(w, int32_t, nest->n_buffers);
    w->written = EJ_LOWER_NEW(w, bool, nest->n_buffers);
    w->placed_lo = EJ_LOWER_NEW(w, LLVMValueRef *, nest->n_buffers);
    w->direct = EJ_LOWER_NEW(w, ej_direct, nest->n_buffers);
    w->times = 1;
    if (w->status != EINJIT_OK || !ej_planar_find(w) || !ej_regs_init(w)) return;
    int32_t n = number_accesses(w, nest->root, 0);
    start_ranges(w);
    ej_at_start(w, 0, n);
    ej_blocks_find(w);
    start_pieces(w, n);
    for (int32_t p = 0; p < nest->n_placed; p++) ej_at_place(w, 0, n, nest->placed[p]);
    ej_at_tables(w, 0, n, false);
    emit_list(w, nest->root);
}
