/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_policies.c - every policy against what it promises to any host, under random work: no item lost, none
 * named twice, no memory kept; and most of them against a naive twin that keeps arrays in order by hand.
 */
#include "policies/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

/* ---- a host: items are numbers ---- */

#define KEYS 3000

struct host {
    const struct policy_ops *ops;
    struct policy *p;
    struct policy_node *node[KEYS]; /* NULL: not in */
    uint32_t size[KEYS];
    int64_t expiry[KEYS];
    uint32_t handles; /* number of different handles */
    uint64_t used;
    unsigned items, seed;
};

static unsigned draw(struct host *h, unsigned below)
{
    return (unsigned)rand_r(&h->seed) % below;
}

static struct policy_item item_of(const struct host *h, unsigned key)
{
    return (struct policy_item){.node = h->node[key],
                                .handle = key % h->handles * UINT32_C(2654435761),
                                .size = h->size[key],
                                .expiry_ms = h->expiry[key]};
}

static struct policy_node *resolve(void *arg, uint32_t handle, uint8_t mask, uint8_t bits,
                                   uint32_t *size)
{
    struct host *h = arg;

    for (unsigned low = 0; low < h->handles; low++) {
        if (low * UINT32_C(2654435761) != handle)
            continue;
        for (unsigned key = low; key < KEYS; key += h->handles)
            if (h->node[key] && (*(uint8_t *)h->node[key] & mask) == bits) {
                *size = h->size[key];
                return h->node[key];
            }
        break;
    }
    return NULL;
}

/* A node somewhere else each time. One of a byte has the host's bits set, which the policy must keep. */
static struct policy_node *fresh_node(const struct host *h)
{
    uint8_t *n = malloc(h->ops->node_bytes ? h->ops->node_bytes : 1);

    assert_non_null(n);
    memset(n, h->ops->node_bytes ? 0xEE : 0xA0, h->ops->node_bytes ? h->ops->node_bytes : 1);
    return (struct policy_node *)n;
}

static void host_init(struct host *h, const struct policy_ops *ops, uint64_t capacity,
                      uint32_t handles, const double *param)
{
    struct policy_host asks = {.resolve = resolve, .arg = h};

    memset(h, 0, sizeof(*h));
    h->ops = ops;
    h->handles = handles;
    h->seed = 11;
    h->p = policy_new(ops, &asks, param);
    assert_non_null(h->p);
    h->p->capacity = capacity;
}

static void host_insert(struct host *h, unsigned key, uint32_t size, int64_t expiry)
{
    struct policy_item it;

    h->node[key] = fresh_node(h);
    h->size[key] = size;
    h->expiry[key] = expiry;
    it = item_of(h, key);
    assert_int_equal(h->ops->insert(h->p, &it), OK);
    h->used += size;
    h->items++;
}

static void host_remove(struct host *h, unsigned key, bool evicted)
{
    struct policy_item it = item_of(h, key);

    if (h->ops->node_bytes == 0)
        assert_int_equal(*(uint8_t *)it.node & ~POLICY_BITS, 0xA0);
    h->node[key] = NULL;
    h->ops->remove(h->p, &it, evicted);
    h->used -= it.size;
    h->items--;
    free(it.node);
}

static unsigned key_of(const struct host *h, const struct policy_node *n)
{
    for (unsigned key = 0; key < KEYS; key++)
        if (h->node[key] == n)
            return key;
    fail_msg("%s names what is not there", h->ops->name);
    return 0;
}

/* Another block for the same key: by replace or by move. */
static void host_change(struct host *h, unsigned key, uint32_t size, bool written)
{
    struct policy_item old = item_of(h, key), fresh = old;

    fresh.node = fresh_node(h);
    fresh.size = size;
    h->node[key] = fresh.node;
    h->size[key] = size;
    h->used += (uint64_t)size - old.size;
    (written ? h->ops->replace : h->ops->move)(h->p, &old, &fresh);
    free(old.node);
}

static bool host_evict(struct host *h)
{
    struct policy_node *n = h->ops->victim(h->p);

    if (!n)
        return false;
    host_remove(h, key_of(h, n), true);
    return true;
}

