/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resp.h - RESP2 and RESP3 requests (arrays of bulk strings, and inline commands): bytes to requests
 * (request.h says how), and the writers of replies.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/out.h"
#include "proto/request.h"

/* How far a request that is still incomplete has been walked, so that each byte of a long one is looked
 * at a bounded number of times. Zero: not begun. Belongs to the connection. */
struct resp_scan {
    uint32_t left; /* arguments not yet seen whole */
    size_t off;    /* offset from the start of the request where the next one starts */
};

enum status resp_parse(const char *buf, size_t len, const struct proto_limits *limits,
                       struct resp_scan *scan, struct arg_pool *pool, struct request *r,
                       size_t *used, size_t *need) MUST_USE;
