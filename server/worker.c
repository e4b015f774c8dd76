/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.c - the loop turn. I/O callbacks only put connections on the ready list; the turn runs once
 * the loop has collected all events, in groups:
 *
 *     read each connection once -> parse up to BATCH_REQUESTS requests, across connections
 *     -> prefetch buckets, prefetch items -> execute in order -> one send per connection
 */
#include "server/worker.h"

#include "lib/check.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "proto/mc_text.h"
#include "proto/resp.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/log.h"
#include "server/server.h"

#include <stdio.h>
#include <unistd.h>

#define INBUF_BYTES (256 * 1024)
#define READ_MAX (16 * 1024) /* of a connection without a buffer of its own, in one turn */
#define READ_MIN (4 * 1024)  /* room below which a group is closed */
#define POOL_ARGS 1024       /* arguments of a batch; one larger request gets a larger pool */
#define ROOM_TRIES 8         /* evictions for the sake of one connection's input */
#define HOUSEKEEP_S 0.05
#define HOUSEKEEP_SOON_S 0.002 /* while housekeeping has work left */
#define IDLE_CHECK_MS 1000     /* timeouts are in seconds */
#define HOUSEKEEP_NS 1000000
#define STOP_POLL_S 0.01

struct handover {
    struct handover *next;
    int fd;
    enum protocol listener;
    bool is_unix;
};

/* ---- output ---- */

void worker_flush(struct worker *w)
{
    if (w->serving)
        conn_send(w, w->serving, &w->out);
}

static void spill(struct out *o)
{
    worker_flush((struct worker *)((char *)o - offsetof(struct worker, out)));
}

static void serve(struct worker *w, struct conn *c)
{
    if (w->serving == c)
        return;
    worker_flush(w);
    w->serving = c;
}

/* ---- parsing ---- */

/* Bytes that make the other protocol certain decide; else it is the port's own. A RESP port takes words
 * that only memcached knows, a memcached port takes RESP's '*'. */
static enum protocol recognise(const struct conn *c, const char *p, size_t len)
{
    size_t n = 0;

    if (p[0] == '*')
        return PROTO_RESP;
    if (c->listener != PROTO_RESP)
        return PROTO_MC;
    while (n < len && p[n] != ' ' && p[n] != '\r' && p[n] != '\n')
        n++;
    if (n == len && n < 16)
        return PROTO_UNKNOWN;
    if (command_find(PROTO_MC, slice_of(p, n)) && !command_find(PROTO_RESP, slice_of(p, n)))
        return PROTO_MC;
    return PROTO_RESP;
}

static enum status parse(struct worker *w, struct conn *c, char *p, size_t len, struct request *r,
                         size_t *used)
{
    if (UNLIKELY(c->proto == PROTO_UNKNOWN)) {
        c->proto = (uint8_t)recognise(c, p, len);
        if (c->proto == PROTO_UNKNOWN)
            return MORE;
    }
    if (c->proto == PROTO_RESP)
        return resp_parse(p, len, &w->limits, &c->scan, &w->pool, r, used, &c->need);
    return mc_parse(p, len, &w->limits, &w->pool, r, used, &c->need);
}

/* One request with more arguments than the pool holds: a larger pool, while nothing points into it. */
static enum status grow_pool(struct worker *w, size_t args)
{
    struct slice *fresh = mem_alloc(args * sizeof(*fresh));

    CHECK(w->nbatch == 0);
    if (!fresh)
        return NO_MEMORY;
    mem_free(w->pool.args, w->pool.room * sizeof(*w->pool.args));
    w->pool = (struct arg_pool){.args = fresh, .room = (uint32_t)args};
    return OK;
}

static void reset_pool(struct worker *w)
{
    w->pool.used = 0;
    if (UNLIKELY(w->pool.room > POOL_ARGS) && grow_pool(w, POOL_ARGS) != OK)
        w->pool.used = 0; /* no memory for a small one: the large one serves as well */
}

/* ---- executing ---- */

