/* SPDX-License-Identifier: BSD-3-Clause */
/* test_item.c - layouts of items: every field, every size class boundary, two-block values. */
#include "store/item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

static char *pattern(size_t n, unsigned seed)
{
    char *p = malloc(n + 1);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(seed + i * 31 + (i >> 8) * 7);
    return p;
}

static void assert_value(const struct item *it, uint16_t node, const char *want, size_t n)
{
    char *got = malloc(n + 1);
    struct slice part[2];
    unsigned parts = item_value(it, node, part);

    assert_non_null(got);
    assert_int_equal(it->vlen, n);
    assert_int_equal(part[0].len + part[1].len, n);
    assert_int_equal(parts, it->fields & ITEM_TAIL ? 2 : 1);
    item_read(it, node, 0, n, got);
    assert_memory_equal(got, want, n);
    memcpy(got, part[0].p, part[0].len);
    if (part[1].len)
        memcpy(got + part[0].len, part[1].p, part[1].len);
    assert_memory_equal(got, want, n);
    free(got);
}

/* Lengths around each size class up to 40 KiB, with and without fields and policy node. */
static void values_of_all_lengths(void **state)
{
    static const struct item_attr attrs[] = {
        {0},
        {.expiry_ms = 77, .flags = 5},
        {.cas = 9, .expiry_ms = INT64_MAX, .flags = UINT32_MAX},
    };

    (void)state;
    for (size_t n = 0; n < 40000; n += n < 2500 ? 1 : n / 97)
        for (unsigned a = 0; a < 3; a++) {
            uint16_t node = a == 1 ? 16 : 0;
            char *v = pattern(n, a);
            struct item *it = item_new(node, "key:1234", 8, &attrs[a], (uint32_t)n);

            assert_non_null(it);
            item_write(it, node, 0, v, n);
            assert_value(it, node, v, n);
            assert_true(item_key_is(it, "key:1234", 8));
            assert_int_equal(item_expiry(it), attrs[a].expiry_ms);
            assert_int_equal(item_cas(it), attrs[a].cas);
            assert_int_equal(item_flags(it), attrs[a].flags);
            item_free(it, node);
            free(v);
        }
}

/* A second block is there to save memory: never more than one, and less slack than the class steps. */
static void two_blocks_save(void **state)
{
    (void)state;
    for (uint32_t n = 600; n < 200000; n += 111) {
        struct item *it = item_new(16, "k", 1, &(struct item_attr){0}, n);
        size_t one;

        assert_non_null(it);
        one = mem_class(17 + sizeof(*it) + item_field_bytes[it->fields & ~ITEM_TAIL] + n);
        assert_true(item_bytes(it, 16) <= one);
        if (it->fields & ITEM_TAIL)
            assert_true(item_bytes(it, 16) < one);
        /* What a one-block item may waste is a quarter; what is left here is far less. */
        assert_true(item_bytes(it, 16) <= n + 96 + n / 12);
        item_free(it, 16);
    }
}

static void keys_of_all_lengths(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 70000; n += n < 300 ? 1 : n / 3) {
        char *key = pattern(n, 3);
        struct item *it = item_new(16, key, n, &(struct item_attr){.flags = 1}, 10);

        assert_non_null(it);
        item_write(it, 16, 0, "0123456789", 10);
        assert_int_equal(item_klen(it), n);
        assert_true(item_key_is(it, key, n));
        assert_false(item_key_is(it, key, n - 1));
        assert_value(it, 16, "0123456789", 10);
        item_free(it, 16);
        free(key);
    }
}

static void copy_adds_fields_and_length(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 3000; n += 7) {
        char *v = pattern(n + 500, 1);
        struct item *it = item_new(16, "key", 3, &(struct item_attr){.flags = 8, .db = 3}, n);
        struct item *copy;

        assert_non_null(it);
        item_write(it, 16, 0, v, n);
        it->marks = ITEM_STALE;
        it->access = 1234;
        copy = item_copy(it, 16, ITEM_EXPIRY | ITEM_CAS, n + 500);
        assert_non_null(copy);
        item_write(copy, 16, n, v + n, 500);
        item_set_expiry(copy, 42);
        item_set_cas(copy, 43);
        assert_value(copy, 16, v, n + 500);
        assert_int_equal(item_flags(copy), 8);
        assert_int_equal(item_expiry(copy), 42);
        assert_int_equal(item_cas(copy), 43);
        assert_int_equal(copy->db, 3);
        assert_int_equal(copy->marks, ITEM_STALE);
        assert_int_equal(copy->access, 1234);
        item_free(copy, 16);
        copy = item_copy(it, 16, 0, n / 2);
        assert_non_null(copy);
        assert_value(copy, 16, v, n / 2);
        item_free(copy, 16);
        item_free(it, 16);
        free(v);
    }
}

static void partial_reads_and_writes_cross_blocks(void **state)
{
    enum { N = 1100 };
    char *v = pattern(N, 5), got[N];
    struct item *it = item_new(16, "key", 3, &(struct item_attr){0}, N);

    (void)state;
    assert_non_null(it);
    assert_true(it->fields & ITEM_TAIL);
    for (size_t off = 0; off < N; off += 13) {
        size_t n = N - off < 50 ? N - off : 50;

        item_write(it, 16, off, v + off, n);
    }
    for (size_t off = 0; off < N; off++) {
        item_read(it, 16, off, N - off, got);
        assert_memory_equal(got, v + off, N - off);
    }
    item_free(it, 16);
    free(v);
}

static void references_keep_a_large_value(void **state)
{
    struct item *it = item_new(0, "k", 1, &(struct item_attr){0}, ITEM_REF_MIN);
    struct item *small = item_new(0, "k", 1, &(struct item_attr){0}, ITEM_REF_MIN - 1);

    (void)state;
    assert_true(it->fields & ITEM_REFS);
    assert_false(small->fields & ITEM_REFS);
    item_ref(it);
    item_put(it, 0);
    item_write(it, 0, ITEM_REF_MIN - 1, "x", 1); /* ASan would tell if it were gone */
    item_put(it, 0);
    item_put(small, 0);
}

static void expiry_is_exact(void **state)
{
    struct item *it = item_new(0, "k", 1, &(struct item_attr){.expiry_ms = 1000}, 0);
    struct item *forever = item_new(0, "k", 1, &(struct item_attr){0}, 0);

    (void)state;
    assert_false(item_is_expired(it, 999));
    assert_true(item_is_expired(it, 1000));
    assert_false(item_is_expired(forever, INT64_MAX));
    item_free(it, 0);
    item_free(forever, 0);
}

#ifndef MP_NO_JEMALLOC
static void size_classes_are_the_allocators(void **state)
{
    (void)state;
    for (size_t n = 9; n < 600000; n++) {
        assert_int_equal(mem_class(n), nallocx(n, 0));
        if (n >= 16) {
            assert_true(mem_class_floor(n) <= n);
            assert_int_equal(mem_class(mem_class_floor(n)), mem_class_floor(n));
            assert_true(mem_class_floor(n) == n || mem_class(n) > n);
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_all_lengths),
        cmocka_unit_test(two_blocks_save),
        cmocka_unit_test(keys_of_all_lengths),
        cmocka_unit_test(copy_adds_fields_and_length),
        cmocka_unit_test(partial_reads_and_writes_cross_blocks),
        cmocka_unit_test(references_keep_a_large_value),
        cmocka_unit_test(expiry_is_exact),
#ifndef MP_NO_JEMALLOC
        cmocka_unit_test(size_classes_are_the_allocators),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
