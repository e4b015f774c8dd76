/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_mc_get.c - memcached's retrieval commands: get, gets, gat, gats, touch. `get` of one key is the hot
 * path of the whole server.
 */
#include "server/cmd_mc.h"

#include "lib/clock.h"
#include "server/conn.h"

#include <string.h>

/* Keys of a long get whose buckets and items are fetched ahead. */
#define AHEAD 16

#define RELATIVE_MAX_S (60 * 60 * 24 * 30)

/* ---- shared ---- */

void mc_error(struct worker *w, struct request *r, enum error_id error)
{
    r->error = (uint8_t)error;
    mc_reply_error(&w->out, r);
}

int64_t mc_expiry_ms(const struct worker *w, int32_t exptime)
{
    int64_t ms;

    if (exptime == 0)
        return 0;
    if (exptime < 0)
        return 1;
    if (exptime <= RELATIVE_MAX_S)
        return w->now_ms + (int64_t)exptime * 1000;
    ms = clock_from_wall_ms((int64_t)exptime * 1000);
    return ms > 0 ? ms : 1;
}

char *mc_value_take(const struct worker *w, struct item *it, char *p, struct mc_value *v)
{
    v->parts = store_value(w->store, it, v->part);
    v->shared = it->vlen >= ITEM_REF_MIN ? shard_share(it) : NULL;
    if (UNLIKELY(v->shared != NULL)) {
        /* One reference for each piece that is sent. */
        for (unsigned i = 1; i < v->parts; i++)
            shard_share(it);
        return p;
    }
    for (unsigned i = 0; i < v->parts; i++) {
        memcpy(p, v->part[i].p, v->part[i].len);
        p += v->part[i].len;
    }
    memcpy(p, "\r\n", 2);
    return p + 2;
}

void mc_value_send(struct worker *w, char *p, struct mc_value *v)
{
    out_commit(&w->out, p);
    if (LIKELY(!v->shared))
        return;
    for (unsigned i = 0; i < v->parts; i++)
        out_ref(&w->out, v->part[i].p, v->part[i].len, v->shared);
    OUT_LIT(&w->out, "\r\n");
}

/* ---- get ---- */

struct retrieval {
    bool cas;   /* gets, gats */
    bool touch; /* gat, gats */
    int64_t expiry_ms;
};

static ALWAYS_INLINE void count_retrieval(struct worker *w, const struct retrieval *how,
                                          const struct shard *s, bool hit)
{
    if (!hit && shard_found_expired(s))
        COUNT(w->counters.get_expired);
    if (how->touch) {
        COUNT(w->counters.cmd_touch);
        if (hit)
            COUNT(w->counters.touch_hits);
        else
            COUNT(w->counters.touch_misses);
        return;
    }
    if (hit)
        COUNT(w->counters.get_hits);
    else
        COUNT(w->counters.get_misses);
}

/* VALUE <key> <flags> <bytes>[ <unique>] */
static ALWAYS_INLINE char *write_head(char *p, const struct key *k, const struct item *it,
                                      const uint64_t *unique)
{
    uint32_t flags = item_flags(it);

    memcpy(p, "VALUE ", 6);
    memcpy(p + 6, k->p, k->len);
    p += 6 + k->len;
    *p++ = ' ';
    if (LIKELY(flags == 0))
        *p++ = '0';
    else
        p += num_format_u64(p, flags);
    *p++ = ' ';
    p += num_format_u64(p, it->vlen);
    if (unique) {
        *p++ = ' ';
        p += num_format_u64(p, *unique);
    }
    memcpy(p, "\r\n", 2);
    return p + 2;
}

/* The item with what the command wants of it, or NULL: it is not there, or no memory to change it. */
static ALWAYS_INLINE struct item *find(struct worker *w, struct shard *s, const struct key *k,
                                       const struct retrieval *how, uint64_t *unique)
{
    struct item *it = shard_find(s, k, w->now_ms);

    if (!it)
        return NULL;
    shard_hit(s, it, w->now_ms);
    if (how->touch)
        it = shard_set_expiry(s, k, it, how->expiry_ms);
    if (it && how->cas) {
        *unique = shard_cas(s, k, &it);
        if (*unique == 0)
            return NULL;
    }
    return it;
}

