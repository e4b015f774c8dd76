/* SPDX-License-Identifier: BSD-3-Clause */
/* errors.c - the wire texts of tables/errors.h. */
#include "proto/request.h"

const struct slice error_mc[ERRORS] = {
#define ERROR(id, mc, resp) [ERR_##id] = {mc, sizeof(mc) - 1},
#include "tables/errors.h"
#undef ERROR
};

const struct slice error_resp[ERRORS] = {
#define ERROR(id, mc, resp) [ERR_##id] = {resp, sizeof(resp) - 1},
#include "tables/errors.h"
#undef ERROR
};
