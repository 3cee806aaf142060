/* opt.c - the table of passes, and the runner.
 *
 * Takes  a graph that is not frozen; names of passes, or none for all in the table's order.
 * Gives  the same function of the inputs. With job->verify (debug builds have it on) the graph is checked in front of
 *        the first pass and behind each, so that the broken one is named.
 * To add a pass: one file opt_<name>.c, one line in opt.h, one row here with its reason.
 */
#include "opt.h"

#include <string.h>

#include "base_list.h"

const ej_pass ej_passes[] = {
    /* run in this order; above each row why it stands there */
    /* dead users would keep einsums apart */
    {"dce", ej_opt_dce, EJ_EXACT, "drop values that no result needs"},
    /* before canon, which needs shapes and dtypes */
    {"like", ej_opt_like, EJ_EXACT, "write down shapes and dtypes that operands only stand for"},
    /* before cse: equal things look equal */
    {"canon", ej_opt_canon, EJ_EXACT, "one form for each meaning"},
    /* before cse: what it computes may be equal */
    {"const", ej_opt_const, EJ_ROUNDS, "compute what follows from constants"},
    /* before fuse: a shared value stays shared */
    {"cse", ej_opt_cse, EJ_EXACT, "compute equal values once"},
    /* before fuse: fewer operands; after cse: shared factors are the same value */
    {"scalar", ej_opt_scalar, EJ_ROUNDS, "collect scalar factors, multiply at the end"},
    /* before fuse: factors are still whole */
    {"distribute", ej_opt_distribute, EJ_ROUNDS, "add up what shares its other factors"},
    /* after all that changes einsums: the path search sees whole products */
    {"fuse", ej_opt_fuse, EJ_ROUNDS, "merge an einsum into the einsum that uses it"},
    /* after fuse, which stops at a choice */
    {"gather", ej_opt_gather, EJ_ROUNDS, "add the alternative to contract before or after a gather or scatter"},
    /* last: what is offered is left alone */
    {"offer", ej_opt_offer, EJ_ROUNDS, "add the alternative to compute shared einsums in each user"},
};
const size_t ej_n_passes = sizeof ej_passes / sizeof ej_passes[0];

/* Passes that strict compiles leave out. */
static bool held_back(const ej_pass *pass, const ej_job *job)
{
    return job->strict && !pass->exact && !ej_is_let_through(pass->name);
}

/* What a pass must leave as it is: always the signature, and everything when it says that it changed nothing. */
typedef struct kept {
    uint64_t signature, graph;
} kept;

static kept look_at(const ej_graph *graph, const ej_job *job)
{
    return job->verify ? (kept){ej_graph_signature(graph), ej_graph_hash(graph)} : (kept){0, 0};
}

static int check_pass(const ej_graph *graph, const ej_pass *pass, kept before, size_t n_changed, ej_job *job)
{
    einjit_error inner;
    kept now = look_at(graph, job);
    if (!job->verify) return EINJIT_OK;
    int status = ej_graph_verify(graph, &inner);
    if (status) return ej_fail(job->err, status, "after pass %s: %.400s", pass->name, inner.text);
    if (now.signature != before.signature)
        return ej_fail(job->err, EINJIT_E_INTERNAL, "pass %s changed the function's inputs, name or number of results",
                       pass->name);
    if (!n_changed && now.graph != before.graph)
        return ej_fail(job->err, EINJIT_E_INTERNAL, "pass %s changed the graph and says that it did not", pass->name);
    return EINJIT_OK;
}

/* With memory of its own: what a pass looks up is many times the graph. */
static int run_alone(ej_graph *graph, const ej_pass *pass, size_t *n_changed, const ej_job *job)
{
    ej_arena memory;
    ej_job inner = *job;
    ej_arena_init(&memory, job->allocator);
    inner.arena = &memory;
    int status = pass->run(graph, &inner, n_changed);
    ej_arena_free(&memory);
    return status;
}

int ej_opt_run_pass(ej_graph *graph, const ej_pass *pass, ej_job *job)
{
    size_t n_changed = 0;
    EJ_TRY(ej_job_poll(job, EJ_STAGE_OPT, (double)(pass - ej_passes) / (double)ej_n_passes));
    kept before = look_at(graph, job);
    if (ej_is_left_out(pass->name)) return EINJIT_OK;
    if (job->watch) EJ_TRY(job->watch->before(job->watch, graph, pass, job));
    EJ_TRY(run_alone(graph, pass, &n_changed, job));
    EJ_TRY(check_pass(graph, pass, before, n_changed, job));
    return job->watch ? job->watch->after(job->watch, graph, pass, n_changed, job) : EINJIT_OK;
}

static int fail_name(const char *name, size_t length, ej_job *job)
{
    ej_text names;
    ej_text_init(&names, job->arena);
    for (size_t p = 0; p < ej_n_passes; p++) ej_print(&names, "%s%s", p ? ", " : "", ej_passes[p].name);
    if (names.failed) return ej_no_memory(job->err);
    return ej_fail(job->err, EINJIT_E_VALUE, "there is no pass '%.*s': there are %s", length < 60 ? (int)length : 60,
                   name, names.data);
}

static int find_pass(const char *name, size_t length, const ej_pass **out, ej_job *job)
{
    for (size_t p = 0; p < ej_n_passes; p++)
        if (strlen(ej_passes[p].name) == length && !memcmp(ej_passes[p].name, name, length)) {
            *out = &ej_passes[p];
            if (!held_back(*out, job)) return EINJIT_OK;
            return ej_fail(job->err, EINJIT_E_VALUE, "pass '%s' can change bits of results: not in strict mode",
                           (*out)->name);
        }
    return fail_name(name, length, job);
}

int ej_opt_run(ej_graph *graph, const char *names, struct ej_job *job)
{
    const ej_pass *pass;
    const char *at = names, *word;
    size_t length;
    while ((word = ej_list_next(&at, &length))) /* nothing runs when one is unknown */
        EJ_TRY(find_pass(word, length, &pass, job));
    if (job->verify) EJ_TRY(ej_graph_verify(graph, job->err));
    for (size_t p = 0; p < ej_n_passes && !names; p++)
        if (!held_back(&ej_passes[p], job)) EJ_TRY(ej_opt_run_pass(graph, &ej_passes[p], job));
    for (at = names; (word = ej_list_next(&at, &length));) {
        EJ_TRY(find_pass(word, length, &pass, job));
        EJ_TRY(ej_opt_run_pass(graph, pass, job));
    }
    return EINJIT_OK;
}
