"""The keeper: the helper process that owns whatever must not outlive lwipscope.

Started by wire/keeper.py as `python -I -S keeper_main.py PARENT_PID NETWORK FD FD`, by file path
and with few imports, because every start of lwipscope waits for it. It has two halves. The outer
one (this process) starts programs outside the namespace. The inner one, a fork of it, enters the
namespace, makes the TAP and sockets there and starts programs inside. Each half is single-threaded
(the kernel ties PR_SET_PDEATHSIG to the parent's *thread*), serves one socket and is the parent or
the subreaper of all it started. The end of either half, or of the host process, ends everything.

Messages: one JSON object per line, both ways; `"fds": N` says that N descriptors came with it.
Requests carry `id` and `do`; answers repeat the `id`; `{"exit": PID, "code": N}` comes unasked.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lwipscope.wire import keeper_program, namespace
else:
    # Not through the package: its __init__ files may come to import what -S hides.
    sys.path.append(os.path.dirname(__file__))  # noqa: PTH120  (pathlib costs 4 ms here)
    import keeper_program
    import namespace

EXIT_NO_NAMESPACE = 3
MAX_FDS = 253  # SCM_MAX_FD of the Linux kernel
END_DEADLINE_S = 5.0


class Server:
    """One half of the keeper: serves its socket until it has a reason to end everything."""

    def __init__(self, control: socket.socket, parent_pid: int, inner_pid: int = 0) -> None:
        self.control = control
        self.parent_pid = parent_pid
        self.inner_pid = inner_pid
        self.children: dict[int, bool] = {}  # pid -> leads a session of its own
        self.leftovers: list[str] = []
        self.wake_read, wake_write = os.pipe()
        for end in (self.wake_read, wake_write):
            os.set_blocking(end, False)
        for number in (signal.SIGCHLD, keeper_program.PARENT_DEATH):
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        if sys.platform == "linux":
            namespace.prctl(namespace.PR_SET_CHILD_SUBREAPER, 1)
            namespace.prctl(namespace.PR_SET_PDEATHSIG, keeper_program.PARENT_DEATH)

    def send(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        """Write one message; descriptors travel with its first byte."""
        if fds:
            message["fds"] = len(fds)
        data = json.dumps(message).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.control.sendmsg([data], rights)
        if sent < len(data):
            self.control.sendall(data[sent:])

    def run(self, hello: dict[str, Any]) -> None:
        """Serve until the host, the parent or the other half is gone; then end everything."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self.wake_read, select.POLLIN)
        pending, fds = b"", list[int]()
        try:
            self.send(hello)
            while os.getppid() == self.parent_pid:
                ready = {fd for fd, _events in poll.poll()}
                if self.wake_read in ready:
                    os.read(self.wake_read, 4096)
                    if not self.reap():
                        return
                if self.control.fileno() in ready:
                    data, new_fds = self.receive()
                    if not data:
                        return
                    fds += new_fds
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        request = json.loads(line)
                        count = request.get("fds", 0)
                        mine, fds = fds[:count], fds[count:]
                        self.answer(request, mine)
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            self.end_all()
            self.remove_leftovers()

    def receive(self) -> tuple[bytes, list[int]]:
        """What the host wrote next, with the descriptors that came along; b"" when it is gone."""
        fds = array.array("i")
        room = socket.CMSG_SPACE(MAX_FDS * fds.itemsize)
        cloexec = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        data, ancillary, _flags, _address = self.control.recvmsg(65536, room, cloexec)
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        return data, fds.tolist()

    def answer(self, request: dict[str, Any], fds: list[int]) -> None:
        """Do what one request says; an error is an answer, not an end."""
        reply: dict[str, Any] = {"id": request["id"]}
        given: tuple[int, ...] = ()
        try:
            verb = request["do"]
            if verb == "spawn":
                reply["pid"] = self.spawn(request, fds)
            elif verb == "remove_at_end":
                self.leftovers.append(request["path"])
            elif verb == "kill":
                reply["killed"] = self.kill(request["pid"], request["signal"])
            elif verb == "socket":
                made = socket.socket(request["family"], request["type"], request["proto"])
                given = (made.detach(),)
            elif verb == "tap":
                arguments = (request[key] for key in ("name", "ip", "prefix", "mac"))
                given = (namespace.open_tap(*arguments),)
            else:
                reply["error"] = f"unknown request {verb!r}"
        except OSError as error:
            reply |= {"errno": error.errno, "error": error.strerror or str(error)}
        except (KeyError, TypeError, ValueError) as error:
            reply["error"] = f"bad request: {error!r}"
        finally:
            for fd in fds:
                os.close(fd)
        try:
            self.send(reply, given)
        finally:
            for fd in given:
                os.close(fd)

    def spawn(self, request: dict[str, Any], fds: list[int]) -> int:
        """Start a program; `targets` are the numbers at which it sees the descriptors."""
        read_end, write_end = os.pipe()
        keeper_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            keeper_program.become(request, fds, write_end, keeper_pid)
        os.close(write_end)
        with open(read_end, "rb") as report:  # noqa: PTH123
            failure = report.read()
        if failure:
            os.waitpid(pid, 0)
            number, _, text = failure.decode().partition(" ")
            raise OSError(int(number), text)
        self.children[pid] = request["session"]
        return pid

    def kill(self, pid: int, number: int) -> bool:
        """Signal one of our programs (its whole session's group if it leads one)."""
        # Only what we have not reaped yet: its number can't belong to another process.
        if pid not in self.children:
            return False
        if self.children[pid]:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
        return True

    def reap(self) -> bool:
        """Collect and report what has ended; False if the inner half is among it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return True
            code = os.waitstatus_to_exitcode(status)
            if pid == self.inner_pid and code != EXIT_NO_NAMESPACE:
                return False
            if self.children.pop(pid, None) is not None:
                self.send({"exit": pid, "code": code})

    def end_all(self) -> None:
        """Kill all descendants. Orphans of killed programs come to us: we are their subreaper."""
        deadline_s = time.monotonic() + END_DEADLINE_S
        for pid, leads in self.children.items():
            if leads:
                keeper_program.kill_if_there(os.killpg, pid)
        while time.monotonic() < deadline_s:
            for pid in {*self.children, *keeper_program.children_of(os.getpid())}:
                keeper_program.kill_if_there(os.kill, pid)
            try:
                while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                    self.children.pop(pid, None)
            except ChildProcessError:
                return
            if select.select([self.wake_read], [], [], 0.05)[0]:
                os.read(self.wake_read, 4096)

    def remove_leftovers(self) -> None:
        """Files and folders that a host process which was killed could not remove itself."""
        if any(os.path.lexists(path) for path in self.leftovers):
            import shutil  # only now: nobody waits for it

            for path in self.leftovers:
                shutil.rmtree(path, ignore_errors=True)
                with contextlib.suppress(OSError):
                    os.unlink(path)  # noqa: PTH108


def run_inner(control: socket.socket, outer_pid: int) -> int:
    """The inner half: enter the namespace, say how it went, serve."""
    try:
        how = namespace.enter_namespace()
    except OSError as error:
        no: dict[str, Any] = {"ready": False, "text": error.strerror or str(error)}
        Server(control, outer_pid).send(no)
        return EXIT_NO_NAMESPACE
    # Only now: a change of credentials (new user namespace) takes PR_SET_PDEATHSIG away.
    Server(control, outer_pid).run({"ready": True, "text": how})
    return 0


def main(argv: list[str]) -> int:
    """PARENT_PID NETWORK OUTER_FD INNER_FD; NETWORK is none, or auto for an inner half."""
    for number in keeper_program.IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # The host process has blocked them for us until now; our programs are not to inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    parent_pid, network = int(argv[1]), argv[2]
    outer, inner = (socket.socket(fileno=int(fd)) for fd in argv[3:5])
    os.set_inheritable(outer.fileno(), False)
    os.set_inheritable(inner.fileno(), False)
    outer_pid, inner_pid = os.getpid(), 0
    if network != "none":
        inner_pid = os.fork()
        if inner_pid == 0:
            outer.close()
            status = 1
            try:
                status = run_inner(inner, outer_pid)
            finally:
                os._exit(status)
    inner.close()
    Server(outer, parent_pid, inner_pid).run({"ready": True, "inner_pid": inner_pid})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
