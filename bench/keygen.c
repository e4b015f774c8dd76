/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keygen.c - the skewed distributions.
 *
 * Zipf is drawn by rejection-inversion (W. Hörmann, G. Derflinger, "Rejection-inversion to generate
 * variates from monotone discrete distributions", 1996). Rank k = 1..n has weight k^-s. The area
 * under the curve x^-s from k-1/2 to k+1/2 covers the weight of k, since the curve is convex: a
 * point drawn evenly under the curve, rounded to the nearest rank, is accepted when it falls into
 * the part of that area which the weight takes. `sure` is a distance below the rank within which it
 * always does, and saves most draws the second evaluation.
 */
#include "bench/keygen.h"

#include "lib/check.h"

#include <math.h>

#define DEFAULT_EXPONENT 0.99
#define DEFAULT_SPREAD_SHARE 6.0

/* The integral of x^-s, up to a constant. */
static double zipf_area(const struct keygen *g, double x)
{
    double one_minus_s = 1 - g->options.exponent;

    if (fabs(one_minus_s) < 1e-9)
        return log(x);
    return expm1(one_minus_s * log(x)) / one_minus_s;
}

static double zipf_area_inverse(const struct keygen *g, double area)
{
    double one_minus_s = 1 - g->options.exponent;

    if (fabs(one_minus_s) < 1e-9)
        return exp(area);
    return exp(log1p(fmax(area * one_minus_s, -1)) / one_minus_s);
}

static double zipf_weight(const struct keygen *g, double rank)
{
    return exp(-g->options.exponent * log(rank));
}

static uint64_t zipf_next(struct keygen *g)
{
    double last = (double)g->options.keys;

    for (;;) {
        double area = g->area_high + random_unit(&g->random) * (g->area_low - g->area_high);
        double x = zipf_area_inverse(g, area);
        double rank = fmin(fmax(floor(x + 0.5), 1), last);

        if (rank - x <= g->sure || area >= zipf_area(g, rank + 0.5) - zipf_weight(g, rank))
            return (uint64_t)rank - 1;
    }
}

/* A standard normal value, by Box and Muller's transform. */
static double normal_next(struct keygen *g)
{
    double radius, angle;

    if (g->has_spare) {
        g->has_spare = false;
        return g->spare;
    }
    radius = sqrt(-2 * log(1 - random_unit(&g->random)));
    angle = 2 * M_PI * random_unit(&g->random);
    g->spare = radius * sin(angle);
    g->has_spare = true;
    return radius * cos(angle);
}

/* What falls outside the range is drawn again. */
static uint64_t gaussian_next(struct keygen *g)
{
    double keys = (double)g->options.keys;

    for (;;) {
        double x = floor(keys / 2 + normal_next(g) * g->options.spread);

        if (x >= 0 && x < keys)
            return (uint64_t)x;
    }
}

void keygen_init(struct keygen *g, const struct keygen_options *options, uint64_t seed)
{
    CHECK(options->keys > 0);
    *g = (struct keygen){.options = *options, .random.state = random_mix(seed)};
    if (g->options.spread <= 0)
        g->options.spread = (double)options->keys / DEFAULT_SPREAD_SHARE;
    if (g->options.exponent <= 0)
        g->options.exponent = DEFAULT_EXPONENT;
    /* The first rank's area begins where it equals the weight 1, so that it is always accepted. */
    g->area_low = zipf_area(g, 1.5) - 1;
    g->area_high = zipf_area(g, (double)options->keys + 0.5);
    g->sure = 2 - zipf_area_inverse(g, zipf_area(g, 2.5) - zipf_weight(g, 2));
}

uint64_t keygen_next_skewed(struct keygen *g)
{
    switch (g->options.kind) {
    case KEYGEN_UNIFORM: return random_below(&g->random, g->options.keys);
    case KEYGEN_GAUSSIAN: return gaussian_next(g);
    case KEYGEN_ZIPF: return zipf_next(g);
    }
    UNREACHABLE();
}
