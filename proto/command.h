/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command.h - the rows of tables/commands.h as data: names, arity, where the keys are, flags, prose.
 * proto knows no handlers: the server keeps an array of them by command id.
 */
#pragma once
#include "lib/slice.h"

#include <stdint.h>

enum protocol {
    PROTO_UNKNOWN, /* a connection that has not said anything yet */
    PROTO_MC,
    PROTO_RESP,
};

enum command_id {
#define COMMAND(id, name, proto, arity, first, last, step, flags, handler, group, summary, reply)  \
    CMD_##id,
#include "tables/commands.h"
#undef COMMAND
    COMMANDS
};

enum command_flag {
    CMD_READ = 1,  /* reads keys */
    CMD_WRITE = 2, /* may change keys */
    CMD_GROWS = 4, /* may need memory: refused when a store that does not evict is full */
    CMD_ADMIN = 8,
    CMD_FAST = 16,        /* O(1) or O(log n) */
    CMD_DATA = 32,        /* memcached: a data block follows the line */
    CMD_NOREPLY = 64,     /* memcached: the last argument may be "noreply" */
    CMD_META = 128,       /* memcached: meta command, flags behind the key */
    CMD_CONNECTION = 256, /* about the connection, not the data */
    CMD_SUB = 512,        /* RESP: "container|name", run by its container, never by this name */
};

struct command {
    uint16_t id;
    uint8_t proto; /* enum protocol */
    int8_t arity;  /* arguments with the name; negative: at least that many */
    int8_t first_key, last_key, key_step; /* positions; 0: no key; last < 0 counts from the end */
    uint16_t flags;
    struct slice name; /* lower case */
    const char *group, *summary, *reply;
};

/* All rows, by id. */
extern const struct command commands[COMMANDS];

/* The row of a name, or NULL. memcached's names are case sensitive (lower case), RESP's are not. */
const struct command *command_find(enum protocol proto, struct slice name);