/* Requests of a connection that cannot take replies now go back to its input. */
static void put_back(struct worker *w, unsigned from)
{
    struct input *in = w->batch[from].in;

    if (in->off > w->batch[from].off)
        in->off = w->batch[from].off;
    in->conn->swallow = 0;
    in->conn->need = 0;
    in->conn->scan = (struct resp_scan){0};
}

static void reply_error(struct worker *w, struct conn *c, const struct request *r)
{
    if (r->error != ERR_NONE || r->fatal) /* else it is an empty request, which RESP allows */
        COUNT(w->counters.protocol_errors);
    if (c->proto == PROTO_RESP)
        resp_reply_error(&w->out, r);
    else
        mc_reply_error(&w->out, r);
    if (r->fatal)
        c->closing = true;
}

static void execute(struct worker *w, struct queued *q)
{
    struct conn *c = q->in->conn;

    serve(w, c);
    COUNT(w->counters.commands);
    if (LIKELY(q->request.cmd != NULL))
        command_handlers[q->request.cmd->id](w, c, &q->request);
    else
        reply_error(w, c, &q->request);
}

/* Hash each key once; a batch of one has nothing to overlap its cache misses with. */
static void hash_keys(struct worker *w)
{
    unsigned n = w->nbatch;

    for (unsigned i = 0; i < n; i++) {
        struct queued *q = &w->batch[i];

        if (UNLIKELY(!q->request.key.p))
            continue;
        q->request.hash = store_hash(w->store, q->request.key.p, q->request.key.len);
        if (n > 1)
            q->bucket = store_prefetch_bucket(w->store, q->request.hash);
    }
    for (unsigned i = 0; n > 1 && i < n; i++)
        if (LIKELY(w->batch[i].request.key.p != NULL))
            store_prefetch_item(w->batch[i].bucket, w->batch[i].request.hash);
}

static void run_batch(struct worker *w)
{
    unsigned n = w->nbatch;

    hash_keys(w);
    for (unsigned i = 0; i < n; i++) {
        const struct conn *c = w->batch[i].in->conn;

        if (UNLIKELY(c->closing || c->broken))
            continue;
        if (UNLIKELY(c->pending != NULL))
            put_back(w, i);
        else
            execute(w, &w->batch[i]);
    }
    w->nbatch = 0;
    reset_pool(w);
}

static bool blocked(const struct conn *c)
{
    return c->closing || c->broken || c->pending;
}

/* Drop bytes that belong to a refused value; true when some are still to come. */
static bool swallow(struct input *in)
{
    struct conn *c = in->conn;
    size_t n = in->len - in->off;

    if (LIKELY(c->swallow == 0))
        return false;
    if (n > c->swallow)
        n = (size_t)c->swallow;
    c->swallow -= n;
    in->off += n;
    return c->swallow > 0;
}

/* Queue the requests of one connection's input, running the batch whenever it is full. */
static void parse_input(struct worker *w, struct input *in)
{
    struct conn *c = in->conn;

    c->need = 0;
    while (!blocked(c) && !swallow(in) && in->off < in->len) {
        struct queued *q = &w->batch[w->nbatch];
        size_t used;
        enum status st = parse(w, c, in->p + in->off, in->len - in->off, &q->request, &used);

        if (LIKELY(st == OK)) {
            q->in = in;
            q->off = in->off;
            in->off += used;
            c->swallow = q->request.swallow;
            if (++w->nbatch == BATCH_REQUESTS)
                run_batch(w);
        } else if (st == MORE) {
            break;
        } else if (w->nbatch > 0) {
            run_batch(w); /* empties the pool */
        } else if (grow_pool(w, c->need) != OK) {
            log_warning("client %llu closed: no memory for a request of %zu arguments",
                        (unsigned long long)c->id, c->need);
            c->broken = true;
        }
    }
}

/* ---- the turn ---- */

static void mark_ready(struct worker *w, struct conn *c)
{
    if (c->ready)
        return;
    c->ready = true;
    c->next_ready = w->ready;
    w->ready = c;
}

