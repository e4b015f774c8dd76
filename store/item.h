/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * item.h - one cached item: a key, a typed value, and what protocols attach to them. One allocation
 * (two for larger values that a size class would waste too much on):
 *
 *     | policy node | header 12 | refs 4 | expiry 8 | cas 8 | flags 4 | klen 4 | tail 8 | key | value |
 *                   ^ struct item *      `---- each only when its ITEM_ bit is in `fields` ---'
 *
 *     block 2, with ITEM_TAIL only:  | rest of the value |
 *
 * The policy node has the length that the store's policy asks for. Optional fields behind `refs` are
 * not aligned: read and write them by the functions below.
 *
 * Ownership: an item is built by one thread (item_new, item_write), handed to the store
 * (shard_put takes it) and from then on touched only under its shard's lock. Items with ITEM_REFS
 * (value of ITEM_REF_MIN bytes and more) are counted, and may be read without the lock by whoever
 * holds a reference: such a value is never changed in place.
 */
#pragma once
#include "lib/check.h"
#include "lib/compiler.h"
#include "lib/mem.h"
#include "lib/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Values of this size and more are sent by reference, not copied into the reply buffer. */
#define ITEM_REF_MIN (16 * 1024)
#define ITEM_VALUE_MAX (512u * 1024 * 1024)
#define ITEM_KEY_MAX ITEM_VALUE_MAX

enum item_field {
    ITEM_REFS = 1,   /* uint32_t, atomic: the store's reference and those of replies under way */
    ITEM_EXPIRY = 2, /* int64_t, cache time in ms; 0: never */
    ITEM_CAS = 4,    /* uint64_t */
    ITEM_FLAGS = 8,  /* uint32_t, memcached client flags */
    ITEM_KLEN = 16,  /* uint32_t: keys of 255 bytes and more */
    ITEM_TAIL = 32,  /* pointer to block 2 */
    ITEM_FIELDS = 64,
};

/* Later types (hash, list, set, sorted set, stream) join here; the value bytes then hold their root. */
enum item_type {
    ITEM_STRING = 0,
};

/* What memcached's meta commands know of an item, and one bit that says it was read. The low four bits of
 * the byte are the policy's, when its node is a byte (POLICY_BITS in policies/policy.h). */
enum item_mark {
    ITEM_FETCHED = 16,     /* hit since it was stored */
    ITEM_STALE = 32,       /* invalidated by md I; the next reader wins the recache */
    ITEM_WIN_SENT = 64,    /* somebody has won already */
    ITEM_KEY_BINARY = 128, /* its key came in base64 and is given back so */
};

struct item {
    uint32_t vlen;
    uint8_t klen;   /* 255: see ITEM_KLEN */
    uint8_t fields; /* ITEM_ bits */
    uint8_t type : 4, db : 4;
    uint8_t marks; /* enum item_mark, and POLICY_BITS */
    uint32_t
        access; /* time of the last access, in ITEM_ACCESS_MS of cache time; wraps after 2 years */
};

#define ITEM_ACCESS_SHIFT 4
#define ITEM_ACCESS_MS (1 << ITEM_ACCESS_SHIFT)

/* What a new item carries; zero means absent. */
struct item_attr {
    int64_t expiry_ms;
    uint64_t cas;
    uint32_t flags;
    uint8_t db;
    uint8_t type;
    uint8_t fields; /* ITEM_EXPIRY | ITEM_CAS | ITEM_FLAGS to reserve though the value is zero */
};

extern const uint8_t item_field_bytes[ITEM_FIELDS]; /* total of the fields of a set */

static inline char *item_field_at(const struct item *it, unsigned field)
{
    /* Fields lie in the order of their bits, so those before it are the lower bits. */
    return (char *)(uintptr_t)(it + 1) + item_field_bytes[it->fields & (field - 1)];
}

static inline const char *item_key(const struct item *it)
{
    return (const char *)(it + 1) + item_field_bytes[it->fields];
}

static inline uint32_t item_klen(const struct item *it)
{
    uint32_t n;

    if (LIKELY(!(it->fields & ITEM_KLEN)))
        return it->klen;
    memcpy(&n, item_field_at(it, ITEM_KLEN), sizeof(n));
    return n;
}

static inline bool item_key_is(const struct item *it, const char *key, uint32_t len)
{
    return item_klen(it) == len && memcmp(item_key(it), key, len) == 0;
}

static inline int64_t item_expiry(const struct item *it)
{
    int64_t v;

    if (!(it->fields & ITEM_EXPIRY))
        return 0;
    memcpy(&v, item_field_at(it, ITEM_EXPIRY), sizeof(v));
    return v;
}

static inline bool item_is_expired(const struct item *it, int64_t now_ms)
{
    int64_t e = item_expiry(it);

    return e != 0 && e <= now_ms;
}

static inline uint32_t item_flags(const struct item *it)
{
    uint32_t v;

    if (!(it->fields & ITEM_FLAGS))
        return 0;
    memcpy(&v, item_field_at(it, ITEM_FLAGS), sizeof(v));
    return v;
}

/* 0: nobody has asked for one yet (see shard_cas). */
static inline uint64_t item_cas(const struct item *it)
{
    uint64_t v;

    if (!(it->fields & ITEM_CAS))
        return 0;
    memcpy(&v, item_field_at(it, ITEM_CAS), sizeof(v));
    return v;
}

/* The field must be present. */
static inline void item_set_expiry(struct item *it, int64_t ms)
{
    memcpy(item_field_at(it, ITEM_EXPIRY), &ms, sizeof(ms));
}

static inline void item_set_cas(struct item *it, uint64_t cas)
{
    memcpy(item_field_at(it, ITEM_CAS), &cas, sizeof(cas));
}

/* Milliseconds since the last access, to ITEM_ACCESS_MS. */
static inline int64_t item_idle_ms(const struct item *it, int64_t now_ms)
{
    /* Stamps are odd (0 is none), so now is made odd as well: idle time is never negative. */
    return (int64_t)(((uint32_t)(now_ms >> ITEM_ACCESS_SHIFT) | 1) - it->access)
           << ITEM_ACCESS_SHIFT;
}

/* A new item with its key; the value's bytes are not yet written. node_bytes: of the store's policy.
 * NULL: no memory. klen <= ITEM_KEY_MAX, vlen <= ITEM_VALUE_MAX. */
struct item *item_new(uint16_t node_bytes, const char *key, uint32_t klen,
                      const struct item_attr *attr, uint32_t vlen) MUST_USE;

/* Free an item that no index holds, whatever its count says. NULL is legal. */
void item_free(struct item *it, uint16_t node_bytes);

/* Drop a reference; frees with the last. Items without ITEM_REFS have one owner and go at once. */
void item_put(struct item *it, uint16_t node_bytes);
/* Take one more reference; the item must have ITEM_REFS. */
void item_ref(struct item *it);

/* Bytes that the item takes from the allocator, slack included. */
size_t item_bytes(const struct item *it, uint16_t node_bytes);

/* The value as one or two pieces; returns how many. Both are empty slices where vlen is 0. */
unsigned item_value(const struct item *it, uint16_t node_bytes, struct slice part[2]);

/* Copy bytes into or out of the value; off + n <= vlen. */
void item_write_split(struct item *it, uint16_t node_bytes, size_t off, const char *src, size_t n);
static inline void item_write(struct item *it, uint16_t node_bytes, size_t off, const char *src,
                              size_t n)
{
    CHECK(off + n <= it->vlen);
    if (LIKELY(!(it->fields & ITEM_TAIL)))
        memcpy((char *)(uintptr_t)item_key(it) + item_klen(it) + off, src, n);
    else
        item_write_split(it, node_bytes, off, src, n);
}
void item_read(const struct item *it, uint16_t node_bytes, size_t off, size_t n, char *dst);

/* The same item with room for the fields `add` too (their value zero), for a longer or shorter value
 * of which the common part is copied. Marks and access time stay. NULL: no memory; `it` is unchanged
 * in each case and still the caller's. */
struct item *item_copy(const struct item *it, uint16_t node_bytes, uint8_t add,
                       uint32_t vlen) MUST_USE;
