/* nest_support.c - nests read from text, and run. */
#include "nest_support.h"

#include <stdio.h>
#include <string.h>

void nest_open(nest_case *c)
{
    memset(c, 0, sizeof *c);
    ej_arena_init(&c->arena, &ej_malloc_allocator);
    ej_sizes_init(&c->sizes, &c->arena);
}

void nest_close(nest_case *c)
{
    ej_arena_free(&c->arena);
}

int nest_parse(nest_case *c, const char *text)
{
    return ej_nest_parse(&c->nest, &c->sizes, &c->arena, text, strlen(text), &c->err);
}

char *nest_file(nest_case *c, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/nest/%s.nest", EINJIT_TEST_SOURCE, name);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    enum { LIMIT = 1 << 20 };
    char *text = ej_arena_new(&c->arena, LIMIT, 1);
    if (text) text[fread(text, 1, LIMIT - 1, file)] = 0;
    fclose(file);
    return text;
}

const char *nest_print(nest_case *c)
{
    ej_text text;
    ej_text_init(&text, &c->arena);
    ej_nest_print(&text, &c->nest, &c->sizes);
    return text.failed ? "out of memory" : text.data;
}

int nest_run(nest_case *c, void *const *data, const ej_constant *constants, const int64_t *symbols, void *scratch)
{
    ej_arena arena;
    int64_t *atoms = EJ_NEW_ARRAY(&c->arena, int64_t, c->sizes.n_atoms + 1);
    int64_t observed[16];
    if (!atoms || c->sizes.n_symbols > 16) return EINJIT_E_NOMEM;
    for (size_t s = 0; s < c->sizes.n_symbols; s++) observed[s] = symbols ? symbols[s] : c->sizes.atoms[s].n;
    if (!ej_sizes_evaluate(&c->sizes, observed, atoms)) return EINJIT_E_SIZE;
    ej_interp_memory memory = {
        .data = data, .constants = constants, .scratch = scratch, .atoms = atoms, .sizes = &c->sizes};
    ej_arena_init(&arena, &ej_malloc_allocator);
    int status = ej_nest_interpret(&c->nest, &memory, &arena, &c->err);
    ej_arena_free(&arena);
    return status;
}

float nest_value(uint32_t seed, size_t i)
{
    uint32_t h = (uint32_t)i * 2654435761u + seed * 40503u + 12345u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return (float)(int)(h % 9) - 4.0f;
}
