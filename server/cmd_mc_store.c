/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_mc_store.c - memcached's storage commands (set add replace append prepend cas), counting (incr decr)
 * and delete. Items are built before the shard's lock is taken. Where the new item depends on the old one
 * (append, a longer number) it is built from a look at the old one, and built again if that has changed
 * meanwhile.
 */
#include "server/cmd_mc.h"

#include "server/config.h"
#include "server/conn.h"

#include <string.h>

/* So many blanks, and behind them so many bytes of a number, are looked at in a value. */
#define NUMBER_BYTES_MAX 128
/* What memcached keeps in chunks, which it never reads as a number. */
#define NEVER_NUMBER_BYTES (512 * 1024)

/* ---- refused blocks ---- */

void mc_drop(struct worker *w, const struct key *k)
{
    struct shard *s = store_lock(w->store, k->hash);
    struct item *it = shard_find(s, k, w->now_ms);

    if (it)
        shard_remove(s, k, it);
    store_unlock(s);
}

bool mc_block_refused(struct worker *w, struct request *r, bool drop)
{
    if (LIKELY(r->error == ERR_NONE))
        return false;
    if (r->error == ERR_TOO_LARGE) {
        COUNT(w->counters.store_too_large);
        if (drop) {
            struct key k = mc_key(r);

            mc_drop(w, &k);
        }
    } else {
        COUNT(w->counters.cmd_set);
    }
    mc_reply_error(&w->out, r);
    return true;
}

/* ---- set, add, replace, cas ---- */

static bool cas_matches(const struct item *it, uint64_t cas)
{
    return cas != 0 && item_cas(it) == cas;
}

/* CAS against a live item: may this be stored? With `stale` an older unique stores too, but the item
 * stays what the invalidation made it, with its time. */
static bool cas_decides(struct worker *w, struct shard *s, struct mc_store *op, struct item **old,
                        struct item *it)
{
    if (cas_matches(*old, op->cas)) {
        COUNT(w->counters.cas_hits);
        return true;
    }
    if (op->stale && op->cas != 0 && op->cas < shard_cas(s, &op->key, old)) {
        COUNT(w->counters.cas_hits);
        it->marks |= ITEM_STALE | ((*old)->marks & ITEM_WIN_SENT);
        item_set_expiry(it, item_expiry(*old));
        return true;
    }
    COUNT(w->counters.cas_badval);
    return false;
}

/* What the mode makes of the old item; MC_STORED: go on and store. */
static ALWAYS_INLINE enum mc_result decide(struct worker *w, struct shard *s, struct mc_store *op,
                                           struct item **old, struct item *it)
{
    if (LIKELY(op->mode == MC_SET))
        return MC_STORED;
    if (!*old) {
        if (op->mode == MC_ADD)
            return MC_STORED;
        if (op->mode == MC_REPLACE)
            return MC_NOT_STORED;
        COUNT(w->counters.cas_misses);
        return MC_NOT_FOUND;
    }
    if (op->mode == MC_REPLACE)
        return MC_STORED;
    if (op->mode == MC_ADD) {
        mc_bump(s, *old, w->now_ms);
        return MC_NOT_STORED;
    }
    return cas_decides(w, s, op, old, it) ? MC_STORED : MC_EXISTS;
}

static enum mc_result no_memory(struct worker *w, const struct mc_store *op)
{
    COUNT(w->counters.store_no_memory);
    if (op->mode == MC_SET)
        mc_drop(w, &op->key);
    return MC_NO_MEMORY;
}

static void note_stored(struct mc_store *op, const struct item *it)
{
    op->cas_out = item_cas(it);
    op->vlen_out = it->vlen;
}

static ALWAYS_INLINE enum mc_result put_value(struct worker *w, struct mc_store *op)
{
    struct item_attr attr = {.expiry_ms = op->expiry_ms,
                             .flags = op->flags,
                             .cas = op->new_cas,
                             .fields = op->stale ? ITEM_EXPIRY : 0};
    struct item *it, *old;
    enum mc_result result;
    struct shard *s;

    if (op->want_cas && !attr.cas)
        attr.cas = store_next_cas(w->store);
    it = store_item(w->store, &op->key, &attr, (uint32_t)op->data.len);
    if (UNLIKELY(!it))
        return no_memory(w, op);
    store_item_write(w->store, it, 0, op->data.p, op->data.len);
    it->marks = op->marks;
    s = store_lock(w->store, op->key.hash);
    old = shard_find(s, &op->key, w->now_ms);
    result = decide(w, s, op, &old, it);
    if (LIKELY(result == MC_STORED)) {
        note_stored(op, it);
        if (UNLIKELY(shard_put(s, &op->key, old, it, w->now_ms) != OK))
            result = MC_NO_MEMORY;
        it = NULL;
    }
    store_unlock(s);
    if (UNLIKELY(it != NULL))
        store_item_drop(w->store, it);
    if (UNLIKELY(result == MC_NO_MEMORY))
        return no_memory(w, op);
    return result;
}

