/* SPDX-License-Identifier: BSD-3-Clause */
/* load_report.c - latencies are printed in microseconds. */
#include "bench/load_report.h"

static const struct {
    const char *name;
    double share;
} quantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999},
};

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

bool load_report_is_good(const struct load_report *r)
{
    const struct load_counts *c = &r->counts;

    return c->wrong == 0 && c->lost == 0 && c->unanswered == 0 && r->message[0] == 0;
}

static double min_us(const struct histogram *h)
{
    return h->count ? us(h->min) : 0;
}

/* ---- text ---- */

static void text_latency(FILE *out, const char *name, const struct histogram *h)
{
    if (h->count == 0)
        return;
    fprintf(out, "  %-10s %9.1f %9.1f", name, histogram_mean(h) / 1e3, min_us(h));
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        fprintf(out, " %9.1f", us(histogram_value_at(h, quantiles[i].share)));
    fprintf(out, " %9.1f\n", us(h->max));
}

static void text_latencies(const struct load_report *r, FILE *out)
{
    fprintf(out, "latency, us %9s %9s", "mean", "min");
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        fprintf(out, " %9s", quantiles[i].name);
    fprintf(out, " %9s\n", "max");
    text_latency(out, "GET", &r->get_ns);
    text_latency(out, "SET", &r->set_ns);
    if (r->get_ns.count && r->set_ns.count)
        text_latency(out, "all", &r->all_ns);
    text_latency(out, "(sent late)", &r->late_ns);
}

static void text_cpu(const struct load_report *r, FILE *out)
{
    double requests = (double)r->all_ns.count;
    double split = r->server.user_s + r->server.system_s;

    fprintf(out, "generator   CPU %.3f us/request, busy %.0f %% of %u thread%s\n",
            ratio(r->generator_cpu_s, requests) * 1e6,
            100 * ratio(r->generator_cpu_s, r->elapsed_s * r->options->threads),
            r->options->threads, r->options->threads > 1 ? "s" : "");
    if (!r->has_server)
        return;
    fprintf(out, "server      CPU %.3f us/request (user %.0f %%, system %.0f %%), busy %.0f %%\n",
            ratio(r->server.total_s, requests) * 1e6, 100 * ratio(r->server.user_s, split),
            100 * ratio(r->server.system_s, split), 100 * ratio(r->server.total_s, r->elapsed_s));
}

void load_report_text(const struct load_report *r, FILE *out)
{
    const struct load_counts *c = &r->counts;

    if (r->options->preload)
        fprintf(out, "preload     %lu keys in %.2f s\n", (unsigned long)r->options->keys.keys,
                r->preload_s);
    if (r->elapsed_s > 0) {
        fprintf(out, "requests    %lu in %.2f s: %lu hits, %lu misses, %lu stored\n",
                (unsigned long)r->all_ns.count, r->elapsed_s, (unsigned long)c->hits,
                (unsigned long)c->misses, (unsigned long)c->stored);
        fprintf(out, "throughput  %.0f requests/s, %.1f MB/s out, %.1f MB/s in\n",
                ratio((double)r->all_ns.count, r->elapsed_s),
                ratio((double)c->bytes_out, r->elapsed_s) / 1e6,
                ratio((double)c->bytes_in, r->elapsed_s) / 1e6);
        text_latencies(r, out);
        text_cpu(r, out);
    }
    if (c->unsent)
        fprintf(
            out,
            "behind      %lu requests were due at the end and not sent: connections were busy\n",
            (unsigned long)c->unsent);
    if (!load_report_is_good(r))
        fprintf(out, "FAILED      %lu wrong replies, %lu connections lost, %lu unanswered: %s\n",
                (unsigned long)c->wrong, (unsigned long)c->lost, (unsigned long)c->unanswered,
                r->message);
}

/* ---- JSON ---- */

static void json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ' || c >= 127)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void json_latency(FILE *out, const char *name, const struct histogram *h)
{
    fprintf(out, "  \"%s\": {\"count\": %lu, \"mean\": %.3f, \"min\": %.3f", name,
            (unsigned long)h->count, histogram_mean(h) / 1e3, min_us(h));
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        fprintf(out, ", \"%s\": %.3f", quantiles[i].name,
                us(histogram_value_at(h, quantiles[i].share)));
    fprintf(out, ", \"max\": %.3f},\n", us(h->max));
}

static void json_config(const struct load_report *r, FILE *out)
{
    const struct load_options *o = r->options;

    fprintf(out,
            "  \"config\": {\"protocol\": \"%s\", \"threads\": %u, \"connections\": %u, "
            "\"depth\": %u, \"gets\": %u, \"sets\": %u, \"keys\": %lu, \"rate\": %.3f, "
            "\"seed\": %lu},\n",
            o->protocol->name, o->threads, o->connections, o->depth, o->gets, o->sets,
            (unsigned long)o->keys.keys, o->rate, (unsigned long)o->seed);
}

void load_report_json(const struct load_report *r, FILE *out)
{
    const struct load_counts *c = &r->counts;
    double requests = (double)r->all_ns.count;

    fprintf(out, "{\n");
    json_config(r, out);
    fprintf(out, "  \"ok\": %s,\n  \"message\": ", load_report_is_good(r) ? "true" : "false");
    json_string(out, r->message);
    fprintf(out, ",\n  \"preload_s\": %.6f,\n  \"elapsed_s\": %.6f,\n", r->preload_s, r->elapsed_s);
    fprintf(out, "  \"requests\": %lu,\n  \"requests_per_s\": %.3f,\n",
            (unsigned long)r->all_ns.count, ratio(requests, r->elapsed_s));
    fprintf(out, "  \"hits\": %lu,\n  \"misses\": %lu,\n  \"stored\": %lu,\n",
            (unsigned long)c->hits, (unsigned long)c->misses, (unsigned long)c->stored);
    fprintf(out,
            "  \"wrong\": %lu,\n  \"lost\": %lu,\n  \"unanswered\": %lu,\n  \"unsent\": %lu,\n",
            (unsigned long)c->wrong, (unsigned long)c->lost, (unsigned long)c->unanswered,
            (unsigned long)c->unsent);
    fprintf(out, "  \"bytes_out\": %lu,\n  \"bytes_in\": %lu,\n", (unsigned long)c->bytes_out,
            (unsigned long)c->bytes_in);
    json_latency(out, "get_us", &r->get_ns);
    json_latency(out, "set_us", &r->set_ns);
    json_latency(out, "latency_us", &r->all_ns);
    json_latency(out, "late_us", &r->late_ns);
    if (r->has_server)
        fprintf(out,
                "  \"server\": {\"cpu_us_per_request\": %.6f, \"cpu_s\": %.6f, \"user_s\": %.2f, "
                "\"system_s\": %.2f},\n",
                ratio(r->server.total_s, requests) * 1e6, r->server.total_s, r->server.user_s,
                r->server.system_s);
    fprintf(out, "  \"generator\": {\"cpu_us_per_request\": %.6f, \"cpu_s\": %.6f}\n}\n",
            ratio(r->generator_cpu_s, requests) * 1e6, r->generator_cpu_s);
}
