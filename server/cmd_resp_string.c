/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_resp_string.c - string values of one key, read and written whole: GET, SET and their relatives.
 * Changes of a part of a value are in cmd_resp_update.c, several keys in cmd_resp_multi.c.
 */
#include "server/resp_util.h"

/* ---- reading ---- */

/* Reply with the value of the request's key, or null. What is to happen to the item besides is up to the
 * caller: s stays locked and *found is the item (NULL: there is none, or none of that type). Ends with
 * value_done(). */
struct value_reply {
    struct shard *s;
    struct item *it;
    struct item *large;
    bool wrong_type;
};

static ALWAYS_INLINE void value_find(struct worker *w, const struct key *k, struct value_reply *v)
{
    resp_value_room(w);
    v->s = store_lock(w->store, k->hash);
    v->it = shard_find(v->s, k, w->now_ms);
    v->large = NULL;
    v->wrong_type = v->it && v->it->type != ITEM_STRING;
    if (UNLIKELY(v->wrong_type))
        v->it = NULL;
    if (LIKELY(v->it != NULL)) {
        shard_hit(v->s, v->it, w->now_ms);
        v->large = resp_value_locked(w, v->it);
    }
}

static ALWAYS_INLINE void value_done(struct worker *w, const struct conn *c,
                                     const struct value_reply *v, bool hit)
{
    store_unlock(v->s);
    resp_count_read(w, hit);
    if (LIKELY(hit)) {
        if (UNLIKELY(v->large != NULL))
            resp_value_large(w, v->large);
    } else if (v->wrong_type) {
        resp_error(&w->out, ERR_WRONG_TYPE);
    } else {
        resp_null(&w->out, c->resp_version);
    }
}

void cmd_resp_get(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    struct value_reply v;

    value_find(w, &k, &v);
    value_done(w, c, &v, v.it != NULL);
}

void cmd_resp_getdel(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    struct value_reply v;
    bool hit;

    value_find(w, &k, &v);
    hit = v.it != NULL;
    if (hit)
        shard_remove(v.s, &k, v.it);
    value_done(w, c, &v, hit);
}

void cmd_resp_strlen(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    struct shard *s = store_lock(w->store, k.hash);
    struct item *it = shard_find(s, &k, w->now_ms);
    bool wrong_type = it && it->type != ITEM_STRING;
    uint32_t len = it ? it->vlen : 0;

    if (it)
        shard_hit(s, it, w->now_ms);
    store_unlock(s);
    resp_count_read(w, it != NULL);
    if (wrong_type)
        resp_error(&w->out, ERR_WRONG_TYPE);
    else
        resp_int(&w->out, len);
}

/* Redis's range of a string: both ends included, negative ones counted from the end. False: empty. */
static bool clip_range(int64_t start, int64_t end, int64_t len, size_t *off, size_t *n)
{
    if (start < 0 && end < 0 && start > end)
        return false;
    start = start < 0 ? start + len : start;
    end = end < 0 ? end + len : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= len ? len - 1 : end;
    if (start > end || len == 0)
        return false;
    *off = (size_t)start;
    *n = (size_t)(end - start + 1);
    return true;
}

/* GETRANGE, and SUBSTR, its old name. */
void cmd_resp_getrange(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    int64_t start, end;
    size_t off = 0, n = 0;
    struct shard *s;
    struct item *it, *large = NULL;
    bool wrong_type;

    if (!resp_int_arg(w, r->argv[2], &start) || !resp_int_arg(w, r->argv[3], &end))
        return;
    resp_value_room(w);
    s = store_lock(w->store, k.hash);
    it = shard_find(s, &k, w->now_ms);
    wrong_type = it && it->type != ITEM_STRING;
    if (it && !wrong_type) {
        shard_hit(s, it, w->now_ms);
        if (clip_range(start, end, it->vlen, &off, &n))
            large = shard_share(it);
        if (n > 0 && !large) {
            resp_bulk_head(&w->out, n);
            item_read(it, store_node_bytes(w->store), off, n, w->out.p);
            out_commit(&w->out, w->out.p + n);
            OUT_LIT(&w->out, "\r\n");
        }
    }
    store_unlock(s);
    resp_count_read(w, it != NULL);
    if (wrong_type)
        resp_error(&w->out, ERR_WRONG_TYPE);
    else if (large)
        resp_range_large(w, large, off, n);
    else if (n == 0)
        OUT_LIT(&w->out, "$0\r\n\r\n");
}

/* ---- options of SET and GETEX ---- */

enum set_flag {
    SET_NX = 1,
    SET_XX = 2,
    SET_GET = 4,
    SET_KEEPTTL = 8,
    SET_PERSIST = 16,
    SET_EX = 32, /* RESP_EX and the other units follow */
    SET_PX = 64,
    SET_EXAT = 128,
    SET_PXAT = 256,
};
#define SET_EXPIRY (SET_EX | SET_PX | SET_EXAT | SET_PXAT)
#define SET_TTL (SET_EXPIRY | SET_KEEPTTL | SET_PERSIST) /* of these only one */

