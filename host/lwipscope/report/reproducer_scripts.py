"""The two scripts of a bug report: board.py for MicroPython, peer.py for Python on Linux.

Called by `bug_report` with the steps of `reproducer`. Neither needs lwipscope. peer.py sends whole
Ethernet frames by a packet socket (packet(7)), from an address that no host has, so that no
kernel answers the board; it answers ARP (RFC 826) for it. The cues that keep both in order are UDP
datagrams to the board, which have nothing to do with its TCP.
"""

from __future__ import annotations

import json

from lwipscope.report.reproducer import Steps

CUE_PORT = 6667
PEER_IP = "192.0.2.100"


def board_script(steps: Steps, title: str) -> str:
    """Plain MicroPython."""
    made = [_BOARD_HEAD.replace("@TITLE@", title)]
    for group in steps.groups:
        made.append(f"\nwait_for({group.number})\n" + "".join(f"{x}\n" for x in group.lines))
    made.append(f"\nwait_for({len(steps.groups) + 1})\nprint('the end')\n")
    return "".join(made)


def peer_script(steps: Steps, title: str, shows: str) -> str:
    """Python 3.8 or later with its standard library, on Linux, as root."""
    talks = [(t.peer_port, t.board_port, t.listens) for t in steps.talks]
    ops = "".join(f"    {op!r},\n" for op in steps.ops)
    results = {group.number: " ".join(group.results) for group in steps.groups}
    return (
        _PEER.replace("@TITLE@", title)
        .replace("@SHOWS@", json.dumps(shows))
        .replace("@TALKS@", repr(talks))
        .replace("@RESULTS@", repr(results))
        .replace("@OPS@", ops)
    )


_BOARD_HEAD = f'''# @TITLE@
# Plain MicroPython. Start it on the board, then peer.py on the other host.
import errno
import socket

PEER = "{PEER_IP}"  # the first cue brings the right one
CUE_PORT = {CUE_PORT}

cue = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
cue.bind(("0.0.0.0", CUE_PORT))
done = {{0: []}}
group = 0


def wait_for(number):
    """Go on when peer.py says so; tell it what the calls before it returned."""
    global group, PEER
    print("waiting for the peer's cue", number)
    while True:
        word, peer = cue.recvfrom(100)
        words = word.decode().split()
        kind, which = words[0], int(words[1])
        if kind == "go" and which == number:
            group = number
            done[number] = []
            PEER = words[2] if len(words) > 2 else peer[0]
            cue.sendto(b"began %d" % which, peer)
            return
        if kind == "done?" and which < number:
            cue.sendto(b"done %d %s" % (which, " ".join(done[which]).encode()), peer)
        elif kind == "go" and which < number:
            cue.sendto(b"began %d" % which, peer)


def do(name, call):
    """Make a call, note how it went."""
    value = None
    try:
        value = call()
        said = "EOF" if value == b"" else "ok"
    except OSError as error:
        said = errno.errorcode.get(error.errno, str(error.errno))
    except AttributeError:
        said = "no-socket"
    done[group].append(said)
    print(name, "->", said)
    return value

'''

