/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server.h - the process as a whole: what main() sets up and ends, and what whole-server commands (stats,
 * INFO, CLIENT LIST) read. Fields under "const" do not change once the workers run.
 */
#pragma once
#include "lib/lock.h"
#include "server/config.h"
#include "server/metrics.h"
#include "server/worker.h"

#include <ev.h>

#define MILLPOND_VERSION PACKAGE_VERSION

struct listener;

struct server {
    /* const after start */
    struct config *config;
    struct store *store;
    struct worker *workers;
    unsigned nworkers;
    int64_t started_ms;            /* cache time */
    int memcached_port, resp_port; /* as bound; 0: none */
    /* main thread only */
    struct ev_loop *loop;
    struct listener *listeners;
    ev_timer accept_again; /* listening pauses when descriptors run out */
    ev_timer budget;       /* fits the store's budget to what the process holds */
    bool pid_written;
    ev_signal sigterm, sigint;
    /* relaxed atomic */
    uint64_t next_conn_id;
    uint64_t rejected_connections, listen_disabled_num;
    uint64_t resident_bytes;
    /* counters at the last reset, subtracted from what is shown; under lock */
    struct lock reset_lock;
    uint64_t reset_base[METRICS];
};

/* Connections open now, over all workers. Any thread. */
unsigned server_connections(const struct server *s);
