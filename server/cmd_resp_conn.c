/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_resp_conn.c - RESP commands about the connection: HELLO, AUTH, PING, SELECT, CLIENT and the like. */
#include "server/resp_util.h"

#include "server/config.h"
#include "server/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- names ---- */

/* Redis takes only what shows as one word in CLIENT LIST. */
static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < '!' || s.p[i] > '~')
            return false;
    return true;
}

/* Set or, with an empty text, clear one of the connection's names. False: no memory; answered. */
static bool set_name(struct worker *w, struct conn *c, size_t field, struct slice text)
{
    char **name, *copy = NULL;

    if (!c->names)
        c->names = calloc(1, sizeof(*c->names));
    if (text.len > 0)
        copy = strndup(text.p, text.len);
    if (!c->names || (text.len > 0 && !copy)) {
        free(copy);
        resp_error(&w->out, ERR_NO_MEMORY);
        return false;
    }
    name = (char **)((char *)c->names + field);
    free(*name);
    *name = copy;
    return true;
}

static bool set_client_name(struct worker *w, struct conn *c, struct slice text)
{
    if (!is_plain(text)) {
        resp_error(&w->out, ERR_CLIENT_NAME);
        return false;
    }
    return set_name(w, c, offsetof(struct conn_names, name), text);
}

/* ---- opening and closing ---- */

/* There is no password: the one user that exists is let in with any. False: answered. */
static bool authenticate(struct worker *w, struct slice user)
{
    if (slice_equal(user, SLICE_LIT("default")))
        return true;
    resp_error(&w->out, ERR_AUTH_WRONG);
    return false;
}

void cmd_resp_auth(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    if (r->argc > 3)
        resp_error(&w->out, ERR_SYNTAX);
    else if (r->argc == 2)
        resp_error(&w->out, ERR_AUTH_UNUSED);
    else if (authenticate(w, r->argv[1]))
        resp_ok(&w->out);
}

/* HELLO's options behind the version; false: answered. */
static bool hello_options(struct worker *w, struct conn *c, const struct request *r)
{
    for (uint32_t i = 2; i < r->argc; i++) {
        uint32_t more = r->argc - 1 - i;

        if (resp_is(r->argv[i], "AUTH") && more >= 2) {
            if (!authenticate(w, r->argv[i + 1]))
                return false;
            i += 2;
        } else if (resp_is(r->argv[i], "SETNAME") && more >= 1) {
            if (!set_client_name(w, c, r->argv[i + 1]))
                return false;
            i++;
        } else {
            resp_error_about(&w->out, ERR_HELLO_OPTION, r->argv[i], slice_of(NULL, 0));
            return false;
        }
    }
    return true;
}

static void text_pair(struct out *o, struct slice name, struct slice value)
{
    resp_bulk(o, name);
    resp_bulk(o, value);
}

void cmd_resp_hello(struct worker *w, struct conn *c, struct request *r)
{
    struct out *o = &w->out;
    int64_t version = c->resp_version;

    if (r->argc >= 2 && !resp_integer(r->argv[1], &version)) {
        resp_error(o, ERR_PROTO_VERSION);
        return;
    }
    if (version < 2 || version > 3) {
        resp_error(o, ERR_NOPROTO);
        return;
    }
    if (!hello_options(w, c, r))
        return;
    c->resp_version = (uint8_t)version;
    resp_map(o, c->resp_version, 7);
    text_pair(o, SLICE_LIT("server"), SLICE_LIT("redis")); /* clients choose features by it */
    text_pair(o, SLICE_LIT("version"), SLICE_LIT(RESP_REDIS_VERSION));
    resp_bulk(o, SLICE_LIT("proto"));
    resp_int(o, version);
    resp_bulk(o, SLICE_LIT("id"));
    resp_int(o, (int64_t)c->id);
    text_pair(o, SLICE_LIT("mode"), SLICE_LIT("standalone"));
    text_pair(o, SLICE_LIT("role"), SLICE_LIT("master"));
    resp_bulk(o, SLICE_LIT("modules"));
    resp_array(o, 0);
}

void cmd_resp_quit(struct worker *w, struct conn *c, struct request *r)
{
    (void)r;
    resp_ok(&w->out);
    c->closing = true;
}

void cmd_resp_reset(struct worker *w, struct conn *c, struct request *r)
{
    (void)r;
    c->db = 0;
    c->resp_version = 2;
    if (c->names) {
        free(c->names->name);
        c->names->name = NULL;
    }
    OUT_LIT(&w->out, "+RESET\r\n");
}

/* ---- small talk ---- */

