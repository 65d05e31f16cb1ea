"""What a test claims about the path of one connection.

A path that is not as claimed is an AssertionError with what was expected, what was seen and the
timeline around the difference; evidence with a hole is `Inconclusive`, a board that went away
`BoardLost`: neither says anything about the program.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lwipscope.errors import BoardLost, Inconclusive, UsageError
from lwipscope.scenario.watch import Watch
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, Role
from lwipscope.trace.verdict import PathCheck, Verdict, check_path

CLAIM_S = 5.0


class PathMismatch(AssertionError):
    """The path seen is not the path expected."""


class PathClaim:
    """About the one connection that fits; `port` is the board's."""

    def __init__(
        self,
        watch: Watch,
        name: str,
        keep: Callable[[PathCheck], None],
        *,
        port: int | None,
        remote_port: int | None,
        peer: str | None,
        role: Role | None,
    ) -> None:
        self._watch = watch
        self._name = name
        self._keep = keep
        self._port, self._remote_port, self._peer, self._role = port, remote_port, peer, role

    def check(self, pattern: str) -> PathCheck:
        """The verdict at this moment."""
        events, integrity = self._watch.now()
        return check_path(
            events,
            integrity,
            pattern,
            name=self._name,
            port=self._port,
            remote_port=self._remote_port,
            peer=self._peer,
            role=self._role,
            timeline=self._watch.timeline(len(events)),
        )

    def must_be(self, pattern: str, timeout_s: float = CLAIM_S) -> Connection:
        """The path is this, now or within the time; notation: lwipscope.tcp.path.

        Raises PathMismatch, Inconclusive if frames were lost, BoardLost if the board went away.
        """
        __tracebackhide__ = True
        try:  # a wrong pattern is told before anything is waited for
            PathPattern.parse(pattern)
        except UsageError as error:
            raise UsageError(str(error)) from None  # where it was found is not the user's concern
        deadline_s = time.monotonic() + timeout_s
        while True:
            check = self.check(pattern)
            if check.verdict is not Verdict.FAIL or _is_over(check):
                break
            if not self._watch.more(deadline_s):
                break
        self._keep(check)
        if check.verdict is Verdict.PASS:
            assert check.connection is not None
            return check.connection
        if check.verdict is Verdict.INCONCLUSIVE:
            raise Inconclusive(check.text)
        if (lost := self._watch.board.trace.lost) is not None:
            raise BoardLost(f"{lost}\n{check.text}")
        if check.verdict is Verdict.ERROR:  # more than one connection fits
            raise UsageError(check.text)
        raise PathMismatch(f"{check.text}{_hint(check)}")


def _is_over(check: PathCheck) -> bool:
    return check.connection is not None and check.connection.ended


def _hint(check: PathCheck) -> str:
    if check.connection is not None and check.connection.path[-1] is State.TIME_WAIT:
        return "\nTIME_WAIT lasts 2MSL, 120 s of board time: pass_time(121) moves the board's clock"
    return ""
