"""The verbs about the lab itself: the table, netstat, help, save."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lwipscope.board.kernel_table import in_network
from lwipscope.board.running import RunningBoard
from lwipscope.errors import UsageError
from lwipscope.lab.mistakes import Mistake
from lwipscope.lab.site import Site, Told
from lwipscope.report.netstat_text import Row, table
from lwipscope.runfile.model import SUFFIX
from lwipscope.tcp.state import State
from lwipscope.trace.leaks import PoolUse

_Args = dict[str, str]


def show(site: Site, _args: _Args, told: Told) -> None:
    """The board's pcbs by the names of their sockets."""
    told.events = False
    told.shell.append("lwipscope netstat --style lwip")
    names = {s.conn: n for n, s in site.sockets.items() if not s.closed}
    rows = site.record.live.rows(running=clock_runs(site))
    told.said.append(f"{'':<4} {'':<4} {'state':<11} {'local':<21} {'remote':<21}   s")
    for row in rows:
        age = "" if row.age_ms is None else f"{row.age_ms / 1000:>8.1f}"
        told.said.append(
            f"{names.get(row.conn or 0, ''):<4} c{row.conn:<3} {row.state.name:<11} "
            f"{row.local!s:<21} {row.remote or '-'!s:<21}{age}"
        )
    if not rows:
        told.said.append(site.tr("no pcb is taken"))
    size = _pool_size(site)
    if size:
        use = PoolUse.of(site.board.trace.events, size)
        told.said.append(
            site.tr(
                "{used} of {size} pcbs are taken, at most {peak} so far",
                used=use.used,
                size=size,
                peak=use.peak,
            )
        )
    waiting = [
        f"c{p.conn}"
        for p in site.record.live.living()
        if p.listener is not None and not p.accepted and p.state is not State.SYN_RCVD
    ]
    if waiting:
        told.said.append(site.tr("not accepted yet: {names}", names=", ".join(waiting)))


def netstat(site: Site, _args: _Args, told: Told) -> None:
    """Both ends, as on Linux."""
    told.events = False
    told.shell.append("lwipscope netstat" if not site.network.has_tap else "netstat -tan")
    rows = site.record.live.rows(running=clock_runs(site))
    rows += host_rows(site, rows)
    told.said += table(rows, "linux").split("\n")


def host_rows(site: Site, of_board: Sequence[Row]) -> list[Row]:
    """What the kernel has in the lab's own network; each says which connection it is the end of."""
    if not site.keeper.has_namespace:
        return []
    conns = {(row.remote, row.local): row.conn for row in of_board if row.remote is not None}
    board = RunningBoard(os.getpid(), site.board.file.name, "", site.keeper.pids[1])
    found = []
    for each in in_network(board):
        conn = conns.get((each.local, each.remote))
        found.append(
            Row(
                *("host", each.state, each.local, each.remote if each.remote.port else None, conn),
                recv_queue=each.recv_queue,
                send_queue=each.send_queue,
                note=f"other end of c{conn}" if conn else "",
            )
        )
    return found


def explain(site: Site, args: _Args, told: Told) -> None:
    """The verbs, in groups."""
    told.events = False
    begin = args.get("VERB", "")
    chosen = [v for v in site.verbs if v.words.startswith(begin)]
    if not chosen:
        raise Mistake(site.tr("no verb begins with {said!r}", said=begin))
    width = max(len(v.usage()) for v in chosen) + 2
    group = ""
    for verb in chosen:
        if group and verb.group != group:
            told.said.append("")
        group = verb.group
        told.said.append(f"{verb.usage():<{width}}{site.tr(verb.help)}")
    if not begin:
        told.said.append("")
        told.said.append(
            site.tr(
                "S and L are the board's sockets (s1, s2, ...), N is an nc (n1, ...), R a raw peer "
                "(r1, ...)"
            )
        )


def save(site: Site, args: _Args, told: Told) -> None:
    """The run file."""
    told.events = False
    path = Path(args["FILE"]).expanduser() if "FILE" in args else None
    if path is not None and path.is_dir():
        raise UsageError(site.tr("{path} is a folder; expected a file's name", path=path))
    if path is not None and path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    where = site.record.save(path)
    told.shell.append(f"lwipscope show {where}")
    told.said.append(site.tr("written: {path}", path=where))


def clock_runs(site: Site) -> bool:
    """Whether board time goes by itself; asks nobody."""
    return site.clock == "running"


def _pool_size(site: Site) -> int:
    for event in site.board.trace.events[:1]:
        fields = getattr(event, "fields", {})
        text = fields.get("pcb", "")
        return int(text) if text.isdecimal() else 0
    return 0
