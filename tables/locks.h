/* LOCK(id, level, guards)
 * A thread takes locks only in rising order of level; several SHARD locks are taken in ascending order
 * of shard number. docs/locking.md has the rules. */
LOCK(WORKERS, 10, "the list of workers while connections are counted, listed or handed over")
LOCK(INBOX, 20, "a worker's inbox of new connections and messages")
LOCK(SHARD, 30, "one shard: its indexes, its policy, its counters and the items in it")
LOCK(METRICS, 35, "the values that counters had at the last reset")
LOCK(RETIRE, 40, "the list of memory that waits until no worker can still look at it")
