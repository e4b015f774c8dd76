/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * text.h - text that grows, for replies whose length must be known before they are sent and that are
 * not hot. When memory runs out the text stays as it is and `failed` says so.
 * Threads: one owner.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *p;
    size_t len, room;
    bool failed;
};

void text_init(struct text *t);
void text_fini(struct text *t);

/* Room for n more bytes. False: failed. */
bool text_reserve(struct text *t, size_t n);
void text_append(struct text *t, const char *p, size_t n);
void text_printf(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline struct slice text_slice(const struct text *t)
{
    return slice_of(t->len > 0 ? t->p : "", t->len);
}
