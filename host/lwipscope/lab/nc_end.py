"""An nc of the lab: this machine's own, or lwipscope's where there is none. What it prints is read
on a thread and told line by line.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Sequence

from lwipscope.errors import DeadlineExceeded, LwipscopeError, PeerError
from lwipscope.peer.nc import Netcat, find_nc
from lwipscope.scenario.network import HOST_IP, LOOPBACK, Network, free_port
from lwipscope.wire.keeper import PIPE, STDOUT, Keeper

_READ_S = 3600.0
_START_S = 5.0
_OWN = (sys.executable, "-m", "lwipscope", "nc")


class NcEnd:
    """One nc. `conn` is the board's connection with it, once there is one."""

    def __init__(
        self,
        name: str,
        port: int,
        listens: bool,
        netcat: Netcat,
        said: Callable[[str], None],
        ended: Callable[[int], None],
    ) -> None:
        self.name, self.port, self.listens = name, port, listens
        self.conn: int | None = None
        self.state = ""  # the last that is known from before the board was reset
        self.input_ended = False
        self.netcat = netcat
        self._said, self._on_end = said, ended
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"lwipscope-lab-{name}")
        self._thread.start()

    @property
    def running(self) -> bool:
        """False once it has ended."""
        return not self._over.is_set()

    @property
    def sends_fin(self) -> bool:
        """Whether it sends its FIN at the end of its input."""
        return any(a.startswith("-") and set(a) & set("Nq") for a in self.netcat.argv[1:])

    def wait_end(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs."""
        return self._over.wait(timeout_s)

    def kill(self) -> None:
        """As kill -9."""
        self.netcat.kill()

    def join(self) -> None:
        """End it, and the thread that reads it. Idempotent."""
        with contextlib.suppress(LwipscopeError):
            self.netcat.kill()
        self._thread.join()

    def _read(self) -> None:
        text = ""
        try:
            while data := self.netcat.read(65536, _READ_S):
                text += data.decode("utf-8", "replace")
                *lines, text = text.split("\n")
                for line in lines:
                    self._said(line)
                if text:  # what a peer sends need not end with a line's end
                    self._said(text)
                    text = ""
        except (LwipscopeError, OSError):
            pass  # the lab is being closed
        self._over.set()
        with contextlib.suppress(LwipscopeError):
            self._on_end(self.netcat.wait(_START_S))


def start_nc(
    network: Network, keeper: Keeper, board_ip: str, port: int, flags: Sequence[str], listens: bool
) -> Netcat:
    """`nc FLAGS IP PORT` or `nc FLAGS -l -p PORT`; does not wait for a connection."""
    if find_nc() is not None:
        start = network.nc_listen if listens else network.nc_connect
        return start(port, *flags)
    if listens:
        near = port if network.has_tap else free_port()
        words = [*flags, "-v", "-l", "-p", str(near)]
    else:
        ip, near = board_ip, port
        if not network.has_tap:
            ip, near = LOOPBACK, network.serve(port, 0).port
        words = [*flags, ip, str(near)]
    process = keeper.spawn(
        [*_OWN, *words], stdin=PIPE, stdout=PIPE, stderr=STDOUT, in_namespace=network.has_tap
    )
    made = Netcat(process, ("nc", *words), listens=listens)
    if listens:
        _wait_listening(made)
        if not network.has_tap:
            network.dial_out(port, near)
    return made


def _wait_listening(netcat: Netcat) -> None:
    said = b""
    try:
        while b"Listening" not in said:
            piece = netcat.read(4096, _START_S)
            if not piece:
                raise PeerError(f"nc can't listen: {said.decode(errors='replace').strip()}")
            said += piece
    except DeadlineExceeded:
        netcat.close()
        raise


__all__ = ["HOST_IP", "NcEnd", "start_nc"]
