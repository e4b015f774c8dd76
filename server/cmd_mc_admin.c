/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_mc_admin.c - memcached's commands about the server: stats, version, verbosity, flush_all, quit. */
#include "lib/clock.h"
#include "server/cmd_mc.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/server.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

/* The memcached whose protocol this is, and nothing else: libmemcached (and pylibmc, PHP on it) reads three
 * numbers with dots between; others split at the dots and refuse a last part that is not a number, or take
 * the rest of the line as the version. Ours is in `stats`, as millpond_version. */
#define MC_VERSION "1.6.45"

/* ---- stats ---- */

#define STAT(w, name, fmt, ...) out_printf(&(w)->out, "STAT " name " " fmt "\r\n", __VA_ARGS__)
#define STAT_U64(w, name, v) STAT(w, name, "%" PRIu64, (uint64_t)(v))
#define STAT_LIT(w, name, text) OUT_LIT(&(w)->out, "STAT " name " " text "\r\n")

static void stat_time(struct worker *w, const char *name, struct timeval t)
{
    out_printf(&w->out, "STAT %s %lld.%06ld\r\n", name, (long long)t.tv_sec, (long)t.tv_usec);
}

/* All metrics that have a name in stats, in the order of their rows. */
static void stat_metrics(struct worker *w, const uint64_t values[METRICS])
{
    for (unsigned i = 0; i < METRICS; i++)
        if (metric_rows[i].stat[0] != '\0')
            out_printf(&w->out, "STAT %s %" PRIu64 "\r\n", metric_rows[i].stat, values[i]);
}

static void stats_general(struct worker *w)
{
    uint64_t values[METRICS];
    struct rusage use = {.ru_maxrss = 0};

    metrics_collect(w->server, values);
    getrusage(RUSAGE_SELF, &use);
    STAT_U64(w, "pid", getpid());
    STAT_U64(w, "uptime", (w->now_ms - w->server->started_ms) / 1000);
    STAT_U64(w, "time", clock_to_wall_ms(w->now_ms) / 1000);
    STAT_LIT(w, "version", MC_VERSION);
    STAT_LIT(w, "millpond_version", MILLPOND_VERSION);
    STAT_U64(w, "pointer_size", sizeof(void *) * 8);
    stat_time(w, "rusage_user", use.ru_utime);
    stat_time(w, "rusage_system", use.ru_stime);
    stat_metrics(w, values);
    STAT_LIT(w, "accepting_conns", "1");
    STAT_LIT(w, "hash_is_expanding", "0");
}

static void stat_option(struct worker *w, const char *name, enum option_id id)
{
    char text[1024];
    struct slice value = slice_of(text, config_text(w->config, id, text, sizeof(text)));

    if (value.len == 0)
        value = SLICE_LIT("NULL");
    out_printf(&w->out, "STAT %s %.*s\r\n", name, (int)value.len, value.p);
}

static int verbosity_now(void)
{
    enum log_level level = log_level();

    return level > LOG_NOTICE ? (int)(level - LOG_NOTICE) : 0;
}

static void stats_settings(struct worker *w)
{
    const struct config *c = w->config;
    uint64_t values[METRICS];

    metrics_collect(w->server, values);
    STAT_U64(w, "maxbytes", values[METRIC_limit_maxbytes]);
    STAT_U64(w, "maxconns", c->maxclients);
    STAT_U64(w, "tcpport", w->server->memcached_port);
    STAT_LIT(w, "udpport", "0");
    STAT_U64(w, "respport", w->server->resp_port);
    stat_option(w, "inter", OPTION_bind);
    STAT_U64(w, "verbosity", verbosity_now());
    STAT_LIT(w, "oldest", "0");
    STAT(w, "evictions", "%s", store_policy(w->store)->evicts ? "on" : "off");
    STAT(w, "maxmemory_policy", "%s", store_policy(w->store)->name);
    stat_option(w, "domain_socket", OPTION_unixsocket);
    stat_option(w, "umask", OPTION_unixsocketperm);
    STAT_U64(w, "num_threads", w->server->nworkers);
    STAT_LIT(w, "stat_key_prefix", ":");
    STAT_LIT(w, "detail_enabled", "no");
    STAT_U64(w, "reqs_per_event", BATCH_REQUESTS);
    STAT_LIT(w, "cas_enabled", "yes");
    STAT_U64(w, "tcp_backlog", c->tcp_backlog);
    STAT_LIT(w, "binding_protocol", "auto-negotiate");
    STAT_LIT(w, "auth_enabled_sasl", "no");
    STAT_LIT(w, "auth_enabled_ascii", "no");
    STAT_U64(w, "item_size_max", c->item_size_max);
    STAT_LIT(w, "flush_enabled", "yes");
    STAT_LIT(w, "dump_enabled", "no");
    STAT_LIT(w, "hash_algorithm", "xxh3");
    STAT_U64(w, "idle_timeout", RELAXED_LOAD(&c->timeout));
}

