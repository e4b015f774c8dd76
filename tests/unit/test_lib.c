/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib.c - numbers, slices, the reply buffer, the clock, locks and epochs. */
#include "lib/num.h"

#include "lib/clock.h"
#include "lib/epoch.h"
#include "lib/lock.h"
#include "lib/mem.h"
#include "lib/out.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

/* ---- numbers ---- */

static const uint64_t edges[] = {0,
                                 1,
                                 9,
                                 10,
                                 11,
                                 99,
                                 100,
                                 101,
                                 999,
                                 1000,
                                 9999,
                                 10000,
                                 99999,
                                 UINT32_MAX,
                                 (uint64_t)UINT32_MAX + 1,
                                 INT64_MAX,
                                 (uint64_t)INT64_MAX + 1,
                                 UINT64_MAX - 1,
                                 UINT64_MAX};

static void formats_as_printf(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000 + ARRAY_LEN(edges); i++) {
        uint64_t v = i < ARRAY_LEN(edges) ? edges[i] : (uint64_t)i * 0x9E3779B97F4A7C15u >> i % 64;
        char got[NUM_MAX_DIGITS + 1], want[32];

        got[num_format_u64(got, v)] = '\0';
        snprintf(want, sizeof(want), "%" PRIu64, v);
        assert_string_equal(got, want);
        got[num_format_i64(got, (int64_t)v)] = '\0';
        snprintf(want, sizeof(want), "%" PRId64, (int64_t)v);
        assert_string_equal(got, want);
    }
}

static void parses_what_it_formats(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(edges); i++) {
        char text[32];
        uint64_t u;
        int64_t s;

        assert_true(num_parse_u64(slice_of(text, num_format_u64(text, edges[i])), &u));
        assert_true(u == edges[i]);
        assert_true(num_parse_i64(slice_of(text, num_format_i64(text, (int64_t)edges[i])), &s));
        assert_true(s == (int64_t)edges[i]);
    }
}

static void refuses_what_is_no_number(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "a",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "100000000000000000000",
                                      "1.0",
                                      "0x1"};
    static const char *const bad_signed[] = {"--1", "9223372036854775808", "-9223372036854775809"};
    uint64_t u;
    int64_t s;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(num_parse_u64(slice_str(bad[i]), &u));
        assert_false(num_parse_i64(slice_str(bad[i]), &s));
    }
    for (unsigned i = 0; i < ARRAY_LEN(bad_signed); i++)
        assert_false(num_parse_i64(slice_str(bad_signed[i]), &s));
    assert_false(num_parse_u64(slice_str("-1"), &u));
}

static void compares_slices(void **state)
{
    (void)state;
    assert_true(slice_equal(SLICE_LIT("ab"), slice_of("abc", 2)));
    assert_false(slice_equal(SLICE_LIT("ab"), SLICE_LIT("aB")));
    assert_true(slice_equal_nocase(SLICE_LIT("gEt[1"), SLICE_LIT("GeT[1")));
    assert_false(slice_equal_nocase(SLICE_LIT("get["), SLICE_LIT("get{")));
    assert_false(slice_equal_nocase(SLICE_LIT("get"), SLICE_LIT("gets")));
}

/* ---- the reply buffer ---- */

static char *collected;
static size_t collected_len;
static unsigned released;

static void collect(struct out *o)
{
    out_seal(o);
    for (int i = 0; i < o->niov; i++) {
        memcpy(collected + collected_len, o->iov[i].iov_base, o->iov[i].iov_len);
        collected_len += o->iov[i].iov_len;
        released += o->owner[i] != NULL;
    }
    out_reset(o);
}

