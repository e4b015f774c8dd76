/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_resp_update.c - changes of a value that depend on what it was: INCR and relatives, APPEND,
 * SETRANGE.
 *
 * Items are built outside of the shard's lock, but how large one must be is known only under it. So
 * each command loops: look under the lock; when the item at hand fits what is there, put it, else leave
 * the lock, build one that would have fitted, and look again. A large old value is referenced and copied
 * between the locks, a small one is copied under the second. Expiry and memcached's flags stay; the CAS
 * unique is dropped, so that the next who asks for it draws a new one.
 */
#include "server/resp_util.h"

#include "server/config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Rounds after which a large value is copied under the lock: its key changes faster than it copies. */
#define ROUNDS_MAX 8

/* What a new item was built for. */
struct shape {
    uint32_t vlen;
    uint32_t flags;
    int64_t expiry;
};

static struct shape shape_for(const struct item *old, uint32_t vlen)
{
    struct shape s = {.vlen = vlen};

    if (old) {
        s.flags = item_flags(old);
        s.expiry = item_expiry(old);
    }
    return s;
}

static bool shape_equal(const struct shape *a, const struct shape *b)
{
    return a->vlen == b->vlen && a->flags == b->flags && a->expiry == b->expiry;
}

static struct item *shape_item(struct worker *w, const struct key *k, const struct shape *shape)
{
    struct item_attr attr = {.expiry_ms = shape->expiry, .flags = shape->flags};
    struct item *it = store_item(w->store, k, &attr, shape->vlen);

    if (!it) {
        COUNT(w->counters.store_no_memory);
        resp_error(&w->out, ERR_NO_MEMORY);
    }
    return it;
}

/* ---- text that replaces a number ---- */

/* Room for an integer as text. */
#define NUMBER_MAX 24

/* old[0..n) (n < 0: there is no value, which counts as 0) plus delta. */
static enum error_id add_integer(const char *old, int n, int64_t delta, int64_t *result)
{
    int64_t value = 0;

    if (n >= 0 && !resp_integer(slice_of(old, (size_t)n), &value))
        return ERR_NOT_INTEGER;
    if (__builtin_add_overflow(value, delta, result))
        return ERR_INCR_OVERFLOW;
    return ERR_NONE;
}

/* Under the lock: the item's number plus delta. */
static enum error_id next_integer(struct worker *w, const struct item *it, int64_t delta,
                                  int64_t *result)
{
    char old[NUMBER_MAX];

    if (!it)
        return add_integer(NULL, -1, delta, result);
    if (it->type != ITEM_STRING)
        return ERR_WRONG_TYPE;
    if (it->vlen > NUM_MAX_DIGITS)
        return ERR_NOT_INTEGER;
    item_read(it, store_node_bytes(w->store), 0, it->vlen, old);
    return add_integer(old, (int)it->vlen, delta, result);
}

static void add_to_integer(struct worker *w, struct conn *c, struct request *r, int64_t delta)
{
    struct key k = resp_key(c, r);
    struct item *fresh = NULL;
    struct shape built = {0};

    for (;;) {
        struct shard *s = store_lock(w->store, k.hash);
        struct item *it = shard_find(s, &k, w->now_ms);
        char text[NUMBER_MAX];
        int64_t value = 0;
        enum error_id error = next_integer(w, it, delta, &value);
        uint32_t n = (uint32_t)num_format_i64(text, value);
        struct shape want = shape_for(it, n);
        enum status st = OK;

        if (error == ERR_NONE && it && it->vlen == n && shard_overwrite(s, it, text, n)) {
            shard_hit(s, it, w->now_ms);
        } else if (error == ERR_NONE && (!fresh || !shape_equal(&built, &want))) {
            store_unlock(s);
            store_item_drop(w->store, fresh);
            fresh = shape_item(w, &k, &want);
            if (!fresh)
                return;
            built = want;
            continue;
        } else if (error == ERR_NONE) {
            store_item_write(w->store, fresh, 0, text, n);
            st = shard_put(s, &k, it, fresh, w->now_ms);
            fresh = NULL;
        }
        store_unlock(s);
        store_item_drop(w->store, fresh);
        if (st != OK)
            error = ERR_NO_MEMORY;
        if (error == ERR_NONE)
            resp_int(&w->out, value);
        else
            resp_error(&w->out, error);
        return;
    }
}

