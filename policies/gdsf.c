/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gdsf.c - greedy dual size frequency: an item's rank is its hits for each byte, plus the rank of the victim
 * that left last before its last hit. Keeps what gives most hits for its memory: the fewest misses of
 * all where sizes differ, though not the fewest bytes missed. A heap: 24 bytes an item and 8 outside; a
 * hit costs O(log n).
 * Source: Cherkasova, "Improving WWW proxies performance with greedy-dual-size-frequency caching policy",
 * HP Laboratories HPL-98-69R1, 1998.
 */
#include "policies/heap.h"

struct gdsf_node {
    struct heap_node heap;
    uint32_t hits;
    uint32_t size;
};

#define SCALE 1e6 /* keeps ranks near 1 for kilobytes */

struct gdsf {
    struct policy base;
    struct heap heap;
    double age; /* rank of the last victim */
};

static struct gdsf *gdsf_of(struct policy *p)
{
    return (struct gdsf *)p;
}

static void gdsf_init(struct policy *p, const double *param)
{
    (void)p;
    (void)param;
}

static void gdsf_fini(struct policy *p)
{
    heap_fini(&gdsf_of(p)->heap, p);
}

static double priority(struct policy *p, const struct gdsf_node *f)
{
    return gdsf_of(p)->age + SCALE * f->hits / (f->size ? f->size : 1);
}

static enum status gdsf_insert(struct policy *p, const struct policy_item *it)
{
    struct gdsf_node *f = (struct gdsf_node *)it->node;

    f->hits = 1;
    f->size = it->size;
    return heap_insert(&gdsf_of(p)->heap, p, &f->heap, priority(p, f));
}

static void gdsf_hit(struct policy *p, struct policy_node *n)
{
    struct gdsf_node *f = (struct gdsf_node *)n;

    f->hits++;
    heap_change(&gdsf_of(p)->heap, &f->heap, priority(p, f));
}

static struct policy_node *gdsf_victim(struct policy *p)
{
    return (struct policy_node *)heap_lowest(&gdsf_of(p)->heap);
}

static void gdsf_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    struct gdsf_node *f = (struct gdsf_node *)it->node;

    if (evicted)
        gdsf_of(p)->age = f->heap.priority;
    heap_remove(&gdsf_of(p)->heap, p, &f->heap);
}

static void gdsf_move(struct policy *p, const struct policy_item *old,
                      const struct policy_item *fresh)
{
    struct gdsf_node *f = (struct gdsf_node *)fresh->node;

    *f = *(const struct gdsf_node *)old->node;
    f->size = fresh->size;
    heap_move(&gdsf_of(p)->heap, &f->heap);
}

static void gdsf_replace(struct policy *p, const struct policy_item *old,
                         const struct policy_item *fresh)
{
    gdsf_move(p, old, fresh);
    gdsf_hit(p, fresh->node);
}

const struct policy_ops policy_gdsf = {
    .name = "gdsf",
    .node_bytes = sizeof(struct gdsf_node),
    .state_bytes = sizeof(struct gdsf),
    .evicts = true,
    .init = gdsf_init,
    .fini = gdsf_fini,
    .insert = gdsf_insert,
    .hit = gdsf_hit,
    .victim = gdsf_victim,
    .remove = gdsf_remove,
    .replace = gdsf_replace,
    .move = gdsf_move,
};
