/* SPDX-License-Identifier: BSD-3-Clause */
/* load_options.c - see load_options.h. To add an option: one row in `rows`, one function. */
#include "bench/load_options.h"

#include "lib/compiler.h"
#include "lib/num.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define USAGE_EXIT 2

typedef bool (*option_set_fn)(struct load_options *o, const char *text);

static bool parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v;

    if (!num_parse_u64(slice_str(text), &v) || v < min || v > max)
        return false;
    *out = v;
    return true;
}

static bool parse_unsigned(const char *text, unsigned min, unsigned max, unsigned *out)
{
    uint64_t v;

    if (!parse_u64(text, min, max, &v))
        return false;
    *out = (unsigned)v;
    return true;
}

/* A finite number that is at least min. */
static bool parse_double(const char *text, double min, double *out)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end || !isfinite(v) || v < min)
        return false;
    *out = v;
    return true;
}

/* Cut text at the first `c` into a copy of what is before it (at most cap - 1 bytes) and a pointer
 * to what is behind it, which is NULL when there is no `c`. */
static bool cut(const char *text, char c, char *before, size_t cap, const char **after)
{
    const char *at = strchr(text, c);
    size_t len = at ? (size_t)(at - text) : strlen(text);

    if (len >= cap)
        return false;
    memcpy(before, text, len);
    before[len] = 0;
    *after = at ? at + 1 : NULL;
    return true;
}

static bool set_host(struct load_options *o, const char *text)
{
    o->host = text;
    return true;
}

static bool set_port(struct load_options *o, const char *text)
{
    unsigned port;

    o->port = text;
    return parse_unsigned(text, 1, 65535, &port);
}

static bool set_socket(struct load_options *o, const char *text)
{
    o->unix_path = text;
    return true;
}

static bool set_protocol(struct load_options *o, const char *text)
{
    o->protocol = load_protocol_find(text);
    return o->protocol != NULL;
}

static bool set_threads(struct load_options *o, const char *text)
{
    return parse_unsigned(text, 1, LOAD_THREADS_MAX, &o->threads);
}

static bool set_connections(struct load_options *o, const char *text)
{
    return parse_unsigned(text, 1, 1000000, &o->connections);
}

static bool set_depth(struct load_options *o, const char *text)
{
    return parse_unsigned(text, 1, 65536, &o->depth);
}

static bool set_ratio(struct load_options *o, const char *text)
{
    char gets[16];
    const char *sets;

    return cut(text, ':', gets, sizeof(gets), &sets) && sets &&
           parse_unsigned(gets, 0, 1000000, &o->gets) &&
           parse_unsigned(sets, 0, 1000000, &o->sets) && o->gets + o->sets > 0;
}

static bool set_keys(struct load_options *o, const char *text)
{
    return parse_u64(text, 1, UINT64_C(1) << 52, &o->keys.keys);
}

static bool set_key_prefix(struct load_options *o, const char *text)
{
    o->data.prefix = slice_str(text);
    return o->data.prefix.len < LOAD_KEY_MAX && !strpbrk(text, " \r\n");
}

static bool set_key_bytes(struct load_options *o, const char *text)
{
    char min[16];
    const char *max;
    uint64_t low, high;

    if (!cut(text, '-', min, sizeof(min), &max) || !parse_u64(min, 1, LOAD_KEY_MAX, &low))
        return false;
    high = low;
    if (max && !parse_u64(max, low, LOAD_KEY_MAX, &high))
        return false;
    o->data.key_min = low;
    o->data.key_max = high;
    return true;
}

static bool set_key_dist(struct load_options *o, const char *text)
{
    char name[16];
    const char *parameter;

    if (!cut(text, ':', name, sizeof(name), &parameter))
        return false;
    if (strcmp(name, "uniform") == 0 && !parameter) {
        o->keys.kind = KEYGEN_UNIFORM;
        return true;
    }
    if (strcmp(name, "gaussian") == 0) {
        o->keys.kind = KEYGEN_GAUSSIAN;
        return !parameter || parse_double(parameter, 1e-6, &o->keys.spread);
    }
    if (strcmp(name, "zipf") == 0) {
        o->keys.kind = KEYGEN_ZIPF;
        return !parameter || parse_double(parameter, 1e-6, &o->keys.exponent);
    }
    return false;
}

/* One class of --value-bytes: "100" or "100:80". */
static bool add_size(struct load_sizes *sizes, const char *text)
{
    char bytes_text[24];
    const char *weight_text;
    uint64_t bytes, weight = 1;

    if (sizes->count == LOAD_SIZES_MAX ||
        !cut(text, ':', bytes_text, sizeof(bytes_text), &weight_text) ||
        !parse_u64(bytes_text, 0, UINT64_C(1) << 29, &bytes) ||
        (weight_text && !parse_u64(weight_text, 1, 1000000, &weight)))
        return false;
    sizes->of[sizes->count].bytes = bytes;
    sizes->of[sizes->count++].weight = weight;
    sizes->weights += weight;
    return true;
}

