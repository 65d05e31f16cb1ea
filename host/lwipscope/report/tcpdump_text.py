"""A run's frames as tcpdump prints them, with the board's state in a trailing column.

Called by `lwipscope show --tcpdump`. Lines are those of tcpdump 4.99 reading the run's capture
(its print-tcp.c, print-arp.c, print-icmp.c, addrtoname.c), up to `  # ` and what the board made of
the segment. Of applications' protocols only HTTP's first line is told, by its ports. Names are
looked up for ports alone (without -n), never for addresses.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from lwipscope.report.style import safe
from lwipscope.runfile.model import DROPPED, Run, RunLife, WireFrame
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Segment, Transition
from lwipscope.wire.layers import (
    ACK,
    ARP_REPLY,
    ARP_REQUEST,
    ECHO_REQUEST,
    FIN,
    RST,
    SYN,
    URG,
    Arp,
    IcmpEcho,
    TcpSegment,
    Udp,
    mac_text,
)
from lwipscope.wire.packet import parse_frame

_MODULUS = 1 << 32
_HTTP_PORTS = frozenset((80, 3128, 8080))
_HTTP_WORDS = tuple(
    f"{word} ".encode()
    for word in ("GET", "PUT", "COPY", "HEAD", "LOCK", "MOVE", "POLL", "POST", "TRACE", "DELETE")
)
_ETHERNET = 14


@dataclass(frozen=True, slots=True)
class Flags:
    """tcpdump's: -n no names, -S absolute numbers, -A the bytes as text, -t and -tt times."""

    numeric: bool = False
    absolute: bool = False
    ascii: bool = False
    no_time: int = 0


@dataclass(slots=True)
class _Printer:
    """Remembers the first numbers of each conversation, as tcpdump does."""

    flags: Flags
    first: dict[tuple[str, int, str, int], tuple[int, int]] = field(default_factory=dict)

    def tcp(self, segment: TcpSegment) -> str:
        seq, ack = segment.seq, segment.ack
        base = (0, 0)
        if not self.flags.absolute and segment.flags & ACK:
            seq, ack, base = self._relative(segment)
        length = len(segment.payload)
        bits = segment.flags
        text = f"Flags [{segment.flags_text()}]"
        if length or bits & (SYN | FIN | RST):
            text += f", seq {seq}"
            if length:
                text += f":{(seq + length) % _MODULUS}"
        if bits & ACK:
            text += f", ack {ack}"
        text += f", win {segment.window}"
        if bits & URG:
            text += f", urg {segment.urgent}"
        if segment.options:
            text += f", options [{_options(segment.options, base[1])}]"
        return f"{text}, length {length}{_application(segment)}"

    def _relative(self, segment: TcpSegment) -> tuple[int, int, tuple[int, int]]:
        """tcpdump's way: a conversation begins with its first segment that has ACK."""
        source, destination = (segment.src, segment.sport), (segment.dst, segment.dport)
        key = (*source, *destination)
        known = self.first.get(key)
        if known is None or segment.flags & SYN:
            seq, ack = segment.seq, (segment.ack - 1) % _MODULUS
            self.first[key] = (seq, ack)
            self.first[*destination, *source] = (ack, seq)
            return segment.seq, segment.ack, (seq, ack)
        return (segment.seq - known[0]) % _MODULUS, (segment.ack - known[1]) % _MODULUS, known

    def end(self, ip: str, port: int) -> str:
        return f"{ip}.{port if self.flags.numeric else _service(port)}"


def tcpdump_lines(run: Run, flags: Flags) -> Iterator[str]:
    """All frames of all lives; several lines for one with -A."""
    printer = _Printer(flags)
    for life in run.lives:
        states = _States(life)
        for frame in life.wire:
            first, *more = _frame_lines(printer, run, frame)
            said = states.after(frame)
            yield f"{first}  # {said}" if said else first
            yield from more


def _frame_lines(printer: _Printer, run: Run, frame: WireFrame) -> list[str]:
    parsed = parse_frame(frame.data)
    layer = parsed.layer
    more: list[str] = []
    match layer:
        case TcpSegment():
            ends = f"{printer.end(layer.src, layer.sport)} > {printer.end(layer.dst, layer.dport)}"
            text = f"IP {ends}: {printer.tcp(layer)}"
        case Udp():
            ends = f"{printer.end(layer.src, layer.sport)} > {printer.end(layer.dst, layer.dport)}"
            text = f"IP {ends}: {_udp(layer)}, length {len(layer.payload)}"
        case IcmpEcho():
            kind = "request" if layer.kind == ECHO_REQUEST else "reply"
            text = (
                f"IP {layer.src} > {layer.dst}: ICMP echo {kind}, id {layer.ident}, seq "
                f"{layer.seq}, length {len(layer.payload) + 8}"
            )
        case Arp():
            text = f"ARP, {_arp(layer)}, length {len(frame.data) - _ETHERNET}"
        case _:
            text, more = _unknown(frame.data)
    if printer.flags.ascii:
        more += _ascii(frame.data[_ETHERNET:])
    return [f"{_time(run.wall_ns(frame.at_s), printer.flags)}{text}", *more]


def _time(wall_ns: int, flags: Flags) -> str:
    if flags.no_time == 1:
        return ""
    second, rest = divmod(wall_ns, 1_000_000_000)
    fraction = f"{rest // 1000:06d}"
    if flags.no_time == 2:
        return f"{second}.{fraction} "
    return f"{time.strftime('%H:%M:%S', time.localtime(second))}.{fraction} "


