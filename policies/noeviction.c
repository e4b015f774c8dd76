/* SPDX-License-Identifier: BSD-3-Clause */
/* noeviction.c - keeps no order and names no victim. No bytes an item, no cost a hit. */
#include "policies/policy.h"

static void no_state(struct policy *p)
{
    (void)p;
}

static void no_node(struct policy *p, struct policy_node *n)
{
    (void)p;
    (void)n;
}

static void no_nodes(struct policy *p, struct policy_node *old, struct policy_node *fresh)
{
    (void)p;
    (void)old;
    (void)fresh;
}

static struct policy_node *no_victim(struct policy *p)
{
    (void)p;
    return NULL;
}

const struct policy_ops policy_noeviction = {
    .name = "noeviction",
    .node_bytes = 0,
    .state_bytes = 0,
    .evicts = 0,
    .init = no_state,
    .insert = no_node,
    .hit = no_node,
    .victim = no_victim,
    .remove = no_node,
    .replace = no_nodes,
    .move = no_nodes,
};
