/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mc_text.c - memcached's text protocol: requests, limits, errors, numbers, and input in pieces. */
#include "proto/mc_text.h"

#include "lib/mem.h"
#include "proto/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#define POOL 256
#define LOG_BYTES (64 * 1024)

static const struct proto_limits limits = {.mc_item_max = 1024};
static struct slice args[POOL];

static enum status parse(const char *p, size_t n, struct request *r, size_t *used, size_t *need)
{
    struct arg_pool pool = {.args = args, .room = POOL};

    return mc_parse(p, n, &limits, &pool, r, used, need);
}

/* The one request that the text holds. */
static struct request request_of(const char *text)
{
    struct request r;
    size_t used = 0, need;

    assert_int_equal(parse(text, strlen(text), &r, &used, &need), OK);
    assert_int_equal(used, strlen(text));
    return r;
}

static void assert_slice(struct slice s, const char *want)
{
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.p, want, s.len);
}

static void assert_error(const char *text, enum error_id error)
{
    struct request r;
    size_t used = 0, need;

    assert_int_equal(parse(text, strlen(text), &r, &used, &need), OK);
    assert_null(r.cmd);
    assert_int_equal(r.error, error);
}

/* ---- requests ---- */

static void parses_retrieval(void **state)
{
    struct request r = request_of("get key1\r\n");

    (void)state;
    assert_int_equal(r.cmd->id, CMD_MC_GET);
    assert_int_equal(r.argc, 2);
    assert_slice(r.argv[0], "get");
    assert_slice(r.key, "key1");
    r = request_of(" gets  a bb  ccc \n");
    assert_int_equal(r.cmd->id, CMD_MC_GETS);
    assert_int_equal(r.argc, 4);
    assert_slice(r.key, "a");
    assert_slice(r.argv[3], "ccc");
    r = request_of("gat 100 k\r\n");
    assert_int_equal(r.cmd->id, CMD_MC_GAT);
    assert_slice(r.key, "k");
    r = request_of("gat 100\r\n");
    assert_null(r.key.p);
}

static void parses_storage(void **state)
{
    struct request r = request_of("set k 5 100 3\r\na\nb\r\n");

    (void)state;
    assert_int_equal(r.cmd->id, CMD_MC_SET);
    assert_int_equal(r.error, ERR_NONE);
    assert_slice(r.key, "k");
    assert_slice(r.argv[2], "5");
    assert_slice(r.data, "a\nb");
    assert_false(r.noreply);
    r = request_of("append k 0 0 0 noreply\r\n\r\n");
    assert_true(r.noreply);
    assert_int_equal(r.data.len, 0);
    assert_non_null(r.data.p);
    r = request_of("cas k 0 0 1 18446744073709551615\r\nx\r\n");
    assert_int_equal(r.cmd->id, CMD_MC_CAS);
    assert_slice(r.argv[5], "18446744073709551615");
    r = request_of("ms k 2 T0 c\r\nxy\r\n");
    assert_int_equal(r.cmd->id, CMD_MC_MS);
    assert_int_equal(r.argc, 5);
    assert_slice(r.data, "xy");
}

static void every_row_is_found(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        char text[200];
        int words = c->arity < 0 ? -c->arity : c->arity;
        struct request r;
        int n;

        if (c->proto != PROTO_MC)
            continue;
        n = snprintf(text, sizeof(text), "%s", c->name.p);
        if (c->flags & CMD_META && words < 2)
            words = 2;
        if (c->id == CMD_MC_MS)
            words = 3;
        for (int w = 1; w < words; w++)
            n += snprintf(text + n, sizeof(text) - (size_t)n, " 1");
        snprintf(text + n, sizeof(text) - (size_t)n, "\r\n%s", c->flags & CMD_DATA ? "x\r\n" : "");
        r = request_of(text);
        assert_ptr_equal(r.cmd, c);
    }
}

static void control_bytes_are_bytes(void **state)
{
    struct request r = request_of("get a\tb\x01\r\n");
    size_t used, need;

    (void)state;
    assert_slice(r.key, "a\tb\x01");
    r = request_of("get a\rb\r\n");
    assert_slice(r.key, "a\rb");
    r = request_of("get \xc3\xa9\r\r\n");
    assert_slice(r.key, "\xc3\xa9\r");
    /* a NUL ends what is looked at */
    assert_int_equal(parse("get a\0b c\r\n", 11, &r, &used, &need), OK);
    assert_int_equal(used, 11);
    assert_int_equal(r.argc, 2);
    assert_slice(r.key, "a");
}

