/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * listen.h - the listening sockets: opened before the workers start, accepted from on the main thread's
 * loop, each new socket handed to the worker with the fewest connections.
 */
#pragma once
#include "lib/compiler.h"
#include "lib/status.h"

struct server;

/* Open all that the configuration asks for; says on the log what fails and why. Fills the server's
 * bound ports. */
enum status listen_open(struct server *s) MUST_USE;
/* Begin and end accepting on s->loop. */
void listen_start(struct server *s);
void listen_close(struct server *s);
/* Write the bound ports to the file that MEMCACHED_PORT_FILENAME names, as memcached does. */
enum status listen_write_ports(const struct server *s) MUST_USE;
