/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * num.h - numbers to and from decimal text, without locale, without allocation, without errno.
 * A parser takes the whole slice or nothing: no space, no '+', no leading zeros rule (the protocols
 * differ on those, so their own files add them).
 */
#pragma once
#include "lib/compiler.h"
#include "lib/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define NUM_MAX_DIGITS 20 /* of a 64-bit number, its sign included */

/* True and *out when all of s is 1..20 digits and fits 64 bits. */
static inline bool num_parse_u64(struct slice s, uint64_t *out)
{
    uint64_t v = 0;

    if (UNLIKELY(s.len == 0 || s.len > NUM_MAX_DIGITS))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned d = (unsigned char)s.p[i] - '0';

        if (d > 9)
            return false;
        if (UNLIKELY(i >= 19) && (v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - d))
            return false;
        v = v * 10 + d;
    }
    *out = v;
    return true;
}

/* The same with an optional '-'; the range is that of int64_t. */
static inline bool num_parse_i64(struct slice s, int64_t *out)
{
    uint64_t v;
    bool neg = s.len > 0 && s.p[0] == '-';

    if (neg)
        s = slice_of(s.p + 1, s.len - 1);
    if (!num_parse_u64(s, &v) || v > (uint64_t)INT64_MAX + neg)
        return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* Writes v to dst (room for NUM_MAX_DIGITS); returns the number of bytes. Not terminated. */
size_t num_format_u64(char *dst, uint64_t v);
size_t num_format_i64(char *dst, int64_t v);
