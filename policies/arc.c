/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arc.c - adaptive replacement: an LRU list of items seen once (T1), one of items seen again (T2), and ghosts
 * of what left them (B1, B2). A request for a ghost says which list was too short, and moves the target
 * between them. 24 bytes an item, 6 each ghost; a hit moves links.
 * Source: Megiddo, Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003. Sizes stand in
 * for counts where they differ.
 */
#include "policies/ghost.h"
#include "policies/list.h"

enum { ONCE, AGAIN };

struct arc {
    struct policy base;
    struct list list[2];
    struct ghost ghost[2];
    double target; /* of list[ONCE] */
};

static struct arc *arc_of(struct policy *p)
{
    return (struct arc *)p;
}

static struct entry *entry_of(struct policy_node *n)
{
    return (struct entry *)n;
}

static void arc_init(struct policy *p, const double *param)
{
    (void)param;
    for (unsigned i = ONCE; i <= AGAIN; i++) {
        list_init(&arc_of(p)->list[i]);
        ghost_init(&arc_of(p)->ghost[i]);
    }
}

static void arc_fini(struct policy *p)
{
    ghost_fini(&arc_of(p)->ghost[ONCE], p);
    ghost_fini(&arc_of(p)->ghost[AGAIN], p);
}

/* A ghost of one list was asked for: that list should have been longer, the more so the rarer its ghosts
 * are beside the other's. */
static void learn(struct policy *p, unsigned which, uint32_t size, double mine, double other)
{
    struct arc *a = arc_of(p);
    double step = size * (other > mine && mine > 0 ? other / mine : 1);

    a->target += which == ONCE ? step : -step;
    if (a->target > (double)p->capacity)
        a->target = (double)p->capacity;
    if (a->target < 0)
        a->target = 0;
}

static enum status arc_insert(struct policy *p, const struct policy_item *it)
{
    struct arc *a = arc_of(p);
    struct entry *e = entry_of(it->node);

    e->size = it->size;
    e->list = ONCE;
    for (unsigned i = ONCE; i <= AGAIN && e->list == ONCE; i++) {
        double mine = (double)a->ghost[i].size, other = (double)a->ghost[1 - i].size;

        if (!ghost_take(&a->ghost[i], it->handle, it->size))
            continue;
        learn(p, i, it->size, mine, other);
        e->list = AGAIN;
    }
    list_push(&a->list[e->list], e);
    return OK;
}

static void arc_hit(struct policy *p, struct policy_node *n)
{
    struct arc *a = arc_of(p);
    struct entry *e = entry_of(n);

    if (e->list == AGAIN) {
        list_to_front(&a->list[AGAIN], e);
        return;
    }
    list_cut(&a->list[ONCE], e);
    e->list = AGAIN;
    list_push(&a->list[AGAIN], e);
}

static struct policy_node *arc_victim(struct policy *p)
{
    struct arc *a = arc_of(p);
    bool once = (double)a->list[ONCE].size > a->target || a->list[AGAIN].items == 0;

    return (struct policy_node *)list_oldest(&a->list[once ? ONCE : AGAIN]);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Together with its ghosts the first list may take the capacity, and all four twice that. */
static void limit_ghosts(struct policy *p)
{
    struct arc *a = arc_of(p);
    uint64_t items = a->list[ONCE].items + a->list[AGAIN].items;
    uint64_t size = a->list[ONCE].size + a->list[AGAIN].size;

    ghost_limit(&a->ghost[ONCE], p, less(p->capacity, a->list[ONCE].size), items);
    ghost_limit(&a->ghost[AGAIN], p, less(2 * p->capacity, size + a->ghost[ONCE].size), items);
}

static void arc_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    struct arc *a = arc_of(p);
    struct entry *e = entry_of(it->node);

    list_cut(&a->list[e->list], e);
    if (!evicted)
        return;
    limit_ghosts(p);
    ghost_insert(&a->ghost[e->list], it->handle, it->size);
}

static void arc_move(struct policy *p, const struct policy_item *old,
                     const struct policy_item *fresh)
{
    list_move(&arc_of(p)->list[entry_of(old->node)->list], old, fresh);
}

static void arc_replace(struct policy *p, const struct policy_item *old,
                        const struct policy_item *fresh)
{
    arc_move(p, old, fresh);
    arc_hit(p, fresh->node);
}

const struct policy_ops policy_arc = {
    .name = "arc",
    .node_bytes = sizeof(struct entry),
    .state_bytes = sizeof(struct arc),
    .evicts = true,
    .init = arc_init,
    .fini = arc_fini,
    .insert = arc_insert,
    .hit = arc_hit,
    .victim = arc_victim,
    .remove = arc_remove,
    .replace = arc_replace,
    .move = arc_move,
};
