/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash.h - the one hash of a key: XXH3 64 (Yann Collet, xxhash.com) with a seed that each process
 * draws from the kernel, so that no peer can choose keys that collide. Who uses which bits:
 *
 *     63 ........ 48 47 ..... 32 31 .................... 0
 *     tag in a slot  shard       bucket (low bits first)
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_key(uint64_t seed, const void *p, size_t len)
{
    return XXH3_64bits_withSeed(p, len, seed);
}

/* 64 random bits of the kernel's; aborts the start if it gives none. */
uint64_t hash_random_seed(void);
