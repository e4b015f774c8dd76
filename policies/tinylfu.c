/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tinylfu.c - W-TinyLFU. Newcomers enter a window (LRU). What overflows it must have been seen more often, by
 * the estimate of a count-min sketch, than the next victim of the main region, a segmented LRU of
 * probation (20 %) and protected (80 %); the loser goes. The window's share adapts: it is moved up or
 * down a step after each so many requests, on as long as the hit ratio gains, else back, by ever smaller
 * steps, until the hit ratio jumps and the search begins anew.
 * 24 bytes an item and 8 for the sketch; a hit moves links and counts in four places of the sketch.
 * Source: Einziger, Friedman, Manes, "TinyLFU: a highly efficient cache admission policy", ACM ToS 13(4),
 * 2017; the adaptive window: Einziger, Eytan, Friedman, Manes, "Adaptive software cache management",
 * Middleware 2018.
 */
#include "policies/list.h"
#include "policies/sketch.h"

enum { WINDOW, PROBATION, PROTECTED };

#define PROTECTED_SHARE 0.8
#define WINDOW_LEAST 0.01
#define WINDOW_MOST 0.8
#define STEP 0.0625 /* first step of the search, a share of the capacity */
#define STEP_DECAY 0.9
#define RESTART 0.05      /* change of the hit ratio that starts the search anew */
#define SAMPLE_REQUESTS 4 /* for each item in the cache, between two steps */
#define SAMPLE_LEAST 20000

struct tinylfu {
    struct policy base;
    struct list list[3];
    struct sketch sketch;
    double window_share, step;
    double last_ratio; /* of hits in the sample before; negative: there was none */
    uint64_t hits, requests;
    bool adapts;
    bool full; /* a victim was asked for */
};

static struct tinylfu *tinylfu_of(struct policy *p)
{
    return (struct tinylfu *)p;
}

static struct entry *entry_of(struct policy_node *n)
{
    return (struct entry *)n;
}

static void tinylfu_init(struct policy *p, const double *param)
{
    struct tinylfu *t = tinylfu_of(p);

    for (unsigned i = WINDOW; i <= PROTECTED; i++)
        list_init(&t->list[i]);
    t->window_share = param[0];
    t->adapts = param[1] != 0;
    t->step = STEP;
    t->last_ratio = -1;
}

static void tinylfu_fini(struct policy *p)
{
    sketch_fini(&tinylfu_of(p)->sketch, p);
}

static uint64_t items(const struct tinylfu *t)
{
    return t->list[WINDOW].items + t->list[PROBATION].items + t->list[PROTECTED].items;
}

static void put(struct tinylfu *t, struct entry *e, unsigned list)
{
    list_cut(&t->list[e->list], e);
    e->list = list & 3;
    list_push(&t->list[list], e);
}

/* ---- the window's share ---- */

