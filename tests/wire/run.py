#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run wire scripts: short conversations with a server, one behaviour per file.

    run.py [--server millpond|memcached|redis] [--port mc|resp|both] [--quick] [--list] [SCRIPT | NAME]...
    run.py --record --server memcached SCRIPT      print SCRIPT with the replies that server gives

Each script runs whole, then byte by byte, then with every piece of its input cut at every byte: the part
before the cut is sent, the server has read it, then the rest follows. On millpond this is done on both ports.

The script format (README.md says more):

    # prose: what this shows
    flags: -I 2m                server flags (memcached's)
    peer: memcached             whose behaviour this is: memcached, redis or none (default by folder)
    since: 1.6.19               the peer version it takes; an older peer skips the script
    cuts: 20                    at most so many cuts (for scripts that wait or carry much)
    ports: own                  only on the port of its own protocol
    opening: none               on the other port do not name the protocol first (see below)
    fresh:                      a new server for each run, nothing else has used it
    end: open                   do not try the connections at the end (a request is left unfinished)

    > get a                     send these bytes and CR LF; a trailing \\ leaves the line end away
    >* SET a "b c"              send a RESP array of these words
    < END                       expect exactly this and CR LF; a trailing \\ leaves the line end away
    <~ VALUE a 0 (?P<n>\\d+)     expect a line that matches; ${n}, ${n+1}, ${n-1} may be used further down
    <* proto..:3                expect one RESP reply, whole, in which this regex is found (. is any byte)
    <eof                        expect the server to close, with nothing more sent; `<eof REGEX`: with at
                                most a last word that matches (it may be lost when input lay unread)
    2> get a                    the same on another connection (2<, 2<~, 2>*, 2<eof)
    close 2                     close that connection
    wait_stat curr_items 0      await this value of `stats`
    await get a => END          repeat the request until it is answered so

In sent and expected text: C escapes, ${now+10} (unix time), %{1000*ab} for repeats.

On the port of the other protocol a script first says something that can only be its own protocol (`mn`
or `*1 PING`), since a line such as `set a 1 1 1` belongs to whoever owns the port.
"""
import argparse
import os
import re
import shlex
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import harness  # noqa: E402

ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.S)
SIMPLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"a": b"\a", b"b": b"\b", b"f": b"\f",
          b"v": b"\v", b"\\": b"\\", b'"': b'"', b"s": b" ", b"$": b"$", b"%": b"%"}


class ScriptError(Exception):
    """The script itself is wrong."""


def unescape(text):
    def one(match):
        code = match.group(1)
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        if code.isdigit():
            return bytes([int(code, 8) & 255])
        if code not in SIMPLE:
            raise ScriptError("unknown escape \\%s" % code.decode())
        return SIMPLE[code]
    return ESCAPE.sub(one, text)


def expand(text, variables):
    """Variables, repeats and escapes of one text."""
    def variable(match):
        name, sign, number = match.group(1).decode(), match.group(2), match.group(3)
        if name not in variables:
            raise ScriptError("unknown variable " + name)
        value = variables[name]
        if sign:
            value = int(value) + (int(number) if sign == b"+" else -int(number))
        return str(value).encode() if not isinstance(value, bytes) else value
    text = re.sub(rb"\$\{(\w+)(?:([+-])(\d+))?\}", variable, text)
    parts = re.split(rb"%\{(\d+)\*((?:[^}\\]|\\.)*)\}", text)
    out = unescape(parts[0])
    for count, body, rest in zip(parts[1::3], parts[2::3], parts[3::3]):
        out += unescape(body) * int(count) + unescape(rest)
    return out


class Step:
    def __init__(self, number, conn, kind, text):
        self.number, self.conn, self.kind, self.text = number, conn, kind, text


LINE = re.compile(r"(\d*)(>\*|>|<~|<\*|<eof|<)(?: (.*)|$)", re.S)


class Script:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.relpath(path, HERE))[0]
        self.flags, self.steps, self.prose = [], [], []
        self.head = {}
        with open(path, encoding="latin-1") as lines:
            for number, line in enumerate(lines.read().split("\n"), 1):
                self._line(number, line)
        folder = self.name.split(os.sep)[0]
        self.kind = "resp" if folder.startswith("resp") else "mc"
        self.kind = self.head.get("proto", self.kind)
        self.peer = self.head.get("peer", "none" if folder == "both" else
                                  "redis" if self.kind == "resp" else "memcached")
        self.flags = shlex.split(self.head.get("flags", ""))
        self.cuts = int(self.head["cuts"]) if "cuts" in self.head else None
        self.timed = any(step.kind in ("await", "wait_stat") for step in self.steps)

    def _line(self, number, line):
        match = LINE.match(line)
        if match:
            self.steps.append(Step(number, match.group(1) or "1", match.group(2), match.group(3) or ""))
        elif re.match(r"(close|wait_stat|await) ", line):
            kind, rest = line.split(" ", 1)
            self.steps.append(Step(number, "1", kind, rest))
        elif re.match(r"(flags|peer|since|cuts|ports|opening|fresh|proto|end):", line) and not self.steps:
            key, value = line.split(":", 1)
            self.head[key] = value.strip()
        elif line.startswith("#"):
            self.prose.append(line[1:].strip())
        elif line.strip():
            raise ScriptError("%s:%d: what is this: %s" % (self.path, number, line))


class Run:
    """One pass through a script. `cut`: None, "drip", or before which byte each piece of input is cut
    (a shorter piece at cut modulo its length, so that all are cut at every byte by the time the longest is)."""

    def __init__(self, script, address, control, cut, opening, record=False):
        self.script, self.address, self.control = script, address, control
        self.cut, self.opening, self.record = cut, opening, record
        self.longest = 0                    # bytes of the longest piece sent at once
        self.conns = {}
        self.pending = {}                   # bytes gathered per connection, sent before the next expectation
        self.variables = {"now": int(time.time())}
        self.ended = set()                  # connections that the server was to close
        self.replies = {}                   # for --record

    def conn(self, name):
        if name not in self.conns:
            conn = self.conns[name] = harness.Conn(self.address)
            if self.opening:
                conn.call(*self.opening)
        return self.conns[name]

    def flush(self):
        for name, data in self.pending.items():
            conn = self.conn(name)
            try:
                self._send(conn, data)
            except (BrokenPipeError, ConnectionResetError):
                pass                        # closed by the server: the expectations tell whether it should
            self.longest = max(self.longest, len(data))
        self.pending = {}

    def _send(self, conn, data):
        if self.cut == "drip":
            for at in range(len(data)):
                conn.send(data[at:at + 1])
                conn.await_consumed()
            return
        if self.cut and len(data) > 1:
            at = 1 + (self.cut - 1) % (len(data) - 1)
            conn.send(data[:at])
            conn.await_consumed()
            data = data[at:]
        conn.send(data)

    def text(self, step):
        text = step.text.encode("latin-1")
        if text.endswith(b"\\") and not text.endswith(b"\\\\"):
            return expand(text[:-1], self.variables)
        return expand(text, self.variables) + b"\r\n"

    def go(self):
        try:
            for index, step in enumerate(self.script.steps):
                try:
                    getattr(self, "do_" + self.NAMES.get(step.kind, step.kind))(step)
                except AssertionError as error:
                    raise AssertionError("%s:%d: %s" % (self.script.path, step.number, error))
                if self.record and (index + 1 == len(self.script.steps) or
                                    self.script.steps[index + 1].number > step.number + 1):
                    self.flush()
                    self.replies[step.number] = self.quiet(step.conn)
            self.flush()
            if not self.record and self.script.head.get("end") != "open":
                for name, conn in self.conns.items():
                    self.at_rest(name, conn)
        finally:
            for conn in self.conns.values():
                conn.close()
        return self.longest

    NAMES = {">": "send", ">*": "array", "<": "exact", "<~": "match", "<*": "reply", "<eof": "eof"}

    def quiet(self, name):
        """Whatever arrives in a short while (only to record, never to test)."""
        conn = self.conn(name)
        conn.sock.settimeout(0.15)
        try:
            while True:
                data = conn.sock.recv(1 << 20)
                if not data:
                    return conn.buf + b"<eof>"
                conn.buf += data
        except OSError:
            out, conn.buf = conn.buf, b""
            conn.sock.settimeout(conn.deadline)
            return out

    def at_rest(self, name, conn):
        """Nothing more than what was expected comes, and the connection still serves."""
        if name in self.ended:
            return
        try:
            conn.call(*END[self.script.kind])
        except (AssertionError, OSError) as error:
            raise AssertionError("%s: connection %s at the end: %s" % (self.script.path, name, error))

    def do_send(self, step):
        self.pending[step.conn] = self.pending.get(step.conn, b"") + self.text(step)

    def do_array(self, step):
        words = [expand(word.encode("latin-1"), self.variables) for word in words_of(step.text)]
        self.pending[step.conn] = self.pending.get(step.conn, b"") + harness.resp_command(*words)

    def do_exact(self, step):
        self.flush()
        self.conn(step.conn).expect(self.text(step))

    def do_match(self, step):
        self.flush()
        line = self.conn(step.conn).until()[:-2]
        pattern = re.sub(rb"\$\{\w+(?:[+-]\d+)?\}", lambda m: re.escape(expand(m.group(0), self.variables)),
                         step.text.encode("latin-1"))
        match = re.fullmatch(pattern, line, re.S)
        if not match:
            raise AssertionError("expected a match of %r, got %r" % (pattern, line))
        self.variables.update(match.groupdict())

    def do_reply(self, step):
        self.flush()
        reply = self.conn(step.conn).resp()
        match = re.search(step.text.encode("latin-1"), reply, re.S)
        if not match:
            raise AssertionError("expected %r in the reply %r" % (step.text, reply))
        self.variables.update(match.groupdict())

    def do_eof(self, step):
        self.flush()
        rest = self.conn(step.conn).eof()
        if rest and not (step.text and re.fullmatch(step.text.encode("latin-1"), rest, re.S)):
            raise AssertionError("expected the connection to close, got %r" % rest[:300])
        self.ended.add(step.conn)

    def do_close(self, step):
        self.flush()
        self.conns.pop(step.text.strip()).close()

    def do_wait_stat(self, step):
        self.flush()
        name, value = step.text.split()

        def is_there():
            self.control.send(b"stats\r\n")
            return ("STAT %s %s\r\n" % (name, value)).encode() in self.control.until(b"END\r\n")
        harness.await_true(is_there, "stat %s to be %s" % (name, value))

    def do_await(self, step):
        self.flush()
        request, reply = step.text.split(" => ")
        request, reply = (expand(text.encode("latin-1"), self.variables) + b"\r\n" for text in (request, reply))
        conn = self.conn(step.conn)
        end = END[self.script.kind]         # marks the end of the reply
        if self.script.kind == "resp":
            request = harness.resp_command(*request.split())

        def is_so():
            conn.send(request + end[0])
            return conn.until(end[1])[:-len(end[1])] == reply
        harness.await_true(is_so, "%r to be answered by %r" % (request, reply))


# A request whose reply shows that everything before it was answered.
END = {"mc": (b"mn\r\n", b"MN\r\n"), "resp": (harness.resp_command("ECHO", "!end"), b"$4\r\n!end\r\n")}


def words_of(text):
    """Split at blanks; double quotes keep blanks and may be empty; escapes are left for expand()."""
    return [(quoted if plain == "" else plain) for quoted, plain in
            re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)', text)]


# ---- runner ------------------------------------------------------------------------------------------

OPENING = {"mc": (b"mn\r\n", b"MN\r\n"), "resp": (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n")}


class Bench:
    """Servers by their flags, started when first needed."""

    def __init__(self, server):
        self.which = server
        self.servers = {}
        self.controls = {}

    def start(self, flags):
        if self.which == "memcached":
            return harness.Memcached(*flags)
        if self.which == "redis":
            return harness.Redis(*flags)
        return harness.Millpond(*flags)

    def get(self, script):
        key = tuple(script.flags)
        if "fresh" in script.head:
            self.drop(key)
        if key not in self.servers:
            server = self.servers[key] = self.start(script.flags)
            self.controls[key] = harness.Conn(server.resp if self.which == "redis" else server.mc)
        server, control = self.servers[key], self.controls[key]
        if self.which == "redis":
            control.call(b"FLUSHALL\r\n", b"+OK\r\n")
        elif self.which == "memcached":
            control.call(b"flush_all\r\n", b"OK\r\n")
        else:
            server.flush()
        return server, control

    def drop(self, key):
        server = self.servers.pop(key, None)
        if server:
            self.controls.pop(key).close()
            server.stop()

    def forget_dead(self):
        for key in [key for key, server in self.servers.items() if not server.alive()]:
            self.controls.pop(key).close()
            self.servers.pop(key).discard()

    def close(self):
        for key in list(self.servers):
            self.drop(key)


def version(text):
    return tuple(int(part) for part in text.split("."))


PEER_VERSION = {"memcached": (1, 6, 18), "redis": (7, 0, 15)}


def peer_version(which):
    import subprocess
    command = [harness.MEMCACHED, "-V"] if which == "memcached" else [harness.REDIS, "--version"]
    found = re.search(r"(\d+\.\d+\.\d+)", subprocess.run(command, capture_output=True, text=True).stdout)
    return version(found.group(1)) if found else PEER_VERSION[which]


def skip_reason(script, which):
    if which == "millpond":
        return None
    if script.peer != which:
        return "needs millpond" if script.peer == "none" else "speaks to " + script.peer
    if "since" in script.head and version(script.head["since"]) > peer_version(which):
        return "newer than this " + which
    return None


def cuts_of(script, longest, quick):
    """The cut positions: every byte of the longest piece, or an even spread when there are too many."""
    limit = script.cuts
    if limit is None:
        limit = 1 if script.timed else 400
    if quick:
        limit = min(limit, 5)
    if "fresh" in script.head:
        limit = min(limit, 20)
    inner = range(1, longest)
    if len(inner) <= limit:
        return list(inner)
    return sorted({inner[index * len(inner) // limit] for index in range(limit)})


def run_script(script, bench, ports, quick=False):
    """Every run of one script; AssertionError tells the first difference. Returns the number of runs."""
    runs = 0
    for port in ports:
        opening = OPENING[script.kind] if port != script.kind and script.head.get("opening") != "none" else None

        def once(cut, port=port, opening=opening):
            server, control = bench.get(script)
            address = server.resp if port == "resp" else server.mc
            try:
                longest = Run(script, address, control, cut, opening).go()
                server.check()
                return longest
            except AssertionError as error:
                how = "whole" if cut is None else "byte by byte" if cut == "drip" else "cut before byte %d" % cut
                raise AssertionError("%s\n  (%s port, %s)" % (error, port, how))
        longest = once(None)
        runs += 1
        if longest <= 4000 and not script.timed:
            once("drip")
            runs += 1
        if script.timed and port != script.kind:
            continue                    # waiting on one port is enough
        for cut in cuts_of(script, longest, quick):
            once(cut)
            runs += 1
    return runs


def ports_of(script, which, wanted):
    if which == "memcached":
        return ["mc"]
    if which == "redis":
        return ["resp"]
    if script.head.get("ports") == "own":
        return [script.kind] if wanted in ("both", script.kind) else []
    return ["mc", "resp"] if wanted == "both" else [wanted]


def find_scripts(names=()):
    paths = []
    for folder, _, files in sorted(os.walk(HERE)):
        paths += [os.path.join(folder, name) for name in sorted(files) if name.endswith(".wire")]
    if names:
        wanted = [os.path.abspath(name) for name in names]
        paths = [path for path in paths
                 if path in wanted or any(name in os.path.relpath(path, HERE) for name in names)]
    return [Script(path) for path in paths]


def record(script, bench):
    server, control = bench.get(script)
    run = Run(script, server.resp if bench.which == "redis" else server.mc, control, None, None, record=True)
    run.go()
    prefix = {step.number: step.conn if step.conn != "1" else "" for step in script.steps}
    with open(script.path, encoding="latin-1") as lines:
        for number, line in enumerate(lines.read().rstrip("\n").split("\n"), 1):
            print(line)
            reply = run.replies.get(number)
            for part in reply.split(b"\r\n")[:-1] if reply else []:
                print(prefix.get(number, "") + "< " + repr(part)[2:-1].replace("\\'", "'"))
            if reply and not reply.endswith(b"\r\n"):
                print("<eof" if reply.endswith(b"<eof>") else "< %s\\" % repr(reply.split(b"\r\n")[-1])[2:-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=("millpond", "memcached", "redis"), default="millpond")
    parser.add_argument("--port", choices=("mc", "resp", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="five cuts per script instead of all")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("scripts", nargs="*")
    args = parser.parse_args()
    scripts = find_scripts(args.scripts)
    if args.list:
        for script in scripts:
            print("%-45s %s" % (script.name, " ".join(script.prose)[:100]))
        return 0
    bench = Bench(args.server)
    if args.record:
        for script in scripts:
            record(script, bench)
        bench.close()
        return 0
    if args.server == "millpond" and not harness.millpond_path():
        print("no millpond binary: set MILLPOND", file=sys.stderr)
        return 2
    passed = failed = skipped = 0
    for number, script in enumerate(scripts, 1):
        reason = skip_reason(script, args.server)
        if reason:
            skipped += 1
            print("ok %d - wire %s # SKIP %s" % (number, script.name, reason))
            continue
        try:
            runs = run_script(script, bench, ports_of(script, args.server, args.port), args.quick)
            passed += 1
            print("ok %d - wire %s (%d runs)" % (number, script.name, runs))
        except (AssertionError, ScriptError, OSError) as error:
            failed += 1
            print("not ok %d - wire %s" % (number, script.name))
            print("# " + str(error).replace("\n", "\n# "))
            bench.forget_dead()
        sys.stdout.flush()
    try:
        bench.close()
    except AssertionError as error:
        failed += 1
        print("not ok - the servers' end\n# " + str(error).replace("\n", "\n# "))
    print("1..%d" % len(scripts))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
