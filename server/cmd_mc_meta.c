/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_mc_meta.c - memcached's meta commands: mg ms md ma mn me. Replies are built in place, in room that
 * is taken before the shard's lock, flags in the order of the request.
 *
 * Staleness: `md I` marks an item ITEM_STALE and takes ITEM_WIN_SENT away. The first mg that sees a stale
 * item (or one that is near its end, by R, or that it made itself, by N) wins: it is told W and sets
 * ITEM_WIN_SENT; the others are told Z. X says that the item is stale. Any new value clears all that.
 *
 * Keys that were stored as base64 (b) are given back so; a key that could not stand in a line of text
 * (RESP stores any bytes) is given back so to whoever asked so.
 */
#include "server/cmd_mc.h"

#include "proto/mc_meta.h"
#include "server/conn.h"

#include <string.h>

/* ---- shared ---- */

static struct key meta_key(struct worker *w, const struct request *r, const struct mc_meta *m)
{
    struct key k = mc_key(r);

    if (UNLIKELY(mc_meta_has(m, 'b'))) {
        k.p = m->key.p;
        k.len = (uint32_t)m->key.len;
        k.hash = store_hash(w->store, k.p, k.len);
    }
    return k;
}

/* True when the flags are good; else the error is answered, as `instead` where that is given. */
static bool read_flags(struct worker *w, struct request *r, uint32_t first, uint64_t allowed,
                       enum error_id instead, struct mc_meta *m)
{
    enum error_id error = mc_meta_parse(r, first, allowed, m);

    if (UNLIKELY(error != ERR_NONE)) {
        mc_error(w, r, instead ? instead : error);
        return false;
    }
    return true;
}

/* mg and ma find an opaque too long only when it is its turn, behind their changes; so does memcached. */
static bool opaque_fits(const struct mc_meta *m)
{
    return m->opaque.len <= MC_OPAQUE_MAX;
}

static char *put_bytes(char *p, const char *src, size_t n)
{
    memcpy(p, src, n);
    return p + n;
}

static char *put_code(char *p, const char code[2])
{
    return put_bytes(p, code, 2);
}

static char *put_flag(char *p, char flag)
{
    *p++ = ' ';
    *p++ = flag;
    return p;
}

static char *put_number(char *p, char flag, uint64_t v)
{
    p = put_flag(p, flag);
    return p + num_format_u64(p, v);
}

static char *put_opaque(char *p, const struct mc_meta *m)
{
    *p++ = ' ';
    return put_bytes(p, m->opaque.p, m->opaque.len);
}

static char *put_key(char *p, const struct key *k, bool binary)
{
    p = put_flag(p, 'k');
    if (!binary)
        return put_bytes(p, k->p, k->len);
    p += mc_base64_encode(k->p, k->len, p);
    return put_flag(p, 'b');
}

static bool is_text(const struct key *k)
{
    for (uint32_t i = 0; i < k->len; i++)
        if ((unsigned char)k->p[i] <= ' ' || k->p[i] == 0x7f)
            return false;
    return true;
}

static bool key_is_binary(const struct mc_meta *m, const struct key *k, const struct item *it)
{
    return (it->marks & ITEM_KEY_BINARY) || (mc_meta_has(m, 'b') && !is_text(k));
}

/* Seconds until a time, rounded up: what was stored with 30 has 30 left until a second has gone. */
static int64_t seconds_until(int64_t ms, int64_t now_ms)
{
    return ms > now_ms ? (ms - now_ms + 999) / 1000 : 0;
}

static char *put_ttl(char *p, const struct item *it, int64_t now_ms)
{
    int64_t expiry = item_expiry(it);

    p = put_flag(p, 't');
    if (expiry == 0)
        return put_bytes(p, "-1", 2);
    return p + num_format_u64(p, (uint64_t)seconds_until(expiry, now_ms));
}

/* Finish a reply: "\r\n" and commit, or nothing of it when it is not wanted. */
static void send_line(struct worker *w, char *p, bool wanted)
{
    if (wanted)
        out_commit(&w->out, put_bytes(p, "\r\n", 2));
}

