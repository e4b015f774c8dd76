/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.h - one thread, one event loop, many connections. What a command handler may use of it is in
 * the first block. docs/life-of-a-get.md walks through a turn.
 */
#pragma once
#include "lib/out.h"
#include "proto/command.h"
#include "proto/request.h"
#include "server/metrics.h"
#include "store/store.h"

#include <ev.h>
#include <pthread.h>

struct conn;
struct server;
struct config;

/* Requests that are parsed before the first of them is executed. */
#define BATCH_REQUESTS 32
/* Connections whose input is read before the first of it is parsed. */
#define GROUP_CONNS 32

struct handover; /* a connection on its way from the main thread */

/* One ready connection of the turn: its input, and how far it is parsed. */
struct input {
    struct conn *conn;
    char *p;
    size_t len, off;
};

/* A parsed request that waits for execution. */
struct queued {
    struct input *in;
    size_t off; /* where in the input it begins, to go back to when it cannot be executed yet */
    const struct bucket *bucket; /* of its key, between the two steps of prefetching */
    struct request request;
};

struct worker {
    /* for handlers; owner thread only */
    struct store *store;
    struct server *server;
    const struct config *config;
    int64_t now_ms;           /* cache time of this turn */
    struct out out;           /* replies of the connection that is being served */
    struct counters counters; /* readers elsewhere: relaxed */
    struct conn *conns;       /* all connections of this worker */

    /* owner thread only */
    struct ev_loop *loop;
    struct conn *serving; /* whose replies are in `out` */
    struct conn *ready;   /* connections with input to read */
    ev_prepare turn;
    ev_timer housekeep;
    struct proto_limits limits;
    struct arg_pool pool;
    char *inbuf;
    struct input group[GROUP_CONNS];
    struct queued batch[BATCH_REQUESTS];
    unsigned ngroup, nbatch;
    bool stopping;
    int64_t stop_deadline_ms, idle_check_ms;

    /* const after init */
    unsigned number;
    pthread_t thread;
    ev_async wake;

    /* under inbox_lock */
    struct lock inbox_lock CACHE_ALIGNED;
    struct handover *inbox;
    bool stop_asked;

    /* relaxed atomic */
    unsigned nconns; /* handed over ones included */
};

enum status worker_init(struct worker *w, struct server *s, unsigned number) MUST_USE;
void worker_fini(struct worker *w);
/* Start and end the thread. Stopping answers what has arrived, waits for peers to take their replies for
 * at most shutdown-timeout, and closes everything; worker_join waits for that. */
enum status worker_start(struct worker *w) MUST_USE;
void worker_stop(struct worker *w);
void worker_join(struct worker *w);

/* Give the worker a socket of its own from now on. NO_MEMORY: it is still the caller's. Any thread. */
enum status worker_hand_over(struct worker *w, int fd, enum protocol listener,
                             bool is_unix) MUST_USE;

/* Send what is in w->out to the connection that is served, or keep it for it. */
void worker_flush(struct worker *w);

/* A handler appends its reply to w->out and may set c->closing. Multi-key handlers hash keys themselves;
 * r->hash is the hash of r->key. Called on the worker's thread with no lock held. */
typedef void (*command_fn)(struct worker *w, struct conn *c, struct request *r);

/* All handlers, by command id; each row of tables/commands.h names cmd_<handler>. */
extern const command_fn command_handlers[COMMANDS];
