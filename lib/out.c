/* SPDX-License-Identifier: BSD-3-Clause */
/* out.c - the side of the reply buffer that is not hot. */
#include "lib/out.h"

#include "lib/check.h"
#include "lib/mem.h"

#include <stdarg.h>
#include <stdio.h>

bool out_init(struct out *o, out_spill_fn spill)
{
    char *base = mem_alloc(OUT_BLOCK);

    if (!base)
        return false;
    o->base = base;
    o->end = base + OUT_BLOCK;
    o->spill = spill;
    out_reset(o);
    return true;
}

void out_fini(struct out *o)
{
    mem_free(o->base, OUT_BLOCK);
    o->base = NULL;
}

void out_reset(struct out *o)
{
    o->p = o->base;
    o->seg = o->base;
    o->niov = 0;
}

void out_seal(struct out *o)
{
    if (o->p == o->seg)
        return;
    o->iov[o->niov] = (struct iovec){.iov_base = o->seg, .iov_len = (size_t)(o->p - o->seg)};
    o->owner[o->niov] = NULL;
    o->niov++;
    o->seg = o->p;
}

char *out_make_room(struct out *o, size_t n)
{
    CHECK(n <= OUT_ROOM_MAX);
    o->spill(o);
    CHECK((size_t)(o->end - o->p) >= n);
    return o->p;
}

void out_append_slow(struct out *o, const char *p, size_t n)
{
    while (n > 0) {
        size_t part = n < OUT_ROOM_MAX ? n : OUT_ROOM_MAX;
        char *room = out_room(o, part);

        memcpy(room, p, part);
        out_commit(o, room + part);
        p += part;
        n -= part;
    }
}

void out_ref(struct out *o, const char *p, size_t n, void *owner)
{
    /* One iovec for the bytes before, one for the reference, one kept for the bytes after. */
    if (o->niov + 3 > OUT_IOVS)
        o->spill(o);
    out_seal(o);
    o->iov[o->niov] = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    o->owner[o->niov] = owner;
    o->niov++;
}

void out_printf(struct out *o, const char *fmt, ...)
{
    char *room = out_room(o, OUT_ROOM_MAX);
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(room, OUT_ROOM_MAX, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    out_commit(o, room + (n < OUT_ROOM_MAX ? n : OUT_ROOM_MAX - 1));
}
