/* SPDX-License-Identifier: BSD-3-Clause */
/* queue.c - chunks of handles, and their compaction. */
#include "policies/queue.h"

#include "lib/mem.h"

#include <string.h>

#define CHUNK_BYTES 1024
#define CHUNK_HANDLES ((CHUNK_BYTES - 2 * sizeof(void *) - 2 * sizeof(uint32_t)) / sizeof(uint32_t))
/* A pass begins when half as many entries are dead as are live, and looks at LOOKS entries for each
 * removal: so at most as many are dead as are live, roughly. */
#define LOOKS 4

struct queue_chunk {
    struct queue_chunk *older, *newer;
    uint32_t first, end; /* entries in use are [first, end) */
    uint32_t handle[CHUNK_HANDLES];
};

_Static_assert(sizeof(struct queue_chunk) == CHUNK_BYTES, "a chunk fills its block");

void queue_init(struct queue *q, unsigned number)
{
    *q = (struct queue){.number = (uint8_t)(number ? QUEUE_NUMBER : 0)};
}

static void chunk_free(struct queue *q, struct policy *p, struct queue_chunk *c)
{
    if (q->next_pass == c)
        q->next_pass = c->newer;
    if (q->hand == c) {
        q->hand = c->newer;
        q->hand_at = c->newer ? c->newer->first : 0;
    }
    if (c->older)
        c->older->newer = c->newer;
    else
        q->oldest = c->newer;
    if (c->newer)
        c->newer->older = c->older;
    else
        q->newest = c->older;
    p->memory -= CHUNK_BYTES;
    mem_free(c, CHUNK_BYTES);
}

void queue_fini(struct queue *q, struct policy *p)
{
    while (q->oldest)
        chunk_free(q, p, q->oldest);
    q->entries = q->items = 0;
}

/* A chunk with room at the newest end, or NULL. */
static struct queue_chunk *room(struct queue *q, struct policy *p)
{
    struct queue_chunk *c = q->newest;

    if (c && c->end < CHUNK_HANDLES)
        return c;
    c = mem_alloc(CHUNK_BYTES);
    if (!c)
        return NULL;
    p->memory += CHUNK_BYTES;
    c->first = c->end = 0;
    c->older = q->newest;
    c->newer = NULL;
    if (q->newest)
        q->newest->newer = c;
    else
        q->oldest = c;
    q->newest = c;
    return c;
}

static void append(struct queue *q, struct queue_chunk *c, uint32_t handle, struct policy_node *n,
                   uint8_t counter)
{
    uint8_t *byte = (uint8_t *)n;
    uint8_t mark = q->next_pass ? q->seen ^ QUEUE_MARK : q->seen;

    c->handle[c->end++] = handle;
    q->entries++;
    *byte = (uint8_t)((*byte & ~POLICY_BITS) | mark | q->number | counter);
}

enum status queue_push(struct queue *q, struct policy *p, uint32_t handle, struct policy_node *n,
                       uint8_t counter)
{
    struct queue_chunk *c = room(q, p);

    if (!c)
        return NO_MEMORY;
    append(q, c, handle, n, counter);
    q->items++;
    return OK;
}

/* Drop the oldest entry. A chunk that becomes empty is freed, unless it is the only one: what is appended
 * next finds it. */
static void drop_front(struct queue *q, struct policy *p)
{
    struct queue_chunk *c = q->oldest;

    c->first++;
    q->entries--;
    if (q->hand == c && q->hand_at < c->first)
        q->hand_at = c->first;
    if (c->first < c->end)
        return;
    if (c->newer) {
        chunk_free(q, p, c);
        return;
    }
    c->first = c->end = 0;
    q->hand = NULL;
}

/* All entries are dead: forget them. */
static void clear(struct queue *q, struct policy *p)
{
    while (q->oldest && q->oldest->newer)
        chunk_free(q, p, q->oldest);
    if (q->oldest)
        q->oldest->first = q->oldest->end = 0;
    q->hand = NULL;
    q->next_pass = NULL;
    q->entries = 0;
}

/* Has the compaction under way been at the front? Then an entry there stands for an item that has its
 * mark, and should two items share a handle, only one with the mark may go with that entry. */
static bool front_was_seen(const struct queue *q)
{
    return q->next_pass && q->next_pass != q->oldest;
}

static struct policy_node *find(const struct queue *q, const struct policy *p, uint32_t handle,
                                uint32_t *size)
{
    return p->host.resolve(p->host.arg, handle, QUEUE_NUMBER, q->number, size);
}

static struct policy_node *find_front(const struct queue *q, const struct policy *p,
                                      uint32_t handle, uint32_t *size)
{
    struct policy_node *n = NULL;

    if (UNLIKELY(front_was_seen(q)))
        n = p->host.resolve(p->host.arg, handle, QUEUE_NUMBER | QUEUE_MARK,
                            (uint8_t)(q->number | q->seen), size);
    return n ? n : find(q, p, handle, size);
}

bool queue_front(struct queue *q, struct policy *p, struct queue_item *out)
{
    while (q->items) {
        out->handle = q->oldest->handle[q->oldest->first];
        out->node = find_front(q, p, out->handle, &out->size);
        if (out->node)
            return true;
        drop_front(q, p);
    }
    return false;
}

