/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load_worker.c - one turn of the loop is one epoll_wait, and for each ready connection one recv,
 * the check of the complete replies in it, and one send of the next batch.
 *
 * The open loop has a schedule: request number n of the whole run is to leave n / rate seconds
 * after its start, on connection n modulo their number. So the moment at which a connection's next
 * request was to leave follows from how many it has sent; no queue is kept. A connection whose
 * pipeline is full sends late, and the wait counts.
 */
#include "bench/load_worker.h"

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES (128 * 1024)
#define EVENTS 128
#define NS_PER_S 1000000000u
/* How long a loop may sleep without a look at the control. */
#define NAP_NS (50 * 1000000u)

struct sent {
    struct load_request request;
    uint64_t start_ns; /* from here its latency counts */
};

struct load_conn {
    int fd; /* -1: lost */
    unsigned in_flight;
    unsigned first;     /* index of the oldest in ring */
    struct sent *ring;  /* max_depth entries */
    uint64_t scheduled; /* requests sent since the schedule began */
    char *unsent;       /* what the socket did not take; NULL: nothing */
    size_t unsent_at, unsent_len;
    struct load_reply reply;
};

static unsigned max_depth(const struct load_options *o)
{
    return o->depth > o->preload_depth ? o->depth : o->preload_depth;
}

/* Only the first message is kept: the others tend to follow from it. */
PRINTF_LIKE(2, 3) static void note(struct load_worker *w, const char *fmt, ...)
{
    va_list args;

    if (w->message[0])
        return;
    va_start(args, fmt);
    vsnprintf(w->message, sizeof(w->message), fmt, args);
    va_end(args);
}

static void conn_lose(struct load_worker *w, struct load_conn *c)
{
    close(c->fd);
    c->fd = -1;
    w->counts.lost++;
    w->counts.unanswered += c->in_flight;
    w->in_flight -= c->in_flight;
    w->alive--;
}

/* ---- the schedule of the open loop ---- */

/* When request `nth` of connection i of this worker is to leave. */
static uint64_t due_ns(const struct load_worker *w, unsigned i, uint64_t nth)
{
    const struct load_options *o = w->options;
    double n = (double)nth * o->connections + (double)i * o->threads + w->index;

    return w->start_ns + (uint64_t)(n / o->rate * NS_PER_S);
}

static bool is_open_loop(const struct load_worker *w)
{
    return w->stage == LOAD_STAGE_RUN && w->options->rate > 0;
}

/* ---- sending ---- */

static struct load_request next_request(struct load_worker *w)
{
    const struct load_options *o = w->options;

    if (w->stage == LOAD_STAGE_PRELOAD)
        return (struct load_request){.key = w->next_key++, .is_set = true};
    return (struct load_request){
        .key = keygen_next(&w->keygen),
        .is_set = o->sets && random_below(&w->random, o->gets + o->sets) >= o->gets,
    };
}

static char *add_request(struct load_worker *w, struct load_conn *c, char *p, uint64_t start_ns)
{
    const struct load_options *o = w->options;
    struct load_request request = next_request(w);
    unsigned slot = c->first + c->in_flight;

    if (slot >= w->depth)
        slot -= w->depth;
    c->ring[slot] = (struct sent){.request = request, .start_ns = start_ns};
    c->in_flight++;
    w->in_flight++;
    w->left--;
    if (request.is_set)
        return o->protocol->put_set(&o->data, p, request.key, o->ttl_s);
    return o->protocol->put_get(&o->data, p, request.key);
}

static void watch(struct load_worker *w, struct load_conn *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    MUST(epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, c->fd, &event));
}

/* Send p..end; what the socket does not take is kept, and leaves when it is writable. */
static void conn_send(struct load_worker *w, struct load_conn *c, const char *p, const char *end)
{
    ssize_t n = send(c->fd, p, (size_t)(end - p), MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN) {
        note(w, "cannot send: %s", strerror(errno));
        conn_lose(w, c);
        return;
    }
    if (n < 0)
        n = 0;
    w->counts.bytes_out += (uint64_t)n;
    if (LIKELY(n == end - p))
        return;
    c->unsent_len = (size_t)(end - p - n);
    c->unsent_at = 0;
    c->unsent = malloc(c->unsent_len);
    if (!c->unsent) {
        note(w, "no memory for what a socket did not take");
        conn_lose(w, c);
        return;
    }
    memcpy(c->unsent, p + n, c->unsent_len);
    watch(w, c, EPOLLIN | EPOLLOUT);
}

