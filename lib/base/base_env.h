/* base_env.h - the EINJIT_* variables: one table, read once per context. */
#ifndef EJ_BASE_ENV_H
#define EJ_BASE_ENV_H

#include <stdbool.h>

typedef struct ej_env {
#define EJ_ENV_TEXT(field, variable, help) const char *field;
#define EJ_ENV_FILE(field, variable, help) const char *field;
#define EJ_ENV_FLAG(field, variable, help) bool field;
#include "base_env.def"
#undef EJ_ENV_TEXT
#undef EJ_ENV_FILE
#undef EJ_ENV_FLAG
    const char *refused; /* a variable that is set, but does not count in a privileged process; NULL: none */
} ej_env;

/* Does this process have rights that whoever started it lacks (setuid, setgid, file capabilities)? Then its environment
 * is not to be trusted: the other one made it. */
bool ej_is_privileged(void);

/* Texts are borrowed from the environment: the context copies those it keeps. */
void ej_env_read(ej_env *env);

#endif
