/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_mc.h - what memcached's command handlers share (server/cmd_mc_*.c): replies, times, and the two
 * changes that classic and meta commands both make, storing and counting. memcached's commands live in
 * database 0. Threads: the worker's own; no lock is held on entry or return, save where `s` is passed.
 */
#pragma once
#include "proto/mc_text.h"
#include "server/worker.h"

#include <stdbool.h>
#include <stdint.h>

/* Room for any reply of one key: the longest line, and a value that is copied. Taken before the shard
 * lock, since running out of room sends. */
#define MC_REPLY_ROOM (ITEM_REF_MIN + 1024)

static inline struct key mc_key(const struct request *r)
{
    return (struct key){.p = r->key.p, .len = (uint32_t)r->key.len, .hash = r->hash};
}

/* A line for the client, unless it said noreply. The text has its CRLF. */
#define MC_REPLY(w, r, text)                                                                       \
    do {                                                                                           \
        if (LIKELY(!(r)->noreply))                                                                 \
            OUT_LIT(&(w)->out, text "\r\n");                                                       \
    } while (0)

/* The same with an error's line. */
void mc_error(struct worker *w, struct request *r, enum error_id error);

/* A client's exptime (0: never; negative: at once; up to 30 days: seconds from now; above: Unix time) as
 * cache time in ms; 0: never. */
int64_t mc_expiry_ms(const struct worker *w, int32_t exptime);

/* The policy sees a use, but nobody read the item. */
static inline void mc_bump(struct shard *s, struct item *it, int64_t now_ms)
{
    uint8_t fetched = it->marks & ITEM_FETCHED;

    shard_hit(s, it, now_ms);
    it->marks = (uint8_t)((it->marks & ~ITEM_FETCHED) | fetched);
}

/* A value on its way into a reply: copied at p while the lock is held when it is small, else shared and
 * appended by reference afterwards. */
struct mc_value {
    struct item *shared; /* NULL: it was copied */
    unsigned parts;
    struct slice part[2];
};

/* Under the lock: put the value (and CRLF) at p if it is small; returns the new p. */
char *mc_value_take(const struct worker *w, struct item *it, char *p, struct mc_value *v);
/* Behind the lock: commit p, and append the value (and CRLF) if it is large. */
void mc_value_send(struct worker *w, char *p, struct mc_value *v);

/* ---- storing ---- */

enum mc_mode { MC_SET, MC_ADD, MC_REPLACE, MC_APPEND, MC_PREPEND, MC_CAS };

enum mc_result {
    MC_STORED,
    MC_NOT_STORED,
    MC_EXISTS,
    MC_NOT_FOUND,
    MC_NO_MEMORY, /* to build the item: a key that was to be set is gone, as in memcached */
    MC_NON_NUMERIC,
};

/* Zero: the default. */
struct mc_store {
    struct key key;
    struct slice data;
    enum mc_mode mode;
    uint32_t flags;
    int64_t expiry_ms;
    uint64_t
        cas; /* CAS, APPEND, PREPEND: only if the item's unique is this one; 0: of APPEND any */
    uint64_t new_cas; /* the unique to give it; 0: drawn when somebody asks */
    uint8_t marks;    /* of a new item */
    bool stale;       /* CAS with an older unique: store, but stale */
    bool vivify;      /* APPEND, PREPEND: set where there is nothing */
    bool want_cas;    /* fill cas_out */
    /* out */
    uint64_t cas_out;  /* 0 when not stored */
    uint32_t vlen_out; /* of the stored value */
};

enum mc_result mc_store(struct worker *w, struct mc_store *op);

/* Count and answer a storage request whose block the parser could not take; `drop`: the old value goes.
 * True when it was one. */
bool mc_block_refused(struct worker *w, struct request *r, bool drop);
/* The key's value is not what the client meant to have: remove it. */
void mc_drop(struct worker *w, const struct key *k);

/* ---- counting ---- */

struct mc_count {
    struct key key;
    uint64_t delta;
    bool decrement;
    uint64_t cas;     /* only if the item's unique is this one; 0: any */
    uint64_t new_cas; /* as in mc_store */
    /* out, on MC_STORED */
    uint64_t value;
};

/* Find the item and count. On MC_STORED the lock is held, and *s and *it (live) are set: the caller
 * unlocks. Otherwise no lock is held. */
enum mc_result mc_count(struct worker *w, struct mc_count *op, struct shard **s, struct item **it);
