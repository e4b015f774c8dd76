/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mc_text.c - one pass over the line: words are split and pushed as they are found, until the newline.
 * Only a line with other control characters is looked at twice (split_odd). Lines are bounded by their
 * length, not by how much of them has arrived, so that every split of the input gives the same requests.
 */
#include "proto/mc_text.h"

#include "proto/command.h"

#include <limits.h>
#include <stddef.h>

/* ---- numbers ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool read_number(struct slice s, uint64_t *magnitude, bool *negative)
{
    uint64_t v = 0;
    size_t i = 0, start;

    while (i < s.len && is_blank(s.p[i]))
        i++;
    *negative = i < s.len && s.p[i] == '-';
    if (i < s.len && (s.p[i] == '-' || s.p[i] == '+'))
        i++;
    for (start = i; i < s.len; i++) {
        unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

        if (d > 9)
            break;
        if (v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - d)
            return false;
        v = v * 10 + d;
    }
    *magnitude = v;
    return i > start && (i == s.len || s.p[i] == '\0' || is_blank(s.p[i]));
}

bool mc_u64(struct slice s, uint64_t *out)
{
    uint64_t v;
    bool negative;

    if (!read_number(s, &v, &negative))
        return false;
    if (negative) {
        v = 0 - v;
        if (v > INT64_MAX)
            return false;
    }
    *out = v;
    return true;
}

bool mc_u32_slow(struct slice s, uint32_t *out)
{
    uint64_t v;

    if (!mc_u64(s, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}

bool mc_i32_slow(struct slice s, int32_t *out)
{
    uint64_t v;
    bool negative;

    if (!read_number(s, &v, &negative) || v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int32_t)(uint32_t)(negative ? 0 - v : v);
    return true;
}

/* ---- words ---- */

struct line {
    size_t bytes; /* with its newline */
    size_t words; /* as many as there are, also when the pool holds fewer */
};

/* The first byte of p..end that is a space or a control character; end if there is none. */
static ALWAYS_INLINE const char *word_end(const char *p, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (LIKELY(end - p >= 8)) {
        uint64_t v, low;

        memcpy(&v, p, sizeof(v));
        /* The high bit of each byte below 0x21, exact up to the first of them. */
        low = (v - 0x2121212121212121u) & ~v & 0x8080808080808080u;
        if (low)
            return p + (__builtin_ctzll(low) >> 3);
        p += 8;
    }
#endif
    while (p < end && (unsigned char)*p > ' ')
        p++;
    return p;
}

/* Where the next word goes. Those that the pool has no room for are only counted. */
struct cursor {
    struct slice *next, *limit, *first;
};

static ALWAYS_INLINE void push_word(struct cursor *c, const char *p, size_t n)
{
    if (LIKELY(c->next < c->limit))
        *c->next = slice_of(p, n);
    c->next++;
}

/* A line with control characters: they are part of words, except that a NUL ends what is looked at, as
 * in memcached, whose lines are C strings. MORE: its newline is not there yet. */
static COLD enum status split_odd(const char *buf, const char *end, struct cursor c, struct line *l)
{
    const char *nl = memchr(buf, '\n', (size_t)(end - buf));
    const char *p = buf, *stop, *nul;

    if (!nl)
        return MORE;
    stop = nl - buf > 1 && nl[-1] == '\r' ? nl - 1 : nl;
    nul = memchr(buf, '\0', (size_t)(stop - buf));
    if (nul)
        stop = nul;
    while (p < stop) {
        const char *e = memchr(p, ' ', (size_t)(stop - p));

        if (!e)
            e = stop;
        if (e > p)
            push_word(&c, p, (size_t)(e - p));
        p = e + 1;
    }
    l->words = (size_t)(c.next - c.first);
    l->bytes = (size_t)(nl + 1 - buf);
    return OK;
}

static ALWAYS_INLINE enum status split_line(const char *buf, const char *end,
                                            const struct arg_pool *pool, struct line *l)
{
    struct slice *first = pool->args + pool->used;
    struct cursor c = {.next = first, .limit = pool->args + pool->room, .first = first};
    const char *p = buf;

    for (;;) {
        const char *e = word_end(p, end);

        if (UNLIKELY(e == end))
            return MORE;
        if (LIKELY(e > p))
            push_word(&c, p, (size_t)(e - p));
        p = e + 1;
        if (LIKELY(*e == ' '))
            continue;
        if (LIKELY(*e == '\r')) {
            if (UNLIKELY(p == end))
                return MORE;
            e = p++;
        }
        if (UNLIKELY(*e != '\n'))
            return split_odd(buf, end, (struct cursor){first, c.limit, first}, l);
        l->words = (size_t)(c.next - first);
        l->bytes = (size_t)(p - buf);
        return OK;
    }
}

