/* SPDX-License-Identifier: BSD-3-Clause */
/* test_store.c - finding, putting, expiring, evicting, flushing and scanning through the store's API. */
#include "store/store.h"

#include "lib/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

static struct store *make_store(const char *policy, size_t limit, unsigned shards)
{
    struct store *st = store_new(&(struct store_options){
        .policy = policy_by_name(policy), .seed = 99, .limit_bytes = limit, .shards = shards});

    assert_non_null(st);
    return st;
}

static struct key key_of(struct store *st, const char *text, uint8_t db)
{
    uint32_t len = (uint32_t)strlen(text);

    return (struct key){.p = text, .len = len, .db = db, .hash = store_hash(st, text, len)};
}

static enum status put(struct store *st, const char *text, uint8_t db, uint32_t vlen,
                       int64_t expiry, int64_t now)
{
    struct key k = key_of(st, text, db);
    struct item *it = store_item(st, &k, &(struct item_attr){.expiry_ms = expiry}, vlen);
    struct shard *s;
    enum status status;

    if (!it)
        return NO_MEMORY;
    for (uint32_t i = 0; i < vlen; i++)
        store_item_write(st, it, i, &text[i % k.len], 1);
    s = store_lock(st, k.hash);
    status = shard_put(s, &k, shard_find(s, &k, now), it, now);
    store_unlock(s);
    return status;
}

static bool has(struct store *st, const char *text, uint8_t db, int64_t now)
{
    struct key k = key_of(st, text, db);
    struct shard *s = store_lock(st, k.hash);
    struct item *it = shard_find(s, &k, now);

    if (it)
        shard_hit(s, it, now);
    store_unlock(s);
    return it != NULL;
}

static struct store_stats stats_of(struct store *st)
{
    struct store_stats s;

    store_stats(st, &s);
    return s;
}

static void put_find_remove(void **state)
{
    struct store *st = make_store("lru", 0, 4);
    struct key k = key_of(st, "a", 0);
    struct shard *s;

    (void)state;
    assert_false(has(st, "a", 0, 1));
    assert_int_equal(put(st, "a", 0, 10, 0, 1), OK);
    assert_int_equal(put(st, "a", 0, 3000, 0, 1), OK);
    assert_true(has(st, "a", 0, 1));
    assert_false(has(st, "a", 1, 1));
    assert_int_equal(stats_of(st).items, 1);
    assert_int_equal(stats_of(st).items_total, 2);
    s = store_lock(st, k.hash);
    shard_remove(s, &k, shard_find(s, &k, 1));
    store_unlock(s);
    assert_false(has(st, "a", 0, 1));
    assert_int_equal(stats_of(st).items, 0);
    assert_int_equal(stats_of(st).item_bytes, 0);
    store_free(st);
}

static void expired_items_are_gone_to_the_millisecond(void **state)
{
    struct store *st = make_store("lru", 0, 1);

    (void)state;
    assert_int_equal(put(st, "a", 0, 10, 1000, 1), OK);
    assert_true(has(st, "a", 0, 999));
    for (int again = 0; again < 2; again++) {
        struct key k = key_of(st, "a", 0);
        struct shard *s = store_lock(st, k.hash);

        assert_null(shard_find(s, &k, 1000));
        assert_int_equal(shard_found_expired(s), again == 0); /* then it is gone */
        store_unlock(s);
    }
    assert_int_equal(stats_of(st).items, 0);
    assert_int_equal(stats_of(st).expired, 1);
    assert_int_equal(stats_of(st).expired_unfetched, 0);
    store_free(st);
}

static void housekeeping_reclaims_expired_items_nobody_asks_for(void **state)
{
    struct store *st = make_store("lru", 0, 8);
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        sprintf(text, "key%u", i);
        assert_int_equal(put(st, text, i % 3, 20, i % 2 ? 500 : 0, 1), OK);
    }
    for (unsigned i = 0; i < 1000 && stats_of(st).items > 10000; i++)
        store_housekeep(st, 500, 1000000);
    assert_int_equal(stats_of(st).items, 10000);
    assert_int_equal(stats_of(st).expired_unfetched, 10000);
    store_free(st);
}

