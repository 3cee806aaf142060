/* base_env.c - reads the EINJIT_* variables, once per context. Empty texts and "0" flags count as not set. */
#include "base_env.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

static bool flag_of(const char *variable)
{
    const char *value = text_of(variable);
    return value && strcmp(value, "0") != 0;
}

void ej_env_read(ej_env *env)
{
#define EJ_ENV_TEXT(field, variable, help) env->field = text_of(variable);
#define EJ_ENV_FLAG(field, variable, help) env->field = flag_of(variable);
#include "base_env.def"
#undef EJ_ENV_TEXT
#undef EJ_ENV_FLAG
}
