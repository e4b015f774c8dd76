/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * metrics.h - counters. Each worker counts in its own struct, with plain adds; whoever reports sums
 * over the workers with relaxed loads. All rows are in tables/metrics.h.
 */
#pragma once
#include "lib/compiler.h"

#include <stdbool.h>
#include <stdint.h>

#define COUNT_SCOPE_WORKER(id) uint64_t id;
#define COUNT_SCOPE_STORE(id)
#define COUNT_SCOPE_SERVER(id)
struct counters {
#define METRIC(id, kind, scope, unit, stat, section, field, prose) COUNT_SCOPE_##scope(id)
#include "tables/metrics.h"
#undef METRIC
};
#undef COUNT_SCOPE_WORKER
#undef COUNT_SCOPE_STORE
#undef COUNT_SCOPE_SERVER

/* Add to one of this thread's own counters; readers elsewhere see whole values. */
#define COUNT_ADD(counter, n) RELAXED_STORE(&(counter), (counter) + (n))
#define COUNT(counter) COUNT_ADD(counter, 1)

enum metric_id {
#define METRIC(id, kind, scope, unit, stat, section, field, prose) METRIC_##id,
#include "tables/metrics.h"
#undef METRIC
    METRICS
};

struct metric_row {
    const char *id;
    const char *stat;
    const char *section, *field;
    const char *unit, *prose;
    bool is_counter;
};
extern const struct metric_row metric_rows[METRICS];

struct server;
/* The value of every metric now. Any thread. */
void metrics_collect(struct server *s, uint64_t values[METRICS]);
/* `stats reset`, CONFIG RESETSTAT: counters start again from zero (gauges stay). Any thread. */
void metrics_reset(struct server *s);
