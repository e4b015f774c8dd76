/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - the log: one line per event, to standard error or a file. Under journald (JOURNAL_STREAM is set)
 * lines carry its priority prefix and no time of their own. Threads: any.
 */
#pragma once
#include "lib/compiler.h"

#include <stdbool.h>

enum log_level {
    LOG_WARNING,
    LOG_NOTICE,
    LOG_VERBOSE,
    LOG_DEBUG,
};

/* path: NULL or "" for standard error. False: it cannot be opened (errno). */
bool log_open(const char *path);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* True and *out when the name is one of the four. */
bool log_level_by_name(const char *name, enum log_level *out);

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_verbose(...)                                                                           \
    do {                                                                                           \
        if (UNLIKELY(log_level() >= LOG_VERBOSE))                                                  \
            log_write(LOG_VERBOSE, __VA_ARGS__);                                                   \
    } while (0)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (UNLIKELY(log_level() >= LOG_DEBUG))                                                    \
            log_write(LOG_DEBUG, __VA_ARGS__);                                                     \
    } while (0)