static double within(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

/* The sample is over: go on in the direction that helped. */
static void climb(struct tinylfu *t)
{
    double ratio = (double)t->hits / (double)t->requests, change = ratio - t->last_ratio;

    t->hits = t->requests = 0;
    if (t->last_ratio >= 0) {
        if (change < 0)
            t->step = -t->step;
        if (change >= RESTART || change <= -RESTART)
            t->step = t->step < 0 ? -STEP : STEP;
        else
            t->step *= STEP_DECAY;
        t->window_share = within(t->window_share + t->step, WINDOW_LEAST, WINDOW_MOST);
    }
    t->last_ratio = ratio;
}

static void seen(struct tinylfu *t, uint32_t handle, bool hit)
{
    sketch_count(&t->sketch, handle);
    if (!t->full || !t->adapts)
        return;
    t->hits += hit;
    t->requests++;
    if (t->requests >= SAMPLE_LEAST && t->requests >= SAMPLE_REQUESTS * items(t))
        climb(t);
}

/* ---- the order ---- */

static uint64_t window_limit(const struct policy *p, const struct tinylfu *t)
{
    return policy_share(p, t->window_share);
}

static uint64_t main_size(const struct tinylfu *t)
{
    return t->list[PROBATION].size + t->list[PROTECTED].size;
}

/* While main has room, what overflows the window enters it unasked. */
static void fill_main(struct policy *p)
{
    struct tinylfu *t = tinylfu_of(p);
    uint64_t limit = window_limit(p, t);

    while (t->list[WINDOW].size > limit) {
        struct entry *e = list_oldest(&t->list[WINDOW]);

        if (main_size(t) + e->size > p->capacity - limit)
            break;
        put(t, e, PROBATION);
    }
}

static enum status tinylfu_insert(struct policy *p, const struct policy_item *it)
{
    struct tinylfu *t = tinylfu_of(p);
    struct entry *e = entry_of(it->node);

    e->size = it->size & 0x3FFFFFFF;
    e->handle = it->handle;
    e->list = WINDOW;
    list_push(&t->list[WINDOW], e);
    sketch_reserve(&t->sketch, p, items(t));
    seen(t, it->handle, false);
    fill_main(p);
    return OK;
}

static void tinylfu_hit(struct policy *p, struct policy_node *n)
{
    struct tinylfu *t = tinylfu_of(p);
    struct entry *e = entry_of(n), *down;
    uint64_t limit;

    seen(t, e->handle, true);
    if (e->list != PROBATION) {
        list_to_front(&t->list[e->list], e);
        return;
    }
    put(t, e, PROTECTED);
    limit = (uint64_t)((double)(p->capacity - window_limit(p, t)) * PROTECTED_SHARE);
    while (t->list[PROTECTED].size > limit && (down = list_oldest(&t->list[PROTECTED])) != e)
        put(t, down, PROBATION);
}

static struct entry *main_victim(struct tinylfu *t)
{
    struct entry *e = list_oldest(&t->list[PROBATION]);

    return e ? e : list_oldest(&t->list[PROTECTED]);
}

static struct policy_node *tinylfu_victim(struct policy *p)
{
    struct tinylfu *t = tinylfu_of(p);
    struct entry *candidate = list_oldest(&t->list[WINDOW]), *victim = main_victim(t);

    t->full = true;
    /* A newcomer is in the window already or about to come: is there room for one like the oldest? */
    if (victim && candidate && t->list[WINDOW].size + candidate->size <= window_limit(p, t))
        candidate = NULL;
    if (!candidate || !victim)
        return (struct policy_node *)(candidate ? candidate : victim);
    if (sketch_estimate(&t->sketch, candidate->handle) <=
        sketch_estimate(&t->sketch, victim->handle))
        return (struct policy_node *)candidate;
    put(t, candidate, PROBATION);
    return (struct policy_node *)victim;
}

static void tinylfu_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    struct entry *e = entry_of(it->node);

    (void)evicted;
    list_cut(&tinylfu_of(p)->list[e->list], e);
}

static void tinylfu_move(struct policy *p, const struct policy_item *old,
                         const struct policy_item *fresh)
{
    list_move(&tinylfu_of(p)->list[entry_of(old->node)->list], old, fresh);
}

static void tinylfu_replace(struct policy *p, const struct policy_item *old,
                            const struct policy_item *fresh)
{
    tinylfu_move(p, old, fresh);
    tinylfu_hit(p, fresh->node);
}

const struct policy_ops policy_tinylfu = {
    .name = "tinylfu",
    .node_bytes = sizeof(struct entry),
    .state_bytes = sizeof(struct tinylfu),
    .evicts = true,
    .params = {{"window", 0.2, 0.01, 0.8, "share of the window, at first or for good"},
               {"adapt", 1, 0, 1, "1: the window's share follows the hit ratio; 0: it stays"}},
    .init = tinylfu_init,
    .fini = tinylfu_fini,
    .insert = tinylfu_insert,
    .hit = tinylfu_hit,
    .victim = tinylfu_victim,
    .remove = tinylfu_remove,
    .replace = tinylfu_replace,
    .move = tinylfu_move,
};
