/* SPDX-License-Identifier: BSD-3-Clause */
/* policy.c - the list of policies, read from tables/policies.h. */
#include "policies/policy.h"

#include <string.h>

#define POLICY(id, name, prose) extern const struct policy_ops policy_##id;
#include "tables/policies.h"
#undef POLICY

static const struct policy_ops *const rows[] = {
#define POLICY(id, name, prose) &policy_##id,
#include "tables/policies.h"
#undef POLICY
};

const struct policy_ops *policy_at(unsigned i)
{
    return i < sizeof(rows) / sizeof(rows[0]) ? rows[i] : NULL;
}

const struct policy_ops *policy_by_name(const char *name)
{
    for (unsigned i = 0; policy_at(i); i++)
        if (strcmp(policy_at(i)->name, name) == 0)
            return policy_at(i);
    return NULL;
}
