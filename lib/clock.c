/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.c - cache time and its offset to the wall clock. */
#include "lib/clock.h"

#include "lib/compiler.h"

#include <time.h>

static int64_t wall_offset_ms; /* wall = cache + offset; relaxed atomic */

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_now_ms(void)
{
    return read_ms(CLOCK_BOOTTIME) + 1;
}

uint64_t clock_mono_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t clock_to_wall_ms(int64_t cache_ms)
{
    return cache_ms + RELAXED_LOAD(&wall_offset_ms);
}

int64_t clock_from_wall_ms(int64_t wall_ms)
{
    return wall_ms - RELAXED_LOAD(&wall_offset_ms);
}

void clock_sync(void)
{
    static int64_t used_ns; /* the true offset when wall_offset_ms was drawn from it */
    int64_t offset_ns = read_ns(CLOCK_REALTIME) - read_ns(CLOCK_BOOTTIME);
    int64_t drift = offset_ns - used_ns;

    if (drift < CLOCK_JUMP_NS && drift > -CLOCK_JUMP_NS)
        return;
    used_ns = offset_ns;
    /* Cut down, but cache time is ahead by 1 (clock_now_ms): together they are never behind the wall. */
    RELAXED_STORE(&wall_offset_ms, offset_ns / 1000000);
}
