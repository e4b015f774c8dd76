/* SPDX-License-Identifier: BSD-3-Clause */
/* policy.c - the list of policies, read from tables/policies.h; making and ending an instance. */
#include "policies/policy.h"

#include "lib/mem.h"

#include <string.h>

#define POLICY(id, name, prose) extern const struct policy_ops policy_##id;
#define POLICY_ALIAS(name, id, volatile_only)
#include "tables/policies.h"
#undef POLICY
#undef POLICY_ALIAS

static const struct {
    const struct policy_ops *ops;
    const char *prose;
} rows[] = {
#define POLICY(id, name, prose) {&policy_##id, prose},
#define POLICY_ALIAS(name, id, volatile_only)
#include "tables/policies.h"
#undef POLICY
#undef POLICY_ALIAS
};

static const struct {
    const char *name;
    struct policy_choice choice;
} aliases[] = {
#define POLICY(id, name, prose)
#define POLICY_ALIAS(name, id, volatile_only) {name, {&policy_##id, volatile_only}},
#include "tables/policies.h"
#undef POLICY
#undef POLICY_ALIAS
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define ALIASES (sizeof(aliases) / sizeof(aliases[0]))

const struct policy_ops *policy_at(unsigned i)
{
    return i < ROWS ? rows[i].ops : NULL;
}

const char *policy_prose(unsigned i)
{
    return i < ROWS ? rows[i].prose : NULL;
}

const struct policy_ops *policy_by_name(const char *name)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (strcmp(rows[i].ops->name, name) == 0)
            return rows[i].ops;
    return NULL;
}

struct policy_choice policy_choose(const char *name)
{
    for (unsigned i = 0; i < ALIASES; i++)
        if (strcmp(aliases[i].name, name) == 0)
            return aliases[i].choice;
    return (struct policy_choice){.ops = policy_by_name(name)};
}

struct policy *policy_new(const struct policy_ops *ops, const struct policy_host *host,
                          const double *param)
{
    struct policy *p = mem_zalloc_aligned(ops->state_bytes);
    double normal[POLICY_PARAMS];

    if (!p)
        return NULL;
    for (unsigned i = 0; i < POLICY_PARAMS; i++)
        normal[i] = ops->params[i].normal;
    if (host)
        p->host = *host;
    ops->init(p, param ? param : normal);
    return p;
}

void policy_free(const struct policy_ops *ops, struct policy *p)
{
    if (!p)
        return;
    ops->fini(p);
    free(p);
}
