/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lfu.c - least frequently used, with ageing: an item's rank is its number of hits since it came plus the
 * rank of the victim that left last before its last hit, so that old fame fades as fast as items are
 * evicted. ageing=0 counts hits alone. A heap: 24 bytes an item and 8 outside; a hit costs O(log n).
 * Source: the ageing: Arlitt et al., "Evaluating content management techniques for web proxy caches",
 * SIGMETRICS PER 27(4), 2000 (LFU with dynamic ageing).
 */
#include "policies/heap.h"

struct lfu_node {
    struct heap_node heap;
    uint32_t hits;
    uint32_t unused; /* keeps the item behind it aligned to 8 */
};

struct lfu {
    struct policy base;
    struct heap heap;
    double age; /* rank of the last victim */
    bool ageing;
};

static struct lfu *lfu_of(struct policy *p)
{
    return (struct lfu *)p;
}

static void lfu_init(struct policy *p, const double *param)
{
    lfu_of(p)->ageing = param[0] != 0;
}

static void lfu_fini(struct policy *p)
{
    heap_fini(&lfu_of(p)->heap, p);
}

static double priority(struct policy *p, const struct lfu_node *f)
{
    return f->hits + (lfu_of(p)->ageing ? lfu_of(p)->age : 0);
}

static enum status lfu_insert(struct policy *p, const struct policy_item *it)
{
    struct lfu_node *f = (struct lfu_node *)it->node;

    f->hits = 1;
    return heap_insert(&lfu_of(p)->heap, p, &f->heap, priority(p, f));
}

static void lfu_hit(struct policy *p, struct policy_node *n)
{
    struct lfu_node *f = (struct lfu_node *)n;

    f->hits++;
    heap_change(&lfu_of(p)->heap, &f->heap, priority(p, f));
}

static struct policy_node *lfu_victim(struct policy *p)
{
    return (struct policy_node *)heap_lowest(&lfu_of(p)->heap);
}

static void lfu_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    struct lfu_node *f = (struct lfu_node *)it->node;

    if (evicted)
        lfu_of(p)->age = f->heap.priority;
    heap_remove(&lfu_of(p)->heap, p, &f->heap);
}

static void lfu_move(struct policy *p, const struct policy_item *old,
                     const struct policy_item *fresh)
{
    struct lfu_node *f = (struct lfu_node *)fresh->node;

    *f = *(const struct lfu_node *)old->node;
    heap_move(&lfu_of(p)->heap, &f->heap);
}

static void lfu_replace(struct policy *p, const struct policy_item *old,
                        const struct policy_item *fresh)
{
    lfu_move(p, old, fresh);
    lfu_hit(p, fresh->node);
}

const struct policy_ops policy_lfu = {
    .name = "lfu",
    .node_bytes = sizeof(struct lfu_node),
    .state_bytes = sizeof(struct lfu),
    .evicts = true,
    .params = {{"ageing", 1, 0, 1, "1: old hits fade; 0: they count for ever"}},
    .init = lfu_init,
    .fini = lfu_fini,
    .insert = lfu_insert,
    .hit = lfu_hit,
    .victim = lfu_victim,
    .remove = lfu_remove,
    .replace = lfu_replace,
    .move = lfu_move,
};
