/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_resp_keys.c - RESP commands on keys of any type: existence, deletion, expiry, listing. */
#include "server/resp_util.h"

#include "lib/clock.h"
#include "lib/glob.h"
#include "server/text.h"

/* ---- some keys, and how many ---- */

/* What is done to a live item of the command's keys. */
typedef void (*visit_fn)(struct worker *w, struct shard *s, const struct key *k, struct item *it);

static void visit_nothing(struct worker *w, struct shard *s, const struct key *k, struct item *it)
{
    (void)w;
    (void)s;
    (void)k;
    (void)it;
}

static void visit_touch(struct worker *w, struct shard *s, const struct key *k, struct item *it)
{
    (void)k;
    shard_hit(s, it, w->now_ms);
}

static void visit_remove(struct worker *w, struct shard *s, const struct key *k, struct item *it)
{
    (void)w;
    shard_remove(s, k, it);
}

static bool visit_one(struct worker *w, struct shard *s, const struct key *k, visit_fn visit)
{
    struct item *it = shard_find(s, k, w->now_ms);

    if (it)
        visit(w, s, k, it);
    return it != NULL;
}

/* Visit all keys at one moment and reply with the number of those that are there. */
static int64_t visit_keys(struct worker *w, struct conn *c, struct request *r, visit_fn visit)
{
    struct resp_keys ks;
    struct shard_set set;
    int64_t n = 0;

    if (r->argc == 2) {
        struct key k = resp_key(c, r);
        struct shard *s = store_lock(w->store, k.hash);

        n = visit_one(w, s, &k, visit);
        store_unlock(s);
        resp_int(&w->out, n);
        return n;
    }
    if (resp_keys_init(&ks, w, c, r->argv + 1, r->argc - 1, 1) != OK)
        return 0;
    store_lock_keys(w->store, ks.keys, ks.n, &set);
    for (size_t i = 0; i < ks.n; i++)
        n += visit_one(w, store_shard(w->store, ks.keys[i].hash), &ks.keys[i], visit);
    store_unlock_keys(&set);
    resp_keys_fini(&ks);
    resp_int(&w->out, n);
    return n;
}

/* DEL, and UNLINK: values are never freed under a lock here, so the two are the same. */
void cmd_resp_del(struct worker *w, struct conn *c, struct request *r)
{
    (void)visit_keys(w, c, r, visit_remove);
}

void cmd_resp_exists(struct worker *w, struct conn *c, struct request *r)
{
    int64_t hits = visit_keys(w, c, r, visit_nothing);

    COUNT_ADD(w->counters.get_hits, (uint64_t)hits);
    COUNT_ADD(w->counters.get_misses, r->argc - 1 - (uint64_t)hits);
}

void cmd_resp_touch(struct worker *w, struct conn *c, struct request *r)
{
    (void)visit_keys(w, c, r, visit_touch);
}

static struct slice type_name(unsigned type)
{
    switch ((enum item_type)type) {
    case ITEM_STRING: return SLICE_LIT("string");
    }
    UNREACHABLE();
}

void cmd_resp_type(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    struct shard *s = store_lock(w->store, k.hash);
    struct item *it = shard_find(s, &k, w->now_ms);
    struct slice name = it ? type_name(it->type) : SLICE_LIT("none");

    store_unlock(s);
    resp_count_read(w, it != NULL);
    resp_simple(&w->out, name);
}

/* ---- expiry ---- */

enum expire_flag {
    EXPIRE_NX = 1,
    EXPIRE_XX = 2,
    EXPIRE_GT = 4,
    EXPIRE_LT = 8,
};

/* False: answered. */
static bool expire_flags(struct worker *w, const struct request *r, unsigned *flags)
{
    *flags = 0;
    for (uint32_t i = 3; i < r->argc; i++) {
        struct slice a = r->argv[i];
        unsigned flag = resp_is(a, "NX")   ? EXPIRE_NX
                        : resp_is(a, "XX") ? EXPIRE_XX
                        : resp_is(a, "GT") ? EXPIRE_GT
                        : resp_is(a, "LT") ? EXPIRE_LT
                                           : 0;

        if (!flag) {
            resp_error_about(&w->out, ERR_EXPIRE_OPTION, a, slice_of(NULL, 0));
            return false;
        }
        *flags |= flag;
    }
    if ((*flags & EXPIRE_NX) && (*flags & ~(unsigned)EXPIRE_NX)) {
        resp_error(&w->out, ERR_EXPIRE_NX);
        return false;
    }
    if ((*flags & EXPIRE_GT) && (*flags & EXPIRE_LT)) {
        resp_error(&w->out, ERR_EXPIRE_GT_LT);
        return false;
    }
    return true;
}

/* May an item that ends at `current` (0: never) get another end? Both in wall-clock ms. */
static bool expire_allowed(unsigned flags, int64_t current, int64_t when)
{
    if ((flags & EXPIRE_NX) && current)
        return false;
    if ((flags & EXPIRE_XX) && !current)
        return false;
    if ((flags & EXPIRE_GT) && (!current || when <= current))
        return false;
    return !((flags & EXPIRE_LT) && current && when >= current);
}

