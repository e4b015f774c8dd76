/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * item.c - building, reading and freeing items.
 *
 * Size classes step by a quarter, so that a value of 1,050 bytes would sit in a block of 1,280. From
 * SPLIT_MIN on such an item is cut in two: a first block that its bytes fill to the end, and a tail
 * for the rest. Where the cut lies follows from the lengths alone and is not stored.
 */
#include "store/item.h"

#define SPLIT_MIN 512 /* below, a second block's cost exceeds what it saves */
#define SPLIT_GAIN 32 /* bytes that a second block must save to be worth its pointer and its miss */

#define FIELD_BYTES(i)                                                                             \
    (((i)&ITEM_REFS ? 4 : 0) + ((i)&ITEM_EXPIRY ? 8 : 0) + ((i)&ITEM_CAS ? 8 : 0) +                \
     ((i)&ITEM_FLAGS ? 4 : 0) + ((i)&ITEM_KLEN ? 4 : 0) + ((i)&ITEM_TAIL ? 8 : 0))
#define FIELD_BYTES_4(i)                                                                           \
    FIELD_BYTES(i), FIELD_BYTES((i) + 1), FIELD_BYTES((i) + 2), FIELD_BYTES((i) + 3)
#define FIELD_BYTES_16(i)                                                                          \
    FIELD_BYTES_4(i), FIELD_BYTES_4((i) + 4), FIELD_BYTES_4((i) + 8), FIELD_BYTES_4((i) + 12)

const uint8_t item_field_bytes[ITEM_FIELDS] = {
    FIELD_BYTES_16(0),
    FIELD_BYTES_16(16),
    FIELD_BYTES_16(32),
    FIELD_BYTES_16(48),
};

_Static_assert(sizeof(struct item) == 12, "the header is 12 bytes of every item");

/* Bytes in front of the value. */
static size_t lead_bytes(const struct item *it, uint16_t node_bytes)
{
    return node_bytes + sizeof(*it) + item_field_bytes[it->fields] + item_klen(it);
}

/* Length of the first block, and of the second (0: there is none). */
static size_t first_block(const struct item *it, uint16_t node_bytes, size_t *tail)
{
    size_t n = lead_bytes(it, node_bytes) + it->vlen;
    size_t first;

    *tail = 0;
    if (LIKELY(!(it->fields & ITEM_TAIL)))
        return n;
    first = mem_class_floor(n);
    *tail = n - first;
    return first;
}

/* Would n bytes (tail pointer not counted) be better off in two blocks? */
static bool split_pays(size_t n, size_t vlen)
{
    size_t with_tail = n + sizeof(void *);
    size_t first, rest;

    if (n < SPLIT_MIN)
        return false;
    first = mem_class_floor(with_tail);
    rest = with_tail - first;
    return rest > 0 && rest <= vlen && first + mem_class(rest) + SPLIT_GAIN <= mem_class(n);
}

static char *tail_of(const struct item *it)
{
    char *p;

    memcpy(&p, item_field_at(it, ITEM_TAIL), sizeof(p));
    return p;
}

static void set_u32(struct item *it, unsigned field, uint32_t v)
{
    memcpy(item_field_at(it, field), &v, sizeof(v));
}

static uint32_t *refs_of(struct item *it)
{
    return (uint32_t *)(it + 1);
}

static uint8_t fields_for(uint32_t klen, const struct item_attr *attr, uint32_t vlen,
                          uint16_t node_bytes)
{
    uint8_t f = attr->fields & (ITEM_EXPIRY | ITEM_CAS | ITEM_FLAGS);

    if (attr->expiry_ms)
        f |= ITEM_EXPIRY;
    if (attr->cas)
        f |= ITEM_CAS;
    if (attr->flags)
        f |= ITEM_FLAGS;
    if (UNLIKELY(klen >= UINT8_MAX))
        f |= ITEM_KLEN;
    /* A shared value cannot move to another block, so it gets every field that may be set later. */
    if (vlen >= ITEM_REF_MIN)
        f |= ITEM_REFS | ITEM_EXPIRY | ITEM_CAS;
    if (split_pays(node_bytes + sizeof(struct item) + item_field_bytes[f] + klen + vlen, vlen))
        f |= ITEM_TAIL;
    return f;
}

