/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ghost.h - a FIFO memory of items that were evicted: their handles as fingerprints, about six bytes
 * each, up to a limit on the sum of their sizes.
 *
 * One table of 32-bit words in buckets of a cache line, 16 words each:
 *
 *     word | 24 bits of the handle | 8 bits: when |      0: empty
 *
 * "When" is a number that goes round from 1 to 255 and counts slices of what was inserted, 1/128 of the
 * limit each. For each slice the sum of the sizes still in it is kept, so that the oldest slices can be
 * let go when all together are over the limit. Words of slices gone are dead; they are wiped bucket by
 * bucket before their number comes round. A full bucket loses its oldest word. A wrong "yes" has
 * a chance of about 16 in 2^24.
 */
#pragma once
#include "policies/policy.h"

#define GHOST_SLICES 256

struct ghost {
    uint32_t *words;
    uint32_t buckets;    /* a power of two; 0: nothing was inserted yet */
    uint32_t wipe;       /* bucket to wipe next */
    uint8_t oldest, now; /* numbers of slices, 1 to 255 */
    uint64_t limit;      /* on `size` */
    uint64_t size;       /* of what is remembered */
    uint64_t fill;       /* inserted into slice `now` */
    uint64_t slice[GHOST_SLICES];
};

void ghost_init(struct ghost *g);
void ghost_fini(struct ghost *g, struct policy *p);

/* The sizes of what is remembered may sum up to this from now on. `items`: about how many that will be,
 * to size the table: where there is no memory for it, less is remembered. */
void ghost_limit(struct ghost *g, struct policy *p, uint64_t limit, uint64_t items);

/* Remember what was evicted. */
void ghost_insert(struct ghost *g, uint32_t handle, uint32_t size);

/* Is it remembered? If so it is forgotten. size: as it was inserted, as far as known. */
bool ghost_take(struct ghost *g, uint32_t handle, uint32_t size);
