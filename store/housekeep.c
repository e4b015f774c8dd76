/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * housekeep.c - what the store does beside requests, in slices: eviction, freeing what was flushed,
 * sweeping for expired items.
 */
#include "store/shard.h"

#include "lib/clock.h"
#include "lib/hash.h"

#define SCAN_SHARDS 64   /* shards whose victims are compared for one choice */
#define EVICT_RUN 8      /* victims taken from a chosen shard at most */
#define SLICE_BUCKETS 16 /* buckets visited under one hold of a lock */
#define SLICE_ITEMS 256
#define EVICT_SLICE 256

/* ---- eviction ---- */

/* Stamps wrap, so that ages are compared, not stamps. Another worker's clock may be a little ahead
 * of ours: what it has just touched is new, not ancient. */
static uint32_t age_of(uint32_t stamp, uint32_t now)
{
    int32_t age = (int32_t)(now - stamp);

    return age > 0 ? (uint32_t)age : 0;
}

/* How much speaks for a shard: the higher, the more. */
static uint32_t weight_of(const struct store *st, uint32_t claim, uint32_t now)
{
    return st->policy->by_age ? age_of(claim, now) : claim;
}

/* The shard that is to give something, and how much speaks for the next one. */
static struct shard *choose_shard(struct store *st, uint32_t now, uint32_t *second)
{
    /* Each choice begins elsewhere, so that shards of equal weight take turns. */
    uint32_t first = __atomic_fetch_add(
        &st->evict_hand, st->nshards > SCAN_SHARDS ? SCAN_SHARDS : 1, __ATOMIC_RELAXED);
    uint32_t n = st->nshards < SCAN_SHARDS ? st->nshards : SCAN_SHARDS;
    uint32_t most = 0;
    struct shard *best = NULL;

    *second = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = (first + i) & st->shard_mask;
        uint32_t claim = RELAXED_LOAD(&st->claim[number]);
        uint32_t weight = weight_of(st, claim, now);

        if (claim == 0)
            continue;
        if (!best || weight > most) {
            *second = most;
            most = weight;
            best = &st->shards[number];
        } else if (weight > *second) {
            *second = weight;
        }
    }
    return best;
}

static void evict_item(struct shard *s, struct item *it, uint32_t now)
{
    struct store *st = s->store;

    if (!shard_unlink(s, it, hash_key(st->seed, item_key(it), item_klen(it)), true))
        return; /* flushed before: it only waited for its memory to be freed */
    s->evicted++;
    if (!(it->marks & ITEM_FETCHED))
        s->evicted_unfetched++;
    RELAXED_STORE(&st->evicted_age_ms, (int64_t)age_of(it->access, now) << ITEM_ACCESS_SHIFT);
}

/* What speaks for evicting from this shard; *victim is set when it had to be asked for. */
static uint32_t claim_of(struct shard *s, struct item **victim)
{
    const struct store *st = s->store;
    struct policy_node *n;

    *victim = NULL;
    if (!st->policy->by_age)
        return size_claim(s->charged);
    n = st->policy->victim(s->policy);
    if (!n)
        return 0;
    *victim = node_item(st, n);
    return (*victim)->access | 1;
}

/* Evict from one shard while more speaks for it than for any other; returns the bytes freed. */
static uint64_t evict_run(struct shard *s, uint32_t now, uint32_t second, uint64_t want,
                          unsigned *items)
{
    struct store *st = s->store;
    struct item *gone[EVICT_RUN], *it;
    unsigned n = 0;
    uint64_t bytes = 0;
    uint32_t claim;

    lock_acquire(&s->lock);
    shard_size_policy(s);
    for (;;) {
        struct policy_node *node;

        claim = claim_of(s, &it);
        if (claim == 0 || n == EVICT_RUN || bytes >= want || weight_of(st, claim, now) < second)
            break;
        if (!it) {
            node = st->policy->victim(s->policy);
            if (!node) {
                claim = 0;
                break;
            }
            it = node_item(st, node);
        }
        bytes += item_bytes(it, st->node_bytes);
        evict_item(s, it, now);
        gone[n++] = it;
    }
    RELAXED_STORE(&st->claim[s->number], claim);
    shard_account_policy(s);
    lock_release(&s->lock);
    for (unsigned i = 0; i < n; i++)
        item_put(gone[i], st->node_bytes);
    *items += n;
    return bytes;
}

unsigned store_evict(struct store *st, uint64_t bytes, unsigned max_items)
{
    uint32_t now = access_stamp(clock_now_ms()), second;
    unsigned items = 0, tries = 0;
    uint64_t freed = 0;

    while (items < max_items && tries++ < 2 * max_items + SCAN_SHARDS) {
        int64_t over = RELAXED_LOAD(&st->used) - (int64_t)RELAXED_LOAD(&st->budget);
        uint64_t want = over > 0 ? (uint64_t)over : bytes - freed;
        struct shard *s;

        if (freed >= bytes && over <= 0)
            break;
        s = choose_shard(st, now, &second);
        if (!s)
            break;
        freed += evict_run(s, now, second, want, &items);
    }
    return items;
}

/* ---- freeing what was flushed ---- */

struct harvest {
    struct item *items[SLICE_ITEMS];
    unsigned n;
    int64_t now_ms; /* 0: take every item */
};