struct item *item_new(uint16_t node_bytes, const char *key, uint32_t klen,
                      const struct item_attr *attr, uint32_t vlen)
{
    uint8_t fields = fields_for(klen, attr, vlen, node_bytes);
    size_t n = node_bytes + sizeof(struct item) + item_field_bytes[fields] + klen + vlen;
    size_t first = fields & ITEM_TAIL ? mem_class_floor(n) : n;
    char *block = mem_alloc(first), *tail;
    struct item *it;

    if (UNLIKELY(!block))
        return NULL;
    it = (struct item *)(block + node_bytes);
    *it = (struct item){.vlen = vlen,
                        .klen = klen < UINT8_MAX ? (uint8_t)klen : UINT8_MAX,
                        .fields = fields,
                        .type = attr->type & 15,
                        .db = attr->db & 15};
    if (fields & ITEM_TAIL) {
        tail = mem_alloc(n - first);
        if (!tail) {
            mem_free(block, first);
            return NULL;
        }
        memcpy(item_field_at(it, ITEM_TAIL), &tail, sizeof(tail));
    }
    if (fields & ITEM_REFS)
        *refs_of(it) = 1;
    if (fields & ITEM_EXPIRY)
        item_set_expiry(it, attr->expiry_ms);
    if (fields & ITEM_CAS)
        item_set_cas(it, attr->cas);
    if (fields & ITEM_FLAGS)
        set_u32(it, ITEM_FLAGS, attr->flags);
    if (fields & ITEM_KLEN)
        set_u32(it, ITEM_KLEN, klen);
    memcpy((char *)(uintptr_t)item_key(it), key, klen);
    return it;
}

void item_free(struct item *it, uint16_t node_bytes)
{
    size_t first, tail;

    if (!it)
        return;
    first = first_block(it, node_bytes, &tail);
    if (tail)
        mem_free(tail_of(it), tail);
    mem_free((char *)it - node_bytes, first);
}

void item_put(struct item *it, uint16_t node_bytes)
{
    if ((it->fields & ITEM_REFS) && __atomic_sub_fetch(refs_of(it), 1, __ATOMIC_ACQ_REL) > 0)
        return;
    item_free(it, node_bytes);
}

void item_ref(struct item *it)
{
    CHECK_SLOW(it->fields & ITEM_REFS);
    __atomic_add_fetch(refs_of(it), 1, __ATOMIC_RELAXED);
}

size_t item_bytes(const struct item *it, uint16_t node_bytes)
{
    size_t tail, first = first_block(it, node_bytes, &tail);

    return mem_class(first) + (tail ? mem_class(tail) : 0);
}

unsigned item_value(const struct item *it, uint16_t node_bytes, struct slice part[2])
{
    size_t tail, first = first_block(it, node_bytes, &tail);

    part[0] = slice_of(item_key(it) + item_klen(it), it->vlen - tail);
    part[1] = slice_of(NULL, 0);
    if (LIKELY(!tail))
        return 1;
    (void)first;
    part[1] = slice_of(tail_of(it), tail);
    return 2;
}

/* The run of value bytes at off: its address, and in *len how many lie there. */
static char *run_at(const struct item *it, uint16_t node_bytes, size_t off, size_t *len)
{
    struct slice part[2];

    item_value(it, node_bytes, part);
    if (off >= part[0].len && part[1].len) {
        off -= part[0].len;
        part[0] = part[1];
    }
    *len = part[0].len - off;
    return (char *)(uintptr_t)part[0].p + off;
}

void item_write_split(struct item *it, uint16_t node_bytes, size_t off, const char *src, size_t n)
{
    while (n > 0) {
        size_t len;
        char *p = run_at(it, node_bytes, off, &len);

        len = len < n ? len : n;
        memcpy(p, src, len);
        off += len;
        src += len;
        n -= len;
    }
}

void item_read(const struct item *it, uint16_t node_bytes, size_t off, size_t n, char *dst)
{
    CHECK(off + n <= it->vlen);
    while (n > 0) {
        size_t len;
        const char *p = run_at(it, node_bytes, off, &len);

        len = len < n ? len : n;
        memcpy(dst, p, len);
        off += len;
        dst += len;
        n -= len;
    }
}

struct item *item_copy(const struct item *it, uint16_t node_bytes, uint8_t add, uint32_t vlen)
{
    struct item_attr attr = {.expiry_ms = item_expiry(it),
                             .cas = item_cas(it),
                             .flags = item_flags(it),
                             .db = it->db,
                             .type = it->type,
                             .fields = it->fields | add};
    struct item *copy = item_new(node_bytes, item_key(it), item_klen(it), &attr, vlen);
    struct slice part[2];
    unsigned parts;
    size_t off = 0;

    if (!copy)
        return NULL;
    copy->marks = it->marks;
    copy->access = it->access;
    parts = item_value(it, node_bytes, part);
    for (unsigned i = 0; i < parts; i++) {
        size_t n = part[i].len < vlen - off ? part[i].len : vlen - off;

        item_write(copy, node_bytes, off, part[i].p, n);
        off += n;
    }
    return copy;
}
