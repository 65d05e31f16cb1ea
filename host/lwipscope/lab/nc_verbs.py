"""The verbs of nc: a real one, in the board's network. Each waits until the board has noticed, if
there is anything to notice. Timeouts in seconds.
"""

from __future__ import annotations

import re

from lwipscope.errors import LwipscopeError
from lwipscope.lab.mistakes import Mistake
from lwipscope.lab.nc_end import NcEnd, start_nc
from lwipscope.lab.site import HOST_IP, STEP_S, Site, Told
from lwipscope.lab.text import typed
from lwipscope.scenario.network import LOOPBACK
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Segment, Transition

_Args = dict[str, str]
_FLAG = re.compile(r"-[Nvknd]+|-[qw] ?\d+")
_KILL_S = 2.0


def connect(site: Site, args: _Args, told: Told) -> None:
    """`nc FLAGS BOARD PORT`."""
    site.need_board()
    tr, port, flags = site.tr, int(args["PORT"]), _flags(site, args)
    mark = site.mark()
    near = site.gates.port_of(port) or port
    told.shell.append(" ".join(("nc", *flags, LOOPBACK, str(near))))
    nc = _start(site, port, flags, listens=False)
    event = None
    end_tries = 20
    while event is None and end_tries and nc.running:
        # Whichever comes first: the board's SYN_RCVD, or nc's end.
        end_tries -= 1
        event = site.wait(
            lambda e: (
                isinstance(e, Transition)
                and e.after is State.SYN_RCVD
                and e.local is not None
                and e.local.port == port
                and e.remote is not None
                and e.remote.ip == HOST_IP
            ),
            mark,
            STEP_S / 20,
        )
    if event is not None:
        nc.conn = event.conn
        site.wait(lambda e: e.conn == nc.conn and _established_or_later(e), mark)
        told.said.append(
            tr("{name} is connected with the board's port {port}", name=nc.name, port=port)
        )
        told.said.append(_how_it_ends(site, nc))
    elif not nc.running:
        raise Mistake(
            tr(
                "{name} ended: nobody listens at the board's port {port} (the SYN was answered "
                "with RST). `board listen {port}`",
                name=nc.name,
                port=port,
            )
        )
    else:
        told.said.append(
            tr(
                "{name} waits: the board has not answered its SYN. It drops a SYN when the "
                "listener's backlog is full or no pcb is left; nc's TCP tries again",
                name=nc.name,
            )
        )


def listen(site: Site, args: _Args, told: Told) -> None:
    """`nc FLAGS -l -p PORT`."""
    site.need_board()
    port, flags = int(args["PORT"]), _flags(site, args)
    told.shell.append(" ".join(("nc", *flags, "-l", "-p", str(port))))
    for other in site.ncs.values():
        if other.listens and other.running and other.port == port:
            raise Mistake(site.tr("{name} listens there already", name=other.name))
    site.gates.clear_out(port)
    nc = _start(site, port, flags, listens=True)
    told.said.append(
        site.tr(
            "{name} listens at {ip}:{port}: `board connect {port}` goes there",
            name=nc.name,
            ip=HOST_IP,
            port=port,
        )
    )
    told.said.append(_how_it_ends(site, nc))


def type_(site: Site, args: _Args, told: Told) -> None:
    """A line, with its end, as with the Enter key."""
    nc = _running(site, args)
    if nc.input_ended:
        raise Mistake(site.tr("the input of {name} has ended (Ctrl-D)", name=nc.name))
    data = typed(args["TEXT"]) + b"\n"
    told.shell.append(f"echo {args['TEXT']!r}")
    mark = site.mark()
    site.record.note("nc", f"{nc.name} types {data.decode(errors='replace')!r}")
    nc.netcat.feed(data, STEP_S)
    told.said.append(site.tr("{name} typed {count} bytes", name=nc.name, count=len(data)))
    if _connected(site, nc) and site.wait(lambda e: _came(e, nc, length=True), mark) is None:
        told.said.append(site.tr("nothing of it has come to the board yet"))


