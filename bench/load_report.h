/* SPDX-License-Identifier: BSD-3-Clause */
/* load_report.h - what a run of the load generator found, and its two printed forms. */
#pragma once
#include "bench/load_cpu.h"
#include "bench/load_worker.h"

#include <stdio.h>

struct load_report {
    const struct load_options *options;
    double preload_s;
    double elapsed_s; /* of the measured part */
    struct load_counts counts;
    struct histogram get_ns, set_ns, all_ns, late_ns;
    double generator_cpu_s;
    bool has_server;
    struct load_cpu server; /* used in elapsed_s */
    const char *message;    /* what went wrong first; empty: nothing */
};

/* True when the run counts: all replies came and were right. */
bool load_report_is_good(const struct load_report *r);

void load_report_text(const struct load_report *r, FILE *out);
void load_report_json(const struct load_report *r, FILE *out);