struct set_options {
    unsigned flags;
    struct slice expiry; /* argument of the SET_EXPIRY flag */
};

/* The flag of an option, and the flags that it excludes. */
static unsigned set_flag(struct slice arg, unsigned *excludes)
{
    static const struct {
        struct slice word;
        unsigned flag, excludes;
    } words[] = {
        {{"NX", 2}, SET_NX, SET_XX},
        {{"XX", 2}, SET_XX, SET_NX},
        {{"GET", 3}, SET_GET, 0},
        {{"KEEPTTL", 7}, SET_KEEPTTL, SET_TTL & ~SET_KEEPTTL},
        {{"PERSIST", 7}, SET_PERSIST, SET_TTL & ~SET_PERSIST},
        {{"EX", 2}, SET_EX, SET_TTL & ~SET_EX},
        {{"PX", 2}, SET_PX, SET_TTL & ~SET_PX},
        {{"EXAT", 4}, SET_EXAT, SET_TTL & ~SET_EXAT},
        {{"PXAT", 4}, SET_PXAT, SET_TTL & ~SET_PXAT},
    };

    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equal_nocase(arg, words[i].word)) {
            *excludes = words[i].excludes;
            return words[i].flag;
        }
    return 0;
}

/* Read the options from argv[at] on; `allowed` are those of the command. False: answered. */
static bool set_options(struct worker *w, const struct request *r, uint32_t at, unsigned allowed,
                        struct set_options *o)
{
    *o = (struct set_options){0};
    for (uint32_t i = at; i < r->argc; i++) {
        unsigned excludes = 0, flag = set_flag(r->argv[i], &excludes) & allowed;

        if (!flag || (o->flags & excludes) || ((flag & SET_EXPIRY) && i + 1 == r->argc)) {
            resp_error(&w->out, ERR_SYNTAX);
            return false;
        }
        o->flags |= flag;
        if (flag & SET_EXPIRY)
            o->expiry = r->argv[++i];
    }
    return true;
}

/* The end that the options name; never, where they name none. ERR_NONE, or what is wrong with it. */
static enum error_id option_expiry(const struct worker *w, const struct set_options *o,
                                   struct resp_expiry *out)
{
    enum resp_expiry_unit unit = o->flags & SET_EX     ? RESP_EX
                                 : o->flags & SET_PX   ? RESP_PX
                                 : o->flags & SET_EXAT ? RESP_EXAT
                                                       : RESP_PXAT;

    *out = (struct resp_expiry){0};
    return o->flags & SET_EXPIRY ? resp_expiry_arg(w, o->expiry, unit, out) : ERR_NONE;
}

/* Answer what is wrong, if anything is. */
static bool refused(struct worker *w, const struct request *r, enum error_id error)
{
    if (LIKELY(error == ERR_NONE))
        return false;
    resp_error_about(&w->out, error, r->cmd->name, slice_of(NULL, 0));
    return true;
}

/* Under the lock: what GETEX does to the item that v found. ERR_NONE, or why nothing was done. */
static enum error_id getex_change(struct worker *w, const struct key *k, struct value_reply *v,
                                  const struct set_options *o)
{
    struct resp_expiry expiry;
    enum error_id error = option_expiry(w, o, &expiry);

    if (error != ERR_NONE || o->flags == 0)
        return error;
    if (expiry.past)
        shard_remove(v->s, k, v->it);
    else if (!shard_set_expiry(v->s, k, v->it, expiry.ms))
        return ERR_NO_MEMORY;
    return ERR_NONE;
}

void cmd_resp_getex(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    enum error_id error = ERR_NONE;
    struct set_options o;
    struct value_reply v;
    char *mark;

    if (!set_options(w, r, 2, SET_EXPIRY | SET_PERSIST, &o))
        return;
    resp_value_room(w);
    mark = w->out.p;
    value_find(w, &k, &v);
    /* A wrong time is an error only where there is a value. */
    if (v.it)
        error = getex_change(w, &k, &v, &o);
    if (UNLIKELY(error != ERR_NONE)) {
        store_unlock(v.s);
        out_commit(&w->out, mark);
        if (v.large)
            store_item_put(w->store, v.large);
        (void)refused(w, r, error);
        return;
    }
    value_done(w, c, &v, v.it != NULL);
}

/* ---- writing ---- */

/* What became of a write. */
enum set_result {
    SET_DONE,
    SET_NOT_DONE, /* NX, XX */
    SET_FAILED,   /* answered */
};

/* Under the lock: what SET_GET reads of the old item into the output. False: it is no string. */
static bool get_old(struct worker *w, struct shard *s, struct item *old, struct item **large)
{
    if (old->type != ITEM_STRING)
        return false;
    shard_hit(s, old, w->now_ms);
    *large = resp_value_locked(w, old);
    return true;
}

/* Store value under the request's key. With SET_GET the old value, or null, is replied in each case save
 * SET_FAILED; without it the reply is the caller's. */
