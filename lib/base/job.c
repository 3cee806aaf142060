/* job.c - the stages by name, for dumps; the rules by name; in the test build, the gates that are let through.
 *
 * Takes  "plan,nest", "all" or "none".
 * Gives  bits. Words that name no stage are passed over, and can be asked for: EINJIT_DUMP may be written for another
 *        version of this library.
 * Also the caller's hook, asked every few milliseconds.
 */
#include "job.h"

#include "base_time.h"

#include <stdlib.h>
#include <string.h>

#include "base_list.h"

static const char *const stage_names[EJ_STAGE_COUNT] = {
    [EJ_STAGE_GRAPH] = "graph", [EJ_STAGE_PASSES] = "opt+",       [EJ_STAGE_OPT] = "opt",
    [EJ_STAGE_STATS] = "stats", [EJ_STAGE_BIND] = "bind",         [EJ_STAGE_PATH] = "path",
    [EJ_STAGE_PLAN] = "plan",   [EJ_STAGE_SCHEDULE] = "schedule", [EJ_STAGE_NEST] = "nest",
    [EJ_STAGE_COST] = "cost",   [EJ_STAGE_STEPS] = "steps",       [EJ_STAGE_DOT] = "dot",
    [EJ_STAGE_IR] = "ir",       [EJ_STAGE_ASM] = "asm",           [EJ_STAGE_KEY] = "key",
    [EJ_STAGE_TIME] = "time",
};

static bool is_word(const char *word, size_t length, const char *meant)
{
    return strlen(meant) == length && !memcmp(word, meant, length);
}

int ej_job_poll_hook(const ej_job *job, int stage, double done)
{
    ej_progress *p = job->progress;
    if (!p->interrupted) {
        uint64_t now = ej_now_ns();
        if (!p->hook || now < p->next_ns) return EINJIT_OK;
        p->next_ns = now + EJ_ASK_EVERY_NS;
        p->interrupted = p->hook(p->user, ej_stage_name(stage), done) != 0;
        if (!p->interrupted) return EINJIT_OK;
    }
    return ej_fail(job->err, EINJIT_E_INTERRUPTED, "interrupted by the caller at the stage '%s'", ej_stage_name(stage));
}

const ej_rule_row ej_rules[] = {
#define EJ_RULE(NAME, pass, inputs, from, to, refused, breaks) {#NAME, #pass, false},
#define EJ_EXACT_RULE(NAME, pass, inputs, from, to, refused, breaks) {#NAME, #pass, true},
#include "job_rules.def"
#undef EJ_RULE
};

#ifdef EINJIT_BREAK_RULES
const char *ej_let_through;
bool ej_is_let_through(const char *name)
{
    size_t length;
    const char *at = ej_let_through;
    for (const char *word; (word = ej_list_next(&at, &length));)
        if (is_word(word, length, name)) return true;
    return false;
}

const char *ej_left_out;
bool ej_is_left_out(const char *name)
{
    return ej_left_out && !strcmp(ej_left_out, name);
}

bool ej_is_held(bool held, enum ej_gate gate)
{
    static const char *const names[] = {
#define EJ_GATE(NAME, what) #NAME,
#include "job_gates.def"
#undef EJ_GATE
    };
    return held && !ej_is_let_through(names[gate]);
}
#endif

uint64_t ej_job_random(const ej_job *job)
{
    const char *name = job->path_strategy;
    if (!name || strncmp(name, "random", 6) || (name[6] && name[6] != ':')) return 0;
    return (name[6] ? strtoull(name + 7, NULL, 10) : 0) + 1;
}

const char *ej_stage_name(int stage)
{
    return stage >= 0 && stage < EJ_STAGE_COUNT ? stage_names[stage] : "?";
}

int ej_stage_by_name(const char *name, size_t length)
{
    for (int stage = 0; stage < EJ_STAGE_COUNT; stage++)
        if (is_word(name, length, stage_names[stage])) return stage;
    return -1;
}

uint32_t ej_stage_mask(const char *list)
{
    uint32_t mask = 0;
    size_t length;
    for (const char *word; (word = ej_list_next(&list, &length));) {
        int stage = ej_stage_by_name(word, length);
        if (stage >= 0) mask |= UINT32_C(1) << stage;
        if (is_word(word, length, "all")) mask = (UINT32_C(1) << EJ_STAGE_COUNT) - 1;
    }
    return mask;
}

const char *ej_stage_unknown(const char *list, size_t *length)
{
    for (const char *word; (word = ej_list_next(&list, length));)
        if (ej_stage_by_name(word, *length) < 0 && !is_word(word, *length, "all") && !is_word(word, *length, "none"))
            return word;
    return NULL;
}
