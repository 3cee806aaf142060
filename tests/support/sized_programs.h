/* sized_programs.h - written programs with the inputs they are measured for. */
#ifndef SIZED_PROGRAMS_H
#define SIZED_PROGRAMS_H

#include <stddef.h>

typedef struct sized_program {
    const char *name;
    const char *text;   /* NULL: tests/golden/<name>.ein */
    const char *inputs; /* as bind_tensors reads them */
} sized_program;
extern const sized_program sized_programs[];
extern const size_t n_sized_programs;

/* To be freed; NULL: no memory, or no file. */
char *sized_program_text(const sized_program *program);

#endif