/* k and O, which every reply gives back, also without an item. */
static char *put_echo(char *p, const struct request *r, uint32_t first, const struct mc_meta *m,
                      const struct key *k)
{
    for (uint32_t i = first; i < r->argc; i++) {
        char flag = r->argv[i].p[0];

        if (flag == 'k')
            p = put_key(p, k, mc_meta_has(m, 'b'));
        else if (flag == 'O')
            p = put_opaque(p, m);
    }
    return p;
}

/* ---- mg ---- */

/* With one of these memcached notes the read when all flags are done, that is, not behind an error. */
#define READS_LATE                                                                                 \
    (MC_FLAG('h') | MC_FLAG('l') | MC_FLAG('u') | MC_FLAG('N') | MC_FLAG('R') | MC_FLAG('T'))

struct mget {
    struct worker *w;
    struct request *r;
    struct mc_meta m;
    struct key key;
    struct shard *s;
    struct item *it;
    bool made; /* by this request, because of N */
    bool won;
    bool touched; /* T */
};

/* N and nothing there: make an empty item, unless somebody else does meanwhile. It gets its time when the
 * flags are gone through. */
static void vivify(struct mget *g)
{
    struct worker *w = g->w;
    struct item_attr attr = {.cas = g->m.new_cas, .fields = g->m.vivify ? ITEM_EXPIRY : 0};
    struct item *fresh;

    store_unlock(g->s);
    fresh = store_item(w->store, &g->key, &attr, 0);
    g->s = store_lock(w->store, g->key.hash);
    g->it = shard_find(g->s, &g->key, w->now_ms);
    if (g->it || !fresh) {
        store_item_drop(w->store, fresh);
    } else if (shard_put(g->s, &g->key, NULL, fresh, w->now_ms) == OK) {
        g->it = fresh;
        g->made = true;
        g->won = true;
    }
}

/* R: is less than that many seconds left, and nobody told yet? */
static bool recache_is_due(const struct mget *g)
{
    int64_t now_ms = g->w->now_ms, expiry = item_expiry(g->it);

    return !(g->it->marks & ITEM_WIN_SENT) && !g->made && expiry != 0 &&
           seconds_until(expiry, now_ms) < seconds_until(mc_expiry_ms(g->w, g->m.recache), now_ms);
}

/* The flags of a hit, in their order: changes are made and values are given as they come. */
static enum error_id put_hit_flags(struct mget *g, char **at)
{
    int64_t now_ms = g->w->now_ms;
    char *p = *at;

    for (uint32_t i = 2; i < g->r->argc; i++) {
        switch (g->r->argv[i].p[0]) {
        case 'T':
            g->it = shard_set_expiry(g->s, &g->key, g->it, mc_expiry_ms(g->w, g->m.ttl));
            g->touched = true;
            break;
        case 'N':
            if (g->made)
                g->it = shard_set_expiry(g->s, &g->key, g->it, mc_expiry_ms(g->w, g->m.vivify));
            break;
        case 'R': g->won |= recache_is_due(g); break;
        case 's': p = put_number(p, 's', g->it->vlen); break;
        case 't': p = put_ttl(p, g->it, now_ms); break;
        case 'c': {
            uint64_t unique = shard_cas(g->s, &g->key, &g->it);

            if (unique == 0)
                return ERR_NO_MEMORY_DELTA;
            p = put_number(p, 'c', unique);
            break;
        }
        case 'f': p = put_number(p, 'f', item_flags(g->it)); break;
        case 'l': p = put_number(p, 'l', (uint64_t)item_idle_ms(g->it, now_ms) / 1000); break;
        case 'h': p = put_number(p, 'h', (g->it->marks & ITEM_FETCHED) != 0); break;
        case 'O':
            if (!opaque_fits(&g->m))
                return ERR_META_OPAQUE;
            p = put_opaque(p, &g->m);
            break;
        case 'k': p = put_key(p, &g->key, key_is_binary(&g->m, &g->key, g->it)); break;
        }
        if (UNLIKELY(!g->it))
            return ERR_NO_MEMORY_DELTA;
    }
    *at = p;
    return ERR_NONE;
}