/* ---- limits ---- */

/* May this line be longer than others? It starts with (a few spaces and) a retrieval command. */
static bool is_retrieval(const char *p, const char *end)
{
    static const char *const verbs[] = {"get ", "gets ", "gat ", "gats "};
    const char *start = p;

    while (p < end && *p == ' ' && p - start < 100)
        p++;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        size_t n = strlen(verbs[i]);

        if ((size_t)(end - p) >= n && memcmp(p, verbs[i], n) == 0)
            return true;
    }
    return false;
}

/* n: bytes of the line that are there before its newline. */
static COLD bool line_is_too_long(const char *buf, size_t n)
{
    return n > (is_retrieval(buf, buf + n) ? MC_GET_LINE_MAX : MC_LINE_MAX);
}

/* ---- requests ---- */

static enum status refuse(struct request *r, enum error_id error)
{
    r->cmd = NULL;
    r->error = (uint8_t)error;
    return OK;
}

static const struct command *find_command(struct slice name)
{
    if (name.len == 3) {
        if (memcmp(name.p, "get", 3) == 0)
            return &commands[CMD_MC_GET];
        if (memcmp(name.p, "set", 3) == 0)
            return &commands[CMD_MC_SET];
    } else if (name.len == 2) {
        if (memcmp(name.p, "mg", 2) == 0)
            return &commands[CMD_MC_MG];
        if (memcmp(name.p, "ms", 2) == 0)
            return &commands[CMD_MC_MS];
    }
    return command_find(PROTO_MC, name);
}

static bool says_noreply(const struct request *r)
{
    return r->argc > 1 && slice_equal(r->argv[r->argc - 1], SLICE_LIT("noreply"));
}

/* Does the number of words fit the row? */
static bool arity_fits(const struct command *cmd, uint32_t argc)
{
    if (cmd->arity < 0)
        return argc >= (uint32_t)-cmd->arity;
    return argc == (uint32_t)cmd->arity ||
           ((cmd->flags & CMD_NOREPLY) && argc == (uint32_t)cmd->arity + 1);
}

/* Words of a meta command: ERR_NONE, or what is wrong with how many there are. */
static enum error_id check_meta(const struct command *cmd, const struct request *r)
{
    if (r->key.len > MC_KEY_MAX)
        return ERR_BAD_FORMAT;
    if (!r->key.p || (r->argc < 3 && cmd->id == CMD_MC_MS))
        return ERR_BAD_FORMAT;
    if (r->argc > MC_META_WORDS_MAX && cmd->id != CMD_MC_ME)
        return cmd->id == CMD_MC_MG ? ERR_META_OPTIONS_LONG : ERR_META_OPTIONS;
    return ERR_NONE;
}

/* `delete key 0` is what old clients send for "no delay". */
static enum error_id check_delete(struct request *r)
{
    bool zero = r->argc > 2 && slice_equal(r->argv[2], SLICE_LIT("0"));

    if (r->argc > 4)
        return ERR_UNKNOWN;
    if (r->argc > 2) {
        r->noreply = says_noreply(r);
        if (r->argc == 3 ? !zero && !r->noreply : !zero || !r->noreply)
            return ERR_DELETE_USAGE;
    }
    return ERR_NONE;
}

static enum error_id check_keys(const struct command *cmd, const struct request *r)
{
    uint32_t last = cmd->last_key < 0 ? r->argc - 1 : (uint32_t)cmd->last_key;
    int32_t exptime;

    if ((cmd->id == CMD_MC_GAT || cmd->id == CMD_MC_GATS) && !mc_i32(r->argv[1], &exptime))
        return ERR_BAD_EXPTIME;
    for (uint32_t i = (uint32_t)cmd->first_key; i <= last; i++)
        if (UNLIKELY(r->argv[i].len > MC_KEY_MAX))
            return ERR_BAD_FORMAT;
    return ERR_NONE;
}