/* Each item is named once, then nobody; and no memory stays. */
static void host_drain(struct host *h)
{
    if (h->ops->evicts) {
        while (host_evict(h))
            ;
        assert_int_equal(h->items, 0);
        assert_int_equal(h->used, 0);
    }
    for (unsigned key = 0; key < KEYS; key++)
        if (h->node[key])
            host_remove(h, key, false);
    assert_null(h->ops->victim(h->p));
    h->ops->fini(h->p);
    assert_int_equal(h->p->memory, 0);
    policy_free(h->ops, h->p);
}

/* ---- what every policy promises ---- */

/* mix: of 16 operations how many insert, evict, remove; the rest hits, replaces, moves. */
struct mix {
    unsigned insert, evict, remove;
};

static void step(struct host *h, const struct mix *m)
{
    unsigned key = draw(h, KEYS), op = draw(h, 16);

    if (!h->node[key]) {
        if (op < m->insert)
            host_insert(h, key, 1 + draw(h, 9), draw(h, 2) ? 0 : 1 + draw(h, 100));
        else if (op < m->insert + m->evict)
            host_evict(h);
    } else if (op < m->remove) {
        host_remove(h, key, false);
    } else if (op == m->remove) {
        host_change(h, key, 1 + draw(h, 9), true);
    } else if (op == m->remove + 1) {
        host_change(h, key, 1 + draw(h, 9), false);
    } else {
        h->ops->hit(h->p, h->node[key]);
    }
}

static void work(const struct policy_ops *ops, const struct mix *m, unsigned steps,
                 uint32_t handles)
{
    struct host *h = malloc(sizeof(*h));

    assert_non_null(h);
    host_init(h, ops, 4000, handles, NULL);
    assert_null(ops->victim(h->p));
    for (unsigned i = 0; i < steps; i++) {
        step(h, m);
        /* What a policy keeps is bounded by what is in, whatever came and went. */
        assert_true(h->p->memory <= 64 * 1024 + 64 * KEYS);
    }
    host_drain(h);
    free(h);
}

static void nothing_is_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; policy_at(i); i++) {
        work(policy_at(i), &(struct mix){8, 4, 1}, 60000, KEYS);
        /* Mostly removals, so that queues are full of dead entries, and compacted. */
        work(policy_at(i), &(struct mix){15, 1, 12}, 60000, KEYS);
    }
}

/* The same with ten or hundreds of items to a handle. */
static void handles_may_meet(void **state)
{
    (void)state;
    for (unsigned i = 0; policy_at(i); i++) {
        work(policy_at(i), &(struct mix){8, 4, 3}, 20000, 300);
        work(policy_at(i), &(struct mix){15, 1, 12}, 40000, 300);
        work(policy_at(i), &(struct mix){15, 1, 12}, 10000, 7);
    }
}

/* A few keys, removed and stored again and again beside others that stay. */
static void dead_entries_are_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; policy_at(i); i++) {
        struct host *h = malloc(sizeof(*h));

        assert_non_null(h);
        host_init(h, policy_at(i), KEYS, KEYS, NULL);
        for (unsigned key = 0; key < 1000; key++)
            host_insert(h, key, 1, 0);
        for (unsigned n = 0; n < 60000; n++) {
            if (h->node[990 + n % 10])
                host_remove(h, 990 + n % 10, false);
            host_insert(h, 990 + n % 10, 1, 0);
        }
        assert_true(h->p->memory <= 24 * 1024);
        host_drain(h);
        free(h);
    }
}

/* Every row is found by its name, and has all its functions; so is each of Redis's names. */
static void all_rows_are_complete(void **state)
{
    static const char *const redis[] = {"allkeys-lru",  "allkeys-lfu",  "allkeys-random",
                                        "noeviction",   "volatile-lru", "volatile-random",
                                        "volatile-lfu", "volatile-ttl"};

    (void)state;
    for (unsigned i = 0; policy_at(i); i++) {
        const struct policy_ops *ops = policy_at(i);

        assert_ptr_equal(policy_by_name(ops->name), ops);
        assert_true(ops->init && ops->fini && ops->insert && ops->hit && ops->victim &&
                    ops->remove && ops->replace && ops->move);
        assert_int_equal(ops->node_bytes % 4, 0);
        assert_true(ops->state_bytes >= sizeof(struct policy));
        assert_non_null(policy_prose(i));
        for (unsigned j = 0; j < POLICY_PARAMS && ops->params[j].name; j++)
            assert_true(ops->params[j].min <= ops->params[j].normal &&
                        ops->params[j].normal <= ops->params[j].max && ops->params[j].prose);
    }
    for (unsigned i = 0; i < sizeof(redis) / sizeof(redis[0]); i++) {
        assert_non_null(policy_choose(redis[i]).ops);
        assert_int_equal(policy_choose(redis[i]).volatile_only, strncmp(redis[i], "vol", 3) == 0);
    }
    assert_null(policy_by_name("no such policy"));
    assert_null(policy_choose("no such policy").ops);
}