static void noreply_is_the_last_word(void **state)
{
    (void)state;
    assert_true(request_of("incr a 1 noreply\r\n").noreply);
    assert_false(request_of("incr a 1 norepl\r\n").noreply);
    assert_true(request_of("touch a noreply\r\n").noreply);
    assert_true(request_of("delete a noreply\r\n").noreply);
    assert_true(request_of("delete a 0 noreply\r\n").noreply);
    assert_false(request_of("delete a 0\r\n").noreply);
    assert_false(request_of("delete noreply\r\n").noreply);
    assert_false(request_of("get noreply\r\n").noreply);
}

/* ---- errors ---- */

static void refuses_malformed_lines(void **state)
{
    static const char *const unknown[] = {
        "\r\n",
        "\n",
        "  \r\n",
        "x\r\n",
        "foo a\r\n",
        "GET a\r\n",
        "get\r\n",
        "get \r\n",
        "gat\r\n",
        "set a 0 0\r\n",
        "mg\r\n",
        "md\r\n",
        "ms\r\n",
        "set a 0 0 1 2 3\r\n",
        "cas a 0 0 1\r\n",
        "incr a\r\n",
        "touch a\r\n",
        "delete\r\n",
        "delete a b c d\r\n",
        "verbosity\r\n",
    };
    static const char *const format[] = {
        "set a x 0 1\r\n",
        "set a 0 x 1\r\n",
        "set a 0 0 x\r\n",
        "set a 0 0 -1\r\n",
        "set a -1 0 1\r\n",
        "set a 0 0 2147483646\r\n",
        "set a 0 1.5 1\r\n",
        "cas a 0 0 1 x\r\n",
        "ms a\r\n",
        "ms a x\r\n",
        "ms a -1\r\n",
        "me\r\n",
        "set a 0 0 99999999999999999999\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_error(unknown[i], ERR_UNKNOWN);
    for (size_t i = 0; i < ARRAY_LEN(format); i++)
        assert_error(format[i], ERR_BAD_FORMAT);
    assert_error("gat x a\r\n", ERR_BAD_EXPTIME);
    assert_error("delete a 1\r\n", ERR_DELETE_USAGE);
    assert_error("delete a noreply 0\r\n", ERR_DELETE_USAGE);
    assert_error("mg a b c d e f g h i j k l m n o p q r s t\r\n", ERR_META_OPTIONS_LONG);
    assert_error("ma a b c d e f g h i j k l m n o p q r s t\r\n", ERR_META_OPTIONS);
}

static void errors_keep_noreply(void **state)
{
    struct request r = request_of("set a x 0 1 noreply\r\n");

    (void)state;
    assert_null(r.cmd);
    assert_true(r.noreply);
}

static void keys_have_a_limit(void **state)
{
    char key[MC_KEY_MAX + 2], text[1024];

    (void)state;
    memset(key, 'k', sizeof(key));
    key[MC_KEY_MAX] = '\0';
    snprintf(text, sizeof(text), "get a %s\r\n", key);
    assert_slice(request_of(text).argv[2], key);
    snprintf(text, sizeof(text), "set %s 0 0 1\r\nx\r\n", key);
    assert_slice(request_of(text).key, key);
    key[MC_KEY_MAX] = 'k';
    key[MC_KEY_MAX + 1] = '\0';
    snprintf(text, sizeof(text), "get a %s b\r\n", key);
    assert_error(text, ERR_BAD_FORMAT);
    snprintf(text, sizeof(text), "set %s 0 0 1\r\n", key);
    assert_error(text, ERR_BAD_FORMAT);
    snprintf(text, sizeof(text), "ms %s 1\r\n", key);
    assert_error(text, ERR_BAD_FORMAT);
    snprintf(text, sizeof(text), "me %s\r\n", key);
    assert_error(text, ERR_BAD_FORMAT);
}

static void lines_have_a_limit(void **state)
{
    char *text = malloc(MC_GET_LINE_MAX + 100);
    struct request r;
    size_t used, need;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', MC_GET_LINE_MAX + 100);
    assert_int_equal(parse(text, MC_LINE_MAX, &r, &used, &need), MORE);
    assert_int_equal(need, MC_LINE_MAX + 1);
    assert_int_equal(parse(text, MC_LINE_MAX + 1, &r, &used, &need), OK);
    assert_true(r.fatal);
    assert_int_equal(r.error, ERR_LINE_TOO_LONG);
    /* the same when the newline has come */
    text[MC_LINE_MAX + 1] = '\n';
    assert_int_equal(parse(text, MC_LINE_MAX + 2, &r, &used, &need), OK);
    assert_true(r.fatal);
    text[MC_LINE_MAX] = '\n';
    assert_int_equal(parse(text, MC_LINE_MAX + 1, &r, &used, &need), OK);
    assert_false(r.fatal);
    /* a get may be longer, yet not without end */
    memset(text, 'x', MC_GET_LINE_MAX + 100);
    memcpy(text, "  get ", 6);
    assert_int_equal(parse(text, MC_GET_LINE_MAX, &r, &used, &need), MORE);
    assert_int_equal(parse(text, MC_GET_LINE_MAX + 1, &r, &used, &need), OK);
    assert_true(r.fatal);
    free(text);
}

/* Else each byte of a long line that comes slowly would cost as much as the whole line. */
static void a_long_line_is_split_once(void **state)
{
    const size_t n = 4 * (MC_LINE_MAX + 1);
    char *text = malloc(n);
    struct request r;
    size_t used, need;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = "get "[i % 4];
    memset(args, 0, sizeof(args));
    assert_int_equal(parse(text, n, &r, &used, &need), MORE);
    assert_int_equal(need, n + 1);
    assert_null(args[0].p);
    text[n - 1] = '\n';
    assert_int_equal(parse(text, n, &r, &used, &need), NO_ROOM);
    assert_int_equal(need, n / 4);
    assert_ptr_equal(args[0].p, text);
    free(text);
}

static void pool_that_is_full_is_told(void **state)
{
    struct slice few[3];
    struct arg_pool pool = {.args = few, .room = 3};
    struct request r;
    size_t used, need;

    (void)state;
    assert_int_equal(mc_parse("get a b c\r\n", 11, &limits, &pool, &r, &used, &need), NO_ROOM);
    assert_int_equal(need, 4);
    assert_int_equal(mc_parse("get a b\r\n", 9, &limits, &pool, &r, &used, &need), OK);
    assert_int_equal(pool.used, 3);
    assert_int_equal(mc_parse("mn\r\n", 4, &limits, &pool, &r, &used, &need), NO_ROOM);
    assert_int_equal(need, 1);
}

/* ---- data blocks ---- */

static void says_how_much_is_missing(void **state)
{
    struct request r;
    size_t used, need;

    (void)state;
    assert_int_equal(parse("set a 0 0 1000\r\nx", 17, &r, &used, &need), MORE);
    assert_int_equal(need, 16 + 1000 + 2);
    assert_int_equal(parse("set a 0", 7, &r, &used, &need), MORE);
    assert_int_equal(need, 8);
}

static void refuses_bad_chunks(void **state)
{
    struct request r;
    size_t used, need;

    (void)state;
    assert_int_equal(parse("set a 0 0 3\r\nabcde\r\nget a\r\n", 27, &r, &used, &need), OK);
    assert_int_equal(r.cmd->id, CMD_MC_SET);
    assert_int_equal(r.error, ERR_BAD_CHUNK);
    assert_int_equal(used, 18);
    assert_int_equal(parse("ms a 1\r\nx\n\r\n", 12, &r, &used, &need), OK);
    assert_int_equal(r.error, ERR_BAD_CHUNK);
    assert_int_equal(used, 11);
}

static void swallows_what_is_too_large(void **state)
{
    struct request r = request_of("set a 0 0 1025\r\n");

    (void)state;
    assert_int_equal(r.cmd->id, CMD_MC_SET);
    assert_int_equal(r.error, ERR_TOO_LARGE);
    assert_int_equal(r.swallow, 1027);
    r = request_of("ms a 2147483645\r\n");
    assert_int_equal(r.swallow, 2147483647);
}

/* ---- input in pieces ---- */

struct stream {
    char log[LOG_BYTES]; /* each request, in text */
    size_t len, at;
    uint64_t swallow;
};

static void log_slice(struct stream *s, struct slice v)
{
    s->len += (size_t)snprintf(s->log + s->len, LOG_BYTES - s->len, "[%.*s]", (int)v.len, v.p);
}

static void log_request(struct stream *s, const struct request *r)
{
    s->len += (size_t)snprintf(s->log + s->len, LOG_BYTES - s->len, "\n%zu %s %d%d%d %llu ", s->at,
                               r->cmd ? r->cmd->name.p : "-", r->error, r->noreply, r->fatal,
                               (unsigned long long)r->swallow);
    for (uint32_t i = 0; r->cmd && i < r->argc; i++)
        log_slice(s, r->argv[i]);
    log_slice(s, r->data);
}

static void feed(struct stream *s, const char *data, size_t have)
{
    struct request r;
    size_t used, need;

    while (s->at < have) {
        size_t drop = have - s->at < s->swallow ? have - s->at : (size_t)s->swallow;

        s->at += drop;
        s->swallow -= drop;
        if (s->at == have || parse(data + s->at, have - s->at, &r, &used, &need) != OK)
            return;
        s->at += used;
        s->swallow = r.swallow;
        log_request(s, &r);
    }
}

static const char *const pipelines[] = {
    "get a\r\nset a 0 0 3\r\nabc\r\nget a b\r\n gets  a\nincr n 5 noreply\r\nversion\r\n",
    "set a 0 0 3 noreply\r\nabcdefg\r\nget a\r\nset b 1 2 0\r\n\r\nbad\r\n\r\nmn\r\n",
    "set a 0 0 1030\r\nget a\r\nms b 3 k O1\r\n\r\n\r\r\nmg b v\r\nma n\r\nmd b q\r\nmn\r\n",
    ("get a\rb\r\nget a\tb\r\r\n\r\n\n \ntouch a 0\r\ndelete a 0 noreply\r\n"
     "delete a 1\r\nflush_all\r\n"),
};

static void every_split_gives_the_same(void **state)
{
    static struct stream whole, split;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pipelines); i++) {
        const char *data = pipelines[i];
        size_t n = strlen(data);

        whole.len = whole.at = 0;
        whole.swallow = 0;
        feed(&whole, data, n);
        for (size_t cut = 0; cut <= n; cut++) {
            split.len = split.at = 0;
            split.swallow = 0;
            /* cut 0: a byte at a time */
            for (size_t have = 1; cut == 0 && have < n; have++)
                feed(&split, data, have);
            feed(&split, data, cut);
            feed(&split, data, n);
            assert_string_equal(split.log, whole.log);
            assert_int_equal(split.at, whole.at);
        }
    }
}

