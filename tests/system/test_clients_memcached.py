# SPDX-License-Identifier: BSD-3-Clause
"""memcached's clients in Debian: pymemcache, pylibmc, libmemcached's tools and its protocol tester."""
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

import harness

try:
    import pymemcache
    from pymemcache import serde
    from pymemcache.client.base import Client, PooledClient
    from pymemcache.client.hash import HashClient
except ImportError:
    pymemcache = None
try:
    import pylibmc
except ImportError:
    pylibmc = None


@unittest.skipIf(pymemcache is None, "no pymemcache here")
class Pymemcache(harness.FreshCase):
    def client(self, **kwargs):
        kwargs.setdefault("default_noreply", False)
        kwargs.setdefault("timeout", harness.DEADLINE)
        client = Client(self.server.mc, **kwargs)
        self.addCleanup(client.close)
        return client

    def test_store_and_fetch(self):
        client = self.client()
        self.assertIsNone(client.get("a"))
        self.assertEqual(client.get("a", "default"), "default")
        self.assertTrue(client.set("a", "1"))
        self.assertEqual(client.get("a"), b"1")
        self.assertFalse(client.add("a", "2"))
        self.assertTrue(client.add("b", "2"))
        self.assertTrue(client.replace("b", "3"))
        self.assertFalse(client.replace("c", "3"))
        self.assertTrue(client.append("b", "4"))
        self.assertTrue(client.prepend("b", "2"))
        self.assertEqual(client.get("b"), b"234")
        self.assertFalse(client.append("c", "x"))
        self.assertFalse(client.prepend("c", "x"))
        self.assertTrue(client.delete("b"))
        self.assertFalse(client.delete("b"))

    def test_values_of_all_sizes(self):
        client = self.client()
        rng = random.Random(7)
        for size in [0, 1, 2, 10, 100, 1023, 1024, 1025, 4096, 16383, 16384, 16385, 65536, 300000, 1000000]:
            value = rng.randbytes(size)
            self.assertTrue(client.set("size%d" % size, value), size)
            self.assertEqual(client.get("size%d" % size), value, size)

    def test_too_large(self):
        client = self.client()
        client.set("a", "old")
        with self.assertRaisesRegex(pymemcache.exceptions.MemcacheServerError, "object too large for cache"):
            client.set("a", b"x" * (2 << 20))
        self.assertIsNone(client.get("a"))
        self.assertTrue(client.set("a", "new"))

    def test_many_keys(self):
        client = self.client()
        values = {"key%d" % index: b"%d" % index for index in range(2000)}
        self.assertEqual(client.set_many(values), [])
        self.assertEqual(client.get_many(list(values) + ["no", "none"]), values)
        self.assertEqual(len(client.gets_many(list(values)[:100])), 100)
        client.delete_many(list(values)[:1000])
        self.assertEqual(len(client.get_many(list(values))), 1000)

    def test_noreply(self):
        client = self.client(default_noreply=True)
        for index in range(500):
            client.set("n%d" % index, "v%d" % index)
        client.set("n5", "5")
        client.incr("n5", 1)
        client.delete("n0")
        client.touch("n2", 1000)
        client.append("n3", "x")
        client.add("n4", "no")
        self.assertIsNone(client.get("n0"))
        self.assertEqual(client.get("n5"), b"6")
        self.assertEqual(client.get("n3"), b"v3x")
        self.assertEqual(client.get("n4"), b"v4")
        self.assertEqual(client.get("n499"), b"v499")

    def test_cas(self):
        client = self.client()
        self.assertEqual(client.gets("a"), (None, None))
        self.assertIsNone(client.cas("a", "x", b"1"))          # not found
        client.set("a", "1")
        value, unique = client.gets("a")
        self.assertEqual(value, b"1")
        self.assertTrue(client.cas("a", "2", unique))
        self.assertIs(client.cas("a", "3", unique), False)     # exists
        self.assertEqual(client.get("a"), b"2")

    def test_cas_races(self):
        """Eight threads count with gets and cas; no increment is lost."""
        self.client().set("n", "0")
        errors = []

        def count():
            client = Client(self.server.mc, timeout=harness.DEADLINE, default_noreply=False)
            try:
                for _ in range(50):
                    while True:
                        value, unique = client.gets("n")
                        if client.cas("n", str(int(value) + 1), unique):
                            break
            except Exception as error:                     # noqa: BLE001: told to the main thread
                errors.append(error)
            finally:
                client.close()
        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(self.client().get("n"), b"400")

    def test_counters(self):
        client = self.client()
        self.assertIsNone(client.incr("n", 1))
        client.set("n", "18446744073709551610")
        self.assertEqual(client.incr("n", 5), (1 << 64) - 1)
        self.assertEqual(client.incr("n", 1), 0)
        self.assertEqual(client.incr("n", 10), 10)
        self.assertEqual(client.decr("n", 20), 0)
        client.set("s", "abc")
        with self.assertRaises(pymemcache.exceptions.MemcacheClientError):
            client.incr("s", 1)

    def test_touch_and_gat(self):
        client = self.client()
        self.assertFalse(client.touch("a", 10))
        client.set("a", "1")
        self.assertTrue(client.touch("a", 1000))
        with self.conn() as conn:
            self.assertRegex(conn.line(b"mg a t\r\n"), rb"^HD t(1000|999)$")
        self.assertTrue(client.touch("a", -1))
        self.assertIsNone(client.get("a"))

    def test_flags_through_serde(self):
        client = self.client(serde=serde.pickle_serde)
        for value in ["text", "\u00e4\u20ac", b"bytes", 12, 1 << 70, 1.5, {"a": [1, 2, (3,)]}, None, True]:
            client.set("v", value)
            self.assertEqual(client.get("v"), value)
        many = {"k%d" % index: {"n": index, "t": str(index)} for index in range(50)}
        client.set_many(many)
        self.assertEqual(client.get_many(list(many)), many)

    def test_bad_keys(self):
        client = self.client()
        for key in ["a b", "x" * 251, "a\nb", "a\0b"]:
            with self.assertRaises(pymemcache.exceptions.MemcacheIllegalInputError):
                client.set(key, "x")
        self.assertTrue(client.set("k" * 250, "x"))
        self.assertEqual(client.get("k" * 250), b"x")

    def test_flush_version_stats(self):
        client = self.client()
        client.set("a", "1")
        self.assertTrue(client.flush_all())
        self.assertIsNone(client.get("a"))
        self.assertRegex(client.version(), rb"^\d+\.\d+\.\d+")
        stats = client.stats()
        self.assertGreaterEqual(stats[b"cmd_get"], 1)
        self.assertEqual(stats[b"get_misses"], 1)
        self.assertEqual(client.stats("settings")[b"domain_socket"], b"NULL")
        self.assertIn(b"uptime", stats)
        client.quit()

    def test_pool_of_connections(self):
        client = PooledClient(self.server.mc, max_pool_size=4, timeout=harness.DEADLINE, default_noreply=False)
        errors = []

        def work(number):
            try:
                for index in range(200):
                    key = "t%d-%d" % (number, index)
                    client.set(key, key * 10)
                    assert client.get(key) == (key * 10).encode()
            except Exception as error:                     # noqa: BLE001
                errors.append(error)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        self.assertEqual(errors, [])

    def test_two_servers_by_hash(self):
        other = harness.start()
        self.addCleanup(other.discard)
        client = HashClient([self.server.mc, other.mc], default_noreply=False, timeout=harness.DEADLINE)
        values = {"key%d" % index: b"%d" % index for index in range(300)}
        client.set_many(values)
        self.assertEqual(client.get_many(list(values)), values)
        mine = self.server.stat("curr_items")
        self.assertGreater(mine, 50)
        self.assertEqual(mine + other.stat("curr_items"), 300)
        client.quit()
        client.close()
        other.stop()