/* Z, X and W; decides who recaches a stale item. */
static char *put_marks(struct mget *g, char *p)
{
    if (g->it->marks & ITEM_WIN_SENT)
        p = put_flag(p, 'Z');
    if (g->it->marks & ITEM_STALE) {
        p = put_flag(p, 'X');
        g->won |= !(g->it->marks & ITEM_WIN_SENT);
    }
    if (g->won) {
        p = put_flag(p, 'W');
        g->it->marks |= ITEM_WIN_SENT;
    }
    return p;
}

static void miss(struct mget *g, char *p)
{
    if (shard_found_expired(g->s))
        COUNT(g->w->counters.get_expired);
    store_unlock(g->s);
    COUNT(g->w->counters.get_misses);
    if (UNLIKELY(!opaque_fits(&g->m))) {
        mc_error(g->w, g->r, ERR_META_OPAQUE);
        return;
    }
    p = put_code(p, "EN");
    p = put_echo(p, g->r, 2, &g->m, &g->key);
    send_line(g->w, p, !mc_meta_has(&g->m, 'q'));
}

static void count_hit(struct worker *w, bool touched)
{
    if (touched) {
        COUNT(w->counters.cmd_touch);
        COUNT(w->counters.touch_hits);
    } else {
        COUNT(w->counters.get_hits);
    }
}

/* The item is found, the lock held. */
static void hit(struct mget *g, char *p)
{
    struct worker *w = g->w;
    bool with_value = mc_meta_has(&g->m, 'v');
    struct mc_value v = {.shared = NULL};
    enum error_id error;

    if (with_value) {
        p = put_bytes(p, "VA ", 3);
        p += num_format_u64(p, g->it->vlen);
    } else {
        p = put_code(p, "HD");
    }
    error = put_hit_flags(g, &p);
    if (UNLIKELY(error != ERR_NONE)) {
        if (g->it && !(g->m.flags & READS_LATE))
            shard_hit(g->s, g->it, w->now_ms);
        store_unlock(g->s);
        mc_error(w, g->r, error);
        return;
    }
    if (UNLIKELY((g->it->marks & (ITEM_STALE | ITEM_WIN_SENT)) || g->won))
        p = put_marks(g, p);
    p = put_bytes(p, "\r\n", 2);
    if (!mc_meta_has(&g->m, 'u'))
        shard_hit(g->s, g->it, w->now_ms);
    if (with_value)
        p = mc_value_take(w, g->it, p, &v);
    store_unlock(g->s);
    mc_value_send(w, p, &v);
    count_hit(w, g->touched);
}

void cmd_mc_mg(struct worker *w, struct conn *c, struct request *r)
{
    struct mget g;
    char *p;

    (void)c;
    if (!read_flags(w, r, 2, 0, ERR_NONE, &g.m))
        return;
    g.w = w;
    g.r = r;
    g.made = g.won = g.touched = false;
    g.key = meta_key(w, r, &g.m);
    p = out_room(&w->out, MC_REPLY_ROOM);
    g.s = store_lock(w->store, g.key.hash);
    g.it = shard_find(g.s, &g.key, w->now_ms);
    if (UNLIKELY(!g.it && mc_meta_has(&g.m, 'N')))
        vivify(&g);
    if (g.it)
        hit(&g, p);
    else
        miss(&g, p);
}

/* ---- ms ---- */

static bool store_mode(const struct mc_meta *m, enum mc_mode *mode)
{
    switch (m->mode) {
    case 0:
    case 'S': *mode = mc_meta_has(m, 'C') ? MC_CAS : MC_SET; return true;
    case 'R': *mode = mc_meta_has(m, 'C') ? MC_CAS : MC_REPLACE; return true;
    case 'E': *mode = MC_ADD; return true;
    case 'A': *mode = MC_APPEND; return true;
    case 'P': *mode = MC_PREPEND; return true;
    default: return false;
    }
}

