/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sketch.h - a count-min sketch with four counters of four bits for each handle: how often it was seen
 * lately, 0 to 15. All counters are halved after ten times as many counts as there are words, so that
 * the past fades. 8 bytes a word, one word for each item in the cache, about.
 * Source: Cormode and Muthukrishnan, J. Algorithms 55(1), 2005; the halving: Einziger, Friedman, Manes,
 * "TinyLFU", ACM ToS 13(4), 2017.
 */
#pragma once
#include "policies/policy.h"

struct sketch {
    uint64_t *words;
    uint32_t nwords; /* a power of two; 0: none yet */
    uint32_t counted;
};

void sketch_fini(struct sketch *s, struct policy *p);
/* Make room for this many items. Growing keeps what was counted; without memory it stays as it is. */
void sketch_reserve(struct sketch *s, struct policy *p, uint64_t items);
void sketch_count(struct sketch *s, uint32_t handle);
unsigned sketch_estimate(const struct sketch *s, uint32_t handle);
