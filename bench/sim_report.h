/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_report.h - what the simulator found, as a table, as CSV, and as a curve in SVG. */
#pragma once
#include "bench/sim_cache.h"

#include <stdio.h>

struct sim_row {
    const char *policy; /* as it was asked for, parameters included */
    const char *size;   /* as it was asked for */
    uint64_t capacity;
    struct sim_result r;
};

/* Rows come policy by policy, the same `sizes` sizes for each. */
struct sim_report {
    const char *trace, *mode;
    const struct sim_row *rows;
    size_t n, sizes;
};

void sim_report_table(const struct sim_report *p, FILE *f);
void sim_report_csv(const struct sim_report *p, FILE *f);
/* Miss ratio over capacity, both readable off the picture without a legend elsewhere. */
void sim_report_svg(const struct sim_report *p, FILE *f);
