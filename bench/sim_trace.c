/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_trace.c - reading and multiplying a trace. */
#include "bench/sim_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OBJECTS_MAX (UINT32_C(1) << 28)

static void *grow(void *p, size_t need, size_t *room, size_t each)
{
    size_t n = *room ? *room : 4096;

    if (need <= *room)
        return p;
    while (n < need)
        n *= 2;
    p = realloc(p, n * each);
    if (!p)
        return NULL;
    memset((char *)p + *room * each, 0, (n - *room) * each);
    *room = n;
    return p;
}

bool sim_trace_add(struct sim_trace *t, uint32_t object, uint32_t size)
{
    uint32_t *p;

    if (object >= OBJECTS_MAX)
        return false;
    p = grow(t->request, t->requests + 1, &t->request_room, sizeof(*p));
    if (!p)
        return false;
    t->request = p;
    p = grow(t->size, object + 1, &t->object_room, sizeof(*p));
    if (!p)
        return false;
    t->size = p;
    t->request[t->requests++] = object;
    t->size[object] = size;
    if (object >= t->objects)
        t->objects = object + 1;
    return true;
}

void sim_trace_free(struct sim_trace *t)
{
    free(t->request);
    free(t->size);
    *t = (struct sim_trace){.request = NULL};
}

/* A reader of the file's text; *child is the decompressor's process or 0. */
static FILE *open_text(const char *path, pid_t *child)
{
    size_t len = strlen(path);
    int ends[2];
    FILE *f;

    *child = 0;
    if (len < 3 || strcmp(path + len - 3, ".xz") != 0)
        return fopen(path, "r");
    if (access(path, R_OK) != 0 || pipe(ends) != 0)
        return NULL;
    *child = fork();
    if (*child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("xz", "xz", "-dc", "--", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    f = *child > 0 ? fdopen(ends[0], "r") : NULL;
    if (!f)
        close(ends[0]);
    return f;
}

static const char *read_lines(struct sim_trace *t, FILE *f)
{
    char line[128];

    while (fgets(line, sizeof(line), f)) {
        char *end;
        unsigned long object = strtoul(line, &end, 10), size = strtoul(end, &end, 10);

        if (end == line || size == 0 || size > UINT32_MAX || object >= OBJECTS_MAX)
            return "a line is not \"key_id size\", or too large";
        if (!sim_trace_add(t, (uint32_t)object, (uint32_t)size))
            return "no memory";
    }
    return t->requests ? NULL : "it is empty";
}

const char *sim_trace_read(struct sim_trace *t, const char *path)
{
    const char *error;
    pid_t child;
    int status = 0;
    FILE *f = open_text(path, &child);

    *t = (struct sim_trace){.request = NULL};
    if (!f)
        return "it cannot be opened";
    error = read_lines(t, f);
    fclose(f);
    if (child > 0 && (waitpid(child, &status, 0) != child || status != 0) && !error)
        error = "xz failed";
    if (error)
        sim_trace_free(t);
    return error;
}

bool sim_trace_multiply(struct sim_trace *t, unsigned copies, unsigned scale)
{
    struct sim_trace big = {.request = NULL};

    if ((uint64_t)t->objects * copies > OBJECTS_MAX)
        return false;
    for (size_t i = 0; i < t->requests; i++)
        for (unsigned c = 0; c < copies; c++) {
            uint64_t size = (uint64_t)t->size[t->request[i]] * scale;

            if (size <= UINT32_MAX &&
                sim_trace_add(&big, t->request[i] * copies + c, (uint32_t)size))
                continue;
            sim_trace_free(&big);
            return false;
        }
    sim_trace_free(t);
    *t = big;
    return true;
}

uint64_t sim_trace_bytes(const struct sim_trace *t)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < t->objects; i++)
        sum += t->size[i];
    return sum;
}