/* There are no slab classes: what is asked for by class is answered as one class, 1. */
static void stats_items(struct worker *w)
{
    uint64_t values[METRICS];

    metrics_collect(w->server, values);
    if (values[METRIC_curr_items] == 0)
        return;
    STAT_U64(w, "items:1:number", values[METRIC_curr_items]);
    STAT_U64(w, "items:1:mem_requested", values[METRIC_bytes]);
    STAT_U64(w, "items:1:evicted", values[METRIC_evictions]);
    STAT_U64(w, "items:1:evicted_time", values[METRIC_evicted_age_ms] / 1000);
    STAT_U64(w, "items:1:outofmemory", values[METRIC_store_no_memory]);
    STAT_U64(w, "items:1:reclaimed", values[METRIC_expired]);
    STAT_U64(w, "items:1:expired_unfetched", values[METRIC_expired_unfetched]);
    STAT_U64(w, "items:1:evicted_unfetched", values[METRIC_evicted_unfetched]);
}

static void stats_slabs(struct worker *w)
{
    uint64_t values[METRICS];

    metrics_collect(w->server, values);
    if (values[METRIC_curr_items] > 0) {
        STAT_U64(w, "1:used_chunks", values[METRIC_curr_items]);
        STAT_U64(w, "1:get_hits", values[METRIC_get_hits]);
        STAT_U64(w, "1:cmd_set", values[METRIC_cmd_set]);
        STAT_U64(w, "1:delete_hits", values[METRIC_delete_hits]);
        STAT_U64(w, "1:incr_hits", values[METRIC_incr_hits]);
        STAT_U64(w, "1:decr_hits", values[METRIC_decr_hits]);
        STAT_U64(w, "1:cas_hits", values[METRIC_cas_hits]);
        STAT_U64(w, "1:cas_badval", values[METRIC_cas_badval]);
        STAT_U64(w, "1:touch_hits", values[METRIC_touch_hits]);
    }
    STAT_U64(w, "active_slabs", values[METRIC_curr_items] > 0);
    STAT_U64(w, "total_malloced",
             values[METRIC_bytes] + values[METRIC_index_bytes] + values[METRIC_policy_bytes]);
}

/* memcached's answer while nobody has turned its histogram on. */
static void stats_sizes(struct worker *w)
{
    STAT_LIT(w, "sizes_status", "disabled");
}

void cmd_mc_stats(struct worker *w, struct conn *c, struct request *r)
{
    static const struct {
        const char *name;
        void (*write)(struct worker *w);
    } groups[] = {
        {"settings", stats_settings},
        {"items", stats_items},
        {"slabs", stats_slabs},
        {"sizes", stats_sizes},
    };
    struct slice group = r->argc > 1 ? r->argv[1] : SLICE_LIT("");

    (void)c;
    if (r->argc == 1) {
        stats_general(w);
        OUT_LIT(&w->out, "END\r\n");
        return;
    }
    if (slice_equal(group, SLICE_LIT("reset"))) {
        metrics_reset(w->server);
        OUT_LIT(&w->out, "RESET\r\n");
        return;
    }
    if (slice_equal(group, SLICE_LIT("cachedump"))) {
        mc_error(w, r, ERR_DUMP_DISABLED);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (!slice_equal(group, slice_str(groups[i].name)))
            continue;
        groups[i].write(w);
        OUT_LIT(&w->out, "END\r\n");
        return;
    }
    mc_error(w, r, ERR_UNKNOWN);
}

/* ---- the others ---- */

void cmd_mc_version(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    (void)r;
    OUT_LIT(&w->out, "VERSION " MC_VERSION "\r\n");
}

void cmd_mc_verbosity(struct worker *w, struct conn *c, struct request *r)
{
    uint32_t level;

    (void)c;
    if (!mc_u32(r->argv[1], &level)) {
        mc_error(w, r, ERR_BAD_FORMAT);
        return;
    }
    log_set_level(level == 0 ? LOG_NOTICE : level == 1 ? LOG_VERBOSE : LOG_DEBUG);
    MC_REPLY(w, r, "OK");
}

void cmd_mc_flush_all(struct worker *w, struct conn *c, struct request *r)
{
    int32_t delay = 0;
    int64_t when_ms = 0;

    (void)c;
    if (r->argc > 3) {
        mc_error(w, r, ERR_UNKNOWN);
        return;
    }
    r->noreply = r->argc > 1 && slice_equal(r->argv[r->argc - 1], SLICE_LIT("noreply"));
    COUNT(w->counters.cmd_flush);
    if (r->argc != (r->noreply ? 2 : 1) && !mc_i32(r->argv[1], &delay)) {
        mc_error(w, r, ERR_BAD_EXPTIME);
        return;
    }
    if (delay > 0)
        when_ms = mc_expiry_ms(w, delay);
    if (when_ms <= w->now_ms) {
        store_flush_at(w->store, 0);
        store_flush(w->store, 0);
    } else {
        store_flush_at(w->store, when_ms);
    }
    MC_REPLY(w, r, "OK");
}

void cmd_mc_quit(struct worker *w, struct conn *c, struct request *r)
{
    (void)w;
    (void)r;
    c->closing = true;
}
