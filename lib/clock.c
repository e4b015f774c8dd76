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
    int64_t offset = read_ms(CLOCK_REALTIME) - clock_now_ms();
    int64_t drift = offset - RELAXED_LOAD(&wall_offset_ms);

    if (drift > CLOCK_JUMP_MS || drift < -CLOCK_JUMP_MS)
        RELAXED_STORE(&wall_offset_ms, offset);
}
