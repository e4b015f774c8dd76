/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock.h - time. All time inside the process is "cache time": milliseconds of CLOCK_BOOTTIME, which
 * no settimeofday moves and which goes on through suspend. It starts at 1 so that 0 can mean "none".
 * Wall-clock time appears only where a client gives or asks for it, and is converted at that edge.
 * Threads: any.
 */
#pragma once
#include <stdint.h>

/* Cache time now, in milliseconds. Costs one vDSO call: read it once a loop turn. */
int64_t clock_now_ms(void);

/* Nanoseconds of CLOCK_MONOTONIC, for measuring durations. */
uint64_t clock_mono_ns(void);

/* Wall-clock milliseconds since 1970 that belong to a cache time, and back. The offset between the
 * two is a constant until clock_sync() sees that somebody set the clock, so that a client reads
 * back the very time stamp that it stored. */
int64_t clock_to_wall_ms(int64_t cache_ms);
int64_t clock_from_wall_ms(int64_t wall_ms);

/* Take up a wall clock that was set (a difference of CLOCK_JUMP_NS and more). Called at start and then
 * from the main thread's timer. */
#define CLOCK_JUMP_NS 1000000
void clock_sync(void);
