/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_resp_server.c - RESP commands about the server: INFO, CONFIG, TIME. */
#include "server/resp_util.h"

#include "lib/glob.h"
#include "server/config.h"
#include "server/server.h"
#include "server/text.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* ---- INFO ---- */

/* What is told: the process, and all its metrics at one moment. */
struct info {
    struct worker *w;
    struct text text;
    uint64_t values[METRICS];
};

/* "1.50M", as Redis writes sizes for people. */
static void print_human(struct text *t, const char *name, uint64_t bytes)
{
    static const char units[] = "KMGTP";
    double v = (double)bytes / 1024;
    unsigned u = 0;

    if (bytes < 1024) {
        text_printf(t, "%s:%lluB\r\n", name, (unsigned long long)bytes);
        return;
    }
    for (; v >= 1024 && units[u + 1]; u++)
        v /= 1024;
    text_printf(t, "%s:%.2f%c\r\n", name, v, units[u]);
}

static void info_server(struct info *in)
{
    const struct server *s = in->w->server;
    int64_t up = (in->w->now_ms - s->started_ms) / 1000;
    struct utsname u;

    text_printf(&in->text, "redis_version:%s\r\nserver_name:millpond\r\nmillpond_version:%s\r\n",
                RESP_REDIS_VERSION, MILLPOND_VERSION);
    text_printf(&in->text, "redis_mode:standalone\r\n");
    if (uname(&u) == 0)
        text_printf(&in->text, "os:%s %s %s\r\n", u.sysname, u.release, u.machine);
    text_printf(&in->text, "arch_bits:%zu\r\nmultiplexing_api:epoll\r\nprocess_id:%ld\r\n",
                8 * sizeof(void *), (long)getpid());
    text_printf(&in->text, "tcp_port:%d\r\nmemcached_port:%d\r\n", s->resp_port, s->memcached_port);
    text_printf(&in->text, "uptime_in_seconds:%lld\r\nuptime_in_days:%lld\r\n", (long long)up,
                (long long)up / 86400);
    text_printf(&in->text, "config_file:%s\r\n", in->w->config->file ? in->w->config->file : "");
}

static void info_memory(struct info *in)
{
    uint64_t used =
        in->values[METRIC_bytes] + in->values[METRIC_index_bytes] + in->values[METRIC_policy_bytes];

    text_printf(&in->text, "used_memory:%llu\r\n", (unsigned long long)used);
    print_human(&in->text, "used_memory_human", used);
    print_human(&in->text, "used_memory_rss_human", in->values[METRIC_resident_bytes]);
    print_human(&in->text, "maxmemory_human", in->values[METRIC_limit_maxbytes]);
    text_printf(&in->text, "maxmemory_policy:%s\r\n", in->w->config->maxmemory_policy);
}

/* Clients that wait for a load look at these; there is nothing on disk here. */
static void info_persistence(struct info *in)
{
    text_printf(&in->text, "loading:0\r\nrdb_bgsave_in_progress:0\r\naof_enabled:0\r\n");
}

static void info_replication(struct info *in)
{
    text_printf(&in->text, "role:master\r\nconnected_slaves:0\r\n");
}

static void print_time(struct text *t, const char *name, struct timeval tv)
{
    text_printf(t, "%s:%lld.%06lld\r\n", name, (long long)tv.tv_sec, (long long)tv.tv_usec);
}

static void info_cpu(struct info *in)
{
    struct rusage ru;

    if (getrusage(RUSAGE_SELF, &ru) != 0)
        return;
    print_time(&in->text, "used_cpu_sys", ru.ru_stime);
    print_time(&in->text, "used_cpu_user", ru.ru_utime);
}

static void info_cluster(struct info *in)
{
    text_printf(&in->text, "cluster_enabled:0\r\n");
}

/* The average time to live, which Redis samples, is not known here. */
static void info_keyspace(struct info *in)
{
    for (int db = 0; db < STORE_DATABASES; db++) {
        uint64_t n = store_db_items(in->w->store, db);

        if (n > 0)
            text_printf(&in->text, "db%d:keys=%llu,expires=%llu,avg_ttl=0\r\n", db,
                        (unsigned long long)n,
                        (unsigned long long)store_db_expiring(in->w->store, db));
    }
}