static void noeviction_names_no_victim(void **state)
{
    struct host *h = malloc(sizeof(*h));

    (void)state;
    assert_non_null(h);
    host_init(h, policy_by_name("noeviction"), 10, KEYS, NULL);
    assert_false(h->ops->evicts);
    for (unsigned key = 0; key < 100; key++) {
        host_insert(h, key, 1, 0);
        assert_null(h->ops->victim(h->p));
    }
    host_drain(h);
    free(h);
}

/* ---- twins ---- */

#define TWIN_KEYS 400
#define CAPACITY 64

/* Lists are oldest first. */
struct seq {
    unsigned key[TWIN_KEYS + 1], n;
};

struct twin {
    struct seq list[4], ghost[2];
    unsigned where[TWIN_KEYS], count[TWIN_KEYS], stamp[TWIN_KEYS], size[TWIN_KEYS], now, hand;
    double rank[TWIN_KEYS], age, target;
};

static void seq_push(struct seq *s, unsigned key)
{
    s->key[s->n++] = key;
}

static unsigned seq_at(const struct seq *s, unsigned key)
{
    unsigned i = 0;

    while (i < s->n && s->key[i] != key)
        i++;
    return i;
}

static bool seq_cut(struct seq *s, unsigned key)
{
    unsigned i = seq_at(s, key);

    if (i == s->n)
        return false;
    memmove(&s->key[i], &s->key[i + 1], (s->n - i - 1) * sizeof(s->key[0]));
    s->n--;
    return true;
}

static void to_list(struct twin *t, unsigned key, unsigned list)
{
    seq_cut(&t->list[t->where[key]], key);
    t->where[key] = list;
    seq_push(&t->list[list], key);
}

static void trim(struct seq *s, unsigned n)
{
    while (s->n > n)
        seq_cut(s, s->key[0]);
}

/* Each: what happens to a key that is in; to one that comes; and who goes, when it is full. */
struct twin_ops {
    const char *name;
    double param[POLICY_PARAMS];
    bool sizes;
    void (*hit)(struct twin *t, unsigned key);
    void (*insert)(struct twin *t, unsigned key);
    unsigned (*evict)(struct twin *t);
};

static void hit_nothing(struct twin *t, unsigned key)
{
    (void)t;
    (void)key;
}

static void hit_refresh(struct twin *t, unsigned key)
{
    to_list(t, key, t->where[key]);
}

static void insert_last(struct twin *t, unsigned key)
{
    t->count[key] = 0;
    t->where[key] = 0;
    seq_push(&t->list[0], key);
}

static unsigned evict_first(struct twin *t)
{
    return t->list[0].key[0];
}

static void hit_bit(struct twin *t, unsigned key)
{
    t->count[key] = 1;
}

static unsigned clock_evict(struct twin *t)
{
    while (t->count[t->list[0].key[0]]) {
        t->count[t->list[0].key[0]] = 0;
        to_list(t, t->list[0].key[0], 0);
    }
    return t->list[0].key[0];
}

static unsigned sieve_evict(struct twin *t)
{
    for (;; t->hand++) {
        if (t->hand >= t->list[0].n)
            t->hand = 0;
        if (!t->count[t->list[0].key[t->hand]])
            break;
        t->count[t->list[0].key[t->hand]] = 0;
    }
    if (t->hand == t->list[0].n - 1) {
        t->hand = 0;
        return t->list[0].key[t->list[0].n - 1];
    }
    return t->list[0].key[t->hand];
}

