"""QEMU's monitor: a few commands as JSON lines (QEMU documentation, QMP protocol specification).

QEMU connects to a socket that we listen on, so nobody has to wait for a file to appear.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from lwipscope.errors import BoardLost

TIMEOUT_S = 10.0


class MonitorGone(BoardLost):
    """QEMU does not answer: most likely it has ended."""


class Qmp:
    """One monitor connection; `connection` is an accepted stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(TIMEOUT_S)
        self._file = connection.makefile("rb")
        self._next()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: Any) -> Any:
        """Run one command; events that come meanwhile are dropped."""
        request = {"execute": name, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise MonitorGone(f"QEMU's monitor is gone: {error}") from error
        while True:
            answer = self._next()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise BoardLost(f"QEMU refused {name}: {answer['error'].get('desc')}")

    def close(self) -> None:
        """Idempotent."""
        self._file.close()
        self._socket.close()

    def _next(self) -> dict[str, Any]:
        try:
            line = self._file.readline()
        except OSError as error:
            raise MonitorGone(f"QEMU's monitor does not answer: {error}") from error
        if not line:
            raise MonitorGone("QEMU's monitor is gone: QEMU has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer
