/* SPDX-License-Identifier: BSD-3-Clause */
/* text.c - text that grows by doubling. */
#include "server/text.h"

#include "lib/check.h"
#include "lib/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define FIRST_ROOM 1024

void text_init(struct text *t)
{
    *t = (struct text){.p = NULL};
}

void text_fini(struct text *t)
{
    mem_free(t->p, t->room);
    *t = (struct text){.p = NULL};
}

bool text_reserve(struct text *t, size_t n)
{
    size_t room = t->room ? t->room : FIRST_ROOM;
    char *p;

    if (t->failed)
        return false;
    if (t->room - t->len >= n)
        return true;
    while (room - t->len < n)
        room *= 2;
    p = mem_alloc(room);
    if (!p) {
        t->failed = true;
        return false;
    }
    if (t->len > 0)
        memcpy(p, t->p, t->len);
    mem_free(t->p, t->room);
    t->p = p;
    t->room = room;
    return true;
}

void text_append(struct text *t, const char *p, size_t n)
{
    if (n == 0 || !text_reserve(t, n))
        return;
    memcpy(t->p + t->len, p, n);
    t->len += n;
}

void text_printf(struct text *t, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    /* vsnprintf ends with a NUL, which the text does not count. */
    if (text_reserve(t, (size_t)n + 1)) {
        (void)vsnprintf(t->p + t->len, (size_t)n + 1, fmt, again);
        t->len += (size_t)n;
    }
    va_end(again);
}
