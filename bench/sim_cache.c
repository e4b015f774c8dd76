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

struct cache {
    const struct sim_setup *o;
    const struct sim_trace *t;
    struct policy *p;
    char *nodes; /* of all objects, `stride` bytes each */
    bool *in;    /* is the object in the cache? */
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
    return c->used + size + (c->o->layout ? c->p->memory : 0) > c->o->capacity;
}

/* Evict until it fits; false: it does not. */
static bool make_room(struct cache *c, uint32_t size)
{
    while (is_full(c, size)) {
        struct policy_node *n = c->o->ops->victim(c->p);
        struct policy_item it;
        uint32_t object;

        if (!n)
            return false;
        object = (uint32_t)((size_t)((char *)n - c->nodes) / c->stride);
        it = item_of(c, object);
        c->o->ops->remove(c->p, &it, true);
        c->in[object] = false;
        c->used -= it.size;
        c->r->items--;
    }
    return true;
}

static void request(struct cache *c, uint32_t object)
{
    struct policy_item it = item_of(c, object);

    c->r->requests++;
    c->r->bytes += c->t->size[object];
    if (c->in[object]) {
        c->o->ops->hit(c->p, it.node);
        return;
    }
    c->r->misses++;
    c->r->bytes_missed += c->t->size[object];
    if (it.size > c->largest || !make_room(c, it.size) || c->o->ops->insert(c->p, &it) != OK)
        return;
    c->in[object] = true;
    c->used += it.size;
    c->r->items++;
    if (c->p->memory > c->r->policy_memory)
        c->r->policy_memory = c->p->memory;
}

bool sim_run(const struct sim_setup *o, const struct sim_trace *t, struct sim_result *r)
{
    struct cache c = {.o = o, .t = t, .r = r};
    struct policy_host host = {.resolve = resolve, .arg = &c};
    bool ok = false;

    *r = (struct sim_result){.requests = 0};
    c.largest = o->largest ? o->largest : o->capacity;
    c.inverse = inverse_of(SCRAMBLE);
    c.stride = o->ops->node_bytes ? (o->ops->node_bytes + 7u) & ~7u : 1;
    c.nodes = calloc(t->objects, c.stride);
    c.in = calloc(t->objects, sizeof(*c.in));
    c.p = policy_new(o->ops, &host, o->param);
    if (c.nodes && c.in && c.p) {
        c.p->capacity = o->capacity;
        for (size_t i = 0; i < t->requests; i++)
            request(&c, t->request[i]);
        ok = true;
    }
    policy_free(o->ops, c.p);
    free(c.nodes);
    free(c.in);
    return ok;
}
