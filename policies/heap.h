/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap.h - items by priority: the lowest first, among equals the one that got it first. A binary heap of
 * node pointers: 16 bytes in the item and 8 outside.
 */
#pragma once
#include "policies/array.h"

/* The first bytes of the item's node. */
struct heap_node {
    double priority;
    uint32_t turn; /* of its last change; wraps */
    uint32_t at;
};

struct heap {
    struct array array;
    uint32_t turn;
};

void heap_fini(struct heap *h, struct policy *p);

/* NO_MEMORY changes nothing. */
enum status heap_insert(struct heap *h, struct policy *p, struct heap_node *n,
                        double priority) MUST_USE;
/* Another priority, which counts as new. */
void heap_change(struct heap *h, struct heap_node *n, double priority);
void heap_remove(struct heap *h, struct policy *p, struct heap_node *n);
/* Another address of a node, copied by the caller. */
void heap_move(struct heap *h, struct heap_node *fresh);
/* The lowest or NULL. */
struct heap_node *heap_lowest(const struct heap *h);
