"""One socket to one half of the keeper: requests, their answers, and news of programs that ended.

Used by wire/keeper.py and wire/process.py. There is no reader thread: whoever waits reads, one at
a time, for everybody; the others wait until it hands over. So nothing keeps the interpreter alive
when close() is forgotten. The messages are described in wire/keeper_main.py. Times in seconds.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from lwipscope.errors import DeadlineExceeded, WireUnavailable

Message = dict[str, Any]
MAX_FDS = 253  # SCM_MAX_FD of the Linux kernel
ANSWER_TIMEOUT_S = 10.0


class KeeperError(WireUnavailable):
    """The keeper could not do what was asked; `errno` is the system call's, 0 if none."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


class Channel:
    """Thread-safe client end of the control socket of one half of the keeper."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._reading = False
        self._open = True
        self._last_id = 0
        self._answers: dict[int, tuple[Message, list[int]]] = {}
        self._exits: dict[int, int] = {}
        self._hello: Message | None = None
        self._pending = b""
        self._fds: list[int] = []

    def hello(self, timeout_s: float) -> Message:
        """The first message, which tells that this half is ready (or why not)."""
        self._pump_until(lambda: self._hello is not None, timeout_s)
        if self._hello is None:
            raise WireUnavailable("the keeper process ended before it was ready")
        return self._hello

    def request(
        self,
        verb: str,
        arguments: Message,
        fds: Sequence[int] = (),
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> tuple[Message, list[int]]:
        """Ask and wait for the answer and the descriptors that came with it."""
        with self._changed:
            if not self._open:
                raise WireUnavailable(f"asked to {verb}: the keeper is closed or has ended")
            self._last_id += 1
            number = self._last_id
        message = {"id": number, "do": verb, "fds": len(fds), **arguments}
        data = json.dumps(message).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            # One lock for the whole message: descriptors are matched to messages by order.
            with self._sending:
                sent = self._control.sendmsg([data], rights)
                if sent < len(data):
                    self._control.sendall(data[sent:])
        except OSError as error:
            raise WireUnavailable(f"the keeper process is gone ({error.strerror})") from error
        self._pump_until(lambda: number in self._answers, timeout_s)
        with self._changed:
            if number not in self._answers:
                raise WireUnavailable(f"the keeper process ended while it was asked to {verb}")
            answer, received = self._answers.pop(number)
        if "error" in answer:
            for fd in received:
                os.close(fd)
            raise KeeperError(answer["error"], answer.get("errno") or 0)
        return answer, received

    def exit_code(self, pid: int, timeout_s: float) -> int | None:
        """How the program ended (negative: by that signal); None if not within the time."""
        try:
            self._pump_until(lambda: pid in self._exits, timeout_s)
        except DeadlineExceeded:
            return None
        with self._changed:
            # A keeper that died took its programs along: PR_SET_PDEATHSIG.
            return self._exits.get(pid, -9)

    def alive(self) -> bool:
        """True while the keeper's end is open."""
        try:
            self._pump_until(lambda: False, 0)
        except DeadlineExceeded:
            return True
        return False

    def close(self) -> None:
        """Hang up: the keeper ends all its programs, then itself. Waiting threads are told."""
        with self._changed:
            self._open = False
            if self._control.fileno() == -1:
                return
            # shutdown, because it wakes a thread inside poll() and reaches the keeper even if a
            # forked copy of this process still holds the socket.
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            while self._reading:
                self._changed.wait()
            self._control.close()
            for _answer, fds in self._answers.values():
                self._fds += fds
            for fd in self._fds:
                os.close(fd)
            self._answers, self._fds = {}, []

    def _pump_until(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Read for all until `done()` or the keeper is gone; DeadlineExceeded if neither."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            first = True
            while not done() and self._open:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 and not first:
                    raise DeadlineExceeded(
                        f"the keeper process did not answer within {timeout_s:g} s; "
                        "is the machine overloaded or the process stopped?"
                    )
                first = False
                if self._reading:
                    self._changed.wait(max(0.0, left_s))
                    continue
                self._reading = True
                self._changed.release()
                try:
                    received = self._receive(max(0.0, left_s))
                finally:
                    self._changed.acquire()
                    self._reading = False
                    self._changed.notify_all()
                self._take(received)

    def _receive(self, timeout_s: float) -> tuple[bytes, list[int]] | None:
        """What came within the time, None if nothing; (b"", []) when the keeper is gone."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if not poll.poll(timeout_s * 1000):
            return None
        fds = array.array("i")
        room = socket.CMSG_SPACE(MAX_FDS * fds.itemsize)
        cloexec = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            data, ancillary, _flags, _from = self._control.recvmsg(65536, room, cloexec)
        except ConnectionResetError:
            return b"", []
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        return data, fds.tolist()

    def _take(self, received: tuple[bytes, list[int]] | None) -> None:
        """Sort in what was read; called with the lock held."""
        if received is None:
            return
        data, fds = received
        if not data:
            self._open = False
        self._fds += fds
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            message: Message = json.loads(line)
            count = message.get("fds", 0)
            mine, self._fds = self._fds[:count], self._fds[count:]
            if "exit" in message:
                self._exits[message["exit"]] = message["code"]
            elif "ready" in message:
                self._hello = message
            else:
                # The kernel gives a number again some day: the old owner's end is not news.
                self._exits.pop(message.get("pid", 0), None)
                self._answers[message["id"]] = (message, mine)
