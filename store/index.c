/* SPDX-License-Identifier: BSD-3-Clause */
/* index.c - the linear hash table of index.h. */
#include "store/index.h"

#include "lib/hash.h"

#define TAG_SHIFT 48
#define POINTER_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)
#define LINK 1u /* bit 0 of a slot: the rest points to an overflow node */
#define MIN_BUCKETS INDEX_CHUNK_BUCKETS
#define CHUNK_BYTES (INDEX_CHUNK_BUCKETS * sizeof(struct bucket))
#define NODE_SLOTS 4
#define CHAIN_MAX 512 /* items of a bucket that a split or a merge handles; longer ones wait */

struct node {
    uint64_t slot[NODE_SLOTS];
};

/* A tag is never 0, so that neither an empty slot nor a link can match one. */
static inline uint64_t tag_of(uint64_t hash)
{
    return (hash >> TAG_SHIFT) | 1;
}

static inline uint64_t word_of(uint64_t hash, const struct item *it)
{
    return tag_of(hash) << TAG_SHIFT | (uint64_t)(uintptr_t)it;
}

static inline struct item *item_of(uint64_t word)
{
    return (struct item *)(uintptr_t)(word & POINTER_MASK);
}

static inline struct node *node_of(uint64_t word)
{
    return (struct node *)(uintptr_t)(word & ~(uint64_t)LINK);
}

/* Smallest 2^k - 1 that covers the numbers below n. */
static inline uint32_t mask_for(uint32_t n)
{
    return (uint32_t)((UINT64_C(1) << (32 - __builtin_clz(n - 1))) - 1);
}

static inline uint32_t bucket_number(uint64_t hash, uint32_t buckets)
{
    uint32_t mask = mask_for(buckets);
    uint32_t b = (uint32_t)hash & mask;

    return b < buckets ? b : b & (mask >> 1);
}

static inline struct bucket *bucket_at(const struct index *ix, uint32_t b)
{
    return &ix->chunks[b >> INDEX_CHUNK_SHIFT][b & (INDEX_CHUNK_BUCKETS - 1)];
}

static struct bucket *bucket_of(const struct index *ix, uint64_t hash)
{
    return bucket_at(ix, bucket_number(hash, ix->buckets));
}

static uint64_t rehash(const struct index *ix, uint64_t word)
{
    const struct item *it = item_of(word);

    return hash_key(ix->seed, item_key(it), item_klen(it));
}

/* ---- chains ---- */

/* The next run of slots behind a full one, or NULL. */
static inline uint64_t *next_run(uint64_t *slots, unsigned n)
{
    return slots[n - 1] & LINK ? node_of(slots[n - 1])->slot : NULL;
}

static struct node *node_new(struct index *ix)
{
    struct node *n = mem_alloc(sizeof(*n));

    if (!n)
        return NULL;
    *n = (struct node){{0}};
    ix->bytes += sizeof(*n);
    return n;
}

static void node_free(struct index *ix, struct node *n)
{
    ix->bytes -= sizeof(*n);
    mem_free(n, sizeof(*n));
}

/* Append a word to a bucket's chain; nodes are compact, so the free slot is in the last run. */
static enum status chain_append(struct index *ix, struct bucket *b, uint64_t word)
{
    uint64_t *slots = b->slot, *next;
    unsigned n = INDEX_SLOTS;
    struct node *node;

    while ((next = next_run(slots, n))) {
        slots = next;
        n = NODE_SLOTS;
    }
    for (unsigned i = 0; i < n; i++)
        if (slots[i] == 0) {
            RELAXED_STORE(&slots[i], word);
            return OK;
        }
    node = node_new(ix);
    if (!node)
        return NO_MEMORY;
    node->slot[0] = slots[n - 1];
    node->slot[1] = word;
    RELAXED_STORE(&slots[n - 1], (uint64_t)(uintptr_t)node | LINK);
    return OK;
}

/* Empty a slot of a bucket's chain: the last word moves into it, and a node left with one word is
 * folded back into the run before it. */
