/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_report.c - table, CSV and SVG. */
#include "bench/sim_report.h"

#include <math.h>
#include <string.h>

static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

static bool has_bytes(const struct sim_report *p)
{
    return strcmp(p->mode, "bytes") == 0;
}

void sim_report_table(const struct sim_report *p, FILE *f)
{
    fprintf(f, "%s, capacity in %s: share of requests that miss%s\n", p->trace, p->mode,
            has_bytes(p) ? ", of bytes in brackets" : "");
    fprintf(f, "%-28s", "policy");
    for (size_t i = 0; i < p->sizes; i++)
        fprintf(f, has_bytes(p) ? " %17s" : " %8s", p->rows[i].size);
    for (size_t i = 0; i < p->n; i++) {
        const struct sim_result *r = &p->rows[i].r;

        if (i % p->sizes == 0)
            fprintf(f, "\n%-28s", p->rows[i].policy);
        fprintf(f, " %8.4f", ratio(r->misses, r->requests));
        if (has_bytes(p))
            fprintf(f, " (%.4f)", ratio(r->bytes_missed, r->bytes));
    }
    fprintf(f, "\n");
}

void sim_report_csv(const struct sim_report *p, FILE *f)
{
    fprintf(f, "trace,mode,policy,size,capacity,requests,misses,miss_ratio,bytes,bytes_missed,"
               "byte_miss_ratio,items,policy_memory\n");
    for (size_t i = 0; i < p->n; i++) {
        const struct sim_row *w = &p->rows[i];

        fprintf(f, "%s,%s,%s,%s,%llu,%llu,%llu,%.6f,%llu,%llu,%.6f,%llu,%llu\n", p->trace, p->mode,
                w->policy, w->size, (unsigned long long)w->capacity,
                (unsigned long long)w->r.requests, (unsigned long long)w->r.misses,
                ratio(w->r.misses, w->r.requests), (unsigned long long)w->r.bytes,
                (unsigned long long)w->r.bytes_missed, ratio(w->r.bytes_missed, w->r.bytes),
                (unsigned long long)w->r.items, (unsigned long long)w->r.policy_memory);
    }
}

/* ---- the curve ---- */

enum { WIDTH = 760, HEIGHT = 460, LEFT = 60, RIGHT = 150, TOP = 40, BOTTOM = 50 };

static const char *const colours[] = {
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#7f7f7f",
    "#bcbd22", "#17becf", "#000000", "#005f73", "#ae2012", "#6a994e", "#b5179e",
};
#define COLOURS (sizeof(colours) / sizeof(colours[0]))

struct frame {
    double left, right, low, high; /* log of capacity; miss ratio */
};

static double x_of(const struct frame *a, double capacity)
{
    double span = a->right > a->left ? a->right - a->left : 1;

    return LEFT + (log(capacity) - a->left) / span * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct frame *a, double miss)
{
    double span = a->high > a->low ? a->high - a->low : 1;

    return TOP + (a->high - miss) / span * (HEIGHT - TOP - BOTTOM);
}

static struct frame frame_of(const struct sim_report *p)
{
    struct frame a = {.left = INFINITY, .right = -INFINITY, .low = 1, .high = 0};

    for (size_t i = 0; i < p->n; i++) {
        double x = log((double)p->rows[i].capacity),
               y = ratio(p->rows[i].r.misses, p->rows[i].r.requests);

        a.left = fmin(a.left, x);
        a.right = fmax(a.right, x);
        a.low = fmin(a.low, y);
        a.high = fmax(a.high, y);
    }
    a.low = floor(a.low * 20) / 20;
    a.high = ceil(a.high * 20) / 20;
    return a;
}

static void axes(const struct sim_report *p, const struct frame *a, FILE *f)
{
    for (int i = 0; i <= 5; i++) {
        double miss = a->low + (a->high - a->low) * i / 5, y = y_of(a, miss);

        fprintf(f, "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f' stroke='#ddd'/>", LEFT, y,
                WIDTH - RIGHT, y);
        fprintf(f, "<text x='%d' y='%.1f' text-anchor='end'>%.2f</text>\n", LEFT - 6, y + 4, miss);
    }
    for (size_t i = 0; i < p->sizes; i++)
        fprintf(f, "<text x='%.1f' y='%d' text-anchor='middle'>%s</text>\n",
                x_of(a, (double)p->rows[i].capacity), HEIGHT - BOTTOM + 18, p->rows[i].size);
    fprintf(f, "<text x='%d' y='%d' text-anchor='middle'>capacity (%s, logarithmic)</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, p->mode);
    fprintf(f, "<text x='%d' y='22'>%s: share of requests that miss</text>\n", LEFT, p->trace);
}

/* Names beside the ends of their lines, pushed apart where they would meet. */
static void names(const struct sim_report *p, const struct frame *a, FILE *f)
{
    enum { MOST = 64, APART = 14 };
    size_t n = p->n / p->sizes < MOST ? p->n / p->sizes : MOST, order[MOST];
    double y[MOST], last = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        const struct sim_row *end = &p->rows[i * p->sizes + p->sizes - 1];
        size_t at = i;

        y[i] = y_of(a, ratio(end->r.misses, end->r.requests));
        for (; at > 0 && y[order[at - 1]] > y[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (size_t i = 0; i < n; i++) {
        double at = fmax(y[order[i]], last + APART);

        fprintf(f, "<text x='%d' y='%.1f' fill='%s'>%s</text>\n", WIDTH - RIGHT + 8, at + 4,
                colours[order[i] % COLOURS], p->rows[order[i] * p->sizes].policy);
        last = at;
    }
}

void sim_report_svg(const struct sim_report *p, FILE *f)
{
    struct frame a = frame_of(p);

    fprintf(f,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
            "font-family='sans-serif' font-size='12'>\n<rect width='100%%' height='100%%' "
            "fill='white'/>\n",
            WIDTH, HEIGHT);
    axes(p, &a, f);
    for (size_t i = 0; i < p->n; i += p->sizes) {
        fprintf(f, "<polyline fill='none' stroke-width='1.5' stroke='%s' points='",
                colours[i / p->sizes % COLOURS]);
        for (size_t j = i; j < i + p->sizes; j++)
            fprintf(f, "%.1f,%.1f ", x_of(&a, (double)p->rows[j].capacity),
                    y_of(&a, ratio(p->rows[j].r.misses, p->rows[j].r.requests)));
        fprintf(f, "'/>\n");
    }
    names(p, &a, f);
    fprintf(f, "</svg>\n");
}
