/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * out.h - where replies are written: one block of bytes per worker, plus references to large values
 * that are sent from where they lie. Bytes and references keep their order and leave with one writev.
 *
 *     base            seg        p               end
 *      | described by | not yet  | free room      |
 *      | iov[0..niov) | described|                |
 *
 * When the block or the iovec array is full, `spill` is called: it sends or saves everything and
 * calls out_reset(), so that out_room() always succeeds for n <= OUT_ROOM_MAX.
 * Threads: one owner.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/num.h"
#include "lib/slice.h"

#include <sys/uio.h>

#define OUT_BLOCK (64 * 1024)
#define OUT_ROOM_MAX (32 * 1024)
#define OUT_IOVS 64

struct out;
typedef void (*out_spill_fn)(struct out *o);

struct out {
    char *p;
    char *end;
    char *seg;
    char *base;
    out_spill_fn spill;
    int niov;
    struct iovec iov[OUT_IOVS];
    void *owner[OUT_IOVS]; /* of a referenced value; NULL: bytes of the block */
};

/* The block is heap memory of OUT_BLOCK bytes. False: no memory. */
bool out_init(struct out *o, out_spill_fn spill) MUST_USE;
void out_fini(struct out *o);

/* Forget all content (its owners have been passed on or released). */
void out_reset(struct out *o);

/* Describe the bytes since seg by an iovec, so that iov[0..niov) is the whole content. */
void out_seal(struct out *o);

COLD char *out_make_room(struct out *o, size_t n);

/* Bytes of any length are copied. */
void out_append_slow(struct out *o, const char *p, size_t n);

/* p..p+n leaves from where it lies; the reference `owner` is released by the spill's side when the
 * bytes are sent or dropped. */
void out_ref(struct out *o, const char *p, size_t n, void *owner);

static inline bool out_is_empty(const struct out *o)
{
    return o->niov == 0 && o->p == o->seg;
}

/* At least n <= OUT_ROOM_MAX free bytes; write there, then out_commit() the new end. */
static inline char *out_room(struct out *o, size_t n)
{
    if (LIKELY((size_t)(o->end - o->p) >= n))
        return o->p;
    return out_make_room(o, n);
}

static inline void out_commit(struct out *o, char *end)
{
    o->p = end;
}

static inline void out_append(struct out *o, const char *p, size_t n)
{
    if (UNLIKELY((size_t)(o->end - o->p) < n)) {
        out_append_slow(o, p, n);
        return;
    }
    memcpy(o->p, p, n);
    o->p += n;
}

static inline void out_slice(struct out *o, struct slice s)
{
    out_append(o, s.p, s.len);
}

static inline void out_char(struct out *o, char c)
{
    char *p = out_room(o, 1);

    *p = c;
    o->p = p + 1;
}

static inline void out_u64(struct out *o, uint64_t v)
{
    char *p = out_room(o, NUM_MAX_DIGITS);

    o->p = p + num_format_u64(p, v);
}

static inline void out_i64(struct out *o, int64_t v)
{
    char *p = out_room(o, NUM_MAX_DIGITS);

    o->p = p + num_format_i64(p, v);
}

#define OUT_LIT(o, s) out_append((o), (s), sizeof(s) - 1)

/* For replies that are not hot. Up to OUT_ROOM_MAX - 1 bytes, longer text is cut. */
void out_printf(struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
