/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mc_meta.c - flags of memcached's meta commands, and base64 keys. */
#include "proto/mc_meta.h"

#include "proto/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

static struct slice args[64];

/* Flags of a line `mg KEY FLAGS...`. */
static enum error_id flags_of(const char *line, uint64_t allowed, struct mc_meta *m)
{
    static const struct proto_limits limits = {.mc_item_max = 100};
    struct arg_pool pool = {.args = args, .room = ARRAY_LEN(args)};
    static char text[2048];
    struct request r;
    size_t used, need;
    int n = snprintf(text, sizeof(text), "mg %s\r\n", line);

    assert_int_equal(mc_parse(text, (size_t)n, &limits, &pool, &r, &used, &need), OK);
    assert_non_null(r.cmd);
    return mc_meta_parse(&r, 2, allowed, m);
}

static void assert_slice(struct slice s, const char *want)
{
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.p, want, s.len);
}

static void reads_flags_and_tokens(void **state)
{
    struct mc_meta m;

    (void)state;
    assert_int_equal(flags_of("key", 0, &m), ERR_NONE);
    assert_int_equal(m.flags, 0);
    assert_int_equal(m.delta, 1);
    assert_slice(m.key, "key");
    assert_int_equal(flags_of("key v T30 N-1 R5 F7 C8 E9 D10 J11 MA Oopaque q", 0, &m), ERR_NONE);
    assert_true(mc_meta_has(&m, 'v') && mc_meta_has(&m, 'T') && mc_meta_has(&m, 'q'));
    assert_false(mc_meta_has(&m, 'V') || mc_meta_has(&m, 't') || mc_meta_has(&m, 'k'));
    assert_int_equal(m.ttl, 30);
    assert_int_equal(m.vivify, -1);
    assert_int_equal(m.recache, 5);
    assert_int_equal(m.client_flags, 7);
    assert_int_equal(m.cas, 8);
    assert_int_equal(m.new_cas, 9);
    assert_int_equal(m.delta, 10);
    assert_int_equal(m.initial, 11);
    assert_int_equal(m.mode, 'A');
    assert_slice(m.opaque, "Oopaque");
}

static void letters_do_not_meet(void **state)
{
    uint64_t seen = 0;

    (void)state;
    for (int c = 'A'; c <= 'z'; c++) {
        if (c > 'Z' && c < 'a')
            continue;
        assert_int_equal(seen & MC_FLAG(c), 0);
        seen |= MC_FLAG(c);
    }
}

static void names_what_is_wrong(void **state)
{
    static const struct {
        const char *line;
        enum error_id error;
    } cases[] = {
        {"k v v", ERR_META_DUPLICATE},    {"k T1 T2", ERR_META_DUPLICATE},
        {"k \xc3", ERR_META_DUPLICATE},   {"k y", ERR_META_FLAG},
        {"k !", ERR_META_FLAG},           {"k S100", ERR_META_FLAG},
        {"k W", ERR_META_FLAG},           {"k x", ERR_META_FLAG},
        {"k T", ERR_META_TOKEN},          {"k Tx", ERR_META_TOKEN},
        {"k N", ERR_META_TOKEN},          {"k R1.5", ERR_META_TOKEN},
        {"k C-1", ERR_META_TOKEN},        {"k E", ERR_META_TOKEN},
        {"k Fx", ERR_BAD_FORMAT},         {"k Dx", ERR_META_DELTA},
        {"k Jx", ERR_META_INITIAL},       {"k M", ERR_META_MODE_LENGTH},
        {"k MAA", ERR_META_MODE_LENGTH},  {"k b", ERR_META_KEY},
        {"%%% b", ERR_META_KEY},          {"k Tx Jx", ERR_META_INITIAL},
        {"k Tx v v", ERR_META_DUPLICATE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mc_meta m;

        assert_int_equal(flags_of(cases[i].line, 0, &m), cases[i].error);
    }
}

static void some_flags_are_of_some_commands(void **state)
{
    struct mc_meta m;

    (void)state;
    assert_int_equal(flags_of("k x", MC_FLAG('x'), &m), ERR_NONE);
    assert_true(mc_meta_has(&m, 'x'));
}

static void decodes_keys(void **state)
{
    struct mc_meta m;
    char key[MC_KEY_MAX + 1];

    (void)state;
    assert_int_equal(flags_of("Zm9v b", 0, &m), ERR_NONE);
    assert_slice(m.key, "foo");
    assert_int_equal(flags_of("Zm8= v b", 0, &m), ERR_NONE);
    assert_slice(m.key, "fo");
    /* the longest */
    memset(key, 'A', 248);
    key[248] = '\0';
    snprintf(key + 248, sizeof(key) - 248, " b");
    assert_int_equal(flags_of(key, 0, &m), ERR_NONE);
    assert_int_equal(m.key.len, 186);
}

static void base64_there_and_back(void **state)
{
    char bytes[100], text[136], back[136];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 151 + 3);
    for (size_t n = 1; n <= sizeof(bytes); n++) {
        size_t len = mc_base64_encode(bytes, n, text);

        assert_int_equal(len, (n + 2) / 3 * 4);
        assert_int_equal(mc_base64_decode(text, len, back), n);
        assert_memory_equal(back, bytes, n);
    }
    assert_int_equal(mc_base64_encode("\xff\xfe\xfd", 3, text), 4);
    assert_memory_equal(text, "//79", 4);
}

static void base64_refuses(void **state)
{
    static const char *const bad[] = {"", "Z", "Zm9", "Zm9vZ", "====", "Z===", "%%%", "-_-_"};
    char out[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(mc_base64_decode(bad[i], strlen(bad[i]), out), 0);
    /* other characters are passed over */
    assert_int_equal(mc_base64_decode("Z-m9_v", 6, out), 3);
    assert_memory_equal(out, "foo", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_flags_and_tokens), cmocka_unit_test(letters_do_not_meet),
        cmocka_unit_test(names_what_is_wrong),    cmocka_unit_test(some_flags_are_of_some_commands),
        cmocka_unit_test(decodes_keys),           cmocka_unit_test(base64_there_and_back),
        cmocka_unit_test(base64_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
