/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slru.c - segmented LRU: four LRU lists of a quarter of the capacity each. Newcomers enter the lowest that
 * has room, else the lowest; a hit lifts into the next one; what overflows a list sinks into the one
 * below; the lowest gives the victim. 24 bytes an item; a hit moves links in several places.
 * Source: Karedla, Love, Wherry, "Caching strategies to improve disk system performance", IEEE Computer
 * 27(3), 1994; four segments: Huang et al., SOSP 2013.
 */
#include "policies/list.h"

#define SEGMENTS 4

struct slru {
    struct policy base;
    struct list segment[SEGMENTS];
};

static struct list *segments(struct policy *p)
{
    return ((struct slru *)p)->segment;
}

static struct entry *entry_of(struct policy_node *n)
{
    return (struct entry *)n;
}

static void slru_init(struct policy *p, const double *param)
{
    (void)param;
    for (unsigned i = 0; i < SEGMENTS; i++)
        list_init(&segments(p)[i]);
}

static void slru_fini(struct policy *p)
{
    (void)p;
}

static enum status slru_insert(struct policy *p, const struct policy_item *it)
{
    struct entry *e = entry_of(it->node);
    struct list *s = segments(p);

    e->size = it->size;
    e->list = 0;
    for (unsigned i = 0; i < SEGMENTS; i++)
        if (s[i].size + it->size <= p->capacity / SEGMENTS) {
            e->list = i;
            break;
        }
    list_push(&s[e->list], e);
    return OK;
}

static void slru_hit(struct policy *p, struct policy_node *n)
{
    struct entry *e = entry_of(n), *down;
    struct list *s = segments(p);

    if (e->list == SEGMENTS - 1) {
        list_to_front(&s[SEGMENTS - 1], e);
        return;
    }
    list_cut(&s[e->list], e);
    e->list++;
    list_push(&s[e->list], e);
    for (unsigned i = e->list; i > 0; i--)
        while (s[i].size > p->capacity / SEGMENTS && (down = list_oldest(&s[i])) != NULL) {
            list_cut(&s[i], down);
            down->list = i - 1;
            list_push(&s[i - 1], down);
        }
}

static struct policy_node *slru_victim(struct policy *p)
{
    struct entry *e = NULL;

    for (unsigned i = 0; i < SEGMENTS && !e; i++)
        e = list_oldest(&segments(p)[i]);
    return (struct policy_node *)e;
}

static void slru_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    (void)evicted;
    list_cut(&segments(p)[entry_of(it->node)->list], entry_of(it->node));
}

static void slru_move(struct policy *p, const struct policy_item *old,
                      const struct policy_item *fresh)
{
    list_move(&segments(p)[entry_of(old->node)->list], old, fresh);
}

static void slru_replace(struct policy *p, const struct policy_item *old,
                         const struct policy_item *fresh)
{
    slru_move(p, old, fresh);
    slru_hit(p, fresh->node);
}

const struct policy_ops policy_slru = {
    .name = "slru",
    .node_bytes = sizeof(struct entry),
    .state_bytes = sizeof(struct slru),
    .evicts = true,
    .init = slru_init,
    .fini = slru_fini,
    .insert = slru_insert,
    .hit = slru_hit,
    .victim = slru_victim,
    .remove = slru_remove,
    .replace = slru_replace,
    .move = slru_move,
};
