/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * array.h - an array of pointers in pages of 4 KiB, so that it grows without copying them, and shrinks.
 */
#pragma once
#include "policies/policy.h"

#define ARRAY_PAGE 512

struct array {
    void ***pages;
    uint32_t npages, room; /* pages in use, and places in the directory */
    uint32_t items;
};

static inline void **array_place(const struct array *a, uint32_t i)
{
    return &a->pages[i / ARRAY_PAGE][i % ARRAY_PAGE];
}

void array_fini(struct array *a, struct policy *p);

/* One item more, whose place is the caller's to fill; NO_MEMORY changes nothing. */
enum status array_grow(struct array *a, struct policy *p) MUST_USE;
/* One item less: the last. */
void array_shrink(struct array *a, struct policy *p);
