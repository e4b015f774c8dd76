/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_cache.h - one cache under one policy, fed with a trace: a look-up, and on a miss evictions until the
 * object fits, then its insertion. From an empty cache, every request counted. An object larger than
 * the capacity is never stored. The policies are those of the server, linked, not rebuilt.
 */
#pragma once
#include "bench/sim_trace.h"
#include "policies/policy.h"

struct sim_setup {
    const struct policy_ops *ops;
    double param[POLICY_PARAMS];
    uint64_t capacity; /* objects, or bytes */
    bool objects;      /* each object counts one */
    uint32_t overhead; /* bytes that each object takes beside its value */
    uint64_t largest;  /* objects that take more are not stored; 0: the capacity */
    unsigned shards;   /* instances that share the capacity as in the server; 0: 1 */
    bool layout; /* charge what the server's allocator would hand out, and the policy's memory */
};

struct sim_result {
    uint64_t requests, misses, bytes, bytes_missed;
    uint64_t items;         /* at the end */
    uint64_t policy_memory; /* the most that one instance had */
};

/* False: no memory. */
bool sim_run(const struct sim_setup *o, const struct sim_trace *t, struct sim_result *r);
