/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resp.c - RESP requests and the writers of replies that are not hot.
 *
 * Most requests are short arrays that have come whole: short_array(), and get_or_set() for the two
 * commonest, read those in one pass and say no to anything else, without a word why. The rest is read by long_array() in two passes: one finds where
 * the request ends and can be interrupted at any byte (struct resp_scan), the second, when all is
 * there, notes where the arguments lie.
 */
#include "proto/resp.h"

#include "lib/num.h"
#include "proto/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SHORTEST_BULK 6 /* "$0\r\n\r\n" */
#define ABOUT_MAX 128 /* bytes of what a peer sent that the answer to an unknown command repeats */

/* What one walk works on. */
struct walk {
    const char *buf;
    size_t len;
    const struct proto_limits *limits;
    struct resp_scan *scan;
    struct request *r;
    size_t *used, *need;
};

/* ---- the command ---- */

static ALWAYS_INLINE bool arity_fits(const struct command *cmd, uint32_t argc)
{
    return cmd->arity >= 0 ? argc == (uint32_t)cmd->arity : argc >= (uint32_t)-cmd->arity;
}

/* A request that no handler sees. "POST" and "Host:" are a browser that was tricked into talking to
 * us: such a connection is closed before more of its lines run as commands. */
static COLD void refuse(struct request *r)
{
    const struct slice post = SLICE_LIT("post"), host = SLICE_LIT("host:");

    if (slice_equal_nocase(r->argv[0], post) || slice_equal_nocase(r->argv[0], host)) {
        r->error = ERR_NONE;
        r->fatal = true;
    } else {
        r->error = r->cmd && !(r->cmd->flags & CMD_SUB) ? ERR_ARITY : ERR_UNKNOWN;
    }
    r->cmd = NULL;
}

/* argv[0..argc), argc > 0, is a whole request. */
static void finish(struct request *r, struct slice *argv, uint32_t argc)
{
    const struct command *cmd = command_find(PROTO_RESP, argv[0]);

    *r = (struct request){.cmd = cmd, .argv = argv, .argc = argc};
    if (UNLIKELY(!cmd || !arity_fits(cmd, argc) || (cmd->flags & CMD_SUB))) {
        refuse(r);
        return;
    }
    if (LIKELY(cmd->first_key))
        r->key = argv[cmd->first_key];
}

static enum status empty(struct walk *w, size_t used)
{
    *w->r = (struct request){.error = ERR_NONE};
    *w->scan = (struct resp_scan){0};
    *w->used = used;
    return OK;
}

static COLD enum status fail(struct walk *w, enum error_id error, struct slice about)
{
    *w->r = (struct request){.error = (uint8_t)error, .fatal = true, .data = about};
    *w->scan = (struct resp_scan){0};
    *w->used = w->len;
    return OK;
}

/* ---- arrays that have come whole ---- */

static ALWAYS_INLINE bool is_crlf(const char *p)
{
    return memcmp(p, "\r\n", 2) == 0;
}

/* One bulk of up to 9,999 bytes at p: its bytes, and what follows them; NULL when it is anything
 * else, or not all there. */
static ALWAYS_INLINE const char *short_bulk(const char *p, const char *end, struct slice *arg)
{
    size_t n;
    unsigned d;

    if (UNLIKELY(end - p < SHORTEST_BULK || p[0] != '$'))
        return NULL;
    n = (unsigned char)p[1] - (unsigned)'0';
    if (UNLIKELY(n > 9))
        return NULL;
    p += 2;
    d = (unsigned char)*p - (unsigned)'0';
    if (d <= 9) {
        if (UNLIKELY(n == 0))
            return NULL;
        n = n * 10 + d;
        d = (unsigned char)*++p - (unsigned)'0';
        if (d <= 9) {
            n = n * 10 + d;
            d = (unsigned char)*++p - (unsigned)'0';
            if (d <= 9) {
                n = n * 10 + d;
                p++;
            }
        }
    }
    /* As in Redis, the two bytes behind the value are skipped whatever they are. */
    if (UNLIKELY((size_t)(end - p) < n + 4 || !is_crlf(p)))
        return NULL;
    *arg = slice_of(p + 2, n);
    return p + n + 4;
}

