/* SPDX-License-Identifier: BSD-3-Clause */
/* shard.c - what happens to one key under one lock. */
#include "store/shard.h"

#include "lib/hash.h"

/* ---- accounting ---- */

void shard_account(struct shard *s, int64_t n)
{
    s->unpublished += n;
    if (s->unpublished < SHARD_UNPUBLISHED_MAX && s->unpublished > -SHARD_UNPUBLISHED_MAX)
        return;
    __atomic_fetch_add(&s->store->used, s->unpublished, __ATOMIC_RELAXED);
    s->unpublished = 0;
    if (!s->store->policy->by_age)
        RELAXED_STORE(&s->store->claim[s->number], size_claim(s->charged));
}

static void account_item(struct shard *s, int64_t n)
{
    s->bytes += (uint64_t)n;
    shard_account(s, n);
}

void shard_account_policy(struct shard *s)
{
    int64_t n = (int64_t)(s->policy->memory - s->policy_memory);

    if (LIKELY(n == 0))
        return;
    s->policy_memory = s->policy->memory;
    shard_account(s, n);
}

/* The first item in the policy's order is its victim. */
static void claim_if_none(struct shard *s, const struct item *it)
{
    uint32_t *claim = &s->store->claim[s->number];

    if (UNLIKELY(RELAXED_LOAD(claim) == 0) && store_orders(s->store, it))
        RELAXED_STORE(claim, s->store->policy->by_age ? it->access : size_claim(s->charged));
}

/* ---- the policy ---- */

/* What the policy is to know of an item. */
static struct policy_item entry_of(const struct store *st, struct item *it, uint64_t hash)
{
    return (struct policy_item){.node = item_node(st, it),
                                .handle = index_handle(hash),
                                .size = (uint32_t)item_bytes(it, st->node_bytes),
                                .expiry_ms = item_expiry(it)};
}

/* Shares are shares of what the policy has, once the shard is half full; before that, of what it
 * may come to have. */
void shard_size_policy(struct shard *s)
{
    uint64_t share = RELAXED_LOAD(&s->store->budget) / s->store->nshards;

    s->policy->capacity = s->charged < share / 2 ? share : s->charged;
}

struct wanted {
    const struct store *st;
    uint8_t mask, bits;
};

static bool is_wanted(const void *arg, const struct item *it)
{
    const struct wanted *w = arg;

    return (it->marks & w->mask) == w->bits && store_orders(w->st, it);
}

struct policy_node *shard_resolve(void *arg, uint32_t handle, uint8_t mask, uint8_t bits,
                                  uint32_t *size)
{
    struct shard *s = arg;
    struct wanted w = {.st = s->store, .mask = mask, .bits = bits};
    struct item *it = NULL;

    for (int db = 0; db < STORE_DATABASES && !it; db++)
        if (s->tables[db])
            it = index_resolve(&s->tables[db]->ix, handle, is_wanted, &w);
    for (struct table *t = s->dying; t && !it; t = t->next)
        it = index_resolve(&t->ix, handle, is_wanted, &w);
    if (!it)
        return NULL;
    *size = (uint32_t)item_bytes(it, s->store->node_bytes);
    return item_node(s->store, it);
}

static enum status order_insert(struct shard *s, const struct policy_item *it)
{
    shard_size_policy(s);
    if (s->store->policy->insert(s->policy, it) != OK)
        return NO_MEMORY;
    s->charged += it->size;
    shard_account_policy(s);
    return OK;
}

static void order_remove(struct shard *s, const struct policy_item *it, bool evicted)
{
    s->store->policy->remove(s->policy, it, evicted);
    s->charged -= it->size;
    shard_account_policy(s);
}

/* One item in place of another with the same key, or the same item with another expiry: each may be
 * in the order or not. was: the old one was. how: the policy's replace or move. NO_MEMORY: nothing
 * changed. */
typedef void (*order_change_fn)(struct policy *p, const struct policy_item *old,
                                const struct policy_item *fresh);
static enum status order_change(struct shard *s, const struct policy_item *old, bool was,
                                const struct policy_item *fresh, bool will, order_change_fn how)
{
    if (was && will) {
        how(s->policy, old, fresh);
        s->charged += (uint64_t)fresh->size - old->size;
    } else if (will) {
        return order_insert(s, fresh);
    } else if (was) {
        order_remove(s, old, false);
    }
    return OK;
}

/* ---- tables ---- */

static struct table *table_make(struct shard *s, uint8_t db)
{
    struct table *t = mem_alloc(sizeof(*t));

