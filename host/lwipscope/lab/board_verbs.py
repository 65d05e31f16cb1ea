"""The verbs of the board: each is a socket call of the agent, or ends the board's life.

The board's sockets don't wait, so a verb asks, and then waits for the trace. Errors come as the
board's own errno. Timeouts in seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from lwipscope.board.agent import BoardOSError
from lwipscope.board.command_port import CommandRefused
from lwipscope.errors import LwipscopeError
from lwipscope.lab.mistakes import Mistake, errno_words
from lwipscope.lab.raw_end import RawListener
from lwipscope.lab.site import HOST_IP, RAW_IP, STEP_S, Site, Socket, Told
from lwipscope.lab.text import typed
from lwipscope.tcp.state import State
from lwipscope.trace.event import Born, Call, Died, Event, Transition

_Args = dict[str, str]
_T = TypeVar("_T")
_PIECE = 48
_SEND_PIECE = 40  # a command has at most 120 bytes, and data go as hex digits
_FILE_STEP_S = 0.3
_CONNECT_S = 0.5


def listen(site: Site, args: _Args, told: Told) -> None:
    """socket, bind, listen."""
    site.need_agent()
    port, backlog = int(args["PORT"]), int(args.get("BACKLOG", "2"))
    if not 1 <= backlog <= 255:
        # listen(256) makes MicroPython's accept() return a socket that isn't one.
        raise Mistake(site.tr("a backlog is from 1 to 255, not {backlog}", backlog=backlog))
    made = _new(site, told)
    told.python += [
        *(_reuse_line(site, made)),
        f'{made.name}.bind(("0.0.0.0", {port}))',
        f"{made.name}.listen({backlog})",
    ]
    told.shell.append(f"nc -l -p {port}")
    mark = site.mark()
    try:
        if site.reuse:
            made.handle.reuse_address()
        _call("bind", lambda: made.handle.bind(port))
        _call("listen", lambda: made.handle.listen(backlog))
    except LwipscopeError:
        with contextlib.suppress(LwipscopeError):
            made.handle.close()
        site.sockets.pop(made.name, None)
        site.give_back(made.name)
        raise
    event = site.wait(lambda e: isinstance(e, Transition) and e.after is State.LISTEN, mark)
    made.kind, made.port, made.conn = "listener", port, event.conn if event else None
    site.worker.drain(STEP_S)
    near = site.gates.port_of(port)
    said = site.tr("{name} listens at the board's port {port}", name=made.name, port=port)
    told.said.append(said)
    if near is not None:
        told.said.append(way_in(site, port, near))
    elif site.clock == "manual":
        told.said.append(
            site.tr("terminals of yours can't reach it while the board's time stands still")
        )


def connect(site: Site, args: _Args, told: Told) -> None:
    """socket, connect: to a raw peer that listens there, or else to 192.0.2.1."""
    site.need_agent()
    port = int(args["PORT"])
    to_raw = any(isinstance(e, RawListener) and e.port == port for e in site.raws.values())
    ip = RAW_IP if to_raw else HOST_IP
    own = any(n.listens and n.running and n.port == port for n in site.ncs.values())
    if not to_raw and not own and site.clock == "running":
        site.gates.way_out(port)
    made = _new(site, told)
    told.python += [*_reuse_line(site, made), f'{made.name}.connect(("{ip}", {port}))']
    told.shell.append(f"nc {ip} {port}")
    mark = site.mark()
    made.kind, made.port = "connection", port
    try:
        if site.reuse:
            made.handle.reuse_address()
        _call("connect", lambda: made.handle.connect(ip, port))
    except BoardOSError as error:
        # A refusal may come before the call returns; the trace has it either way.
        if error.errno_name != "ECONNRESET":
            raise
    first = site.wait(lambda e: isinstance(e, Transition) and e.after is State.SYN_SENT, mark)
    made.conn = conn = first.conn if first else None
    if to_raw:
        site.worker.drain(STEP_S)
    end = site.wait(
        lambda e: e.conn == conn and (isinstance(e, Died) or _is_in(e, State.ESTABLISHED)),
        mark,
        _CONNECT_S,
    )
    if end is None:
        told.said.append(
            site.tr(
                "{name} has sent its SYN to {ip}:{port} and has no answer yet: SYN_SENT",
                name=made.name,
                ip=ip,
                port=port,
            )
        )
    elif isinstance(end, Died):
        raise Mistake(
            site.tr(
                "{name}: nobody listens at {ip}:{port}: the SYN was answered with RST. First "
                "`nc listen {port}`, `raw listen {port}`, or `nc -l -p {port}` in a terminal of "
                "yours",
                name=made.name,
                ip=ip,
                port=port,
            )
        )
    else:
        told.said.append(
            site.tr("{name} is connected to {ip}:{port}", name=made.name, ip=ip, port=port)
        )


def accept(site: Site, args: _Args, told: Told) -> None:
    """accept."""
    site.need_agent()
    listener = site.socket(args["L"])
    made_name = site.new_name("s")
    told.python.append(f"{made_name}, address = {listener.name}.accept()")
    told.shell.append(f"nc -l -p {listener.port}")
    mark = site.mark()
    try:
        handle = _call("accept", listener.handle.accept)
    except LwipscopeError:
        site.give_back(made_name)
        raise
    event = site.wait(lambda e: getattr(e, "accepted", None) is not None, mark)
    conn = getattr(event, "accepted", None)
    made = Socket(made_name, handle, "connection", conn, listener.port)
    site.sockets[made.name] = made
    pcb = site.record.live.pcb(conn)
    told.said.append(
        site.tr(
            "{name} is the connection with {remote}",
            name=made.name,
            remote=(pcb.remote if pcb else None) or "?",
        )
    )


def send(site: Site, args: _Args, told: Told) -> None:
    """send, as often as it takes."""
    site.need_agent()
    socket, data = site.socket(args["S"]), typed(args["TEXT"])
    told.python.append(f"{socket.name}.send({data!r})")
    sent = 0
    while sent < len(data):
        piece = data[sent : sent + _SEND_PIECE]
        try:
            taken = _call("send", lambda p=piece: socket.handle.send(p))  # type: ignore[misc]
        except BoardOSError:
            if sent:
                told.said.append(site.tr("{count} bytes were taken before", count=sent))
            raise
        sent += taken
        if taken < len(piece):
            break
    told.said.append(
        site.tr("{name} sent {count} of {all} bytes", name=socket.name, count=sent, all=len(data))
    )


def recv(site: Site, args: _Args, told: Told) -> None:
    """recv, up to so many bytes."""
    site.need_agent()
    socket, most = site.socket(args["S"]), int(args.get("BYTES", str(_PIECE)))
    told.python.append(f"{socket.name}.recv({most})")
    data = b""
    try:
        while len(data) < most:
            wanted = min(_PIECE, most - len(data))
            piece = _call("recv", lambda n=wanted: socket.handle.recv(n))  # type: ignore[misc]
            if not piece:
                break
            data += piece
    except BoardOSError:
        if not data:
            raise
    if data:
        told.said.append(
            site.tr(
                "{name} got {count} bytes: {data!r}",
                name=socket.name,
                count=len(data),
                data=data,
            )
        )
    else:
        told.said.append(
            site.tr("{name} got nothing (b''): the peer has sent its FIN", name=socket.name)
        )


def close(site: Site, args: _Args, told: Told) -> None:
    """close."""
    site.need_agent()
    socket = site.socket(args["S"])
    told.python.append(f"{socket.name}.close()")
    _need_open(site, socket)
    unread = _unread(site, socket)
    _close(socket)
    told.said.append(site.tr("{name} is closed", name=socket.name))
    if unread:
        told.said.append(site.tr("{count} bytes were unread: so RST and not FIN", count=unread))


def abort(site: Site, args: _Args, told: Told) -> None:
    """RST, by the only way that MicroPython has."""
    site.need_agent()
    socket = site.socket(args["S"])
    _need_open(site, socket)
    told.python.append(f"{socket.name}.close()")
    if socket.kind == "listener":
        _close(socket)
        told.said.append(
            site.tr("{name} is closed; connections that waited there are reset", name=socket.name)
        )
        return
    if not _unread(site, socket):
        told.python.clear()
        raise Mistake(
            site.tr(
                "MicroPython has no call for it (no SO_LINGER): close() sends RST only if data "
                "that came were not read. Let the peer send something, don't recv it, and try again"
            )
        )
    _close(socket)
    told.said.append(
        site.tr("{name} is closed with unread data: RST instead of FIN", name=socket.name)
    )


def reuse(site: Site, args: _Args, told: Told) -> None:
    """SO_REUSEADDR for sockets to come."""
    site.reuse = args.get("ON", "on") == "on"
    told.events = False
    if site.reuse:
        told.python.append("s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)")
        told.said.append(site.tr("sockets made from now on have SO_REUSEADDR"))
    else:
        told.said.append(site.tr("sockets made from now on don't have SO_REUSEADDR"))


# Inside.


def _new(site: Site, told: Told) -> Socket:
    mark = site.mark()
    handle = _call("socket", site.board.agent.socket)
    made = Socket(site.new_name("s"), handle)
    made.conn = _conn_of(site.since(mark))
    site.sockets[made.name] = made
    told.python.append(f"{made.name} = socket.socket()")
    return made


def _call(name: str, call: Callable[[], _T]) -> _T:
    """A socket call; its failure carries the call's own name and not the agent's."""
    try:
        return call()
    except BoardOSError as error:
        raise BoardOSError(name, error.errno_name) from error


def _close(socket: Socket) -> None:
    _call("close", socket.handle.close)
    socket.closed = True


def _need_open(site: Site, socket: Socket) -> None:
    if socket.closed:
        raise Mistake(site.tr("{name} is closed already", name=socket.name))


def _unread(site: Site, socket: Socket) -> int:
    pcb = site.record.live.pcb(socket.conn)
    return 0 if pcb is None or pcb.over else pcb.unread


def _reuse_line(site: Site, socket: Socket) -> list[str]:
    line = f"{socket.name}.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)"
    return [line] if site.reuse else []


def way_in(site: Site, port: int, near: int) -> str:
    """How a terminal of the learner reaches the board's port."""
    if near == port:
        return site.tr("from a terminal of yours: nc 127.0.0.1 {near}", near=near)
    return site.tr(
        "from a terminal of yours: nc 127.0.0.1 {near}   ({port} is taken on this machine)",
        near=near,
        port=port,
    )


def _conn_of(events: list[Event]) -> int | None:
    return next((e.conn for e in events if isinstance(e, Born | Call)), None)


def _is_in(event: Event, state: State) -> bool:
    return isinstance(event, Transition) and event.after is state


def board_error(site: Site, error: LwipscopeError) -> str:
    """What a socket call's failure means."""
    if isinstance(error, BoardOSError):
        return errno_words(error.args[0].partition(" on the board")[0], error.errno_name, site.tr)
    if isinstance(error, CommandRefused):
        if error.reason == "MemoryError":
            return site.tr(
                "MemoryError: MicroPython's heap is used up. `board gc` collects what nobody uses; "
                "`board reset` empties it"
            )
        if error.reason == "no-such-socket":
            return site.tr("the board has forgotten this socket: it was closed long ago")
    return str(error)
