"""All errors that lwipscope raises on purpose, each with the exit code of the command line.

A message says what was expected, what was seen and what to try. The exit codes are those
of the README: 1 mismatch, 2 usage, 3 no board, 4 board lost or evidence incomplete.
"""

from __future__ import annotations


class LwipscopeError(Exception):
    """Base of every error that a user may see without a traceback."""

    exit_code = 1


class UsageError(LwipscopeError):
    """The caller asked for something that cannot be: a wrong option, file or notation."""

    exit_code = 2


class BuildError(LwipscopeError):
    """The firmware could not be built, packed or verified."""

    exit_code = 2


class PeerError(LwipscopeError):
    """The other end did something else than it was told to."""


class NoBoard(LwipscopeError):
    """No board could be started or found."""

    exit_code = 3


class WireUnavailable(LwipscopeError):
    """This machine cannot give the wire that was asked for (namespace, TAP, port)."""

    exit_code = 3


class BoardLost(LwipscopeError):
    """The board went away: QEMU ended, the serial line closed, or silence."""

    exit_code = 4


class BoardReset(BoardLost):
    """The board restarted in the middle: its boot id changed."""


class BoardFault(BoardLost):
    """The board reported a processor fault or a failed lwIP assertion and stopped."""


class Inconclusive(LwipscopeError):
    """The evidence is incomplete: frames were lost, altered or repeated."""

    exit_code = 4


class DeadlineExceeded(LwipscopeError):
    """Something that had to happen did not happen in time."""

    exit_code = 4
