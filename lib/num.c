/* SPDX-License-Identifier: BSD-3-Clause */
/* num.c - decimal formatting, two digits a step (the table halves the divisions). */
#include "lib/num.h"

static const char pairs[201] = "00010203040506070809101112131415161718192021222324"
                               "25262728293031323334353637383940414243444546474849"
                               "50515253545556575859606162636465666768697071727374"
                               "75767778798081828384858687888990919293949596979899";

static unsigned digits_of(uint64_t v)
{
    unsigned n = 1;

    for (;;) {
        if (v < 10)
            return n;
        if (v < 100)
            return n + 1;
        if (v < 1000)
            return n + 2;
        if (v < 10000)
            return n + 3;
        v /= 10000;
        n += 4;
    }
}

size_t num_format_u64(char *dst, uint64_t v)
{
    unsigned n = digits_of(v);
    char *p = dst + n;

    while (v >= 100) {
        p -= 2;
        memcpy(p, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10)
        memcpy(dst, pairs + 2 * v, 2);
    else
        *dst = (char)('0' + v);
    return n;
}

size_t num_format_i64(char *dst, int64_t v)
{
    if (v >= 0)
        return num_format_u64(dst, (uint64_t)v);
    *dst = '-';
    return 1 + num_format_u64(dst + 1, 0 - (uint64_t)v);
}
