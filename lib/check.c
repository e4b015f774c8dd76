/* SPDX-License-Identifier: BSD-3-Clause */
/* check.c - the end of a process whose invariant broke. */
#include "lib/check.h"

#include <stdio.h>
#include <stdlib.h>

static check_hook_fn hook_fn;

void check_set_hook(check_hook_fn hook)
{
    hook_fn = hook;
}

void check_failed(const char *expr, const char *file, int line, const char *func)
{
    char text[512];

    snprintf(text, sizeof(text), "check failed: %s, in %s at %s:%d", expr, func, file, line);
    if (hook_fn)
        hook_fn(text);
    else
        fprintf(stderr, "%s\n", text);
    abort();
}
