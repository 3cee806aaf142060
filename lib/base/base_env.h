/* base_env.h - the EINJIT_* variables: one table, read once per context. */
#ifndef EJ_BASE_ENV_H
#define EJ_BASE_ENV_H

#include <stdbool.h>

typedef struct ej_env {
#define EJ_ENV_TEXT(field, variable, help) const char *field;
#define EJ_ENV_FLAG(field, variable, help) bool field;
#include "base_env.def"
#undef EJ_ENV_TEXT
#undef EJ_ENV_FLAG
} ej_env;

/* Texts are borrowed from the environment: the context copies those it keeps. */
void ej_env_read(ej_env *env);

#endif
