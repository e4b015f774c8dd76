/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - the options of tables/options.h: defaults, command line (memcached's flags), file
 * (redis.conf's grammar), and what CONFIG GET shows. Parsed before any thread exists; RELOAD options
 * may change later under relaxed atomics (numbers only).
 */
#pragma once
#include "lib/compiler.h"
#include "lib/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_list {
    char **text;
    unsigned n;
};

enum option_id {
#define OPTION(id, directive, type, def, min, max, when, letter, flag, prose) OPTION_##id,
#include "tables/options.h"
#undef OPTION
    OPTIONS
};

#define FIELD_INT(id) int64_t id;
#define FIELD_SIZE(id) int64_t id;
#define FIELD_MEGABYTES(id) int64_t id;
#define FIELD_PERM(id) int64_t id;
#define FIELD_BOOL(id) int64_t id;
#define FIELD_TEXT(id) char *id;
#define FIELD_LIST(id) struct config_list id;
struct config {
#define OPTION(id, directive, type, def, min, max, when, letter, flag, prose) FIELD_##type(id)
#include "tables/options.h"
#undef OPTION
    bool given[OPTIONS]; /* set by command line or file, not by default */
    char *file;          /* path of the configuration file, or NULL */
    int verbosity;       /* number of -v */
};

/* What to do after the command line was read. */
enum config_next {
    CONFIG_RUN,
    CONFIG_EXIT,  /* -h, -V: done, status 0 */
    CONFIG_ERROR, /* said on standard error, status 64 (EX_USAGE) */
};

/* Defaults, then the file named on the command line, then the command line. */
enum config_next config_parse(struct config *c, int argc, char **argv) MUST_USE;
void config_fini(struct config *c);

/* The value as CONFIG GET shows it, in buf; returns its length (cut to size). */
size_t config_text(const struct config *c, enum option_id id, char *buf, size_t size);
const char *config_directive(enum option_id id);