static void setting_expiry_keeps_item_and_place(void **state)
{
    struct store *st = make_store("lru", 0, 1);
    struct key k = key_of(st, "a", 0);
    struct shard *s;
    struct item *it;
    struct slice part[2];

    (void)state;
    assert_int_equal(put(st, "a", 0, 5, 0, 1), OK);
    s = store_lock(st, k.hash);
    it = shard_set_expiry(s, &k, shard_find(s, &k, 1), 700);
    assert_non_null(it);
    assert_int_equal(item_expiry(it), 700);
    store_value(st, it, part);
    assert_memory_equal(part[0].p, "aaaaa", 5);
    it = shard_set_expiry(s, &k, it, 0);
    assert_ptr_equal(it, shard_find(s, &k, 10000));
    store_unlock(s);
    store_free(st);
}

static void cas_is_drawn_once_and_changes_with_the_value(void **state)
{
    struct store *st = make_store("lru", 0, 1);
    struct key k = key_of(st, "a", 0);
    struct shard *s;
    struct item *it;
    uint64_t first;

    (void)state;
    assert_int_equal(put(st, "a", 0, 5, 0, 1), OK);
    s = store_lock(st, k.hash);
    it = shard_find(s, &k, 1);
    assert_int_equal(item_cas(it), 0);
    first = shard_cas(s, &k, &it);
    assert_true(first != 0);
    assert_ptr_equal(it, shard_find(s, &k, 1));
    assert_int_equal(shard_cas(s, &k, &it), first);
    assert_true(shard_overwrite(s, it, "bbbbb", 5));
    assert_int_not_equal(shard_cas(s, &k, &it), first);
    store_unlock(s);
    store_free(st);
}

/* Strict order over all shards together, with items so large that a shard holds only a few. */
static void evicts_least_recently_used_first(void **state)
{
    struct store *st = make_store("lru", 8 << 20, 16);
    char text[32];
    int64_t now = 1;
    unsigned kept = 0;

    (void)state;
    for (unsigned i = 0; i < 40; i++, now += 2 * ITEM_ACCESS_MS) {
        sprintf(text, "key%u", i);
        assert_int_equal(put(st, text, 0, 500000, 0, now), OK);
        assert_true(has(st, "key0", 0, now)); /* kept alive by its hits */
    }
    assert_true(stats_of(st).evicted > 20);
    assert_true(has(st, "key0", 0, now));
    for (unsigned i = 1; i < 40; i++) {
        sprintf(text, "key%u", i);
        if (has(st, text, 0, now))
            kept++;
        else
            assert_int_equal(kept, 0); /* nothing older survives what was evicted */
    }
    assert_true(kept >= 12);
    store_free(st);
}

static void stays_below_its_budget(void **state)
{
    struct store *st = make_store("lru", 4 << 20, 4);
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        struct store_stats s;

        sprintf(text, "key%u", i);
        assert_int_equal(put(st, text, 0, i % 300, 0, 1 + i), OK);
        if (i % 1000)
            continue;
        s = stats_of(st);
        assert_true(s.item_bytes + s.index_bytes <= (4 << 20) + 64 * 1024);
    }
    assert_true(stats_of(st).items > 10000);
    store_free(st);
}

static void noeviction_refuses(void **state)
{
    struct store *st = make_store("noeviction", 1 << 20, 2);
    char text[32];
    unsigned i;

    (void)state;
    for (i = 0; i < 100000; i++) {
        sprintf(text, "key%u", i);
        if (put(st, text, 0, 100, 0, 1) != OK)
            break;
    }
    assert_in_range(i, 4000, 10000);
    assert_int_equal(stats_of(st).evicted, 0);
    assert_true(has(st, "key0", 0, 1));
    store_free(st);
}

static void a_value_over_the_limit_is_refused(void **state)
{
    struct store *st = make_store("lru", 1 << 20, 1);

    (void)state;
    assert_int_equal(put(st, "small", 0, 10, 0, 1), OK);
    assert_int_equal(put(st, "huge", 0, 2 << 20, 0, 1), NO_MEMORY);
    assert_true(has(st, "small", 0, 1));
    store_free(st);
}