void cmd_resp_ping(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    if (r->argc > 2)
        resp_arity_error(w, r);
    else if (r->argc == 2)
        resp_bulk(&w->out, r->argv[1]);
    else
        OUT_LIT(&w->out, "+PONG\r\n");
}

void cmd_resp_echo(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    resp_bulk(&w->out, r->argv[1]);
}

void cmd_resp_select(struct worker *w, struct conn *c, struct request *r)
{
    int64_t db;

    if (!resp_int_arg(w, r->argv[1], &db))
        return;
    if (db < INT32_MIN || db > INT32_MAX) {
        resp_error(&w->out, ERR_INTEGER_RANGE);
    } else if (db < 0 || db >= w->config->databases) {
        resp_error(&w->out, ERR_DB_INDEX);
    } else {
        c->db = (uint8_t)db;
        resp_ok(&w->out);
    }
}

/* ---- CLIENT ---- */

void cmd_resp_client_id(struct worker *w, struct conn *c, struct request *r)
{
    (void)r;
    resp_int(&w->out, (int64_t)c->id);
}

void cmd_resp_client_setname(struct worker *w, struct conn *c, struct request *r)
{
    if (set_client_name(w, c, r->argv[2]))
        resp_ok(&w->out);
}

void cmd_resp_client_getname(struct worker *w, struct conn *c, struct request *r)
{
    (void)r;
    if (c->names && c->names->name)
        resp_bulk(&w->out, slice_str(c->names->name));
    else
        resp_null(&w->out, c->resp_version);
}

void cmd_resp_client_setinfo(struct worker *w, struct conn *c, struct request *r)
{
    struct slice option = r->argv[2];
    size_t field;

    if (resp_is(option, "lib-name")) {
        field = offsetof(struct conn_names, lib_name);
    } else if (resp_is(option, "lib-ver")) {
        field = offsetof(struct conn_names, lib_version);
    } else {
        resp_error_about(&w->out, ERR_CLIENT_OPTION, option, slice_of(NULL, 0));
        return;
    }
    if (!is_plain(r->argv[3]))
        resp_error_about(&w->out, ERR_CLIENT_INFO, option, slice_of(NULL, 0));
    else if (set_name(w, c, field, r->argv[3]))
        resp_ok(&w->out);
}

/* "address:port" of one end of the connection; Redis shows a Unix socket as ":0" behind its path. */
static void print_end(struct text *t, const char *name, const struct conn *c,
                      int (*end)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char address[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&ss;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&ss;

    if (end(c->io.fd, (struct sockaddr *)&ss, &len) != 0) {
        text_printf(t, " %s=?:0", name);
    } else if (ss.ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, address, sizeof(address));
        text_printf(t, " %s=%s:%u", name, address, ntohs(v4->sin_port));
    } else if (ss.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof(address));
        text_printf(t, " %s=[%s]:%u", name, address, ntohs(v6->sin6_port));
    }
}

static const char *name_or_nothing(const char *name)
{
    return name ? name : "";
}

void cmd_resp_client_info(struct worker *w, struct conn *c, struct request *r)
{
    static const struct conn_names none;
    const struct conn_names *names = c->names ? c->names : &none;
    struct text t;

    (void)r;
    text_init(&t);
    text_printf(&t, "id=%llu", (unsigned long long)c->id);
    if (c->is_unix) {
        text_printf(&t, " addr=%s:0 laddr=%s:0", w->config->unixsocket, w->config->unixsocket);
    } else {
        print_end(&t, "addr", c, getpeername);
        print_end(&t, "laddr", c, getsockname);
    }
    text_printf(&t, " fd=%d name=%s age=%lld idle=%lld flags=%s db=%u", c->io.fd,
                name_or_nothing(names->name), (long long)(w->now_ms - c->created_ms) / 1000,
                (long long)(w->now_ms - c->active_ms) / 1000, c->is_unix ? "U" : "N", c->db);
    /* Clients parse the line and miss what is not there, so each of Redis's fields is. */
    text_printf(&t, " sub=0 psub=0 ssub=0 multi=-1 qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=0",
                c->in_len, c->in_room - c->in_len);
    text_printf(&t, " rbs=0 rbp=0 obl=0 oll=%d omem=%zu tot-mem=%zu events=r", c->pending != NULL,
                c->pending_bytes, sizeof(*c) + c->in_room + c->pending_bytes);
    text_printf(&t, " cmd=client|info user=default redir=-1 resp=%u lib-name=%s lib-ver=%s\n",
                c->resp_version, name_or_nothing(names->lib_name),
                name_or_nothing(names->lib_version));
    if (t.failed)
        resp_error(&w->out, ERR_NO_MEMORY);
    else
        resp_verbatim(&w->out, c->resp_version, "txt", text_slice(&t));
    text_fini(&t);
}
