/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load_cpu.c - a process has a CPU clock that anybody may read (clock_getcpuclockid), which counts
 * what /proc/PID/task/TID/schedstat shows for one thread. The split into user and system time is
 * only in /proc/PID/stat, in ticks.
 */
#include "bench/load_cpu.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool read_split(int pid, struct load_cpu *out)
{
    char path[64], text[1024];
    unsigned long user, system;
    const char *fields;
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "r");
    if (!file)
        return false;
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = 0;
    /* The second field is the name in parentheses, which may hold anything. */
    fields = strrchr(text, ')');
    if (!fields || sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) != 2)
        return false;
    out->user_s = (double)user / (double)sysconf(_SC_CLK_TCK);
    out->system_s = (double)system / (double)sysconf(_SC_CLK_TCK);
    return true;
}

bool load_cpu_read(int pid, struct load_cpu *out)
{
    struct load_cpu cpu;
    struct timespec ts;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0 ||
        !read_split(pid, &cpu))
        return false;
    cpu.total_s = (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
    *out = cpu;
    return true;
}
