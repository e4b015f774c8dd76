# SPDX-License-Identifier: BSD-3-Clause
"""The memory limit: no store fails, resident memory stays within limit x 1.05 + 16 MiB, the least recently used go."""
import random
import unittest

import harness

MIB = 1 << 20


@harness.needs_plain_build
@harness.needs_millpond
class Memory(harness.Case):
    def bound(self, megabytes):
        return int(megabytes * MIB * 1.05) + 16 * MIB

    def fill(self, conn, server, megabytes, times, sizes, prefix=b"k", kind="mc", watch=True):
        """Sets of `times` x the limit; every reply is checked, and memory after each batch. Returns the count."""
        rng = random.Random(megabytes)
        blob = rng.randbytes(max(sizes))
        total, index, worst = 0, 0, 0
        reply = b"STORED\r\n" if kind == "mc" else b"+OK\r\n"
        while total < times * megabytes * MIB:
            batch, count, size = [], 0, 0
            while size < 256 * 1024:
                length = rng.choice(sizes)
                if kind == "mc":
                    batch.append(b"set %s%d 0 0 %d\r\n%s\r\n" % (prefix, index, length, blob[:length]))
                else:
                    batch.append(harness.resp_command("SET", b"%s%d" % (prefix, index), blob[:length]))
                index += 1
                count += 1
                size += length + 60
            conn.send(b"".join(batch))
            got = conn.recv(count * len(reply))
            self.assertEqual(got, reply * count)
            total += size
            if watch:
                worst = max(worst, server.rss())
        self.assertLess(worst, self.bound(megabytes), "resident memory %.1f MiB for -m %d" % (worst / MIB, megabytes))
        return index

    def test_small_limits(self):
        for megabytes in (2, 8):
            for sizes in ([100], [10, 100, 1000, 10000]):
                with self.subTest(megabytes=megabytes, sizes=sizes):
                    server = self.start("-m", str(megabytes))
                    with server.conn() as conn:
                        count = self.fill(conn, server, megabytes, 10, sizes)
                        self.assertGreater(server.stat("evictions"), count // 2)
                        self.assertGreater(server.stat("curr_items"), 0)
                        conn.call(b"set last 0 0 4\r\nlast\r\n", b"STORED\r\n")
                        conn.call(b"get last\r\n", b"VALUE last 0 4\r\nlast\r\nEND\r\n")

    def test_64_megabytes(self):
        server = self.start("-m", "64")
        with server.conn("resp") as conn:
            self.fill(conn, server, 64, 10, [1000, 5000, 30000], kind="resp")

    def test_values_change_their_size(self):
        """Filled with small, then only large, then only tiny values: no store fails, memory stays bounded."""
        server = self.start("-m", "32")
        with server.conn() as conn:
            self.fill(conn, server, 32, 2, [100], prefix=b"a")
            self.fill(conn, server, 32, 4, [10240], prefix=b"b")
            self.fill(conn, server, 32, 1, [40], prefix=b"c")
            self.fill(conn, server, 32, 4, [900000], prefix=b"d")
            self.fill(conn, server, 32, 1, [100, 100000], prefix=b"e")

    def churn(self, conn, count):
        """`count` keys are set once each; a hundred others are read after every 500 of them. Returns those of the
        hundred that were ever missing, and which of the keys set once are there at the end."""
        lost, there = set(), []
        for index in range(100):
            conn.call(b"set hot%d 0 0 1000\r\n%s\r\n" % (index, b"h" * 1000), b"STORED\r\n")
        for start in range(0, count, 500):
            conn.send(b"".join(b"set cold%d 0 0 1000\r\n%s\r\n" % (index, b"c" * 1000)
                               for index in range(start, start + 500)))
            self.assertEqual(conn.recv(500 * 8), b"STORED\r\n" * 500)
            conn.send(b"".join(b"mg hot%d\r\n" % index for index in range(100)))
            lost.update(index for index in range(100) if conn.until() != b"HD\r\n")
        for start in range(0, count, 500):
            conn.send(b"".join(b"mg cold%d u\r\n" % index for index in range(start, start + 500)))
            there += [start + offset for offset in range(500) if conn.until() == b"HD\r\n"]
        return lost, there

    def test_least_recently_used_go_first(self):
        """Strict order within each shard, so nearly so over all of them."""
        server = self.start("-m", "16", "--policy", "lru", threads=1)
        with server.conn() as conn:
            count = 40000
            lost, there = self.churn(conn, count)
        self.assertEqual(lost, set(), "read all the time, and gone")
        self.assertGreater(len(there), 8000)
        ages = [(count - index) / len(there) for index in there]    # 1.0: as old as strict order over all allows
        self.assertLess(ages[len(ages) // 100], 1.35)
        self.assertLess(ages[0], 1.6)
        self.assertLess(ages[len(ages) // 5], 1.0)

    def test_what_is_read_stays_in_a_small_cache(self):
        """-m 8 holds some 7,000 of these values; one that was read 500 sets ago is nowhere near the end."""
        for _ in range(3):
            server = self.start("-m", "8", "--policy", "lru", threads=1)
            with server.conn() as conn:
                lost, there = self.churn(conn, 24000)
            self.assertEqual(lost, set(), "read all the time, and gone")
            self.assertGreater(len(there), 2500)

    def test_no_evictions_when_told_so(self):
        server = self.start("-m", "8", "-M")
        with server.conn() as conn:
            value, failed = b"x" * 1000, 0
            for index in range(20000):
                if conn.line(b"set k%d 0 0 1000\r\n%s\r\n" % (index, value)) != b"STORED":
                    failed += 1
                    break
            self.assertEqual(failed, 1)
            self.assertEqual(conn.line(b"set other 0 0 1000\r\n%s\r\n" % value), b"SERVER_ERROR out of memory storing object")
            conn.call(b"mg k0\r\n", b"HD\r\n")
            self.assertEqual(server.stat("evictions"), 0)
            with server.conn("resp") as resp:
                self.assertTrue(resp.command("SET", "other", value).startswith(b"-OOM "))
            conn.call(b"flush_all\r\n", b"OK\r\n")
            harness.await_true(lambda: conn.line(b"set k 0 0 1000\r\n%s\r\n" % value) == b"STORED", "room after the flush")


if __name__ == "__main__":
    unittest.main()
