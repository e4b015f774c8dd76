/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keygen.h - draws key numbers 0..keys-1 from a distribution: uniform, gaussian around the middle
 * of the range, or zipf, where number 0 is the most popular and number n comes 1/(n+1)^exponent as
 * often. The same seed gives the same sequence. Needs no table: the cost of a draw and the memory
 * are independent of the number of keys.
 * Threads: one owner each.
 */
#pragma once
#include "lib/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum keygen_kind { KEYGEN_UNIFORM, KEYGEN_GAUSSIAN, KEYGEN_ZIPF };

struct keygen_options {
    enum keygen_kind kind;
    uint64_t keys;   /* at least 1, below 2^53 */
    double spread;   /* gaussian: standard deviation in keys; 0 = keys / 6 */
    double exponent; /* zipf: above 0; 0 = 0.99 */
};

/* A splitmix64 sequence (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"). */
struct random {
    uint64_t state;
};

struct keygen {
    struct keygen_options options;
    struct random random;
    /* gaussian: draws come in pairs */
    double spare;
    bool has_spare;
    /* zipf: see keygen.c */
    double area_low, area_high, sure;
};

/* A bijection that leaves no visible relation between input and output. */
static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t random_next(struct random *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return random_mix(r->state);
}

/* Uniform in 0..n-1. The bias is below n / 2^64. */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)random_next(r) * n) >> 64);
}

/* Uniform in [0, 1). */
static inline double random_unit(struct random *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

void keygen_init(struct keygen *g, const struct keygen_options *options, uint64_t seed);

uint64_t keygen_next_skewed(struct keygen *g);

static inline uint64_t keygen_next(struct keygen *g)
{
    if (LIKELY(g->options.kind == KEYGEN_UNIFORM))
        return random_below(&g->random, g->options.keys);
    return keygen_next_skewed(g);
}
