# SPDX-License-Identifier: BSD-3-Clause
"""memcached's and Redis's clients on the same keys: values, flags, uniques and expiry are one item's."""
import threading
import time
import unittest

import harness


@harness.needs_millpond
class SameItems(harness.SharedCase):
    def setUp(self):
        super().setUp()
        self.mc = self.conn("mc")
        self.resp = self.conn("resp")

    def test_what_one_stores_the_other_reads(self):
        self.mc.call(b"set a 42 0 5\r\nhello\r\n", b"STORED\r\n")
        self.assertEqual(self.resp.command("GET", "a"), b"$5\r\nhello\r\n")
        self.assertEqual(self.resp.command("SET", "b", "world"), b"+OK\r\n")
        self.mc.call(b"get b\r\n", b"VALUE b 0 5\r\nworld\r\nEND\r\n")
        self.assertEqual(self.resp.command("DBSIZE"), b":2\r\n")
        self.mc.call(b"delete a\r\n", b"DELETED\r\n")
        self.assertEqual(self.resp.command("EXISTS", "a", "b"), b":1\r\n")
        self.assertEqual(self.resp.command("DEL", "b"), b":1\r\n")
        self.mc.call(b"get a b\r\n", b"END\r\n")

    def test_types(self):
        self.mc.call(b"set a 0 0 5\r\nhello\r\n", b"STORED\r\n")
        self.assertEqual(self.resp.command("TYPE", "a"), b"+string\r\n")
        self.assertEqual(self.resp.command("STRLEN", "a"), b":5\r\n")

    def test_flags_travel(self):
        """An update in place keeps memcached's flags, a new value clears them."""
        self.mc.call(b"set a 42 0 1\r\n1\r\n", b"STORED\r\n")
        self.assertEqual(self.resp.command("APPEND", "a", "2"), b":2\r\n")
        self.mc.call(b"get a\r\n", b"VALUE a 42 2\r\n12\r\nEND\r\n")
        self.assertEqual(self.resp.command("INCR", "a"), b":13\r\n")
        self.mc.call(b"get a\r\n", b"VALUE a 42 2\r\n13\r\nEND\r\n")
        self.assertEqual(self.resp.command("SETRANGE", "a", "0", "9"), b":2\r\n")
        self.mc.call(b"get a\r\n", b"VALUE a 42 2\r\n93\r\nEND\r\n")
        self.assertEqual(self.resp.command("SET", "a", "x"), b"+OK\r\n")
        self.mc.call(b"get a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n")

    def unique(self, key):
        self.mc.send(b"mg %s c\r\n" % key)
        return self.mc.until()[4:-2]

    def test_every_change_by_resp_changes_the_unique(self):
        for change in (("SET", "a", "1"), ("APPEND", "a", "1"), ("INCR", "a"), ("DECRBY", "a", "2"),
                       ("INCRBYFLOAT", "a", "1.5"), ("SETRANGE", "a", "0", "7"), ("GETSET", "a", "5"),
                       ("MSET", "a", "6"), ("SETEX", "a", "100", "7")):
            with self.subTest(change=change[0]):
                self.mc.call(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
                before = self.unique(b"a")
                self.resp.command(*change)
                self.assertNotEqual(self.unique(b"a"), before)
                self.mc.call(b"cas a 0 0 1 %s\r\nz\r\n" % before, b"EXISTS\r\n")

    def test_reads_and_expiry_by_resp_keep_the_unique(self):
        self.mc.call(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
        before = self.unique(b"a")
        for read in (("GET", "a"), ("MGET", "a", "b"), ("STRLEN", "a"), ("GETRANGE", "a", "0", "1"), ("EXPIRE", "a", "100"),
                     ("PERSIST", "a"), ("GETEX", "a", "EX", "50"), ("TTL", "a"), ("TOUCH", "a"), ("SETNX", "a", "x")):
            with self.subTest(read=read[0]):
                self.resp.command(*read)
                self.assertEqual(self.unique(b"a"), before)

    def test_expiry_is_one(self):
        self.mc.call(b"set a 0 100 1\r\n1\r\n", b"STORED\r\n")
        self.assertIn(self.resp.command("TTL", "a"), (b":100\r\n", b":99\r\n"))
        self.assertEqual(self.resp.command("EXPIRE", "a", "1000"), b":1\r\n")
        self.assertIn(self.mc.line(b"mg a t\r\n"), (b"HD t1000", b"HD t999"))
        self.mc.call(b"touch a 0\r\n", b"TOUCHED\r\n")
        self.assertEqual(self.resp.command("TTL", "a"), b":-1\r\n")
        self.mc.call(b"set a 0 %d 1\r\n1\r\n" % (int(time.time()) + 500), b"STORED\r\n")
        self.assertRegex(self.resp.command("TTL", "a"), rb"^:(500|499|498)\r\n$")
        self.assertEqual(self.resp.command("PERSIST", "a"), b":1\r\n")
        self.assertEqual(self.mc.line(b"mg a t\r\n"), b"HD t-1")
        self.assertEqual(self.resp.command("PEXPIRE", "a", "40"), b":1\r\n")
        harness.await_true(lambda: self.mc.line(b"mg a\r\n") == b"EN", "an expiry")
        self.mc.call(b"set a 0 -1 1\r\n1\r\n", b"STORED\r\n")
        self.assertEqual(self.resp.command("EXISTS", "a"), b":0\r\n")

    def test_stale_items(self):
        """An invalidated item is still a value for RESP, and a SET makes it fresh again."""
        self.mc.call(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
        self.mc.call(b"md a I\r\n", b"HD\r\n")
        self.assertEqual(self.resp.command("GET", "a"), b"$1\r\n1\r\n")
        self.mc.call(b"mg a\r\n", b"HD X W\r\n")
        self.assertEqual(self.resp.command("SET", "a", "2"), b"+OK\r\n")
        self.mc.call(b"mg a v\r\n", b"VA 1\r\n2\r\n")

    def test_numbers(self):
        self.mc.call(b"set n 0 0 2\r\n41\r\n", b"STORED\r\n")
        self.assertEqual(self.resp.command("INCR", "n"), b":42\r\n")
        self.mc.call(b"incr n 8\r\n", b"50\r\n")
        self.assertEqual(self.resp.command("DECRBY", "n", "100"), b":-50\r\n")
        self.mc.call(b"incr n 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
        self.mc.call(b"set n 0 0 20\r\n18446744073709551615\r\n", b"STORED\r\n")
        self.assertEqual(self.resp.command("INCR", "n"), b"-ERR value is not an integer or out of range\r\n")

    def test_memcached_lives_in_database_0(self):
        self.assertEqual(self.resp.command("SELECT", "3"), b"+OK\r\n")
        self.assertEqual(self.resp.command("SET", "a", "three"), b"+OK\r\n")
        self.mc.call(b"get a\r\n", b"END\r\n")
        self.mc.call(b"set a 0 0 1\r\n0\r\n", b"STORED\r\n")
        self.assertEqual(self.resp.command("GET", "a"), b"$5\r\nthree\r\n")
        self.assertEqual(self.resp.command("FLUSHDB"), b"+OK\r\n")
        self.mc.call(b"get a\r\n", b"VALUE a 0 1\r\n0\r\nEND\r\n")
        self.assertEqual(self.resp.command("FLUSHALL"), b"+OK\r\n")
        self.mc.call(b"get a\r\n", b"END\r\n")

    def test_keys_beyond_the_text_protocol(self):
        """RESP takes longer keys and any bytes; memcached's text does not see them, and nothing breaks."""
        self.assertEqual(self.resp.command("SET", b"k" * 1000, "long"), b"+OK\r\n")
        self.assertEqual(self.resp.command("SET", "a b", "blank"), b"+OK\r\n")
        self.assertEqual(self.resp.command("SET", "", "empty"), b"+OK\r\n")
        self.mc.call(b"get a b\r\n", b"END\r\n")
        self.mc.call(b"get %s\r\n" % (b"k" * 1000), b"CLIENT_ERROR bad command line format\r\n")
        self.mc.call(b"mg YSBi b v\r\n", b"VA 5\r\nblank\r\n")          # base64 of "a b"
        self.assertEqual(self.resp.command("GET", b"k" * 1000), b"$4\r\nlong\r\n")

    def test_both_count_at_once(self):
        """Increments from both protocols at the same time: none is lost."""
        self.mc.call(b"set n 0 0 1\r\n0\r\n", b"STORED\r\n")

        def by_mc():
            with self.server.conn("mc") as conn:
                for _ in range(1000):
                    conn.line(b"incr n 1\r\n")

        def by_resp():
            with self.server.conn("resp") as conn:
                for _ in range(1000):
                    conn.command("INCR", "n")
        threads = [threading.Thread(target=work) for work in (by_mc, by_resp) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.resp.command("GET", "n"), b"$4\r\n6000\r\n")

    def test_both_protocols_on_one_port_at_once(self):
        for kind in ("mc", "resp"):
            first, second = self.conn(kind), self.conn(kind)
            first.call(b"mn\r\n", b"MN\r\n")
            self.assertEqual(second.command("SET", "a", kind), b"+OK\r\n")
            first.call(b"get a\r\n", b"VALUE a 0 %d\r\n%s\r\nEND\r\n" % (len(kind), kind.encode()))


if __name__ == "__main__":
    unittest.main()
