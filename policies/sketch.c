/* SPDX-License-Identifier: BSD-3-Clause */
/* sketch.c - the counters of sketch.h: 16 to a word; each of a handle's four lies in another word. */
#include "policies/sketch.h"

#include "lib/mem.h"

#include <string.h>

#define ROWS 4
#define MIN_WORDS 64
#define COUNTS_PER_WORD 10
#define MOST 15

static const uint64_t factors[ROWS] = {
    UINT64_C(0x9E3779B97F4A7C15),
    UINT64_C(0xC2B2AE3D27D4EB4F),
    UINT64_C(0x165667B19E3779F9),
    UINT64_C(0xD6E8FEB86659FD93),
};

void sketch_fini(struct sketch *s, struct policy *p)
{
    p->memory -= s->nwords * sizeof(*s->words);
    free(s->words);
    *s = (struct sketch){.words = NULL};
}

void sketch_reserve(struct sketch *s, struct policy *p, uint64_t items)
{
    uint32_t n = s->nwords ? s->nwords : MIN_WORDS;
    uint64_t *words;

    if (items <= s->nwords)
        return;
    while (n < items && n < UINT32_C(1) << 28)
        n *= 2;
    words = mem_zalloc_aligned(n * sizeof(*words));
    if (!words)
        return;
    /* A counter's place is its hash modulo the size: after doubling it is there or in the copy. */
    for (uint32_t i = 0; s->nwords && i < n; i += s->nwords)
        memcpy(&words[i], s->words, s->nwords * sizeof(*words));
    p->memory += (n - s->nwords) * sizeof(*words);
    free(s->words);
    s->words = words;
    s->nwords = n;
}

static uint64_t *counter(const struct sketch *s, uint32_t handle, unsigned row, unsigned *shift)
{
    uint64_t h = (handle + 1) * factors[row];

    h ^= h >> 32;
    *shift = (unsigned)(h >> 28 & 15) * 4;
    return &s->words[h & (s->nwords - 1)];
}

static void halve(struct sketch *s)
{
    for (uint32_t i = 0; i < s->nwords; i++)
        s->words[i] = s->words[i] >> 1 & UINT64_C(0x7777777777777777);
    s->counted /= 2;
}

void sketch_count(struct sketch *s, uint32_t handle)
{
    unsigned least = sketch_estimate(s, handle), shift;

    if (!s->words || least == MOST)
        return;
    for (unsigned row = 0; row < ROWS; row++) {
        uint64_t *word = counter(s, handle, row, &shift);

        /* Only the lowest: the others count somebody else too. */
        if ((*word >> shift & MOST) == least)
            *word += UINT64_C(1) << shift;
    }
    if (++s->counted >= COUNTS_PER_WORD * s->nwords)
        halve(s);
}

unsigned sketch_estimate(const struct sketch *s, uint32_t handle)
{
    unsigned least = MOST, shift;

    if (!s->words)
        return 0;
    for (unsigned row = 0; row < ROWS; row++) {
        const uint64_t *word = counter(s, handle, row, &shift);
        unsigned n = (unsigned)(*word >> shift & MOST);

        least = n < least ? n : least;
    }
    return least;
}
