# SPDX-License-Identifier: BSD-3-Clause
"""RESP's clients in Debian: redis-py, redis-cli and redis-benchmark."""
import os
import random
import re
import subprocess
import threading
import time
import unittest

import harness

try:
    import redis
except ImportError:
    redis = None


@unittest.skipIf(redis is None, "no redis-py here")
class RedisPy(harness.SharedCase):
    def client(self, **kwargs):
        host, port = self.server.resp
        client = redis.Redis(host=host, port=port, socket_timeout=harness.DEADLINE, **kwargs)
        self.addCleanup(client.connection_pool.disconnect)
        return client

    def test_strings(self):
        client = self.client()
        self.assertIsNone(client.get("a"))
        self.assertTrue(client.set("a", "1"))
        self.assertEqual(client.get("a"), b"1")
        self.assertEqual(client.getset("a", "2"), b"1")
        self.assertEqual(client.append("a", "34"), 3)
        self.assertEqual(client.strlen("a"), 3)
        self.assertEqual(client.getrange("a", 1, -1), b"34")
        self.assertEqual(client.setrange("a", 1, "xx"), 3)
        self.assertEqual(client.get("a"), b"2xx")
        self.assertEqual(client.getdel("a"), b"2xx")
        self.assertEqual(client.type("a"), b"none")
        client.set("a", "x")
        self.assertEqual(client.type("a"), b"string")
        self.assertEqual(client.substr("a", 0, 5), b"x")
        self.assertEqual(client.echo("hi"), b"hi")
        self.assertTrue(client.ping())

    def test_set_options(self):
        client = self.client()
        self.assertIsNone(client.set("a", "1", xx=True))
        self.assertTrue(client.set("a", "1", nx=True))
        self.assertIsNone(client.set("a", "2", nx=True))
        self.assertTrue(client.set("a", "2", xx=True, ex=100))
        self.assertIn(client.ttl("a"), (99, 100))
        self.assertTrue(client.set("a", "3", keepttl=True))
        self.assertIn(client.ttl("a"), (99, 100))
        self.assertEqual(client.set("a", "4", get=True), b"3")
        self.assertEqual(client.ttl("a"), -1)
        self.assertTrue(client.set("a", "5", px=100000))
        self.assertTrue(99000 < client.pttl("a") <= 100000)
        self.assertTrue(client.set("a", "6", exat=int(time.time()) + 100))
        self.assertTrue(98 <= client.ttl("a") <= 100)
        self.assertTrue(client.set("a", "6", pxat=int(time.time() * 1000) + 100000))
        self.assertTrue(98000 <= client.pttl("a") <= 100000)
        self.assertTrue(client.setex("a", 100, "7"))
        self.assertTrue(client.psetex("a", 100000, "8"))
        self.assertFalse(client.setnx("a", "9"))
        with self.assertRaisesRegex(redis.ResponseError, "invalid expire time in 'set' command"):
            client.set("a", "x", ex=-5)

    def test_counters(self):
        client = self.client()
        self.assertEqual(client.incr("n"), 1)
        self.assertEqual(client.incr("n", 10), 11)
        self.assertEqual(client.decr("n", 20), -9)
        self.assertEqual(client.incrbyfloat("f", "10.5"), 10.5)
        self.assertEqual(client.incrbyfloat("f", "0.1"), 10.6)
        client.set("s", "abc")
        with self.assertRaisesRegex(redis.ResponseError, "value is not an integer or out of range"):
            client.incr("s")
        with self.assertRaisesRegex(redis.ResponseError, "value is not a valid float"):
            client.incrbyfloat("s", 1)

    def test_expiry(self):
        client = self.client()
        self.assertFalse(client.expire("a", 10))
        client.set("a", "1")
        self.assertTrue(client.expire("a", 100))
        self.assertIn(client.ttl("a"), (99, 100))
        self.assertTrue(client.persist("a"))
        self.assertEqual(client.ttl("a"), -1)
        self.assertTrue(client.pexpireat("a", int(time.time() * 1000) + 50000))
        self.assertTrue(client.expireat("a", int(time.time()) + 100))
        self.assertEqual(client.getex("a", persist=True), b"1")
        self.assertEqual(client.ttl("a"), -1)
        self.assertEqual(client.getex("a", ex=50), b"1")
        self.assertIn(client.ttl("a"), (49, 50))
        self.assertEqual(client.ttl("none"), -2)
        client.pexpire("a", 30)
        harness.await_true(lambda: client.get("a") is None, "an expiry")
        self.assertEqual(client.exists("a"), 0)

    def test_keys(self):
        client = self.client()
        client.mset({"a": 1, "b": 2, "c": 3})
        self.assertEqual(client.mget("a", "x", "c"), [b"1", None, b"3"])
        self.assertEqual(client.exists("a", "b", "x", "a"), 3)
        self.assertEqual(client.touch("a", "x"), 1)
        self.assertEqual(client.delete("a", "x"), 1)
        self.assertEqual(client.unlink("b"), 1)
        self.assertEqual(client.dbsize(), 1)
        self.assertTrue(client.msetnx({"d": 1, "e": 2}))
        self.assertFalse(client.msetnx({"e": 3, "f": 4}))
        self.assertEqual(client.dbsize(), 3)
        self.assertTrue(client.flushdb())
        self.assertEqual(client.dbsize(), 0)

    def test_databases(self):
        one, two = self.client(db=0), self.client(db=9)
        one.set("a", "0")
        self.assertIsNone(two.get("a"))
        two.set("a", "9")
        self.assertEqual((one.get("a"), two.get("a")), (b"0", b"9"))
        one.flushdb()
        self.assertEqual((one.dbsize(), two.dbsize()), (0, 1))
        two.flushall()
        self.assertEqual(two.dbsize(), 0)

    def test_pipeline(self):
        client = self.client()
        pipe = client.pipeline(transaction=False)
        for index in range(5000):
            pipe.set("k%d" % index, index)
            pipe.incr("k%d" % index)
        replies = pipe.execute()
        self.assertEqual(replies, [reply for index in range(5000) for reply in (True, index + 1)])
        pipe.get("k1").incr("none").get("none").execute_command("NOSUCH")
        replies = pipe.execute(raise_on_error=False)
        self.assertEqual(replies[:3], [b"2", 1, b"1"])
        self.assertRegex(str(replies[3]), "unknown command")

    def test_big_values(self):
        client = self.client()
        rng = random.Random(9)
        for size in (0, 1, 1000, 16383, 16384, 16385, 70000, 1 << 20, 5 << 20, 20 << 20):
            value = rng.randbytes(1000) * (size // 1000) + b"x" * (size % 1000)
            self.assertTrue(client.set("big", value))
            self.assertEqual(client.strlen("big"), size)
            self.assertTrue(client.get("big") == value, size)
        client.set("big", b"")

    def test_any_bytes(self):
        client = self.client()
        for key in (b"", b"\0", b"\r\n", bytes(range(256)), "\u20ac".encode(), b"k" * 60000):
            client.set(key, key[::-1])
            self.assertEqual(client.get(key), key[::-1])
        self.assertEqual(client.dbsize(), 6)

    def test_many_threads(self):
        client, errors = self.client(), []

        def work(number):
            try:
                for index in range(300):
                    client.incr("shared")
                    client.set("t%d" % number, index)
                    assert client.get("t%d" % number) == b"%d" % index
            except Exception as error:                     # noqa: BLE001: told to the main thread
                errors.append(error)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(client.get("shared"), b"2400")

    def test_server_talk(self):
        client = self.client()
        info = client.info()
        self.assertEqual(info["role"], "master")
        self.assertGreaterEqual(int(info["redis_version"].split(".")[0]), 7)
        self.assertIn("used_memory", info)
        self.assertIn("connected_clients", client.info("clients"))
        self.assertIn("maxmemory", client.config_get("maxmemory"))
        self.assertGreater(client.client_id(), 0)
        self.assertTrue(client.client_setname("me"))
        self.assertGreater(client.command_count() if hasattr(client, "command_count") else
                           client.execute_command("COMMAND", "COUNT"), 40)

    def test_resp3(self):
        """Debian's redis-py speaks RESP2 only; this is its socket with HELLO 3 by hand."""
        conn = self.conn("resp")
        self.assertTrue(conn.command("HELLO", "3").startswith(b"%"))
        self.assertEqual(conn.command("GET", "none"), b"_\r\n")
        self.assertEqual(conn.command("SET", "a", "1"), b"+OK\r\n")
        self.assertEqual(conn.command("MGET", "a", "none"), b"*2\r\n$1\r\n1\r\n_\r\n")
        self.assertTrue(conn.command("CONFIG", "GET", "maxmemory").startswith(b"%1\r\n"))
        self.assertTrue(conn.command("COMMAND", "DOCS", "get").startswith(b"%1\r\n"))


@harness.needs_tool("redis-cli")
class RedisCli(harness.SharedCase):
    def cli(self, *args, data=b"", check=True, env=None):
        host, port = self.server.resp
        done = subprocess.run(["redis-cli", "-h", host, "-p", str(port)] + list(args), input=data, capture_output=True,
                              timeout=120 * harness.PATIENCE, env=dict(os.environ, **(env or {})))
        if check and done.returncode:
            self.fail("redis-cli %s ended with %d: %s" % (args, done.returncode, done.stderr + done.stdout))
        return done.stdout.decode("latin-1")

    def test_replies_raw_and_not(self):
        self.assertEqual(self.cli("SET", "a", "1"), "OK\n")
        self.assertEqual(self.cli("GET", "a"), "1\n")
        self.assertEqual(self.cli("--no-raw", "GET", "a"), '"1"\n')
        self.assertEqual(self.cli("--no-raw", "GET", "none"), "(nil)\n")
        self.assertEqual(self.cli("--no-raw", "INCR", "a"), "(integer) 2\n")
        self.assertEqual(self.cli("--no-raw", "MGET", "a", "x"), '1) "2"\n2) (nil)\n')
        self.assertEqual(self.cli("--csv", "MGET", "a", "x"), '"2",NULL\n')
        self.assertEqual(self.cli("-3", "--no-raw", "GET", "x"), "(nil)\n")
        self.assertEqual(self.cli("-3", "--no-raw", "MGET", "a", "x"), '1) "2"\n2) (nil)\n')
        self.assertEqual(self.cli("--json", "MGET", "a", "x"), '["2",null]\n')
        self.assertIn("ERR unknown command", self.cli("NOSUCH", check=False))
        self.assertEqual(self.cli("-n", "5", "DBSIZE"), "0\n")
        self.assertEqual(self.cli("-r", "3", "INCR", "n"), "1\n2\n3\n")

    def test_commands_from_standard_input(self):
        lines = "".join("SET k%d value%d\n" % (index, index) for index in range(200)) + "DBSIZE\n"
        self.assertEqual(self.cli(data=lines.encode()), "OK\n" * 200 + "200\n")
        self.assertEqual(self.cli(data=b'SET a "x y\\n"\nGET a\n'), "OK\nx y\n\n")

    def test_last_argument_from_standard_input(self):
        noise = random.Random(4).randbytes(200000)
        self.assertEqual(self.cli("-x", "SET", "big", data=noise), "OK\n")
        self.assertEqual(self.cli("STRLEN", "big"), "200000\n")
        self.assertEqual(self.cli("GET", "big").encode("latin-1"), noise + b"\n")
        self.assertEqual(self.cli("-X", "tag", "MSET", "t", "tag", data=b"here"), "OK\n")
        self.assertEqual(self.cli("GET", "t"), "here\n")

    def test_mass_insertion(self):
        data = b"".join(harness.resp_command("SET", "pipe%d" % index, "x" * (index % 300)) for index in range(20000))
        out = self.cli("--pipe", data=data)
        self.assertIn("errors: 0, replies: 20000", out)
        self.assertEqual(self.cli("DBSIZE"), "20000\n")
        out = self.cli("--pipe", data=b"".join(b"SET in%d %d\r\n" % (index, index) for index in range(5000)))
        self.assertIn("errors: 0, replies: 5000", out)
        bad = harness.resp_command("SET", "a", "x") + harness.resp_command("INCR", "a")
        self.assertIn("errors: 1, replies: 2", self.cli("--pipe", data=bad, check=False))

    def test_big_values_in_a_pipe(self):
        value = b"0123456789" * 100000
        data = b"".join(harness.resp_command("SET", "big%d" % index, value) for index in range(8))
        self.assertIn("errors: 0, replies: 8", self.cli("--pipe", data=data))
        self.assertEqual(self.cli("STRLEN", "big7"), "1000000\n")

    def test_latency_mode_and_time(self):
        host, port = self.server.resp
        with subprocess.Popen(["redis-cli", "-h", host, "-p", str(port), "--latency"], stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL) as cli:
            line = cli.stdout.read(4)
            cli.terminate()
        self.assertRegex(line, rb"^(\d+ |min:)")


@harness.needs_tool("redis-benchmark")
class RedisBenchmark(harness.SharedCase):
    def bench(self, *args):
        host, port = self.server.resp
        done = subprocess.run(["redis-benchmark", "-h", host, "-p", str(port), "-n", "3000", "-c", "20", "--csv"]
                              + list(args), capture_output=True, timeout=120 * harness.PATIENCE)
        text = (done.stdout + done.stderr).decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertNotRegex(text, r"(?i)error|could not fetch|warning")
        rows = re.findall(r'^"([^"]+)","(\d+\.\d+)"', text, re.M)
        for name, rate in rows:
            self.assertGreater(float(rate), 100, name)
        return [name.split(" ")[0] for name, _ in rows]

    TESTS = "ping_inline,ping_mbulk,set,get,incr,mset"

    def test_one_by_one(self):
        self.assertEqual(self.bench("-t", self.TESTS), ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"])

    def test_pipelined(self):
        self.assertEqual(len(self.bench("-t", self.TESTS, "-P", "16")), 6)

    def test_random_keys_and_threads(self):
        self.assertEqual(self.bench("-t", "set,get", "-r", "1000", "-d", "5000", "--threads", "2", "-P", "4"),
                         ["SET", "GET"])

    def test_own_command_and_resp3(self):
        self.assertEqual(len(self.bench("-3", "SET", "key:__rand_int__", "x", "EX", "100")), 1)


if __name__ == "__main__":
    unittest.main()
