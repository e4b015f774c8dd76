/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resp_util.h - what the RESP command handlers share: keys and arguments of a request, expiry times, and
 * values as replies.
 *
 * A reply may send what the output holds, which is a system call; under a shard lock only room that
 * was had before may be written to:
 *
 *     resp_value_room(w);
 *     s = store_lock(...);
 *     it = shard_find(...);
 *     large = resp_value_locked(w, it);     small values are written now, large ones only referenced
 *     store_unlock(s);
 *     if (large)
 *         resp_value_large(w, large);
 *
 * Threads: the worker's own.
 */
#pragma once
#include "lib/compiler.h"
#include "proto/request.h"
#include "proto/resp.h"
#include "server/conn.h"
#include "server/worker.h"
#include "store/store.h"

/* The Redis whose behaviour the RESP side has: what HELLO and INFO tell clients that ask. */
#define RESP_REDIS_VERSION "7.4.0"

/* Bytes that the reply of a value that is copied takes at most, and those of them around the value. */
#define RESP_VALUE_FRAME (NUM_MAX_DIGITS + 5)
#define RESP_VALUE_ROOM (ITEM_REF_MIN + RESP_VALUE_FRAME)

/* ---- arguments ---- */

/* The request's own key, hashed by the worker. */
static inline struct key resp_key(const struct conn *c, const struct request *r)
{
    return (struct key){.p = r->key.p, .len = (uint32_t)r->key.len, .db = c->db, .hash = r->hash};
}

/* Is the argument this word, in either case? */
#define resp_is(arg, word) slice_equal_nocase((arg), SLICE_LIT(word))

/* The argument as an integer; false: it is none, and the error is answered. */
bool resp_int_arg(struct worker *w, struct slice arg, int64_t *out) MUST_USE;

/* Answer that a command's arguments are too few or too many, though the row allows them. */
void resp_arity_error(struct worker *w, const struct request *r);

/* Keys of a command that has several. */
#define RESP_KEYS_FEW 16
struct resp_keys {
    size_t n;
    struct key *keys;
    struct key few[RESP_KEYS_FEW];
};

/* Every step-th argument from argv on, n of them, hashed and prefetched. NO_MEMORY is answered. */
enum status resp_keys_init(struct resp_keys *ks, struct worker *w, const struct conn *c,
                           const struct slice *argv, size_t n, size_t step) MUST_USE;
void resp_keys_fini(struct resp_keys *ks);

/* ---- expiry ---- */

enum resp_expiry_unit {
    RESP_EX,   /* seconds from now */
    RESP_PX,   /* milliseconds from now */
    RESP_EXAT, /* seconds since 1970 */
    RESP_PXAT, /* milliseconds since 1970 */
};

/* When something ends. */
struct resp_expiry {
    int64_t ms; /* cache time; 0: never */
    bool past;  /* at once */
};

/* An expiry argument as SET and its relatives want it: more than zero. ERR_NONE, or what is wrong, which
 * is to be answered about the command. */
enum error_id resp_expiry_arg(const struct worker *w, struct slice arg, enum resp_expiry_unit unit,
                              struct resp_expiry *out) MUST_USE;

/* Cache time of a wall-clock time. */
struct resp_expiry resp_expiry_at(const struct worker *w, int64_t wall_ms);

/* ---- values ---- */

static inline void resp_value_room(struct worker *w)
{
    (void)out_room(&w->out, RESP_VALUE_ROOM);
}

/* Write a value that is copied, as a bulk string, into room that is there. */
static inline void resp_value_small(struct worker *w, const struct item *it)
{
    char *p = w->out.p;

    *p++ = '$';
    p += num_format_u64(p, it->vlen);
    memcpy(p, "\r\n", 2);
    p += 2;
    if (LIKELY(!(it->fields & ITEM_TAIL)))
        memcpy(p, item_key(it) + item_klen(it), it->vlen);
    else
        item_read(it, store_node_bytes(w->store), 0, it->vlen, p);
    p += it->vlen;
    memcpy(p, "\r\n", 2);
    out_commit(&w->out, p + 2);
}

/* Under the shard's lock, behind resp_value_room(): the value's reply is written, or the result is a
 * reference for resp_value_large(). */
static inline struct item *resp_value_locked(struct worker *w, struct item *it)
{
    if (UNLIKELY(it->fields & ITEM_REFS))
        return shard_share(it);
    resp_value_small(w, it);
    return NULL;
}

/* Reply with a shared value, or n bytes of it; without a lock. Takes the reference. */
void resp_value_large(struct worker *w, struct item *it);
void resp_range_large(struct worker *w, struct item *it, size_t off, size_t n);

/* ---- counting ---- */

static inline void resp_count_read(struct worker *w, bool hit)
{
    if (hit)
        COUNT(w->counters.get_hits);
    else
        COUNT(w->counters.get_misses);
}
