# SPDX-License-Identifier: BSD-3-Clause
"""Real servers for tests: start them on free ports, talk to them, stop them, judge how they went.

A test asks `start()` for the server under test. That is millpond (MILLPOND, or `millpond` in
MILLPOND_BUILD or the current directory); with MILLPOND_SELFTEST=1 it is a pair of Debian's memcached and
redis-server behind the same interface, which shows that a test fails for millpond's sake only.

Nothing here sleeps for a guessed time: conditions are polled under a deadline, sockets have deadlines.
MILLPOND_PATIENCE multiplies every deadline (for sanitizer builds and loaded machines).
"""
import atexit
import ctypes
import fcntl
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest

PATIENCE = float(os.environ.get("MILLPOND_PATIENCE", "1"))
DEADLINE = 15.0 * PATIENCE
SELFTEST = os.environ.get("MILLPOND_SELFTEST", "") not in ("", "0")
MEMCACHED = shutil.which("memcached")
REDIS = shutil.which("redis-server")

REPORT = re.compile(
    r"(AddressSanitizer|ThreadSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|MemorySanitizer"
    r"|runtime error:|CHECK failed|assertion failed|Assertion .* failed)", re.I)


def millpond_path():
    """The binary under test, or None when there is none."""
    for path in (os.environ.get("MILLPOND"),
                 os.path.join(os.environ.get("MILLPOND_BUILD", "."), "millpond")):
        if path and os.access(path, os.X_OK) and os.path.isfile(path):
            return os.path.abspath(path)
    return None


def sanitized():
    """True when the binary under test was built with a sanitizer (memory figures then mean nothing)."""
    path = millpond_path()
    if SELFTEST or path is None:
        return False
    with open(path, "rb") as binary:
        data = binary.read()
    return b"__asan_init" in data or b"__tsan_init" in data


def await_true(predicate, what, deadline=None):
    """Poll predicate() until it is true and return its value; AssertionError names `what` on time-out."""
    limit = time.monotonic() + (deadline * PATIENCE if deadline else DEADLINE)
    pause = 0.0005
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > limit:
            raise AssertionError("waited in vain for " + what)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# ---- sockets ---------------------------------------------------------------------------------------

class Closed(AssertionError):
    """The peer closed the connection where a reply was expected."""


class Conn:
    """A raw client socket with a deadline on every call and its own receive buffer."""

    def __init__(self, address, deadline=None):
        self.deadline = deadline or DEADLINE
        family = (socket.AF_UNIX if isinstance(address, str) else
                  socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(self.deadline)
        self.sock.connect(address)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.family = family
        self.buf = b""
        self.sent = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def send(self, data):
        self.sock.sendall(data)
        self.sent += len(data)

    def _more(self):
        try:
            data = self.sock.recv(1 << 16)
        except socket.timeout:
            raise AssertionError("no reply in %.0f s, have %r" % (self.deadline, self.buf[-200:]))
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed("connection closed, have %r" % self.buf[-200:])
        self.buf += data

    def recv(self, length):
        """Exactly `length` bytes."""
        if length - len(self.buf) > 1 << 16:            # big: do not grow the buffer byte string quadratically
            parts, have = [self.buf], len(self.buf)
            self.buf = b""
            while have < length:
                self._more()
                parts.append(self.buf)
                have += len(self.buf)
                self.buf = b""
            self.buf = b"".join(parts)
        while len(self.buf) < length:
            self._more()
        out, self.buf = self.buf[:length], self.buf[length:]
        return out

    def until(self, mark=b"\r\n"):
        """Everything up to and including `mark`."""
        start = 0
        while True:
            at = self.buf.find(mark, start)
            if at >= 0:
                out, self.buf = self.buf[:at + len(mark)], self.buf[at + len(mark):]
                return out
            start = max(0, len(self.buf) - len(mark) + 1)
            self._more()

    def expect(self, data):
        """The next bytes are `data`."""
        try:
            got = self.recv(len(data))
        except AssertionError as error:
            raise AssertionError("expected %r: %s" % (data[:300], error))
        if got != data:
            raise AssertionError("expected %r, got %r" % (data[:300], (got + self.buf)[:300]))

    def call(self, data, reply):
        self.send(data)
        self.expect(reply)

    def line(self, data):
        """Send `data` and return the one reply line, without its end."""
        self.send(data)
        return self.until()[:-2]

    def eof(self):
        """All the bytes up to the peer's close."""
        while True:
            try:
                self._more()
            except Closed:
                out, self.buf = self.buf, b""
                return out

    def at_eof(self):
        """The peer closes, and sends nothing before that."""
        rest = self.eof()
        if rest:
            raise AssertionError("expected the connection to close, got %r" % rest[:300])

    def resp(self):
        """One RESP2/RESP3 reply, raw."""
        return read_resp(self)

    def command(self, *args):
        """Send one RESP command and return its raw reply."""
        self.send(resp_command(*args))
        return read_resp(self)

    def await_consumed(self):
        """Wait until the server has read every byte that was sent on this connection (its replies are read
        meanwhile: a server need not read on while nobody takes what it answers)."""
        def consumed():
            if unread_by_peer(self) == 0:
                return True
            if select.select([self.sock], [], [], 0)[0]:
                try:
                    self._more()
                except Closed:
                    return True
            return False
        await_true(consumed, "the server to read what was sent")

    def close(self):
        self.sock.close()


def _bytes(arg):
    return arg if isinstance(arg, bytes) else str(arg).encode()


def resp_command(*args):
    """A RESP array of bulk strings."""
    args = [_bytes(arg) for arg in args]
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args)


