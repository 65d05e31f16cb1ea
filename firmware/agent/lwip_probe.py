# The memory probe: TCP states on a board whose firmware has no tracer. Pure MicroPython.
#
# It walks lwIP's four lists of pcbs in memory, at addresses and offsets that the host has read from the
# firmware's ELF file, and prints a frame of the serial protocol (firmware/README.md, `sample`) for
# each pcb that is in another state than in the walk before. It samples: what comes and goes between
# two walks is not seen. A walk reads each pointer only after checking it, ends after a bounded number
# of pcbs, and counts only if a second one finds the same.
#
# Uploaded by the host (board/probe.py), which calls
#     probe = Probe(LAYOUT); probe.start(period_ms); ... ; probe.stop(id)

import machine
import sys
import time
from array import array
from micropython import kbd_intr  # for the program around the probe

STATES = (
    "CLOSED",
    "LISTEN",
    "SYN_SENT",
    "SYN_RCVD",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "CLOSE_WAIT",
    "CLOSING",
    "LAST_ACK",
    "TIME_WAIT",
)
# By sys.implementation._mpy >> 10 (py/persistentcode.h).
MACHINES = {"EM_ARM": range(3, 9), "EM_XTENSA": range(9, 11), "EM_RISCV": range(11, 13)}
CHANGED = 0x10000  # added to a walk's result
TRIES = 4
SECOND_US = 1000000

# walk(heads, found, last, shape): the number of pcbs, + CHANGED if they differ from `last`; < 0 for a walk
# that does not count: a pointer or a state that can't be (-1 to -3), or a second reading that differs
# from the first (-4). What is as it was needs no second reading: nothing is claimed. Four words for
# each pcb: its address; state, list and local port; remote port; remote address. `last` begins with
# their number. shape: offsets of next, state, local_port, remote_port, remote_ip; size of state; the most
# pcbs in a list; number of ranges; start and span of each.
VIPER = """
@micropython.viper
def walk(heads: ptr32, found: ptr32, last: ptr32, shape: ptr32) -> int:
    n = 0
    first = 0
    for turn in range(2):
        n = 0
        same = 1
        for which in range(4):
            pcb = ptr32(heads[which])[0]
            left = shape[6]
            while pcb != 0:
                if left == 0:
                    return -1
                left -= 1
                inside = 0
                if pcb & 3 == 0:
                    i = 0
                    while i < shape[7]:
                        d = pcb - shape[8 + 2 * i]
                        if d >= 0 and d < shape[9 + 2 * i]:
                            inside = 1
                        i += 1
                if inside == 0:
                    return -2
                state = 0
                if shape[5] == 4:
                    state = ptr32(pcb + shape[1])[0]
                else:
                    state = ptr8(pcb + shape[1])[0]
                if state < 0 or state > 10:
                    return -3
                word = state | (ptr16(pcb + shape[2])[0] << 16)
                port = 0
                ip = 0
                if which == 0:
                    word |= 0x8000
                else:
                    port = ptr16(pcb + shape[3])[0]
                    ip = ptr32(pcb + shape[4])[0]
                k = n << 2
                if turn == 0:
                    found[k] = pcb
                    found[k + 1] = word
                    found[k + 2] = port
                    found[k + 3] = ip
                    if last[k + 1] != pcb or last[k + 2] != word or last[k + 3] != port or last[k + 4] != ip:
                        same = 0
                elif found[k] != pcb or found[k + 1] != word or found[k + 2] != port or found[k + 3] != ip:
                    return -4
                n += 1
                pcb = ptr32(pcb + shape[0])[0]
        if turn == 0:
            if same == 1 and n == last[0]:
                return n
            first = n
    if n != first:
        return -4
    return n | 0x10000
"""


