/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.h - assertions. CHECK is always on and states an invariant of ours: bytes from a peer, a file
 * or a database must never reach it. CHECK_SLOW is for what costs too much in production and is on
 * with --enable-debug. A failed check says where and aborts; nothing ever goes on after one.
 */
#pragma once
#include "lib/compiler.h"

NORETURN COLD void check_failed(const char *expr, const char *file, int line, const char *func);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (UNLIKELY(!(x)))                                                                        \
            check_failed(#x, __FILE__, __LINE__, __func__);                                        \
    } while (0)

#ifdef MP_DEBUG
#define CHECK_SLOW(x) CHECK(x)
#else
#define CHECK_SLOW(x) ((void)sizeof(x))
#endif

#define UNREACHABLE() check_failed("unreachable", __FILE__, __LINE__, __func__)

/* For pthread calls and the like, which fail only when we misuse them. */
#define MUST(call) CHECK((call) == 0)

/* Called before abort() with the text of the failure; the server adds what it was doing. */
typedef void (*check_hook_fn)(const char *text);
void check_set_hook(check_hook_fn hook);