/* ---- append, prepend ---- */

/* What a longer item is built from. `shared`: a large value, held by a reference; small ones are copied
 * under the lock. */
struct base {
    struct item *shared;
    uint32_t vlen, flags;
    int64_t expiry_ms;
};

static bool base_still_is(const struct base *b, const struct item *it)
{
    return (!b->shared || b->shared == it) && b->vlen == it->vlen && b->flags == item_flags(it) &&
           b->expiry_ms == item_expiry(it);
}

static void copy_value(struct worker *w, struct item *dst, size_t off, const struct item *src)
{
    struct slice part[2];
    unsigned parts = store_value(w->store, src, part);

    for (unsigned i = 0; i < parts; i++) {
        store_item_write(w->store, dst, off, part[i].p, part[i].len);
        off += part[i].len;
    }
}

static size_t base_offset(const struct mc_store *op)
{
    return op->mode == MC_PREPEND ? op->data.len : 0;
}

/* The joined item, with the base's bytes in it if they are held by a reference. */
static struct item *build_joined(struct worker *w, const struct mc_store *op, const struct base *b)
{
    struct item_attr attr = {.expiry_ms = b->expiry_ms, .flags = b->flags, .cas = op->new_cas};
    struct item *it;

    if (op->want_cas && !attr.cas)
        attr.cas = store_next_cas(w->store);
    it = store_item(w->store, &op->key, &attr, (uint32_t)(b->vlen + op->data.len));
    if (!it)
        return NULL;
    store_item_write(w->store, it, op->mode == MC_PREPEND ? 0 : b->vlen, op->data.p, op->data.len);
    if (b->shared)
        copy_value(w, it, base_offset(op), b->shared);
    return it;
}

/* One look at the old item: MC_STORED and *joined taken when it is what `b` says (b->vlen may be any when
 * *joined is NULL), else *b is filled from it and MC_STORED says: build and look again. */
static enum mc_result join(struct worker *w, struct mc_store *op, struct base *b,
                           struct item **joined, bool *done)
{
    struct shard *s = store_lock(w->store, op->key.hash);
    struct item *old = shard_find(s, &op->key, w->now_ms);
    enum mc_result result = MC_STORED;

    if (!old) {
        result = MC_NOT_STORED;
    } else if (op->cas && !cas_matches(old, op->cas)) {
        result = MC_EXISTS;
    } else if ((uint64_t)old->vlen + op->data.len > (uint64_t)w->config->item_size_max) {
        result = MC_NOT_STORED;
    } else if (*joined && base_still_is(b, old)) {
        if (!b->shared)
            copy_value(w, *joined, base_offset(op), old);
        note_stored(op, *joined);
        if (shard_put(s, &op->key, old, *joined, w->now_ms) != OK)
            result = MC_NO_MEMORY;
        *joined = NULL;
        *done = true;
    } else {
        if (b->shared != old) {
            if (b->shared)
                store_item_put(w->store, b->shared);
            b->shared = shard_share(old);
        }
        b->vlen = old->vlen;
        b->flags = item_flags(old);
        b->expiry_ms = item_expiry(old);
    }
    store_unlock(s);
    return result;
}

static enum mc_result store_joined(struct worker *w, struct mc_store *op)
{
    struct base b = {.shared = NULL};
    struct item *joined = NULL;
    enum mc_result result;
    bool done = false;

    for (;;) {
        result = join(w, op, &b, &joined, &done);
        if (result != MC_STORED || done)
            break;
        store_item_drop(w->store, joined);
        joined = build_joined(w, op, &b);
        if (!joined) {
            COUNT(w->counters.store_no_memory);
            result = MC_NO_MEMORY;
            break;
        }
    }
    store_item_drop(w->store, joined);
    if (b.shared)
        store_item_put(w->store, b.shared);
    return result;
}

enum mc_result mc_store(struct worker *w, struct mc_store *op)
{
    enum mc_result result;

    if (op->mode != MC_APPEND && op->mode != MC_PREPEND)
        return put_value(w, op);
    for (;;) {
        struct mc_store add = *op;

        result = store_joined(w, op);
        if (result != MC_NOT_STORED || !op->vivify)
            return result;
        add.mode = MC_ADD;
        result = put_value(w, &add);
        op->cas_out = add.cas_out;
        op->vlen_out = add.vlen_out;
        if (result != MC_NOT_STORED)
            return result;
        /* Somebody else added it, or the sum is too large: without vivify the next round tells. */
        op->vivify = false;
    }
}

