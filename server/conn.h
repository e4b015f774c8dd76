/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn.h - one client connection. It belongs to one worker for life and is touched by that worker's
 * thread only. While idle it holds no buffer: input is read into the worker's buffer, and only what is
 * left of an incomplete request, or of a reply the peer does not read, is kept here.
 */
#pragma once
#include "lib/out.h"
#include "lib/status.h"
#include "proto/command.h"
#include "proto/resp.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONN_MAGIC 0xC0441EC7u

struct worker;
struct pending;

/* What only few connections have: set by CLIENT SETNAME and SETINFO. */
struct conn_names {
    char *name, *lib_name, *lib_version; /* heap text, or NULL */
};

struct conn {
    ev_io io;
    uint32_t magic;
    uint8_t proto;        /* enum protocol; PROTO_UNKNOWN until the first bytes */
    uint8_t listener;     /* enum protocol of the port it came in by (PROTO_MC for Unix sockets) */
    uint8_t resp_version; /* 2 or 3 */
    uint8_t db;
    bool closing; /* close once the output is sent; parse no more */
    bool broken;  /* close now: the peer is gone or cannot be served */
    bool ready;   /* on the worker's ready list */
    bool resume;  /* parse what was kept, before reading on */
    bool is_unix;
    uint64_t id;
    int64_t created_ms, active_ms;
    struct conn *prev, *next; /* all connections of the worker */
    struct conn *next_ready;

    /* input */
    char *in; /* bytes of an incomplete request (or behind blocked output), or NULL */
    size_t in_len, in_room;
    size_t need;      /* bytes that the incomplete request needs at least */
    uint64_t swallow; /* bytes to drop before the next request */
    struct resp_scan scan;

    /* output that the peer has not taken */
    struct pending *pending, *pending_last;
    size_t pending_bytes;

    struct conn_names *names;
};

/* A connection for an accepted, non-blocking socket, linked into the worker's list. NULL: no memory; the
 * socket is still the caller's. */
struct conn *conn_new(struct worker *w, int fd, enum protocol listener, bool is_unix) MUST_USE;
/* Closes the socket and frees all. */
void conn_free(struct worker *w, struct conn *c);

/* Watch for input, or, while replies are unsent, for room to send them. */
void conn_watch(struct worker *w, struct conn *c);

/* Read once. IO_AGAIN: nothing there; IO_CLOSED: the peer is gone. */
enum status conn_read(struct conn *c, char *room, size_t size, size_t *got) MUST_USE;

/* Room in c->in for more of an incomplete request. */
enum status conn_reserve(struct conn *c) MUST_USE;
/* Keep n bytes at p (which may lie in c->in) as the connection's unparsed input. */
enum status conn_keep(struct conn *c, const char *p, size_t n) MUST_USE;

/* Send the whole content of `out` and reset it; what the socket does not take is kept in c->pending. Sets
 * c->broken when the peer is gone, or the content can neither be sent nor kept. */
void conn_send(struct worker *w, struct conn *c, struct out *out);
/* Send of c->pending what the socket takes. */
void conn_send_pending(struct worker *w, struct conn *c);
