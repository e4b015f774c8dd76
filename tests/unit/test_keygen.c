/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_keygen.c - what is drawn has the distribution that was asked for. The chi-square statistic
 * of n cells has mean n-1 and variance 2(n-1); the bound is five standard deviations, and the seeds
 * are fixed, so that a test which passes once always passes.
 */
#include "bench/keygen.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRAWS 2000000
#define KEYS 1000

static uint64_t counts[KEYS];

static void draw(struct keygen_options options)
{
    struct keygen g;

    memset(counts, 0, sizeof(counts));
    keygen_init(&g, &options, 7);
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t key = keygen_next(&g);

        assert_true(key < options.keys);
        counts[key]++;
    }
}

/* How far counts lie from the expected shares, in standard deviations of chi-square. */
static double deviation(const double *shares, unsigned cells)
{
    double chi2 = 0;

    for (unsigned i = 0; i < cells; i++) {
        double expected = shares[i] * DRAWS, off = (double)counts[i] - expected;

        chi2 += off * off / expected;
    }
    return (chi2 - (cells - 1)) / sqrt(2.0 * (cells - 1));
}

static void zipf_shares(double exponent, unsigned keys, double *shares)
{
    double sum = 0;

    for (unsigned i = 0; i < keys; i++)
        sum += shares[i] = pow(i + 1, -exponent);
    for (unsigned i = 0; i < keys; i++)
        shares[i] /= sum;
}

static void test_uniform(void **state)
{
    double shares[KEYS];

    (void)state;
    for (unsigned i = 0; i < KEYS; i++)
        shares[i] = 1.0 / KEYS;
    draw((struct keygen_options){.kind = KEYGEN_UNIFORM, .keys = KEYS});
    assert_true(fabs(deviation(shares, KEYS)) < 5);
}

/* Below, at and above the exponent 1, where the formulas change. */
static void test_zipf(void **state)
{
    const double exponents[] = {0.5, 0.99, 1, 1.0000001, 1.2, 2};
    double shares[KEYS];

    (void)state;
    for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
        zipf_shares(exponents[i], KEYS, shares);
        draw((struct keygen_options){.kind = KEYGEN_ZIPF, .keys = KEYS, .exponent = exponents[i]});
        assert_true(fabs(deviation(shares, KEYS)) < 5);
    }
}

/* The test above is able to fail: 0.99 is not 1. */
static void test_zipf_is_told_from_its_neighbour(void **state)
{
    double shares[KEYS];

    (void)state;
    zipf_shares(1, KEYS, shares);
    draw((struct keygen_options){.kind = KEYGEN_ZIPF, .keys = KEYS, .exponent = 0.99});
    assert_true(deviation(shares, KEYS) > 5);
}

static void test_zipf_default_and_tiny(void **state)
{
    double shares[KEYS];

    (void)state;
    zipf_shares(0.99, KEYS, shares);
    draw((struct keygen_options){.kind = KEYGEN_ZIPF, .keys = KEYS});
    assert_true(fabs(deviation(shares, KEYS)) < 5);
    for (unsigned keys = 1; keys <= 3; keys++) {
        zipf_shares(0.99, keys, shares);
        draw((struct keygen_options){.kind = KEYGEN_ZIPF, .keys = keys});
        if (keys > 1)
            assert_true(fabs(deviation(shares, keys)) < 5);
    }
}

/* Ten billion keys: the first one's share is known from the harmonic number ln n + 0.5772. */
static void test_zipf_is_the_same_for_many_keys(void **state)
{
    const struct keygen_options options = {
        .kind = KEYGEN_ZIPF, .keys = UINT64_C(10000000000), .exponent = 1};
    double share = 1 / (log((double)options.keys) + 0.5772), first = 0;
    struct keygen g;

    (void)state;
    keygen_init(&g, &options, 7);
    for (unsigned i = 0; i < DRAWS; i++)
        first += keygen_next(&g) == 0;
    assert_true(fabs(first / DRAWS - share) < 5 * sqrt(share / DRAWS));
}

/* The share of a key is the area under the bell over it, within the range. */
static void test_gaussian(void **state)
{
    const double spreads[] = {0, 60, 2000}; /* 0: a sixth of the keys */
    double shares[KEYS];

    (void)state;
    for (size_t i = 0; i < sizeof(spreads) / sizeof(spreads[0]); i++) {
        double spread = spreads[i] > 0 ? spreads[i] : KEYS / 6.0, sum = 0;
        unsigned cells = 0;

        draw((struct keygen_options){.kind = KEYGEN_GAUSSIAN, .keys = KEYS, .spread = spreads[i]});
        for (unsigned k = 0; k < KEYS; k++) {
            shares[k] = erf((k + 1 - KEYS / 2.0) / (spread * M_SQRT2)) -
                        erf((k - KEYS / 2.0) / (spread * M_SQRT2));
            sum += shares[k];
        }
        /* Cells with few draws are no matter for chi-square. */
        for (unsigned k = 0; k < KEYS; k++) {
            if (shares[k] / sum * DRAWS < 20)
                continue;
            shares[cells] = shares[k] / sum;
            counts[cells++] = counts[k];
        }
        assert_true(cells > KEYS / 3);
        assert_true(fabs(deviation(shares, cells)) < 5);
    }
}

static void test_seed(void **state)
{
    const struct keygen_options options = {.kind = KEYGEN_ZIPF, .keys = 1000000};
    struct keygen a, b, c;
    unsigned same = 0;

    (void)state;
    keygen_init(&a, &options, 1);
    keygen_init(&b, &options, 1);
    keygen_init(&c, &options, 2);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t key = keygen_next(&a);

        assert_true(keygen_next(&b) == key);
        same += keygen_next(&c) == key;
    }
    assert_true(same < 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_zipf),
        cmocka_unit_test(test_zipf_is_told_from_its_neighbour),
        cmocka_unit_test(test_zipf_default_and_tiny),
        cmocka_unit_test(test_zipf_is_the_same_for_many_keys),
        cmocka_unit_test(test_gaussian),
        cmocka_unit_test(test_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
