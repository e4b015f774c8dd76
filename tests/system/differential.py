# SPDX-License-Identifier: BSD-3-Clause
"""The same random conversations with a peer and with millpond, reply for reply.

A conversation is a list of batches; a batch is a few operations sent at once on one of a few connections,
possibly in pieces. Connections take turns, so a conversation has one right outcome. When a reply differs, the
conversation is shrunk to the shortest one that still differs (delta debugging) and printed.

SEED=n repeats a run, SECONDS=n makes it longer (default 20), OPERATIONS=n sets the length of one conversation.
"""
import os
import random
import time

import harness


class Op:
    """Some bytes to send. `parts`: bytes, or callables that give a side's own bytes (CAS uniques).

    closes: the server is to close behind it; alone: it shares its batch with no other (closing and short
    ones do not either); short: it declares more data
    than it brings, so the batch ends in filler; name: what it is, for comparing times; replies: how many.
    """

    def __init__(self, *parts, closes=False, alone=False, short=False, name="", replies=1):
        self.parts = parts
        self.closes, self.short, self.name, self.replies = closes, short, name, replies
        self.alone = alone or closes or short

    def bytes(self, side):
        return b"".join(part if isinstance(part, bytes) else part(side) for part in self.parts)

    def __repr__(self):
        def shown(data):
            text = repr(data)[1:]
            return text if len(text) < 300 else text[:120] + " ...(%d bytes)... " % len(data) + text[-60:]
        return " + ".join(shown(part) if isinstance(part, bytes) else repr(part) for part in self.parts)


class Batch:
    def __init__(self, conn, ops, cuts=()):
        self.conn, self.ops, self.cuts = conn, ops, cuts   # cuts: (fraction of the bytes, wait till read?)

    def __repr__(self):
        return "\n".join("  connection %d: %r" % (self.conn, op) for op in self.ops)


def random_batch(rng, make_op, conns, index):
    """One to eight operations on one connection, sent whole or in pieces."""
    ops = []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        op = make_op()
        if op.alone and ops:
            continue
        ops.append(op)
        if op.alone:
            break
    cuts = sorted((rng.random(), rng.random() < 0.3) for _ in range(rng.choice((0, 0, 0, 1, 2))))
    return Batch(index % conns if rng.random() < 0.5 else rng.randrange(conns), ops, cuts)


class Side:
    """One server in a conversation. Subclasses frame and normalise its replies."""

    SYNC = b""

    def __init__(self, address, reset):
        self.address, self.reset = address, reset
        self.conns = {}

    def begin(self):
        self.end()
        self.reset()

    def end(self):
        for conn in self.conns.values():
            conn.close()
        self.conns = {}

    def connect(self, index):
        return harness.Conn(self.address)

    def exchange(self, batch):
        """Send a batch, read everything that it is answered with, normalised to a comparable list."""
        if batch.conn not in self.conns:
            self.conns[batch.conn] = self.connect(batch.conn)
        conn = self.conns[batch.conn]
        data = b"".join(op.bytes(self) for op in batch.ops)
        closing = batch.ops[-1].closes
        if not closing:
            data += self.tail(batch)
        try:
            self._send(conn, data, batch.cuts)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            if closing:
                replies = self.normalise(batch, conn.eof()) + ["<closed>"]
            else:
                replies = self.normalise(batch, self.read(conn))
        except harness.Closed:
            replies = ["<closed early>"]
        except AssertionError as error:
            replies = ["<%s>" % error]
        if replies and str(replies[-1]).startswith("<"):
            conn.close()
            del self.conns[batch.conn]
        return replies

    @staticmethod
    def _send(conn, data, cuts):
        at = 0
        for fraction, wait in cuts:
            end = max(at, int(fraction * len(data)))
            if end > at:
                conn.send(data[at:end])
                if wait:
                    conn.await_consumed()
            at = end
        conn.send(data[at:])

    def same(self, op_list, mine, theirs):
        return mine == theirs


def converse(peer, own, batches):
    """None when all replies agree, else (index, peer's, own)."""
    peer.begin()
    own.begin()
    try:
        for index, batch in enumerate(batches):
            theirs = peer.exchange(batch)
            mine = own.exchange(batch)
            if not peer.same(batch.ops, theirs, mine):
                return index, theirs, mine
        return None
    finally:
        peer.end()
        own.end()


def shrink(peer, own, batches, limit=40):
    """A shorter conversation that still differs: first single operations, then ddmin, for `limit` seconds."""
    until = time.monotonic() + limit
    found = converse(peer, own, batches)
    if not found:
        return batches
    batches = batches[:found[0] + 1]
    single = [Batch(batch.conn, [op]) for batch in batches for op in batch.ops]
    if converse(peer, own, single):
        batches = single
    size = max(1, len(batches) // 2)
    while size >= 1 and time.monotonic() < until:
        at, shrunk = 0, False
        while at < len(batches) and time.monotonic() < until:
            rest = batches[:at] + batches[at + size:]
            result = converse(peer, own, rest) if rest else None
            if result:
                batches, shrunk = rest[:result[0] + 1], True
            else:
                at += size
        if size == 1 and not shrunk:
            break
        size = max(1, size // 2)
    return batches


def difference(found):
    """The replies that differ, as lines of text."""
    _, theirs, mine = found
    text = []
    for index in range(max(len(theirs), len(mine))):
        left = theirs[index] if index < len(theirs) else "<nothing>"
        right = mine[index] if index < len(mine) else "<nothing>"
        if left != right:
            text.append("  peer answers     %.600r" % (left,))
            text.append("  millpond answers %.600r" % (right,))
    return text[:12]


def report(peer, own, batches, seed, first):
    text = ["replies differ (SEED=%d)" % seed]
    batches = shrink(peer, own, batches[:first[0] + 1])
    found = converse(peer, own, batches)
    if found:
        return "\n".join(text + ["the shortest conversation found:"] + [repr(batch) for batch in batches]
                         + difference(found))
    return "\n".join(text + ["but not always; the end of the conversation was"]
                     + [repr(batch) for batch in batches[-4:]] + difference(first))


def run(test, make_generator, peer, own, conns=3):
    """Conversations until the time is over; fails `test` with the first difference."""
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
    seconds = float(os.environ.get("SECONDS", "20"))
    length = int(os.environ.get("OPERATIONS", "400"))
    until = time.monotonic() + seconds
    done = conversations = 0
    first = seed
    while True:
        rng = random.Random(seed)
        make_op = make_generator(rng)
        batches, count = [], 0
        while count < length:
            batches.append(random_batch(rng, make_op, conns, len(batches)))
            count += len(batches[-1].ops)
        found = converse(peer, own, batches)
        if found:
            test.fail(report(peer, own, batches, seed, found))
        done += count
        conversations += 1
        if time.monotonic() > until:
            break
        seed += 1
    print("# %d operations in %d conversations, SEED=%d" % (done, conversations, first))
