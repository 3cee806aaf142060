/* path_support.c - contraction paths that tests look at. */
#include "path_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void path_check(const ej_network *network, const ej_path *path)
{
    int32_t made = network->n_terms, total = made + path->n_steps;
    bool *used = calloc((size_t)total, sizeof *used);
    assert_non_null(used);
    for (int32_t s = 0; s < path->n_steps; s++, made++) {
        const int32_t ids[2] = {path->steps[s].a, path->steps[s].b};
        for (int k = 0; k < 2; k++) {
            if (k && ids[k] == -1) continue;
            assert_true(ids[k] >= 0 && ids[k] < made);
            assert_false(used[ids[k]]);
            used[ids[k]] = true;
        }
    }
    for (int32_t i = 0; i < total - 1; i++) assert_true(used[i]);
    free(used);
}

void path_open(path_case *f, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    ej_arena_init(&f->arena, &ej_malloc_allocator);
    f->job = (ej_job){.arena = &f->arena, .err = &f->err, .allocator = &ej_malloc_allocator};
    f->random = seed;
}

void path_close(path_case *f)
{
    ej_arena_free(&f->arena);
}