/* The wall-clock time that the argument means; false: it is out of range, and the error is answered. */
static bool expire_when(struct worker *w, const struct request *r, enum resp_expiry_unit unit,
                        int64_t *when)
{
    bool seconds = unit == RESP_EX || unit == RESP_EXAT;
    int64_t base = unit == RESP_EX || unit == RESP_PX ? clock_to_wall_ms(w->now_ms) : 0;

    if (!resp_int_arg(w, r->argv[2], when))
        return false;
    if ((seconds && __builtin_mul_overflow(*when, 1000, when)) ||
        __builtin_add_overflow(*when, base, when)) {
        resp_error_about(&w->out, ERR_EXPIRE_TIME, r->cmd->name, slice_of(NULL, 0));
        return false;
    }
    return true;
}

static void expire(struct worker *w, struct conn *c, struct request *r, enum resp_expiry_unit unit)
{
    struct key k = resp_key(c, r);
    struct resp_expiry expiry;
    unsigned flags;
    int64_t when, current;
    struct shard *s;
    struct item *it;
    bool done = false, failed = false;

    if (!expire_flags(w, r, &flags) || !expire_when(w, r, unit, &when))
        return;
    expiry = resp_expiry_at(w, when);
    s = store_lock(w->store, k.hash);
    it = shard_find(s, &k, w->now_ms);
    if (it) {
        current = item_expiry(it) ? clock_to_wall_ms(item_expiry(it)) : 0;
        done = expire_allowed(flags, current, when);
    }
    if (done && expiry.past)
        shard_remove(s, &k, it);
    else if (done)
        failed = !shard_set_expiry(s, &k, it, expiry.ms);
    store_unlock(s);
    if (failed)
        resp_error(&w->out, ERR_NO_MEMORY);
    else
        resp_int(&w->out, done);
}

void cmd_resp_expire(struct worker *w, struct conn *c, struct request *r)
{
    expire(w, c, r, RESP_EX);
}

void cmd_resp_pexpire(struct worker *w, struct conn *c, struct request *r)
{
    expire(w, c, r, RESP_PX);
}

void cmd_resp_expireat(struct worker *w, struct conn *c, struct request *r)
{
    expire(w, c, r, RESP_EXAT);
}

void cmd_resp_pexpireat(struct worker *w, struct conn *c, struct request *r)
{
    expire(w, c, r, RESP_PXAT);
}

void cmd_resp_persist(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    struct shard *s = store_lock(w->store, k.hash);
    struct item *it = shard_find(s, &k, w->now_ms);
    bool had = it && item_expiry(it);

    /* The field is there, so this cannot fail. */
    if (had)
        CHECK(shard_set_expiry(s, &k, it, 0));
    store_unlock(s);
    resp_int(&w->out, had);
}

/* When the request's key ends, in cache time; false, and answered, when there is no key (-2) or no
 * end (-1). */
static bool expiry_of(struct worker *w, const struct conn *c, const struct request *r,
                      int64_t *expiry_ms)
{
    struct key k = resp_key(c, r);
    struct shard *s = store_lock(w->store, k.hash);
    struct item *it = shard_find(s, &k, w->now_ms);

    *expiry_ms = it ? item_expiry(it) : 0;
    store_unlock(s);
    resp_count_read(w, it != NULL);
    if (*expiry_ms)
        return true;
    resp_int(&w->out, it ? -1 : -2);
    return false;
}

/* Milliseconds, of which there are none below zero, in seconds to the nearest. */
static int64_t to_seconds(int64_t ms)
{
    return (int64_t)(((uint64_t)ms + 500) / 1000);
}

void cmd_resp_ttl(struct worker *w, struct conn *c, struct request *r)
{
    int64_t ms;

    if (expiry_of(w, c, r, &ms))
        resp_int(&w->out, to_seconds(ms - w->now_ms));
}

void cmd_resp_pttl(struct worker *w, struct conn *c, struct request *r)
{
    int64_t ms;

    if (expiry_of(w, c, r, &ms))
        resp_int(&w->out, ms - w->now_ms);
}

void cmd_resp_expiretime(struct worker *w, struct conn *c, struct request *r)
{
    int64_t ms;

    if (expiry_of(w, c, r, &ms))
        resp_int(&w->out, to_seconds(clock_to_wall_ms(ms)));
}

void cmd_resp_pexpiretime(struct worker *w, struct conn *c, struct request *r)
{
    int64_t ms;

    if (expiry_of(w, c, r, &ms))
        resp_int(&w->out, clock_to_wall_ms(ms));
}

/* ---- listing ---- */

/* Keys as bulk strings, one behind the other. Those of a bucket are gathered aside, because the list of
 * all may be long, and then takes long to grow: not under a shard's lock. */
