"""Runs made by hand for tests: a board that serves one connection, and as many as are wanted."""

from __future__ import annotations

from lwipscope.runfile.collect import life_of
from lwipscope.runfile.model import About, Judged, Run, RunLife, WireFrame
from lwipscope.trace.event import parse_event
from lwipscope.trace.frame import Frame
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.timeline import Note
from lwipscope.trace.trace import ConsoleText, Stamped
from lwipscope.wire.packet import TcpSegment, build_tcp, flags_from_text, mss_option

BOARD, PEER = "192.0.2.10", "192.0.2.1"
BOARD_MAC, PEER_MAC = bytes.fromhex("026c7700000a"), bytes.fromhex("026c77000001")
PORT = 6666
OFFSET_S = 0.5  # host time when the board's clock is 0
SERIAL_S = 0.004  # how late the serial line brings a record
HELLO = (
    "hello re=1 proto=1 boot=1.1 board=mps2-an385 mp=1.25.0 lwip=2.2.1 profile=roomy "
    "build=0123456789ab pcb=16 lpcb=8 mss=1460 time=running stream=all ip=192.0.2.10"
)
SERVER_PATH = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"


class Maker:
    """Collects a life, event by event; each takes 1 ms of board time unless said otherwise."""

    def __init__(self) -> None:
        self.clock_us = 1000
        self.seq = 0
        self.stamped: list[Stamped] = []
        self.frames: list[WireFrame] = []

    def event(self, said: str, after_us: int = 1000) -> None:
        self.clock_us += after_us
        kind, _, tail = said.partition(" ")
        event = parse_event(Frame(self.seq, self.clock_us, kind, tail, b""))
        at_s = OFFSET_S + self.clock_us / 1e6 + SERIAL_S
        self.stamped.append(Stamped(at_s, event, said))
        self.seq += 1

    def skip(self, count: int) -> None:
        """Records that never arrive."""
        self.seq += count

    def segment(
        self,
        conn: int,
        direction: str,
        flags: str,
        seq: int,
        ack: int,
        payload: bytes = b"",
        *,
        port: int = 40000,
        mss: int | None = None,
        lost: bool = False,
        recorded: bool = True,
    ) -> None:
        """On the wire 50 us before (rx) or after (tx) the board records it."""
        ends = f" l={BOARD}:{PORT} r={PEER}:{port}" if "S" in flags else ""
        option = "" if mss is None else f" mss={mss}"
        numbers = f"seq={seq} ack={ack} win=8760 len={len(payload)}"
        if recorded:
            self.event(f"{direction} c={conn} {flags} {numbers}{option}{ends}")
        if lost:
            return
        wire_us = self.clock_us + (-50 if direction == "rx" else 50)
        here, there = (PEER, port), (BOARD, PORT)
        macs = {"src_mac": PEER_MAC, "dst_mac": BOARD_MAC}
        if direction == "tx":
            here, there = there, here
            macs = {"src_mac": BOARD_MAC, "dst_mac": PEER_MAC}
        segment = TcpSegment(
            *(here[0], there[0], here[1], there[1], seq, ack, flags_from_text(flags), 8760),
            options=b"" if mss is None else mss_option(mss),
            payload=payload,
        )
        origin = "tap" if direction == "rx" else "board"
        frame = build_tcp(segment, **macs)
        self.frames.append(WireFrame(OFFSET_S + wire_us / 1e6, origin, frame))

    def listener(self) -> None:
        self.event(HELLO)
        self.event("born c=1 pool=pcb used=1")
        self.event("call c=1 socket")
        self.event(f"call c=1 bind {PORT}")
        self.event("call c=1 listen 2")
        self.event("born c=2 pool=lpcb used=1")
        self.event(f"state c=2 CLOSED>LISTEN by=api:listen at=tcp.c:890 l=0.0.0.0:{PORT}")
        self.event("died c=1 in=CLOSED by=api:listen used=0")

    def served(self, conn: int, port: int, data: int = 1) -> None:
        """One accepted connection, closed by the peer first, with `data` segments of data."""
        peer, own = 1_000_000 * conn, 5000 * conn
        ends = f"l={BOARD}:{PORT} r={PEER}:{port}"
        self.event("call c=2 accept")
        self.segment(2, "rx", "S", peer, 0, port=port, mss=1460)
        self.event(f"born c={conn} pool=pcb used=1")
        self.event(f"state c={conn} CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 {ends} p=2")
        self.segment(conn, "tx", "S.", own, peer + 1, port=port, mss=1460)
        self.segment(conn, "rx", ".", peer + 1, own + 1, port=port)
        self.event(f"state c={conn} SYN_RCVD>ESTABLISHED by=rx:. at=tcp_in.c:942")
        self.event(f"ret c=2 accept c{conn}")
        at = peer + 1
        for _ in range(data):
            self.segment(conn, "rx", "P.", at, own + 1, b"hello\n", port=port)
            at += 6
            self.segment(conn, "tx", ".", own + 1, at, port=port)
        self.segment(conn, "rx", "F.", at, own + 1, port=port)
        self.event(f"state c={conn} ESTABLISHED>CLOSE_WAIT by=rx:F. at=tcp_in.c:998")
        self.segment(conn, "tx", ".", own + 1, at + 1, port=port)
        self.event(f"call c={conn} close")
        self.event(f"state c={conn} CLOSE_WAIT>LAST_ACK by=api:close at=tcp.c:434")
        self.segment(conn, "tx", "F.", own + 1, at + 1, port=port)
        self.segment(conn, "rx", ".", at + 1, own + 2, port=port)
        self.event(f"died c={conn} in=LAST_ACK by=rx:. used=0")

    def life(self, integrity: Integrity | None = None, console: bytes = b"") -> RunLife:
        notes = [Note(OFFSET_S + 0.010, "nc", "starts: nc 192.0.2.10 6666")]
        pieces = [ConsoleText(OFFSET_S + 0.02, console)] if console else []
        good = integrity or Integrity(synced_through=self.seq)
        return life_of(0, 0.0, self.stamped, self.frames, good, notes, pieces)


def served_run(connections: int = 1, data: int = 1, console: bytes = b"ready\n") -> Run:
    """A run that passed."""
    maker = Maker()
    maker.listener()
    for number in range(connections):
        maker.served(3 + number, 40000 + number, data)
    judged = Judged("path", "PASS", SERVER_PATH, SERVER_PATH, "as expected", 0, 3)
    about = About(
        "served",
        "run-scenario",
        "The board serves",
        "nc connects, says hello and closes.",
        "RFC 9293 3.6",
        "PASS",
        (judged,),
        board="qemu-mps2-an385",
        board_title="Arm MPS2, emulated",
        clock="running",
        wall_ns=1_700_000_000_000_000_000,
        lasted_s=0.2,
        versions={"lwipscope": "0.1.0"},
    )
    return Run(about, (maker.life(console=console),))
