# SPDX-License-Identifier: BSD-3-Clause
"""The process: its start and end, its command line and configuration, and clients that behave badly."""
import os
import pwd
import random
import re
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness


def run_millpond(*args, deadline=10):
    """Start and wait: for command lines that are to fail, or only print."""
    path = harness.millpond_path()
    if path is None:
        raise unittest.SkipTest("no millpond binary")
    return subprocess.run([path] + list(args), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=deadline * harness.PATIENCE)


class Life(harness.Case):
    def test_ends_by_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start()
            with server.conn() as conn:
                conn.call(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
                server.stop(number, deadline=8, fds=False)
                self.assertEqual(conn.eof(), b"")

    @harness.needs_millpond
    def test_ends_under_load(self):
        """SIGTERM amid pipelines: what was read is answered wholly, then the connections close; exit 0."""
        server = self.start()
        results, ready = [], threading.Barrier(5)

        def client(kind):
            request, reply = ((b"set a 0 0 1\r\n1\r\n", b"STORED\r\n") if kind == "mc" else
                              (harness.resp_command("SET", "a", "1"), b"+OK\r\n"))
            got, waited = b"", False
            with server.conn(kind) as conn:
                try:
                    while True:
                        conn.send(request * 50)
                        if not waited:
                            ready.wait()
                            waited = True
                        while len(got) < 1 << 30:
                            conn._more()
                            got += conn.buf
                            conn.buf = b""
                            if len(got) % (len(reply) * 50) == 0:
                                break
                except (harness.Closed, BrokenPipeError, ConnectionResetError):
                    pass
                got += conn.buf
            results.append(got.replace(reply, b"") == b"" and len(got) >= len(reply))
        threads = [threading.Thread(target=client, args=(kind,)) for kind in ("mc", "resp") * 2]
        for thread in threads:
            thread.start()
        ready.wait()
        begun = time.monotonic()
        server.stop(deadline=10, fds=False)
        self.assertLess(time.monotonic() - begun, 8 * harness.PATIENCE)
        for thread in threads:
            thread.join()
        self.assertEqual(results, [True] * 4)

    @harness.needs_millpond
    def test_answers_what_was_read_before_the_signal(self):
        server = self.start()
        with server.conn("resp") as conn:
            conn.command("SET", "a", "x" * 100)
            conn.send(harness.resp_command("GET", "a") * 2000)
            conn.await_consumed()
            server.kill(signal.SIGTERM)
            self.assertEqual(conn.eof(), (b"$100\r\n" + b"x" * 100 + b"\r\n") * 2000)
        server.finished()

    @harness.needs_millpond
    def test_answers_all_that_had_arrived(self):
        """More than one read of a connection takes."""
        server = self.start()
        with server.conn() as conn:
            conn.call(b"mn\r\n", b"MN\r\n")
            server.kill(signal.SIGSTOP)
            conn.send(b"mn\r\n" * 20000)
            server.kill(signal.SIGTERM)
            server.kill(signal.SIGCONT)
            self.assertEqual(conn.eof(), b"MN\r\n" * 20000)
        server.finished()

    @harness.needs_millpond
    def test_a_client_that_does_not_read_cannot_hold_the_end_up(self):
        server = self.start("--shutdown-timeout", "1")
        conn = self.conn(server)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conn.call(b"set a 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n", b"STORED\r\n")
        conn.send(b"get a\r\n" * 100)
        conn.recv(100)
        begun = time.monotonic()
        server.stop(deadline=8, fds=False)
        self.assertLess(time.monotonic() - begun, 6 * harness.PATIENCE)

    @harness.needs_millpond
    def test_second_start_on_a_used_port(self):
        server = self.start()
        for flag, port in (("-p", server.mc[1]), ("--resp-port", server.resp[1])):
            other = ["-p", "0"] if flag != "-p" else []
            done = run_millpond(flag, str(port), "-l", "127.0.0.1", *other)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("Address already in use", done.stderr)
            self.assertIn(str(port), done.stderr)
        with server.conn() as conn:
            conn.call(b"mn\r\n", b"MN\r\n")

    @harness.needs_millpond
    def test_port_is_free_again_at_once(self):
        server = self.start()
        port = server.mc[1]
        conn = self.conn(server)
        conn.call(b"mn\r\n", b"MN\r\n")
        server.stop(fds=False)                  # the server closes first: its side stays in TIME_WAIT
        again = harness.Millpond("-p", str(port), mc=False)
        self.addCleanup(self._finish, again)
        with harness.Conn(("127.0.0.1", port)) as conn:
            conn.call(b"mn\r\n", b"MN\r\n")

    @harness.needs_millpond
    def test_daemon_and_pidfile(self):
        with tempfile.TemporaryDirectory() as folder:
            ports, pidfile = os.path.join(folder, "ports"), os.path.join(folder, "pid")
            env = dict(os.environ, MEMCACHED_PORT_FILENAME=ports)
            done = subprocess.run([harness.millpond_path(), "-d", "-P", pidfile, "-p", "-1", "-l", "127.0.0.1",
                                   "--logfile", os.path.join(folder, "log")],
                                  env=env, timeout=harness.DEADLINE, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 0)
            harness.await_true(lambda: os.path.exists(ports) and os.path.exists(pidfile), "the daemon's files")
            with open(pidfile) as line:
                pid = int(line.read())
            with open(ports) as lines:
                port = int(re.search(r"TCP INET: (\d+)", lines.read()).group(1))
            try:
                with harness.Conn(("127.0.0.1", port)) as conn:
                    conn.call(b"mn\r\n", b"MN\r\n")
            finally:
                os.kill(pid, signal.SIGTERM)
            # not our child any more, so its end shows in /proc (gone, or a zombie that init has yet to take)
            harness.await_true(lambda: not os.path.exists("/proc/%d/exe" % pid) or
                               not os.path.exists(os.path.join("/proc/%d" % pid, "fd", "0")), "the daemon to end")

    @harness.needs_millpond
    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_becomes_another_user(self):
        server = self.start("-u", "nobody")
        with open("/proc/%d/status" % server.pid) as status:
            uids = re.search(r"^Uid:\s+(\d+)\s+(\d+)", status.read(), re.M)
        self.assertEqual(int(uids.group(1)), pwd.getpwnam("nobody").pw_uid)
        self.assertEqual(int(uids.group(2)), pwd.getpwnam("nobody").pw_uid)


@harness.needs_millpond
class CommandLine(unittest.TestCase):
    def refused(self, *args, names=None):
        done = run_millpond(*args)
        self.assertNotEqual(done.returncode, 0, args)
        self.assertGreater(done.returncode, 0, "%s: killed by a signal" % (args,))
        if names:
            self.assertIn(names, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_nonsense_is_refused(self):
        for args in (["-t", "x"], ["-t", "-1"], ["-c", "0"], ["-c", "-1"], ["-m", "x"], ["-I", "1000"], ["-I", "9g"],
                     ["-I", "x"], ["-p", "99999"], ["-p", "x"], ["-p", "-2"], ["-p"], ["--resp-port", "70000"],
                     ["--no-such-flag"], ["word"], ["-a", "999"], ["--policy", "nosuch"], ["-u", "nosuchuser.."]):
            with self.subTest(args=args):
                if args[0] == "-u" and os.geteuid():
                    continue
                text = self.refused(*args)
                self.assertTrue(args[0] in text or args[-1].lstrip("-") in text, text)

    def test_addresses_that_do_not_exist(self):
        for address in ("fooble.invalid", "256.1.1.1", "192.0.2.1"):
            with self.subTest(address=address):
                self.refused("-p", "-1", "-l", address, names=address)

    def test_help_and_version(self):
        done = run_millpond("-h")
        self.assertEqual(done.returncode, 0)
        for word in ("--resp-port", "-m", "-s", "-c", "-t", "-I", "--config"):
            self.assertIn(word, done.stdout)
        done = run_millpond("-V")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^millpond \d+\.\d+")


@harness.needs_millpond
class ConfigFile(harness.Case):
    def file(self, text):
        handle = tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False)
        self.addCleanup(os.unlink, handle.name)
        with handle:
            handle.write(text)
        return handle.name

    def test_errors_name_file_and_line(self):
        for text, line in (("foo bar\n", 1), ("# x\n\nmaxmemory 12zb\n", 3), ("maxclients 0\n", 1), ("port\n", 1),
                           ('bind "127.0.0.1\n', 1), ("port 1 2 3\n", 1), ("threads many\n", 1),
                           ("\n" * 50 + "loglevel loud\n", 51), ("maxmemory 1mb\nmaxmemory -5\n", 2)):
            with self.subTest(text=text):
                name = self.file(text)
                done = run_millpond("--config", name)
                self.assertGreater(done.returncode, 0)
                self.assertIn("%s:%d" % (name, line), done.stderr)

    def test_missing_file(self):
        done = run_millpond("--config", "/nonexistent/millpond.conf")
        self.assertGreater(done.returncode, 0)
        self.assertIn("/nonexistent/millpond.conf", done.stderr)

    def test_a_folder_is_no_file(self):
        done = run_millpond("--config", tempfile.gettempdir())
        self.assertGreater(done.returncode, 0)
        self.assertIn(tempfile.gettempdir(), done.stderr)

    def test_is_honoured_and_flags_win(self):
        name = self.file("# a comment\nbind 127.0.0.1\n  maxmemory   100mb  \nmaxclients 77\nthreads 1\nITEM-SIZE-MAX 2mb\n")
        server = self.start("--config", name, "-c", "88", threads=None)
        stats = server.stats()
        self.assertEqual(int(stats["limit_maxbytes"]), 100 << 20)
        self.assertEqual(stats["max_connections"], "88")
        self.assertEqual(stats["threads"], "1")
        with server.conn() as conn:
            conn.call(b"set a 0 0 2000000\r\n" + b"x" * 2000000 + b"\r\n", b"STORED\r\n")

    def test_a_file_without_end_of_line_and_with_dos_ends(self):
        server = self.start("--config", self.file("maxclients 55\r\nthreads 1"), threads=None)
        self.assertEqual(server.stats()["max_connections"], "55")

    def test_ports_from_the_file(self):
        name = self.file("memcached-port -1\nport -1\nbind 127.0.0.1\n")
        server = harness.Millpond("--config", name, mc=False, resp=False)
        self.addCleanup(self._finish, server)
        ports = harness.read_ports(server)
        with harness.Conn(("127.0.0.1", ports["TCP INET"])) as conn:
            conn.call(b"mn\r\n", b"MN\r\n")
        with harness.Conn(("127.0.0.1", ports["RESP INET"])) as conn:
            self.assertEqual(conn.command("PING"), b"+PONG\r\n")


@harness.needs_millpond
class Listening(harness.Case):
    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        server = self.start("-l", "::1")
        with server.conn("mc") as conn:
            conn.call(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
        with server.conn("resp") as conn:
            self.assertEqual(conn.command("GET", "a"), b"$1\r\n1\r\n")

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            for mode in ("700", "777", "660"):
                server = self.start("-s", path, "-a", mode, mc=False, resp=False)
                self.assertEqual("%o" % stat.S_IMODE(os.stat(path).st_mode), mode)
                with server.conn("unix") as conn:
                    conn.call(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
                with server.conn("unix") as conn:
                    self.assertEqual(conn.command("GET", "a"), b"$1\r\n1\r\n")
                server.stop()
                self.assertFalse(os.path.exists(path), "the socket is left over")

    def test_unix_socket_left_over_by_a_crash(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(path)
            server = self.start("-s", path, mc=False, resp=False)
            with server.conn("unix") as conn:
                conn.call(b"mn\r\n", b"MN\r\n")

    def test_unix_socket_does_not_take_a_file_or_a_live_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "precious")
            with open(path, "w") as precious:
                precious.write("data")
            done = run_millpond("-s", path)
            self.assertGreater(done.returncode, 0)
            with open(path) as precious:
                self.assertEqual(precious.read(), "data")

    def test_resp_port_is_closed_unless_asked_for(self):
        server = self.start(resp=False)
        self.assertEqual([name for name in server.ports if name.startswith("RESP")], [])

    def test_memcached_port_can_be_off(self):
        server = self.start("-p", "0", mc=False)
        self.assertEqual([name for name in server.ports if name.startswith("TCP")], [])
        with server.conn("resp") as conn:
            self.assertEqual(conn.command("PING"), b"+PONG\r\n")

    def test_wide_open_warns(self):
        server = self.start("-l", "0.0.0.0")
        self.assertRegex(server.stderr().lower(), "warning")
        local = self.start()
        self.assertNotRegex(local.stderr().lower(), "warning")


class Connections(harness.Case):
    def alive(self, server):
        with server.conn() as conn:
            conn.call(b"mn\r\n", b"MN\r\n")

    @harness.needs_millpond
    def test_connection_limit(self):
        server = self.start("-c", "10")
        conns = []
        while len(conns) < 10:
            conn = server.conn()
            conn.send(b"mn\r\n")
            conns.append(conn)
        for conn in conns:
            conn.expect(b"MN\r\n")
        over = server.conn()
        try:
            over.send(b"mn\r\n")
        except OSError:
            pass
        self.assertRegex(over.eof(), rb"^(ERROR Too many open connections\r\n)?$")
        over.close()
        over = server.conn("resp")
        self.assertRegex(over.eof(), rb"^(-ERR max number of clients reached\r\n)?$")
        over.close()
        conns.pop().close()

        def served():
            with server.conn() as conn:
                try:
                    return conn.line(b"mn\r\n") == b"MN"
                except (harness.Closed, OSError):
                    return False
        harness.await_true(served, "a place among the connections")
        for conn in conns:
            conn.call(b"mn\r\n", b"MN\r\n")
            conn.close()
        harness.await_true(served, "a place among the connections")

    @harness.needs_millpond
    def test_no_descriptors_left(self):
        """With few descriptors the server serves who is there, and accepts again when some return."""
        server = self.start("-c", "1000", rlimit_nofile=40)
        conns = [server.conn() for _ in range(80)]         # the kernel takes them all, the server some
        served = []
        for conn in conns:
            conn.send(b"mn\r\n")
        harness.await_true(lambda: sum(harness.unread_by_peer(conn) == 0 for conn in conns) >= 10, "some to be served")
        for conn in conns:
            if harness.unread_by_peer(conn) == 0:
                try:
                    conn.expect(b"MN\r\n")
                    served.append(conn)
                except harness.Closed:                     # told off at once is fine too
                    pass
        self.assertGreaterEqual(len(served), 10)
        cpu = server.cpu()
        for _ in range(200):                               # those who are in are served as ever
            for conn in served:
                conn.call(b"mn\r\n", b"MN\r\n")
        self.assertLess(server.cpu() - cpu, 4 * harness.PATIENCE, "spinning on accept?")
        for conn in served:
            conn.close()
        rest = [conn for conn in conns if conn not in served]
        answered = 0
        for conn in rest[:5]:
            try:
                conn.expect(b"MN\r\n")
                answered += 1
            except harness.Closed:
                pass
        for conn in rest:
            conn.close()
        harness.await_true(lambda: self._can(server), "a new connection")

    def _can(self, server):
        with server.conn() as conn:
            try:
                return conn.line(b"mn\r\n") == b"MN"
            except (harness.Closed, OSError):
                return False

    def test_closed_in_the_middle_of_everything(self):
        server = self.start()
        rng = random.Random(11)
        requests = [b"set a 0 0 100000\r\n" + b"x" * 500, b"get ", b"get a", b"mg a v", b"ms a 50 k\r\nabc", b"\r", b"s"]
        resp = [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\nxxxx", b"*1", b"*2\r\n$3\r\nGET\r\n$1", b"*1000\r\n$4\r\nMGET\r\n"]
        for round_ in range(60):
            kind = rng.choice(["mc", "resp"])
            conn = server.conn(kind)
            conn.send(rng.choice(requests if kind == "mc" else resp))
            if round_ % 3 == 0:                             # a reset instead of an end
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if round_ % 3 == 1:
                conn.sock.shutdown(socket.SHUT_WR)
            conn.close()
        self.alive(server)
        with server.conn() as conn:
            conn.call(b"get a\r\n", b"END\r\n")

    def test_half_closed_client_still_gets_its_replies(self):
        server = self.start()
        for kind, request, reply in (("mc", b"set a 0 0 1\r\n1\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n"),
                                     ("resp", b"PING\r\nSET a 1\r\n", b"+PONG\r\n+OK\r\n")):
            with server.conn(kind) as conn:
                conn.send(request)
                conn.sock.shutdown(socket.SHUT_WR)
                self.assertEqual(conn.eof(), reply)

    def test_reset_while_a_big_reply_is_under_way(self):
        server = self.start()
        with server.conn() as conn:
            conn.call(b"set a 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n", b"STORED\r\n")
        for _ in range(20):
            conn = server.conn()
            conn.send(b"get a\r\n" * 20)
            conn.recv(1000)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.close()
        self.alive(server)

    def test_slow_sender(self):
        """A set of 3,000 bytes sent byte by byte, other clients in between."""
        server = self.start()
        slow, other = self.conn(server), self.conn(server)
        data = b"set slow 0 0 3000\r\n" + b"s" * 3000 + b"\r\n"
        for index in range(len(data)):
            slow.send(data[index:index + 1])
            if index % 100 == 0:
                slow.await_consumed()
                other.call(b"get slow\r\n", b"END\r\n")
        slow.expect(b"STORED\r\n")
        other.call(b"get slow\r\n", b"VALUE slow 0 3000\r\n" + b"s" * 3000 + b"\r\nEND\r\n")

    def test_stopped_reader(self):
        """A client that asks for 200 MB and does not read: others go on; when it reads, it gets every byte."""
        server = self.start()
        value = random.Random(2).randbytes(100000)
        with server.conn() as conn:
            conn.call(b"set big 0 0 100000\r\n" + value + b"\r\n", b"STORED\r\n")
            conn.call(b"set small 0 0 5\r\nhello\r\n", b"STORED\r\n")
        readers = []
        rss = server.rss()
        for _ in range(4):
            conn = self.conn(server)
            conn.sock.setblocking(False)
            sent, request = 0, b"get big\r\n" * 500
            try:
                while sent < len(request):
                    sent += conn.sock.send(request[sent:])
            except BlockingIOError:
                pass
            readers.append((conn, sent))
        other, worst = self.conn(server), 0.0
        for _ in range(2000):
            begun = time.monotonic()
            other.call(b"get small\r\n", b"VALUE small 0 5\r\nhello\r\nEND\r\n")
            worst = max(worst, time.monotonic() - begun)
        self.assertLess(worst, 1.0 * harness.PATIENCE)
        if not harness.SELFTEST and not harness.sanitized():
            self.assertLess(server.rss() - rss, 64 << 20, "output of stopped readers piles up")
        wanted = b"VALUE big 0 100000\r\n" + value + b"\r\nEND\r\n"
        for conn, sent in readers[:2]:
            conn.sock.settimeout(harness.DEADLINE)
            for _ in range(sent // len(b"get big\r\n")):
                self.assertTrue(conn.recv(len(wanted)) == wanted, "a torn reply")
        for conn, _ in readers:
            conn.close()
        self.alive(server)

    @harness.needs_millpond
    def test_output_limit_closes_the_connection(self):
        server = self.start("--client-output-limit", "1mb")
        with server.conn() as conn:
            conn.call(b"set a 0 0 500000\r\n" + b"x" * 500000 + b"\r\n", b"STORED\r\n")
        greedy = self.conn(server)
        greedy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            greedy.send(b"get " + b"a " * 40 + b"\r\n")
            greedy.send(b"mn\r\n")
        except OSError:
            pass
        # either it is closed for 20 MB of unsent replies, or its replies are held back; memory stays small
        rss = server.rss()
        self.alive(server)
        self.assertLess(server.rss() - rss, 32 << 20)

    @harness.needs_millpond
    def test_mget_of_more_than_may_wait_is_refused(self):
        server = self.start("--client-output-limit", "1mb")
        with server.conn("resp") as conn:
            conn.call(harness.resp_command("SET", "a", b"x" * 10000), b"+OK\r\n")
            self.assertEqual(len(conn.command("MGET", *["a"] * 100)), 6 + 100 * 10010)
            self.assertTrue(conn.command("MGET", *["a"] * 10000).startswith(b"-OOM "))
            conn.call(harness.resp_command("STRLEN", "a"), b":10000\r\n")

    def test_garbage_from_many_connections(self):
        server = self.start()
        rng = random.Random(5)
        rss = server.rss()
        conns = []
        for index in range(300):
            conn = server.conn(rng.choice(["mc", "resp"]))
            conn.sock.setblocking(False)
            conns.append(conn)
        words = [b"get ", b"set a 0 0 ", b"\r\n", b"*", b"$", b"mg ", b"\0", b"\x80", b"\x81", b" ", b"99999", b"-1"]
        for _ in range(20):
            for conn in conns:
                data = (rng.randbytes(rng.randrange(1, 300)) if rng.random() < 0.6 else
                        b"".join(rng.choice(words) for _ in range(20)))
                try:
                    conn.sock.send(data)
                except OSError:
                    pass
        self.alive(server)
        for conn in conns:
            conn.close()
        self.alive(server)
        if not harness.sanitized() and not harness.SELFTEST:
            self.assertLess(server.rss() - rss, 80 << 20)

    @harness.needs_millpond
    def test_promises_of_size_cost_nothing_until_kept(self):
        """Headers that announce huge things: no memory before the bytes come."""
        server = self.start("-m", "256")
        rss = server.rss()
        conns = []
        for _ in range(20):
            for head in (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\nabc", b"*1000000\r\n$4\r\nMGET\r\n$1\r\na\r\n",
                         b"*2\r\n$4\r\nECHO\r\n$500000000\r\n"):
                conn = server.conn("resp")
                conn.send(head)
                conns.append(conn)
            conn = server.conn("mc")
            conn.send(b"set a 0 0 1000000\r\nabc")
            conns.append(conn)
        for conn in conns:
            conn.await_consumed()
        self.alive(server)
        if not harness.sanitized():
            self.assertLess(server.rss() - rss, 64 << 20)
        for conn in conns:
            conn.close()

    @harness.needs_plain_build
    def test_memory_of_a_burst_of_connections_returns(self):
        server = self.start("-c", "3000")
        if harness.SELFTEST:
            self.skipTest("needs millpond")
        with server.conn() as conn:
            conn.call(b"set a 0 0 1000\r\n" + b"x" * 1000 + b"\r\n", b"STORED\r\n")
        rss = server.rss()
        conns = [server.conn() for _ in range(1000)]
        for conn in conns:
            conn.send(b"get a\r\n" * 50 + b"set b 0 0 20000\r\n" + b"y" * 5000)
        for conn in conns:
            conn.recv(50 * len(b"VALUE a 0 1000\r\n" + b"x" * 1000 + b"\r\nEND\r\n"))
        for conn in conns:
            conn.close()
        server.await_stat("curr_connections", lambda count: count <= 2)
        harness.await_true(lambda: server.rss() < rss + (12 << 20), "memory to return")
        server.check_fds()

    def test_a_noreply_storm(self):
        server = self.start()
        with server.conn() as conn:
            for start in range(0, 200000, 10000):
                conn.send(b"".join(b"set n%d 0 0 4 noreply\r\nabcd\r\n" % (index % 5000)
                                   for index in range(start, start + 10000)))
            conn.call(b"mn\r\n", b"MN\r\n")
            conn.call(b"get n4999\r\n", b"VALUE n4999 0 4\r\nabcd\r\nEND\r\n")

    @harness.needs_millpond
    def test_other_protocol_after_the_first(self):
        """A connection keeps the protocol it began with."""
        server = self.start()
        with server.conn("mc") as conn:
            conn.call(b"mn\r\n", b"MN\r\n")
            conn.call(b"*1\r\n", b"ERROR\r\n")
            conn.call(b"get a\r\n", b"END\r\n")
        with server.conn("resp") as conn:
            self.assertEqual(conn.command("PING"), b"+PONG\r\n")
            conn.send(b"mn\r\n")
            self.assertRegex(conn.resp(), rb"^-ERR unknown command 'mn'")

    @harness.needs_millpond
    def test_idle_timeout(self):
        server = self.start("--idle-timeout", "1")
        idle, busy = self.conn(server), self.conn(server)
        idle.call(b"mn\r\n", b"MN\r\n")
        begun = time.monotonic()

        def closed():
            busy.call(b"mn\r\n", b"MN\r\n")
            idle.sock.setblocking(False)
            try:
                return idle.sock.recv(1) == b""
            except BlockingIOError:
                return False
        harness.await_true(closed, "the idle connection to be closed")
        self.assertGreaterEqual(time.monotonic() - begun, 0.9)

    @harness.needs_millpond
    def test_a_reply_under_way_is_not_idle(self):
        server = self.start("--idle-timeout", "1")
        reader = self.conn(server)
        reader.call(b"set a 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n", b"STORED\r\n")
        reader.send(b"get a\r\n" * 20000)                         # 20 GB, of which some seconds' worth is taken
        room = bytearray(1 << 20)
        begun = time.monotonic()
        while time.monotonic() - begun < 2.5:
            self.assertGreater(reader.sock.recv_into(room), 0)
        self.assertEqual(server.stat("idle_kicks"), 0)


class Limits(harness.Case):
    @harness.needs_millpond
    def test_item_size_limit(self):
        for size, name in ((1024, "1k"), (1 << 20, "1m"), (4 << 20, "4m")):
            server = self.start("-I", name, "-m", "64")
            with server.conn() as conn:
                fits = size - 200                           # memcached counts its headers; nobody can rely on the rest
                conn.call(b"set a 0 0 %d\r\n%s\r\n" % (fits, b"x" * fits), b"STORED\r\n")
                conn.call(b"get a\r\n", b"VALUE a 0 %d\r\n%s\r\nEND\r\n" % (fits, b"x" * fits))
                over = size + 1
                conn.call(b"set a 0 0 %d\r\n%s\r\n" % (over, b"x" * over), b"SERVER_ERROR object too large for cache\r\n")
                conn.call(b"get a\r\n", b"END\r\n")
                conn.call(b"mn\r\n", b"MN\r\n")

    @harness.needs_millpond
    def test_bulk_limit(self):
        server = self.start("--proto-max-bulk-len", "1mb", "-m", "64")
        with server.conn("resp") as conn:
            big = b"x" * (1 << 20)
            self.assertEqual(conn.command("SET", "a", big), b"+OK\r\n")
            self.assertEqual(conn.command("STRLEN", "a"), b":1048576\r\n")
            error = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
            self.assertEqual(conn.command("APPEND", "a", "y"), error)
            self.assertEqual(conn.command("SETRANGE", "a", "1048576", "y"), error)
            self.assertEqual(conn.command("SETRANGE", "a", "1048575", "y"), b":1048576\r\n")
            conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n")
            self.assertEqual(conn.eof(), b"-ERR Protocol error: invalid bulk length\r\n")
        with server.conn("resp") as conn:
            self.assertEqual(conn.command("STRLEN", "a"), b":1048576\r\n")

    def test_many_arguments(self):
        server = self.start()
        with server.conn("resp") as conn:
            keys = [b"k%d" % index for index in range(50000)]
            self.assertEqual(conn.command("MSET", *[word for key in keys for word in (key, key)]), b"+OK\r\n")
            self.assertEqual(conn.command("EXISTS", *keys), b":50000\r\n")
            self.assertEqual(conn.command("MGET", *keys), b"*50000\r\n" + b"".join(
                b"$%d\r\n%s\r\n" % (len(key), key) for key in keys))
            self.assertEqual(conn.command("DEL", *keys), b":50000\r\n")

    def test_get_of_many_keys(self):
        server = self.start()
        with server.conn() as conn:
            conn.send(b"".join(b"set k%d 0 0 3 noreply\r\nabc\r\n" % index for index in range(0, 20000, 2)))
            keys = b" ".join(b"k%d" % index for index in range(20000))
            conn.call(b"get %s\r\n" % keys,
                      b"".join(b"VALUE k%d 0 3\r\nabc\r\n" % index for index in range(0, 20000, 2)) + b"END\r\n")

    def test_inline_line_too_long(self):
        server = self.start()
        with server.conn("resp") as conn:
            try:
                conn.send(b"GET " + b"x" * 100000)
            except OSError:
                pass
            rest = conn.eof()
            self.assertIn(rest, (b"-ERR Protocol error: too big inline request\r\n", b""))

    @harness.needs_millpond
    def test_big_value_crosses_protocols(self):
        server = self.start("-m", "256")
        value = random.Random(8).randbytes(1 << 20) * 20
        with server.conn("resp") as conn:
            self.assertEqual(conn.command("SET", "big", value), b"+OK\r\n")
            self.assertTrue(conn.command("GET", "big") == b"$%d\r\n%s\r\n" % (len(value), value))
        with server.conn("mc") as conn:
            conn.send(b"get big\r\n")
            self.assertEqual(conn.until(), b"VALUE big 0 %d\r\n" % len(value))
            self.assertTrue(conn.recv(len(value)) == value)
            conn.expect(b"\r\nEND\r\n")


class Expiry(harness.Case):
    def watch(self, store, read, hit, miss, milliseconds):
        """Polls from before the store until after the expiry; each answer must suit its time."""
        with self.server.conn(self.kind) as conn:
            before = time.monotonic()
            store(conn)
            after = time.monotonic()
            seen_miss = False
            while not seen_miss and time.monotonic() < after + milliseconds / 1000 + harness.DEADLINE:
                asked = time.monotonic()
                answer = read(conn)
                answered = time.monotonic()
                if answered < before + (milliseconds - 1) / 1000:
                    self.assertEqual(answer, hit, "gone %.1f ms too early"
                                     % (before * 1000 + milliseconds - answered * 1000))
                if asked > after + (milliseconds + 1) / 1000:
                    self.assertEqual(answer, miss, "still there %.1f ms too late"
                                     % (asked * 1000 - after * 1000 - milliseconds))
                    seen_miss = True
            self.assertTrue(seen_miss)

    @harness.needs_millpond
    def test_to_the_millisecond(self):
        self.server = self.start()
        self.kind = "resp"
        for milliseconds in (5, 20, 50, 100, 250):
            self.watch(lambda conn: conn.command("SET", "a", "1", "PX", milliseconds), lambda conn: conn.command("GET", "a"),
                       b"$1\r\n1\r\n", b"$-1\r\n", milliseconds)
        self.watch(lambda conn: conn.command("SET", "a", "1") and conn.command("PEXPIRE", "a", 60),
                   lambda conn: conn.command("EXISTS", "a"), b":1\r\n", b":0\r\n", 60)
        self.kind = "mc"
        self.watch(lambda conn: conn.call(b"set a 0 1 1\r\n1\r\n", b"STORED\r\n"), lambda conn: conn.line(b"mg a\r\n"),
                   b"HD", b"EN", 1000)

    @harness.needs_millpond
    def test_absolute_to_the_millisecond(self):
        server = self.start()
        with server.conn("resp") as conn:
            for _ in range(5):
                at = int(time.time() * 1000) + 30
                conn.command("SET", "a", "1", "PXAT", at)
                while True:
                    asked = time.time() * 1000
                    answer = conn.command("GET", "a")
                    answered = time.time() * 1000
                    if answered < at - 1:
                        self.assertEqual(answer, b"$1\r\n1\r\n")
                    if asked > at + 1:
                        self.assertEqual(answer, b"$-1\r\n")
                        break

    def test_flush_all_with_a_delay(self):
        server = self.start()
        with server.conn() as conn:
            conn.call(b"set a 0 0 1\r\n1\r\n", b"STORED\r\n")
            conn.call(b"flush_all 3\r\n", b"OK\r\n")
            conn.call(b"mg a\r\n", b"HD\r\n")
            conn.call(b"set b 0 0 1\r\n1\r\n", b"STORED\r\n")
            begun = time.monotonic()
            harness.await_true(lambda: conn.line(b"mg a\r\n") == b"EN", "the flush")
            self.assertLess(time.monotonic() - begun, 4.5)
            conn.call(b"mg b\r\n", b"EN\r\n")

            def stays():
                conn.call(b"set a 0 0 1\r\n2\r\n", b"STORED\r\n")
                return conn.line(b"mg a\r\n") == b"HD"
            if not harness.SELFTEST:                        # memcached also flushes the rest of that second
                self.assertTrue(stays())
            harness.await_true(stays, "a set after the flush to stay")

    @harness.needs_millpond
    def test_memory_of_expired_items_returns_without_reads(self):
        server = self.start()
        with server.conn("resp") as conn:
            conn.send(b"".join(harness.resp_command("SET", "k%d" % index, "x" * 100, "PX", 200) for index in range(20000)))
            for _ in range(20000):
                conn.expect(b"+OK\r\n")
        server.await_stat("curr_items", lambda items: items == 0)


if __name__ == "__main__":
    unittest.main()
