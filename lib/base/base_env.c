/* base_env.c - reads the EINJIT_* variables, once per context. Empty texts and "0" flags count as not set. */
#include "base_env.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif

bool ej_is_privileged(void)
{
#ifdef __linux__
    if (getauxval(AT_SECURE)) return true;
#endif
    return getuid() != geteuid() || getgid() != getegid();
}

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

static const char *file_of(const char *variable, bool privileged, ej_env *env)
{
    const char *value = text_of(variable);
    if (!value || !privileged) return value;
    env->refused = variable;
    return NULL;
}

void ej_env_read(ej_env *env)
{
    bool privileged = ej_is_privileged();
    env->refused = NULL;
#define EJ_ENV_TEXT(field, variable, help) env->field = text_of(variable);
#define EJ_ENV_FILE(field, variable, help) env->field = file_of(variable, privileged, env);
#define EJ_ENV_FLAG(field, variable, help) env->field = flag_of(variable);
#include "base_env.def"
#undef EJ_ENV_TEXT
#undef EJ_ENV_FILE
#undef EJ_ENV_FLAG
}
