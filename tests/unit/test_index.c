/* SPDX-License-Identifier: BSD-3-Clause */
/* test_index.c - the hash table against a naive twin while it grows, shrinks and is scanned. */
#include "store/index.h"

#include "lib/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

#define SEED 12345
#define KEYS 60000
#define TEXT 32

static struct epoch epoch;
static struct item *twin[KEYS]; /* what should be in the table, by key number */

static uint32_t key_text(unsigned k, char *text)
{
    return (uint32_t)snprintf(text, TEXT, "key-%u", k);
}

static struct item *make(unsigned k)
{
    char text[TEXT];
    uint32_t len = key_text(k, text);
    struct item *it = item_new(0, text, len, &(struct item_attr){0}, sizeof(k));

    assert_non_null(it);
    item_write(it, 0, 0, (const char *)&k, sizeof(k));
    return it;
}

/* Not inline: gcc warns of xxHash's branches for lengths that a text of ours cannot have. */
static __attribute__((noinline)) uint64_t hash_text(const char *text, uint32_t len)
{
    return hash_key(SEED, text, len);
}

static struct item *find(struct index *ix, unsigned k)
{
    char text[TEXT];
    uint32_t len = key_text(k, text);
    uint64_t *slot = index_find(ix, hash_text(text, len), text, len);

    return slot ? index_item(slot) : NULL;
}

static uint64_t hash_of(unsigned k)
{
    char text[TEXT];
    uint32_t len = key_text(k, text);

    return hash_text(text, len);
}

static void add(struct index *ix, unsigned k)
{
    twin[k] = make(k);
    assert_int_equal(index_insert(ix, hash_of(k), twin[k]), OK);
}

static void drop(struct index *ix, unsigned k)
{
    assert_true(index_remove(ix, hash_of(k), twin[k]));
    item_free(twin[k], 0);
    twin[k] = NULL;
}

static void start(struct index *ix)
{
    epoch_init(&epoch);
    memset(twin, 0, sizeof(twin));
    assert_int_equal(index_init(ix, SEED, &epoch), OK);
}

static void finish(struct index *ix)
{
    for (unsigned k = 0; k < KEYS; k++)
        if (twin[k])
            drop(ix, k);
    assert_int_equal(ix->items, 0);
    index_fini(ix);
    epoch_fini(&epoch);
}

static void agrees_with_a_twin(void **state)
{
    struct index ix;
    unsigned seed = 1, items = 0;

    (void)state;
    start(&ix);
    for (unsigned step = 0; step < 400000; step++) {
        unsigned k = (unsigned)rand_r(&seed) % KEYS;
        /* Waves: mostly inserts, then mostly removals. */
        bool insert = (unsigned)rand_r(&seed) % 100 < (step / 100000 % 2 ? 20u : 80u);

        assert_ptr_equal(find(&ix, k), twin[k]);
        if (insert && !twin[k]) {
            add(&ix, k);
            items++;
        } else if (!insert && twin[k]) {
            drop(&ix, k);
            items--;
        } else if (twin[k]) {
            struct item *fresh = make(k), *old = twin[k];
            char text[TEXT];
            uint32_t len = key_text(k, text);

            index_replace(index_find(&ix, hash_of(k), text, len), fresh);
            twin[k] = fresh;
            item_free(old, 0);
        }
        assert_int_equal(ix.items, items);
    }
    for (unsigned k = 0; k < KEYS; k++)
        assert_ptr_equal(find(&ix, k), twin[k]);
    finish(&ix);
}

static void costs_few_bytes_and_gives_them_back(void **state)
{
    struct index ix;
    uint64_t full;

    (void)state;
    start(&ix);
    for (unsigned k = 0; k < KEYS; k++)
        add(&ix, k);
    full = ix.bytes;
    assert_true(full < KEYS * 12.5);
    for (unsigned k = 0; k < KEYS - 100; k++)
        drop(&ix, k);
    assert_true(ix.bytes < full / 20);
    finish(&ix);
}

static void removing_needs_the_very_item(void **state)
{
    struct index ix;
    struct item *other = make(1);

    (void)state;
    start(&ix);
    add(&ix, 1);
    assert_false(index_remove(&ix, hash_of(1), other));
    assert_false(index_remove(&ix, hash_of(2), other));
    assert_ptr_equal(find(&ix, 1), twin[1]);
    item_free(other, 0);
    finish(&ix);
}

static unsigned seen[KEYS];

static void note(void *arg, struct item *it)
{
    unsigned k;

    (void)arg;
    item_read(it, 0, 0, sizeof(k), (char *)&k);
    seen[k]++;
}

/* Keys below STAYING stay for the whole scan; the rest come and go, so that the table grows or shrinks
 * between two steps. Every staying key must be seen. */
#define STAYING 5000

static void scan_while(struct index *ix, bool growing)
{
    uint64_t cursor = 0;
    unsigned next = STAYING;

    memset(seen, 0, sizeof(seen));
    do {
        cursor = index_scan(ix, cursor, note, NULL);
        for (int i = 0; i < 40 && next < KEYS; i++, next++) {
            if (growing)
                add(ix, next);
            else
                drop(ix, next);
        }
    } while (cursor);
    for (unsigned k = 0; k < STAYING; k++)
        assert_true(seen[k] >= 1);
}

static void scan_sees_what_stays(void **state)
{
    struct index ix;
    uint64_t cursor = 0;

    (void)state;
    start(&ix);
    for (unsigned k = 0; k < STAYING; k++)
        add(&ix, k);
    scan_while(&ix, true);
    for (unsigned k = STAYING; k < KEYS; k++)
        if (!twin[k])
            add(&ix, k);
    scan_while(&ix, false);
    memset(seen, 0, sizeof(seen));
    do
        cursor = index_scan(&ix, cursor, note, NULL);
    while (cursor);
    for (unsigned k = 0; k < KEYS; k++)
        assert_int_equal(seen[k], twin[k] ? 1 : 0); /* exactly once when nothing moves */
    finish(&ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_twin),
        cmocka_unit_test(costs_few_bytes_and_gives_them_back),
        cmocka_unit_test(removing_needs_the_very_item),
        cmocka_unit_test(scan_sees_what_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
