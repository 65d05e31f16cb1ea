"""nc for machines without nc: what `lwipscope nc` runs. TCP only, the standard library only.

Knows -l -p -N -k -v -n -z -w -q and behaves with them as netcat-openbsd does (tried side by side in
tests/unit/test_stdnc.py): the end of the input keeps the connection open unless -N or -q; a
connecting nc ends when the peer's FIN has come *and* its input has ended, a listening one when the
peer's FIN has come. One difference: -q ends it as the manual says, that many seconds after the end
of the input; Debian's 1.219 waits for the peer's FIN first. And a failed connection is told without
-v, too. Exit code 0, or 1 for anything that failed. Times in seconds.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Sequence

from lwipscope.peer.stdnc_options import USAGE, NcFailure, NcOptions, parse

CHUNK_BYTES = 65536


def run_nc(
    argv: Sequence[str], *, stdin_fd: int = 0, stdout_fd: int = 1, stderr_fd: int = 2
) -> int:
    """Run nc with the flags and operands `argv` (without a program name); its exit code."""
    nc = _Nc(stdin_fd, stdout_fd, stderr_fd)
    try:
        options = parse(argv)
        if options is None:
            os.write(stdout_fd, USAGE.encode())
            return 0
        return nc.listen(options) if options.listen else nc.connect(options)
    except NcFailure as failure:
        nc.tell(f"nc: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130


class _Nc:
    """The running program: three descriptors and at most one connection at a time."""

    def __init__(self, stdin_fd: int, stdout_fd: int, stderr_fd: int) -> None:
        self._stdin: int | None = stdin_fd
        self._stdout = stdout_fd
        self._stderr = stderr_fd

    def tell(self, line: str) -> None:
        """One line for the user."""
        os.write(self._stderr, f"{line}\n".encode())

    def listen(self, options: NcOptions) -> int:
        """`nc -l`: serve one connection, or with -k one after the other."""
        address = (options.host or "0.0.0.0", options.ports[0])
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(address)
                listener.listen(8 if options.keep else 1)
            except OSError as error:
                raise NcFailure(
                    f"{error.strerror or error} ({address[0]} port {address[1]})"
                ) from (error)
            if options.verbose:
                self.tell(f"Listening on {address[0]} {address[1]}")
            while True:
                connection, remote = listener.accept()
                if options.verbose:
                    self.tell(f"Connection received on {remote[0]} {remote[1]}")
                # The listener stays open meanwhile, as the real one's does: a second client waits
                # in its queue, to be served next (-k) or reset at the end.
                with connection:
                    self._copy(connection, options)
                if not options.keep:
                    return 0

    def connect(self, options: NcOptions) -> int:
        """`nc HOST PORT`, or with -z each port of a range: 0 if any was open."""
        assert options.host is not None
        code = 1
        for port in options.ports:
            connection = self._dial(options.host, port, options)
            if connection is None:
                continue
            code = 0
            with connection:
                if not options.probe:
                    self._copy(connection, options)
        return code

    def _dial(self, host: str, port: int, options: NcOptions) -> socket.socket | None:
        numeric = socket.AI_NUMERICHOST if options.numeric else 0
        try:
            found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, numeric)
        except OSError as error:
            raise NcFailure(
                f'getaddrinfo for host "{host}" port {port}: {error.strerror}'
            ) from error
        for family, kind, protocol, _name, address in found:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(options.idle_s)
                if options.source_port:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    connection.bind(("", options.source_port))
                connection.connect(address)
            except OSError as error:
                connection.close()
                # The real one is silent without -v; being told costs nobody anything.
                why = error.strerror or "Operation timed out"
                if options.verbose or not options.probe:
                    self.tell(f"nc: connect to {host} port {port} (tcp) failed: {why}")
                continue
            if options.verbose:
                self.tell(f"Connection to {host} {port} port [tcp/*] succeeded!")
            return connection
        return None

    def _copy(self, connection: socket.socket, options: NcOptions) -> None:
        """Both ways until the end described at the top of this file."""
        connection.setblocking(False)
        # With -k the input belongs to all connections, one after the other.
        stdin, unsent = self._stdin, b""
        net_open, shut, quit_at_s = True, False, None
        active_s = time.monotonic()
        while True:
            if stdin is None and not unsent and options.shutdown and not shut:
                shut = True
                _quietly_shut(connection)
                if options.quit_s is not None:
                    quit_at_s = time.monotonic() + options.quit_s
            if not net_open and not unsent and (options.listen or stdin is None):
                return
            deadlines = [] if quit_at_s is None else [quit_at_s]
            if options.idle_s is not None:
                deadlines.append(active_s + options.idle_s)
            poll = select.poll()
            if net_open or unsent:
                wanted = select.POLLIN if net_open else 0
                poll.register(connection, wanted | (select.POLLOUT if unsent else 0))
            if stdin is not None and not unsent:
                poll.register(stdin, select.POLLIN)
            left_s = min(deadlines) - time.monotonic() if deadlines else None
            ready = dict(poll.poll(None if left_s is None else max(0.0, left_s) * 1000))
            if not ready:
                return
            active_s = time.monotonic()
            try:
                events = ready.get(connection.fileno(), 0)
                if net_open and events & ~select.POLLOUT:
                    data = connection.recv(CHUNK_BYTES)
                    net_open = bool(data)
                    _write_all(self._stdout, data)
                if stdin is not None and stdin in ready:
                    unsent = os.read(stdin, CHUNK_BYTES)
                    if not unsent:
                        stdin = self._stdin = None
                if unsent and (events & select.POLLOUT or stdin in ready):
                    unsent = unsent[connection.send(unsent) :]
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno not in (errno.ECONNRESET, errno.EPIPE):
                    raise NcFailure(error.strerror or str(error)) from error
                # A reset ends nc without a word, as the real one.
                return


def _quietly_shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise NcFailure(error.strerror or str(error)) from error


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
