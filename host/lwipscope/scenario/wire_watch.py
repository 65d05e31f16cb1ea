"""Whether the wire worked all the time that a scenario took.

Made by `play` before and asked after it. A wire that died explains everything and proves nothing:
the board may have sent what never came. Asked with a frame of a type that nobody listens to (IEEE
802's "local experimental" 0x88b5), sent to the board: a network card that is gone refuses it.
"""

from __future__ import annotations

from lwipscope.errors import LwipscopeError
from lwipscope.wire.station import Counters
from lwipscope.wire.switch import BOARD_MAC, Switch

_PROBE_MAC = bytes.fromhex("026c770000fe")
_PROBE = BOARD_MAC + _PROBE_MAC + b"\x88\xb5" + bytes(46)


class WireWatch:
    """Counts from its making on."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._before = switch.counters()

    def faults(self) -> list[str]:
        """What is wrong with the wire, in words; empty if it works."""
        try:
            port = self._switch.attach(_PROBE_MAC, lambda _frame: None, name="probe")
            try:
                port.send(_PROBE)
                now = self._switch.counters()
            finally:
                port.close()
        except LwipscopeError as error:
            return [f"the wire is gone: {error}"]
        return [*self._lost(now)]

    def _lost(self, now: Counters) -> list[str]:
        told = []
        gone = now.dropped_no_board - self._before.dropped_no_board
        if gone:
            told.append(
                "the board's end of the wire is gone: its network card (QEMU's datagram socket) "
                f"refused {gone} frame{'s' if gone > 1 else ''}, the last of them a probe"
            )
        if now.callback_errors - self._before.callback_errors:
            told.append(f"a station of the wire failed: {self._switch.first_failure!r}")
        return told