/* ---- the storage commands ---- */

static ALWAYS_INLINE void reply_stored(struct worker *w, struct request *r, enum mc_result result)
{
    if (LIKELY(result == MC_STORED))
        MC_REPLY(w, r, "STORED");
    else if (result == MC_NOT_STORED)
        MC_REPLY(w, r, "NOT_STORED");
    else if (result == MC_EXISTS)
        MC_REPLY(w, r, "EXISTS");
    else if (result == MC_NOT_FOUND)
        MC_REPLY(w, r, "NOT_FOUND");
    else
        mc_error(w, r, ERR_NO_MEMORY);
}

/* The parser has seen to it that all numbers are numbers. */
static ALWAYS_INLINE void prepare(struct worker *w, const struct request *r, struct mc_store *op)
{
    int32_t exptime = 0;

    op->key = mc_key(r);
    op->data = r->data;
    if (!mc_u32(r->argv[2], &op->flags) || !mc_i32(r->argv[3], &exptime))
        return;
    op->expiry_ms = mc_expiry_ms(w, exptime);
}

void cmd_mc_set(struct worker *w, struct conn *c, struct request *r)
{
    struct mc_store op = {.mode = MC_SET};

    (void)c;
    if (UNLIKELY(mc_block_refused(w, r, true)))
        return;
    COUNT(w->counters.cmd_set);
    prepare(w, r, &op);
    reply_stored(w, r, put_value(w, &op));
}

static void store_by(struct worker *w, struct request *r, enum mc_mode mode)
{
    struct mc_store op = {.mode = mode};

    if (UNLIKELY(mc_block_refused(w, r, false)))
        return;
    COUNT(w->counters.cmd_set);
    prepare(w, r, &op);
    if (mode == MC_CAS && !mc_u64(r->argv[5], &op.cas))
        op.cas = 0;
    reply_stored(w, r, mc_store(w, &op));
}

void cmd_mc_add(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    store_by(w, r, MC_ADD);
}

void cmd_mc_replace(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    store_by(w, r, MC_REPLACE);
}

void cmd_mc_append(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    store_by(w, r, MC_APPEND);
}

void cmd_mc_prepend(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    store_by(w, r, MC_PREPEND);
}

void cmd_mc_cas(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    store_by(w, r, MC_CAS);
}

/* ---- incr, decr ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Does the text end within a number, not behind one? */
static bool ends_in_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_blank(s.p[i]) || s.p[i] == '\0')
            return false;
    return true;
}

/* The item's value as a number; false: it is none. Only its start is looked at, which lies in the first
 * piece: behind the number and a blank there may be anything. A number that goes on where the look ends,
 * by its many leading zeros, is taken for none. */
static bool value_number(const struct worker *w, const struct item *it, uint64_t *out)
{
    struct slice part[2], s;
    size_t blanks = 0;

    store_value(w->store, it, part);
    s = part[0];
    while (blanks < s.len && blanks < NUMBER_BYTES_MAX && is_blank(s.p[blanks]))
        blanks++;
    s = slice_of(s.p + blanks, s.len - blanks);
    if (s.len > NUMBER_BYTES_MAX)
        s.len = NUMBER_BYTES_MAX;
    return mc_u64(s, out) && (blanks + s.len == it->vlen || !ends_in_digits(s));
}

static uint64_t counted(const struct mc_count *op, uint64_t v)
{
    if (!op->decrement)
        return v + op->delta;
    return v > op->delta ? v - op->delta : 0;
}

static bool give_cas(struct shard *s, const struct key *k, struct item **it, uint64_t cas)
{
    if (!shard_cas(s, k, it))
        return false;
    item_set_cas(*it, cas);
    return true;
}

/* An item for a number that does not fit in place: all blanks, digits to follow under the lock. */
static struct item *blank_item(struct worker *w, const struct key *k, const struct item_attr *attr,
                               size_t len)
{
    static const char blanks[] = "                                ";
    struct item *it = store_item(w->store, k, attr, (uint32_t)len);

    for (size_t off = 0, n; it && off < len; off += n) {
        n = len - off < sizeof(blanks) - 1 ? len - off : sizeof(blanks) - 1;
        store_item_write(w->store, it, off, blanks, n);
    }
    return it;
}

/* Put the number of n digits at text where the old one is: in place when it fits, else in *fresh if that
 * was made for it. The length stays (as in memcached), with blanks behind the number, unless it is too
 * short. False: it takes a fresh item with *attr and of *len bytes. */
static bool put_number(struct worker *w, struct shard *s, const struct key *k, struct item **it,
                       char text[NUMBER_BYTES_MAX], size_t n, struct item **fresh,
                       struct item_attr *attr, size_t *len)
{
    struct item *old = *it;

