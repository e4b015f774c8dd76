/* SPDX-License-Identifier: BSD-3-Clause */
/* listen.c - opening, accepting, refusing. */
#include "server/listen.h"

#include "lib/check.h"
#include "lib/slice.h"
#include "server/log.h"
#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_PER_EVENT 256 /* so that signals and timers get their turn in a flood */
#define PAUSE_S 0.1           /* without descriptors, before accepting again */

struct listener {
    struct listener *next;
    ev_io io;
    enum protocol protocol;
    bool is_unix;
    bool ipv6;
    int port;
    char *path; /* of a Unix socket, to unlink */
};

/* ---- opening ---- */

static struct listener *listener_add(struct server *s, int fd, enum protocol protocol)
{
    struct listener *l = calloc(1, sizeof(*l));

    CHECK(l); /* at start */
    l->io.fd = fd;
    l->protocol = protocol;
    l->next = s->listeners;
    s->listeners = l;
    return l;
}

static int bound_port(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);

    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

static void set_port(const struct addrinfo *ai, int port)
{
    if (ai->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)ai->ai_addr)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)ai->ai_addr)->sin_port = htons((uint16_t)port);
}

static int open_socket(const struct server *s, const struct addrinfo *ai)
{
    int one = 1, err;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, (int)s->config->tcp_backlog) == 0)
        return fd;
    err = errno;
    close(fd);
    errno = err;
    return -1;
}

static const char *protocol_name(enum protocol p)
{
    return p == PROTO_MC ? "memcached" : "RESP";
}

static void warn_if_wide(const char *host, const struct addrinfo *ai)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)ai->ai_addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ai->ai_addr;
    bool loopback = ai->ai_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
                                             : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);

    if (!loopback)
        log_warning("listening on %s, beyond loopback, without a password: "
                    "anyone who reaches it can read and change the cache",
                    host);
}

/* A port of -1 means any free one; the second address then takes the same as the first. */
static enum status open_address(struct server *s, const char *host, int port,
                                enum protocol protocol, int *bound)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    char service[16];
    struct listener *l;
    int fd, err;

    snprintf(service, sizeof(service), "%d", port > 0 ? port : *bound);
    err = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, service, &hints, &list);
    if (err != 0) {
        log_warning("cannot listen on \"%s\": %s", host, gai_strerror(err));
        return BAD;
    }
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        if (port < 0 && *bound)
            set_port(ai, *bound); /* any free one, but the same for all addresses */
        fd = open_socket(s, ai);
        if (fd < 0) {
            log_warning("cannot listen on %s port %s (%s): %s", host, service,
                        protocol_name(protocol), strerror(errno));
            freeaddrinfo(list);
            return IO_FAILED;
        }
        warn_if_wide(host, ai);
        l = listener_add(s, fd, protocol);
        l->ipv6 = ai->ai_family == AF_INET6;
        l->port = bound_port(fd);
        if (*bound == 0)
            *bound = l->port;
        log_notice("listening on %s port %d (%s)", host, l->port, protocol_name(protocol));
    }
    freeaddrinfo(list);
    return OK;
}

/* "host", "host:port", "[v6]:port": memcached's -l may carry a port. */
static void split_address(char *text, char **host, int *port)
{
    char *colon = strrchr(text, ':'), *close = strchr(text, ']');

    *host = text;
    if (text[0] == '[' && close) {
        *host = text + 1;
        *close = '\0';
        if (close[1] == ':')
            *port = atoi(close + 2);
    } else if (colon && colon == strchr(text, ':')) {
        *colon = '\0';
        *port = atoi(colon + 1);
    }
}

static enum status open_tcp(struct server *s, int64_t port, enum protocol protocol, int *bound)
{
    const struct config_list *bind = &s->config->bind;

    *bound = 0;
    if (port == 0)
        return OK;
    for (unsigned i = 0; i < bind->n; i++) {
        bool optional = bind->text[i][0] == '-';
        char text[256], *host;
        int own_port = (int)port;
        enum status st;

        snprintf(text, sizeof(text), "%s", bind->text[i] + optional);
        split_address(text, &host, &own_port);
        if (protocol == PROTO_RESP)
            own_port = (int)port;
        st = open_address(s, host, own_port, protocol, bound);
        if (st != OK && !optional)
            return st;
    }
    if (*bound == 0) {
        log_warning("no address to listen on for %s", protocol_name(protocol));
        return IO_FAILED;
    }
    return OK;
}