static const char *result_code(enum mc_result result)
{
    switch (result) {
    case MC_STORED: return "HD";
    case MC_NOT_STORED: return "NS";
    case MC_EXISTS: return "EX";
    default: return "NF";
    }
}

static void reply_stored(struct worker *w, struct request *r, const struct mc_meta *m,
                         const struct mc_store *op, enum mc_result result)
{
    char *p = out_room(&w->out, MC_REPLY_ROOM);

    if (result == MC_STORED && mc_meta_has(m, 'q'))
        return;
    p = put_code(p, result_code(result));
    for (uint32_t i = 3; i < r->argc; i++) {
        switch (r->argv[i].p[0]) {
        case 'O': p = put_opaque(p, m); break;
        case 'k': p = put_key(p, &op->key, mc_meta_has(m, 'b')); break;
        case 'c': p = put_number(p, 'c', op->cas_out); break;
        case 's': p = put_number(p, 's', result == MC_STORED ? op->vlen_out : r->data.len); break;
        }
    }
    send_line(w, p, true);
}

void cmd_mc_ms(struct worker *w, struct conn *c, struct request *r)
{
    struct mc_store op = {.data = r->data};
    enum mc_result result;
    struct mc_meta m;

    (void)c;
    if (!read_flags(w, r, 3, 0, ERR_NONE, &m))
        return;
    if (!store_mode(&m, &op.mode)) {
        mc_error(w, r, ERR_META_MS_MODE);
        return;
    }
    if (!opaque_fits(&m)) {
        mc_error(w, r, ERR_META_OPAQUE);
        return;
    }
    op.key = meta_key(w, r, &m);
    if (UNLIKELY(r->error != ERR_NONE)) {
        if (r->error == ERR_TOO_LARGE)
            mc_drop(w, &op.key);
        mc_block_refused(w, r, false);
        return;
    }
    COUNT(w->counters.cmd_set);
    op.flags = m.client_flags;
    op.vivify = mc_meta_has(&m, 'N');
    op.expiry_ms = mc_expiry_ms(
        w, op.vivify && (op.mode == MC_APPEND || op.mode == MC_PREPEND) ? m.vivify : m.ttl);
    op.cas = m.cas;
    op.new_cas = m.new_cas;
    op.marks = mc_meta_has(&m, 'b') ? ITEM_KEY_BINARY : 0;
    op.stale = mc_meta_has(&m, 'I') && op.mode == MC_CAS;
    op.want_cas = mc_meta_has(&m, 'c');
    result = mc_store(w, &op);
    if (UNLIKELY(result == MC_NO_MEMORY)) {
        mc_drop(w, &op.key);
        mc_error(w, r, ERR_NO_MEMORY);
        return;
    }
    reply_stored(w, r, &m, &op, result);
}

/* ---- md ---- */

/* The unique of an item that stays though its value does not mean what it did. */
static bool renew_cas(struct worker *w, struct shard *s, const struct key *k, struct item **it,
                      uint64_t new_cas)
{
    if (!new_cas && !item_cas(*it))
        return true; /* nobody has asked for one: the next who asks gets a new one */
    if (!shard_cas(s, k, it))
        return false;
    item_set_cas(*it, new_cas ? new_cas : store_next_cas(w->store));
    return true;
}

static enum mc_result invalidate(struct worker *w, const struct mc_meta *m, const struct key *k,
                                 struct shard *s, struct item *it)
{
    if (mc_meta_has(m, 'T'))
        it = shard_set_expiry(s, k, it, mc_expiry_ms(w, m->ttl));
    if (!it || !renew_cas(w, s, k, &it, m->new_cas))
        return MC_NO_MEMORY;
    it->marks = (uint8_t)((it->marks | ITEM_STALE) & ~ITEM_WIN_SENT);
    return MC_STORED;
}