static bool set_value_bytes(struct load_options *o, const char *text)
{
    o->data.sizes = (struct load_sizes){0};
    while (text) {
        char size[48];

        if (!cut(text, ',', size, sizeof(size), &text) || !add_size(&o->data.sizes, size))
            return false;
    }
    return true;
}

static bool set_ttl(struct load_options *o, const char *text)
{
    return parse_unsigned(text, 0, 30 * 86400, &o->ttl_s);
}

static bool set_duration(struct load_options *o, const char *text)
{
    return parse_double(text, 0.001, &o->duration_s);
}

static bool set_requests(struct load_options *o, const char *text)
{
    return parse_u64(text, 1, UINT64_MAX, &o->requests);
}

static bool set_warmup(struct load_options *o, const char *text)
{
    return parse_double(text, 0, &o->warmup_s);
}

static bool set_rate(struct load_options *o, const char *text)
{
    return parse_double(text, 0.001, &o->rate);
}

static bool set_timeout(struct load_options *o, const char *text)
{
    return parse_double(text, 0.001, &o->timeout_s);
}

static bool set_preload(struct load_options *o, const char *text)
{
    (void)text;
    o->preload = true;
    return true;
}

static bool set_preload_only(struct load_options *o, const char *text)
{
    o->preload_only = true;
    return set_preload(o, text);
}

static bool set_preload_depth(struct load_options *o, const char *text)
{
    return parse_unsigned(text, 1, 65536, &o->preload_depth);
}

static bool set_require_hits(struct load_options *o, const char *text)
{
    (void)text;
    o->require_hits = true;
    return true;
}

static bool set_no_verify(struct load_options *o, const char *text)
{
    (void)text;
    o->no_verify = true;
    return true;
}

static bool set_server_pid(struct load_options *o, const char *text)
{
    unsigned pid;

    if (!parse_unsigned(text, 1, INT32_MAX, &pid))
        return false;
    o->server_pid = (int)pid;
    return true;
}

static bool set_cpu(struct load_options *o, const char *text)
{
    o->cpus = 0;
    while (text) {
        char number[16];
        unsigned cpu;

        if (o->cpus == LOAD_CPUS_MAX || !cut(text, ',', number, sizeof(number), &text) ||
            !parse_unsigned(number, 0, 1023, &cpu))
            return false;
        o->cpu[o->cpus++] = (int)cpu;
    }
    return true;
}

static bool set_seed(struct load_options *o, const char *text)
{
    return parse_u64(text, 0, UINT64_MAX, &o->seed);
}

static bool set_json(struct load_options *o, const char *text)
{
    (void)text;
    o->json = true;
    return true;
}

static bool set_quiet(struct load_options *o, const char *text)
{
    (void)text;
    o->quiet = true;
    return true;
}

static bool print_help(struct load_options *o, const char *text);