    if (!t)
        return NULL;
    *t = (struct table){.expiring = 0};
    if (index_init(&t->ix, s->store->seed, &s->store->epoch) != OK) {
        mem_free(t, sizeof(*t));
        return NULL;
    }
    shard_account(s, (int64_t)t->ix.bytes);
    __atomic_store_n(&s->tables[db], t, __ATOMIC_RELEASE);
    return t;
}

void table_free(struct shard *s, struct table *t)
{
    shard_account(s, -(int64_t)t->ix.bytes);
    index_fini(&t->ix);
    epoch_retire(&s->store->epoch, t, sizeof(*t));
}

/* Remove from this table's index, when it is there. */
static bool table_remove(struct shard *s, struct table *t, uint64_t hash, const struct item *it)
{
    uint64_t before = t->ix.bytes;

    if (!index_remove(&t->ix, hash, it))
        return false;
    if (item_expiry(it))
        t->expiring--;
    if (t->ix.bytes != before)
        shard_account(s, (int64_t)(t->ix.bytes - before));
    return true;
}

/* ---- removing ---- */

void shard_bury(struct shard *s, struct item *it)
{
    if (s->ndead < SHARD_DEAD)
        s->dead[s->ndead++] = it;
    else
        item_put(it, s->store->node_bytes);
}

bool shard_unlink(struct shard *s, struct item *it, uint64_t hash, bool evicted)
{
    struct policy_item entry = entry_of(s->store, it, hash);
    struct table *t = s->tables[it->db];
    bool live = t && table_remove(s, t, hash, it);

    if (!live) {
        for (t = s->dying; t && !table_remove(s, t, hash, it); t = t->next)
            ;
        CHECK(t);
    }
    if (store_orders(s->store, it))
        order_remove(s, &entry, evicted);
    account_item(s, -(int64_t)entry.size);
    s->found = NULL;
    return live;
}

void shard_expire(struct shard *s, struct item *it, uint64_t hash)
{
    s->expired++;
    if (!(it->marks & ITEM_FETCHED))
        s->expired_unfetched++;
    shard_unlink(s, it, hash, false);
    shard_bury(s, it);
}

void shard_remove(struct shard *s, const struct key *k, struct item *it)
{
    CHECK_HELD(&s->lock);
    shard_unlink(s, it, k->hash, false);
    shard_bury(s, it);
}

/* ---- finding ---- */

struct item *shard_find(struct shard *s, const struct key *k, int64_t now_ms)
{
    struct table *t = s->tables[k->db];
    struct item *it;

    CHECK_HELD(&s->lock);
    s->found = t ? index_find(&t->ix, k->hash, k->p, k->len) : NULL;
    if (!s->found) {
        s->found_expired = false;
        return NULL;
    }
    it = index_item(s->found);
    if (UNLIKELY(item_is_expired(it, now_ms))) {
        s->found_expired = true;
        shard_expire(s, it, k->hash);
        return NULL;
    }
    return it;
}

bool shard_found_expired(const struct shard *s)
{
    return s->found_expired;
}

void shard_hit(struct shard *s, struct item *it, int64_t now_ms)
{
    it->access = access_stamp(now_ms);
    it->marks |= ITEM_FETCHED;
    if (LIKELY(store_orders(s->store, it)))
        s->store->policy->hit(s->policy, item_node(s->store, it));
}

/* The slot of an item that is in the table. */
static uint64_t *slot_of(struct shard *s, struct table *t, const struct key *k, struct item *it)
{
    if (!s->found || index_item(s->found) != it)
        s->found = index_find(&t->ix, k->hash, k->p, k->len);
    CHECK(s->found && index_item(s->found) == it);
    return s->found;
}

/* ---- putting ---- */

static enum status insert_new(struct shard *s, const struct key *k, struct table *t,
                              const struct policy_item *entry)
{
    struct item *it = node_item(s->store, entry->node);
    uint64_t before = t->ix.bytes;

    if (index_insert(&t->ix, k->hash, it) != OK)
        return NO_MEMORY;
    s->found = NULL;
    if (store_orders(s->store, it)) {
        if (order_insert(s, entry) != OK) {
            CHECK(index_remove(&t->ix, k->hash, it));
            return NO_MEMORY;
        }
    }
    claim_if_none(s, it);
    if (t->ix.bytes != before)
        shard_account(s, (int64_t)(t->ix.bytes - before));
    return OK;
}

