/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * glob.c - matching with one place to go back to: when the bytes behind a '*' do not fit, the star takes
 * one more. An earlier star need not be tried again, since the later one can take whatever it could.
 */
#include "lib/glob.h"

static unsigned char fold(char c, bool nocase)
{
    return (unsigned char)(nocase && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* The set behind the '[' at p[i]: does it hold c? Returns the index behind the set, which may also end
 * with the pattern. */
static size_t match_set(struct slice p, size_t i, unsigned char c, bool nocase, bool *match)
{
    bool negated = i + 1 < p.len && p.p[i + 1] == '^', found = false;

    for (i += negated ? 2 : 1; i < p.len && p.p[i] != ']'; i++) {
        unsigned char low, high;

        if (p.p[i] == '\\' && i + 1 < p.len) {
            i++;
            low = high = fold(p.p[i], nocase);
        } else if (i + 2 < p.len && p.p[i + 1] == '-') {
            low = fold(p.p[i], nocase);
            high = fold(p.p[i + 2], nocase);
            i += 2;
        } else {
            low = high = fold(p.p[i], nocase);
        }
        found |= (low <= c && c <= high) || (high <= c && c <= low);
    }
    *match = found != negated;
    return i < p.len ? i + 1 : i;
}

/* Match one byte by the pattern's element at i (not a star); the index behind it, or 0 for no. */
static size_t match_one(struct slice p, size_t i, char byte, bool nocase)
{
    unsigned char c = fold(byte, nocase);
    bool match = true;

    switch (p.p[i]) {
    case '?': return i + 1;
    case '[': i = match_set(p, i, c, nocase, &match); return match ? i : 0;
    case '\\':
        if (i + 1 < p.len)
            i++;
        break;
    default: break;
    }
    return fold(p.p[i], nocase) == c ? i + 1 : 0;
}

bool glob_match(struct slice pattern, struct slice text, bool nocase)
{
    size_t i = 0, t = 0, star = SIZE_MAX, star_text = 0, next;

    while (t < text.len) {
        if (i < pattern.len && pattern.p[i] == '*') {
            star = ++i;
            star_text = t;
        } else if (i < pattern.len && (next = match_one(pattern, i, text.p[t], nocase)) > 0) {
            i = next;
            t++;
        } else if (star != SIZE_MAX) {
            i = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (i < pattern.len && pattern.p[i] == '*')
        i++;
    return i == pattern.len;
}
