/* SPDX-License-Identifier: BSD-3-Clause */
/* handlers.c - the function behind each row of tables/commands.h. */
#include "server/worker.h"

#define COMMAND(id, name, proto, arity, first, last, step, flags, handler, group, summary, reply)  \
    void cmd_##handler(struct worker *w, struct conn *c, struct request *r);
#include "tables/commands.h"
#undef COMMAND

const command_fn command_handlers[COMMANDS] = {
#define COMMAND(id, name, proto, arity, first, last, step, flags, handler, group, summary, reply)  \
    [CMD_##id] = cmd_##handler,
#include "tables/commands.h"
#undef COMMAND
};
