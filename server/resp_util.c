/* SPDX-License-Identifier: BSD-3-Clause */
/* resp_util.c - what the RESP command handlers share and is not hot. */
#include "server/resp_util.h"

#include "lib/clock.h"
#include "lib/mem.h"

/* ---- arguments ---- */

bool resp_int_arg(struct worker *w, struct slice arg, int64_t *out)
{
    if (resp_integer(arg, out))
        return true;
    resp_error(&w->out, ERR_NOT_INTEGER);
    return false;
}

void resp_arity_error(struct worker *w, const struct request *r)
{
    resp_error_about(&w->out, ERR_ARITY, r->cmd->name, slice_of(NULL, 0));
}

enum status resp_keys_init(struct resp_keys *ks, struct worker *w, const struct conn *c,
                           const struct slice *argv, size_t n, size_t step)
{
    ks->n = n;
    ks->keys = n <= RESP_KEYS_FEW ? ks->few : mem_alloc(n * sizeof(struct key));
    if (!ks->keys) {
        resp_error(&w->out, ERR_NO_MEMORY);
        return NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        struct slice s = argv[i * step];

        ks->keys[i] = (struct key){.p = s.p,
                                   .len = (uint32_t)s.len,
                                   .db = c->db,
                                   .hash = store_hash(w->store, s.p, s.len)};
    }
    store_prefetch_keys(w->store, ks->keys, n);
    return OK;
}

void resp_keys_fini(struct resp_keys *ks)
{
    if (ks->keys != ks->few)
        mem_free(ks->keys, ks->n * sizeof(struct key));
}

/* ---- expiry ---- */

struct resp_expiry resp_expiry_at(const struct worker *w, int64_t wall_ms)
{
    if (wall_ms <= clock_to_wall_ms(w->now_ms))
        return (struct resp_expiry){.past = true};
    return (struct resp_expiry){.ms = clock_from_wall_ms(wall_ms)};
}

enum error_id resp_expiry_arg(const struct worker *w, struct slice arg, enum resp_expiry_unit unit,
                              struct resp_expiry *out)
{
    bool seconds = unit == RESP_EX || unit == RESP_EXAT;
    int64_t ms, base = unit == RESP_EX || unit == RESP_PX ? clock_to_wall_ms(w->now_ms) : 0;

    if (!resp_integer(arg, &ms))
        return ERR_NOT_INTEGER;
    if (ms <= 0 || (seconds && ms > INT64_MAX / 1000) ||
        (seconds ? ms * 1000 : ms) > INT64_MAX - base)
        return ERR_EXPIRE_TIME;
    *out = resp_expiry_at(w, (seconds ? ms * 1000 : ms) + base);
    return ERR_NONE;
}

/* ---- values ---- */

void resp_range_large(struct worker *w, struct item *it, size_t off, size_t n)
{
    /* Below that a copy is cheaper than an iovec and a reference. */
    enum { COPY_MAX = 2048 };
    struct slice part[2];
    unsigned parts = store_value(w->store, it, part);

    resp_bulk_head(&w->out, n);
    for (unsigned i = 0; i < parts; i++) {
        size_t skip = off < part[i].len ? off : part[i].len;
        size_t len = part[i].len - skip < n ? part[i].len - skip : n;

        off -= skip;
        n -= len;
        if (len > COPY_MAX) {
            item_ref(it);
            out_ref(&w->out, part[i].p + skip, len, it);
        } else {
            out_append(&w->out, part[i].p + skip, len);
        }
    }
    OUT_LIT(&w->out, "\r\n");
    store_item_put(w->store, it);
}

void resp_value_large(struct worker *w, struct item *it)
{
    resp_range_large(w, it, 0, it->vlen);
}
