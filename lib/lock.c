/* SPDX-License-Identifier: BSD-3-Clause */
/* lock.c - the slow side of a lock, and the debug build's watch over the order of locking. */
#include "lib/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A holder is done in well under a microsecond unless it lost its CPU; then sleeping is right. */
#define SPINS 100

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void lock_init(struct lock *l, enum lock_class class)
{
    l->state = 0;
    l->class = (uint8_t) class;
}

void lock_wait(struct lock *l)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t free = 0;

        if (RELAXED_LOAD(&l->state) == 0 &&
            __atomic_compare_exchange_n(&l->state, &free, 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
        pause_cpu();
    }
    while (__atomic_exchange_n(&l->state, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void lock_wake(struct lock *l)
{
    syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#ifdef MP_DEBUG

static const uint8_t levels[LOCK_CLASSES] = {
#define LOCK(id, level, guards) [LOCK_##id] = (level),
#include "tables/locks.h"
#undef LOCK
};

/* Deep enough for a command that locks every shard. */
#define HELD_MAX 4200

static __thread const struct lock *held[HELD_MAX];
static __thread int nheld;

void lock_note_acquired(const struct lock *l)
{
    CHECK(nheld < HELD_MAX);
    if (nheld > 0) {
        const struct lock *top = held[nheld - 1];

        CHECK(levels[l->class] > levels[top->class] || (l->class == top->class && l > top));
    }
    held[nheld++] = l;
}

void lock_note_released(const struct lock *l)
{
    for (int i = nheld - 1; i >= 0; i--) {
        if (held[i] != l)
            continue;
        for (nheld--; i < nheld; i++)
            held[i] = held[i + 1];
        return;
    }
    UNREACHABLE();
}

bool lock_is_mine(const struct lock *l)
{
    for (int i = nheld - 1; i >= 0; i--)
        if (held[i] == l)
            return true;
    return false;
}

#endif