/* Bulks for a..last; what follows them, or NULL. */
static ALWAYS_INLINE const char *short_bulks(const char *p, const char *end, struct slice *a,
                                             const struct slice *last)
{
    for (; p && a < last; a++)
        p = short_bulk(p, end, a);
    return p;
}

/* An array of up to nine short bulks that lies in the buffer whole. */
static bool short_array(const char *buf, size_t len, struct arg_pool *pool, struct request *r,
                        size_t *used)
{
    struct slice *argv = pool->args + pool->used;
    const char *behind;
    uint32_t argc;

    if (len < 4 + SHORTEST_BULK || buf[0] != '*' || !is_crlf(buf + 2))
        return false;
    argc = (unsigned char)buf[1] - (unsigned)'0';
    if (argc - 1 > 8 || pool->room - pool->used < argc)
        return false;
    behind = short_bulks(buf + 4, buf + len, argv, argv + argc);
    if (!behind)
        return false;
    pool->used += argc;
    *used = (size_t)(behind - buf);
    finish(r, argv, argc);
    return true;
}

/* "*N\r\n$3\r\n" */
static ALWAYS_INLINE bool is_three_letter_head(const char *p)
{
    uint64_t word, head, mask;

    memcpy(&word, p, 8);
    memcpy(&head, "*\0\r\n$3\r\n", 8);
    memcpy(&mask, "\xff\0\xff\xff\xff\xff\xff\xff", 8);
    return (word & mask) == head;
}

/* Three letters of either case, as four bytes of which the last is ignored. Only letters fold to a
 * letter by the bit that is set here. */
static ALWAYS_INLINE uint32_t three_letters(const char *p)
{
    uint32_t word, mask, fold;

    memcpy(&word, p, 4);
    memcpy(&mask, "\xff\xff\xff", 4);
    memcpy(&fold, "\x20\x20\x20", 4);
    return (word & mask) | fold;
}

/* GET and SET by their most usual form. */
static ALWAYS_INLINE bool get_or_set(const char *buf, size_t len, struct arg_pool *pool,
                                     struct request *r, size_t *used)
{
    enum { HEAD = 8, NAME = 5 };
    struct slice *argv = pool->args + pool->used;
    const char *behind;
    uint32_t argc, name;

    if (UNLIKELY(len < HEAD + NAME || !is_three_letter_head(buf)))
        return false;
    argc = (unsigned char)buf[1] - (unsigned)'0';
    name = three_letters(buf + HEAD);
    if (UNLIKELY(pool->room - pool->used < 9))
        return false;
    argv[0] = slice_of(buf + HEAD, 3);
    if (LIKELY(name == three_letters("get") && argc == 2)) {
        behind = short_bulk(buf + HEAD + NAME, buf + len, argv + 1);
        r->cmd = &commands[CMD_GET];
    } else if (LIKELY(name == three_letters("set") && argc - 3 <= 6)) {
        behind = short_bulks(buf + HEAD + NAME, buf + len, argv + 1, argv + argc);
        r->cmd = &commands[CMD_SET];
    } else {
        return false;
    }
    if (UNLIKELY(!behind))
        return false;
    *used = (size_t)(behind - buf);
    pool->used += argc;
    *r = (struct request){.cmd = r->cmd, .argv = argv, .argc = argc, .key = argv[1]};
    return true;
}

/* ---- any array ---- */

bool resp_integer(struct slice s, int64_t *out)
{
    size_t sign = s.len > 0 && s.p[0] == '-';

    if (s.len > sign && s.p[sign] == '0' && s.len > 1)
        return false;
    return num_parse_i64(s, out);
}

/* The line at `at`, a type character and a number: where the next one starts. OK is 0, MORE and BAD
 * (no end within the limit) leave *next alone. */
static enum status find_line(struct walk *w, size_t at, size_t *next)
{
    size_t max = at + w->limits->inline_max, from = at + w->scan->seen;
    size_t end = w->len < max + 1 ? w->len : max + 1;
    const char *cr = from < end ? memchr(w->buf + from, '\r', end - from) : NULL;

    if (!cr) {
        if (w->len > max)
            return BAD;
        w->scan->seen = (uint32_t)(end - at);
        *w->need = w->len + 1;
        return MORE;
    }
    w->scan->seen = (uint32_t)((size_t)(cr - w->buf) - at);
    if (at + w->scan->seen + 2 > w->len) {
        *w->need = w->len + 1;
        return MORE;
    }
    *next = at + w->scan->seen + 2;
    w->scan->seen = 0;
    return OK;
}

