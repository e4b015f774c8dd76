# SPDX-License-Identifier: BSD-3-Clause
"""Random memcached conversations, classic and meta, with Debian's memcached and with millpond.

Compared byte for byte, save
- CAS uniques: each side's are numbered as they appear, so that equal stays equal and new stays new;
- remaining seconds (t, exp=) have two seconds of tolerance, elapsed ones (l) are not compared;
- the value behind a decr that loses digits: spaces at its end ("may be padded", and memcached does not
  always: it depends on who else holds the item).

What the generator leaves out, because Debian's 1.6.18 is not the reference there:

    what                                   1.6.18                      the reference (1.6.45, protocol.txt)
    ms/md/ma/mg flag E, md flag x          invalid flag                new CAS given, value dropped
    ms MA/MP with N                        N ignored                   creates what is missing
    ms flag s                              nothing returned            the stored size is returned
    mg T-1 t                               t and 2^32 - 1 - something  nothing useful either
    numbers over 32 bits for flags,        cut to 32 bits              a malformed line
      exptime and lengths
    a value within 200 bytes of -I         refused (headers count)     an internal of its slabs
    flush_all with a far delay             what was flushed but lies in  a delay changes nothing before its time
                                           memory yet comes back
    ma with T where the number grows       the item keeps its old exptime  T counts
    incr where the number grows            fetched, stale and won are    they stay
                                           forgotten
    get of a key of 251 bytes, pipelined   earlier replies are dropped   an error line in its place
    incr of a blank value                  reads on behind the value     an error line
    incr of a value over 2^63              an error if memory behind     counts
                                           the value holds a '-' (so no value of ours does)
    a zero byte in a line                  ends the line               an accident of C strings
    base64 with stray padding ("ab=c")     decoded somehow             an accident of its decoder
    mg k of a key that is no text and was  returned raw                  never raw: it would break the reply
      not stored by ms (mg N, ma N, MA)
    get k0 and then a key of 251 bytes     an error, k0 counts as read   an error and nothing else
    stats, version                         other names                 compared in tests/wire and test_server
"""
import base64
import os
import re
import unittest

import differential
import harness

class McSide(differential.Side):
    TAIL = b"version\r\n"
    END = re.compile(rb"VERSION [^\r\n]*\r\n\Z")

    def begin(self):
        super().begin()
        self.serials, self.by_key = {}, {}

    def cas(self, key, back):
        """The latest unique seen for key, or an older one; one that nobody has when there is none."""
        seen = self.by_key.get(key, [])
        return seen[-1 - back] if back < len(seen) else b"777777777777777"

    def tail(self, batch):
        # blank lines fill up what a short data block lacks; each one left over is one ERROR
        return (b"\r\n" * 40 if any(op.short for op in batch.ops) else b"") + self.TAIL

    def read(self, conn):
        while not self.END.search(conn.buf[-400:]):
            conn._more()
        out, conn.buf = conn.buf, b""
        return out

    def serial(self, key, unique):
        if key is not None:
            seen = self.by_key.setdefault(key, [])
            if not seen or seen[-1] != unique:
                seen.append(unique)
        return ("cas", self.serials.setdefault(unique, len(self.serials)))

    def normalise(self, batch, raw):
        out, at = [], 0
        while at < len(raw):
            end = raw.find(b"\r\n", at)
            if end < 0:
                out.append(raw[at:])
                break
            line, at = raw[at:end], end + 2
            words = line.split(b" ")
            if words[0] == b"VERSION":
                continue
            data = None
            if words[0] == b"VALUE" and len(words) >= 4 and words[3].isdigit():
                data = raw[at:at + int(words[3])]
                if len(words) == 5:
                    words[4] = self.serial(words[1], words[4])
            elif words[0] in (b"VA", b"HD", b"NS", b"EX", b"NF", b"EN"):
                if words[0] == b"VA" and len(words) > 1 and words[1].isdigit():
                    data = raw[at:at + int(words[1])]
                words = self._meta(words)
            elif words[0] == b"ME":
                words = [word for word in words if not re.match(rb"(la|cas|cls|size)=", word)]
                words = [("time", abs(int(word[4:]))) if word.startswith(b"exp=") else word for word in words]
            if data is not None:
                at += len(data) + 2
                if re.fullmatch(rb"\d+ *", data):
                    data = data.rstrip()
                    words = list(words)
                    words[3 if words[0] == b"VALUE" else 1] = b"length"
                out.append((tuple(words), data, raw[at - 2:at]))
            else:
                out.append(tuple(words))
        return out

    def _meta(self, words):
        keys = [word[1:] for word in words if word[:1] == b"k"]
        key = keys[0] if keys else None
        if key is not None and b"b" in words:
            key = base64.b64decode(key)
        out = []
        for word in words:
            if re.fullmatch(rb"c\d+", word):
                out.append(self.serial(key, word[1:]))
            elif re.fullmatch(rb"t\d+", word):
                out.append((word[:1], int(word[1:])))
            elif re.fullmatch(rb"l\d+", word):
                out.append(b"l")
            else:
                out.append(word)
        return out

    def same(self, ops, left, right):
        if len(left) != len(right):
            return False
        return all(self._near(a, b) for a, b in zip(left, right))

    def _near(self, a, b):
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            if len(a) == 2 and isinstance(a[1], int) and a[0] == b[0] and a[0] != "cas":
                return abs(a[1] - b[1]) <= 2
            return all(self._near(x, y) for x, y in zip(a, b))
        return a == b


