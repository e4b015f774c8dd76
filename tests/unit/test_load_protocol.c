/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_load_protocol.c - the load generator's checker: right replies pass however they are cut, and
 * no wrong byte gets through.
 */
#include "bench/load_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY 42

static const char *const names[] = {"text", "meta", "resp"};

#define PROTOCOLS (sizeof(names) / sizeof(names[0]))

static struct load_data data = {
    .prefix = SLICE_LIT("key:"),
    .key_min = 12,
    .key_max = 12,
    .sizes = {.count = 1, .weights = 1, .of = {{.bytes = 5, .weight = 1}}},
};

static int setup(void **state)
{
    (void)state;
    return load_data_init(&data) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    load_data_fini(&data);
    return 0;
}

/* printf into a buffer that the next call overwrites; %V stands for the value of KEY. */
static const char *with_value(const char *text)
{
    static char out[1024];
    const char *mark = strstr(text, "%V");
    struct slice value = load_data_value(&data, KEY);

    if (!mark)
        return strcpy(out, text);
    memcpy(out, text, (size_t)(mark - text));
    memcpy(out + (mark - text), value.p, value.len);
    strcpy(out + (mark - text) + value.len, mark + 2);
    return out;
}

static void expect_request(const char *protocol, bool is_set, unsigned ttl_s, const char *expected)
{
    const struct load_protocol *p = load_protocol_find(protocol);
    char got[1024];
    char *end = is_set ? p->put_set(&data, got, KEY, ttl_s) : p->put_get(&data, got, KEY);

    *end = 0;
    assert_string_equal(got, with_value(expected));
}

static void test_requests(void **state)
{
    (void)state;
    expect_request("text", false, 0, "get key:00000042\r\n");
    expect_request("text", true, 0, "set key:00000042 0 0 5\r\n%V\r\n");
    expect_request("text", true, 60, "set key:00000042 0 60 5\r\n%V\r\n");
    expect_request("meta", false, 0, "mg key:00000042 v\r\n");
    expect_request("meta", true, 0, "ms key:00000042 5\r\n%V\r\n");
    expect_request("meta", true, 60, "ms key:00000042 5 T60\r\n%V\r\n");
    expect_request("resp", false, 0, "*2\r\n$3\r\nGET\r\n$12\r\nkey:00000042\r\n");
    expect_request("resp", true, 0, "*3\r\n$3\r\nSET\r\n$12\r\nkey:00000042\r\n$5\r\n%V\r\n");
    expect_request(
        "resp", true, 60,
        "*5\r\n$3\r\nSET\r\n$12\r\nkey:00000042\r\n$5\r\n%V\r\n$2\r\nEX\r\n$2\r\n60\r\n");
}

static const struct {
    const char *protocol;
    bool is_set;
    const char *reply;
    enum load_result result;
} replies[] = {
    {"text", false, "VALUE key:00000042 0 5\r\n%V\r\nEND\r\n", LOAD_HIT},
    {"text", false, "END\r\n", LOAD_MISS},
    {"text", true, "STORED\r\n", LOAD_STORED},
    {"meta", false, "VA 5\r\n%V\r\n", LOAD_HIT},
    {"meta", false, "EN\r\n", LOAD_MISS},
    {"meta", true, "HD\r\n", LOAD_STORED},
    {"resp", false, "$5\r\n%V\r\n", LOAD_HIT},
    {"resp", false, "$-1\r\n", LOAD_MISS},
    {"resp", true, "+OK\r\n", LOAD_STORED},
};

#define REPLIES (sizeof(replies) / sizeof(replies[0]))

/* Feed text in pieces that end at the given places, and once more, so that what one reply leaves
 * behind would be seen by the next. Returns the result of the second, or the first bad one. */
static enum load_result feed(size_t which, const char *text, size_t cut1, size_t cut2)
{
    const struct load_protocol *protocol = load_protocol_find(replies[which].protocol);
    struct load_request request = {.key = KEY, .is_set = replies[which].is_set};
    size_t ends[] = {cut1, cut2, strlen(text)};
    struct load_reply r = {0};
    enum load_result result = LOAD_MORE;

    for (unsigned round = 0; round < 2; round++) {
        const char *p = text;

        for (unsigned i = 0; i < 3; i++) {
            result = load_reply_check(&r, protocol, &data, request, &p, text + ends[i]);
            if (result != LOAD_MORE)
                break;
            assert_ptr_equal(p, text + ends[i]);
        }
        if (result == LOAD_WRONG || result == LOAD_MORE)
            return result;
        assert_ptr_equal(p, text + ends[2]);
    }
    return result;
}