static struct slice line_number(const struct walk *w, size_t at, size_t next)
{
    return slice_of(w->buf + at + 1, next - at - 3);
}

/* The bulk at scan->off; OK has moved scan->off behind it, BAD has filled in the answer. */
static enum status walk_bulk(struct walk *w)
{
    struct resp_scan *scan = w->scan;
    size_t at = scan->off, data, end;
    enum status st = find_line(w, at, &data);
    int64_t n;

    if (st == MORE)
        return MORE;
    if (st == BAD)
        (void)fail(w, ERR_BULK_COUNT_LEN, slice_of(NULL, 0));
    else if (w->buf[at] != '$')
        (void)fail(w, ERR_EXPECTED_BULK, slice_of(w->buf + at, 1));
    else if (!resp_integer(line_number(w, at, data), &n) || n < 0 || n > w->limits->resp_bulk_max)
        (void)fail(w, ERR_BULK_LEN, slice_of(NULL, 0));
    else if (end = data + (size_t)n + 2, w->limits->resp_size_max && end > w->limits->resp_size_max)
        (void)fail(w, ERR_NONE, slice_of(NULL, 0));
    else if (end > w->len) {
        *w->need = end;
        return MORE;
    } else {
        scan->off = end;
        return OK;
    }
    return BAD;
}

/* The header; OK with scan->left == 0 is an array of nothing. */
static enum status walk_header(struct walk *w)
{
    size_t next;
    int64_t n;

    switch (find_line(w, 0, &next)) {
    case MORE: return MORE;
    case BAD: (void)fail(w, ERR_MULTIBULK_COUNT_LEN, slice_of(NULL, 0)); return BAD;
    default: break;
    }
    if (!resp_integer(line_number(w, 0, next), &n) || n > w->limits->resp_args_max) {
        (void)fail(w, ERR_MULTIBULK_LEN, slice_of(NULL, 0));
        return BAD;
    }
    w->scan->left = n > 0 ? (uint32_t)n : 0;
    w->scan->off = next;
    return OK;
}

/* A number that the walk has found to be one; *p is behind its CRLF then. */
static size_t number_again(const char **p)
{
    size_t n = 0;

    for ((*p)++; **p != '\r'; (*p)++)
        n = n * 10 + (size_t)(**p - '0');
    *p += 2;
    return n;
}

/* All is there and in order: note the arguments. */
static enum status collect(struct walk *w, struct arg_pool *pool)
{
    const char *p = w->buf;
    size_t argc = number_again(&p);
    struct slice *argv = pool->args + pool->used;

    *w->used = w->scan->off;
    *w->scan = (struct resp_scan){0};
    if (argc > pool->room - pool->used) {
        *w->need = argc;
        return NO_ROOM;
    }
    for (size_t i = 0; i < argc; i++) {
        size_t n = number_again(&p);

        argv[i] = slice_of(p, n);
        p += n + 2;
    }
    pool->used += (uint32_t)argc;
    finish(w->r, argv, (uint32_t)argc);
    return OK;
}

static enum status long_array(struct walk *w, struct arg_pool *pool)
{
    struct resp_scan *scan = w->scan;
    enum status st;

    if (scan->left == 0) {
        st = walk_header(w);
        if (st != OK)
            return st == BAD ? OK : st;
        if (scan->left == 0)
            return empty(w, scan->off);
    }
    for (; scan->left > 0; scan->left--) {
        st = walk_bulk(w);
        if (st != OK)
            return st == BAD ? OK : st;
    }
    return collect(w, pool);
}

/* ---- inline commands ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The escape at p (a backslash with n > 1 bytes from it on): the byte it means; returns its length. */
static size_t unescape(const char *p, size_t n, char *byte)
{
    static const char letters[] = "nrtba", bytes[] = "\n\r\t\b\a";
    const char *at;

    if (p[1] == 'x' && n >= 4 && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
        *byte = (char)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
        return 4;
    }
    at = memchr(letters, p[1], sizeof(letters) - 1);
    *byte = at ? bytes[at - letters] : p[1];
    return 2;
}

/* A word of a line: its bytes, which lie in the line, or, where it has quotes, in text that the caller
 * provides (text NULL: they are only counted). */
