/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shard.h - private to store/: the layout of a shard and of the store, and what their files share.
 * Commands use store.h only.
 *
 * A database of a shard is a table (struct table). FLUSHDB moves the table to the list of the dying
 * and the database starts with none; the items of a dying table stay in the policy's order, so that
 * eviction finds them too, until housekeeping has freed them bucket by bucket.
 */
#pragma once
#include "store/store.h"

/* Removed items that store_unlock() frees; more than that are freed under the lock. */
#define SHARD_DEAD 6
/* Changes of the byte count that a shard keeps to itself before it tells the store. */
#define SHARD_UNPUBLISHED_MAX 4096

struct table {
    struct index ix;
    uint64_t expiring;  /* items with an expiry */
    uint32_t sweep;     /* bucket where the sweep (or the freeing, when dying) goes on */
    struct table *next; /* of the dying */
};

struct shard {
    /* const after init */
    struct store *store CACHE_ALIGNED;
    uint32_t number;
    /* under lock */
    struct lock lock;
    struct table *tables[STORE_DATABASES];
    uint64_t *found;     /* slot of the item that shard_find gave last */
    uint64_t bytes;      /* of items */
    int64_t unpublished; /* part of bytes and index bytes that store->used does not have yet */
    unsigned ndead;
    bool over;          /* the store was seen over its budget */
    bool found_expired; /* by the last shard_find that gave NULL */
    uint64_t put_bytes; /* by this critical section, to size the eviction it owes */
    struct item *dead[SHARD_DEAD];
    struct table *dying; /* the head is also read without the lock, as a hint */
    uint64_t items_total, evicted, evicted_unfetched, expired, expired_unfetched;
    struct policy *policy;  /* its state, in memory of its own */
    uint64_t policy_memory; /* of policy->memory, what has been accounted */
    uint64_t charged;       /* bytes of the items that are in the policy's order */
};

struct store {
    /* const after init */
    const struct policy_ops *policy;
    struct shard *shards;
    uint32_t nshards, shard_mask;
    uint64_t seed;
    uint16_t node_bytes;
    int16_t node_offset; /* from the item to the policy's node */
    bool volatile_only;  /* items without an expiry are not in the policy's order */
    /* relaxed atomic */
    uint64_t limit;
    uint64_t budget CACHE_ALIGNED; /* for items and index; INT64_MAX without a limit */
    uint64_t baseline;             /* resident bytes at start, not charged against the limit */
    int64_t flush_at;              /* cache time; 0: none */
    int64_t evicted_age_ms;
    uint32_t sweep_hand, evict_hand; /* shards where the next sweep and choice of victims begin */
    uint64_t cas CACHE_ALIGNED;
    int64_t used CACHE_ALIGNED; /* bytes of items and indexes, as published by the shards */
    /* what speaks for evicting from each shard, 0: has none; relaxed atomic, may lag. By
     * policy->by_age the access stamp of its victim, or the bytes in the policy's order, in units
     * of 64 */
    uint32_t *claim;
    struct epoch epoch;
};

static inline struct shard *shard_at(struct store *st, uint64_t hash)
{
    return &st->shards[(hash >> 32) & st->shard_mask];
}

static inline struct policy_node *item_node(const struct store *st, struct item *it)
{
    return (struct policy_node *)((char *)it + st->node_offset);
}

static inline struct item *node_item(const struct store *st, struct policy_node *n)
{
    return (struct item *)((char *)n - st->node_offset);
}

/* The claim of a shard that has `bytes` in the policy's order. */
static inline uint32_t size_claim(uint64_t bytes)
{
    return (uint32_t)((bytes + 63) / 64);
}

/* An access stamp of cache time; never 0. */
static inline uint32_t access_stamp(int64_t now_ms)
{
    return (uint32_t)(now_ms >> ITEM_ACCESS_SHIFT) | 1;
}

/* All below: under the shard's lock. */

/* The shard's bytes grew (or shrank) by n. */
void shard_account(struct shard *s, int64_t n);
/* Take an item out of its table and the policy; the caller frees it (shard_bury) or keeps it.
 * evicted: the policy has just named it. False: its table was flushed, nobody could find it any
 * more. */
bool shard_unlink(struct shard *s, struct item *it, uint64_t hash, bool evicted);
/* Free an item that is linked nowhere once the lock is released. */
void shard_bury(struct shard *s, struct item *it);
/* Is this item in the policy's order? */
static inline bool store_orders(const struct store *st, const struct item *it)
{
    return !st->volatile_only || item_expiry(it) != 0;
}
/* The host's part of the policy: the item behind a handle. arg: the shard. */
struct policy_node *shard_resolve(void *arg, uint32_t handle, uint8_t mask, uint8_t bits,
                                  uint32_t *size);
/* Tell the policy how much room there is. */
void shard_size_policy(struct shard *s);
/* Account what the policy has allocated or freed. */
void shard_account_policy(struct shard *s);
/* Count and remove an item whose time has come. */
void shard_expire(struct shard *s, struct item *it, uint64_t hash);
/* Let go of a table's memory; it must be empty of items. */
void table_free(struct shard *s, struct table *t);

/* Evict at least `bytes` (and what the store is over its budget), at most max_items. Without any
 * lock held. Returns the number of evicted items. */
unsigned store_evict(struct store *st, uint64_t bytes, unsigned max_items);
