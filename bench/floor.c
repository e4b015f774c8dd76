/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * floor.c - what the kernel alone costs: a server that parses nothing. For each ready connection
 * one read and one write, for all that are ready together one epoll_wait. It knows the length of a
 * request and answers each with the same bytes, so bytes received say how many replies are owed:
 *
 *     replies  RRRR|RRRR|RRRR|RRRR|...         the reply again and again, made once
 *                     ^ next byte of a peer that is still owed so many bytes: a multiple of the
 *                       reply's length, less what has been sent
 *
 * bench/compare measures servers against it: what they cost beyond this is their own.
 * Threads: one. Ends with SIGTERM.
 */
#include "lib/check.h"
#include "lib/compiler.h"
#include "lib/num.h"
#include "lib/slice.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (64 * 1024)
#define EVENTS 256
#define VALUE_BYTES 100
#define USAGE_EXIT 2

/* Ten bytes of a value; ten of these make the built-in one. */
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define KEY "key:00000000"

/* Requests with a 12-byte key and a 100-byte value; only the length of the request counts. */
static const struct {
    const char *name;
    struct slice request, reply;
} kinds[] = {
    {"get-text", SLICE_LIT("get " KEY "\r\n"),
     SLICE_LIT("VALUE " KEY " 0 100\r\n" X100 "\r\nEND\r\n")},
    {"set-text", SLICE_LIT("set " KEY " 0 0 100\r\n" X100 "\r\n"), SLICE_LIT("STORED\r\n")},
    {"get-resp", SLICE_LIT("*2\r\n$3\r\nGET\r\n$12\r\n" KEY "\r\n"),
     SLICE_LIT("$100\r\n" X100 "\r\n")},
    {"set-resp", SLICE_LIT("*3\r\n$3\r\nSET\r\n$12\r\n" KEY "\r\n$100\r\n" X100 "\r\n"),
     SLICE_LIT("+OK\r\n")},
};

struct peer {
    size_t unread; /* bytes of a request that has not come in whole */
    size_t owed;   /* bytes of replies that are not sent yet */
    bool behind;   /* watched for room in its socket, not for requests */
};

struct floor {
    int port;
    size_t request_bytes;
    struct slice reply;
    char *replies; /* of one full read, and one more */
    size_t replies_bytes;
    int epoll_fd, listen_fd;
    struct peer *peers; /* by file descriptor */
};

static void fail(const char *text)
{
    fprintf(stderr, "floor: %s%s%s\n", text, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static void watch(const struct floor *f, int op, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    MUST(epoll_ctl(f->epoll_fd, op, fd, &event));
}

static void greet(const struct floor *f)
{
    int on = 1, fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK);

    if (fd < 0)
        return;
    MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    f->peers[fd] = (struct peer){0};
    watch(f, EPOLL_CTL_ADD, fd, EPOLLIN);
}

/* Send what is owed. A peer that does not take it all is read no more until it does. */
static void pay(const struct floor *f, int fd)
{
    struct peer *peer = &f->peers[fd];
    size_t at = (f->reply.len - peer->owed % f->reply.len) % f->reply.len;
    size_t n = f->replies_bytes - at < peer->owed ? f->replies_bytes - at : peer->owed;
    ssize_t sent = send(fd, f->replies + at, n, MSG_NOSIGNAL);

    if (sent > 0)
        peer->owed -= (size_t)sent;
    if ((peer->owed > 0) == peer->behind)
        return;
    peer->behind = peer->owed > 0;
    watch(f, EPOLL_CTL_MOD, fd, peer->behind ? EPOLLOUT : EPOLLIN);
}

static void serve(const struct floor *f, int fd)
{
    static char buf[READ_BYTES];
    struct peer *peer = &f->peers[fd];
    ssize_t n = recv(fd, buf, sizeof(buf), 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(fd);
        return;
    }
    peer->unread += (size_t)n;
    peer->owed += peer->unread / f->request_bytes * f->reply.len;
    peer->unread %= f->request_bytes;
    if (peer->owed)
        pay(f, fd);
}

static void run(const struct floor *f)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(f->epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == f->listen_fd)
                greet(f);
            else if (events[i].events & EPOLLOUT)
                pay(f, fd);
            else
                serve(f, fd);
        }
    }
}