/* `it` takes the place of `old` under one key. */
static enum status replace_old(struct shard *s, const struct key *k, struct table *t,
                               struct item *old, const struct policy_item *entry)
{
    struct store *st = s->store;
    struct policy_item was = entry_of(st, old, k->hash);
    struct item *it = node_item(st, entry->node);

    if (order_change(s, &was, store_orders(st, old), entry, store_orders(st, it),
                     st->policy->replace) != OK)
        return NO_MEMORY;
    index_replace(slot_of(s, t, k, old), it);
    claim_if_none(s, it);
    account_item(s, -(int64_t)was.size);
    t->expiring -= item_expiry(old) != 0;
    shard_bury(s, old);
    return OK;
}

enum status shard_put(struct shard *s, const struct key *k, struct item *old, struct item *it,
                      int64_t now_ms)
{
    struct store *st = s->store;
    struct table *t = s->tables[k->db];

    struct policy_item entry = entry_of(st, it, k->hash);

    CHECK_HELD(&s->lock);
    it->access = access_stamp(now_ms);
    if (UNLIKELY(!t))
        t = table_make(s, k->db);
    if (!t || (old ? replace_old(s, k, t, old, &entry) : insert_new(s, k, t, &entry)) != OK) {
        shard_bury(s, it);
        return NO_MEMORY;
    }
    t->expiring += item_expiry(it) != 0;
    s->items_total++;
    account_item(s, entry.size);
    if (store_is_over(st)) {
        s->over = true;
        s->put_bytes += entry.size;
    }
    return OK;
}

/* The same item in another block: one more field. NULL: no memory, nothing changed. */
static struct item *add_fields(struct shard *s, struct table *t, const struct key *k,
                               struct item *it, uint8_t fields)
{
    struct store *st = s->store;
    struct item *copy = item_copy(it, st->node_bytes, fields, it->vlen);
    struct policy_item old, fresh;

    if (!copy)
        return NULL;
    old = entry_of(st, it, k->hash);
    fresh = entry_of(st, copy, k->hash);
    index_replace(slot_of(s, t, k, it), copy);
    /* Both have the same expiry, so that they are both in the order or both not: nothing can fail.
     */
    if (order_change(s, &old, store_orders(st, it), &fresh, store_orders(st, copy),
                     st->policy->move) != OK)
        UNREACHABLE();
    account_item(s, (int64_t)fresh.size - old.size);
    shard_bury(s, it);
    return copy;
}

struct item *shard_set_expiry(struct shard *s, const struct key *k, struct item *it,
                              int64_t expiry_ms)
{
    struct store *st = s->store;
    struct table *t = s->tables[k->db];
    struct policy_item old, fresh;

    CHECK_HELD(&s->lock);
    if (!(it->fields & ITEM_EXPIRY)) {
        if (expiry_ms == 0)
            return it;
        it = add_fields(s, t, k, it, ITEM_EXPIRY);
        if (!it)
            return NULL;
    }
    old = fresh = entry_of(st, it, k->hash);
    fresh.expiry_ms = expiry_ms;
    if (order_change(s, &old, !st->volatile_only || old.expiry_ms, &fresh,
                     !st->volatile_only || expiry_ms, st->policy->move) != OK)
        return NULL;
    t->expiring += (expiry_ms != 0);
    t->expiring -= (old.expiry_ms != 0);
    item_set_expiry(it, expiry_ms);
    claim_if_none(s, it);
    return it;
}

uint64_t shard_cas(struct shard *s, const struct key *k, struct item **it)
{
    uint64_t cas = item_cas(*it);
    struct item *with;

    CHECK_HELD(&s->lock);
    if (cas)
        return cas;
    if (!((*it)->fields & ITEM_CAS)) {
        with = add_fields(s, s->tables[k->db], k, *it, ITEM_CAS);
        if (!with)
            return 0;
        *it = with;
    }
    cas = store_next_cas(s->store);
    item_set_cas(*it, cas);
    return cas;
}

bool shard_overwrite(struct shard *s, struct item *it, const char *src, uint32_t n)
{
    CHECK_HELD(&s->lock);
    CHECK(n == it->vlen);
    if (it->fields & ITEM_REFS)
        return false;
    item_write(it, s->store->node_bytes, 0, src, n);
    if (it->fields & ITEM_CAS)
        item_set_cas(it, store_next_cas(s->store));
    return true;
}

struct item *shard_share(struct item *it)
{
    if (!(it->fields & ITEM_REFS))
        return NULL;
    item_ref(it);
    return it;
}
