/* SPDX-License-Identifier: BSD-3-Clause */
/* heap.c - the binary heap of heap.h. */
#include "policies/heap.h"

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return (int32_t)(a->turn - b->turn) < 0;
}

static struct heap_node *at(const struct heap *h, uint32_t i)
{
    return *array_place(&h->array, i);
}

static void put(struct heap *h, uint32_t i, struct heap_node *n)
{
    *array_place(&h->array, i) = n;
    n->at = i;
}

static void rise(struct heap *h, uint32_t i, struct heap_node *n)
{
    while (i > 0 && is_before(n, at(h, (i - 1) / 2))) {
        put(h, i, at(h, (i - 1) / 2));
        i = (i - 1) / 2;
    }
    put(h, i, n);
}

static void sink(struct heap *h, uint32_t i, struct heap_node *n)
{
    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child + 1 < h->array.items && is_before(at(h, child + 1), at(h, child)))
            child++;
        if (child >= h->array.items || !is_before(at(h, child), n))
            break;
        put(h, i, at(h, child));
        i = child;
    }
    put(h, i, n);
}

/* n belongs at i or above or below. */
static void settle(struct heap *h, uint32_t i, struct heap_node *n)
{
    if (i > 0 && is_before(n, at(h, (i - 1) / 2)))
        rise(h, i, n);
    else
        sink(h, i, n);
}

void heap_fini(struct heap *h, struct policy *p)
{
    array_fini(&h->array, p);
}

enum status heap_insert(struct heap *h, struct policy *p, struct heap_node *n, double priority)
{
    if (array_grow(&h->array, p) != OK)
        return NO_MEMORY;
    n->priority = priority;
    n->turn = h->turn++;
    rise(h, h->array.items - 1, n);
    return OK;
}

void heap_change(struct heap *h, struct heap_node *n, double priority)
{
    n->priority = priority;
    n->turn = h->turn++;
    settle(h, n->at, n);
}

void heap_remove(struct heap *h, struct policy *p, struct heap_node *n)
{
    struct heap_node *last = at(h, h->array.items - 1);

    array_shrink(&h->array, p);
    if (last != n)
        settle(h, n->at, last);
}

void heap_move(struct heap *h, struct heap_node *fresh)
{
    *array_place(&h->array, fresh->at) = fresh;
}

struct heap_node *heap_lowest(const struct heap *h)
{
    return h->array.items ? at(h, 0) : NULL;
}
