/* OPTION(id, directive, type, text default, min, max, when, letter, flag, prose)
 *
 * id         field of struct config: int64_t for INT, SIZE (bytes; k, m, g suffixes, kb, mb, gb are powers
 *            of two), MEGABYTES (the flag counts megabytes, the directive bytes), PERM (octal) and BOOL
 *            (yes/no; its flag takes no value); char * for TEXT; a list of texts for LIST
 * directive  its name in the configuration file and in CONFIG GET
 * default    as text, read by the same code as the file
 * min, max   of numbers, in units of the field
 * when       RELOAD: CONFIG SET changes it while running; START: only at start
 * letter     of memcached's flag, or 0
 * flag       long flag without its dashes (memcached's name where there is one) */
OPTION(memcached_port, "memcached-port", INT, "11211", -1, 65535, START, 'p', "port", "TCP port of the memcached protocol; 0: none, -1: any free one")
OPTION(resp_port, "port", INT, "0", -1, 65535, START, 0, "resp-port", "TCP port of RESP (Redis's protocol); 0: none, -1: any free one")
OPTION(bind, "bind", LIST, "127.0.0.1 -::1", 0, 0, START, 'l', "listen", "addresses to listen on; a leading '-' tolerates one that this machine has not")
OPTION(unixsocket, "unixsocket", TEXT, "", 0, 0, START, 's', "unix-socket", "path of a Unix socket to listen on; with it on the command line no TCP port is opened unless asked for")
OPTION(unixsocketperm, "unixsocketperm", PERM, "700", 0, 0777, START, 'a', "unix-mask", "access of the Unix socket, octal")
OPTION(maxmemory, "maxmemory", MEGABYTES, "64mb", 0, INT64_MAX, RELOAD, 'm', "memory-limit", "memory limit of the process, beyond what an empty server takes; 0: none (the flag counts megabytes)")
OPTION(maxmemory_policy, "maxmemory-policy", TEXT, "s3fifo", 0, 0, START, 0, "policy", "what is evicted when the limit is reached: s3fifo, lru, slru, lfu, fifo, clock, random, sieve, tinylfu, arc, 2q, gdsf, ttl, noeviction, or Redis's allkeys-lru, allkeys-lfu, allkeys-random, volatile-lru, volatile-lfu, volatile-random, volatile-ttl (docs/policies.md)")
OPTION(disable_evictions, "disable-evictions", BOOL, "no", 0, 1, START, 'M', "disable-evictions", "answer an error instead of evicting when memory is full (maxmemory-policy noeviction)")
OPTION(maxclients, "maxclients", INT, "1024", 1, 10000000, START, 'c', "conn-limit", "most client connections at once")
OPTION(threads, "threads", INT, "0", 0, 120, START, 't', "threads", "worker threads; 0: one for each CPU")
OPTION(item_size_max, "item-size-max", SIZE, "1mb", 1024, 536870912, START, 'I', "max-item-size", "largest value of memcached's commands")
OPTION(proto_max_bulk_len, "proto-max-bulk-len", SIZE, "512mb", 1048576, 536870912, START, 0, "proto-max-bulk-len", "largest argument, and so value, of RESP's commands")
OPTION(client_output_limit, "client-output-limit", SIZE, "1gb", 65536, INT64_MAX, RELOAD, 0, "client-output-limit", "unsent reply bytes of one connection above which it is closed")
OPTION(tcp_backlog, "tcp-backlog", INT, "1024", 1, 65535, START, 'b', "listen-backlog", "connections that may wait to be accepted")
OPTION(tcp_keepalive, "tcp-keepalive", INT, "300", 0, 86400, RELOAD, 0, "tcp-keepalive", "seconds of silence after which a peer is probed; 0: never")
OPTION(timeout, "timeout", INT, "0", 0, 31536000, RELOAD, 0, "idle-timeout", "seconds of silence after which a connection is closed; 0: never")
OPTION(loglevel, "loglevel", TEXT, "notice", 0, 0, RELOAD, 0, "loglevel", "debug, verbose, notice or warning")
OPTION(logfile, "logfile", TEXT, "", 0, 0, START, 0, "logfile", "file to log to; empty: standard error")
OPTION(user, "user", TEXT, "", 0, 0, START, 'u', "user", "user to become when started as root")
OPTION(daemonize, "daemonize", BOOL, "no", 0, 1, START, 'd', "daemon", "go to the background once the ports are open")
OPTION(pidfile, "pidfile", TEXT, "", 0, 0, START, 'P', "pidfile", "file to write the process id to")
OPTION(shutdown_timeout, "shutdown-timeout", INT, "5", 0, 3600, RELOAD, 0, "shutdown-timeout", "seconds that a stop may wait for clients to take their replies")
OPTION(databases, "databases", INT, "16", 1, 16, START, 0, "databases", "databases that SELECT can name")
