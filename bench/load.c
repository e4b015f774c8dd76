/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load.c - millpond-load: leads the workers through their stages, reads the clocks at both ends of
 * the measured part, shows the progress line and prints the report.
 *
 *     load_options   command line            load_worker   connections, event loop, open loop
 *     load_data      keys and values         load_report   text and JSON
 *     load_protocol  requests and replies    load_cpu      the server's CPU time
 */
#include "bench/load_report.h"
#include "lib/check.h"
#include "lib/clock.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS (250 * 1000000u)
#define NS_PER_S 1000000000u
#define SPARE_FILES 64

struct run {
    struct load_options options;
    struct load_control control;
    struct load_worker *workers;
    pthread_t *threads;
    bool shows_progress;
};

static void fail(const char *text)
{
    fprintf(stderr, "millpond-load: %s\n", text);
    exit(1);
}

/* All threads, this one included, stay on the CPUs of --cpu: the server's are its own. */
static void stay_on_cpus(const struct load_options *o)
{
    cpu_set_t set;

    if (o->cpus == 0)
        return;
    CPU_ZERO(&set);
    for (unsigned i = 0; i < o->cpus; i++)
        CPU_SET(o->cpu[i], &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        fail("--cpu: these CPUs cannot be used");
}

static void raise_file_limit(rlim_t wanted)
{
    struct rlimit limit;

    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("the limit on open files is too low for --connections, see ulimit -n");
}

static void progress(const struct run *run, const char *what, uint64_t begin_ns, uint64_t *last)
{
    uint64_t done = 0;

    if (!run->shows_progress)
        return;
    for (unsigned i = 0; i < run->options.threads; i++)
        done += RELAXED_LOAD(&run->workers[i].done);
    fprintf(stderr, "\r%-9s %6.1f s %12lu done %10.0f requests/s ", what,
            (double)(clock_mono_ns() - begin_ns) / NS_PER_S, (unsigned long)done,
            done > *last ? (double)(done - *last) * NS_PER_S / TICK_NS : 0.0);
    *last = done;
}

/* Wait until all workers are through with the stage, or until a moment of CLOCK_MONOTONIC. True:
 * they are through. */
static bool wait_finished(struct run *run, const char *what, uint64_t until_ns)
{
    struct load_control *c = &run->control;
    uint64_t begin_ns = clock_mono_ns(), last = 0, now = begin_ns;
    bool finished;

    pthread_mutex_lock(&c->mutex);
    while (c->finished < run->options.threads && now < until_ns) {
        uint64_t wake_ns = until_ns - now < TICK_NS ? until_ns : now + TICK_NS;
        struct timespec wake = {.tv_sec = (time_t)(wake_ns / NS_PER_S),
                                .tv_nsec = (long)(wake_ns % NS_PER_S)};

        if (pthread_cond_timedwait(&c->changed, &c->mutex, &wake) == ETIMEDOUT)
            progress(run, what, begin_ns, &last);
        now = clock_mono_ns();
    }
    finished = c->finished == run->options.threads;
    pthread_mutex_unlock(&c->mutex);
    if (run->shows_progress)
        fprintf(stderr, "\r%70s\r", "");
    return finished;
}

static void begin_stage(struct run *run, enum load_stage stage)
{
    struct load_control *c = &run->control;

    pthread_mutex_lock(&c->mutex);
    c->stage = stage;
    c->finished = 0;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}

/* What the workers have to complain about after a stage; a worker's counts are its own, but it
 * waits for the next stage now. */
static bool is_clean(const struct run *run)
{
    for (unsigned i = 0; i < run->options.threads; i++)
        if (run->workers[i].message[0])
            return false;
    return true;
}

static double own_cpu_s(void)
{
    struct timespec ts;

    MUST(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void read_server(const struct run *run, struct load_cpu *cpu)
{
    if (run->options.server_pid && !load_cpu_read(run->options.server_pid, cpu))
        fail("--server-pid: there is no such process");
}

static uint64_t after_s(double seconds)
{
    return clock_mono_ns() + (uint64_t)(seconds * NS_PER_S);
}

static void measure(struct run *run, struct load_report *r)
{
    const struct load_options *o = &run->options;
    struct load_cpu before = {0}, after = {0};
    double own_before;
    uint64_t begin_ns;

    if (o->warmup_s > 0) {
        begin_stage(run, LOAD_STAGE_RUN);
        if (wait_finished(run, "warm-up", after_s(o->warmup_s)))
            return; /* no connection is left */
    }
    begin_ns = clock_mono_ns();
    own_before = own_cpu_s();
    read_server(run, &before);
    RELAXED_STORE(&run->control.measuring, true);
    if (o->warmup_s <= 0)
        begin_stage(run, LOAD_STAGE_RUN);
    if (!wait_finished(run, "run", o->duration_s > 0 ? after_s(o->duration_s) : UINT64_MAX)) {
        RELAXED_STORE(&run->control.stopping, true);
        wait_finished(run, "drain", UINT64_MAX);
    }
    read_server(run, &after);
    r->generator_cpu_s = own_cpu_s() - own_before;
    r->elapsed_s = (double)(clock_mono_ns() - begin_ns) / NS_PER_S;
    r->has_server = o->server_pid != 0;
    r->server = (struct load_cpu){.total_s = after.total_s - before.total_s,
                                  .user_s = after.user_s - before.user_s,
                                  .system_s = after.system_s - before.system_s};
}

static void collect(const struct run *run, struct load_report *r)
{
    r->message = "";
    histogram_init(&r->get_ns);
    histogram_init(&r->set_ns);
    histogram_init(&r->all_ns);
    histogram_init(&r->late_ns);
    for (unsigned i = 0; i < run->options.threads; i++) {
        const struct load_worker *w = &run->workers[i];

        r->counts.hits += w->counts.hits;
        r->counts.misses += w->counts.misses;
        r->counts.stored += w->counts.stored;
        r->counts.wrong += w->counts.wrong;
        r->counts.lost += w->counts.lost;
        r->counts.unanswered += w->counts.unanswered;
        r->counts.unsent += w->counts.unsent;
        r->counts.bytes_out += w->counts.bytes_out;
        r->counts.bytes_in += w->counts.bytes_in;
        histogram_merge(&r->get_ns, &w->get_ns);
        histogram_merge(&r->set_ns, &w->set_ns);
        histogram_merge(&r->late_ns, &w->late_ns);
        if (!r->message[0])
            r->message = w->message;
    }
    histogram_merge(&r->all_ns, &r->get_ns);
    histogram_merge(&r->all_ns, &r->set_ns);
}

static void start_workers(struct run *run)
{
    const struct load_options *o = &run->options;
    pthread_condattr_t monotonic;

    MUST(pthread_mutex_init(&run->control.mutex, NULL));
    MUST(pthread_condattr_init(&monotonic));
    MUST(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC));
    MUST(pthread_cond_init(&run->control.changed, &monotonic));
    run->workers = calloc(o->threads, sizeof(*run->workers));
    run->threads = calloc(o->threads, sizeof(*run->threads));
    if (!run->workers || !run->threads)
        fail("no memory");
    for (unsigned i = 0; i < o->threads; i++)
        if (!load_worker_init(&run->workers[i], o, &run->control, i))
            fail("no memory or files for so many connections of this depth and value size");
    for (unsigned i = 0; i < o->threads; i++)
        if (pthread_create(&run->threads[i], NULL, load_worker_run, &run->workers[i]) != 0)
            fail("cannot start a thread");
}

static void end_workers(struct run *run)
{
    struct load_control *c = &run->control;

    pthread_mutex_lock(&c->mutex);
    c->ended = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
    for (unsigned i = 0; i < run->options.threads; i++)
        MUST(pthread_join(run->threads[i], NULL));
}

static void run_stages(struct run *run, struct load_report *r)
{
    uint64_t begin_ns;

    begin_stage(run, LOAD_STAGE_CONNECT);
    wait_finished(run, "connect", UINT64_MAX);
    if (!is_clean(run))
        return;
    begin_ns = clock_mono_ns();
    begin_stage(run, LOAD_STAGE_PRELOAD);
    wait_finished(run, "preload", UINT64_MAX);
    r->preload_s = (double)(clock_mono_ns() - begin_ns) / NS_PER_S;
    if (is_clean(run) && !run->options.preload_only)
        measure(run, r);
}

int main(int argc, char **argv)
{
    static struct run run;
    static struct load_report report; /* its message is a worker's */
    bool is_good;

    load_options_parse(&run.options, argc, argv);
    if (!load_data_init(&run.options.data))
        fail("no memory");
    run.shows_progress = !run.options.quiet && isatty(STDERR_FILENO);
    stay_on_cpus(&run.options);
    raise_file_limit(run.options.connections + SPARE_FILES);
    start_workers(&run);
    run_stages(&run, &report);
    end_workers(&run);
    report.options = &run.options;
    collect(&run, &report);
    is_good = load_report_is_good(&report);
    if (run.options.json)
        load_report_json(&report, stdout);
    else
        load_report_text(&report, stdout);
    for (unsigned i = 0; i < run.options.threads; i++)
        load_worker_fini(&run.workers[i]);
    free(run.workers);
    free(run.threads);
    load_data_fini(&run.options.data);
    return is_good ? 0 : 1;
}
