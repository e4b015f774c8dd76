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
}

static void account_item(struct shard *s, const struct item *it, int sign)
{
    int64_t n = sign * (int64_t)item_bytes(it, s->store->node_bytes);

    s->bytes += (uint64_t)n;
    shard_account(s, n);
}

/* The owner of the policy order changed at its old end: publish who is next. */
static void note_oldest_if_none(struct shard *s, const struct item *it)
{
    uint32_t *oldest = &s->store->oldest[s->number];

    if (UNLIKELY(RELAXED_LOAD(oldest) == 0))
        RELAXED_STORE(oldest, it->access);
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

void shard_unlink(struct shard *s, struct item *it, uint64_t hash)
{
    struct table *t = s->tables[it->db];

    if (!t || !table_remove(s, t, hash, it)) {
        for (t = s->dying; t && !table_remove(s, t, hash, it); t = t->next)
            ;
        CHECK(t);
    }
    s->store->policy->remove(s->policy, item_node(s->store, it));
    account_item(s, it, -1);
    s->found = NULL;
}

void shard_expire(struct shard *s, struct item *it, uint64_t hash)
{
    s->expired++;
    if (!(it->marks & ITEM_FETCHED))
        s->expired_unfetched++;
    shard_unlink(s, it, hash);
    shard_bury(s, it);
}

void shard_remove(struct shard *s, const struct key *k, struct item *it)
{
    CHECK_HELD(&s->lock);
    shard_unlink(s, it, k->hash);
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
                              struct item *it)
{
    uint64_t before = t->ix.bytes;

    if (index_insert(&t->ix, k->hash, it) != OK)
        return NO_MEMORY;
    s->found = NULL;
    if (t->ix.bytes != before)
        shard_account(s, (int64_t)(t->ix.bytes - before));
    s->store->policy->insert(s->policy, item_node(s->store, it));
    note_oldest_if_none(s, it);
    return OK;
}

enum status shard_put(struct shard *s, const struct key *k, struct item *old, struct item *it,
                      int64_t now_ms)
{
    struct store *st = s->store;
    struct table *t = s->tables[k->db];

    CHECK_HELD(&s->lock);
    it->access = access_stamp(now_ms);
    if (UNLIKELY(!t))
        t = table_make(s, k->db);
    if (old) {
        index_replace(slot_of(s, t, k, old), it);
        st->policy->replace(s->policy, item_node(st, old), item_node(st, it));
        account_item(s, old, -1);
        t->expiring -= item_expiry(old) != 0;
        shard_bury(s, old);
    } else if (!t || insert_new(s, k, t, it) != OK) {
        shard_bury(s, it);
        return NO_MEMORY;
    }
    t->expiring += item_expiry(it) != 0;
    s->items_total++;
    account_item(s, it, 1);
    if (store_is_over(st)) {
        s->over = true;
        s->put_bytes += (uint32_t)item_bytes(it, st->node_bytes);
    }
    return OK;
}

/* The same item in another block: one more field. NULL: no memory, nothing changed. */
static struct item *add_fields(struct shard *s, struct table *t, const struct key *k,
                               struct item *it, uint8_t fields)
{
    struct store *st = s->store;
    struct item *copy = item_copy(it, st->node_bytes, fields, it->vlen);

    if (!copy)
        return NULL;
    index_replace(slot_of(s, t, k, it), copy);
    st->policy->move(s->policy, item_node(st, it), item_node(st, copy));
    account_item(s, it, -1);
    account_item(s, copy, 1);
    shard_bury(s, it);
    return copy;
}

struct item *shard_set_expiry(struct shard *s, const struct key *k, struct item *it,
                              int64_t expiry_ms)
{
    struct table *t = s->tables[k->db];

    CHECK_HELD(&s->lock);
    if (!(it->fields & ITEM_EXPIRY)) {
        if (expiry_ms == 0)
            return it;
        it = add_fields(s, t, k, it, ITEM_EXPIRY);
        if (!it)
            return NULL;
    }
    t->expiring += (expiry_ms != 0);
    t->expiring -= (item_expiry(it) != 0);
    item_set_expiry(it, expiry_ms);
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
