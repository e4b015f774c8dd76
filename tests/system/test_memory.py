# SPDX-License-Identifier: BSD-3-Clause
"""When the machine has no memory though the limit allows more: items go, clients and the server stay."""
import collections
import unittest

import harness

ADDRESS_SPACE = 150 << 20


@harness.needs_millpond
@harness.needs_plain_build
class AddressSpace(harness.Case):
    """The allocator answers NULL (RLIMIT_AS) under a server without a limit of its own."""

    def setUp(self):
        self.server = self.start("-m", "0", wrap=("prlimit", "--as=%d" % ADDRESS_SPACE))

    def store(self, conn, keys, value, batch):
        """Pipelined sets; how often each reply came."""
        replies = collections.Counter()
        line = b" 0 0 %d\r\n%s\r\n" % (len(value), value)
        for first in range(0, keys, batch):
            conn.send(b"".join(b"set %d-%d%s" % (len(value), i, line) for i in range(first, first + batch)))
            for _ in range(batch):
                replies[conn.until()] += 1
        return replies

    def test_stores_go_on(self):
        conn = self.conn(self.server)
        large = self.store(conn, 2000, b"x" * 100000, 1)         # 200 MB
        self.assertEqual(large, {b"STORED\r\n": 2000})
        small = self.store(conn, 200000, b"y" * 10, 1000)
        self.assertGreater(small[b"STORED\r\n"], 0.999 * 200000)
        self.assertLessEqual(set(small), {b"STORED\r\n", b"SERVER_ERROR out of memory storing object\r\n"})
        self.assertGreater(self.server.stat("evictions"), 1000)

    def test_a_request_beyond_all_memory_costs_its_sender_only(self):
        other = self.conn(self.server)
        other.call(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n")
        greedy = self.conn(self.server, "resp")
        with self.assertRaises((harness.Closed, OSError)):
            greedy.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$500000000\r\n")
            for _ in range(5000):
                greedy.send(b"z" * 100000)
            greedy.until()
        other.call(b"set k 0 0 1\r\n2\r\n", b"STORED\r\n")
        other.call(b"get k\r\n", b"VALUE k 0 1\r\n2\r\nEND\r\n")
        self.assertIn("no memory for its request of 500000034 bytes", self.server.stderr())


if __name__ == "__main__":
    unittest.main()
