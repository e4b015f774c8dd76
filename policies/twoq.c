/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * twoq.c - 2Q: newcomers go through a FIFO (A1in) and are remembered when they leave it (A1out, a ghost); who
 * comes back while remembered enters the LRU list of proven items (Am). Hits in A1in do not count: they
 * are often one burst. 24 bytes an item, 6 each ghost; a hit in Am moves links.
 * Source: Johnson, Shasha, "2Q: a low overhead high performance buffer management replacement algorithm",
 * VLDB 1994.
 */
#include "policies/ghost.h"
#include "policies/list.h"

enum { IN, PROVEN };

struct twoq {
    struct policy base;
    struct list list[2];
    struct ghost out;
    double in_share, out_share;
};

static struct twoq *twoq_of(struct policy *p)
{
    return (struct twoq *)p;
}

static struct entry *entry_of(struct policy_node *n)
{
    return (struct entry *)n;
}

static void twoq_init(struct policy *p, const double *param)
{
    struct twoq *q = twoq_of(p);

    list_init(&q->list[IN]);
    list_init(&q->list[PROVEN]);
    ghost_init(&q->out);
    q->in_share = param[0];
    q->out_share = param[1];
}

static void twoq_fini(struct policy *p)
{
    ghost_fini(&twoq_of(p)->out, p);
}

static enum status twoq_insert(struct policy *p, const struct policy_item *it)
{
    struct twoq *q = twoq_of(p);
    struct entry *e = entry_of(it->node);

    e->size = it->size;
    e->list = ghost_take(&q->out, it->handle, it->size) ? PROVEN : IN;
    list_push(&q->list[e->list], e);
    return OK;
}

static void twoq_hit(struct policy *p, struct policy_node *n)
{
    struct entry *e = entry_of(n);

    if (e->list == PROVEN)
        list_to_front(&twoq_of(p)->list[PROVEN], e);
}

static struct policy_node *twoq_victim(struct policy *p)
{
    struct twoq *q = twoq_of(p);
    bool in = q->list[IN].size > policy_share(p, q->in_share) || q->list[PROVEN].items == 0;

    return (struct policy_node *)list_oldest(&q->list[in ? IN : PROVEN]);
}

static void twoq_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    struct twoq *q = twoq_of(p);
    struct entry *e = entry_of(it->node);

    if (evicted && e->list == IN) {
        uint64_t items = q->list[IN].items + q->list[PROVEN].items;

        ghost_limit(&q->out, p, policy_share(p, q->out_share),
                    (uint64_t)(q->out_share * (double)items));
        ghost_insert(&q->out, it->handle, it->size);
    }
    list_cut(&q->list[e->list], e);
}

static void twoq_move(struct policy *p, const struct policy_item *old,
                      const struct policy_item *fresh)
{
    list_move(&twoq_of(p)->list[entry_of(old->node)->list], old, fresh);
}

static void twoq_replace(struct policy *p, const struct policy_item *old,
                         const struct policy_item *fresh)
{
    twoq_move(p, old, fresh);
    twoq_hit(p, fresh->node);
}

const struct policy_ops policy_twoq = {
    .name = "2q",
    .node_bytes = sizeof(struct entry),
    .state_bytes = sizeof(struct twoq),
    .evicts = true,
    .params = {{"in", 0.25, 0.01, 0.9, "share of the newcomers' FIFO"},
               {"out", 0.5, 0, 4, "size of what is remembered of those that left it, as a share"}},
    .init = twoq_init,
    .fini = twoq_fini,
    .insert = twoq_insert,
    .hit = twoq_hit,
    .victim = twoq_victim,
    .remove = twoq_remove,
    .replace = twoq_replace,
    .move = twoq_move,
};
