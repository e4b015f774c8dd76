/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index.h - from key to item. A linear hash table (Witold Litwin, VLDB 1980): it grows and shrinks by
 * one bucket at a time, so there is no second table, no rehash job and no pause. A bucket is one cache
 * line of eight slots; a slot is a 16-bit tag of the hash and a 48-bit pointer:
 *
 *     bucket  | slot 0 | slot 1 | ... | slot 7 |        slot 7 of a full bucket may hold a link
 *                                         `-> | 4 slots |  to a chain of small overflow nodes
 *
 * Buckets live in chunks of a page, chunks in a directory. At INDEX_LOAD items per bucket a look-up
 * touches one line to miss and two to hit, and the index costs about 11 bytes an item.
 *
 * Threads: under the owner shard's lock, save prefetching, which any thread inside an epoch may do
 * (lib/epoch.h): it reads words that may change under it and follows none that are freed.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/epoch.h"
#include "lib/status.h"
#include "store/item.h"

#define INDEX_SLOTS 8
#define INDEX_LOAD 7        /* items per bucket above which the table grows */
#define INDEX_LOAD_SHRINK 3 /* below which it shrinks */
#define INDEX_CHUNK_BUCKETS 64
#define INDEX_CHUNK_SHIFT 6

struct bucket {
    uint64_t slot[INDEX_SLOTS];
} CACHE_ALIGNED;

struct index {
    struct bucket **chunks; /* the directory; relaxed atomic for prefetch */
    uint32_t buckets;       /* in use; relaxed atomic for prefetch */
    uint32_t dir_len;       /* room in the directory */
    uint64_t items;
    uint64_t bytes; /* chunks, directory and overflow nodes */
    uint64_t seed;  /* of hash_key, to rehash the keys of a bucket that splits */
    struct epoch *epoch;
};

/* An empty table of one chunk. NO_MEMORY leaves nothing behind. */
enum status index_init(struct index *ix, uint64_t seed, struct epoch *epoch) MUST_USE;
/* Let go of the memory, when no turn can see it any more (lib/epoch.h); *ix must stay in place that long
 * too. The items are not touched. */
void index_fini(struct index *ix);

/* The slot that holds this key's item, or NULL. Valid until the next insert or remove. */
uint64_t *index_find(const struct index *ix, uint64_t hash, const char *key, uint32_t klen);

static inline struct item *index_item(const uint64_t *slot)
{
    return (struct item *)(uintptr_t)(*slot & ((UINT64_C(1) << 48) - 1));
}

/* Add an item whose key is not there. NO_MEMORY when an overflow node cannot be had. */
enum status index_insert(struct index *ix, uint64_t hash, struct item *it) MUST_USE;

/* Put another item with the same key into a slot. */
void index_replace(uint64_t *slot, struct item *it);

/* Remove the item that is in the table under this hash; false when this very item is not there. */
bool index_remove(struct index *ix, uint64_t hash, const struct item *it);

/* 32 bits of a hash by which index_resolve finds an item again: bits of the tag and the lowest ones of the
 * bucket's number. Not unique. */
#define INDEX_HANDLE_BUCKET_BITS 17
static inline uint32_t index_handle(uint64_t hash)
{
    return (uint32_t)(hash >> 49 << INDEX_HANDLE_BUCKET_BITS) |
           ((uint32_t)hash & ((1u << INDEX_HANDLE_BUCKET_BITS) - 1));
}

/* The first item with this handle that `match` accepts, or NULL. Looks at one bucket, at more in a table
 * of more than 2^INDEX_HANDLE_BUCKET_BITS. */
typedef bool (*index_match_fn)(const void *arg, const struct item *it);
struct item *index_resolve(const struct index *ix, uint32_t handle, index_match_fn match,
                           const void *arg);

/* Call fn for each item of a bucket. fn may not change the table. */
typedef void (*index_visit_fn)(void *arg, struct item *it);
void index_visit(const struct index *ix, uint32_t bucket, index_visit_fn fn, void *arg);

/* Visit the bucket that a scan cursor names and return the next cursor; 0 starts and ends a scan. An
 * item that is in the table from start to end of the scan is visited at least once however the
 * table grows and shrinks: the cursor counts in bit-reversed hash order, in which a bucket is one
 * interval and a split or a merge only cuts or joins neighbours. */
uint64_t index_scan(const struct index *ix, uint64_t cursor, index_visit_fn fn, void *arg);

/* Stage 1 of a batch: bring the key's bucket towards the cache. The pointer is good within the epoch, for
 * stage 2 only. NULL: the table is just changing. */
const struct bucket *index_prefetch_bucket(const struct index *ix, uint64_t hash);
/* Stage 2: the same for the item whose tag matches. NULL is legal. */
void index_prefetch_item(const struct bucket *b, uint64_t hash);
