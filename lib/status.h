/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * status.h - what a fallible function answers. Out-parameters are written only on OK. What a peer is
 * told is a row of tables/errors.h, never derived from a status.
 */
#pragma once

enum status {
    OK = 0,
    MORE,      /* a parser: the input ends before the request does */
    BAD,       /* the input breaks the grammar; the request's error says how */
    NO_ROOM,   /* the caller's fixed space is too small for this; empty it and ask again */
    NO_MEMORY, /* the allocator or the memory limit said no */
    NOT_FOUND,
    EXISTS,
    TOO_LARGE,
    IO_AGAIN,  /* a socket is not ready */
    IO_CLOSED, /* a peer is gone, in order or not */
    IO_FAILED, /* errno tells */
};
