/* SPDX-License-Identifier: BSD-3-Clause */
/* test_resp.c - RESP requests, whole and cut anywhere, limits and errors, and the writers of replies. */
#include "proto/resp.h"

#include "tests/fuzz/resp_stream.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those four before it */
#include <cmocka.h>

static const struct proto_limits limits = {
    .resp_bulk_max = 20000, .resp_args_max = 100, .resp_size_max = 200000, .inline_max = 64 * 1024};

/* Pieces of text joined and repeated. */
static char text[300000];
static size_t text_len;

static void add(const char *p, size_t n)
{
    assert_true(text_len + n <= sizeof(text));
    memcpy(text + text_len, p, n);
    text_len += n;
}

static void fill(char c, size_t n)
{
    assert_true(text_len + n <= sizeof(text));
    memset(text + text_len, c, n);
    text_len += n;
}

#define START(s) (text_len = 0, add((s), sizeof(s) - 1))
#define ADD(s) add((s), sizeof(s) - 1)

/* ---- one request ---- */

static struct slice args[128];

static enum status parse_with(uint32_t room, struct request *r, size_t *used, size_t *need)
{
    struct resp_scan scan = {0};
    struct arg_pool pool = {args, 0, room};

    return resp_parse(text, text_len, &limits, &scan, &pool, r, used, need);
}

static struct request parse(void)
{
    struct request r;
    size_t used, need;

    assert_int_equal(parse_with(128, &r, &used, &need), OK);
    if (!r.fatal)
        assert_int_equal(used, text_len);
    return r;
}

static void assert_arg(const struct request *r, uint32_t i, const char *want, size_t n)
{
    assert_true(i < r->argc);
    assert_int_equal(r->argv[i].len, n);
    assert_memory_equal(r->argv[i].p, want, n);
}
#define ASSERT_ARG(r, i, want) assert_arg((r), (i), (want), sizeof(want) - 1)

static void test_array(void **state)
{
    struct request r;

    (void)state;
    START("*2\r\n$3\r\nGET\r\n$12\r\nkey:00000001\r\n");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_GET]);
    assert_int_equal(r.argc, 2);
    ASSERT_ARG(&r, 0, "GET");
    ASSERT_ARG(&r, 1, "key:00000001");
    assert_ptr_equal(r.key.p, r.argv[1].p);
    assert_false(r.fatal);
    /* either case, and no key */
    START("*1\r\n$4\r\npInG\r\n");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_PING]);
    assert_null(r.key.p);
    /* bytes of any kind, and lengths of every number of digits */
    START("*3\r\n$3\r\nsEt\r\n$4\r\n\r\n\0k\r\n$9999\r\n");
    fill('v', 9999);
    ADD("\r\n");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_SET]);
    ASSERT_ARG(&r, 1, "\r\n\0k");
    assert_int_equal(r.argv[2].len, 9999);
    START("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$10000\r\n");
    fill('v', 10000);
    ADD("\r\n");
    r = parse();
    assert_int_equal(r.argv[1].len, 0);
    assert_int_equal(r.argv[2].len, 10000);
    /* more than nine arguments */
    START("*11\r\n$3\r\nDEL\r\n");
    for (int i = 0; i < 10; i++)
        ADD("$1\r\nk\r\n");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_DEL]);
    assert_int_equal(r.argc, 11);
}

/* As in Redis the two bytes behind a value are not looked at. */
static void test_sloppy_ends(void **state)
{
    struct request r;

    (void)state;
    START("*2\r\n$3\r\nGETxx$1\r\nkyy");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_GET]);
    START("*1\rx$4\rxPING\r\n");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_PING]);
}

static void test_names_that_are_nearly_known(void **state)
{
    static const char *const names[] = {"GE",           "GETT",       "G\x05T",
                                        "\x47\x45\x34", "SE\x54\x20", "se\0"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = i == 5 ? 3 : strlen(names[i]);
        char head[32];
        struct request r;

        text_len = 0;
        add(head, (size_t)sprintf(head, "*2\r\n$%zu\r\n", n));
        add(names[i], n);
        ADD("\r\n$1\r\nk\r\n");
        r = parse();
        assert_null(r.cmd);
        assert_int_equal(r.error, ERR_UNKNOWN);
        assert_false(r.fatal);
    }
}

