/* SPDX-License-Identifier: BSD-3-Clause */
/* load_options.h - the command line of millpond-load: one row per option, read by the parser and by
 * --help. Const after load_options_parse. */
#pragma once
#include "bench/keygen.h"
#include "bench/load_data.h"
#include "bench/load_protocol.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_CPUS_MAX 64
#define LOAD_THREADS_MAX 256

struct load_options {
    const char *host;
    const char *port;
    const char *unix_path; /* NULL: TCP */
    const struct load_protocol *protocol;
    unsigned threads;
    unsigned connections; /* of all threads together */
    unsigned depth;
    unsigned gets, sets; /* the ratio */
    struct keygen_options keys;
    struct load_data data; /* its pattern is not made yet */
    unsigned ttl_s;
    double duration_s; /* 0: no bound in time */
    uint64_t requests; /* 0: no bound in number */
    double warmup_s;
    double rate; /* requests per second of all threads; 0: closed loop */
    double timeout_s;
    bool preload, preload_only;
    unsigned preload_depth;
    bool require_hits;
    bool no_verify;
    int server_pid; /* 0: not told */
    unsigned cpus;  /* 0: not pinned */
    int cpu[LOAD_CPUS_MAX];
    uint64_t seed;
    bool json;
    bool quiet;
};

/* Fill *o from the command line. Prints what is wrong to stderr and exits with 2; --help prints to
 * stdout and exits with 0. */
void load_options_parse(struct load_options *o, int argc, char **argv);
