/* SPDX-License-Identifier: BSD-3-Clause */
/* mc_text.h - memcached's text protocol, classic and meta: bytes to requests (request.h says how). */
#pragma once
#include "lib/compiler.h"
#include "proto/request.h"

/* Longest key of the text protocol. */
#define MC_KEY_MAX 250
/* Longest line without a newline that is waited for, when it is not a get of many keys. */
#define MC_LINE_MAX 2048

enum status mc_parse(const char *buf, size_t len, const struct proto_limits *limits,
                     struct arg_pool *pool, struct request *r, size_t *used, size_t *need) MUST_USE;
