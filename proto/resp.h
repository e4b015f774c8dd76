/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resp.h - RESP2 and RESP3 (Redis's protocol): bytes to requests (request.h says how), and the writers
 * of replies.
 *
 * A request is an array of bulk strings, or an inline line of words that may be quoted. What quoted
 * words stand for lies in the pool, in slots behind the arguments.
 *
 * Writers whose form differs between the versions take the version (2 or 3).
 */
#pragma once
#include "lib/compiler.h"
#include "lib/out.h"
#include "proto/request.h"

/* How far a request that is still incomplete has been walked, so that each byte of a long one is looked
 * at a bounded number of times. Zero: not begun. Belongs to the connection; zero again after OK. */
struct resp_scan {
    uint32_t left; /* arguments not yet seen whole */
    uint32_t seen; /* bytes behind off that were searched for the end of a line */
    size_t off;    /* offset from the start of the request where the next argument starts */
};

/* The limits must allow 9 arguments of 9,999 bytes: smaller requests are not held against them. */
enum status resp_parse(const char *buf, size_t len, const struct proto_limits *limits,
                       struct resp_scan *scan, struct arg_pool *pool, struct request *r,
                       size_t *used, size_t *need) MUST_USE;

/* The answer to a request whose cmd is NULL. */
void resp_reply_error(struct out *o, const struct request *r);

/* Redis's notion of an integer: decimal, no '+', no leading zeros, no "-0", within 64 bits. */
bool resp_integer(struct slice s, int64_t *out) MUST_USE;

/* ---- writers ---- */

/* A type character, a number and CRLF. */
static inline void resp_head(struct out *o, char type, uint64_t n)
{
    char *p = out_room(o, NUM_MAX_DIGITS + 3);

    *p++ = type;
    if (LIKELY(n < 10))
        *p++ = (char)('0' + n);
    else
        p += num_format_u64(p, n);
    memcpy(p, "\r\n", 2);
    out_commit(o, p + 2);
}

static inline void resp_ok(struct out *o)
{
    OUT_LIT(o, "+OK\r\n");
}

/* One line without CR and LF. */
static inline void resp_simple(struct out *o, struct slice s)
{
    out_char(o, '+');
    out_slice(o, s);
    OUT_LIT(o, "\r\n");
}

static inline void resp_int(struct out *o, int64_t v)
{
    char *p;

    if (LIKELY(v >= 0)) {
        resp_head(o, ':', (uint64_t)v);
        return;
    }
    p = out_room(o, NUM_MAX_DIGITS + 3);
    *p++ = ':';
    p += num_format_i64(p, v);
    memcpy(p, "\r\n", 2);
    out_commit(o, p + 2);
}

/* The bytes and a CRLF are to follow. */
static inline void resp_bulk_head(struct out *o, size_t len)
{
    resp_head(o, '$', len);
}

static inline void resp_bulk(struct out *o, struct slice s)
{
    resp_bulk_head(o, s.len);
    out_slice(o, s);
    OUT_LIT(o, "\r\n");
}

static inline void resp_null(struct out *o, unsigned version)
{
    if (version == 2)
        OUT_LIT(o, "$-1\r\n");
    else
        OUT_LIT(o, "_\r\n");
}

static inline void resp_null_array(struct out *o, unsigned version)
{
    if (version == 2)
        OUT_LIT(o, "*-1\r\n");
    else
        OUT_LIT(o, "_\r\n");
}

/* Headers: so many elements (of a map: pairs) are to follow. */
static inline void resp_array(struct out *o, size_t n)
{
    resp_head(o, '*', n);
}

static inline void resp_map(struct out *o, unsigned version, size_t pairs)
{
    resp_head(o, version == 2 ? '*' : '%', version == 2 ? 2 * pairs : pairs);
}

static inline void resp_set(struct out *o, unsigned version, size_t n)
{
    resp_head(o, version == 2 ? '*' : '~', n);
}

static inline void resp_push(struct out *o, unsigned version, size_t n)
{
    resp_head(o, version == 2 ? '*' : '>', n);
}

static inline void resp_bool(struct out *o, unsigned version, bool v)
{
    if (version == 2)
        out_append(o, v ? ":1\r\n" : ":0\r\n", 4);
    else
        out_append(o, v ? "#t\r\n" : "#f\r\n", 4);
}

/* The shortest decimal that reads back as v; a bulk string in version 2. */
void resp_double(struct out *o, unsigned version, double v);

/* Text with its format, a name of three letters ("txt", "mkd"); a bulk string in version 2. */
void resp_verbatim(struct out *o, unsigned version, const char format[3], struct slice text);

/* The text of an error row. */
void resp_error(struct out *o, enum error_id id);

/* The same, with the row's first '%' replaced by `a` and its second by `b`. What peers sent may be
 * passed as it came: it is cut at a NUL, and CR and LF become spaces. */
void resp_error_about(struct out *o, enum error_id id, struct slice a, struct slice b);
