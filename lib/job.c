/* job.c - the stages by name, for dumps.
 *
 * Takes  "plan,nest" or "all". Gives  bits. Words that name no stage are passed over: EINJIT_DUMP may be written for
 * another version of this library.
 */
#include "job.h"

#include <stdlib.h>
#include <string.h>

static const char *const stage_names[EJ_STAGE_COUNT] = {
    [EJ_STAGE_GRAPH] = "graph", [EJ_STAGE_PASSES] = "opt+", [EJ_STAGE_OPT] = "opt",     [EJ_STAGE_STATS] = "stats",
    [EJ_STAGE_BIND] = "bind",   [EJ_STAGE_PATH] = "path",   [EJ_STAGE_PLAN] = "plan",
    [EJ_STAGE_NEST] = "nest",   [EJ_STAGE_STEPS] = "steps", [EJ_STAGE_DOT] = "dot",
    [EJ_STAGE_IR] = "ir",       [EJ_STAGE_ASM] = "asm",   [EJ_STAGE_KEY] = "key",     [EJ_STAGE_TIME] = "time",
};

#ifdef EINJIT_BREAK_RULES
const char *ej_let_through;
bool ej_is_let_through(const char *name)
{
    size_t length = strlen(name);
    for (const char *at = ej_let_through; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == length && !memcmp(at, name, length)) return true;
    return false;
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
        if (strlen(stage_names[stage]) == length && !memcmp(stage_names[stage], name, length)) return stage;
    return -1;
}

uint32_t ej_stage_mask(const char *list)
{
    uint32_t mask = 0;
    while (list && *list) {
        size_t length = strcspn(list, ", ");
        int stage = ej_stage_by_name(list, length);
        if (stage >= 0) mask |= UINT32_C(1) << stage;
        if (length == 3 && !memcmp(list, "all", 3)) mask = (UINT32_C(1) << EJ_STAGE_COUNT) - 1;
        list += length;
        list += strspn(list, ", ");
    }
    return mask;
}