static void chain_remove(struct index *ix, struct bucket *b, uint64_t *slot)
{
    uint64_t *slots = b->slot, *next, *link = NULL;
    unsigned n = INDEX_SLOTS;

    while ((next = next_run(slots, n))) {
        link = &slots[n - 1];
        slots = next;
        n = NODE_SLOTS;
    }
    while (slots[n - 1] == 0)
        n--;
    RELAXED_STORE(slot, slots[n - 1]);
    RELAXED_STORE(&slots[n - 1], 0);
    if (link && n - 1 == 1) {
        struct node *node = node_of(*link);

        RELAXED_STORE(link, slots[0]);
        node_free(ix, node);
    }
}

/* Copy the words of a chain; the number, or CHAIN_MAX + 1 when there are more. */
static unsigned chain_words(struct bucket *b, uint64_t *words)
{
    uint64_t *slots = b->slot, *next;
    unsigned n = INDEX_SLOTS, count = 0;

    for (; slots; slots = next, n = NODE_SLOTS) {
        next = next_run(slots, n);
        for (unsigned i = 0; i < (next ? n - 1 : n) && slots[i]; i++) {
            if (count == CHAIN_MAX)
                return CHAIN_MAX + 1;
            words[count++] = slots[i];
        }
    }
    return count;
}

static void chain_clear(struct index *ix, struct bucket *b)
{
    uint64_t *next = next_run(b->slot, INDEX_SLOTS);

    while (next) {
        struct node *node = (struct node *)next;

        next = next_run(next, NODE_SLOTS);
        node_free(ix, node);
    }
    for (unsigned i = 0; i < INDEX_SLOTS; i++)
        RELAXED_STORE(&b->slot[i], 0);
}

/* The slot of a chain that holds this word, or NULL. */
static uint64_t *chain_find(struct bucket *b, uint64_t word)
{
    uint64_t *slots = b->slot;
    unsigned n = INDEX_SLOTS;

    for (; slots; slots = next_run(slots, n), n = NODE_SLOTS)
        for (unsigned i = 0; i < n; i++)
            if (slots[i] == word)
                return &slots[i];
    return NULL;
}

/* ---- growing and shrinking ---- */

static enum status dir_reserve(struct index *ix, uint32_t chunk)
{
    struct bucket **dir, **before = ix->chunks;
    size_t old = ix->dir_len * sizeof(*dir);

    if (chunk < ix->dir_len)
        return OK;
    dir = mem_alloc(2 * old);
    if (!dir)
        return NO_MEMORY;
    memcpy(dir, ix->chunks, old);
    memset((char *)dir + old, 0, old);
    __atomic_store_n(&ix->chunks, dir, __ATOMIC_RELEASE);
    epoch_retire(ix->epoch, before, old);
    ix->dir_len *= 2;
    ix->bytes += old;
    return OK;
}

static enum status chunk_reserve(struct index *ix, uint32_t b)
{
    uint32_t chunk = b >> INDEX_CHUNK_SHIFT;
    struct bucket *mem;

    if (dir_reserve(ix, chunk) != OK)
        return NO_MEMORY;
    if (ix->chunks[chunk])
        return OK;
    mem = mem_zalloc_aligned(CHUNK_BYTES);
    if (!mem)
        return NO_MEMORY;
    __atomic_store_n(&ix->chunks[chunk], mem, __ATOMIC_RELEASE);
    ix->bytes += CHUNK_BYTES;
    return OK;
}

/* Deal a bucket's words between itself and `fresh`, by the hash bit that the new bucket adds. */
static enum status deal(struct index *ix, struct bucket *parent, struct bucket *fresh, uint32_t bit)
{
    uint64_t words[CHAIN_MAX];
    unsigned n = chain_words(parent, words), moved = 0;

    if (n > CHAIN_MAX)
        return NO_MEMORY;
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(item_of(words[i]));
    for (unsigned i = 0; i < n; i++) {
        if (!(rehash(ix, words[i]) & bit))
            continue;
        if (chain_append(ix, fresh, words[i]) != OK) {
            chain_clear(ix, fresh);
            return NO_MEMORY;
        }
        words[moved++] = words[i];
    }
    /* Emptying slots takes no memory: from here on nothing can fail. */
    for (unsigned i = 0; i < moved; i++)
        chain_remove(ix, parent, chain_find(parent, words[i]));
    return OK;
}

/* One bucket more: number `buckets` takes its share from its parent. Without memory for it the chains
 * just get longer, and the next insert tries again. */