/* Bytes, numbers and references in random sizes leave in the order in which they came. */
static void out_keeps_order(void **state)
{
    enum { TOTAL = 8 << 20 };
    char *want = malloc(TOTAL + 200000), *big = malloc(100000);
    unsigned seed = 5, refs = 0;
    size_t n = 0;
    struct out o;

    (void)state;
    collected = malloc(TOTAL + 200000);
    collected_len = 0;
    released = 0;
    memset(big, 'r', 100000);
    assert_true(out_init(&o, collect));
    while (n < TOTAL) {
        size_t len = (size_t)rand_r(&seed) % 70000 >> rand_r(&seed) % 17;

        memset(want + n, 'a' + (int)(len % 26), len);
        if (rand_r(&seed) % 4 == 0) {
            memset(want + n, 'r', len);
            out_ref(&o, big, len, &o);
            refs++;
        } else {
            out_append(&o, want + n, len);
        }
        n += len;
        out_u64(&o, len);
        n += (size_t)sprintf(want + n, "%zu", len);
        out_char(&o, '\n');
        want[n++] = '\n';
    }
    collect(&o);
    assert_int_equal(collected_len, n);
    assert_memory_equal(collected, want, n);
    assert_int_equal(released, refs);
    assert_true(out_is_empty(&o));
    out_fini(&o);
    free(collected);
    free(want);
    free(big);
}

/* ---- time ---- */

static void clock_converts_both_ways(void **state)
{
    int64_t now;

    (void)state;
    clock_sync();
    now = clock_now_ms();
    assert_true(now > 0);
    assert_int_equal(clock_from_wall_ms(clock_to_wall_ms(now)), now);
    assert_true(clock_to_wall_ms(now) / 1000 - (int64_t)time(NULL) <= 1);
    assert_true(clock_now_ms() >= now);
}

/* ---- locks and epochs ---- */

static struct lock lock;
static unsigned long shared_count;

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200000; i++) {
        lock_acquire(&lock);
        shared_count++;
        lock_release(&lock);
    }
    return NULL;
}

static void lock_excludes(void **state)
{
    pthread_t t[4];

    (void)state;
    lock_init(&lock, LOCK_SHARD);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(shared_count, 800000);
    if (lock_try(&lock))
        lock_release(&lock);
    else
        fail();
}

static struct epoch epoch;
static uint64_t *published; /* swapped by the writer, read without a lock */
static bool done;

static void *reader(void *arg)
{
    unsigned slot = (unsigned)(uintptr_t)arg;

    while (!RELAXED_LOAD(&done)) {
        uint64_t *p;

        epoch_enter(&epoch, slot);
        p = __atomic_load_n(&published, __ATOMIC_ACQUIRE);
        assert_int_equal(*p, 42); /* freed memory would show under ASan, and soon without */
        epoch_leave(&epoch, slot);
    }
    return NULL;
}

static void epoch_frees_only_what_nobody_sees(void **state)
{
    pthread_t t[3];

    (void)state;
    epoch_init(&epoch);
    published = mem_alloc(sizeof(*published));
    *published = 42;
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, reader, (void *)i), 0);
    for (int i = 0; i < 50000; i++) {
        uint64_t *fresh = mem_alloc(sizeof(*fresh)), *old = published;

        *fresh = 42;
        __atomic_store_n(&published, fresh, __ATOMIC_RELEASE);
        epoch_retire(&epoch, old, sizeof(*old));
        if (i % 16 == 0)
            epoch_reclaim(&epoch);
    }
    RELAXED_STORE(&done, true);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    epoch_reclaim(&epoch);
    assert_int_equal(epoch.waiting, 0);
    mem_free(published, sizeof(*published));
    epoch_fini(&epoch);
}

static void epoch_waits_for_a_turn_in_progress(void **state)
{
    (void)state;
    epoch_init(&epoch);
    epoch_enter(&epoch, 0);
    epoch_retire(&epoch, mem_alloc(100), 100);
    epoch_reclaim(&epoch);
    assert_int_equal(epoch.waiting, 100);
    epoch_leave(&epoch, 0);
    epoch_reclaim(&epoch);
    assert_int_equal(epoch.waiting, 0);
    epoch_fini(&epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_printf),
        cmocka_unit_test(parses_what_it_formats),
        cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(compares_slices),
        cmocka_unit_test(out_keeps_order),
        cmocka_unit_test(clock_converts_both_ways),
        cmocka_unit_test(lock_excludes),
        cmocka_unit_test(epoch_frees_only_what_nobody_sees),
        cmocka_unit_test(epoch_waits_for_a_turn_in_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