/* x: an empty item, with the client flags of F, the time of T and the old unique, to put in its place. */
static struct item *empty_item(struct worker *w, const struct mc_meta *m, const struct key *k)
{
    struct item_attr attr = {.expiry_ms = mc_expiry_ms(w, m->ttl),
                             .flags = m->client_flags,
                             .cas = m->new_cas,
                             .fields = ITEM_CAS};

    return store_item(w->store, k, &attr, 0);
}

/* Delete, empty (`empty` is taken then, and NULL) or invalidate. */
static enum mc_result remove_item(struct worker *w, const struct mc_meta *m, const struct key *k,
                                  struct item **empty)
{
    struct shard *s = store_lock(w->store, k->hash);
    struct item *it = shard_find(s, k, w->now_ms);
    enum mc_result result = MC_STORED;

    if (!it) {
        result = MC_NOT_FOUND;
        goto out;
    }
    if (mc_meta_has(m, 'C') && (m->cas == 0 || item_cas(it) != m->cas)) {
        result = MC_EXISTS;
        goto out;
    }
    if (*empty) {
        if (!m->new_cas)
            item_set_cas(*empty, item_cas(it));
        (*empty)->marks = it->marks & ITEM_KEY_BINARY;
        if (shard_put(s, k, it, *empty, w->now_ms) != OK)
            result = MC_NO_MEMORY;
        it = *empty;
        *empty = NULL;
    } else if (!mc_meta_has(m, 'I')) {
        shard_remove(s, k, it);
    }
    if (mc_meta_has(m, 'I') && result == MC_STORED)
        result = invalidate(w, m, k, s, it);
out:
    store_unlock(s);
    return result;
}

static void count_deletion(struct worker *w, const struct mc_meta *m, enum mc_result result)
{
    if (result != MC_STORED)
        COUNT(w->counters.delete_misses);
    else if (!mc_meta_has(m, 'I'))
        COUNT(w->counters.delete_hits);
}

void cmd_mc_md(struct worker *w, struct conn *c, struct request *r)
{
    struct item *empty = NULL;
    enum mc_result result;
    struct mc_meta m;
    struct key k;
    char *p;

    (void)c;
    if (!read_flags(w, r, 2, MC_FLAG('x'), ERR_META_FLAGS, &m))
        return;
    if (!opaque_fits(&m)) {
        mc_error(w, r, ERR_META_OPAQUE);
        return;
    }
    k = meta_key(w, r, &m);
    if (mc_meta_has(&m, 'x')) {
        empty = empty_item(w, &m, &k);
        if (!empty) {
            mc_error(w, r, ERR_NO_MEMORY_DELTA);
            return;
        }
    }
    result = remove_item(w, &m, &k, &empty);
    store_item_drop(w->store, empty);
    if (UNLIKELY(result == MC_NO_MEMORY)) {
        mc_error(w, r, ERR_NO_MEMORY_DELTA);
        return;
    }
    count_deletion(w, &m, result);
    p = out_room(&w->out, MC_REPLY_ROOM);
    p = put_code(p, result_code(result));
    p = put_echo(p, r, 2, &m, &k);
    send_line(w, p, result != MC_STORED || !mc_meta_has(&m, 'q'));
}

/* ---- ma ---- */

static bool count_direction(const struct mc_meta *m, bool *decrement)
{
    *decrement = m->mode == 'D' || m->mode == '-';
    return m->mode == 0 || m->mode == 'I' || m->mode == '+' || *decrement;
}

/* N and nothing there: an item with the initial value. As mc_count: on MC_STORED the lock is held. */
static enum mc_result count_from(struct worker *w, const struct mc_meta *m, struct mc_count *op,
                                 struct shard **s, struct item **it)
{
    struct item_attr attr = {.cas = m->new_cas, .fields = m->vivify ? ITEM_EXPIRY : 0};
    char text[NUM_MAX_DIGITS];
    size_t n = num_format_u64(text, m->initial);
    struct item *fresh = store_item(w->store, &op->key, &attr, (uint32_t)n);

