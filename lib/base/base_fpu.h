/* base_fpu.h - the calling thread's floating-point mode: how it rounds, what it does with subnormals, what traps. */
#ifndef EJ_BASE_FPU_H
#define EJ_BASE_FPU_H

#include <stdint.h>

/* Flags of what has happened are no part of a mode, and stay as they are. */
#ifdef __SSE2__

#include <xmmintrin.h>

static inline uint64_t ej_fpu_mode(void)
{
    return _mm_getcsr() & 0xffc0;
}

static inline void ej_fpu_set_mode(uint64_t mode)
{
    _mm_setcsr((_mm_getcsr() & 0x3f) | (uint32_t)mode);
}

#elif defined(__aarch64__)

static inline uint64_t ej_fpu_mode(void)
{
    uint64_t mode;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode)::"memory");
    return mode;
}

static inline void ej_fpu_set_mode(uint64_t mode)
{
    __asm__ __volatile__("msr fpcr, %0" ::"r"(mode) : "memory");
}

#else

#include <fenv.h>

static inline uint64_t ej_fpu_mode(void)
{
    return (uint64_t)fegetround();
}

static inline void ej_fpu_set_mode(uint64_t mode)
{
    (void)fesetround((int)mode);
}

#endif
#endif
