/* base_time.h - the clock that compile times and what the cache saves are read from. */
#ifndef EJ_BASE_TIME_H
#define EJ_BASE_TIME_H

#include <stdint.h>
#include <time.h>

/* Of a monotonic clock with an arbitrary origin. */
static inline uint64_t ej_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

#endif