/* Are the numbers of a storage line good, and how long is its block? */
static bool block_length(const struct command *cmd, const struct request *r, uint64_t *bytes)
{
    uint64_t unique;
    uint32_t flags;
    int32_t exptime, n;

    if (cmd->flags & CMD_META) {
        if (!mc_i32(r->argv[2], &n))
            return false;
    } else {
        if (!mc_u32(r->argv[2], &flags) || !mc_i32(r->argv[3], &exptime) || !mc_i32(r->argv[4], &n))
            return false;
        if (cmd->id == CMD_MC_CAS && !mc_u64(r->argv[5], &unique))
            return false;
    }
    *bytes = (uint64_t)(int64_t)n;
    return n >= 0 && n <= INT_MAX - 2;
}

static ALWAYS_INLINE enum status take_block(const char *buf, size_t len,
                                            const struct proto_limits *limits, struct request *r,
                                            size_t *used, size_t *need)
{
    uint64_t bytes;
    const char *p;

    if (UNLIKELY(!block_length(r->cmd, r, &bytes)))
        return refuse(r, ERR_BAD_FORMAT);
    if (UNLIKELY(bytes > limits->mc_item_max)) {
        r->error = ERR_TOO_LARGE;
        r->swallow = bytes + 2;
        return OK;
    }
    if (UNLIKELY(len - *used < bytes + 2)) {
        *need = *used + bytes + 2;
        return MORE;
    }
    p = buf + *used;
    *used += bytes + 2;
    if (UNLIKELY(p[bytes] != '\r' || p[bytes + 1] != '\n'))
        r->error = ERR_BAD_CHUNK;
    else
        r->data = slice_of(p, bytes);
    return OK;
}

/* The line is split into r->argv: which command is it, and is it well formed? */
static ALWAYS_INLINE enum error_id recognise(struct request *r)
{
    const struct command *cmd;

    if (UNLIKELY(r->argc == 0))
        return ERR_UNKNOWN;
    cmd = find_command(r->argv[0]);
    if (UNLIKELY(!cmd || !arity_fits(cmd, r->argc)))
        return ERR_UNKNOWN;
    r->cmd = cmd;
    if (cmd->first_key && LIKELY(r->argc > (uint32_t)cmd->first_key))
        r->key = r->argv[cmd->first_key];
    if (cmd->flags & CMD_META)
        return check_meta(cmd, r);
    if (cmd->flags & CMD_NOREPLY)
        r->noreply = says_noreply(r);
    if (UNLIKELY(cmd->id == CMD_MC_DELETE)) {
        enum error_id error = check_delete(r);

        if (error)
            return error;
    }
    return cmd->first_key ? check_keys(cmd, r) : ERR_NONE;
}

/* ---- the two commonest shapes ---- */

/* The end of the key at p, or NULL where there is none, or none that may be. */
static ALWAYS_INLINE const char *key_end(const char *p, const char *end)
{
    const char *e = word_end(p, end);

    return LIKELY((size_t)(e - p) - 1 < MC_KEY_MAX) ? e : NULL;
}

/* `get KEY` CRLF. False: it is not that, nothing is done. */
static ALWAYS_INLINE bool parse_get(const char *buf, const char *end, struct arg_pool *pool,
                                    struct request *r, size_t *used)
{
    const char *key = buf + 4, *e;
    struct slice *a = pool->args + pool->used;

    e = key_end(key, end);
    if (UNLIKELY(!e || end - e < 2 || memcmp(e, "\r\n", 2) != 0 || pool->room - pool->used < 2))
        return false;
    pool->used += 2;
    a[0] = slice_of(buf, 3);
    a[1] = slice_of(key, (size_t)(e - key));
    *r = (struct request){.cmd = &commands[CMD_MC_GET], .argv = a, .argc = 2, .key = a[1]};
    *used = (size_t)(e + 2 - buf);
    return true;
}

/* Longest run of digits that is read here, and three of them with their separators. */
#define SHORT_DIGITS 9
#define SHORT_NUMBERS (3 * (SHORT_DIGITS + 1) + 1)

/* A number of 1..SHORT_DIGITS digits, then `sep`; the byte behind that, or NULL. The caller knows that
 * SHORT_DIGITS + 1 bytes are there. */
