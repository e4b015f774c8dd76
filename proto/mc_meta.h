/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mc_meta.h - the flags of memcached's meta commands: one letter each, some with a token behind it. Pure;
 * any thread.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/slice.h"
#include "proto/mc_text.h"
#include "proto/request.h"

#include <stdint.h>

/* A set of letters. Upper and lower case do not meet: the low six bits differ. */
#define MC_FLAG(c) (UINT64_C(1) << ((unsigned)(c)&63))

/* Longest opaque token, its O included. */
#define MC_OPAQUE_MAX 32

struct mc_meta {
    uint64_t flags;               /* MC_FLAG() of each that was given */
    struct slice key;             /* as it came, or decoded into key_room when there is a b */
    struct slice opaque;          /* with its O */
    int32_t ttl, vivify, recache; /* tokens of T, N and R: an exptime each */
    uint32_t client_flags;        /* F */
    uint64_t cas, new_cas;        /* C and E */
    uint64_t delta, initial;      /* D (default 1) and J */
    char mode;                    /* M, or 0 */
    char key_room[MC_KEY_MAX];
};

static inline bool mc_meta_has(const struct mc_meta *m, char flag)
{
    return (m->flags & MC_FLAG(flag)) != 0;
}

/* Read the flags of a request (mg, ms, md, ma) from its argument `first` on. `allowed`: flags beside those
 * that memcached takes in every meta command. ERR_NONE, or the error; then *m is not to be used. */
enum error_id mc_meta_parse(const struct request *r, uint32_t first, uint64_t allowed,
                            struct mc_meta *m) MUST_USE;

/* memcached's base64: other characters are skipped, padding is needed. The bytes written to dst (room for
 * n); 0 where it is malformed. */
size_t mc_base64_decode(const char *src, size_t n, char *dst);
/* Writes (n + 2) / 3 * 4 bytes to dst. */
size_t mc_base64_encode(const char *src, size_t n, char *dst);
