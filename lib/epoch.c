/* SPDX-License-Identifier: BSD-3-Clause */
/* epoch.c - the list of what waits, oldest first. */
#include "lib/epoch.h"

#include "lib/mem.h"

struct epoch_retired {
    struct epoch_retired *next;
    uint64_t epoch;
    void *p;
    size_t n;
};

void epoch_init(struct epoch *e)
{
    e->now = 1;
    for (unsigned i = 0; i < EPOCH_SLOTS; i++)
        e->slots[i].epoch = EPOCH_AWAY;
    lock_init(&e->lock, LOCK_RETIRE);
    e->first = e->last = NULL;
    e->waiting = 0;
}

static uint64_t oldest_turn(struct epoch *e)
{
    uint64_t oldest = EPOCH_AWAY;

    for (unsigned i = 0; i < EPOCH_SLOTS; i++) {
        uint64_t v = __atomic_load_n(&e->slots[i].epoch, __ATOMIC_SEQ_CST);

        if (v < oldest)
            oldest = v;
    }
    return oldest;
}

static void release(struct epoch_retired *list)
{
    while (list) {
        struct epoch_retired *next = list->next;

        mem_free(list->p, list->n);
        mem_free(list, sizeof(*list));
        list = next;
    }
}

void epoch_fini(struct epoch *e)
{
    release(e->first);
    e->first = e->last = NULL;
}

void epoch_retire(struct epoch *e, void *p, size_t n)
{
    uint64_t epoch = __atomic_fetch_add(&e->now, 1, __ATOMIC_SEQ_CST);
    struct epoch_retired *r = mem_alloc(sizeof(*r));

    if (!r)
        return;
    *r = (struct epoch_retired){.epoch = epoch, .p = p, .n = n};
    lock_acquire(&e->lock);
    if (e->last)
        e->last->next = r;
    else
        e->first = r;
    e->last = r;
    RELAXED_STORE(&e->waiting, e->waiting + n);
    lock_release(&e->lock);
}

void epoch_reclaim(struct epoch *e)
{
    struct epoch_retired *list, **end = &list;
    uint64_t oldest;

    if (RELAXED_LOAD(&e->waiting) == 0)
        return;
    oldest = oldest_turn(e);
    lock_acquire(&e->lock);
    list = e->first;
    while (*end && (*end)->epoch < oldest) {
        RELAXED_STORE(&e->waiting, e->waiting - (*end)->n);
        end = &(*end)->next;
    }
    e->first = *end;
    if (!e->first)
        e->last = NULL;
    *end = NULL;
    lock_release(&e->lock);
    release(list);
}
