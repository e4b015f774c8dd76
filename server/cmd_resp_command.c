/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_resp_command.c - COMMAND, and the containers: commands whose first argument names the command
 * (CLIENT ID, CONFIG GET). A subcommand is a row of its own, "client|id".
 */
#include "server/resp_util.h"

#include "lib/glob.h"
#include "server/text.h"

#define NAME_MAX_LEN 32

static bool is_listed(const struct command *cmd)
{
    return cmd->proto == PROTO_RESP && !(cmd->flags & CMD_SUB);
}

/* Is `cmd` a subcommand of the container? */
static bool is_sub_of(const struct command *cmd, const struct command *container)
{
    return (cmd->flags & CMD_SUB) && cmd->name.len > container->name.len + 1 &&
           cmd->name.p[container->name.len] == '|' &&
           memcmp(cmd->name.p, container->name.p, container->name.len) == 0;
}

static size_t count_subs(const struct command *container)
{
    size_t n = 0;

    for (unsigned i = 0; i < COMMANDS; i++)
        n += is_sub_of(&commands[i], container);
    return n;
}

static size_t count_listed(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < COMMANDS; i++)
        n += is_listed(&commands[i]);
    return n;
}

/* ---- containers ---- */

/* A name in capitals, as Redis shows it in help and errors; names have at most NAME_MAX_LEN bytes. */
static struct slice upper(char dst[NAME_MAX_LEN], struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        dst[i] = s.p[i] >= 'a' && s.p[i] <= 'z' ? (char)(s.p[i] - ('a' - 'A')) : s.p[i];
    return slice_of(dst, s.len);
}

static void help_line(struct out *o, const char *before, struct slice text, const char *behind)
{
    out_char(o, '+');
    out_slice(o, slice_str(before));
    out_slice(o, text);
    out_slice(o, slice_str(behind));
    OUT_LIT(o, "\r\n");
}

static void help(struct worker *w, const struct command *container)
{
    struct out *o = &w->out;
    size_t skip = container->name.len + 1;
    char name[NAME_MAX_LEN];

    resp_array(o, 3 + 2 * count_subs(container));
    help_line(o, "", upper(name, container->name),
              " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct slice full = commands[i].name;

        if (!is_sub_of(&commands[i], container))
            continue;
        help_line(o, "", upper(name, slice_of(full.p + skip, full.len - skip)), "");
        help_line(o, "    ", slice_str(commands[i].summary), ".");
    }
    help_line(o, "HELP", slice_of("", 0), "");
    help_line(o, "    Prints this help.", slice_of("", 0), "");
}

/* The row of a container's subcommand, or NULL. */
static const struct command *find_sub(const struct command *container, struct slice sub)
{
    char full[NAME_MAX_LEN];
    size_t n = container->name.len;

    if (n + 1 + sub.len > sizeof(full))
        return NULL;
    memcpy(full, container->name.p, n);
    full[n] = '|';
    memcpy(full + n + 1, sub.p, sub.len);
    return command_find(PROTO_RESP, slice_of(full, n + 1 + sub.len));
}

static bool arity_fits(const struct command *cmd, uint32_t argc)
{
    return cmd->arity >= 0 ? argc == (uint32_t)cmd->arity : argc >= (uint32_t)-cmd->arity;
}

/* CLIENT, CONFIG, and COMMAND with an argument: run the subcommand's own handler. */
void cmd_resp_container(struct worker *w, struct conn *c, struct request *r)
{
    const struct command *sub = find_sub(r->cmd, r->argv[1]);
    char name[NAME_MAX_LEN];

    if (sub) {
        r->cmd = sub;
        if (arity_fits(sub, r->argc))
            command_handlers[sub->id](w, c, r);
        else
            resp_arity_error(w, r);
    } else if (r->argc == 2 && resp_is(r->argv[1], "HELP")) {
        help(w, r->cmd);
    } else {
        struct slice shown = r->argv[1];

        shown.len = shown.len < 128 ? shown.len : 128;
        resp_error_about(&w->out, ERR_SUBCOMMAND, shown, upper(name, r->cmd->name));
    }
}

/* ---- COMMAND INFO ---- */

struct flag_name {
    unsigned flag;
    struct slice name;
};

static void flag_set(struct out *o, unsigned version, const struct flag_name *names, unsigned n,
                     unsigned flags)
{
    size_t count = 0;

    for (unsigned i = 0; i < n; i++)
        count += (flags & names[i].flag) != 0;
    resp_set(o, version, count);
    for (unsigned i = 0; i < n; i++)
        if (flags & names[i].flag)
            resp_simple(o, names[i].name);
}