static void split_one(struct index *ix)
{
    uint32_t b = ix->buckets, bit;

    if (b == UINT32_C(1) << 31 || chunk_reserve(ix, b) != OK)
        return;
    bit = (mask_for(b + 1) >> 1) + 1;
    if (deal(ix, bucket_at(ix, b & (bit - 1)), bucket_at(ix, b), bit) != OK)
        return;
    __atomic_store_n(&ix->buckets, b + 1, __ATOMIC_RELEASE);
}

/* One bucket less: the last one's words go to its parent; or nothing changes, without memory. */
static void merge_one(struct index *ix)
{
    uint32_t b = ix->buckets - 1, bit = (mask_for(b + 1) >> 1) + 1;
    struct bucket *last = bucket_at(ix, b), *parent = bucket_at(ix, b & (bit - 1));
    uint64_t words[CHAIN_MAX];
    unsigned n = chain_words(last, words);

    if (n > CHAIN_MAX)
        return;
    for (unsigned i = 0; i < n; i++) {
        if (chain_append(ix, parent, words[i]) == OK)
            continue;
        while (i-- > 0)
            chain_remove(ix, parent, chain_find(parent, words[i]));
        return;
    }
    chain_clear(ix, last);
    __atomic_store_n(&ix->buckets, b, __ATOMIC_RELEASE);
    if ((b & (INDEX_CHUNK_BUCKETS - 1)) == 0) {
        struct bucket *chunk = ix->chunks[b >> INDEX_CHUNK_SHIFT];

        RELAXED_STORE(&ix->chunks[b >> INDEX_CHUNK_SHIFT], NULL);
        epoch_retire(ix->epoch, chunk, CHUNK_BYTES);
        ix->bytes -= CHUNK_BYTES;
    }
}

/* ---- the table ---- */

enum status index_init(struct index *ix, uint64_t seed, struct epoch *epoch)
{
    enum { FIRST_DIR = 8 };
    struct bucket **dir = mem_alloc(FIRST_DIR * sizeof(*dir));
    struct bucket *chunk = mem_zalloc_aligned(CHUNK_BYTES);

    if (!dir || !chunk) {
        mem_free(dir, FIRST_DIR * sizeof(*dir));
        mem_free(chunk, CHUNK_BYTES);
        return NO_MEMORY;
    }
    memset(dir, 0, FIRST_DIR * sizeof(*dir));
    dir[0] = chunk;
    *ix = (struct index){.chunks = dir,
                         .buckets = MIN_BUCKETS,
                         .dir_len = FIRST_DIR,
                         .bytes = FIRST_DIR * sizeof(*dir) + CHUNK_BYTES,
                         .seed = seed,
                         .epoch = epoch};
    return OK;
}

void index_fini(struct index *ix)
{
    for (uint32_t b = 0; b < ix->buckets; b++)
        chain_clear(ix, bucket_at(ix, b));
    for (uint32_t i = 0; i < ix->dir_len; i++)
        if (ix->chunks[i])
            epoch_retire(ix->epoch, ix->chunks[i], CHUNK_BYTES);
    epoch_retire(ix->epoch, ix->chunks, ix->dir_len * sizeof(*ix->chunks));
    /* The struct keeps its pointers: a prefetch may still be reading them in this epoch. */
}

uint64_t *index_find(const struct index *ix, uint64_t hash, const char *key, uint32_t klen)
{
    uint64_t *slots = bucket_of(ix, hash)->slot;
    uint64_t tag = tag_of(hash);
    unsigned n = INDEX_SLOTS;

    do {
        for (unsigned i = 0; i < n; i++)
            if (slots[i] >> TAG_SHIFT == tag && LIKELY(item_key_is(item_of(slots[i]), key, klen)))
                return &slots[i];
        slots = next_run(slots, n);
        n = NODE_SLOTS;
    } while (slots);
    return NULL;
}

enum status index_insert(struct index *ix, uint64_t hash, struct item *it)
{
    if (chain_append(ix, bucket_of(ix, hash), word_of(hash, it)) != OK)
        return NO_MEMORY;
    ix->items++;
    if (ix->items > (uint64_t)ix->buckets * INDEX_LOAD)
        split_one(ix);
    return OK;
}

void index_replace(uint64_t *slot, struct item *it)
{
    RELAXED_STORE(slot, (*slot & ~POINTER_MASK) | (uint64_t)(uintptr_t)it);
}

