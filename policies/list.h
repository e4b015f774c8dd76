/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list.h - LRU lists of nodes with two pointers: what lru, slru, 2q, arc and tinylfu are made of. The
 * newest is behind the list's head, the oldest before it.
 */
#pragma once
#include "policies/policy.h"

struct link {
    struct link *prev, *next;
};

/* The node of the policies with several lists. */
struct entry {
    struct link link;
    uint32_t size : 30, list : 2; /* items of 1 GiB and more do not exist */
    uint32_t handle;
};

struct list {
    struct link head;
    uint64_t size; /* of all entries */
    uint64_t items;
};

static inline void link_init(struct link *head)
{
    head->prev = head->next = head;
}

static inline void link_push(struct link *head, struct link *l)
{
    l->prev = head;
    l->next = head->next;
    head->next->prev = l;
    head->next = l;
}

static inline void link_cut(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
}

/* `fresh` takes the place of `old`, which may be the same. */
static inline void link_move(const struct link *old, struct link *fresh)
{
    *fresh = *old;
    fresh->prev->next = fresh;
    fresh->next->prev = fresh;
}

static inline void list_init(struct list *l)
{
    link_init(&l->head);
    l->size = l->items = 0;
}

static inline void list_push(struct list *l, struct entry *e)
{
    link_push(&l->head, &e->link);
    l->size += e->size;
    l->items++;
}

static inline void list_cut(struct list *l, struct entry *e)
{
    link_cut(&e->link);
    l->size -= e->size;
    l->items--;
}

static inline void list_to_front(struct list *l, struct entry *e)
{
    if (l->head.next == &e->link)
        return;
    link_cut(&e->link);
    link_push(&l->head, &e->link);
}

/* The oldest, or NULL. */
static inline struct entry *list_oldest(struct list *l)
{
    return l->head.prev == &l->head ? NULL : (struct entry *)l->head.prev;
}

/* Another node, or another size, at the same place. */
static inline void list_move(struct list *l, const struct policy_item *old,
                             const struct policy_item *fresh)
{
    struct entry *e = (struct entry *)fresh->node;

    *e = *(const struct entry *)old->node;
    link_move(&e->link, &e->link);
    l->size += (uint64_t)fresh->size - e->size;
    e->size = fresh->size;
}
