/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_sim.c - the simulator: its rules on traces small enough to count by hand, and pinned counts of misses of
 * each policy on a made trace. Who changes a policy on purpose pins the new counts.
 */
#include "bench/sim_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

static struct sim_result run(const struct sim_trace *t, const char *policy, uint64_t capacity,
                             bool objects)
{
    struct sim_setup o = {.ops = policy_by_name(policy), .capacity = capacity, .objects = objects};
    struct sim_result r;

    for (unsigned i = 0; i < POLICY_PARAMS; i++)
        o.param[i] = o.ops->params[i].normal;
    assert_true(sim_run(&o, t, &r));
    return r;
}

static struct sim_trace trace_of(const char *text)
{
    struct sim_trace t = {.request = NULL};

    for (; *text; text++)
        assert_true(sim_trace_add(&t, (uint32_t)(*text - 'a'), 10u * (uint32_t)(*text - 'a' + 1)));
    return t;
}

static void counts_by_hand(void **state)
{
    struct sim_trace t = trace_of("abcabcdabd");
    struct sim_result r;

    (void)state;
    r = run(&t, "lru", 3,
            true); /* a b c miss; a b c hit; d takes a; a takes b, b takes c; d hits */
    assert_int_equal(r.misses, 6);
    assert_int_equal(r.requests, 10);
    assert_int_equal(r.items, 3);
    r = run(&t, "lru", 4, true);
    assert_int_equal(r.misses, 4);
    /* Sizes 10 to 40. In 35 bytes there is room for a and b, or c: d is never stored. */
    r = run(&t, "fifo", 35, false);
    assert_int_equal(r.misses, 10);
    assert_int_equal(r.bytes, 230);
    assert_int_equal(r.bytes_missed, 230);
    sim_trace_free(&t);
}

static void copies_do_not_meet(void **state)
{
    struct sim_trace t = trace_of("abcabcdabd");
    struct sim_result r;

    (void)state;
    assert_true(sim_trace_multiply(&t, 3, 2));
    assert_int_equal(t.requests, 30);
    assert_int_equal(t.objects, 12);
    assert_int_equal(sim_trace_bytes(&t), 3 * 2 * 100);
    r = run(&t, "lru", 12, true);
    assert_int_equal(r.misses, 12);
    sim_trace_free(&t);
}

/* Popular keys, a drift of popularity, and now and then a scan of keys that never come back. */
static struct sim_trace made_trace(void)
{
    enum { KEYS = 6000, REQUESTS = 150000 };
    struct sim_trace t = {.request = NULL};
    uint32_t x = 12345, scan = 0;

    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint32_t key;

        x = x * 1664525 + 1013904223;
        key = (uint32_t)((uint64_t)(x >> 8) * (x >> 8) / ((UINT64_C(1) << 48) / KEYS));
        x = x * 1664525 + 1013904223;
        key = (uint32_t)((uint64_t)key * (x >> 16) >> 16);
        key = (key + i / 20000 * 40) % KEYS;
        if (i % 30000 < 2000)
            key = KEYS + scan++;
        assert_true(sim_trace_add(&t, key, 50 + key * 7919 % 800));
    }
    return t;
}

static void misses_are_pinned(void **state)
{
    static const struct {
        const char *policy;
        uint64_t objects, bytes; /* misses */
    } pinned[] = {
        {"s3fifo", 52970, 53984}, {"lru", 61461, 62388},   {"slru", 53786, 53750},
        {"lfu", 54980, 55874},    {"fifo", 68631, 69448},  {"clock", 59767, 60700},
        {"random", 70429, 71228}, {"sieve", 52419, 52413}, {"tinylfu", 52222, 52741},
        {"arc", 53617, 54630},    {"2q", 56086, 56933},    {"gdsf", 54980, 50196},
        {"ttl", 68631, 69448},
    };
    struct sim_trace t = made_trace();
    uint64_t tenth = sim_trace_bytes(&t) / 10;

    (void)state;
    for (unsigned i = 0; policy_at(i); i++) {
        const char *name = policy_at(i)->name;
        struct sim_result objects, bytes;
        bool is_pinned = !policy_at(i)->evicts;

        if (!policy_at(i)->evicts)
            continue;
        objects = run(&t, name, t.objects / 10, true);
        bytes = run(&t, name, tenth, false);
        for (unsigned j = 0; j < sizeof(pinned) / sizeof(pinned[0]); j++)
            if (strcmp(pinned[j].policy, name) == 0) {
                is_pinned = true;
                assert_int_equal(objects.misses, pinned[j].objects);
                assert_int_equal(bytes.misses, pinned[j].bytes);
            }
        if (!is_pinned)
            fail_msg("pin it: {\"%s\", %llu, %llu},", name, (unsigned long long)objects.misses,
                     (unsigned long long)bytes.misses);
    }
    sim_trace_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_hand),
        cmocka_unit_test(copies_do_not_meet),
        cmocka_unit_test(misses_are_pinned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
