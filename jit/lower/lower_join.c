/* lower_join.c - REG values around loops and behind branches.
 *
 * Takes  the rows of lower_reg.c.
 * Gives  phis. A loop gets one for every row that is live where it begins; those whose value its body did not change
 *        are taken out again, so that only accumulators stay.
 */
#include "lower_nest.h"

#include <string.h>

static LLVMValueRef start_phi(ej_lower *w, LLVMValueRef value, LLVMBasicBlockRef from, const char *name)
{
    if (!value) return NULL;
    LLVMValueRef phi = LLVMBuildPhi(w->e->builder, LLVMTypeOf(value), name);
    LLVMAddIncoming(phi, &value, &from, 1);
    return phi;
}

static void finish_phi(LLVMValueRef phi, LLVMValueRef value, LLVMBasicBlockRef from)
{
    if (phi) LLVMAddIncoming(phi, &value, &from, 1);
}

static const char *row_name(const ej_lower *w, const ej_reg *row)
{
    const char *name = w->nest->buffers[row->buffer].name;
    return name ? name : "reg";
}

void ej_regs_loop_begin(ej_lower *w, ej_loop_regs *loop, LLVMBasicBlockRef before)
{
    ej_regs *regs = &w->regs;
    loop->n = 0;
    loop->rows = EJ_LOWER_NEW(w, ej_reg, regs->n);
    loop->phis = EJ_LOWER_NEW(w, ej_vec, regs->n);
    if (!loop->rows || !loop->phis) return;
    loop->n = regs->n;
    for (size_t i = 0; i < regs->n; i++) {
        ej_reg *row = &regs->items[i];
        loop->rows[i] = *row;
        if (!row->value.re) continue;
        const char *name = row_name(w, row);
        loop->phis[i] = (ej_vec){start_phi(w, row->value.re, before, name), start_phi(w, row->value.im, before, name)};
        row->value = loop->phis[i];
    }
}

static void replace_value(ej_lower *w, LLVMValueRef phi, LLVMValueRef by)
{
    if (!phi) return;
    for (size_t i = 0; i < w->regs.n; i++) {
        ej_vec *v = &w->regs.items[i].value;
        if (v->re == phi) v->re = by;
        if (v->im == phi) v->im = by;
    }
    LLVMReplaceAllUsesWith(phi, by);
    LLVMInstructionEraseFromParent(phi);
}

void ej_regs_loop_end(ej_lower *w, ej_loop_regs *loop)
{
    ej_vec *last = EJ_LOWER_NEW(w, ej_vec, loop->n);
    if (!last) return;
    /* All values first: taking out a phi may change what another one gets. */
    for (size_t i = 0; i < loop->n; i++) {
        const ej_reg *row = &loop->rows[i];
        if (loop->phis[i].re) last[i] = ej_reg_read(w, &w->regs, row->buffer, row->lanes, row->elems);
    }
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(w->e->builder);
    for (size_t i = 0; i < loop->n; i++) {
        ej_vec phi = loop->phis[i];
        if (phi.re && (last[i].re != phi.re || last[i].im != phi.im)) {
            finish_phi(phi.re, last[i].re, latch);
            finish_phi(phi.im, last[i].im, latch);
        }
    }
    for (size_t i = 0; i < loop->n; i++) {
        ej_vec phi = loop->phis[i];
        if (phi.re && last[i].re == phi.re && last[i].im == phi.im) {
            replace_value(w, phi.re, loop->rows[i].value.re);
            replace_value(w, phi.im, loop->rows[i].value.im);
        }
    }
}

static LLVMValueRef meet(ej_lower *w, LLVMValueRef skipped, LLVMBasicBlockRef skip, LLVMValueRef value,
                         LLVMBasicBlockRef through, const char *name)
{
    if (!value) return NULL;
    LLVMValueRef phi = start_phi(w, skipped, skip, name);
    finish_phi(phi, value, through);
    return phi;
}

void ej_regs_join(ej_lower *w, ej_regs *before, LLVMBasicBlockRef skip, LLVMBasicBlockRef through)
{
    LLVMBuilderRef b = w->e->builder;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    for (size_t i = 0; i < w->regs.n; i++) {
        ej_reg *row = &w->regs.items[i];
        const ej_reg *old = i < before->n ? &before->items[i] : NULL;
        if (!row->value.re) continue;
        if (old && old->value.re == row->value.re && old->value.im == row->value.im && old->elems == row->elems)
            continue;
        LLVMPositionBuilderBefore(b, LLVMGetBasicBlockTerminator(skip));
        ej_vec skipped = ej_reg_read(w, before, row->buffer, row->lanes, row->elems);
        LLVMPositionBuilderAtEnd(b, here);
        const char *name = row_name(w, row);
        row->value.re = meet(w, skipped.re, skip, row->value.re, through, name);
        row->value.im = meet(w, skipped.im, skip, row->value.im, through, name);
    }
}
