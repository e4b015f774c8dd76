/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_cache.c - the cache of the simulator: an array of objects; an object's number is its key. */
#include "bench/sim_cache.h"

#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

/* What an item of the server takes beside key and value: its header, and its part of the index. */
#define LAYOUT_HEADER 12
#define LAYOUT_INDEX 11

/* A handle is the object's number times this, and the number the handle times its inverse. */
#define SCRAMBLE UINT32_C(0x9E3779B1)

/* An instance of the policy, and the last access of the object that it named last; 0: it has none. */
struct shard {
    struct policy *p;
    uint64_t charged, oldest;
};

struct cache {
    const struct sim_setup *o;
    const struct sim_trace *t;
    struct shard *shards;
    unsigned nshards;
    char *nodes;      /* of all objects, `stride` bytes each */
    uint64_t *access; /* of all objects: number of the request, from 1 */
    bool *in;         /* is the object in the cache? */
    size_t stride;
    uint64_t used, largest;
    uint32_t inverse; /* of SCRAMBLE */
    struct sim_result *r;
};

/* The inverse of an odd number modulo 2^32, by Newton's iteration. */
static uint32_t inverse_of(uint32_t odd)
{
    uint32_t x = odd;

    for (int i = 0; i < 5; i++)
        x *= 2 - odd * x;
    return x;
}

static uint32_t charge(const struct cache *c, uint32_t object)
{
    uint32_t size = c->t->size[object];

    if (c->o->objects)
        return 1;
    if (!c->o->layout)
        return size + c->o->overhead;
    size += LAYOUT_HEADER + c->o->ops->node_bytes + c->o->overhead;
    /* Large values lie in two blocks, so that they waste little (store/item.c). */
    return LAYOUT_INDEX + (uint32_t)(size < 512 ? mem_class(size) : size + 24);
}

static struct policy_item item_of(const struct cache *c, uint32_t object)
{
    return (struct policy_item){
        .node = (struct policy_node *)(c->nodes + object * c->stride),
        .handle = object * SCRAMBLE,
        .size = charge(c, object),
    };
}

static struct policy_node *resolve(void *arg, uint32_t handle, uint8_t mask, uint8_t bits,
                                   uint32_t *size)
{
    struct cache *c = arg;
    uint32_t object = handle * c->inverse;
    char *node = c->nodes + object * c->stride;

    if (object >= c->t->objects || !c->in[object] || (*(uint8_t *)node & mask) != bits)
        return NULL;
    *size = charge(c, object);
    return (struct policy_node *)node;
}

static bool is_full(const struct cache *c, uint32_t size)
{
    uint64_t memory = 0;

    for (unsigned i = 0; c->o->layout && i < c->nshards; i++)
        memory += c->shards[i].p->memory;
    return c->used + size + memory > c->o->capacity;
}

static struct shard *shard_of(const struct cache *c, uint32_t object)
{
    return &c->shards[(object * UINT32_C(0x85EBCA6B) >> 16) % c->nshards];
}

static uint32_t object_of(const struct cache *c, const struct policy_node *n)
{
    return (uint32_t)((size_t)((const char *)n - c->nodes) / c->stride);
}

/* The shard whose victim was idle longest, or which has most, as in store/housekeep.c. */
static struct shard *choose_shard(struct cache *c)
{
    struct shard *best = NULL;

    if (c->nshards == 1)
        return c->shards;
    for (unsigned i = 0; i < c->nshards; i++)
        if (c->shards[i].oldest &&
            (!best || (c->o->ops->by_age ? c->shards[i].oldest < best->oldest
                                         : c->shards[i].charged > best->charged)))
            best = &c->shards[i];
    return best;
}

/* With one instance the capacity is exact; several share it as they come to. */
static void size_policy(struct cache *c, struct shard *s)
{
    uint64_t share = c->o->capacity / c->nshards;

    s->p->capacity = c->nshards == 1 || s->charged < share / 2 ? share : s->charged;
}

static bool evict(struct cache *c)
{
    struct shard *s = choose_shard(c);
    struct policy_node *n;
    struct policy_item it;

    if (!s)
        return false;
    size_policy(c, s);
    n = c->o->ops->victim(s->p);
    if (!n)
        return false;
    it = item_of(c, object_of(c, n));
    c->o->ops->remove(s->p, &it, true);
    c->in[object_of(c, n)] = false;
    c->used -= it.size;
    s->charged -= it.size;
    c->r->items--;
    if (c->nshards > 1) {
        n = c->o->ops->victim(s->p);
        s->oldest = n ? c->access[object_of(c, n)] : 0;
    }
    return true;
}

/* Evict until it fits; false: it does not. */
static bool make_room(struct cache *c, uint32_t size)
{
    while (is_full(c, size))
        if (!evict(c))
            return false;
    return true;
}

static void request(struct cache *c, uint32_t object)
{
    struct policy_item it = item_of(c, object);
    struct shard *s = shard_of(c, object);

    c->access[object] = ++c->r->requests;
    c->r->bytes += c->t->size[object];
    if (c->in[object]) {
        c->o->ops->hit(s->p, it.node);
        return;
    }
    c->r->misses++;
    c->r->bytes_missed += c->t->size[object];
    if (it.size > c->largest || !make_room(c, it.size))
        return;
    size_policy(c, s);
    if (c->o->ops->insert(s->p, &it) != OK)
        return;
    s->charged += it.size;
    if (!s->oldest)
        s->oldest = c->access[object];
    c->in[object] = true;
    c->used += it.size;
    c->r->items++;
    if (s->p->memory > c->r->policy_memory)
        c->r->policy_memory = s->p->memory;
}

bool sim_run(const struct sim_setup *o, const struct sim_trace *t, struct sim_result *r)
{
    struct cache c = {.o = o, .t = t, .r = r};
    struct policy_host host = {.resolve = resolve, .arg = &c};
    bool ok;

    *r = (struct sim_result){.requests = 0};
    c.largest = o->largest ? o->largest : o->capacity;
    c.inverse = inverse_of(SCRAMBLE);
    c.stride = o->ops->node_bytes ? (o->ops->node_bytes + 7u) & ~7u : 1;
    c.nodes = calloc(t->objects, c.stride);
    c.in = calloc(t->objects, sizeof(*c.in));
    c.access = calloc(t->objects, sizeof(*c.access));
    c.nshards = o->shards ? o->shards : 1;
    c.shards = calloc(c.nshards, sizeof(*c.shards));
    ok = c.nodes && c.in && c.access && c.shards;
    for (unsigned i = 0; ok && i < c.nshards; i++) {
        c.shards[i].p = policy_new(o->ops, &host, o->param);
        ok = c.shards[i].p != NULL;
        if (ok)
            size_policy(&c, &c.shards[i]);
    }
    for (size_t i = 0; ok && i < t->requests; i++)
        request(&c, t->request[i]);
    for (unsigned i = 0; c.shards && i < c.nshards; i++)
        policy_free(o->ops, c.shards[i].p);
    free(c.shards);
    free(c.access);
    free(c.nodes);
    free(c.in);
    return ok;
}