static ALWAYS_INLINE void reply_value(struct worker *w, const struct key *k,
                                      const struct retrieval *how)
{
    char *p = out_room(&w->out, MC_REPLY_ROOM);
    struct shard *s = store_lock(w->store, k->hash);
    uint64_t unique = 0;
    struct item *it = find(w, s, k, how, &unique);
    struct mc_value v;

    count_retrieval(w, how, s, it != NULL);
    if (!it) {
        store_unlock(s);
        return;
    }
    p = write_head(p, k, it, how->cas ? &unique : NULL);
    p = mc_value_take(w, it, p, &v);
    store_unlock(s);
    mc_value_send(w, p, &v);
}

/* Hash the next few keys and bring their items near. */
static unsigned look_ahead(struct worker *w, const struct slice *words, uint32_t n,
                           struct key keys[AHEAD])
{
    unsigned take = n < AHEAD ? n : AHEAD;

    for (unsigned i = 0; i < take; i++) {
        keys[i] = (struct key){.p = words[i].p, .len = (uint32_t)words[i].len};
        keys[i].hash = store_hash(w->store, words[i].p, words[i].len);
    }
    store_prefetch_keys(w->store, keys, take);
    return take;
}

static void reply_values(struct worker *w, const struct slice *words, uint32_t n,
                         const struct retrieval *how)
{
    struct key keys[AHEAD];

    while (n > 0) {
        unsigned take = look_ahead(w, words, n, keys);

        for (unsigned i = 0; i < take; i++)
            reply_value(w, &keys[i], how);
        words += take;
        n -= take;
    }
}

void cmd_mc_get(struct worker *w, struct conn *c, struct request *r)
{
    static const struct retrieval how = {.cas = false};

    (void)c;
    if (LIKELY(r->argc == 2)) {
        struct key k = mc_key(r);

        reply_value(w, &k, &(struct retrieval){.cas = false});
    } else {
        reply_values(w, r->argv + 1, r->argc - 1, &how);
    }
    OUT_LIT(&w->out, "END\r\n");
}

void cmd_mc_gets(struct worker *w, struct conn *c, struct request *r)
{
    static const struct retrieval how = {.cas = true};

    (void)c;
    reply_values(w, r->argv + 1, r->argc - 1, &how);
    OUT_LIT(&w->out, "END\r\n");
}

static void get_and_touch(struct worker *w, struct request *r, bool cas)
{
    struct retrieval how = {.cas = cas, .touch = true};
    int32_t exptime = 0;

    if (!mc_i32(r->argv[1], &exptime)) {
        mc_error(w, r, ERR_BAD_EXPTIME);
        return;
    }
    how.expiry_ms = mc_expiry_ms(w, exptime);
    reply_values(w, r->argv + 2, r->argc - 2, &how);
    OUT_LIT(&w->out, "END\r\n");
}

void cmd_mc_gat(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    get_and_touch(w, r, false);
}

void cmd_mc_gats(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    get_and_touch(w, r, true);
}

void cmd_mc_touch(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = mc_key(r);
    struct item *it, *touched = NULL;
    struct shard *s;
    int32_t exptime;

    (void)c;
    if (!mc_i32(r->argv[2], &exptime)) {
        mc_error(w, r, ERR_BAD_EXPTIME);
        return;
    }
    COUNT(w->counters.cmd_touch);
    s = store_lock(w->store, k.hash);
    it = shard_find(s, &k, w->now_ms);
    if (it) {
        shard_hit(s, it, w->now_ms);
        touched = shard_set_expiry(s, &k, it, mc_expiry_ms(w, exptime));
    }
    store_unlock(s);
    if (!it) {
        COUNT(w->counters.touch_misses);
        MC_REPLY(w, r, "NOT_FOUND");
    } else if (!touched) {
        mc_error(w, r, ERR_NO_MEMORY_DELTA);
    } else {
        COUNT(w->counters.touch_hits);
        MC_REPLY(w, r, "TOUCHED");
    }
}
