/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mc_text.h - memcached's text protocol, classic and meta: bytes to requests (request.h says how), and
 * what its handlers share of the grammar. The behaviour is memcached 1.6's, error lines included.
 *
 * What the parser decides: the command, the number of words, the length of keys, and all that tells
 * where the request ends. Other arguments (an incr's delta, a touch's time, meta flags) are the handlers'.
 *
 * A storage command whose data block cannot be taken comes as a request with its row and r->error set,
 * since the key's old value or the counters may change: TOO_LARGE (r->swallow: the block) or
 * BAD_CHUNK (the block's length and two bytes are used up, what follows is the next request).
 */
#pragma once
#include "lib/compiler.h"
#include "lib/out.h"
#include "proto/request.h"

/* Longest key of the text protocol. */
#define MC_KEY_MAX 250
/* Longest line, in bytes before its newline, of all but the retrieval commands. */
#define MC_LINE_MAX 2048
/* Longest line of a retrieval command with many keys. */
#define MC_GET_LINE_MAX (1024 * 1024)
/* Most words of a meta command line. */
#define MC_META_WORDS_MAX 19

enum status mc_parse(const char *buf, size_t len, const struct proto_limits *limits,
                     struct arg_pool *pool, struct request *r, size_t *used, size_t *need) MUST_USE;

/* Answer with r->error's line, unless the request said noreply or memcached says nothing in this case (it
 * just closes on a line that is too long). */
void mc_reply_error(struct out *o, const struct request *r);

/* memcached reads numbers as C's strtol family does: blanks and a sign in front, anything behind a blank.
 * 32-bit ones are cut from a 64-bit reading. False: no number, or none that fits 64 bits (unsigned: and
 * not a negative one). */
bool mc_u64(struct slice s, uint64_t *out);
bool mc_u32_slow(struct slice s, uint32_t *out);
bool mc_i32_slow(struct slice s, int32_t *out);

/* The value of 1..9 digits and nothing else; -1 for any other form. */
static inline int32_t mc_short_number(struct slice s)
{
    int32_t v = 0;

    if (s.len == 0 || s.len > 9)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

        if (d > 9)
            return -1;
        v = v * 10 + (int32_t)d;
    }
    return v;
}

static inline bool mc_u32(struct slice s, uint32_t *out)
{
    int32_t v = mc_short_number(s);

    if (UNLIKELY(v < 0))
        return mc_u32_slow(s, out);
    *out = (uint32_t)v;
    return true;
}

static inline bool mc_i32(struct slice s, int32_t *out)
{
    int32_t v = mc_short_number(s);

    if (UNLIKELY(v < 0))
        return mc_i32_slow(s, out);
    *out = v;
    return true;
}