static void test_replies_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        const char *text = with_value(replies[i].reply);
        size_t len = strlen(text);

        for (size_t a = 0; a <= len; a++)
            for (size_t b = a; b <= len; b++)
                assert_int_equal(feed(i, text, a, b), replies[i].result);
    }
}

/* No byte can be another: the reply becomes wrong, or stays incomplete (its line end went away). */
static void test_any_other_byte_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        char text[1024];
        size_t len;

        strcpy(text, with_value(replies[i].reply));
        len = strlen(text);
        for (size_t at = 0; at < len; at++) {
            for (size_t cut = 0; cut <= len; cut++) {
                enum load_result result;

                text[at] ^= 1;
                result = feed(i, text, cut, cut);
                text[at] ^= 1;
                assert_true(result == LOAD_WRONG || result == LOAD_MORE);
            }
        }
    }
}

static void test_errors_are_wrong(void **state)
{
    const char *errors[] = {"ERROR\r\n", "SERVER_ERROR out of memory storing object\r\n",
                            "-ERR unknown\r\n", "NOT_STORED\r\n", "\r\n"};

    (void)state;
    for (size_t i = 0; i < REPLIES; i++)
        for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++)
            assert_int_equal(feed(i, errors[e], 1, 2), LOAD_WRONG);
}

/* A line without end is given up, not gathered for ever. */
static void test_endless_line(void **state)
{
    char text[2 * LOAD_LINE_MAX + 1];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    for (size_t i = 0; i < REPLIES; i++)
        assert_int_equal(feed(i, text, 10, LOAD_LINE_MAX), LOAD_WRONG);
}

static void test_skip_goes_by_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        const struct load_protocol *protocol = load_protocol_find(replies[i].protocol);
        struct load_request request = {.key = KEY, .is_set = replies[i].is_set};
        size_t len = strlen(with_value(replies[i].reply));
        char text[1024];

        if (replies[i].result == LOAD_MISS)
            continue;
        memset(text, 'x', sizeof(text));
        for (size_t cut = 0; cut < len; cut++) {
            struct load_reply r = {0};
            const char *p = text;

            assert_int_equal(load_reply_skip(&r, protocol, &data, request, &p, text + cut),
                             LOAD_MORE);
            assert_int_equal(load_reply_skip(&r, protocol, &data, request, &p, text + len + 3),
                             replies[i].result);
            assert_ptr_equal(p, text + len);
        }
    }
}

static void test_unknown_protocol(void **state)
{
    (void)state;
    assert_null(load_protocol_find("gopher"));
    for (size_t i = 0; i < PROTOCOLS; i++)
        assert_non_null(load_protocol_find(names[i]));
}

/* Lengths of keys and sizes of values come in the shares that were asked for; keys are distinct. */
static void test_data_spreads(void **state)
{
    struct load_data mixed = {
        .prefix = SLICE_LIT("k"),
        .key_min = 12,
        .key_max = 16,
        .sizes = {.count = 2,
                  .weights = 5,
                  .of = {{.bytes = 10, .weight = 4}, {.bytes = 2000, .weight = 1}}},
    };
    unsigned lengths[LOAD_KEY_MAX] = {0}, small = 0, total = 100000;

    (void)state;
    assert_true(load_data_init(&mixed));
    for (uint64_t key = 0; key < total; key++) {
        char text[LOAD_KEY_MAX + 1];
        char *end = load_data_put_key(&mixed, text, key);
        size_t len = load_data_key_bytes(&mixed, key);
        size_t bytes = load_data_value(&mixed, key).len;

        *end = 0;
        assert_int_equal(end - text, len);
        assert_int_equal(strtoull(text + 1, NULL, 10), key);
        assert_true(bytes == 10 || bytes == 2000);
        lengths[len]++;
        small += bytes == 10;
    }
    for (size_t len = 12; len <= 16; len++)
        assert_in_range(lengths[len], total / 5 - 1000, total / 5 + 1000);
    assert_in_range(small, total * 4 / 5 - 1000, total * 4 / 5 + 1000);
    load_data_fini(&mixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_replies_cut_anywhere),
        cmocka_unit_test(test_any_other_byte_is_noticed),
        cmocka_unit_test(test_errors_are_wrong),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_skip_goes_by_length),
        cmocka_unit_test(test_unknown_protocol),
        cmocka_unit_test(test_data_spreads),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