struct listing {
    struct text text, bucket;
    size_t keys, visited;
    struct slice pattern; /* .p == NULL: all */
    bool nothing;         /* a type that no value has */
};

static void list_key(void *arg, struct item *it)
{
    struct listing *l = arg;
    struct slice key = slice_of(item_key(it), item_klen(it));
    char head[NUM_MAX_DIGITS + 3] = "$";
    size_t n;

    l->visited++;
    if (l->nothing || (l->pattern.p && !glob_match(l->pattern, key, false)))
        return;
    n = 1 + num_format_u64(head + 1, key.len);
    memcpy(head + n, "\r\n", 2);
    text_append(&l->bucket, head, n + 2);
    text_append(&l->bucket, key.p, key.len);
    text_append(&l->bucket, "\r\n", 2);
    l->keys++;
}

/* List one bucket; the next cursor. */
static uint64_t list_bucket(struct worker *w, const struct conn *c, struct listing *l,
                            uint64_t cursor)
{
    cursor = store_scan(w->store, c->db, cursor, w->now_ms, list_key, l);
    text_append(&l->text, l->bucket.p, l->bucket.len);
    l->bucket.len = 0;
    return cursor;
}

static bool listing_failed(const struct listing *l)
{
    return l->text.failed || l->bucket.failed;
}

static void listing_fini(struct listing *l)
{
    text_fini(&l->text);
    text_fini(&l->bucket);
}

void cmd_resp_keys(struct worker *w, struct conn *c, struct request *r)
{
    struct listing l = {.pattern = r->argv[1]};
    uint64_t cursor = 0;

    text_init(&l.text);
    text_init(&l.bucket);
    do
        cursor = list_bucket(w, c, &l, cursor);
    while (cursor && !listing_failed(&l));
    if (listing_failed(&l)) {
        resp_error(&w->out, ERR_NO_MEMORY);
    } else {
        resp_array(&w->out, l.keys);
        out_slice(&w->out, text_slice(&l.text));
    }
    listing_fini(&l);
}

/* SCAN's options; false: answered. */
static bool scan_options(struct worker *w, const struct request *r, struct listing *l,
                         int64_t *count)
{
    for (uint32_t i = 2; i < r->argc; i += 2) {
        struct slice option = r->argv[i], value;

        if (i + 1 == r->argc)
            goto syntax;
        value = r->argv[i + 1];
        if (resp_is(option, "COUNT")) {
            if (!resp_int_arg(w, value, count))
                return false;
            if (*count < 1)
                goto syntax;
        } else if (resp_is(option, "MATCH")) {
            l->pattern = value;
        } else if (resp_is(option, "TYPE")) {
            l->nothing = !resp_is(value, "string");
        } else {
            goto syntax;
        }
    }
    return true;
syntax:
    resp_error(&w->out, ERR_SYNTAX);
    return false;
}

void cmd_resp_scan(struct worker *w, struct conn *c, struct request *r)
{
    struct listing l = {.keys = 0};
    uint64_t cursor, buckets = 0;
    int64_t count = 10;
    char text[NUM_MAX_DIGITS];

    if (!num_parse_u64(r->argv[1], &cursor)) {
        resp_error(&w->out, ERR_CURSOR);
        return;
    }
    if (!scan_options(w, r, &l, &count))
        return;
    text_init(&l.text);
    text_init(&l.bucket);
    /* As in Redis: until enough keys were seen, but not for ever where there are few. */
    do
        cursor = list_bucket(w, c, &l, cursor);
    while (cursor && l.visited < (uint64_t)count && ++buckets / 10 < (uint64_t)count);
    if (listing_failed(&l)) {
        resp_error(&w->out, ERR_NO_MEMORY);
    } else {
        resp_array(&w->out, 2);
        resp_bulk(&w->out, slice_of(text, num_format_u64(text, cursor)));
        resp_array(&w->out, l.keys);
        out_slice(&w->out, text_slice(&l.text));
    }
    listing_fini(&l);
}

/* ---- a whole database ---- */

void cmd_resp_dbsize(struct worker *w, struct conn *c, struct request *r)
{
    (void)r;
    resp_int(&w->out, (int64_t)store_db_items(w->store, c->db));
}

/* ASYNC or SYNC may follow: both only unlink here, memory comes back in slices. */
static bool flush_option(struct worker *w, const struct request *r)
{
    if (r->argc == 1 ||
        (r->argc == 2 && (resp_is(r->argv[1], "ASYNC") || resp_is(r->argv[1], "SYNC"))))
        return true;
    resp_error(&w->out, ERR_SYNTAX);
    return false;
}

void cmd_resp_flushdb(struct worker *w, struct conn *c, struct request *r)
{
    if (!flush_option(w, r))
        return;
    store_flush(w->store, c->db);
    resp_ok(&w->out);
}

void cmd_resp_flushall(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    if (!flush_option(w, r))
        return;
    store_flush(w->store, -1);
    resp_ok(&w->out);
}
