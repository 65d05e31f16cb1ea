"""The board's pcb table for other programs of this user, while one program holds its serial line.

`lwipscope run` has the line for itself; `lwipscope netstat` in another terminal asks here instead,
over a unix socket that `board.running` tells of. One question is one connection: the answer is
JSON, one row per pcb, and the end. Times in seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.errors import DeadlineExceeded, LwipscopeError
from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint, PcbRow

ANSWER_S = 5.0
_MOST_BYTES = 1 << 20


class TableDesk:
    """Answers until it is closed."""

    def __init__(self, path: Path, table: Callable[[], Sequence[PcbRow]]) -> None:
        self.path = path
        self._table = table
        self._waking, self._woken = os.pipe()
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(str(path))
            path.chmod(0o600)
            self._listener.listen(4)
        except BaseException:
            self._release()
            raise
        self._thread = threading.Thread(target=self._run, name="table desk")
        self._thread.start()

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
        if self._waking < 0:
            return
        os.write(self._woken, b"x")
        self._thread.join()
        self._release()

    def _release(self) -> None:
        self._listener.close()
        self.path.unlink(missing_ok=True)
        os.close(self._waking)
        os.close(self._woken)
        self._waking = -1

    def _run(self) -> None:
        watched: list[socket.socket | int] = [self._listener, self._waking]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if self._waking in ready:
                return
            # Who has hung up by now has no question.
            with contextlib.suppress(OSError), self._listener.accept()[0] as asker:
                asker.settimeout(ANSWER_S)
                asker.sendall(self._answer())

    def _answer(self) -> bytes:
        try:
            rows = [_row_out(row) for row in self._table()]
            return json.dumps({"rows": rows}).encode()
        except LwipscopeError as error:
            return json.dumps({"error": str(error)}).encode()


def ask(path: str) -> list[PcbRow]:
    """The rows, from the desk at that path."""
    data = b""
    try:
        with socket.socket(socket.AF_UNIX) as desk:
            desk.settimeout(ANSWER_S)
            desk.connect(path)
            while len(data) < _MOST_BYTES and (piece := desk.recv(65536)):
                data += piece
        answer = json.loads(data)
        if "error" in answer:
            raise DeadlineExceeded(f"the board did not tell its table: {answer['error']}")
        return [_row_in(row) for row in answer["rows"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DeadlineExceeded(
            f"the program that has the board did not answer within {ANSWER_S:g} s ({error}). Has "
            "it ended just now?"
        ) from error


def _row_out(row: PcbRow) -> list[object]:
    return [row.conn, row.state.name, str(row.local or ""), str(row.remote or ""), row.age_ms]


def _row_in(row: Sequence[object]) -> PcbRow:
    conn, state, local, remote, age_ms = row
    return PcbRow(
        *(0, 0, int(str(conn)), 0, State[str(state)]),
        Endpoint.parse(str(local)) if local else None,
        Endpoint.parse(str(remote)) if remote else None,
        int(str(age_ms)),
    )
