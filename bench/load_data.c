/* SPDX-License-Identifier: BSD-3-Clause */
/* load_data.c - see load_data.h. */
#include "bench/load_data.h"

#include <stdlib.h>

size_t load_data_size_max(const struct load_data *d)
{
    size_t max = 0;

    for (unsigned i = 0; i < d->sizes.count; i++)
        if (d->sizes.of[i].bytes > max)
            max = d->sizes.of[i].bytes;
    return max;
}

size_t load_data_size(const struct load_data *d, uint64_t key)
{
    uint64_t ticket = random_mix(key ^ UINT64_C(0x5157e0)) % d->sizes.weights;
    unsigned i = 0;

    while (ticket >= d->sizes.of[i].weight)
        ticket -= d->sizes.of[i++].weight;
    return d->sizes.of[i].bytes;
}

/* Printable, so that a dump of a wrong reply can be read; no byte of a protocol's grammar in it. */
bool load_data_init(struct load_data *d)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = load_data_size_max(d) + LOAD_PATTERN_OFFSETS;
    struct random random = {.state = 1};

    d->pattern = malloc(len);
    if (!d->pattern)
        return false;
    for (size_t i = 0; i < len; i++)
        d->pattern[i] = letters[random_next(&random) >> 58];
    return true;
}

void load_data_fini(struct load_data *d)
{
    free(d->pattern);
    d->pattern = NULL;
}
