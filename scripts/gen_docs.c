/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gen_docs.c - writes one page of the reference from the rows in tables/ to standard output:
 * `gen_docs commands`, `gen_docs options` or `gen_docs metrics`. scripts/gen-docs compiles and runs it.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Text of a row into a cell: '|' would end the cell, '<' would start HTML. */
static void put_cell(const char *text)
{
    for (; *text; text++) {
        if (strchr("|<*_\\", *text))
            putchar('\\');
        putchar(*text);
    }
    fputs(" | ", stdout);
}

static void put_code(const char *text)
{
    if (!*text) {
        fputs("| ", stdout);
        return;
    }
    putchar('`');
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\'); /* it ends a table's cell even inside of code */
        putchar(*text);
    }
    fputs("` | ", stdout);
}

static void put_head(const char *title, const char *intro)
{
    printf("<!-- Written by scripts/gen-docs from tables/; change the row, not this page. -->\n\n"
           "# %s\n\n%s\n",
           title, intro);
}

/* ---- commands ---- */

struct command_row {
    const char *name, *protocol, *flags, *group, *summary, *reply;
    int arity, first, last, step;
};

static const struct command_row commands[] = {
#define COMMAND(id, name, protocol, arity, first, last, step, flags, handler, group, summary,      \
                reply)                                                                             \
    {name, #protocol, #flags, group, summary, reply, arity, first, last, step},
#include "tables/commands.h"
#undef COMMAND
};

/* "CMD_READ | CMD_FAST" becomes "read, fast". */
static void put_flags(const char *flags)
{
    bool some = false;

    while (*flags) {
        size_t n = strcspn(flags, " |()");

        if (n > 4 && strncmp(flags, "CMD_", 4) == 0) {
            if (some)
                fputs(", ", stdout);
            for (size_t i = 4; i < n; i++)
                putchar(flags[i] == '_' ? ' ' : tolower((unsigned char)flags[i]));
            some = true;
        }
        flags += n + (flags[n] != '\0');
    }
    fputs(" | ", stdout);
}

static void put_keys(const struct command_row *row)
{
    if (row->first == 0)
        fputs("none | ", stdout);
    else if (row->last < 0)
        printf("%d to the end%s | ", row->first, row->step == 2 ? ", every second" : "");
    else if (row->first == row->last)
        printf("%d | ", row->first);
    else
        printf("%d to %d | ", row->first, row->last);
}

static void put_command(const struct command_row *row)
{
    fputs("| ", stdout);
    put_code(row->name);
    put_cell(row->summary);
    if (row->arity < 0)
        printf("%d or more | ", -row->arity);
    else
        printf("%d | ", row->arity);
    put_keys(row);
    put_flags(row->flags);
    put_cell(row->reply);
    putchar('\n');
}

static bool same_section(const struct command_row *a, const struct command_row *b)
{
    return strcmp(a->protocol, b->protocol) == 0 && strcmp(a->group, b->group) == 0;
}

static bool is_first_of_section(size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_section(&commands[j], &commands[i]))
            return false;
    return true;
}

static void put_commands(void)
{
    put_head("Commands",
             "Either port takes both protocols. *Words* counts the words of the request, "
             "the name included; *keys* says which\nof them are keys.");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!is_first_of_section(i))
            continue;
        printf("\n## %s%s\n", strcmp(commands[i].protocol, "RESP") == 0 ? "RESP: " : "",
               commands[i].group);
        fputs("\n| Command | What it does | Words | Keys | Flags | Reply |\n"
              "|---|---|---|---|---|---|\n",
              stdout);
        for (size_t j = i; j < ARRAY_LEN(commands); j++)
            if (same_section(&commands[j], &commands[i]))
                put_command(&commands[j]);
    }
}

/* ---- options ---- */

enum option_type { INT, SIZE, MEGABYTES, PERM, BOOL, TEXT, LIST };
enum option_when { START, RELOAD };

