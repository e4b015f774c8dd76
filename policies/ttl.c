/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ttl.c - the item that expires soonest goes first; what never expires goes last, oldest first. A heap: 16
 * bytes an item and 8 outside; a hit costs nothing.
 * Source: Redis's volatile-ttl, here exact instead of sampled.
 */
#include "policies/heap.h"

#include <math.h>

struct ttl {
    struct policy base;
    struct heap heap;
};

static struct ttl *ttl_of(struct policy *p)
{
    return (struct ttl *)p;
}

static void ttl_init(struct policy *p, const double *param)
{
    (void)p;
    (void)param;
}

static void ttl_fini(struct policy *p)
{
    heap_fini(&ttl_of(p)->heap, p);
}

static double priority(const struct policy_item *it)
{
    return it->expiry_ms ? (double)it->expiry_ms : HUGE_VAL;
}

static enum status ttl_insert(struct policy *p, const struct policy_item *it)
{
    return heap_insert(&ttl_of(p)->heap, p, (struct heap_node *)it->node, priority(it));
}

static void ttl_hit(struct policy *p, struct policy_node *n)
{
    (void)p;
    (void)n;
}

static struct policy_node *ttl_victim(struct policy *p)
{
    return (struct policy_node *)heap_lowest(&ttl_of(p)->heap);
}

static void ttl_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    (void)evicted;
    heap_remove(&ttl_of(p)->heap, p, (struct heap_node *)it->node);
}

static void ttl_move(struct policy *p, const struct policy_item *old,
                     const struct policy_item *fresh)
{
    struct heap_node *n = (struct heap_node *)fresh->node;

    *n = *(const struct heap_node *)old->node;
    heap_move(&ttl_of(p)->heap, n);
    if (n->priority != priority(fresh))
        heap_change(&ttl_of(p)->heap, n, priority(fresh));
}

const struct policy_ops policy_ttl = {
    .name = "ttl",
    .node_bytes = sizeof(struct heap_node),
    .state_bytes = sizeof(struct ttl),
    .evicts = true,
    .init = ttl_init,
    .fini = ttl_fini,
    .insert = ttl_insert,
    .hit = ttl_hit,
    .victim = ttl_victim,
    .remove = ttl_remove,
    .replace = ttl_move,
    .move = ttl_move,
};