static void conn_send_rest(struct load_worker *w, struct load_conn *c)
{
    ssize_t n = send(c->fd, c->unsent + c->unsent_at, c->unsent_len - c->unsent_at,
                     MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0) {
        if (errno == EAGAIN)
            return;
        note(w, "cannot send: %s", strerror(errno));
        conn_lose(w, c);
        return;
    }
    w->counts.bytes_out += (uint64_t)n;
    c->unsent_at += (size_t)n;
    if (c->unsent_at < c->unsent_len)
        return;
    free(c->unsent);
    c->unsent = NULL;
    watch(w, c, EPOLLIN);
}

/* Closed loop: when the last batch has been answered, the next leaves. Open loop: what is due
 * leaves, as far as the pipeline has room. */
static void conn_fill(struct load_worker *w, struct load_conn *c, uint64_t now)
{
    unsigned i = (unsigned)(c - w->conns);
    char *p = w->out;

    if (c->fd < 0 || c->unsent || w->left == 0)
        return;
    if (w->in_flight == 0)
        w->progress_ns = now;
    if (is_open_loop(w)) {
        while (c->in_flight < w->depth && w->left > 0) {
            uint64_t due = due_ns(w, i, c->scheduled);

            if (due > now)
                break;
            c->scheduled++;
            p = add_request(w, c, p, due);
        }
    } else if (c->in_flight == 0) {
        while (c->in_flight < w->depth && w->left > 0)
            p = add_request(w, c, p, now);
    }
    if (p > w->out)
        conn_send(w, c, w->out, p);
}

/* Visit the connections whose next request has become due, in the order of the schedule. Returns
 * when the next will be. */
static uint64_t worker_due(struct load_worker *w, uint64_t now)
{
    while (w->left > 0) {
        unsigned i = (unsigned)(w->step % w->conns_count);
        struct load_conn *c = &w->conns[i];
        uint64_t due = due_ns(w, i, w->step / w->conns_count);

        if (due > now)
            return due;
        w->step++;
        if (c->in_flight < w->depth && due_ns(w, i, c->scheduled) <= now) {
            histogram_record(&w->late_ns, now - due);
            conn_fill(w, c, now);
        }
    }
    return UINT64_MAX;
}

/* ---- receiving ---- */

/* Make bytes from a peer printable. */
static void escape(char *dst, size_t cap, const char *p, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 5 < cap; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c >= ' ' && c < 127 && c != '\\')
            dst[n++] = (char)c;
        else
            n += (size_t)snprintf(dst + n, cap - n, "\\x%02x", c);
    }
    dst[n] = 0;
}

static void conn_wrong(struct load_worker *w, struct load_conn *c, const char *got, size_t len)
{
    const struct load_data *d = &w->options->data;
    char key[LOAD_KEY_MAX + 1], shown[160];
    const char *verb = "nothing";

    key[0] = 0;
    if (c->in_flight) {
        struct load_request request = c->ring[c->first].request;

        verb = request.is_set ? "SET" : "GET";
        *load_data_put_key(d, key, request.key) = 0;
    }
    escape(shown, sizeof(shown), got, len);
    note(w, "wrong reply to %s %s: \"%s\"", verb, key, shown);
    w->counts.wrong++;
    conn_lose(w, c);
}

/* Returns false when the connection is gone. */
static bool conn_take(struct load_worker *w, struct load_conn *c, enum load_result result,
                      uint64_t now)
{
    struct sent *sent = &c->ring[c->first];
    uint64_t latency = now - sent->start_ns;

    switch (result) {
    case LOAD_HIT:
        w->counts.hits++;
        histogram_record(&w->get_ns, latency);
        break;
    case LOAD_MISS:
        if (w->options->require_hits) {
            conn_wrong(w, c, "(a miss)", 8);
            return false;
        }
        w->counts.misses++;
        histogram_record(&w->get_ns, latency);
        break;
    case LOAD_STORED:
        w->counts.stored++;
        histogram_record(&w->set_ns, latency);
        break;
    case LOAD_WRONG: conn_wrong(w, c, c->reply.line, c->reply.line_len); return false;
    case LOAD_MORE: UNREACHABLE();
    }
    if (++c->first == w->depth)
        c->first = 0;
    c->in_flight--;
    w->in_flight--;
    RELAXED_STORE(&w->done, w->done + 1);
    return true;
}