static enum set_result set_value(struct worker *w, struct conn *c, struct request *r,
                                 struct slice value, unsigned flags, struct resp_expiry expiry)
{
    struct key k = resp_key(c, r);
    /* As in Redis, a value that has expired already is stored: the first look finds out. */
    struct item_attr attr = {.expiry_ms = expiry.past ? 1 : expiry.ms,
                             .fields = flags & SET_KEEPTTL ? ITEM_EXPIRY : 0};
    struct item *it = store_item(w->store, &k, &attr, (uint32_t)value.len), *old, *large = NULL;
    struct shard *s;
    char *mark;
    enum status st = OK;
    bool found, done;

    if (UNLIKELY(!it)) {
        COUNT(w->counters.store_no_memory);
        resp_error(&w->out, ERR_NO_MEMORY);
        return SET_FAILED;
    }
    store_item_write(w->store, it, 0, value.p, value.len);
    resp_value_room(w);
    mark = w->out.p;
    s = store_lock(w->store, k.hash);
    old = shard_find(s, &k, w->now_ms);
    found = old != NULL;
    if ((flags & SET_GET) && found && !get_old(w, s, old, &large)) {
        store_unlock(s);
        store_item_drop(w->store, it);
        resp_error(&w->out, ERR_WRONG_TYPE);
        return SET_FAILED;
    }
    done = found ? !(flags & SET_NX) : !(flags & SET_XX);
    if (done && (flags & SET_KEEPTTL) && found)
        item_set_expiry(it, item_expiry(old));
    if (done)
        st = shard_put(s, &k, old, it, w->now_ms);
    store_unlock(s);
    if (!done)
        store_item_drop(w->store, it);
    if (UNLIKELY(st != OK)) {
        out_commit(&w->out, mark);
        if (large)
            store_item_put(w->store, large);
        resp_error(&w->out, ERR_NO_MEMORY);
        return SET_FAILED;
    }
    if (flags & SET_GET) {
        resp_count_read(w, found);
        if (large)
            resp_value_large(w, large);
        else if (!found)
            resp_null(&w->out, c->resp_version);
    }
    return done ? SET_DONE : SET_NOT_DONE;
}

/* SET key value, and nothing else. */
static ALWAYS_INLINE void set_plain(struct worker *w, struct conn *c, struct request *r)
{
    const struct item_attr none = {0};
    struct key k = resp_key(c, r);
    struct slice value = r->argv[2];
    struct item *it = store_item(w->store, &k, &none, (uint32_t)value.len);
    struct shard *s;
    enum status st;

    if (UNLIKELY(!it)) {
        COUNT(w->counters.store_no_memory);
        resp_error(&w->out, ERR_NO_MEMORY);
        return;
    }
    if (LIKELY(!(it->fields & ITEM_TAIL)))
        memcpy((char *)(uintptr_t)item_key(it) + k.len, value.p, value.len);
    else
        store_item_write(w->store, it, 0, value.p, value.len);
    s = store_lock(w->store, k.hash);
    st = shard_put(s, &k, shard_find(s, &k, w->now_ms), it, w->now_ms);
    store_unlock(s);
    if (LIKELY(st == OK))
        resp_ok(&w->out);
    else
        resp_error(&w->out, ERR_NO_MEMORY);
}

static void set_with_options(struct worker *w, struct conn *c, struct request *r)
{
    const unsigned allowed = SET_NX | SET_XX | SET_GET | SET_KEEPTTL | SET_EXPIRY;
    struct set_options o;
    struct resp_expiry expiry;
    enum set_result result;

    if (!set_options(w, r, 3, allowed, &o) || refused(w, r, option_expiry(w, &o, &expiry)))
        return;
    result = set_value(w, c, r, r->argv[2], o.flags, expiry);
    if (result == SET_FAILED || (o.flags & SET_GET))
        return;
    if (result == SET_DONE)
        resp_ok(&w->out);
    else
        resp_null(&w->out, c->resp_version);
}

void cmd_resp_set(struct worker *w, struct conn *c, struct request *r)
{
    if (LIKELY(r->argc == 3))
        set_plain(w, c, r);
    else
        set_with_options(w, c, r);
}

void cmd_resp_setnx(struct worker *w, struct conn *c, struct request *r)
{
    const struct resp_expiry never = {0};
    enum set_result result = set_value(w, c, r, r->argv[2], SET_NX, never);

    if (result != SET_FAILED)
        resp_int(&w->out, result == SET_DONE);
}

static void set_for(struct worker *w, struct conn *c, struct request *r, enum resp_expiry_unit unit)
{
    struct resp_expiry expiry;

    if (!refused(w, r, resp_expiry_arg(w, r->argv[2], unit, &expiry)) &&
        set_value(w, c, r, r->argv[3], 0, expiry) == SET_DONE)
        resp_ok(&w->out);
}

void cmd_resp_setex(struct worker *w, struct conn *c, struct request *r)
{
    set_for(w, c, r, RESP_EX);
}

void cmd_resp_psetex(struct worker *w, struct conn *c, struct request *r)
{
    set_for(w, c, r, RESP_PX);
}

void cmd_resp_getset(struct worker *w, struct conn *c, struct request *r)
{
    const struct resp_expiry never = {0};

    (void)set_value(w, c, r, r->argv[2], SET_GET, never);
}
