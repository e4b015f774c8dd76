/* SPDX-License-Identifier: BSD-3-Clause */
/* config.c - one reader of option values for defaults, file and command line. */
#include "server/config.h"

#include "lib/check.h"
#include "lib/num.h"
#include "server/log.h"
#include "store/store.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum option_type { INT, SIZE, MEGABYTES, PERM, BOOL, TEXT, LIST };
enum option_when { START, RELOAD };

struct option_row {
    const char *directive, *def, *flag, *prose;
    enum option_type type;
    enum option_when when;
    int64_t min, max;
    char letter;
    size_t offset; /* in struct config */
};

static const struct option_row rows[OPTIONS] = {
#define OPTION(id, directive_, type_, def_, min_, max_, when_, letter_, flag_, prose_)             \
    [OPTION_##id] = {.directive = (directive_),                                                    \
                     .def = (def_),                                                                \
                     .flag = (flag_),                                                              \
                     .prose = (prose_),                                                            \
                     .type = (type_),                                                              \
                     .when = (when_),                                                              \
                     .min = (min_),                                                                \
                     .max = (max_),                                                                \
                     .letter = (letter_),                                                          \
                     .offset = offsetof(struct config, id)},
#include "tables/options.h"
#undef OPTION
};

#define WORDS_MAX 64
#define LINE_BYTES 4096

static int64_t *number_at(const struct config *c, enum option_id id)
{
    return (int64_t *)((char *)(uintptr_t)c + rows[id].offset);
}

static char **text_at(const struct config *c, enum option_id id)
{
    return (char **)((char *)(uintptr_t)c + rows[id].offset);
}

static struct config_list *list_at(const struct config *c, enum option_id id)
{
    return (struct config_list *)((char *)(uintptr_t)c + rows[id].offset);
}

static char *copy_text(const char *s)
{
    char *copy = strdup(s);

    CHECK(copy); /* at start */
    return copy;
}

static void list_clear(struct config_list *l)
{
    for (unsigned i = 0; i < l->n; i++)
        free(l->text[i]);
    free(l->text);
    *l = (struct config_list){0};
}

static void list_add(struct config_list *l, const char *s)
{
    char **text = realloc(l->text, (l->n + 1) * sizeof(*text));

    CHECK(text);
    l->text = text;
    l->text[l->n++] = copy_text(s);
}

/* ---- values ---- */

/* redis.conf's units: k, m, g are powers of ten, kb, mb, gb of two; memcached's -I counts k, m, g in
 * powers of two. */
static bool parse_size(const char *s, bool binary, int64_t *out)
{
    static const struct {
        const char *suffix;
        int64_t decimal, binary;
    } units[] = {
        {"", 1, 1},
        {"b", 1, 1},
        {"k", 1000, 1 << 10},
        {"kb", 1 << 10, 1 << 10},
        {"m", 1000 * 1000, 1 << 20},
        {"mb", 1 << 20, 1 << 20},
        {"g", 1000 * 1000 * 1000, 1 << 30},
        {"gb", 1 << 30, 1 << 30},
    };
    size_t digits = strspn(s, "0123456789");
    uint64_t v;

    if (!num_parse_u64(slice_of(s, digits), &v))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcasecmp(s + digits, units[i].suffix) == 0) {
            int64_t unit = binary ? units[i].binary : units[i].decimal;

            if (v > (uint64_t)(INT64_MAX / unit))
                return false;
            *out = (int64_t)v * unit;
            return true;
        }
    return false;
}

static bool parse_number(const struct option_row *row, const char *s, bool from_flag, int64_t *out)
{
    char *end;

    switch (row->type) {
    case INT: return num_parse_i64(slice_str(s), out);
    case SIZE: return parse_size(s, from_flag, out);
    case MEGABYTES:
        if (!from_flag)
            return parse_size(s, false, out);
        if (!num_parse_i64(slice_str(s), out) || *out > INT64_MAX >> 20)
            return false;
        *out <<= 20;
        return true;
    case PERM: *out = strtol(s, &end, 8); return *s && !*end;
    case BOOL: *out = strcasecmp(s, "yes") == 0; return *out || strcasecmp(s, "no") == 0;
    default: UNREACHABLE();
    }
}

