/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mem.h - the seam to the allocator. Everything whose size we know is freed with it (sized free: no
 * look-up of the class). In sanitizer builds (MP_NO_JEMALLOC) libc's allocator stands in, so that
 * ASan and TSan see each block; the size classes stay jemalloc's, so that layouts do not change.
 * Threads: any.
 */
#pragma once
#include "lib/compiler.h"

#include <stddef.h>
#include <stdlib.h>

#ifndef MP_NO_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

/* The block that a request of n bytes gets: 16-byte steps to 128, then four classes per doubling.
 * The rule is jemalloc's (its "size classes" documentation); a unit test holds it to nallocx(). */
static inline size_t mem_class(size_t n)
{
    unsigned lg;
    size_t step;

    if (n <= 128)
        return n == 0 ? 16 : (n + 15) & ~(size_t)15;
    lg = 63 - (unsigned)__builtin_clzl(n - 1);
    step = (size_t)1 << (lg - 2);
    return (n + step - 1) & ~(step - 1);
}

/* NULL when there is no memory. Aligned to 16 for n >= 16. n > 0. */
static inline void *mem_alloc(size_t n)
{
    /* jemalloc's, when it is linked: its malloc has a shorter path than mallocx. */
    return malloc(n);
}

/* n: what was asked of mem_alloc. NULL is legal. */
static inline void mem_free(void *p, size_t n)
{
    if (!p)
        return;
#ifdef MP_NO_JEMALLOC
    (void)n;
    free(p);
#else
    sdallocx(p, n, 0);
#endif
}

/* The largest block size that n bytes fill to the last byte or more; n >= 16. */
static inline size_t mem_class_floor(size_t n)
{
    size_t step = n < 128 ? 16 : (size_t)1 << (63 - (unsigned)__builtin_clzl(n) - 2);

    return n & ~(step - 1);
}

/* Zeroed, aligned to a cache line; for long-lived things at start. NULL when there is no memory.
 * Freed with free(). */
void *mem_zalloc_aligned(size_t n);

/* Resident bytes of the process, as the kernel counts them; 0 when it does not tell. One thread at a
 * time, and behind fork() only: it keeps the file of its process open. */
size_t mem_resident(void);

/* Ask the allocator to give unused pages back to the kernel now. */
void mem_purge(void);
