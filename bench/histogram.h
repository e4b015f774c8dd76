/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * histogram.h - counts of non-negative 64-bit values (latencies in nanoseconds), log-linear: values
 * below HISTOGRAM_SUB are counted exactly, every doubling above is cut into HISTOGRAM_SUB buckets
 * of equal width. A bucket is therefore at most 1/128 of the values in it wide, and what
 * histogram_value_at answers is at most 0.79 % above the true value, never below it. (The layout is
 * Gil Tene's HdrHistogram with the precision fixed at compile time.)
 *
 *     value   0 1 2 ... 127 | 128 129 ... 255 | 256 258 ... 510 | 512 516 ... 1020 | ...
 *     width   1             | 1               | 2               | 4                | ...
 *
 * Recording is an index computation and an increment: no allocation, no branch on the past.
 * Threads: one owner; a reader on another thread waits until the owner has stopped.
 */
#pragma once
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
    uint64_t count;
    uint64_t min; /* UINT64_MAX while empty */
    uint64_t max;
    double sum; /* exact up to 2^53 */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);

/* Add what src counted. */
void histogram_merge(struct histogram *h, const struct histogram *src);

/* The smallest bucket bound such that the share q (0..1) of all values is at or below it; never
 * more than the greatest value recorded. 0 while empty. */
uint64_t histogram_value_at(const struct histogram *h, double q);

/* 0 while empty. */
double histogram_mean(const struct histogram *h);

/* The greatest value that is counted in this bucket. */
uint64_t histogram_bucket_top(unsigned bucket);

static inline unsigned histogram_bucket(uint64_t value)
{
    unsigned shift;

    if (value < HISTOGRAM_SUB)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return shift * HISTOGRAM_SUB + (unsigned)(value >> shift);
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
    h->buckets[histogram_bucket(value)]++;
    h->count++;
    h->sum += (double)value;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}
