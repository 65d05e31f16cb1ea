"""Myths about the calls of sockets: options that are or-ed, and one recv() before close().

Sources: POSIX setsockopt(); RFC 9293 3.6.1; RFC 2525 2.17; lwIP 2.2.1 tcp.c (tcp_close_shutdown,
tcp_bind); MicroPython 1.25.0 modlwip.c (lwip_socket_setsockopt). Numbers of socket options: Linux's
asm-generic/socket.h and lwIP's sockets.h.
"""

from __future__ import annotations

import re
import socket

from lwipscope.glossary.evidence import (
    call,
    console,
    death,
    events,
    insist,
    life_of,
    line,
    lines,
    need,
    note,
    note_line,
    returned,
    segment,
    segments,
    step,
)
from lwipscope.glossary.myth import Finding, Myth
from lwipscope.glossary.option_agent import with_options
from lwipscope.glossary.servers import leaves_time_wait
from lwipscope.runfile.model import Run
from lwipscope.scenario.pair import (
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
    accepted,
    delivered,
    knocking,
)
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Call
from lwipscope.words.catalogue import mark

_LONG = b"GET /a-page-with-a-long-name HTTP/1.0\r\nHost: board\r\n\r\n"
_RECV = 48  # as much as the agent takes at once
_LWIP_REUSEADDR, _LWIP_REUSEPORT = 0x0004, 0x0200


def _both_options(stage: Stage) -> None:
    with_options(stage)
    leaves_time_wait(stage)
    again = stage.board.agent.socket()
    both = _LWIP_REUSEADDR | _LWIP_REUSEPORT
    stage.note("host", f"board: setsockopt(SOL_SOCKET, 0x0004 | 0x0200 = {both:#06x}, 1)")
    stage.board.agent.call("setopt", again.name, both)
    stage.insist_refused(lambda: again.bind(PORT), "bind() during TIME_WAIT", "EADDRINUSE")
    stage.note("host", f"board: setsockopt(SOL_SOCKET, SO_REUSEADDR = {_LWIP_REUSEADDR}, 1)")
    again.reuse_address()
    again.bind(PORT)
    again.listen(1)
    _kernel_options(stage)


def _kernel_options(stage: Stage) -> None:
    """What this machine's own stack makes of it; the socket is never used."""
    port_option = getattr(socket, "SO_REUSEPORT", None)
    if port_option is None:
        return
    both = socket.SO_REUSEADDR | port_option
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, both, 1)
        address = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
        port = bool(sock.getsockopt(socket.SOL_SOCKET, port_option))
    stage.note(
        "kernel",
        f"setsockopt(SOL_SOCKET, {socket.SO_REUSEADDR} | {port_option} = {both}, 1): "
        f"SO_REUSEADDR={int(address)} SO_REUSEPORT={int(port)}",
    )


def _not_both(run: Run) -> Finding:
    life = life_of(run)
    asked = need(note(life, "board: setsockopt", "0x0204"), mark("both options were not tried"))
    refused = need(
        returned(life, "bind", "EADDRINUSE"),
        mark("bind() was not refused: an option was set after all"),
    )
    said = need(
        console(life, "setsockopt() not implemented"),
        mark("the board did not say that it has no such option"),
    )
    bound = need(
        step(life, None, State.LISTEN, behind=refused),
        mark("bind() with SO_REUSEADDR alone did not work"),
    )
    kernel = need(
        next((n for n in life.notes if n.who == "kernel"), None),
        mark("this machine's own sockets were not tried"),
    )
    found = re.search(r"SO_REUSEADDR=(\d) SO_REUSEPORT=(\d)", kernel.text)
    set_ = found.groups() if found else ("1", "1")
    insist(set_ != ("1", "1"), mark("this machine's own stack has set both options"))
    return Finding(
        mark(
            "4 | 0x0200 is the number 0x0204, of no option: the board warns, and bind() is refused "
            "as without any. SO_REUSEADDR alone does it. A socket of this machine says: "
            "SO_REUSEADDR={address}, SO_REUSEPORT={port}."
        ),
        (
            note_line(asked),
            f"{'':>14}  console {said}",
            line(refused),
            line(bound),
            note_line(kernel),
        ),
        {"address": set_[0], "port": set_[1]},
    )