/* Of the texts that name something, does this one? */
static bool is_known(enum option_id id, const char *s)
{
    enum log_level level;

    if (id == OPTION_loglevel)
        return log_level_by_name(s, &level);
    return id != OPTION_maxmemory_policy || policy_choose(s).ops;
}

/* Why a value was refused, for the message. */
static const char *set_value(struct config *c, enum option_id id, const char *s, bool from_flag)
{
    static char why[160];
    const struct option_row *row = &rows[id];
    int64_t v;

    if (row->type == TEXT && !is_known(id, s))
        return id == OPTION_loglevel ? "debug, verbose, notice or warning"
                                     : "a policy (docs/policies.md lists them)";
    if (row->type == TEXT) {
        free(*text_at(c, id));
        *text_at(c, id) = copy_text(s);
        return NULL;
    }
    if (row->type == LIST) {
        char *copy = copy_text(s), *save = NULL;

        for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save))
            list_add(list_at(c, id), w);
        free(copy);
        return NULL;
    }
    if (!parse_number(row, s, from_flag, &v)) {
        static const char *const kinds[] = {"a number", "a size such as 512kb or 1mb",
                                            "a number of megabytes", "an octal mode", "yes or no"};

        return row->type == MEGABYTES && !from_flag ? kinds[SIZE] : kinds[row->type];
    }
    if (v < row->min || v > row->max) {
        snprintf(why, sizeof(why), "from %lld to %lld", (long long)row->min, (long long)row->max);
        return why;
    }
    *number_at(c, id) = v;
    return NULL;
}

/* The first value from a source replaces what a weaker source said; more of them add to a list. */
static const char *give_value(struct config *c, enum option_id id, const char *s, bool from_flag,
                              bool seen[OPTIONS])
{
    if (rows[id].type == LIST && !seen[id])
        list_clear(list_at(c, id));
    seen[id] = true;
    c->given[id] = true;
    return set_value(c, id, s, from_flag);
}

/* ---- the file ---- */

static bool unescape(const char **s, char *out)
{
    const char *p = *s;
    unsigned byte;

    switch (*p) {
    case 'n': *out = '\n'; break;
    case 'r': *out = '\r'; break;
    case 't': *out = '\t'; break;
    case 'a': *out = '\a'; break;
    case 'b': *out = '\b'; break;
    case 'x':
        if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]) ||
            sscanf(p + 1, "%2x", &byte) != 1)
            return false;
        *out = (char)byte;
        p += 2;
        break;
    case '\0': return false;
    default: *out = *p;
    }
    *s = p + 1;
    return true;
}

/* Cut a line into words in place: blanks separate, "..." with \ escapes and '...' hold together. The
 * number of words, or -1 for unbalanced quotes. */
static int split_words(char *line, char **words)
{
    const char *p = line;
    char *to = line;
    int n = 0;

    for (;;) {
        char quote = 0;

        p += strspn(p, " \t\r\n");
        if (!*p || (n == 0 && *p == '#'))
            return n;
        if (n == WORDS_MAX)
            return -1;
        words[n++] = to;
        if (*p == '"' || *p == '\'')
            quote = *p++;
        while (*p && (quote ? *p != quote : !strchr(" \t\r\n", *p))) {
            char ch = *p++;

            if (quote == '"' && ch == '\\' && !unescape(&p, &ch))
                return -1;
            if (quote == '\'' && ch == '\\' && *p == '\'')
                ch = *p++;
            *to++ = ch;
        }
        if (quote && (*p++ != quote || (*p && !strchr(" \t\r\n", *p))))
            return -1;
        if (*p)
            p++; /* the blank, whose place the terminator takes */
        *to++ = '\0';
    }
}

static int find_directive(const char *name)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strcasecmp(rows[i].directive, name) == 0)
            return i;
    return -1;
}

