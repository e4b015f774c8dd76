# SPDX-License-Identifier: BSD-3-Clause
"""Random RESP conversations, RESP2 and RESP3, arrays and inline, with Debian's redis-server and with millpond.

Compared byte for byte, save remaining and absolute times (TTL, PTTL, EXPIRETIME, PEXPIRETIME), which have a
tolerance of two seconds.

What the generator leaves out, because Debian's 7.0.15 differs from later Redis or from Millpond's purpose:

    what                              why
    CLIENT SETINFO                    7.2 and later (tests/wire/resp/client-setinfo)
    HELLO's fields, COMMAND, INFO,    name the server; compared in tests/wire and by real clients
      CONFIG
    commands of section "later"       lists, hashes, transactions, ...: "unknown command" is theirs
    DBSIZE without a look at each     Redis counts what has expired and was not looked at since
      key first
    values over 1 MiB                 slow; tests/wire and test_server have them
    SETRANGE that pads 512 MiB        the same
"""
import os
import re
import unittest

import differential
import harness

TIMES = {b"TTL": 2, b"PTTL": 2000, b"EXPIRETIME": 2, b"PEXPIRETIME": 2000}


class RespSide(differential.Side):
    MARK = b"~the end~"

    def __init__(self, address, reset, resp3):
        super().__init__(address, reset)
        self.resp3 = resp3                     # connections that speak RESP3

    def connect(self, index):
        conn = super().connect(index)
        if index in self.resp3:
            conn.command("HELLO", "3")
        return conn

    def tail(self, batch):
        return harness.resp_command("ECHO", self.MARK)

    def read(self, conn):
        out = []
        end = b"$%d\r\n%s\r\n" % (len(self.MARK), self.MARK)
        while not out or out[-1] != end:
            out.append(conn.resp())
        return out[:-1]

    def normalise(self, batch, raw):
        return [raw] if isinstance(raw, bytes) else raw

    def same(self, ops, left, right):
        if left == right:
            return True
        names = [op.name for op in ops for _ in range(op.replies)]
        if len(left) != len(right) or len(names) != len(left):
            return False
        return all(self._near(name, a, b) for name, a, b in zip(names, left, right))

    @staticmethod
    def _near(name, a, b):
        if a == b:
            return True
        if name not in TIMES or not (re.fullmatch(rb":\d+\r\n", a) and re.fullmatch(rb":\d+\r\n", b)):
            return False
        return abs(int(a[1:]) - int(b[1:])) <= TIMES[name]


NUMBERS = [b"0", b"1", b"-1", b"5", b"10", b"100", b"-100", b"2147483648", b"-2147483649", b"9223372036854775807",
           b"-9223372036854775808", b"4611686018427387904"]
BAD_NUMBERS = [b"", b"x", b"1.5", b" 1", b"1 ", b"+1", b"01", b"-0", b"--1", b"9223372036854775808", b"1e3", b"0x10",
               b"-9223372036854775809", b"99999999999999999999999", b"1\0"]
FLOATS = [b"0", b"1", b"-1", b"0.1", b"3.14159", b"1e10", b"-2.5e-3", b"1e300", b"1e-17", b"5.0", b".5", b"10.50",
          b"1234567890.123456789", b"inf", b"-inf", b"nan", b"1e5000", b"x", b"", b" 1", b"1 ", b"0x1p4", b"1e", b"-0",
          b"100000000000000000", b"3e2", b"+7"]