def _one_recv(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, peer = knocking(stage)
    raw.handshake()
    hasty = accepted(stage, raw, listener)
    delivered(stage, hasty.raw.send("P.", _LONG))
    stage.insist(hasty.socket.recv() == _LONG[:_RECV], "recv() to give the first bytes")
    hasty.socket.close()
    hasty.raw.expect("R.")
    stage.insist_end(hasty.conn, "api close")
    other, _ = knocking(stage, peer, port=PEER_PORT + 1)
    other.handshake()
    patient = accepted(stage, other, listener)
    delivered(stage, patient.raw.send("P.", _LONG))
    delivered(stage, patient.raw.send("F."))
    other.expect(".", ack=2 + len(_LONG))
    got = b""
    while data := patient.socket.recv():
        got += data
    stage.insist(got == _LONG, f"all that was sent, not {got!r}")
    patient.socket.close()
    other.expect("F.", seq=1)
    other.send(".")
    patient.nothing()
    stage.insist_end(patient.conn, "rx ACK")
    stage.note(WHO, "reads to the end here, and is told so by a FIN")


def _one_recv_resets(run: Run) -> Finding:
    life = life_of(run)
    rst = need(segment(life, "tx", has="R"), mark("the board sent no RST"))
    conn = rst.conn
    data = need(
        segment(life, "rx", conn, fits=lambda s: s.length > 0), mark("no data came to the board")
    )
    read = [e for e in events(life, Call, conn) if e.name == "recv"]
    closed = need(call(life, "close", conn), mark("the board's program did not close"))
    insist(len(read) == 1, mark("the board's program did not call recv() once"))
    taken = int(read[0].arg or 0)
    insist(taken < data.length, mark("one recv() has taken all the data"))
    ended = need(death(life, conn), mark("the connection that was reset has not ended"))
    clean = next((c for c in life.connections if c.role == "server" and c.id != conn), None)
    other = need(clean, mark("there is no other connection to compare with"))
    fin = need(
        segment(life, "tx", other.id, has="F"),
        mark("the connection that was read to its end did not end with FIN"),
    )
    insist(
        not any("R" in s.flags for s in segments(life, "tx", other.id)),
        mark("the connection that was read to its end was reset"),
    )
    return Finding(
        mark(
            "{length} bytes came, one recv() took {taken}, and close() sent RST instead of FIN: "
            "the other end may lose what it had not read yet. c{other} is read until recv() gives "
            "nothing, and ends with FIN."
        ),
        lines(data, read[0], closed, rst, ended, fin),
        {"length": data.length, "taken": taken, "other": other.id},
    )


MYTHS: tuple[Myth, ...] = (
    Myth(
        "reuse-both-options",
        "wrong",
        mark("setsockopt(SO_REUSEADDR | SO_REUSEPORT) sets two options."),
        mark(
            "setsockopt() takes the number of one option, not a set of bits. On Linux 2 | 15 is "
            "15: SO_REUSEPORT alone. In lwIP 4 | 0x0200 is 0x0204, which is no option at all. Call "
            "it twice."
        ),
        mark("none: an affair of the sockets; POSIX setsockopt()"),
        "modlwip.c: lwip_socket_setsockopt(); tcp.c: tcp_bind()",
        Scenario(
            "myth-reuse",
            "Two options in one call",
            "bind() during TIME_WAIT, with both options in one call, and then with one.",
            "POSIX setsockopt()",
            Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT", "server"),
            _both_options,
            RAW,
        ),
        _not_both,
        scenario_shown=False,
    ),
    Myth(
        "one-recv-clean-end",
        "wrong",
        mark("One recv() and a close() is a clean end."),
        mark(
            "recv() gives what is there, not what was sent. If close() finds data unread, the "
            "stack must tell the other end that they were lost, by RST, which may also throw away "
            "what that end had not read yet. Read until recv() gives nothing, then close."
        ),
        "3.6.1 (SHLD-3); RFC 2525 2.17",
        "tcp.c: tcp_close_shutdown() (rcv_wnd != TCP_WND_MAX)",
        Scenario(
            "myth-one-recv",
            "One recv(), and all of them",
            "A request that is longer than one recv(): closed at once, and read to its end.",
            "RFC 2525 2.17",
            Expected(f"{SERVER} > CLOSED", "server", PEER_PORT),
            _one_recv,
            RAW,
            others=(
                Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server", PEER_PORT + 1),
            ),
        ),
        _one_recv_resets,
        scenario_shown=False,
    ),
)
