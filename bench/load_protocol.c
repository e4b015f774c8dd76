/* SPDX-License-Identifier: BSD-3-Clause */
/* load_protocol.c - one row per protocol, and the comparison with what must come back. */
#include "bench/load_protocol.h"

#include "lib/compiler.h"

static char *put(char *dst, struct slice s)
{
    memcpy(dst, s.p, s.len);
    return dst + s.len;
}

static char *put_u64(char *dst, uint64_t v)
{
    return dst + num_format_u64(dst, v);
}

#define PUT(dst, literal) put((dst), SLICE_LIT(literal))

static char *text_put_get(const struct load_data *d, char *p, uint64_t key)
{
    p = PUT(p, "get ");
    p = load_data_put_key(d, p, key);
    return PUT(p, "\r\n");
}

static char *text_put_set(const struct load_data *d, char *p, uint64_t key, unsigned ttl_s)
{
    struct slice value = load_data_value(d, key);

    p = PUT(p, "set ");
    p = load_data_put_key(d, p, key);
    p = PUT(p, " 0 ");
    p = put_u64(p, ttl_s);
    p = PUT(p, " ");
    p = put_u64(p, value.len);
    p = PUT(p, "\r\n");
    p = put(p, value);
    return PUT(p, "\r\n");
}

static char *text_put_hit_line(const struct load_data *d, char *p, uint64_t key, size_t bytes)
{
    p = PUT(p, "VALUE ");
    p = load_data_put_key(d, p, key);
    p = PUT(p, " 0 ");
    p = put_u64(p, bytes);
    return PUT(p, "\r\n");
}

static char *meta_put_get(const struct load_data *d, char *p, uint64_t key)
{
    p = PUT(p, "mg ");
    p = load_data_put_key(d, p, key);
    return PUT(p, " v\r\n");
}

static char *meta_put_set(const struct load_data *d, char *p, uint64_t key, unsigned ttl_s)
{
    struct slice value = load_data_value(d, key);

    p = PUT(p, "ms ");
    p = load_data_put_key(d, p, key);
    p = PUT(p, " ");
    p = put_u64(p, value.len);
    if (ttl_s) {
        p = PUT(p, " T");
        p = put_u64(p, ttl_s);
    }
    p = PUT(p, "\r\n");
    p = put(p, value);
    return PUT(p, "\r\n");
}

static char *meta_put_hit_line(const struct load_data *d, char *p, uint64_t key, size_t bytes)
{
    (void)d;
    (void)key;
    p = PUT(p, "VA ");
    p = put_u64(p, bytes);
    return PUT(p, "\r\n");
}

static char *resp_put_length(char *p, size_t len)
{
    p = PUT(p, "$");
    p = put_u64(p, len);
    return PUT(p, "\r\n");
}

static char *resp_put_key(const struct load_data *d, char *p, uint64_t key)
{
    p = resp_put_length(p, load_data_key_bytes(d, key));
    p = load_data_put_key(d, p, key);
    return PUT(p, "\r\n");
}

static char *resp_put_get(const struct load_data *d, char *p, uint64_t key)
{
    p = PUT(p, "*2\r\n$3\r\nGET\r\n");
    return resp_put_key(d, p, key);
}

static char *resp_put_set(const struct load_data *d, char *p, uint64_t key, unsigned ttl_s)
{
    struct slice value = load_data_value(d, key);

    p = ttl_s ? PUT(p, "*5\r\n$3\r\nSET\r\n") : PUT(p, "*3\r\n$3\r\nSET\r\n");
    p = resp_put_key(d, p, key);
    p = resp_put_length(p, value.len);
    p = put(p, value);
    p = PUT(p, "\r\n");
    if (ttl_s) {
        char digits[NUM_MAX_DIGITS];
        size_t len = num_format_u64(digits, ttl_s);

        p = PUT(p, "$2\r\nEX\r\n");
        p = resp_put_length(p, len);
        p = put(p, slice_of(digits, len));
        p = PUT(p, "\r\n");
    }
    return p;
}

static char *resp_put_hit_line(const struct load_data *d, char *p, uint64_t key, size_t bytes)
{
    (void)d;
    (void)key;
    return resp_put_length(p, bytes);
}

static const struct load_protocol protocols[] = {
    {"text", text_put_get, text_put_set, text_put_hit_line, SLICE_LIT("\r\nEND\r\n"),
     SLICE_LIT("END\r\n"), SLICE_LIT("STORED\r\n")},
    {"meta", meta_put_get, meta_put_set, meta_put_hit_line, SLICE_LIT("\r\n"), SLICE_LIT("EN\r\n"),
     SLICE_LIT("HD\r\n")},
    {"resp", resp_put_get, resp_put_set, resp_put_hit_line, SLICE_LIT("\r\n"), SLICE_LIT("$-1\r\n"),
     SLICE_LIT("+OK\r\n")},
};