static void flush_is_at_once_and_memory_follows(void **state)
{
    struct store *st = make_store("lru", 0, 4);
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 30000; i++) {
        sprintf(text, "key%u", i);
        assert_int_equal(put(st, text, i % 2, 20, 0, 1), OK);
    }
    store_flush(st, 0);
    assert_int_equal(store_db_items(st, 0), 0);
    assert_int_equal(store_db_items(st, 1), 15000);
    assert_false(has(st, "key0", 0, 1));
    assert_true(has(st, "key1", 1, 1));
    assert_int_equal(put(st, "key0", 0, 20, 0, 1), OK);
    while (store_housekeep(st, 1, 100000))
        ;
    assert_true(has(st, "key0", 0, 1));
    store_flush(st, -1);
    while (store_housekeep(st, 1, 100000))
        ;
    assert_int_equal(stats_of(st).items, 0);
    assert_int_equal(stats_of(st).item_bytes, 0);
    assert_int_equal(stats_of(st).index_bytes, 0);
    store_free(st);
}

static void eviction_finds_items_of_a_flushed_database(void **state)
{
    struct store *st = make_store("lru", 2 << 20, 2);
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        sprintf(text, "key%u", i);
        assert_int_equal(put(st, text, 0, 50, 0, 1), OK);
        if (i % 7000 == 0)
            store_flush(st, 0);
    }
    assert_true(has(st, "key49999", 0, 1));
    store_free(st);
}

static void items_of_a_flushed_database_are_no_evictions(void **state)
{
    struct store *st = make_store("lru", 8 << 20, 2);
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 80000; i++) {
        if (i == 40000) {
            assert_int_equal(stats_of(st).evicted, 0);
            store_flush(st, 0);
        }
        sprintf(text, "key%u", i);
        assert_int_equal(put(st, text, 0, 60, 0, 1), OK);
    }
    assert_int_equal(stats_of(st).evicted, 0);
    assert_int_equal(store_db_items(st, 0), 40000);
    store_free(st);
}

static void delayed_flush_takes_what_exists_then(void **state)
{
    struct store *st = make_store("lru", 0, 2);

    (void)state;
    store_flush_at(st, 100);
    assert_int_equal(put(st, "a", 0, 5, 0, 1), OK);
    store_flush_due(st, 99);
    assert_true(has(st, "a", 0, 99));
    store_flush_due(st, 100);
    assert_false(has(st, "a", 0, 100));
    assert_int_equal(put(st, "a", 0, 5, 0, 101), OK);
    store_flush_due(st, 1000);
    assert_true(has(st, "a", 0, 1000));
    store_free(st);
}

static void locks_of_many_keys_are_one_section(void **state)
{
    struct store *st = make_store("lru", 0, 8);
    struct key keys[50];
    char text[50][16];
    struct shard_set set;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        sprintf(text[i], "key%u", i);
        keys[i] = key_of(st, text[i], 0);
    }
    store_lock_keys(st, keys, 50, &set);
    for (unsigned i = 0; i < 50; i++) {
        struct item *it = store_item(st, &keys[i], &(struct item_attr){0}, 0);

        assert_non_null(it);
        assert_int_equal(shard_put(store_shard(st, keys[i].hash), &keys[i], NULL, it, 1), OK);
    }
    store_unlock_keys(&set);
    for (unsigned i = 0; i < 50; i++)
        assert_true(has(st, text[i], 0, 1));
    store_free(st);
}

static void count_live(void *arg, struct item *it)
{
    (void)it;
    ++*(unsigned *)arg;
}

static void scan_covers_all_shards(void **state)
{
    struct store *st = make_store("lru", 0, 8);
    char text[32];
    unsigned n = 0;
    uint64_t cursor = 0;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        sprintf(text, "key%u", i);
        assert_int_equal(put(st, text, 2, 5, i < 1000 ? 50 : 0, 1), OK);
    }
    do
        cursor = store_scan(st, 2, cursor, 60, count_live, &n);
    while (cursor);
    assert_int_equal(n, 4000);
    store_free(st);
}

static void take(struct store *st, const char *text, int64_t now)
{
    struct key k = key_of(st, text, 0);
    struct shard *s = store_lock(st, k.hash);
    struct item *it = shard_find(s, &k, now);

    if (it)
        shard_remove(s, &k, it);
    store_unlock(s);
}

