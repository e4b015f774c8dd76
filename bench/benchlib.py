# SPDX-License-Identifier: BSD-3-Clause
"""What the bench programs share: servers pinned to a CPU, runs of the load generator, requests as bytes,
tables, gates. Servers are started by the harness of the system tests."""
import json
import math
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(REPO, "tests", "system"))

import harness                                                      # noqa: E402

KEY_BYTES = 12
VALUE_BYTES = 100
PEER = {"text": "memcached", "meta": "memcached", "resp": "redis"}
PROTOCOLS = ("text", "resp")
IP_BIND_ADDRESS_NO_PORT = 24                        # linux/in.h; Python has no name for it


# ---- the command line ------------------------------------------------------------------------------

def add_arguments(parser):
    """The options of every bench program."""
    parser.add_argument("--build", metavar="DIR", default=os.environ.get("MILLPOND_BUILD"),
                        help="where millpond was built (MILLPOND_BUILD, else the source tree or build/ in it)")
    parser.add_argument("--millpond", metavar="PATH", help="the server to measure (default: of the build)")
    parser.add_argument("--server-cpu", type=int, default=0, metavar="N", help="where servers run (0)")
    parser.add_argument("--load-cpu", type=int, default=min(1, os.cpu_count() - 1), metavar="N",
                        help="where the load comes from (1)")


def tool(args, name):
    """The path of a built program, such as bench/floor."""
    places = [args.build] if args.build else [REPO, os.path.join(REPO, "build")]
    for place in places:
        path = os.path.join(place, name)
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise SystemExit("no %s in %s: build first, or name the directory with --build" % (name, " or ".join(places)))


def allow_files(count):
    """Raise our own limit on open files, which servers inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))


# ---- servers ---------------------------------------------------------------------------------------

def pinned(cpu):
    """A command that execs another on this CPU. Root also puts it before the machine's other jobs, by
    real-time priority: nice is not enough, a waking process still waits for the end of another's slice."""
    command = ["taskset", "-c", str(cpu)]
    return ["chrt", "-f", "1"] + command if os.geteuid() == 0 else command


def start(args, name, memory_mb=1024, connections=1024, wrap=None):
    """Start millpond, memcached or redis with one worker thread. `wrap` replaces the pinning."""
    if wrap is None:
        wrap = pinned(args.server_cpu)
    if name == "millpond":
        os.environ["MILLPOND"] = args.millpond or tool(args, "millpond")
        return harness.Millpond("-m", str(memory_mb), "-c", str(connections), threads=1, wrap=wrap)
    if name == "memcached":
        return harness.Memcached("-m", str(memory_mb), "-c", str(connections), wrap=wrap)
    if name == "redis":
        # protected mode would refuse 127.0.0.2 and its like, see open_many
        return harness.Redis("--maxclients", str(connections), "--protected-mode", "no", wrap=wrap)
    raise SystemExit("no server is called " + name)


def start_floor(args, kind):
    """The floor for get-text, set-text, get-resp or set-resp."""
    floor = harness.Process([tool(args, "bench/floor"), "--kind", kind], name="floor",
                            wrap=pinned(args.server_cpu))
    floor.mc = floor.resp = ("127.0.0.1", harness.read_ports(floor)["TCP INET"])
    return floor


def address(server, protocol):
    return server.resp if protocol == "resp" else server.mc


def connect(server, protocol):
    return harness.Conn(address(server, protocol))


def protocols_of(name):
    """What a server speaks of PROTOCOLS."""
    return [p for p in PROTOCOLS if name == "millpond" or PEER[p] == name]


def items(server, protocol):
    """How many items the server says that it holds."""
    if protocol == "resp":
        with connect(server, protocol) as conn:
            return int(conn.command("DBSIZE")[1:])
    with connect(server, protocol) as conn:
        conn.send(b"stats\r\n")
        for line in conn.until(b"END\r\n").split(b"\r\n"):
            if line.startswith(b"STAT curr_items "):
                return int(line.split()[2])
    raise AssertionError("stats tells no curr_items")