/* ---- numbers ---- */

static void numbers_are_read_as_c_does(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t v;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {" \t+12 x", true, 12},
        {"12\r\n3", true, 12},
        {"-1", false, 0},
        {"-18446744073709551615", true, 1},
        {"", false, 0},
        {"+", false, 0},
        {"12x", false, 0},
        {"1.5", false, 0},
        {"0x10", false, 0},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
    };
    uint32_t u;
    int32_t i;

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        uint64_t v = 0;

        assert_int_equal(mc_u64(slice_str(cases[c].text), &v), cases[c].ok);
        assert_int_equal(v, cases[c].v);
    }
    assert_true(mc_u32(SLICE_LIT("123456789"), &u) && u == 123456789);
    assert_true(mc_u32(SLICE_LIT("4294967295"), &u) && u == UINT32_MAX);
    assert_true(mc_u32(SLICE_LIT("4294967299"), &u) && u == 3);
    assert_false(mc_u32(SLICE_LIT("-1"), &u));
    assert_true(mc_i32(SLICE_LIT("-1"), &i) && i == -1);
    assert_true(mc_i32(SLICE_LIT("2147483648"), &i) && i == INT32_MIN);
    assert_true(mc_i32(SLICE_LIT("4294967296"), &i) && i == 0);
    assert_true(mc_i32(SLICE_LIT("-9223372036854775808"), &i) && i == 0);
    assert_false(mc_i32(SLICE_LIT("9223372036854775808"), &i));
}

