/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slice.h - bytes that somebody else owns. A slice into a read buffer dies with the loop turn. It
 * may hold any byte, NUL included, and is not terminated.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p;
    size_t len;
};

#define SLICE_LIT(s) ((struct slice){.p = (s), .len = sizeof(s) - 1})

static inline struct slice slice_of(const char *p, size_t len)
{
    return (struct slice){.p = p, .len = len};
}

static inline struct slice slice_str(const char *s)
{
    return slice_of(s, strlen(s));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

/* Equal, where ASCII letters of either case are the same. */
bool slice_equal_nocase(struct slice a, struct slice b);
