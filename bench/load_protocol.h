/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load_protocol.h - the bytes of a GET and a SET in each protocol, and the check of what comes
 * back. Pure: no sockets.
 *
 * A reply is either a single line, or a line followed by a body:
 *
 *               GET, found                               GET, absent   SET
 *     text      VALUE key 0 100\r\n <value> \r\nEND\r\n  END\r\n       STORED\r\n
 *     meta      VA 100\r\n <value> \r\n                  EN\r\n        HD\r\n
 *     resp      $100\r\n <value> \r\n                    $-1\r\n       +OK\r\n
 *
 * Since a key's value is known (load_data.h), the whole reply is known beforehand, and checking is
 * comparing; nothing is parsed. Replies may arrive cut anywhere.
 * Threads: any; a struct load_reply has one owner.
 */
#pragma once
#include "bench/load_data.h"
#include "lib/slice.h"

#include <stdbool.h>

#define LOAD_LINE_MAX 512
/* Room for a request beyond its value. */
#define LOAD_REQUEST_MAX (LOAD_KEY_MAX + 128)

struct load_protocol {
    const char *name;
    /* Write a request to dst, return its end. ttl_s 0: none. */
    char *(*put_get)(const struct load_data *d, char *dst, uint64_t key);
    char *(*put_set)(const struct load_data *d, char *dst, uint64_t key, unsigned ttl_s);
    /* Write the line that comes before the value. */
    char *(*put_hit_line)(const struct load_data *d, char *dst, uint64_t key, size_t value_bytes);
    struct slice hit_end; /* what follows a value */
    struct slice miss;
    struct slice stored;
};

/* The row of this name, or NULL. */
const struct load_protocol *load_protocol_find(const char *name);

enum load_result { LOAD_MORE, LOAD_HIT, LOAD_MISS, LOAD_STORED, LOAD_WRONG };

/* How far a reply has been read. All zero: nothing yet. */
struct load_reply {
    size_t body_done;
    bool in_body;
    unsigned line_len;
    char line[LOAD_LINE_MAX]; /* of a line that was cut, or after LOAD_WRONG what came */
};

struct load_request {
    uint64_t key;
    bool is_set;
};

/* Take the reply to `request` from *p..end, moving *p. LOAD_MORE: all is taken and right so far.
 * After any other result r is ready for the next reply, except after LOAD_WRONG, when the stream is
 * of no further use and r->line holds the beginning of what did not match. */
enum load_result load_reply_check(struct load_reply *r, const struct load_protocol *protocol,
                                  const struct load_data *d, struct load_request request,
                                  const char **p, const char *end);

/* The same by length alone, for servers that answer with constants: every reply is taken to be a
 * hit, or stored, as long as the right one. */
enum load_result load_reply_skip(struct load_reply *r, const struct load_protocol *protocol,
                                 const struct load_data *d, struct load_request request,
                                 const char **p, const char *end);