@unittest.skipIf(pylibmc is None, "no pylibmc here")
class Pylibmc(harness.FreshCase):
    def client(self, *servers, **behaviors):
        servers = servers or (self.server,)
        client = pylibmc.Client(["%s:%d" % server.mc for server in servers], behaviors=behaviors)
        self.addCleanup(client.disconnect_all)
        return client

    def test_types_keep_their_flags(self):
        client = self.client()
        for value in [b"bytes", "text", 7, 1 << 40, True, {"a": 1}, [1, "2", 3.5], None]:
            self.assertTrue(client.set("v", value))
            self.assertEqual(client.get("v"), value)

    def test_all_commands(self):
        client = self.client(tcp_nodelay=True)
        self.assertIsNone(client.get("a"))
        self.assertTrue(client.add("a", b"1"))
        self.assertFalse(client.add("a", b"2"))
        self.assertTrue(client.replace("a", b"2"))
        self.assertTrue(client.append("a", b"3"))
        self.assertTrue(client.prepend("a", b"1"))
        self.assertEqual(client.get("a"), b"123")
        self.assertTrue(client.touch("a", 100))
        self.assertTrue(client.delete("a"))
        self.assertFalse(client.delete("a"))
        client.set("n", 10)
        self.assertEqual(client.incr("n", 5), 15)
        self.assertEqual(client.decr("n", 20), 0)
        with self.assertRaises(pylibmc.NotFound):
            client.incr("none")

    def test_cas(self):
        client = self.client(cas=True)
        client.set("a", 1)
        value, unique = client.gets("a")
        self.assertTrue(client.cas("a", value + 1, unique))
        self.assertFalse(client.cas("a", value + 1, unique))
        self.assertEqual(client.get("a"), 2)

    def test_multi(self):
        client = self.client()
        values = {"key%d" % index: "value %d" % index for index in range(1000)}
        self.assertEqual(client.set_multi(values), [])
        self.assertEqual(client.get_multi(list(values) + ["x", "y"]), values)
        self.assertEqual(client.get_multi(["1", "2"], key_prefix="key"), {"1": "value 1", "2": "value 2"})
        client.delete_multi(["key%d" % index for index in range(500)])
        self.assertEqual(len(client.get_multi(list(values))), 500)

    def test_big_and_compressed_values(self):
        client = self.client()
        text = "all work and no play " * 20000
        self.assertTrue(client.set("big", text, min_compress_len=1000))
        self.assertEqual(client.get("big"), text)
        noise = random.Random(3).randbytes(900000)
        self.assertTrue(client.set("noise", noise))
        self.assertEqual(client.get("noise"), noise)
        with self.assertRaises(pylibmc.Error):
            client.set("noise", noise * 2)

    def test_noreply_and_buffering(self):
        client = self.client(no_block=True, tcp_nodelay=True, _noreply=True)
        for index in range(1000):
            client.set("k%d" % index, b"%d" % index)
        reader = self.client()
        harness.await_true(lambda: reader.get("k999") == b"999", "the last noreply set")
        self.assertEqual(len(reader.get_multi(["k%d" % index for index in range(1000)])), 1000)

    def test_expiry(self):
        client = self.client()
        client.set("a", b"x", time=1)
        client.set("b", b"x", time=1000)
        harness.await_true(lambda: client.get("a") is None, "an expiry")
        self.assertEqual(client.get("b"), b"x")

    def test_ketama_over_two_servers(self):
        other = harness.start()
        self.addCleanup(other.discard)
        client = self.client(self.server, other, ketama=True, tcp_nodelay=True)
        values = {"key%d" % index: b"%d" % index for index in range(1000)}
        client.set_multi(values)
        self.assertEqual(client.get_multi(list(values)), values)
        shares = [server.stat("curr_items") for server in (self.server, other)]
        self.assertEqual(sum(shares), 1000)
        self.assertGreater(min(shares), 100)
        again = self.client(self.server, other, ketama=True)
        self.assertEqual(again.get_multi(list(values)), values)
        client.disconnect_all()
        again.disconnect_all()
        other.stop()

    def test_stats_and_flush(self):
        client = self.client()
        client.set("a", b"x")
        (name, stats), = client.get_stats()
        self.assertIn("%s:%d" % self.server.mc, str(name))
        self.assertEqual(stats["curr_items"], b"1")
        self.assertTrue(client.flush_all())
        self.assertIsNone(client.get("a"))


