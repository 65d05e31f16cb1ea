"""MicroPython's defects that the usual firmware works around, each shown where it was left in.

`lwipscope run-scenario NAME --no-workarounds` plays them. The table of defects is in
firmware/README.md, what the build does about them in lwipscope/firmware/provenance.py
(WORKAROUNDS). Defects that are not worked around have their scenarios in the library, by the name
of the deviation. Sources: MicroPython 1.25.0 extmod/modlwip.c (lwip_socket_ioctl, MP_STREAM_CLOSE);
lwIP 2.2.1 tcp.c (tcp_err, tcp_recv).
"""

from __future__ import annotations

from lwipscope.errors import BoardLost, UsageError
from lwipscope.firmware.firmware import Firmware
from lwipscope.scenario.pair import PORT
from lwipscope.scenario.scenario import Expected, Scenario
from lwipscope.scenario.stage import Stage

_LAST_WORDS = "text=invalid_socket_state_for_err_callback"


def _listener_close_asserts(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    stage.note("host", "the board's program closes its listener")
    try:
        listener.close()
    except BoardLost:
        stage.board_stopped(_LAST_WORDS)
    else:
        stage.insist(False, "the board to stop in close(), which returned: the defect is gone")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "listener-close-asserts",
        "close() of a listener stops the board",
        "close() of a listening socket calls tcp_err() and tcp_recv() on a listener's pcb, which "
        "is smaller and has no such fields. lwIP's assertions forbid it: the board stops there and "
        "says so with its last words, in LISTEN. Without assertions two words behind the pcb would "
        "be overwritten. The usual firmware leaves listeners alone in these two functions.",
        "MicroPython 1.25.0 modlwip.c:lwip_socket_ioctl; lwIP 2.2.1 tcp.c:tcp_err",
        Expected("LISTEN", "listener"),
        _listener_close_asserts,
        needs=frozenset(),
        shows="a board that stops by an assertion, and that this was what was expected",
        firmware="no-workarounds",
    ),
)


def require_firmware(scenario: Scenario, firmware: Firmware) -> None:
    """Refuse a scenario whose defect this firmware works around."""
    if scenario.firmware == "no-workarounds" and firmware.has_workarounds:
        raise UsageError(
            f"{scenario.name} shows a defect of MicroPython that this firmware works around; play "
            "it with --no-workarounds, or with --firmware FILE from `lwipscope firmware build "
            "--no-workarounds`"
        )