static ALWAYS_INLINE const char *short_number(const char *p, char sep, struct slice *word,
                                              uint32_t *out)
{
    uint32_t v = (unsigned char)*p - (uint32_t)'0', d;
    const char *q = p + 1;

    if (UNLIKELY(v > 9))
        return NULL;
    if (*q != sep) {
        while ((d = (unsigned char)*q - (uint32_t)'0') <= 9 && q - p < SHORT_DIGITS) {
            v = v * 10 + d;
            q++;
        }
        if (UNLIKELY(*q != sep))
            return NULL;
    }
    *word = slice_of(p, (size_t)(q - p));
    *out = v;
    return q + 1;
}

/* `set KEY FLAGS EXPTIME BYTES` CRLF and the whole block. False: it is not that, nothing is done. */
static ALWAYS_INLINE bool parse_set(const char *buf, const char *end,
                                    const struct proto_limits *limits, struct arg_pool *pool,
                                    struct request *r, size_t *used)
{
    const char *key = buf + 4, *e = key_end(key, end), *p;
    struct slice *a = pool->args + pool->used;
    uint32_t unused, bytes;

    if (UNLIKELY(!e || end - e <= SHORT_NUMBERS || *e != ' ' || pool->room - pool->used < 5))
        return false;
    p = short_number(e + 1, ' ', &a[2], &unused);
    p = LIKELY(p != NULL) ? short_number(p, ' ', &a[3], &unused) : NULL;
    p = LIKELY(p != NULL) ? short_number(p, '\r', &a[4], &bytes) : NULL;
    if (UNLIKELY(!p || *p++ != '\n' || bytes > limits->mc_item_max ||
                 (size_t)(end - p) < (size_t)bytes + 2 || memcmp(p + bytes, "\r\n", 2) != 0))
        return false;
    pool->used += 5;
    a[0] = slice_of(buf, 3);
    a[1] = slice_of(key, (size_t)(e - key));
    *r = (struct request){.cmd = &commands[CMD_MC_SET],
                          .argv = a,
                          .argc = 5,
                          .key = a[1],
                          .data = slice_of(p, bytes)};
    *used = (size_t)(p + bytes + 2 - buf);
    return true;
}

enum status mc_parse(const char *buf, size_t len, const struct proto_limits *limits,
                     struct arg_pool *pool, struct request *r, size_t *used, size_t *need)
{
    const char *end = buf + len;
    enum error_id error;
    enum status st;
    struct line l;

    if (LIKELY(len > 4)) {
        if (memcmp(buf, "get ", 4) == 0 && LIKELY(parse_get(buf, end, pool, r, used)))
            return OK;
        if (memcmp(buf, "set ", 4) == 0 && LIKELY(parse_set(buf, end, limits, pool, r, used)))
            return OK;
    }
    /* A long line that comes slowly is only searched for its end with every piece, not split anew. */
    st = UNLIKELY(len > MC_LINE_MAX) && !memchr(buf, '\n', len) ? MORE
                                                                : split_line(buf, end, pool, &l);
    *r = (struct request){.argv = pool->args + pool->used};
    if (UNLIKELY(st != OK)) {
        if (len > MC_LINE_MAX && line_is_too_long(buf, len)) {
            *used = len;
            r->fatal = true;
            return refuse(r, ERR_LINE_TOO_LONG);
        }
        *need = len + 1;
        return MORE;
    }
    *used = l.bytes;
    if (UNLIKELY(l.bytes > MC_LINE_MAX) && line_is_too_long(buf, l.bytes - 1)) {
        r->fatal = true;
        return refuse(r, ERR_LINE_TOO_LONG);
    }
    if (UNLIKELY(l.words > pool->room - pool->used)) {
        *need = l.words;
        return NO_ROOM;
    }
    r->argc = (uint32_t)l.words;
    error = recognise(r);
    if (UNLIKELY(error != ERR_NONE)) {
        refuse(r, error);
    } else if (r->cmd->flags & CMD_DATA) {
        st = take_block(buf, len, limits, r, used, need);
        if (UNLIKELY(st != OK))
            return st;
    }
    pool->used += r->argc;
    return OK;
}

void mc_reply_error(struct out *o, const struct request *r)
{
    if (r->noreply || error_mc[r->error].len == 0)
        return;
    out_slice(o, error_mc[r->error]);
    OUT_LIT(o, "\r\n");
}
