"""A test of an exercise that the program has not passed."""

from __future__ import annotations

from lwipscope.exercise.result import Kind


class Failed(AssertionError):
    """What was expected, and what was seen on the board."""


class NeverReady(Failed):
    """The program did not begin to serve or to connect; it will not in the other tests either."""

    def __init__(self, text: str, kind: Kind) -> None:
        super().__init__(text)
        self.kind: Kind = kind
