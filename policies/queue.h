/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queue.h - a FIFO queue of handles, for policies whose node is one byte of the item: 4 bytes an item,
 * in chunks.
 *
 *     node byte   | host's 4 bits | M | Q | C C |    C: counter, 0 to 3, the policy's
 *                                                    Q: number of the queue that the item is in
 *                                                    M: mark of the compaction
 *
 * An item that is removed leaves its entry behind, which is then dead: when its turn comes it finds no
 * item, and is skipped. A key that is stored again while a dead entry of it is in the queue makes that
 * entry live once more: the item then has two entries, of which the first one decides, and the second
 * is dead by then (or live again after a second chance; never wrong, at worst early).
 *
 * Dead entries are bounded by compaction, a chunk at a time, paid for by removals. A pass goes from the
 * oldest chunk to the newest. Before it, all items of the queue have the mark `seen`; it begins by
 * turning `seen` round. An entry stays if it finds an item that is not marked yet, which gets the mark;
 * so one entry of each item stays. An entry that is appended during a pass lies before it, so its item
 * gets the other mark.
 *
 * Invariant: each item whose Q names this queue has an entry in it. entries >= items.
 */
#pragma once
#include "policies/policy.h"

#define QUEUE_COUNTER 3
#define QUEUE_NUMBER 4
#define QUEUE_MARK 8

struct queue_chunk;

struct queue {
    struct queue_chunk *oldest, *newest;
    struct queue_chunk
        *next_pass;           /* chunk that compaction comes to next; NULL: no pass under way */
    struct queue_chunk *hand; /* see queue_walk; NULL: it starts at the oldest */
    uint32_t hand_at;
    uint32_t entries, items;
    uint32_t credit; /* entries that compaction may look at, earned by removals */
    uint8_t number;  /* 0 or 1 */
    uint8_t seen;    /* 0 or QUEUE_MARK */
};

/* What stands at the front. */
struct queue_item {
    struct policy_node *node;
    uint32_t handle, size;
};

static inline uint8_t queue_counter(const struct policy_node *n)
{
    return *(const uint8_t *)n & QUEUE_COUNTER;
}

static inline void queue_set_counter(struct policy_node *n, uint8_t counter)
{
    uint8_t *byte = (uint8_t *)n;

    *byte = (uint8_t)((*byte & ~QUEUE_COUNTER) | counter);
}

static inline unsigned queue_number(const struct policy_node *n)
{
    return (*(const uint8_t *)n & QUEUE_NUMBER) != 0;
}

/* Another byte for the same place in the queue. */
static inline void queue_move(const struct policy_node *old, struct policy_node *fresh)
{
    uint8_t *byte = (uint8_t *)fresh;

    *byte = (uint8_t)((*byte & ~POLICY_BITS) | (*(const uint8_t *)old & POLICY_BITS));
}

void queue_init(struct queue *q, unsigned number);
void queue_fini(struct queue *q, struct policy *p);

/* Append an item and set its node byte. NO_MEMORY: nothing changed. */
enum status queue_push(struct queue *q, struct policy *p, uint32_t handle, struct policy_node *n,
                       uint8_t counter) MUST_USE;

/* The oldest item; dead entries before it are dropped. False: the queue is empty. */
bool queue_front(struct queue *q, struct policy *p, struct queue_item *out);

/* Drop the entry of the item that queue_front gave; the item is in no queue then. */
void queue_pop(struct queue *q, struct policy *p);

/* Pop the front and push it again, with another counter. It needs no memory that pop did not free. */
void queue_recycle(struct queue *q, struct policy *p, const struct queue_item *front,
                   uint8_t counter);

/* An item of the queue is removed, in front or not. */
void queue_remove(struct queue *q, struct policy *p, uint32_t handle, const struct policy_node *n);

/* The item under the hand, which walks from the oldest to the newest and around; false: the queue is
 * empty. queue_step moves the hand on; queue_take removes the item that queue_walk gave last. */
bool queue_walk(struct queue *q, struct policy *p, struct queue_item *out);
void queue_step(struct queue *q);
void queue_take(struct queue *q, struct policy *p);
