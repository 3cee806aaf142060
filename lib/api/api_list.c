/* api_list.c - what this library has, by name, for bindings and menus: operators, path strategies, targets, passes,
 * stages. */
#include "api.h"
#include "graph_parse.h"
#include "path.h"

static const char *operator_name(size_t i, const char **text)
{
    *text = "";
    return ej_parse_operator_name(i);
}

static const char *strategy_name(size_t i, const char **text)
{
    if (i >= ej_n_strategies) return NULL;
    *text = ej_strategies[i].help;
    return ej_strategies[i].name;
}

static const char *target_name(size_t i, const char **text)
{
    if (i >= (size_t)ej_n_targets) return NULL;
    *text = ej_target_runs_here(&ej_targets[i]) ? "runs on this CPU" : "not for this CPU";
    return ej_targets[i].name;
}

static const char *pass_name(size_t i, const char **text)
{
    if (i >= ej_n_passes) return NULL;
    *text = ej_passes[i].help;
    return ej_passes[i].name;
}

static const char *stage_name(size_t i, const char **text)
{
    *text = "";
    return i < EJ_STAGE_TIME ? ej_stage_name((int)i) : NULL; /* times are dumped, not explained */
}

const char *einjit_list_name(int list, size_t i, const char **text)
{
    static const char *(*const names[EINJIT_LIST_COUNT])(size_t,
                                                         const char **) = {[EINJIT_LIST_OPERATORS] = operator_name,
                                                                           [EINJIT_LIST_STRATEGIES] = strategy_name,
                                                                           [EINJIT_LIST_TARGETS] = target_name,
                                                                           [EINJIT_LIST_PASSES] = pass_name,
                                                                           [EINJIT_LIST_STAGES] = stage_name};
    const char *unwanted;
    if (list < 0 || list >= EINJIT_LIST_COUNT) return NULL;
    return names[list](i, text ? text : &unwanted);
}