void queue_pop(struct queue *q, struct policy *p)
{
    drop_front(q, p);
    if (--q->items == 0)
        clear(q, p);
}

void queue_recycle(struct queue *q, struct policy *p, const struct queue_item *front,
                   uint8_t counter)
{
    struct queue_chunk *c = q->oldest;

    /* First out, then in: a full chunk is reused as the new one when memory is short. */
    if (room(q, p)) {
        drop_front(q, p);
        append(q, q->newest, front->handle, front->node, counter);
        return;
    }
    /* The front chunk has room at its beginning: its entries, the popped one last. */
    memmove(&c->handle[c->first], &c->handle[c->first + 1],
            (c->end - c->first - 1) * sizeof(c->handle[0]));
    c->handle[c->end - 1] = front->handle;
    queue_set_counter(front->node, counter);
}

/* ---- compaction ---- */

/* Keep what is live of a chunk and not seen yet. */
static void squeeze(struct queue *q, struct policy *p, struct queue_chunk *c)
{
    uint8_t unseen = (uint8_t)(q->number | (q->seen ^ QUEUE_MARK));
    uint32_t kept = c->first, size;

    for (uint32_t i = c->first; i < c->end; i++) {
        struct policy_node *n =
            p->host.resolve(p->host.arg, c->handle[i], QUEUE_NUMBER | QUEUE_MARK, unseen, &size);

        if (q->hand == c && q->hand_at == i)
            q->hand_at = kept;
        if (!n)
            continue;
        *(uint8_t *)n ^= QUEUE_MARK;
        c->handle[kept++] = c->handle[i];
    }
    if (q->hand == c && q->hand_at >= c->end)
        q->hand_at = kept;
    q->entries -= c->end - kept;
    c->end = kept;
}

/* Join a chunk to the older one when both fit into it. */
static void join(struct queue *q, struct policy *p, struct queue_chunk *c)
{
    struct queue_chunk *o = c->older;
    uint32_t n = c->end - c->first;

    if (!o || o->end - o->first + n > CHUNK_HANDLES)
        return;
    if (o->end + n > CHUNK_HANDLES) {
        memmove(o->handle, &o->handle[o->first], (o->end - o->first) * sizeof(o->handle[0]));
        if (q->hand == o)
            q->hand_at -= o->first;
        o->end -= o->first;
        o->first = 0;
    }
    memcpy(&o->handle[o->end], &c->handle[c->first], n * sizeof(c->handle[0]));
    if (q->hand == c) {
        q->hand = o;
        q->hand_at = o->end + (q->hand_at - c->first);
    }
    o->end += n;
    chunk_free(q, p, c);
}

static void compact(struct queue *q, struct policy *p)
{
    struct queue_chunk *c = q->next_pass;

    if (!c) {
        if (q->entries - q->items <= q->items / 2 + CHUNK_HANDLES)
            return;
        q->credit = 0;
        q->seen ^= QUEUE_MARK;
        q->next_pass = q->oldest;
        return;
    }
    q->credit += LOOKS;
    if (q->credit < c->end - c->first)
        return;
    q->credit -= c->end - c->first;
    squeeze(q, p, c);
    q->next_pass = c->newer;
    join(q, p, c);
}

void queue_remove(struct queue *q, struct policy *p, uint32_t handle, const struct policy_node *n)
{
    if (--q->items == 0) {
        clear(q, p);
        return;
    }
    if (q->oldest->handle[q->oldest->first] == handle &&
        (!front_was_seen(q) || (*(const uint8_t *)n & QUEUE_MARK) == q->seen))
        drop_front(q, p);
    else
        compact(q, p);
}

/* ---- the hand ---- */

/* Bring the hand to an entry; there is one. */
static void settle(struct queue *q)
{
    if (!q->hand) {
        q->hand = q->oldest;
        q->hand_at = q->oldest->first;
    }
    while (q->hand_at >= q->hand->end) {
        q->hand = q->hand->newer ? q->hand->newer : q->oldest;
        q->hand_at = q->hand->first;
    }
}

bool queue_walk(struct queue *q, struct policy *p, struct queue_item *out)
{
    while (q->items) {
        settle(q);
        out->handle = q->hand->handle[q->hand_at];
        out->node = find(q, p, out->handle, &out->size);
        if (out->node)
            return true;
        q->hand_at++;
    }
    return false;
}

void queue_step(struct queue *q)
{
    /* Around at once: what is pushed after the hand passed the end is not what it comes to next. */
    if (++q->hand_at >= q->hand->end && !q->hand->newer)
        q->hand = NULL;
}

void queue_take(struct queue *q, struct policy *p)
{
    struct queue_chunk *c = q->hand;
    uint32_t at = q->hand_at;

    q->entries--;
    if (--q->items == 0) {
        clear(q, p);
        return;
    }
    /* The entry goes from its place: a dead one would come to life in the middle when its item returns. */
    memmove(&c->handle[at], &c->handle[at + 1], (c->end - at - 1) * sizeof(c->handle[0]));
    c->end--;
    if (at == c->end && !c->newer)
        q->hand = NULL;
    if (c->first == c->end && (c->older || c->newer))
        chunk_free(q, p, c);
    else if (c != q->next_pass) /* else the older one lies behind the pass, this one before it */
        join(q, p, c);
}