/* Under every policy: the limit holds, what is evicted can be stored again, and a flush leaves nothing. */
static void every_policy_keeps_the_limit(void **state)
{
    char name[32];

    (void)state;
    for (unsigned p = 0; policy_at(p); p++) {
        struct store *st;
        struct store_stats stats;

        if (!policy_at(p)->evicts)
            continue;
        st = make_store(policy_at(p)->name, 2 << 20, 2);
        for (int i = 0; i < 60000; i++) {
            snprintf(name, sizeof(name), "key:%d", i * 7 % 20000);
            if (i % 3 == 0)
                has(st, name, 0, 1000);
            else if (i % 17 == 0)
                take(st, name, 1000);
            else
                assert_int_equal(put(st, name, 0, 20 + (uint32_t)i % 200, i % 5 ? 0 : 5000, 1000),
                                 OK);
        }
        store_stats(st, &stats);
        assert_true(stats.evicted > 1000);
        assert_true(stats.item_bytes + stats.index_bytes + stats.policy_bytes <=
                    (2 << 20) + 64 * 1024);
        assert_true(stats.items > 4000);
        store_flush(st, -1);
        while (store_housekeep(st, 1000, 1000000))
            ;
        store_stats(st, &stats);
        assert_int_equal(stats.item_bytes, 0);
        assert_true(stats.policy_bytes <= 256 * 1024);
        store_free(st);
    }
}

/* volatile-*: what does not expire stays, and when only that is left, stores are refused. */
static void volatile_policies_spare_the_lasting(void **state)
{
    static const char *const names[] = {"s3fifo", "lru", "random", "ttl"};
    char name[32];

    (void)state;
    for (unsigned p = 0; p < 4; p++) {
        struct store *st = store_new(&(struct store_options){.policy = policy_by_name(names[p]),
                                                             .volatile_only = true,
                                                             .seed = 5,
                                                             .limit_bytes = 1 << 20,
                                                             .shards = 1});
        struct store_stats stats;
        int refused = 0;

        assert_non_null(st);
        for (int i = 0; i < 20000; i++) {
            snprintf(name, sizeof(name), "fleeting:%d", i);
            assert_int_equal(put(st, name, 0, 100, 5000, 1000), OK);
            snprintf(name, sizeof(name), "lasting:%d", i);
            if (i < 2000)
                assert_int_equal(put(st, name, 0, 100, 0, 1000), OK);
        }
        for (int i = 0; i < 2000; i++) {
            snprintf(name, sizeof(name), "lasting:%d", i);
            assert_true(has(st, name, 0, 1000));
        }
        store_stats(st, &stats);
        assert_true(stats.evicted > 10000);
        for (int i = 2000; i < 10000; i++) {
            snprintf(name, sizeof(name), "lasting:%d", i);
            refused += put(st, name, 0, 100, 0, 1000) != OK;
        }
        assert_true(refused > 1000);
        store_free(st);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_find_remove),
        cmocka_unit_test(expired_items_are_gone_to_the_millisecond),
        cmocka_unit_test(housekeeping_reclaims_expired_items_nobody_asks_for),
        cmocka_unit_test(setting_expiry_keeps_item_and_place),
        cmocka_unit_test(cas_is_drawn_once_and_changes_with_the_value),
        cmocka_unit_test(evicts_least_recently_used_first),
        cmocka_unit_test(stays_below_its_budget),
        cmocka_unit_test(noeviction_refuses),
        cmocka_unit_test(a_value_over_the_limit_is_refused),
        cmocka_unit_test(flush_is_at_once_and_memory_follows),
        cmocka_unit_test(eviction_finds_items_of_a_flushed_database),
        cmocka_unit_test(items_of_a_flushed_database_are_no_evictions),
        cmocka_unit_test(delayed_flush_takes_what_exists_then),
        cmocka_unit_test(locks_of_many_keys_are_one_section),
        cmocka_unit_test(scan_covers_all_shards),
        cmocka_unit_test(every_policy_keeps_the_limit),
        cmocka_unit_test(volatile_policies_spare_the_lasting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
