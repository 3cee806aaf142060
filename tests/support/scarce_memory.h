/* scarce_memory.h - an allocator that gives out so many blocks, and counts those that are not given back. */
#ifndef SCARCE_MEMORY_H
#define SCARCE_MEMORY_H

#include "einjit/einjit.h"

typedef struct scarce_memory {
    einjit_allocator hooks;
    long left; /* allocations that still succeed */
    long live;
} scarce_memory;

/* hooks.user is *memory: it must stay where it is. */
void scarce_memory_init(scarce_memory *memory, long left);

#endif