def open_many(address, count):
    """So many connections; no more than 4,000 come from one source address, so that its ports do not run
    out. Closing them leaves nothing behind (a reset, no TIME_WAIT)."""
    found = []
    for number in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.bind(("127.0.0.%d" % (2 + number // 4000), 0))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.append(sock)
    return found


def settled_rss(server):
    """Resident bytes once they have stopped changing: tables grow and allocators give back for a while
    after the last request."""
    seen = []

    def quiet():
        seen.append((time.monotonic(), server.rss()))
        recent = [rss for when, rss in seen if when > seen[-1][0] - 1.5]
        return seen[-1][0] - seen[0][0] > 1.5 and max(recent) - min(recent) <= 64 * 1024
    harness.await_true(quiet, "resident memory to settle", 60)
    return seen[-1][1]


# ---- the load generator ----------------------------------------------------------------------------

def load_command(args, server, protocol, *options):
    command = [tool(args, "bench/millpond-load"), "--json", "--quiet", "--port", address(server, protocol)[1],
               "--protocol", protocol, "--cpu", args.load_cpu, "--server-pid", server.pid, *options]
    return pinned(args.load_cpu) + [str(word) for word in command]


def finish_load(process, may_fail=False):
    """The JSON of a started load generator. A run with wrong or missing replies is an error, unless told."""
    out, err = process.communicate()
    if not out.strip():
        raise AssertionError("the load generator failed: " + err)
    result = json.loads(out)
    if not result["ok"] and not may_fail:
        raise AssertionError("the load failed: %s" % result["message"])
    return result


def start_load(args, server, protocol, *options):
    return subprocess.Popen(load_command(args, server, protocol, *options), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def load(args, server, protocol, *options):
    return finish_load(start_load(args, server, protocol, *options))


# ---- requests as bytes, where a program counts what one request costs ------------------------------

def key(number):
    return b"key:%0*d" % (KEY_BYTES - 4, number)


def value():
    return b"v" * VALUE_BYTES


def get(protocol, number):
    """(request, reply) of a GET that hits."""
    if protocol == "resp":
        return harness.resp_command("GET", key(number)), b"$%d\r\n%s\r\n" % (VALUE_BYTES, value())
    return b"get %s\r\n" % key(number), b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key(number), VALUE_BYTES, value())


def set_(protocol, number):
    """(request, reply) of a SET."""
    if protocol == "resp":
        return harness.resp_command("SET", key(number), value()), b"+OK\r\n"
    return b"set %s 0 0 %d\r\n%s\r\n" % (key(number), VALUE_BYTES, value()), b"STORED\r\n"


class Batch:
    """`depth` requests of one kind, over as many keys, that go out in one write."""

    def __init__(self, verb, protocol, depth):
        pairs = [verb(protocol, number) for number in range(depth)]
        self.depth = depth
        self.request = b"".join(request for request, reply in pairs)
        self.reply = b"".join(reply for request, reply in pairs)

    def run(self, conn, requests):
        """Send batches one after the other, each when the replies to the one before are complete."""
        for _ in range(requests // self.depth):
            conn.call(self.request, self.reply)


# ---- output ----------------------------------------------------------------------------------------

def print_table(head, rows):
    """Columns as wide as they need; all but the first are right-aligned."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip(), flush=True)


class Gates:
    """Bounds that a program checks; each is printed with what was measured."""

    def __init__(self):
        self.rows = []

    def check(self, what, measured, bound, form="%.3f"):
        self.rows.append({"gate": what, "measured": measured, "bound": bound, "pass": measured <= bound})
        self.rows[-1]["row"] = [what, form % measured, "<= " + form % bound,
                                "pass" if measured <= bound else "FAIL"]

    def print(self):
        if self.rows:
            print()
            print_table(["gate", "measured", "bound", ""], [row["row"] for row in self.rows])

    def json(self):
        return [{name: row[name] for name in ("gate", "measured", "bound", "pass")} for row in self.rows]

    def status(self):
        return 0 if all(row["pass"] for row in self.rows) else 1


def machine():
    """What the figures were measured on."""
    with open("/proc/cpuinfo") as cpuinfo:
        model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), "")
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release}


def write_json(path, content):
    """JSON has no infinity: a figure of a run that failed becomes null."""
    def finite(part):
        if isinstance(part, dict):
            return {name: finite(member) for name, member in part.items()}
        if isinstance(part, list):
            return [finite(member) for member in part]
        return None if isinstance(part, float) and not math.isfinite(part) else part

    if path:
        with open(path, "w") as out:
            json.dump(finite(content), out, indent=2)
            out.write("\n")


def need(*names):
    """Stop with a message when one of these programs is not installed."""
    for name in names:
        if shutil.which(name) is None:
            raise SystemExit("this needs %s to be installed" % name)
