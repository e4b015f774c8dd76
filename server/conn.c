/* SPDX-License-Identifier: BSD-3-Clause */
/* conn.c - a connection's socket and the bytes it keeps between turns. */
#include "server/conn.h"

#include "lib/check.h"
#include "lib/mem.h"
#include "server/config.h"
#include "server/log.h"
#include "server/server.h"
#include "server/worker.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* First room for an incomplete request, and the step in which announced bytes are believed: a peer
 * that announces 512 MiB gets memory only as it sends. */
#define IN_FIRST 2048
#define IN_MORE (16 * 1024) /* room that a later read is offered: as much as without a buffer */
#define IN_STEP (256 * 1024)

/* Unsent reply bytes: copied behind the struct, or referenced (owner != NULL). */
struct pending {
    struct pending *next;
    const char *p;
    size_t len;
    void *owner;
    size_t size; /* of this allocation */
    char bytes[];
};

/* ---- life ---- */

struct conn *conn_new(struct worker *w, int fd, enum protocol listener, bool is_unix)
{
    struct conn *c = mem_alloc(sizeof(*c));

    if (!c)
        return NULL;
    *c = (struct conn){.magic = CONN_MAGIC,
                       .listener = (uint8_t)listener,
                       .resp_version = 2,
                       .is_unix = is_unix,
                       .id = __atomic_add_fetch(&w->server->next_conn_id, 1, __ATOMIC_RELAXED),
                       .created_ms = w->now_ms,
                       .active_ms = w->now_ms,
                       .next = w->conns};
    c->io.fd = fd;
    if (w->conns)
        w->conns->prev = c;
    w->conns = c;
    return c;
}

static void pending_free(struct worker *w, struct pending *p)
{
    if (p->owner)
        store_item_put(w->store, p->owner);
    mem_free(p, p->size);
}

void conn_free(struct worker *w, struct conn *c)
{
    CHECK(c->magic == CONN_MAGIC);
    ev_io_stop(w->loop, &c->io);
    close(c->io.fd);
    while (c->pending) {
        struct pending *next = c->pending->next;

        pending_free(w, c->pending);
        c->pending = next;
    }
    mem_free(c->in, c->in_room);
    if (c->names) {
        free(c->names->name);
        free(c->names->lib_name);
        free(c->names->lib_version);
        free(c->names);
    }
    if (c->prev)
        c->prev->next = c->next;
    else
        w->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->magic = 0;
    mem_free(c, sizeof(*c));
    __atomic_fetch_sub(&w->nconns, 1, __ATOMIC_RELAXED);
}

