/* export.h - kernels as a C object: machine code, and the header that declares it.
 *
 * A program is exported as one or more variants: kernels of it for other extents or other CPUs. Each is a function of
 * the object; the header's inline function takes the first that fits.
 */
#ifndef EJ_EXPORT_H
#define EJ_EXPORT_H

#include "base_print.h"
#include "kernel.h"

enum { EJ_EXPORT_NAME = 200, EJ_EXPORT_VARIANTS = 1000 }; /* at most */

typedef struct ej_export {
    const char *name; /* a C identifier, of which all names in object and header are made */
    size_t n;
    const einjit_variant *variants;
} ej_export;

/* Name and variants can be exported, and the variants together. */
int ej_export_check(const ej_export *e, einjit_error *err);
/* Bytes of a relocatable ELF object with the functions <name>_0, <name>_1, ... (export_object.c) */
void ej_export_object(ej_text *out, const ej_export *e);
/* Text of the header, C99 and C++11. (export_header.c) */
void ej_export_header(ej_text *out, const ej_export *e);

/* ---- export_names.c: what parameters are called in C ---- */
typedef struct ej_export_names {
    const char **inputs, **outputs; /* of the kernels' */
    size_t n_sizes;
    const char **sizes;   /* parameters: what is open in some variant, or differs between them .. */
    const char **symbols; /* .. and what they are called in the program */
} ej_export_names;
bool ej_c_identifier(const char *text); /* that no header or keyword uses */
bool ej_export_names_make(ej_export_names *out, const ej_export *e, ej_arena *arena);
/* The number that variant v has for the size of that name; false: it takes any (the size is open, or it was not
 * said). */
bool ej_variant_size(const einjit_variant *v, const char *symbol, int64_t *out);

/* ---- export_size.c: sizes as C expressions ---- */
/* Statements that declare what the sizes need: `const int64_t name_N = ..;` for each atom, from the array `sizes` of
 * the open extents. Operations that do not fit set the variable `bad`. `prefix`: of the helpers' names. */
void ej_export_atoms(ej_text *out, const ej_sizes *table, const ej_size *sizes, size_t n, const char *prefix);
void ej_export_size(ej_text *out, const ej_sizes *table, ej_size size, const char *prefix);
/* The helpers themselves. */
void ej_export_size_helpers(ej_text *out, const char *prefix);

#endif
