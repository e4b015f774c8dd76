/* SPDX-License-Identifier: BSD-3-Clause */
/* hash.c - the seed of the process. */
#include "lib/hash.h"

#include "lib/check.h"

#include <sys/random.h>

uint64_t hash_random_seed(void)
{
    uint64_t seed;

    CHECK(getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed));
    return seed;
}