static void harvest_item(void *arg, struct item *it)
{
    struct harvest *h = arg;

    if (h->n < SLICE_ITEMS && (h->now_ms == 0 || item_is_expired(it, h->now_ms)))
        h->items[h->n++] = it;
}

/* Visit some buckets of a table. True: the end was reached. */
static bool harvest_buckets(struct table *t, struct harvest *h)
{
    for (unsigned i = 0; i < SLICE_BUCKETS && h->n < SLICE_ITEMS / 2; i++) {
        if (t->sweep >= t->ix.buckets)
            return true;
        index_visit(&t->ix, t->sweep++, harvest_item, h);
    }
    return t->sweep >= t->ix.buckets;
}

static uint64_t item_hash(const struct store *st, const struct item *it)
{
    return hash_key(st->seed, item_key(it), item_klen(it));
}

/* Free a part of a shard's dying tables; true when more is left. */
static bool bury_some(struct shard *s)
{
    struct store *st = s->store;
    struct harvest h = {.n = 0};
    struct table *t;
    bool more;

    lock_acquire(&s->lock);
    t = s->dying;
    if (t) {
        /* Removing shrinks the table from its end: what moves, moves to lower buckets, so that the
         * sweep starts over until nothing is left. */
        if (harvest_buckets(t, &h))
            t->sweep = 0;
        for (unsigned i = 0; i < h.n; i++)
            shard_unlink(s, h.items[i], item_hash(st, h.items[i]), false);
        if (t->ix.items == 0) {
            RELAXED_STORE(&s->dying, t->next);
            table_free(s, t);
        }
    }
    more = s->dying != NULL;
    lock_release(&s->lock);
    for (unsigned i = 0; i < h.n; i++)
        item_put(h.items[i], st->node_bytes);
    return more;
}

/* ---- expiry ---- */

/* Remove expired items from a few buckets of a shard; true when all its tables were swept. */
static bool sweep_some(struct shard *s, int64_t now_ms)
{
    struct store *st = s->store;
    struct harvest h = {.now_ms = now_ms};
    bool done = true;

    lock_acquire(&s->lock);
    for (int db = 0; db < STORE_DATABASES; db++) {
        struct table *t = s->tables[db];

        if (!t || t->expiring == 0 || t->sweep == UINT32_MAX)
            continue;
        done = false;
        if (harvest_buckets(t, &h))
            t->sweep = UINT32_MAX;
        break;
    }
    for (unsigned i = 0; i < h.n; i++) {
        s->expired++;
        if (!(h.items[i]->marks & ITEM_FETCHED))
            s->expired_unfetched++;
        shard_unlink(s, h.items[i], item_hash(st, h.items[i]), false);
    }
    lock_release(&s->lock);
    for (unsigned i = 0; i < h.n; i++)
        item_put(h.items[i], st->node_bytes);
    return done;
}

static void sweep_restart(struct shard *s)
{
    lock_acquire(&s->lock);
    for (int db = 0; db < STORE_DATABASES; db++)
        if (s->tables[db] && s->tables[db]->sweep == UINT32_MAX)
            s->tables[db]->sweep = 0;
    lock_release(&s->lock);
}

/* ---- the slice ---- */

void store_flush_due(struct store *st, int64_t now_ms)
{
    int64_t at = RELAXED_LOAD(&st->flush_at);

    if (at == 0 || now_ms < at)
        return;
    if (__atomic_compare_exchange_n(&st->flush_at, &at, 0, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        store_flush(st, 0);
}

/* Sweep shards in turn, from where the last slice stopped. */
static void sweep_until(struct store *st, int64_t now_ms, uint64_t end)
{
    for (uint32_t i = 0; i < st->nshards; i++) {
        struct shard *s = &st->shards[RELAXED_LOAD(&st->sweep_hand) & st->shard_mask];

        while (!sweep_some(s, now_ms))
            if (clock_mono_ns() >= end)
                return;
        sweep_restart(s);
        __atomic_fetch_add(&st->sweep_hand, 1, __ATOMIC_RELAXED);
        if (clock_mono_ns() >= end)
            return;
    }
}

bool store_make_room(struct store *st, size_t bytes)
{
    return store_evict(st, bytes, 64 + (unsigned)(bytes / 256)) > 0;
}

bool store_pay_debt(struct store *st, uint64_t max_ns)
{
    uint64_t end = clock_mono_ns() + max_ns;

    while (store_is_over(st)) {
        if (store_evict(st, 0, EVICT_SLICE) == 0)
            return false; /* nothing that could go */
        if (clock_mono_ns() >= end)
            return true;
    }
    return false;
}

bool store_housekeep(struct store *st, int64_t now_ms, uint64_t max_ns)
{
    uint64_t end = clock_mono_ns() + max_ns;

    epoch_reclaim(&st->epoch);
    store_flush_due(st, now_ms);
    if (store_pay_debt(st, max_ns))
        return true;
    for (uint32_t i = 0; i < st->nshards; i++)
        while (RELAXED_LOAD(&st->shards[i].dying) && bury_some(&st->shards[i]))
            if (clock_mono_ns() >= end)
                return true;
    sweep_until(st, now_ms, end);
    return false;
}