def read_resp(conn):
    """Read one RESP2 or RESP3 value from conn and return its raw bytes."""
    line = conn.until()
    kind = line[:1]
    if kind in b"+-:_#,(":
        return line
    if kind in b"$=!":
        length = int(line[1:-2])
        return line if length < 0 else line + conn.recv(length + 2)
    if kind in b"*~>%|":
        count = int(line[1:-2]) * (2 if kind in b"%|" else 1)
        out = line + b"".join(read_resp(conn) for _ in range(max(count, 0)))
        return out + read_resp(conn) if kind == b"|" else out
    raise AssertionError("not a RESP reply: %r" % (line + conn.buf)[:200])


# How much of what was sent the server has not read yet. A Unix socket says so itself (SIOCOUTQ). For TCP
# that call tells what is not acknowledged, and acknowledgements are delayed; so the server's end is asked:
# bytes received so far less bytes in its receive queue (sock_diag).
_diag = None
ESTABLISHED = 1


def _bytes_read(local, peer, family):
    """Bytes that the socket with the address `local` has received and its process has read, or None."""
    global _diag
    if _diag is None:
        _diag = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)   # NETLINK_SOCK_DIAG
        _diag.settimeout(5)
    identity = (struct.pack("!HH", local[1], peer[1])
                + socket.inet_pton(family, local[0]).ljust(16, b"\0")
                + socket.inet_pton(family, peer[0]).ljust(16, b"\0")
                + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF))
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 2, 0, 0xFFFFFFFF) + identity   # 2: with tcp_info
    _diag.send(struct.pack("=IHHII", 16 + len(body), 20, 1, 1, 0) + body)  # SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST
    answer = _diag.recv(8192)
    if struct.unpack_from("=H", answer, 4)[0] == 2 or answer[17] != ESTABLISHED:     # NLMSG_ERROR: no such socket
        return None
    queued = struct.unpack_from("=I", answer, 16 + 4 + 48 + 4)[0]
    at, end = 16 + 72, struct.unpack_from("=I", answer, 0)[0]
    while at + 4 <= end:                                                   # attributes; 2 is INET_DIAG_INFO
        length, kind = struct.unpack_from("=HH", answer, at)
        if kind == 2:
            return struct.unpack_from("=Q", answer, at + 4 + 128)[0] - queued
        at += (length + 3) & ~3
    raise OSError("no tcp_info from sock_diag")


def unread_by_peer(conn):
    """Bytes sent on conn that its server has not read yet; 0 when it has closed."""
    if conn.family == socket.AF_UNIX:
        return struct.unpack("i", fcntl.ioctl(conn.sock, termios.TIOCOUTQ, b"\0" * 4))[0]
    try:
        ends = conn.sock.getpeername(), conn.sock.getsockname(), conn.family
    except OSError:
        return 0
    read = _bytes_read(*ends)
    return 0 if read is None else conn.sent - read


# ---- servers ---------------------------------------------------------------------------------------

