/* SPDX-License-Identifier: BSD-3-Clause */
/* histogram.c - see histogram.h for the layout and the error bound. */
#include "bench/histogram.h"

#include <math.h>
#include <string.h>

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

void histogram_merge(struct histogram *h, const struct histogram *src)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += src->buckets[i];
    h->count += src->count;
    h->sum += src->sum;
    if (src->min < h->min)
        h->min = src->min;
    if (src->max > h->max)
        h->max = src->max;
}

uint64_t histogram_bucket_top(unsigned bucket)
{
    unsigned shift;
    uint64_t first;

    if (bucket < 2 * HISTOGRAM_SUB)
        return bucket;
    shift = bucket / HISTOGRAM_SUB - 1;
    first = (uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB) << shift;
    return first + ((uint64_t)1 << shift) - 1;
}

uint64_t histogram_value_at(const struct histogram *h, double q)
{
    double wanted = ceil(q * (double)h->count);
    uint64_t rank, seen = 0;

    if (h->count == 0)
        return 0;
    rank = wanted < 1 ? 1 : wanted >= (double)h->count ? h->count : (uint64_t)wanted;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t top;

        seen += h->buckets[i];
        if (seen < rank)
            continue;
        top = histogram_bucket_top(i);
        return top < h->max ? top : h->max;
    }
    return h->max;
}

double histogram_mean(const struct histogram *h)
{
    return h->count ? h->sum / (double)h->count : 0;
}