static const struct section {
    struct slice name;
    void (*print)(struct info *in); /* NULL: its metrics are all there is */
} sections[] = {
    {{"Server", 6}, info_server},
    {{"Clients", 7}, NULL},
    {{"Memory", 6}, info_memory},
    {{"Persistence", 11}, info_persistence},
    {{"Stats", 5}, NULL},
    {{"Replication", 11}, info_replication},
    {{"CPU", 3}, info_cpu},
    {{"Cluster", 7}, info_cluster},
    {{"Keyspace", 8}, info_keyspace},
};

static void print_section(struct info *in, const struct section *s)
{
    text_printf(&in->text, "%s# %s\r\n", in->text.len > 0 ? "\r\n" : "", s->name.p);
    if (s->print)
        s->print(in);
    for (unsigned i = 0; i < METRICS; i++)
        if (strcmp(metric_rows[i].section, s->name.p) == 0)
            text_printf(&in->text, "%s:%llu\r\n", metric_rows[i].field,
                        (unsigned long long)in->values[i]);
}

/* Is the section among those that were asked for? No names are all of them. */
static bool section_wanted(const struct request *r, const struct section *s)
{
    for (uint32_t i = 1; i < r->argc; i++)
        if (slice_equal_nocase(r->argv[i], s->name) || resp_is(r->argv[i], "default") ||
            resp_is(r->argv[i], "all") || resp_is(r->argv[i], "everything"))
            return true;
    return r->argc == 1;
}

void cmd_resp_info(struct worker *w, struct conn *c, struct request *r)
{
    struct info in = {.w = w};

    text_init(&in.text);
    metrics_collect(w->server, in.values);
    for (unsigned i = 0; i < ARRAY_LEN(sections); i++)
        if (section_wanted(r, &sections[i]))
            print_section(&in, &sections[i]);
    if (in.text.failed)
        resp_error(&w->out, ERR_NO_MEMORY);
    else
        resp_verbatim(&w->out, c->resp_version, "txt", text_slice(&in.text));
    text_fini(&in.text);
}

/* ---- CONFIG ---- */

/* Directives of Redis that clients ask for and that have but one value here. */
static const struct {
    struct slice name, value;
} fixed_options[] = {
    {{"save", 4}, {"", 0}},
    {{"appendonly", 10}, {"no", 2}},
};

static bool option_wanted(const struct request *r, struct slice name)
{
    for (uint32_t i = 2; i < r->argc; i++)
        if (glob_match(r->argv[i], name, true))
            return true;
    return false;
}

void cmd_resp_config_get(struct worker *w, struct conn *c, struct request *r)
{
    char value[4096];
    size_t n = 0;

    for (unsigned i = 0; i < OPTIONS; i++)
        n += option_wanted(r, slice_str(config_directive(i)));
    for (unsigned i = 0; i < ARRAY_LEN(fixed_options); i++)
        n += option_wanted(r, fixed_options[i].name);
    resp_map(&w->out, c->resp_version, n);
    for (unsigned i = 0; i < OPTIONS; i++) {
        struct slice name = slice_str(config_directive(i));

        if (!option_wanted(r, name))
            continue;
        resp_bulk(&w->out, name);
        resp_bulk(&w->out, slice_of(value, config_text(w->config, i, value, sizeof(value))));
    }
    for (unsigned i = 0; i < ARRAY_LEN(fixed_options); i++)
        if (option_wanted(r, fixed_options[i].name)) {
            resp_bulk(&w->out, fixed_options[i].name);
            resp_bulk(&w->out, fixed_options[i].value);
        }
}

void cmd_resp_config_resetstat(struct worker *w, struct conn *c, struct request *r)
{
    (void)c;
    (void)r;
    metrics_reset(w->server);
    resp_ok(&w->out);
}

/* ---- TIME ---- */

void cmd_resp_time(struct worker *w, struct conn *c, struct request *r)
{
    struct timespec ts;
    char text[NUM_MAX_DIGITS];

    (void)c;
    (void)r;
    clock_gettime(CLOCK_REALTIME, &ts);
    resp_array(&w->out, 2);
    resp_bulk(&w->out, slice_of(text, num_format_i64(text, ts.tv_sec)));
    resp_bulk(&w->out, slice_of(text, num_format_i64(text, ts.tv_nsec / 1000)));
}