static enum status open_unix(struct server *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = s->config->unixsocket;
    struct stat st;
    int fd;

    if (!*path)
        return OK;
    if (strlen(path) >= sizeof(a.sun_path)) {
        log_warning("the path of the Unix socket is longer than %zu bytes: %s",
                    sizeof(a.sun_path) - 1, path);
        return BAD;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    /* A socket that an earlier run left; anything else at that path is not ours to remove. */
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
        chmod(path, (mode_t)s->config->unixsocketperm) != 0 ||
        listen(fd, (int)s->config->tcp_backlog) != 0) {
        log_warning("cannot listen on %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return IO_FAILED;
    }
    listener_add(s, fd, PROTO_MC);
    s->listeners->is_unix = true;
    s->listeners->path = strdup(path);
    log_notice("listening on %s", path);
    return OK;
}

enum status listen_open(struct server *s)
{
    enum status st = open_tcp(s, s->config->memcached_port, PROTO_MC, &s->memcached_port);

    if (st == OK)
        st = open_tcp(s, s->config->resp_port, PROTO_RESP, &s->resp_port);
    if (st == OK)
        st = open_unix(s);
    if (st == OK && !s->listeners) {
        log_warning("nothing to listen on: no port and no Unix socket is configured");
        st = BAD;
    }
    return st;
}

enum status listen_write_ports(const struct server *s)
{
    const char *name = getenv("MEMCACHED_PORT_FILENAME");
    char temporary[4096];
    FILE *f;

    if (!name)
        return OK;
    snprintf(temporary, sizeof(temporary), "%s.lck", name);
    f = fopen(temporary, "we");
    if (!f) {
        log_warning("cannot write the ports to %s: %s", temporary, strerror(errno));
        return IO_FAILED;
    }
    for (const struct listener *l = s->listeners; l; l = l->next)
        if (!l->is_unix)
            fprintf(f, "%s %s: %d\n", l->protocol == PROTO_RESP ? "RESP" : "TCP",
                    l->ipv6 ? "INET6" : "INET", l->port);
    if (fclose(f) != 0 || rename(temporary, name) != 0) {
        log_warning("cannot write the ports to %s: %s", name, strerror(errno));
        return IO_FAILED;
    }
    return OK;
}

/* ---- accepting ---- */

static void pause_accepting(struct server *s)
{
    log_warning("accepting pauses: %s", strerror(errno));
    __atomic_fetch_add(&s->listen_disabled_num, 1, __ATOMIC_RELAXED);
    for (struct listener *l = s->listeners; l; l = l->next)
        ev_io_stop(s->loop, &l->io);
    ev_timer_again(s->loop, &s->accept_again);
}

static void on_accept_again(struct ev_loop *loop, ev_timer *t, int revents)
{
    struct server *s = ev_userdata(loop);

    (void)revents;
    ev_timer_stop(loop, t);
    for (struct listener *l = s->listeners; l; l = l->next)
        ev_io_start(loop, &l->io);
}

static void refuse(struct server *s, const struct listener *l, int fd)
{
    struct slice text = l->protocol == PROTO_RESP
                            ? SLICE_LIT("-ERR max number of clients reached\r\n")
                            : SLICE_LIT("ERROR Too many open connections\r\n");

    __atomic_fetch_add(&s->rejected_connections, 1, __ATOMIC_RELAXED);
    /* The socket is fresh, so that this fits its buffer; if not, the close says it as well. */
    (void)!send(fd, text.p, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static struct worker *least_busy(struct server *s)
{
    struct worker *best = &s->workers[0];

    for (unsigned i = 1; i < s->nworkers; i++)
        if (RELAXED_LOAD(&s->workers[i].nconns) < RELAXED_LOAD(&best->nconns))
            best = &s->workers[i];
    return best;
}

static void set_tcp_options(const struct server *s, int fd)
{
    int idle = (int)RELAXED_LOAD(&s->config->tcp_keepalive);
    int one = 1, step = idle / 3 + 1, count = 3;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (idle == 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof(step));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void on_accept(struct ev_loop *loop, ev_io *io, int revents)
{
    struct server *s = ev_userdata(loop);
    struct listener *l = (struct listener *)((char *)io - offsetof(struct listener, io));

    (void)revents;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(s);
            return; /* EAGAIN, or a peer that gave up: ECONNABORTED and the like */
        }
        if (server_connections(s) >= (unsigned)RELAXED_LOAD(&s->config->maxclients)) {
            refuse(s, l, fd);
            continue;
        }
        if (!l->is_unix)
            set_tcp_options(s, fd);
        if (worker_hand_over(least_busy(s), fd, l->protocol, l->is_unix) != OK) {
            log_warning("connection refused: no memory");
            close(fd);
        }
    }
}

void listen_start(struct server *s)
{
    ev_timer_init(&s->accept_again, on_accept_again, 0., PAUSE_S);
    for (struct listener *l = s->listeners; l; l = l->next) {
        ev_io_init(&l->io, on_accept, l->io.fd, EV_READ);
        ev_io_start(s->loop, &l->io);
    }
}

void listen_close(struct server *s)
{
    ev_timer_stop(s->loop, &s->accept_again);
    while (s->listeners) {
        struct listener *l = s->listeners;

        s->listeners = l->next;
        ev_io_stop(s->loop, &l->io);
        close(l->io.fd);
        if (l->path)
            unlink(l->path);
        free(l->path);
        free(l);
    }
}
