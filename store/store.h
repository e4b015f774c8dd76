/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store.h - the cache: shards, each one lock, one index per database, one policy instance, its
 * counters. A key's hash names its shard. What a command does, it does between store_lock() and
 * store_unlock():
 *
 *     struct shard *s = store_lock(st, key.hash);
 *     struct item *it = shard_find(s, &key, now_ms);      live items only
 *     ... shard_hit, item_value, shard_put, shard_remove ...
 *     store_unlock(s);
 *
 * Under a shard lock: no system call, no log, no waiting, no second shard (store_lock_keys takes
 * several in their order). New items are built before the lock (store_item) and old ones are freed
 * after it (the store sees to that).
 *
 * Threads: any. Lifetime: store_new .. store_free. Time: cache time in ms (lib/clock.h).
 */
#pragma once
#include "lib/epoch.h"
#include "lib/lock.h"
#include "lib/slice.h"
#include "lib/status.h"
#include "policies/policy.h"
#include "store/index.h"
#include "store/item.h"

#define STORE_DATABASES 16

struct store;
struct shard;

struct store_options {
    const struct policy_ops *policy;
    bool volatile_only; /* evict only items that expire */
    uint64_t seed;      /* of every hash; see hash_random_seed() */
    size_t limit_bytes; /* for the whole process; 0: none */
    unsigned shards;    /* a power of two; 0: chosen from threads and limit */
    unsigned threads;   /* that will use the store */
};

/* A key as a command sees it. hash = store_hash(st, p, len). */
struct key {
    const char *p;
    uint32_t len;
    uint8_t db;
    uint64_t hash;
};

/* Sums over all shards since the start, and gauges. */
struct store_stats {
    uint64_t items;       /* expired ones not yet found included */
    uint64_t items_total; /* ever stored */
    uint64_t item_bytes;  /* from the allocator */
    uint64_t index_bytes;
    uint64_t policy_bytes; /* of the policy, beyond what it has in the items */
    uint64_t evicted;
    uint64_t evicted_unfetched;
    uint64_t expired;
    uint64_t expired_unfetched;
    uint64_t limit_bytes;
    uint64_t budget_bytes;  /* what of the limit is left for items and index, as measured */
    int64_t evicted_age_ms; /* of the last evicted item: time since its last access */
};

struct store *store_new(const struct store_options *o) MUST_USE;
void store_free(struct store *st);

const struct policy_ops *store_policy(const struct store *st);
uint16_t store_node_bytes(const struct store *st);
struct epoch *store_epoch(struct store *st);
uint64_t store_hash(const struct store *st, const char *key, size_t len);

/* ---- one key ---- */

struct shard *store_lock(struct store *st, uint64_t hash);
/* Also frees what the command removed or replaced. */
void store_unlock(struct shard *s);

/* The live item or NULL. An expired one is removed and counted on the way. The pointer is good until
 * store_unlock. */
struct item *shard_find(struct shard *s, const struct key *k, int64_t now_ms);

/* Did the last shard_find that answered NULL find an expired item? Under the same lock. */
bool shard_found_expired(const struct shard *s);

/* The item was read: tell the policy, stamp the access time and ITEM_FETCHED. */
void shard_hit(struct shard *s, struct item *it, int64_t now_ms);

/* Build an item for k. NULL: no memory, or over the limit under a policy that does not evict (the caller
 * answers the protocol's "out of memory"). Outside of any lock. */
struct item *store_item(struct store *st, const struct key *k, const struct item_attr *attr,
                        uint32_t vlen) MUST_USE;
/* Give back an item that was not put. NULL is legal. */
void store_item_drop(struct store *st, struct item *it);
void store_item_write(struct store *st, struct item *it, size_t off, const char *src, size_t n);

/* Make `it` the item of k; takes it in every case. `old` is what shard_find gave under this same lock
 * (NULL: the key is absent). NO_MEMORY: the index could not grow, the key is as it was. */
enum status shard_put(struct shard *s, const struct key *k, struct item *old, struct item *it,
                      int64_t now_ms) MUST_USE;

/* Remove an item that shard_find gave. */
void shard_remove(struct shard *s, const struct key *k, struct item *it);

/* Give the item another expiry (0: none). It may move: use the pointer that comes back. NULL: no
 * memory, nothing changed. */
