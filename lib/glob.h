/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * glob.h - patterns of KEYS, SCAN and CONFIG GET: '*' any bytes, '?' one byte, [abc], [a-z], [^a] one
 * byte of (not of) a set, '\' takes the next byte as it is. Time is O(pattern x text) at worst.
 */
#pragma once
#include "lib/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Does all of `text` match? nocase: ASCII letters of either case are the same. */
bool glob_match(struct slice pattern, struct slice text, bool nocase);
