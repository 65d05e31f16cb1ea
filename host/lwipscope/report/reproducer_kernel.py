"""The other end of a bug report with a kernel's sockets: peer_kernel.py, which needs no root.

Called by `bug_report` for runs in which the peer did only what a kernel's TCP does by itself:
everything in order, everything acknowledged, one FIN. `kernel_ops` turns the steps into socket
calls, or says with None that only single segments repeat the run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lwipscope.report.reproducer import Steps


@dataclass(slots=True)
class _End:
    """One connection, as the kernel would have it. Numbers are relative, as in the steps."""

    listens: bool
    begun: bool = False
    next_own: int = 0
    next_board: int = 0
    acked: int = 0
    over: bool = False
    finished: bool = False


def kernel_ops(steps: Steps) -> tuple[tuple[Any, ...], ...] | None:
    """go, done, pause; listen, connect, accept, send, shutdown, abort, recv, eof, reset: TALK."""
    if steps.limits or not steps.groups:
        return None
    ends = [_End(talk.listens) for talk in steps.talks]
    made: list[tuple[Any, ...]] = []
    for op in steps.ops:
        if op[0] in ("go", "done", "pause"):
            if op[0] != "done" and any(_owes(end) for end in ends):
                return None
            made.append(op)
        elif op[0] == "send":
            more = _sent(ends[op[1]], *op[1:])
            if more is None:
                return None
            made += more
        elif op[0] == "want":
            if "R" in op[2] and _owes(ends[op[1]]):
                return None
            made += _wanted(ends[op[1]], *op[1:])
        else:
            return None
    if any(_owes(end) for end in ends):
        return None
    accepted = {op[1] for op in made if op[0] == "accept"}
    return (*(("listen", number) for number in sorted(accepted)), *made)


def _owes(end: _End) -> bool:
    """A kernel would have acknowledged what has come by now."""
    return not end.over and end.acked != end.next_board


def _sent(
    end: _End,
    number: int,
    flags: str,
    seq: int,
    ack: int | None,
    _window: int,
    _mss: int | None,
    data: bytes,
) -> list[tuple[Any, ...]] | None:
    made: list[tuple[Any, ...]] = []
    if end.over or "U" in flags:
        return None
    if "R" in flags:
        end.over = True
        if end.listens and not end.begun:
            return []  # nobody listens there
        return [("abort", number)] if seq == end.next_own else None
    if "S" in flags:
        if end.begun or data or "F" in flags or (flags == "S.") is not end.listens:
            return None
        end.begun, end.next_own = True, 1
        if flags == "S.":
            end.acked = ack or 0
            return [("accept", number)]
        return [("connect", number)]
    if seq != end.next_own or ack is None or ack != end.next_board or not end.begun:
        return None
    end.acked = ack
    if data:
        made.append(("send", number, data))
    if "F" in flags:
        made.append(("shutdown", number))
    if end.finished and made:
        return None
    end.finished = end.finished or "F" in flags
    end.next_own += len(data) + ("F" in flags)
    return made


def _wanted(
    end: _End,
    number: int,
    flags: str,
    seq: int,
    _ack: int | None,
    length: int,
    _window: int,
    seconds: float,
) -> list[tuple[Any, ...]]:
    if "R" in flags:
        end.over = True
        return [("reset", number, seconds)]
    behind = seq + length + ("S" in flags) + ("F" in flags)
    made: list[tuple[Any, ...]] = []
    if length and behind > end.next_board:
        made.append(("recv", number, length, seconds))
    if "F" in flags and behind > end.next_board:
        made.append(("eof", number, seconds))
    end.next_board = max(end.next_board, behind)
    return made


def kernel_script(steps: Steps, ops: tuple[tuple[Any, ...], ...], title: str, shows: str) -> str:
    """Python 3.8 or later with its standard library, on any system."""
    talks = [(t.peer_port, t.board_port) for t in steps.talks]
    results = {group.number: " ".join(group.results) for group in steps.groups}
    return (
        _SCRIPT.replace("@TITLE@", title)
        .replace("@SHOWS@", json.dumps(shows))
        .replace("@TALKS@", repr(talks))
        .replace("@RESULTS@", repr(results))
        .replace("@OPS@", "".join(f"    {op!r},\n" for op in ops))
    )


_SCRIPT = '''#!/usr/bin/env python3
"""@TITLE@

