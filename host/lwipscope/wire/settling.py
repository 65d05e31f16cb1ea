"""Waits until the wire is quiet: every frame on it has been handed to whom it is for.

Called between the commands to a board whose clock is the host's (`board.command_port`), so that
the order of frames and commands does not depend on which thread or process was faster. A peer that
answers does so on the switch's thread, so its answers are waited for, too.

What QEMU has not read yet need not be waited for: its main loop takes one datagram per turn, and
one byte of the serial line, whose UART holds one; a command has more bytes (18) than the socket
holds datagrams (11). So the frames are in the LAN9118's FIFO when the command is complete, and the
board empties that before it serves a command (firmware/README.md, "Commands"). Times in seconds of
host time. Source: QEMU 7.2 net/dgram.c, chardev/char-fd.c, hw/char/cmsdk-apb-uart.c.
"""

from __future__ import annotations

import time

from lwipscope.errors import DeadlineExceeded
from lwipscope.wire.switch import Switch

TIMEOUT_S = 5.0
# A look is one turn of the switch's thread. In the first one it may take a frame from the board, in
# the second one what a peer answered to that; the third one finds that nothing moved.
_QUIET_LOOKS = 2
# Less than this in QEMU's socket, and it is not full (10 small frames are): none waits before it.
_NOT_FULL_BYTES = 7_680


def settle(switch: Switch, timeout_s: float = TIMEOUT_S) -> None:
    """Return when no frame moves and none waits on our side; DeadlineExceeded if never."""
    end_s = time.monotonic() + timeout_s
    quiet, before = 0, switch.counters()
    while quiet < _QUIET_LOOKS:
        if time.monotonic() > end_s:
            raise DeadlineExceeded(
                f"the wire was expected to become quiet within {timeout_s:g} s, but "
                f"{switch.board_backlog_bytes()} bytes still wait for the board, or frames go on. "
                "With the manual clock nothing may send by itself; is the board stopped?"
            )
        now = switch.counters()
        moved = now != before or switch.board_backlog_bytes() >= _NOT_FULL_BYTES
        quiet, before = 0 if moved else quiet + 1, now