def plain_walk(heads, found, last, shape):
    mem32 = machine.mem32
    mem16 = machine.mem16
    nexts, states, lports, rports, rips = shape[:5]
    memory = mem32 if shape[5] == 4 else machine.mem8
    start, span = shape[8:10]
    start2, span2 = shape[10:12] if shape[7] > 1 else shape[8:10]
    first = n = 0
    for turn in (0, 1):
        n = k = 0
        same = True
        listener = True
        for head in heads:
            pcb = mem32[head]
            left = shape[6]
            while pcb:
                if not left:
                    return -1
                left -= 1
                if pcb & 3 or not (
                    0 <= pcb - start < span or 0 <= pcb - start2 < span2 or inside(pcb, shape)
                ):
                    return -2
                state = memory[pcb + states]
                if state > 10:
                    return -3
                word = mem16[pcb + lports] << 16 | state
                port = ip = 0
                if listener:
                    word |= 0x8000
                else:
                    port = mem16[pcb + rports]
                    ip = mem32[pcb + rips]
                if turn:
                    if (
                        found[k] != pcb
                        or found[k + 1] != word
                        or found[k + 2] != port
                        or found[k + 3] != ip
                    ):
                        return -4
                else:
                    if (
                        last[k + 1] != pcb
                        or last[k + 2] != word
                        or last[k + 3] != port
                        or last[k + 4] != ip
                    ):
                        same = False
                    found[k] = pcb
                    found[k + 1] = word
                    found[k + 2] = port
                    found[k + 3] = ip
                n += 1
                k += 4
                pcb = mem32[pcb + nexts]
            listener = False
        if not turn:
            if same and n == last[0]:
                return n
            first = n
    return n | CHANGED if n == first else -4


def inside(pcb, shape):
    return any(0 <= pcb - shape[i] < shape[i + 1] for i in range(8, 8 + 2 * shape[7], 2))


def fast_walk():
    # A compiler without viper refuses it when it compiles, so it is compiled here.
    names = {}
    try:
        exec(VIPER, names)
        return names["walk"], "viper"
    except Exception:
        return plain_walk, "plain"


def crc32(data):
    try:
        from binascii import crc32 as fast

        return fast(data)
    except ImportError:
        crc = 0xFFFFFFFF
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
        return crc ^ 0xFFFFFFFF


class WrongImage(Exception):
    pass


