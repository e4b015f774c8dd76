/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_resp.c - resp_parse() on any bytes: however they are cut into pieces, the same requests come out,
 * and answering those that are errors is safe.
 */
#include "proto/resp.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/resp_stream.h"

/* Small enough for a fuzzer to reach, and the least that the parser allows. */
static const struct proto_limits limits = {
    .resp_bulk_max = 10000, .resp_args_max = 12, .resp_size_max = 100000, .inline_max = 200};

static void feed_cut(struct resp_stream *s, const char *p, size_t n, unsigned seed)
{
    while (n > 0) {
        size_t piece;

        seed = seed * 1103515245 + 12345;
        piece = 1 + (seed >> 16) % 40;
        piece = piece < n ? piece : n;
        stream_feed(s, p, piece);
        p += piece;
        n -= piece;
    }
}

/* The replies of error requests: lines, each of them whole. */
static void answer_errors(const char *p, size_t n)
{
    struct resp_scan scan = {0};
    struct slice args[64];
    struct arg_pool pool = {args, 0, 64};
    struct request r;
    struct out out;
    size_t used, need;

    if (n == 0 || !out_init(&out, out_reset))
        return;
    if (resp_parse(p, n, &limits, &scan, &pool, &r, &used, &need) == OK && !r.cmd) {
        resp_reply_error(&out, &r);
        if (out.p > out.base) {
            CHECK(out.base[0] == '-' && out.p - out.base >= 3);
            CHECK(memchr(out.base, '\n', (size_t)(out.p - out.base)) == out.p - 1);
        }
    }
    out_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *p = (const char *)data;
    struct resp_stream whole, bytes, cut;

    stream_init(&whole, &limits);
    stream_feed(&whole, p, n);
    stream_init(&bytes, &limits);
    for (size_t i = 0; i < n && n <= 2048; i++)
        stream_feed(&bytes, p + i, 1);
    CHECK(n > 2048 || stream_equal(&whole, &bytes));
    stream_init(&cut, &limits);
    feed_cut(&cut, p, n, (unsigned)n);
    CHECK(stream_equal(&whole, &cut));
    stream_fini(&whole);
    stream_fini(&bytes);
    stream_fini(&cut);
    answer_errors(p, n);
    return 0;
}
