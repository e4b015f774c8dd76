/* SPDX-License-Identifier: BSD-3-Clause */
/* load_cpu.h - the CPU time that a process has used, all threads together, ended ones included. */
#pragma once
#include "lib/compiler.h"

#include <stdbool.h>

struct load_cpu {
    double total_s;          /* the scheduler's sum, in nanoseconds: the figure to divide */
    double user_s, system_s; /* /proc/PID/stat, in ticks of 10 ms: for the share of each */
};

/* False: there is no such process. */
bool load_cpu_read(int pid, struct load_cpu *out) MUST_USE;
