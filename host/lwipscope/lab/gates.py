"""The doors between the lab's board and the learner's own terminals.

A port on which the board listens gets a gate on loopback, so that `nc 127.0.0.1 PORT` reaches it;
when the board listens no more and nobody is inside, the gate closes, so that `nc -l -p PORT` can
have that port. A board that connects to 192.0.2.1:PORT reaches the learner's `nc -l -p PORT`,
if there is one: otherwise no gate is opened, so that the SYN is refused as anywhere else.
Gates are made and closed on a thread of their own, since the trace's thread must not wait.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from lwipscope.board.kernel_table import parse_proc_net_tcp
from lwipscope.errors import LwipscopeError
from lwipscope.peer.gate import Gate
from lwipscope.platform_facts import user_id
from lwipscope.scenario.network import LOOPBACK, Network
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Transition

_ANY = "0.0.0.0"
_PROC = Path("/proc/self/net/tcp")


class Worker:
    """A thread that does one thing after the other."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="lwipscope-lab")
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Do it when all that was submitted before is done. Must not raise."""
        self._jobs.put(job)

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was submitted before is done."""
        done = threading.Event()
        self._jobs.put(done.set)
        return done.wait(timeout_s)

    def close(self) -> None:
        """Do what there is, then end. Idempotent."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            with contextlib.suppress(LwipscopeError, OSError):
                job()


class Gates:
    """The gates of one network. `tell` gets the lines that a learner needs; `stopped`
    tells whether the board's time stands still."""

    def __init__(
        self,
        network: Network,
        worker: Worker,
        tell: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None:
        self._network = network
        self._worker = worker
        self._tell = tell
        self._stopped = stopped
        self._lock = threading.Lock()
        self._in: dict[int, Gate] = {}
        self._out: dict[int, Gate] = {}
        self._listeners: dict[int, int] = {}
        self._over = False

    def event(self, event: Event) -> None:
        """A watcher of the board's events."""
        if isinstance(event, Transition) and event.after is State.LISTEN and event.local:
            port = event.local.port
            with self._lock:
                self._listeners[event.conn] = port
            self._worker.submit(lambda: self._open_in(port))
        elif isinstance(event, Died):
            with self._lock:
                self._listeners.pop(event.conn, None)
            self._worker.submit(self._sweep)

    def new_life(self) -> None:
        """The board was reset: it listens nowhere."""
        with self._lock:
            self._listeners.clear()
        self._worker.submit(self._sweep)

    def open_all(self) -> None:
        """Open what is missing: gates are refused while the board's time stands still."""
        with self._lock:
            ports = set(self._listeners.values())
        for port in ports:
            self._worker.submit(lambda p=port: self._open_in(p))  # type: ignore[misc]

    def port_of(self, board_port: int) -> int | None:
        """Where the board's port is reachable on loopback; None if it is not."""
        with self._lock:
            gate = self._in.get(board_port)
            return gate.port if gate is not None else None

    def way_out(self, port: int) -> bool:
        """Before the board connects to 192.0.2.1:`port`: open the way to the learner's nc -l, or
        close it if nobody listens. True if it is open."""
        wanted = listens_here(port)
        with self._lock:
            gate = self._out.get(port)
            if wanted and gate is None:
                self._out[port] = self._network.dial_out(port, port)
            elif not wanted and gate is not None and not gate.connections:
                del self._out[port]
                gate.close()
            return port in self._out

    def keep_out(self, port: int) -> None:
        """Open the way out whether or not anybody listens there now."""
        with self._lock:
            if port not in self._out:
                self._out[port] = self._network.dial_out(port, port)

    def clear_out(self, port: int) -> None:
        """An nc of the lab is to have that port of 192.0.2.1."""
        with self._lock:
            gate = self._out.pop(port, None)
        if gate is not None:
            gate.close()

    def close(self) -> None:
        """No more gates; the network ends those that there are."""
        self._over = True

    def _open_in(self, port: int) -> None:
        if self._over or self._stopped() or self.port_of(port) is not None:
            return
        try:
            try:
                gate = self._network.serve(port, port)
            except LwipscopeError as error:
                if error.exit_code != 3:  # anything but "no port is to be had"
                    raise
                gate = self._network.serve(port, 0)
        except LwipscopeError as error:
            self._tell(str(error))
            return
        with self._lock:
            self._in[port] = gate

    def _sweep(self) -> None:
        """Close gates to ports where nobody listens, once nobody is inside."""
        with self._lock:
            if self._over:
                return
            wanted = set(self._listeners.values())
            empty = [p for p, g in self._in.items() if p not in wanted and not g.connections]
            gates = [self._in.pop(port) for port in empty]
        for gate in gates:
            gate.close()


def listens_here(port: int) -> bool:
    """Whether a program of this user listens at that port of loopback; true if it can't be told."""
    try:
        text = _PROC.read_text()
    except OSError:
        return True
    mine = str(user_id())
    own = "\n".join(line for line in text.splitlines() if line.split()[7:8] == [mine])
    return any(
        row.state is State.LISTEN and row.local.port == port and row.local.ip in (LOOPBACK, _ANY)
        for row in parse_proc_net_tcp(own)
    )
