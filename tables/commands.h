/* COMMAND(id, name, protocol, arity, first, last, step, flags, handler, group, summary, reply)
 *
 * name      lower case
 * protocol  MC or RESP
 * arity     arguments with the name; negative: at least that many
 * first, last, step  where the keys are; 0: no key; last < 0 counts from the end
 * flags     CMD_ bits of proto/command.h
 * handler   cmd_<handler> in a server/cmd_*.c
 * reply     what it answers, for the reference */

/* ---- memcached, classic ---- */
COMMAND(MC_GET, "get", MC, -2, 1, -1, 1, CMD_READ | CMD_FAST, mc_get, "memcached", "Values of one or more keys", "VALUE key flags bytes, data; END")

/* ---- memcached, meta ---- */

/* ---- RESP: strings ---- */
COMMAND(GET, "get", RESP, 2, 1, 1, 1, CMD_READ | CMD_FAST, resp_get, "string", "Value of a key", "bulk string, or null")

/* ---- RESP: keys ---- */

/* ---- RESP: connection and server ---- */
