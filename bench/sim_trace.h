/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_trace.h - a request trace in memory: which object each request asks for, and how large each object
 * is. A trace is text, one request a line, "key_id size [ttl]"; ids are decimal numbers, dense from 0.
 * A name that ends in .xz is read through xz(1).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_trace {
    uint32_t *request; /* object of each request */
    size_t requests;
    uint32_t *size; /* of each object; 0 where no request names it */
    uint32_t objects;
    size_t request_room, object_room;
};

/* NULL on success, else what went wrong, in words; nothing is left behind then. */
const char *sim_trace_read(struct sim_trace *t, const char *path);
/* Append one request. False: no memory. */
bool sim_trace_add(struct sim_trace *t, uint32_t object, uint32_t size);
/* The same requests in `copies` disjoint key spaces at once, interleaved, all sizes times `scale`.
 * False: no memory, or too large. */
bool sim_trace_multiply(struct sim_trace *t, unsigned copies, unsigned scale);
void sim_trace_free(struct sim_trace *t);
uint64_t sim_trace_bytes(const struct sim_trace *t);
