/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lru.c - strict least recently used: one list, each hit moves the item to the front. 16 bytes an item;
 * a hit writes up to six pointers in four places, none when the item is the newest already.
 * Source: the textbook list; see e.g. Belady, IBM Systems Journal 5(2), 1966, for the name's first use.
 */
#include "policies/list.h"

struct lru {
    struct policy base;
    struct link head;
};

static struct link *head_of(struct policy *p)
{
    return &((struct lru *)p)->head;
}

static struct link *link_of(struct policy_node *n)
{
    return (struct link *)n;
}

static void lru_init(struct policy *p, const double *param)
{
    (void)param;
    link_init(head_of(p));
}

static void lru_fini(struct policy *p)
{
    (void)p;
}

static enum status lru_insert(struct policy *p, const struct policy_item *it)
{
    link_push(head_of(p), link_of(it->node));
    return OK;
}

static void lru_hit(struct policy *p, struct policy_node *n)
{
    struct link *head = head_of(p), *l = link_of(n);

    if (head->next == l)
        return;
    link_cut(l);
    link_push(head, l);
}

static struct policy_node *lru_victim(struct policy *p)
{
    struct link *head = head_of(p);

    return head->prev == head ? NULL : (struct policy_node *)head->prev;
}

static void lru_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    (void)p;
    (void)evicted;
    link_cut(link_of(it->node));
}

static void lru_move(struct policy *p, const struct policy_item *old,
                     const struct policy_item *fresh)
{
    (void)p;
    link_move(link_of(old->node), link_of(fresh->node));
}

static void lru_replace(struct policy *p, const struct policy_item *old,
                        const struct policy_item *fresh)
{
    lru_move(p, old, fresh);
    lru_hit(p, fresh->node);
}

const struct policy_ops policy_lru = {
    .name = "lru",
    .node_bytes = sizeof(struct link),
    .state_bytes = sizeof(struct lru),
    .evicts = true,
    .by_age = true,
    .init = lru_init,
    .fini = lru_fini,
    .insert = lru_insert,
    .hit = lru_hit,
    .victim = lru_victim,
    .remove = lru_remove,
    .replace = lru_replace,
    .move = lru_move,
};
