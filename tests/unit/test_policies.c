/* SPDX-License-Identifier: BSD-3-Clause */
/* test_policies.c - each policy of the table against a naive twin: an array kept in order by hand. */
#include "policies/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

#define NODES 64

/* Oldest first. */
struct twin {
    struct policy_node *order[NODES];
    unsigned n;
};

static unsigned twin_at(const struct twin *t, const struct policy_node *n)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->order[i] == n)
            return i;
    fail_msg("the twin does not have this node");
    return 0;
}

static void twin_remove(struct twin *t, const struct policy_node *n)
{
    unsigned i = twin_at(t, n);

    memmove(&t->order[i], &t->order[i + 1], (t->n - i - 1) * sizeof(t->order[0]));
    t->n--;
}

static void twin_insert(struct twin *t, struct policy_node *n)
{
    t->order[t->n++] = n;
}

static struct policy_node *fresh_node(const struct policy_ops *ops)
{
    struct policy_node *n = calloc(1, ops->node_bytes + 1u);

    assert_non_null(n);
    return n;
}

/* One random operation on both. */
static void step(const struct policy_ops *ops, struct policy *p, struct twin *t, unsigned *seed)
{
    unsigned op = (unsigned)rand_r(seed) % 6;
    struct policy_node *n, *other;

    if (t->n == 0 || (op <= 1 && t->n < NODES)) {
        n = fresh_node(ops);
        ops->insert(p, n);
        twin_insert(t, n);
        return;
    }
    n = t->order[(unsigned)rand_r(seed) % t->n];
    switch (op) {
    case 2:
        ops->hit(p, n);
        twin_remove(t, n);
        twin_insert(t, n);
        return;
    case 3:
        other = fresh_node(ops);
        ops->replace(p, n, other);
        twin_remove(t, n);
        twin_insert(t, other);
        break;
    case 4:
        other = fresh_node(ops);
        ops->move(p, n, other);
        t->order[twin_at(t, n)] = other;
        break;
    default: ops->remove(p, n); twin_remove(t, n);
    }
    free(n);
}

static void lru_agrees_with_its_twin(void **state)
{
    const struct policy_ops *ops = policy_by_name("lru");
    struct policy *p = calloc(1, ops->state_bytes);
    struct twin t = {.n = 0};
    unsigned seed = 7;

    (void)state;
    ops->init(p);
    assert_null(ops->victim(p));
    for (unsigned i = 0; i < 200000; i++) {
        step(ops, p, &t, &seed);
        assert_ptr_equal(ops->victim(p), t.n ? t.order[0] : NULL);
    }
    while (t.n) {
        struct policy_node *n = ops->victim(p);

        assert_ptr_equal(n, t.order[0]);
        ops->remove(p, n);
        twin_remove(&t, n);
        free(n);
    }
    assert_null(ops->victim(p));
    free(p);
}

static void noeviction_names_no_victim(void **state)
{
    const struct policy_ops *ops = policy_by_name("noeviction");
    struct policy *p = calloc(1, ops->state_bytes + 1u);
    struct twin t = {.n = 0};
    unsigned seed = 3;

    (void)state;
    assert_int_equal(ops->evicts, 0);
    ops->init(p);
    for (unsigned i = 0; i < 1000; i++) {
        step(ops, p, &t, &seed);
        assert_null(ops->victim(p));
    }
    while (t.n)
        free(t.order[--t.n]);
    free(p);
}

/* Every row is found by its name, and has all its functions. */
static void all_rows_are_complete(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; policy_at(i); i++) {
        const struct policy_ops *ops = policy_at(i);

        assert_ptr_equal(policy_by_name(ops->name), ops);
        assert_true(ops->init && ops->insert && ops->hit && ops->victim && ops->remove &&
                    ops->replace && ops->move);
        assert_int_equal(ops->node_bytes % 4, 0);
    }
    assert_true(i >= 2);
    assert_null(policy_by_name("no such policy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lru_agrees_with_its_twin),
        cmocka_unit_test(noeviction_names_no_victim),
        cmocka_unit_test(all_rows_are_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
