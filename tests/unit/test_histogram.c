/* SPDX-License-Identifier: BSD-3-Clause */
/* test_histogram.c - the buckets tile the 64-bit range, and quantiles keep the promised error. */
#include "bench/histogram.h"
#include "bench/keygen.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define VALUES 20000

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Each bucket begins where the one before it ends, from 0 to the greatest value there is. */
static void test_buckets_tile(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket(0), 0);
    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        uint64_t top = histogram_bucket_top(i);

        assert_int_equal(histogram_bucket(top), i);
        assert_int_equal(histogram_bucket(top + 1), i + 1);
    }
    assert_true(histogram_bucket_top(HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 2 * HISTOGRAM_SUB; v++)
        assert_true(histogram_bucket_top(histogram_bucket(v)) == v);
}

static void test_empty(void **state)
{
    struct histogram h;

    (void)state;
    histogram_init(&h);
    assert_true(histogram_value_at(&h, 0.5) == 0);
    assert_true(histogram_value_at(&h, 1) == 0);
    assert_true(histogram_mean(&h) == 0);
}

static void test_one_value(void **state)
{
    const double shares[] = {0, 0.5, 0.999, 1};
    struct histogram h;

    (void)state;
    histogram_init(&h);
    histogram_record(&h, 123456789);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        assert_true(histogram_value_at(&h, shares[i]) == 123456789);
    assert_true(h.min == 123456789 && h.max == 123456789);
}

/* Against the sorted values themselves: never below the true quantile, at most 1 % above it. The
 * values spread over twelve decades. */
static void test_quantile_error(void **state)
{
    static uint64_t values[VALUES];
    struct random random = {.state = 42};
    struct histogram h;
    double sum = 0;

    (void)state;
    histogram_init(&h);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = (uint64_t)pow(10, 12 * random_unit(&random));
        sum += (double)values[i];
        histogram_record(&h, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    for (size_t rank = 1; rank <= VALUES; rank++) {
        double truth = (double)values[rank - 1];
        /* Half a rank less than rank / VALUES: rounding of the product must not choose the rank. */
        double got = (double)histogram_value_at(&h, ((double)rank - 0.5) / VALUES);

        assert_true(got >= truth);
        assert_true(got <= truth * 1.01);
    }
    assert_true(fabs(histogram_mean(&h) - sum / VALUES) <= 1e-9 * sum / VALUES);
    assert_true(h.count == VALUES && h.min == values[0] && h.max == values[VALUES - 1]);
}

static void test_merge(void **state)
{
    struct histogram whole, even, odd;

    (void)state;
    histogram_init(&whole);
    histogram_init(&even);
    histogram_init(&odd);
    for (uint64_t v = 0; v < 5000; v++) {
        histogram_record(&whole, v * v);
        histogram_record(v % 2 ? &odd : &even, v * v);
    }
    histogram_merge(&even, &odd);
    assert_memory_equal(&even, &whole, sizeof(whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_tile),   cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_empty),          cmocka_unit_test(test_one_value),
        cmocka_unit_test(test_quantile_error), cmocka_unit_test(test_merge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