/* ---- errors as text ---- */

static void no_spill(struct out *o)
{
    (void)o;
    fail();
}

static void error_lines_heed_noreply(void **state)
{
    struct request r = {.error = ERR_BAD_FORMAT};
    struct out o;

    (void)state;
    assert_true(out_init(&o, no_spill));
    mc_reply_error(&o, &r);
    assert_slice(slice_of(o.base, (size_t)(o.p - o.base)),
                 "CLIENT_ERROR bad command line format\r\n");
    out_reset(&o);
    r.noreply = true;
    mc_reply_error(&o, &r);
    assert_true(out_is_empty(&o));
    r = (struct request){.error = ERR_LINE_TOO_LONG, .fatal = true};
    mc_reply_error(&o, &r);
    assert_true(out_is_empty(&o));
    out_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_retrieval),           cmocka_unit_test(parses_storage),
        cmocka_unit_test(every_row_is_found),         cmocka_unit_test(control_bytes_are_bytes),
        cmocka_unit_test(noreply_is_the_last_word),   cmocka_unit_test(refuses_malformed_lines),
        cmocka_unit_test(errors_keep_noreply),        cmocka_unit_test(keys_have_a_limit),
        cmocka_unit_test(lines_have_a_limit),         cmocka_unit_test(pool_that_is_full_is_told),
        cmocka_unit_test(says_how_much_is_missing),   cmocka_unit_test(refuses_bad_chunks),
        cmocka_unit_test(swallows_what_is_too_large), cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(numbers_are_read_as_c_does), cmocka_unit_test(error_lines_heed_noreply),
        cmocka_unit_test(a_long_line_is_split_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
