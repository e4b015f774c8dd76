/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim.c - millpond-sim: which share of a trace's requests miss under each policy and capacity.
 *
 *     millpond-sim TRACE --policy all --size 0.1%,1%,10% --mode bytes
 *     millpond-sim TRACE --policy lru,s3fifo:threshold=1:ghost=2 --size 64m --csv out.csv --svg out.svg
 *
 * One thread, one run after the other; links lib and policies only.
 */
#include "bench/sim_cache.h"
#include "bench/sim_report.h"
#include "bench/sim_trace.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64 /* policies, and sizes */

struct choice {
    const char *text;
    const struct policy_ops *ops;
    double param[POLICY_PARAMS];
};

struct options {
    const char *trace, *mode, *csv, *svg;
    struct choice policy[MOST];
    size_t policies;
    const char *size[MOST];
    size_t sizes;
    unsigned copies, scale, overhead, largest, shards;
    bool layout;
};

static void usage(FILE *f)
{
    fprintf(f, "millpond-sim TRACE [options]: miss ratios of eviction policies on a request trace\n"
               "TRACE: lines of \"key_id size\", plain or .xz\n\n"
               "  --policy LIST     all, or names by commas; parameters behind colons:\n"
               "                    s3fifo:threshold=1:ghost=2                     [all]\n"
               "  --size LIST       by commas: N%% of the trace, or a number, with k, m, g [1%%]\n"
               "  --mode MODE       objects or bytes: what the capacity counts     [objects]\n"
               "  --copies N        replay in N disjoint key spaces at once        [1]\n"
               "  --scale-size N    all sizes times N                              [1]\n"
               "  --overhead N      bytes that each object takes beside its value  [0]\n"
               "  --largest N       do not store objects above N %% of the capacity  [100]\n"
               "  --shards N        spread the objects over N instances, as the server does [1]\n"
               "  --layout          charge what the server's items take (--overhead: key bytes)\n"
               "  --csv FILE        results as CSV\n"
               "  --svg FILE        results as a curve\n"
               "  --list            the policies and their parameters\n");
}

static void list_policies(void)
{
    for (unsigned i = 0; policy_at(i); i++) {
        const struct policy_ops *ops = policy_at(i);

        printf("%-12s %s\n", ops->name, policy_prose(i));
        for (unsigned j = 0; j < POLICY_PARAMS && ops->params[j].name; j++)
            printf("    %-10s %s (%g to %g, else %g)\n", ops->params[j].name, ops->params[j].prose,
                   ops->params[j].min, ops->params[j].max, ops->params[j].normal);
    }
}

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "millpond-sim: %s: %s\n", text, what);
    exit(2);
}

static void set_param(struct choice *c, char *text)
{
    char *value = strchr(text, '='), *end;

    if (!value)
        fail("a parameter is name=value", text);
    *value++ = '\0';
    for (unsigned i = 0; i < POLICY_PARAMS && c->ops->params[i].name; i++) {
        const struct policy_param *p = &c->ops->params[i];

        if (strcmp(p->name, text) != 0)
            continue;
        c->param[i] = strtod(value, &end);
        if (*end || end == value || c->param[i] < p->min || c->param[i] > p->max)
            fail("the value is out of range", text);
        return;
    }
    fail("the policy has no such parameter", text);
}

/* text: as the user wrote it; stays. */
static void add_policy(struct options *o, const char *text)
{
    struct choice *c = &o->policy[o->policies];
    char *copy = strdup(text), *rest = copy, *word = strsep(&rest, ":");

    if (!copy || o->policies == MOST)
        fail("too many", text);
    c->text = text;
    c->ops = policy_by_name(word);
    if (!c->ops)
        fail("there is no such policy (--list shows them)", word);
    for (unsigned i = 0; i < POLICY_PARAMS; i++)
        c->param[i] = c->ops->params[i].normal;
    while ((word = strsep(&rest, ":")))
        set_param(c, word);
    free(copy);
    o->policies++;
}

static void add_policies(struct options *o, char *list)
{
    char *word;

    o->policies = 0;
    while ((word = strsep(&list, ","))) {
        if (strcmp(word, "all") != 0) {
            add_policy(o, word);
            continue;
        }
        for (unsigned i = 0; policy_at(i); i++)
            if (policy_at(i)->evicts)
                add_policy(o, policy_at(i)->name);
    }
}

static void add_sizes(struct options *o, char *list)
{
    o->sizes = 0;
    while (list && o->sizes < MOST)
        o->size[o->sizes++] = strsep(&list, ",");
}