static const struct {
    const char *name;
    const char *argument; /* NULL: takes none */
    option_set_fn set;
    const char *help;
} rows[] = {
    {"host", "ADDRESS", set_host, "server's address (127.0.0.1)"},
    {"port", "N", set_port, "server's port (11211)"},
    {"socket", "PATH", set_socket, "connect to this Unix socket instead"},
    {"protocol", "NAME", set_protocol, "text, meta (both memcached's) or resp (text)"},
    {"threads", "N", set_threads, "threads, each with its own event loop (1)"},
    {"connections", "N", set_connections, "connections of all threads together (50)"},
    {"depth", "N", set_depth,
     "requests in flight per connection (1); in a closed loop they leave in\n"
     "one write, and the next batch when all of them have been answered"},
    {"ratio", "GET:SET", set_ratio, "how often to read and to write (10:1)"},
    {"keys", "N", set_keys, "size of the key space (100000)"},
    {"key-prefix", "TEXT", set_key_prefix, "what keys begin with (key:)"},
    {"key-bytes", "N[-M]", set_key_bytes,
     "length of a key, its number padded with zeros (12); with -M, lengths\n"
     "from N to M are equally frequent"},
    {"key-dist", "DIST", set_key_dist,
     "uniform, gaussian[:STDDEV] around the middle (in keys; a sixth of the\n"
     "key space), or zipf[:EXPONENT] (0.99), key 0 being the most popular\n"
     "(uniform)"},
    {"value-bytes", "SPEC", set_value_bytes,
     "size of values, or sizes with weights: 100 or 100:80,1000:20 (100);\n"
     "each key keeps its size and its content"},
    {"ttl", "SECONDS", set_ttl, "time to live of what is written (0: none)"},
    {"duration", "SECONDS", set_duration, "measure for so long (10, or no bound with --requests)"},
    {"requests", "N", set_requests, "measure so many requests"},
    {"warmup", "SECONDS", set_warmup, "run for so long before measuring (0)"},
    {"rate", "N", set_rate,
     "open loop: send N requests a second in even steps, whatever the server\n"
     "does; latency counts from the moment at which a request was to be\n"
     "sent, so that waiting behind a stall is part of it (no coordinated\n"
     "omission); --depth bounds what a connection has in flight"},
    {"timeout", "SECONDS", set_timeout, "give up when no reply comes for so long (10)"},
    {"preload", NULL, set_preload, "first write every key once"},
    {"preload-only", NULL, set_preload_only, "write every key once, and stop"},
    {"preload-depth", "N", set_preload_depth, "requests in flight per connection then (64)"},
    {"require-hits", NULL, set_require_hits, "a miss is a wrong reply"},
    {"no-verify", NULL, set_no_verify,
     "take replies by their length, for servers that answer constants\n"
     "(bench/floor)"},
    {"server-pid", "PID", set_server_pid, "report this process's CPU time per request"},
    {"cpu", "LIST", set_cpu, "pin threads to these CPUs in turn: 1 or 1,3,5"},
    {"seed", "N", set_seed, "of keys and operations (1); equal seeds draw equal sequences"},
    {"json", NULL, set_json, "print the result as JSON"},
    {"quiet", NULL, set_quiet, "no progress line (there is none unless stderr is a tty)"},
    {"help", NULL, print_help, "print this"},
};

static void print_row(size_t i)
{
    char left[48];
    const char *line = rows[i].help;

    snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
    while (line) {
        const char *next = strchr(line, '\n');
        int len = next ? (int)(next - line) : (int)strlen(line);

        printf("  %-24s %.*s\n", line == rows[i].help ? left : "", len, line);
        line = next ? next + 1 : NULL;
    }
}

static bool print_help(struct load_options *o, const char *text)
{
    (void)o;
    (void)text;
    puts(
        "millpond-load: drive a memcached or Redis protocol server, check every reply, and report\n"
        "throughput, latency, and the server's CPU time per request.\n"
        "\n"
        "usage: millpond-load [option ...]       (default)\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        print_row(i);
    puts("\n"
         "Values are functions of their keys: every reply is compared byte for byte, also when\n"
         "several generators run. Latencies are kept in log-linear histograms (error below 1 %).\n"
         "\n"
         "exit status: 0 all replies were right; 1 wrong replies, lost connections or no answer;\n"
         "2 the command line is wrong.");
    exit(0);
}

static void fail(const char *text)
{
    fprintf(stderr, "millpond-load: %s (--help lists the options)\n", text);
    exit(USAGE_EXIT);
}

/* What rows cannot check alone. */
static void check_together(struct load_options *o)
{
    char number[NUM_MAX_DIGITS];
    size_t digits = num_format_u64(number, o->keys.keys - 1);

    if (o->data.prefix.len + digits > o->data.key_min)
        fail("--key-bytes is too short for --key-prefix and the numbers of --keys");
    if (o->connections < o->threads)
        fail("there must be a connection for each thread");
    if (o->duration_s == 0 && o->requests == 0)
        o->duration_s = 10;
}

void load_options_parse(struct load_options *o, int argc, char **argv)
{
    struct option table[ARRAY_LEN(rows) + 1] = {0};
    char message[256];
    int row = 0;

    *o = (struct load_options){
        .host = "127.0.0.1",
        .port = "11211",
        .protocol = load_protocol_find("text"),
        .threads = 1,
        .connections = 50,
        .depth = 1,
        .gets = 10,
        .sets = 1,
        .keys.keys = 100000,
        .data = {.prefix = SLICE_LIT("key:"),
                 .key_min = 12,
                 .key_max = 12,
                 .sizes = {.count = 1, .weights = 1, .of = {{.bytes = 100, .weight = 1}}}},
        .timeout_s = 10,
        .preload_depth = 64,
        .seed = 1,
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        table[i] = (struct option){.name = rows[i].name,
                                   .has_arg = rows[i].argument ? required_argument : no_argument};
    for (;;) {
        int c = getopt_long(argc, argv, "", table, &row);

        if (c == -1)
            break;
        if (c != 0)
            exit(USAGE_EXIT);
        if (!rows[row].set(o, optarg)) {
            snprintf(message, sizeof(message), "--%s does not take '%s'", rows[row].name, optarg);
            fail(message);
        }
    }
    if (optind < argc)
        fail("there are no arguments beside options");
    check_together(o);
}