class Tools(harness.FreshCase):
    """libmemcached's command line tools, by either of the names that Debian gives them."""

    def tool(self, name, *args, data=None, check=True):
        path = shutil.which("memc" + name) or shutil.which("mem" + name)
        if path is None:
            self.skipTest("no libmemcached-tools here")
        done = subprocess.run([path, "--servers=%s:%d" % self.server.mc] + list(args), input=data,
                              capture_output=True, timeout=60 * harness.PATIENCE)
        if check and done.returncode:
            self.fail("%s ended with %d: %s" % (name, done.returncode, done.stderr + done.stdout))
        return done

    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def test_copy_in_and_show(self):
        data = random.Random(5).randbytes(5000)
        self.tool("cp", self.file("one", data), self.file("two", b"2"))
        self.assertEqual(self.tool("cat", "one").stdout.rstrip(b"\n"), data.rstrip(b"\n"))
        out = os.path.join(self.folder, "out")
        self.tool("cat", "--file=" + out, "one")
        with open(out, "rb") as copy:
            self.assertEqual(copy.read(), data)
        self.assertEqual(self.server.stat("curr_items"), 2)

    def test_add_replace_set(self):
        path = self.file("one", b"1")
        self.tool("cp", "--replace", path, check=False)
        self.assertEqual(self.server.stat("curr_items"), 0)
        self.tool("cp", "--add", path)
        self.file("one", b"2")
        self.tool("cp", "--add", path, check=False)
        self.assertEqual(self.tool("cat", "one").stdout.strip(), b"1")
        self.tool("cp", "--replace", path)
        self.assertEqual(self.tool("cat", "one").stdout.strip(), b"2")

    def test_exist_touch_remove(self):
        self.tool("cp", self.file("one", b"1"))
        self.assertEqual(self.tool("exist", "one", check=False).returncode, 0)
        self.assertNotEqual(self.tool("exist", "none", check=False).returncode, 0)
        self.tool("touch", "--expire=1000", "one", check=False)
        with self.conn() as conn:
            self.assertRegex(conn.line(b"mg one t\r\n"), rb"^HD t(1000|999|-1)$")
        self.tool("rm", "one")
        # asking whether a key exists, the library stores it with an exptime that is over: it goes a little later
        self.server.await_stat("curr_items", lambda items: items == 0)

    def test_stat_ping_flush(self):
        out = self.tool("stat").stdout.decode()
        self.assertRegex(out, r"curr_items: 0")
        self.assertRegex(out, r"pid: %d" % self.server.pid)
        self.tool("ping")
        self.tool("cp", self.file("one", b"1"))
        self.tool("flush")
        self.assertNotEqual(self.tool("exist", "one", check=False).returncode, 0)

    @harness.needs_tool("memccapable")
    def test_protocol_tester(self):
        """Every ASCII check of memccapable passes."""
        done = subprocess.run(["memccapable", "-h", self.server.mc[0], "-p", str(self.server.mc[1]), "-a"],
                              capture_output=True, timeout=120 * harness.PATIENCE)
        text = (done.stdout + done.stderr).decode()
        self.assertEqual(re.findall(r"^(.*)\[(?:fail|FAIL).*$", text, re.M), [], text)
        self.assertGreaterEqual(len(re.findall(r"\[pass\]", text)), 20, text)
        self.assertEqual(done.returncode, 0, text)

    @harness.needs_tool("memcslap")
    def test_load_generator(self):
        done = self.tool("slap", "--concurrency=8", "--execute-number=500", "--test=set")
        self.assertRegex(done.stdout.decode(), r"Time to set +4000 keys by +8 threads")
        self.tool("slap", "--concurrency=4", "--execute-number=500", "--initial-load=500", "--test=get")
        self.tool("slap", "--concurrency=4", "--execute-number=100", "--initial-load=500", "--test=mget")


if __name__ == "__main__":
    unittest.main()
