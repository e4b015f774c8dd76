/* SPDX-License-Identifier: BSD-3-Clause */
/* array.c - the pages of array.h. */
#include "policies/array.h"

#include "lib/mem.h"

#include <string.h>

#define PAGE_BYTES (ARRAY_PAGE * sizeof(void *))

static void page_drop(struct array *a, struct policy *p)
{
    a->npages--;
    mem_free(a->pages[a->npages], PAGE_BYTES);
    p->memory -= PAGE_BYTES;
}

void array_fini(struct array *a, struct policy *p)
{
    while (a->npages)
        page_drop(a, p);
    p->memory -= a->room * sizeof(*a->pages);
    mem_free(a->pages, a->room * sizeof(*a->pages));
    *a = (struct array){.pages = NULL};
}

static enum status directory_grow(struct array *a, struct policy *p)
{
    uint32_t room = a->room ? 2 * a->room : 8;
    void ***pages = mem_alloc(room * sizeof(*pages));

    if (!pages)
        return NO_MEMORY;
    if (a->room)
        memcpy(pages, a->pages, a->room * sizeof(*pages));
    mem_free(a->pages, a->room * sizeof(*pages));
    p->memory += (room - a->room) * sizeof(*pages);
    a->pages = pages;
    a->room = room;
    return OK;
}

enum status array_grow(struct array *a, struct policy *p)
{
    if (a->items == a->npages * ARRAY_PAGE) {
        void **page;

        if (a->npages == a->room && directory_grow(a, p) != OK)
            return NO_MEMORY;
        page = mem_alloc(PAGE_BYTES);
        if (!page)
            return NO_MEMORY;
        p->memory += PAGE_BYTES;
        a->pages[a->npages++] = page;
    }
    a->items++;
    return OK;
}

void array_shrink(struct array *a, struct policy *p)
{
    a->items--;
    /* One page to spare, so that growing and shrinking by turns does not allocate each time. */
    if (a->npages > 1 && a->items <= (a->npages - 2) * ARRAY_PAGE)
        page_drop(a, p);
}