static void command_flags(struct out *o, unsigned version, const struct command *cmd)
{
    static const struct flag_name names[] = {
        {CMD_WRITE, {"write", 5}}, {CMD_READ, {"readonly", 8}}, {CMD_GROWS, {"denyoom", 7}},
        {CMD_ADMIN, {"admin", 5}}, {CMD_FAST, {"fast", 4}},
    };

    flag_set(o, version, names, ARRAY_LEN(names), cmd->flags);
}

static void command_categories(struct out *o, unsigned version, const struct command *cmd)
{
    static const struct flag_name names[] = {
        {CMD_WRITE, {"@write", 6}}, {CMD_READ, {"@read", 5}},
        {CMD_ADMIN, {"@admin", 6}}, {CMD_CONNECTION, {"@connection", 11}},
        {CMD_FAST, {"@fast", 5}},
    };
    bool is_string = strcmp(cmd->group, "string") == 0, is_key = strcmp(cmd->group, "generic") == 0;
    size_t count = 0;

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        count += (cmd->flags & names[i].flag) != 0;
    resp_set(o, version, count + is_string + is_key + !(cmd->flags & CMD_FAST));
    if (is_key)
        resp_simple(o, SLICE_LIT("@keyspace"));
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (cmd->flags & names[i].flag)
            resp_simple(o, names[i].name);
    if (is_string)
        resp_simple(o, SLICE_LIT("@string"));
    if (!(cmd->flags & CMD_FAST))
        resp_simple(o, SLICE_LIT("@slow"));
}

/* Redis 7's description of where the keys are; ours are all in one range. */
static void key_spec(struct out *o, unsigned version, const struct command *cmd)
{
    bool writes = cmd->flags & CMD_WRITE;

    resp_array(o, cmd->first_key ? 1 : 0);
    if (!cmd->first_key)
        return;
    resp_map(o, version, 3);
    resp_bulk(o, SLICE_LIT("flags"));
    resp_set(o, version, 2);
    resp_simple(o, writes ? SLICE_LIT("RW") : SLICE_LIT("RO"));
    resp_simple(o, writes ? SLICE_LIT("update") : SLICE_LIT("access"));
    resp_bulk(o, SLICE_LIT("begin_search"));
    resp_map(o, version, 2);
    resp_bulk(o, SLICE_LIT("type"));
    resp_bulk(o, SLICE_LIT("index"));
    resp_bulk(o, SLICE_LIT("spec"));
    resp_map(o, version, 1);
    resp_bulk(o, SLICE_LIT("index"));
    resp_int(o, cmd->first_key);
    resp_bulk(o, SLICE_LIT("find_keys"));
    resp_map(o, version, 2);
    resp_bulk(o, SLICE_LIT("type"));
    resp_bulk(o, SLICE_LIT("range"));
    resp_bulk(o, SLICE_LIT("spec"));
    resp_map(o, version, 3);
    resp_bulk(o, SLICE_LIT("lastkey"));
    resp_int(o, cmd->last_key < 0 ? cmd->last_key : cmd->last_key - cmd->first_key);
    resp_bulk(o, SLICE_LIT("keystep"));
    resp_int(o, cmd->key_step);
    resp_bulk(o, SLICE_LIT("limit"));
    resp_int(o, 0);
}

/* Everything but the subcommands. */
static void command_fields(struct out *o, unsigned version, const struct command *cmd)
{
    resp_array(o, 10);
    resp_bulk(o, cmd->name);
    resp_int(o, cmd->arity);
    command_flags(o, version, cmd);
    resp_int(o, cmd->first_key);
    resp_int(o, cmd->last_key);
    resp_int(o, cmd->key_step);
    command_categories(o, version, cmd);
    resp_array(o, 0); /* tips */
    key_spec(o, version, cmd);
}

static void command_info(struct out *o, unsigned version, const struct command *cmd)
{
    command_fields(o, version, cmd);
    resp_array(o, count_subs(cmd));
    for (unsigned i = 0; i < COMMANDS; i++)
        if (is_sub_of(&commands[i], cmd)) {
            command_fields(o, version, &commands[i]);
            resp_array(o, 0);
        }
}

static void all_info(struct worker *w, const struct conn *c)
{
    resp_array(&w->out, count_listed());
    for (unsigned i = 0; i < COMMANDS; i++)
        if (is_listed(&commands[i]))
            command_info(&w->out, c->resp_version, &commands[i]);
}

void cmd_resp_command(struct worker *w, struct conn *c, struct request *r)
{
    if (r->argc == 1)
        all_info(w, c);
    else
        cmd_resp_container(w, c, r);
}

