/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoch.h - memory that other threads may still be looking at without a lock. A worker announces the
 * epoch in which its turn began; what is retired in epoch e is freed when no worker is still in a
 * turn that began before e+1. A worker that sleeps in its event loop is "away" and holds nobody up.
 * (Quiescent-state-based reclamation: Hart et al., "Performance of memory reclamation for lockless
 * synchronization", 2007.)
 * Threads: enter/leave by the slot's owner, retire and reclaim by any.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/lock.h"

#include <stddef.h>
#include <stdint.h>

#define EPOCH_AWAY UINT64_MAX
#define EPOCH_SLOTS 128

struct epoch_slot {
    uint64_t epoch;
} CACHE_ALIGNED;

struct epoch_retired;

struct epoch {
    uint64_t now CACHE_ALIGNED;
    struct epoch_slot slots[EPOCH_SLOTS];
    /* under lock */
    struct lock lock CACHE_ALIGNED;
    struct epoch_retired *first, *last;
    size_t waiting; /* bytes not yet freed; relaxed atomic for readers */
};

void epoch_init(struct epoch *e);
/* Frees all that waits; nobody may be looking any more. */
void epoch_fini(struct epoch *e);

/* Free p (n bytes of mem_alloc) when nobody can be looking at it. Turns that begin from now on must not
 * be able to reach it: publish its successor first. Where there is no memory even for the note about it,
 * p leaks: waiting for the others here could wait for ourselves. */
void epoch_retire(struct epoch *e, void *p, size_t n);

/* Free what has become free. Cheap when there is nothing. */
void epoch_reclaim(struct epoch *e);

static inline void epoch_enter(struct epoch *e, unsigned slot)
{
    __atomic_store_n(&e->slots[slot].epoch, __atomic_load_n(&e->now, __ATOMIC_ACQUIRE),
                     __ATOMIC_SEQ_CST);
#ifndef __x86_64__ /* whose atomic store is a full barrier already */
    /* Loads of what others publish must not come before the announcement. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline void epoch_leave(struct epoch *e, unsigned slot)
{
    __atomic_store_n(&e->slots[slot].epoch, EPOCH_AWAY, __ATOMIC_RELEASE);
}
