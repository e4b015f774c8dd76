#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Everything at once, bounded in time (STRESS_SECONDS, default 10), with a checker.

A value tells its key, its writer's generation and a checksum over its filling. Each key has one writer, whose
generations only grow. So a reader can tell: another key's value, torn bytes, an older generation after a newer one.
Writers, readers, a killer of connections and a flusher are processes of their own. At the end the server must be
alive and consistent (the count of items is what a walk finds), and end with status 0 and no sanitizer report.
"""
import multiprocessing
import os
import random
import sys
import time
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import harness  # noqa: E402

SECONDS = float(os.environ.get("STRESS_SECONDS", "10"))
KEYS = 4000                                     # of each writer; with the sizes below far more than -m
WRITERS = 4


def key_of(writer, index):
    return b"w%d:%d" % (writer, index)


def value_of(key, generation, size):
    """key generation checksum filling; the filling differs with key and generation."""
    filling = (b"%s/%d." % (key, generation)) * (size // (len(key) + 4) + 1)
    filling = filling[:size]
    return b"%s %d %08x %s" % (key, generation, zlib.crc32(filling), filling)


def check(key, value):
    """The generation of a value, or AssertionError."""
    parts = value.split(b" ", 3)
    assert len(parts) == 4, "torn: %r" % value[:100]
    assert parts[0] == key, "the value of %r at %r" % (parts[0], key)
    assert int(parts[2], 16) == zlib.crc32(parts[3]), "checksum of %r (generation %r)" % (key, parts[1])
    return int(parts[1])


class Peer:
    """A client of one protocol with the few calls that the stress needs."""

    def __init__(self, server, kind, either):
        # either port takes either protocol
        self.kind = kind
        self.conn = harness.Conn(server[either])
        if kind == "mc":
            self.conn.call(b"mn\r\n", b"MN\r\n")

    def set(self, key, value, milliseconds=0):
        if self.kind == "mc":
            seconds = (milliseconds + 999) // 1000
            self.conn.call(b"set %s 0 %d %d\r\n%s\r\n" % (key, seconds, len(value), value), b"STORED\r\n")
        else:
            options = ["PX", milliseconds] if milliseconds else []
            got = self.conn.command("SET", key, value, *options)
            assert got == b"+OK\r\n", got

    def get(self, keys):
        """{key: value} of those there."""
        out = {}
        if self.kind == "mc":
            self.conn.send(b"get " + b" ".join(keys) + b"\r\n")
            while True:
                words = self.conn.until().split()
                if words == [b"END"]:
                    return out
                assert words[0] == b"VALUE", words
                out[words[1]] = self.conn.recv(int(words[3]))
                self.conn.expect(b"\r\n")
        self.conn.send(harness.resp_command("MGET", *keys))
        assert self.conn.until() == b"*%d\r\n" % len(keys)
        for key in keys:
            reply = self.conn.resp()
            if not reply.startswith(b"$-1"):
                out[key] = reply.split(b"\r\n", 1)[1][:-2]
        return out

    def delete(self, key):
        if self.kind == "mc":
            self.conn.line(b"delete %s\r\n" % key)
        else:
            self.conn.command("DEL", key)

    def touch(self, key, seconds):
        if self.kind == "mc":
            self.conn.line(b"touch %s %d\r\n" % (key, seconds))
        else:
            self.conn.command("EXPIRE", key, seconds)


def writer(server, number, until, stop):
    rng = random.Random(number)
    generation = 0
    peers = [Peer(server, "mc", "resp"), Peer(server, "resp", "mc")]
    while time.monotonic() < until and not stop.is_set():
        generation += 1
        key = key_of(number, min(int(rng.paretovariate(0.3)), KEYS) - 1)
        peer = rng.choice(peers)
        what = rng.random()
        if what < 0.8:
            size = rng.choice([5, 50, 50, 500, 500, 3000, 20000, 70000])
            expiry = rng.choice([0, 0, 0, 1000, 20, 5000]) if peer.kind == "resp" else rng.choice([0, 0, 1, 100])
            peer.set(key, value_of(key, generation, size),
                     expiry if peer.kind == "resp" else expiry * 1000)
        elif what < 0.9:
            peer.delete(key)
        else:
            peer.touch(key, rng.choice([1, 100, 1000]))
    return generation


def reader(server, number, until, stop):
    rng = random.Random(1000 + number)
    peers = [Peer(server, "mc", "mc"), Peer(server, "resp", "resp")]
    newest, hits = {}, 0
    while time.monotonic() < until and not stop.is_set():
        of = rng.randrange(WRITERS)
        keys = list({key_of(of, min(int(rng.paretovariate(0.3)), KEYS) - 1) for _ in range(rng.choice([1, 1, 5, 20]))})
        for key, value in rng.choice(peers).get(keys).items():
            generation = check(key, value)
            assert generation >= newest.get(key, 0), "%r went from generation %d back to %d" % (
                key, newest[key], generation)
            newest[key] = generation
            hits += 1
    assert hits, "never a hit"
    return hits


def killer(server, number, until, stop):
    """Connects, asks for much, goes away in the middle; sends halves and garbage."""
    rng = random.Random(2000 + number)
    count = 0
    while time.monotonic() < until and not stop.is_set():
        conn = harness.Conn(server[rng.choice(["mc", "resp"])])
        conn.send(rng.choice([
            b"get " + b" ".join(key_of(0, index) for index in range(200)) + b"\r\n",
            harness.resp_command("MGET", *[key_of(1, index) for index in range(200)]),
            b"set half 0 0 50000\r\n" + b"x" * 20000, b"*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$60000\r\n" + b"y" * 30000,
            rng.randbytes(200), b"mn\r\n" * 100]))
        if rng.random() < 0.5:
            conn.sock.settimeout(0.005)
            try:
                conn.sock.recv(100)
            except OSError:
                pass
        conn.close()
        count += 1
    return count


def flusher(server, number, until, stop):
    """Now and then all goes; counters grow meanwhile; stats and INFO are asked."""
    rng = random.Random(3000)
    mc, resp = Peer(server, "mc", "mc"), Peer(server, "resp", "resp")
    count = 0
    while time.monotonic() < until and not stop.is_set():
        for _ in range(300):
            resp.conn.command("INCR", "counter")
            mc.conn.line(b"ma counter2 N0 v\r\n")
            if mc.conn.buf or resp.conn.buf:
                mc.conn.until()
            count += 1
        mc.conn.send(b"stats\r\n")
        mc.conn.until(b"END\r\n")
        assert resp.conn.command("INFO").startswith(b"$")
        what = rng.random()
        if what < 0.02:
            mc.conn.call(b"flush_all\r\n", b"OK\r\n")
        elif what < 0.03:
            resp.conn.command("FLUSHALL", "ASYNC")
    return count


def process(work, server, number, until, stop, results):
    try:
        results.put((work.__name__, work(server, number, until, stop), None))
    except BaseException as error:                         # noqa: BLE001: told to the parent
        stop.set()
        results.put((work.__name__, 0, "%s %d: %s: %s" % (work.__name__, number, type(error).__name__, error)))


@harness.needs_millpond
class Stress(harness.Case):
    def test_all_at_once(self):
        server = self.start("-m", "16", "-c", "500", threads=4)
        addresses = {"mc": server.mc, "resp": server.resp}
        until = time.monotonic() + SECONDS
        context = multiprocessing.get_context("fork")
        stop, results = context.Event(), context.Queue()
        jobs = [(writer, number) for number in range(WRITERS)] + [(reader, number) for number in range(4)] \
            + [(killer, 0), (killer, 1), (flusher, 0)]
        children = [context.Process(target=process, args=(work, addresses, number, until, stop, results))
                    for work, number in jobs]
        for child in children:
            child.start()
        outcomes = [results.get(timeout=SECONDS + 60 * harness.PATIENCE) for _ in jobs]
        for child in children:
            child.join()
        self.assertEqual([error for _, _, error in outcomes if error], [])
        server.check()
        done = {name: sum(count for which, count, _ in outcomes if which == name) for name, _, _ in outcomes}
        print("# " + ", ".join("%s %d" % pair for pair in sorted(done.items())))
        self.assertGreater(server.stat("evictions"), 0, "the load never filled the memory")
        self.consistent(server)
        if not harness.sanitized():
            self.assertLess(server.rss(), 16 * 1.05 * (1 << 20) + (16 << 20))

    def consistent(self, server):
        """With nobody writing, the count of items is what a walk over all keys finds."""
        with server.conn("resp") as conn:
            keys = [key_of(number, index) for number in range(WRITERS) for index in range(KEYS)]
            keys += [b"counter", b"counter2", b"half", b"h"]

            def agree():
                there = 0
                for start in range(0, len(keys), 1000):
                    there += int(conn.command("EXISTS", *keys[start:start + 1000])[1:-2])
                return there == int(conn.command("DBSIZE")[1:-2]) == server.stat("curr_items")
            harness.await_true(agree, "DBSIZE, curr_items and the keys found to agree")
            peer = Peer({"mc": server.mc}, "mc", "mc")
            for start in range(0, len(keys) - 4, 100):
                for key, value in peer.get(keys[start:start + 100]).items():
                    check(key, value)
            peer.conn.close()


if __name__ == "__main__":
    unittest.main()