The other end with this system's own TCP and the standard library only: no root needed.
board.py has to run on the board. Exit code 0: the board did what was recorded.
"""
import argparse
import errno
import select
import socket
import struct
import sys
import time

SHOWS = @SHOWS@
CUE_PORT = 6667
# (peer's port, board's port)
TALKS = @TALKS@
# What the board's calls returned, group by group; "-": not compared
RESULTS = @RESULTS@
# go/done: the board's calls; all others: what this end does or must see, with which connection
OPS = [
@OPS@]
GONE = (errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED, errno.ECONNABORTED)
wrong = []


def failed(*words):
    wrong.append(" ".join(str(word) for word in words))
    print("NOT as recorded:", wrong[-1], flush=True)


class Peer:
    def __init__(self, board):
        self.board = board
        self.cue = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.made, self.listeners, self.errors = {}, {}, {}

    def ask(self, word, answer, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.cue.sendto(word.encode(), (self.board, CUE_PORT))
            while select.select([self.cue], [], [], 0.2)[0]:
                try:
                    said = self.cue.recv(1000).decode("ascii", "replace")
                except ConnectionError:
                    continue
                if said.split()[:2] == answer.split():
                    return said.split()[2:]
        return failed("no answer to", word, "within", seconds, "s")

    def go(self, number):
        self.ask("go %d" % number, "began %d" % number, 30)

    def done(self, number):
        got, expected = self.ask("done? %d" % number, "done %d" % number, 90), RESULTS[number]
        expected = expected.split()
        if got is None:
            return
        if len(got) != len(expected) or any(e not in ("-", g) for e, g in zip(expected, got)):
            failed("calls", number, "recorded", expected, "now", got)

    def pause(self, seconds):
        select.select([], [], [], seconds)

    def listen(self, which):
        self.listeners[which] = listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", TALKS[which][0]))
        listener.listen()

    def accept(self, which):
        self.listeners[which].settimeout(10)
        self.made[which] = self.listeners[which].accept()[0]

    def connect(self, which):
        self.made[which] = made = socket.socket()
        made.settimeout(10)
        try:
            made.connect((self.board, TALKS[which][1]))
        except OSError as error:
            self.errors[which] = error.errno

    def send(self, which, data):
        self.made[which].sendall(data)

    def shutdown(self, which):
        self.made[which].shutdown(socket.SHUT_WR)

    def abort(self, which):
        made = self.made[which]
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        made.close()

    def recv(self, which, length, seconds):
        self.made[which].settimeout(seconds)
        got = b""
        while len(got) < length:
            more = self.made[which].recv(length - len(got))
            if not more:
                return failed("recorded", length, "bytes, now", len(got), "and the end")
            got += more

    def eof(self, which, seconds):
        self.made[which].settimeout(seconds)
        got = self.made[which].recv(1)
        if got:
            failed("recorded the end, now data")

    def reset(self, which, seconds):
        if which in self.errors:
            code = self.errors[which]
        else:
            # Also behind the board's FIN a reset is an error of the socket, not an end.
            poll, end = select.poll(), time.monotonic() + seconds
            poll.register(self.made[which], 0)
            code, events = 0, []
            while time.monotonic() < end and not (code or events):
                events = [e for _, e in poll.poll(100) if e & select.POLLERR]
                code = self.made[which].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code in GONE:
            print("reset by the board:", errno.errorcode[code], flush=True)
        else:
            failed("recorded a reset within", seconds, "s, now", errno.errorcode.get(code, code))


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--board", default="192.0.2.10", help="the board's address")
peer = Peer(parser.parse_args().board)
for op in OPS:
    try:
        getattr(peer, op[0])(*op[1:])
    except OSError as error:
        failed(op[0], "raised", error)
peer.ask("go %d" % (len(RESULTS) + 1), "began %d" % (len(RESULTS) + 1), 10)
if wrong:
    sys.exit(1)
print("AS RECORDED: everything that sockets can see, and every result of a call, came again")
print(SHOWS)
'''