@cache
def _service(port: int) -> str:
    try:
        return socket.getservbyport(port, "tcp")
    except OSError:
        return str(port)


def _arp(arp: Arp) -> str:
    if arp.op == ARP_REQUEST:
        known = f" ({mac_text(arp.target_mac)})" if any(arp.target_mac) else ""
        return f"Request who-has {arp.target_ip}{known} tell {arp.sender_ip}"
    if arp.op == ARP_REPLY:
        return f"Reply {arp.sender_ip} is-at {mac_text(arp.sender_mac)}"
    return f"unknown op {arp.op}"


def _options(options: bytes, acked: int) -> str:
    """`mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7`."""
    told = []
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == 0:
            told.append("eol")
            break
        if kind == 1:
            told.append("nop")
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            told.append("[bad opt]")
            break
        told.append(_option(kind, options[at + 2 : at + size], acked))
        at += size
    return ",".join(told)


def _option(kind: int, value: bytes, acked: int) -> str:
    numbers = [int.from_bytes(value[i : i + 4], "big") for i in range(0, len(value), 4)]
    match kind, len(value):
        case 2, 2:
            return f"mss {int.from_bytes(value, 'big')}"
        case 3, 1:
            return f"wscale {value[0]}"
        case 4, 0:
            return "sackOK"
        case 5, size if size and size % 8 == 0:
            edges = [(number - acked) % _MODULUS for number in numbers]
            pairs = zip(edges[::2], edges[1::2], strict=True)
            return f"sack {size // 8} " + "".join(f"{{{a}:{b}}}" for a, b in pairs)
        case 8, 8:
            return f"TS val {numbers[0]} ecr {numbers[1]}"
    return f"unknown-{kind}" + (f" 0x{value.hex()}" if value else "")


def _udp(datagram: Udp) -> str:
    """DHCP is what a board sends by itself; it has RFC 951's header."""
    data = datagram.payload
    if not {datagram.sport, datagram.dport} & {67, 68} or len(data) < 34:
        return "UDP"
    if data[0] == 1:
        sender = f" from {mac_text(data[28:34])}" if data[1:3] == b"\x01\x06" else ""
        return f"BOOTP/DHCP, Request{sender}"
    return "BOOTP/DHCP, Reply" if data[0] == 2 else f"BOOTP/DHCP, unknown ({data[0]})"


def _application(segment: TcpSegment) -> str:
    data = segment.payload
    if not data or not {segment.sport, segment.dport} & _HTTP_PORTS:
        return ""
    if not data.startswith((*_HTTP_WORDS, b"HTTP/")):
        return ": HTTP"
    line, end, _ = data.partition(b"\n")
    cut = "" if end else " [|http]"
    text = safe(line.removesuffix(b"\r").decode("ascii", "replace"))
    return f": HTTP: {text}{cut}"


def _ascii(data: bytes) -> list[str]:
    """As `-A`: what can be printed, dots for the rest; its line feeds begin lines."""
    made = []
    for place, byte in enumerate(data):
        if byte == 13:
            if place + 1 < len(data) and data[place + 1] != 10:
                made.append(".")
        elif byte in (9, 10, 32) or 33 <= byte <= 126:
            made.append(chr(byte))
        else:
            made.append(".")
    return "".join(made).split("\n")


def _unknown(data: bytes) -> tuple[str, list[str]]:
    """A frame that is none of these: its header, and its bytes."""
    kind = int.from_bytes(data[12:14], "big")
    body = data[_ETHERNET:]
    ends = f"{mac_text(data[6:12])} > {mac_text(data[:6])}"
    text = f"{ends}, ethertype Unknown (0x{kind:04x}), length {len(data)}: "
    lines = []
    for start in range(0, len(body), 16):
        part = body[start : start + 16]
        words = " ".join(part[i : i + 2].hex() for i in range(0, len(part), 2))
        shown = "".join(chr(b) if 33 <= b <= 126 else "." for b in part)
        lines.append(f"\t0x{start:04x}:  {words:<39}  {shown}")
    return text, lines


class _States:
    """The board's state after each of its segments."""

    def __init__(self, life: RunLife) -> None:
        self._after: dict[int, str] = {}
        now: dict[int, State] = {}
        newest: int | None = None  # the segment that came in last
        for event in life.plain_events:
            if isinstance(event, Segment):
                state = now.get(event.conn)
                self._after[event.seq] = f"c{event.conn} {state}" if state is not None else ""
                newest = event.seq if event.direction == "rx" else newest
            elif isinstance(event, Transition | Died):
                after = State.CLOSED if isinstance(event, Died) else event.after
                before = event.state if isinstance(event, Died) else event.before
                now[event.conn] = after
                if before is not after and event.cause.kind == "rx" and newest is not None:
                    self._after[newest] = f"c{event.conn} {before} > {after}"

    def after(self, frame: WireFrame) -> str:
        """`c3 SYN_RCVD > ESTABLISHED` where it changed, `c3 ESTABLISHED` where it did not."""
        dropped = "dropped on its way" if frame.fate == DROPPED else ""
        if frame.event_seq is None:
            return dropped or ("not recorded by the board" if frame.tcp is not None else "")
        return ", ".join(filter(None, (self._after.get(frame.event_seq, ""), dropped)))