_PEER = '''#!/usr/bin/env python3
"""@TITLE@

The other end, for Linux, with the standard library only; a packet socket needs root
(CAP_NET_RAW). board.py has to run on the board. Exit code 0: the board did what was recorded.
"""
import argparse
import random
import select
import socket
import struct
import sys
import time

SHOWS = @SHOWS@
CUE_PORT = 6667
# (peer's port, board's port, whether the board connects to the peer)
TALKS = @TALKS@
# What the board's calls returned, group by group; "-": not compared
RESULTS = @RESULTS@
# go/done: the board's calls; send: flags, seq, ack, window, MSS, data (numbers relative to each
# side's first); want: flags, seq, ack, length, window, seconds; pause: seconds;
# probe: the FIN once more, which only TIME_WAIT answers with an ACK
OPS = [
@OPS@]
FLAGS = "FSRP.UEW"
wrong = []


def say(*words):
    print("%8.3f " % (time.monotonic() - began), *words, flush=True)


def checksum(data):
    if len(data) % 2:
        data += b"\\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def names(bits):
    return "".join(name for bit, name in enumerate(FLAGS) if bits >> bit & 1) or "none"


class Wire:
    """Ethernet, ARP and IPv4 for one address that no host has."""

    def __init__(self, interface, own, board):
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.raw.bind((interface, 0))
        self.mac = self.raw.getsockname()[4]
        self.own, self.board = socket.inet_aton(own), socket.inet_aton(board)
        self.board_mac = None
        for _ in range(10):
            self._arp(1, b"\\xff" * 6, b"\\0" * 6)
            end = time.monotonic() + 0.5
            while self.board_mac is None and time.monotonic() < end:
                self.receive(0.1)
        if self.board_mac is None:
            sys.exit("%s does not answer ARP on %s" % (board, interface))

    def _arp(self, what, to, target):
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, what) + self.mac + self.own
        self.raw.send(to + self.mac + b"\\x08\\x06" + body + target + self.board)

    def send(self, segment, length):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 6, 0)
        sum_ = checksum(head + self.own + self.board)
        ip = head[:10] + struct.pack("!H", sum_) + self.own + self.board
        self.raw.send(self.board_mac + self.mac + b"\\x08\\x00" + ip + segment)

    def receive(self, timeout):
        """A TCP segment of the board to us: sport, dport, seq, ack, bits, window, length."""
        if not select.select([self.raw], [], [], max(0, timeout))[0]:
            return None
        frame, source = self.raw.recvfrom(65535)
        if source[2] == 4:  # PACKET_OUTGOING
            return None
        if frame[12:14] == b"\\x08\\x06" and frame[28:32] == self.board:
            self.board_mac = frame[22:28]
            if frame[20:22] == b"\\0\\1" and frame[38:42] == self.own:
                self._arp(2, self.board_mac, self.board_mac)
        if frame[12:14] != b"\\x08\\x00" or frame[23] != 6:
            return None
        if frame[26:30] != self.board or frame[30:34] != self.own:
            return None
        size = struct.unpack("!H", frame[16:18])[0]
        tcp = frame[14 + (frame[14] & 15) * 4 : 14 + size]
        sport, dport, seq, ack, offset, bits, window = struct.unpack("!HHIIBBH", tcp[:16])
        return sport, dport, seq, ack, bits, window, len(tcp) - (offset >> 4) * 4


class Talk:
    def __init__(self, peer_port, board_port, listens):
        self.listens = listens
        self.port = peer_port if listens else None
        self.board_port = None if listens else board_port
        self.first = random.randrange(1 << 31)
        self.board_first = 0
        self.queue = []


class Peer:
    def __init__(self, options):
        self.options = options
        self.wire = Wire(options.interface, options.peer, options.board)
        self.cue = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.talks = [Talk(*each) for each in TALKS]
        ports = random.sample(range(40000, 60000), len(self.talks))
        for talk, port in zip(self.talks, ports):
            talk.port = talk.port or port

    def look(self, timeout):
        """Sort what comes; True if something did."""
        got = self.wire.receive(timeout)
        if got is None:
            return False
        sport, dport = got[:2]
        for talk in self.talks:
            new = talk.board_port is None and got[4] & 0x12 == 2
            if talk.port == dport and (talk.board_port == sport or new):
                talk.board_port = sport
                if got[4] & 2:
                    talk.board_first = got[2]
                seq = (got[2] - talk.board_first) % (1 << 32)
                ack = (got[3] - talk.first) % (1 << 32) if got[4] & 16 else None
                talk.queue.append((names(got[4]), seq, ack, got[6], got[5]))
                say("board:", *talk.queue[-1])
                return True
        return True

    def ask(self, word, answer, seconds):
        """Repeat a cue until the board answers it; segments are taken meanwhile."""
        end, again = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if time.monotonic() >= again:
                self.cue.sendto(word.encode(), (self.options.board, CUE_PORT))
                again = time.monotonic() + 0.2
            if select.select([self.cue, self.wire.raw], [], [], 0.1)[0]:
                self.look(0)
            if select.select([self.cue], [], [], 0)[0]:
                said = self.cue.recv(1000).decode("ascii", "replace")
                if said.split()[:2] == answer.split():
                    return said.split()[2:]
        wrong.append("no answer to %r within %d s" % (word, seconds))
        say(wrong[-1])
        return None

    def go(self, number):
        self.ask("go %d %s" % (number, self.options.peer), "began %d" % number, 30)

    def done(self, number):
        got = self.ask("done? %d" % number, "done %d" % number, 90)
        if got is None:
            return
        say("the board's calls %d:" % number, *got)
        expected = RESULTS[number].split()
        if len(got) != len(expected) or any(e not in ("-", g) for e, g in zip(expected, got)):
            wrong.append("calls %d: recorded %s, now %s" % (number, expected, got))
            say(wrong[-1])

    def pause(self, seconds):
        say("waits", seconds, "s")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look(end - time.monotonic())

    def send(self, which, flags, seq, ack, window, mss, data):
        talk = self.talks[which]
        say("peer: ", flags, seq, ack, len(data))
        bits = sum(1 << FLAGS.index(flag) for flag in flags if flag in FLAGS)
        options = struct.pack("!BBH", 2, 4, mss) if mss else b""
        numbers = (seq + talk.first) % (1 << 32), ((ack or 0) + talk.board_first) % (1 << 32)
        if ack is None:
            numbers = numbers[0], 0
        ends = talk.port, talk.board_port or 0
        high = (20 + len(options)) << 2
        head = struct.pack("!HHIIBBHHH", *ends, *numbers, high, bits, window, 0, 0)
        body = head + options + data
        pseudo = self.wire.own + self.wire.board + struct.pack("!BBH", 0, 6, len(body))
        sum_ = checksum(pseudo + body)
        self.wire.send(body[:16] + struct.pack("!H", sum_) + body[18:], len(body))

    def want(self, which, flags, seq, ack, length, window, seconds):
        talk, end = self.talks[which], time.monotonic() + seconds
        passed = []
        while True:
            while talk.queue:
                got = talk.queue.pop(0)
                # A reset's numbers depend on what it answers; its window does not.
                reset = "R" in flags and got[0] == flags and got[4] == window
                if reset or ("R" not in flags and got[:4] == (flags, seq, ack, length)):
                    return True
                passed.append(got)
            if time.monotonic() >= end:
                break
            self.look(min(0.2, end - time.monotonic()))
        expected = (flags, seq, ack, length, window)
        wrong.append("recorded %s, now %s" % (expected, passed or "nothing"))
        say(wrong[-1])
        return False

    def probe(self, which, flags, seq, ack, window, mss, data):
        say("is the board still in TIME_WAIT? the FIN once more:")
        talk = self.talks[which]
        talk.queue.clear()
        self.send(which, flags, seq, ack, window, mss, data)
        end = time.monotonic() + 4
        while not talk.queue and time.monotonic() < end:
            self.look(0.1)
        if not talk.queue or talk.queue[0][0] != ".":
            wrong.append("no ACK: TIME_WAIT is over")
            say(wrong[-1])

    def play(self):
        for op in OPS:
            getattr(self, op[0])(*op[1:])
        self.ask("go %d" % (len(RESULTS) + 1), "began %d" % (len(RESULTS) + 1), 10)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--interface", default="lwip0", help="of this host, to the board")
parser.add_argument("--board", default="192.0.2.10", help="the board's address")
parser.add_argument("--peer", default="192.0.2.100", help="an address there that nobody has")
began = time.monotonic()
try:
    Peer(parser.parse_args()).play()
except PermissionError:
    sys.exit("a packet socket needs root (CAP_NET_RAW)")
except OSError as error:
    sys.exit("the network: %s (is --interface right?)" % error)
if wrong:
    print("NOT as recorded:", *wrong, sep="\\n  ")
    sys.exit(1)
print("AS RECORDED: every segment and every result of a call came again")
print(SHOWS)
'''
