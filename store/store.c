/* SPDX-License-Identifier: BSD-3-Clause */
/* store.c - the shards together: making and ending, locking, whole-store operations, statistics. */
#include "store/store.h"

#include "lib/clock.h"
#include "lib/hash.h"
#include "store/shard.h"

#define SHARDS_PER_THREAD 32
#define EVICT_MOST 4096           /* items, by one write: about a millisecond */
#define SHARD_MIN_BYTES (2 << 20) /* of the limit: smaller shards evict in too coarse an order */

static unsigned choose_shards(const struct store_options *o)
{
    unsigned n = 1, want = SHARDS_PER_THREAD * (o->threads ? o->threads : 1);

    if (o->shards)
        return o->shards;
    while (n < want && n < STORE_SHARDS_MAX &&
           (o->limit_bytes == 0 || o->limit_bytes / (2 * n) >= SHARD_MIN_BYTES))
        n *= 2;
    return n;
}

static bool shard_init(struct shard *s, struct store *st, uint32_t number)
{
    struct policy_host host = {.resolve = shard_resolve, .arg = s};

    s->store = st;
    s->number = number;
    lock_init(&s->lock, LOCK_SHARD);
    s->policy = policy_new(st->policy, &host, NULL);
    return s->policy != NULL;
}

struct store *store_new(const struct store_options *o)
{
    struct store *st = mem_zalloc_aligned(sizeof(*st));
    unsigned n = choose_shards(o);

    CHECK((n & (n - 1)) == 0 && n <= STORE_SHARDS_MAX);
    if (!st)
        return NULL;
    st->policy = o->policy;
    st->node_bytes = o->policy->node_bytes;
    st->node_offset =
        st->node_bytes ? (int16_t)-st->node_bytes : (int16_t)offsetof(struct item, marks);
    st->volatile_only = o->volatile_only;
    st->seed = o->seed;
    st->nshards = n;
    st->shard_mask = n - 1;
    epoch_init(&st->epoch);
    st->shards = mem_zalloc_aligned(n * sizeof(struct shard));
    st->claim = mem_zalloc_aligned(n * sizeof(*st->claim));
    if (!st->shards || !st->claim)
        goto fail;
    for (unsigned i = 0; i < n; i++)
        if (!shard_init(&st->shards[i], st, i))
            goto fail;
    st->baseline = mem_resident();
    store_set_limit(st, o->limit_bytes);
    return st;
fail:
    store_free(st);
    return NULL;
}

static void free_item(void *arg, struct item *it)
{
    struct store *st = arg;

    item_free(it, st->node_bytes);
}

static void drop_table(struct shard *s, struct table *t)
{
    for (uint32_t b = 0; b < t->ix.buckets; b++)
        index_visit(&t->ix, b, free_item, s->store);
    table_free(s, t);
}

void store_free(struct store *st)
{
    if (!st)
        return;
    for (unsigned i = 0; st->shards && i < st->nshards; i++) {
        struct shard *s = &st->shards[i];
        struct table *t;

        for (unsigned db = 0; db < STORE_DATABASES; db++)
            if (s->tables[db])
                drop_table(s, s->tables[db]);
        while ((t = s->dying)) {
            s->dying = t->next;
            drop_table(s, t);
        }
        policy_free(st->policy, s->policy);
    }
    epoch_fini(&st->epoch);
    free(st->shards);
    free(st->claim);
    free(st);
}

const struct policy_ops *store_policy(const struct store *st)
{
    return st->policy;
}

uint16_t store_node_bytes(const struct store *st)
{
    return st->node_bytes;
}

struct epoch *store_epoch(struct store *st)
{
    return &st->epoch;
}

uint64_t store_hash(const struct store *st, const char *key, size_t len)
{
    return hash_key(st->seed, key, len);
}

/* ---- locking: across functions, so beyond what clang's analysis follows ---- */

UNCHECKED_LOCKING struct shard *store_lock(struct store *st, uint64_t hash)
{
    struct shard *s = shard_at(st, hash);

    lock_acquire(&s->lock);
    s->found = NULL;
    return s;
}

/* Evict as much as was put, but not so many small items for a large one that others wait: the rest is a
 * debt that the turns pay in slices. */
static void evict_for(struct store *st, uint64_t put)
{
    store_evict(st, put, put < EVICT_MOST * 256 ? 16 + (unsigned)(put / 256) : EVICT_MOST);
}

/* Release the lock, then free what died and evict what is owed. */
UNCHECKED_LOCKING static void unlock_and_clean(struct shard *s)
{
    struct store *st = s->store;
    struct item *dead[SHARD_DEAD];
    unsigned n = s->ndead;
    uint64_t put = s->put_bytes;
    bool over = s->over;

    for (unsigned i = 0; i < n; i++)
        dead[i] = s->dead[i];
    s->ndead = 0;
    s->over = false;
    s->put_bytes = 0;
    lock_release(&s->lock);
    for (unsigned i = 0; i < n; i++)
        item_put(dead[i], st->node_bytes);
    if (over)
        evict_for(st, put);
}

