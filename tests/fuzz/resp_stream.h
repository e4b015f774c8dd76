/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resp_stream.h - feed bytes to resp_parse() in pieces, as a connection does, and log what comes out, so
 * that two ways of cutting the same bytes can be compared. Used by the unit test and the fuzz target.
 * What must hold at any input is CHECKed here. Each parse sees a block of exactly its length, so that
 * a sanitizer sees one byte read too far.
 */
#pragma once
#include "lib/check.h"
#include "proto/command.h"
#include "proto/resp.h"

#include <stdlib.h>
#include <string.h>

struct resp_stream {
    struct proto_limits limits;
    struct resp_scan scan;
    struct arg_pool pool;
    char *in;         /* bytes that are not yet part of a request */
    size_t len, need; /* need: what the parser said of them */
    bool fatal;
    size_t requests;
    char *log; /* of every request: kind, error, arguments */
    size_t log_len;
};

static inline void stream_init(struct resp_stream *s, const struct proto_limits *limits)
{
    *s = (struct resp_stream){.limits = *limits, .in = malloc(1), .log = malloc(1)};
    s->pool = (struct arg_pool){malloc(sizeof(struct slice)), 0, 1};
    CHECK(s->pool.args);
}

static inline void stream_fini(struct resp_stream *s)
{
    free(s->pool.args);
    free(s->in);
    free(s->log);
}

static inline void stream_note(struct resp_stream *s, const void *p, size_t n)
{
    s->log = realloc(s->log, s->log_len + n + 1);
    CHECK(s->log);
    if (n > 0)
        memcpy(s->log + s->log_len, p, n);
    s->log_len += n;
}

static inline void stream_note_slice(struct resp_stream *s, struct slice text)
{
    stream_note(s, &text.len, sizeof(text.len));
    stream_note(s, text.p, text.len);
}

static inline void stream_note_request(struct resp_stream *s, const struct request *r)
{
    uint16_t id = r->cmd ? r->cmd->id : UINT16_MAX;

    stream_note(s, &id, sizeof(id));
    stream_note(s, &r->error, sizeof(r->error));
    stream_note(s, &r->fatal, sizeof(r->fatal));
    stream_note(s, &r->argc, sizeof(r->argc));
    for (uint32_t i = 0; i < r->argc; i++)
        stream_note_slice(s, r->argv[i]);
    stream_note_slice(s, r->key);
    stream_note_slice(s, r->data);
    s->requests++;
}

/* One parse of what is there. True: a request came out and more may follow. */
static inline bool stream_step(struct resp_stream *s)
{
    struct request r;
    size_t used = 0, need = 0;
    enum status st;

    s->pool.used = 0;
    st = resp_parse(s->in, s->len, &s->limits, &s->scan, &s->pool, &r, &used, &need);
    if (st == NO_ROOM) {
        CHECK(need > s->pool.room);
        free(s->pool.args);
        s->pool = (struct arg_pool){malloc(need * sizeof(struct slice)), 0, (uint32_t)need};
        CHECK(s->pool.args);
        return true;
    }
    if (st == MORE) {
        CHECK(need > s->len);
        s->need = need;
        return false;
    }
    CHECK(st == OK);
    CHECK(used > 0 && used <= s->len);
    /* What was asked for was a lower bound. */
    CHECK(s->len >= s->need || r.fatal);
    CHECK(used >= s->need || r.fatal);
    CHECK(s->scan.left == 0 && s->scan.off == 0 && s->scan.seen == 0);
    stream_note_request(s, &r);
    s->fatal = r.fatal;
    s->need = 0;
    if (!s->fatal) {
        char *rest = malloc(s->len - used + (s->len == used));

        CHECK(rest);
        memcpy(rest, s->in + used, s->len - used);
        free(s->in);
        s->in = rest;
        s->len -= used;
    }
    return !s->fatal && s->len > 0;
}

/* Bytes arrive. Nothing is parsed behind a fatal error. */
static inline void stream_feed(struct resp_stream *s, const char *p, size_t n)
{
    char *all;

    if (s->fatal || n == 0)
        return;
    all = malloc(s->len + n);
    CHECK(all);
    memcpy(all, s->in, s->len);
    memcpy(all + s->len, p, n);
    free(s->in);
    s->in = all;
    s->len += n;
    while (stream_step(s))
        ;
}

/* Did both see the same requests? */
static inline bool stream_equal(const struct resp_stream *a, const struct resp_stream *b)
{
    return a->requests == b->requests && a->fatal == b->fatal && a->log_len == b->log_len &&
           memcmp(a->log, b->log, a->log_len) == 0;
}