struct word {
    const char *p; /* where the walk through the line is */
    size_t len;
    bool has_quotes;
};

/* The quoted part that the quote at w->p opens; it must end the word. False: unbalanced. */
static bool quoted(struct word *w, const char *end, char *text)
{
    const char *q = w->p + 1;
    char quote = *w->p;

    for (w->has_quotes = true; q < end && *q != quote; w->len++) {
        char byte = *q;
        size_t n = 1;

        if (*q == '\\' && end - q > 1) {
            if (quote == '"') {
                n = unescape(q, (size_t)(end - q), &byte);
            } else if (q[1] == '\'') {
                n = 2;
                byte = '\'';
            }
        }
        q += n;
        if (text)
            text[w->len] = byte;
    }
    w->p = q + 1;
    return q < end && (q + 1 == end || is_blank(q[1]));
}

/* The word at w->p, which is not blank. False: unbalanced. */
static bool read_word(struct word *w, const char *end, char *text)
{
    const char *start = w->p;

    w->has_quotes = false;
    for (; w->p < end && *w->p != ' ' && *w->p != '\n' && *w->p != '\r' && *w->p != '\t'; w->p++) {
        if (*w->p != '"' && *w->p != '\'')
            continue;
        w->len = (size_t)(w->p - start);
        if (text)
            memcpy(text, start, w->len);
        return quoted(w, end, text);
    }
    w->len = (size_t)(w->p - start);
    return true;
}

/* The words of a line into argv (NULL: only count them), those with quotes by way of text. False:
 * unbalanced. */
static bool split(const char *line, const char *end, struct slice *argv, char *text, size_t *argc,
                  size_t *text_len)
{
    struct word w = {.p = line};

    *argc = *text_len = 0;
    for (;;) {
        const char *start;

        while (w.p < end && is_blank(*w.p))
            w.p++;
        if (w.p == end)
            return true;
        start = w.p;
        if (!read_word(&w, end, argv ? text + *text_len : NULL))
            return false;
        if (argv)
            argv[*argc] = slice_of(w.has_quotes ? text + *text_len : start, w.len);
        ++*argc;
        *text_len += w.has_quotes ? w.len : 0;
    }
}

/* The line up to end as a request; unescaped words lie in the pool behind the arguments. */
static enum status inline_words(struct walk *w, const char *end, size_t used, struct arg_pool *pool)
{
    struct slice *argv = pool->args + pool->used;
    size_t argc, text_len, slots;

    if (!split(w->buf, end, NULL, NULL, &argc, &text_len))
        return fail(w, ERR_UNBALANCED_QUOTES, slice_of(NULL, 0));
    if (argc == 0)
        return empty(w, used);
    slots = argc + (text_len + sizeof(struct slice) - 1) / sizeof(struct slice);
    *w->scan = (struct resp_scan){0};
    if (slots > pool->room - pool->used) {
        *w->need = slots;
        return NO_ROOM;
    }
    (void)split(w->buf, end, argv, (char *)(argv + argc), &argc, &text_len);
    pool->used += (uint32_t)slots;
    *w->used = used;
    finish(w->r, argv, (uint32_t)argc);
    return OK;
}

static enum status inline_command(struct walk *w, struct arg_pool *pool)
{
    size_t max = w->limits->inline_max, seen = w->scan->seen;
    size_t len = w->len < max + 1 ? w->len : max + 1;
    const char *newline = seen < len ? memchr(w->buf + seen, '\n', len - seen) : NULL;
    const char *end, *nul;

    if (!newline) {
        if (w->len > max)
            return fail(w, ERR_LINE_TOO_LONG, slice_of(NULL, 0));
        w->scan->seen = (uint32_t)len;
        *w->need = w->len + 1;
        return MORE;
    }
    end = newline > w->buf && newline[-1] == '\r' ? newline - 1 : newline;
    nul = memchr(w->buf, '\0', (size_t)(end - w->buf));
    /* To Redis's splitter a line is a C string. */
    return inline_words(w, nul ? nul : end, (size_t)(newline - w->buf) + 1, pool);
}

/* Whatever it is. */
static __attribute__((noinline)) enum status
parse_any(const char *buf, size_t len, const struct proto_limits *limits, struct resp_scan *scan,
          struct arg_pool *pool, struct request *r, size_t *used, size_t *need)
{
    struct walk w = {buf, len, limits, scan, r, used, need};