UNCHECKED_LOCKING void store_unlock(struct shard *s)
{
    if (LIKELY(s->ndead == 0 && !s->over))
        lock_release(&s->lock);
    else
        unlock_and_clean(s);
}

struct shard *store_shard(struct store *st, uint64_t hash)
{
    return shard_at(st, hash);
}

UNCHECKED_LOCKING void store_lock_keys(struct store *st, const struct key *keys, size_t n,
                                       struct shard_set *set)
{
    *set = (struct shard_set){.st = st};
    for (size_t i = 0; i < n; i++) {
        uint32_t number = shard_at(st, keys[i].hash)->number;

        set->bits[number / 64] |= UINT64_C(1) << (number % 64);
    }
    for (unsigned w = 0; w < STORE_SHARDS_MAX / 64; w++)
        for (uint64_t bits = set->bits[w]; bits; bits &= bits - 1) {
            struct shard *s = &st->shards[w * 64 + (unsigned)__builtin_ctzl(bits)];

            lock_acquire(&s->lock);
            s->found = NULL;
        }
}

void store_unlock_keys(struct shard_set *set)
{
    /* All locks first: eviction, which follows an unlock that owes it, takes shard locks itself. */
    struct store *st = set->st;
    uint64_t put = 0;
    bool over = false;

    for (unsigned w = 0; w < STORE_SHARDS_MAX / 64; w++)
        for (uint64_t bits = set->bits[w]; bits; bits &= bits - 1) {
            struct shard *s = &st->shards[w * 64 + (unsigned)__builtin_ctzl(bits)];

            over |= s->over;
            put += s->put_bytes;
            s->over = false;
            s->put_bytes = 0;
            store_unlock(s);
        }
    if (over)
        evict_for(st, put);
}

/* ---- items ---- */

/* Room for n more bytes, by the limit of a store that does not evict, or not everything. */
static bool has_room(struct store *st, size_t n)
{
    uint64_t budget = RELAXED_LOAD(&st->budget);

    if (UNLIKELY(n > budget))
        return false;
    if (LIKELY(st->policy->evicts && !st->volatile_only))
        return true;
    return RELAXED_LOAD(&st->used) + (int64_t)n <= (int64_t)budget ||
           (st->policy->evicts && store_make_room(st, n));
}

struct item *store_item(struct store *st, const struct key *k, const struct item_attr *attr,
                        uint32_t vlen)
{
    struct item_attr a = *attr;
    struct item *it;

    a.db = k->db;
    if (!has_room(st, st->node_bytes + sizeof(struct item) + k->len + (size_t)vlen))
        return NULL;
    for (int tries = 0; tries < 8; tries++) {
        it = item_new(st->node_bytes, k->p, k->len, &a, vlen);
        if (LIKELY(it != NULL))
            return it;
        /* The machine has no memory though our limit has: make some. */
        if (!store_make_room(st, vlen))
            break;
    }
    return NULL;
}

void store_item_drop(struct store *st, struct item *it)
{
    item_free(it, st->node_bytes);
}

void store_item_write(struct store *st, struct item *it, size_t off, const char *src, size_t n)
{
    item_write(it, st->node_bytes, off, src, n);
}

void store_item_put(struct store *st, struct item *it)
{
    item_put(it, st->node_bytes);
}

unsigned store_value(const struct store *st, const struct item *it, struct slice part[2])
{
    return item_value(it, st->node_bytes, part);
}

uint64_t store_next_cas(struct store *st)
{
    return __atomic_add_fetch(&st->cas, 1, __ATOMIC_RELAXED);
}

/* ---- a batch ---- */

const struct bucket *store_prefetch_bucket(const struct store *st, uint64_t hash)
{
    /* Database 0 only: elsewhere a hint is lost, nothing more. */
    const struct shard *s = &st->shards[(hash >> 32) & st->shard_mask];
    const struct table *t = __atomic_load_n(&s->tables[0], __ATOMIC_ACQUIRE);

    return t ? index_prefetch_bucket(&t->ix, hash) : NULL;
}

void store_prefetch_keys(const struct store *st, const struct key *keys, size_t n)
{
    enum { AHEAD = 16 }; /* about what the CPU can have under way */
    const struct bucket *buckets[AHEAD];

    for (size_t done = 0; done < n; done += AHEAD) {
        size_t take = n - done < AHEAD ? n - done : AHEAD;

        for (size_t i = 0; i < take; i++)
            buckets[i] = store_prefetch_bucket(st, keys[done + i].hash);
        for (size_t i = 0; i < take; i++)
            store_prefetch_item(buckets[i], keys[done + i].hash);
    }
}

/* ---- the whole ---- */

UNCHECKED_LOCKING static void lock_all(struct store *st)
{
    for (uint32_t i = 0; i < st->nshards; i++)
        lock_acquire(&st->shards[i].lock);
}

static void unlock_all(struct store *st)
{
    for (uint32_t i = 0; i < st->nshards; i++)
        store_unlock(&st->shards[i]);
}

