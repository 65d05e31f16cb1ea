"""Callbacks that follow a live trace: viewers, logs.

A callback runs in the thread that reads the serial line, outside the trace's lock. One that raises
is dropped: a broken viewer must not end the reading of the board.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Watchers(Generic[_T]):
    """The callbacks for one kind of value; each gets the value and its host time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: tuple[Callable[[_T, float], None], ...] = ()

    def add(self, callback: Callable[[_T, float], None]) -> Callable[[], None]:
        """Call `callback` from now on; returns the function that stops it."""

        def mine(value: _T, at_s: float) -> None:
            callback(value, at_s)

        def stop() -> None:
            self._drop(mine)

        with self._lock:
            self._callbacks = (*self._callbacks, mine)
        return stop

    def tell(self, value: _T, at_s: float) -> None:
        """Call everybody."""
        for callback in self._callbacks:
            try:
                callback(value, at_s)
            except Exception:
                _log.exception("a watcher of the trace raised and is dropped")
                self._drop(callback)

    def _drop(self, gone: Callable[[_T, float], None]) -> None:
        with self._lock:
            self._callbacks = tuple(kept for kept in self._callbacks if kept is not gone)
