/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz.h - what a fuzz target defines. With --enable-fuzzing libFuzzer calls it on inputs that it
 * makes; without, driver.c calls it on the files named on the command line, so that the corpus of
 * each target is a regression test of every build.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* data[0..n) is read only and gone after the call. Returns 0; a finding is a crash. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