/* One read, and all replies that are complete with it. False when the connection is gone. */
static bool conn_receive(struct load_worker *w, struct load_conn *c)
{
    const struct load_options *o = w->options;
    ssize_t n = recv(c->fd, w->in, READ_BYTES, MSG_DONTWAIT);
    const char *p = w->in, *end = w->in + n;
    uint64_t now = clock_mono_ns();

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0) {
        note(w, "connection lost: %s", n == 0 ? "closed by the server" : strerror(errno));
        conn_lose(w, c);
        return false;
    }
    w->counts.bytes_in += (uint64_t)n;
    w->progress_ns = now;
    while (c->in_flight) {
        struct load_request request = c->ring[c->first].request;
        enum load_result result =
            o->no_verify ? load_reply_skip(&c->reply, o->protocol, &o->data, request, &p, end)
                         : load_reply_check(&c->reply, o->protocol, &o->data, request, &p, end);

        if (result == LOAD_MORE)
            return true;
        if (!conn_take(w, c, result, now))
            return false;
    }
    if (p < end) {
        conn_wrong(w, c, p, (size_t)(end - p));
        return false;
    }
    return true;
}

/* ---- the loop ---- */

/* Requests whose time has come and that are not going to be sent any more. */
static uint64_t count_unsent(const struct load_worker *w, uint64_t now)
{
    uint64_t unsent = 0;

    for (unsigned i = 0; i < w->conns_count; i++)
        for (uint64_t nth = w->conns[i].scheduled; due_ns(w, i, nth) <= now; nth++)
            unsent++;
    return unsent;
}

static void follow_control(struct load_worker *w, uint64_t now)
{
    const struct load_options *o = w->options;

    if (w->stage != LOAD_STAGE_RUN)
        return;
    if (!w->measured && RELAXED_LOAD(&w->control->measuring)) {
        w->measured = true;
        w->counts = (struct load_counts){.lost = w->counts.lost, .wrong = w->counts.wrong};
        histogram_init(&w->get_ns);
        histogram_init(&w->set_ns);
        histogram_init(&w->late_ns);
        RELAXED_STORE(&w->done, 0);
        if (o->requests) {
            uint64_t share = o->requests / o->threads + (w->index < o->requests % o->threads);

            w->left = share > w->in_flight ? share - w->in_flight : 0;
        }
    }
    if (w->left && RELAXED_LOAD(&w->control->stopping)) {
        if (is_open_loop(w)) {
            worker_due(w, now);
            w->counts.unsent = count_unsent(w, now);
        }
        w->left = 0;
    }
}

static bool has_timed_out(struct load_worker *w, uint64_t now)
{
    double silence_s = (double)(now - w->progress_ns) / NS_PER_S;

    if (w->in_flight == 0 || now < w->progress_ns || silence_s < w->options->timeout_s)
        return false;
    note(w, "no reply for %.1f s, %lu requests are waiting", silence_s,
         (unsigned long)w->in_flight);
    w->counts.unanswered += w->in_flight;
    return true;
}

static void wait_for_events(struct load_worker *w, uint64_t wake_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = clock_mono_ns();
    uint64_t nap = wake_ns <= now ? 0 : wake_ns - now < NAP_NS ? wake_ns - now : NAP_NS;
    struct timespec timeout = {.tv_nsec = (long)nap};
    int n = epoll_pwait2(w->epoll_fd, events, EVENTS, &timeout, NULL);

    for (int i = 0; i < n; i++) {
        struct load_conn *c = events[i].data.ptr;

        if (c->unsent)
            conn_send_rest(w, c);
        if (c->fd >= 0 && conn_receive(w, c))
            conn_fill(w, c, clock_mono_ns());
    }
}

static void run_stage(struct load_worker *w)
{
    uint64_t wake_ns = UINT64_MAX;

    w->start_ns = w->progress_ns = clock_mono_ns();
    w->step = 0;
    w->done = 0;
    for (unsigned i = 0; i < w->conns_count; i++)
        w->conns[i].first = 0;
    follow_control(w, w->start_ns);
    if (!is_open_loop(w))
        for (unsigned i = 0; i < w->conns_count; i++)
            conn_fill(w, &w->conns[i], clock_mono_ns());
    for (;;) {
        uint64_t now = clock_mono_ns();

        follow_control(w, now);
        if (is_open_loop(w))
            wake_ns = worker_due(w, now);
        if ((w->left == 0 && w->in_flight == 0) || w->alive == 0 || has_timed_out(w, now))
            return;
        wait_for_events(w, wake_ns);
    }
}

