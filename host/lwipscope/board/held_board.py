"""What an open board does alike whatever it is: its line, its trace, the clients of its prompt.

Base of `EmulatedBoard` and `SerialBoard`. A board is held until `close`; each reset ends what was
known of its prompt and its agent (`_forget_clients`).
"""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import Self

from lwipscope.board.link import Link
from lwipscope.board.repl import Repl
from lwipscope.trace.trace import Trace


class HeldBoard:
    """A context; whoever inherits sets `_link` and closes everything in `close`."""

    _link: Link | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        raise NotImplementedError

    @property
    def link(self) -> Link:
        assert self._link is not None
        return self._link

    @property
    def trace(self) -> Trace:
        return self.link.trace

    @cached_property
    def repl(self) -> Repl:
        return Repl(self.link)

    def _forget_clients(self) -> None:
        for name in ("repl", "agent", "files"):
            self.__dict__.pop(name, None)
