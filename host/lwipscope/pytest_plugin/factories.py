"""What the fixtures `lwip_app` and `lwip_nc` hand out: callables that make things for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from lwipscope.board.board import Board
from lwipscope.board.probe import Probe
from lwipscope.errors import UsageError
from lwipscope.peer.nc import Netcat
from lwipscope.peer.raw import RAW_IP, RawPeer
from lwipscope.scenario.application import READY_S, Application
from lwipscope.scenario.desk_network import DeskNetwork
from lwipscope.scenario.network import HOST_IP, Network
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.program import MAIN, Program
from lwipscope.scenario.sampled_application import SampledApplication

App: TypeAlias = Application | SampledApplication


class AppFactory:
    """Runs a program on the test's board."""

    def __init__(
        self,
        board: Board,
        other_end: OtherEnd,
        beside_test: Path,
        root: Path,
        make_probe: Callable[[], Probe | None],
        keep: Callable[[App], None],
    ) -> None:
        """`keep` is told each program that was started: what is claimed of it is evidence."""
        self._board = board
        self._other_end = other_end
        self._places = (beside_test, root, Path.cwd())
        self._make_probe = make_probe
        self._keep = keep
        self._probe: Probe | None = None
        self._running: App | None = None

    def __call__(
        self,
        path: str | Path | None = None,
        *,
        source: str | None = None,
        entry: str = MAIN,
        ready_timeout_s: float = READY_S,
    ) -> App:
        """Run the file, the folder (its `entry`), or the text; returns when it listens or connects.

        A relative path is looked for beside the test, in the root folder of the run, and in the
        current folder. On a board without the tracer the program runs beside the probe, and what
        is claimed of it is judged by samples.
        """
        __tracebackhide__ = True
        if (path is None) == (source is None):
            raise UsageError("lwip_app() takes a path, or source=")
        if self._running is not None and self._running.running:
            raise UsageError(
                f"{self._running.program.name} still runs on the board, which runs one program at "
                "a time: stop() it first"
            )
        if self._board.repl.running and (self._running is None or not self._running.running):
            raise UsageError(
                "the agent runs on the board, which runs one program at a time: lwip_agent.stop() "
                "it first, and lwip_agent.start() it again afterwards"
            )
        if source is not None:
            program = Program.text(source)
        else:
            assert path is not None
            program = Program.load(self._find(Path(path)), entry)
        if self._probe is None:
            self._probe = self._make_probe()
        if self._probe is None:
            self._running = Application.start(
                self._board, self._other_end, program, ready_timeout_s=ready_timeout_s
            )
        else:
            self._running = SampledApplication.start(
                self._board, self._other_end, program, self._probe, ready_timeout_s=ready_timeout_s
            )
        self._keep(self._running)
        return self._running

    def _find(self, path: Path) -> Path:
        __tracebackhide__ = True
        tried = [path] if path.is_absolute() else [place / path for place in self._places]
        for each in tried:
            if each.exists():
                return each
        listed = "".join(f"\n  {each}" for each in dict.fromkeys(tried))
        raise UsageError(f"there is no program {str(path)!r}; looked for:{listed}")


class NcPeer:
    """A running nc as a peer: what you send it types, what it prints you receive."""

    def __init__(self, netcat: Netcat, port: int = 0) -> None:
        """`port`: where it listens; 0 if it connects."""
        self.netcat = netcat
        self.port = port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes, timeout_s: float = 5.0) -> None:
        """Type it."""
        self.netcat.feed(data, timeout_s)

    def recv(self, max_bytes: int = 65536, timeout_s: float = 5.0) -> bytes:
        """What came from the board next; b"" once nc has ended."""
        return self.netcat.read(max_bytes, timeout_s)

    def recv_exactly(self, count: int, timeout_s: float = 5.0) -> bytes:
        """That many bytes; PeerError if nc ends before."""
        return self.netcat.read_exactly(count, timeout_s)

    def recv_until_end(self, timeout_s: float = 5.0) -> bytes:
        """All until nc ends."""
        return self.netcat.read_until_end(timeout_s)

    def end_input(self) -> None:
        """Ctrl-D: with -N it sends its FIN now."""
        self.netcat.close_stdin()

    def wait(self, timeout_s: float = 5.0) -> int:
        """Its exit code, once it has ended."""
        return self.netcat.wait(timeout_s)

    def close(self) -> None:
        """End it: the kernel sends FIN, or RST if something was not read."""
        self.netcat.close()


class NcFactory:
    """Starts real nc processes in the board's network."""

    def __init__(self, network: Network, board_ip: str) -> None:
        self.host_ip = network.host_ip if isinstance(network, DeskNetwork) else HOST_IP
        self._network = network
        self._board_ip = board_ip

    def __call__(self, ip: str, port: int, *args: str) -> NcPeer:
        """`nc ARGS IP PORT`; ARGS are -N unless given (FIN at the end of its input)."""
        __tracebackhide__ = True
        if ip != self._board_ip:
            raise UsageError(
                f"lwip_nc({ip!r}, {port}): nothing but the board can be reached from its network; "
                f"the board is {self._board_ip} (app.ip)"
            )
        return NcPeer(self._network.nc_connect(port, *(args or ("-N",))))

    def listen(self, port: int = 0, *args: str) -> NcPeer:
        """`nc ARGS -l -p PORT`, which the board reaches at `host_ip`:PORT. Without a port at one
        that is free (`peer.port`). Beside a real board ports are shared with other workers: one
        that another has is waited for."""
        __tracebackhide__ = True
        port = self._network.listening_port(port)
        return NcPeer(self._network.nc_listen(port, *(args or ("-N",))), port)


class RawPeerFactory:
    """Makes peers that send what they are told, each at an address of its own."""

    def __init__(self, network: Network, other_end: OtherEnd) -> None:
        self._network = network
        self._other_end = other_end
        self._made = 0

    def __call__(self, ip: str | None = None) -> RawPeer:
        """A peer at `ip`; without it at the next one of 192.0.2.100, 192.0.2.101, ... Beside a
        real board at a spare address of its network, which `peer.ip` tells."""
        if ip is None:
            network, _, last = RAW_IP.rpartition(".")
            ip = f"{network}.{int(last) + self._made}"
        self._made += 1
        peer = self._network.raw(ip, f"raw {ip}")
        self._other_end.add(peer)
        return peer
