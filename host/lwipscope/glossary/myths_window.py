"""The myth about the window: whether its field counts bytes.

The kernel's TCP is needed on the board's wire. Sources: RFC 9293 3.1; RFC 7323 2; lwIP 2.2.1
tcp_in.c (tcp_parseopt).
"""

from __future__ import annotations

from lwipscope.glossary.evidence import (
    frame_line,
    frames,
    insist,
    life_of,
    need,
)
from lwipscope.glossary.myth import Finding, Myth
from lwipscope.runfile.model import Run
from lwipscope.scenario.network import HOST_IP
from lwipscope.scenario.pair import (
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
)
from lwipscope.scenario.scenario import Expected, Need, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.wire.layers import ACK, RST, SYN, mss_option
from lwipscope.words.catalogue import mark

_KERNEL_PORT = 7007
_SCALE_0 = b"\x01\x03\x03\x00"  # a no-op, and window scale 0: understood, not used here
_FLIGHT = 1000
_RAW_AND_KERNEL: frozenset[Need] = frozenset({"raw", "kernel"})


def _two_windows(stage: Stage) -> None:
    stage.insist(stage.network.has_tap, "the kernel's TCP on the board's wire (a TAP)")
    stage.board_listens(PORT)
    stage.network.connect(PORT)
    stage.wait_state(State.ESTABLISHED)
    kernel = stage.network.listen(_KERNEL_PORT)
    raw = stage.network.raw().connection(PEER_PORT, HOST_IP, _KERNEL_PORT)
    raw.send("S", options=mss_option(1460) + _SCALE_0)
    raw.expect("S.", ack=1)
    raw.send(".")
    with kernel.accept():
        raw.send("P.", b"x")
        window = raw.expect(".", ack=2).segment.window
        flight = 1 + 2 * window // _FLIGHT
        told = f"sends {flight * _FLIGHT} bytes at once; the kernel's window says {window}"
        stage.note(WHO, told)
        for _ in range(flight):
            raw.send("P.", bytes(_FLIGHT))
        while raw.expect(".").segment.ack != raw.numbers[0]:
            pass
        raw.send("R.")


def _scaled(run: Run) -> Finding:
    life = life_of(run)
    insist(bool(life.wire), mark("the wire was not recorded"))
    at_kernel = frames(life, lambda s: _KERNEL_PORT in (s.sport, s.dport))
    answer = need(
        next(((f, s) for f, s in at_kernel if s.flags & (SYN | ACK) == SYN | ACK), None),
        mark("the kernel's SYN+ACK is not there: no kernel on this wire"),
    )
    shift = scale_of(answer[1].options)
    insist(bool(shift), mark("the kernel does not scale its window"))
    told = next(
        ((f, s) for f, s in at_kernel if s.sport == _KERNEL_PORT and not s.flags & (SYN | RST)),
        None,
    )
    window = need(told, mark("the kernel sent no window"))
    full = [(f, s) for f, s in at_kernel if s.sport == _KERNEL_PORT and not s.flags & SYN]
    taken = max(s.ack - window[1].ack & 0xFFFFFFFF for _, s in full)
    last = next((f, s) for f, s in full if s.ack - window[1].ack & 0xFFFFFFFF == taken)
    said = window[1].window
    insist(taken > said, mark("the kernel took no more bytes than its window says"))
    insist(taken <= said << (shift or 0), mark("the kernel took more than its scaled window"))
    ours = frames(life, lambda s: PORT in (s.sport, s.dport) and bool(s.flags & SYN))
    offer = need(
        next(((f, s) for f, s in ours if s.dport == PORT), None), mark("no SYN came to the board")
    )
    board = need(
        next(((f, s) for f, s in ours if s.sport == PORT), None),
        mark("the board sent no SYN+ACK"),
    )
    insist(
        scale_of(offer[1].options) is not None and scale_of(board[1].options) is None,
        mark("the board, too, scales its window"),
    )
    return Finding(
        mark(
            "This kernel says scale {shift} in its SYN+ACK and win {said} afterwards: that is "
            "{said} * 2^{shift} = {real} bytes, and it takes {taken} at once. The board offers no "
            "scale, so in its connections the same field does count bytes. (win 342 with scale 7 "
            "is 43776.)"
        ),
        tuple(frame_line(f, s) for f, s in (answer, window, last, offer, board)),
        {"shift": shift, "said": said, "real": said << (shift or 0), "taken": taken},
    )


def scale_of(options: bytes) -> int | None:
    """The value of the window scale option (RFC 7323 2.2), None without one."""
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            return None
        if options[at] == 3 and size == 3:
            return options[at + 2]
        at += size
    return None


MYTHS: tuple[Myth, ...] = (
    Myth(
        "win-342-bytes",
        "half",
        mark("win 342 is a window of 342 bytes."),
        mark(
            "If both SYNs have the window scale option, the field must be shifted by the number "
            "that this end announced; in a SYN it never is. It counts bytes where one end lacks "
            "the option, as lwIP does here (LWIP_WND_SCALE is 0)."
        ),
        "3.1; RFC 7323 2.2, 2.3",
        "tcp_in.c: tcp_parseopt() (LWIP_TCP_OPT_WS, not compiled in)",
        Scenario(
            "myth-window",
            "A window that is scaled, and one that is not",
            "The kernel connects to the board, and a peer that can scale connects to the kernel.",
            "RFC 7323 2",
            Expected(SERVER, "server"),
            _two_windows,
            _RAW_AND_KERNEL,
        ),
        _scaled,
        scenario_shown=False,
    ),
)