class RespGenerator:
    def __init__(self, rng):
        self.rng = rng
        self.kinds = [self.set] * 8 + [self.get] * 6 + [self.number] * 6 + [self.float] * 2 + [self.string] * 5 \
            + [self.multi] * 5 + [self.keys] * 6 + [self.expire] * 6 + [self.getex] * 4 + [self.setex] * 2 \
            + [self.time] * 4 + [self.connection] * 3 + [self.mangled] * 6 + [self.odd] * 3 + [self.dbsize, self.rare]

    def __call__(self):
        return self.rng.choice(self.kinds)()

    # -- words

    def chance(self, part):
        return self.rng.random() < part

    def key(self):
        if self.chance(0.03):
            return self.rng.choice([b"", b"a b", b"\r\n", b"\0\xff", b"k" * 300])
        return b"k%d" % self.rng.randrange(6)

    def value(self):
        rng = self.rng
        kind = rng.randrange(8)
        if kind < 3:
            return rng.choice(NUMBERS + BAD_NUMBERS + FLOATS)
        if kind < 5:
            return rng.choice([b"", b"x", b"hello world", b"\r\n", b"*1\r\n$4\r\nPING\r\n", b"0", b"12"])
        if kind == 7 and self.chance(0.05):
            return rng.randbytes(rng.choice([5000, 20000, 70000]))
        return rng.randbytes(rng.randrange(60))

    def integer(self):
        return self.rng.choice(NUMBERS if self.chance(0.85) else BAD_NUMBERS)

    def seconds(self):
        if self.chance(0.5):            # seldom the same twice: EXPIRE k 100 GT depends on the millisecond
            return b"%d" % self.rng.randrange(100, 1000000)
        return self.rng.choice([b"0", b"-1", b"9223372036854775807",
                                b"9223372036854775", b"9223372036854776", b"-9223372036854775808", b"x", b"1.5", b""])

    def milliseconds(self):
        if self.chance(0.6):
            return b"%d" % self.rng.randrange(100000, 100000000)
        return self.rng.choice([b"0", b"-5", b"9223372036854775807", b"x"])

    def at_seconds(self):
        return self.rng.choice([b"4000000000", b"4100000000", b"1", b"1000000", b"0", b"-1", b"9223372036854775807",
                                b"9223372036854775", b"x"])

    def at_milliseconds(self):
        return self.rng.choice([b"4000000000000", b"4100000000001", b"1", b"1000", b"0", b"-1", b"9223372036854775807"])

    def case(self, word):
        return word.lower() if self.chance(0.3) else word.title() if self.chance(0.1) else word

    def command(self, name, *args):
        """As an array, or now and then inline."""
        words = [self.case(name)] + list(args)
        if self.chance(0.1) and all(len(word) < 200 for word in words):
            line = b" ".join(self.quoted(word) for word in words)
            return differential.Op(line + (b"\n" if self.chance(0.1) else b"\r\n"), name=name)
        return differential.Op(harness.resp_command(*words), name=name)

    def quoted(self, word):
        if re.fullmatch(rb"[A-Za-z0-9_.+-]+", word) and self.chance(0.7):
            return word
        if re.fullmatch(rb"[ -&(-\[\]-~]*", word) and self.chance(0.5):
            return b"'" + word + b"'"
        names = {b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\a": b"\\a", b"\b": b"\\b", b'"': b'\\"', b"\\": b"\\\\"}
        out = b"".join(names.get(bytes([byte])) or
                       (bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in word)
        return b'"' + out + b'"'

    # -- commands

    def expiry_option(self):
        name, value = self.rng.choice([(b"EX", self.seconds), (b"PX", self.milliseconds), (b"EXAT", self.at_seconds),
                                       (b"PXAT", self.at_milliseconds)])
        return [self.case(name), value()]

    def set(self):
        if self.chance(0.4):
            return self.command(b"SET", self.key(), self.value())
        options = []
        if self.chance(0.5):
            options.append([self.case(self.rng.choice([b"NX", b"XX"]))])
        if self.chance(0.3):
            options.append([self.case(b"GET")])
        if self.chance(0.5):
            options.append(self.expiry_option() if self.chance(0.8) else [b"KEEPTTL"])
        if self.chance(0.07):
            options.append(self.rng.choice([[b"KEEPTTL"], [b"NX"], [b"EX"], [b"PX", b"100000"], [b"FOO"], [b"PERSIST"]]))
        self.rng.shuffle(options)
        return self.command(b"SET", self.key(), self.value(), *[word for option in options for word in option])

    def get(self):
        return self.command(self.rng.choice([b"GET", b"GET", b"GET", b"STRLEN", b"GETDEL", b"TYPE"]), self.key())

    def number(self):
        name = self.rng.choice([b"INCR", b"DECR", b"INCRBY", b"DECRBY"])
        return self.command(name, self.key(), *([self.integer()] if name.endswith(b"BY") else []))

    def float(self):
        return self.command(b"INCRBYFLOAT", self.key(), self.rng.choice(FLOATS))

    def string(self):
        name = self.rng.choice([b"APPEND", b"GETRANGE", b"SUBSTR", b"SETRANGE", b"GETSET", b"SETNX"])
        if name in (b"GETRANGE", b"SUBSTR"):
            spots = [b"%d" % self.rng.randrange(-12, 13) if self.chance(0.8) else self.integer() for _ in range(2)]
            return self.command(name, self.key(), *spots)
        if name == b"SETRANGE":
            offset = b"%d" % self.rng.randrange(-1, 40)
            if self.chance(0.1):
                offset = self.rng.choice([b"536870912", b"9223372036854775807", b"4294967296", b"x", b"1.5"])
            return self.command(name, self.key(), offset, self.value())
        return self.command(name, self.key(), self.value())

    def multi(self):
        name = self.rng.choice([b"MGET", b"MGET", b"MSET", b"MSETNX"])
        args = []
        for _ in range(self.rng.choice([1, 2, 2, 3, 5])):
            args.append(self.key())
            if name != b"MGET":
                args.append(self.value())
        if self.chance(0.04):
            args = args[:-1]
        return self.command(name, *args)

    def keys(self):
        name = self.rng.choice([b"DEL", b"UNLINK", b"EXISTS", b"EXISTS", b"TOUCH"])
        return self.command(name, *[self.key() for _ in range(self.rng.choice([1, 1, 2, 4]))])

    def expire(self):
        name, value = self.rng.choice([(b"EXPIRE", self.seconds), (b"PEXPIRE", self.milliseconds),
                                       (b"EXPIREAT", self.at_seconds), (b"PEXPIREAT", self.at_milliseconds),
                                       (b"PERSIST", None)])
        if value is None:
            return self.command(name, self.key())
        options = []
        if self.chance(0.4):
            options = [self.case(word) for word in self.rng.sample([b"NX", b"XX", b"GT", b"LT", b"FOO"],
                                                                   self.rng.choice([1, 1, 1, 2]))]
        return self.command(name, self.key(), value(), *options)

    def getex(self):
        options = []
        if self.chance(0.7):
            options = self.expiry_option() if self.chance(0.7) else [self.case(b"PERSIST")]
        if self.chance(0.06):
            options += self.rng.choice([[b"PERSIST"], [b"EX", b"100"], [b"NX"], [b"EX"], [b"KEEPTTL"]])
        return self.command(b"GETEX", self.key(), *options)

    def setex(self):
        name, value = self.rng.choice([(b"SETEX", self.seconds), (b"PSETEX", self.milliseconds)])
        return self.command(name, self.key(), value(), self.value())

    def time(self):
        return self.command(self.rng.choice(list(TIMES)), self.key())

    def connection(self):
        choice = self.rng.choice
        return self.command(*choice([
            (b"PING",), (b"PING", self.value()), (b"ECHO", self.value()), (b"SELECT", b"0"), (b"SELECT", b"0"),
            (b"SELECT", choice([b"1", b"15", b"16", b"-1", b"x", b"1.5", b"99999999999999999999"])),
            (b"CLIENT", b"SETNAME", choice([b"me", b"a b", b"", b"a\nb"])), (b"FLUSHDB",), (b"FLUSHALL",),
            (b"FLUSHDB", choice([b"ASYNC", b"SYNC", b"x"])), (b"FLUSHALL", choice([b"async", b"sync", b"x"])),
            (b"HELLO", choice([b"1", b"4", b"x", b"99999999999999999999"])), (b"HELLO", b"2", b"FOO"),
            (b"CLIENT", b"NOSUCH"), (b"CLIENT",), (b"CONFIG", b"NOSUCH"), (b"COMMAND", b"NOSUCH")]))

    def dbsize(self):
        """Every key is looked at first: Redis counts expired ones that nobody has looked at."""
        seen = harness.resp_command(b"EXISTS", *([b"k%d" % index for index in range(6)]
                                                 + [b"", b"a b", b"\r\n", b"\0\xff", b"k" * 300]))
        return differential.Op(seen + harness.resp_command("DBSIZE"), name=b"DBSIZE", replies=2)

    def odd(self):
        """Unknown commands, wrong arity, empty requests."""
        kind = self.rng.randrange(5)
        if kind == 0:
            name = self.rng.choice([b"FOO", b"", b"GETT", b"foo bar", b"x" * 150, b"a\r\nb", b"\xff", b"GET\t", b"'q'"])
            args = [self.rng.choice([b"a", b"", b"b c", b"y" * 140, b"\r\n", b"\xc3\xa9", b"'"])
                    for _ in range(self.rng.randrange(5))]
            return self.command(name, *args) if name else differential.Op(harness.resp_command(b"", *args))
        if kind == 1:
            return differential.Op(self.rng.choice([b"*0\r\n", b"*-1\r\n", b"\r\n", b"*-100\r\n", b"   \r\n"]), replies=0)
        if kind == 2:
            return differential.Op(self.rng.choice([b"foo\r\n", b"$5\r\n", b":1\r\n", b"+OK\r\n", b"GET\r\n",
                                                    b"get k0 k1\r\n", b"{\r\n", b"  PING  \r\n", b"PING\tx\r\n"]))
        name = self.rng.choice([b"GET", b"SET", b"DEL", b"INCR", b"MGET", b"MSET", b"EXPIRE", b"TTL", b"ECHO", b"APPEND",
                                b"GETEX", b"SETRANGE", b"SELECT", b"EXISTS", b"PERSIST", b"INCRBYFLOAT",
                                b"STRLEN", b"GETRANGE", b"TYPE", b"TOUCH", b"PING"])
        return self.command(name, *[b"k0" for _ in range(self.rng.choice([0, 0, 1, 2, 3, 4]))])

    def mangled(self):
        """A right command with an argument behind the key dropped, doubled, or replaced."""
        op = self.rng.choice(self.kinds[:50])()
        raw = op.parts[0]
        if not raw.startswith(b"*") or op.replies != 1:
            return op
        words, at = [], raw.index(b"\r\n") + 2
        while at < len(raw):
            end = raw.index(b"\r\n", at)
            length = int(raw[at + 1:end])
            words.append(raw[end + 2:end + 2 + length])
            at = end + 4 + length
        spot = self.rng.randrange(2, len(words)) if len(words) > 2 else 0
        kind = self.rng.randrange(4)
        if kind == 0 and spot:
            del words[spot]
        elif kind == 1 and spot:
            words.insert(spot, words[spot])
        elif kind == 2:
            words.append(self.rng.choice([b"", b"NX", b"x", b"100", b"GET"]))
        elif spot:
            words[spot] = self.rng.choice(BAD_NUMBERS + [b"k1", b"100"])
        if words[0].upper() == b"SETRANGE" or (words[0].upper() in (b"FLUSHALL", b"FLUSHDB") and len(words) > 2):
            return op                   # an offset of hundreds of megabytes is not for here
        times = {b"SET", b"GETEX", b"SETEX", b"PSETEX", b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"}
        if words[0].upper() in times and any(re.fullmatch(rb"[15]|10", word) for word in words[2:]):
            return op                   # a time that would run out while the test looks
        return differential.Op(harness.resp_command(*words), name=op.name)

    def rare(self):
        if self.chance(0.6):
            return differential.Op(harness.resp_command(b"MGET", *[self.key() for _ in range(100)]), name=b"MGET")
        return differential.Op(self.rng.choice([
            harness.resp_command("QUIT"), b"quit\r\n", b"*x\r\n", b"*1\r\nPING\r\n", b"*1\r\n$x\r\n", b"*1\r\n$-1\r\n",
            b"*2\r\n$4\r\nECHO\r\n:1\r\n", b"*1\r\n$536870913\r\n", b"*2147483648\r\n", b"*1 \r\n", b"SET k0 \"x\r\n",
            b"SET k0 'x'y\r\n", b"*1\r\n$ 4\r\n", b"*+1\r\n", b"*1\r\n$04\r\n"]), closes=True)


class Differential(unittest.TestCase):
    def setUp(self):
        if harness.REDIS is None:
            self.skipTest("no redis-server here")

    def converse(self, port, resp3, seconds=None):
        own = harness.start()
        self.addCleanup(own.discard)
        peer = harness.Redis()
        self.addCleanup(peer.discard)

        def reset(address, server):
            def flush():
                server.check()
                with harness.Conn(address) as conn:
                    conn.call(harness.resp_command("FLUSHALL"), b"+OK\r\n")
            return flush
        address = own.resp if port == "resp" else own.mc
        mine = RespSide(address, reset(address, own), resp3)
        theirs = RespSide(peer.resp, reset(peer.resp, peer), resp3)
        if port == "mc":
            class OtherPort(RespSide):
                def connect(self, index):
                    conn = harness.Conn(self.address)
                    conn.call(harness.resp_command("PING"), b"+PONG\r\n")
                    if index in self.resp3:
                        conn.command("HELLO", "3")
                    return conn
            mine = OtherPort(address, reset(address, own), resp3)
        if seconds and "SECONDS" not in os.environ:
            os.environ["SECONDS"] = seconds
            self.addCleanup(os.environ.pop, "SECONDS")
        differential.run(self, RespGenerator, theirs, mine)
        own.stop()

    def test_random_conversations(self):
        self.converse("resp", resp3={2})

    def test_conversation_on_the_memcached_port(self):
        if harness.SELFTEST:
            self.skipTest("needs millpond")
        self.converse("mc", resp3={1}, seconds="4")


if __name__ == "__main__":
    unittest.main()