class Unique:
    """A CAS unique of `key` as its side knows it, in an operation's bytes."""

    def __init__(self, key, back):
        self.key, self.back = key, back

    def __call__(self, side):
        return side.cas(self.key, self.back)

    def __repr__(self):
        return "<unique %d back of %r>" % (self.back, self.key)


BAD_NUMBERS = [b"x", b"-1", b"-2147483648", b"1x", b"1.5", b"0x10", b"99999999999999999999999",
               b"18446744073709551616", b"--1", b"", b"-", b"1e3"]
EXPTIMES = [b"0", b"0", b"0", b"0", b"100", b"1000", b"2592000", b"-1", b"-100", b"2592001", b"1000000000",
            b"2147483647", b"86400"]


class McGenerator:
    """Makes operations; small key space, all commands, mostly right."""

    def __init__(self, rng):
        self.rng = rng
        self.kinds = [self.store] * 8 + [self.get] * 7 + [self.cas] * 3 + [self.counter] * 4 + [self.delete] * 2 \
            + [self.touch] * 2 + [self.gat] * 2 + [self.mg] * 8 + [self.ms] * 8 + [self.md] * 3 + [self.ma] * 4 \
            + [self.misc] * 2 + [self.mangled] * 6 + [self.rare]

    def __call__(self):
        return self.rng.choice(self.kinds)()

    # -- words

    def chance(self, part):
        return self.rng.random() < part

    def key(self):
        rng = self.rng
        if self.chance(0.02):
            return rng.choice([b"k" * 250, b"k" * 251, b"k\x01\x7f", b"\xc3\xa9", b"k\xff", b"k" * 300, b"a\tb"])
        return b"k%d" % rng.randrange(6)

    def number_key(self):
        return b"n%d" % self.rng.randrange(3)

    def any_key(self):
        return self.number_key() if self.chance(0.25) else self.key()

    def value(self):
        rng = self.rng
        kind = rng.randrange(10)
        if kind < 4:
            return rng.choice([b"", b"x", b"hello", b"\r\nx", b"a\r\nb", b"\0\0", b"END\r\n", b"VALUE k0 0 1\r\n"])
        if kind == 9:
            return self.small_number()
        value = rng.randbytes(rng.randrange(40 if kind < 8 else 3000)).replace(b"-", b"+")
        return value if value.strip() or not value else value + b"x"

    def number(self):
        return b"%d" % self.rng.choice([0, 1, 5, 9, 10, 99, 100, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63,
                                        (1 << 64) - 2, (1 << 64) - 1, self.rng.randrange(100000)])

    def small_number(self):
        """One that no incr of a k key makes shorter (lengths would differ: padded or not)."""
        return b"%d" % self.rng.choice([0, 1, 9, 10, 99, self.rng.randrange(1 << 40)])

    def flags(self):
        return self.rng.choice([b"0", b"0", b"1", b"42", b"65536", b"4294967295"])

    def exptime(self):
        return self.rng.choice(EXPTIMES)

    def line_end(self):
        return b"\n" if self.chance(0.03) else b"\r\n"

    def noreply(self):
        return b" noreply" if self.chance(0.15) else b""

    # -- classic commands

    def store(self):
        rng = self.rng
        if self.chance(0.2):
            key, value = self.number_key(), self.number()
            verb = rng.choice([b"set", b"set", b"add", b"replace"])
        else:
            key, value = self.key(), self.value()
            verb = rng.choice([b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend"])
        head = b"%s %s %s %s" % (verb, key, self.flags(), self.exptime())
        return self.with_data(head, value, self.noreply())

    def with_data(self, head, value, rest):
        """A line, its length and a data block that is right, or now and then a bit too long or too short."""
        length, short = len(value), False
        if self.chance(0.04):
            length = max(0, length + self.rng.choice([-3, -1, 1, 2, 7, 30]))
            short = length > len(value)
        return differential.Op(b"%s %d%s%s%s\r\n" % (head, length, rest, self.line_end(), value), short=short)

    def cas(self):
        key, value = self.key(), self.value()
        unique = (Unique(key, self.rng.choice([0, 0, 0, 1])) if self.chance(0.9) else
                  self.rng.choice([b"0", b"9223372036854775808", b"18446744073709551615"]))
        return differential.Op(b"cas %s %s %s %d " % (key, self.flags(), self.exptime(), len(value)), unique,
                               b"%s\r\n%s\r\n" % (self.noreply(), value))

    def keys(self, n):
        """A key that is too long comes first: see the docstring."""
        return sorted((self.any_key() for _ in range(n)), key=lambda key: len(key) <= 250)

    def get(self):
        verb = self.rng.choice([b"get", b"gets"])
        keys = self.keys(self.rng.choice([1, 1, 1, 2, 5]))
        return self.fetch(b"%s %s%s" % (verb, b" ".join(keys), self.line_end()))

    def gat(self):
        verb = self.rng.choice([b"gat", b"gats"])
        keys = self.keys(self.rng.choice([1, 1, 3]))
        return self.fetch(b"%s %s %s\r\n" % (verb, self.exptime(), b" ".join(keys)))

    @staticmethod
    def fetch(line):
        """A get of a too long key takes earlier replies of a pipeline away in memcached; so it goes alone."""
        return differential.Op(line, alone=any(len(word) > 250 for word in line.split()))

    def touch(self):
        return differential.Op(b"touch %s %s%s\r\n" % (self.any_key(), self.exptime(), self.noreply()))

    def delete(self):
        extra = self.rng.choice([b"", b"", b"", b" 0", b" 1", b" 0 noreply"])
        return differential.Op(b"delete %s%s%s\r\n" % (self.any_key(), extra or self.noreply(), b""))

    def counter(self):
        # decr only where the value is a number of ours: see the docstring about padding
        key = self.number_key() if self.chance(0.85) else self.rng.choice([b"k4", b"k5", b"k5", b"k9", b"k" * 251])
        verb = self.rng.choice([b"incr", b"decr"]) if key[:1] == b"n" else b"incr"
        good = self.number() if key[:1] == b"n" else self.small_number()
        delta = good if self.chance(0.9) else self.rng.choice(BAD_NUMBERS)
        return differential.Op(b"%s %s %s%s\r\n" % (verb, key, delta, self.noreply()))

    # -- meta commands

    @staticmethod
    def counted(true):
        """Keys whose values may be counted. memcached keeps or forgets what was fetched, stale or won when it counts,
        as it changes the item in place or not; so those flags are for the other keys."""
        return true[:1] == b"n" or true in (b"k4", b"k5")

    def meta_key(self):
        """(the key as it stands in the line, the flag it takes, the true key)"""
        if self.chance(0.15):
            key = self.rng.choice([b"k0", b"k1", b"\0\1\2", b" ", b"\r\n", b"k" * 187, b"\xff\xfe\xfd\xfc"])
            return base64.b64encode(key), b" b", key
        if self.chance(0.02):
            return self.rng.choice([b"!!!!", b"YWJ", b"===="]), b" b", b""
        key = self.any_key()
        return key, b"", key

    def some(self, flags, most=6):
        """Some flags in random order; returning the unique brings the key along, so that we know whose it is."""
        picked = self.rng.sample(flags, self.rng.randrange(min(most, len(flags)) + 1))
        if b"c" in picked and b"k" not in picked:
            picked.append(b"k")
        if self.chance(0.02) and picked:
            picked.append(self.rng.choice(picked))
        if self.chance(0.02):
            picked.append(self.rng.choice([b"!", b"y", b"Z", b"W", b"a", b"0", b"\xc3", b"~"]))
        if self.chance(0.15):
            picked.append(self.rng.choice([b"O", b"Oopaque", b"O" + b"o" * 31, b"O" + b"o" * 32, b"O1"]))
        return picked

    def meta(self, verb, key, flags, extra=b"", value=None, unique=None):
        parts = [b"%s %s%s%s" % (verb, key, extra, b"".join(b" " + flag for flag in flags))]
        if unique is not None:
            parts += [b" C", unique]
        parts.append(b"\r\n" if value is None else b"\r\n" + value + b"\r\n")
        return differential.Op(*parts)

    def unique_of(self, key, part):
        if not self.chance(part):
            return None
        return Unique(key, self.rng.choice([0, 0, 1])) if self.chance(0.95) else b"0"

    def mg(self):
        key, b64, true = self.meta_key()
        flags = [b"v", b"f", b"t", b"q", b"u", b"T0", b"T1000", b"P", b"Lx"]
        if true.isalnum():
            flags += [b"c", b"k"]
        if not self.counted(true):
            flags += [b"s", b"h", b"l", b"N100", b"N0", b"R30", b"R2000"]
        return self.meta(b"mg", key, self.some(flags), b64)

    def ms(self):
        key, b64, true = self.meta_key()
        value = self.number() if true[:1] == b"n" else self.value()
        modes = [b"ME", b"MR", b"MS"] + ([b"MA", b"MP"] if true[:1] != b"n" else []) + [b"Mz", b"M", b"Ms"]
        flags = self.some([b"k", b"c", b"q", b"F5", b"F0", b"F4294967295", b"T0", b"T1000", b"T-1",
                           self.rng.choice(modes), b"Pp"] + ([] if self.counted(true) else [b"I"]), 5)
        head = b"ms %s" % key
        length, short = len(value), False
        if self.chance(0.03):
            length += self.rng.choice([1, 5, 20])
            short = True
        unique = self.unique_of(true, 0.3)
        parts = [b"%s %d%s%s" % (head, length, b64, b"".join(b" " + flag for flag in flags))]
        if unique is not None:
            parts += [b" C", unique]
        return differential.Op(*parts, b"\r\n" + value + b"\r\n", short=short)

    def md(self):
        key, b64, true = self.meta_key()
        stale = [] if self.counted(true) else [b"I", b"I"]
        flags = self.some([b"k", b"q", b"T1000", b"T0", b"Lx"] + stale, 4)
        return self.meta(b"md", key, flags, b64, unique=self.unique_of(true, 0.3))

    def ma(self):
        key, b64, true = self.meta_key()
        choice = self.rng.choice
        if not self.counted(true):
            key, b64, true = choice([(b"n1", b"", b"n1"), (b"k5", b"", b"k5"), (b"bjE=", b" b", b"n1"),
                                     (b"!!!!", b" b", b""), (b"k" * 251, b"", b"")])
        ours = true[:1] == b"n"
        modes = [b"MI", b"M+", b"MD", b"M-", b"Mx"] if ours else [b"MI", b"Mx"]
        big = [b"J18446744073709551615", b"D" + self.number()] if ours else [b"D" + self.small_number()]
        flags = self.some([b"N0", b"N100", b"J5", choice(modes)] + big + [b"t", b"c", b"v", b"k", b"q", choice(
            [b"Dx", b"J-1", b"Nx", b"D", b"T", b"D18446744073709551616", b"v"])])
        return self.meta(b"ma", key, flags, b64, unique=self.unique_of(true, 0.2))

    # -- the rest

    def misc(self):
        line = self.rng.choice([
            b"mn", b"mn", b"flush_all", b"flush_all 0", b"flush_all noreply", b"flush_all 0 noreply",
            b"flush_all -1", b"flush_all x", b"verbosity 0", b"verbosity", b"verbosity x",
            b"verbosity 0 noreply", b"me k0", b"me k1", b"me k9", b"me", b"mn q", b"mn x y"])
        return differential.Op(line + b"\r\n")

    def rare(self):
        kind = self.rng.randrange(8)
        if kind == 0:
            return differential.Op(b"quit\r\n", closes=True)
        if kind == 1:
            return differential.Op(self.rng.choice([b"set k0 0 0 ", b"x" * 100, b"mg "]) + b"y" * 3000, closes=True)
        if kind in (2, 3):
            verb = self.rng.choice([b"set k0 0 0 %d%s", b"add k0 0 0 %d%s", b"append k0 0 0 %d%s",
                                    b"ms k0 %d%s", b"ms k0 %d MA%s"])
            rest = b" noreply" if self.chance(0.3) else b""
            size = self.rng.choice([1048577, 1100000, 2000000])
            return differential.Op(verb % (size, rest) + b"\r\n" + b"x" * size + b"\r\n")
        if kind == 4:
            return differential.Op(b"get " + b" ".join(b"k%d" % self.rng.randrange(9) for _ in range(300)) + b"\r\n")
        if kind == 5:
            size = self.rng.choice([4000, 16384, 70000, 500000, 1000000])
            return differential.Op(b"set k%d 0 0 %d\r\n" % (self.rng.randrange(6), size)
                                   + self.rng.randbytes(64).replace(b"-", b"+") * (size // 64) + b"z" * (size % 64) + b"\r\n")
        if kind == 6:
            return differential.Op(b"\r\n" * self.rng.randrange(1, 4))
        return differential.Op(self.rng.choice([b"foo", b"GET k0", b"get", b"gets", b"set", b"ms", b"mx k0", b" ",
                                                b"get  k0", b" get k0", b"get k0 ", b"get\tk0", b"delete", b"incr k0",
                                                b"touch k0", b"gat", b"gats", b"cas k0 0 0 1", b"mg", b"md", b"ma"])
                               + b"\r\n")

    def mangled(self):
        """A line of words, one of them dropped, doubled, added or replaced by something that is no number."""
        rng = self.rng
        key = self.any_key()
        verb = rng.choice([b"get", b"gets", b"set", b"add", b"cas", b"append", b"incr", b"touch", b"gat", b"delete",
                           b"mg", b"ms", b"md", b"ma", b"flush_all", b"verbosity"])
        if verb == b"append" and key[:1] == b"n":
            key = b"k0"                 # numbers may be padded with spaces
        if verb in (b"incr", b"ma") and not self.counted(key):
            key = b"n0"
        data = b""
        words = {b"set": [key, b"0", b"0", b"3"], b"add": [key, b"0", b"0", b"3"], b"append": [key, b"0", b"0", b"3"],
                 b"cas": [key, b"0", b"0", b"3", b"777777"], b"incr": [key, b"1"], b"touch": [key, b"0"],
                 b"gat": [b"0", key], b"ms": [key, b"3", b"T0", b"F5"], b"mg": [key, b"v", b"T0", b"f"],
                 b"md": [key, b"q", b"T0"], b"ma": [key, b"N0", b"D5", b"J7"], b"flush_all": [b"0"],
                 b"verbosity": [b"0"]}.get(verb, [key])
        if verb in (b"set", b"add", b"append", b"cas", b"ms"):
            data = b"abc\r\n"
        at = rng.randrange(len(words))
        kind = rng.randrange(5)
        if kind == 0:
            del words[at]
        elif kind == 1:
            words.insert(at, words[at])
        elif kind == 2:
            words.append(rng.choice([b"noreply", b"x", b"0", b"noreply noreply", b"1 2 3"]))
        else:
            bad = [b"x", b"-1", b"1x", b"1.5", b"99999999999999999999999", b"18446744073709551616", b"-", b"2147483648"]
            if words[at] == key:
                bad = [b"x", b"0", b"k" * 251]        # none with '-': see the table above
            words[at] = (words[at][:1] if verb[:1] == b"m" and words[at][:1].isupper() else b"") + rng.choice(bad)
        if verb == b"md":
            words = [b"z" if word == b"x" else word for word in words]
        line = b" ".join([verb] + words)
        return differential.Op(line + b"\r\n" + data, short=bool(data), alone=len(line) > 250)


class Differential(unittest.TestCase):
    def setUp(self):
        if harness.MEMCACHED is None:
            self.skipTest("no memcached here")

    def sides(self, own):
        peer = harness.Memcached()
        self.addCleanup(peer.discard)

        def reset(server):
            def flush():
                with harness.Conn(server.mc) as conn:
                    conn.call(b"flush_all\r\n", b"OK\r\n")
                if not server.alive():
                    server.check()
            return flush
        return McSide(peer.mc, reset(peer)), McSide(own.mc, reset(own)), peer

    def test_random_conversations(self):
        own = harness.start()
        self.addCleanup(own.discard)
        peer, mine, _ = self.sides(own)
        differential.run(self, McGenerator, peer, mine)
        own.stop()

    def test_conversation_on_the_resp_port(self):
        if harness.SELFTEST:
            self.skipTest("needs millpond")
        own = harness.start()
        self.addCleanup(own.discard)
        peer, mine, _ = self.sides(own)

        class OtherPort(McSide):
            def connect(self, index):
                conn = harness.Conn(own.resp)
                conn.call(b"mn\r\n", b"MN\r\n")
                return conn
        other = OtherPort(own.resp, mine.reset)
        if "SECONDS" not in os.environ:
            os.environ["SECONDS"] = "4"
            self.addCleanup(os.environ.pop, "SECONDS")
        differential.run(self, McGenerator, peer, other)
        own.stop()


if __name__ == "__main__":
    unittest.main()