struct item *shard_set_expiry(struct shard *s, const struct key *k, struct item *it,
                              int64_t expiry_ms) MUST_USE;

/* The item's CAS unique, drawn now if nobody asked before: items pay for one only when it is used. It
 * changes with every change of the value. The item may move: *it is updated. 0: no memory. */
uint64_t shard_cas(struct shard *s, const struct key *k, struct item **it);

/* Changes of an item in place, for values that are not shared (no ITEM_REFS): overwrite its bytes,
 * n == vlen; its CAS unique changes if it has one. False: it is shared, build a new one. */
bool shard_overwrite(struct shard *s, struct item *it, const char *src, uint32_t n);

/* The next CAS unique, for items that are to carry one from the start. */
uint64_t store_next_cas(struct store *st);

/* A reference to a large value that outlives the lock; give back with store_item_put from any
 * thread. NULL when the item is small: copy it. */
struct item *shard_share(struct item *it);
void store_item_put(struct store *st, struct item *it);

/* The value in one or two pieces, good until store_unlock (or for as long as a reference is held). */
unsigned store_value(const struct store *st, const struct item *it, struct slice part[2]);

/* ---- several keys at once ---- */

/* A set of shards locked together, in ascending order. */
#define STORE_SHARDS_MAX 1024
struct shard_set {
    struct store *st;
    uint64_t bits[STORE_SHARDS_MAX / 64];
};
void store_lock_keys(struct store *st, const struct key *keys, size_t n, struct shard_set *set);
void store_unlock_keys(struct shard_set *set);
/* The shard of a key whose lock is in the set. */
struct shard *store_shard(struct store *st, uint64_t hash);

/* ---- a batch ---- */

/* Bring what a key needs towards the cache in two steps: its bucket, then its item. Within an epoch. */
const struct bucket *store_prefetch_bucket(const struct store *st, uint64_t hash);
static inline void store_prefetch_item(const struct bucket *b, uint64_t hash)
{
    index_prefetch_item(b, hash);
}
/* Both steps for the hashed keys of one command. */
void store_prefetch_keys(const struct store *st, const struct key *keys, size_t n);

/* ---- the whole ---- */

/* Drop one database, or all (db < 0), as of now. O(shards) for the caller; memory comes back from
 * store_housekeep in slices. */
void store_flush(struct store *st, int db);
/* memcached's flush_all with a delay: everything in database 0 that exists at that time goes. A later
 * call replaces an earlier one; 0 cancels. */
void store_flush_at(struct store *st, int64_t when_ms);
/* Do a delayed flush whose time has come; called at the start of each turn. */
void store_flush_due(struct store *st, int64_t now_ms);

uint64_t store_db_items(const struct store *st, int db);
/* Those of them that have an expiry. */
uint64_t store_db_expiring(const struct store *st, int db);

/* Visit one bucket's live items and return the next cursor; 0 starts and ends. */
typedef void (*store_visit_fn)(void *arg, struct item *it);
uint64_t store_scan(struct store *st, int db, uint64_t cursor, int64_t now_ms, store_visit_fn fn,
                    void *arg);

/* Work in a slice of at most max_ns: evict what is over the budget, free what was flushed, sweep for
 * expired items, give index memory back. True when more is waiting. Any thread, in an epoch. */
bool store_housekeep(struct store *st, int64_t now_ms, uint64_t max_ns);

/* What the process holds, as measured by the main thread: what of it is not items and index leaves less
 * budget for them. True: it holds more than the limit allows (an empty server's bytes are not charged). */
bool store_set_overhead(struct store *st, size_t resident_bytes);
void store_set_limit(struct store *st, size_t limit_bytes);
/* Is the store over its budget? A large write over many small items evicts less than it takes, so that
 * it need not wait: the debt is paid in slices behind it. */
bool store_is_over(const struct store *st);
/* The allocator has nothing left, though the limit may allow more: evict about so many bytes. True when
 * something went, so that trying again makes sense. */
bool store_make_room(struct store *st, size_t bytes);
/* Evict what is over the budget for at most max_ns. True when more is owed. */
bool store_pay_debt(struct store *st, uint64_t max_ns);

void store_stats(struct store *st, struct store_stats *out);
