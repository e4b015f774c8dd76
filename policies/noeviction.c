/* SPDX-License-Identifier: BSD-3-Clause */
/* noeviction.c - keeps no order and names no victim. No bytes an item, no cost a hit. */
#include "policies/policy.h"

static void no_init(struct policy *p, const double *param)
{
    (void)p;
    (void)param;
}

static void no_fini(struct policy *p)
{
    (void)p;
}

static enum status no_insert(struct policy *p, const struct policy_item *it)
{
    (void)p;
    (void)it;
    return OK;
}

static void no_hit(struct policy *p, struct policy_node *n)
{
    (void)p;
    (void)n;
}

static struct policy_node *no_victim(struct policy *p)
{
    (void)p;
    return NULL;
}

static void no_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    (void)p;
    (void)it;
    (void)evicted;
}

static void no_move(struct policy *p, const struct policy_item *old,
                    const struct policy_item *fresh)
{
    (void)p;
    (void)old;
    (void)fresh;
}

const struct policy_ops policy_noeviction = {
    .name = "noeviction",
    .state_bytes = sizeof(struct policy),
    .evicts = false,
    .init = no_init,
    .fini = no_fini,
    .insert = no_insert,
    .hit = no_hit,
    .victim = no_victim,
    .remove = no_remove,
    .replace = no_move,
    .move = no_move,
};
