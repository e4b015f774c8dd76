/* SPDX-License-Identifier: BSD-3-Clause */
/* ghost.c - the table of ghost.h. */
#include "policies/ghost.h"

#include "lib/mem.h"

#include <string.h>

#define WAYS 16
#define BUCKET_BYTES (WAYS * sizeof(uint32_t))
#define MIN_BUCKETS 16
#define ITEMS_PER_BUCKET 11 /* on average at most: few buckets overflow then */
#define LIMIT_SLICES 128    /* that make up the limit */
#define MAX_SLICES 192      /* that may be alive, as those that were taken from are lighter */
#define WIPE_SLICES 32      /* in which the whole table is wiped once: 192 + 32 < 255 */

static uint8_t slice_after(uint8_t n)
{
    return n == GHOST_SLICES - 1 ? 1 : n + 1;
}

static unsigned slice_of(uint32_t word)
{
    return word & (GHOST_SLICES - 1);
}

/* How long ago a slice began, in slices. */
static unsigned slice_age(const struct ghost *g, unsigned n)
{
    return g->now >= n ? g->now - n : g->now + (GHOST_SLICES - 1) - n;
}

static bool is_alive(const struct ghost *g, uint32_t word)
{
    return word != 0 && slice_age(g, slice_of(word)) <= slice_age(g, g->oldest);
}

/* Handles may be alike in their low bits; a multiplication by an odd number keeps them apart. */
static uint32_t mix(uint32_t handle)
{
    handle *= UINT32_C(0x9E3779B1);
    return handle ^ handle >> 15;
}

static uint32_t *bucket_of(const struct ghost *g, uint32_t mixed)
{
    return &g->words[(size_t)(mixed & (g->buckets - 1)) * WAYS];
}

void ghost_init(struct ghost *g)
{
    memset(g, 0, sizeof(*g));
    g->oldest = g->now = 1;
}

void ghost_fini(struct ghost *g, struct policy *p)
{
    p->memory -= g->buckets * BUCKET_BYTES;
    free(g->words);
    ghost_init(g);
}

static void drop_oldest(struct ghost *g)
{
    g->size -= g->slice[g->oldest];
    g->slice[g->oldest] = 0;
    if (g->oldest == g->now)
        g->fill = 0;
    else
        g->oldest = slice_after(g->oldest);
}

static void wipe(struct ghost *g)
{
    for (uint32_t n = g->buckets / WIPE_SLICES + 1; n > 0; n--) {
        uint32_t *words = &g->words[(size_t)g->wipe * WAYS];

        for (unsigned i = 0; i < WAYS; i++)
            if (!is_alive(g, words[i]))
                words[i] = 0;
        g->wipe = (g->wipe + 1) & (g->buckets - 1);
    }
}

static void next_slice(struct ghost *g)
{
    if (slice_age(g, g->oldest) + 1 >= MAX_SLICES)
        drop_oldest(g);
    g->now = slice_after(g->now);
    g->fill = 0;
    wipe(g);
}

/* Where there is room, or what is oldest. */
static void put_word(struct ghost *g, uint32_t *words, uint32_t word)
{
    unsigned at = 0, age = 0;

    for (unsigned i = 0; i < WAYS; i++) {
        if (!is_alive(g, words[i])) {
            at = i;
            break;
        }
        if (slice_age(g, slice_of(words[i])) >= age) {
            age = slice_age(g, slice_of(words[i]));
            at = i;
        }
    }
    words[at] = word;
}

/* A larger table. The words know the upper 24 bits of the mixed handle; of a table with fewer than 2^8
 * buckets they do not know enough to find their new place, and are forgotten. */
static void grow(struct ghost *g, struct policy *p, uint32_t buckets)
{
    uint32_t *words = mem_zalloc_aligned(buckets * BUCKET_BYTES), *old = g->words;
    uint32_t n = g->buckets;

    if (!words)
        return;
    p->memory += (buckets - n) * BUCKET_BYTES;
    g->words = words;
    g->buckets = buckets;
    g->wipe = 0;
    for (uint32_t i = 0; n >= 256 && i < n * WAYS; i++) {
        uint32_t mixed = (old[i] & ~(uint32_t)(GHOST_SLICES - 1)) | ((i / WAYS) & 255);

        if (is_alive(g, old[i]))
            put_word(g, bucket_of(g, mixed), old[i]);
    }
    while (n < 256 && g->size > 0)
        drop_oldest(g);
    free(old);
}

void ghost_limit(struct ghost *g, struct policy *p, uint64_t limit, uint64_t items)
{
    g->limit = limit;
    while (g->size > limit)
        drop_oldest(g);
    if (UNLIKELY(items > (uint64_t)g->buckets * ITEMS_PER_BUCKET)) {
        uint32_t buckets = g->buckets ? g->buckets : MIN_BUCKETS;

        while (buckets < UINT32_C(1) << 27 && items > (uint64_t)buckets * ITEMS_PER_BUCKET)
            buckets *= 2;
        if (buckets > g->buckets)
            grow(g, p, buckets);
    }
}

void ghost_insert(struct ghost *g, uint32_t handle, uint32_t size)
{
    uint32_t mixed = mix(handle);

    if (!g->words || size > g->limit)
        return;
    if (g->fill >= g->limit / LIMIT_SLICES)
        next_slice(g);
    put_word(g, bucket_of(g, mixed), (mixed & ~(uint32_t)(GHOST_SLICES - 1)) | g->now);
    g->fill += size ? size : 1;
    g->slice[g->now] += size;
    g->size += size;
    while (g->size > g->limit)
        drop_oldest(g);
}

bool ghost_take(struct ghost *g, uint32_t handle, uint32_t size)
{
    uint32_t mixed = mix(handle), *words;

    if (g->size == 0)
        return false;
    words = bucket_of(g, mixed);
    for (unsigned i = 0; i < WAYS; i++) {
        unsigned n = slice_of(words[i]);

        if (((words[i] ^ mixed) & ~(uint32_t)(GHOST_SLICES - 1)) || !is_alive(g, words[i]))
            continue;
        words[i] = 0;
        size = size < g->slice[n] ? size : (uint32_t)g->slice[n];
        g->slice[n] -= size;
        g->size -= size;
        return true;
    }
    return false;
}
