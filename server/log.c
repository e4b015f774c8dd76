/* SPDX-License-Identifier: BSD-3-Clause */
/* log.c - formatting and writing log lines; a line leaves with one write, so lines never mix. */
#include "server/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;
static enum log_level level_now = LOG_NOTICE;

static const char *const names[] = {"warning", "notice", "verbose", "debug"};
static const int priorities[] = {4, 5, 6, 7}; /* of sd-daemon(3) */

bool log_open(const char *path)
{
    int fd;

    if (!path || !*path)
        return true;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return false;
    log_fd = fd;
    return true;
}

void log_set_level(enum log_level level)
{
    RELAXED_STORE(&level_now, level);
}

enum log_level log_level(void)
{
    return RELAXED_LOAD(&level_now);
}

bool log_level_by_name(const char *name, enum log_level *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

static int prefix(char *line, size_t size, enum log_level level)
{
    struct timespec ts;
    struct tm tm;
    size_t n;

    if (log_fd == STDERR_FILENO && getenv("JOURNAL_STREAM"))
        return snprintf(line, size, "<%d>", priorities[level]);
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    n = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
    return (int)n + snprintf(line + n, size - n, ".%03ldZ %s ", ts.tv_nsec / 1000000, names[level]);
}

void log_write(enum log_level level, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    int n, m;

    if (level > log_level())
        return;
    n = prefix(line, sizeof(line), level);
    va_start(ap, fmt);
    m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
    va_end(ap);
    n += m < (int)sizeof(line) - n - 1 ? m : (int)sizeof(line) - n - 2;
    line[n++] = '\n';
    /* A log that cannot be written must not stop the server. */
    if (write(log_fd, line, (size_t)n) < 0)
        return;
}
