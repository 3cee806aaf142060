/* header_c.c - einjit.h alone must be strict C99: compiled with -std=c99 -pedantic-errors by a test, never linked. */
#include "einjit/einjit.h"

einjit_options header_options;
einjit_error header_error;