static void test_empty_requests(void **state)
{
    static const char *const empty[] = {"\r\n", "\n", "*0\r\n", "*-1\r\n", "*-5\r\n", "  \t \r\n"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(empty); i++) {
        struct request r;

        text_len = 0;
        add(empty[i], strlen(empty[i]));
        r = parse();
        assert_null(r.cmd);
        assert_int_equal(r.error, ERR_NONE);
        assert_int_equal(r.argc, 0);
        assert_false(r.fatal);
    }
}

static void test_inline(void **state)
{
    struct request r;

    (void)state;
    START("  get \t key\r\n");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_GET]);
    ASSERT_ARG(&r, 1, "key");
    START("set \"a \\x41\\n\\r\\t\\b\\a\\\\\\\"\\q\\xZZ\" 'b \\' \\n'\n");
    r = parse();
    assert_ptr_equal(r.cmd, &commands[CMD_SET]);
    ASSERT_ARG(&r, 1, "a A\n\r\t\b\a\\\"qxZZ");
    ASSERT_ARG(&r, 2, "b ' \\n");
    START("echo \"\"\r\n");
    r = parse();
    ASSERT_ARG(&r, 1, "");
    /* a quote within a word joins, and ends it */
    START("echo ab\"c d\"\r\n");
    r = parse();
    ASSERT_ARG(&r, 1, "abc d");
    /* the text of earlier words outlives that of later ones */
    START("mget plain \"one\" two 'three' four\r\n");
    r = parse();
    ASSERT_ARG(&r, 1, "plain");
    ASSERT_ARG(&r, 2, "one");
    ASSERT_ARG(&r, 3, "two");
    ASSERT_ARG(&r, 4, "three");
    ASSERT_ARG(&r, 5, "four");
}

/* ---- no room, and how much is needed ---- */

