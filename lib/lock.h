/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lock.h - the one lock of the project: four bytes, a compare-and-swap when it is free, a short spin
 * and then the kernel (futex) when it is not. Made for critical sections of well under a microsecond.
 * Each lock has a class (a row of tables/locks.h); with --enable-debug each thread keeps the stack of
 * what it holds and checks that levels rise.
 * The three states are those of Ulrich Drepper's "Futexes Are Tricky" (2011), mutex 3.
 */
#pragma once
#include "lib/check.h"
#include "lib/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum lock_class {
#define LOCK(id, level, guards) LOCK_##id,
#include "tables/locks.h"
#undef LOCK
    LOCK_CLASSES
};

#if defined(__clang__)
#define LOCK_TYPE __attribute__((capability("lock")))
#define ACQUIRES(l) __attribute__((acquire_capability(l)))
#define TRIES(l) __attribute__((try_acquire_capability(1, l)))
#define RELEASES(l) __attribute__((release_capability(l)))
#define UNCHECKED_LOCKING __attribute__((no_thread_safety_analysis))
#else
#define LOCK_TYPE
#define ACQUIRES(l)
#define TRIES(l)
#define RELEASES(l)
#define UNCHECKED_LOCKING
#endif

struct LOCK_TYPE lock {
    uint32_t state; /* 0 free, 1 held, 2 held and somebody may sleep */
    uint8_t class;  /* enum lock_class */
};

void lock_init(struct lock *l, enum lock_class class);
COLD void lock_wait(struct lock *l);
COLD void lock_wake(struct lock *l);

#ifdef MP_DEBUG
void lock_note_acquired(const struct lock *l);
void lock_note_released(const struct lock *l);
bool lock_is_mine(const struct lock *l);
#define CHECK_HELD(l) CHECK(lock_is_mine(l))
#else
#define lock_note_acquired(l) ((void)(l))
#define lock_note_released(l) ((void)(l))
#define CHECK_HELD(l) ((void)(l))
#endif

static inline void lock_acquire(struct lock *l) ACQUIRES(l) UNCHECKED_LOCKING
{
    uint32_t free = 0;

    if (UNLIKELY(!__atomic_compare_exchange_n(&l->state, &free, 1, false, __ATOMIC_ACQUIRE,
                                              __ATOMIC_RELAXED)))
        lock_wait(l);
    lock_note_acquired(l);
}

/* True when the lock was free and is now ours; never waits. */
static inline bool lock_try(struct lock *l) TRIES(l) UNCHECKED_LOCKING
{
    uint32_t free = 0;

    if (!__atomic_compare_exchange_n(&l->state, &free, 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return false;
    lock_note_acquired(l);
    return true;
}

static inline void lock_release(struct lock *l) RELEASES(l) UNCHECKED_LOCKING
{
    lock_note_released(l);
    if (UNLIKELY(__atomic_exchange_n(&l->state, 0, __ATOMIC_RELEASE) == 2))
        lock_wake(l);
}
