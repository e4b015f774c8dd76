/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy.h - what an eviction policy is: an order over nodes. A node is `node_bytes` bytes that lie
 * in front of each item and belong to the policy alone; of the item behind it the policy knows
 * nothing. One instance serves one shard.
 *
 * Rules: called under the shard's lock (or by one thread in a simulator). After init a policy does
 * not allocate, block, or read a clock. The store calls insert once for a node, then any number of
 * hit and replace, then remove once; victim only names a node, the store then removes it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* The policy's own bytes, 4-byte aligned at least, 8 when node_bytes % 8 == 0. */
struct policy_node;

/* The state of one instance: policy_ops.state_bytes bytes, zeroed, 8-byte aligned. */
struct policy;

struct policy_ops {
    const char *name;
    uint16_t node_bytes;
    uint16_t state_bytes;
    /* False: this policy never has a victim, and a full store refuses instead of evicting. */
    uint8_t evicts;

    void (*init)(struct policy *p);
    void (*insert)(struct policy *p, struct policy_node *n);
    void (*hit)(struct policy *p, struct policy_node *n);
    /* The node to go next, or NULL when there is none. */
    struct policy_node *(*victim)(struct policy *p);
    void (*remove)(struct policy *p, struct policy_node *n);
    /* The value of a key was written anew: `fresh` takes the place of `old`, which is gone. */
    void (*replace)(struct policy *p, struct policy_node *old, struct policy_node *fresh);
    /* The same item lies elsewhere now (a field was added): its place in the order stays. */
    void (*move)(struct policy *p, struct policy_node *old, struct policy_node *fresh);
};

/* All rows of tables/policies.h; NULL when there is no such name. */
const struct policy_ops *policy_by_name(const char *name);
/* Row i, NULL behind the last. */
const struct policy_ops *policy_at(unsigned i);