    if (scan->left == 0 && scan->seen == 0 && short_array(buf, len, pool, r, used))
        return OK;
    if (len == 0) {
        *need = 1;
        return MORE;
    }
    return buf[0] == '*' ? long_array(&w, pool) : inline_command(&w, pool);
}

enum status resp_parse(const char *buf, size_t len, const struct proto_limits *limits,
                       struct resp_scan *scan, struct arg_pool *pool, struct request *r,
                       size_t *used, size_t *need)
{
    /* A short array that came in pieces may have left a scan half-way: that one goes on as it began. */
    if (UNLIKELY(scan->left > 0 || scan->seen > 0 || !get_or_set(buf, len, pool, r, used)))
        return parse_any(buf, len, limits, scan, pool, r, used, need);
    return OK;
}

/* ---- writers ---- */

void resp_double(struct out *o, unsigned version, double v)
{
    char text[32];
    int n;

    if (isnan(v)) {
        n = snprintf(text, sizeof(text), "nan");
    } else if (isinf(v)) {
        n = snprintf(text, sizeof(text), v > 0 ? "inf" : "-inf");
    } else {
        /* 15 digits are always exact, 17 always enough. */
        for (int digits = 15; digits <= 17; digits++) {
            n = snprintf(text, sizeof(text), "%.*g", digits, v);
            if (strtod(text, NULL) == v)
                break;
        }
    }
    if (version == 2) {
        resp_bulk(o, slice_of(text, (size_t)n));
        return;
    }
    out_char(o, ',');
    out_append(o, text, (size_t)n);
    OUT_LIT(o, "\r\n");
}

void resp_verbatim(struct out *o, unsigned version, const char format[3], struct slice text)
{
    if (version == 2) {
        resp_bulk(o, text);
        return;
    }
    resp_head(o, '=', text.len + 4);
    out_append(o, format, 3);
    out_char(o, ':');
    out_slice(o, text);
    OUT_LIT(o, "\r\n");
}

void resp_error(struct out *o, enum error_id id)
{
    out_char(o, '-');
    out_slice(o, error_resp[id]);
    OUT_LIT(o, "\r\n");
}

static void out_as_line(struct out *o, struct slice s)
{
    for (size_t i = 0; i < s.len && s.p[i]; i++)
        out_char(o, s.p[i] == '\r' || s.p[i] == '\n' ? ' ' : s.p[i]);
}

void resp_error_about(struct out *o, enum error_id id, struct slice a, struct slice b)
{
    struct slice text = error_resp[id], about[2] = {a, b};
    unsigned next = 0;

    out_char(o, '-');
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] == '%' && next < 2)
            out_as_line(o, about[next++]);
        else
            out_char(o, text.p[i]);
    OUT_LIT(o, "\r\n");
}

static struct slice cut(struct slice s, size_t max)
{
    const char *nul = memchr(s.p, '\0', s.len < max ? s.len : max);

    if (nul)
        return slice_of(s.p, (size_t)(nul - s.p));
    return slice_of(s.p, s.len < max ? s.len : max);
}

/* Redis shows the first arguments, as many as begin within ABOUT_MAX bytes of their list. */
static void unknown_command(struct out *o, const struct request *r)
{
    char list[ABOUT_MAX + 8];
    size_t n = 0;

    for (uint32_t i = 1; i < r->argc && n < ABOUT_MAX; i++) {
        struct slice arg = cut(r->argv[i], ABOUT_MAX - n);

        list[n++] = '\'';
        memcpy(list + n, arg.p, arg.len);
        n += arg.len;
        memcpy(list + n, "' ", 2);
        n += 2;
    }
    resp_error_about(o, ERR_UNKNOWN, cut(r->argv[0], ABOUT_MAX), slice_of(list, n));
}

void resp_reply_error(struct out *o, const struct request *r)
{
    const struct slice nothing = {"", 0};

    switch (r->error) {
    case ERR_NONE: return;
    case ERR_UNKNOWN: unknown_command(o, r); return;
    case ERR_ARITY:
        resp_error_about(o, ERR_ARITY, command_find(PROTO_RESP, r->argv[0])->name, nothing);
        return;
    default: resp_error_about(o, r->error, r->data, nothing); return;
    }
}
