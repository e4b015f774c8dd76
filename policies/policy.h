/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy.h - what an eviction policy is: an order over items, of which it knows a node, a size and a
 * handle. One instance serves one shard; the server and the simulator link the same object code.
 *
 * Two kinds, by what a node is:
 *
 *   node_bytes > 0   the node is that many bytes in front of the item, the policy's own: list links,
 *                    a frequency, what it likes.
 *   node_bytes == 0  the node is one byte of the item's header, of which the low four bits are the
 *                    policy's (POLICY_BITS). Such a policy keeps its order outside of the items as
 *                    queues of handles (queue.h), 4 bytes an item, and asks the host for the item
 *                    behind a handle when its turn comes. The handle of an item that is gone finds
 *                    nothing, or another item of the same handle, which is as good.
 *
 * A handle is 32 bits of the key's hash: enough for the host to find the item, and a fingerprint for
 * ghosts and sketches. Handles are not unique; all that a policy may assume is that they seldom meet.
 *
 * Sizes and the capacity are in one unit of the host's choice: bytes in the server, objects or bytes
 * in the simulator. What a policy allocates beyond its state it counts in `memory`.
 *
 * Rules. Called under the shard's lock, or by one thread. A policy does not block and reads no clock;
 * work per call is O(1), amortised at least, O(log n) for heaps. Only insert may fail, for want of
 * memory, and then changes nothing. For a node: insert, then any number of hit, replace and move, then
 * remove; victim only names a node, which the host may then remove, or not.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy_node;

/* The bits of a one-byte node that belong to the policy; the host keeps the rest. */
#define POLICY_BITS 15

/* What the host says of an item with each call. */
struct policy_item {
    struct policy_node *node;
    uint32_t handle;
    uint32_t
        size; /* what the item is charged; the same from insert to remove, save by replace, move */
    int64_t expiry_ms; /* 0: never */
};

/* What a policy asks of the host. */
struct policy_host {
    /* An item with this handle whose node byte has `bits` under `mask`; NULL: there is none. *size gets
     * its size. Only policies with node_bytes == 0 ask. */
    struct policy_node *(*resolve)(void *arg, uint32_t handle, uint8_t mask, uint8_t bits,
                                   uint32_t *size);
    void *arg;
};

/* The head of each instance; its state follows. */
struct policy {
    struct policy_host host;
    /* The host's: how much all items may take together. Read at each call; shares are shares of it. */
    uint64_t capacity;
    /* The policy's: bytes it has allocated beyond state_bytes. */
    uint64_t memory;
};

/* A number that tunes a policy. */
struct policy_param {
    const char *name;
    double normal, min, max;
    const char *prose;
};
#define POLICY_PARAMS 6

struct policy_ops {
    const char *name;
    uint16_t node_bytes;  /* a multiple of 4 */
    uint16_t state_bytes; /* struct policy included */
    /* False: this policy never has a victim, and a full host refuses instead of evicting. */
    bool evicts;
    /* True: of two instances the one whose victim was idle longer should give it. False: the one that has
     * more, as a victim's idle time says nothing about the instance. */
    bool by_age;
    struct policy_param params[POLICY_PARAMS]; /* unused ones have no name */

    /* State is zeroed but for its head. param[i] is the value of params[i]. */
    void (*init)(struct policy *p, const double *param);
    /* Free what was allocated; nodes may still be in it, and are not touched. */
    void (*fini)(struct policy *p);
    enum status (*insert)(struct policy *p, const struct policy_item *it);
    void (*hit)(struct policy *p, struct policy_node *n);
    /* The node to go next, or NULL when there is none. */
    struct policy_node *(*victim)(struct policy *p);
    /* evicted: because victim named it just before; false: for reasons of the host. */
    void (*remove)(struct policy *p, const struct policy_item *it, bool evicted);
    /* The value of a key was written anew: `fresh` takes the place of `old`, which is gone. That was an
     * access. The handle is the same. */
    void (*replace)(struct policy *p, const struct policy_item *old,
                    const struct policy_item *fresh);
    /* The same item lies elsewhere now, or has another size or expiry; its node bytes have not been
     * copied (they are the same bytes when old and fresh have one node). No access. */
    void (*move)(struct policy *p, const struct policy_item *old, const struct policy_item *fresh);
};

/* All rows of tables/policies.h; NULL when there is no such name. */
const struct policy_ops *policy_by_name(const char *name);
/* Row i, NULL behind the last; its prose. */
const struct policy_ops *policy_at(unsigned i);
const char *policy_prose(unsigned i);

/* What a maxmemory-policy names: a row by its own name, or by one of Redis's (allkeys-lru, ...). */
struct policy_choice {
    const struct policy_ops *ops; /* NULL: there is no such name */
    bool volatile_only;           /* only items that expire may be evicted */
};
struct policy_choice policy_choose(const char *name);

/* An instance. param: a value for each of ops->params, or NULL for their defaults. NULL: no memory. */
struct policy *policy_new(const struct policy_ops *ops, const struct policy_host *host,
                          const double *param);
/* NULL is legal. */
void policy_free(const struct policy_ops *ops, struct policy *p);

/* A share of the capacity. */
static inline uint64_t policy_share(const struct policy *p, double share)
{
    return (uint64_t)((double)p->capacity * share);
}
