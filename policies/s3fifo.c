/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * s3fifo.c - three FIFO queues. Newcomers go into `small`; what was hit there often enough moves on into
 * `main`, the rest leaves and is remembered as a ghost; who comes back as a ghost goes straight to main.
 * In main, items go round as long as they are hit. Two queues of handles: 4 bytes an item, and 6 for
 * each ghost once evictions have begun; a hit counts to 3 in the item's header.
 * Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023.
 */
#include "policies/ghost.h"
#include "policies/queue.h"

#define MOST 3

enum { SMALL, MAIN };

struct s3fifo {
    struct policy base;
    struct queue queue[2];
    uint64_t size[2]; /* of the items in them */
    struct ghost ghost;
    double small_share, ghost_share;
    uint8_t threshold;
};

static struct s3fifo *s3fifo_of(struct policy *p)
{
    return (struct s3fifo *)p;
}

static void s3fifo_init(struct policy *p, const double *param)
{
    struct s3fifo *s = s3fifo_of(p);

    queue_init(&s->queue[SMALL], SMALL);
    queue_init(&s->queue[MAIN], MAIN);
    ghost_init(&s->ghost);
    s->small_share = param[0];
    s->threshold = (uint8_t)param[1];
    s->ghost_share = param[2];
}

static void s3fifo_fini(struct policy *p)
{
    struct s3fifo *s = s3fifo_of(p);

    queue_fini(&s->queue[SMALL], p);
    queue_fini(&s->queue[MAIN], p);
    ghost_fini(&s->ghost, p);
}

static enum status s3fifo_insert(struct policy *p, const struct policy_item *it)
{
    struct s3fifo *s = s3fifo_of(p);
    unsigned where = ghost_take(&s->ghost, it->handle, it->size) ? MAIN : SMALL;

    if (queue_push(&s->queue[where], p, it->handle, it->node, 0) != OK)
        return NO_MEMORY;
    s->size[where] += it->size;
    return OK;
}

static void s3fifo_hit(struct policy *p, struct policy_node *n)
{
    uint8_t counter = queue_counter(n);

    (void)p;
    if (counter < MOST)
        queue_set_counter(n, counter + 1);
}

/* From small to main. NO_MEMORY: it could not; then it leaves instead. */
static enum status promote(struct policy *p, const struct queue_item *it)
{
    struct s3fifo *s = s3fifo_of(p);
    struct policy_node *n = it->node;

    queue_pop(&s->queue[SMALL], p);
    s->size[SMALL] -= it->size;
    if (queue_push(&s->queue[MAIN], p, it->handle, n, 0) == OK) {
        s->size[MAIN] += it->size;
        return OK;
    }
    s->size[SMALL] += it->size;
    return queue_push(&s->queue[SMALL], p, it->handle, n, 0);
}

static struct policy_node *s3fifo_victim(struct policy *p)
{
    struct s3fifo *s = s3fifo_of(p);
    struct queue_item front;

    for (;;) {
        bool over = s->size[MAIN] > p->capacity - policy_share(p, s->small_share);

        if (over || s->queue[SMALL].items == 0) {
            if (!queue_front(&s->queue[MAIN], p, &front))
                return NULL;
            if (queue_counter(front.node) == 0)
                return front.node;
            queue_recycle(&s->queue[MAIN], p, &front, queue_counter(front.node) - 1);
        } else {
            if (!queue_front(&s->queue[SMALL], p, &front))
                return NULL;
            if (queue_counter(front.node) < s->threshold)
                return front.node;
            if (promote(p, &front) != OK)
                return NULL;
        }
    }
}

static void s3fifo_remove(struct policy *p, const struct policy_item *it, bool evicted)
{
    struct s3fifo *s = s3fifo_of(p);
    unsigned where = queue_number(it->node);

    if (evicted && where == SMALL) {
        ghost_limit(
            &s->ghost, p, policy_share(p, s->ghost_share),
            (uint64_t)(s->ghost_share * (s->queue[SMALL].items + (double)s->queue[MAIN].items)));
        ghost_insert(&s->ghost, it->handle, it->size);
    }
    queue_remove(&s->queue[where], p, it->handle, it->node);
    s->size[where] -= it->size;
}

static void s3fifo_move(struct policy *p, const struct policy_item *old,
                        const struct policy_item *fresh)
{
    queue_move(old->node, fresh->node);
    s3fifo_of(p)->size[queue_number(fresh->node)] += (uint64_t)fresh->size - old->size;
}

static void s3fifo_replace(struct policy *p, const struct policy_item *old,
                           const struct policy_item *fresh)
{
    s3fifo_move(p, old, fresh);
    s3fifo_hit(p, fresh->node);
}

const struct policy_ops policy_s3fifo = {
    .name = "s3fifo",
    .state_bytes = sizeof(struct s3fifo),
    .evicts = true,
    .params = {{"small", 0.15, 0.01, 0.9, "share of the newcomers' queue"},
               {"threshold", 2, 1, 3, "hits there that lead on into the main queue"},
               {"ghost", 1, 0, 4, "size of what is remembered of the evicted, as a share"}},
    .init = s3fifo_init,
    .fini = s3fifo_fini,
    .insert = s3fifo_insert,
    .hit = s3fifo_hit,
    .victim = s3fifo_victim,
    .remove = s3fifo_remove,
    .replace = s3fifo_replace,
    .move = s3fifo_move,
};
