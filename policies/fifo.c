/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fifo.c - oldest first. One queue of handles: 4 bytes an item, a hit costs nothing.
 * Source: the textbook queue; Belady, IBM Systems Journal 5(2), 1966, compares it.
 */
#include "policies/queue.h"

struct fifo {
    struct policy base;
    struct queue queue;
};

static struct fifo *fifo_of(struct policy *p)
{
    return (struct fifo *)p;
}

static void fifo_init(struct policy *p, const double *param)
{
    (void)param;
    queue_init(&fifo_of(p)->queue, 0);
}

static void fifo_fini(struct policy *p)
{
    queue_fini(&fifo_of(p)->queue, p);
}

static enum status fifo_insert(struct policy *p, const struct policy_item *it)
{
    return queue_push(&fifo_of(p)->queue, p, it->handle, it->node, 0);
}

static void fifo_hit(struct policy *p, struct policy_node *n)
{
    (void)p;
    (void)n;
}

static struct policy_node *fifo_victim(struct policy *p)
{
    struct queue_item front;

    return queue_front(&fifo_of(p)->queue, p, &front) ? front.node : NULL;
}

static void fifo_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    (void)evicted;
    queue_remove(&fifo_of(p)->queue, p, it->handle, it->node);
}

static void fifo_move(struct policy *p, const struct policy_item *old,
                      const struct policy_item *fresh)
{
    (void)p;
    queue_move(old->node, fresh->node);
}

const struct policy_ops policy_fifo = {
    .name = "fifo",
    .state_bytes = sizeof(struct fifo),
    .evicts = true,
    .init = fifo_init,
    .fini = fifo_fini,
    .insert = fifo_insert,
    .hit = fifo_hit,
    .victim = fifo_victim,
    .remove = fifo_remove,
    .replace = fifo_move,
    .move = fifo_move,
};
