/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sieve.c - a hand walks the queue from the oldest to the newest and around; what was hit since the hand
 * came by stays where it is, what was not goes. One queue of handles: 4 bytes an item, up to 8
 * where the hand took much from the middle; a hit writes a bit.
 * Source: Zhang et al., "SIEVE is simpler than LRU", NSDI 2024.
 */
#include "policies/queue.h"

struct sieve {
    struct policy base;
    struct queue queue;
};

static struct sieve *sieve_of(struct policy *p)
{
    return (struct sieve *)p;
}

static void sieve_init(struct policy *p, const double *param)
{
    (void)param;
    queue_init(&sieve_of(p)->queue, 0);
}

static void sieve_fini(struct policy *p)
{
    queue_fini(&sieve_of(p)->queue, p);
}

static enum status sieve_insert(struct policy *p, const struct policy_item *it)
{
    return queue_push(&sieve_of(p)->queue, p, it->handle, it->node, 0);
}

static void sieve_hit(struct policy *p, struct policy_node *n)
{
    (void)p;
    if (queue_counter(n) == 0)
        queue_set_counter(n, 1);
}

static struct policy_node *sieve_victim(struct policy *p)
{
    struct queue *q = &sieve_of(p)->queue;
    struct queue_item here;

    while (queue_walk(q, p, &here)) {
        if (queue_counter(here.node) == 0)
            return here.node;
        queue_set_counter(here.node, 0);
        queue_step(q);
    }
    return NULL;
}

static void sieve_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    if (evicted)
        queue_take(&sieve_of(p)->queue, p);
    else
        queue_remove(&sieve_of(p)->queue, p, it->handle, it->node);
}

static void sieve_move(struct policy *p, const struct policy_item *old,
                       const struct policy_item *fresh)
{
    (void)p;
    queue_move(old->node, fresh->node);
}

static void sieve_replace(struct policy *p, const struct policy_item *old,
                          const struct policy_item *fresh)
{
    queue_move(old->node, fresh->node);
    sieve_hit(p, fresh->node);
}

const struct policy_ops policy_sieve = {
    .name = "sieve",
    .state_bytes = sizeof(struct sieve),
    .evicts = true,
    .init = sieve_init,
    .fini = sieve_fini,
    .insert = sieve_insert,
    .hit = sieve_hit,
    .victim = sieve_victim,
    .remove = sieve_remove,
    .replace = sieve_replace,
    .move = sieve_move,
};
