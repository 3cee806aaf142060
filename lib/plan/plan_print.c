/* plan_print.c - plans and expressions as text, for dumps and explain: the same bytes for the same plan. */
#include <string.h>

#include "plan_core.h"

static const char *const homes[] = {"arg", "scratch", "const", "local", "reg", "count"};
static const char *const runs[] = {"sequential", "parallel", "reduced"};
static const char *const reductions[] = {"sum", "max", "min", "logsumexp", "or", "prod", "mean"};

static void print_number(ej_text *text, const ej_expr_op *op)
{
    if (ej_dtype_is_complex(op->dtype)) {
        ej_print_bytes(text, "(", 1);
        ej_print_double(text, op->re);
        ej_print_bytes(text, ", ", 2);
        ej_print_double(text, op->im);
        ej_print_bytes(text, ")", 1);
    } else if (ej_dtype_is_float(op->dtype)) {
        ej_print_double(text, op->re);
    } else {
        ej_print(text, "%lld", (long long)op->integer);
    }
}

void ej_expr_print(ej_text *text, const ej_expr *expr)
{
    for (int32_t i = 0; i < expr->n; i++) {
        const ej_expr_op *op = &expr->ops[i];
        ej_print(text, "%st%d = ", i ? "; " : "", (int)i);
        switch (op->kind) {
        case EJ_EXPR_SOURCE: ej_print(text, "s%d", (int)op->a); break;
        case EJ_EXPR_CONST: print_number(text, op); break;
        case EJ_EXPR_CAST: ej_print(text, "%s(t%d)", einjit_dtype_name(op->dtype), (int)op->a); break;
        default:
            ej_print(text, "%s(", ej_fns[op->fn].name);
            for (int32_t k = 0; k < ej_op_arity(op); k++)
                ej_print(text, "%st%d", k ? ", " : "", (int)ej_op_operand(op, k));
            ej_print(text, ")");
            break;
        }
    }
}

static void print_term(ej_text *text, const ej_plan *plan, const ej_step *step, const ej_access_term *term)
{
    const ej_sizes *sizes = &plan->bound->sizes;
    const char *axis = step->axes[term->axis].name;
    if (!ej_plan_unit(term->stride)) {
        ej_print(text, term->stride.e ? "(" : "");
        ej_size_print(text, sizes, term->stride);
        ej_print(text, term->stride.e ? ")*" : "*");
    }
    if (term->table < 0) {
        ej_print(text, "%s", axis);
        return;
    }
    ej_print(text, "%s[", plan->buffers[term->table].name);
    if (!ej_size_is(term->tbase, 0)) {
        ej_size_print(text, sizes, term->tbase);
        ej_print(text, " + ");
    }
    if (!ej_plan_unit(term->tstride)) {
        ej_size_print(text, sizes, term->tstride);
        ej_print(text, "*");
    }
    ej_print(text, "%s]", axis);
}

static void print_access(ej_text *text, const ej_plan *plan, const ej_step *step, const ej_access *access)
{
    bool first = ej_size_is(access->base, 0);
    ej_print(text, "%s[", plan->buffers[access->buffer].name);
    if (!first || !access->n_terms) ej_size_print(text, &plan->bound->sizes, access->base);
    for (int32_t t = 0; t < access->n_terms; t++) {
        if (t || !first) ej_print(text, " + ");
        print_term(text, plan, step, &access->terms[t]);
    }
    ej_print(text, "]");
}

static void print_buffer(ej_text *text, const ej_plan *plan, size_t b)
{
    const ej_buffer *buffer = &plan->buffers[b];
    ej_print(text, "  %s: %s %s", buffer->name, einjit_dtype_name(buffer->dtype), homes[buffer->home]);
    if (buffer->home == EJ_HOME_ARG || buffer->home == EJ_HOME_CONST) ej_print(text, " %d", (int)buffer->slot);
    ej_print(text, ", ");
    ej_size_print(text, &plan->bound->sizes, buffer->elems);
    ej_print(text, " elements");
    if (buffer->home == EJ_HOME_SCRATCH) {
        ej_print(text, " at ");
        ej_size_print(text, &plan->bound->sizes, buffer->offset_bytes);
    }
    if (buffer->is_table) {
        ej_print(text, ", indices below ");
        ej_size_print(text, &plan->bound->sizes, buffer->limit);
    }
    ej_print(text, "\n");
}

static void print_step(ej_text *text, const ej_plan *plan, const ej_step *step)
{
    ej_print(text, "%s\n  axes:", step->name);
    for (int32_t a = 0; a < step->n_axes; a++) {
        ej_print(text, "%s %s = ", a ? "," : "", step->axes[a].name);
        ej_size_print(text, &plan->bound->sizes, step->axes[a].extent);
        ej_print(text, " %s", runs[step->axes[a].run]);
    }
    ej_print(text, "%s\n  ", step->n_axes ? "" : " none");
    print_access(text, plan, step, &step->out);
    ej_print(text, step->accumulate ? " += " : " = ");
    if (step->reduce != EJ_REDUCE_NONE)
        ej_print(text, "%s %s", reductions[step->reduce], step->ordered ? "in order of " : "of ");
    ej_expr_print(text, &step->expr);
    for (int32_t s = 0; s < step->n_src; s++) {
        ej_print(text, "\n  s%d = ", (int)s);
        print_access(text, plan, step, &step->src[s]);
    }
    if (step->epilogue.n) {
        ej_print(text, "\n  then ");
        ej_expr_print(text, &step->epilogue);
    }
    for (int32_t s = 0; s < step->n_tail; s++) {
        ej_print(text, "\n  with s%d = ", (int)s + 1);
        print_access(text, plan, step, &step->src[step->n_src + s]);
    }
    ej_print(text, "\n");
}

void ej_plan_print(ej_text *text, const ej_plan *plan)
{
    char written[EJ_REAL_TEXT], planned[EJ_REAL_TEXT];
    ej_print(text, "plan: %zu steps, scratch ", plan->n_steps);
    ej_size_print(text, &plan->bound->sizes, plan->scratch_bytes);
    ej_print(text, " bytes, operations %s written, %s planned\nbuffers\n",
             ej_count_text(written, plan->naive_operations), ej_count_text(planned, plan->planned_operations));
    for (size_t b = 0; b < plan->n_buffers; b++) print_buffer(text, plan, b);
    for (size_t s = 0; s < plan->n_steps; s++) print_step(text, plan, &plan->steps[s]);
    for (size_t c = 0; c < plan->n_index_checks; c++) {
        ej_print(text, "check input %d of %s: below ", (int)plan->index_checks[c].input, plan->index_checks[c].name);
        ej_size_print(text, &plan->bound->sizes, plan->index_checks[c].extent);
        ej_print(text, "\n");
    }
    for (size_t c = 0; c < plan->n_status_checks; c++) {
        const ej_status_check *check = &plan->status_checks[c];
        ej_print(text, "check %s of %s: below ", plan->buffers[check->buffer].name, check->name);
        ej_size_print(text, &plan->bound->sizes, check->extent);
        ej_print(text, "\n");
    }
}
