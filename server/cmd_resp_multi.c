/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_resp_multi.c - values of several keys at once: MGET, MSET, MSETNX. Each sees or changes all its keys
 * at one moment: their shards are locked together.
 */
#include "server/resp_util.h"

#include "lib/mem.h"
#include "server/config.h"

/* ---- MGET ---- */

/* What MGET found of a key: bytes in the copy, or a reference. */
struct found {
    struct item *large;
    uint32_t len;
    bool hit;
};

static struct item *find_string(struct worker *w, const struct key *k)
{
    struct shard *s = store_shard(w->store, k->hash);
    struct item *it = shard_find(s, k, w->now_ms);

    if (!it || it->type != ITEM_STRING)
        return NULL;
    shard_hit(s, it, w->now_ms);
    return it;
}

/* Write the whole reply into the room that the output has. False: it does not fit, or has large values
 * in it; nothing is written. */
static bool mget_short(struct worker *w, const struct conn *c, const struct resp_keys *ks)
{
    struct out *o = &w->out;
    struct shard_set set;
    uint64_t hits = 0;
    bool fits = true;
    char *mark;

    resp_value_room(w);
    mark = o->p;
    resp_array(o, ks->n);
    store_lock_keys(w->store, ks->keys, ks->n, &set);
    for (size_t i = 0; i < ks->n && fits; i++) {
        struct item *it = find_string(w, &ks->keys[i]);
        size_t len = it ? it->vlen : 0;

        fits = len < ITEM_REF_MIN && (size_t)(o->end - o->p) >= len + RESP_VALUE_FRAME;
        if (!fits)
            break;
        if (it)
            resp_value_small(w, it);
        else
            resp_null(o, c->resp_version);
        hits += it != NULL;
    }
    store_unlock_keys(&set);
    if (!fits) {
        out_commit(o, mark);
        return false;
    }
    COUNT_ADD(w->counters.get_hits, hits);
    COUNT_ADD(w->counters.get_misses, ks->n - hits);
    return true;
}

/* Under the locks: what each key has, and how many bytes are to be copied. */
static size_t mget_look(struct worker *w, const struct resp_keys *ks, struct found *found)
{
    size_t bytes = 0;

    for (size_t i = 0; i < ks->n; i++) {
        const struct item *it = find_string(w, &ks->keys[i]);

        found[i] = (struct found){.hit = it != NULL, .len = it ? it->vlen : 0};
        if (it && !(it->fields & ITEM_REFS))
            bytes += it->vlen;
    }
    return bytes;
}

/* Under the same locks: copy the small values, one behind the other, and reference the large ones. */
static void mget_take(struct worker *w, const struct resp_keys *ks, struct found *found, char *copy)
{
    for (size_t i = 0; i < ks->n; i++) {
        struct item *it;

        if (!found[i].hit)
            continue;
        it = find_string(w, &ks->keys[i]);
        found[i].large = shard_share(it);
        if (!found[i].large) {
            item_read(it, store_node_bytes(w->store), 0, it->vlen, copy);
            copy += it->vlen;
        }
    }
}

static void mget_reply(struct worker *w, const struct conn *c, const struct resp_keys *ks,
                       const struct found *found, const char *copy)
{
    resp_array(&w->out, ks->n);
    for (size_t i = 0; i < ks->n; i++) {
        resp_count_read(w, found[i].hit);
        if (!found[i].hit) {
            resp_null(&w->out, c->resp_version);
        } else if (found[i].large) {
            resp_value_large(w, found[i].large);
        } else {
            resp_bulk(&w->out, slice_of(copy, found[i].len));
            copy += found[i].len;
        }
    }
}

/* Any reply: small values are copied aside under the locks, into room that was found to be enough. More
 * than may wait to be sent is not copied at all: the connection would be closed for it. */
