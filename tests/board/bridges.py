"""Servers on loopback that pass a serial port on, for tests: plain TCP, and RFC 2217.

The RFC 2217 part is pyserial's own (`serial.rfc2217.PortManager`). A pseudo-terminal has no modem
lines: those of `PtyPort` are fakes that remember what they were set to.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Any, Self

import serial
from serial.rfc2217 import PortManager

LOOPBACK = "127.0.0.1"
_LOOK_S = 0.02


class PtyPort(serial.Serial):
    """A pseudo-terminal with fake modem lines; `set_lines` is what they were set to, in order."""

    cts = dsr = cd = True
    ri = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.set_lines: list[tuple[str, bool]] = []
        super().__init__(*args, **kwargs)

    def _update_rts_state(self) -> None:
        self.set_lines.append(("rts", bool(self._rts_state)))

    def _update_dtr_state(self) -> None:
        self.set_lines.append(("dtr", bool(self._dtr_state)))


class Bridge:
    """One client at a time, until closed. `rfc2217`: or else bytes and nothing more."""

    def __init__(self, device: str, *, rfc2217: bool) -> None:
        self.port = PtyPort(device, 115200, timeout=0, exclusive=True)
        self._rfc2217 = rfc2217
        self._server = socket.create_server((LOOPBACK, 0))
        self._server.settimeout(_LOOK_S)
        self._closing = threading.Event()
        self._hang_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="test-bridge")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._server.close()
        self.port.close()

    @property
    def url(self) -> str:
        scheme = "rfc2217" if self._rfc2217 else "socket"
        return f"{scheme}://{LOOPBACK}:{self._server.getsockname()[1]}"

    def hang_up(self) -> None:
        """Drop the client, as a server does that restarts."""
        self._hang_up.set()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                continue
            with client, contextlib.suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._hang_up.clear()
                self._pass(client)

    def _pass(self, client: socket.socket) -> None:
        client.settimeout(5.0)
        manager = PortManager(self.port, _Sink(client)) if self._rfc2217 else None
        while not (self._closing.is_set() or self._hang_up.is_set()):
            ready, _, _ = select.select([client, self.port.fileno()], [], [], _LOOK_S)
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                self.port.write(b"".join(manager.filter(data)) if manager else data)
            if self.port.fileno() in ready:
                data = self.port.read(4096)
                client.sendall(b"".join(manager.escape(data)) if manager else data)


class _Sink:
    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def write(self, data: bytes) -> None:
        self._client.sendall(data)