bool index_remove(struct index *ix, uint64_t hash, const struct item *it)
{
    struct bucket *b = bucket_of(ix, hash);
    uint64_t *slot = chain_find(b, word_of(hash, it));

    if (!slot)
        return false;
    chain_remove(ix, b, slot);
    ix->items--;
    if (ix->buckets > MIN_BUCKETS && ix->items < (uint64_t)ix->buckets * INDEX_LOAD_SHRINK)
        merge_one(ix);
    return true;
}

void index_visit(const struct index *ix, uint32_t bucket, index_visit_fn fn, void *arg)
{
    uint64_t *slots = bucket_at(ix, bucket)->slot, *next;
    unsigned n = INDEX_SLOTS;

    for (; slots; slots = next, n = NODE_SLOTS) {
        next = next_run(slots, n);
        for (unsigned i = 0; i < (next ? n - 1 : n) && slots[i]; i++)
            fn(arg, item_of(slots[i]));
    }
}

static struct item *resolve_in(const struct index *ix, uint32_t bucket, uint64_t tag,
                               index_match_fn match, const void *arg)
{
    uint64_t *slots = bucket_at(ix, bucket)->slot;
    unsigned n = INDEX_SLOTS;

    do {
        for (unsigned i = 0; i < n; i++)
            if (slots[i] >> TAG_SHIFT == tag && match(arg, item_of(slots[i])))
                return item_of(slots[i]);
        slots = next_run(slots, n);
        n = NODE_SLOTS;
    } while (slots);
    return NULL;
}

struct item *index_resolve(const struct index *ix, uint32_t handle, index_match_fn match,
                           const void *arg)
{
    uint64_t tag = (uint64_t)(handle >> INDEX_HANDLE_BUCKET_BITS) << 1 | 1;
    uint32_t low = handle & ((1u << INDEX_HANDLE_BUCKET_BITS) - 1);
    struct item *it = NULL;

    if (ix->buckets <= 1u << INDEX_HANDLE_BUCKET_BITS)
        return resolve_in(ix, bucket_number(low, ix->buckets), tag, match, arg);
    for (uint32_t b = low; b < ix->buckets && !it; b += 1u << INDEX_HANDLE_BUCKET_BITS)
        it = resolve_in(ix, b, tag, match, arg);
    return it;
}

static uint32_t reverse32(uint32_t v)
{
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 4 & 0x0F0F0F0F) | (v & 0x0F0F0F0F) << 4;
    return __builtin_bswap32(v);
}

uint64_t index_scan(const struct index *ix, uint64_t cursor, index_visit_fn fn, void *arg)
{
    uint32_t mask = mask_for(ix->buckets);
    uint32_t b = bucket_number(reverse32((uint32_t)cursor), ix->buckets);
    uint64_t width, next;

    /* Buckets beyond the split point, and their children, are told apart by one bit more. */
    if (b + (mask >> 1) + 1 >= ix->buckets && b <= mask >> 1)
        mask >>= 1;
    width = UINT64_C(1) << 32;
    width /= (uint64_t)mask + 1;
    index_visit(ix, b, fn, arg);
    next = reverse32(b) + width;
    return next >> 32 ? 0 : next;
}

const struct bucket *index_prefetch_bucket(const struct index *ix, uint64_t hash)
{
    uint32_t n = __atomic_load_n(&ix->buckets, __ATOMIC_ACQUIRE);
    struct bucket **dir = __atomic_load_n(&ix->chunks, __ATOMIC_ACQUIRE), *chunk;
    uint32_t b = bucket_number(hash, n);

    chunk = __atomic_load_n(&dir[b >> INDEX_CHUNK_SHIFT], __ATOMIC_ACQUIRE);
    if (UNLIKELY(!chunk))
        return NULL;
    chunk += b & (INDEX_CHUNK_BUCKETS - 1);
    __builtin_prefetch(chunk);
    return chunk;
}

void index_prefetch_item(const struct bucket *b, uint64_t hash)
{
    uint64_t tag = tag_of(hash);

    for (unsigned i = 0; b && i < INDEX_SLOTS; i++) {
        uint64_t word = RELAXED_LOAD(&b->slot[i]);

        if (word >> TAG_SHIFT == tag) {
            const char *p = (const char *)item_of(word);

            __builtin_prefetch(p);
            __builtin_prefetch(p + CACHE_LINE);
            __builtin_prefetch(p + 2 * CACHE_LINE);
            return;
        }
    }
}