static void hit_count(struct twin *t, unsigned key)
{
    if (t->count[key] < 3)
        t->count[key]++;
}

static void s3fifo_insert(struct twin *t, unsigned key)
{
    insert_last(t, key);
    if (seq_cut(&t->ghost[0], key))
        to_list(t, key, 1);
}

static unsigned s3fifo_evict(struct twin *t)
{
    for (;;) {
        unsigned list = t->list[1].n > CAPACITY - CAPACITY / 8 || t->list[0].n == 0;
        unsigned key = t->list[list].key[0], count = t->count[key];

        if (list == 1 && count == 0)
            return key;
        if (list == 0 && count < 2) {
            seq_push(&t->ghost[0], key);
            trim(&t->ghost[0], CAPACITY);
            return key;
        }
        t->count[key] = list ? count - 1 : 0;
        to_list(t, key, 1);
    }
}

static void slru_insert(struct twin *t, unsigned key)
{
    insert_last(t, key);
    for (unsigned i = 0; i < 4; i++)
        if (t->list[i].n - (i == 0) < CAPACITY / 4) {
            to_list(t, key, i);
            return;
        }
}

static void slru_hit(struct twin *t, unsigned key)
{
    to_list(t, key, t->where[key] < 3 ? t->where[key] + 1 : 3);
    for (unsigned i = 3; i > 0; i--)
        while (t->list[i].n > CAPACITY / 4)
            to_list(t, t->list[i].key[0], i - 1);
}

static unsigned slru_evict(struct twin *t)
{
    unsigned i = 0;

    while (t->list[i].n == 0)
        i++;
    return t->list[i].key[0];
}

static void twoq_hit(struct twin *t, unsigned key)
{
    if (t->where[key] == 1)
        to_list(t, key, 1);
}

static unsigned twoq_evict(struct twin *t)
{
    unsigned key;

    if (t->list[0].n <= CAPACITY / 4 && t->list[1].n)
        return t->list[1].key[0];
    key = t->list[0].key[0];
    seq_push(&t->ghost[0], key);
    trim(&t->ghost[0], CAPACITY / 2);
    return key;
}

static void arc_hit(struct twin *t, unsigned key)
{
    to_list(t, key, 1);
}

static void arc_insert(struct twin *t, unsigned key)
{
    double a = t->ghost[0].n, b = t->ghost[1].n;

    insert_last(t, key);
    if (seq_cut(&t->ghost[0], key))
        t->target += b > a ? b / a : 1;
    else if (seq_cut(&t->ghost[1], key))
        t->target -= a > b ? a / b : 1;
    else
        return;
    t->target = t->target < 0 ? 0 : t->target > CAPACITY ? CAPACITY : t->target;
    to_list(t, key, 1);
}

static unsigned arc_evict(struct twin *t)
{
    unsigned list = t->list[0].n <= t->target && t->list[1].n;
    unsigned key = t->list[list].key[0], n0 = t->list[0].n - (list == 0);
    unsigned n1 = t->list[1].n - (list == 1), limit;

    trim(&t->ghost[0], CAPACITY - n0);
    limit = 2 * CAPACITY - n0 - n1 - t->ghost[0].n;
    trim(&t->ghost[1], limit);
    seq_push(&t->ghost[list], key);
    trim(&t->ghost[list], list ? limit : CAPACITY - n0);
    return key;
}

static void rank(struct twin *t, unsigned key)
{
    t->rank[key] = t->age + 1e6 * t->count[key] / t->size[key];
    t->stamp[key] = t->now++;
}

static void ranked_hit(struct twin *t, unsigned key)
{
    t->count[key]++;
    rank(t, key);
}

static void ranked_insert(struct twin *t, unsigned key)
{
    insert_last(t, key);
    ranked_hit(t, key);
}

static unsigned lowest(const struct twin *t)
{
    unsigned best = t->list[0].key[0];

    for (unsigned i = 0; i < t->list[0].n; i++) {
        unsigned key = t->list[0].key[i];

        if (t->rank[key] < t->rank[best] ||
            (t->rank[key] == t->rank[best] && t->stamp[key] < t->stamp[best]))
            best = key;
    }
    return best;
}