/* Tell the port as memcached does, in a file that is complete when it appears. */
static void tell_port(int port)
{
    const char *path = getenv("MEMCACHED_PORT_FILENAME");
    char temporary[4096];
    FILE *file;

    printf("%d\n", port);
    fflush(stdout);
    if (!path)
        return;
    snprintf(temporary, sizeof(temporary), "%s.lock", path);
    file = fopen(temporary, "w");
    if (!file || fprintf(file, "TCP INET: %d\n", port) < 0 || fclose(file) != 0 ||
        rename(temporary, path) != 0)
        fail(path);
}

static void listen_on(struct floor *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    socklen_t len = sizeof(address);
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->epoll_fd = epoll_create1(0);
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (f->epoll_fd < 0 || f->listen_fd < 0 ||
        setsockopt(f->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(f->listen_fd, SOMAXCONN) != 0 ||
        getsockname(f->listen_fd, (struct sockaddr *)&address, &len) != 0)
        fail("cannot listen");
    watch(f, EPOLL_CTL_ADD, f->listen_fd, EPOLLIN);
    tell_port(ntohs(address.sin_port));
}

static void make_room(struct floor *f)
{
    struct rlimit files;
    size_t count = READ_BYTES / f->request_bytes + 2;

    MUST(getrlimit(RLIMIT_NOFILE, &files));
    files.rlim_cur = files.rlim_max;
    MUST(setrlimit(RLIMIT_NOFILE, &files));
    f->peers = calloc(files.rlim_cur, sizeof(*f->peers));
    f->replies_bytes = count * f->reply.len;
    f->replies = malloc(f->replies_bytes);
    if (!f->peers || !f->replies)
        fail("no memory");
    for (size_t i = 0; i < count; i++)
        memcpy(f->replies + i * f->reply.len, f->reply.p, f->reply.len);
}

static struct slice read_file(const char *path)
{
    static char content[1024 * 1024];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(content, 1, sizeof(content), file) : 0;

    if (len == 0)
        fail(path);
    fclose(file);
    return slice_of(content, len);
}

static bool choose_kind(struct floor *f, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        f->request_bytes = kinds[i].request.len;
        f->reply = kinds[i].reply;
        return true;
    }
    return false;
}

static void usage(FILE *out, int status)
{
    fputs(
        "floor: a server that parses nothing and answers from a constant\n"
        "\n"
        "  --kind NAME          get-text, set-text, get-resp or set-resp: 12-byte key, 100-byte\n"
        "                       value (get-text)\n"
        "  --request-bytes N    instead: every request is N bytes long ...\n"
        "  --reply-file PATH    ... and is answered with this file's content\n"
        "  --port N             on 127.0.0.1 (0: a free one, which is printed, and written to the\n"
        "                       file that MEMCACHED_PORT_FILENAME names)\n"
        "  --help\n",
        out);
    exit(status);
}

static void parse(struct floor *f, int argc, char **argv)
{
    static const struct option table[] = {
        {"kind", required_argument, NULL, 'k'},
        {"request-bytes", required_argument, NULL, 'r'},
        {"reply-file", required_argument, NULL, 'f'},
        {"port", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    uint64_t number;

    choose_kind(f, "get-text");
    for (;;) {
        switch (getopt_long(argc, argv, "", table, NULL)) {
        case -1:
            if (optind < argc)
                usage(stderr, USAGE_EXIT);
            return;
        case 'k':
            if (!choose_kind(f, optarg))
                usage(stderr, USAGE_EXIT);
            break;
        case 'r':
            if (!num_parse_u64(slice_str(optarg), &number) || number == 0 || number > READ_BYTES)
                usage(stderr, USAGE_EXIT);
            f->request_bytes = number;
            break;
        case 'f': f->reply = read_file(optarg); break;
        case 'p':
            if (!num_parse_u64(slice_str(optarg), &number) || number > 65535)
                usage(stderr, USAGE_EXIT);
            f->port = (int)number;
            break;
        case 'h': usage(stdout, 0); break;
        default: usage(stderr, USAGE_EXIT);
        }
    }
}

/* The default action would do, but it tells a test harness "killed". */
static void end(int number)
{
    (void)number;
    _exit(0);
}

int main(int argc, char **argv)
{
    struct floor f = {0};

    parse(&f, argc, argv);
    signal(SIGTERM, end);
    signal(SIGINT, end);
    make_room(&f);
    listen_on(&f);
    run(&f);
}