static void mget_long(struct worker *w, const struct conn *c, const struct resp_keys *ks)
{
    struct found *found = mem_alloc(ks->n * sizeof(*found));
    size_t room = 0, bytes, limit = (size_t)RELAXED_LOAD(&w->config->client_output_limit);
    char *copy = NULL;
    struct shard_set set;

    while (found) {
        store_lock_keys(w->store, ks->keys, ks->n, &set);
        bytes = mget_look(w, ks, found);
        if (bytes <= room) {
            mget_take(w, ks, found, copy);
            store_unlock_keys(&set);
            mget_reply(w, c, ks, found, copy ? copy : "");
            break;
        }
        store_unlock_keys(&set);
        mem_free(copy, room);
        room = bytes + bytes / 8; /* values may grow until the next look */
        copy = bytes <= limit ? mem_alloc(room) : NULL;
        if (!copy) {
            mem_free(found, ks->n * sizeof(*found));
            found = NULL;
        }
    }
    if (!found)
        resp_error(&w->out, ERR_NO_MEMORY);
    mem_free(copy, room);
    mem_free(found, ks->n * sizeof(*found));
}

void cmd_resp_mget(struct worker *w, struct conn *c, struct request *r)
{
    struct resp_keys ks;

    if (resp_keys_init(&ks, w, c, r->argv + 1, r->argc - 1, 1) != OK)
        return;
    if (!mget_short(w, c, &ks))
        mget_long(w, c, &ks);
    resp_keys_fini(&ks);
}

/* ---- MSET, MSETNX ---- */

static void drop_items(struct worker *w, struct item **items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        store_item_drop(w->store, items[i]);
}

/* The items of all pairs. False: no memory, and none is left. */
static bool build_items(struct worker *w, const struct resp_keys *ks, const struct request *r,
                        struct item **items)
{
    const struct item_attr none = {0};

    for (size_t i = 0; i < ks->n; i++) {
        struct slice value = r->argv[2 + 2 * i];

        items[i] = store_item(w->store, &ks->keys[i], &none, (uint32_t)value.len);
        if (!items[i]) {
            drop_items(w, items, i);
            return false;
        }
        store_item_write(w->store, items[i], 0, value.p, value.len);
    }
    return true;
}

static bool any_exists(struct worker *w, const struct resp_keys *ks)
{
    for (size_t i = 0; i < ks->n; i++)
        if (shard_find(store_shard(w->store, ks->keys[i].hash), &ks->keys[i], w->now_ms))
            return true;
    return false;
}

/* Store all pairs, or, with nx, none if one of the keys exists: EXISTS. NO_MEMORY may leave the last
 * ones out. Takes the items in every case. */
static enum status put_items(struct worker *w, const struct resp_keys *ks, struct item **items,
                             bool nx)
{
    struct shard_set set;
    enum status st = OK;
    bool refused;

    store_lock_keys(w->store, ks->keys, ks->n, &set);
    refused = nx && any_exists(w, ks);
    for (size_t i = 0; i < ks->n && !refused; i++) {
        struct shard *s = store_shard(w->store, ks->keys[i].hash);
        struct item *old = shard_find(s, &ks->keys[i], w->now_ms);

        if (shard_put(s, &ks->keys[i], old, items[i], w->now_ms) != OK)
            st = NO_MEMORY;
    }
    store_unlock_keys(&set);
    if (refused) {
        drop_items(w, items, ks->n);
        return EXISTS;
    }
    return st;
}

static void set_many(struct worker *w, struct conn *c, struct request *r, bool nx)
{
    struct item *few[RESP_KEYS_FEW], **items;
    struct resp_keys ks;
    enum status st = NO_MEMORY;

    if (r->argc % 2 == 0) {
        resp_arity_error(w, r);
        return;
    }
    if (resp_keys_init(&ks, w, c, r->argv + 1, r->argc / 2, 2) != OK)
        return;
    items = ks.n <= RESP_KEYS_FEW ? few : mem_alloc(ks.n * sizeof(*items));
    if (items && build_items(w, &ks, r, items))
        st = put_items(w, &ks, items, nx);
    if (items != few)
        mem_free(items, ks.n * sizeof(*items));
    resp_keys_fini(&ks);
    if (st == NO_MEMORY)
        resp_error(&w->out, ERR_NO_MEMORY);
    else if (nx)
        resp_int(&w->out, st == OK);
    else
        resp_ok(&w->out);
}

void cmd_resp_mset(struct worker *w, struct conn *c, struct request *r)
{
    set_many(w, c, r, false);
}

void cmd_resp_msetnx(struct worker *w, struct conn *c, struct request *r)
{
    set_many(w, c, r, true);
}