struct option_row {
    const char *directive, *def, *flag, *prose;
    int64_t min, max;
    enum option_type type;
    enum option_when when;
    char letter;
};

static const struct option_row options[] = {
#define OPTION(id, directive, type, def, min, max, when, letter, flag, prose)                      \
    {directive, def, flag, prose, min, max, type, when, letter},
#include "tables/options.h"
#undef OPTION
};

static void put_size(int64_t n)
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    size_t u = 0;

    for (; n != 0 && n % 1024 == 0 && u + 1 < ARRAY_LEN(units); u++)
        n /= 1024;
    printf("%" PRId64 "%s", n, units[u]);
}

static void put_bound(enum option_type type, int64_t n)
{
    if (type == INT)
        printf("%" PRId64, n);
    else if (type == PERM)
        printf("%" PRIo64, (uint64_t)n);
    else
        put_size(n);
}

static void put_range(const struct option_row *row)
{
    switch (row->type) {
    case TEXT: fputs("text", stdout); break;
    case LIST: fputs("list of texts", stdout); break;
    case BOOL: fputs("yes or no", stdout); break;
    case PERM:
    case INT:
    case SIZE:
    case MEGABYTES:
        put_bound(row->type, row->min);
        if (row->max == INT64_MAX) {
            fputs(" or more", stdout);
        } else {
            fputs(" to ", stdout);
            put_bound(row->type, row->max);
        }
        break;
    }
    fputs(" | ", stdout);
}

static void put_option(const struct option_row *row)
{
    fputs("| ", stdout);
    put_code(row->directive);
    if (row->letter)
        printf("`-%c` ", row->letter);
    if (row->flag[0])
        printf("`--%s` ", row->flag);
    fputs("| ", stdout);
    put_code(row->def);
    put_range(row);
    fputs(row->when == RELOAD ? "yes | " : "no | ", stdout);
    put_cell(row->prose);
    putchar('\n');
}

static void put_options(void)
{
    put_head("Options",
             "An option is a directive of the configuration file (`--config FILE`, in the "
             "grammar of redis.conf) and, where the\ntable names one, a flag of the command "
             "line, which comes after the file and wins. *Live*: `CONFIG SET` changes it\n"
             "while the server runs.");
    fputs("\n| Directive | Flag | Default | Value | Live | Meaning |\n|---|---|---|---|---|---|\n",
          stdout);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        put_option(&options[i]);
}

/* ---- metrics ---- */

struct metric_row {
    const char *id, *kind, *unit, *stat, *section, *field, *prose;
};

static const struct metric_row metrics[] = {
#define METRIC(id, kind, scope, unit, stat, section, field, prose)                                 \
    {#id, #kind, unit, stat, section, field, prose},
#include "tables/metrics.h"
#undef METRIC
};

static void put_metric(const struct metric_row *row)
{
    fputs("| ", stdout);
    put_code(row->id);
    printf("%s | ", strcmp(row->kind, "COUNTER") == 0 ? "counter" : "gauge");
    put_cell(row->unit);
    put_code(row->stat);
    if (row->field[0])
        printf("%s: ", row->section);
    put_code(row->field);
    put_cell(row->prose);
    putchar('\n');
}

static void put_metrics(void)
{
    put_head("Metrics", "A counter only grows until it is reset; a gauge goes both ways.");
    fputs("\n| Metric | Kind | Unit | In `stats` | In `INFO` | Meaning "
          "|\n|---|---|---|---|---|---|\n",
          stdout);
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
        put_metric(&metrics[i]);
}

int main(int argc, char **argv)
{
    const char *page = argc == 2 ? argv[1] : "";

    if (strcmp(page, "commands") == 0)
        put_commands();
    else if (strcmp(page, "options") == 0)
        put_options();
    else if (strcmp(page, "metrics") == 0)
        put_metrics();
    else
        return 2;
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