/* Keep what is left of an input; a cache gives up items rather than a client. */
static enum status keep_input(struct worker *w, const struct input *in)
{
    size_t left = in->len - in->off;

    for (int tries = 0; tries < ROOM_TRIES; tries++) {
        if (conn_keep(in->conn, in->p + in->off, left) == OK)
            return OK;
        if (!store_make_room(w->store, 2 * left))
            break;
    }
    return NO_MEMORY;
}

static enum status reserve_input(struct worker *w, struct conn *c)
{
    for (int tries = 0; tries < ROOM_TRIES; tries++) {
        if (conn_reserve(c) == OK)
            return OK;
        if (!store_make_room(w->store, 2 * c->in_len))
            break;
    }
    return NO_MEMORY;
}

/* Read once into a group's next input. inbuf is packed: what a connection does not fill is the next
 * one's. False: nothing to parse. */
static bool read_input(struct worker *w, struct conn *c, size_t *inbuf_used, struct input *in)
{
    char *room = w->inbuf + *inbuf_used;
    size_t size = INBUF_BYTES - *inbuf_used, got = 0;
    enum status st;

    if (c->in) {
        if (reserve_input(w, c) != OK) {
            log_warning("client %llu closed: no memory for its request of %zu bytes",
                        (unsigned long long)c->id, c->need);
            c->broken = true;
            return false;
        }
        room = c->in + c->in_len;
        size = c->in_room - c->in_len;
    } else if (size > READ_MAX) {
        size = READ_MAX;
    }
    st = conn_read(c, room, size, &got);
    if (st == IO_CLOSED)
        c->broken = true;
    if (st != OK)
        return false;
    COUNT_ADD(w->counters.bytes_read, got);
    c->active_ms = w->now_ms;
    if (c->in) {
        c->in_len += got;
        *in = (struct input){.conn = c, .p = c->in, .len = c->in_len};
    } else {
        *in = (struct input){.conn = c, .p = room, .len = got};
        *inbuf_used += (got + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    }
    return true;
}

/* Input that was kept while replies were blocked is parsed without reading. */
static bool resume_input(struct conn *c, struct input *in)
{
    if (!c->in || c->need > c->in_len)
        return false;
    *in = (struct input){.conn = c, .p = c->in, .len = c->in_len};
    return true;
}

static void settle(struct worker *w, struct conn *c)
{
    if (c->broken || (c->closing && !c->pending))
        conn_free(w, c);
    else
        conn_watch(w, c);
}

/* After execution: keep what is left of the input, and see how the connection goes on. */
static void finish_input(struct worker *w, struct input *in)
{
    struct conn *c = in->conn;

    if (!c->closing && !c->broken && (in->off < in->len || c->in) && keep_input(w, in) != OK) {
        log_warning("client %llu closed: no memory to keep its input", (unsigned long long)c->id);
        c->broken = true;
    }
    settle(w, c);
}

static struct conn *next_ready(struct worker *w)
{
    struct conn *c = w->ready;

    w->ready = c->next_ready;
    c->ready = false;
    return c;
}

static void run_group(struct worker *w)
{
    size_t inbuf_used = 0;

    w->ngroup = 0;
    while (w->ready && w->ngroup < GROUP_CONNS && INBUF_BYTES - inbuf_used >= READ_MIN) {
        struct conn *c = next_ready(w);
        struct input *in = &w->group[w->ngroup];
        bool resume = c->resume;

        c->resume = false; /* now: settle() may free c */
        if (resume ? resume_input(c, in) : read_input(w, c, &inbuf_used, in))
            w->ngroup++;
        else
            settle(w, c);
    }
    for (unsigned i = 0; i < w->ngroup; i++)
        parse_input(w, &w->group[i]);
    run_batch(w);
    serve(w, NULL);
    for (unsigned i = 0; i < w->ngroup; i++)
        finish_input(w, &w->group[i]);
}

static void run_turn(struct worker *w)
{
    w->now_ms = clock_now_ms();
    epoch_enter(store_epoch(w->store), w->number);
    store_flush_due(w->store, w->now_ms);
    while (w->ready)
        run_group(w);
    if (UNLIKELY(store_is_over(w->store)))
        store_pay_debt(w->store, HOUSEKEEP_NS);
    epoch_leave(store_epoch(w->store), w->number);
}

/* Runs before the loop sleeps, that is, behind all I/O callbacks of the iteration. */
static void on_turn(struct ev_loop *loop, ev_prepare *p, int revents)
{
    struct worker *w = p->data;

    (void)loop;
    (void)revents;
    if (w->ready)
        run_turn(w);
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
    struct conn *c = (struct conn *)io;
    struct worker *w = ev_userdata(loop);

    if (LIKELY(revents & EV_READ)) {
        mark_ready(w, c);
        return;
    }
    w->now_ms = clock_now_ms();
    conn_send_pending(w, c);
    if (c->broken || !c->pending) {
        c->resume = c->in != NULL && !c->broken;
        if (c->resume)
            mark_ready(w, c);
        else
            settle(w, c);
    }
}

/* ---- connections from the main thread, and the end ---- */

static void adopt(struct worker *w, const struct handover *h)
{
    struct conn *c = conn_new(w, h->fd, h->listener, h->is_unix);

    if (!c) {
        log_warning("connection refused: no memory");
        close(h->fd);
        __atomic_fetch_sub(&w->nconns, 1, __ATOMIC_RELAXED);
        return;
    }
    COUNT(w->counters.total_connections);
    ev_io_init(&c->io, on_io, h->fd, EV_READ);
    ev_io_start(w->loop, &c->io);
}

static void close_idle(struct worker *w, int64_t idle_ms)
{
    for (struct conn *c = w->conns, *next; c; c = next) {
        next = c->next;
        if (w->now_ms - c->active_ms < idle_ms || c->ready)
            continue;
        COUNT(w->counters.idle_kicks);
        conn_free(w, c);
    }
}

/* One more read of every connection, or what was kept of its input. True: something came. */
static bool serve_once_more(struct worker *w)
{
    uint64_t before = w->counters.bytes_read + w->counters.commands;

    for (struct conn *c = w->conns; c; c = c->next)
        if (!c->pending && !c->closing)
            mark_ready(w, c);
    if (w->ready)
        run_turn(w);
    return w->counters.bytes_read + w->counters.commands != before;
}

/* Answer what has arrived, then close who has taken all replies; who has not is waited for. */
static void close_settled(struct worker *w)
{
    while (w->now_ms < w->stop_deadline_ms && serve_once_more(w))
        ;
    for (struct conn *c = w->conns, *next; c; c = next) {
        next = c->next;
        if (!c->pending && !c->ready)
            conn_free(w, c);
    }
    if (!w->conns || w->now_ms >= w->stop_deadline_ms)
        ev_break(w->loop, EVBREAK_ALL);
}

static void begin_stop(struct worker *w)
{
    w->stopping = true;
    w->stop_deadline_ms = w->now_ms + RELAXED_LOAD(&w->config->shutdown_timeout) * 1000;
    ev_timer_set(&w->housekeep, 0., STOP_POLL_S);
    ev_timer_again(w->loop, &w->housekeep);
    close_settled(w);
}

static void on_wake(struct ev_loop *loop, ev_async *a, int revents)
{
    struct worker *w = ev_userdata(loop);
    struct handover *h, *next;
    bool stop;

    (void)a;
    (void)revents;
    lock_acquire(&w->inbox_lock);
    h = w->inbox;
    w->inbox = NULL;
    stop = w->stop_asked;
    lock_release(&w->inbox_lock);
    w->now_ms = clock_now_ms();
    for (; h; h = next) {
        next = h->next;
        adopt(w, h);
        mem_free(h, sizeof(*h));
    }
    if (stop && !w->stopping)
        begin_stop(w);
}

static void on_housekeep(struct ev_loop *loop, ev_timer *t, int revents)
{
    struct worker *w = ev_userdata(loop);
    int64_t timeout_ms = RELAXED_LOAD(&w->config->timeout) * 1000;
    bool more;

    (void)revents;
    w->now_ms = clock_now_ms();
    if (w->stopping) {
        close_settled(w);
        return;
    }
    if (timeout_ms > 0 && w->now_ms >= w->idle_check_ms) {
        close_idle(w, timeout_ms);
        w->idle_check_ms = w->now_ms + IDLE_CHECK_MS;
    }
    epoch_enter(store_epoch(w->store), w->number);
    more = store_housekeep(w->store, w->now_ms, HOUSEKEEP_NS);
    epoch_leave(store_epoch(w->store), w->number);
    /* With work left, requests and slices take turns. */
    t->repeat = more ? HOUSEKEEP_SOON_S : HOUSEKEEP_S;
    ev_timer_again(loop, t);
}

enum status worker_hand_over(struct worker *w, int fd, enum protocol listener, bool is_unix)
{
    struct handover *h = mem_alloc(sizeof(*h));

    if (!h)
        return NO_MEMORY;
    *h = (struct handover){.fd = fd, .listener = listener, .is_unix = is_unix};
    __atomic_fetch_add(&w->nconns, 1, __ATOMIC_RELAXED);
    lock_acquire(&w->inbox_lock);
    h->next = w->inbox;
    w->inbox = h;
    lock_release(&w->inbox_lock);
    ev_async_send(w->loop, &w->wake);
    return OK;
}

void worker_stop(struct worker *w)
{
    lock_acquire(&w->inbox_lock);
    w->stop_asked = true;
    lock_release(&w->inbox_lock);
    ev_async_send(w->loop, &w->wake);
}

/* ---- life ---- */

enum status worker_init(struct worker *w, struct server *s, unsigned number)
{
    w->server = s;
    w->store = s->store;
    w->config = s->config;
    w->number = number;
    w->now_ms = clock_now_ms();
    w->limits = (struct proto_limits){.mc_item_max = (uint32_t)s->config->item_size_max,
                                      .resp_bulk_max = (uint32_t)s->config->proto_max_bulk_len,
                                      .resp_args_max = 1024 * 1024,
                                      .resp_size_max = 1024 * 1024 * 1024,
                                      .inline_max = 64 * 1024};
    lock_init(&w->inbox_lock, LOCK_INBOX);
    w->inbuf = mem_alloc(INBUF_BYTES);
    w->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!w->inbuf || !w->loop || !out_init(&w->out, spill) || grow_pool(w, POOL_ARGS) != OK)
        return NO_MEMORY;
    ev_set_userdata(w->loop, w);
    w->turn.data = w;
    ev_prepare_init(&w->turn, on_turn);
    ev_prepare_start(w->loop, &w->turn);
    ev_async_init(&w->wake, on_wake);
    ev_async_start(w->loop, &w->wake);
    ev_timer_init(&w->housekeep, on_housekeep, HOUSEKEEP_S, HOUSEKEEP_S);
    ev_timer_start(w->loop, &w->housekeep);
    return OK;
}

void worker_fini(struct worker *w)
{
    while (w->conns)
        conn_free(w, w->conns);
    while (w->inbox) {
        struct handover *next = w->inbox->next;

        close(w->inbox->fd);
        mem_free(w->inbox, sizeof(*w->inbox));
        w->inbox = next;
    }
    if (w->loop)
        ev_loop_destroy(w->loop);
    out_fini(&w->out);
    mem_free(w->pool.args, w->pool.room * sizeof(*w->pool.args));
    mem_free(w->inbuf, INBUF_BYTES);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    char name[16];

    snprintf(name, sizeof(name), "worker %u", w->number);
    pthread_setname_np(pthread_self(), name);
    ev_run(w->loop, 0);
    return NULL;
}

enum status worker_start(struct worker *w)
{
    return pthread_create(&w->thread, NULL, run, w) == 0 ? OK : NO_MEMORY;
}

void worker_join(struct worker *w)
{
    MUST(pthread_join(w->thread, NULL));
}
