/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load_worker.h - a thread of the generator: its connections, its event loop, what it counted. All
 * workers go through the same stages, each begun by the main thread when the former is over:
 *
 *     CONNECT    open the connections
 *     PRELOAD    write every key of the worker's share once                    (may be empty)
 *     RUN        closed or open loop, first warming up, then measuring
 *     END
 *
 * Threads: load_worker_run is the thread's body; the main thread uses a struct load_worker only
 * before it starts and after it was joined, except for `done`. struct load_control is shared.
 */
#pragma once
#include "bench/histogram.h"
#include "bench/load_options.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum load_stage { LOAD_STAGE_NONE, LOAD_STAGE_CONNECT, LOAD_STAGE_PRELOAD, LOAD_STAGE_RUN };

struct load_control {
    /* under mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum load_stage stage;
    unsigned finished; /* workers that are through with the stage */
    bool ended;        /* workers shall return */
    /* relaxed atomic */
    bool measuring; /* set once, when the warm-up is over */
    bool stopping;  /* set once: send no more, read what is still to come */
};

struct load_counts {
    uint64_t hits, misses, stored;
    uint64_t wrong;      /* replies that are not what they must be */
    uint64_t lost;       /* connections that failed to open, were closed or broke */
    uint64_t unanswered; /* requests that were sent and have no reply */
    uint64_t unsent; /* open loop: requests whose time had come, but their connection was busy */
    uint64_t bytes_out, bytes_in;
};

struct load_conn;

struct load_worker {
    /* const after init */
    const struct load_options *options;
    struct load_control *control;
    unsigned index;
    unsigned conns_count;
    struct load_conn *conns;
    int epoll_fd;
    char *out; /* a batch is built here */
    char *in;  /* a read goes here */
    /* owner only */
    struct keygen keygen;
    struct random random; /* of operations */
    enum load_stage stage;
    unsigned depth;
    uint64_t left;     /* requests that may still be sent in this stage */
    uint64_t next_key; /* of the preload */
    uint64_t in_flight;
    unsigned alive; /* connections */
    bool measured;
    uint64_t progress_ns; /* when a reply came last, or the first request after silence left */
    uint64_t start_ns;    /* of the open loop's schedule */
    uint64_t step;        /* next step of it, see worker_due */
    struct load_counts counts;
    struct histogram get_ns, set_ns;
    struct histogram late_ns; /* open loop: how late we ourselves were */
    char message[512];        /* what went wrong first, or empty */
    /* relaxed atomic */
    uint64_t done; /* replies of this stage; since measuring began, once it has */
};

/* False: no memory. */
bool load_worker_init(struct load_worker *w, const struct load_options *o, struct load_control *c,
                      unsigned index) MUST_USE;
void load_worker_fini(struct load_worker *w);

/* A pthread's body; the argument is the worker. */
void *load_worker_run(void *worker);
