/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock.c - FIFO with a second chance: an item that was hit goes round again instead of out. One queue
 * of handles: 4 bytes an item; a hit writes a bit.
 * Source: Corbato, "A paging experiment with the Multics system", MIT Project MAC, 1968.
 */
#include "policies/queue.h"

struct clock {
    struct policy base;
    struct queue queue;
    uint8_t most;
};

static struct clock *clock_of(struct policy *p)
{
    return (struct clock *)p;
}

static void clock_init(struct policy *p, const double *param)
{
    clock_of(p)->most = (uint8_t)param[0];
    queue_init(&clock_of(p)->queue, 0);
}

static void clock_fini(struct policy *p)
{
    queue_fini(&clock_of(p)->queue, p);
}

static enum status clock_insert(struct policy *p, const struct policy_item *it)
{
    return queue_push(&clock_of(p)->queue, p, it->handle, it->node, 0);
}

static void clock_hit(struct policy *p, struct policy_node *n)
{
    uint8_t counter = queue_counter(n);

    if (counter < clock_of(p)->most)
        queue_set_counter(n, counter + 1);
}

static struct policy_node *clock_victim(struct policy *p)
{
    struct queue *q = &clock_of(p)->queue;
    struct queue_item front;

    while (queue_front(q, p, &front)) {
        uint8_t counter = queue_counter(front.node);

        if (counter == 0)
            return front.node;
        queue_recycle(q, p, &front, counter - 1);
    }
    return NULL;
}

static void clock_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    (void)evicted;
    queue_remove(&clock_of(p)->queue, p, it->handle, it->node);
}

static void clock_move(struct policy *p, const struct policy_item *old,
                       const struct policy_item *fresh)
{
    (void)p;
    queue_move(old->node, fresh->node);
}

static void clock_replace(struct policy *p, const struct policy_item *old,
                          const struct policy_item *fresh)
{
    queue_move(old->node, fresh->node);
    clock_hit(p, fresh->node);
}

const struct policy_ops policy_clock = {
    .name = "clock",
    .state_bytes = sizeof(struct clock),
    .evicts = true,
    .params = {{"most", 1, 1, 3, "rounds that hits can earn"}},
    .init = clock_init,
    .fini = clock_fini,
    .insert = clock_insert,
    .hit = clock_hit,
    .victim = clock_victim,
    .remove = clock_remove,
    .replace = clock_replace,
    .move = clock_move,
};
