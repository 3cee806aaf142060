/* scarce_memory.c - an allocator that gives out so many blocks. */
#include "scarce_memory.h"

#include <stdlib.h>

static void *scarce_alloc(void *user, size_t bytes)
{
    scarce_memory *memory = user;
    if (memory->left-- <= 0) return NULL;
    void *block = malloc(bytes);
    memory->live += block != NULL;
    return block;
}

static void scarce_release(void *user, void *block, size_t bytes)
{
    (void)bytes;
    ((scarce_memory *)user)->live--;
    free(block);
}

void scarce_memory_init(scarce_memory *memory, long left)
{
    *memory = (scarce_memory){.hooks = {scarce_alloc, scarce_release, memory}, .left = left};
}