static void run_preload(struct load_worker *w)
{
    const struct load_options *o = w->options;
    uint64_t share = o->keys.keys / o->threads, rest = o->keys.keys % o->threads;

    if (!o->preload)
        return;
    w->depth = o->preload_depth;
    w->next_key = share * w->index + (w->index < rest ? w->index : rest);
    w->left = share + (w->index < rest);
    run_stage(w);
}

/* ---- connecting ---- */

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int connect_tcp(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM, 0);
    int on = 1;

    if (fd >= 0 && (connect(fd, address->ai_addr, address->ai_addrlen) != 0 ||
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void run_connect(struct load_worker *w)
{
    const struct load_options *o = w->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *address = NULL;
    int error = o->unix_path ? 0 : getaddrinfo(o->host, o->port, &hints, &address);

    if (error) {
        note(w, "%s: %s", o->host, gai_strerror(error));
        w->counts.lost = w->conns_count;
        return;
    }
    for (unsigned i = 0; i < w->conns_count; i++) {
        struct load_conn *c = &w->conns[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        c->fd = o->unix_path ? connect_unix(o->unix_path) : connect_tcp(address);
        if (c->fd < 0) {
            note(w, "cannot connect: %s", strerror(errno));
            w->counts.lost++;
            continue;
        }
        MUST(epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &event));
        w->alive++;
    }
    if (address)
        freeaddrinfo(address);
}

/* ---- life ---- */

static void pin(struct load_worker *w)
{
    const struct load_options *o = w->options;
    cpu_set_t set;

    if (o->cpus == 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(o->cpu[w->index % o->cpus], &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        note(w, "cannot pin to CPU %d: %s", o->cpu[w->index % o->cpus], strerror(errno));
}

/* Wait for the next stage. False: there is none. */
static bool await_stage(struct load_worker *w)
{
    struct load_control *c = w->control;
    bool ended;

    pthread_mutex_lock(&c->mutex);
    while (c->stage == w->stage && !c->ended)
        pthread_cond_wait(&c->changed, &c->mutex);
    w->stage = c->stage;
    ended = c->ended;
    pthread_mutex_unlock(&c->mutex);
    return !ended;
}

static void report_finished(struct load_worker *w)
{
    struct load_control *c = w->control;

    pthread_mutex_lock(&c->mutex);
    c->finished++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}

void *load_worker_run(void *worker)
{
    struct load_worker *w = worker;

    pin(w);
    /* Sleeps of the open loop end when they are to, not within the default 50 us. */
    prctl(PR_SET_TIMERSLACK, 1);
    while (await_stage(w)) {
        if (w->stage == LOAD_STAGE_CONNECT) {
            run_connect(w);
        } else if (w->stage == LOAD_STAGE_PRELOAD) {
            run_preload(w);
        } else {
            w->depth = w->options->depth;
            w->left = UINT64_MAX;
            run_stage(w);
        }
        report_finished(w);
    }
    return NULL;
}

bool load_worker_init(struct load_worker *w, const struct load_options *o, struct load_control *c,
                      unsigned index)
{
    uint64_t seed = o->seed * LOAD_THREADS_MAX + index;
    size_t request_bytes = LOAD_REQUEST_MAX + load_data_size_max(&o->data);

    *w = (struct load_worker){.options = o, .control = c, .index = index};
    w->conns_count = o->connections / o->threads + (index < o->connections % o->threads);
    keygen_init(&w->keygen, &o->keys, seed);
    w->random.state = random_mix(~seed);
    w->epoll_fd = epoll_create1(0);
    w->conns = calloc(w->conns_count, sizeof(*w->conns));
    w->out = malloc(max_depth(o) * request_bytes);
    w->in = malloc(READ_BYTES);
    if (w->epoll_fd < 0 || !w->conns || !w->out || !w->in)
        return false;
    for (unsigned i = 0; i < w->conns_count; i++) {
        w->conns[i].fd = -1;
        w->conns[i].ring = malloc(max_depth(o) * sizeof(*w->conns[i].ring));
        if (!w->conns[i].ring)
            return false;
    }
    return true;
}

void load_worker_fini(struct load_worker *w)
{
    for (unsigned i = 0; w->conns && i < w->conns_count; i++) {
        if (w->conns[i].fd >= 0)
            close(w->conns[i].fd);
        free(w->conns[i].ring);
        free(w->conns[i].unsent);
    }
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    free(w->conns);
    free(w->out);
    free(w->in);
}