    if (!fresh)
        return MC_NO_MEMORY;
    store_item_write(w->store, fresh, 0, text, n);
    *s = store_lock(w->store, op->key.hash);
    *it = shard_find(*s, &op->key, w->now_ms);
    if (*it) {
        store_unlock(*s);
        store_item_drop(w->store, fresh);
        return MC_NOT_STORED;
    }
    *it = fresh;
    if (shard_put(*s, &op->key, NULL, fresh, w->now_ms) != OK) {
        store_unlock(*s);
        return MC_NO_MEMORY;
    }
    op->value = m->initial;
    return MC_STORED;
}

/* Count, or start to. *made: it was N. */
static enum mc_result count(struct worker *w, const struct mc_meta *m, struct mc_count *op,
                            struct shard **s, struct item **it, bool *made)
{
    for (;;) {
        enum mc_result result = mc_count(w, op, s, it);

        *made = false;
        if (result != MC_NOT_FOUND || !mc_meta_has(m, 'N'))
            return result;
        *made = true;
        result = count_from(w, m, op, s, it);
        if (result != MC_NOT_STORED)
            return result;
    }
}

/* A counted number whose reply is being written, under the lock. */
struct tally {
    struct worker *w;
    struct request *r;
    struct mc_meta m;
    struct mc_count op;
    struct shard *s;
    struct item *it;
    bool made; /* by this request, because of N */
};

/* Its flags, in their order. */
static enum error_id put_count_flags(struct tally *t, char **at)
{
    char *p = *at;

    for (uint32_t i = 2; i < t->r->argc; i++) {
        switch (t->r->argv[i].p[0]) {
        case 'c': {
            uint64_t unique = shard_cas(t->s, &t->op.key, &t->it);

            if (unique == 0)
                return ERR_NO_MEMORY_DELTA;
            p = put_number(p, 'c', unique);
            break;
        }
        case 't': p = put_ttl(p, t->it, t->w->now_ms); break;
        case 'T':
            t->it = shard_set_expiry(t->s, &t->op.key, t->it, mc_expiry_ms(t->w, t->m.ttl));
            break;
        case 'N':
            if (t->made)
                t->it = shard_set_expiry(t->s, &t->op.key, t->it, mc_expiry_ms(t->w, t->m.vivify));
            break;
        case 'O':
            if (!opaque_fits(&t->m))
                return ERR_META_OPAQUE;
            p = put_opaque(p, &t->m);
            break;
        case 'k': p = put_key(p, &t->op.key, mc_meta_has(&t->m, 'b')); break;
        }
        if (UNLIKELY(!t->it))
            return ERR_NO_MEMORY_DELTA;
    }
    *at = p;
    return ERR_NONE;
}

static void reply_counted(struct tally *t, char *p)
{
    struct worker *w = t->w;
    char text[NUM_MAX_DIGITS];
    size_t n = num_format_u64(text, t->op.value);
    bool with_value = mc_meta_has(&t->m, 'v');
    enum error_id error;

    if (with_value) {
        p = put_bytes(p, "VA ", 3);
        p += num_format_u64(p, n);
    } else {
        p = put_code(p, "HD");
    }
    error = put_count_flags(t, &p);
    store_unlock(t->s);
    if (UNLIKELY(error != ERR_NONE)) {
        mc_error(w, t->r, error);
        return;
    }
    if (with_value) {
        p = put_bytes(p, "\r\n", 2);
        p = put_bytes(p, text, n);
    }
    /* q does not hide what was made: as memcached 1.6.18 has it. */
    send_line(w, p, t->made || !mc_meta_has(&t->m, 'q'));
}

static void reply_not_counted(struct tally *t, enum mc_result result, char *p)
{
    if (result == MC_NON_NUMERIC) {
        mc_error(t->w, t->r, ERR_NOT_INTEGER);
    } else if (result == MC_NO_MEMORY) {
        mc_error(t->w, t->r, ERR_NO_MEMORY_DELTA);
    } else if (!opaque_fits(&t->m)) {
        mc_error(t->w, t->r, ERR_META_OPAQUE);
    } else {
        p = put_code(p, result_code(result));
        p = put_echo(p, t->r, 2, &t->m, &t->op.key);
        send_line(t->w, p, true);
    }
}

