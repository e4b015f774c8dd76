/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - the process: start in order, wait for a signal, stop in order. */
#include "lib/check.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "server/config.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/server.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPARE_DESCRIPTORS 64 /* listeners, loops, log and files beside the clients */
#define BUDGET_TICK_S 0.01

unsigned server_connections(const struct server *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->nworkers; i++)
        n += RELAXED_LOAD(&s->workers[i].nconns);
    return n;
}

static void on_check_failed(const char *text)
{
    log_warning("%s", text);
}

/* ---- timers and signals of the main thread ---- */

static void on_budget(struct ev_loop *loop, ev_timer *t, int revents)
{
    struct server *s = ev_userdata(loop);
    size_t resident = mem_resident();

    (void)t;
    (void)revents;
    clock_sync();
    if (resident == 0)
        return;
    RELAXED_STORE(&s->resident_bytes, resident);
    /* What was evicted lately may still be resident in the allocator's hands. */
    if (store_set_overhead(s->store, resident))
        mem_purge();
}

static void on_signal(struct ev_loop *loop, ev_signal *sig, int revents)
{
    (void)revents;
    log_notice("signal %d (%s): stopping", sig->signum, strsignal(sig->signum));
    ev_break(loop, EVBREAK_ALL);
}

static void watch_signals(struct server *s)
{
    ev_signal_init(&s->sigterm, on_signal, SIGTERM);
    ev_signal_init(&s->sigint, on_signal, SIGINT);
    ev_signal_start(s->loop, &s->sigterm);
    ev_signal_start(s->loop, &s->sigint);
}

/* ---- start ---- */

/* Clients need descriptors: raise the limit, or say that they may run out. */
static void fit_descriptors(struct config *c)
{
    struct rlimit r;
    rlim_t want = (rlim_t)c->maxclients + SPARE_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want)
        return;
    r.rlim_cur = want;
    if (r.rlim_max < want)
        r.rlim_max = want;
    if (setrlimit(RLIMIT_NOFILE, &r) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    log_warning("only %llu file descriptors are allowed, %llu are needed for maxclients %lld: "
                "raise the limit (ulimit -n, LimitNOFILE=) to serve that many",
                (unsigned long long)r.rlim_cur, (unsigned long long)want, (long long)c->maxclients);
}

static enum status drop_root(const struct config *c)
{
    const struct passwd *pw;

    if (geteuid() != 0 || !*c->user)
        return OK;
    pw = getpwnam(c->user);
    if (!pw) {
        log_warning("there is no user \"%s\" to become", c->user);
        return NOT_FOUND;
    }
    if (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
        log_warning("cannot become user \"%s\": %s", c->user, strerror(errno));
        return IO_FAILED;
    }
    return OK;
}

static enum status write_pid(struct server *s)
{
    const struct config *c = s->config;
    FILE *f;

    if (!*c->pidfile)
        return OK;
    f = fopen(c->pidfile, "we");
    if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f) != 0) {
        log_warning("cannot write the process id to %s: %s", c->pidfile, strerror(errno));
        return IO_FAILED;
    }
    s->pid_written = true;
    return OK;
}

static unsigned choose_threads(const struct config *c)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (c->threads > 0)
        return (unsigned)c->threads;
    return cpus < 1 ? 1 : cpus > 64 ? 64 : (unsigned)cpus;
}

static enum status make_store(struct server *s)
{
    const char *name = s->config->disable_evictions ? "noeviction" : s->config->maxmemory_policy;
    struct policy_choice choice = policy_choose(name);
    struct store_options o = {.policy = choice.ops,
                              .volatile_only = choice.volatile_only,
                              .seed = hash_random_seed(),
                              .limit_bytes = (size_t)s->config->maxmemory,
                              .threads = s->nworkers};

    s->store = store_new(&o);
    return s->store ? OK : NO_MEMORY;
}

/* Workers inherit a mask that leaves every signal to the main thread. */
static enum status start_workers(struct server *s)
{
    sigset_t all, before;

    s->workers = mem_zalloc_aligned(s->nworkers * sizeof(*s->workers));
    if (!s->workers)
        return NO_MEMORY;
    for (unsigned i = 0; i < s->nworkers; i++)
        if (worker_init(&s->workers[i], s, i) != OK)
            return NO_MEMORY;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (unsigned i = 0; i < s->nworkers; i++)
        if (worker_start(&s->workers[i]) != OK)
            return NO_MEMORY;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return OK;
}

static enum status start(struct server *s)
{
    enum status st;

    s->loop = ev_default_loop(EVFLAG_NOENV);
    if (!s->loop)
        return NO_MEMORY;
    ev_set_userdata(s->loop, s);
    st = listen_open(s);
    if (st == OK && s->config->daemonize && daemon(1, 0) != 0)
        st = IO_FAILED;
    if (s->config->daemonize)
        ev_loop_fork(s->loop);
    if (st == OK)
        st = write_pid(s);
    if (st == OK)
        st = drop_root(s->config);
    if (st == OK)
        st = make_store(s);
    watch_signals(s); /* before anybody can learn that the server is there */
    if (st == OK)
        st = start_workers(s);
    if (st == OK)
        st = listen_write_ports(s);
    if (st != OK)
        return st;
    ev_timer_init(&s->budget, on_budget, BUDGET_TICK_S, BUDGET_TICK_S);
    ev_timer_start(s->loop, &s->budget);
    listen_start(s);
    return OK;
}

static void stop(struct server *s)
{
    listen_close(s);
    for (unsigned i = 0; i < s->nworkers; i++)
        worker_stop(&s->workers[i]);
    for (unsigned i = 0; i < s->nworkers; i++)
        worker_join(&s->workers[i]);
    for (unsigned i = 0; i < s->nworkers; i++)
        worker_fini(&s->workers[i]);
    store_free(s->store);
    free(s->workers);
    if (s->pid_written)
        unlink(s->config->pidfile);
    ev_loop_destroy(s->loop);
}

static bool set_up_log(const struct config *c)
{
    enum log_level level;

    CHECK(log_level_by_name(c->loglevel, &level)); /* config.c took no other */
    if (c->verbosity > 0)
        level = c->verbosity > 1 ? LOG_DEBUG : LOG_VERBOSE;
    log_set_level(level);
    if (log_open(c->logfile))
        return true;
    log_warning("cannot log to %s: %s", c->logfile, strerror(errno));
    return false;
}

int main(int argc, char **argv)
{
    static struct config config;
    static struct server server;

    switch (config_parse(&config, argc, argv)) {
    case CONFIG_EXIT: config_fini(&config); return 0;
    case CONFIG_ERROR: config_fini(&config); return 64; /* EX_USAGE */
    case CONFIG_RUN: break;
    }
    check_set_hook(on_check_failed);
    signal(SIGPIPE, SIG_IGN);
    clock_sync();
    if (!set_up_log(&config))
        return 71; /* EX_OSERR */
    server.config = &config;
    server.nworkers = choose_threads(&config);
    server.started_ms = clock_now_ms();
    lock_init(&server.reset_lock, LOCK_METRICS);
    fit_descriptors(&config);
    if (start(&server) != OK) {
        log_warning("not started");
        listen_close(&server);
        if (server.pid_written)
            unlink(config.pidfile);
        return 71;
    }
    log_notice("millpond %s ready: %u worker threads, policy %s, memory limit %lld bytes",
               MILLPOND_VERSION, server.nworkers, store_policy(server.store)->name,
               (long long)config.maxmemory);
    ev_run(server.loop, 0);
    stop(&server);
    log_notice("stopped");
    config_fini(&config);
    return 0;
}