static uint64_t capacity_of(const struct options *o, const struct sim_trace *t, const char *text)
{
    char *end;
    double n = strtod(text, &end);
    bool objects = strcmp(o->mode, "objects") == 0;

    if (end == text || n <= 0)
        fail("not a size", text);
    if (strcmp(end, "%") == 0)
        n *= (double)(objects ? t->objects : sim_trace_bytes(t)) / 100;
    else if (strcmp(end, "k") == 0)
        n *= 1024;
    else if (strcmp(end, "m") == 0)
        n *= 1024 * 1024;
    else if (strcmp(end, "g") == 0)
        n *= 1024 * 1024 * 1024.0;
    else if (*end)
        fail("not a size", text);
    return n < 1 ? 1 : (uint64_t)n;
}

static unsigned number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (end == text || *end || n > 1000000)
        fail("not a number", text);
    return (unsigned)n;
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"policy", 1, NULL, 'p'},  {"size", 1, NULL, 's'},       {"mode", 1, NULL, 'm'},
        {"copies", 1, NULL, 'c'},  {"scale-size", 1, NULL, 'x'}, {"overhead", 1, NULL, 'o'},
        {"largest", 1, NULL, 'L'}, {"shards", 1, NULL, 'n'},     {"layout", 0, NULL, 'y'},
        {"csv", 1, NULL, 'C'},     {"svg", 1, NULL, 'S'},        {"list", 0, NULL, 'l'},
        {"help", 0, NULL, 'h'},    {NULL, 0, NULL, 0},
    };
    static char all[] = "all", one[] = "1%";
    int c;

    *o = (struct options){.mode = "objects", .copies = 1, .scale = 1, .largest = 100};
    add_policies(o, all);
    add_sizes(o, one);
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1)
        switch (c) {
        case 'p': add_policies(o, optarg); break;
        case 's': add_sizes(o, optarg); break;
        case 'm': o->mode = optarg; break;
        case 'c': o->copies = number(optarg); break;
        case 'x': o->scale = number(optarg); break;
        case 'o': o->overhead = number(optarg); break;
        case 'n': o->shards = number(optarg); break;
        case 'L': o->largest = number(optarg); break;
        case 'y': o->layout = true; break;
        case 'C': o->csv = optarg; break;
        case 'S': o->svg = optarg; break;
        case 'l': list_policies(); exit(0);
        case 'h': usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    if (optind + 1 != argc) {
        usage(stderr);
        exit(2);
    }
    o->trace = argv[optind];
    if (strcmp(o->mode, "objects") != 0 && strcmp(o->mode, "bytes") != 0)
        fail("the mode is objects or bytes", o->mode);
}

static void run_all(const struct options *o, const struct sim_trace *t, struct sim_row *rows)
{
    for (size_t i = 0; i < o->policies * o->sizes; i++) {
        const struct choice *c = &o->policy[i / o->sizes];
        struct sim_setup setup = {.ops = c->ops,
                                  .objects = strcmp(o->mode, "objects") == 0,
                                  .overhead = o->overhead,
                                  .shards = o->shards,
                                  .layout = o->layout};

        rows[i] = (struct sim_row){.policy = c->text, .size = o->size[i % o->sizes]};
        rows[i].capacity = setup.capacity = capacity_of(o, t, rows[i].size);
        setup.largest = setup.objects ? 0 : setup.capacity / 100.0 * o->largest;
        memcpy(setup.param, c->param, sizeof(setup.param));
        if (!sim_run(&setup, t, &rows[i].r))
            fail("no memory", o->trace);
    }
}

static void write_file(const char *path, const struct sim_report *p,
                       void (*write)(const struct sim_report *, FILE *))
{
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!path)
        return;
    if (!f)
        fail("it cannot be written", path);
    write(p, f);
    if (fclose(f) != 0)
        fail("it cannot be written", path);
}

int main(int argc, char **argv)
{
    static struct options o;
    struct sim_trace t;
    struct sim_report report;
    struct sim_row *rows;
    const char *error;

    parse(&o, argc, argv);
    error = sim_trace_read(&t, o.trace);
    if (error)
        fail(error, o.trace);
    if ((o.copies > 1 || o.scale > 1) && !sim_trace_multiply(&t, o.copies, o.scale))
        fail("too large with these copies and sizes", o.trace);
    rows = calloc(o.policies * o.sizes, sizeof(*rows));
    if (!rows)
        fail("no memory", o.trace);
    run_all(&o, &t, rows);
    report =
        (struct sim_report){.trace = strrchr(o.trace, '/') ? strrchr(o.trace, '/') + 1 : o.trace,
                            .mode = o.mode,
                            .rows = rows,
                            .n = o.policies * o.sizes,
                            .sizes = o.sizes};
    sim_report_table(&report, stdout);
    write_file(o.csv, &report, sim_report_csv);
    write_file(o.svg, &report, sim_report_svg);
    free(rows);
    sim_trace_free(&t);
    return 0;
}
