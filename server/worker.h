/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.h - one thread, one event loop, many connections. What a command handler may use of it is in
 * the first block. docs/life-of-a-get.md walks through a turn.
 */
#pragma once
#include "lib/out.h"
#include "proto/request.h"
#include "server/metrics.h"
#include "store/store.h"

#include <ev.h>
#include <pthread.h>

struct conn;
struct server;
struct config;

struct worker {
    /* for handlers; owner thread only */
    struct store *store;
    struct server *server;
    const struct config *config;
    int64_t now_ms;          /* cache time of this turn */
    struct out out;          /* replies of the connection that is being served */
    struct counters counters; /* readers elsewhere: relaxed */

    /* the turn */
    struct conn *serving;    /* whose replies are in `out` */
    /* ... (worker.c) */
};

/* A handler appends its reply to w->out and may set c->closing. Multi-key handlers hash keys themselves;
 * r->hash is the hash of r->key. Called on the worker's thread with no lock held. */
typedef void (*command_fn)(struct worker *w, struct conn *c, struct request *r);

/* All handlers, by command id; each row of tables/commands.h names cmd_<handler>. */
extern const command_fn command_handlers[COMMANDS];
