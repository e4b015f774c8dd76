/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_mc.c - memcached's parser on any bytes: it stays inside them, and however they are split, the
 * same requests come out. Each piece lies in a block of exactly its size, so that a sanitizer sees one
 * byte read too far. The flags of meta commands are parsed as well.
 */
#include "proto/mc_meta.h"
#include "proto/mc_text.h"

#include "lib/check.h"
#include "proto/command.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Longer inputs are not split after every byte, which takes time in the square of their length. */
#define BYTEWISE_MAX 600

struct stream {
    struct arg_pool pool;
    uint64_t swallow;
    uint64_t requests;
    uint64_t digest; /* of all requests and where they ended */
    size_t at;       /* parsed up to here */
    bool over;       /* a fatal error */
};

static const struct proto_limits limits = {.mc_item_max = 1000};

static void *block(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);

    CHECK(p);
    return p;
}

static void digest_bytes(struct stream *s, const void *p, size_t n)
{
    const unsigned char *b = p;

    for (size_t i = 0; i < n; i++)
        s->digest = (s->digest ^ b[i]) * 0x100000001B3u;
}

static void digest_u64(struct stream *s, uint64_t v)
{
    digest_bytes(s, &v, sizeof(v));
}

static void digest_slice(struct stream *s, struct slice v, const char *buf, size_t n)
{
    CHECK(!v.p || (v.p >= buf && v.len <= n && (size_t)(v.p - buf) <= n - v.len));
    digest_u64(s, v.len);
    digest_bytes(s, v.p, v.len);
}

static void digest_meta(struct stream *s, const struct request *r)
{
    struct mc_meta m;
    uint32_t first = r->cmd->id == CMD_MC_MS ? 3 : 2;
    enum error_id error = mc_meta_parse(r, first, MC_FLAG('x'), &m);

    digest_u64(s, error);
    if (error != ERR_NONE)
        return;
    CHECK(m.key.len <= MC_KEY_MAX);
    digest_u64(s, m.flags);
    digest_bytes(s, m.key.p, m.key.len);
}

static void digest_request(struct stream *s, const struct request *r, const char *buf, size_t n)
{
    s->requests++;
    digest_u64(s, s->at);
    digest_u64(s, r->error);
    digest_u64(s, (uint64_t)r->noreply | (uint64_t)r->fatal << 1);
    digest_u64(s, r->swallow);
    if (!r->cmd)
        return;
    digest_u64(s, r->cmd->id);
    digest_u64(s, r->argc);
    for (uint32_t i = 0; i < r->argc; i++)
        digest_slice(s, r->argv[i], buf, n);
    digest_slice(s, r->key, buf, n);
    digest_slice(s, r->data, buf, n);
    CHECK(r->key.len <= MC_KEY_MAX && r->data.len <= limits.mc_item_max);
    if ((r->cmd->flags & CMD_META) && r->cmd->id != CMD_MC_ME)
        digest_meta(s, r);
}

/* One call on data[s->at..have); false: it takes more input. */
static bool parse_one(struct stream *s, const uint8_t *data, size_t have)
{
    size_t n = have - s->at, used = 0, need = 0;
    struct request r;
    char *buf = block(n);
    enum status st;

    memcpy(buf, data + s->at, n);
    s->pool.used = 0;
    st = mc_parse(buf, n, &limits, &s->pool, &r, &used, &need);
    if (st == NO_ROOM) {
        CHECK(need > s->pool.room);
        free(s->pool.args);
        s->pool.args = block(need * sizeof(*s->pool.args));
        s->pool.room = (uint32_t)need;
    } else if (st == OK) {
        CHECK(used > 0 && used <= n);
        s->over = r.fatal;
        /* How much of a line that is too long has come is no matter. */
        s->at += r.fatal ? 0 : used;
        s->swallow = r.swallow;
        digest_request(s, &r, buf, n);
    } else {
        CHECK(st == MORE && need > n);
    }
    free(buf);
    return st != MORE;
}

static void feed(struct stream *s, const uint8_t *data, size_t have)
{
    while (s->at < have && !s->over) {
        size_t drop = have - s->at < s->swallow ? have - s->at : (size_t)s->swallow;

        s->at += drop;
        s->swallow -= drop;
        if (s->at < have && !parse_one(s, data, have))
            return;
    }
}

/* The whole input, `step` bytes at a time. */
static struct stream run(const uint8_t *data, size_t n, size_t step)
{
    struct stream s = {.pool = {.room = 4}, .digest = 0xCBF29CE484222325u};

    s.pool.args = block(s.pool.room * sizeof(*s.pool.args));
    for (size_t have = 0; have < n;) {
        have = n - have < step ? n : have + step;
        feed(&s, data, have);
    }
    free(s.pool.args);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t steps[] = {1, 2, 3, 7, 64, n / 2 + 1};
    struct stream whole;

    if (n == 0)
        return 0;
    whole = run(data, n, n);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct stream split;

        if (n > BYTEWISE_MAX && n / steps[i] > 64)
            continue;
        split = run(data, n, steps[i]);
        CHECK(split.requests == whole.requests);
        CHECK(split.digest == whole.digest);
        CHECK(split.at == whole.at);
        CHECK(split.swallow == whole.swallow);
    }
    return 0;
}
