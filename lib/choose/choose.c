/* choose.c - the table of decisions, and the runner.
 *
 * Takes  a bound graph.
 * Gives  the same function, cheaper for these sizes.
 * To add a decision: one file choose_<name>.c, one line in choose_core.h and one row with its reason.
 */
#include "choose_core.h"

const ej_decision ej_decisions[] = {
    /* made in this order; the reason for its position is above each row */
    /* first: later decisions see one way to compute each value */
    {"alternatives", ej_choose_alternatives, EJ_ALWAYS, "the cheapest of several ways"},
    /* before pairs: paths are those of what comes out */
    {"recompute", ej_choose_recompute, EJ_FREELY, "compute in its readers what is dearer to store"},
    /* makes the intermediates that the rest is about */
    {"pairs", ej_choose_pairs, EJ_ALWAYS, "contract operands pair by pair, by the best path"},
    /* in strict compiles: of operands in the same order */
    {"share", ej_choose_share, EJ_EXACTLY, "compute equal intermediates once"},
    /* before scale, which would make equal factors differ */
    {"symmetry", ej_choose_symmetry, EJ_EXACTLY, "compute half of a symmetric product"},
    /* behind pairs: the product of the quotients and one operand */
    {"quotient", ej_choose_quotient, EJ_FREELY, "divide products of softmax instead of softmax"},
    /* of what quotient leaves; exact, as in order of their columns rows end with terms that are 0 */
    {"triangle", ej_choose_triangle, EJ_EXACTLY, "compute causal softmax and its product as far as the mask goes"},
    /* last: a factor cannot be moved into a value that others share */
    {"scale", ej_choose_scale, EJ_FREELY, "multiply constants into the smallest value"},
};
const size_t ej_n_decisions = sizeof ej_decisions / sizeof ej_decisions[0];

static bool is_due(const ej_decision *decision, bool as_written, const ej_job *job)
{
    if (decision->when == EJ_ALWAYS) return true;
    if (as_written || ej_is_left_out(decision->name)) return false;
    return !job->strict || decision->when == EJ_EXACTLY || ej_is_let_through(decision->name);
}

int ej_choose(ej_bound *out, const ej_bound *bound, bool as_written, ej_job *job)
{
    ej_bound now = *bound, next;
    now.sizes.expr_slots = now.sizes.atom_slots = NULL; /* made again for the new graph: `bound` keeps its own */
    for (size_t i = 0; i < ej_n_decisions; i++) {
        const ej_decision *decision = &ej_decisions[i];
        if (!is_due(decision, as_written, job)) continue;
        EJ_TRY(ej_job_poll(job, EJ_STAGE_PATH, -1));
        bool obeys = job->strict && decision->when == EJ_ALWAYS && !ej_is_let_through(decision->name);
        EJ_TRY(decision->decide(&next, &now, as_written || obeys || ej_is_left_out(decision->name), job));
        now = next;
        if (!job->verify) continue;
        einjit_error inner = {0};
        ej_job checker = *job;
        checker.err = &inner;
        int status = ej_bound_verify(&now, &checker);
        if (status) return ej_fail(job->err, status, "after %s: %.400s", decision->name, inner.text);
    }
    *out = now;
    return EINJIT_OK;
}