static void note_count(struct worker *w, bool decrement, bool hit)
{
    if (decrement && hit)
        COUNT(w->counters.decr_hits);
    else if (decrement)
        COUNT(w->counters.decr_misses);
    else if (hit)
        COUNT(w->counters.incr_hits);
    else
        COUNT(w->counters.incr_misses);
}

void cmd_mc_ma(struct worker *w, struct conn *c, struct request *r)
{
    struct tally t;
    enum mc_result result;
    char *p;

    (void)c;
    if (!read_flags(w, r, 2, 0, ERR_META_FLAGS, &t.m))
        return;
    t.op = (struct mc_count){
        .key = meta_key(w, r, &t.m), .delta = t.m.delta, .cas = t.m.cas, .new_cas = t.m.new_cas};
    if (!count_direction(&t.m, &t.op.decrement)) {
        mc_error(w, r, ERR_META_MA_MODE);
        return;
    }
    t.w = w;
    t.r = r;
    p = out_room(&w->out, MC_REPLY_ROOM);
    result = count(w, &t.m, &t.op, &t.s, &t.it, &t.made);
    if (result == MC_NOT_FOUND || (result == MC_STORED && !t.made))
        note_count(w, t.op.decrement, result == MC_STORED);
    if (result == MC_STORED)
        reply_counted(&t, p);
    else
        reply_not_counted(&t, result, p);
}

/* ---- mn, me ---- */

void cmd_mc_mn(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    (void)r;
    OUT_LIT(&w->out, "MN\r\n");
}

/* What me shows, copied while the lock is held. */
struct sight {
    int64_t expiry_ms, idle_ms;
    uint64_t cas;
    size_t bytes;
    bool fetched, binary;
};

static bool look_at(struct worker *w, const struct key *k, struct sight *sight)
{
    struct shard *s = store_lock(w->store, k->hash);
    const struct item *it = shard_find(s, k, w->now_ms);

    if (it)
        *sight = (struct sight){.expiry_ms = item_expiry(it),
                                .idle_ms = item_idle_ms(it, w->now_ms),
                                .cas = item_cas(it),
                                .bytes = item_bytes(it, store_node_bytes(w->store)),
                                .fetched = (it->marks & ITEM_FETCHED) != 0,
                                .binary = (it->marks & ITEM_KEY_BINARY) != 0};
    store_unlock(s);
    return it != NULL;
}

void cmd_mc_me(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = mc_key(r);
    char room[MC_KEY_MAX];
    struct sight sight;
    bool binary = r->argc > 2 && slice_equal(r->argv[2], SLICE_LIT("b"));
    char *p;

    (void)c;
    if (binary) {
        k.len = (uint32_t)mc_base64_decode(r->key.p, r->key.len, room);
        k.p = room;
        k.hash = store_hash(w->store, k.p, k.len);
        if (k.len == 0) {
            mc_error(w, r, ERR_BAD_FORMAT);
            return;
        }
    }
    COUNT(w->counters.cmd_meta); /* memcached counts this meta command only */
    if (!look_at(w, &k, &sight)) {
        OUT_LIT(&w->out, "EN\r\n");
        return;
    }
    OUT_LIT(&w->out, "ME ");
    p = out_room(&w->out, MC_REPLY_ROOM);
    if (sight.binary || (binary && !is_text(&k)))
        p += mc_base64_encode(k.p, k.len, p);
    else
        p = put_bytes(p, k.p, k.len);
    out_commit(&w->out, p);
    /* exp is the age since the expiry, as memcached has it: negative while there is time left. */
    out_printf(&w->out, " exp=%lld la=%lld cas=%llu fetch=%s cls=1 size=%zu\r\n",
               sight.expiry_ms ? -(long long)seconds_until(sight.expiry_ms, w->now_ms) : -1LL,
               (long long)sight.idle_ms / 1000, (unsigned long long)sight.cas,
               sight.fetched ? "yes" : "no", sight.bytes);
}
