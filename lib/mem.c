/* SPDX-License-Identifier: BSD-3-Clause */
/* mem.c - what the process holds, and giving back. */
#include "lib/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Pages that items left are given back within a second, not ten: the memory limit is a promise about
 * the process. */
#ifndef MP_NO_JEMALLOC
const char *malloc_conf = "dirty_decay_ms:1000,muzzy_decay_ms:0,oversize_threshold:262144";
#endif

void *mem_zalloc_aligned(size_t n)
{
    void *p = NULL;

    n = (n + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    if (posix_memalign(&p, CACHE_LINE, n) != 0)
        return NULL;
    memset(p, 0, n);
    return p;
}

size_t mem_resident(void)
{
    static int fd = -1; /* kept: when descriptors run out, the figure is needed all the same */
    char text[128];
    long pages = 0;
    ssize_t n;

    if (fd < 0)
        fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%*d %ld", &pages) != 1)
        return 0;
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void mem_purge(void)
{
#ifndef MP_NO_JEMALLOC
    /* 4096 is jemalloc's name for "all arenas" (MALLCTL_ARENAS_ALL). */
    mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
#endif
}
