/* lower_when.c - code that not every way goes through, and nodes that run only at the first or last ranges.
 *
 * Takes  a node's `when`, the current ranges.
 * Gives  nothing where numbers say always or never; else one condition, and a branch around the node.
 * Not here: REG values where the ways meet (lower_join.c).
 */
#include "lower_nest.h"

bool ej_guard_begin(ej_lower *w, ej_guard *guard, LLVMValueRef condition, const char *name)
{
    LLVMBuilderRef b = w->e->builder;
    if (!ej_regs_copy(w, &guard->regs, &w->regs)) return false;
    LLVMBasicBlockRef inside = ej_lower_block(w, name);
    guard->before = LLVMGetInsertBlock(b);
    guard->after = ej_lower_block(w, "");
    LLVMBuildCondBr(b, condition, inside, guard->after);
    LLVMPositionBuilderAtEnd(b, inside);
    return true;
}

void ej_guard_end(ej_lower *w, ej_guard *guard)
{
    LLVMBuilderRef b = w->e->builder;
    LLVMBasicBlockRef through = LLVMGetInsertBlock(b);
    LLVMBuildBr(b, guard->after);
    LLVMMoveBasicBlockAfter(guard->after, through);
    LLVMPositionBuilderAtEnd(b, guard->after);
    ej_regs_join(w, &guard->regs, guard->before, through);
}

/* a == b, as far as numbers say: 0 or 1; else -1 and the condition joined to *all. */
static int equal(ej_lower *w, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *all)
{
    int64_t x, y;
    if (ej_lower_constant(a, &x) && ej_lower_constant(b, &y)) return x == y;
    if (a == b) return 1;
    LLVMValueRef same = LLVMBuildICmp(w->e->builder, LLVMIntEQ, a, b, "");
    *all = *all ? LLVMBuildAnd(w->e->builder, *all, same, "") : same;
    return -1;
}

static int begins(ej_lower *w, int32_t axis, LLVMValueRef *all)
{
    const ej_range *range = &w->ranges[axis];
    return range->past_start ? 0 : equal(w, range->lo, ej_lower_i64(w, 0), all);
}

static int ends(ej_lower *w, int32_t axis, LLVMValueRef *all)
{
    const ej_range *range = &w->ranges[axis];
    if (range->short_of_end) return 0;
    LLVMValueRef n = range->count < 0 ? range->n : ej_lower_i64(w, range->count);
    return equal(w, ej_lower_add(w, range->lo, n, ""), ej_lower_size(w, w->nest->axes[axis].extent), all);
}

bool ej_lower_when(ej_lower *w, const ej_when *when, LLVMValueRef *condition)
{
    bool at_start = when->kind == EJ_WHEN_FIRST || when->kind == EJ_WHEN_LATER;
    bool opposite = when->kind == EJ_WHEN_LATER || when->kind == EJ_WHEN_EARLIER;
    *condition = NULL;
    for (int32_t i = 0; i < when->n; i++) {
        int known = at_start ? begins(w, when->axes[i], condition) : ends(w, when->axes[i], condition);
        if (known) continue;
        *condition = NULL; /* one of them does not: that is enough */
        return opposite;
    }
    if (*condition && opposite) *condition = LLVMBuildNot(w->e->builder, *condition, "");
    return *condition || !opposite || when->kind == EJ_WHEN_ALWAYS;
}