    *len = n > old->vlen ? n : old->vlen;
    if (n <= old->vlen && old->vlen <= NUMBER_BYTES_MAX) {
        memset(text + n, ' ', old->vlen - n);
        CHECK(shard_overwrite(s, old, text, old->vlen)); /* too short to be shared */
        mc_bump(s, old, w->now_ms);
        return true;
    }
    *attr = (struct item_attr){.expiry_ms = item_expiry(old), .flags = item_flags(old)};
    if (!*fresh || (*fresh)->vlen != *len || item_flags(*fresh) != attr->flags ||
        item_expiry(*fresh) != attr->expiry_ms)
        return false;
    store_item_write(w->store, *fresh, 0, text, n);
    *it = *fresh;
    *fresh = NULL;
    return shard_put(s, k, old, *it, w->now_ms) == OK;
}

/* One look at the item, under the lock. MC_STORED: *it is done when *done, else *attr and *len say what
 * fresh item it takes. */
static enum mc_result count_locked(struct worker *w, struct mc_count *op, struct shard *s,
                                   struct item **it, struct item **fresh, struct item_attr *attr,
                                   size_t *len, bool *done)
{
    char text[NUMBER_BYTES_MAX];
    uint64_t v;
    size_t n;

    *it = shard_find(s, &op->key, w->now_ms);
    if (!*it)
        return MC_NOT_FOUND;
    /* memcached looks at the unique only when the value could be a number at all. */
    if ((*it)->vlen == 0 || (*it)->vlen >= NEVER_NUMBER_BYTES)
        return MC_NON_NUMERIC;
    if (op->cas && !cas_matches(*it, op->cas))
        return MC_EXISTS;
    if (!value_number(w, *it, &v))
        return MC_NON_NUMERIC;
    op->value = counted(op, v);
    n = num_format_u64(text, op->value);
    *done = put_number(w, s, &op->key, it, text, n, fresh, attr, len);
    if (*done && op->new_cas && !give_cas(s, &op->key, it, op->new_cas))
        return MC_NO_MEMORY;
    return MC_STORED;
}

enum mc_result mc_count(struct worker *w, struct mc_count *op, struct shard **s, struct item **it)
{
    struct item *fresh = NULL;
    struct item_attr attr;
    enum mc_result result;
    bool done = false;
    size_t len = 0;

    for (;;) {
        *s = store_lock(w->store, op->key.hash);
        result = count_locked(w, op, *s, it, &fresh, &attr, &len, &done);
        if (result == MC_STORED && done)
            break;
        store_unlock(*s);
        if (result != MC_STORED)
            break;
        store_item_drop(w->store, fresh);
        fresh = blank_item(w, &op->key, &attr, len);
        if (!fresh)
            return MC_NO_MEMORY;
    }
    store_item_drop(w->store, fresh);
    return result;
}

static void count_one(struct worker *w, struct request *r, bool decrement)
{
    struct mc_count op = {.key = mc_key(r), .decrement = decrement};
    struct item *it;
    struct shard *s;

    if (!mc_u64(r->argv[2], &op.delta)) {
        mc_error(w, r, ERR_BAD_DELTA);
        return;
    }
    switch (mc_count(w, &op, &s, &it)) {
    case MC_STORED:
        store_unlock(s);
        if (decrement)
            COUNT(w->counters.decr_hits);
        else
            COUNT(w->counters.incr_hits);
        if (r->noreply)
            break;
        out_u64(&w->out, op.value);
        OUT_LIT(&w->out, "\r\n");
        break;
    case MC_NOT_FOUND:
        if (decrement)
            COUNT(w->counters.decr_misses);
        else
            COUNT(w->counters.incr_misses);
        MC_REPLY(w, r, "NOT_FOUND");
        break;
    case MC_NON_NUMERIC: mc_error(w, r, ERR_NOT_INTEGER); break;
    default: mc_error(w, r, ERR_NO_MEMORY_DELTA);
    }
}

void cmd_mc_incr(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    count_one(w, r, false);
}

void cmd_mc_decr(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    count_one(w, r, true);
}

/* ---- delete ---- */

void cmd_mc_delete(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = mc_key(r);
    struct shard *s = store_lock(w->store, k.hash);
    struct item *it = shard_find(s, &k, w->now_ms);

    (void)c;
    if (it)
        shard_remove(s, &k, it);
    store_unlock(s);
    if (it) {
        COUNT(w->counters.delete_hits);
        MC_REPLY(w, r, "DELETED");
    } else {
        COUNT(w->counters.delete_misses);
        MC_REPLY(w, r, "NOT_FOUND");
    }
}
