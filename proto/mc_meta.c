/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mc_meta.c - reading flags. As in memcached, a flag may be given once, every flag is known in every meta
 * command (with few exceptions, see `allowed`) though it may mean nothing there, and of several bad tokens
 * the last one is reported.
 */
#include "proto/mc_meta.h"

#include <stddef.h>

#define ANYWHERE                                                                                   \
    (MC_FLAG('b') | MC_FLAG('c') | MC_FLAG('f') | MC_FLAG('h') | MC_FLAG('k') | MC_FLAG('l') |     \
     MC_FLAG('q') | MC_FLAG('s') | MC_FLAG('t') | MC_FLAG('u') | MC_FLAG('v') | MC_FLAG('C') |     \
     MC_FLAG('D') | MC_FLAG('E') | MC_FLAG('F') | MC_FLAG('I') | MC_FLAG('J') | MC_FLAG('L') |     \
     MC_FLAG('M') | MC_FLAG('N') | MC_FLAG('O') | MC_FLAG('P') | MC_FLAG('R') | MC_FLAG('T'))

/* ---- base64 (RFC 4648) ---- */

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 0..63, 64 for '=', -1 for what is skipped. */
static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? 64 : -1;
}

size_t mc_base64_decode(const char *src, size_t n, char *dst)
{
    size_t digits = 0, pads = 0, len = 0;
    uint32_t word = 0;

    for (size_t i = 0; i < n; i++)
        digits += digit_of(src[i]) >= 0;
    if (digits % 4 != 0)
        return 0;
    digits = 0;
    for (size_t i = 0; i < n && (pads == 0 || digits % 4 != 0); i++) {
        int d = digit_of(src[i]);

        if (d < 0)
            continue;
        pads += d == 64;
        word = word << 6 | (d == 64 ? 0 : (uint32_t)d);
        if (++digits % 4 != 0)
            continue;
        if (pads > 2)
            return 0;
        dst[len++] = (char)(word >> 16);
        dst[len++] = (char)(word >> 8);
        dst[len++] = (char)word;
        len -= pads;
    }
    return len;
}

size_t mc_base64_encode(const char *src, size_t n, char *dst)
{
    char *p = dst;

    for (size_t i = 0; i < n; i += 3) {
        uint32_t word = 0;
        size_t have = n - i < 3 ? n - i : 3;

        for (size_t j = 0; j < 3; j++)
            word = word << 8 | (j < have ? (unsigned char)src[i + j] : 0);
        *p++ = alphabet[word >> 18];
        *p++ = alphabet[word >> 12 & 63];
        *p++ = have > 1 ? alphabet[word >> 6 & 63] : '=';
        *p++ = have > 2 ? alphabet[word & 63] : '=';
    }
    return (size_t)(p - dst);
}

/* ---- flags ---- */

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum error_id decode_key(struct mc_meta *m)
{
    size_t n = mc_base64_decode(m->key.p, m->key.len, m->key_room);

    m->key = slice_of(m->key_room, n);
    return n > 0 ? ERR_NONE : ERR_META_KEY;
}

/* The token behind a flag's letter. */
static enum error_id read_token(char flag, struct slice token, struct mc_meta *m)
{
    switch (flag) {
    case 'b': return decode_key(m);
    case 'T': return mc_i32(token, &m->ttl) ? ERR_NONE : ERR_META_TOKEN;
    case 'N': return mc_i32(token, &m->vivify) ? ERR_NONE : ERR_META_TOKEN;
    case 'R': return mc_i32(token, &m->recache) ? ERR_NONE : ERR_META_TOKEN;
    case 'F': return mc_u32(token, &m->client_flags) ? ERR_NONE : ERR_BAD_FORMAT;
    case 'C': return mc_u64(token, &m->cas) ? ERR_NONE : ERR_META_TOKEN;
    case 'E': return mc_u64(token, &m->new_cas) ? ERR_NONE : ERR_META_TOKEN;
    case 'D': return mc_u64(token, &m->delta) ? ERR_NONE : ERR_META_DELTA;
    case 'J': return mc_u64(token, &m->initial) ? ERR_NONE : ERR_META_INITIAL;
    case 'M':
        if (token.len != 1)
            return ERR_META_MODE_LENGTH;
        m->mode = token.p[0];
        return ERR_NONE;
    default: return ERR_NONE;
    }
}

enum error_id mc_meta_parse(const struct request *r, uint32_t first, uint64_t allowed,
                            struct mc_meta *m)
{
    enum error_id error = ERR_NONE;

    memset(m, 0, offsetof(struct mc_meta, key_room));
    m->key = r->key;
    m->delta = 1;
    for (uint32_t i = first; i < r->argc; i++) {
        struct slice word = r->argv[i];
        unsigned char c = (unsigned char)word.p[0];
        enum error_id bad;

        if (c >= 127)
            return ERR_META_DUPLICATE; /* memcached's answer to these as well */
        if (!is_letter(c))
            return ERR_META_FLAG;
        if (m->flags & MC_FLAG(c))
            return ERR_META_DUPLICATE;
        if (!((ANYWHERE | allowed) & MC_FLAG(c)))
            return ERR_META_FLAG;
        m->flags |= MC_FLAG(c);
        if (c == 'O')
            m->opaque = word;
        bad = read_token((char)c, slice_of(word.p + 1, word.len - 1), m);
        if (bad != ERR_NONE)
            error = bad;
    }
    return error;
}