static unsigned gdsf_evict(struct twin *t)
{
    unsigned key = lowest(t);

    t->age = t->rank[key];
    return key;
}

static unsigned lfu_evict(struct twin *t)
{
    return lowest(t);
}

static const struct twin_ops twins[] = {
    {"fifo", {0}, true, hit_nothing, insert_last, evict_first},
    {"lru", {0}, true, hit_refresh, insert_last, evict_first},
    {"clock", {1}, true, hit_bit, insert_last, clock_evict},
    {"sieve", {0}, true, hit_bit, insert_last, sieve_evict},
    {"s3fifo", {0.125, 2, 1}, false, hit_count, s3fifo_insert, s3fifo_evict},
    {"slru", {0}, false, slru_hit, slru_insert, slru_evict},
    {"2q", {0.25, 0.5}, false, twoq_hit, s3fifo_insert, twoq_evict},
    {"arc", {0}, false, arc_hit, arc_insert, arc_evict},
    {"lfu", {0}, false, ranked_hit, ranked_insert, lfu_evict},
    {"lfu", {1}, false, ranked_hit, ranked_insert, gdsf_evict},
    {"gdsf", {0}, true, ranked_hit, ranked_insert, gdsf_evict},
};

/* Few keys are asked for often, most seldom. */
static unsigned skewed(struct host *h)
{
    unsigned a = draw(h, TWIN_KEYS), b = draw(h, TWIN_KEYS), c = draw(h, TWIN_KEYS);

    a = a < b ? a : b;
    return a < c ? a : c;
}

static void request(struct host *h, struct twin *t, const struct twin_ops *ops, unsigned key)
{
    if (h->node[key]) {
        ops->hit(t, key);
        if (draw(h, 4) == 0)
            host_change(h, key, h->size[key], true);
        else
            h->ops->hit(h->p, h->node[key]);
        if (draw(h, 8) == 0)
            host_change(h, key, h->size[key], false);
        return;
    }
    while (h->used + t->size[key] > CAPACITY) {
        unsigned goes = ops->evict(t);

        assert_true(seq_cut(&t->list[t->where[goes]], goes));
        assert_int_equal(key_of(h, h->ops->victim(h->p)), goes);
        host_remove(h, goes, true);
    }
    ops->insert(t, key);
    host_insert(h, key, t->size[key], 0);
}

static void twins_agree(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(twins) / sizeof(twins[0]); i++) {
        const struct twin_ops *ops = &twins[i];
        struct host *h = malloc(sizeof(*h));
        struct twin *t = calloc(1, sizeof(*t));

        assert_non_null(h);
        assert_non_null(t);
        host_init(h, policy_by_name(ops->name), CAPACITY, KEYS, ops->param);
        for (unsigned key = 0; key < TWIN_KEYS; key++)
            t->size[key] = ops->sizes ? 1 + key % 7 : 1;
        for (unsigned n = 0; n < 30000; n++)
            request(h, t, ops, skewed(h));
        host_drain(h);
        free(h);
        free(t);
    }
}

/* Soonest expiry first, then those without, oldest first; a new expiry counts at once. */
static void ttl_goes_by_expiry(void **state)
{
    static const struct {
        unsigned key;
        int64_t expiry;
    } items[] = {{1, 0}, {2, 500}, {3, 100}, {4, 0}, {5, 300}};
    static const unsigned order[] = {5, 3, 2, 1, 4};
    struct host *h = malloc(sizeof(*h));
    struct policy_item old, fresh;

    (void)state;
    assert_non_null(h);
    host_init(h, policy_by_name("ttl"), 100, KEYS, NULL);
    for (unsigned i = 0; i < 5; i++)
        host_insert(h, items[i].key, 1, items[i].expiry);
    old = fresh = item_of(h, 5);
    fresh.expiry_ms = 50;
    h->ops->move(h->p, &old, &fresh);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(key_of(h, h->ops->victim(h->p)), order[i]);
        host_evict(h);
    }
    host_drain(h);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows_are_complete),
        cmocka_unit_test(noeviction_names_no_victim),
        cmocka_unit_test(twins_agree),
        cmocka_unit_test(ttl_goes_by_expiry),
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(handles_may_meet),
        cmocka_unit_test(dead_entries_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
