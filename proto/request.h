/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.h - what a parser makes of bytes: one request, whose slices lie in the caller's buffer and
 * whose arguments lie in the caller's pool. Both protocols fill the same struct; the command row
 * (proto/command.h) is looked up once, by the parser.
 *
 * A parser is pure: no socket, no global that changes, no allocation. It answers
 *     OK       *used bytes are one request (r->cmd is its row), or, with r->cmd == NULL, a request that
 *              is to be answered with r->error and nothing else (r->fatal: and then closed); ERR_NONE
 *              is an empty request, which has no answer
 *     MORE     the input ends too early; *need is how many bytes, from buf on, it takes at least
 *     NO_ROOM  the pool is full; ask again with an empty or a larger one (*need arguments)
 * Any split of a byte stream gives the same requests.
 */
#pragma once
#include "lib/slice.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stdint.h>

struct command;

enum error_id {
#define ERROR(id, mc, resp) ERR_##id,
#include "tables/errors.h"
#undef ERROR
    ERRORS
};

/* The texts of a row, without CRLF; for RESP without the '-'. */
extern const struct slice error_mc[ERRORS];
extern const struct slice error_resp[ERRORS];

/* Where arguments go. The parser appends at `used`; the caller resets it when a batch is done. */
struct arg_pool {
    struct slice *args;
    uint32_t used;
    uint32_t room;
};

struct request {
    const struct command *cmd;
    struct slice *argv; /* argv[0]: the command's name as it came; argv[1..argc) its arguments */
    uint32_t argc;
    uint8_t error;     /* enum error_id, when cmd is NULL (or a handler wants it) */
    bool fatal;        /* the connection cannot go on behind this error */
    bool noreply;      /* memcached */
    uint32_t db;       /* RESP: filled by the server */
    struct slice key;  /* the first key, where the command has one (argv[cmd->first_key]) */
    struct slice data; /* memcached: the data block, without CRLF; RESP error: its subject */
    uint64_t hash;     /* of key; filled by the server */
    uint64_t swallow;  /* bytes behind *used that belong to this request: to be dropped */
};

/* What parsers enforce. */
struct proto_limits {
    uint32_t mc_item_max;   /* -I: largest value of memcached's commands */
    uint32_t resp_bulk_max; /* proto-max-bulk-len */
    uint32_t resp_args_max; /* arguments of one request */
    uint64_t resp_size_max; /* bytes of one request; 0: no limit */
    uint32_t inline_max;    /* bytes of a line */
};