static bool file_error(const char *path, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool file_error(const char *path, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: ", path, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return false;
}

static bool read_line(struct config *c, const char *path, int number, char *line,
                      bool seen[OPTIONS])
{
    char *words[WORDS_MAX];
    int n = split_words(line, words), id;

    if (n == 0)
        return true;
    if (n < 0)
        return file_error(path, number, "unbalanced quotes, or more than %d words", WORDS_MAX);
    id = find_directive(words[0]);
    if (id < 0)
        return file_error(path, number, "unknown directive \"%s\"", words[0]);
    if (n < 2 || (n > 2 && rows[id].type != LIST))
        return file_error(path, number, "%s takes %s", rows[id].directive,
                          rows[id].type == LIST ? "one value or more" : "one value");
    for (int i = 1; i < n; i++) {
        const char *why = give_value(c, (enum option_id)id, words[i], false, seen);

        if (why)
            return file_error(path, number, "%s \"%s\": expected %s", rows[id].directive, words[i],
                              why);
    }
    return true;
}

static bool read_file(struct config *c, const char *path)
{
    bool seen[OPTIONS] = {false};
    char line[LINE_BYTES];
    FILE *f = fopen(path, "re");
    bool ok = f != NULL;

    if (!f)
        fprintf(stderr, "millpond: cannot read %s: %s\n", path, strerror(errno));
    for (int number = 1; ok && fgets(line, sizeof(line), f); number++) {
        if (!strchr(line, '\n') && strlen(line) == sizeof(line) - 1)
            ok = file_error(path, number, "the line is longer than %d bytes", LINE_BYTES - 2);
        else
            ok = read_line(c, path, number, line, seen);
    }
    if (f && ferror(f)) {
        fprintf(stderr, "millpond: cannot read %s: %s\n", path, strerror(errno));
        ok = false;
    }
    if (f)
        fclose(f);
    return ok;
}

/* ---- the command line ---- */

#define FLAG_BASE 1000 /* getopt values of long flags: FLAG_BASE + option_id */
#define FLAG_CONFIG (FLAG_BASE + OPTIONS)

static void build_flags(char *letters, struct option *longs)
{
    char *p = letters;
    int n = 0;

    for (int i = 0; i < OPTIONS; i++) {
        int arg = rows[i].type == BOOL ? no_argument : required_argument;

        if (rows[i].letter) {
            *p++ = rows[i].letter;
            if (arg == required_argument)
                *p++ = ':';
        }
        longs[n++] = (struct option){rows[i].flag, arg, NULL, FLAG_BASE + i};
    }
    strcpy(p, "vhV");
    longs[n++] = (struct option){"config", required_argument, NULL, FLAG_CONFIG};
    longs[n++] = (struct option){"verbose", no_argument, NULL, 'v'};
    longs[n++] = (struct option){"help", no_argument, NULL, 'h'};
    longs[n++] = (struct option){"version", no_argument, NULL, 'V'};
    longs[n] = (struct option){NULL, 0, NULL, 0};
}

static void print_help(void)
{
    printf(
        "millpond %s\n"
        "A caching tier server for memcached and Redis clients.\n\n"
        "usage: millpond [flags]\n\n"
        "    --config FILE             read FILE first (redis.conf's grammar); flags win over it\n",
        PACKAGE_VERSION);
    for (int i = 0; i < OPTIONS; i++) {
        char flag[64];
        int n = rows[i].letter ? snprintf(flag, sizeof(flag), "-%c, ", rows[i].letter)
                               : snprintf(flag, sizeof(flag), "    ");

        snprintf(flag + n, sizeof(flag) - (size_t)n, "--%s%s", rows[i].flag,
                 rows[i].type == BOOL ? "" : " X");
        printf("%-29s %s", flag, rows[i].prose);
        if (rows[i].type != BOOL && *rows[i].def)
            printf(" (default: %s)", rows[i].def);
        printf("\n%-29s   in the file: %s\n", "", rows[i].directive);
    }
    printf("-v, --verbose                 log more; twice: everything\n"
           "-h, --help                    print this and exit\n"
           "-V, --version                 print the version and exit\n");
}

static int option_of_flag(int flag)
{
    if (flag >= FLAG_BASE)
        return flag - FLAG_BASE;
    for (int i = 0; i < OPTIONS; i++)
        if (rows[i].letter == flag)
            return i;
    return -1;
}

static bool apply_flag(struct config *c, int flag, bool seen[OPTIONS])
{
    int id = option_of_flag(flag);
    const char *text = rows[id].type == BOOL ? "yes" : optarg, *why;

    why = give_value(c, (enum option_id)id, text, true, seen);
    if (!why)
        return true;
    fprintf(stderr, "millpond: --%s \"%s\": expected %s\n", rows[id].flag, text, why);
    return false;
}

/* As in memcached: a Unix socket on the command line replaces the TCP ports, unless they are given. */
static void settle_ports(struct config *c, const bool seen[OPTIONS])
{
    if (seen[OPTION_unixsocket] && !c->given[OPTION_memcached_port])
        c->memcached_port = 0;
}

static enum config_next parse_flags(struct config *c, int argc, char **argv, bool only_file)
{
    char letters[2 * OPTIONS + 8];
    struct option longs[OPTIONS + 8];
    bool seen[OPTIONS] = {false};
    int flag;

    build_flags(letters, longs);
    optind = 0;
    opterr = !only_file; /* an unknown flag is reported once */
    while ((flag = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (flag == '?') {
            fprintf(stderr, only_file ? "" : "millpond: see millpond --help\n");
            return CONFIG_ERROR;
        }
        if (flag == FLAG_CONFIG) {
            free(c->file);
            c->file = copy_text(optarg);
        } else if (flag == 'h' && !only_file) {
            print_help();
            return CONFIG_EXIT;
        } else if (flag == 'V' && !only_file) {
            printf("millpond %s\n", PACKAGE_VERSION);
            return CONFIG_EXIT;
        } else if (flag == 'v') {
            c->verbosity += !only_file;
        } else if (!only_file && !apply_flag(c, flag, seen)) {
            return CONFIG_ERROR;
        }
    }
    if (optind < argc && !only_file) {
        fprintf(stderr, "millpond: \"%s\" is no flag; see millpond --help\n", argv[optind]);
        return CONFIG_ERROR;
    }
    settle_ports(c, seen);
    return CONFIG_RUN;
}

enum config_next config_parse(struct config *c, int argc, char **argv)
{
    for (int i = 0; i < OPTIONS; i++)
        CHECK(set_value(c, (enum option_id)i, rows[i].def, false) == NULL);
    /* Twice: first for the file alone, since flags win over it wherever they stand. */
    (void)!parse_flags(c, argc, argv, true);
    if (c->file && !read_file(c, c->file))
        return CONFIG_ERROR;
    return parse_flags(c, argc, argv, false);
}

void config_fini(struct config *c)
{
    for (int i = 0; i < OPTIONS; i++) {
        if (rows[i].type == TEXT)
            free(*text_at(c, (enum option_id)i));
        if (rows[i].type == LIST)
            list_clear(list_at(c, (enum option_id)i));
    }
    free(c->file);
}

/* ---- showing ---- */

static size_t list_text(const struct config_list *l, char *buf, size_t size)
{
    size_t n = 0;

    for (unsigned i = 0; i < l->n && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? " " : "", l->text[i]);
    return n;
}

size_t config_text(const struct config *c, enum option_id id, char *buf, size_t size)
{
    size_t n = 0;

    CHECK(size > 0);
    buf[0] = '\0';
    switch (rows[id].type) {
    case TEXT: n = (size_t)snprintf(buf, size, "%s", *text_at(c, id)); break;
    case LIST: n = list_text(list_at(c, id), buf, size); break;
    case BOOL:
        n = (size_t)snprintf(buf, size, "%s", RELAXED_LOAD(number_at(c, id)) ? "yes" : "no");
        break;
    case PERM:
        n = (size_t)snprintf(buf, size, "%llo", (unsigned long long)*number_at(c, id));
        break;
    default: n = (size_t)snprintf(buf, size, "%lld", (long long)RELAXED_LOAD(number_at(c, id)));
    }
    return n < size ? n : size - 1;
}

const char *config_directive(enum option_id id)
{
    return rows[id].directive;
}