static void test_no_room(void **state)
{
    struct request r;
    size_t used, need = 0;

    (void)state;
    START("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    assert_int_equal(parse_with(2, &r, &used, &need), NO_ROOM);
    assert_int_equal(need, 3);
    assert_int_equal(parse_with(3, &r, &used, &need), OK);
    /* A long one is not asked for room before it is all there. */
    START("*50\r\n$3\r\nDEL\r\n");
    assert_int_equal(parse_with(2, &r, &used, &need), MORE);
    START("echo \"0123456789abcdef0\"\r\n");
    assert_int_equal(parse_with(1, &r, &used, &need), NO_ROOM);
    assert_int_equal(parse_with((uint32_t)need, &r, &used, &need), OK);
    ASSERT_ARG(&r, 1, "0123456789abcdef0");
}

static size_t needed(void)
{
    struct request r;
    size_t used, need = 0;

    assert_int_equal(parse_with(128, &r, &used, &need), MORE);
    return need;
}

static void test_need(void **state)
{
    (void)state;
    text_len = 0;
    assert_int_equal(needed(), 1);
    START("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000\r\n");
    assert_int_equal(needed(), text_len + 10002);
    fill('v', 5000);
    assert_int_equal(needed(), text_len + 5002);
    START("*3\r\n$3\r\nSE");
    assert_int_equal(needed(), text_len + 3);
    START("*3\r\n$3");
    assert_int_equal(needed(), text_len + 1);
    START("get k");
    assert_int_equal(needed(), text_len + 1);
}

/* ---- errors ---- */

static struct out out;

static void discard(struct out *o)
{
    out_reset(o);
}

static void assert_out(const char *want)
{
    size_t n = (size_t)(out.p - out.base);

    if (n != strlen(want) || memcmp(out.base, want, n) != 0)
        fail_msg("got '%.*s', not '%s'", (int)n, out.base, want);
    out_reset(&out);
}

static void assert_answer(const char *want, bool fatal)
{
    struct request r = parse();

    assert_null(r.cmd);
    assert_int_equal(r.fatal, fatal);
    resp_reply_error(&out, &r);
    assert_out(want);
}

static void test_protocol_errors(void **state)
{
    (void)state;
    START("*abc\r\n");
    assert_answer("-ERR Protocol error: invalid multibulk length\r\n", true);
    START("*\r\n");
    assert_answer("-ERR Protocol error: invalid multibulk length\r\n", true);
    START("*01\r\n");
    assert_answer("-ERR Protocol error: invalid multibulk length\r\n", true);
    START("*101\r\n");
    assert_answer("-ERR Protocol error: invalid multibulk length\r\n", true);
    START("*1\r\n:3\r\n");
    assert_answer("-ERR Protocol error: expected '$', got ':'\r\n", true);
    START("*1\r\n\r\n");
    assert_answer("-ERR Protocol error: expected '$', got ' '\r\n", true);
    START("*1\r\n$-1\r\n");
    assert_answer("-ERR Protocol error: invalid bulk length\r\n", true);
    START("*1\r\n$20001\r\n");
    assert_answer("-ERR Protocol error: invalid bulk length\r\n", true);
    START("*1\r\n$007\r\n");
    assert_answer("-ERR Protocol error: invalid bulk length\r\n", true);
    START("set \"a\r\n");
    assert_answer("-ERR Protocol error: unbalanced quotes in request\r\n", true);
    START("set \"a\"b\r\n");
    assert_answer("-ERR Protocol error: unbalanced quotes in request\r\n", true);
}

/* One byte below the limit the parser waits, above it says so; a line that ends at the limit is read. */
static void assert_line_limit(const char *start, const char *error)
{
    size_t head = strlen(start);

    text_len = 0;
    add(start, head);
    fill('1', limits.inline_max - 1);
    assert_int_equal(needed(), text_len + 1);
    fill('1', 2);
    assert_answer(error, true);
    text_len -= 2;
    ADD("\r\n");
    if (head > 0)
        assert_true(parse().fatal); /* it is still no number */
    else
        assert_false(parse().fatal);
}

static void test_line_limits(void **state)
{
    (void)state;
    assert_line_limit("*", "-ERR Protocol error: too big mbulk count string\r\n");
    assert_line_limit("*1\r\n$", "-ERR Protocol error: too big bulk count string\r\n");
    assert_line_limit("", "-ERR Protocol error: too big inline request\r\n");
}

static void test_size_limit(void **state)
{
    (void)state;
    START("*100\r\n");
    for (int i = 0; i < 9; i++) {
        ADD("$20000\r\n");
        fill('x', 20000);
        ADD("\r\n");
    }
    assert_int_equal(needed(), text_len + 1);
    ADD("$20000\r\n");
    assert_answer("", true);
}

static void test_command_errors(void **state)
{
    (void)state;
    START("*3\r\n$3\r\nFOO\r\n$5\r\na\r\nbc\r\n$1\r\nd\r\n");
    assert_answer("-ERR unknown command 'FOO', with args beginning with: 'a  bc' 'd' \r\n", false);
    START("*2\r\n$6\r\nfo\0oba\r\n$3\r\na\0b\r\n");
    assert_answer("-ERR unknown command 'fo', with args beginning with: 'a' \r\n", false);
    START("*1\r\n$0\r\n\r\n");
    assert_answer("-ERR unknown command '', with args beginning with: \r\n", false);
    START("*2\r\n$9\r\nclient|id\r\n$1\r\nx\r\n");
    assert_answer("-ERR unknown command 'client|id', with args beginning with: 'x' \r\n", false);
    START("*1\r\n$3\r\nGeT\r\n");
    assert_answer("-ERR wrong number of arguments for 'get' command\r\n", false);
    START("*3\r\n$3\r\nget\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_answer("-ERR wrong number of arguments for 'get' command\r\n", false);
    START("mget\r\n");
    assert_answer("-ERR wrong number of arguments for 'mget' command\r\n", false);
    START("POST / HTTP/1.1\r\n");
    assert_answer("", true);
    START("*1\r\n$5\r\nhost:\r\n");
    assert_answer("", true);
}

/* The list of arguments stops growing at 128 bytes, as Redis's does. */
static void test_long_unknown_command(void **state)
{
    char want[512];
    int n;

    (void)state;
    START("*4\r\n$130\r\n");
    fill('c', 130);
    ADD("\r\n$100\r\n");
    fill('x', 100);
    ADD("\r\n$100\r\n");
    fill('y', 100);
    ADD("\r\n$1\r\nz\r\n");
    n = sprintf(want, "-ERR unknown command '");
    memset(want + n, 'c', 128);
    n += 128;
    n += sprintf(want + n, "', with args beginning with: '");
    memset(want + n, 'x', 100);
    n += 100;
    n += sprintf(want + n, "' '");
    memset(want + n, 'y', 25);
    n += 25;
    sprintf(want + n, "' \r\n");
    assert_answer(want, false);
}

/* ---- cuts ---- */

static void assert_cuts_agree(const struct proto_limits *l)
{
    struct resp_stream whole, cut;

    stream_init(&whole, l);
    stream_feed(&whole, text, text_len);
    for (size_t at = 0; at <= text_len; at++) {
        stream_init(&cut, l);
        stream_feed(&cut, text, at);
        stream_feed(&cut, text + at, text_len - at);
        assert_true(stream_equal(&whole, &cut));
        stream_fini(&cut);
    }
    stream_init(&cut, l);
    for (size_t at = 0; at < text_len; at++)
        stream_feed(&cut, text + at, 1);
    assert_true(stream_equal(&whole, &cut));
    stream_fini(&cut);
    stream_fini(&whole);
}

static void test_cuts(void **state)
{
    static const char *const ends[] = {"*x\r\n",
                                       "*1\r\n!\r\n",
                                       "*2\r\n$1\r\na\r\n$-7\r\n",
                                       "get 'x\r\n",
                                       "*1\r\n$99999999999\r\n",
                                       "post\r\nget a\r\n"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
        START("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        ADD("\r\n*0\r\nset 'quoted \\' key' \"\\x00\\n\"\r\nnope a b\n*1\r\n$4\r\nPING\r\n");
        ADD("*12\r\n$4\r\nMGET\r\n");
        for (int k = 0; k < 11; k++)
            ADD("$2\r\nab\r\n");
        ADD("*2\r\n$6\r\nSTRLEN\r\n$12\r\nkey:00000001\r\n*1\r\n$3\r\nGET\r\n");
        add(ends[i], strlen(ends[i]));
        assert_cuts_agree(&limits);
    }
}

static void test_cuts_at_limits(void **state)
{
    struct proto_limits small = limits;

    (void)state;
    small.inline_max = 20;
    START("*1111111111111111111111111111\r\n");
    assert_cuts_agree(&small);
    START("*1\r\n$11111111111111111111111111111\r\n");
    assert_cuts_agree(&small);
    START("ping\r\nget aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    assert_cuts_agree(&small);
    START("get aaaaaaaaaaaaaaaa\nget aaaaaaaaaaaaaaaaa\n");
    assert_cuts_agree(&small);
}

/* A request that arrives byte by byte is walked once, not once for each byte: with n arguments there are
 * about n steps, so ten times as many take about ten times as long.. */
static void test_scan_is_resumed(void **state)
{
    struct resp_scan scan = {0};
    struct arg_pool pool = {args, 0, 128};
    struct request r;
    size_t used, need, last = 0;

    (void)state;
    START("*100\r\n$3\r\nDEL\r\n");
    for (int i = 0; i < 99; i++)
        ADD("$3\r\nkey\r\n");
    for (size_t n = 1; n < text_len; n++) {
        assert_int_equal(resp_parse(text, n, &limits, &scan, &pool, &r, &used, &need), MORE);
        assert_true(scan.off >= last);
        last = scan.off;
        /* Never more than the argument that is under way is looked at again. */
        assert_true(n - scan.off < 10);
    }
    assert_int_equal(resp_parse(text, text_len, &limits, &scan, &pool, &r, &used, &need), OK);
    assert_int_equal(r.argc, 100);
    assert_int_equal(scan.off, 0);
}

/* ---- the table ---- */

static void test_rows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COMMANDS; i++) {
        const struct command *cmd = &commands[i];
        int least = cmd->arity < 0 ? -cmd->arity : cmd->arity;

        if (cmd->proto != PROTO_RESP)
            continue;
        assert_ptr_equal(command_find(PROTO_RESP, cmd->name), cmd);
        assert_true(least >= 1);
        /* The parser takes the key without a look at argc. */
        assert_true(cmd->first_key < least);
        assert_true(cmd->first_key == 0 || cmd->key_step > 0);
        assert_int_equal((cmd->flags & CMD_SUB) != 0,
                         memchr(cmd->name.p, '|', cmd->name.len) != NULL);
        assert_true(cmd->summary[0] && cmd->reply[0] && cmd->group[0]);
    }
}

/* ---- integers ---- */

static void test_integer(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"00", false, 0},
        {"01", false, 0},
        {"-01", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 42;

        assert_int_equal(resp_integer(slice_str(cases[i].text), &v), cases[i].ok);
        assert_true(v == (cases[i].ok ? cases[i].value : 42));
    }
}

/* ---- writers ---- */

static void test_writers(void **state)
{
    (void)state;
    resp_ok(&out);
    resp_simple(&out, SLICE_LIT("PONG"));
    assert_out("+OK\r\n+PONG\r\n");
    resp_int(&out, 0);
    resp_int(&out, 9);
    resp_int(&out, 10);
    resp_int(&out, INT64_MAX);
    resp_int(&out, -1);
    resp_int(&out, INT64_MIN);
    assert_out(":0\r\n:9\r\n:10\r\n:9223372036854775807\r\n:-1\r\n:-9223372036854775808\r\n");
    resp_bulk(&out, SLICE_LIT(""));
    resp_bulk(&out, SLICE_LIT("hello world"));
    assert_out("$0\r\n\r\n$11\r\nhello world\r\n");
    resp_error(&out, ERR_SYNTAX);
    resp_error_about(&out, ERR_HELLO_OPTION, SLICE_LIT("a\r\nb\0c"), slice_of(NULL, 0));
    assert_out("-ERR syntax error\r\n-ERR Syntax error in HELLO option 'a  b'\r\n");
    resp_error_about(&out, ERR_SUBCOMMAND, SLICE_LIT("x%y"), SLICE_LIT("CLIENT"));
    assert_out("-ERR unknown subcommand 'x%y'. Try CLIENT HELP.\r\n");
}

static void write_versioned(unsigned version)
{
    resp_null(&out, version);
    resp_null_array(&out, version);
    resp_array(&out, 12);
    resp_map(&out, version, 7);
    resp_set(&out, version, 3);
    resp_push(&out, version, 2);
    resp_bool(&out, version, true);
    resp_bool(&out, version, false);
    resp_double(&out, version, 0.1);
    resp_double(&out, version, -INFINITY);
    resp_double(&out, version, 1e300);
    resp_verbatim(&out, version, "txt", SLICE_LIT("hi"));
}

static void test_versions(void **state)
{
    (void)state;
    write_versioned(2);
    assert_out("$-1\r\n*-1\r\n*12\r\n*14\r\n*3\r\n*2\r\n:1\r\n:0\r\n$3\r\n0.1\r\n$4\r\n-inf\r\n"
               "$6\r\n1e+300\r\n$2\r\nhi\r\n");
    write_versioned(3);
    assert_out("_\r\n_\r\n*12\r\n%7\r\n~3\r\n>2\r\n#t\r\n#f\r\n,0.1\r\n,-inf\r\n,1e+300\r\n"
               "=6\r\ntxt:hi\r\n");
}

static int set_up(void **state)
{
    (void)state;
    return out_init(&out, discard) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    out_fini(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array),
        cmocka_unit_test(test_sloppy_ends),
        cmocka_unit_test(test_names_that_are_nearly_known),
        cmocka_unit_test(test_empty_requests),
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_need),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_line_limits),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_command_errors),
        cmocka_unit_test(test_long_unknown_command),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_cuts_at_limits),
        cmocka_unit_test(test_scan_is_resumed),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_writers),
        cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
