/* SPDX-License-Identifier: BSD-3-Clause */
/* metrics.c - summing what the workers counted, beside what the store and the process know. */
#include "server/metrics.h"

#include "server/server.h"

const struct metric_row metric_rows[METRICS] = {
#define KIND_COUNTER true
#define KIND_GAUGE false
#define METRIC(id_, kind, scope, unit_, stat_, section_, field_, prose_)                           \
    [METRIC_##id_] = {.id = #id_,                                                                  \
                      .stat = (stat_),                                                             \
                      .section = (section_),                                                       \
                      .field = (field_),                                                           \
                      .unit = (unit_),                                                             \
                      .prose = (prose_),                                                           \
                      .is_counter = KIND_##kind},
#include "tables/metrics.h"
#undef METRIC
};

static void sum_workers(const struct server *s, uint64_t values[METRICS])
{
    for (unsigned w = 0; w < s->nworkers; w++) {
        const struct counters *c = &s->workers[w].counters;

#define SUM_WORKER(id) values[METRIC_##id] += RELAXED_LOAD(&c->id);
#define SUM_STORE(id)
#define SUM_SERVER(id)
#define METRIC(id, kind, scope, unit, stat, section, field, prose) SUM_##scope(id)
#include "tables/metrics.h"
#undef METRIC
    }
}

static void add_store(const struct server *s, uint64_t values[METRICS])
{
    struct store_stats st;

    store_stats(s->store, &st);
    values[METRIC_limit_maxbytes] = st.limit_bytes;
    values[METRIC_bytes] = st.item_bytes;
    values[METRIC_index_bytes] = st.index_bytes;
    values[METRIC_policy_bytes] = st.policy_bytes;
    values[METRIC_budget_bytes] = st.budget_bytes;
    values[METRIC_curr_items] = st.items;
    values[METRIC_total_items] = st.items_total;
    values[METRIC_evictions] = st.evicted;
    values[METRIC_evicted_unfetched] = st.evicted_unfetched;
    values[METRIC_evicted_age_ms] = (uint64_t)st.evicted_age_ms;
    values[METRIC_expired] = st.expired;
    values[METRIC_expired_unfetched] = st.expired_unfetched;
}

static void collect_raw(struct server *s, uint64_t values[METRICS])
{
    for (unsigned i = 0; i < METRICS; i++)
        values[i] = 0;
    sum_workers(s, values);
    add_store(s, values);
    values[METRIC_cmd_get] = values[METRIC_get_hits] + values[METRIC_get_misses];
    values[METRIC_curr_connections] = server_connections(s);
    values[METRIC_max_connections] = (uint64_t)RELAXED_LOAD(&s->config->maxclients);
    values[METRIC_rejected_connections] = RELAXED_LOAD(&s->rejected_connections);
    values[METRIC_listen_disabled_num] = RELAXED_LOAD(&s->listen_disabled_num);
    values[METRIC_threads] = s->nworkers;
    values[METRIC_resident_bytes] = RELAXED_LOAD(&s->resident_bytes);
}

void metrics_collect(struct server *s, uint64_t values[METRICS])
{
    collect_raw(s, values);
    lock_acquire(&s->reset_lock);
    for (unsigned i = 0; i < METRICS; i++)
        if (metric_rows[i].is_counter)
            /* A reset between collecting and here may have seen more than we did. */
            values[i] -= values[i] < s->reset_base[i] ? values[i] : s->reset_base[i];
    lock_release(&s->reset_lock);
}

void metrics_reset(struct server *s)
{
    uint64_t values[METRICS];

    collect_raw(s, values);
    lock_acquire(&s->reset_lock);
    for (unsigned i = 0; i < METRICS; i++)
        s->reset_base[i] = values[i];
    lock_release(&s->reset_lock);
}