def end(site: Site, args: _Args, told: Told) -> None:
    """Ctrl-D."""
    nc = _running(site, args)
    if nc.input_ended:
        raise Mistake(site.tr("the input of {name} has ended (Ctrl-D)", name=nc.name))
    told.shell.append("Ctrl-D")
    mark = site.mark()
    site.record.note("nc", f"{nc.name}: end of its input (Ctrl-D)")
    nc.netcat.close_stdin()
    nc.input_ended = True
    state = site.record.live.state(nc.conn)
    if nc.sends_fin and _connected(site, nc):
        site.wait(lambda e: _came(e, nc, flag="F"), mark)
        told.said.append(site.tr("end of its input: {name} sends its FIN (-N)", name=nc.name))
    elif not nc.listens and state in (State.FIN_WAIT_1, State.FIN_WAIT_2):
        nc.wait_end(STEP_S)
        site.wait(lambda e: _came(e, nc, flag="F"), mark)
        told.said.append(
            site.tr("the board has closed already: {name} ends, which sends its FIN", name=nc.name)
        )
    elif nc.running:
        told.said.append(
            site.tr(
                "end of its input: {name} sends nothing and stays (without -N). It ends when the "
                "board closes; `nc kill {name}` ends it now",
                name=nc.name,
            )
        )


def kill(site: Site, args: _Args, told: Told) -> None:
    """SIGKILL."""
    nc = _running(site, args)
    told.shell.append("kill -9 %1")
    mark = site.mark()
    connected = _connected(site, nc)
    site.record.note("nc", f"{nc.name} is killed")
    nc.kill()
    nc.wait_end(_KILL_S)
    if connected:
        site.wait(lambda e: _came(e, nc, flag="FR"), mark)
    told.said.append(site.tr("{name} is gone; its kernel closes the connection", name=nc.name))


def _start(site: Site, port: int, flags: list[str], *, listens: bool) -> NcEnd:
    if site.clock == "manual":
        raise Mistake(
            site.tr(
                "the board's time stands still, and an nc has a clock of its own: take a raw peer, "
                "or say `time running`"
            )
        )
    try:
        netcat = start_nc(site.network, site.keeper, site.board.ip, port, flags, listens)
    except LwipscopeError as error:
        raise Mistake(str(error)) from error
    name, record = site.new_name("n"), site.record
    record.note("nc", f"{name} starts: {' '.join(netcat.argv)}")
    nc = NcEnd(
        *(name, port, listens, netcat),
        lambda line: record.note("nc", f"{name} prints {line!r}"),
        lambda code: record.note("nc", f"{name} has ended, exit code {code}"),
    )
    site.ncs[name] = nc
    return nc


def _running(site: Site, args: _Args) -> NcEnd:
    nc = site.nc(args["N"])
    if not nc.running:
        raise Mistake(
            site.tr("{name} has ended; `nc connect` or `nc listen` starts another", name=nc.name)
        )
    return nc


def _flags(site: Site, args: _Args) -> list[str]:
    text = args.get("FLAGS", "")
    found = _FLAG.findall(text)
    if " ".join(found) != " ".join(text.split()):
        raise Mistake(
            site.tr(
                "{flags!r}: the flags of nc that make sense here are -N -k -v -n -q N -w N",
                flags=text,
            )
        )
    return text.split()


def _connected(site: Site, nc: NcEnd) -> bool:
    pcb = site.record.live.pcb(nc.conn)
    return pcb is not None and not pcb.over


def _established_or_later(event: Event) -> bool:
    return isinstance(event, Transition) and event.after is not State.SYN_RCVD


def _came(event: Event, nc: NcEnd, *, flag: str = "", length: bool = False) -> bool:
    if not isinstance(event, Segment) or event.conn != nc.conn or event.direction != "rx":
        return False
    return (length and event.length > 0) or bool(set(flag) & set(event.flags))


def _how_it_ends(site: Site, nc: NcEnd) -> str:
    if nc.sends_fin:
        return site.tr("`nc end {name}` (Ctrl-D) makes it send its FIN", name=nc.name)
    if nc.listens:
        return site.tr("it closes when the board has closed", name=nc.name)
    return site.tr(
        "`nc end {name}` (Ctrl-D) sends nothing (no -N); it closes when the board has closed and "
        "its input has ended",
        name=nc.name,
    )