void store_flush(struct store *st, int db)
{
    lock_all(st);
    for (uint32_t i = 0; i < st->nshards; i++) {
        struct shard *s = &st->shards[i];

        for (int d = 0; d < STORE_DATABASES; d++) {
            struct table *t = s->tables[d];

            if (!t || (db >= 0 && d != db))
                continue;
            t->next = s->dying;
            t->sweep = 0;
            RELAXED_STORE(&s->dying, t);
            RELAXED_STORE(&s->tables[d], NULL);
        }
    }
    unlock_all(st);
}

void store_flush_at(struct store *st, int64_t when_ms)
{
    RELAXED_STORE(&st->flush_at, when_ms);
}

uint64_t store_db_items(const struct store *st, int db)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < st->nshards; i++) {
        struct shard *s = &st->shards[i];

        lock_acquire(&s->lock);
        n += s->tables[db] ? s->tables[db]->ix.items : 0;
        lock_release(&s->lock);
    }
    return n;
}

uint64_t store_db_expiring(const struct store *st, int db)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < st->nshards; i++) {
        struct shard *s = &st->shards[i];

        lock_acquire(&s->lock);
        n += s->tables[db] ? s->tables[db]->expiring : 0;
        lock_release(&s->lock);
    }
    return n;
}

struct live_visit {
    store_visit_fn fn;
    void *arg;
    int64_t now_ms;
};

static void visit_live(void *arg, struct item *it)
{
    struct live_visit *v = arg;

    if (!item_is_expired(it, v->now_ms))
        v->fn(v->arg, it);
}

uint64_t store_scan(struct store *st, int db, uint64_t cursor, int64_t now_ms, store_visit_fn fn,
                    void *arg)
{
    struct live_visit v = {.fn = fn, .arg = arg, .now_ms = now_ms};
    uint64_t shard = cursor >> 32, next = 0;
    struct shard *s;

    if (shard >= st->nshards)
        return 0;
    s = &st->shards[shard];
    lock_acquire(&s->lock);
    if (s->tables[db])
        next = index_scan(&s->tables[db]->ix, cursor & UINT32_MAX, visit_live, &v);
    lock_release(&s->lock);
    if (next)
        return shard << 32 | next;
    return shard + 1 < st->nshards ? (shard + 1) << 32 : 0;
}

void store_set_limit(struct store *st, size_t limit_bytes)
{
    RELAXED_STORE(&st->limit, limit_bytes);
    RELAXED_STORE(&st->budget, limit_bytes ? limit_bytes : (uint64_t)INT64_MAX);
}

bool store_is_over(const struct store *st)
{
    return RELAXED_LOAD(&st->used) > (int64_t)RELAXED_LOAD(&st->budget);
}

/* What is resident beyond what the shards count is slack, buffers and the like; it comes out of the
 * limit, save what an empty server has. Below the limit the budget follows by a
 * quarter of the way, because pages on their way back to the kernel are slack that is about to go; above
 * it, at once. */
bool store_set_overhead(struct store *st, size_t resident_bytes)
{
    int64_t limit = (int64_t)RELAXED_LOAD(&st->limit), used = RELAXED_LOAD(&st->used);
    int64_t budget = (int64_t)RELAXED_LOAD(&st->budget), overhead, target;
    bool over;

    if (limit == 0)
        return false;
    overhead = (int64_t)resident_bytes - (int64_t)st->baseline - (used > 0 ? used : 0);
    target = limit - (overhead > 0 ? overhead : 0);
    if (target < limit / 8)
        target = limit / 8;
    over = (int64_t)resident_bytes > limit + (int64_t)st->baseline;
    budget += over && target < budget ? target - budget : (target - budget) / 4;
    RELAXED_STORE(&st->budget, (uint64_t)budget);
    return over;
}

static void add_shard(struct shard *s, struct store_stats *out)
{
    for (int db = 0; db < STORE_DATABASES; db++)
        if (s->tables[db]) {
            out->items += s->tables[db]->ix.items;
            out->index_bytes += s->tables[db]->ix.bytes;
        }
    for (struct table *t = s->dying; t; t = t->next)
        out->index_bytes += t->ix.bytes;
    out->policy_bytes += s->policy_memory;
    out->items_total += s->items_total;
    out->item_bytes += s->bytes;
    out->evicted += s->evicted;
    out->evicted_unfetched += s->evicted_unfetched;
    out->expired += s->expired;
    out->expired_unfetched += s->expired_unfetched;
}

void store_stats(struct store *st, struct store_stats *out)
{
    *out = (struct store_stats){.limit_bytes = RELAXED_LOAD(&st->limit),
                                .evicted_age_ms = RELAXED_LOAD(&st->evicted_age_ms)};
    out->budget_bytes = out->limit_bytes ? RELAXED_LOAD(&st->budget) : 0;
    for (uint32_t i = 0; i < st->nshards; i++) {
        lock_acquire(&st->shards[i].lock);
        add_shard(&st->shards[i], out);
        lock_release(&st->shards[i].lock);
    }
}