const struct load_protocol *load_protocol_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        if (strcmp(protocols[i].name, name) == 0)
            return &protocols[i];
    return NULL;
}

/* The line that a found value begins with. */
static struct slice hit_line(const struct load_protocol *protocol, const struct load_data *d,
                             uint64_t key, size_t value_bytes, char *scratch)
{
    char *end = protocol->put_hit_line(d, scratch, key, value_bytes);

    return slice_of(scratch, (size_t)(end - scratch));
}

/* Compare the part of `wanted` which lies at offset `at` of the body with the input; at and *p move
 * over what is equal. False: a byte differs. */
static bool match_part(struct slice wanted, size_t *at, const char **p, const char *end)
{
    size_t n = wanted.len - *at;

    if (n > (size_t)(end - *p))
        n = (size_t)(end - *p);
    if (memcmp(wanted.p + *at, *p, n) != 0)
        return false;
    *at += n;
    *p += n;
    return true;
}

static enum load_result wrong(struct load_reply *r, const char *p, const char *end)
{
    r->line_len = (unsigned)(end - p < LOAD_LINE_MAX ? end - p : LOAD_LINE_MAX);
    memcpy(r->line, p, r->line_len);
    return LOAD_WRONG;
}

static enum load_result check_body(struct load_reply *r, const struct load_protocol *protocol,
                                   struct slice value, const char **p, const char *end)
{
    size_t at;

    if (r->body_done < value.len) {
        at = r->body_done;
        if (!match_part(value, &at, p, end))
            return wrong(r, *p, end);
        r->body_done = at;
        if (at < value.len)
            return LOAD_MORE;
    }
    at = r->body_done - value.len;
    if (!match_part(protocol->hit_end, &at, p, end))
        return wrong(r, *p, end);
    r->body_done = value.len + at;
    if (at < protocol->hit_end.len)
        return LOAD_MORE;
    r->body_done = 0;
    r->in_body = false;
    return LOAD_HIT;
}

/* Gather a line that was cut, or is not the one hoped for. True when it is complete: r->line. */
static bool gather_line(struct load_reply *r, const char **p, const char *end)
{
    while (*p < end && r->line_len < LOAD_LINE_MAX) {
        char c = *(*p)++;

        r->line[r->line_len++] = c;
        if (c == '\n')
            return true;
    }
    return r->line_len == LOAD_LINE_MAX;
}

/* The first line: LOAD_HIT when it is the one that success begins with. */
static enum load_result check_line(struct load_reply *r, struct slice success, struct slice miss,
                                   const char **p, const char *end)
{
    struct slice got;

    if (LIKELY(r->line_len == 0 && (size_t)(end - *p) >= success.len &&
               memcmp(*p, success.p, success.len) == 0)) {
        *p += success.len;
        return LOAD_HIT;
    }
    if (!gather_line(r, p, end))
        return LOAD_MORE;
    got = slice_of(r->line, r->line_len);
    if (slice_equal(got, success)) {
        r->line_len = 0;
        return LOAD_HIT;
    }
    if (slice_equal(got, miss)) {
        r->line_len = 0;
        return LOAD_MISS;
    }
    return LOAD_WRONG;
}

enum load_result load_reply_check(struct load_reply *r, const struct load_protocol *protocol,
                                  const struct load_data *d, struct load_request request,
                                  const char **p, const char *end)
{
    char scratch[LOAD_REQUEST_MAX];
    struct slice value;

    if (request.is_set) {
        enum load_result result = check_line(r, protocol->stored, protocol->stored, p, end);

        return result == LOAD_HIT ? LOAD_STORED : result;
    }
    value = load_data_value(d, request.key);
    if (!r->in_body) {
        struct slice success = hit_line(protocol, d, request.key, value.len, scratch);
        enum load_result result = check_line(r, success, protocol->miss, p, end);

        if (result != LOAD_HIT)
            return result;
        r->in_body = true;
    }
    return check_body(r, protocol, value, p, end);
}

enum load_result load_reply_skip(struct load_reply *r, const struct load_protocol *protocol,
                                 const struct load_data *d, struct load_request request,
                                 const char **p, const char *end)
{
    char scratch[LOAD_REQUEST_MAX];
    size_t left, value_bytes;

    if (request.is_set) {
        left = protocol->stored.len;
    } else {
        value_bytes = load_data_value(d, request.key).len;
        left = hit_line(protocol, d, request.key, value_bytes, scratch).len + value_bytes +
               protocol->hit_end.len;
    }
    left -= r->body_done;
    if (left > (size_t)(end - *p)) {
        r->body_done += (size_t)(end - *p);
        *p = end;
        return LOAD_MORE;
    }
    *p += left;
    r->body_done = 0;
    return request.is_set ? LOAD_STORED : LOAD_HIT;
}