void cmd_resp_command_info(struct worker *w, struct conn *c, struct request *r)
{
    if (r->argc == 2) {
        all_info(w, c);
        return;
    }
    resp_array(&w->out, r->argc - 2);
    for (uint32_t i = 2; i < r->argc; i++) {
        const struct command *cmd = command_find(PROTO_RESP, r->argv[i]);

        if (cmd)
            command_info(&w->out, c->resp_version, cmd);
        else
            resp_null_array(&w->out, c->resp_version);
    }
}

/* ---- COMMAND DOCS, COUNT, LIST, GETKEYS ---- */

static void text_field(struct out *o, struct slice name, const char *value)
{
    resp_bulk(o, name);
    resp_bulk(o, slice_str(value));
}

static void command_docs(struct out *o, unsigned version, const struct command *cmd)
{
    size_t subs = count_subs(cmd);

    resp_bulk(o, cmd->name);
    resp_map(o, version, 3 + (subs > 0));
    text_field(o, SLICE_LIT("summary"), cmd->summary);
    text_field(o, SLICE_LIT("since"), "1.0.0");
    text_field(o, SLICE_LIT("group"), cmd->group);
    if (subs == 0)
        return;
    resp_bulk(o, SLICE_LIT("subcommands"));
    resp_map(o, version, subs);
    for (unsigned i = 0; i < COMMANDS; i++)
        if (is_sub_of(&commands[i], cmd))
            command_docs(o, version, &commands[i]);
}

void cmd_resp_command_docs(struct worker *w, struct conn *c, struct request *r)
{
    struct out *o = &w->out;
    size_t known = 0;

    if (r->argc == 2) {
        resp_map(o, c->resp_version, count_listed());
        for (unsigned i = 0; i < COMMANDS; i++)
            if (is_listed(&commands[i]))
                command_docs(o, c->resp_version, &commands[i]);
        return;
    }
    for (uint32_t i = 2; i < r->argc; i++)
        known += command_find(PROTO_RESP, r->argv[i]) != NULL;
    resp_map(o, c->resp_version, known);
    for (uint32_t i = 2; i < r->argc; i++) {
        const struct command *cmd = command_find(PROTO_RESP, r->argv[i]);

        if (cmd)
            command_docs(o, c->resp_version, cmd);
    }
}

void cmd_resp_command_count(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    (void)r;
    resp_int(&w->out, (int64_t)count_listed());
}

/* Subcommands are listed too, as in Redis, but only where a pattern asks for them. */
void cmd_resp_command_list(struct worker *w, struct conn *c, struct request *r)
{
    struct slice pattern = SLICE_LIT("*");
    bool with_subs = r->argc == 5;
    size_t n = 0;

    if (r->argc == 5 && resp_is(r->argv[2], "FILTERBY") && resp_is(r->argv[3], "PATTERN")) {
        pattern = r->argv[4];
    } else if (r->argc != 2) {
        resp_error(&w->out, ERR_SYNTAX);
        return;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < COMMANDS; i++) {
            const struct command *cmd = &commands[i];

            if (cmd->proto != PROTO_RESP || (!with_subs && (cmd->flags & CMD_SUB)) ||
                !glob_match(pattern, cmd->name, true))
                continue;
            if (pass == 0)
                n++;
            else
                resp_bulk(&w->out, cmd->name);
        }
        if (pass == 0)
            resp_set(&w->out, c->resp_version, n);
    }
}

void cmd_resp_command_getkeys(struct worker *w, struct conn *c, struct request *r)
{
    const struct command *cmd = command_find(PROTO_RESP, r->argv[2]);
    uint32_t argc = r->argc - 2, last;

    (void)c;
    if (!cmd || (cmd->flags & CMD_SUB)) {
        resp_error(&w->out, ERR_GETKEYS_COMMAND);
        return;
    }
    if (!cmd->first_key) {
        resp_error(&w->out, ERR_GETKEYS_NONE);
        return;
    }
    if (!arity_fits(cmd, argc)) {
        resp_error(&w->out, ERR_GETKEYS_ARGS);
        return;
    }
    last = cmd->last_key < 0 ? argc + (uint32_t)cmd->last_key : (uint32_t)cmd->last_key;
    resp_array(&w->out, (last - (uint32_t)cmd->first_key) / (uint32_t)cmd->key_step + 1);
    for (uint32_t i = (uint32_t)cmd->first_key; i <= last; i += (uint32_t)cmd->key_step)
        resp_bulk(&w->out, r->argv[2 + i]);
}
