/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random.c - any item. An array of all nodes, from which each can be removed: 4 bytes an item and 8 outside;
 * a hit costs nothing. The sequence is the same in each run.
 * Source: none needed. The generator: Marsaglia, "Xorshift RNGs", J. Stat. Software 8(14), 2003.
 */
#include "policies/array.h"

struct random_node {
    uint32_t at;
};

struct random {
    struct policy base;
    struct array array;
    uint64_t seed;
};

static struct random *random_of(struct policy *p)
{
    return (struct random *)p;
}

static void put(struct policy *p, uint32_t at, struct random_node *n)
{
    *array_place(&random_of(p)->array, at) = n;
    n->at = at;
}

static void random_init(struct policy *p, const double *param)
{
    (void)param;
    random_of(p)->seed = UINT64_C(88172645463325252);
}

static void random_fini(struct policy *p)
{
    array_fini(&random_of(p)->array, p);
}

static enum status random_insert(struct policy *p, const struct policy_item *it)
{
    struct array *a = &random_of(p)->array;

    if (array_grow(a, p) != OK)
        return NO_MEMORY;
    put(p, a->items - 1, (struct random_node *)it->node);
    return OK;
}

static void random_hit(struct policy *p, struct policy_node *n)
{
    (void)p;
    (void)n;
}

static struct policy_node *random_victim(struct policy *p)
{
    struct random *r = random_of(p);

    if (r->array.items == 0)
        return NULL;
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return *array_place(&r->array, (uint32_t)((r->seed >> 32) * r->array.items >> 32));
}

static void random_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    struct array *a = &random_of(p)->array;

    (void)evicted;
    put(p, ((struct random_node *)it->node)->at, *array_place(a, a->items - 1));
    array_shrink(a, p);
}

static void random_move(struct policy *p, const struct policy_item *old,
                        const struct policy_item *fresh)
{
    put(p, ((struct random_node *)old->node)->at, (struct random_node *)fresh->node);
}

const struct policy_ops policy_random = {
    .name = "random",
    .node_bytes = sizeof(struct random_node),
    .state_bytes = sizeof(struct random),
    .evicts = true,
    .init = random_init,
    .fini = random_fini,
    .insert = random_insert,
    .hit = random_hit,
    .victim = random_victim,
    .remove = random_remove,
    .replace = random_move,
    .move = random_move,
};
