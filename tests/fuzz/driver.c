/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.c - main() of a fuzz target in builds without libFuzzer: each argument is a file, run once.
 * The file lies in a block of exactly its size, so that a sanitizer sees one byte read too far.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    long size;

    if (!f)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        data = malloc((size_t)size + (size == 0));
        *n = (size_t)size;
        if (data && fread(data, 1, *n, f) != *n) {
            free(data);
            data = NULL;
        }
    }
    fclose(f);
    return data;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t n;
        uint8_t *data = read_file(argv[i], &n);

        if (!data) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
            return 1;
        }
        /* Flushed before the call: when it crashes, the last line says on what. */
        printf("%s\n", argv[i]);
        fflush(stdout);
        LLVMFuzzerTestOneInput(data, n);
        free(data);
    }
    return 0;
}