class Probe:
    def __init__(self, layout, seq=0, conn=1, plain=False):
        self.layout = layout
        self.seq = seq
        self.conn = conn  # the next connection's id
        check_image(layout)
        shape = list(layout["shape"])
        for start, span in layout["ranges"]:
            shape += [start, span]
        most = 4 * layout["most"]
        self.shape = array("i", [w - (1 << 32) if w >> 31 else w for w in shape])
        self.heads = array("i", [w - (1 << 32) if w >> 31 else w for w in layout["heads"]])
        self.found = array("I", bytes(16 * most))
        self.last = array("I", bytes(16 * most + 4))
        self.walk, self.kind = (plain_walk, "plain") if plain else fast_walk()
        if self.kind == "plain":
            self.shape = tuple(shape)
            self.heads = tuple(layout["heads"])
        self.known = {}
        self.walks = self.torn = self.gap_us = self.clock_us = 0
        self.ticks_us = self.walked_us = time.ticks_us()
        self.told_us = 0
        self.timer = None

    def start(self, period_ms=1, re=0):
        self.frame(
            "hello re=%d proto=1 boot=0.0 by=probe walk=%s period_ms=%d board=%s mp=%s"
            % (re, self.kind, period_ms, sys.platform, version())
        )
        self.tick(None)  # walk 1: what is there before the program
        try:
            self.timer = machine.Timer(-1)
        except ValueError:
            self.timer = machine.Timer(0)
        self.timer.init(period=period_ms, mode=machine.Timer.PERIODIC, callback=self.tick)

    def linger(self, ms):
        # FIN_WAIT_1, FIN_WAIT_2, CLOSING and LAST_ACK end soon if the peer answers.
        end = time.ticks_add(time.ticks_ms(), ms)
        while time.ticks_diff(end, time.ticks_ms()) > 0:
            if not any(state in (5, 6, 8, 9) for _conn, state in list(self.known.values())):
                return
            time.sleep_ms(1)

    def stop(self, re):
        if self.timer is not None:
            self.timer.deinit()
            self.timer = None
        self.tick(None)
        self.tell_walks()
        self.frame("reply re=%d ok by=probe" % re)

    def tick(self, _timer):
        now_us = self.now_us()
        gap_us = time.ticks_diff(self.ticks_us, self.walked_us)
        self.walked_us = self.ticks_us
        if gap_us > self.gap_us:
            self.gap_us = gap_us
        for _ in range(TRIES):
            n = self.walk(self.heads, self.found, self.last, self.shape)
            if n >= 0:
                break
            self.torn += 1
        self.walks += 1
        if n >= CHANGED:
            self.tell(n - CHANGED)
        elif n < 0:
            self.frame("torn n=%d why=%d" % (self.walks, -n))
        if now_us - self.told_us >= SECOND_US:
            self.told_us = now_us
            self.tell_walks()

    def tell(self, n):
        found = self.found
        now = {}
        news = []
        for k in range(0, 4 * n, 4):
            word = found[k + 1]
            key = (found[k], word >> 16, found[k + 2], found[k + 3])
            state = word & 15
            conn, before = self.known.pop(key, (0, -1))
            if not conn:
                conn = self.conn
                self.conn += 1
            if state != before:
                news.append("sample c=%d %s%s n=%d" % (conn, STATES[state], self.ends(key), self.walks))
            now[key] = conn, state
        for conn in sorted(conn for conn, _state in self.known.values()):
            self.frame("unseen c=%d n=%d" % (conn, self.walks))
        self.known = now
        for text in news:
            self.frame(text)
        self.last[0] = n
        for k in range(4 * n):
            self.last[k + 1] = found[k]

    def ends(self, key):
        pcb, lport, rport, _ip = key
        layout = self.layout
        text = " l=%s:%d" % (self.address(pcb + layout["local_ip"]), lport)
        if rport:
            text += " r=%s:%d" % (self.address(pcb + layout["shape"][4]), rport)
        return text

    def address(self, at):
        kind = self.layout["ip_type"]
        six = machine.mem8[at + kind] == 6 if kind >= 0 else self.layout["ip_size"] >= 16
        count = 16 if six else 4
        raw = [machine.mem8[at + i] for i in range(count)]
        if six:
            return "[%s]" % ":".join("%x" % (raw[i] << 8 | raw[i + 1]) for i in range(0, 16, 2))
        return "%d.%d.%d.%d" % tuple(raw)

    def tell_walks(self):
        self.frame("walks n=%d torn=%d gap_us=%d" % (self.walks, self.torn, self.gap_us))
        self.gap_us = 0

    def now_us(self):
        ticks_us = time.ticks_us()
        self.clock_us += time.ticks_diff(ticks_us, self.ticks_us)
        self.ticks_us = ticks_us
        return self.clock_us

    def frame(self, text):
        body = "%d %d %s" % (self.seq, self.clock_us, text)
        # One write: a program's text may stand before and behind a frame, not in it.
        sys.stdout.write("\x1e%s *%08x\n" % (body, crc32(body.encode()) & 0xFFFFFFFF))
        self.seq += 1


def version():
    return ".".join(str(part) for part in sys.implementation.version[:3])


def check_image(layout):
    """Raise WrongImage unless this is the image whose layout it is."""
    arch = getattr(sys.implementation, "_mpy", 0) >> 10 & 15
    if arch and layout["machine"] in MACHINES and arch not in MACHINES[layout["machine"]]:
        raise WrongImage("the layout is for %s, this processor is another" % layout["machine"])
    at = layout["sha256_at"]
    if at:
        seen = "".join("%02x" % machine.mem8[at + i] for i in range(32))
        if seen != layout["sha256"]:
            raise WrongImage("ELF SHA-256 expected %s, found %s" % (layout["sha256"], seen))
    for at, word in layout["words"]:
        seen = machine.mem32[at] & 0xFFFFFFFF
        if seen != word:
            raise WrongImage("expected %08x at %08x, found %08x" % (word, at, seen))
    if layout["crc"]:
        at, size, crc = layout["crc"]
        try:
            from uctypes import bytearray_at
        except ImportError:
            return
        seen = crc32(bytearray_at(at, size)) & 0xFFFFFFFF
        if seen != crc:
            raise WrongImage("CRC-32 of %d constants expected %08x, found %08x" % (size, crc, seen))
