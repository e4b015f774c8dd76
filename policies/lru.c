/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lru.c - strict least recently used. A circular doubly linked list through a sentinel: the newest
 * is sentinel.next, the victim is sentinel.prev. 16 bytes an item; a hit writes up to six pointers
 * in four places, none when the item is the newest already.
 * Source: the textbook list; see e.g. Belady, IBM Systems Journal 5(2), 1966, for the name's first use.
 */
#include "policies/policy.h"

struct link {
    struct link *prev, *next;
};

static struct link *sentinel(struct policy *p)
{
    return (struct link *)p;
}

static struct link *link_of(struct policy_node *n)
{
    return (struct link *)n;
}

static void push_front(struct link *s, struct link *l)
{
    l->prev = s;
    l->next = s->next;
    s->next->prev = l;
    s->next = l;
}

static void unlink_node(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
}

static void lru_init(struct policy *p)
{
    struct link *s = sentinel(p);

    s->prev = s->next = s;
}

static void lru_insert(struct policy *p, struct policy_node *n)
{
    push_front(sentinel(p), link_of(n));
}

static void lru_hit(struct policy *p, struct policy_node *n)
{
    struct link *s = sentinel(p), *l = link_of(n);

    if (s->next == l)
        return;
    unlink_node(l);
    push_front(s, l);
}

static struct policy_node *lru_victim(struct policy *p)
{
    struct link *s = sentinel(p);

    return s->prev == s ? NULL : (struct policy_node *)s->prev;
}

static void lru_remove(struct policy *p, struct policy_node *n)
{
    (void)p;
    unlink_node(link_of(n));
}

static void lru_replace(struct policy *p, struct policy_node *old, struct policy_node *fresh)
{
    lru_remove(p, old);
    lru_insert(p, fresh);
}

static void lru_move(struct policy *p, struct policy_node *old, struct policy_node *fresh)
{
    struct link *l = link_of(fresh);

    (void)p;
    *l = *link_of(old);
    l->prev->next = l;
    l->next->prev = l;
}

const struct policy_ops policy_lru = {
    .name = "lru",
    .node_bytes = sizeof(struct link),
    .state_bytes = sizeof(struct link),
    .evicts = 1,
    .init = lru_init,
    .insert = lru_insert,
    .hit = lru_hit,
    .victim = lru_victim,
    .remove = lru_remove,
    .replace = lru_replace,
    .move = lru_move,
};
