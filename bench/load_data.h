/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load_data.h - what a key number stands for: the key's text, and its value. Both are pure
 * functions of the number, so that whoever reads a value knows, without asking who wrote it, each
 * byte that it must have.
 *
 *     key 42 of "--key-bytes 12"   key:00000042     (prefix, zeros, number)
 *     value                        a piece of one random pattern, begun at an offset drawn from the
 *                                  number, as long as the size class drawn from the number
 *
 * Threads: any; const after load_data_init.
 */
#pragma once
#include "bench/keygen.h"
#include "lib/num.h"
#include "lib/slice.h"

#include <stddef.h>
#include <stdint.h>

#define LOAD_KEY_MAX 250
#define LOAD_SIZES_MAX 16
#define LOAD_PATTERN_OFFSETS 4096

struct load_sizes {
    unsigned count;
    uint64_t weights; /* their sum */
    struct {
        size_t bytes;
        uint64_t weight;
    } of[LOAD_SIZES_MAX];
};

struct load_data {
    struct slice prefix;
    size_t key_min,
        key_max; /* bytes, the prefix included; a key's length is drawn from its number */
    struct load_sizes sizes;
    char *pattern;
};

/* sizes, prefix, key_min and key_max are set by the caller; makes the pattern. False: no memory. */
bool load_data_init(struct load_data *d) MUST_USE;
void load_data_fini(struct load_data *d);

static inline size_t load_data_key_bytes(const struct load_data *d, uint64_t key)
{
    if (d->key_max == d->key_min)
        return d->key_min;
    return d->key_min + random_mix(~key) % (d->key_max - d->key_min + 1);
}

/* Write the text of a key (room for LOAD_KEY_MAX), return its end. */
static inline char *load_data_put_key(const struct load_data *d, char *dst, uint64_t key)
{
    char number[NUM_MAX_DIGITS];
    size_t digits = num_format_u64(number, key);
    char *end = dst + load_data_key_bytes(d, key);

    memcpy(dst, d->prefix.p, d->prefix.len);
    dst += d->prefix.len;
    memset(dst, '0', (size_t)(end - dst) - digits);
    memcpy(end - digits, number, digits);
    return end;
}

size_t load_data_size(const struct load_data *d, uint64_t key);

/* Lives as long as d. */
static inline struct slice load_data_value(const struct load_data *d, uint64_t key)
{
    size_t len = d->sizes.count == 1 ? d->sizes.of[0].bytes : load_data_size(d, key);

    return slice_of(d->pattern + random_mix(key) % LOAD_PATTERN_OFFSETS, len);
}

/* The longest value there is. */
size_t load_data_size_max(const struct load_data *d);