class Process:
    """One server process: its files, its end, and what it left on stderr."""

    def __init__(self, argv, env=None, name=None, rlimit_nofile=None, cwd=None, wrap=()):
        """`wrap`: a command that is to exec the server, such as taskset or valgrind with its options."""
        self.name = name or os.path.basename(argv[0])
        argv = list(wrap) + list(argv)
        self.dir = tempfile.mkdtemp(prefix="millpond-test-")
        if "-u" in argv:
            os.chmod(self.dir, 0o777)           # another user is to write its ports here
        self.argv = argv
        self.stopped = None

        def prepare():
            _die_with_parent()
            if rlimit_nofile:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (rlimit_nofile, rlimit_nofile))

        environ = dict(os.environ)
        # Freed memory that ASan holds back counts as resident: with its 256 MB the cache would be over its limit.
        environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=66:quarantine_size_mb=8")
        environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=66")
        environ.setdefault("TSAN_OPTIONS", "halt_on_error=1:exitcode=66:second_deadlock_stack=1")
        environ.update(env or {})
        environ["MEMCACHED_PORT_FILENAME"] = self.path("ports")
        self._err = open(self.path("stderr"), "wb")
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self._err, stderr=self._err,
                                     env=environ, preexec_fn=prepare, cwd=cwd)
        self.pid = self.proc.pid
        atexit.register(self.discard)

    def path(self, name):
        return os.path.join(self.dir, name)

    def stderr(self):
        with open(self.path("stderr"), "r", errors="replace") as log:
            return log.read()

    def alive(self):
        return self.proc.poll() is None

    def wait(self, deadline=None):
        """The exit status (negative: the signal), within the deadline."""
        try:
            return self.proc.wait(deadline * PATIENCE if deadline else DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end; stderr: %s" % (self.name, self.stderr()[-2000:]))

    def kill(self, number):
        os.kill(self.pid, number)

    def check(self):
        """The process is alive and has reported nothing bad."""
        if not self.alive():
            raise AssertionError("%s died with status %s; stderr: %s"
                                 % (self.name, self.proc.returncode, self.stderr()[-4000:]))
        self.check_report()

    def check_report(self):
        log = self.stderr()
        if REPORT.search(log):
            raise AssertionError("%s reported:\n%s" % (self.name, log[-8000:]))

    def stop(self, number=signal.SIGTERM, deadline=None):
        """End it by signal; its exit status must be 0 and its stderr free of reports."""
        if self.stopped is None:
            self.check()
            self.kill(number)
            self.finished(deadline)
        return self.stopped

    def finished(self, deadline=None):
        """It ends by itself (or by a signal that was sent), with status 0 and without a report."""
        self.stopped = self.wait(deadline)
        log = self.stderr()
        self.discard()
        if REPORT.search(log) or self.stopped != 0:
            raise AssertionError("%s ended with status %s:\n%s" % (self.name, self.stopped, log[-8000:]))

    def discard(self):
        """Remove every trace, without judging."""
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self._err.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        atexit.unregister(self.discard)

    def rss(self):
        """Resident bytes."""
        with open("/proc/%d/statm" % self.pid) as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def cpu(self):
        """CPU seconds used so far (user + system)."""
        with open("/proc/%d/stat" % self.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_ports(process):
    """Wait for the port file and return {"TCP INET": n, ...}."""
    def ready():
        if not process.alive():
            raise AssertionError("%s did not start (status %s): %s"
                                 % (process.name, process.proc.returncode, process.stderr()[-2000:]))
        return os.path.exists(process.path("ports"))
    await_true(ready, "%s to write its ports" % process.name)
    with open(process.path("ports")) as ports:
        found = {}
        for line in ports:
            if ": " in line:
                name, number = line.rsplit(": ", 1)
                found.setdefault(name.strip(), int(number))
    return found


class Memcached(Process):
    """Debian's memcached."""

    def __init__(self, *args, **kwargs):
        user = ["-u", "root"] if os.geteuid() == 0 else []
        super().__init__([MEMCACHED, "-p", "-1", "-U", "0", "-l", "127.0.0.1", "-t", "1"] + user + list(args),
                         name="memcached", **kwargs)
        self.mc = ("127.0.0.1", read_ports(self)["TCP INET"])


class Redis(Process):
    """Debian's redis-server on a port of 127.0.0.1 that was free a moment ago; retried if taken."""

    def __init__(self, *args, **kwargs):
        for _ in range(20):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            super().__init__([REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                              "--appendonly", "no", "--dir", tempfile.gettempdir()] + list(args),
                             name="redis-server", **kwargs)
            self.resp = ("127.0.0.1", port)
            if self._ready():
                return
            self.discard()
        raise AssertionError("redis-server found no free port")

    def _ready(self):
        def answers():
            if not self.alive():
                return "dead"
            try:
                with Conn(self.resp) as conn:
                    # the pid proves that the answer is not another server's
                    return ("process_id:%d\r" % self.pid) in conn.command("INFO", "server").decode() and "up"
            except (OSError, AssertionError):
                return None
        return await_true(answers, "redis-server to answer") == "up"


class Server:
    """What tests and test bases share: connections, stats, and the end with its checks."""

    mc = resp = unix = None

    def conn(self, kind="mc", **kwargs):
        return Conn({"mc": self.mc, "resp": self.resp, "unix": self.unix}[kind], **kwargs)

    def stats(self, *args):
        """memcached `stats`, as a dict of strings."""
        with Conn(self.unix or self.mc) as conn:
            conn.send(b" ".join([b"stats"] + [_bytes(arg) for arg in args]) + b"\r\n")
            out = {}
            while True:
                line = conn.until()[:-2].decode()
                if line == "END":
                    return out
                kind, name, value = (line.split(" ", 2) + [""])[:3]
                if kind != "STAT":
                    raise AssertionError("stats answered %r" % line)
                out[name] = value

    def stat(self, name):
        value = self.stats()[name]
        return int(value) if re.fullmatch(r"-?\d+", value) else value

    def await_stat(self, name, predicate, deadline=None):
        """Poll `stats` until predicate(value) holds; returns the value."""
        last = []

        def holds():
            last[:] = [self.stat(name)]
            return predicate(last[0])
        try:
            await_true(holds, "stat")
        except AssertionError:
            raise AssertionError("stat %s stays at %r" % (name, last[0]))
        return last[0]

    def flush(self):
        """Empty the cache."""
        with Conn(self.unix or self.mc) as conn:
            conn.call(b"flush_all\r\n", b"OK\r\n")


class Millpond(Process, Server):
    """The server under test, both ports picked free. `args` go to the command line as they are.

    mc=False, resp=False: do not open that TCP port. Keyword `flags` replaces the port flags wholly.
    """

    def __init__(self, *args, mc=True, resp=True, threads=2, **kwargs):
        path = millpond_path()
        if path is None:
            raise unittest.SkipTest("no millpond binary (set MILLPOND)")
        argv = [path]
        if mc:
            argv += ["-p", "-1"]
        if resp:
            argv += ["--resp-port", "-1"]
        if threads:
            argv += ["-t", str(threads)]
        if "-l" not in args:
            argv += ["-l", "127.0.0.1"]
        super().__init__(argv + list(args), name="millpond", **kwargs)
        self.ports = {}
        if mc or resp:
            self.ports = read_ports(self)
        host = args[args.index("-l") + 1] if "-l" in args else "127.0.0.1"
        inet = " INET6" if ":" in host else " INET"
        if "TCP" + inet in self.ports:
            self.mc = (host, self.ports["TCP" + inet])
        if "RESP" + inet in self.ports:
            self.resp = (host, self.ports["RESP" + inet])
        if "-s" in args:
            self.unix = args[args.index("-s") + 1]
            await_true(lambda: self._connects(self.unix) or not self.alive(), "the unix socket")
            self.check()
        self.idle_fds = None
        if self.mc:                       # a first connection, so that lazily made descriptors count as idle ones
            with self.conn() as conn:
                conn.call(b"mn\r\n", b"MN\r\n")
            self.idle_fds = self._settled_fds()

    @staticmethod
    def _connects(address):
        try:
            with Conn(address):
                return True
        except OSError:
            return False

    def flush(self):
        """Empty all databases; a delayed flush_all that is under way is forgotten as well."""
        super().flush()
        with Conn(self.unix or self.mc) as conn:
            conn.call(resp_command("FLUSHALL"), b"+OK\r\n")

    def _settled_fds(self):
        """The number of descriptors once no connection is left."""
        def only_ours():
            return not any(self._sockets_established())
        await_true(only_ours, "the first connection to close")
        return self.fds()

    def _sockets_established(self):
        """States of the server's TCP sockets that are connections (sock inode match)."""
        inodes = set()
        for name in os.listdir("/proc/%d/fd" % self.pid):
            try:
                link = os.readlink("/proc/%d/fd/%s" % (self.pid, name))
            except OSError:
                continue
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
        for table in ("tcp", "tcp6"):
            try:
                with open("/proc/%d/net/%s" % (self.pid, table)) as lines:
                    for line in list(lines)[1:]:
                        fields = line.split()
                        if fields[9] in inodes and fields[3] != "0A":
                            yield fields[3]
            except OSError:
                pass

    def check_fds(self):
        """No descriptor is left over from connections (all of which the test has closed)."""
        if self.idle_fds is not None:
            try:
                await_true(lambda: self.fds() <= self.idle_fds, "descriptors")
            except AssertionError:
                names = [os.readlink("/proc/%d/fd/%s" % (self.pid, n)) for n in os.listdir("/proc/%d/fd" % self.pid)]
                raise AssertionError("%d descriptors at rest, %d now: %s" % (self.idle_fds, self.fds(), names))

    def stop(self, number=signal.SIGTERM, deadline=None, fds=True):
        if self.stopped is None and fds:
            self.check()
            self.check_fds()
        return super().stop(number, deadline)


class Peers(Server):
    """memcached and redis-server side by side, dressed as one server: for MILLPOND_SELFTEST only."""

    def __init__(self, *args, mc=True, resp=True, threads=2, **kwargs):
        self.memcached = Memcached(*args, **kwargs)
        self.redis = Redis(**kwargs)
        self.mc, self.resp, self.pid = self.memcached.mc, self.redis.resp, self.memcached.pid
        self.name = "memcached + redis-server"

    def check(self):
        self.memcached.check()
        self.redis.check()

    def flush(self):
        super().flush()
        with Conn(self.resp) as conn:
            assert conn.command("FLUSHALL") == b"+OK\r\n"

    def alive(self):
        return self.memcached.alive() and self.redis.alive()

    def rss(self):
        return self.memcached.rss()

    def fds(self):
        return self.memcached.fds()

    def cpu(self):
        return self.memcached.cpu()

    def stderr(self):
        return self.memcached.stderr() + self.redis.stderr()

    def stop(self, *unused, **also):
        self.memcached.stop()
        self.redis.stop()

    def discard(self):
        self.memcached.discard()
        self.redis.discard()


def start(*args, **kwargs):
    """The server under test."""
    return (Peers if SELFTEST else Millpond)(*args, **kwargs)


class Case(unittest.TestCase):
    """A test with servers: those it started are stopped and judged at its end."""

    ARGS = ()

    def start(self, *args, **kwargs):
        server = start(*args, **kwargs)
        self.addCleanup(self._finish, server)
        return server

    def _finish(self, server):
        try:
            server.stop()
        finally:
            server.discard()

    def conn(self, server, kind="mc", **kwargs):
        conn = server.conn(kind, **kwargs)
        self.addCleanup(conn.close)
        return conn


class SharedCase(unittest.TestCase):
    """One server for all tests of the class (ARGS are its flags), emptied before each."""

    ARGS = ()
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = start(*cls.ARGS)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.discard()

    def setUp(self):
        self.server.check()
        self.server.flush()

    def tearDown(self):
        self.server.check()

    def conn(self, kind="mc", **kwargs):
        conn = self.server.conn(kind, **kwargs)
        self.addCleanup(conn.close)
        return conn


class FreshCase(Case):
    """A server of its own for each test (ARGS are its flags)."""

    def setUp(self):
        self.server = self.start(*self.ARGS)

    def conn(self, kind="mc", **kwargs):
        return super().conn(self.server, kind, **kwargs)


def needs_millpond(test):
    """Skip in self-test mode: the peers cannot do this."""
    return unittest.skipIf(SELFTEST, "needs millpond")(test)


def needs_plain_build(test):
    """Skip where a sanitizer makes memory or time figures meaningless."""
    return unittest.skipIf(sanitized(), "sanitizer build")(test)


def needs_tool(name):
    return unittest.skipIf(shutil.which(name) is None, "no %s here" % name)
