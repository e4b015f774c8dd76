/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command.c - the rows, and finding one by name. The look-up table is open-addressed, keyed by protocol
 * and folded name, and filled at load time from the rows, before any thread exists.
 */
#include "proto/command.h"

#include "lib/check.h"

#define NAME_MAX_LEN 24
/* A power of two, several times the rows: a look-up is one probe nearly always. */
#define TABLE_SIZE 1024

const struct command commands[COMMANDS] = {
#define COMMAND(id_, name_, proto_, arity_, first, last, step, flags_, handler, group_, summary_,  \
                reply_)                                                                            \
    [CMD_##id_] = {.id = CMD_##id_,                                                                \
                   .proto = PROTO_##proto_,                                                        \
                   .arity = (arity_),                                                              \
                   .first_key = (first),                                                           \
                   .last_key = (last),                                                             \
                   .key_step = (step),                                                             \
                   .flags = (flags_),                                                              \
                   .name = {(name_), sizeof(name_) - 1},                                           \
                   .group = (group_),                                                              \
                   .summary = (summary_),                                                          \
                   .reply = (reply_)},
#include "tables/commands.h"
#undef COMMAND
};

static const struct command *table[TABLE_SIZE];

/* Eight bytes at a time, zero padded, letters folded by their 0x20 bit: other bytes that fold
 * together are told apart by the compare that follows. */
static uint32_t name_hash(enum protocol proto, struct slice name)
{
    uint64_t h = proto + name.len;

    for (size_t i = 0; i < name.len; i += 8) {
        uint64_t w = 0;
        size_t n = name.len - i < 8 ? name.len - i : 8;

        memcpy(&w, name.p + i, n);
        h = (h ^ (w | 0x2020202020202020u)) * 0x9E3779B97F4A7C15u;
    }
    return (uint32_t)(h >> 40);
}

__attribute__((constructor)) static void fill_table(void)
{
    _Static_assert(COMMANDS * 4 <= TABLE_SIZE * 2, "the table is meant to be sparse");
    for (unsigned i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        uint32_t at = name_hash(c->proto, c->name);

        CHECK(c->name.len <= NAME_MAX_LEN);
        while (table[at & (TABLE_SIZE - 1)])
            at++;
        table[at & (TABLE_SIZE - 1)] = c;
    }
}

const struct command *command_find(enum protocol proto, struct slice name)
{
    const struct command *c;

    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return NULL;
    for (uint32_t at = name_hash(proto, name); (c = table[at & (TABLE_SIZE - 1)]); at++) {
        if (c->proto != proto)
            continue;
        if (proto == PROTO_MC ? slice_equal(c->name, name) : slice_equal_nocase(c->name, name))
            return c;
    }
    return NULL;
}
