/* path_heap.h - a heap of pairs by score, the lowest first, for searches that take the best one again and again. */
#ifndef EJ_PATH_HEAP_H
#define EJ_PATH_HEAP_H

#include "job.h"

typedef struct ej_scored {
    double score;
    int32_t a, b;
} ej_scored;
typedef struct ej_heap {
    ej_scored *items;
    size_t n, room;
} ej_heap;

static inline bool ej_heap_push(ej_heap *heap, ej_scored item, ej_arena *arena) /* false: out of memory */
{
    if (!EJ_PUSH_ROOM(arena, heap->items, heap->room, heap->n)) return false;
    ej_scored *items = heap->items;
    size_t i = heap->n++;
    for (; i && item.score < items[(i - 1) / 2].score; i = (i - 1) / 2) items[i] = items[(i - 1) / 2];
    items[i] = item;
    return true;
}

static inline ej_scored ej_heap_pop(ej_heap *heap)
{
    ej_scored *items = heap->items, top = items[0], item = items[--heap->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < heap->n; i = child) {
        if (child + 1 < heap->n && items[child + 1].score < items[child].score) child++;
        if (!(items[child].score < item.score)) break;
        items[i] = items[child];
    }
    items[i] = item;
    return top;
}

#endif
