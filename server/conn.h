/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn.h - one client connection. It belongs to one worker for life and is touched by that worker's
 * thread only. While idle it holds no buffer: input is read into the worker's buffer, and only what is
 * left of an incomplete request, or of a reply the peer does not read, is kept here.
 */
#pragma once
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
    bool closing;         /* close once the output is sent; parse no more */
    bool broken;          /* close now: the peer is gone or cannot be served */
    bool ready;           /* on the worker's ready list */
    bool is_unix;
    uint64_t id;
    int64_t created_ms, active_ms;
    struct conn *prev, *next; /* all connections of the worker */
    struct conn *next_ready;

    /* input */
    char *in;             /* bytes of an incomplete request (or behind blocked output), or NULL */
    size_t in_len, in_room;
    size_t need;          /* bytes that the incomplete request needs at least */
    uint64_t swallow;     /* bytes to drop before the next request */
    struct resp_scan scan;

    /* output that the peer has not taken */
    struct pending *pending, *pending_last;
    size_t pending_bytes;

    struct conn_names *names;
};

struct conn *conn_new(struct worker *w, int fd, enum protocol listener, bool is_unix) MUST_USE;
/* Closes the socket and frees all. */
void conn_free(struct conn *c);

/* Read once, as much as there is room for. */
enum status conn_fill(struct conn *c, char *room, size_t size, size_t *got) MUST_USE;