void conn_watch(struct worker *w, struct conn *c)
{
    int events = c->pending ? EV_WRITE : EV_READ;

    if (ev_is_active(&c->io) && (c->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(w->loop, &c->io);
    ev_io_modify(&c->io, events);
    ev_io_start(w->loop, &c->io);
}

/* glibc brackets recv() and send() of a threaded process with work for thread cancellation, two atomic
 * operations and some 90 instructions a call. No thread here is ever cancelled: ask the kernel directly. */
static ssize_t receive_bytes(int fd, char *room, size_t size)
{
    return syscall(SYS_recvfrom, fd, room, size, 0, NULL, NULL);
}

static ssize_t send_bytes(int fd, const struct iovec *iov)
{
    return syscall(SYS_sendto, fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL, NULL, 0);
}

/* ---- input ---- */

enum status conn_read(struct conn *c, char *room, size_t size, size_t *got)
{
    ssize_t n;

    do
        n = receive_bytes(c->io.fd, room, size);
    while (UNLIKELY(n < 0) && errno == EINTR);
    if (LIKELY(n > 0)) {
        *got = (size_t)n;
        return OK;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return IO_AGAIN;
    return IO_CLOSED;
}

static enum status grow_input(struct conn *c, size_t room)
{
    char *in;

    if (room <= c->in_room)
        return OK;
    in = realloc(c->in, room);
    if (!in)
        return NO_MEMORY;
    c->in = in;
    c->in_room = room;
    return OK;
}

enum status conn_reserve(struct conn *c)
{
    size_t want = c->in_len + IN_MORE;

    if (c->in_room - c->in_len >= IN_MORE / 2 && c->in_room >= c->need)
        return OK;
    if (c->need > want) {
        size_t believed = 2 * c->in_len + IN_STEP;

        want = c->need < believed ? c->need : believed;
    }
    return grow_input(c, want);
}

enum status conn_keep(struct conn *c, const char *p, size_t n)
{
    if (n == 0) {
        mem_free(c->in, c->in_room);
        c->in = NULL;
        c->in_len = c->in_room = 0;
        return OK;
    }
    if (c->in && p >= c->in && p < c->in + c->in_room) {
        if (p != c->in)
            memmove(c->in, p, n);
    } else {
        if (grow_input(c, n < IN_FIRST ? IN_FIRST : n) != OK)
            return NO_MEMORY;
        memcpy(c->in, p, n);
    }
    c->in_len = n;
    return OK;
}

/* ---- output ---- */

static void release_owners(struct worker *w, struct out *out, int from)
{
    for (int i = from; i < out->niov; i++)
        if (out->owner[i])
            store_item_put(w->store, out->owner[i]);
}

static enum status pending_add(struct conn *c, const char *p, size_t n, void *owner)
{
    size_t size = sizeof(struct pending) + (owner ? 0 : n);
    struct pending *new = mem_alloc(size);

    if (!new)
        return NO_MEMORY;
    *new = (struct pending){.p = p, .len = n, .owner = owner, .size = size};
    if (!owner) {
        memcpy(new->bytes, p, n);
        new->p = new->bytes;
    }
    if (c->pending)
        c->pending_last->next = new;
    else
        c->pending = new;
    c->pending_last = new;
    c->pending_bytes += n;
    return OK;
}

/* The connection ends with replies unsent: too many of them, or no memory to keep them. */
static COLD void give_up(struct worker *w, struct conn *c, bool too_many)
{
    c->broken = true;
    if (too_many)
        COUNT(w->counters.output_limit_closed);
    log_warning("client %llu closed: %zu bytes of replies wait, and %s", (unsigned long long)c->id,
                c->pending_bytes,
                too_many ? "it does not read (client-output-limit)"
                         : "there is no memory for more");
}

/* Keep out's iovecs from `from` on, of which the first `sent` bytes are gone. */
static void keep_unsent(struct worker *w, struct conn *c, struct out *out, int from, size_t sent)
{
    size_t limit = (size_t)RELAXED_LOAD(&w->config->client_output_limit);

    if (!c->pending && !c->broken)
        COUNT(w->counters.blocked_output);
    for (int i = from; i < out->niov; i++) {
        const char *p = out->iov[i].iov_base;
        size_t n = out->iov[i].iov_len - sent;

        if (!c->broken && c->pending_bytes + n > limit)
            give_up(w, c, true);
        if (!c->broken && pending_add(c, p + sent, n, out->owner[i]) != OK)
            give_up(w, c, false);
        if (c->broken) {
            release_owners(w, out, i);
            return;
        }
        sent = 0;
    }
}

static ssize_t write_once(struct conn *c, struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    ssize_t sent;

    do
        sent = n == 1 ? send_bytes(c->io.fd, iov) : sendmsg(c->io.fd, &msg, MSG_NOSIGNAL);
    while (UNLIKELY(sent < 0) && errno == EINTR);
    return sent;
}

void conn_send(struct worker *w, struct conn *c, struct out *out)
{
    ssize_t sent = 0;
    int i = 0;

    out_seal(out);
    if (out->niov == 0)
        return;
    if (!c->pending && !c->broken) {
        sent = write_once(c, out->iov, out->niov);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                c->broken = true;
            sent = 0;
        }
        COUNT_ADD(w->counters.bytes_written, (uint64_t)sent);
    }
    for (; i < out->niov && (size_t)sent >= out->iov[i].iov_len; i++) {
        sent -= (ssize_t)out->iov[i].iov_len;
        if (out->owner[i])
            store_item_put(w->store, out->owner[i]);
    }
    if (UNLIKELY(i < out->niov))
        keep_unsent(w, c, out, i, (size_t)sent);
    out_reset(out);
}

/* Drop the first n bytes of what is pending. */
static void pending_consume(struct worker *w, struct conn *c, size_t n)
{
    c->pending_bytes -= n;
    while (c->pending && n >= c->pending->len) {
        struct pending *p = c->pending;

        n -= p->len;
        c->pending = p->next;
        pending_free(w, p);
    }
    if (c->pending) {
        c->pending->p += n;
        c->pending->len -= n;
    }
}

void conn_send_pending(struct worker *w, struct conn *c)
{
    struct iovec iov[OUT_IOVS];
    int n = 0;
    ssize_t sent;

    for (struct pending *p = c->pending; p && n < OUT_IOVS; p = p->next)
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)p->p, .iov_len = p->len};
    if (n == 0)
        return;
    sent = write_once(c, iov, n);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            c->broken = true;
        return;
    }
    COUNT_ADD(w->counters.bytes_written, (uint64_t)sent);
    c->active_ms = w->now_ms;
    pending_consume(w, c, (size_t)sent);
}