void cmd_resp_incr(struct worker *w, struct conn *c, struct request *r)
{
    add_to_integer(w, c, r, 1);
}

void cmd_resp_decr(struct worker *w, struct conn *c, struct request *r)
{
    add_to_integer(w, c, r, -1);
}

void cmd_resp_incrby(struct worker *w, struct conn *c, struct request *r)
{
    int64_t delta;

    if (resp_int_arg(w, r->argv[2], &delta))
        add_to_integer(w, c, r, delta);
}

void cmd_resp_decrby(struct worker *w, struct conn *c, struct request *r)
{
    int64_t delta;

    if (!resp_int_arg(w, r->argv[2], &delta))
        return;
    if (delta == INT64_MIN)
        resp_error(&w->out, ERR_DECR_OVERFLOW);
    else
        add_to_integer(w, c, r, -delta);
}

/* ---- INCRBYFLOAT ---- */

/* The longest that a long double is without an exponent, its fraction of 17 digits included. */
#define FLOAT_MAX (5 * 1024)

/* All of the text must be one finite or infinite number, as strtold takes it. */
static bool parse_float(const char *text, size_t n, long double *out)
{
    char copy[FLOAT_MAX];
    char *end;

    if (n == 0 || n >= sizeof(copy) || text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'))
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    errno = 0;
    *out = strtold(copy, &end);
    if (end != copy + n || isnan(*out))
        return false;
    return errno != ERANGE || (*out != 0 && !isinf(*out));
}

/* Redis's text of a sum: 17 decimals, of which trailing zeros go. */
static size_t format_float(char dst[FLOAT_MAX], long double v)
{
    int n = snprintf(dst, FLOAT_MAX, "%.17Lf", v);

    if (n < 0 || n >= FLOAT_MAX)
        return 0;
    while (dst[n - 1] == '0')
        n--;
    if (dst[n - 1] == '.')
        n--;
    if (n == 2 && dst[0] == '-' && dst[1] == '0') {
        dst[0] = '0';
        n = 1;
    }
    return (size_t)n;
}

/* The value as it was when the sum was made. */
struct float_old {
    bool exists;
    struct shape shape;
    char text[FLOAT_MAX];
};

/* Under the lock: note the value. */
static enum error_id float_look(struct worker *w, const struct item *it, struct float_old *old)
{
    old->exists = it != NULL;
    old->shape = shape_for(it, it ? it->vlen : 0);
    if (!it)
        return ERR_NONE;
    if (it->type != ITEM_STRING)
        return ERR_WRONG_TYPE;
    if (it->vlen >= FLOAT_MAX)
        return ERR_NOT_FLOAT;
    item_read(it, store_node_bytes(w->store), 0, it->vlen, old->text);
    return ERR_NONE;
}

/* Under the lock: is it still the value that was noted? */
static bool float_same(struct worker *w, const struct item *it, const struct float_old *old)
{
    char text[FLOAT_MAX];
    struct shape now = shape_for(it, it ? it->vlen : 0);

    if ((it != NULL) != old->exists || !shape_equal(&now, &old->shape))
        return false;
    if (!it)
        return true;
    item_read(it, store_node_bytes(w->store), 0, it->vlen, text);
    return it->type == ITEM_STRING && memcmp(text, old->text, it->vlen) == 0;
}

/* old + delta as text; its length, or 0 and the error. */
static size_t float_sum(const struct float_old *old, long double delta, char dst[FLOAT_MAX],
                        enum error_id *error)
{
    long double value = 0;
    size_t n;

    *error = ERR_NOT_FLOAT;
    if (old->exists && !parse_float(old->text, old->shape.vlen, &value))
        return 0;
    value += delta;
    *error = ERR_INCR_NAN;
    if (isnan(value) || isinf(value))
        return 0;
    n = format_float(dst, value);
    *error = ERR_NONE;
    return n;
}

/* False: the key changed meanwhile; nothing was done. */
static bool float_store(struct worker *w, const struct key *k, const struct float_old *old,
                        const char *text, size_t n)
{
    struct shape shape = old->shape;
    struct item *fresh, *it;
    struct shard *s;
    enum status st;

    shape.vlen = (uint32_t)n;
    fresh = shape_item(w, k, &shape);
    if (!fresh)
        return true;
    store_item_write(w->store, fresh, 0, text, n);
    s = store_lock(w->store, k->hash);
    it = shard_find(s, k, w->now_ms);
    if (!float_same(w, it, old)) {
        store_unlock(s);
        store_item_drop(w->store, fresh);
        return false;
    }
    st = shard_put(s, k, it, fresh, w->now_ms);
    store_unlock(s);
    if (st == OK)
        resp_bulk(&w->out, slice_of(text, n));
    else
        resp_error(&w->out, ERR_NO_MEMORY);
    return true;
}

void cmd_resp_incrbyfloat(struct worker *w, struct conn *c, struct request *r)
{
    struct key k = resp_key(c, r);
    struct float_old old;
    long double delta;
    char text[FLOAT_MAX];

    /* Redis looks at the value first. */
    for (;;) {
        struct shard *s = store_lock(w->store, k.hash);
        enum error_id error = float_look(w, shard_find(s, &k, w->now_ms), &old);
        size_t n = 0;

        store_unlock(s);
        if (error == ERR_NONE && !parse_float(r->argv[2].p, r->argv[2].len, &delta))
            error = ERR_NOT_FLOAT;
        if (error == ERR_NONE)
            n = float_sum(&old, delta, text, &error);
        if (error != ERR_NONE) {
            resp_error(&w->out, error);
            return;
        }
        if (float_store(w, &k, &old, text, n))
            return;
    }
}

/* ---- APPEND, SETRANGE ---- */

/* Bytes that are to lie at off of the value; what is missing before them becomes zeros. */
struct patch {
    struct slice bytes;
    uint64_t off;
    bool append; /* off is the end */
};

/* An item that holds the patch, built to continue an old value of a shape. `from` is a reference to
 * that value if it is large: its bytes are in the item then, while those of a small one are not yet. */
struct patched {
    struct item *it;
    struct item *from;
    struct shape old;
};

static void patched_drop(struct worker *w, struct patched *p)
{
    store_item_drop(w->store, p->it);
    if (p->from)
        store_item_put(w->store, p->from);
    *p = (struct patched){.it = NULL};
}

/* Under the lock: does the item at hand continue what lies there now? */
static bool patched_fits(const struct patched *p, const struct item *old)
{
    struct shape now = shape_for(old, old ? old->vlen : 0);

    if (!p->it || !shape_equal(&now, &p->old))
        return false;
    return old && (old->fields & ITEM_REFS) ? old == p->from : p->from == NULL;
}

static uint64_t patch_off(const struct patch *patch, uint64_t old_len)
{
    return patch->append ? old_len : patch->off;
}

static uint64_t patch_end(const struct patch *patch, uint64_t old_len)
{
    uint64_t end = patch_off(patch, old_len) + patch->bytes.len;

    return end > old_len ? end : old_len;
}

/* Write everything but the old value's bytes. */
static void write_patch(struct worker *w, struct item *it, const struct patch *patch,
                        uint64_t old_len)
{
    static const char zeros[4096];
    uint64_t off = patch_off(patch, old_len);

    for (uint64_t at = old_len; at < off;) {
        uint64_t n = off - at < sizeof(zeros) ? off - at : sizeof(zeros);

        store_item_write(w->store, it, at, zeros, n);
        at += n;
    }
    store_item_write(w->store, it, off, patch->bytes.p, patch->bytes.len);
}

/* Copy the old value's bytes [from, to) to the same place of the new one. */
static void copy_old(struct worker *w, struct item *it, const struct item *old, uint64_t from,
                     uint64_t to)
{
    struct slice part[2];
    uint64_t start = 0;

    (void)store_value(w->store, old, part);
    for (int i = 0; i < 2; i++) {
        uint64_t end = start + part[i].len, a = from > start ? from : start;
        uint64_t b = to < end ? to : end;

        if (a < b)
            store_item_write(w->store, it, a, part[i].p + (a - start), b - a);
        start = end;
    }
}

/* Write the old value's bytes that the patch leaves. */
static void write_old(struct worker *w, struct item *it, const struct item *old,
                      const struct patch *patch)
{
    uint64_t off = patch_off(patch, old->vlen);

    copy_old(w, it, old, 0, off);
    copy_old(w, it, old, off + patch->bytes.len, old->vlen);
}

/* Build what continues a value of the shape `old`; takes the reference `from`. False: no memory;
 * answered. */
static bool patched_build(struct worker *w, const struct key *k, const struct patch *patch,
                          const struct shape *old, struct item *from, struct patched *p)
{
    struct shape shape = *old;

    shape.vlen = (uint32_t)patch_end(patch, old->vlen);
    *p = (struct patched){.it = shape_item(w, k, &shape), .from = from, .old = *old};
    if (!p->it) {
        patched_drop(w, p);
        return false;
    }
    write_patch(w, p->it, patch, old->vlen);
    if (from)
        write_old(w, p->it, from, patch);
    return true;
}

/* The same under the lock, for a key that never keeps still. store_item() would evict: not here. */
static struct item *patched_build_locked(struct worker *w, const struct key *k,
                                         const struct patch *patch, const struct item *old)
{
    uint64_t len = old ? old->vlen : 0;
    struct shape shape = shape_for(old, (uint32_t)patch_end(patch, len));
    struct item_attr attr = {.expiry_ms = shape.expiry, .flags = shape.flags, .db = k->db};
    struct item *it = item_new(store_node_bytes(w->store), k->p, k->len, &attr, shape.vlen);

    if (!it)
        return NULL;
    write_patch(w, it, patch, len);
    if (old)
        write_old(w, it, old, patch);
    return it;
}

/* Is there an answer before anything is stored? Then *error, or *len of the value as it is. */
static bool patch_answered(struct worker *w, const struct patch *patch, const struct item *old,
                           enum error_id *error, uint64_t *len)
{
    *len = old ? old->vlen : 0;
    *error = ERR_NONE;
    if (old && old->type != ITEM_STRING)
        *error = ERR_WRONG_TYPE;
    else if (patch->bytes.len == 0 && (old || !patch->append))
        return true;
    else if (patch_off(patch, *len) + patch->bytes.len > (uint64_t)w->config->proto_max_bulk_len)
        *error = ERR_TOO_LARGE;
    return *error != ERR_NONE;
}

static void patch_value(struct worker *w, struct conn *c, struct request *r,
                        const struct patch *patch)
{
    struct key k = resp_key(c, r);
    struct patched p = {.it = NULL};
    enum error_id error;
    uint64_t len;
    struct shard *s;

    for (unsigned round = 0;; round++) {
        struct item *old, *from;
        struct shape shape;

        s = store_lock(w->store, k.hash);
        old = shard_find(s, &k, w->now_ms);
        if (patch_answered(w, patch, old, &error, &len))
            break;
        if (!patched_fits(&p, old) && round < ROUNDS_MAX) {
            shape = shape_for(old, (uint32_t)len);
            from = old ? shard_share(old) : NULL;
            store_unlock(s);
            patched_drop(w, &p);
            if (!patched_build(w, &k, patch, &shape, from, &p))
                return;
            continue;
        }
        if (round == ROUNDS_MAX) {
            store_item_drop(w->store, p.it);
            p.it = patched_build_locked(w, &k, patch, old);
        } else if (old && !p.from) {
            write_old(w, p.it, old, patch);
        }
        len = patch_end(patch, len);
        if (!p.it || shard_put(s, &k, old, p.it, w->now_ms) != OK)
            error = ERR_NO_MEMORY;
        p.it = NULL;
        break;
    }
    store_unlock(s);
    patched_drop(w, &p);
    if (error == ERR_NONE)
        resp_int(&w->out, (int64_t)len);
    else
        resp_error(&w->out, error);
}

void cmd_resp_append(struct worker *w, struct conn *c, struct request *r)
{
    struct patch patch = {.bytes = r->argv[2], .append = true};

    patch_value(w, c, r, &patch);
}

void cmd_resp_setrange(struct worker *w, struct conn *c, struct request *r)
{
    struct patch patch = {.bytes = r->argv[3]};
    int64_t off;

    if (!resp_int_arg(w, r->argv[2], &off))
        return;
    if (off < 0) {
        resp_error(&w->out, ERR_OFFSET);
        return;
    }
    patch.off = (uint64_t)off;
    patch_value(w, c, r, &patch);
}
