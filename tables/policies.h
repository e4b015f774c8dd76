/* POLICY(id, name, prose): policies/<id>.c defines `const struct policy_ops policy_<id>`. */
POLICY(lru, "lru", "strict least recently used: each hit moves the item to the front")
POLICY(noeviction, "noeviction", "evicts nothing: a write that needs memory is refused when the limit is reached")
